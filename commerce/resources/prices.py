from typing import ClassVar

from commerce import changes
from commerce.api import Resource, registry
from commerce.errors import Forbidden
from commerce.jsonapi.attribute_filters import NamedFilter
from commerce.jsonapi.resource import Derived, Rel
from commerce.jsonapi.writing import ADD, REMOVE, REPLACE
from commerce.models import PRICE_TIER_KINDS, Price, PriceFrequencyTier, PriceList, PriceTier, PriceVolumeTier
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.catalog import SKU_CODE, set_sku

_RULES = ("rule_outcomes", "rules", "resource_payload")


@registry.register
class PriceLists(Resource):
    type = "price_lists"
    model = PriceList
    attributes = ("name", "code", "currency_code", "tax_included", *_RULES)
    read_only = ("rule_outcomes", "resource_payload")
    sortable = ("name", "code", "currency_code", "tax_included")
    filterable = (*sortable, "rules")
    relationships = ("prices", VERSIONS, EVENT_STORES)
    absent_many = ("price_list_schedulers", "attachments")


def adopt_tiers(price: Price, tiers: list[PriceTier], how: str, by: changes.By) -> None:
    """Moves tiers to the price. None can leave it this way: a tier always has a price."""
    held, given = price.price_tiers.all(), [tier.pk for tier in tiers]
    leaving = {ADD: held.none(), REMOVE: held.filter(pk__in=given), REPLACE: held.exclude(pk__in=given)}[how]
    if leaving.exists():
        raise Forbidden("A tier cannot be left without a price; move or delete it instead.")
    for tier in tiers if how != REMOVE else ():
        tier.price = price
        changes.save(tier, by)


@registry.register
class Prices(Resource):
    """`original_amount_cents` is the amount before rules, which are not computed: the amount itself."""

    type = "prices"
    model = Price
    attributes = (
        "currency_code",
        "sku_code",
        "amount_cents",
        "amount_float",
        "formatted_amount",
        "original_amount_cents",
        "formatted_original_amount",
        "compare_at_amount_cents",
        "compare_at_amount_float",
        "formatted_compare_at_amount",
        "processed_at",
        *_RULES,
    )
    read_only = ("currency_code", "original_amount_cents", "rule_outcomes", "resource_payload")
    update_only = ("processed_at",)
    columns = {
        "currency_code": "price_list__currency_code",
        "sku_code": "sku__code",
        "amount_float": Derived(as_float, "amount_cents", "price_list__currency_code"),
        "formatted_amount": Derived(formatted, "amount_cents", "price_list__currency_code"),
        "original_amount_cents": "amount_cents",
        "formatted_original_amount": Derived(formatted, "amount_cents", "price_list__currency_code"),
        "compare_at_amount_float": Derived(as_float, "compare_at_amount_cents", "price_list__currency_code"),
        "formatted_compare_at_amount": Derived(formatted, "compare_at_amount_cents", "price_list__currency_code"),
    }
    sortable = ("amount_cents", "compare_at_amount_cents")
    filterable = (*sortable, "rules")
    setters = {"sku_code": set_sku}
    serializer_fields = {"sku_code": SKU_CODE}
    relationships = (
        Rel("price_list", sortable=True),
        Rel("sku", sortable=True, named_by="sku_code"),
        Rel("price_tiers", change=adopt_tiers),
        Rel("price_volume_tiers", target="price_volume_tiers", inverse="price_id", filterable=False),
        Rel("price_frequency_tiers", target="price_frequency_tiers", inverse="price_id", filterable=False),
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("attachments",)


_TIER_TYPES = {kind: f"price_{kind}_tiers" for kind in PRICE_TIER_KINDS}
_KINDS = {type_name: kind for kind, type_name in _TIER_TYPES.items()} | {
    model.__name__: kind for kind, model in PRICE_TIER_KINDS.items()
}


class PriceTierResource(Resource):
    attributes = ("name", "up_to", "price_amount_cents", "price_amount_float", "formatted_price_amount")
    columns = {
        "price_amount_float": Derived(as_float, "price_amount_cents", "price__price_list__currency_code"),
        "formatted_price_amount": Derived(formatted, "price_amount_cents", "price__price_list__currency_code"),
    }
    filterable = ("name", "up_to", "price_amount_cents")
    sortable = (*filterable, "type")
    filters = {"type": NamedFilter("kind", _KINDS.get)}
    relationships: ClassVar[tuple[str | Rel, ...]] = (Rel("price", sortable=True), VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


@registry.register
class PriceTiers(PriceTierResource):
    """Every tier, whatever its type; each answers as the type it is."""

    type = "price_tiers"
    model = PriceTier
    actions = ("list", "retrieve")
    variants = _TIER_TYPES


@registry.register
class PriceVolumeTiers(PriceTierResource):
    type = "price_volume_tiers"
    model = PriceVolumeTier
    relationships = (*PriceTierResource.relationships, EVENTS)


@registry.register
class PriceFrequencyTiers(PriceTierResource):
    type = "price_frequency_tiers"
    model = PriceFrequencyTier
    relationships = (*PriceTierResource.relationships, EVENTS)
