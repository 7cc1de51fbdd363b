"""What holds for every cart and every set of promotions, and that a second evaluator comes to the same."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from promotions.engine.allocation import half_up, spread, spread_within
from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.lifecycle import TYPE_RANK
from promotions.engine.restrictions import OrderAmounts
from promotions.engine.types import Evaluation, Order, Promotion
from tests.promotions.engine import oracle
from tests.promotions.engine.notation import NOW
from tests.promotions.engine.random_carts import (
    Shopping,
    examples,
    lone_promotions,
    shoppings,
    untied_shoppings,
)

ALL_KINDS = tuple(TYPE_RANK)


def evaluated(shopping: Shopping, explain: bool = True) -> Evaluation:
    return calculate(shopping.order, Book(shopping.promotions), NOW, **shopping.given, explain=explain)


def reordered(order: Order, places: Sequence[int]) -> Order:
    return replace(order, lines=tuple(order.lines[place] for place in places))


def refusals(evaluation: Evaluation, of: Collection[str] = ("claims", "promotions")) -> list[tuple[Any, ...]]:
    return sorted(
        (one.promotion.id if one.promotion else 0, one.claim.code if one.claim else "", repr(one.refusal))
        for one in evaluation.not_applied
        if ("claims" if one.claim else "promotions") in of
    )


def totals(evaluation: Evaluation) -> tuple[int, ...]:
    return (
        evaluation.subtotal_amount_cents,
        evaluation.shipping_amount_cents,
        evaluation.discount_amount_cents,
        evaluation.total_amount_cents,
    )


def by_promotion(evaluation: Evaluation) -> dict[int, Counter[Any]]:
    """What each promotion took off each line and shipment, in no order."""
    return {one.promotion.id: Counter({share[1:]: share.cents for share in one.shares}) for one in evaluation.applied}


@given(shopping=shoppings())
@examples(250)
def test_the_engine_comes_to_what_a_straightforward_evaluator_does(shopping: Shopping) -> None:
    engine = evaluated(shopping)
    straightforward = oracle.evaluate(shopping.order, shopping.promotions, NOW, **shopping.given)
    assert engine.applied == straightforward.applied
    assert totals(engine) == totals(straightforward)
    assert refusals(engine) == refusals(straightforward)
    assert {one.id for one in engine.unanswered} == {one.id for one in straightforward.unanswered}


@given(shopping=shoppings(ALL_KINDS))
@examples(150)
def test_shares_sum_to_the_discount_and_nothing_falls_below_zero(shopping: Shopping) -> None:
    order, evaluation = shopping.order, evaluated(shopping, explain=False)
    left = {
        (line.id, None): line.quantity * line.unit_amount_cents + line.options_amount_cents for line in order.lines
    } | {(None, shipment.id): shipment.amount_cents for shipment in order.shipments}
    for one in evaluation.applied:
        assert sum(share.cents for share in one.shares) == one.amount_cents > 0
        for share in one.shares:
            assert share.cents > 0
            left[share.line_id, share.shipment_id] -= share.cents
    assert min(left.values(), default=0) >= 0
    assert sum(left.values()) == evaluation.total_amount_cents
    assert evaluation.discount_amount_cents == sum(one.amount_cents for one in evaluation.applied)
    assert (
        evaluation.total_amount_cents
        == evaluation.subtotal_amount_cents + evaluation.shipping_amount_cents - evaluation.discount_amount_cents
    )


@given(shopping=shoppings(ALL_KINDS))
@examples(150)
def test_the_index_leaves_out_only_what_would_be_refused(shopping: Shopping) -> None:
    indexed, explained = evaluated(shopping, explain=False), evaluated(shopping)
    assert indexed.applied == explained.applied
    assert totals(indexed) == totals(explained)
    assert indexed.unanswered == explained.unanswered
    assert refusals(indexed, of=["claims"]) == refusals(explained, of=["claims"])


@given(shopping=shoppings(ALL_KINDS))
@examples(100)
def test_every_promotion_and_every_claim_is_told_once_what_became_of_it(shopping: Shopping) -> None:
    evaluation = evaluated(shopping)
    told = [*evaluation.applied, *evaluation.not_applied]
    assert Counter(one.promotion.id for one in told if not one.claim) == Counter(one.id for one in shopping.promotions)
    assert Counter(one.claim.code for one in told if one.claim) == Counter(claim.code for claim in shopping.claims)


@given(shopping=shoppings(ALL_KINDS), data=st.data())
@examples(100)
def test_the_same_input_gives_the_same_output(shopping: Shopping, data: st.DataObject) -> None:
    book = Book(data.draw(st.permutations(shopping.promotions)))
    first, second = (calculate(shopping.order, book, NOW, **shopping.given, explain=True) for _ in range(2))
    assert first == second == evaluated(shopping)


@given(shopping=untied_shoppings(), data=st.data())
@examples(100)
def test_the_order_of_lines_decides_nothing_but_ties(shopping: Shopping, data: st.DataObject) -> None:
    """No two units cost the same, no two gifts have one position and nothing is rounded: each line fares the same."""
    places = data.draw(st.permutations(range(len(shopping.order.lines))))
    moved = replace(shopping, order=reordered(shopping.order, places))
    assert by_promotion(evaluated(moved)) == by_promotion(evaluated(shopping))


@given(shopping=lone_promotions(), data=st.data())
@examples(100)
def test_one_promotion_takes_the_same_in_any_order_of_the_lines(shopping: Shopping, data: st.DataObject) -> None:
    places = data.draw(st.permutations(range(len(shopping.order.lines))))
    moved = replace(shopping, order=reordered(shopping.order, places))
    assert totals(evaluated(moved)) == totals(evaluated(shopping))


@given(shopping=lone_promotions(), data=st.data())
@examples(100)
def test_one_promotion_takes_the_same_when_units_stand_on_a_line_each(shopping: Shopping, data: st.DataObject) -> None:
    apart = replace(shopping, order=unit_by_unit(shopping.order))
    assert totals(evaluated(apart)) == totals(evaluated(shopping))


def unit_by_unit(order: Order) -> Order:
    lines = tuple(
        replace(line, id=100 * line.id + unit, quantity=1, options_amount_cents=line.options_amount_cents * (unit == 0))
        for line in order.lines
        for unit in range(line.quantity)
    )
    shipments = tuple(
        replace(sent, lines=sent.lines and frozenset(line.id for line in lines if line.id // 100 in sent.lines))
        for sent in order.shipments
    )
    return replace(order, lines=lines, shipments=shipments)


@given(shopping=shoppings(ALL_KINDS), currency=st.sampled_from(["JPY", "BHD"]))
@examples(100)
def test_cents_are_the_smallest_unit_of_any_currency(shopping: Shopping, currency: str) -> None:
    """An order in yen or in thousandths of a dinar comes to the same numbers."""
    same: dict[str | None, str] = {"EUR": currency}
    converted = replace(
        shopping,
        order=replace(shopping.order, currency_code=currency),
        promotions=tuple(in_currency(one, same) for one in shopping.promotions),
        claims=(),
    )
    kept = replace(shopping, claims=())
    assert by_promotion(evaluated(converted)) == by_promotion(evaluated(kept))
    assert totals(evaluated(converted)) == totals(evaluated(kept))


def in_currency(promotion: Promotion, same: Mapping[str | None, str]) -> Promotion:
    """The promotion and what its rules say of amounts."""
    rules = [
        replace(rule, currency_code=same.get(rule.currency_code, rule.currency_code))
        if isinstance(rule, OrderAmounts)
        else rule
        for rule in promotion.rules
    ]
    currency = same.get(promotion.currency_code, promotion.currency_code)
    return replace(promotion, currency_code=currency, rules=tuple(rules))


# --- Rounding and sharing out ---------------------------------------------------------------------

weights = st.lists(st.integers(0, 10) | st.integers(0, 10**9), min_size=1, max_size=50)


@given(weights, st.integers(0, 10**9))
@examples(200)
def test_shares_are_whole_cents_next_to_the_exact_ones_and_sum_to_the_total(weights: list[int], total: int) -> None:
    shares = spread(total, weights)
    whole = sum(weights)
    assert sum(shares) == (total if whole else 0)
    for share, weight in zip(shares, weights, strict=True):
        assert whole == 0 or abs(share * whole - total * weight) < whole


@given(weights, st.data())
@examples(100)
def test_no_share_of_what_there_is_exceeds_its_weight(weights: list[int], data: st.DataObject) -> None:
    shares = spread(data.draw(st.integers(0, sum(weights))), weights)
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@given(weights, st.integers(0, 10**9), st.data())
@examples(100)
def test_what_a_cap_holds_back_goes_to_the_others(weights: list[int], total: int, data: st.DataObject) -> None:
    caps = data.draw(st.lists(st.integers(0, 10**8), min_size=len(weights), max_size=len(weights)))
    shares = spread_within(total, weights, caps)
    assert all(0 <= share <= cap for share, cap in zip(shares, caps, strict=True))
    assert sum(shares) == min(total, sum(cap for weight, cap in zip(weights, caps, strict=True) if weight))


@given(weights, st.integers(0, 10**9))
@examples(50)
def test_caps_that_do_not_bind_change_nothing(weights: list[int], total: int) -> None:
    assert spread_within(total, weights, [total] * len(weights)) == spread(total, weights)


@given(st.integers(0, 10**12), st.integers(1, 10**6))
@examples(100)
def test_rounding_goes_to_the_nearest_and_a_half_up(numerator: int, denominator: int) -> None:
    rounded = half_up(numerator, denominator)
    assert -denominator <= 2 * (numerator - rounded * denominator) < denominator
