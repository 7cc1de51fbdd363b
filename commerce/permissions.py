"""What shoppers may do and see: a sales channel alone, or whoever comes in the name of a customer.

Integrations and webapps go by their role. For a shopper `TABLE` says which actions of a type are open to it, and which
of the tenant's rows it reaches; a type that is not in the table is closed. The rows hold wherever they are met: listed,
related, included, filtered by, written or referred to, because whatever the API reads starts from them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from commerce.models import Customer, CustomerAddress, Market, Price, Tenant


class Shopper(NamedTuple):
    """A tenant as far as a shopper reaches it. The values may be parameters of a prepared statement."""

    organization_id: Any
    mode: Any
    customer_id: Any
    """0 where there is no customer."""
    market_ids: Any
    """A list of the keys in scope."""
    all_markets_of: Any
    """The organization, if all its markets are in scope, or 0."""


Reach = Tenant | Shopper
"""What a caller reaches: a tenant, whole or as a shopper."""
Rows = Callable[[QuerySet, Shopper], QuerySet]


# --- Rows -----------------------------------------------------------------------------------------


def every(rows: QuerySet, shopper: Shopper) -> QuerySet:
    return rows


def own(customer: str) -> Rows:
    """Rows from which the path `customer` leads to the shopper's customer."""

    def of_customer(rows: QuerySet, shopper: Shopper) -> QuerySet:
        return rows.filter((customer, shopper.customer_id))

    return of_customer


def open_markets(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """Those in scope that are enabled and not kept for other customers."""
    groups = Customer.objects.owned_by(shopper).filter(pk=shopper.customer_id).values("customer_group")
    return rows.filter(
        Q(pk__among=shopper.market_ids) | Q(organization_id=shopper.all_markets_of),
        Q(customer_group__isnull=True) | Q(customer_group__in=groups),
        disabled_at__isnull=True,
    )


def asked_there(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """Prices of the price lists of open markets."""
    return rows.filter(price_list__in=markets(shopper).values("price_list"))


def sold_there(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """SKUs that have a price in an open market."""
    # The price lists are the tenant's; to ask that of each price too takes twice as long.
    return rows.filter(Exists(asked_there(Price.objects.filter(sku=OuterRef("pk")), shopper)))


def bundled_there(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """Bundles of an open market, or of none in particular."""
    return rows.filter(Q(market__isnull=True) | Q(market__in=markets(shopper)))


def nobody_elses(rows: QuerySet, shopper: Shopper) -> QuerySet:
    return rows.filter(Q(customer__isnull=True) | Q(customer=shopper.customer_id))


def own_addresses(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """Those of the customer's address book, and those it created."""
    book = CustomerAddress.objects.owned_by(shopper).filter(customer=shopper.customer_id)
    return rows.filter(Q(created_by=shopper.customer_id) | Q(pk__in=book.values("address")))


def markets(reach: Reach) -> QuerySet:
    """The enabled markets that are reached: a shopper's are in scope and open to it."""
    enabled = Market.objects.owned_by(reach).filter(disabled_at__isnull=True)
    return open_markets(enabled, reach) if isinstance(reach, Shopper) else enabled


# --- The table ------------------------------------------------------------------------------------

PROHIBITED = frozenset({"tags", "_add_tags", "_remove_tags", "_reset_circuit"})
"""What no shopper may pass, whatever the type."""


class Entry(NamedTuple):
    """A type as shoppers meet it: `guest` and `customer` are the actions open to either, `rows` what they reach."""

    guest: str
    customer: str
    rows: Rows
    may_lose: bool = False
    """Whether who creates a row need not reach it afterwards."""
    creator: str = ""
    """The column that keeps the customer who created a row."""
    prohibited: str = ""
    """What shoppers may not pass, besides `PROHIBITED`."""


_SHOWN = "list retrieve"

TABLE = {
    "organizations": Entry("retrieve", "retrieve", every),
    "applications": Entry("retrieve", "retrieve", every),
    # What is sold. Markets are only referred to.
    "markets": Entry("", "", open_markets),
    "skus": Entry(_SHOWN, _SHOWN, sold_there),
    "sku_options": Entry(_SHOWN, _SHOWN, every),
    "prices": Entry(_SHOWN, _SHOWN, asked_there),
    "bundles": Entry(_SHOWN, _SHOWN, bundled_there),
    "sku_lists": Entry("retrieve", "retrieve", nobody_elses),
    "evaluations": Entry("create", "create", every),
    # Who buys. Signing up is creating a customer.
    "customers": Entry(
        "create",
        "list retrieve update",
        own("pk"),
        may_lose=True,
        prohibited="_request_anonymization _cancel_anonymization",
    ),
    "customer_addresses": Entry("", "list retrieve create update destroy", own("customer")),
    "addresses": Entry("create", "list retrieve create update", own_addresses, may_lose=True, creator="created_by"),
    # What is bought.
    "orders": Entry(
        "retrieve create update",
        "list retrieve create update",
        own("customer"),
        may_lose=True,
        creator="customer",
        prohibited="number _pending _approve _approve_and_capture _capture _refund _fulfill _fix_payment_source "
        "_refresh_prices _start_editing _stop_editing expires_at expiration_info",
    ),
    "line_items": Entry(
        "retrieve create update destroy",
        "list retrieve create update destroy",
        own("order__customer"),
        prohibited="unit_amount_cents options_amount_cents _reserve_stock _reset_restocked_quantity",
    ),
    "gift_cards": Entry(
        "retrieve create update", "list retrieve create update", own("gift_card_recipient__customer"), may_lose=True
    ),
}


def allows(shopper: Shopper, action: str, resource_type: str) -> bool:
    """Whether `action`, one of list, retrieve, create, update and destroy, is open to the shopper."""
    entry = TABLE.get(resource_type)
    if entry is None:
        return False
    return action in (entry.customer if shopper.customer_id else entry.guest).split()


def within(reach: Reach, resource_type: str, rows: QuerySet) -> QuerySet:
    """Those of the tenant's rows that are reached."""
    if not isinstance(reach, Shopper):
        return rows
    entry = TABLE.get(resource_type)
    return entry.rows(rows, reach) if entry else rows.none()


def prohibited(reach: Reach, resource_type: str) -> frozenset[str]:
    """Attributes and relationships that may not be passed."""
    entry = TABLE.get(resource_type) if isinstance(reach, Shopper) else None
    return PROHIBITED | set(entry.prohibited.split()) if entry else frozenset()


def may_lose(reach: Reach, resource_type: str) -> bool:
    """Whether a new row may lie beyond the reach of who created it."""
    return isinstance(reach, Shopper) and TABLE[resource_type].may_lose


def creator(reach: Reach, resource_type: str) -> dict[str, int]:
    """The column of a new row that keeps whose it is, with its value."""
    if not isinstance(reach, Shopper) or not reach.customer_id or not TABLE[resource_type].creator:
        return {}
    return {f"{TABLE[resource_type].creator}_id": reach.customer_id}
