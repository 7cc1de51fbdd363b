"""Carts, promotions and results as text, the way promotions/engine/README.md and the tables of these tests write them.

    cart         A 2 x 1250, B 3 x 799 + 50, bundle K 1 x 900, gift card C 1 x 500, shipping 700
                 (a line is quantity x unit amount + options)
    promotion    20 % off {A, B} if order >= 9000 priority 1 exclusive
                 (see BENEFITS and MODIFIERS; a list in braces holds items in its order, `2 A` in the quantity 2,
                 `A max 3` for at most 3 units a coupon, `A at 900` with a price of its own)
    result       A 500, B 479; order_amount_too_low 500; shipping 700
                 (what each promotion takes off each line, or the reason why it takes nothing and the distance)

    shopper      customer c-1 tagged vip in IT, order N1, subscription S1, used 2
    restriction  all tags of vip gold
                 (see RESTRICTIONS)

Promotions and results are separated by semicolons. All promotions start at the same time and have ids 1, 2, 3...
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from promotions.engine.benefits import (
    Balance,
    BuyXPayY,
    External,
    FixedAmount,
    FixedPrice,
    FreeGift,
    FreeShipping,
    PercentageDiscount,
)
from promotions.engine.conditions import OrderAmount, SkuList
from promotions.engine.restrictions import (
    BuyGet,
    Codes,
    Countries,
    Customers,
    CustomerTags,
    CustomerUsage,
    OrderAmounts,
    Orders,
    Subscriptions,
)
from promotions.engine.types import (
    Benefit,
    Customer,
    Evaluation,
    Line,
    Listed,
    Order,
    Outcome,
    Promotion,
    Rule,
    Share,
    Shipment,
)

STARTS_AT, NOW, EXPIRES_AT = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 15, 31))

LINE = re.compile(r"(bundle |gift card |)(\w+) (\d+) [x×] (\d+)(?: \+ (\d+))?")
LISTED = re.compile(r"(?:(\d+) )?(bundle )?(\w+)(?: max (\d+))?(?: at (\d+))?")


@dataclass
class Case:
    order: Order
    promotions: list[Promotion]
    outcomes: dict[int, Outcome]


def case(cart: str, promotions: str) -> Case:
    reading = Reading()
    made = [reading.promotion(number, text) for number, text in enumerate(promotions.split("; "), start=1)]
    return Case(reading.order(cart), made, reading.outcomes_for(cart))


def told(order: Order, promotions: list[Promotion], evaluation: Evaluation) -> str:
    """What each of the promotions came to."""
    found = {one.promotion.id: ", ".join(_share(order, share) for share in one.shares) for one in evaluation.applied}
    for one in evaluation.not_applied:
        distance = "" if one.refusal.missing is None else f" {one.refusal.missing}"
        found[one.promotion.id if one.promotion else 0] = one.refusal.reason + distance
    return "; ".join(found[promotion.id] for promotion in promotions)


def _share(order: Order, share: Share) -> str:
    code = next((line.code for line in order.lines if line.id == share.line_id), "shipping")
    return f"{code} {share.cents}"


@dataclass
class Reading:
    """SKU lists and answers of services that the promotions named, for the cart that is read after them."""

    lists: list[dict[tuple[str, str], Listed]] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)

    # --- Promotions

    def promotion(self, number: int, text: str) -> Promotion:
        options: dict[str, Any] = {"rules": (), "selections": ()}
        for pattern, read in MODIFIERS:
            if found := re.search(pattern, text):
                read(self, options, *found.groups())
                text = text.replace(found[0], "")
        kind, benefit, sku_list = self._benefit(number, text)
        return Promotion(
            id=number,
            kind=kind,
            benefit=benefit,
            sku_list_id=self.list_id(sku_list),
            starts_at=STARTS_AT,
            expires_at=EXPIRES_AT,
            **options,
        )

    def _benefit(self, number: int, text: str) -> tuple[str, Benefit, str | None]:
        if text.startswith("service answers "):
            self.answers[number] = text.removeprefix("service answers ")
            return "external", External(), None
        for kind, pattern, make in BENEFITS:
            if found := re.fullmatch(pattern, text):
                *values, sku_list = found.groups()
                return kind, make(*values), sku_list
        raise ValueError(text)

    def list_id(self, text: str | None) -> int | None:
        if text is None:
            return None
        items: dict[tuple[str, str], Listed] = {}
        for position, item in enumerate(text.split(", "), start=1):
            quantity, bundle, code, most, price = _groups(LISTED, item)
            listed = Listed(position, int(quantity or 1), int(most or 0), int(price) if price else None)
            items["bundles" if bundle else "skus", code] = listed
        self.lists.append(items)
        return len(self.lists)

    # --- The cart

    def order(self, cart: str) -> Order:
        texts = cart.split(", ")
        return Order(
            currency_code="EUR",
            lines=tuple(self._line(place, text) for place, text in enumerate(texts, start=1) if "shipping" not in text),
            shipments=tuple(
                Shipment(id=place, amount_cents=int(text.removeprefix("shipping ")))
                for place, text in enumerate(texts, start=1)
                if "shipping" in text
            ),
        )

    def _line(self, place: int, text: str) -> Line:
        kind, code, quantity, unit_amount, options = _groups(LINE, text)
        item_type = {"bundle ": "bundles", "gift card ": "gift_cards"}.get(kind, "skus")
        return Line(
            id=place,
            code=code,
            item_type=item_type,
            discountable=item_type != "gift_cards",
            quantity=int(quantity),
            unit_amount_cents=int(unit_amount),
            options_amount_cents=int(options or 0),
            lists={
                key: items[item_type, code] for key, items in enumerate(self.lists, 1) if (item_type, code) in items
            },
        )

    def outcomes_for(self, cart: str) -> dict[int, Outcome]:
        ids = {line.code: line.id for line in self.order(cart).lines}
        return {number: _outcome(text, ids) for number, text in self.answers.items()}


def _outcome(text: str, ids: dict[str, int]) -> Outcome:
    """`500`, `500 for A B` or `A 300 B 200`."""
    if shared := re.fullmatch(r"(\d+)(?: for (.*))?", text):
        return Outcome(int(shared[1]), tuple((ids[code], None) for code in (shared[2] or "").split()))
    own = tuple((ids[code], int(cents)) for code, cents in re.findall(r"(\w+) (\d+)", text))
    return Outcome(sum(cents for _, cents in own), own)


def _groups(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found.groups()


CONTEXT = r"(?: (shipping|items and shipping))?"


def _context(text: str | None) -> str:
    return (text or "items").replace(" ", "_")


BENEFITS: list[tuple[str, str, Callable[..., Benefit]]] = [
    (
        "percentage_discount",
        rf"([\d.]+) % off{CONTEXT}(?: \{{(.*)\}})?",
        lambda part, context: PercentageDiscount(Fraction(part) / 100, _context(context)),
    ),
    (
        "fixed_amount",
        rf"(\d+) off{CONTEXT}(?: \{{(.*)\}})?",
        lambda cents, context: FixedAmount(int(cents), _context(context)),
    ),
    (
        "fixed_amount",
        rf"balance (\d+) off{CONTEXT}(?: \{{(.*)\}})?",
        lambda cents, context: Balance(int(cents), _context(context)),
    ),
    ("fixed_price", r"price (\d+) for \{(.*)\}", lambda cents: FixedPrice(int(cents))),
    ("fixed_price", r"price (\d+) for all(?: of \{(.*)\})?", lambda cents: FixedPrice(int(cents), whole_order=True)),
    ("buy_x_pay_y", r"(\d+) for (\d+) of \{(.*)\}", lambda x, y: BuyXPayY(int(x), int(y))),
    ("buy_x_pay_y", r"(\d+) for (\d+) across \{(.*)\}", lambda x, y: BuyXPayY(int(x), int(y), cheapest_free=True)),
    ("free_gift", r"(\d+) free of \{(.*)\}", lambda number: FreeGift(int(number))),
    ("free_shipping", r"free shipping(?: with \{(.*)\})?", FreeShipping),
]
"""Kind, how it is written, its benefit. The last group is the SKU list."""


def _exclusive(reading: Reading, options: dict[str, Any]) -> None:
    options["exclusive"] = True


def _priority(reading: Reading, options: dict[str, Any], number: str) -> None:
    options["priority"] = int(number)


def _order_amount(reading: Reading, options: dict[str, Any], what: str, cents: str) -> None:
    _add_rule(options, OrderAmount(int(cents), use_subtotal=what == "subtotal"))


def _sku_list(reading: Reading, options: dict[str, Any], what: str, sku_list: str) -> None:
    list_id = reading.list_id(sku_list)
    assert list_id is not None
    min_quantity = int(what) if what.isdigit() else None
    size = len(reading.lists[list_id - 1])
    _add_rule(options, SkuList(list_id, all_skus=what == "all", min_quantity=min_quantity, size=size))


def _add_rule(options: dict[str, Any], rule: Rule) -> None:
    options["rules"] += (rule,)


def _exclusive_by_size(reading: Reading, options: dict[str, Any]) -> None:
    options["exclusive_by_size"] = True


def _applies_to_count(reading: Reading, options: dict[str, Any], number: str) -> None:
    options["applies_to_count"] = int(number)


def _left(reading: Reading, options: dict[str, Any], cents: str) -> None:
    options["balance_cents"] = int(cents)


def _order_amounts(reading: Reading, options: dict[str, Any], comparison: str, cents: str) -> None:
    bounds = {"least": int(cents)} if comparison == ">=" else {"most": int(cents)}
    _add_rule(options, OrderAmounts("EUR", **bounds))


def _codes(reading: Reading, options: dict[str, Any], quantity: str, codes: str) -> None:
    _add_selection(options, Codes(frozenset(codes.split()), int(quantity)))


def _buy_get(reading: Reading, options: dict[str, Any], buy: str, get: str) -> None:
    _add_selection(options, BuyGet(_units(buy), _units(get)))


def _units(text: str) -> tuple[tuple[str, int], ...]:
    return tuple((code, int(quantity)) for quantity, code in re.findall(r"(\d+) (\w+)", text))


def _add_selection(options: dict[str, Any], selection: Any) -> None:
    _add_rule(options, selection)
    options["selections"] += (selection,)


MODIFIERS: list[tuple[str, Callable[..., None]]] = [
    (r" exclusive by size", _exclusive_by_size),
    (r" exclusive\b", _exclusive),
    (r" on (\d+) units?", _applies_to_count),
    (r", (\d+) left", _left),
    (r" if total (>=|<=) (\d+)", _order_amounts),
    (r" for (\d+) of codes (\w+(?: \w+)*)", _codes),
    (r" buy (\d+ \w+(?: and \d+ \w+)*) get (\d+ \w+(?: and \d+ \w+)*)", _buy_get),
    (r" priority (\d+)", _priority),
    (r" if (order|subtotal) >= (\d+)", _order_amount),
    (r" if (any|all|\d+) of \{(.*?)\}", _sku_list),
]


# --- Shoppers -------------------------------------------------------------------------------------


def shopper(text: str) -> Order:
    """An order of one unit, whoever buys it."""

    def named(pattern: str) -> list[str]:
        found = re.search(pattern, text)
        return found[1].split() if found else []

    return Order(
        currency_code="EUR",
        lines=(Line(id=1, code="A", quantity=1, unit_amount_cents=1000),),
        customer=Customer(
            names=frozenset(named(r"customer ([\w-]+)")),
            tag_names=frozenset(named(r"tagged (\w+(?: and \w+)*)")) - {"and"},
            country_code=next(iter(named(r"in ([A-Z]{2})\b")), None),
            uses=dict.fromkeys([1], int("".join(named(r"used (\d+)")) or 0)),
        ),
        names=frozenset(named(r"order (\w+)")),
        subscription=next(iter(named(r"subscription (\w+)")), None),
    )


RESTRICTIONS: list[tuple[str, Callable[[str], Rule]]] = [
    (r"customers (.*)", lambda names: Customers(frozenset(names.split()))),
    (r"any tag of (.*)", lambda names: CustomerTags(frozenset(names.split()), all_tags=False)),
    (r"all tags of (.*)", lambda names: CustomerTags(frozenset(names.split()), all_tags=True)),
    (r"countries (.*)", lambda codes: Countries(frozenset(codes.split()))),
    (r"orders (.*)", lambda names: Orders(frozenset(names.split()))),
    (r"subscriptions (.*)", lambda names: Subscriptions(frozenset(names.split()))),
    (r"(\d+) uses a customer", lambda limit: CustomerUsage(1, int(limit))),
]


def restriction(text: str) -> Rule:
    for pattern, make in RESTRICTIONS:
        if found := re.fullmatch(pattern, text):
            return make(found[1])
    raise ValueError(text)
