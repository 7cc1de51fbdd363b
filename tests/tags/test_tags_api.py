"""Tags over the API: their names, and how they are put on resources and taken off."""

from typing import Any

import pytest

from commerce.models import Event, Organization, Version
from tags.models import Tag
from tests import factories
from tests.client import Api, document, identifier, nothing_written, path_of, problem, refused


@pytest.fixture(params=["coupons", "percentage_discount_promotions", "fixed_amount_promotions"])
def taggable(request: Any, acme: Organization) -> Any:
    promotion = factories.percentage_promotion(acme)
    made = {
        "coupons": lambda: factories.coupon(factories.coupon_rule(promotion)),
        "percentage_discount_promotions": lambda: promotion,
        "fixed_amount_promotions": lambda: factories.fixed_amount_promotion(acme),
    }
    return made[request.param]()


def named(acme: Organization, *names: str) -> list[Tag]:
    return [factories.tag(acme, name=name) for name in names]


def names(api: Api, row: Any) -> list[str]:
    return sorted(tag["attributes"]["name"] for tag in api.data(f"{path_of(row)}/tags"))


# --- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "Summer_2026-B2B", "0", "x" * 25, "_", "-"])
def test_a_name_of_letters_digits_and_dashes_is_taken(api: Api, name: str):
    answer = api.create("tags", {"name": name})
    assert answer.status_code == 201
    assert answer.json()["data"]["attributes"]["name"] == name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", "blank"),
        (None, "blank"),
        ("two words", "invalid"),
        ("été", "invalid"),
        ("a,b", "invalid"),
        ("line\nbreak", "invalid"),
        ("x" * 26, "too_long"),
        ("x" * 256, "too_long"),
    ],
)
def test_another_name_is_422(api: Api, name: str | None, key: str):
    with nothing_written():
        answer = api.create("tags", {"name": name})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/name"})
    assert problem(answer)["meta"]["error"] == key


def test_names_are_unique_within_the_tenant_and_tell_case_apart(api: Api, acme: Organization):
    factories.tag(factories.organization(), name="summer")
    factories.tag(acme, mode="live", name="summer")
    assert api.create("tags", {"name": "summer"}).status_code == 201
    assert api.create("tags", {"name": "Summer"}).status_code == 201
    with nothing_written():
        answer = api.create("tags", {"name": "summer"})
    assert problem(answer)["meta"]["error"] == "taken"


# --- On resources --------------------------------------------------------------------------------


def test_tags_are_given_at_creation_and_replaced_whole(api: Api, acme: Organization):
    rule = factories.coupon_rule(factories.percentage_promotion(acme))
    summer, winter, vip = named(acme, "summer", "winter", "vip")
    answer = api.create("coupons", {"code": "SUMMER-01"}, "?include=tags", promotion_rule=rule, tags=[summer, vip])
    assert answer.json()["data"]["relationships"]["tags"]["data"] == [identifier(summer), identifier(vip)]
    coupon = rule.coupons.get()
    api.update(coupon, tags=[winter])
    assert names(api, coupon) == ["winter"]


def test_triggers_add_and_remove_by_name(api: Api, acme: Organization, taggable: Any):
    named(acme, "summer", "winter", "vip")
    assert api.update(taggable, {"_add_tags": "summer, vip,summer"}).status_code == 200
    assert names(api, taggable) == ["summer", "vip"]
    assert api.update(taggable, {"_add_tags": "winter", "_remove_tags": "vip"}).status_code == 200
    assert names(api, taggable) == ["summer", "winter"]
    assert api.update(taggable, {"_remove_tags": "summer,winter,vip"}).status_code == 200
    assert names(api, taggable) == []


@pytest.mark.parametrize("value", ["nope", "", " , ,", "nope,two words", "summer\0", None, False])
def test_names_that_are_no_tag_are_passed_over(api: Api, acme: Organization, taggable: Any, value: Any):
    factories.tag(factories.organization(), name="nope")
    factories.tag(acme, mode="live", name="nope")
    with nothing_written():
        answer = api.update(taggable, {"_add_tags": value, "_remove_tags": value})
    assert answer.status_code == 200


