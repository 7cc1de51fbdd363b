"""Writers of one coupon that meet, each on a connection of its own."""

from collections.abc import Callable
from datetime import datetime

import pytest

from commerce.models import Organization, Version
from coupons.models import Coupon
from promotions.models import Promotion
from tests import factories
from tests.coupons.test_concurrency import at_once, statuses
from tests.dialects.rebilly import FIXED, ISSUED, PERCENT, Rebilly

pytestmark = pytest.mark.django_db(transaction=True)
BODIES = [{"discount": PERCENT | {"value": value}, "issuedTime": ISSUED} for value in (1, 2, 3, 4)]


@pytest.fixture
def rebilly(acme: Organization, travel: Callable[[datetime], None], unlimited: None) -> Rebilly:
    return Rebilly(factories.application(acme))


def test_of_those_who_put_one_id_at_once_one_creates_and_the_others_replace(rebilly: Rebilly):
    answers = at_once(*(lambda body=body: rebilly.put("/coupons/A", body) for body in BODIES))
    assert sorted(statuses(answers)) == [200, 200, 200, 201]
    assert Coupon.objects.count() == Promotion.objects.count() == 1
    assert Version.objects.filter(resource_type="percentage_discount_promotions").count() == 4


def test_a_coupon_is_ended_now_but_once(rebilly: Rebilly):
    rebilly.coupon("A")
    answers = at_once(*[lambda: rebilly.post("/coupons/A/expiration", {"expiredTime": None})] * 4)
    assert sorted(statuses(answers)) == [201, 409, 409, 409]


def test_replacing_and_ending_at_once_lose_nothing(rebilly: Rebilly):
    rebilly.coupon("A")
    end = {"expiredTime": "2026-07-01T00:00:00Z"}
    answers = at_once(
        lambda: rebilly.put("/coupons/A", {"discount": FIXED, "issuedTime": ISSUED, **end}),
        lambda: rebilly.post("/coupons/A/expiration", end),
    )
    assert statuses(answers) == [200, 201]
    document = rebilly.get("/coupons/A").json()
    assert (document["discount"], document["expiredTime"]) == (FIXED, end["expiredTime"])
