"""What a promotion is for besides its rules: amounts, customers, countries, orders, and items by their codes.

Each says of an order why it does not meet it, or nothing; those of items select what is discounted too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from promotions.engine.cart import Cart, Items, dearest_of_each
from promotions.engine.reasons import Refusal
from promotions.engine.types import Customer, Line

CURRENCY_MISMATCH = Refusal("currency_mismatch")


@dataclass(frozen=True, slots=True)
class OrderAmounts:
    """Items and shipping come to at least or at most an amount, both inclusive, before anything is taken off."""

    currency_code: str
    least: int = 0
    most: int | None = None

    def refusal(self, cart: Cart) -> Refusal | None:
        if cart.order.currency_code != self.currency_code:
            return CURRENCY_MISMATCH
        amount = cart.subtotal + sum(shipment.amount_cents for shipment in cart.order.shipments)
        if amount < self.least:
            return Refusal("order_amount_too_low", missing=self.least - amount)
        return Refusal("order_amount_too_high") if self.most is not None and amount > self.most else None


# --- Customers ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CustomerUsage:
    """The customer has not used the promotion as often as one customer may."""

    promotion_id: int
    customer_usage_limit: int

    def refusal(self, cart: Cart) -> Refusal | None:
        return self.refusal_of(cart.order.customer)

    def refusal_of(self, customer: Customer) -> Refusal | None:
        if not customer.is_known:
            return Refusal("customer_unknown")
        return Refusal("already_used_by_customer") if self.is_reached(customer) else None

    def is_reached(self, customer: Customer) -> bool:
        return customer.uses.get(self.promotion_id, 0) >= self.customer_usage_limit


@dataclass(frozen=True, slots=True)
class Customers:
    """By what they are called, here or elsewhere."""

    names: frozenset[str]

    def refusal(self, cart: Cart) -> Refusal | None:
        customer = cart.order.customer
        if not customer.is_known:
            return Refusal("customer_unknown")
        return None if self.names & customer.names else Refusal("customer_not_eligible")


@dataclass(frozen=True, slots=True)
class CustomerTags:
    names: frozenset[str]
    all_tags: bool

    def refusal(self, cart: Cart) -> Refusal | None:
        found = self.names & cart.order.customer.tag_names
        is_met = found == self.names if self.all_tags else bool(found)
        return None if is_met else Refusal("customer_not_eligible")


@dataclass(frozen=True, slots=True)
class Countries:
    country_codes: frozenset[str]

    def refusal(self, cart: Cart) -> Refusal | None:
        is_met = cart.order.customer.country_code in self.country_codes
        return None if is_met else Refusal("country_not_eligible")


# --- Orders ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Orders:
    """By what they are called, here or elsewhere."""

    names: frozenset[str]

    def refusal(self, cart: Cart) -> Refusal | None:
        return None if self.names & cart.order.names else Refusal("order_not_eligible")


@dataclass(frozen=True, slots=True)
class Subscriptions:
    names: frozenset[str]

    def refusal(self, cart: Cart) -> Refusal | None:
        return None if cart.order.subscription in self.names else Refusal("subscription_not_eligible")


# --- Items ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Codes:
    """So many units of these items, by their codes or those of their products; nothing else is discounted."""

    codes: frozenset[str]
    min_quantity: int = 1
    of_products: bool = False

    def refusal(self, cart: Cart) -> Refusal | None:
        missing = self.min_quantity - sum(line.quantity for line in cart.order.lines if self._holds(line))
        return Refusal("quantity_too_low", missing=missing) if missing > 0 else None

    def selected(self, targets: Sequence[Items]) -> Sequence[Items]:
        return [target for target in targets if self._holds(target.line)]

    def _holds(self, line: Line) -> bool:
        return line.code in self.codes or (self.of_products and line.product in self.codes)


@dataclass(frozen=True, slots=True)
class BuyGet:
    """Whoever buys so many units of each item of `buy` gets those of `get`: they alone are discounted."""

    buy: tuple[tuple[str, int], ...]
    get: tuple[tuple[str, int], ...]

    def refusal(self, cart: Cart) -> Refusal | None:
        missing = sum(units for _, units in _missing(self.buy, cart))
        return Refusal("quantity_too_low", missing=missing) if missing else None

    def selected(self, targets: Sequence[Items]) -> Sequence[Items]:
        """What is bought is not what the order gets: only units beyond it are."""
        bought = dict(self.buy)
        most_of = {}
        for code, units in self.get:
            held = sum(target.line.quantity for target in targets if target.line.code == code)
            most_of[code] = min(units, max(0, held - bought.get(code, 0)))
        return dearest_of_each([target for target in targets if _code(target) in most_of], _code, most_of)

    def additions(self, cart: Cart) -> tuple[tuple[str, int], ...]:
        """What the order gets that it does not hold yet; what it holds of an item counts as bought first."""
        bought = dict(self.buy)
        return _missing(tuple((code, units + bought.get(code, 0)) for code, units in self.get), cart)


def _code(target: Items) -> str:
    return target.line.code


def _missing(wanted: Sequence[tuple[str, int]], cart: Cart) -> tuple[tuple[str, int], ...]:
    """Code -> how many units the order lacks, where it lacks some."""
    lacking = []
    for code, units in wanted:
        held = sum(line.quantity for line in cart.order.lines if line.code == code)
        if held < units:
            lacking.append((code, units - held))
    return tuple(lacking)
