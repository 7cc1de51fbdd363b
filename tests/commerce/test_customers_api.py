"""Customers, their passwords and address books over the API, and the addresses themselves."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from commerce import auth
from commerce.models import Address, Customer, CustomerAddress, Event, Organization, Version
from commerce.resources import customers
from tests import factories
from tests.client import Api, nothing_written, path_of, problem, refused
from tests.factories import NOW

PASSWORD = "correct horse"


def said(api: Api, row: Any) -> list[str]:
    """What events tell of a row, oldest first."""
    return [each["attributes"]["name"].partition(".")[2] for each in api.data(f"{path_of(row)}/events")]


def invalid(answer: Any) -> dict[str, str]:
    """Attribute or relationship -> what is wrong with it, of an answer that is 422 throughout."""
    assert answer.status_code == 422, answer.content
    return {each["source"]["pointer"].rpartition("/")[2]: each["meta"]["error"] for each in answer.json()["errors"]}


# --- Customers -----------------------------------------------------------------------------------


def test_a_customer_is_a_prospect_with_references_of_its_own_and_no_password(api: Api):
    shown = api.create("customers", {"email": "ada@example.com"}).json()["data"]["attributes"]
    ada, bob = Customer.objects.get(), factories.customer(api.application.organization)
    assert shown == {
        "email": "ada@example.com",
        "status": "prospect",
        "has_password": False,
        "total_orders_count": 0,
        "shopper_reference": ada.shopper_reference,
        "profile_id": ada.profile_id,
        "tax_exemption_code": None,
        "anonymization_info": None,
        "anonymization_status": None,
        "created_at": "2026-06-15T12:00:00.000Z",
        "updated_at": "2026-06-15T12:00:00.000Z",
        "reference": None,
        "reference_origin": None,
        "metadata": {},
    }
    assert len({ada.shopper_reference, ada.profile_id, bob.shopper_reference, bob.profile_id}) == 4


@pytest.mark.parametrize("nothing", ["", None])
@pytest.mark.parametrize("name", ["shopper_reference", "profile_id"])
def test_a_reference_that_is_taken_away_is_made_anew(api: Api, acme: Organization, name: str, nothing: str | None):
    ada = factories.customer(acme, **{name: "known"})
    shown = api.update(ada, {name: nothing}).json()["data"]["attributes"]
    assert shown[name] not in ("known", "", None)


@pytest.mark.parametrize("email", ["ada@example.com", " Ada@Example.com ", "ADA@EXAMPLE.COM"])
def test_an_email_is_taken_however_it_is_written(api: Api, acme: Organization, email: str):
    factories.customer(acme, email="ADA@example.com")
    bob = factories.customer(acme, email="bob@example.com")
    with nothing_written():
        for answer in (api.create("customers", {"email": email}), api.update(bob, {"email": email})):
            assert invalid(answer) == {"email": "taken"}


def test_an_email_is_free_in_another_mode_and_organization(api: Api, acme: Organization):
    factories.customer(acme, email="ada@example.com", mode="live")
    factories.customer(factories.organization(), email="ada@example.com")
    assert api.create("customers", {"email": "ada@example.com"}).status_code == 201


@pytest.mark.parametrize("email", ["ada", "ada@", "@example.com", "ada@example.com, bob@example.com", "", None, 5, []])
def test_what_is_no_email_is_refused(api: Api, email: Any):
    with nothing_written():
        assert list(invalid(api.create("customers", {"email": email}))) == ["email"]


def test_a_customer_is_found_by_email_however_it_is_written(api: Api, acme: Organization):
    ada = factories.customer(acme, email="Ada@Example.com")
    factories.customer(acme, email="bob@example.com")
    for email in ("ada@example.com", "ADA@EXAMPLE.COM"):
        assert api.ids(f"customers?filter[q][email_eq]={email}") == [ada.public_id]
    assert api.ids("customers?filter[q][email_start]=ADA") == [ada.public_id]


# --- Passwords -----------------------------------------------------------------------------------


def test_a_password_is_kept_as_a_hash_and_told_as_has_password(api: Api):
    answer = api.create("customers", {"email": "ada@example.com", "password": PASSWORD})
    ada = Customer.objects.get()
    assert answer.json()["data"]["attributes"]["has_password"] is True
    assert ada.has_password(PASSWORD)
    assert not ada.has_password(PASSWORD.title())
    assert said(api, ada) == ["create", "create_password"]


def test_a_new_password_takes_the_place_of_the_old_one(api: Api, acme: Organization):
    ada = factories.customer(acme, password_hash=make_password("old password"))
    assert api.update(ada, {"password": PASSWORD}).status_code == 200
    ada.refresh_from_db()
    assert (ada.has_password(PASSWORD), ada.has_password("old password")) == (True, False)
    assert said(api, ada)[-2:] == ["update", "create_password"]
    api.update(ada, {"reference": "ERP-1"})
    assert said(api, ada)[-2:] == ["create_password", "update"]


def test_new_metadata_have_an_event_of_their_own(api: Api, acme: Organization):
    ada = factories.customer(acme, metadata={"a": 1})
    for metadata in ({"a": 1}, {"a": 2}):
        assert api.update(ada, {"metadata": metadata}).status_code == 200
    assert said(api, ada) == ["create", "update", "metadata_update"]


def test_neither_password_nor_hash_is_told_anywhere(api: Api, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG")
    created = api.create("customers", {"email": "ada@example.com", "password": PASSWORD})
    ada = Customer.objects.get()
    updated = api.update(ada, {"password": f"{PASSWORD}!"})
    refusals = [api.update(ada, {"password": PASSWORD[:5]}), api.update(ada, {"password": PASSWORD * 20})]
    told = [answer.content.decode() for answer in (created, updated, *refusals, api.get(path_of(ada)))]
    told += [json.dumps(row.changes) for row in Version.objects.all()]
    told += [
        record.getMessage() + str(record.__dict__) for record in caplog.records if record.name != "django.db.backends"
    ]
    hashes = {ada.password_hash, Customer.objects.get().password_hash}
    assert len(hashes) == 2
    for secret in (PASSWORD[:5], *hashes):
        assert [text for text in told if str(secret) in text] == []


@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("12345", "too_short"),
        ("x" * 129, "too_long"),
        ("", "blank"),
        (None, "blank"),
        (True, "invalid"),
        (["correct horse"], "invalid"),
        ({}, "invalid"),
        ("correct\x00horse", "invalid"),
    ],
)
def test_a_password_that_is_none_is_refused_without_being_told_back(
    api: Api, acme: Organization, password: Any, error: str
):
    ada = factories.customer(acme, password_hash=make_password(PASSWORD))
    with nothing_written():
        for answer in (
            api.create("customers", {"email": "bob@example.com", "password": password}),
            api.update(ada, {"password": password}),
        ):
            assert invalid(answer) == {"password": error}
            assert problem(answer)["meta"]["value"] is None


@pytest.mark.parametrize("password", ["secret", "x" * 128, "  spaces  ", "пароль-パスワード"])
def test_a_password_is_taken_as_it_is(api: Api, password: str):
    assert api.create("customers", {"email": "ada@example.com", "password": password}).status_code == 201
    assert Customer.objects.get().has_password(password)


@pytest.mark.parametrize(
    "query",
    ["fields[customers]=password", "filter[q][password_eq]=x", "filter[q][password_hash_eq]=x", "sort=password"],
)
def test_a_password_can_be_asked_for_by_no_means(api: Api, query: str):
    assert api.get(f"customers?{query}").status_code == 400


def test_a_password_is_hashed_before_the_transaction_begins(api: Api, monkeypatch: pytest.MonkeyPatch):
    """Hashing takes as long as it should; writers wait for nobody's."""
    depths = []

    def hashed(password: str) -> str:
        depths.append(len(connection.savepoint_ids))
        return make_password(password)

    monkeypatch.setattr(customers, "make_password", hashed)
    depth = len(connection.savepoint_ids)
    assert api.create("customers", {"email": "ada@example.com", "password": PASSWORD}).status_code == 201
    assert depths == [depth]


