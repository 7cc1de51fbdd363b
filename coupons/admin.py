"""Coupons and recipients, and what promotions and rules show and do about their codes."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from commerce import clock
from commerce.admin import (
    REFUSALS,
    DetailedAdmin,
    FoundByPrefix,
    TenantFilter,
    add_refusal,
    by,
    form_page,
    link,
    list_of,
    missing,
    page_of,
)
from commerce.codes import normalise_code
from commerce.gift_cards_admin import LedgerEntryAdmin, newest_entries
from commerce.models import normalise_email
from commerce.money import MAX_CENTS, formatted
from coupons import bulk
from coupons.codes import Pattern
from coupons.models import LONGEST_CODE, MOST_APPLICATIONS, Coupon, CouponRecipient, balance
from promotions.admin import CouponCodesPromotionRuleAdmin, PromotionAdmin, of_limit
from promotions.models import CouponCodesPromotionRule, Promotion

MOST_GENERATED = 100_000
"""Codes that one request may wait for."""


class ExpiryFilter(admin.SimpleListFilter):
    title = "expiry"
    parameter_name = "expiry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("expired", "Expired"), ("valid", "Not expired"), ("dated", "With a date")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = clock.now()
        conditions = {
            "expired": Q(expires_at__lte=now),
            "valid": Q(expires_at__isnull=True) | Q(expires_at__gt=now),
            "dated": Q(expires_at__isnull=False),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


class GenerateForm(forms.Form):
    count = forms.IntegerField(
        min_value=1,
        max_value=MOST_GENERATED,
        initial=100,
        help_text=f"At most {MOST_GENERATED:,} here; manage.py generate_coupons makes more.",
    )
    prefix = forms.CharField(max_length=LONGEST_CODE, required=False)  # type: ignore[assignment]
    length = forms.IntegerField(
        min_value=1, max_value=LONGEST_CODE, initial=Pattern.length, help_text="Random symbols after the prefix."
    )
    usage_limit = forms.IntegerField(
        min_value=0, max_value=MAX_CENTS, required=False, help_text="Uses of each code; none is no limit."
    )
    customer_single_use = forms.BooleanField(required=False, help_text="Each customer may use a code once.")
    applies_to_count = forms.IntegerField(
        label="Applies to units",
        min_value=1,
        max_value=MOST_APPLICATIONS,
        required=False,
        help_text=Coupon._meta.get_field("applies_to_count").help_text,
    )
    expires_at = forms.SplitDateTimeField(widget=AdminSplitDateTime, required=False)

    def spec(self) -> bulk.Spec:
        values = dict(self.cleaned_data)
        return bulk.Spec(pattern=Pattern(length=values.pop("length"), prefix=values.pop("prefix")), **values)


@admin.register(Coupon)
class CouponAdmin(DetailedAdmin, FoundByPrefix):
    """Lists go by the primary key or an index, however many coupons there are."""

    column = "code_norm"
    normalise = normalise_code
    search_fields = ("code_norm",)
    search_help_text = "A code or its beginning."
    tenant_from = "promotion_rule"
    autocomplete_fields = ("promotion_rule", "coupon_recipient")
    list_display = ("code", "promotion", "tenant", "uses", "left", "coupon_recipient", "expires_at", "created_at")
    list_filter = (TenantFilter, ExpiryFilter, "created_at")
    related = ("organization", "promotion_rule__promotion", "coupon_recipient")
    sortable_by = ()
    fields = (
        *("promotion_rule", "code", "usage_limit", "customer_single_use", "applies_to_count"),
        *("expires_at", "coupon_recipient"),
    )
    actions = ("export_selected",)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Of one rule by code, which its index gives; of all, newest first."""
        one_rule = "promotion_rule__id__exact" in request.GET
        return ("promotion_rule_id", "code_norm") if one_rule else ("-pk",)

    @admin.display(description="Promotion")
    def promotion(self, row: Coupon) -> str:
        return str(row.promotion_rule.promotion)

    @admin.display(description="Uses")
    def uses(self, row: Coupon) -> str:
        return of_limit(row.usage_count, row.usage_limit)

    @admin.display(description="Took off")
    def used_amount(self, row: Coupon) -> str | None:
        return formatted(row.used_amount_cents, row.promotion_rule.promotion.currency_code)

    @admin.display(description="Balance")
    def left(self, row: Coupon) -> str:
        promotion = row.promotion_rule.promotion
        cents = balance(row.used_amount_cents, promotion.declining_balance, promotion.fixed_amount_cents)
        return formatted(cents, promotion.currency_code) or "-"

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Coupon]) -> HttpResponseBase:
        content = bulk.export_rows(queryset.order_by("pk").prefetch_related(None))
        disposition = {"Content-Disposition": 'attachment; filename="coupons.csv"'}
        return StreamingHttpResponse(content, content_type="text/csv; charset=utf-8", headers=disposition)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="coupons_coupon_export"),
            path("generate/<int:rule_id>/", view(self.generate_view), name="coupons_coupon_generate"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Every coupon of the list with these filters."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            coupons = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(list_of(Coupon))
        return self.export_selected(request, coupons)

    def generate_view(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        rules = CouponCodesPromotionRule.objects.select_related("promotion", "organization")
        rule = rules.filter(pk=rule_id).first()
        if rule is None:
            return missing(request, CouponCodesPromotionRule)
        form = GenerateForm(request.POST or None)
        if form.is_valid() and (batch := self._generate(request, rule, form)):
            return batch
        return form_page(self, request, form, f"Generate codes for {rule.promotion}", rule, "Generate")

    def _generate(
        self, request: HttpRequest, rule: CouponCodesPromotionRule, form: GenerateForm
    ) -> HttpResponse | None:
        """The list of the new codes; None where the form now says why there are none."""
        newest = Coupon.objects.order_by("-pk").values_list("pk", flat=True).first()
        try:
            batch = bulk.generate(rule, form.spec(), by(request))
        except REFUSALS as refusal:
            add_refusal(form, refusal)
            return None
        # A batch is found by its place in the table: it has no index of its own.
        place: dict[str, Any] = {"batch": batch.name, "id__gt": newest or 0}
        text = "{} codes were generated as batch {}. {}"
        download = link(list_of(Coupon, "export", **place), "Download them as CSV")
        self.message_user(request, format_html(text, f"{batch.count:,}", batch.name, download), messages.SUCCESS)
        return redirect(list_of(Coupon, **place))


@admin.register(CouponRecipient)
class CouponRecipientAdmin(FoundByPrefix):
    column = "email_norm"
    normalise = normalise_email
    search_fields = ("email_norm",)
    search_help_text = "An e-mail address or its beginning."
    list_display = ("email", "first_name", "last_name", "tenant", "created_at")
    list_filter = (TenantFilter, "created_at")
    sortable_by = ()
    fields = ("email", "first_name", "last_name")


# --- What promotions and their coupon rules show of codes -----------------------------------------


@admin.display(description="Coupons")
def codes_of_rule(rule: CouponCodesPromotionRule) -> SafeString:
    return _codes(rule, rule.promotion.coupons_count)


@admin.display(description="Coupons")
def codes_of_promotion(promotion: Promotion) -> SafeString | str:
    rule = _coupon_rules(promotion_id=promotion.pk).first()
    return _codes(rule, promotion.coupons_count) if rule else "For everybody: it has no coupon codes rule."


@admin.display(description="Coupons")
def coupons_of_recipient(recipient: CouponRecipient) -> SafeString:
    return link(list_of(Coupon, coupon_recipient__id__exact=recipient.pk), "Coupons of this recipient")


@admin.display(description="Ledger")
def ledger_of_coupon(coupon: Coupon) -> SafeString:
    return newest_entries(coupon, coupon.promotion_rule.promotion.currency_code)


@admin.display(description="Batch")
def batch_of_coupon(coupon: Coupon) -> SafeString | str:
    if not coupon.batch:
        return "Created alone"
    return format_html("{}, {}", coupon.batch, link(page_of(coupon.promotion_rule, "history"), "told by its rule"))


@admin.action(description="Generate codes", permissions=["view"])
def generate_codes(model_admin: Any, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
    """Leads to the form, for one rule or the rule of one promotion."""
    owner = "promotion_id__in" if issubclass(queryset.model, Promotion) else "pk__in"
    rules = _coupon_rules(**{owner: queryset.values("pk")})[:2]
    if len(rules) == 1:
        return redirect("admin:coupons_coupon_generate", rules[0].pk)
    model_admin.message_user(request, "Select one with a coupon codes rule.", messages.WARNING)
    return None


def _coupon_rules(**conditions: Any) -> QuerySet[CouponCodesPromotionRule]:
    return CouponCodesPromotionRule.objects.filter(**conditions).order_by("pk")


def _codes(rule: CouponCodesPromotionRule, count: int) -> SafeString:
    coupons = link(list_of(Coupon, promotion_rule__id__exact=rule.pk), f"{count:,} coupons")
    add = link(list_of(Coupon, "add", promotion_rule=rule.pk), "Add one")
    generate = link(reverse("admin:coupons_coupon_generate", args=[rule.pk]), "Generate codes")
    export = link(list_of(Coupon, "export", promotion_rule__id__exact=rule.pk), "Export as CSV")
    return format_html("{} · {} · {} · {}", coupons, add, generate, export)


LedgerEntryAdmin.currencies = {
    **LedgerEntryAdmin.currencies,
    Coupon.wire_type: Coupon.objects.filter(pk=OuterRef("resource_id")).values(
        "promotion_rule__promotion__currency_code"
    ),
}
CouponAdmin.panels = ("uses", "used_amount", "left", batch_of_coupon)
CouponAdmin.sections = (ledger_of_coupon,)
CouponRecipientAdmin.panels = (coupons_of_recipient,)
PromotionAdmin.panels = (*PromotionAdmin.panels, codes_of_promotion)
PromotionAdmin.actions = (*PromotionAdmin.actions, generate_codes)
CouponCodesPromotionRuleAdmin.panels = (*CouponCodesPromotionRuleAdmin.panels, codes_of_rule)
CouponCodesPromotionRuleAdmin.actions = (*CouponCodesPromotionRuleAdmin.actions, generate_codes)
