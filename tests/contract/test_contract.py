"""What every resource and relationship of the registry keeps to, generated over all of them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from commerce.api import registry
from commerce.jsonapi.query import MOST_INCLUDES
from commerce.models import Organization, Shipment
from coupons.models import Coupon
from tests import factories
from tests.client import Api, document, linkage, nothing_written, refused, statements, stored
from tests.contract.conftest import Made, copied
from tests.contract.contract_table import ABSENT, SKU_CODE_SCOPES, TABLE
from tests.contract.world import World, world
from tests.factories import NOW

TYPES = sorted(TABLE)
LISTED = [name for name in TYPES if "list" in TABLE[name].actions]
CREATED = [name for name in TYPES if "create" in TABLE[name].actions and not TABLE[name].has_own_form]
UPDATED = [name for name in TYPES if "update" in TABLE[name].actions]
RELATIONS = [(name, relation) for name in TYPES for relation in TABLE[name].relationships]
OF_CREATED = [(name, relation) for name, relation in RELATIONS if name in CREATED]
WRITABLE = [(name, relation) for name, relation in OF_CREATED if "c" in TABLE[name].relationships[relation].flags]
READ_ONLY = [pair for pair in OF_CREATED if pair not in WRITABLE]
LEADING_NOWHERE = {(name, "event_stores") for name in ("events", "versions", "organizations")}
"""Relationships of what is not itself told in versions."""

SAMPLES: dict[str, tuple[Any, Any]] = {
    "code": ("SUMMER-2026", "WINTER-2026"),
    "customer_single_use": (True, False),
    "usage_limit": (5, 6),
    "recipient_email": ("ada@example.com", "bob@example.com"),
    "email": ("ada@example.com", "bob@example.com"),
    "password": ("correct horse", "battery staple"),
    "first_name": ("Ada", "Bob"),
    "last_name": ("Lovelace", "Dylan"),
    "name": ("summer", "winter"),
    "description": ("warm", "cold"),
    "image_url": ("https://example.com/1.png", "https://example.com/2.png"),
    "facebook_pixel_id": ("1", "2"),
    "checkout_url": ("https://example.com/1", "https://example.com/2"),
    "external_prices_url": ("https://example.com/1", "https://example.com/2"),
    "external_order_validation_url": ("https://example.com/1", "https://example.com/2"),
    "external_includes": (["order.customer"], ["order.line_items", "order.market"]),
    "shipping_cost_cutoff": (3, 4),
    "tax_included": (False, True),
    "rules": (factories.flex_rules(id="first"), factories.flex_rules(0.2, id="second")),
    "processed_at": ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
    "sku_code": ("FIRST-SKU", "SECOND-SKU"),
    "amount_cents": (1000, 2000),
    "compare_at_amount_cents": (1000, 2000),
    "price_amount_cents": (1000, 0),
    "free_over_amount_cents": (1000, 2000),
    "auto_capture_max_amount_cents": (1000, 2000),
    "up_to": (5, None),
    "pieces_per_pack": (6, 12),
    "weight": (300, 12.345678),
    "min_weight": (0, 0.5),
    "max_weight": (300, 12.345678),
    "unit_of_weight": ("gr", "lb"),
    "hs_tariff_number": ("1", "2"),
    "do_not_ship": (True, False),
    "do_not_track": (True, False),
    "manual": (True, True),
    "sku_code_regex": (None, None),
    "position": (3, -1),
    "quantity": (2, 3),
    "delay_hours": (24, 36),
    "distribute_discount": (False, True),
    "options": ({"text": "Ada"}, {"text": "Bob"}),
    "number": ("ORDER", "CHANGED"),
    "affiliate_code": ("a", "b"),
    "autorefresh": (False, True),
    "place_async": (True, False),
    "guest": (True, False),
    "customer_password": ("correct horse", "battery staple"),
    "language_code": ("it", "de"),
    "freight_taxable": (True, False),
    "payment_method_taxable": (True, False),
    "adjustment_taxable": (True, False),
    "gift_card_taxable": (True, False),
    "shipping_country_code_lock": ("IT", None),
    "coupon_code": ("FIRST-COUPON", "SECOND-COUPON"),
    "gift_card_code": ("FIRST-CARD", "SECOND-CARD"),
    "gift_card_or_coupon_code": ("FIRST-CARD", "SECOND-CARD"),
    "cart_url": ("https://example.com/1", "https://example.com/2"),
    "return_url": ("https://example.com/1", "https://example.com/2"),
    "terms_url": ("https://example.com/1", "https://example.com/2"),
    "privacy_url": ("https://example.com/1", "https://example.com/2"),
    "_authorization_amount_cents": (1000, 2000),
    "_customer_payment_source_id": ("AAAAAAAAAA", "BBBBBBBBBB"),
    "expiration_info": ({"a": 1}, {"b": [2]}),
    "_external_price": (True, True),
    "_update_quantity": (True, True),
    "_reserve_stock": (True, True),
    "_reset_restocked_quantity": (True, True),
    "unit_amount_cents": (1000, 0),
    "options_amount_cents": (100, 200),
    "item_type": ("skus", "skus"),
    "frequency": ("monthly", "weekly"),
    "balance_cents": (5000, 6000),
    "balance_max_cents": (10_000, 20_000),
    "single_use": (True, False),
    "rechargeable": (False, True),
    "_balance_change_cents": (100, -100),
    "shopper_reference": ("a", "b"),
    "profile_id": ("a", "b"),
    "tax_exemption_code": ("a", "b"),
    "customer_email": ("first@example.com", "second@example.com"),
    "business": (False, True),
    "company": ("Acme", "Umbrella"),
    "line_1": ("Piazza Grande 1", "Main Street 2"),
    "line_2": ("A", "B"),
    "city": ("Modena", "Oslo"),
    "zip_code": ("41121", "0150"),
    "state_code": ("MO", "OS"),
    "country_code": ("IT", "NO"),
    "phone": ("+39 059 1234", "+47 1234"),
    "notes": ("Ring twice", "Leave it"),
    "lat": (44.6471, -90),
    "lng": (10.9252, 180),
    "billing_info": ("a", "b"),
    "scheme": ("external", "flat"),
    "tax_code": ("a", "b"),
    "country_code_regex": ("IT|NO", "^I"),
    "not_country_code_regex": ("IT|NO", "^I"),
    "state_code_regex": ("IT|NO", "^I"),
    "not_state_code_regex": ("IT|NO", "^I"),
    "zip_code_regex": ("IT|NO", "^I"),
    "not_zip_code_regex": ("IT|NO", "^I"),
    "label_format": ("ZPL", "PNG"),
    "suppress_etd": (True, False),
    "payment_source_type": ("wire_transfers", "stripe_payments"),
    "moto": (True, False),
    "require_capture": (False, True),
    "auto_place": (True, False),
    "auto_capture": (True, False),
    "force_payments": (True, False),
    "currency_code": ("EUR", "USD"),
    "exclusive": (True, False),
    "release_on_cancel": (False, True),
    "note": ("For us", "For you"),
    "exclusive_by_size": (True, False),
    "customer_usage_limit": (2, None),
    "discounts_per_redemption": (3, None),
    "restrictions": ([{"type": "customers", "names": ["c-1"]}], [{"type": "countries", "country_codes": ["IT"]}]),
    "discount_context": ("shipping", "items_and_shipping"),
    "declining_balance": (True, False),
    "whole_order": (True, False),
    "applies_to_count": (2, None),
    "max_per_coupon": (2, 0),
    "priority": (1, 2),
    "starts_at": ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
    "expires_at": ("2027-01-01T00:00:00.000Z", "2027-02-01T00:00:00.000Z"),
    "total_usage_limit": (5, 6),
    "percentage": (10, 12.5),
    "fixed_amount_cents": (1000, 2000),
    "order_amount_cents": (1000, 2000),
    "use_subtotal": (True, False),
    "x": (5, 4),
    "y": (3, 2),
    "cheapest_free": (True, False),
    "max_quantity": (2, 3),
    "promotion_url": ("https://promo.example/1", "https://promo.example/2"),
    "all_skus": (True, False),
    "min_quantity": (2, 3),
    "filters": ({"currency_code_eq": "EUR"}, {"subtotal_amount_cents_gteq": 5000, "currency_code_in": "EUR,USD"}),
    "reference": ("first", "second"),
    "reference_origin": ("erp", "shop"),
    "metadata": ({"a": 1}, {"b": [2]}),
}
"""What each attribute is created with, and updated to."""
IDS_OF = {"_billing_address_clone_id": "addresses", "_shipping_address_clone_id": "addresses"}
"""Attributes that take the id of a row."""
UNIQUE = {"code", "email", "number"}
"""Attributes that two rows cannot share; they are numbered."""
INSTEAD = {
    "coupon_recipient": "recipient_email",
    "gift_card_recipient": "recipient_email",
    "sku": "sku_code",
    "item": "sku_code",
    "bundle": "bundle_code",
    "customer": "customer_email",
}
"""Relationships that an attribute may set."""
OTHERWISE = {
    # A line stands for one thing, which here is a SKU.
    ("line_items", "bundle_code"),
    # A number stays unless the organization says otherwise, and a customer signs up once.
    ("orders", "number"),
    ("orders", "customer_password"),
}
"""Attributes of a type that cannot be given beside the others, or changed as they can."""
EXTRA = {
    "fixed_amount_promotions": ["currency_code"],
    "fixed_price_promotions": ["currency_code"],
    "bundles": ["currency_code"],
    "sku_options": ["currency_code"],
    "shipping_methods": ["currency_code"],
    "payment_methods": ["currency_code"],
    "gift_cards": ["currency_code"],
    "addresses": ["first_name", "last_name", "zip_code"],
}
"""What else is required of a row that holds nothing that would do instead."""
READY: dict[tuple[str, str], dict[str, Any]] = {
    **{("shipments", f"_{step}"): {"status": possible_from[0]} for step, (_, possible_from) in Shipment.STEPS.items()},
    ("orders", "_pending"): {"status": "draft"},
    ("orders", "_place"): {"status": "pending", "placed_at": None, "coupon_code": None},
    ("orders", "_cancel"): {"status": "placed", "placed_at": NOW},
    ("orders", "_approve"): {"status": "placed"},
    ("orders", "_approve_and_capture"): {"status": "placed", "payment_status": "authorized"},
    ("orders", "_capture"): {"status": "approved", "payment_status": "authorized"},
    ("orders", "_refund"): {"payment_status": "paid"},
    ("orders", "_fulfill"): {"status": "approved", "fulfillment_status": "unfulfilled"},
    ("orders", "_start_editing"): {"status": "placed"},
    ("orders", "_stop_editing"): {"status": "editing", "coupon_code": None, "place_total_amount_cents": 1_000_000},
    ("orders", "_shipping_address_same_as_billing"): {"status": "pending"},
    ("orders", "_billing_address_same_as_shipping"): {"status": "pending"},
    ("redemptions", "_commit"): {"state": "reserved", "reserved_until": NOW + timedelta(minutes=1)},
    ("redemptions", "_cancel"): {"state": "committed"},
    ("gift_cards", "_purchase"): {"status": "draft"},
    ("gift_cards", "_activate"): {"status": "inactive"},
    ("gift_cards", "_deactivate"): {"status": "active"},
}
"""What a row must be for a trigger to be taken, where not every row will do."""
_numbers = count(1)

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
IS_OF_TYPE: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "datetime": lambda value: isinstance(value, str) and INSTANT.fullmatch(value) is not None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


@pytest.fixture
def here(here: World, acme: Organization) -> World:
    make_what_samples_name(acme)
    return here


def make_what_samples_name(owner: Organization) -> None:
    """What some samples name by its code or e-mail."""
    rule = factories.coupon_rule(factories.percentage_promotion(owner))
    for index in range(2):
        factories.sku(owner, code=SAMPLES["sku_code"][index])
        factories.customer(owner, email=SAMPLES["customer_email"][index])
        factories.coupon(rule, code=SAMPLES["coupon_code"][index])
        factories.gift_card(owner, code=SAMPLES["gift_card_code"][index])


def shown(api: Api, here: World, name: str) -> dict[str, Any]:
    """The row of a type as it answers, which for an umbrella is its concrete type."""
    return api.data(here.path(name))


# --- Names ---------------------------------------------------------------------------------------


def test_the_registry_and_the_table_name_the_same_types():
    assert sorted(resource.type for resource in registry) == TYPES
    assert {resource.type: resource.path for resource in registry} == {name: TABLE[name].path or name for name in TYPES}


def test_what_is_absent_is_what_the_contract_has_and_nobody_registered():
    names = {resource.type: {*resource.absent} for resource in registry if resource.absent}
    assert names == {name: {*relations} for name, relations in ABSENT.items()}
    for relations in ABSENT.values():
        assert [name for name in relations if name in registry] == []


@pytest.mark.parametrize("name", TYPES)
def test_the_readable_attributes_are_shown_in_their_types(api: Api, here: World, name: str):
    resource = shown(api, here, name)
    table = TABLE[resource["type"]].attributes
    assert sorted(resource["attributes"]) == sorted(TABLE[resource["type"]].flagged("r"))
    for attribute, value in resource["attributes"].items():
        assert value is None or IS_OF_TYPE[table[attribute].type](value), (attribute, value)


@pytest.mark.parametrize("name", LISTED)
def test_no_attribute_of_the_world_is_empty(api: Api, here: World, name: str):
    resource = shown(api, here, name)
    empty = TABLE[resource["type"]].flagged("0")
    assert [attribute for attribute, value in resource["attributes"].items() if value in (None, "", {})] == empty


@pytest.mark.parametrize("name", TYPES)
def test_the_relationships_are_shown_and_their_links_answer(api: Api, here: World, name: str):
    resource = shown(api, here, name)
    assert api.data(resource["links"]["self"]) == resource
    relationships = resource.get("relationships", {})
    told = TABLE[resource["type"]].relationships
    assert sorted(relationships) == sorted([*told, *ABSENT.get(resource["type"], ())])
    for relation in told:
        served = relationships[relation]
        related, linked = api.data(served["links"]["related"]), api.data(served["links"]["self"])
        assert isinstance(related, list) == isinstance(linked, list) == told[relation].many, relation
        assert identifiers(related) == identifiers(linked), relation
        assert bool(related) != ((name, relation) in LEADING_NOWHERE), relation


def identifiers(data: Any) -> list[dict[str, str]]:
    resources = data if isinstance(data, list) else [data]
    return [{"type": resource["type"], "id": resource["id"]} for resource in resources]


# --- Actions -------------------------------------------------------------------------------------

METHODS = {
    ("collection", "GET"): "list",
    ("collection", "POST"): "create",
    ("member", "GET"): "retrieve",
    ("member", "PATCH"): "update",
    ("member", "DELETE"): "destroy",
}


@pytest.mark.parametrize("name", TYPES)
def test_actions_the_contract_has_not_are_405(api: Api, here: World, name: str):
    for (shape, method), action in METHODS.items():
        if action in TABLE[name].actions or (shape == "collection" and registry[name].singleton):
            continue
        path = here.path(name) if shape == "member" else name
        with nothing_written():
            answer = api.request(method, path, document(name, {"reference": "changed"}, here.id(name)))
        assert refused(answer) == (405, "METHOD_NOT_ALLOWED", None), action
        assert method not in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("name", sorted(set(TYPES) - set(UPDATED)))
def test_relationships_of_what_cannot_be_updated_are_405(api: Api, here: World, name: str):
    for relation in TABLE[name].relationships:
        for method in ("PATCH", "POST", "DELETE"):
            with nothing_written():
                answer = api.request(method, f"{here.path(name)}/relationships/{relation}", {"data": []})
            assert refused(answer) == (405, "METHOD_NOT_ALLOWED", None), (relation, method)


# --- Writing attributes --------------------------------------------------------------------------


def target_for(name: str, relation: str, acme: Organization) -> Any:
    """Something the relationship of a new row may hold."""
    facts = TABLE[name].relationships[relation]
    return [made(facts.target, acme) for _ in range(2)] if facts.many else made(facts.target, acme)


def made(name: str, acme: Organization) -> Any:
    """A new row of a type."""
    factory = getattr(factories, SINGULAR.get(name, name.removesuffix("s")))
    return factory(*[made(parent, acme) for parent in PARENTS[name]] if name in PARENTS else [acme])


SINGULAR = {
    "promotions": "fixed_amount_promotion",
    "coupon_codes_promotion_rules": "coupon_rule",
    "order_amount_promotion_rules": "order_amount_rule",
    "sku_list_promotion_rules": "sku_list_rule",
    "custom_promotion_rules": "custom_rule",
    "coupon_recipients": "recipient",
    "addresses": "address",
    "shipping_categories": "shipping_category",
    "price_tiers": "price_volume_tier",
}
"""Names of factories."""
PARENTS = {
    "coupon_codes_promotion_rules": ["promotions"],
    "order_amount_promotion_rules": ["promotions"],
    "sku_list_promotion_rules": ["promotions"],
    "custom_promotion_rules": ["promotions"],
    "coupons": ["coupon_codes_promotion_rules"],
    "prices": ["skus", "price_lists"],
    "price_tiers": ["prices"],
    "line_items": ["orders"],
    "line_item_options": ["line_items"],
}
"""What a factory wants, if not the organization."""


def creatable(name: str) -> dict[str, Any]:
    """A value for everything the contract lets be created, none of them taken."""
    given = [attribute for attribute in TABLE[name].flagged("c") if attribute not in TABLE[name].flagged("-")]
    attributes = {attribute: SAMPLES[attribute][0] for attribute in given if (name, attribute) not in OTHERWISE}
    return attributes | {
        attribute: f"{next(_numbers)}-{attributes[attribute]}" for attribute in attributes.keys() & UNIQUE
    }


def new(
    api: Api, acme: Organization, name: str, attributes: dict[str, Any] | None = None, **relationships: Any
) -> dict[str, Any]:
    """What a POST of everything the contract lets be created answers with."""
    attributes = attributes or creatable(name)
    for relation, attribute in INSTEAD.items():
        if relation in relationships:
            attributes.pop(attribute, None)
    for relation, facts in TABLE[name].relationships.items():
        if "!" in facts.flags and relation not in relationships and INSTEAD.get(relation) not in attributes:
            relationships[relation] = target_for(name, relation, acme)
    answer = api.create(name, attributes, **relationships)
    assert answer.status_code == 201, answer.content
    return answer.json()["data"]


@pytest.mark.parametrize("name", CREATED)
def test_creatable_attributes_are_taken_at_creation(api: Api, acme: Organization, here: World, name: str):
    expected = creatable(name)
    written = new(api, acme, name, dict(expected))["attributes"]
    readable = expected.keys() & TABLE[name].flagged("r")
    assert {each: written[each] for each in readable} == {each: expected[each] for each in readable}


@pytest.mark.parametrize("name", UPDATED)
def test_updatable_attributes_are_taken_by_an_update(api: Api, acme: Organization, here: World, name: str):
    public_id = new(api, acme, name)["id"] if name in CREATED else here.id(name)
    for attribute in TABLE[name].flagged("u"):
        if (name, attribute) in OTHERWISE:
            continue
        value = here.id(IDS_OF[attribute]) if attribute in IDS_OF else SAMPLES[attribute][1]
        answer = api.patch(f"{name}/{public_id}", document(name, {attribute: value}, public_id))
        if attribute in TABLE[name].flagged("-"):
            assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{attribute}"})
            continue
        assert answer.status_code == 200, answer.content
        wanted = {attribute: value} if "r" in TABLE[name].attributes[attribute].flags else {}
        for attributes in (answer.json()["data"]["attributes"], api.data(f"{name}/{public_id}")["attributes"]):
            assert {each: attributes[each] for each in attributes.keys() & {attribute}} == wanted


def not_allowed(attribute: str) -> tuple[int, str, Any]:
    return (400, "PARAM_NOT_ALLOWED", {"pointer": f"/data/attributes/{attribute}"})


@pytest.mark.parametrize("name", UPDATED)
def test_other_attributes_are_refused_and_written_nowhere(api: Api, here: World, name: str):
    settable = {flag: {*TABLE[name].flagged(flag)} for flag in "cu"}
    with nothing_written():
        for attribute in {"id", "type", "revision", "organization_id", "mode", *TABLE[name].attributes}:
            body = document(name, {"reference": "changed", attribute: 1}, here.id(name))
            if attribute not in settable["u"]:
                assert refused(api.patch(here.path(name), body)) == not_allowed(attribute)
            if attribute not in settable["c"] and name in CREATED:
                answer = api.create(name, creatable(name) | {attribute: 1})
                assert not_allowed(attribute) in [
                    (int(each["status"]), each["code"], each["source"]) for each in answer.json()["errors"]
                ]


@pytest.mark.parametrize("name", CREATED)
def test_required_attributes_are_required(api: Api, acme: Organization, here: World, name: str):
    required = TABLE[name].flagged("!")
    relations = [relation for relation, facts in TABLE[name].relationships.items() if "!" in facts.flags]
    with nothing_written():
        absent = api.create(name)
    told = {each["source"]["pointer"]: each["meta"]["error"] for each in absent.json().get("errors", [])}
    pointers = [
        *(f"/data/attributes/{attribute}" for attribute in required),
        *(f"/data/relationships/{relation}" for relation in relations),
    ]
    extra = [f"/data/attributes/{attribute}" for attribute in EXTRA.get(name, [])]
    assert told == dict.fromkeys([*pointers, *extra], "blank") if pointers else absent.status_code == 201
    public_id = new(api, acme, name)["id"]
    for attribute in required:
        with nothing_written():
            answer = api.patch(f"{name}/{public_id}", document(name, {attribute: None}, public_id))
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{attribute}"})


# --- Triggers ------------------------------------------------------------------------------------

FIRED = {"flag": (True, "1", 1, "true"), "text": ("summer",)}
IDLE = (False, None, "", "false", "0", 0)


@pytest.mark.parametrize("name", UPDATED)
def test_triggers_are_taken_where_the_contract_takes_them(api: Api, acme: Organization, here: World, name: str):
    for trigger, facts in TABLE[name].triggers.items():
        for value in (*FIRED[facts.type], *IDLE):
            make_ready(here, name, trigger)
            answer = api.patch(here.path(name), document(name, {trigger: value}, here.id(name)))
            if "-" in facts.flags and value not in IDLE:
                assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{trigger}"})
                continue
            assert answer.status_code == 200, (trigger, value, answer.content)
            assert trigger not in answer.json()["data"]["attributes"]


def make_ready(here: World, name: str, trigger: str) -> None:
    """Lets the row of the world be such that the trigger may be fired."""
    if (name, trigger) == ("orders", "_cancel"):
        Shipment.objects.update(status=Shipment.Status.DRAFT)  # what is on its way is not cancelled
    row = here.rows[name]
    if values := READY.get((name, trigger)):
        type(row).objects.filter(pk=row.pk).update(**values)


@pytest.mark.parametrize("name", CREATED)
def test_triggers_are_taken_at_creation_where_the_contract_does(api: Api, acme: Organization, here: World, name: str):
    held_by_world = {
        relation: here.rows[facts.target]
        for relation, facts in TABLE[name].relationships.items()
        if "!" in facts.flags or (name, relation) == ("bundles", "market")
    }
    for trigger, facts in TABLE[name].triggers.items():
        before = stored()
        answer = api.create(name, creatable(name) | {trigger: FIRED[facts.type][0]}, **held_by_world)
        if "c" in facts.flags:
            assert answer.status_code == 201, answer.content
        else:
            assert refused(answer) == not_allowed(trigger)
            assert stored() == before


@pytest.mark.parametrize("name", UPDATED)
def test_a_trigger_that_does_not_fire_writes_nothing(api: Api, here: World, name: str):
    assert api.patch(here.path(name), document(name, {}, here.id(name))).status_code == 200  # works out what follows
    with nothing_written():
        for trigger in TABLE[name].triggers:
            for value in IDLE:
                assert api.patch(here.path(name), document(name, {trigger: value}, here.id(name))).status_code == 200


@pytest.mark.parametrize("name", UPDATED)
def test_a_trigger_of_a_wrong_type_is_422(api: Api, here: World, name: str):
    for trigger in TABLE[name].triggers:
        for value in (5, [], {}, ["x"], 1.5):
            with nothing_written():
                answer = api.patch(here.path(name), document(name, {trigger: value}, here.id(name)))
            assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{trigger}"}), value


# --- Writing relationships -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "relation"), WRITABLE)
def test_relationships_are_set_where_the_contract_says_so(
    api: Api, acme: Organization, here: World, name: str, relation: str
):
    by_post, by_patch, by_relationship = (target_for(name, relation, acme) for _ in range(3))
    path = f"{name}/{new(api, acme, name, **{relation: by_post})['id']}"
    assert held(api, path, relation) == linkage(by_post)

    public_id = new(api, acme, name)["id"]
    answer = api.patch(f"{name}/{public_id}", document(name, {}, public_id, **{relation: by_patch}))
    if "u" not in TABLE[name].relationships[relation].flags:
        assert refused(answer) == (403, "FORBIDDEN", {"pointer": f"/data/relationships/{relation}"})
        answer = api.patch(f"{path}/relationships/{relation}", {"data": linkage(by_relationship)})
        assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data"})
        assert held(api, path, relation) == linkage(by_post)
        return
    assert answer.status_code == 200, answer.content
    assert held(api, f"{name}/{public_id}", relation) == linkage(by_patch)

    path = f"{name}/{new(api, acme, name)['id']}"
    answer = api.patch(f"{path}/relationships/{relation}", {"data": linkage(by_relationship)})
    assert answer.status_code == 204, answer.content
    assert held(api, path, relation) == linkage(by_relationship)


def held(api: Api, path: str, relation: str) -> Any:
    return api.data(f"{path}/relationships/{relation}")


@pytest.mark.parametrize(("name", "relation"), READ_ONLY)
def test_other_relationships_are_refused_and_written_nowhere(api: Api, here: World, name: str, relation: str):
    current = held(api, here.path(name), relation)
    pointer = {"pointer": f"/data/relationships/{relation}"}
    with nothing_written():
        created = api.create(name, {}, **{relation: current})
        assert (403, pointer) in [(int(each["status"]), each["source"]) for each in created.json()["errors"]]
        updated = api.patch(here.path(name), document(name, {}, here.id(name), **{relation: current}))
        assert refused(updated) == (403, "FORBIDDEN", pointer)
        for method in ("PATCH", "POST", "DELETE"):
            answer = api.request(method, f"{here.path(name)}/relationships/{relation}", {"data": current})
            assert refused(answer)[:2] == (403, "FORBIDDEN")


# --- What leads to types that do not exist here ---------------------------------------------------


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_absent_is_shown_and_leads_to_nothing(api: Api, here: World, name: str):
    relationships = shown(api, here, name)["relationships"]
    for relation, nothing in ABSENT[name].items():
        links = relationships[relation].pop("links")
        assert relationships[relation] == {}
        assert links["self"] == links["related"].replace(relation, f"relationships/{relation}")
        for link in links.values():
            body = api.get(link).json()
            assert body["data"] == nothing
            assert body.get("meta") == (None if nothing is None else {"record_count": 0, "page_count": 0})


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_absent_is_included_by_any_path_and_brings_nothing(api: Api, here: World, name: str):
    of_type = shown(api, here, name)["type"]
    paths = ",".join(f"{relation},{relation}.further.away" for relation in ABSENT[name])
    for path in (here.path(name), f"{name}?filter[q][id_eq]={here.id(name)}"):
        joint = "&" if "?" in path else "?"
        body = api.get(f"{path}{joint}include={paths}&fields[{of_type}]={','.join(ABSENT[name])}").json()
        resource = body["data"][0] if isinstance(body["data"], list) else body["data"]
        linked = {relation: told["data"] for relation, told in resource["relationships"].items()}
        assert (linked, body["included"], "attributes" in resource) == (ABSENT[name], [], False)


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_absent_cannot_be_filtered_or_sorted_by(api: Api, here: World, name: str):
    for relation in ABSENT[name]:
        answer = api.get(f"{name}?filter[q][{relation}_id_eq]=x")
        assert refused(answer)[:2] == (400, "FILTER_NOT_ALLOWED"), relation
        answer = api.get(f"{name}?sort={relation}.id")
        assert refused(answer)[:2] == (400, "INVALID_SORT_CRITERIA"), relation


@pytest.mark.parametrize("name", [name for name in ABSENT if name in UPDATED])
def test_what_is_absent_is_cleared_and_never_set(api: Api, acme: Organization, here: World, name: str):
    path, public_id, of_no_such_type = here.path(name), here.id(name), {"type": "nothings", "id": "ABCDEFGHIJ"}
    if name in CREATED:
        new(api, acme, name, **ABSENT[name])
    assert api.patch(path, document(name, {}, public_id)).status_code == 200  # works out what follows
    with nothing_written():
        assert api.patch(path, document(name, {}, public_id, **ABSENT[name])).status_code == 200
        to_one = {relation: None for relation, nothing in ABSENT[name].items() if nothing is None}
        assert api.patch(path, document(name, to_one, public_id)).status_code == 200
        for relation, nothing in ABSENT[name].items():
            something = of_no_such_type if nothing is None else [of_no_such_type]
            assert api.patch(f"{path}/relationships/{relation}", {"data": nothing}).status_code == 204
            answer = api.patch(f"{path}/relationships/{relation}", {"data": something})
            assert refused(answer) == (403, "FORBIDDEN", {"pointer": "/data"})
            answer = api.patch(path, document(name, {}, public_id, **{relation: something}))
            assert refused(answer) == (403, "FORBIDDEN", {"pointer": f"/data/relationships/{relation}"})


# --- Filters and sorting -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTED)
def test_filterable_attributes_find_the_row_and_their_contrary_does_not(api: Api, here: World, name: str):
    row = shown(api, here, name)
    values = {"id": row["id"], **row["attributes"], **({"type": row["type"]} if TABLE[name].sti else {})}
    only = f"filter[q][id_gteq]={row['id']}&filter[q][id_lteq]={row['id']}"
    for attribute in ["id", *TABLE[name].flagged("f"), *(["type"] if TABLE[name].sti else [])]:
        for condition, expected in conditions(attribute, values[attribute]):
            assert api.ids(f"{name}?filter[q]{condition}&{only}") == ([row["id"]] if expected else []), condition


def conditions(attribute: str, value: Any) -> list[tuple[str, bool]]:
    """Filters on a value, and whether they find it."""
    if value is None:
        return [(f"[{attribute}_null]=true", True), (f"[{attribute}_null]=false", False)]
    if isinstance(value, dict):
        return [(f"[{attribute}_jcont]={json.dumps(value)}", True), (f'[{attribute}_jcont]={{"number":-1}}', False)]
    text = str(value).lower() if isinstance(value, bool) else quote(str(value))
    found = [f"[{attribute}_eq]={text}", f"[{attribute}_null]=false", f"[{attribute}_in]={text}"]
    return [
        (f"[{attribute}_not_eq]={text}", False),
        (f"[{attribute}_null]=1", False),
        *((each, True) for each in found),
    ]


@pytest.mark.parametrize("name", LISTED)
def test_other_attributes_cannot_be_filtered_by(api: Api, here: World, name: str):
    table = TABLE[name]
    others = {*table.attributes, "revision", "organization_id", "mode", "batch", "kind"} - set(table.flagged("f"))
    for attribute in others - along_relationships(name):
        for key in (f"{attribute}_eq", f"{attribute}_null", f"id_or_{attribute}_eq"):
            answer = api.get(f"{name}?filter[q][{key}]=1")
            assert refused(answer) == (400, "FILTER_NOT_ALLOWED", {"parameter": f"filter[q][{key}]"})


def along_relationships(name: str) -> set[str]:
    """Attributes whose name also reads as that of a relationship and an attribute behind it."""
    relations = TABLE[name].relationships
    instead = {attribute for relation, attribute in INSTEAD.items() if relation in relations}
    return instead | {f"{relation}_reference" for relation in relations}


@pytest.mark.parametrize("name", LISTED)
def test_relationships_can_be_filtered_through_where_the_contract_says_so(api: Api, here: World, name: str):
    only = f"filter[q][id_eq]={here.id(name)}"
    for relation, facts in TABLE[name].relationships.items():
        if "f" in facts.flags:
            target = one_held(api, here, name, relation)
            assert api.ids(f"{name}?filter[q][{relation}_id_eq]={target}&{only}") == [here.id(name)], relation
            assert api.ids(f"{name}?filter[q][{relation}_id_not_eq]={target}&{only}") == [], relation
        else:
            answer = api.get(f"{name}?filter[q][{relation}_id_eq]={here.id('tags')}")
            assert refused(answer)[:2] == (400, "FILTER_NOT_ALLOWED"), relation


def one_held(api: Api, here: World, name: str, relation: str) -> str:
    """The id of a target that a row of the world has."""
    return identifiers(held(api, here.path(name), relation))[0]["id"]


@pytest.mark.parametrize("name", LISTED)
def test_sortable_attributes_sort_both_ways(
    api: Api, acme: Organization, here: World, name: str, travel: Callable[[datetime], None]
):
    travel(NOW + timedelta(hours=1))
    assert api.patch(here.path("tags"), document("tags", {"reference": None}, here.id("tags"))).status_code == 200
    world(acme, api.application, number=2)
    for attribute in [*TABLE[name].flagged("s"), *(["type"] if TABLE[name].sti else [])]:
        upwards = column(api, name, attribute)
        assert upwards == sorted(upwards, key=lambda value: (value is None, value)), attribute
        assert column(api, name, f"-{attribute}") == upwards[::-1], attribute


def column(api: Api, name: str, criterion: str) -> list[Any]:
    """The values of an attribute in the order of all rows whose type has it."""
    attribute, values = criterion.removeprefix("-"), []
    for number in count(1):
        rows = api.data(f"{name}?sort={criterion}&page[size]=25&page[number]={number}")
        known = [{"type": row["type"], **row["attributes"]} for row in rows]
        values += [row[attribute] for row in known if attribute in row]
        if len(rows) < 25:
            return values


@pytest.mark.parametrize("name", LISTED)
def test_other_names_cannot_be_sorted_by(api: Api, here: World, name: str):
    table = TABLE[name]
    names = {*table.attributes, *table.relationships, "revision", "kind"} - set(table.flagged("s"))
    through = {f"{relation}.id" for relation, facts in table.relationships.items() if "s" not in facts.flags}
    for criterion in names | through:
        answer = api.get(f"{name}?sort={criterion}")
        assert refused(answer) == (400, "INVALID_SORT_CRITERIA", {"parameter": "sort"}), criterion


STATUS = {"gift_cards": "draft", "redemptions": "committed"}
"""One of each type's own."""


