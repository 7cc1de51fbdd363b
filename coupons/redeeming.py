"""Uses counted exactly once, and given back.

A redemption's uses are the truth; what is counted on coupons, promotions and customers follows from them. Every count
is one conditional UPDATE whose limit stands in its WHERE, taken last in its transaction and always in this order:
coupons, then the customers of each, then promotions, each by its key. Reservations count like uses until they are over.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Q

from commerce import changes, repeating
from commerce.changes import By
from commerce.models import Customer, Order, Tenant
from commerce.pricing import LimitReached, Refusal
from commerce.repeating import Deferred
from coupons.models import Coupon, CustomerUsage, Redemption, Use
from promotions.engine.reasons import SENTENCES
from promotions.models import Promotion

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
    count(redemption, taken)


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
    """Gives every use back; once is enough."""
    if redemption.state != RELEASED:
        _release(redemption, list(redemption.uses.filter(is_counted=True)), by)


def _release(redemption: Redemption, uses: Sequence[Use], by: By) -> None:
    redemption.state, redemption.released_at, redemption.reserved_until = RELEASED, by.now, None
    changes.save(redemption, by)
    changes.announce(redemption, "cancel", by)
    Use.objects.filter(pk__in=[use.pk for use in uses]).update(is_counted=False)
    count(redemption, (), uses)


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
    for key, use in uses.items():
        if key in wanted and use.discount_cents != wanted[key].discount_cents:
            use.discount_cents = wanted[key].discount_cents
            use.save(update_fields=["discount_cents"])
    redemption.discount_cents = sum(one.discount_cents for one in taken)
    changes.save(redemption, by)
    Use.objects.filter(pk__in=[use.pk for use in gone]).delete()
    _insert_uses(redemption, new)
    count(redemption, new, gone)


def release(order: Order, by: By) -> None:
    """Gives back what a cancelled order used, of the promotions that say so."""
    redemption = _of(order)
    if redemption is not None:
        counted = redemption.uses.filter(is_counted=True)
        _release(redemption, list(counted.filter(promotion__release_on_cancel=True)), by)


class Held(NamedTuple):
    """Keys of what an order uses already, which does not count against it."""

    coupons: frozenset[int] = frozenset()
    promotions: frozenset[int] = frozenset()


NOTHING = Held()


def held(order: Order) -> Held:
    uses = Use.objects.filter(redemption__order=order, is_counted=True)
    rows = list(uses.values_list("coupon_id", "promotion_id"))
    return Held(frozenset(coupon for coupon, _ in rows if coupon), frozenset(promotion for _, promotion in rows))


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


# --- Customers ------------------------------------------------------------------------------------


def customer_keys(customer_id: int | None, email_norm: str | None) -> list[str]:
    """What a customer's uses are counted by, sorted."""
    known = (f"c:{customer_id}" if customer_id else None, f"e:{email_norm}" if email_norm else None)
    return [key for key in known if key]


def used_by(customer: Customer | None, email_norm: str | None, coupons: Collection[int]) -> set[int]:
    """Which of these coupons the customer has used, by either key."""
    whose = Q(redemption__customer=customer) if customer else Q()
    if email_norm:
        whose |= Q(redemption__email_norm=email_norm)
    if not whose or not coupons:
        return set()
    used = Use.objects.filter(whose, coupon__in=coupons, is_counted=True)
    return set(used.values_list("coupon_id", flat=True))


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


def count(redemption: Redemption, used: Sequence[Taken], given_back: Sequence[Use] = ()) -> None:
    """Counts what is used and what is given back, all in one order. Raises LimitReached."""
    coupons: Counter[int] = Counter()
    promotions: Counter[int] = Counter()
    for uses, difference in ((used, 1), (given_back, -1)):
        for use in uses:
            promotions[use.promotion_id] += difference
            if use.coupon_id:
                coupons[use.coupon_id] += difference
    codes = {one.coupon_id: one.coupon_code for one in used}
    opened = {one.promotion_id: one.coupon_code for one in used}
    once = [key for key, difference in sorted(coupons.items()) if _count_coupon(key, difference, codes.get(key))]
    for coupon_id in once:
        for key in customer_keys(redemption.customer_id, redemption.email_norm):
            if not _count_customer(coupon_id, key, coupons[coupon_id]):
                raise _reached("already_used_by_customer", codes[coupon_id])
    for promotion_id, difference in sorted(promotions.items()):
        if not _counted(promotion_id, difference):
            raise _reached("promotion_usage_reached", opened[promotion_id])


