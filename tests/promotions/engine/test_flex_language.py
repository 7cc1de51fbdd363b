"""The check at save: what is accepted, and where each error is said to be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotions.engine.flex import CATALOGUE, BadRules, normalised
from promotions.engine.flex.catalogue import SELECTORS
from promotions.engine.flex.matchers import MATCHERS
from tests.promotions.engine.flexing import program, program_of
from tests.promotions.engine.random_carts import examples

LINES = "order.line_items"
CODE = {"field": f"{LINES}.sku.code", "matcher": "eq", "value": "A"}
PERCENTAGE = {"type": "percentage", "selector": LINES, "value": 0.5}
SORT, COUNT, TOTAL, FEE = (
    {"attribute": attribute, "direction": "desc"}
    for attribute in ("unit_amount_cents", "skus_count", "total_amount_cents", "price_amount_cents")
)


def errors(rules: object, **limits: int) -> list[tuple[str, str]]:
    with pytest.raises(BadRules) as bad:
        program_of(rules, **limits)
    return bad.value.errors


def paths(rules: object, **limits: int) -> list[str]:
    return [path for path, _ in errors(rules, **limits)]


def rule(*conditions: object, actions: tuple[object, ...] = ()) -> dict[str, Any]:
    return {"rules": [{"name": "Rule", "conditions": list(conditions), "actions": list(actions)}]}


def condition(field: str, matcher: object, *value: object, **more: object) -> dict[str, Any]:
    return {"field": f"order.{field}", "matcher": matcher} | ({"value": value[0]} if value else {}) | more


# --- Rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (None, [""]),
        ([], [""]),
        ({}, ["rules"]),
        ({"rules": {}}, ["rules"]),
        ({"rules": [], "more": 1}, ["more"]),
        ({"rules": [3, "x"]}, ["rules.0", "rules.1"]),
        ({"rules": [{}]}, ["rules.0.name", "rules.0.conditions", "rules.0.actions"]),
        (rule() | {"version": 1}, ["version"]),
        (
            {"rules": [{"name": " ", "conditions": 1, "actions": {}}]},
            ["rules.0.name", "rules.0.conditions", "rules.0.actions"],
        ),
        ({"rules": [{"name": "x", "conditions": [], "actions": [], "extra": 1}]}, ["rules.0.extra"]),
        ({"rules": [{"name": "x", "conditions": [], "actions": [], "priority": True}]}, ["rules.0.priority"]),
        ({"rules": [{"name": "x", "conditions": [], "actions": [], "priority": 1.5}]}, ["rules.0.priority"]),
        ({"rules": [{"name": "x", "conditions": [], "actions": [], "id": 3}]}, ["rules.0.id"]),
        (
            {"rules": [{"name": "x", "conditions": [], "actions": [], "conditions_logic": "xor"}]},
            ["rules.0.conditions_logic"],
        ),
        ({"rules": [{"id": "a", "name": "x", "conditions": [], "actions": []}] * 2}, ["rules.0.id", "rules.1.id"]),
    ],
)
def test_the_shape_of_rules(rules: object, expected: list[str]) -> None:
    assert paths(rules) == expected


def test_errors_say_what_is_wrong() -> None:
    assert errors(rule(CODE | {"value": 3})) == [("rules.0.conditions.0.value", "must be a string")]
    assert str(BadRules(errors({}))) == "rules is required"


def test_no_rules_are_accepted_and_never_hold() -> None:
    assert program_of({"rules": []}).rules == ()


def test_limits_count_rules_and_nested_conditions() -> None:
    nest = CODE | {"nested": {"conditions": [CODE, CODE | {"nested": {"conditions": [CODE]}}]}}
    assert program_of(rule(nest, CODE), max_conditions=5)
    assert paths(rule(nest, CODE), max_conditions=4) == ["rules"]
    assert program_of({"rules": rule()["rules"] * 2}, max_rules=2)
    assert paths({"rules": rule()["rules"] * 2}, max_rules=1) == ["rules"]


def test_conditions_nest_no_deeper_than_anybody_could_read() -> None:
    def nest(depth: int) -> dict[str, Any]:
        return CODE | ({"nested": {"conditions": [nest(depth - 1)]}} if depth > 1 else {})

    assert program_of(rule(nest(10)))
    assert paths(rule(nest(11))) == ["rules.0.conditions.0" + ".nested.conditions.0" * 10]


# --- Conditions ---------------------------------------------------------------------------------------

VALUE, MATCHER, FIELD = "value", "matcher", "field"

BAD_CONDITIONS = [
    ({}, [FIELD, MATCHER]),
    (CODE | {"field": "order"}, [FIELD]),
    (CODE | {"field": f"{LINES}.sku"}, [FIELD]),
    (CODE | {"field": f"{LINES}.sku.nope"}, [FIELD]),
    (CODE | {"field": "price.amount_cents"}, [FIELD]),
    (CODE | {"field": 3}, [FIELD]),
    (CODE | {"field": "order.metadata"}, [FIELD]),
    (CODE | {"field": "order.metadata."}, [FIELD]),
    (CODE | {"field": "order.metadata.*"}, [FIELD]),
    (CODE | {"matcher": "like"}, [MATCHER]),
    (CODE | {"matcher": ["eq"]}, [MATCHER]),
    (CODE | {"scope": "some"}, ["scope"]),
    (CODE | {"group": ""}, ["group"]),
    (CODE | {"unknown": 1}, ["unknown"]),
    (condition("customer_email", "eq"), [VALUE]),
    (condition("customer_email", "null", 1), [VALUE]),
    (condition("customer_email", "gt", "a"), [MATCHER]),
    (condition("customer_email", "eq", 3), [VALUE]),
    (condition("customer_email", "is_in", "a"), [VALUE]),
    (condition("customer_email", "is_in", []), [VALUE]),
    (condition("customer_email", "is_in", ["a", 3]), ["value.1"]),
    (condition("customer_email", "array_match", {"in_or": ["a"]}), [MATCHER]),
    (condition("customer_email", "matches", "("), [VALUE]),
    (condition("customer_email", "matches", 3), [VALUE]),
    (condition("customer_email", "matches", "a" * 5001), [VALUE]),
    (condition("total_amount_cents", "start_with", "1"), [MATCHER]),
    (condition("total_amount_cents", "eq", "1"), [VALUE]),
    (condition("total_amount_cents", "eq", True), [VALUE]),
    (condition("total_amount_cents", "eq", float("nan")), [VALUE]),
    (condition("total_amount_cents", "eq", float("inf")), [VALUE]),
    (condition("total_amount_cents", "multiple", 0), [VALUE]),
    (condition("total_amount_cents", "gt_lt", 1), [VALUE]),
    (condition("total_amount_cents", "gt_lt", [1]), [VALUE]),
    (condition("total_amount_cents", "gt_lt", [1, 2, 3]), [VALUE]),
    (condition("total_amount_cents", "gt_lt", [2, 1]), [VALUE]),
    (condition("total_amount_cents", "gt_lt", [1, "2"]), ["value.1"]),
    (condition("placed_at", "gt", "yesterday"), [VALUE]),
    (condition("placed_at", "gt", "0001-01-01T00:00:00+14:00"), [VALUE]),
    (condition("placed_at", "gt", 5), [VALUE]),
    (condition("placed_at", "gteq_lteq", ["2026-02-01", "2026-01-01T00:00:00Z"]), [VALUE]),
    (condition("guest", "gt", True), [MATCHER]),
    (condition("guest", "eq", "true"), [VALUE]),
    (condition("guest", "is_in", [True]), [MATCHER]),
    (condition("tags.name", "array_match", ["a"]), [VALUE]),
    (condition("tags.name", "array_match", {}), [VALUE]),
    (condition("tags.name", "array_match", {"in": ["a"]}), ["value.in"]),
    (condition("tags.name", "array_match", {"in_or": []}), ["value.in_or"]),
    (condition("tags.name", "array_match", {"in_or": ["a", 1.5]}), ["value.in_or.1"]),
    (condition("metadata.level", "gt", "high"), [VALUE]),
    (condition("metadata.level", "start_with", 3), [MATCHER]),
    (condition("metadata.level", "eq", {}), [VALUE]),
    (condition("metadata.level", "eq", None), [VALUE]),
    (condition("metadata.level", "is_in", [1, "a"]), ["value.1"]),
    (CODE | {"aggregations": {}}, ["aggregations"]),
    (CODE | {"nested": []}, ["nested"]),
    (CODE | {"nested": {}}, ["nested.conditions"]),
    (CODE | {"nested": {"conditions": [CODE | {"value": 1}]}}, ["nested.conditions.0.value"]),
    (CODE | {"nested": {"conditions": [], "more": 1}}, ["nested.more"]),
    (CODE | {"nested": {"conditions": [], "conditions_logic": "not"}}, ["nested.conditions_logic"]),
]


@pytest.mark.parametrize(("bad", "expected"), BAD_CONDITIONS)
def test_where_a_condition_is_wrong(bad: object, expected: list[str]) -> None:
    assert paths(rule(CODE, bad)) == [f"rules.0.conditions.1.{path}" for path in expected]


BAD_DYNAMIC = [
    ("total_amount_cents", "eq", "{{order.nope}}"),
    ("total_amount_cents", "eq", "{{}}"),
    ("total_amount_cents", "eq", "{{today}}"),
    ("total_amount_cents", "eq", "{{order.customer_email}}"),
    ("total_amount_cents", "eq", "{{order.line_items.quantity}}"),
    ("total_amount_cents", "eq", "{{median(order.line_items.quantity)}}"),
    ("total_amount_cents", "eq", "{{min(order.line_items.sku.code)}}"),
    ("total_amount_cents", "eq", "{{month(order.customer_email)}}"),
    ("line_items.sku.code", "eq", "{{order.line_items.sku.tags.name}}"),
    ("placed_at", "gteq_lteq", "{{today}}"),
    ("placed_at", "gteq_lteq", "{{range(today)}}"),
    ("placed_at", "gteq_lteq", "{{range(today, 7)}}"),
    ("placed_at", "gteq_lteq", "{{range(today, 7.hours)}}"),
    ("placed_at", "gteq_lteq", "{{range(order.nope, 7.days)}}"),
    ("placed_at", "gt_lt", "{{range(today, 7.days)}}"),
    ("placed_at", "eq", "{{range(today, 7.days)}}"),
    ("placed_at", "eq", "{{month(today)}}"),
    ("customer_email", "matches", "{{order.customer.email}}("),
]


@pytest.mark.parametrize(("field", "matcher", "value"), BAD_DYNAMIC)
def test_a_dynamic_value_that_cannot_be_used_is_refused(field: str, matcher: str, value: str) -> None:
    assert paths(rule(condition(field, matcher, value))) == ["rules.0.conditions.0.value"]


AGGREGATION = {"field": f"{LINES}.quantity", "operator": "sum", "matcher": "gteq", "value": 2}


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (3, [""]),
        ({}, [".field", ".operator", ".matcher", ".value"]),
        (AGGREGATION | {"field": "order.customer.total_orders_count"}, [".field"]),
        (AGGREGATION | {"field": f"{LINES}.bundle.code"}, [".field"]),
        (AGGREGATION | {"field": f"{LINES}.sku.code"}, [".operator"]),
        (AGGREGATION | {"operator": "avg"}, [".operator"]),
        (AGGREGATION | {"matcher": "gt_lt"}, [".matcher"]),
        (AGGREGATION | {"value": "2"}, [".value"]),
        (AGGREGATION | {"value": 2.5}, [".value"]),
        (AGGREGATION | {"more": 1}, [".more"]),
    ],
)
def test_where_an_aggregation_is_wrong(bad: object, expected: list[str]) -> None:
    assert paths(rule(CODE | {"aggregations": [AGGREGATION, bad]})) == [
        f"rules.0.conditions.0.aggregations.1{path}" for path in expected
    ]
    action = PERCENTAGE | {"selector": f"{LINES}.sku", "aggregation": bad}
    assert paths(rule(actions=(action,))) == [f"rules.0.actions.0.aggregation{path}" for path in expected]


# --- Actions ------------------------------------------------------------------------------------------

AMOUNT = {"type": "fixed_amount", "selector": LINES, "value": 500}
PRICE = {"type": "fixed_price", "selector": LINES, "value": 500}
BUY = {"type": "buy_x_pay_y", "selector": LINES, "value": {"x": 3, "y": 2}}
EVERY = {"type": "every_x_discount_y", "selector": LINES, "value": {"x": 100, "y": 5, "attribute": "quantity"}}
GIFT = {"type": "free_gift", "identifiers": {f"{LINES}.sku.id": ["a"]}, "quantity": 1}

BAD_ACTIONS = [
    (3, [""]),
    ({}, [".type"]),
    ({"type": "fixed"}, [".type"]),
    ({"type": ["percentage"]}, [".type"]),
    ({"type": "percentage"}, [".value", ".selector"]),
    *(({key: one[key] for key in ("type", "value")}, [".selector"]) for one in (PERCENTAGE, AMOUNT, PRICE, BUY, EVERY)),
    (PERCENTAGE | {"selector": "price"}, [".selector"]),
    (PERCENTAGE | {"selector": "orders"}, [".selector"]),
    (PERCENTAGE | {"selector": f"{LINES}.nope"}, [".selector"]),
    (PERCENTAGE | {"selector": 3}, [".selector"]),
    (PERCENTAGE | {"selector": f"{LINES}.sku.id"}, [".identifier"]),
    (PERCENTAGE | {"identifier": "x"}, [".identifier"]),
    (PERCENTAGE | {"selector": f"{LINES}.sku.id", "identifier": 3}, [".identifier"]),
    (PERCENTAGE | {"groups": []}, [".groups"]),
    (PERCENTAGE | {"groups": ["g", "unknown"]}, [".groups.1"]),
    (PERCENTAGE | {"groups": [3]}, [".groups.0"]),
    *((PERCENTAGE | {"value": bad}, [".value"]) for bad in (-0.1, 1.1, "2", "x", None, True, [0.1])),
    *((PERCENTAGE | {"value": bad}, [".value"]) for bad in (float("nan"), "1e-999999999", "0." + "1" * 99)),
    *((one | {"value": bad}, [".value"]) for one in (AMOUNT, PRICE) for bad in (-1, 0.5, "500", None, True)),
    *((PERCENTAGE | {"quantity": bad}, [".quantity"]) for bad in (0, -1, 1.5, "1", True)),
    (PERCENTAGE | {"round": 1}, [".round"]),
    (AMOUNT | {"round": True}, [".round"]),
    (PERCENTAGE | {"discount_mode": "distributed"}, [".discount_mode"]),
    (AMOUNT | {"discount_mode": "even"}, [".discount_mode"]),
    (PERCENTAGE | {"apply_on": "quantity"}, [".apply_on"]),
    (PERCENTAGE | {"selector": "order", "apply_on": "unit_amount_cents"}, [".apply_on"]),
    (PERCENTAGE | {"selector": f"{LINES}.shipment", "apply_on": "unit_amount_cents"}, [".apply_on"]),
    (PERCENTAGE | {"limit": 3}, [".limit"]),
    (PERCENTAGE | {"limit": {}}, [".limit.value", ".limit.sort"]),
    (PERCENTAGE | {"limit": {"value": 0, "sort": SORT}}, [".limit.value"]),
    (PERCENTAGE | {"limit": {"value": 1, "sort": {}}}, [".limit.sort.attribute", ".limit.sort.direction"]),
    (PERCENTAGE | {"limit": {"value": 1, "sort": SORT | {"direction": "up"}}}, [".limit.sort.direction"]),
    (PERCENTAGE | {"limit": {"value": 1, "sort": SORT | {"attribute": "name"}}}, [".limit.sort.attribute"]),
    (PERCENTAGE | {"limit": {"value": 1, "sort": SORT, "more": 1}}, [".limit.more"]),
    (PERCENTAGE | {"groups": ["g"], "bundle": {"sort": SORT}}, [".groups"]),
    (PERCENTAGE | {"bundle": {"sort": SORT}}, [".groups"]),
    (PERCENTAGE | {"groups": ["g", "g"], "bundle": {"sort": SORT}}, [".groups"]),
    (PERCENTAGE | {"groups": ["g", "h"], "bundle": {"type": "every", "value": 2, "sort": SORT}}, [".groups"]),
    (PERCENTAGE | {"bundle": {"type": "every", "value": 2, "sort": SORT}}, [".groups"]),
    (PERCENTAGE | {"groups": ["g"], "bundle": {"type": "every", "sort": SORT}}, [".bundle.value"]),
    (PERCENTAGE | {"groups": ["g"], "bundle": {"type": "every", "value": 0, "sort": SORT}}, [".bundle.value"]),
    (PERCENTAGE | {"groups": ["g", "h"], "bundle": {"value": 2, "sort": SORT}}, [".bundle.value"]),
    (PERCENTAGE | {"groups": ["g", "h"], "bundle": {"type": "some", "sort": SORT}}, [".bundle.type"]),
    (PERCENTAGE | {"groups": ["g", "h"], "bundle": {}}, [".bundle.sort"]),
    (PERCENTAGE | {"groups": ["g", "h"], "bundle": {"sort": SORT}, "limit": {"value": 1, "sort": SORT}}, [".bundle"]),
    (PERCENTAGE | {"selector": "order", "groups": ["g", "h"], "bundle": {"sort": COUNT}}, [".bundle"]),
    (BUY | {"limit": {"value": 1, "sort": SORT}}, [".limit"]),
    (BUY | {"value": 3}, [".value"]),
    (BUY | {"value": {"x": 3}}, [".value.y"]),
    (BUY | {"value": {"x": 2, "y": 2}}, [".value.x"]),
    (BUY | {"value": {"x": 3, "y": 0}}, [".value.y"]),
    (BUY | {"value": {"x": 3, "y": 2, "result_item_limit": 0}}, [".value.result_item_limit"]),
    (BUY | {"value": {"x": 3, "y": 2, "z": 1}}, [".value.z"]),
    (EVERY | {"value": {"x": 3, "y": 2}}, [".value.attribute"]),
    (EVERY | {"value": {"x": 0, "y": 2, "attribute": "quantity"}}, [".value.x"]),
    (EVERY | {"value": {"x": 3, "y": 2, "attribute": "sku.code"}}, [".value.attribute"]),
    ({"type": "free_gift"}, [".identifiers", ".quantity"]),
    (GIFT | {"selector": LINES}, [".selector"]),
    (GIFT | {"quantity": 0}, [".quantity"]),
    (GIFT | {"identifiers": {}}, [".identifiers"]),
    (GIFT | {"identifiers": {f"{LINES}.sku.code": ["a"]}}, [f".identifiers.{LINES}.sku.code"]),
    (GIFT | {"identifiers": {f"{LINES}.sku.id": []}}, [f".identifiers.{LINES}.sku.id"]),
    (GIFT | {"identifiers": {f"{LINES}.sku.id": ["a", 3]}}, [f".identifiers.{LINES}.sku.id.1"]),
]  # fmt: skip
GROUPED = (CODE | {"group": "g"}, condition("guest", "eq", False, nested={"conditions": [CODE | {"group": "h"}]}))


@pytest.mark.parametrize(("bad", "expected"), BAD_ACTIONS)
def test_where_an_action_is_wrong(bad: object, expected: list[str]) -> None:
    assert paths(rule(*GROUPED, actions=(PERCENTAGE, bad))) == [f"rules.0.actions.1{path}" for path in expected]


GOOD_ACTIONS = [
    *(one | {"selector": selector, "value": 0} for one in (PERCENTAGE, AMOUNT, PRICE) for selector in SELECTORS),
    *(one | {"selector": selector} for one in (BUY, EVERY) for selector in (LINES, f"{LINES}.sku", f"{LINES}.bundle")),
    PERCENTAGE | {"value": "0.1535"},
    PERCENTAGE | {"value": 1},
    PERCENTAGE | {"groups": ["g", "h"], "bundle": {"sort": SORT, "type": "balanced"}, "quantity": 3},
    PERCENTAGE | {"groups": ["g"], "bundle": {"sort": SORT, "type": "every", "value": 2}},
    PERCENTAGE | {"selector": "order", "limit": {"value": 1, "sort": TOTAL}},
    PERCENTAGE | {"selector": f"{LINES}.payment_method", "limit": {"value": 1, "sort": FEE}},
    PRICE | {"apply_on": "unit_amount_cents"},
    PERCENTAGE | {"aggregation": AGGREGATION},
    EVERY | {"selector": "order", "value": {"x": 1, "y": 1, "attribute": "total_amount_cents"}},
    GIFT,
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD_ACTIONS)
def test_actions_that_are_right(good: dict[str, Any]) -> None:
    assert program_of(rule(*GROUPED, actions=(good,))).rules[0].actions[0].type == good["type"]


def test_every_error_is_told_at_once() -> None:
    bad = rule(
        CODE | {"value": 1}, {"field": "order.nope", "matcher": "eq"}, actions=(PERCENTAGE | {"value": 2, "x": 1},)
    )
    assert paths(bad) == [
        "rules.0.conditions.0.value",
        "rules.0.conditions.1.field",
        "rules.0.actions.0.x",
        "rules.0.actions.0.value",
    ]


# --- Storing ------------------------------------------------------------------------------------------


def test_ids_and_groups_are_filled_in_where_they_are_missing() -> None:
    written = rule(CODE | {"nested": {"conditions": [CODE, CODE | {"group": "mine"}]}}, actions=(PERCENTAGE,))
    stored = normalised(written, lambda path: f"<{path}>")
    assert stored["rules"][0]["id"] == "<rules.0>"
    (outer,) = stored["rules"][0]["conditions"]
    assert outer["group"] == "<rules.0.conditions.0>"
    assert [one["group"] for one in outer["nested"]["conditions"]] == [
        "<rules.0.conditions.0.nested.conditions.0>",
        "mine",
    ]
    assert stored["rules"][0]["actions"] == [PERCENTAGE]
    assert "group" not in written["rules"][0]["conditions"][0]


def test_what_is_stored_is_stored_again_as_it_is() -> None:
    stored = normalised(rule(*GROUPED, actions=(PERCENTAGE,)), lambda path: path)
    assert normalised(stored, lambda path: "other") == stored
    assert program_of(stored).rules[0].id == "rules.0"


# --- The catalogue ------------------------------------------------------------------------------------


def test_the_catalogue_holds_what_rules_are_written_about() -> None:
    for path in (
        "order.market.code order.currency_code order.customer.tags.name order.customer.metadata.* "
        "order.customer.customer_group.code order.shipping_address.country_code order.billing_address.state_code "
        "order.line_items.quantity order.line_items.sku.sku_lists.id order.line_items.sku.tags.name "
        "order.line_items.bundle.code order.line_items.line_item_options.name order.shipments.shipping_method.name "
        "order.payment_method.payment_source_type order.metadata.* order.coupon_code order.placed_at order.created_at"
    ).split():
        assert path in CATALOGUE


@pytest.mark.parametrize("path", [path for path in CATALOGUE if not path.endswith("*")])
def test_every_path_can_be_asked_for(path: str) -> None:
    assert program({"conditions": [{"field": path, "matcher": "not_null"}]}).paths == {path}


# --- Anything -----------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    "rules id name priority conditions_logic conditions actions field matcher value scope group aggregations nested "
    "operator type selector identifier identifiers groups aggregation quantity limit bundle apply_on round "
    "discount_mode sort attribute direction x y result_item_limit in_and in_or".split()
)
WORDS = st.sampled_from(
    [*MATCHERS, *SELECTORS, *list(CATALOGUE)[::9], "order.metadata.a", "and", "or", "any", "all", "{{today}}", "asc",
     "{{range(today, 7.days)}}", "{{min(order.line_items.quantity)}}", "percentage", "fixed_amount", "fixed_price",
     "buy_x_pay_y", "every_x_discount_y", "free_gift", "2026-01-01", "unit_amount_cents", "every", "balanced"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=8),
    max_leaves=40,
)
CONDITION = st.fixed_dictionaries(
    {"field": WORDS, "matcher": st.sampled_from(list(MATCHERS))},
    optional={"value": JSON, "scope": WORDS, "group": st.just("g"), "aggregations": JSON, "nested": JSON},
)
ACTION = st.fixed_dictionaries(
    {"type": st.sampled_from(["percentage", "fixed_amount", "buy_x_pay_y", "every_x_discount_y", "free_gift"])},
    optional={"selector": WORDS, "value": JSON, "groups": JSON, "limit": JSON, "bundle": JSON, "identifiers": JSON,
              "quantity": SCALARS, "identifier": SCALARS, "aggregation": JSON, "apply_on": SCALARS},
)  # fmt: skip
RULES = st.fixed_dictionaries(
    {
        "rules": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.just("x"),
                    "conditions": st.lists(CONDITION | JSON, max_size=3),
                    "actions": st.lists(ACTION | JSON, max_size=3),
                }
            ),
            max_size=3,
        )
    }
)


@given(rules=JSON | RULES)
@examples(500)
def test_anything_is_either_a_program_or_bad_rules(rules: object) -> None:
    wrong = []
    try:
        program_of(rules)
    except BadRules as bad:
        wrong = bad.errors
    assert all(isinstance(path, str) and message for path, message in wrong)


def test_numbers_too_long_to_print_are_refused_in_words() -> None:
    huge = json.loads("1" + "0" * 4000) ** 3
    assert paths(rule(actions=(PERCENTAGE | {"value": huge},))) == ["rules.0.actions.0.value"]
    assert program_of(rule(condition("total_amount_cents", "lt", huge)))
