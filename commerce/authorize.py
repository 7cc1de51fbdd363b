"""The page that sends staff back to a webapp with an authorization code: the admin's login, and who asks for what."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import AuthorizationCodeGrant
from oauthlib.oauth2.rfc6749.errors import FatalClientError, OAuth2Error

from commerce import clock, rate_limits
from commerce.auth import USER, Owner
from commerce.oauth_server import Throttled, Validator, guessed, is_text

PARAMETERS = ("client_id", "response_type", "redirect_uri", "scope", "state")


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Asks staff to log in, or to go on; whoever does is sent to the webapp. What no webapp asked is told here."""
    now = clock.now()
    allowance = rate_limits.take("oauth", f"authorize {request.META.get('REMOTE_ADDR')}", None, now)
    if allowance.retry_after:
        return _throttled(request, allowance)
    validator = Validator(now)
    grant = AuthorizationCodeGrant(validator, post_auth=[validator.settle])
    asked = OAuthRequest(f"/oauth/authorize?{urlencode(_parameters(request))}", "GET")
    asked.owner = asked.grant = None
    try:
        grant.validate_authorization_request(asked)
    except FatalClientError as refusal:
        return _page(request, 400, problem=refusal.description or "The client is unknown, or not a webapp.")
    except OAuth2Error as refusal:
        return HttpResponseRedirect(refusal.in_uri(asked.redirect_uri))
    user: Any = request.user
    form = None
    if not _may_go_on(user):
        form = AdminAuthenticationForm(request, data=request.POST or None)
        try:
            user = _logged_in(request, form, now)
        except Throttled as throttled:
            return _throttled(request, throttled.allowance)
    if request.method == "GET" or not _may_go_on(user):
        return _page(request, 200, form=form, application=asked.client, scope=" ".join(asked.scopes))
    asked.owner = Owner(USER, user.pk)
    headers, _body, _status = grant.create_authorization_response(asked, None)
    return HttpResponseRedirect(headers["Location"])


def _parameters(request: HttpRequest) -> dict[str, str]:
    """Those of the query string that are given; scopes may be separated by commas, as at the token endpoint."""
    given = {name: request.GET[name] for name in PARAMETERS if request.GET.get(name) and is_text(request.GET[name])}
    if "scope" in given:
        given["scope"] = " ".join(dict.fromkeys(given["scope"].replace(",", " ").split()))
    return given


def _may_go_on(user: Any) -> bool:
    return bool(user.is_active and user.is_staff)


def _logged_in(request: HttpRequest, form: AdminAuthenticationForm, now: datetime) -> Any:
    """Who the form says they are, logged in; nobody where it does not. Raises Throttled."""
    if request.method == "POST" and guessed(f"user {request.POST.get('username')}", now, form.is_valid):
        login(request, form.get_user())
    return request.user


def _throttled(request: HttpRequest, allowance: rate_limits.Allowance) -> HttpResponse:
    page = _page(request, 429, problem=f"Too many attempts; try again in {allowance.retry_after} seconds.")
    page.headers["Retry-After"] = str(allowance.retry_after)
    return page


def _page(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    return render(request, "oauth/authorize.html", context, status=status)
