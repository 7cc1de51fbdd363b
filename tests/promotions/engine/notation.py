"""Carts, promotions and results as text, the way promotions/engine/README.md and the tables of these tests write them.

    cart         A 2 x 1250, B 3 x 799 + 50, bundle K 1 x 900, gift card C 1 x 500, shipping 700
                 (a line is quantity x unit amount + options)
    promotion    20 % off {A, B} if order >= 9000 priority 1 exclusive
                 (see BENEFITS and MODIFIERS; a list in braces holds items in its order, `2 A` in the quantity 2)
    result       A 500, B 479; order_amount_too_low 500; shipping 700
                 (what each promotion takes off each line, or the reason why it takes nothing and the distance)

Promotions and results are separated by semicolons. All promotions start at the same time and have ids 1, 2, 3...
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from promotions.engine.benefits import (
    BuyXPayY,
    External,
    FixedAmount,
    FixedPrice,
    FreeGift,
    FreeShipping,
    PercentageDiscount,
)
from promotions.engine.conditions import OrderAmount, SkuList
from promotions.engine.types import Benefit, Evaluation, Line, Listed, Order, Outcome, Promotion, Rule, Share, Shipment

STARTS_AT, NOW, EXPIRES_AT = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 15, 31))

LINE = re.compile(r"(bundle |gift card |)(\w+) (\d+) [x×] (\d+)(?: \+ (\d+))?")
LISTED = re.compile(r"(?:(\d+) )?(bundle )?(\w+)")


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
        options: dict[str, Any] = {"rules": ()}
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
            quantity, bundle, code = _groups(LISTED, item)
            items["bundles" if bundle else "skus", code] = Listed(position, int(quantity or 1))
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


BENEFITS: list[tuple[str, str, Callable[..., Benefit]]] = [
    ("percentage_discount", r"([\d.]+) % off(?: \{(.*)\})?", lambda part: PercentageDiscount(Fraction(part) / 100)),
    ("fixed_amount", r"(\d+) off(?: \{(.*)\})?", lambda cents: FixedAmount(int(cents))),
    ("fixed_price", r"price (\d+) for \{(.*)\}", lambda cents: FixedPrice(int(cents))),
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


MODIFIERS: list[tuple[str, Callable[..., None]]] = [
    (r" exclusive\b", _exclusive),
    (r" priority (\d+)", _priority),
    (r" if (order|subtotal) >= (\d+)", _order_amount),
    (r" if (any|all|\d+) of \{(.*?)\}", _sku_list),
]
