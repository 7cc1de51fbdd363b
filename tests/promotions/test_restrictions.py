"""What promotions are restricted to besides rules: given, refused where it is nonsense, and met by orders or not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import ids
from commerce.models import Order, Organization
from promotions.models import PercentageDiscountPromotion, Promotion
from promotions.restrictions import MOST_NAMES
from tags.tagging import ADD, change_tags
from tests import factories
from tests.client import Api, nothing_written, path_of, problem, refused
from tests.factories import BY, NOW
from tests.shopping import EMAIL, Shop, amounts, coupon, done

Travel = Callable[[datetime], None]

TEN_PERCENT = {
    "name": "restricted",
    "percentage": 10,
    "starts_at": "2026-06-01T00:00:00.000Z",
    "expires_at": "2027-06-01T00:00:00.000Z",
}


def ten_percent(api: Api, *restrictions: Any) -> Promotion:
    """Ten percent off what is restricted so."""
    answer = api.create("percentage_discount_promotions", {**TEN_PERCENT, "restrictions": list(restrictions)})
    assert answer.status_code == 201, answer.content
    assert answer.json()["data"]["attributes"]["restrictions"] == list(restrictions)
    return PercentageDiscountPromotion.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


def verdict(api: Api, order: Order) -> tuple[int, dict[str, tuple[str, int | None]]]:
    """What is taken off the order, and by names why the others are not, with the distance."""
    told = api.data(f"{path_of(order)}/evaluation")["attributes"]
    refusals = {one["name"]: (one["reason"], one["missing"]) for one in told["not_applied"]}
    return amounts(api, order).get("discount", 0), refusals


# --- Given ----------------------------------------------------------------------------------------

NAMES = "must be an array of 1 to 1000 strings"
ITEMS = "must have a code and a quantity each"


@pytest.mark.parametrize(
    ("restrictions", "told"),
    [
        ({}, "must be an array of objects"),
        ("customers", "must be an array of objects"),
        (["customers"], "0: type must be one of minimum_order_amount, "),
        ([{"type": "weather"}], "0: type must be one of minimum_order_amount, "),
        ([{"type": ["customers"]}], "0: type must be one of minimum_order_amount, "),
        ([{"type": "customers"}], f"0.names {NAMES}"),
        ([{"type": "customers", "names": []}], f"0.names {NAMES}"),
        ([{"type": "customers", "names": ["a", 1]}], f"0.names {NAMES}"),
        ([{"type": "customers", "names": ["a" * 256]}], f"0.names {NAMES}"),
        ([{"type": "customers", "names": ["a"] * (MOST_NAMES + 1)}], f"0.names {NAMES}"),
        ([{"type": "customers", "names": ["a"], "emails": ["b"]}], "0.emails is not allowed"),
        ([{"type": "orders", "names": "a"}], f"0.names {NAMES}"),
        ([{"type": "subscriptions", "names": [None]}], f"0.names {NAMES}"),
        ([{"type": "orders", "names": ["a"]}, {"type": "orders", "names": ["b"]}], "1: orders is there twice"),
        ([{"type": "minimum_order_amount", "currency_code": "EUR"}], "0.amount_cents must be a whole number of cents"),
        (
            [{"type": "maximum_order_amount", "amount_cents": 12.5, "currency_code": "EUR"}],
            "0.amount_cents must be a whole number of cents",
        ),
        (
            [{"type": "minimum_order_amount", "amount_cents": True, "currency_code": "EUR"}],
            "0.amount_cents must be a whole number of cents",
        ),
        (
            [{"type": "maximum_order_amount", "amount_cents": -1, "currency_code": "EUR"}],
            "0.amount_cents must be a whole number of cents",
        ),
        (
            [{"type": "minimum_order_amount", "amount_cents": 1, "currency_code": "eur"}],
            "0.currency_code is not a currency of ISO 4217",
        ),
        ([{"type": "paid_by", "time": "soon"}], "0.time is not a timestamp"),
        ([{"type": "paid_by", "time": 2026}], "0.time is not a timestamp"),
        ([{"type": "paid_by", "time": "2026-02-30T00:00:00Z"}], "0.time is not a timestamp"),
        ([{"type": "paid_by"}], "0.time is not a timestamp"),
        ([{"type": "customer_tags", "tags": ["a"], "all_tags": 1}], "0.all_tags is not a boolean"),
        ([{"type": "customer_tags", "all_tags": True}], f"0.tags {NAMES}"),
        ([{"type": "countries", "country_codes": ["it"]}], "0.country_codes must be an array of two-letter"),
        ([{"type": "countries", "country_codes": ["ITA"]}], "0.country_codes must be an array of two-letter"),
        ([{"type": "plans", "codes": ["a"], "min_quantity": 0}], "0.min_quantity must be a whole number above zero"),
        ([{"type": "products", "codes": []}], f"0.codes {NAMES}"),
        ([{"type": "buy_get", "buy": [{"code": "a", "quantity": 1}]}], "0.get must be an array of items"),
        (
            [{"type": "buy_get", "buy": [{"code": "a"}], "get": [{"code": "b", "quantity": 1}]}],
            f"0.buy {ITEMS}",
        ),
        (
            [{"type": "buy_get", "buy": [{"code": "a", "quantity": 1}], "get": [{"code": "b", "quantity": 0}]}],
            "0.get must have quantities above zero",
        ),
        (
            [{"type": "buy_get", "buy": [{"code": "a", "quantity": 1}] * 2, "get": [{"code": "b", "quantity": 1}]}],
            "0.buy must not name an item twice",
        ),
    ],
)
def test_what_is_wrong_with_restrictions_is_told_by_place_and_member(api: Api, restrictions: Any, told: str):
    with nothing_written():
        answer = api.create("percentage_discount_promotions", {**TEN_PERCENT, "restrictions": restrictions})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/restrictions"})
    assert problem(answer)["detail"].startswith(f"restrictions - {told}")


@pytest.mark.parametrize("none", [[], None])
def test_restrictions_can_be_taken_away(api: Api, shop: Shop, none: Any):
    promotion = ten_percent(api, {"type": "countries", "country_codes": ["IT"]})
    order = shop.order(1000)
    assert verdict(api, order) == (0, {"restricted": ("country_not_eligible", None)})
    answer = api.update(promotion, {"restrictions": none})
    assert answer.json()["data"]["attributes"]["restrictions"] == []
    done(shop.shopper.update(order, {"_refresh": True}))
    assert verdict(api, order) == (-100, {})


# --- Met, or not ----------------------------------------------------------------------------------


def test_order_amounts_are_those_of_items_and_shipping_before_anything_is_taken_off(api: Api, shop: Shop):
    factories.percentage_promotion(shop.owner, percentage=50, name="half", priority=1)
    least = {"type": "minimum_order_amount", "amount_cents": 5000, "currency_code": "EUR"}
    most = {"type": "maximum_order_amount", "amount_cents": 6000, "currency_code": "EUR"}
    ten_percent(api, least, most)
    assert verdict(api, shop.order(4999)) == (-2500, {"restricted": ("order_amount_too_low", 1)})
    assert verdict(api, shop.order(5000)) == (-2750, {})
    assert verdict(api, shop.order(6000)) == (-3300, {})
    assert verdict(api, shop.order(6001)) == (-3001, {"restricted": ("order_amount_too_high", None)})


def test_an_amount_in_another_currency_is_never_reached(api: Api, shop: Shop):
    ten_percent(api, {"type": "minimum_order_amount", "amount_cents": 0, "currency_code": "USD"})
    assert verdict(api, shop.order(1000)) == (0, {"restricted": ("currency_mismatch", None)})


def test_an_order_must_be_placed_before_the_instant_it_is_to_be_paid_by(api: Api, shop: Shop, travel: Travel):
    ten_percent(api, {"type": "paid_by", "time": (NOW + timedelta(hours=1)).isoformat()})
    early, late = (shop.order(1000, customer_email=EMAIL) for _ in range(2))
    travel(NOW + timedelta(minutes=59, seconds=59))
    done(shop.shopper.update(early, {"_place": True}))
    assert amounts(api, early)["total"] == 900
    travel(NOW + timedelta(hours=1))
    done(shop.shopper.update(late, {"_refresh": True}))
    assert verdict(api, late) == (0, {"restricted": ("promotion_expired", None)})


@pytest.mark.parametrize("name", ["id", "reference", "shopper_reference"])
def test_customers_go_by_their_id_or_what_they_are_called_elsewhere(api: Api, shop: Shop, name: str):
    ada = factories.customer(shop.owner, reference="ERP-1", shopper_reference="SHOP-1")
    bob = factories.customer(shop.owner, reference="ERP-2", shopper_reference="SHOP-2")
    called = {"id": ada.public_id, "reference": "ERP-1", "shopper_reference": "SHOP-1"}[name]
    ten_percent(api, {"type": "customers", "names": ["NOBODY", called]})
    assert verdict(api, shop.order(1000, by=shop.shopper_of(ada))) == (-100, {})
    assert verdict(api, shop.order(1000, by=shop.shopper_of(bob))) == (
        0,
        {"restricted": ("customer_not_eligible", None)},
    )
    assert verdict(api, shop.order(1000)) == (0, {"restricted": ("customer_unknown", None)})


def test_customers_are_told_by_one_of_the_tags_or_all_of_them(api: Api, shop: Shop):
    ada, bob = (factories.customer(shop.owner) for _ in range(2))
    vip, gold, other = (factories.tag(shop.owner, name=name) for name in ("vip", "gold", "other"))
    change_tags(ada, [vip, gold], ADD, BY)
    change_tags(bob, [gold, other], ADD, BY)
    orders = [shop.order(1000, by=shop.shopper_of(customer)) for customer in (ada, bob)]
    not_eligible = {"restricted": ("customer_not_eligible", None)}
    one = ten_percent(api, {"type": "customer_tags", "tags": ["vip", "gold"]})
    for order, expected in zip([*orders, shop.order(1000)], [(-100, {}), (-100, {}), (0, not_eligible)], strict=True):
        done(api.update(order, {"_refresh": True}))
        assert verdict(api, order) == expected
    every = [{"type": "customer_tags", "tags": ["vip", "gold"], "all_tags": True}]
    assert api.update(one, {"restrictions": every}).status_code == 200
    for order, expected in zip(orders, [(-100, {}), (0, not_eligible)], strict=True):
        done(api.update(order, {"_refresh": True}))
        assert verdict(api, order) == expected


def test_a_country_is_that_of_the_billing_or_else_the_shipping_address(api: Api, shop: Shop):
    ten_percent(api, {"type": "countries", "country_codes": ["IT", "FR"]})
    italian, german = (factories.address(shop.owner, country_code=code) for code in ("IT", "DE"))
    order = shop.order(1000)
    expected: list[tuple[dict[str, Any], tuple[int, Any]]] = [
        ({}, (0, {"restricted": ("country_not_eligible", None)})),
        ({"shipping_address": italian}, (-100, {})),
        ({"billing_address": german}, (0, {"restricted": ("country_not_eligible", None)})),
        ({"billing_address": italian, "shipping_address": german}, (-100, {})),
    ]
    for addresses, told in expected:
        done(api.update(order, **addresses))
        assert verdict(api, order) == told


@pytest.mark.parametrize("name", ["public_id", "number"])
def test_orders_go_by_their_id_or_number(api: Api, shop: Shop, name: str):
    mine, other = shop.order(1000), shop.order(1000)
    called = getattr(mine, name)
    ten_percent(api, {"type": "orders", "names": [called]})
    for order in (mine, other):
        done(api.update(order, {"_refresh": True}))
    assert verdict(api, mine) == (-100, {})
    assert verdict(api, other) == (0, {"restricted": ("order_not_eligible", None)})


def test_orders_of_ours_are_of_no_subscription(api: Api, shop: Shop):
    ten_percent(api, {"type": "subscriptions", "names": ["SUB-1"]})
    assert verdict(api, shop.order(1000)) == (0, {"restricted": ("subscription_not_eligible", None)})


@pytest.mark.parametrize("kind", ["plans", "products"])
def test_of_certain_items_so_many_units_must_be_there_and_nothing_else_is_discounted(api: Api, shop: Shop, kind: str):
    ten_percent(api, {"type": kind, "codes": ["SHIRT", "MUG"], "min_quantity": 3})
    shirt, hat = shop.sku(1000, code="SHIRT"), shop.sku(5000, code="HAT")
    order = shop.order()
    shop.add(order, shirt, 2)
    shop.add(order, hat, 4)
    assert verdict(api, order) == (0, {"restricted": ("quantity_too_low", 1)})
    shop.add(order, shop.sku(300, code="MUG"))
    assert verdict(api, order) == (-230, {})


def test_variants_of_a_product_are_told_by_its_reference(api: Api, shop: Shop):
    ten_percent(api, {"type": "products", "codes": ["P-1"]})
    order = shop.order(4000)
    shop.add(order, shop.sku(1000, reference="P-1"), 2)
    shop.add(order, shop.sku(2000, reference="P-1"))
    assert verdict(api, order) == (-400, {})


def test_a_plan_is_not_told_by_the_product_it_is_of(api: Api, shop: Shop):
    ten_percent(api, {"type": "plans", "codes": ["P-1"]})
    order = shop.order()
    shop.add(order, shop.sku(1000, reference="P-1"))
    assert verdict(api, order) == (0, {"restricted": ("quantity_too_low", 1)})


def test_whoever_buys_enough_gets_the_rest_for_less(api: Api, shop: Shop):
    ten_percent(
        api,
        {
            "type": "buy_get",
            "buy": [{"code": "SHIRT", "quantity": 2}, {"code": "HAT", "quantity": 1}],
            "get": [{"code": "MUG", "quantity": 2}],
        },
    )
    shirt, hat, mug = (shop.sku(cents, code=code) for cents, code in ((1000, "SHIRT"), (5000, "HAT"), (300, "MUG")))
    order = shop.order()
    shop.add(order, mug, 3)
    assert verdict(api, order) == (0, {"restricted": ("quantity_too_low", 3)})
    shop.add(order, shirt, 2)
    assert verdict(api, order) == (0, {"restricted": ("quantity_too_low", 1)})
    shop.add(order, hat)
    assert verdict(api, order) == (-60, {})


def test_what_is_bought_is_not_got(api: Api, shop: Shop):
    shirts = {"buy": [{"code": "SHIRT", "quantity": 2}], "get": [{"code": "SHIRT", "quantity": 1}]}
    ten_percent(api, {"type": "buy_get", **shirts})
    order = shop.order()
    line = shop.add(order, shop.sku(1000, code="SHIRT"), 2)
    assert verdict(api, order) == (0, {"restricted": ("no_matching_items", None)})
    for quantity, off in ((3, -100), (4, -100)):
        assert api.update(line, {"quantity": quantity}).status_code == 200
        assert verdict(api, order) == (off, {})


def test_all_restrictions_must_hold(api: Api, shop: Shop):
    order = shop.order(1000)
    ten_percent(
        api,
        {"type": "orders", "names": [order.number]},
        {"type": "minimum_order_amount", "amount_cents": 2000, "currency_code": "EUR"},
    )
    done(api.update(order, {"_refresh": True}))
    assert verdict(api, order) == (0, {"restricted": ("order_amount_too_low", 1000)})
    shop.add(order, shop.sku(1000))
    assert verdict(api, order) == (-200, {})


def test_a_code_whose_restrictions_are_not_met_waits(api: Api, shop: Shop):
    coupon(shop, "ITALY-2026", restrictions=[{"type": "countries", "country_codes": ["IT"]}])
    order = shop.order(1000, customer_email=EMAIL)
    done(shop.shopper.update(order, {"coupon_code": "ITALY-2026"}))
    assert amounts(api, order) == {"subtotal": 1000, "total": 1000}
    done(api.update(order, shipping_address=factories.address(shop.owner, country_code="IT")))
    assert amounts(api, order) == {"subtotal": 1000, "discount": -100, "total": 900}
    done(shop.shopper.update(order, {"_place": True}))
    assert amounts(api, order)["total"] == 900


# --- Statements -----------------------------------------------------------------------------------


def test_only_restrictions_that_need_more_rows_ask_for_them(api: Api, shop: Shop, acme: Organization):
    """Tags and countries are looked up where a promotion looks at them, uses of a customer where one is limited."""
    ada = factories.customer(acme)
    order = shop.order(1000, by=shop.shopper_of(ada))

    def refreshing() -> int:
        done(api.update(order, {"_refresh": True}))
        with CaptureQueriesContext(connection) as captured:
            done(api.update(order, {"_refresh": True}))
        return len(captured)

    factories.percentage_promotion(acme, exclusive=True)
    before = refreshing()
    plain: list[dict[str, Any]] = [
        {"type": "orders", "names": ["x"]},
        {"type": "customers", "names": ["x"]},
        {"type": "products", "codes": ["x"]},
        {"type": "maximum_order_amount", "amount_cents": 1, "currency_code": "EUR"},
    ]
    factories.percentage_promotion(acme, restrictions=plain)
    assert refreshing() == before
    factories.percentage_promotion(acme, customer_usage_limit=5)
    assert refreshing() == before + 1
    for _ in range(3):
        factories.percentage_promotion(acme, customer_usage_limit=5)
    assert refreshing() == before + 1


# --- Named ----------------------------------------------------------------------------------------


def test_shoppers_give_themselves_no_name_that_a_restriction_knows(api: Api, shop: Shop):
    ten_percent(api, {"type": "customers", "names": ["VIP-1"]})
    factories.percentage_promotion(
        shop.owner, percentage=50, name="of orders", restrictions=[{"type": "orders", "names": ["in_1"]}]
    )
    customer = factories.customer(shop.owner, email=EMAIL, reference="C-1")
    eve = shop.shopper_of(customer)
    names = {"reference": "VIP-1", "reference_origin": "me", "shopper_reference": "VIP-1"}
    assert eve.update(customer, names).status_code == 200
    customer.refresh_from_db()
    assert (customer.reference, customer.reference_origin) == ("C-1", None)
    assert customer.shopper_reference != "VIP-1"
    order = shop.order(1000, by=eve, reference="in_1")
    refusals = {"restricted": ("customer_not_eligible", None), "of orders": ("order_not_eligible", None)}
    assert verdict(api, order) == (0, refusals)
    assert api.update(customer, {"reference": "VIP-1"}).status_code == 200
    done(api.update(order, {"_refresh": True}))
    assert verdict(api, order) == (-100, {"of orders": ("order_not_eligible", None)})


def test_free_shipping_of_certain_items_is_of_the_shipments_that_hold_them(api: Api, acme: Organization):
    promotion = factories.free_shipping_promotion(acme, restrictions=[{"type": "products", "codes": ["A"]}])
    shipments = [{"cost_amount_cents": 500, "line_items": [0]}, {"cost_amount_cents": 700, "line_items": [1]}]
    lines = [{"code": code, "unit_amount_cents": 1000} for code in "AB"]
    cart = {"currency_code": "EUR", "line_items": lines, "shipments": shipments}
    answer = api.create("evaluations", cart)
    (applied,) = answer.json()["data"]["attributes"]["applied"]
    assert applied["promotion"]["id"] == promotion.public_id
    assert applied["shares"] == [{"shipment": 0, "cents": -500}]
