"""The one place that changes a balance: the row that has it and the entry that tells, in one transaction.

A row with a balance has `balance_cents`, which is what its entries sum to and never below zero.
"""

from functools import lru_cache
from typing import Any

from django.db import connection

from commerce import changes
from commerce.errors import DomainError
from commerce.models import LedgerEntry, Order, Owned
from commerce.models.owned import OwnedQuerySet

Kind = LedgerEntry.Kind


class Insufficient(DomainError):
    """More was to be taken than there is."""


def open(row: Any, by: changes.By) -> None:
    """Appends the entry of the balance that a row was created with."""
    note(row, Kind.ISSUE, row.balance_cents, row.balance_cents, by)


def enter(row: Any, kind: str, delta: int, by: changes.By, order: Order | None = None) -> int:
    """Adds `delta` cents to the balance, or takes off what is below zero, and returns the new one.

    Exact whoever else does the same: what counts is the balance stored, not that of `row`, which is set to the new one.
    Raises Insufficient where it would be below zero, and nothing is written.
    """
    with connection.cursor() as cursor:
        cursor.execute(_entering(row._meta.db_table), [delta, row.pk, delta])
        written = cursor.fetchone()
    if written is None:
        raise Insufficient("The balance does not suffice.")
    row.balance_cents, row.revision = written
    changes.remember(row, "balance_cents")
    note(row, kind, delta, row.balance_cents, by, order)
    return int(row.balance_cents)


def entries(row: Owned) -> OwnedQuerySet:
    """What changed the balance of the row."""
    return LedgerEntry.objects.owned_by(row.tenant).filter(resource_type=row.wire_type, resource_id=row.pk)


def note(row: Owned, kind: str, delta: int, balance: int, by: changes.By, order: Order | None = None) -> None:
    """Appends the entry of a change by `delta` cents to `balance`, of a row that was counted elsewhere."""
    changes.append(LedgerEntry, row, by, kind=kind, amount_cents=delta, balance_cents=balance, order=order)


@lru_cache
def _entering(table: str) -> str:
    return (
        f"UPDATE {table} SET balance_cents = balance_cents + %s, revision = revision + 1 "  # noqa: S608
        "WHERE id = %s AND balance_cents + %s >= 0 RETURNING balance_cents, revision"
    )
