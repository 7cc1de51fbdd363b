"""What shoppers may do and see: a sales channel alone, or whoever comes in the name of a customer.

Integrations and webapps go by their role. For a shopper `TABLE` says which actions of a type are open to it, and which
of the tenant's rows it reaches; a type that is not in the table is closed. The rows hold wherever they are met: listed,
related, included, filtered by, written or referred to, because whatever the API reads starts from them.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from commerce.jsonapi.prepared import like
from commerce.models import Address, Customer, CustomerAddress, GiftCard, Market, Order, Price, Tenant


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
    guests_of: Any
    """The organization, if there is no customer, or 0."""

    @classmethod
    def of(cls, tenant: Tenant, customer_id: int, market_ids: Sequence[int] | None) -> "Shopper":
        """`market_ids` is None where all are in scope."""
        organization, nobody = tenant.organization_id, 0
        return cls(
            *tenant,
            customer_id,
            list(market_ids or ()),
            organization if market_ids is None else nobody,
            nobody if customer_id else organization,
        )


ANY_TENANT = like(Tenant(0, ""))
"""Whichever tenant a prepared statement is run for."""
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
        in_scope(shopper, market="pk"),
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
    """Those that are the shopper's own, and those of its orders, which somebody else may have set."""
    orders = of_orders()(Order.objects.owned_by(shopper), shopper)
    of_an_order = Exists(orders.filter(Q(shipping_address=OuterRef("pk")) | Q(billing_address=OuterRef("pk"))))
    return rows.filter(_kept_by(shopper) | Q(of_an_order))


def is_own_address(address: Address, shopper: Shopper) -> bool:
    """Whether the shopper keeps the address, and does not only see it with an order, and nothing was placed with it."""
    if Order.objects.owned_by(shopper).filter(_addressed_to(address), placed_at__isnull=False).exists():
        return False
    return Address.objects.owned_by(shopper).filter(_kept_by(shopper), pk=address.pk).exists()


def _addressed_to(address: Address) -> Q:
    return Q(shipping_address=address) | Q(billing_address=address)


def _kept_by(shopper: Shopper) -> Q:
    """Those of the customer's address book, and those it created; those of guests are theirs who know the ids."""
    book = CustomerAddress.objects.owned_by(shopper).filter(customer=shopper.customer_id)
    of_guests = Q(of_guest=True, organization_id=shopper.guests_of)
    return Q(created_by=shopper.customer_id) | Q(pk__in=book.values("address")) | of_guests


