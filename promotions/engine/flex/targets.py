"""What actions take from: units of lines, options of lines, shipments or the order as one."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from promotions.engine.allocation import spread
from promotions.engine.cart import Cart, LinePart, Part, Run, ShipmentPart
from promotions.engine.flex.catalogue import Selector

Taken = list[tuple[Part, int]]
"""Cents that came off parts of the cart."""


class Target:
    """Something with an amount left to take from, at a place of its collection."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place

    @property
    def amount(self) -> int:
        """The cents left of it."""
        raise NotImplementedError

    @property
    def quantity(self) -> int:
        """How many units it is; what has none is one."""
        return 1

    def first(self, quantity: int) -> "Target":
        """As many of its units."""
        return self

    def take(self, cents: int) -> Taken:
        raise NotImplementedError

    def off_each(self, cents: int) -> Taken:
        """Takes `cents` off each unit, as far as it holds them."""
        return self.take(min(cents, self.amount))

    def down_to(self, cents: int) -> Taken:
        """Takes what each unit costs more than `cents`."""
        return self.take(max(0, self.amount - cents))


class Units(Target):
    """Units of a line that are not given away yet."""

    __slots__ = ("part", "runs")

    def __init__(self, place: int, part: LinePart, runs: Sequence[Run]) -> None:
        super().__init__(place)
        self.part = part
        self.runs = runs

    @classmethod
    def of(cls, place: int, part: LinePart) -> "Units":
        return cls(place, part, [run for run in part.runs if run.quantity and not run.is_free])

    @property
    def amount(self) -> int:
        return sum(run.amount for run in self.runs)

    @property
    def quantity(self) -> int:
        return sum(run.quantity for run in self.runs)

    def first(self, quantity: int) -> "Units":
        """The first units; of a run the cheapest ones."""
        runs = []
        for run in list(self.runs):
            wanted = min(quantity, run.quantity)
            if wanted:
                runs.append(self.part.cut(run, wanted))
            quantity -= wanted
        return Units(self.place, self.part, runs)

    def take(self, cents: int) -> Taken:
        return self._off(spread(cents, [run.amount for run in self.runs]))

    def off_each(self, cents: int) -> Taken:
        return self._off([min(run.quantity * cents, run.amount) for run in self.runs])

    def down_to(self, cents: int) -> Taken:
        shares = [max(0, run.amount - run.quantity * cents) for run in self.runs]
        for run, share in zip(self.runs, shares, strict=True):
            run.is_repriced = run.is_repriced or share > 0
            run.is_free = share > 0 and cents == 0
        return self._off(shares)

    def _off(self, shares: Sequence[int]) -> Taken:
        for run, cents in zip(self.runs, shares, strict=True):
            self.part.take_off(run, cents)
        return [(self.part, sum(shares))]


class Options(Target):
    """The options of a line, all together."""

    __slots__ = ("part",)

    def __init__(self, place: int, part: LinePart) -> None:
        super().__init__(place)
        self.part = part

    @property
    def amount(self) -> int:
        return self.part.options

    def take(self, cents: int) -> Taken:
        self.part.take_off_options(cents)
        return [(self.part, cents)]


class Shipping(Target):
    """What a shipment costs."""

    __slots__ = ("part",)

    def __init__(self, place: int, part: ShipmentPart) -> None:
        super().__init__(place)
        self.part = part

    @property
    def amount(self) -> int:
        return self.part.amount

    def take(self, cents: int) -> Taken:
        self.part.take(cents)
        return [(self.part, cents)]


class Whole(Target):
    """The order as one: what comes off is shared by its lines in proportion to what is left of them."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[LinePart]) -> None:
        super().__init__(0)
        self.parts = parts

    @property
    def amount(self) -> int:
        return sum(part.amount for part in self.parts)

    def take(self, cents: int) -> Taken:
        shares = spread(cents, [part.amount for part in self.parts])
        for part, share in zip(self.parts, shares, strict=True):
            part.take(share)
        return list(zip(self.parts, shares, strict=True))


# --- Finding them ---------------------------------------------------------------------------------


def _order(cart: Cart, selector: Selector) -> Iterable[Target]:
    yield Whole([part for part in cart.lines if part.line.discountable])


def _units(cart: Cart, selector: Selector) -> Iterable[Target]:
    for place, part in enumerate(cart.lines):
        if part.line.item_type == selector.item_type or (selector.item_type is None and part.line.discountable):
            yield Units.of(place, part)


def _options(cart: Cart, selector: Selector) -> Iterable[Target]:
    return (Options(place, part) for place, part in enumerate(cart.lines) if part.line.options_amount_cents)


def _shipments(cart: Cart, selector: Selector) -> Iterable[Target]:
    return (Shipping(place, part) for place, part in enumerate(cart.shipments))


TARGETS: Mapping[str, Callable[[Cart, Selector], Iterable[Target]]] = {
    "order": _order,
    "units": _units,
    "options": _options,
    "shipments": _shipments,
}