# --- Anonymization -------------------------------------------------------------------------------


def test_anonymization_is_requested_once_and_can_be_cancelled(
    api: Api, acme: Organization, travel: Callable[[datetime], None]
):
    ada = factories.customer(acme)
    expected = {"status": "requested", "requested_at": "2026-06-15 12:00:00 UTC"}
    for hours in (0, 1):
        travel(NOW + timedelta(hours=hours))
        shown = api.update(ada, {"_request_anonymization": True}).json()["data"]["attributes"]
        assert (shown["anonymization_info"], shown["anonymization_status"]) == (expected, "requested")
    assert api.ids("customers?filter[q][anonymization_status_eq]=requested") == [ada.public_id]
    shown = api.update(ada, {"_cancel_anonymization": True}).json()["data"]["attributes"]
    assert (shown["anonymization_info"], shown["anonymization_status"]) == (None, None)
    told = Version.objects.filter(resource_type="customers", event="update").order_by("pk")
    requested = "2026-06-15T12:00:00.000Z"
    assert [row.changes for row in told] == [
        {"anonymization_requested_at": [None, requested]},
        {"anonymization_requested_at": [requested, None]},
    ]


def test_anonymization_cannot_be_requested_and_cancelled_at_once(api: Api, acme: Organization):
    ada = factories.customer(acme)
    with nothing_written():
        answer = api.update(ada, {"_request_anonymization": True, "_cancel_anonymization": True})
    assert invalid(answer) == {"_request_anonymization": "invalid", "_cancel_anonymization": "invalid"}


