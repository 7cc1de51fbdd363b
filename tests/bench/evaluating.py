"""A cart of 20 lines in a shop where 1,000 promotions are active, for the engine and for the tests' second evaluator.

The promotions, all automatic, in every market unless told otherwise, none limited in number:

    700  for one of 350 SKU lists, two each: percentage, fixed price, buy x pay y, free gift in turns, every third
         for orders from 1,200 euros; the cart holds items of 4 of the lists, so it meets 8 of these promotions
    120  for other markets, 80 for other currencies
     60  for orders from 2,500, 3,500, 4,500... euros; the cart comes to 2,749.50
     30  for orders that hold items of a SKU list, one of which the cart does
      9  for customers with some tag, none of them the cart's customer's
      1  free shipping for everyone
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import cycle
from typing import Any

from promotions.engine.benefits import (
    BuyXPayY,
    FixedAmount,
    FixedPrice,
    FreeGift,
    FreeShipping,
    PercentageDiscount,
)
from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.conditions import Custom, Filter, OrderAmount, SkuList
from promotions.engine.types import Benefit, Customer, Evaluation, Line, Listed, Order, Promotion, Rule, Shipment
from tests.promotions.engine import oracle

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
IN_CART = 4


@dataclass(frozen=True)
class Evaluator:
    evaluate: Callable[[], Evaluation]

    def exchange(self) -> Evaluation:
        return self.evaluate()


def evaluators() -> tuple[Evaluator, Evaluator]:
    """The straightforward one and the engine, which has read the promotions before; both come to the same."""
    cart, active = order(), promotions()
    book = Book(active)
    straightforward = Evaluator(lambda: oracle.evaluate(cart, active, NOW))
    engine = Evaluator(lambda: calculate(cart, book, NOW))
    assert engine.exchange().applied == straightforward.exchange().applied
    return straightforward, engine


def order() -> Order:
    return Order(
        currency_code="EUR",
        market_id=1,
        lines=tuple(_line(place) for place in range(20)),
        shipments=(Shipment(id=1, amount_cents=700), Shipment(id=2, amount_cents=500)),
        customer=Customer(id=1, email="ann@example.com", status="repeat", tags=frozenset({1, 2})),
    )


def _line(place: int) -> Line:
    lists = {place: Listed(position=1, quantity=1)} if place < IN_CART else {}
    return Line(id=place, code=f"SKU{place}", quantity=1 + place % 4, unit_amount_cents=999 + 450 * place, lists=lists)


LISTED: tuple[tuple[str, Benefit], ...] = (
    ("percentage_discount", PercentageDiscount(Fraction(10, 100))),
    ("fixed_price", FixedPrice(900)),
    ("buy_x_pay_y", BuyXPayY(3, 2)),
    ("free_gift", FreeGift(1)),
)
EURO = 100


def promotions() -> list[Promotion]:
    return [
        Promotion(
            id=key,
            starts_at=NOW - timedelta(hours=key),
            expires_at=NOW + timedelta(days=30, hours=key),
            name=f"Promotion {key}",
            **options,
        )
        for key, options in enumerate(_options(), start=1)
    ]


def _options() -> Iterator[dict[str, Any]]:
    amounts = cycle([OrderAmount(1200 * EURO), None, None])
    for place, (kind, benefit) in zip(range(700), cycle(LISTED)):
        yield _option(kind, benefit, next(amounts), sku_list_id=place // 2)
    for place in range(120):
        yield _option(*LISTED[0], market_id=2 + place % 6)
    for place in range(80):
        yield _option(*LISTED[0], currency_code=("USD", "GBP", "CHF", "SEK")[place % 4])
    for place in range(1, 61):
        yield _option("fixed_amount", FixedAmount(5 * EURO), OrderAmount((1500 + 1000 * place) * EURO))
    for place in range(30):
        yield _option("fixed_amount", FixedAmount(EURO), SkuList(place + IN_CART - 1, min_quantity=2))
    for place in range(9):
        yield _option(*LISTED[0], Custom((Filter("customer_tags_id", "in", (50 + place,)),)))
    yield _option("free_shipping", FreeShipping())


def _option(kind: str, benefit: Benefit, rule: Rule | None = None, **scope: Any) -> dict[str, Any]:
    return {"kind": kind, "benefit": benefit, "rules": (rule,) if rule else (), **scope}
