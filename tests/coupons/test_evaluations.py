"""POST /api/evaluations: what a cart would come to, and why what did not apply did not."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import auth
from commerce.models import Application, Organization
from coupons.models import Coupon
from promotions.models import Promotion, PromotionRule
from tests import factories
from tests.client import Api, document, linkage, nothing_written, refused
from tests.factories import NOW
from tests.listener import Exchange, listening
from tests.promotions.test_rule_checks import ITALIAN


def line(code: str, quantity: int = 1, unit_amount_cents: int = 10_000, **more: Any) -> dict[str, Any]:
    return {"code": code, "quantity": quantity, "unit_amount_cents": unit_amount_cents, **more}


def cart(*lines: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"currency_code": "EUR", "line_items": list(lines or [line("A")]), **attributes}


def post(api: Api, attributes: dict[str, Any], **relationships: Any) -> Any:
    return api.post("evaluations", document("evaluations", attributes, **relationships))


def evaluate(api: Api, attributes: dict[str, Any], **relationships: Any) -> dict[str, Any]:
    answer = post(api, attributes, **relationships)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]["attributes"]


def reasons(answered: dict[str, Any]) -> dict[str | None, str]:
    """Code, or name of the promotion -> why it did not apply."""
    return {one["coupon_code"] or one["name"]: one["reason"] for one in answered["not_applied"]}


# --- Amounts --------------------------------------------------------------------------------------


def test_a_cart_is_calculated_to_the_cent(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, percentage=15, name="Fifteen")
    answered = evaluate(api, cart(line("A", 1, 999), line("B", 1, 1001), line("C", 1, 333)))
    assert answered["subtotal_amount_cents"] == 2333
    assert answered["discount_amount_cents"] == -350
    assert answered["total_amount_cents"] == 1983
    assert answered["formatted_total_amount"] == "€19,83"
    assert [each["discount_cents"] for each in answered["line_items"]] == [-150, -150, -50]
    assert answered["not_applied"] == []
    (applied,) = answered["applied"]
    assert applied["promotion"] == linkage(promotion)
    assert (applied["name"], applied["coupon_code"], applied["total_amount_cents"]) == ("Fifteen", None, -350)
    assert applied["shares"] == [
        {"line_item": 0, "cents": -150},
        {"line_item": 1, "cents": -150},
        {"line_item": 2, "cents": -50},
    ]


def test_shipping_is_added_and_made_free(api: Api, acme: Organization):
    factories.free_shipping_promotion(acme)
    answered = evaluate(api, cart(shipments=[{"cost_amount_cents": 500}, {"cost_amount_cents": 700}]))
    assert (answered["shipping_amount_cents"], answered["discount_amount_cents"]) == (1200, -1200)
    assert answered["total_amount_cents"] == 10_000
    assert answered["applied"][0]["shares"] == [{"shipment": 0, "cents": -500}, {"shipment": 1, "cents": -700}]


def test_skus_cost_what_the_market_s_price_list_says(api: Api, acme: Organization):
    prices = factories.price_list(acme, currency_code="USD")
    market = factories.market(acme, price_list=prices, code="US")
    sku = factories.sku(acme, code="SHIRT")
    price = factories.price(sku, prices, amount_cents=2000)
    factories.price_volume_tier(price, up_to=10, price_amount_cents=1800)
    factories.price_volume_tier(price, up_to=None, price_amount_cents=1500)
    for quantity, unit in ((1, 1800), (10, 1800), (11, 1500)):
        lines = [{"sku_code": "SHIRT", "quantity": quantity}]
        by_code = evaluate(api, {"market_code": "US", "line_items": lines})
        assert by_code == evaluate(api, {"line_items": lines}, market=market)
        assert by_code["currency_code"] == "USD"
        assert by_code["subtotal_amount_cents"] == quantity * unit


def test_quantities_of_one_sku_in_several_lines_reach_a_tier_together(api: Api, acme: Organization):
    prices = factories.price_list(acme)
    factories.market(acme, price_list=prices, code="IT")
    price = factories.price(factories.sku(acme, code="SHIRT"), prices, amount_cents=2000)
    factories.price_volume_tier(price, up_to=1, price_amount_cents=2000)
    factories.price_volume_tier(price, up_to=None, price_amount_cents=1500)
    answered = evaluate(api, {"market_code": "IT", "line_items": [{"sku_code": "SHIRT"}, {"sku_code": "SHIRT"}]})
    assert answered["subtotal_amount_cents"] == 3000


def test_lists_hold_skus_by_item_and_by_pattern_and_bundles_by_their_own(api: Api, acme: Organization):
    shirt, hat = factories.sku(acme, code="SHIRT"), factories.sku(acme, code="HAT")
    manual = factories.sku_list(acme, shirt)
    pattern = factories.sku_list(acme, manual=False, sku_code_regex="^H")
    factories.bundle(manual, code="SET", price_amount_cents=1000)
    factories.percentage_promotion(acme, sku_list=manual, percentage=10)
    factories.percentage_promotion(acme, sku_list=pattern, percentage=50)
    lines = [
        {"sku_code": "SHIRT", "unit_amount_cents": 1000},
        {"sku_code": "HAT", "unit_amount_cents": 1000},
        {"bundle_code": "SET"},
        line("HAMMER", 1, 1000),
        line("NAIL", 1, 1000),
    ]
    answered = evaluate(api, {"currency_code": "EUR", "line_items": lines})
    assert [each["discount_cents"] for each in answered["line_items"]] == [-100, -500, -100, -500, 0]
    assert hat.code == "HAT"


def test_a_bundle_is_that_of_the_market_or_of_none_in_its_currency(api: Api, acme: Organization):
    prices = factories.price_list(acme, currency_code="EUR")
    italy = factories.market(acme, code="IT", price_list=prices)
    factories.market(acme, code="FR", price_list=prices)
    listed = factories.sku_list(acme, factories.sku(acme))
    factories.bundle(listed, code="SET", market=italy, price_amount_cents=900)
    factories.bundle(listed, code="SET", price_amount_cents=1000)
    lines = [{"bundle_code": "SET"}]
    subtotals = [
        evaluate(api, {**where, "line_items": lines})["subtotal_amount_cents"]
        for where in ({"market_code": "IT"}, {"market_code": "FR"}, {"currency_code": "EUR"})
    ]
    assert subtotals == [900, 1000, 1000]
    answer = post(api, {"currency_code": "USD", "line_items": lines})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/line_items/0/bundle_code"})


# --- Codes ----------------------------------------------------------------------------------------


def test_a_code_opens_its_promotion_however_it_is_spelt(api: Api, acme: Organization):
    coupon = factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-26")
    for spelt in ("SUMMER-26", " summer-26 ", "Sum mer-26"):
        answered = evaluate(api, cart(coupon_code=spelt))
        assert answered["discount_amount_cents"] == -1000
        assert answered["applied"][0]["coupon_code"] == spelt.strip()
    assert evaluate(api, cart())["discount_amount_cents"] == 0
    assert coupon.usage_count == 0


def test_a_code_given_twice_is_one(api: Api, acme: Organization):
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme, percentage=10)), code="SUMMER-10")
    answered = evaluate(
        api, cart(coupon_codes=["SUMMER-10", "summer-10", "NOWHERE", "nowhere"], coupon_code="SUMMER-10")
    )
    assert [one["coupon_code"] for one in answered["applied"]] == ["SUMMER-10"]
    assert [one["coupon_code"] for one in answered["not_applied"]] == ["NOWHERE"]


def test_one_code_opens_every_promotion_that_has_it(api: Api, acme: Organization):
    for percentage in (10, 20):
        rule = factories.coupon_rule(factories.percentage_promotion(acme, percentage=percentage))
        factories.coupon(rule, code="SUMMER-26")
    assert evaluate(api, cart(coupon_code="SUMMER-26"))["discount_amount_cents"] == -2800


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # reason -> values of the promotion, of the coupon, of the cart
    "coupon_expired": ({}, {"expires_at": NOW}, {}),
    "promotion_disabled": ({"disabled_at": NOW}, {}, {}),
    "promotion_pending": ({"starts_at": NOW + timedelta(seconds=1)}, {}, {}),
    "promotion_expired": ({"expires_at": NOW}, {}, {}),
    "promotion_usage_reached": ({"total_usage_limit": 0}, {}, {}),
    "coupon_usage_reached": ({}, {"usage_limit": 3, "usage_count": 3}, {}),
    "currency_mismatch": ({"currency_code": "USD"}, {}, {}),
    "recipient_unknown": ({}, {"recipient": "ada@example.com"}, {}),
    "recipient_mismatch": ({}, {"recipient": "ada@example.com"}, {"customer_email": "bob@example.com"}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_code_that_does_not_work_is_told_why(api: Api, acme: Organization, reason: str):
    of_promotion, of_coupon, of_cart = REFUSED[reason]
    rule = factories.coupon_rule(factories.percentage_promotion(acme, **of_promotion))
    values = dict(of_coupon)
    if email := values.pop("recipient", None):
        values["coupon_recipient"] = factories.recipient(acme, email=email)
    factories.coupon(rule, code="SUMMER-26", **values)
    answered = evaluate(api, cart(coupon_code="summer-26", **of_cart))
    assert (answered["discount_amount_cents"], reasons(answered)) == (0, {"summer-26": reason})
    assert answered["not_applied"][0]["promotion"] == linkage(rule.promotion)


def test_the_first_reason_in_the_fixed_order_is_told(api: Api, acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme, disabled_at=NOW, total_usage_limit=0))
    coupon = factories.coupon(rule, code="SUMMER-26", expires_at=NOW, usage_limit=0)
    assert reasons(evaluate(api, cart(coupon_code=coupon.code))) == {"SUMMER-26": "coupon_expired"}


def test_a_recipient_is_known_whatever_the_case(api: Api, acme: Organization):
    recipient = factories.recipient(acme, email="Ada@Example.com")
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(rule, code="SUMMER-26", coupon_recipient=recipient)
    answered = evaluate(api, cart(coupon_code="SUMMER-26", customer_email="ADA@example.COM"))
    assert answered["discount_amount_cents"] == -1000


def test_codes_of_others_do_not_exist(api: Api, acme: Organization):
    elsewhere = factories.percentage_promotion(factories.organization())
    live = factories.percentage_promotion(acme, mode="live")
    for promotion, code in ((elsewhere, "ELSEWHERE"), (live, "LIVE-CODE")):
        factories.coupon(factories.coupon_rule(promotion), code=code)
    answered = evaluate(api, cart(coupon_codes=["ELSEWHERE", "LIVE-CODE", "NOWHERE-1"]))
    assert reasons(answered) == dict.fromkeys(["ELSEWHERE", "LIVE-CODE", "NOWHERE-1"], "coupon_not_found")


def test_the_code_of_a_promotion_that_is_deleted_meanwhile_opens_nothing(api: Api, acme: Organization):
    coupon = factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-26")

    def delete_first(execute: Any, sql: str, *rest: Any) -> Any:
        if "WHERE" in sql and '"promotions_promotion"."id" IN' in sql and Coupon.objects.exists():
            coupon.delete()
            PromotionRule.objects.all().delete()
            Promotion.objects.all().delete()
        return execute(sql, *rest)

    with connection.execute_wrapper(delete_first):
        answered = evaluate(api, cart(coupon_code="SUMMER-26"))
    assert not Promotion.objects.exists()
    assert reasons(answered) == {"SUMMER-26": "coupon_not_found"}


def test_an_empty_code_is_none(api: Api):
    for nothing in ("", None):
        assert evaluate(api, cart(coupon_code=nothing))["not_applied"] == []


# --- Why not --------------------------------------------------------------------------------------


def test_every_promotion_that_did_not_apply_is_told_why_and_how_far_it_is(api: Api, acme: Organization):
    big = factories.percentage_promotion(acme, name="big")
    factories.order_amount_rule(big, order_amount_cents=11_500)
    rare = factories.sku_list(acme, factories.sku(acme))
    factories.percentage_promotion(acme, name="rare", sku_list=rare)
    factories.percentage_promotion(acme, name="tomorrow", starts_at=NOW + timedelta(days=1))
    factories.percentage_promotion(acme, name="used up", total_usage_limit=0)
    factories.percentage_promotion(acme, name="dollars", currency_code="USD")
    factories.percentage_promotion(acme, name="over", expires_at=NOW)
    answered = evaluate(api, cart())
    assert reasons(answered) == {
        "big": "order_amount_too_low",
        "rare": "no_matching_items",
        "tomorrow": "promotion_pending",
        "used up": "promotion_usage_reached",
        "dollars": "currency_mismatch",
    }
    told = next(one for one in answered["not_applied"] if one["name"] == "big")
    assert (told["missing"], told["sentence"]) == (1500, "The order is too small: 1500 cents to go.")


def test_only_so_many_promotions_are_considered_as_the_organization_says(api: Api, acme: Organization):
    for number in range(3):
        factories.percentage_promotion(acme, name=f"p{number}", priority=number)
    acme.settings = {"promotions_max_concurrent_count": 2}
    acme.save()
    answered = evaluate(api, cart())
    assert answered["discount_amount_cents"] == -1900
    assert reasons(answered) == {"p2": "outside_concurrent_limit"}


def test_no_limit_considers_them_all(api: Api, acme: Organization):
    for _ in range(12):
        factories.fixed_amount_promotion(acme, fixed_amount_cents=100)
    assert evaluate(api, cart())["discount_amount_cents"] == -1000
    acme.settings = {"promotions_max_concurrent_count": None}
    acme.clean()
    acme.save()
    auth.snapshot.forget()
    assert evaluate(api, cart())["discount_amount_cents"] == -1200


def test_a_change_is_seen_by_the_next_evaluation(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    assert evaluate(api, cart())["discount_amount_cents"] == -1000
    assert api.update(promotion, {"percentage": 20}).status_code == 200
    assert evaluate(api, cart())["discount_amount_cents"] == -2000
    assert api.update(promotion, {"_disable": True}).status_code == 200
    assert evaluate(api, cart())["discount_amount_cents"] == 0


def test_use_is_seen_without_a_change_of_any_definition(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, total_usage_limit=1)
    assert evaluate(api, cart())["discount_amount_cents"] == -1000
    Promotion.objects.filter(pk=promotion.pk).update(total_usage_count=1)
    assert reasons(evaluate(api, cart())) == {promotion.name: "promotion_usage_reached"}


def test_a_service_that_cannot_be_reached_gives_nothing_and_breaks_nothing(api: Api, acme: Organization):
    factories.external_promotion(acme, promotion_url="https://promo.invalid/discount", name="service")
    factories.percentage_promotion(acme)
    answered = evaluate(api, cart())
    assert answered["discount_amount_cents"] == -1000
    assert reasons(answered) == {"service": "external_failed"}


# --- What is known elsewhere ----------------------------------------------------------------------

RESTRICTED: list[tuple[dict[str, Any], str, dict[str, Any], dict[str, Any]]] = [
    # restriction -> why carts do not meet it that say nothing or something else, what one says that does
    (
        {"type": "countries", "country_codes": ["IT", "FR"]},
        "country_not_eligible",
        {"country_code": "DE"},
        {"country_code": "FR"},
    ),
    (
        {"type": "orders", "names": ["INV-1"]},
        "order_not_eligible",
        {"reference": "INV-2"},
        {"reference": "INV-1"},
    ),
    (
        {"type": "subscriptions", "names": ["SUB-1"]},
        "subscription_not_eligible",
        {"subscription": "SUB-2"},
        {"subscription": "SUB-1"},
    ),
]


@pytest.mark.parametrize(("restriction", "reason", "other", "met"), RESTRICTED)
def test_what_a_cart_says_of_itself_meets_restrictions_or_does_not(
    api: Api, acme: Organization, restriction: dict[str, Any], reason: str, other: dict[str, Any], met: dict[str, Any]
):
    factories.percentage_promotion(acme, name="restricted", restrictions=[restriction])
    for given in ({}, dict.fromkeys(met), other):
        answered = evaluate(api, cart(**given))
        assert (answered["discount_amount_cents"], reasons(answered)) == (0, {"restricted": reason})
    assert evaluate(api, cart(**met))["discount_amount_cents"] == -1000


def test_a_customer_who_is_kept_elsewhere_is_known_by_a_reference(api: Api, acme: Organization):
    factories.percentage_promotion(acme, name="theirs", restrictions=[{"type": "customers", "names": ["C-1"]}])
    for given, expected in (
        ({}, "customer_unknown"),
        ({"customer_reference": None}, "customer_unknown"),
        ({"customer_reference": "C-2"}, "customer_not_eligible"),
        ({"customer_email": "C-1@example.com"}, "customer_not_eligible"),
    ):
        assert reasons(evaluate(api, cart(**given))) == {"theirs": expected}
    assert evaluate(api, cart(customer_reference="C-1"))["discount_amount_cents"] == -1000


def test_lines_of_a_product_are_discounted_whatever_their_codes(api: Api, acme: Organization):
    only = {"type": "products", "codes": ["SHIRT"], "min_quantity": 3}
    factories.percentage_promotion(acme, name="shirts", restrictions=[only])
    lines = [line("RED", 1, 1000, product="SHIRT"), line("BLUE", 2, 2000, product="SHIRT"), line("MUG", 1, 500)]
    answered = evaluate(api, cart(*lines))
    assert [each["discount_cents"] for each in answered["line_items"]] == [-100, -400, 0]
    answered = evaluate(api, cart(lines[0], line("BLUE", 2, 2000, product=None), lines[2]))
    assert (answered["discount_amount_cents"], reasons(answered)) == (0, {"shirts": "quantity_too_low"})
    assert answered["not_applied"][0]["missing"] == 2


def test_what_an_order_gets_on_top_is_told_with_the_promotion(api: Api, acme: Organization):
    buy_get = {"type": "buy_get", "buy": [{"code": "SHIRT", "quantity": 2}], "get": [{"code": "MUG", "quantity": 3}]}
    free = factories.percentage_promotion(acme, name="mugs", percentage=100, restrictions=[buy_get])
    assert evaluate(api, cart(line("SHIRT")))["not_applied"] == [
        {
            "promotion": linkage(free),
            "name": "mugs",
            "coupon_code": None,
            "reason": "quantity_too_low",
            "sentence": "The order holds too few units: 1 to go.",
            "missing": 1,
            "additions": [],
        }
    ]
    (refused_one,) = evaluate(api, cart(line("SHIRT", 2)))["not_applied"]
    assert (refused_one["reason"], refused_one["additions"]) == ("no_matching_items", [{"code": "MUG", "quantity": 3}])
    (applied,) = evaluate(api, cart(line("SHIRT", 2), line("MUG", 2, 500)))["applied"]
    assert (applied["total_amount_cents"], applied["additions"]) == (-1000, [{"code": "MUG", "quantity": 1}])
    (applied,) = evaluate(api, cart(line("SHIRT", 2), line("MUG", 4, 500)))["applied"]
    assert (applied["total_amount_cents"], applied["additions"]) == (-1500, [])


# --- Sales channels -------------------------------------------------------------------------------


@pytest.fixture
def shop(acme: Organization, api: Api) -> Api:
    return Api(factories.application(acme, Application.Kind.SALES_CHANNEL))


def test_a_sales_channel_is_told_the_same_of_every_code_that_does_not_work(shop: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, name="secret", disabled_at=NOW)
    factories.coupon(factories.coupon_rule(promotion), code="DISABLED-1")
    factories.percentage_promotion(acme, name="dollars", currency_code="USD")
    answered = evaluate(shop, cart(coupon_codes=["DISABLED-1", "NOWHERE-1"]))
    same = {
        "promotion": None,
        "name": None,
        "reason": "not_applicable",
        "sentence": "The code cannot be used for this order.",
        "missing": None,
        "additions": [],
    }
    assert answered["not_applied"] == [{**same, "coupon_code": code} for code in ("DISABLED-1", "NOWHERE-1")]


def test_a_token_for_one_market_needs_not_name_it_and_reaches_no_other(api: Api, acme: Organization):
    euros, dollars = (factories.price_list(acme, currency_code=code) for code in ("EUR", "USD"))
    market = factories.market(acme, code="EU", price_list=euros)
    factories.market(acme, code="US", price_list=dollars)
    shop = Api(factories.application(acme, Application.Kind.SALES_CHANNEL), auth.Session(markets=(market.pk,)))
    assert evaluate(shop, {"line_items": [line("A")]})["currency_code"] == "EUR"
    assert evaluate(shop, {"line_items": [line("A")]}, market=market)["currency_code"] == "EUR"
    answer = post(shop, {"market_code": "US", "line_items": [line("A")]})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/market_code"})


def test_a_market_kept_for_a_group_does_not_exist_for_others(shop: Api, api: Api, acme: Organization):
    factories.market(acme, code="VIP", customer_group=factories.customer_group(acme))
    answer = post(shop, {"market_code": "VIP", "line_items": []})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/market_code"})
    assert evaluate(api, {"market_code": "VIP", "line_items": []})["total_amount_cents"] == 0


def test_skus_that_are_not_sold_do_not_exist_for_a_sales_channel(shop: Api, api: Api, acme: Organization):
    factories.sku(acme, code="SECRET")
    secret = {"currency_code": "EUR", "line_items": [{"sku_code": "SECRET", "unit_amount_cents": 1000}]}
    answer = post(shop, secret)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/line_items/0/sku_code"})
    assert evaluate(api, secret)["total_amount_cents"] == 1000


def test_codes_known_and_unknown_cost_a_sales_channel_the_same_statements(shop: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, disabled_at=NOW)
    factories.coupon(factories.coupon_rule(promotion), code="DISABLED-1")
    evaluate(shop, cart(coupon_code="DISABLED-1"))
    counted = []
    for code in ("DISABLED-1", "NOWHERE-1"):
        with CaptureQueriesContext(connection) as seen:
            evaluate(shop, cart(coupon_code=code))
        counted.append(len(seen))
    assert counted == [2, 2]


def test_guessing_is_stopped_per_token_and_address(api: Api, acme: Organization, settings: LazySettings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "codes": "6/60"}
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-26")
    for _ in range(3):
        evaluate(api, cart(coupon_code="NOWHERE-1"))
    answer = post(api, cart(coupon_code="SUMMER-26"))
    assert refused(answer) == (429, "THROTTLED", None)
    assert answer.headers["Retry-After"] == "60"
    assert evaluate(Api(factories.application(acme)), cart(coupon_code="SUMMER-26"))["discount_amount_cents"] == -1000


def test_codes_that_work_are_no_guesses(api: Api, acme: Organization, settings: LazySettings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "codes": "2/60"}
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-26")
    for _ in range(4):
        assert evaluate(api, cart(coupon_code="SUMMER-26"))["discount_amount_cents"] == -1000


AT = "/data/attributes"

# --- Bad input ------------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"line_items": [line("A")]}, f"{AT}/currency_code"),
    (cart(currency_code="EURO"), f"{AT}/currency_code"),
    (cart(colour="red"), f"{AT}/colour"),
    (cart(line("A", 0)), f"{AT}/line_items/0/quantity"),
    (cart(line("A"), line("B", 1.5)), f"{AT}/line_items/1/quantity"),
    (cart(line("A", 10**10)), f"{AT}/line_items/0/quantity"),
    (cart(line("A", 1, -1)), f"{AT}/line_items/0/unit_amount_cents"),
    (cart(line("A", 1, 2**53)), f"{AT}/line_items/0/unit_amount_cents"),
    (cart(line("A", colour="red")), f"{AT}/line_items/0/colour"),
    (cart({"sku_code": "NOWHERE"}), f"{AT}/line_items/0/sku_code"),
    (cart({"bundle_code": "NOWHERE"}), f"{AT}/line_items/0/bundle_code"),
    (cart({"quantity": 1}), f"{AT}/line_items/0/sku_code"),
    (cart({"code": "A"}), f"{AT}/line_items/0/unit_amount_cents"),
    (cart(line("A", sku_code="A")), f"{AT}/line_items/0/sku_code"),
    (cart("A"), f"{AT}/line_items/0"),
    ({**cart(), "line_items": {}}, f"{AT}/line_items"),
    (cart(*[line("A")] * 501), f"{AT}/line_items"),
    (cart(line("A", 10**9, 10**8)), "/data"),
    (cart(line("A", product="P" * 256)), f"{AT}/line_items/0/product"),
    (cart(customer_email="ada"), f"{AT}/customer_email"),
    (cart(customer_reference=""), f"{AT}/customer_reference"),
    (cart(customer_reference="C" * 256), f"{AT}/customer_reference"),
    (cart(country_code="it"), f"{AT}/country_code"),
    (cart(country_code="ITA"), f"{AT}/country_code"),
    (cart(country_code=39), f"{AT}/country_code"),
    (cart(reference={}), f"{AT}/reference"),
    (cart(subscription=[]), f"{AT}/subscription"),
    (cart(coupon_codes=["A"] * 26), f"{AT}/coupon_codes"),
    (cart(coupon_codes=[{}]), f"{AT}/coupon_codes/0"),
    (cart(coupon_code="A" * 256), f"{AT}/coupon_code"),
    (cart(shipments=[{}]), f"{AT}/shipments/0/cost_amount_cents"),
    (cart(shipments=[{"cost_amount_cents": 1, "line_items": [1]}]), f"{AT}/shipments"),
    (cart(market_code="NOWHERE"), f"{AT}/market_code"),
    (cart(metadata=[]), f"{AT}/metadata"),
]


@pytest.mark.parametrize(("attributes", "pointer"), WRONG)
def test_what_is_wrong_is_named_by_its_place(api: Api, attributes: dict[str, Any], pointer: str):
    answer = post(api, attributes)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": pointer}), answer.content


@pytest.mark.parametrize("name", ["market", "customer"])
def test_a_relationship_that_says_nothing_is_refused(api: Api, acme: Organization, name: str):
    customer = factories.customer(acme)
    for row in (customer, [factories.market(acme)]):
        answer = post(api, cart(), **{name: row})
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/relationships/{name}"})
    assert evaluate(api, cart(), market=None)["subtotal_amount_cents"] == 10_000


SAID: list[tuple[dict[str, Any], str]] = [
    (cart(line("A", 0)), "quantity - must be greater than or equal to 1"),
    (cart(line("A", 10**10)), "quantity - must be less than or equal to 1000000000"),
    (cart({**line("A"), "quantity": True}), "quantity - is not a number"),
    (cart(line("A" * 256)), "code - is too long (maximum is 255 characters)"),
    (cart(*[line("A")] * 501), "line_items - is too long (maximum is 500 elements)"),
    ({**cart(), "line_items": ["A"]}, "line_items - must be an object"),
    (cart(coupon_codes={}), "coupon_codes - must be an array"),
    (cart(metadata=[]), "metadata - must be an object"),
]


@pytest.mark.parametrize(("attributes", "detail"), SAID)
def test_what_is_wrong_is_said_as_everywhere(api: Api, attributes: dict[str, Any], detail: str):
    [problem] = post(api, attributes).json()["errors"]
    assert problem["detail"] == detail


def test_a_market_of_others_or_out_of_use_does_not_exist(api: Api, acme: Organization):
    for market in (factories.market(factories.organization()), factories.market(acme, disabled_at=NOW)):
        answer = post(api, {"line_items": []}, market=market)
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/market"})


def test_a_currency_that_is_not_the_market_s_is_refused(api: Api, acme: Organization):
    factories.market(acme, code="IT", price_list=factories.price_list(acme, currency_code="EUR"))
    answer = post(api, cart(market_code="IT", currency_code="USD"))
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/currency_code"})


def test_only_posts_of_evaluations_are_taken(api: Api):
    assert refused(api.get("evaluations"))[:2] == (405, "METHOD_NOT_ALLOWED")
    assert refused(api.post("evaluations", document("orders", cart())))[:2] == (409, "INVALID_RESOURCE")
    assert refused(api.post("evaluations", b"{"))[:2] == (400, "BAD_REQUEST")
    assert refused(Api(None).post("evaluations", document("evaluations", cart())))[:2] == (401, "INVALID_TOKEN")


# --- A dry run ------------------------------------------------------------------------------------


def test_nothing_is_written(api: Api, acme: Organization):
    factories.percentage_promotion(acme)
    factories.coupon(factories.coupon_rule(factories.fixed_amount_promotion(acme)), code="SUMMER-26")
    with nothing_written():
        answered = evaluate(api, cart(coupon_codes=["SUMMER-26", "NOWHERE-1"]))
    assert len(answered["applied"]) == 2


def test_the_same_question_has_the_same_answer(api: Api, acme: Organization):
    factories.percentage_promotion(acme)
    first, second = (post(api, cart()) for _ in range(2))
    assert first.content == second.content
    assert first.json()["data"]["id"] != post(api, cart(line("B"))).json()["data"]["id"]


def test_statements_do_not_grow_with_lines_promotions_or_codes(api: Api, acme: Organization):
    prices = factories.price_list(acme)
    factories.market(acme, price_list=prices, code="IT")
    skus = [factories.sku(acme) for _ in range(20)]
    for sku in skus:
        factories.price(sku, prices)
    listed = factories.sku_list(acme, *skus)
    factories.percentage_promotion(acme, sku_list=listed, total_usage_limit=100)
    coupon = factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)))

    def counted(codes: list[str], number: int) -> int:
        lines = [{"sku_code": sku.code} for sku in skus[:number]]
        asked = {"market_code": "IT", "line_items": lines, "coupon_codes": codes}
        evaluate(api, asked)
        with CaptureQueriesContext(connection) as seen:
            evaluate(api, asked)
        return len(seen)

    few = counted([coupon.code], 1)
    for _ in range(10):
        factories.percentage_promotion(acme, sku_list=listed, total_usage_limit=100)
    more = [factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme))).code for _ in range(5)]
    assert counted([coupon.code, *more], 20) == few == 8


def test_a_service_finds_the_lines_of_a_cart_by_their_places(api: Api, acme: Organization, settings: LazySettings):
    """All of them: the first has the place 0."""

    def answer(exchange: Exchange) -> None:
        sent = orjson.loads(exchange.listener.received[-1].body)
        named = [
            {"id": one["id"], "discount_cents": 100} for one in sent["data"]["relationships"]["line_items"]["data"]
        ]
        exchange.reply(200, orjson.dumps({"success": True, "data": {"name": "Loyalty", "line_items": named}}))

    with listening() as service:
        service.answer = answer
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        answered = evaluate(api, cart(line("A"), line("B")))
    [sent] = service.received
    lines = [one for one in orjson.loads(sent.body)["included"] if one["type"] == "line_items"]
    assert [(one["id"], one["attributes"]["sku_code"]) for one in lines] == [("0", "A"), ("1", "B")]
    assert [one["discount_cents"] for one in answered["line_items"]] == [-100, -100]


def test_flex_promotions_read_what_the_order_holds(api: Api, acme: Organization):
    factories.market(acme, code="IT", price_list=factories.price_list(acme, currency_code="EUR"))
    factories.flex_promotion(acme, rules={"rules": [ITALIAN]})
    assert evaluate(api, cart(market_code="IT"))["discount_amount_cents"] == -1000
    assert evaluate(api, cart())["discount_amount_cents"] == 0


def test_rules_that_were_saved_hold_under_limits_that_were_lowered(api: Api, acme: Organization):
    factories.market(acme, code="IT", price_list=factories.price_list(acme, currency_code="EUR"))
    factories.flex_promotion(acme, rules={"rules": [ITALIAN]})
    acme.settings = {"promotions_max_rules_size": 0, "promotions_max_conditions_size": 0}
    acme.save()
    assert evaluate(api, cart(market_code="IT"))["discount_amount_cents"] == -1000
