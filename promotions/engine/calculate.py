"""Which promotions apply to an order, in which order, and what each takes off: load, order, judge, apply, allocate."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from promotions.engine.benefits import UNANSWERED
from promotions.engine.book import Book, standing
from promotions.engine.cart import Cart
from promotions.engine.reasons import Refusal
from promotions.engine.restrictions import BuyGet
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
BEATEN = Refusal("superseded_by_others")
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
    given = Given(now, outcomes or {})
    found = book.candidates(order, now, limit, exhausted, every=explain)
    opened, refused = _opened(claims, order, now, exhausted)
    cart, applied, not_applied = _best(order, _in_order(found, opened), given)
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


def _best(order: Order, entrants: Sequence[Entrant], given: Given) -> tuple[Cart, list[Applied], list[NotApplied]]:
    """One that is exclusive by its size stays alone where it beats all the others together; else they apply."""
    others = [entrant for entrant in entrants if not entrant.promotion.exclusive_by_size]
    cart = Cart(order)
    applied, refused = _exclusive_pass(cart, others, given)
    alone = [entrant for entrant in entrants if entrant.promotion.exclusive_by_size]
    if not alone:
        return cart, applied, refused
    if applied and applied[0].promotion.exclusive:
        return cart, applied, refused + [NotApplied(SUPERSEDED, *entrant) for entrant in alone]
    carts = [Cart(order) for _ in alone]
    results = [_judge_and_apply(each, entrant, given) for each, entrant in zip(carts, alone, strict=True)]
    sizes = [0 if isinstance(result, NotApplied) else result.amount_cents for result in results]
    best = max(range(len(alone)), key=sizes.__getitem__)
    winner = results[best]
    if isinstance(winner, NotApplied) or winner.amount_cents <= sum(one.amount_cents for one in applied):
        beaten = [_beaten(result, BEATEN) for result in results]
        return cart, applied, refused + beaten
    lost = [NotApplied(SUPERSEDED, one.promotion, one.claim) for one in applied]
    beaten = [_beaten(result, SUPERSEDED) for place, result in enumerate(results) if place != best]
    return carts[best], [winner], refused + lost + beaten


def _beaten(result: Applied | NotApplied, why: Refusal) -> NotApplied:
    return result if isinstance(result, NotApplied) else NotApplied(why, result.promotion, result.claim)


def _exclusive_pass(cart: Cart, entrants: Sequence[Entrant], given: Given) -> tuple[list[Applied], list[NotApplied]]:
    """The first exclusive promotion that takes something off is the only one; without one all the others apply."""
    applied: list[Applied] = []
    refused: list[NotApplied] = []
    for entrant in entrants:
        if applied and applied[0].promotion.exclusive:
            refused.append(NotApplied(SUPERSEDED, *entrant))
            continue
        result = _judge_and_apply(cart, entrant, given)
        if isinstance(result, NotApplied):
            refused.append(result)
        else:
            applied.append(result)
    return applied, refused


def _judge_and_apply(cart: Cart, entrant: Entrant, given: Given) -> Applied | NotApplied:
    promotion = entrant.promotion
    for rule in promotion.rules:
        if refusal := rule.refusal(cart):
            return NotApplied(refusal, *entrant)
    additions = tuple(
        addition for one in promotion.selections if isinstance(one, BuyGet) for addition in one.additions(cart)
    )
    result = promotion.benefit.apply(cart, promotion, given)
    if isinstance(result, Refusal):
        return NotApplied(result, *entrant, additions)
    outcome = given.outcomes.get(promotion.id)
    return Applied(
        promotion,
        sum(share.cents for share in result.shares),
        result.shares,
        entrant.claim,
        (outcome and outcome.name) or promotion.name,
        result.rule_outcomes,
        additions,
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
