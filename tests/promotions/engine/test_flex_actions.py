"""What actions take off, to the cent."""

import json
from pathlib import Path
from typing import Any

import pytest

from promotions.engine.cart import Cart
from promotions.engine.reasons import Refusal
from promotions.engine.types import Discount, Order, Share
from tests.promotions.engine.flexing import NOW, acting, applied, order, program, program_of, shares

LINES = "order.line_items"


def of(kind: str, value: Any, selector: str = LINES, **more: Any) -> dict[str, Any]:
    return {"type": kind, "selector": selector, "value": value} | more


def codes(*wanted: str, group: str) -> dict[str, Any]:
    return {"field": f"{LINES}.sku.code", "matcher": "is_in", "value": list(wanted), "group": group}


def sort(attribute: str = "unit_amount_cents", direction: str = "desc") -> dict[str, str]:
    return {"attribute": attribute, "direction": direction}


AB = order(("A", 2, 3000), ("B", 1, 400))


# --- Percentage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "part", "expected"),
    [
        ([("A", 1, 999), ("B", 1, 1001), ("C", 1, 333)], 0.15, {"A": 150, "B": 150, "C": 50}),
        ([("A", 1, 5), ("B", 1, 5), ("C", 1, 5)], 0.1, {"A": 1, "B": 1}),
        ([("A", 2, 1250), ("B", 3, 799)], "0.2", {"A": 500, "B": 479}),
        ([("A", 9, 3500)], 0.3, {"A": 9450}),
        ([("A", 1, 1000)], 0.1535, {"A": 154}),
        ([("A", 3, 333), ("B", 1, 0)], 1, {"A": 999}),
    ],
)
@pytest.mark.parametrize("selector", ["order", LINES, f"{LINES}.sku"])
def test_a_percentage_rounds_once_and_is_shared_to_the_cent(
    lines: list[Any], part: Any, expected: dict[str, int], selector: str
) -> None:
    assert shares(acting(of("percentage", part, selector)), order(*lines)) == expected


def test_with_round_every_target_rounds_by_itself() -> None:
    bought = order(("A", 1, 5), ("B", 1, 5), ("C", 1, 4))
    assert shares(acting(of("percentage", 0.1, round=True)), bought) == {"A": 1, "B": 1}
    assert shares(acting(of("percentage", 0.1, round=False)), bought) == {"A": 1}


def test_actions_apply_one_after_another_to_what_is_left() -> None:
    assert shares(acting(of("percentage", 0.1, "order"), of("percentage", 0.2, "order")), order(("A", 1, 10000))) == {
        "A": 2800
    }
    both = acting(of("fixed_amount", 1000, "order"), of("percentage", 0.1, "order"))
    assert shares(both, order(("A", 1, 10000))) == {"A": 1900}


def test_line_items_are_their_units_and_the_order_its_options_too() -> None:
    bought = order(("A", 2, 1000, {"options_amount_cents": 500}))
    assert shares(acting(of("percentage", 0.1)), bought) == {"A": 200}
    assert shares(acting(of("percentage", 0.1, "order")), bought) == {"A": 250}
    assert shares(acting(of("percentage", 0.1, f"{LINES}.line_item_options")), bought) == {"A": 50}


@pytest.mark.parametrize(
    ("selector", "apply_on", "expected"),
    [
        (LINES, "unit_amount_cents", {"A": 200, "B": 50}),
        (LINES, "compare_at_amount_cents", {"A": 300}),
        ("order", "subtotal_amount_cents", {"A": 200, "B": 50}),
        ("order", "total_amount_cents", {"A": 256, "B": 64}),
    ],
)
def test_a_percentage_applies_on_the_attribute_it_names(selector: str, apply_on: str, expected: dict[str, int]) -> None:
    bought = order(("A", 2, 1000, {"compare_at_amount_cents": 1500}), ("B", 1, 500), shipments=(700,))
    assert shares(acting(of("percentage", 0.1, selector, apply_on=apply_on)), bought) == expected


def test_a_percentage_of_the_compared_price_takes_no_more_than_is_left_of_the_line() -> None:
    bought = order(
        ("A", 1, 100, {"compare_at_amount_cents": 1000}),
        *[(code, 1, 100, {"compare_at_amount_cents": 1}) for code in "BC"],
    )
    assert shares(acting(of("percentage", 0.25, apply_on="compare_at_amount_cents")), bought) == {"A": 100, "B": 1}


