"""Who calls: what access tokens say, how they are checked and how they are issued.

A token is an RS512 JWT. Its signature is checked when a process first sees it; after that a request costs no query and
no cryptography. What changes meanwhile (revocations, roles, slugs) is read from the database at most once a second.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from commerce import changes, ids, permissions
from commerce.errors import AccessDenied, InvalidToken
from commerce.keys import Keyring
from commerce.models import ApiKey, Application, Customer, IssuedGrant, IssuedToken, Mode, Organization, Role, Tenant
from commerce.permissions import Reach, Shopper

RENEWED_BEFORE_EXPIRY = timedelta(minutes=15)
REFRESH_SECONDS = 1.0
MOST_TOKENS = 4096
"""How many checked tokens a process remembers."""

ALL_MARKETS = "market:all"
_BY_ROLE = (Application.Kind.INTEGRATION, Application.Kind.WEBAPP)
PERMISSIONS = {"list": "read", "retrieve": "read", "related": "read"}
"""Action of the API -> what roles call it, where they call it otherwise."""


# --- In whose name, and where ---------------------------------------------------------------------


class Owner(NamedTuple):
    """In whose name a token is: a customer of the tenant, or a user of the admin."""

    type: str
    key: int

    @classmethod
    def claimed(cls, claim: dict[str, Any]) -> "Owner":
        """Raises ValueError, KeyError or TypeError where the claim names none."""
        if claim["type"] not in (CUSTOMER, USER):
            raise ValueError("not a type of owner")
        return cls(claim["type"], _key(claim["id"]))

    def exists(self, tenant: Tenant) -> bool:
        if self.type == CUSTOMER:
            return Customer.objects.owned_by(tenant).filter(pk=self.key).exists()
        return self.type == USER and staff().filter(pk=self.key).exists()


CUSTOMER, USER = "Customer", "User"


def staff() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_staff=True)


class Session(NamedTuple):
    """What a token says beyond its application. `markets` is None where they are all in scope."""

    owner: Owner | None = None
    markets: tuple[int, ...] | None = None
    stock_locations: tuple[int, ...] = ()
    custom_claim: dict[str, Any] | None = None

    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = {}
        if self.owner:
            claims["owner"] = {"id": ids.encode(self.owner.key), "type": self.owner.type}
        if self.owner and self.owner.type == USER:
            claims["user"] = {"id": ids.encode(self.owner.key)}
        if self.markets is not None or self.stock_locations:
            claims["market"] = {
                "id": [ids.encode(key) for key in self.markets or ()],
                "stock_location_ids": [ids.encode(key) for key in self.stock_locations],
                "geocoder_id": None,
                "allows_external_prices": False,
            }
        return claims | {"custom_claim": self.custom_claim} if self.custom_claim else claims


NOBODYS = Session()


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
    staff: frozenset[int]
    """The users in whose name tokens may be."""


class Snapshot:
    """`Known`, read at most once a second by every process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stale_at = 0.0
        self.known = Known(0, frozenset(), frozenset(), {}, {}, {}, frozenset())

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
            staff=frozenset(staff().values_list("pk", flat=True)),
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
    owner: Owner | None
    market_ids: tuple[int, ...] | None
    """The markets in scope; None is all."""
    reach: Reach
    """The rows that requests may meet: of shoppers theirs, of all others the tenant's."""

    @property
    def is_shopper(self) -> bool:
        return isinstance(self.reach, Shopper)

    @property
    def customer_id(self) -> int | None:
        return self.owner.key if self.owner and self.owner.type == CUSTOMER else None

    def permits(self, action: str, resource_type: str) -> bool:
        """Whether `action`, as `permissions.allows` says. A role that is gone allows nothing."""
        if isinstance(self.reach, Shopper):
            return permissions.allows(self.reach, action, resource_type)
        if self.role is None:
            return True
        permitted = snapshot.known.permissions.get((self.tenant.organization_id, self.role), {})
        return PERMISSIONS.get(action, action) in permitted.get(resource_type, ())


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
        or (caller.owner is not None and caller.owner.type == USER and caller.owner.key not in known.staff)
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
    tenant = Tenant(_key(claims["organization"]["id"]), (Mode.TEST if claims["test"] else Mode.LIVE).value)
    kind = _text(application["kind"])
    owner = Owner.claimed(claims["owner"]) if claims.get("owner") else None
    markets = _markets(claims)
    who = {"application": {name: application[name] for name in ("id", "kind", "public")}}
    if owner:
        who["owner"] = {name: claims["owner"][name] for name in ("id", "type")}
    return Caller(
        tenant=tenant,
        kind=kind,
        role=_text(claims["role"]) if "role" in claims else None,
        application_id=_key(application["id"]),
        number=_text(claims["rand"]),
        who=who,
        owner=owner,
        market_ids=markets,
        reach=_reach(tenant, kind, owner, markets),
    )


