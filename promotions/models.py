from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When

from commerce.models import KindManager, OfKind, OwnedQuerySet
from commerce.money import MAX_CENTS, CurrencyCodeField, PercentageField
from promotions.engine import lifecycle


class PromotionQuerySet(OwnedQuerySet):
    """Promotions by where they stand at an instant; the same derivation as `lifecycle.status`, in SQL."""

    def disabled(self) -> Self:
        return self.filter(disabled_at__isnull=False)

    def enabled(self) -> Self:
        return self.filter(disabled_at__isnull=True)

    def expired(self, now: datetime) -> Self:
        return self.enabled().filter(expires_at__lte=now)

    def pending(self, now: datetime) -> Self:
        return self.enabled().filter(expires_at__gt=now, starts_at__gt=now)

    def started(self, now: datetime) -> Self:
        return self.enabled().filter(expires_at__gt=now, starts_at__lte=now)

    def active(self, now: datetime) -> Self:
        return self.started(now).filter(
            Q(total_usage_limit__isnull=True) | Q(total_usage_count__lt=F("total_usage_limit"))
        )

    def inactive(self, now: datetime) -> Self:
        return self.started(now).filter(total_usage_count__gte=F("total_usage_limit"))

    def with_status(self, status: str, now: datetime) -> Self:
        """`status` is one of `lifecycle.STATUSES`."""
        if status == lifecycle.DISABLED:
            return self.disabled()
        return getattr(self, status)(now)


PromotionManager = KindManager.from_queryset(PromotionQuerySet)


class Promotion(OfKind):
    """What may be taken off an order, within a window and an application scope. `kind` says how."""

    FAMILY = "promotions"

    objects: ClassVar[Any] = PromotionManager()

    name = models.CharField(max_length=255)
    currency_code = CurrencyCodeField(null=True, blank=True)
    exclusive = models.BooleanField(default=False)
    priority = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(lifecycle.MAX_PRIORITY)],
        help_text="Lower applies earlier; none applies last.",
    )
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="The promotion no longer applies at this instant.")
    total_usage_limit = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_CENTS)]
    )
    total_usage_count = models.BigIntegerField(default=0, editable=False)
    coupons_count = models.BigIntegerField(default=0, editable=False)
    total_usage_reached = models.GeneratedField(
        expression=Case(
            When(total_usage_limit__isnull=True, then=Value(False)),
            When(total_usage_count__gte=F("total_usage_limit"), then=Value(True)),
            default=Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    percentage = PercentageField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="From 1 to 100."
    )
    fixed_amount_cents = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MAX_CENTS)]
    )

    unversioned = OfKind.unversioned | {"total_usage_count", "total_usage_reached", "coupons_count"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="promotion_tenant")]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("starts_at")), name="promotion_window"),
            models.CheckConstraint(
                condition=~Q(kind="percentage_discount") | Q(percentage__gt=0, percentage__lte=100),
                name="percentage_discount_percentage",
            ),
            models.CheckConstraint(
                condition=~Q(kind="fixed_amount") | Q(fixed_amount_cents__gt=0, currency_code__isnull=False),
                name="fixed_amount_cents_and_currency",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        errors: dict[str, ValidationError] = {}
        if self.starts_at and self.expires_at and self.expires_at <= self.starts_at:
            errors["expires_at"] = ValidationError("must be after starts_at", code="invalid")
        if self.kind == FixedAmountPromotion.KIND and not self.currency_code:
            errors["currency_code"] = ValidationError("can't be blank", code="blank")
        if errors:
            raise ValidationError(errors)

    def status(self, now: datetime) -> str:
        return lifecycle.status(
            now, self.disabled_at, self.starts_at, self.expires_at, self.total_usage_limit, self.total_usage_count
        )

    def disable(self, now: datetime) -> None:
        """Keeps the first instant when disabled twice."""
        self.disabled_at = self.disabled_at or now

    def enable(self) -> None:
        self.disabled_at = None


class PercentageDiscountPromotion(Promotion):
    KIND = "percentage_discount"

    class Meta:
        proxy = True


class FixedAmountPromotion(Promotion):
    KIND = "fixed_amount"

    class Meta:
        proxy = True


class PromotionRule(OfKind):
    """A condition of a promotion. All rules of a promotion must hold; it has at most one of each kind."""

    FAMILY = "promotion_rules"

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, db_index=False, related_name="promotion_rules")

    order_amount_cents = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_CENTS)]
    )
    use_subtotal = models.BooleanField(default=False)

    taken = {"promotion_rule_kind": "promotion"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="promotion_rule_tenant")]
        constraints = [models.UniqueConstraint(fields=["promotion", "kind"], name="promotion_rule_kind")]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} rule of {self.promotion}"


class CouponCodesPromotionRule(PromotionRule):
    KIND = "coupon_codes"

    class Meta:
        proxy = True


class OrderAmountPromotionRule(PromotionRule):
    KIND = "order_amount"

    class Meta:
        proxy = True


PROMOTION_KINDS: dict[str, type[Promotion]] = {
    model.KIND: model for model in (PercentageDiscountPromotion, FixedAmountPromotion)
}
PROMOTION_RULE_KINDS: dict[str, type[PromotionRule]] = {
    model.KIND: model for model in (CouponCodesPromotionRule, OrderAmountPromotionRule)
}
