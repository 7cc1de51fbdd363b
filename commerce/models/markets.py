from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.models.customers import Address, CustomerGroup
from commerce.models.owned import Owned
from commerce.models.prices import PriceList
from commerce.models.records import Disabling, HasSharedSecret, check_each, validate_strings
from commerce.outgoing import validate_callback_url


class Merchant(Owned):
    """The business a market sells for."""

    wire_type = "merchants"

    name = models.CharField(max_length=255)
    address = models.ForeignKey(Address, on_delete=models.PROTECT, related_name="merchants")

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="merchant_tenant")]

    def __str__(self) -> str:
        return self.name


class Market(Disabling, HasSharedSecret, Owned):
    """Where is sold: a merchant, a price list and, for a private one, the customers it is for.

    URLs of external services are stored and served; none is called.
    """

    CALLED = ("external_prices_url", "external_order_validation_url")

    wire_type = "markets"

    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255, null=True, blank=True)
    facebook_pixel_id = models.CharField(max_length=255, null=True, blank=True)
    checkout_url = models.CharField(max_length=2000, null=True, blank=True)
    external_prices_url = models.CharField(max_length=2000, null=True, blank=True)
    external_order_validation_url = models.CharField(max_length=2000, null=True, blank=True)
    shipping_cost_cutoff = models.IntegerField(null=True, blank=True, validators=[MinValueValidator(0)])
    external_includes = models.JSONField(default=list, blank=True, validators=[validate_strings])
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="markets")
    price_list = models.ForeignKey(PriceList, on_delete=models.PROTECT, related_name="markets")
    customer_group = models.ForeignKey(
        CustomerGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="markets"
    )
    default_shipping_method = models.ForeignKey(
        "commerce.ShippingMethod", on_delete=models.PROTECT, null=True, blank=True, related_name="default_of"
    )
    default_payment_method = models.ForeignKey(
        "commerce.PaymentMethod", on_delete=models.PROTECT, null=True, blank=True, related_name="default_of"
    )

    unversioned = Owned.unversioned | {"shared_secret"}
    taken = {"market_code": "code"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="market_tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "mode", "code"], name="market_code", condition=Q(code__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        changed = [name for name in self.CALLED if getattr(self, name) != self.stored(name)]
        if errors := check_each(self, changed, validate_callback_url):
            raise ValidationError(errors)
