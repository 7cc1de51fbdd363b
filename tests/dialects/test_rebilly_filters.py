from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from commerce import changes
from commerce.models import Organization
from coupons.models import Coupon
from tests import factories
from tests.dialects.rebilly import PERCENT, Rebilly, created, invalid_fields
from tests.factories import NOW

Travel = Callable[[datetime], None]


@pytest.fixture
def rebilly(acme: Organization, travel: Travel, unlimited: None) -> Rebilly:
    """Four coupons, a day apart: a percentage, euros, yen for shipping that have expired, a draft of a third."""
    client = Rebilly(factories.application(acme))
    client.coupon("EIGHTH", description="Summer, an eighth off")
    changes.count(Coupon, Coupon.objects.get().pk, usage_count=7)
    travel(NOW + timedelta(days=1))
    euros = {"type": "fixed", "amount": 5.5, "currency": "EUR", "context": "items-and-shipping"}
    client.coupon("Euros", discount=euros, description="100% Über", expiredTime="2026-07-01T00:00:00Z")
    travel(NOW + timedelta(days=2))
    yen = {"type": "fixed", "amount": 600, "currency": "JPY", "context": "shipping"}
    client.coupon("yen", discount=yen, issuedTime="2026-01-01T00:00:00Z", expiredTime="2026-06-10T00:00:00Z")
    travel(NOW + timedelta(days=3))
    client.coupon("THIRD", discount=PERCENT | {"value": 33.3333}, issuedTime="2027-01-01T00:00:00Z")
    return client


FILTERS = {
    # One value, whatever its case
    "status:issued": ["EIGHTH", "Euros"],
    "status:EXPIRED": ["yen"],
    "status:draft": ["THIRD"],
    "id:eighth": ["EIGHTH"],
    "id:EUROS": ["Euros"],
    "discount.type:percent": ["EIGHTH", "THIRD"],
    "discount.context:items-and-shipping": ["Euros"],
    "discount.currency:eur": ["Euros"],
    "description:100% über": ["Euros"],
    "description:100": [],
    "description:100_ über": [],
    "redemptionsCount:7": ["EIGHTH"],
    "discount.value:33.3333": ["THIRD"],
    "discount.value:12.50": ["EIGHTH"],
    "discount.amount:5.5": ["Euros"],
    "discount.amount:600": ["yen"],
    "discount.amount:5.501": [],
    "createdTime:2026-06-15T12:00:00Z": ["EIGHTH"],
    "createdTime:2026-06-15T14:00:00+02:00": ["EIGHTH"],
    "issuedTime:2027-01-01": ["THIRD"],
    # Several values, several fields
    "status:issued,expired": ["EIGHTH", "Euros", "yen"],
    "id:yen, third": ["yen", "THIRD"],
    "status:issued;discount.type:percent": ["EIGHTH"],
    "discount.type:fixed ; status:issued,expired;": ["Euros", "yen"],
    "status:issued;status:draft": [],
    # Ranges
    "redemptionsCount:..6": ["Euros", "yen", "THIRD"],
    "redemptionsCount:7..": ["EIGHTH"],
    "redemptionsCount:-5..7": ["EIGHTH", "Euros", "yen", "THIRD"],
    "discount.value:12.5..33.3333": ["EIGHTH", "THIRD"],
    "discount.value:12.5001..": ["THIRD"],
    "discount.amount:5.499..5.501": ["Euros"],
    "discount.amount:5.501..600": ["yen"],
    "discount.amount:..5.49": [],
    "createdTime:2026-06-16T12:00:00Z..2026-06-17T12:00:00Z": ["Euros", "yen"],
    "expiredTime:..2026-07-01": ["Euros", "yen"],
    "expiredTime:2026-06-30..": ["Euros"],
    "updatedTime:..2026-06-15T12:00:00Z,2026-06-18T12:00:00Z": ["EIGHTH", "THIRD"],
    "id:a..z": [],
    # Negation, of the whole list; what is null is none of it
    "status:!issued": ["yen", "THIRD"],
    "status:!issued,expired": ["THIRD"],
    "expiredTime:!2026-06-30..": ["EIGHTH", "yen", "THIRD"],
    "discount.currency:!EUR": ["EIGHTH", "yen", "THIRD"],
    "discount.amount:!5.5": ["EIGHTH", "yen", "THIRD"],
    "description:!100% über": ["EIGHTH", "yen", "THIRD"],
    "redemptionsCount:!..6": ["EIGHTH"],
    # Nothing is asked
    "": ["EIGHTH", "Euros", "yen", "THIRD"],
    ";": ["EIGHTH", "Euros", "yen", "THIRD"],
}


