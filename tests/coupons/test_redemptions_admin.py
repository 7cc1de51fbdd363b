"""Redemptions in the admin, and why promotions applied to an order or did not."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from commerce import changes
from commerce.models import Customer, Organization
from coupons import ahead
from coupons.models import Coupon, InvoiceDiscount, Redemption
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, nothing_written
from tests.commerce.test_orders_admin import page_of, queries, section, text
from tests.factories import BY, NOW
from tests.shopping import EMAIL, Shop, coupon
from tests.staff import act, clerk, last_version, messages, superuser

pytestmark = pytest.mark.django_db

REDEMPTIONS = "/admin/coupons/redemption/"


@pytest.fixture
def shop(acme: Organization, api: Api) -> Shop:
    return Shop(acme, api)


@pytest.fixture
def summer(shop: Shop) -> Coupon:
    found: Coupon = coupon(shop, "SUMMER-2026", name="Summer")
    return found


def redeem(api: Api, **attributes: Any) -> Redemption:
    """The redemption of an order of 100 euros that is kept elsewhere."""
    values = {"currency_code": "EUR", "coupon_code": "SUMMER-2026", "amount_cents": 10_000, **attributes}
    answer = api.post("redemptions", document("redemptions", values))
    assert answer.status_code == 201, answer.content
    return Redemption.objects.latest("pk")


def found(staff: Client, **query: Any) -> list[Redemption]:
    return list(staff.get(REDEMPTIONS, query).context["cl"].result_list)


# --- Why promotions applied or did not ------------------------------------------------------------


def test_an_order_tells_what_applied_and_from_which_lines(shop: Shop, summer: Coupon) -> None:
    order = shop.order(1000, 3000, coupon_code="SUMMER-2026")
    first, second = (line.name for line in order.line_items.filter(item_type="skus").order_by("unit_amount_cents"))

    told = section(superuser().get(page_of(order)), "Promotions")

    assert told.startswith("Applied, in order Promotion Coupon code Took off From Summer SUMMER-2026 -€4,00 ")
    assert f"{first} -€1,00" in told
    assert f"{second} -€3,00" in told
    assert "Did not apply Nothing is told of any other." in told
    assert told.endswith("As of the last refresh, at 2026-06-15 12:00:00 UTC.")


def test_an_order_tells_what_did_not_apply_why_and_how_far_it_is(shop: Shop) -> None:
    big = factories.percentage_promotion(shop.owner, name="Big orders <b>")
    factories.order_amount_rule(big, order_amount_cents=5000)
    listed = factories.sku_list(shop.owner, shop.sku(1000, code="SOCKS"))
    factories.buy_x_pay_y_promotion(shop.owner, name="Three, pay two", sku_list=listed)
    order = shop.order(1000)
    shop.add(order, listed.sku_list_items.get().sku)

    page = superuser().get(page_of(order))

    told = section(page, "Promotions")
    assert "No promotion applied." in told
    assert "Big orders <b> The order is too small: 3000 cents to go. order_amount_too_low €30,00" in told
    assert "Three, pay two The order holds too few units: 2 to go. quantity_too_low 2" in told
    assert f'href="/admin/promotions/promotion/{big.pk}/change/">Big orders &lt;b&gt;</a>' in page.content.decode()


def test_a_code_that_did_not_apply_is_named(shop: Shop, summer: Coupon) -> None:
    order = shop.order(1000, coupon_code="SUMMER-2026")
    promotion = Promotion.objects.get()
    promotion.expires_at = NOW - timedelta(seconds=1)
    with changes.atomic():
        changes.save(promotion, BY)
    shop.staff.update(order, {"_refresh": True})

    told = section(superuser().get(page_of(order)), "Promotions")

    assert "Summer SUMMER-2026 The promotion has expired. promotion_expired" in told


def test_what_a_placed_order_used_is_on_its_page(shop: Shop, summer: Coupon) -> None:
    order = shop.placed(1000, coupon_code="SUMMER-2026")

    page = superuser().get(page_of(order))

    assert "committed Summer SUMMER-2026 -€1,00 counted" in section(page, "Redemption")
    assert section(page, "Promotions").endswith("As it was last priced, at 2026-06-15 12:00:00 UTC.")
    assert page_of(Redemption.objects.get()).replace("commerce", "coupons") in page.content.decode()


def test_many_shares_are_told_in_part(shop: Shop, summer: Coupon) -> None:
    order = shop.order(*[1000] * 7, coupon_code="SUMMER-2026")

    told = section(superuser().get(page_of(order)), "Promotions")

    assert told.count(" -€1,00") == 5
    assert "and 2 more" in told


# --- Finding redemptions --------------------------------------------------------------------------


def url_of(redemption: Redemption) -> str:
    return f"{REDEMPTIONS}{redemption.pk}/change/"


def test_redemptions_are_found_by_email_code_and_reference(shop: Shop, summer: Coupon) -> None:
    coupon(shop, "WINTER-2026", name="Winter")
    order = shop.placed(1000, coupon_code="SUMMER-2026")
    theirs = redeem(shop.staff, coupon_code="WINTER-2026", reference="SHOP-7", customer_email="bob@example.com")
    staff = superuser()
    mine = Redemption.objects.get(order=order)

    assert found(staff) == [theirs, mine]
    assert found(staff, q="ADA@example.com") == [mine]
    assert found(staff, q=f"#{order.number}") == [mine]
    assert found(staff, q="summer-2026") == [mine]
    assert found(staff, q="winter 2026".replace(" ", "-")) == [theirs]
    assert found(staff, q="SHOP-7") == [theirs]
    assert found(staff, q="SHOP") == []
    assert found(staff, tenant=f"{shop.owner.pk}-live") == []


def test_the_list_tells_who_used_what(shop: Shop, summer: Coupon) -> None:
    factories.fixed_amount_promotion(shop.owner, name="Ten off", fixed_amount_cents=1000)
    order = shop.placed(5000, coupon_code="SUMMER-2026")

    listed = text(superuser().get(REDEMPTIONS))

    assert re.search(rf"{order} committed {EMAIL} -€15,00 SUMMER-2026 (Summer|Ten off) and 1 more acme test", listed)


def test_redemptions_are_filtered_by_where_they_stand_now(
    shop: Shop, summer: Coupon, travel: Callable[[datetime], None]
) -> None:
    short, long = (redeem(shop.staff, _reserve=True, time_to_live=seconds) for seconds in (60, 3600))
    done = redeem(shop.staff)
    staff = superuser()
    assert found(staff, state="reserved") == [long, short]

    travel(NOW + timedelta(minutes=2))

    assert found(staff, state="reserved") == [long]
    assert found(staff, state="expired") == [short]
    assert found(staff, state="committed") == [done]
    assert "expired" in text(staff.get(url_of(short)))
    assert len(found(staff, state="nonsense")) == 3


def test_coupons_promotions_customers_and_orders_lead_to_their_redemptions(shop: Shop, summer: Coupon) -> None:
    order = shop.placed(1000, coupon_code="SUMMER-2026")
    coupon(shop, "WINTER-2026")
    redeem(shop.staff, coupon_code="WINTER-2026", customer_email="bob@example.com")
    mine, staff = Redemption.objects.get(order=order), superuser()
    pages = (
        f"/admin/coupons/coupon/{summer.pk}/change/",
        f"/admin/promotions/percentagediscountpromotion/{summer.promotion_rule.promotion_id}/change/",
        page_of(Customer.objects.get(email=EMAIL)),
    )

    for page in pages:
        (url,) = re.findall(rf'href="({REDEMPTIONS}\?[^"]+)"', staff.get(page).content.decode())
        assert [row.pk for row in staff.get(unescape(url)).context["cl"].result_list] == [mine.pk]
    assert found(staff, order__id__exact=order.pk) == [mine]


# --- The page of a redemption ---------------------------------------------------------------------


def test_a_redemption_of_an_order_kept_elsewhere_tells_its_evaluation(shop: Shop, summer: Coupon) -> None:
    lines = [{"code": "SHIRT", "quantity": 2, "unit_amount_cents": 2500}]
    values = {"currency_code": "EUR", "coupon_code": "SUMMER-2026", "line_items": lines, "reference": "SHOP-7"}
    answer = shop.staff.post("redemptions", document("redemptions", values))
    assert answer.status_code == 201, answer.content

    page = superuser().get(url_of(Redemption.objects.get()))

    assert "Order: SHOP-7" in text(page)
    assert "committed Summer SUMMER-2026 -€5,00 counted" in section(page, "Uses")
    assert "Summer SUMMER-2026 -€5,00 SHIRT -€5,00" in section(page, "Evaluation")


def test_a_redemption_of_an_order_leads_to_it(shop: Shop, summer: Coupon) -> None:
    order = shop.placed(1000, coupon_code="SUMMER-2026")

    page = superuser().get(url_of(Redemption.objects.get()))

    assert section(page, "Evaluation") == f"The page of order {order} tells why promotions applied or not."
    assert page.content.decode().count(f'href="{page_of(order)}"') == 2


def test_what_an_order_gets_on_top_is_told_with_the_promotion(shop: Shop) -> None:
    buy_get = {"type": "buy_get", "buy": [{"code": "SHIRT", "quantity": 1}], "get": [{"code": "MUG", "quantity": 2}]}
    coupon(shop, "MUGS-2026", name="Mugs", percentage=100, restrictions=[buy_get])
    lines = [{"code": code, "unit_amount_cents": 500} for code in ("SHIRT", "MUG")]
    values = {"currency_code": "EUR", "coupon_code": "MUGS-2026", "line_items": lines}
    assert shop.staff.post("redemptions", document("redemptions", values)).status_code == 201

    page = superuser().get(url_of(Redemption.objects.get()))

    told = "Mugs MUGS-2026 -€5,00 MUG -€5,00 with 1 of MUG to be added"
    assert told in section(page, "Evaluation")


def test_a_redemption_made_ahead_tells_its_customer_its_restrictions_and_its_invoices(
    shop: Shop, summer: Coupon
) -> None:
    only: list[Any] = [
        {"type": "subscriptions", "names": ["SUB-1"]},
        {"type": "discounts_per_redemption", "quantity": 3},
    ]
    with changes.atomic():
        made = ahead.redeem(summer.tenant, "summer-2026", "C-1", only, BY)
    for invoice, currency_code, cents in (("INV-1", "EUR", -500), ("INV-2", "USD", -725)):
        InvoiceDiscount.objects.create(
            redemption=made, invoice=invoice, currency_code=currency_code, discount_cents=cents, applied_at=NOW
        )
    Redemption.objects.update(discounts_count=2)
    staff = superuser("ada")

    page = staff.get(url_of(made))

    shown = text(page)
    assert "Customer reference: C-1" in shown
    assert "Invoices: 2 of 3" in shown
    assert '"names": [ "SUB-1" ]' in shown
    assert section(page, "Invoices") == (
        "Applied (UTC) Invoice Discount 2026-06-15 12:00:00 INV-2 -$7.25 2026-06-15 12:00:00 INV-1 -€5,00"
    )
    assert "C-1" in text(staff.get(REDEMPTIONS))
    for term in ("C-1", "INV-2", "summer-2026"):
        assert found(staff, q=term) == [made]
    assert found(staff, q="INV-3") == []

    act(staff, REDEMPTIONS, "give_back", made, confirmed="yes")
    made.refresh_from_db()
    summer.refresh_from_db()
    assert (made.state, summer.usage_count, made.discounts_count) == ("released", 0, 2)


def test_a_redemption_of_one_order_tells_of_no_invoice(shop: Shop, summer: Coupon) -> None:
    page = superuser().get(url_of(redeem(shop.staff)))

    assert section(page, "Invoices") == "It was applied to no invoice."
    assert "Invoices: 0" in text(page)
    assert "Restrictions: -" in text(page)


def test_redemptions_are_not_edited(shop: Shop, summer: Coupon) -> None:
    redemption, staff = redeem(shop.staff), superuser()

    with nothing_written():
        for page in ("add/", f"{redemption.pk}/change/", f"{redemption.pk}/delete/"):
            assert staff.post(f"{REDEMPTIONS}{page}", {"post": "yes"}).status_code == 403


def test_giving_back_is_asked_for_twice_and_frees_the_uses(shop: Shop, summer: Coupon) -> None:
    redemption, staff = redeem(shop.staff), superuser("ada")

    with nothing_written():
        asked = act(staff, REDEMPTIONS, "give_back", redemption, asked_on=redemption.pk)
    assert "Their uses do not count any more" in text(asked)
    answer = act(staff, REDEMPTIONS, "give_back", redemption, asked_on=redemption.pk, confirmed="yes")

    assert (answer.headers["location"], messages(answer)) == (url_of(redemption), ["1 given back."])
    redemption.refresh_from_db()
    summer.refresh_from_db()
    assert (redemption.state, redemption.released_at, summer.usage_count) == ("released", NOW, 0)
    assert last_version()[:3] == ("ada", "update", "redemptions")
    assert "given back" in section(staff.get(url_of(redemption)), "Uses")


def test_what_a_search_or_a_link_leads_to_is_given_back(shop: Shop, summer: Coupon) -> None:
    staff = superuser()
    for query in ("q=SUMMER-2026", f"coupons__id__exact={summer.pk}", "state=committed"):
        redemption = redeem(shop.staff)
        act(staff, f"{REDEMPTIONS}?{query}", "give_back", redemption, confirmed="yes")
        redemption.refresh_from_db()
        assert redemption.state == "released"


def test_whoever_may_only_look_gives_nothing_back(shop: Shop, summer: Coupon) -> None:
    redemption, staff = redeem(shop.staff), clerk("view_redemption")

    assert 'name="action"' not in staff.get(url_of(redemption)).content.decode()
    with nothing_written():
        act(staff, REDEMPTIONS, "give_back", redemption, confirmed="yes")


def test_as_many_queries_however_many_were_redeemed(shop: Shop, summer: Coupon) -> None:
    staff, taken = superuser(), []
    for size in (1, 3):
        for _ in range(size):
            factories.fixed_amount_promotion(shop.owner, fixed_amount_cents=100)
            shop.placed(5000, coupon_code="SUMMER-2026")
        newest = Redemption.objects.latest("pk")
        taken.append((queries(staff, REDEMPTIONS), queries(staff, url_of(newest))))

    assert taken[0] == taken[1]
