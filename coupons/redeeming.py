"""Uses counted exactly once, and given back.

A redemption's uses are the truth; what is counted on coupons, promotions and customers follows from them. Every count
is one conditional UPDATE whose limit stands in its WHERE, taken last in its transaction and always in this order:
coupons, then the customers of each, then promotions and the customers of those, each by its key. Reservations count
like uses until they are over.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Q

from commerce import changes, ledger, repeating
from commerce.changes import By
from commerce.models import Order, Tenant
from commerce.pricing import LimitReached, Refusal
from commerce.repeating import Deferred
from coupons import customer_usages
from coupons.customer_usages import Person
from coupons.models import Coupon, Redemption, Use
from promotions.engine.reasons import SENTENCES
from promotions.models import CouponCodesPromotionRule, Promotion

COMMITTED, RESERVED, RELEASED = Redemption.State.COMMITTED, Redemption.State.RESERVED, Redemption.State.RELEASED


class Taken(NamedTuple):
    """A promotion that applied, the coupon that opened it, and the cents it takes off, below zero."""

    promotion_id: int
    coupon_id: int | None
    coupon_code: str | None
    discount_cents: int


# --- Redemptions ----------------------------------------------------------------------------------


def redeem(redemption: Redemption, taken: Sequence[Taken], by: By) -> None:
    """Stores a new redemption and counts its uses. Raises LimitReached."""
    store(redemption, taken, by)
    count(redemption, taken, by=by)


def store(redemption: Redemption, taken: Sequence[Taken], by: By) -> None:
    """Stores a new redemption with its uses, which `count` counts once there is nothing else to do."""
    redemption.discount_cents = sum(one.discount_cents for one in taken)
    if redemption.state == COMMITTED:
        redemption.committed_at = by.now
    changes.create(redemption, by)
    _insert_uses(redemption, taken)


def update(redemption: Redemption, by: By) -> None:
    """Saves the redemption, and then does what its triggers asked for."""
    changes.save(redemption, by)
    redemption.take_steps(by)


def commit(redemption: Redemption, by: By) -> None:
    """Makes a reservation final; once is enough."""
    if redemption.state == COMMITTED:
        return
    redemption.check_can_commit(by.now)
    redemption.state, redemption.committed_at, redemption.reserved_until = COMMITTED, by.now, None
    changes.save(redemption, by)
    changes.announce(redemption, "commit", by)


def cancel(redemption: Redemption, by: By) -> None:
    """Gives every use back; once is enough. Raises Forbidden where invoices hold what would be given back."""
    if redemption.state != RELEASED:
        redemption.check_can_cancel()
        _release(redemption, list(redemption.uses.filter(is_counted=True)), by)


def _release(redemption: Redemption, uses: Sequence[Use], by: By) -> None:
    redemption.state, redemption.released_at, redemption.reserved_until = RELEASED, by.now, None
    changes.save(redemption, by)
    changes.announce(redemption, "cancel", by)
    Use.objects.filter(pk__in=[use.pk for use in uses]).update(is_counted=False)
    count(redemption, (), uses, by=by)


def release_overdue(tenant: Tenant, short: "Held", by: By) -> bool:
    """Gives back what reservations hold of these that were never made final; whether there were any.

    Each in a transaction of its own, for their locks go together with nobody else's. Raises Deferred inside of one.
    """
    holding = Use.objects.filter(Q(coupon__in=short.coupons) | Q(promotion__in=short.promotions), is_counted=True)
    overdue = Redemption.objects.owned_by(tenant).overdue(by.now).filter(pk__in=holding.values("redemption"))
    keys = list(overdue.order_by("reserved_until").values_list("pk", flat=True)[:MOST_RELEASED])
    if not keys or repeating.answered(OVERDUE):
        return False
    if repeating.in_transaction():
        raise Deferred({OVERDUE: partial(release_if_overdue, keys, by)})
    return release_if_overdue(keys, by)


MOST_RELEASED = 100
"""Reservations that one request gives back."""
OVERDUE = "reservations that are over"


def release_if_overdue(keys: Iterable[int], by: By) -> bool:
    """Gives back those of these reservations that are over when their locks are had, one after the other."""
    for key in keys:
        with changes.atomic():
            overdue = Redemption.objects.overdue(by.now).select_for_update(no_key=True).filter(pk=key).first()
            if overdue:
                cancel(overdue, by)
    return True


# --- Orders ---------------------------------------------------------------------------------------


def settle(order: Order, taken: Sequence[Taken], by: By) -> None:
    """Makes the order's redemption hold exactly what is taken, however often it is told. Raises LimitReached."""
    redemption = _of(order)
    if redemption is None:
        if taken:
            redeem(_new(order), taken, by)
        return
    wanted = {(one.promotion_id, one.coupon_id): one for one in taken}
    uses = {(use.promotion_id, use.coupon_id): use for use in redemption.uses.filter(is_counted=True)}
    gone = [use for key, use in uses.items() if key not in wanted]
    new = [one for key, one in wanted.items() if key not in uses]
    changed = [use for key, use in uses.items() if key in wanted and use.discount_cents != wanted[key].discount_cents]
    now = [wanted[use.promotion_id, use.coupon_id] for use in changed]
    for use, one in zip(changed, now, strict=True):
        Use.objects.filter(pk=use.pk).update(discount_cents=one.discount_cents)
    redemption.discount_cents = sum(one.discount_cents for one in taken)
    changes.save(redemption, by)
    given_back = redemption.uses.filter(is_counted=False)
    given_back.filter(promotion__in=[one.promotion_id for one in new]).delete()
    given_back.update(discount_cents=0)
    Use.objects.filter(pk__in=[use.pk for use in gone]).delete()
    _insert_uses(redemption, new)
    count(redemption, [*new, *now], [*gone, *changed], by=by)


