import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.validators import EmailValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.countries import validate_country_code
from commerce.models.amounts import cents_field, quantity_field
from commerce.models.catalog import Bundle, Sku, SkuOption
from commerce.models.customers import Address, Customer
from commerce.models.gift_cards import GiftCard
from commerce.models.markets import Market
from commerce.models.owned import Owned, OwnedQuerySet
from commerce.models.payments import PaymentMethod
from commerce.models.records import Stepwise, Unguessable, invalid, validate_object
from commerce.models.shipments import Shipment
from commerce.money import MAX_CENTS, CurrencyCodeField

MOST_UNITS = 1_000_000_000
"""Units of one line."""


def new_order_token() -> str:
    return secrets.token_hex(16)


def signed_cents_field(**options: Any) -> models.BigIntegerField:
    """An amount that the server works out; below zero where something is taken off."""
    return models.BigIntegerField(**{"default": 0, "editable": False, **options})


class OrderNumber(models.Model):
    """Numbers to tell orders by: short, rising, never given twice. The keys of orders are none of it."""

    def __str__(self) -> str:
        return str(self.pk)


class Order(Stepwise, Unguessable, Owned):
    """What somebody buys in a market. Amounts are as of the last refresh, in the currency of the price list."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PENDING = "pending"
        EDITING = "editing"
        PLACING = "placing"
        PLACED = "placed"
        APPROVED = "approved"
        CANCELLED = "cancelled"

    class PaymentStatus(models.TextChoices):
        UNPAID = "unpaid"
        AUTHORIZED = "authorized"
        PAID = "paid"
        VOIDED = "voided"
        REFUNDED = "refunded"
        FREE = "free"

    class FulfillmentStatus(models.TextChoices):
        UNFULFILLED = "unfulfilled"
        IN_PROGRESS = "in_progress"
        FULFILLED = "fulfilled"
        NOT_REQUIRED = "not_required"

    class CustomerType(models.TextChoices):
        NEW = "new"
        RETURNING = "returning"

    EDITABLE = (Status.DRAFT, Status.PENDING, Status.EDITING)
    """What may be changed; whatever was placed stays as it was."""

    wire_type = "orders"

    number = models.CharField(max_length=255, blank=True)
    affiliate_code = models.CharField(max_length=255, null=True, blank=True)
    autorefresh = models.BooleanField(default=True)
    place_async = models.BooleanField(default=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT, editable=False)
    payment_status = models.CharField(
        max_length=10, choices=PaymentStatus, default=PaymentStatus.UNPAID, editable=False
    )
    fulfillment_status = models.CharField(
        max_length=12, choices=FulfillmentStatus, default=FulfillmentStatus.UNFULFILLED, editable=False
    )
    guest = models.BooleanField(default=False)
    customer_email = models.CharField(max_length=255, null=True, editable=False, validators=[EmailValidator()])
    made_customer = models.BooleanField(default=False, editable=False)
    """Whether nobody knew the customer before the order."""
    customer_type = models.CharField(max_length=9, choices=CustomerType, null=True, editable=False)
    language_code = models.CharField(max_length=10, default="en")
    currency_code = CurrencyCodeField(editable=False)
    tax_included = models.BooleanField(default=True, editable=False)
    freight_taxable = models.BooleanField(default=False)
    payment_method_taxable = models.BooleanField(default=False)
    adjustment_taxable = models.BooleanField(default=False)
    gift_card_taxable = models.BooleanField(default=False)
    country_code = models.CharField(max_length=2, null=True, editable=False)
    shipping_country_code_lock = models.CharField(
        max_length=2, null=True, blank=True, validators=[validate_country_code]
    )
    coupon_code = models.CharField(max_length=255, null=True, editable=False)
    gift_card_code = models.CharField(max_length=255, null=True, editable=False)
    subtotal_amount_cents = signed_cents_field()
    shipping_amount_cents = signed_cents_field()
    payment_method_amount_cents = signed_cents_field()
    discount_amount_cents = signed_cents_field()
    adjustment_amount_cents = signed_cents_field()
    gift_card_amount_cents = signed_cents_field()
    total_amount_cents = signed_cents_field()
    place_total_amount_cents = signed_cents_field(null=True, default=None)
    token = models.CharField(max_length=32, default=new_order_token, editable=False)
    cart_url = models.CharField(max_length=2000, null=True, blank=True)
    return_url = models.CharField(max_length=2000, null=True, blank=True)
    terms_url = models.CharField(max_length=2000, null=True, blank=True)
    privacy_url = models.CharField(max_length=2000, null=True, blank=True)
    placed_at = models.DateTimeField(null=True, editable=False)
    approved_at = models.DateTimeField(null=True, editable=False)
    cancelled_at = models.DateTimeField(null=True, editable=False)
    payment_updated_at = models.DateTimeField(null=True, editable=False)
    fulfillment_updated_at = models.DateTimeField(null=True, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    expiration_info = models.JSONField(default=dict, blank=True, validators=[validate_object])
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="orders")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    shipping_address = models.ForeignKey(Address, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    billing_address = models.ForeignKey(Address, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    payment_method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, null=True, blank=True, related_name="orders"
    )
    gift_card = models.ForeignKey(
        GiftCard, on_delete=models.PROTECT, null=True, editable=False, related_name="paying_orders"
    )
    """The card that `gift_card_code` names."""
    available_free_skus: Any = models.ManyToManyField(Sku, related_name="free_in_orders")
    available_free_bundles: Any = models.ManyToManyField(Bundle, related_name="free_in_orders")

    refused_codes = 0
    """How many codes of a request were not taken, where the organization does not want that to be an error."""

    parts = ("line_items", "shipments", "resource_errors")
    unversioned = Owned.unversioned | {"token", "refreshed_at", "made_customer", "gift_card", "gift_card_code"}
    taken = {"order_number": "number"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="order_tenant"),
            models.Index(fields=["organization", "mode", "created_at"], name="order_created"),
            models.Index(fields=["organization", "mode", "placed_at"], name="order_placed"),
        ]
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "number"], name="order_number")]

    def __str__(self) -> str:
        return f"#{self.number}"

    def clean(self) -> None:
        if self.market_id not in (None, self.stored("market_id")):
            self.currency_code = self.market.price_list.currency_code
            self.tax_included = self.market.price_list.tax_included
        has_other_customer = self.customer_id != self.stored("customer_id")
        if has_other_customer and self.customer and self.customer_email == self.stored("customer_email"):
            self.customer_email = self.customer.email
        address = self.shipping_address or self.billing_address
        self.country_code = address.country_code if address else None
        lock = self.shipping_country_code_lock
        if lock and self.shipping_address and self.shipping_address.country_code != lock:
            raise invalid("shipping_address", f"must be in {lock}")

    @property
    def is_editable(self) -> bool:
        return self.status in self.EDITABLE

    @property
    def was_placed(self) -> bool:
        return self.placed_at is not None and self.status != self.Status.CANCELLED

    def mark_placed(self, now: datetime) -> None:
        """Payments are recorded, not made: whoever has a method is taken at their word, and nothing is to pay of 0."""
        self.status, self.placed_at = self.Status.PLACED, now
        self.place_total_amount_cents = self.total_amount_cents
        method = self.payment_method
        if self.total_amount_cents == 0:
            self.payment_status = self.PaymentStatus.FREE
        elif method is not None:
            waits = method.require_capture and not method.auto_capture
            self.payment_status = self.PaymentStatus.AUTHORIZED if waits else self.PaymentStatus.PAID
        self.payment_updated_at = now
        if self.customer:
            returns = self.customer.total_orders_count > 0
            self.customer_type = self.CustomerType.RETURNING if returns else self.CustomerType.NEW

    def mark_cancelled(self, now: datetime) -> None:
        self.status, self.cancelled_at = self.Status.CANCELLED, now
        if self.payment_status == self.PaymentStatus.AUTHORIZED:
            self.payment_status, self.payment_updated_at = self.PaymentStatus.VOIDED, now


class LineItemQuerySet(OwnedQuerySet):
    def sold(self) -> Self:
        """What customers put into orders: `LineItem.is_sold`, in SQL."""
        paying = Q(item_type=LineItem.ItemType.GIFT_CARDS, unit_amount_cents__lt=0)
        return self.filter(item_type__in=LineItem.SOLD).exclude(paying)


class LineItem(Unguessable, Owned):
    """One thing of an order: what is sold, what is taken off, what is charged besides.

    `item_type` and `item_id` say what it stands for; of this app's own types a foreign key says it too. Amounts of
    promotions, used gift cards and discounts are negative.
    """

    class ItemType(models.TextChoices):
        SKUS = "skus"
        BUNDLES = "bundles"
        GIFT_CARDS = "gift_cards"
        SHIPMENTS = "shipments"
        PAYMENT_METHODS = "payment_methods"
        ADJUSTMENTS = "adjustments"
        PERCENTAGE_DISCOUNT = "percentage_discount_promotions"
        FREE_SHIPPING = "free_shipping_promotions"
        BUY_X_PAY_Y = "buy_x_pay_y_promotions"
        FREE_GIFT = "free_gift_promotions"
        FIXED_PRICE = "fixed_price_promotions"
        EXTERNAL = "external_promotions"
        FIXED_AMOUNT = "fixed_amount_promotions"
        FLEX = "flex_promotions"

    SOLD = (ItemType.SKUS, ItemType.BUNDLES, ItemType.GIFT_CARDS)
    """What a customer puts into an order; a gift card that pays for it is a line of that type too, below zero."""
    GIVEN = (*SOLD, ItemType.ADJUSTMENTS)
    """What the lines that clients write stand for; all others are worked out."""
    ITEMS: Mapping[str, str] = {
        ItemType.SKUS: "sku",
        ItemType.BUNDLES: "bundle",
        ItemType.GIFT_CARDS: "gift_card",
        ItemType.SHIPMENTS: "shipment",
        ItemType.PAYMENT_METHODS: "payment_method",
        ItemType.ADJUSTMENTS: "adjustment",
    }
    """Type of the item -> the foreign key to it, of those this app knows."""

    wire_type = "line_items"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="line_items")
    item_type = models.CharField(max_length=40, choices=ItemType, default=ItemType.SKUS)
    item_id = models.BigIntegerField(null=True, editable=False)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, null=True, related_name="line_items")
    bundle = models.ForeignKey(Bundle, on_delete=models.PROTECT, null=True, related_name="line_items")
    gift_card = models.ForeignKey(GiftCard, on_delete=models.PROTECT, null=True, related_name="line_items")
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, null=True, related_name="cost_line_items")
    payment_method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, null=True, related_name="line_items")
    adjustment = models.ForeignKey("Adjustment", on_delete=models.PROTECT, null=True, related_name="line_items")
    in_shipment = models.ForeignKey(Shipment, on_delete=models.SET_NULL, null=True, related_name="line_items")
    """The shipment that its units are sent with."""
    sku_code = models.CharField(max_length=255, null=True, blank=True)
    bundle_code = models.CharField(max_length=255, null=True, blank=True)
    name = models.CharField(max_length=255, blank=True)
    image_url = models.CharField(max_length=2000, null=True, blank=True)
    quantity = models.BigIntegerField(validators=[MinValueValidator(1), MaxValueValidator(MOST_UNITS)])
    unit_amount_cents = signed_cents_field(editable=True, validators=[MaxValueValidator(MAX_CENTS)])
    compare_at_amount_cents = cents_field()
    options_amount_cents = cents_field(null=False, default=0)
    total_amount_cents = signed_cents_field()
    discount_cents = signed_cents_field()
    discount_breakdown = models.JSONField(default=dict, editable=False)
    frequency = models.CharField(max_length=255, null=True, blank=True)
    coupon_code = models.CharField(max_length=255, null=True, editable=False)
    rule_outcomes = models.JSONField(default=list, editable=False)
    has_given_price = models.BooleanField(default=False, editable=False)
    """Whether its price was given, by an integration or from an external source, and the price list has no say."""

    objects: ClassVar[Any] = LineItemQuerySet.as_manager()

    adds_units = False
    """Whether a new line is to be added to the one of the same item, if there is one."""

    parts = ("line_item_options",)
    unversioned = Owned.unversioned | {"discount_cents", "discount_breakdown", "in_shipment"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="line_item_tenant")]

    def __str__(self) -> str:
        return self.name or self.item_type

    @property
    def is_payment(self) -> bool:
        """Whether it tells what a gift card pays; one that is bought is a line of that type too."""
        return self.item_type == self.ItemType.GIFT_CARDS and self.unit_amount_cents < 0

    @property
    def is_sold(self) -> bool:
        return self.item_type in self.SOLD and not self.is_payment

    @property
    def is_given(self) -> bool:
        """Whether somebody wrote it, and the server did not work it out."""
        return self.is_sold or self.item_type == self.ItemType.ADJUSTMENTS

    @property
    def own_item(self) -> Any:
        """What it stands for, if it is of this app."""
        return getattr(self, self.ITEMS[self.item_type]) if self.item_type in self.ITEMS else None

    def stand_for(self, item: Any) -> None:
        if item is None:
            return
        self.item_type, self.item_id = item.wire_type, item.pk
        setattr(self, self.ITEMS[self.item_type], item)
        if self.item_type in (self.ItemType.SKUS, self.ItemType.BUNDLES):
            setattr(self, f"{item._meta.model_name}_code", item.code)

    def clean(self) -> None:
        self.set_total()
        if abs(self.total_amount_cents) > MAX_CENTS:
            raise invalid("quantity", f"comes to more than {MAX_CENTS} cents")

    def set_total(self) -> None:
        self.total_amount_cents = (self.quantity or 0) * (self.unit_amount_cents or 0) + self.options_amount_cents


class LineItemOption(Unguessable, Owned):
    """A choice that comes with the units of a line, such as an engraving, and what it costs."""

    wire_type = "line_item_options"

    line_item = models.ForeignKey(LineItem, on_delete=models.PROTECT, related_name="line_item_options")
    sku_option = models.ForeignKey(SkuOption, on_delete=models.PROTECT, related_name="line_item_options")
    name = models.CharField(max_length=255, blank=True)
    quantity = quantity_field(null=False, blank=False)
    unit_amount_cents = cents_field(null=False, default=0)
    delay_hours = models.IntegerField(null=True, editable=False)
    options = models.JSONField(default=dict, validators=[validate_object])

    has_given_price = False
    """Whether the price of a unit was given with it, and the SKU option has no say."""

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="line_item_option_tenant")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """What is not said is as the SKU option says."""
        if self.sku_option_id is None:
            return
        is_other = self.sku_option_id != self.stored("sku_option_id")
        if not self.name or (is_other and self.name == self.stored("name")):
            self.name = self.sku_option.name
        if is_other:
            self.delay_hours = self.sku_option.delay_hours
        if is_other and not self.has_given_price:
            self.unit_amount_cents = self.sku_option.price_amount_cents or 0

    @property
    def total_amount_cents(self) -> int:
        return self.quantity * self.unit_amount_cents


class Adjustment(Owned):
    """An amount that a merchant adds to an order, or takes off it, by a line item of it."""

    wire_type = "adjustments"

    name = models.CharField(max_length=255)
    currency_code = CurrencyCodeField()
    amount_cents = models.BigIntegerField(validators=[MinValueValidator(-MAX_CENTS), MaxValueValidator(MAX_CENTS)])
    distribute_discount = models.BooleanField(default=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="adjustment_tenant")]

    def __str__(self) -> str:
        return self.name


class ResourceError(Owned):
    """Why something could not be done with an order, for clients that look there. Gone once it is placed."""

    wire_type = "resource_errors"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="resource_errors")
    name = models.CharField(max_length=255)
    code = models.CharField(max_length=255)
    message = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="resource_error_tenant")]

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"
