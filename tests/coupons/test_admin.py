"""The admin of promotions, their rules, codes, recipients and tags."""

import csv
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import changes, ledger
from commerce.models import Organization, Version
from commerce.money import MAX_CENTS
from coupons import upkeep
from coupons.models import Coupon, Redemption
from promotions.models import (
    CouponCodesPromotionRule,
    FixedAmountPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
)
from tags.models import Tag
from tests import factories
from tests.client import Api
from tests.commerce.test_orders_admin import section, text
from tests.factories import BY, NOW
from tests.staff import act, clerk, errors, form_of, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

PROMOTIONS = "/admin/promotions/percentagediscountpromotion/"
FIXED = "/admin/promotions/fixedamountpromotion/"
RULES = "/admin/promotions/couponcodespromotionrule/"
ORDER_RULES = "/admin/promotions/orderamountpromotionrule/"
COUPONS = "/admin/coupons/coupon/"
TAGS = "/admin/tags/tag/"
WINDOW = {"starts_at_0": "2026-01-01", "starts_at_1": "00:00", "expires_at_0": "2099-01-01", "expires_at_1": "00:00"}

MOST, NO_CURRENCY = "Ensure this value is less than or equal to {}.", "is not a currency of ISO 4217"


@pytest.fixture
def promotion(acme: Organization) -> PercentageDiscountPromotion:
    return factories.percentage_promotion(acme, name="Summer")


@pytest.fixture
def rule(promotion: PercentageDiscountPromotion) -> CouponCodesPromotionRule:
    return factories.coupon_rule(promotion)


def listed(page: Any) -> list[Any]:
    return list(page.context["cl"].result_list)


# --- Promotions -----------------------------------------------------------------------------------


def test_a_percentage_promotion_is_created_changed_and_deleted(acme: Organization) -> None:
    staff = superuser("ada")

    submit(staff, f"{PROMOTIONS}add/", name="Summer", percentage="12.5", **WINDOW)
    promotion = PercentageDiscountPromotion.objects.get()
    assert (promotion.organization, promotion.mode, promotion.kind) == (acme, "test", "percentage_discount")
    assert str(promotion.percentage) == "12.5"
    assert last_version()[:3] == ("ada", "create", "percentage_discount_promotions")

    submit(staff, f"{PROMOTIONS}{promotion.pk}/change/", percentage="20")
    assert last_version() == ("ada", "update", "percentage_discount_promotions", {"percentage": ["12.5", 20]})

    submit(staff, f"{PROMOTIONS}{promotion.pk}/delete/", post="yes")
    assert not Promotion.objects.exists()
    assert last_version()[:3] == ("ada", "destroy", "percentage_discount_promotions")


def test_a_fixed_amount_promotion_is_created(acme: Organization) -> None:
    submit(superuser("ada"), f"{FIXED}add/", name="Ten", fixed_amount_cents="1000", currency_code="EUR", **WINDOW)

    promotion = FixedAmountPromotion.objects.get()
    assert (promotion.kind, promotion.fixed_amount_cents, promotion.currency_code) == ("fixed_amount", 1000, "EUR")
    assert last_version()[:3] == ("ada", "create", "fixed_amount_promotions")


@pytest.mark.parametrize(
    ("url", "values", "complaints"),
    [
        (PROMOTIONS, {}, {"percentage": ["This field is required."]}),
        (PROMOTIONS, {"percentage": "101"}, {"percentage": [MOST.format(100)]}),
        (PROMOTIONS, {"percentage": "10", "expires_at_0": "2025-01-01"}, {"expires_at": ["must be after starts_at"]}),
        (PROMOTIONS, {"percentage": "10", "currency_code": "XXX"}, {"currency_code": [NO_CURRENCY]}),
        (FIXED, {}, {"fixed_amount_cents": ["This field is required."]}),
        (FIXED, {"fixed_amount_cents": "10"}, {"currency_code": ["can't be blank"]}),
        (
            FIXED,
            {"fixed_amount_cents": "9" * 18, "currency_code": "EUR"},
            {"fixed_amount_cents": [MOST.format(MAX_CENTS)]},
        ),
    ],
)
def test_a_promotion_keeps_its_rules(acme: Organization, url: str, values: dict, complaints: dict) -> None:
    page = submit(superuser(), f"{url}add/", name="Summer", **(WINDOW | values))

    assert errors(page).keys() == complaints.keys()
    assert {name: list(told)[-1:] for name, told in errors(page).items()} == complaints
    assert not Promotion.objects.exists()