# --- Deleting ------------------------------------------------------------------------------------


def test_a_customer_goes_with_its_address_book_and_leaves_the_addresses(api: Api, acme: Organization):
    ada = factories.customer(acme)
    kept = [factories.customer_address(ada) for _ in range(2)]
    assert api.destroy(ada).status_code == 204
    assert (Customer.objects.count(), CustomerAddress.objects.count(), Address.objects.count()) == (0, 0, 2)
    gone = Version.objects.filter(event="destroy").order_by("pk").values_list("resource_type", "resource_id")
    assert list(gone) == [*(("customer_addresses", row.pk) for row in kept), ("customers", ada.pk)]
    names = Event.objects.filter(name__endswith=".destroy").order_by("pk").values_list("name", flat=True)
    assert list(names) == ["customer_addresses.destroy", "customer_addresses.destroy", "customers.destroy"]


def test_a_customer_with_a_sku_list_is_locked_and_keeps_its_address_book(api: Api, acme: Organization):
    ada = factories.customer(acme)
    factories.customer_address(ada)
    factories.sku_list(acme, customer=ada)
    with nothing_written():
        assert refused(api.destroy(ada)) == (423, "LOCKED", None)


def test_an_address_in_use_and_a_group_with_customers_are_locked(api: Api, acme: Organization):
    group = factories.customer_group(acme)
    ada = factories.customer(acme, customer_group=group)
    rows = [group, factories.customer_address(ada).address, factories.stock_location(acme).address]
    with nothing_written():
        for row in rows:
            assert refused(api.destroy(row)) == (423, "LOCKED", None)


# --- Address books -------------------------------------------------------------------------------


def test_an_address_is_put_into_the_book_of_the_customer_with_that_email(api: Api, acme: Organization):
    ada, address = factories.customer(acme, email="ada@example.com"), factories.address(acme)
    answer = api.create("customer_addresses", {"customer_email": "ADA@example.com"}, address=address)
    assert answer.status_code == 201, answer.content
    row = CustomerAddress.objects.get()
    assert (row.customer_id, row.address_id) == (ada.pk, address.pk)
    shown = answer.json()["data"]["attributes"]
    assert shown["customer_email"] == "ada@example.com"
    assert shown["name"] == "Ada Lovelace, Piazza Grande 1, 41121 Modena (IT) +39 059 1234"


def test_customer_and_email_may_both_be_given_and_must_agree(api: Api, acme: Organization):
    ada, bob = factories.customer(acme, email="ada@example.com"), factories.customer(acme)
    address = factories.address(acme)
    email = {"customer_email": "ada@example.com"}
    assert api.create("customer_addresses", email, customer=ada, address=address).status_code == 201
    with nothing_written():
        answer = api.create("customer_addresses", email, customer=bob, address=address)
    assert invalid(answer) == {"customer_email": "invalid"}


@pytest.mark.parametrize("email", ["nobody@example.com", "stranger@example.com", "ada", None, "", 7])
def test_an_email_of_no_customer_of_the_tenant_is_refused(api: Api, acme: Organization, email: Any):
    factories.customer(acme, email="stranger@example.com", mode="live")
    factories.customer(factories.organization(), email="stranger@example.com")
    address = factories.address(acme)
    with nothing_written():
        answer = api.create("customer_addresses", {"customer_email": email}, address=address)
    assert list(invalid(answer)) == ["customer_email"]


def test_a_customer_is_required_by_one_name_or_the_other(api: Api):
    with nothing_written():
        answer = api.create("customer_addresses")
    assert invalid(answer) == {"customer": "blank", "address": "blank"}


def test_the_email_is_given_at_creation_only(api: Api, acme: Organization):
    row = factories.customer_address(factories.customer(acme))
    with nothing_written():
        answer = api.update(row, {"customer_email": "ada@example.com"})
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"pointer": "/data/attributes/customer_email"})


# --- Addresses -----------------------------------------------------------------------------------

PLACE = {
    "line_1": "2883 Geraldine Lane",
    "line_2": "Apt.23",
    "city": "New York",
    "zip_code": "10013",
    "state_code": "NY",
    "country_code": "US",
    "phone": "(212) 646-338-1228",
}
PERSON = {"first_name": "John", "last_name": "Smith"}


def test_a_personal_address_is_named_after_the_person(api: Api):
    shown = api.create("addresses", {**PLACE, **PERSON}).json()["data"]["attributes"]
    where = "2883 Geraldine Lane Apt.23, 10013 New York NY (US) (212) 646-338-1228"
    assert (shown["full_name"], shown["full_address"], shown["name"]) == ("John Smith", where, f"John Smith, {where}")
    assert (shown["business"], shown["is_localized"], shown["is_geocoded"]) == (False, False, False)


