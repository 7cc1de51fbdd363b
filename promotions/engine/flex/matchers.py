"""How values compare: which matcher takes which types, and what each of them asks."""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import total_ordering
from typing import Any

from promotions.engine.flex.catalogue import ANY, BOOLEAN, DATETIME, FLOAT, INTEGER, NUMBERS, STRING

# --- Values that compare --------------------------------------------------------------------------


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A whole day in UTC. An instant in it is equal to it, one before it is less."""

    date: date

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Day | datetime) and _date(other) == self.date

    def __lt__(self, other: "Day | datetime") -> bool:
        return self.date < _date(other)

    def __hash__(self) -> int:
        return hash(self.date)


def _date(moment: Day | datetime) -> date:
    return moment.date if isinstance(moment, Day) else moment.astimezone(UTC).date()


MAX_DIGITS = 30


def exact(value: object) -> int | Fraction | None:
    """A number as it is written, None for what is none. Numbers of absurd length are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
        return None
    if isinstance(value, int | Fraction):
        return value
    written = Decimal(str(value))
    if not written.is_finite() or abs(written.adjusted()) > MAX_DIGITS or len(written.as_tuple().digits) > MAX_DIGITS:
        return None
    return Fraction(written)


def moment(value: object) -> datetime | Day | None:
    """An instant, or a day where only a date is written; None for what is neither."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return Day(value)
    if not isinstance(value, str):
        return None
    try:
        return Day(date.fromisoformat(value))
    except ValueError:
        return _instant(value)


def _instant(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _found_moment(value: object) -> datetime | None:
    """An instant of the order; a day in it counts from its start."""
    found = moment(value)
    return datetime.combine(found.date, datetime.min.time(), UTC) if isinstance(found, Day) else found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _whatever(value: object) -> tuple[str, Any] | None:
    """A value of a type nobody declared: equal only to one of its own kind."""
    if isinstance(value, bool | str):
        return type(value).__name__, value
    number = exact(value)
    return None if number is None else ("number", number)


Convert = Callable[[object], Any]

FOUND: Mapping[str, Convert] = {
    INTEGER: exact,
    FLOAT: exact,
    DATETIME: _found_moment,
    STRING: _text,
    BOOLEAN: _flag,
    ANY: _whatever,
}
"""Type -> how a value of the order is read; None for one that is not of the type."""

WANTED: Mapping[str, Convert] = {**FOUND, DATETIME: moment}
"""Type -> how a value of a rule is read."""


# --- Matchers -------------------------------------------------------------------------------------

ONE, PAIR, MANY, PATTERN, SETS, NOTHING = "one", "pair", "many", "pattern", "sets", "nothing"


@dataclass(frozen=True, slots=True)
class Matcher:
    """`holds(found, wanted)` for a value of one of `types`; `shape` is what a rule must write as the value.

    With SETS and NOTHING `found` is the list of all values that one member has.
    """

    shape: str
    types: tuple[str, ...]
    holds: Callable[[Any, Any], bool]

    @property
    def of_lists(self) -> bool:
        return self.shape in (SETS, NOTHING)


def _ignoring(test: Callable[[str, Any], bool]) -> Callable[[str, Any], bool]:
    return lambda found, wanted: not test(found, wanted)


def _matches(found: str, pattern: Callable[[str], bool]) -> bool:
    return pattern(found)


def _between(above: Callable[[Any, Any], bool], below: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, ends: above(found, ends[0]) and below(found, ends[1])


def _is_in(found: Any, wanted: Collection[Any]) -> bool:
    return any(found == one for one in wanted)


def _is_multiple(found: int | Fraction, wanted: int | Fraction) -> bool:
    return bool(wanted) and found % wanted == 0


ARRAY_TESTS: Mapping[str, Callable[[Sequence[Any], Sequence[Any]], bool]] = {
    "in_and": lambda found, wanted: all(one in found for one in wanted),
    "in_or": lambda found, wanted: any(one in found for one in wanted),
    "not_in_and": lambda found, wanted: not any(one in found for one in wanted),
    "not_in_or": lambda found, wanted: not all(one in found for one in wanted),
}
"""All of them, one of them, none of them, not all of them."""


def _array_match(found: Sequence[Any], wanted: Mapping[str, Sequence[Any]]) -> bool:
    there = [_whatever(one) for one in found]
    return all(ARRAY_TESTS[test](there, [_whatever(one) for one in ones]) for test, ones in wanted.items())


def is_blank(value: object) -> bool:
    return value is None or value in ("", (), [], {}) or (isinstance(value, str) and value.isspace())


_ALL = (INTEGER, FLOAT, DATETIME, STRING, BOOLEAN)
_ORDERED = (*NUMBERS, DATETIME)
_LISTABLE = (*NUMBERS, DATETIME, STRING)

MATCHERS: Mapping[str, Matcher] = {
    "eq": Matcher(ONE, _ALL, operator.eq),
    "not_eq": Matcher(ONE, _ALL, operator.ne),
    "start_with": Matcher(ONE, (STRING,), str.startswith),
    "not_start_with": Matcher(ONE, (STRING,), _ignoring(str.startswith)),
    "end_with": Matcher(ONE, (STRING,), str.endswith),
    "not_end_with": Matcher(ONE, (STRING,), _ignoring(str.endswith)),
    "matches": Matcher(PATTERN, (STRING,), _matches),
    "does_not_match": Matcher(PATTERN, (STRING,), _ignoring(_matches)),
    "multiple": Matcher(ONE, NUMBERS, _is_multiple),
    "lt": Matcher(ONE, _ORDERED, operator.lt),
    "lteq": Matcher(ONE, _ORDERED, operator.le),
    "gt": Matcher(ONE, _ORDERED, operator.gt),
    "gteq": Matcher(ONE, _ORDERED, operator.ge),
    "gt_lt": Matcher(PAIR, _ORDERED, _between(operator.gt, operator.lt)),
    "gteq_lt": Matcher(PAIR, _ORDERED, _between(operator.ge, operator.lt)),
    "gt_lteq": Matcher(PAIR, _ORDERED, _between(operator.gt, operator.le)),
    "gteq_lteq": Matcher(PAIR, _ORDERED, _between(operator.ge, operator.le)),
    "is_in": Matcher(MANY, _LISTABLE, _is_in),
    "is_not_in": Matcher(MANY, _LISTABLE, _ignoring(_is_in)),
    "array_match": Matcher(SETS, _ALL, _array_match),
    "blank": Matcher(NOTHING, _ALL, lambda found, _: all(map(is_blank, found))),
    "present": Matcher(NOTHING, _ALL, lambda found, _: not all(map(is_blank, found))),
    "null": Matcher(NOTHING, _ALL, lambda found, _: all(one is None for one in found)),
    "not_null": Matcher(NOTHING, _ALL, lambda found, _: not all(one is None for one in found)),
}
"""A value that is missing matches none of those that compare it, neither the positive nor the negative ones."""

AGGREGATION_MATCHERS = ("multiple", "eq", "not_eq", "lt", "lteq", "gt", "gteq")


# --- Operators ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operator:
    """Makes one number of many values; None of none. `numeric` ones take numbers only."""

    numeric: bool
    of: Callable[[Sequence[Any]], int | Fraction | None]


OPERATORS: Mapping[str, Operator] = {
    "sum": Operator(True, sum),
    "min": Operator(True, lambda found: min(found, default=None)),
    "max": Operator(True, lambda found: max(found, default=None)),
    "count": Operator(False, len),
    "count_uniq": Operator(False, lambda found: len(set(found))),
}


def average(found: Sequence[int | Fraction]) -> Fraction | None:
    return Fraction(sum(found)) / len(found) if found else None
