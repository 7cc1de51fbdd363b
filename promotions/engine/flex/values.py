"""What conditions compare with: values as written, and those in double braces that depend on order and day."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

from promotions.engine.flex.catalogue import ANY, DATETIME, INTEGER, NUMBERS, ORDER, Path, path_of
from promotions.engine.flex.document import Document
from promotions.engine.flex.matchers import FOUND, OPERATORS, Day, average, exact


class Value(Protocol):
    """`type` is None where anything fits: what is written was checked already."""

    @property
    def type(self) -> str | None: ...

    def of(self, document: Document, place: int) -> Any:
        """What it is for one member of the condition's collection; None where it cannot be said."""


@dataclass(frozen=True, slots=True)
class Written:
    value: Any
    type: None = None

    def of(self, document: Document, place: int) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class Several:
    """A list or a range, each item of which is a value."""

    values: tuple[Value, ...]
    type: None = None

    def of(self, document: Document, place: int) -> Any:
        found = tuple(one.of(document, place) for one in self.values)
        return None if None in found else found


@dataclass(frozen=True, slots=True)
class Today:
    type: str = DATETIME

    def of(self, document: Document, place: int) -> Day:
        return Day(document.now.astimezone(UTC).date())


@dataclass(frozen=True, slots=True)
class Reference:
    """Another attribute, of the same member or of the order, read as what it is compared with."""

    path: Path
    kind: str

    @property
    def type(self) -> str:
        return self.path.type

    def of(self, document: Document, place: int) -> Any:
        found = document.values(self.path, 0 if self.path.collection == ORDER else place)
        return FOUND[self.kind](found[0]) if found else None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`min`, `max` or `avg` of an attribute over the whole order, which is worked out once for a document."""

    operator: Callable[[Sequence[int | Fraction]], int | Fraction | None]
    path: Path
    type: str = INTEGER

    def of(self, document: Document, place: int) -> int | Fraction | None:
        if self not in document.aggregates:
            found = numbers(document, self.path, document.places(self.path.collection))
            document.aggregates[self] = self.operator(found)
        return document.aggregates[self]


def numbers(document: Document, path: Path, places: Sequence[int]) -> list[int | Fraction]:
    """The numbers at a path of some members."""
    found = (exact(value) for place in places for value in document.values(path, place))
    return [number for number in found if number is not None]


@dataclass(frozen=True, slots=True)
class PartOfDate:
    """The day, the month or the year of a moment, in UTC."""

    name: str
    moment: Value
    type: str = INTEGER

    def of(self, document: Document, place: int) -> int | None:
        found = self.moment.of(document, place)
        return None if found is None else getattr(_date(found), self.name)


@dataclass(frozen=True, slots=True)
class DateRange:
    """From a moment to so many days, weeks, months or years later, or earlier."""

    start: Value
    count: int
    unit: str
    type: str = DATETIME

    def of(self, document: Document, place: int) -> tuple[Any, Any] | None:
        start = self.start.of(document, place)
        if start is None:
            return None
        try:
            end = Day(self._moved(start.date)) if isinstance(start, Day) else self._moved_instant(start)
        except (ValueError, OverflowError):
            return None
        return (start, end) if self.count >= 0 else (end, start)

    def _moved(self, day: date) -> date:
        if self.unit in _DAYS:
            return day + timedelta(days=self.count * _DAYS[self.unit])
        months = day.year * 12 + day.month - 1 + self.count * _MONTHS[self.unit]
        first = date(months // 12, months % 12 + 1, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return min(first + timedelta(days=day.day - 1), last)

    def _moved_instant(self, start: datetime) -> datetime:
        moved = start.astimezone(UTC)
        return datetime.combine(self._moved(moved.date()), moved.time(), UTC)


_DAYS: Mapping[str, int] = {"day": 1, "week": 7}
_MONTHS: Mapping[str, int] = {"month": 1, "year": 12}


def _date(found: Day | datetime) -> date:
    return found.date if isinstance(found, Day) else found.astimezone(UTC).date()


# --- Reading them ---------------------------------------------------------------------------------


class Unreadable(Exception):
    """Why a dynamic value cannot be used."""


_BRACES = re.compile(r"\{\{(.*)\}\}", re.DOTALL)
_CALL = re.compile(r"(\w+)\s*\((.*)\)", re.DOTALL)
_SPAN = re.compile(r"(-?\d{1,4})\.(day|week|month|year)s?")
_OVER_ALL: Mapping[str, Callable[[Sequence[int | Fraction]], int | Fraction | None]] = {
    "min": OPERATORS["min"].of,
    "max": OPERATORS["max"].of,
    "avg": average,
}


def is_dynamic(value: object) -> bool:
    return isinstance(value, str) and value.startswith("{{") and value.endswith("}}")


def dynamic(text: str, collection: str, kind: str) -> Value:
    """The value that `{{...}}` stands for in a condition on that collection and type. Raises Unreadable."""
    inside = _BRACES.fullmatch(text)
    return _expression(inside[1].strip() if inside else "", collection, kind)


def _expression(text: str, collection: str, kind: str) -> Value:
    if text == "today":
        return Today()
    call = _CALL.fullmatch(text)
    if call is None:
        return _reference(text, collection, kind)
    name, inner = call[1], call[2].strip()
    if name in _OVER_ALL:
        return Aggregate(_OVER_ALL[name], _numeric(inner))
    if name in ("day", "month", "year"):
        return PartOfDate(name, _moment(inner, collection))
    if name == "range":
        return _range(inner, collection)
    raise Unreadable("calls no known function: min, max, avg, day, month, year or range")


def _reference(text: str, collection: str, kind: str) -> Reference:
    path = path_of(text)
    if path is None:
        raise Unreadable("names no known field, today or function")
    if path.is_list or path.collection not in (ORDER, collection):
        raise Unreadable("names a field of several values: take min, max or avg of it")
    return Reference(path, kind)


def _numeric(text: str) -> Path:
    path = path_of(text)
    if path is None or path.type not in (*NUMBERS, ANY):
        raise Unreadable("takes min, max or avg of something that is no known numeric field")
    return path


def _moment(text: str, collection: str) -> Value:
    found = Today() if text == "today" else _reference(text, collection, DATETIME)
    if found.type not in (DATETIME, ANY):
        raise Unreadable("takes a date of a field that is none")
    return found


def _range(inner: str, collection: str) -> DateRange:
    start, _, length = inner.rpartition(",")
    span = _SPAN.fullmatch(length.strip())
    if span is None:
        raise Unreadable("has a range without a length such as 7.days, 2.weeks, 3.months or 1.years")
    return DateRange(_moment(start.strip(), collection), int(span[1]), span[2])
