"""The log of changes as clients read it: versions, the same log as event_stores, and events."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from commerce import ids
from commerce.models import Event, Organization, Version
from promotions.models import CouponCodesPromotionRule
from tests import factories
from tests.client import Api, document, identifier, nothing_written, path_of, refused
from tests.factories import NOW

Travel = Callable[[datetime], None]


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme))


def who(api: Api) -> dict[str, Any]:
    return {"application": {"id": api.application.public_id, "kind": "integration", "public": False}}


def told(api: Api, path: str) -> list[tuple[str, Any]]:
    """Event and changes of every version, oldest first, all of the caller's doing."""
    versions = [version["attributes"] for version in api.data(f"{path}?page[size]=25")]
    assert all(version["who"] == who(api) for version in versions)
    return [(version["event"], version["changes"]) for version in versions]


# --- Versions ------------------------------------------------------------------------------------


def test_the_life_of_a_coupon_is_told_in_versions(
    api: Api, acme: Organization, rule: CouponCodesPromotionRule, travel: Travel
):
    other = factories.coupon_rule(factories.percentage_promotion(acme))
    recipient = factories.recipient(acme)
    attributes = {"code": "SUMMER-01", "usage_limit": 5, "metadata": {"a": 1}}
    created = api.create("coupons", attributes, promotion_rule=rule)
    coupon = rule.coupons.get()
    path = f"coupons/{coupon.public_id}/versions"
    changes = [
        {"usage_limit": 6, "expires_at": "2026-12-31T00:00:00Z"},
        {"usage_limit": 6},
        {"metadata": {"b": 2}, "reference": "x"},
        {"code": "summer-01"},
    ]
    for hours, change in enumerate(changes, 1):
        travel(NOW + timedelta(minutes=hours))
        api.update(coupon, change)
    api.update(coupon, promotion_rule=other, coupon_recipient=recipient)
    assert created.status_code == 201
    told_before = told(api, path)
    assert told_before == [
        (
            "create",
            {
                "promotion_rule_id": [None, rule.public_id],
                "code": [None, "SUMMER-01"],
                "customer_single_use": [None, False],
                "usage_limit": [None, 5],
                "metadata": [None, {"a": 1}],
            },
        ),
        ("update", {"usage_limit": [5, 6], "expires_at": [None, "2026-12-31T00:00:00.000Z"]}),
        ("update", {"metadata": [{"a": 1}, {"b": 2}], "reference": [None, "x"]}),
        ("update", {"code": ["SUMMER-01", "summer-01"]}),
        (
            "update",
            {
                "promotion_rule_id": [rule.public_id, other.public_id],
                "coupon_recipient_id": [None, recipient.public_id],
            },
        ),
    ]
    assert [version["attributes"]["created_at"] for version in api.data(path)] == [
        "2026-06-15T12:00:00.000Z",
        "2026-06-15T12:01:00.000Z",
        "2026-06-15T12:03:00.000Z",
        "2026-06-15T12:04:00.000Z",
        "2026-06-15T12:04:00.000Z",
    ]
    api.destroy(coupon)
    of_coupon = f"filter[q][resource_type_eq]=coupons&filter[q][resource_id_eq]={coupon.public_id}"
    event, gone = [
        (version["attributes"]["event"], version["attributes"]["changes"])
        for version in api.data(f"versions?{of_coupon}&page[size]=25")
    ][-1]
    assert event == "destroy"
    assert gone == {
        "promotion_rule_id": [other.public_id, None],
        "coupon_recipient_id": [recipient.public_id, None],
        "code": ["summer-01", None],
        "customer_single_use": [False, None],
        "usage_limit": [6, None],
        "expires_at": ["2026-12-31T00:00:00.000Z", None],
        "reference": ["x", None],
        "metadata": [{"b": 2}, None],
    }


