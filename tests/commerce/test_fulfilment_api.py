"""Shipping methods, zones, categories, stock locations and payment methods over the API."""

from typing import Any

import pytest

from commerce import auth
from commerce.models import Market, Organization, PaymentMethod, ShippingMethod, Version
from tests import factories
from tests.client import Api, nothing_written, path_of, refused
from tests.commerce.test_customers_api import invalid, said


@pytest.fixture
def euros(acme: Organization) -> Market:
    return factories.market(acme, price_list=factories.price_list(acme, currency_code="EUR"))


# --- Shipping methods ----------------------------------------------------------------------------

FLAT = {"name": "Standard", "price_amount_cents": 700, "currency_code": "EUR"}


def test_a_shipping_method_says_its_price_and_nothing_of_a_shipment(api: Api):
    answer = api.create("shipping_methods", {**FLAT, "free_over_amount_cents": 9900, "use_subtotal": True})
    shown, method = answer.json()["data"]["attributes"], ShippingMethod.objects.get()
    assert shown == {
        "name": "Standard",
        "scheme": "flat",
        "currency_code": "EUR",
        "external_prices_url": None,
        "price_amount_cents": 700,
        "price_amount_float": 7.0,
        "formatted_price_amount": "€7,00",
        "free_over_amount_cents": 9900,
        "free_over_amount_float": 99.0,
        "formatted_free_over_amount": "€99,00",
        "use_subtotal": True,
        "price_amount_for_shipment_cents": None,
        "price_amount_for_shipment_float": None,
        "formatted_price_amount_for_shipment": None,
        "min_weight": None,
        "max_weight": None,
        "unit_of_weight": None,
        "tax_code": None,
        "disabled_at": None,
        "circuit_state": "closed",
        "circuit_failure_count": 0,
        "shared_secret": method.shared_secret,
        "external_includes": [],
        "created_at": "2026-06-15T12:00:00.000Z",
        "updated_at": "2026-06-15T12:00:00.000Z",
        "reference": None,
        "reference_origin": None,
        "metadata": {},
    }


@pytest.mark.parametrize("name", ["shipping_methods", "payment_methods"])
def test_a_method_has_the_currency_of_its_market_and_no_other(api: Api, acme: Organization, euros: Market, name: str):
    attributes = {"name": "Any", "price_amount_cents": 0}
    others: dict[str, Any] = {}
    if name == "payment_methods":
        attributes["payment_source_type"] = "wire_transfers"
        others["payment_gateway"] = factories.manual_gateway(acme)
    answer = api.create(name, attributes, market=euros, **others)
    assert answer.json()["data"]["attributes"]["currency_code"] == "EUR"
    with nothing_written():
        wrong = api.create(name, {**attributes, "currency_code": "USD"}, market=euros, **others)
        assert invalid(wrong) == {"currency_code": "invalid"}
        assert invalid(api.create(name, attributes, **others)) == {"currency_code": "blank"}


@pytest.mark.parametrize(
    ("attributes", "problems"),
    [
        ({"scheme": "external"}, {"external_prices_url": "blank"}),
        ({"external_prices_url": "ftp://example.com"}, {"external_prices_url": "invalid"}),
        ({"external_prices_url": "http://example.com"}, {"external_prices_url": "invalid"}),
        ({"scheme": "by_moon"}, {"scheme": "inclusion"}),
        ({"price_amount_cents": -1}, {"price_amount_cents": "greater_than_or_equal_to"}),
        ({"price_amount_cents": 7.5}, {"price_amount_cents": "not_a_number"}),
        ({"free_over_amount_cents": -1}, {"free_over_amount_cents": "greater_than_or_equal_to"}),
        ({"currency_code": "XXQ"}, {"currency_code": "inclusion"}),
        ({"min_weight": 1}, {"unit_of_weight": "blank"}),
        ({"min_weight": 2, "max_weight": 1, "unit_of_weight": "gr"}, {"max_weight": "invalid"}),
        ({"min_weight": -1, "unit_of_weight": "gr"}, {"min_weight": "greater_than_or_equal_to"}),
        ({"min_weight": 1, "unit_of_weight": "stone"}, {"unit_of_weight": "inclusion"}),
        ({"min_weight": "NaN", "unit_of_weight": "gr"}, {"min_weight": "invalid"}),
        ({"external_includes": "order"}, {"external_includes": "invalid"}),
        ({"external_includes": [1]}, {"external_includes": "invalid"}),
    ],
)
def test_a_shipping_method_that_cannot_work_is_refused(
    api: Api, acme: Organization, attributes: dict[str, Any], problems: dict[str, str]
):
    method = factories.shipping_method(acme)
    with nothing_written():
        assert invalid(api.create("shipping_methods", {**FLAT, **attributes})) == problems
        assert invalid(api.update(method, attributes)) == problems