@pytest.mark.parametrize("name", LISTED)
def test_scopes_are_those_of_the_contract(api: Api, here: World, name: str):
    answers = {"active": "true", "expired": "false", "with_status": STATUS.get(name, "disabled")}
    for scope in (*answers, *SKU_CODE_SCOPES.split()):
        answer = api.get(f"{name}?filter[q][{scope}]={answers.get(scope, 'x')}")
        if scope in TABLE[name].scopes:
            assert answer.status_code == 200, scope
            if scope in answers:
                assert refused(api.get(f"{name}?filter[q][{scope}]=perhaps"))[:2] == (400, "INVALID_FILTER_VALUE")
        elif not any(scope.startswith(attribute) for attribute in along_relationships(name)):
            assert refused(answer)[:2] == (400, "FILTER_NOT_ALLOWED"), scope


# --- Includes and statements ---------------------------------------------------------------------


@pytest.mark.parametrize(("name", "relation"), RELATIONS)
def test_relationships_are_included_where_the_contract_says_so(api: Api, here: World, name: str, relation: str):
    answer = api.get(f"{here.path(name)}?include={relation}")
    if "-" in TABLE[name].relationships[relation].flags:
        assert refused(answer) == (400, "INVALID_INCLUDE", {"parameter": "include"})
        return
    body = answer.json()
    linked = body["data"]["relationships"][relation]["data"]
    linked = linked if isinstance(linked, list) else [linked]
    assert linked == [{"type": each["type"], "id": each["id"]} for each in body["included"]]
    assert linked
    assert body["included"] == [api.data(each["links"]["self"]) for each in body["included"]]


