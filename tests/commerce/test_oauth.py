import base64
import json
from typing import Any

import jwt
import pytest
from django.conf import LazySettings
from django.contrib.auth import hashers
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from commerce import auth, clock, ids
from commerce.api import registry
from commerce.models import Application, IssuedToken, Market, Organization, Role
from tests import factories

INVALID_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, "
    "or unsupported authentication method."
)


pytestmark = pytest.mark.usefixtures("unlimited")


@pytest.fixture
def integration(acme: Organization) -> Application:
    return factories.application(acme, client_id="main", client_secret="s3cret")


@pytest.fixture
def channel(acme: Organization) -> Application:
    return factories.application(acme, "sales_channel", client_id="shop", client_secret="s3cret")


def asked(client: Client, **body: Any) -> Any:
    body = {"grant_type": "client_credentials", **body}
    return client.post("/oauth/token", json.dumps(body), content_type="application/json")


def basic(client_id: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def claims(answer: Any) -> dict[str, Any]:
    return jwt.decode(answer.json()["access_token"], options={"verify_signature": False})


def refusal(title: str, detail: str, code: str, status: int) -> dict[str, Any]:
    return {
        "errors": [{"title": title, "detail": detail, "code": code, "status": status}],
        "error": title,
        "error_description": detail,
    }


# --- Tokens ---------------------------------------------------------------------------------------


def test_json_credentials_get_a_token(client: Client, integration: Application):
    answer = asked(client, client_id="main", client_secret="s3cret")
    body = answer.json()
    said = claims(answer)
    assert answer.status_code == 200
    assert body == {
        "access_token": auth.bearer(IssuedToken.objects.get()),
        "token_type": "Bearer",
        "expires_in": 14400,
        "scope": "market:all",
        "created_at": said["iat"],
    }
    assert said["exp"] - said["iat"] == 14400
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_form_a_multipart_form_and_basic_get_the_same_token(client: Client, integration: Application):
    credentials = {"client_id": "main", "client_secret": "s3cret"}
    form = {"grant_type": "client_credentials"}
    urlencoded = "application/x-www-form-urlencoded"
    answers = [
        asked(client, **credentials),
        client.post("/oauth/token", form | credentials),
        client.post("/oauth/token/", "grant_type=client_credentials&client_id=main&client_secret=s3cret", urlencoded),
        client.post("/oauth/token", form, HTTP_AUTHORIZATION=basic("main", "s3cret")),
        client.post("/oauth/token", form | {"client_id": "main"}, HTTP_AUTHORIZATION=basic("main", "s3cret")),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.json()["access_token"] for answer in answers}) == 1
    assert IssuedToken.objects.count() == 1


def test_unknown_and_empty_parameters_are_ignored(client: Client, integration: Application):
    answer = asked(client, client_id="main", client_secret="s3cret", slug="acme", scope="", nested={"a": [1]})
    assert answer.status_code == 200
    assert answer.json()["scope"] == "market:all"


def test_a_query_string_is_not_read(client: Client, integration: Application):
    answer = client.post("/oauth/token?grant_type=client_credentials&client_id=main&x=%zz&client_secret=s3cret")
    assert answer.status_code == 400


def test_a_public_application_needs_its_client_id_alone(client: Client, channel: Application):
    assert claims(asked(client, client_id="shop"))["application"]["public"] is True


def test_a_public_application_that_sends_its_secret_is_confidential(client: Client, channel: Application):
    said = claims(asked(client, client_id="shop", client_secret="s3cret"))["application"]
    assert (said["public"], said["confidential"]) == (False, True)


# --- Scopes ---------------------------------------------------------------------------------------


@pytest.fixture
def europe(acme: Organization) -> Market:
    return factories.market(acme, code="eu_1.b-2")


def assert_no_scope(answer: Any) -> None:
    assert answer.status_code == 400
    detail = "The requested scope is invalid, unknown, or malformed."
    assert answer.json() == refusal("invalid_scope", detail, "BAD_REQUEST", 400)
    assert not IssuedToken.objects.exists()


