"""Rows 107 to 124 of the checklist: creating resources."""

import json
from typing import Any

import pytest

from commerce.models import Organization
from promotions.models import CouponCodesPromotionRule
from tests import factories
from tests.client import Api, document, nothing_written, problem, refused
from tests.factories import NOW


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


def coupon_document(rule: CouponCodesPromotionRule, **relationships: Any) -> Any:
    return document("coupons", {"code": "SUMMER-01"}, promotion_rule=rule, **relationships)


def missing(type_name: str) -> dict[str, str]:
    return {"type": type_name, "id": "ABCDEFGHIJ"}


def test_107_a_request_that_fails_late_leaves_nothing(api: Api, acme: Organization, rule: CouponCodesPromotionRule):
    factories.coupon(rule, code="SUMMER-01")
    attributes = {"code": "summer-01", "recipient_email": "new@example.com"}
    with nothing_written():
        answer = api.create("coupons", attributes, promotion_rule=rule)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/code"})
    tags = [factories.tag(acme) for _ in range(11)]
    with nothing_written():
        answer = api.create("coupons", {"code": "SUMMER-02"}, promotion_rule=rule, tags=tags)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/tags"})


@pytest.mark.parametrize(
    ("resource", "pointer"),
    [
        ({"attributes": {}}, "/data"),
        ({"type": None}, "/data/type"),
        ({"type": 1}, "/data/type"),
        ({"type": []}, "/data/type"),
    ],
)
def test_108_a_resource_without_a_type_is_400(api: Api, resource: Any, pointer: str):
    with nothing_written():
        answer = api.post("tags", {"data": resource})
    assert refused(answer) == (400, "BAD_REQUEST", {"pointer": pointer})


@pytest.mark.parametrize("data", [None, [], [{"type": "tags"}], "tags", 1, True, [None]])
def test_109_data_that_is_no_resource_object_is_400(api: Api, data: Any):
    with nothing_written():
        answer = api.post("tags", {"data": data})
    assert refused(answer) == (400, "BAD_REQUEST", {"pointer": "/data"})


@pytest.mark.parametrize("body", [{}, [], "tags", None, 1, {"meta": {}}])
def test_109_a_document_without_data_is_400(api: Api, body: Any):
    with nothing_written():
        answer = api.post("tags", json.dumps(body).encode())
    assert answer.status_code == 400
    assert problem(answer)["source"] == {"pointer": ""}


@pytest.mark.parametrize("member", ["attributes", "relationships"])
@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_109_attributes_and_relationships_that_are_no_objects_are_400(api: Api, member: str, value: Any):
    with nothing_written():
        answer = api.post("tags", {"data": {"type": "tags", member: value}})
    assert refused(answer) == (400, "BAD_REQUEST", {"pointer": f"/data/{member}"})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a': 1}", b"\xff", b'{"data": NaN}', b"[" * 2000, b'{"data": "\\ud800"}']
)
def test_110_malformed_json_is_400(api: Api, body: bytes):
    with nothing_written():
        answer = api.post("tags", body)
    assert refused(answer)[:2] == (400, "BAD_REQUEST")


@pytest.mark.parametrize("relationship", [{}, {"links": {}}, None, [], "x", {"meta": {}}])
def test_111_a_relationship_without_data_is_400(api: Api, relationship: Any):
    body = document("coupons", {"code": "SUMMER-01"})
    body["data"]["relationships"] = {"promotion_rule": relationship}
    with nothing_written():
        answer = api.post("coupons", body)
    assert refused(answer) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/promotion_rule"})


@pytest.mark.parametrize(
    "linkage", ["x", 1, {}, {"type": "x"}, {"id": "x"}, {"type": 1, "id": "x"}, {"type": "x", "id": 1}]
)
def test_111_linkage_that_is_no_identifier_is_400(api: Api, linkage: Any):
    with nothing_written():
        one = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=linkage)
        many = api.create("coupons", {"code": "SUMMER-01"}, tags=[linkage])
    assert refused(one) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/promotion_rule/data"})
    assert refused(many) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/tags/data/0"})


