import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from jwcrypto.jwk import JWK

from commerce import auth, ids, keys
from commerce.errors import AccessDenied, InvalidToken
from commerce.models import Application, IssuedToken, Organization, Role, Tenant
from commerce.models.access import ACTIONS
from commerce.permissions import Shopper
from tests import factories
from tests.factories import NOW

SECOND = timedelta(seconds=1)


def request(token: str, **meta: str) -> HttpRequest:
    return RequestFactory().get("/api/coupons", HTTP_AUTHORIZATION=f"Bearer {token}", **meta)


def issued(application: Application, **values: Any) -> IssuedToken:
    values = {"scope": "market:all", "now": NOW, "is_public": application.is_public, **values}
    return auth.issue(application, **values)


def bearer(application: Application) -> str:
    return auth.bearer(issued(application))


def caller(application: Application) -> auth.Caller:
    return auth.authenticate(request(bearer(application)), NOW)


def is_accepted(token: str, now: Any = NOW, **meta: str) -> bool:
    try:
        auth.authenticate(request(token, **meta), now)
    except InvalidToken:
        return False
    return True


def role(owner: Organization, name: str = "Editors", **permissions: list[str]) -> Role:
    return Role.objects.create(organization=owner, name=name, permissions=permissions)


@pytest.fixture
def ring(settings: LazySettings) -> Any:
    """Makes the process sign and verify by other key files, as after a restart."""

    def turned(*files: Path) -> None:
        settings.SIGNING_KEY_FILES = list(files)
        auth.keyring.cache_clear()
        auth._checked.cache_clear()

    yield turned
    auth.keyring.cache_clear()
    auth._checked.cache_clear()


def key_file(path: Path) -> Path:
    return keys.kept_signing_key(path)


# --- Claims ---------------------------------------------------------------------------------------


def test_an_integrations_token_claims_exactly_this(acme: Organization, settings: LazySettings):
    application = factories.application(acme, role=role(acme))
    token = bearer(application)
    claims = jwt.decode(token, options={"verify_signature": False})
    number = claims.pop("rand")
    assert len(number) == 32
    assert claims == {
        "organization": {"id": ids.encode(acme.pk), "slug": "acme", "enterprise": True, "region": "eu-west-1"},
        "application": {
            "id": application.public_id,
            "client_id": application.client_id,
            "kind": "integration",
            "public": False,
            "confidential": True,
        },
        "scope": "market:all",
        "exp": int(NOW.timestamp()) + 4 * 3600,
        "iat": int(NOW.timestamp()),
        "test": True,
        "iss": settings.ISSUER,
        "role": "Editors",
    }
    assert jwt.get_unverified_header(token) == {
        "alg": "RS512",
        "typ": "JWT",
        "kid": auth.keyring().public()[0]["kid"],
    }


def test_a_live_application_without_a_role_claims_neither_test_nor_role(acme: Organization):
    claims = issued(factories.application(acme, mode="live")).claims
    assert claims["test"] is False
    assert "role" not in claims


def test_a_sales_channel_is_public_until_it_proves_itself(acme: Organization):
    application = factories.application(acme, "sales_channel")
    public, proven = issued(application, is_public=True), issued(application, is_public=False)
    assert (public.claims["application"]["public"], public.claims["application"]["confidential"]) == (True, False)
    assert (proven.claims["application"]["public"], proven.claims["application"]["confidential"]) == (False, True)


def test_only_the_claims_of_a_token_are_stored(acme: Organization):
    token = bearer(factories.application(acme))
    row = IssuedToken.objects.values().get()
    assert row["claims"] == jwt.decode(token, options={"verify_signature": False})
    assert not any(token in str(value) or token.rpartition(".")[2] in str(value) for value in row.values())


# --- The same token -------------------------------------------------------------------------------


