from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import Q

from commerce import changes, sku_lists
from commerce.api import Resource, registry
from commerce.jsonapi.attribute_filters import NamedFilter, as_flag
from commerce.jsonapi.resource import NOW, Derived, Rel, Trigger
from commerce.models import SkuList
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.triggers import CIRCUIT, CIRCUIT_STATE, DISABLING, REGENERATING
from promotions.engine import lifecycle
from promotions.models import (
    PROMOTION_KINDS,
    PROMOTION_RULE_KINDS,
    BuyXPayYPromotion,
    CouponCodesPromotionRule,
    CustomPromotionRule,
    ExternalPromotion,
    FixedAmountPromotion,
    FixedPricePromotion,
    FlexPromotion,
    FreeGiftPromotion,
    FreeShippingPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
    PromotionQuerySet,
    PromotionRule,
    SkuListPromotionRule,
)

# --- Scopes and triggers --------------------------------------------------------------------------


def only_active(rows: PromotionQuerySet, value: str, now: datetime) -> PromotionQuerySet:
    return rows.active(now) if as_flag(value) else rows.exclude(pk__in=rows.active(now).values("pk"))


def only_expired(rows: PromotionQuerySet, value: str, now: datetime) -> PromotionQuerySet:
    return rows.expired(now) if as_flag(value) else rows.exclude(pk__in=rows.expired(now).values("pk"))


def with_status(rows: PromotionQuerySet, value: str, now: datetime) -> PromotionQuerySet:
    if value not in lifecycle.STATUSES:
        raise ValidationError(f"is none of {', '.join(lifecycle.STATUSES)}")
    return rows.with_status(value, now)


STATUS_SCOPES: dict[str, Callable[..., Any]] = {
    "active": only_active,
    "expired": only_expired,
    "with_status": with_status,
}


def with_sku(predicate: str, rows: PromotionQuerySet, value: str, now: datetime) -> PromotionQuerySet:
    """Those that discount such a SKU, or need one in the order."""
    lists = sku_lists.holding(SkuList.objects.filter(_lists_of(rows)), predicate, value)
    return rows.filter(
        Q(sku_list__in=lists) | Q(pk__in=PromotionRule.objects.filter(sku_list__in=lists).values("promotion"))
    )


def _lists_of(rows: PromotionQuerySet) -> Q:
    return Q(promotions__in=rows) | Q(promotion_rules__promotion__in=rows)


SKU_CODE_SCOPES: dict[str, Callable[..., Any]] = {
    f"sku_code_{predicate}": partial(with_sku, predicate) for predicate in sku_lists.LOOKUPS
}


def nothing() -> None:
    """Of what is only told where rules are evaluated."""


def type_names(models: dict[str, Any]) -> dict[str, str]:
    """Both names a type has in filters, that of the resource and that of its class -> kind."""
    return {name: kind for kind, model in models.items() for name in (f"{kind}_{model.FAMILY}", model.__name__)}


# --- Promotions -----------------------------------------------------------------------------------

_WINDOW = ("disabled_at", "starts_at", "expires_at", "total_usage_limit", "total_usage_count")
_RELATIONSHIPS = (Rel("market", sortable=True), "promotion_rules", EVENTS, VERSIONS, EVENT_STORES)
SKU_LIST = Rel("sku_list", sortable=True)
NEEDED_SKU_LIST = Rel("sku_list", sortable=True, required=True)
SKUS = Rel("skus", target="skus", inverse="sku_lists__promotions", filterable=False)
"""Those of the promotion's manual list."""
WITH_SKUS = (*_RELATIONSHIPS, SKU_LIST, SKUS)
OF_LISTED = (*_RELATIONSHIPS, NEEDED_SKU_LIST, SKUS)
"""Of kinds that are nothing without a list."""


