"""The endpoints that issue, revoke and tell access tokens, on oauthlib's server and django-oauth-toolkit's validator.

Bodies are those Commerce Layer clients expect: OAuth2's own members, and every refusal as `errors` too, with its status
as a number.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import BearerToken, ClientCredentialsGrant, RevocationEndpoint, TokenEndpoint
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError

from commerce import auth, clock, ids, rate_limits
from commerce.api import registry
from commerce.errors import AccessDenied, InvalidToken
from commerce.models import Application, IssuedToken, Mode, Role
from commerce.models.access import ACTIONS, is_scope

PARAMETERS = ("grant_type", "client_id", "client_secret", "scope", "token", "token_type_hint")
LARGEST_BODY = 65_536

CODES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 405: "METHOD_NOT_ALLOWED"}
DETAILS = {
    "invalid_client": "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method.",
    "invalid_scope": "The requested scope is invalid, unknown, or malformed.",
    "unsupported_grant_type": "The authorization grant type is not supported by the authorization server.",
    "unauthorized_client": "The client is not authorized to perform this request using this method.",
}
NO_TOKEN = {
    "title": "Invalid token",
    "detail": "The access token you provided is invalid.",
    "code": "INVALID_TOKEN",
    "status": 401,
}
THROTTLED = {"title": "Too Many Requests", "code": "THROTTLED", "status": 429}
"""Alone, not in a list: so the gateway before the vendor's API answers, and clients expect it."""
CHALLENGES = {"basic": 'Basic realm="oauth"', "bearer": 'Bearer error="invalid_token"'}


# --- The protocol ---------------------------------------------------------------------------------


class TokenServer(TokenEndpoint, RevocationEndpoint):
    """oauthlib's server with the grants that are spoken here. A further grant is a further entry."""

    def __init__(self, validator: "Validator") -> None:
        grants = {"client_credentials": ClientCredentialsGrant(validator)}
        bearer = BearerToken(validator, token_generator=validator.generate_token)
        TokenEndpoint.__init__(self, "client_credentials", bearer, grants)
        RevocationEndpoint.__init__(self, validator, supported_token_types=["access_token"])


class Validator(OAuth2Validator):
    """What oauthlib asks us, at the instant `now`."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now = now

    def client_authentication_required(self, request: OAuthRequest, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: OAuthRequest, *args: Any, **kwargs: Any) -> bool:
        """By client id and secret; a public application by its client id alone, but never with a wrong secret."""
        client_id, secret = _credentials(request.headers["Authorization"], request.client_id, request.client_secret)
        if not client_id or request.client_id not in (None, client_id):
            return False
        application = self._load_application(client_id, request)
        if application is None:
            return False
        request.is_proven = bool(secret)
        return self._check_secret(secret, application.client_secret) if secret else application.is_public

    def get_default_scopes(self, client_id: str, request: OAuthRequest, *args: Any, **kwargs: Any) -> list[str]:
        return request.client.scopes.split(" ")

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Application, request: OAuthRequest, *args: Any, **kwargs: Any
    ) -> bool:
        return is_scope(" ".join(scopes))

    def generate_token(self, request: OAuthRequest) -> str:
        scope = " ".join(request.scopes)
        request.issued = auth.issue(request.client, scope, self.now, is_public=not request.is_proven)
        return auth.bearer(request.issued)

    def save_bearer_token(self, token: dict[str, Any], request: OAuthRequest, *args: Any, **kwargs: Any) -> None:
        """The token is kept already; what is missing is how old it is."""
        claims = request.issued.claims
        token["expires_in"] = claims["exp"] - int(self.now.timestamp())
        token["created_at"] = claims["iat"]

    def revoke_token(self, token: str, token_type_hint: str | None, request: OAuthRequest, *args: Any) -> None:
        auth.revoke(token, request.client, self.now)


class OAuthBackend(OAuthLibCore):
    """From Django's request to oauthlib's: the parameters of the body and the credentials of the header, no more."""

    def __init__(self, parameters: dict[str, str], now: datetime) -> None:
        super().__init__(TokenServer(Validator(now)))
        self.parameters = parameters

    def _get_escaped_full_path(self, request: HttpRequest) -> str:
        return request.path

    def extract_headers(self, request: HttpRequest) -> dict[str, str]:
        return {"Authorization": request.META.get("HTTP_AUTHORIZATION", "")}

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        return list(self.parameters.items())


def _parameters(request: HttpRequest) -> dict[str, str]:
    """What the body says, JSON or form. Whatever else it holds is ignored, and so is an empty value."""
    try:
        body = _body(request)
    except (BadRequest, SuspiciousOperation, MultiPartParserError, ValueError, RecursionError) as error:
        raise InvalidRequestError("The request body is malformed.") from error
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be an object.")
    given = {name: body[name] for name in PARAMETERS if body.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, str) or not _is_text(value):
            raise InvalidRequestError(f"{name} must be text.")
    if "scope" in given:
        given["scope"] = " ".join(dict.fromkeys(given["scope"].replace(",", " ").split()))
    return {name: value for name, value in given.items() if value}


def _body(request: HttpRequest) -> Any:
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        raise ValueError("too large")
    if request.content_type and request.content_type.endswith("json"):
        return json.loads(request.body or b"{}")
    return request.POST.dict()


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _credentials(authorization: str, client_id: str | None, secret: str | None) -> tuple[str, str]:
    """Client id and secret of HTTP Basic, or else those of the body; "" for what is missing."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return client_id or "", secret or ""
    try:
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return "", ""
    given = unquote_plus(client_id), unquote_plus(secret)
    return given if all(map(_is_text, given)) else ("", "")


