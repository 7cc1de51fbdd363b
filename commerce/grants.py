"""Secrets that are exchanged for tokens: authorization codes once and soon, refresh tokens one for the next."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from commerce import auth
from commerce.auth import Owner
from commerce.models import Application, IssuedGrant

LIFETIMES = {IssuedGrant.Kind.CODE: timedelta(minutes=10), IssuedGrant.Kind.REFRESH: timedelta(weeks=2)}
GRACE = timedelta(seconds=30)
"""For so long a spent refresh token is taken again: by another tab, or by who never saw the answer."""


def give(application: Application, kind: IssuedGrant.Kind, owner: Owner | None, now: datetime, **values: Any) -> str:
    """A new secret, of which only the hash is kept. `values` are those of the grant's other columns."""
    secret = secrets.token_urlsafe(32)
    owner_type, owner_id = owner or (None, None)
    application.issued_grants.filter(expires_at__lte=now).delete()
    application.issued_grants.create(
        kind=kind,
        digest=_digest(secret),
        owner_type=owner_type,
        owner_id=owner_id,
        expires_at=now + LIFETIMES[kind],
        **values,
    )
    return secret


def find(application: Application, kind: IssuedGrant.Kind, secret: str, now: datetime) -> IssuedGrant | None:
    """The grant behind a secret of this application, spent or not; None where there is none any more."""
    return application.issued_grants.filter(kind=kind, digest=_digest(secret), expires_at__gt=now).first()


def owner_of(grant: IssuedGrant) -> Owner | None:
    return Owner(grant.owner_type, grant.owner_id) if grant.owner_type and grant.owner_id else None


def spend(grant: IssuedGrant, now: datetime) -> bool:
    """Whether the grant may be exchanged now. Who exchanges it after it was spent has taken it from somebody, so
    everything that the application has in the name of its owner ends.
    """
    if IssuedGrant.objects.filter(pk=grant.pk, spent_at=None).update(spent_at=now):
        return True
    if grant.kind == IssuedGrant.Kind.REFRESH and now - (grant.spent_at or now) < GRACE:
        return True
    if owner := owner_of(grant):
        auth.end(owner, now, grant.application)
    return False


def withdraw(application: Application, secret: str, now: datetime) -> None:
    """Ends the grant behind a secret of this application, and all that it has in the name of the grant's owner."""
    grant = application.issued_grants.filter(digest=_digest(secret)).first()
    if grant is None:
        return
    grant.delete()
    if owner := owner_of(grant):
        auth.end(owner, now, application)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
