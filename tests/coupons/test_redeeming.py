"""What orders use up, counted once, given back, and never lost: redemptions, their uses and the counts that follow."""

from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce import changes, gift_cards, ledger
from commerce.models import Customer, GiftCard, Order, Organization, ResourceError
from coupons import ahead
from coupons.customer_usages import KEYS
from coupons.models import Coupon, CustomerUsage, Redemption, Use
from promotions.models import Promotion
from tests import factories
from tests.client import Api, document, nothing_written, path_of, problem, refused
from tests.commerce.test_customers_api import invalid, said
from tests.coupons.test_concurrency import at_once, statuses
from tests.coupons.test_order_discounts import saved
from tests.factories import BY
from tests.shopping import EMAIL, Shop, amounts, coupon, done, lines, only_errors_written, promotion_lines, shown

CODE = "SUMMER-2026"


@pytest.fixture
def summer(shop: Shop) -> Coupon:
    """Ten percent off with a code."""
    made: Coupon = coupon(shop, CODE)
    return made


def promotion_of(row: Coupon) -> Promotion:
    return Promotion.objects.get(pk=row.promotion_rule.promotion_id)


def counted(row: Coupon) -> tuple[int, int]:
    """How often the coupon was used, and its promotion."""
    return Coupon.objects.get(pk=row.pk).usage_count, promotion_of(row).total_usage_count


def used(order: Order) -> list[tuple[int, int | None, int, bool]]:
    """What the order used: promotion, coupon, cents and whether it counts."""
    uses = Use.objects.filter(redemption__order=order).order_by("promotion_id", "coupon_id")
    return list(uses.values_list("promotion_id", "coupon_id", "discount_cents", "is_counted"))


def check_counts() -> None:
    """Every count is what the uses tell."""
    live = Use.objects.filter(is_counted=True)
    for each in Coupon.objects.select_related("promotion_rule__promotion"):
        assert each.usage_count == live.filter(coupon=each).count()
        assert each.used_amount_cents == -sum(live.filter(coupon=each).values_list("discount_cents", flat=True))
        if each.promotion_rule.promotion.declining_balance:
            assert each.used_amount_cents == -sum(entry.amount_cents for entry in ledger.entries(each))
            assert each.used_amount_cents <= each.promotion_rule.promotion.fixed_amount_cents
    for one in Promotion.objects.all():
        assert one.total_usage_count == live.filter(promotion=one).count()
    for usage in CustomerUsage.objects.all():
        kind, _, key = usage.customer_key.partition(":")
        whose = {f"redemption__{next(name for name, prefix in KEYS.items() if prefix == kind)}": key}
        what = {"coupon": usage.coupon_id} if usage.coupon_id else {"promotion": usage.promotion_id}
        assert usage.usage_count == live.filter(**what, **whose).count()


# --- Counted --------------------------------------------------------------------------------------


def test_an_open_order_uses_nothing(shop: Shop, summer: Coupon):
    shop.order(1000, coupon_code=CODE, customer_email=EMAIL)
    assert counted(summer) == (0, 0)
    assert not Redemption.objects.exists()


def test_placing_counts_each_coupon_and_promotion_once(shop: Shop, summer: Coupon, acme: Organization):
    automatic = factories.percentage_promotion(acme, percentage=5)
    order = shop.placed(1000, coupon_code=CODE)
    for _ in range(2):
        done(shop.shopper.update(order, {"_place": True}))
    assert counted(summer) == (1, 1)
    automatic.refresh_from_db()
    assert automatic.total_usage_count == 1
    redemption = Redemption.objects.get()
    assert (redemption.order, redemption.state, redemption.reference) == (order, "committed", order.number)
    assert (redemption.customer_email, redemption.email_norm, redemption.currency_code) == (EMAIL, EMAIL, "EUR")
    taken = {line["coupon_code"]: line["total_amount_cents"] for line in promotion_lines(shop.staff, order)}
    expected = {
        (promotion_of(summer).pk, summer.pk, taken[CODE], True),
        (automatic.pk, None, taken[None], True),
    }
    assert set(used(order)) == expected
    assert redemption.discount_cents == sum(taken.values()) == shown(shop.staff, order)["discount_amount_cents"]
    assert shop.staff.data(f"coupons/{summer.public_id}")["attributes"]["usage_count"] == 1


