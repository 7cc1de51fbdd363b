"""Rows 158 to 163 of the checklist: query parameters."""

import pytest

from commerce.models import Organization
from coupons.models import Coupon
from tests import factories
from tests.client import Api, document, nothing_written, problem, refused


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    return factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-01")


READS = [
    "",
    "/{id}",
    "/{id}/promotion_rule",
    "/{id}/tags",
    "/{id}/relationships/tags",
    "/{id}/relationships/promotion_rule",
]


@pytest.mark.parametrize("below", READS)
@pytest.mark.parametrize("name", ["foo", "q", "limit", "includes", "fieldsets"])
def test_158_an_unknown_parameter_is_400_on_every_endpoint(api: Api, coupon: Coupon, below: str, name: str):
    answer = api.get(f"coupons{below.format(id=coupon.public_id)}?{name}=1")
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"parameter": name})


@pytest.mark.parametrize("url", ["organization", "application"])
def test_158_an_unknown_parameter_of_a_singleton_is_400(api: Api, url: str):
    assert refused(api.get(f"{url}?foo=1")) == (400, "PARAM_NOT_ALLOWED", {"parameter": "foo"})


@pytest.mark.parametrize("name", ["foo", "page[size]", "filter[q][code_eq]", "sort"])
def test_159_a_parameter_a_write_does_not_know_is_400_and_nothing_is_written(api: Api, coupon: Coupon, name: str):
    path, query = f"coupons/{coupon.public_id}", f"?{name}=1"
    target = {"data": []}
    with nothing_written():
        answers = [
            api.post(f"tags{query}", document("tags", {"name": "summer"})),
            api.update(coupon, {"usage_limit": 9}, query),
            api.delete(path + query),
            *(
                api.request(method, f"{path}/relationships/tags{query}", target)
                for method in ("PATCH", "POST", "DELETE")
            ),
        ]
    for answer in answers:
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"parameter": name})


@pytest.mark.parametrize(
    "name",
    [
        "fields[_]",
        "fields[-a]",
        "fields[]",
        "fields",
        "fields[coupons][x]",
        "fields[coupons",
        "page[]]",
        "page[[size]]",
        "sort[x]",
        "include[]",
        "include[x]",
        "filter[q][code_eq][]",
        "filter[q]code_eq",
        "[q]",
        "é",
    ],
)
def test_160_a_malformed_parameter_is_400(api: Api, coupon: Coupon, name: str):
    answer = api.get(f"coupons?{name}=code")
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"parameter": name})


def test_161_the_framework_adds_no_parameter_of_its_own(api: Api):
    assert refused(api.get("coupons?format=json")) == (400, "PARAM_NOT_ALLOWED", {"parameter": "format"})


def test_162_raw_and_encoded_brackets_are_equal(api: Api, coupon: Coupon):
    raw = api.data("coupons?fields[coupons]=code&filter[q][code_eq]=SUMMER-01&page[size]=1")
    encoded = api.data("coupons?fields%5Bcoupons%5D=code&filter%5Bq%5D%5bcode_eq%5d=SUMMER-01&page%5bsize%5D=1")
    assert raw == encoded
    assert [each["attributes"] for each in raw] == [{"code": "SUMMER-01"}]


def test_162_raw_and_encoded_letters_are_equal(api: Api, coupon: Coupon):
    api.update(coupon, {"reference": "été"})
    raw, encoded = (api.get(f"coupons?filter[q][reference_eq]={sent}") for sent in ("été", "%C3%A9t%C3%A9"))
    assert raw.json()["data"] == encoded.json()["data"]
    assert [each["id"] for each in raw.json()["data"]] == [coupon.public_id]
    assert api.get(raw.json()["links"]["self"]).json()["data"] == raw.json()["data"]


def test_162_links_have_encoded_brackets(api: Api, coupon: Coupon):
    links = api.get("coupons?page[size]=1").json()["links"]
    assert "[" not in links["first"] + links["last"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("filter[q][code_eq]=%00", "filter[q][code_eq]"),
        ("sort=co%00de", "sort"),
        ("fields[coupons]=co%00de", "fields[coupons]"),
        ("include=ta%00gs", "include"),
        ("filter[q][code_eq]=%ff", ""),
        ("&".join(f"fields[a{number}]=x" for number in range(201)), ""),
    ],
)
def test_a_query_that_cannot_be_read_is_400(api: Api, query: str, parameter: str):
    answer = api.get(f"coupons?{query}")
    assert answer.status_code == 400
    assert problem(answer).get("source", {}).get("parameter", "") == parameter


@pytest.mark.parametrize("include", [",".join(["tags"] * 51), "promotion_rule" + ".promotion.promotion_rules" * 3])
def test_more_or_deeper_includes_than_anyone_needs_are_400(api: Api, coupon: Coupon, include: str):
    assert refused(api.get(f"coupons?include={include}")) == (400, "INVALID_INCLUDE", {"parameter": "include"})