def included(name: str) -> list[str]:
    """Every path of one step, and every one of two that leads on from it."""
    paths = []
    for relation, facts in TABLE[name].relationships.items():
        if "*" in facts.flags:
            paths.append(relation)
        elif "-" not in facts.flags:
            further = TABLE[facts.target].relationships.items()
            paths += [relation, *(f"{relation}.{second}" for second, more in further if "-" not in more.flags)]
    return paths


def test_reads_take_a_fixed_number_of_statements_however_many_rows(api: Api, acme: Organization, here: World):
    expected, followed = {}, set()
    for name in TYPES:
        expected |= counted(name, here, followed)
    for worlds in (2, 20):
        while Coupon.objects.count() < worlds * len(factories.PROMOTIONS):
            world(acme, api.application)
        assert {path: statements(api, path) for path in expected} == expected


def counted(name: str, here: World, followed: set[tuple[str, str]]) -> dict[str, int]:
    """Paths to read -> how many statements each may take.

    Of steps that lead on, none that another path has `followed` from the same type.
    """
    own = here.path(name)
    expected = {own: 1}
    for relation, facts in TABLE[name].relationships.items():
        expected[f"{own}/{relation}"] = expected[f"{own}/relationships/{relation}"] = 3 if facts.many else 2
    if name in LISTED:
        expected[f"{name}?page[size]=25"] = 2
    if name in ABSENT:
        expected[f"{own}?include={','.join(ABSENT[name])}"] = 1
    for path in included(name):
        first, _, second = path.partition(".")
        step = (TABLE[name].relationships[first].target, second)
        if second and step in followed:
            continue
        followed.add(step)
        expected[f"{own}?include={path}"] = 1 + len(path.split("."))
        if name in LISTED:
            expected[f"{name}?page[size]=25&include={path}"] = 2 + len(path.split("."))
    return expected