def offered_there(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """What is not out of use, of an open market or of none in particular."""
    return bundled_there(rows.filter(disabled_at__isnull=True), shopper)


def of_orders(path: str = "") -> Rows:
    """Rows from which `path` leads to an order of the shopper's, in a market in scope, closed or not.

    Of a customer those are its own; whoever is none reaches the orders of guests, if it knows their ids.
    """

    def of_own_orders(rows: QuerySet, shopper: Shopper) -> QuerySet:
        of_guests = Q((f"{path}guest", True), (f"{path}organization_id", shopper.guests_of))
        return rows.filter(Q((f"{path}customer", shopper.customer_id)) | of_guests, in_scope(shopper, path))

    return of_own_orders


def drafts_and_own_cards(rows: QuerySet, shopper: Shopper) -> QuerySet:
    """Gift cards that are yet to be bought, for whoever knows their ids, and those that are meant for the customer."""
    draft = Q(status=GiftCard.Status.DRAFT)
    of_market = Q(market__isnull=True) | in_scope(shopper)
    return rows.filter(draft | Q(gift_card_recipient__customer=shopper.customer_id), of_market)


def in_scope(shopper: Shopper, path: str = "", market: str = "market") -> Q:
    """`path` leads to what has the market, and belongs to the same organization."""
    return Q((f"{path}{market}__among", shopper.market_ids)) | Q((f"{path}organization_id", shopper.all_markets_of))


def markets(reach: Reach) -> QuerySet:
    """The enabled markets that are reached: a shopper's are in scope and open to it."""
    enabled = Market.objects.owned_by(reach).filter(disabled_at__isnull=True)
    return open_markets(enabled, reach) if isinstance(reach, Shopper) else enabled


# --- The table ------------------------------------------------------------------------------------

PROHIBITED = frozenset({"tags", "_add_tags", "_remove_tags", "_reset_circuit"})
"""What no shopper may pass, whatever the type."""


def always(row: Any, shopper: Shopper) -> bool:
    return True


def is_draft(card: GiftCard, shopper: Shopper) -> bool:
    return card.status == GiftCard.Status.DRAFT


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
    ignored: str = ""
    """What shoppers may pass to no effect."""
    of_guest: Mapping[str, Any] = MappingProxyType({})
    """The columns of a new row of whoever is no customer."""
    untold: str = ""
    """Attributes that shoppers do not see."""
    may_change: Callable[[Any, Shopper], bool] = always
    """Whether a row that is reached may be updated or destroyed."""


_SHOWN = "list retrieve"
_PARTS = "retrieve create update destroy"

TABLE = {
    "organizations": Entry("retrieve", "retrieve", every),
    "applications": Entry("retrieve", "retrieve", every),
    # What is sold, where and how. Some of it is only referred to.
    "markets": Entry(
        "related",
        "related",
        open_markets,
        untold="shared_secret external_prices_url external_order_validation_url external_includes",
    ),
    "stock_locations": Entry("related", "related", every, untold="number label_format suppress_etd"),
    "shipping_categories": Entry("related", "related", every),
    "skus": Entry(_SHOWN, _SHOWN, sold_there),
    "sku_options": Entry(_SHOWN, _SHOWN, every),
    "prices": Entry(_SHOWN, _SHOWN, asked_there),
    "bundles": Entry(_SHOWN, _SHOWN, bundled_there),
    "sku_lists": Entry("retrieve", "retrieve", nobody_elses),
    # What customers and orders are called elsewhere is not theirs to say.
    "evaluations": Entry("create", "create", every, ignored="customer_reference reference subscription"),
    "payment_methods": Entry("related retrieve", "related retrieve", offered_there),
    "shipping_methods": Entry(
        "related retrieve", "related retrieve", offered_there, untold="shared_secret external_prices_url"
    ),
    # Who buys. Signing up is creating a customer.
    "customers": Entry(
        "related create",
        "list retrieve update",
        own("pk"),
        may_lose=True,
        prohibited="_request_anonymization _cancel_anonymization",
        # By these promotions and other services know who is meant.
        ignored="reference reference_origin shopper_reference",
    ),
    "customer_addresses": Entry("related", "list retrieve create update destroy", own("customer")),
    "addresses": Entry(
        "retrieve create update",
        "list retrieve create update",
        own_addresses,
        creator="created_by",
        of_guest={"of_guest": True},
        may_change=is_own_address,
    ),
    # What is bought. Whoever is no customer shows nothing but the ids, which nobody guesses.
    "orders": Entry(
        "retrieve create update",
        "list retrieve create update",
        of_orders(),
        creator="customer",
        of_guest={"guest": True},
        # What is taxable decides whether gift cards are discounted.
        ignored="guest gift_card_taxable freight_taxable payment_method_taxable adjustment_taxable "
        "shipping_country_code_lock",
        prohibited="number _pending _approve _approve_and_capture _capture _refund _fulfill _fix_payment_source "
        "_refresh_prices _start_editing _stop_editing expires_at expiration_info",
    ),
    "line_items": Entry(
        f"related {_PARTS}",
        f"list {_PARTS}",
        of_orders("order__"),
        ignored="compare_at_amount_cents",
        prohibited="unit_amount_cents options_amount_cents _reserve_stock _reset_restocked_quantity",
    ),
    "line_item_options": Entry(
        f"related {_PARTS}", f"list {_PARTS}", of_orders("line_item__order__"), prohibited="unit_amount_cents"
    ),
    "shipments": Entry(
        "related retrieve update",
        "list retrieve update",
        of_orders("order__"),
        prohibited="number _upcoming _cancel _on_hold _picking _packing _ready_to_ship _ship _deliver "
        "_reserve_stock _release_stock _decrement_stock shipping_category",
    ),
    # Found with the order and nowhere else, for their ids follow one another.
    "resource_errors": Entry("related", "related", of_orders("order__")),
    # Never listed: drafts are anybody's who knows them.
    "gift_cards": Entry(
        "retrieve create update",
        "retrieve create update",
        drafts_and_own_cards,
        prohibited="code expires_at _purchase _activate _deactivate _balance_change_cents",
        untold="usage_log",
        may_change=is_draft,
    ),
    # Those of a draft are not shown: whoever makes one for an e-mail address would be told whose it is.
    "gift_card_recipients": Entry("related", "related", own("customer")),
}


UNTOLD = {name: frozenset(entry.untold.split()) for name, entry in TABLE.items() if entry.untold}
"""Type -> attributes that no shopper sees."""


def allows(shopper: Shopper, action: str, resource_type: str) -> bool:
    """Whether `action` is open to the shopper: list, retrieve, create, update, destroy, or related.

    The latter is to see those that belong to something the shopper sees, as far as it reaches them; who may list them
    may do that too.
    """
    entry = TABLE.get(resource_type)
    if entry is None:
        return False
    open_actions = (entry.customer if shopper.customer_id else entry.guest).split()
    return action in open_actions or (action == "related" and "list" in open_actions)


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


def ignored(reach: Reach, resource_type: str) -> frozenset[str]:
    """Attributes that may be passed to no effect."""
    entry = TABLE.get(resource_type) if isinstance(reach, Shopper) else None
    return frozenset(entry.ignored.split()) if entry else frozenset()


def may_lose(reach: Reach, resource_type: str) -> bool:
    """Whether a new row may lie beyond the reach of who created it."""
    return isinstance(reach, Shopper) and TABLE[resource_type].may_lose


def may_change(reach: Reach, resource_type: str, row: Any) -> bool:
    """Whether a row that is reached may be updated or destroyed, where these actions are open."""
    return not isinstance(reach, Shopper) or TABLE[resource_type].may_change(row, reach)


def creator(reach: Reach, resource_type: str) -> Mapping[str, Any]:
    """The column of a new row that keeps whose it is, with its value."""
    if not isinstance(reach, Shopper):
        return {}
    entry = TABLE[resource_type]
    if not reach.customer_id:
        return entry.of_guest
    return {f"{entry.creator}_id": reach.customer_id} if entry.creator else {}