# --- Fixed amount -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"), [("default", {"A": 1000, "B": 400}), ("distributed", {"A": 469, "B": 31})]
)
def test_a_fixed_amount_comes_off_every_unit_or_once(mode: str, expected: dict[str, int]) -> None:
    assert shares(acting(of("fixed_amount", 500, discount_mode=mode)), AB) == expected


def test_a_fixed_amount_off_the_order_comes_off_once_and_not_below_zero() -> None:
    assert shares(acting(of("fixed_amount", 1000, "order")), order(*[(code, 1, 3333) for code in "ABC"])) == {
        "A": 334,
        "B": 333,
        "C": 333,
    }
    assert shares(acting(of("fixed_amount", 99999, "order")), AB) == {"A": 6000, "B": 400}
    assert shares(acting(of("fixed_amount", 99999, discount_mode="distributed")), AB) == {"A": 6000, "B": 400}


def test_a_fixed_amount_off_the_compared_price_needs_one() -> None:
    bought = order(("A", 2, 1000, {"compare_at_amount_cents": 300}), ("B", 1, 1000))
    assert shares(acting(of("fixed_amount", 500, apply_on="compare_at_amount_cents")), bought) == {"A": 600}
    distributed = of("fixed_amount", 500, apply_on="compare_at_amount_cents", discount_mode="distributed")
    assert shares(acting(distributed), bought) == {"A": 500}


def test_units_that_cost_a_cent_more_than_others_lose_no_more_than_they_cost() -> None:
    uneven = acting(of("fixed_amount", 10, "order"), of("fixed_amount", 30))
    assert shares(uneven, order(("A", 3, 34))) == {"A": 10 + 90}
    assert shares(acting(of("fixed_amount", 10, "order"), of("fixed_amount", 31)), order(("A", 3, 34))) == {"A": 102}


# --- Fixed price --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "more", "expected"),
    [
        (2000, {}, {"A": 2000}),
        (3000, {}, "no_effect"),
        (0, {"quantity": 1}, {"A": 3000, "B": 400}),
        (300, {"quantity": 9}, {"A": 5400, "B": 100}),
        (0, {"limit": {"value": 1, "sort": sort()}}, {"A": 3000}),
    ],
)
def test_a_fixed_price_replaces_the_unit_amount_where_it_is_lower(
    price: int, more: dict[str, Any], expected: Any
) -> None:
    assert shares(acting(of("fixed_price", price, **more)), AB) == expected


def test_a_second_fixed_price_of_the_same_promotion_lowers_the_first() -> None:
    assert shares(acting(of("fixed_price", 2000), of("fixed_price", 1500)), AB) == {"A": 3000}


def test_a_unit_given_away_for_nothing_is_not_selected_again() -> None:
    dearest = {"limit": {"value": 1, "sort": sort()}}
    assert shares(acting(of("fixed_price", 0, **dearest), of("percentage", 0.5, **dearest)), AB) == {"A": 4500}


# --- Buy x pay y --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "free"), [(2, 0), (3, 1), (5, 1), (6, 2), (7, 2), (9, 3)])
@pytest.mark.parametrize("selector", ["order", LINES])
def test_buy_x_pay_y_makes_units_of_each_line_free(quantity: int, free: int, selector: str) -> None:
    expected: Any = {"A": free * 700} if free else "no_effect"
    assert shares(acting(of("buy_x_pay_y", {"x": 3, "y": 2}, selector)), order(("A", quantity, 700))) == expected


def test_lines_are_not_counted_together_and_may_be_limited() -> None:
    bought = order(("A", 2, 100), ("B", 3, 200), ("C", 7, 300))
    assert shares(acting(of("buy_x_pay_y", {"x": 3, "y": 1})), bought) == {"B": 400, "C": 1200}
    assert shares(acting(of("buy_x_pay_y", {"x": 3, "y": 1, "result_item_limit": 1})), bought) == {"B": 400}


