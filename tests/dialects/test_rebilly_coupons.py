import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import changes
from commerce.models import Event, Mode, Organization, Role
from coupons import upkeep
from coupons.models import Coupon
from promotions.models import NEVER, Promotion
from tests import factories
from tests.client import Api, nothing_written
from tests.dialects.rebilly import FIXED, HOST, ISSUED, PERCENT, ROOT, Rebilly, created, invalid_fields
from tests.factories import BY, NOW
from tests.shopping import Shop, amounts

MEMBERS = [
    *("id", "discount", "restrictions", "redemptionsCount", "status", "description", "issuedTime", "expiredTime"),
    *("revision", "createdTime", "updatedTime", "_links"),
]
Travel = Callable[[datetime], None]


@pytest.fixture
def rebilly(acme: Organization, travel: Travel, unlimited: None) -> Rebilly:
    return Rebilly(factories.application(acme))


def body(**values: Any) -> dict[str, Any]:
    return {"discount": PERCENT, "issuedTime": ISSUED, **values}


def promotion_of(code: str) -> Promotion:
    return Coupon.objects.get(code=code).promotion_rule.promotion


def redeemed(coupon: Coupon, count: int = 1) -> None:
    changes.count(Coupon, coupon.pk, usage_count=count)


# --- Creating -------------------------------------------------------------------------------------


def test_a_coupon_is_created_with_an_id_of_the_server(rebilly: Rebilly):
    answer = rebilly.post("/coupons", body(description="An eighth off", expiredTime="2027-01-01T02:00:00+02:00"))
    document = created(answer)
    assert re.fullmatch("cpn_01[0-9A-HJKMNP-TV-Z]{24}", document["id"])
    location = f"{HOST}/organizations/acme/coupons/{document['id']}"
    assert list(document) == MEMBERS
    assert document == {
        "id": document["id"],
        "discount": {"type": "percent", "value": 12.5, "context": "items"},
        "restrictions": [],
        "redemptionsCount": 0,
        "status": "issued",
        "description": "An eighth off",
        "issuedTime": "2026-06-01T00:00:00Z",
        "expiredTime": "2027-01-01T00:00:00Z",
        "revision": 1,
        "createdTime": "2026-06-15T12:00:00Z",
        "updatedTime": "2026-06-15T12:00:00Z",
        "_links": [{"rel": "self", "href": location}],
    }
    assert answer["Location"] == location
    assert answer["Content-Type"] == "application/json"
    assert rebilly.get(f"/coupons/{document['id']}").json() == document


def test_a_coupon_is_a_promotion_that_its_code_opens(rebilly: Rebilly, api: Api):
    rebilly.coupon("SUMMER", description="An eighth off")
    (promotion,) = api.data("percentage_discount_promotions")
    assert promotion["attributes"]["name"] == "An eighth off"
    assert promotion["attributes"]["percentage"] == 12.5
    assert promotion["attributes"]["starts_at"] == "2026-06-01T00:00:00.000Z"
    (coupon,) = api.data("coupons")
    assert coupon["attributes"]["code"] == "SUMMER"
    assert Coupon.objects.get().only_code == "SUMMER"
    assert promotion_of("SUMMER").expires_at == NEVER


def test_without_a_description_the_promotion_is_named_after_the_coupon(rebilly: Rebilly):
    assert rebilly.coupon("SUMMER")["description"] == ""
    assert promotion_of("SUMMER").name == 'Coupon "SUMMER"'


def test_read_only_members_are_ignored_and_unknown_ones_not_echoed(rebilly: Rebilly):
    read_only = {"id": "MINE", "status": "expired", "redemptionsCount": 9, "revision": 9, "_links": []}
    times = {"createdTime": ISSUED, "updatedTime": ISSUED}
    discount = {**PERCENT, "colour": "red"}
    document = created(rebilly.post("/coupons", body(**read_only, **times, colour="red", discount=discount)))
    assert document["id"].startswith("cpn_")
    assert (document["status"], document["redemptionsCount"], document["revision"]) == ("issued", 0, 1)
    assert document["createdTime"] == "2026-06-15T12:00:00Z"
    assert list(document) == MEMBERS
    assert document["discount"] == PERCENT


@pytest.mark.parametrize("path", ["/coupons", "/coupons/"])
@pytest.mark.parametrize("root", [ROOT, ""])
def test_paths_are_served_with_and_without_a_slash_and_an_organization(rebilly: Rebilly, root: str, path: str):
    answer = rebilly.post(path, body(), root=root)
    document = created(answer)
    assert answer["Location"] == f"{HOST}{ROOT}/coupons/{document['id']}" == document["_links"][0]["href"]
    assert [one["id"] for one in rebilly.get(path, root=root).json()] == [document["id"]]


@pytest.mark.parametrize(
    ("discount", "told"),
    [
        ({"type": "percent", "value": 100}, {"type": "percent", "value": 100, "context": "items"}),
        ({"type": "percent", "value": 0.01}, {"type": "percent", "value": 0.01, "context": "items"}),
        (
            {"type": "percent", "value": 33.3333, "context": "shipping"},
            {"type": "percent", "value": 33.3333, "context": "shipping"},
        ),
        (
            {"type": "fixed", "amount": 0.01, "currency": "EUR", "context": "items-and-shipping"},
            {"type": "fixed", "amount": 0.01, "currency": "EUR", "context": "items-and-shipping"},
        ),
        (
            {"type": "fixed", "amount": 1500, "currency": "JPY", "context": None},
            {"type": "fixed", "amount": 1500, "currency": "JPY", "context": "items"},
        ),
        (
            {"type": "fixed", "amount": 1.005, "currency": "KWD"},
            {"type": "fixed", "amount": 1.005, "currency": "KWD", "context": "items"},
        ),
    ],
    ids=lambda value: str(value.get("amount", value.get("value"))),
)
def test_discounts_are_told_as_they_were_sent(rebilly: Rebilly, discount: dict[str, Any], told: dict[str, Any]):
    assert rebilly.coupon("A", discount=discount)["discount"] == told