def test_weights_are_kept_exactly(api: Api):
    answer = api.create("shipping_methods", {**FLAT, "min_weight": 0.1, "max_weight": 0.3, "unit_of_weight": "lb"})
    shown = answer.json()["data"]["attributes"]
    assert (shown["min_weight"], shown["max_weight"], shown["unit_of_weight"]) == (0.1, 0.3, "lb")


def test_a_circuit_is_open_after_thirty_failures_and_closed_by_hand(api: Api, acme: Organization):
    failing, working = factories.shipping_method(acme), factories.shipping_method(acme)
    for failures, state in ((30, "closed"), (31, "open")):
        ShippingMethod.objects.filter(pk=failing.pk).update(circuit_failure_count=failures)
        assert api.data(path_of(failing))["attributes"]["circuit_state"] == state
    assert api.ids("shipping_methods?filter[q][circuit_state_eq]=open") == [failing.public_id]
    assert api.ids("shipping_methods?sort=-circuit_state") == [failing.public_id, working.public_id]
    shown = api.update(failing, {"_reset_circuit": True}).json()["data"]["attributes"]
    assert (shown["circuit_state"], shown["circuit_failure_count"]) == ("closed", 0)


def test_a_new_secret_is_shown_and_told_in_no_version(api: Api, acme: Organization):
    method = factories.shipping_method(acme)
    shown = api.update(method, {"_regenerate_shared_secret": True}).json()["data"]["attributes"]
    assert len(shown["shared_secret"]) == 32
    assert shown["shared_secret"] != method.shared_secret
    told = [str(version.changes) for version in Version.objects.filter(resource_type="shipping_methods")]
    assert len(told) == 2
    assert [text for text in told for secret in (method.shared_secret, shown["shared_secret"]) if secret in text] == []


def test_methods_and_gateways_are_disabled_and_enabled(api: Api, acme: Organization):
    rows = [factories.shipping_method(acme), factories.payment_method(acme), factories.manual_gateway(acme)]
    for row in rows:
        for trigger, disabled_at in (("_disable", "2026-06-15T12:00:00.000Z"), ("_enable", None)):
            answer = api.update(row, {trigger: True})
            assert answer.json()["data"]["attributes"]["disabled_at"] == disabled_at


def test_a_shipping_method_has_a_zone_a_category_and_a_location(api: Api, acme: Organization):
    related = {
        "shipping_zone": factories.shipping_zone(acme),
        "shipping_category": factories.shipping_category(acme),
        "stock_location": factories.stock_location(acme),
    }
    assert api.create("shipping_methods", FLAT, **related).status_code == 201
    method = ShippingMethod.objects.get()
    for name, row in related.items():
        assert api.data(f"{path_of(method)}/{name}")["id"] == row.public_id
        with nothing_written():
            assert refused(api.destroy(row)) == (423, "LOCKED", None)
    assert api.destroy(method).status_code == 204
    for row in related.values():
        assert api.destroy(row).status_code == 204


def test_shipping_methods_are_tagged(api: Api, acme: Organization):
    method, tag = factories.shipping_method(acme), factories.tag(acme, name="fast")
    assert api.update(method, {"_add_tags": "fast"}).status_code == 200
    assert api.ids(f"{path_of(method)}/tags") == [tag.public_id]
    assert said(api, method) == ["create", "tagged"]


# --- Zones ---------------------------------------------------------------------------------------

PATTERNS = ("country_code_regex", "state_code_regex", "zip_code_regex")


@pytest.mark.parametrize("name", [*PATTERNS, *(f"not_{name}" for name in PATTERNS)])
def test_a_zone_is_told_by_patterns_that_can_be_used(api: Api, acme: Organization, name: str):
    zone = factories.shipping_zone(acme)
    for pattern in ("^(IT|FR)$", "x" * 5000, "", None):
        assert api.update(zone, {name: pattern}).status_code == 200
    with nothing_written():
        for pattern, error in (
            ("(", "invalid"),
            ("(?=IT)", "invalid"),
            (r"(.)\1", "invalid"),
            ("x" * 5001, "too_long"),
        ):
            assert invalid(api.create("shipping_zones", {"name": "Zone", name: pattern})) == {name: error}


