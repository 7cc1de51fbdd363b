"""Rows 89 to 92 of the checklist: what each predicate finds, on rows that differ where predicates do."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from commerce import changes
from commerce.jsonapi.attribute_filters import LONGEST_TEXT
from commerce.jsonapi.filters import MOST_COMPARISONS, MOST_VALUES
from commerce.models import Application, Mode, Organization, Role
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule
from tags.models import Tag
from tests import factories
from tests.client import Api, refused
from tests.factories import NOW


def ask(api: Api, resource_type: str, sort: str = "id", **conditions: str) -> Any:
    query = {f"filter[q][{key}]": value for key, value in conditions.items()}
    return api.get(f"{resource_type}?{urlencode({**query, 'sort': sort, 'page[size]': '25'})}")


def found(api: Api, resource_type: str, sort: str = "id", **conditions: str) -> str:
    """References of what matches, separated by spaces."""
    answer = ask(api, resource_type, sort, **conditions)
    assert answer.status_code == 200, answer.content
    return " ".join(row["attributes"]["reference"] for row in answer.json()["data"])


def check(api: Api, resource_type: str, table: dict[str, str]) -> None:
    """Each `key=value` of the table finds exactly the references beside it."""
    asked = {question: question.partition("=") for question in table}
    assert {question: found(api, resource_type, **{key: value}) for question, (key, _, value) in asked.items()} == table


def not_allowed(key: str) -> tuple[int, str, Any]:
    return 400, "FILTER_NOT_ALLOWED", {"parameter": f"filter[q][{key}]"}


def bad_value(key: str) -> tuple[int, str, Any]:
    return 400, "INVALID_FILTER_VALUE", {"parameter": f"filter[q][{key}]"}


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme, reference="ten"))


def put_on(row: Any, *tags: Tag) -> None:
    row.tags.add(*tags)


# --- By the type of the column --------------------------------------------------------------------


def test_text(api: Api, acme: Organization):
    for reference, name in {"ada": "Ada", "adele": "ADELE", "bob": "Bob", "empty": "", "none": None}.items():
        factories.recipient(acme, reference=reference, first_name=name)

    table = {
        "eq=Ada": "ada",
        "eq=ada": "",
        "eq=": "empty",
        "not_eq=Ada": "adele bob empty",
        "eq_or_null=Ada": "ada none",
        "not_eq_or_null=Ada": "adele bob empty none",
        "eq_any=Ada,Bob": "ada bob",
        "eq_all=Ada,Bob": "",
        "eq_all=Ada,Ada": "ada",
        "not_eq_any=Ada,Bob": "ada adele bob empty",
        "not_eq_all=Ada,Bob": "adele empty",
        "in=Ada,Bob,Eve": "ada bob",
        "in=": "empty",
        "in_or_null=Ada": "ada none",
        "not_in=Ada,Bob": "adele empty",
        "not_in_or_null=Ada,Bob": "adele empty none",
        "lt=Ada": "adele empty",
        "lteq=Ada": "ada adele empty",
        "gt=Ada": "bob",
        "gteq=Ada": "ada bob",
        "gt_any=B,A": "ada adele bob",
        "gt_all=B,A": "bob",
        "cont=D": "ada adele",
        "i_cont=d": "ada adele",
        "cont=": "ada adele bob empty",
        "not_cont=d": "bob empty",
        "not_i_cont=d": "bob empty",
        "cont_any=del,ob": "adele bob",
        "cont_all=d,e": "adele",
        "not_cont_any=d,e": "ada bob empty",
        "not_cont_all=d,e": "bob empty",
        "start=ad": "ada adele",
        "not_start=ad": "bob empty",
        "start_any=ade,b": "adele bob",
        "start_all=a,ad": "ada adele",
        "not_start_any=ade,a": "ada bob empty",
        "not_start_all=ade,b": "ada empty",
        "end=A": "ada",
        "not_end=a": "adele bob empty",
        "end_any=a,b": "ada bob",
        "end_all=a,da": "ada",
        "not_end_any=a,b": "ada adele bob empty",
        "not_end_all=a,b": "adele empty",
        "matches=a%": "ada adele",
        "matches=_o_": "bob",
        "matches=ada": "ada",
        "does_not_match=a%": "bob empty",
        "matches_any=%l%,b__": "adele bob",
        "matches_all=a%,%e": "adele",
        "does_not_match_any=a%,%e": "ada bob empty",
        "does_not_match_all=a%,%b": "empty",
        "present=true": "ada adele bob",
        "present=false": "empty none",
        "blank=1": "empty none",
        "blank=0": "ada adele bob",
        "null=true": "none",
        "null=false": "ada adele bob empty",
        "not_null=t": "ada adele bob empty",
        "not_null=f": "none",
    }
    check(api, "coupon_recipients", {f"first_name_{predicate}": rows for predicate, rows in table.items()})


def test_text_is_searched_in_any_case_of_any_alphabet(api: Api, acme: Organization):
    names = {"e": "Élodie", "s": "Straße", "g": "ΟΔΟΣ", "c": "Жанна", "plain": "Elodie"}
    for reference, name in names.items():
        factories.recipient(acme, reference=reference, first_name=name)

    check(
        api,
        "coupon_recipients",
        {
            "first_name_cont=éL": "e",
            "first_name_i_cont=ÉL": "e",
            "first_name_start=é": "e",
            "first_name_not_start=é": "s g c plain",
            "first_name_end=STRASSE": "s",
            "first_name_cont=aß": "s",
            "first_name_start=οδος": "g",
            "first_name_cont=σ": "g",
            "first_name_matches=_лодие": "",
            "first_name_matches=_ЛОДИЕ": "",
            "first_name_matches=ж____": "c",
            "first_name_matches=É%": "e",
            "first_name_eq=élodie": "",
        },
    )


def test_only_patterns_have_wildcards(api: Api, acme: Organization):
    names = {"percent": "50% off", "under": "a_b", "slash": "a\\b", "plain": "50 off axb"}
    for reference, name in names.items():
        factories.recipient(acme, reference=reference, first_name=name)

    check(
        api,
        "coupon_recipients",
        {
            "first_name_cont=%": "percent",
            "first_name_cont=_": "under",
            "first_name_cont=\\": "slash",
            "first_name_start=a_": "under",
            "first_name_end=_b": "under",
            "first_name_end=\\b": "slash",
            "first_name_cont=a%b": "",
            "first_name_not_cont=_": "percent slash plain",
            "first_name_eq=a_b": "under",
            "first_name_matches=a_b": "under slash",
            "first_name_matches=a\\_b": "under",
            "first_name_matches=a\\\\b": "slash",
            "first_name_matches=50\\%%": "percent",
            "first_name_matches=50%": "percent plain",
            "first_name_does_not_match=a_b": "percent plain",
        },
    )
    assert refused(ask(api, "coupon_recipients", first_name_matches="a\\")) == bad_value("first_name_matches")


def test_a_pattern_of_many_wildcards_is_matched_in_no_time(api: Api, acme: Organization):
    factories.recipient(acme, reference="long", first_name="a" * 255)

    assert found(api, "coupon_recipients", first_name_matches="%a" * 100 + "%b") == ""
    assert found(api, "coupon_recipients", first_name_matches="%a" * 100) == "long"


@pytest.mark.parametrize("letter", ["\ufdfa", "ΐ", "%", "😀"])
def test_the_longest_text_is_searched_whatever_it_becomes(api: Api, letter: str):
    assert found(api, "coupons", code_or_reference_cont=letter * LONGEST_TEXT) == ""


def test_text_is_compared_and_sorted_by_code_point(api: Api, acme: Organization):
    for reference, name in {"e": "É", "a": "a", "Z": "Z", "emoji": "😀", "none": None, "fi": "ﬁ"}.items():
        factories.recipient(acme, reference=reference, first_name=name, email=f"{reference}@example.com")

    assert found(api, "coupon_recipients", "email") == "Z a e emoji fi none"
    check(
        api,
        "coupon_recipients",
        {"first_name_gt=Z": "e a emoji fi", "first_name_lt=a": "Z", "first_name_gteq=ﬁ": "emoji fi"},
    )


def test_integers(api: Api, rule: CouponCodesPromotionRule):
    for reference, limit in {"zero": 0, "one": 1, "nine": 9, "none": None}.items():
        factories.coupon(rule, reference=reference, usage_limit=limit)

    table = {
        "eq=1": "one",
        "eq= 1 ": "one",
        "not_eq=1": "zero nine",
        "eq_or_null=1": "one none",
        "not_eq_or_null=1": "zero nine none",
        "eq_any=1,9": "one nine",
        "eq_all=1,9": "",
        "not_eq_any=1,9": "zero one nine",
        "not_eq_all=1,9": "zero",
        "in=9,1": "one nine",
        "in_or_null=9": "nine none",
        "not_in=9,1": "zero",
        "not_in_or_null=9,1": "zero none",
        "lt=1": "zero",
        "lteq=1": "zero one",
        "gt=1": "nine",
        "gteq=1": "one nine",
        "gt_any=0,5": "one nine",
        "lt_all=9,1": "zero",
        "present=1": "zero one nine",
        "blank=true": "none",
        "null=1": "none",
        "not_null=1": "zero one nine",
        "lt=9223372036854775807": "zero one nine",
        "gteq=-9223372036854775808": "zero one nine",
        "in=9223372036854775807,1": "one",
    }
    check(api, "coupons", {f"usage_limit_{predicate}": rows for predicate, rows in table.items()})


def test_an_integer_column_of_32_bits_is_compared_with_any_integer(api: Api, acme: Organization):
    factories.percentage_promotion(acme, reference="first", priority=1)

    check(
        api,
        "promotions",
        {
            "priority_lt=3000000000": "first",
            "priority_gt=3000000000": "",
            "priority_eq=3000000000": "",
            "priority_not_eq=3000000000": "first",
            "priority_in=3000000000,1": "first",
            "priority_not_in=3000000000": "first",
        },
    )


def test_timestamps(api: Api, rule: CouponCodesPromotionRule):
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    moments = {"early": noon - timedelta(days=1), "noon": noon, "late": noon + timedelta(milliseconds=1), "none": None}
    for reference, moment in moments.items():
        factories.coupon(rule, reference=reference, expires_at=moment)

    table = {
        "eq=2026-07-01T12:00:00.000Z": "noon",
        "eq=2026-07-01T12:00:00Z": "noon",
        "eq=2026-07-01T14:00:00+02:00": "noon",
        "eq=2026-07-01 12:00": "noon",
        "eq=2026-07-01T12:00:00.001Z": "late",
        "not_eq=2026-07-01T12:00:00Z": "early late",
        "eq_or_null=2026-07-01T12:00:00Z": "noon none",
        "not_eq_or_null=2026-07-01T12:00:00Z": "early late none",
        "in=2026-07-01T12:00:00Z,2026-06-30T12:00:00Z": "early noon",
        "not_in=2026-07-01T12:00:00Z,2026-06-30T12:00:00Z": "late",
        "lt=2026-07-01T12:00:00Z": "early",
        "lteq=2026-07-01T12:00:00Z": "early noon",
        "gt=2026-07-01T12:00:00Z": "late",
        "gteq=2026-07-01T12:00:00Z": "noon late",
        "gteq=2026-07-01": "noon late",
        "lt=0001-01-01": "",
        "lt=9999-12-31T23:59:59.999999Z": "early noon late",
        "null=true": "none",
        "present=true": "early noon late",
        "blank=true": "none",
    }
    check(api, "coupons", {f"expires_at_{predicate}": rows for predicate, rows in table.items()})


def test_booleans(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule, reference="single", customer_single_use=True)
    factories.coupon(rule, reference="many", customer_single_use=False)

    table = {
        "true=1": "single",
        "true=true": "single",
        "true=0": "many",
        "false=true": "many",
        "false=false": "single",
        "eq=true": "single",
        "eq=0": "many",
        "not_eq=true": "many",
        "in=true,false": "single many",
        "eq_any=true": "single",
        "not_in=true": "many",
        "null=1": "",
        "not_null=1": "single many",
        "present=1": "single many",
    }
    check(api, "coupons", {f"customer_single_use_{predicate}": rows for predicate, rows in table.items()})


def test_a_computed_boolean_column(api: Api, acme: Organization):
    for reference, limit in {"used_up": 0, "left": 1, "unlimited": None}.items():
        factories.percentage_promotion(acme, reference=reference, total_usage_limit=limit)

    table = {"total_usage_reached_true=1": "used_up", "total_usage_reached_eq=false": "left unlimited"}
    check(api, "promotions", table)


def test_objects(api: Api, rule: CouponCodesPromotionRule):
    held: dict[str, Any] = {
        "empty": {},
        "flat": {"a": 1, "b": "x", "c": None, "d": True},
        "nested": {"a": {"b": [1, 2, {"c": "é", "d": 0}]}, "b": "X"},
        "other": {"a": "1", "d": 1, "e": 0.5},
    }
    for reference, metadata in held.items():
        factories.coupon(rule, reference=reference, metadata=metadata)

    check(
        api,
        "coupons",
        {
            "metadata_jcont={}": "empty flat nested other",
            'metadata_jcont={"a":1}': "flat",
            'metadata_jcont={"a":1.0}': "flat",
            'metadata_jcont={"a":"1"}': "other",
            'metadata_jcont={"a":1,"b":"x"}': "flat",
            'metadata_jcont={"b":"x"}': "flat",
            'metadata_jcont={"c":null}': "flat",
            'metadata_jcont={"d":true}': "flat",
            'metadata_jcont={"d":1}': "other",
            'metadata_jcont={"e":0.5}': "other",
            'metadata_jcont={"a":{}}': "nested",
            'metadata_jcont={"a":{"b":[2]}}': "nested",
            'metadata_jcont={"a":{"b":[2,1]}}': "nested",
            'metadata_jcont={"a":{"b":[3]}}': "",
            'metadata_jcont={"a":{"b":2}}': "",
            'metadata_jcont={"a":{"b":[{"c":"\\u00e9"}]}}': "nested",
            'metadata_jcont={"a":{"b":[{"c":"é","d":1}]}}': "",
            "metadata_present=true": "flat nested other",
            "metadata_blank=true": "empty",
            "metadata_null=true": "",
            "metadata_not_null=true": "empty flat nested other",
        },
    )
    for value in ("", "x", "[]", "1", "null", '"a"', '{"a":NaN}', '{"a":1e999}', '{"a":"\\u0000"}', "[" * 9999):
        assert refused(ask(api, "coupons", metadata_jcont=value)) == bad_value("metadata_jcont")


# --- Ids and types --------------------------------------------------------------------------------


def test_ids_are_compared_in_the_order_they_sort(api: Api, rule: CouponCodesPromotionRule):
    a, b, c = (factories.coupon(rule, reference=reference) for reference in "abc")

    check(
        api,
        "coupons",
        {
            f"id_eq={b.public_id}": "b",
            f"id_not_eq={b.public_id}": "a c",
            f"id_in={c.public_id},{a.public_id}": "a c",
            f"id_not_in={c.public_id},{a.public_id}": "b",
            f"id_lt={b.public_id}": "a",
            f"id_lteq={b.public_id}": "a b",
            f"id_gt={b.public_id}": "c",
            f"id_gteq={b.public_id}": "b c",
            f"id_gt_any={b.public_id},{a.public_id}": "b c",
            f"id_eq_any={b.public_id},{a.public_id}": "a b",
            "id_not_null=true": "a b c",
            "id_null=true": "",
        },
    )
    assert found(api, "coupons", "-id") == "c b a"


@pytest.mark.parametrize("bad", ["", "x", "0", "-1", "AAAAAAAAA!", "aaaaaaaaaaa", "ééééééééé", "AAAAAAAAAA"])
def test_a_bad_id_is_nobodys(api: Api, rule: CouponCodesPromotionRule, bad: str):
    good = factories.coupon(rule, reference="good").public_id

    check(
        api,
        "coupons",
        {
            f"id_eq={bad}": "",
            f"id_in={bad}": "",
            f"id_in={bad},{good}": "good",
            f"id_eq_any={bad},{good}": "good",
            f"promotion_rule_id_eq={bad}": "",
            f"promotion_rule_id_in={bad}": "",
            f"tags_id_in={bad}": "",
            f"coupon_recipient_id_eq_or_null={bad}": "good",
        },
    )


@pytest.mark.parametrize("key", ["id_gt", "id_gteq", "id_lt", "id_lteq", "id_gt_any", "id_not_eq", "id_not_in"])
@pytest.mark.parametrize("path", ["", "promotion_rule_", "tags_"])
def test_a_bad_id_is_refused_where_it_would_mean_every_row(
    api: Api, rule: CouponCodesPromotionRule, path: str, key: str
):
    factories.coupon(rule)

    assert refused(ask(api, "coupons", **{path + key: "nonsense"})) == bad_value(path + key)


def test_ids_of_event_stores_are_compared_by_their_sequence(api: Api, rule: CouponCodesPromotionRule):
    ids = api.ids("event_stores?sort=id")

    assert len(ids) == 3
    for key, wanted in {"id_gt": ids[2:], "id_eq": ids[1:2], "id_lteq": ids[:2]}.items():
        assert api.ids(f"event_stores?sort=id&filter[q][{key}]={ids[1]}") == wanted


def test_promotions_by_type(api: Api, acme: Organization):
    factories.percentage_promotion(acme, reference="ten")
    factories.fixed_amount_promotion(acme, reference="tenner")

    check(
        api,
        "promotions",
        {
            "type_in=percentage_discount_promotions,fixed_amount_promotions": "ten tenner",
            "type_in=fixed_amount_promotions,free_gift_promotions": "tenner",
            "type_eq=percentage_discount_promotions": "ten",
            "type_eq=PercentageDiscountPromotion": "ten",
            "type_not_eq=percentage_discount_promotions": "tenner",
            "type_not_in=percentage_discount_promotions": "tenner",
            "type_eq=coupons": "",
            "type_eq=": "",
        },
    )
    assert refused(ask(api, "promotions", type_not_in="percentage")) == bad_value("type_not_in")
    assert found(api, "promotions", "type") == "tenner ten"


# --- Codes ----------------------------------------------------------------------------------------


def test_codes_whatever_their_case_and_spacing(api: Api, rule: CouponCodesPromotionRule):
    for reference, code in {"a": "summer 2026", "b": "SUMMER-27%", "c": "Winter_ÉTÉ", "d": "ＦＵＬＬWIDTH"}.items():
        factories.coupon(rule, reference=reference, code=code)

    table = {
        "eq=Summer2026": "a",
        "eq= s u m m e r 2026": "a",
        "not_eq=SUMMER2026": "b c d",
        "in=summer2026,FULLWIDTH": "a d",
        "in=summer2026，FULLWIDTH": "",
        "not_in=summer2026,FULLWIDTH": "b c",
        "eq_any=summer2026,fullwidth": "a d",
        "start=Sum": "a b",
        "start=summer 2": "a",
        "start=SUMMER-27%": "b",
        "start=": "a b c d",
        "start=z": "",
        "not_start=sum": "c d",
        "start_any=w,f": "c d",
        "end=été": "c",
        "cont=MER": "a b",
        "i_cont=mer": "a b",
        "i_cont=2026 ": "a",
        "cont=%": "b",
        "cont=_": "c",
        "not_cont=mer": "c d",
        "matches=s%7\\%": "b",
        "matches=w_nter_été": "c",
        "does_not_match=s%": "c d",
        "gt=SUMMER2026": "c",
        "lt=SUMMER2026": "b d",
        "present=1": "a b c d",
        "null=1": "",
    }
    check(api, "coupons", {f"code_{predicate}": rows for predicate, rows in table.items()})
    assert found(api, "coupons", "code") == "d b a c"


def test_a_prefix_that_ends_at_an_edge_of_unicode(api: Api, rule: CouponCodesPromotionRule):
    codes = {
        "a": "EDGE-OF\ud7ff-1",
        "b": "EDGE-OF\ue000-1",
        "c": "EDGE-OF\U0010ffff-1",
        "d": "EDGE-OF\U0010ffff\U0010ffff-1",
    }
    for reference, code in codes.items():
        factories.coupon(rule, reference=reference, code=code)

    check(
        api,
        "coupons",
        {
            "code_start=EDGE-OF": "a b c d",
            "code_start=EDGE-OF\ud7ff": "a",
            "code_start=EDGE-OF\ue000": "b",
            "code_start=EDGE-OF\U0010ffff": "c d",
            "code_start=EDGE-OF\U0010ffff\U0010ffff": "d",
            "code_start=\U0010ffff": "",
        },
    )


@pytest.mark.parametrize(
    ("key", "value"), [("code_eq", "code 004999"), ("code_start", "code0049"), ("code_in", "code004999,code000001")]
)
def test_codes_are_found_by_index(api: Api, rule: CouponCodesPromotionRule, key: str, value: str):
    fill(rule, 5000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    assert "coupon_code" in plan_of(api, key, value)


def fill(rule: CouponCodesPromotionRule, number: int) -> None:
    common = {"organization": rule.organization, "mode": rule.mode, "created_at": NOW, "updated_at": NOW}
    codes = [f"CODE{each:06}" for each in range(number)]
    Coupon.objects.bulk_create(Coupon(promotion_rule=rule, code=code, code_norm=code, **common) for code in codes)


def plan_of(api: Api, key: str, value: str) -> str:
    """How the database looks up what a list of coupons with that condition counts."""
    with CaptureQueriesContext(connection) as captured:
        assert ask(api, "coupons", **{key: value}).status_code == 200
    (counted,) = (query["sql"] for query in captured if "COUNT(" in query["sql"])
    with connection.cursor() as cursor:
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{explain} {counted}".replace("%", "%%"))
        return str(cursor.fetchall())


# --- Several attributes, several conditions -------------------------------------------------------


def test_attributes_and_conditions_together(api: Api, acme: Organization):
    factories.recipient(acme, reference="a", first_name="Ada", last_name="Bell", email="ada@example.com")
    factories.recipient(acme, reference="b", first_name="Bell", last_name=None, email="bell@example.com")
    factories.recipient(acme, reference="c", first_name="Cleo", last_name="Ada", email="cleo@example.com")

    check(
        api,
        "coupon_recipients",
        {
            "first_name_or_last_name_cont=ell": "a b",
            "first_name_or_last_name_eq=Ada": "a c",
            "first_name_and_last_name_cont=l": "",
            "first_name_and_email_cont=l": "b c",
            "first_name_or_last_name_null=true": "b",
            "first_name_and_last_name_null=true": "",
            "first_name_and_last_name_not_eq=Ada": "",
            "first_name_or_last_name_not_eq=Ada": "a b c",
            "first_name_or_last_name_in=Cleo,Bell": "a b c",
            "first_name_or_last_name_or_email_start_any=cl,be": "a b c",
            "first_name_or_last_name_eq_or_null=Bell": "a b",
        },
    )
    assert found(api, "coupon_recipients", first_name_or_last_name_eq="Ada", email_start="cleo") == "c"
    assert found(api, "coupon_recipients", first_name_eq="Ada", last_name_eq="Ada") == ""


# --- Paths ----------------------------------------------------------------------------------------


def test_through_relationships_to_one(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    other = factories.coupon_rule(factories.percentage_promotion(acme, name="Other", reference="other"))
    ada = factories.recipient(acme, email="ada@example.com", first_name="Ada")
    bob = factories.recipient(acme, email="bob@example.com")
    factories.coupon(rule, reference="a", coupon_recipient=ada)
    factories.coupon(rule, reference="b", coupon_recipient=bob)
    factories.coupon(other, reference="c")

    check(
        api,
        "coupons",
        {
            f"promotion_rule_id_eq={rule.public_id}": "a b",
            f"promotion_rule_id_not_eq={rule.public_id}": "c",
            f"promotion_rule_promotion_id_eq={other.promotion.public_id}": "c",
            f"promotion_rule_promotion_id_in={other.promotion.public_id},{rule.promotion.public_id}": "a b c",
            "promotion_rule_promotion_name_eq=Other": "c",
            "promotion_rule_promotion_name_not_eq=Other": "a b",
            "promotion_rule_promotion_type_eq=PercentageDiscountPromotion": "a b c",
            "coupon_recipient_email_start=ADA": "a",
            "coupon_recipient_email_not_eq=ada@example.com": "b",
            "coupon_recipient_email_not_eq_or_null=ada@example.com": "b c",
            "coupon_recipient_first_name_null=true": "b c",
            "coupon_recipient_first_name_blank=true": "b c",
            "coupon_recipient_first_name_present=true": "a",
            "coupon_recipient_first_name_eq_or_null=Ada": "a b c",
            f"coupon_recipient_id_not_eq={ada.public_id}": "b",
            f"coupon_recipient_id_not_eq_or_null={ada.public_id}": "b c",
            f"coupon_recipient_id_gt={ada.public_id}": "b",
            "coupon_recipient_id_null=true": "c",
            "coupon_recipient_id_present=true": "a b",
            "code_or_coupon_recipient_email_cont=bob": "b",
        },
    )


def test_through_relationships_to_many(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    red, blue, grey = (factories.tag(acme, name=name, reference=name) for name in ("red", "blue", "grey"))
    both, one, _ = (factories.coupon(rule, reference=reference) for reference in ("both", "one", "bare"))
    put_on(both, red, blue)
    put_on(one, red)

    check(
        api,
        "coupons",
        {
            "tags_name_eq=red": "both one",
            "tags_name_in=blue,grey": "both",
            "tags_name_cont=R": "both one",
            "tags_name_eq_any=blue,grey": "both",
            "tags_name_eq_all=red,blue": "both",
            f"tags_id_in={red.public_id},{blue.public_id}": "both one",
            f"tags_id_eq={grey.public_id}": "",
            "tags_name_not_eq=blue": "one bare",
            "tags_name_not_in=blue,grey": "one bare",
            "tags_name_not_cont=l": "one bare",
            "tags_name_not_eq_all=blue,red": "bare",
            "tags_name_not_eq_any=blue,red": "one bare",
            f"tags_id_not_in={red.public_id}": "bare",
            "tags_id_null=true": "bare",
            "tags_id_null=false": "both one",
            "tags_id_present=true": "both one",
            "tags_name_null=true": "bare",
            "tags_name_not_null=true": "both one",
            "tags_name_eq_or_null=blue": "both bare",
            "tags_name_not_eq_or_null=blue": "one bare",
        },
    )


def test_through_several_relationships(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    other = factories.coupon_rule(factories.percentage_promotion(acme, reference="other"))
    factories.order_amount_rule(factories.percentage_promotion(acme, reference="ruled", exclusive=True))
    factories.percentage_promotion(acme, reference="bare")
    ada = factories.recipient(acme, first_name="Ada")
    tagged = factories.coupon(rule, code="TAGGED-CODE", coupon_recipient=ada)
    factories.coupon(other, code="PLAIN-CODE")
    put_on(tagged, factories.tag(acme, name="red"))

    check(
        api,
        "promotions",
        {
            "coupons_code_eq=tagged code": "",
            "coupons_code_eq=tagged-code": "ten",
            "coupons_code_start=plain": "other",
            "coupons_tags_name_eq=red": "ten",
            "coupons_tags_name_not_eq=red": "other ruled bare",
            "coupons_tags_id_null=true": "other ruled bare",
            "coupons_coupon_recipient_first_name_eq=Ada": "ten",
            "coupons_code_not_eq=plain-code": "ten ruled bare",
            "coupons_id_null=true": "ruled bare",
            "coupon_codes_promotion_rule_coupons_code_i_cont=code": "ten other",
            "coupon_codes_promotion_rule_id_null=true": "ruled bare",
            "coupon_codes_promotion_rule_id_present=true": "ten other",
            "order_amount_promotion_rule_id_not_null=true": "ruled",
            "promotion_rules_type_eq=CouponCodesPromotionRule": "ten other",
            "promotion_rules_type_eq=coupon_codes_promotion_rules": "ten other",
            "promotion_rules_type_not_eq=CouponCodesPromotionRule": "ruled bare",
            "promotion_rules_promotion_exclusive_true=1": "ruled",
        },
    )
    assert found(api, "percentage_discount_promotions", coupons_code_eq="plain-code") == "other"
    assert found(api, "fixed_amount_promotions", coupons_code_eq="plain-code") == ""


def test_events_are_those_of_the_type_that_is_listed(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    coupon, other = (factories.coupon(rule, reference=reference) for reference in ("one", "two"))
    twin, twin_coupon = (
        factories.percentage_promotion(acme, reference="twin"),
        factories.coupon(rule, reference="three"),
    )
    for row in (twin, twin_coupon):
        type(row).objects.filter(pk=row.pk).update(id=other.pk + 100)
        row.pk = other.pk + 100
        changes.record(row, "create", {}, factories.BY)
    changes.record(coupon, "tagged", {}, factories.BY)
    changes.record(twin, "tagged", {}, factories.BY)

    check(
        api,
        "coupons",
        {
            "events_name_eq=coupons.tagged": "one",
            "events_name_not_eq=coupons.tagged": "two three",
            "events_name_eq=coupons.create": "one two three",
            "events_name_cont=promotions": "",
            "events_id_null=true": "",
        },
    )
    check(api, "promotions", {"events_name_end=.tagged": "twin", "events_name_not_end=.tagged": "ten"})
    check(api, "percentage_discount_promotions", {"events_name_end=.tagged": "twin"})


def test_related_lists_are_filtered_too(api: Api, rule: CouponCodesPromotionRule):
    for reference, limit in {"a": 1, "b": 2}.items():
        factories.coupon(rule, reference=reference, usage_limit=limit)
    promotion = f"percentage_discount_promotions/{rule.promotion.public_id}"

    check(api, f"{promotion}/coupons", {"usage_limit_gt=1": "b"})
    check(api, f"coupon_codes_promotion_rules/{rule.public_id}/coupons", {"usage_limit_lt=2": "a"})
    assert refused(ask(api, f"{promotion}/coupons", colour_eq="red")) == not_allowed("colour_eq")


# --- Scopes ---------------------------------------------------------------------------------------


def test_scopes_of_promotions(api: Api, acme: Organization):
    day = timedelta(days=1)
    factories.percentage_promotion(acme, reference="active")
    factories.percentage_promotion(acme, reference="pending", starts_at=NOW + day)
    factories.percentage_promotion(acme, reference="expired", expires_at=NOW, starts_at=NOW - day)
    factories.percentage_promotion(acme, reference="disabled", disabled_at=NOW)
    factories.percentage_promotion(acme, reference="inactive", total_usage_limit=0)
    factories.fixed_amount_promotion(acme, reference="fixed")

    table = {
        "active=true": "active fixed",
        "active=false": "pending expired disabled inactive",
        "expired=1": "expired",
        "expired=0": "active pending disabled inactive fixed",
        "with_status=active": "active fixed",
        "with_status=pending": "pending",
        "with_status=expired": "expired",
        "with_status=disabled": "disabled",
        "with_status=inactive": "inactive",
    }
    check(api, "promotions", table)
    check(api, "fixed_amount_promotions", {"with_status=active": "fixed", "expired=1": "", "active=1": "fixed"})
    assert found(api, "promotions", with_status="active", name_start="Promotion", type_eq="FixedAmountPromotion") == (
        "fixed"
    )
    for key, value in {"active": "perhaps", "expired": "", "with_status": "new"}.items():
        assert refused(ask(api, "promotions", **{key: value})) == bad_value(key)
    assert refused(ask(api, "coupons", active="true")) == not_allowed("active")


# --- What is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "code",
        "code_is",
        "colour_eq",
        "code_norm_eq",
        "organization_id_eq",
        "mode_eq",
        "recipient_email_eq",
        "password_eq",
        "code_or_colour_eq",
        "promotion_rule_eq",
        "promotion_rule_colour_eq",
        "markets_id_eq",
        "versions_event_eq",
        "event_stores_event_eq",
        "promotion_rule__promotion__name_eq",
        "pk_eq",
        "é_eq",
    ],
)
def test_what_is_not_known_is_named(api: Api, rule: CouponCodesPromotionRule, key: str):
    factories.coupon(rule)
    answer = ask(api, "coupons", **{key: "x"})

    assert refused(answer) == not_allowed(key)
    assert key in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "key",
    [
        "usage_limit_cont",
        "usage_limit_matches",
        "usage_limit_true",
        "usage_limit_jcont",
        "customer_single_use_gt",
        "customer_single_use_start",
        "expires_at_end",
        "expires_at_false",
        "metadata_eq",
        "metadata_cont",
        "metadata_in",
        "metadata_lt",
        "code_jcont",
        "code_true",
        "id_cont",
        "id_true",
        "promotion_rule_type_cont",
        "promotion_rule_type_gt",
        "coupon_recipient_id_start_any",
    ],
)
def test_a_predicate_that_does_not_suit_the_attribute_is_named(api: Api, key: str):
    assert refused(ask(api, "coupons", **{key: "1"})) == not_allowed(key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("usage_limit_eq", ""),
        ("usage_limit_eq", "many"),
        ("usage_limit_eq", "1.5"),
        ("usage_limit_eq", "1e3"),
        ("usage_limit_eq", "9223372036854775808"),
        ("usage_limit_lt", "9" * 5000),
        ("usage_limit_in", "1,,2"),
        ("usage_limit_in", "1,x"),
        ("usage_limit_gt_any", "1,x"),
        ("usage_limit_null", ""),
        ("usage_limit_null", "maybe"),
        ("code_present", "yes"),
        ("customer_single_use_true", "2"),
        ("customer_single_use_eq", ""),
        ("expires_at_gt", ""),
        ("expires_at_gt", "soon"),
        ("expires_at_gt", "2026-02-30"),
        ("expires_at_gt", "2026-07-01T12:00:00 02:00"),
        ("expires_at_gt", "0001-01-01T00:00:00+14:00"),
        ("expires_at_in", "2026-07-01,x"),
        ("code_cont", "x" * (LONGEST_TEXT + 1)),
        ("coupon_recipient_email_matches", "a\\"),
    ],
)
def test_a_value_that_cannot_be_is_named(api: Api, rule: CouponCodesPromotionRule, key: str, value: str):
    factories.coupon(rule)
    answer = ask(api, "coupons", **{key: value})

    assert refused(answer) == bad_value(key)
    assert answer.json()["errors"][0]["detail"].startswith(f"{key} - ")


def test_one_bad_condition_refuses_the_whole_list(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule, code="GOOD-CODE")

    assert refused(ask(api, "coupons", code_eq="good-code", colour_eq="red")) == not_allowed("colour_eq")


def test_a_condition_given_twice_is_refused_because_one_of_them_would_be_dropped(api: Api):
    answer = api.get("coupons?filter[q][code_cont]=a&filter%5Bq%5D%5Bcode_cont%5D=b")

    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"parameter": "filter[q][code_cont]"})


def test_as_much_may_be_asked_at_once_and_no_more(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule, reference="a", code="CODE-0001")
    paths = "code_or_reference_or_coupon_recipient_email_or_coupon_recipient_first_name"
    texts = [f"t{number}" for number in range(MOST_COMPARISONS // 4)]
    ids = [str(number) for number in range(MOST_VALUES)]

    check(
        api,
        "coupons",
        {
            f"{paths}_cont_any={','.join(texts)}": "",
            f"{paths}_cont_any={','.join(texts[1:])},CODE": "a",
            f"{paths}_not_cont_all={','.join(texts)}": "a",
            f"usage_count_in={','.join(ids)}": "a",
        },
    )
    for question in ({f"{paths}_cont_any": ",".join([*texts, "x"])}, {"usage_count_in": ",".join([*ids, "1000"])}):
        assert refused(ask(api, "coupons", **question)) == (400, "FILTER_NOT_ALLOWED", {"parameter": "filter[q]"})


def test_negations_of_everything_that_may_be_asked_at_once(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule, reference="a")
    names = ",".join(["x"] * (MOST_COMPARISONS // 2))

    check(
        api,
        "coupons",
        {
            f"tags_name_not_eq_all={names}": "a",
            f"coupon_recipient_first_name_not_cont_all={names}": "",
            f"reference_or_reference_origin_not_cont_any={names}": "a",
        },
    )


# --- Tenants and permissions ----------------------------------------------------------------------


def test_paths_end_at_the_border_of_the_tenant(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    other = factories.organization()
    their_tag = factories.tag(other, name="theirs")
    their_rule = factories.coupon_rule(factories.percentage_promotion(other, name="Theirs"))
    live_tag = factories.tag(acme, name="live", mode=Mode.LIVE)
    coupon = factories.coupon(rule, reference="ours")
    # Rows that should never come to be: links across the border.
    put_on(coupon, their_tag, live_tag)
    Coupon.objects.filter(pk=factories.coupon(rule, reference="astray").pk).update(promotion_rule=their_rule)

    check(
        api,
        "coupons",
        {
            "tags_name_eq=theirs": "",
            "tags_name_eq=live": "",
            "tags_name_not_eq=theirs": "ours astray",
            f"tags_id_eq={their_tag.public_id}": "",
            "tags_id_present=true": "",
            "promotion_rule_promotion_name_eq=Theirs": "",
            "promotion_rule_promotion_name_start=T": "",
            f"promotion_rule_promotion_id_eq={their_rule.promotion.public_id}": "",
        },
    )


def test_filters_and_sorts_read_only_what_the_role_may_read(acme: Organization, travel: Any, unlimited: None):
    role = Role.objects.create(organization=acme, name="clerk", permissions={"coupons": ["read"]})
    clerk = Api(factories.application(acme, Application.Kind.INTEGRATION, role=role))
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(rule, reference="a", coupon_recipient=factories.recipient(acme, email="ada@example.com"))

    check(clerk, "coupons", {f"promotion_rule_id_eq={rule.public_id}": "a"})
    for key in ("coupon_recipient_email_start", "tags_name_not_eq", "promotion_rule_promotion_id_eq"):
        assert refused(ask(clerk, "coupons", **{key: rule.promotion.public_id})) == (401, "UNAUTHORIZED", None)
    assert refused(ask(clerk, "coupons", "coupon_recipient.email")) == (401, "UNAUTHORIZED", None)


# --- Sorting --------------------------------------------------------------------------------------


def test_nulls_sort_after_everything(api: Api, rule: CouponCodesPromotionRule):
    for reference, limit in {"none": None, "two": 2, "one": 1, "nil": None}.items():
        factories.coupon(rule, reference=reference, usage_limit=limit)

    assert found(api, "coupons", "usage_limit") == "one two none nil"
    assert found(api, "coupons", "-usage_limit") == "none nil two one"
    assert found(api, "coupons", "-usage_limit,-id") == "nil none two one"
    assert found(api, "coupons", "customer_single_use,-usage_limit") == "none nil two one"


def test_sorting_through_a_relationship(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    emails = {"b": "b@example.com", "none": None, "upper": "Z@example.com", "a": "a@example.com"}
    for reference, email in emails.items():
        recipient = email and factories.recipient(acme, email=email)
        factories.coupon(rule, reference=reference, coupon_recipient=recipient)

    assert found(api, "coupons", "coupon_recipient.email") == "upper a b none"
    assert found(api, "coupons", "-coupon_recipient.email") == "none b a upper"
    assert found(api, "coupons", "-coupon_recipient.email", coupon_recipient_email_end="@example.com") == "b a upper"


# --- Time -----------------------------------------------------------------------------------------


def test_a_search_that_takes_too_long_is_refused(api: Api, rule: CouponCodesPromotionRule, settings: LazySettings):
    fill(rule, 20_000)
    question = {"coupon_recipient_first_name_or_reference_cont_any": ",".join("abcdefghij"), "code_end": "x"}
    assert found(api, "coupons", **question) == ""

    settings.STATEMENT_TIMEOUT = 0.001
    with transaction.atomic():
        if connection.vendor == "postgresql":
            # What config.settings gives a server's connections.
            connection.cursor().execute("SET LOCAL statement_timeout = 1")
        answer = ask(api, "coupons", **question)
        transaction.set_rollback(True)

    assert refused(answer) == (400, "STATEMENT_TIMEOUT", {"parameter": "filter[q]"})


def test_what_is_quick_is_not_refused(api: Api, rule: CouponCodesPromotionRule, settings: LazySettings):
    settings.STATEMENT_TIMEOUT = 10.0
    factories.coupon(rule, reference="a", code="QUICK-CODE")

    check(api, "coupons", {f"code_eq={quote('quick-code')}": "a"})