class PromotionResource(Resource):
    attributes: ClassVar[tuple[str, ...]] = (
        "name",
        "currency_code",
        "exclusive",
        "priority",
        "starts_at",
        "expires_at",
        "total_usage_limit",
        "total_usage_count",
        "total_usage_reached",
        "release_on_cancel",
        "description",
        "note",
        "exclusive_by_size",
        "customer_usage_limit",
        "discounts_per_redemption",
        "restrictions",
        "active",
        "status",
        "weight",
        "coupons_count",
        "disabled_at",
    )
    read_only: ClassVar[tuple[str, ...]] = (
        "total_usage_count",
        "total_usage_reached",
        "coupons_count",
        "disabled_at",
    )
    annotations = {"circuit_state": CIRCUIT_STATE}
    columns = {
        "active": Derived(lifecycle.is_active, NOW, *_WINDOW),
        "status": Derived(lifecycle.status, NOW, *_WINDOW),
        "weight": Derived(lifecycle.weight, "exclusive", "priority", "kind", "starts_at"),
    }
    filterable: ClassVar[tuple[str, ...]] = (
        "name",
        "currency_code",
        "exclusive",
        "priority",
        "starts_at",
        "expires_at",
        "total_usage_limit",
        "total_usage_count",
        "total_usage_reached",
        "disabled_at",
    )
    sortable: ClassVar[tuple[str, ...]] = (*filterable, "type")
    filters = {"type": NamedFilter("kind", type_names(PROMOTION_KINDS).get)}
    scopes: ClassVar[dict[str, Callable[..., Any]]] = {**STATUS_SCOPES, **SKU_CODE_SCOPES}
    triggers: ClassVar[dict[str, Trigger]] = DISABLING
    relationships: ClassVar[tuple[str | Rel, ...]] = (*_RELATIONSHIPS, SKU_LIST)
    absent_many = ("attachments",)


@registry.register
class Promotions(PromotionResource):
    """Every promotion, whatever its type; each answers as the type it is."""

    type = "promotions"
    model = Promotion
    actions = ("list", "retrieve")
    variants = {kind: f"{kind}_promotions" for kind in PROMOTION_KINDS}


@registry.register
class PercentageDiscountPromotions(PromotionResource):
    type = "percentage_discount_promotions"
    model = PercentageDiscountPromotion
    attributes = (*PromotionResource.attributes, "percentage", "discount_context")
    required = ("percentage",)
    relationships = WITH_SKUS


class AmountResource(PromotionResource):
    attributes = (
        *PromotionResource.attributes,
        "fixed_amount_cents",
        "fixed_amount_float",
        "formatted_fixed_amount",
    )
    required = ("fixed_amount_cents",)
    columns = {
        **PromotionResource.columns,
        "fixed_amount_float": Derived(as_float, "fixed_amount_cents", "currency_code"),
        "formatted_fixed_amount": Derived(formatted, "fixed_amount_cents", "currency_code"),
    }


@registry.register
class FixedAmountPromotions(AmountResource):
    type = "fixed_amount_promotions"
    model = FixedAmountPromotion
    attributes = (*AmountResource.attributes, "discount_context", "declining_balance")
    relationships = WITH_SKUS


@registry.register
class FixedPricePromotions(AmountResource):
    """`fixed_amount_cents` is the new price of a unit, or with `whole_order` of all that is discounted."""

    type = "fixed_price_promotions"
    model = FixedPricePromotion
    attributes = (*AmountResource.attributes, "whole_order")
    relationships = WITH_SKUS


@registry.register
class FreeShippingPromotions(PromotionResource):
    type = "free_shipping_promotions"
    model = FreeShippingPromotion


@registry.register
class FreeGiftPromotions(PromotionResource):
    type = "free_gift_promotions"
    model = FreeGiftPromotion
    attributes = (*PromotionResource.attributes, "max_quantity")
    relationships = OF_LISTED


@registry.register
class BuyXPayYPromotions(PromotionResource):
    type = "buy_x_pay_y_promotions"
    model = BuyXPayYPromotion
    attributes = (*PromotionResource.attributes, "x", "y", "cheapest_free")
    required = ("x", "y")
    filterable = (*PromotionResource.filterable, "x", "y")
    sortable = (*PromotionResource.sortable, "x", "y")
    relationships = OF_LISTED