def test_the_default_scopes_are_the_applications(client: Client, acme: Organization, europe: Market):
    factories.application(acme, "sales_channel", client_id="eu", scopes="market:code:eu_1.b-2")
    answer = asked(client, client_id="eu")
    assert (answer.json()["scope"], claims(answer)["market"]["id"]) == ("market:code:eu_1.b-2", [europe.public_id])


@pytest.mark.parametrize("scope", ["market:{0.pk}", "market:id:{0.public_id}", "market:code:{0.code}"])
def test_a_market_is_named_by_key_id_or_code_and_told_by_its_id(
    client: Client, channel: Application, europe: Market, scope: str
):
    scope = scope.format(europe)
    answer = asked(client, client_id="shop", scope=scope)
    assert (answer.json()["scope"], claims(answer)["scope"]) == (scope, scope)
    assert claims(answer)["market"] == {
        "id": [europe.public_id],
        "stock_location_ids": [],
        "geocoder_id": None,
        "allows_external_prices": False,
    }


def test_several_markets_and_stock_locations_are_told(client: Client, acme: Organization, channel: Any, europe: Market):
    asia, store = factories.market(acme), factories.stock_location(acme, code="milan")
    scope = (
        f"market:id:{asia.public_id},market:code:{europe.code}  stock_location:code:milan,market:id:{asia.public_id}"
    )
    answer = asked(client, client_id="shop", scope=scope)
    told = claims(answer)["market"]
    assert answer.json()["scope"] == (f"market:id:{asia.public_id} market:code:{europe.code} stock_location:code:milan")
    assert sorted(told["id"]) == sorted([asia.public_id, europe.public_id])
    assert told["stock_location_ids"] == [store.public_id]


@pytest.mark.parametrize("client_id", ["shop", "main"])
def test_all_markets_are_told_by_their_scope_alone(client: Client, channel: Any, integration: Any, client_id: str):
    answer = asked(client, client_id=client_id, client_secret="s3cret", scope="market:all")
    assert answer.json()["scope"] == "market:all"
    assert "market" not in claims(answer)


@pytest.mark.parametrize(
    "scope",
    [
        *("admin", "market:", "market:id:", "store:all", "market:id:é", "market:all x", "a" * 9999),
        *("market:12", "market:99999999999999999999999", "market:id:xYZxYZxYZx", "market:id:1", "market:code:none"),
        *("store:id:a", "store:code:a", "market:all store:code:a", "market:code:eu_1.b-2 market:code:none"),
        *("stock_location:id:a", "stock_location:code:a", "market:code:eu_1.b-2 stock_location:code:a"),
    ],
)
@pytest.mark.parametrize("client_id", ["shop", "main"])
def test_any_other_scope_is_refused(
    client: Client, channel: Any, integration: Any, europe: Market, client_id: str, scope: str
):
    assert_no_scope(asked(client, client_id=client_id, client_secret="s3cret", scope=scope))


@pytest.mark.parametrize("client_id", ["shop", "main"])
def test_a_market_of_another_tenant_or_disabled_is_unknown(
    client: Client, acme: Organization, channel: Any, integration: Any, client_id: str
):
    disabled = factories.market(acme, disabled_at=factories.NOW)
    theirs = [factories.market(factories.organization()), factories.market(acme, mode="live")]
    for market in (disabled, *theirs):
        scope = f"market:id:{market.public_id}"
        assert_no_scope(asked(client, client_id=client_id, client_secret="s3cret", scope=scope))


def test_a_private_market_is_unknown_to_a_sales_channel_and_known_to_an_integration(
    client: Client, acme: Organization, channel: Application, integration: Application
):
    factories.market(acme, code="club", customer_group=factories.customer_group(acme))
    assert_no_scope(asked(client, client_id="shop", scope="market:code:club"))
    assert asked(client, client_id="main", client_secret="s3cret", scope="market:code:club").status_code == 200


def test_a_sales_channel_needs_a_market(client: Client, acme: Organization, channel: Application, integration: Any):
    factories.stock_location(acme, code="milan")
    assert_no_scope(asked(client, client_id="shop", scope="stock_location:code:milan"))
    answer = asked(client, client_id="main", client_secret="s3cret", scope="stock_location:code:milan")
    assert claims(answer)["market"]["stock_location_ids"] != []


