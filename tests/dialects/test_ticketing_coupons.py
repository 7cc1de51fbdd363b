from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Event, Organization, Version
from coupons.dialects.ticketing import guids
from promotions.models import ALWAYS, NEVER, CouponCodesPromotionRule, Promotion
from tests import factories
from tests.client import Api, nothing_written, problem
from tests.dialects.ticketing_client import UNKNOWN, Ticketing
from tests.factories import NOW


def stored() -> Promotion:
    return Promotion.objects.get()


# --- Created --------------------------------------------------------------------------------------


def test_a_coupon_is_created_and_told_whole(tickets: Ticketing, acme: Organization):
    answer = tickets.post(
        "/coupon",
        {
            "name": "Fifty",
            "description": "Fifty euros",
            "note": "ours",
            "type": "fixed-discount",
            "start_date": "2025-01-05T19:00:00+01:00",
            "end_date": "2027-01-05T19:00:00.5Z",
            "status": "enabled",
            "amount": 4000,
        },
    )
    assert answer.status == 200
    promotion = stored()
    assert answer.body == {
        "guid": guids.encode("coupon", promotion.pk),
        "company_id": guids.encode("company", acme.pk),
        "name": "Fifty",
        "description": "Fifty euros",
        "note": "ours",
        "type": "fixed-discount",
        "status": "enabled",
        "start_date": "2025-01-05T18:00:00+00:00",
        "end_date": "2027-01-05T19:00:00.500000+00:00",
        "amount": 4000,
        "currency": "EUR",
        "created_at": "2026-06-15T12:00:00+00:00",
        "updated_at": "2026-06-15T12:00:00+00:00",
        "deleted_at": None,
    }
    rule = CouponCodesPromotionRule.objects.get()
    assert rule.promotion_id == promotion.pk
    assert sorted(Event.objects.exclude(resource_type="applications").values_list("name", flat=True)) == [
        "coupon_codes_promotion_rules.create",
        "fixed_amount_promotions.create",
    ]


def test_null_is_not_given(tickets: Ticketing):
    sent = dict.fromkeys(("description", "note", "start_date", "end_date", "status", "currency"))
    told = tickets.done("POST", "/coupon", {"name": "N", "type": "cheque", "amount": 1, **sent})
    assert (told["status"], told["currency"], told["end_date"]) == ("enabled", "EUR", None)
    path = f"/coupon/{tickets.coupon(status='disabled', currency='CHF')}"
    told = tickets.done("PUT", path, {"status": None, "currency": None})
    assert (told["status"], told["currency"]) == ("disabled", "CHF")


@pytest.mark.parametrize(
    ("of_type", "amount", "expected"),
    [
        ("cheque", 5000, {"kind": "fixed_amount", "fixed_amount_cents": 5000, "declining_balance": True}),
        ("fixed-discount", 4000.0, {"kind": "fixed_amount", "fixed_amount_cents": 4000, "declining_balance": False}),
        ("percentage-discount", 12.5, {"kind": "percentage_discount", "percentage": Decimal("12.5")}),
        ("percentage-discount", 0.0001, {"kind": "percentage_discount", "percentage": Decimal("0.0001")}),
        ("percentage-discount", 100, {"kind": "percentage_discount", "currency_code": None}),
        ("new-price", 0, {"kind": "fixed_price", "fixed_amount_cents": 0, "whole_order": True}),
    ],
)
def test_each_type_is_a_kind_of_promotion(tickets: Ticketing, of_type: str, amount: float, expected: dict[str, Any]):
    told = tickets.done("POST", "/coupon", {"name": "N", "type": of_type, "amount": amount})
    assert (told["type"], told["amount"], type(told["amount"])) == (
        of_type,
        amount,
        type(amount) if amount % 1 else int,
    )
    promotion = stored()
    assert {name: getattr(promotion, name) for name in expected} == expected


