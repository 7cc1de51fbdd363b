"""A second evaluator, written from the specification and not from the engine: every unit a row, every step a scan.

It answers an `Evaluation` as the engine does with `explain=True`, and knows neither indexes, runs of units nor flex
promotions.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from promotions.engine import lifecycle
from promotions.engine.benefits import (
    BuyXPayY,
    External,
    FixedAmount,
    FixedPrice,
    FreeGift,
    FreeShipping,
    PercentageDiscount,
)
from promotions.engine.conditions import Custom, OrderAmount, SkuList
from promotions.engine.reasons import Refusal
from promotions.engine.types import (
    Applied,
    Claim,
    Evaluation,
    Line,
    NotApplied,
    Order,
    Outcome,
    Promotion,
    Share,
    Shipment,
)

# --- The cart -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Bought:
    """A line: what each unit that is not given away still costs, the cheaper ones first, and the options."""

    line: Line
    units: list[int]
    options: int
    repriced: bool = False

    @property
    def item(self) -> tuple[str, str]:
        return self.line.item_type, self.line.code

    @property
    def left(self) -> int:
        return sum(self.units) + self.options

    def is_in(self, sku_list_id: int) -> bool:
        return sku_list_id in self.line.lists

    def take(self, cents: int) -> None:
        """Units and options carry their parts of it; the units stay as equal as whole cents allow."""
        off_units, _ = largest_remainder(cents, [sum(self.units), self.options])
        self.options -= cents - off_units
        self.units = evenly(sum(self.units) - off_units, len(self.units))

    def give(self, price: int) -> None:
        """One of the units that cost `price` becomes free."""
        self.units.remove(price)


@dataclass(eq=False)
class Sent:
    shipment: Shipment
    left: int


class Cart:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.bought = [
            Bought(line, [line.unit_amount_cents] * line.quantity, line.options_amount_cents) for line in order.lines
        ]
        self.sent = [Sent(shipment, shipment.amount_cents) for shipment in order.shipments]
        self.ships_free = False

    @property
    def subtotal(self) -> int:
        return sum(line.unit_amount_cents * line.quantity + line.options_amount_cents for line in self.order.lines)

    @property
    def shipping(self) -> int:
        return sum(shipment.amount_cents for shipment in self.order.shipments)

    @property
    def items_left(self) -> int:
        return sum(bought.left for bought in self.bought)

    @property
    def left(self) -> int:
        return self.items_left + sum(sent.left for sent in self.sent)

    def targets(self, sku_list_id: int | None) -> list[Bought]:
        if sku_list_id is None:
            return [bought for bought in self.bought if bought.line.discountable]
        return [bought for bought in self.bought if bought.is_in(sku_list_id)]


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Shares of `total` in proportion to the weights; missing cents go to the biggest fractions, earlier ones first."""
    if not total:
        return [0] * len(weights)
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    shares = [math.floor(share) for share in exact]
    by_fraction = sorted(range(len(weights)), key=lambda place: (shares[place] - exact[place], place))
    for place in by_fraction[: total - sum(shares)]:
        shares[place] += 1
    return shares


def evenly(total: int, count: int) -> list[int]:
    return sorted(largest_remainder(total, [1] * count))


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


# --- Rules --------------------------------------------------------------------------------------------------------


def rule_refusal(rule: Any, cart: Cart) -> Refusal | None:
    match rule:
        case OrderAmount():
            amount = cart.subtotal if rule.use_subtotal else cart.items_left
            missing = (rule.order_amount_cents or 0) - amount
            return Refusal("order_amount_too_low", missing=missing) if missing > 0 else None
        case SkuList():
            return _sku_list_refusal(rule, cart)
        case Custom():
            for wanted in rule.filters:
                if not _filter_matches(wanted.attribute, wanted.matcher, wanted.value, cart):
                    return Refusal("filters_not_matched", filter=f"{wanted.attribute}_{wanted.matcher}")
            return None
    raise TypeError(rule)