def test_the_page_of_a_promotion_leads_to_its_rules_and_coupons(rule: CouponCodesPromotionRule) -> None:
    factories.coupon(rule)
    promotion = rule.promotion

    page = superuser().get(f"{PROMOTIONS}{promotion.pk}/change/").content.decode()

    assert f'<a href="{RULES}{rule.pk}/change/">coupon codes</a>' in page
    assert f'<a href="{ORDER_RULES}add/?promotion={promotion.pk}">Add order amount rule</a>' in page
    assert f'<a href="{COUPONS}?promotion_rule__id__exact={rule.pk}">1 coupons</a>' in page
    assert f'<a href="{COUPONS}generate/{rule.pk}/">Generate codes</a>' in page


def test_status_is_told_as_of_now_and_filtered_by(acme: Organization) -> None:
    now = factories.NOW
    rows = {
        "active": factories.percentage_promotion(acme),
        "disabled": factories.percentage_promotion(acme, disabled_at=now),
        "expired": factories.percentage_promotion(acme, expires_at=now - timedelta(hours=1)),
        "pending": factories.percentage_promotion(acme, starts_at=now + timedelta(days=3000)),
        "inactive": factories.percentage_promotion(acme, total_usage_limit=0),
    }
    staff = superuser()

    for status, row in rows.items():
        page = staff.get(PROMOTIONS, {"status": status})
        assert listed(page) == [row]
        assert f'<td class="field-status">{status}</td>' in page.content.decode()
    assert len(listed(staff.get(PROMOTIONS))) == 5


def test_promotions_of_every_type_are_listed_together_and_open_on_their_own_page(acme: Organization) -> None:
    percentage, fixed = factories.percentage_promotion(acme), factories.fixed_amount_promotion(acme)
    staff = superuser()

    assert [row.pk for row in listed(staff.get("/admin/promotions/promotion/"))] == [fixed.pk, percentage.pk]
    assert listed(staff.get(PROMOTIONS)) == [percentage]
    answer = staff.get(f"/admin/promotions/promotion/{fixed.pk}/change/")
    assert answer.headers["location"] == f"{FIXED}{fixed.pk}/change/"
    assert staff.get("/admin/promotions/promotion/nonsense/change/").headers["location"] == "/admin/"
    assert staff.post(f"/admin/promotions/promotion/{fixed.pk}/delete/", {"post": "yes"}).status_code == 403


def test_promotions_are_disabled_and_enabled(acme: Organization) -> None:
    rows = [factories.percentage_promotion(acme) for _ in range(2)]
    staff = superuser("ada")

    answer = act(staff, PROMOTIONS, "disable", *rows)
    assert messages(answer) == ["2 disabled."]
    assert Promotion.objects.disabled().count() == 2
    assert last_version()[:2] == ("ada", "update")
    assert list(last_version()[3]) == ["disabled_at"]
    act(staff, PROMOTIONS, "enable", rows[0])
    assert list(Promotion.objects.enabled()) == [Promotion.objects.get(pk=rows[0].pk)]


def test_disabling_needs_the_permission_to_change(promotion: Promotion) -> None:
    act(clerk("view_percentagediscountpromotion"), PROMOTIONS, "disable", promotion)

    assert Promotion.objects.enabled().exists()


def test_a_promotion_takes_its_coupons_along_and_says_so_first(rule: CouponCodesPromotionRule) -> None:
    factories.coupon(rule)
    staff = superuser()
    url = f"{PROMOTIONS}{rule.promotion_id}/delete/"

    assert "Summer with its rules and 1 coupons" in staff.get(url).content.decode()
    submit(staff, url, post="yes")

    assert not Promotion.objects.exists()
    assert not Coupon.objects.exists()


