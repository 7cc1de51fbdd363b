"""`filter` and `q` of collections: what is asked in the query, as conditions for the database.

    status:issued;discount.currency:EUR,USD;expiredTime:!2026-01-01T00:00:00Z..;redemptionsCount:..5

`;` between fields is AND, `,` between values OR, `!` before the values negates them all, `a..b`, `a..` and `..b` are
inclusive ranges. Text is compared as a whole, whatever its case; a date alone is the whole day, of UTC.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from datetime import time as time_of_day
from decimal import Decimal
from functools import partial, reduce
from operator import and_, or_
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.dateparse import parse_date

from commerce.codes import normalise_code
from commerce.money import FOUR_DIGITS, THREE_DIGITS, TWO_DIGITS, ZERO_DIGITS
from coupons.dialects.entry import Problem

MOST_VALUES = 100
"""Of one request: SQLite takes no deeper expression."""


class Field(NamedTuple):
    """`parse` makes a value of what was sent, or raises ValueError with what it must be.

    `where(lookup, value)` is the condition that it is so; `lookup` is exact, gte or lte, the latter of what has an
    order alone.
    """

    parse: Callable[[str], Any]
    where: Callable[[str, Any], Q]
    is_ordered: bool = False
    is_id: bool = False
    """Ids may begin with `@`, which names a list of values elsewhere."""


# --- Kinds of fields ------------------------------------------------------------------------------


def text(column: str) -> Field:
    return Field(like, lambda lookup, value: _column(column, "ilike", value))


def code(column: str) -> Field:
    return Field(normalise_code, partial(_column, column), is_id=True)


def whole(column: str) -> Field:
    return Field(_whole, partial(_column, column), True)


def exact(column: str) -> Field:
    """Of a column that holds decimals."""
    return Field(_decimal, partial(_column, column), True)


def time(column: str) -> Field:
    return Field(_span, partial(_within, column), True)


def choice(conditions: Mapping[str, Q]) -> Field:
    """One of a few words, each with the condition that it is said of a row."""
    return Field(partial(_one_of, conditions), lambda lookup, value: conditions[value])


def currency(column: str) -> Field:
    return Field(str.upper, partial(_column, column))


def amount(column: str, currency_column: str) -> Field:
    """An amount of major units, of a column that holds minor ones."""

    def where(lookup: str, value: Decimal) -> Q:
        of = {digits: _column(currency_column, "in", sorted(codes)) for digits, codes in _DIGITS.items()}
        return reduce(or_, (of[digits] & _cents(column, lookup, value.scaleb(digits)) for digits in of))

    return Field(_decimal, where, True)


_DIGITS = {0: ZERO_DIGITS, 2: TWO_DIGITS, 3: THREE_DIGITS, 4: FOUR_DIGITS}
_NOTHING = Q(pk__in=())
_ROUNDED = {"gte": "ROUND_CEILING", "lte": "ROUND_FLOOR"}


def _cents(column: str, lookup: str, cents: Decimal) -> Q:
    """Between two cents nothing is equal; from there on means from the next."""
    if cents == cents.to_integral_value():
        return _column(column, lookup, int(cents))
    return _column(column, lookup, int(cents.to_integral_value(_ROUNDED[lookup]))) if lookup in _ROUNDED else _NOTHING


def _column(column: str, lookup: str, value: Any) -> Q:
    """Of a column that is null it is false, so that the contrary holds."""
    return Q((f"{column}__isnull", False), (f"{column}__{lookup}", value))


def _within(column: str, lookup: str, span: tuple[datetime, datetime]) -> Q:
    first, last = span
    return {
        "exact": _column(column, "range", span),
        "gte": _column(column, "gte", first),
        "lte": _column(column, "lte", last),
    }[lookup]


def _whole(sent: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", sent):
        raise ValueError("must be a whole number")
    return int(sent)


def _decimal(sent: str) -> Decimal:
    if not re.fullmatch(r"-?[0-9]{1,13}(\.[0-9]{1,4})?", sent):
        raise ValueError("must be a number, with up to four decimals")
    return Decimal(sent)


def _span(sent: str) -> tuple[datetime, datetime]:
    """From the first to the last microsecond of what is a time or a day."""
    try:
        # A plus that was not escaped arrives as a space.
        moment = instant(re.sub(r" (?=[0-9]{2}:[0-9]{2}\Z)", "+", sent))
        return moment, moment
    except ValueError:
        pass
    try:
        day = parse_date(sent)
    except ValueError:
        day = None
    if day is None:
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    return datetime.combine(day, time_of_day.min, UTC), datetime.combine(day, time_of_day.max, UTC)


def instant(sent: str) -> datetime:
    """RFC 3339, in UTC. Raises ValueError."""
    found = _RFC_3339.fullmatch(sent)
    if found is None:
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    try:
        return datetime.fromisoformat(sent.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the times there are") from None


_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _one_of(words: Mapping[str, Q], sent: str) -> str:
    found = next((word for word in words if word.lower() == sent.lower()), None)
    if found is None:
        raise ValueError(f"must be one of {', '.join(words)}")
    return found


# --- The grammar ----------------------------------------------------------------------------------


def condition(asked: str, fields: Mapping[str, Field]) -> Q:
    """Raises Problem with what cannot be understood."""
    clauses = [clause for clause in asked.split(";") if clause.strip()]
    if sum(clause.count(",") + 1 for clause in clauses) > MOST_VALUES:
        raise _malformed(f"has more than {MOST_VALUES} values")
    return reduce(and_, (_clause(clause, fields) for clause in clauses), Q())


def _clause(clause: str, fields: Mapping[str, Field]) -> Q:
    name, colon, values = (part.strip() for part in clause.partition(":"))
    if not colon or not values:
        raise _malformed(f"{clause} must be a field, a colon and values")
    if name not in fields:
        raise _malformed(f"{name} is not one of {', '.join(fields)}")
    is_negated = values.startswith("!")
    wanted = reduce(or_, (_value(name, fields[name], each.strip()) for each in values.removeprefix("!").split(",")))
    return ~wanted if is_negated else wanted


def _value(name: str, field: Field, sent: str) -> Q:
    if not sent:
        raise _malformed(f"{name} must not be blank")
    if sent.startswith("@") and not field.is_id:
        raise _malformed(f"{name} cannot be compared with {sent}: no lists of values are kept here")
    least, dots, most = sent.partition("..")
    try:
        if not dots or not field.is_ordered:
            return field.where("exact", field.parse(sent))
        if not least and not most:
            raise ValueError("must have a bound")
        bounds = (("gte", least), ("lte", most))
        return reduce(and_, (field.where(lookup, field.parse(bound)) for lookup, bound in bounds if bound))
    except ValueError as problem:
        raise _malformed(f"{name} {problem}") from None


def _malformed(problem: str) -> Problem:
    return Problem(400, f"filter: {problem}.", [("filter", problem)])


def containing(sent: str, columns: Sequence[str]) -> Q:
    """That one of the columns holds the text, whatever its case."""
    return reduce(or_, (Q((f"{column}__ilike", f"%{like(sent)}%")) for column in columns))


def like(sent: str) -> str:
    """The text as a pattern of itself."""
    return re.sub(r"([\\%_])", r"\\\1", sent)
