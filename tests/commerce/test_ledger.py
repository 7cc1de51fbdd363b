from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from commerce import ledger
from commerce.ledger import Insufficient, Kind
from commerce.models import GiftCard, LedgerEntry, Organization, Version
from tests import factories

BY = factories.BY


def told(card: GiftCard) -> list[tuple[str, int, int]]:
    return list(ledger.entries(card).order_by("pk").values_list("kind", "amount_cents", "balance_cents"))


def test_a_balance_and_its_entry_change_together(acme: Organization):
    card = factories.gift_card(acme, balance_cents=10_000)
    versions = Version.objects.count()
    assert ledger.enter(card, Kind.CHANGE, -700, BY) == 9_300
    assert ledger.enter(card, Kind.CHANGE, 200, BY) == 9_500
    assert (card.balance_cents, card.stored("balance_cents"), card.revision) == (9_500, 9_500, 3)
    card.refresh_from_db()
    assert (card.balance_cents, card.revision) == (9_500, 3)
    assert told(card) == [("issue", 10_000, 10_000), ("change", -700, 9_300), ("change", 200, 9_500)]
    assert Version.objects.count() == versions


def test_an_entry_tells_the_tenant_the_time_and_the_order(acme: Organization):
    card, order = factories.gift_card(acme), factories.order(acme)
    ledger.enter(card, Kind.USE, -1, BY, order)
    entry = LedgerEntry.objects.get(kind="use")
    assert (entry.tenant, entry.resource_type, entry.resource_id) == (card.tenant, "gift_cards", card.pk)
    assert (entry.created_at, entry.order) == (factories.NOW, order)


def test_what_counts_is_the_stored_balance(acme: Organization):
    card = factories.gift_card(acme, balance_cents=1_000)
    stale = GiftCard.objects.get(pk=card.pk)
    ledger.enter(card, Kind.USE, -900, BY)
    assert ledger.enter(stale, Kind.USE, -50, BY) == 50
    with pytest.raises(Insufficient):
        ledger.enter(stale, Kind.USE, -51, BY)
    assert ledger.enter(stale, Kind.USE, -50, BY) == 0


def test_nothing_is_written_of_what_is_refused(acme: Organization):
    card = factories.gift_card(acme, balance_cents=1_000)
    with pytest.raises(Insufficient):
        ledger.enter(card, Kind.USE, -1_001, BY)
    card.refresh_from_db()
    assert (card.balance_cents, card.revision) == (1_000, 1)
    assert told(card) == [("issue", 1_000, 1_000)]


@pytest.mark.django_db(transaction=True)
def test_of_fifty_that_take_at_once_as_many_succeed_as_the_balance_allows(acme: Organization):
    card = factories.gift_card(acme, balance_cents=30_000)
    start = Barrier(50)

    def take() -> bool:
        mine = GiftCard.objects.get(pk=card.pk)
        start.wait(30)
        try:
            with transaction.atomic():
                ledger.enter(mine, Kind.USE, -700, BY)
        except Insufficient:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(50) as pool:
        outcomes = [request.result(60) for request in [pool.submit(take) for _ in range(50)]]
    assert outcomes.count(True) == 42
    card.refresh_from_db()
    assert (card.balance_cents, card.revision) == (600, 43)
    assert ledger.entries(card).aggregate(sum=Sum("amount_cents"))["sum"] == 600
    assert sorted(ledger.entries(card).filter(kind="use").values_list("balance_cents", flat=True)) == list(
        range(600, 30_000, 700)
    )
