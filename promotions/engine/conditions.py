"""The rules of a promotion: each says of a cart why it does not meet it, or nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promotions.engine.cart import Cart
from promotions.engine.reasons import Refusal


@dataclass(frozen=True, slots=True)
class OrderAmount:
    """The order comes to at least `order_amount_cents`, after what earlier promotions took off it.

    With `use_subtotal` before that. Shipping does not count. No amount is no condition.
    """

    order_amount_cents: int | None
    use_subtotal: bool = False

    def refusal(self, cart: Cart) -> Refusal | None:
        amount = cart.subtotal if self.use_subtotal else cart.subtotal - cart.items_discount
        missing = (self.order_amount_cents or 0) - amount
        return Refusal("order_amount_too_low", missing=missing) if missing > 0 else None


@dataclass(frozen=True, slots=True)
class SkuList:
    """The order holds items of a SKU list, in the list's quantities: one, all of them, or `min_quantity` times.

    A bundle made of the list is all of its SKUs.
    """

    sku_list_id: int
    all_skus: bool = False
    min_quantity: int | None = None
    size: int = 1
    """How many SKUs the list holds, where all of them count."""

    def refusal(self, cart: Cart) -> Refusal | None:
        found, has_bundle = self._times_found(cart)
        if self.min_quantity:
            return self._lacking(self.min_quantity - sum(found.values()), "quantity_too_low")
        complete = sum(1 for times in found.values() if times)
        if self.all_skus and not has_bundle:
            return self._lacking(max(self.size, 1) - complete, "sku_missing")
        return self._lacking(1 - complete, "sku_missing")

    def _times_found(self, cart: Cart) -> tuple[dict[str, int], bool]:
        """Item -> how often the order holds the quantity that the list asks for."""
        units: dict[str, int] = {}
        asked: dict[str, int] = {}
        has_bundle = False
        for part in cart.listed(self.sku_list_id):
            line = part.line
            item = f"{line.item_type} {line.code}"
            units[item] = units.get(item, 0) + line.quantity
            asked[item] = line.lists[self.sku_list_id].quantity
            has_bundle = has_bundle or line.item_type == "bundles"
        return {item: quantity // asked[item] for item, quantity in units.items()}, has_bundle

    def _lacking(self, missing: int, reason: str) -> Refusal | None:
        return Refusal(reason, missing=missing) if missing > 0 else None


# --- Custom rules ---------------------------------------------------------------------------------

ATTRIBUTES: Mapping[str, Callable[[Cart], Any]] = {
    "status": lambda cart: cart.order.status,
    "market_id": lambda cart: cart.order.market_id,
    "currency_code": lambda cart: cart.order.currency_code,
    "customer_status": lambda cart: cart.order.customer.status,
    "customer_email": lambda cart: cart.order.customer.email,
    "customer_tags_id": lambda cart: cart.order.customer.tags,
    "line_items_sku_code": lambda cart: frozenset(_codes(cart)),
    "line_items_sku_tags_id": lambda cart: frozenset[int]().union(*(line.tags for line in cart.order.lines)),
    "tags_id": lambda cart: cart.order.tags,
    "subtotal_amount_cents": lambda cart: cart.subtotal,
    "total_amount_cents": lambda cart: cart.total,
}
"""What the filters of a custom rule may look at."""

TAGS = frozenset({"customer_tags_id", "line_items_sku_tags_id", "tags_id"})
IDS = frozenset({"market_id", *TAGS})
AMOUNTS = frozenset({"subtotal_amount_cents", "total_amount_cents"})


def _codes(cart: Cart) -> Iterator[str]:
    return (line.code for line in cart.order.lines if line.item_type == "skus")


@dataclass(frozen=True, slots=True)
class Custom:
    """Every filter matches. `value` is a tuple for `in`, `not_in` and `end_any`; amounts are cents, ids are keys.

    An attribute that the order does not have matches `not_in` only.
    """

    filters: tuple["Filter", ...]

    def refusal(self, cart: Cart) -> Refusal | None:
        for wanted in self.filters:
            if not wanted.matches(cart):
                return Refusal("filters_not_matched", filter=f"{wanted.attribute}_{wanted.matcher}")
        return None


@dataclass(frozen=True, slots=True)
class Filter:
    attribute: str
    matcher: str
    value: Any

    def matches(self, cart: Cart) -> bool:
        actual = ATTRIBUTES[self.attribute](cart)
        found = actual if isinstance(actual, frozenset) else (actual,)
        if self.matcher == "not_in":
            return not any(value in self.value for value in found)
        return any(value is not None and MATCHERS[self.matcher](value, self.value) for value in found)


def _end_any(value: str, endings: tuple[str, ...]) -> bool:
    return value.endswith(endings)


MATCHERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "gteq": lambda value, wanted: value >= wanted,
    "gt": lambda value, wanted: value > wanted,
    "lteq": lambda value, wanted: value <= wanted,
    "lt": lambda value, wanted: value < wanted,
    "end_any": _end_any,
}