def test_no_scope_leads_beyond_those_of_the_application(client: Client, acme: Organization, europe: Market):
    asia = factories.market(acme, code="asia")
    scopes = f"market:code:{europe.code} market:code:gone"
    factories.application(acme, "sales_channel", client_id="eu", scopes=scopes)
    for scope in ("market:all", "market:code:asia", f"market:id:{asia.public_id} market:id:{europe.public_id}"):
        assert_no_scope(asked(client, client_id="eu", scope=scope))
    assert asked(client, client_id="eu", scope=f"market:id:{europe.public_id}").status_code == 200


# --- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"client_id": "nobody"},
        {"client_id": "nobody", "client_secret": "s3cret"},
        {"client_id": "main"},
        {"client_id": "main", "client_secret": ""},
        {"client_id": "main", "client_secret": "s3cre"},
        {"client_id": "main", "client_secret": "s3cret "},
        {"client_id": "shop", "client_secret": "wrong"},
        {"client_secret": "s3cret"},
    ],
)
def test_a_wrong_client_is_refused(client: Client, integration: Any, channel: Any, credentials: dict[str, str]):
    answer = asked(client, **credentials)
    assert answer.status_code == 401
    assert answer.json() == refusal("invalid_client", INVALID_CLIENT, "UNAUTHORIZED", 401)
    assert "WWW-Authenticate" not in answer.headers
    assert not IssuedToken.objects.exists()


@pytest.mark.parametrize(
    "header",
    [
        basic("main", "wrong"),
        basic("nobody", ""),
        basic("main", ""),
        "Basic !",
        "Basic",
        "basic w6k=",
        "Basic /w==",
        basic("main%00", "s3cret"),
        basic("main", "s3cret\0"),
    ],
)
def test_a_wrong_client_by_basic_is_challenged(client: Client, integration: Application, header: str):
    answer = client.post("/oauth/token", {"grant_type": "client_credentials"}, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="oauth"'


def test_two_clients_in_one_request_are_refused(client: Client, integration: Application, channel: Application):
    body = {"grant_type": "client_credentials", "client_id": "shop"}
    assert client.post("/oauth/token", body, HTTP_AUTHORIZATION=basic("main", "s3cret")).status_code == 401


@pytest.mark.parametrize("grant", ["implicit", "x", "urn:ietf:params:oauth:grant-type:device_code"])
def test_a_grant_that_is_not_spoken_is_refused(client: Client, integration: Application, grant: str):
    answer = asked(client, grant_type=grant, client_id="main", client_secret="s3cret")
    assert answer.status_code == 400
    detail = "The authorization grant type is not supported by the authorization server."
    assert answer.json() == refusal("unsupported_grant_type", detail, "BAD_REQUEST", 400)


def test_the_grant_type_is_required(client: Client, integration: Application):
    answer = asked(client, grant_type=None, client_id="main", client_secret="s3cret")
    assert answer.json() == refusal("invalid_request", "Request is missing grant type.", "BAD_REQUEST", 400)


@pytest.mark.parametrize("name", ["client_id", "client_secret", "scope", "grant_type"])
@pytest.mark.parametrize("value", [1, True, [], {}, ["a"], "a\0b", "\ud800"])
def test_a_parameter_that_is_no_text_is_named(client: Client, integration: Application, name: str, value: Any):
    answer = asked(client, **{"client_id": "main", "client_secret": "s3cret", name: value})
    assert answer.status_code == 400
    assert answer.json() == refusal("invalid_request", f"{name} must be text.", "BAD_REQUEST", 400)


@pytest.mark.parametrize(
    "body", ["{", "[1]", '"x"', "1", "null", "[" * 50_000, "9" * 10_000, b"\xff\xfe\xfa", '{"a":' * 9999]
)
def test_a_malformed_json_body_is_a_bad_request(client: Client, db: None, body: Any):
    answer = client.post("/oauth/token", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["title"] == "invalid_request"


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "", "application/x-www-form-urlencoded; charset=utf-16", "multipart/form-data", "a/b; charset=nope"],
)
def test_a_body_of_another_type_is_a_bad_request(client: Client, db: None, content_type: str):
    body = b"grant_type=client_credentials\xff"
    assert client.generic("POST", "/oauth/token", body, content_type).status_code == 400


