"""The admin of every kind of promotion and rule."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Organization, Version
from coupons.models import CustomerUsage
from promotions.models import ALWAYS, NEVER, PROMOTION_KINDS, PROMOTION_RULE_KINDS, Promotion, PromotionRule
from promotions.restrictions import MEMBERS
from tests import factories
from tests.client import Api, nothing_written
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


OF_EVERY_KIND = {
    "description": "For friends",
    "note": "Ask sales",
    "exclusive_by_size": "on",
    "customer_usage_limit": "2",
    "discounts_per_redemption": "3",
    "restrictions": '[{"type": "countries", "country_codes": ["IT"]}]',
}
OF_KIND: dict[str, dict[str, Any]] = {
    "percentage_discount": {"percentage": "33.3333", "discount_context": "items_and_shipping"},
    "fixed_amount": {"declining_balance": "on", "discount_context": "shipping"},
    "fixed_price": {"whole_order": "on"},
}


@pytest.mark.parametrize("kind", PROMOTION_KINDS)
def test_what_restricts_and_explains_a_promotion_is_kept(acme: Organization, kind: str) -> None:
    staff, row = superuser(), factories.PROMOTIONS[kind](acme)
    change = url(type(row), f"{row.pk}/change")

    assert submit(staff, change, **OF_EVERY_KIND, **OF_KIND.get(kind, {})).status_code == 302

    kept = Promotion.objects.get()
    assert (kept.description, kept.note, kept.exclusive_by_size) == ("For friends", "Ask sales", True)
    assert (kept.customer_usage_limit, kept.discounts_per_redemption) == (2, 3)
    assert kept.restrictions == [{"type": "countries", "country_codes": ["IT"]}]
    own: dict[str, Any] = {
        "percentage_discount": {"percentage": Decimal("33.3333"), "discount_context": "items_and_shipping"},
        "fixed_amount": {"declining_balance": True, "discount_context": "shipping"},
        "fixed_price": {"whole_order": True},
    }
    assert {name: getattr(kept, name) for name in own.get(kind, {})} == own.get(kind, {})
    with nothing_written():
        submit(staff, change)
    assert submit(staff, change, restrictions="", customer_usage_limit="").status_code == 302
    emptied = Promotion.objects.get()
    assert (emptied.restrictions, emptied.customer_usage_limit) == ([], None)


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("{}", "Enter a JSON array, without null characters."),
        ("[", "Enter a JSON array, without null characters."),
        ('[{"type": "orders", "names": ["\\u0000"]}]', "Enter a JSON array, without null characters."),
        ("[1]", f"0: type must be one of {', '.join(MEMBERS)}"),
        ('[{"type": "plans", "codes": []}]', "0.codes must be an array of 1 to 1000 strings"),
        ('[{"type": "paid_by"}]', "0.time is not a timestamp"),
        (
            '[{"type": "orders", "names": ["A"]}, {"type": "orders", "names": ["B"]}]',
            "1: orders is there twice",
        ),
    ],
)
def test_a_restriction_that_is_wrong_is_told_once_and_shown_as_it_was_typed(
    acme: Organization, typed: str, complaint: str
) -> None:
    row = factories.flex_promotion(acme, restrictions=[{"type": "orders", "names": ["A"]}])
    change = url(type(row), f"{row.pk}/change")
    staff = superuser()
    shown = '[\n  {\n    "type": "orders",\n    "names": [\n      "A"\n    ]\n  }\n]'
    assert form_of(staff.get(change))["restrictions"] == shown

    with nothing_written():
        page = submit(staff, change, restrictions=typed)

    assert errors(page) == {"restrictions": [complaint]}
    assert form_of(page)["restrictions"] == typed


def test_a_limit_per_customer_counts_from_what_was_used_and_is_forgotten_when_it_goes(
    api: Api, acme: Organization
) -> None:
    row = factories.percentage_promotion(acme)
    factories.coupon(factories.coupon_rule(row), code="SUMMER-26")
    used = {"currency_code": "EUR", "amount_cents": 1000, "coupon_code": "SUMMER-26", "customer_reference": "C-1"}
    assert api.create("redemptions", used).status_code == 201
    staff, change = superuser(), url(type(row), f"{row.pk}/change")

    submit(staff, change, customer_usage_limit="1")
    assert list(CustomerUsage.objects.values_list("promotion", "customer_key", "usage_count")) == [(row.pk, "r:C-1", 1)]
    assert api.create("redemptions", used).status_code == 422

    submit(staff, change, customer_usage_limit="")
    assert not CustomerUsage.objects.exists()
    assert api.create("redemptions", used).status_code == 201


def test_a_used_balance_stays_one(acme: Organization) -> None:
    row = factories.fixed_amount_promotion(acme, declining_balance=True, total_usage_count=1)

    page = submit(superuser(), url(type(row), f"{row.pk}/change"), declining_balance="")

    assert errors(page) == {"declining_balance": ["can't be changed: coupons were used"]}


def test_windows_without_an_end_are_told_in_a_word_and_kept(acme: Organization) -> None:
    row = factories.percentage_promotion(acme, starts_at=ALWAYS, expires_at=NEVER)
    staff = superuser()
    for listed in (url(type(row), "")[:-1], "/admin/promotions/promotion/"):
        page = staff.get(listed).content.decode()
        assert re.findall(r'<td class="field-(?:starts|expires)[^>]*>([^<]*)<', page) == ["always", "never"]
    with nothing_written():
        assert submit(staff, url(type(row), f"{row.pk}/change")).status_code == 302


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