def _sku_list_refusal(rule: SkuList, cart: Cart) -> Refusal | None:
    listed = [bought for bought in cart.bought if bought.is_in(rule.sku_list_id)]
    times = []
    for item in {bought.item for bought in listed}:
        lines = [bought.line for bought in listed if bought.item == item]
        times.append(sum(line.quantity for line in lines) // lines[0].lists[rule.sku_list_id].quantity)
    present = len([count for count in times if count > 0])
    if rule.min_quantity:
        missing, reason = rule.min_quantity - sum(times), "quantity_too_low"
    elif rule.all_skus and not any(bought.line.item_type == "bundles" for bought in listed):
        missing, reason = max(rule.size, 1) - present, "sku_missing"
    else:
        missing, reason = 1 - present, "sku_missing"
    return Refusal(reason, missing=missing) if missing > 0 else None


def _filter_matches(attribute: str, matcher: str, wanted: Any, cart: Cart) -> bool:
    order = cart.order
    facts = {
        "status": [order.status],
        "market_id": [order.market_id],
        "currency_code": [order.currency_code],
        "customer_status": [order.customer.status],
        "customer_email": [order.customer.email],
        "customer_tags_id": list(order.customer.tags),
        "line_items_sku_code": [line.code for line in order.lines if line.item_type == "skus"],
        "line_items_sku_tags_id": [tag for line in order.lines for tag in line.tags],
        "tags_id": list(order.tags),
        "subtotal_amount_cents": [cart.subtotal],
        "total_amount_cents": [cart.left],
    }[attribute]
    found = [fact for fact in facts if fact is not None]
    if matcher == "not_in":
        return all(fact not in wanted for fact in found)
    return any(COMPARE[matcher](fact, wanted) for fact in found)


COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda fact, wanted: fact == wanted,
    "in": lambda fact, wanted: fact in wanted,
    "gt": lambda fact, wanted: fact > wanted,
    "gteq": lambda fact, wanted: fact >= wanted,
    "lt": lambda fact, wanted: fact < wanted,
    "lteq": lambda fact, wanted: fact <= wanted,
    "end_any": lambda fact, wanted: any(fact.endswith(ending) for ending in wanted),
}

# --- Benefits -----------------------------------------------------------------------------------------------------


def apply(promotion: Promotion, cart: Cart, outcome: Outcome | None) -> Refusal | None:
    """Takes the discount off the cart, or says why there is none."""
    benefit = promotion.benefit
    if isinstance(benefit, FreeShipping):
        return _ship_free(promotion, cart)
    if isinstance(benefit, External):
        return _take_as_told(promotion, outcome, cart)
    targets = cart.targets(promotion.sku_list_id)
    if not targets:
        return Refusal("no_matching_items")
    before = cart.left
    match benefit:
        case PercentageDiscount():
            spread(half_up(benefit.part * sum(target.left for target in targets)), targets)
        case FixedAmount():
            spread(min(benefit.cents, sum(target.left for target in targets)), targets)
        case FixedPrice():
            reprice(benefit.cents, targets)
        case FreeGift():
            give_gifts(benefit.max_quantity, targets, promotion.sku_list_id)
        case BuyXPayY(cheapest_free=True):
            missing = give_of(benefit, targets)
            if missing > 0:
                return Refusal("quantity_too_low", missing=missing)
        case BuyXPayY():
            missing = min(
                give_of(benefit, [target for target in targets if target.item == item])
                for item in {target.item for target in targets}
            )
            if missing > 0:
                return Refusal("quantity_too_low", missing=missing)
        case _:
            raise TypeError(benefit)
    return Refusal("no_effect") if cart.left == before else None


def spread(cents: int, targets: Sequence[Bought]) -> None:
    shares = largest_remainder(cents, [target.left for target in targets])
    for target, share in zip(targets, shares, strict=True):
        target.take(share)


def reprice(price: int, targets: Iterable[Bought]) -> None:
    for target in targets:
        saved = sum(target.units) - price * len(target.units)
        if saved > 0 and not target.repriced:
            target.units = [price] * len(target.units)
            target.repriced = True


