"""Rules, orders and results of flex promotions, as short as the tests need them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from promotions.engine.cart import Cart
from promotions.engine.flex import Program, compiled
from promotions.engine.reasons import Refusal
from promotions.engine.types import Discount, Given, Line, Order, Promotion, Shipment

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def pattern(text: str) -> Callable[[str], bool]:
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from error
    return lambda searched: bool(found.search(searched))


def program_of(rules: object, **limits: int) -> Program:
    limits = {"max_rules": 15, "max_conditions": 150, "max_regex": 5000} | limits
    return compiled(rules, compile_pattern=pattern, **limits)


def program(*rules: Mapping[str, Any]) -> Program:
    return program_of({"rules": [{"name": "Rule", "conditions": [], "actions": []} | rule for rule in rules]})


def acting(*actions: Mapping[str, Any], conditions: list[Any] | None = None) -> Program:
    return program({"conditions": conditions or [], "actions": list(actions)})


def order(*lines: tuple[Any, ...], shipments: tuple[int, ...] = (), **facts: Any) -> Order:
    """Lines are (code, quantity, unit amount) and, if need be, what facts and attributes a line has besides."""
    made, told = [], []
    for key, (code, quantity, amount, *rest) in enumerate(lines, start=1):
        more: dict[str, Any] = dict(rest[0]) if rest else {}
        own = {name: more.pop(name) for name in ("options_amount_cents", "item_type", "discountable") if name in more}
        made.append(Line(id=key, code=code, quantity=quantity, unit_amount_cents=amount, **own))
        item = {"id": f"id{code}", "code": code} | more.pop("sku", {})
        item_key = "bundle" if own.get("item_type") == "bundles" else "sku"
        told.append({"id": key, item_key: item} | more)
    return Order(
        currency_code="EUR",
        lines=tuple(made),
        shipments=tuple(Shipment(id=key, amount_cents=cents) for key, cents in enumerate(shipments, start=1)),
        facts={"line_items": told} | facts,
    )


PROMOTION = Promotion(
    id=1,
    kind="flex",
    benefit=acting(),
    starts_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=datetime(2027, 1, 1, tzinfo=UTC),
)


def applied(rules: Program, bought: Order, cart: Cart | None = None) -> Discount | Refusal:
    return rules.apply(cart or Cart(bought), PROMOTION, Given(NOW, {}))


def shares(rules: Program, bought: Order, cart: Cart | None = None) -> dict[Any, int] | str:
    """Code of a line, or `shipment` and its id -> cents; the reason where nothing came off."""
    result = applied(rules, bought, cart)
    if isinstance(result, Refusal):
        return result.reason
    code_of = {line.id: line.code for line in bought.lines}
    return {
        code_of[share.line_id] if share.line_id else f"shipment {share.shipment_id}": share.cents
        for share in result.shares
    }


def judged(condition: Mapping[str, Any], facts: Mapping[str, Any], now: datetime = NOW) -> dict[str, Any]:
    """The outcome of one condition on an order told by facts."""
    (outcome,) = program({"conditions": [condition]}).outcomes(facts, now)
    return outcome["conditions"][0]


def holds(condition: Mapping[str, Any], facts: Mapping[str, Any], now: datetime = NOW) -> bool:
    return judged(condition, facts, now)["match"]


def found(condition: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Any]:
    """Ids of the members of the order that a condition finds."""
    return [one["id"] for one in judged(condition, facts)["matches"]]
