"""What is left to pay while promotions are applied one after another."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promotions.engine.allocation import spread
from promotions.engine.types import Line, Order, Share, Shipment


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


class ShipmentPart(Part):
    __slots__ = ("shipment",)

    def __init__(self, shipment: Shipment) -> None:
        self.shipment = shipment
        self.amount = shipment.amount_cents

    def take(self, cents: int) -> None:
        self.amount -= cents

    def share(self, cents: int) -> Share:
        return Share(cents, None, self.shipment.id)


class LinePart(Part):
    """A line: its units, as runs once promotions told them apart, and its options, which no promotion counts."""

    __slots__ = ("_runs", "_units", "line", "options")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.options = line.options_amount_cents
        self._units = line.quantity * line.unit_amount_cents
        self._runs: list[Run] | None = None
        self.amount = self._units + self.options

    @property
    def item(self) -> tuple[str, str]:
        return self.line.item_type, self.line.code

    @property
    def runs(self) -> list[Run]:
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
        """Takes `cents` off one of the runs."""
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

    def give(self, run: Run, quantity: int) -> int:
        """Makes `quantity` units of a run free; the cents that were left of them."""
        given = self.cut(run, quantity)
        cents = given.amount
        self.take_off(given, cents)
        given.is_free = True
        return cents

    def share(self, cents: int) -> Share:
        return Share(cents, self.line.id)


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

    def targets(self, sku_list_id: int | None) -> Sequence[LinePart]:
        """The lines a promotion is for, by its SKU list."""
        if sku_list_id is None:
            return [part for part in self.lines if part.line.discountable]
        return self.listed(sku_list_id)

    def taken(self, lines: Iterable[tuple[LinePart, int]]) -> tuple[Share, ...]:
        """Notes what was taken off lines; one share a line, in the order of the lines."""
        cents_of: dict[LinePart, int] = {}
        for part, cents in lines:
            if cents:
                cents_of[part] = cents_of.get(part, 0) + cents
        self.items_discount += sum(cents_of.values())
        return tuple([part.share(cents_of[part]) for part in self.lines if part in cents_of])


def units_of(parts: Iterable[LinePart]) -> Iterator[tuple[LinePart, Run]]:
    """The runs of lines that can still be given away."""
    return ((part, run) for part in parts for run in part.runs if not run.is_free)