def test_a_business_address_is_named_after_the_company(api: Api):
    bare = {**PLACE, "line_2": None, "state_code": None, "business": True, "company": "The Red Brand Inc."}
    shown = api.create("addresses", {**bare, **PERSON}).json()["data"]["attributes"]
    assert shown["full_name"] == "The Red Brand Inc."
    assert shown["full_address"] == "2883 Geraldine Lane, 10013 New York (US) (212) 646-338-1228"


def test_nothing_is_said_of_what_an_address_may_lack(api: Api):
    assert invalid(api.create("addresses")) == dict.fromkeys(
        ("line_1", "city", "country_code", "phone", "first_name", "last_name", "zip_code"), "blank"
    )
    assert invalid(api.create("addresses", {"business": True})) == dict.fromkeys(
        ("line_1", "city", "country_code", "phone", "company", "zip_code"), "blank"
    )


def test_a_person_that_becomes_a_business_needs_a_company(api: Api, acme: Organization):
    address = factories.address(acme)
    with nothing_written():
        assert invalid(api.update(address, {"business": True})) == {"company": "blank"}
    assert api.update(address, {"business": True, "company": "Acme", "first_name": None}).status_code == 200


def test_a_phone_is_needed_unless_the_organization_says_otherwise(api: Api, acme: Organization):
    without = {**PLACE, **PERSON, "phone": None}
    assert invalid(api.create("addresses", without)) == {"phone": "blank"}
    Organization.objects.update(settings={"addresses_phone_required": False})
    auth.snapshot.forget()
    answer = api.create("addresses", without)
    assert answer.status_code == 201
    assert answer.json()["data"]["attributes"]["full_address"].endswith("(US)")


def test_a_zip_code_is_needed_where_there_are_any(api: Api):
    without = {**PLACE, **PERSON, "zip_code": None}
    assert invalid(api.create("addresses", without)) == {"zip_code": "blank"}
    assert api.create("addresses", {**without, "country_code": "AE"}).status_code == 201


@pytest.mark.parametrize("code", ["XX", "us", "USA", "U", "1", ""])
def test_a_country_is_one_of_iso_3166(api: Api, code: str):
    with nothing_written():
        assert "country_code" in invalid(api.create("addresses", {**PLACE, **PERSON, "country_code": code}))


@pytest.mark.parametrize(("lat", "lng", "localized"), [(44.6471, 10.9252, True), (-90, 180, True), (0, None, False)])
def test_an_address_is_localized_by_both_its_coordinates(api: Api, lat: Any, lng: Any, localized: bool):
    shown = api.create("addresses", {**PLACE, **PERSON, "lat": lat, "lng": lng}).json()["data"]["attributes"]
    assert (shown["lat"], shown["lng"], shown["is_localized"]) == (lat, lng, localized)


@pytest.mark.parametrize("name", ["lat", "lng"])
@pytest.mark.parametrize("value", [90.1 * 2, -200, "NaN", "Infinity", "-inf", "1e400", "north", True, [], {}])
def test_coordinates_are_numbers_on_the_globe(api: Api, name: str, value: Any):
    with nothing_written():
        assert list(invalid(api.create("addresses", {**PLACE, **PERSON, name: value}))) == [name]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e400"])
def test_coordinates_that_json_has_no_word_for_are_refused(api: Api, text: str):
    body = f'{{"data": {{"type": "addresses", "attributes": {{"lat": {text}}}}}}}'.encode()
    assert api.post("addresses", body).status_code in (400, 422)


# --- Groups --------------------------------------------------------------------------------------


def test_the_code_of_a_group_is_taken_once_and_may_be_missing_often(api: Api, acme: Organization):
    factories.customer_group(acme, code="VIP")
    assert invalid(api.create("customer_groups", {"name": "Again", "code": "VIP"})) == {"code": "taken"}
    for _ in range(2):
        assert api.create("customer_groups", {"name": "No code"}).status_code == 201


def test_a_customer_joins_and_leaves_a_group(api: Api, acme: Organization):
    group, ada = factories.customer_group(acme), factories.customer(acme)
    assert api.update(ada, customer_group=group).status_code == 200
    assert api.ids(f"{path_of(group)}/customers") == [ada.public_id]
    assert api.update(ada, customer_group=None).status_code == 200
    assert api.data(f"{path_of(ada)}/customer_group") is None


# --- Tags ----------------------------------------------------------------------------------------


def test_customers_and_addresses_are_tagged(api: Api, acme: Organization):
    tag = factories.tag(acme, name="vip")
    for row in (factories.customer(acme), factories.address(acme)):
        assert api.update(row, {"_add_tags": "vip"}).status_code == 200
        assert api.ids(f"{path_of(row)}/tags") == [tag.public_id]
        assert said(api, row)[-1] == "tagged"
