"""What flex rules may look at: the paths of the order, and the shape of the document that holds them.

The document is `types.Order.facts`, the order as plain values under the names of the API:

    {"market": {"code": "IT", ...}, "customer": {"tags": [{"name": "vip"}], ...} or None, "metadata": {...},
     "line_items": [{"id": 7, "sku": {"code": "A", "tags": [...], "sku_lists": [...]}, "bundle": None, ...}],
     "shipments": [{"id": 3, "shipping_method": {"name": "Express"}, ...}], ...}

- `id` of line items and shipments is that of `types.Line` and `types.Shipment`; every other `id` is the public one.
- To-one relationships are objects or None, to-many ones (`[]` below) are lists of objects.
- Instants are aware datetimes or ISO 8601 strings; numbers are ints, Decimals or floats, which count as they print.
- What is missing is null. `LIVE` of document.py lists what need not be there, since the cart itself knows it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STRING, INTEGER, FLOAT, BOOLEAN, DATETIME, ANY = "string", "integer", "float", "boolean", "datetime", "any"
NUMBERS = (INTEGER, FLOAT)

ORDER, LINE_ITEMS, SHIPMENTS = "order", "line_items", "shipments"


def _of(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_STAMPS = _of(STRING, "reference reference_origin") | _of(DATETIME, "created_at updated_at") | {"metadata": ANY}
_IDENTIFIED = {"id": STRING} | _STAMPS
_NAMED = {"name": STRING} | _IDENTIFIED
_CODED = {"code": STRING} | _NAMED
_TAGGED = {"tags[]": _NAMED}

_ADDRESS = (
    _IDENTIFIED
    | _TAGGED
    | _of(BOOLEAN, "business")
    | _of(STRING, "first_name last_name company full_name line_1 line_2 city zip_code state_code country_code")
    | _of(STRING, "phone email notes billing_info name")
)
_MARKET = (
    _CODED
    | _of(INTEGER, "number shipping_cost_cutoff")
    | _of(BOOLEAN, "private")
    | {
        "merchant": _NAMED,
        "price_list": _CODED | {"currency_code": STRING, "tax_included": BOOLEAN},
        "customer_group": _CODED,
    }
)
_CUSTOMER = (
    _IDENTIFIED
    | _TAGGED
    | _of(STRING, "email status shopper_reference profile_id tax_exemption_code")
    | {
        "has_password": BOOLEAN,
        "total_orders_count": INTEGER,
        "customer_group": _CODED,
        "customer_subscriptions[]": _IDENTIFIED,
    }
)
_SKU_LIST = _NAMED | _of(STRING, "slug description") | {"manual": BOOLEAN}
_SKU = (
    _CODED
    | _TAGGED
    | _of(STRING, "description image_url unit_of_weight hs_tariff_number")
    | _of(BOOLEAN, "do_not_ship do_not_track")
    | {"pieces_per_pack": INTEGER, "weight": FLOAT, "sku_lists[]": _SKU_LIST, "shipping_category": _CODED}
)
_BUNDLE = (
    _CODED
    | _TAGGED
    | _of(STRING, "description image_url currency_code")
    | _of(BOOLEAN, "do_not_ship do_not_track")
    | _of(INTEGER, "price_amount_cents compare_at_amount_cents skus_count")
    | {"sku_list": _SKU_LIST}
)
_LINE_ITEM = (
    _STAMPS
    | _TAGGED
    | _of(STRING, "item_type sku_code bundle_code name currency_code frequency")
    | _of(INTEGER, "quantity unit_amount_cents compare_at_amount_cents options_amount_cents")
    | _of(INTEGER, "discount_cents total_amount_cents")
    | {
        "sku": _SKU,
        "bundle": _BUNDLE,
        "line_item_options[]": _NAMED | _of(INTEGER, "quantity unit_amount_cents total_amount_cents"),
    }
)
_SHIPPING_METHOD = (
    _NAMED
    | _of(STRING, "scheme currency_code")
    | _of(INTEGER, "price_amount_cents free_over_amount_cents")
    | {"shipping_zone": _NAMED, "shipping_category": _CODED}
)
_SHIPMENT = (
    _STAMPS
    | _TAGGED
    | _of(STRING, "number status currency_code")
    | _of(INTEGER, "cost_amount_cents skus_count")
    | {
        "shipping_method": _SHIPPING_METHOD,
        "available_shipping_methods[]": _SHIPPING_METHOD,
        "shipping_category": _CODED,
        "stock_location": _CODED,
        "shipping_address": _ADDRESS,
    }
)
_PAYMENT_METHOD = _NAMED | _of(STRING, "payment_source_type currency_code") | {"price_amount_cents": INTEGER}
_ORDER = (
    _IDENTIFIED
    | _TAGGED
    | _of(STRING, "number affiliate_code status payment_status fulfillment_status customer_email customer_type")
    | _of(STRING, "language_code currency_code country_code shipping_country_code_lock coupon_code gift_card_code")
    | _of(BOOLEAN, "guest tax_included freight_taxable payment_method_taxable adjustment_taxable gift_card_taxable")
    | _of(INTEGER, "subtotal_amount_cents shipping_amount_cents payment_method_amount_cents discount_amount_cents")
    | _of(INTEGER, "adjustment_amount_cents gift_card_amount_cents total_tax_amount_cents total_amount_cents")
    | _of(INTEGER, "skus_count line_item_options_count shipments_count")
    | _of(DATETIME, "placed_at refreshed_at expires_at")
    | {
        "market": _MARKET,
        "customer": _CUSTOMER,
        "shipping_address": _ADDRESS,
        "billing_address": _ADDRESS,
        "payment_method": _PAYMENT_METHOD,
        "line_items[]": _LINE_ITEM,
        "shipments[]": _SHIPMENT,
    }
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One of the types above, and what has it: the order, each line item or each shipment.

    `is_list` where one such owner has several, like the names of the tags of its SKU.
    """

    type: str
    collection: str
    is_list: bool


