from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from commerce import changes, ledger
from commerce.models import LedgerEntry, Organization
from coupons import ahead, reconciling
from coupons.dialects.ticketing import guids
from coupons.models import Coupon, Redemption
from promotions.models import Promotion
from tests import factories
from tests.client import Api, nothing_written
from tests.coupons.test_concurrency import at_once
from tests.dialects.ticketing_client import UNKNOWN, Ticketing
from tests.factories import BY, NOW
from tests.shopping import Shop, amounts, done


@pytest.fixture
def cheque(tickets: Ticketing) -> str:
    """The GUID of a code of a cheque of 50 euros, CHEQUE-1."""
    return tickets.codes(tickets.coupon(), "CHEQUE-1")[0]["guid"]


ITEMS = {"items.0.price", "items.1.price", "items.1.quantity"}


def differences(owner: Organization) -> list[Any]:
    return list(reconciling.differences(owner))


# --- Applied --------------------------------------------------------------------------------------


def test_an_order_is_redeemed_and_told_whole(tickets: Ticketing, acme: Organization, shop: Shop, cheque: str):
    sku = shop.sku(code="SEAT")
    answer = tickets.post(
        "/coupon/redemption",
        {
            "order": "4711",
            "codes": ["cheque-1"],
            "items": [
                {"product": guids.encode("product", sku.pk), "quantity": 2, "price": 1000},
                {"code": "DRINK", "price": 500},
            ],
            "customer_email": "ada@example.com",
        },
    )
    assert answer.status == 200
    redemption = Redemption.objects.get()
    assert answer.body == {
        "guid": guids.encode("redemption", redemption.pk),
        "company_id": guids.encode("company", acme.pk),
        "order": "4711",
        "currency": "EUR",
        "discount": 2500,
        "codes": [
            {
                "guid": cheque,
                "coupon_guid": guids.encode("coupon", Promotion.objects.get().pk),
                "code": "CHEQUE-1",
                "used_amount": 2500,
                "remaining": 2500,
            }
        ],
        "items": [
            {
                "product": guids.encode("product", sku.pk),
                "code": "SEAT",
                "quantity": 2,
                "price": 1000,
                "discount": 2000,
            },
            {"product": None, "code": "DRINK", "quantity": 1, "price": 500, "discount": 500},
        ],
        "created_at": "2026-06-15T12:00:00+00:00",
        "released_at": None,
    }
    assert tickets.done("GET", f"/coupon/redemption/{answer.body['guid']}") == answer.body
    assert (redemption.customer_email, redemption.reference) == ("ada@example.com", "4711")
    assert differences(acme) == []


def test_null_is_not_given_of_an_order(tickets: Ticketing, cheque: str):
    item = {"product": None, "code": "DRINK", "quantity": None, "price": 500}
    sent = {"order": "o1", "codes": ["CHEQUE-1"], "items": [item], "customer_email": None, "currency": None}
    told = tickets.done("POST", "/coupon/redemption", sent)
    assert (told["currency"], told["items"][0]["quantity"], told["discount"]) == ("EUR", 1, 500)


def test_the_same_order_sent_again_uses_nothing_twice(tickets: Ticketing, cheque: str):
    first = tickets.redeem("o1", "CHEQUE-1", 1000)
    with nothing_written():
        again = tickets.redeem("o1", "cheque-1", 1000)
        assert (again.status, again.body) == (200, first.body)
    assert tickets.code(cheque)["used_amount"] == 1000


@pytest.mark.parametrize(
    ("prices", "code", "values"),
    [
        ((1001,), "CHEQUE-1", {}),
        ((1000, 1000), "CHEQUE-1", {}),
        ((1000,), "CHEQUE-2", {}),
        ((1000,), "CHEQUE-1", {"currency": "USD"}),
    ],
)
def test_an_order_that_is_sent_otherwise_is_409(
    tickets: Ticketing, cheque: str, prices: tuple[int, ...], code: str, values: dict[str, Any]
):
    tickets.redeem("o1", "CHEQUE-1", 1000)
    with nothing_written():
        answer = tickets.redeem("o1", code, *prices, **values)
    assert (answer.status, answer.body["error"]) == (409, "conflict")


