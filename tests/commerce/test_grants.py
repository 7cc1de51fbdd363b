"""Tokens in somebody's name: passwords, assertions, refresh tokens, and codes of the page where staff log in."""

import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from django.conf import LazySettings
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.test import Client
from jwt.utils import base64url_encode

from commerce import ids
from commerce.models import Application, Customer, IssuedGrant, IssuedToken, Organization
from tests import factories
from tests.client import Api, refused
from tests.factories import NOW
from tests.staff import form_of

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLAIMS = "https://commercelayer.io/claims"
INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)
CALLBACK = "https://app.example.com/callback?step=2"

pytestmark = pytest.mark.usefixtures("unlimited", "travel")


@pytest.fixture
def channel(acme: Organization) -> Application:
    return factories.application(acme, "sales_channel", client_id="shop", client_secret="s3cret")


@pytest.fixture
def webapp(acme: Organization) -> Application:
    return factories.application(
        acme, "webapp", client_id="app", client_secret="s3cret", redirect_uris=f"https://a.example.com/ {CALLBACK}"
    )


@pytest.fixture
def ada(acme: Organization) -> Customer:
    return with_password(factories.customer(acme, email="Ada@Example.com"))


def with_password(customer: Customer, password: str = "open sesame") -> Customer:
    customer.set_password(password)
    Customer.objects.filter(pk=customer.pk).update(password_hash=customer.password_hash)
    return customer


def asked(client: Client, grant_type: str, **body: Any) -> Any:
    body = {"grant_type": grant_type, "client_id": "shop", **body}
    return client.post("/oauth/token", json.dumps(body), content_type="application/json")


def logged_in(client: Client, **body: Any) -> Any:
    return asked(client, "password", **{"username": "ada@example.com", "password": "open sesame", **body})


def refreshed(client: Client, refresh_token: str, **body: Any) -> Any:
    return asked(client, "refresh_token", refresh_token=refresh_token, **body)


def claims(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.content
    return jwt.decode(answer.json()["access_token"], options={"verify_signature": False})


def assert_refused(answer: Any, title: str, status: int = 400) -> None:
    assert answer.status_code == status, answer.content
    [problem] = answer.json()["errors"]
    assert (problem["title"], problem["status"]) == (title, status)


def reading(token: str, path: str) -> Any:
    api = Api(None)
    api.token = token
    return api.get(path)


# --- Passwords ------------------------------------------------------------------------------------


def test_a_customer_gets_a_token_by_e_mail_and_password(client: Client, channel: Application, ada: Customer):
    answer = logged_in(client, username="  ADA@example.COM ")
    body, said = answer.json(), claims(answer)
    assert {name: body[name] for name in ("token_type", "expires_in", "scope", "owner_id", "owner_type")} == {
        "token_type": "Bearer",
        "expires_in": 14400,
        "scope": "market:all",
        "owner_id": ada.public_id,
        "owner_type": "customer",
    }
    assert said["owner"] == {"id": ada.public_id, "type": "Customer"}
    assert (said["application"]["kind"], said["application"]["public"]) == ("sales_channel", True)
    assert "user" not in said
    assert "market" not in said
    [customer] = reading(body["access_token"], "customers").json()["data"]
    assert customer["id"] == ada.public_id


def test_who_logs_in_again_is_given_the_same_token_and_another_refresh_token(client: Client, channel: Any, ada: Any):
    first, second = logged_in(client).json(), logged_in(client).json()
    assert first["access_token"] == second["access_token"]
    assert first["refresh_token"] != second["refresh_token"]


@pytest.mark.parametrize(
    "credentials",
    [
        {"password": "open sesame "},
        {"password": "Open sesame"},
        {"username": "bob@example.com"},
        {"username": "nobody"},
        {"username": "bare@example.com"},
        {"username": "theirs@example.com"},
        {"username": "live@example.com"},
        {"username": "x" * 9999},
    ],
)
def test_a_wrong_password_and_a_strange_customer_are_refused_alike(
    client: Client, acme: Organization, channel: Any, ada: Any, credentials: dict[str, str]
):
    factories.customer(acme, email="bare@example.com")
    with_password(factories.customer(factories.organization(), email="theirs@example.com"))
    with_password(factories.customer(acme, mode="live", email="live@example.com"))
    answer = logged_in(client, **credentials)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"title": "invalid_grant", "detail": INVALID_GRANT, "code": "BAD_REQUEST", "status": 400}
    ]
    assert not IssuedToken.objects.exists()
    assert not IssuedGrant.objects.exists()


