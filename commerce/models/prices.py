from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.models.amounts import cents_field
from commerce.models.catalog import Sku
from commerce.models.kinds import OfKind
from commerce.models.owned import Owned
from commerce.models.records import validate_object
from commerce.money import MAX_CENTS, CurrencyCodeField


class PriceList(Owned):
    """What SKUs cost in one currency. Price rules are stored and not computed."""

    wire_type = "price_lists"

    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255, null=True, blank=True)
    currency_code = CurrencyCodeField()
    tax_included = models.BooleanField(default=True)
    rules = models.JSONField(default=dict, blank=True, validators=[validate_object])
    rule_outcomes = models.JSONField(default=list, editable=False)
    resource_payload = models.JSONField(default=dict, editable=False)

    unversioned = Owned.unversioned | {"rule_outcomes", "resource_payload"}
    taken = {"price_list_code": "code"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="price_list_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="price_list_code", condition=Q(code__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name


class Price(Owned):
    """What one SKU costs in a price list."""

    wire_type = "prices"

    price_list = models.ForeignKey(PriceList, on_delete=models.PROTECT, related_name="prices", db_index=False)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="prices")
    amount_cents = cents_field(null=False, blank=False)
    compare_at_amount_cents = cents_field()
    rules = models.JSONField(default=dict, blank=True, validators=[validate_object])
    rule_outcomes = models.JSONField(default=list, editable=False)
    resource_payload = models.JSONField(default=dict, editable=False)
    processed_at = models.DateTimeField(null=True, blank=True)

    parts = ("price_tiers",)
    unversioned = Owned.unversioned | {"rule_outcomes", "resource_payload"}
    taken = {"price_of_sku": "sku"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="price_tenant")]
        constraints = [models.UniqueConstraint(fields=["price_list", "sku"], name="price_of_sku")]

    def __str__(self) -> str:
        return f"{self.sku} in {self.price_list}"


class PriceTier(OfKind):
    """A price for more units, or for more frequent orders: that of the first tier, by `up_to`, that is not exceeded."""

    FAMILY = "price_tiers"

    @property
    def wire_type(self) -> str:
        return f"price_{self.kind}_tiers"

    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="price_tiers")
    name = models.CharField(max_length=255)
    up_to = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_CENTS)],
        help_text="Units, or days between orders; none is without limit.",
    )
    price_amount_cents = cents_field(null=False, blank=False)

    taken = {"price_tier_up_to": "up_to", "price_tier_unlimited": "up_to"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="price_tier_tenant")]
        constraints = [
            models.UniqueConstraint(fields=["price", "kind", "up_to"], name="price_tier_up_to"),
            models.UniqueConstraint(
                fields=["price", "kind"], name="price_tier_unlimited", condition=Q(up_to__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PriceVolumeTier(PriceTier):
    KIND = "volume"

    class Meta:
        proxy = True


class PriceFrequencyTier(PriceTier):
    KIND = "frequency"

    class Meta:
        proxy = True


PRICE_TIER_KINDS: dict[str, type[PriceTier]] = {model.KIND: model for model in (PriceVolumeTier, PriceFrequencyTier)}