def give_gifts(max_quantity: int, targets: Sequence[Bought], sku_list_id: int | None) -> None:
    assert sku_list_id is not None
    given: dict[tuple[str, str], int] = {}
    for target in sorted(targets, key=lambda target: target.line.lists[sku_list_id].position):
        for price in [price for price in target.units if price > 0]:
            of_item = given.get(target.item, 0)
            if of_item < target.line.lists[sku_list_id].quantity and sum(given.values()) < max_quantity:
                target.give(price)
                given[target.item] = of_item + 1


def give_of(benefit: BuyXPayY, targets: Sequence[Bought]) -> int:
    """Gives away the cheapest units of the targets if they cost anything; how many units are missing to give any."""
    pool = [(price, place, target) for place, target in enumerate(targets) for price in target.units]
    number = len(pool) // benefit.x * (benefit.x - benefit.y)
    given = sorted(pool, key=lambda unit: unit[:2])[:number]
    if any(price for price, _, _ in given):
        for price, _, target in given:
            target.give(price)
    return benefit.x - len(pool)


def _ship_free(promotion: Promotion, cart: Cart) -> Refusal | None:
    if cart.ships_free:
        return Refusal("superseded_by_free_shipping")
    targets = [sent for sent in cart.sent if _holds(sent.shipment, promotion.sku_list_id, cart)]
    if cart.sent and not targets:
        return Refusal("no_matching_items")
    if not sum(target.left for target in targets):
        return Refusal("no_shipping")
    for target in targets:
        target.left = 0
    cart.ships_free = True
    return None


def _holds(shipment: Shipment, sku_list_id: int | None, cart: Cart) -> bool:
    return sku_list_id is None or any(
        bought.is_in(sku_list_id) and (shipment.lines is None or bought.line.id in shipment.lines)
        for bought in cart.bought
    )


def _take_as_told(promotion: Promotion, outcome: Outcome | None, cart: Cart) -> Refusal | None:
    eligible = cart.targets(promotion.sku_list_id)
    if not eligible:
        return Refusal("no_matching_items")
    if outcome is None:
        return Refusal("external_unanswered")
    if outcome.refusal:
        return outcome.refusal
    named = dict(outcome.lines)
    targets = [bought for bought in eligible if not named or bought.line.id in named]
    if not targets:
        return Refusal("no_matching_items")
    before = cart.left
    if any(cents is not None for cents in named.values()):
        for target in targets:
            target.take(min(named[target.line.id] or 0, target.left))
    else:
        spread(min(outcome.discount_cents, sum(target.left for target in targets)), targets)
    return Refusal("no_effect") if cart.left == before else None


# --- The evaluation -----------------------------------------------------------------------------------------------


@dataclass
class Candidate:
    promotion: Promotion
    claim: Claim | None = None


@dataclass
class Verdicts:
    applied: list[Applied] = field(default_factory=list)
    refused: list[NotApplied] = field(default_factory=list)

    def refuse(self, candidate: Candidate, refusal: Refusal) -> None:
        self.refused.append(NotApplied(refusal, candidate.promotion, candidate.claim))


def evaluate(
    order: Order,
    promotions: Iterable[Promotion],
    now: datetime,
    *,
    claims: Sequence[Claim] = (),
    limit: int | None = None,
    exhausted: Collection[int] = (),
    outcomes: Mapping[int, Outcome] | None = None,
) -> Evaluation:
    cart, verdicts = Cart(order), Verdicts()
    candidates = _automatic(promotions, order, now, limit, exhausted, verdicts)
    candidates += _opened(claims, order, now, exhausted, verdicts)
    candidates.sort(key=lambda candidate: _rank(candidate.promotion))
    _run(candidates, cart, outcomes or {}, verdicts)
    return Evaluation(
        subtotal_amount_cents=cart.subtotal,
        shipping_amount_cents=cart.shipping,
        discount_amount_cents=cart.subtotal + cart.shipping - cart.left,
        total_amount_cents=cart.left,
        applied=tuple(verdicts.applied),
        not_applied=tuple(verdicts.refused),
        unanswered=tuple(
            refused.promotion
            for refused in verdicts.refused
            if refused.promotion and refused.refusal.reason == "external_unanswered"
        ),
    )


def _rank(promotion: Promotion) -> tuple[int, int]:
    weight = lifecycle.weight(promotion.exclusive, promotion.priority, promotion.kind, promotion.starts_at)
    return -weight, promotion.id