def test_free_units_are_not_free_again() -> None:
    twice = acting(of("buy_x_pay_y", {"x": 3, "y": 2}), of("buy_x_pay_y", {"x": 3, "y": 2}))
    assert shares(twice, order(("A", 4, 100))) == {"A": 200}
    assert shares(twice, order(("A", 3, 100))) == {"A": 100}


# --- Every x discount y -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("A", 1, 30000), ("B", 1, 30000)], {"A": 5000, "B": 5000}),
        ([("A", 2, 30000)], {"A": 10000}),
        ([("A", 1, 50000), ("B", 2, 22500)], {"A": 5000, "B": 10000}),
        ([("A", 1, 29999)], "no_effect"),
        ([("A", 1, 59000), ("B", 1, 1000)], {"A": 9000, "B": 1000}),
    ],
)
@pytest.mark.parametrize(
    ("selector", "attribute"),
    [
        (LINES, "total_amount_cents"),
        (LINES, f"{LINES}.total_amount_cents"),
        (f"{LINES}.sku", "subtotal_amount_cents"),
        ("order", "total_amount_cents"),
        ("order", "order.subtotal_amount_cents"),
    ],
)
def test_every_x_of_an_attribute_takes_y_shared_by_quantity(
    lines: list[Any], expected: Any, selector: str, attribute: str
) -> None:
    value = {"x": 30000, "y": 5000, "attribute": attribute}
    assert shares(acting(of("every_x_discount_y", value, selector)), order(*lines)) == expected


# --- Free gift ----------------------------------------------------------------------------------------


def gift(quantity: int, **identifiers: list[str]) -> dict[str, Any]:
    paths = {"skus": f"{LINES}.sku.id", "bundles": f"{LINES}.bundle.id", "lists": f"{LINES}.sku.sku_lists.id"}
    return {
        "type": "free_gift",
        "quantity": quantity,
        "identifiers": {paths[key]: ids for key, ids in identifiers.items()},
    }


@pytest.mark.parametrize(
    ("quantity", "skus", "lines", "expected"),
    [
        (1, ["idA", "idB"], [("A", 3, 100), ("B", 1, 70)], {"A": 100}),
        (1, ["idA", "idB"], [("B", 2, 70)], {"B": 70}),
        (2, ["idA", "idB"], [("A", 3, 100)], {"A": 200}),
        (2, ["idA", "idB"], [("A", 1, 100), ("B", 2, 70)], {"A": 100, "B": 70}),
        (2, ["idB", "idA"], [("A", 3, 100), ("B", 1, 70)], {"A": 100, "B": 70}),
        (9, ["idA"], [("A", 3, 100), ("B", 1, 70)], {"A": 300}),
        (1, ["idX"], [("A", 3, 100)], "no_effect"),
    ],
)
def test_gifts_are_units_of_the_order_in_the_order_of_ids(
    quantity: int, skus: list[str], lines: list[Any], expected: Any
) -> None:
    assert shares(acting(gift(quantity, skus=skus)), order(*lines)) == expected


def test_gifts_are_named_by_sku_then_by_bundle_then_by_list() -> None:
    bought = order(
        ("L", 1, 50, {"sku": {"sku_lists": [{"id": "list"}]}}),
        ("K", 1, 60, {"item_type": "bundles"}),
        ("A", 1, 70),
    )
    named = gift(2, lists=["list"], bundles=["idK"], skus=["idA"])
    assert shares(acting(named), bought) == {"K": 60, "A": 70}
    assert shares(acting(named | {"quantity": 3}), bought) == {"L": 50, "K": 60, "A": 70}


def test_the_gifts_of_rules_that_hold_are_told_before_they_are_in_the_cart() -> None:
    never = {"field": "order.currency_code", "matcher": "eq", "value": "USD"}
    rules = program({"actions": [gift(2, skus=["idA"])]}, {"conditions": [never], "actions": [gift(1, skus=["idB"])]})
    (only,) = rules.gifts(Cart(order(("X", 1, 100))), NOW)
    assert only.described() == {"identifiers": {f"{LINES}.sku.id": ["idA"]}, "quantity": 2}


# --- Selecting ----------------------------------------------------------------------------------------