def test_discounts_are_kept_exactly(rebilly: Rebilly):
    rebilly.coupon("A", discount={"type": "percent", "value": 33.3333, "context": "items-and-shipping"})
    rebilly.coupon("B", discount={"type": "fixed", "amount": 1.005, "currency": "KWD"})
    a, b = promotion_of("A"), promotion_of("B")
    assert (a.kind, a.percentage, a.discount_context) == (
        "percentage_discount",
        Decimal("33.3333"),
        "items_and_shipping",
    )
    assert (b.kind, b.fixed_amount_cents, b.currency_code, b.percentage) == ("fixed_amount", 1005, "KWD", None)


FROM_ONE_CENT = "must be from 0.01 to 90071992547409.91"
WHOLE = "must be a whole number from 0 to 9007199254740991"
WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "nothing": (
        {"discount": None, "issuedTime": None},
        [("discount", "This field may not be null."), ("issuedTime", "This field may not be null.")],
    ),
    "discount of no type": ({"discount": {}}, [("discount.type", "must be one of fixed, percent")]),
    "discount as text": ({"discount": "5"}, [("discount.type", "must be one of fixed, percent")]),
    "no value": ({"discount": {"type": "percent"}}, [("discount.value", "This field is required.")]),
    "value as text": ({"discount": PERCENT | {"value": "5"}}, [("discount.value", "must be a number")]),
    "value as boolean": ({"discount": PERCENT | {"value": True}}, [("discount.value", "must be a number")]),
    "value too low": ({"discount": PERCENT | {"value": 0.009}}, [("discount.value", "must be from 0.01 to 100")]),
    "value too high": ({"discount": PERCENT | {"value": 100.01}}, [("discount.value", "must be from 0.01 to 100")]),
    "value too fine": (
        {"discount": PERCENT | {"value": 5.00001}},
        [("discount.value", "must not have more than 4 decimals")],
    ),
    "context": (
        {"discount": PERCENT | {"context": "gifts"}},
        [("discount.context", "must be one of items, shipping, items-and-shipping")],
    ),
    "nothing off": ({"discount": FIXED | {"amount": 0}}, [("discount.amount", FROM_ONE_CENT)]),
    "amount below a cent": ({"discount": FIXED | {"amount": 0.001}}, [("discount.amount", FROM_ONE_CENT)]),
    "amount too large": ({"discount": FIXED | {"amount": 1e300}}, [("discount.amount", FROM_ONE_CENT)]),
    "amount too fine": (
        {"discount": FIXED | {"amount": 1.234}},
        [("discount.amount", "must not have more than 2 decimals")],
    ),
    "amount of whole units": (
        {"discount": FIXED | {"amount": 1.5, "currency": "JPY"}},
        [("discount.amount", "must be whole")],
    ),
    "currency": (
        {"discount": FIXED | {"currency": "EURO"}},
        [("discount.currency", "must be a currency of ISO 4217")],
    ),
    "day": ({"issuedTime": "2026-06-01"}, [("issuedTime", "must be a time such as 2026-01-31T12:00:00Z")]),
    "time without a zone": (
        {"issuedTime": "2026-06-01T00:00:00"},
        [("issuedTime", "must be a time such as 2026-01-31T12:00:00Z")],
    ),
    "time as a number": ({"issuedTime": 5}, [("issuedTime", "must be text")]),
    "impossible time": ({"issuedTime": "2026-02-30T00:00:00Z"}, [("issuedTime", "day is out of range for month")]),
    "beyond the calendar": (
        {"issuedTime": "0001-01-01T00:00:00+10:00"},
        [("issuedTime", "is beyond the times there are")],
    ),
    "the last second": (
        {"issuedTime": "9999-12-31T23:59:59Z"},
        [("issuedTime", "is beyond the times there are")],
    ),
    "expired before it is issued": ({"expiredTime": ISSUED}, [("expiredTime", "must be later than issuedTime")]),
    "description": ({"description": 5}, [("description", "Not a valid string.")]),
    "several": (
        {"description": 5, "expiredTime": "tomorrow"},
        [("description", "Not a valid string."), ("expiredTime", "must be a time such as 2026-01-31T12:00:00Z")],
    ),
}


@pytest.mark.parametrize("_case", WRONG)
def test_what_cannot_be_taken_is_named(rebilly: Rebilly, _case: str):
    values, problems = WRONG[_case]
    with nothing_written():
        assert invalid_fields(rebilly.post("/coupons", body(**values))) == problems


def test_numbers_without_end_are_refused_by_name(rebilly: Rebilly):
    sent = b'{"issuedTime": "2026-06-01T00:00:00Z", "discount": {"type": "percent", "value": %s}}'
    for number in (b"1e999999", b"1e-999999", b"1" * 400, b"1." + b"0" * 400 + b"1"):
        assert invalid_fields(rebilly.post("/coupons", sent % number))[0][0] in ("discount.value", "")


# --- Restrictions ---------------------------------------------------------------------------------

RESTRICTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "discounts-per-redemption", "quantity": 2}, {"discounts_per_redemption": 2}),
    ({"type": "redemptions-per-customer", "quantity": 1}, {"customer_usage_limit": 1}),
    ({"type": "total-redemptions", "quantity": 0}, {"total_usage_limit": 0}),
    ({"type": "restrict-to-exclusive-application"}, {"exclusive_by_size": True}),
    (
        {"type": "maximum-order-amount", "amount": 900.5, "currency": "EUR"},
        {"type": "maximum_order_amount", "amount_cents": 90050, "currency_code": "EUR"},
    ),
    (
        {"type": "minimum-order-amount", "amount": 100, "currency": "JPY"},
        {"type": "minimum_order_amount", "amount_cents": 100, "currency_code": "JPY"},
    ),
    (
        {"type": "paid-by-time", "time": "2026-12-31T00:00:00Z"},
        {"type": "paid_by", "time": "2026-12-31T00:00:00Z"},
    ),
    (
        {
            "type": "restrict-to-bxgy",
            "buy": [{"planId": "a", "quantity": 2}, {"planId": "b", "quantity": 1}],
            "get": [{"planId": "c", "quantity": 1}],
        },
        {
            "type": "buy_get",
            "buy": [{"code": "a", "quantity": 2}, {"code": "b", "quantity": 1}],
            "get": [{"code": "c", "quantity": 1}],
        },
    ),
    (
        {"type": "restrict-to-countries", "countries": ["IT", "AT"]},
        {"type": "countries", "country_codes": ["IT", "AT"]},
    ),
    (
        {"type": "restrict-to-customer-tags", "tags": ["vip", "new"], "requireAllTags": True},
        {"type": "customer_tags", "tags": ["vip", "new"], "all_tags": True},
    ),
    ({"type": "restrict-to-customers", "customerIds": ["c-1"]}, {"type": "customers", "names": ["c-1"]}),
    ({"type": "restrict-to-invoices", "invoiceIds": ["in-1"]}, {"type": "orders", "names": ["in-1"]}),
    ({"type": "restrict-to-subscriptions", "subscriptionIds": ["s"]}, {"type": "subscriptions", "names": ["s"]}),
    ({"type": "restrict-to-plans", "planIds": ["p", "q"]}, {"type": "plans", "codes": ["p", "q"]}),
    (
        {"type": "restrict-to-products", "productIds": ["p"], "minimumQuantity": 3},
        {"type": "products", "codes": ["p"], "min_quantity": 3},
    ),
]


@pytest.mark.parametrize(("sent", "kept"), RESTRICTIONS, ids=lambda value: value.get("type"))
def test_restrictions_are_those_of_the_core_and_told_as_sent(
    rebilly: Rebilly, sent: dict[str, Any], kept: dict[str, Any]
):
    document = rebilly.coupon("A", restrictions=[{**sent, "unknown": 1}])
    assert document["restrictions"] == [sent]
    promotion = promotion_of("A")
    if "type" in kept:
        assert promotion.restrictions == [kept]
    else:
        assert promotion.restrictions == []
        assert {name: getattr(promotion, name) for name in kept} == kept


@pytest.mark.parametrize("order", [1, -1])
def test_all_fifteen_are_told_in_the_order_they_were_sent_in(rebilly: Rebilly, order: int):
    sent = [one for one, _ in RESTRICTIONS][::order]
    assert rebilly.coupon("A", restrictions=sent)["restrictions"] == sent
    assert rebilly.get("/coupons/A").json()["restrictions"] == sent


@pytest.mark.parametrize("order", ["total-redemptions", 5, [{}, 5, None, "total-redemptions"]])
def test_whatever_else_holds_their_order_they_are_told(rebilly: Rebilly, api: Api, order: Any):
    sent = [{"type": "redemptions-per-customer", "quantity": 1}, {"type": "total-redemptions", "quantity": 1}]
    rebilly.coupon("A", restrictions=sent)
    assert api.update(promotion_of("A"), {"metadata": {"rebilly_restrictions": order}}).status_code == 200
    told = rebilly.get("/coupons/A").json()["restrictions"]
    assert sorted(told, key=lambda one: one["type"]) == sent


def test_null_is_as_good_as_nothing(rebilly: Rebilly):
    plans = {"type": "restrict-to-plans", "planIds": ["a"]}
    document = rebilly.coupon(
        "A",
        discount=PERCENT | {"context": None},
        restrictions=[plans | {"minimumQuantity": None}],
        description=None,
        expiredTime=None,
    )
    assert (document["discount"], document["restrictions"]) == (PERCENT, [plans])
    assert promotion_of("A").restrictions == [{"type": "plans", "codes": ["a"]}]
    assert rebilly.put("/coupons/A", body(restrictions=None)).json()["restrictions"] == []
    made = rebilly.post(
        "/coupons-redemptions",
        {"couponId": "A", "customerId": None, "additionalRestrictions": [plans | {"minimumQuantity": None}]},
    )
    assert created(made)["additionalRestrictions"] == [plans]
    tags = {"type": "restrict-to-customer-tags", "tags": ["vip"], "requireAllTags": None}
    refused = rebilly.put("/coupons/B", body(restrictions=[tags]))
    assert invalid_fields(refused) == [("restrictions.0.requireAllTags", "This field may not be null.")]


def test_an_order_of_their_own_is_forgotten_with_them(rebilly: Rebilly):
    limits = [{"type": "total-redemptions", "quantity": 1}, {"type": "redemptions-per-customer", "quantity": 1}]
    rebilly.coupon("A", restrictions=limits)
    assert promotion_of("A").metadata == {"rebilly_restrictions": ["total-redemptions", "redemptions-per-customer"]}
    rebilly.put("/coupons/A", body(restrictions=limits[::-1]))
    assert promotion_of("A").metadata == {}


