"""Who calls: what access tokens say, how they are checked and how they are issued.

A token is an RS512 JWT. Its signature is checked when a process first sees it; after that a request costs no query and
no cryptography. What changes meanwhile (revocations, roles, slugs) is read from the database at most once a second.
"""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from commerce import ids
from commerce.errors import AccessDenied, InvalidToken
from commerce.keys import Keyring
from commerce.models import Application, IssuedToken, Mode, Organization, Role, Tenant

RENEWED_BEFORE_EXPIRY = timedelta(minutes=15)
REFRESH_SECONDS = 1.0
MOST_TOKENS = 4096
"""How many checked tokens a process remembers."""

BY_ROLE = (Application.Kind.INTEGRATION, Application.Kind.WEBAPP)
OPEN_TO_ALL = ("organizations", "applications")
"""What a token of any kind may read; kinds that do not go by role may do nothing else."""


# --- What is known of the database ----------------------------------------------------------------


class Known(NamedTuple):
    """What requests need of the database, whoever calls."""

    second: int
    revoked: frozenset[str]
    applications: frozenset[int]
    slugs: dict[str, int]
    """Slug of an organization -> its primary key."""
    organizations: dict[int, Organization]
    """With their slug and settings; the rest of one is read when it is asked for."""
    permissions: dict[tuple[int, str], dict[str, list[str]]]
    """Organization and name of a role -> resource type -> actions."""


class Snapshot:
    """`Known`, read at most once a second by every process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stale_at = 0.0
        self.known = Known(0, frozenset(), frozenset(), {}, {}, {})

    def current(self, now: datetime) -> Known:
        if time.monotonic() >= self._stale_at:
            with self._lock:
                if time.monotonic() >= self._stale_at:
                    self._read(now)
        return self.known

    def forget(self) -> None:
        """The next request reads again."""
        with self._lock:
            self._stale_at = 0.0

    def _read(self, now: datetime) -> None:
        stale_at = time.monotonic() + REFRESH_SECONDS
        revoked = IssuedToken.objects.filter(revoked_at__isnull=False, expires_at__gt=now)
        roles = Role.objects.values_list("organization_id", "name", "permissions")
        organizations = Organization.objects.only("slug", "settings").in_bulk()
        self.known = Known(
            second=int(now.timestamp()),
            revoked=frozenset(revoked.values_list("number", flat=True)),
            applications=frozenset(Application.objects.values_list("pk", flat=True)),
            slugs={organization.slug: key for key, organization in organizations.items()},
            organizations=organizations,
            permissions={(organization, name): permissions for organization, name, permissions in roles},
        )
        self._stale_at = stale_at


snapshot = Snapshot()


# --- Who calls ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """The application behind a valid token. `who` is what versions tell of it."""

    tenant: Tenant
    kind: str
    role: str | None
    application_id: int
    number: str
    who: dict[str, Any]

    @property
    def is_sales_channel(self) -> bool:
        return self.kind == Application.Kind.SALES_CHANNEL

    def permits(self, action: str, resource_type: str) -> bool:
        """Whether `action`, one of `ACTIONS`, is allowed. A role that does not exist (any more) allows nothing."""
        if self.kind not in BY_ROLE:
            return action == "read" and resource_type in OPEN_TO_ALL
        if self.role is None:
            return True
        permissions = snapshot.known.permissions.get((self.tenant.organization_id, self.role), {})
        return action in permissions.get(resource_type, ())


class _Checked(NamedTuple):
    caller: Caller
    expires: int


def authenticate(request: HttpRequest, now: datetime) -> Caller:
    """Whoever sends the request, by its bearer token. Raises InvalidToken."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken
    caller, expires = _checked(token.strip())
    known = snapshot.current(now)
    organization = caller.tenant.organization_id
    label = request.META.get("HTTP_HOST", "").partition(":")[0].partition(".")[0].lower()
    if (
        expires <= now.timestamp()
        or caller.number in known.revoked
        or caller.application_id not in known.applications
        or known.slugs.get(label, organization) != organization
    ):
        raise InvalidToken
    return caller