def test_037_112_a_lid_is_accepted_and_no_other_is_given(api: Api):
    body = document("tags", {"name": "summer"})
    body["data"]["lid"] = "local-1"
    answer = api.post("tags", body)
    assert answer.status_code == 201
    assert answer.json()["data"].get("lid", "local-1") == "local-1"


def test_113_114_a_client_id_is_403_whether_it_exists_or_not(api: Api, acme: Organization):
    tag = factories.tag(acme)
    with nothing_written():
        for public_id in (tag.public_id, "ABCDEFGHIJ"):
            answer = api.post("tags", document("tags", {"name": "summer"}, public_id))
            assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data/id"})


def test_115_116_117_created_answers_with_the_resource_and_its_location(api: Api):
    answer = api.create("tags", {"name": "summer"})
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert answer.headers["Location"] == data["links"]["self"] == f"http://testserver/api/tags/{data['id']}"
    assert api.data(answer.headers["Location"]) == data
    assert data["attributes"] == {
        "name": "summer",
        "created_at": "2026-06-15T12:00:00.000Z",
        "updated_at": "2026-06-15T12:00:00.000Z",
        "reference": None,
        "reference_origin": None,
        "metadata": {},
    }


def test_119_a_missing_to_one_target_is_404(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        answer = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=missing("coupon_codes_promotion_rules"))
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/promotion_rule/data"})


def test_120_one_missing_target_of_many_is_404(api: Api, rule: CouponCodesPromotionRule):
    tag = factories.tag(rule.organization)
    with nothing_written():
        answer = api.post("coupons", coupon_document(rule, tags=[tag, missing("tags")]))
    assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/tags/data/1"})


def test_121_122_another_type_is_409_and_says_where(api: Api):
    with nothing_written():
        answer = api.post("tags", document("coupons", {"name": "summer"}))
    assert refused(answer) == (409, "INVALID_RESOURCE", {"pointer": "/data/type"})


def test_123_a_target_of_another_type_is_409(api: Api, rule: CouponCodesPromotionRule):
    tag = factories.tag(rule.organization)
    with nothing_written():
        one = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=tag)
        many = api.post("coupons", coupon_document(rule, tags=[rule]))
    assert refused(one) == (409, "TYPE_MISMATCH", {"pointer": "/data/relationships/promotion_rule/data/type"})
    assert refused(many) == (409, "TYPE_MISMATCH", {"pointer": "/data/relationships/tags/data/0/type"})


def test_123_linkage_of_the_wrong_cardinality_is_400(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        one = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=[rule])
        many = api.post("coupons", coupon_document(rule, tags=None))
    assert refused(one) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/promotion_rule/data"})
    assert refused(many) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/tags/data"})


def test_124_unknown_names_are_400(api: Api):
    body = document("tags", {"name": "summer", "color": "red"}, owner=None)
    with nothing_written():
        answer = api.post("tags", body)
    assert answer.status_code == 400
    assert [(each["code"], each["detail"], each["source"]) for each in answer.json()["errors"]] == [
        ("PARAM_NOT_ALLOWED", "color is not allowed.", {"pointer": "/data/attributes/color"}),
        ("PARAM_NOT_ALLOWED", "owner is not allowed.", {"pointer": "/data/relationships/owner"}),
    ]


def test_124_null_for_a_relationship_among_the_attributes_clears_it(api: Api, rule: CouponCodesPromotionRule):
    attributes = {"code": "SUMMER-01", "coupon_recipient": None}
    assert api.create("coupons", attributes, promotion_rule=rule).status_code == 201
    coupon = factories.coupon(rule, coupon_recipient=factories.recipient(rule.organization))
    assert api.update(coupon, {"coupon_recipient": None}).status_code == 200
    assert api.data(f"coupons/{coupon.public_id}/coupon_recipient") is None


def test_124_anything_else_for_a_relationship_among_the_attributes_is_400(api: Api, rule: CouponCodesPromotionRule):
    with nothing_written():
        answer = api.create(
            "coupons", {"code": "SUMMER-01", "coupon_recipient": "x", "tags": None}, promotion_rule=rule
        )
    assert [each["source"]["pointer"] for each in answer.json()["errors"]] == [
        "/data/attributes/coupon_recipient",
        "/data/attributes/tags",
    ]


