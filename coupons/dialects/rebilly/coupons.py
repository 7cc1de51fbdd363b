"""Coupons as the dialect has them: the definition and its code in one. What is sent, what is told, what is searched."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import BigIntegerField, Case, CharField, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest, Least, NullIf
from rest_framework import serializers

from commerce import changes
from commerce.models import Event, Tenant, Version
from commerce.money import PercentageField
from coupons.dialects.rebilly import filters, restrictions
from coupons.dialects.rebilly.fields import Instant, Money, Percentage, Text, major_units
from coupons.dialects.rebilly.frame import Listed, wire
from coupons.models import Coupon
from promotions.models import (
    LONGEST_TEXT,
    NEVER,
    FixedAmountPromotion,
    FreeShippingPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
)

Link = Callable[[str, str], str]
"""Collection and id -> where that is."""
Document = dict[str, Any]

PERCENT, FIXED, SHIPPING = PercentageDiscountPromotion.KIND, FixedAmountPromotion.KIND, FreeShippingPromotion.KIND
KINDS = (PERCENT, FIXED, SHIPPING)
CONTEXTS = {
    "items": Promotion.Context.ITEMS,
    "shipping": Promotion.Context.SHIPPING,
    "items-and-shipping": Promotion.Context.ITEMS_AND_SHIPPING,
}
_WIRE_CONTEXTS = {kept.value: name for name, kept in CONTEXTS.items()}
STATUSES = DRAFT, ISSUED, EXPIRED = ("draft", "issued", "expired")
ORDER = "rebilly_restrictions"
"""Of a promotion's metadata: the types of its restrictions as they were sent, where that is not their order here."""


# --- What is sent ---------------------------------------------------------------------------------


class Context(Text):
    def to_internal_value(self, data: Any) -> Any:
        name = super().to_internal_value(data)
        if name not in CONTEXTS:
            raise serializers.ValidationError(f"must be one of {', '.join(CONTEXTS)}")
        return CONTEXTS[name].value


ITEMS = CONTEXTS["items"].value


class Fixed(Money):
    least_cents = 1
    context: Any = Context(default=ITEMS, allow_null=True)

    def validate(self, read: dict[str, Any]) -> dict[str, Any]:
        read = super().validate(read)
        return {
            "kind": FIXED,
            "percentage": None,
            "fixed_amount_cents": read["amount_cents"],
            "currency_code": read["currency_code"],
            "discount_context": read["context"] or ITEMS,
        }


class Percent(serializers.Serializer):
    value = Percentage()
    context: Any = Context(default=ITEMS, allow_null=True)

    def validate(self, read: dict[str, Any]) -> dict[str, Any]:
        return {
            "kind": PERCENT,
            "percentage": read["value"],
            "fixed_amount_cents": None,
            "currency_code": None,
            "discount_context": read["context"] or ITEMS,
        }


DISCOUNTS: Mapping[str, type[serializers.Serializer]] = {"fixed": Fixed, "percent": Percent}


class Discount(serializers.Field):
    """What it makes of the columns of a promotion."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        name = data.get("type") if isinstance(data, dict) else None
        if not isinstance(name, str) or name not in DISCOUNTS:
            raise serializers.ValidationError({"type": f"must be one of {', '.join(DISCOUNTS)}"})
        return DISCOUNTS[name]().run_validation(data)


class Body(serializers.Serializer):
    """Whatever else is sent is read-only, or nothing to us."""

    discount = Discount()
    restrictions = restrictions.Restrictions(required=False, allow_null=True)
    description = Text(required=False, allow_null=True, allow_blank=True, max_length=LONGEST_TEXT)
    issuedTime = Instant()
    expiredTime = Instant(required=False, allow_null=True)

    def validate(self, read: dict[str, Any]) -> dict[str, Any]:
        if read["issuedTime"] >= NEVER:
            raise serializers.ValidationError({"issuedTime": "is beyond the times there are"})
        if (expires_at := read.get("expiredTime")) and expires_at <= read["issuedTime"]:
            raise serializers.ValidationError({"expiredTime": "must be later than issuedTime"})
        return read


def read(document: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ValidationError by the places of what cannot be taken."""
    body = Body(data=document)
    body.is_valid(raise_exception=True)
    sent: dict[str, Any] = body.validated_data
    return sent


class ExpirationBody(serializers.Serializer):
    expiredTime = Instant(allow_null=True)


def read_expiration(document: Mapping[str, Any]) -> datetime | None:
    """When a coupon is to expire; None is now. Raises ValidationError."""
    is_blank = document.get("expiredTime") == ""
    body = ExpirationBody(data={"expiredTime": None} if is_blank else document)
    body.is_valid(raise_exception=True)
    at: datetime | None = body.validated_data["expiredTime"]
    return at


