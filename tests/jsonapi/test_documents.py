"""Rows 21 to 54 of the checklist: the structure of documents."""

import re
from typing import Any

import pytest
from django.http import HttpResponse

from commerce.models import Organization
from coupons.models import Coupon
from tests import factories
from tests.client import Api, document, identifier

TOP_LEVEL = {"data", "errors", "meta", "links", "included", "jsonapi"}
RESOURCE = {"id", "type", "lid", "attributes", "relationships", "links", "meta"}
MEMBER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    return factories.coupon(rule, coupon_recipient=factories.recipient(acme))


def answers(api: Api, coupon: Coupon) -> dict[str, HttpResponse]:
    path = f"coupons/{coupon.public_id}"
    return {
        "single": api.get(path),
        "compound": api.get(f"{path}?include=promotion_rule.promotion,tags,events"),
        "collection": api.get("coupons?include=coupon_recipient"),
        "related": api.get(f"{path}/promotion_rule"),
        "related collection": api.get(f"{path}/events"),
        "relationship": api.get(f"{path}/relationships/promotion_rule"),
        "relationships": api.get(f"{path}/relationships/events"),
        "created": api.create("tags", {"name": "new"}),
        "updated": api.update(coupon, {"usage_limit": 5}),
        "missing": api.get("coupons/nothing"),
        "invalid": api.create("coupons", {"code": "X"}),
        "unauthorized": api.get("coupons", authorization=None),
    }


def documents(api: Api, coupon: Coupon) -> dict[str, Any]:
    return {name: answer.json() for name, answer in answers(api, coupon).items()}


def resources(document: Any) -> list[Any]:
    """Every full resource object of a document."""
    data = document.get("data") or []
    primary = [data] if isinstance(data, dict) else data
    return [each for each in (*primary, *document.get("included", [])) if "attributes" in each]


def members(value: Any) -> list[str]:
    """Every member name below a value, but those inside attributes that hold objects."""
    if isinstance(value, list):
        return [name for item in value for name in members(item)]
    if not isinstance(value, dict):
        return []
    kept = {name: {} if name in ("metadata", "changes", "payload", "who") else item for name, item in value.items()}
    return [*kept, *(name for item in kept.values() for name in members(item))]


# --- Top level -----------------------------------------------------------------------------------