def test_a_filter_finds_what_it_says(rebilly: Rebilly):
    found = {asked: rebilly.listed(f"filter={quote(asked)}") for asked in FILTERS}
    assert found == FILTERS


def test_a_filter_is_understood_as_clients_send_it(rebilly: Rebilly):
    """Unescaped."""
    assert rebilly.listed("filter=status:issued;discount.type:!fixed") == ["EIGHTH"]


REFUSED = {
    "status": "status must be a field, a colon and values",
    "status:": "status: must be a field, a colon and values",
    "status:issued,": "status must not be blank",
    "status:!": "status must not be blank",
    "colour:red": "colour is not one of id, status, description, redemptionsCount, issuedTime, expiredTime, "
    "createdTime, updatedTime, discount.type, discount.value, discount.amount, discount.currency, discount.context",
    "discount:5": "discount is not one of id, status, description, redemptionsCount, issuedTime, expiredTime, "
    "createdTime, updatedTime, discount.type, discount.value, discount.amount, discount.currency, discount.context",
    "status:sold": "status must be one of draft, issued, expired",
    "redemptionsCount:many": "redemptionsCount must be a whole number",
    "redemptionsCount:1.5": "redemptionsCount must be a whole number",
    "redemptionsCount:1..many": "redemptionsCount must be a whole number",
    "redemptionsCount:..": "redemptionsCount must have a bound",
    "redemptionsCount:99999999999999999999": "redemptionsCount must be a whole number",
    "discount.value:1e3": "discount.value must be a number, with up to four decimals",
    "issuedTime:soon": "issuedTime must be a time such as 2026-01-31T12:00:00Z",
    "issuedTime:2026-02-30": "issuedTime must be a time such as 2026-01-31T12:00:00Z",
    "issuedTime:2026-01-01T25:00:00Z": "issuedTime must be a time such as 2026-01-31T12:00:00Z",
    "description:@spring": "description cannot be compared with @spring: no lists of values are kept here",
    "status:!@spring": "status cannot be compared with @spring: no lists of values are kept here",
}


def test_a_filter_that_says_nothing_is_refused(rebilly: Rebilly):
    for asked, problem in REFUSED.items():
        assert invalid_fields(rebilly.get(f"/coupons?filter={quote(asked)}"), 400) == [("filter", problem)]


def test_a_filter_takes_so_many_values(rebilly: Rebilly):
    amounts = ",".join(f"..{number}.005" for number in range(100))
    assert rebilly.listed(f"filter=discount.amount:!{amounts}") == ["EIGHTH", "yen", "THIRD"]
    refused = rebilly.get(f"/coupons?filter=discount.amount:{amounts},5")
    assert invalid_fields(refused, 400) == [("filter", "has more than 100 values")]


@pytest.mark.parametrize("query", ["filter=id:%00", "q=%00", "q=" + "a" * 4001, "sort=%00"])
def test_a_question_that_no_database_takes_is_refused(rebilly: Rebilly, query: str):
    problem = "must be at most 4000 characters, none of them NUL"
    assert invalid_fields(rebilly.get(f"/coupons?{query}"), 400) == [(query.partition("=")[0], problem)]


SEARCHES = {
    "eur": ["Euros"],
    "ÜBER": ["Euros"],
    "er": ["EIGHTH", "Euros"],
    "100%": ["Euros"],
    "0%Ü": [],
    "_": [],
    "\\": [],
    " third ": ["THIRD"],
    "": ["EIGHTH", "Euros", "yen", "THIRD"],
}


