import csv
import logging
from datetime import timedelta
from io import StringIO
from itertools import product
from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Organization, Version
from coupons.dialects.ticketing import guids
from coupons.models import Coupon
from promotions.models import Promotion
from tests import factories
from tests.client import Api, nothing_written
from tests.dialects.ticketing_client import UNKNOWN, Ticketing
from tests.factories import NOW

# --- Added ----------------------------------------------------------------------------------------


def test_codes_are_added_and_told(tickets: Ticketing, acme: Organization):
    coupon = tickets.coupon()
    answer = tickets.put(
        f"/coupon/{coupon}/codes",
        {
            "codes": [{"code": "Ticket Two", "applies_to_count": 3, "usage_count": 5}, {"code": "ABCD"}],
            "applies_to_count": 2,
            "usage_count": 7,
        },
    )
    assert answer.status == 200
    common = {"company_id": guids.encode("company", acme.pk), "coupon_guid": coupon}
    unused = {"used_count": 0, "used_amount": 0, "remaining": 5000, "expires_at": None}
    keys = {coupon.code: coupon.pk for coupon in Coupon.objects.all()}
    assert answer.body == [
        {
            "guid": guids.encode("code", keys["Ticket Two"]),
            **common,
            "code": "Ticket Two",
            "applies_to_count": 3,
            "usage_count": 5,
            **unused,
        },
        {
            "guid": guids.encode("code", keys["ABCD"]),
            **common,
            "code": "ABCD",
            "applies_to_count": 2,
            "usage_count": 7,
            **unused,
        },
    ]
    assert tickets.done("GET", f"/coupon/{coupon}/codes") == sorted(answer.body, key=lambda one: one["code"])
    assert Promotion.objects.get().coupons_count == 2


def test_what_no_code_says_is_one_unit_and_as_many_orders_as_the_settings_say(tickets: Ticketing, settings: Any):
    coupon = tickets.coupon("percentage-discount", 10)
    (told,) = tickets.codes(coupon, "ABCD")
    assert (told["applies_to_count"], told["usage_count"], told["remaining"]) == (1, None, None)
    settings.TICKETING_USAGE_COUNT = 1
    assert tickets.codes(coupon, "ABCE")[0]["usage_count"] == 1


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        ({}, {"applies_to_count": None, "usage_count": None}, (1, 9)),
        ({"applies_to_count": None, "usage_count": None}, {}, (1, 9)),
        ({"applies_to_count": 2, "usage_count": 3}, {"applies_to_count": None, "usage_count": None}, (2, 3)),
        ({"applies_to_count": None, "usage_count": None}, {"applies_to_count": 2, "usage_count": 3}, (2, 3)),
    ],
)
def test_null_is_not_given_of_new_codes(
    tickets: Ticketing, settings: Any, common: dict[str, Any], own: dict[str, Any], expected: tuple[int, int]
):
    settings.TICKETING_USAGE_COUNT = 9
    sent = {**common, "codes": [{"code": "ABCD", **own}]}
    (told,) = tickets.done("PUT", f"/coupon/{tickets.coupon()}/codes", sent)
    assert (told["applies_to_count"], told["usage_count"]) == expected


def test_null_is_not_given_of_generations(tickets: Ticketing, settings: Any):
    settings.TICKETING_USAGE_COUNT = 9
    coupon = tickets.coupon()
    sent = dict.fromkeys(("length", "prefix", "applies_to_count", "usage_count"))
    assert tickets.post(f"/coupon/{coupon}/codes", {"count": 1, **sent}).status == 204
    (told,) = tickets.done("GET", f"/coupon/{coupon}/codes")
    assert (len(told["code"]), told["applies_to_count"], told["usage_count"]) == (12, 1, 9)


def test_null_is_not_given_of_a_code_that_is_changed(tickets: Ticketing):
    (told,) = tickets.codes(tickets.coupon(), "ABCD", applies_to_count=2, usage_count=3)
    path = f"/coupon/code/{told['guid']}"
    assert tickets.done("PUT", path, {"applies_to_count": None, "usage_count": None}) == told


