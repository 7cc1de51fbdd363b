"""The `filters` of a custom rule, from the wire to the engine: `{"market_id_in": "id,id"}`.

At the vendor a filter that is not understood matches every order. Here it is refused when it is saved.
"""

from typing import Any

from django.core.exceptions import ValidationError

from commerce import ids
from promotions.engine.conditions import AMOUNTS, ATTRIBUTES, IDS, MATCHERS, Custom, Filter

LISTS = frozenset({"in", "not_in", "end_any"})
ORDERINGS = frozenset({"gteq", "gt", "lteq", "lt"})


def compiled(filters: object) -> Custom:
    """Raises ValidationError, which names the filter, where one could not do what it says."""
    if not isinstance(filters, dict) or not filters:
        raise ValidationError("must be an object of at least one filter", code="blank")
    return Custom(tuple(_filter(key, value) for key, value in sorted(filters.items())))


def _filter(key: str, value: object) -> Filter:
    attribute, matcher = _parts(key)
    if (matcher in ORDERINGS) != (attribute in AMOUNTS) and matcher not in ("eq", "in", "not_in"):
        raise _invalid(key, f"cannot be compared by {matcher}")
    if matcher == "end_any" and attribute in IDS:
        raise _invalid(key, "cannot be compared by end_any")
    values = _values(value) if matcher in LISTS else [value]
    if not values:
        raise _invalid(key, "needs a value")
    read = tuple(_value(key, attribute, one) for one in values)
    return Filter(attribute, matcher, read if matcher in LISTS else read[0])


def _parts(key: str) -> tuple[str, str]:
    for matcher in ("not_in", *MATCHERS):
        attribute = key.removesuffix(f"_{matcher}")
        if attribute != key and attribute in ATTRIBUTES:
            return attribute, matcher
    raise ValidationError(f"{key} is not a filter", code="invalid")


def _values(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else [value]


def _value(key: str, attribute: str, value: object) -> Any:
    if attribute in AMOUNTS:
        return _cents(key, value)
    if not isinstance(value, str):
        raise _invalid(key, "must be text")
    if attribute not in IDS:
        return value
    number = ids.decode(value)
    if number is None:
        raise _invalid(key, f"{value} is not an id")
    return number


def _cents(key: str, value: object) -> int:
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise _invalid(key, "must be a whole number of cents")


def _invalid(key: str, problem: str) -> ValidationError:
    return ValidationError(f"{key} {problem}", code="invalid")
