from commerce.api import Resource, registry
from commerce.jsonapi.resource import Derived, Rel
from commerce.models import ShippingCategory, ShippingMethod, ShippingZone, StockLocation
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.triggers import CIRCUIT, CIRCUIT_STATE, DISABLING, REGENERATING


@registry.register
class ShippingCategories(Resource):
    type = "shipping_categories"
    model = ShippingCategory
    attributes = ("name", "code")
    filterable = sortable = ("name", "code")
    relationships = ("skus", VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


@registry.register
class ShippingZones(Resource):
    type = "shipping_zones"
    model = ShippingZone
    attributes = ("name", *ShippingZone.PATTERNS)
    filterable = sortable = ("name",)
    relationships = (VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


@registry.register
class StockLocations(Resource):
    type = "stock_locations"
    model = StockLocation
    attributes = ("number", "name", "code", "label_format", "suppress_etd")
    read_only = ("number",)
    columns = {"number": "pk"}
    filterable = sortable = ("name", "code", "label_format", "suppress_etd")
    relationships = (Rel("address", sortable=True), VERSIONS, EVENT_STORES)
    absent_many = (
        *("inventory_stock_locations", "inventory_return_locations", "stock_items"),
        *("stock_transfers", "stores", "attachments"),
    )


def nothing() -> None:
    """Of what is only told of a shipment, and none are kept."""


@registry.register
class ShippingMethods(Resource):
    type = "shipping_methods"
    model = ShippingMethod
    attributes = (
        "name",
        "scheme",
        "currency_code",
        "external_prices_url",
        "price_amount_cents",
        "price_amount_float",
        "formatted_price_amount",
        "free_over_amount_cents",
        "free_over_amount_float",
        "formatted_free_over_amount",
        "use_subtotal",
        "price_amount_for_shipment_cents",
        "price_amount_for_shipment_float",
        "formatted_price_amount_for_shipment",
        "min_weight",
        "max_weight",
        "unit_of_weight",
        "tax_code",
        "disabled_at",
        "circuit_state",
        "circuit_failure_count",
        "shared_secret",
        "external_includes",
    )
    read_only = ("disabled_at", "circuit_failure_count", "shared_secret")
    annotations = {"circuit_state": CIRCUIT_STATE}
    columns = {
        "price_amount_float": Derived(as_float, "price_amount_cents", "currency_code"),
        "formatted_price_amount": Derived(formatted, "price_amount_cents", "currency_code"),
        "free_over_amount_float": Derived(as_float, "free_over_amount_cents", "currency_code"),
        "formatted_free_over_amount": Derived(formatted, "free_over_amount_cents", "currency_code"),
        "price_amount_for_shipment_cents": Derived(nothing),
        "price_amount_for_shipment_float": Derived(nothing),
        "formatted_price_amount_for_shipment": Derived(nothing),
    }
    filterable = sortable = (
        "name",
        "scheme",
        "currency_code",
        "price_amount_cents",
        "free_over_amount_cents",
        "disabled_at",
        "circuit_state",
        "circuit_failure_count",
    )
    triggers = {**DISABLING, **CIRCUIT, **REGENERATING}
    relationships = (
        Rel("market", sortable=True),
        Rel("shipping_zone", sortable=True),
        Rel("shipping_category", sortable=True),
        Rel("stock_location", sortable=True),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_one = ("delivery_lead_time_for_shipment",)
    absent_many = ("shipping_method_tiers", "shipping_weight_tiers", "attachments", "notifications")