def test_what_is_left_out_is_open_and_enabled(tickets: Ticketing):
    told = tickets.done("POST", "/coupon", {"name": "N", "type": "cheque", "amount": 1})
    assert (told["start_date"], told["end_date"], told["status"], told["description"]) == (None, None, "enabled", None)
    promotion = stored()
    assert (promotion.starts_at, promotion.expires_at, promotion.disabled_at) == (ALWAYS, NEVER, None)


def test_read_only_and_unknown_members_are_ignored_and_never_told(tickets: Ticketing):
    sent = {"name": "N", "type": "cheque", "amount": 1, "guid": UNKNOWN, "created_at": 5, "deleted_at": "x", "odd": []}
    told = tickets.done("POST", "/coupon", sent)
    assert told["guid"] == guids.encode("coupon", stored().pk)
    assert (told["created_at"], told["deleted_at"], "odd" in told) == ("2026-06-15T12:00:00+00:00", None, False)


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, {"name", "type", "amount"}),
        ({"name": "", "type": "voucher", "amount": 12.5}, {"name", "type"}),
        ({"name": 5, "type": ["cheque"], "amount": "12"}, {"name", "type", "amount"}),
        ({"name": "n" * 256}, {"name"}),
        ({"description": "d" * 65_536, "note": 1}, {"description", "note"}),
        ({"amount": 12.5}, {"amount"}),
        ({"amount": -1}, {"amount"}),
        ({"amount": 0}, {"amount"}),
        ({"amount": True}, {"amount"}),
        ({"amount": None}, {"amount"}),
        ({"amount": 2**53}, {"amount"}),
        ({"type": "percentage-discount", "amount": 100.0001}, {"amount"}),
        ({"type": "percentage-discount", "amount": 12.34567}, {"amount"}),
        ({"type": "new-price", "amount": "5"}, {"amount"}),
        ({"status": "on"}, {"status"}),
        ({"start_date": "tomorrow", "end_date": 5}, {"start_date", "end_date"}),
        ({"start_date": "0001-01-01T00:00:00+14:00"}, {"start_date"}),
        ({"start_date": "2026-01-02T00:00:00Z", "end_date": "2026-01-02T01:00:00+01:00"}, {"end_date"}),
        ({"currency": "EURO"}, {"currency"}),
    ],
)
def test_what_is_wrong_is_406_and_named(tickets: Ticketing, sent: dict[str, Any], named: set[str]):
    good = {"name": "N", "type": "cheque", "amount": 1} if sent and "name" not in sent else {}
    if "name" in sent and len(sent) == 1:
        good = {"type": "cheque", "amount": 1}
    with nothing_written():
        answer = tickets.post("/coupon", good | sent)
    assert (answer.status, answer.body["error"], set(answer.context)) == (406, "validation_failed", named)


def test_numbers_that_only_look_exact_are_refused(tickets: Ticketing):
    for amount in (b"1e-999999", b"12.50000000000000000001", b"1e999999", b"NaN"):
        body = b'{"name": "N", "type": "percentage-discount", "amount": ' + amount + b"}"
        assert tickets.post("/coupon", body).status in (400, 406)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"'])
def test_a_body_that_is_no_object_is_refused(tickets: Ticketing, body: bytes):
    assert tickets.post("/coupon", body).status == (400 if body else 406)


def test_any_content_type_and_accept_will_do(tickets: Ticketing):
    body = b'{"name": "N", "type": "cheque", "amount": 1}'
    sent = {"HTTP_AUTHORIZATION": f"Bearer {tickets.api.token}", "HTTP_ACCEPT": "text/html"}
    assert tickets.api.client.generic("POST", "/coupon", body, "text/plain", **sent).status_code == 200


# --- Currencies -----------------------------------------------------------------------------------


def test_the_currency_is_that_of_all_price_lists(tickets: Ticketing, acme: Organization):
    factories.price_list(acme, currency_code="USD")
    factories.price_list(acme, currency_code="USD")
    factories.price_list(factories.organization(), currency_code="JPY")
    tickets.coupon()
    assert stored().currency_code == "USD"


