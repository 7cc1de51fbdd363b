"""POST /api/rules/check: rules are tried on orders that need not exist."""

from typing import Any

import pytest

from commerce.models import Application, Organization
from tests import factories
from tests.client import Api, nothing_written, refused

ITALIAN = {
    "name": "In Italy a tenth off",
    "conditions": [{"field": "order.market.code", "matcher": "eq", "value": "IT"}],
    "actions": [{"type": "percentage", "selector": "order.line_items", "value": 0.1}],
}


def order(code: str) -> dict[str, Any]:
    lines = [{"quantity": 2, "unit_amount_cents": 1000, "item_type": "skus"}]
    return {"order": {"currency_code": "EUR", "market": {"code": code}, "line_items": lines}}


def check(api: Api, rules: Any, *payload: Any, **headers: Any) -> Any:
    return api.post("rules/check", {"rules": rules, "payload": list(payload)}, **headers)


def test_each_order_is_told_whether_the_rules_hold_for_it(api: Api):
    with nothing_written():
        answer = check(api, [ITALIAN], order("IT"), order("FR"))
    assert answer.status_code == 200, answer.content
    italian, french = answer.json()["data"]
    assert (italian["match"], french["match"]) == (True, False)
    assert [rule["name"] for rule in italian["rules"]] == ["In Italy a tenth off"]
    assert italian["rules"][0]["actions"] != []
    assert french["rules"][0]["actions"] == []


def test_without_orders_the_rules_are_only_checked(api: Api):
    assert check(api, [ITALIAN]).json()["data"] == []
    answer = check(api, [ITALIAN], {}).json()["data"]
    assert [each["match"] for each in answer] == [False]


def test_plain_json_is_taken_as_the_rule_builder_sends_it(api: Api):
    assert check(api, [ITALIAN], content_type="application/json").status_code == 200


def test_what_is_wrong_is_named_by_its_place(api: Api):
    wrong = {**ITALIAN, "conditions": [{"field": "order.shoe_size", "matcher": "eq", "value": 44}]}
    answer = check(api, [ITALIAN, wrong], order("IT"))
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/rules/1/conditions/0/field"})


def test_a_pattern_that_is_none_is_refused(api: Api):
    pattern = {**ITALIAN, "conditions": [{"field": "order.market.code", "matcher": "matches", "value": "(?=I)"}]}
    answer = check(api, [pattern], order("IT"))
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/rules/0/conditions/0/value"})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({"rules": [ITALIAN], "payload": {}}, None),
        ({"rules": [ITALIAN], "payload": [{}] * 26}, "/payload"),
        ({"rules": [ITALIAN], "payload": "order"}, "/payload"),
        ({"rules": [ITALIAN], "payload": [{"line_items": [{}] * 1251}, {"shipments": [{}] * 1250}]}, "/payload"),
    ],
)
def test_a_body_of_another_shape_is_400(api: Api, body: Any, pointer: str | None):
    answer = api.post("rules/check", body)
    if pointer is None:
        assert answer.json()["data"] == []
    else:
        assert refused(answer) == (400, "BAD_REQUEST", {"pointer": pointer})


@pytest.mark.parametrize("lines", [[2**53 - 1, 1], [2**52, 2**52]])
def test_an_order_beyond_all_amounts_is_refused(api: Api, lines: list[int]):
    enormous = {"order": {"line_items": [{"quantity": 2, "unit_amount_cents": cents} for cents in lines]}}
    always = {**ITALIAN, "conditions": []}
    answer = check(api, [always], order("IT"), enormous)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/payload/1"})


def test_numbers_beyond_all_amounts_are_none(api: Api):
    enormous = {"order": {"line_items": [{"quantity": 2**64 - 1, "unit_amount_cents": 2**64 - 1}]}}
    [answer] = check(api, [{**ITALIAN, "conditions": []}], enormous).json()["data"]
    assert answer["match"] is True


def test_rules_are_required(api: Api):
    assert refused(api.post("rules/check", {}))[:2] == (422, "VALIDATION_ERROR")


def test_a_sales_channel_cannot_try_rules(acme: Organization, api: Api):
    shop = Api(factories.application(acme, Application.Kind.SALES_CHANNEL))
    assert refused(check(shop, [ITALIAN], order("IT")))[:2] == (401, "UNAUTHORIZED")
