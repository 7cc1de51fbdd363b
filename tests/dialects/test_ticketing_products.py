from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce.models import Organization, SkuList, SkuListItem
from coupons.dialects.ticketing import guids
from promotions.models import Promotion
from tests import factories
from tests.client import nothing_written
from tests.dialects.ticketing_client import UNKNOWN, Ticketing
from tests.shopping import Shop


def guid_of(sku: Any) -> str:
    return guids.encode("product", sku.pk)


def test_skus_are_product_types(tickets: Ticketing, shop: Shop):
    sku = shop.sku(1500, code="SEAT", name="Seat", description="In front")
    factories.sku(shop.owner, code="FREE", name="Free")
    answer = tickets.get("/product")
    assert answer.status == 200
    assert answer.body[0] == {
        "guid": guid_of(sku),
        "event_id": None,
        "code": "SEAT",
        "name": "Seat",
        "description": "In front",
        "vat_percentage": None,
        "price": 1500,
        "pricing_method": "own",
        "class": None,
        "origin_type": "product",
        "status": "auto",
        "skip_late_personalization": False,
        "extra_data": None,
    }
    assert [(one["code"], one["price"]) for one in answer.body] == [("SEAT", 1500), ("FREE", None)]


def test_a_product_is_attached_and_told_with_its_pivot(tickets: Ticketing, shop: Shop):
    coupon, sku = tickets.coupon(), shop.sku(1500)
    path = f"/coupon/{coupon}/products/{guid_of(sku)}"
    answer = tickets.post(path, {"max_per_coupon": 2, "price": 900})
    assert (answer.status, answer.body["guid"], answer.body["price"]) == (200, guid_of(sku), 1500)
    assert answer.body["pivot"] == {"max_per_coupon": 2, "price": 900, "forced": False}
    assert tickets.done("GET", f"/coupon/{coupon}/products") == [answer.body]
    unset = {"max_per_coupon": None, "price": None}
    assert (
        tickets.done("POST", path, unset)["pivot"]
        == tickets.done("POST", path)["pivot"]
        == {"max_per_coupon": 0, "price": None, "forced": False}
    )


def test_new_products_are_put_on_top(tickets: Ticketing, shop: Shop):
    coupon, skus = tickets.coupon(), [shop.sku() for _ in range(3)]
    for sku in (*skus, skus[0]):
        tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(sku)}")
    told = tickets.done("GET", f"/coupon/{coupon}/products")
    assert [one["guid"] for one in told] == [guid_of(skus[place]) for place in (0, 2, 1)]


def test_the_list_of_a_coupon_comes_and_goes_with_its_products(tickets: Ticketing, shop: Shop):
    coupon, sku = tickets.coupon("new-price", 900), shop.sku()
    path = f"/coupon/{coupon}/products/{guid_of(sku)}"
    tickets.done("POST", path)
    promotion = Promotion.objects.get()
    assert (promotion.whole_order, promotion.sku_list.name, promotion.sku_list.manual) == (False, "Fifty", True)
    assert tickets.delete(path).status == 204
    promotion = Promotion.objects.get()
    assert (promotion.whole_order, promotion.sku_list, SkuList.objects.count()) == (True, None, 0)
    assert tickets.delete(path).status == 404
    assert tickets.done("GET", f"/coupon/{coupon}/products") == []


@pytest.mark.parametrize("user", ["promotion", "rule", "bundle", "pattern"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_list_that_others_use_is_not_touched(tickets: Ticketing, acme: Organization, user: str, method: str):
    sku = factories.sku(acme)
    used = (
        factories.sku_list(acme, sku)
        if user != "pattern"
        else factories.sku_list(acme, manual=False, sku_code_regex="A")
    )
    promotion = factories.percentage_promotion(acme, sku_list=used)
    factories.coupon_rule(promotion)
    if user == "promotion":
        factories.percentage_promotion(acme, sku_list=used)
    elif user == "rule":
        factories.sku_list_rule(promotion, sku_list=used)
    elif user == "bundle":
        factories.bundle(used)
    coupon = guids.encode("coupon", promotion.pk)
    with nothing_written():
        answer = tickets.ask(method, f"/coupon/{coupon}/products/{guid_of(sku)}")
    assert (answer.status, list(answer.context)) == (406, ["products"])


def test_products_of_a_list_made_elsewhere_are_told(tickets: Ticketing, acme: Organization):
    sku = factories.sku(acme)
    promotion = factories.fixed_price_promotion(acme, sku_list=factories.sku_list(acme, sku))
    factories.coupon_rule(promotion)
    coupon = guids.encode("coupon", promotion.pk)
    assert [one["guid"] for one in tickets.done("GET", f"/coupon/{coupon}/products")] == [guid_of(sku)]
    assert tickets.delete(f"/coupon/{coupon}/products/{guid_of(sku)}").status == 204


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ({"max_per_coupon": -1}, "max_per_coupon"),
        ({"max_per_coupon": 1.5}, "max_per_coupon"),
        ({"max_per_coupon": 2**31}, "max_per_coupon"),
        ({"price": "5"}, "price"),
        ({"price": -5}, "price"),
    ],
)
def test_what_is_wrong_is_named(tickets: Ticketing, acme: Organization, sent: dict[str, Any], named: str):
    coupon, sku = tickets.coupon(), factories.sku(acme)
    with nothing_written():
        answer = tickets.post(f"/coupon/{coupon}/products/{guid_of(sku)}", sent)
    assert (answer.status, list(answer.context)) == (406, [named])