def test_of_several_currencies_it_is_the_one_of_the_settings(tickets: Ticketing, acme: Organization, settings: Any):
    settings.TICKETING_CURRENCY = "GBP"
    factories.price_list(acme, currency_code="USD")
    factories.price_list(acme, currency_code="EUR")
    tickets.coupon()
    assert stored().currency_code == "GBP"


def test_a_currency_may_be_told(tickets: Ticketing):
    assert (
        tickets.done("POST", "/coupon", {"name": "N", "type": "cheque", "amount": 1, "currency": "CHF"})["currency"]
        == "CHF"
    )


# --- Read -----------------------------------------------------------------------------------------


def test_archived_coupons_are_listed_as_asked_for(tickets: Ticketing):
    kept, archived = tickets.coupon(), tickets.coupon()
    assert tickets.delete(f"/coupon/{archived}").status == 204
    lists = {which: [one["guid"] for one in tickets.done("GET", f"/coupon{which}")] for which in WHICH}
    listed = {"kept": [kept], "all": [kept, archived], "archived": [archived]}
    assert lists == {which: listed[expected] for which, expected in WHICH.items()}


WHICH = {"": "kept", "/": "kept", "/normal": "kept", "/normal/": "kept", "/0": "kept", "/1": "all", "/2": "archived"}


@pytest.mark.parametrize("which", ["3", "archived", "Normal", UNKNOWN, "2abbe4c443a2835fa82d7aa58ff8f489"])
def test_what_is_neither_a_list_nor_a_guid_of_ours_is_404(tickets: Ticketing, which: str):
    answer = tickets.get(f"/coupon/{which}")
    assert (answer.status, answer.body["error"], answer.context) == (404, "not_found", {})


@pytest.mark.parametrize("prefix", ["", "/3.0.0"])
def test_every_path_answers_with_the_prefix_and_a_slash(tickets: Ticketing, prefix: str):
    coupon = tickets.done("POST", f"{prefix}/coupon/", {"name": "N", "type": "cheque", "amount": 1})
    for path in ("", "/codes", "/products"):
        for slash in ("", "/"):
            assert tickets.get(f"{prefix}/coupon/{coupon['guid']}{path}{slash}").status == 200


def test_promotions_of_other_apis_are_coupons_where_codes_open_them(tickets: Ticketing, acme: Organization):
    listed = [
        factories.percentage_promotion(acme, percentage=Decimal("7.5")),
        factories.fixed_amount_promotion(acme, fixed_amount_cents=300),
        factories.fixed_amount_promotion(acme, declining_balance=True),
        factories.fixed_price_promotion(acme, fixed_amount_cents=700),
    ]
    others = [factories.free_shipping_promotion(acme), factories.buy_x_pay_y_promotion(acme)]
    for promotion in (*listed, *others):
        factories.coupon_rule(promotion)
    factories.percentage_promotion(acme)
    told = tickets.done("GET", "/coupon")
    assert [(one["type"], one["amount"]) for one in told] == [
        ("percentage-discount", 7.5),
        ("fixed-discount", 300),
        ("cheque", 1000),
        ("new-price", 700),
    ]
    assert told[0]["start_date"] == (NOW - timedelta(days=1)).isoformat()


def test_a_coupon_is_an_ordinary_promotion_for_others(tickets: Ticketing, api: Api):
    tickets.coupon("percentage-discount", 12.5)
    (told,) = api.data("percentage_discount_promotions")
    assert (told["attributes"]["percentage"], told["attributes"]["status"]) == (12.5, "active")


def test_a_list_takes_as_many_statements_however_long_it_is(tickets: Ticketing, acme: Organization):
    counts = []
    for _ in range(2):
        tickets.coupon()
        counts.append(counted(tickets, "/coupon"))
    assert counts[0] == counts[1] <= 1


