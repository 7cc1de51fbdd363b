"""Orders in the admin: read whole, found by what is known of them, moved on by actions."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from commerce.models import Customer, GiftCard, LineItem, Order, Organization
from tests import factories
from tests.client import Api, nothing_written
from tests.factories import BY
from tests.shopping import Shop, coupon
from tests.staff import act, clerk, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

ORDERS = "/admin/commerce/order/"


@pytest.fixture
def shop(acme: Organization, api: Api) -> Shop:
    return Shop(acme, api)


def page_of(order: Any) -> str:
    return f"/admin/commerce/{order._meta.model_name}/{order.pk}/change/"


def text(page: Any) -> str:
    """What a page says, without its tags."""
    assert page.status_code == 200, page
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())


def section(page: Any, title: str) -> str:
    """The text of the section under that heading."""
    found = re.search(rf'<section class="module details"><h2>{title}</h2>(.*?)</section>', page.content.decode(), re.S)
    assert found, title
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def found(staff: Client, **query: Any) -> list[str]:
    return [order.number for order in staff.get(ORDERS, query).context["cl"].result_list]


def status(order: Order) -> str:
    return Order.objects.get(pk=order.pk).status


# --- The page of an order -------------------------------------------------------------------------


def test_the_page_shows_what_is_sold_and_what_was_taken_off_each_line(shop: Shop) -> None:
    coupon(shop, "SUMMER-2026", name="Summer")
    order = shop.placed(1000, 3000, coupon_code="SUMMER-2026")
    first = LineItem.objects.get(order=order, unit_amount_cents=1000)

    page = superuser().get(page_of(order))

    lines = section(page, "Lines")
    assert f"{first.name} sku {first.sku_code} 1 €10,00 €10,00 -€1,00 Summer -€1,00 (25.0% of it)" in lines
    assert "Summer percentage discount promotion SUMMER-2026 1 -€4,00 -€4,00" in lines
    assert section(page, "Totals") == "Amount Subtotal €40,00 Discount -€4,00 Total, as placed €36,00"


def test_what_is_sold_comes_before_what_follows_from_it(shop: Shop) -> None:
    coupon(shop, "SUMMER-2026", name="Summer")
    card = factories.gift_card(shop.owner, balance_cents=500)
    order = shop.order(1000, coupon_code="SUMMER-2026", gift_card_code=card.code)
    shop.add(order, shop.sku(2000, name="Late"))

    lines = section(superuser().get(page_of(order)), "Lines")

    assert lines.index("Late") < lines.index("Summer percentage discount") < lines.index("Gift card gift card")


def test_options_are_told_with_their_line(shop: Shop) -> None:
    order = shop.order(1000)
    line = LineItem.objects.get(order=order)
    option = factories.line_item_option(line, quantity=2, name="Engraving")

    assert f"2 × Engraving for €{option.unit_amount_cents * 2 // 100},00" in text(superuser().get(page_of(order)))


def test_the_page_shows_what_gift_cards_paid_what_is_sent_and_what_went_wrong(shop: Shop) -> None:
    card = factories.gift_card(shop.owner, balance_cents=700)
    order = shop.placed(1000, gift_card_code=card.code)
    factories.shipment(order)
    factories.resource_error(order, message="The coupon <b>expired</b>.")

    page = superuser().get(page_of(order))

    assert f"use gift_cards/{card.public_id} {order} -€7,00 €0,00" in section(page, "Ledger")
    assert f"{order}/S/001 draft" in section(page, "Shipments")
    assert section(page, "Errors") == "About Code Message coupon_code expired The coupon <b>expired</b>."
    assert "The coupon &lt;b&gt;expired" in page.content.decode()
    assert "Gift card -€7,00 Total, as placed €3,00" in section(page, "Totals")


def test_an_order_without_anything_says_so(acme: Organization) -> None:
    page = superuser().get(page_of(factories.order(acme)))

    assert section(page, "Lines") == "The order has no lines."
    assert section(page, "Promotions") == "The order has not been priced yet."
    assert section(page, "Redemption") == "Nothing is used up."
    assert section(page, "Totals") == "Amount Subtotal €0,00 Total €0,00"


def test_orders_are_edited_by_their_clients_only(shop: Shop) -> None:
    order = shop.order(1000)
    staff = superuser()

    with nothing_written():
        assert staff.post(page_of(order), {"number": "1"}).status_code == 403
        assert staff.post(f"{ORDERS}{order.pk}/delete/", {"post": "yes"}).status_code == 403
        assert staff.get(f"{ORDERS}add/").status_code == 403


def test_parts_of_orders_have_pages_that_are_read(shop: Shop) -> None:
    order = shop.order(1000)
    line = LineItem.objects.get(order=order)
    staff = superuser()
    parts = (line, factories.line_item_option(line), factories.shipment(order), factories.resource_error(order))

    for part in parts:
        assert str(order) in text(staff.get(page_of(part))) or str(line) in text(staff.get(page_of(part)))
        assert staff.post(page_of(part), {}).status_code == 403


def test_an_order_is_tagged_on_its_page(shop: Shop) -> None:
    order = shop.order(1000)
    factories.tag(shop.owner, name="vip")
    staff = superuser()

    assert f"/admin/tags/tag/of/orders/{order.pk}/" in staff.get(page_of(order)).content.decode()
    submit(staff, f"/admin/tags/tag/of/orders/{order.pk}/", names="vip")
    assert [tag.name for tag in order.tags.all()] == ["vip"]


def test_as_many_queries_whatever_an_order_holds(shop: Shop) -> None:
    coupon(shop, "SUMMER-2026")
    card = factories.gift_card(shop.owner, balance_cents=10_000)
    staff = superuser()

    taken = []
    for size in (1, 4):
        for _ in range(size):
            factories.percentage_promotion(shop.owner)
            factories.order_amount_rule(factories.percentage_promotion(shop.owner), order_amount_cents=90_000)
        codes = {"coupon_code": "SUMMER-2026", "gift_card_code": card.code}
        order = shop.placed(*[1000] * size, email=f"{size}@example.com", **codes)
        for line in order.line_items.filter(item_type="skus"):
            factories.line_item_option(line)
            factories.shipment(order)
            factories.resource_error(order)
        taken.append(queries(staff, page_of(order)))

    assert taken[0] == taken[1]


def queries(staff: Client, url: str) -> int:
    staff.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert staff.get(url).status_code == 200
    return len(captured)


# --- Finding orders -------------------------------------------------------------------------------


def test_orders_are_found_by_number_email_and_the_code_they_used(shop: Shop) -> None:
    coupon(shop, "SUMMER-2026")
    mine = shop.placed(1000, coupon_code="SUMMER-2026")
    theirs = shop.placed(1000, email="bob@example.com")
    staff = superuser()

    assert found(staff, q=mine.number) == found(staff, q=f"#{mine.number}") == [mine.number]
    assert found(staff, q="ADA@example.com") == [mine.number]
    assert found(staff, q="summer-2026") == [mine.number]
    assert found(staff, q="bob@example.com") == [theirs.number]
    assert found(staff, q="ada@") == []


def test_the_list_is_of_one_tenant_and_a_search_of_all(acme: Organization) -> None:
    test = factories.order(acme, number="A")
    factories.order(acme, number="A", mode="live")
    staff = superuser()

    assert [order.mode for order in staff.get(ORDERS).context["cl"].result_list] == ["live"]
    assert found(staff, tenant=f"{acme.pk}-test") == [test.number]
    assert found(staff, q="A") == ["A", "A"]


def test_the_newest_order_comes_first(acme: Organization, travel: Callable[..., None]) -> None:
    for day in (2, 1, 3):
        row = factories.order(acme, number=f"day {day}")
        Order.objects.filter(pk=row.pk).update(created_at=BY.now.replace(day=day))

    assert found(superuser()) == ["day 3", "day 2", "day 1"]


def test_orders_are_filtered_by_status_and_market(shop: Shop) -> None:
    placed, draft = shop.placed(1000), factories.order(shop.owner)
    staff = superuser()

    assert found(staff, status__exact="placed") == [placed.number]
    assert sorted(found(staff, payment_status__exact="unpaid")) == sorted([draft.number, placed.number])
    assert found(staff, market=draft.market_id) == [draft.number]
    assert len(found(staff, market="nonsense")) == 2


def test_customers_and_markets_lead_to_their_orders(shop: Shop) -> None:
    order = shop.placed(1000)
    factories.order(shop.owner)
    staff = superuser()

    for owner in (Customer.objects.get(), shop.market):
        (url,) = re.findall(rf'href="({ORDERS}\?[^"]+)"', staff.get(page_of(owner)).content.decode())
        listed = staff.get(unescape(url)).context["cl"].result_list
        assert [each.number for each in listed] == [order.number]


def test_as_many_queries_however_many_orders_are_listed(shop: Shop) -> None:
    staff = superuser()
    shop.placed(1000)
    few = queries(staff, ORDERS)
    for _ in range(4):
        shop.placed(1000)

    assert queries(staff, ORDERS) == few


# --- Actions --------------------------------------------------------------------------------------


def test_staff_approve_capture_and_archive_orders(shop: Shop) -> None:
    order = shop.placed(1000)
    staff = superuser("ada")

    assert messages(act(staff, ORDERS, "approve", order)) == ["1 approved."]
    assert last_version()[0:3] == ("ada", "update", "orders")
    assert messages(act(superuser("bob"), ORDERS, "capture", order)) == ["1 captured."]
    assert messages(act(superuser("eve"), ORDERS, "archive", order)) == ["1 archived."]

    order.refresh_from_db()
    assert (order.status, order.payment_status, order.archived_at) == ("approved", "paid", factories.NOW)


def test_cancelling_is_asked_for_twice_and_gives_back_what_placing_took(shop: Shop) -> None:
    used = coupon(shop, "SUMMER-2026")
    card = factories.gift_card(shop.owner, balance_cents=700)
    order = shop.placed(1000, coupon_code="SUMMER-2026", gift_card_code=card.code)
    staff = superuser()

    with nothing_written():
        asked = act(staff, ORDERS, "cancel", order)
    assert str(order) in text(asked)
    act(staff, ORDERS, "cancel", order, confirmed="yes")

    used.refresh_from_db()
    assert (status(order), used.usage_count, GiftCard.objects.get().balance_cents) == ("cancelled", 0, 700)


def test_the_confirmation_holds_all_it_needs(shop: Shop) -> None:
    order = shop.placed(1000)
    staff = superuser()
    asked = act(staff, ORDERS, "cancel", order, asked_on=order.pk)
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.content.decode().split('id="content-main"')[1]))

    answer = staff.post(ORDERS, sent)

    assert (answer.headers["location"], status(order)) == (page_of(order), "cancelled")
    assert f'href="{page_of(order)}" class="button cancel-link"' in asked.content.decode()


def test_the_page_of_an_order_offers_the_actions_and_comes_back_to_it(shop: Shop) -> None:
    order = shop.placed(1000)
    factories.order(shop.owner, mode="live")
    staff = superuser()
    page = staff.get(page_of(order)).content.decode()

    (url, *_) = re.findall(r'<form method="post" action="([^"]+)">', page)
    assert re.findall(r'<button type="submit" name="action" value="(\w+)">', page) == [
        *("approve", "capture", "cancel", "archive")
    ]
    answer = act(staff, unescape(url), "approve", order, asked_on=order.pk)

    assert (answer.headers["location"], status(order)) == (page_of(order), "approved")
    assert messages(answer) == ["1 approved."]


def test_what_an_order_refuses_is_a_message_and_nothing_is_written(shop: Shop) -> None:
    placed, draft = shop.placed(1000), shop.order(1000)
    staff = superuser()

    with nothing_written():
        answer = act(staff, ORDERS, "approve", placed, draft)
    assert messages(answer) == [f"{draft}: approve is not possible: the order is pending"]
    with nothing_written():
        answer = act(staff, ORDERS, "capture", draft, asked_on=draft.pk)
    assert answer.headers["location"] == page_of(draft)


def test_whoever_may_only_look_is_offered_nothing_and_does_nothing(shop: Shop) -> None:
    order = shop.placed(1000)
    staff = clerk("view_order")

    assert 'name="action"' not in staff.get(page_of(order)).content.decode()
    with nothing_written():
        act(staff, ORDERS, "approve", order)


def test_whoever_may_change_orders_acts_on_them(shop: Shop) -> None:
    order = shop.placed(1000)

    act(clerk("view_order", "change_order"), ORDERS, "approve", order)

    assert status(order) == "approved"