def test_the_same_token_is_given_until_fifteen_minutes_before_expiry(acme: Organization):
    application = factories.application(acme, token_lifetime=7200)
    first = auth.bearer(issued(application))
    last_moment = NOW + timedelta(seconds=7200 - 15 * 60)
    assert auth.bearer(issued(application, now=last_moment - SECOND)) == first
    renewed = issued(application, now=last_moment)
    assert auth.bearer(renewed) != first
    assert renewed.expires_at == last_moment + timedelta(seconds=7200)


def test_another_scope_application_or_proof_gets_another_token(acme: Organization):
    application = factories.application(acme, "sales_channel")
    tokens = [
        issued(application),
        issued(application, scope="market:id:abc"),
        issued(application, is_public=False),
        issued(factories.application(acme, "sales_channel")),
    ]
    assert len({token.number for token in tokens}) == 4
    assert issued(application, scope="market:id:abc") == tokens[1]


def test_a_changed_role_or_slug_gets_another_token(acme: Organization):
    application = factories.application(acme)
    plain = issued(application)
    application.role = role(acme)
    by_role = issued(application)
    acme.slug = "acme-2"
    renamed = issued(application)
    assert len({plain.number, by_role.number, renamed.number}) == 3
    assert renamed.claims["organization"]["slug"] == "acme-2"


def test_a_revoked_token_is_not_given_again(acme: Organization):
    application = factories.application(acme)
    first = issued(application)
    auth.revoke(auth.bearer(first), application, NOW)
    assert issued(application).number != first.number


@pytest.mark.django_db(transaction=True)
def test_askers_that_meet_are_given_the_same_token():
    application = factories.application(factories.organization())

    def ask(_: int) -> str:
        try:
            return auth.bearer(issued(Application.objects.get(pk=application.pk)))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("token_lifetime", 7199), ("token_lifetime", 365 * 86400 + 1), ("scopes", "all"), ("scopes", ""), ("kind", "x")],
)
def test_an_application_outside_the_rules_is_refused_by_name(acme: Organization, name: str, value: Any):
    application = factories.application(acme)
    application.full_clean()
    setattr(application, name, value)
    with pytest.raises(ValidationError) as refused:
        application.full_clean()
    assert list(refused.value.message_dict) == [name]


def test_issuing_a_token_clears_away_those_that_expired(acme: Organization):
    application = factories.application(acme)
    issued(application)
    last = issued(application, now=NOW + timedelta(hours=5))
    assert list(application.issued_tokens.all()) == [last]


# --- Who calls ------------------------------------------------------------------------------------


def test_a_caller_is_its_tenant_and_application(acme: Organization):
    application = factories.application(acme, mode="live", role=role(acme))
    token = issued(application)
    assert auth.authenticate(request(auth.bearer(token)), NOW) == auth.Caller(
        tenant=Tenant(acme.pk, "live"),
        kind="integration",
        role="Editors",
        application_id=application.pk,
        number=token.number,
        who={"application": {"id": application.public_id, "kind": "integration", "public": False}},
        owner=None,
        market_ids=None,
        reach=Tenant(acme.pk, "live"),
    )


def test_the_owner_of_a_token_is_told_to_versions(acme: Organization):
    claims = issued(factories.application(acme)).claims | {"owner": {"id": ids.encode(7), "type": "Customer", "x": 1}}
    caller = auth.authenticate(request(auth.keyring().sign(claims)), NOW)
    assert caller.who["owner"] == {"id": ids.encode(7), "type": "Customer"}
    assert caller.customer_id == 7


def test_a_token_ends_at_the_instant_it_says(acme: Organization):
    token = issued(factories.application(acme))
    assert is_accepted(auth.bearer(token), token.expires_at - timedelta(milliseconds=1))
    assert not is_accepted(auth.bearer(token), token.expires_at)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "bearer\t"])
def test_no_bearer_token_is_an_invalid_token(header: str):
    with pytest.raises(InvalidToken):
        auth.authenticate(RequestFactory().get("/", HTTP_AUTHORIZATION=header), NOW)
    with pytest.raises(InvalidToken):
        auth.authenticate(RequestFactory().get("/"), NOW)


