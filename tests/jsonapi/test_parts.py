"""What the parts of a parent ask of the protocol: items of any type, an order of telling, one lock for all of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from commerce import changes, permissions
from commerce.api import Resource, registry
from commerce.auth import Session
from commerce.jsonapi.resource import Rel
from commerce.models import Application, LineItem, LineItemOption, Order, Organization, Role, SkuOption
from tests import factories
from tests.client import HOST, Api, document, identifier, nothing_written, refused, statements
from tests.coupons.test_concurrency import PATIENCE, alone, until_waiting
from tests.factories import BY, NOW

# --- Resources of the tests' own ------------------------------------------------------------------


class Baskets(Resource):
    type = "baskets"
    model = Order
    attributes = ("number",)
    sortable = ("number",)
    ordering = ("-created_at", "pk")
    relationships = (Rel("parts", target="parts", inverse="order_id"),)


class Parts(Resource):
    type = "parts"
    model = LineItem
    attributes = ("name", "quantity")
    sortable = filterable = ("name",)
    ordering = ("created_at", "pk")
    guard = "order"
    relationships = (
        Rel("basket", field="order", target="baskets", sortable=True),
        Rel("item", type_column="item_type", accepts=("skus", "bundles", "phantoms"), assign=LineItem.stand_for),
        Rel("thing", field="item", type_column="item_type"),
    )


class Engravings(Resource):
    type = "engravings"
    model = LineItemOption
    attributes = ("name", "quantity")
    guard = "line_item__order"


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    for declared in (Baskets, Parts, Engravings):
        resource = declared(registry)
        monkeypatch.setitem(registry._resources, declared.type, resource)
        monkeypatch.setitem(registry.by_path, declared.type, resource)


_seconds = iter(range(1_000_000))


def created(row: Any) -> Any:
    changes.create(row, BY._replace(now=NOW + timedelta(seconds=next(_seconds))))
    return row


def basket(owner: Organization, **values: Any) -> Order:
    values = {"mode": "test", "number": f"B-{next(_seconds)}", "currency_code": "EUR", **values}
    return created(Order(organization=owner, market=factories.market(owner, mode=values["mode"]), **values))


def part(within: Order, item: Any = None, **values: Any) -> LineItem:
    values = {"quantity": 1, "name": "part", **values}
    if item is not None:
        values |= {"item_type": item.wire_type, "item_id": item.pk}
    return created(LineItem(organization=within.organization, mode=within.mode, order=within, **values))


@pytest.fixture
def bought(acme: Organization) -> Order:
    return basket(acme)


def path(row: LineItem, more: str = "") -> str:
    return f"parts/{row.public_id}{more}"


def item_of(resource: Any) -> Any:
    return resource["relationships"]["item"]["data"]


# --- Items of any type ----------------------------------------------------------------------------


def test_a_polymorphic_relationship_carries_linksalone_until_it_is_included(
    api: Api, acme: Organization, bought: Order
):
    line = part(bought, factories.sku(acme))
    url = f"{HOST}/api/{path(line)}"
    links = {"self": f"{url}/relationships/item", "related": f"{url}/item"}
    assert api.data(path(line))["relationships"]["item"] == {"links": links}


def test_items_of_every_type_are_included_by_one_query_each(api: Api, acme: Organization, bought: Order):
    sku, other, bundle = factories.sku(acme), factories.sku(acme), factories.bundle(factories.sku_list(acme))
    promotion = factories.percentage_promotion(acme)
    for item in (sku, bundle, other, promotion, sku, None):
        part(bought, item)
    body = api.get("parts?include=item").json()
    of_sku, of_other = identifier(sku), identifier(other)
    linked = [item_of(resource) for resource in body["data"]]
    assert linked == [of_sku, identifier(bundle), of_other, identifier(promotion), of_sku, None]
    assert {(each["type"], each["id"]) for each in body["included"]} == {
        (row.wire_type, row.public_id) for row in (sku, other, bundle, promotion)
    }
    assert all(each == api.data(each["links"]["self"]) for each in body["included"])
    assert statements(api, "parts?include=item") == 2 + 3
    assert statements(api, path(LineItem.objects.first())) == 1


def test_fieldsets_hold_for_what_is_included_through_it(api: Api, acme: Organization, bought: Order):
    sku, bundle = factories.sku(acme), factories.bundle(factories.sku_list(acme))
    part(bought, sku)
    part(bought, bundle)
    body = api.get("parts?include=item&fields[skus]=code&fields[bundles]=name&fields[parts]=item").json()
    assert [each["attributes"] for each in body["included"]] == [{"code": sku.code}, {"name": bundle.name}]
    assert [item_of(resource) for resource in body["data"]] == [identifier(sku), identifier(bundle)]


def test_what_is_gone_or_not_served_or_of_others_is_no_item(api: Api, acme: Organization, bought: Order):
    astray = factories.sku(acme, mode="live"), factories.sku(factories.organization())
    gone = factories.sku(acme)
    lines = [part(bought, item) for item in (*astray, gone)]
    lines.append(part(bought, item_type="phantoms", item_id=1))
    lines.append(part(bought, item_type="skus"))
    gone.delete()
    body = api.get("parts?include=item").json()
    assert [item_of(resource) for resource in body["data"]] == [None] * 5
    assert body["included"] == []
    for line in lines:
        assert api.data(path(line, "/item")) is None
        assert api.data(path(line, "/relationships/item")) is None


def test_an_item_is_reached_by_its_own_links(api: Api, acme: Organization, bought: Order):
    sku = factories.sku(acme)
    line = part(bought, sku)
    assert api.data(path(line, "/item")) == api.data(f"skus/{sku.public_id}")
    assert api.data(path(line, "/thing")) == api.data(f"skus/{sku.public_id}")
    assert api.data(path(line, "/relationships/item")) == identifier(sku)
    included = api.get(path(line, "/item?include=shipping_category&fields[skus]=shipping_category")).json()["included"]
    assert [each["type"] for each in included] == ["shipping_categories"]
    assert statements(api, path(line, "/item")) == statements(api, path(line, "/relationships/item")) == 2


def test_it_is_included_below_other_relationships_and_nothing_below_it(api: Api, acme: Organization, bought: Order):
    sku = factories.sku(acme)
    line = part(bought, sku)
    body = api.get(f"baskets/{bought.public_id}?include=parts.item").json()
    assert [(each["type"], each["id"]) for each in body["included"]] == [
        ("parts", line.public_id),
        ("skus", sku.public_id),
    ]
    for asked in ("item.prices", "item.nothing"):
        answer = api.get(f"parts?include={asked}")
        assert refused(answer) == (400, "INVALID_INCLUDE", {"parameter": "include"})
        assert asked in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("asked", ["filter[q][item_code_eq]=x", "filter[q][item_id_eq]=x", "sort=item.code"])
def test_nothing_is_searched_through_it(api: Api, asked: str):
    assert api.get(f"parts?{asked}").status_code == 400


def test_an_item_that_may_not_be_read_is_left_out(acme: Organization, bought: Order, travel: Any, unlimited: None):
    role = Role.objects.create(organization=acme, name="clerk", permissions={"parts": ["read"], "bundles": ["read"]})
    clerk = Api(factories.application(acme, Application.Kind.INTEGRATION, role=role))
    sku, bundle = factories.sku(acme), factories.bundle(factories.sku_list(acme))
    hidden, shown = part(bought, sku), part(bought, bundle)
    body = clerk.get("parts?include=item").json()
    assert [item_of(resource) for resource in body["data"]] == [None, identifier(bundle)]
    assert [each["type"] for each in body["included"]] == ["bundles"]
    assert clerk.data(path(shown, "/item"))["id"] == bundle.public_id
    for end in ("/item", "/relationships/item"):
        assert refused(clerk.get(path(hidden, end))) == (401, "UNAUTHORIZED", None)


def test_an_item_beyond_a_shoppers_reach_is_left_out(
    acme: Organization, bought: Order, monkeypatch: pytest.MonkeyPatch, travel: Any, unlimited: None
):
    open_to_all = permissions.Entry("list retrieve", "list retrieve", permissions.every)
    monkeypatch.setitem(permissions.TABLE, "parts", open_to_all)
    channel = factories.application(acme, Application.Kind.SALES_CHANNEL)
    shopper = Api(channel, Session(markets=(bought.market_id,)))
    priced, unpriced = factories.sku(acme), factories.sku(acme)
    factories.price(priced, bought.market.price_list)
    part(bought, priced)
    unreached = part(bought, unpriced)
    body = shopper.get("parts?include=item").json()
    assert [item_of(resource) for resource in body["data"]] == [identifier(priced), None]
    assert shopper.data(path(unreached, "/item")) is None


# --- Setting an item ------------------------------------------------------------------------------


def test_an_item_is_set_as_a_pair_and_handed_to_the_row(api: Api, acme: Organization, bought: Order):
    sku, bundle = factories.sku(acme), factories.bundle(factories.sku_list(acme))
    answer = api.create(
        "parts", {"quantity": 2}, "?include=item", basket={"type": "baskets", "id": bought.public_id}, item=sku
    )
    assert answer.status_code == 201, answer.content
    assert item_of(answer.json()["data"]) == identifier(sku)
    line = LineItem.objects.get()
    assert (line.item_type, line.item_id, line.sku_id, line.order_id) == ("skus", sku.pk, sku.pk, bought.pk)

    assert api.patch(path(line, "/relationships/item"), {"data": identifier(bundle)}).status_code == 204
    line = LineItem.objects.get()
    assert (line.item_type, line.item_id, line.bundle_id) == ("bundles", bundle.pk, bundle.pk)

    assert api.patch(path(line, "/relationships/item"), {"data": None}).status_code == 204
    assert LineItem.objects.get().item_id is None
    assert api.data(path(line, "/item")) is None


def new_part(api: Api, bought: Order, **relationships: Any) -> Any:
    return api.create("parts", {"quantity": 2}, basket={"type": "baskets", "id": bought.public_id}, **relationships)


def test_items_of_other_types_are_refused(api: Api, acme: Organization, bought: Order):
    pointer = {"pointer": "/data/relationships/item/data/type"}
    for item in (factories.percentage_promotion(acme), {"type": "phantoms", "id": "ABCDEFGHIJ"}):
        with nothing_written():
            answer = new_part(api, bought, item=item)
        assert refused(answer) == (409, "TYPE_MISMATCH", pointer)
        assert "takes bundles or skus" in answer.json()["errors"][0]["detail"]


def test_items_that_are_not_there_are_refused(api: Api, acme: Organization, bought: Order):
    foreign = factories.sku(acme, mode="live"), factories.sku(factories.organization())
    bundle = factories.bundle(factories.sku_list(acme))
    unknown = {"type": "skus", "id": "ABCDEFGHIJ"}, {"type": "skus", "id": bundle.public_id}, {"type": "skus", "id": ""}
    for item in (*foreign, *unknown):
        with nothing_written():
            answer = new_part(api, bought, item=item)
        assert refused(answer) == (404, "RECORD_NOT_FOUND", {"pointer": "/data/relationships/item/data"})


def test_an_item_is_one_identifier(api: Api, acme: Organization, bought: Order):
    sku = factories.sku(acme)
    with nothing_written():
        answer = new_part(api, bought, item=[sku])
    assert refused(answer) == (400, "BAD_REQUEST", {"pointer": "/data/relationships/item/data"})


def test_what_accepts_no_type_cannot_be_set(api: Api, acme: Organization, bought: Order):
    sku = factories.sku(acme)
    line = part(bought)
    with nothing_written():
        assert refused(new_part(api, bought, thing=sku))[:2] == (403, "FORBIDDEN")
        assert api.patch(path(line, "/relationships/thing"), {"data": identifier(sku)}).status_code == 403


# --- A foreign key of another name ----------------------------------------------------------------


def test_a_foreign_key_goes_by_the_name_of_its_relationship(api: Api, acme: Organization, bought: Order):
    other = basket(acme, number="A-1")
    line, second = part(bought, name="first"), part(other, name="second")
    named = {"type": "baskets", "id": bought.public_id}
    body = api.get(f"{path(line)}?include=basket").json()
    assert body["data"]["relationships"]["basket"]["data"] == named
    assert [each["id"] for each in body["included"]] == [bought.public_id]
    assert api.data(path(line, "/basket"))["id"] == bought.public_id
    assert api.data(path(line, "/relationships/basket")) == named
    assert api.ids(f"parts?filter[q][basket_id_eq]={bought.public_id}") == [line.public_id]
    assert api.ids("parts?sort=basket.number") == [second.public_id, line.public_id]
    assert api.patch(path(second, "/relationships/basket"), {"data": named}).status_code == 204
    assert LineItem.objects.get(pk=second.pk).order_id == bought.pk
    with nothing_written():
        answer = api.create("parts", {"quantity": 1})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/basket"})


# --- The order of telling -------------------------------------------------------------------------


def test_rows_are_told_in_the_order_of_their_type(api: Api, acme: Organization, bought: Order):
    lines = [part(bought, id=key, name=name) for key, name in ((900, "b"), (30, "a"), (500, "b"))]
    in_time = [line.public_id for line in lines]
    assert api.ids("parts") == in_time
    assert api.ids("parts?page[size]=2&page[number]=2") == in_time[2:]
    assert api.ids("parts?filter[q][name_eq]=b") == [in_time[0], in_time[2]]
    related = f"baskets/{bought.public_id}/parts"
    assert api.ids(related) == api.ids(related.replace("/parts", "/relationships/parts")) == in_time
    body = api.get(f"baskets/{bought.public_id}?include=parts").json()
    assert [each["id"] for each in body["data"]["relationships"]["parts"]["data"]] == in_time
    assert [each["id"] for each in body["included"]] == in_time


def test_an_order_that_is_asked_for_comes_first(api: Api, bought: Order):
    lines = [part(bought, id=key, name=name) for key, name in ((900, "b"), (30, "a"), (500, "b"))]
    first, second, third = [line.public_id for line in lines]
    assert api.ids("parts?sort=id") == [second, third, first]
    assert api.ids("parts?sort=-id") == [first, third, second]
    assert api.ids("parts?sort=name") == [second, third, first]
    assert api.ids("parts?sort=-created_at") == [third, second, first]


def test_rows_of_one_instant_are_told_by_key(api: Api, bought: Order):
    lines = [part(bought, id=key) for key in (900, 30, 500)]
    LineItem.objects.update(created_at=NOW)
    assert api.ids("parts") == [lines[1].public_id, lines[2].public_id, lines[0].public_id]


def test_an_order_may_run_backwards(api: Api, acme: Organization, bought: Order):
    newer = basket(acme)
    assert api.ids("baskets") == [newer.public_id, bought.public_id]


# --- The lock of the parent -----------------------------------------------------------------------


def engraving(line: LineItem) -> LineItemOption:
    option = created(SkuOption(organization=line.organization, mode=line.mode, name="Engraving", currency_code="EUR"))
    row = LineItemOption(organization=line.organization, mode=line.mode, line_item=line, sku_option=option, quantity=1)
    return created(row)


@pytest.fixture
def parts(bought: Order) -> Iterator[tuple[LineItem, LineItemOption]]:
    line = part(bought)
    return line, engraving(line)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ask", ["update", "destroy", "relationship", "part of a part"])
def test_writers_of_parts_wait_for_the_parent_and_hold_nothing_meanwhile(
    api: Api, bought: Order, parts: tuple[LineItem, LineItemOption], ask: str
):
    line, option = parts
    url = path(line)
    item = factories.sku(bought.organization)
    asks: dict[str, Any] = {
        "update": lambda: api.patch(url, document("parts", {"quantity": 2}, line.public_id)),
        "destroy": lambda: api.delete(f"engravings/{option.public_id}"),
        "relationship": lambda: api.patch(f"{url}/relationships/item", {"data": identifier(item)}),
        "part of a part": lambda: api.patch(
            f"engravings/{option.public_id}", document("engravings", {"quantity": 2}, option.public_id)
        ),
    }
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Order._base_manager.select_for_update(no_key=True).get(pk=bought.pk)
        request = pool.submit(alone, asks[ask])
        until_waiting([request])
        assert not request.done()
        for row in parts:  # refused if the request holds one
            type(row)._base_manager.select_for_update(nowait=connection.vendor == "postgresql").get(pk=row.pk)
    assert request.result(PATIENCE).status_code in (200, 204)


@pytest.mark.django_db(transaction=True)
def test_a_part_that_moves_while_its_parent_is_awaited_is_gone(
    api: Api, bought: Order, parts: tuple[LineItem, LineItemOption]
):
    line, _ = parts
    elsewhere = basket(bought.organization)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Order._base_manager.select_for_update(no_key=True).get(pk=bought.pk)
            request = pool.submit(
                alone, lambda: api.patch(path(line), document("parts", {"quantity": 2}, line.public_id))
            )
            until_waiting([request])
            LineItem._base_manager.filter(pk=line.pk).update(order=elsewhere)
        status = request.result(PATIENCE).status_code
    # SQLite lets nobody in before the move, and then the line is found where it went.
    assert status == (404 if connection.vendor == "postgresql" else 200)


def test_what_is_not_there_is_404_with_a_guard_too(api: Api, parts: tuple[LineItem, LineItemOption]):
    foreign = part(basket(factories.organization()))
    for public_id in ("ABCDEFGHIJ", foreign.public_id):
        with nothing_written():
            assert api.patch(f"parts/{public_id}", document("parts", {"quantity": 2}, public_id)).status_code == 404
            assert api.delete(f"parts/{public_id}").status_code == 404
            assert api.delete(f"engravings/{public_id}").status_code == 404
