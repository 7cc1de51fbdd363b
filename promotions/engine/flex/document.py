"""The order as rules read it: its facts, and over them what the cart knows better."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from promotions.engine.cart import Cart, LinePart, Part, ShipmentPart
from promotions.engine.flex.catalogue import LINE_ITEMS, ORDER, SHIPMENTS, Path
from promotions.engine.types import Line, Order, Shipment

MOST_CENTS = 2**53 - 1
"""What every JSON client reads exactly."""


def _shipping(cart: Cart) -> int:
    return sum(part.shipment.amount_cents for part in cart.shipments)


def _line_total(line: Line) -> int:
    return line.quantity * line.unit_amount_cents + line.options_amount_cents


LIVE: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    ORDER: {
        "currency_code": lambda cart: cart.order.currency_code,
        "subtotal_amount_cents": lambda cart: cart.subtotal,
        "shipping_amount_cents": _shipping,
        "discount_amount_cents": lambda cart: cart.total - cart.subtotal - _shipping(cart),
        "total_amount_cents": lambda cart: cart.total,
    },
    LINE_ITEMS: {
        "item_type": lambda part: part.line.item_type,
        "quantity": lambda part: part.line.quantity,
        "unit_amount_cents": lambda part: part.line.unit_amount_cents,
        "options_amount_cents": lambda part: part.line.options_amount_cents,
        "discount_cents": lambda part: part.amount - _line_total(part.line),
        "total_amount_cents": lambda part: _line_total(part.line),
    },
    SHIPMENTS: {"cost_amount_cents": lambda part: part.shipment.amount_cents},
}
"""What is read from the running cart, not from the facts. Discounts are negative, as the API shows them."""


@dataclass(frozen=True, slots=True)
class Document:
    """An order to judge, at an instant. Line items and shipments go by their position in the cart."""

    cart: Cart
    now: datetime
    facts: Mapping[str, Sequence[Any]]
    """Collection -> the facts of each of its members, those of the order under ORDER."""
    live: bool
    aggregates: dict[Any, int | Fraction | None] = field(default_factory=dict)
    """What was found out of the whole order, which does not change while rules are judged."""

    @classmethod
    def of_cart(cls, cart: Cart, now: datetime) -> "Document":
        order = cart.order
        lines = _by_id(order.facts.get(LINE_ITEMS))
        shipments = _by_id(order.facts.get(SHIPMENTS))
        facts = {
            ORDER: (order.facts,),
            LINE_ITEMS: [lines.get(line.id, {"id": line.id}) for line in order.lines],
            SHIPMENTS: [shipments.get(one.id, {"id": one.id}) for one in order.shipments],
        }
        return cls(cart, now, facts, live=True)

    @classmethod
    def of_facts(cls, order: object, now: datetime) -> "Document":
        """Of facts alone, whatever they hold: with a cart made of those that can be understood.

        Raises OverflowError where it comes to more than `MOST_CENTS`.
        """
        facts = order if isinstance(order, Mapping) else {}
        lines, shipments = _members(facts.get(LINE_ITEMS)), _members(facts.get(SHIPMENTS))
        cart = Cart(
            Order(
                currency_code=_text(facts.get("currency_code")),
                lines=tuple(_line(place, one) for place, one in enumerate(lines)),
                shipments=tuple(
                    Shipment(id=place, amount_cents=_amount(one.get("cost_amount_cents")))
                    for place, one in enumerate(shipments)
                ),
            )
        )
        if cart.total > MOST_CENTS:
            raise OverflowError(f"comes to more than {MOST_CENTS} cents")
        return cls(cart, now, {ORDER: (facts,), LINE_ITEMS: lines, SHIPMENTS: shipments}, live=False)

    def places(self, collection: str) -> range:
        return range(len(self.facts[collection]))

    def values(self, path: Path, place: int) -> list[Any]:
        """What is at a path of the member at `place`; none where a relationship on the way is null."""
        if self.live and len(path.keys) == 1 and path.keys[0] in LIVE[path.collection]:
            return [LIVE[path.collection][path.keys[0]](self._part(path.collection, place))]
        return _leaves(self.facts[path.collection][place], path.keys)

    def _part(self, collection: str, place: int) -> Cart | LinePart | ShipmentPart:
        if collection == ORDER:
            return self.cart
        return self.cart.lines[place] if collection == LINE_ITEMS else self.cart.shipments[place]

    def label(self, collection: str, place: int) -> dict[str, Any]:
        """A member as outcomes name it, by the id that the facts give it."""
        kind = "orders" if collection == ORDER else collection
        return {"type": kind, "id": self.facts[collection][place].get("id")}

    @property
    def labels(self) -> dict[Part, dict[str, Any]]:
        """The label of each line and shipment of the cart."""
        lines = {part: self.label(LINE_ITEMS, place) for place, part in enumerate(self.cart.lines)}
        return lines | {part: self.label(SHIPMENTS, place) for place, part in enumerate(self.cart.shipments)}


def _leaves(node: Any, keys: Sequence[str]) -> list[Any]:
    if not keys:
        return list(node) if isinstance(node, list | tuple) else [node]
    if isinstance(node, list | tuple):
        return [leaf for one in node for leaf in _leaves(one, keys)]
    if not isinstance(node, Mapping):
        return []
    return _leaves(node.get(keys[0]), keys[1:])


def _members(listed: object) -> list[Mapping[str, Any]]:
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list | tuple) else []


def _by_id(listed: object) -> dict[Any, Mapping[str, Any]]:
    return {one["id"]: one for one in _members(listed) if "id" in one}


def _line(place: int, facts: Mapping[str, Any]) -> Line:
    item_type = facts.get("item_type") or ("bundles" if facts.get("bundle") else "skus")
    return Line(
        id=place,
        code=_text(facts.get("sku_code") or facts.get("bundle_code")),
        quantity=_amount(facts.get("quantity", 1)),
        unit_amount_cents=_amount(facts.get("unit_amount_cents")),
        options_amount_cents=_amount(facts.get("options_amount_cents")),
        item_type=_text(item_type),
    )


def _amount(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_CENTS else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
