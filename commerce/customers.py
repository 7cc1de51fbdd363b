"""What the orders that customers place make of them, and what they keep in their address books."""

from commerce import changes, permissions
from commerce.models import Customer, CustomerAddress
from commerce.models.records import invalid


def check_address(entry: CustomerAddress, by: changes.By) -> None:
    """Raises ValidationError where a shopper would make an address its own that it only sees with an order."""
    if isinstance(by.reach, permissions.Shopper) and not permissions.is_own_address(entry.address, by.reach):
        raise invalid("address", "is not the customer's own")


def count_order(customer: Customer, difference: int, by: changes.By) -> None:
    """Counts an order that was placed, or given up again; the status follows."""
    changes.count(Customer, customer.pk, total_orders_count=difference)
    customer = Customer.objects.owned_by(customer.tenant).get(pk=customer.pk)
    former = customer.status
    customer.follow_orders()
    if changes.save(customer, by) and customer.status != former and difference > 0:
        changes.announce(customer, customer.status, by)