def test_a_redeemed_promotion_is_not_deleted(rule: CouponCodesPromotionRule) -> None:
    factories.coupon(rule, usage_count=1)

    answer = submit(superuser(), f"{PROMOTIONS}{rule.promotion_id}/delete/", post="yes")

    assert messages(answer) == ["The promotion has been redeemed."]
    assert Promotion.objects.exists()


# --- Rules ----------------------------------------------------------------------------------------


def test_a_rule_takes_its_tenant_from_its_promotion(acme: Organization) -> None:
    promotion = factories.percentage_promotion(acme, mode="live")
    staff = superuser("ada")

    submit(staff, f"{RULES}add/?promotion={promotion.pk}")
    rule = CouponCodesPromotionRule.objects.get()
    assert (rule.promotion_id, rule.organization, rule.mode) == (promotion.pk, acme, "live")
    assert last_version()[:3] == ("ada", "create", "coupon_codes_promotion_rules")
    submit(staff, f"{ORDER_RULES}add/", promotion=promotion.pk, order_amount_cents="5000")
    other = OrderAmountPromotionRule.objects.get()
    assert (other.order_amount_cents, other.mode) == (5000, "live")
    submit(staff, f"{ORDER_RULES}{other.pk}/change/", order_amount_cents="")
    assert last_version()[3] == {"order_amount_cents": [5000, None]}
    submit(staff, f"{ORDER_RULES}{other.pk}/delete/", post="yes")
    assert not OrderAmountPromotionRule.objects.exists()


def test_a_promotion_has_one_rule_of_a_kind(rule: CouponCodesPromotionRule) -> None:
    page = submit(superuser(), f"{RULES}add/", promotion=rule.promotion_id)

    assert errors(page) == {"promotion": ["has already been taken"]}
    assert CouponCodesPromotionRule.objects.get() == rule


def test_a_rule_without_promotion_is_a_complaint(acme: Organization) -> None:
    assert errors(submit(superuser(), f"{RULES}add/")) == {"promotion": ["This field is required."]}
    assert list(errors(submit(superuser("bob"), f"{RULES}add/", promotion="999"))) == ["promotion"]


def test_a_rule_with_coupons_is_not_deleted(rule: CouponCodesPromotionRule) -> None:
    factories.coupon(rule)

    answer = submit(superuser(), f"{RULES}{rule.pk}/delete/", post="yes")

    assert messages(answer) == ["The rule has coupons."]
    assert CouponCodesPromotionRule.objects.exists()


# --- Coupons --------------------------------------------------------------------------------------


def test_a_coupon_is_created_changed_and_deleted_and_counted(rule: CouponCodesPromotionRule) -> None:
    staff = superuser("ada")

    values = {"code": "Summer 2026", "usage_limit": "3", "applies_to_count": "4"}
    submit(staff, f"{COUPONS}add/", promotion_rule=rule.pk, **values)
    coupon = Coupon.objects.get()
    assert (coupon.code_norm, coupon.usage_limit, coupon.tenant) == ("SUMMER2026", 3, rule.tenant)
    assert coupon.applies_to_count == 4
    assert last_version()[:3] == ("ada", "create", "coupons")
    assert Promotion.objects.get().coupons_count == 1

    submit(staff, f"{COUPONS}{coupon.pk}/change/", usage_limit="", customer_single_use="on")
    assert last_version() == (
        "ada",
        "update",
        "coupons",
        {"customer_single_use": [False, True], "usage_limit": [3, None]},
    )

    submit(staff, f"{COUPONS}{coupon.pk}/delete/", post="yes")
    promotion = Promotion.objects.get()
    assert (Coupon.objects.count(), promotion.coupons_count) == (0, 0)
    assert promotion.disabled_at


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("", "This field is required."),
        ("SHORT", "is too short (minimum is 8 characters)"),
        ("X" * 41, "is too long (maximum is 40 characters)"),
        ("taken-code", "has already been taken"),
    ],
)
def test_a_code_that_cannot_be_is_a_complaint(rule: CouponCodesPromotionRule, code: str, complaint: str) -> None:
    factories.coupon(rule, code="TAKEN-CODE")

    page = submit(superuser(), f"{COUPONS}add/", promotion_rule=rule.pk, code=code)

    assert errors(page) == {"code": [complaint]}
    assert Coupon.objects.count() == 1
    assert Promotion.objects.get().coupons_count == 1


