"""Rules over the API: which a promotion may have, what they may ask, and the rules of flex promotions."""

from typing import Any

import pytest
from django.http import HttpResponse

from commerce import auth, ids
from commerce.models import Organization
from promotions import custom_filters
from promotions.engine.conditions import Filter
from promotions.models import FlexPromotion, PromotionRule
from tests import factories
from tests.client import Api, identifier, linkage, nothing_written, path_of, problem, refused

WINDOW = {"name": "Summer", "starts_at": "2026-06-01T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z"}
AN_ID = ids.encode(7)


def complaints(answer: HttpResponse) -> list[tuple[str, str, str]]:
    """Pointer, key and detail of each error of a 422."""
    assert answer.status_code == 422, answer.content
    errors = answer.json()["errors"]
    return [(each["source"]["pointer"], each["meta"]["error"], each["detail"]) for each in errors]


def told(answer: HttpResponse) -> tuple[str, str]:
    """Pointer and key of the only error of a 422."""
    ((pointer, key, _),) = complaints(answer)
    return pointer, key


def attributes_of(kind: str) -> dict[str, Any]:
    return {"filters": {"currency_code_eq": "EUR"}} if kind == "custom" else {}


def related_to(kind: str, acme: Organization) -> dict[str, Any]:
    return {"sku_list": factories.sku_list(acme)} if kind == "sku_list" else {}


# --- Which rules a promotion has ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["order_amount", "sku_list", "custom"])
def test_a_flex_promotion_takes_no_rule_but_that_of_its_coupons(api: Api, acme: Organization, kind: str):
    flex, related = factories.flex_promotion(acme), related_to(kind, acme)
    rule = factories.RULES[kind](factories.percentage_promotion(acme))
    with nothing_written():
        answer = api.create(f"{kind}_promotion_rules", attributes_of(kind), promotion=flex, **related)
        assert told(answer) == ("/data/relationships/promotion", "invalid")
        assert told(api.update(rule, promotion=flex)) == ("/data/relationships/promotion", "invalid")
        answer = api.patch(f"{path_of(rule)}/relationships/promotion", {"data": identifier(flex)})
        assert told(answer) == ("/data/relationships/promotion", "invalid")
        answer = api.update(flex, **{f"{kind}_promotion_rule": rule})
        assert refused(answer)[:2] == (400, "PARAM_NOT_ALLOWED")
    assert api.create("coupon_codes_promotion_rules", {}, promotion=flex).status_code == 201


@pytest.mark.parametrize("kind", factories.RULES)
def test_a_second_rule_of_a_kind_is_taken(api: Api, acme: Organization, kind: str):
    promotion, related = factories.percentage_promotion(acme), related_to(kind, acme)
    factories.RULES[kind](promotion)
    moved = factories.RULES[kind](factories.percentage_promotion(acme))
    with nothing_written():
        answer = api.create(f"{kind}_promotion_rules", attributes_of(kind), promotion=promotion, **related)
        assert told(answer) == ("/data/relationships/promotion", "taken")
        assert told(api.update(moved, promotion=promotion)) == ("/data/relationships/promotion", "taken")
        assert api.update(promotion, **{f"{kind}_promotion_rule": moved}).status_code == 422


@pytest.mark.parametrize("kind", factories.RULES)
def test_a_rule_is_moved_from_either_side_and_never_left_alone(api: Api, acme: Organization, kind: str):
    first, second, third = (factories.percentage_promotion(acme) for _ in range(3))
    rule = factories.RULES[kind](first)
    name = f"{kind}_promotion_rule"
    assert api.update(second, **{name: rule}).status_code == 200
    assert api.data(f"{path_of(first)}/relationships/{name}") is None
    assert api.data(f"{path_of(second)}/relationships/{name}") == linkage(rule)
    answer = api.patch(f"{path_of(third)}/relationships/{name}", {"data": identifier(rule)})
    assert answer.status_code == 204
    with nothing_written():
        assert refused(api.update(third, **{name: None}))[:2] == (403, "FORBIDDEN")
        assert told(api.update(rule, promotion=None)) == ("/data/relationships/promotion", "blank")
    assert api.update(rule, promotion=first).status_code == 200
    assert PromotionRule.objects.get().promotion_id == first.pk