# --- Tenants -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stranger:
    """A client of another tenant, with a world of its own."""

    api: Api
    world: World


@pytest.fixture(params=["other organization", "other mode"])
def stranger(request: Any, api: Api, worlds: dict[str, Made]) -> Stranger:
    application, of_others = worlds[request.param]
    return Stranger(Api(application), copied(of_others))


@pytest.mark.parametrize("name", LISTED)
def test_another_tenants_rows_are_not_there(here: World, stranger: Stranger, name: str):
    own = stranger.world
    path = here.path(name)
    bodies = {"PATCH": document(name, {"reference": "stolen"}, here.id(name)), "DELETE": None}
    with nothing_written():
        assert stranger.api.get(path).status_code == 404
        for relation in TABLE[name].relationships:
            assert stranger.api.get(f"{path}/{relation}").status_code == 404
            assert stranger.api.get(f"{path}/relationships/{relation}").status_code == 404
            if name in UPDATED:
                for method in ("PATCH", "POST", "DELETE"):
                    data = {"data": held(stranger.api, own.path(name), relation)}
                    answer = stranger.api.request(method, f"{path}/relationships/{relation}", data)
                    assert answer.status_code in (403, 404)
        for method, action in (("PATCH", "update"), ("DELETE", "destroy")):
            if action in TABLE[name].actions:
                assert stranger.api.request(method, path, bodies[method]).status_code == 404


