"""Rows 141 to 157 of the checklist: writing relationships at their own endpoints."""

from typing import Any

import pytest
from django.http import HttpResponse

from commerce.models import Organization
from coupons.models import Coupon
from tags.models import Tag
from tests import factories
from tests.client import Api, identifier, linkage, nothing_written, refused


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    return factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)))


@pytest.fixture
def tags(acme: Organization) -> list[Tag]:
    return [factories.tag(acme) for _ in range(3)]


def url(coupon: Coupon, name: str) -> str:
    return f"coupons/{coupon.public_id}/relationships/{name}"


def ask(api: Api, method: str, coupon: Coupon, name: str, target: Any) -> HttpResponse:
    return api.request(method, url(coupon, name), {"data": linkage(target)})


def held(api: Api, coupon: Coupon) -> list[str]:
    return [each["id"] for each in api.data(url(coupon, "tags"))]


def public_ids(tags: list[Tag]) -> list[str]:
    return [tag.public_id for tag in tags]


def missing(type_name: str) -> dict[str, str]:
    return {"type": type_name, "id": "ABCDEFGHIJ"}


# --- To one --------------------------------------------------------------------------------------


def test_141_157_a_to_one_is_set_and_cleared_and_its_target_survives(api: Api, coupon: Coupon):
    recipient = factories.recipient(coupon.organization)
    answer = ask(api, "PATCH", coupon, "coupon_recipient", recipient)
    assert (answer.status_code, answer.content) == (204, b"")
    assert api.data(url(coupon, "coupon_recipient")) == identifier(recipient)
    assert ask(api, "PATCH", coupon, "coupon_recipient", None).status_code == 204
    assert api.data(url(coupon, "coupon_recipient")) is None
    assert api.get(f"coupon_recipients/{recipient.public_id}").status_code == 200


def test_142_155_a_missing_target_is_404_and_changes_nothing(api: Api, coupon: Coupon):
    with nothing_written():
        answer = ask(api, "PATCH", coupon, "coupon_recipient", missing("coupon_recipients"))
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data"})


@pytest.mark.parametrize("data", ["x", 1, [], [missing("coupon_recipients")], {}, {"type": "coupon_recipients"}, True])
def test_143_a_to_one_document_that_is_no_identifier_or_null_is_400(api: Api, coupon: Coupon, data: Any):
    with nothing_written():
        answer = ask(api, "PATCH", coupon, "coupon_recipient", data)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["pointer"].startswith("/data")


@pytest.mark.parametrize("body", [{}, [], None, "x", {"meta": {}}])
def test_143_a_relationship_document_without_data_is_400(api: Api, coupon: Coupon, body: Any):
    with nothing_written():
        for name in ("coupon_recipient", "tags"):
            assert api.patch(url(coupon, name), body).status_code == 400


def test_144_a_required_to_one_cannot_be_cleared(api: Api, coupon: Coupon):
    with nothing_written():
        answer = ask(api, "PATCH", coupon, "promotion_rule", None)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    assert answer.json()["errors"][0]["detail"] == "promotion_rule - must exist"


# --- To many -------------------------------------------------------------------------------------


def test_145_146_post_adds_what_is_not_there(api: Api, coupon: Coupon, tags: list[Tag]):
    assert ask(api, "POST", coupon, "tags", tags[:1]).status_code == 204
    assert ask(api, "POST", coupon, "tags", [tags[0], tags[1], tags[1]]).status_code == 204
    assert held(api, coupon) == public_ids(tags[:2])
    with nothing_written():
        assert ask(api, "POST", coupon, "tags", tags[:2]).status_code == 204


def test_147_148_patch_replaces_all_and_clears_without_deleting(api: Api, coupon: Coupon, tags: list[Tag]):
    for wanted in (tags[:2], tags[1:], []):
        assert ask(api, "PATCH", coupon, "tags", wanted).status_code == 204
        assert held(api, coupon) == public_ids(wanted)
    assert api.ids("tags") == public_ids(tags)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_149_one_missing_member_changes_nothing(api: Api, coupon: Coupon, tags: list[Tag], method: str):
    ask(api, "PATCH", coupon, "tags", tags[:1])
    with nothing_written():
        answer = ask(api, method, coupon, "tags", [tags[1], missing("tags")])
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/1"})


def test_150_151_delete_removes_only_the_named_members(api: Api, coupon: Coupon, tags: list[Tag]):
    ask(api, "PATCH", coupon, "tags", tags[:2])
    assert ask(api, "DELETE", coupon, "tags", [tags[0], tags[2], missing("tags")]).status_code == 204
    assert held(api, coupon) == public_ids([tags[1]])
    with nothing_written():
        assert ask(api, "DELETE", coupon, "tags", [tags[0]]).status_code == 204
    assert len(api.ids("tags")) == 3


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
@pytest.mark.parametrize(
    "data", [None, {}, "x", ["x"], [1], [None], [[]], [{"type": "tags"}], {"type": "tags", "id": "x"}]
)
def test_152_a_to_many_document_that_is_no_array_of_identifiers_is_400(
    api: Api, coupon: Coupon, method: str, data: Any
):
    with nothing_written():
        answer = ask(api, method, coupon, "tags", data)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["pointer"].startswith("/data")


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_153_a_member_of_another_type_is_409(api: Api, coupon: Coupon, tags: list[Tag], method: str):
    with nothing_written():
        answer = ask(api, method, coupon, "tags", [tags[0], coupon])
    assert refused(answer) == (409, "TYPE_MISMATCH", {"pointer": "/data/1/type"})


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_154_adding_to_or_removing_from_a_to_one_is_403(api: Api, coupon: Coupon, method: str):
    with nothing_written():
        answer = ask(api, method, coupon, "coupon_recipient", missing("coupon_recipients"))
    assert refused(answer)[:2] == (403, "FORBIDDEN")


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
@pytest.mark.parametrize("name", ["events", "versions", "event_stores"])
def test_154_a_read_only_relationship_is_403(api: Api, coupon: Coupon, method: str, name: str):
    with nothing_written():
        answer = ask(api, method, coupon, name, [])
    assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data"})


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_156_a_missing_parent_or_relationship_is_404(api: Api, coupon: Coupon, tags: list[Tag], method: str):
    with nothing_written():
        for path in ("coupons/ABCDEFGHIJ/relationships/tags", url(coupon, "nope")):
            answer = api.request(method, path, {"data": linkage(tags)})
            assert refused(answer) == (404, "RECORD_NOT_FOUND", None)
