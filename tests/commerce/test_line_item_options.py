"""Options of line items: what is chosen with the units of a line, and what it adds to the order."""

from typing import Any

import pytest

from commerce import ids
from commerce.models import LineItem, LineItemOption, Organization
from tests import factories
from tests.client import Api, nothing_written, refused
from tests.shopping import Shop, amounts, coupon, done


@pytest.fixture
def shop(api: Api, acme: Organization) -> Shop:
    return Shop(acme, api)


@pytest.fixture
def line(shop: Shop) -> LineItem:
    """Two units for 1000."""
    return shop.add(shop.order(), shop.sku(1000, code="SHIRT"), 2)


@pytest.fixture
def embossing(shop: Shop) -> Any:
    """For 300, in a day and a half."""
    return factories.sku_option(shop.owner, name="Embossing", delay_hours=36)


def add(api: Api, line: LineItem, sku_option: Any, **attributes: Any) -> LineItemOption:
    values = {"quantity": 1, "options": {"text": "Ada"}, **attributes}
    answer = api.create("line_item_options", values, line_item=line, sku_option=sku_option)
    assert answer.status_code == 201, answer.content
    return LineItemOption.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


def told(api: Api, option: LineItemOption) -> dict[str, Any]:
    attributes: dict[str, Any] = api.data(f"line_item_options/{option.public_id}")["attributes"]
    return attributes


def test_an_option_is_as_the_sku_option_says_unless_told_otherwise(shop: Shop, line: LineItem, embossing: Any):
    attributes = told(shop.staff, add(shop.staff, line, embossing, quantity=2))
    expected = {
        "name": "Embossing",
        "quantity": 2,
        "currency_code": "EUR",
        "unit_amount_cents": 300,
        "unit_amount_float": 3.0,
        "formatted_unit_amount": "€3,00",
        "total_amount_cents": 600,
        "total_amount_float": 6.0,
        "formatted_total_amount": "€6,00",
        "delay_hours": 36,
        "delay_days": 2,
        "options": {"text": "Ada"},
    }
    assert {name: attributes[name] for name in expected} == expected
    attributes = told(shop.staff, add(shop.staff, line, embossing, name="Initials", unit_amount_cents=0))
    assert (attributes["name"], attributes["unit_amount_cents"], attributes["total_amount_cents"]) == ("Initials", 0, 0)


def test_options_add_to_the_line_and_the_order(shop: Shop, line: LineItem, embossing: Any):
    add(shop.shopper, line, embossing, quantity=2)
    second = add(shop.shopper, line, embossing)
    line.refresh_from_db()
    assert (line.options_amount_cents, line.total_amount_cents) == (900, 2900)
    assert amounts(shop.staff, line.order) == {"subtotal": 2900, "total": 2900}

    assert shop.shopper.update(second, {"quantity": 3}).status_code == 200
    assert amounts(shop.staff, line.order) == {"subtotal": 3500, "total": 3500}
    assert shop.shopper.destroy(second).status_code == 204
    line.refresh_from_db()
    assert (line.options_amount_cents, line.total_amount_cents) == (600, 2600)
    assert amounts(shop.staff, line.order) == {"subtotal": 2600, "total": 2600}
    assert shop.staff.data(f"orders/{line.order.public_id}")["attributes"]["line_item_options_count"] == 1


def test_what_options_cost_is_discounted_with_the_line(shop: Shop, line: LineItem, embossing: Any):
    done(shop.staff.update(line.order, {"coupon_code": coupon(shop).code}))
    add(shop.staff, line, embossing)
    assert amounts(shop.staff, line.order) == {"subtotal": 2300, "discount": -230, "total": 2070}


def test_another_sku_option_brings_its_own_name_price_and_delay(shop: Shop, line: LineItem, embossing: Any):
    option = add(shop.staff, line, embossing)
    gift_wrap = factories.sku_option(shop.owner, name="Gift wrap", price_amount_cents=500, delay_hours=None)
    answer = shop.staff.update(option, {}, sku_option=gift_wrap)
    attributes = answer.json()["data"]["attributes"]
    assert (attributes["name"], attributes["unit_amount_cents"]) == ("Gift wrap", 500)
    assert (attributes["delay_hours"], attributes["delay_days"]) == (None, None)
    assert amounts(shop.staff, line.order)["total"] == 2500

    answer = shop.staff.update(option, {"unit_amount_cents": 100, "name": "Bow"}, sku_option=embossing)
    attributes = answer.json()["data"]["attributes"]
    assert (attributes["name"], attributes["unit_amount_cents"], attributes["delay_days"]) == ("Bow", 100, 2)
    assert amounts(shop.staff, line.order)["total"] == 2100


