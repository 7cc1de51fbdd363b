"""What the orders that customers place make of them, and what they keep in their address books."""

from django.db.models import Case, Q, Value, When

from commerce import changes, ids, permissions
from commerce.models import Customer, CustomerAddress, Tenant
from commerce.models.records import invalid


def check_address(entry: CustomerAddress, by: changes.By) -> None:
    """Raises ValidationError where a shopper would make an address its own that it only sees with an order."""
    if isinstance(by.reach, permissions.Shopper) and not permissions.is_own_address(entry.address, by.reach):
        raise invalid("address", "is not the customer's own")


def called(tenant: Tenant, name: str) -> Customer | None:
    """The customer with that id, or else the one whom other services call so."""
    key = ids.decode(name) or 0
    rows = Customer.objects.owned_by(tenant).filter(Q(pk=key) | Q(reference=name) | Q(shopper_reference=name))
    nearest = Case(When(pk=key, then=Value(0)), When(reference=name, then=Value(1)), default=Value(2))
    found: Customer | None = rows.select_related("customer_group").order_by(nearest, "pk").first()
    return found


def count_order(customer: Customer, difference: int, by: changes.By) -> None:
    """Counts an order that was placed, or given up again; the status follows."""
    changes.count(Customer, customer.pk, total_orders_count=difference)
    customer = Customer.objects.owned_by(customer.tenant).get(pk=customer.pk)
    former = customer.status
    customer.follow_orders()
    if changes.save(customer, by) and customer.status != former and difference > 0:
        changes.announce(customer, customer.status, by)