# --- Values as clients send them -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"usage_limit": "10"}, {"usage_limit": 10}),
        ({"usage_limit": " 7 "}, {"usage_limit": 7}),
        ({"customer_single_use": "true"}, {"customer_single_use": True}),
        ({"customer_single_use": "1"}, {"customer_single_use": True}),
        ({"customer_single_use": 1}, {"customer_single_use": True}),
        ({"customer_single_use": "false"}, {"customer_single_use": False}),
        ({"customer_single_use": None}, {"customer_single_use": False}),
        ({"expires_at": "2026-12-31"}, {"expires_at": "2026-12-31T00:00:00.000Z"}),
        ({"expires_at": "2026-12-31T23:59:59Z"}, {"expires_at": "2026-12-31T23:59:59.000Z"}),
        ({"expires_at": "2026-12-31T23:59:59.123456+02:00"}, {"expires_at": "2026-12-31T21:59:59.123Z"}),
        ({"expires_at": None}, {"expires_at": None}),
        ({"metadata": {"a": {"b": [1, "é", None]}}}, {"metadata": {"a": {"b": [1, "é", None]}}}),
        ({"metadata": None}, {"metadata": {}}),
        ({"reference": ""}, {"reference": ""}),
        ({"reference": 7}, {"reference": "7"}),
    ],
)
def test_values_are_read_as_clients_send_them(api: Api, rule: CouponCodesPromotionRule, sent: Any, kept: Any):
    answer = api.create("coupons", {"code": "SUMMER-01", **sent}, promotion_rule=rule)
    assert answer.status_code == 201, answer.content
    ((name, value),) = kept.items()
    assert answer.json()["data"]["attributes"][name] == value


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"usage_limit": "ten"}, "not_a_number"),
        ({"usage_limit": 1.5}, "not_a_number"),
        ({"usage_limit": True}, "not_a_number"),
        ({"usage_limit": []}, "not_a_number"),
        ({"usage_limit": 10**30}, "not_a_number"),
        ({"usage_limit": -1}, "greater_than_or_equal_to"),
        ({"usage_limit": 2**53}, "less_than_or_equal_to"),
        ({"customer_single_use": "perhaps"}, "invalid"),
        ({"customer_single_use": {}}, "invalid"),
        ({"expires_at": "tomorrow"}, "invalid"),
        ({"expires_at": 5}, "invalid"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "invalid"),
        ({"metadata": "x"}, "invalid"),
        ({"metadata": []}, "invalid"),
        ({"metadata": {"a": "\0"}}, "invalid"),
        ({"reference": "x" * 256}, "too_long"),
        ({"reference": "a\0b"}, "invalid"),
        ({"reference": {}}, "invalid"),
        ({"recipient_email": "nobody"}, "invalid"),
        ({"recipient_email": "x" * 300 + "@example.com"}, "too_long"),
    ],
)
def test_values_that_cannot_be_read_are_422(api: Api, rule: CouponCodesPromotionRule, attributes: Any, key: str):
    with nothing_written():
        answer = api.create("coupons", {"code": "SUMMER-01", **attributes}, promotion_rule=rule)
    ((name, _),) = attributes.items()
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{name}"})
    assert problem(answer)["meta"]["error"] == key
    assert problem(answer)["detail"] == f"{name} - {problem(answer)['title']}"


@pytest.mark.parametrize("path", ["tags", "tags/"])
def test_179_post_works_with_and_without_a_slash(api: Api, path: str):
    answer = api.post(path, document("tags", {"name": "summer"}))
    assert answer.status_code == 201
    tag = answer.json()["data"]["id"]
    assert api.get(f"tags/{tag}").content == api.get(f"tags/{tag}").content
    assert api.get(f"tags/{tag}/").status_code == 200


def test_created_at_is_the_servers_now(api: Api):
    assert api.create("tags", {"name": "summer"}).json()["data"]["attributes"]["created_at"] == (
        NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    )