@registry.register
class ExternalPromotions(PromotionResource):
    type = "external_promotions"
    model = ExternalPromotion
    attributes = (
        *PromotionResource.attributes,
        "promotion_url",
        "circuit_state",
        "circuit_failure_count",
        "shared_secret",
        "external_includes",
    )
    read_only = (*PromotionResource.read_only, "circuit_failure_count", "shared_secret")
    required = ("promotion_url",)
    filterable = (*PromotionResource.filterable, "circuit_state", "circuit_failure_count")
    sortable = (*PromotionResource.sortable, "circuit_state", "circuit_failure_count")
    triggers = {**DISABLING, **REGENERATING, **CIRCUIT}
    relationships = WITH_SKUS


_NOT_OF_FLEX = ("currency_code", "total_usage_reached", "weight", "coupons_count")


def _of_flex(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in _NOT_OF_FLEX)


@registry.register
class FlexPromotions(PromotionResource):
    """Its rules say to what it applies and what it takes off; they need neither market, currency nor SKU list."""

    type = "flex_promotions"
    model = FlexPromotion
    attributes = (*_of_flex(PromotionResource.attributes), "rules", "rule_outcomes", "resource_payload")
    read_only = _of_flex(PromotionResource.read_only)
    required = ("rules",)
    columns = {**PromotionResource.columns, "rule_outcomes": Derived(nothing), "resource_payload": Derived(nothing)}
    filterable = (*_of_flex(PromotionResource.filterable), "rules")
    sortable = _of_flex(PromotionResource.sortable)
    scopes = STATUS_SCOPES
    relationships = (EVENTS, VERSIONS, EVENT_STORES)


def update_sku_list(sku_list: SkuList, by: changes.By) -> None:
    """Saves the list. One that is given away, or of which all must be bought, stays manual."""
    if sku_list.stored("manual") and not sku_list.manual and _needs_items(sku_list):
        raise ValidationError({"manual": ValidationError("is needed by a promotion", code="invalid")})
    changes.save(sku_list, by)


def _needs_items(sku_list: SkuList) -> bool:
    gifts = FreeGiftPromotion.objects.filter(sku_list=sku_list)
    rules = PromotionRule.objects.filter(sku_list=sku_list, all_skus=True).exclude(min_quantity__gt=0)
    return gifts.exists() or rules.exists()


registry.extend(("sku_lists",), update=update_sku_list)


# --- Promotion rules ------------------------------------------------------------------------------


SKUS_OF_RULE = Rel("skus", target="skus", inverse="sku_lists__promotion_rules", filterable=False)
"""Those of the rule's manual list."""


class PromotionRuleResource(Resource):
    sortable = ("type",)
    filters = {"type": NamedFilter("kind", type_names(PROMOTION_RULE_KINDS).get)}
    relationships: ClassVar[tuple[str | Rel, ...]] = ("promotion", VERSIONS, EVENT_STORES)


@registry.register
class PromotionRules(PromotionRuleResource):
    """Every rule, whatever its type; each answers as the type it is."""

    type = "promotion_rules"
    model = PromotionRule
    actions = ("list", "retrieve")
    variants = {kind: f"{kind}_promotion_rules" for kind in PROMOTION_RULE_KINDS}


@registry.register
class CouponCodesPromotionRules(PromotionRuleResource):
    type = "coupon_codes_promotion_rules"
    model = CouponCodesPromotionRule


@registry.register
class OrderAmountPromotionRules(PromotionRuleResource):
    type = "order_amount_promotion_rules"
    model = OrderAmountPromotionRule
    attributes = ("order_amount_cents", "order_amount_float", "formatted_order_amount", "use_subtotal")
    columns = {
        "order_amount_float": Derived(as_float, "order_amount_cents", "promotion__currency_code"),
        "formatted_order_amount": Derived(formatted, "order_amount_cents", "promotion__currency_code"),
    }


@registry.register
class SkuListPromotionRules(PromotionRuleResource):
    type = "sku_list_promotion_rules"
    model = SkuListPromotionRule
    attributes = ("all_skus", "min_quantity")
    relationships = (*PromotionRuleResource.relationships, NEEDED_SKU_LIST, SKUS_OF_RULE)


@registry.register
class CustomPromotionRules(PromotionRuleResource):
    type = "custom_promotion_rules"
    model = CustomPromotionRule
    attributes = ("filters",)
    required = ("filters",)
