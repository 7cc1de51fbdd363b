"""manage.py reconcile: what differs from the rows it follows from is told, and mended."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from commerce import ids
from commerce.models import Customer, GiftCard, LedgerEntry, LineItem, Order, Organization, Version
from coupons import bulk, customer_usages, reconciling
from coupons.models import Coupon, CustomerUsage, IdempotentAnswer, Redemption, Use
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, nothing_written
from tests.coupons.test_concurrency import at_once, statuses
from tests.factories import BY, NOW
from tests.shopping import EMAIL, Shop, coupon, done

NONE = "There are no differences.\n"
Travel = Callable[[datetime], None]


def run(*options: str) -> str:
    output = StringIO()
    call_command("reconcile", *options, stdout=output)
    return output.getvalue()


def found(*options: str) -> list[str]:
    """What a run that must fail tells, with its last sentence."""
    output = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("reconcile", *options, stdout=output)
    assert refusal.value.returncode == 1
    return [*output.getvalue().splitlines(), str(refusal.value)]


def redeem(api: Api, code: str, **attributes: Any) -> Redemption:
    cart = {"coupon_code": code, "amount_cents": 10_000, "currency_code": "EUR", **attributes}
    answer = api.post("redemptions", document("redemptions", cart))
    assert answer.status_code == 201, answer.content
    return Redemption.objects.get(pk=ids.decode(answer.json()["data"]["id"]))


@pytest.fixture
def busy(api: Api, acme: Organization, shop: Shop) -> Shop:
    """A shop with uses of every kind: placed, cancelled, edited, reserved, by customers known and not, gift cards."""
    single = coupon(shop, "SINGLE-USE")
    Coupon.objects.filter(pk=single.pk).update(customer_single_use=True)
    kept = coupon(shop, "KEPT-2026", release_on_cancel=False)
    factories.fixed_amount_promotion(acme, fixed_amount_cents=50)
    bulk.generate(kept.promotion_rule, bulk.Spec(count=20), BY)
    customer = factories.customer(acme, email=EMAIL)
    card = factories.gift_card(acme, balance_cents=5000)
    order = shop.placed(1000, coupon_code="SINGLE-USE", gift_card_code=card.code)
    for attributes in ({"_start_editing": True}, {"coupon_code": "KEPT-2026"}, {"_stop_editing": True}):
        done(api.update(order, attributes))
    cancelled = shop.placed(2000, coupon_code="KEPT-2026", email="grace@example.com", gift_card_code=card.code)
    done(api.update(cancelled, {"_cancel": True}))
    own = api.create("orders", {"coupon_code": "SINGLE-USE"}, market=shop.market, customer=customer)
    own_order = Order.objects.get(pk=ids.decode(own.json()["data"]["id"]))
    shop.add(own_order, shop.sku(3000))
    done(api.update(own_order, {"_place": True, "_approve": True}))
    redeem(api, "SINGLE-USE", customer_email="alan@example.com")
    redeem(api, "KEPT-2026", _reserve=True)
    released = redeem(api, "SINGLE-USE", customer_email="joan@example.com")
    assert api.update(released, {"_cancel": True}).status_code == 200
    return shop


# --- Whatever happens, nothing differs ------------------------------------------------------------


def test_a_busy_shop_differs_in_nothing(busy: Shop):
    with nothing_written():
        assert run() == NONE
    assert Use.objects.filter(is_counted=True).count() == 9
    assert CustomerUsage.objects.filter(usage_count=1).count() == 3
    assert GiftCard.objects.get().balance_cents < 5000


def test_there_is_one_statement_for_each_kind_however_many_rows(api: Api, busy: Shop):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            run()
        return len(captured)

    assert statements() == len(reconciling.CHECKS) + len(customer_usages.LIMITED)
    for number in range(3):
        redeem(api, "SINGLE-USE", customer_email=f"{number}@example.com")
    assert statements() == len(reconciling.CHECKS) + len(customer_usages.LIMITED)


# --- What differs is told and mended --------------------------------------------------------------


def tampered(model: Any, name: str, by: int) -> Any:
    """The first row, whose number is no longer what it was."""
    rows = model.objects.filter(order=None) if model is Redemption else model.objects
    row = rows.order_by("pk").first()
    model.objects.filter(pk=row.pk).update(**{name: F(name) + by})
    return row


COUNTERS = {
    "coupons.usage_count": (Coupon, "usage_count"),
    "coupons.used_amount_cents": (Coupon, "used_amount_cents"),
    "promotions.total_usage_count": (Promotion, "total_usage_count"),
    "promotions.coupons_count": (Promotion, "coupons_count"),
    "customers.total_orders_count": (Customer, "total_orders_count"),
    "gift_cards.balance_cents": (GiftCard, "balance_cents"),
    "redemptions.discount_cents": (Redemption, "discount_cents"),
    "redemptions.discounts_count": (Redemption, "discounts_count"),
}


@pytest.mark.parametrize("what", COUNTERS)
@pytest.mark.parametrize("by", [1, 7])
def test_a_number_that_differs_is_told_and_mended(busy: Shop, what: str, by: int):
    model, name = COUNTERS[what]
    row = tampered(model, name, by)
    right = getattr(row, name)
    line = f"{what} of {row.public_id}: {right + by:,}, but the rows make {right:,}"
    with nothing_written():
        assert found() == [line, "1 difference."]
    versions = Version.objects.count()
    assert run("--fix").splitlines()[1:] == [line, "After mending:", NONE.strip()]
    mended = model.objects.get(pk=row.pk)
    assert (getattr(mended, name), mended.revision > row.revision) == (right, True)
    assert Version.objects.count() == versions
    assert run() == NONE


def test_uses_without_any_count_are_told_and_mended(busy: Shop):
    """As where counting was forgotten: every number is too low."""
    Coupon.objects.update(usage_count=0)
    Promotion.objects.update(total_usage_count=0, coupons_count=0)
    Customer.objects.update(total_orders_count=0, status="prospect")
    CustomerUsage.objects.all().delete()
    assert Counter(line.partition(" of ")[0] for line in found()) == {
        "coupons.usage_count": 2,
        "promotions.total_usage_count": 3,
        "promotions.coupons_count": 2,
        "customers.total_orders_count": 1,
        "customer_usages": 3,
        "11 differences.": 1,
    }
    run("--fix")
    assert run() == NONE
    assert Customer.objects.get(email=EMAIL).status == "repeat"


def test_how_often_each_customer_used_a_coupon_is_told_by_both_keys_and_mended(busy: Shop):
    customer = Customer.objects.get(email=EMAIL)
    single = Coupon.objects.get(code="SINGLE-USE")
    usages = CustomerUsage.objects.filter(coupon=single)
    before = set(usages.values_list("customer_key", "usage_count"))
    assert {(f"c:{customer.pk}", 1), ("e:alan@example.com", 1)} < before
    usages.filter(customer_key=f"c:{customer.pk}").delete()
    usages.filter(customer_key="e:alan@example.com").update(usage_count=3)
    CustomerUsage.objects.create(coupon=single, customer_key="e:nobody@example.com", usage_count=2)
    told = f"customer_usages of coupons of {single.public_id}"
    assert found() == [
        f"{told} c:{customer.pk}: 0, but the rows make 1",
        f"{told} e:alan@example.com: 3, but the rows make 1",
        f"{told} e:nobody@example.com: 2, but the rows make 0",
        "3 differences.",
    ]
    run("--fix")
    assert run() == NONE
    assert set(usages.filter(usage_count__gt=0).values_list("customer_key", "usage_count")) == {
        pair for pair in before if pair[1]
    }


def test_orders_that_do_not_add_up_are_told_and_left(busy: Shop):
    order = Order.objects.filter(status="placed").first()
    line = LineItem.objects.filter(order=order, item_type="percentage_discount_promotions").get()
    LineItem.objects.filter(pk=line.pk).update(total_amount_cents=F("total_amount_cents") - 5)
    told = order.discount_amount_cents
    problem = f"orders.discount_amount_cents by line_items of {order.public_id}: {told}, but the rows make {told - 5}"
    assert found() == [problem, "1 difference."]
    assert found("--fix")[1:] == [problem, "After mending:", problem, "1 difference."]
    LineItem.objects.filter(pk=line.pk).update(total_amount_cents=F("total_amount_cents") + 5)
    Use.objects.filter(redemption__order=order).delete()
    Redemption.objects.filter(order=order).delete()
    lines = found()
    assert f"orders.discount_amount_cents by redemptions of {order.public_id}: {told}, but the rows make 0" in lines


def test_an_order_whose_redemption_was_cancelled_by_hand_differs_in_nothing(api: Api, busy: Shop):
    order = Order.objects.filter(status="placed").first()
    assert api.update(Redemption.objects.get(order=order), {"_cancel": True}).status_code == 200
    assert run() == NONE


def test_a_ledger_below_zero_cannot_be_mended(busy: Shop):
    card = GiftCard.objects.get()
    card.refresh_from_db()
    entries = LedgerEntry.objects.filter(resource_id=card.pk).order_by("pk")
    entries.filter(pk=entries.first().pk).delete()
    lines = found("--fix")
    assert lines[-1] == "1 difference."
    assert GiftCard.objects.get().balance_cents == card.balance_cents


# --- Whose ----------------------------------------------------------------------------------------


def test_one_organization_is_looked_at_in_both_modes(acme: Organization, busy: Shop):
    other = factories.organization(slug="other")
    for owner, mode in ((other, "test"), (acme, "live")):
        factories.coupon(factories.coupon_rule(factories.percentage_promotion(owner, mode=mode)), usage_count=4)
    CustomerUsage.objects.create(
        coupon=Coupon.objects.get(organization=other), customer_key="e:a@example.com", usage_count=1
    )
    Coupon.objects.filter(organization=other).update(customer_single_use=True)
    assert [found(*options)[-1] for options in ((), ("--organization", "other"), ("--organization", "acme"))] == [
        "3 differences.",
        "2 differences.",
        "1 difference.",
    ]
    run("--fix", "--organization", "other")
    assert found()[-1] == "1 difference."
    with pytest.raises(CommandError, match="There is no organization 'nobody'"):
        run("--organization", "nobody")


# --- What is over ---------------------------------------------------------------------------------


def test_reservations_that_are_over_are_given_back_and_old_answers_forgotten(api: Api, shop: Shop, travel: Travel):
    made = coupon(shop, "SUMMER-26")
    over = redeem(api, "SUMMER-26", _reserve=True, time_to_live=60)
    lasting = redeem(api, "SUMMER-26", _reserve=True, time_to_live=24 * 3600)
    for key, moment in (("old", NOW - timedelta(hours=24)), ("new", NOW - timedelta(hours=23))):
        IdempotentAnswer.objects.create(
            organization=shop.owner, mode="test", key=key, digest="", created_at=moment, body="", status=201
        )
    travel(NOW + timedelta(seconds=60))
    with nothing_written():
        assert run() == NONE
    assert IdempotentAnswer.objects.count() == 2
    assert run("--fix").splitlines()[0] == "Gave back 1 reservations, forgot 1 answers."
    assert [Redemption.objects.get(pk=each.pk).state for each in (over, lasting)] == ["released", "reserved"]
    assert Coupon.objects.get(pk=made.pk).usage_count == 1
    assert IdempotentAnswer.objects.get().key == "new"
    assert run() == NONE


# --- While the shop is at work --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_mending_meets_redemptions_and_nothing_is_lost(api: Api, shop: Shop):
    made = coupon(shop, "SUMMER-26")
    Coupon.objects.filter(pk=made.pk).update(usage_count=100, customer_single_use=True)
    Promotion.objects.update(total_usage_count=5)
    cart = {"coupon_code": "SUMMER-26", "amount_cents": 1000, "currency_code": "EUR"}

    def post(number: int) -> Any:
        body = document("redemptions", {**cart, "customer_email": f"{number}@example.com"})
        return api.post("redemptions", body)

    def mend() -> Any:
        for _ in range(4):
            reconciling.mend(None, BY)
        return post(99)

    answers = at_once(*(partial(post, number) for number in range(8)), mend)
    assert statuses(answers) == [201] * 9
    assert run() == NONE
    assert Coupon.objects.get(pk=made.pk).usage_count == 9
    assert CustomerUsage.objects.count() == 9