def define(coupon: Coupon, promotion: Promotion, sent: Mapping[str, Any]) -> None:
    """Makes of both, new ones or not, what was sent, and nothing else."""
    description = sent.get("description") or None
    limited = sent.get("restrictions") or []
    columns = {**sent["discount"], **restrictions.columns(limited)}
    for name, value in columns.items():
        setattr(promotion, name, value)
    promotion.name = (description or f'Coupon "{coupon.code}"')[:255]
    promotion.description = description
    promotion.starts_at, promotion.expires_at = sent["issuedTime"], NEVER
    promotion.metadata = {name: value for name, value in promotion.metadata.items() if name != ORDER}
    order = [restrictions.WIRE_TYPES[one["type"]] for one in limited]
    if order != sorted(order):
        promotion.metadata[ORDER] = order
    coupon.expires_at = sent.get("expiredTime")
    coupon.usage_limit, coupon.customer_single_use = None, False


def is_expressible(coupon: Coupon) -> bool:
    """Whether what is told of the coupon is all that there is to it, so that it can be defined anew by what is sent."""
    promotion = coupon.promotion_rule.promotion
    is_more = promotion.kind not in (PERCENT, FIXED) or promotion.declining_balance or coupon.applies_to_count
    is_of_currency = promotion.kind == PERCENT and promotion.currency_code
    is_scoped = is_of_currency or promotion.sku_list_id or promotion.market_id or coupon.coupon_recipient_id
    return not (is_more or is_scoped or promotion.promotion_rules.exclude(pk=coupon.promotion_rule_id).exists())


# --- What is searched -----------------------------------------------------------------------------

_TO = "promotion_rule__promotion"


def visible(tenant: Tenant, now: datetime) -> QuerySet:
    """Those that the dialect has words for, with what it tells of them in columns."""
    is_fixed, is_percent, is_shipping = (Q((f"{_TO}__kind", kind)) for kind in (FIXED, PERCENT, SHIPPING))
    declines = Q((f"{_TO}__declining_balance", True))
    is_left = F(f"{_TO}__fixed_amount_cents") - F("used_amount_cents")
    rows = Coupon.objects.owned_by(tenant).filter((f"{_TO}__kind__in", KINDS)).select_related(_TO)
    return rows.annotate(
        discount_type=Case(When(is_fixed, then=Value("fixed")), default=Value("percent")),
        discount_value=Case(
            When(is_percent, then=F(f"{_TO}__percentage")),
            When(is_shipping, then=Value(Decimal(100), PercentageField())),
            output_field=PercentageField(),
        ),
        discount_cents=Case(
            When(is_fixed & declines, then=is_left),
            When(is_fixed, then=F(f"{_TO}__fixed_amount_cents")),
            output_field=BigIntegerField(),
        ),
        discount_currency=Case(When(is_fixed, then=F(f"{_TO}__currency_code")), output_field=CharField()),
        discount_context=Case(
            When(is_shipping, then=Value(CONTEXTS["shipping"].value)),
            default=F(f"{_TO}__discount_context"),
            output_field=CharField(),
        ),
        ended_at=NullIf(Least(Coalesce("expires_at", NEVER), F(f"{_TO}__expires_at")), Value(NEVER)),
        changed_at=Greatest("updated_at", f"{_TO}__updated_at"),
        status=Case(
            When(ended_at__lte=now, then=Value(EXPIRED)),
            When(Q((f"{_TO}__disabled_at__isnull", False)) | Q((f"{_TO}__starts_at__gt", now)), then=Value(DRAFT)),
            default=Value(ISSUED),
        ),
    )


def _named(column: str, words: Mapping[str, str]) -> filters.Field:
    return filters.choice({word: Q((column, kept)) for word, kept in words.items()})


FIELDS = {
    "id": filters.code("code_norm"),
    "status": _named("status", dict(zip(STATUSES, STATUSES, strict=True))),
    "description": filters.text(f"{_TO}__description"),
    "redemptionsCount": filters.whole("usage_count"),
    "issuedTime": filters.time(f"{_TO}__starts_at"),
    "expiredTime": filters.time("ended_at"),
    "createdTime": filters.time("created_at"),
    "updatedTime": filters.time("changed_at"),
    "discount.type": _named("discount_type", {"fixed": "fixed", "percent": "percent"}),
    "discount.value": filters.exact("discount_value"),
    "discount.amount": filters.amount("discount_cents", "discount_currency"),
    "discount.currency": filters.currency("discount_currency"),
    "discount.context": _named("discount_context", {name: kept.value for name, kept in CONTEXTS.items()}),
}
SORTABLE = {
    "id": "code_norm",
    "status": "status",
    "redemptionsCount": "usage_count",
    "issuedTime": f"{_TO}__starts_at",
    "expiredTime": "ended_at",
    "createdTime": "created_at",
    "updatedTime": "changed_at",
    "discount.type": "discount_type",
    "discount.value": "discount_value",
    "discount.amount": "discount_cents",
    "discount.currency": "discount_currency",
    "discount.context": "discount_context",
}


