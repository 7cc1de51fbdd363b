"""The endpoints that issue, revoke and tell access tokens, on oauthlib's server and django-oauth-toolkit's validator.

Bodies are those Commerce Layer clients expect: OAuth2's own members, and every refusal as `errors` too, with its status
as a number.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauthlib.oauth2.rfc6749.errors import InvalidRequestError

from commerce import auth, clock, ids, rate_limits
from commerce.api import registry
from commerce.errors import AccessDenied, InvalidToken
from commerce.models import IssuedToken, Mode, Role
from commerce.models.access import ACTIONS
from commerce.oauth_server import Throttled, TokenServer, Validator, credentials, is_text

PARAMETERS = (
    "grant_type",
    "client_id",
    "client_secret",
    "scope",
    "username",
    "password",
    "assertion",
    "refresh_token",
    "code",
    "redirect_uri",
    "token",
    "token_type_hint",
)
LARGEST_BODY = 65_536

CODES = {400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 405: "METHOD_NOT_ALLOWED"}
DETAILS = {
    "invalid_client": "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method.",
    "invalid_grant": "The provided authorization grant is invalid, expired, revoked, does not match the redirection "
    "URI used in the authorization request, or was issued to another client.",
    "invalid_assertion": "The provided assertion is invalid.",
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


# --- Requests -------------------------------------------------------------------------------------


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
        if not isinstance(value, str) or not is_text(value):
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
            try:
                status, body = answer(request, parameters, now)
            except Throttled as throttled:
                allowance, status, body = throttled.allowance, 429, {"errors": THROTTLED}
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
    if status == 200:
        return status, body
    return _refusal(status, body["error"], DETAILS.get(body["error"]) or body.get("error_description", ""))


def _refusal(status: int, error: str, detail: str) -> Answer:
    problem = {"title": error, "detail": detail, "code": CODES[status], "status": status}
    return status, {"errors": [problem], "error": error, "error_description": detail}


def _tokeninfo(request: HttpRequest, parameters: dict[str, str], now: datetime) -> Answer:
    """What the bearer token stands for and permits, as the dashboard's apps ask it."""
    try:
        caller = auth.authenticate(request, now)
        issued = IssuedToken.objects.select_related("application").get(number=caller.number)
    except (InvalidToken, IssuedToken.DoesNotExist):
        return 401, {"errors": [NO_TOKEN]}
    places = issued.claims.get("market", {})
    owner = {"owner": issued.claims["owner"]} if caller.owner else {}
    return 200, {
        "token": {
            "test": caller.tenant.mode == Mode.TEST,
            "market_ids": places.get("id", []),
            "stock_location_ids": places.get("stock_location_ids", []),
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
        **owner,
        "accessible_apps": [],
    }


def _role(caller: auth.Caller) -> dict[str, Any]:
    if caller.role is None or caller.is_shopper:
        kind = caller.kind if caller.is_shopper else "admin"
        return {"id": None, "kind": kind, "name": kind.replace("_", " ").capitalize()}
    role = Role.objects.filter(organization_id=caller.tenant.organization_id, name=caller.role).first()
    return {"id": role and ids.encode(role.pk), "kind": "custom", "name": caller.role}


def _permissions(caller: auth.Caller) -> dict[str, dict[str, list[str]]]:
    """What the caller may do to which type, of what can be done to it at all."""
    permissions = {}
    for resource in registry:
        open_actions = [action for action in resource.actions if caller.permits(action, resource.type)]
        permitted = {auth.PERMISSIONS.get(action, action) for action in open_actions}
        if permitted:
            permissions[resource.type] = {"actions": [action for action in ACTIONS if action in permitted]}
    return permissions


def _read(request: HttpRequest) -> tuple[dict[str, str], str]:
    """The parameters of the body, and what is wrong with it."""
    try:
        return _parameters(request), ""
    except InvalidRequestError as error:
        return {}, error.description


def _sender(request: HttpRequest, parameters: dict[str, str]) -> str:
    authorization = request.META.get("HTTP_AUTHORIZATION", "")
    client_id, _ = credentials(authorization, parameters.get("client_id"), None)
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
