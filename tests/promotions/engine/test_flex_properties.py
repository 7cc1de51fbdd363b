"""What holds for every cart and every set of flex rules."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from promotions.engine.cart import Cart
from promotions.engine.reasons import Refusal
from promotions.engine.types import Order
from tests.promotions.engine.flexing import NOW, acting, applied, order, program, shares
from tests.promotions.engine.random_carts import examples

LINES = "order.line_items"
CENTS = st.one_of(st.integers(0, 10), st.integers(0, 100_000))

CARTS = st.builds(
    lambda lines, shipments: order(
        *[(code, *line) for code, line in zip("ABCDEF", lines, strict=False)], shipments=shipments
    ),
    st.lists(
        st.tuples(
            st.one_of(st.integers(1, 7), st.integers(1, 10**9)),
            CENTS,
            st.fixed_dictionaries(
                {},
                optional={
                    "options_amount_cents": CENTS,
                    "compare_at_amount_cents": CENTS,
                    "item_type": st.sampled_from(["skus", "bundles", "gift_cards"]),
                    "discountable": st.booleans(),
                },
            ),
        ),
        max_size=6,
    ),
    st.lists(CENTS, max_size=3).map(tuple),
)

CONDITIONS = [
    {"field": f"{LINES}.sku.code", "matcher": "is_in", "value": ["A", "C", "E"], "group": "odd"},
    {"field": f"{LINES}.sku.code", "matcher": "is_in", "value": ["B", "D", "F"], "group": "even"},
    {"field": f"{LINES}.quantity", "matcher": "gt", "value": 1, "group": "many"},
    {"field": "order.currency_code", "matcher": "eq", "value": "EUR", "group": "euro"},
]
SORT = st.fixed_dictionaries(
    {"attribute": st.sampled_from(["unit_amount_cents", "quantity"]), "direction": st.sampled_from(["asc", "desc"])}
)
UNITS = st.one_of(st.integers(1, 9), st.integers(1, 10**9))
BUNDLES = st.one_of(
    st.fixed_dictionaries({"groups": st.just(["odd", "even"]), "bundle": st.fixed_dictionaries({"sort": SORT})}),
    st.fixed_dictionaries(
        {
            "groups": st.just(["many"]),
            "bundle": st.fixed_dictionaries({"type": st.just("every"), "value": UNITS, "sort": SORT}),
        }
    ),
)
CUT = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"quantity": UNITS}),
    st.fixed_dictionaries({"limit": st.fixed_dictionaries({"value": UNITS, "sort": SORT})}),
    BUNDLES,
    st.fixed_dictionaries({"groups": st.lists(st.sampled_from(["odd", "even", "many", "euro"]), min_size=1)}),
)
BY_UNIT = st.sampled_from([LINES, f"{LINES}.sku", f"{LINES}.bundle", f"{LINES}.gift_card"])
WHOLE = st.sampled_from(["order", f"{LINES}.line_item_options", f"{LINES}.shipment", f"{LINES}.adjustment"])
PARTS = st.integers(0, 10_000).map(lambda part: part / 10_000)


def _merged(*strategies: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*strategies).map(lambda found: {key: value for one in found for key, value in one.items()})


VALUES = st.one_of(
    st.fixed_dictionaries({"type": st.just("percentage"), "value": PARTS}, optional={"round": st.booleans()}),
    st.fixed_dictionaries(
        {"type": st.just("fixed_amount"), "value": CENTS},
        optional={"discount_mode": st.sampled_from(["default", "distributed"])},
    ),
    st.fixed_dictionaries({"type": st.just("fixed_price"), "value": CENTS}),
)
APPLY_ON = st.sampled_from([{}, {"apply_on": "unit_amount_cents"}, {"apply_on": "compare_at_amount_cents"}])
ACTIONS = st.one_of(
    _merged(VALUES, st.fixed_dictionaries({"selector": BY_UNIT}), CUT, APPLY_ON),
    _merged(VALUES, st.fixed_dictionaries({"selector": WHOLE})),
    st.builds(
        lambda x, y, selector: {"type": "buy_x_pay_y", "selector": selector, "value": {"x": x + y, "y": y}},
        st.integers(1, 4), st.integers(1, 4), st.sampled_from(["order", LINES]),
    ),
    st.builds(
        lambda x, y, selector: {
            "type": "every_x_discount_y",
            "selector": selector,
            "value": {"x": x, "y": y, "attribute": "total_amount_cents"},
        },
        st.integers(1, 9999), st.integers(1, 999), st.sampled_from(["order", LINES]),
    ),
    st.builds(
        lambda ids, quantity: {"type": "free_gift", "identifiers": {f"{LINES}.sku.id": ids}, "quantity": quantity},
        st.lists(st.sampled_from(["idA", "idB", "idC"]), min_size=1), UNITS,
    ),
)  # fmt: skip
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "conditions_logic": st.just("or"),
            "conditions": st.just(CONDITIONS),
            "actions": st.lists(ACTIONS, min_size=1, max_size=4),
            "priority": st.integers(-1, 1),
        }
    ),
    min_size=1,
    max_size=3,
)


@given(bought=CARTS, rules=RULES)
@examples(200)
def test_shares_sum_to_what_is_gone_and_nothing_falls_below_zero(bought: Order, rules: list[dict[str, Any]]) -> None:
    cart = Cart(bought)
    before = cart.total
    result = applied(program(*rules), bought, cart)
    cents = 0 if isinstance(result, Refusal) else sum(share.cents for share in result.shares)
    assert before - cart.total == cents
    assert cart.items_discount == sum(
        part.line.quantity * part.line.unit_amount_cents + part.line.options_amount_cents - part.amount
        for part in cart.lines
    )
    for part in cart.lines:
        assert part.options >= 0
        assert all(run.amount >= 0 and run.quantity >= 0 for run in part.runs)
        assert sum(run.quantity for run in part.runs) == part.line.quantity
        assert sum(run.amount for run in part.runs) + part.options == part.amount
    assert all(part.amount >= 0 for part in cart.shipments)
    if not isinstance(result, Refusal):
        assert len({(share.line_id, share.shipment_id) for share in result.shares}) == len(result.shares)
        assert all(share.cents > 0 for share in result.shares)
        told = [action["amount_cents"] for outcome in result.rule_outcomes for action in outcome["actions"]]
        assert sum(told) == cents


@given(bought=CARTS, rules=RULES)
@examples(200)
def test_the_same_input_gives_the_same_answer_as_json(bought: Order, rules: list[dict[str, Any]]) -> None:
    first, second = (applied(program(*rules), bought) for _ in range(2))
    assert first == second
    if not isinstance(first, Refusal):
        assert json.loads(json.dumps(first.rule_outcomes)) == list(first.rule_outcomes)


# --- Unit by unit -------------------------------------------------------------------------------------

SMALL = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=5)


def units_of(lines: list[tuple[int, int]], direction: str) -> list[tuple[int, int]]:
    """(price, place) of every single unit, sorted as limits and bundles do."""
    every = [(price, place) for place, (quantity, price) in enumerate(lines) for _ in range(quantity)]
    return sorted(every, key=lambda unit: unit[0] * (1 if direction == "asc" else -1))


def summed(units: list[tuple[int, int]]) -> dict[str, int] | str:
    cents: dict[str, int] = {}
    for price, place in sorted(units, key=lambda unit: unit[1]):
        cents["ABCDE"[place]] = cents.get("ABCDE"[place], 0) + price
    return cents or "no_effect"


def bought(lines: list[tuple[int, int]]) -> Order:
    return order(*[("ABCDE"[place], *line) for place, line in enumerate(lines)])


@given(lines=SMALL, limit=st.integers(1, 20), direction=st.sampled_from(["asc", "desc"]))
@examples(200)
def test_a_limit_is_the_first_units_one_by_one(lines: list[tuple[int, int]], limit: int, direction: str) -> None:
    sort = {"attribute": "unit_amount_cents", "direction": direction}
    rules = acting({"type": "fixed_price", "selector": LINES, "value": 0, "limit": {"value": limit, "sort": sort}})
    assert shares(rules, bought(lines)) == summed(units_of(lines, direction)[:limit])


@given(lines=SMALL, every=st.integers(1, 9), direction=st.sampled_from(["asc", "desc"]))
@examples(200)
def test_a_bundle_of_every_is_whole_bundles_one_by_one(
    lines: list[tuple[int, int]], every: int, direction: str
) -> None:
    sort = {"attribute": "unit_amount_cents", "direction": direction}
    action = {"type": "fixed_price", "selector": LINES, "value": 0, "groups": ["euro"]}
    rules = acting(action | {"bundle": {"type": "every", "value": every, "sort": sort}}, conditions=[CONDITIONS[3]])
    units = units_of(lines, direction)
    picked = [unit for place, unit in enumerate(units) if place // every < len(units) // every]
    assert shares(rules, bought(lines)) == summed(picked)


@given(lines=SMALL, direction=st.sampled_from(["asc", "desc"]))
@examples(200)
def test_a_balanced_bundle_is_one_unit_of_each_group_at_a_time(lines: list[tuple[int, int]], direction: str) -> None:
    sort = {"attribute": "unit_amount_cents", "direction": direction}
    action = {"type": "fixed_price", "selector": LINES, "value": 0, "groups": ["odd", "even"], "bundle": {"sort": sort}}
    rules = program({"conditions_logic": "or", "conditions": CONDITIONS, "actions": [action]})
    units = units_of(lines, direction)
    groups = [[unit for unit in units if unit[1] % 2 == parity] for parity in (0, 1)]
    assert shares(rules, bought(lines)) == summed([unit for pair in zip(*groups, strict=False) for unit in pair])


@given(lines=SMALL, x=st.integers(2, 5), y=st.integers(1, 4))
@examples(200)
def test_buy_x_pay_y_is_line_by_line_unit_by_unit(lines: list[tuple[int, int]], x: int, y: int) -> None:
    value = {"x": x + y, "y": y}
    free = [
        (price, place)
        for place, (quantity, price) in enumerate(lines)
        for unit in range(1, quantity + 1)
        if unit % (x + y) == 0
        for _ in range(x)
    ]
    assert shares(acting({"type": "buy_x_pay_y", "selector": "order", "value": value}), bought(lines)) == summed(free)


# --- Any order ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("2026-01-01"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from("id line_items shipments sku code quantity unit_amount_cents cost_amount_cents tags name "
                        "metadata level currency_code total_amount_cents placed_at customer".split()),
        inner,
        max_size=5,
    ),
)  # fmt: skip
ASKED = [
    {"field": "order.total_amount_cents", "matcher": "gteq", "value": "{{max(order.line_items.unit_amount_cents)}}"},
    {"field": "order.placed_at", "matcher": "gteq_lteq", "value": "{{range(order.placed_at, 3.months)}}"},
    {"field": "order.metadata.level", "matcher": "gt", "value": 2},
    {"field": "order.tags.name", "matcher": "array_match", "value": {"in_or": ["A", 1]}},
    {"field": f"{LINES}.sku.code", "matcher": "matches", "value": "A", "scope": "all"},
    {"field": f"{LINES}.quantity", "matcher": "multiple", "value": 2},
    {"field": "order.customer.tags.name", "matcher": "blank"},
    {"field": "order.metadata.a.b", "matcher": "eq", "value": "{{order.metadata.level}}"},
]


@given(facts=JSON, rules=RULES)
@examples(200)
def test_any_facts_are_judged_without_an_error(facts: object, rules: list[dict[str, Any]]) -> None:
    asked = program({"conditions_logic": "or", "conditions": ASKED}, *rules)
    outcomes = asked.outcomes(facts, NOW)
    assert [type(one["match"]) for one in outcomes] == [bool] * (len(rules) + 1)