TYPES = ", ".join(sorted(one["type"] for one, _ in RESTRICTIONS))
UNITS = [{"planId": "a", "quantity": 1}]
WRONG_RESTRICTIONS: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "no array": ({}, [("restrictions", "must be an array of objects")]),
    "no object": ([5], [("restrictions.0.type", f"must be one of {TYPES}")]),
    "unknown type": ([{"type": "restrict-to-moons"}], [("restrictions.0.type", f"must be one of {TYPES}")]),
    "twice": (
        [{"type": "total-redemptions", "quantity": 1}] * 2,
        [("restrictions.1.type", "total-redemptions is there twice")],
    ),
    "no quantity": ([{"type": "total-redemptions"}], [("restrictions.0.quantity", "This field is required.")]),
    "quantity below zero": (
        [{"type": "redemptions-per-customer", "quantity": -1}],
        [("restrictions.0.quantity", WHOLE)],
    ),
    "quantity with a fraction": (
        [{"type": "discounts-per-redemption", "quantity": 1.5}],
        [("restrictions.0.quantity", WHOLE)],
    ),
    "quantity as text": (
        [{"type": "total-redemptions", "quantity": "1"}],
        [("restrictions.0.quantity", "must be a number")],
    ),
    "amount below zero": (
        [{"type": "minimum-order-amount", "amount": -1, "currency": "EUR"}],
        [("restrictions.0.amount", "must be from 0.00 to 90071992547409.91")],
    ),
    "amount without a currency": (
        [{"type": "maximum-order-amount", "amount": 1}],
        [("restrictions.0.currency", "This field is required.")],
    ),
    "amount too fine": (
        [{"type": "maximum-order-amount", "amount": 1.001, "currency": "EUR"}],
        [("restrictions.0.amount", "must not have more than 2 decimals")],
    ),
    "time": (
        [{"type": "paid-by-time", "time": "soon"}],
        [("restrictions.0.time", "must be a time such as 2026-01-31T12:00:00Z")],
    ),
    "country": (
        [{"type": "restrict-to-countries", "countries": ["IT", "it"]}],
        [("restrictions.0.countries.1", "must be two upper-case letters")],
    ),
    "tags": (
        [{"type": "restrict-to-customer-tags", "tags": [5]}],
        [
            ("restrictions.0.tags.0", "Not a valid string."),
            ("restrictions.0.requireAllTags", "This field is required."),
        ],
    ),
    "flag": (
        [{"type": "restrict-to-customer-tags", "tags": ["a"], "requireAllTags": 1}],
        [("restrictions.0.requireAllTags", "must be true or false")],
    ),
    "nobody": (
        [{"type": "restrict-to-customers", "customerIds": []}],
        [("restrictions.0.customerIds", "Ensure this field has at least 1 elements.")],
    ),
    "minimum quantity": (
        [{"type": "restrict-to-plans", "planIds": ["a"], "minimumQuantity": 0}],
        [("restrictions.0.minimumQuantity", "must be a whole number from 1 to 9007199254740991")],
    ),
    "plan too long": (
        [{"type": "restrict-to-plans", "planIds": ["a" * 51]}],
        [("restrictions.0.planIds.0", "Ensure this field has no more than 50 characters.")],
    ),
    "plan twice": (
        [{"type": "restrict-to-bxgy", "buy": UNITS * 2, "get": UNITS}],
        [("restrictions.0.buy", "must not name a plan twice")],
    ),
    "nothing to buy": (
        [{"type": "restrict-to-bxgy", "buy": [], "get": [{"planId": "a", "quantity": 0}]}],
        [
            ("restrictions.0.buy", "Ensure this field has at least 1 elements."),
            ("restrictions.0.get.0.quantity", "must be a whole number from 1 to 9007199254740991"),
        ],
    ),
    "the second": (
        [{"type": "restrict-to-exclusive-application"}, {"type": "restrict-to-invoices"}],
        [("restrictions.1.invoiceIds", "This field is required.")],
    ),
}


@pytest.mark.parametrize("_case", WRONG_RESTRICTIONS)
def test_restrictions_that_cannot_be_kept_are_named(rebilly: Rebilly, _case: str):
    sent, problems = WRONG_RESTRICTIONS[_case]
    with nothing_written():
        assert invalid_fields(rebilly.post("/coupons", body(restrictions=sent))) == problems


# --- Upserting ------------------------------------------------------------------------------------


def test_put_creates_under_the_id_and_then_replaces(rebilly: Rebilly, travel: Travel):
    limited = [{"type": "total-redemptions", "quantity": 5}]
    answer = rebilly.put("/coupons/Summer~26/", body(description="Summer", restrictions=limited))
    assert created(answer)["id"] == "Summer~26"
    assert answer["Location"] == f"{HOST}/organizations/acme/coupons/Summer~26"
    travel(NOW + timedelta(seconds=1.5))
    answer = rebilly.put("/coupons/Summer~26", body(discount=FIXED, expiredTime="2026-07-01T00:00:00.25Z"))
    assert answer.status_code == 200
    assert "Location" not in answer
    assert answer.json() == {
        "id": "Summer~26",
        "discount": FIXED,
        "restrictions": [],
        "redemptionsCount": 0,
        "status": "issued",
        "description": "",
        "issuedTime": "2026-06-01T00:00:00Z",
        "expiredTime": "2026-07-01T00:00:00.25Z",
        "revision": 2,
        "createdTime": "2026-06-15T12:00:00Z",
        "updatedTime": "2026-06-15T12:00:01.5Z",
        "_links": [{"rel": "self", "href": f"{HOST}/organizations/acme/coupons/Summer~26"}],
    }
    assert Promotion.objects.get().kind == "fixed_amount"
    assert rebilly.get("/coupons/Summer~26").json() == answer.json()


