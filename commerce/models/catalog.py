from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Max, Q
from django.utils.text import slugify

from commerce.models.amounts import WeightField, cents_field, inherit_currency, unit_of_weight_field
from commerce.models.customers import Customer
from commerce.models.owned import Owned, OwnedQuerySet
from commerce.money import CurrencyCodeField
from commerce.patterns import check_patterns

MOST_PATTERN = 5000
"""Characters of a pattern, at most; an organization may allow fewer."""
LAST_POSITION = 2**31 - 1
"""What the column holds; items may share a position."""


class ShippingCategory(Owned):
    wire_type = "shipping_categories"

    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255, null=True, blank=True)

    taken = {"shipping_category_code": "code"}

    class Meta:
        verbose_name_plural = "shipping categories"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="shipping_category_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="shipping_category_code", condition=Q(code__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name


class Sku(Owned):
    """Something sold. Its code is unique within the tenant."""

    wire_type = "skus"

    code = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    description = models.TextField(max_length=65_535, null=True, blank=True)
    image_url = models.CharField(max_length=2000, null=True, blank=True)
    pieces_per_pack = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    weight = WeightField()
    unit_of_weight = unit_of_weight_field()
    hs_tariff_number = models.CharField(max_length=255, null=True, blank=True)
    do_not_ship = models.BooleanField(default=False)
    do_not_track = models.BooleanField(default=False)
    shipping_category = models.ForeignKey(ShippingCategory, on_delete=models.PROTECT, related_name="skus")

    taken = {"sku_code": "code"}

    class Meta:
        verbose_name = "SKU"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="sku_tenant")]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "code"], name="sku_code")]

    def __str__(self) -> str:
        return self.code


class SkuOption(Owned):
    """What can be ordered with a SKU, such as an engraving, and what it costs."""

    wire_type = "sku_options"

    name = models.CharField(max_length=255)
    currency_code = CurrencyCodeField(null=True, blank=True)
    description = models.TextField(max_length=65_535, null=True, blank=True)
    price_amount_cents = cents_field()
    delay_hours = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(0)])
    sku_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    market = models.ForeignKey(
        "commerce.Market", on_delete=models.PROTECT, null=True, blank=True, related_name="sku_options"
    )

    class Meta:
        verbose_name = "SKU option"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="sku_option_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        inherit_currency(self)
        if self.sku_code_regex != self.stored("sku_code_regex"):
            check_patterns(self, ["sku_code_regex"])


class SkuList(Owned):
    """SKUs: those of its items if manual, or those whose code a pattern matches."""

    wire_type = "sku_lists"

    name = models.CharField(max_length=255)
    slug = models.CharField(max_length=255, editable=False)
    description = models.TextField(max_length=65_535, null=True, blank=True)
    image_url = models.CharField(max_length=2000, null=True, blank=True)
    manual = models.BooleanField(default=True)
    sku_code_regex = models.CharField(max_length=MOST_PATTERN, null=True, blank=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="sku_lists")
    skus: Any = models.ManyToManyField(Sku, through="SkuListItem", related_name="sku_lists")

    is_priced = True
    parts = ("sku_list_items",)
    unversioned = Owned.unversioned | {"slug"}

    class Meta:
        verbose_name = "SKU list"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="sku_list_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.slug = slugify(self.name)
        if self.manual and self.sku_code_regex:
            raise ValidationError(
                {"sku_code_regex": ValidationError("belongs to a list that is not manual", "invalid")}
            )
        if not self.manual and not self.sku_code_regex:
            raise ValidationError({"sku_code_regex": ValidationError("can't be blank unless manual", "blank")})
        if not self.manual and self.stored("manual") and self.sku_list_items.exists():
            raise ValidationError({"manual": ValidationError("must be kept by a list that has items", "invalid")})
        if self.sku_code_regex != self.stored("sku_code_regex"):
            check_patterns(self, ["sku_code_regex"])


class SkuListItem(Owned):
    """A SKU in a manual list, as many units of it as the list means."""

    wire_type = "sku_list_items"

    sku_list = models.ForeignKey(SkuList, on_delete=models.PROTECT, related_name="sku_list_items", db_index=False)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="sku_list_items")
    position = models.IntegerField(blank=True, help_text="Behind the last one of the list if not given.")
    quantity = models.IntegerField(default=1, validators=[MinValueValidator(1)])
    max_per_coupon = models.IntegerField(
        default=0,
        validators=[MinValueValidator(0)],
        help_text="How many of its units a coupon discounts in one order; 0 is no limit.",
    )
    price_amount_cents = cents_field(help_text="What a unit costs with a promotion that sets the price of the list.")

    is_priced = True
    taken = {"sku_list_item_sku": "sku"}

    class Meta:
        verbose_name = "SKU list item"
        indexes = [models.Index(fields=["organization", "mode", "id"], name="sku_list_item_tenant")]
        constraints = [models.UniqueConstraint(fields=["sku_list", "sku"], name="sku_list_item_sku")]

    def __str__(self) -> str:
        return f"{self.sku} in {self.sku_list}"

    def clean(self) -> None:
        if self.sku_list_id is None:
            return
        if not self.sku_list.manual:
            raise ValidationError({"sku_list": ValidationError("must be a manual list", code="invalid")})
        if self._state.adding:
            self._check_bundled()
        if self.position is None:
            last = self.sku_list.sku_list_items.aggregate(last=Max("position"))["last"]
            self.position = 1 if last is None else min(last + 1, LAST_POSITION)

    def _check_bundled(self) -> None:
        most = self.organization.setting("bundles_max_items_count")
        if self.sku_list.bundles.exists() and self.sku_list.sku_list_items.count() >= most:
            problem = ValidationError(f"is of a bundle, which has at most {most} items", code="invalid")
            raise ValidationError({"sku_list": problem})


class BundleQuerySet(OwnedQuerySet):
    def sold_in(self, market: Any, currency_code: str) -> Self:
        """Those of no market in the currency, and then those of the market, which take their place."""
        sold = Q(market=None, currency_code=currency_code)
        if market is not None:
            sold |= Q(market=market)
        return self.filter(sold).order_by(F("market").asc(nulls_first=True))


class Bundle(Owned):
    """The SKUs of a list sold together, for a price of their own."""

    wire_type = "bundles"

    code = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    currency_code = CurrencyCodeField(null=True, blank=True)
    description = models.TextField(max_length=65_535, null=True, blank=True)
    image_url = models.CharField(max_length=2000, null=True, blank=True)
    price_amount_cents = cents_field()
    compare_at_amount_cents = cents_field()
    market = models.ForeignKey(
        "commerce.Market", on_delete=models.PROTECT, null=True, blank=True, related_name="bundles"
    )
    sku_list = models.ForeignKey(SkuList, on_delete=models.PROTECT, related_name="bundles")

    objects: ClassVar[Any] = BundleQuerySet.as_manager()

    taken = {"bundle_code": "code", "bundle_code_of_market": "code"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="bundle_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="bundle_code", condition=Q(market__isnull=True)
            ),
            models.UniqueConstraint(
                fields=["organization", "mode", "market", "code"],
                name="bundle_code_of_market",
                condition=Q(market__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        inherit_currency(self)
        if self._state.adding and self.sku_list_id is not None:
            self._check_list()

    def _check_list(self) -> None:
        if not self.sku_list.manual:
            raise ValidationError({"sku_list": ValidationError("must be a manual list", code="invalid")})
        most = self.organization.setting("bundles_max_items_count")
        if self.sku_list.sku_list_items.count() > most:
            raise ValidationError({"sku_list": ValidationError(f"has more than {most} items", code="invalid")})