SHORT = {"codes.0", "codes.1.code", "codes.2.code", "codes.3.code"}


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, {"codes"}),
        ({"codes": []}, {"codes"}),
        ({"codes": "ABCD"}, {"codes"}),
        ({"codes": None}, {"codes"}),
        ({"codes": [None, {"code": None}, {"code": "a b c"}, {"code": "Ａ Ｂ Ｃ"}]}, SHORT),
        (
            {"codes": [{"code": "abc"}, {"code": "x" * 65}, {}, "ABCD"]},
            {"codes.0.code", "codes.1.code", "codes.2.code", "codes.3"},
        ),
        (
            {"codes": [{"code": 1234, "applies_to_count": 0, "usage_count": 1.5}]},
            {"codes.0.code", "codes.0.applies_to_count", "codes.0.usage_count"},
        ),
        ({"codes": [{"code": "ABCD", "applies_to_count": 10_000_000_000}]}, {"codes.0.applies_to_count"}),
        (
            {"codes": [{"code": "ABCD"}], "applies_to_count": "1", "usage_count": -1},
            {"applies_to_count", "usage_count"},
        ),
    ],
)
def test_codes_that_are_wrong_are_named(tickets: Ticketing, sent: dict[str, Any], named: set[str]):
    coupon = tickets.coupon()
    with nothing_written():
        answer = tickets.put(f"/coupon/{coupon}/codes", sent)
    assert (answer.status, set(answer.context)) == (406, named)


def test_codes_that_are_taken_are_409_and_none_is_written(tickets: Ticketing, acme: Organization):
    coupon, other = tickets.coupon(), tickets.coupon()
    tickets.codes(other, "ABCD")
    factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="JSON-API")
    theirs = factories.coupon_rule(factories.percentage_promotion(factories.organization()))
    factories.coupon(theirs, code="ELSEWHERE")
    with nothing_written():
        sent = [{"code": code} for code in ("NEW-1", "ab cd", "json-api", "NEW-2", "new-1", "ELSEWHERE")]
        answer = tickets.put(f"/coupon/{coupon}/codes", {"codes": sent})
    assert (answer.status, answer.body["error"]) == (409, "conflict")
    assert answer.context == {f"codes.{place}.code": ["has already been taken"] for place in (1, 2, 4)}
    assert [one["code"] for one in tickets.codes(coupon, "NEW-1", "NEW-2", "ELSEWHERE")] == [
        "NEW-1",
        "NEW-2",
        "ELSEWHERE",
    ]


def test_ten_thousand_codes_take_a_few_seconds(tickets: Ticketing):
    coupon = tickets.coupon()
    codes = [f"BULK-{number:05}" for number in reversed(range(10_000))]
    started = perf_counter()
    told = tickets.codes(coupon, *codes)
    assert perf_counter() - started < 10
    assert [one["code"] for one in told] == codes
    assert len(tickets.done("GET", f"/coupon/{coupon}/codes")) == 10_000
    assert Version.objects.filter(changes__has_key="batch").count() == 1


# --- Generated ------------------------------------------------------------------------------------


def test_codes_are_generated_as_they_are_asked_for(tickets: Ticketing):
    coupon = tickets.coupon()
    sent = {"count": 20, "length": 6, "prefix": "VIP-", "applies_to_count": 4, "usage_count": 2}
    answer = tickets.post(f"/coupon/{coupon}/codes", sent)
    assert (answer.status, answer.body) == (204, "")
    told = tickets.done("GET", f"/coupon/{coupon}/codes")
    assert len({one["code"] for one in told}) == 20
    assert {(one["code"][:4], len(one["code"]), one["applies_to_count"], one["usage_count"]) for one in told} == {
        ("VIP-", 10, 4, 2)
    }