MIXED = order(
    ("A", 1, 1000, {"options_amount_cents": 300}),
    ("K", 1, 2000, {"item_type": "bundles"}),
    ("G", 1, 5000, {"item_type": "gift_cards", "discountable": False}),
    shipments=(500, 700),
)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("order", {"A": 650, "K": 1000}),
        (LINES, {"A": 500, "K": 1000}),
        (f"{LINES}.sku", {"A": 500}),
        (f"{LINES}.bundle", {"K": 1000}),
        (f"{LINES}.gift_card", {"G": 2500}),
        (f"{LINES}.line_item_options", {"A": 150}),
        (f"{LINES}.shipment", {"shipment 1": 250, "shipment 2": 350}),
    ],
)
def test_a_selector_takes_from_what_it_names(selector: str, expected: dict[str, int]) -> None:
    assert shares(acting(of("percentage", 0.5, selector)), MIXED) == expected


@pytest.mark.parametrize("selector", [f"{LINES}.payment_method", f"{LINES}.adjustment"])
def test_what_the_cart_does_not_carry_is_selected_in_vain_and_said_so(selector: str) -> None:
    assert shares(acting(of("percentage", 0.5, selector)), MIXED) == "no_effect"
    result = applied(acting(of("percentage", 0.5, selector), of("fixed_amount", 1, "order")), MIXED)
    assert isinstance(result, Discount)
    assert result.rule_outcomes[0]["errors"] == [f"{selector} carries no amount that could be discounted"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("fixed_amount", 600, {"shipment 1": 500, "shipment 2": 600}),
        ("fixed_price", 400, {"shipment 1": 100, "shipment 2": 300}),
        ("percentage", 1, {"shipment 1": 500, "shipment 2": 700}),
    ],
)
def test_shipments_are_one_unit_each(kind: str, value: Any, expected: dict[str, int]) -> None:
    assert shares(acting(of(kind, value, f"{LINES}.shipment")), MIXED) == expected
    dearest = {"limit": {"value": 1, "sort": sort("cost_amount_cents")}}
    assert shares(acting(of(kind, value, f"{LINES}.shipment", **dearest)), MIXED) == {
        "shipment 2": expected["shipment 2"]
    }


def test_an_identifier_picks_by_the_attribute_of_the_selector() -> None:
    assert shares(acting(of("percentage", 0.5, f"{LINES}.sku.code", identifier="B")), AB) == {"B": 200}
    assert shares(acting(of("percentage", 0.5, f"{LINES}.quantity", identifier="2")), AB) == {"A": 3000}
    listed = order(("A", 1, 100, {"sku": {"sku_lists": [{"id": "x"}, {"id": "y"}]}}), ("B", 1, 100))
    assert shares(acting(of("percentage", 0.5, f"{LINES}.sku.sku_lists.id", identifier="y")), listed) == {"A": 50}
    assert shares(acting(of("percentage", 0.5, f"{LINES}.sku.code", identifier="X")), AB) == "no_effect"


def test_groups_hold_what_their_conditions_found() -> None:
    conditions = [codes("A", group="a"), codes("B", group="b")]
    for groups, expected in ((["a"], {"A": 3000}), (["b"], {"B": 200}), (["a", "b"], {"A": 3000, "B": 200})):
        assert shares(acting(of("percentage", 0.5, groups=groups), conditions=conditions), AB) == expected


def test_a_group_of_the_order_holds_its_lines_and_one_of_lines_their_order() -> None:
    euro = {"field": "order.currency_code", "matcher": "eq", "value": "EUR", "group": "euro"}
    assert shares(acting(of("percentage", 0.5, groups=["euro"]), conditions=[euro]), AB) == {"A": 3000, "B": 200}
    assert shares(acting(of("percentage", 0.5, "order", groups=["a"]), conditions=[codes("A", group="a")]), AB) == {
        "A": 3000,
        "B": 200,
    }


def test_a_group_is_empty_where_its_condition_does_not_hold() -> None:
    rules = program(
        {
            "conditions_logic": "or",
            "conditions": [codes("A", group="a"), codes("X", group="x")],
            "actions": [of("percentage", 0.5, groups=["x"]), of("fixed_amount", 1, "order", groups=["x"])],
        }
    )
    assert shares(rules, AB) == "no_effect"


