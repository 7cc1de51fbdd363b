"""What makes up an order besides its lines."""

from commerce.api import Resource, registry
from commerce.jsonapi.resource import Derived
from commerce.models import Adjustment
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, VERSIONS


@registry.register
class Adjustments(Resource):
    type = "adjustments"
    model = Adjustment
    attributes = (
        "name",
        "currency_code",
        "amount_cents",
        "amount_float",
        "formatted_amount",
        "distribute_discount",
    )
    columns = {
        "amount_float": Derived(as_float, "amount_cents", "currency_code"),
        "formatted_amount": Derived(formatted, "amount_cents", "currency_code"),
    }
    filterable = sortable = ("name", "currency_code", "amount_cents")
    relationships = (VERSIONS, EVENT_STORES)
