"""What is left to pay while promotions are applied one after another."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promotions.engine.allocation import spread
from promotions.engine.types import Line, Order, Promotion, Share, Shipment


@dataclass(slots=True)
class Run:
    """Neighbouring units of a line that were treated alike, however many; `amount` cents are left of them together.

    Where that does not divide evenly some units cost a cent more than the others, which count as the cheaper ones.
    """

    quantity: int
    amount: int
    is_free: bool = False
    """Given away whole: neither given away nor counted again."""
    is_repriced: bool = False
    """Its price was set by a promotion; another one does not set it again."""


class Part:
    """What a discount can come off: a line or a shipment. `amount` cents are left of it."""

    __slots__ = ("amount",)

    amount: int

    def take(self, cents: int) -> None:
        raise NotImplementedError

    def share(self, cents: int) -> Share:
        raise NotImplementedError


class Items(Part):
    """A line, or some of its units."""

    __slots__ = ()

    line: Line
    runs: list[Run]

    @property
    def whole(self) -> "LinePart":
        raise NotImplementedError

    @property
    def item(self) -> tuple[str, str]:
        return self.line.item_type, self.line.code

    def take_off(self, run: Run, cents: int) -> None:
        """Takes `cents` off one of the runs."""
        raise NotImplementedError

    def give(self, run: Run, quantity: int) -> int:
        """Makes `quantity` units of a run free; the cents that were left of them."""
        raise NotImplementedError


class ShipmentPart(Part):
    __slots__ = ("shipment",)

    def __init__(self, shipment: Shipment) -> None:
        self.shipment = shipment
        self.amount = shipment.amount_cents

    @property
    def whole(self) -> "ShipmentPart":
        return self

    def take(self, cents: int) -> None:
        self.amount -= cents

    def share(self, cents: int) -> Share:
        return Share(cents, None, self.shipment.id)


class LinePart(Items):
    """A line: its units, as runs once promotions told them apart, and its options, which no promotion counts."""

    __slots__ = ("_runs", "_units", "line", "options")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.options = line.options_amount_cents
        self._units = line.quantity * line.unit_amount_cents
        self._runs: list[Run] | None = None
        self.amount = self._units + self.options

    @property
    def whole(self) -> "LinePart":
        return self

    @property
    def runs(self) -> list[Run]:  # type: ignore[override]
        if self._runs is None:
            self._runs = [Run(self.line.quantity, self._units)]
        return self._runs

    def take(self, cents: int) -> None:
        """Takes `cents` off units and options alike, in proportion to what is left of each."""
        self.amount -= cents
        if self._runs is None and not self.options:
            self._units -= cents
            return
        runs = self.runs
        *of_runs, of_options = spread(cents, [*(run.amount for run in runs), self.options])
        for run, share in zip(runs, of_runs, strict=True):
            run.amount -= share
        self.options -= of_options

    def take_off(self, run: Run, cents: int) -> None:
        run.amount -= cents
        self.amount -= cents

    def take_off_options(self, cents: int) -> None:
        """Takes `cents` off the options alone."""
        self.options -= cents
        self.amount -= cents

    def cut(self, run: Run, quantity: int) -> Run:
        """The cheapest `quantity` units of a run, as a run of their own before the others."""
        if quantity == run.quantity:
            return run
        price, dearer = divmod(run.amount, run.quantity)
        amount = quantity * price + max(0, quantity - (run.quantity - dearer))
        first = Run(quantity, amount, run.is_free, run.is_repriced)
        run.quantity -= quantity
        run.amount -= amount
        self.runs.insert(self.runs.index(run), first)
        return first

    def leave(self, run: Run, quantity: int) -> None:
        """Cuts all but the most expensive `quantity` units off a run."""
        if quantity < run.quantity:
            self.cut(run, run.quantity - quantity)

    def give(self, run: Run, quantity: int) -> int:
        given = self.cut(run, quantity)
        cents = given.amount
        self.take_off(given, cents)
        given.is_free = True
        return cents

    def share(self, cents: int) -> Share:
        return Share(cents, self.line.id)


class UnitsPart(Items):
    """Some units of a line, without its options."""

    __slots__ = ("_whole", "runs")

    def __init__(self, whole: LinePart, runs: list[Run]) -> None:
        self._whole = whole
        self.runs = runs

    @property
    def whole(self) -> LinePart:
        return self._whole

    @property
    def line(self) -> Line:  # type: ignore[override]
        return self._whole.line

    @property
    def amount(self) -> int:  # type: ignore[override]
        return sum(run.amount for run in self.runs)

    def take(self, cents: int) -> None:
        for run, share in zip(self.runs, spread(cents, [run.amount for run in self.runs]), strict=True):
            self._whole.take_off(run, share)

    def take_off(self, run: Run, cents: int) -> None:
        self._whole.take_off(run, cents)

    def give(self, run: Run, quantity: int) -> int:
        return self._whole.give(run, quantity)

    def share(self, cents: int) -> Share:
        return self._whole.share(cents)


def dearest(parts: Sequence[Items], most: int) -> list[Items]:
    """The `most` units of several lines of which most is left to pay, equal ones in the order of the lines.

    Units that were given away are none of them.
    """
    runs = [*units_of(parts)]
    quantity_of = [0] * len(runs)
    for price, place in sorted((-price, place) for place, (_, run) in enumerate(runs) for price in prices(run)):
        quantity = min(most, prices(runs[place][1])[-price])
        quantity_of[place] += quantity
        most -= quantity
    chosen: dict[LinePart, list[Run]] = {}
    for (part, run), quantity in zip(runs, quantity_of, strict=True):
        if quantity:
            part.whole.leave(run, quantity)
            chosen.setdefault(part.whole, []).append(run)
    return [UnitsPart(whole, of_line) for whole, of_line in chosen.items()]


def dearest_of_each(parts: Sequence[Items], key: Callable[[Items], Any], most_of: Mapping[Any, int]) -> list[Items]:
    """Of parts that are alike by `key` so many units together, the most expensive ones; without a number all of it."""
    chosen: dict[LinePart, Items] = {part.whole: part for part in parts if key(part) not in most_of}
    for like, most in most_of.items():
        chosen |= {units.whole: units for units in dearest([part for part in parts if key(part) == like], most)}
    return [chosen[part.whole] for part in parts if part.whole in chosen]


def prices(run: Run) -> dict[int, int]:
    """Price of a unit -> how many units of the run have it, cheaper ones first."""
    price, dearer = divmod(run.amount, run.quantity)
    return {price: run.quantity - dearer} | ({price + 1: dearer} if dearer else {})


class Cart:
    """An order and what is left of each of its parts."""

    __slots__ = ("_listed", "has_free_shipping", "items_discount", "lines", "order", "shipments", "subtotal")

    def __init__(self, order: Order) -> None:
        self.order = order
        self.lines = [LinePart(line) for line in order.lines]
        self.shipments = [ShipmentPart(shipment) for shipment in order.shipments]
        self.subtotal = sum(part.amount for part in self.lines)
        self.items_discount = 0
        self.has_free_shipping = False
        self._listed: dict[int, list[LinePart]] = {}
        for part in self.lines:
            for sku_list_id in part.line.lists:
                self._listed.setdefault(sku_list_id, []).append(part)

    @property
    def total(self) -> int:
        """What is left to pay, shipping included."""
        return sum(part.amount for part in self.lines) + sum(part.amount for part in self.shipments)

    def listed(self, sku_list_id: int) -> Sequence[LinePart]:
        """The lines whose item the SKU list holds."""
        return self._listed.get(sku_list_id, ())

    def targets(self, promotion: Promotion) -> Sequence[Items]:
        """The lines a promotion is for, or the units of them."""
        sku_list = promotion.sku_list_id
        targets: Sequence[Items]
        if sku_list is None:
            targets = [part for part in self.lines if part.line.discountable]
        else:
            targets = self.listed(sku_list)
            most = {part.item: most for part in targets if (most := part.line.lists[sku_list].max_per_coupon)}
            if most:
                targets = dearest_of_each(targets, lambda part: part.item, most)
        for selection in promotion.selections:
            targets = selection.selected(targets)
        if promotion.applies_to_count is not None and promotion.is_for_items:
            targets = dearest(targets, promotion.applies_to_count)
        return targets

    def holding(self, targets: Sequence[Items]) -> Sequence[ShipmentPart]:
        """The shipments that hold one of these lines."""
        lines = {target.line.id for target in targets}
        held = [lines if part.shipment.lines is None else lines & part.shipment.lines for part in self.shipments]
        return [part for part, found in zip(self.shipments, held, strict=True) if found]

    def taken(self, parts: Iterable[tuple[Items | ShipmentPart, int]]) -> tuple[Share, ...]:
        """Notes what was taken off parts; one share a line or shipment, in their order."""
        cents_of: dict[LinePart | ShipmentPart, int] = {}
        for part, cents in parts:
            if cents:
                whole = part.whole
                cents_of[whole] = cents_of.get(whole, 0) + cents
        self.items_discount += sum(cents_of[line] for line in self.lines if line in cents_of)
        return tuple([part.share(cents_of[part]) for part in (*self.lines, *self.shipments) if part in cents_of])


def units_of(parts: Iterable[Items]) -> Iterator[tuple[Items, Run]]:
    """The runs of lines that can still be given away."""
    return ((part, run) for part in parts for run in part.runs if not run.is_free)