def test_a_search_finds_parts_of_ids_and_descriptions(rebilly: Rebilly):
    assert {text: rebilly.listed(f"q={quote(text)}") for text in SEARCHES} == SEARCHES


SORTS = {
    "": ["EIGHTH", "Euros", "yen", "THIRD"],
    "-createdTime": ["THIRD", "yen", "Euros", "EIGHTH"],
    "issuedTime": ["yen", "EIGHTH", "Euros", "THIRD"],
    "-issuedTime,-id": ["THIRD", "Euros", "EIGHTH", "yen"],
    "expiredTime": ["yen", "Euros", "EIGHTH", "THIRD"],
    "-expiredTime": ["Euros", "yen", "EIGHTH", "THIRD"],
    "updatedTime": ["EIGHTH", "Euros", "yen", "THIRD"],
    "discount.type,-createdTime": ["yen", "Euros", "THIRD", "EIGHTH"],
    "-discount.currency": ["yen", "Euros", "EIGHTH", "THIRD"],
    "discount.context,id": ["EIGHTH", "THIRD", "Euros", "yen"],
    "-redemptionsCount,-redemptionsCount,,": ["EIGHTH", "Euros", "yen", "THIRD"],
}


def test_a_list_is_sorted(rebilly: Rebilly):
    assert {sort: rebilly.listed(f"sort={sort}") for sort in SORTS} == SORTS


def test_what_nothing_is_sorted_by_is_refused(rebilly: Rebilly):
    problem = (
        "colour is not one of id, status, redemptionsCount, issuedTime, expiredTime, createdTime, updatedTime, "
        "discount.type, discount.value, discount.amount, discount.currency, discount.context"
    )
    assert invalid_fields(rebilly.get("/coupons?sort=id,-colour"), 400) == [("sort", problem)]


def test_a_page_of_what_was_asked_for(rebilly: Rebilly):
    answer = rebilly.get("/coupons?filter=discount.type:fixed&sort=-createdTime&q=e&limit=1&offset=1")
    assert [one["id"] for one in answer.json()] == ["Euros"]
    assert answer["Pagination-Total"] == "2"


DAYS = {
    "2026-06-16": ["Euros"],
    "2026-06-16..2026-06-17": ["Euros", "yen"],
    "2026-06-17..": ["yen", "THIRD"],
    "..2026-06-17": ["EIGHTH", "Euros", "yen"],
    "..2026-06-14": [],
    "!2026-06-16,2026-06-18": ["EIGHTH", "yen"],
    "2026-06-16T00:00:00Z": [],
    "9999-12-31..": [],
}


def test_a_day_is_the_whole_of_it_in_utc(rebilly: Rebilly):
    assert datetime(2026, 6, 15, 12, tzinfo=UTC) == NOW
    assert {day: rebilly.listed(f"filter=createdTime:{day}") for day in DAYS} == DAYS


@pytest.mark.parametrize("plus", ["+", "%2B", "%20"])
def test_an_offset_is_understood_escaped_or_not(rebilly: Rebilly, plus: str):
    moment = f"2026-06-16T14:00:00{plus}02:00"
    assert rebilly.listed(f"filter=createdTime:{moment}") == ["Euros"]
    assert rebilly.listed(f"filter=createdTime:{moment}..{moment}") == ["Euros"]


def test_an_id_may_begin_as_the_name_of_a_list(rebilly: Rebilly):
    rebilly.coupon("@spring")
    assert rebilly.listed("filter=id:@spring") == ["@spring"]
    assert rebilly.listed("filter=id:!@spring,yen") == ["EIGHTH", "Euros", "THIRD"]
    made = created(rebilly.post("/coupons-redemptions", {"couponId": "@spring", "customerId": "@ada"}))
    for asked in ("couponId:@spring", "customerId:@ada", "customerId:!@eve"):
        assert rebilly.get(f"/coupons-redemptions?filter={asked}").json() == [made]
    assert rebilly.get("/coupons-redemptions?filter=id:@ada").json() == []
