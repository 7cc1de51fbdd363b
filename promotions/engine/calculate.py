"""Which promotions apply to an order, in which order, and what each takes off: load, order, judge, apply, allocate."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from promotions.engine.benefits import UNANSWERED
from promotions.engine.book import Book, standing
from promotions.engine.cart import Cart
from promotions.engine.reasons import Refusal
from promotions.engine.types import (
    Applied,
    Claim,
    Evaluation,
    Given,
    NotApplied,
    Order,
    Outcome,
    Promotion,
)

SUPERSEDED = Refusal("superseded_by_exclusive")
NOT_FOUND = Refusal("coupon_not_found")
OPENED_TWICE = Refusal("opened_by_another_code")


def calculate(
    order: Order,
    book: Book,
    now: datetime,
    *,
    claims: Sequence[Claim] = (),
    limit: int | None = None,
    exhausted: Collection[int] = (),
    outcomes: Mapping[int, Outcome] | None = None,
    explain: bool = False,
) -> Evaluation:
    """The promotions of `book` that need no code, and those that `claims` open, applied to the order.

    `limit` is how many of the book's are considered, the first ones by rank; `exhausted` the keys of those whose usage
    limit is reached. Every claim that did not apply is told why; with `explain` every promotion of the book too.
    """
    cart = Cart(order)
    given = Given(now, outcomes or {})
    found = book.candidates(order, now, limit, exhausted, every=explain)
    opened, refused = _opened(claims, order, now, exhausted)
    entrants = _in_order(found, opened)
    applied, not_applied = _exclusive_pass(cart, entrants, given)
    refused += not_applied
    if explain:
        refused += book.absent(order, now, exhausted, found)
    return _evaluation(cart, applied, refused)


class Entrant(NamedTuple):
    """A promotion whose turn comes, and the coupon that opened it."""

    promotion: Promotion
    claim: Claim | None = None


def _opened(
    claims: Iterable[Claim], order: Order, now: datetime, exhausted: Collection[int]
) -> tuple[list[Entrant], list[NotApplied]]:
    """The promotions that coupons open, each once, and the claims that open none."""
    entrants: dict[int, Entrant] = {}
    refused = []
    for claim in claims:
        promotion = claim.promotion
        if claim.refusal or promotion is None:
            refused.append(NotApplied(claim.refusal or NOT_FOUND, promotion, claim))
        elif refusal := standing(promotion, order, now, exhausted):
            refused.append(NotApplied(refusal, promotion, claim))
        elif promotion.id in entrants:
            refused.append(NotApplied(OPENED_TWICE, promotion, claim))
        else:
            entrants[promotion.id] = Entrant(promotion, claim)
    return list(entrants.values()), refused


def _in_order(automatic: Iterable[Promotion], opened: Sequence[Entrant]) -> list[Entrant]:
    entrants = [Entrant(promotion) for promotion in automatic]
    return sorted([*entrants, *opened], key=lambda entrant: entrant.promotion.rank) if opened else entrants


def _exclusive_pass(cart: Cart, entrants: Sequence[Entrant], given: Given) -> tuple[list[Applied], list[NotApplied]]:
    """The first exclusive promotion that takes something off is the only one; without one all the others apply."""
    applied: list[Applied] = []
    refused: list[NotApplied] = []
    for entrant in entrants:
        if applied and applied[0].promotion.exclusive:
            refused.append(NotApplied(SUPERSEDED, *entrant))
            continue
        result = _judge_and_apply(cart, entrant, given)
        if isinstance(result, Refusal):
            refused.append(NotApplied(result, *entrant))
        else:
            applied.append(result)
    return applied, refused


def _judge_and_apply(cart: Cart, entrant: Entrant, given: Given) -> Applied | Refusal:
    promotion = entrant.promotion
    for rule in promotion.rules:
        if refusal := rule.refusal(cart):
            return refusal
    result = promotion.benefit.apply(cart, promotion, given)
    if isinstance(result, Refusal):
        return result
    outcome = given.outcomes.get(promotion.id)
    return Applied(
        promotion,
        sum(share.cents for share in result.shares),
        result.shares,
        entrant.claim,
        (outcome and outcome.name) or promotion.name,
        result.rule_outcomes,
    )


def _evaluation(cart: Cart, applied: list[Applied], refused: list[NotApplied]) -> Evaluation:
    shipping = sum(part.shipment.amount_cents for part in cart.shipments)
    discount = sum(one.amount_cents for one in applied)
    return Evaluation(
        subtotal_amount_cents=cart.subtotal,
        shipping_amount_cents=shipping,
        discount_amount_cents=discount,
        total_amount_cents=cart.subtotal + shipping - discount,
        applied=tuple(applied),
        not_applied=tuple(refused),
        unanswered=tuple(one.promotion for one in refused if one.refusal is UNANSWERED and one.promotion),
    )