WRITES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # type -> (attributes to create it with, attributes to change)
    "tags": ({"name": "summer"}, {"name": "winter"}),
    "coupon_recipients": ({"email": "ada@example.com"}, {"first_name": "Ada"}),
    "coupons": ({"code": "SUMMER-01"}, {"usage_limit": 5}),
    "percentage_discount_promotions": (
        {"name": "A", "percentage": 10, "starts_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"},
        {"percentage": 20},
    ),
    "fixed_amount_promotions": (
        {
            "name": "A",
            "fixed_amount_cents": 10,
            "currency_code": "EUR",
            "starts_at": "2026-01-01T00:00:00Z",
            "expires_at": "2027-01-01T00:00:00Z",
        },
        {"fixed_amount_cents": 20},
    ),
    "coupon_codes_promotion_rules": ({}, {"reference": "x"}),
    "order_amount_promotion_rules": ({"order_amount_cents": 10}, {"use_subtotal": True}),
}


def targets(acme: Organization, name: str) -> dict[str, Any]:
    promotion = factories.percentage_promotion(acme)
    if name == "coupons":
        return {"promotion_rule": factories.coupon_rule(promotion)}
    return {"promotion": promotion} if name.endswith("promotion_rules") else {}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_stores_a_version_and_an_event(api: Api, acme: Organization, name: str):
    created, changed = WRITES[name]
    relationships = targets(acme, name)
    known = [Version.objects.count(), Event.objects.count()]
    row = api.create(name, created, **relationships).json()["data"]
    path = f"{name}/{row['id']}"
    assert api.patch(path, document(name, changed, row["id"])).status_code == 200
    assert api.delete(path).status_code == 204
    versions = [each for each in Version.objects.order_by("pk")[known[0] :] if each.resource_type == name]
    events = [each.name for each in Event.objects.order_by("pk")[known[1] :] if each.resource_type == name]
    assert events == [f"{name}.create", f"{name}.update", f"{name}.destroy"]
    assert [each.event for each in versions] == ["create", "update", "destroy"]
    assert {each.resource_id for each in versions} == {ids.decode(row["id"])}
    assert all(each.who == who(api) and each.created_at == NOW for each in versions)
    (attribute, value), *_ = changed.items()
    assert versions[1].changes[attribute][1] == value
    assert sorted(versions[1].changes) == sorted(changed)


def test_what_was_refused_is_told_nowhere(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule, usage_count=1)
    with nothing_written():
        api.update(coupon, {"usage_limit": -1})
        api.update(coupon, {"usage_limit": 5, "nope": 1})
        api.destroy(coupon)
        api.create("coupons", {"code": coupon.code}, promotion_rule=rule)


def test_a_version_names_its_resource(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule)
    (version,) = api.data(f"coupons/{coupon.public_id}/versions")
    assert version["type"] == "versions"
    shown = version["attributes"]
    assert (shown["resource_type"], shown["resource_id"]) == ("coupons", coupon.public_id)
    assert shown["who"] == {"command": "tests"}
    assert api.data(f"versions/{version['id']}") == version


def test_the_newest_versions_are_found(api: Api, rule: CouponCodesPromotionRule, travel: Travel):
    coupons = [factories.coupon(rule) for _ in range(2)]
    travel(NOW + timedelta(minutes=1))
    for coupon in coupons:
        api.update(coupon, {"usage_limit": 5})
    newest = api.data("versions?sort=-created_at,-id&page[size]=2")
    assert [version["attributes"]["resource_id"] for version in newest] == [row.public_id for row in coupons[::-1]]
    since = api.data("versions?filter[q][created_at_gt]=2026-06-15T12:00:00Z")
    assert [version["attributes"]["event"] for version in since] == ["update", "update"]
    assert len(api.data("versions?filter[q][event_eq]=update&filter[q][resource_type_eq]=coupons")) == 2


def test_a_row_of_another_type_with_the_same_key_shares_no_versions(api: Api, acme: Organization):
    recipient = factories.recipient(acme)
    factories.tag(acme)
    Version.objects.filter(resource_type="tags").update(resource_id=recipient.pk)
    (version,) = api.data(f"{path_of(recipient)}/versions")
    assert version["attributes"]["resource_type"] == "coupon_recipients"


