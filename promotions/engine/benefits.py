"""What promotions take off a cart. Each rounds once and says exactly which cent came off which part."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from promotions.engine.allocation import half_up, spread
from promotions.engine.cart import Cart, Items, ShipmentPart, prices, units_of
from promotions.engine.reasons import Refusal
from promotions.engine.types import Discount, Given, Outcome, Promotion

NO_ITEMS = Refusal("no_matching_items")
NO_EFFECT = Refusal("no_effect")


# --- Off what is left -----------------------------------------------------------------------------


ITEMS, SHIPPING, ITEMS_AND_SHIPPING = CONTEXTS = ("items", "shipping", "items_and_shipping")
"""What of an order is discounted."""


@dataclass(frozen=True, slots=True)
class PercentageDiscount:
    """A share of what is left of the targets, `Fraction(15, 100)` of it."""

    part: Fraction
    context: str = ITEMS

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        targets = _in_context(cart, promotion, self.context)
        base = sum(target.amount for target in targets)
        return _proportional(cart, targets, half_up(base * self.part.numerator, self.part.denominator))


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """An amount once an order, as far as the targets hold it; off each unit, where a coupon is for so many units."""

    cents: int
    context: str = ITEMS

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        if promotion.applies_to_count is not None and promotion.is_for_items and self.context == ITEMS:
            return self._off_units(cart, promotion)
        targets = _in_context(cart, promotion, self.context)
        return _proportional(cart, targets, min(self.cents, sum(target.amount for target in targets)))

    def _off_units(self, cart: Cart, promotion: Promotion) -> Discount | Refusal:
        targets = cart.targets(promotion)
        if not targets:
            return NO_ITEMS
        taken = []
        for target in targets:
            for run in target.runs:
                cents = sum(min(self.cents, price) * quantity for price, quantity in prices(run).items())
                target.take_off(run, cents)
                taken.append((target, cents))
        return _discount(cart, taken)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left of the amount that a coupon holds, as far as the targets hold it."""

    cents: int
    context: str = ITEMS

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        balance = self.cents if promotion.balance_cents is None else promotion.balance_cents
        if not balance:
            return Refusal("balance_used_up")
        targets = _in_context(cart, promotion, self.context)
        return _proportional(cart, targets, min(balance, sum(target.amount for target in targets)))


def _in_context(cart: Cart, promotion: Promotion, context: str) -> Sequence[Items | ShipmentPart]:
    """Shipping is that of all shipments, or of those that hold one of the items that the promotion is for."""
    lines = cart.targets(promotion) if context != SHIPPING or promotion.is_for_items else ()
    if context == ITEMS:
        return lines
    shipments = cart.holding(lines) if promotion.is_for_items else cart.shipments
    return shipments if context == SHIPPING else [*lines, *shipments]


def _proportional(cart: Cart, targets: Sequence[Items | ShipmentPart], cents: int) -> Discount | Refusal:
    """Takes `cents` off the targets, in proportion to what is left of each."""
    return _taken(cart, targets, spread(cents, [target.amount for target in targets]))


def _taken(cart: Cart, targets: Sequence[Items | ShipmentPart], shares: Sequence[int]) -> Discount | Refusal:
    if not targets:
        return NO_ITEMS
    taken = [(target, cents) for target, cents in zip(targets, shares, strict=True) if cents]
    for target, cents in taken:
        target.take(cents)
    return _discount(cart, taken)


