"""The fifteen restrictions of coupons, of which redemptions take eight: what is sent and told, and what is kept of it.

What is kept are the restrictions of `promotions.restrictions`, besides them the limits and the flag that are columns
of a promotion: `{"type": "total_usage_limit", "quantity": 3}`, `{"type": "exclusive_by_size"}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rest_framework import serializers

from coupons.dialects.rebilly.fields import LONGEST_LIST, Country, Flag, InstantText, Money, Text, Texts, Whole
from coupons.dialects.rebilly.frame import LONGEST_ID

Kept = dict[str, Any]


# --- One of each type -----------------------------------------------------------------------------


class Limit(serializers.Serializer):
    """None at all is a limit too."""

    quantity = Whole(0)


class Nothing(serializers.Serializer):
    pass


class PaidBy(serializers.Serializer):
    time = InstantText()


class Customers(serializers.Serializer):
    customerIds = Texts(source="names")


class Tags(serializers.Serializer):
    tags = Texts()
    requireAllTags = Flag(source="all_tags")

    def to_representation(self, kept: Any) -> Kept:
        return super().to_representation({"all_tags": False} | kept)


class Countries(serializers.Serializer):
    countries = serializers.ListField(child=Country(), min_length=1, max_length=LONGEST_LIST, source="country_codes")


class Invoices(serializers.Serializer):
    invoiceIds = Texts(source="names")


class Subscriptions(serializers.Serializer):
    subscriptionIds = Texts(source="names")


class Plans(serializers.Serializer):
    planIds = Texts(LONGEST_ID, source="codes")
    minimumQuantity = Whole(1, source="min_quantity", required=False, allow_null=True)


class Products(serializers.Serializer):
    productIds = Texts(LONGEST_ID, source="codes")
    minimumQuantity = Whole(1, source="min_quantity", required=False, allow_null=True)


class Units(serializers.Serializer):
    planId = Text(max_length=LONGEST_ID, source="code")
    quantity = Whole(1)


class UnitsList(serializers.ListField):
    def __init__(self) -> None:
        super().__init__(child=Units(), min_length=1, max_length=LONGEST_LIST)

    def to_internal_value(self, data: Any) -> list[Any]:
        units = super().to_internal_value(data)
        if len({each["code"] for each in units}) < len(units):
            raise serializers.ValidationError("must not name a plan twice")
        return units


class BuyGet(serializers.Serializer):
    buy = UnitsList()
    get = UnitsList()


class Variant(NamedTuple):
    kept_as: str
    serializer: type[serializers.Serializer]


VARIANTS: Mapping[str, Variant] = {
    "discounts-per-redemption": Variant("discounts_per_redemption", Limit),
    "maximum-order-amount": Variant("maximum_order_amount", Money),
    "minimum-order-amount": Variant("minimum_order_amount", Money),
    "paid-by-time": Variant("paid_by", PaidBy),
    "redemptions-per-customer": Variant("customer_usage_limit", Limit),
    "restrict-to-bxgy": Variant("buy_get", BuyGet),
    "restrict-to-countries": Variant("countries", Countries),
    "restrict-to-customer-tags": Variant("customer_tags", Tags),
    "restrict-to-customers": Variant("customers", Customers),
    "restrict-to-exclusive-application": Variant("exclusive_by_size", Nothing),
    "restrict-to-invoices": Variant("orders", Invoices),
    "restrict-to-plans": Variant("plans", Plans),
    "restrict-to-products": Variant("products", Products),
    "restrict-to-subscriptions": Variant("subscriptions", Subscriptions),
    "total-redemptions": Variant("total_usage_limit", Limit),
}
WIRE_TYPES = {variant.kept_as: name for name, variant in VARIANTS.items()}
OF_REDEMPTIONS = (
    *("discounts-per-redemption", "maximum-order-amount", "minimum-order-amount", "paid-by-time"),
    *("restrict-to-invoices", "restrict-to-plans", "restrict-to-products", "restrict-to-subscriptions"),
)
LIMITS = ("total_usage_limit", "customer_usage_limit", "discounts_per_redemption")


# --- All of them ----------------------------------------------------------------------------------


class Restrictions(serializers.Field):
    """An array of them, each type once, as it is kept."""

    def __init__(self, allowed: Sequence[str] = tuple(VARIANTS), **options: Any) -> None:
        super().__init__(**options)
        self.allowed = allowed

    def to_internal_value(self, data: Any) -> list[Kept]:
        if not isinstance(data, list):
            raise serializers.ValidationError("must be an array of objects")
        read: list[Kept] = []
        problems: list[Any] = []
        for sent in data[: len(VARIANTS) + 1]:
            try:
                read.append(self._one(sent, {one["type"] for one in read}))
                problems.append({})
            except serializers.ValidationError as problem:
                problems.append(problem.detail)
        if any(problems):
            raise serializers.ValidationError(problems)
        return read

    def _one(self, sent: Any, present: set[str]) -> Kept:
        name = sent.get("type") if isinstance(sent, dict) else None
        if not isinstance(name, str) or name not in self.allowed:
            raise serializers.ValidationError({"type": f"must be one of {', '.join(self.allowed)}"})
        kept_as, serializer = VARIANTS[name]
        if kept_as in present:
            raise serializers.ValidationError({"type": f"{name} is there twice"})
        return {"type": kept_as, **_given(serializer().run_validation(sent))}

    def to_representation(self, value: Iterable[Kept]) -> list[dict[str, Any]]:
        return [told(one) for one in value]


def told(kept: Kept) -> dict[str, Any]:
    name = WIRE_TYPES[kept["type"]]
    return {"type": name, **_given(_TELLING[name].to_representation(kept))}


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


_TELLING = {name: variant.serializer() for name, variant in VARIANTS.items()}


def columns(restrictions: Iterable[Kept]) -> dict[str, Any]:
    """What they make of the columns of a promotion."""
    by_type = {one["type"]: one for one in restrictions}
    limits = {name: by_type.pop(name)["quantity"] if name in by_type else None for name in LIMITS}
    is_exclusive = by_type.pop("exclusive_by_size", None) is not None
    return {**limits, "exclusive_by_size": is_exclusive, "restrictions": list(by_type.values())}
