"""The admin's "Try a cart"."""

from typing import Any

import pytest
from django.test import Client

from commerce.models import Organization
from tests import factories
from tests.client import nothing_written
from tests.staff import clerk, superuser

PAGE = "/admin/try-a-cart/"


def tried(staff: Client, owner: Organization, **values: Any) -> Any:
    sent = {"organization": owner.pk, "mode": "test", "currency_code": "EUR", **values}
    with nothing_written():
        page = staff.post(PAGE, sent)
    assert page.status_code == 200
    return page


def test_a_cart_is_shown_with_what_applied_and_what_did_not_and_why(travel: Any, acme: Organization):
    factories.percentage_promotion(acme, name="A tenth off")
    big = factories.percentage_promotion(acme, name="Big orders")
    factories.order_amount_rule(big, order_amount_cents=11_000)
    factories.price(factories.sku(acme, code="SHIRT"), factories.price_list(acme))
    page = tried(
        superuser(), acme, line_items="SOCKS 2 2500\nSHOES 1 5000", shipping="500", coupon_codes="NOWHERE-1, OTHER"
    )
    shown = page.context["evaluation"]
    assert (shown["discount_amount_cents"], shown["total_amount_cents"]) == (-1000, 9500)
    text = page.content.decode()
    for expected in ("€95,00 to pay", "A tenth off", "Big orders", "2000 cents to go", "No coupon has this code."):
        assert expected in text


def test_a_sku_costs_what_its_market_says(travel: Any, acme: Organization):
    prices = factories.price_list(acme)
    factories.market(acme, code="IT", price_list=prices)
    factories.price(factories.sku(acme, code="SHIRT"), prices, amount_cents=1999)
    page = tried(superuser(), acme, market_code="IT", currency_code="", line_items="SHIRT 2")
    assert page.context["evaluation"]["total_amount_cents"] == 3998


def test_a_cart_may_say_where_it_goes_and_what_its_customer_is_called_elsewhere(travel: Any, acme: Organization):
    only = [{"type": "countries", "country_codes": ["IT"]}, {"type": "customers", "names": ["C-1"]}]
    factories.percentage_promotion(acme, restrictions=only)
    for values, discount in (
        ({"country_code": "IT", "customer_reference": "C-1"}, -500),
        ({"country_code": "IT", "customer_reference": "C-2"}, 0),
        ({"country_code": "DE", "customer_reference": "C-1"}, 0),
    ):
        page = tried(superuser(f"{values}"), acme, line_items="SOCKS 1 5000", **values)
        assert page.context["evaluation"]["discount_amount_cents"] == discount


def test_what_is_to_be_added_is_told(travel: Any, acme: Organization):
    buy_get = {"type": "buy_get", "buy": [{"code": "SHIRT", "quantity": 1}], "get": [{"code": "MUG", "quantity": 2}]}
    factories.percentage_promotion(acme, percentage=100, restrictions=[buy_get])
    staff = superuser()
    for lines in ("SHIRT 1 5000", "SHIRT 1 5000\nMUG 1 500"):
        page = tried(staff, acme, line_items=lines)
        missing = 2 - lines.count("MUG")
        assert f"<small>with {missing} of MUG to be added</small>" in page.content.decode()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"line_items": "SOCKS two"}, "SOCKS two: write a code, how many and the cents of one"),
        ({"line_items": "SOCKS 1 2 3"}, "SOCKS 1 2 3: write a code"),
        ({"line_items": "SOCKS 1 " + "9" * 5000}, "write a code, how many and the cents of one"),
        ({"line_items": "SOCKS"}, "sku_code - must exist"),
        ({"currency_code": ""}, "currency_code - can&#x27;t be blank without market"),
        ({"country_code": "it"}, "country_code - "),
        ({"shipping": "-1"}, "greater than or equal to 0"),
        ({"organization": "0"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_with_a_cart_is_said(travel: Any, acme: Organization, values: dict[str, str], complaint: str):
    page = tried(superuser(), acme, **values)
    assert page.context["evaluation"] is None
    assert complaint in page.content.decode()


def test_the_page_is_linked_for_those_who_may_see_promotions(acme: Organization):
    assert PAGE in clerk("view_promotion").get("/admin/").content.decode()


def test_others_are_refused(acme: Organization):
    staff = clerk("view_coupon")
    assert staff.get(PAGE).status_code == 403
    assert PAGE not in staff.get("/admin/").content.decode()
    assert Client().get(PAGE).status_code == 302
