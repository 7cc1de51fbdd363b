"""What a cart comes to: its promotions loaded, external ones asked, and all of it calculated."""

from dataclasses import replace
from functools import partial

from commerce import changes
from commerce.models import Organization
from commerce.repeating import together
from coupons.claims import claims, openings
from promotions import callouts, documents, facts, loading
from promotions.carts import Cart
from promotions.engine.calculate import calculate
from promotions.engine.reasons import Refusal
from promotions.engine.types import Evaluation, Order, Outcome, Promotion
from promotions.models import ExternalPromotion


def evaluate(cart: Cart, organization: Organization, by: changes.By, *, explain: bool = False) -> Evaluation:
    """The promotions that apply to the cart and what each takes off; with `explain` why every other one does not.

    Nothing is reserved or counted. Services behind external promotions are asked, each once for the same cart.
    """
    known = loading.definitions(cart.tenant, by.now)
    found = openings(cart, known)
    order = loading.order_of(cart, known)
    if known.read_facts or any(opening.promotion.kind in loading.READING_FACTS for opening in found):
        order = replace(order, facts=facts.facts(cart, order))
    opened = list(claims(cart, order, found, by.now))
    exhausted = known.exhausted()
    outcomes: dict[int, Outcome] = {}
    while True:
        evaluation = calculate(
            order,
            known.book,
            by.now,
            claims=opened,
            limit=organization.setting("promotions_max_concurrent_count"),
            exhausted=exhausted,
            outcomes=outcomes,
            explain=explain,
        )
        if not evaluation.unanswered:
            return evaluation
        outcomes |= _answers(cart, order, evaluation.unanswered, by)


def _answers(cart: Cart, order: Order, asked: tuple[Promotion, ...], by: changes.By) -> dict[int, Outcome]:
    """What the services behind these external promotions say of the order."""
    rows = ExternalPromotion.objects.owned_by(cart.tenant).in_bulk([promotion.id for promotion in asked])
    document = documents.of_facts(order.facts)
    lines = {str(line.id): line.id for line in order.lines if line.discountable}
    answers = {key: partial(callouts.ask, row, document, lines, by) for key, row in rows.items()}
    return {one.id: Outcome(refusal=GONE) for one in asked} | together(answers)


GONE = Refusal("promotion_disabled")
"""Of an external promotion that was deleted since it was loaded."""
