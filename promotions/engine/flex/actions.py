"""What actions do to their targets. Each rounds once and never takes more than is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from promotions.engine.allocation import half_up, spread_within
from promotions.engine.benefits import give_cheapest, give_units
from promotions.engine.cart import LinePart
from promotions.engine.flex.catalogue import ORDER, Path
from promotions.engine.flex.document import Document
from promotions.engine.flex.match import Groups
from promotions.engine.flex.selection import Selection
from promotions.engine.flex.targets import Taken, Target, Units
from promotions.engine.flex.values import numbers


class Effect(Protocol):
    def apply(self, document: Document, targets: Sequence[Target]) -> Taken: ...


def _base(document: Document, target: Target, apply_on: Path | None) -> int:
    """What the action counts with: what is left of the target, or the attribute that it applies on."""
    if apply_on is None:
        return target.amount
    found = numbers(document, apply_on, [target.place])
    return max(0, int(found[0])) * target.quantity if found else 0


def _take(targets: Sequence[Target], shares: Sequence[int]) -> Taken:
    return [taken for target, cents in zip(targets, shares, strict=True) for taken in target.take(cents)]


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of all targets together; with `round` each target's own share rounds, to the nearest cent."""

    part: Fraction
    apply_on: Path | None = None
    round: bool = False

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        amounts = [target.amount for target in targets]
        bases = [_base(document, target, self.apply_on) for target in targets]
        above, below = self.part.numerator, self.part.denominator
        exact = [min(base * above, amount * below) for base, amount in zip(bases, amounts, strict=True)]
        if self.round:
            return _take(targets, [half_up(one, below) for one in exact])
        return _take(targets, spread_within(half_up(sum(exact), below), exact, amounts))


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """So many cents off each unit, or with `distributed` once, in proportion to what the targets cost."""

    cents: int
    apply_on: Path | None = None
    distributed: bool = False

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        if self.distributed:
            amounts = [target.amount for target in targets]
            bases = [_base(document, target, self.apply_on) for target in targets]
            return _take(targets, spread_within(min(self.cents, sum(amounts)), bases, amounts))
        return [taken for target in targets for taken in target.off_each(self._off_each(document, target))]

    def _off_each(self, document: Document, target: Target) -> int:
        if self.apply_on is None or not target.quantity:
            return self.cents
        return min(self.cents, _base(document, target, self.apply_on) // target.quantity)


@dataclass(frozen=True, slots=True)
class FixedPrice:
    """A new price for each unit, where it is lower. A price of nothing gives the unit away."""

    cents: int

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        return [taken for target in targets for taken in target.down_to(self.cents)]


@dataclass(frozen=True, slots=True)
class BuyXPayY:
    """Of every `x` units of a line `x - y` are free, the cheapest; on the first `lines` lines that have `x`."""

    x: int
    y: int
    lines: int | None = None

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        enough = [target for target in targets if isinstance(target, Units) and target.quantity >= self.x]
        return [
            taken
            for target in enough[: self.lines]
            for taken in give_cheapest([target.part], target.quantity // self.x * (self.x - self.y))
        ]


@dataclass(frozen=True, slots=True)
class EveryXDiscountY:
    """`y` cents for every `x` of an attribute of the targets together, shared by their quantities."""

    x: int
    y: int
    attribute: Path

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        places = [0] if self.attribute.collection == ORDER else [target.place for target in targets]
        times = max(0, int(sum(numbers(document, self.attribute, places)) // self.x))
        amounts = [target.amount for target in targets]
        cents = min(times * self.y, sum(amounts))
        return _take(targets, spread_within(cents, [target.quantity for target in targets], amounts))


@dataclass(frozen=True, slots=True)
class Gift:
    """Units of the order to give away: up to `quantity` of those that `identifiers` name, the first ones first."""

    identifiers: tuple[tuple[Path, tuple[str, ...]], ...]
    quantity: int

    def apply(self, document: Document, targets: Sequence[Target]) -> Taken:
        taken: Taken = []
        left = self.quantity
        for part in self._named(document):
            units, cents = give_units(part, left)
            taken.append((part, cents))
            left -= units
        return taken

    def _named(self, document: Document) -> Sequence[LinePart]:
        return [
            part
            for path, identifiers in self.identifiers
            for identifier in identifiers
            for place, part in enumerate(document.cart.lines)
            if identifier in document.values(path, place)
        ]

    def described(self) -> dict[str, Any]:
        named = {path.text: list(identifiers) for path, identifiers in self.identifiers}
        return {"identifiers": named, "quantity": self.quantity}


@dataclass(frozen=True, slots=True)
class Action:
    """`type` is that of the language. A free gift has no selection."""

    type: str
    effect: Effect
    selection: Selection | None = None

    def apply(self, document: Document, groups: Groups) -> "Done":
        if self.selection is None:
            return Done(self, self.effect.apply(document, ()))
        targets = self.selection.targets(document, groups)
        return Done(self, self.effect.apply(document, targets), self._errors(targets))

    def _errors(self, targets: Sequence[Target]) -> tuple[str, ...]:
        assert self.selection is not None  # noqa: S101  (asked of selections only)
        if self.selection.selector.takes is None:
            return (f"{self.selection.text} carries no amount that could be discounted",)
        return () if targets else (f"{self.selection.text} selects nothing of the order",)


@dataclass(frozen=True, slots=True)
class Done:
    """What an action took, and why it took nothing where that is not a matter of amounts."""

    action: Action
    taken: Taken
    errors: tuple[str, ...] = ()

    def outcome(self, document: Document) -> dict[str, Any]:
        cents_of = summed(self.taken)
        labels = document.labels
        return {
            "type": self.action.type,
            "selector": self.action.selection.text if self.action.selection else None,
            "amount_cents": sum(cents_of.values()),
            "targets": [labels[part] | {"amount_cents": cents} for part, cents in cents_of.items() if cents],
            "errors": list(self.errors),
        } | (self.action.effect.described() if isinstance(self.action.effect, Gift) else {})


def summed(taken: Taken) -> Mapping[Any, int]:
    """Part -> all the cents that came off it."""
    cents_of: dict[Any, int] = {}
    for part, cents in taken:
        cents_of[part] = cents_of.get(part, 0) + cents
    return cents_of