def test_021_to_025_top_level_members(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        assert isinstance(body, dict), name
        assert set(body) <= TOP_LEVEL, name
        assert ("data" in body) != ("errors" in body), name
        assert "data" in body or "included" not in body, name


def test_026_undefined_members_of_a_request_are_ignored(api: Api):
    body = document("tags", {"name": "summer"}) | {"foo": 1, "meta": {"a": 1}}
    body["data"] |= {"bar": {"x": []}, "links": {"self": "nowhere"}, "meta": {"trace": 1}}
    answer = api.post("tags", body)
    assert answer.status_code == 201
    assert answer.json()["data"]["attributes"]["name"] == "summer"


def test_027_028_a_collection_is_an_array_with_one_member_too(api: Api, coupon: Coupon):
    assert [each["id"] for each in api.data("coupons")] == [coupon.public_id]
    assert api.data("tags") == []


def test_029_a_single_resource_is_an_object_or_null(api: Api, coupon: Coupon):
    assert api.data(f"coupons/{coupon.public_id}/coupon_recipient")["id"] == coupon.coupon_recipient.public_id
    api.update(coupon, coupon_recipient=None)
    assert api.data(f"coupons/{coupon.public_id}/coupon_recipient") is None


@pytest.mark.parametrize(
    "query",
    ["", "?include=coupon_recipient&fields%5Bcoupons%5D=code", "?sort=-code&filter[q][code_start]=CO&page[size]=3"],
)
def test_030_links_self_regenerates_the_document(api: Api, coupon: Coupon, query: str):
    answer = api.get(f"coupons{query}")
    again = api.get(answer.json()["links"]["self"])
    assert again.content == answer.content


def test_031_relationship_documents_link_to_the_related_resource(api: Api, coupon: Coupon):
    links = api.get(f"coupons/{coupon.public_id}/relationships/promotion_rule").json()["links"]
    assert links == {
        "self": f"http://testserver/api/coupons/{coupon.public_id}/relationships/promotion_rule",
        "related": f"http://testserver/api/coupons/{coupon.public_id}/promotion_rule",
    }


def test_032_the_jsonapi_object_says_1_1(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        assert body["jsonapi"] == {"version": "1.1"}, name


def test_033_the_jsonapi_object_of_a_request_negotiates_nothing(api: Api):
    body = document("tags", {"name": "summer"}) | {"jsonapi": {"version": "9", "ext": ["https://example.com/unknown"]}}
    assert api.post("tags", body).status_code == 201


# --- Resource objects ----------------------------------------------------------------------------


def test_034_035_resource_objects_have_id_and_type_and_only_defined_members(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        for resource in resources(body):
            assert set(resource) <= RESOURCE, name
            assert isinstance(resource["id"], str), name
            assert isinstance(resource["type"], str), name
            assert resource["id"], name
            assert resource["type"], name


def test_036_type_and_id_name_one_resource_over_requests(api: Api, coupon: Coupon):
    first, second = api.data("coupons")[0], api.data(f"coupons/{coupon.public_id}")
    assert first == second
    assert identifier(coupon) == {"type": first["type"], "id": first["id"]}


def test_038_attributes_and_relationships_share_no_name_and_are_not_type_or_id(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        for resource in resources(body):
            attributes, relationships = resource["attributes"], resource.get("relationships", {})
            assert not attributes.keys() & relationships.keys(), name
            assert not {"id", "type"} & (attributes.keys() | relationships.keys()), name


def test_039_040_attributes_are_an_object_without_foreign_keys(api: Api, coupon: Coupon):
    attributes = api.data(f"coupons/{coupon.public_id}")["attributes"]
    assert isinstance(attributes, dict)
    assert not [name for name in attributes if name.endswith("_id")]


def test_041_relationship_objects_have_links_self_and_related(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        for resource in resources(body):
            for relation in resource.get("relationships", {}).values():
                assert set(relation) <= {"links", "data"}, name
                assert set(relation["links"]) == {"self", "related"}, name


def test_042_linkage_is_null_an_identifier_or_an_array_of_them(api: Api, coupon: Coupon):
    query = "?include=promotion_rule,coupon_recipient,tags,events"
    relationships = api.data(f"coupons/{coupon.public_id}{query}")["relationships"]
    assert relationships["promotion_rule"]["data"] == identifier(coupon.promotion_rule)
    assert relationships["coupon_recipient"]["data"] == identifier(coupon.coupon_recipient)
    assert relationships["tags"]["data"] == []
    assert [set(each) for each in relationships["events"]["data"]] == [{"type", "id"}]
    api.update(coupon, coupon_recipient=None)
    assert api.data(f"coupons/{coupon.public_id}{query}")["relationships"]["coupon_recipient"]["data"] is None


def test_044_links_self_of_a_resource_answers_with_it(api: Api, coupon: Coupon):
    for listed in api.data("coupons"):
        assert api.data(listed["links"]["self"]) == listed


def test_045_a_related_link_is_valid_when_empty_and_stays_the_same(api: Api, coupon: Coupon):
    path = f"coupons/{coupon.public_id}"
    before = api.data(path)["relationships"]["tags"]["links"]["related"]
    assert api.data(before) == []
    tag = factories.tag(coupon.organization)
    api.update(coupon, tags=[tag])
    assert api.data(path)["relationships"]["tags"]["links"]["related"] == before
    assert api.ids(before) == [tag.public_id]


def test_046_identifiers_hold_type_and_id_strings_only(api: Api, coupon: Coupon):
    assert api.data(f"coupons/{coupon.public_id}/relationships/promotion_rule") == identifier(coupon.promotion_rule)
    for found in api.data(f"coupons/{coupon.public_id}/relationships/events"):
        assert {name: type(value) for name, value in found.items()} == {"type": str, "id": str}


def test_047_extra_members_of_identifiers_and_relationships_are_ignored(api: Api, coupon: Coupon):
    tag = factories.tag(coupon.organization)
    whole = api.data(f"tags/{tag.public_id}") | {"name": tag.name}
    body = document("coupons", {}, coupon.public_id)
    body["data"]["relationships"] = {"tags": {"data": [whole], "links": {}, "meta": {}, "foo": 1}}
    assert api.patch(f"coupons/{coupon.public_id}", body).status_code == 200
    assert api.ids(f"coupons/{coupon.public_id}/tags") == [tag.public_id]


# --- Meta, links, names --------------------------------------------------------------------------


def objects_named(name: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in objects_named(name, item)]
    if not isinstance(value, dict):
        return []
    own = [value[name]] if name in value else []
    inner = [item for member, item in value.items() if member != "attributes"]
    return own + objects_named(name, inner)


def test_048_every_meta_is_an_object(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        assert all(isinstance(meta, dict) for meta in objects_named("meta", body)), name


def test_049_every_link_is_an_absolute_url(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        for links in objects_named("links", body):
            for link in links.values():
                assert re.fullmatch(r"http://testserver/api/[!-~]+", link), name


def test_051_member_names_are_legal(api: Api, coupon: Coupon):
    for name, body in documents(api, coupon).items():
        assert [each for each in members(body) if not MEMBER_NAME.fullmatch(each)] == [], name


def test_052_member_names_are_case_sensitive(api: Api):
    answer = api.create("tags", {"Name": "summer"})
    assert [(each["code"], each["source"]["pointer"]) for each in answer.json()["errors"]] == [
        ("PARAM_NOT_ALLOWED", "/data/attributes/Name"),
        ("VALIDATION_ERROR", "/data/attributes/name"),
    ]


def test_053_at_members_are_ignored_everywhere(api: Api):
    body = {"@context": 1, **document("tags", {"name": "summer", "@type": "Tag"})}
    body["data"] |= {"@id": "x"}
    body["data"]["relationships"] = {"@rel": {"data": None}}
    answer = api.post("tags", body)
    assert answer.status_code == 201
    assert "@type" not in answer.json()["data"]["attributes"]