def _standing(promotion: Promotion, order: Order, now: datetime, exhausted: Collection[int]) -> Refusal | None:
    if promotion.disabled_at is not None:
        return Refusal("promotion_disabled")
    if promotion.expires_at <= now:
        return Refusal("promotion_expired")
    if promotion.starts_at > now:
        return Refusal("promotion_pending")
    if promotion.id in exhausted:
        return Refusal("promotion_usage_reached")
    if promotion.market_id not in (None, order.market_id):
        return Refusal("market_mismatch")
    if promotion.currency_code not in (None, order.currency_code):
        return Refusal("currency_mismatch")
    return None


def _automatic(
    promotions: Iterable[Promotion],
    order: Order,
    now: datetime,
    limit: int | None,
    exhausted: Collection[int],
    verdicts: Verdicts,
) -> list[Candidate]:
    standing = []
    for promotion in promotions:
        refusal = _standing(promotion, order, now, exhausted)
        if refusal:
            verdicts.refuse(Candidate(promotion), refusal)
        else:
            standing.append(Candidate(promotion))
    standing.sort(key=lambda candidate: _rank(candidate.promotion))
    considered = standing if limit is None else standing[:limit]
    for candidate in standing[len(considered) :]:
        verdicts.refuse(candidate, Refusal("outside_concurrent_limit"))
    return considered


def _opened(
    claims: Iterable[Claim], order: Order, now: datetime, exhausted: Collection[int], verdicts: Verdicts
) -> list[Candidate]:
    opened: dict[int, Candidate] = {}
    for claim in claims:
        promotion = claim.promotion
        if claim.refusal:
            verdicts.refused.append(NotApplied(claim.refusal, promotion, claim))
        elif promotion is None:
            verdicts.refused.append(NotApplied(Refusal("coupon_not_found"), None, claim))
        elif refusal := _standing(promotion, order, now, exhausted):
            verdicts.refuse(Candidate(promotion, claim), refusal)
        elif promotion.id in opened:
            verdicts.refuse(Candidate(promotion, claim), Refusal("opened_by_another_code"))
        else:
            opened[promotion.id] = Candidate(promotion, claim)
    return list(opened.values())


def _run(candidates: Sequence[Candidate], cart: Cart, outcomes: Mapping[int, Outcome], verdicts: Verdicts) -> None:
    """The first exclusive promotion that takes something off stays alone; without one the others all apply."""
    exclusive = [candidate for candidate in candidates if candidate.promotion.exclusive]
    cumulative = [candidate for candidate in candidates if not candidate.promotion.exclusive]
    for place, candidate in enumerate(exclusive, start=1):
        if _applies(candidate, cart, outcomes, verdicts):
            for other in [*exclusive[place:], *cumulative]:
                verdicts.refuse(other, Refusal("superseded_by_exclusive"))
            return
    for candidate in cumulative:
        _applies(candidate, cart, outcomes, verdicts)


def _applies(candidate: Candidate, cart: Cart, outcomes: Mapping[int, Outcome], verdicts: Verdicts) -> bool:
    promotion = candidate.promotion
    lines_before = [bought.left for bought in cart.bought]
    shipments_before = [sent.left for sent in cart.sent]
    outcome = outcomes.get(promotion.id)
    for rule in promotion.rules:
        if refusal := rule_refusal(rule, cart):
            verdicts.refuse(candidate, refusal)
            return False
    if refusal := apply(promotion, cart, outcome):
        verdicts.refuse(candidate, refusal)
        return False
    shares = [
        Share(before - bought.left, line_id=bought.line.id)
        for bought, before in zip(cart.bought, lines_before, strict=True)
        if before != bought.left
    ] + [
        Share(before - sent.left, shipment_id=sent.shipment.id)
        for sent, before in zip(cart.sent, shipments_before, strict=True)
        if before != sent.left
    ]
    name = outcome.name if outcome and outcome.name else promotion.name
    amount = sum(share.cents for share in shares)
    verdicts.applied.append(Applied(promotion, amount, tuple(shares), candidate.claim, name))
    return True