def counted(tickets: Ticketing, path: str) -> int:
    tickets.done("GET", path)
    with CaptureQueriesContext(connection) as captured:
        tickets.done("GET", path)
    return len(captured)


# --- Changed --------------------------------------------------------------------------------------


def test_what_is_sent_changes_and_the_rest_stays(tickets: Ticketing):
    guid = tickets.coupon(description="D", start_date="2026-01-01", end_date="2027-01-01")
    told = tickets.done("PUT", f"/coupon/{guid}", {"amount": 6000, "end_date": None, "status": "disabled"})
    assert (told["name"], told["description"], told["amount"], told["status"]) == ("Fifty", "D", 6000, "disabled")
    assert (told["start_date"], told["end_date"]) == ("2026-01-01T00:00:00+00:00", None)
    assert (stored().fixed_amount_cents, stored().disabled_at) == (6000, NOW)
    assert tickets.done("PUT", f"/coupon/{guid}", {"status": "enabled"})["status"] == "enabled"
    assert Version.objects.filter(event="update").count() == 2


def test_a_coupon_sent_back_as_it_was_told_is_the_same(tickets: Ticketing):
    for of_type, amount in (("cheque", 5000), ("percentage-discount", 12.5), ("new-price", 100)):
        told = tickets.done("GET", f"/coupon/{tickets.coupon(of_type, amount)}")
        assert tickets.done("PUT", f"/coupon/{told['guid']}", told) == told


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"type": "fixed-discount"}, {"type"}),
        ({"name": None}, {"name"}),
        ({"amount": 0.5}, {"amount"}),
        ({"end_date": "1969-01-01"}, {"end_date"}),
    ],
)
def test_what_cannot_be_changed_is_406(tickets: Ticketing, sent: dict[str, Any], named: set[str]):
    guid = tickets.coupon()
    with nothing_written():
        answer = tickets.put(f"/coupon/{guid}", sent)
    assert (answer.status, set(answer.context)) == (406, named)


def test_the_percentage_of_a_percentage_is_judged_as_one(tickets: Ticketing):
    guid = tickets.coupon("percentage-discount", 10)
    assert tickets.put(f"/coupon/{guid}", {"amount": 101}).status == 406
    assert tickets.done("PUT", f"/coupon/{guid}", {"amount": 33.3333})["amount"] == 33.3333


def test_messages_speak_of_members_as_the_dialect_calls_them(tickets: Ticketing):
    answer = tickets.put(f"/coupon/{tickets.coupon(start_date='2026-01-01')}", {"end_date": "2025-01-01"})
    assert answer.context == {"end_date": ["must be after start_date"]}


def test_a_currency_changes_until_the_coupon_is_used(tickets: Ticketing):
    guid = tickets.coupon(currency="EUR")
    assert tickets.done("PUT", f"/coupon/{guid}", {"currency": "USD"})["currency"] == "USD"
    tickets.codes(guid, "CHEQUE-1")
    used = tickets.redeem("o1", "CHEQUE-1", 1000, currency="USD").body
    assert used["currency"] == "USD"
    for _ in ("used", "released"):
        with nothing_written():
            answer = tickets.put(f"/coupon/{guid}", {"currency": "EUR", "amount": 1})
        assert (answer.status, answer.context) == (406, {"currency": ["can't be changed: coupons were used"]})
        assert tickets.done("PUT", f"/coupon/{guid}", {"currency": "USD", "name": "Same"})["name"] == "Same"
        tickets.done("POST", f"/coupon/redemption/{used['guid']}/release")


def test_a_code_that_was_used_elsewhere_brings_its_currency_along(tickets: Ticketing, acme: Organization):
    coupon = factories.coupon(factories.coupon_rule(factories.fixed_amount_promotion(acme)))
    factories.redemption(acme, (factories.fixed_amount_promotion(acme), coupon))
    guid = guids.encode("coupon", coupon.promotion_rule.promotion_id)
    with nothing_written():
        answer = tickets.put(f"/coupon/{guid}", {"currency": "USD"})
    assert (answer.status, list(answer.context)) == (406, ["currency"])


