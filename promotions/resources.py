from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError

from commerce.api import Resource, registry
from commerce.jsonapi.attribute_filters import NamedFilter, as_flag
from commerce.jsonapi.resource import NOW, Derived, Trigger
from commerce.money import as_float, formatted
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from promotions.engine import lifecycle
from promotions.models import (
    PROMOTION_KINDS,
    PROMOTION_RULE_KINDS,
    CouponCodesPromotionRule,
    FixedAmountPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
    PromotionQuerySet,
    PromotionRule,
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


def disable(promotion: Promotion, value: Any, by: Any) -> None:
    promotion.disable(by.now)


def enable(promotion: Promotion, value: Any, by: Any) -> None:
    promotion.enable()


def type_names(models: dict[str, Any]) -> dict[str, str]:
    """Both names a type has in filters, that of the resource and that of its class -> kind."""
    return {name: kind for kind, model in models.items() for name in (f"{kind}_{model.FAMILY}", model.__name__)}


# --- Promotions -----------------------------------------------------------------------------------

_WINDOW = ("disabled_at", "starts_at", "expires_at", "total_usage_limit", "total_usage_count")


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
        "active",
        "status",
        "weight",
        "coupons_count",
        "disabled_at",
    )
    read_only = ("total_usage_count", "total_usage_reached", "coupons_count", "disabled_at")
    columns = {
        "active": Derived(lifecycle.is_active, NOW, *_WINDOW),
        "status": Derived(lifecycle.status, NOW, *_WINDOW),
        "weight": Derived(lifecycle.weight, "exclusive", "priority", "kind", "starts_at"),
    }
    filterable = (
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
    sortable = (*filterable, "type")
    filters = {"type": NamedFilter("kind", type_names(PROMOTION_KINDS).get)}
    scopes = {"active": only_active, "expired": only_expired, "with_status": with_status}
    triggers = {
        "_disable": Trigger(disable, sets="disabled_at"),
        "_enable": Trigger(enable, sets="disabled_at"),
    }
    relationships = (
        "promotion_rules",
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )


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
    attributes = (*PromotionResource.attributes, "percentage")
    required = ("percentage",)


@registry.register
class FixedAmountPromotions(PromotionResource):
    type = "fixed_amount_promotions"
    model = FixedAmountPromotion
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


# --- Promotion rules ------------------------------------------------------------------------------


class PromotionRuleResource(Resource):
    sortable = ("type",)
    filters = {"type": NamedFilter("kind", type_names(PROMOTION_RULE_KINDS).get)}
    relationships = ("promotion", VERSIONS, EVENT_STORES)


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