@pytest.mark.parametrize("username", ["ada@example.com", "nobody@example.com", "bare@example.com"])
def test_a_password_is_hashed_whoever_is_asked_for(
    client: Client, acme: Organization, channel: Any, ada: Any, username: str, monkeypatch: pytest.MonkeyPatch
):
    factories.customer(acme, email="bare@example.com")
    hashed: list[str] = []
    genuine = hashers.MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return genuine(self, password, salt)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", counted)
    assert_refused(logged_in(client, username=username, password="wrong"), "invalid_grant")
    assert len(hashed) == 1


@pytest.mark.parametrize("missing", ["username", "password"])
def test_name_and_password_are_both_needed(client: Client, channel: Application, ada: Customer, missing: str):
    assert_refused(logged_in(client, **{missing: ""}), "invalid_request")


@pytest.mark.parametrize("kind", ["integration", "webapp"])
def test_only_sales_channels_take_passwords(client: Client, acme: Organization, ada: Customer, kind: str):
    factories.application(acme, kind, client_id="other", client_secret="s3cret")
    answer = logged_in(client, client_id="other", client_secret="s3cret")
    assert_refused(answer, "unauthorized_client")


def test_guessing_a_password_ends_for_that_customer_and_channel_alone(
    client: Client, acme: Organization, channel: Any, ada: Any, settings: LazySettings
):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"passwords": "2/600"}
    factories.application(acme, "sales_channel", client_id="other")
    with_password(factories.customer(acme, email="bob@example.com"))
    for _ in range(3):
        assert logged_in(client).status_code == 200
    for username in ("ada@example.com", "ADA@example.com"):
        assert_refused(logged_in(client, username=username, password="wrong"), "invalid_grant")
    answer = logged_in(client)
    assert answer.status_code == 429
    assert answer.json() == {"errors": {"title": "Too Many Requests", "code": "THROTTLED", "status": 429}}
    assert 1 <= int(answer.headers["Retry-After"]) <= 600
    assert logged_in(client, REMOTE_ADDR="198.51.100.7").status_code == 429
    assert logged_in(client, client_id="other").status_code == 200
    assert logged_in(client, username="bob@example.com").status_code == 200


def test_guessing_a_customer_that_is_not_there_ends_as_well(client: Client, channel: Any, settings: LazySettings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"passwords": "2/600"}
    answers = [logged_in(client, username="nobody@example.com").status_code for _ in range(3)]
    assert answers == [400, 400, 429]


def test_a_private_market_is_open_to_its_customers(client: Client, acme: Organization, channel: Any, ada: Customer):
    club = factories.market(acme, code="club", customer_group=factories.customer_group(acme))
    assert_refused(logged_in(client, scope="market:code:club"), "invalid_scope")
    Customer.objects.update(customer_group=club.customer_group)
    assert claims(logged_in(client, scope="market:code:club"))["market"]["id"] == [club.public_id]


# --- Assertions -----------------------------------------------------------------------------------


def assertion(claimed: Any = None, key: str = "cl", algorithm: str = "HS512", **payload: Any) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, {CLAIMS: claimed, "iat": 1, **payload})
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(key.encode(), signed, algorithm.replace("HS", "sha"))
    return f"{signed.decode()}.{base64url_encode(signature).decode()}"


