"""Requests that may be sent again: with the same `Idempotency-Key` the same answer, and nothing done twice."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from commerce.jsonapi.errors import error
from commerce.models import Organization, Tenant
from coupons.models import IdempotentAnswer

LIFE = timedelta(hours=24)
"""How long a key means something; after it, it is new."""
LONGEST_KEY = 255


class Answer(NamedTuple):
    status: int
    body: bytes


def once(tenant: Tenant, key: str, asked: bytes, now: datetime, work: Callable[[], Answer]) -> Answer:
    """What `work` answers, or what it answered when the key was first used; in a transaction.

    Whoever comes while the first is at work waits for it. Raises ApiError where the key came with another request.
    """
    if not key:
        return work()
    if len(key) > LONGEST_KEY or "\0" in key:
        raise error(400, "BAD_REQUEST", f"The key has up to {LONGEST_KEY} characters.", header="Idempotency-Key")
    digest = hashlib.sha256(asked).hexdigest()
    kept = IdempotentAnswer.objects.filter(organization=tenant.organization_id, mode=tenant.mode, key=key)
    if not _began(tenant, key, digest, now):
        return _repeated(kept.get(), digest)
    answer = work()
    kept.update(status=answer.status, body=answer.body.decode())
    return answer


def forget(organization: Organization | None, now: datetime) -> int:
    """Deletes the answers, of one organization or of all, whose keys mean nothing any more; how many."""
    over = IdempotentAnswer.objects.filter(created_at__lte=now - LIFE)
    return (over.filter(organization=organization) if organization else over).delete()[0]


def _began(tenant: Tenant, key: str, digest: str, now: datetime) -> bool:
    """Whether the key is new, or too old to mean anything. The statement waits for whoever has inserted the same."""
    moments = [connection.ops.adapt_datetimefield_value(moment) for moment in (now, now - LIFE)]
    with connection.cursor() as cursor:
        cursor.execute(_BEGINNING, [*tenant, key, digest, *moments])
        return bool(cursor.rowcount)


_BEGINNING = (
    f"INSERT INTO {IdempotentAnswer._meta.db_table} AS kept "  # noqa: S608
    "(organization_id, mode, key, digest, status, body, created_at) VALUES (%s, %s, %s, %s, 0, '', %s) "
    "ON CONFLICT (organization_id, mode, key) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at "
    "WHERE kept.created_at <= %s"
)


def _repeated(kept: IdempotentAnswer, digest: str) -> Answer:
    if kept.digest != digest:
        raise error(422, "VALIDATION_ERROR", "The key was used for another request.", header="Idempotency-Key")
    return Answer(kept.status, kept.body.encode())