@pytest.mark.parametrize("kind", factories.RULES)
def test_another_tenants_promotion_gets_no_rule(api: Api, acme: Organization, kind: str):
    related = related_to(kind, acme)
    rule = factories.RULES[kind](factories.percentage_promotion(acme))
    expected = (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/promotion/data"})
    for owner, mode in ((factories.organization(), "test"), (acme, "live")):
        strange = factories.percentage_promotion(owner, mode=mode)
        with nothing_written():
            answer = api.create(f"{kind}_promotion_rules", attributes_of(kind), promotion=strange, **related)
            assert refused(answer) == expected
            assert refused(api.update(rule, promotion=strange)) == expected


# --- Rules of SKU lists ---------------------------------------------------------------------------


def test_a_rule_of_a_sku_list_needs_one_of_its_tenant(api: Api, acme: Organization):
    promotion, strange = factories.percentage_promotion(acme), factories.sku_list(acme, mode="live")
    rule = factories.sku_list_rule(factories.percentage_promotion(acme))
    blank = ("/data/relationships/sku_list", "blank")
    with nothing_written():
        assert told(api.create("sku_list_promotion_rules", {}, promotion=promotion)) == blank
        assert told(api.update(rule, {"sku_list": None})) == blank
        for answer in (
            api.create("sku_list_promotion_rules", {}, promotion=promotion, sku_list=strange),
            api.update(rule, sku_list=strange),
        ):
            assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/sku_list/data"})


def test_all_skus_of_a_pattern_cannot_be_bought(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    by_pattern = factories.sku_list(acme, manual=False, sku_code_regex="^A")
    rule = factories.sku_list_rule(factories.percentage_promotion(acme), all_skus=True)
    counted = factories.sku_list_rule(factories.percentage_promotion(acme), all_skus=True, min_quantity=1)
    invalid = ("/data/attributes/all_skus", "invalid")
    with nothing_written():
        for quantity in (None, 0):
            sent = {"all_skus": True, "min_quantity": quantity}
            answer = api.create("sku_list_promotion_rules", sent, promotion=promotion, sku_list=by_pattern)
            assert told(answer) == invalid
        assert told(api.update(rule, sku_list=by_pattern)) == invalid
        answer = api.create("sku_list_promotion_rules", {"min_quantity": -1}, promotion=promotion, sku_list=by_pattern)
        assert told(answer) == ("/data/attributes/min_quantity", "greater_than_or_equal_to")
    assert api.update(counted, sku_list=by_pattern).status_code == 200
    with nothing_written():
        assert told(api.update(counted, {"min_quantity": None})) == invalid
    assert api.update(counted, {"min_quantity": None, "all_skus": False}).status_code == 200


# --- Custom rules ---------------------------------------------------------------------------------

BAD_FILTERS: list[tuple[Any, str]] = [
    (None, "can't be blank"),
    ({}, "must be an object of at least one filter"),
    ([], "must be an object of at least one filter"),
    ("currency_code_eq", "must be an object of at least one filter"),
    ({"colour_eq": "red"}, "colour_eq is not a filter"),
    ({"currency_code": "EUR"}, "currency_code is not a filter"),
    ({"currency_code_start": "EUR"}, "currency_code_start is not a filter"),
    ({"_eq": "EUR"}, "_eq is not a filter"),
    ({"": "EUR"}, " is not a filter"),
    ({"currency_code_eq": "EUR", "x" * 99: 1}, f"{'x' * 64} is not a filter"),
    ({"currency_code_gt": "EUR"}, "currency_code_gt cannot be compared by gt"),
    ({"market_id_end_any": AN_ID}, "market_id_end_any cannot be compared by end_any"),
    ({"total_amount_cents_end_any": "5"}, "total_amount_cents_end_any cannot be compared by end_any"),
    ({"currency_code_in": ""}, "currency_code_in needs a value"),
    ({"currency_code_in": []}, "currency_code_in needs a value"),
    ({"currency_code_in": " , "}, "currency_code_in needs a value"),
    ({"currency_code_eq": ""}, "currency_code_eq must be text"),
    ({"currency_code_eq": None}, "currency_code_eq must be text"),
    ({"currency_code_eq": ["EUR"]}, "currency_code_eq must be text"),
    ({"currency_code_eq": "XXX"}, "currency_code_eq XXX is none that an order has"),
    ({"currency_code_in": "EUR,XXX"}, "currency_code_in XXX is none that an order has"),
    ({"customer_status_in": "loyal"}, "customer_status_in loyal is none that an order has"),
    ({"status_eq": "lost"}, "status_eq lost is none that an order has"),
    ({"customer_email_end_any": [""]}, "customer_email_end_any must be text"),
    ({"customer_email_end_any": [" "]}, "customer_email_end_any must be text"),
    ({"customer_email_in": [["a@b.it"]]}, "customer_email_in must be text"),
    ({"market_id_in": "nope"}, "market_id_in nope is not an id"),
    ({"market_id_in": f"{AN_ID},nope"}, "market_id_in nope is not an id"),
    ({"market_id_eq": 7}, "market_id_eq must be text"),
    ({"tags_id_in": {"a": 1}}, "tags_id_in must be text"),
    ({"subtotal_amount_cents_gteq": "ten"}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": 10.5}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": True}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": -1}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": "1_000"}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": 2**53}, "subtotal_amount_cents_gteq must be a whole number of cents"),
    ({"subtotal_amount_cents_gteq": [5]}, "subtotal_amount_cents_gteq must be a whole number of cents"),
]


@pytest.mark.parametrize(("filters", "detail"), BAD_FILTERS)
def test_filters_that_could_not_do_what_they_say_are_422(api: Api, acme: Organization, filters: Any, detail: str):
    promotion = factories.percentage_promotion(acme)
    rule = factories.custom_rule(factories.percentage_promotion(acme))
    key = "blank" if filters is None else "invalid"
    with nothing_written():
        for answer in (
            api.create("custom_promotion_rules", {"filters": filters}, promotion=promotion),
            api.update(rule, {"filters": filters}),
        ):
            (only,) = complaints(answer)
            assert only == ("/data/attributes/filters", key, f"filters - {detail}")


def test_filters_are_replaced_whole_and_kept_as_they_were_sent(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    sent = {"market_id_in": f"{AN_ID}, {ids.encode(8)}", "subtotal_amount_cents_gteq": "5000"}
    answer = api.create("custom_promotion_rules", {"filters": sent}, promotion=promotion)
    assert answer.json()["data"]["attributes"]["filters"] == sent
    rule = PromotionRule.objects.get()
    answer = api.update(rule, {"filters": {"customer_email_end_any": ["@acme.com"]}})
    assert answer.json()["data"]["attributes"]["filters"] == {"customer_email_end_any": ["@acme.com"]}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"market_id_in": f"{AN_ID}, {ids.encode(8)}"}, Filter("market_id", "in", (7, 8))),
        ({"market_id_eq": AN_ID}, Filter("market_id", "eq", 7)),
        ({"customer_tags_id_not_in": [AN_ID]}, Filter("customer_tags_id", "not_in", (7,))),
        ({"line_items_sku_code_eq": "AAA"}, Filter("line_items_sku_code", "eq", "AAA")),
        ({"customer_email_in": "Ada@Example.com"}, Filter("customer_email", "in", ("ada@example.com",))),
        ({"customer_email_end_any": "@ACME.com,.org"}, Filter("customer_email", "end_any", ("@acme.com", ".org"))),
        ({"total_amount_cents_lt": "5000"}, Filter("total_amount_cents", "lt", 5000)),
        ({"subtotal_amount_cents_in": [1, "2"]}, Filter("subtotal_amount_cents", "in", (1, 2))),
        ({"customer_status_eq": "repeat"}, Filter("customer_status", "eq", "repeat")),
        ({"currency_code_not_in": "EUR"}, Filter("currency_code", "not_in", ("EUR",))),
    ],
)
def test_filters_are_read_as_the_engine_compares(sent: dict[str, Any], read: Filter):
    assert custom_filters.compiled(sent).filters == (read,)