def _reach(tenant: Tenant, kind: str, owner: Owner | None, markets: tuple[int, ...] | None) -> Reach:
    """Whoever comes in the name of a customer is a shopper, whatever application brings it."""
    customer = owner.key if owner and owner.type == CUSTOMER else 0
    if kind in _BY_ROLE and not customer:
        return tenant
    return Shopper.of(tenant, customer, markets)


def _markets(claims: dict[str, Any]) -> tuple[int, ...] | None:
    if ALL_MARKETS in _text(claims["scope"]).split(" "):
        return None
    return tuple(_key(public_id) for public_id in claims.get("market", {}).get("id", ()))


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


# --- API keys -------------------------------------------------------------------------------------


def of_api_key(key: str, now: datetime) -> Caller:
    """The application that the key proves, by one query. Raises InvalidToken.

    Unlike a token, a key that is revoked is over at once.
    """
    digest = _digest_of(key)
    found = ApiKey.objects.select_related("application__role").filter(digest=digest, revoked_at=None).first()
    if found is None or not hmac.compare_digest(found.digest, digest):
        raise InvalidToken
    application = found.application
    # The application and role of a key this young may be younger than the snapshot.
    if found.created_at.timestamp() >= snapshot.known.second:
        snapshot.forget()
    snapshot.current(now)
    return Caller(
        tenant=application.tenant,
        kind=application.kind,
        role=application.role.name if application.role else None,
        application_id=application.pk,
        number=digest,
        who={"application": {"id": application.public_id, "kind": application.kind, "public": application.is_public}},
        owner=None,
        market_ids=None,
        reach=_reach(application.tenant, application.kind, None, None),
    )


def create_api_key(application: Application, by: changes.By) -> str:
    """A new key of the application, of which only the hash is kept. Runs inside `changes.atomic()`."""
    key = f"sk_{application.mode}_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(application=application, digest=_digest_of(key), ending=key[-4:], created_at=by.now)
    changes.touch(application, "update", {"api_key": [None, f"...{key[-4:]}"]}, by)
    return key


def revoke_api_key(key: ApiKey, by: changes.By) -> None:
    """Runs inside `changes.atomic()`."""
    key.revoked_at = by.now
    key.save(update_fields=["revoked_at"])
    changes.touch(key.application, "update", {"api_key": [f"...{key.ending}", None]}, by)


def _digest_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


# --- Issuing and revoking -------------------------------------------------------------------------


def issue(
    application: Application, scope: str, now: datetime, *, is_public: bool, session: Session = NOBODYS
) -> IssuedToken:
    """A token of `application` for `scope`: the one issued last while it has more than 15 minutes left, or a new one.

    `is_public` says that the application did not prove itself by its secret.
    """
    claims = _claims(application, scope, is_public) | session.claims()
    digest = hashlib.sha256(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)).hexdigest()
    standing = application.issued_tokens.filter(
        digest=digest, revoked_at=None, expires_at__gt=now + RENEWED_BEFORE_EXPIRY
    ).order_by("-expires_at")
    return standing.first() or _issue(application, claims, digest, session.owner, standing, now)


def bearer(issued: IssuedToken) -> str:
    return keyring().sign(issued.claims)


def revoke(token: str, application: Application, now: datetime) -> None:
    """Ends a token of `application`, and with one in somebody's name all that the application has of theirs.

    Text that is no token is over already. Raises AccessDenied for another's token.
    """
    try:
        caller = _checked(token).caller
    except InvalidToken:
        return
    if caller.application_id != application.pk:
        raise AccessDenied
    application.issued_tokens.filter(number=caller.number, revoked_at=None).update(revoked_at=now)
    if caller.owner:
        end(caller.owner, now, application)
    snapshot.forget()


def end(owner: Owner, now: datetime, application: Application | None = None) -> None:
    """Ends every token and grant in the name of `owner`, or those of one application."""
    whose: dict[str, Any] = {"owner_type": owner.type, "owner_id": owner.key}
    if application:
        whose["application"] = application
    IssuedToken.objects.filter(**whose, revoked_at=None).update(revoked_at=now)
    IssuedGrant.objects.filter(**whose).delete()
    snapshot.forget()


def _issue(
    application: Application,
    claims: dict[str, Any],
    digest: str,
    owner: Owner | None,
    standing: QuerySet[IssuedToken],
    now: datetime,
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
        issued.owner_type, issued.owner_id = owner or (None, None)
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