def test_a_modification_is_one_revision_whatever_it_changes(rebilly: Rebilly, acme: Organization, travel: Travel):
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SHARED-1")
    assert rebilly.coupon("A")["revision"] == 1
    only_one = [{"discount": FIXED}, {"expiredTime": "2026-08-01T00:00:00Z", "discount": FIXED}]
    both = [{"expiredTime": "2026-09-01T00:00:00Z"}, {"discount": FIXED}]
    for count, values in enumerate([*only_one, *both], 1):
        travel(NOW + timedelta(hours=count))
        assert rebilly.put("/coupons/A", body(**values)).json()["revision"] == count + 1
    assert {one["id"]: one["revision"] for one in rebilly.get("/coupons").json()} == {"SHARED-1": 1, "A": 5}


def test_ids_are_the_same_whatever_their_case(rebilly: Rebilly):
    rebilly.coupon("Summer")
    assert rebilly.get("/coupons/SUMMER").json()["id"] == "Summer"
    assert rebilly.put("/coupons/sUMMER", body(discount=FIXED)).json()["id"] == "Summer"
    assert Coupon.objects.count() == 1


def test_nothing_is_written_where_nothing_changes(rebilly: Rebilly, travel: Travel):
    before = rebilly.coupon("A", restrictions=[one for one, _ in RESTRICTIONS])
    travel(NOW + timedelta(hours=1))
    with nothing_written():
        assert rebilly.put("/coupons/A", body(restrictions=before["restrictions"])).json() == before


def test_the_promotion_of_another_api_is_replaced_whole(rebilly: Rebilly, acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme, total_usage_limit=7))
    factories.coupon(rule, code="SHARED-1", usage_limit=3, customer_single_use=True)
    answer = rebilly.put("/coupons/SHARED-1", body(discount=FIXED))
    assert answer.status_code == 200
    assert (answer.json()["restrictions"], answer.json()["expiredTime"]) == ([], None)
    assert answer.json()["discount"] == FIXED


def test_a_redeemed_coupon_cannot_be_changed(rebilly: Rebilly):
    rebilly.coupon("A")
    redeemed(Coupon.objects.get())
    with nothing_written():
        answer = rebilly.put("/coupons/A", body())
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "The coupon has been redeemed.",
    }


def test_one_whose_redemption_was_given_back_cannot_be_changed(rebilly: Rebilly, acme: Organization):
    rebilly.coupon("A")
    coupon = Coupon.objects.get()
    factories.redemption(acme, (coupon.promotion_rule.promotion, coupon))
    assert rebilly.put("/coupons/A", body()).status_code == 409