def of(owner_type: str, public_id: str, **more: Any) -> str:
    return assertion(claimed={"owner": {"type": owner_type, "id": public_id}, **more})


def exchanged(client: Client, text: str, **body: Any) -> Any:
    return asked(client, JWT_BEARER, **{"client_secret": "s3cret", "assertion": text, **body})


def test_an_application_that_proves_itself_is_believed_whom_it_names(client: Client, channel: Any, ada: Customer):
    answer = exchanged(client, of("Customer", ada.public_id, custom_claim={"tier": "gold", "since": 2020}))
    said, body = claims(answer), answer.json()
    assert said["owner"] == {"id": ada.public_id, "type": "Customer"}
    assert said["custom_claim"] == {"tier": "gold", "since": 2020}
    assert said["application"]["public"] is False
    assert (body["owner_type"], body["owner_id"]) == ("customer", ada.public_id)
    renewed = claims(refreshed(client, body["refresh_token"], client_secret="s3cret"))
    assert renewed["custom_claim"] == {"tier": "gold", "since": 2020}


def test_an_assertion_may_name_a_user_of_the_admin(client: Client, webapp: Application):
    user = User.objects.create_user("ada", is_staff=True)
    answer = exchanged(client, of("User", ids.encode(user.pk)), client_id="app")
    said = claims(answer)
    assert said["owner"] == {"id": ids.encode(user.pk), "type": "User"}
    assert said["user"] == {"id": ids.encode(user.pk)}
    assert answer.json()["owner_type"] == "user"


def test_an_assertion_may_bring_a_custom_claim_alone(client: Client, channel: Application):
    answer = exchanged(client, assertion(claimed={"custom_claim": {"a": "b"}}))
    said = claims(answer)
    assert ("owner" in said, said["custom_claim"]) == (False, {"a": "b"})
    assert "owner_id" not in answer.json()
    token = answer.json()["refresh_token"]
    assert claims(refreshed(client, token, client_secret="s3cret"))["custom_claim"] == {"a": "b"}


@pytest.mark.parametrize("secret", ["", "wrong", "cl"])
def test_an_assertion_proves_nothing_without_the_secret(client: Client, channel: Any, ada: Customer, secret: str):
    answer = exchanged(client, of("Customer", ada.public_id), client_secret=secret)
    assert_refused(answer, "invalid_client", 401)
    assert not IssuedToken.objects.exists()


def test_integrations_speak_for_themselves_alone(client: Client, acme: Organization, ada: Customer):
    factories.application(acme, client_id="main", client_secret="s3cret")
    answer = exchanged(client, of("Customer", ada.public_id), client_id="main")
    assert_refused(answer, "unauthorized_client")


INVALID_ASSERTIONS = [
    *("nonsense", "a.b.c", "e30.e30.", "x" * 5000),
    assertion(claimed={"custom_claim": {"a": 1}}, key="another"),
    assertion(claimed={"custom_claim": {"a": 1}}, algorithm="HS256"),
    assertion(claimed={"custom_claim": {"a": 1}}, exp=1),
    assertion(claimed={"custom_claim": {"a": 1}}, exp="soon"),
    assertion(claimed={"custom_claim": {"a": "\0"}}),
    assertion(claimed={"custom_claim": {"a": "x" * 4096}}),
    *(assertion(claimed=claimed) for claimed in (None, {}, [], "x", {"owner": None}, {"custom_claim": {}})),
    *(
        assertion(claimed={"owner": owner})
        for owner in ({"type": "Customer"}, "x", ["x"], {"type": "Customer", "id": 7})
    ),
    of("Robot", ids.encode(1)),
    assertion(claimed={"custom_claim": "x"}),
    of("Customer", "nobodynobo"),
    of("Customer", ids.encode(999_999)),
    of("User", ids.encode(999_999)),
    of("Customer", ids.encode(1)).replace(".", "", 1),
]


