from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from commerce.models import Customer, Owned, normalise_email
from commerce.money import MAX_CENTS
from coupons.codes import BadCode, checked_code
from promotions.models import CouponCodesPromotionRule

LONGEST_CODE = 64
"""The column; the organization's own limits are narrower and hold when a code is given."""


class CouponRecipient(Owned):
    """Whoever a coupon is meant for: only orders with this e-mail may use it."""

    wire_type = "coupon_recipients"

    email = models.CharField(max_length=255, validators=[EmailValidator()])
    email_norm = models.CharField(max_length=255, editable=False)
    first_name = models.CharField(max_length=255, null=True, blank=True)
    last_name = models.CharField(max_length=255, null=True, blank=True)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="coupon_recipients"
    )

    unversioned = Owned.unversioned | {"email_norm"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "email_norm"], name="coupon_recipient_email"),
            models.Index(fields=["organization", "mode", "id"], name="coupon_recipient_tenant"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        self.email_norm = normalise_email(self.email)[:255]


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
    expires_at = models.DateTimeField(null=True, blank=True)
    batch = models.CharField(max_length=10, null=True, editable=False)
    """The batch it was loaded or generated in, as the version of its rule names it."""

    unversioned = Owned.unversioned | {"code_norm", "usage_count", "batch"}
    taken = {"coupon_code": "code"}

    class Meta:
        indexes = [
            models.Index(fields=["organization", "mode", "code_norm"], name="coupon_code_lookup"),
            models.Index(fields=["organization", "mode", "id"], name="coupon_tenant"),
            models.Index(
                fields=["coupon_recipient"], name="coupon_recipient_in_use", condition=Q(coupon_recipient__isnull=False)
            ),
        ]
        constraints = [models.UniqueConstraint(fields=["promotion_rule", "code_norm"], name="coupon_code")]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        if self.code != self.stored("code"):
            self._clean_code()

    def _clean_code(self) -> None:
        shortest = self.organization.setting("coupons_min_code_length")
        longest = min(self.organization.setting("coupons_max_code_length"), LONGEST_CODE)
        try:
            self.code_norm = checked_code(self.code, shortest, longest)
        except BadCode as bad:
            raise ValidationError({"code": ValidationError(str(bad), bad.key, bad.limit)}) from None
