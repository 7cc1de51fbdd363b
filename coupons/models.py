from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.codes import LONGEST_CODE, clean_code, code_lengths
from commerce.errors import Forbidden
from commerce.models import Customer, Mode, Order, Organization, Owned, OwnedQuerySet, normalise_email
from commerce.models.recipients import Recipient
from commerce.models.records import Stepwise
from commerce.money import MAX_CENTS, CurrencyCodeField
from promotions.models import CouponCodesPromotionRule, Promotion

MOST_APPLICATIONS = 9_999_999_999


class CouponRecipient(Recipient):
    """Whoever a coupon is meant for: only orders with this e-mail may use it."""

    wire_type = "coupon_recipients"

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="coupon_recipients"
    )

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "email_norm"], name="coupon_recipient_email"),
            models.Index(fields=["organization", "mode", "id"], name="coupon_recipient_tenant"),
        ]


class Coupon(Owned):
    """A code that opens the promotion of its rule. Unique within the rule, whatever its case and spacing."""

    wire_type = "coupons"

    promotion_rule = models.ForeignKey(
        CouponCodesPromotionRule,
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="coupons",
    )
    coupon_recipient = models.ForeignKey(
        CouponRecipient,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="coupons",
    )
    code = models.CharField(max_length=LONGEST_CODE)
    code_norm = models.CharField(max_length=LONGEST_CODE, editable=False)
    customer_single_use = models.BooleanField(default=False)
    usage_limit = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_CENTS)]
    )
    usage_count = models.BigIntegerField(default=0, editable=False)
    used_amount_cents = models.BigIntegerField(default=0, editable=False)
    """What all its uses took off, which is what is gone of a declining balance."""
    applies_to_count = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_APPLICATIONS)],
        help_text="How many units of listed SKUs one use of it discounts, the most expensive ones.",
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    batch = models.CharField(max_length=10, null=True, editable=False)
    """The batch it was loaded or generated in, as the version of its rule names it."""

    only_code = models.CharField(max_length=LONGEST_CODE, null=True, editable=False)
    """`code_norm` of those that go by their code alone: no two of a tenant are the same."""

    code_lengths: tuple[int, int] | None = None
    """How short and how long a new code may be, where that is not for the organization's settings to say."""

    unversioned = Owned.unversioned | {"code_norm", "only_code", "usage_count", "used_amount_cents", "batch"}
    taken = {"coupon_code": "code", "coupon_only_code": "code"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "code_norm"], name="coupon_code_lookup"),
            models.Index(fields=["organization", "mode", "id"], name="coupon_tenant"),
            models.Index(
                fields=["coupon_recipient"], name="coupon_recipient_in_use", condition=Q(coupon_recipient__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["promotion_rule", "code_norm"], name="coupon_code"),
            models.UniqueConstraint(
                fields=["organization", "mode", "only_code"],
                name="coupon_only_code",
                condition=Q(only_code__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        if self.code != self.stored("code"):
            clean_code(self, *(self.code_lengths or code_lengths(self.organization, "coupons")))
            self.only_code = self.code_norm if self.only_code is not None else None


def balance(used_amount_cents: int, declining_balance: bool, fixed_amount_cents: int | None) -> int | None:
    """What is left of the amount that a coupon holds; None of one that holds none. Never below zero."""
    return max(0, (fixed_amount_cents or 0) - used_amount_cents) if declining_balance else None


class RedemptionQuerySet(OwnedQuerySet):
    """Redemptions by where they stand at an instant; the same derivation as `redemption_status`, in SQL."""

    def overdue(self, now: datetime) -> Self:
        return self.filter(state=Redemption.State.RESERVED, reserved_until__lte=now)

    def with_status(self, status: str, now: datetime) -> Self:
        """`status` is a state, or `expired` for reservations whose time is over."""
        if status == "expired":
            return self.overdue(now)
        rows = self.filter(state=status)
        return rows.filter(reserved_until__gt=now) if status == Redemption.State.RESERVED else rows


class Redemption(Stepwise, Owned):
    """What an order used up: one of ours, or one that is kept elsewhere and named by `reference`.

    Its uses are the truth that every counter is checked against.
    """

    class State(models.TextChoices):
        RESERVED = "reserved"
        COMMITTED = "committed"
        RELEASED = "released"

    wire_type = "redemptions"

    state = models.CharField(max_length=9, choices=State, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, db_index=False, related_name="redemptions")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True, related_name="redemptions")
    customer_email = models.CharField(max_length=255, null=True, blank=True, validators=[EmailValidator()])
    email_norm = models.CharField(max_length=255, null=True, editable=False)
    customer_reference = models.CharField(max_length=255, null=True, editable=False)
    """The customer, where that is one who is kept elsewhere."""
    currency_code = CurrencyCodeField(null=True, editable=False)
    """None where the order is not known yet."""
    discount_cents = models.BigIntegerField(editable=False)
    """Below zero, as everything that is taken off."""
    evaluation = models.JSONField(default=dict, editable=False)
    """What the cart of an order kept elsewhere came to, as `coupons.answers` tells it."""
    restrictions = models.JSONField(default=list, editable=False)
    """What the invoices must meet that it discounts, besides what its promotion says: see `coupons.ahead.redeem`."""
    discounts_limit = models.BigIntegerField(null=True, editable=False)
    discounts_count = models.BigIntegerField(default=0, editable=False)
    """How many invoices it discounts, of one that was made ahead of them."""
    reserved_until = models.DateTimeField(null=True, editable=False)
    committed_at = models.DateTimeField(null=True, editable=False)
    released_at = models.DateTimeField(null=True, editable=False)
    promotions: models.ManyToManyField = models.ManyToManyField(Promotion, through="Use", related_name="redemptions")
    coupons: models.ManyToManyField = models.ManyToManyField(Coupon, through="Use", related_name="redemptions")

    objects: ClassVar[Any] = RedemptionQuerySet.as_manager()

    unversioned = Owned.unversioned | {"email_norm", "evaluation", "discounts_count"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "id"], name="redemption_tenant"),
            models.Index(fields=["organization", "mode", "email_norm"], name="redemption_email"),
            models.Index(fields=["organization", "mode", "customer_reference"], name="redemption_customer_reference"),
            models.Index(fields=["organization", "mode", "reference"], name="redemption_reference"),
            models.Index(fields=["order"], name="redemption_order", condition=Q(order__isnull=False)),
            models.Index(fields=["reserved_until"], name="redemption_reserved", condition=Q(state="reserved")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["order"], name="redemption_of_order", condition=Q(state__in=["reserved", "committed"])
            )
        ]

    def __str__(self) -> str:
        return f"redemption {self.public_id}"

    def clean(self) -> None:
        self.email_norm = normalise_email(self.customer_email) if self.customer_email else None

    def reserve(self, seconds: int, now: datetime) -> None:
        """Makes a new one a reservation, which is over after so many seconds."""
        self.state, self.reserved_until = self.State.RESERVED, now + timedelta(seconds=seconds)

    def status(self, now: datetime) -> str:
        return redemption_status(self.state, self.reserved_until, now)

    def check_can_commit(self, now: datetime) -> None:
        if self.status(now) != self.State.RESERVED:
            problem = ValidationError(f"is not possible: the redemption is {self.status(now)}", code="invalid")
            raise ValidationError({"_commit": problem})

    def check_can_cancel(self) -> None:
        """What invoices hold of a balance would be there twice if it were given back. Raises Forbidden."""
        drawing = self.uses.filter(promotion__declining_balance=True, redemption__invoice_discounts__isnull=False)
        if self.currency_code is None and drawing.exists():
            raise Forbidden("The redemption discounts invoices by a balance; remove it from those first.")


