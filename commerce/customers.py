"""What the orders that customers place make of them."""

from commerce import changes
from commerce.models import Customer


def count_order(customer: Customer, difference: int, by: changes.By) -> None:
    """Counts an order that was placed, or given up again; the status follows."""
    changes.count(Customer, customer.pk, total_orders_count=difference)
    customer = Customer.objects.owned_by(customer.tenant).get(pk=customer.pk)
    former = customer.status
    customer.follow_orders()
    if changes.save(customer, by) and customer.status != former and difference > 0:
        changes.announce(customer, customer.status, by)
