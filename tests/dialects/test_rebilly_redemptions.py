"""Redemptions of the Rebilly-style dialect and what they take off invoices: requests, answers, events, limits."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import orjson
import pytest
from django.conf import LazySettings
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from commerce import ids
from commerce.models import Event, Organization, Role
from coupons import reconciling
from coupons.dialects.rebilly.redemptions import key_of, public_id
from coupons.models import InvoiceDiscount, Redemption, Use
from tests import factories
from tests.client import Api, document, nothing_written
from tests.coupons.test_concurrency import at_once, statuses
from tests.dialects.rebilly import FIXED, HOST, ROOT, Rebilly, created, invalid_fields
from tests.factories import NOW
from tests.listener import listening
from tests.shopping import Shop, coupon

Travel = Callable[[datetime], None]
AT = f"{HOST}{ROOT}/coupons-redemptions"


@pytest.fixture
def rebilly(acme: Organization, travel: Travel, unlimited: None) -> Rebilly:
    return Rebilly(factories.application(acme))


@pytest.fixture(autouse=True)
def consistent(acme: Organization) -> Any:
    """Whatever a test does, every count and sum is what the rows tell."""
    yield
    assert list(reconciling.differences(acme)) == []


def redeem(rebilly: Rebilly, code: str, customer: str | None = None, *restrictions: Any) -> dict[str, Any]:
    body = {"couponId": code, "customerId": customer, "additionalRestrictions": list(restrictions)}
    return created(rebilly.post("/coupons-redemptions", body))


def invoice(name: str = "in_1", *items: Any, **values: Any) -> dict[str, Any]:
    """One item for 100.00 EUR unless said otherwise."""
    return {"invoiceId": name, "currency": "EUR", "items": list(items or [item(100)]), **values}


def item(price: float, quantity: int = 1, **values: Any) -> dict[str, Any]:
    return {"quantity": quantity, "unitPrice": price, **values}


def application(redemption: dict[str, Any], name: str = "") -> str:
    return f"/coupons-redemptions/{redemption['id']}/applications" + (f"/{name}" if name else "")


def apply(rebilly: Rebilly, redemption: dict[str, Any], name: str = "in_1", *items: Any, **values: Any) -> Any:
    return created(rebilly.post(application(redemption), invoice(name, *items, **values)))


def refused(answer: HttpResponse) -> tuple[list[str], str]:
    """The members that an answer refuses, and the reason."""
    return [name for name, _ in invalid_fields(answer)], answer.json()["reason"]


def told(answer: HttpResponse) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


def listed(rebilly: Rebilly, query: str = "") -> list[str]:
    return [each["couponId"] for each in told(rebilly.get(f"/coupons-redemptions?{query}"))]


def events() -> list[str]:
    """The events of redemptions by names that webhooks know, in their order."""
    return [name for name in Event.objects.order_by("pk").values_list("name", flat=True) if name.startswith("coupon-")]


# --- Redeeming ------------------------------------------------------------------------------------


def test_a_redemption_is_told_as_the_reference_has_it(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    restrictions = [
        {"type": "paid-by-time", "time": "2026-12-31T00:00:00Z"},
        {"type": "restrict-to-plans", "planIds": ["gold"], "minimumQuantity": 2},
        {"type": "minimum-order-amount", "amount": 10.5, "currency": "EUR"},
        {"type": "discounts-per-redemption", "quantity": 3},
    ]
    body = {"couponId": "SUMMER", "customerId": "cus_1", "additionalRestrictions": restrictions, "id": "x", "more": 1}
    answer = rebilly.post("/coupons-redemptions", body)
    made = created(answer)
    assert made == {
        "id": made["id"],
        "couponId": "SUMMER",
        "customerId": "cus_1",
        "additionalRestrictions": restrictions,
        "createdTime": "2026-06-15T12:00:00Z",
        "updatedTime": "2026-06-15T12:00:00Z",
        "canceledTime": None,
        "_links": [
            {"rel": "self", "href": f"{AT}/{made['id']}"},
            {"rel": "customer", "href": f"{HOST}{ROOT}/customers/cus_1"},
            {"rel": "coupon", "href": f"{HOST}{ROOT}/coupons/SUMMER"},
        ],
    }
    assert made["id"].startswith("cpn_rdm_")
    assert len(made["id"]) == 34
    assert answer["Location"] == f"{AT}/{made['id']}"
    assert "X-RateLimit-Limit" in answer
    assert told(rebilly.get(f"/coupons-redemptions/{made['id']}")) == made
    assert told(rebilly.get("/coupons-redemptions")) == [made]
    assert told(rebilly.get("/coupons/SUMMER"))["redemptionsCount"] == 1


def test_nobody_needs_to_be_named_and_restrictions_neither(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    made = created(rebilly.post("/coupons-redemptions/", {"couponId": "summer"}))
    assert (made["couponId"], made["customerId"], made["additionalRestrictions"]) == ("SUMMER", None, [])
    assert [link["rel"] for link in made["_links"]] == ["self", "coupon"]


@pytest.mark.parametrize("root", ["", ROOT])
@pytest.mark.parametrize("end", ["", "/"])
def test_every_path_is_served_with_and_without_an_organization_and_a_slash(rebilly: Rebilly, root: str, end: str):
    rebilly.coupon("SUMMER")
    answer = rebilly.post(f"/coupons-redemptions{end}", {"couponId": "SUMMER"}, root=root)
    made = created(answer)
    assert answer["Location"] == f"{AT}/{made['id']}"
    path = f"/coupons-redemptions/{made['id']}"
    assert rebilly.get(f"/coupons-redemptions{end}", root=root).status_code == 200
    assert rebilly.get(f"{path}{end}", root=root).status_code == 200
    assert rebilly.post(f"{path}/applications{end}", invoice(), root=root).status_code == 201
    assert rebilly.request("DELETE", f"{path}/applications/in_1{end}", root=root).status_code == 204
    assert rebilly.post(f"{path}/cancel{end}", root=root).status_code == 201


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["couponId"]),
        ({"couponId": None}, ["couponId"]),
        ({"couponId": 5}, ["couponId"]),
        ({"couponId": ""}, ["couponId"]),
        ({"couponId": "x" * 65}, ["couponId"]),
        ({"couponId": "SUMMER", "customerId": ["a"]}, ["customerId"]),
        ({"couponId": "SUMMER", "customerId": "x" * 51}, ["customerId"]),
        ({"couponId": "SUMMER", "additionalRestrictions": {}}, ["additionalRestrictions"]),
        ({"couponId": "SUMMER", "additionalRestrictions": [{"type": "total-redemptions", "quantity": 1}]}, None),
        ({"couponId": "SUMMER", "additionalRestrictions": [{"type": "restrict-to-countries"}]}, None),
        (
            {"couponId": "SUMMER", "additionalRestrictions": [{"type": "restrict-to-plans", "planIds": []}]},
            ["additionalRestrictions.0.planIds"],
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_place(rebilly: Rebilly, body: Any, fields: list[str] | None):
    rebilly.coupon("SUMMER")
    with nothing_written():
        found = invalid_fields(rebilly.post("/coupons-redemptions", body))
    assert [name for name, _ in found] == (fields or ["additionalRestrictions.0.type"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "promotion_pending": ({"issuedTime": "2026-06-15T12:00:01Z"}, "couponId"),
    "coupon_expired": ({"expiredTime": "2026-06-15T12:00:00Z"}, "couponId"),
    "promotion_expired": ({"restrictions": [{"type": "paid-by-time", "time": "2026-06-15T12:00:00Z"}]}, "couponId"),
    "promotion_usage_reached": ({"restrictions": [{"type": "total-redemptions", "quantity": 0}]}, "couponId"),
    "already_used_by_customer": (
        {"restrictions": [{"type": "redemptions-per-customer", "quantity": 0}]},
        "customerId",
    ),
    "customer_not_eligible": (
        {"restrictions": [{"type": "restrict-to-customers", "customerIds": ["cus_2"]}]},
        "customerId",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_redeemed_is_refused_with_a_reason(rebilly: Rebilly, reason: str):
    values, field = REFUSED[reason]
    rebilly.coupon("SUMMER", **values)
    with nothing_written():
        answer = rebilly.post("/coupons-redemptions", {"couponId": "SUMMER", "customerId": "cus_1"})
    assert refused(answer) == ([field], reason)


def test_a_coupon_that_is_not_there_is_refused_as_nobody_elses_is(rebilly: Rebilly):
    theirs = factories.percentage_promotion(factories.organization())
    factories.coupon(factories.coupon_rule(theirs), code="THEIRS-2026")
    answer = rebilly.post("/coupons-redemptions", {"couponId": "THEIRS-2026"})
    assert refused(answer) == (["couponId"], "coupon_not_found")
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "No coupon has this code.",
        "invalidFields": [{"field": "couponId", "message": "No coupon has this code."}],
        "reason": "coupon_not_found",
    }


def test_a_customer_redeems_as_often_as_one_may_and_cancelling_gives_it_back(rebilly: Rebilly, acme: Organization):
    ada = factories.customer(acme, reference="their-ada")
    rebilly.coupon("TWICE", restrictions=[{"type": "redemptions-per-customer", "quantity": 2}])
    first = redeem(rebilly, "TWICE", "their-ada")
    redeem(rebilly, "TWICE", ada.public_id)
    third = {"couponId": "TWICE", "customerId": ada.shopper_reference}
    assert refused(rebilly.post("/coupons-redemptions", third)) == (["customerId"], "already_used_by_customer")
    rebilly.post(f"/coupons-redemptions/{first['id']}/cancel")
    created(rebilly.post("/coupons-redemptions", third))
    assert set(Redemption.objects.values_list("customer", flat=True)) == {ada.pk}


# --- Cancelling -----------------------------------------------------------------------------------


def test_a_balance_is_given_back_once_it_is_removed_from_its_invoices(rebilly: Rebilly, acme: Organization):
    promotion = factories.fixed_amount_promotion(acme, fixed_amount_cents=5000, declining_balance=True)
    cheque = factories.coupon(factories.coupon_rule(promotion), code="CHEQUE-26")
    made = redeem(rebilly, "CHEQUE-26", "cus_1")
    apply(rebilly, made, "in_1", item(30))
    with nothing_written():
        answer = rebilly.post(f"/coupons-redemptions/{made['id']}/cancel")
    sentence = "The redemption discounts invoices by a balance; remove it from those first."
    assert (answer.status_code, answer.json()["detail"]) == (409, sentence)
    assert rebilly.request("DELETE", application(made, "in_1")).status_code == 204
    assert rebilly.post(f"/coupons-redemptions/{made['id']}/cancel").status_code == 201
    cheque.refresh_from_db()
    assert (cheque.usage_count, cheque.used_amount_cents) == (0, 0)


def test_cancelling_has_no_body_and_once_is_enough(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("SUMMER")
    made = redeem(rebilly, "SUMMER", "cus_1")
    path = f"/coupons-redemptions/{made['id']}"
    travel(NOW + timedelta(hours=1, milliseconds=250))
    answer = rebilly.post(f"{path}/cancel", b"", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.content, answer["Location"]) == (201, b"", f"{HOST}{ROOT}{path}")
    cancelled = told(rebilly.get(path))
    time = "2026-06-15T13:00:00.25Z"
    assert cancelled == made | {"canceledTime": time, "updatedTime": time}
    assert told(rebilly.get("/coupons/SUMMER"))["redemptionsCount"] == 0
    travel(NOW + timedelta(hours=2))
    with nothing_written():
        again = rebilly.post(f"{path}/cancel")
    assert (again.status_code, again["Location"]) == (201, answer["Location"])
    assert told(rebilly.get(path)) == cancelled


@pytest.mark.parametrize(
    "wrong",
    [
        "cpn_rdm_",
        "cpn_rdm_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "cpn_rdm_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "cpn_rdm_0000000000000000000000000u",
        "SUMMER",
        "%00",
    ],
)
def test_what_is_no_id_of_a_redemption_is_not_found(rebilly: Rebilly, wrong: str):
    for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "/applications/in_1")):
        answer = rebilly.request(method, f"/coupons-redemptions/{wrong}{path}")
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
    answer = rebilly.post(f"/coupons-redemptions/{wrong}/applications", invoice())
    assert answer.status_code == 404


def test_ids_tell_when_and_what_and_of_neighbours_nothing(rebilly: Rebilly, acme: Organization):
    rebilly.coupon("SUMMER")
    names = {redeem(rebilly, "SUMMER")["id"] for _ in range(3)}
    uses = {public_id(use): use for use in Use.objects.select_related("redemption")}
    assert names == uses.keys()
    milliseconds = int(NOW.timestamp() * 1000)
    assert {name: key_of(name) for name in names} == {name: (milliseconds, use.pk) for name, use in uses.items()}
    assert len({name[18:22] for name in names}) == 3
    name, use = uses.popitem()
    Redemption.objects.filter(pk=use.redemption_id).update(created_at=NOW + timedelta(milliseconds=1))
    assert rebilly.get(f"/coupons-redemptions/{name}").status_code == 404


@given(key=st.integers(1, ids.SIZE - 1), later=st.timedeltas(timedelta(0), timedelta(days=365_000)))
def test_no_two_uses_have_the_same_id(key: int, later: timedelta):
    name = public_id(Use(pk=key, redemption=Redemption(created_at=NOW + later)))
    assert key_of(name) == (int((NOW + later).timestamp() * 1000), key)


def test_nobody_elses_redemption_is_found(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    made = redeem(rebilly, "SUMMER")
    theirs = Rebilly(factories.application(factories.organization(slug="theirs")))
    live = Rebilly(factories.application(Organization.objects.get(slug="acme"), mode="live"))
    for other, root in ((theirs, "/organizations/theirs"), (live, ROOT)):
        assert other.get(f"/coupons-redemptions/{made['id']}", root=root).status_code == 404
        assert other.post(f"/coupons-redemptions/{made['id']}/cancel", root=root).status_code == 404
        assert told(other.get("/coupons-redemptions", root=root)) == []


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "", "read"),
        ("POST", "", "create"),
        ("GET", "/{id}", "read"),
        ("POST", "/{id}/cancel", "update"),
        ("POST", "/{id}/applications", "update"),
        ("DELETE", "/{id}/applications/in_1", "update"),
    ],
)
def test_everything_needs_a_key_and_its_permission(
    rebilly: Rebilly, acme: Organization, travel: Travel, method: str, path: str, needed: str
):
    rebilly.coupon("SUMMER")
    made = redeem(rebilly, "SUMMER")
    path = f"/coupons-redemptions{path}".format(id=made["id"])
    others = [each for each in ("read", "create", "update", "destroy") if each != needed]
    role = Role.objects.create(organization=acme, name="Role", permissions={"redemptions": others})
    limited = Rebilly(factories.application(acme, role=role))
    with nothing_written():
        assert Rebilly(None).request(method, path).status_code == 401
        assert limited.request(method, path, {}).status_code == 403
    Role.objects.update(permissions={"redemptions": [needed]})
    assert limited.request(method, path, {}).status_code in (200, 201, 204, 422)


# --- Collections ----------------------------------------------------------------------------------


@pytest.fixture
def several(rebilly: Rebilly, travel: Travel) -> dict[str, Any]:
    """Coupon -> its redemption: ONE and TWO of cus_1, the first cancelled, THREE of nobody."""
    made = {}
    for hour, (code, customer) in enumerate((("ONE", "cus_1"), ("TWO", "cus_1"), ("THREE", None))):
        rebilly.coupon(code)
        travel(NOW + timedelta(hours=hour))
        made[code] = redeem(rebilly, code, customer)
    travel(NOW + timedelta(hours=5))
    rebilly.post(f"/coupons-redemptions/{made['ONE']['id']}/cancel")
    return made


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("", ["ONE", "TWO", "THREE"]),
        ("sort=-createdTime", ["THREE", "TWO", "ONE"]),
        ("sort=-updatedTime", ["ONE", "THREE", "TWO"]),
        ("sort=canceledTime,-createdTime", ["ONE", "THREE", "TWO"]),
        ("sort=couponId", ["ONE", "THREE", "TWO"]),
        ("limit=1&offset=1", ["TWO"]),
        ("filter=customerId:cus_1", ["ONE", "TWO"]),
        ("filter=customerId:CUS_1", []),
        ("filter=customerId:!cus_1", ["THREE"]),
        ("filter=couponId:one,three", ["ONE", "THREE"]),
        ("filter=customerId:cus_1;couponId:!ONE", ["TWO"]),
        ("filter=createdTime:2026-06-15T13:00:00Z..", ["TWO", "THREE"]),
        ("filter=canceledTime:2026-06-15T17:00:00Z..", ["ONE"]),
        ("filter=canceledTime:!2026-06-15T17:00:00Z..", ["TWO", "THREE"]),
        ("filter=updatedTime:..2026-06-15T14:00:00Z", ["TWO", "THREE"]),
        ("q=thr", ["THREE"]),
        ("q=us_1", ["ONE", "TWO"]),
    ],
)
def test_redemptions_are_sorted_filtered_and_searched(
    rebilly: Rebilly, several: dict[str, Any], query: str, codes: list[str]
):
    assert listed(rebilly, query) == codes


def test_one_is_found_by_its_id_and_pages_are_told(rebilly: Rebilly, several: dict[str, Any]):
    assert listed(rebilly, f"filter=id:{several['TWO']['id']}") == ["TWO"]
    answer = rebilly.get("/coupons-redemptions?limit=2&offset=1")
    headers = {name: answer[f"Pagination-{name}"] for name in ("Total", "Limit", "Offset")}
    assert headers == {"Total": "3", "Limit": "2", "Offset": "1"}
    assert [name for name, _ in invalid_fields(rebilly.get("/coupons-redemptions?filter=what:x"), 400)] == ["filter"]
    assert [name for name, _ in invalid_fields(rebilly.get("/coupons-redemptions?sort=what"), 400)] == ["sort"]


def test_customers_of_ours_are_found_by_how_they_are_told(rebilly: Rebilly, shop: Shop):
    coupon(shop, "SHOP-2026")
    order = shop.placed(10_000, coupon_code="SHOP-2026")
    assert order.customer is not None
    (made,) = told(rebilly.get("/coupons-redemptions"))
    assert made["customerId"] == order.customer.public_id
    assert listed(rebilly, f"filter=customerId:{order.customer.public_id}") == ["SHOP-2026"]
    assert listed(rebilly, f"filter=customerId:!{order.customer.public_id}") == []
    assert listed(rebilly, "filter=customerId:!nobody") == ["SHOP-2026"]


def test_statements_do_not_grow_with_rows(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("SUMMER")
    travel(NOW + timedelta(seconds=1))  # the key is not new any more

    def counted(path: str) -> int:
        rebilly.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert rebilly.get(path).status_code == 200
        return len([each for each in captured if each["sql"].startswith("SELECT")])

    one = redeem(rebilly, "SUMMER", "cus_1")
    first = counted("/coupons-redemptions"), counted(f"/coupons-redemptions/{one['id']}")
    for number in range(5):
        redeem(rebilly, "SUMMER", f"cus_{number}")
    assert (counted("/coupons-redemptions"), counted(f"/coupons-redemptions/{one['id']}")) == first == (3, 2)


# --- Other APIs -----------------------------------------------------------------------------------


def test_what_an_order_used_is_a_redemption_here_and_given_back_here(rebilly: Rebilly, shop: Shop, api: Api):
    row = coupon(shop, "SHOP-2026")
    shop.placed(10_000, coupon_code="SHOP-2026")
    (made,) = told(rebilly.get("/coupons-redemptions"))
    assert (made["couponId"], made["canceledTime"]) == ("SHOP-2026", None)
    answer = rebilly.post(application(made), invoice())
    assert refused(answer) == (["redemptionId"], "redemption_of_order")
    assert rebilly.post(f"/coupons-redemptions/{made['id']}/cancel").status_code == 201
    assert told(rebilly.get(f"/coupons-redemptions/{made['id']}"))["canceledTime"] == "2026-06-15T12:00:00Z"
    row.refresh_from_db()
    assert row.usage_count == 0
    assert [each["attributes"]["status"] for each in api.data("redemptions")] == ["released"]


def test_what_is_redeemed_here_is_a_redemption_there_and_given_back_there(rebilly: Rebilly, api: Api):
    rebilly.coupon("SUMMER")
    made = redeem(rebilly, "SUMMER", "cus_1")
    apply(rebilly, made)
    (row,) = Redemption.objects.all()
    there = api.data(f"redemptions/{row.public_id}")["attributes"]
    assert (there["status"], there["discount_cents"], there["currency_code"]) == ("committed", -1250, None)
    answer = api.update(row, {"_cancel": True})
    assert answer.status_code == 200, answer.content
    assert told(rebilly.get(f"/coupons-redemptions/{made['id']}"))["canceledTime"] == "2026-06-15T12:00:00Z"


def test_of_two_coupons_of_one_redemption_each_is_given_back_alone(rebilly: Rebilly, api: Api, shop: Shop):
    coupon(shop, "FIRST-2026")
    coupon(shop, "OTHER-2026")
    cart = {"coupon_codes": ["FIRST-2026", "OTHER-2026"], "amount_cents": 10_000, "currency_code": "EUR"}
    assert api.post("redemptions", document("redemptions", cart)).status_code == 201
    first, other = told(rebilly.get("/coupons-redemptions?sort=couponId"))
    rebilly.post(f"/coupons-redemptions/{first['id']}/cancel")
    times = [each["canceledTime"] for each in told(rebilly.get("/coupons-redemptions?sort=couponId"))]
    assert times == ["2026-06-15T12:00:00Z", None]
    assert Redemption.objects.get().state == "committed"
    rebilly.post(f"/coupons-redemptions/{other['id']}/cancel")
    assert Redemption.objects.get().state == "released"


def test_a_coupon_made_for_orders_is_redeemed_ahead_too(rebilly: Rebilly, shop: Shop):
    made = factories.buy_x_pay_y_promotion(shop.owner, sku_list=factories.sku_list(shop.owner, sku := shop.sku(1000)))
    factories.coupon(factories.coupon_rule(made), code="THREE-FOR-TWO")
    redemption = redeem(rebilly, "THREE-FOR-TWO")
    answer = apply(rebilly, redemption, "in_1", item(10, 3, planId=sku.code), item(5))
    assert answer["discounts"] == [
        {
            "couponId": "THREE-FOR-TWO",
            "redemptionId": redemption["id"],
            "amount": 10,
            "description": 'Coupon "THREE-FOR-TWO"',
            "context": "items",
        }
    ]


def test_a_coupon_with_the_longest_of_codes_is_redeemed(rebilly: Rebilly, shop: Shop):
    Organization.objects.update(settings={"coupons_max_code_length": 64})
    coupon(shop, code := "L" * 64)
    assert redeem(rebilly, code)["couponId"] == code


def test_a_coupon_that_is_not_told_is_not_linked(rebilly: Rebilly, acme: Organization):
    made = factories.fixed_price_promotion(acme, whole_order=True, sku_list=None)
    factories.coupon(factories.coupon_rule(made), code="FIFTEEN-EACH")
    assert rebilly.get("/coupons/FIFTEEN-EACH").status_code == 404
    redemption = redeem(rebilly, "FIFTEEN-EACH", "cus_1")
    assert redemption["couponId"] == "FIFTEEN-EACH"
    assert [link["rel"] for link in redemption["_links"]] == ["self", "customer"]
    assert told(rebilly.get("/coupons-redemptions")) == [redemption]
    payload = Event.objects.get(name="coupon-redeemed").payload
    assert payload is not None
    assert payload["couponId"] == "FIFTEEN-EACH"
    assert payload["_embedded"] == {"redemption": redemption, "customer": {"id": "cus_1"}}
    assert [link["rel"] for link in payload["_links"]] == ["redemption", "customer"]


def test_services_of_external_promotions_are_asked_about_invoices(
    rebilly: Rebilly, acme: Organization, settings: LazySettings
):
    with listening() as service:
        settings.OUTGOING_ALLOWED_HOSTS = [service.place]
        service.answers(orjson.dumps({"success": True, "data": {"name": "Loyalty", "discount_cents": 1500}}))
        made = factories.external_promotion(acme, promotion_url=f"http://{service.place}/discount")
        factories.coupon(factories.coupon_rule(made), code="LOYAL-2026")
        redemption = redeem(rebilly, "LOYAL-2026")
        assert service.received == []
        assert apply(rebilly, redemption)["amount"] == 15
    assert len(service.received) == 1


def test_a_reservation_that_is_over_leaves_its_use_to_whoever_redeems(rebilly: Rebilly, api: Api, travel: Travel):
    rebilly.coupon("LAST", restrictions=[{"type": "total-redemptions", "quantity": 1}])
    reserved = {"coupon_code": "LAST", "amount_cents": 100, "currency_code": "EUR", "_reserve": True}
    assert api.post("redemptions", document("redemptions", reserved)).status_code == 201
    answer = rebilly.post("/coupons-redemptions", {"couponId": "LAST"})
    assert refused(answer) == (["couponId"], "promotion_usage_reached")
    travel(NOW + timedelta(hours=1))
    redeem(rebilly, "LAST")
    times = [each["canceledTime"] for each in told(rebilly.get("/coupons-redemptions?sort=createdTime"))]
    assert times == ["2026-06-15T13:00:00Z", None]


def test_a_cheque_pays_invoices_until_nothing_is_left(rebilly: Rebilly, acme: Organization):
    made = factories.fixed_amount_promotion(acme, fixed_amount_cents=10_000, declining_balance=True)
    factories.coupon(factories.coupon_rule(made), code="CHEQUE-2026")
    redemption = redeem(rebilly, "CHEQUE-2026", "cus_1")
    paid = [apply(rebilly, redemption, f"in_{number}", item(60))["amount"] for number in range(2)]
    assert paid == [60, 40]
    assert refused(rebilly.post(application(redemption), invoice("in_3"))) == (["redemptionId"], "balance_used_up")
    assert told(rebilly.get("/coupons/CHEQUE-2026"))["discount"]["amount"] == 0


# --- Invoices -------------------------------------------------------------------------------------


def test_a_redemption_is_applied_to_an_invoice(rebilly: Rebilly):
    rebilly.coupon("SUMMER", description="An eighth off")
    rebilly.coupon("FIVE", discount=FIXED)
    eighth, five = redeem(rebilly, "SUMMER", "cus_1"), redeem(rebilly, "FIVE", "cus_1")
    apply(rebilly, eighth)
    answer = rebilly.post(application(five), invoice())
    assert created(answer) == {
        "invoiceId": "in_1",
        "currency": "EUR",
        "amount": 18,
        "discounts": [
            {
                "couponId": "SUMMER",
                "redemptionId": eighth["id"],
                "amount": 12.5,
                "description": "An eighth off",
                "context": "items",
            },
            {
                "couponId": "FIVE",
                "redemptionId": five["id"],
                "amount": 5.5,
                "description": 'Coupon "FIVE"',
                "context": "items",
            },
        ],
        "additions": [],
        "notApplied": [],
    }
    with nothing_written():
        assert created(rebilly.post(application(five), invoice())) == answer.json()


def test_amounts_have_the_decimals_of_their_currency(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    redemption = redeem(rebilly, "SUMMER")
    yen = apply(rebilly, redemption, "in_1", item(1000), currency="JPY")
    dinars = apply(rebilly, redemption, "in_2", item(1.004, 2), currency="KWD")
    assert (yen["amount"], dinars["amount"]) == (125, 0.251)


def test_shipping_country_and_subscription_are_told(rebilly: Rebilly):
    rebilly.coupon(
        "SHIP",
        discount={"type": "percent", "value": 50, "context": "items-and-shipping"},
        restrictions=[
            {"type": "restrict-to-countries", "countries": ["IT"]},
            {"type": "restrict-to-subscriptions", "subscriptionIds": ["sub_1"]},
        ],
    )
    redemption = redeem(rebilly, "SHIP")
    where = {"shippingAmount": 10, "country": "IT", "subscriptionId": "sub_1"}
    answer = apply(rebilly, redemption, "in_1", item(20), **where)
    assert (answer["amount"], answer["discounts"][0]["context"]) == (15, "items-and-shipping")
    for name, reason in (("country", "country_not_eligible"), ("subscriptionId", "subscription_not_eligible")):
        refusal = rebilly.post(application(redemption), invoice("in_2", **where | {name: None}))
        assert refused(refusal) == (["redemptionId"], reason)


def test_a_promotion_of_a_market_discounts_invoices_of_that(rebilly: Rebilly, acme: Organization):
    market = factories.market(acme, code="italy")
    made = factories.percentage_promotion(acme, market=market, currency_code="EUR")
    factories.coupon(factories.coupon_rule(made), code="ITALY-2026")
    redemption = redeem(rebilly, "ITALY-2026")
    assert refused(rebilly.post(application(redemption), invoice())) == (["redemptionId"], "market_mismatch")
    wrong = rebilly.post(application(redemption), invoice(marketCode="france"))
    assert invalid_fields(wrong) == [("marketCode", "must exist")]
    assert apply(rebilly, redemption, marketCode="italy")["amount"] == 10


def test_plans_products_and_what_a_coupon_adds(rebilly: Rebilly):
    rebilly.coupon(
        "BUNDLE",
        discount={"type": "percent", "value": 100},
        restrictions=[
            {
                "type": "restrict-to-bxgy",
                "buy": [{"planId": "gold", "quantity": 1}],
                "get": [{"planId": "tin", "quantity": 2}],
            }
        ],
    )
    bundle = redeem(rebilly, "BUNDLE")
    answer = apply(rebilly, bundle, "in_1", item(10, planId="gold"))
    assert (answer["discounts"], answer["additions"]) == ([], [{"planId": "tin", "quantity": 2}])
    assert answer["notApplied"] == [
        {
            "couponId": "BUNDLE",
            "redemptionId": bundle["id"],
            "reason": "no_matching_items",
            "message": "The order holds nothing that the promotion is for.",
        }
    ]
    answer = apply(rebilly, bundle, "in_1", item(10, planId="gold"), item(3, 2, planId="tin"))
    assert (answer["amount"], answer["additions"], answer["notApplied"]) == (6, [], [])
    rebilly.coupon("METAL", restrictions=[{"type": "restrict-to-products", "productIds": ["metal"]}])
    metal = redeem(rebilly, "METAL")
    assert apply(rebilly, metal, "in_2", item(8, planId="gold", productId="metal"), item(8))["amount"] == 1


def test_an_exclusive_one_removes_those_it_beats(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    rebilly.coupon(
        "ALONE",
        discount={"type": "percent", "value": 20},
        restrictions=[{"type": "restrict-to-exclusive-application"}],
    )
    eighth, alone = redeem(rebilly, "SUMMER", "cus_1"), redeem(rebilly, "ALONE", "cus_1")
    apply(rebilly, eighth)
    answer = apply(rebilly, alone)
    assert [each["couponId"] for each in answer["discounts"]] == ["ALONE"]
    assert answer["notApplied"] == [
        {
            "couponId": "SUMMER",
            "redemptionId": eighth["id"],
            "reason": "superseded_by_exclusive",
            "message": "An exclusive promotion applies instead.",
        }
    ]
    with nothing_written():
        assert refused(rebilly.post(application(eighth), invoice())) == (["redemptionId"], "superseded_by_exclusive")
    assert events()[-3:] == ["coupon-applied", "coupon-applied", "coupon-application-removed"]


def test_discounts_per_redemption_count_invoices(rebilly: Rebilly):
    rebilly.coupon("TWICE", restrictions=[{"type": "discounts-per-redemption", "quantity": 2}])
    redemption = redeem(rebilly, "TWICE")
    for name in ("in_1", "in_2", "in_1"):
        apply(rebilly, redemption, name)
    assert refused(rebilly.post(application(redemption), invoice("in_3"))) == (["redemptionId"], "discounts_reached")
    assert rebilly.request("DELETE", application(redemption, "in_1")).status_code == 204
    apply(rebilly, redemption, "in_3")
    once = redeem(rebilly, "TWICE", None, {"type": "discounts-per-redemption", "quantity": 1})
    apply(rebilly, once, "in_4")
    assert refused(rebilly.post(application(once), invoice("in_5"))) == (["redemptionId"], "discounts_reached")
    more = redeem(rebilly, "TWICE", None, {"type": "discounts-per-redemption", "quantity": 9})
    assert more["additionalRestrictions"] == [{"type": "discounts-per-redemption", "quantity": 9}]
    assert Redemption.objects.order_by("pk").last().discounts_limit == 2  # type: ignore[union-attr]


def test_removing_is_done_once_and_a_cancelled_redemption_is_applied_no_more(rebilly: Rebilly):
    rebilly.coupon("SUMMER")
    redemption = redeem(rebilly, "SUMMER")
    apply(rebilly, redemption)
    for _ in range(2):
        answer = rebilly.request("DELETE", application(redemption, "in_1"))
        assert (answer.status_code, answer.content) == (204, b"")
    assert events() == ["coupon-issued", "coupon-redeemed", "coupon-applied", "coupon-application-removed"]
    rebilly.post(f"/coupons-redemptions/{redemption['id']}/cancel")
    assert refused(rebilly.post(application(redemption), invoice())) == (["redemptionId"], "redemption_released")
    assert rebilly.request("DELETE", application(redemption, "in%201")).status_code == 404


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"invoiceId": None}, ["invoiceId"]),
        ({"invoiceId": "in 1"}, ["invoiceId"]),
        ({"invoiceId": ".."}, ["invoiceId"]),
        ({"invoiceId": "in_1\n"}, ["invoiceId"]),
        ({"currency": "EURO"}, ["currency"]),
        ({"items": None}, ["items"]),
        ({"items": [{"quantity": 0, "unitPrice": 1}]}, ["items.0.quantity"]),
        ({"items": [{"quantity": 1, "unitPrice": 1}, {"quantity": 1, "unitPrice": 1.001}]}, ["items.1.unitPrice"]),
        ({"items": [{"quantity": 1, "unitPrice": -1}]}, ["items.0.unitPrice"]),
        ({"items": [{"quantity": 1, "unitPrice": "1"}]}, ["items.0.unitPrice"]),
        ({"items": [{"quantity": 2**40, "unitPrice": 2**40}]}, ["items"]),
        ({"items": [{"quantity": 1, "unitPrice": 1}] * 501}, ["items"]),
        ({"shippingAmount": 1.005}, ["shippingAmount"]),
        ({"country": "it"}, ["country"]),
        ({"subscriptionId": 5}, ["subscriptionId"]),
    ],
)
def test_what_is_wrong_with_an_invoice_is_told_by_its_place(rebilly: Rebilly, changed: Any, fields: list[str]):
    rebilly.coupon("SUMMER")
    redemption = redeem(rebilly, "SUMMER")
    with nothing_written():
        found = invalid_fields(rebilly.post(application(redemption), invoice(**changed)))
    assert [name for name, _ in found] == fields


# --- Events ---------------------------------------------------------------------------------------


def test_what_happens_is_recorded_with_what_webhooks_tell(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("SUMMER")
    made = redeem(rebilly, "SUMMER", "cus_1")
    apply(rebilly, made)
    rebilly.request("DELETE", application(made, "in_1"))
    rebilly.post(f"/coupons-redemptions/{made['id']}/cancel")
    names = ["coupon-redeemed", "coupon-applied", "coupon-application-removed", "coupon-redemption-canceled"]
    assert events()[1:] == names
    row = Redemption.objects.get()
    told_of = Event.objects.filter(resource_type="redemptions", resource_id=row.pk, name__startswith="coupon-")
    payloads = [event.payload for event in told_of.order_by("pk")]
    for name, payload in zip(names, payloads, strict=True):
        assert payload is not None
        assert (payload["eventType"], payload["couponId"], payload["redemptionId"], payload["customerId"]) == (
            *(name, "SUMMER", made["id"], "cus_1"),
        )
        assert payload["_links"] == [
            {"rel": "coupon", "href": f"{HOST}{ROOT}/coupons/SUMMER"},
            {"rel": "redemption", "href": f"{AT}/{made['id']}"},
            {"rel": "customer", "href": f"{HOST}{ROOT}/customers/cus_1"},
        ]
        assert payload["_embedded"]["customer"] == {"id": "cus_1"}
    assert payloads[0]["_embedded"]["redemption"] == made  # type: ignore[index]
    assert payloads[0]["_embedded"]["coupon"]["redemptionsCount"] == 1  # type: ignore[index]
    assert payloads[3]["_embedded"]["coupon"] == told(rebilly.get("/coupons/SUMMER"))  # type: ignore[index]
    assert payloads[3]["_embedded"]["redemption"]["canceledTime"] == "2026-06-15T12:00:00Z"  # type: ignore[index]


# --- Meeting --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_parallel_redemptions_keep_both_limits(rebilly: Rebilly):
    limits = [{"type": "redemptions-per-customer", "quantity": 2}, {"type": "total-redemptions", "quantity": 5}]
    rebilly.coupon("RUSH", restrictions=limits)
    customers = ["cus_1", "cus_2", "cus_3"] * 4
    answers = at_once(
        *(partial(rebilly.post, "/coupons-redemptions", {"couponId": "RUSH", "customerId": one}) for one in customers)
    )
    assert sorted(statuses(answers)) == [201] * 5 + [422] * 7
    reasons = {answer.json()["reason"] for answer in answers if answer.status_code == 422}
    assert reasons <= {"already_used_by_customer", "promotion_usage_reached"}
    assert Use.objects.filter(is_counted=True).count() == 5
    for one in set(customers):
        assert Redemption.objects.filter(customer_reference=one).count() <= 2


@pytest.mark.django_db(transaction=True)
def test_parallel_applications_keep_the_discounts_of_a_redemption(rebilly: Rebilly):
    rebilly.coupon("TWICE", restrictions=[{"type": "discounts-per-redemption", "quantity": 2}])
    redemption = redeem(rebilly, "TWICE")
    names = [f"in_{number}" for number in range(8)]
    answers = at_once(*(partial(rebilly.post, application(redemption), invoice(name)) for name in names))
    assert sorted(statuses(answers)) == [201] * 2 + [422] * 6
    assert {answer.json()["reason"] for answer in answers if answer.status_code == 422} == {"discounts_reached"}
    assert InvoiceDiscount.objects.count() == 2
    assert Redemption.objects.get().discount_cents == -2500


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("declining", [False, True])
def test_whoever_applies_removes_and_cancels_at_once_leaves_every_sum_right(
    rebilly: Rebilly, acme: Organization, api: Api, declining: bool
):
    made = factories.fixed_amount_promotion(acme, fixed_amount_cents=10_000, declining_balance=declining)
    factories.coupon(factories.coupon_rule(made), code="CHEQUE-2026")
    rebilly.coupon("SUMMER")
    cheques = [redeem(rebilly, "CHEQUE-2026", "cus_1") for _ in range(2)]
    eighth = redeem(rebilly, "SUMMER", "cus_1")
    row = Redemption.objects.order_by("pk").first()
    assert row is not None
    answers = at_once(
        *(
            partial(rebilly.post, application(one), invoice(name))
            for one in (*cheques, eighth)
            for name in ("in_1", "in_2")
        ),
        partial(rebilly.request, "DELETE", application(eighth, "in_1")),
        partial(api.update, row, {"_cancel": True}),
        partial(rebilly.post, f"/coupons-redemptions/{cheques[1]['id']}/cancel"),
    )
    *others, given_back, cancelled = statuses(answers)
    assert set(others) <= {201, 204, 422}
    # What is gone of a balance is not given back before it is removed from the invoices.
    assert (given_back, cancelled) in product({200, 403} if declining else {200}, {201, 409} if declining else {201})
    assert Use.objects.filter(is_counted=True).count() == 3 - (given_back == 200) - (cancelled == 201)
    for each in Redemption.objects.all():
        taken = InvoiceDiscount.objects.filter(redemption=each).values_list("discount_cents", flat=True)
        assert (each.discounts_count, each.discount_cents) == (len(taken), sum(taken))