def _attributes(path: str, tree: Mapping[str, Any], collection: str, is_list: bool) -> Iterator[tuple[str, Attribute]]:
    for name, below in tree.items():
        key, bracket, _ = name.partition("[")
        if isinstance(below, str):
            yield f"{path}.{key}" + ".*" * (below == ANY), Attribute(below, collection, is_list)
        elif path == ORDER and key in (LINE_ITEMS, SHIPMENTS):
            yield from _attributes(f"{path}.{key}", below, key, False)
        else:
            yield from _attributes(f"{path}.{key}", below, collection, is_list or bool(bracket))


CATALOGUE: Mapping[str, Attribute] = dict(_attributes(ORDER, _ORDER, ORDER, False))
"""Path -> what is found there; `order.metadata.*` stands for every key below."""

ALIASES = {"order.line_items.shipment": "order.shipments"}
"""Shipments are line items to clients, but not to the engine."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path of the catalogue. `keys` lead to it from the order, the line item or the shipment that has it."""

    text: str
    type: str
    collection: str
    is_list: bool
    keys: tuple[str, ...]

    @property
    def resource(self) -> str:
        """The path of what has the attribute."""
        above, _, _ = self.text.partition(".metadata.")
        return above if above != self.text else self.text.rpartition(".")[0]


def path_of(text: str) -> Path | None:
    """The path that clients wrote; None where there is nothing to find."""
    full = text
    for alias, real in ALIASES.items():
        if text.startswith(alias + "."):
            full = real + text.removeprefix(alias)
    attribute = CATALOGUE.get(full) or _of_metadata(full)
    if attribute is None or full.endswith("*"):
        return None
    skipped = 1 if attribute.collection == ORDER else 2
    return Path(text, attribute.type, attribute.collection, attribute.is_list, tuple(full.split(".")[skipped:]))


def _of_metadata(text: str) -> Attribute | None:
    above, found, below = text.partition(".metadata.")
    return CATALOGUE.get(f"{above}.metadata.*") if found and all(below.split(".")) else None


# --- What actions take from -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selector:
    """What an action may select. `takes` is one of the targets of targets.py, None where the cart holds no such thing.

    `item_type` limits line items, `resource` is what the bare names of attributes belong to.
    """

    collection: str
    takes: str | None
    resource: str = "order.line_items"
    item_type: str | None = None
    apply_on: tuple[str, ...] = ()


_UNIT_AMOUNTS = ("unit_amount_cents", "compare_at_amount_cents")
_LINES = "order.line_items"

SELECTORS: Mapping[str, Selector] = {
    "order": Selector(ORDER, "order", "order", apply_on=("subtotal_amount_cents", "total_amount_cents")),
    _LINES: Selector(LINE_ITEMS, "units", apply_on=_UNIT_AMOUNTS),
    f"{_LINES}.line_item_options": Selector(LINE_ITEMS, "options"),
    f"{_LINES}.sku": Selector(LINE_ITEMS, "units", item_type="skus", apply_on=_UNIT_AMOUNTS),
    f"{_LINES}.bundle": Selector(LINE_ITEMS, "units", item_type="bundles", apply_on=_UNIT_AMOUNTS),
    f"{_LINES}.gift_card": Selector(LINE_ITEMS, "units", item_type="gift_cards", apply_on=_UNIT_AMOUNTS),
    f"{_LINES}.shipment": Selector(SHIPMENTS, "shipments", f"{_LINES}.shipment"),
    f"{_LINES}.payment_method": Selector(ORDER, None, "order.payment_method"),
    f"{_LINES}.adjustment": Selector(ORDER, None),
}

GIFT_SELECTORS = ("order.line_items.sku.id", "order.line_items.bundle.id", "order.line_items.sku.sku_lists.id")
"""What a free gift may be named by, in the order in which gifts are given."""