def redemption_status(state: str, reserved_until: datetime | None, now: datetime) -> str:
    """Its state, or `expired` where it was reserved for a time that is over."""
    return "expired" if reserved_until is not None and reserved_until <= now else state


class Use(models.Model):
    """A promotion that a redemption used, with the coupon that opened it or without any."""

    redemption = models.ForeignKey(Redemption, on_delete=models.CASCADE, related_name="uses")
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, db_constraint=False, related_name="uses")
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, null=True, db_constraint=False, db_index=False, related_name="uses"
    )
    discount_cents = models.BigIntegerField()
    is_counted = models.BooleanField(default=True)
    """Until it is given back."""

    class Meta:
        indexes = [models.Index(fields=["coupon"], name="use_coupon", condition=Q(coupon__isnull=False))]
        constraints = [models.UniqueConstraint(fields=["redemption", "promotion"], name="use_of_promotion")]

    def __str__(self) -> str:
        return f"{self.promotion_id} by {self.redemption_id}"


class InvoiceDiscount(models.Model):
    """What a redemption that was made ahead takes off one invoice, which is kept elsewhere."""

    redemption = models.ForeignKey(Redemption, on_delete=models.CASCADE, related_name="invoice_discounts")
    invoice = models.CharField(max_length=255)
    currency_code = CurrencyCodeField()
    discount_cents = models.BigIntegerField()
    """Below zero, as everything that is taken off."""
    applied_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["invoice"], name="invoice_discount_invoice")]
        constraints = [models.UniqueConstraint(fields=["redemption", "invoice"], name="invoice_discount")]

    def __str__(self) -> str:
        return f"{self.invoice} by {self.redemption_id}"


class CustomerUsage(models.Model):
    """How often one customer used a coupon or a promotion that has a limit per customer.

    A customer goes by up to three keys, `c:` and its own, `e:` and the e-mail or `r:` and how it is called elsewhere;
    a limit that any of them reached holds.
    """

    coupon = models.ForeignKey(
        Coupon, on_delete=models.CASCADE, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    promotion = models.ForeignKey(
        Promotion, on_delete=models.CASCADE, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    customer_key = models.CharField(max_length=257)
    usage_count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["coupon", "customer_key"], name="customer_usage_of_coupon"),
            models.UniqueConstraint(fields=["promotion", "customer_key"], name="customer_usage_of_promotion"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_key}: {self.usage_count}"


class OrderEvaluation(models.Model):
    """What the last refresh of an order found; frozen when it is placed."""

    order = models.OneToOneField(Order, on_delete=models.CASCADE, primary_key=True, related_name="evaluation")
    evaluated_at = models.DateTimeField()
    document = models.JSONField()

    def __str__(self) -> str:
        return f"evaluation of {self.order}"


class IdempotentAnswer(models.Model):
    """What was answered to a request with an `Idempotency-Key`, for whoever sends it again."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False, related_name="+")
    mode = models.CharField(max_length=4, choices=Mode)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    """SHA-256 of what was asked."""
    status = models.SmallIntegerField(default=0)
    body = models.TextField(default="")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "mode", "key"], name="idempotency_key")]

    def __str__(self) -> str:
        return self.key