def test_a_huge_body_is_a_bad_request(client: Client, integration: Application):
    assert asked(client, client_id="main", client_secret="x" * 100_000).status_code == 400
    form = {f"a{number}": "b" for number in range(2000)}
    assert client.post("/oauth/token", form | {"grant_type": "client_credentials"}).status_code == 400


@given(st.binary(max_size=300), st.sampled_from(["application/json", "application/x-www-form-urlencoded", "x"]))
@examples(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_the_endpoint(client: Client, acme: Organization, body: bytes, content_type: str):
    for path in ("/oauth/token", "/oauth/revoke"):
        assert client.post(path, body, content_type).status_code in (400, 401, 403)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("get", "/oauth/token", "POST"), ("get", "/oauth/revoke", "POST"), ("post", "/oauth/tokeninfo", "GET")],
)
def test_another_method_is_refused(client: Client, db: None, method: str, path: str, allowed: str):
    answer = getattr(client, method)(path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert answer.json() == refusal("method_not_allowed", f"Use {allowed}.", "METHOD_NOT_ALLOWED", 405)


def test_secrets_are_stored_hashed_and_compared_in_constant_time(
    client: Client, integration: Application, monkeypatch: pytest.MonkeyPatch
):
    stored = Application.objects.get().client_secret
    assert "s3cret" not in stored
    assert hashers.check_password("s3cret", stored)
    compared: list[Any] = []
    genuine = hashers.constant_time_compare
    monkeypatch.setattr(hashers, "constant_time_compare", lambda *pair: compared.append(pair) or genuine(*pair))
    assert asked(client, client_id="main", client_secret="wrong").status_code == 401
    assert len(compared) == 1


# --- Rate limits ----------------------------------------------------------------------------------


def test_each_client_of_an_address_has_its_own_limit(client: Client, channel: Application, settings: LazySettings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"oauth": "2/600"}
    answers = [asked(client, client_id="shop") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-Ratelimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["X-Ratelimit-Limit"] == "2"
    assert answers[2].headers["X-Ratelimit-Interval"] == "600"
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 600
    assert answers[2].json() == {"errors": {"title": "Too Many Requests", "code": "THROTTLED", "status": 429}}
    assert asked(client, client_id="nobody").status_code == 401
    elsewhere = {"grant_type": "client_credentials", "client_id": "shop"}
    assert client.post("/oauth/token", elsewhere, REMOTE_ADDR="198.51.100.7").status_code == 200


def test_guessing_a_secret_is_limited_however_it_is_sent(
    client: Client, integration: Application, settings: LazySettings
):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"oauth": "2/600"}
    form = {"grant_type": "client_credentials"}
    assert asked(client, client_id="main", client_secret="a").status_code == 401
    assert client.post("/oauth/token", form, HTTP_AUTHORIZATION=basic("main", "b")).status_code == 401
    assert client.post("/oauth/token", form, HTTP_AUTHORIZATION=basic("main", "c")).status_code == 429


# --- Revoking, telling, keys ----------------------------------------------------------------------


def told(client: Client, token: str) -> Any:
    return client.get("/oauth/tokeninfo", HTTP_AUTHORIZATION=f"Bearer {token}")


def revoked(client: Client, **body: Any) -> Any:
    return client.post("/oauth/revoke", json.dumps(body), content_type="application/json")


def test_a_revoked_token_ends_and_the_next_is_another(client: Client, integration: Application):
    credentials = {"client_id": "main", "client_secret": "s3cret"}
    token = asked(client, **credentials).json()["access_token"]
    assert told(client, token).status_code == 200
    answer = revoked(client, token=token, **credentials)
    assert (answer.status_code, answer.json()) == (200, {})
    assert told(client, token).status_code == 401
    assert asked(client, **credentials).json()["access_token"] != token


def test_a_public_application_revokes_by_its_client_id(client: Client, channel: Application):
    token = asked(client, client_id="shop").json()["access_token"]
    assert revoked(client, client_id="shop", token=token).status_code == 200
    assert told(client, token).status_code == 401


def test_revoking_what_is_no_token_is_done_already(client: Client, channel: Application):
    answer = revoked(client, client_id="shop", token="nonsense")
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"client_id": "main"},
        {"client_id": "main", "client_secret": "x"},
        {"client_id": "shop"},
        {"client_id": "no"},
    ],
)
def test_a_wrong_client_revokes_nothing(
    client: Client, integration: Application, channel: Application, credentials: dict[str, str]
):
    token = asked(client, client_id="main", client_secret="s3cret").json()["access_token"]
    answer = revoked(client, token=token, **credentials)
    assert answer.status_code == 403
    detail = "You are not authorized to revoke this token"
    assert answer.json() == refusal("unauthorized_client", detail, "FORBIDDEN", 403)
    assert told(client, token).status_code == 200


