"""Orders placed exactly once, cancelled, edited, approved, paid and fulfilled.

Every function runs in a transaction that holds the lock of the order, and writes through `changes`. Locks are taken in
this order: the order, its lines and shipments, the customer, gift cards, and last what is counted and many orders use.
"""

from collections.abc import Iterable

from django.core.exceptions import ValidationError

from commerce import changes, customers, gift_cards, order_totals, permissions, pricing, shipments
from commerce.changes import By
from commerce.errors import CodeRefused, Refused
from commerce.models import GiftCard, LineItem, Order, ResourceError, Shipment
from commerce.models.records import invalid
from commerce.pricing import LimitReached, Quote


def place(order: Order, by: By) -> None:
    """Places the order, once however often it is asked: uses counted, the gift card debited, what was sold confirmed.

    Raises Refused where the order would cost more than its last refresh told, or a limit was reached in the meantime.
    """
    if order.was_placed:
        return
    _check_status(order, "_place", Order.Status.DRAFT, Order.Status.PENDING, Order.Status.PLACING)
    told = order.total_amount_cents if order.autorefresh else None
    quote = order_totals.refresh(order, by)
    _check_placeable(order)
    if quote.refused:
        raise _refused(order, "coupon_code", *quote.refused, by)
    if told is not None and order.total_amount_cents > told:
        raise _refused(order, "", "total_changed", f"The order comes to {order.total_amount_cents} cents now.", by)
    order.mark_placed(by.now)
    changes.save(order, by)
    changes.announce(order, "place", by)
    changes.delete_computed(ResourceError.objects.filter(order=order))
    if order.customer:
        customers.count_order(order.customer, 1, by)
    _debit_gift_card(order, by)
    for card in _bought_cards(order):
        _purchase(card, by)
    _commit(order, quote, by)


def _purchase(card: GiftCard, by: By) -> None:
    if card.status != GiftCard.Status.DRAFT:
        raise invalid("line_items", "hold a gift card that was bought already")
    gift_cards.purchase(card, by)


def _check_placeable(order: Order) -> None:
    if not order.customer_email:
        raise ValidationError({"customer_email": ValidationError("can't be blank", code="blank")})
    if not order.line_items.sold().exists():
        raise ValidationError({"line_items": ValidationError("can't be blank", code="blank")})


def _debit_gift_card(order: Order, by: By) -> None:
    try:
        gift_cards.settle(order, -order.gift_card_amount_cents, by)
    except gift_cards.Insufficient as error:
        raise _refused(order, "gift_card_code", "gift_card_insufficient", str(error), by) from None


def _bought_cards(order: Order) -> Iterable[GiftCard]:
    bought = order.line_items.sold().filter(item_type=LineItem.ItemType.GIFT_CARDS)
    return GiftCard.objects.owned_by(order.tenant).filter(pk__in=bought.values("gift_card")).order_by("pk")


def _commit(order: Order, quote: Quote, by: By) -> None:
    try:
        pricing.rules().commit(order, quote, by)
    except LimitReached as reached:
        raise _refused(order, "coupon_code" if reached.coupon_code else "", *reached.refusal, by) from None


def cancel(order: Order, by: By) -> None:
    """Gives back what placing took: uses, unless the order was approved, and what the gift card paid."""
    if order.status == Order.Status.CANCELLED:
        return
    _check_status(
        order,
        "_cancel",
        *(Order.Status.DRAFT, Order.Status.PENDING, Order.Status.PLACING),
        *(Order.Status.PLACED, Order.Status.EDITING, Order.Status.APPROVED),
    )
    was_placed, was_approved = order.was_placed, order.status == Order.Status.APPROVED
    _check_not_on_its_way(order, was_approved, by)
    order.mark_cancelled(by.now)
    changes.save(order, by)
    changes.announce(order, "cancel", by)
    if not was_placed:
        return
    if order.customer:
        customers.count_order(order.customer, -1, by)
    gift_cards.settle(order, 0, by)
    for card in _bought_cards(order):
        gift_cards.withdraw(card, by)
    shipments.stop(order, by)
    if not was_approved:
        pricing.rules().release(order, by)


def _check_not_on_its_way(order: Order, was_approved: bool, by: By) -> None:
    """What was sent is not taken back by a word, and what was approved not by a shopper."""
    sent = order.shipments.filter(status__in=(Shipment.Status.SHIPPED, Shipment.Status.DELIVERED))
    if order.fulfillment_status == Order.FulfillmentStatus.FULFILLED or sent.exists():
        raise invalid("_cancel", "is not possible: the order is on its way")
    if was_approved and isinstance(by.reach, permissions.Shopper):
        raise invalid("_cancel", "is not possible: the order is approved")


