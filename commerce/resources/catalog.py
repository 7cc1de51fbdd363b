from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import (
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from rest_framework.fields import CharField

from commerce import bundles, changes, sku_lists
from commerce.api import Resource, registry
from commerce.jsonapi.resource import Derived, Rel, Trigger
from commerce.models import Bundle, Sku, SkuList, SkuListItem, SkuOption
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS

# --- SKUs -----------------------------------------------------------------------------------------

SKU_CODE = CharField(max_length=255, required=False)
"""In place of a relationship to a SKU."""


def set_sku(row: Any, code: str, by: changes.By) -> None:
    """The SKU of that code, locked against being deleted meanwhile."""
    sku = Sku.objects.owned_by(row.tenant).filter(code=code).select_for_update(no_key=True).first()
    if sku is None:
        raise ValidationError({"sku_code": ValidationError("is not the code of a SKU", code="invalid")})
    row.sku = sku


def inventory() -> dict[str, Any]:
    """Stock is not kept: whatever there is can be had, however many."""
    return {"available": True, "quantity": None, "levels": []}


@registry.register
class Skus(Resource):
    type = "skus"
    model = Sku
    attributes = (
        "code",
        "name",
        "description",
        "image_url",
        "pieces_per_pack",
        "weight",
        "unit_of_weight",
        "hs_tariff_number",
        "do_not_ship",
        "do_not_track",
        "inventory",
    )
    columns = {"inventory": Derived(inventory)}
    sortable = ("code", "name", "do_not_ship", "do_not_track")
    filterable = (*sortable, "description", "image_url")
    relationships = (
        Rel("shipping_category", sortable=True),
        "prices",
        "sku_list_items",
        Rel("sku_lists", target="sku_lists", inverse="skus"),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("stock_items", "stock_reservations", "delivery_lead_times", "attachments", "links")


DELAY_IN_DAYS = ExpressionWrapper((F("delay_hours") + 12) / 24, output_field=IntegerField())
"""Rounded."""


@registry.register
class SkuOptions(Resource):
    type = "sku_options"
    model = SkuOption
    attributes = (
        "name",
        "currency_code",
        "description",
        "price_amount_cents",
        "price_amount_float",
        "formatted_price_amount",
        "delay_hours",
        "delay_days",
        "sku_code_regex",
    )
    annotations = {"delay_days": DELAY_IN_DAYS}
    columns = {
        "price_amount_float": Derived(as_float, "price_amount_cents", "currency_code"),
        "formatted_price_amount": Derived(formatted, "price_amount_cents", "currency_code"),
    }
    sortable = ("name", "currency_code", "price_amount_cents", "delay_hours", "delay_days")
    filterable = (*sortable, "description")
    relationships = (Rel("market", sortable=True), EVENTS, VERSIONS, EVENT_STORES)
    absent_many = ("attachments",)


# --- SKU lists ------------------------------------------------------------------------------------


def with_sku(predicate: str, rows: QuerySet, value: str, now: datetime) -> QuerySet:
    return sku_lists.holding(rows, predicate, value)


SKU_CODE_SCOPES: dict[str, Callable[..., Any]] = {
    f"sku_code_{predicate}": partial(with_sku, predicate) for predicate in sku_lists.LOOKUPS
}


@registry.register
class SkuLists(Resource):
    """The `skus` of a list are those of its items; a list with a pattern has none, whatever it matches."""

    type = "sku_lists"
    model = SkuList
    attributes = ("name", "slug", "description", "image_url", "manual", "sku_code_regex")
    read_only = ("slug",)
    sortable = ("name", "slug", "manual")
    filterable = (*sortable, "description", "image_url")
    scopes = SKU_CODE_SCOPES
    relationships = (
        Rel("customer", sortable=True),
        Rel("skus", target="skus", inverse="sku_lists", filterable=False),
        "sku_list_items",
        Rel("bundles", filterable=False),
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("attachments", "links")


@registry.register
class SkuListItems(Resource):
    type = "sku_list_items"
    model = SkuListItem
    attributes = ("position", "sku_code", "quantity", "max_per_coupon", "price_amount_cents")
    columns = {"sku_code": "sku__code"}
    create_only = ("sku_list", "sku")
    filterable = sortable = ("position", "quantity")
    setters = {"sku_code": set_sku}
    serializer_fields = {"sku_code": SKU_CODE}
    relationships = (
        Rel("sku_list", sortable=True),
        Rel("sku", sortable=True, named_by="sku_code"),
        VERSIONS,
        EVENT_STORES,
    )


# --- Bundles --------------------------------------------------------------------------------------

_ITEMS = SkuListItem.objects.filter(sku_list=OuterRef("sku_list"))
_COUNT = _ITEMS.order_by().values("sku_list").annotate(number=Count("pk")).values("number")


def for_none(**values: Any) -> Case:
    """Whether no item is such. A bare `NOT EXISTS` would swallow what it is compared with."""
    return Case(When(Exists(_ITEMS.filter(**values)), then=Value(False)), default=Value(True))


def compute_price(bundle: Bundle, value: Any, by: changes.By) -> None:
    bundle.price_amount_cents = bundles.sum_of_prices(bundle)


def compute_compare_at(bundle: Bundle, value: Any, by: changes.By) -> None:
    bundle.compare_at_amount_cents = bundles.sum_of_prices(bundle)


@registry.register
class Bundles(Resource):
    type = "bundles"
    model = Bundle
    attributes = (
        "code",
        "name",
        "currency_code",
        "description",
        "image_url",
        "do_not_ship",
        "do_not_track",
        "price_amount_cents",
        "price_amount_float",
        "formatted_price_amount",
        "compare_at_amount_cents",
        "compare_at_amount_float",
        "formatted_compare_at_amount",
        "skus_count",
    )
    create_only = ("market", "sku_list")
    annotations = {
        "do_not_ship": for_none(sku__do_not_ship=False),
        "do_not_track": for_none(sku__do_not_track=False),
        "skus_count": Coalesce(Subquery(_COUNT, output_field=IntegerField()), 0),
    }
    columns = {
        "price_amount_float": Derived(as_float, "price_amount_cents", "currency_code"),
        "formatted_price_amount": Derived(formatted, "price_amount_cents", "currency_code"),
        "compare_at_amount_float": Derived(as_float, "compare_at_amount_cents", "currency_code"),
        "formatted_compare_at_amount": Derived(formatted, "compare_at_amount_cents", "currency_code"),
    }
    sortable = ("code", "name", "currency_code", "price_amount_cents", "compare_at_amount_cents")
    filterable = (*sortable, "description", "image_url", "do_not_ship", "do_not_track")
    triggers = {
        "_compute_price_amount": Trigger(compute_price),
        "_compute_compare_at_amount": Trigger(compute_compare_at),
    }
    relationships = (
        Rel("market", sortable=True),
        Rel("sku_list", sortable=True),
        Rel("skus", target="skus", inverse="sku_lists__bundles", filterable=False),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("attachments",)

    def create(self, row: Bundle, by: changes.By) -> None:
        bundles.check_priced(row)
        super().create(row, by)

    def update(self, row: Bundle, by: changes.By) -> None:
        bundles.check_priced(row)
        super().update(row, by)
