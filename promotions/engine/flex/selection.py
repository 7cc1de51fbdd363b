"""Which targets an action gets: by selector, identifier, groups and aggregation, then cut to a quantity."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promotions.engine.flex.catalogue import ORDER, Path, Selector
from promotions.engine.flex.document import Document
from promotions.engine.flex.match import Aggregation, Groups
from promotions.engine.flex.targets import TARGETS, Target
from promotions.engine.flex.values import numbers


@dataclass(frozen=True, slots=True)
class Sort:
    """By a number of each target; those without one come last, ties stay in the order of the cart."""

    path: Path | None
    descending: bool

    def sorted(self, document: Document, targets: Iterable[Target]) -> list[Target]:
        return sorted(targets, key=lambda target: self._key(document, target))

    def _key(self, document: Document, target: Target) -> tuple[bool, object]:
        found = self.path and numbers(document, self.path, [0 if self.path.collection == ORDER else target.place])
        if not found:
            return True, 0
        return False, -found[0] if self.descending else found[0]


@dataclass(frozen=True, slots=True)
class Limit:
    """The first `units` units."""

    units: int
    sort: Sort

    def cut(self, document: Document, targets: Sequence[Target]) -> Iterator[Target]:
        return _first(self.units, self.sort.sorted(document, targets))


@dataclass(frozen=True, slots=True)
class Bundle:
    """Without `every` as many units of each group as the smallest one has, else a multiple of `every` of the group."""

    groups: tuple[str, ...]
    sort: Sort
    every: int | None = None

    def cut(self, document: Document, targets: Sequence[Target], groups: Groups, collection: str) -> Iterator[Target]:
        shelves: dict[str, list[Target]] = {group: [] for group in self.groups}
        for target in self.sort.sorted(document, targets):
            shelf = next((one for one in self.groups if groups.has(one, collection, target.place)), None)
            if shelf is not None:
                shelves[shelf].append(target)
        wanted = self._wanted([sum(target.quantity for target in shelf) for shelf in shelves.values()])
        return (target for shelf in shelves.values() for target in _first(wanted, shelf))

    def _wanted(self, counted: Sequence[int]) -> int:
        return min(counted) if self.every is None else counted[0] - counted[0] % self.every


def _first(units: int, targets: Iterable[Target]) -> Iterator[Target]:
    for target in targets:
        quantity = min(units, target.quantity)
        if quantity:
            yield target.first(quantity)
        units -= quantity


def _texts(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values if value is not None]


@dataclass(frozen=True, slots=True)
class Selection:
    """`named` is the attribute of the selector and the identifier it must have; no `groups` are all targets."""

    text: str
    selector: Selector
    named: tuple[Path, str] | None = None
    groups: tuple[str, ...] = ()
    aggregation: Aggregation | None = None
    quantity: int | None = None
    limit: Limit | None = None
    bundle: Bundle | None = None

    def targets(self, document: Document, groups: Groups) -> list[Target]:
        """In the order of the cart."""
        if self.selector.takes is None:
            return []
        every = TARGETS[self.selector.takes](document.cart, self.selector)
        found = [target for target in every if self._is_meant(document, target.place, groups)]
        places = [target.place for target in found]
        if self.aggregation and not self.aggregation.holds(document, places):
            return []
        return sorted(self._cut(document, found, groups), key=lambda target: target.place)

    def _is_meant(self, document: Document, place: int, groups: Groups) -> bool:
        place = 0 if self.selector.collection == ORDER else place
        if self.named and self.named[1] not in _texts(document.values(self.named[0], place)):
            return False
        return not self.groups or any(groups.has(one, self.selector.collection, place) for one in self.groups)

    def _cut(self, document: Document, targets: Sequence[Target], groups: Groups) -> Iterable[Target]:
        if self.quantity is not None:
            targets = [target.first(min(self.quantity, target.quantity)) for target in targets]
        if self.limit:
            return self.limit.cut(document, targets)
        if self.bundle:
            return self.bundle.cut(document, targets, groups, self.selector.collection)
        return targets