def test_fewer_codes_than_asked_for_are_told_in_the_log(tickets: Ticketing, caplog: pytest.LogCaptureFixture):
    """Of 32 codes with one symbol, all are drawn soon, and the rest is left out."""
    coupon = tickets.coupon()
    with caplog.at_level(logging.WARNING, "tessera.coupons"):
        assert tickets.post(f"/coupon/{coupon}/codes", {"count": 100, "length": 1, "prefix": "ABC"}).status == 204
    made = len(tickets.done("GET", f"/coupon/{coupon}/codes"))
    assert 0 < made <= 32
    (told,) = [record.getMessage() for record in caplog.records if record.name == "tessera.coupons"]
    assert told.startswith(f"{made} of 100 codes")


def test_generated_codes_never_are_somebody_elses(tickets: Ticketing, acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    for symbol in "23456789ABCDEFGHJKLMNPQRSTUVWX":
        factories.coupon(rule, code=f"SUMMER-{symbol}")
    coupon = tickets.coupon()
    assert tickets.post(f"/coupon/{coupon}/codes", {"count": 20, "length": 1, "prefix": "SUMMER-"}).status == 204
    assert {one["code"] for one in tickets.done("GET", f"/coupon/{coupon}/codes")} <= {"SUMMER-Y", "SUMMER-Z"}


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({}, "count"),
        ({"count": 0}, "count"),
        ({"count": 100_001}, "count"),
        ({"count": "5"}, "count"),
        ({"count": 1, "length": 0}, "length"),
        ({"count": 1, "length": 3}, "length"),
        ({"count": 1, "length": 1, "prefix": "a b "}, "length"),
        ({"count": None}, "count"),
        ({"count": 1, "length": 60, "prefix": "12345"}, "length"),
        ({"count": 1, "prefix": 5}, "prefix"),
        ({"count": 1, "applies_to_count": 0}, "applies_to_count"),
        ({"count": 1, "usage_count": 0.5}, "usage_count"),
    ],
)
def test_a_generation_that_is_wrong_is_named(tickets: Ticketing, sent: dict[str, Any], named: str):
    coupon = tickets.coupon()
    with nothing_written():
        answer = tickets.post(f"/coupon/{coupon}/codes", sent)
    assert (answer.status, list(answer.context)) == (406, [named])


# --- Read -----------------------------------------------------------------------------------------


def test_a_list_of_codes_takes_as_many_statements_however_long_it_is(tickets: Ticketing):
    coupon = tickets.coupon()
    for path, number in product((f"/coupon/{coupon}/codes", f"/coupon/{coupon}/codes/export"), (1, 2)):
        tickets.codes(coupon, *(f"{path[-6:]}-{number}-{each}" for each in range(number * 5)))
        tickets.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert tickets.get(path).status == 200
        assert len(captured) == 3


def test_codes_are_exported(tickets: Ticketing):
    coupon = tickets.coupon()
    told = tickets.codes(coupon, "=ABCD", "with, comma", usage_count=3)
    answer = tickets.get(f"/coupon/{coupon}/codes/export")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{coupon}.csv"'
    rows = list(csv.DictReader(StringIO(answer.body)))
    shown = [
        {name: "" if one[name] is None else str(one[name]) for name in row} for row, one in zip(rows, told, strict=True)
    ]
    assert rows == shown
    assert list(rows[0]) == [
        "guid",
        "code",
        "applies_to_count",
        "usage_count",
        "used_count",
        "used_amount",
        "remaining",
        "expires_at",
    ]


