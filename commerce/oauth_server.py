"""oauthlib's server with the grants that are spoken here, on django-oauth-toolkit's validator.

Of every grant it is settled who asks, in whose name, and where the scope leads; a secret that is exchanged is spent
last, when nothing else stands against it.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import unquote_plus

import orjson
from django.conf import settings
from jwt.utils import base64url_decode
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    BearerToken,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    ResourceOwnerPasswordCredentialsGrant,
    RevocationEndpoint,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
)

from commerce import auth, grants, ids, rate_limits
from commerce.auth import CUSTOMER, Owner, Session
from commerce.jsonapi.parser import is_storable
from commerce.models import Application, Customer, IssuedGrant, normalise_email
from commerce.models.access import is_scope
from commerce.scopes import UnknownScope, places_of

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_CHANNEL, _WEBAPP, _INTEGRATION = Application.Kind.SALES_CHANNEL, Application.Kind.WEBAPP, Application.Kind.INTEGRATION
SPOKEN_BY = {
    "client_credentials": (_CHANNEL, _WEBAPP, _INTEGRATION),
    "password": (_CHANNEL,),
    "authorization_code": (_WEBAPP,),
    "refresh_token": (_CHANNEL, _WEBAPP),
    JWT_BEARER: (_CHANNEL, _WEBAPP),
}
"""Grant -> the kinds of applications it is open to."""

ASSERTION_KEY = b"cl"
"""What clients sign assertions with. Everybody knows it, so an assertion says what is wanted and proves nothing."""
LONGEST_ASSERTION = 4096
ASSERTED = "https://commercelayer.io/claims"


class Throttled(Exception):
    def __init__(self, allowance: rate_limits.Allowance) -> None:
        super().__init__()
        self.allowance = allowance


class InvalidAssertionError(OAuth2Error):
    error = "invalid_assertion"


class JwtBearerGrant(ResourceOwnerPasswordCredentialsGrant):
    """Whom an assertion names is believed to who proves itself by its secret."""

    def validate_token_request(self, request: OAuthRequest) -> None:
        if not getattr(request, "assertion", None):
            raise InvalidRequestError("Request is missing assertion parameter.", request=request)
        request.username = None  # is told to a log
        self.validate_client_authentication(request)
        if not request.is_proven:
            raise InvalidClientError(request=request)
        self.request_validator.validate_assertion(request.assertion, request)
        self.validate_scopes(request)
        for validate in self.custom_validators.post_token:
            validate(request)


class TokenServer(TokenEndpoint, RevocationEndpoint):
    """oauthlib's server. A further grant is a further entry."""

    def __init__(self, validator: "Validator") -> None:
        settling = {"post_token": [validator.settle]}
        grant_types = {
            "client_credentials": ClientCredentialsGrant(validator, **settling),
            "password": ResourceOwnerPasswordCredentialsGrant(validator, **settling),
            "authorization_code": AuthorizationCodeGrant(validator, **settling),
            "refresh_token": RefreshTokenGrant(validator, **settling),
            JWT_BEARER: JwtBearerGrant(validator, **settling),
        }
        bearer = BearerToken(
            validator, validator.generate_token, refresh_token_generator=validator.generate_refresh_token
        )
        TokenEndpoint.__init__(self, "client_credentials", bearer, grant_types)
        RevocationEndpoint.__init__(self, validator, supported_token_types=["access_token", "refresh_token"])


