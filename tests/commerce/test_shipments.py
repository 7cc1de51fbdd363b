"""Shipments: what of an order is sent together, by which method and for how much, and how it gets on its way."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import order_totals
from commerce.models import Event, LineItem, Order, Organization, Shipment, ShippingMethod
from tests import factories
from tests.client import Api, identifier, nothing_written, path_of, problem, refused
from tests.factories import BY, NOW
from tests.shopping import Shop, amounts, done

Status = Shipment.Status


@pytest.fixture
def shop(api: Api, acme: Organization) -> Shop:
    return Shop(acme, api)


@pytest.fixture
def categories(acme: Organization) -> list[Any]:
    return [factories.shipping_category(acme) for _ in range(2)]


def sent_to_italy(shop: Shop, *skus: Any) -> Order:
    """An order of one unit of each, with a shipping address in Modena."""
    order = shop.order(by=shop.staff)
    for sku in skus:
        shop.add(order, sku)
    address(shop, order)
    return order


def address(shop: Shop, order: Order, **values: Any) -> None:
    done(shop.staff.update(order, {}, shipping_address=factories.address(shop.owner, **values)))


def shipments_of(order: Order) -> list[Shipment]:
    return list(order.shipments.order_by("number"))


def choose(shop: Shop, shipment: Shipment, method: ShippingMethod | None) -> None:
    answer = shop.staff.update(shipment, {}, shipping_method=method)
    assert answer.status_code == 200, answer.content


# --- Which there are ------------------------------------------------------------------------------


def test_an_order_without_a_shipping_address_has_no_shipments(shop: Shop):
    order = shop.order(1000)
    assert shipments_of(order) == []
    assert LineItem.objects.get().in_shipment is None


def test_there_is_one_shipment_for_each_shipping_category(shop: Shop, categories: list[Any]):
    light, heavy = categories
    skus = [shop.sku(shipping_category=category) for category in (light, heavy, light)]
    order = sent_to_italy(shop, *skus)
    first, second = shipments_of(order)
    assert [first.number, second.number] == [f"{order.number}/S/001", f"{order.number}/S/002"]
    assert [first.shipping_category, second.shipping_category] == [light, heavy]
    assert {shipment.shipping_address_id for shipment in (first, second)} == {
        Order.objects.get(pk=order.pk).shipping_address_id
    }
    sent = dict(LineItem.objects.filter(order=order).values_list("sku_code", "in_shipment"))
    assert sent == {skus[0].code: first.pk, skus[1].code: second.pk, skus[2].code: first.pk}
    assert api_ids(shop.staff, first, "line_items") == {line_id(order, skus[0]), line_id(order, skus[2])}
    assert shop.staff.data(path_of(first))["attributes"]["skus_count"] == 2


def api_ids(api: Api, shipment: Shipment, relation: str) -> set[str]:
    return set(api.ids(f"{path_of(shipment)}/{relation}"))


def line_id(order: Order, sku: Any) -> str:
    return order.line_items.get(sku=sku).public_id


def test_what_is_not_shipped_is_in_no_shipment(shop: Shop):
    order = sent_to_italy(shop, shop.sku(do_not_ship=True))
    assert shipments_of(order) == []


def test_a_bundle_goes_with_the_first_of_its_skus_that_is_shipped(shop: Shop, categories: list[Any]):
    digital = shop.sku(do_not_ship=True)
    listed = factories.sku_list(shop.owner, digital)
    for place, category in enumerate(categories, 2):
        factories.sku_list_item(listed, shop.sku(shipping_category=category), position=place)
    bundle = factories.bundle(listed, market=shop.market)
    order = sent_to_italy(shop)
    assert shop.staff.create("line_items", {"bundle_code": bundle.code, "quantity": 1}, order=order).status_code == 201
    (shipment,) = shipments_of(order)
    assert shipment.shipping_category == categories[0]


def test_a_bundle_of_what_is_not_shipped_is_in_no_shipment(shop: Shop):
    bundle = factories.bundle(factories.sku_list(shop.owner, shop.sku(do_not_ship=True)), market=shop.market)
    order = sent_to_italy(shop)
    assert shop.staff.create("line_items", {"bundle_code": bundle.code, "quantity": 1}, order=order).status_code == 201
    assert shipments_of(order) == []


def test_a_shipment_stays_with_its_method_as_long_as_a_line_needs_it(shop: Shop, categories: list[Any]):
    method = factories.shipping_method(shop.owner)
    order = sent_to_italy(shop, *[shop.sku(shipping_category=category) for category in categories])
    first, second = shipments_of(order)
    choose(shop, first, method)
    shop.add(order, shop.sku(shipping_category=categories[0]))
    assert shipments_of(order) == [first, second]
    assert Shipment.objects.get(pk=first.pk).shipping_method == method

    assert shop.staff.destroy(order.line_items.get(sku__shipping_category=categories[1])).status_code == 204
    assert shipments_of(order) == [first]
    for line in order.line_items.filter(sku__shipping_category=categories[0]):
        assert shop.staff.destroy(line).status_code == 204
    assert shipments_of(order) == []
    assert amounts(shop.staff, order) == {"total": 0}


def test_the_address_of_a_shipment_follows_that_of_the_order(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    address(shop, order, city="Roma")
    (shipment,) = shipments_of(order)
    assert shipment.shipping_address is not None
    assert shipment.shipping_address.city == "Roma"
    done(shop.staff.update(order, {}, shipping_address=None))
    assert shipments_of(order) == []


def test_what_is_on_its_way_stays_whatever_becomes_of_the_lines(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    Shipment.objects.update(status=Status.PICKING)
    assert shop.staff.destroy(order.line_items.get()).status_code == 204
    (shipment,) = shipments_of(order)
    assert shipment.status == Status.PICKING


def test_a_shipment_of_no_category_is_somebodys_own_and_stays(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    own = shop.staff.create("shipments", {}, order=order, shipping_method=factories.shipping_method(shop.owner))
    assert own.status_code == 201, own.content
    assert own.json()["data"]["attributes"]["number"] == f"{order.number}/S/002"
    shop.add(order, shop.sku())
    assert len(shipments_of(order)) == 3
    assert amounts(shop.staff, order) == {"subtotal": 2000, "shipping": 700, "total": 2700}


def test_the_number_of_queries_does_not_depend_on_that_of_the_lines(shop: Shop, categories: list[Any]):
    order = sent_to_italy(shop, *[shop.sku(shipping_category=category) for category in categories])
    listed = factories.sku_list(shop.owner, shop.sku(shipping_category=categories[0]))
    refreshed(order)
    needed = []
    for _ in range(2):
        for category in categories * 2:
            factories.line_item(order, factories.sku(shop.owner, shipping_category=category))
            factories.line_item(order, factories.bundle(listed, market=shop.market))
        needed.append(refreshed(order))
    assert needed[0] == needed[1]
    assert {line.in_shipment for line in order.line_items.all()} == set(shipments_of(order))


def refreshed(order: Order) -> int:
    """How many queries it takes to price the order anew, which has something to store."""
    with CaptureQueriesContext(connection) as captured:
        order_totals.refresh(Order.objects.select_related("market", "shipping_address").get(pk=order.pk), BY)
    return len(captured)


# --- How they are sent, and what that costs -------------------------------------------------------


def test_a_new_shipment_takes_the_usual_method_of_the_market(shop: Shop):
    location = factories.stock_location(shop.owner)
    method = factories.shipping_method(shop.owner, stock_location=location)
    usual(shop, method)
    order = sent_to_italy(shop, shop.sku(1000))
    (shipment,) = shipments_of(order)
    assert shipment.shipping_method == method
    assert shop.staff.data(f"{path_of(shipment)}/stock_location")["id"] == location.public_id
    assert shop.staff.data(f"{path_of(shipment)}/origin_address")["id"] == location.address.public_id
    assert shop.staff.data(path_of(shipment))["attributes"]["formatted_cost_amount"] == "€7,00"
    assert amounts(shop.staff, order) == {"subtotal": 1000, "shipping": 700, "total": 1700}


def usual(shop: Shop, method: ShippingMethod) -> None:
    shop.market.default_shipping_method = method
    shop.market.save()


UNFIT: dict[str, Any] = {
    "disabled": lambda shop: {"disabled_at": NOW},
    "of another market": lambda shop: {
        "market": factories.market(shop.owner, price_list=factories.price_list(shop.owner))
    },
    "in another currency": lambda shop: {"currency_code": "USD"},
    "of another category": lambda shop: {"shipping_category": factories.shipping_category(shop.owner)},
    "for another country": lambda shop: {"shipping_zone": factories.shipping_zone(shop.owner, country_code_regex="US")},
    "not for the country": lambda shop: {
        "shipping_zone": factories.shipping_zone(shop.owner, not_country_code_regex="^IT$")
    },
    "not for the ZIP code": lambda shop: {
        "shipping_zone": factories.shipping_zone(shop.owner, country_code_regex="IT", not_zip_code_regex="^41")
    },
    "for a state": lambda shop: {"shipping_zone": factories.shipping_zone(shop.owner, state_code_regex=".")},
}


@pytest.mark.parametrize("why", UNFIT)
def test_a_method_that_does_not_fit_is_neither_usual_nor_chosen(shop: Shop, why: str):
    method = factories.shipping_method(shop.owner, **UNFIT[why](shop))
    usual(shop, method)
    order = sent_to_italy(shop, shop.sku())
    (shipment,) = shipments_of(order)
    assert shipment.shipping_method is None
    with nothing_written():
        answer = shop.staff.update(shipment, {}, shipping_method=method)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/shipping_method"})


def test_a_method_for_where_the_order_goes_is_chosen(shop: Shop):
    zone = factories.shipping_zone(
        shop.owner, country_code_regex="^(IT|SM)$", zip_code_regex="^4", not_state_code_regex="BO"
    )
    sku = shop.sku()
    method = factories.shipping_method(
        shop.owner, shipping_zone=zone, market=shop.market, shipping_category=sku.shipping_category
    )
    order = sent_to_italy(shop, sku)
    (shipment,) = shipments_of(order)
    choose(shop, shipment, method)
    assert amounts(shop.staff, order) == {"subtotal": 1000, "shipping": 700, "total": 1700}
    choose(shop, shipment, None)
    assert amounts(shop.staff, order) == {"subtotal": 1000, "total": 1000}
    assert Shipment.objects.get().cost_amount_cents is None


def test_a_method_is_chosen_by_its_relationship_too(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    (shipment,) = shipments_of(order)
    method = factories.shipping_method(shop.owner, price_amount_cents=0)
    path = f"{path_of(shipment)}/relationships/shipping_method"
    assert shop.staff.patch(path, {"data": identifier(method)}).status_code == 204
    assert shop.staff.data(path_of(shipment))["attributes"]["cost_amount_cents"] == 0


@pytest.mark.parametrize(("subtotal", "shipping"), [(4999, 700), (5000, 0), (5001, 0)])
def test_shipping_is_free_from_an_amount_on(shop: Shop, subtotal: int, shipping: int):
    usual(shop, factories.shipping_method(shop.owner, free_over_amount_cents=5000))
    order = sent_to_italy(shop, shop.sku(subtotal))
    assert shipments_of(order)[0].cost_amount_cents == shipping
    assert amounts(shop.staff, order)["total"] == subtotal + shipping


@pytest.mark.parametrize("scheme", ["weight_tiered", "external"])
def test_every_scheme_costs_its_price(shop: Shop, scheme: str):
    url = {"external_prices_url": "https://example.com/prices"} if scheme == "external" else {}
    usual(shop, factories.shipping_method(shop.owner, scheme=scheme, price_amount_cents=900, **url))
    order = sent_to_italy(shop, shop.sku())
    assert amounts(shop.staff, order)["shipping"] == 900


def test_an_order_that_is_refreshed_by_hand_takes_a_chosen_method_with_the_next_refresh(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    done(shop.staff.update(order, {"autorefresh": False}))
    choose(shop, shipments_of(order)[0], factories.shipping_method(shop.owner))
    assert amounts(shop.staff, order) == {"subtotal": 1000, "total": 1000}
    done(shop.staff.update(order, {"_refresh": True}))
    assert amounts(shop.staff, order) == {"subtotal": 1000, "shipping": 700, "total": 1700}


# --- Once the order is placed ---------------------------------------------------------------------


@pytest.fixture
def sent(shop: Shop) -> Shipment:
    """The shipment of a placed order, which has a method."""
    usual(shop, factories.shipping_method(shop.owner))
    order = sent_to_italy(shop, shop.sku())
    done(shop.staff.update(order, {"customer_email": "ada@example.com", "_place": True}))
    (shipment,) = shipments_of(order)
    return shipment


def test_the_method_of_a_placed_order_stays(shop: Shop, sent: Shipment):
    for method in (None, factories.shipping_method(shop.owner)):
        with nothing_written():
            answer = shop.staff.update(sent, {}, shipping_method=method)
        assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/shipping_method"})


def test_a_shipment_of_a_placed_order_is_not_deleted_and_none_added(shop: Shop, sent: Shipment):
    with nothing_written():
        assert refused(shop.staff.destroy(sent))[:2] == (423, "LOCKED")
        answer = shop.staff.create("shipments", {}, order=sent.order)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/order"})


def test_a_shipment_that_is_deleted_too_early_comes_back(shop: Shop):
    order = sent_to_italy(shop, shop.sku())
    (shipment,) = shipments_of(order)
    choose(shop, shipment, factories.shipping_method(shop.owner))
    assert shop.staff.destroy(shipment).status_code == 204
    (new,) = shipments_of(order)
    assert new.pk != shipment.pk
    assert new.shipping_method is None
    assert amounts(shop.staff, order) == {"subtotal": 1000, "total": 1000}


def test_a_shipment_goes_its_way_step_by_step(shop: Shop, sent: Shipment, travel: Any):
    travel(NOW + timedelta(hours=1))
    steps = {
        "upcoming": "upcoming",
        "picking": "picking",
        "on_hold": "on_hold",
        "packing": "packing",
        "ready_to_ship": "ready_to_ship",
        "ship": "shipped",
        "deliver": "delivered",
    }
    for step, status in steps.items():
        attributes = shop.staff.update(sent, {f"_{step}": True}).json()["data"]["attributes"]
        assert attributes["status"] == status
        if status != "upcoming":
            assert attributes[f"{status}_at"] == "2026-06-15T13:00:00.000Z"
    told = Event.objects.filter(resource_type="shipments", resource_id=sent.pk).exclude(name="shipments.update")
    assert list(told.order_by("pk").values_list("name", flat=True)) == [
        "shipments.create",
        *(f"shipments.{step}" for step in steps),
    ]


REFUSED = [
    ("draft", "picking"),
    ("draft", "ship"),
    ("upcoming", "upcoming"),
    ("upcoming", "packing"),
    ("upcoming", "ship"),
    ("picking", "ready_to_ship"),
    ("packing", "ship"),
    ("on_hold", "ship"),
    ("ready_to_ship", "deliver"),
    ("shipped", "ship"),
    ("shipped", "cancel"),
    ("shipped", "on_hold"),
    ("delivered", "cancel"),
    ("cancelled", "cancel"),
    ("cancelled", "upcoming"),
]


@pytest.mark.parametrize(("status", "step"), REFUSED)
def test_a_step_out_of_turn_is_refused(shop: Shop, sent: Shipment, status: str, step: str):
    Shipment.objects.update(status=status)
    with nothing_written():
        answer = shop.staff.update(sent, {f"_{step}": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/_{step}"})
    assert problem(answer)["title"] == f"is not possible: the shipment is {status}"


@pytest.mark.parametrize("status", ["draft", "upcoming", "on_hold", "picking", "packing", "ready_to_ship"])
def test_what_has_not_left_can_be_cancelled(shop: Shop, sent: Shipment, status: str):
    Shipment.objects.update(status=status)
    assert shop.staff.update(sent, {"_cancel": True}).json()["data"]["attributes"]["status"] == "cancelled"


def test_nothing_is_prepared_before_the_order_is_placed(shop: Shop):
    (shipment,) = shipments_of(sent_to_italy(shop, shop.sku()))
    answer = shop.staff.update(shipment, {"_upcoming": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/_upcoming"})
    assert problem(answer)["title"] == "is not possible: the order is pending"


@pytest.mark.parametrize("trigger", ["_approve", "_approve_and_capture"])
def test_an_order_that_is_approved_has_its_shipments_prepared(shop: Shop, sent: Shipment, trigger: str):
    waiting, held = (factories.shipment(sent.order, status=status) for status in ("draft", "on_hold"))
    method = factories.payment_method(shop.owner)
    Order.objects.update(payment_method=method, payment_status="authorized")
    done(shop.staff.update(sent.order, {trigger: True}))
    assert [Shipment.objects.get(pk=each.pk).status for each in (sent, waiting, held)] == [
        "upcoming",
        "upcoming",
        "on_hold",
    ]
    moved = Event.objects.filter(name="shipments.upcoming").values_list("resource_id", flat=True)
    assert sorted(moved) == sorted([sent.pk, waiting.pk])
    assert shop.staff.update(sent, {"_picking": True}).status_code == 200


def test_two_steps_at_once_contradict_each_other(shop: Shop, sent: Shipment):
    Shipment.objects.update(status=Status.UPCOMING)
    answer = shop.staff.update(sent, {"_picking": True, "_on_hold": True})
    assert {each["source"]["pointer"] for each in answer.json()["errors"]} == {
        "/data/attributes/_picking",
        "/data/attributes/_on_hold",
    }


def test_a_number_is_given_changed_and_never_shared(shop: Shop, sent: Shipment):
    other = shipments_of(sent_to_italy(shop, shop.sku()))[0]
    assert shop.staff.update(sent, {"number": "PARCEL-1"}).json()["data"]["attributes"]["number"] == "PARCEL-1"
    answer = shop.staff.update(other, {"number": "PARCEL-1"})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/number"})
    assert problem(answer)["meta"]["error"] == "taken"
    answer = shop.staff.update(sent, {"number": ""})
    assert answer.json()["data"]["attributes"]["number"] == f"{sent.order.number}/S/001"