def test_an_aggregation_that_does_not_hold_selects_nothing() -> None:
    def capped(value: int) -> dict[str, Any]:
        field = f"{LINES}.total_amount_cents"
        return of("percentage", 0.3, aggregation={"field": field, "operator": "sum", "matcher": "lteq", "value": value})

    assert shares(acting(capped(6400)), AB) == {"A": 1800, "B": 120}
    assert shares(acting(capped(6399)), AB) == "no_effect"


@pytest.mark.parametrize(
    ("limit", "direction", "expected"),
    [
        (1, "asc", {"C": 50}),
        (3, "asc", {"A": 100, "C": 100}),
        (4, "asc", {"A": 200, "C": 100}),
        (1, "desc", {"B": 150}),
        (3, "desc", {"A": 100, "B": 300}),
        (99, "desc", {"A": 200, "B": 300, "C": 100}),
    ],
)
def test_a_limit_counts_units_in_the_order_of_a_number(limit: int, direction: str, expected: dict[str, int]) -> None:
    bought = order(("A", 2, 200), ("B", 2, 300), ("C", 2, 100))
    limited = of("percentage", 0.5, limit={"value": limit, "sort": sort(direction=direction)})
    assert shares(acting(limited), bought) == expected


def test_lines_without_the_number_come_last_and_ties_stay_in_order() -> None:
    bought = order(("A", 1, 100), ("B", 1, 100, {"sku": {"weight": 2}}), ("C", 1, 100, {"sku": {"weight": 2}}))
    for direction in ("asc", "desc"):
        limited = of("percentage", 1, f"{LINES}.sku", limit={"value": 1, "sort": sort("weight", direction)})
        assert shares(acting(limited), bought) == {"B": 100}


def test_a_quantity_caps_the_units_of_each_line() -> None:
    bought = order(("A", 5, 100), ("B", 1, 100))
    assert shares(acting(of("percentage", 1, quantity=2)), bought) == {"A": 200, "B": 100}
    assert shares(acting(of("fixed_amount", 30, quantity=2)), bought) == {"A": 60, "B": 30}
    dear = {"value": 4, "sort": sort()}
    assert shares(acting(of("percentage", 1, quantity=3, limit=dear)), bought) == {"A": 300, "B": 100}


# --- Bundles ------------------------------------------------------------------------------------------

SIX_TEN_FIVE = order(
    ("T1", 1, 10000), ("T2", 2, 5000), ("T3", 3, 3000),
    ("H1", 4, 2000), ("H2", 6, 1500),
    ("S1", 5, 500),
)  # fmt: skip
GROUPS = [codes("T1", "T2", "T3", group="t"), codes("H1", "H2", group="h"), codes("S1", group="s")]


def bundled(kind: str, taken: Any, groups: list[str], direction: str = "desc", **bundle: Any) -> dict[str, Any]:
    return of(kind, taken, groups=groups, bundle={"sort": sort(direction=direction)} | bundle)


def test_a_balanced_bundle_takes_as_many_of_every_group_as_the_smallest_has() -> None:
    rules = acting(bundled("fixed_amount", 1, ["t", "h", "s"], type="balanced"), conditions=GROUPS)
    assert shares(rules, SIX_TEN_FIVE) == {"T1": 1, "T2": 2, "T3": 2, "H1": 4, "H2": 1, "S1": 5}


def test_a_balanced_bundle_takes_the_first_by_its_sort() -> None:
    rules = acting(bundled("percentage", 0.1, ["t", "h"], "asc"), conditions=GROUPS)
    assert shares(rules, SIX_TEN_FIVE) == {"T1": 1000, "T2": 1000, "T3": 900, "H2": 900}


def test_a_balanced_bundle_without_one_of_its_groups_takes_nothing() -> None:
    rules = program(
        {
            "conditions_logic": "or",
            "conditions": [*GROUPS, codes("X", group="x")],
            "actions": [bundled("percentage", 0.1, ["t", "x"])],
        }
    )
    assert shares(rules, SIX_TEN_FIVE) == "no_effect"