class Validator(OAuth2Validator):
    """What oauthlib asks us, at the instant `now`.

    It leaves on the request what it learns: `owner`, `custom_claim`, `grant` (what is exchanged) and `places`.
    """

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now

    # --- Who asks -----------------------------------------------------------------------------------------------------

    def client_authentication_required(self, request: OAuthRequest, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: OAuthRequest, *args: Any, **kwargs: Any) -> bool:
        """By client id and secret; a public application by its client id alone, but never with a wrong secret."""
        client_id, secret = credentials(request.headers["Authorization"], request.client_id, request.client_secret)
        if not client_id or request.client_id not in (None, client_id):
            return False
        application = self._load_application(client_id, request)
        if application is None:
            return False
        request.is_proven = bool(secret)
        request.owner = request.custom_claim = request.grant = None
        if not (self._check_secret(secret, application.client_secret) if secret else application.is_public):
            return False
        if request.grant_type and application.kind not in SPOKEN_BY[request.grant_type]:
            raise UnauthorizedClientError(request=request)
        return True

    def validate_grant_type(self, *args: Any, **kwargs: Any) -> bool:
        return True  # seen to above, before anything is made of the request

    # --- In whose name ------------------------------------------------------------------------------------------------

    def validate_user(
        self, username: str, password: str, client: Application, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        """A customer by e-mail and password, in the same time whether there is one or not."""
        email = normalise_email(username)[:255]
        customer = Customer.objects.owned_by(client.tenant).filter(email_norm=email).first()
        is_right = partial((customer or Customer()).has_password, password)
        if not guessed(f"{client.pk} {email}", self.now, is_right) or customer is None:
            return False
        request.owner = Owner(CUSTOMER, customer.pk)
        return True

    def validate_assertion(self, assertion: str, request: OAuthRequest) -> None:
        owner, custom_claim = asserted(assertion, self.now)
        if owner and not owner.exists(request.client.tenant):
            raise InvalidAssertionError(request=request)
        request.owner, request.custom_claim = owner, custom_claim

    def validate_code(
        self, client_id: str, code: str, client: Application, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        return self._take(IssuedGrant.Kind.CODE, code, client, request)

    def validate_refresh_token(
        self, refresh_token: str, client: Application, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        return self._take(IssuedGrant.Kind.REFRESH, refresh_token, client, request)

    def _take(self, kind: IssuedGrant.Kind, secret: str, client: Application, request: OAuthRequest) -> bool:
        grant = grants.find(client, kind, secret, self.now)
        if grant is None or not (grant.is_public or request.is_proven):
            return False
        request.grant, request.owner, request.custom_claim = grant, grants.owner_of(grant), grant.custom_claim
        request.scopes = grant.scope.split(" ")
        return request.owner is None or request.owner.exists(client.tenant)

    # --- Where --------------------------------------------------------------------------------------------------------

    def get_default_scopes(self, client_id: str, request: OAuthRequest, *args: Any, **kwargs: Any) -> list[str]:
        return request.client.scopes.split(" ")

    def get_original_scopes(self, refresh_token: str, request: OAuthRequest, *args: Any, **kwargs: Any) -> list[str]:
        return request.grant.scope.split(" ")

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Application, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        return is_scope(" ".join(scopes))

    def settle(self, request: OAuthRequest) -> dict[str, Any]:
        customer = request.owner.key if request.owner and request.owner.type == CUSTOMER else None
        try:
            request.places = places_of(" ".join(request.scopes), request.client, customer)
        except UnknownScope:
            raise InvalidScopeError(request=request) from None
        if request.grant and not grants.spend(request.grant, self.now):
            raise InvalidGrantError(request=request)
        return {}

    # --- Codes --------------------------------------------------------------------------------------------------------

    def validate_client_id(self, client_id: str, request: OAuthRequest, *args: Any, **kwargs: Any) -> bool:
        application = self._load_application(client_id, request)
        return application is not None and application.kind in SPOKEN_BY["authorization_code"]

    def validate_response_type(self, client_id: str, response_type: str, *args: Any, **kwargs: Any) -> bool:
        return response_type == "code"

    def is_pkce_required(self, client_id: str, request: OAuthRequest) -> bool:
        return False

    def get_code_challenge(self, code: str, request: OAuthRequest) -> None:
        return None

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        return redirect_uri in request.client.redirect_uris.split()

    def get_default_redirect_uri(self, client_id: str, request: OAuthRequest, *args: Any, **kwargs: Any) -> str | None:
        registered = request.client.redirect_uris.split()
        return registered[0] if len(registered) == 1 else None

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> None:
        """The code is ours, and `iss` says whose it is (RFC 9207)."""
        values = {"scope": " ".join(request.scopes), "redirect_uri": request.redirect_uri}
        code["code"] = grants.give(request.client, IssuedGrant.Kind.CODE, request.owner, self.now, **values)
        code["iss"] = settings.ISSUER

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Application, request: OAuthRequest, *args: Any
    ) -> bool:
        return redirect_uri == request.grant.redirect_uri

    def invalidate_authorization_code(self, *args: Any, **kwargs: Any) -> None:
        """It is spent already."""

    # --- Tokens -------------------------------------------------------------------------------------------------------

    def generate_token(self, request: OAuthRequest) -> str:
        places = request.places
        session = Session(request.owner, places.markets, places.stock_locations, request.custom_claim)
        scope, is_public = " ".join(request.scopes), not request.is_proven
        request.issued = auth.issue(request.client, scope, self.now, is_public=is_public, session=session)
        return auth.bearer(request.issued)

    def rotate_refresh_token(self, request: OAuthRequest) -> bool:
        return True

    def generate_refresh_token(self, request: OAuthRequest) -> str:
        values = {
            "scope": request.grant.scope if request.grant else " ".join(request.scopes),
            "custom_claim": request.custom_claim,
            "is_public": not request.is_proven,
        }
        return grants.give(request.client, IssuedGrant.Kind.REFRESH, request.owner, self.now, **values)

    def save_bearer_token(self, token: dict[str, Any], request: OAuthRequest, *args: Any, **kwargs: Any) -> None:
        """The token is kept already; what is missing is how old it is, and whose."""
        claims = request.issued.claims
        token["expires_in"] = claims["exp"] - int(self.now.timestamp())
        token["created_at"] = claims["iat"]
        if request.owner:
            token["owner_id"], token["owner_type"] = ids.encode(request.owner.key), request.owner.type.lower()

    def revoke_token(self, token: str, token_type_hint: str | None, request: OAuthRequest, *args: Any) -> None:
        grants.withdraw(request.client, token, self.now)
        auth.revoke(token, request.client, self.now)


# --- Parts of a request -------------------------------------------------------------------------------------------


def asserted(assertion: str, now: datetime) -> tuple[Owner | None, dict[str, Any] | None]:
    """The owner and the custom claim of an assertion, one of which must be given. Raises InvalidAssertionError."""
    try:
        if len(assertion) > LONGEST_ASSERTION:
            raise ValueError("too long")
        payload = _payload(assertion)
        if payload.get("exp", now.timestamp()) < now.timestamp():
            raise ValueError("expired")
        owner, custom_claim = (payload[ASSERTED].get(name) for name in ("owner", "custom_claim"))
        if not (owner or custom_claim) or not isinstance(custom_claim, dict | None) or not is_storable(custom_claim):
            raise ValueError("no claims")
        return Owner.claimed(owner) if owner else None, custom_claim
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidAssertionError from None


def _payload(assertion: str) -> Any:
    signed, _, signature = assertion.encode().rpartition(b".")
    header, _, payload = signed.partition(b".")
    expected = hmac.digest(ASSERTION_KEY, signed, "sha512")
    is_signed = hmac.compare_digest(expected, base64url_decode(signature))
    if not is_signed or orjson.loads(base64url_decode(header))["alg"] != "HS512":
        raise ValueError("not signed")
    return orjson.loads(base64url_decode(payload))


def guessed(who: str, now: datetime, is_right: Callable[[], bool]) -> bool:
    """Whether a password is right. Raises Throttled, unasked, after too many wrong ones of `who`."""
    key = hashlib.sha256(who.encode()).hexdigest()[:32]
    left = rate_limits.left("passwords", key, None, now)
    if left.retry_after:
        raise Throttled(left)
    if is_right():
        return True
    rate_limits.take("passwords", key, None, now)
    return False


def credentials(authorization: str, client_id: str | None, secret: str | None) -> tuple[str, str]:
    """Client id and secret of HTTP Basic, or else those of the body; "" for what is missing."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return client_id or "", secret or ""
    try:
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return "", ""
    given = unquote_plus(client_id), unquote_plus(secret)
    return given if all(map(is_text, given)) else ("", "")


def is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
