from collections.abc import Callable
from datetime import datetime

import pytest
from django.conf import LazySettings

from commerce import ids
from commerce.models import Organization
from tests import factories
from tests.client import Api, nothing_written
from tests.dialects.rebilly import FIXED, ISSUED, Rebilly, created, invalid_fields
from tests.factories import NOW

Travel = Callable[[datetime], None]
BODY = {"discount": FIXED, "issuedTime": ISSUED}
RATES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "Rate-Limit-Limit", "Rate-Limit-Remaining", "Rate-Limit-Reset")


@pytest.fixture
def rebilly(acme: Organization, travel: Travel, unlimited: None) -> Rebilly:
    return Rebilly(factories.application(acme))


def problem(status: int, title: str, detail: str) -> dict[str, object]:
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


# --- Who calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"reb_apikey": "sk_test_nobody"}, {"authorization": "Bearer x"}])
def test_whoever_is_nobody_is_turned_away(acme: Organization, unlimited: None, headers: dict[str, str]):
    answer = Rebilly(None).get("/coupons", **headers)
    assert answer.status_code == 401
    assert answer.json() == problem(401, "Unauthorized", "The key or token is missing or not valid.")
    assert (answer["Content-Type"], answer["WWW-Authenticate"]) == ("application/json", "Bearer")


def test_a_token_is_as_good_as_a_key(rebilly: Rebilly, api: Api):
    assert Rebilly(None).get("/coupons", authorization=f"Bearer {api.token}").status_code == 200


def test_an_organization_goes_by_its_slug_or_its_id(rebilly: Rebilly, acme: Organization):
    by_id = ids.encode(acme.pk)
    assert rebilly.get(f"/organizations/{by_id}/coupons", root="").status_code == 200
    assert rebilly.get("/coupons", root="", organization_id=by_id).status_code == 200
    assert rebilly.get("/coupons/", root="", organization_id="acme").status_code == 200
    assert rebilly.get("/coupons", root="").status_code == 200


def test_another_organization_is_closed_whether_it_exists_or_not(rebilly: Rebilly):
    factories.organization(slug="other")
    closed = problem(403, "Forbidden", "This organization is not that of the key or token.")
    for slug in ("other", "nobody", "a%20b"):
        for answer in (
            rebilly.get(f"/organizations/{slug}/coupons", root=""),
            rebilly.get(f"/organizations/{slug}/coupons/A", root=""),
            rebilly.get(f"/organizations/{slug}/nothing", root=""),
            rebilly.get("/coupons", root="", organization_id=slug),
        ):
            assert (answer.status_code, answer.json()) == (403, closed)


# --- What is there --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/coupons/A", "/coupons/A/", "/nothing", "/coupons/A/restrictions"])
def test_what_is_not_there_is_told_in_the_form_of_the_dialect(rebilly: Rebilly, path: str):
    answer = rebilly.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert answer.json() == problem(404, "Not Found", "There is nothing here.")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/coupons/A", "GET, HEAD, PUT"),
        ("PATCH", "/coupons/A/", "GET, HEAD, PUT"),
        ("POST", "/coupons/A", "GET, HEAD, PUT"),
        ("PUT", "/coupons", "GET, HEAD, POST"),
        ("OPTIONS", "/coupons", "GET, HEAD, POST"),
        ("OPTIONS", "/coupons/A", "GET, HEAD, PUT"),
        ("OPTIONS", "/coupons/A/expiration", "POST"),
        ("OPTIONS", "/coupons-redemptions", "GET, HEAD, POST"),
        ("OPTIONS", "/coupons-redemptions/A/cancel", "POST"),
        ("OPTIONS", "/coupons-redemptions/A/applications/B", "DELETE"),
        ("GET", "/coupons/A/expiration", "POST"),
    ],
)
def test_a_method_that_is_none_is_refused(rebilly: Rebilly, method: str, path: str, allowed: str):
    answer = rebilly.request(method, path)
    assert answer.status_code == 405
    assert answer.json() == problem(405, "Method Not Allowed", f'Method "{method}" not allowed.')
    assert answer["Allow"] == allowed


def test_a_head_tells_what_a_get_does_without_a_body(rebilly: Rebilly):
    rebilly.coupon("A")
    answer = rebilly.request("HEAD", "/coupons")
    assert (answer.status_code, answer["Pagination-Total"], answer.content) == (200, "1", b"")


# --- What is sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"{", "The body is not valid JSON."),
        (b"\xff", "The body is not valid JSON."),
        (b'{"a": NaN}', "The body is not valid JSON."),
        (b'{"a": 1e99999999999999999999}', "The body is not valid JSON."),
        (b"[" * 100_000, "The body is not valid JSON."),
        (b"[]", "The body must be an object."),
        (b"null", "The body must be an object."),
    ],
    ids=range(7),
)
def test_a_body_that_is_no_object_is_refused(rebilly: Rebilly, sent: bytes, detail: str):
    answer = rebilly.post("/coupons", sent)
    assert answer.status_code == 400
    assert answer.json() == {**problem(400, "Bad Request", detail), "invalidFields": []}


def test_what_no_database_holds_is_refused(rebilly: Rebilly):
    answer = rebilly.post("/coupons", {**BODY, "description": "a\0b"})
    assert invalid_fields(answer) == [("", "cannot be stored")]


def test_no_body_lacks_what_is_required(rebilly: Rebilly):
    answer = rebilly.post("/coupons")
    assert invalid_fields(answer) == [
        ("discount", "This field is required."),
        ("issuedTime", "This field is required."),
    ]
    assert answer.json()["detail"] == "What was sent is not valid."


def test_a_body_too_large_is_refused(rebilly: Rebilly, settings: LazySettings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = rebilly.post("/coupons", {**BODY, "description": "a" * 100})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The body is larger than this server accepts."


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "image/png", "nonsense", ""])
def test_any_media_type_is_taken_for_json(rebilly: Rebilly, media_type: str):
    created(rebilly.post("/coupons", BODY, content_type=media_type, accept="image/png"))
    answer = rebilly.get("/coupons?format=xml", accept=media_type)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


# --- How often ------------------------------------------------------------------------------------


def test_writes_tell_what_is_left_in_headers_of_both_generations(
    acme: Organization, travel: Travel, settings: LazySettings
):
    settings.RATE_LIMITS |= {"read": "8/60", "write": "4/60"}  # halved in test mode
    rebilly = Rebilly(factories.application(acme))
    created(rebilly.post("/coupons", BODY))
    answer = rebilly.post("/coupons", BODY)
    end = int(NOW.timestamp()) + 60
    assert [answer[name] for name in RATES] == ["2", "0", "2", "0", str(end)]
    assert "Retry-After" not in answer
    with nothing_written():
        refused = rebilly.post("/coupons", BODY)
    assert refused.status_code == 429
    assert refused.json() == problem(429, "Too Many Requests", "Too many requests; retry later.")
    assert [refused[name] for name in RATES] == ["2", "0", "2", "0", str(end)]
    assert (refused["Retry-After"], refused["X-RateLimit-Retry-After"]) == ("60", str(end))
    read = rebilly.get("/coupons")
    assert read.status_code == 200
    assert not set(RATES) & set(read.headers)


def test_refused_writes_tell_what_is_left_too(acme: Organization, travel: Travel, settings: LazySettings):
    settings.RATE_LIMITS |= {"write": "8/60"}
    answer = Rebilly(factories.application(acme)).post("/coupons", {})
    assert (answer.status_code, answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == (422, "4", "3")