def release(order: Order, by: By) -> None:
    """Gives back what a cancelled order used, of the promotions that say so."""
    redemption = _of(order)
    if redemption is not None:
        counted = redemption.uses.filter(is_counted=True)
        _release(redemption, list(counted.filter(promotion__release_on_cancel=True)), by)


class Held(NamedTuple):
    """What an order uses already, which does not count against it: coupons, each with the cents it took off."""

    coupons: Mapping[int, int] = {}
    promotions: frozenset[int] = frozenset()


NOTHING = Held()


def held(order: Order) -> Held:
    uses = Use.objects.filter(redemption__order=order, is_counted=True)
    rows = list(uses.values_list("coupon_id", "promotion_id", "discount_cents"))
    return Held({coupon: -cents for coupon, _, cents in rows if coupon}, frozenset(row[1] for row in rows))


def _of(order: Order) -> Redemption | None:
    rows = Redemption.objects.owned_by(order.tenant).filter(order=order)
    redemption: Redemption | None = rows.exclude(state=RELEASED).select_for_update(no_key=True).first()
    return redemption


def _new(order: Order) -> Redemption:
    return Redemption(
        organization_id=order.organization_id,
        mode=order.mode,
        order=order,
        reference=order.number,
        state=COMMITTED,
        customer_id=order.customer_id,
        customer_email=order.customer_email,
        currency_code=order.currency_code,
    )


# --- Counting -------------------------------------------------------------------------------------


def _insert_uses(redemption: Redemption, taken: Sequence[Taken]) -> None:
    if not taken:
        return
    rows = [(redemption.pk, one.promotion_id, one.coupon_id, one.discount_cents) for one in taken]
    with connection.cursor() as cursor:
        cursor.execute(f"{_INSERTING_USES}{', '.join([_USE] * len(rows))}", [*chain.from_iterable(rows)])


_INSERTING_USES = (
    f"INSERT INTO {Use._meta.db_table} (redemption_id, promotion_id, coupon_id, discount_cents, is_counted) VALUES "  # noqa: S608
)
_USE = "(%s, %s, %s, %s, true)"


def count(redemption: Redemption, used: Sequence[Taken], given_back: Sequence[Use] = (), *, by: By) -> None:
    """Counts what is used and what is given back, all in one order. Raises LimitReached.

    What is in both is no use more, but may take off another amount.
    """
    coupons: Counter[int] = Counter()
    amounts: Counter[int] = Counter()
    promotions: Counter[int] = Counter()
    for uses, difference in ((used, 1), (given_back, -1)):
        for use in uses:
            promotions[use.promotion_id] += difference
            if use.coupon_id:
                coupons[use.coupon_id] += difference
                amounts[use.coupon_id] -= difference * use.discount_cents
    codes = {one.coupon_id: one.coupon_code for one in used}
    opened = {one.promotion_id: one.coupon_code for one in used}
    once = []
    for coupon_id in sorted(coupons):
        counted = _count_coupon(coupon_id, coupons[coupon_id], amounts[coupon_id], codes.get(coupon_id))
        if counted and counted.declining_from is not None and amounts[coupon_id]:
            _note(redemption, coupon_id, amounts[coupon_id], counted, by)
        if counted and counted.customer_single_use and coupons[coupon_id]:
            once.append(coupon_id)
    whose = Person(redemption.customer_id, redemption.email_norm, redemption.customer_reference)
    for coupon_id in once:
        _count_customer("coupon", coupon_id, whose, coupons[coupon_id], 1, codes.get(coupon_id))
    for promotion_id, difference in sorted(promotions.items()):
        limit = _count_promotion(promotion_id, difference, opened.get(promotion_id))
        if limit is not None:
            _count_customer("promotion", promotion_id, whose, difference, limit, opened.get(promotion_id))


