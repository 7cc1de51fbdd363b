"""Gift cards: issued, confirmed, debited by the orders they pay for and credited when those are cancelled.

Every function runs in a transaction. Balances change through `commerce.ledger` only.
"""

from collections.abc import Callable

from django.db.models import Sum

from commerce import changes, ledger, people
from commerce.changes import By
from commerce.codes import normalise_code
from commerce.ledger import Insufficient, Kind
from commerce.models import GiftCard, GiftCardRecipient, LedgerEntry, Order

Status = GiftCard.Status

# --- Writing cards --------------------------------------------------------------------------------


def create(card: GiftCard, by: By) -> None:
    changes.create(card, by)
    ledger.open(card, by)


def save(card: GiftCard, by: By) -> None:
    """Saves the card, whose lock is held, enters what its balance changed by and tells what became of it."""
    former, held = card.stored("status"), card.stored("balance_cents")
    if card.balance_cents != held:
        ledger.enter(card, Kind.CHANGE, card.balance_cents - held, by)
        changes.touch(card, "update", {"balance_cents": [held, card.balance_cents]}, by)
    changes.save(card, by)
    if event := EVENTS.get((former, card.status)):
        changes.announce(card, event, by)


EVENTS: dict[tuple[str, str], str] = {
    (Status.DRAFT, Status.INACTIVE): "purchase",
    (Status.INACTIVE, Status.ACTIVE): "activate",
    (Status.ACTIVE, Status.INACTIVE): "deactivate",
    (Status.REDEEMED, Status.INACTIVE): "deactivate",
    (Status.ACTIVE, Status.REDEEMED): "redeem",
}
"""What a change of status is called: (former, new) -> event."""


def change_balance(card: GiftCard, cents: int | None, by: By) -> None:
    """`_balance_change_cents`; nothing changes nothing."""
    card.change_balance(cents or 0)


def set_recipient_email(card: GiftCard, email: str | None, by: By) -> None:
    """The recipient with that address, made when there is none; no address, no recipient."""
    card.gift_card_recipient = people.find_or_create(GiftCardRecipient, card, email, by) if email else None


# --- Bought by orders -----------------------------------------------------------------------------


def purchase(card: GiftCard, by: By) -> None:
    """Confirms a draft that an order bought. Raises ValidationError where it is none, such as one bought already."""
    _move(card, GiftCard.purchase, by)


def activate(card: GiftCard, by: By) -> None:
    """Makes usable what was bought. Raises ValidationError where it is not inactive."""
    _move(card, GiftCard.activate, by)


def withdraw(card: GiftCard, by: By) -> None:
    """Makes unusable what an order had bought that was cancelled, also where it was spent: it may be credited again."""
    _move(card, GiftCard.withdraw, by)


def _move(card: GiftCard, step: Callable[[GiftCard], None], by: By) -> None:
    held = GiftCard.objects.owned_by(card.tenant).select_for_update(no_key=True).get(pk=card.pk)
    step(held)
    save(held, by)


# --- Paying for orders ----------------------------------------------------------------------------

SHORTEST_PREFIX = 8
"""Characters that stand for a whole code, unless the organization wants codes whole."""


def find(order: Order, code: str) -> GiftCard | None:
    """The card that has the code, or the only one whose code begins with it; whether it can pay is another question."""
    code_norm = normalise_code(code)
    cards = GiftCard.objects.owned_by(order.tenant)
    is_whole = order.organization.setting("gift_cards_exact_code_matching") or len(code_norm) < SHORTEST_PREFIX
    if is_whole:
        return cards.filter(code_norm=code_norm).first()  # type: ignore[no-any-return]
    found = list(cards.with_code_prefix(code_norm)[:2])
    return found[0] if len(found) == 1 or (found and found[0].code_norm == code_norm) else None


def used_by(order: Order, card: GiftCard) -> int:
    """Cents that the order has used of the card, and not got back."""
    return _used(order).get(card.pk, 0)


def settle(order: Order, cents: int, by: By) -> None:
    """Debits and credits until the order, whose lock is held, has used `cents` of its card and nothing of any other.

    Done twice it changes nothing more; 0 cents give everything back. Raises Insufficient where the card cannot pay.
    """
    used = _used(order)
    wanted = {order.gift_card_id: cents} if cents else {}
    cards = GiftCard.objects.owned_by(order.tenant).filter(pk__in={*used, *wanted})
    for card in cards.select_for_update(no_key=True).order_by("pk"):
        _charge(card, order, wanted.get(card.pk, 0), used.get(card.pk, 0), by)


def _charge(card: GiftCard, order: Order, cents: int, used: int, by: By) -> None:
    """Debits what `cents` is more than the order has used of the card, or credits what it is less."""
    if cents == used:
        return
    if cents > used and not (card.is_usable(by.now) and card.currency_code == order.currency_code):
        raise Insufficient("The gift card cannot pay for the order.")
    ledger.enter(card, Kind.USE if cents > used else Kind.REFUND, used - cents, by, order)
    changes.announce(card, "use" if cents > used else "refund", by)
    card.follow_use(is_used=cents > 0)
    save(card, by)


def _used(order: Order) -> dict[int, int]:
    """Card -> cents that the order has used of it."""
    entries = LedgerEntry.objects.owned_by(order.tenant).filter(order=order, resource_type=GiftCard.wire_type)
    sums = entries.values("resource_id").annotate(amount=Sum("amount_cents")).order_by()
    return {key: -amount for key, amount in sums.values_list("resource_id", "amount") if amount}