def test_a_line_of_two_groups_counts_in_the_first() -> None:
    conditions = [codes("A", "B", group="all"), codes("B", group="b"), codes("C", group="c")]
    bought = order(("A", 1, 100), ("B", 1, 100), ("C", 1, 100))
    assert shares(acting(bundled("percentage", 1, ["all", "b"]), conditions=conditions), bought) == "no_effect"
    assert shares(acting(bundled("percentage", 1, ["b", "all"]), conditions=conditions), bought) == {"A": 100, "B": 100}


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (1, {"T": 6000, "H": 4000, "S": 3000}),
        (2, {"T": 6000, "H": 4000, "S": 2000}),
        (3, {"T": 6000, "H": 4000, "S": 2000}),
        (4, {"T": 6000, "H": 4000}),
        (5, {"T": 6000, "H": 4000, "S": 1000}),
        (6, {"T": 6000, "H": 4000, "S": 2000}),
        (7, {"T": 6000, "H": 4000, "S": 3000}),
        (8, "no_effect"),
    ],
)
def test_a_bundle_of_every_drops_the_last_units_that_fill_none(every: int, expected: Any) -> None:
    bought = order(("S", 3, 1000), ("T", 2, 3000), ("H", 2, 2000))
    conditions = [codes("T", "H", "S", group="g")]
    rules = acting(bundled("percentage", 1, ["g"], type="every", value=every), conditions=conditions)
    result = shares(rules, bought)
    assert result == expected


# --- The whole of it ----------------------------------------------------------------------------------


def test_a_line_of_a_billion_units_is_cut_and_not_counted_out() -> None:
    bought = order(("A", 10**9, 999), ("B", 10**9, 1001))
    conditions = [codes("A", group="a"), codes("B", group="b")]
    cart = Cart(bought)
    rules = acting(
        of("buy_x_pay_y", {"x": 3, "y": 2}),
        bundled("percentage", 0.1, ["a", "b"]),
        of("fixed_price", 500, limit={"value": 10**8 + 1, "sort": sort()}),
        of("fixed_amount", 7, quantity=12345678),
        conditions=conditions,
    )
    result = applied(rules, bought, cart)
    assert isinstance(result, Discount)
    assert all(len(part.runs) < 8 for part in cart.lines)
    assert (
        sum(share.cents for share in result.shares)
        == sum(line.quantity * line.unit_amount_cents for line in bought.lines) - cart.total
    )


def test_rules_act_by_priority_and_then_in_the_order_written() -> None:
    rules = program(
        {"name": "last", "priority": 5, "actions": [of("percentage", 0.1, "order")]},
        {"name": "first", "priority": -1, "actions": [of("fixed_amount", 1000, "order")]},
        {"name": "second", "actions": [of("fixed_price", 8000)]},
    )
    result = applied(rules, order(("A", 1, 10000)))
    assert isinstance(result, Discount)
    assert [one["name"] for one in result.rule_outcomes] == ["first", "second", "last"]
    assert [one["actions"][0]["amount_cents"] for one in result.rule_outcomes] == [1000, 1000, 800]
    assert result.shares == (Share(2800, line_id=1),)


def test_the_conditions_of_all_rules_see_the_order_before_the_promotion() -> None:
    big = {"field": "order.total_amount_cents", "matcher": "gteq", "value": 10000}
    rules = program(*[{"conditions": [big], "actions": [of("fixed_amount", 1000, "order")]}] * 2)
    assert shares(rules, order(("A", 1, 10000))) == {"A": 2000}


def test_conditions_see_what_earlier_promotions_left() -> None:
    big = {"field": "order.total_amount_cents", "matcher": "gteq", "value": 10000}
    bought = order(("A", 1, 10000))
    cart = Cart(bought)
    rules = acting(of("fixed_amount", 1000, "order"), conditions=[big])
    assert shares(rules, bought, cart) == {"A": 1000}
    assert shares(rules, bought, cart) == "flex_rules_not_matched"
    assert cart.total == 9000


def test_what_takes_nothing_leaves_the_cart_as_it_was() -> None:
    cart = Cart(AB)
    refused = applied(acting(of("fixed_price", 3000, limit={"value": 1, "sort": sort()})), AB, cart)
    assert refused == Refusal("no_effect")
    assert (cart.total, cart.items_discount) == (6400, 0)


