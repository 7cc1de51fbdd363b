"""Customers, where they are and how they pay, and how goods reach them, in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.safestring import SafeString

from commerce.admin import DisablingAdmin, FoundByPrefix, OwnedAdmin, OwnedForm, TenantFilter, link, list_of
from commerce.models import (
    Address,
    Customer,
    CustomerAddress,
    CustomerGroup,
    ManualGateway,
    PaymentMethod,
    ShippingCategory,
    ShippingMethod,
    ShippingZone,
    StockLocation,
    normalise_email,
)
from commerce.money import formatted
from commerce.resources.customers import LONGEST_PASSWORD, SHORTEST_PASSWORD

# --- Customers ------------------------------------------------------------------------------------


class CustomerForm(OwnedForm):
    password = forms.CharField(
        required=False,
        min_length=SHORTEST_PASSWORD,
        max_length=LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "vTextField", "autocomplete": "new-password"}),
        help_text="A new one, if it is to change. It ends the customer's sessions and is never shown.",
    )

    def prepare(self) -> None:
        super().prepare()
        if password := self.cleaned_data.get("password"):
            self.instance.set_password(password)


@admin.display(description="Addresses")
def addresses_of(customer: Customer) -> SafeString:
    return link(list_of(CustomerAddress, customer__id__exact=customer.pk), "Address book")


@admin.register(Customer)
class CustomerAdmin(FoundByPrefix):
    form = CustomerForm
    column = "email_norm"
    normalise = normalise_email
    search_fields = ("email_norm",)
    search_help_text = "An e-mail address or its beginning."
    list_display = ("email", "status", "customer_group", "has_password", "total_orders_count", "tenant", "created_at")
    list_filter = (TenantFilter, "status", "created_at")
    related = ("organization", "customer_group")
    panels: ClassVar[Any] = ("status", "has_password", "total_orders_count", "anonymization_requested_at", addresses_of)
    autocomplete_fields = ("customer_group",)
    fields = ("email", "password", "customer_group", "tax_exemption_code", "shopper_reference", "profile_id")

    @admin.display(description="Password", boolean=True)
    def has_password(self, row: Customer) -> bool:
        return row.password_hash is not None

    def farewell(self, row: Customer) -> str:
        return f"{row} with its address book of {row.customer_addresses.count():,}"


@admin.display(description="Customers")
def customers_of(group: CustomerGroup) -> SafeString:
    return link(list_of(Customer, customer_group__id__exact=group.pk), "Customers")


@admin.register(CustomerGroup)
class CustomerGroupAdmin(OwnedAdmin):
    list_display = ("name", "code", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name", "code")
    panels = (customers_of,)
    fields = ("name", "code")


@admin.register(Address)
class AddressAdmin(OwnedAdmin):
    list_display = ("who", "line_1", "zip_code", "city", "country_code", "tenant", "created_at")
    list_filter = (TenantFilter, "business")
    search_fields = ("last_name", "company", "line_1", "city", "email")
    panels = ("is_geocoded", "provider_name", "map_url", "static_map_url")
    fields = (
        "business",
        "company",
        "first_name",
        "last_name",
        "line_1",
        "line_2",
        "zip_code",
        "city",
        "state_code",
        "country_code",
        "phone",
        "email",
        "notes",
        "billing_info",
        "lat",
        "lng",
    )

    @admin.display(description="Name")
    def who(self, row: Address) -> str:
        return (row.company or "") if row.business else f"{row.first_name} {row.last_name}"


@admin.register(CustomerAddress)
class CustomerAddressAdmin(OwnedAdmin):
    tenant_from = "customer"
    list_display = ("customer", "address", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "customer", "address")
    search_fields = ("customer__email", "address__city")
    autocomplete_fields = ("customer",)
    raw_id_fields = ("address",)
    fields = ("customer", "address")


# --- Shipping -------------------------------------------------------------------------------------


@admin.register(ShippingMethod)
class ShippingMethodAdmin(DisablingAdmin):
    list_display = ("name", "scheme", "price", "free_over", "market", "shipping_zone", "tenant", "disabled_at")
    list_filter = (TenantFilter, "scheme", "disabled_at")
    related = ("organization", "market", "shipping_zone")
    search_fields = ("name",)
    panels = ("disabled_at", "shared_secret", "circuit_failure_count")
    autocomplete_fields = ("market", "shipping_zone", "shipping_category", "stock_location")
    fields = (
        "name",
        "scheme",
        "market",
        "currency_code",
        "price_amount_cents",
        "free_over_amount_cents",
        "use_subtotal",
        "shipping_zone",
        "shipping_category",
        "stock_location",
        "min_weight",
        "max_weight",
        "unit_of_weight",
        "external_prices_url",
        "tax_code",
    )

    @admin.display(description="Price", ordering="price_amount_cents")
    def price(self, row: ShippingMethod) -> str | None:
        return formatted(row.price_amount_cents, row.currency_code)

    @admin.display(description="Free over", ordering="free_over_amount_cents")
    def free_over(self, row: ShippingMethod) -> str | None:
        return formatted(row.free_over_amount_cents, row.currency_code)


@admin.register(ShippingZone)
class ShippingZoneAdmin(OwnedAdmin):
    list_display = ("name", "country_code_regex", "state_code_regex", "zip_code_regex", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name",)
    fields = ("name", *ShippingZone.PATTERNS)


@admin.register(ShippingCategory)
class ShippingCategoryAdmin(OwnedAdmin):
    list_display = ("name", "code", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name", "code")
    fields = ("name", "code")


@admin.register(StockLocation)
class StockLocationAdmin(OwnedAdmin):
    list_display = ("name", "code", "address", "label_format", "tenant", "created_at")
    list_filter = (TenantFilter,)
    related = ("organization", "address")
    search_fields = ("name", "code")
    raw_id_fields = ("address",)
    fields = ("name", "code", "address", "label_format", "suppress_etd")


# --- Payment --------------------------------------------------------------------------------------


@admin.register(ManualGateway)
class ManualGatewayAdmin(DisablingAdmin):
    list_display = ("name", "force_payments", "tenant", "disabled_at", "created_at")
    list_filter = (TenantFilter, "disabled_at")
    search_fields = ("name",)
    panels = ("disabled_at",)
    fields = ("name", "force_payments")


@admin.register(PaymentMethod)
class PaymentMethodAdmin(DisablingAdmin):
    tenant_from = "payment_gateway"
    list_display = ("name", "payment_source_type", "price", "market", "payment_gateway", "tenant", "disabled_at")
    list_filter = (TenantFilter, "payment_source_type", "disabled_at")
    related = ("organization", "market", "payment_gateway")
    search_fields = ("name",)
    panels = ("disabled_at",)
    autocomplete_fields = ("payment_gateway", "market")
    fields = (
        "payment_gateway",
        "payment_source_type",
        "name",
        "market",
        "currency_code",
        "price_amount_cents",
        "require_capture",
        "auto_capture",
        "auto_capture_max_amount_cents",
        "auto_place",
        "moto",
    )

    @admin.display(description="Price", ordering="price_amount_cents")
    def price(self, row: PaymentMethod) -> str | None:
        return formatted(row.price_amount_cents, row.currency_code)