def test_revoking_needs_a_token(client: Client, channel: Application):
    answer = revoked(client, client_id="shop")
    assert answer.json() == refusal("invalid_request", "Missing token parameter.", "BAD_REQUEST", 400)


def test_tokeninfo_tells_what_a_token_may_do(client: Client, acme: Organization):
    role = Role.objects.create(
        organization=acme, name="Editors", permissions={"coupons": ["read", "create"], "versions": list("x")}
    )
    application = factories.application(acme, name="Main", role=role)
    token = auth.issue(application, "market:all", clock.now(), is_public=False)
    answer = told(client, auth.bearer(token))
    permissions = answer.json().pop("permissions")
    assert answer.status_code == 200
    assert {**answer.json(), "permissions": None} == {
        "token": {"test": True, "market_ids": [], "stock_location_ids": [], "lifespan": 14400},
        "role": {"id": ids.encode(role.pk), "kind": "custom", "name": "Editors"},
        "application": {"id": application.public_id, "kind": "integration", "name": "Main", "core": False},
        "permissions": None,
        "accessible_apps": [],
    }
    assert permissions == {"coupons": {"actions": ["create", "read"]}}


def test_tokeninfo_of_a_sales_channel_tells_what_shoppers_may_do_and_where(
    client: Client, channel: Application, europe: Market
):
    answer = asked(client, client_id="shop", scope="market:code:eu_1.b-2").json()
    said = told(client, answer["access_token"]).json()
    assert said["role"] == {"id": None, "kind": "sales_channel", "name": "Sales channel"}
    assert said["token"]["market_ids"] == [europe.public_id]
    permissions = {name: " ".join(told["actions"]) for name, told in said["permissions"].items()}
    expected = {
        **dict.fromkeys(("organizations", "applications", "skus", "sku_options", "prices", "bundles"), "read"),
        **dict.fromkeys(("sku_lists", "payment_methods", "shipping_methods"), "read"),
        "customers": "create",
        "addresses": "create read update",
        **dict.fromkeys(("orders", "gift_cards"), "create read update"),
        **dict.fromkeys(("line_items", "line_item_options"), "create read update destroy"),
        "shipments": "read update",
    }
    assert permissions == {name: actions for name, actions in expected.items() if name in registry}


def test_tokeninfo_without_a_valid_token_is_refused(client: Client, db: None):
    for answer in (client.get("/oauth/tokeninfo"), told(client, "nonsense")):
        assert answer.status_code == 401
        [error] = answer.json()["errors"]
        assert (error["code"], error["status"]) == ("INVALID_TOKEN", 401)


def test_a_token_is_verified_by_the_published_key_of_its_kid(client: Client, channel: Application):
    token = asked(client, client_id="shop").json()["access_token"]
    answer = client.get("/.well-known/jwks.json")
    [key] = answer.json()["keys"]
    assert key["kid"] == jwt.get_unverified_header(token)["kid"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS512", "sig")
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)
    said = jwt.decode(token, RSAAlgorithm.from_jwk(key), algorithms=["RS512"], options={"verify_iat": False})
    assert said["application"]["client_id"] == "shop"
