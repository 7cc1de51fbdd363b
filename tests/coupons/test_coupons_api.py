"""Coupons, their recipients and their rules over the API: what is created, checked, counted, guarded and moved."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Event, Mode, Organization, Version
from coupons import only_codes
from coupons.models import Coupon, CouponRecipient
from promotions.models import CouponCodesPromotionRule, Promotion
from tests import factories
from tests.client import Api, identifier, nothing_written, path_of, problem, refused
from tests.factories import NOW


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


@pytest.fixture
def other_rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


def promotion_of(rule: CouponCodesPromotionRule) -> Promotion:
    return Promotion.objects.get(pk=rule.promotion_id)


# --- Creating ------------------------------------------------------------------------------------


def test_a_created_coupon_is_the_reference_document(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    recipient = factories.recipient(acme, email="ada@example.com")
    tags = [factories.tag(acme, name=name) for name in ("summer", "vip")]
    attributes = {
        "code": "Summer 2026",
        "customer_single_use": True,
        "usage_limit": 50,
        "expires_at": "2026-12-31T23:59:59.999Z",
        "reference": "ERP-1",
        "reference_origin": "erp",
        "metadata": {"campaign": "summer"},
    }
    answer = api.create("coupons", attributes, promotion_rule=rule, coupon_recipient=recipient, tags=tags)
    coupon = Coupon.objects.get()
    own = f"http://testserver/api/coupons/{coupon.public_id}"
    assert answer.status_code == 201
    assert answer.headers["Location"] == own
    assert answer.json() == {
        "jsonapi": {"version": "1.1"},
        "data": {
            "id": coupon.public_id,
            "type": "coupons",
            "links": {"self": own},
            "attributes": {
                **attributes,
                "usage_count": 0,
                "applies_to_count": None,
                "used_amount_cents": 0,
                "balance_cents": None,
                "recipient_email": "ada@example.com",
                "created_at": "2026-06-15T12:00:00.000Z",
                "updated_at": "2026-06-15T12:00:00.000Z",
            },
            "relationships": {
                name: {"links": {"self": f"{own}/relationships/{name}", "related": f"{own}/{name}"}}
                for name in (
                    "promotion_rule",
                    "coupon_recipient",
                    "redemptions",
                    "events",
                    "tags",
                    "versions",
                    "event_stores",
                )
            },
            "meta": {"mode": "test", "organization_id": api.data("organization")["id"]},
        },
        "links": {"self": own},
    }
    assert api.ids(f"coupons/{coupon.public_id}/tags") == [tag.public_id for tag in tags]
    assert (coupon.code, coupon.code_norm) == ("Summer 2026", "SUMMER2026")


def test_a_coupon_needs_a_code_and_a_rule_only(api: Api, rule: CouponCodesPromotionRule):
    answer = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=rule)
    assert answer.status_code == 201
    shown = answer.json()["data"]["attributes"]
    assert (shown["customer_single_use"], shown["usage_limit"], shown["expires_at"]) == (False, None, None)


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_coupon_is_of_its_tokens_mode(api: Api, acme: Organization, mode: str):
    there = Api(factories.application(acme, mode=mode))
    rule = factories.coupon_rule(factories.percentage_promotion(acme, mode=mode))
    answer = there.create("coupons", {"code": "SUMMER-01"}, promotion_rule=rule)
    assert answer.json()["data"]["meta"]["mode"] == mode
    assert Coupon.objects.get().mode == mode


# --- Codes ---------------------------------------------------------------------------------------

SAME_CODE = ["SUMMER-01", "summer-01", " Sum mer-01\t", "ｓｕｍｍｅｒ-01", "SUMMER\u00a0-01"]


@pytest.mark.parametrize("code", SAME_CODE)
def test_a_code_is_taken_within_its_rule_however_it_is_written(api: Api, rule: CouponCodesPromotionRule, code: str):
    factories.coupon(rule, code="Summer-01")
    with nothing_written():
        answer = api.create("coupons", {"code": code}, promotion_rule=rule)
    assert answer.json()["errors"] == [
        {
            "title": "has already been taken",
            "detail": "code - has already been taken",
            "code": "VALIDATION_ERROR",
            "status": "422",
            "source": {"pointer": "/data/attributes/code"},
            "meta": {"error": "taken"},
        }
    ]


def test_a_code_may_stand_in_two_rules(api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule):
    for each in (rule, other_rule):
        assert api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=each).status_code == 201


def test_a_coupon_may_be_written_another_way(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule, code="SUMMER-01")
    assert api.update(coupon, {"code": "summer-01"}).status_code == 200
    assert Coupon.objects.get().code == "summer-01"


@pytest.mark.parametrize("code", SAME_CODE)
def test_a_code_is_found_however_it_is_written(api: Api, rule: CouponCodesPromotionRule, code: str):
    coupon = factories.coupon(rule, code="Summer-01")
    factories.coupon(rule, code="SUMMER-010")
    for predicate in ("eq", "in"):
        assert api.ids(f"coupons?filter[q][code_{predicate}]={code}") == [coupon.public_id]


@pytest.mark.parametrize(
    ("code", "error", "count"),
    [
        ("1234567", "too_short", 8),
        ("x" * 41, "too_long", 40),
        ("ﷺ" * 8, "too_long", 40),
        ("", "blank", None),
        (None, "blank", None),
        ("\u3000 " * 8, "blank", None),
    ],
)
def test_a_code_is_as_long_as_the_organization_says(
    api: Api, rule: CouponCodesPromotionRule, code: str | None, error: str, count: int | None
):
    with nothing_written():
        answer = api.create("coupons", {"code": code}, promotion_rule=rule)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/code"})
    assert (problem(answer)["meta"]["error"], problem(answer)["meta"].get("count")) == (error, count)


PLACE_OF_CODE = (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/code"})


def test_no_rule_has_a_code_that_a_coupon_of_another_one_has_alone(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule
):
    factories.coupon(rule, code="Summer-01", only_code="")
    other = factories.coupon(other_rule, code="WINTER-01")
    with nothing_written():
        answer = api.create("coupons", {"code": "summer-01"}, promotion_rule=other_rule)
        assert (refused(answer), problem(answer)["meta"]) == (PLACE_OF_CODE, {"error": "taken"})
        assert refused(api.update(other, {"code": "SUMMER-01"})) == PLACE_OF_CODE
    assert api.create("coupons", {"code": "summer-02"}, promotion_rule=other_rule).status_code == 201
    assert Coupon.objects.get(code="summer-02").only_code is None


def test_the_code_that_a_coupon_has_alone_in_test_mode_is_free_in_live_mode(
    acme: Organization, rule: CouponCodesPromotionRule, travel: Callable[[datetime], None], unlimited: None
):
    factories.coupon(rule, code="SUMMER-01", only_code="")
    live = factories.coupon_rule(factories.percentage_promotion(acme, mode=Mode.LIVE))
    api = Api(factories.application(acme, mode=Mode.LIVE))
    assert api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=live).status_code == 201


def test_a_coupon_of_a_rule_whose_codes_go_by_themselves_has_its_code_alone(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule
):
    factories.coupon(rule, code="SUMMER-01", only_code="")
    factories.coupon(other_rule, code="WINTER-01")
    with nothing_written():
        assert refused(api.create("coupons", {"code": "winter-01"}, promotion_rule=rule)) == PLACE_OF_CODE
    assert api.create("coupons", {"code": "Summer-02"}, promotion_rule=rule).status_code == 201
    made = Coupon.objects.get(code="Summer-02")
    assert made.only_code == "SUMMER-02"
    with nothing_written():
        assert refused(api.create("coupons", {"code": "SUMMER-02"}, promotion_rule=other_rule)) == PLACE_OF_CODE
        assert refused(api.update(made, {"code": "WINTER-01"})) == PLACE_OF_CODE
    assert api.update(made, {"code": "Autumn-01"}).status_code == 200
    assert Coupon.objects.get(pk=made.pk).only_code == "AUTUMN-01"


def test_what_else_is_changed_of_a_coupon_asks_nothing_of_its_code(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule, code="SUMMER-01", only_code="")
    with CaptureQueriesContext(connection) as captured:
        assert api.update(coupon, {"usage_limit": 3, "code": "SUMMER-01"}).status_code == 200
    assert not [query["sql"] for query in captured if "EXISTS" in query["sql"] and "only_code" in query["sql"]]
    assert Coupon.objects.get().only_code == "SUMMER-01"


def test_whether_a_code_is_free_is_one_question(
    rule: CouponCodesPromotionRule, django_assert_num_queries: Callable[[int], Any]
):
    factories.coupon(rule, code="SUMMER-01", only_code="")
    coupon = Coupon(promotion_rule=rule, code="Summer-02", **rule.tenant._asdict())
    with django_assert_num_queries(1):
        only_codes.settle(coupon)
    assert coupon.only_code == "SUMMER-02"


@pytest.mark.parametrize("code", ["12345678", "x" * 40])
def test_the_shortest_and_the_longest_code_are_taken(api: Api, rule: CouponCodesPromotionRule, code: str):
    assert api.create("coupons", {"code": code}, promotion_rule=rule).status_code == 201


def test_an_organization_has_limits_of_its_own(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    acme.settings = {"coupons_min_code_length": 3, "coupons_max_code_length": 5}
    acme.save()
    codes = {"AB": 422, "ABC": 201, "ABCDE": 201, "ABCDEF": 422}
    for code, status in codes.items():
        assert api.create("coupons", {"code": code}, promotion_rule=rule).status_code == status


def test_a_code_that_became_too_short_stays_until_it_is_changed(
    api: Api, acme: Organization, rule: CouponCodesPromotionRule
):
    coupon = factories.coupon(rule, code="SUMMER-01")
    acme.settings = {"coupons_min_code_length": 20}
    acme.save()
    assert api.update(coupon, {"code": "SUMMER-01", "usage_limit": 5}).status_code == 200
    assert refused(api.update(coupon, {"code": "SUMMER-02"}))[0] == 422


# --- Recipients ----------------------------------------------------------------------------------


def test_recipient_email_makes_a_recipient_once(api: Api, rule: CouponCodesPromotionRule):
    for number, email in enumerate(["Ada@Example.com", "ada@example.com", " ADA@example.com "]):
        answer = api.create("coupons", {"code": f"SUMMER-0{number}", "recipient_email": email}, promotion_rule=rule)
        assert answer.status_code == 201
        assert answer.json()["data"]["attributes"]["recipient_email"] == "Ada@Example.com"
    assert CouponRecipient.objects.get().email == "Ada@Example.com"
    assert Version.objects.filter(resource_type="coupon_recipients", event="create").count() == 1


def test_recipient_email_is_looked_for_within_the_tenant(api: Api, rule: CouponCodesPromotionRule):
    elsewhere = factories.recipient(factories.organization(), email="ada@example.com")
    api.create("coupons", {"code": "SUMMER-01", "recipient_email": "ada@example.com"}, promotion_rule=rule)
    assert Coupon.objects.get().coupon_recipient_id != elsewhere.pk


def test_no_recipient_email_takes_the_recipient_off(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule, coupon_recipient=factories.recipient(acme))
    assert api.update(coupon, {"recipient_email": None}).status_code == 200
    assert api.data(f"{path_of(coupon)}/coupon_recipient") is None
    assert CouponRecipient.objects.count() == 1


def test_another_recipient_email_is_another_recipient(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    ada = factories.recipient(acme, email="ada@example.com")
    coupon = factories.coupon(rule, coupon_recipient=ada)
    answer = api.update(coupon, {"recipient_email": "bob@example.com"})
    assert answer.json()["data"]["attributes"]["recipient_email"] == "bob@example.com"
    ada.refresh_from_db()
    assert ada.email == "ada@example.com"


def test_a_recipient_in_use_cannot_be_deleted(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    recipient = factories.recipient(acme)
    coupon = factories.coupon(rule, coupon_recipient=recipient)
    with nothing_written():
        answer = api.destroy(recipient)
    assert refused(answer) == (423, "LOCKED", None)
    assert problem(answer)["detail"] == "The coupon recipient is referred to by coupons."
    api.update(coupon, coupon_recipient=None)
    assert api.destroy(recipient).status_code == 204


# --- Counting and guards -------------------------------------------------------------------------


def test_a_promotion_counts_its_coupons(api: Api, rule: CouponCodesPromotionRule):
    for number in range(3):
        api.create("coupons", {"code": f"SUMMER-0{number}"}, promotion_rule=rule)
    promotion = path_of(rule.promotion)
    assert api.data(promotion)["attributes"]["coupons_count"] == 3
    assert api.destroy(Coupon.objects.first()).status_code == 204
    shown = api.data(promotion)["attributes"]
    assert (shown["coupons_count"], shown["disabled_at"]) == (2, None)


def test_the_last_coupon_disables_the_promotion(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule)
    assert api.destroy(coupon).status_code == 204
    shown = api.data(path_of(rule.promotion))["attributes"]
    assert (shown["coupons_count"], shown["status"], shown["disabled_at"]) == (
        0,
        "disabled",
        "2026-06-15T12:00:00.000Z",
    )
    told = Version.objects.filter(resource_type="percentage_discount_promotions", event="update").get()
    assert told.changes == {"disabled_at": [None, "2026-06-15T12:00:00.000Z"]}


def test_a_promotion_that_is_disabled_already_keeps_its_instant(
    api: Api, rule: CouponCodesPromotionRule, travel: Callable[[datetime], None]
):
    coupon = factories.coupon(rule)
    api.update(rule.promotion, {"_disable": True})
    travel(NOW + timedelta(hours=1))
    api.destroy(coupon)
    assert promotion_of(rule).disabled_at == NOW


def test_a_redeemed_coupon_cannot_be_deleted(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule, usage_count=1)
    with nothing_written():
        answer = api.destroy(coupon)
    assert refused(answer) == (423, "LOCKED", None)
    assert problem(answer)["detail"] == "The coupon has been redeemed."


def test_a_rule_with_coupons_cannot_be_deleted(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule)
    with nothing_written():
        answer = api.destroy(rule)
    assert refused(answer) == (423, "LOCKED", None)
    assert problem(answer)["detail"] == "The rule has coupons."


def test_an_empty_rule_takes_its_promotion_off_sale(api: Api, rule: CouponCodesPromotionRule):
    assert api.destroy(rule).status_code == 204
    assert promotion_of(rule).disabled_at == NOW


def test_another_kind_of_rule_goes_without_a_trace(api: Api, rule: CouponCodesPromotionRule):
    amount = factories.order_amount_rule(rule.promotion)
    assert api.destroy(amount).status_code == 204
    assert promotion_of(rule).disabled_at is None


def test_a_deleted_promotion_takes_rules_and_coupons_along(
    api: Api, acme: Organization, rule: CouponCodesPromotionRule
):
    tag, recipient = factories.tag(acme), factories.recipient(acme)
    for _ in range(3):
        api.update(factories.coupon(rule, coupon_recipient=recipient), tags=[tag])
    factories.order_amount_rule(rule.promotion)
    assert api.destroy(rule.promotion).status_code == 204
    assert [model.objects.count() for model in (Promotion, CouponCodesPromotionRule, Coupon)] == [0, 0, 0]
    assert api.ids("tags") == [tag.public_id]
    assert api.ids("coupon_recipients") == [recipient.public_id]
    told = Version.objects.filter(resource_type="coupon_codes_promotion_rules", event="update").get()
    assert told.changes == {"coupons_count": [3, 0]}
    assert sorted(Event.objects.filter(name__endswith=".destroy").values_list("name", flat=True)) == [
        "coupon_codes_promotion_rules.destroy",
        "order_amount_promotion_rules.destroy",
        "percentage_discount_promotions.destroy",
    ]


@pytest.mark.parametrize("used", ["coupon", "promotion"])
def test_a_promotion_that_was_redeemed_cannot_be_deleted(api: Api, rule: CouponCodesPromotionRule, used: str):
    factories.coupon(rule, usage_count=int(used == "coupon"))
    if used == "promotion":
        Promotion.objects.update(total_usage_count=1)
    with nothing_written():
        answer = api.destroy(rule.promotion)
    assert refused(answer) == (423, "LOCKED", None)
    assert problem(answer)["detail"] == "The promotion has been redeemed."


# --- Moving --------------------------------------------------------------------------------------


def moved_by_coupon(api: Api, coupon: Coupon, rule: CouponCodesPromotionRule) -> Any:
    return api.update(coupon, promotion_rule=rule)


def moved_by_coupons_relationship(api: Api, coupon: Coupon, rule: CouponCodesPromotionRule) -> Any:
    return api.patch(f"{path_of(coupon)}/relationships/promotion_rule", {"data": identifier(rule)})


def moved_by_rule(api: Api, coupon: Coupon, rule: CouponCodesPromotionRule) -> Any:
    return api.update(rule, coupons=[coupon])


def moved_by_rules_relationship(api: Api, coupon: Coupon, rule: CouponCodesPromotionRule) -> Any:
    return api.post(f"{path_of(rule)}/relationships/coupons", {"data": [identifier(coupon)]})


@pytest.mark.parametrize(
    "move", [moved_by_coupon, moved_by_coupons_relationship, moved_by_rule, moved_by_rules_relationship]
)
def test_a_coupon_moves_with_its_count(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule, move: Any
):
    first, last = factories.coupon(rule), factories.coupon(rule)
    assert move(api, first, other_rule).status_code in (200, 204)
    assert [promotion_of(each).coupons_count for each in (rule, other_rule)] == [1, 1]
    assert [promotion_of(each).disabled_at for each in (rule, other_rule)] == [None, None]
    told = Version.objects.filter(resource_type="coupons", event="update").get()
    assert told.changes == {"promotion_rule_id": [rule.public_id, other_rule.public_id]}
    move_last = moved_by_coupon if move is moved_by_rule else move
    assert move_last(api, last, other_rule).status_code in (200, 204)
    assert [promotion_of(each).coupons_count for each in (rule, other_rule)] == [0, 2]
    assert [promotion_of(each).disabled_at for each in (rule, other_rule)] == [NOW, None]


@pytest.mark.parametrize("move", [moved_by_coupon, moved_by_coupons_relationship, moved_by_rules_relationship])
def test_a_coupon_that_moves_where_codes_go_by_themselves_has_its_code_alone_from_then_on(
    api: Api, acme: Organization, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule, move: Any
):
    factories.coupon(other_rule, code="SUMMER-01", only_code="")
    taken, free = factories.coupon(rule, code="WINTER-01"), factories.coupon(rule, code="Winter-02")
    third = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(third, code="WINTER-01")
    with nothing_written():
        assert move(api, taken, other_rule).status_code == 422
    assert move(api, free, other_rule).status_code in (200, 204)
    assert Coupon.objects.get(pk=free.pk).only_code == "WINTER-02"
    assert api.update(free, promotion_rule=third).status_code == 200
    assert Coupon.objects.get(pk=free.pk).only_code == "WINTER-02"


def test_a_coupon_cannot_move_to_where_its_code_is_taken(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule
):
    factories.coupon(other_rule, code="SUMMER-01")
    coupon = factories.coupon(rule, code="summer-01")
    with nothing_written():
        answer = api.update(coupon, promotion_rule=other_rule)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/code"})


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_coupon_cannot_be_left_without_a_rule(api: Api, rule: CouponCodesPromotionRule, method: str):
    coupon = factories.coupon(rule)
    members = [] if method == "PATCH" else [identifier(coupon)]
    with nothing_written():
        answer = api.request(method, f"{path_of(rule)}/relationships/coupons", {"data": members})
    assert refused(answer)[:2] == (403, "FORBIDDEN")


def test_a_rule_moves_with_its_coupons(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    target = factories.fixed_amount_promotion(acme)
    for _ in range(3):
        factories.coupon(rule)
    former = rule.promotion
    assert api.update(rule, promotion=target).status_code == 200
    counts = {each.pk: (each.coupons_count, each.disabled_at) for each in Promotion.objects.all()}
    assert counts == {former.pk: (0, NOW), target.pk: (3, None)}
    assert len(api.ids(f"{path_of(target)}/coupons")) == 3


def test_a_promotion_has_one_rule_of_a_kind(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        answer = api.create("coupon_codes_promotion_rules", {}, promotion=rule.promotion)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/promotion"})
    assert problem(answer)["meta"]["error"] == "taken"


def test_a_promotion_cannot_lose_its_rule_by_a_relationship(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        answer = api.update(rule.promotion, coupon_codes_promotion_rule=None)
    assert refused(answer)[:2] == (403, "FORBIDDEN")


# --- Finding -------------------------------------------------------------------------------------


def test_coupons_are_found_through_their_promotion(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule
):
    mine = factories.coupon(rule)
    factories.coupon(other_rule)
    promotion = rule.promotion.public_id
    assert api.ids(f"coupons?filter[q][promotion_rule_promotion_id_eq]={promotion}") == [mine.public_id]
    assert api.ids(f"promotions/{promotion}/coupons") == [mine.public_id]
    found = api.ids(f"promotions?filter[q][coupon_codes_promotion_rule_coupons_code_i_cont]={mine.code[2:].lower()}")
    assert found == [promotion]


def test_a_coupon_of_another_rule_may_be_removed_from_this_one(
    api: Api, rule: CouponCodesPromotionRule, other_rule: CouponCodesPromotionRule
):
    other = factories.coupon(other_rule)
    with nothing_written():
        answer = api.delete(f"{path_of(rule)}/relationships/coupons", {"data": [identifier(other)]})
    assert answer.status_code == 204


def test_no_rule_is_what_a_promotion_without_one_has(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    with nothing_written():
        nulled = api.update(promotion, {"coupon_codes_promotion_rule": None})
        answer = api.patch(f"{path_of(promotion)}/relationships/order_amount_promotion_rule", {"data": None})
    assert (nulled.status_code, answer.status_code) == (200, 204)


def test_a_rule_is_not_taken_off_its_promotion(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        answer = api.update(promotion_of(rule), coupon_codes_promotion_rule=None)
    assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data"})