def test_a_coupon_and_its_relations_belong_to_one_tenant(rule: CouponCodesPromotionRule) -> None:
    stranger = factories.recipient(rule.organization, mode="live")
    elsewhere = factories.coupon_rule(factories.percentage_promotion(factories.organization()))
    coupon = factories.coupon(rule)
    staff = superuser()
    complaint = ["belongs to another organization or mode."]

    page = submit(staff, f"{COUPONS}add/", promotion_rule=rule.pk, code="SUMMER2026", coupon_recipient=stranger.pk)
    assert errors(page) == {"coupon_recipient": complaint}
    page = submit(staff, f"{COUPONS}{coupon.pk}/change/", promotion_rule=elsewhere.pk)
    assert errors(page) == {"promotion_rule": complaint}
    assert Coupon.objects.get().promotion_rule_id == rule.pk


def test_a_coupon_moved_to_another_rule_is_counted_there(rule: CouponCodesPromotionRule, acme: Organization) -> None:
    other = factories.coupon_rule(factories.fixed_amount_promotion(acme))
    coupon = factories.coupon(rule)

    submit(superuser(), f"{COUPONS}{coupon.pk}/change/", promotion_rule=other.pk)

    counts = dict(Promotion.objects.values_list("pk", "coupons_count"))
    assert counts == {rule.promotion_id: 0, other.promotion_id: 1}


def test_a_cheque_tells_what_is_gone_what_is_left_and_what_took_it(api: Api, acme: Organization) -> None:
    promotion = factories.fixed_amount_promotion(acme, fixed_amount_cents=5000, declining_balance=True)
    cheque = factories.coupon(factories.coupon_rule(promotion), code="CHEQUE-01")
    for cents in (1999, 500):
        cart = {"currency_code": "EUR", "amount_cents": cents, "coupon_code": "CHEQUE-01"}
        answer = api.create("redemptions", cart)
        assert answer.status_code == 201, answer.content
    assert api.update(Redemption.objects.latest("pk"), {"_cancel": True}).status_code == 200
    staff = superuser()

    page = staff.get(f"{COUPONS}{cheque.pk}/change/")

    shown = page.content.decode()
    for field, value in (("uses", "1"), ("used_amount", "€19,99"), ("left", "€30,01")):
        assert re.search(rf'field-{field}.*?<div class="readonly">{value}</div>', shown, re.DOTALL)
    assert re.findall(r"(use|refund) coupons/\w+ (-?€[\d,]+) (€[\d,]+)", section(page, "Ledger")) == [
        ("refund", "€5,00", "€30,01"),
        ("use", "-€5,00", "€25,01"),
        ("use", "-€19,99", "€30,01"),
    ]
    assert "CHEQUE-01 " + promotion.name + " acme test 1 €30,01" in text(staff.get(COUPONS))
    entries = text(staff.get("/admin/commerce/ledgerentry/", {"q": f"coupons/{cheque.public_id}"}))
    assert "-€19,99 €30,01 acme test" in entries


def test_a_coupon_without_a_balance_tells_what_it_took_off(rule: CouponCodesPromotionRule) -> None:
    coupon = factories.coupon(rule, used_amount_cents=1999)
    page = superuser().get(f"{COUPONS}{coupon.pk}/change/")
    shown = page.content.decode()
    for field, value in (("used_amount", "19.99"), ("left", "-")):
        assert re.search(rf'field-{field}.*?<div class="readonly">{value}</div>', shown, re.DOTALL)
    assert section(page, "Ledger") == "No balance was changed."


def test_a_ledger_is_told_in_the_currency_of_what_it_is_of(acme: Organization) -> None:
    """A coupon and a gift card may have the same key."""
    dollars = factories.fixed_amount_promotion(acme, currency_code="USD", declining_balance=True)
    cheque = factories.coupon(factories.coupon_rule(dollars))
    card = factories.gift_card(acme, balance_cents=700)
    with changes.atomic():
        ledger.note(Coupon(pk=card.pk, **cheque.tenant._asdict()), ledger.Kind.USE, -100, 900, BY)
        ledger.note(cheque, ledger.Kind.USE, -300, 600, BY)
    listed = text(superuser().get("/admin/commerce/ledgerentry/"))
    assert "-$3.00 $6.00" in listed
    assert "€7,00 €7,00" in listed
    assert ("-$1.00 $9.00" if card.pk == cheque.pk else "-1.00 9.00") in listed


