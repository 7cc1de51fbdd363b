from django.db import models

from commerce.models.amounts import cents_field, inherit_currency
from commerce.models.markets import Market
from commerce.models.owned import Owned
from commerce.models.records import Disabling
from commerce.money import CurrencyCodeField


class ManualGateway(Disabling, Owned):
    """Payments that are recorded by hand; the only gateway there is."""

    wire_type = "manual_gateways"

    name = models.CharField(max_length=255)
    force_payments = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="manual_gateway_tenant")]

    def __str__(self) -> str:
        return self.name


class PaymentMethod(Disabling, Owned):
    """A way to pay in a market, and what it costs."""

    class SourceType(models.TextChoices):
        ADYEN = "adyen_payments"
        AXERVE = "axerve_payments"
        BRAINTREE = "braintree_payments"
        CHECKOUT_COM = "checkout_com_payments"
        EXTERNAL = "external_payments"
        KLARNA = "klarna_payments"
        PAYPAL = "paypal_payments"
        SATISPAY = "satispay_payments"
        STRIPE = "stripe_payments"
        WIRE_TRANSFER = "wire_transfers"

    wire_type = "payment_methods"

    name = models.CharField(max_length=255, blank=True, help_text="That of the source if not given.")
    payment_source_type = models.CharField(max_length=32, choices=SourceType)
    currency_code = CurrencyCodeField(null=True, blank=True)
    moto = models.BooleanField(default=False)
    require_capture = models.BooleanField(default=True)
    auto_place = models.BooleanField(default=False)
    auto_capture = models.BooleanField(default=False)
    price_amount_cents = cents_field(null=False, blank=False)
    auto_capture_max_amount_cents = cents_field()
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="payment_methods")
    payment_gateway = models.ForeignKey(ManualGateway, on_delete=models.PROTECT, related_name="payment_methods")

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="payment_method_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        inherit_currency(self)
        if not self.name:
            self.name = self.payment_source_type.removesuffix("s").replace("_", " ").title()