def test_products_that_are_not_there_are_404(tickets: Ticketing):
    coupon = tickets.coupon()
    for product in (UNKNOWN, coupon, "SEAT"):
        assert tickets.post(f"/coupon/{coupon}/products/{product}").status == 404
        assert tickets.delete(f"/coupon/{coupon}/products/{product}").status == 404
    assert SkuListItem.objects.count() == 0


def test_lists_take_as_many_statements_however_long_they_are(tickets: Ticketing, shop: Shop):
    coupon = tickets.coupon()
    for _ in range(3):
        tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(shop.sku())}")
        counts = [counted(tickets, path) for path in ("/product", f"/coupon/{coupon}/products")]
        assert counts == [2, 3]


def counted(tickets: Ticketing, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        tickets.done("GET", path)
    return len(captured)


# --- What they are discounted by ------------------------------------------------------------------


def used(tickets: Ticketing, *items: tuple[Any, int, int]) -> list[int]:
    """What comes off each of the items: SKU, quantity and price."""
    sent = [{"product": guid_of(sku), "quantity": quantity, "price": price} for sku, quantity, price in items]
    answer = tickets.post("/coupon/redemption", {"order": "o1", "codes": ["SEATS"], "items": sent})
    assert answer.status == 200, answer
    return [item["discount"] for item in answer.body["items"]]


def test_only_attached_products_are_discounted(tickets: Ticketing, shop: Shop):
    coupon, seat, drink = tickets.coupon("percentage-discount", 12.5), shop.sku(), shop.sku()
    tickets.codes(coupon, "SEATS", applies_to_count=10)
    tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(seat)}")
    assert used(tickets, (seat, 2, 1000), (drink, 1, 1000)) == [250, 0]


def test_the_dearest_units_are_discounted_as_many_as_the_code_applies_to(tickets: Ticketing, shop: Shop):
    coupon, seat, drink = tickets.coupon("fixed-discount", 300), shop.sku(), shop.sku()
    tickets.codes(coupon, "SEATS", applies_to_count=3)
    for sku in (seat, drink):
        tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(sku)}")
    assert used(tickets, (drink, 4, 200), (seat, 2, 1000)) == [200, 600]


def test_no_more_units_of_a_product_than_its_link_says(tickets: Ticketing, shop: Shop):
    coupon, seat, drink = tickets.coupon("percentage-discount", 50), shop.sku(), shop.sku()
    tickets.codes(coupon, "SEATS", applies_to_count=10)
    tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(seat)}", {"max_per_coupon": 1})
    tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(drink)}")
    assert used(tickets, (seat, 3, 1000), (drink, 2, 200)) == [500, 200]


def test_the_price_of_a_link_stands_in_place_of_the_new_price(tickets: Ticketing, shop: Shop):
    coupon, seat, drink = tickets.coupon("new-price", 700), shop.sku(), shop.sku()
    tickets.codes(coupon, "SEATS", applies_to_count=10)
    tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(seat)}", {"price": 900})
    tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(drink)}")
    assert used(tickets, (seat, 2, 1000), (drink, 1, 1000)) == [200, 300]


@pytest.mark.parametrize(
    ("of_type", "amount", "taken"),
    [("cheque", 300, 300), ("fixed-discount", 300, 600), ("percentage-discount", 10, 200)],
)
def test_the_price_of_a_link_is_of_no_use_to_other_types(
    tickets: Ticketing, shop: Shop, of_type: str, amount: int, taken: int
):
    coupon, seat = tickets.coupon(of_type, amount), shop.sku()
    tickets.codes(coupon, "SEATS", applies_to_count=10)
    told = tickets.done("POST", f"/coupon/{coupon}/products/{guid_of(seat)}", {"price": 900})
    assert (told["pivot"]["price"], used(tickets, (seat, 2, 1000))) == (900, [taken])