@lru_cache(MOST_TOKENS)
def _checked(token: str) -> _Checked:
    try:
        claims = keyring().verify(token)
        if claims["iss"] != settings.ISSUER:
            raise InvalidToken
        checked = _Checked(_caller(claims), int(claims["exp"]))
        issued = int(claims["iat"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidToken from error
    # The application and role of a token this young may be younger than the snapshot.
    if issued >= snapshot.known.second:
        snapshot.forget()
    return checked


def _caller(claims: dict[str, Any]) -> Caller:
    application = claims["application"]
    who = {"application": {name: application[name] for name in ("id", "kind", "public")}}
    if owner := claims.get("owner"):
        who["owner"] = {name: owner[name] for name in ("id", "type")}
    return Caller(
        tenant=Tenant(_key(claims["organization"]["id"]), (Mode.TEST if claims["test"] else Mode.LIVE).value),
        kind=_text(application["kind"]),
        role=_text(claims["role"]) if "role" in claims else None,
        application_id=_key(application["id"]),
        number=_text(claims["rand"]),
        who=who,
    )


def _text(claim: object) -> str:
    if not isinstance(claim, str):
        raise TypeError("not text")
    return claim


def _key(public_id: object) -> int:
    key = ids.decode(public_id)
    if key is None:
        raise ValueError("not a public id")
    return key


@lru_cache(1)
def keyring() -> Keyring:
    return Keyring(settings.SIGNING_KEY_FILES)


# --- Issuing and revoking -------------------------------------------------------------------------


def issue(application: Application, scope: str, now: datetime, *, is_public: bool) -> IssuedToken:
    """A token of `application` for `scope`: the one issued last while it has more than 15 minutes left, or a new one.

    `is_public` says that the application did not prove itself by its secret.
    """
    claims = _claims(application, scope, is_public)
    digest = hashlib.sha256(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)).hexdigest()
    standing = application.issued_tokens.filter(
        digest=digest, revoked_at=None, expires_at__gt=now + RENEWED_BEFORE_EXPIRY
    ).order_by("-expires_at")
    return standing.first() or _issue(application, claims, digest, standing, now)


def bearer(issued: IssuedToken) -> str:
    return keyring().sign(issued.claims)


def revoke(token: str, application: Application, now: datetime) -> None:
    """Ends a token of `application`; text that is no token is over already. Raises AccessDenied for another's token."""
    try:
        caller = _checked(token).caller
    except InvalidToken:
        return
    if caller.application_id != application.pk:
        raise AccessDenied
    application.issued_tokens.filter(number=caller.number, revoked_at=None).update(revoked_at=now)
    snapshot.forget()


def _issue(
    application: Application, claims: dict[str, Any], digest: str, standing: QuerySet[IssuedToken], now: datetime
) -> IssuedToken:
    with transaction.atomic():
        # Of several askers at a time one issues and the others find it.
        Application.objects.select_for_update().get(pk=application.pk)
        if found := standing.first():
            return found
        application.issued_tokens.filter(expires_at__lte=now).delete()
        issued_at = int(now.timestamp())
        expires_at = issued_at + application.token_lifetime
        issued = IssuedToken(application=application, digest=digest, expires_at=datetime.fromtimestamp(expires_at, UTC))
        issued.claims = claims | {"iat": issued_at, "exp": expires_at, "rand": issued.number}
        issued.save(force_insert=True)
        return issued


def _claims(application: Application, scope: str, is_public: bool) -> dict[str, Any]:
    organization = application.organization
    claims = {
        "organization": {
            "id": ids.encode(organization.pk),
            "slug": organization.slug,
            "enterprise": True,
            "region": settings.REGION,
        },
        "application": {
            "id": application.public_id,
            "client_id": application.client_id,
            "kind": application.kind,
            "public": is_public,
            "confidential": not is_public,
        },
        "scope": scope,
        "test": application.mode == Mode.TEST,
        "iss": settings.ISSUER,
    }
    return claims | {"role": application.role.name} if application.role else claims
