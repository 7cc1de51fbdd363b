"""Promotions and their rules over the API: what is derived, found, switched, and shown under the umbrella types."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from commerce.models import Organization
from promotions.engine import lifecycle
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, nothing_written, path_of, problem, refused
from tests.factories import NOW

START, END = NOW, NOW + timedelta(hours=2)
INSTANT = timedelta(milliseconds=1)
Travel = Callable[[datetime], None]


def promotion(acme: Organization, **values: Any) -> Promotion:
    return factories.percentage_promotion(acme, **{"starts_at": START, "expires_at": END, **values})


def attributes(api: Api, row: Promotion) -> dict[str, Any]:
    return api.data(f"promotions/{row.public_id}")["attributes"]


# --- Where a promotion stands --------------------------------------------------------------------

CASES = [
    # (values, now, status)
    ({}, START - INSTANT, "pending"),
    ({}, START, "active"),
    ({}, END - INSTANT, "active"),
    ({}, END, "expired"),
    ({"disabled_at": NOW}, START, "disabled"),
    ({"disabled_at": NOW}, END, "disabled"),
    ({"total_usage_limit": 0}, START, "inactive"),
    ({"total_usage_limit": 2, "total_usage_count": 1}, START, "active"),
    ({"total_usage_limit": 2, "total_usage_count": 2}, START, "inactive"),
    ({"total_usage_limit": 2, "total_usage_count": 2}, START - INSTANT, "pending"),
    ({"total_usage_limit": 2, "total_usage_count": 2}, END, "expired"),
]


@pytest.mark.parametrize(("values", "now", "status"), CASES)
def test_a_status_is_shown_and_found_alike(
    api: Api, acme: Organization, travel: Travel, values: dict[str, Any], now: datetime, status: str
):
    row = promotion(acme, **values)
    travel(now)
    shown = attributes(api, row)
    assert (shown["status"], shown["active"]) == (status, status == "active")
    limit = values.get("total_usage_limit")
    assert shown["total_usage_reached"] == (limit is not None and values.get("total_usage_count", 0) >= limit)
    for kind in ("promotions", "percentage_discount_promotions"):
        for each in lifecycle.STATUSES:
            found = api.ids(f"{kind}?filter[q][with_status]={each}")
            assert found == ([row.public_id] if each == status else [])
        for scope, holds in (("active", status == "active"), ("expired", status == "expired")):
            for value in ("true", "1"):
                assert api.ids(f"{kind}?filter[q][{scope}]={value}") == ([row.public_id] if holds else [])
            for value in ("false", "0"):
                assert api.ids(f"{kind}?filter[q][{scope}]={value}") == ([] if holds else [row.public_id])


@pytest.mark.parametrize(
    ("scope", "value"), [("with_status", "nope"), ("with_status", ""), ("active", "maybe"), ("expired", "")]
)
def test_a_scope_of_another_value_is_400(api: Api, scope: str, value: str):
    answer = api.get(f"promotions?filter[q][{scope}]={value}")
    assert refused(answer) == (400, "INVALID_FILTER_VALUE", {"parameter": f"filter[q][{scope}]"})


def test_scopes_and_predicates_narrow_together(api: Api, acme: Organization):
    wanted = promotion(acme, name="Summer sale")
    promotion(acme, name="Winter sale")
    promotion(acme, name="Summer past", starts_at=NOW - timedelta(days=9), expires_at=NOW)
    assert api.ids("promotions?filter[q][active]=true&filter[q][name_start]=Summer") == [wanted.public_id]


def test_the_weight_follows_the_order_of_application(api: Api, acme: Organization):
    rows = [
        promotion(acme, exclusive=True),
        promotion(acme, priority=1),
        factories.fixed_amount_promotion(acme, priority=1, starts_at=START, expires_at=END),
        promotion(acme, priority=2, starts_at=START - timedelta(days=1)),
        promotion(acme, priority=2),
        promotion(acme),
    ]
    weights = [attributes(api, row)["weight"] for row in rows]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == len(weights)


# --- Switching -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, 1, "1", "true"])
def test_disable_and_enable_switch_once(api: Api, acme: Organization, travel: Travel, value: Any):
    row = promotion(acme)
    for hours in (0, 1):
        travel(NOW + timedelta(hours=hours))
        answer = api.update(row, {"_disable": value})
        assert answer.json()["data"]["attributes"]["disabled_at"] == "2026-06-15T12:00:00.000Z"
    for _ in range(2):
        answer = api.update(row, {"_enable": value})
        assert answer.json()["data"]["attributes"]["disabled_at"] is None
    assert answer.json()["data"]["attributes"]["status"] == "active"


def test_disable_with_a_false_enable_disables(api: Api, acme: Organization):
    answer = api.update(promotion(acme), {"_disable": True, "_enable": False})
    assert answer.json()["data"]["attributes"]["status"] == "disabled"


def test_disable_and_enable_together_contradict(api: Api, acme: Organization):
    row = promotion(acme)
    with nothing_written():
        answer = api.update(row, {"_disable": True, "_enable": True, "name": "Other"})
    assert answer.status_code == 422
    assert sorted(error["source"]["pointer"] for error in answer.json()["errors"]) == [
        "/data/attributes/_disable",
        "/data/attributes/_enable",
    ]


def test_a_promotion_can_be_created_disabled(api: Api):
    sent = {
        "name": "Summer",
        "percentage": 10,
        "starts_at": "2026-06-01T00:00:00Z",
        "expires_at": "2026-07-01T00:00:00Z",
        "_disable": True,
    }
    answer = api.create("percentage_discount_promotions", sent)
    assert answer.status_code == 201
    shown = answer.json()["data"]["attributes"]
    assert (shown["status"], shown["disabled_at"]) == ("disabled", "2026-06-15T12:00:00.000Z")


# --- Umbrella types ------------------------------------------------------------------------------


def test_promotions_answer_as_the_type_they_are(api: Api, acme: Organization):
    rows = [promotion(acme), factories.fixed_amount_promotion(acme), promotion(acme)]
    listed = api.data("promotions?sort=id")
    assert [(each["type"], each["id"]) for each in listed] == [(row.wire_type, row.public_id) for row in rows]
    assert listed == [api.data(path_of(row)) for row in rows]
    assert [each["attributes"].get("percentage") for each in listed] == [10, None, 10]
    assert [each["attributes"].get("fixed_amount_cents") for each in listed] == [None, 1000, None]
    assert [each["links"]["self"] for each in listed] == [f"http://testserver/api/{path_of(row)}" for row in rows]


def test_a_promotion_is_not_found_as_another_type(api: Api, acme: Organization):
    row = promotion(acme)
    assert api.get(f"fixed_amount_promotions/{row.public_id}").status_code == 404
    assert api.data("fixed_amount_promotions") == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("filter[q][type_eq]=percentage_discount_promotions", ["percentage"]),
        ("filter[q][type_in]=percentage_discount_promotions,fixed_amount_promotions", ["percentage", "fixed"]),
        ("filter[q][type_eq]=FixedAmountPromotion", ["fixed"]),
        ("filter[q][type_in]=flex_promotions", []),
        ("filter[q][promotion_rules_type_eq]=CouponCodesPromotionRule", ["percentage"]),
        ("filter[q][promotion_rules_type_eq]=order_amount_promotion_rules", ["fixed"]),
        ("sort=type", ["fixed", "percentage"]),
    ],
)
def test_types_are_filtered_by_the_names_clients_use(api: Api, acme: Organization, query: str, names: list[str]):
    factories.coupon_rule(promotion(acme, name="percentage"))
    factories.order_amount_rule(factories.fixed_amount_promotion(acme, name="fixed"))
    assert [each["attributes"]["name"] for each in api.data(f"promotions?{query}")] == names


def test_rules_answer_as_the_type_they_are_wherever_they_are_read(api: Api, acme: Organization):
    row = promotion(acme)
    rules = [factories.coupon_rule(row), factories.order_amount_rule(row)]
    expected = [(rule.wire_type, rule.public_id) for rule in rules]
    body = api.get(f"promotions/{row.public_id}?include=promotion_rules").json()
    for found in (
        api.data("promotion_rules"),
        api.data(f"promotions/{row.public_id}/promotion_rules"),
        api.data(f"promotions/{row.public_id}/relationships/promotion_rules"),
        body["included"],
        body["data"]["relationships"]["promotion_rules"]["data"],
    ):
        assert [(each["type"], each["id"]) for each in found] == expected


@pytest.mark.parametrize("named", ["promotions", "percentage_discount_promotions"])
def test_a_rule_takes_its_promotion_by_either_type(api: Api, acme: Organization, named: str):
    row = promotion(acme)
    target = {"type": named, "id": row.public_id}
    assert api.create("coupon_codes_promotion_rules", {}, promotion=target).status_code == 201


def test_a_promotion_of_another_type_is_not_found(api: Api, acme: Organization):
    target = {"type": "fixed_amount_promotions", "id": promotion(acme).public_id}
    with nothing_written():
        answer = api.create("coupon_codes_promotion_rules", {}, promotion=target)
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/promotion/data"})


@pytest.mark.parametrize("url", ["promotions", "promotion_rules"])
def test_umbrella_types_are_read_only(api: Api, acme: Organization, url: str):
    with nothing_written():
        assert api.post(url, document(url, {"name": "x"})).status_code == 405
        assert api.delete(f"{url}/ABCDEFGHIJ").status_code == 405


# --- What a promotion may be ---------------------------------------------------------------------

VALID = {"name": "Summer", "starts_at": "2026-06-01T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("values", "name", "key"),
    [
        ({"percentage": 0}, "percentage", "greater_than_or_equal_to"),
        ({"percentage": 101}, "percentage", "less_than_or_equal_to"),
        ({"percentage": 12.34567}, "percentage", "max_decimal_places"),
        ({"percentage": 100.0001}, "percentage", "less_than_or_equal_to"),
        ({"percentage": "a tenth"}, "percentage", "invalid"),
        ({"percentage": None}, "percentage", "blank"),
        ({"priority": -1}, "priority", "greater_than_or_equal_to"),
        ({"priority": 65535}, "priority", "less_than_or_equal_to"),
        ({"total_usage_limit": -1}, "total_usage_limit", "greater_than_or_equal_to"),
        ({"total_usage_limit": 2**53}, "total_usage_limit", "less_than_or_equal_to"),
        ({"currency_code": "XXX"}, "currency_code", "inclusion"),
        ({"currency_code": "eur"}, "currency_code", "inclusion"),
        ({"expires_at": "2026-06-01T00:00:00Z"}, "expires_at", "invalid"),
        ({"expires_at": "2026-05-31T00:00:00Z"}, "expires_at", "invalid"),
        ({"name": ""}, "name", "blank"),
    ],
)
def test_a_promotion_that_makes_no_sense_is_422(api: Api, values: dict[str, Any], name: str, key: str):
    with nothing_written():
        answer = api.create("percentage_discount_promotions", {**VALID, "percentage": 10, **values})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{name}"})
    assert problem(answer)["meta"]["error"] == key


@pytest.mark.parametrize(
    ("sent", "shown"), [(1, "1"), ("10", "10"), (100, "100"), ("100", "100"), (12.5, "12.5"), ("0.0001", "0.0001")]
)
def test_percentages_have_the_decimals_they_need(api: Api, sent: Any, shown: str):
    """Whole ones are written as the contract writes them."""
    answer = api.create("percentage_discount_promotions", {**VALID, "percentage": sent})
    told = json.loads(answer.content, parse_int=str, parse_float=str)["data"]["attributes"]["percentage"]
    assert told == shown


def test_a_fixed_amount_needs_its_currency(api: Api, acme: Organization):
    with nothing_written():
        answer = api.create("fixed_amount_promotions", {**VALID, "fixed_amount_cents": 1000})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/currency_code"})
    row = factories.fixed_amount_promotion(acme)
    with nothing_written():
        answer = api.update(row, {"currency_code": None})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/currency_code"})


def test_a_window_is_judged_with_the_end_it_keeps(api: Api, acme: Organization):
    row = promotion(acme)
    with nothing_written():
        answer = api.update(row, {"starts_at": "2030-01-01T00:00:00Z"})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/expires_at"})


@pytest.mark.parametrize(
    ("currency", "cents", "as_float", "formatted"),
    [
        ("EUR", 123_450, 1234.5, "€1.234,50"),
        ("USD", 123_450, 1234.5, "$1,234.50"),
        ("JPY", 1234, 1234.0, "¥1,234"),
        ("BHD", 1500, 1.5, "BHD 1.500"),
    ],
)
def test_amounts_are_shown_in_their_currency(
    api: Api, acme: Organization, currency: str, cents: int, as_float: float, formatted: str
):
    row = factories.fixed_amount_promotion(acme, currency_code=currency, fixed_amount_cents=cents)
    shown = attributes(api, row)
    assert (shown["fixed_amount_cents"], shown["fixed_amount_float"], shown["formatted_fixed_amount"]) == (
        cents,
        as_float,
        formatted,
    )
    rule = factories.order_amount_rule(row, order_amount_cents=cents)
    shown = api.data(path_of(rule))["attributes"]
    assert (shown["order_amount_cents"], shown["order_amount_float"], shown["formatted_order_amount"]) == (
        cents,
        as_float,
        formatted,
    )


def test_an_order_amount_rule_of_no_amount_shows_none(api: Api, acme: Organization):
    answer = api.create("order_amount_promotion_rules", {}, promotion=promotion(acme))
    shown = answer.json()["data"]["attributes"]
    amounts = [shown[name] for name in ("order_amount_cents", "order_amount_float", "formatted_order_amount")]
    assert (amounts, shown["use_subtotal"]) == ([None, None, None], False)


def test_an_amount_without_a_currency_is_shown_in_hundredths(api: Api, acme: Organization):
    rule = factories.order_amount_rule(promotion(acme), order_amount_cents=5000)
    shown = api.data(path_of(rule))["attributes"]
    assert (shown["order_amount_float"], shown["formatted_order_amount"]) == (50.0, "50.00")


@pytest.mark.parametrize(("percentage", "title", "count"), [(0, "greater", 0.0001), (101, "less", 100)])
def test_a_percentage_out_of_bounds_is_told_the_bound(api: Api, percentage: int, title: str, count: float):
    found = problem(api.create("percentage_discount_promotions", {**VALID, "percentage": percentage}))
    assert found["title"] == f"must be {title} than or equal to {count}"
    assert found["meta"] == {"error": f"{title}_than_or_equal_to", "value": percentage, "count": count}