class Counted(NamedTuple):
    """A coupon after it was counted."""

    customer_single_use: bool
    used_amount_cents: int
    declining_from: int | None
    """The amount that it held at first, of one whose balance declines."""


def _count_coupon(coupon_id: int, difference: int, amount: int, code: str | None) -> Counted | None:
    """Counts so many uses of a coupon that take off so much. Raises LimitReached."""
    if not difference and not amount:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING_COUPON, [difference, amount, coupon_id, difference, amount, amount])
        counted = cursor.fetchone()
    if counted is None and (difference > 0 or amount > 0):
        raise _reached(_what_is_reached(coupon_id, difference), code)
    return Counted(*counted) if counted else None


def _what_is_reached(coupon_id: int, difference: int) -> str:
    has_uses = Q(usage_limit__isnull=True) | Q(usage_count__lt=F("usage_limit"))
    is_used_up = difference > 0 and not Coupon.objects.filter(has_uses, pk=coupon_id).exists()
    return "coupon_usage_reached" if is_used_up else "balance_too_low"


_DECLINING_FROM = (
    f"(SELECT promotion.fixed_amount_cents FROM {CouponCodesPromotionRule._meta.db_table} AS rule "  # noqa: S608
    f"JOIN {Promotion._meta.db_table} AS promotion ON promotion.id = rule.promotion_id "
    f"WHERE rule.id = {Coupon._meta.db_table}.promotion_rule_id AND promotion.declining_balance)"
)
_COUNTING_COUPON = (
    f"UPDATE {Coupon._meta.db_table} SET usage_count = usage_count + %s, used_amount_cents = used_amount_cents + %s, "  # noqa: S608
    "revision = revision + 1 WHERE id = %s "
    "AND (%s <= 0 OR usage_limit IS NULL OR usage_count < usage_limit) "
    f"AND (%s <= 0 OR used_amount_cents + %s <= coalesce({_DECLINING_FROM}, {2**63 - 1})) "
    f"RETURNING customer_single_use, used_amount_cents, {_DECLINING_FROM}"
)


def _note(redemption: Redemption, coupon_id: int, amount: int, counted: Counted, by: By) -> None:
    """Appends to the ledger of the coupon."""
    coupon = Coupon(pk=coupon_id, organization_id=redemption.organization_id, mode=redemption.mode)
    left = max(0, (counted.declining_from or 0) - counted.used_amount_cents)
    ledger.note(coupon, ledger.Kind.USE if amount > 0 else ledger.Kind.REFUND, -amount, left, by, redemption.order)


def _count_promotion(promotion_id: int, difference: int, code: str | None) -> int | None:
    """Counts a promotion, and tells its limit per customer. Raises LimitReached.

    What another coupon of the same promotion takes over is no use more.
    """
    if not difference:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING_PROMOTION, [difference, promotion_id, difference])
        counted = cursor.fetchone()
    if counted is None and difference > 0:
        raise _reached("promotion_usage_reached", code)
    return counted[0] if counted else None


_COUNTING_PROMOTION = (
    f"UPDATE {Promotion._meta.db_table} SET total_usage_count = total_usage_count + %s, revision = revision + 1 "  # noqa: S608
    "WHERE id = %s AND (%s <= 0 OR total_usage_limit IS NULL OR total_usage_count < total_usage_limit) "
    "RETURNING customer_usage_limit"
)


def _reached(reason: str, coupon_code: str | None) -> LimitReached:
    return LimitReached(Refusal(reason, SENTENCES[reason]), coupon_code)


def _count_customer(of: str, key: int, whose: Person, difference: int, limit: int, code: str | None) -> None:
    if not customer_usages.count(of, key, whose, difference, limit):
        raise _reached("already_used_by_customer", code)