# --- The endpoints --------------------------------------------------------------------------------

Answer = tuple[int, dict[str, Any]]


def _endpoint(method: str, answer: Callable[[HttpRequest, dict[str, str], datetime], Answer]) -> Any:
    """A view of one method, rate limited by address and client: `answer(request, parameters, now)` as JSON."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        now = clock.now()
        parameters, problem = _read(request)
        allowance = rate_limits.take("oauth", _sender(request, parameters), None, now)
        if allowance.retry_after:
            status, body = 429, {"errors": THROTTLED}
        elif request.method != method:
            status, body = _refusal(405, "method_not_allowed", f"Use {method}.")
        elif problem:
            status, body = _refusal(400, "invalid_request", problem)
        else:
            status, body = answer(request, parameters, now)
        headers = {**allowance.headers, "Cache-Control": "no-store", "Pragma": "no-cache"}
        if status == 401 and _scheme(request) in CHALLENGES:
            headers["WWW-Authenticate"] = CHALLENGES[_scheme(request)]
        if status == 405:
            headers["Allow"] = method
        return JsonResponse(body, status=status, headers=headers, content_type="application/json; charset=utf-8")

    return view


def _token(request: HttpRequest, parameters: dict[str, str], now: datetime) -> Answer:
    _uri, _headers, text, status = OAuthBackend(parameters, now).create_token_response(request)
    return _answer(text, status)


def _revoke(request: HttpRequest, parameters: dict[str, str], now: datetime) -> Answer:
    try:
        _uri, _headers, text, status = OAuthBackend(parameters, now).create_revocation_response(request)
    except AccessDenied:
        status = 401
    if status == 401:
        return _refusal(403, "unauthorized_client", "You are not authorized to revoke this token")
    return _answer(text, status)


def _answer(text: str, status: int) -> Answer:
    body = json.loads(text or "{}")
    return (status, body) if status == 200 else _refusal(status, body["error"], body.get("error_description"))


def _refusal(status: int, error: str, detail: str | None) -> Answer:
    detail = detail or DETAILS.get(error, "")
    problem = {"title": error, "detail": detail, "code": CODES[status], "status": status}
    return status, {"errors": [problem], "error": error, "error_description": detail}


def _tokeninfo(request: HttpRequest, parameters: dict[str, str], now: datetime) -> Answer:
    """What the bearer token stands for and permits, as the dashboard's apps ask it."""
    try:
        caller = auth.authenticate(request, now)
        issued = IssuedToken.objects.select_related("application").get(number=caller.number)
    except (InvalidToken, IssuedToken.DoesNotExist):
        return 401, {"errors": [NO_TOKEN]}
    return 200, {
        "token": {
            "test": caller.tenant.mode == Mode.TEST,
            "market_ids": [],
            "stock_location_ids": [],
            "lifespan": issued.claims["exp"] - issued.claims["iat"],
        },
        "role": _role(caller),
        "application": {
            "id": issued.application.public_id,
            "kind": caller.kind,
            "name": issued.application.name,
            "core": False,
        },
        "permissions": _permissions(caller),
        "accessible_apps": [],
    }


def _role(caller: auth.Caller) -> dict[str, Any]:
    if caller.role is None:
        kind = "admin" if caller.kind in auth.BY_ROLE else caller.kind
        return {"id": None, "kind": kind, "name": kind.replace("_", " ").capitalize()}
    role = Role.objects.filter(organization_id=caller.tenant.organization_id, name=caller.role).first()
    return {"id": role and ids.encode(role.pk), "kind": "custom", "name": caller.role}


def _permissions(caller: auth.Caller) -> dict[str, dict[str, list[str]]]:
    """What the caller may do to which type, of what can be done to it at all."""
    permissions = {}
    for resource in registry:
        possible = {"read", *resource.actions}
        actions = [action for action in ACTIONS if action in possible and caller.permits(action, resource.type)]
        if actions:
            permissions[resource.type] = {"actions": actions}
    return permissions


def _read(request: HttpRequest) -> tuple[dict[str, str], str]:
    """The parameters of the body, and what is wrong with it."""
    try:
        return _parameters(request), ""
    except InvalidRequestError as error:
        return {}, error.description


def _sender(request: HttpRequest, parameters: dict[str, str]) -> str:
    authorization = request.META.get("HTTP_AUTHORIZATION", "")
    client_id, _ = _credentials(authorization, parameters.get("client_id"), None)
    sender = f"{request.META.get('REMOTE_ADDR')} {client_id or authorization}"
    return hashlib.sha256(sender.encode(errors="replace")).hexdigest()[:32]


def _scheme(request: HttpRequest) -> str:
    return request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower()


token = _endpoint("POST", _token)
revoke = _endpoint("POST", _revoke)
tokeninfo = _endpoint("GET", _tokeninfo)


@require_safe
def jwks(request: HttpRequest) -> HttpResponse:
    """The public keys that tokens are verified with."""
    return JsonResponse({"keys": auth.keyring().public()}, headers={"Cache-Control": "public, max-age=300"})