@pytest.mark.parametrize("name", LISTED)
def test_lists_filters_and_includes_stay_within_the_tenant(api: Api, here: World, stranger: Stranger, name: str):
    mine = visible(api, name)
    theirs = visible(stranger.api, name)
    assert mine
    assert theirs
    assert mine.isdisjoint(theirs)
    assert stranger.api.ids(f"{name}?filter[q][id_eq]={here.id(name)}") == []
    assert stranger.api.ids(f"{name}?filter[q][id_in]={here.id(name)},{stranger.world.id(name)}") == [
        stranger.world.id(name)
    ]
    for relation, facts in TABLE[name].relationships.items():
        if "f" in facts.flags:
            target = one_held(api, here, name, relation)
            assert stranger.api.ids(f"{name}?filter[q][{relation}_id_eq]={target}") == []


def visible(api: Api, name: str) -> set[tuple[str, str]]:
    """Everything a client sees in the list of a type, whatever it includes."""
    paths, seen = included(name), set()
    for first in range(0, max(len(paths), 1), MOST_INCLUDES):
        body = api.get(f"{name}?page[size]=25&include={','.join(paths[first : first + MOST_INCLUDES])}").json()
        seen |= {(each["type"], each["id"]) for each in (*body["data"], *body["included"])}
    return seen


