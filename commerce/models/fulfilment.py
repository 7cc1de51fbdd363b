from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from commerce.models.amounts import WeightField, cents_field, inherit_currency, unit_of_weight_field
from commerce.models.catalog import MOST_PATTERN, ShippingCategory
from commerce.models.customers import Address
from commerce.models.markets import Market
from commerce.models.owned import Owned
from commerce.models.records import Disabling, HasSharedSecret, check_each, validate_strings
from commerce.money import CurrencyCodeField
from commerce.outgoing import validate_callback_url
from commerce.patterns import check_patterns, matches


class ShippingZone(Owned):
    """The addresses a shipping method reaches, by patterns on their country, state and ZIP codes."""

    PATTERNS = (
        "country_code_regex",
        "not_country_code_regex",
        "state_code_regex",
        "not_state_code_regex",
        "zip_code_regex",
        "not_zip_code_regex",
    )

    wire_type = "shipping_zones"

    name = models.CharField(max_length=255)
    country_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    not_country_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    state_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    not_state_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    zip_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    not_zip_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="shipping_zone_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        check_patterns(self, [name for name in self.PATTERNS if getattr(self, name) != self.stored(name)])

    def reaches(self, address: Address) -> bool:
        return all(
            self._takes(name, getattr(address, name) or "") for name in ("country_code", "state_code", "zip_code")
        )

    def _takes(self, name: str, code: str) -> bool:
        wanted, unwanted = getattr(self, f"{name}_regex"), getattr(self, f"not_{name}_regex")
        return (not wanted or matches(wanted, code)) and not (unwanted and matches(unwanted, code))


class StockLocation(Owned):
    """Where goods leave from. Stock itself is not kept here."""

    class LabelFormat(models.TextChoices):
        PDF = "PDF"
        ZPL = "ZPL"
        EPL2 = "EPL2"
        PNG = "PNG"

    wire_type = "stock_locations"

    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255, null=True, blank=True)
    label_format = models.CharField(max_length=4, choices=LabelFormat, default=LabelFormat.PDF)
    suppress_etd = models.BooleanField(default=False)
    address = models.ForeignKey(Address, on_delete=models.PROTECT, related_name="stock_locations")

    taken = {"stock_location_code": "code"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="stock_location_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="stock_location_code", condition=Q(code__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name


class ShippingMethod(Disabling, HasSharedSecret, Owned):
    """A way to ship, and its price. Weight tiers and external prices are stored and not computed."""

    class Scheme(models.TextChoices):
        FLAT = "flat"
        WEIGHT_TIERED = "weight_tiered"
        EXTERNAL = "external"

    wire_type = "shipping_methods"

    name = models.CharField(max_length=255)
    scheme = models.CharField(max_length=13, choices=Scheme, default=Scheme.FLAT)
    currency_code = CurrencyCodeField(null=True, blank=True)
    external_prices_url = models.CharField(max_length=2000, null=True, blank=True)
    price_amount_cents = cents_field(null=False, blank=False)
    free_over_amount_cents = cents_field()
    use_subtotal = models.BooleanField(default=False)
    min_weight = WeightField()
    max_weight = WeightField()
    unit_of_weight = unit_of_weight_field()
    tax_code = models.CharField(max_length=255, null=True, blank=True)
    circuit_failure_count = models.IntegerField(default=0, editable=False)
    external_includes = models.JSONField(default=list, blank=True, validators=[validate_strings])
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="shipping_methods")
    shipping_zone = models.ForeignKey(
        ShippingZone, on_delete=models.PROTECT, null=True, blank=True, related_name="shipping_methods"
    )
    shipping_category = models.ForeignKey(
        ShippingCategory, on_delete=models.PROTECT, null=True, blank=True, related_name="shipping_methods"
    )
    stock_location = models.ForeignKey(
        StockLocation, on_delete=models.PROTECT, null=True, blank=True, related_name="shipping_methods"
    )

    unversioned = Owned.unversioned | {"shared_secret", "circuit_failure_count"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="shipping_method_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        inherit_currency(self)
        errors = {}
        if self.scheme == self.Scheme.EXTERNAL and not self.external_prices_url:
            errors["external_prices_url"] = ValidationError("can't be blank", code="blank")
        if self.external_prices_url != self.stored("external_prices_url"):
            errors |= check_each(self, ["external_prices_url"], validate_callback_url)
        weights = [weight for weight in (self.min_weight, self.max_weight) if weight is not None]
        if weights and not self.unit_of_weight:
            errors["unit_of_weight"] = ValidationError("can't be blank", code="blank")
        if weights != sorted(weights):
            errors["max_weight"] = ValidationError("must not be less than min_weight", code="invalid")
        if errors:
            raise ValidationError(errors)

    def reset_circuit(self) -> None:
        self.circuit_failure_count = 0