def test_a_price_taken_back_is_that_of_the_sku_option(shop: Shop, line: LineItem, embossing: Any):
    option = add(shop.staff, line, embossing, unit_amount_cents=1)
    answer = shop.staff.update(option, {"unit_amount_cents": None})
    assert answer.json()["data"]["attributes"]["unit_amount_cents"] == 300
    assert amounts(shop.staff, line.order)["total"] == 2300


def test_shoppers_say_no_price(shop: Shop, line: LineItem, embossing: Any):
    with nothing_written():
        values = {"quantity": 1, "options": {}, "unit_amount_cents": 1}
        answer = shop.shopper.create("line_item_options", values, line_item=line, sku_option=embossing)
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/unit_amount_cents"})


UNAVAILABLE: dict[str, Any] = {
    "in another currency": lambda shop: {"currency_code": "USD"},
    "of another market": lambda shop: {"market": factories.market(shop.owner)},
    "for other SKUs": lambda shop: {"sku_code_regex": "^(MUG|HAT)"},
}


@pytest.mark.parametrize("why", UNAVAILABLE)
def test_a_sku_option_that_is_not_for_the_line_is_refused(shop: Shop, line: LineItem, embossing: Any, why: str):
    other = factories.sku_option(shop.owner, **UNAVAILABLE[why](shop))
    option = add(shop.staff, line, embossing)
    values = {"quantity": 1, "options": {}}
    with nothing_written():
        created = shop.staff.create("line_item_options", values, line_item=line, sku_option=other)
        updated = shop.staff.update(option, {}, sku_option=other)
    for answer in (created, updated):
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/sku_option"})


def test_a_sku_option_of_the_market_for_such_skus_is_taken(shop: Shop, line: LineItem):
    option = factories.sku_option(shop.owner, market=shop.market, sku_code_regex="^S")
    add(shop.shopper, line, option)
    assert amounts(shop.staff, line.order)["total"] == 2300


def test_lines_that_are_worked_out_have_no_options(shop: Shop, line: LineItem, embossing: Any):
    done(shop.staff.update(line.order, {"coupon_code": coupon(shop).code}))
    discount = line.order.line_items.get(item_type="percentage_discount_promotions")
    with nothing_written():
        values = {"quantity": 1, "options": {}}
        answer = shop.staff.create("line_item_options", values, line_item=discount, sku_option=embossing)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/line_item"})


def test_options_of_a_placed_order_stay(shop: Shop, line: LineItem, embossing: Any):
    option = add(shop.staff, line, embossing)
    done(shop.staff.update(line.order, {"customer_email": "ada@example.com", "_place": True}))
    pointer = {"pointer": "/data/relationships/line_item"}
    values = {"quantity": 1, "options": {}}
    with nothing_written():
        created = shop.staff.create("line_item_options", values, line_item=line, sku_option=embossing)
        updated = shop.staff.update(option, {"quantity": 2})
        deleted = shop.staff.destroy(option)
    for answer in (created, updated, deleted):
        assert refused(answer) == (422, "VALIDATION_ERROR", pointer)


def test_options_go_with_their_line(shop: Shop, line: LineItem, embossing: Any):
    add(shop.staff, line, embossing)
    assert shop.staff.destroy(line).status_code == 204
    assert not LineItemOption.objects.exists()
    assert amounts(shop.staff, line.order) == {"total": 0}


def test_an_amount_beyond_all_is_refused(shop: Shop, line: LineItem, embossing: Any):
    values = {"quantity": 2**53 - 1, "options": {}, "unit_amount_cents": 2}
    with nothing_written():
        answer = shop.staff.create("line_item_options", values, line_item=line, sku_option=embossing)
    assert refused(answer)[:2] == (422, "VALIDATION_ERROR")