def test_codes_of_other_apis_are_told_as_they_are(tickets: Ticketing, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    rule = factories.coupon_rule(promotion)
    coupon = factories.coupon(rule, code="JSON-API", usage_limit=4, expires_at=NOW + timedelta(hours=1))
    guid = guids.encode("coupon", promotion.pk)
    (told,) = tickets.done("GET", f"/coupon/{guid}/codes")
    assert told == tickets.code(guids.encode("code", coupon.pk))
    assert (told["code"], told["applies_to_count"], told["usage_count"]) == ("JSON-API", None, 4)
    assert told["expires_at"] == "2026-06-15T13:00:00+00:00"
    assert tickets.get(f"/coupon/{guid}/codes/export").body.splitlines()[1].endswith(",2026-06-15T13:00:00+00:00")


# --- Changed --------------------------------------------------------------------------------------


def test_a_code_is_changed(tickets: Ticketing):
    (told,) = tickets.codes(tickets.coupon(), "ABCD")
    path = f"/coupon/code/{told['guid']}"
    changed = tickets.done("PUT", path, {"code": "ZYXW", "usage_count": 3})
    assert changed == told | {"code": "ZYXW", "usage_count": 3}
    assert tickets.done("PUT", path, changed) == tickets.done("GET", path) == changed
    assert (Coupon.objects.get().code_norm, Coupon.objects.get().only_code) == ("ZYXW", "ZYXW")


@pytest.mark.parametrize(
    ("sent", "status", "named"),
    [
        ({"code": "taken"}, 409, "code"),
        ({"code": "json-api"}, 409, "code"),
        ({"code": "abc"}, 406, "code"),
        ({"code": "a b c"}, 406, "code"),
        ({"code": None}, 406, "code"),
        ({"applies_to_count": 0}, 406, "applies_to_count"),
        ({"usage_count": "1"}, 406, "usage_count"),
    ],
)
def test_a_change_of_a_code_that_cannot_be_is_named(
    tickets: Ticketing, acme: Organization, sent: dict[str, Any], status: int, named: str
):
    told, _ = tickets.codes(tickets.coupon(), "ABCD", "TAKEN")
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(rule, code="JSON-API")
    with nothing_written():
        answer = tickets.put(f"/coupon/code/{told['guid']}", sent)
    assert (answer.status, list(answer.context)) == (status, [named])


def test_codes_that_were_not_used_are_deleted(tickets: Ticketing):
    coupon = tickets.coupon()
    used, *_, last = tickets.codes(coupon, "USED", "ABCD", "ABCE", "ABCF")
    assert tickets.redeem("o1", "USED", 100).status == 200
    with nothing_written():
        answer = tickets.delete(f"/coupon/{coupon}/codes", {"codes": [{"code": "ABCD"}, {"code": "USED"}]})
    assert (answer.status, answer.body["error"]) == (409, "conflict")
    with nothing_written():
        sent = {"codes": [{"code": "ABCD"}, {"code": "NOBODYS"}, {}, {"code": None}]}
        answer = tickets.delete(f"/coupon/{coupon}/codes", sent)
    assert (answer.status, set(answer.context)) == (406, {"codes.1.code", "codes.2.code", "codes.3.code"})
    assert tickets.delete(f"/coupon/{coupon}/codes", {"codes": [{"code": 1234}]}).status == 406
    assert tickets.delete(f"/coupon/{coupon}/codes").status == 406
    assert tickets.delete(f"/coupon/{coupon}/codes", {"codes": [{"code": "ab cd"}, {"code": "ABCE"}]}).status == 204
    assert tickets.delete(f"/coupon/code/{last['guid']}").status == 204
    assert tickets.delete(f"/coupon/code/{used['guid']}").status == 409
    assert [one["code"] for one in tickets.done("GET", f"/coupon/{coupon}/codes")] == ["USED"]
    assert Promotion.objects.get().coupons_count == 1


def test_a_coupon_that_loses_its_last_code_is_disabled(tickets: Ticketing):
    coupon = tickets.coupon()
    tickets.codes(coupon, "ABCD")
    assert tickets.delete(f"/coupon/{coupon}/codes", {"codes": [{"code": "ABCD"}]}).status == 204
    assert tickets.done("GET", f"/coupon/{coupon}")["status"] == "disabled"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_code_that_is_not_there_is_404(tickets: Ticketing, method: str):
    coupon = tickets.coupon()
    for guid in (UNKNOWN, coupon, "ABCD"):
        assert tickets.ask(method, f"/coupon/code/{guid}", {}).status == 404


def test_a_code_of_a_promotion_that_is_no_coupon_is_404(tickets: Ticketing, acme: Organization, api: Api):
    coupon = factories.coupon(factories.coupon_rule(factories.free_shipping_promotion(acme)))
    assert tickets.get(f"/coupon/code/{guids.encode('code', coupon.pk)}").status == 404
