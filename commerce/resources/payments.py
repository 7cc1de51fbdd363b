from commerce.api import Resource, registry
from commerce.jsonapi.resource import Derived, Rel
from commerce.models import ManualGateway, PaymentMethod
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, VERSIONS
from commerce.resources.triggers import DISABLING


@registry.register
class ManualGateways(Resource):
    type = "manual_gateways"
    model = ManualGateway
    attributes = ("name", "force_payments", "disabled_at")
    read_only = ("disabled_at",)
    filterable = sortable = ("name", "disabled_at")
    triggers = DISABLING
    relationships = ("payment_methods", VERSIONS, EVENT_STORES)


@registry.register
class PaymentMethods(Resource):
    type = "payment_methods"
    model = PaymentMethod
    attributes = (
        "name",
        "payment_source_type",
        "currency_code",
        "moto",
        "require_capture",
        "auto_place",
        "auto_capture",
        "price_amount_cents",
        "price_amount_float",
        "formatted_price_amount",
        "auto_capture_max_amount_cents",
        "auto_capture_max_amount_float",
        "formatted_auto_capture_max_amount",
        "disabled_at",
    )
    read_only = ("disabled_at",)
    columns = {
        "price_amount_float": Derived(as_float, "price_amount_cents", "currency_code"),
        "formatted_price_amount": Derived(formatted, "price_amount_cents", "currency_code"),
        "auto_capture_max_amount_float": Derived(as_float, "auto_capture_max_amount_cents", "currency_code"),
        "formatted_auto_capture_max_amount": Derived(formatted, "auto_capture_max_amount_cents", "currency_code"),
    }
    filterable = sortable = ("name", "payment_source_type", "currency_code", "price_amount_cents", "disabled_at")
    triggers = DISABLING
    relationships = (Rel("market", sortable=True), "payment_gateway", VERSIONS, EVENT_STORES)
    absent_one = ("store",)
    absent_many = ("attachments",)
