"""What redemptions made ahead take off invoices, which are kept elsewhere and described by whoever asks.

All that is applied to an invoice is calculated together, by the same engine as orders: what an exclusive one beats and
what the invoice no longer meets is taken from it again. Neither limits of usage nor the end of a coupon or of its
promotion matter any more, for the coupon was redeemed in time; the time to pay by does. Whoever cancels a redemption
gets its use back; what it took off stays on record until it is removed, but takes no part in the next calculation. One
that draws on a balance must be removed from its invoices before it is cancelled.

Every function runs inside `changes.atomic()`. Locked is the invoice first, then its redemptions in order of their keys,
and then what `redeeming.count` counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from django.db import connection

from commerce import changes
from commerce.changes import By
from commerce.errors import CodeRefused
from commerce.pricing import LimitReached
from coupons import pricing, redeeming
from coupons.models import Coupon, InvoiceDiscount, Redemption, Use
from coupons.redeeming import COMMITTED, Taken
from coupons.turns import take_turns
from promotions import loading, restrictions
from promotions.carts import Cart
from promotions.engine.benefits import Balance
from promotions.engine.book import Book
from promotions.engine.reasons import Refusal
from promotions.engine.restrictions import CustomerUsage
from promotions.engine.types import Claim, Evaluation, Promotion
from promotions.models import NEVER

Units = Sequence[tuple[str, int]]
"""Codes of items, each with how many units of it."""


class Applied(NamedTuple):
    use: Use
    cents: int
    """What it takes off, above zero."""
    additions: Units
    is_new: bool


class NotApplied(NamedTuple):
    use: Use
    refusal: Refusal
    additions: Units
    """Those it would apply to."""
    is_removed: bool
    """Whether it was applied to the invoice until now."""


class Outcome(NamedTuple):
    applied: Sequence[Applied]
    not_applied: Sequence[NotApplied]

    @property
    def additions(self) -> Units:
        """What the invoice gets besides, and does not hold yet."""
        added, missing = [one.additions for one in self.applied], [one.additions for one in self.not_applied]
        return [*chain(*added, *missing)]


# --- Applying -------------------------------------------------------------------------------------


class Granted(NamedTuple):
    """A live redemption with its only use, and what it takes off the invoice until now."""

    redemption: Redemption
    use: Use
    discount: InvoiceDiscount | None

    @property
    def cents(self) -> int | None:
        """Below zero."""
        return self.discount.discount_cents if self.discount else None


def apply(redemption: Redemption, invoice: str, cart: Cart, by: By) -> Outcome:
    """Applies the redemption to the invoice, which holds what the cart does, with all those applied to it before.

    One that does not apply and did not before is refused, and nothing is written; where items are missing that it
    would add, these are told. Twice is as good as once. Raises CodeRefused on `redemption`.
    """
    take_turns(redemption.tenant, f"invoice {invoice}")
    granted = _granted(redemption, invoice)
    this = _checked(redemption, granted)
    evaluation = _evaluated(granted, _described(cart, invoice, this, granted), by)
    outcome = _outcome(granted, evaluation)
    refused = next((one for one in outcome.not_applied if one.use == this.use), None)
    if refused and not refused.is_removed and not refused.additions:
        raise CodeRefused("redemption", refused.refusal.reason, refused.refusal.sentence)
    cents = {one.use.pk: -one.cents for one in outcome.applied}
    _store([(one, cents.get(one.use.pk)) for one in granted], invoice, cart.currency_code, by)
    return outcome


def remove(redemption: Redemption, invoice: str, by: By) -> bool:
    """Takes the redemption from the invoice again; False where it is not applied to it."""
    take_turns(redemption.tenant, f"invoice {invoice}")
    discount = InvoiceDiscount.objects.filter(redemption=redemption, invoice=invoice).first()
    if discount is None:
        return False
    redemption = Redemption.objects.select_for_update(no_key=True).get(pk=redemption.pk)
    use = redemption.uses.select_related("coupon").get()
    _store([(Granted(redemption, use, discount), None)], invoice, discount.currency_code, by)
    return True


def _granted(redemption: Redemption, invoice: str) -> list[Granted]:
    """What is applied to the invoice in the order it was, and the redemption, the last one where it is new."""
    of_tenant = Redemption.objects.owned_by(redemption.tenant)
    of_invoice = InvoiceDiscount.objects.filter(invoice=invoice, redemption__in=of_tenant)
    discounts = {one.redemption_id: one for one in of_invoice}
    ahead = of_tenant.filter(pk__in={*discounts, redemption.pk}, order=None, currency_code=None)
    rows = ahead.filter(state=COMMITTED).select_for_update(no_key=True).order_by("pk")
    locked = {row.pk: row for row in rows}
    uses = Use.objects.filter(redemption__in=locked, is_counted=True).select_related("coupon", "promotion")
    for use in uses:
        use.redemption = locked[use.redemption_id]
    granted = [Granted(use.redemption, use, discounts.get(use.redemption_id)) for use in uses]
    return sorted(granted, key=_place)


def _place(one: Granted) -> tuple[float, int]:
    applied_at = one.discount.applied_at.timestamp() if one.discount else float("inf")
    return applied_at, one.redemption.pk


def _checked(redemption: Redemption, granted: Iterable[Granted]) -> Granted:
    this = next((one for one in granted if one.redemption == redemption), None)
    if this is None and (redemption.order_id or redemption.currency_code):
        raise CodeRefused("redemption", "redemption_of_order", "The redemption belongs to an order.")
    if this is None:
        raise CodeRefused("redemption", "redemption_released", "The redemption was cancelled.")
    if this.discount is None and _is_used_up(this.redemption):
        raise _used_up()
    return this


def _is_used_up(redemption: Redemption) -> bool:
    return redemption.discounts_limit is not None and redemption.discounts_count >= redemption.discounts_limit


def _used_up() -> CodeRefused:
    sentence = "The redemption has discounted as many invoices as it may."
    return CodeRefused("redemption", "discounts_reached", sentence)


def _described(cart: Cart, invoice: str, this: Granted, granted: Sequence[Granted]) -> Cart:
    """The invoice is that of whoever redeemed, and there is only one of them. Raises CodeRefused."""
    whose = [one.redemption for one in (this, *granted) if one.redemption.customer_reference]
    if any(_is_another(one, whose[0]) for one in whose):
        raise CodeRefused("redemption", "customer_not_eligible", "The invoice is discounted for another customer.")
    if not whose:
        return replace(cart, reference=invoice)
    return replace(cart, reference=invoice, customer=whose[0].customer, customer_reference=whose[0].customer_reference)


def _is_another(one: Redemption, other: Redemption) -> bool:
    if one.customer_id and one.customer_id == other.customer_id:
        return False
    return one.customer_reference != other.customer_reference


# --- Calculating ----------------------------------------------------------------------------------

NOTHING_ELSE = Book(())
"""No promotion applies to an invoice that was not redeemed for it."""


def _evaluated(granted: Sequence[Granted], cart: Cart, by: By) -> Evaluation:
    known = loading.definitions(cart.tenant, by.now)
    promotions = known.opened({one.use.promotion_id for one in granted})
    claims = [
        Claim(
            code=_name(one.redemption),
            coupon_id=one.use.coupon_id,
            promotion=_opened(promotions[one.use.promotion_id], one),
        )
        for one in granted
    ]
    order = pricing.with_facts(cart, loading.order_of(cart, known), claims)
    return pricing.calculated(cart, order, NOTHING_ELSE, by, claims=claims)


def _name(redemption: Redemption) -> str:
    """What an invoice names in place of codes."""
    return redemption.public_id


def _opened(promotion: Promotion, granted: Granted) -> Promotion:
    """The promotion as the redemption opens it: nothing ends it but the time to pay by."""
    own = restrictions.compiled(granted.redemption.restrictions)
    times = [restrictions.compiled(granted.use.promotion.restrictions).paid_by, own.paid_by]
    coupon = _coupon(granted)
    return replace(
        promotion,
        expires_at=min((time for time in times if time is not None), default=NEVER),
        rules=(*(rule for rule in promotion.rules if not isinstance(rule, CustomerUsage)), *own.rules),
        selections=(*promotion.selections, *own.selections),
        applies_to_count=coupon.applies_to_count,
        balance_cents=_balance(promotion, coupon, granted.cents or 0),
    )


def _coupon(granted: Granted) -> Coupon:
    assert granted.use.coupon is not None  # noqa: S101  (what was made ahead was made by a coupon)
    return granted.use.coupon


def _balance(promotion: Promotion, coupon: Coupon, cents: int) -> int | None:
    """What is left of a declining amount, with what the invoice holds of it."""
    if not isinstance(promotion.benefit, Balance):
        return None
    return max(0, promotion.benefit.cents - coupon.used_amount_cents - cents)


def _outcome(granted: Sequence[Granted], evaluation: Evaluation) -> Outcome:
    named = {_name(one.redemption): one for one in granted}
    applied = [(named[one.claim.code], one) for one in evaluation.applied if one.claim]
    refused = [(named[one.claim.code], one) for one in evaluation.not_applied if one.claim]
    return Outcome(
        [Applied(who.use, one.amount_cents, one.additions, who.discount is None) for who, one in applied],
        [NotApplied(who.use, one.refusal, one.additions, who.discount is not None) for who, one in refused],
    )


# --- Storing --------------------------------------------------------------------------------------


def _store(cents_of: Sequence[tuple[Granted, int | None]], invoice: str, currency_code: str, by: By) -> None:
    """Makes each take off so much, or nothing at all where it is None; counts come last. Raises CodeRefused."""
    used, given_back = [], []
    for granted, cents in sorted(cents_of, key=lambda each: each[0].redemption.pk):
        _store_discount(granted, invoice, currency_code, cents, by)
        difference = (cents or 0) - (granted.cents or 0)
        if difference:
            total = granted.use.discount_cents + difference
            Use.objects.filter(pk=granted.use.pk).update(discount_cents=total)
            granted.redemption.discount_cents += difference
            changes.save(granted.redemption, by)
        if difference and granted.use.is_counted:
            used.append(Taken(granted.use.promotion_id, granted.use.coupon_id, _coupon(granted).code, total))
            given_back.append(granted.use)
    try:
        redeeming.count(cents_of[0][0].redemption, used, given_back, by=by)
    except LimitReached as reached:
        raise CodeRefused("redemption", *reached.refusal) from None


def _store_discount(granted: Granted, invoice: str, currency_code: str, cents: int | None, by: By) -> None:
    discount = granted.discount
    if cents is None:
        if discount is not None:
            discount.delete()
            _count_discounts(granted.redemption, -1)
    elif discount is None:
        InvoiceDiscount.objects.create(
            redemption=granted.redemption,
            invoice=invoice,
            currency_code=currency_code,
            discount_cents=cents,
            applied_at=by.now,
        )
        _count_discounts(granted.redemption, 1)
    elif (discount.discount_cents, discount.currency_code) != (cents, currency_code):
        rows = InvoiceDiscount.objects.filter(pk=discount.pk)
        rows.update(discount_cents=cents, currency_code=currency_code)


def _count_discounts(redemption: Redemption, difference: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING_DISCOUNTS, [difference, redemption.pk, difference])
        if not cursor.rowcount:
            raise _used_up()


_COUNTING_DISCOUNTS = (
    f"UPDATE {Redemption._meta.db_table} SET discounts_count = discounts_count + %s, revision = revision + 1 "  # noqa: S608
    "WHERE id = %s AND (%s <= 0 OR discounts_limit IS NULL OR discounts_count < discounts_limit)"
)
