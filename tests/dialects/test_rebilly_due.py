"""manage.py reconcile --fix: what time and other APIs did to coupons is recorded as what is asked for here."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import changes, ids
from commerce.models import Event, Mode, Organization
from coupons.models import Coupon, Redemption
from tests import factories
from tests.client import Api, document
from tests.dialects.rebilly import PERCENT, Rebilly, created
from tests.factories import NOW
from tests.shopping import Shop, coupon

Travel = Callable[[datetime], None]
START, END = "2026-06-15T13:00:00Z", "2026-06-15T14:00:00Z"


REDEEMED, CANCELED = "coupon-redeemed", "coupon-redemption-canceled"


@pytest.fixture
def rebilly(acme: Organization, travel: Travel, unlimited: None) -> Rebilly:
    return Rebilly(factories.application(acme))


def reconciled(*options: str) -> str:
    output = StringIO()
    call_command("reconcile", "--fix", *options, stdout=output)
    return output.getvalue()


def told() -> list[tuple[str, str, str]]:
    """Which events of which coupons, and when."""
    events = Event.objects.filter(name__startswith="coupon-").order_by("pk")
    return [(event.name, event.payload["couponId"], f"{event.created_at:%H:%M}") for event in events]


def test_what_time_made_of_a_coupon_is_recorded_once(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("A", issuedTime=START, expiredTime=END)
    assert "Recorded" not in reconciled()
    travel(NOW + timedelta(hours=1))
    assert "Recorded 1 events of coupons that nobody had told of.\n" in reconciled()
    assert "Recorded" not in reconciled()
    travel(NOW + timedelta(hours=2, minutes=5))
    assert "Recorded 1 events" in reconciled()
    assert "Recorded" not in reconciled()
    assert told() == [("coupon-issued", "A", "13:00"), ("coupon-expired", "A", "14:05")]


def test_the_payload_is_that_of_every_event(rebilly: Rebilly, travel: Travel, settings: LazySettings):
    settings.ISSUER, settings.DOMAIN = "https://auth.shop.example", "shop.example"
    rebilly.coupon("A~1", issuedTime=START)
    travel(NOW + timedelta(hours=1))
    reconciled()
    href = "https://acme.shop.example/organizations/acme/coupons/A~1"
    document = rebilly.get("/coupons/A~1").json() | {"_links": [{"rel": "self", "href": href}]}
    assert document["status"] == "issued"
    assert Event.objects.get(name="coupon-issued").payload == {
        "couponId": "A~1",
        "eventType": "coupon-issued",
        "_embedded": {"coupon": document},
        "_links": [{"rel": "coupon", "href": href}],
    }


def test_what_was_recorded_when_it_was_asked_for_is_not_recorded_again(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("A")
    created(rebilly.post("/coupons/A/expiration", {"expiredTime": None}))
    before = told()
    assert [name for name, _, _ in before] == ["coupon-issued", "coupon-expiration-modified", "coupon-expired"]
    assert "Recorded" not in reconciled()
    assert told() == before


def test_a_coupon_that_was_issued_anew_expires_anew(rebilly: Rebilly, travel: Travel):
    rebilly.coupon("A", expiredTime=START)
    travel(NOW + timedelta(hours=1))
    reconciled()
    rebilly.put("/coupons/A", {"discount": PERCENT, "issuedTime": "2026-06-01T00:00:00Z", "expiredTime": END})
    travel(NOW + timedelta(hours=2))
    reconciled()
    names = [name for name, _, _ in told()]
    assert names == ["coupon-issued", "coupon-expired", "coupon-modified", "coupon-issued", "coupon-expired"]


# --- Other APIs -----------------------------------------------------------------------------------


def used(api: Api, *codes: str) -> Redemption:
    """What an order that is kept elsewhere used."""
    cart = {"coupon_codes": list(codes), "amount_cents": 10_000, "currency_code": "EUR"}
    answer = api.post("redemptions", document("redemptions", cart))
    assert answer.status_code == 201, answer.content
    return Redemption.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


def names() -> list[str]:
    return [name for name, _, _ in told()]


def test_what_other_apis_redeemed_and_gave_back_is_recorded_once(rebilly: Rebilly, api: Api, travel: Travel):
    rebilly.coupon("A")
    row = used(api, "A")
    travel(NOW + timedelta(hours=1))
    assert "Recorded 1 events" in reconciled()
    assert "Recorded" not in reconciled()
    assert api.update(row, {"_cancel": True}).status_code == 200
    travel(NOW + timedelta(hours=2))
    assert "Recorded 1 events" in reconciled()
    assert "Recorded" not in reconciled()
    assert told()[1:] == [(REDEEMED, "A", "13:00"), (CANCELED, "A", "14:00")]


def test_the_payload_is_that_of_every_redemption(
    rebilly: Rebilly, api: Api, acme: Organization, settings: LazySettings
):
    rebilly.coupon("A")
    row = used(api, "A")
    row.customer = factories.customer(acme)
    with changes.atomic():
        changes.save(row, factories.BY)
    settings.ISSUER, settings.DOMAIN = "https://auth.shop.example", "shop.example"
    reconciled()
    root = "https://acme.shop.example/organizations/acme"
    (redemption,) = rebilly.get("/coupons-redemptions").json()
    customer, at = row.customer.public_id, f"{root}/coupons-redemptions/{redemption['id']}"
    links = {"coupon": f"{root}/coupons/A", "redemption": at, "customer": f"{root}/customers/{customer}"}
    coupon = rebilly.get("/coupons/A").json() | {"_links": [{"rel": "self", "href": links["coupon"]}]}
    its_links = [{"rel": "self", "href": at}, *({"rel": rel, "href": links[rel]} for rel in ("customer", "coupon"))]
    event = Event.objects.get(name=REDEEMED)
    assert (event.resource_type, event.resource_id) == ("redemptions", row.pk)
    assert event.payload == {
        "couponId": "A",
        "redemptionId": redemption["id"],
        "customerId": customer,
        "eventType": REDEEMED,
        "_embedded": {
            "coupon": coupon,
            "redemption": redemption | {"_links": its_links},
            "customer": {"id": customer},
        },
        "_links": [{"rel": rel, "href": href} for rel, href in links.items()],
    }


def test_what_was_redeemed_and_cancelled_here_is_not_recorded_again(rebilly: Rebilly):
    rebilly.coupon("A")
    made = created(rebilly.post("/coupons-redemptions", {"couponId": "A"}))
    rebilly.post(f"/coupons-redemptions/{made['id']}/cancel")
    assert names() == ["coupon-issued", REDEEMED, CANCELED]
    assert "Recorded" not in reconciled()


def test_given_back_elsewhere_what_was_redeemed_here_is_recorded(rebilly: Rebilly, api: Api):
    rebilly.coupon("A")
    created(rebilly.post("/coupons-redemptions", {"couponId": "A"}))
    api.update(Redemption.objects.get(), {"_cancel": True})
    reconciled()
    assert names() == ["coupon-issued", REDEEMED, CANCELED]


def test_of_two_coupons_of_one_redemption_each_is_recorded(rebilly: Rebilly, api: Api):
    rebilly.coupon("A")
    rebilly.coupon("B")
    row = used(api, "A", "B")
    a, _ = rebilly.get("/coupons-redemptions?sort=couponId").json()
    rebilly.post(f"/coupons-redemptions/{a['id']}/cancel")
    assert "Recorded 2 events" in reconciled()
    api.update(row, {"_cancel": True})
    assert "Recorded 1 events" in reconciled()
    assert [(name, code) for name, code, _ in told()][2:] == [
        (CANCELED, "A"),
        (REDEEMED, "A"),
        (REDEEMED, "B"),
        (CANCELED, "B"),
    ]


def test_a_coupon_with_another_code_since_then_is_not_told_of_again(rebilly: Rebilly, api: Api):
    rebilly.coupon("A")
    used(api, "A")
    reconciled()
    assert api.update(Coupon.objects.get(), {"code": "ANOTHER-CODE"}).status_code == 200
    assert "Recorded" not in reconciled()
    used(api, "ANOTHER-CODE")
    assert "Recorded 1 events" in reconciled()
    assert [(name, code) for name, code, _ in told()][1:] == [(REDEEMED, "A"), (REDEEMED, "ANOTHER-CODE")]


def test_uses_of_codes_that_are_no_definition_of_their_own_are_left_alone(rebilly: Rebilly, api: Api, shop: Shop):
    coupon(shop, "SHOP-2026")
    used(api, "SHOP-2026")
    assert "Recorded" not in reconciled()


def test_many_uses_are_recorded_in_chunks_of_as_many_queries(
    rebilly: Rebilly, api: Api, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("coupons.dialects.rebilly.due.CHUNK", 4)
    rebilly.coupon("A")
    counts = []
    for count in (1, 4, 9):
        for row in [used(api, "A") for _ in range(count)]:
            api.update(row, {"_cancel": True})
        with CaptureQueriesContext(connection) as captured:
            assert f"Recorded {2 * count} events" in reconciled("--organization", "acme")
        counts.append(sum(query["sql"].startswith("SELECT") for query in captured.captured_queries))
    assert counts[0] == counts[1] < counts[2]
    assert sorted(names()[1:]) == [REDEEMED] * 14 + [CANCELED] * 14


# --- All of them ----------------------------------------------------------------------------------


def test_of_one_organization_and_of_all_in_both_modes(rebilly: Rebilly, acme: Organization, travel: Travel):
    other = factories.organization(slug="other")
    for application in (factories.application(acme, mode=Mode.LIVE), factories.application(other)):
        Rebilly(application).put("/coupons/A", {"discount": PERCENT, "issuedTime": START}, root="")
    rebilly.coupon("A", issuedTime=START)
    travel(NOW + timedelta(hours=1))
    assert "Recorded 2 events" in reconciled("--organization", "acme")
    assert "Recorded 1 events" in reconciled()


def test_codes_that_are_no_definition_of_their_own_are_left_alone(acme: Organization, travel: Travel):
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)))
    assert "Recorded" not in reconciled()


def test_nothing_is_recorded_where_the_dialect_is_off(rebilly: Rebilly, travel: Travel, settings: LazySettings):
    rebilly.coupon("A", issuedTime=START)
    settings.REBILLY_MOUNT = ""
    travel(NOW + timedelta(hours=1))
    assert "Recorded" not in reconciled()


def test_many_are_recorded_in_chunks(rebilly: Rebilly, travel: Travel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("coupons.dialects.rebilly.due.CHUNK", 2)
    for code in "ABCDE":
        rebilly.coupon(code, issuedTime=START)
    travel(NOW + timedelta(hours=1))
    assert "Recorded 5 events" in reconciled()
    assert [code for _, code, _ in told()] == [*"ABCDE"]


def test_a_chunk_is_asked_for_in_as_many_queries_whatever_it_holds(rebilly: Rebilly, travel: Travel):
    def selects(context: Any) -> int:
        return sum(query["sql"].startswith("SELECT") for query in context.captured_queries)

    counts = []
    for hour, codes in enumerate(("A", "BCDE"), 1):
        for code in codes:
            rebilly.coupon(code, issuedTime=f"2026-06-15T{12 + hour}:00:00Z")
        travel(NOW + timedelta(hours=hour))
        with CaptureQueriesContext(connection) as captured:
            assert f"Recorded {len(codes)} events" in reconciled()
        counts.append(selects(captured))
    assert counts[0] == counts[1]
