"""Who may do what: every resource and action, for every kind of caller, allowed and denied."""

from typing import Any

import pytest
from django.http import HttpResponse

from commerce import auth, permissions
from commerce.api import registry
from commerce.auth import Owner, Session
from commerce.models import Application, Market, Organization, Role, SkuList
from commerce.models.access import ACTIONS
from tests import factories
from tests.client import Api, document, nothing_written, problem, refused
from tests.contract.contract_table import TABLE
from tests.contract.world import World

NEEDED = {"list": "read", "retrieve": "read", "create": "create", "update": "update", "destroy": "destroy"}
"""Action of the contract -> the permission it takes; in an order in which all can be done."""

CALLERS = {
    # who -> (kind, whether a role limits it)
    "integration": ("integration", False),
    "webapp": ("webapp", False),
    "integration with a role": ("integration", True),
    "webapp with a role": ("webapp", True),
}
TYPES = sorted(TABLE)


def caller(acme: Organization, who: str, permissions: Any = None) -> Api:
    kind, limited = CALLERS[who]
    role = Role.objects.create(organization=acme, name="Role", permissions=permissions) if limited else None
    return Api(factories.application(acme, kind, role=role))


def everything_but(name: str, permission: str) -> dict[str, list[str]]:
    """Permissions that leave out one action on one type."""
    allowed = {each: list(ACTIONS) for each in TABLE}
    return allowed | {name: [action for action in ACTIONS if action != permission]}


def ask(api: Api, here: World, name: str, action: str) -> HttpResponse:
    """A request of an action that is refused by nothing but permissions, or by 422 and 423 after them."""
    body = document(name, {"reference": "changed"}, None if action == "create" else here.id(name))
    requests = {
        "list": lambda: api.get(name),
        "retrieve": lambda: api.get(here.path(name)),
        "create": lambda: api.post(name, body),
        "update": lambda: api.patch(here.path(name), body),
        "destroy": lambda: api.delete(here.path(name)),
    }
    return requests[action]()


def actions(name: str) -> list[str]:
    return [action for action in NEEDED if action in TABLE[name].actions]


ALLOWED = {"list": (200,), "retrieve": (200,), "create": (201, 422), "update": (200,), "destroy": (204, 423)}


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("name", TYPES)
def test_a_permitted_action_is_done(acme: Organization, here: World, who: str, name: str):
    api = caller(acme, who, {name: sorted({NEEDED[action] for action in actions(name)})})
    for action in actions(name):
        answer = ask(api, here, name, action)
        assert answer.status_code in ALLOWED[action], (action, answer.content)


@pytest.mark.parametrize("who", [who for who, (_, limited) in CALLERS.items() if limited])
@pytest.mark.parametrize("name", TYPES)
def test_an_action_the_role_leaves_out_is_refused(acme: Organization, here: World, who: str, name: str):
    api = caller(acme, who, {})
    for action in actions(name):
        Role.objects.update(permissions=everything_but(name, NEEDED[action]))
        auth.snapshot.forget()
        with nothing_written():
            assert_unauthorized(ask(api, here, name, action))


# --- Shoppers: a sales channel alone, and whoever comes in the name of a customer -----------------

SHOPPERS = {
    # who -> (kind, whether in the name of the world's customer)
    "sales channel": ("sales_channel", False),
    "sales channel of a customer": ("sales_channel", True),
    "webapp of a customer": ("webapp", True),
}
SHOWN = "list retrieve"
OPEN = {
    # type -> (what a sales channel may do, what a customer may do)
    "organizations": ("retrieve", "retrieve"),
    "applications": ("retrieve", "retrieve"),
    "skus": (SHOWN, SHOWN),
    "sku_options": (SHOWN, SHOWN),
    "prices": (SHOWN, SHOWN),
    "bundles": (SHOWN, SHOWN),
    "sku_lists": ("retrieve", "retrieve"),
    "customers": ("create", "list retrieve update"),
    "addresses": ("create", "list retrieve create update"),
    "customer_addresses": ("", "list retrieve create update destroy"),
}
PROHIBITED = {
    "customers": ["_add_tags", "_remove_tags", "tags", "_request_anonymization", "_cancel_anonymization"],
    "addresses": ["_add_tags", "_remove_tags", "tags"],
}


def shopper(acme: Organization, here: World, who: str, role: Role | None = None) -> Api:
    """A shopper in the world, whose market is open and whose list is nobody's."""
    kind, has_owner = SHOPPERS[who]
    Market.objects.update(disabled_at=None, customer_group=None)
    SkuList.objects.update(customer=None)
    owner = Owner("Customer", here.rows["customers"].pk) if has_owner else None
    return Api(factories.application(acme, kind, role=role), Session(owner))


def is_open(who: str, name: str, action: str) -> bool:
    return action in OPEN.get(name, ("", ""))[SHOPPERS[who][1]].split()


def opened(who: str) -> list[tuple[str, str]]:
    return [(name, action) for name in TYPES for action in actions(name) if is_open(who, name, action)]


@pytest.mark.parametrize(("who", "name", "action"), [(who, *pair) for who in SHOPPERS for pair in opened(who)])
def test_what_is_open_to_a_shopper_is_done(acme: Organization, here: World, who: str, name: str, action: str):
    answer = ask(shopper(acme, here, who), here, name, action)
    assert answer.status_code in ALLOWED[action], answer.content


