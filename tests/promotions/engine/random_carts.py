"""Random carts and promotions of every kind: the few items, lists and amounts there are make them meet."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from promotions.engine.benefits import (
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
from promotions.engine.types import Claim, Customer, Line, Listed, Order, Outcome, Promotion, Rule, Shipment
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
LISTS, TAGS = range(1, 5), range(1, 4)
MARKETS, CURRENCIES = (None, 1, 2), ("EUR", "USD")
MATCHERS = ("eq", "in", "not_in", "gteq", "gt", "lteq", "lt", "end_any")

amounts = st.integers(0, 12) | st.integers(0, 5000) | st.sampled_from([99, 333, 999, 1000, 10**9])
tags = st.frozensets(st.sampled_from(TAGS), max_size=2)
lists = st.sampled_from(LISTS)
memberships = st.dictionaries(lists, st.builds(Listed, st.integers(1, 3), st.integers(1, 3)), max_size=3)


def rarely(values: Any) -> st.SearchStrategy[Any]:
    return st.just(None) | st.just(None) | st.just(None) | values


# --- The order ----------------------------------------------------------------------------------------------------


@st.composite
def lines(draw: st.DrawFn) -> tuple[Line, ...]:
    held = draw(st.fixed_dictionaries(dict.fromkeys(ITEMS, memberships)))
    drawn = []
    for place in range(draw(st.integers(0, 6))):
        kind, code = draw(st.sampled_from([*ITEMS, ("gift_cards", "G")]))
        drawn.append(
            Line(
                id=place + 11,
                code=code,
                item_type=kind,
                quantity=draw(st.integers(1, 9)),
                unit_amount_cents=draw(amounts),
                options_amount_cents=draw(rarely(amounts)) or 0,
                discountable=kind != "gift_cards" or draw(st.booleans()),
                lists=held.get((kind, code), {}),
                tags=draw(tags),
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
)
orders = st.builds(
    Order,
    currency_code=st.just("EUR"),
    market_id=st.sampled_from(MARKETS),
    lines=lines(),
    shipments=shipments,
    customer=customers,
    tags=tags,
)

# --- Promotions ---------------------------------------------------------------------------------------------------

BENEFITS = {
    "percentage_discount": st.builds(PercentageDiscount, st.integers(1, 100).map(lambda part: Fraction(part, 100))),
    "fixed_amount": st.builds(FixedAmount, amounts),
    "fixed_price": st.builds(FixedPrice, amounts),
    "free_gift": st.builds(FreeGift, st.integers(1, 5)),
    "buy_x_pay_y": st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()).map(
        lambda drawn: BuyXPayY(drawn[0] + drawn[1], drawn[0], drawn[2])
    ),
    "free_shipping": st.just(FreeShipping()),
    "external": st.just(External()),
}
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
    | st.builds(Filter, st.just("customer_email"), st.just("end_any"), st.just(("@example.com", "@example.net")))
)
rules: st.SearchStrategy[Rule] = (
    st.builds(OrderAmount, st.none() | st.integers(0, 6000), st.booleans())
    | st.builds(SkuList, lists, st.booleans(), st.none() | st.integers(0, 4), st.integers(0, 3))
    | st.builds(Custom, st.lists(filters, min_size=1, max_size=2).map(tuple))
)


@st.composite
def promotions(draw: st.DrawFn, key: int) -> Promotion:
    kind = draw(st.sampled_from(sorted(BENEFITS)))
    starts_at = draw(
        st.sampled_from([STARTS_AT] * 5 + [STARTS_AT + timedelta(days=1), NOW, NOW + timedelta(seconds=1)])
    )
    return Promotion(
        id=key,
        kind=kind,
        benefit=draw(BENEFITS[kind]),
        name=f"promotion {key}",
        starts_at=starts_at,
        expires_at=draw(st.sampled_from([EXPIRES_AT] * 7 + [NOW + timedelta(seconds=2)])),
        disabled_at=draw(rarely(st.just(NOW))) if draw(st.booleans()) else None,
        exclusive=draw(st.integers(0, 5)) == 0,
        priority=draw(rarely(st.integers(0, 3))),
        currency_code=draw(rarely(st.sampled_from(CURRENCIES))),
        market_id=draw(rarely(st.sampled_from(MARKETS))),
        sku_list_id=draw(lists) if kind in NEED_LIST else draw(rarely(lists)),
        rules=draw(st.lists(rules, max_size=2).map(tuple)),
    )


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    ids = draw(st.lists(st.integers(11, 17), unique=True, max_size=3))
    own = draw(st.booleans())
    return Outcome(
        draw(amounts),
        tuple((key, draw(amounts) if own else None) for key in ids),
        draw(st.sampled_from(["", "told by the service"])),
        refusal=draw(rarely(st.just(Refusal("external_failed", cause="timeout")))),
    )


@st.composite
def shoppings(draw: st.DrawFn) -> Shopping:
    made = [draw(promotions(key)) for key in range(1, 1 + draw(st.integers(0, 8)))]
    by_code = draw(st.sets(st.sampled_from(made), max_size=3)) if made else set()
    claims = [Claim(code=f"CODE{number}", promotion=one) for number, one in enumerate(by_code)]
    if draw(st.booleans()):
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
        draw(st.none() | st.integers(0, 5)),
        draw(st.frozensets(st.sampled_from(keys), max_size=2)) if keys and draw(st.booleans()) else frozenset(),
        {one.id: draw(outcomes()) for one in made if one.kind == "external" and draw(st.booleans())},
    )
