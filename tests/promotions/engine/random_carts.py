"""Random carts and promotions of every kind: the few items, lists and amounts there are make them meet."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

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
from promotions.engine.conditions import Custom, Filter, OrderAmount, SkuList
from promotions.engine.reasons import Refusal
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
from promotions.engine.types import Claim, Customer, Line, Listed, Order, Outcome, Promotion, Rule, Shipment
from tests.promotions.engine.flexing import acting
from tests.promotions.engine.notation import EXPIRES_AT, NOW, STARTS_AT


def examples(number: int) -> Callable[[Any], Any]:
    """ROBUSTNESS=20 runs twenty times as many."""
    return settings(
        max_examples=number * int(os.environ.get("ROBUSTNESS", "1")),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@dataclass(frozen=True)
class Shopping:
    """Everything an evaluation is given."""

    order: Order
    promotions: tuple[Promotion, ...]
    claims: tuple[Claim, ...]
    limit: int | None
    exhausted: frozenset[int]
    outcomes: dict[int, Outcome]

    @property
    def given(self) -> dict[str, Any]:
        names = ("claims", "limit", "exhausted", "outcomes")
        return {name: getattr(self, name) for name in names}


ITEMS = [("skus", "A"), ("skus", "B"), ("skus", "C"), ("skus", "D"), ("bundles", "A"), ("bundles", "K")]
LISTS, TAGS = range(1, 4), range(1, 4)
MARKETS, CURRENCIES = (None, 1, 2), ("EUR", "USD")
SECOND = timedelta(seconds=1)

amounts = st.integers(0, 12) | st.integers(0, 5000) | st.sampled_from([99, 333, 999, 1000, 10**9])
tags = st.frozensets(st.sampled_from(TAGS), max_size=2)
names = st.frozensets(st.sampled_from(["x", "y", "z"]), max_size=2)
lists = st.sampled_from(LISTS)
listed = st.builds(
    Listed,
    st.integers(1, 3),
    st.sampled_from([1, 1, 1, 2, 3]),
    max_per_coupon=st.sampled_from([0, 0, 0, 1, 2, 5]),
    price_amount_cents=st.sampled_from([None, None, None, 0, 90, 400]),
)
memberships = st.fixed_dictionaries({}, optional=dict.fromkeys(LISTS, listed))


def rarely(draw: st.DrawFn, values: st.SearchStrategy[Any], default: Any = None, times: int = 8) -> Any:
    """One of the values, once in so many times."""
    return draw(values) if draw(st.integers(1, times)) == times else default


# --- The order ----------------------------------------------------------------------------------------------------


@st.composite
def lines(draw: st.DrawFn) -> tuple[Line, ...]:
    held = draw(st.fixed_dictionaries(dict.fromkeys(ITEMS, memberships)))
    drawn = []
    for place in range(rarely(draw, st.just(0), draw(st.integers(1, 6)), 20)):
        kind, code = rarely(draw, st.just(("gift_cards", "G")), draw(st.sampled_from(ITEMS)))
        drawn.append(
            Line(
                id=place + 11,
                code=code,
                item_type=kind,
                quantity=draw(st.integers(1, 9)),
                unit_amount_cents=draw(amounts),
                options_amount_cents=rarely(draw, amounts, 0),
                discountable=kind != "gift_cards" or draw(st.booleans()),
                lists=held.get((kind, code), {}),
                tags=draw(tags),
                product=rarely(draw, st.sampled_from(["P", "Q"]), None, 3),
            )
        )
    return tuple(drawn)


shipments = st.lists(
    st.tuples(st.integers(0, 900), st.none() | st.frozensets(st.integers(11, 16), max_size=3)), max_size=3
).map(
    lambda drawn: tuple(Shipment(id=place, amount_cents=cents, lines=held) for place, (cents, held) in enumerate(drawn))
)
customers = st.builds(
    Customer,
    id=st.none() | st.just(1),
    email=st.sampled_from([None, "ann@example.com", "bob@example.org"]),
    status=st.sampled_from([None, "prospect", "repeat"]),
    tags=tags,
    tag_names=names,
    names=names,
    country_code=st.sampled_from([None, "IT", "DE"]),
    uses=st.dictionaries(st.integers(1, 8), st.integers(1, 2), max_size=3),
)
orders = st.builds(
    Order,
    currency_code=st.just("EUR"),
    market_id=st.sampled_from(MARKETS),
    lines=lines(),
    shipments=shipments,
    customer=customers,
    tags=tags,
    names=names,
    subscription=st.sampled_from([None, "x", "y"]),
)

# --- Promotions ---------------------------------------------------------------------------------------------------

contexts = st.sampled_from(["items", "items", "shipping", "items_and_shipping"])
BENEFITS = {
    "percentage_discount": st.builds(
        PercentageDiscount, st.integers(1, 200).map(lambda part: Fraction(part, 200)), contexts
    ),
    "fixed_amount": st.builds(FixedAmount, amounts, contexts) | st.builds(Balance, amounts, contexts),
    "fixed_price": st.builds(FixedPrice, amounts, st.sampled_from([False, False, True])),
    "free_gift": st.builds(FreeGift, st.integers(1, 5)),
    "buy_x_pay_y": st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()).map(
        lambda drawn: BuyXPayY(drawn[0] + drawn[1], drawn[0], drawn[2])
    ),
    "free_shipping": st.just(FreeShipping()),
    "external": st.just(External()),
}
LINES = "order.line_items"
CHEAPEST = {"attribute": "unit_amount_cents", "direction": "asc"}
FLEX = st.sampled_from(
    [
        acting({"type": "percentage", "selector": LINES, "value": 0.15, "quantity": 2}),
        acting({"type": "percentage", "selector": LINES, "value": 0.5, "limit": {"value": 3, "sort": CHEAPEST}}),
        acting({"type": "fixed_amount", "selector": LINES, "value": 7, "discount_mode": "distributed"}),
        acting({"type": "fixed_amount", "selector": LINES, "value": 33, "quantity": 1}),
        acting({"type": "fixed_price", "selector": LINES, "value": 300, "quantity": 2}),
        acting({"type": "buy_x_pay_y", "selector": LINES, "value": {"x": 3, "y": 2}}),
        acting({"type": "percentage", "selector": f"{LINES}.shipment", "value": 0.3}),
    ]
)
"""Programs that tell units apart which no other promotion does; what they come to is tested with them."""
NEED_LIST = ("fixed_price", "free_gift", "buy_x_pay_y")

filters = (
    st.builds(
        Filter,
        st.sampled_from(["subtotal_amount_cents", "total_amount_cents"]),
        st.sampled_from(["eq", "gteq", "gt", "lteq", "lt"]),
        amounts,
    )
    | st.builds(Filter, st.just("market_id"), st.sampled_from(["in", "not_in"]), st.just((1, 3)))
    | st.builds(
        Filter,
        st.sampled_from(["customer_tags_id", "line_items_sku_tags_id", "tags_id"]),
        st.sampled_from(["in", "not_in"]),
        tags.map(tuple),
    )
    | st.just(Filter("customer_status", "eq", "repeat"))
    | st.just(Filter("customer_status", "not_in", ("repeat",)))
    | st.builds(Filter, st.just("line_items_sku_code"), st.sampled_from(["in", "not_in"]), st.just(("A", "C")))
    | st.builds(Filter, st.just("customer_email"), st.just("end_any"), st.just(("@example.com", "@example.net")))
)
rules: st.SearchStrategy[Rule] = (
    st.builds(OrderAmount, st.none() | st.integers(0, 6000), st.booleans())
    | st.builds(SkuList, lists, st.booleans(), st.none() | st.integers(0, 4), st.integers(0, 3))
    | st.builds(Custom, st.lists(filters, min_size=1, max_size=2).map(tuple))
)
wanted = st.dictionaries(st.sampled_from("ABCDK"), st.integers(1, 3), min_size=1, max_size=2).map(
    lambda drawn: tuple(drawn.items())
)
selecting = st.builds(
    Codes, st.frozensets(st.sampled_from("ABCDKPQ"), min_size=1, max_size=4), st.integers(1, 4), st.booleans()
) | st.builds(BuyGet, wanted, wanted)
some_names = st.frozensets(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2)
restrictions: st.SearchStrategy[Rule] = (
    st.builds(OrderAmounts, st.sampled_from(["EUR", "EUR", "USD"]), st.integers(0, 6000), st.none() | amounts)
    | st.builds(Customers, some_names)
    | st.builds(CustomerTags, some_names, st.booleans())
    | st.builds(Countries, st.just(frozenset({"IT"})))
    | st.builds(Orders, some_names)
    | st.builds(Subscriptions, some_names)
)


@st.composite
def promotions(draw: st.DrawFn, key: int, kinds: Sequence[str] = tuple(BENEFITS)) -> Promotion:
    kind = draw(st.sampled_from(kinds))
    selections = rarely(draw, st.lists(selecting, min_size=1, max_size=2).map(tuple), (), 6)
    benefits = FLEX if kind == "flex" else BENEFITS[kind]
    return Promotion(
        id=key,
        kind=kind,
        benefit=draw(benefits),
        name=f"promotion {key}",
        starts_at=rarely(draw, st.sampled_from([NOW, NOW + SECOND, STARTS_AT + SECOND]), STARTS_AT),
        expires_at=rarely(draw, st.sampled_from([NOW, NOW + SECOND]), EXPIRES_AT, 20),
        disabled_at=rarely(draw, st.just(NOW), None, 20),
        exclusive=rarely(draw, st.just(True), False),
        exclusive_by_size=rarely(draw, st.just(True), False),
        priority=rarely(draw, st.integers(0, 3), None, 3),
        currency_code=rarely(draw, st.sampled_from(CURRENCIES)),
        market_id=rarely(draw, st.sampled_from(MARKETS)),
        sku_list_id=None if kind == "flex" else draw(lists) if kind in NEED_LIST else rarely(draw, lists, None, 3),
        rules=(
            *rarely(draw, st.lists(rules, min_size=1, max_size=2), (), 3),
            *rarely(draw, st.lists(restrictions, min_size=1, max_size=2), ()),
            *rarely(
                draw, st.lists(st.builds(CustomerUsage, st.just(key), st.integers(0, 2)), min_size=1, max_size=1), ()
            ),
            *selections,
        ),
        selections=selections,
        applies_to_count=rarely(draw, st.integers(1, 6), None, 4),
        balance_cents=rarely(draw, amounts, None, 3),
    )


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    ids = draw(st.lists(st.integers(11, 17), unique=True, max_size=3))
    has_own_cents = draw(st.booleans())
    return Outcome(
        draw(amounts),
        tuple((key, draw(amounts) if has_own_cents else None) for key in ids),
        draw(st.sampled_from(["", "told by the service"])),
        refusal=rarely(draw, st.just(Refusal("external_failed", cause="timeout"))),
    )


@st.composite
def shoppings(draw: st.DrawFn, kinds: Sequence[str] = tuple(BENEFITS)) -> Shopping:
    made = [draw(promotions(key, kinds)) for key in range(1, 1 + draw(st.integers(1, 8)))]
    by_code = draw(st.lists(st.sampled_from(made), max_size=3, unique=True))
    claims = [Claim(code=f"CODE{number}", promotion=one) for number, one in enumerate(by_code)]
    if rarely(draw, st.just(True), False, 4):
        claims += [
            Claim(code="NONE"),
            *claims[:1],
            *(Claim(code="OLD", promotion=one, refusal=Refusal("coupon_expired")) for one in made[:1]),
        ]
    keys = [one.id for one in made]
    return Shopping(
        draw(orders),
        tuple(one for one in made if one not in by_code),
        tuple(draw(st.permutations(claims))),
        rarely(draw, st.integers(0, 5), None, 3),
        rarely(draw, st.frozensets(st.sampled_from(keys), max_size=2), frozenset(), 4),
        {one.id: draw(outcomes()) for one in made if one.kind == "external" and not rarely(draw, st.just(True), False)},
    )


# --- Of special shape ---------------------------------------------------------------------------------------------


@st.composite
def lone_promotions(draw: st.DrawFn) -> Shopping:
    """One promotion without rules, on an order where no two gifts have the same position or an item two prices.

    Nor has an item a price of its own in a list, which would tell units apart that cost the same.
    """
    promotion = replace(draw(promotions(1)), rules=())
    order = draw(orders)
    price_of = {(line.item_type, line.code): line.unit_amount_cents for line in order.lines}
    order = replace(
        order,
        lines=tuple(
            replace(
                line,
                unit_amount_cents=price_of[line.item_type, line.code],
                lists={
                    key: listed._replace(position=ITEMS.index((line.item_type, line.code)), price_amount_cents=None)
                    for key, listed in line.lists.items()
                },
            )
            for line in order.lines
        ),
    )
    return Shopping(order, (promotion,), (), None, frozenset(), {1: draw(outcomes())._replace(lines=())})


PRIMES = (101, 103, 107, 109, 113, 127)


@st.composite
def untied_shoppings(draw: st.DrawFn) -> Shopping:
    """Nothing is rounded, for prices are multiples of a high power of ten; no percentages make two of them equal."""
    items = draw(st.permutations(ITEMS))[: draw(st.integers(1, 6))]
    held = draw(st.fixed_dictionaries(dict.fromkeys(items, memberships)))
    order = Order(
        currency_code="EUR",
        lines=tuple(
            Line(
                id=place + 11,
                code=code,
                item_type=kind,
                quantity=draw(st.integers(1, 9)),
                unit_amount_cents=PRIMES[place] * 10**16,
                lists={key: listed._replace(position=place) for key, listed in held[kind, code].items()},
            )
            for place, (kind, code) in enumerate(items)
        ),
        shipments=draw(shipments),
    )
    kinds = ("buy_x_pay_y", "free_gift", "free_shipping", "percentage_discount")
    made = [draw(promotions(key, kinds)) for key in range(1, 1 + draw(st.integers(1, 6)))]
    return Shopping(order, tuple(made), (), None, frozenset(), {})
