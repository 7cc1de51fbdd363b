"""Codes that an order names, and what each opens: the coupon's own conditions, judged in a fixed order.

The same code may be that of several coupons, each behind a promotion of its own; every one is judged for itself.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.db import connection

from commerce.codes import normalise_code
from commerce.jsonapi.prepared import Parameter, Statement
from commerce.models import normalise_email
from commerce.permissions import ANY_TENANT
from coupons import customer_usages, redeeming
from coupons.customer_usages import Person
from coupons.models import Coupon
from promotions.carts import Cart
from promotions.engine.benefits import Balance
from promotions.engine.book import standing
from promotions.engine.lifecycle import usage_reached
from promotions.engine.reasons import Refusal
from promotions.engine.restrictions import CustomerUsage
from promotions.engine.types import Claim, Order, Promotion
from promotions.loading import Definitions

NOT_FOUND = Refusal("coupon_not_found")
_BEFORE_USAGE = ("promotion_disabled", "promotion_pending", "promotion_expired")
"""What is wrong with a promotion itself is told before how often it was used, and its scope after."""


FINAL = frozenset(
    (
        *("coupon_not_found", "coupon_expired", "coupon_usage_reached", "recipient_mismatch"),
        *("already_used_by_customer", "promotion_usage_reached", "balance_used_up", *_BEFORE_USAGE),
        *("market_mismatch", "currency_mismatch"),
    )
)
"""Reasons that nothing put into the order makes go away: a code with one of them is an error, not parked."""


class Opening(NamedTuple):
    """A coupon with what it says of its use, and the promotion that it opens with how often that was used."""

    coupon_id: int
    code_norm: str
    expires_at: datetime | None
    customer_single_use: bool
    usage_limit: int | None
    usage_count: int
    used_amount_cents: int
    applies_to_count: int | None
    recipient: str | None
    """The e-mail address of whoever alone may use it."""
    total_usage_limit: int | None
    total_usage_count: int
    promotion: Promotion


_COUPON = (
    *("pk", "code_norm", "expires_at", "customer_single_use", "usage_limit", "usage_count"),
    *("used_amount_cents", "applies_to_count"),
)
_PROMOTION = ("total_usage_limit", "total_usage_count", "pk")


class Usage(NamedTuple):
    """Keys of the coupons that the customer used before, and of what the order itself holds already."""

    by_customer: Collection[int] = ()
    held: redeeming.Held = redeeming.NOTHING


def openings(cart: Cart, known: Definitions) -> list[Opening]:
    """The coupons of every code of the cart and the promotions they open: one query, and what is not known yet.

    A promotion that is deleted between the two is not opened.
    """
    if not cart.coupon_codes:
        return []
    norms = list({normalise_code(code) for code in cart.coupon_codes})
    found = _with_codes(connection.vendor).run({**cart.tenant._asdict(), "norms": norms})
    promotions = known.opened({row[-1] for row in found})
    return [Opening._make((*row[:-1], promotion)) for row in found if (promotion := promotions.get(row[-1]))]


@lru_cache
def _with_codes(vendor: str) -> Statement:
    coupons = Coupon.objects.owned_by(ANY_TENANT).filter(code_norm__among=Parameter("norms")).order_by("pk")
    of_promotion = (f"promotion_rule__promotion__{name}" for name in _PROMOTION)
    return Statement(coupons.values_list(*_COUPON, "coupon_recipient__email", *of_promotion))


def usage(cart: Cart, found: Iterable[Opening]) -> Usage:
    """Two queries where a coupon is for one use a customer and where the order was placed before, else none."""
    held = redeeming.held(cart.order) if cart.order and cart.order.placed_at else redeeming.NOTHING
    once = {one.coupon_id for one in found if one.customer_single_use}
    return Usage(customer_usages.used_by(person(cart), once - held.coupons.keys()), held)


def person(cart: Cart) -> Person:
    """Whose uses are counted by the cart."""
    return Person(cart.customer.pk if cart.customer else None, cart.email_norm, cart.customer_reference)


def claims(cart: Cart, order: Order, found: Iterable[Opening], used: Usage, now: datetime) -> Iterator[Claim]:
    """What each code of the cart opens, or why it does not; a code without any coupon too.

    A code that is given twice counts once, as it is spelt first.
    """
    by_code: dict[str, list[Opening]] = {}
    for opening in found:
        by_code.setdefault(opening.code_norm, []).append(opening)
    spelt: dict[str, str] = {}
    for code in cart.coupon_codes:
        spelt.setdefault(normalise_code(code), code)
    for code_norm, code in spelt.items():
        of_code = by_code.get(code_norm, ())
        if not of_code:
            yield Claim(code=code, refusal=NOT_FOUND)
        for opening in of_code:
            why_not = refusal(opening, cart, order, used, now)
            promotion = opened(opening, used.held)
            yield Claim(code=code, coupon_id=opening.coupon_id, promotion=promotion, refusal=why_not)


def opened(coupon: Opening, held: redeeming.Held = redeeming.NOTHING) -> Promotion:
    """The promotion as this coupon opens it."""
    promotion = coupon.promotion
    if isinstance(promotion.benefit, Balance):
        promotion = replace(promotion, balance_cents=_balance(coupon, promotion.benefit, held))
    if coupon.applies_to_count is not None:
        promotion = replace(promotion, applies_to_count=coupon.applies_to_count)
    return promotion


def _balance(coupon: Opening, benefit: Balance, held: redeeming.Held) -> int:
    """What is left of the amount, with what the order itself holds of it."""
    return max(0, benefit.cents - coupon.used_amount_cents + held.coupons.get(coupon.coupon_id, 0))


def refusal(coupon: Opening, cart: Cart, order: Order, used: Usage, now: datetime) -> Refusal | None:
    """The first reason, in this order, why the coupon cannot be used for the order."""
    if coupon.expires_at is not None and coupon.expires_at <= now:
        return Refusal("coupon_expired")
    scope = standing(coupon.promotion, order, now)
    if scope and scope.reason in _BEFORE_USAGE:
        return scope
    is_held = coupon.promotion.id in used.held.promotions
    if not is_held and usage_reached(coupon.total_usage_limit, coupon.total_usage_count):
        return Refusal("promotion_usage_reached")
    if coupon.coupon_id not in used.held.coupons and usage_reached(coupon.usage_limit, coupon.usage_count):
        return Refusal("coupon_usage_reached")
    if refused := scope or _recipient_refusal(coupon, cart):
        return refused
    if isinstance(coupon.promotion.benefit, Balance) and not _balance(coupon, coupon.promotion.benefit, used.held):
        return Refusal("balance_used_up")
    if coupon.customer_single_use and not order.customer.is_known:
        return Refusal("customer_unknown")
    if coupon.coupon_id in used.by_customer:
        return Refusal("already_used_by_customer")
    limits = (rule for rule in coupon.promotion.rules if isinstance(rule, CustomerUsage))
    return next((why_not for rule in limits if (why_not := rule.refusal_of(order.customer))), None)


def _recipient_refusal(coupon: Opening, cart: Cart) -> Refusal | None:
    if coupon.recipient is None:
        return None
    if cart.email_norm is None:
        return Refusal("recipient_unknown")
    if normalise_email(coupon.recipient) != cart.email_norm:
        return Refusal("recipient_mismatch")
    return None
