"""`Idempotency-Key`: a request that is sent again has the same answer, and uses nothing twice."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse

from commerce.models import Organization
from coupons.models import Coupon, IdempotentAnswer, Redemption, Use
from coupons.redemptions import RedemptionView
from tests import factories
from tests.client import Api, document, problem, refused
from tests.coupons.test_concurrency import at_once, statuses
from tests.factories import NOW

HEADER = {"header": "Idempotency-Key"}
CART = {"coupon_code": "SUMMER-26", "amount_cents": 10_000, "currency_code": "EUR"}


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    return factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-26")


def post(api: Api, key: str | None = "key-1", **attributes: Any) -> HttpResponse:
    body = document("redemptions", {**CART, **attributes})
    return api.post("redemptions", body, idempotency_key=key)


def used() -> int:
    return Use.objects.filter(is_counted=True).count()


def count(coupon: Coupon) -> int:
    return Coupon.objects.get(pk=coupon.pk).usage_count


# --- One after the other --------------------------------------------------------------------------


def test_the_same_key_has_the_same_answer_byte_for_byte(api: Api, coupon: Coupon, travel: Callable[[datetime], None]):
    first = post(api, reference="R-1")
    travel(NOW + timedelta(hours=23, minutes=59))
    again = post(Api(api.application), reference="R-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (used(), count(coupon)) == (1, 1)


def test_a_refusal_is_an_answer_too(api: Api, coupon: Coupon):
    Coupon.objects.update(usage_limit=0)
    first = post(api)
    Coupon.objects.update(usage_limit=None)
    again = post(api)
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.content == first.content
    assert (used(), Redemption.objects.count()) == (0, 0)
    assert post(api, "key-2").status_code == 201


def test_what_was_cancelled_meanwhile_is_still_answered_as_it_was(api: Api, coupon: Coupon):
    first = post(api)
    api.update(Redemption.objects.get(), {"_cancel": True})
    assert post(api).content == first.content
    assert used() == 0


def test_without_a_key_every_request_is_new(api: Api, coupon: Coupon):
    for key in (None, "", "  "):
        assert post(api, key).status_code == 201
    assert (used(), IdempotentAnswer.objects.count()) == (3, 0)


def test_another_request_with_the_key_is_refused(api: Api, coupon: Coupon):
    post(api)
    answer = post(api, amount_cents=10_001)
    assert refused(answer) == (422, "VALIDATION_ERROR", HEADER)
    assert problem(answer)["detail"] == "The key was used for another request."
    assert used() == 1
    assert post(api).status_code == 201


def test_another_question_with_the_key_is_another_request(api: Api, coupon: Coupon):
    body = document("redemptions", CART)
    assert api.post("redemptions", body, idempotency_key="key-1").status_code == 201
    answer = api.post("redemptions?include=coupons", body, idempotency_key="key-1")
    assert refused(answer) == (422, "VALIDATION_ERROR", HEADER)
    assert used() == 1


def test_keys_of_other_tenants_are_theirs(api: Api, acme: Organization, coupon: Coupon):
    first = post(api)
    others = [
        (factories.organization(), "test"),
        (acme, "live"),
    ]
    for owner, mode in others:
        rule = factories.coupon_rule(factories.percentage_promotion(owner, mode=mode))
        factories.coupon(rule, code="SUMMER-26")
        other = Api(factories.application(owner, mode=mode))
        answer = post(other, amount_cents=500)
        assert answer.status_code == 201
        assert answer.content != first.content
    assert (used(), post(api).content) == (3, first.content)


def test_applications_of_one_tenant_share_their_keys(api: Api, acme: Organization, coupon: Coupon):
    first = post(api)
    assert post(Api(factories.application(acme))).content == first.content
    assert used() == 1


def test_a_key_means_nothing_after_a_day(api: Api, coupon: Coupon, travel: Callable[[datetime], None]):
    first = post(api)
    travel(NOW + timedelta(hours=24))
    api = Api(api.application)
    second = post(api, amount_cents=500)
    assert (second.status_code, second.content != first.content) == (201, True)
    assert post(api, amount_cents=500).content == second.content
    assert (used(), IdempotentAnswer.objects.count()) == (2, 1)


@pytest.mark.parametrize("key", ["k" * 256, "a\0b"])
def test_a_key_that_cannot_be_kept_is_refused(api: Api, coupon: Coupon, key: str):
    answer = post(api, key)
    assert refused(answer) == (400, "BAD_REQUEST", HEADER)
    assert used() == 0


@pytest.mark.parametrize("key", ["k" * 255, "{}'\"%s", "\xe9\x80"])
def test_any_other_text_is_a_key(api: Api, coupon: Coupon, key: str):
    first = post(api, key)
    assert (first.status_code, post(api, key).content) == (201, first.content)
    assert used() == 1


def test_a_request_that_is_no_redemption_uses_up_no_key(api: Api, coupon: Coupon):
    """What is wrong with the request itself is told before the key is looked at."""
    assert api.post("redemptions", b"{", idempotency_key="key-1").status_code == 400
    assert (
        api.post("redemptions?include=nothing", document("redemptions", CART), idempotency_key="key-1").status_code
        == 400
    )
    assert IdempotentAnswer.objects.count() == 0
    assert post(api).status_code == 201


def test_what_went_wrong_on_our_side_is_not_kept(api: Api, coupon: Coupon, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **how: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(RedemptionView, "redeem", fail)
        assert post(api).status_code == 500
    assert post(api).status_code == 201
    assert used() == 1


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_twins_at_once_have_one_answer(api: Api, coupon: Coupon):
    answers = at_once(*[partial(post, api)] * 8)
    assert statuses(answers) == [201] * 8
    assert len({answer.content for answer in answers}) == 1
    assert (used(), count(coupon), Redemption.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_twin_waits_for_the_one_at_work(api: Api, coupon: Coupon, monkeypatch: pytest.MonkeyPatch):
    """Also where the first takes its time and is then refused."""
    Coupon.objects.update(usage_limit=0)
    redeem, begun = RedemptionView.redeem, []

    def slowly(view: RedemptionView, *given: Any, **how: Any) -> Any:
        begun.append(connection.vendor)
        time.sleep(0.3)
        return redeem(view, *given, **how)

    monkeypatch.setattr(RedemptionView, "redeem", slowly)
    answers = at_once(*[partial(post, api)] * 3)
    assert statuses(answers) == [422] * 3
    assert len({answer.content for answer in answers}) == 1
    assert (len(begun), used()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_of_different_requests_with_one_key_at_once_one_succeeds(api: Api, coupon: Coupon):
    answers = at_once(*(partial(post, api, amount_cents=cents) for cents in (100, 200, 300, 400)))
    assert sorted(statuses(answers)) == [201, 422, 422, 422]
    assert (used(), count(coupon)) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_last_use_is_had_once(api: Api, coupon: Coupon):
    Coupon.objects.update(usage_limit=3)
    answers = at_once(*(partial(post, api, f"key-{number}") for number in range(10)))
    assert sorted(statuses(answers)) == [201] * 3 + [422] * 7
    reasons = {answer.json()["errors"][0]["meta"]["reason"] for answer in answers if answer.status_code == 422}
    assert reasons == {"coupon_usage_reached"}
    assert (used(), count(coupon)) == (3, 3)