def test_the_scheme_is_bearer_in_any_case(acme: Organization):
    token = bearer(factories.application(acme))
    assert auth.authenticate(RequestFactory().get("/", HTTP_AUTHORIZATION=f"bearer {token}"), NOW).tenant[0] == acme.pk


def test_a_host_of_another_organization_refuses_the_token(acme: Organization):
    factories.organization(slug="other")
    token = bearer(factories.application(acme))
    hosts = ["acme.example.com", "ACME.localhost:8443", "acme", "auth.example.com", "127.0.0.1:8000", "otherwise.test"]
    assert [is_accepted(token, HTTP_HOST=host) for host in hosts] == [True] * 6
    hosts = ["other.example.com", "OTHER.localhost:8443", "other", "other:80"]
    assert [is_accepted(token, HTTP_HOST=host) for host in hosts] == [False] * 4


def test_tokens_of_a_deleted_application_are_refused(acme: Organization):
    application = factories.application(acme)
    token = bearer(application)
    assert is_accepted(token)
    Application.objects.filter(pk=application.pk).delete()
    auth.snapshot.forget()
    assert not is_accepted(token)


def test_a_token_younger_than_the_snapshot_is_known_at_once(acme: Organization):
    assert is_accepted(bearer(factories.application(acme)))
    younger = factories.application(acme, role=role(acme, coupons=["read"]))
    assert caller(younger).permits("read", "coupons")


def test_a_checked_token_costs_no_query(acme: Organization, django_assert_num_queries: Any):
    application = factories.application(acme, role=role(acme, coupons=["read"]))
    asking = request(bearer(application), HTTP_HOST="acme.example.com")
    auth.authenticate(asking, NOW)
    with django_assert_num_queries(0):
        for _ in range(100):
            assert auth.authenticate(asking, NOW).permits("read", "coupons")


def test_the_snapshot_is_read_again_after_a_second(
    acme: Organization, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
):
    asking = request(bearer(factories.application(acme)))
    auth.authenticate(asking, NOW)
    monkeypatch.setattr(auth, "REFRESH_SECONDS", 0)
    auth.snapshot.forget()
    with django_assert_num_queries(10):
        auth.authenticate(asking, NOW)
        auth.authenticate(asking, NOW)


# --- Revoking -------------------------------------------------------------------------------------


def test_a_revoked_token_is_refused_at_once_in_the_same_process(acme: Organization):
    application = factories.application(acme)
    token = bearer(application)
    assert is_accepted(token)
    auth.revoke(token, application, NOW)
    assert not is_accepted(token)


def test_an_application_revokes_its_own_tokens_only(acme: Organization):
    mine, theirs = factories.application(acme), factories.application(acme)
    token = bearer(theirs)
    with pytest.raises(AccessDenied):
        auth.revoke(token, mine, NOW)
    auth.revoke("no.token", mine, NOW)
    assert is_accepted(token)


WATCHER = """
import sys, time, django
django.setup()
from django.core.management import call_command
from django.test import RequestFactory
from commerce import auth, clock
from commerce.errors import InvalidToken
call_command("migrate", verbosity=0)
call_command("create_organization", "acme", stdout=sys.stderr)
call_command("create_application", "Main", organization="acme", kind="integration", stdout=sys.stderr)
call_command("issue_token", organization="acme")
sys.stdout.flush()
token = sys.stdin.readline().strip()
request = RequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")
auth.authenticate(request, clock.now())
print("watching", flush=True)
deadline = time.time() + 20
try:
    while time.time() < deadline:
        auth.authenticate(request, clock.now())
        time.sleep(0.005)
except InvalidToken:
    print(time.time(), flush=True)
"""

REVOKER = """
import sys, time, django
django.setup()
from commerce import auth, clock
from commerce.models import Application
print("ready", flush=True)
token = sys.stdin.readline().strip()
auth.revoke(token, Application.objects.get(), clock.now())
print(time.time(), flush=True)
"""