@pytest.mark.parametrize("text", INVALID_ASSERTIONS)
def test_any_other_assertion_is_invalid(client: Client, channel: Application, ada: Customer, text: str):
    answer = exchanged(client, text)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "title": "invalid_assertion",
            "detail": "The provided assertion is invalid.",
            "code": "BAD_REQUEST",
            "status": 400,
        }
    ]
    assert not IssuedToken.objects.exists()


def test_an_assertion_names_nobody_of_another_tenant_or_out_of_office(client: Client, acme: Organization, channel: Any):
    theirs = [factories.customer(factories.organization()), factories.customer(acme, mode="live")]
    gone = [User.objects.create_user("a", is_staff=True, is_active=False), User.objects.create_user("b")]
    for text in (
        *(of("Customer", customer.public_id) for customer in theirs),
        *(of("User", ids.encode(user.pk)) for user in gone),
    ):
        assert_refused(exchanged(client, text), "invalid_assertion")


# --- Refresh tokens -------------------------------------------------------------------------------


def test_a_refresh_token_gives_the_standing_token_and_the_next_one(client: Client, channel: Any, ada: Customer):
    first = logged_in(client).json()
    second = refreshed(client, first["refresh_token"]).json()
    assert second["access_token"] == first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (second["owner_id"], second["owner_type"]) == (ada.public_id, "customer")
    assert refreshed(client, second["refresh_token"]).status_code == 200


def test_only_hashes_of_refresh_tokens_are_kept(client: Client, channel: Application, ada: Customer):
    token = logged_in(client).json()["refresh_token"]
    assert token not in json.dumps(list(IssuedGrant.objects.values()), default=str)


def test_client_credentials_give_no_refresh_token(client: Client, channel: Application):
    assert "refresh_token" not in asked(client, "client_credentials").json()


def test_a_refresh_token_ends_after_two_weeks(
    client: Client, channel: Any, ada: Any, travel: Callable[[datetime], None]
):
    token = logged_in(client).json()["refresh_token"]
    travel(NOW + timedelta(weeks=2))
    assert_refused(refreshed(client, token), "invalid_grant")
    travel(NOW + timedelta(weeks=2, seconds=-1))
    renewed = refreshed(client, token).json()
    travel(NOW + timedelta(weeks=4, seconds=-2))
    assert refreshed(client, renewed["refresh_token"]).status_code == 200


def test_a_spent_refresh_token_is_taken_again_for_a_moment(
    client: Client, channel: Any, ada: Any, travel: Callable[[datetime], None]
):
    token = logged_in(client).json()["refresh_token"]
    assert refreshed(client, token).status_code == 200
    travel(NOW + timedelta(seconds=29))
    assert refreshed(client, token).status_code == 200


def test_a_refresh_token_that_comes_back_later_ends_the_session_for_thief_and_customer(
    client: Client, channel: Any, ada: Customer, travel: Callable[[datetime], None]
):
    stolen = logged_in(client).json()["refresh_token"]
    renewed = refreshed(client, stolen).json()
    travel(NOW + timedelta(seconds=30))
    assert_refused(refreshed(client, stolen), "invalid_grant")
    assert_refused(refreshed(client, renewed["refresh_token"]), "invalid_grant")
    assert refused(reading(renewed["access_token"], "customers")) == (401, "INVALID_TOKEN", None)
    assert logged_in(client).status_code == 200


def test_a_refresh_token_belongs_to_its_application(client: Client, acme: Organization, channel: Any, ada: Customer):
    factories.application(acme, "sales_channel", client_id="other")
    token = logged_in(client).json()["refresh_token"]
    assert_refused(refreshed(client, token, client_id="other"), "invalid_grant")
    assert refreshed(client, token).status_code == 200


def test_a_refresh_token_given_for_the_secret_needs_it_again(client: Client, channel: Any, ada: Customer):
    token = logged_in(client, client_secret="s3cret").json()["refresh_token"]
    assert_refused(refreshed(client, token), "invalid_grant")
    assert claims(refreshed(client, token, client_secret="s3cret"))["application"]["public"] is False


