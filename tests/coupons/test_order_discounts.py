"""What promotions and codes take off orders: told, refused, kept, removed, and how it shows in lines and totals."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce import changes
from commerce.models import Customer, GiftCard, Order, Organization, ResourceError
from coupons.models import Coupon
from tests import factories
from tests.client import Api, nothing_written, path_of, problem, refused
from tests.commerce.test_customers_api import invalid
from tests.factories import BY, NOW
from tests.listener import listening
from tests.shopping import (
    EMAIL,
    Shop,
    adding_up,
    amounts,
    coupon,
    done,
    lines,
    promotion_lines,
    shown,
)

HOUR = timedelta(hours=1)


def saved(row: Any, **values: Any) -> Any:
    """The row with these values, written as staff would."""
    for name, value in values.items():
        setattr(row, name, value)
    changes.save(row, BY)
    return row


def discounts(shop: Shop, order: Order) -> dict[str, int]:
    """What is taken off the lines of each SKU, by its code."""
    return {line["sku_code"]: line["discount_cents"] for line in lines(shop.staff, order, "skus")}


def sent(shop: Shop, order: Order, cents: int) -> None:
    """Gives the order an address, which makes a shipment for so much of each shipping category it holds."""
    shop.market.default_shipping_method = factories.shipping_method(shop.owner, price_amount_cents=cents)
    shop.market.save()
    done(shop.staff.update(order, shipping_address=factories.address(shop.owner)))


def discount(shop: Shop, order: Order) -> int:
    return int(shown(shop.staff, order)["discount_amount_cents"])


# --- A code that works ----------------------------------------------------------------------------


def test_a_coupon_takes_its_promotion_off(shop: Shop):
    promotion = coupon(shop, name="Summer").promotion_rule.promotion
    order = shop.order(84_300)
    attributes = done(shop.shopper.update(order, {"coupon_code": "SUMMER-2026"}))
    assert (attributes["coupon_code"], attributes["gift_card_or_coupon_code"]) == ("SUMMER-2026", "SUMMER-2026")
    assert amounts(shop.shopper, order) == {"subtotal": 84_300, "discount": -8_430, "total": 75_870}
    assert attributes["formatted_discount_amount"] == "-€84,30"
    (line,) = promotion_lines(shop.shopper, order)
    expected = {
        "item_type": "percentage_discount_promotions",
        "name": "Summer",
        "quantity": 1,
        "unit_amount_cents": -8_430,
        "total_amount_cents": -8_430,
        "total_amount_float": -84.3,
        "coupon_code": "SUMMER-2026",
        "discount_cents": 0,
        "discount_breakdown": {},
    }
    assert {name: line[name] for name in expected} == expected
    answer = shop.staff.data(f"line_items/{line['id']}/item")
    assert (answer["type"], answer["id"]) == ("percentage_discount_promotions", promotion.public_id)


@pytest.mark.parametrize("code", ["SUMMER-2026", "summer-2026", " Summer-2026 ", "SUMMER - 2026", "ｓｕｍｍｅｒ-2026"])
def test_a_code_is_the_same_whatever_its_case_and_spacing(shop: Shop, code: str):
    coupon(shop)
    order = shop.order(1000, coupon_code=code)
    assert discount(shop, order) == -100
    assert shown(shop.shopper, order)["coupon_code"] == code.strip()


def test_a_code_may_come_before_what_it_is_for(shop: Shop):
    coupon(shop)
    order = shop.order(coupon_code="SUMMER-2026")
    assert amounts(shop.shopper, order) == {"total": 0}
    shop.add(order, shop.sku(1000), 3)
    assert amounts(shop.shopper, order) == {"subtotal": 3000, "discount": -300, "total": 2700}


def test_another_code_takes_the_place_of_the_one_before(shop: Shop):
    coupon(shop)
    coupon(shop, "WINTER-2026", 25)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    done(shop.shopper.update(order, {"coupon_code": "WINTER-2026"}))
    (line,) = promotion_lines(shop.shopper, order)
    assert (line["coupon_code"], line["total_amount_cents"]) == ("WINTER-2026", -250)
    assert discount(shop, order) == -250


@pytest.mark.parametrize("nothing", ["", " ", None])
@pytest.mark.parametrize("attribute", ["coupon_code", "gift_card_or_coupon_code"])
def test_no_code_takes_the_discount_away(shop: Shop, attribute: str, nothing: Any):
    coupon(shop)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    assert done(shop.shopper.update(order, {attribute: nothing}))["coupon_code"] is None
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}
    assert promotion_lines(shop.shopper, order) == []
    (line,) = lines(shop.shopper, order)
    assert (line["discount_cents"], line["discount_breakdown"]) == (0, {})


def test_a_code_of_two_promotions_opens_both(shop: Shop):
    first = coupon(shop, name="Ten", percentage=10)
    second = coupon(shop, "summer-2026", 20, name="Twenty")
    order = shop.order(10_000, coupon_code="SUMMER-2026", customer_email=EMAIL)
    assert sorted(line["total_amount_cents"] for line in promotion_lines(shop.shopper, order)) == [-1800, -1000]
    assert amounts(shop.shopper, order)["discount"] == -2800
    done(shop.shopper.update(order, {"_place": True}))
    for each in (first, second):
        each.refresh_from_db()
        assert (each.usage_count, each.promotion_rule.promotion.total_usage_count) == (1, 1)


def test_a_code_of_two_promotions_opens_the_one_that_still_works(shop: Shop):
    coupon(shop, percentage=10, expires_at=NOW)
    coupon(shop, "SUMMER-2026", 20)
    order = shop.order(10_000, coupon_code="SUMMER-2026")
    assert discount(shop, order) == -2000


# --- A code that does not work --------------------------------------------------------------------


def wrong(shop: Shop, reason: str) -> None:
    """A coupon WRONG-2026 that cannot be used for that reason, of an order with an e-mail."""
    if reason == "coupon_not_found":
        coupon(Shop(factories.organization(), shop.staff), "WRONG-2026")
        coupon(shop, "WRONG-2026", mode="live")
        return
    promotions: dict[str, dict[str, Any]] = {
        "promotion_disabled": {"disabled_at": NOW},
        "promotion_pending": {"starts_at": NOW + HOUR},
        "promotion_expired": {"expires_at": NOW},
        "promotion_usage_reached": {"total_usage_limit": 0},
        "currency_mismatch": {"currency_code": "USD"},
        "market_mismatch": {"market": factories.market(shop.owner)},
    }
    coupons: dict[str, dict[str, Any]] = {
        "coupon_expired": {"expires_at": NOW},
        "coupon_usage_reached": {"usage_limit": 0},
        "recipient_mismatch": {"coupon_recipient": factories.recipient(shop.owner, email="bob@example.com")},
        "already_used_by_customer": {"customer_single_use": True},
    }
    saved(coupon(shop, "WRONG-2026", **promotions.get(reason, {})), **coupons.get(reason, {}))
    if reason == "already_used_by_customer":
        shop.placed(1000, coupon_code="WRONG-2026")


REASONS = [
    "coupon_not_found",
    "coupon_expired",
    "promotion_disabled",
    "promotion_pending",
    "promotion_expired",
    "promotion_usage_reached",
    "coupon_usage_reached",
    "currency_mismatch",
    "market_mismatch",
    "recipient_mismatch",
    "already_used_by_customer",
]


@pytest.mark.parametrize("attribute", ["coupon_code", "gift_card_or_coupon_code"])
@pytest.mark.parametrize("reason", REASONS)
def test_a_code_that_cannot_be_used_is_refused_and_the_one_before_stays(shop: Shop, reason: str, attribute: str):
    wrong(shop, reason)
    coupon(shop)
    order = shop.order(1000, coupon_code="SUMMER-2026", customer_email=EMAIL)
    source = {"pointer": f"/data/attributes/{attribute}"}
    with nothing_written():
        answer = shop.staff.update(order, {attribute: "WRONG-2026"})
        assert refused(answer) == (422, "VALIDATION_ERROR", source)
        assert problem(answer)["meta"] == {"error": "invalid", "reason": reason}
        answer = shop.shopper.update(order, {attribute: "WRONG-2026"})
        assert refused(answer) == (422, "VALIDATION_ERROR", source)
        assert (problem(answer)["title"], problem(answer)["meta"]) == ("is invalid", {"error": "invalid"})
    assert (shown(shop.shopper, order)["coupon_code"], discount(shop, order)) == ("SUMMER-2026", -100)


@pytest.mark.parametrize("reason", REASONS)
def test_a_code_that_cannot_be_used_opens_no_order(shop: Shop, reason: str):
    wrong(shop, reason)
    attributes = {"customer_email": EMAIL, "coupon_code": "WRONG-2026"}
    with nothing_written():
        assert invalid(shop.shopper.create("orders", attributes)) == {"coupon_code": "invalid"}


@pytest.mark.parametrize("moment", [NOW, NOW + HOUR])
def test_windows_are_half_open(shop: Shop, travel: Any, moment: Any):
    coupon(shop, starts_at=NOW, expires_at=NOW + HOUR)
    travel(moment)
    order = shop.order(1000)
    answer = shop.shopper.update(order, {"coupon_code": "SUMMER-2026"})
    assert answer.status_code == (200 if moment == NOW else 422)


def test_codes_that_do_not_work_are_noted_where_the_organization_wants_no_errors(shop: Shop, acme: Organization):
    acme.settings = {"orders_invalid_coupon_errors": False}
    acme.save()
    coupon(shop)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    attributes = done(shop.staff.update(order, {"coupon_code": "NOWHERE-2026"}))
    assert (attributes["coupon_code"], attributes["errors_count"]) == ("SUMMER-2026", 1)
    assert discount(shop, order) == -100
    (error,) = shop.staff.data(f"{path_of(order)}/resource_errors")
    assert (error["attributes"]["name"], error["attributes"]["code"]) == ("coupon_code", "coupon_not_found")


def test_what_is_noted_of_codes_tells_a_shopper_no_reason(shop: Shop, acme: Organization):
    acme.settings = {"orders_invalid_coupon_errors": False}
    acme.save()
    order = shop.order(1000)
    done(shop.shopper.update(order, {"coupon_code": "NOWHERE-2026"}))
    (error,) = shop.shopper.data(f"{path_of(order)}/resource_errors")
    told = {name: error["attributes"][name] for name in ("name", "code", "message")}
    assert told == {"name": "coupon_code", "code": "invalid", "message": "is invalid"}


@pytest.mark.parametrize("has_errors", [True, False])
def test_a_shopper_guesses_so_often_and_no_more(shop: Shop, settings: LazySettings, has_errors: bool):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "codes": "6/60"}  # halved in test mode
    shop.owner.settings = {"orders_invalid_coupon_errors": has_errors}
    shop.owner.save()
    order = shop.order(1000)
    answers = [shop.shopper.update(order, {"coupon_code": f"GUESS-{number}"}) for number in range(4)]
    wrong_answer = 422 if has_errors else 200
    assert [answer.status_code for answer in answers] == [*[wrong_answer] * 3, 429]
    assert shop.shopper.update(order, {"coupon_code": ""}).status_code == 200
    assert shop.staff.update(order, {"coupon_code": "GUESS-9"}).status_code == wrong_answer


# --- A code that waits ----------------------------------------------------------------------------


def test_a_code_whose_rules_are_not_met_waits_for_the_order_to_grow(shop: Shop):
    factories.order_amount_rule(coupon(shop).promotion_rule.promotion, order_amount_cents=2500)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    assert (shown(shop.shopper, order)["coupon_code"], discount(shop, order)) == ("SUMMER-2026", 0)
    line = shop.add(order, shop.sku(500))
    assert discount(shop, order) == 0
    assert shop.shopper.update(line, {"quantity": 3}).status_code == 200
    assert amounts(shop.shopper, order) == {"subtotal": 2500, "discount": -250, "total": 2250}
    assert shop.shopper.destroy(line).status_code == 204
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}


@pytest.fixture
def for_bob(shop: Shop) -> Coupon:
    """A coupon that is meant for Bob."""
    recipient = factories.recipient(shop.owner, email="Bob@Example.com")
    made: Coupon = saved(coupon(shop), coupon_recipient=recipient)
    return made


def test_a_code_that_is_meant_for_somebody_waits_for_the_e_mail(shop: Shop, for_bob: Coupon):
    order = shop.order(1000, coupon_code=for_bob.code)
    assert discount(shop, order) == 0
    done(shop.shopper.update(order, {"customer_email": " bob@example.com "}))
    assert discount(shop, order) == -100
    assert done(shop.shopper.update(order, {"_place": True}))["total_amount_cents"] == 900


def test_a_code_that_is_meant_for_somebody_else_is_refused_by_placing(shop: Shop, for_bob: Coupon):
    order = shop.order(1000, coupon_code=for_bob.code)
    done(shop.shopper.update(order, {"customer_email": EMAIL}))
    assert (shown(shop.shopper, order)["coupon_code"], discount(shop, order)) == (for_bob.code, 0)
    answer = shop.shopper.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/coupon_code"})
    assert problem(answer)["meta"] == {"error": "invalid"}
    answer = shop.staff.update(order, {"_place": True})
    assert problem(answer)["meta"] == {"error": "invalid", "reason": "recipient_mismatch"}
    assert shown(shop.shopper, order)["status"] == "pending"
    assert done(shop.shopper.update(order, {"coupon_code": "", "_place": True}))["total_amount_cents"] == 1000


def test_whoever_takes_another_e_mail_loses_the_discount(shop: Shop, for_bob: Coupon):
    order = shop.order(1000, coupon_code=for_bob.code, customer_email="bob@example.com")
    assert discount(shop, order) == -100
    done(shop.shopper.update(order, {"customer_email": EMAIL}))
    assert discount(shop, order) == 0


# --- Once a customer ------------------------------------------------------------------------------


@pytest.mark.parametrize("email", [EMAIL, "ADA@example.com", "  ada@EXAMPLE.com "])
def test_a_coupon_for_one_use_is_used_once_by_a_customer(shop: Shop, email: str):
    saved(coupon(shop), customer_single_use=True)
    shop.placed(1000, coupon_code="SUMMER-2026")
    order = shop.order(1000, customer_email=email)
    with nothing_written():
        assert invalid(shop.shopper.update(order, {"coupon_code": "SUMMER-2026"})) == {"coupon_code": "invalid"}
    other = shop.placed(1000, email="bob@example.com", coupon_code="SUMMER-2026")
    assert discount(shop, other) == -100


def test_a_customer_who_signed_up_has_used_what_it_used_as_a_guest(shop: Shop):
    saved(coupon(shop), customer_single_use=True)
    shop.placed(1000, coupon_code="SUMMER-2026")
    ada = Customer.objects.get()
    saved(ada, email="new@example.com")
    mine = shop.shopper_of(ada)
    order = shop.order(1000, by=mine)
    assert invalid(mine.update(order, {"coupon_code": "SUMMER-2026"})) == {"coupon_code": "invalid"}


def test_of_two_open_orders_of_a_customer_one_uses_the_coupon(shop: Shop):
    saved(coupon(shop), customer_single_use=True)
    orders = [shop.order(1000, customer_email=EMAIL, coupon_code="SUMMER-2026") for _ in range(2)]
    done(shop.shopper.update(orders[0], {"_place": True}))
    answer = shop.staff.update(orders[1], {"_place": True})
    assert problem(answer)["meta"] == {"error": "invalid", "reason": "already_used_by_customer"}
    done(shop.staff.update(orders[0], {"_cancel": True}))
    done(shop.shopper.update(orders[1], {"_place": True}))


# --- Gift card or coupon --------------------------------------------------------------------------


@pytest.fixture
def card(acme: Organization) -> GiftCard:
    return factories.gift_card(acme, code="PRESENT-2026-ABC")


def test_a_gift_card_wins_over_a_coupon_of_the_same_code(shop: Shop, card: GiftCard):
    coupon(shop, card.code)
    order = shop.order(1000)
    attributes = done(shop.shopper.update(order, {"gift_card_or_coupon_code": card.code}))
    assert (attributes["gift_card_code"], attributes["coupon_code"]) == (card.code, None)
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "gift_card": -1000, "total": 0}


def test_either_code_goes_beside_the_other(shop: Shop, card: GiftCard):
    coupon(shop)
    order = shop.order(1000)
    done(shop.shopper.update(order, {"gift_card_or_coupon_code": "summer-2026"}))
    attributes = done(shop.shopper.update(order, {"gift_card_or_coupon_code": "PRESENT-"}))
    assert (attributes["coupon_code"], attributes["gift_card_or_coupon_code"]) == ("summer-2026", card.code)
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "discount": -100, "gift_card": -900, "total": 0}
    done(shop.shopper.update(order, {"gift_card_or_coupon_code": None}))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}


@pytest.mark.parametrize("attribute", ["gift_card_code", "gift_card_or_coupon_code"])
def test_a_wrong_gift_card_keeps_the_coupon(shop: Shop, attribute: str):
    coupon(shop)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    with nothing_written():
        answer = shop.shopper.update(order, {attribute: "NOWHERE-2026"})
    assert invalid(answer) == {attribute: "invalid"}
    assert discount(shop, order) == -100


def test_coupons_are_not_found_by_their_beginning(shop: Shop):
    coupon(shop, "SUMMER-2026-LONG")
    order = shop.order(1000)
    with nothing_written():
        assert invalid(shop.shopper.update(order, {"coupon_code": "SUMMER-2026"})) == {"coupon_code": "invalid"}


# --- Refreshed ------------------------------------------------------------------------------------


def test_an_order_that_is_refreshed_by_hand_is_priced_when_asked(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, percentage=10)
    order = shop.order(1000, 2000, autorefresh=False)
    assert amounts(shop.shopper, order) == {"total": 0}
    assert promotion_lines(shop.shopper, order) == []
    attributes = done(shop.shopper.update(order, {"_refresh": True}))
    assert (attributes["total_amount_cents"], attributes["refreshed_at"]) == (2700, "2026-06-15T12:00:00.000Z")
    line = shop.add(order, shop.sku(500))
    assert shop.shopper.update(line, {"quantity": 4}).status_code == 200
    assert amounts(shop.shopper, order)["total"] == 2700
    assert shop.shopper.destroy(line).status_code == 204
    assert amounts(shop.shopper, order)["total"] == 2700


def test_an_order_that_is_refreshed_by_hand_is_placed_at_what_it_comes_to(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, percentage=10)
    order = shop.order(1000, autorefresh=False, customer_email=EMAIL)
    attributes = done(shop.shopper.update(order, {"_place": True}))
    assert (attributes["subtotal_amount_cents"], attributes["discount_amount_cents"]) == (1000, -100)
    assert attributes["place_total_amount_cents"] == 900


def test_a_code_is_checked_at_once_also_where_the_order_is_refreshed_by_hand(shop: Shop):
    coupon(shop)
    order = shop.order(1000, autorefresh=False)
    with nothing_written():
        assert invalid(shop.shopper.update(order, {"coupon_code": "NOWHERE-2026"})) == {"coupon_code": "invalid"}
    assert done(shop.shopper.update(order, {"coupon_code": "SUMMER-2026"}))["discount_amount_cents"] == 0
    assert done(shop.shopper.update(order, {"_refresh": True}))["discount_amount_cents"] == -100


def test_an_order_that_refreshes_itself_again_is_priced_at_once(shop: Shop, acme: Organization):
    order = shop.order(1000, autorefresh=False)
    assert done(shop.shopper.update(order, {"autorefresh": True}))["total_amount_cents"] == 1000


def test_lines_of_promotions_keep_their_ids(shop: Shop, acme: Organization):
    first, second = (factories.percentage_promotion(acme, percentage=10) for _ in range(2))
    order = shop.order(1000)
    before = {line["id"]: line["total_amount_cents"] for line in promotion_lines(shop.shopper, order)}
    assert sorted(before.values()) == [-100, -90]
    shop.add(order, shop.sku(1000))
    after = {line["id"]: line["total_amount_cents"] for line in promotion_lines(shop.shopper, order)}
    assert after.keys() == before.keys()
    assert sorted(after.values()) == [-200, -180]
    saved(second, disabled_at=NOW)
    done(shop.shopper.update(order, {"_refresh": True}))
    (left,) = promotion_lines(shop.shopper, order)
    assert left["id"] in before
    assert shop.staff.data(f"line_items/{left['id']}/item")["id"] == first.public_id


def test_refreshing_what_has_not_changed_leaves_lines_as_they_are(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme)
    order = shop.order(1000)
    before = lines(shop.shopper, order)
    done(shop.shopper.update(order, {"_refresh": True}))
    assert lines(shop.shopper, order) == before


# --- Told by line ---------------------------------------------------------------------------------


def test_lines_tell_what_each_promotion_took_off_them(shop: Shop, acme: Organization):
    ten = factories.percentage_promotion(acme, percentage=10, name="Ten", priority=1)
    fixed = coupon(shop, percentage=20, name="Twenty", priority=2).promotion_rule.promotion
    order = shop.order(coupon_code="SUMMER-2026")
    for cents, quantity in ((2000, 1), (5000, 1), (1500, 2)):
        shop.add(order, shop.sku(cents), quantity)
    found = sorted(lines(shop.shopper, order, "skus"), key=lambda line: -line["total_amount_cents"])
    told = [(line["discount_cents"], line["discount_breakdown"]) for line in found]

    def taken(ten_cents: int, twenty_cents: int, weight: float) -> tuple[int, dict[str, Any]]:
        return ten_cents + twenty_cents, {
            ten.public_id: {"name": "Ten", "cents": ten_cents, "weight": weight, "coupon_code": None},
            fixed.public_id: {"name": "Twenty", "cents": twenty_cents, "weight": weight, "coupon_code": "SUMMER-2026"},
        }

    assert told == [taken(-500, -900, 0.5), taken(-300, -540, 0.3), taken(-200, -360, 0.2)]
    assert amounts(shop.shopper, order) == {"subtotal": 10_000, "discount": -2800, "total": 7200}


def test_weights_have_three_decimals_and_cents_add_up(shop: Shop, acme: Organization):
    promotion = factories.fixed_amount_promotion(acme, fixed_amount_cents=1000)
    order = shop.order(3333, 3333, 3333)
    shares = [line["discount_breakdown"][promotion.public_id] for line in lines(shop.shopper, order, "skus")]
    assert [(share["cents"], share["weight"]) for share in shares] == [(-334, 0.334), (-333, 0.333), (-333, 0.333)]


def test_the_worked_example_of_the_specification(shop: Shop, acme: Organization):
    """Free gift, fixed price, a percentage and an amount, one after the other."""
    a, b, gift = shop.sku(2500), shop.sku(4000), shop.sku(1200)
    factories.free_gift_promotion(acme, sku_list=factories.sku_list(acme, gift), name="Gift")
    factories.fixed_price_promotion(acme, sku_list=factories.sku_list(acme, a), fixed_amount_cents=2000)
    factories.percentage_promotion(acme, percentage=15)
    factories.fixed_amount_promotion(acme, fixed_amount_cents=1000)
    order = shop.order()
    for sku, quantity in ((a, 2), (b, 1), (gift, 1)):
        shop.add(order, sku, quantity)
    assert amounts(shop.shopper, order) == {"subtotal": 10_200, "discount": -4_400, "total": 5_800}
    taken = {line["item_type"]: line["total_amount_cents"] for line in promotion_lines(shop.shopper, order)}
    assert taken == {
        "free_gift_promotions": -1_200,
        "fixed_price_promotions": -1_000,
        "percentage_discount_promotions": -1_200,
        "fixed_amount_promotions": -1_000,
    }
    assert discounts(shop, order) == {a.code: -2_100, b.code: -1_100, gift.code: -1_200}


def test_a_flex_promotion_tells_the_outcomes_of_its_rules(shop: Shop, acme: Organization):
    factories.flex_promotion(acme)
    order = shop.order(1000)
    (line,) = promotion_lines(shop.shopper, order)
    assert (line["item_type"], line["total_amount_cents"]) == ("flex_promotions", -100)
    assert [outcome["name"] for outcome in line["rule_outcomes"]] == ["A share off"]


@pytest.mark.parametrize(("currency", "cents", "off"), [("JPY", 999, -150), ("BHD", 1234, -185), ("EUR", 333, -50)])
def test_halves_are_rounded_up_in_any_currency(api: Api, acme: Organization, currency: str, cents: int, off: int):
    shop = Shop(acme, api, currency)
    factories.percentage_promotion(acme, percentage=15)
    assert discount(shop, shop.order(cents)) == off


def test_a_service_is_asked_once_for_the_same_order(shop: Shop, acme: Organization, settings: LazySettings):
    with listening() as service:
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        service.answers(b'{"success": true, "data": {"name": "Loyalty", "discount_cents": 250}}')
        promotion = factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        order = shop.order(1000, customer_email=EMAIL)
        (line,) = promotion_lines(shop.staff, order)
        assert (line["item_type"], line["name"], line["total_amount_cents"]) == ("external_promotions", "Loyalty", -250)
        asked = len(service.received)
        for _ in range(2):
            done(shop.shopper.update(order, {"_refresh": True}))
        attributes = done(shop.shopper.update(order, {"_place": True}))
        assert (attributes["status"], attributes["total_amount_cents"]) == ("placed", 750)
        assert len(service.received) == asked
    promotion.refresh_from_db()
    assert promotion.total_usage_count == 1


def test_an_order_is_answered_also_where_a_service_fails(shop: Shop, acme: Organization, settings: LazySettings):
    with listening() as service:
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        service.answers(b"{}", 500)
        factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        order = shop.placed(1000)
    assert amounts(shop.staff, order) == {"subtotal": 1000, "total": 1000}
    assert shown(shop.staff, order)["status"] == "placed"


def test_what_is_free_is_placed_as_free(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, percentage=50)
    factories.fixed_amount_promotion(acme, fixed_amount_cents=1000)
    order = shop.placed(1299)
    attributes = shown(shop.shopper, order)
    assert (attributes["total_amount_cents"], attributes["discount_amount_cents"]) == (0, -1299)
    assert (attributes["status"], attributes["payment_status"]) == ("placed", "free")


def test_an_exclusive_promotion_leaves_the_code_on_the_order(shop: Shop, acme: Organization):
    coupon(shop)
    factories.percentage_promotion(acme, percentage=5, exclusive=True)
    order = shop.order(1000, coupon_code="SUMMER-2026")
    assert (shown(shop.shopper, order)["coupon_code"], discount(shop, order)) == ("SUMMER-2026", -50)


def test_the_organization_considers_so_many_promotions_without_a_code_and_any_with_one(shop: Shop, acme: Organization):
    coupon(shop)
    for _ in range(12):
        factories.percentage_promotion(acme, percentage=1)
    order = shop.order(1_000_000, coupon_code="SUMMER-2026")
    codes = [line["coupon_code"] for line in promotion_lines(shop.staff, order)]
    assert (codes.count(None), codes.count("SUMMER-2026")) == (10, 1)


def test_promotions_without_effect_make_no_line(shop: Shop, acme: Organization):
    sku = shop.sku(1000)
    factories.fixed_price_promotion(acme, sku_list=factories.sku_list(acme, sku), fixed_amount_cents=1500)
    factories.free_shipping_promotion(acme)
    order = shop.order()
    shop.add(order, sku)
    assert promotion_lines(shop.shopper, order) == []


def test_gifts_that_are_not_in_the_order_are_told(shop: Shop, acme: Organization):
    gift = shop.sku(1200)
    factories.free_gift_promotion(acme, sku_list=factories.sku_list(acme, gift))
    order = shop.order(1000)
    assert shop.staff.ids(f"{path_of(order)}/available_free_skus") == [gift.public_id]
    shop.add(order, gift)
    assert shop.staff.ids(f"{path_of(order)}/available_free_skus") == []
    assert discount(shop, order) == -1200


# --- Beyond the contract --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percentage", "cents", "off"),
    [("12.5", 1000, -125), ("33.3333", 100_000_000, -33_333_300), ("0.0001", 500_000, -1), ("0.0001", 499_999, 0)],
)
def test_percentages_with_fractions_are_exact(api: Api, shop: Shop, percentage: str, cents: int, off: int):
    window = {"starts_at": "2026-06-01T00:00:00Z", "expires_at": "2027-06-01T00:00:00Z"}
    answer = api.create("percentage_discount_promotions", {"name": "Exact", "percentage": percentage, **window})
    assert answer.status_code == 201
    assert discount(shop, shop.order(cents)) == off


@pytest.mark.parametrize(
    ("context", "off"), [("items", (-150, -300)), ("shipping", (-50, -300)), ("items_and_shipping", (-200, -300))]
)
def test_percentages_and_amounts_are_of_items_shipping_or_both(
    shop: Shop, acme: Organization, context: str, off: tuple[int, int]
):
    factories.percentage_promotion(acme, discount_context=context)
    factories.fixed_amount_promotion(acme, discount_context=context, fixed_amount_cents=300)
    order = shop.order(1500)
    sent(shop, order, 500)
    taken = {line["item_type"]: line["total_amount_cents"] for line in promotion_lines(shop.shopper, order)}
    assert (taken["percentage_discount_promotions"], taken["fixed_amount_promotions"]) == off
    expected = {"subtotal": 1500, "shipping": 500, "discount": sum(off), "total": 2000 + sum(off)}
    assert amounts(shop.shopper, order) == expected


def test_shipping_of_listed_items_is_that_of_the_shipments_that_hold_one(shop: Shop, acme: Organization):
    listed, other = shop.sku(1000), shop.sku(1000)
    of_list = factories.sku_list(acme, listed)
    factories.percentage_promotion(acme, percentage=50, discount_context="items_and_shipping", sku_list=of_list)
    order = shop.order()
    for sku in (listed, other):
        shop.add(order, sku)
    sent(shop, order, 500)
    assert amounts(shop.shopper, order) == {"subtotal": 2000, "shipping": 1000, "discount": -750, "total": 2250}


def test_a_price_may_be_that_of_the_whole_order(api: Api, shop: Shop):
    window = {"starts_at": "2026-06-01T00:00:00Z", "expires_at": "2027-06-01T00:00:00Z"}
    price = {"fixed_amount_cents": 5000, "currency_code": "EUR", "whole_order": True}
    answer = api.create("fixed_price_promotions", {"name": "All for fifty", **price, **window})
    assert answer.status_code == 201
    order = shop.order(4000)
    assert amounts(shop.shopper, order) == {"subtotal": 4000, "total": 4000}
    shop.add(order, shop.sku(2500), 2)
    assert amounts(shop.shopper, order) == {"subtotal": 9000, "discount": -4000, "total": 5000}
    assert sorted(discounts(shop, order).values()) == [-2222, -1778]


def test_items_of_a_list_may_have_a_price_of_their_own(api: Api, shop: Shop, acme: Organization):
    first, second, third = shop.sku(2500), shop.sku(4000), shop.sku(900)
    priced = factories.sku_list(acme, first, third)
    item = api.create("sku_list_items", {"price_amount_cents": 3300}, sku_list=priced, sku=second)
    assert item.json()["data"]["attributes"]["price_amount_cents"] == 3300
    factories.fixed_price_promotion(acme, sku_list=priced, fixed_amount_cents=2000)
    order = shop.order()
    for sku in (first, second, third):
        shop.add(order, sku, 2)
    assert discounts(shop, order) == {first.code: -1000, second.code: -1400, third.code: 0}


def test_an_item_of_a_list_is_discounted_for_so_many_units_with_a_promotion(api: Api, shop: Shop, acme: Organization):
    limited, free = shop.sku(1000), shop.sku(500)
    of_list = factories.sku_list(acme, free)
    item = api.create("sku_list_items", {"max_per_coupon": 3}, sku_list=of_list, sku=limited)
    assert item.json()["data"]["attributes"]["max_per_coupon"] == 3
    coupon(shop, percentage=50, sku_list=of_list)
    order = shop.order(coupon_code="SUMMER-2026")
    shop.add(order, limited, 5)
    shop.add(order, free, 5)
    assert amounts(shop.shopper, order) == {"subtotal": 7500, "discount": -2750, "total": 4750}


def test_a_coupon_is_for_so_many_units_of_listed_items_the_dearest_ones(api: Api, shop: Shop, acme: Organization):
    cheap, dear = shop.sku(1000), shop.sku(3000)
    row = coupon(shop, percentage=50, sku_list=factories.sku_list(acme, cheap, dear))
    assert api.update(row, {"applies_to_count": 3}).status_code == 200
    order, other = shop.order(coupon_code="SUMMER-2026"), shop.sku(9000)
    for sku in (cheap, dear, other):
        shop.add(order, sku, 2)
    assert amounts(shop.shopper, order) == {"subtotal": 26_000, "discount": -3500, "total": 22_500}
    assert discounts(shop, order) == {cheap.code: -500, dear.code: -3000, other.code: 0}
    for count, off in ((1, -1500), (4, -4000), (5, -4000), (None, -4000)):
        assert api.update(row, {"applies_to_count": count}).status_code == 200
        done(api.update(order, {"_refresh": True}))
        assert discount(shop, order) == off


def test_an_amount_is_taken_off_each_unit_that_a_coupon_is_for(api: Api, shop: Shop, acme: Organization):
    cheap, dear = shop.sku(1000), shop.sku(3000)
    promotion = factories.fixed_amount_promotion(
        acme, fixed_amount_cents=1200, sku_list=factories.sku_list(acme, cheap, dear)
    )
    factories.coupon(factories.coupon_rule(promotion), code="SUMMER-2026", applies_to_count=3)
    order = shop.order(coupon_code="SUMMER-2026")
    for sku in (cheap, dear):
        shop.add(order, sku, 2)
    assert discounts(shop, order) == {cheap.code: -1000, dear.code: -2400}


def test_a_number_of_units_means_nothing_without_items_it_is_for(api: Api, shop: Shop):
    saved(coupon(shop), applies_to_count=1)
    order = shop.order(coupon_code="SUMMER-2026")
    shop.add(order, shop.sku(1000), 3)
    assert discount(shop, order) == -300


@pytest.mark.parametrize("count", [0, -1, 10_000_000_000, 1.5])
def test_a_number_of_units_is_one_or_more(api: Api, shop: Shop, count: Any):
    row = coupon(shop)
    with nothing_written():
        answer = api.update(row, {"applies_to_count": count})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/applies_to_count"})


def test_the_better_of_one_alone_and_all_others_applies(api: Api, shop: Shop, acme: Organization):
    coupon(shop)
    factories.percentage_promotion(acme, percentage=20, exclusive_by_size=True, name="Alone")
    order = shop.order(10_000, coupon_code="SUMMER-2026")
    assert [(line["name"], line["total_amount_cents"]) for line in promotion_lines(api, order)] == [("Alone", -2000)]
    told = api.data(f"{path_of(order)}/evaluation")["attributes"]["not_applied"]
    assert [(one["coupon_code"], one["reason"]) for one in told] == [("SUMMER-2026", "superseded_by_exclusive")]
    factories.fixed_amount_promotion(acme, fixed_amount_cents=1000, name="Also")
    done(api.update(order, {"_refresh": True}))
    assert sorted(line["total_amount_cents"] for line in promotion_lines(api, order)) == [-1000, -1000]
    told = api.data(f"{path_of(order)}/evaluation")["attributes"]["not_applied"]
    assert [(one["name"], one["reason"]) for one in told] == [("Alone", "superseded_by_others")]


# --- Placed ---------------------------------------------------------------------------------------


def test_an_expired_coupon_is_refused_by_placing_and_the_order_stays(shop: Shop, travel: Any):
    saved(coupon(shop), expires_at=NOW + HOUR)
    order = shop.order(1000, coupon_code="SUMMER-2026", customer_email=EMAIL)
    travel(NOW + HOUR)
    answer = shop.staff.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/coupon_code"})
    assert problem(answer)["meta"]["reason"] == "coupon_expired"
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "discount": -100, "total": 900}
    error = ResourceError.objects.get()
    assert (error.name, error.code, error.message) == ("coupon_code", "coupon_expired", "The coupon has expired.")
    done(shop.shopper.update(order, {"_refresh": True}))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}
    assert shown(shop.shopper, order)["coupon_code"] == "SUMMER-2026"
    done(shop.shopper.update(order, {"coupon_code": None, "_place": True}))


# --- Whatever happens -----------------------------------------------------------------------------

KINDS = st.sampled_from(
    ["percentage_discount", "fixed_amount", "fixed_price", "free_gift", "buy_x_pay_y", "free_shipping", "flex"]
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "delete", "code", "card", "adjust", "no code", "no card", "method"]),
        st.integers(0, 5),
        st.integers(0, 30_000),
        st.integers(1, 9),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(KINDS, max_size=4), edits=EDITS, currency=st.sampled_from(["EUR", "JPY", "BHD"]))
def test_totals_add_up_whatever_is_done_to_an_order(
    api: Api, kinds: list[str], edits: list[tuple[str, int, int, int]], currency: str
):
    owner = factories.organization()
    shop = Shop(owner, Api(factories.application(owner)), currency)
    shop.market.default_shipping_method = factories.shipping_method(owner, currency_code=currency)
    shop.market.save()
    skus = [shop.sku(cents) for cents in (0, 1, 333, 1999, 25_000)]
    listed = factories.sku_list(owner, *skus[1:3])
    for kind in kinds:
        values: dict[str, Any] = {"fixed_amount_cents": 777, "currency_code": currency} if "fixed" in kind else {}
        values |= {"sku_list": listed} if kind in ("fixed_price", "free_gift", "buy_x_pay_y") else {}
        factories.PROMOTIONS[kind](owner, **values)
    coupon(shop, percentage=30)
    card = factories.gift_card(owner, currency_code=currency, balance_cents=5000)
    order = shop.order()
    done(shop.staff.update(order, shipping_address=factories.address(owner)))
    for what, place, cents, quantity in edits:
        of_skus = list(order.line_items.filter(item_type="skus").order_by("pk"))
        if what == "add":
            shop.add(order, skus[place % len(skus)], quantity)
        elif what == "change" and of_skus:
            shop.shopper.update(of_skus[place % len(of_skus)], {"quantity": quantity})
        elif what == "delete" and of_skus:
            shop.shopper.destroy(of_skus[place % len(of_skus)])
        elif what == "adjust":
            item = factories.adjustment(owner, currency_code=currency, amount_cents=cents - 15_000)
            shop.staff.create("line_items", {"quantity": 1}, order=order, item=item)
        elif what == "method":
            method = factories.payment_method(owner, currency_code=currency, price_amount_cents=cents)
            done(shop.staff.update(order, payment_method=method))
        elif what in ("code", "no code"):
            done(shop.shopper.update(order, {"coupon_code": "SUMMER-2026" if what == "code" else ""}))
        elif what in ("card", "no card"):
            done(shop.shopper.update(order, {"gift_card_code": card.code if what == "card" else ""}))
        check_sums(shop, order)
    done(shop.shopper.update(order, {"customer_email": EMAIL}))
    if order.line_items.filter(item_type="skus").exists():
        done(shop.shopper.update(order, {"_place": True}))
        check_sums(shop, order)
        spent = int(shown(shop.staff, order)["gift_card_amount_cents"])
        assert GiftCard.objects.get(pk=card.pk).balance_cents == 5000 + spent


def check_sums(shop: Shop, order: Order) -> None:
    """Lines make the totals, and what promotions take off lines and shipments makes the discount."""
    attributes = adding_up(shop.staff.data(path_of(order))["attributes"])
    told = lines(shop.staff, order)
    paid = [line for line in told if line["item_type"] == "gift_cards"]
    sold = [line for line in told if line["item_type"] == "skus"]
    off = [line for line in told if line["item_type"].endswith("_promotions")]
    assert attributes["subtotal_amount_cents"] == sum(line["total_amount_cents"] for line in sold)
    assert attributes["discount_amount_cents"] == sum(line["total_amount_cents"] for line in off)
    assert attributes["gift_card_amount_cents"] == sum(line["total_amount_cents"] for line in paid)
    shipping = sum(line["total_amount_cents"] for line in off if line["item_type"].startswith("free_shipping"))
    assert sum(line["discount_cents"] for line in sold) + shipping == attributes["discount_amount_cents"]
    for line in sold:
        assert -line["total_amount_cents"] <= line["discount_cents"] <= 0
        assert line["discount_cents"] == sum(each["cents"] for each in line["discount_breakdown"].values())


# --- How much it asks of the database -------------------------------------------------------------


def giving_code(shop: Shop, order: Order) -> int:
    """Statements of one PATCH of the coupon code, of an order that had it before."""
    for code in ("SUMMER-2026", ""):
        done(shop.shopper.update(order, {"coupon_code": code}))
    with CaptureQueriesContext(connection) as captured:
        done(shop.shopper.update(order, {"coupon_code": "SUMMER-2026"}))
    return len(captured)


def test_a_code_takes_as_many_statements_however_many_lines_there_are(shop: Shop):
    coupon(shop)
    assert giving_code(shop, shop.order(1000)) == giving_code(shop, shop.order(*[1000] * 20))


def test_a_code_takes_as_many_statements_however_many_promotions_there_are(shop: Shop, acme: Organization):
    acme.settings = {"promotions_max_concurrent_count": 100}
    acme.save()
    coupon(shop)
    factories.percentage_promotion(acme, percentage=1)
    order = shop.order(1_000_000)
    before = giving_code(shop, order)
    for _ in range(49):
        factories.percentage_promotion(acme, percentage=1)
    assert giving_code(shop, order) == before


def test_a_code_takes_as_many_statements_however_many_coupons_there_are(shop: Shop):
    rule = coupon(shop).promotion_rule
    order = shop.order(1000)
    before = giving_code(shop, order)
    for _ in range(20):
        factories.coupon(rule)
    assert giving_code(shop, order) == before
