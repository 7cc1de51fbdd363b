"""What a promotion, or a redemption made ahead, is restricted to besides rules: how it is written, checked, compiled.

A list of objects, each type at most once; all of them must hold:

    {"type": "minimum_order_amount", "amount_cents": 5000, "currency_code": "EUR"}
    {"type": "maximum_order_amount", "amount_cents": 90000, "currency_code": "EUR"}
    {"type": "paid_by", "time": "2026-12-31T00:00:00Z"}
    {"type": "customers", "names": ["..."]}
    {"type": "customer_tags", "tags": ["vip"], "all_tags": false}
    {"type": "countries", "country_codes": ["IT"]}
    {"type": "orders", "names": ["..."]}
    {"type": "subscriptions", "names": ["..."]}
    {"type": "plans", "codes": ["..."], "min_quantity": 1}
    {"type": "products", "codes": ["..."], "min_quantity": 1}
    {"type": "buy_get", "buy": [{"code": "...", "quantity": 2}], "get": [{"code": "...", "quantity": 1}]}
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from commerce.money import CURRENCIES, MAX_CENTS
from promotions.engine import restrictions as engine
from promotions.engine.types import Rule, Selection

Restriction = Mapping[str, Any]
MOST_NAMES = 1000
LONGEST_NAME = 255


class Compiled(NamedTuple):
    rules: tuple[Rule, ...] = ()
    selections: tuple[Selection, ...] = ()
    paid_by: datetime | None = None
    """An order must be paid before this instant."""


def compiled(restrictions: Sequence[Restriction]) -> Compiled:
    """What the engine makes of checked restrictions."""
    rules = [COMPILERS[one["type"]](one) for one in restrictions if one["type"] in COMPILERS]
    paid_by = next((instant(one["time"]) for one in restrictions if one["type"] == "paid_by"), None)
    return Compiled(tuple(rules), tuple(one for one in rules if isinstance(one, SELECTING)), paid_by)


SELECTING = (engine.Codes, engine.BuyGet)
COMPILERS: Mapping[str, Callable[[Restriction], Any]] = {
    "minimum_order_amount": lambda one: engine.OrderAmounts(one["currency_code"], least=one["amount_cents"]),
    "maximum_order_amount": lambda one: engine.OrderAmounts(one["currency_code"], most=one["amount_cents"]),
    "customers": lambda one: engine.Customers(frozenset(one["names"])),
    "customer_tags": lambda one: engine.CustomerTags(frozenset(one["tags"]), one.get("all_tags", False)),
    "countries": lambda one: engine.Countries(frozenset(one["country_codes"])),
    "orders": lambda one: engine.Orders(frozenset(one["names"])),
    "subscriptions": lambda one: engine.Subscriptions(frozenset(one["names"])),
    "plans": lambda one: engine.Codes(frozenset(one["codes"]), one.get("min_quantity", 1)),
    "products": lambda one: engine.Codes(frozenset(one["codes"]), one.get("min_quantity", 1), of_products=True),
    "buy_get": lambda one: engine.BuyGet(_units(one["buy"]), _units(one["get"])),
}


def _units(items: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((item["code"], item["quantity"]) for item in items)


def instant(text: str) -> datetime:
    """Of checked text, in UTC."""
    found = parse_datetime(text)
    if found is None:
        raise ValueError(f"{text} is not a timestamp")
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


# --- Checking -------------------------------------------------------------------------------------


def check(restrictions: Any) -> None:
    """Raises ValidationError, with the place and the member that is wrong, unless all of them can be compiled."""
    if not isinstance(restrictions, list):
        raise _wrong("must be an array of objects")
    types = set()
    for place, one in enumerate(restrictions):
        kind = one.get("type") if isinstance(one, dict) else None
        if not isinstance(kind, str) or kind not in MEMBERS:
            raise _wrong(f"{place}: type must be one of {', '.join(MEMBERS)}")
        if kind in types:
            raise _wrong(f"{place}: {kind} is there twice")
        types.add(kind)
        _check_members(place, one, MEMBERS[kind])


def _check_members(place: int, one: Restriction, members: Mapping[str, Callable[[Any], str | None]]) -> None:
    for name in one:
        if name != "type" and name not in members:
            raise _wrong(f"{place}.{name} is not allowed")
    for name, problem_of in members.items():
        if name not in one and name in OPTIONAL:
            continue
        if problem := problem_of(one.get(name)):
            raise _wrong(f"{place}.{name} {problem}")


def _wrong(problem: str) -> ValidationError:
    return ValidationError(problem, code="invalid")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and "\0" not in value


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_CENTS


def _amount(value: Any) -> str | None:
    return None if _is_number(value, 0) else f"must be a whole number of cents up to {MAX_CENTS}"


def _quantity(value: Any) -> str | None:
    return None if _is_number(value, 1) else "must be a whole number above zero"


def _currency(value: Any) -> str | None:
    return None if isinstance(value, str) and value in CURRENCIES else "is not a currency of ISO 4217"


def _time(value: Any) -> str | None:
    try:
        instant(value)
    except (ValueError, TypeError, OverflowError):
        return "is not a timestamp"
    return None


def _names(value: Any) -> str | None:
    is_list = isinstance(value, list) and 0 < len(value) <= MOST_NAMES
    return None if is_list and all(map(_is_text, value)) else f"must be an array of 1 to {MOST_NAMES} strings"


def _countries(value: Any) -> str | None:
    is_list = _names(value) is None and all(len(each) == 2 and each.isascii() and each.isupper() for each in value)
    return None if is_list else "must be an array of two-letter country codes"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "is not a boolean"


def _items(value: Any) -> str | None:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_NAMES:
        return "must be an array of items"
    for item in value:
        if not isinstance(item, dict) or set(item) != {"code", "quantity"} or not _is_text(item["code"]):
            return "must have a code and a quantity each"
        if not _is_number(item["quantity"], 1):
            return "must have quantities above zero"
    return None if len({item["code"] for item in value}) == len(value) else "must not name an item twice"


OPTIONAL = ("all_tags", "min_quantity")
MEMBERS: Mapping[str, Mapping[str, Callable[[Any], str | None]]] = {
    "minimum_order_amount": {"amount_cents": _amount, "currency_code": _currency},
    "maximum_order_amount": {"amount_cents": _amount, "currency_code": _currency},
    "paid_by": {"time": _time},
    "customers": {"names": _names},
    "customer_tags": {"tags": _names, "all_tags": _flag},
    "countries": {"country_codes": _countries},
    "orders": {"names": _names},
    "subscriptions": {"names": _names},
    "plans": {"codes": _names, "min_quantity": _quantity},
    "products": {"codes": _names, "min_quantity": _quantity},
    "buy_get": {"buy": _items, "get": _items},
}
