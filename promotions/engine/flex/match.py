"""Judging conditions: which members of the order each one finds, and what its groups hold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from promotions.engine.flex.catalogue import ANY, ORDER, Path
from promotions.engine.flex.document import Document
from promotions.engine.flex.matchers import FOUND, Matcher, Operator
from promotions.engine.flex.values import Value, numbers

Within = Mapping[str, Collection[int]]
"""Collection -> the places that are looked at; all of them where it is missing."""


class Groups:
    """The members of the order that the conditions of a rule found, by the name of the group."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], set[int]] = {}

    def add(self, group: str, collection: str, places: Collection[int]) -> None:
        self._places.setdefault((group, collection), set()).update(places)

    def has(self, group: str, collection: str, place: int) -> bool:
        """Whether a member is in the group. A group of the order holds whatever is in it, and the other way round."""
        if self._places.get((group, ORDER)):
            return True
        if collection == ORDER:
            return any(places for (name, _), places in self._places.items() if name == group)
        return place in self._places.get((group, collection), ())


@dataclass(frozen=True, slots=True)
class Finding:
    """What a condition found: it holds where it found anything."""

    condition: "Condition"
    places: Sequence[int]
    nested: tuple["Finding", ...] = ()

    @property
    def holds(self) -> bool:
        return bool(self.places)

    def grouped(self, groups: Groups) -> None:
        if self.holds:
            if self.condition.group:
                groups.add(self.condition.group, self.condition.path.collection, self.places)
            for finding in self.nested:
                finding.grouped(groups)

    def outcome(self, document: Document) -> dict[str, Any]:
        collection = self.condition.path.collection
        return {
            "field": self.condition.path.text,
            "matcher": self.condition.matcher_name,
            "group": self.condition.group,
            "match": self.holds,
            "matches": [document.label(collection, place) for place in self.places],
        } | ({"nested": [one.outcome(document) for one in self.nested]} if self.nested else {})


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A number made of an attribute of the members found, compared with `value`."""

    path: Path
    operator: Operator
    matcher: Matcher
    value: int | Fraction

    def holds(self, document: Document, places: Sequence[int]) -> bool:
        mine = (0,) if self.path.collection == ORDER else places
        values = numbers(document, self.path, mine) if self.operator.numeric else list(self._values(document, mine))
        result = self.operator.of(values)
        return result is not None and self.matcher.holds(result, self.value)

    def _values(self, document: Document, places: Sequence[int]) -> Iterator[Any]:
        found = (FOUND[ANY](value) for place in places for value in document.values(self.path, place))
        return (value for value in found if value is not None)


@dataclass(frozen=True, slots=True)
class Condition:
    """`type` is how values are compared; `value` is None where the matcher needs none."""

    path: Path
    matcher_name: str
    matcher: Matcher
    type: str
    value: Value | None = None
    scope: str = "any"
    group: str | None = None
    aggregations: tuple[Aggregation, ...] = ()
    nested: "Conditions | None" = None

    def judge(self, document: Document, within: Within) -> Finding:
        """What it finds among the members looked at."""
        collection = self.path.collection
        places = self._matching(document, within.get(collection, document.places(collection)))
        if not all(one.holds(document, places) for one in self.aggregations):
            places = []
        if not places or self.nested is None:
            return Finding(self, places)
        inner = self.nested.judge(document, {**within, collection: places})
        return Finding(self, self.nested.kept(inner, collection, places), inner)

    def _matching(self, document: Document, places: Collection[int]) -> list[int]:
        """With scope `all` nothing, unless all values match that there are."""
        verdicts = {place: self._verdicts(document, place) for place in places}
        if self.scope == "all" and not all(all(verdict) for verdict in verdicts.values()):
            return []
        return [place for place, verdict in verdicts.items() if any(verdict)]

    def _verdicts(self, document: Document, place: int) -> list[bool]:
        """Whether it matches, for each value that the member has."""
        values = document.values(self.path, place)
        wanted = self.value.of(document, place) if self.value else None
        if self.matcher.of_lists:
            return [self.matcher.holds(values, wanted)]
        found = (FOUND[self.type](value) for value in values)
        return [one is not None and wanted is not None and self.matcher.holds(one, wanted) for one in found]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Several of them; without any they hold."""

    logic: str
    conditions: tuple[Condition, ...]

    def judge(self, document: Document, within: Within) -> tuple[Finding, ...]:
        """Each is judged, whatever the others found: their groups may be acted on."""
        return tuple(condition.judge(document, within) for condition in self.conditions)

    def hold(self, findings: Sequence[Finding]) -> bool:
        verdicts = [finding.holds for finding in findings]
        return all(verdicts) if self.logic == "and" else any(verdicts) or not verdicts

    def kept(self, findings: Sequence[Finding], collection: str, places: Sequence[int]) -> list[int]:
        """Which of the members that a condition found remain after its nested ones: by `and` those that all found."""
        found = [
            set(one.places) if one.condition.path.collection == collection else set(places) if one.holds else set()
            for one in findings
        ]
        return [place for place in places if self._keeps([place in places for places in found])]

    def _keeps(self, verdicts: Sequence[bool]) -> bool:
        return all(verdicts) if self.logic == "and" else any(verdicts) or not verdicts