def test_an_order_of_the_same_name_in_another_api_is_another_one(tickets: Ticketing, api: Api, cheque: str):
    sent = {"coupon_code": "CHEQUE-1", "amount_cents": 1000, "currency_code": "EUR", "reference": "o1"}
    assert api.create("redemptions", sent).status_code == 201
    assert tickets.redeem("o1", "CHEQUE-1", 1000).body["codes"][0]["remaining"] == 3000


def test_a_reservation_of_the_other_api_is_no_redemption_of_the_order(
    tickets: Ticketing, api: Api, cheque: str, travel: Callable[[datetime], None]
):
    sent = {"coupon_code": "CHEQUE-1", "amount_cents": 1000, "currency_code": "EUR", "_reserve": True}
    assert api.create("redemptions", {**sent, "reference": "o1", "reference_origin": "ticketing"}).status_code == 201
    reserved = Redemption.objects.get()
    first = tickets.redeem("o1", "CHEQUE-1", 2000)
    assert (first.status, first.body["codes"][0]["remaining"]) == (200, 2000)
    travel(NOW + timedelta(seconds=1))
    assert api.update(reserved, {"_commit": True}).status_code == 200
    assert tickets.redeem("o1", "CHEQUE-1", 2000).body["guid"] == first.body["guid"]
    assert tickets.code(cheque)["used_amount"] == 3000


def test_what_was_redeemed_ahead_is_never_the_redemption_of_an_order(
    tickets: Ticketing, api: Api, acme: Organization, cheque: str
):
    with changes.atomic():
        granted = ahead.redeem(Coupon.objects.get().tenant, "CHEQUE-1", "cus-1", [], BY)
    assert api.update(granted, {"reference": "o1", "reference_origin": "ticketing"}).status_code == 200
    answer = tickets.redeem("o1", "CHEQUE-1", 2000)
    assert (answer.status, answer.body["discount"], answer.body["codes"][0]["remaining"]) == (200, 2000, 3000)
    assert answer.body["guid"] != guids.encode("redemption", granted.pk)
    assert differences(acme) == []


def test_a_cheque_declines_until_it_is_used_up(tickets: Ticketing, acme: Organization, cheque: str):
    taken = [tickets.redeem(f"o{price}", "CHEQUE-1", price).body["discount"] for price in (2000, 2500, 1000)]
    assert taken == [2000, 2500, 500]
    assert tickets.code(cheque)["remaining"] == 0
    refused = tickets.redeem("o4", "CHEQUE-1", 100)
    assert (refused.status, list(refused.context)) == (406, ["codes.0"])
    entries = LedgerEntry.objects.filter(resource_type="coupons").order_by("pk")
    assert list(entries.values_list("kind", "amount_cents", "balance_cents")) == [
        (ledger.Kind.USE, -2000, 3000),
        (ledger.Kind.USE, -2500, 500),
        (ledger.Kind.USE, -500, 0),
    ]
    assert differences(acme) == []


def test_a_lower_amount_leaves_nothing_and_never_less(tickets: Ticketing, cheque: str):
    tickets.redeem("o1", "CHEQUE-1", 3000)
    coupon = tickets.code(cheque)["coupon_guid"]
    assert tickets.done("PUT", f"/coupon/{coupon}", {"amount": 2000})["amount"] == 2000
    assert tickets.code(cheque)["remaining"] == 0
    tickets.done("PUT", f"/coupon/{coupon}", {"amount": 4000})
    assert tickets.code(cheque)["remaining"] == 1000


@pytest.mark.parametrize(
    ("of_type", "amount", "discounts"),
    [
        ("fixed-discount", 1250, [1000, 250]),
        ("percentage-discount", 12.5, [125, 31]),
        ("new-price", 1000, [200, 50]),
        ("new-price", 1250, None),
    ],
)
def test_each_type_takes_off_what_it_says(tickets: Ticketing, of_type: str, amount: float, discounts: list[int] | None):
    """Off 1000 and 250: 12.5 % are 156.25, rounded once and spread."""
    tickets.codes(tickets.coupon(of_type, amount), "TICKET-1")
    answer = tickets.redeem("o1", "TICKET-1", 1000, 250)
    assert answer.status == (200 if discounts else 406)
    assert discounts is None or [item["discount"] for item in answer.body["items"]] == discounts


def test_a_code_is_used_in_as_many_orders_as_it_may_be(tickets: Ticketing):
    (code,) = tickets.codes(tickets.coupon("fixed-discount", 100), "TWICE", usage_count=2)
    assert [tickets.redeem(f"o{number}", "TWICE", 1000).status for number in range(3)] == [200, 200, 406]
    told = tickets.code(code["guid"])
    assert (told["used_count"], told["usage_count"], told["used_amount"], told["remaining"]) == (2, 2, 200, None)