def test_versions_of_a_promotion_are_read_under_its_umbrella_too(api: Api, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    assert api.data(f"promotions/{promotion.public_id}/versions") == api.data(f"{path_of(promotion)}/versions")
    assert len(api.data(f"promotions/{promotion.public_id}/versions")) == 1


@pytest.mark.parametrize("url", ["versions", "event_stores"])
def test_the_log_cannot_be_written(api: Api, rule: CouponCodesPromotionRule, url: str):
    entry = api.data(url)[0]["id"]
    with nothing_written():
        assert api.post(url, document(url, {"event": "update"})).status_code == 405
        assert api.patch(f"{url}/{entry}", document(url, {"reference": "x"}, entry)).status_code == 405
        assert api.delete(f"{url}/{entry}").status_code == 405


# --- Event stores --------------------------------------------------------------------------------


def test_event_stores_are_the_same_log_in_their_own_shape(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule)
    api.update(coupon, {"usage_limit": 5})
    stores, versions = (api.data(f"coupons/{coupon.public_id}/{name}") for name in ("event_stores", "versions"))
    assert len(stores) == 2
    for store, version in zip(stores, versions, strict=True):
        shown = dict(version["attributes"])
        shown["payload"] = shown.pop("changes")
        assert store["attributes"] == shown
        assert store["type"] == "event_stores"
        assert api.data(f"event_stores/{store['id']}") == store


def test_an_event_store_is_named_by_its_instant_and_number(api: Api, rule: CouponCodesPromotionRule):
    version = Version.objects.latest("pk")
    assert api.data("event_stores?sort=-id")[0]["id"] == f"{int(NOW.timestamp() * 1000)}-{version.pk}"


def test_an_event_store_of_another_instant_is_not_found(api: Api, rule: CouponCodesPromotionRule):
    pk = Version.objects.latest("pk").pk
    for public_id in (f"1-{pk}", f"-{pk}", f"{pk}", f"x-{pk}", f"{int(NOW.timestamp() * 1000)}-{pk}x"):
        assert refused(api.get(f"event_stores/{public_id}")) == (404, "RECORD_NOT_FOUND", None)


def test_event_stores_are_filtered_by_type(api: Api, rule: CouponCodesPromotionRule):
    factories.coupon(rule)
    found = api.data("event_stores?filter[q][resource_type_in]=coupons,tags")
    assert [store["attributes"]["resource_type"] for store in found] == ["coupons"]


# --- Events --------------------------------------------------------------------------------------


def test_events_are_listed_with_their_resource_and_by_themselves(
    api: Api, acme: Organization, rule: CouponCodesPromotionRule
):
    coupon, tag = factories.coupon(rule), factories.tag(acme)
    api.update(coupon, {"usage_limit": 5})
    api.update(coupon, tags=[tag])
    own = api.data(f"coupons/{coupon.public_id}/events")
    names = ["coupons.create", "coupons.update", "coupons.tagged"]
    assert [event["attributes"]["name"] for event in own] == names
    assert api.data("events?filter[q][name_start]=coupons.") == own
    body = api.get(f"coupons/{coupon.public_id}?include=events").json()
    assert body["included"] == own
    assert api.ids("coupons?filter[q][events_name_eq]=coupons.tagged") == [coupon.public_id]


def test_an_event_can_be_triggered_again_and_keeps_its_name(api: Api, rule: CouponCodesPromotionRule):
    event = Event.objects.latest("pk")
    path, body = f"events/{event.public_id}", document("events", {"_trigger": True}, event.public_id)
    with nothing_written():
        answer = api.patch(path, body)
    assert answer.status_code == 200
    assert answer.json()["data"]["attributes"]["name"] == "coupon_codes_promotion_rules.create"
    with nothing_written():
        assert api.patch(path, document("events", {"name": "x"}, event.public_id)).status_code == 400


def test_what_is_told_of_a_resource_is_linked_to_it_alone(api: Api, rule: CouponCodesPromotionRule):
    first, second = factories.coupon(rule), factories.coupon(rule)
    linked = [api.data(f"{path_of(row)}/relationships/events") for row in (first, second)]
    assert [len(each) for each in linked] == [1, 1]
    assert linked[0] != linked[1]
    assert identifier(Event.objects.get(resource_type="coupons", resource_id=first.pk)) == linked[0][0]
