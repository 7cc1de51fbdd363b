"""Relationships to types that do not exist here, as official clients ask for them beside others."""

import pytest

from commerce.models import Customer, Order, Organization
from tests import factories
from tests.client import HOST, Api, document, identifier, path_of, refused, statements

pytestmark = pytest.mark.usefixtures("unlimited", "travel")

CHECKOUT = (
    "line_items.line_item_options.sku_option,line_items.shipment_line_items,shipments.stock_transfers.line_item,"
    "shipments.stock_line_items.line_item,shipments.parcels.parcel_line_items,payment_source,transactions,"
    "available_customer_payment_sources.payment_source,authorizations.captures,attachments"
)
"""What a checkout includes of an order."""


@pytest.fixture
def order(acme: Organization) -> Order:
    order = factories.order(acme, customer=factories.customer(acme, email="ada@example.com"))
    factories.line_item(order, factories.sku(acme))
    factories.shipment(order)
    return order


@pytest.fixture
def customer(order: Order) -> Customer:
    assert order.customer
    return order.customer


def test_what_exists_is_included_beside_what_does_not(api: Api, order: Order):
    body = api.get(f"{path_of(order)}?include={CHECKOUT}").json()
    (line,), (shipment,) = order.line_items.all(), order.shipments.all()
    assert [identifier(line), identifier(shipment)] == [
        {"type": each["type"], "id": each["id"]} for each in body["included"]
    ]
    linked = {
        resource["type"]: {name: told["data"] for name, told in resource["relationships"].items() if "data" in told}
        for resource in (body["data"], *body["included"])
    }
    assert linked == {
        "orders": {
            "line_items": [identifier(line)],
            "shipments": [identifier(shipment)],
            "payment_source": None,
            "transactions": [],
            "available_customer_payment_sources": [],
            "authorizations": [],
            "attachments": [],
        },
        "line_items": {"line_item_options": [], "shipment_line_items": []},
        "shipments": {"stock_transfers": [], "stock_line_items": [], "parcels": []},
    }


def test_what_does_not_exist_takes_no_statement(api: Api, order: Order):
    absent = ",".join(path for path in CHECKOUT.split(",") if not path.startswith(("line_items", "shipments")))
    assert statements(api, f"{path_of(order)}?include={absent}") == 1
    assert statements(api, f"{path_of(order)}?include={CHECKOUT}") == 4
    assert statements(api, f"{path_of(order)}/transactions?include=order&sort=-created_at") == 1


def test_a_resource_met_twice_holds_what_either_path_asks_for(api: Api, order: Order):
    include = "customer,customer.customer_group,line_items.order.customer.returns"
    body = api.get(f"{path_of(order)}?include={include}").json()
    (customer,) = [each for each in body["included"] if each["type"] == "customers"]
    assert customer["relationships"]["returns"]["data"] == []
    assert customer["relationships"]["customer_group"]["data"] is None


def test_a_list_of_what_does_not_exist_is_an_empty_page(api: Api, customer: Customer):
    path = f"{path_of(customer)}/order_subscriptions"
    query = "include=market.merchant&sort=-created_at,nothing&fields[order_subscriptions]=number&filter[q][status_eq]=x"
    body = api.get(f"{path}?{query}&page[size]=5").json()
    assert (body["meta"], body["data"], body["included"]) == ({"record_count": 0, "page_count": 0}, [], [])
    assert sorted(body["links"]) == ["first", "last", "self"]
    assert api.data(body["links"]["last"]) == []


def test_one_that_does_not_exist_is_null(api: Api, order: Order):
    own = f"{HOST}/api/{path_of(order)}"
    related = api.get(f"{path_of(order)}/payment_source?include=whatever.there.is").json()
    assert (related["data"], related["included"]) == (None, [])
    assert related["links"] == {"self": f"{own}/payment_source?include=whatever.there.is"}
    linked = api.get(f"{path_of(order)}/relationships/payment_source").json()
    assert linked["data"] is None
    assert linked["links"] == {"self": f"{own}/relationships/payment_source", "related": f"{own}/payment_source"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("include=nothing", "INVALID_INCLUDE"),
        ("include=payment_source,nothing", "INVALID_INCLUDE"),
        ("include=market.payment_source", "INVALID_INCLUDE"),
        ("include=transactions.a.b.c.d.e", "INVALID_INCLUDE"),
        ("fields[orders]=payment_sources", "INVALID_FIELD"),
    ],
)
def test_names_that_nobody_knows_are_still_400(api: Api, order: Order, query: str, code: str):
    assert refused(api.get(f"{path_of(order)}?{query}"))[:2] == (400, code)


@pytest.mark.parametrize(
    ("query", "code"), [("nothing=1", "PARAM_NOT_ALLOWED"), ("page[size]=26", "INVALID_PAGE_VALUE")]
)
def test_what_no_list_takes_is_400_of_an_empty_one_too(api: Api, order: Order, query: str, code: str):
    assert refused(api.get(f"{path_of(order)}/transactions?{query}"))[:2] == (400, code)


@pytest.mark.parametrize("name", ["payment_source", "transactions"])
def test_whoever_sees_the_parent_sees_that_there_is_nothing(acme: Organization, order: Order, name: str):
    guest = Api(factories.application(acme, "sales_channel"))
    open_order = factories.order(acme, guest=True)
    for below in (name, f"relationships/{name}"):
        assert guest.data(f"{path_of(open_order)}/{below}") in (None, [])
        for hidden in (f"{path_of(order)}x", "orders/ABCDEFGHIJ"):
            assert refused(guest.get(f"{hidden}/{below}"))[:2] == (404, "RECORD_NOT_FOUND")


def test_a_shopper_clears_a_payment_source_that_cannot_be(acme: Organization):
    guest = Api(factories.application(acme, "sales_channel"))
    order = factories.order(acme, guest=True, status="pending")
    body = document("orders", {"payment_source": None, "language_code": "it"}, order.public_id)
    assert guest.patch(path_of(order), body).json()["data"]["attributes"]["language_code"] == "it"
    body = document("orders", {}, order.public_id, payment_source={"type": "wire_transfers", "id": "ABCDEFGHIJ"})
    pointer = {"pointer": "/data/relationships/payment_source"}
    assert refused(guest.patch(path_of(order), body)) == (403, "FORBIDDEN", pointer)


@pytest.mark.parametrize("method", ["PATCH", "POST", "DELETE"])
def test_no_members_are_added_removed_or_set_where_there_are_none(api: Api, order: Order, method: str):
    path = f"{path_of(order)}/relationships/transactions"
    assert api.request(method, path, {"data": []}).status_code == 204
    assert refused(api.request(method, path, {"data": None}))[0] == 400
    assert refused(api.request(method, path, {"data": [identifier(order)]})) == (403, "FORBIDDEN", {"pointer": "/data"})