@pytest.mark.parametrize("text", ["nonsense", "é", "x" * 9999])
def test_what_is_no_refresh_token_is_refused(client: Client, channel: Application, ada: Customer, text: str):
    assert_refused(refreshed(client, text), "invalid_grant")
    assert_refused(asked(client, "refresh_token"), "invalid_request")


def test_a_refresh_narrows_the_scope_and_never_widens_it(client: Client, acme: Organization, channel: Any, ada: Any):
    scope = " ".join(f"market:code:{factories.market(acme, code=code).code}" for code in ("eu", "us"))
    factories.market(acme, code="asia")
    token = logged_in(client, scope=scope).json()["refresh_token"]
    assert_refused(refreshed(client, token, scope="market:code:asia"), "invalid_scope")
    assert_refused(refreshed(client, token, scope="market:all"), "invalid_scope")
    narrow = refreshed(client, token, scope="market:code:us").json()
    assert narrow["scope"] == "market:code:us"
    assert refreshed(client, narrow["refresh_token"]).json()["scope"] == scope


def test_a_refused_refresh_spends_nothing(client: Client, channel: Any, ada: Any, travel: Callable[[datetime], None]):
    token = logged_in(client).json()["refresh_token"]
    assert_refused(refreshed(client, token, scope="market:code:none"), "invalid_scope")
    travel(NOW + timedelta(hours=1))
    assert refreshed(client, token).status_code == 200


def test_a_market_disabled_meanwhile_is_not_refreshed(client: Client, acme: Organization, channel: Any, ada: Any):
    market = factories.market(acme, code="eu")
    token = logged_in(client, scope="market:code:eu").json()["refresh_token"]
    type(market).objects.update(disabled_at=NOW)
    assert_refused(refreshed(client, token), "invalid_scope")


# --- The end of a session -------------------------------------------------------------------------


def revoked(client: Client, token: str, client_id: str = "shop") -> Any:
    return client.post("/oauth/revoke", {"client_id": client_id, "token": token})


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_either_token_of_a_customer_ends_both(client: Client, channel: Any, ada: Customer, which: str):
    session = logged_in(client).json()
    answer = revoked(client, session[which])
    assert (answer.status_code, answer.json()) == (200, {})
    assert_refused(refreshed(client, session["refresh_token"]), "invalid_grant")
    assert refused(reading(session["access_token"], "customers")) == (401, "INVALID_TOKEN", None)


def test_another_application_revokes_no_refresh_token(client: Client, acme: Organization, channel: Any, ada: Customer):
    factories.application(acme, "sales_channel", client_id="other")
    token = logged_in(client).json()["refresh_token"]
    assert revoked(client, token, "other").json() == {}
    assert refreshed(client, token).status_code == 200


def test_deleting_a_customer_ends_its_tokens(client: Client, acme: Organization, channel: Any, ada: Customer):
    session = logged_in(client).json()
    assert reading(session["access_token"], f"customers/{ada.public_id}").status_code == 200
    assert Api(factories.application(acme)).destroy(ada).status_code == 204
    assert refused(reading(session["access_token"], "organization")) == (401, "INVALID_TOKEN", None)
    assert_refused(refreshed(client, session["refresh_token"]), "invalid_grant")


def test_a_new_password_ends_what_was_begun_with_the_old_one(client: Client, acme: Any, channel: Any, ada: Customer):
    session = logged_in(client).json()
    changed = Api(factories.application(acme)).update(ada, {"password": "close sesame"})
    assert changed.status_code == 200
    assert refused(reading(session["access_token"], "organization")) == (401, "INVALID_TOKEN", None)
    assert_refused(refreshed(client, session["refresh_token"]), "invalid_grant")
    assert_refused(logged_in(client), "invalid_grant")
    assert logged_in(client, password="close sesame").status_code == 200