def collection(tenant: Tenant, now: datetime) -> Listed:
    return Listed(visible(tenant, now), FIELDS, SORTABLE, ("code", f"{_TO}__description"))


# --- What is told ---------------------------------------------------------------------------------


def documents(rows: Sequence[Any], link: Link) -> list[Document]:
    """Of rows of `visible`: two queries, however many they are; none of none."""
    if not rows:
        return []
    promotions = [row.promotion_rule.promotion_id for row in rows]
    floors = OrderAmountPromotionRule.objects.filter(promotion__in=promotions)
    amounts = dict(floors.values_list("promotion", "order_amount_cents"))
    revisions = _revisions(rows)
    return [
        _document(row, amounts.get(promotion), revisions[row.pk], link)
        for row, promotion in zip(rows, promotions, strict=True)
    ]


def _revisions(rows: Sequence[Coupon]) -> dict[int, int]:
    """How often each, or its promotion, was changed; 1 is as it was created. What is changed at once counts once."""
    types = [f"{kind}_{Promotion.FAMILY}" for kind in KINDS]
    of_promotion = Q(resource_type__in=types, resource_id=OuterRef("promotion_rule__promotion"))
    of_coupon = Q(resource_type=Coupon.wire_type, resource_id=OuterRef("pk")) & ~Q(event="create")
    tenant = rows[0].tenant
    versions = Version.objects.owned_by(tenant).filter(of_promotion | of_coupon).order_by().values("organization")
    moments = Subquery(versions.annotate(count=Count("created_at", distinct=True)).values("count"))
    keys = [row.pk for row in rows]
    return dict(Coupon.objects.owned_by(tenant).filter(pk__in=keys).values_list("pk", Coalesce(moments, 0)))


def _document(row: Any, order_amount_cents: int | None, revision: int, link: Link) -> Document:
    promotion = row.promotion_rule.promotion
    return {
        "id": row.code,
        "discount": _discount(row),
        "restrictions": _restrictions(row, promotion, order_amount_cents),
        "redemptionsCount": row.usage_count,
        "status": row.status,
        "description": promotion.description or "",
        "issuedTime": wire(promotion.starts_at),
        "expiredTime": wire(row.ended_at),
        "revision": revision,
        "createdTime": wire(row.created_at),
        "updatedTime": wire(row.changed_at),
        "_links": [{"rel": "self", "href": link("coupons", row.code)}],
    }


def _discount(row: Any) -> Document:
    context = _WIRE_CONTEXTS[row.discount_context]
    if row.discount_type == "percent":
        return {"type": "percent", "value": Percentage().to_representation(row.discount_value), "context": context}
    amount = major_units(max(0, row.discount_cents), row.discount_currency)
    return {"type": "fixed", "amount": amount, "currency": row.discount_currency, "context": context}


def _restrictions(coupon: Coupon, promotion: Promotion, order_amount_cents: int | None) -> list[Document]:
    kept = {one["type"]: one for one in promotion.restrictions}
    if order_amount_cents is not None and promotion.currency_code:
        floor = {"amount_cents": order_amount_cents, "currency_code": promotion.currency_code}
        kept.setdefault("minimum_order_amount", {"type": "minimum_order_amount", **floor})
    limits = {
        "total_usage_limit": _least(coupon.usage_limit, promotion.total_usage_limit),
        "customer_usage_limit": _least(1 if coupon.customer_single_use else None, promotion.customer_usage_limit),
        "discounts_per_redemption": promotion.discounts_per_redemption,
    }
    told = [*kept.values(), *({"type": name, "quantity": most} for name, most in limits.items() if most is not None)]
    if promotion.exclusive_by_size:
        told.append({"type": "exclusive_by_size"})
    order = promotion.metadata.get(ORDER)  # anybody may have written there
    places = {str(name): place for place, name in enumerate(order)} if isinstance(order, list) else {}
    documents = [restrictions.told(one) for one in told]
    return sorted(documents, key=lambda one: (places.get(one["type"], len(places)), one["type"]))


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


# --- What happened --------------------------------------------------------------------------------


def turns(before: Document | None, after: Document) -> list[str]:
    """The event of a coupon that was issued or has expired, which it was not before."""
    status = after["status"]
    is_another = before is None or before["status"] != status
    return [f"coupon-{status}"] if is_another and status != DRAFT else []


def announce(names: Iterable[str], coupon: Coupon, document: Document, by: changes.By) -> None:
    """Appends the events, such as `coupon-issued`, with what webhooks tell of them."""
    (itself,) = document["_links"]
    for name in names:
        payload = {
            "couponId": document["id"],
            "eventType": name,
            "_embedded": {"coupon": document},
            "_links": [{"rel": "coupon", "href": itself["href"]}],
        }
        changes.append(Event, coupon, by, name=name, payload=payload)
