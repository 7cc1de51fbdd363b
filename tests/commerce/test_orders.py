"""Orders over the API: made, shipped, paid, placed, approved, cancelled and edited. What coupons do is tested there."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import ids
from commerce.models import Customer, Event, GiftCard, Order, Organization, ResourceError, Version
from tests import factories
from tests.client import Api, identifier, nothing_written, path_of, problem, refused
from tests.commerce.test_customers_api import invalid, said
from tests.coupons.test_concurrency import at_once
from tests.factories import NOW
from tests.shopping import EMAIL, Shop, amounts, done, lines, only_errors_written, row_of, shown


def statuses(attributes: dict[str, Any]) -> tuple[str, str, str]:
    return attributes["status"], attributes["payment_status"], attributes["fulfillment_status"]


def told(api: Api, order: Order) -> list[str]:
    """What events say of the order, without its updates."""
    names = api.data(f"{path_of(order)}/events?filter[q][name_not_eq]=orders.update&page[size]=25")
    return [each["attributes"]["name"].removeprefix("orders.") for each in names]


# --- Created --------------------------------------------------------------------------------------


def test_a_sales_channel_opens_an_order_with_an_empty_body(shop: Shop):
    answer = shop.shopper.create("orders")
    attributes = done(answer)
    assert re.fullmatch("[A-Za-z]{10}", answer.json()["data"]["id"])
    assert statuses(attributes) == ("draft", "unpaid", "unfulfilled")
    assert attributes["number"].isdigit()
    assert re.fullmatch("[0-9a-f]{32}", attributes["token"])
    told_so = {
        name: attributes[name] for name in ("guest", "editable", "autorefresh", "currency_code", "language_code")
    }
    assert told_so == {
        "guest": True,
        "editable": True,
        "autorefresh": True,
        "currency_code": "EUR",
        "language_code": "en",
    }
    nothing = (
        "customer_email",
        "coupon_code",
        "gift_card_code",
        "gift_card_or_coupon_code",
        "placed_at",
        "customer_type",
    )
    assert [attributes[name] for name in nothing] == [None] * 6
    counts = ("skus_count", "line_item_options_count", "shipments_count", "errors_count", "total_amount_cents")
    assert [attributes[name] for name in counts] == [0] * 5
    assert shop.staff.data(f"{path_of(row_of(answer))}/market")["id"] == shop.market.public_id


@pytest.mark.parametrize("guest", [True, False])
def test_a_sales_channel_orders_as_a_guest_whatever_it_says(shop: Shop, guest: bool):
    assert done(shop.shopper.create("orders", {"guest": guest}))["guest"] is True


def test_a_customer_s_order_is_its_own(shop: Shop, acme: Organization):
    ada = factories.customer(acme, email="Ada@Example.com")
    answer = shop.shopper_of(ada).create("orders")
    assert (done(answer)["guest"], done(answer)["customer_email"]) == (False, "Ada@Example.com")
    order = row_of(answer)
    assert shop.staff.data(f"{path_of(order)}/customer")["id"] == ada.public_id
    assert refused(shop.shopper.get(path_of(order)))[0] == 404


def test_an_order_needs_a_market_where_the_token_names_none(shop: Shop, acme: Organization):
    anywhere = Api(factories.application(acme, "sales_channel"))
    with nothing_written():
        assert invalid(anywhere.create("orders")) == {"market": "blank"}
        assert invalid(shop.staff.create("orders")) == {"market": "blank"}
    assert done(anywhere.create("orders", market=shop.market))["currency_code"] == "EUR"


def test_an_order_is_not_opened_in_a_market_out_of_scope_or_use(shop: Shop, acme: Organization):
    other = factories.market(acme)
    with nothing_written():
        assert refused(shop.shopper.create("orders", market=other))[0] == 404
    shop.market.disable(NOW)
    shop.market.save()
    with nothing_written():
        assert shop.shopper.create("orders").status_code in (404, 422)


def test_numbers_rise_and_may_be_given_by_staff(shop: Shop):
    first, second = (int(done(shop.shopper.create("orders"))["number"]) for _ in range(2))
    assert first < second
    assert done(shop.staff.create("orders", {"number": "A-1"}, market=shop.market))["number"] == "A-1"
    with nothing_written():
        assert invalid(shop.staff.create("orders", {"number": "A-1"}, market=shop.market)) == {"number": "taken"}
        assert invalid(shop.staff.create("orders", {"number": "77"}, market=shop.market)) == {"number": "invalid"}
        answer = shop.shopper.create("orders", {"number": "A-2"})
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/number"})


def test_a_market_and_a_customer_may_be_set_by_their_links(shop: Shop, acme: Organization):
    other = Shop(acme, shop.staff, "USD")
    order, bob = shop.order(1000), factories.customer(acme, email="bob@example.com")
    factories.price(order.line_items.get().sku, other.price_list, amount_cents=1500)
    for name, row in (("market", other.market), ("customer", bob)):
        answer = shop.staff.patch(f"{path_of(order)}/relationships/{name}", {"data": identifier(row)})
        assert answer.status_code == 204, answer.content
    attributes = shown(shop.staff, order)
    assert (attributes["currency_code"], attributes["total_amount_cents"]) == ("USD", 1500)
    assert attributes["customer_email"] == "bob@example.com"


def test_an_e_mail_finds_its_customer_or_makes_one(shop: Shop, acme: Organization):
    ada = factories.customer(acme, email="ada@example.com")
    order = shop.order(customer_email="ADA@example.com")
    assert shop.staff.data(f"{path_of(order)}/customer")["id"] == ada.public_id
    done(shop.shopper.update(order, {"customer_email": "bob@example.com"}))
    assert shop.staff.data(f"{path_of(order)}/customer")["attributes"]["email"] == "bob@example.com"
    assert Customer.objects.count() == 2
    assert done(shop.shopper.update(order, {"customer_email": None}))["customer_email"] is None
    assert shop.staff.data(f"{path_of(order)}/customer") is None


@pytest.mark.parametrize("email", ["ada", "ada@", "@example.com", "a b@example.com", f"{'a' * 250}@example.com"])
def test_an_e_mail_is_one(shop: Shop, email: str):
    order = shop.order()
    with nothing_written():
        assert list(invalid(shop.shopper.update(order, {"customer_email": email}))) == ["customer_email"]


def test_another_customer_brings_another_e_mail(shop: Shop, acme: Organization):
    order = shop.order(customer_email="ada@example.com")
    bob = factories.customer(acme, email="bob@example.com")
    assert done(shop.staff.update(order, customer=bob))["customer_email"] == "bob@example.com"


def test_amounts_are_told_in_the_currency_of_the_market(acme: Organization, api: Api):
    for currency, cents, number, text in (("JPY", 1250, 1250.0, "¥1,250"), ("BHD", 1250, 1.25, "BHD 1.250")):
        shop = Shop(acme, api, currency)
        order = shop.order(cents)
        attributes = shown(shop.shopper, order)
        assert attributes["total_amount_cents"] == cents
        assert (attributes["total_amount_float"], attributes["formatted_total_amount"]) == (number, text)
        assert attributes["currency_code"] == currency


def test_skus_are_counted_without_what_else_is_in_the_order(shop: Shop, acme: Organization):
    order = shop.order(100, 200)
    shop.add(order, shop.sku(1), 40)
    shop.staff.create("line_items", {"quantity": 1}, order=order, item=factories.adjustment(acme))
    assert shown(shop.shopper, order)["skus_count"] == 42


# --- Shipped --------------------------------------------------------------------------------------


def test_there_is_a_shipment_for_each_shipping_category_once_there_is_an_address(shop: Shop, acme: Organization):
    boxes, pallets = factories.shipping_category(acme), factories.shipping_category(acme)
    order = shop.order()
    for category in (boxes, boxes, pallets):
        shop.add(order, shop.sku(1000, shipping_category=category))
    shop.add(order, shop.sku(1000, do_not_ship=True))
    assert shown(shop.shopper, order)["shipments_count"] == 0
    attributes = done(shop.staff.update(order, shipping_address=factories.address(acme, country_code="IT")))
    assert (attributes["shipments_count"], attributes["shipping_amount_cents"]) == (2, 0)
    assert attributes["country_code"] == "IT"
    assert {one.shipping_category_id for one in order.shipments.all()} == {boxes.pk, pallets.pk}


def test_the_usual_shipping_method_of_the_market_is_taken(shop: Shop, acme: Organization):
    method = factories.shipping_method(acme, price_amount_cents=700, name="Post", free_over_amount_cents=5000)
    shop.market.default_shipping_method = method
    shop.market.save()
    order = shop.order(1000)
    done(shop.staff.update(order, shipping_address=factories.address(acme)))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "shipping": 700, "total": 1700}
    (line,) = lines(shop.shopper, order, "shipments")
    assert (line["name"], line["quantity"], line["total_amount_cents"]) == ("Post", 1, 700)
    shop.add(order, shop.sku(3999, shipping_category=order.line_items.get(item_type="skus").sku.shipping_category))
    assert amounts(shop.shopper, order) == {"subtotal": 4999, "shipping": 700, "total": 5699}
    (same,) = lines(shop.shopper, order, "shipments")
    assert same["id"] == line["id"]
    shop.add(order, shop.sku(1, do_not_ship=True))
    assert amounts(shop.shopper, order) == {"subtotal": 5000, "total": 5000}


def test_free_shipping_takes_off_what_shipping_costs(shop: Shop, acme: Organization):
    shop.market.default_shipping_method = factories.shipping_method(acme, price_amount_cents=500)
    shop.market.save()
    promotion = factories.free_shipping_promotion(acme)
    order = shop.order(1000, 2000)
    done(shop.staff.update(order, shipping_address=factories.address(acme)))
    expected = {"subtotal": 3000, "shipping": 1000, "discount": -1000, "total": 3000}
    assert amounts(shop.shopper, order) == expected
    (line,) = lines(shop.shopper, order, "free_shipping")
    assert (line["item_type"], line["total_amount_cents"]) == ("free_shipping_promotions", -1000)
    answer = shop.staff.get(f"line_items/{line['id']}/relationships/item")
    assert answer.json()["data"] == {"type": "free_shipping_promotions", "id": promotion.public_id}
    assert [each["discount_cents"] for each in lines(shop.shopper, order, "skus")] == [0, 0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", "W-4711"),
        ("customer_email", "w-4711@example.com"),
        ("reference", "W-4711"),
        ("coupon_code", "W-4711"),
    ],
)
def test_orders_are_searched_by_all_that_names_them(shop: Shop, acme: Organization, column: str, value: str):
    found, other = factories.order(acme, **{column: value}), factories.order(acme, shipping_country_code_lock="IT")
    search = "orders?filter[q][aggregated_details_{}]={}"
    assert shop.staff.ids(search.format("cont", "-4711")) == [found.public_id]
    assert shop.staff.ids(search.format("not_cont", "-4711")) == [other.public_id]
    assert shop.staff.ids(search.format("eq", value)) == [found.public_id]
    assert shop.staff.ids(search.format("cont", "%25")) == []
    assert sorted(shop.staff.ids(search.format("present", "1"))) == sorted([found.public_id, other.public_id])


def test_addresses_are_cloned_and_kept_in_the_address_book_of_the_customer(shop: Shop, acme: Organization):
    ada = factories.customer(acme)
    home = factories.customer_address(ada).address
    mine = shop.shopper_of(ada)
    order = shop.order(1000, by=mine)
    done(mine.update(order, {"_shipping_address_clone_id": home.public_id}))
    shipping = shop.staff.data(f"{path_of(order)}/shipping_address")
    assert shipping["id"] != home.public_id
    assert shipping["attributes"]["line_1"] == home.line_1
    done(mine.update(order, {"_save_shipping_address_to_customer_address_book": True}))
    assert len(mine.ids("customer_addresses")) == 1
    done(shop.staff.update(order, shipping_address=factories.address(acme, line_1="Elsewhere 2")))
    for _ in range(2):
        done(mine.update(order, {"_save_shipping_address_to_customer_address_book": True}))
    assert len(mine.ids("customer_addresses")) == 2
    theirs = factories.customer_address(factories.customer(acme)).address
    with nothing_written():
        answer = mine.update(order, {"_shipping_address_clone_id": theirs.public_id})
        assert invalid(answer) == {"_shipping_address_clone_id": "invalid"}


def test_a_billing_address_may_be_the_shipping_address(shop: Shop, acme: Organization):
    order = shop.order(1000)
    done(shop.staff.update(order, shipping_address=factories.address(acme, city="Modena")))
    done(shop.shopper.update(order, {"_billing_address_same_as_shipping": True}))
    billing, shipping = (shop.staff.data(f"{path_of(order)}/{name}_address") for name in ("billing", "shipping"))
    assert billing["attributes"]["city"] == "Modena"
    assert billing["id"] != shipping["id"]


# --- Paid -----------------------------------------------------------------------------------------


def test_a_payment_method_costs_what_it_says(shop: Shop, acme: Organization):
    order = shop.order(1000)
    method = factories.payment_method(acme, name="Wire", price_amount_cents=150)
    done(shop.staff.update(order, payment_method=method))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "payment_method": 150, "total": 1150}
    (line,) = lines(shop.shopper, order, "payment_methods")
    assert (line["name"], line["total_amount_cents"]) == ("Wire", 150)
    done(shop.staff.update(order, payment_method=None))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}


PAYING = [
    (None, 1000, "unpaid"),
    ({}, 1000, "authorized"),
    ({"auto_capture": True}, 1000, "paid"),
    ({"require_capture": False}, 1000, "paid"),
    (None, 0, "free"),
    ({}, 0, "free"),
]
"""Columns of the payment method, what is to be paid, and how it stands with the payment once it is placed."""


@pytest.mark.parametrize(("method", "cents", "status"), PAYING)
def test_placing_records_how_it_is_paid(
    shop: Shop, acme: Organization, method: dict[str, Any] | None, cents: int, status: str
):
    order = shop.order(cents, customer_email=EMAIL)
    if method is not None:
        done(shop.staff.update(order, payment_method=factories.payment_method(acme, **method)))
    attributes = done(shop.shopper.update(order, {"_place": True}))
    assert statuses(attributes) == ("placed", status, "unfulfilled")
    assert attributes["payment_updated_at"] == "2026-06-15T12:00:00.000Z"


def test_a_payment_is_captured_and_refunded(shop: Shop, acme: Organization):
    order = shop.order(1000, customer_email=EMAIL)
    done(shop.staff.update(order, payment_method=factories.payment_method(acme)))
    done(shop.shopper.update(order, {"_place": True}))
    assert invalid(shop.staff.update(order, {"_refund": True})) == {"_refund": "invalid"}
    assert done(shop.staff.update(order, {"_capture": True}))["payment_status"] == "paid"
    assert done(shop.staff.update(order, {"_refund": True}))["payment_status"] == "refunded"
    with nothing_written():
        assert invalid(shop.staff.update(order, {"_capture": True})) == {"_capture": "invalid"}
        done(shop.staff.update(order, {"_refund": True}))
    assert told(shop.staff, order) == ["create", "place", "capture", "refund"]


def test_an_authorization_is_voided_by_cancelling(shop: Shop, acme: Organization):
    order = shop.order(1000, customer_email=EMAIL)
    done(shop.staff.update(order, payment_method=factories.payment_method(acme)))
    done(shop.shopper.update(order, {"_place": True}))
    assert statuses(done(shop.staff.update(order, {"_cancel": True})))[:2] == ("cancelled", "voided")


@pytest.mark.parametrize(
    "values", [{"currency_code": "USD"}, {"disabled_at": NOW}, {"market": "elsewhere", "price_amount_cents": 1}]
)
def test_a_payment_method_that_is_none_of_the_market_is_refused(shop: Shop, acme: Organization, values: dict[str, Any]):
    order = shop.order(1000)
    if "market" in values:
        values = {**values, "market": factories.market(acme)}
    method = factories.payment_method(acme, **values)
    with nothing_written():
        assert list(invalid(shop.staff.update(order, payment_method=method))) == ["payment_method"]


def test_an_order_that_moves_leaves_what_costs_something_in_another_currency(shop: Shop, acme: Organization):
    """The shipping method of a shipment, the payment method and the gift card."""
    shop.market.default_shipping_method = factories.shipping_method(acme, price_amount_cents=700)
    shop.market.save()
    order = shop.order(1000, gift_card_code=factories.gift_card(acme, balance_cents=300).code)
    values = {"shipping_address": factories.address(acme), "payment_method": factories.payment_method(acme)}
    done(shop.staff.update(order, **values))
    assert amounts(shop.staff, order) == {"subtotal": 1000, "shipping": 700, "gift_card": -300, "total": 1400}
    other = Shop(acme, shop.staff, "USD")
    factories.price(order.line_items.get(item_type="skus").sku, other.price_list, amount_cents=1500)
    with nothing_written():
        assert list(invalid(shop.staff.update(order, market=other.market))) == ["payment_method"]
    done(shop.staff.update(order, market=other.market, payment_method=None))
    assert amounts(shop.staff, order) == {"subtotal": 1500, "total": 1500}


def test_a_placed_order_stays_in_its_currency_whatever_becomes_of_the_price_list(shop: Shop):
    order = shop.placed(1000)
    assert shop.staff.update(shop.price_list, {"currency_code": "USD", "tax_included": False}).status_code == 200
    attributes = done(shop.staff.update(order, {"metadata": {"a": 1}}))
    assert (attributes["currency_code"], attributes["tax_included"]) == ("EUR", True)
    assert done(shop.staff.update(order, {"_cancel": True}))["formatted_total_amount"] == "€10,00"


def test_prices_of_another_currency_are_not_put_into_an_order(shop: Shop):
    order = shop.order(1000)
    assert shop.staff.update(shop.price_list, {"currency_code": "USD"}).status_code == 200
    sku = shop.sku()
    with nothing_written():
        answer = shop.shopper.create("line_items", {"quantity": 1, "sku_code": sku.code}, order=order)
        assert list(invalid(answer)) == ["sku_code"]
    assert shown(shop.staff, order)["formatted_total_amount"] == "€10,00"


# --- Gift cards -----------------------------------------------------------------------------------


@pytest.fixture
def card(acme: Organization) -> GiftCard:
    """One that can pay 100.00 EUR."""
    return factories.gift_card(acme, code="PRESENT-2026-ABC")


def test_a_gift_card_pays_what_it_can(shop: Shop, card: GiftCard):
    order = shop.order(9_900)
    attributes = done(shop.shopper.update(order, {"gift_card_code": card.code}))
    assert (attributes["gift_card_code"], attributes["gift_card_or_coupon_code"]) == (card.code, card.code)
    assert amounts(shop.shopper, order) == {"subtotal": 9_900, "gift_card": -9_900, "total": 0}
    shop.add(order, shop.sku(600))
    assert amounts(shop.shopper, order) == {"subtotal": 10_500, "gift_card": -10_000, "total": 500}
    (line,) = lines(shop.shopper, order, "gift_cards")
    assert (line["quantity"], line["total_amount_cents"]) == (1, -10_000)
    card.refresh_from_db()
    assert card.balance_cents == 10_000


@pytest.mark.parametrize("code", ["PRESENT-", "present-2026-abc", " present - 2026 ", "Present-2026-ABC"])
def test_the_first_eight_characters_of_a_gift_card_are_enough(shop: Shop, card: GiftCard, code: str):
    order = shop.order(9_900, gift_card_code=code)
    assert amounts(shop.shopper, order)["gift_card"] == -9_900


NOT_PAYING: list[dict[str, Any]] = [
    {"status": "draft"},
    {"status": "inactive"},
    {"status": "redeemed"},
    {"expires_at": NOW},
    {"balance_cents": 0},
    {"currency_code": "USD"},
    {"mode": "live"},
]


@pytest.mark.parametrize("values", NOT_PAYING)
@pytest.mark.parametrize("attribute", ["gift_card_code", "gift_card_or_coupon_code"])
def test_a_gift_card_that_cannot_pay_is_refused(
    shop: Shop, acme: Organization, card: GiftCard, values: dict[str, Any], attribute: str
):
    factories.gift_card(acme, code="ANOTHER-2026", **values)
    order = shop.order(9_900, gift_card_code=card.code)
    with nothing_written():
        answer = shop.staff.update(order, {attribute: "ANOTHER-2026"})
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{attribute}"})
        assert problem(answer)["meta"]["error"] == "invalid"
        assert problem(answer)["meta"]["reason"] in ("gift_card_invalid", "coupon_not_found")
        answer = shop.shopper.update(order, {attribute: "ANOTHER-2026"})
        assert problem(answer)["meta"] == {"error": "invalid"}
    assert amounts(shop.shopper, order)["gift_card"] == -9_900


@pytest.mark.parametrize("nothing", ["", " ", None])
@pytest.mark.parametrize("attribute", ["gift_card_code", "gift_card_or_coupon_code"])
def test_no_code_takes_the_gift_card_off(shop: Shop, card: GiftCard, nothing: Any, attribute: str):
    order = shop.order(9_900, gift_card_code=card.code)
    assert done(shop.shopper.update(order, {attribute: nothing}))["gift_card_code"] is None
    assert amounts(shop.shopper, order) == {"subtotal": 9_900, "total": 9_900}
    assert lines(shop.shopper, order, "gift_cards") == []


def test_a_gift_card_that_cannot_pay_is_noted_where_the_organization_wants_no_errors(shop: Shop, acme: Organization):
    acme.settings = {"orders_invalid_gift_card_errors": False}
    acme.save()
    order = shop.order(9_900)
    attributes = done(shop.shopper.update(order, {"gift_card_code": "NOWHERE-2026"}))
    assert (attributes["gift_card_code"], attributes["errors_count"]) == (None, 1)


def test_placing_debits_a_gift_card_and_cancelling_credits_it(shop: Shop, card: GiftCard):
    order = shop.placed(9_900, gift_card_code=card.code)
    assert shown(shop.shopper, order)["payment_status"] == "free"
    card.refresh_from_db()
    assert card.balance_cents == 100
    log = shop.staff.data(path_of(card))["attributes"]["usage_log"][order.public_id]
    assert [(one["action"], one["amount_cents"], one["balance_cents"]) for one in log] == [("use", -9_900, 100)]
    assert "use" in said(shop.staff, card)
    for _ in range(2):
        done(shop.staff.update(order, {"_cancel": True}))
        card.refresh_from_db()
        assert card.balance_cents == 10_000
    log = shop.staff.data(path_of(card))["attributes"]["usage_log"][order.public_id]
    assert [one["action"] for one in log] == ["use", "refund"]


def test_a_card_of_a_single_use_pays_once(shop: Shop, acme: Organization):
    card = factories.gift_card(acme, single_use=True)
    shop.placed(100, gift_card_code=card.code)
    card.refresh_from_db()
    assert (card.status, card.balance_cents) == ("redeemed", 9_900)
    order = shop.order(100)
    with nothing_written():
        assert list(invalid(shop.shopper.update(order, {"gift_card_code": card.code}))) == ["gift_card_code"]


def test_of_two_orders_that_share_a_card_only_one_is_paid_by_it(shop: Shop, card: GiftCard):
    first, second = (shop.order(9_900, customer_email=EMAIL, gift_card_code=card.code) for _ in range(2))
    done(shop.shopper.update(first, {"_place": True}))
    with only_errors_written():
        assert invalid(shop.shopper.update(second, {"_place": True})) == {"data": "invalid"}
    assert shown(shop.shopper, second)["errors_count"] == 1
    done(shop.shopper.update(second, {"_refresh": True}))
    assert amounts(shop.shopper, second) == {"subtotal": 9_900, "gift_card": -100, "total": 9_800}
    attributes = done(shop.shopper.update(second, {"_place": True}))
    assert (attributes["status"], attributes["errors_count"]) == ("placed", 0)
    card.refresh_from_db()
    assert card.balance_cents == 0


@pytest.mark.django_db(transaction=True)
def test_orders_that_are_placed_at_once_share_what_a_card_holds(shop: Shop, acme: Organization):
    card = factories.gift_card(acme, balance_cents=2000)
    orders = [shop.order(700, customer_email=EMAIL, gift_card_code=card.code) for _ in range(5)]
    answers = at_once(*(partial(shop.staff.update, order, {"_place": True}) for order in orders))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 422, 422, 422]
    card.refresh_from_db()
    assert card.balance_cents == 600
    for order, answer in zip(orders, answers, strict=True):
        assert shown(shop.staff, order)["status"] == ("placed" if answer.status_code == 200 else "pending")


def test_a_bought_card_is_confirmed_by_placing_and_usable_once_approved(shop: Shop, acme: Organization):
    card = factories.gift_card(acme, status="draft", balance_cents=5000)
    order = shop.order(customer_email=EMAIL)
    assert shop.shopper.create("line_items", {"quantity": 1}, order=order, item=card).status_code == 201

    def status() -> str:
        return str(GiftCard.objects.get(pk=card.pk).status)

    assert status() == "draft"
    done(shop.shopper.update(order, {"_place": True}))
    assert status() == "inactive"
    done(shop.staff.update(order, {"_approve": True}))
    assert status() == "active"
    assert [event for event in said(shop.staff, card) if event != "update"] == ["create", "purchase", "activate"]
    done(shop.staff.update(order, {"_cancel": True}))
    assert status() == "inactive"


def test_a_card_that_two_orders_hold_is_bought_by_one(shop: Shop, acme: Organization):
    card = factories.gift_card(acme, status="draft", balance_cents=5000)
    orders = [shop.order(customer_email=EMAIL) for _ in range(2)]
    for order in orders:
        shop.staff.create("line_items", {"quantity": 1}, order=order, item=card)
    done(shop.shopper.update(orders[0], {"_place": True}))
    with nothing_written():
        assert shop.shopper.update(orders[1], {"_place": True}).status_code == 422
    assert shown(shop.staff, orders[1])["status"] == "pending"


def test_a_gift_card_is_discounted_only_where_it_is_taxable(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, percentage=10)
    order = shop.order(1000)
    card = factories.gift_card(acme, status="draft", balance_cents=5000)
    shop.staff.create("line_items", {"quantity": 1}, order=order, item=card)
    assert amounts(shop.shopper, order) == {"subtotal": 6000, "discount": -100, "total": 5900}
    done(shop.shopper.update(order, {"gift_card_taxable": True}))
    assert amounts(shop.shopper, order) == {"subtotal": 6000, "discount": -100, "total": 5900}
    done(shop.staff.update(order, {"gift_card_taxable": True}))
    assert amounts(shop.shopper, order) == {"subtotal": 6000, "discount": -600, "total": 5400}


# --- Placed ---------------------------------------------------------------------------------------


def test_a_placed_order_tells_when_and_for_how_much(shop: Shop):
    order = shop.placed(1000, 2500)
    attributes = shown(shop.shopper, order)
    assert statuses(attributes) == ("placed", "unpaid", "unfulfilled")
    assert (attributes["editable"], attributes["placed_at"]) == (False, "2026-06-15T12:00:00.000Z")
    assert attributes["place_total_amount_cents"] == attributes["total_amount_cents"] == 3500
    assert attributes["formatted_place_total_amount"] == "€35,00"
    assert told(shop.staff, order) == ["create", "place"]


def test_an_order_is_placed_once_however_often_it_is_asked(shop: Shop):
    order = shop.placed(1000)
    with nothing_written():
        done(shop.shopper.update(order, {"_place": True}))
        done(shop.staff.update(order, {"_place": "1"}))


@pytest.mark.parametrize("value", [False, None, "", "false", 0])
def test_a_trigger_that_is_not_fired_places_nothing(shop: Shop, value: Any):
    order = shop.order(1000, customer_email=EMAIL)
    with nothing_written():
        assert done(shop.shopper.update(order, {"_place": value}))["status"] == "pending"


def test_placing_needs_an_e_mail_and_a_line(shop: Shop):
    order = shop.order(1000)
    with nothing_written():
        answer = shop.shopper.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/customer_email"})
    assert problem(answer)["meta"]["error"] == "blank"
    order = shop.order(customer_email=EMAIL)
    with nothing_written():
        answer = shop.shopper.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/line_items"})
    assert problem(answer)["meta"]["error"] == "blank"


def test_what_is_missing_may_come_with_placing(shop: Shop):
    order = shop.order(1000)
    assert done(shop.shopper.update(order, {"customer_email": EMAIL, "_place": True}))["status"] == "placed"


def test_adjustments_alone_are_no_order(shop: Shop, acme: Organization):
    order = shop.order(customer_email=EMAIL)
    item = factories.adjustment(acme, amount_cents=500)
    shop.staff.create("line_items", {"quantity": 1}, order=order, item=item)
    with nothing_written():
        assert invalid(shop.shopper.update(order, {"_place": True})) == {"line_items": "blank"}


BOB = "bob@example.com"
CONTENT: list[tuple[str, Any]] = [
    ("customer_email", BOB),
    ("coupon_code", ""),
    ("gift_card_code", "PRESENT-2026-ABC"),
]


@pytest.mark.parametrize("step", ["_place", "_cancel"])
def test_what_was_decided_on_is_not_changed_afterwards(shop: Shop, acme: Organization, card: GiftCard, step: str):
    promotion = factories.coupon_rule(factories.percentage_promotion(acme))
    code = factories.coupon(promotion).code
    order = shop.order(1000, customer_email=EMAIL, coupon_code=code)
    done(shop.staff.update(order, {step: True}))
    relations = {
        "market": factories.market(acme),
        "customer": factories.customer(acme),
        "shipping_address": factories.address(acme),
        "billing_address": factories.address(acme),
        "payment_method": factories.payment_method(acme),
    }
    with nothing_written():
        for name, value in CONTENT:
            assert name in invalid(shop.staff.update(order, {name: value}))
        for name, row in relations.items():
            assert name in invalid(shop.staff.update(order, **{name: row}))
        done(shop.staff.update(order, {"_refresh": True, "_refresh_prices": True, "_validate": True}))


def test_what_tells_about_an_order_may_be_changed_afterwards(shop: Shop):
    order = shop.placed(1000)
    answer = shop.staff.update(order, {"metadata": {"a": 1}, "reference": "R", "cart_url": "https://shop.example/cart"})
    attributes = done(answer)
    assert (attributes["metadata"], attributes["reference"], attributes["status"]) == ({"a": 1}, "R", "placed")


def test_the_same_values_again_change_nothing(shop: Shop, acme: Organization):
    order = shop.placed(1000)
    with nothing_written():
        done(shop.staff.update(order, {"customer_email": EMAIL, "guest": True}, market=shop.market))


def test_an_order_that_came_to_cost_more_is_not_placed(shop: Shop, acme: Organization):
    promotion = factories.percentage_promotion(acme, percentage=50, expires_at=NOW + timedelta(hours=1))
    order = shop.order(1000, customer_email=EMAIL)
    assert amounts(shop.shopper, order)["total"] == 500
    promotion.disable(NOW)
    factories.changes.save(promotion, factories.BY)
    with only_errors_written():
        answer = shop.staff.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    error = ResourceError.objects.get()
    assert (error.order, error.name, error.code) == (order, "base", "total_changed")
    assert amounts(shop.shopper, order)["total"] == 500
    assert shown(shop.shopper, order)["errors_count"] == 1
    done(shop.shopper.update(order, {"_refresh": True}))
    assert amounts(shop.shopper, order)["total"] == 1000
    assert done(shop.shopper.update(order, {"_place": True}))["errors_count"] == 0


def test_an_order_that_came_to_cost_less_is_placed(shop: Shop, acme: Organization):
    order = shop.order(1000, customer_email=EMAIL)
    factories.percentage_promotion(acme, percentage=50)
    attributes = done(shop.shopper.update(order, {"_place": True}))
    assert (attributes["total_amount_cents"], attributes["place_total_amount_cents"]) == (500, 500)


def test_nothing_that_happens_to_promotions_changes_a_placed_order(shop: Shop, acme: Organization):
    promotion = factories.percentage_promotion(acme, percentage=50)
    order = shop.placed(1000)
    before = shown(shop.shopper, order), lines(shop.shopper, order)
    promotion.percentage = 90
    factories.changes.save(promotion, factories.BY)
    done(shop.staff.update(order, {"_refresh": True}))
    assert (shown(shop.shopper, order), lines(shop.shopper, order)) == before


@pytest.mark.parametrize("method", ["delete"])
def test_a_placed_order_is_not_deleted(shop: Shop, method: str):
    order = shop.placed(1000)
    with nothing_written():
        assert refused(shop.staff.destroy(order)) == (423, "LOCKED", None)
    done(shop.staff.update(order, {"_cancel": True}))
    with nothing_written():
        assert refused(shop.staff.destroy(order)) == (423, "LOCKED", None)


def test_an_order_that_was_never_placed_is_deleted_with_its_parts(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme)
    shop.market.default_shipping_method = factories.shipping_method(acme)
    shop.market.save()
    order = shop.order(1000, customer_email=EMAIL)
    done(shop.staff.update(order, shipping_address=factories.address(acme)))
    assert shop.staff.destroy(order).status_code == 204
    assert not Order.objects.exists()
    assert shop.staff.get(path_of(order)).status_code == 404


# --- Customers ------------------------------------------------------------------------------------


def test_buying_makes_a_customer_acquired_and_then_repeat(shop: Shop):
    first = shop.placed(1000)
    ada = Customer.objects.get()
    assert (ada.status, ada.total_orders_count) == ("acquired", 1)
    assert shown(shop.shopper, first)["customer_type"] == "new"
    second = shop.placed(1000, email="ADA@example.com")
    ada.refresh_from_db()
    assert (ada.status, ada.total_orders_count) == ("repeat", 2)
    assert shown(shop.shopper, second)["customer_type"] == "returning"
    shop.placed(1000)
    assert [event for event in said(shop.staff, ada) if event != "update"] == ["create", "acquired", "repeat"]
    for order, status, count in ((first, "repeat", 2), (second, "acquired", 1)):
        done(shop.staff.update(order, {"_cancel": True}))
        ada.refresh_from_db()
        assert (ada.status, ada.total_orders_count) == (status, count)


def test_a_password_signs_up_who_never_ordered(shop: Shop):
    order = shop.order(1000, customer_email=EMAIL, customer_password="a-long-password")
    assert shop.staff.data(f"{path_of(order)}/customer")["attributes"]["has_password"] is True
    with nothing_written():
        answer = shop.shopper.update(order, {"customer_password": "another-password"})
        assert list(invalid(answer)) == ["customer_password"]


def test_an_order_signs_up_nobody_who_was_known_before(shop: Shop, travel: Callable[[datetime], None]):
    known = factories.customer(shop.owner, email=EMAIL)
    travel(NOW + timedelta(minutes=1))
    order = shop.order(1000, customer_email=EMAIL)
    with nothing_written():
        answer = shop.shopper.update(order, {"customer_password": "a-long-password"})
        assert list(invalid(answer)) == ["customer_password"]
    known.refresh_from_db()
    assert known.password_hash is None


# --- After placing --------------------------------------------------------------------------------


def test_an_order_is_approved_and_fulfilled(shop: Shop):
    order = shop.placed(1000)
    with nothing_written():
        assert invalid(shop.staff.update(order, {"_fulfill": True})) == {"_fulfill": "invalid"}
    attributes = done(shop.staff.update(order, {"_approve": True}))
    assert (attributes["status"], attributes["approved_at"]) == ("approved", "2026-06-15T12:00:00.000Z")
    attributes = done(shop.staff.update(order, {"_fulfill": True}))
    assert statuses(attributes) == ("approved", "unpaid", "fulfilled")
    with nothing_written():
        done(shop.staff.update(order, {"_approve": True, "_fulfill": True}))
    assert told(shop.staff, order) == ["create", "place", "approve", "fulfill"]


def test_an_order_is_approved_and_captured_at_once(shop: Shop):
    for cents, status in ((1000, "paid"), (0, "free")):
        order = shop.placed(cents)
        assert statuses(done(shop.staff.update(order, {"_approve_and_capture": True})))[:2] == ("approved", status)


def test_an_order_is_archived_and_taken_back(shop: Shop):
    order = shop.placed(1000)
    assert done(shop.staff.update(order, {"_archive": True}))["archived_at"] == "2026-06-15T12:00:00.000Z"
    assert done(shop.staff.update(order, {"_unarchive": True}))["archived_at"] is None


@pytest.mark.parametrize("trigger", ["_approve", "_capture", "_refund", "_fulfill", "_start_editing", "_stop_editing"])
def test_what_needs_a_placed_order_is_refused_before(shop: Shop, trigger: str):
    order = shop.order(1000, customer_email=EMAIL)
    with nothing_written():
        answer = shop.staff.update(order, {trigger: True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{trigger}"})


@pytest.mark.parametrize("trigger", ["_approve", "_capture", "_fulfill", "_start_editing", "_stop_editing", "_place"])
def test_nothing_happens_to_a_cancelled_order(shop: Shop, trigger: str):
    order = shop.placed(1000)
    done(shop.staff.update(order, {"_cancel": True}))
    with nothing_written():
        assert invalid(shop.staff.update(order, {trigger: True})) == {trigger: "invalid"}


UNSUPPORTED = [
    "_authorize",
    "_update_taxes",
    "_nullify_payment_source",
    "_fix_payment_source",
    "_commit_invoice",
    "_refund_invoice",
    "_save_payment_source_to_customer_wallet",
    "_create_subscriptions",
]


@pytest.mark.parametrize("trigger", UNSUPPORTED)
def test_what_is_not_done_here_is_refused(shop: Shop, trigger: str):
    order = shop.order(1000)
    with nothing_written():
        answer = shop.staff.update(order, {trigger: True})
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{trigger}"})
        done(shop.staff.update(order, {trigger: False}))


@pytest.mark.parametrize(
    ("attribute", "value"), [("_authorization_amount_cents", 100), ("_customer_payment_source_id", "AAAAAAAAAA")]
)
def test_no_payment_source_is_used(shop: Shop, attribute: str, value: Any):
    order = shop.order(1000)
    with nothing_written():
        assert invalid(shop.staff.update(order, {attribute: value})) == {attribute: "invalid"}


def test_a_draft_is_made_pending_by_staff(shop: Shop):
    order = shop.order()
    assert done(shop.staff.update(order, {"_pending": True}))["status"] == "pending"
    with nothing_written():
        done(shop.staff.update(order, {"_pending": True}))
    placed = shop.placed(1000)
    with nothing_written():
        assert invalid(shop.staff.update(placed, {"_pending": True})) == {"_pending": "invalid"}


STAFF_S = [
    *("_pending", "_approve", "_approve_and_capture", "_capture", "_refund", "_fulfill", "_refresh_prices"),
    *("_start_editing", "_stop_editing", "_fix_payment_source", "_reset_circuit", "_add_tags"),
]


@pytest.mark.parametrize("trigger", STAFF_S)
def test_a_sales_channel_does_not_do_what_is_the_staff_s(shop: Shop, trigger: str):
    order = shop.order(1000)
    with nothing_written():
        answer = shop.shopper.update(order, {trigger: True})
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{trigger}"})


# --- Cancelled ------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [[], ["_place"], ["_place", "_approve"]])
def test_an_order_is_cancelled_once(shop: Shop, steps: list[str]):
    order = shop.order(1000, customer_email=EMAIL)
    for step in steps:
        done(shop.staff.update(order, {step: True}))
    attributes = done(shop.staff.update(order, {"_cancel": True}))
    assert (attributes["status"], attributes["cancelled_at"]) == ("cancelled", "2026-06-15T12:00:00.000Z")
    with nothing_written():
        done(shop.staff.update(order, {"_cancel": True}))
    assert told(shop.staff, order) == ["create", *(step[1:] for step in steps), "cancel"]


# --- Edited ---------------------------------------------------------------------------------------


@pytest.fixture
def editing(shop: Shop) -> Order:
    """A placed order of 10.00 and 25.00 that is being edited."""
    order = shop.placed(1000, 2500)
    done(shop.staff.update(order, {"_start_editing": True}))
    return order


def test_an_order_that_is_edited_to_less_is_placed_again(shop: Shop, editing: Order):
    attributes = shown(shop.staff, editing)
    assert (attributes["status"], attributes["editable"]) == ("editing", True)
    dear = editing.line_items.get(unit_amount_cents=2500)
    assert shop.staff.destroy(dear).status_code == 204
    attributes = done(shop.staff.update(editing, {"_stop_editing": True}))
    assert (attributes["status"], attributes["total_amount_cents"]) == ("placed", 1000)
    assert attributes["place_total_amount_cents"] == 3500
    assert told(shop.staff, editing) == ["create", "place", "start_editing", "stop_editing"]
    assert Customer.objects.get().total_orders_count == 1


def test_an_order_is_not_edited_to_more_than_was_placed(shop: Shop, editing: Order):
    line = shop.add(editing, shop.sku(1))
    with nothing_written():
        assert invalid(shop.staff.update(editing, {"_stop_editing": True})) == {"_stop_editing": "invalid"}
    assert shop.staff.destroy(line).status_code == 204
    assert done(shop.staff.update(editing, {"_stop_editing": True}))["status"] == "placed"


def test_editing_may_start_over(shop: Shop, editing: Order):
    for _ in range(2):
        done(shop.staff.update(editing, {"_stop_editing": True}))
        with nothing_written():
            done(shop.staff.update(editing, {"_stop_editing": True}))
        done(shop.staff.update(editing, {"_start_editing": True}))


def test_an_edited_order_keeps_a_line(shop: Shop, editing: Order):
    for line in editing.line_items.all():
        assert shop.staff.destroy(line).status_code == 204
    with nothing_written():
        assert invalid(shop.staff.update(editing, {"_stop_editing": True})) == {"line_items": "blank"}


def test_whose_order_it_is_stays_while_it_is_edited(shop: Shop, editing: Order, acme: Organization):
    bob = factories.customer(acme)
    with nothing_written():
        assert set(invalid(shop.staff.update(editing, {"customer_email": BOB}))) == {"customer", "customer_email"}
        assert set(invalid(shop.staff.update(editing, customer=bob))) == {"customer", "customer_email"}
        assert set(invalid(shop.staff.update(editing, {"guest": False}))) == {"guest"}


def test_an_edited_order_may_be_cancelled(shop: Shop, editing: Order, acme: Organization):
    card = factories.gift_card(acme, status="draft")
    shop.staff.create("line_items", {"quantity": 1}, order=editing, item=card)
    assert done(shop.staff.update(editing, {"_cancel": True}))["status"] == "cancelled"
    assert Customer.objects.get().total_orders_count == 0
    card.refresh_from_db()
    assert card.status == "draft"


def test_an_edited_order_is_not_placed_again_or_deleted(shop: Shop, editing: Order):
    with nothing_written():
        done(shop.staff.update(editing, {"_place": True}))
        assert refused(shop.staff.destroy(editing)) == (423, "LOCKED", None)


def test_an_edited_order_gives_back_what_it_no_longer_uses_of_its_card(shop: Shop, card: GiftCard):
    order = shop.placed(4000, 5000, gift_card_code=card.code)
    done(shop.staff.update(order, {"_start_editing": True}))
    assert amounts(shop.staff, order) == {"subtotal": 9000, "gift_card": -9000, "total": 0}
    assert shop.staff.destroy(order.line_items.get(unit_amount_cents=5000)).status_code == 204
    done(shop.staff.update(order, {"_stop_editing": True}))
    card.refresh_from_db()
    assert card.balance_cents == 6000
    done(shop.staff.update(order, {"_start_editing": True}))
    done(shop.staff.update(order, {"gift_card_code": None}))
    assert invalid(shop.staff.update(order, {"_stop_editing": True})) == {"_stop_editing": "invalid"}
    done(shop.staff.update(order, {"gift_card_code": card.code}))
    done(shop.staff.update(order, {"_stop_editing": True}))
    done(shop.staff.update(order, {"_cancel": True}))
    card.refresh_from_db()
    assert card.balance_cents == 10_000


# --- Told -----------------------------------------------------------------------------------------


def test_an_order_tells_its_whole_life(shop: Shop, card: GiftCard):
    order = shop.placed(1000, gift_card_code=card.code)
    done(shop.staff.update(order, {"_approve": True}))
    assert told(shop.staff, order) == ["create", "place", "approve"]
    versions = Version.objects.filter(resource_type="orders", resource_id=order.pk).order_by("pk")
    placed = [one.changes for one in versions if "placed_at" in one.changes]
    assert [each["status"] for each in placed] == [["pending", "placed"]]
    names = set(Event.objects.values_list("name", flat=True))
    assert {"orders.place", "customers.acquired", "gift_cards.use", "line_items.create"} <= names


def updates(order: Order) -> list[dict[str, Any]]:
    """What versions tell of the order since it was created; there is an event with each."""
    versions = Version.objects.filter(resource_type="orders", resource_id=order.pk, event="update").order_by("pk")
    assert Event.objects.filter(name="orders.update", resource_id=order.pk).count() == len(versions)
    return [version.changes for version in versions]


def test_versions_tell_what_a_line_and_a_code_changed(shop: Shop, acme: Organization):
    code = factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme))).code
    order = shop.order()
    assert updates(order) == []
    line = shop.add(order, shop.sku(1000))
    amounts = {"subtotal_amount_cents": [0, 1000], "total_amount_cents": [0, 1000]}
    assert updates(order) == [{"status": ["draft", "pending"], **amounts}]
    assert shop.staff.update(line, {"metadata": {"a": 1}}).status_code == 200
    done(shop.staff.update(order, {"_refresh": True}))
    assert len(updates(order)) == 1
    done(shop.staff.update(order, {"coupon_code": code}))
    told = {"discount_amount_cents": [0, -100], "total_amount_cents": [1000, 900]}
    assert updates(order)[1:] == [{"coupon_code": [None, code]}, told]


def test_a_shopper_finds_its_order_by_id_alone(shop: Shop):
    order = shop.order(1000)
    assert refused(shop.shopper.get("orders"))[0] in (401, 405)
    assert shown(shop.shopper, order)["total_amount_cents"] == 1000
    assert ids.decode(order.public_id) == order.pk
    assert identifier(order)["type"] == "orders"


def test_reading_an_order_asks_as_much_however_much_is_in_it(shop: Shop):
    small, large = shop.order(1000), shop.order(*[1000] * 12)

    def asked(order: Order) -> int:
        with CaptureQueriesContext(connection) as captured:
            shop.staff.data(f"{path_of(order)}?include=line_items,line_items.item,shipments")
        return len(captured)

    asked(small)
    assert asked(small) == asked(large)