def test_earlier_discounts_count_and_are_noted() -> None:
    cart = Cart(AB)
    cart.lines[0].take(1000)
    assert shares(acting(of("percentage", 0.5)), AB, cart) == {"A": 2500, "B": 200}
    assert cart.items_discount == 2700


def test_an_outcome_tells_what_each_action_took_from_what() -> None:
    result = applied(acting(of("percentage", 0.5, groups=["a"]), conditions=[codes("A", group="a")]), AB)
    assert isinstance(result, Discount)
    (outcome,) = result.rule_outcomes
    assert outcome == {
        "id": None,
        "name": "Rule",
        "match": True,
        "conditions": [
            {
                "field": f"{LINES}.sku.code",
                "matcher": "is_in",
                "group": "a",
                "match": True,
                "matches": [{"type": "line_items", "id": 1}],
            }
        ],
        "actions": [
            {
                "type": "percentage",
                "selector": LINES,
                "amount_cents": 3000,
                "targets": [{"type": "line_items", "id": 1, "amount_cents": 3000}],
                "errors": [],
            }
        ],
        "errors": [],
    }


def test_facts_alone_are_checked_with_the_ids_they_have() -> None:
    facts = {
        "currency_code": "EUR",
        "line_items": [
            {"id": "mnptRLjoXJ", "quantity": 2, "unit_amount_cents": 3000, "sku": {"code": "A"}},
            {"id": "jndtDLsoAM", "quantity": 1, "unit_amount_cents": 400, "sku": {"code": "B"}},
        ],
        "shipments": [{"id": "WVyPSgRwxZ", "cost_amount_cents": 700}],
    }
    rules = acting(of("fixed_amount", 500), of("percentage", 1, f"{LINES}.shipment"))
    (outcome,) = rules.outcomes(facts, NOW)
    assert [one["targets"] for one in outcome["actions"]] == [
        [
            {"type": "line_items", "id": "mnptRLjoXJ", "amount_cents": 1000},
            {"type": "line_items", "id": "jndtDLsoAM", "amount_cents": 400},
        ],
        [{"type": "shipments", "id": "WVyPSgRwxZ", "amount_cents": 700}],
    ]


@pytest.mark.parametrize("facts", [{}, None, [], 3, {"line_items": 3}, {"line_items": [None, {}], "shipments": "x"}])
def test_any_facts_can_be_checked(facts: object) -> None:
    rules = acting(
        of("percentage", 0.5), gift(1, skus=["x"]), of("every_x_discount_y", {"x": 1, "y": 1, "attribute": "quantity"})
    )
    (outcome,) = rules.outcomes(facts, NOW)
    assert [one["amount_cents"] for one in outcome["actions"]] == [0, 0, 0]


def test_what_a_program_reads_is_told() -> None:
    rules = acting(
        of("percentage", 0.5, limit={"value": 1, "sort": sort()}),
        gift(1, bundles=["x"]),
        conditions=[{"field": "order.placed_at", "matcher": "gt", "value": "{{order.created_at}}"}],
    )
    assert rules.paths == {"order.placed_at", "order.created_at", f"{LINES}.unit_amount_cents", f"{LINES}.bundle.id"}


def test_orders_of_no_lines_take_nothing() -> None:
    empty = Order(currency_code="EUR")
    assert shares(acting(of("percentage", 0.5, "order")), empty) == "no_effect"
    assert shares(program(), empty) == "flex_rules_not_matched"


def test_the_example_of_the_readme_takes_off_what_its_table_says() -> None:
    text = (Path(__file__).parents[3] / "promotions/engine/flex/README.md").read_text()
    rules = program_of(json.loads(text.split("```json")[1].split("```")[0]))
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if row.startswith("| T-shirt")]
    assert len(rows) == 3
    for _, quantity, amount, _, shipping, expected in rows:
        red = {"sku": {"tags": [{"name": "red"}]}}
        bought = order(("T-shirt", int(quantity), int(amount), red), ("hat", 1, 500), shipments=(int(shipping),))
        found = shares(rules, bought)
        named = found if isinstance(found, str) else {key.removesuffix(" 1"): cents for key, cents in found.items()}
        told = "nothing" if isinstance(named, str) else ", ".join(f"{key} {cents}" for key, cents in named.items())
        assert told.replace("shipment", "shipping") == expected