def _count_coupon(coupon_id: int, difference: int, code: str | None) -> bool:
    """Counts a coupon, and tells whether it is for one use a customer. Raises LimitReached."""
    if not difference:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING_COUPON, [difference, coupon_id, difference])
        counted = cursor.fetchone()
    if counted is None and difference > 0:
        raise _reached("coupon_usage_reached", code)
    return bool(counted and counted[0])


_COUNTING_COUPON = (
    f"UPDATE {Coupon._meta.db_table} SET usage_count = usage_count + %s, revision = revision + 1 "  # noqa: S608
    "WHERE id = %s AND (%s < 0 OR usage_limit IS NULL OR usage_count < usage_limit) RETURNING customer_single_use"
)


def _counted(promotion_id: int, difference: int) -> bool:
    """False where the limit is reached. What another coupon of the same promotion takes over is no use more."""
    if difference > 0:
        return changes.count_below(Promotion, promotion_id, "total_usage_count", "total_usage_limit")
    if difference < 0:
        changes.count(Promotion, promotion_id, total_usage_count=difference)
    return True


def _reached(reason: str, coupon_code: str | None) -> LimitReached:
    return LimitReached(Refusal(reason, SENTENCES[reason]), coupon_code)


def _count_customer(coupon_id: int, customer_key: str, difference: int) -> bool:
    """False where this customer has used the coupon."""
    if difference < 0:
        counted = CustomerUsage.objects.filter(coupon=coupon_id, customer_key=customer_key, usage_count__gt=0)
        counted.update(usage_count=F("usage_count") + difference)
        return True
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING_CUSTOMER, [coupon_id, customer_key])
        return bool(cursor.rowcount)


_COUNTING_CUSTOMER = (
    f"INSERT INTO {CustomerUsage._meta.db_table} AS kept (coupon_id, customer_key, usage_count) VALUES (%s, %s, 1) "  # noqa: S608
    "ON CONFLICT (coupon_id, customer_key) DO UPDATE SET usage_count = kept.usage_count + 1 WHERE kept.usage_count < 1"
)


def recount_customers(coupons: Sequence[int]) -> None:
    """Sets how often each customer used these coupons, whose locks are held, to what the uses tell."""
    CustomerUsage.objects.filter(coupon__in=coupons).delete()
    chosen = f"coupon.id IN ({', '.join(['%s'] * len(coupons))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {CustomerUsage._meta.db_table} (coupon_id, customer_key, usage_count) "  # noqa: S608
            f"SELECT coupon_id, customer_key, usage_count FROM ({used_by_customers(chosen)}) AS used",
            [*coupons, *coupons],
        )


def used_by_customers(chosen: str) -> str:
    """SQL of what customer usages count, `coupon_id, customer_key, usage_count`: by both keys of `customer_keys`.

    `chosen` is a condition on `coupon`; its parameters are needed twice.
    """
    return " UNION ALL ".join(_used_by(*key, chosen) for key in (("c", "customer_id"), ("e", "email_norm")))


def _used_by(prefix: str, column: str, chosen: str) -> str:
    return (
        f"SELECT coupon.id AS coupon_id, '{prefix}:' || redemption.{column} AS customer_key, count(*) AS usage_count "  # noqa: S608
        f"FROM {Coupon._meta.db_table} AS coupon "
        f"JOIN {Use._meta.db_table} AS one ON one.coupon_id = coupon.id AND one.is_counted "
        f"JOIN {Redemption._meta.db_table} AS redemption ON redemption.id = one.redemption_id "
        f"WHERE coupon.customer_single_use AND redemption.{column} IS NOT NULL AND {chosen} "
        f"GROUP BY coupon.id, redemption.{column}"
    )