def process(script: str, data: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "EMBEDDED")}
    environment |= {"DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": ""}
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=environment | {"SIGNING_KEY_FILES": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(asked: subprocess.Popen[str], line: str = "") -> str:
    assert asked.stdin
    assert asked.stdout
    if line:
        asked.stdin.write(f"{line}\n")
        asked.stdin.flush()
    return asked.stdout.readline().strip()


def test_another_process_refuses_a_revoked_token_within_a_second(tmp_path: Path):
    with process(WATCHER, tmp_path) as watcher:
        token = told(watcher)
        with process(REVOKER, tmp_path) as revoker:
            assert told(revoker) == "ready"
            assert told(watcher, token) == "watching"
            revoked_at = float(told(revoker, token))
        refused_at = float(told(watcher))
    assert refused_at - revoked_at < 1.2, "a second, and what two busy processes take to say so"


# --- Permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["integration", "webapp"])
def test_without_a_role_everything_is_permitted(acme: Organization, kind: str):
    assert all(caller(factories.application(acme, kind)).permits(action, "coupons") for action in ACTIONS)


@pytest.mark.parametrize("kind", ["integration", "webapp"])
def test_a_role_permits_what_it_lists(acme: Organization, kind: str):
    by_role = caller(factories.application(acme, kind, role=role(acme, coupons=["read", "update"], tags=[])))
    assert [action for action in ACTIONS if by_role.permits(action, "coupons")] == ["read", "update"]
    assert not any(by_role.permits(action, other) for action in ACTIONS for other in ("tags", "promotions"))


def test_a_role_of_that_name_elsewhere_permits_nothing(acme: Organization):
    other = factories.organization()
    role(other, coupons=["read"])
    assert not caller(factories.application(acme, role=role(acme))).permits("read", "coupons")


def test_a_changed_or_deleted_role_changes_what_its_tokens_permit(acme: Organization):
    application = factories.application(acme, role=role(acme, coupons=["read"]))
    who = caller(application)
    assert who.permits("read", "coupons")
    Role.objects.update(permissions={"coupons": ["create"]})
    auth.snapshot.forget()
    assert caller(application).permits("create", "coupons")
    assert not who.permits("read", "coupons")
    Application.objects.update(role=None)
    Role.objects.all().delete()
    auth.snapshot.forget()
    auth.authenticate(request(auth.bearer(IssuedToken.objects.get())), NOW)
    assert not any(who.permits(action, "coupons") for action in ACTIONS)


def test_no_role_opens_anything_to_a_sales_channel(acme: Organization):
    channel = caller(factories.application(acme, "sales_channel", role=role(acme, coupons=["read"])))
    assert channel.kind == Application.Kind.SALES_CHANNEL
    types = ["organizations", "applications", "coupons", "promotions", "tags", "versions", "events", "event_stores"]
    actions = ["list", "retrieve", "create", "update", "destroy"]
    permitted = [(action, type_) for action in actions for type_ in types if channel.permits(action, type_)]
    assert permitted == [("retrieve", "organizations"), ("retrieve", "applications")]


# --- In somebody's name, and where ----------------------------------------------------------------


def session_of(application: Application, **values: Any) -> auth.Caller:
    token = issued(application, session=auth.Session(**values))
    return auth.authenticate(request(auth.bearer(token)), NOW)


@pytest.mark.parametrize("kind", ["sales_channel", "webapp", "integration"])
def test_whoever_comes_in_the_name_of_a_customer_is_a_shopper(acme: Organization, kind: str):
    caller = session_of(factories.application(acme, kind), owner=auth.Owner("Customer", 7))
    assert caller.reach == Shopper(acme.pk, "test", 7, [], acme.pk, 0)
    assert caller.is_shopper
    assert not caller.permits("list", "coupons")


def test_a_sales_channel_reaches_the_markets_its_token_names(acme: Organization):
    application = factories.application(acme, "sales_channel")
    token = issued(application, scope="market:code:eu", session=auth.Session(markets=(3, 5)))
    caller = auth.authenticate(request(auth.bearer(token)), NOW)
    assert caller.market_ids == (3, 5)
    assert caller.reach == Shopper(acme.pk, "test", 0, [3, 5], 0, acme.pk)
    assert token.claims["market"] == {
        "id": [ids.encode(3), ids.encode(5)],
        "stock_location_ids": [],
        "geocoder_id": None,
        "allows_external_prices": False,
    }


def test_a_token_for_all_markets_names_none(acme: Organization):
    application = factories.application(acme, "sales_channel")
    assert "market" not in issued(application).claims
    assert caller(application).market_ids is None


def test_an_older_token_of_a_market_that_it_does_not_name_reaches_none(acme: Organization):
    token = issued(factories.application(acme, "sales_channel"), scope="market:code:eu")
    assert auth.authenticate(request(auth.bearer(token)), NOW).reach == Shopper(acme.pk, "test", 0, [], 0, acme.pk)


def test_a_user_of_the_admin_brings_the_permissions_of_the_application(acme: Organization):
    user = User.objects.create_user("ada", is_staff=True)
    auth.snapshot.forget()
    application = factories.application(acme, "webapp", role=role(acme, coupons=["read"]))
    token = issued(application, session=auth.Session(owner=auth.Owner("User", user.pk)))
    caller = auth.authenticate(request(auth.bearer(token)), NOW)
    assert token.claims["user"] == {"id": ids.encode(user.pk)}
    assert (caller.owner, caller.customer_id, caller.reach) == (("User", user.pk), None, caller.tenant)
    assert caller.permits("list", "coupons")
    assert not caller.permits("update", "coupons")


@pytest.mark.parametrize("lost", [{"is_active": False}, {"is_staff": False}])
def test_tokens_of_a_user_who_is_no_longer_staff_are_refused(acme: Organization, lost: dict[str, bool]):
    user = User.objects.create_user("ada", is_staff=True)
    auth.snapshot.forget()
    token = issued(factories.application(acme, "webapp"), session=auth.Session(owner=auth.Owner("User", user.pk)))
    assert is_accepted(auth.bearer(token))
    User.objects.update(**lost)
    auth.snapshot.forget()
    assert not is_accepted(auth.bearer(token))


def test_ending_an_owner_ends_their_tokens_and_nobody_elses(acme: Organization):
    shop, other = (factories.application(acme, "sales_channel") for _ in range(2))
    ada, bob = (auth.Session(owner=auth.Owner("Customer", key)) for key in (7, 8))
    tokens = [auth.bearer(issued(app, session=whose)) for app in (shop, other) for whose in (ada, bob, auth.NOBODYS)]
    auth.end(auth.Owner("Customer", 7), NOW)
    assert [is_accepted(token) for token in tokens] == [False, True, True, False, True, True]


def test_a_customers_token_costs_no_query(acme: Organization, django_assert_num_queries: Any):
    session = auth.Session(owner=auth.Owner("Customer", 7), markets=(3,))
    token = issued(factories.application(acme, "sales_channel"), scope="market:code:eu", session=session)
    asking = request(auth.bearer(token), HTTP_HOST="acme.example.com")
    auth.authenticate(asking, NOW)
    with django_assert_num_queries(0):
        assert auth.authenticate(asking, NOW).permits("retrieve", "customers")


# --- Keys -----------------------------------------------------------------------------------------


def test_a_rotated_key_still_verifies_by_its_kid(acme: Organization, tmp_path: Path, ring: Any):
    old, new = key_file(tmp_path / "old.pem"), key_file(tmp_path / "new.pem")
    application = factories.application(acme)
    ring(old)
    before = bearer(application)
    ring(new, old)
    after = bearer(application)
    assert jwt.get_unverified_header(before)["kid"] == auth.keyring().public()[1]["kid"]
    assert jwt.get_unverified_header(after)["kid"] == auth.keyring().public()[0]["kid"]
    assert before.split(".")[1] == after.split(".")[1]
    assert is_accepted(before)
    assert is_accepted(after)
    ring(new)
    assert not is_accepted(before)
    assert is_accepted(after)


def test_a_retired_key_may_be_its_public_half(acme: Organization, tmp_path: Path, ring: Any):
    old, new, public = key_file(tmp_path / "old.pem"), key_file(tmp_path / "new.pem"), tmp_path / "public.pem"
    private = serialization.load_pem_private_key(old.read_bytes(), None)
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(private.public_key().public_bytes(*form))
    ring(old)
    token = bearer(factories.application(acme))
    ring(new, public)
    assert is_accepted(token)
    ring(public, new)
    with pytest.raises(ImproperlyConfigured, match="first key"):
        auth.keyring()


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_named(tmp_path: Path, content: bytes | None):
    file = tmp_path / "broken.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=r"broken\.pem"):
        keys.Keyring([file])


def test_kid_is_the_thumbprint_of_rfc_7638(tmp_path: Path):
    file = key_file(tmp_path / "key.pem")
    [public] = keys.Keyring([file]).public()
    assert public["kid"] == JWK.from_pem(file.read_bytes()).thumbprint()
    assert set(public) == {"kty", "n", "e", "kid", "alg", "use"}


# --- What is no token of ours ---------------------------------------------------------------------


def test_another_key_algorithm_kid_or_issuer_is_refused(acme: Organization, tmp_path: Path, settings: LazySettings):
    claims = issued(factories.application(acme)).claims
    ours = Path(settings.SIGNING_KEY_FILES[0]).read_bytes()
    theirs = key_file(tmp_path / "theirs.pem").read_bytes()
    kid = {"kid": auth.keyring().public()[0]["kid"]}
    assert is_accepted(jwt.encode(claims, ours, "RS512", headers=kid))
    assert not is_accepted(jwt.encode(claims, theirs, "RS512", headers=kid))
    assert not is_accepted(jwt.encode(claims, ours, "RS256", headers=kid))
    assert not is_accepted(jwt.encode(claims, "x" * 64, "HS512", headers=kid))
    assert not is_accepted(jwt.encode(claims, None, "none", headers=kid))
    assert not is_accepted(jwt.encode(claims, ours, "RS512", headers={"kid": "unknown"}))
    assert not is_accepted(jwt.encode(claims, ours, "RS512"))
    assert not is_accepted(jwt.encode(claims | {"iss": "https://auth.elsewhere"}, ours, "RS512", headers=kid))


@pytest.mark.parametrize("missing", ["organization", "application", "exp", "iat", "test", "rand", "iss"])
def test_a_token_without_one_of_its_claims_is_refused(acme: Organization, missing: str):
    claims = issued(factories.application(acme)).claims
    assert not is_accepted(auth.keyring().sign({name: claims[name] for name in claims if name != missing}))


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
@examples(deadline=None)
def test_any_text_is_an_invalid_token_and_nothing_worse(text: str):
    with pytest.raises(InvalidToken):
        auth.authenticate(request(text), NOW)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="ascii")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
@examples(deadline=None, max_examples=50)
def test_whatever_is_signed_is_an_invalid_token_and_nothing_worse(claims: Any):
    with pytest.raises(InvalidToken):
        auth.authenticate(request(auth.keyring().sign(claims)), NOW)


@given(
    name=st.sampled_from(["organization", "application", "exp", "iat", "test", "rand", "role", "owner"]), value=values
)
@examples(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_claim_of_any_other_form_never_does_worse(acme: Organization, name: str, value: Any):
    application = Application.objects.first() or factories.application(acme)
    token = auth.keyring().sign(issued(application).claims | {name: value})
    try:
        auth.authenticate(request(token), NOW).permits("read", "coupons")
    except InvalidToken:
        assert not is_accepted(token)