def test_a_definition_that_other_codes_share_cannot_be_changed(rebilly: Rebilly, acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(rule, code="SHARED-1")
    factories.coupon(rule, code="SHARED-2")
    with nothing_written():
        answer = rebilly.put("/coupons/SHARED-1", body())
    assert (answer.status_code, answer.json()["detail"]) == (409, "Other coupons open the same promotion.")


def of_flex(acme: Organization) -> Promotion:
    return factories.flex_promotion(acme)


def of_shipping(acme: Organization) -> Promotion:
    return factories.free_shipping_promotion(acme)


def of_balance(acme: Organization) -> Promotion:
    return factories.fixed_amount_promotion(acme, declining_balance=True)


def of_market(acme: Organization) -> Promotion:
    return factories.percentage_promotion(acme, market=factories.market(acme))


def of_listed(acme: Organization) -> Promotion:
    return factories.fixed_amount_promotion(acme, sku_list=factories.sku_list(acme))


def of_rules(acme: Organization) -> Promotion:
    promotion = factories.percentage_promotion(acme)
    factories.custom_rule(promotion)
    return promotion


@pytest.mark.parametrize("make", [of_flex, of_shipping, of_balance, of_market, of_listed, of_rules])
def test_a_definition_with_more_than_can_be_said_here_cannot_be_changed(
    rebilly: Rebilly, acme: Organization, make: Callable[[Organization], Promotion]
):
    factories.coupon(factories.coupon_rule(make(acme)), code="SUMMER-26")
    with nothing_written():
        answer = rebilly.put("/coupons/SUMMER-26", body())
    assert answer.status_code == 409
    assert answer.json()["detail"] == "There is more to this coupon than can be said here."


@pytest.mark.parametrize("restrictions", [[], [{"type": "paid-by-time", "time": "2027-01-01T00:00:00Z"}]])
def test_until_when_is_paid_cannot_be_changed(rebilly: Rebilly, restrictions: list[Any]):
    paid_by = {"type": "paid-by-time", "time": "2026-12-31T00:00:00Z"}
    rebilly.coupon("A", restrictions=[paid_by])
    with nothing_written():
        answer = rebilly.put("/coupons/A", body(restrictions=restrictions))
    assert invalid_fields(answer) == [("restrictions", "must keep the time until which orders are paid")]
    same = {"type": "paid-by-time", "time": "2026-12-31T02:00:00+02:00"}
    assert rebilly.put("/coupons/A", body(restrictions=[same], discount=FIXED)).status_code == 200


@pytest.mark.parametrize("id", ["a b", "ä", "a" * 51, "a,b", "%00", "a%2Fb", ".", "..", "%2E%2E/"])
def test_an_id_that_is_none_is_not_found(rebilly: Rebilly, id: str):
    with nothing_written():
        assert rebilly.put(f"/coupons/{id}", body()).status_code == 404
        assert rebilly.get(f"/coupons/{id}").status_code == 404


@pytest.mark.parametrize("id", ["@a", "~", "-", ".a", "...", "_", "a" * 50])
def test_any_id_of_the_reference_may_be_chosen(rebilly: Rebilly, id: str):
    assert rebilly.coupon(id)["id"] == id
    assert rebilly.get(f"/coupons/{id}").status_code == 200


# --- Standing -------------------------------------------------------------------------------------


def test_a_coupon_is_a_draft_then_issued_then_expired(rebilly: Rebilly, travel: Travel):
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    times = {"issuedTime": "2026-06-15T13:00:00Z", "expiredTime": "2026-06-15T14:00:00Z"}
    assert rebilly.coupon("A", **times)["status"] == "draft"
    statuses = {}
    for moment in (start - timedelta(milliseconds=1), start, end - timedelta(milliseconds=1), end):
        travel(moment)
        statuses[moment] = rebilly.get("/coupons/A").json()["status"]
        for status in ("draft", "issued", "expired"):
            assert rebilly.listed(f"filter=status:{status}") == (["A"] if status == statuses[moment] else [])
    assert list(statuses.values()) == ["draft", "issued", "issued", "expired"]


def test_a_disabled_definition_is_a_draft(rebilly: Rebilly):
    rebilly.coupon("A")
    promotion = promotion_of("A")
    promotion.disable(NOW)
    with changes.atomic():
        changes.save(promotion, BY)
    assert rebilly.get("/coupons/A").json()["status"] == "draft"
    assert rebilly.listed("filter=status:draft") == ["A"]


def test_redemptions_are_counted_and_are_no_modification(rebilly: Rebilly):
    rebilly.coupon("A")
    redeemed(Coupon.objects.get(), 3)
    document = rebilly.get("/coupons/A").json()
    assert (document["redemptionsCount"], document["revision"]) == (3, 1)
    assert document["updatedTime"] == document["createdTime"]


# --- Expiring -------------------------------------------------------------------------------------


def test_a_coupon_is_given_an_end(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("A")
    travel(NOW + timedelta(minutes=1))
    answer = rebilly.post("/coupons/A/expiration", {"expiredTime": "2026-07-01T00:00:00Z"})
    document = created(answer)
    assert (document["expiredTime"], document["status"], document["revision"]) == ("2026-07-01T00:00:00Z", "issued", 2)
    assert answer["Location"] == f"{HOST}/organizations/acme/coupons/A"
    assert rebilly.get("/coupons/A").json() == document


def test_an_end_that_it_has_already_changes_nothing(rebilly: Rebilly, acme: Organization, travel: Travel):
    same = {"expiredTime": "2026-07-01T00:00:00Z"}
    promotion = factories.percentage_promotion(acme, expires_at=datetime(2026, 7, 1, tzinfo=UTC))
    factories.coupon(factories.coupon_rule(promotion), code="OF-ITS-PROMOTION")
    for code, end in (
        (rebilly.coupon("A", **same)["id"], same),
        (rebilly.coupon("B")["id"], {"expiredTime": "9999-12-31T23:59:59Z"}),
        ("OF-ITS-PROMOTION", same),
    ):
        before = rebilly.get(f"/coupons/{code}").json()
        travel(NOW + timedelta(hours=1))
        with nothing_written():
            assert created(rebilly.post(f"/coupons/{code}/expiration", end)) == before


@pytest.mark.parametrize("sent", [None, "", "2026-06-15T12:00:00Z"])
def test_a_redeemed_coupon_is_ended_now(rebilly: Rebilly, sent: str | None):
    rebilly.coupon("A")
    redeemed(Coupon.objects.get())
    document = created(rebilly.post("/coupons/A/expiration/", {"expiredTime": sent}))
    assert (document["expiredTime"], document["status"]) == ("2026-06-15T12:00:00Z", "expired")
    assert document["redemptionsCount"] == 1


@pytest.mark.parametrize("is_redeemed", [False, True])
def test_an_expired_coupon_cannot_be_ended(rebilly: Rebilly, is_redeemed: bool):
    rebilly.coupon("A", expiredTime="2026-06-15T12:00:00Z")
    if is_redeemed:
        redeemed(Coupon.objects.get())
    with nothing_written():
        answer = rebilly.post("/coupons/A/expiration", {"expiredTime": "2026-07-01T00:00:00Z"})
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "The coupon has expired.",
        "error": "The coupon has expired.",
    }


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"expiredTime": ISSUED}, "must be after the start"),
        ({"expiredTime": "2026-05-31T00:00:00Z"}, "must be after the start"),
        ({"expiredTime": "now"}, "must be a time such as 2026-01-31T12:00:00Z"),
        ({}, "This field is required."),
        (None, "This field is required."),
    ],
)
def test_an_end_that_is_none_is_refused(rebilly: Rebilly, sent: Any, problem: str):
    rebilly.coupon("A")
    with nothing_written():
        assert invalid_fields(rebilly.post("/coupons/A/expiration", sent)) == [("expiredTime", problem)]


def test_a_draft_cannot_be_ended_before_it_begins(rebilly: Rebilly):
    rebilly.coupon("A", issuedTime="2026-07-01T00:00:00Z")
    answer = rebilly.post("/coupons/A/expiration", {"expiredTime": None})
    assert invalid_fields(answer) == [("expiredTime", "must be after the start")]


