"""Rows 164 to 175 of the checklist: error documents."""

from typing import Any

import pytest

from commerce.models import Organization
from promotions.models import CouponCodesPromotionRule
from tests import factories
from tests.client import Api, document, nothing_written, problem, refused

DEFINED = {"id", "links", "status", "code", "title", "detail", "source", "meta"}


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


def at(pointer: str, document: Any) -> Any:
    """The value a JSON pointer leads to; KeyError or IndexError when there is none."""
    value = document
    for step in pointer.split("/")[1:]:
        value = value[int(step)] if isinstance(value, list) else value[step.replace("~1", "/").replace("~0", "~")]
    return value


def refusals(api: Api, rule: CouponCodesPromotionRule) -> list[tuple[Any, Any]]:
    """Answers of many kinds, each with the document that was sent."""
    sent = [
        document("coupons", {"code": "X", "usage_limit": "many", "nope": 1}, promotion_rule=rule),
        document("coupons", {"code": "SUMMER-01"}, promotion_rule={"type": "tags", "id": "x"}, tags=["x"]),
        document("coupons", {"code": "SUMMER-01"}, promotion_rule=rule, events=[]),
        document("tags", {"code": "SUMMER-01"}),
        document("coupons", {}, "ABCDEFGHIJ"),
        {"data": []},
    ]
    reads = ["nope", "coupons/nope", "coupons?nope=1", "coupons?sort=nope", "coupons?filter[q][nope]=1"]
    return [(api.post("coupons", body), body) for body in sent] + [(api.get(url), None) for url in reads]


def test_164_165_errors_have_defined_members_and_string_statuses(api: Api, rule: CouponCodesPromotionRule):
    for answer, _ in refusals(api, rule):
        errors = answer.json()["errors"]
        assert errors
        for error in errors:
            assert set(error) <= DEFINED
            assert all(isinstance(error[name], str) and error[name] for name in ("status", "code", "title", "detail"))
            assert 400 <= int(error["status"]) < 500
            assert set(error.get("source", {})) <= {"pointer", "parameter", "header"}
        assert {str(answer.status_code)} == {error["status"] for error in errors} or answer.status_code == 400


def test_166_pointers_lead_to_a_value_of_the_request(api: Api, rule: CouponCodesPromotionRule):
    for answer, sent in refusals(api, rule):
        for error in answer.json()["errors"]:
            pointer = error.get("source", {}).get("pointer")
            if pointer is not None and error.get("meta", {}).get("error") != "blank":
                at(pointer, sent)


@pytest.mark.parametrize("name", ["a/b", "a~b", "~1", "a b", "é"])
def test_166_pointers_escape_names(api: Api, name: str):
    body = document("tags", {"name": "summer", name: 1})
    answer = api.post("tags", body)
    assert answer.status_code == 400
    assert at(problem(answer)["source"]["pointer"], body) == 1


def test_167_a_request_without_a_document_is_answered_without_a_pointer(api: Api, rule: CouponCodesPromotionRule):
    for answer, sent in refusals(api, rule):
        if sent is None:
            assert all("pointer" not in error.get("source", {}) for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("include=nope", "include"),
        ("sort=nope", "sort"),
        ("fields[coupons]=nope", "fields[coupons]"),
        ("page[size]=0", "page[size]"),
        ("filter[q][nope_eq]=1", "filter[q][nope_eq]"),
        ("filter[q][usage_limit_eq]=x", "filter[q][usage_limit_eq]"),
        ("nope=1", "nope"),
    ],
)
def test_168_query_errors_name_the_parameter(api: Api, query: str, parameter: str):
    assert problem(api.get(f"coupons?{query}"))["source"] == {"parameter": parameter}


def test_169_header_errors_name_the_header(api: Api):
    tag = factories.tag(api.application.organization)
    body = document("tags", {"name": "summer"}, tag.public_id)
    assert problem(api.get("tags", accept="text/html"))["source"] == {"header": "Accept"}
    assert problem(api.post("tags", body, content_type="text/html"))["source"] == {"header": "Content-Type"}
    assert problem(api.patch(f"tags/{tag.public_id}", body, if_match='"9-x"'))["source"] == {"header": "If-Match"}