def test_promotions_that_need_no_code_take_part(tickets: Ticketing, acme: Organization):
    factories.percentage_promotion(acme, percentage=10)
    (code,) = tickets.codes(tickets.coupon("fixed-discount", 300), "THREE")
    told = tickets.redeem("o1", "THREE", 1000).body
    assert (told["discount"], told["items"][0]["discount"]) == (400, 400)
    assert [(one["code"], one["used_amount"]) for one in told["codes"]] == [("THREE", 300)]
    assert tickets.code(code["guid"])["used_amount"] == 300


def test_several_codes_are_used_together_or_not_at_all(tickets: Ticketing):
    tickets.codes(tickets.coupon("fixed-discount", 100), "FIRST")
    tickets.codes(tickets.coupon("percentage-discount", 10), "SECOND")
    sent = {"order": "o1", "codes": ["FIRST", "NOBODYS", "SECOND"], "items": [{"code": "a", "price": 1000}]}
    with nothing_written():
        answer = tickets.post("/coupon/redemption", sent)
    assert (answer.status, answer.context) == (406, {"codes.1": ["No coupon has this code."]})
    answer = tickets.post("/coupon/redemption", sent | {"codes": ["FIRST", "SECOND"]})
    assert {one["code"]: one["used_amount"] for one in answer.body["codes"]} == {"SECOND": 100, "FIRST": 100}


@pytest.mark.parametrize(
    ("values", "open_"),
    [
        ({"start_date": "2026-06-15T12:00:00Z"}, True),
        ({"start_date": "2026-06-15T12:00:00.001Z"}, False),
        ({"end_date": "2026-06-15T12:00:00.001Z"}, True),
        ({"end_date": "2026-06-15T14:00:00+02:00"}, False),
        ({"status": "disabled"}, False),
    ],
)
def test_the_start_is_inclusive_and_the_end_exclusive(tickets: Ticketing, values: dict[str, Any], open_: bool):
    tickets.codes(tickets.coupon(**values), "ABCD")
    assert (tickets.redeem("o1", "ABCD", 100).status == 200) == open_


def test_codes_of_other_apis_are_redeemed(tickets: Ticketing, acme: Organization):
    promotion = factories.percentage_promotion(acme, percentage=20)
    factories.coupon(factories.coupon_rule(promotion), code="JSON-API", customer_single_use=True)
    refused = tickets.redeem("o1", "JSON-API", 1000)
    assert refused.context == {"codes.0": ["The customer decides on it, and the order has none yet."]}
    answer = tickets.redeem("o1", "JSON-API", 1000, customer_email="ada@example.com")
    assert answer.body["discount"] == 200
    assert tickets.redeem("o2", "JSON-API", 1000, customer_email="ADA@example.com").status == 406


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"order": ""}, {"order"}),
        ({"order": None, "codes": [], "items": []}, {"order", "codes", "items"}),
        ({"codes": "ABCD"}, {"codes"}),
        ({"codes": [5]}, {"codes.0"}),
        ({"codes": ["ABCD"] * 26}, {"codes"}),
        ({"items": [{"price": 1}]}, {"items.0.product"}),
        ({"items": [{"price": 1, "code": "a", "product": UNKNOWN}]}, {"items.0.product"}),
        ({"items": [{"price": 1, "code": "a"}, {"price": 1, "product": UNKNOWN}]}, {"items.1.product"}),
        ({"items": [{"code": "a"}, {"code": "a", "price": 0.5, "quantity": 0}]}, ITEMS),
        ({"items": [{"code": "a", "price": 2**53 - 1, "quantity": 2}]}, {"items"}),
        ({"customer_email": "ada"}, {"customer_email"}),
        ({"currency": "XXX"}, {"currency"}),
    ],
)
def test_what_is_wrong_is_406_and_named(tickets: Ticketing, cheque: str, changed: dict[str, Any], named: set[str]):
    good = {"order": "o1", "codes": ["CHEQUE-1"], "items": [{"code": "a", "price": 1}]}
    with nothing_written():
        answer = tickets.post("/coupon/redemption", good | changed)
    assert (answer.status, set(answer.context)) == (406, named)


