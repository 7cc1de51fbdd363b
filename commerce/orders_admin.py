"""Orders and what belongs to them in the admin: read whole, moved on by actions, edited by their clients only.

The app above adds why promotions applied or not by `OrderAdmin.sections`, and its codes by `OrderAdmin.finders`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from commerce import placing
from commerce.admin import (
    DetailedAdmin,
    FoundExactly,
    OneTenantFilter,
    OwnedAdmin,
    PartAdmin,
    ReadOnlyAdmin,
    TenantFilter,
    every_tenant,
    link,
    list_of,
    moment,
    page_of,
    table,
    tenant_choice,
)
from commerce.catalog_admin import MarketAdmin
from commerce.customers_admin import CustomerAdmin
from commerce.gift_cards_admin import ledger_table
from commerce.models import (
    Adjustment,
    Customer,
    LineItem,
    LineItemOption,
    Market,
    Order,
    Owned,
    ResourceError,
    Shipment,
    normalise_email,
)
from commerce.money import formatted

MOST_SHOWN = 250
"""Lines that the page of an order shows; the others are on the list of them."""
MOST_MARKETS = 50
"""Markets to filter by."""

FOLLOWING: Mapping[str, int] = {
    LineItem.ItemType.ADJUSTMENTS: 1,
    LineItem.ItemType.SHIPMENTS: 2,
    LineItem.ItemType.PAYMENT_METHODS: 3,
}
"""Where lines are shown that come after what is sold; promotions and then gift cards come last."""

# --- Finding orders -------------------------------------------------------------------------------


class MarketFilter(admin.SimpleListFilter):
    title = parameter_name = "market"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        markets = Market.objects.select_related("organization").order_by("-pk")[:MOST_MARKETS]
        return [(str(market.pk), f"{market} ({market.organization} {market.mode})") for market in markets]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        key = self.value() or ""
        return queryset.filter(market_id=int(key)) if key.isascii() and key.isdigit() and len(key) < 19 else queryset


def with_number(term: str) -> QuerySet:
    return Order.objects.filter(**every_tenant(), number=term.removeprefix("#")).values("pk")


def of_email(term: str) -> QuerySet:
    customers = Customer.objects.filter(**every_tenant(), email_norm=normalise_email(term))
    return Order.objects.filter(customer__in=customers.values("pk")).values("pk")


# --- What the page of an order shows --------------------------------------------------------------


@admin.display(description="Lines")
def lines_of(order: Order) -> SafeString:
    """What is sold, and then what follows from it."""
    lines = order.line_items.order_by("created_at", "pk").prefetch_related("line_item_options")
    found = list(lines[: MOST_SHOWN + 1])
    headings = ("What", "Code", "Units", "Of one", "Total", "Discount")
    rows = map(_line, sorted(found[:MOST_SHOWN], key=_place))
    shown = table(headings, rows, amounts=headings[2:], empty="The order has no lines.")
    if len(found) <= MOST_SHOWN:
        return shown
    every = link(list_of(LineItem, order__id__exact=order.pk), "All lines")
    return format_html("{}<p>These are the first {}. {}</p>", shown, MOST_SHOWN, every)


def _place(line: LineItem) -> int:
    if line.is_sold:
        return 0
    return len(FOLLOWING) + 2 if line.is_payment else FOLLOWING.get(line.item_type, len(FOLLOWING) + 1)


def _line(line: LineItem) -> tuple[object, ...]:
    currency = line.order.currency_code
    told = [
        line.item_type.replace("_", " ").removesuffix("s"),
        *(f"{each.quantity} × {each.name} for {_amount(each, currency)}" for each in line.line_item_options.all()),
    ]
    small = format_html_join("", "<br><small>{}</small>", ((each,) for each in told))
    return (
        format_html("{}{}", link(page_of(line), line), small),
        line.sku_code or line.bundle_code or line.coupon_code,
        line.quantity,
        formatted(line.unit_amount_cents, currency),
        formatted(line.total_amount_cents, currency),
        breakdown(line),
    )


def _amount(option: LineItemOption, currency_code: str) -> str | None:
    return formatted(option.total_amount_cents, currency_code)


def breakdown(line: LineItem) -> SafeString | str:
    """What each promotion took off the line: `Summer -€1,00 (25%)`."""
    currency = line.order.currency_code
    shares = [
        (each["name"], formatted(each["cents"], currency), f"{each['weight']:.1%}")
        for each in line.discount_breakdown.values()
    ]
    if not shares:
        return ""
    told = format_html_join("", "<br><small>{} {} ({} of it)</small>", shares)
    return format_html("{}{}", formatted(line.discount_cents, currency), told)


@admin.display(description="Totals")
def totals_of(order: Order) -> SafeString:
    return table(("", "Amount"), _totals(order), amounts=("Amount",))


def _totals(order: Order) -> Iterator[tuple[object, ...]]:
    amounts = {
        "Subtotal": order.subtotal_amount_cents,
        "Shipping": order.shipping_amount_cents,
        "Payment method": order.payment_method_amount_cents,
        "Discount": order.discount_amount_cents,
        "Adjustments": order.adjustment_amount_cents,
        "Gift card": order.gift_card_amount_cents,
    }
    for name, cents in amounts.items():
        if cents or name == "Subtotal":
            yield name, formatted(cents, order.currency_code)
    told = "Total, as placed" if order.was_placed else "Total"
    yield format_html("<strong>{}</strong>", told), format_html("<strong>{}</strong>", total(order))
    if order.was_placed and order.place_total_amount_cents != order.total_amount_cents:
        yield "When it was placed first", formatted(order.place_total_amount_cents, order.currency_code)


@admin.display(description="Total", ordering="total_amount_cents")
def total(order: Order) -> str | None:
    return formatted(order.total_amount_cents, order.currency_code)


@admin.display(description="Shipments")
def shipments_of(order: Order) -> SafeString:
    shipments = order.shipments.select_related("shipping_method").order_by("created_at", "number")
    rows = (
        (
            link(page_of(shipment), shipment),
            shipment.status,
            shipment.shipping_method,
            formatted(shipment.cost_amount_cents, order.currency_code),
        )
        for shipment in shipments
    )
    return table(("Number", "Status", "Method", "Cost"), rows, amounts=("Cost",), empty="Nothing is to be sent yet.")


@admin.display(description="Ledger")
def ledger_of(order: Order) -> SafeString:
    return ledger_table(order.ledger_entries.order_by("pk"), order.currency_code)


@admin.display(description="Errors")
def errors_of(order: Order) -> SafeString:
    rows = ((error.name, error.code, error.message) for error in order.resource_errors.order_by("pk"))
    return table(("About", "Code", "Message"), rows)


# --- Orders ---------------------------------------------------------------------------------------


@admin.register(Order)
class OrderAdmin(DetailedAdmin, FoundExactly, ReadOnlyAdmin):
    finders: ClassVar[Any] = (with_number, of_email)
    search_fields = ("number",)
    search_help_text = "A number, an e-mail address or a coupon code that was used, whole."
    ordering = ("-created_at", "-pk")
    list_display: Any = (
        "number",
        "told_status",
        "customer_email",
        total,
        "coupon_code",
        "placed",
        "tenant",
    )
    list_filter = (OneTenantFilter, "status", "payment_status", MarketFilter)
    sortable_by = ()
    fields = (
        ("status", "payment_status", "fulfillment_status"),
        ("customer_email", "customer"),
        ("coupon_code", "gift_card"),
        ("market", "payment_method"),
        ("shipping_address", "billing_address"),
        ("placed_at", "approved_at", "cancelled_at"),
        ("refreshed_at", "expires_at", "archived_at"),
    )
    sections: ClassVar[Any] = (lines_of, totals_of, shipments_of, ledger_of, errors_of)
    actions = ("approve", "capture", "cancel", "archive")

    @admin.display(description="Status")
    def told_status(self, row: Order) -> SafeString:
        return format_html("{}<br><small>{}</small>", row.status, row.payment_status)

    @admin.display(description="Placed (UTC)")
    def placed(self, row: Order) -> str:
        return moment(row.placed_at)

    @admin.action(description="Approve", permissions=["act"])
    def approve(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.act(request, queryset, placing.approve, "approved")

    @admin.action(description="Capture", permissions=["act"])
    def capture(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.act(request, queryset, placing.capture, "captured")

    @admin.action(description="Cancel", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        warning = "What gift cards paid is given back; so are uses of coupons and promotions, unless it was approved."
        if page := self.confirmation(request, queryset, "Cancel orders", warning):
            return page
        self.act(request, queryset, placing.cancel, "cancelled")
        return None

    @admin.action(description="Archive", permissions=["act"])
    def archive(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.act(request, queryset, placing.archive, "archived")


@admin.display(description="Orders")
def orders_of_customer(customer: Customer) -> SafeString:
    return _orders(customer, customer__id__exact=customer.pk)


@admin.display(description="Orders")
def orders_of_market(market: Market) -> SafeString:
    return _orders(market, market=market.pk)


def _orders(owner: Owned, **filters: Any) -> SafeString:
    return link(list_of(Order, tenant=tenant_choice(owner), **filters), "Orders")


CustomerAdmin.panels = (*CustomerAdmin.panels, orders_of_customer)
MarketAdmin.panels = (*MarketAdmin.panels, orders_of_market)


# --- What belongs to orders -----------------------------------------------------------------------


@admin.register(LineItem)
class LineItemAdmin(PartAdmin):
    list_display = ("name", "item_type", "sku_code", "quantity", "total", "discount", "order")
    list_filter = (TenantFilter,)
    related = ("organization", "order")
    sortable_by = ()
    fields = (
        "order",
        "item_type",
        "name",
        ("sku_code", "bundle_code", "coupon_code"),
        ("sku", "bundle", "gift_card"),
        ("quantity", "unit_amount_cents", "options_amount_cents", "total_amount_cents"),
        "breakdown",
        "in_shipment",
        "has_given_price",
        "rule_outcomes",
    )

    @admin.display(description="Total")
    def total(self, row: LineItem) -> str | None:
        return formatted(row.total_amount_cents, row.order.currency_code)

    @admin.display(description="Discount")
    def discount(self, row: LineItem) -> str | None:
        return formatted(row.discount_cents, row.order.currency_code) if row.discount_cents else None

    @admin.display(description="Discount")
    def breakdown(self, row: LineItem) -> str:
        return breakdown(row)


@admin.register(LineItemOption)
class LineItemOptionAdmin(PartAdmin):
    list_display = ("name", "line_item", "quantity", "unit_amount_cents", "tenant")
    list_filter = (TenantFilter,)
    related = ("organization", "line_item")
    sortable_by = ()
    fields = ("line_item", "sku_option", "name", "quantity", "unit_amount_cents", "delay_hours", "options")


@admin.register(ResourceError)
class ResourceErrorAdmin(PartAdmin):
    list_display = ("order", "name", "code", "message", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "order")
    sortable_by = ()
    fields = ("order", "name", "code", "message")


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin):
    ordering = ("-pk",)
    list_display = ("number", "status", "order", "shipping_method", "cost", "tenant", "created_at")
    list_filter = (TenantFilter, "status")
    related = ("organization", "order", "shipping_method")
    search_fields = ("number__exact",)
    search_help_text = "A number, whole."
    sortable_by = ()
    fields = (
        ("order", "status"),
        ("shipping_category", "shipping_method", "stock_location"),
        "shipping_address",
        "cost",
        ("on_hold_at", "picking_at", "packing_at"),
        ("ready_to_ship_at", "shipped_at", "delivered_at"),
    )

    @admin.display(description="Cost")
    def cost(self, row: Shipment) -> str | None:
        return formatted(row.cost_amount_cents, row.order.currency_code)


@admin.register(Adjustment)
class AdjustmentAdmin(OwnedAdmin):
    list_display = ("name", "amount", "distribute_discount", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name",)
    fields = ("name", "currency_code", "amount_cents", "distribute_discount")

    @admin.display(description="Amount", ordering="amount_cents")
    def amount(self, row: Adjustment) -> str | None:
        return formatted(row.amount_cents, row.currency_code)
