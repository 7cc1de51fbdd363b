from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Case, F, Q, Value, When

from commerce.errors import Forbidden
from commerce.models import KindManager, Market, OfKind, OwnedQuerySet, SkuList
from commerce.models.amounts import cents_field, quantity_field
from commerce.models.records import Disabling, HasSharedSecret, validate_strings
from commerce.money import MAX_CENTS, CurrencyCodeField, PercentageField
from commerce.outgoing import circuit_state, validate_callback_url
from promotions import custom_filters, flex_rules, restrictions
from promotions.engine import lifecycle

LONGEST_TEXT = 65_535
ALWAYS, NEVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Since when and until when promotions are open that no start or end was set for."""


def limit_field(**options: Any) -> Any:
    return models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_CENTS)], **options
    )


Problem = tuple[str, ValidationError]
"""An attribute, and what is wrong with it."""


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


class Promotion(Disabling, HasSharedSecret, OfKind):
    """What may be taken off an order, within a window and an application scope. `kind` says how."""

    class Context(models.TextChoices):
        ITEMS = "items"
        SHIPPING = "shipping"
        ITEMS_AND_SHIPPING = "items_and_shipping"

    FAMILY = "promotions"

    objects: ClassVar[Any] = PromotionManager()

    name = models.CharField(max_length=255)
    description = models.TextField(max_length=LONGEST_TEXT, null=True, blank=True)
    note = models.TextField(max_length=LONGEST_TEXT, null=True, blank=True, help_text="For whoever runs the shop.")
    currency_code = CurrencyCodeField(null=True, blank=True)
    exclusive = models.BooleanField(default=False)
    exclusive_by_size = models.BooleanField(
        default=False, help_text="Applies alone, where it takes off more than all the others together."
    )
    priority = models.IntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(lifecycle.MAX_PRIORITY)],
        help_text="Lower applies earlier; none applies last.",
    )
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="The promotion no longer applies at this instant.")
    total_usage_limit = limit_field()
    total_usage_count = models.BigIntegerField(default=0, editable=False)
    customer_usage_limit = limit_field(help_text="How often one customer may use it, by whatever code.")
    discounts_per_redemption = limit_field(help_text="How many invoices a redemption discounts that was made ahead.")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when it is kept for the records alone: disabled, until it is restored or enabled."""
    restrictions = models.JSONField(
        default=list,
        blank=True,
        help_text="Objects with a type, each type once; the README lists them.",
    )
    release_on_cancel = models.BooleanField(
        default=True, help_text="Whether an order that is cancelled before its approval gives its use back."
    )
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
    market = models.ForeignKey(Market, on_delete=models.PROTECT, null=True, blank=True, related_name="promotions")
    sku_list = models.ForeignKey(SkuList, on_delete=models.PROTECT, null=True, blank=True, related_name="promotions")

    discount_context = models.CharField(
        max_length=18, choices=Context, default=Context.ITEMS, help_text="What of the order is discounted."
    )
    percentage = PercentageField(
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.0001")), MaxValueValidator(100)],
        help_text="Up to 100, with up to four decimals.",
    )
    fixed_amount_cents = cents_field()
    declining_balance = models.BooleanField(
        default=False, help_text="Every coupon holds the amount, and what is used of it is gone."
    )
    whole_order = models.BooleanField(
        default=False, help_text="The amount is the price of all that is discounted together, not of each unit."
    )
    x = quantity_field(help_text="Of every so many units...")
    y = quantity_field(help_text="...so many are paid.")
    cheapest_free = models.BooleanField(
        default=False, help_text="Units of all listed SKUs count together, and the cheapest are free."
    )
    max_quantity = quantity_field(default=1, help_text="How many units are free at most.")
    promotion_url = models.CharField(max_length=2000, null=True, blank=True, validators=[validate_callback_url])
    external_includes = models.JSONField(default=list, blank=True, validators=[validate_strings])
    circuit_failure_count = models.IntegerField(default=0, editable=False)
    rules = models.JSONField(null=True, blank=True)

    is_priced = True
    unversioned = OfKind.unversioned | {
        "total_usage_count",
        "total_usage_reached",
        "coupons_count",
        "shared_secret",
        "circuit_failure_count",
    }

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="promotion_tenant")]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("starts_at")), name="promotion_window"),
            models.CheckConstraint(
                condition=Q(archived_at__isnull=True) | Q(disabled_at__isnull=False), name="promotion_archived_disabled"
            ),
            models.CheckConstraint(
                condition=~Q(kind="percentage_discount") | Q(percentage__gte=0, percentage__lte=100),
                name="percentage_discount_percentage",
            ),
            models.CheckConstraint(
                condition=~Q(kind="fixed_amount") | Q(fixed_amount_cents__gt=0, currency_code__isnull=False),
                name="fixed_amount_cents_and_currency",
            ),
            models.CheckConstraint(
                condition=~Q(kind="fixed_price")
                | Q(fixed_amount_cents__gte=0, currency_code__isnull=False)
                & (Q(sku_list__isnull=False) | Q(whole_order=True)),
                name="fixed_price_cents_currency_and_list",
            ),
            models.CheckConstraint(
                condition=~Q(kind="buy_x_pay_y") | Q(x__gt=F("y"), y__gte=1, sku_list__isnull=False),
                name="buy_x_pay_y_quantities_and_list",
            ),
            models.CheckConstraint(
                condition=~Q(kind="free_gift") | Q(max_quantity__gte=1, sku_list__isnull=False),
                name="free_gift_quantity_and_list",
            ),
            models.CheckConstraint(
                condition=~Q(kind="external") | Q(promotion_url__isnull=False), name="external_promotion_url"
            ),
            models.CheckConstraint(condition=~Q(kind="flex") | Q(rules__isnull=False), name="flex_rules"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self._complete()
        problems = [
            *self._window_problems(),
            *self._scope_problems(),
            *self._kind_problems(),
            *self._restrictions_problems(),
        ]
        if problems:
            raise ValidationError(dict(problems))

    def _complete(self) -> None:
        if self.market and not self.currency_code and self.kind != FlexPromotion.KIND:
            self.currency_code = self.market.price_list.currency_code
        if self.max_quantity is None:
            self.max_quantity = 1

    def _window_problems(self) -> Iterator[Problem]:
        if self.starts_at and self.expires_at and self.expires_at <= self.starts_at:
            yield "expires_at", ValidationError("must be after starts_at", code="invalid")

    def _scope_problems(self) -> Iterator[Problem]:
        if self.market and self.currency_code and self.currency_code != self.market.price_list.currency_code:
            yield "currency_code", ValidationError("is not the currency of the market", code="invalid")
        if self.kind in (FixedAmountPromotion.KIND, FixedPricePromotion.KIND) and not self.currency_code:
            yield "currency_code", ValidationError("can't be blank", code="blank")
        if self.kind in OF_LISTED_ITEMS and not self.sku_list and not self.whole_order:
            yield "sku_list", ValidationError("must exist", code="blank")
        if self.kind == FreeGiftPromotion.KIND and self.sku_list and not self.sku_list.manual:
            yield "sku_list", ValidationError("must be a manual list", code="invalid")

    def _kind_problems(self) -> Iterator[Problem]:
        if self.kind == FixedAmountPromotion.KIND and self.fixed_amount_cents == 0:
            yield "fixed_amount_cents", ValidationError("must be greater than 0", code="greater_than")
        if self.kind == BuyXPayYPromotion.KIND and self.x and self.y and self.x <= self.y:
            yield "x", ValidationError("must be greater than y", code="greater_than")
        if self.kind == FlexPromotion.KIND and self.rules != self.stored("rules"):
            yield from self._rules_problems()
        if self.stored("total_usage_count") and self.declining_balance != self.stored("declining_balance"):
            yield "declining_balance", ValidationError("can't be changed: coupons were used", code="invalid")

    def _restrictions_problems(self) -> Iterator[Problem]:
        try:
            restrictions.check(self.restrictions)
        except ValidationError as refused:
            yield "restrictions", refused

    def _rules_problems(self) -> Iterator[Problem]:
        try:
            self.rules = flex_rules.checked(self.rules, self.organization)
        except ValidationError as refused:
            yield "rules", refused

    def enable(self) -> None:
        super().enable()
        self.archived_at = None

    def archive(self, now: datetime) -> None:
        """Disables it too. Keeps the first instant when archived twice."""
        self.disable(now)
        self.archived_at = self.archived_at or now

    def restore(self) -> None:
        """Takes it out of the archive as it was put in: enabled, or disabled."""
        if self.archived_at and self.disabled_at == self.archived_at:
            self.disabled_at = None
        self.archived_at = None

    def check_not_archived(self) -> None:
        """Raises Forbidden for one in the archive, which is kept as it was."""
        if self.archived_at:
            raise Forbidden("It is in the archive; restore it first.")

    def status(self, now: datetime) -> str:
        return lifecycle.status(
            now, self.disabled_at, self.starts_at, self.expires_at, self.total_usage_limit, self.total_usage_count
        )

    @property
    def circuit_state(self) -> str:
        return circuit_state(self.circuit_failure_count)

    def reset_circuit(self) -> None:
        self.circuit_failure_count = 0


class PercentageDiscountPromotion(Promotion):
    KIND = "percentage_discount"

    class Meta:
        proxy = True


class FixedAmountPromotion(Promotion):
    KIND = "fixed_amount"

    class Meta:
        proxy = True


class FixedPricePromotion(Promotion):
    KIND = "fixed_price"

    class Meta:
        proxy = True


class FreeShippingPromotion(Promotion):
    KIND = "free_shipping"

    class Meta:
        proxy = True


class FreeGiftPromotion(Promotion):
    KIND = "free_gift"

    class Meta:
        proxy = True


class BuyXPayYPromotion(Promotion):
    KIND = "buy_x_pay_y"

    class Meta:
        proxy = True


class ExternalPromotion(Promotion):
    KIND = "external"

    class Meta:
        proxy = True


class FlexPromotion(Promotion):
    KIND = "flex"

    class Meta:
        proxy = True


OF_LISTED_ITEMS = (FixedPricePromotion.KIND, FreeGiftPromotion.KIND, BuyXPayYPromotion.KIND)


class PromotionRule(OfKind):
    """A condition of a promotion. All rules of a promotion must hold; it has at most one of each kind."""

    FAMILY = "promotion_rules"

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, db_index=False, related_name="promotion_rules")

    order_amount_cents = cents_field()
    use_subtotal = models.BooleanField(default=False)
    sku_list = models.ForeignKey(
        SkuList, on_delete=models.PROTECT, null=True, blank=True, related_name="promotion_rules"
    )
    all_skus = models.BooleanField(default=False, help_text="All SKUs of the list must be in the order.")
    min_quantity = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(MAX_CENTS)]
    )
    filters = models.JSONField(null=True, blank=True)

    is_priced = True
    taken = {"promotion_rule_kind": "promotion"}

    class Meta:
        indexes = [models.Index(fields=["organization", "mode", "id"], name="promotion_rule_tenant")]
        constraints = [models.UniqueConstraint(fields=["promotion", "kind"], name="promotion_rule_kind")]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} rule of {self.promotion}"

    def clean(self) -> None:
        problems = dict(self._problems())
        if problems:
            raise ValidationError(problems)

    def _problems(self) -> Iterator[Problem]:
        if self.kind != CouponCodesPromotionRule.KIND and self._is_of_flex():
            yield "promotion", ValidationError("has its conditions in its rules", code="invalid")
        if self.kind == SkuListPromotionRule.KIND and not self.sku_list:
            yield "sku_list", ValidationError("must exist", code="blank")
        if self.sku_list and self.all_skus and not self.min_quantity and not self.sku_list.manual:
            yield "all_skus", ValidationError("needs a manual list", code="invalid")
        if self.kind == CustomPromotionRule.KIND:
            yield from self._filters_problems()

    def _is_of_flex(self) -> bool:
        return self.promotion_id is not None and self.promotion.kind == FlexPromotion.KIND

    def _filters_problems(self) -> Iterator[Problem]:
        try:
            custom_filters.compiled(self.filters)
        except ValidationError as refused:
            yield "filters", refused


class CouponCodesPromotionRule(PromotionRule):
    KIND = "coupon_codes"

    class Meta:
        proxy = True


class OrderAmountPromotionRule(PromotionRule):
    KIND = "order_amount"

    class Meta:
        proxy = True


class SkuListPromotionRule(PromotionRule):
    KIND = "sku_list"

    class Meta:
        proxy = True


class CustomPromotionRule(PromotionRule):
    KIND = "custom"

    class Meta:
        proxy = True


PROMOTION_KINDS: dict[str, type[Promotion]] = {
    model.KIND: model
    for model in (
        PercentageDiscountPromotion,
        FixedAmountPromotion,
        FixedPricePromotion,
        FreeShippingPromotion,
        FreeGiftPromotion,
        BuyXPayYPromotion,
        ExternalPromotion,
        FlexPromotion,
    )
}
PROMOTION_RULE_KINDS: dict[str, type[PromotionRule]] = {
    model.KIND: model
    for model in (CouponCodesPromotionRule, OrderAmountPromotionRule, SkuListPromotionRule, CustomPromotionRule)
}