def test_other_changes_of_a_customer_end_nothing(client: Client, acme: Organization, channel: Any, ada: Customer):
    session = logged_in(client).json()
    assert Api(factories.application(acme)).update(ada, {"reference": "x"}).status_code == 200
    assert reading(session["access_token"], "organization").status_code == 200


def test_grants_that_are_over_are_not_kept(client: Client, channel: Any, ada: Any, travel: Callable[[datetime], None]):
    logged_in(client)
    travel(NOW + timedelta(weeks=3))
    logged_in(client)
    assert IssuedGrant.objects.count() == 1


# --- Codes ----------------------------------------------------------------------------------------


@pytest.fixture
def staff(webapp: Application) -> User:
    return User.objects.create_user("ada", password="open sesame", is_staff=True)


def page(client: Client, **parameters: str) -> Any:
    given = {"client_id": "app", "response_type": "code", "redirect_uri": CALLBACK, "state": "a b&c", **parameters}
    return client.get(f"/oauth/authorize?{urlencode({name: value for name, value in given.items() if value})}")


def sent(client: Client, shown: Any, **values: str) -> Any:
    assert shown.status_code == 200, shown.content
    return client.post(shown.wsgi_request.get_full_path(), form_of(shown) | values)


def returned(answer: Any) -> dict[str, str]:
    """The parameters that the redirection adds to the callback."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(f"{CALLBACK}&")
    return dict(parse_qsl(urlsplit(answer["Location"]).query)[1:])


def code_of(client: Client, **parameters: str) -> str:
    return returned(sent(client, page(client, **parameters), username="ada", password="open sesame"))["code"]


def redeemed(client: Client, code: str, **body: Any) -> Any:
    body = {"client_id": "app", "client_secret": "s3cret", "code": code, "redirect_uri": CALLBACK, **body}
    return asked(client, "authorization_code", **body)


def test_staff_log_in_and_the_webapp_gets_a_token_in_their_name(client: Client, staff: User):
    shown = page(client)
    assert staff.username not in shown.content.decode()
    parameters = returned(sent(client, shown, username="ada", password="open sesame"))
    assert parameters == {"code": parameters["code"], "state": "a b&c", "iss": "https://auth.localhost"}
    answer = redeemed(client, parameters["code"])
    said, body = claims(answer), answer.json()
    assert said["owner"] == {"id": ids.encode(staff.pk), "type": "User"}
    assert said["user"] == {"id": ids.encode(staff.pk)}
    assert (said["application"]["kind"], said["application"]["public"]) == ("webapp", False)
    assert (body["owner_id"], body["owner_type"]) == (ids.encode(staff.pk), "user")
    assert reading(body["access_token"], "coupons").status_code == 200
    assert refreshed(client, body["refresh_token"], client_id="app", client_secret="s3cret").status_code == 200


def test_who_is_logged_in_already_is_asked_all_the_same(client: Client, staff: User):
    client.force_login(staff)
    shown = page(client)
    assert "Continue as ada" in shown.content.decode()
    assert "password" not in form_of(shown)
    assert redeemed(client, returned(sent(client, shown))["code"]).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"username": "nobody"}, {"username": "clerk"}, {"username": "gone"}]
)
def test_who_is_not_staff_gets_no_code(client: Client, staff: User, wrong: dict[str, str]):
    User.objects.create_user("clerk", password="open sesame")
    User.objects.create_user("gone", password="open sesame", is_staff=True, is_active=False)
    answer = sent(client, page(client), **{"username": "ada", "password": "open sesame", **wrong})
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors()
    assert not IssuedGrant.objects.exists()


def test_the_page_is_protected_against_forgery_and_framing(staff: User):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    shown = page(client)
    assert shown.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in shown.headers["Cache-Control"]
    forged = client.post(shown.wsgi_request.get_full_path(), {})
    assert forged.status_code == 403
    assert not IssuedGrant.objects.exists()


def test_guessing_at_the_page_ends_too(client: Client, staff: User, settings: LazySettings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"passwords": "2/600"}
    shown = page(client)
    answers = [sent(client, shown, username="ada", password="wrong").status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert sent(client, shown, username="ada", password="open sesame").headers["Retry-After"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": ""},
        {"client_id": "nobody"},
        {"client_id": "shop"},
        {"redirect_uri": "https://evil.example.com/"},
        {"redirect_uri": f"{CALLBACK}&more=1"},
        {"redirect_uri": "https://app.example.com/callback"},
        {"redirect_uri": "callback"},
        {"redirect_uri": ""},
    ],
)
def test_a_webapp_or_address_that_is_not_known_is_sent_nothing(
    client: Client, channel: Application, staff: User, parameters: dict[str, str]
):
    client.force_login(staff)
    shown = page(client, **parameters)
    assert shown.status_code == 400
    assert "<form" not in shown.content.decode()
    assert client.post(shown.wsgi_request.get_full_path(), {}).status_code == 400
    assert not IssuedGrant.objects.exists()


def test_the_only_address_of_a_webapp_need_not_be_told(client: Client, staff: User, webapp: Application):
    Application.objects.filter(pk=webapp.pk).update(redirect_uris=CALLBACK)
    assert redeemed(client, code_of(client, redirect_uri=""), redirect_uri="").status_code == 200


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unauthorized_client"),
        ({"response_type": ""}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "market:code:none"}, "invalid_scope"),
    ],
)
def test_what_else_is_wrong_is_told_to_the_webapp(
    client: Client, staff: User, parameters: dict[str, str], problem: str
):
    told = returned(page(client, **parameters))
    assert (told["error"], told["state"]) == (problem, "a b&c")


def test_a_code_is_exchanged_once_and_twice_ends_all(client: Client, staff: User):
    code = code_of(client)
    session = redeemed(client, code).json()
    assert_refused(redeemed(client, code), "invalid_grant")
    assert refused(reading(session["access_token"], "coupons")) == (401, "INVALID_TOKEN", None)
    assert_refused(
        refreshed(client, session["refresh_token"], client_id="app", client_secret="s3cret"), "invalid_grant"
    )


def test_a_code_ends_after_ten_minutes(client: Client, staff: User, travel: Callable[[datetime], None]):
    early, late = code_of(client), code_of(client)
    travel(NOW + timedelta(minutes=10, seconds=-1))
    assert redeemed(client, early).status_code == 200
    travel(NOW + timedelta(minutes=10))
    assert_refused(redeemed(client, late), "invalid_grant")


def test_a_code_is_worth_nothing_elsewhere(client: Client, acme: Organization, channel: Any, staff: User):
    factories.application(acme, "webapp", client_id="other", client_secret="s3cret", redirect_uris=CALLBACK)
    code = code_of(client)
    assert_refused(redeemed(client, code, client_id="other"), "invalid_grant")
    assert_refused(redeemed(client, code, client_id="shop"), "unauthorized_client")
    assert_refused(redeemed(client, code, client_secret=""), "invalid_client", 401)
    assert_refused(redeemed(client, code, redirect_uri="https://a.example.com/"), "invalid_request")
    assert_refused(refreshed(client, code, client_id="app", client_secret="s3cret"), "invalid_grant")
    assert redeemed(client, code).status_code == 200


def test_the_code_of_a_user_who_left_is_worth_nothing(client: Client, staff: User):
    code = code_of(client)
    User.objects.update(is_active=False)
    assert_refused(redeemed(client, code), "invalid_grant")


def test_the_scope_of_a_code_is_that_of_the_page(client: Client, acme: Organization, staff: User):
    market = factories.market(acme, code="eu")
    answer = redeemed(client, code_of(client, scope="market:code:eu"))
    assert (answer.json()["scope"], claims(answer)["market"]["id"]) == ("market:code:eu", [market.public_id])
