"""The `filters` of a custom rule, from the wire to the engine: `{"market_id_in": "id,id"}`.

At the vendor a filter that is not understood matches every order. Here it is refused when it is saved.
"""

from typing import Any

from django.core.exceptions import ValidationError

from commerce import ids
from commerce.models import Customer, normalise_email
from commerce.money import CURRENCIES, MAX_CENTS
from promotions.engine.conditions import AMOUNTS, ATTRIBUTES, IDS, MATCHERS, Custom, Filter

LISTS = frozenset({"in", "not_in", "end_any"})
ORDERINGS = frozenset({"gteq", "gt", "lteq", "lt"})
CHOICES = {
    "status": frozenset({"draft", "pending", "editing", "placing", "placed", "approved", "cancelled"}),
    "currency_code": CURRENCIES,
    "customer_status": frozenset(Customer.Status.values),
}
"""What an order can have, where not everything goes."""
SHOWN = 64
"""Characters of what was sent that are told back."""


def compiled(filters: object) -> Custom:
    """Raises ValidationError, which names the filter, where one could not do what it says."""
    if not isinstance(filters, dict) or not filters:
        raise ValidationError("must be an object of at least one filter", code="invalid")
    return Custom(tuple(_filter(key, value) for key, value in sorted(filters.items())))


def _filter(key: str, value: object) -> Filter:
    attribute, matcher = _parts(key)
    if matcher not in _matchers(attribute):
        raise _invalid(key, f"cannot be compared by {matcher}")
    values = _values(value) if matcher in LISTS else [value]
    if not values:
        raise _invalid(key, "needs a value")
    read = tuple(_value(key, attribute, matcher, one) for one in values)
    return Filter(attribute, matcher, read if matcher in LISTS else read[0])


def _parts(key: str) -> tuple[str, str]:
    for matcher in ("not_in", *MATCHERS):
        attribute = key.removesuffix(f"_{matcher}")
        if attribute != key and attribute in ATTRIBUTES:
            return attribute, matcher
    raise _invalid(key, "is not a filter")


def _matchers(attribute: str) -> frozenset[str]:
    equality = frozenset({"eq", "in", "not_in"})
    if attribute in AMOUNTS:
        return equality | ORDERINGS
    return equality if attribute in IDS else equality | {"end_any"}


def _values(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else [value]


def _value(key: str, attribute: str, matcher: str, value: object) -> Any:
    if attribute in AMOUNTS:
        return _cents(key, value)
    if not isinstance(value, str) or not value.strip():
        raise _invalid(key, "must be text")
    if attribute in IDS:
        return _key(key, value)
    if attribute == "customer_email":
        return normalise_email(value)
    if matcher != "end_any" and value not in CHOICES.get(attribute, (value,)):
        raise _invalid(key, f"{value[:SHOWN]} is none that an order has")
    return value


def _key(key: str, value: str) -> int:
    number = ids.decode(value)
    if number is None:
        raise _invalid(key, f"{value[:SHOWN]} is not an id")
    return number


def _cents(key: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if type(value) is int and 0 <= value <= MAX_CENTS:
        return value
    raise _invalid(key, "must be a whole number of cents")


def _invalid(key: str, problem: str) -> ValidationError:
    return ValidationError(f"{key[:SHOWN]} {problem}", code="invalid")
