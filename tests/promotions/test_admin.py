"""The admin of every kind of promotion and rule."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Organization, Version
from promotions.models import PROMOTION_KINDS, PROMOTION_RULE_KINDS, Promotion, PromotionRule
from tests import factories
from tests.client import nothing_written
from tests.staff import act, errors, form_of, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

WINDOW = {"starts_at_0": "2026-01-01", "starts_at_1": "00:00", "expires_at_0": "2099-01-01", "expires_at_1": "00:00"}
SENT: dict[str, dict[str, Any]] = {
    "percentage_discount": {"percentage": "12.5"},
    "fixed_amount": {"fixed_amount_cents": "1000"},
    "fixed_price": {"fixed_amount_cents": "1000"},
    "free_shipping": {},
    "free_gift": {"max_quantity": "2"},
    "buy_x_pay_y": {"x": "3", "y": "2", "cheapest_free": "on"},
    "external": {"promotion_url": "https://promo.example/", "external_includes": "order.customer, order.market"},
    "flex": {"rules": json.dumps(factories.flex_rules(id="mine"))},
}
KEPT: dict[str, dict[str, Any]] = {
    "free_gift": {"max_quantity": 2},
    "buy_x_pay_y": {"x": 3, "y": 2, "cheapest_free": True},
    "external": {
        "promotion_url": "https://promo.example/",
        "external_includes": ["order.customer", "order.market"],
    },
    "flex": {"rules": factories.flex_rules(id="mine")},
}
"""What is stored of it, where the text does not say so already."""


def url(model: Any, page: str = "add") -> str:
    return f"/admin/promotions/{model.__name__.lower()}/{page}/"


def scope(acme: Organization, kind: str) -> dict[str, Any]:
    """A market that gives the currency, and a list; a flex promotion has neither."""
    market, sku_list = factories.market(acme), factories.sku_list(acme)
    return {} if kind == "flex" else {"market": market.pk, "sku_list": sku_list.pk}


@pytest.mark.parametrize("kind", PROMOTION_KINDS)
def test_a_promotion_of_every_kind_is_made_kept_and_deleted(acme: Organization, kind: str) -> None:
    staff, model, wanted = superuser("ada"), PROMOTION_KINDS[kind], scope(acme, kind)

    answer = submit(staff, url(model), name="Summer", **SENT[kind], **WINDOW, **wanted)

    assert answer.status_code == 302, errors(answer)
    row = Promotion.objects.get()
    assert (row.kind, row.organization, row.mode) == (kind, acme, "test")
    assert {name: getattr(row, name) for name in KEPT.get(kind, {})} == KEPT.get(kind, {})
    assert (row.market_id, row.sku_list_id) == (wanted.get("market"), wanted.get("sku_list"))
    assert row.currency_code == ("EUR" if wanted else None)
    assert last_version()[:3] == ("ada", "create", f"{kind}_promotions")

    change = url(model, f"{row.pk}/change")
    with nothing_written():
        assert submit(staff, change).status_code == 302
    submit(staff, change, name="Winter")
    assert last_version() == ("ada", "update", f"{kind}_promotions", {"name": ["Summer", "Winter"]})

    page = staff.get(f"/admin/promotions/promotion/{row.pk}/change/")
    assert page.headers["location"] == change
    submit(staff, url(model, f"{row.pk}/delete"), post="yes")
    assert not Promotion.objects.exists()


@pytest.mark.parametrize("kind", PROMOTION_RULE_KINDS)
def test_a_rule_of_every_kind_is_made_and_kept(acme: Organization, kind: str) -> None:
    staff, model = superuser("ada"), PROMOTION_RULE_KINDS[kind]
    promotion, sku_list = factories.percentage_promotion(acme), factories.sku_list(acme)
    sent: dict[str, dict[str, Any]] = {
        "order_amount": {"order_amount_cents": "5000", "use_subtotal": "on"},
        "sku_list": {"sku_list": sku_list.pk, "all_skus": "on", "min_quantity": "2"},
        "custom": {"filters": '{"currency_code_in": "EUR,USD"}'},
    }

    answer = submit(staff, f"{url(model)}?promotion={promotion.pk}", **sent.get(kind, {}))

    assert answer.status_code == 302, errors(answer)
    row = PromotionRule.objects.get()
    assert (row.kind, row.promotion_id, row.organization, row.mode) == (kind, promotion.pk, acme, "test")
    stored = {
        "order_amount": {"order_amount_cents": 5000, "use_subtotal": True},
        "sku_list": {"sku_list_id": sku_list.pk, "all_skus": True, "min_quantity": 2},
        "custom": {"filters": {"currency_code_in": "EUR,USD"}},
    }.get(kind, {})
    assert {name: getattr(row, name) for name in stored} == stored
    with nothing_written():
        assert submit(staff, url(model, f"{row.pk}/change")).status_code == 302


def test_what_the_api_refuses_the_admin_refuses_on_its_field(acme: Organization) -> None:
    staff = superuser()
    dollars = factories.market(acme, price_list=factories.price_list(acme, currency_code="USD"))
    strange = factories.sku_list(factories.organization())
    flex = factories.flex_promotion(acme)
    by_pattern = factories.sku_list(acme, manual=False, sku_code_regex="^A")

    def complaints(model: Any, **values: Any) -> dict[str, list[str]]:
        with nothing_written():
            return errors(submit(staff, url(model), **values))

    def promotion(kind: str, **values: Any) -> dict[str, list[str]]:
        own = {"organization": acme.pk, "name": "Summer", **SENT[kind], **WINDOW, **values}
        return complaints(PROMOTION_KINDS[kind], **own)

    def rule(kind: str, **values: Any) -> dict[str, list[str]]:
        return complaints(PROMOTION_RULE_KINDS[kind], **values)

    assert promotion("fixed_amount") == {"currency_code": ["can't be blank"]}
    assert promotion("fixed_amount", market=dollars.pk, currency_code="EUR") == {
        "currency_code": ["is not the currency of the market"]
    }
    assert promotion("free_gift") == {"sku_list": ["must exist"]}
    assert promotion("free_gift", sku_list=by_pattern.pk) == {"sku_list": ["must be a manual list"]}
    assert promotion("free_shipping", sku_list=strange.pk) == {"sku_list": ["belongs to another organization or mode."]}
    assert promotion("buy_x_pay_y", sku_list=by_pattern.pk, x="2") == {"x": ["must be greater than y"]}
    assert promotion("flex", rules='{"rules": [{}]}')["rules"][0] == "rules.0.name is required"
    assert promotion("flex", rules="{") == {"rules": ["Enter a JSON object, without null characters."]}
    assert promotion("flex", rules="") == {"rules": ["This field is required."]}
    assert rule("order_amount", promotion=flex.pk) == {"promotion": ["has its conditions in its rules"]}
    own = factories.percentage_promotion(acme).pk
    assert rule("custom", promotion=own, filters='{"colour_eq": 1}') == {"filters": ["colour_eq is not a filter"]}
    assert rule("custom", promotion=own, filters="") == {"filters": ["This field is required."]}
    assert rule("sku_list", promotion=own) == {"sku_list": ["must exist"]}
    assert rule("sku_list", promotion=own, sku_list=by_pattern.pk, all_skus="on") == {
        "all_skus": ["needs a manual list"]
    }


def test_wrong_rules_are_shown_again_as_they_were_typed(acme: Organization) -> None:
    row = factories.flex_promotion(acme)
    change = url(type(row), f"{row.pk}/change")
    staff = superuser()
    shown = form_of(staff.get(change))["rules"]
    assert shown.startswith('{\n  "rules": [\n    {\n      "id": ')

    typed = shown.replace("percentage", "percentages")
    page = submit(staff, change, rules=typed)

    assert errors(page)["rules"][0].startswith("rules.0.actions.0.type must be one of")
    assert form_of(page)["rules"] == typed


def test_the_page_of_a_flex_promotion_offers_the_rule_of_its_coupons_only(acme: Organization) -> None:
    staff = superuser()
    for row, offered in (
        (factories.flex_promotion(acme), ["coupon codes"]),
        (factories.free_gift_promotion(acme), ["coupon codes", "order amount", "sku list", "custom"]),
    ):
        page = staff.get(url(type(row), f"{row.pk}/change")).content.decode()
        kinds = [kind.replace("_", " ") for kind in PROMOTION_RULE_KINDS]
        assert [kind for kind in kinds if f"Add {kind} rule" in page] == offered


@pytest.mark.parametrize("kind", PROMOTION_KINDS)
def test_the_page_of_every_kind_shows_what_apps_above_add(acme: Organization, kind: str) -> None:
    row = factories.PROMOTIONS[kind](acme)
    page = superuser().get(url(type(row), f"{row.pk}/change")).content.decode()
    assert [shown in page for shown in ("field-codes_of_promotion", "field-tags_of")] == [True, True]
    assert "Generate codes" in superuser("bob").get(url(type(row), "")[:-1]).content.decode()


def test_a_circuit_is_closed_and_a_secret_made_anew(acme: Organization) -> None:
    rows = [factories.external_promotion(acme, circuit_failure_count=31) for _ in range(2)]
    staff, page = superuser(), url(type(rows[0]), "")[:-1]
    assert "open" in staff.get(page).content.decode()

    assert messages(act(staff, page, "reset_circuit", *rows))[-1] == "2 closed."
    assert messages(act(staff, page, "regenerate_shared_secret", rows[0]))[-1] == "1 given a new secret."

    kept = {row.pk: row for row in type(rows[0]).objects.all()}
    assert [kept[row.pk].circuit_failure_count for row in rows] == [0, 0]
    assert [kept[row.pk].shared_secret != row.shared_secret for row in rows] == [True, False]
    told = str(list(Version.objects.values_list("changes", flat=True)))
    assert not any(row.shared_secret in told for row in (*rows, *kept.values()))


@pytest.mark.parametrize("kind", PROMOTION_KINDS)
def test_a_list_takes_as_many_statements_however_many_rows(acme: Organization, kind: str) -> None:
    staff, page = superuser(), url(PROMOTION_KINDS[kind], "")[:-1]
    counts = []
    for rows in (1, 9):
        for _ in range(rows):
            made = {} if kind == "flex" else {"market": factories.market(acme), "sku_list": factories.sku_list(acme)}
            factories.PROMOTIONS[kind](acme, **made)
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(page).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_no_form_lists_the_rows_that_it_may_refer_to(acme: Organization) -> None:
    market, sku_list = factories.market(acme, name="A market"), factories.sku_list(acme, name="A list")
    staff = superuser()
    for model in (*PROMOTION_KINDS.values(), *PROMOTION_RULE_KINDS.values()):
        page = staff.get(url(model)).content.decode()
        assert market.name not in page
        assert sku_list.name not in page
    found = staff.get(
        "/admin/autocomplete/",
        {"app_label": "promotions", "model_name": "freegiftpromotion", "field_name": "sku_list", "term": "A li"},
    ).json()
    assert found["results"] == [{"id": str(sku_list.pk), "text": "A list"}]
