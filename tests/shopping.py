"""Orders as clients make them: a shop that sells SKUs in one market, and what its orders come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpResponse

from commerce import ids
from commerce.auth import Owner, Session
from commerce.models import Customer, LineItem, Order, Organization, ResourceError, Sku
from tests import factories
from tests.client import Api, path_of, stored

PARTS = (
    "subtotal_amount",
    "shipping_amount",
    "payment_method_amount",
    "adjustment_amount",
    "discount_amount",
    "gift_card_amount",
)
EMAIL = "ada@example.com"


class Shop:
    """One market of an organization. `staff` is an integration, `shopper` a sales channel whose token is for it."""

    def __init__(self, owner: Organization, staff: Api, currency_code: str = "EUR", **market: Any) -> None:
        self.owner, self.staff = owner, staff
        self.price_list = factories.price_list(owner, currency_code=currency_code)
        self.market = factories.market(owner, price_list=self.price_list, **market)
        self.channel = factories.application(owner, "sales_channel")
        self.shopper = Api(self.channel, Session(markets=(self.market.pk,)))

    def shopper_of(self, customer: Customer) -> Api:
        return Api(self.channel, Session(Owner("Customer", customer.pk), (self.market.pk,)))

    def sku(self, cents: int = 1000, **values: Any) -> Sku:
        """Something sold for so much a unit."""
        made = factories.sku(self.owner, **values)
        factories.price(made, self.price_list, amount_cents=cents)
        return made

    def order(self, *cents: int, by: Api | None = None, **attributes: Any) -> Order:
        """A new order of one unit of a new SKU for each of `cents`, made by a shopper unless said otherwise."""
        by = by or self.shopper
        markets = {} if by is self.shopper else {"market": self.market}
        order = row_of(by.create("orders", attributes, **markets))
        for amount in cents:
            self.add(order, self.sku(amount))
        return order

    def add(self, order: Order, sku: Sku, quantity: int = 1, **attributes: Any) -> LineItem:
        values = {"sku_code": sku.code, "quantity": quantity, **attributes}
        answer = self.staff.create("line_items", values, order=order)
        assert answer.status_code == 201, answer.content
        return LineItem.objects.get(pk=ids.decode(answer.json()["data"]["id"]))

    def placed(self, *cents: int, email: str = EMAIL, **attributes: Any) -> Order:
        """An order as `order` makes it, placed by the customer of that address."""
        order = self.order(*cents, customer_email=email, **attributes)
        done(self.shopper.update(order, {"_place": True}))
        return order


def coupon(shop: Shop, code: str = "SUMMER-2026", percentage: int = 10, **promotion: Any) -> Any:
    """A coupon with that code of a new promotion, which takes ten percent off unless said otherwise."""
    made = factories.percentage_promotion(shop.owner, percentage=percentage, **promotion)
    return factories.coupon(factories.coupon_rule(made), code=code)


def row_of(answer: HttpResponse) -> Order:
    """The order that an answer shows, which must have been created."""
    assert answer.status_code == 201, answer.content
    return Order.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


def done(answer: HttpResponse) -> dict[str, Any]:
    """The attributes of an order that must have been answered with success; its amounts add up."""
    assert answer.status_code in (200, 201), answer.content
    return adding_up(answer.json()["data"]["attributes"])


def shown(api: Api, order: Order) -> dict[str, Any]:
    return adding_up(api.data(path_of(order))["attributes"])


def adding_up(attributes: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: attributes[f"{name}_cents"] for name in PARTS}
    assert attributes["total_amount_cents"] == sum(amounts.values()), amounts
    assert attributes["total_amount_cents"] >= 0
    return attributes


def amounts(api: Api, order: Order) -> dict[str, int]:
    """What is not 0 of the order's amounts, in cents, by their names without the ending; `total` always."""
    attributes = shown(api, order)
    told = {name.removesuffix("_amount"): attributes[f"{name}_cents"] for name in (*PARTS, "total_amount")}
    return {name: cents for name, cents in told.items() if cents or name == "total"}


def lines(api: Api, order: Order, item_type: str | None = None) -> list[dict[str, Any]]:
    """The line items of the order, their ids among the attributes."""
    told = api.data(f"{path_of(order)}/line_items?page[size]=25")
    found = [{"id": each["id"], **each["attributes"]} for each in told]
    return [each for each in found if item_type is None or each["item_type"].startswith(item_type)]


def promotion_lines(api: Api, order: Order) -> list[dict[str, Any]]:
    return [each for each in lines(api, order) if each["item_type"].endswith("_promotions")]


@contextmanager
def only_errors_written() -> Iterator[None]:
    """Nothing is, but why an order was refused."""
    before = _stored_but_errors()
    yield
    assert _stored_but_errors() == before


def _stored_but_errors() -> dict[str, list[Any]]:
    rows = {table: rows for table, rows in stored().items() if table != ResourceError._meta.db_table}
    return {table: [row for row in found if ResourceError.wire_type not in row] for table, found in rows.items()}