def test_170_relationship_problems_point_at_the_relationship(api: Api):
    with nothing_written():
        absent = api.create("coupons", {"code": "SUMMER-01"})
        null = api.create("coupons", {"code": "SUMMER-01"}, promotion_rule=None)
    for answer in (absent, null):
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/promotion_rule"})
        assert problem(answer)["detail"] == "promotion_rule - must exist"


def test_171_a_title_is_constant_and_the_detail_specific(api: Api):
    first, second = problem(api.get("coupons?sort=a")), problem(api.get("coupons?sort=b"))
    assert first["title"] == second["title"] == "Invalid sort criteria"
    assert (first["detail"], second["detail"]) == (
        "a is not a sort criterion of coupons.",
        "b is not a sort criterion of coupons.",
    )


def test_172_every_problem_of_a_document_is_told_at_once(api: Api, rule: CouponCodesPromotionRule):
    attributes = {"code": "SHORT", "usage_limit": "many", "expires_at": "soon", "reference": "x" * 256}
    with nothing_written():
        answer = api.create("coupons", attributes)
    assert answer.status_code == 422
    assert sorted(error["source"]["pointer"] for error in answer.json()["errors"]) == [
        "/data/attributes/code",
        "/data/attributes/expires_at",
        "/data/attributes/reference",
        "/data/attributes/usage_limit",
        "/data/relationships/promotion_rule",
    ]


def test_172_a_document_that_is_wrong_in_a_thousand_places_is_told_twenty(api: Api):
    answer = api.create("tags", {f"wrong-{number}": 1 for number in range(1000)})
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 20


def test_173_mixed_statuses_are_answered_400(api: Api):
    answer = api.create("coupons", {"code": "SHORT", "nope": 1})
    assert answer.status_code == 400
    assert sorted({error["status"] for error in answer.json()["errors"]}) == ["400", "422"]


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        (
            {},
            {
                "title": "can't be blank",
                "detail": "code - can't be blank",
                "code": "VALIDATION_ERROR",
                "status": "422",
                "source": {"pointer": "/data/attributes/code"},
                "meta": {"error": "blank", "value": None},
            },
        ),
        (
            {"code": "SUMMER-01", "usage_limit": -1},
            {
                "title": "must be greater than or equal to 0",
                "detail": "usage_limit - must be greater than or equal to 0",
                "code": "VALIDATION_ERROR",
                "status": "422",
                "source": {"pointer": "/data/attributes/usage_limit"},
                "meta": {"error": "greater_than_or_equal_to", "value": -1, "count": 0},
            },
        ),
        (
            {"code": "SUMMER-01", "usage_limit": "x"},
            {
                "title": "is not a number",
                "detail": "usage_limit - is not a number",
                "code": "VALIDATION_ERROR",
                "status": "422",
                "source": {"pointer": "/data/attributes/usage_limit"},
                "meta": {"error": "not_a_number", "value": "x"},
            },
        ),
        (
            {"code": "SHORT"},
            {
                "title": "is too short (minimum is 8 characters)",
                "detail": "code - is too short (minimum is 8 characters)",
                "code": "VALIDATION_ERROR",
                "status": "422",
                "source": {"pointer": "/data/attributes/code"},
                "meta": {"error": "too_short", "count": 8},
            },
        ),
    ],
)
def test_174_a_validation_error_is_told_as_clients_expect(
    api: Api, rule: CouponCodesPromotionRule, attributes: Any, error: Any
):
    answer = api.create("coupons", attributes, promotion_rule=rule)
    assert (answer.status_code, answer.json()["errors"]) == (422, [error])


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x.y.z", "Basic YTpi", "Bearer \x7f"])
def test_175_no_token_or_a_wrong_one_is_401(api: Api, authorization: str | None):
    with nothing_written():
        answers = [
            api.get("coupons", authorization=authorization),
            api.post("tags", document("tags", {"name": "summer"}), authorization=authorization),
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["errors"] == [
            {
                "title": "Invalid token",
                "detail": "The access token you provided is invalid.",
                "code": "INVALID_TOKEN",
                "status": "401",
            }
        ]


def test_175_a_missing_permission_is_401_unauthorized(api: Api, acme: Organization):
    answer = Api(factories.application(acme, "sales_channel")).get("coupons")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["errors"] == [
        {
            "title": "Access denied",
            "detail": "You are not authorized to perform this action on the requested resource.",
            "code": "UNAUTHORIZED",
            "status": "401",
        }
    ]
