"""The write door: all or nothing, told in versions, and what it says of a write that the database refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from commerce import changes
from commerce.errors import NotUnique
from commerce.models import Event, Organization, Version
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule, FixedAmountPromotion, OrderAmountPromotionRule
from tags.tagging import add_tags
from tests import factories
from tests.client import nothing_written

BY = changes.By({"command": "test"}, datetime(2026, 3, 1, tzinfo=UTC))


def refusal(row: FixedAmountPromotion | OrderAmountPromotionRule) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused, changes.atomic():
        changes.create(row, BY)
    return refused.value.message_dict


def test_a_second_rule_of_a_kind_is_taken(acme: Organization) -> None:
    rule = factories.order_amount_rule(factories.fixed_amount_promotion(acme))
    again = OrderAmountPromotionRule(
        organization=acme, mode=rule.mode, promotion=rule.promotion, order_amount_cents=100
    )

    assert refusal(again) == {"promotion": ["has already been taken"]}


def test_a_broken_check_is_told_and_leaves_no_event(acme: Organization) -> None:
    promotion = factories.fixed_amount_promotion(acme)
    told = Event.objects.count()
    free = FixedAmountPromotion(
        organization=acme,
        mode=promotion.mode,
        name="Nothing off",
        currency_code="EUR",
        fixed_amount_cents=-1,
        starts_at=promotion.starts_at,
        expires_at=promotion.expires_at,
    )

    assert list(refusal(free)) == ["__all__"]
    assert Event.objects.count() == told


@pytest.mark.django_db(transaction=True)
def test_a_refusal_within_a_larger_transaction_takes_back_its_own_part_only(acme: Organization) -> None:
    rule = factories.coupon_rule(factories.percentage_promotion(acme))

    def create(*codes: str) -> None:
        with changes.atomic():
            for code in codes:
                changes.create(Coupon(organization=acme, mode=rule.mode, promotion_rule=rule, code=code), BY)

    with transaction.atomic():
        create("SUMMER01")
        with pytest.raises(ValidationError) as refused:
            create("SUMMER-02", "summer 01", "SUMMER-04")
        create("SUMMER-03")

    assert refused.value.message_dict == {"code": ["has already been taken"]}
    assert sorted(Coupon.objects.values_list("code", flat=True)) == ["SUMMER-03", "SUMMER01"]
    assert Version.objects.filter(resource_type="coupons").count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_only_found_wrong_at_the_end_is_a_conflict(acme: Organization) -> None:
    promotion = factories.percentage_promotion(acme)
    rule = CouponCodesPromotionRule(promotion_id=promotion.pk + 1, organization=acme, mode=promotion.mode)
    with nothing_written(), pytest.raises(NotUnique), changes.atomic():
        changes.create(rule, BY)


def test_a_row_that_is_gone_is_not_saved_and_not_told(acme: Organization) -> None:
    tag = factories.tag(acme)
    row = type(tag).objects.get()
    changes.delete(tag, BY)
    row.name = "renamed"
    with nothing_written(), pytest.raises(NotUnique), changes.atomic():
        changes.save(row, BY)


def test_every_change_raises_the_revision_and_tells_when_and_by_whom(acme: Organization) -> None:
    coupon = factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)))
    tag = factories.tag(acme, name="summer")

    def edit(by: changes.By) -> None:
        row = Coupon.objects.get()
        row.usage_limit = 5
        changes.save(row, by)

    steps = [edit, lambda by: add_tags(coupon, tag.name, by), lambda by: changes.record_batch(coupon, "B", {}, by)]
    told: list[Any] = []
    for number, step in enumerate(steps, 1):
        by = changes.By({"user": {"name": f"user {number}"}}, BY.now + timedelta(hours=number))
        step(by)
        coupon.refresh_from_db()
        version = Version.objects.latest("pk")
        assert (coupon.revision, coupon.updated_at) == (number + 1, by.now)
        assert (version.resource_id, version.event, version.who, version.created_at) == (
            coupon.pk,
            "update",
            by.who,
            by.now,
        )
        told.append((Event.objects.latest("pk").name, version.changes))
    assert told == [
        ("coupons.update", {"usage_limit": [None, 5]}),
        ("coupons.tagged", {"tags": [[], ["summer"]]}),
        ("coupons.update", {"batch": [None, "B"]}),
    ]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite limits searches only")
@pytest.mark.django_db(transaction=True)
def test_many_rows_are_deleted_however_long_it_takes(acme: Organization) -> None:
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    factories.coupon(rule)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '10s'")
        with changes.atomic():
            assert changes.delete_all(Coupon.objects.filter(promotion_rule=rule)) == 1
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("0",)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("10s",)
        cursor.execute("RESET statement_timeout")


def test_counters_are_reset_once_and_without_a_version(acme: Organization) -> None:
    promotion = factories.percentage_promotion(acme)
    changes.count(type(promotion), promotion.pk, total_usage_count=3, coupons_count=1)
    told = Version.objects.count()

    for _ in range(2):
        changes.reset(type(promotion), promotion.pk, "total_usage_count", "coupons_count")

    promotion.refresh_from_db()
    assert (promotion.total_usage_count, promotion.coupons_count, promotion.revision) == (0, 0, 3)
    assert Version.objects.count() == told
