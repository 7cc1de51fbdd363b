"""Coupons that hold an amount: orders use it up bit by bit, to the cent, and what is given back is there again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from commerce import ids, ledger
from commerce.models import Order, Version
from coupons.models import Coupon, Redemption
from tests import factories
from tests.client import Api, document, nothing_written, path_of, problem, refused
from tests.coupons.test_concurrency import at_once, statuses
from tests.coupons.test_order_discounts import saved, sent
from tests.factories import NOW
from tests.shopping import EMAIL, Shop, amounts, done, only_errors_written, shown

CODE = "CHEQUE-2026"


def cheque(shop: Shop, code: str = CODE, **promotion: Any) -> Coupon:
    """A coupon that holds 50.00 EUR unless said otherwise."""
    values = {"fixed_amount_cents": 5000, "declining_balance": True, **promotion}
    made = factories.fixed_amount_promotion(shop.owner, **values)
    row: Coupon = factories.coupon(factories.coupon_rule(made), code=code)
    return row


def state(api: Api, row: Coupon) -> tuple[int, int, int]:
    """How often it was used, what is gone and what is left."""
    told = api.data(path_of(row))["attributes"]
    return told["usage_count"], told["used_amount_cents"], told["balance_cents"]


def entries(row: Coupon) -> list[tuple[str, int, int]]:
    """Kind, cents and what was left then."""
    return list(ledger.entries(row).order_by("pk").values_list("kind", "amount_cents", "balance_cents"))


def differences() -> str:
    output = StringIO()
    call_command("reconcile", stdout=output)
    return output.getvalue()


# --- Used up --------------------------------------------------------------------------------------


def test_orders_use_up_a_balance_and_the_last_gets_the_rest(api: Api, shop: Shop):
    row = cheque(shop)
    assert state(api, row) == (0, 0, 5000)
    orders = [shop.placed(cents, coupon_code=CODE) for cents in (3000, 1500, 1000)]
    told = [amounts(api, order) for order in orders]
    assert [(each["discount"], each["total"]) for each in told] == [(-3000, 0), (-1500, 0), (-500, 500)]
    assert state(api, row) == (3, 5000, 0)
    assert entries(row) == [("use", -3000, 2000), ("use", -1500, 500), ("use", -500, 0)]
    assert [entry.order for entry in ledger.entries(row).order_by("pk")] == orders
    assert differences() == "There are no differences.\n"


@pytest.mark.parametrize("attribute", ["coupon_code", "gift_card_or_coupon_code"])
def test_a_balance_that_is_used_up_is_a_reason(api: Api, shop: Shop, attribute: str):
    cheque(shop)
    shop.placed(5000, coupon_code=CODE)
    order = shop.order(1000)
    with nothing_written():
        answer = api.update(order, {attribute: CODE})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": f"/data/attributes/{attribute}"})
    assert problem(answer)["meta"] == {"error": "invalid", "reason": "balance_used_up"}


def test_an_open_order_shows_what_is_left_and_uses_nothing(api: Api, shop: Shop):
    row = cheque(shop)
    order = shop.order(8000, coupon_code=CODE)
    assert amounts(api, order) == {"subtotal": 8000, "discount": -5000, "total": 3000}
    assert (state(api, row), entries(row)) == ((0, 0, 5000), [])
    shop.placed(4000, coupon_code=CODE)
    done(api.update(order, {"_refresh": True}))
    assert amounts(api, order) == {"subtotal": 8000, "discount": -1000, "total": 7000}


def test_of_two_orders_that_were_promised_the_same_the_second_is_told(api: Api, shop: Shop):
    row = cheque(shop)
    first, second = (shop.order(3000, coupon_code=CODE, customer_email=EMAIL) for _ in range(2))
    done(api.update(first, {"_place": True}))
    with only_errors_written():
        answer = api.update(second, {"_place": True})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data"})
    assert (problem(answer)["title"], problem(answer)["meta"]["reason"]) == (
        "The order comes to 1000 cents now.",
        "total_changed",
    )
    done(api.update(second, {"_refresh": True}))
    assert amounts(api, second) == {"subtotal": 3000, "discount": -2000, "total": 1000}
    done(api.update(second, {"_place": True}))
    assert state(api, row) == (2, 5000, 0)


def test_every_coupon_holds_the_amount_for_itself(api: Api, shop: Shop):
    first = cheque(shop)
    second = factories.coupon(first.promotion_rule, code="OTHER-2026")
    shop.placed(3000, coupon_code=CODE)
    assert (state(api, first), state(api, second)) == ((1, 3000, 2000), (0, 0, 5000))


def test_other_coupons_tell_what_they_took_off_and_hold_nothing(api: Api, shop: Shop):
    row = cheque(shop, declining_balance=False)
    for cents in (3000, 8000):
        shop.placed(cents, coupon_code=CODE)
    told = api.data(path_of(row))["attributes"]
    assert (told["usage_count"], told["used_amount_cents"], told["balance_cents"]) == (2, 8000, None)
    assert entries(row) == []


@pytest.mark.parametrize(
    ("context", "off", "total"), [("items", -1000, 500), ("shipping", -500, 1000), ("items_and_shipping", -1500, 0)]
)
def test_a_balance_pays_what_its_context_says(api: Api, shop: Shop, context: str, off: int, total: int):
    row = cheque(shop, discount_context=context)
    order = shop.order(1000, coupon_code=CODE, customer_email=EMAIL)
    sent(shop, order, 500)
    assert amounts(api, order) == {"subtotal": 1000, "shipping": 500, "discount": off, "total": total}
    done(api.update(order, {"_place": True}))
    assert state(api, row) == (1, -off, 5000 + off)


def test_what_comes_before_leaves_less_to_pay(api: Api, shop: Shop):
    row = cheque(shop)
    factories.percentage_promotion(shop.owner, percentage="12.5")
    order = shop.placed(1000, coupon_code=CODE)
    assert amounts(api, order) == {"subtotal": 1000, "discount": -1000, "total": 0}
    assert state(api, row) == (1, 875, 4125)


# --- Given back -----------------------------------------------------------------------------------


def test_cancelling_gives_back_once_and_it_can_be_used_again(api: Api, shop: Shop):
    row = cheque(shop)
    orders = [shop.placed(cents, coupon_code=CODE) for cents in (3000, 1500, 1000)]
    for _ in range(2):
        done(api.update(orders[1], {"_cancel": True}))
    assert state(api, row) == (2, 3500, 1500)
    assert entries(row)[3:] == [("refund", 1500, 1500)]
    last = shop.placed(9000, coupon_code=CODE)
    assert amounts(api, last)["discount"] == -1500
    assert state(api, row) == (3, 5000, 0)
    assert sum(cents for _, cents, _ in entries(row)) == -5000
    assert differences() == "There are no differences.\n"


def test_editing_moves_the_difference_alone(api: Api, shop: Shop):
    row = cheque(shop)
    order = shop.placed(3000, coupon_code=CODE)
    done(api.update(order, {"_start_editing": True}))
    added = shop.add(order, shop.sku(1500))
    assert amounts(api, order) == {"subtotal": 4500, "discount": -4500, "total": 0}
    assert state(api, row) == (1, 3000, 2000)
    done(api.update(order, {"_stop_editing": True}))
    assert state(api, row) == (1, 4500, 500)
    done(api.update(order, {"_start_editing": True}))
    assert api.destroy(added).status_code == 204
    done(api.update(order, {"_stop_editing": True}))
    assert state(api, row) == (1, 3000, 2000)
    assert entries(row) == [("use", -3000, 2000), ("use", -1500, 500), ("refund", 1500, 2000)]
    assert Redemption.objects.get().discount_cents == -3000


def test_a_code_that_goes_while_editing_gives_all_of_it_back(api: Api, shop: Shop):
    row = cheque(shop)
    order = shop.placed(3000, coupon_code=CODE)
    saved(Order.objects.get(), place_total_amount_cents=1_000_000)
    done(api.update(order, {"_start_editing": True}))
    done(api.update(order, {"coupon_code": None}))
    done(api.update(order, {"_stop_editing": True}))
    assert state(api, row) == (0, 0, 5000)
    assert entries(row) == [("use", -3000, 2000), ("refund", 3000, 5000)]


# --- Elsewhere ------------------------------------------------------------------------------------


def redeem(api: Api, cents: int, **attributes: Any) -> Any:
    cart = {"coupon_code": CODE, "amount_cents": cents, "currency_code": "EUR", **attributes}
    return api.post("redemptions", document("redemptions", cart))


def test_orders_kept_elsewhere_use_the_same_balance(api: Api, shop: Shop):
    row = cheque(shop)
    shop.placed(2000, coupon_code=CODE)
    answer = redeem(api, 10_000)
    assert answer.json()["data"]["attributes"]["discount_cents"] == -3000
    assert state(api, row) == (2, 5000, 0)
    with nothing_written():
        answer = redeem(api, 1)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/coupon_code"})
    assert problem(answer)["meta"]["reason"] == "balance_used_up"
    redemption = Redemption.objects.get(order=None)
    assert api.update(redemption, {"_cancel": True}).status_code == 200
    assert state(api, row) == (1, 2000, 3000)
    assert entries(row) == [("use", -2000, 3000), ("use", -3000, 0), ("refund", 3000, 3000)]


def test_what_is_reserved_is_gone_until_its_time_is_over(api: Api, shop: Shop, travel: Any):
    row = cheque(shop)
    assert redeem(api, 5000, _reserve=True, time_to_live=60).status_code == 201
    assert problem(redeem(api, 1000))["meta"]["reason"] == "balance_used_up"
    travel(NOW + timedelta(seconds=60))
    assert redeem(api, 1000).status_code == 201
    assert state(api, row) == (1, 1000, 4000)


# --- Said of the promotion ------------------------------------------------------------------------


def test_balances_are_made_by_the_api(api: Api, shop: Shop):
    window = {"starts_at": "2026-06-01T00:00:00Z", "expires_at": "2027-06-01T00:00:00Z"}
    amount = {"fixed_amount_cents": 2500, "currency_code": "EUR", "declining_balance": True}
    promotion = api.create("fixed_amount_promotions", {"name": "Cheques", **window, **amount}).json()["data"]
    assert promotion["attributes"]["declining_balance"] is True
    linked = {"type": "fixed_amount_promotions", "id": promotion["id"]}
    rule = api.create("coupon_codes_promotion_rules", {}, promotion=linked).json()["data"]
    answer = api.create(
        "coupons", {"code": CODE}, promotion_rule={"type": "coupon_codes_promotion_rules", "id": rule["id"]}
    )
    assert answer.json()["data"]["attributes"]["balance_cents"] == 2500
    shop.placed(1000, coupon_code=CODE)
    assert state(api, Coupon.objects.get(pk=ids.decode(answer.json()["data"]["id"]))) == (1, 1000, 1500)


@pytest.mark.parametrize("declining", [True, False])
def test_what_was_used_stays_what_it_is(api: Api, shop: Shop, declining: bool):
    row = cheque(shop, declining_balance=declining)
    promotion = row.promotion_rule.promotion
    assert api.update(promotion, {"declining_balance": not declining}).status_code == 200
    assert api.update(promotion, {"declining_balance": declining}).status_code == 200
    shop.placed(1000, coupon_code=CODE)
    with nothing_written():
        answer = api.update(promotion, {"declining_balance": not declining})
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/declining_balance"})
    assert problem(answer)["title"] == "can't be changed: coupons were used"


def test_an_amount_that_becomes_another_leaves_the_rest_of_it(api: Api, shop: Shop):
    row = cheque(shop)
    promotion = row.promotion_rule.promotion
    shop.placed(3000, coupon_code=CODE)
    for cents, left in ((6000, 3000), (2000, 0), (5000, 2000)):
        assert api.update(promotion, {"fixed_amount_cents": cents}).status_code == 200
        assert state(api, row) == (1, 3000, left)


def test_uses_write_no_version_of_a_coupon(shop: Shop):
    row = cheque(shop)
    before = Version.objects.filter(resource_type="coupons", resource_id=row.pk).count()
    shop.placed(3000, coupon_code=CODE)
    assert Version.objects.filter(resource_type="coupons", resource_id=row.pk).count() == before


# --- Meeting --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_orders_that_meet_never_use_more_than_there_is(api: Api, shop: Shop):
    row = cheque(shop)
    orders = [shop.order(2000, coupon_code=CODE, customer_email=f"c{number}@example.com") for number in range(6)]
    answers = at_once(*(partial(api.update, order, {"_place": True}) for order in orders))
    assert sorted(statuses(answers)) == [200] * 2 + [422] * 4
    assert state(api, row) == (2, 4000, 1000)
    assert sorted(entries(row)) == [("use", -2000, 1000), ("use", -2000, 3000)]
    waiting = [order for order in orders if shown(api, order)["status"] != "placed"]
    for order in waiting:
        done(api.update(order, {"_refresh": True}))
    answers = at_once(*(partial(api.update, order, {"_place": True}) for order in waiting))
    assert sorted(statuses(answers)) == [200] + [422] * 3
    assert state(api, row) == (3, 5000, 0)
    assert differences() == "There are no differences.\n"


@pytest.mark.django_db(transaction=True)
def test_redemptions_elsewhere_that_meet_share_what_there_is(api: Api, shop: Shop):
    row = cheque(shop)
    answers = at_once(*[partial(redeem, api, 1500)] * 6)
    taken = [answer.json()["data"]["attributes"]["discount_cents"] for answer in answers if answer.status_code == 201]
    _, used, left = state(api, row)
    assert (sum(taken), used + left) == (-used, 5000)
    assert used >= 4500
    assert sum(cents for _, cents, _ in entries(row)) == -used
    assert differences() == "There are no differences.\n"


@pytest.mark.django_db(transaction=True)
def test_placing_and_cancelling_that_meet_leave_a_balance_that_adds_up(api: Api, shop: Shop):
    row = cheque(shop)
    orders = [shop.order(2000, coupon_code=CODE, customer_email=f"c{number}@example.com") for number in range(3)]
    at_once(*(partial(api.update, order, {step: True}) for order in orders for step in ("_place", "_cancel")))
    assert differences() == "There are no differences.\n"
    for order in orders:
        done(api.update(order, {"_cancel": True}))
    assert state(api, row) == (0, 0, 5000)
    assert sum(cents for _, cents, _ in entries(row)) == 0


# --- Kept in step ---------------------------------------------------------------------------------


def test_what_reservations_hold_of_a_balance_is_there_again_when_they_are_over(
    api: Api, shop: Shop, travel: Callable[[datetime], None]
):
    row = cheque(shop)
    cart = {"coupon_code": CODE, "amount_cents": 4000, "currency_code": "EUR"}
    api.create("redemptions", {**cart, "_reserve": True, "time_to_live": 60})
    assert state(api, row) == (1, 4000, 1000)
    travel(NOW + timedelta(minutes=2))
    answer = api.create("redemptions", {**cart, "amount_cents": 3000})
    assert answer.json()["data"]["attributes"]["discount_cents"] == -3000
    assert state(api, row) == (1, 3000, 2000)
    assert entries(row) == [("use", -4000, 1000), ("refund", 4000, 5000), ("use", -3000, 2000)]
    assert differences() == "There are no differences.\n"


def test_a_balance_whose_amount_was_lowered_is_never_told_below_zero(api: Api, shop: Shop):
    row = cheque(shop)
    shop.placed(4000, coupon_code=CODE)
    second = shop.placed(500, coupon_code=CODE)
    assert api.update(row.promotion_rule.promotion, {"fixed_amount_cents": 1000}).status_code == 200
    done(api.update(second, {"_cancel": True}))
    assert state(api, row) == (1, 4000, 0)
    assert entries(row)[-1] == ("refund", 500, 0)
    assert differences() == "There are no differences.\n"


@pytest.mark.parametrize("declines", [True, False])
def test_a_used_coupon_stays_where_its_balance_is_counted_alike(api: Api, shop: Shop, declines: bool):
    row = cheque(shop, declining_balance=declines)
    shop.placed(1000, coupon_code=CODE)
    other = factories.coupon_rule(factories.fixed_amount_promotion(shop.owner, declining_balance=not declines))
    rule = row.promotion_rule
    alone = factories.fixed_amount_promotion(shop.owner, declining_balance=not declines)
    with nothing_written():
        assert api.update(row, promotion_rule=other).status_code == 403
        assert api.update(rule, promotion=alone).status_code == 403
    unused = factories.coupon(other)
    assert api.update(unused, promotion_rule=rule).status_code == 200
