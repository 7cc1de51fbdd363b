"""Rows 176 to 180 and 199 to 200 of the checklist: the wire format clients know, and conditional requests."""

import re

import pytest
from django.conf import LazySettings
from django.test import Client

from commerce import changes, ids
from commerce.models import Organization
from coupons.models import Coupon
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, nothing_written, refused


@pytest.fixture
def coupon(acme: Organization) -> Coupon:
    return factories.coupon(factories.coupon_rule(factories.percentage_promotion(acme)), code="SUMMER-01")


def path(coupon: Coupon) -> str:
    return f"coupons/{coupon.public_id}"


# --- The wire format -----------------------------------------------------------------------------


def test_176_links_are_absolute_and_end_without_a_slash(api: Api, coupon: Coupon):
    own = f"http://testserver/api/coupons/{coupon.public_id}"
    for url in (path(coupon), f"{path(coupon)}/"):
        data = api.data(url)
        assert data["links"] == {"self": own}
        for name, relation in data["relationships"].items():
            assert relation == {"links": {"self": f"{own}/relationships/{name}", "related": f"{own}/{name}"}}


def test_176_links_follow_the_host_and_scheme_a_trusted_proxy_tells(api: Api, coupon: Coupon, settings: LazySettings):
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    api.client = Client()
    told = {"x_forwarded_host": "acme.shop.test:8443", "x_forwarded_proto": "https"}
    data = api.get(path(coupon), **told).json()["data"]
    assert data["links"]["self"] == f"https://acme.shop.test:8443/api/coupons/{coupon.public_id}"


def test_176_singletons_have_the_link_of_their_path(api: Api):
    assert api.data("organization")["links"]["self"] == "http://testserver/api/organization"
    assert api.data("application")["links"]["self"] == "http://testserver/api/application"


def test_177_only_included_relationships_have_linkage(api: Api, coupon: Coupon):
    relationships = api.data(f"{path(coupon)}?include=promotion_rule,tags")["relationships"]
    assert {name for name, relation in relationships.items() if "data" in relation} == {"promotion_rule", "tags"}


def test_178_a_coupon_is_shown_with_these_members(api: Api, coupon: Coupon, acme: Organization):
    data = api.data(path(coupon))
    assert data["attributes"] == {
        "code": "SUMMER-01",
        "customer_single_use": False,
        "usage_limit": None,
        "usage_count": 0,
        "applies_to_count": None,
        "used_amount_cents": 0,
        "balance_cents": None,
        "recipient_email": None,
        "expires_at": None,
        "created_at": "2026-06-15T12:00:00.000Z",
        "updated_at": "2026-06-15T12:00:00.000Z",
        "reference": None,
        "reference_origin": None,
        "metadata": {},
    }
    assert data["meta"] == {"mode": "test", "organization_id": ids.encode(acme.pk)}
    assert re.fullmatch("[A-Za-z]{10}", data["id"])


def test_178_a_type_is_shown_beside_the_attributes_only(api: Api, coupon: Coupon):
    promotion = api.data(f"promotions/{coupon.promotion_rule.promotion.public_id}")
    assert promotion["type"] == "percentage_discount_promotions"
    assert "type" not in promotion["attributes"]


@pytest.mark.parametrize("url", ["coupons/{id}", "coupons", "coupons/{id}/tags", "organization", "nope"])
def test_every_answer_tells_request_and_rate_limit(api: Api, coupon: Coupon, url: str, settings: LazySettings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "read": "100/60"}
    headers = api.get(url.format(id=coupon.public_id)).headers
    assert headers["x-request-id"]
    # Whoever asks for what does not exist is counted by address, without the halves of the test mode.
    limit = 100 if url == "nope" else 50
    assert (headers["X-Ratelimit-Limit"], headers["X-Ratelimit-Interval"]) == (str(limit), "60")
    assert headers["X-Ratelimit-Remaining"] == str(limit - 1)


def test_too_many_requests_are_429_and_write_nothing(api: Api, settings: LazySettings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "write": "2/60"}
    assert api.create("tags", {"name": "one"}).status_code == 201
    with nothing_written():
        answer = api.create("tags", {"name": "two"})
    assert refused(answer) == (429, "THROTTLED", None)
    assert answer.headers["Retry-After"] == "60"


# --- Conditional requests ------------------------------------------------------------------------


