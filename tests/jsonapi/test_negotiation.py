"""Rows 1 to 20 of the checklist: content negotiation."""

import pytest
from django.http import HttpResponse

from tests import factories
from tests.client import MEDIA_TYPE, Api, document, nothing_written, refused

ATOMIC = 'ext="https://jsonapi.org/ext/atomic"'
UNKNOWN_EXT = 'ext="https://example.com/ext/unknown"'
UNKNOWN_PROFILE = 'profile="https://example.com/profiles/unknown"'


def post_tag(api: Api, content_type: str) -> HttpResponse:
    return api.post("tags", document("tags", {"name": "summer"}), content_type=content_type)


def refused_content_type(api: Api, content_type: str) -> bool:
    with nothing_written():
        answer = post_tag(api, content_type)
    return refused(answer) == (415, "UNSUPPORTED_MEDIA_TYPE", {"header": "Content-Type"})


def refused_accept(api: Api, accept: str) -> bool:
    return refused(api.get("tags", accept=accept)) == (406, "NOT_ACCEPTABLE", {"header": "Accept"})


def test_001_success_is_the_media_type_without_parameters(api: Api):
    created = api.create("tags", {"name": "summer"})
    assert created.status_code == 201
    tag = created.json()["data"]["id"]
    updated = api.patch(f"tags/{tag}", document("tags", {"name": "winter"}, tag))
    for answer in (created, updated, api.get("tags"), api.get(f"tags/{tag}"), api.get("organization")):
        assert answer.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "tags/nothing", 404),
        ("GET", "nothing", 404),
        ("GET", "tags?filter[q][nope_eq]=1", 400),
        ("PUT", "tags", 405),
        ("POST", "tags", 400),
    ],
)
def test_002_errors_are_the_media_type_too(api: Api, method: str, path: str, status: int):
    answer = api.request(method, path, b"{" if method == "POST" else None)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/vnd.api+json"
    assert answer.json()["errors"]


def test_002_a_missing_token_is_answered_in_the_media_type(api: Api):
    answer = api.get("tags", authorization=None)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/vnd.api+json"


def test_003_no_extension_is_claimed_when_none_was_applied(api: Api):
    answer = api.get("tags", accept=f"{MEDIA_TYPE}; {UNKNOWN_EXT}, {MEDIA_TYPE}")
    assert "ext" not in answer.headers["Content-Type"]


def test_004_no_profile_is_claimed_when_none_was_applied(api: Api):
    assert "profile" not in api.get("tags").headers["Content-Type"]


@pytest.mark.parametrize("parameter", ["charset=utf-8", 'charset="utf-8"', "version=1", "q=1", "foo", 'foo="a;b,c"'])
def test_005_a_foreign_content_type_parameter_is_415(api: Api, parameter: str):
    assert refused_content_type(api, f"{MEDIA_TYPE}; {parameter}")


@pytest.mark.parametrize("parameters", [UNKNOWN_EXT, ATOMIC, f"{UNKNOWN_PROFILE}; {UNKNOWN_EXT}"])
def test_006_an_extension_that_is_not_served_is_415(api: Api, parameters: str):
    assert refused_content_type(api, f"{MEDIA_TYPE}; {parameters}")


def test_007_an_unknown_profile_of_a_body_is_ignored(api: Api):
    answer = post_tag(api, f"{MEDIA_TYPE}; {UNKNOWN_PROFILE}")
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize(
    "accept",
    [
        f"{MEDIA_TYPE}; charset=utf-8",
        f"{MEDIA_TYPE}; charset=utf-8, {MEDIA_TYPE}; version=1",
        f"{MEDIA_TYPE}; charset=utf-8, text/html",
    ],
)
def test_008_only_instances_with_foreign_parameters_are_406(api: Api, accept: str):
    assert refused_accept(api, accept)


@pytest.mark.parametrize(
    "accept",
    [f"{MEDIA_TYPE}; charset=utf-8, {MEDIA_TYPE}", f'text/plain; a="b, c", {MEDIA_TYPE}; version=2 , {MEDIA_TYPE}'],
)
def test_009_one_clean_instance_beside_foreign_ones_is_enough(api: Api, accept: str):
    assert api.get("tags", accept=accept).status_code == 200


@pytest.mark.parametrize("accept", [f"{MEDIA_TYPE}; {UNKNOWN_EXT}", f"{MEDIA_TYPE}; {UNKNOWN_EXT}; {UNKNOWN_PROFILE}"])
def test_010_only_instances_with_unsupported_extensions_are_406(api: Api, accept: str):
    assert refused_accept(api, accept)


def test_011_a_clean_instance_beside_an_unsupported_extension_is_enough(api: Api):
    assert api.get("tags", accept=f"{MEDIA_TYPE}; {UNKNOWN_EXT}, {MEDIA_TYPE}").status_code == 200


def test_012_an_unknown_profile_in_accept_is_not_claimed(api: Api):
    answer = api.get("tags", accept=f"{MEDIA_TYPE}; {UNKNOWN_PROFILE}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize("accept", [f"{MEDIA_TYPE};q=0.9", f"{MEDIA_TYPE}; q=0.001", f"text/html, {MEDIA_TYPE};q=0.1"])
def test_014_a_weight_is_no_parameter_of_the_media_type(api: Api, accept: str):
    assert api.get("tags", accept=accept).status_code == 200


def test_014_a_weight_of_nought_means_not_acceptable(api: Api):
    assert refused_accept(api, f"{MEDIA_TYPE};q=0")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, */*;q=0.1", "", None])
def test_015_wildcards_and_no_accept_are_answered(api: Api, accept: str | None):
    answer = api.get("tags", accept=accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.api+json"


@pytest.mark.parametrize("path", ["tags", "tags/nothing", "nothing"])
def test_016_every_answer_varies_by_accept(api: Api, path: str):
    assert "Accept" in api.get(path).headers["Vary"].split(", ")


def test_016_writes_and_refusals_vary_by_accept_too(api: Api):
    tag = factories.tag(api.application.organization)
    for answer in (api.create("tags", {"name": "summer"}), api.destroy(tag), api.get("tags", accept="text/html")):
        assert "Accept" in answer.headers["Vary"].split(", ")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/vnd.api", ""])
def test_017_a_body_of_another_media_type_is_415(api: Api, content_type: str):
    assert refused_content_type(api, content_type)


@pytest.mark.parametrize("content_type", [MEDIA_TYPE, "application/json", "nonsense"])
def test_018_the_content_type_of_no_body_does_not_matter(api: Api, content_type: str):
    tag = factories.tag(api.application.organization, name="summer")
    assert api.get("tags", content_type=content_type).status_code == 200
    assert api.destroy(tag, content_type=content_type).status_code == 204


def test_019_html_alone_is_406(api: Api):
    assert refused_accept(api, "text/html,application/xhtml+xml")


def test_020_the_media_type_is_compared_without_case_and_spaces(api: Api):
    assert post_tag(api, f"Application/VND.api+JSON ; {UNKNOWN_PROFILE} ").status_code == 201


def test_020_profiles_are_a_list_of_uris_in_quotes(api: Api):
    two = 'profile="https://example.com/a https://example.com/b"'
    assert post_tag(api, f"{MEDIA_TYPE}; {two}").status_code == 201
    assert api.get("tags", accept=f'{MEDIA_TYPE}; ext=""; {two}').status_code == 200
