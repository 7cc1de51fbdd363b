"""Lines of orders: what can be put into one, what it costs, and what nobody but the server writes."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import LineItem, Order, Organization, Sku
from commerce.money import MAX_CENTS
from tests import factories
from tests.client import Api, nothing_written, path_of, problem, refused
from tests.commerce.test_customers_api import invalid
from tests.shopping import Shop, amounts, done, lines, promotion_lines, shown


@pytest.fixture
def order(shop: Shop) -> Order:
    return shop.order()


def add(api: Api, order: Order, item: Any = None, **attributes: Any) -> Any:
    items = {"item": item} if item else {}
    return api.create("line_items", {"quantity": 1, **attributes}, order=order, **items)


@pytest.fixture
def sku(shop: Shop) -> Sku:
    return shop.sku(2000)


def line_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.content
    return answer.json()["data"]["attributes"]


def only(order: Order) -> LineItem:
    return order.line_items.get()


# --- By code --------------------------------------------------------------------------------------


def test_a_line_costs_what_the_price_list_of_the_market_says(shop: Shop, order: Order):
    elsewhere = factories.price_list(shop.owner)
    sku = shop.sku(1234, code="SHIRT", name="A shirt", image_url="https://img.example/shirt.png")
    factories.price(sku, elsewhere, amount_cents=1)
    line = line_of(add(shop.shopper, order, sku_code="SHIRT", quantity=3))
    assert (line["unit_amount_cents"], line["total_amount_cents"]) == (1234, 3702)
    assert (line["total_amount_float"], line["formatted_total_amount"]) == (37.02, "€37,02")
    assert (line["sku_code"], line["item_type"], line["name"]) == ("SHIRT", "skus", "A shirt")
    assert (line["image_url"], line["currency_code"]) == ("https://img.example/shirt.png", "EUR")
    assert (line["discount_cents"], line["discount_breakdown"], line["coupon_code"]) == (0, {}, None)
    assert amounts(shop.shopper, order) == {"subtotal": 3702, "total": 3702}


def test_a_name_that_is_given_is_kept(shop: Shop, order: Order):
    sku = shop.sku(name="A shirt")
    assert line_of(add(shop.shopper, order, sku_code=sku.code, name="Mine"))["name"] == "Mine"


def test_a_line_tells_the_compared_price(shop: Shop, order: Order):
    sku = factories.sku(shop.owner)
    factories.price(sku, shop.price_list, amount_cents=900, compare_at_amount_cents=1000)
    line = line_of(add(shop.shopper, order, sku_code=sku.code))
    assert (line["unit_amount_cents"], line["compare_at_amount_cents"]) == (900, 1000)


def test_the_first_line_makes_a_draft_pending(shop: Shop, order: Order):
    assert shown(shop.shopper, order)["status"] == "draft"
    shop.add(order, shop.sku())
    assert shown(shop.shopper, order)["status"] == "pending"


@pytest.mark.parametrize("code", ["NOWHERE", "of another organization", "of live mode"])
def test_an_unknown_code_is_refused(shop: Shop, order: Order, code: str):
    factories.sku(factories.organization(), code="of another organization")
    factories.sku(shop.owner, mode="live", code="of live mode")
    with nothing_written():
        answer = add(shop.shopper, order, sku_code=code)
    assert invalid(answer) == {"sku_code": "invalid"}
    assert problem(answer)["title"] == "must exist"


@pytest.mark.parametrize("attribute", ["sku_code", "bundle_code"])
def test_what_has_no_price_in_the_market_is_refused(shop: Shop, order: Order, attribute: str):
    sku = factories.sku(shop.owner)
    factories.price(sku, factories.price_list(shop.owner))
    bundle = factories.bundle(factories.sku_list(shop.owner, sku), market=factories.market(shop.owner))
    with nothing_written():
        answer = add(shop.shopper, order, **{attribute: {"sku_code": sku.code, "bundle_code": bundle.code}[attribute]})
    assert invalid(answer) == {attribute: "invalid"}


@pytest.mark.parametrize("attributes", [{}, {"sku_code": None}, {"sku_code": ""}, {"sku_code": " "}])
def test_a_line_stands_for_something(shop: Shop, order: Order, attributes: Any):
    with nothing_written():
        assert add(shop.shopper, order, **attributes).status_code == 422


def test_tiers_go_by_the_quantity_also_when_it_changes(shop: Shop, order: Order):
    sku = shop.sku(2000)
    price = sku.prices.get()
    factories.price_volume_tier(price, up_to=10, price_amount_cents=1800)
    factories.price_volume_tier(price, up_to=None, price_amount_cents=1500)
    line = shop.add(order, sku, 1)
    for quantity, unit in ((1, 1800), (10, 1800), (11, 1500), (10**9, 1500), (2, 1800)):
        told = line_of(shop.shopper.update(line, {"quantity": quantity}))
        assert (told["unit_amount_cents"], told["total_amount_cents"]) == (unit, quantity * unit)
        assert amounts(shop.shopper, order)["total"] == quantity * unit


def test_a_price_stays_until_the_line_is_priced_anew(shop: Shop, order: Order):
    sku = shop.sku(2000)
    line = shop.add(order, sku)
    sku.prices.update(amount_cents=500)
    done(shop.staff.update(order, {"_refresh": True}))
    assert amounts(shop.shopper, order)["subtotal"] == 2000
    done(shop.staff.update(order, {"_refresh_prices": True}))
    assert amounts(shop.shopper, order)["subtotal"] == 500
    sku.prices.update(amount_cents=700)
    assert line_of(shop.shopper.update(line, {"quantity": 2}))["total_amount_cents"] == 1400
    sku.prices.update(amount_cents=900)
    assert line_of(shop.shopper.update(line, {"name": "Same"}))["total_amount_cents"] == 1400


def test_an_order_in_another_market_is_priced_there(shop: Shop, order: Order):
    other = Shop(shop.owner, shop.staff, "USD")
    sku = shop.sku(2000)
    factories.price(sku, other.price_list, amount_cents=2500)
    line = shop.add(order, sku, 2)
    told = done(shop.staff.update(order, market=other.market))
    assert (told["currency_code"], told["total_amount_cents"]) == ("USD", 5000)
    assert line_of(shop.staff.get(path_of(line)))["currency_code"] == "USD"


def test_an_order_does_not_go_where_one_of_its_skus_has_no_price(shop: Shop, order: Order):
    shop.add(order, shop.sku())
    elsewhere = factories.market(shop.owner)
    with nothing_written():
        assert list(invalid(shop.staff.update(order, market=elsewhere))) == ["market"]


@pytest.mark.parametrize("quantity", [0, -1, 10**9 + 1, 1.5, "some", None])
def test_a_quantity_is_a_whole_number_of_one_to_a_thousand_million(shop: Shop, order: Order, quantity: Any):
    sku = shop.sku(1)
    line = shop.add(order, sku)
    with nothing_written():
        assert list(invalid(add(shop.shopper, order, sku_code=sku.code, quantity=quantity))) == ["quantity"]
        assert list(invalid(shop.shopper.update(line, {"quantity": quantity}))) == ["quantity"]


def test_units_that_are_added_stay_within_the_most_of_a_line(shop: Shop, order: Order):
    sku = shop.sku(1)
    shop.add(order, sku, 10**9)
    with nothing_written():
        answer = add(shop.shopper, order, sku_code=sku.code, _update_quantity=1)
    assert list(invalid(answer)) == ["quantity"]


def test_amounts_beyond_what_can_be_told_are_refused(shop: Shop, order: Order):
    sku = shop.sku(9_007_200)
    with nothing_written():
        assert invalid(add(shop.shopper, order, sku_code=sku.code, quantity=10**9)) == {"quantity": "invalid"}
    shop.add(order, shop.sku(9_007_199), 10**9)
    with nothing_written():
        answer = add(shop.shopper, order, sku_code=sku.code, quantity=10**6)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    assert amounts(shop.shopper, order)["total"] == 9_007_199 * 10**9 <= MAX_CENTS


# --- Units added ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [True, 1, "1", "true"])
def test_units_are_added_to_the_line_of_the_same_sku(shop: Shop, order: Order, flag: Any):
    sku = shop.sku(2000)
    factories.price_volume_tier(sku.prices.get(), up_to=4, price_amount_cents=1800)
    factories.price_volume_tier(sku.prices.get(), up_to=None, price_amount_cents=1500)
    line = shop.add(order, sku, 2)
    answer = add(shop.shopper, order, sku_code=sku.code, quantity=3, _update_quantity=flag)
    assert answer.json()["data"]["id"] == line.public_id
    assert line_of(answer)["quantity"] == 5
    assert amounts(shop.shopper, order) == {"subtotal": 7500, "total": 7500}
    assert len(lines(shop.shopper, order)) == 1


def test_units_of_another_sku_or_without_the_flag_are_a_line_of_their_own(shop: Shop, order: Order):
    sku = shop.sku(1000)
    shop.add(order, sku)
    line_of(add(shop.shopper, order, sku_code=shop.sku(10).code, _update_quantity=1))
    line_of(add(shop.shopper, order, sku_code=sku.code, _update_quantity=0))
    line_of(add(shop.shopper, order, sku_code=sku.code))
    assert [each["quantity"] for each in lines(shop.shopper, order)] == [1, 1, 1, 1]
    assert amounts(shop.shopper, order)["total"] == 3010


def test_units_are_not_added_to_a_line_of_another_order(shop: Shop, order: Order):
    sku = shop.sku(1000)
    shop.add(shop.order(), sku, 5)
    assert line_of(add(shop.shopper, order, sku_code=sku.code, _update_quantity=1))["quantity"] == 1


# --- Another item ---------------------------------------------------------------------------------


def test_a_line_that_is_given_another_sku_costs_what_that_costs(shop: Shop, order: Order):
    cheap, dear = shop.sku(100, name="Cheap"), shop.sku(90_000, name="Dear")
    line = shop.add(order, cheap, 2)
    told = line_of(shop.shopper.update(line, {"sku_code": dear.code}))
    assert (told["sku_code"], told["name"], told["total_amount_cents"]) == (dear.code, "Dear", 180_000)
    assert amounts(shop.shopper, order)["total"] == 180_000
    assert shop.staff.data(f"{path_of(line)}/sku")["id"] == dear.public_id


def test_a_line_is_of_a_sku_or_a_bundle(shop: Shop, order: Order, sku: Sku):
    bundle = factories.bundle(factories.sku_list(shop.owner, sku), price_amount_cents=90_000)
    with nothing_written():
        answer = add(shop.shopper, order, sku_code=sku.code, bundle_code=bundle.code)
        assert answer.status_code == 422
    line = shop.add(order, sku)
    with nothing_written():
        assert list(invalid(shop.shopper.update(line, {"bundle_code": bundle.code}))) == ["bundle_code"]


def test_the_same_code_again_changes_nothing(shop: Shop, order: Order):
    sku = shop.sku(100)
    line = shop.add(order, sku)
    with nothing_written():
        line_of(shop.shopper.update(line, {"sku_code": sku.code}))


# --- Bundles, gift cards, adjustments -------------------------------------------------------------


def test_a_bundle_costs_its_own_price(shop: Shop, order: Order):
    bundle = factories.bundle(
        factories.sku_list(shop.owner, shop.sku()), name="Set", price_amount_cents=4900, compare_at_amount_cents=6000
    )
    line = line_of(add(shop.shopper, order, bundle_code=bundle.code, quantity=2))
    assert (line["item_type"], line["bundle_code"], line["sku_code"]) == ("bundles", bundle.code, None)
    assert (line["name"], line["total_amount_cents"], line["compare_at_amount_cents"]) == ("Set", 9800, 6000)
    assert amounts(shop.shopper, order) == {"subtotal": 9800, "total": 9800}


def test_an_item_is_a_sku_or_bundle_as_its_code_would_say(shop: Shop, order: Order):
    sku = shop.sku(700)
    bundle = factories.bundle(factories.sku_list(shop.owner, sku), price_amount_cents=4900)
    assert line_of(add(shop.shopper, order, sku))["sku_code"] == sku.code
    assert line_of(add(shop.shopper, order, bundle))["bundle_code"] == bundle.code
    assert amounts(shop.shopper, order)["total"] == 5600


CURRENT = {"bundle": "bundle_code", "gift_card": "item", "adjustment": "item"}
"""What is told in another currency, and what the refusal points at."""


@pytest.mark.parametrize("kind", CURRENT)
def test_an_item_in_another_currency_is_refused(shop: Shop, order: Order, kind: str):
    item: Any = {
        "bundle": lambda: factories.bundle(factories.sku_list(shop.owner, shop.sku()), currency_code="USD"),
        "gift_card": lambda: factories.gift_card(shop.owner, status="draft", currency_code="USD"),
        "adjustment": lambda: factories.adjustment(shop.owner, currency_code="USD"),
    }[kind]()
    with nothing_written():
        assert list(invalid(add(shop.staff, order, item))) == [CURRENT[kind]]


@pytest.mark.parametrize("kind", CURRENT)
def test_an_order_does_not_leave_the_currency_of_what_is_in_it(shop: Shop, kind: str):
    order = shop.order(1000)
    item: Any = {
        "bundle": lambda: factories.bundle(factories.sku_list(shop.owner, shop.sku())),
        "gift_card": lambda: factories.gift_card(shop.owner, status="draft"),
        "adjustment": lambda: factories.adjustment(shop.owner),
    }[kind]()
    line_of(add(shop.staff, order, item))
    other = Shop(shop.owner, shop.staff, "USD")
    factories.price(order.line_items.get(item_type="skus").sku, other.price_list)
    with nothing_written():
        assert list(invalid(shop.staff.update(order, market=other.market))) == ["market"]


def test_a_bundle_of_another_market_is_refused_as_an_item(shop: Shop, order: Order):
    elsewhere = factories.market(shop.owner)
    item = factories.bundle(factories.sku_list(shop.owner, shop.sku()), market=elsewhere, price_amount_cents=1)
    with nothing_written():
        assert list(invalid(add(shop.staff, order, item))) == ["bundle_code"]


def test_a_draft_gift_card_is_bought_for_its_balance(shop: Shop, order: Order):
    card = factories.gift_card(shop.owner, status="draft", balance_cents=5000)
    line = line_of(add(shop.shopper, order, card))
    assert (line["item_type"], line["name"], line["total_amount_cents"]) == ("gift_cards", "Gift card", 5000)
    assert amounts(shop.shopper, order) == {"subtotal": 5000, "total": 5000}


@pytest.mark.parametrize("status", ["inactive", "active", "redeemed"])
def test_a_gift_card_that_is_somebodys_is_not_sold(shop: Shop, order: Order, status: str):
    card = factories.gift_card(shop.owner, status=status)
    with nothing_written():
        assert list(invalid(add(shop.staff, order, card))) == ["item"]


def test_a_gift_card_is_bought_once(shop: Shop, order: Order):
    card = factories.gift_card(shop.owner, status="draft", balance_cents=5000)
    with nothing_written():
        assert list(invalid(add(shop.shopper, order, card, quantity=2))) == ["quantity"]
    line = line_of(add(shop.shopper, order, card))
    assert line["quantity"] == 1
    with nothing_written():
        assert list(invalid(add(shop.shopper, order, card, _update_quantity=1))) == ["quantity"]
        assert list(invalid(add(shop.shopper, order, card))) == ["item"]
        assert list(invalid(shop.shopper.update(only(order), {"quantity": 2}))) == ["quantity"]


@pytest.mark.parametrize(("cents", "total"), [(-500, 500), (250, 1250)])
def test_an_adjustment_adds_or_takes_off(shop: Shop, cents: int, total: int):
    order = shop.order(1000)
    line = line_of(add(shop.staff, order, factories.adjustment(shop.owner, amount_cents=cents)))
    assert (line["item_type"], line["total_amount_cents"]) == ("adjustments", cents)
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "adjustment": cents, "total": total}


def test_adjustments_take_off_no_more_than_there_is(shop: Shop):
    order = shop.order(300)
    line_of(add(shop.staff, order, factories.adjustment(shop.owner, amount_cents=-500)))
    assert amounts(shop.shopper, order) == {"subtotal": 300, "adjustment": -300, "total": 0}
    shop.add(order, shop.sku(1000))
    assert amounts(shop.shopper, order) == {"subtotal": 1300, "adjustment": -500, "total": 800}


def test_a_shopper_adjusts_nothing(shop: Shop):
    order, adjustment = shop.order(1000), factories.adjustment(shop.owner)
    with nothing_written():
        answer = add(shop.shopper, order, adjustment)
    assert refused(answer)[:2] == (404, "RECORD_NOT_FOUND")


def test_an_item_of_another_tenant_is_not_there(shop: Shop, order: Order):
    elsewhere = factories.sku(factories.organization())
    with nothing_written():
        answer = add(shop.staff, order, elsewhere)
    assert refused(answer)[:2] == (404, "RECORD_NOT_FOUND")


# --- Given prices ---------------------------------------------------------------------------------


def test_an_integration_may_sell_what_is_no_item_at_a_price_of_its_own(shop: Shop, order: Order):
    line = line_of(add(shop.staff, order, name="A talk", quantity=3, unit_amount_cents=1250))
    assert (line["item_type"], line["sku_code"], line["total_amount_cents"]) == ("skus", None, 3750)
    assert amounts(shop.shopper, order) == {"subtotal": 3750, "total": 3750}


def test_a_given_price_stays_whatever_the_quantity_until_it_is_taken_back(shop: Shop, order: Order):
    sku = shop.sku(2000)
    line_of(add(shop.staff, order, sku_code=sku.code, unit_amount_cents=1))
    line = only(order)
    assert line_of(shop.shopper.update(line, {"quantity": 5}))["total_amount_cents"] == 5
    done(shop.staff.update(order, {"_refresh_prices": True}))
    assert amounts(shop.shopper, order)["total"] == 5
    assert line_of(shop.staff.update(line, {"unit_amount_cents": None}))["total_amount_cents"] == 10_000


@pytest.mark.parametrize("value", [-1, MAX_CENTS + 1, 1.5, "much"])
def test_a_given_price_is_an_amount(shop: Shop, order: Order, value: Any):
    with nothing_written():
        assert list(invalid(add(shop.staff, order, unit_amount_cents=value))) == ["unit_amount_cents"]


@pytest.mark.parametrize("attribute", ["unit_amount_cents", "options_amount_cents"])
def test_a_sales_channel_gives_no_price(shop: Shop, order: Order, attribute: str):
    sku = shop.sku(2000)
    line = shop.add(order, sku)
    source = {"pointer": f"/data/attributes/{attribute}"}
    with nothing_written():
        answer = shop.shopper.update(line, {attribute: 1})
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", source)
        answer = add(shop.shopper, order, sku_code=sku.code, **{attribute: 1})
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", source)


@pytest.mark.parametrize("flag", [True, False])
def test_a_sales_channel_does_not_undo_a_given_price(shop: Shop, order: Order, flag: bool):
    sku = shop.sku(2000)
    line_of(add(shop.staff, order, sku_code=sku.code, unit_amount_cents=9000))
    shop.shopper.update(only(order), {"_external_price": flag})
    shop.shopper.update(only(order), {"_external_price": flag, "quantity": 1})
    assert amounts(shop.shopper, order)["total"] == 9000


def test_no_external_source_is_asked_for_a_price(shop: Shop, order: Order, sku: Sku):
    with nothing_written():
        answer = add(shop.shopper, order, sku_code=sku.code, _external_price=1)
    assert invalid(answer) == {"_external_price": "invalid"}
    line = line_of(add(shop.staff, order, sku_code=sku.code, _external_price=1, unit_amount_cents=77))
    assert line["total_amount_cents"] == 77


# --- Deleted --------------------------------------------------------------------------------------


def test_a_deleted_line_takes_its_part_of_the_discount_along(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, percentage=10)
    order = shop.order(1000, 2000)
    assert amounts(shop.shopper, order) == {"subtotal": 3000, "discount": -300, "total": 2700}
    first, second = order.line_items.filter(item_type="skus").order_by("unit_amount_cents")
    assert shop.shopper.destroy(first).status_code == 204
    assert amounts(shop.shopper, order) == {"subtotal": 2000, "discount": -200, "total": 1800}
    assert shop.shopper.destroy(second).status_code == 204
    assert amounts(shop.shopper, order) == {"total": 0}
    assert lines(shop.shopper, order) == []


# --- What is worked out ---------------------------------------------------------------------------


@pytest.fixture
def computed(shop: Shop, acme: Organization) -> list[LineItem]:
    """A line of each sort that the server writes."""
    factories.percentage_promotion(acme)
    factories.gift_card(acme, code="PRESENT-2026", balance_cents=100)
    method = factories.payment_method(acme, price_amount_cents=200)
    order = shop.order(1000, gift_card_code="PRESENT-2026")
    values = {"payment_method": method, "shipping_address": factories.address(acme)}
    done(shop.staff.update(order, **values))
    shipment = order.shipments.get()
    assert shop.staff.update(shipment, shipping_method=factories.shipping_method(acme)).status_code == 200
    return list(order.line_items.exclude(item_type="skus").order_by("item_type"))


def test_computed_lines_are_neither_changed_nor_deleted_by_anybody(shop: Shop, computed: list[LineItem], sku: Sku):
    types = ["gift_cards", "payment_methods", "percentage_discount_promotions", "shipments"]
    assert [line.item_type for line in computed] == types
    with nothing_written():
        for line in computed:
            for api in (shop.shopper, shop.staff):
                assert is_worked_out(api.update(line, {"quantity": 2}))
                assert is_worked_out(api.destroy(line))
            assert is_worked_out(shop.staff.update(line, {"unit_amount_cents": 500}))
            assert list(invalid(shop.staff.update(line, {"sku_code": sku.code}))) == ["sku_code"]


def is_worked_out(answer: Any) -> bool:
    return "item_type" in invalid(answer)


COMPUTED = ["shipments", "payment_methods", "percentage_discount_promotions", "flex_promotions"]


@pytest.mark.parametrize("item_type", [*COMPUTED, "discount_engine_items", "orders", ""])
def test_computed_lines_are_not_created_by_anybody(shop: Shop, order: Order, item_type: str):
    with nothing_written():
        answer = add(shop.staff, order, item_type=item_type, unit_amount_cents=1)
        assert "item_type" in invalid(answer)
        answer = add(shop.shopper, order, item_type=item_type)
        assert "item_type" in invalid(answer)


def test_a_promotion_is_no_item_that_can_be_put_into_an_order(shop: Shop, order: Order, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    with nothing_written():
        answer = add(shop.staff, order, promotion, unit_amount_cents=1)
    assert refused(answer)[:2] == (409, "TYPE_MISMATCH")


@pytest.mark.parametrize(
    "attribute", ["total_amount_cents", "discount_cents", "discount_breakdown", "coupon_code", "rule_outcomes"]
)
def test_what_is_worked_out_is_not_given(shop: Shop, order: Order, sku: Sku, attribute: str):
    with nothing_written():
        answer = add(shop.staff, order, sku_code=sku.code, **{attribute: 1})
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{attribute}"})


def test_a_line_stays_in_its_order(shop: Shop, order: Order):
    line, other = shop.add(order, shop.sku()), shop.order()
    with nothing_written():
        assert refused(shop.staff.update(line, order=other))[:2] == (403, "FORBIDDEN")


@pytest.mark.parametrize("step", ["_place", "_cancel"])
def test_lines_of_an_order_that_is_done_with_stay_as_they_are(shop: Shop, step: str):
    sku = shop.sku()
    order = shop.order(1000, customer_email="ada@example.com")
    line = order.line_items.get()
    done(shop.shopper.update(order, {step: True}))
    for api in (shop.shopper, shop.staff):
        with nothing_written():
            assert list(invalid(add(api, order, sku_code=sku.code))) == ["order"]
            assert list(invalid(api.update(line, {"quantity": 2}))) == ["order"]
            assert list(invalid(api.destroy(line))) == ["order"]


def test_a_shopper_puts_nothing_into_an_order_it_does_not_reach(shop: Shop, acme: Organization):
    sku = shop.sku()
    order = factories.order(acme, market=shop.market, customer=factories.customer(acme))
    with nothing_written():
        assert refused(add(shop.shopper, order, sku_code=sku.code))[:2] == (404, "RECORD_NOT_FOUND")


# --- How much it asks of the database -------------------------------------------------------------


def adding(shop: Shop, order: Order) -> int:
    """Statements of one POST /line_items, in an order that was priced before."""
    sku = shop.sku()
    with CaptureQueriesContext(connection) as captured:
        line_of(add(shop.shopper, order, sku_code=sku.code))
    return len(captured)


def test_a_line_takes_as_many_statements_however_many_there_are(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme)
    small, large = shop.order(1000), shop.order(*[1000] * 20)
    assert adding(shop, small) == adding(shop, large)


def test_a_line_takes_as_many_statements_however_many_promotions_there_are(shop: Shop, acme: Organization):
    acme.settings = {"promotions_max_concurrent_count": 100}
    acme.save()
    factories.percentage_promotion(acme, percentage=1)
    order = shop.order(1_000_000, 1_000_000)
    adding(shop, order)
    before = adding(shop, order)
    for _ in range(49):
        factories.percentage_promotion(acme, percentage=1)
    adding(shop, order)
    assert len(promotion_lines(shop.staff, order)) >= 20
    assert adding(shop, order) == before


def test_prices_are_refreshed_in_as_many_statements_however_many_lines_there_are(shop: Shop):
    def refreshing(order: Order) -> int:
        with CaptureQueriesContext(connection) as captured:
            done(shop.staff.update(order, {"_refresh_prices": True}))
        return len(captured)

    assert refreshing(shop.order(1000)) == refreshing(shop.order(*[1000] * 20))