def approve(order: Order, by: By) -> None:
    """Approves a placed order: what it sends can be prepared, and the gift cards that it bought are usable."""
    if order.status == Order.Status.APPROVED:
        return
    _check_status(order, "_approve", Order.Status.PLACED)
    order.status, order.approved_at = Order.Status.APPROVED, by.now
    changes.save(order, by)
    changes.announce(order, "approve", by)
    shipments.begin(order, by)
    for card in _bought_cards(order):
        if card.status == GiftCard.Status.INACTIVE:
            gift_cards.activate(card, by)


def capture(order: Order, by: By) -> None:
    """Records that the order was paid."""
    _check_status(order, "_capture", Order.Status.PLACED, Order.Status.APPROVED)
    _pay(order, "_capture", (Order.PaymentStatus.UNPAID, Order.PaymentStatus.AUTHORIZED), Order.PaymentStatus.PAID, by)


def approve_and_capture(order: Order, by: By) -> None:
    """Nothing is captured of what is free."""
    approve(order, by)
    if order.payment_status != Order.PaymentStatus.FREE:
        capture(order, by)


def refund(order: Order, by: By) -> None:
    """Records that the payment was given back; uses stay counted."""
    _pay(order, "_refund", (Order.PaymentStatus.PAID,), Order.PaymentStatus.REFUNDED, by)


def _pay(order: Order, trigger: str, former: tuple[str, ...], new: str, by: By) -> None:
    if order.payment_status == new:
        return
    if order.payment_status not in former:
        raise invalid(trigger, f"is not possible: the payment is {order.payment_status}")
    order.payment_status, order.payment_updated_at = new, by.now
    changes.save(order, by)
    changes.announce(order, trigger.removeprefix("_"), by)


def fulfill(order: Order, by: By) -> None:
    if order.fulfillment_status == Order.FulfillmentStatus.FULFILLED:
        return
    _check_status(order, "_fulfill", Order.Status.APPROVED)
    order.fulfillment_status, order.fulfillment_updated_at = Order.FulfillmentStatus.FULFILLED, by.now
    changes.save(order, by)
    changes.announce(order, "fulfill", by)


def to_pending(order: Order, by: By) -> None:
    if order.status == Order.Status.PENDING:
        return
    _check_status(order, "_pending", Order.Status.DRAFT, Order.Status.PLACING)
    order.status = Order.Status.PENDING
    changes.save(order, by)


def archive(order: Order, by: By) -> None:
    order.archived_at = order.archived_at or by.now
    changes.save(order, by)


def unarchive(order: Order, by: By) -> None:
    order.archived_at = None
    changes.save(order, by)


def start_editing(order: Order, by: By) -> None:
    if order.status == Order.Status.EDITING:
        return
    _check_status(order, "_start_editing", Order.Status.PLACED)
    order.status = Order.Status.EDITING
    changes.save(order, by)
    changes.announce(order, "start_editing", by)


def stop_editing(order: Order, by: By) -> None:
    """Back to placed, at no more than was placed: uses that came or went in the meantime are counted or given back."""
    if order.status == Order.Status.PLACED:
        return
    _check_status(order, "_stop_editing", Order.Status.EDITING)
    quote = order_totals.refresh(order, by)
    _check_placeable(order)
    if quote.refused:
        raise _refused(order, "coupon_code", *quote.refused, by)
    if order.total_amount_cents > (order.place_total_amount_cents or 0):
        raise invalid("_stop_editing", f"is not possible: the total exceeds {order.place_total_amount_cents} cents")
    order.status = Order.Status.PLACED
    changes.save(order, by)
    changes.announce(order, "stop_editing", by)
    _debit_gift_card(order, by)
    for card in _bought_cards(order):
        if card.status == GiftCard.Status.DRAFT:
            gift_cards.purchase(card, by)
    _commit(order, quote, by)


def _check_status(order: Order, trigger: str, *possible: str) -> None:
    if order.status not in possible:
        raise invalid(trigger, f"is not possible: the order is {order.status}")


# --- Errors that stay -----------------------------------------------------------------------------


def _refused(order: Order, attribute: str, reason: str, sentence: str, by: By) -> Refused:
    """Ends the request; why is kept with the order, of which nothing else changes."""
    key, tenant = order.pk, order.tenant

    def tell() -> None:
        kept = Order.objects.owned_by(tenant).select_for_update(no_key=True).filter(pk=key).first()
        if kept:
            note(kept, attribute or "base", reason, sentence, by)

    if attribute:
        return Refused(CodeRefused(attribute, reason, sentence), tell)
    return Refused(ValidationError(sentence.replace("%", "%%"), "invalid", {"reason": reason}), tell)


def note(order: Order, name: str, reason: str, sentence: str, by: By) -> None:
    """Why, for whoever may know: a shopper reads what it caused, and is told of a code that it does not work."""
    if isinstance(by.reach, permissions.Shopper):
        reason, sentence = "invalid", "is invalid"
    changes.delete_computed(ResourceError.objects.filter(order=order))
    told = ResourceError(organization_id=order.organization_id, mode=order.mode, order=order, name=name)
    told.code, told.message = reason, sentence
    changes.create(told, by)
