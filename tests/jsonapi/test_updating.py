"""Rows 125 to 140 of the checklist: updating and deleting resources."""

from datetime import timedelta
from typing import Any

import pytest

from commerce.models import Organization
from coupons.models import Coupon
from tests import factories
from tests.client import Api, document, identifier, nothing_written, refused
from tests.factories import NOW

MISSING = {"type": "coupon_recipients", "id": "ABCDEFGHIJ"}


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    values = {"usage_limit": 5, "reference": "A", "expires_at": NOW}
    return factories.coupon(rule, code="SUMMER-01", coupon_recipient=factories.recipient(acme), **values)


def path(coupon: Coupon) -> str:
    return f"coupons/{coupon.public_id}"


def attributes(api: Api, coupon: Coupon) -> Any:
    return api.data(path(coupon))["attributes"]


def test_125_a_patch_without_an_id_is_400(api: Api, coupon: Coupon):
    with nothing_written():
        answer = api.patch(path(coupon), document("coupons", {"usage_limit": 9}))
    assert refused(answer) == (400, "PARAM_MISSING", {"pointer": "/data"})


def test_126_128_what_is_not_sent_stays(api: Api, coupon: Coupon):
    before = api.data(f"{path(coupon)}?include=coupon_recipient,promotion_rule")
    answer = api.update(coupon, {"usage_limit": 9}, "?include=coupon_recipient,promotion_rule")
    after = answer.json()["data"]
    assert after["relationships"] == before["relationships"]
    assert after["attributes"] == before["attributes"] | {"usage_limit": 9, "updated_at": "2026-06-15T12:00:00.000Z"}


def test_126_metadata_is_replaced_whole(api: Api, coupon: Coupon):
    api.update(coupon, {"metadata": {"a": 1, "b": 2}})
    api.update(coupon, {"metadata": {"c": 3}})
    assert attributes(api, coupon)["metadata"] == {"c": 3}


def test_127_null_clears(api: Api, coupon: Coupon):
    answer = api.update(coupon, {"usage_limit": None, "reference": None, "expires_at": None, "recipient_email": None})
    assert answer.status_code == 200
    shown = attributes(api, coupon)
    assert [shown[name] for name in ("usage_limit", "reference", "expires_at", "recipient_email")] == [None] * 4


def test_129_a_to_one_is_replaced_and_null_clears_it(api: Api, coupon: Coupon):
    other = factories.recipient(coupon.organization)
    api.update(coupon, coupon_recipient=other)
    assert api.data(f"{path(coupon)}/relationships/coupon_recipient") == identifier(other)
    api.update(coupon, coupon_recipient=None)
    assert api.data(f"{path(coupon)}/relationships/coupon_recipient") is None
    assert api.get(f"coupon_recipients/{other.public_id}").status_code == 200


def test_130_a_to_many_is_replaced_whole(api: Api, coupon: Coupon):
    tags = [factories.tag(coupon.organization) for _ in range(3)]
    for wanted in (tags[:2], tags[1:], []):
        assert api.update(coupon, tags=wanted).status_code == 200
        assert api.data(f"{path(coupon)}/relationships/tags") == [identifier(tag) for tag in wanted]


@pytest.mark.parametrize("name", ["events", "versions", "event_stores"])
def test_130_a_to_many_that_cannot_be_set_refuses_the_whole_update(api: Api, coupon: Coupon, name: str):
    with nothing_written():
        answer = api.update(coupon, {"usage_limit": 9}, **{name: []})
    assert refused(answer) == (403, "FORBIDDEN", {"pointer": f"/data/relationships/{name}"})


def test_131_an_update_answers_with_the_resource_as_it_became(api: Api, coupon: Coupon, travel: Any):
    travel(NOW + timedelta(hours=1))
    answer = api.update(coupon, {"usage_limit": 9})
    assert answer.status_code == 200
    assert answer.json()["data"]["attributes"]["updated_at"] == "2026-06-15T13:00:00.000Z"
    assert answer.json()["data"] == api.data(path(coupon))


def test_131_an_update_that_changes_nothing_is_told_nowhere(api: Api, coupon: Coupon, travel: Any):
    travel(NOW + timedelta(hours=1))
    with nothing_written():
        answer = api.update(coupon, {"usage_limit": 5}, coupon_recipient=coupon.coupon_recipient)
    assert answer.status_code == 200
    assert answer.json()["data"]["attributes"]["updated_at"] == "2026-06-15T12:00:00.000Z"


@pytest.mark.parametrize("public_id", ["ABCDEFGHIJ", "x"])
def test_132_140_a_missing_resource_is_404(api: Api, coupon: Coupon, public_id: str):
    with nothing_written():
        assert api.patch(f"coupons/{public_id}", document("coupons", {}, public_id)).status_code == 404
        assert api.delete(f"coupons/{public_id}").status_code == 404


def test_133_a_missing_target_is_404_and_nothing_changes(api: Api, coupon: Coupon):
    with nothing_written():
        answer = api.update(coupon, {"usage_limit": 9}, coupon_recipient=MISSING)
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/coupon_recipient/data"})


def test_134_another_type_is_409(api: Api, coupon: Coupon):
    with nothing_written():
        answer = api.patch(path(coupon), document("tags", {"usage_limit": 9}, coupon.public_id))
    assert refused(answer) == (409, "INVALID_RESOURCE", {"pointer": "/data/type"})


def test_135_another_id_is_409_and_neither_changes(api: Api, coupon: Coupon):
    other = factories.coupon(coupon.promotion_rule)
    with nothing_written():
        answer = api.patch(path(coupon), document("coupons", {"usage_limit": 9}, other.public_id))
    assert refused(answer) == (409, "KEY_NOT_INCLUDED_IN_URL", {"pointer": "/data/id"})


def test_136_a_taken_value_is_422(api: Api, acme: Organization):
    factories.tag(acme, name="summer")
    winter = factories.tag(acme, name="winter")
    with nothing_written():
        answer = api.update(winter, {"name": "summer"})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/name"})
    assert answer.json()["errors"][0]["meta"]["error"] == "taken"


@pytest.mark.parametrize(
    "name", ["usage_count", "created_at", "updated_at", "id", "type", "promotion_rule_id", "revision"]
)
def test_137_138_a_read_only_attribute_is_400_and_not_written(api: Api, coupon: Coupon, name: str):
    with nothing_written():
        answer = api.update(coupon, {"usage_limit": 9, name: 7})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{name}"})


def test_139_180_a_deleted_resource_is_gone(api: Api, coupon: Coupon):
    answer = api.destroy(coupon)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get(path(coupon)).status_code == 404
    assert api.destroy(coupon).status_code == 404
