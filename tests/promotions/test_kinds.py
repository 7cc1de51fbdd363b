"""What each kind of promotion may be: its scope, its numbers, its SKU list; and what may become of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse

from commerce.models import Event, Organization, Version
from promotions.models import Promotion, PromotionRule
from tests import factories
from tests.client import Api, identifier, nothing_written, path_of, problem, refused
from tests.factories import NOW

WINDOW = {"name": "Summer", "starts_at": "2026-06-01T00:00:00Z", "expires_at": "2026-07-01T00:00:00Z"}
SENT: dict[str, dict[str, Any]] = {
    "percentage_discount": {"percentage": 10},
    "fixed_amount": {"fixed_amount_cents": 1000, "currency_code": "EUR"},
    "fixed_price": {"fixed_amount_cents": 1000, "currency_code": "EUR"},
    "free_shipping": {},
    "free_gift": {"max_quantity": 1},
    "buy_x_pay_y": {"x": 3, "y": 2},
    "external": {"promotion_url": "https://promo.example/discount"},
    "flex": {"rules": factories.flex_rules()},
}
"""What makes a promotion of each kind, besides a SKU list where it needs one."""
KINDS = tuple(SENT)
SCOPED = tuple(kind for kind in KINDS if kind != "flex")
OF_LISTED = ("fixed_price", "free_gift", "buy_x_pay_y")


def sent(api: Api, acme: Organization, kind: str, attributes: Any = None, **relationships: Any) -> HttpResponse:
    if "sku_list" not in relationships:
        relationships |= listed_for(kind, acme)
    return api.create(f"{kind}_promotions", {**WINDOW, **SENT[kind], **(attributes or {})}, **relationships)


def listed_for(kind: str, acme: Organization) -> dict[str, Any]:
    return {"sku_list": factories.sku_list(acme)} if kind in OF_LISTED else {}


def shown(answer: HttpResponse) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.content
    return answer.json()["data"]["attributes"]


def complaint(answer: HttpResponse) -> tuple[int, str, str, str]:
    """Status, member of the document, name and key of the only error."""
    only = problem(answer)
    _, _, member, name = only["source"]["pointer"].split("/")[:4]
    return answer.status_code, member, name, only["meta"]["error"]


def test_every_kind_is_tried_here():
    assert {*KINDS} == {*factories.PROMOTIONS}


# --- Market and currency --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SCOPED)
def test_the_currency_is_that_of_the_market(api: Api, acme: Organization, kind: str):
    market = factories.market(acme, price_list=factories.price_list(acme, currency_code="USD"))
    assert shown(sent(api, acme, kind, {"currency_code": None}, market=market))["currency_code"] == "USD"
    assert shown(sent(api, acme, kind, {"currency_code": "USD"}, market=market))["currency_code"] == "USD"
    with nothing_written():
        answer = sent(api, acme, "percentage_discount", {"currency_code": "EUR"}, market=market)
    assert complaint(answer) == (422, "attributes", "currency_code", "invalid")


@pytest.mark.parametrize("kind", ["fixed_amount", "fixed_price"])
def test_an_amount_needs_a_currency_or_a_market(api: Api, acme: Organization, kind: str):
    row, listed = factories.PROMOTIONS[kind](acme), listed_for(kind, acme)
    with nothing_written():
        answer = sent(api, acme, kind, {"currency_code": None}, **listed)
        assert complaint(answer) == (422, "attributes", "currency_code", "blank")
        assert complaint(api.update(row, {"currency_code": None})) == (422, "attributes", "currency_code", "blank")


@pytest.mark.parametrize("kind", [kind for kind in SCOPED if kind not in ("fixed_amount", "fixed_price")])
def test_other_kinds_may_be_for_every_currency(api: Api, acme: Organization, kind: str):
    assert shown(sent(api, acme, kind))["currency_code"] is None


def test_a_market_of_another_currency_is_refused_until_the_currency_follows(api: Api, acme: Organization):
    row = factories.fixed_amount_promotion(acme, currency_code="EUR")
    market = factories.market(acme, price_list=factories.price_list(acme, currency_code="USD"))
    with nothing_written():
        assert complaint(api.update(row, market=market)) == (422, "attributes", "currency_code", "invalid")
        answer = api.patch(f"{path_of(row)}/relationships/market", {"data": identifier(market)})
        assert complaint(answer) == (422, "attributes", "currency_code", "invalid")
    assert shown(api.update(row, {"currency_code": None}, market=market))["currency_code"] == "USD"


@pytest.mark.parametrize("name", ["market", "sku_list"])
def test_null_as_an_attribute_clears_a_relationship(api: Api, acme: Organization, name: str):
    row = factories.percentage_promotion(acme, **{name: getattr(factories, name)(acme)})
    assert api.data(f"{path_of(row)}/relationships/{name}") is not None
    assert api.update(row, {name: None}).status_code == 200
    assert api.data(f"{path_of(row)}/relationships/{name}") is None
    assert sent(api, acme, "percentage_discount", {"market": None, "sku_list": None}).status_code == 201


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["market", "sku_list"])
def test_another_tenants_rows_are_no_scope(api: Api, acme: Organization, kind: str, name: str):
    listed, factory = listed_for(kind, acme), getattr(factories, name)
    expected = (404, "RECORD_NOT_FOUND", {"pointer": f"/data/relationships/{name}/data"})
    if kind == "flex":
        expected = (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/relationships/{name}"})
    for stranger in (factory(factories.organization()), factory(acme, mode="live")):
        with nothing_written():
            answer = sent(api, acme, kind, **{**listed, name: stranger})
        assert refused(answer) == expected


def test_what_a_promotion_is_for_cannot_be_deleted(api: Api, acme: Organization):
    market, of_promotion, of_rule = factories.market(acme), factories.sku_list(acme), factories.sku_list(acme)
    promotion = factories.percentage_promotion(acme, market=market, sku_list=of_promotion)
    rule = factories.sku_list_rule(promotion, sku_list=of_rule)
    with nothing_written():
        for row, told in (
            (market, "The market is referred to by promotions."),
            (of_promotion, "The SKU list is referred to by promotions."),
            (of_rule, "The SKU list is referred to by promotion rules."),
        ):
            answer = api.destroy(row)
            assert refused(answer)[:2] == (423, "LOCKED")
            assert problem(answer)["detail"] == told
    assert api.destroy(rule).status_code == 204
    assert api.destroy(of_rule).status_code == 204
    assert api.update(promotion, {"market": None, "sku_list": None}).status_code == 200
    assert [api.destroy(row).status_code for row in (market, of_promotion)] == [204, 204]


# --- SKU lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OF_LISTED)
def test_kinds_that_need_a_sku_list_are_told(api: Api, acme: Organization, kind: str):
    row = factories.PROMOTIONS[kind](acme)
    told = (422, "relationships", "sku_list", "blank")
    with nothing_written():
        assert complaint(api.create(f"{kind}_promotions", {**WINDOW, **SENT[kind]})) == told
        assert complaint(api.update(row, sku_list=None)) == told
        assert complaint(api.update(row, {"sku_list": None})) == told
        answer = api.patch(f"{path_of(row)}/relationships/sku_list", {"data": None})
        # A price may be that of the whole order instead, so it is the row that is refused.
        place = "/data/relationships/sku_list" if kind == "fixed_price" else "/data"
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": place})


def test_a_free_gift_needs_a_manual_list(api: Api, acme: Organization):
    by_pattern = factories.sku_list(acme, manual=False, sku_code_regex="^A")
    row = factories.free_gift_promotion(acme)
    with nothing_written():
        for answer in (sent(api, acme, "free_gift", sku_list=by_pattern), api.update(row, sku_list=by_pattern)):
            assert complaint(answer) == (422, "relationships", "sku_list", "invalid")
    for kind in ("fixed_price", "buy_x_pay_y", "percentage_discount", "free_shipping"):
        assert sent(api, acme, kind, sku_list=by_pattern).status_code == 201


def test_a_list_that_is_given_away_or_bought_whole_stays_manual(api: Api, acme: Organization):
    gift, whole, counted, free = (factories.sku_list(acme) for _ in range(4))
    factories.free_gift_promotion(acme, sku_list=gift)
    promotion = factories.percentage_promotion(acme, sku_list=free)
    factories.sku_list_rule(promotion, sku_list=whole, all_skus=True)
    factories.sku_list_rule(factories.free_shipping_promotion(acme), sku_list=counted, all_skus=True, min_quantity=2)
    by_pattern = {"manual": False, "sku_code_regex": "^A"}
    with nothing_written():
        for needed in (gift, whole):
            assert complaint(api.update(needed, by_pattern)) == (422, "attributes", "manual", "invalid")
    for other in (counted, free):
        assert api.update(other, by_pattern).status_code == 200


# --- Numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "name", "key"),
    [
        ("fixed_amount", {"fixed_amount_cents": 0}, "fixed_amount_cents", "greater_than"),
        ("fixed_amount", {"fixed_amount_cents": -1}, "fixed_amount_cents", "greater_than_or_equal_to"),
        ("fixed_amount", {"fixed_amount_cents": 2**53}, "fixed_amount_cents", "less_than_or_equal_to"),
        ("fixed_amount", {"fixed_amount_cents": None}, "fixed_amount_cents", "blank"),
        ("fixed_price", {"fixed_amount_cents": -1}, "fixed_amount_cents", "greater_than_or_equal_to"),
        ("buy_x_pay_y", {"x": 2, "y": 2}, "x", "greater_than"),
        ("buy_x_pay_y", {"x": 2, "y": 3}, "x", "greater_than"),
        ("buy_x_pay_y", {"x": 3, "y": 0}, "y", "greater_than_or_equal_to"),
        ("buy_x_pay_y", {"x": None}, "x", "blank"),
        ("buy_x_pay_y", {"y": 1.5}, "y", "not_a_number"),
        ("free_gift", {"max_quantity": 0}, "max_quantity", "greater_than_or_equal_to"),
        ("external", {"promotion_url": None}, "promotion_url", "blank"),
        ("external", {"promotion_url": "http://promo.example/"}, "promotion_url", "invalid"),
        ("external", {"promotion_url": "promo.example"}, "promotion_url", "invalid"),
        ("external", {"external_includes": "market"}, "external_includes", "invalid"),
        ("external", {"external_includes": [1]}, "external_includes", "invalid"),
        ("free_shipping", {"priority": 65_535}, "priority", "less_than_or_equal_to"),
        ("flex", {"rules": None}, "rules", "blank"),
    ],
)
def test_a_number_that_makes_no_sense_is_422(
    api: Api, acme: Organization, kind: str, values: dict[str, Any], name: str, key: str
):
    row, listed = factories.PROMOTIONS[kind](acme), listed_for(kind, acme)
    with nothing_written():
        assert complaint(sent(api, acme, kind, values, **listed)) == (422, "attributes", name, key)
        assert complaint(api.update(row, values)) == (422, "attributes", name, key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_ends_before_it_starts_is_422(api: Api, acme: Organization, kind: str):
    row, listed = factories.PROMOTIONS[kind](acme), listed_for(kind, acme)
    with nothing_written():
        for end in (WINDOW["starts_at"], "2026-05-31T00:00:00Z"):
            told = (422, "attributes", "expires_at", "invalid")
            assert complaint(sent(api, acme, kind, {"expires_at": end}, **listed)) == told
            assert complaint(api.update(row, {"starts_at": WINDOW["starts_at"], "expires_at": end})) == told


def test_what_is_bought_stays_more_than_what_is_paid(api: Api, acme: Organization):
    row = factories.buy_x_pay_y_promotion(acme, x=3, y=2)
    with nothing_written():
        assert complaint(api.update(row, {"y": 3})) == (422, "attributes", "x", "greater_than")
    assert shown(api.update(row, {"x": 4, "y": 3}))["x"] == 4


def test_a_free_price_and_one_free_unit_are_what_is_meant(api: Api, acme: Organization):
    assert shown(sent(api, acme, "fixed_price", {"fixed_amount_cents": 0}))["formatted_fixed_amount"] == "€0,00"
    row = factories.free_gift_promotion(acme, max_quantity=3)
    assert shown(api.update(row, {"max_quantity": None}))["max_quantity"] == 1
    assert shown(sent(api, acme, "free_gift", {"max_quantity": None}))["max_quantity"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_replaced_whole(api: Api, acme: Organization, kind: str):
    row = factories.PROMOTIONS[kind](acme, metadata={"a": 1, "b": {"c": 2}})
    assert shown(api.update(row, {"metadata": {"b": {"d": 3}}}))["metadata"] == {"b": {"d": 3}}
    assert shown(api.update(row, {"metadata": {}}))["metadata"] == {}


# --- External promotions --------------------------------------------------------------------------


def told_of(row: Promotion) -> Iterator[Any]:
    """Everything that versions and events say of a row."""
    about = {"resource_type": row.wire_type, "resource_id": row.pk}
    yield from Version.objects.filter(**about).values_list("event", "changes")
    yield from Event.objects.filter(**about).values_list("name", flat=True)


def test_a_secret_is_made_and_made_anew_and_never_told(api: Api, acme: Organization):
    answer = sent(api, acme, "external", {"shared_secret": "mine"})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/shared_secret"})
    first = shown(sent(api, acme, "external"))["shared_secret"]
    row = Promotion.objects.get()
    second = shown(api.update(row, {"_regenerate_shared_secret": True}))["shared_secret"]
    api.update(row, {"name": "Renamed"})
    assert len({first, second}) == 2
    assert [len(bytes.fromhex(secret)) for secret in (first, second)] == [16, 16]
    assert api.data(path_of(row))["attributes"]["shared_secret"] == second
    told = str([*told_of(row), api.data(f"{path_of(row)}/versions"), api.data(f"{path_of(row)}/event_stores")])
    assert first not in told
    assert second not in told
    assert "shared_secret" not in told
    assert "'name': ['Summer', 'Renamed']" in told


def test_an_open_circuit_is_shown_found_and_closed(api: Api, acme: Organization):
    row = factories.external_promotion(acme)
    Promotion.objects.filter(pk=row.pk).update(circuit_failure_count=30)
    assert api.ids("external_promotions?filter[q][circuit_state_eq]=open") == []
    Promotion.objects.filter(pk=row.pk).update(circuit_failure_count=31)
    for path in (path_of(row), f"promotions/{row.public_id}"):
        attributes = api.data(path)["attributes"]
        assert (attributes["circuit_state"], attributes["circuit_failure_count"]) == ("open", 31)
    assert api.ids("external_promotions?filter[q][circuit_state_eq]=open") == [row.public_id]
    attributes = shown(api.update(row, {"_reset_circuit": True}))
    assert (attributes["circuit_state"], attributes["circuit_failure_count"]) == ("closed", 0)
    assert "circuit_failure_count" not in str([*told_of(row)])


def test_a_new_secret_and_a_closed_circuit_come_in_one_request(api: Api, acme: Organization):
    row = factories.external_promotion(acme, disabled_at=NOW, circuit_failure_count=40)
    fired = {
        "_reset_circuit": True,
        "_regenerate_shared_secret": True,
        "_enable": True,
        "external_includes": ["market"],
    }
    attributes = shown(api.update(row, fired))
    assert (attributes["circuit_state"], attributes["disabled_at"]) == ("closed", None)
    assert attributes["external_includes"] == ["market"]
    assert attributes["shared_secret"] != row.shared_secret
    with nothing_written():
        answer = api.update(row, {"_reset_circuit": True, "_disable": True, "_enable": True})
    assert [each["source"]["pointer"] for each in answer.json()["errors"]] == [
        "/data/attributes/_disable",
        "/data/attributes/_enable",
    ]


@pytest.mark.parametrize("trigger", ["_reset_circuit", "_regenerate_shared_secret"])
def test_what_is_new_has_nothing_to_reset(api: Api, acme: Organization, trigger: str):
    answer = sent(api, acme, "external", {trigger: True})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{trigger}"})
    answer = sent(api, acme, "percentage_discount", {trigger: True})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{trigger}"})


# --- Every kind -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_with_its_rules_and_coupons(api: Api, acme: Organization, kind: str):
    row = factories.PROMOTIONS[kind](acme)
    kept = factories.sku_list_rule(factories.percentage_promotion(acme))
    rules = [factory(row) for name, factory in factories.RULES.items() if kind != "flex" or name == "coupon_codes"]
    factories.coupon(rules[0])
    assert api.destroy(row).status_code == 204
    assert list(PromotionRule.objects.values_list("pk", flat=True)) == [kept.pk]
    assert list(Promotion.objects.values_list("pk", flat=True)) == [kept.promotion_id]
    destroyed = Version.objects.filter(event="destroy").values_list("resource_type", flat=True)
    assert sorted(destroyed) == sorted([row.wire_type, *(rule.wire_type for rule in rules)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_switched_and_told_under_the_umbrella(api: Api, acme: Organization, kind: str):
    row = factories.PROMOTIONS[kind](acme)
    assert shown(api.update(row, {"_disable": True}))["status"] == "disabled"
    assert api.ids("promotions?filter[q][with_status]=disabled") == [row.public_id]
    assert api.ids(f"{kind}_promotions?filter[q][with_status]=active") == []
    assert shown(api.update(row, {"_enable": True}))["status"] == "active"
    assert api.data("promotions?include=promotion_rules,sku_list,market")
    (listed,) = api.data("promotions?filter[q][with_status]=active")
    assert listed == api.data(path_of(row))
