"""Which rows a shopper reaches, however it goes about it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpResponse

from commerce import changes, ids, permissions
from commerce.auth import Owner, Session
from commerce.jsonapi.prepared import Instances, like
from commerce.models import (
    Address,
    Application,
    Customer,
    GiftCard,
    LineItem,
    Market,
    Order,
    Organization,
    Price,
    ResourceError,
    Shipment,
)
from commerce.permissions import Shopper
from tests import factories
from tests.client import Api, identifier, nothing_written, path_of, problem, refused, statements
from tests.factories import BY, NOW

pytestmark = pytest.mark.usefixtures("unlimited", "travel")

ADDRESS = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "line_1": "Piazza Grande 1",
    "city": "Modena",
    "zip_code": "41121",
    "state_code": "MO",
    "country_code": "IT",
    "phone": "059",
}
NOT_FOUND = (404, "RECORD_NOT_FOUND")


@pytest.fixture
def channel(acme: Organization) -> Application:
    return factories.application(acme, "sales_channel", client_id="shop")


@pytest.fixture
def ada(acme: Organization) -> Customer:
    return factories.customer(acme, email="ada@example.com")


@pytest.fixture
def bob(acme: Organization) -> Customer:
    return factories.customer(acme, email="bob@example.com")


def of(channel: Application, customer: Customer | None = None, *markets: Market) -> Api:
    """A shopper in the name of a customer or nobody, in these markets or all."""
    owner = Owner("Customer", customer.pk) if customer else None
    return Api(channel, Session(owner, tuple(market.pk for market in markets) if markets else None))


def is_missing(answer: HttpResponse) -> bool:
    return refused(answer)[:2] == NOT_FOUND


# --- What is sold ---------------------------------------------------------------------------------


@pytest.fixture
def offer(acme: Organization) -> Callable[..., Price]:
    """Something sold in a new market, alone and in a bundle."""

    def made(**market: Any) -> Price:
        place = factories.market(acme, **market)
        sku = factories.sku(acme, mode=place.mode)
        factories.bundle(factories.sku_list(acme), market=place)
        return factories.price(sku, place.price_list)

    return made


def seen(api: Api) -> tuple[list[str], list[str], int]:
    """Ids of prices and SKUs, and how many bundles."""
    return sorted(api.ids("prices")), sorted(api.ids("skus")), len(api.ids("bundles"))


def sold(*prices: Price) -> tuple[list[str], list[str], int]:
    return sorted(price.public_id for price in prices), sorted(price.sku.public_id for price in prices), len(prices)


def market_of(price: Price) -> Market:
    return price.price_list.markets.get()


def test_a_shopper_sees_what_is_sold_in_its_markets(channel: Application, acme: Organization, offer: Any):
    europe, asia, _ = offer(), offer(), offer()
    factories.sku(acme)  # is sold nowhere
    assert seen(of(channel, None, market_of(europe))) == sold(europe)
    assert seen(of(channel, None, market_of(europe), market_of(asia))) == sold(europe, asia)


def test_a_shopper_of_all_markets_sees_the_open_ones(channel: Application, offer: Any):
    europe, asia = offer(), offer()
    offer(disabled_at=NOW)
    assert seen(of(channel)) == sold(europe, asia)


def test_what_is_sold_elsewhere_is_not_there(channel: Application, offer: Any):
    europe, asia = offer(), offer()
    api = of(channel, None, market_of(europe))
    bundle = market_of(asia).bundles.get()
    assert [is_missing(api.get(path_of(row))) for row in (asia, asia.sku, bundle)] == [True] * 3
    assert is_missing(api.get(f"{path_of(asia.sku)}/prices"))
    assert is_missing(api.get(f"{path_of(asia)}/sku"))
    assert is_missing(api.get(f"{path_of(asia.sku)}/relationships/prices"))
    assert api.get(path_of(europe)).status_code == 200


def test_a_market_that_is_disabled_takes_what_it_sells_with_it(channel: Application, offer: Any):
    europe = offer()
    api = of(channel, None, market_of(europe))
    assert seen(api) == sold(europe)
    Market.objects.update(disabled_at=NOW)
    assert seen(api) == sold()


def test_a_private_market_sells_to_its_customers_alone(
    channel: Application, acme: Organization, offer: Any, ada: Customer, bob: Customer
):
    club = offer(customer_group=factories.customer_group(acme))
    Customer.objects.filter(pk=ada.pk).update(customer_group=market_of(club).customer_group)
    for places in ((), (market_of(club),)):
        assert seen(of(channel, ada, *places)) == sold(club)
        assert seen(of(channel, bob, *places)) == sold()
        assert seen(of(channel, None, *places)) == sold()
    Customer.objects.update(customer_group=None)
    assert seen(of(channel, ada)) == sold()


def test_a_bundle_of_no_market_is_sold_in_all(channel: Application, acme: Organization, offer: Any):
    bundle = factories.bundle(factories.sku_list(acme))
    assert bundle.public_id in of(channel, None, market_of(offer())).ids("bundles")


def test_only_prices_in_scope_are_included_related_and_filtered_by(channel: Application, offer: Any):
    europe, asia = offer(), offer()
    both = europe.sku
    dear = factories.price(both, asia.price_list, amount_cents=987_654)
    api = of(channel, None, market_of(europe))
    included = api.get(f"{path_of(both)}?include=prices").json()["included"]
    assert [row["id"] for row in included] == [europe.public_id]
    [listed] = api.get("skus?include=prices").json()["included"]
    assert listed["id"] == europe.public_id
    assert api.ids(f"{path_of(both)}/prices") == [europe.public_id]
    assert [row["id"] for row in api.data(f"{path_of(both)}/relationships/prices")] == [europe.public_id]
    assert api.ids(f"skus?filter[q][prices_id_eq]={dear.public_id}") == []
    assert api.ids(f"skus?filter[q][prices_id_eq]={europe.public_id}") == [both.public_id]
    assert api.ids("skus?filter[q][prices_amount_cents_eq]=987654") == []
    assert len(of(channel).ids("skus?filter[q][prices_amount_cents_eq]=987654")) == 1


def test_an_integration_sees_everything_whatever_its_scope(acme: Organization, offer: Any):
    europe, asia = offer(), offer(disabled_at=NOW)
    api = Api(factories.application(acme), Session(markets=(market_of(europe).pk,)))
    assert seen(api) == sold(europe, asia)


def test_two_shoppers_share_compiled_statements_and_no_rows(
    channel: Application, acme: Organization, offer: Any, api: Api
):
    europe, asia = offer(), offer()
    for _ in range(2):
        assert seen(api) == sold(europe, asia)
        assert seen(of(channel, None, market_of(europe))) == sold(europe)
        assert seen(of(channel, None, market_of(asia))) == sold(asia)
        assert of(channel, None, market_of(asia)).get(path_of(europe)).status_code == 404
        assert api.get(path_of(europe)).status_code == 200


def test_a_shopper_costs_no_statement_more(channel: Application, offer: Any, ada: Customer):
    europe = offer()
    shopper = of(channel, ada, market_of(europe))
    assert statements(shopper, "prices") == 2
    assert statements(shopper, path_of(europe)) == 1
    assert statements(shopper, "prices?include=sku") == 3


# --- Customers ------------------------------------------------------------------------------------


def test_a_customer_sees_itself_and_its_own(channel: Application, ada: Customer, bob: Customer):
    mine, theirs = (factories.customer_address(customer) for customer in (ada, bob))
    api = of(channel, ada)
    assert api.ids("customers") == [ada.public_id]
    assert api.ids("customer_addresses") == [mine.public_id]
    assert api.ids("addresses") == [mine.address.public_id]
    assert api.ids(f"{path_of(ada)}/customer_addresses") == [mine.public_id]
    assert api.data(f"{path_of(mine)}/customer")["id"] == ada.public_id
    for row in (bob, theirs, theirs.address):
        assert is_missing(api.get(path_of(row)))
        with nothing_written():
            assert is_missing(api.update(row, {"reference": "x"}))
    with nothing_written():
        assert is_missing(api.destroy(theirs))
    assert is_missing(api.get(f"{path_of(bob)}/customer_addresses"))
    assert is_missing(api.get(f"{path_of(theirs)}/relationships/customer"))


def test_filters_tell_a_customer_nothing_of_others(channel: Application, ada: Customer, bob: Customer):
    factories.customer_address(bob)
    api = of(channel, ada)
    assert api.ids("customers?filter[q][email_end]=example.com") == [ada.public_id]
    assert api.ids("customer_addresses?filter[q][customer_email_eq]=bob@example.com") == []
    assert api.ids("addresses?filter[q][city_present]=true") == []


def test_a_list_of_somebody_else_is_not_there(channel: Application, acme: Organization, ada: Customer, bob: Customer):
    lists = [factories.sku_list(acme, customer=customer) for customer in (None, ada, bob)]
    answers = [of(channel, ada).get(path_of(row)).status_code for row in lists]
    assert answers == [200, 200, 404]
    assert [of(channel).get(path_of(row)).status_code for row in lists] == [200, 404, 404]


def test_a_webapp_in_the_name_of_a_customer_reaches_no_more(acme: Organization, ada: Customer, bob: Customer):
    webapp = Api(factories.application(acme, "webapp"), Session(Owner("Customer", ada.pk)))
    assert webapp.ids("customers") == [ada.public_id]
    assert is_missing(webapp.get(path_of(bob)))


def test_who_signs_up_can_log_in(channel: Application, acme: Organization):
    answer = of(channel).create("customers", {"email": "eve@example.com", "password": "open sesame"})
    assert answer.status_code == 201
    assert answer.json()["data"]["attributes"]["has_password"] is True
    body = {"grant_type": "password", "client_id": "shop", "username": "eve@example.com", "password": "open sesame"}
    assert Api.client.post("/oauth/token", body).json()["owner_id"] == answer.json()["data"]["id"]


def test_who_signs_up_joins_no_group(channel: Application, acme: Organization, ada: Customer):
    group = factories.customer_group(acme)
    with nothing_written():
        answer = of(channel).create("customers", {"email": "eve@example.com"}, customer_group=group)
        assert is_missing(answer)
        assert is_missing(of(channel, ada).update(ada, customer_group=group))
        linkage = {"data": identifier(group)}
        assert is_missing(of(channel, ada).patch(f"{path_of(ada)}/relationships/customer_group", linkage))


# --- Address books --------------------------------------------------------------------------------


def test_a_customer_keeps_an_address_in_its_book(channel: Application, ada: Customer, bob: Customer):
    api = of(channel, ada)
    answer = api.create("addresses", ADDRESS)
    assert answer.status_code == 201
    address = Address.objects.get()
    assert api.ids("addresses") == [address.public_id]
    assert of(channel, bob).ids("addresses") == []
    assert api.update(address, {"city": "Bologna"}).status_code == 200
    kept = api.create("customer_addresses", customer=ada, address=address)
    assert kept.status_code == 201
    assert api.delete(f"customer_addresses/{kept.json()['data']['id']}").status_code == 204


def test_the_address_of_a_guest_is_theirs_who_know_its_id(acme: Organization, channel: Application, ada: Customer):
    answer = of(channel).create("addresses", ADDRESS)
    assert (answer.status_code, answer.json()["data"]["attributes"]["city"]) == (201, "Modena")
    path = f"addresses/{answer.json()['data']['id']}"
    assert of(channel).get(path).status_code == 200
    assert refused(of(channel).get("addresses"))[:2] == (401, "UNAUTHORIZED")
    assert is_missing(of(channel, ada).get(path))
    assert is_missing(of(channel).get(path_of(factories.address(acme))))


def test_the_addresses_of_an_order_are_shown_with_it_and_are_not_the_shopper_s(
    channel: Application, acme: Organization, ada: Customer, bob: Customer
):
    places = [factories.address(acme) for _ in range(3)]
    of_guest = factories.order(acme, guest=True, shipping_address=places[0])
    of_ada = factories.order(acme, customer=ada, shipping_address=places[1], billing_address=places[2])
    own = factories.customer_address(ada)
    guest, api = of(channel), of(channel, ada)
    assert guest.data(f"{path_of(of_guest)}/shipping_address")["id"] == places[0].public_id
    told = api.get(f"{path_of(of_ada)}?include=shipping_address,billing_address").json()["included"]
    assert {row["id"] for row in told} == {place.public_id for place in places[1:]}
    assert [guest.get(path_of(place)).status_code for place in places] == [200, 404, 404]
    assert [api.get(path_of(place)).status_code for place in places] == [404, 200, 200]
    assert [is_missing(of(channel, bob).get(path_of(place))) for place in places] == [True] * 3
    with nothing_written():
        for shopper, place in ((guest, places[0]), (api, places[1])):
            assert refused(shopper.update(place, {"city": "Bologna"}))[:2] == (401, "UNAUTHORIZED")
        kept = api.create("customer_addresses", customer=ada, address=places[1])
        assert refused(kept) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/address"})
        changed = api.update(own, address=places[1])
        assert refused(changed) == (422, "VALIDATION_ERROR", {"pointer": "/data/relationships/address"})


def test_nobody_writes_into_the_book_of_another(channel: Application, ada: Customer, bob: Customer):
    mine, theirs = (factories.customer_address(customer) for customer in (ada, bob))
    api = of(channel, ada)
    with nothing_written():
        assert is_missing(api.create("customer_addresses", customer=bob, address=mine.address))
        assert is_missing(api.create("customer_addresses", customer=ada, address=theirs.address))
        by_email = api.create("customer_addresses", {"customer_email": "bob@example.com"}, address=mine.address)
        assert refused(by_email)[:2] == (401, "UNAUTHORIZED")
        assert is_missing(api.update(mine, customer=bob))
        assert is_missing(api.update(mine, address=theirs.address))
    own = api.create("customer_addresses", {"customer_email": "ada@example.com"}, address=mine.address)
    assert own.status_code == 201


# --- Orders ---------------------------------------------------------------------------------------


@pytest.fixture
def orders(acme: Organization, ada: Customer, bob: Customer) -> dict[str, Order]:
    """Orders in one market but for "abroad", each with a line, a shipment and an error."""
    europe = factories.market(acme)
    made = {
        "guest's": factories.order(acme, market=europe, guest=True),
        "another guest's": factories.order(acme, market=europe, guest=True, customer=bob),
        "ada's": factories.order(acme, market=europe, customer=ada),
        "ada's as a guest": factories.order(acme, market=europe, customer=ada, guest=True),
        "bob's": factories.order(acme, market=europe, customer=bob),
        "nobody's": factories.order(acme, market=europe),
        "abroad": factories.order(acme, guest=True, customer=ada),
        "live": factories.order(acme, guest=True, customer=ada, mode="live"),
        "foreign": factories.order(factories.organization(slug="globex"), guest=True),
    }
    for order in made.values():
        told = {"organization": order.organization, "mode": order.mode, "order": order}
        changes.create(LineItem(item_type="skus", quantity=1, **told), BY)
        changes.create(Shipment(number=order.number, **told), BY)
        changes.create(ResourceError(name="base", code="invalid", message="Something is wrong.", **told), BY)
    return made


OF_ORDERS = {
    Order: lambda order: order,
    LineItem: lambda line: line.order,
    Shipment: lambda shipment: shipment.order,
    ResourceError: lambda error: error.order,
}


def reached(shopper: Shopper, model: Any, orders: dict[str, Order]) -> set[str]:
    """Of which orders the rows are that are reached, by a statement that is prepared for any shopper."""
    tenant = like(shopper)
    rows = permissions.within(tenant, model.wire_type, model.objects.owned_by(tenant))
    found = {OF_ORDERS[model](row) for row in Instances(rows).load(shopper._asdict())}
    return {name for name, order in orders.items() if order in found}


EVERYWHERE = {"guest's", "another guest's", "ada's as a guest", "abroad"}


@pytest.mark.parametrize("model", OF_ORDERS)
def test_a_guest_reaches_the_orders_of_guests_and_what_belongs_to_them(
    acme: Organization, orders: dict[str, Order], model: Any
):
    tenant, europe = orders["guest's"].tenant, orders["guest's"].market_id
    assert reached(Shopper.of(tenant, 0, None), model, orders) == EVERYWHERE
    assert reached(Shopper.of(tenant, 0, [europe]), model, orders) == EVERYWHERE - {"abroad"}
    assert reached(Shopper.of(tenant, 0, []), model, orders) == set()


@pytest.mark.parametrize("model", OF_ORDERS)
def test_a_customer_reaches_its_own_orders_and_what_belongs_to_them(
    acme: Organization, orders: dict[str, Order], ada: Customer, model: Any
):
    tenant, europe = orders["guest's"].tenant, orders["guest's"].market_id
    own = {"ada's", "ada's as a guest", "abroad"}
    assert reached(Shopper.of(tenant, ada.pk, None), model, orders) == own
    assert reached(Shopper.of(tenant, ada.pk, [europe]), model, orders) == own - {"abroad"}


def test_a_market_that_closes_keeps_its_orders(acme: Organization, orders: dict[str, Order], ada: Customer):
    Market.objects.update(disabled_at=NOW, customer_group=factories.customer_group(acme))
    tenant, europe = orders["guest's"].tenant, orders["guest's"].market_id
    assert reached(Shopper.of(tenant, 0, None), Order, orders) == EVERYWHERE
    assert "ada's" in reached(Shopper.of(tenant, ada.pk, [europe]), Order, orders)


def test_the_order_of_a_guest_is_one_and_that_of_a_customer_is_its_own(acme: Organization, ada: Customer):
    tenant = ada.tenant
    assert permissions.creator(Shopper.of(tenant, 0, None), "orders") == {"guest": True}
    assert permissions.creator(Shopper.of(tenant, ada.pk, None), "orders") == {"customer_id": ada.pk}
    assert permissions.creator(tenant, "orders") == {}


@pytest.fixture
def shop(acme: Organization) -> Market:
    """A market where SHIRT costs 10.00 EUR."""
    market = factories.market(acme)
    factories.price(factories.sku(acme, code="SHIRT"), market.price_list, amount_cents=1000)
    return market


def begun(api: Api, attributes: Any = None) -> Order:
    """A new order of a shopper with a shirt in it."""
    answer = api.create("orders", attributes)
    assert answer.status_code == 201, answer.content
    order = Order.objects.get(pk=ids.decode(answer.json()["data"]["id"]))
    assert api.create("line_items", {"sku_code": "SHIRT", "quantity": 2}, order=order).status_code == 201
    return order


def test_a_guest_shops_by_the_id_of_its_order_alone(
    channel: Application, acme: Organization, shop: Market, ada: Customer
):
    guest = of(channel, None, shop)
    order = begun(guest, {"guest": False})
    told = guest.get(f"{path_of(order)}?include=line_items,line_items.item").json()
    assert told["data"]["attributes"]["guest"] is True
    assert told["data"]["attributes"]["subtotal_amount_cents"] == 2000
    assert sorted(row["type"] for row in told["included"]) == ["line_items", "skus"]
    assert len(guest.ids(f"{path_of(order)}/line_items")) == 1
    for path in ("orders", "line_items", "line_items?filter[q][quantity_eq]=2"):
        assert refused(guest.get(path))[:2] == (401, "UNAUTHORIZED")
    for elsewhere in (of(channel, None, factories.market(acme)), of(channel, ada, shop)):
        assert is_missing(elsewhere.get(path_of(order)))
        with nothing_written():
            assert is_missing(elsewhere.update(order, {"reference": "x"}))
            assert is_missing(elsewhere.create("line_items", {"sku_code": "SHIRT", "quantity": 1}, order=order))


@pytest.mark.parametrize("name", ["shipping_address", "billing_address"])
def test_a_guest_writes_into_nobody_s_address_book(channel: Application, shop: Market, ada: Customer, name: str):
    guest, trigger = of(channel, None, shop), f"_save_{name}_to_customer_address_book"
    order = begun(guest, {"customer_email": "ada@example.com"})
    address = guest.create("addresses", ADDRESS)
    kept = Address.objects.get(pk=ids.decode(address.json()["data"]["id"]))
    assert guest.update(order, **{name: kept}).status_code == 200
    with nothing_written():
        refusal = refused(guest.update(order, {trigger: True}))
        assert refusal == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{trigger}"})
    assert of(channel, ada, shop).update(order, {trigger: True}).status_code == 200
    assert [entry.address.city for entry in ada.customer_addresses.all()] == ["Modena"]


def test_whose_the_order_of_a_guest_is_no_guest_is_told(channel: Application, shop: Market, ada: Customer):
    guest = of(channel, None, shop)
    order = begun(guest, {"customer_email": "ada@example.com"})
    shown = guest.get(f"{path_of(order)}?include=customer,customer.customer_addresses").json()
    assert (shown["data"]["relationships"]["customer"]["data"], shown["included"]) == (None, [])
    for path in ("customer", "relationships/customer"):
        assert guest.data(f"{path_of(order)}/{path}") is None
    told = of(channel, ada, shop).get(f"{path_of(order)}?include=customer").json()
    assert [row["id"] for row in told["included"]] == [ada.public_id]


def test_a_shopper_sees_where_its_order_is_sold_and_not_what_is_kept_from_it(
    channel: Application, acme: Organization, shop: Market
):
    guest = of(channel, None, shop)
    order = begun(guest)
    location, category = factories.stock_location(acme), factories.shipping_category(acme)
    shipment = factories.shipment(order, stock_location=location, shipping_category=category)
    (market,) = guest.get(f"{path_of(order)}?include=market").json()["included"]
    assert market["attributes"]["name"] == shop.name
    kept = {"shared_secret", "external_prices_url", "external_order_validation_url", "external_includes"}
    assert kept.isdisjoint(market["attributes"])
    assert "checkout_url" in market["attributes"]
    told = guest.get(f"{path_of(shipment)}?include=stock_location,shipping_category").json()["included"]
    assert {(row["type"], row["attributes"]["name"]) for row in told} == {
        ("stock_locations", location.name),
        ("shipping_categories", category.name),
    }
    for path in (path_of(shop), "markets", path_of(location), f"{path_of(order)}?include=market.price_list"):
        assert refused(guest.get(path))[:2] == (401, "UNAUTHORIZED")
    Market.objects.update(disabled_at=NOW)
    assert guest.get(f"{path_of(order)}?include=market").json()["included"] == []


def test_a_guest_stays_one_when_it_tells_who_it_is(channel: Application, shop: Market, ada: Customer):
    guest = of(channel, None, shop)
    order = begun(guest)
    answer = guest.update(order, {"customer_email": "ada@example.com", "guest": False})
    assert answer.json()["data"]["attributes"]["guest"] is True
    assert of(channel, ada, shop).ids("orders") == [order.public_id]


def test_a_customer_shops_for_itself_alone(channel: Application, shop: Market, ada: Customer, bob: Customer):
    api = of(channel, ada, shop)
    order = begun(api, {"guest": True})
    assert (order.customer, order.guest) == (ada, False)
    assert api.ids("orders") == [order.public_id]
    assert api.ids("line_items") == [order.line_items.get().public_id]
    assert of(channel, bob, shop).ids("orders") == []
    assert is_missing(of(channel, None, shop).get(path_of(order)))
    with nothing_written():
        assert is_missing(api.update(order, {"customer_email": "bob@example.com"}))
        assert is_missing(api.update(order, customer=bob))
        assert refused(api.create("orders", {"customer_email": "bob@example.com"}))[:2] == (401, "UNAUTHORIZED")


def test_a_customer_finds_its_cart(channel: Application, acme: Organization, shop: Market, ada: Customer):
    own = {"market": shop, "customer": ada}
    carts = [factories.order(acme, status=status, **own).public_id for status in ("draft", "pending", "editing")]
    for status in ("placing", "placed", "approved", "cancelled"):
        factories.order(acme, status=status, **own)
    api = of(channel, ada, shop)
    query = "filter[q][editable_true]=true&filter[q][guest_false]=true"
    assert sorted(api.ids(f"{path_of(ada)}/orders?{query}")) == sorted(carts)
    assert sorted(api.ids("orders?filter[q][editable_eq]=1")) == sorted(carts)
    assert len(api.ids("orders?filter[q][editable_false]=1")) == 4
    assert [api.data(f"orders/{each}")["attributes"]["editable"] for each in carts] == [True] * 3


def test_an_address_of_somebody_else_is_not_copied(channel: Application, shop: Market, ada: Customer, bob: Customer):
    theirs = factories.customer_address(bob).address
    for api in (of(channel, ada, shop), of(channel, None, shop)):
        order = begun(api)
        with nothing_written():
            answer = api.update(order, {"_shipping_address_clone_id": theirs.public_id})
            assert refused(answer)[:2] == (422, "VALIDATION_ERROR")
            assert is_missing(api.update(order, shipping_address=theirs))


def test_whoever_guesses_coupon_codes_is_stopped(channel: Application, shop: Market, settings: LazySettings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "codes": "4/60"}  # halved in test mode
    guest = of(channel, None, shop)
    order = begun(guest)
    names = ("coupon_code", "gift_card_code", "gift_card_or_coupon_code")
    with nothing_written():
        answers = [guest.update(order, {name: "SUMMER-25"}) for name in names]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert refused(answers[1]) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/gift_card_code"})
    assert problem(answers[0])["detail"] == "coupon_code - is invalid"


# --- Gift cards -----------------------------------------------------------------------------------


def test_a_gift_card_that_is_yet_to_be_bought_is_anybody_s_who_knows_it(
    channel: Application, acme: Organization, ada: Customer
):
    draft = factories.gift_card(acme, status="draft")
    for api in (of(channel), of(channel, ada), of(channel, None, factories.market(acme))):
        assert api.get(path_of(draft)).status_code == 200
        assert api.update(draft, {"balance_cents": 2500}).status_code == 200
        assert refused(api.get("gift_cards"))[:2] == (401, "UNAUTHORIZED")


def test_a_gift_card_that_was_bought_is_its_recipient_s_to_see(
    channel: Application, acme: Organization, ada: Customer, bob: Customer
):
    card = factories.gift_card(acme, gift_card_recipient=factories.gift_card_recipient(acme, customer=ada))
    assert of(channel, ada).get(path_of(card)).status_code == 200
    assert [is_missing(api.get(path_of(card))) for api in (of(channel), of(channel, bob))] == [True, True]
    with nothing_written():
        answer = of(channel, ada).update(card, {"balance_cents": 99_999})
        assert refused(answer)[:2] == (401, "UNAUTHORIZED")


def test_whom_a_gift_card_is_for_is_told_to_nobody_else(
    channel: Application, acme: Organization, ada: Customer, bob: Customer
):
    recipient = factories.gift_card_recipient(acme, customer=ada, first_name="Ada")
    draft = factories.gift_card(acme, status="draft", gift_card_recipient=recipient)
    told = [
        api.data(f"{path_of(draft)}/gift_card_recipient") for api in (of(channel), of(channel, bob), of(channel, ada))
    ]
    assert [row and row["attributes"]["first_name"] for row in told] == [None, None, "Ada"]


def test_a_gift_card_of_another_market_is_not_there(channel: Application, acme: Organization):
    europe, asia = factories.market(acme), factories.market(acme)
    card = factories.gift_card(acme, status="draft", market=asia)
    assert is_missing(of(channel, None, europe).get(path_of(card)))
    assert of(channel, None, asia).get(path_of(card)).status_code == 200
    assert of(channel).get(path_of(card)).status_code == 200


def test_a_shopper_makes_drafts(channel: Application, acme: Organization):
    answer = of(channel).create("gift_cards", {"balance_cents": 5000, "currency_code": "EUR"})
    assert (answer.status_code, answer.json()["data"]["attributes"]["status"]) == (201, "draft")
    card = GiftCard.objects.get()
    with nothing_written():
        for name, value in {"_purchase": True, "_activate": True, "_balance_change_cents": 1, "code": "MINE"}.items():
            assert refused(of(channel).update(card, {name: value}))[:2] == (400, "PARAM_NOT_ALLOWED")


# --- Ways to pay and to ship ----------------------------------------------------------------------


@pytest.mark.parametrize("made", [factories.payment_method, factories.shipping_method])
def test_what_an_open_market_offers_is_shown(channel: Application, acme: Organization, made: Any):
    europe, asia = factories.market(acme), factories.market(acme)
    rows = [made(acme, market=market) for market in (None, europe, asia)] + [made(acme, disabled_at=NOW)]
    api = of(channel, None, europe)
    assert [api.get(path_of(row)).status_code for row in rows] == [200, 200, 404, 404]
    Market.objects.update(disabled_at=NOW)
    assert api.get(path_of(rows[1])).status_code == 404


def test_no_shopper_is_told_the_secret_of_a_service(channel: Application, acme: Organization, api: Api):
    method = factories.shipping_method(acme)
    told = api.data(path_of(method))["attributes"]
    shown = of(channel).data(path_of(method))["attributes"]
    assert told.keys() - shown.keys() == {"shared_secret", "external_prices_url"}
    fields = "fields[shipping_methods]=name,shared_secret"
    assert of(channel).data(f"{path_of(method)}?{fields}")["attributes"] == {"name": method.name}
    assert api.data(f"{path_of(method)}?{fields}")["attributes"].keys() == {"name", "shared_secret"}