def test_a_resource_carries_ten_tags_at_most(api: Api, acme: Organization, taggable: Any):
    tags = named(acme, *(f"tag-{number}" for number in range(11)))
    assert api.update(taggable, tags=tags[:10]).status_code == 200
    linkage = {"data": [identifier(tag) for tag in tags]}
    ways = [
        lambda: api.update(taggable, tags=tags),
        lambda: api.update(taggable, {"_add_tags": "tag-10"}),
        lambda: api.patch(f"{path_of(taggable)}/relationships/tags", linkage),
        lambda: api.post(f"{path_of(taggable)}/relationships/tags", {"data": [identifier(tags[10])]}),
    ]
    for way in ways:
        with nothing_written():
            answer = way()
        assert answer.status_code == 422
        assert problem(answer)["meta"] == {"error": "too_long", "count": 10}


def test_a_tag_makes_room_for_another(api: Api, acme: Organization, taggable: Any):
    tags = named(acme, *(f"tag-{number:02}" for number in range(11)))
    api.update(taggable, tags=tags[:10])
    assert api.update(taggable, {"_add_tags": "tag-10", "_remove_tags": "tag-00"}).status_code == 200
    assert names(api, taggable) == [tag.name for tag in tags[1:]]


def test_an_organization_has_limits_of_its_own(api: Api, acme: Organization, taggable: Any):
    acme.settings = {"tags_max_allowed_number": 1, "tags_max_name_length": 3}
    acme.save()
    assert api.create("tags", {"name": "long"}).status_code == 422
    assert api.create("tags", {"name": "abc"}).status_code == 201
    tags = named(acme, "one", "two")
    assert api.update(taggable, tags=tags[:1]).status_code == 200
    assert api.update(taggable, tags=tags).status_code == 422


def test_tagging_is_told_once_and_by_name(api: Api, acme: Organization, taggable: Any):
    summer, winter = named(acme, "summer", "winter")
    before = Event.objects.count()
    api.update(taggable, tags=[winter, summer])
    with nothing_written():
        assert api.update(taggable, tags=[summer, winter]).status_code == 200
        assert api.update(taggable, {"_add_tags": "summer"}).status_code == 200
    assert Event.objects.count() == before + 1
    assert Event.objects.latest("pk").name == f"{taggable.wire_type}.tagged"
    told = Version.objects.latest("pk")
    assert (told.event, told.changes) == ("update", {"tags": [[], ["summer", "winter"]]})


def test_a_deleted_tag_is_taken_off_and_its_resources_stay(api: Api, acme: Organization, taggable: Any):
    summer, winter = named(acme, "summer", "winter")
    api.update(taggable, tags=[summer, winter])
    assert api.destroy(summer).status_code == 204
    assert names(api, taggable) == ["winter"]


def test_resources_are_found_by_their_tags(api: Api, acme: Organization, taggable: Any):
    summer, winter = named(acme, "summer", "winter")
    api.update(taggable, tags=[summer])
    kind = taggable.wire_type
    own = [taggable.public_id]
    assert api.ids(f"{kind}?filter[q][tags_id_in]={summer.public_id},{winter.public_id}") == own
    assert api.ids(f"{kind}?filter[q][tags_name_eq]=summer") == own
    assert api.ids(f"{kind}?filter[q][tags_name_eq]=winter") == []
    assert api.ids(f"{kind}?filter[q][tags_id_null]=true&filter[q][id_eq]={taggable.public_id}") == []


@pytest.mark.parametrize("trigger", ["_add_tags", "_remove_tags"])
def test_tagging_by_name_is_for_what_exists(api: Api, trigger: str):
    with nothing_written():
        answer = api.post("coupons", document("coupons", {"code": "SUMMER-01", trigger: "summer"}))
    told = [(error["code"], error["source"]["pointer"]) for error in answer.json()["errors"]]
    assert ("PARAM_NOT_ALLOWED", f"/data/attributes/{trigger}") in told
