"""What a cart comes to: its promotions loaded, external ones asked, and all of it calculated.

Orders are priced by `check_code`, `price`, `commit` and `release`, as `commerce.pricing.Pricing` says.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from commerce import changes, ids, order_totals, pricing
from commerce.codes import normalise_code
from commerce.models import LineItem, Order, Organization, Shipment
from commerce.pricing import Discount, Quote
from commerce.repeating import together
from coupons import answers, customer_usages, gifts, redeeming
from coupons.claims import FINAL, claims, openings, person, usage
from coupons.models import OrderEvaluation
from promotions import callouts, documents, facts, flex_rules, loading
from promotions.carts import Cart, CartLine, CartShipment
from promotions.engine import types
from promotions.engine.benefits import Balance
from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.reasons import Refusal
from promotions.engine.types import Applied, Claim, Evaluation, Outcome, Promotion
from promotions.models import ExternalPromotion, FlexPromotion

# --- Carts ----------------------------------------------------------------------------------------


def evaluate(cart: Cart, organization: Organization, by: changes.By, *, explain: bool = False) -> Evaluation:
    """The promotions that apply to the cart and what each takes off; with `explain` why every other one does not.

    Nothing is reserved or counted. Services behind external promotions are asked, each once for the same cart.
    """
    return _evaluated(cart, organization, by, explain)[1]


def _evaluated(cart: Cart, organization: Organization, by: changes.By, explain: bool) -> tuple[types.Order, Evaluation]:
    """The cart as the engine took it too."""
    known = loading.definitions(cart.tenant, by.now)
    found = available(cart, known, by)
    order = with_facts(cart, found.order, found.claims, always=known.read_facts)
    return order, calculated(
        cart,
        order,
        known.book,
        by,
        claims=found.claims,
        limit=organization.setting("promotions_max_concurrent_count"),
        exhausted=found.exhausted,
        explain=explain,
    )


def with_facts(cart: Cart, order: types.Order, claims: Iterable[Claim], *, always: bool = False) -> types.Order:
    """The order with its document, where what the claims open reads that."""
    opened = [claim.promotion for claim in claims if claim.promotion]
    if always or any(promotion.kind in loading.READING_FACTS for promotion in opened):
        return replace(order, facts=facts.facts(cart, order))
    return order


def calculated(cart: Cart, order: types.Order, book: Book, by: changes.By, **given: Any) -> Evaluation:
    """As `calculate` with what it is given, external promotions asked, each once for the same cart."""
    outcomes: dict[int, Outcome] = {}
    while True:
        evaluation = calculate(order, book, by.now, outcomes=outcomes, **given)
        if not evaluation.unanswered:
            return evaluation
        outcomes |= _answers(cart, order, evaluation.unanswered, by)


def unused(cart: Cart, evaluation: Evaluation) -> Iterator[tuple[str, Refusal]]:
    """The codes of the cart that take nothing off, as they are spelt, each with why."""
    used = {normalise_code(one.claim.code) for one in evaluation.applied if one.claim}
    refused = {normalise_code(one.claim.code): one.refusal for one in evaluation.not_applied if one.claim}
    for code in cart.coupon_codes:
        if normalise_code(code) not in used:
            yield code, refused[normalise_code(code)]


class Available(NamedTuple):
    """The order, what its codes open, and the promotions without a code that are used up.

    `short` is what reservations hold a part of that the order could use, were they given back.
    """

    order: types.Order
    claims: list[Claim]
    exhausted: Collection[int]
    short: redeeming.Held


USED_UP = frozenset({"coupon_usage_reached", "promotion_usage_reached", "already_used_by_customer", "balance_used_up"})


def available(cart: Cart, known: loading.Definitions, by: changes.By) -> Available:
    """Where something is used up, reservations of it that are over are given back first."""
    found = _found(cart, known, by)
    if any(found.short) and redeeming.release_overdue(cart.tenant, found.short, by):
        return _found(cart, known, by)
    return found


def _found(cart: Cart, known: loading.Definitions, by: changes.By) -> Available:
    found = openings(cart, known)  # first, for the promotions they open may have SKU lists told by a pattern
    order = loading.order_of(cart, known)
    used = usage(cart, found)
    limits = {*known.customer_usages, *loading.customer_usages(one.promotion for one in found)}
    if limits:
        uses = customer_usages.uses_by(person(cart), {limit.promotion_id for limit in limits}, used.held.promotions)
        order = replace(order, customer=replace(order.customer, uses=uses))
    exhausted = known.exhausted() - used.held.promotions
    claimed = list(claims(cart, order, found, used, by.now))
    refused = [claim for claim in claimed if claim.refusal and claim.refusal.reason in USED_UP]
    spent = {one.coupon_id for one in found if one.used_amount_cents and isinstance(one.promotion.benefit, Balance)}
    short = redeeming.Held(
        dict.fromkeys(spent.union(claim.coupon_id for claim in refused if claim.coupon_id), 0),
        frozenset(exhausted)
        .union(claim.promotion.id for claim in refused if claim.promotion)
        .union(limit.promotion_id for limit in known.customer_usages if limit.is_reached(order.customer)),
    )
    return Available(order, claimed, exhausted, short)


def _answers(cart: Cart, order: types.Order, asked: tuple[Promotion, ...], by: changes.By) -> dict[int, Outcome]:
    """What the services behind these external promotions say of the order."""
    rows = ExternalPromotion.objects.owned_by(cart.tenant).in_bulk([promotion.id for promotion in asked])
    told = told_id(cart)
    document = documents.of_facts(order.facts, told)
    lines = {str(told(line.id)): line.id for line in order.lines if line.discountable}
    answers = {key: partial(callouts.ask, row, document, lines, by) for key, row in rows.items()}
    return {one.id: Outcome(refusal=GONE) for one in asked} | together(answers)


GONE = Refusal("promotion_disabled")
"""Of an external promotion that was deleted since it was loaded."""


# --- Orders ---------------------------------------------------------------------------------------


def check_code(order: Order, code: str, by: changes.By) -> pricing.Refusal | None:
    cart = replace(cart_of(order, (), ()), coupon_codes=(code,))
    return _refused(available(cart, loading.definitions(cart.tenant, by.now), by).claims)


def price(order: Order, lines: Sequence[LineItem], shipments: Sequence[Shipment], by: changes.By) -> Quote:
    cart = cart_of(order, lines, shipments)
    engine_order, evaluation = _evaluated(cart, order.organization, by, explain=True)
    free = gifts.available(cart, engine_order, evaluation, by.now)
    document = answers.answer(cart, evaluation, told_id(cart))
    _keep(OrderEvaluation(order_id=order.pk, evaluated_at=by.now, document=document))
    claimed = [one.claim for one in evaluation.applied if one.claim]
    refused = [replace(one.claim, refusal=one.refusal) for one in evaluation.not_applied if one.claim]
    return Quote(
        discounts=tuple(map(discount, evaluation.applied)),
        refused=_refused([*claimed, *refused]),
        free_skus=free.skus,
        free_bundles=free.bundles,
    )


def _keep(evaluation: OrderEvaluation) -> None:
    """In place of the one before, by one statement."""
    OrderEvaluation.objects.bulk_create(
        [evaluation], update_conflicts=True, unique_fields=["order"], update_fields=["evaluated_at", "document"]
    )


def commit(order: Order, quote: Quote, by: changes.By) -> None:
    redeeming.settle(order, taken(quote.discounts), by)


def taken(discounts: Iterable[Discount]) -> list[redeeming.Taken]:
    """What is counted of them."""
    return [redeeming.Taken(one.item_id, one.coupon_id, one.coupon_code, -one.amount_cents) for one in discounts]


def release(order: Order, by: changes.By) -> None:
    redeeming.release(order, by)


def cart_of(order: Order, lines: Sequence[LineItem], shipments: Sequence[Shipment]) -> Cart:
    """The order as a cart. Gift cards that it buys are discounted by nothing unless they are taxable."""
    return Cart(
        tenant=order.tenant,
        currency_code=order.currency_code,
        market=order.market,
        customer=order.customer,
        customer_email=order.customer_email,
        lines=tuple(_line(line, order) for line in lines),
        shipments=tuple(_shipment(shipment, lines) for shipment in shipments),
        coupon_codes=(order.coupon_code,) if order.coupon_code else (),
        metadata=order.metadata,
        order=order,
    )


def whole_cart(order: Order) -> Cart:
    """The order with all it holds."""
    return cart_of(
        order, order_totals.sold_lines(order), list(order.shipments.exclude(status=Shipment.Status.CANCELLED))
    )


def rule_outcomes(flex: FlexPromotion, order: Order, by: changes.By) -> Sequence[Mapping[str, Any]]:
    """What each rule of a flex promotion finds in the order, whatever else applies to it."""
    cart = whole_cart(order)
    document = facts.facts(cart, loading.order_of(cart, loading.definitions(cart.tenant, by.now)))
    return flex_rules.stored_program(flex.rules).outcomes(document, by.now)


def told_id(cart: Cart) -> Callable[[int], Any]:
    """How the lines of a cart are called: those of an order by their ids, others by their places."""
    return ids.encode if cart.order else int


def _line(line: LineItem, order: Order) -> CartLine:
    is_gift_card = line.item_type == LineItem.ItemType.GIFT_CARDS
    return CartLine(
        id=line.pk,
        code=line.sku_code or line.bundle_code or ids.encode(line.item_id or line.pk),
        item_type=line.item_type,
        discountable=order.gift_card_taxable or not is_gift_card,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        options_amount_cents=line.options_amount_cents,
        compare_at_amount_cents=line.compare_at_amount_cents,
        sku=line.sku,
        bundle=line.bundle,
        metadata=line.metadata,
    )


def _shipment(shipment: Shipment, lines: Sequence[LineItem]) -> CartShipment:
    held = frozenset(line.pk for line in lines if line.in_shipment_id == shipment.pk)
    return CartShipment(
        id=shipment.pk, cost_amount_cents=shipment.cost_amount_cents or 0, lines=held, shipment=shipment
    )


def discount(applied: Applied) -> Discount:
    claim = applied.claim
    return Discount(
        item_type=f"{applied.promotion.kind}_promotions",
        item_id=applied.promotion.id,
        name=applied.name,
        amount_cents=applied.amount_cents,
        shares=tuple(pricing.Share(*share) for share in applied.shares),
        coupon_code=claim.code if claim else None,
        coupon_id=claim.coupon_id if claim else None,
        rule_outcomes=applied.rule_outcomes,
    )


def _refused(found: Sequence[Claim]) -> pricing.Refusal | None:
    """Why a code cannot be used, if every promotion it could open refuses it for good."""
    reasons = [claim.refusal for claim in found]
    if not reasons or not all(refusal and refusal.reason in FINAL for refusal in reasons):
        return None
    first = reasons[0] or GONE
    return pricing.Refusal(first.reason, first.sentence)