# --- By units -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """A new price for each unit, where it is lower; the SKU list may have another for its item. Options are outside.

    With `whole_order` the price of all targets together, options included.
    """

    cents: int
    whole_order: bool = False

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        targets = cart.targets(promotion)
        if not targets:
            return NO_ITEMS
        if self.whole_order:
            return _proportional(cart, targets, max(0, sum(target.amount for target in targets) - self.cents))
        return _discount(cart, [(target, self._reprice(target, promotion)) for target in targets])

    def _reprice(self, target: Items, promotion: Promotion) -> int:
        listed = target.line.lists.get(promotion.sku_list_id or 0)
        price = self.cents if listed is None or listed.price_amount_cents is None else listed.price_amount_cents
        taken = 0
        for run in target.runs:
            cents = run.amount - run.quantity * price
            if cents > 0 and not run.is_free and not run.is_repriced:
                target.take_off(run, cents)
                run.is_repriced = True
                taken += cents
        return taken


@dataclass(frozen=True, slots=True)
class FreeGift:
    """Units that the order holds become free: items in the order of the list, each as often as the list says."""

    max_quantity: int = 1

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        assert promotion.sku_list_id is not None  # noqa: S101  (the table holds no gift without a list)
        sku_list = promotion.sku_list_id
        targets = cart.targets(promotion)
        if not targets:
            return NO_ITEMS
        left = self.max_quantity
        left_of_item: dict[tuple[str, str], int] = {}
        taken = []
        for target in sorted(targets, key=lambda target: target.line.lists[sku_list].position):
            wanted = min(left, left_of_item.setdefault(target.item, target.line.lists[sku_list].quantity))
            units, cents = give_units(target, wanted)
            left -= units
            left_of_item[target.item] -= units
            taken.append((target, cents))
        return _discount(cart, taken)


def give_units(target: Items, wanted: int) -> tuple[int, int]:
    """Makes up to `wanted` units of a line free that still cost something; how many, and the cents they were."""
    units = cents = 0
    for run in list(target.runs):
        if run.amount < run.quantity:
            target.whole.cut(run, run.quantity - run.amount)  # those that cost nothing
        quantity = min(run.quantity, wanted - units)
        if quantity and run.amount and not run.is_free:
            cents += target.give(run, quantity)
            units += quantity
    return units, cents


@dataclass(frozen=True, slots=True)
class BuyXPayY:
    """Of every `x` units `x - y` are free, SKU by SKU; with `cheapest_free` of all listed units together.

    Free are the cheapest units, of equally cheap ones those of the line that comes first.
    """

    x: int
    y: int
    cheapest_free: bool = False

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        targets = cart.targets(promotion)
        if not targets:
            return NO_ITEMS
        pools = [targets] if self.cheapest_free else _by_item(targets)
        counted = [sum(run.quantity for _, run in units_of(pool)) for pool in pools]
        if max(counted) < self.x:
            return Refusal("quantity_too_low", missing=self.x - max(counted))
        taken = []
        for pool, units in zip(pools, counted, strict=True):
            taken += give_cheapest(pool, units // self.x * (self.x - self.y))
        return _discount(cart, taken)


def _by_item(targets: Sequence[Items]) -> list[Sequence[Items]]:
    pools: dict[tuple[str, str], list[Items]] = {}
    for target in targets:
        pools.setdefault(target.item, []).append(target)
    return [*pools.values()]


def give_cheapest(pool: Sequence[Items], wanted: int) -> list[tuple[Items, int]]:
    """Makes the cheapest units of several lines free, unless they cost nothing; the cents that came off each line."""
    units = list(units_of(pool))
    quantity_of = [0] * len(units)
    cents = 0
    for price, place in sorted((price, place) for place, (_, run) in enumerate(units) for price in prices(run)):
        quantity = min(wanted, prices(units[place][1])[price])
        quantity_of[place] += quantity
        wanted -= quantity
        cents += quantity * price
    if not cents:
        return []
    return [
        (target, target.give(run, quantity))
        for (target, run), quantity in zip(units, quantity_of, strict=True)
        if quantity
    ]


def _discount(cart: Cart, taken: Sequence[tuple[Items | ShipmentPart, int]]) -> Discount | Refusal:
    shares = cart.taken(taken)
    return Discount(shares) if shares else NO_EFFECT


# --- Shipping -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FreeShipping:
    """What is left to pay for shipping, once an order; for certain items, of shipments that hold one of them."""

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        if cart.has_free_shipping:
            return Refusal("superseded_by_free_shipping")
        targets = cart.holding(cart.targets(promotion)) if promotion.is_for_items else cart.shipments
        if cart.shipments and not targets:
            return NO_ITEMS
        shares = tuple(target.share(target.amount) for target in targets if target.amount)
        if not shares:
            return Refusal("no_shipping")
        for target in targets:
            target.take(target.amount)
        cart.has_free_shipping = True
        return Discount(shares)


# --- From elsewhere -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class External:
    """What another service answered for this order, off the targets it names, no more than is left of them."""

    def apply(self, cart: Cart, promotion: Promotion, given: Given) -> Discount | Refusal:
        targets = cart.targets(promotion)
        if not targets:
            return NO_ITEMS
        outcome = given.outcomes.get(promotion.id)
        if outcome is None:
            return UNANSWERED
        return outcome.refusal or self._told(cart, targets, outcome)

    def _told(self, cart: Cart, targets: Sequence[Items], outcome: Outcome) -> Discount | Refusal:
        cents_of = dict(outcome.lines)
        named = [target for target in targets if target.line.id in cents_of] if cents_of else targets
        if any(cents is not None for cents in cents_of.values()):
            return _taken(cart, named, [min(target.amount, cents_of[target.line.id] or 0) for target in named])
        return _proportional(cart, named, min(outcome.discount_cents, sum(target.amount for target in named)))


UNANSWERED = Refusal("external_unanswered")
