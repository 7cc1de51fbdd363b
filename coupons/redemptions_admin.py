"""Redemptions in the admin, and what orders, coupons, promotions and customers show of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from commerce import clock, ids
from commerce.admin import (
    DetailedAdmin,
    FoundExactly,
    ReadOnlyAdmin,
    TenantFilter,
    every_tenant,
    link,
    list_of,
    moment,
    page_of,
    table,
)
from commerce.codes import normalise_code
from commerce.customers_admin import CustomerAdmin
from commerce.models import Customer, LineItem, Order, normalise_email
from commerce.money import formatted
from commerce.orders_admin import OrderAdmin
from coupons import charts, redeeming
from coupons.admin import CouponAdmin
from coupons.models import Coupon, InvoiceDiscount, OrderEvaluation, Redemption, Use
from promotions.admin import PromotionAdmin, indented, of_limit
from promotions.models import Promotion

MOST_INVOICES = 250
"""Invoices that the page of a redemption shows, the newest."""
MOST_SHARES = 5
"""Shares of a promotion that are told; what each line got is told with the line."""
IN_CENTS = ("order_amount_too_low",)
"""Reasons whose distance is an amount; that of all others is a number of units or SKUs."""

STATES = (*Redemption.State.values, "expired")

# --- Why promotions applied or did not ------------------------------------------------------------


def explained(document: Mapping[str, Any], names: Mapping[str, str]) -> SafeString:
    """What `coupons.answers.answer` told, for reading. `names` are those of lines by their ids."""
    applied = table(
        ("Promotion", "Coupon code", "Took off", "From"),
        (
            [*_named(one), one["formatted_total_amount"], _with_additions(one, _shares(one, document, names))]
            for one in document["applied"]
        ),
        amounts=("Took off",),
        empty="No promotion applied.",
    )
    refused = table(
        ("Promotion", "Coupon code", "Why not", "Missing"),
        ([*_named(one), _why(one), _missing(one, document)] for one in document["not_applied"]),
        amounts=("Missing",),
        empty="Nothing is told of any other.",
    )
    return format_html("<h3>Applied, in order</h3>{}<h3>Did not apply</h3>{}", applied, refused)


def _named(one: Mapping[str, Any]) -> tuple[object, object]:
    found = one["promotion"]
    if found is None:
        return "", one["coupon_code"]
    return link(page_of(Promotion(pk=ids.decode(found["id"]))), one["name"]), one["coupon_code"]


def _shares(one: Mapping[str, Any], document: Mapping[str, Any], names: Mapping[str, str]) -> SafeString:
    shares = one["shares"]
    told = [
        (names.get(str(share.get("line_item")), "shipping" if "shipment" in share else "line"), share["cents"])
        for share in shares[:MOST_SHARES]
    ]
    amounts = ((name, formatted(cents, document["currency_code"])) for name, cents in told)
    rest = f" and {len(shares) - MOST_SHARES} more" if len(shares) > MOST_SHARES else ""
    return format_html("{}{}", format_html_join(", ", "{} {}", amounts), rest)


def _why(one: Mapping[str, Any]) -> SafeString:
    return _with_additions(one, format_html("{}<br><small><code>{}</code></small>", one["sentence"], one["reason"]))


def _with_additions(one: Mapping[str, Any], told: SafeString) -> SafeString:
    """Documents of earlier versions tell of none."""
    added = ((item["quantity"], item["code"]) for item in one.get("additions", ()))
    return told + format_html_join("", "<br><small>with {} of {} to be added</small>", added)


def _missing(one: Mapping[str, Any], document: Mapping[str, Any]) -> object:
    in_cents = one["reason"] in IN_CENTS
    return formatted(one["missing"], document["currency_code"]) if in_cents else one["missing"]


@admin.display(description="Promotions")
def promotions_of(order: Order) -> SafeString:
    evaluation = OrderEvaluation.objects.filter(order=order.pk).first()
    if evaluation is None:
        return format_html('<p class="nothing">{}</p>', "The order has not been priced yet.")
    names = dict(LineItem.objects.filter(order=order.pk).values_list("pk", "name"))
    shown = explained(evaluation.document, {ids.encode(key): name for key, name in names.items()})
    told = "As of the last refresh" if order.is_editable else "As it was last priced"
    return format_html("{}<p>{}, at {} UTC.</p>", shown, told, moment(evaluation.evaluated_at))


# --- Uses -----------------------------------------------------------------------------------------


@admin.display(description="Uses")
def uses_of(redemption: Redemption) -> SafeString:
    return _uses([redemption])


@admin.display(description="Redemption")
def redemption_of(order: Order) -> SafeString:
    found = order.redemptions.order_by("pk").prefetch_related("uses__promotion", "uses__coupon")
    return _uses(found)


def _uses(redemptions: Iterable[Redemption]) -> SafeString:
    now = clock.now()
    rows = (
        (
            link(page_of(redemption), redemption.status(now)),
            link(page_of(Promotion(pk=use.promotion_id)), use.promotion),
            link(page_of(use.coupon), use.coupon) if use.coupon else "",
            formatted(use.discount_cents, redemption.currency_code),
            "counted" if use.is_counted else "given back",
        )
        for redemption in redemptions
        for use in redemption.uses.all()
    )
    headings = ("Redemption", "Promotion", "Coupon", "Discount", "Use")
    return table(headings, rows, amounts=("Discount",), empty="Nothing is used up.")


@admin.display(description="Invoices")
def invoices_of(redemption: Redemption) -> SafeString:
    rows = (
        (moment(one.applied_at), one.invoice, formatted(one.discount_cents, one.currency_code))
        for one in redemption.invoice_discounts.order_by("-pk")[:MOST_INVOICES]
    )
    headings = ("Applied (UTC)", "Invoice", "Discount")
    return table(headings, rows, amounts=("Discount",), empty="It was applied to no invoice.")


# --- Redemptions ----------------------------------------------------------------------------------


def of_customer_reference(term: str) -> QuerySet:
    return Redemption.objects.filter(**every_tenant(), customer_reference=term).values("pk")


def of_invoice(term: str) -> QuerySet:
    return InvoiceDiscount.objects.filter(invoice=term).values("redemption")


def of_email(term: str) -> QuerySet:
    return Redemption.objects.filter(**every_tenant(), email_norm=normalise_email(term)).values("pk")


def of_reference(term: str) -> QuerySet:
    return Redemption.objects.filter(**every_tenant(), reference=term.removeprefix("#")).values("pk")


def of_code(term: str) -> QuerySet:
    coupons = Coupon.objects.filter(**every_tenant(), code_norm=normalise_code(term))
    return Use.objects.filter(coupon__in=coupons.values("pk")).values("redemption")


def orders_of_code(term: str) -> QuerySet:
    return Redemption.objects.filter(pk__in=of_code(term), order__isnull=False).values("order")


class StateFilter(admin.SimpleListFilter):
    """Where redemptions stand now."""

    title = parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state, state) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.with_status(self.value(), clock.now()) if self.value() in STATES else queryset


@admin.display(description="Evaluation")
def evaluation_of(redemption: Redemption) -> SafeString:
    if redemption.order:
        told = link(page_of(redemption.order), redemption.order)
        return format_html("<p>The page of order {} tells why promotions applied or not.</p>", told)
    if not redemption.evaluation:
        return format_html('<p class="nothing">{}</p>', "Nothing was kept.")
    codes = {str(place): line["code"] for place, line in enumerate(redemption.evaluation["line_items"])}
    return explained(redemption.evaluation, codes)


@admin.register(Redemption)
class RedemptionAdmin(DetailedAdmin, FoundExactly, ReadOnlyAdmin):
    change_list_template = "admin/redemptions.html"
    finders = (of_email, of_reference, of_customer_reference, of_code, of_invoice)
    search_fields = ("email_norm",)
    search_help_text = "An e-mail address, a coupon code, an invoice or a reference of an order or customer, whole."
    list_display = (
        "created",
        "order_and_state",
        "who",
        "discount",
        "used_coupons",
        "used_promotions",
        "tenant",
    )
    list_filter = (TenantFilter, StateFilter)
    related = ("organization", "order", "uses__promotion", "uses__coupon")
    sortable_by = ()
    fields = (
        ("told_state", "discount"),
        ("where", "reference_origin"),
        ("customer_email", "customer", "customer_reference"),
        ("invoices", "told_restrictions"),
        ("reserved_until", "committed_at", "released_at"),
    )
    sections = (uses_of, invoices_of, evaluation_of)
    actions = ("give_back",)

    @admin.display(description="State")
    def told_state(self, row: Redemption) -> str:
        return row.status(clock.now())

    @admin.display(description="Order")
    def order_and_state(self, row: Redemption) -> SafeString:
        return format_html("{}<br><small>{}</small>", self.where(row), self.told_state(row))

    @admin.display(description="Order")
    def where(self, row: Redemption) -> SafeString | str:
        return link(page_of(row.order), row.order) if row.order else row.reference or "-"

    @admin.display(description="Customer")
    def who(self, row: Redemption) -> str | None:
        return row.customer_email or row.customer_reference

    @admin.display(description="Invoices")
    def invoices(self, row: Redemption) -> str:
        return of_limit(row.discounts_count, row.discounts_limit)

    @admin.display(description="Restrictions")
    def told_restrictions(self, row: Redemption) -> SafeString | str:
        return format_html("<pre>{}</pre>", indented(row.restrictions)) if row.restrictions else "-"

    @admin.display(description="Created (UTC)")
    def created(self, row: Redemption) -> str:
        return moment(row.created_at)

    @admin.display(description="Promotions")
    def used_promotions(self, row: Redemption) -> str:
        names = [str(use.promotion) for use in row.uses.all()]
        return ", ".join(names[:1]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")

    @admin.display(description="Coupons")
    def used_coupons(self, row: Redemption) -> str:
        return ", ".join(str(use.coupon) for use in row.uses.all() if use.coupon)

    @admin.display(description="Discount")
    def discount(self, row: Redemption) -> str | None:
        return formatted(row.discount_cents, row.currency_code)

    @admin.action(description="Give back", permissions=["act"])
    def give_back(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        warning = "Their uses do not count any more and are free for others. Orders keep the discount they have."
        if page := self.confirmation(request, queryset, "Give back", warning):
            return page
        self.act(request, queryset, redeeming.cancel, "given back")
        return None

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(charts.redemption_charts)
        return [path("charts/", view, name="coupons_redemption_charts"), *super().get_urls()]


@admin.display(description="Redemptions")
def redemptions_of_coupon(coupon: Coupon) -> SafeString:
    return link(list_of(Redemption, coupons__id__exact=coupon.pk), "Redemptions")


@admin.display(description="Redemptions")
def redemptions_of_promotion(promotion: Promotion) -> SafeString:
    return link(list_of(Redemption, promotions__id__exact=promotion.pk), "Redemptions")


@admin.display(description="Redemptions")
def redemptions_of_customer(customer: Customer) -> SafeString:
    return link(list_of(Redemption, customer__id__exact=customer.pk), "Redemptions")


OrderAdmin.sections = (*OrderAdmin.sections[:2], promotions_of, redemption_of, *OrderAdmin.sections[2:])
OrderAdmin.finders = (*OrderAdmin.finders, orders_of_code)
CouponAdmin.panels = (*CouponAdmin.panels, redemptions_of_coupon)
PromotionAdmin.panels = (*PromotionAdmin.panels, redemptions_of_promotion)
CustomerAdmin.panels = (*CustomerAdmin.panels, redemptions_of_customer)