def test_only_what_takes_something_off_is_counted(shop: Shop, acme: Organization, summer: Coupon):
    exclusive = factories.percentage_promotion(acme, percentage=5, exclusive=True)
    without_effect = factories.free_shipping_promotion(acme)
    order = shop.placed(1000, coupon_code=CODE)
    assert used(order) == [(exclusive.pk, None, -50, True)]
    assert counted(summer) == (0, 0)
    without_effect.refresh_from_db()
    assert without_effect.total_usage_count == 0


def test_an_order_that_uses_nothing_redeems_nothing(shop: Shop):
    shop.placed(1000)
    assert not Redemption.objects.exists()


@pytest.mark.parametrize("limit", [1, 3])
def test_a_coupon_is_used_as_often_as_it_may_be(shop: Shop, summer: Coupon, limit: int):
    saved(summer, usage_limit=limit)
    orders = [shop.order(1000, coupon_code=CODE, customer_email=EMAIL) for _ in range(limit + 1)]
    for order in orders[:limit]:
        done(shop.shopper.update(order, {"_place": True}))
    with only_errors_written():
        answer = shop.staff.update(orders[limit], {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/coupon_code"})
    assert problem(answer)["meta"] == {"error": "invalid", "reason": "coupon_usage_reached"}
    assert counted(summer) == (limit, limit)
    assert Redemption.objects.count() == limit
    error = ResourceError.objects.get()
    assert (error.order, error.name, error.code) == (orders[limit], "coupon_code", "coupon_usage_reached")
    assert amounts(shop.shopper, orders[limit]) == {"subtotal": 1000, "discount": -100, "total": 900}
    done(shop.shopper.update(orders[limit], {"_refresh": True}))
    assert amounts(shop.shopper, orders[limit]) == {"subtotal": 1000, "total": 1000}
    done(shop.shopper.update(orders[limit], {"coupon_code": None, "_place": True}))
    check_counts()


def test_a_promotion_without_a_code_that_is_used_up_makes_the_order_dearer(shop: Shop, acme: Organization):
    promotion = factories.percentage_promotion(acme, total_usage_limit=1)
    first, second = (shop.order(1000, customer_email=EMAIL) for _ in range(2))
    done(shop.shopper.update(first, {"_place": True}))
    with only_errors_written():
        answer = shop.staff.update(second, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    assert amounts(shop.shopper, second)["total"] == 900
    promotion.refresh_from_db()
    assert (promotion.total_usage_count, promotion.status(factories.NOW)) == (1, "inactive")
    done(shop.shopper.update(second, {"_refresh": True}))
    assert done(shop.shopper.update(second, {"_place": True}))["total_amount_cents"] == 1000


def test_lowering_a_limit_below_what_was_used_stops_new_uses_alone(shop: Shop, summer: Coupon):
    orders = [shop.placed(1000, coupon_code=CODE) for _ in range(2)]
    saved(Coupon.objects.get(), usage_limit=1)
    order = shop.order(1000)
    assert invalid(shop.shopper.update(order, {"coupon_code": CODE})) == {"coupon_code": "invalid"}
    assert [shown(shop.staff, each)["status"] for each in orders] == ["placed", "placed"]
    assert counted(summer) == (2, 2)


def test_uses_write_no_version_of_what_they_count(shop: Shop, summer: Coupon):
    before = said(shop.staff, summer), said(shop.staff, promotion_of(summer))
    shop.placed(1000, coupon_code=CODE)
    assert (said(shop.staff, summer), said(shop.staff, promotion_of(summer))) == before
    assert "redemptions.create" in {f"redemptions.{name}" for name in said(shop.staff, Redemption.objects.get())}


# --- Given back -----------------------------------------------------------------------------------


def test_cancelling_before_approval_gives_uses_back_once(shop: Shop, summer: Coupon):
    order = shop.placed(1000, coupon_code=CODE)
    for _ in range(2):
        done(shop.staff.update(order, {"_cancel": True}))
        assert counted(summer) == (0, 0)
    redemption = Redemption.objects.get()
    assert (redemption.state, redemption.released_at) == ("released", factories.NOW)
    assert used(order) == [(promotion_of(summer).pk, summer.pk, -100, False)]
    check_counts()


def test_cancelling_after_approval_keeps_uses(shop: Shop, summer: Coupon):
    order = shop.placed(1000, coupon_code=CODE)
    done(shop.staff.update(order, {"_approve": True}))
    done(shop.staff.update(order, {"_cancel": True}))
    assert counted(summer) == (1, 1)
    assert Redemption.objects.get().state == "committed"


def test_a_promotion_may_keep_its_uses(shop: Shop, summer: Coupon, acme: Organization):
    saved(promotion_of(summer), release_on_cancel=False)
    other = factories.percentage_promotion(acme, percentage=5)
    order = shop.placed(1000, coupon_code=CODE)
    done(shop.staff.update(order, {"_cancel": True}))
    assert counted(summer) == (1, 1)
    other.refresh_from_db()
    assert other.total_usage_count == 0
    check_counts()


def test_what_was_given_back_can_be_used_again(shop: Shop, summer: Coupon):
    saved(summer, usage_limit=1, customer_single_use=True)
    for _ in range(3):
        order = shop.placed(1000, coupon_code=CODE)
        done(shop.staff.update(order, {"_cancel": True}))
    shop.placed(1000, coupon_code=CODE)
    assert counted(summer) == (1, 1)
    check_counts()


def test_refunding_gives_no_use_back(shop: Shop, summer: Coupon, acme: Organization):
    order = shop.order(1000, coupon_code=CODE, customer_email=EMAIL)
    method = factories.payment_method(acme, auto_capture=True)
    done(shop.staff.update(order, payment_method=method))
    done(shop.shopper.update(order, {"_place": True}))
    done(shop.staff.update(order, {"_refund": True}))
    assert counted(summer) == (1, 1)


# --- Once a customer ------------------------------------------------------------------------------


def test_a_coupon_for_one_use_is_counted_by_customer_and_address(shop: Shop, summer: Coupon):
    saved(summer, customer_single_use=True)
    order = shop.placed(1000, email="Ada@Example.com", coupon_code=CODE)
    order.refresh_from_db()
    keys = dict(CustomerUsage.objects.values_list("customer_key", "usage_count"))
    assert keys == {f"c:{order.customer_id}": 1, "e:ada@example.com": 1}
    done(shop.staff.update(order, {"_cancel": True}))
    assert set(CustomerUsage.objects.values_list("usage_count", flat=True)) <= {0}


def test_a_coupon_that_becomes_one_for_a_single_use_knows_who_used_it(shop: Shop, summer: Coupon):
    shop.placed(1000, coupon_code=CODE)
    open_order = shop.order(1000, coupon_code=CODE, customer_email=EMAIL)
    assert shop.staff.update(summer, {"customer_single_use": True}).status_code == 200
    answer = shop.staff.update(open_order, {"_place": True})
    assert problem(answer)["meta"]["reason"] == "already_used_by_customer"
    check_counts()


# --- So often a customer --------------------------------------------------------------------------


def reason(answer: Any) -> str:
    assert answer.status_code == 422, answer.content
    return str(problem(answer)["meta"]["reason"])


def usages(row: Coupon) -> dict[str, int]:
    """How often each customer used the coupon's promotion, as it is kept."""
    kept = CustomerUsage.objects.filter(promotion=promotion_of(row), usage_count__gt=0)
    return dict(kept.values_list("customer_key", "usage_count"))


def limited(row: Coupon, limit: int | None, api: Api) -> None:
    answer = api.update(promotion_of(row), {"customer_usage_limit": limit})
    assert answer.json()["data"]["attributes"]["customer_usage_limit"] == limit


def test_a_promotion_is_used_so_often_by_a_customer_by_whatever_code(shop: Shop, summer: Coupon):
    limited(summer, 2, shop.staff)
    factories.coupon(summer.promotion_rule, code="OTHER-2026")
    orders = [shop.placed(1000, coupon_code=code) for code in (CODE, "OTHER-2026")]
    order = shop.order(1000, customer_email=EMAIL)
    for code in (CODE, "OTHER-2026"):
        with nothing_written():
            assert reason(shop.staff.update(order, {"coupon_code": code})) == "already_used_by_customer"
    assert usages(summer) == {f"c:{Order.objects.get(pk=orders[0].pk).customer_id}": 2, f"e:{EMAIL}": 2}
    other = shop.placed(1000, email="bob@example.com", coupon_code=CODE)
    assert amounts(shop.staff, other)["discount"] == -100
    check_counts()


def test_a_customer_is_known_by_account_or_by_address(shop: Shop, summer: Coupon):
    limited(summer, 1, shop.staff)
    shop.placed(1000, coupon_code=CODE)
    ada = Customer.objects.get()
    saved(ada, email="new@example.com")
    mine = shop.shopper_of(ada)
    assert reason(shop.staff.update(shop.order(1000, by=mine), {"coupon_code": CODE})) == "already_used_by_customer"
    guest = shop.order(1000, customer_email=EMAIL.upper())
    assert reason(shop.staff.update(guest, {"coupon_code": CODE})) == "already_used_by_customer"


def test_a_limit_per_customer_needs_one_who_is_known(shop: Shop, summer: Coupon):
    limited(summer, 1, shop.staff)
    order = shop.order(1000, coupon_code=CODE)
    assert amounts(shop.staff, order) == {"subtotal": 1000, "total": 1000}
    done(shop.shopper.update(order, {"customer_email": EMAIL}))
    assert amounts(shop.staff, order) == {"subtotal": 1000, "discount": -100, "total": 900}


def test_a_promotion_without_a_code_applies_so_often_to_a_customer(shop: Shop, acme: Organization):
    factories.percentage_promotion(acme, customer_usage_limit=2)
    found = [amounts(shop.staff, shop.placed(1000))["total"] for _ in range(4)]
    assert found == [900, 900, 1000, 1000]
    assert amounts(shop.staff, shop.placed(1000, email="bob@example.com"))["total"] == 900
    check_counts()


def test_of_open_orders_of_a_customer_as_many_are_placed_as_the_limit_says(shop: Shop, summer: Coupon):
    limited(summer, 2, shop.staff)
    orders = [shop.order(1000, coupon_code=CODE, customer_email=EMAIL) for _ in range(3)]
    for order in orders[:2]:
        done(shop.shopper.update(order, {"_place": True}))
    with only_errors_written():
        assert reason(shop.staff.update(orders[2], {"_place": True})) == "already_used_by_customer"
    done(shop.staff.update(orders[0], {"_cancel": True}))
    assert set(usages(summer).values()) == {1}
    done(shop.shopper.update(orders[2], {"_place": True}))
    assert set(usages(summer).values()) == {2}
    check_counts()


def test_a_limit_that_comes_later_knows_what_was_used_before(shop: Shop, summer: Coupon):
    orders = [shop.placed(1000, coupon_code=CODE) for _ in range(3)]
    done(shop.staff.update(orders[0], {"_cancel": True}))
    assert usages(summer) == {}
    limited(summer, 2, shop.staff)
    assert usages(summer) == {f"c:{Customer.objects.get().pk}": 2, f"e:{EMAIL}": 2}
    order = shop.order(1000, customer_email=EMAIL)
    assert reason(shop.staff.update(order, {"coupon_code": CODE})) == "already_used_by_customer"
    limited(summer, 3, shop.staff)
    done(shop.staff.update(order, {"coupon_code": CODE, "_place": True}))
    limited(summer, None, shop.staff)
    assert usages(summer) == {}
    shop.placed(1000, coupon_code=CODE)
    limited(summer, 4, shop.staff)
    assert set(usages(summer).values()) == {4}
    check_counts()


def test_an_edited_order_does_not_count_against_its_own_limit(shop: Shop, summer: Coupon):
    limited(summer, 1, shop.staff)
    order = shop.placed(1000, 2000, coupon_code=CODE)
    done(shop.staff.update(order, {"_start_editing": True}))
    done(shop.staff.update(order, {"coupon_code": CODE}))
    done(shop.staff.update(order, {"_stop_editing": True}))
    assert amounts(shop.staff, order)["discount"] == -300
    assert set(usages(summer).values()) == {1}


def test_customers_kept_elsewhere_are_limited_by_what_they_are_called(shop: Shop, summer: Coupon):
    limited(summer, 1, shop.staff)
    cart = {"coupon_code": CODE, "amount_cents": 1000, "currency_code": "EUR"}

    def redeem(**whose: Any) -> Any:
        return shop.staff.post("redemptions", document("redemptions", {**cart, **whose}))

    assert reason(redeem()) == "customer_unknown"
    assert redeem(customer_reference="C-1").status_code == 201
    assert reason(redeem(customer_reference="C-1")) == "already_used_by_customer"
    assert redeem(customer_reference="C-2", customer_email=EMAIL).status_code == 201
    assert reason(redeem(customer_reference="C-3", customer_email=EMAIL)) == "already_used_by_customer"
    assert usages(summer) == {"r:C-1": 1, "r:C-2": 1, f"e:{EMAIL}": 1}
    check_counts()


def test_a_customer_is_the_same_by_whatever_name(shop: Shop, summer: Coupon):
    customer = factories.customer(shop.owner, email=EMAIL, reference="C-1")
    limited(summer, 1, shop.staff)
    shop.placed(1000, coupon_code=CODE)
    cart = {"coupon_code": CODE, "amount_cents": 1000, "currency_code": "EUR"}
    for name in ("C-1", customer.shopper_reference, customer.public_id):
        answer = shop.staff.post("redemptions", document("redemptions", {**cart, "customer_reference": name}))
        assert reason(answer) == "already_used_by_customer"
    check_counts()


def test_each_order_asks_for_its_own_limits_per_customer_alone(shop: Shop, summer: Coupon):
    """However many promotions with one were opened by codes before."""
    codes = [CODE, *(coupon(shop, f"LIMITED-{number}", customer_usage_limit=2).code for number in range(4))]
    limited(summer, 2, shop.staff)
    asked = []
    for code in codes:
        cart = {"coupon_code": code, "amount_cents": 1000, "currency_code": "EUR", "customer_email": EMAIL}
        with CaptureQueriesContext(connection) as queries:
            assert shop.staff.post("redemptions", document("redemptions", cart)).status_code == 201
        asked += [query["sql"] for query in queries if "MAX(" in query["sql"] and "customerusage" in query["sql"]]
    assert [sql.count(",", sql.index('promotion_id" IN'), sql.index('customer_key" IN')) for sql in asked] == [0] * 5


# --- Edited ---------------------------------------------------------------------------------------


@pytest.fixture
def editing(shop: Shop, summer: Coupon) -> Order:
    """A placed order with two lines and the only use of the coupon, which is being edited."""
    saved(summer, usage_limit=1, customer_single_use=True)
    order = shop.placed(1000, 2000, coupon_code=CODE)
    done(shop.staff.update(order, {"_start_editing": True}))
    return order


def test_what_an_edited_order_holds_is_its_own(shop: Shop, summer: Coupon, editing: Order):
    done(shop.staff.update(editing, {"_refresh": True}))
    done(shop.staff.update(editing, {"coupon_code": CODE}))
    assert amounts(shop.staff, editing) == {"subtotal": 3000, "discount": -300, "total": 2700}
    done(shop.staff.update(editing, {"_stop_editing": True}))
    assert counted(summer) == (1, 1)
    assert used(editing) == [(promotion_of(summer).pk, summer.pk, -300, True)]


def test_editing_to_less_keeps_the_use_and_what_it_came_to(shop: Shop, summer: Coupon, editing: Order):
    assert shop.staff.destroy(editing.line_items.get(unit_amount_cents=2000)).status_code == 204
    done(shop.staff.update(editing, {"_stop_editing": True}))
    assert used(editing) == [(promotion_of(summer).pk, summer.pk, -100, True)]
    assert Redemption.objects.get().discount_cents == -100
    assert counted(summer) == (1, 1)


def test_a_code_that_goes_while_editing_gives_its_use_back(shop: Shop, summer: Coupon, editing: Order):
    assert shop.staff.destroy(editing.line_items.get(unit_amount_cents=2000)).status_code == 204
    done(shop.staff.update(editing, {"coupon_code": None}))
    assert counted(summer) == (1, 1)
    done(shop.staff.update(editing, {"_stop_editing": True}))
    assert counted(summer) == (0, 0)
    assert Redemption.objects.get().discount_cents == 0
    check_counts()


def test_a_promotion_that_comes_while_editing_is_counted(shop: Shop, acme: Organization, editing: Order):
    promotion = factories.percentage_promotion(acme, percentage=50, total_usage_limit=1)
    done(shop.staff.update(editing, {"_stop_editing": True}))
    promotion.refresh_from_db()
    assert promotion.total_usage_count == 1
    done(shop.staff.update(editing, {"_start_editing": True}))
    done(shop.staff.update(editing, {"_stop_editing": True}))
    promotion.refresh_from_db()
    assert promotion.total_usage_count == 1
    assert [each for *each, _ in used(editing)][-1][0] == promotion.pk


def test_a_promotion_may_go_and_come_back_while_editing(shop: Shop, summer: Coupon, editing: Order):
    assert shop.staff.destroy(editing.line_items.get(unit_amount_cents=2000)).status_code == 204
    for code, count in ((None, 0), (CODE, 1), (None, 0), (CODE, 1)):
        done(shop.staff.update(editing, {"coupon_code": code}))
        done(shop.staff.update(editing, {"_stop_editing": True}))
        assert counted(summer) == (count, count)
        done(shop.staff.update(editing, {"_start_editing": True}))
    check_counts()


@pytest.mark.parametrize("stays", [True, False])
def test_what_was_given_back_before_an_edit_is_used_anew_or_gone(shop: Shop, summer: Coupon, stays: bool):
    """One code opens two promotions, and the use of one of them was given back."""
    other = coupon(shop, CODE, percentage=20)
    order = shop.placed(1000, 500, coupon_code=CODE)
    with changes.atomic():
        assert ahead.cancel_use(Use.objects.get(coupon=other), BY)
    if not stays:
        assert shop.staff.update(promotion_of(other), {"_disable": True}).status_code == 200
    done(shop.staff.update(order, {"_start_editing": True}))
    assert shop.staff.delete(path_of(order.line_items.get(unit_amount_cents=500))).status_code == 204
    done(shop.staff.update(order, {"_stop_editing": True}))
    other.refresh_from_db()
    assert (shown(shop.staff, order)["discount_amount_cents"], other.usage_count) == ((-280, 1) if stays else (-100, 0))
    check_counts()


def test_another_coupon_of_the_same_promotion_takes_over_its_use(shop: Shop, summer: Coupon, editing: Order):
    saved(promotion_of(summer), total_usage_limit=1)
    other = factories.coupon(summer.promotion_rule, code="OTHER-2026")
    done(shop.staff.update(editing, {"coupon_code": "OTHER-2026"}))
    done(shop.staff.update(editing, {"_stop_editing": True}))
    assert counted(summer) == (0, 1)
    assert counted(other) == (1, 1)
    check_counts()


def test_what_is_used_up_while_editing_is_refused_and_nothing_changes(shop: Shop, acme: Organization, editing: Order):
    assert shop.staff.destroy(editing.line_items.get(unit_amount_cents=2000)).status_code == 204
    last = coupon(shop, "LAST-2026", 5)
    saved(last, usage_limit=1)
    done(shop.staff.update(editing, {"coupon_code": "LAST-2026"}))
    shop.placed(1000, email="bob@example.com", coupon_code="LAST-2026")
    with only_errors_written():
        answer = shop.staff.update(editing, {"_stop_editing": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/coupon_code"})
    assert shown(shop.staff, editing)["status"] == "editing"
    done(shop.staff.update(editing, {"coupon_code": CODE, "_stop_editing": True}))
    check_counts()


def test_a_cancelled_edit_gives_everything_back(shop: Shop, summer: Coupon, editing: Order):
    done(shop.staff.update(editing, {"_stop_editing": True}))
    done(shop.staff.update(editing, {"_cancel": True}))
    assert counted(summer) == (0, 0)
    check_counts()


# --- Kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_given_back", [False, True])
def test_what_was_redeemed_is_not_deleted_even_after_it_was_given_back(shop: Shop, summer: Coupon, is_given_back: bool):
    order = shop.placed(1000, coupon_code=CODE)
    if is_given_back:
        done(shop.staff.update(order, {"_cancel": True}))
    with nothing_written():
        for row in (summer, promotion_of(summer)):
            answer = shop.staff.destroy(row)
            assert refused(answer) == (423, "LOCKED", None)
            assert problem(answer)["detail"] == f"The {row._meta.verbose_name} has been redeemed."


def test_a_promotion_without_a_code_that_was_redeemed_is_not_deleted(shop: Shop, acme: Organization):
    promotion = factories.percentage_promotion(acme)
    done(shop.staff.update(shop.placed(1000), {"_cancel": True}))
    with nothing_written():
        assert refused(shop.staff.destroy(promotion)) == (423, "LOCKED", None)


def test_a_promotion_that_took_over_a_redeemed_coupon_is_not_deleted(shop: Shop, summer: Coupon, acme: Organization):
    done(shop.staff.update(shop.placed(1000, coupon_code=CODE), {"_cancel": True}))
    factories.coupon(summer.promotion_rule)
    other = factories.coupon_rule(factories.percentage_promotion(acme))
    assert shop.staff.update(summer, promotion_rule=other).status_code == 200
    with nothing_written():
        assert refused(shop.staff.destroy(other.promotion)) == (423, "LOCKED", None)


def test_a_promotion_that_open_orders_show_may_be_deleted(shop: Shop, summer: Coupon):
    order = shop.order(1000, coupon_code=CODE)
    assert shop.staff.destroy(promotion_of(summer)).status_code == 204
    assert len(lines(shop.staff, order)) == 2
    done(shop.shopper.update(order, {"_refresh": True}))
    assert amounts(shop.shopper, order) == {"subtotal": 1000, "total": 1000}


# --- Whatever happens -----------------------------------------------------------------------------

WRITTEN: dict[str, dict[str, Any]] = {
    "first code": {"coupon_code": "FIRST-2026"},
    "second code": {"coupon_code": "SECOND-2026"},
    "cheque": {"coupon_code": "CHEQUE-2026"},
    "no code": {"coupon_code": None},
    "card": {"gift_card_code": "PRESENT-2026"},
    "no card": {"gift_card_code": ""},
    **{trigger: {trigger: True} for trigger in ("_place", "_approve", "_cancel", "_start_editing", "_stop_editing")},
}
DEEDS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(
            st.sampled_from(["_place", "_cancel", "_start_editing", "_stop_editing"]),
            st.sampled_from([*WRITTEN, "add", "delete", "keep uses"]),
        ),
    ),
    min_size=6,
    max_size=20,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS, single=st.booleans(), same_customer=st.booleans())
def test_counts_and_balances_are_what_uses_and_entries_tell_whatever_is_done(
    api: Api, deeds: list[tuple[int, str]], single: bool, same_customer: bool
):
    owner = factories.organization()
    shop = Shop(owner, Api(factories.application(owner)))
    first, second = coupon(shop, "FIRST-2026"), coupon(shop, "SECOND-2026", 20)
    saved(first, usage_limit=1, customer_single_use=single)
    saved(second, usage_limit=2)
    automatic = factories.percentage_promotion(owner, percentage=5, total_usage_limit=2)
    amount = {"fixed_amount_cents": 1500, "declining_balance": True, "customer_usage_limit": 2}
    cheques = factories.coupon_rule(factories.fixed_amount_promotion(owner, **amount))
    cheque = factories.coupon(cheques, code="CHEQUE-2026")
    card = factories.gift_card(owner, code="PRESENT-2026", balance_cents=2500)
    emails = [EMAIL if same_customer else f"c{number}@example.com" for number in range(3)]
    orders = [shop.order(1000, customer_email=email) for email in emails]
    for number, what in deeds:
        order = orders[number]
        line = order.line_items.filter(item_type="skus").first()
        if what == "add":
            answer = shop.staff.create("line_items", {"quantity": 1, "sku_code": shop.sku(700).code}, order=order)
        elif what == "delete" and line:
            answer = shop.staff.destroy(line)
        elif what == "keep uses":
            answer = shop.staff.update(second.promotion_rule.promotion, {"release_on_cancel": number == 0})
        else:
            answer = shop.staff.update(order, WRITTEN.get(what, {}))
        assert answer.status_code in (200, 201, 204, 422), answer.content
        check_counts()
        check_uses(shop, card)
    automatic.refresh_from_db()
    assert automatic.total_usage_count <= 2
    assert (counted(first)[0] <= 1, counted(second)[0] <= 2) == (True, True)
    assert set(CustomerUsage.objects.filter(promotion=cheques.promotion).values_list("usage_count", flat=True)) <= {
        0,
        1,
        2,
    }
    assert Coupon.objects.get(pk=cheque.pk).used_amount_cents <= 1500


def check_uses(shop: Shop, card: GiftCard) -> None:
    """What is placed uses what its lines say, and has got that off its card; what was cancelled has got all back."""
    card.refresh_from_db()
    assert card.balance_cents == sum(entry.amount_cents for entry in ledger.entries(card)) >= 0
    for order in Order.objects.owned_by(card.tenant):
        attributes = shown(shop.staff, order)
        spent = gift_cards.used_by(order, card)
        live = Redemption.objects.filter(order=order).exclude(state="released").first()
        if attributes["status"] in ("placed", "approved"):
            assert spent == -attributes["gift_card_amount_cents"]
            assert (live.discount_cents if live else 0) == attributes["discount_amount_cents"]
            assert live is None or live.discount_cents == sum(cents for _, _, cents, is_live in used(order) if is_live)
        elif attributes["status"] != "editing":
            assert spent == 0


# --- Meeting --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_orders_that_meet_as_many_are_placed_as_the_coupon_allows(shop: Shop, summer: Coupon):
    saved(summer, usage_limit=3)
    orders = [shop.order(1000, coupon_code=CODE, customer_email=f"c{number}@example.com") for number in range(8)]
    answers = at_once(*(partial(shop.shopper.update, order, {"_place": True}) for order in orders))
    assert sorted(statuses(answers)) == [200] * 3 + [422] * 5
    assert counted(summer) == (3, 3)
    assert Redemption.objects.count() == 3
    placed = [shown(shop.staff, order)["status"] == "placed" for order in orders]
    assert placed == [answer.status_code == 200 for answer in answers]
    check_counts()


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_placed_many_times_at_once_counts_once(shop: Shop, summer: Coupon):
    order = shop.order(1000, coupon_code=CODE, customer_email=EMAIL)
    answers = at_once(*[partial(shop.shopper.update, order, {"_place": True})] * 8)
    assert statuses(answers) == [200] * 8
    assert counted(summer) == (1, 1)
    order.refresh_from_db()
    assert order.customer is not None
    assert order.customer.total_orders_count == 1


@pytest.mark.django_db(transaction=True)
def test_a_coupon_for_one_use_is_used_once_by_orders_of_a_customer_that_meet(shop: Shop, summer: Coupon):
    saved(summer, customer_single_use=True)
    orders = [shop.order(1000, coupon_code=CODE, customer_email=EMAIL) for _ in range(6)]
    answers = at_once(*(partial(shop.shopper.update, order, {"_place": True}) for order in orders))
    assert sorted(statuses(answers)) == [200] + [422] * 5
    assert counted(summer) == (1, 1)
    check_counts()


@pytest.mark.django_db(transaction=True)
def test_orders_of_a_customer_that_meet_use_a_promotion_as_often_as_it_says(shop: Shop, summer: Coupon):
    limited(summer, 2, shop.staff)
    orders = [shop.order(1000, coupon_code=CODE, customer_email=EMAIL) for _ in range(6)]
    answers = at_once(*(partial(shop.shopper.update, order, {"_place": True}) for order in orders))
    assert sorted(statuses(answers)) == [200] * 2 + [422] * 4
    assert (counted(summer), set(usages(summer).values())) == ((2, 2), {2})
    check_counts()


@pytest.mark.django_db(transaction=True)
def test_placing_and_cancelling_that_meet_leave_counts_that_add_up(shop: Shop, summer: Coupon):
    orders = [shop.order(1000, coupon_code=CODE, customer_email=f"c{number}@example.com") for number in range(4)]
    asks: list[Any] = [
        partial(shop.staff.update, order, {trigger: True}) for order in orders for trigger in ("_place", "_cancel")
    ]
    at_once(*asks)
    check_counts()
    for order in orders:
        done(shop.staff.update(order, {"_cancel": True}))
    assert counted(summer) == (0, 0)
    check_counts()