# --- Released -------------------------------------------------------------------------------------


def test_what_is_released_is_given_back_once(tickets: Ticketing, acme: Organization, cheque: str):
    told = tickets.redeem("o1", "CHEQUE-1", 2000).body
    path = f"/coupon/redemption/{told['guid']}"
    released = tickets.done("POST", f"{path}/release")
    assert released["released_at"] == "2026-06-15T12:00:00+00:00"
    assert released["codes"][0] == told["codes"][0] | {"remaining": 5000}
    assert tickets.done("POST", f"{path}/release/") == tickets.done("GET", path) == released
    code = tickets.code(cheque)
    assert (code["used_amount"], code["used_count"], code["remaining"]) == (0, 0, 5000)
    assert differences(acme) == []


def test_an_order_that_was_released_may_be_redeemed_anew(tickets: Ticketing, cheque: str):
    first = tickets.redeem("o1", "CHEQUE-1", 2000).body
    tickets.done("POST", f"/coupon/redemption/{first['guid']}/release")
    second = tickets.redeem("o1", "CHEQUE-1", 3000).body
    assert (second["discount"], second["guid"] != first["guid"]) == (3000, True)


@pytest.mark.parametrize("guid", [UNKNOWN, "2abbe4c4-43a2-835f-a82d-7aa58ff8f489", "release"])
def test_a_redemption_that_is_not_there_is_404(tickets: Ticketing, guid: str):
    assert tickets.get(f"/coupon/redemption/{guid}").status == 404
    assert tickets.post(f"/coupon/redemption/{guid}/release").status == 404


# --- Orders of the JSON:API -----------------------------------------------------------------------


def test_a_cheque_pays_part_of_an_order_and_keeps_the_rest(tickets: Ticketing, shop: Shop, cheque: str):
    order = shop.placed(2000, 1500, coupon_code="CHEQUE-1")
    assert amounts(shop.staff, order) == {"subtotal": 3500, "discount": -3500, "total": 0}
    assert tickets.code(cheque)["used_amount"] == 3500
    second = shop.placed(4000, coupon_code="CHEQUE-1")
    assert amounts(shop.staff, second) == {"subtotal": 4000, "discount": -1500, "total": 2500}
    code = tickets.code(cheque)
    assert (code["used_amount"], code["used_count"], code["remaining"]) == (5000, 2, 0)
    done(shop.staff.update(order, {"_cancel": True}))
    assert tickets.code(cheque)["remaining"] == 3500
    assert differences(shop.owner) == []


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_orders_that_meet_never_overdraw_a_cheque(tickets: Ticketing, acme: Organization, cheque: str):
    answers = at_once(*(partial(tickets.redeem, f"o{number}", "CHEQUE-1", 900) for number in range(8)))
    taken = sum(answer.body["discount"] for answer in answers if answer.status == 200)
    assert {answer.status for answer in answers} <= {200, 406}
    assert taken == Coupon.objects.get().used_amount_cents <= 5000
    assert taken >= 900 * 5
    assert differences(acme) == []


@pytest.mark.django_db(transaction=True)
def test_a_code_for_three_orders_is_used_by_three_that_meet(tickets: Ticketing, acme: Organization):
    tickets.codes(tickets.coupon("fixed-discount", 100), "THRICE", usage_count=3)
    answers = at_once(*(partial(tickets.redeem, f"o{number}", "THRICE", 900) for number in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [406] * 5
    assert Coupon.objects.get().usage_count == 3
    assert differences(acme) == []


@pytest.mark.django_db(transaction=True)
def test_one_order_that_is_sent_many_times_at_once_is_redeemed_once(tickets: Ticketing, cheque: str):
    answers = at_once(*[partial(tickets.redeem, "o1", "CHEQUE-1", 900)] * 6)
    assert [answer.status for answer in answers] == [200] * 6
    assert len({answer.body["guid"] for answer in answers}) == 1
    assert tickets.code(cheque)["used_amount"] == 900


@pytest.mark.django_db(transaction=True)
def test_the_same_code_is_added_once_by_those_who_meet(tickets: Ticketing):
    coupons = [tickets.coupon() for _ in range(4)]
    sent = {"codes": [{"code": "ABCD"}, {"code": "ABCE"}]}
    answers = at_once(*(partial(tickets.put, f"/coupon/{coupon}/codes", sent) for coupon in coupons))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert Coupon.objects.count() == 2
