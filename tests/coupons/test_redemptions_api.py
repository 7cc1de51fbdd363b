"""/api/redemptions: codes of orders that are kept elsewhere, validated, computed and counted by one call."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.db import connection
from django.http import HttpResponse

from commerce import ids
from commerce.auth import Session
from commerce.models import Event, Order, Organization, Version
from coupons.models import Coupon, CustomerUsage, Redemption, Use
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, linkage, nothing_written, path_of, problem, refused
from tests.factories import NOW
from tests.listener import listening
from tests.shopping import Shop

AT = "/data/attributes"
EMAIL = "ada@example.com"
Travel = Callable[[datetime], None]


def post(api: Api, attributes: dict[str, Any], **headers: str) -> HttpResponse:
    return api.post("redemptions", document("redemptions", {"currency_code": "EUR", **attributes}), **headers)


def redeem(api: Api, *codes: str, amount_cents: int = 10_000, **attributes: Any) -> Redemption:
    """The redemption of an order of so much, which must have been created."""
    answer = post(api, {"coupon_codes": list(codes), "amount_cents": amount_cents, **attributes})
    assert answer.status_code == 201, answer.content
    return Redemption.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


def attempt(api: Api, *codes: str, **attributes: Any) -> HttpResponse:
    """The answer to one that must be refused: nothing is written."""
    with nothing_written():
        answer = post(api, {"coupon_codes": list(codes), "amount_cents": 10_000, **attributes})
    assert answer.status_code == 422, answer.content
    return answer


def why(answer: HttpResponse) -> list[tuple[str, str | None]]:
    """Pointer and reason of each error."""
    errors = answer.json()["errors"]
    return [(each["source"]["pointer"], each["meta"].get("reason")) for each in errors]


def coupon_of(promotion: Promotion, code: str, **values: Any) -> Coupon:
    rule = promotion.promotion_rules.first() or factories.coupon_rule(promotion)
    return factories.coupon(rule, code=code, **values)


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    """SUMMER-26 takes ten percent off."""
    return coupon_of(factories.percentage_promotion(acme), "SUMMER-26")


def counts(coupon: Coupon) -> tuple[int, int]:
    """Uses counted on the coupon and on its promotion; there must be as many rows."""
    coupon = Coupon.objects.select_related("promotion_rule__promotion").get(pk=coupon.pk)
    promotion = coupon.promotion_rule.promotion
    assert Use.objects.filter(coupon=coupon, is_counted=True).count() == coupon.usage_count
    assert Use.objects.filter(promotion=promotion, is_counted=True).count() == promotion.total_usage_count
    return coupon.usage_count, promotion.total_usage_count


def usages() -> dict[str, int]:
    return dict(CustomerUsage.objects.values_list("customer_key", "usage_count"))


# --- Redeeming ------------------------------------------------------------------------------------


def test_one_call_validates_computes_and_counts(api: Api, coupon: Coupon):
    answer = post(
        api,
        {
            "coupon_code": "summer-26",
            "amount_cents": 9_999,
            "reference": "R-1",
            "reference_origin": "their shop",
            "customer_email": EMAIL,
            "metadata": {"till": 7},
        },
    )
    assert answer.status_code == 201
    assert answer.headers["Location"] == answer.json()["data"]["links"]["self"]
    data = answer.json()["data"]
    told = data["attributes"]
    assert (told["status"], told["committed_at"]) == ("committed", "2026-06-15T12:00:00.000Z")
    assert (told["reserved_until"], told["released_at"]) == (None, None)
    assert (told["discount_cents"], told["discount_float"], told["formatted_discount"]) == (-1000, -10.0, "-€10,00")
    assert (told["currency_code"], told["customer_email"]) == ("EUR", EMAIL)
    assert (told["reference"], told["reference_origin"], told["metadata"]) == ("R-1", "their shop", {"till": 7})
    evaluation = told["evaluation"]
    assert (evaluation["subtotal_amount_cents"], evaluation["total_amount_cents"]) == (9_999, 8_999)
    assert [(one["promotion"], one["coupon_code"]) for one in evaluation["applied"]] == [
        (linkage(coupon.promotion_rule.promotion), "summer-26")
    ]
    assert counts(coupon) == (1, 1)
    use = Use.objects.get()
    assert (use.coupon_id, use.discount_cents, use.is_counted) == (coupon.pk, -1000, True)
    assert api.data(f"redemptions/{data['id']}")["attributes"] == told


def test_lines_are_priced_and_discounted_as_in_an_evaluation(api: Api, acme: Organization):
    prices = factories.price_list(acme)
    factories.market(acme, price_list=prices, code="IT")
    shirt = factories.sku(acme, code="SHIRT")
    factories.price(shirt, prices, amount_cents=1999)
    promotion = factories.percentage_promotion(acme, sku_list=factories.sku_list(acme, shirt), percentage=20)
    coupon = coupon_of(promotion, "SHIRTS-20")
    lines = [{"sku_code": "SHIRT", "quantity": 3}, {"code": "MUG", "unit_amount_cents": 500}]
    cart = {"coupon_code": "SHIRTS-20", "market_code": "IT", "line_items": lines}
    answer = api.post("redemptions", document("redemptions", cart))
    told = answer.json()["data"]["attributes"]
    assert (answer.status_code, told["discount_cents"], told["currency_code"]) == (201, -1199, "EUR")
    assert [line["discount_cents"] for line in told["evaluation"]["line_items"]] == [-1199, 0]
    assert counts(coupon) == (1, 1)


def test_what_is_included_is_counted(api: Api, coupon: Coupon):
    cart = {"coupon_code": "SUMMER-26", "amount_cents": 1000, "currency_code": "EUR"}
    answer = api.post("redemptions?include=coupons,promotions", document("redemptions", cart))
    included = {each["type"]: each["attributes"] for each in answer.json()["included"]}
    assert included["coupons"]["usage_count"] == 1
    assert included["percentage_discount_promotions"]["total_usage_count"] == 1


def test_several_codes_are_used_together(api: Api, acme: Organization):
    first = coupon_of(factories.percentage_promotion(acme, percentage=10), "TEN-PERCENT")
    second = coupon_of(factories.fixed_amount_promotion(acme, fixed_amount_cents=500), "FIVE-EURO")
    redemption = redeem(api, "TEN-PERCENT", "FIVE-EURO")
    assert redemption.discount_cents == -1500
    assert (counts(first), counts(second)) == ((1, 1), (1, 1))
    assert sorted(redemption.uses.values_list("discount_cents", flat=True)) == [-1000, -500]


def test_a_code_of_two_promotions_uses_both(api: Api, acme: Organization):
    coupons = [coupon_of(factories.percentage_promotion(acme, percentage=each), "SUMMER-26") for each in (10, 20)]
    assert redeem(api, "SUMMER-26").discount_cents == -2800
    assert [counts(each) for each in coupons] == [(1, 1), (1, 1)]


def test_promotions_without_a_code_are_counted_too(api: Api, acme: Organization, coupon: Coupon):
    automatic = factories.fixed_amount_promotion(acme, total_usage_limit=2)
    assert redeem(api, "SUMMER-26").discount_cents == -2000
    assert redeem(api).discount_cents == -1000
    automatic.refresh_from_db()
    assert (automatic.total_usage_count, counts(coupon)) == (2, (1, 1))
    # It is used up: what is left is the code.
    assert redeem(api, "SUMMER-26").discount_cents == -1000
    assert why(attempt(api)) == [("/data", "not_applicable")]


def test_a_customer_who_is_kept_elsewhere_is_counted_by_a_reference(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, customer_usage_limit=2)
    coupon = coupon_of(promotion, "SUMMER-26")
    first = redeem(api, "SUMMER-26", customer_reference="C-1")
    assert first.customer_reference == "C-1"
    told = api.data(f"redemptions/{first.public_id}")["attributes"]
    assert (told["customer_reference"], told["restrictions"]) == ("C-1", [])
    assert (told["discounts_limit"], told["discounts_count"]) == (None, 0)
    redeem(api, "SUMMER-26", customer_reference="C-1")
    redeem(api, "SUMMER-26", customer_reference="C-2")
    at = f"{AT}/coupon_codes/0"
    assert why(attempt(api, "SUMMER-26", customer_reference="C-1")) == [(at, "already_used_by_customer")]
    assert why(attempt(api, "SUMMER-26")) == [(at, "customer_unknown")]
    assert (counts(coupon), usages()) == ((3, 3), {"r:C-1": 2, "r:C-2": 1})
    assert api.update(first, {"_cancel": True}).status_code == 200
    assert redeem(api, "SUMMER-26", customer_reference="C-1").discount_cents == -1000


def test_what_a_redemption_was_made_ahead_for_is_told_and_not_taken(api: Api, acme: Organization, coupon: Coupon):
    only = [{"type": "countries", "country_codes": ["IT"]}]
    used = (coupon.promotion_rule.promotion, coupon)
    ahead = factories.redemption(acme, used, restrictions=only, discounts_limit=3, discounts_count=1)
    told = api.data(f"redemptions/{ahead.public_id}")["attributes"]
    assert (told["restrictions"], told["discounts_limit"], told["discounts_count"]) == (only, 3, 1)
    for name in ("restrictions", "discounts_limit", "discounts_count"):
        answer = post(api, {"coupon_code": "SUMMER-26", "amount_cents": 1000, name: told[name]})
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/{name}"})


def test_a_restriction_by_what_the_order_is_called_elsewhere_holds(api: Api, acme: Organization):
    only = {"type": "orders", "names": ["INV-1"]}
    coupon_of(factories.percentage_promotion(acme, restrictions=[only]), "SUMMER-26")
    refusal = attempt(api, "SUMMER-26", reference="INV-2")
    assert why(refusal) == [(f"{AT}/coupon_codes/0", "order_not_eligible")]
    assert redeem(api, "SUMMER-26", reference="INV-1").reference == "INV-1"


def test_it_is_told_in_a_version_and_in_events(api: Api, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26", _reserve=True)
    for trigger in ("_commit", "_cancel"):
        assert api.update(redemption, {trigger: True}).status_code == 200
    events = Event.objects.filter(resource_id=redemption.pk, resource_type="redemptions").order_by("pk")
    assert list(events.values_list("name", flat=True)) == [
        "redemptions.create",
        "redemptions.update",
        "redemptions.commit",
        "redemptions.update",
        "redemptions.cancel",
    ]
    versions = Version.objects.filter(resource_id=redemption.pk, resource_type="redemptions", event="update")
    assert [change["state"] for change in versions.order_by("pk").values_list("changes", flat=True)] == [
        ["reserved", "committed"],
        ["committed", "released"],
    ]


# --- Refusals -------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # reason -> values of the promotion, of the coupon
    "coupon_expired": ({}, {"expires_at": NOW}),
    "promotion_disabled": ({"disabled_at": NOW}, {}),
    "promotion_pending": ({"starts_at": NOW + timedelta(seconds=1)}, {}),
    "promotion_expired": ({"expires_at": NOW}, {}),
    "promotion_usage_reached": ({"total_usage_limit": 0}, {}),
    "coupon_usage_reached": ({}, {"usage_limit": 0}),
    "currency_mismatch": ({"currency_code": "USD"}, {}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_code_that_does_not_work_is_refused_with_its_reason(api: Api, acme: Organization, reason: str):
    of_promotion, of_coupon = REFUSED[reason]
    coupon_of(factories.percentage_promotion(acme, **of_promotion), "SUMMER-26", **of_coupon)
    with nothing_written():
        answer = post(api, {"coupon_code": "SUMMER-26", "amount_cents": 10_000})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/coupon_code"})
    assert problem(answer)["meta"] == {"error": "invalid", "reason": reason, "missing": None, "value": "SUMMER-26"}


def test_an_unknown_code_is_refused(api: Api):
    assert why(attempt(api, coupon_code="NOWHERE-1")) == [(f"{AT}/coupon_code", "coupon_not_found")]


def test_the_error_points_to_the_code_where_it_was_given(api: Api, coupon: Coupon):
    assert why(attempt(api, "NOWHERE-1")) == [(f"{AT}/coupon_codes/0", "coupon_not_found")]
    assert why(attempt(api, "SUMMER-26", "NOWHERE-1")) == [(f"{AT}/coupon_codes/1", "coupon_not_found")]
    assert why(attempt(api, "SUMMER-26", coupon_code="NOWHERE-1")) == [(f"{AT}/coupon_code", "coupon_not_found")]


def test_all_codes_are_used_or_none(api: Api, acme: Organization, coupon: Coupon):
    used_up = coupon_of(factories.fixed_amount_promotion(acme), "USED-UP-1", usage_limit=1)
    redeem(api, "USED-UP-1")
    answer = attempt(api, "SUMMER-26", "USED-UP-1", "NOWHERE-1")
    assert why(answer) == [
        (f"{AT}/coupon_codes/1", "coupon_usage_reached"),
        (f"{AT}/coupon_codes/2", "coupon_not_found"),
    ]
    assert (counts(coupon), counts(used_up)) == ((0, 0), (1, 1))


def test_a_code_that_takes_nothing_off_is_refused(api: Api, acme: Organization, coupon: Coupon):
    factories.order_amount_rule(coupon.promotion_rule.promotion, order_amount_cents=10_500)
    answer = attempt(api, coupon_code="SUMMER-26")
    assert why(answer) == [(f"{AT}/coupon_code", "order_amount_too_low")]
    assert problem(answer)["meta"]["missing"] == 500
    coupon_of(factories.free_shipping_promotion(acme), "FREE-SHIPPING")
    assert why(attempt(api, coupon_code="FREE-SHIPPING")) == [(f"{AT}/coupon_code", "no_shipping")]


def test_a_second_code_of_the_same_promotion_is_refused(api: Api, coupon: Coupon):
    coupon_of(coupon.promotion_rule.promotion, "WINTER-26")
    assert why(attempt(api, "SUMMER-26", "WINTER-26")) == [(f"{AT}/coupon_codes/1", "opened_by_another_code")]


def test_an_exclusive_promotion_takes_the_others_away(api: Api, acme: Organization, coupon: Coupon):
    factories.percentage_promotion(acme, exclusive=True, percentage=1)
    assert why(attempt(api, coupon_code="SUMMER-26")) == [(f"{AT}/coupon_code", "superseded_by_exclusive")]


def test_without_a_code_something_must_apply(api: Api, coupon: Coupon):
    answer = attempt(api)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    assert problem(answer)["detail"] == "No promotion applies to the order."


@pytest.mark.parametrize(
    ("attributes", "pointers"),
    {
        "an amount and lines": (
            {"amount_cents": 1, "line_items": [{"code": "A", "unit_amount_cents": 1}]},
            [f"{AT}/amount_cents"],
        ),
        "a negative amount": ({"amount_cents": -1}, [f"{AT}/amount_cents"]),
        "an amount that is none": ({"amount_cents": "much"}, [f"{AT}/amount_cents"]),
        "null": ({"amount_cents": None}, [f"{AT}/amount_cents"]),
        "more than money goes": ({"amount_cents": 10**18}, [f"{AT}/amount_cents"]),
        "no currency": ({"amount_cents": 1, "currency_code": None}, [f"{AT}/currency_code"]),
        "another currency": ({"amount_cents": 1, "currency_code": "EURO"}, [f"{AT}/currency_code"]),
        "an address that is none": ({"customer_email": "ada"}, [f"{AT}/customer_email"]),
        "a line without a price": ({"line_items": [{"code": "A"}]}, [f"{AT}/line_items/0/unit_amount_cents"]),
        "a SKU that is not there": ({"line_items": [{"sku_code": "A"}]}, [f"{AT}/line_items/0/sku_code"]),
        "no time to live": ({"_reserve": True, "time_to_live": 0}, [f"{AT}/time_to_live"]),
        "too long a time to live": ({"_reserve": True, "time_to_live": 86_401}, [f"{AT}/time_to_live"]),
        "a reservation that is neither": ({"_reserve": "perhaps"}, [f"{AT}/_reserve"]),
        "a long reference": ({"reference": "x" * 256}, [f"{AT}/reference"]),
        "metadata as a text": ({"metadata": "x"}, [f"{AT}/metadata"]),
        "codes as a text": ({"coupon_codes": "SUMMER-26"}, [f"{AT}/coupon_codes"]),
        "a trigger of another time": ({"_commit": True}, [f"{AT}/_commit"]),
        "what is worked out": ({"discount_cents": -5, "status": "committed"}, [f"{AT}/discount_cents", f"{AT}/status"]),
    }.values(),
)
def test_bad_input_is_refused_by_name(api: Api, coupon: Coupon, attributes: dict[str, Any], pointers: list[str]):
    with nothing_written():
        answer = post(api, {"coupon_code": "SUMMER-26", **attributes})
    assert answer.status_code == 422, answer.content
    assert sorted({each["source"]["pointer"] for each in answer.json()["errors"]}) == pointers


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_cannot_be_stored_is_no_server_error(api: Api, coupon: Coupon, text: str):
    for attributes in ({"reference": text}, {"metadata": {"a": text}}, {"metadata": {text: 1}}, {"coupon_code": text}):
        with nothing_written():
            answer = post(api, {"coupon_code": "SUMMER-26", "amount_cents": 10_000, **attributes})
        assert answer.status_code in (400, 422), (attributes, answer.content)


def test_the_id_is_given_by_the_server(api: Api, coupon: Coupon):
    body = document(
        "redemptions", {"currency_code": "EUR", "amount_cents": 1, "coupon_code": "SUMMER-26"}, "wBXVhKzrnq"
    )
    with nothing_written():
        answer = api.post("redemptions", body)
    assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data/id"})


def test_only_the_market_can_be_named(api: Api, acme: Organization, coupon: Coupon):
    customer = factories.customer(acme)
    cart = {"currency_code": "EUR", "amount_cents": 1000, "coupon_code": "SUMMER-26"}
    with nothing_written():
        answer = api.post("redemptions", document("redemptions", cart, customer=customer))
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/customer"})
    answer = api.post("redemptions", document("redemptions", cart, market=factories.market(acme)))
    assert answer.status_code == 201


# --- Limits ---------------------------------------------------------------------------------------


def test_a_coupon_is_used_as_often_as_it_may_be(api: Api, coupon: Coupon):
    Coupon.objects.update(usage_limit=2)
    for _ in range(2):
        redeem(api, "SUMMER-26")
    assert why(attempt(api, "SUMMER-26")) == [(f"{AT}/coupon_codes/0", "coupon_usage_reached")]
    assert counts(coupon) == (2, 2)


def test_codes_of_one_promotion_share_its_limit(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme, total_usage_limit=2)
    codes = [coupon_of(promotion, f"SUMMER-{number}").code for number in range(3)]
    for code in codes[:2]:
        redeem(api, code)
    assert why(attempt(api, coupon_code=codes[2])) == [(f"{AT}/coupon_code", "promotion_usage_reached")]
    promotion.refresh_from_db()
    assert promotion.total_usage_count == 2


@pytest.mark.parametrize("email", ["ada@example.com", " Ada@Example.com", "ＡＤＡ@example.com"])
def test_a_customer_uses_a_single_use_coupon_once_however_its_address_is_spelt(api: Api, coupon: Coupon, email: str):
    Coupon.objects.update(customer_single_use=True)
    redeem(api, "SUMMER-26", customer_email=EMAIL)
    answer = post(api, {"coupon_code": "SUMMER-26", "amount_cents": 10_000, "customer_email": email})
    assert answer.status_code == 422
    redeem(api, "SUMMER-26", customer_email="grace@example.com")
    with nothing_written():
        assert why(attempt(api, coupon_code="SUMMER-26")) == [(f"{AT}/coupon_code", "customer_unknown")]
    assert counts(coupon) == (2, 2)
    assert usages() == {"e:ada@example.com": 1, "e:grace@example.com": 1}


def test_a_customer_is_known_by_its_account_too(api: Api, acme: Organization, coupon: Coupon):
    """Who changes the address of the account is the same customer still, and who had the address before too."""
    Coupon.objects.update(customer_single_use=True)
    customer = factories.customer(acme, email=EMAIL)
    redemption = redeem(api, "SUMMER-26", customer_email=EMAIL)
    assert redemption.customer == customer
    assert usages() == {f"c:{customer.pk}": 1, "e:ada@example.com": 1}
    assert api.update(customer, {"email": "ada@new.example"}).status_code == 200
    for email in (EMAIL, "ada@new.example"):
        answer = attempt(api, coupon_code="SUMMER-26", customer_email=email)
        assert why(answer) == [(f"{AT}/coupon_code", "already_used_by_customer")]
    assert api.update(redemption, {"_cancel": True}).status_code == 200
    assert usages() == {f"c:{customer.pk}": 0, "e:ada@example.com": 0}
    redeem(api, "SUMMER-26", customer_email="ada@new.example")
    assert usages() == {f"c:{customer.pk}": 1, "e:ada@example.com": 0, "e:ada@new.example": 1}


def test_a_coupon_that_becomes_single_use_knows_who_has_used_it(api: Api, coupon: Coupon):
    first = redeem(api, "SUMMER-26", customer_email=EMAIL)
    redeem(api, "SUMMER-26", customer_email=EMAIL)
    assert usages() == {}
    assert api.update(coupon, {"customer_single_use": True}).status_code == 200
    assert usages() == {"e:ada@example.com": 2}
    assert api.update(first, {"_cancel": True}).status_code == 200
    assert usages() == {"e:ada@example.com": 1}
    attempt(api, coupon_code="SUMMER-26", customer_email=EMAIL)


def test_a_coupon_meant_for_somebody_is_used_by_nobody_else(api: Api, acme: Organization):
    recipient = factories.recipient(acme, email="Ada@Example.com")
    coupon_of(factories.percentage_promotion(acme), "FOR-ADA-1", coupon_recipient=recipient)
    assert why(attempt(api, coupon_code="FOR-ADA-1")) == [(f"{AT}/coupon_code", "recipient_unknown")]
    others = attempt(api, coupon_code="FOR-ADA-1", customer_email="grace@example.com")
    assert why(others) == [(f"{AT}/coupon_code", "recipient_mismatch")]
    redeem(api, "FOR-ADA-1", customer_email=EMAIL)


LOST: dict[str, tuple[str, str, str, str]] = {
    # what somebody else has in the meantime -> where it is counted, how, the pointer and the reason
    "coupon": ("coupons_coupon", "usage_count = 1", f"{AT}/coupon_code", "coupon_usage_reached"),
    "promotion": ("promotions_promotion", "total_usage_count = 1", f"{AT}/coupon_code", "promotion_usage_reached"),
    "customer": ("coupons_customerusage", "usage_count = 1", f"{AT}/coupon_code", "already_used_by_customer"),
    "automatic": ("promotions_promotion", "total_usage_count = 1", "/data", "promotion_usage_reached"),
}


@pytest.mark.parametrize("what", LOST)
@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "key-1"}])
def test_a_use_that_somebody_else_has_in_the_meantime_is_refused(
    api: Api, acme: Organization, coupon: Coupon, what: str, headers: dict[str, str]
):
    """Between the evaluation, which finds it free, and the count."""
    table, had, pointer, reason = LOST[what]
    limit = 1 if what == "promotion" else None
    Coupon.objects.update(usage_limit=1, customer_single_use=True)
    Promotion.objects.update(total_usage_limit=limit)
    if what == "automatic":
        factories.fixed_amount_promotion(acme, total_usage_limit=1)
    CustomerUsage.objects.create(coupon=coupon, customer_key="e:ada@example.com")

    def first_somebody_else(execute: Any, sql: str, *rest: Any) -> Any:
        if table in sql and sql.startswith(("UPDATE", "INSERT")) and had not in sql:
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET {had}")
        return execute(sql, *rest)

    with nothing_written(), connection.execute_wrapper(first_somebody_else):
        cart = {"coupon_code": "SUMMER-26", "amount_cents": 10_000, "customer_email": EMAIL}
        answer = post(api, cart, **headers)
    assert why(answer) == [(pointer, reason)]
    assert (counts(coupon), Redemption.objects.count()) == ((0, 0), 0)
    assert usages() == {"e:ada@example.com": 0}


# --- Reservations ---------------------------------------------------------------------------------


def status(api: Api, redemption: Redemption) -> str:
    return api.data(path_of(redemption))["attributes"]["status"]


def test_a_reservation_counts_and_becomes_final(api: Api, coupon: Coupon, travel: Travel):
    redemption = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    told = api.data(path_of(redemption))["attributes"]
    assert (told["status"], told["reserved_until"]) == ("reserved", "2026-06-15T12:01:00.000Z")
    assert (told["committed_at"], counts(coupon)) == (None, (1, 1))
    travel(NOW + timedelta(seconds=59))
    for _ in range(2):
        answer = api.update(redemption, {"_commit": True})
        told = answer.json()["data"]["attributes"]
        assert (answer.status_code, told["status"], told["reserved_until"]) == (200, "committed", None)
        assert told["committed_at"] == "2026-06-15T12:00:59.000Z"
        travel(NOW + timedelta(seconds=120))
    assert counts(coupon) == (1, 1)


def test_a_reservation_lasts_fifteen_minutes_unless_told(api: Api, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26", _reserve=True)
    assert redemption.reserved_until == NOW + timedelta(minutes=15)


@pytest.mark.parametrize("reserved", [True, False])
def test_what_is_cancelled_is_given_back_once(api: Api, acme: Organization, coupon: Coupon, reserved: bool):
    Coupon.objects.update(customer_single_use=True)
    other = redeem(api, "SUMMER-26", customer_email="grace@example.com")
    redemption = redeem(api, "SUMMER-26", _reserve=reserved, customer_email=EMAIL)
    for _ in range(2):
        answer = api.update(redemption, {"_cancel": True})
        told = answer.json()["data"]["attributes"]
        assert (answer.status_code, told["status"]) == (200, "released")
        assert told["released_at"] == "2026-06-15T12:00:00.000Z"
    assert counts(coupon) == (1, 1)
    assert usages() == {"e:ada@example.com": 0, "e:grace@example.com": 1}
    assert status(api, other) == "committed"
    assert told["discount_cents"] == -1000
    redeem(api, "SUMMER-26", customer_email=EMAIL)
    assert counts(coupon) == (2, 2)


def test_what_was_cancelled_cannot_become_final(api: Api, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26", _reserve=True)
    assert api.update(redemption, {"_cancel": True}).status_code == 200
    with nothing_written():
        answer = api.update(redemption, {"_commit": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"{AT}/_commit"})
    assert problem(answer)["detail"] == "_commit - is not possible: the redemption is released"


def test_a_reservation_that_is_over_is_shown_as_expired_and_cannot_become_final(
    api: Api, coupon: Coupon, travel: Travel
):
    redemption = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    travel(NOW + timedelta(seconds=60))
    assert status(api, redemption) == "expired"
    with nothing_written():
        answer = api.update(redemption, {"_commit": True})
    assert problem(answer)["detail"] == "_commit - is not possible: the redemption is expired"
    assert api.update(redemption, {"_cancel": True}).status_code == 200
    assert (status(api, redemption), counts(coupon)) == ("released", (0, 0))


SHORT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # what runs out -> values of the promotion, of the coupon
    "coupon": ({}, {"usage_limit": 1}),
    "promotion": ({"total_usage_limit": 1}, {}),
    "customer": ({}, {"customer_single_use": True}),
}


@pytest.mark.parametrize("what", SHORT)
def test_a_reservation_that_is_over_frees_its_uses_when_somebody_needs_them(
    api: Api, acme: Organization, travel: Travel, what: str
):
    of_promotion, of_coupon = SHORT[what]
    coupon = coupon_of(factories.percentage_promotion(acme, **of_promotion), "SUMMER-26", **of_coupon)
    held = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60, customer_email=EMAIL)
    travel(NOW + timedelta(seconds=59))
    attempt(api, coupon_code="SUMMER-26", customer_email=EMAIL)
    travel(NOW + timedelta(seconds=60))
    redeem(api, "SUMMER-26", customer_email=EMAIL)
    assert (status(api, held), counts(coupon)) == ("released", (1, 1))


def test_a_promotion_without_a_code_is_freed_when_somebody_needs_it(api: Api, acme: Organization, travel: Travel):
    promotion = factories.percentage_promotion(acme, total_usage_limit=1)
    redeem(api, _reserve=True, time_to_live=60)
    attempt(api)
    travel(NOW + timedelta(seconds=60))
    redeem(api)
    promotion.refresh_from_db()
    assert promotion.total_usage_count == 1


def test_an_order_of_ours_frees_what_it_needs_when_the_code_is_given_and_when_it_is_placed(
    api: Api, shop: Shop, acme: Organization, travel: Travel
):
    coupon = coupon_of(factories.percentage_promotion(acme), "SUMMER-26", usage_limit=1)
    held = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    order = shop.order(1000, customer_email=EMAIL)
    assert api.update(order, {"coupon_code": "SUMMER-26"}).status_code == 422
    travel(NOW + timedelta(seconds=60))
    assert api.update(order, {"coupon_code": "SUMMER-26"}).status_code == 200
    assert (status(api, held), counts(coupon)) == ("released", (0, 0))
    held = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    assert api.update(order, {"_place": True}).status_code == 422
    travel(NOW + timedelta(seconds=120))
    assert api.update(order, {"_place": True}).status_code == 200
    assert (status(api, held), counts(coupon)) == ("released", (1, 1))


def test_what_nobody_needs_stays_reserved(api: Api, acme: Organization, coupon: Coupon, travel: Travel):
    held = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    coupon_of(factories.percentage_promotion(acme), "USED-UP-1", usage_limit=0)
    travel(NOW + timedelta(seconds=60))
    attempt(api, coupon_code="USED-UP-1")
    assert status(api, held) == "expired"


def test_reservations_that_are_over_are_freed_for_a_refusal_too(api: Api, acme: Organization, travel: Travel):
    """What the refusal is about has nothing to do with it."""
    coupon = coupon_of(factories.percentage_promotion(acme), "SUMMER-26", usage_limit=1)
    factories.order_amount_rule(coupon.promotion_rule.promotion, order_amount_cents=10_000)
    held = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    travel(NOW + timedelta(seconds=60))
    answer = post(api, {"coupon_code": "SUMMER-26", "amount_cents": 100})
    assert why(answer) == [(f"{AT}/coupon_code", "order_amount_too_low")]
    assert (status(api, held), counts(coupon)) == ("released", (0, 0))


def test_triggers_that_contradict_each_other_are_refused(api: Api, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26", _reserve=True)
    with nothing_written():
        answer = api.update(redemption, {"_commit": True, "_cancel": True})
    assert answer.status_code == 422


def test_reference_and_metadata_may_be_changed_and_nothing_else(api: Api, acme: Organization, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26")
    answer = api.update(redemption, {"reference": "R-2", "metadata": {"a": 1}})
    assert (answer.status_code, answer.json()["data"]["attributes"]["reference"]) == (200, "R-2")
    for attributes in ({"discount_cents": 0}, {"status": "released"}, {"customer_email": "x@example.com"}):
        with nothing_written():
            api.update(redemption, attributes)
    assert api.destroy(redemption).status_code == 405


# --- Lists ----------------------------------------------------------------------------------------


def test_they_are_listed_by_status(api: Api, coupon: Coupon, travel: Travel):
    committed = redeem(api, "SUMMER-26")
    reserved = redeem(api, "SUMMER-26", _reserve=True, time_to_live=120)
    expired = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    released = redeem(api, "SUMMER-26")
    assert api.update(released, {"_cancel": True}).status_code == 200
    travel(NOW + timedelta(seconds=60))
    rows = {"committed": committed, "reserved": reserved, "expired": expired, "released": released}
    for name, row in rows.items():
        assert api.ids(f"redemptions?filter[q][with_status]={name}") == [row.public_id], name
        assert status(api, row) == name
    answer = api.get("redemptions?filter[q][with_status]=lost")
    assert answer.status_code == 400


def test_they_are_listed_by_coupon_promotion_customer_and_order(api: Api, acme: Organization, shop: Shop):
    customer = factories.customer(acme, email=EMAIL)
    coupon = coupon_of(factories.percentage_promotion(acme), "SUMMER-26")
    other = coupon_of(factories.percentage_promotion(acme), "WINTER-26")
    first, second = redeem(api, "SUMMER-26", customer_email=EMAIL), redeem(api, "SUMMER-26", "WINTER-26")
    order = shop.placed(1000, coupon_code="WINTER-26")
    third = Redemption.objects.get(order=order)
    both = {first.public_id, second.public_id}
    assert set(api.ids(f"{path_of(coupon)}/redemptions")) == both
    assert set(api.ids(f"{path_of(other)}/redemptions")) == {second.public_id, third.public_id}
    promotion = coupon.promotion_rule.promotion
    assert set(api.ids(f"percentage_discount_promotions/{promotion.public_id}/redemptions")) == both
    assert set(api.ids(f"promotions/{promotion.public_id}/redemptions")) == both
    assert first.public_id in api.ids(f"{path_of(customer)}/redemptions")
    assert api.ids(f"{path_of(order)}/redemptions") == [third.public_id]
    assert api.data(f"{path_of(third)}/order")["id"] == order.public_id
    assert api.data(f"{path_of(first)}/customer")["id"] == customer.public_id
    assert set(api.ids(f"{path_of(second)}/coupons")) == {coupon.public_id, other.public_id}
    assert len(api.ids(f"{path_of(second)}/promotions")) == 2
    assert api.data(f"redemptions?filter[q][reference_eq]={order.number}")[0]["id"] == third.public_id


def test_an_order_of_ours_makes_the_same_kind_of_row(api: Api, acme: Organization, shop: Shop):
    coupon = coupon_of(factories.percentage_promotion(acme), "SUMMER-26")
    order = shop.placed(1000, coupon_code="SUMMER-26")
    told = api.data(path_of(Redemption.objects.get()))["attributes"]
    assert (told["status"], told["discount_cents"], told["customer_email"]) == ("committed", -100, EMAIL)
    assert (told["reference"], told["evaluation"]) == (order.number, {})
    assert counts(coupon) == (1, 1)


# --- Who may --------------------------------------------------------------------------------------


def test_sales_channels_redeem_nothing(acme: Organization, coupon: Coupon, api: Api):
    redemption = redeem(api, "SUMMER-26")
    customer = factories.customer(acme)
    channel = factories.application(acme, "sales_channel")
    for shopper in (Api(channel, Session()), Shop(acme, api).shopper_of(customer)):
        with nothing_written():
            answers = [
                post(shopper, {"coupon_code": "SUMMER-26", "amount_cents": 1000}),
                shopper.update(redemption, {"_cancel": True}),
                shopper.get("redemptions"),
                shopper.get(path_of(redemption)),
            ]
        assert [answer.status_code for answer in answers] == [401] * 4


def test_nobody_reaches_those_of_another_tenant(api: Api, acme: Organization, coupon: Coupon):
    redemption = redeem(api, "SUMMER-26")
    for stranger in (factories.application(factories.organization()), factories.application(acme, mode="live")):
        other = Api(stranger)
        assert why(attempt(other, coupon_code="SUMMER-26")) == [(f"{AT}/coupon_code", "coupon_not_found")]
        assert other.get(path_of(redemption)).status_code == 404
        assert other.update(redemption, {"_cancel": True}).status_code == 404
        assert other.data("redemptions") == []
    assert counts(coupon) == (1, 1)


# --- External promotions --------------------------------------------------------------------------


def test_services_are_asked_outside_of_the_transaction_and_once(api: Api, acme: Organization, settings: LazySettings):
    with listening() as service:
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        service.answers(orjson.dumps({"success": True, "data": {"name": "Loyalty", "discount_cents": 1500}}))
        promotion = factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        coupon = coupon_of(promotion, "LOYAL-2026")
        assert redeem(api, "LOYAL-2026").discount_cents == -1500
    assert len(service.received) == 1
    assert counts(coupon) == (1, 1)


def test_a_service_that_declines_refuses_the_code(api: Api, acme: Organization, settings: LazySettings):
    with listening() as service:
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        service.answers(b'{"success": false, "error": {"code": "NO", "message": "No such member."}}')
        promotion = factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        coupon = coupon_of(promotion, "LOYAL-2026")
        answer = post(api, {"coupon_code": "LOYAL-2026", "amount_cents": 1000})
    assert why(answer) == [(f"{AT}/coupon_code", "external_failed")]
    assert (counts(coupon), Redemption.objects.count()) == ((0, 0), 0)


# --- Orders that change their mind ----------------------------------------------------------------


def test_a_use_that_leaves_an_edited_order_and_comes_back_is_counted_once(api: Api, acme: Organization, shop: Shop):
    coupon = coupon_of(factories.percentage_promotion(acme), "SUMMER-26")
    other = coupon_of(coupon.promotion_rule.promotion, "WINTER-26")
    order = shop.placed(1000, coupon_code="SUMMER-26")
    Order.objects.filter(pk=order.pk).update(place_total_amount_cents=1000)
    for code, expected in (("WINTER-26", (0, 1)), (None, (0, 0)), ("SUMMER-26", (1, 0)), ("WINTER-26", (0, 1))):
        for attributes in ({"_start_editing": True}, {"coupon_code": code}, {"_stop_editing": True}):
            answer = api.update(order, attributes)
            assert answer.status_code == 200, answer.content
        used = [Coupon.objects.get(pk=each.pk).usage_count for each in (coupon, other)]
        assert (*used,) == expected
        assert counts(coupon)[1] == sum(expected)
        assert Redemption.objects.get(order=order).discount_cents == -100 * sum(expected)