# --- The archive ----------------------------------------------------------------------------------


def test_the_archive_keeps_a_coupon_disabled_until_it_is_restored(
    tickets: Ticketing, api: Api, travel: Callable[[datetime], None]
):
    guid = tickets.coupon()
    assert tickets.delete(f"/coupon/{guid}").status == 204
    travel(NOW + timedelta(hours=1))
    assert tickets.delete(f"/coupon/{guid}").status == 204
    told = tickets.done("GET", f"/coupon/{guid}")
    assert (told["status"], told["deleted_at"]) == ("disabled", "2026-06-15T12:00:00+00:00")
    assert api.data("fixed_amount_promotions")[0]["attributes"]["status"] == "disabled"
    told = tickets.done("PATCH", f"/coupon/{guid}/restore")
    assert (told["status"], told["deleted_at"]) == ("enabled", None)
    assert tickets.done("PUT", f"/coupon/{guid}/restore") == told


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", "{coupon}", {"name": "Other"}),
        ("PUT", "{coupon}/codes", {"codes": [{"code": "ABCD"}]}),
        ("POST", "{coupon}/codes", {"count": 1}),
        ("DELETE", "{coupon}/codes", {"codes": [{"code": "CHEQUE-1"}]}),
        ("PUT", "code/{code}", {"usage_count": 5}),
        ("DELETE", "code/{code}", None),
        ("POST", "{coupon}/products/{product}", {}),
        ("DELETE", "{coupon}/products/{product}", None),
    ],
)
def test_nothing_of_an_archived_coupon_is_changed(
    tickets: Ticketing, acme: Organization, method: str, path: str, sent: Any
):
    coupon, product = tickets.coupon(), guids.encode("product", factories.sku(acme).pk)
    (code,) = tickets.codes(coupon, "CHEQUE-1")
    tickets.done("POST", f"/coupon/{coupon}/products/{product}")
    tickets.delete(f"/coupon/{coupon}")
    where = "/coupon/" + path.format(coupon=coupon, code=code["guid"], product=product)
    with nothing_written():
        answer = tickets.ask(method, where, sent)
    assert (answer.status, answer.body["error"]) == (409, "conflict")
    tickets.done("PUT", f"/coupon/{coupon}/restore")
    assert tickets.ask(method, where, sent).status in (200, 204)


def test_a_coupon_comes_out_of_the_archive_as_it_was_put_in(tickets: Ticketing, travel: Callable[[datetime], None]):
    guid = tickets.coupon(status="disabled")
    travel(NOW + timedelta(hours=1))
    tickets.delete(f"/coupon/{guid}")
    assert tickets.done("PUT", f"/coupon/{guid}/restore")["status"] == "disabled"
    assert (stored().disabled_at, stored().archived_at) == (NOW, None)


def test_whoever_enables_an_archived_promotion_elsewhere_restores_it(tickets: Ticketing, api: Api):
    guid = tickets.coupon()
    tickets.delete(f"/coupon/{guid}")
    assert api.update(stored(), {"_enable": True}).status_code == 200
    told = tickets.done("GET", f"/coupon/{guid}")
    assert (told["status"], told["deleted_at"]) == ("enabled", None)


def test_codes_of_an_archived_coupon_are_refused_everywhere(tickets: Ticketing, api: Api):
    guid = tickets.coupon()
    tickets.codes(guid, "CHEQUE-1")
    tickets.delete(f"/coupon/{guid}")
    assert tickets.redeem("o1", "CHEQUE-1", 1000).status == 406
    sent = {"coupon_code": "CHEQUE-1", "amount_cents": 1000, "currency_code": "EUR"}
    assert problem(api.create("redemptions", sent))["meta"]["reason"] == "promotion_disabled"
