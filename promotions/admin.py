import json
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from commerce import clock
from commerce.admin import (
    ArrayField,
    DisablingAdmin,
    ObjectField,
    OwnedAdmin,
    OwnedForm,
    ReadOnlyAdmin,
    TenantFilter,
    link,
    list_of,
    missing,
    page_of,
)
from promotions import restrictions
from promotions.engine import lifecycle
from promotions.models import (
    ALWAYS,
    NEVER,
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
    PromotionRule,
    SkuListPromotionRule,
)


class StatusFilter(admin.SimpleListFilter):
    """Where promotions stand now."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status) for status in lifecycle.STATUSES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in lifecycle.STATUSES:
            return queryset
        return queryset.with_status(self.value(), clock.now())


@admin.display(description="Rules")
def rules_of(promotion: Promotion) -> SafeString:
    """Its rules, and links to give it those it has not."""
    rules = {rule.kind: rule for rule in promotion.promotion_rules.order_by("pk")}
    links = [
        link(page_of(model(pk=rules[kind].pk)), _plain(kind))
        if kind in rules
        else link(list_of(model, "add", promotion=promotion.pk), f"Add {_plain(kind)} rule")
        for kind, model in PROMOTION_RULE_KINDS.items()
        if kind == CouponCodesPromotionRule.KIND or promotion.kind != FlexPromotion.KIND
    ]
    return format_html_join(" · ", "{}", ((each,) for each in links))


def of_limit(count: int, limit: int | None) -> str:
    return str(count) if limit is None else f"{count} of {limit}"


def _plain(kind: str) -> str:
    return kind.replace("_", " ")


class AnyPromotionAdmin(OwnedAdmin):
    list_filter = (TenantFilter, StatusFilter, "starts_at", "expires_at")
    search_fields = ("name", "reference")

    @admin.display(description="Status")
    def status(self, row: Promotion) -> str:
        return row.status(clock.now())

    @admin.display(description="Uses")
    def uses(self, row: Promotion) -> str:
        return of_limit(row.total_usage_count, row.total_usage_limit)

    @admin.display(description="Starts at", ordering="starts_at", empty_value="always")
    def starts(self, row: Promotion) -> datetime | None:
        return None if row.starts_at == ALWAYS else row.starts_at

    @admin.display(description="Expires at", ordering="expires_at", empty_value="never")
    def expires(self, row: Promotion) -> datetime | None:
        return None if row.expires_at == NEVER else row.expires_at


@admin.register(Promotion)
class PromotionsAdmin(AnyPromotionAdmin, ReadOnlyAdmin):
    """Promotions of every type; each opens on the page of its own."""

    list_display = ("name", "type", "tenant", "status", "coupons_count", "uses", "starts", "expires")

    @admin.display(description="Type")
    def type(self, row: Promotion) -> str:
        return _plain(row.kind)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            return missing(request, self.model)
        return redirect(page_of(PROMOTION_KINDS[row.kind](pk=row.pk)))


class IndentedField(ObjectField):
    widget = AdminTextareaWidget(attrs={"rows": 24, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return indented(value) if isinstance(value, dict) else value


class RestrictionsField(ArrayField):
    widget = AdminTextareaWidget(attrs={"rows": 12, "spellcheck": "false"})

    def validate(self, value: Any) -> None:
        super().validate(value)
        restrictions.check(value)

    def prepare_value(self, value: Any) -> Any:
        return (indented(value) if value else "") if isinstance(value, list) else value


def indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


class PromotionForm(OwnedForm):
    restrictions = RestrictionsField(
        required=False,
        help_text='An array of objects, each type once: [{"type": "countries", "country_codes": ["IT", "FR"]}]. '
        f"Types are {', '.join(restrictions.MEMBERS)}; the README tells their members.",
    )


class PromotionAdmin(AnyPromotionAdmin, DisablingAdmin):
    """One type of promotion. Its page leads to its rules."""

    form: Any = PromotionForm
    panels: ClassVar[Any] = ("status", "uses", rules_of)
    related: ClassVar[Any] = ("organization", "market", "sku_list")
    autocomplete_fields: ClassVar[Any] = ("market", "sku_list")
    formfield_overrides: ClassVar[Any] = {
        **AnyPromotionAdmin.formfield_overrides,
        models.TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3})},
    }

    def farewell(self, row: Promotion) -> str:
        return f"{row} with its rules and {row.coupons_count:,} coupons"


TOLD = ("name", "description", "note")
SCOPE = ("currency_code", "market", "sku_list")
WHEN = (
    *("starts_at", "expires_at", "total_usage_limit", "customer_usage_limit", "discounts_per_redemption"),
    *("exclusive", "exclusive_by_size", "priority", "restrictions"),
)
COLUMNS = ("tenant", "status", "coupons_count", "uses", "starts", "expires")


@admin.register(PercentageDiscountPromotion)
class PercentageDiscountPromotionAdmin(PromotionAdmin):
    list_display = ("name", "percentage", *COLUMNS)
    fields = (*TOLD, "percentage", "discount_context", *SCOPE, *WHEN)


@admin.register(FixedAmountPromotion)
class FixedAmountPromotionAdmin(PromotionAdmin):
    list_display = ("name", "fixed_amount_cents", "currency_code", *COLUMNS)
    fields = (*TOLD, "fixed_amount_cents", "declining_balance", "discount_context", *SCOPE, *WHEN)


@admin.register(FixedPricePromotion)
class FixedPricePromotionAdmin(PromotionAdmin):
    list_display = ("name", "fixed_amount_cents", "currency_code", "sku_list", *COLUMNS)
    fields = (*TOLD, "fixed_amount_cents", "whole_order", *SCOPE, *WHEN)


@admin.register(FreeShippingPromotion)
class FreeShippingPromotionAdmin(PromotionAdmin):
    list_display = ("name", *COLUMNS)
    fields = (*TOLD, *SCOPE, *WHEN)


@admin.register(FreeGiftPromotion)
class FreeGiftPromotionAdmin(PromotionAdmin):
    list_display = ("name", "max_quantity", "sku_list", *COLUMNS)
    fields = (*TOLD, "max_quantity", *SCOPE, *WHEN)


@admin.register(BuyXPayYPromotion)
class BuyXPayYPromotionAdmin(PromotionAdmin):
    list_display = ("name", "x", "y", "cheapest_free", "sku_list", *COLUMNS)
    fields = (*TOLD, "x", "y", "cheapest_free", *SCOPE, *WHEN)


class NamesField(forms.CharField):
    """A list of texts, written with commas."""

    widget = forms.TextInput(attrs={"class": "vTextField"})

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [name for part in (value or "").split(",") if (name := part.strip())]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class ExternalPromotionForm(PromotionForm):
    external_includes = NamesField(
        required=False, help_text="What the service is sent besides the order: order.customer, order.market."
    )


@admin.register(ExternalPromotion)
class ExternalPromotionAdmin(PromotionAdmin):
    form = ExternalPromotionForm
    list_display = ("name", "promotion_url", "circuit_state", *COLUMNS)
    fields = (*TOLD, "promotion_url", "external_includes", *SCOPE, *WHEN)

    # Apps above add to those of every promotion, later than this is read.
    @property
    def panels(self) -> Any:  # type: ignore[override]
        return (*super().panels, "circuit_state", "circuit_failure_count", "shared_secret")

    @property
    def actions(self) -> Any:  # type: ignore[override]
        return (*super().actions, "reset_circuit", "regenerate_shared_secret")

    @admin.action(description="Close the circuit", permissions=["change"])
    def reset_circuit(self, request: HttpRequest, queryset: QuerySet) -> None:
        number = self.fire("_reset_circuit", request, queryset)
        self.message_user(request, f"{number} closed.", messages.SUCCESS)

    @admin.action(description="Make a new shared secret", permissions=["change"])
    def regenerate_shared_secret(self, request: HttpRequest, queryset: QuerySet) -> None:
        number = self.fire("_regenerate_shared_secret", request, queryset)
        self.message_user(request, f"{number} given a new secret.", messages.SUCCESS)


class FlexPromotionForm(PromotionForm):
    rules = IndentedField(help_text='{"rules": [{"name": …, "conditions": […], "actions": […]}]}')


@admin.register(FlexPromotion)
class FlexPromotionAdmin(PromotionAdmin):
    form = FlexPromotionForm
    list_display = ("name", *COLUMNS)
    fields = (*TOLD, "rules", *WHEN)
    autocomplete_fields = ()


# --- Rules ----------------------------------------------------------------------------------------


class PromotionRuleAdmin(OwnedAdmin):
    tenant_from = "promotion"
    autocomplete_fields: ClassVar[Any] = ("promotion",)
    list_filter = (TenantFilter,)
    related: ClassVar[Any] = ("organization", "promotion")
    search_fields = ("promotion__name",)
    fields: ClassVar[Any] = ("promotion",)

    @admin.display(description="Promotion status")
    def promotion_status(self, row: PromotionRule) -> str:
        return row.promotion.status(clock.now())


@admin.register(CouponCodesPromotionRule)
class CouponCodesPromotionRuleAdmin(PromotionRuleAdmin):
    list_display = ("promotion", "tenant", "promotion_status", "coupons", "created_at")
    actions: Any = ()

    @admin.display(description="Coupons")
    def coupons(self, row: PromotionRule) -> int:
        return row.promotion.coupons_count


@admin.register(OrderAmountPromotionRule)
class OrderAmountPromotionRuleAdmin(PromotionRuleAdmin):
    list_display = ("promotion", "order_amount_cents", "use_subtotal", "tenant", "promotion_status", "created_at")
    fields = ("promotion", "order_amount_cents", "use_subtotal")


@admin.register(SkuListPromotionRule)
class SkuListPromotionRuleAdmin(PromotionRuleAdmin):
    list_display = ("promotion", "sku_list", "all_skus", "min_quantity", "tenant", "promotion_status", "created_at")
    related = (*PromotionRuleAdmin.related, "sku_list")
    autocomplete_fields = ("promotion", "sku_list")
    fields = ("promotion", "sku_list", "all_skus", "min_quantity")


class CustomPromotionRuleForm(OwnedForm):
    filters = ObjectField(
        widget=AdminTextareaWidget(attrs={"rows": 4}),
        help_text='All of them must match: {"currency_code_in": "EUR,USD", "subtotal_amount_cents_gteq": 5000}',
    )


@admin.register(CustomPromotionRule)
class CustomPromotionRuleAdmin(PromotionRuleAdmin):
    form = CustomPromotionRuleForm
    list_display = ("promotion", "filters", "tenant", "promotion_status", "created_at")
    fields = ("promotion", "filters")