def etag(api: Api, url: str) -> str:
    return api.get(url).headers["ETag"]


def test_199_an_unchanged_resource_is_304(api: Api, coupon: Coupon):
    tag = etag(api, path(coupon))
    assert re.fullmatch('"1-[0-9a-f]{16}"', tag)
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = api.get(path(coupon), if_none_match=header)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert api.get(path(coupon), if_none_match='"1-other"').status_code == 200


def test_199_a_changed_resource_has_another_etag(api: Api, coupon: Coupon):
    before = etag(api, path(coupon))
    updated = api.update(coupon, {"usage_limit": 9})
    assert updated.headers["ETag"].startswith('"2-')
    assert updated.headers["ETag"] != before
    assert api.get(path(coupon), if_none_match=before).status_code == 200


def test_199_what_is_asked_for_makes_part_of_the_etag(api: Api, coupon: Coupon):
    urls = [path(coupon), f"{path(coupon)}?fields[coupons]=code", f"{path(coupon)}?include=promotion_rule"]
    assert len({etag(api, url) for url in urls}) == 3


def test_199_a_list_has_a_weak_etag_that_follows_its_content(api: Api, coupon: Coupon):
    tag = etag(api, "coupons")
    assert re.fullmatch('W/"[0-9a-f]{16}"', tag)
    assert api.get("coupons", if_none_match=tag).status_code == 304
    api.update(coupon, {"usage_limit": 9})
    assert api.get("coupons", if_none_match=tag).status_code == 200


def test_199_an_included_resource_that_changed_changes_the_etag(api: Api, coupon: Coupon):
    url = f"{path(coupon)}?include=promotion_rule.promotion"
    before = etag(api, url)
    api.update(coupon.promotion_rule.promotion, {"name": "Other"})
    assert etag(api, url) != before


@pytest.mark.parametrize("header", ['"2-0123456789abcdef"', 'W/"1-x"', '"other", "7-x"', '"10-x"'])
def test_200_a_stale_if_match_is_412_and_changes_nothing(api: Api, coupon: Coupon, header: str):
    linkage = {"data": []}
    with nothing_written():
        answers = [
            api.update(coupon, {"usage_limit": 9}, headers={"if_match": header}),
            api.destroy(coupon, if_match=header),
            api.patch(f"{path(coupon)}/relationships/tags", linkage, if_match=header),
        ]
    for answer in answers:
        assert refused(answer) == (412, "PRECONDITION_FAILED", {"header": "If-Match"})


def test_200_the_etag_that_was_read_permits_the_write(api: Api, coupon: Coupon):
    tag = etag(api, path(coupon))
    assert api.update(coupon, {"usage_limit": 9}, headers={"if_match": tag}).status_code == 200
    assert refused(api.update(coupon, {"usage_limit": 8}, headers={"if_match": tag}))[0] == 412
    assert api.update(coupon, {"usage_limit": 7}, headers={"if_match": "*"}).status_code == 200
    assert api.destroy(coupon, if_match=f'"other", {etag(api, path(coupon))}').status_code == 204


def test_200_an_etag_of_other_fields_permits_the_write_too(api: Api, coupon: Coupon):
    tag = etag(api, f"{path(coupon)}?include=promotion_rule")
    assert api.update(coupon, {"usage_limit": 9}, headers={"if_match": tag}).status_code == 200


def test_200_counters_and_tags_raise_the_revision(api: Api, coupon: Coupon):
    promotion = coupon.promotion_rule.promotion
    url = f"promotions/{promotion.public_id}"
    before = etag(api, url)
    changes.count(Promotion, promotion.pk, total_usage_count=1)
    counted = etag(api, url)
    api.update(promotion, tags=[factories.tag(promotion.organization)])
    assert len({before, counted, etag(api, url)}) == 3


def test_options_tells_the_methods(api: Api, coupon: Coupon):
    answer = api.request("OPTIONS", path(coupon))
    assert (answer.status_code, answer.content) == (204, b"")
    assert sorted(answer.headers["Allow"].split(", ")) == ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH"]


def test_a_body_larger_than_the_server_accepts_is_413(api: Api, settings: LazySettings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    with nothing_written():
        answer = api.post("tags", document("tags", {"name": "summer", "metadata": {"a": "x" * 1000}}))
    assert refused(answer) == (413, "PAYLOAD_TOO_LARGE", None)