def test_a_redeemed_coupon_is_not_deleted(rule: CouponCodesPromotionRule) -> None:
    coupon = factories.coupon(rule, code="REDEEMED", usage_count=1)

    answer = act(superuser(), COUPONS, "delete_selected", coupon, post="yes")

    assert messages(answer) == ["REDEEMED: The coupon has been redeemed."]
    assert Coupon.objects.exists()


def test_a_rule_deleted_while_a_coupon_is_added_is_a_complaint(
    rule: CouponCodesPromotionRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form has found the rule; then it goes."""
    staff = superuser()
    url = f"{COUPONS}add/"
    filled = form_of(staff.get(url)) | {"promotion_rule": rule.pk, "code": "SUMMER2026"}
    clean = Coupon.clean

    def clean_and_lose_the_rule(coupon: Coupon) -> None:
        clean(coupon)
        if CouponCodesPromotionRule.objects.exists():
            upkeep.delete_coupon_rule(CouponCodesPromotionRule.objects.get(), BY)

    monkeypatch.setattr(Coupon, "clean", clean_and_lose_the_rule)

    assert staff.post(url, filled).status_code == 200
    assert not Coupon.objects.exists()


def test_a_code_is_found_by_its_beginning_however_it_is_typed(rule: CouponCodesPromotionRule) -> None:
    coupons = {code: factories.coupon(rule, code=code) for code in ("SUMMER-01", "SUMMER-02", "WINTER-01")}
    staff = superuser()

    def found(term: str) -> set[str]:
        return {row.code for row in listed(staff.get(COUPONS, {"q": term}))}

    assert found("summer") == {"SUMMER-01", "SUMMER-02"}
    assert found(" summer - 02 ") == {"SUMMER-02"}
    assert found("UMMER") == set()
    assert found("%") == set()
    assert found(" ") == set(coupons)


def test_the_queries_of_the_coupon_list_do_not_grow_with_its_rows(rule: CouponCodesPromotionRule) -> None:
    staff = superuser()
    counts = []

    for rows in (1, 20):
        for _ in range(rows):
            factories.coupon(rule, coupon_recipient=factories.recipient(rule.organization))
        with CaptureQueriesContext(connection) as asked:
            page = staff.get(COUPONS)
        counts.append(len(asked))

    assert len(listed(page)) == 21
    # Session, user, organizations to filter by, bounded count, page, and the four tables it shows something of.
    assert counts == [9, 9]


def test_searching_and_filtering_codes_uses_an_index(rule: CouponCodesPromotionRule) -> None:
    staff = superuser()
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by the rows there are")

    with CaptureQueriesContext(connection) as asked:
        staff.get(COUPONS, {"q": "SUMMER"})
        staff.get(COUPONS, {"tenant": f"{rule.organization_id}-test"})
        staff.get(COUPONS, {"promotion_rule__id__exact": rule.pk})
    pages = [query["sql"] for query in asked if "ORDER BY" in query["sql"] and "coupons_coupon" in query["sql"]]

    with connection.cursor() as cursor:
        plans = [str(cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()) for sql in pages]
    assert [re.search("coupons_coupon USING INDEX ([a-z_]+)", plan).group(1) for plan in plans] == [
        "coupon_code_lookup",
        "coupon_tenant",
        "sqlite_autoindex_coupons_coupon_",  # of the constraint coupon_code
    ]
    assert [plan.count("TEMP B-TREE") for plan in plans] == [1, 0, 0]


# --- Codes in bulk --------------------------------------------------------------------------------


def test_codes_are_generated_found_and_downloaded(rule: CouponCodesPromotionRule) -> None:
    factories.coupon(rule, code="OLD-CODE")
    staff = superuser("ada")
    values = {"count": "50", "prefix": "SUN-", "length": "8", "usage_limit": "1", "customer_single_use": "on"}
    values |= {"applies_to_count": "2"}
    expiry = {"expires_at_0": "2030-01-01", "expires_at_1": "12:00"}

    answer = submit(staff, f"{COUPONS}generate/{rule.pk}/", **values, **expiry)

    told = messages(answer)[0]
    page = staff.get(answer.headers["location"])
    coupons = listed(page)
    assert len(coupons) == 50
    assert {(len(row.code), row.code[:4]) for row in coupons} == {(12, "SUN-")}
    assert {(row.usage_limit, row.customer_single_use, row.applies_to_count) for row in coupons} == {(1, True, 2)}
    assert {row.expires_at.isoformat() for row in coupons} == {"2030-01-01T12:00:00+00:00"}
    assert told.startswith(f"50 codes were generated as batch {coupons[0].batch}. ")
    assert last_version()[:3] == ("ada", "update", "coupon_codes_promotion_rules")
    assert last_version()[3]["coupons_count"] == [1, 51]

    export = re.search('href="(.*?)"', told).group(1).replace("&amp;", "&")
    assert rows_of(staff.get(export)) == {(row.code, "1") for row in coupons}


def rows_of(download: Any) -> set[tuple[str, str]]:
    assert download.headers["content-disposition"] == 'attachment; filename="coupons.csv"'
    assert download.streaming
    text = b"".join(download.streaming_content).decode()
    return {(row["code"], row["usage_limit"]) for row in csv.DictReader(text.splitlines())}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"count": "0"}, "count"),
        ({"count": "100001"}, "count"),
        ({"count": "100", "length": "1", "prefix": "SUMMER-"}, "count"),
        ({"length": "3"}, "length"),
        ({"length": "99"}, "length"),
        ({"usage_limit": "-1"}, "usage_limit"),
        ({"applies_to_count": "0"}, "applies_to_count"),
        ({"expires_at_0": "nonsense"}, "expires_at"),
    ],
)
def test_codes_that_cannot_be_had_are_a_complaint(
    rule: CouponCodesPromotionRule, values: dict[str, str], field: str
) -> None:
    page = submit(superuser(), f"{COUPONS}generate/{rule.pk}/", **values)

    assert list(errors(page)) == [field]
    assert not Coupon.objects.exists()


@pytest.mark.parametrize("url", [PROMOTIONS, RULES])
def test_the_action_leads_to_the_form_of_the_rule(rule: CouponCodesPromotionRule, url: str) -> None:
    row = rule.promotion if url == PROMOTIONS else rule

    answer = act(superuser(), url, "generate_codes", row)

    assert answer.headers["location"] == f"{COUPONS}generate/{rule.pk}/"


def test_codes_are_generated_for_one_rule_at_a_time(promotion: Promotion) -> None:
    answer = act(superuser(), PROMOTIONS, "generate_codes", promotion)

    assert messages(answer) == ["Select one with a coupon codes rule."]


def test_generating_and_exporting_need_permission(rule: CouponCodesPromotionRule) -> None:
    staff = clerk("view_coupon")

    assert staff.post(f"{COUPONS}generate/{rule.pk}/", {"count": "1", "length": "12"}).status_code == 403
    assert not Coupon.objects.exists()
    assert staff.get(f"{COUPONS}export/").status_code == 200
    staff.logout()
    assert staff.get(f"{COUPONS}export/").status_code == 302


def test_generating_for_a_rule_that_is_gone_is_a_message(acme: Organization) -> None:
    assert superuser().get(f"{COUPONS}generate/{10**30}/").headers["location"] == "/admin/"


def test_the_selected_coupons_are_exported(rule: CouponCodesPromotionRule) -> None:
    first, second, _ = (factories.coupon(rule, usage_limit=number) for number in (1, 2, 3))

    answer = act(superuser(), COUPONS, "export_selected", first, second)

    assert rows_of(answer) == {(first.code, "1"), (second.code, "2")}


def test_a_selection_across_pages_is_what_the_list_was_filtered_by(rule: CouponCodesPromotionRule) -> None:
    wanted = [factories.coupon(rule, code=f"SUMMER-{number}", usage_limit=1) for number in range(3)]
    factories.coupon(rule, code="WINTER-1")

    answer = act(superuser(), f"{COUPONS}?q=summer", "export_selected", wanted[0], select_across="1")

    assert rows_of(answer) == {(coupon.code, "1") for coupon in wanted}


def test_an_export_with_senseless_filters_leads_back_to_the_list(rule: CouponCodesPromotionRule) -> None:
    assert superuser().get(f"{COUPONS}export/?nonsense=1").headers["location"] == COUPONS


def test_expiry_filters_the_list(rule: CouponCodesPromotionRule) -> None:
    gone = factories.coupon(rule, expires_at=NOW - timedelta(days=1000))
    valid = factories.coupon(rule, expires_at=NOW + timedelta(days=3000))
    endless = factories.coupon(rule)
    staff = superuser()

    found = {value: listed(staff.get(COUPONS, {"expiry": value})) for value in ("expired", "valid", "dated")}

    assert found == {"expired": [gone], "valid": [endless, valid], "dated": [valid, gone]}


# --- Tags -----------------------------------------------------------------------------------------


def test_a_tag_is_created_changed_and_deleted(acme: Organization) -> None:
    staff = superuser("ada")

    submit(staff, f"{TAGS}add/", name="summer")
    tag = Tag.objects.get()
    assert (tag.organization, last_version()[:3]) == (acme, ("ada", "create", "tags"))
    page = submit(staff, f"{TAGS}add/", name="summer")
    assert list(errors(page)) == ["__all__"]
    page = submit(staff, f"{TAGS}{tag.pk}/change/", name="x" * 26)
    assert errors(page) == {"name": ["is too long (maximum is 25 characters)"]}
    submit(staff, f"{TAGS}{tag.pk}/change/", name="winter")
    assert last_version() == ("ada", "update", "tags", {"name": ["summer", "winter"]})
    submit(staff, f"{TAGS}{tag.pk}/delete/", post="yes")
    assert (Tag.objects.count(), last_version()[1]) == (0, "destroy")


@pytest.mark.parametrize("tagged", ["coupon", "promotion"])
def test_rows_are_tagged_from_their_page(rule: CouponCodesPromotionRule, tagged: str) -> None:
    for name in ("new", "old"):
        factories.tag(rule.organization, name=name)
    row = factories.coupon(rule) if tagged == "coupon" else rule.promotion
    row.tags.add(Tag.objects.get(name="old"))
    staff = superuser("ada")
    url = f"{TAGS}of/{row.wire_type}/{row.pk}/"
    page = staff.get(f"{COUPONS if tagged == 'coupon' else PROMOTIONS}{row.pk}/change/")
    assert f'old (<a href="{url}">change</a>)' in page.content.decode()

    assert form_of(staff.get(url))["names"] == "old"
    submit(staff, url, names="new")

    assert [tag.name for tag in row.tags.all()] == ["new"]
    assert last_version() == ("ada", "update", row.wire_type, {"tags": [["old"], ["new"]]})


def test_names_that_are_no_tags_are_a_complaint(promotion: Promotion) -> None:
    factories.tag(promotion.organization, name="elsewhere", mode="live")

    page = submit(superuser(), f"{TAGS}of/{promotion.wire_type}/{promotion.pk}/", names="elsewhere, nowhere")

    assert errors(page) == {"names": ["There is no tag elsewhere, nowhere."]}
    assert not promotion.tags.exists()


def test_tagging_needs_the_permission_to_change_the_row(promotion: Promotion) -> None:
    url = f"{TAGS}of/{promotion.wire_type}/{promotion.pk}/"

    assert clerk("change_tag").get(url).status_code == 403
    assert superuser().get(f"{TAGS}of/versions/1/").status_code == 404
    assert Version.objects.count() == 1


# --- Meanwhile ------------------------------------------------------------------------------------


def test_counters_that_rose_meanwhile_stay(rule: CouponCodesPromotionRule) -> None:
    staff = superuser()
    url = f"{PROMOTIONS}{rule.promotion_id}/change/"
    opened = form_of(staff.get(url))
    factories.coupon(rule)
    changes.count(Promotion, rule.promotion_id, total_usage_count=1)

    staff.post(url, opened | {"name": "Winter"})

    promotion = Promotion.objects.get()
    assert (promotion.name, promotion.coupons_count, promotion.total_usage_count) == ("Winter", 1, 1)
