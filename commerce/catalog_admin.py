"""The catalog in the admin: what is sold, in which markets and for how much."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString

from commerce.admin import DisablingAdmin, OwnedAdmin, ReadOnlyAdmin, TenantFilter, link, list_of, missing, page_of
from commerce.models import (
    PRICE_TIER_KINDS,
    Bundle,
    Market,
    Merchant,
    Price,
    PriceFrequencyTier,
    PriceList,
    PriceTier,
    PriceVolumeTier,
    Sku,
    SkuList,
    SkuListItem,
    SkuOption,
)
from commerce.money import formatted

# --- Markets --------------------------------------------------------------------------------------


@admin.register(Merchant)
class MerchantAdmin(OwnedAdmin):
    list_display = ("name", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name",)
    fields = ("name", "address")
    autocomplete_fields = ("address",)


@admin.register(Market)
class MarketAdmin(DisablingAdmin):
    list_display = ("name", "code", "price_list", "customer_group", "tenant", "disabled_at", "created_at")
    list_filter = (TenantFilter, "disabled_at")
    related = ("organization", "price_list", "customer_group")
    search_fields = ("name", "code")
    panels: ClassVar[Any] = ("disabled_at", "shared_secret")
    autocomplete_fields = (
        "merchant",
        "price_list",
        "customer_group",
        "default_shipping_method",
        "default_payment_method",
    )
    fields = (
        "name",
        "code",
        "merchant",
        "price_list",
        "customer_group",
        "default_shipping_method",
        "default_payment_method",
        "checkout_url",
        "external_prices_url",
        "external_order_validation_url",
        "shipping_cost_cutoff",
        "facebook_pixel_id",
    )


# --- Prices ---------------------------------------------------------------------------------------


@admin.display(description="Prices")
def prices_within(row: PriceList) -> SafeString:
    return link(list_of(Price, price_list__id__exact=row.pk), "Prices")


@admin.display(description="Prices")
def prices_of(row: Sku) -> SafeString:
    return link(list_of(Price, sku__id__exact=row.pk), "Prices")


@admin.register(PriceList)
class PriceListAdmin(OwnedAdmin):
    list_display = ("name", "code", "currency_code", "tax_included", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name", "code")
    panels = (prices_within,)
    fields = ("name", "code", "currency_code", "tax_included", "rules")


@admin.display(description="Tiers")
def tiers_of(price: Price) -> SafeString:
    return link(list_of(PriceTier, price__id__exact=price.pk), "Tiers")


@admin.register(Price)
class PriceAdmin(OwnedAdmin):
    tenant_from = "price_list"
    list_display = ("sku", "price_list", "amount", "compare_at", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "sku", "price_list")
    search_fields = ("sku__code",)
    search_help_text = "The code of a SKU."
    panels = (tiers_of,)
    autocomplete_fields = ("price_list", "sku")
    fields = ("price_list", "sku", "amount_cents", "compare_at_amount_cents", "rules")

    @admin.display(description="Amount", ordering="amount_cents")
    def amount(self, row: Price) -> str | None:
        return formatted(row.amount_cents, row.price_list.currency_code)

    @admin.display(description="Compare at", ordering="compare_at_amount_cents")
    def compare_at(self, row: Price) -> str | None:
        return formatted(row.compare_at_amount_cents, row.price_list.currency_code)


class AnyPriceTierAdmin(OwnedAdmin):
    tenant_from = "price"
    list_display: Any = ("name", "price", "up_to", "amount", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "price__sku", "price__price_list")
    search_fields = ("name", "price__sku__code")
    autocomplete_fields = ("price",)
    fields = ("price", "name", "up_to", "price_amount_cents")

    @admin.display(description="Amount", ordering="price_amount_cents")
    def amount(self, row: PriceTier) -> str | None:
        return formatted(row.price_amount_cents, row.price.price_list.currency_code)


@admin.register(PriceTier)
class PriceTiersAdmin(AnyPriceTierAdmin, ReadOnlyAdmin):
    """Tiers of every type; each opens on the page of its own."""

    list_display = ("name", "kind", "price", "up_to", "amount", "tenant", "created_at")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            return missing(request, self.model)
        return redirect(page_of(PRICE_TIER_KINDS[row.kind](pk=row.pk)))


@admin.register(PriceVolumeTier, PriceFrequencyTier)
class PriceTierAdmin(AnyPriceTierAdmin):
    """One type of tiers."""


# --- SKUs -----------------------------------------------------------------------------------------


@admin.register(Sku)
class SkuAdmin(OwnedAdmin):
    list_display = ("code", "name", "shipping_category", "do_not_ship", "do_not_track", "tenant", "created_at")
    list_filter = (TenantFilter, "do_not_ship", "do_not_track")
    related = ("organization", "shipping_category")
    search_fields = ("code", "name")
    panels = (prices_of,)
    autocomplete_fields = ("shipping_category",)
    fields = (
        "code",
        "name",
        "description",
        "image_url",
        "shipping_category",
        "weight",
        "unit_of_weight",
        "pieces_per_pack",
        "hs_tariff_number",
        "do_not_ship",
        "do_not_track",
    )


@admin.register(SkuOption)
class SkuOptionAdmin(OwnedAdmin):
    list_display = ("name", "market", "price", "delay_hours", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "market")
    search_fields = ("name",)
    autocomplete_fields = ("market",)
    fields = (
        "name",
        "market",
        "currency_code",
        "price_amount_cents",
        "delay_hours",
        "sku_code_regex",
        "description",
    )

    @admin.display(description="Price", ordering="price_amount_cents")
    def price(self, row: SkuOption) -> str | None:
        return formatted(row.price_amount_cents, row.currency_code)


@admin.display(description="Items")
def items_of(row: SkuList) -> SafeString:
    return link(list_of(SkuListItem, sku_list__id__exact=row.pk), "Items")


@admin.register(SkuList)
class SkuListAdmin(OwnedAdmin):
    list_display = ("name", "manual", "sku_code_regex", "tenant", "created_at")
    list_filter = (TenantFilter, "manual")
    search_fields = ("name", "slug")
    panels = ("slug", items_of)
    autocomplete_fields = ("customer",)
    fields = ("name", "manual", "sku_code_regex", "description", "image_url", "customer")

    def farewell(self, row: SkuList) -> str:
        return f"{row} with its {row.sku_list_items.count():,} items"


@admin.register(SkuListItem)
class SkuListItemAdmin(OwnedAdmin):
    tenant_from = "sku_list"
    list_display = ("sku", "sku_list", "position", "quantity", "max_per_coupon", "price", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "sku", "sku_list")
    search_fields = ("sku__code", "sku_list__name")
    autocomplete_fields = ("sku_list", "sku")
    fields = ("sku_list", "sku", "position", "quantity", "max_per_coupon", "price_amount_cents")
    fixed = ("sku_list", "sku")

    @admin.display(description="Price", ordering="price_amount_cents")
    def price(self, row: SkuListItem) -> str | None:
        """In the currency of whatever promotion sets it."""
        return formatted(row.price_amount_cents, None)


@admin.register(Bundle)
class BundleAdmin(OwnedAdmin):
    tenant_from = "sku_list"
    list_display = ("code", "name", "market", "sku_list", "price", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "market", "sku_list")
    search_fields = ("code", "name")
    autocomplete_fields = ("market", "sku_list")
    fields = (
        "sku_list",
        "market",
        "code",
        "name",
        "description",
        "image_url",
        "currency_code",
        "price_amount_cents",
        "compare_at_amount_cents",
    )
    fixed = ("market", "sku_list")
    actions = ("compute_price",)

    @admin.display(description="Price", ordering="price_amount_cents")
    def price(self, row: Bundle) -> str | None:
        return formatted(row.price_amount_cents, row.currency_code)

    @admin.action(description="Compute the price from the SKUs", permissions=["change"])
    def compute_price(self, request: HttpRequest, queryset: Any) -> None:
        number = self.fire("_compute_price_amount", request, queryset)
        self.message_user(request, f"{number} computed.", messages.SUCCESS)
