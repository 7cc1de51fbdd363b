"""What holds for every cart and every set of promotions, and that a second evaluator comes to the same."""

from typing import Any

from hypothesis import given

from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.types import Evaluation
from tests.promotions.engine import oracle
from tests.promotions.engine.notation import NOW
from tests.promotions.engine.random_carts import Shopping, examples, shoppings


def evaluated(shopping: Shopping, explain: bool = True) -> Evaluation:
    return calculate(shopping.order, Book(shopping.promotions), NOW, **shopping.given, explain=explain)


def refusals(evaluation: Evaluation) -> list[tuple[Any, ...]]:
    return sorted(
        (one.promotion.id if one.promotion else 0, one.claim.code if one.claim else "", repr(one.refusal))
        for one in evaluation.not_applied
    )


def totals(evaluation: Evaluation) -> tuple[int, ...]:
    return (
        evaluation.subtotal_amount_cents,
        evaluation.shipping_amount_cents,
        evaluation.discount_amount_cents,
        evaluation.total_amount_cents,
    )


@given(shopping=shoppings())
@examples(400)
def test_the_engine_comes_to_what_a_straightforward_evaluator_does(shopping: Shopping) -> None:
    engine = evaluated(shopping)
    straightforward = oracle.evaluate(shopping.order, shopping.promotions, NOW, **shopping.given)
    assert engine.applied == straightforward.applied
    assert totals(engine) == totals(straightforward)
    assert refusals(engine) == refusals(straightforward)
    assert {one.id for one in engine.unanswered} == {one.id for one in straightforward.unanswered}
