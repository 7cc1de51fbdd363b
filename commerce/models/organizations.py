import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from commerce.models.records import Record, validate_object

DEFAULTS: dict[str, Any] = {
    "api_auth_redirect": True,
    "api_rules_engine": False,
    "api_rules_engine_max_conditions_size": 150,
    "api_rules_engine_max_rules_size": 15,
    "api_new_auth": True,
    "api_purge_single_resource": False,
    "api_max_regex_length": 5000,
    "addresses_avs_check": True,
    "addresses_phone_required": True,
    "orders_sales_channel_guest_only": True,
    "orders_min_rebuild_shipments_lapse": 0,
    "orders_min_refresh_lapse": 0,
    "orders_autorefresh_cutoff_test": 50,
    "orders_autorefresh_cutoff_live": 500,
    "orders_number_editable_test": False,
    "orders_number_editable_live": False,
    "orders_number_as_reference": True,
    "orders_invalid_coupon_errors": True,
    "orders_invalid_gift_card_errors": True,
    "orders_validate_shipping_stock": False,
    "bundles_max_items_count": 10,
    "coupons_min_code_length": 8,
    "coupons_max_code_length": 40,
    "gift_cards_exact_code_matching": False,
    "gift_cards_min_code_length": 8,
    "gift_cards_max_code_length": 40,
    "cleanups_max_concurrent_count": 10,
    "exports_max_concurrent_count": 10,
    "imports_max_concurrent_count": 10,
    "imports_purge_cache": True,
    "imports_skip_errors": False,
    "inventory_models_max_stock_locations_cutoff": 10,
    "promotions_max_concurrent_count": 10,
    "promotions_max_conditions_size": 150,
    "promotions_max_rules_size": 15,
    "price_lists_max_conditions_size": 150,
    "price_lists_max_rules_size": 15,
    "imports_trigger_webhooks": False,
    "discount_engines_enabled": False,
    "discount_engines_errors": False,
    "tags_max_name_length": 25,
    "tags_max_allowed_number": 10,
    "tax_calculators_errors": False,
    "external_promotions_errors": False,
    "external_prices_errors": True,
}
"""The configuration an organization serves to its clients: names, types and defaults of the contract."""

NULLABLE = ("promotions_max_concurrent_count",)
"""Limits that null takes away."""

RESERVED_SLUGS = ("auth", "core", "provisioning", "localhost")
"""Host names that clients use whatever the organization."""

_SLUG = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def in_force(name: str, settings: dict[str, Any]) -> Any:
    """The value of one of DEFAULTS for an organization with these settings."""
    return settings.get(name, DEFAULTS[name])


class Organization(Record):
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=255)
    support_phone = models.CharField(max_length=255, null=True, blank=True)
    support_email = models.CharField(max_length=255, null=True, blank=True)
    logo_url = models.URLField(max_length=2000, null=True, blank=True)
    favicon_url = models.URLField(max_length=2000, null=True, blank=True)
    primary_color = models.CharField(max_length=255, null=True, blank=True)
    gtm_id = models.CharField(max_length=255, null=True, blank=True)
    gtm_id_test = models.CharField(max_length=255, null=True, blank=True)
    config = models.JSONField(default=dict, blank=True, validators=[validate_object])
    settings = models.JSONField(
        default=dict, blank=True, validators=[validate_object], help_text="Only what differs from the defaults."
    )

    def __str__(self) -> str:
        return self.slug

    def setting(self, name: str) -> Any:
        """The value in force of one of DEFAULTS."""
        return in_force(name, self.settings)

    def clean(self) -> None:
        validate_slug(self.slug)
        for name, value in self.settings.items():
            if name not in DEFAULTS:
                raise ValidationError({"settings": ValidationError(f"{name} is not a setting", code="invalid")})
            if value is None and name in NULLABLE:
                continue
            if type(value) is not type(DEFAULTS[name]) or (isinstance(value, int) and value < 0):
                raise ValidationError({"settings": ValidationError(f"{name} has a wrong value", code="invalid")})


def validate_slug(slug: str) -> None:
    """A slug is the first label of a host name, so it obeys the rules of one and is no address."""
    if not _SLUG.fullmatch(slug):
        raise ValidationError({"slug": "must be lower-case letters, digits and inner hyphens, not digits alone"})
    if slug in RESERVED_SLUGS:
        raise ValidationError({"slug": "is reserved"})
