"""What the write door says of a write that the database refuses."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError

from commerce import changes
from commerce.models import Event, Organization
from promotions.models import FixedAmountPromotion, OrderAmountPromotionRule
from tests import factories

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
        fixed_amount_cents=0,
        starts_at=promotion.starts_at,
        expires_at=promotion.expires_at,
    )

    assert list(refusal(free)) == ["__all__"]
    assert Event.objects.count() == told