@pytest.mark.parametrize(("name", "relation"), WRITABLE)
def test_another_tenants_rows_are_no_targets(api: Api, here: World, stranger: Stranger, name: str, relation: str):
    facts = TABLE[name].relationships[relation]
    foreign = stranger.world.identifier(facts.target)
    target = [foreign] if facts.many else foreign
    stays = "u" not in facts.flags
    where = f"/data/relationships/{relation}/data" + ("/0" if facts.many else "")
    with nothing_written():
        answer = api.patch(here.path(name), document(name, {"reference": "x"}, here.id(name), **{relation: target}))
        assert refused(answer)[:2] == ((403, "FORBIDDEN") if stays else (404, "RECORD_NOT_FOUND"))
        assert stays or refused(answer)[2] == {"pointer": where}
        answer = api.create(name, creatable(name), **{relation: target})
        assert {"pointer": where} in [each["source"] for each in answer.json()["errors"] if each["status"] == "404"]
        methods = ("PATCH", "POST") if facts.many else ("PATCH",)
        for method in methods:
            answer = api.request(method, f"{here.path(name)}/relationships/{relation}", {"data": target})
            pointer = {"pointer": "/data/0" if facts.many else "/data"}
            assert refused(answer) == (403 if stays else 404, "FORBIDDEN" if stays else "RECORD_NOT_FOUND", pointer)


@pytest.mark.parametrize("name", ["organizations", "applications"])
def test_a_singleton_is_the_callers_own(api: Api, here: World, stranger: Stranger, name: str):
    assert api.data(here.path(name))["id"] == here.id(name)
    assert stranger.api.data(here.path(name))["id"] == stranger.world.id(name)


def test_a_row_that_points_into_another_tenant_leads_nowhere(api: Api, here: World, stranger: Stranger):
    """No write makes such a row; should one exist, reading it still gives nothing away."""
    foreign = stranger.world.rows["coupon_recipients"]
    Coupon.objects.filter(pk=here.rows["coupons"].pk).update(coupon_recipient=foreign)
    coupon, email = here.path("coupons"), foreign.email
    body = api.get(f"{coupon}?include=coupon_recipient").json()
    assert body["data"]["relationships"]["coupon_recipient"]["data"] is None
    assert body["included"] == []
    assert api.data(f"{coupon}/coupon_recipient") is None
    assert api.data(f"{coupon}/relationships/coupon_recipient") is None
    assert api.ids(f"coupons?filter[q][coupon_recipient_email_eq]={email}") == []