def test_a_coupon_ends_no_later_than_its_promotion(rebilly: Rebilly, acme: Organization):
    promotion = factories.percentage_promotion(acme, expires_at=NOW + timedelta(days=1))
    factories.coupon(factories.coupon_rule(promotion), code="SUMMER-26")
    answer = rebilly.post("/coupons/SUMMER-26/expiration", {"expiredTime": "2027-01-01T00:00:00Z"})
    assert invalid_fields(answer) == [("expiredTime", "must not be after the end of the promotion")]


def test_an_archived_coupon_is_neither_changed_nor_ended(rebilly: Rebilly):
    rebilly.coupon("A")
    promotion = promotion_of("A")
    promotion.archive(NOW)
    with changes.atomic():
        changes.save(promotion, BY)
    end = {"expiredTime": "2026-07-01T00:00:00Z"}
    with nothing_written():
        answers = [rebilly.put("/coupons/A", body(discount=FIXED)), rebilly.post("/coupons/A/expiration", end)]
    assert [(one.status_code, one.json()["detail"]) for one in answers] == [(409, "The promotion is archived.")] * 2
    assert rebilly.get("/coupons/A").json()["status"] == "draft"


# --- Coupons of other APIs ------------------------------------------------------------------------


def test_coupons_of_other_apis_are_told(rebilly: Rebilly, acme: Organization):
    promotion = factories.fixed_amount_promotion(
        acme,
        name="Ten off",
        description="Ten euros off",
        total_usage_limit=9,
        expires_at=datetime(2026, 12, 31, tzinfo=UTC),
    )
    factories.order_amount_rule(promotion, order_amount_cents=5050)
    rule = factories.coupon_rule(promotion)
    factories.coupon(rule, code="TEN-OFF-1", usage_limit=3, customer_single_use=True)
    factories.coupon(rule, code="TEN-OFF-2", expires_at=datetime(2026, 6, 30, tzinfo=UTC))
    first, second = rebilly.get("/coupons?sort=id").json()
    assert first == {
        "id": "TEN-OFF-1",
        "discount": {"type": "fixed", "amount": 10, "currency": "EUR", "context": "items"},
        "restrictions": [
            {"type": "minimum-order-amount", "amount": 50.5, "currency": "EUR"},
            {"type": "redemptions-per-customer", "quantity": 1},
            {"type": "total-redemptions", "quantity": 3},
        ],
        "redemptionsCount": 0,
        "status": "issued",
        "description": "Ten euros off",
        "issuedTime": "2026-06-14T12:00:00Z",
        "expiredTime": "2026-12-31T00:00:00Z",
        "revision": 1,
        "createdTime": "2026-06-15T12:00:00Z",
        "updatedTime": "2026-06-15T12:00:00Z",
        "_links": [{"rel": "self", "href": f"{HOST}/organizations/acme/coupons/TEN-OFF-1"}],
    }
    assert second["expiredTime"] == "2026-06-30T00:00:00Z"
    assert second["restrictions"][1:] == [{"type": "total-redemptions", "quantity": 9}]


