"""Why promotions apply to an order or not: as its last refresh found it, and as codes would change it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from commerce.auth import Session
from commerce.models import Market, Order, Organization
from coupons.models import Coupon, OrderEvaluation
from promotions.models import PercentageDiscountPromotion, Promotion
from tests import factories
from tests.client import Api, document, linkage, nothing_written, path_of, problem, refused
from tests.factories import NOW
from tests.promotions.test_rule_checks import ITALIAN
from tests.shopping import Shop, coupon, done

AT = "/data/attributes"
Travel = Callable[[datetime], None]


def kept(api: Api, order: Order) -> dict[str, Any]:
    return api.data(f"{path_of(order)}/evaluation")["attributes"]


def try_codes(api: Api, order: Order, *codes: str, **attributes: Any) -> Any:
    """The answer of an evaluation of the order, which writes nothing."""
    attributes = {"coupon_codes": list(codes), **attributes} if codes or attributes else {}
    with nothing_written():
        return api.post("evaluations", document("evaluations", attributes, order=order))


def tried(api: Api, order: Order, *codes: str) -> dict[str, Any]:
    answer = try_codes(api, order, *codes)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]["attributes"]


def reasons(told: dict[str, Any]) -> dict[str | None, str]:
    """Code, or name of the promotion -> why it did not apply."""
    return {one["coupon_code"] or one["name"]: one["reason"] for one in told["not_applied"]}


def applied(told: dict[str, Any]) -> list[tuple[str | None, int]]:
    return [(one["coupon_code"], one["total_amount_cents"]) for one in told["applied"]]


# --- As the last refresh found it -----------------------------------------------------------------


def test_the_stored_evaluation_is_that_of_the_last_refresh(api: Api, acme: Organization, shop: Shop, travel: Travel):
    parked = coupon(shop, "PARKED-26")
    factories.order_amount_rule(parked.promotion_rule.promotion, order_amount_cents=5000)
    automatic = factories.fixed_amount_promotion(acme, fixed_amount_cents=100, name="One off")
    order = shop.order(3000, coupon_code="PARKED-26")
    told = kept(api, order)
    assert (told["subtotal_amount_cents"], told["discount_amount_cents"]) == (3000, -100)
    assert (told["total_amount_cents"], told["evaluated_at"]) == (2900, "2026-06-15T12:00:00.000Z")
    assert (applied(told), reasons(told)) == ([(None, -100)], {"PARKED-26": "order_amount_too_low"})
    assert told["not_applied"][0]["missing"] == 2000
    assert told["applied"][0]["promotion"] == linkage(automatic)
    (line,) = api.data(f"{path_of(order)}/line_items?filter[q][item_type_eq]=skus")
    assert told["applied"][0]["shares"] == [{"line_item": line["id"], "cents": -100}]
    travel(NOW + timedelta(minutes=1))
    shop.add(order, shop.sku(2000))
    told = kept(api, order)
    assert applied(told) == [("PARKED-26", -500), (None, -100)]
    assert (told["evaluated_at"], reasons(told)) == ("2026-06-15T12:01:00.000Z", {})


def test_before_the_first_refresh_there_is_none(api: Api, shop: Shop):
    order = shop.order(autorefresh=False)
    shop.add(order, shop.sku(1000))
    assert api.get(f"{path_of(order)}/evaluation").status_code == 404
    assert api.update(order, {"_refresh": True}).status_code == 200
    assert kept(api, order)["total_amount_cents"] == 1000


def test_it_stays_as_it_was_when_promotions_change_until_the_next_refresh(api: Api, acme: Organization, shop: Shop):
    promotion = factories.percentage_promotion(acme, percentage=10)
    order = shop.order(1000)
    assert api.update(promotion, {"percentage": 50}).status_code == 200
    assert applied(kept(api, order)) == [(None, -100)]
    assert api.update(order, {"_refresh": True}).status_code == 200
    assert applied(kept(api, order)) == [(None, -500)]


def test_it_is_frozen_when_the_order_is_placed(api: Api, acme: Organization, shop: Shop, travel: Travel):
    coupon(shop, "SUMMER-26")
    order = shop.placed(1000, coupon_code="SUMMER-26")
    told = kept(api, order)
    assert applied(told) == [("SUMMER-26", -100)]
    promotion = PercentageDiscountPromotion.objects.get()
    assert api.update(promotion, {"percentage": 90, "_disable": True}).status_code == 200
    travel(NOW + timedelta(minutes=1))
    for trigger in ("_refresh", "_approve", "_cancel"):
        api.update(order, {trigger: True})
        assert kept(api, order) == told


def test_what_refuses_a_placement_is_not_kept(api: Api, shop: Shop):
    coupon(shop, "SUMMER-26", total_usage_limit=1)
    order = shop.order(1000, coupon_code="SUMMER-26", customer_email="ada@example.com")
    told = kept(api, order)
    shop.placed(1000, coupon_code="SUMMER-26", email="grace@example.com")
    answer = api.update(order, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/coupon_code"})
    assert kept(api, order) == told
    assert api.update(order, {"_refresh": True}).status_code == 200
    assert (applied(kept(api, order)), reasons(kept(api, order))) == ([], {"SUMMER-26": "promotion_usage_reached"})


def test_a_shopper_is_told_of_codes_alone_and_of_no_reason(api: Api, acme: Organization, shop: Shop):
    parked = coupon(shop, "PARKED-26")
    factories.order_amount_rule(parked.promotion_rule.promotion, order_amount_cents=5000)
    big = factories.percentage_promotion(acme, name="Secret")
    factories.order_amount_rule(big, order_amount_cents=9000)
    order = shop.order(3000, coupon_code="PARKED-26")
    assert reasons(kept(api, order)) == {"PARKED-26": "order_amount_too_low", "Secret": "order_amount_too_low"}
    (only,) = kept(shop.shopper, order)["not_applied"]
    assert only == {
        "promotion": None,
        "name": None,
        "coupon_code": "PARKED-26",
        "reason": "not_applicable",
        "sentence": "The code cannot be used for this order.",
        "missing": None,
        "additions": [],
    }


def test_who_does_not_reach_the_order_does_not_reach_its_evaluation(api: Api, acme: Organization, shop: Shop):
    order = shop.order(1000)
    path = f"{path_of(order)}/evaluation"
    ada = factories.customer(acme)
    elsewhere = factories.market(acme)
    strangers = [
        Api(factories.application(factories.organization())),
        Api(factories.application(acme, mode="live")),
        shop.shopper_of(ada),
        Api(shop.channel, Session(markets=(elsewhere.pk,))),
    ]
    assert [each.get(path).status_code for each in strangers] == [404] * 4
    assert shop.shopper.get(path).status_code == 200
    assert Api(None).get(path).status_code == 401
    for path in ("orders/AAAAAAAAAA/evaluation", "orders/nothing/evaluation", "orders/x%00/evaluation"):
        assert api.get(path).status_code == 404
    assert api.get(f"{path_of(order)}/evaluation?include=x").status_code == 400
    assert api.post(f"{path_of(order)}/evaluation").status_code == 405


def test_it_goes_with_its_order(api: Api, shop: Shop):
    order = shop.order(1000)
    assert OrderEvaluation.objects.count() == 1
    assert api.destroy(order).status_code == 204
    assert OrderEvaluation.objects.count() == 0


# --- As codes would change it ---------------------------------------------------------------------


def test_codes_are_tried_on_an_order(api: Api, shop: Shop):
    coupon(shop, "TEN-PERCENT", percentage=10)
    coupon(shop, "HALF-PRICE", percentage=50)
    order = shop.order(2000, coupon_code="TEN-PERCENT")
    stored = kept(api, order)
    assert applied(tried(api, order)) == [("TEN-PERCENT", -200)]
    assert applied(tried(api, order, "HALF-PRICE")) == [("HALF-PRICE", -1000)]
    assert applied(tried(api, order, "TEN-PERCENT", "HALF-PRICE")) == [("TEN-PERCENT", -200), ("HALF-PRICE", -900)]
    assert reasons(tried(api, order, "NOWHERE-1")) == {"NOWHERE-1": "coupon_not_found"}
    answer = try_codes(api, order, coupon_code="HALF-PRICE")
    assert applied(answer.json()["data"]["attributes"]) == [("HALF-PRICE", -1000)]
    answer = try_codes(api, order, coupon_codes=[])
    assert applied(answer.json()["data"]["attributes"]) == []
    assert kept(api, order) == stored
    assert done(api.get(path_of(order)))["coupon_code"] == "TEN-PERCENT"


def test_a_tried_evaluation_is_what_the_order_then_comes_to(api: Api, acme: Organization, shop: Shop):
    coupon(shop, "TEN-PERCENT", percentage=10)
    factories.fixed_amount_promotion(acme, fixed_amount_cents=333)
    order = shop.order(1999, 2999)
    told = tried(api, order, "TEN-PERCENT")
    assert api.update(order, {"coupon_code": "TEN-PERCENT"}).status_code == 200
    stored = kept(api, order)
    assert {**told, "evaluated_at": stored["evaluated_at"]} == stored
    assert told["total_amount_cents"] == done(api.get(path_of(order)))["total_amount_cents"] == 4165


def test_a_placed_order_s_own_use_does_not_count_against_it(api: Api, shop: Shop):
    coupon(shop, "SUMMER-26", total_usage_limit=1)
    Coupon.objects.update(usage_limit=1, customer_single_use=True)
    order = shop.placed(1000, coupon_code="SUMMER-26")
    assert applied(tried(api, order)) == [("SUMMER-26", -100)]
    other = shop.order(1000, customer_email="grace@example.com")
    assert reasons(tried(api, other, "SUMMER-26")) == {"SUMMER-26": "promotion_usage_reached"}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"line_items": []}, f"{AT}/line_items"),
        ({"currency_code": "EUR"}, f"{AT}/currency_code"),
        ({"coupon_codes": "SUMMER-26"}, f"{AT}/coupon_codes"),
        ({"coupon_codes": ["x" * 256]}, f"{AT}/coupon_codes/0"),
        ({"coupon_codes": [None]}, f"{AT}/coupon_codes/0"),
        ({"coupon_codes": ["A"] * 26}, f"{AT}/coupon_codes"),
        ({"coupon_code": 7.5}, None),
    ],
)
def test_an_order_is_tried_with_codes_and_nothing_else(
    api: Api, shop: Shop, attributes: dict[str, Any], pointer: str | None
):
    answer = try_codes(api, shop.order(1000), **attributes)
    if pointer:
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": pointer})
    else:
        assert answer.status_code == 200


def test_an_order_must_be_there_and_be_one(api: Api, acme: Organization, shop: Shop):
    order = shop.order(1000)
    other = Api(factories.application(factories.organization()))
    linkages = [(api, {"type": "orders", "id": "AAAAAAAAAA"}), (api, factories.customer(acme)), (other, order)]
    for client, target in linkages:
        answer = client.post("evaluations", document("evaluations", {}, order=target))
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/order"})
        assert problem(answer)["detail"] == "order - must exist"


def test_a_shopper_tries_codes_on_its_own_order_and_is_told_no_reason(api: Api, acme: Organization, shop: Shop):
    coupon(shop, "OVER-2026", expires_at=NOW)
    order = shop.order(1000)
    told = tried(shop.shopper, order, "OVER-2026")
    assert reasons(told) == {"OVER-2026": "not_applicable"}
    answer = try_codes(shop.shopper_of(factories.customer(acme)), order, "OVER-2026")
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/order"})


# --- Rules of flex promotions ---------------------------------------------------------------------


def check(api: Api, promotion: Promotion, order: Order) -> Any:
    return api.get(f"{path_of(promotion)}/check/{order.public_id}")


def test_the_rules_of_a_flex_promotion_are_checked_against_an_order(api: Api, acme: Organization, shop: Shop):
    Market.objects.filter(pk=shop.market.pk).update(code="IT")
    flex = factories.flex_promotion(acme, rules={"rules": [ITALIAN]}, disabled_at=NOW)
    order = shop.order(2000)
    with nothing_written():
        answer = check(api, flex, order)
    assert answer.status_code == 200
    (told,) = answer.json()["data"]
    assert (told["match"], [rule["name"] for rule in told["rules"]]) == (True, ["In Italy a tenth off"])
    assert told["rules"][0]["actions"] != []
    Market.objects.filter(pk=shop.market.pk).update(code="FR")
    (told,) = check(api, flex, order).json()["data"]
    assert (told["match"], told["rules"][0]["actions"]) == (False, [])


def test_a_check_names_a_flex_promotion_and_an_order_of_the_tenant(api: Api, acme: Organization, shop: Shop):
    flex, other = factories.flex_promotion(acme), factories.percentage_promotion(acme)
    order = shop.order(1000)
    assert check(api, flex, order).status_code == 200
    assert api.get(f"flex_promotions/{other.public_id}/check/{order.public_id}").status_code == 404
    assert api.get(f"{path_of(flex)}/check/AAAAAAAAAA").status_code == 404
    assert api.get(f"flex_promotions/no/check/{order.public_id}").status_code == 404
    assert check(Api(factories.application(factories.organization())), flex, order).status_code == 404
    assert check(shop.shopper, flex, order).status_code == 401
    assert check(Api(None), flex, order).status_code == 401
