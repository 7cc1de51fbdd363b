"""A second evaluator, written from the specification and not from the engine: every unit a row, every step a scan.

It answers an `Evaluation` as the engine does with `explain=True`, and knows neither indexes, runs of units nor flex
promotions.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from promotions.engine import lifecycle
from promotions.engine.benefits import (
    Balance,
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
from promotions.engine.restrictions import (
    BuyGet,
    Codes,
    Countries,
    Customers,
    CustomerTags,
    CustomerUsage,
    OrderAmounts,
    Orders,
    Subscriptions,
)
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
class Alike:
    """Units of a line that no promotion told apart: what each that is not given away still costs, cheaper ones first.

    They stay as equal as whole cents allow.
    """

    units: list[int]
    repriced: bool = False

    @property
    def left(self) -> int:
        return sum(self.units)

    def take(self, cents: int) -> None:
        self.units = evenly(self.left - cents, len(self.units))

    def give(self, price: int) -> None:
        """One of the units that cost `price` becomes free."""
        self.units.remove(price)


@dataclass(eq=False)
class Bought:
    """A line: its units and the options."""

    line: Line
    groups: list[Alike]
    options: int

    @property
    def item(self) -> tuple[str, str]:
        return self.line.item_type, self.line.code

    @property
    def left(self) -> int:
        return sum(group.left for group in self.groups) + self.options

    def is_in(self, sku_list_id: int) -> bool:
        return sku_list_id in self.line.lists

    def take(self, cents: int) -> None:
        """Units and options carry their parts of it."""
        *shares, of_options = largest_remainder(cents, [*(group.left for group in self.groups), self.options])
        self.options -= of_options
        for group, share in zip(self.groups, shares, strict=True):
            group.take(share)

    def tell_apart(self, group: Alike, number: int) -> None:
        """The `number` most expensive units of the group are the group from now on, the others one before it."""
        others, chosen = group.units[:-number], group.units[-number:]
        if others:
            self.groups.insert(self.groups.index(group), Alike(others, group.repriced))
            group.units = chosen


class Target:
    """A line that is discounted, or some units of it without its options."""

    def __init__(self, bought: Bought, groups: list[Alike] | None = None) -> None:
        self.bought = bought
        self.is_whole = groups is None
        self.chosen = groups or []

    @property
    def line(self) -> Line:
        return self.bought.line

    @property
    def item(self) -> tuple[str, str]:
        return self.bought.item

    @property
    def groups(self) -> list[Alike]:
        return self.bought.groups if self.is_whole else self.chosen

    @property
    def left(self) -> int:
        return self.bought.left if self.is_whole else sum(group.left for group in self.chosen)

    def take(self, cents: int) -> None:
        if self.is_whole:
            self.bought.take(cents)
            return
        for group, share in zip(self.chosen, largest_remainder(cents, [one.left for one in self.chosen]), strict=True):
            group.take(share)


def dearest(targets: Sequence[Target], number: int) -> list[Target]:
    """Of all their units the most expensive ones, equal ones as they stand in the cart."""
    units = [
        (-price, place, target, group)
        for place, (target, group) in enumerate((target, group) for target in targets for group in target.groups)
        for price in group.units
    ]
    chosen = sorted(units, key=lambda unit: unit[:2])[:number]
    found = []
    for target in targets:
        groups = []
        for group in list(target.groups):
            count = len([unit for unit in chosen if unit[3] is group])
            if count:
                target.bought.tell_apart(group, count)
                groups.append(group)
        if groups:
            found.append(Target(target.bought, groups))
    return found


@dataclass(eq=False)
class Sent:
    shipment: Shipment
    left: int

    def take(self, cents: int) -> None:
        self.left -= cents


class Cart:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.bought = [
            Bought(line, [Alike([line.unit_amount_cents] * line.quantity)], line.options_amount_cents)
            for line in order.lines
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

    def targets(self, promotion: Promotion) -> list[Target]:
        sku_list_id = promotion.sku_list_id
        if sku_list_id is None:
            targets = [Target(bought) for bought in self.bought if bought.line.discountable]
        else:
            targets = [Target(bought) for bought in self.bought if bought.is_in(sku_list_id)]
            for item in {target.item for target in targets}:
                of_item = [target for target in targets if target.item == item]
                most = of_item[0].line.lists[sku_list_id].max_per_coupon
                if most:
                    targets = in_place(targets, of_item, dearest(of_item, most))
        for selection in promotion.selections:
            targets = select(selection, targets)
        if promotion.applies_to_count is not None and is_for_items(promotion):
            targets = dearest(targets, promotion.applies_to_count)
        return targets

    def shipped(self, promotion: Promotion, targets: Sequence[Target]) -> list[Sent]:
        """Shipments with something that the promotion is for, all of them where that is nothing certain."""
        lines = {target.line.id for target in targets}
        return [
            sent
            for sent in self.sent
            if not is_for_items(promotion)
            or (lines & sent.shipment.lines if sent.shipment.lines is not None else lines)
        ]


def is_for_items(promotion: Promotion) -> bool:
    return promotion.sku_list_id is not None or len(promotion.selections) > 0


def in_place(targets: Sequence[Target], of: Sequence[Target], chosen: Sequence[Target]) -> list[Target]:
    """The targets, with what is chosen of some of them in the place of these."""
    chosen_of = {target.bought: target for target in chosen}
    left = [chosen_of.get(target.bought) if target in of else target for target in targets]
    return [target for target in left if target]


def select(selection: Any, targets: list[Target]) -> list[Target]:
    if isinstance(selection, Codes):
        return [target for target in targets if is_named(target.line, selection)]
    assert isinstance(selection, BuyGet)
    bought = dict(selection.buy)
    found = [target for target in targets if target.line.code in dict(selection.get)]
    for code, units in selection.get:
        of_code = [target for target in found if target.line.code == code]
        beyond = sum(target.line.quantity for target in of_code) - bought.get(code, 0)
        found = in_place(found, of_code, dearest(of_code, min(units, max(beyond, 0))))
    return found


def is_named(line: Line, codes: Codes) -> bool:
    return line.code in codes.codes or (codes.of_products and line.product in codes.codes)


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
        case Codes():
            missing = rule.min_quantity - sum(line.quantity for line in cart.order.lines if is_named(line, rule))
            return Refusal("quantity_too_low", missing=missing) if missing > 0 else None
        case BuyGet():
            missing = sum(units for _, units in lacking(rule.buy, cart))
            return Refusal("quantity_too_low", missing=missing) if missing > 0 else None
        case OrderAmounts():
            return _order_amounts_refusal(rule, cart)
    return _order_or_customer_refusal(rule, cart.order)


def lacking(wanted: Iterable[tuple[str, int]], cart: Cart) -> list[tuple[str, int]]:
    held = Counter[str]()
    for line in cart.order.lines:
        held[line.code] += line.quantity
    return [(code, units - held[code]) for code, units in wanted if units > held[code]]


def _order_amounts_refusal(rule: OrderAmounts, cart: Cart) -> Refusal | None:
    amount = cart.subtotal + cart.shipping
    if rule.currency_code != cart.order.currency_code:
        return Refusal("currency_mismatch")
    if amount < rule.least:
        return Refusal("order_amount_too_low", missing=rule.least - amount)
    if rule.most is not None and amount > rule.most:
        return Refusal("order_amount_too_high")
    return None


def _order_or_customer_refusal(rule: Any, order: Order) -> Refusal | None:
    customer = order.customer
    is_unknown = not (customer.id or customer.email or customer.names)
    match rule:
        case CustomerUsage() | Customers() if is_unknown:
            return Refusal("customer_unknown")
        case CustomerUsage():
            may = customer.uses.get(rule.promotion_id, 0) < rule.customer_usage_limit
            return None if may else Refusal("already_used_by_customer")
        case Customers():
            return None if any(name in rule.names for name in customer.names) else Refusal("customer_not_eligible")
        case CustomerTags():
            has = [name in customer.tag_names for name in rule.names]
            return None if (all(has) if rule.all_tags else any(has)) else Refusal("customer_not_eligible")
        case Countries():
            return None if customer.country_code in rule.country_codes else Refusal("country_not_eligible")
        case Orders():
            return None if any(name in rule.names for name in order.names) else Refusal("order_not_eligible")
        case Subscriptions():
            return None if order.subscription in rule.names else Refusal("subscription_not_eligible")
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
    if isinstance(benefit, PercentageDiscount | FixedAmount | Balance):
        return _take_off(benefit, promotion, cart)
    targets = cart.targets(promotion)
    if not targets:
        return Refusal("no_matching_items")
    before = cart.left
    match benefit:
        case FixedPrice(whole_order=True):
            spread(max(0, sum(target.left for target in targets) - benefit.cents), targets)
        case FixedPrice():
            for target in targets:
                listed = target.line.lists.get(promotion.sku_list_id or 0)
                own = listed.price_amount_cents if listed else None
                reprice(benefit.cents if own is None else own, target)
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


def _take_off(benefit: Any, promotion: Promotion, cart: Cart) -> Refusal | None:
    """A share, an amount, or what is left of a balance, off items, shipping or both."""
    balance = getattr(benefit, "cents", 0) if promotion.balance_cents is None else promotion.balance_cents
    if isinstance(benefit, Balance) and balance == 0:
        return Refusal("balance_used_up")
    items = cart.targets(promotion) if benefit.context != "shipping" or is_for_items(promotion) else []
    targets = [
        *(items if benefit.context != "shipping" else []),
        *(cart.shipped(promotion, items) if benefit.context != "items" else []),
    ]
    if not targets:
        return Refusal("no_matching_items")
    before, left = cart.left, sum(target.left for target in targets)
    match benefit:
        case PercentageDiscount():
            spread(half_up(benefit.part * left), targets)
        case FixedAmount(context="items") if promotion.applies_to_count is not None and is_for_items(promotion):
            for group in (group for target in items for group in target.groups):
                group.take(sum(min(benefit.cents, price) for price in group.units))
        case FixedAmount():
            spread(min(benefit.cents, left), targets)
        case Balance():
            spread(min(balance, left), targets)
    return Refusal("no_effect") if cart.left == before else None


def spread(cents: int, targets: Sequence[Target | Sent]) -> None:
    shares = largest_remainder(cents, [target.left for target in targets])
    for target, share in zip(targets, shares, strict=True):
        target.take(share)


def reprice(price: int, target: Target) -> None:
    for group in target.groups:
        if group.left > price * len(group.units) and not group.repriced:
            group.units = [price] * len(group.units)
            group.repriced = True


def give_gifts(max_quantity: int, targets: Sequence[Target], sku_list_id: int | None) -> None:
    assert sku_list_id is not None
    given: dict[tuple[str, str], int] = {}
    for target in sorted(targets, key=lambda target: target.line.lists[sku_list_id].position):
        paid = [(group, price) for group in target.groups for price in group.units if price > 0]
        for group, price in paid:
            of_item = given.get(target.item, 0)
            if of_item < target.line.lists[sku_list_id].quantity and sum(given.values()) < max_quantity:
                group.give(price)
                given[target.item] = of_item + 1


def give_of(benefit: BuyXPayY, targets: Sequence[Target]) -> int:
    """Gives away the cheapest units of the targets if they cost anything; how many units are missing to give any."""
    groups = [group for target in targets for group in target.groups]
    pool = [(price, place, group) for place, group in enumerate(groups) for price in group.units]
    number = len(pool) // benefit.x * (benefit.x - benefit.y)
    given = sorted(pool, key=lambda unit: unit[:2])[:number]
    if any(price for price, _, _ in given):
        for price, _, group in given:
            group.give(price)
    return benefit.x - len(pool)


def _ship_free(promotion: Promotion, cart: Cart) -> Refusal | None:
    if cart.ships_free:
        return Refusal("superseded_by_free_shipping")
    targets = cart.shipped(promotion, cart.targets(promotion) if is_for_items(promotion) else [])
    if cart.sent and not targets:
        return Refusal("no_matching_items")
    if not sum(target.left for target in targets):
        return Refusal("no_shipping")
    for target in targets:
        target.left = 0
    cart.ships_free = True
    return None


def _take_as_told(promotion: Promotion, outcome: Outcome | None, cart: Cart) -> Refusal | None:
    eligible = cart.targets(promotion)
    if not eligible:
        return Refusal("no_matching_items")
    if outcome is None:
        return Refusal("external_unanswered")
    if outcome.refusal:
        return outcome.refusal
    named = dict(outcome.lines)
    targets = [target for target in eligible if not named or target.line.id in named]
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

    @property
    def amount(self) -> int:
        return sum(one.amount_cents for one in self.applied)

    def extend(self, other: "Verdicts") -> None:
        self.applied += other.applied
        self.refused += other.refused

    def superseded(self, why: str) -> "Verdicts":
        """The same, were nothing of it to apply."""
        beaten = [NotApplied(Refusal(why), one.promotion, one.claim) for one in self.applied]
        return Verdicts([], [*self.refused, *beaten])

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
    verdicts = Verdicts()
    candidates = _automatic(promotions, order, now, limit, exhausted, verdicts)
    candidates += _opened(claims, order, now, exhausted, verdicts)
    candidates.sort(key=lambda candidate: _rank(candidate.promotion))
    cart = _run_by_size(candidates, order, outcomes or {}, verdicts)
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


def _run_by_size(
    candidates: Sequence[Candidate], order: Order, outcomes: Mapping[int, Outcome], verdicts: Verdicts
) -> Cart:
    """Each that is exclusive by size is tried on a cart of its own, beside all the others on one."""
    together, of_others = Cart(order), Verdicts()
    _run([one for one in candidates if not one.promotion.exclusive_by_size], together, outcomes, of_others)
    alone = [one for one in candidates if one.promotion.exclusive_by_size]
    if any(one.promotion.exclusive for one in of_others.applied):
        for candidate in alone:
            of_others.refuse(candidate, Refusal("superseded_by_exclusive"))
        verdicts.extend(of_others)
        return together
    tried = [(Cart(order), Verdicts()) for _ in alone]
    for candidate, (cart, of_one) in zip(alone, tried, strict=True):
        _applies(candidate, cart, outcomes, of_one)
    best_cart, best = max(tried, key=lambda one: one[1].amount, default=(together, of_others))
    wins = best.amount > of_others.amount
    why = "superseded_by_exclusive" if wins else "superseded_by_others"
    for _, of_one in tried:
        verdicts.extend(of_one if wins and of_one is best else of_one.superseded(why))
    verdicts.extend(of_others.superseded(why) if wins else of_others)
    return best_cart if wins else together


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


def additions_of(selection: Any, cart: Cart) -> list[tuple[str, int]]:
    """What would have to be put into the cart, besides what is bought, to get all there is."""
    if not isinstance(selection, BuyGet):
        return []
    bought = dict(selection.buy)
    return lacking([(code, units + bought.get(code, 0)) for code, units in selection.get], cart)


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
    additions = tuple(added for one in promotion.selections for added in additions_of(one, cart))
    verdicts.applied.append(Applied(promotion, amount, tuple(shares), candidate.claim, name, additions=additions))
    return True
