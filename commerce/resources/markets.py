from commerce.api import Resource, registry
from commerce.jsonapi.resource import Derived, Rel
from commerce.models import Market, Merchant
from commerce.resources.activity import EVENT_STORES, VERSIONS
from commerce.resources.triggers import DISABLING, REGENERATING


@registry.register
class Merchants(Resource):
    type = "merchants"
    model = Merchant
    attributes = ("name",)
    filterable = sortable = ("name",)
    relationships = ("address", VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


def is_private(customer_group_id: int | None) -> bool:
    return customer_group_id is not None


@registry.register
class Markets(Resource):
    type = "markets"
    model = Market
    attributes = (
        "number",
        "name",
        "code",
        "facebook_pixel_id",
        "checkout_url",
        "external_prices_url",
        "external_order_validation_url",
        "private",
        "shipping_cost_cutoff",
        "disabled_at",
        "shared_secret",
        "external_includes",
    )
    read_only = ("number", "disabled_at", "shared_secret")
    columns = {"number": "pk", "private": Derived(is_private, "customer_group_id")}
    filterable = sortable = ("name", "code", "disabled_at")
    triggers = {**DISABLING, **REGENERATING}
    relationships = (
        "merchant",
        Rel("price_list", sortable=True),
        Rel("customer_group", sortable=True),
        Rel("default_shipping_method", sortable=True),
        Rel("default_payment_method", sortable=True),
        VERSIONS,
        EVENT_STORES,
    )
    absent_one = (
        *("base_price_list", "inventory_model", "subscription_model"),
        *("discount_engine", "tax_calculator", "geocoder"),
    )
    absent_many = ("stores", "price_list_schedulers", "order_validation_rules", "attachments")