# --- Flex promotions ------------------------------------------------------------------------------


def flex(api: Api, rules: Any) -> HttpResponse:
    return api.create("flex_promotions", {**WINDOW, "rules": rules})


def condition(**values: Any) -> dict[str, Any]:
    return {"field": "order.currency_code", "matcher": "eq", "value": "EUR", **values}


@pytest.mark.parametrize(
    ("rules", "detail"),
    [
        ({}, "rules is required"),
        ({"rules": {}}, "rules must be an array"),
        ({"rules": [{}]}, "rules.0.name is required"),
        (factories.flex_rules(2), "rules.0.actions.0.value must be a decimal from 0 to 1"),
        (factories.flex_rules(colour="red"), "rules.0.colour is not known here"),
        (factories.flex_rules(conditions=[condition(field="order.nope")]), "rules.0.conditions.0.field "),
        (factories.flex_rules(conditions=[condition(), condition(matcher="is")]), "rules.0.conditions.1.matcher "),
        (
            factories.flex_rules(conditions=[condition(matcher="matches", value="(")]),
            "rules.0.conditions.0.value ",
        ),
        (
            factories.flex_rules(conditions=[condition(matcher="matches", value="(a)\\1")]),
            "rules.0.conditions.0.value ",
        ),
    ],
)
def test_rules_that_are_wrong_are_told_where(api: Api, acme: Organization, rules: Any, detail: str):
    row = factories.flex_promotion(acme)
    with nothing_written():
        for answer in (flex(api, rules), api.update(row, {"rules": rules})):
            found = complaints(answer)
            assert {(pointer, key) for pointer, key, _ in found} == {("/data/attributes/rules", "invalid")}
            assert any(text.startswith(f"rules - {detail}") for _, _, text in found), found