@pytest.mark.parametrize("who", SHOPPERS)
@pytest.mark.parametrize("name", TYPES)
def test_what_is_not_open_to_shoppers_no_role_opens(acme: Organization, here: World, who: str, name: str):
    role = Role.objects.create(organization=acme, name="Everything", permissions=everything_but("", ""))
    api = shopper(acme, here, who, role)
    for action in actions(name):
        if not is_open(who, name, action):
            with nothing_written():
                assert_unauthorized(ask(api, here, name, action))


@pytest.mark.parametrize(
    ("who", "name"), [(who, name) for who in SHOPPERS for name in OPEN if is_open(who, name, "retrieve")]
)
def test_nothing_leads_a_shopper_to_a_type_that_is_closed(acme: Organization, here: World, who: str, name: str):
    api = shopper(acme, here, who)
    for relation, facts in TABLE[name].relationships.items():
        can_list = is_open(who, facts.target, "list")
        may = can_list if facts.many else is_open(who, facts.target, "retrieve")
        path = here.path(name)
        assert_if(may, api.get(f"{path}/{relation}"))
        assert_if(may, api.get(f"{path}/relationships/{relation}"))
        if "-" not in facts.flags:
            assert_if(may, api.get(f"{path}?include={relation}"))
        if is_open(who, name, "list"):
            if "f" in facts.flags:
                assert_if(can_list, api.get(f"{name}?filter[q][{relation}_reference_eq]=x"))
            if "s" in facts.flags:
                assert_if(can_list, api.get(f"{name}?sort={relation}.created_at"))


def assert_if(may: bool, answer: HttpResponse) -> None:
    if may:
        assert answer.status_code == 200, answer.content
    else:
        assert_unauthorized(answer)


@pytest.mark.parametrize(
    ("name", "member"), [(name, member) for name, members in PROHIBITED.items() for member in members]
)
def test_what_shoppers_may_not_pass_is_not_allowed(acme: Organization, here: World, name: str, member: str):
    api = shopper(acme, here, "sales channel of a customer")
    place = "relationships" if member == "tags" else "attributes"
    given: Any = {"relationships": {"tags": {"data": []}}} if member == "tags" else {"attributes": {member: True}}
    body = {"data": {"type": name, "id": here.id(name), **given}}
    with nothing_written():
        answer = api.patch(here.path(name), body)
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/{place}/{member}"})
        if member == "tags":
            answer = api.patch(f"{here.path(name)}/relationships/tags", {"data": []})
            assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/relationships/tags"})


def test_the_table_names_what_there_is_and_what_is_still_to_come():
    named = {name for name in permissions.TABLE if name in registry}
    assert named == {*OPEN, "markets"}
    later = {"orders", "line_items", "gift_cards"}
    assert permissions.TABLE.keys() - named - {"evaluations"} == later


@pytest.mark.parametrize("name", TYPES)
def test_without_a_token_nothing_is_answered(here: World, name: str):
    for action in actions(name):
        with nothing_written():
            answer = ask(Api(None), here, name, action)
        assert refused(answer) == (401, "INVALID_TOKEN", None)


def assert_unauthorized(answer: HttpResponse) -> None:
    assert refused(answer) == (401, "UNAUTHORIZED", None)
    assert problem(answer)["title"] == "Access denied"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


# --- What a role leaves out is not reached by a detour -----------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_what_may_not_be_read_is_neither_related_nor_included_nor_filtered_nor_sorted_by(
    acme: Organization, here: World, name: str
):
    api = caller(acme, "integration with a role", {})
    for relation, facts in TABLE[name].relationships.items():
        Role.objects.update(permissions=everything_but(facts.target, "read"))
        auth.snapshot.forget()
        assert_unauthorized(api.get(f"{here.path(name)}/{relation}"))
        assert_unauthorized(api.get(f"{here.path(name)}/relationships/{relation}"))
        if "-" not in facts.flags:
            assert_unauthorized(api.get(f"{here.path(name)}?include={relation}"))
        if "f" in facts.flags:
            assert_unauthorized(api.get(f"{name}?filter[q][{relation}_reference_eq]=x"))
        if "s" in facts.flags:
            assert_unauthorized(api.get(f"{name}?sort={relation}.created_at"))


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_a_relationship_takes_the_permission_to_update(acme: Organization, here: World, method: str):
    api = caller(acme, "integration with a role", everything_but("coupons", "update"))
    with nothing_written():
        assert_unauthorized(api.request(method, f"{here.path('coupons')}/relationships/tags", {"data": []}))


def test_a_relationship_takes_the_permission_to_read(acme: Organization, here: World):
    api = caller(acme, "integration with a role", everything_but("coupons", "read"))
    assert_unauthorized(api.get(f"{here.path('coupons')}/relationships/tags"))
    assert_unauthorized(api.get(f"{here.path('coupons')}/tags"))


@pytest.mark.parametrize("query", ["", "?include=promotion_rule"])
def test_a_refusal_comes_before_what_is_wrong_with_the_request(acme: Organization, here: World, query: str):
    api = Api(factories.application(acme, Application.Kind.SALES_CHANNEL))
    with nothing_written():
        assert_unauthorized(api.post(f"coupons{query}", b"{"))
        assert_unauthorized(api.get("coupons/ABCDEFGHIJ"))
