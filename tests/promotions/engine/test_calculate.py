"""Which promotions are considered, which codes open what, and what is told of the others."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from promotions.engine.benefits import External, FixedAmount, FreeShipping, PercentageDiscount
from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.conditions import Custom, Filter, OrderAmount
from promotions.engine.reasons import SENTENCES, Refusal
from promotions.engine.types import Claim, Customer, Evaluation, Line, Listed, Order, Outcome, Promotion, Shipment
from tests.promotions.engine.notation import EXPIRES_AT, NOW, STARTS_AT, case, told

INSTANT = timedelta(microseconds=1)

ORDER = Order(currency_code="EUR", market_id=7, lines=(Line(id=1, code="A", quantity=1, unit_amount_cents=10000),))


def amount_off(key: int, cents: int = 100, **options: Any) -> Promotion:
    window = {"starts_at": STARTS_AT, "expires_at": EXPIRES_AT} | options
    return Promotion(id=key, kind="fixed_amount", benefit=FixedAmount(cents), name=f"promotion {key}", **window)


def external(key: int, **options: Any) -> Promotion:
    return replace(amount_off(key, **options), kind="external", benefit=External())


def evaluated(*promotions: Promotion, order: Order = ORDER, now: datetime = NOW, **options: Any) -> Evaluation:
    return calculate(order, Book(promotions), now, **options)


def applied(evaluation: Evaluation) -> list[int]:
    return [one.promotion.id for one in evaluation.applied]


def reasons(evaluation: Evaluation) -> dict[int, str]:
    return {one.promotion.id: one.refusal.reason for one in evaluation.not_applied if one.promotion}


def claims_refused(evaluation: Evaluation) -> dict[str, str]:
    return {one.claim.code: one.refusal.reason for one in evaluation.not_applied if one.claim}


# --- Which promotions stand -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (STARTS_AT - INSTANT, "promotion_pending"),
        (STARTS_AT, None),
        (EXPIRES_AT - INSTANT, None),
        (EXPIRES_AT, "promotion_expired"),
    ],
)
def test_a_promotion_applies_from_its_start_until_just_before_its_end(now: datetime, reason: str | None) -> None:
    book = Book([amount_off(1)])
    for moment in (NOW, now, NOW, now):
        evaluation = calculate(ORDER, book, moment, explain=True)
        expected = None if moment == NOW else reason
        assert applied(evaluation) == ([] if expected else [1])
        assert reasons(evaluation) == ({1: expected} if expected else {})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"disabled_at": NOW}, "promotion_disabled"),
        ({"disabled_at": NOW, "expires_at": NOW}, "promotion_disabled"),
        ({"market_id": 8}, "market_mismatch"),
        ({"market_id": 8, "currency_code": "USD"}, "market_mismatch"),
        ({"currency_code": "USD"}, "currency_mismatch"),
    ],
)
def test_what_does_not_stand_is_refused_whether_a_code_opens_it_or_not(options: dict[str, Any], reason: str) -> None:
    promotion = amount_off(1, **options)
    assert reasons(evaluated(promotion, explain=True)) == {1: reason}
    by_code = evaluated(claims=[Claim(code="CODE", promotion=promotion)])
    assert applied(by_code) == []
    assert claims_refused(by_code) == {"CODE": reason}


def test_a_promotion_of_the_market_and_currency_of_the_order_applies() -> None:
    assert applied(evaluated(amount_off(1, market_id=7, currency_code="EUR"))) == [1]


def test_an_order_without_market_gets_only_what_is_for_every_market() -> None:
    order = replace(ORDER, market_id=None)
    assert applied(evaluated(amount_off(1, market_id=7), amount_off(2), order=order)) == [2]


# --- How many are considered ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "exhausted", "expected"),
    [
        (None, (), [5, 4, 3, 2, 1]),
        (3, (), [5, 4, 3]),
        (3, (4,), [5, 3, 2]),
        (3, (4, 3, 99), [5, 2, 1]),
        (1, (5, 4, 3, 2), [1]),
        (9, (5,), [4, 3, 2, 1]),
        (0, (), []),
        (None, (1, 2, 3, 4, 5), []),
    ],
)
def test_the_first_of_those_that_are_not_used_up_are_considered(
    limit: int | None, exhausted: tuple[int, ...], expected: list[int]
) -> None:
    promotions = [amount_off(key, priority=9 - key) for key in range(1, 6)]
    evaluation = evaluated(*promotions, limit=limit, exhausted=exhausted, explain=True)
    assert applied(evaluation) == expected
    assert reasons(evaluation) == {
        key: "promotion_usage_reached" if key in exhausted else "outside_concurrent_limit"
        for key in range(1, 6)
        if key not in expected
    }


def test_promotions_that_do_not_stand_take_no_place_of_the_limit() -> None:
    others = [amount_off(1, priority=0, disabled_at=NOW), amount_off(2, priority=0, market_id=8)]
    assert applied(evaluated(*others, amount_off(3), limit=1)) == [3]


def test_a_promotion_whose_rules_fail_keeps_its_place() -> None:
    too_dear = amount_off(1, priority=0, rules=(OrderAmount(10001),))
    for explain in (False, True):
        assert applied(evaluated(too_dear, amount_off(2), limit=1, explain=explain)) == []


def test_promotions_that_codes_open_are_not_limited() -> None:
    claims = [Claim(code=f"CODE{key}", promotion=amount_off(key)) for key in range(1, 13)]
    assert applied(evaluated(amount_off(99, priority=0), claims=claims, limit=1)) == [99, *range(1, 13)]


# --- Codes ----------------------------------------------------------------------------------------


def test_a_code_is_told_why_it_opens_nothing() -> None:
    used = Claim(code="USED", promotion=amount_off(1), refusal=Refusal("coupon_usage_reached"))
    evaluation = evaluated(claims=[Claim(code="NONE"), used])
    assert evaluation.applied == ()
    assert claims_refused(evaluation) == {"NONE": "coupon_not_found", "USED": "coupon_usage_reached"}


def test_a_code_that_cannot_be_used_says_so_before_its_promotion_does() -> None:
    closed = amount_off(1, disabled_at=NOW)
    evaluation = evaluated(claims=[Claim(code="OLD", promotion=closed, refusal=Refusal("coupon_expired"))])
    assert claims_refused(evaluation) == {"OLD": "coupon_expired"}


def test_two_codes_open_their_promotion_once() -> None:
    promotion = amount_off(1)
    evaluation = evaluated(claims=[Claim(code=code, promotion=promotion, coupon_id=2) for code in ("ONE", "TWO")])
    assert [(one.claim.code, one.amount_cents) for one in evaluation.applied if one.claim] == [("ONE", 100)]
    assert claims_refused(evaluation) == {"TWO": "opened_by_another_code"}


def test_a_refused_code_leaves_the_promotion_to_the_next() -> None:
    promotion = amount_off(1)
    expired = Claim(code="OLD", promotion=promotion, refusal=Refusal("coupon_expired"))
    evaluation = evaluated(claims=[expired, Claim(code="NEW", promotion=promotion)])
    assert [one.claim.code for one in evaluation.applied if one.claim] == ["NEW"]


def test_a_code_shared_by_two_promotions_opens_both() -> None:
    evaluation = evaluated(claims=[Claim(code="CODE", promotion=amount_off(key)) for key in (1, 2)])
    assert [(one.promotion.id, one.claim.code) for one in evaluation.applied if one.claim] == [(1, "CODE"), (2, "CODE")]


def test_a_code_that_loses_to_an_exclusive_promotion_is_told_so() -> None:
    evaluation = evaluated(
        amount_off(1, exclusive=True), claims=[Claim(code="CODE", promotion=amount_off(2, priority=0))]
    )
    assert applied(evaluation) == [1]
    assert claims_refused(evaluation) == {"CODE": "superseded_by_exclusive"}


def test_an_exclusive_promotion_that_a_code_opens_stays_alone() -> None:
    exclusive = Claim(code="ALONE", promotion=amount_off(2, cents=1, exclusive=True))
    evaluation = evaluated(amount_off(1, priority=0), claims=[exclusive], explain=True)
    assert applied(evaluation) == [2]
    assert reasons(evaluation) == {1: "superseded_by_exclusive"}


def test_codes_apply_in_the_order_of_all_promotions() -> None:
    claim = Claim(code="CODE", promotion=amount_off(2, priority=1))
    assert applied(evaluated(amount_off(1), amount_off(3, priority=0), claims=[claim])) == [3, 2, 1]


def test_a_code_that_takes_nothing_off_is_told_the_distance() -> None:
    promotion = amount_off(1, rules=(OrderAmount(11500),))
    (refused,) = evaluated(claims=[Claim(code="CODE", promotion=promotion)]).not_applied
    assert refused.refusal == Refusal("order_amount_too_low", missing=1500)
    assert refused.refusal.sentence == "The order is too small: 1500 cents to go."


# --- Rules ----------------------------------------------------------------------------------------


def test_no_order_amount_is_no_condition() -> None:
    assert applied(evaluated(amount_off(1, rules=(OrderAmount(None),)))) == [1]


BUYER = replace(
    ORDER,
    lines=(
        Line(id=1, code="A", quantity=1, unit_amount_cents=10000, tags=frozenset({1})),
        Line(id=2, code="B", quantity=1, unit_amount_cents=500, tags=frozenset({2, 3})),
    ),
    shipments=(Shipment(id=1, amount_cents=700),),
    customer=Customer(id=5, email="ann@example.com", status="repeat", tags=frozenset({11, 12})),
    tags=frozenset({21}),
)
GUEST = Order(currency_code="EUR")


@pytest.mark.parametrize(
    ("attribute", "matcher", "value", "buyer", "guest"),
    [
        ("market_id", "eq", 7, True, False),
        ("market_id", "eq", 8, False, False),
        ("market_id", "in", (7, 8), True, False),
        ("market_id", "not_in", (7, 8), False, True),
        ("currency_code", "eq", "EUR", True, True),
        ("currency_code", "not_in", ("EUR",), False, False),
        ("customer_status", "eq", "repeat", True, False),
        ("customer_status", "in", ("acquired", "prospect"), False, False),
        ("customer_status", "not_in", ("acquired", "prospect"), True, True),
        ("customer_email", "eq", "ann@example.com", True, False),
        ("customer_email", "end_any", ("@example.org", "@example.com"), True, False),
        ("customer_email", "end_any", ("@example.org",), False, False),
        ("customer_tags_id", "in", (12, 13), True, False),
        ("customer_tags_id", "not_in", (12, 13), False, True),
        ("customer_tags_id", "not_in", (13,), True, True),
        ("line_items_sku_tags_id", "in", (3,), True, False),
        ("line_items_sku_tags_id", "eq", 2, True, False),
        ("line_items_sku_tags_id", "not_in", (4,), True, True),
        ("line_items_sku_code", "in", ("B", "C"), True, False),
        ("line_items_sku_code", "not_in", ("B", "C"), False, True),
        ("line_items_sku_code", "eq", "C", False, False),
        ("status", "eq", "pending", True, True),
        ("status", "in", ("draft", "placed"), False, False),
        ("tags_id", "eq", 21, True, False),
        ("tags_id", "not_in", (21,), False, True),
        ("subtotal_amount_cents", "gteq", 10500, True, False),
        ("subtotal_amount_cents", "gt", 10500, False, False),
        ("subtotal_amount_cents", "lteq", 10500, True, True),
        ("subtotal_amount_cents", "lt", 10500, False, True),
        ("subtotal_amount_cents", "eq", 10500, True, False),
        ("total_amount_cents", "eq", 11200, True, False),
    ],
)
def test_a_filter_of_a_custom_rule(attribute: str, matcher: str, value: Any, buyer: bool, guest: bool) -> None:
    rule = Custom((Filter("currency_code", "eq", "EUR"), Filter(attribute, matcher, value)))
    for order, expected in ((BUYER, buyer), (GUEST, guest)):
        book = Book([replace(amount_off(1, rules=(rule,)), kind="free_shipping", benefit=FreeShipping())])
        order = replace(order, shipments=(Shipment(id=1, amount_cents=700),))
        evaluation = calculate(order, book, NOW, explain=True)
        assert applied(evaluation) == ([1] if expected else [])
        refusals = [one.refusal for one in evaluation.not_applied]
        assert refusals == ([] if expected else [Refusal("filters_not_matched", filter=f"{attribute}_{matcher}")])


def test_the_total_a_filter_reads_is_what_earlier_promotions_left() -> None:
    rule = Custom((Filter("total_amount_cents", "lteq", 9900), Filter("subtotal_amount_cents", "eq", 10000)))
    assert applied(evaluated(amount_off(1), amount_off(2, rules=(rule,)))) == [1, 2]
    assert applied(evaluated(amount_off(1, cents=99), amount_off(2, rules=(rule,)))) == [1]


def test_a_shipment_is_free_when_one_of_its_lines_is_listed() -> None:
    order = Order(
        currency_code="EUR",
        lines=(
            Line(id=1, code="A", quantity=1, unit_amount_cents=10, lists={5: Listed()}),
            Line(id=2, code="B", quantity=1, unit_amount_cents=10),
        ),
        shipments=(
            Shipment(id=11, amount_cents=500, lines=frozenset({1, 2})),
            Shipment(id=12, amount_cents=700, lines=frozenset({2})),
        ),
    )
    promotion = replace(amount_off(1, sku_list_id=5), kind="free_shipping", benefit=FreeShipping())
    (one,) = evaluated(promotion, order=order).applied
    assert [(share.shipment_id, share.cents) for share in one.shares] == [(11, 500)]
    only_b = replace(order, shipments=order.shipments[1:])
    assert reasons(evaluated(promotion, order=only_b, explain=True)) == {1: "no_matching_items"}


# --- External promotions --------------------------------------------------------------------------


def test_a_service_that_was_not_asked_yet_is_named() -> None:
    evaluation = evaluated(external(1), amount_off(2))
    assert [one.id for one in evaluation.unanswered] == [1]
    assert applied(evaluation) == [2]


def test_a_service_is_not_asked_when_its_turn_does_not_come() -> None:
    for promotion in (
        external(1, rules=(OrderAmount(10001),)),
        external(1, sku_list_id=5),
        external(1, disabled_at=NOW),
    ):
        for explain in (False, True):
            assert evaluated(promotion, explain=explain).unanswered == ()
    assert evaluated(amount_off(1, exclusive=True), external(2)).unanswered == ()


def test_a_service_that_fails_gives_nothing_and_stops_nothing() -> None:
    failed = Refusal("external_failed", cause="it took too long")
    evaluation = evaluated(external(1), amount_off(2), outcomes={1: Outcome(refusal=failed)}, explain=True)
    assert applied(evaluation) == [2]
    assert [one.refusal for one in evaluation.not_applied] == [failed]
    assert failed.sentence == "The external service gave no discount: it took too long."


def test_a_service_names_its_discount() -> None:
    outcomes = {1: Outcome(500, name="Told by the service"), 2: Outcome(500)}
    evaluation = evaluated(external(1), external(2), outcomes=outcomes)
    assert [(one.name, one.amount_cents) for one in evaluation.applied] == [
        ("Told by the service", 500),
        ("promotion 2", 500),
    ]


def test_lines_that_are_not_in_the_order_get_nothing() -> None:
    for outcome in (Outcome(500, ((99, None),)), Outcome(500, ((99, 500),))):
        assert reasons(evaluated(external(1), outcomes={1: outcome}, explain=True)) == {1: "no_matching_items"}


def test_what_a_service_names_is_limited_to_the_list_of_its_promotion() -> None:
    lines = (replace(ORDER.lines[0], lists={5: Listed()}), Line(id=2, code="B", quantity=1, unit_amount_cents=10))
    outcome = Outcome(600, ((1, 500), (2, 100)))
    evaluation = evaluated(external(1, sku_list_id=5), order=replace(ORDER, lines=lines), outcomes={1: outcome})
    assert [(share.line_id, share.cents) for one in evaluation.applied for share in one.shares] == [(1, 500)]


# --- Numbers --------------------------------------------------------------------------------------


def test_an_empty_order_costs_nothing() -> None:
    evaluation = evaluated(amount_off(1), order=Order(currency_code="EUR"), explain=True)
    assert (evaluation.subtotal_amount_cents, evaluation.total_amount_cents, evaluation.applied) == (0, 0, ())
    assert reasons(evaluation) == {1: "no_matching_items"}


@pytest.mark.parametrize("currency", ["JPY", "EUR", "BHD"])
def test_a_currency_changes_no_number(currency: str) -> None:
    """999 yen, 9.99 euro, 0.999 dinar: the smallest unit is the unit."""
    order = replace(ORDER, currency_code=currency, lines=(replace(ORDER.lines[0], unit_amount_cents=999),))
    promotion = replace(amount_off(1), kind="percentage_discount", benefit=PercentageDiscount(Fraction(1, 2)))
    evaluation = evaluated(promotion, order=order)
    assert (evaluation.discount_amount_cents, evaluation.total_amount_cents) == (500, 499)


def test_a_billion_units_are_not_told_apart() -> None:
    given = case(
        "A 1000000000 x 100, B 999999999 x 7, shipping 500",
        "1 free of {A}; price 99 for {A}; 3 for 2 across {A, B}; 10 % off; 1 off; free shipping",
    )
    evaluation = calculate(given.order, Book(given.promotions), NOW)
    assert told(given.order, given.promotions, evaluation) == (
        "A 100; A 999999999; B 4666666662; A 9899999990, B 233333333; A 1; shipping 500"
    )
    assert evaluation.total_amount_cents == 91199999908


# --- Sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", SENTENCES)
def test_every_reason_is_a_whole_sentence(reason: str) -> None:
    sentence = Refusal(reason, missing=3, filter="market_id_in", cause="it took too long").sentence
    assert sentence.endswith(".")
    assert "{" not in sentence