def test_a_pattern_is_as_long_as_the_organization_allows(api: Api):
    Organization.objects.update(settings={"api_max_regex_length": 4})
    auth.snapshot.forget()
    assert api.create("shipping_zones", {"name": "Zone", "zip_code_regex": "^41$"}).status_code == 201
    longer = api.create("shipping_zones", {"name": "Zone", "zip_code_regex": "^411$"})
    assert invalid(longer) == {"zip_code_regex": "too_long"}


# --- Categories and locations --------------------------------------------------------------------


def test_codes_of_categories_and_locations_are_taken_once_a_tenant(api: Api, acme: Organization):
    factories.shipping_category(acme, code="A")
    factories.stock_location(acme, code="A")
    factories.shipping_category(acme, code="B", mode="live")
    assert invalid(api.create("shipping_categories", {"name": "Again", "code": "A"})) == {"code": "taken"}
    address = factories.address(acme)
    again = api.create("stock_locations", {"name": "Again", "code": "A"}, address=address)
    assert invalid(again) == {"code": "taken"}
    assert api.create("shipping_categories", {"name": "Bulky", "code": "B"}).status_code == 201


def test_a_stock_location_has_an_address_a_number_and_a_format_of_labels(api: Api, acme: Organization):
    address = factories.address(acme)
    answer = api.create("stock_locations", {"name": "North"}, address=address)
    shown = answer.json()["data"]["attributes"]
    assert (shown["label_format"], shown["suppress_etd"], type(shown["number"])) == ("PDF", False, int)
    with nothing_written():
        assert invalid(api.create("stock_locations", {"name": "South"})) == {"address": "blank"}
        wrong = api.create("stock_locations", {"name": "South", "label_format": "DOC"}, address=address)
        assert invalid(wrong) == {"label_format": "inclusion"}


# --- Payment methods -----------------------------------------------------------------------------


def test_a_payment_method_is_named_after_its_source(api: Api, acme: Organization):
    gateway = factories.manual_gateway(acme)
    attributes = {"payment_source_type": "wire_transfers", "price_amount_cents": 0, "currency_code": "EUR"}
    answer = api.create("payment_methods", attributes, payment_gateway=gateway)
    shown, method = answer.json()["data"]["attributes"], PaymentMethod.objects.get()
    assert (shown["name"], shown["require_capture"], shown["auto_capture"]) == ("Wire Transfer", True, False)
    assert (shown["price_amount_float"], shown["formatted_price_amount"]) == (0.0, "€0,00")
    assert shown["auto_capture_max_amount_cents"] is shown["formatted_auto_capture_max_amount"] is None
    assert api.data(f"{path_of(method)}/payment_gateway")["type"] == "manual_gateways"
    assert api.ids(f"{path_of(gateway)}/payment_methods") == [method.public_id]


@pytest.mark.parametrize("source", ["cash", "", None, 5])
def test_a_payment_source_is_one_of_the_contracts(api: Api, acme: Organization, source: Any):
    attributes = {"payment_source_type": source, "price_amount_cents": 0, "currency_code": "EUR"}
    gateway = factories.manual_gateway(acme)
    with nothing_written():
        answer = api.create("payment_methods", attributes, payment_gateway=gateway)
    assert list(invalid(answer)) == ["payment_source_type"]


def test_a_payment_method_needs_a_gateway_which_stays_while_it_is_used(api: Api, acme: Organization):
    method = factories.payment_method(acme)
    with nothing_written():
        assert invalid(api.update(method, payment_gateway=None)) == {"payment_gateway": "blank"}
        assert refused(api.destroy(method.payment_gateway)) == (423, "LOCKED", None)
    assert api.destroy(method).status_code == 204
    assert api.destroy(method.payment_gateway).status_code == 204


def test_a_gateway_of_a_kind_there_is_not_is_refused(api: Api, acme: Organization):
    method = factories.payment_method(acme)
    with nothing_written():
        answer = api.update(method, payment_gateway={"type": "stripe_gateways", "id": "AAAAAAAAAA"})
    assert refused(answer)[:2] == (409, "TYPE_MISMATCH")


def test_the_default_methods_of_a_market_are_locked(api: Api, acme: Organization):
    shipping, payment = factories.shipping_method(acme), factories.payment_method(acme)
    factories.market(acme, default_shipping_method=shipping, default_payment_method=payment)
    with nothing_written():
        for row in (shipping, payment):
            assert refused(api.destroy(row)) == (423, "LOCKED", None)
