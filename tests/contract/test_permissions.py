"""Who may do what: every resource and action, for every kind of caller, allowed and denied."""

from typing import Any

import pytest
from django.http import HttpResponse

from commerce import auth, permissions
from commerce.api import registry
from commerce.auth import Owner, Session
from commerce.models import (
    Address,
    Application,
    GiftCard,
    Market,
    Order,
    Organization,
    PaymentMethod,
    Role,
    ShippingMethod,
    SkuList,
)
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
PARTS = "retrieve create update destroy"
OPEN = {
    # type -> (what a sales channel may do, what a customer may do)
    "organizations": ("retrieve", "retrieve"),
    "applications": ("retrieve", "retrieve"),
    "markets": ("related", "related"),
    "stock_locations": ("related", "related"),
    "shipping_categories": ("related", "related"),
    "skus": (SHOWN, SHOWN),
    "sku_options": (SHOWN, SHOWN),
    "prices": (SHOWN, SHOWN),
    "bundles": (SHOWN, SHOWN),
    "sku_lists": ("retrieve", "retrieve"),
    "customers": ("related create", "list retrieve update"),
    "addresses": ("retrieve create update", "list retrieve create update"),
    "customer_addresses": ("related", "list retrieve create update destroy"),
    "payment_methods": ("related retrieve", "related retrieve"),
    "shipping_methods": ("related retrieve", "related retrieve"),
    "orders": ("retrieve create update", "list retrieve create update"),
    "line_items": (f"related {PARTS}", f"list {PARTS}"),
    "line_item_options": (f"related {PARTS}", f"list {PARTS}"),
    "shipments": ("related retrieve update", "list retrieve update"),
    "resource_errors": ("related", "related"),
    "gift_cards": ("retrieve create update", "retrieve create update"),
    "gift_card_recipients": ("related", "related"),
}
BY_ID = {"orders", "line_items", "line_item_options", "shipments", "resource_errors"}
"""What whoever is no customer reaches if it knows the id, and only then."""
TAGS = ["_add_tags", "_remove_tags", "tags"]
PROHIBITED = {
    "customers": [*TAGS, "_request_anonymization", "_cancel_anonymization"],
    "addresses": TAGS,
    "gift_cards": [
        *TAGS,
        *("code", "expires_at", "_purchase", "_activate", "_deactivate", "_balance_change_cents"),
    ],
    "orders": [
        *TAGS,
        *("number", "_pending", "_approve", "_approve_and_capture", "_capture", "_refund", "_fulfill"),
        *("_fix_payment_source", "_refresh_prices", "_start_editing", "_stop_editing", "_reset_circuit"),
        *("expires_at", "expiration_info"),
    ],
    "line_items": [
        *TAGS,
        *("unit_amount_cents", "options_amount_cents", "_reserve_stock", "_reset_restocked_quantity", "_reset_circuit"),
    ],
    "line_item_options": [*TAGS, "unit_amount_cents"],
    "shipments": [
        *TAGS,
        *("number", "_upcoming", "_cancel", "_on_hold", "_picking", "_packing", "_ready_to_ship", "_ship", "_deliver"),
        *("_reserve_stock", "_release_stock", "_decrement_stock", "shipping_category"),
    ],
}


def shopper(acme: Organization, here: World, who: str, role: Role | None = None) -> Api:
    """A shopper in the world, whose market is open, whose list is nobody's, and what is bought in it the shopper's."""
    kind, has_owner = SHOPPERS[who]
    customer = here.rows["customers"].pk
    Market.objects.update(disabled_at=None, customer_group=None)
    SkuList.objects.update(customer=None)
    PaymentMethod.objects.update(disabled_at=None)
    ShippingMethod.objects.update(disabled_at=None)
    GiftCard.objects.update(status=GiftCard.Status.DRAFT)
    Order.objects.update(customer=customer, guest=True, placed_at=None)
    Address.objects.update(of_guest=True)
    owner = Owner("Customer", customer) if has_owner else None
    return Api(factories.application(acme, kind, role=role), Session(owner))


def is_open(who: str, name: str, action: str) -> bool:
    """To see what is related to something that is seen is open as well to who may list it."""
    open_actions = OPEN.get(name, ("", ""))[SHOPPERS[who][1]].split()
    return action in open_actions or (action == "related" and "list" in open_actions)


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
    ("who", "name"), [(who, name) for who in SHOPPERS for name in TYPES if is_open(who, name, "retrieve")]
)
def test_nothing_leads_a_shopper_to_a_type_that_is_closed(acme: Organization, here: World, who: str, name: str):
    api = shopper(acme, here, who)
    for relation, facts in TABLE[name].relationships.items():
        can_list = is_open(who, facts.target, "list")
        may = is_open(who, facts.target, "related") or (not facts.many and is_open(who, facts.target, "retrieve"))
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


@pytest.mark.parametrize(("name", "member"), [(name, member) for name in TYPES for member in PROHIBITED.get(name, [])])
def test_what_shoppers_may_not_pass_is_not_allowed(acme: Organization, here: World, name: str, member: str):
    api = shopper(acme, here, "sales channel of a customer")
    facts = TABLE[name].relationships.get(member)
    place = "relationships" if facts else "attributes"
    linkage: Any = {"data": [] if facts and facts.many else None}
    given: Any = {"relationships": {member: linkage}} if facts else {"attributes": {member: True}}
    body = {"data": {"type": name, "id": here.id(name), **given}}
    with nothing_written():
        answer = api.patch(here.path(name), body)
        assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/{place}/{member}"})
        if facts:
            answer = api.patch(f"{here.path(name)}/relationships/{member}", linkage)
            assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/relationships/{member}"})


def test_the_table_names_what_there_is():
    assert permissions.TABLE.keys() == {*OPEN, "evaluations"}
    assert PROHIBITED.keys() <= OPEN.keys()


@pytest.mark.parametrize("name", sorted(name for name in BY_ID if name in registry))
def test_what_is_reached_by_its_id_alone_is_related_to_nothing_that_is_found_without(name: str):
    """Else whoever sees what everybody sees would see everybody's orders there."""
    assert not is_open("sales channel", name, "list")
    leading = {
        resource.type
        for resource in registry
        for relation in resource.relations.values()
        if (relation.many, relation.target) == (True, name) and is_open("sales channel", resource.type, "retrieve")
    }
    assert not is_open("sales channel", name, "related") or leading <= BY_ID


# --- Without a token ------------------------------------------------------------------------------


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
        if "*" in facts.flags:
            assert_left_out(api.get(f"{here.path(name)}?include={relation}"), relation)
        elif "-" not in facts.flags:
            assert_unauthorized(api.get(f"{here.path(name)}?include={relation}"))
        if "f" in facts.flags:
            assert_unauthorized(api.get(f"{name}?filter[q][{relation}_reference_eq]=x"))
        if "s" in facts.flags:
            assert_unauthorized(api.get(f"{name}?sort={relation}.created_at"))


def assert_left_out(answer: HttpResponse, relation: str) -> None:
    """What may be of any type is included as far as it may be read."""
    told = answer.json()
    assert (told["data"]["relationships"][relation]["data"], told["included"]) == (None, [])


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