def test_an_order_amount_without_a_currency_is_not_told(rebilly: Rebilly, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    factories.order_amount_rule(promotion)
    factories.coupon(factories.coupon_rule(promotion), code="SUMMER-26")
    assert rebilly.get("/coupons/SUMMER-26").json()["restrictions"] == []


def test_free_shipping_is_the_whole_of_shipping(rebilly: Rebilly, acme: Organization):
    factories.coupon(factories.coupon_rule(factories.free_shipping_promotion(acme)), code="SHIP-FREE")
    whole = {"type": "percent", "value": 100, "context": "shipping"}
    assert rebilly.get("/coupons/SHIP-FREE").json()["discount"] == whole
    assert rebilly.listed("filter=discount.context:shipping;discount.value:100") == ["SHIP-FREE"]


def test_of_a_declining_balance_what_is_left_is_told(rebilly: Rebilly, acme: Organization):
    promotion = factories.fixed_amount_promotion(acme, declining_balance=True, fixed_amount_cents=5000)
    coupon = factories.coupon(factories.coupon_rule(promotion), code="CHEQUE-26")
    changes.count(Coupon, coupon.pk, used_amount_cents=1999)
    left = {"type": "fixed", "amount": 30.01, "currency": "EUR", "context": "items"}
    assert rebilly.get("/coupons/CHEQUE-26").json()["discount"] == left
    assert rebilly.listed("filter=discount.amount:30.01") == ["CHEQUE-26"]


@pytest.mark.parametrize("kind", ["fixed_price", "free_gift", "buy_x_pay_y", "external", "flex"])
def test_what_the_dialect_has_no_words_for_is_not_there(rebilly: Rebilly, acme: Organization, kind: str):
    factories.coupon(factories.coupon_rule(factories.PROMOTIONS[kind](acme)), code="SUMMER-26")
    assert rebilly.listed() == []
    assert rebilly.get("/coupons/SUMMER-26").status_code == 404
    assert rebilly.post("/coupons/SUMMER-26/expiration", {"expiredTime": None}).status_code == 404


def test_a_coupon_made_here_discounts_an_order(rebilly: Rebilly, shop: Shop):
    rebilly.coupon("SUMMER", restrictions=[{"type": "minimum-order-amount", "amount": 10, "currency": "EUR"}])
    order = shop.order(1000)
    shop.shopper.update(order, {"coupon_code": "summer"})
    assert amounts(shop.staff, order) == {"subtotal": 1000, "discount": -125, "total": 875}


def test_coupons_of_other_tenants_are_not_there(rebilly: Rebilly, acme: Organization):
    rebilly.coupon("A")
    for application in (
        factories.application(factories.organization()),
        factories.application(acme, mode=Mode.LIVE),
    ):
        other = Rebilly(application)
        assert other.get("/coupons/A", root="").status_code == 404
        assert other.get("/coupons", root="").json() == []
        assert other.post("/coupons/A/expiration", {"expiredTime": None}, root="").status_code == 404
        assert other.put("/coupons/A", body(), root="").status_code == 201
    assert rebilly.listed() == ["A"]


# --- Lists ----------------------------------------------------------------------------------------


def test_a_list_is_paged(rebilly: Rebilly):
    for code in "ABCDE":
        rebilly.coupon(code)
    answer = rebilly.get("/coupons?limit=2&offset=1")
    assert [one["id"] for one in answer.json()] == ["B", "C"]
    assert (answer["Pagination-Total"], answer["Pagination-Limit"], answer["Pagination-Offset"]) == ("5", "2", "1")
    answer = rebilly.get("/coupons")
    assert len(answer.json()) == 5
    assert (answer["Pagination-Limit"], answer["Pagination-Offset"]) == ("100", "0")
    assert rebilly.get("/coupons?limit=0").json() == []
    assert rebilly.get("/coupons?limit=1000&offset=1000").json() == []


@pytest.mark.parametrize("query", ["limit=1001", "offset=1001", "limit=-1", "offset=x", "limit=1.5", "limit=%D9%A3"])
def test_a_page_that_is_none_is_refused(rebilly: Rebilly, query: str):
    name = query.partition("=")[0]
    problem = "must be a whole number from 0 to 1000"
    assert invalid_fields(rebilly.get(f"/coupons?{query}"), 400) == [(name, problem)]


def test_a_list_takes_as_many_queries_for_one_row_as_for_many(rebilly: Rebilly, acme: Organization, travel: Travel):
    travel(NOW + timedelta(minutes=1))  # the key is not new any more
    counts = []
    for code in ("A", "B", "C"):
        rebilly.coupon(code, restrictions=[one for one, _ in RESTRICTIONS])
        factories.coupon(factories.coupon_rule(factories.fixed_amount_promotion(acme)))
        rebilly.get("/coupons")
        with CaptureQueriesContext(connection) as captured:
            assert len(rebilly.get("/coupons").json()) == 2 * (len(counts) + 1)
        counts.append(len(captured))
    # The key; how many and which; the amounts their orders must reach; how often they were changed.
    assert counts == [5, 5, 5]


# --- Events ---------------------------------------------------------------------------------------


def told() -> list[tuple[str, dict[str, Any] | None]]:
    events = Event.objects.filter(name__startswith="coupon-").order_by("pk")
    return [(event.name, event.payload) for event in events]


def payload(name: str, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    href = f"{HOST}/organizations/acme/coupons/{document['id']}"
    links = [{"rel": "coupon", "href": href}]
    return name, {
        "couponId": document["id"],
        "eventType": name,
        "_embedded": {"coupon": document},
        "_links": links,
    }


def test_what_happens_to_a_coupon_is_recorded(rebilly: Rebilly):
    issued = rebilly.coupon("A")
    modified = rebilly.put("/coupons/A", body(discount=FIXED)).json()
    prolonged = created(rebilly.post("/coupons/A/expiration", {"expiredTime": "2026-07-01T00:00:00Z"}))
    expired = created(rebilly.post("/coupons/A/expiration", {"expiredTime": None}))
    assert told() == [
        payload("coupon-issued", issued),
        payload("coupon-modified", modified),
        payload("coupon-expiration-modified", prolonged),
        payload("coupon-expiration-modified", expired),
        payload("coupon-expired", expired),
    ]
    assert {event.resource_type for event in Event.objects.filter(name__startswith="coupon-")} == {"coupons"}


def test_a_draft_is_not_issued_before_it_is(rebilly: Rebilly):
    draft = rebilly.coupon("A", issuedTime="2026-07-01T00:00:00Z")
    assert draft["status"] == "draft"
    assert told() == []
    issued = rebilly.put("/coupons/A", body()).json()
    assert told() == [payload("coupon-modified", issued), payload("coupon-issued", issued)]


# --- Who may --------------------------------------------------------------------------------------


def test_a_role_says_what_its_key_may_do(acme: Organization, rebilly: Rebilly):
    rebilly.coupon("A")
    role = Role.objects.create(organization=acme, name="Readers", permissions={"coupons": ["read"]})
    reader = Rebilly(factories.application(acme, role=role))
    assert reader.get("/coupons/A").status_code == 200
    assert reader.get("/coupons").status_code == 200
    with nothing_written():
        assert reader.post("/coupons", body()).status_code == 403
        assert reader.put("/coupons/A", body()).status_code == 403
        assert reader.post("/coupons/A/expiration", {"expiredTime": None}).status_code == 403


def test_who_may_create_coupons_but_no_promotions_creates_none(acme: Organization, rebilly: Rebilly):
    role = Role.objects.create(organization=acme, name="Coders", permissions={"coupons": ["read", "create", "update"]})
    coder = Rebilly(factories.application(acme, role=role))
    with nothing_written():
        assert coder.post("/coupons", body()).status_code == 403
        assert coder.put("/coupons/A", body()).status_code == 403


def test_shoppers_have_no_business_here(acme: Organization, rebilly: Rebilly):
    shopper = Rebilly(factories.application(acme, "sales_channel"))
    assert shopper.get("/coupons").status_code == 403


def test_a_deleted_coupon_is_gone(rebilly: Rebilly):
    rebilly.coupon("A")
    with changes.atomic():
        upkeep.delete_coupon(Coupon.objects.get(), BY)
    assert rebilly.get("/coupons/A").status_code == 404
