from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from commerce import clock
from commerce.admin import DisablingAdmin, OwnedAdmin, ReadOnlyAdmin, TenantFilter, link, list_of, missing, page_of
from promotions.engine import lifecycle
from promotions.models import (
    PROMOTION_KINDS,
    PROMOTION_RULE_KINDS,
    CouponCodesPromotionRule,
    FixedAmountPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
    PromotionRule,
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
        return str(row.total_usage_count) + (
            f" of {row.total_usage_limit}" if row.total_usage_limit is not None else ""
        )


@admin.register(Promotion)
class PromotionsAdmin(AnyPromotionAdmin, ReadOnlyAdmin):
    """Promotions of every type; each opens on the page of its own."""

    list_display = ("name", "type", "tenant", "status", "coupons_count", "uses", "starts_at", "expires_at")

    @admin.display(description="Type")
    def type(self, row: Promotion) -> str:
        return _plain(row.kind)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            return missing(request, self.model)
        return redirect(page_of(PROMOTION_KINDS[row.kind](pk=row.pk)))


class PromotionAdmin(AnyPromotionAdmin, DisablingAdmin):
    """One type of promotion. Its page leads to its rules."""

    panels: ClassVar[Any] = ("status", "uses", rules_of)

    def farewell(self, row: Promotion) -> str:
        return f"{row} with its rules and {row.coupons_count:,} coupons"


WHEN = ("starts_at", "expires_at", "total_usage_limit", "exclusive", "priority")
COLUMNS = ("tenant", "status", "coupons_count", "uses", "starts_at", "expires_at")


@admin.register(PercentageDiscountPromotion)
class PercentageDiscountPromotionAdmin(PromotionAdmin):
    list_display = ("name", "percentage", *COLUMNS)
    fields = ("name", "percentage", "currency_code", *WHEN)


@admin.register(FixedAmountPromotion)
class FixedAmountPromotionAdmin(PromotionAdmin):
    list_display = ("name", "fixed_amount_cents", "currency_code", *COLUMNS)
    fields = ("name", "fixed_amount_cents", "currency_code", *WHEN)


class PromotionRuleAdmin(OwnedAdmin):
    tenant_from = "promotion"
    autocomplete_fields = ("promotion",)
    list_filter = (TenantFilter,)
    related = ("organization", "promotion")
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