@pytest.mark.parametrize("rules", ["rules", 5, [], True])
def test_rules_that_are_no_object_are_422(api: Api, rules: Any):
    with nothing_written():
        assert told(flex(api, rules))[0] == "/data/attributes/rules"


@pytest.mark.parametrize(
    ("setting", "rules", "detail"),
    [
        ("promotions_max_rules_size", {"rules": factories.flex_rules()["rules"] * 2}, "rules are 2"),
        (
            "promotions_max_conditions_size",
            factories.flex_rules(conditions=[condition(), condition()]),
            "rules hold 2 conditions",
        ),
        (
            "api_max_regex_length",
            factories.flex_rules(conditions=[condition(matcher="matches", value="^E")]),
            "rules.0.conditions.0.value",
        ),
    ],
)
def test_the_limits_of_the_organization_are_kept(
    api: Api, acme: Organization, setting: str, rules: dict[str, Any], detail: str
):
    assert flex(api, rules).status_code == 201
    kept = FlexPromotion.objects.get()
    acme.settings = {setting: 1}
    acme.save()
    auth.snapshot.forget()
    with nothing_written():
        ((pointer, key, text),) = complaints(flex(api, rules))
        assert (pointer, key) == ("/data/attributes/rules", "invalid")
        assert text.startswith(f"rules - {detail}")
    # What was within the limits when it was saved is not judged again unless it changes.
    assert api.update(kept, {"name": "Renamed"}).status_code == 200
    assert api.update(kept, {"rules": kept.rules}).status_code == 200


def test_rules_get_ids_and_groups_and_are_replaced_whole(api: Api):
    rules = factories.flex_rules(conditions=[condition(), condition(group="mine")])
    attributes = flex(api, rules).json()["data"]["attributes"]
    (rule,) = attributes["rules"]["rules"]
    assert len(rule["id"]) == 36
    assert [len(each["group"]) for each in rule["conditions"]] == [36, 4]
    assert (attributes["rule_outcomes"], attributes["resource_payload"]) == (None, None)

    row = FlexPromotion.objects.get()
    again = api.update(row, {"rules": attributes["rules"]}).json()["data"]["attributes"]["rules"]
    assert again == attributes["rules"]
    replaced = factories.flex_rules(0.5, id="mine")
    assert api.update(row, {"rules": replaced}).json()["data"]["attributes"]["rules"] == replaced


def test_a_flex_promotion_has_neither_market_currency_nor_sku_list(api: Api, acme: Organization):
    row = factories.flex_promotion(acme)
    body = api.data(path_of(row))
    assert {"currency_code", "weight", "coupons_count", "total_usage_reached"}.isdisjoint(body["attributes"])
    assert {"market", "sku_list", "promotion_rules", "skus"}.isdisjoint(body["relationships"])
    with nothing_written():
        answer = api.update(row, {"currency_code": "EUR"})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/currency_code"})
    with nothing_written():
        answer = api.update(row, {"market": None})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/market"})
    (listed,) = api.data("promotions?include=promotion_rules,market")
    assert listed == body
    assert problem(api.get("flex_promotions?filter[q][sku_code_eq]=A"))["code"] == "FILTER_NOT_ALLOWED"
