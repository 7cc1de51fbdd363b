"""What conditions find: matchers by type, scope, lists, aggregations, nests, dynamic values."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.promotions.engine.flexing import NOW, acting, applied, found, holds, judged, order, program

PLACED = datetime(2026, 1, 10, 12, tzinfo=UTC)

FACTS: dict[str, Any] = {
    "id": "order",
    "currency_code": "EUR",
    "total_amount_cents": 6000,
    "guest": False,
    "customer_email": "ada@example.com",
    "placed_at": PLACED,
    "tags": [{"name": "dropship"}, {"name": "vip"}],
    "metadata": {
        "level": 3,
        "color": "red",
        "gift": True,
        "sizes": ["S", "M"],
        "since": "2026-01-10T12:00:00Z",
        "a": {"b": 1},
    },
    "market": {"code": "IT", "price_list": {"tax_included": True}},
    "customer": None,
    "line_items": [
        {
            "id": "A",
            "quantity": 2,
            "unit_amount_cents": 1250,
            "compare_at_amount_cents": 1500,
            "sku": {"code": "TSHIRT1", "weight": 0.1, "tags": [{"name": "red"}, {"name": "sale"}]},
        },
        {
            "id": "B",
            "quantity": 3,
            "unit_amount_cents": 800,
            "compare_at_amount_cents": 800,
            "sku": {"code": "TSHIRT2", "weight": Decimal("0.30"), "tags": [{"name": "red"}]},
        },
        {
            "id": "C",
            "quantity": 1,
            "unit_amount_cents": 1100,
            "metadata": {"color": "red"},
            "sku": {"code": "HAT", "tags": []},
        },
        {"id": "D", "quantity": 1, "unit_amount_cents": 0, "sku": None, "bundle": {"code": "SET"}},
    ],
    "shipments": [{"id": "S", "cost_amount_cents": 700, "shipping_method": {"name": "Express"}}],
}


def condition(field: str, matcher: str, *value: Any, **more: Any) -> dict[str, Any]:
    return {"field": f"order.{field}", "matcher": matcher} | ({"value": value[0]} if value else {}) | more


NUMBER = [
    ("eq", 6000, 6001),
    ("not_eq", 6001, 6000),
    ("multiple", 500, 700),
    ("lt", 6001, 6000),
    ("lteq", 6000, 5999),
    ("gt", 5999, 6000),
    ("gteq", 6000, 6001),
    ("gt_lt", [5999, 6001], [6000, 6001]),
    ("gteq_lt", [6000, 6001], [5000, 6000]),
    ("gt_lteq", [5999, 6000], [6000, 7000]),
    ("gteq_lteq", [6000, 6000], [6001, 6002]),
    ("is_in", [1, 6000], [1, 2]),
    ("is_not_in", [1, 2], [6000]),
]
EMAIL = [
    ("eq", "ada@example.com", "Ada@example.com"),
    ("not_eq", "bob@example.com", "ada@example.com"),
    ("start_with", "ada", "example"),
    ("not_start_with", "example", "ada"),
    ("end_with", "example.com", "ada"),
    ("not_end_with", "ada", ".com"),
    ("matches", r"@example\.com$", r"^example"),
    ("does_not_match", r"^example", r"@example"),
    ("is_in", ["ada@example.com"], ["bob@example.com"]),
    ("is_not_in", ["bob@example.com"], ["ada@example.com"]),
]
INSTANT = [
    ("eq", "2026-01-10T13:00:00+01:00", "2026-01-10T13:00:00Z"),
    ("not_eq", "2026-01-10T13:00:00Z", "2026-01-10T12:00:00Z"),
    ("lt", "2026-01-10T12:00:01Z", "2026-01-10T12:00:00Z"),
    ("lteq", "2026-01-10T12:00:00Z", "2026-01-10T11:59:59Z"),
    ("gt", "2026-01-10T11:59:59Z", "2026-01-10T12:00:00Z"),
    ("gteq", "2026-01-10T12:00:00Z", "2026-01-10T12:00:01Z"),
    ("gteq_lt", ["2026-01-10T12:00:00Z", "2026-01-10T12:00:01Z"], ["2026-01-10T11:00:00Z", "2026-01-10T12:00:00Z"]),
    ("is_in", ["2026-01-10T12:00:00Z"], ["2026-01-10T12:00:00.5Z"]),
    ("eq", "2026-01-10", "2026-01-11"),
    ("lt", "2026-01-11", "2026-01-10"),
    ("lteq", "2026-01-10", "2026-01-09"),
    ("gt", "2026-01-09", "2026-01-10"),
    ("gteq", "2026-01-10", "2026-01-11"),
    ("gteq_lteq", ["2026-01-01", "2026-01-10"], ["2026-01-11", "2026-01-12"]),
]
NAMES = [
    ("array_match", {"in_and": ["vip", "dropship"]}, {"in_and": ["vip", "new"]}),
    ("array_match", {"in_or": ["vip", "new"]}, {"in_or": ["new", "old"]}),
    ("array_match", {"not_in_and": ["new", "old"]}, {"not_in_and": ["new", "vip"]}),
    ("array_match", {"not_in_or": ["vip", "new"]}, {"not_in_or": ["vip", "dropship"]}),
    ("array_match", {"in_or": ["vip"], "not_in_and": ["new"]}, {"in_or": ["vip"], "not_in_and": ["dropship"]}),
    ("eq", "dropship", "new"),
]
UNDECLARED = [
    ("metadata.level", "gteq", 3, 4),
    ("metadata.level", "eq", 3, "3"),
    ("metadata.level", "multiple", 3, 2),
    ("metadata.color", "start_with", "re", "gr"),
    ("metadata.color", "is_in", ["red"], ["blue"]),
    ("metadata.gift", "eq", True, False),
    ("metadata.gift", "not_eq", False, True),
    ("metadata.sizes", "array_match", {"in_or": ["S"]}, {"in_or": ["L"]}),
    ("metadata.since", "gteq", "2026-01-10", "2026-01-11"),
    ("metadata.a.b", "eq", 1, 2),
]
TABLE = [
    *(("total_amount_cents", *row) for row in NUMBER),
    *(("customer_email", *row) for row in EMAIL),
    *(("placed_at", *row) for row in INSTANT),
    *(("tags.name", *row) for row in NAMES),
    ("guest", "eq", False, True),
    ("guest", "not_eq", True, False),
    *UNDECLARED,
]


@pytest.mark.parametrize(("field", "matcher", "wanted", "unwanted"), TABLE)
def test_a_matcher_holds_for_the_one_value_and_not_for_the_other(
    field: str, matcher: str, wanted: Any, unwanted: Any
) -> None:
    assert holds(condition(field, matcher, wanted), FACTS)
    assert not holds(condition(field, matcher, unwanted), FACTS)


@pytest.mark.parametrize(
    ("matcher", "there", "missing"),
    [("present", True, False), ("not_null", True, False), ("blank", False, True), ("null", False, True)],
)
@pytest.mark.parametrize(
    "field", ["total_amount_cents", "customer_email", "placed_at", "guest", "tags.name", "metadata.level"]
)
def test_a_matcher_without_value_tells_whether_anything_is_there(
    field: str, matcher: str, there: bool, missing: bool
) -> None:
    assert holds(condition(field, matcher), FACTS) is there
    assert holds(condition(field, matcher), {}) is missing


@pytest.mark.parametrize("nothing", ["", "  ", [], {}])
def test_an_empty_value_is_blank(nothing: object) -> None:
    assert holds(condition("customer_email", "blank"), {"customer_email": nothing})
    assert not holds(condition("customer_email", "present"), {"customer_email": nothing})


def test_white_space_is_blank_and_not_null() -> None:
    assert not holds(condition("customer_email", "null"), {"customer_email": " "})


@pytest.mark.parametrize(
    ("field", "matcher", "value"),
    [(field, matcher, value) for field, matcher, value, _ in TABLE if matcher != "array_match"],
)
def test_what_is_missing_matches_no_value_and_is_no_error(field: str, matcher: str, value: Any) -> None:
    assert not holds(condition(field, matcher, value), {})
    assert not holds(condition(field, matcher, value), {"customer": None, "metadata": None, "tags": None})


@pytest.mark.parametrize("value", [True, "6000", [6000, "x"], {"a": 1}, float("nan")])
def test_a_value_of_another_type_matches_nothing(value: object) -> None:
    assert holds(condition("total_amount_cents", "gteq", 0), {"total_amount_cents": value}) is (value == [6000, "x"])


def test_decimals_compare_as_they_are_written() -> None:
    assert found(condition("line_items.sku.weight", "eq", 0.1), FACTS) == ["A"]
    assert found(condition("line_items.sku.weight", "multiple", 0.1), FACTS) == ["A", "B"]


# --- Many ---------------------------------------------------------------------------------------------


def test_any_is_the_default_and_finds_the_lines_that_match() -> None:
    assert found(condition("line_items.sku.code", "start_with", "TSHIRT"), FACTS) == ["A", "B"]


def test_all_finds_nothing_unless_every_value_matches() -> None:
    assert found(condition("line_items.sku.code", "start_with", "TSHIRT", scope="all"), FACTS) == []


def test_all_looks_at_lines_that_have_such_a_thing() -> None:
    assert found(condition("line_items.sku.code", "matches", "T", scope="all"), FACTS) == ["A", "B", "C"]


def test_all_of_nothing_is_no_match() -> None:
    assert not holds(condition("line_items.sku.code", "eq", "A", scope="all"), {"line_items": []})


def test_tags_of_a_line_are_matched_together() -> None:
    both = condition("line_items.sku.tags.name", "array_match", {"in_and": ["red", "sale"]})
    without = condition("line_items.sku.tags.name", "array_match", {"not_in_and": ["red"]})
    assert found(both, FACTS) == ["A"]
    assert found(without, FACTS) == ["C", "D"]


def test_a_line_without_sku_has_a_null_code() -> None:
    assert found(condition("line_items.sku.code", "null"), FACTS) == ["D"]
    assert found(condition("line_items.bundle.code", "not_null"), FACTS) == ["D"]


def test_shipments_are_reached_from_line_items_too() -> None:
    assert found(condition("line_items.shipment.shipping_method.name", "eq", "Express"), FACTS) == ["S"]
    assert found(condition("shipments.cost_amount_cents", "gt", 500), FACTS) == ["S"]


AGGREGATIONS = [
    ("quantity", "sum", "eq", 5, True),
    ("quantity", "sum", "gteq", 6, False),
    ("unit_amount_cents", "min", "eq", 800, True),
    ("unit_amount_cents", "max", "lt", 1250, False),
    ("sku.code", "count", "eq", 2, True),
    ("sku.weight", "count_uniq", "eq", 2, True),
    ("quantity", "sum", "multiple", 5, True),
    ("quantity", "sum", "not_eq", 5, False),
]


@pytest.mark.parametrize(("field", "operator", "matcher", "value", "expected"), AGGREGATIONS)
def test_aggregations_are_of_what_was_found(
    field: str, operator: str, matcher: str, value: int, expected: bool
) -> None:
    one = {"field": f"order.line_items.{field}", "operator": operator, "matcher": matcher, "value": value}
    assert holds(condition("line_items.sku.code", "start_with", "TSHIRT", aggregations=[one]), FACTS) is expected


def test_all_aggregations_must_hold() -> None:
    quantity = {"field": "order.line_items.quantity", "operator": "sum", "matcher": "gteq", "value": 3}
    cheapest = {"field": "order.line_items.unit_amount_cents", "operator": "min", "matcher": "gteq", "value": 801}
    red = condition("line_items.sku.tags.name", "eq", "red", aggregations=[quantity, cheapest])
    assert not holds(red, FACTS)
    assert holds(red | {"aggregations": [quantity]}, FACTS)


MANY = condition("line_items.quantity", "gteq", 3)
DEAR = condition("line_items.unit_amount_cents", "gt", 1200)


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ({"conditions": [MANY]}, ["B"]),
        ({"conditions": [MANY, DEAR]}, []),
        ({"conditions_logic": "or", "conditions": [MANY, DEAR]}, ["A", "B"]),
        ({"conditions": [condition("line_items.sku.code", "eq", "HAT")]}, []),
        ({"conditions": [condition("market.code", "eq", "IT")]}, ["A", "B"]),
        ({"conditions": [condition("market.code", "eq", "US")]}, []),
        ({"conditions": []}, ["A", "B"]),
    ],
)
def test_nested_conditions_keep_of_the_found_lines_those_that_match_too(nested: object, expected: list[str]) -> None:
    assert found(condition("line_items.sku.code", "start_with", "TSHIRT", nested=nested), FACTS) == expected


def test_aggregations_of_nested_conditions_are_of_what_their_parent_found() -> None:
    pieces = {"field": "order.line_items.quantity", "operator": "sum", "matcher": "eq", "value": 5}
    inner = condition("line_items.quantity", "gteq", 1, aggregations=[pieces])
    assert found(condition("line_items.sku.code", "start_with", "TSHIRT", nested={"conditions": [inner]}), FACTS) == [
        "A",
        "B",
    ]


# --- Rules ------------------------------------------------------------------------------------------

TRUE, FALSE = condition("currency_code", "eq", "EUR"), condition("currency_code", "eq", "USD")


@pytest.mark.parametrize(
    ("logic", "conditions", "expected"),
    [
        ("and", [TRUE, TRUE], True),
        ("and", [TRUE, FALSE], False),
        ("or", [FALSE, TRUE], True),
        ("or", [FALSE, FALSE], False),
        ("and", [], True),
        ("or", [], True),
    ],
)
def test_a_rule_holds_by_its_logic(logic: str, conditions: list[Any], expected: bool) -> None:
    (outcome,) = program({"conditions_logic": logic, "conditions": conditions}).outcomes(FACTS, NOW)
    assert outcome["match"] is expected
    assert [one["match"] for one in outcome["conditions"]] == [one == TRUE for one in conditions]


# --- Dynamic values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (condition("line_items.unit_amount_cents", "eq", "{{order.line_items.compare_at_amount_cents}}"), ["B"]),
        (condition("line_items.unit_amount_cents", "eq", "{{ max(order.line_items.unit_amount_cents) }}"), ["A"]),
        (condition("line_items.unit_amount_cents", "eq", "{{min(order.line_items.unit_amount_cents)}}"), ["D"]),
        (
            condition("line_items.unit_amount_cents", "gt", "{{avg(order.line_items.unit_amount_cents)}}"),
            ["A", "B", "C"],
        ),
        (
            condition("line_items.unit_amount_cents", "gteq_lt", [800, "{{order.line_items.compare_at_amount_cents}}"]),
            ["A"],
        ),
        (condition("line_items.quantity", "is_in", ["{{order.metadata.level}}", 9]), ["B"]),
        (condition("line_items.quantity", "lt", "{{order.metadata.level}}"), ["A", "C", "D"]),
        (condition("line_items.sku.code", "eq", "{{order.metadata.color}}"), []),
        (condition("line_items.metadata.color", "is_in", ["{{order.metadata.color}}", "blue"]), ["C"]),
        (condition("line_items.metadata.color", "eq", "{{order.metadata.color}}"), ["C"]),
        (condition("line_items.metadata.color", "start_with", "{{order.metadata.color}}"), ["C"]),
        (condition("line_items.quantity", "eq", "{{order.customer.total_orders_count}}"), []),
    ],
)
def test_a_value_in_braces_is_another_field(one: dict[str, Any], expected: list[str]) -> None:
    assert found(one, FACTS) == expected


def test_an_aggregate_is_worked_out_once_however_many_lines_are_compared_with_it() -> None:
    class ReadLine(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.append(key)
            return super().get(key, default)

    read: list[str] = []
    lines = [ReadLine(id=str(number), unit_amount_cents=number) for number in range(100)]
    most = condition("line_items.unit_amount_cents", "eq", "{{max(order.line_items.unit_amount_cents)}}")
    assert found(most, {"line_items": lines}) == ["99"]
    # Once for the cart, once to be compared and once for the maximum.
    assert read.count("unit_amount_cents") == 3 * len(lines)


AT = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "matcher", "value", "fact", "expected"),
    [
        ("placed_at", "eq", "{{today}}", "2026-01-31T00:00:00Z", True),
        ("placed_at", "eq", "{{today}}", "2026-02-01T00:30:00+01:00", True),
        ("placed_at", "eq", "{{today}}", "2026-02-01T00:00:00Z", False),
        ("placed_at", "lteq", "{{today}}", "2026-01-31T23:59:59Z", True),
        ("placed_at", "lt", "{{today}}", "2026-01-31T00:00:00Z", False),
        ("placed_at", "gteq_lteq", "{{range(today, 7.days)}}", "2026-02-07T23:59:59Z", True),
        ("placed_at", "gteq_lteq", "{{range(today, 7.days)}}", "2026-02-08T00:00:00Z", False),
        ("placed_at", "gteq_lteq", "{{range(today, -1.weeks)}}", "2026-01-24T00:00:00Z", True),
        ("placed_at", "gteq_lteq", "{{range(today, 1.months)}}", "2026-02-28T12:00:00Z", True),
        ("placed_at", "gteq_lteq", "{{range(today, 1.months)}}", "2026-03-01T00:00:00Z", False),
        ("placed_at", "gteq_lteq", "{{range(today, 1.years)}}", "2027-01-31T12:00:00Z", True),
        ("placed_at", "gteq_lteq", "{{range(today, 9999.years)}}", "2026-01-31T12:00:00Z", False),
        ("placed_at", "gt_lt", ["{{today}}", "2026-02-02"], "2026-02-01T00:00:00Z", True),
        ("skus_count", "eq", "{{day(today)}}", 31, True),
        ("skus_count", "eq", "{{month(today)}}", 1, True),
        ("skus_count", "eq", "{{year(today)}}", 2026, True),
        ("metadata.birth_month", "eq", "{{month(today)}}", 1, True),
        ("metadata.birth_month", "eq", "{{month(today)}}", 2, False),
    ],
)
def test_dates_are_those_of_the_moment_of_evaluation_in_utc(
    field: str, matcher: str, value: Any, fact: Any, expected: bool
) -> None:
    above, _, below = field.partition(".")
    assert holds(condition(field, matcher, value), {above: {below: fact} if below else fact}, AT) is expected


def test_a_range_may_start_at_another_field() -> None:
    one = condition("expires_at", "gteq_lteq", "{{range(order.created_at, 2.days)}}")
    facts = {"created_at": "2026-01-01T10:00:00Z", "expires_at": "2026-01-03T10:00:00Z"}
    assert holds(one, facts)
    assert not holds(one, facts | {"expires_at": "2026-01-03T10:00:01Z"})
    assert not holds(one, {"expires_at": "2026-01-03T10:00:01Z"})


def test_a_part_of_the_date_of_another_field() -> None:
    assert holds(condition("metadata.month", "eq", "{{month(order.placed_at)}}"), FACTS | {"metadata": {"month": 1}})


# --- The running order --------------------------------------------------------------------------------


def test_amounts_are_those_of_the_cart_and_not_of_the_facts() -> None:
    bought = order(("A", 2, 1500), ("B", 1, 1000), shipments=(700,), total_amount_cents=1, subtotal_amount_cents=1)
    conditions = [
        condition("subtotal_amount_cents", "eq", 4000),
        condition("total_amount_cents", "eq", 4700),
        condition("discount_amount_cents", "eq", 0),
        condition("shipping_amount_cents", "eq", 700),
        condition("currency_code", "eq", "EUR"),
        condition("line_items.quantity", "eq", 2),
        condition("line_items.total_amount_cents", "eq", 3000),
        condition("shipments.cost_amount_cents", "eq", 700),
    ]
    result = applied(acting({"type": "fixed_amount", "selector": "order", "value": 1}, conditions=conditions), bought)
    assert [share.cents for share in result.shares] == [1]


def test_an_outcome_names_what_was_found() -> None:
    assert judged(condition("line_items.sku.code", "eq", "HAT", group="hats"), FACTS) == {
        "field": "order.line_items.sku.code",
        "matcher": "eq",
        "group": "hats",
        "match": True,
        "matches": [{"type": "line_items", "id": "C"}],
    }
