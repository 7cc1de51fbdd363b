"""The official clients from npm, unmodified, against a running server."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, SLUG, Shop, shop
from tests.server import DOMAIN, running

pytestmark = pytest.mark.e2e

STAFF = """
from commerce import ids
from django.contrib.auth.models import User

print(ids.encode(User.objects.create_user("{name}", password="{password}", is_staff=True).pk))
"""
EXPIRED_TOKEN = """
from datetime import timedelta
from commerce import auth, clock
from commerce.models import Application

application = Application.objects.get(client_id="{client_id}")
issued = auth.issue(application, "market:code:gone", clock.now() - timedelta(days=1), is_public=False)
print(auth.bearer(issued))
"""


@pytest.fixture(params=["sdk-latest", "sdk-versions"])
def sdk(request: pytest.FixtureRequest, node_modules: Path) -> str:
    """The newest, and one that still knows `versions`."""
    return request.param


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server that allows an application in test mode three requests of a kind."""
    limits = {"RATE_LIMIT_OAUTH": "3/86400", "RATE_LIMIT_READ": "6/86400", "RATE_LIMIT_WRITE": "6/86400"}
    with running(tmp_path_factory.mktemp("limited"), **limits) as bare:
        yield shop(bare)


@pytest.mark.parametrize("script", ["documents", "lists", "tags", "promotions", "values", "errors", "history"])
def test_the_sdk_gets_what_it_expects(script: str, sdk: str, server: Shop) -> None:
    run(script, sdk, server)


def test_tokens_of_js_auth_open_the_api_until_they_end(sdk: str, server: Shop) -> None:
    expired = server.manage("shell", "-v", "0", "-c", EXPIRED_TOKEN.format(client_id=server.integration.client_id))
    run("tokens", sdk, server, EXPIRED_TOKEN=expired.strip())


def test_tokens_of_js_auth_in_the_name_of_customers_and_users(sdk: str, server: Shop) -> None:
    webapp = server.application(f"{sdk} webapp", "webapp", SLUG, "--redirect-uri", "https://app.example.com/callback")
    staff = server.manage("shell", "-v", "0", "-c", STAFF.format(name=f"ada {sdk}", password="a long secret"))
    told = {"WEBAPP_ID": webapp.client_id, "WEBAPP_SECRET": webapp.client_secret, "STAFF_ID": staff.strip()}
    run("grants", sdk, server, **told, STAFF_NAME=f"ada {sdk}", STAFF_PASSWORD="a long secret")


@pytest.mark.parametrize("script", ["evaluation", "orders", "redemptions", "shoppers"])
def test_a_shop_of_its_own_sells_with_a_promotion_of_every_type(script: str, sdk: str, server: Shop) -> None:
    """Promotions that no market confines would meet in one organization."""
    run(script, sdk, shop(server, f"{script}-{sdk}"))


def test_the_sdk_reads_how_many_requests_are_left(sdk: str, limited: Shop) -> None:
    uncounted = limited.application(sdk, "integration", limited.organization)
    run("rate_limits", sdk, replace(limited, integration=uncounted))


@pytest.mark.parametrize("script", ["rebilly", "ticketing"])
def test_a_dialect_shares_its_coupons_with_the_api(script: str, node_modules: Path, server: Shop) -> None:
    key = server.manage("create_api_key", "--organization", server.organization, "--mode", "test")
    run(script, "sdk-latest", server, API_KEY=key.split()[-1])


def run(script: str, sdk: str, server: Shop, **environment: str) -> None:
    """Runs sdk/`script`.mjs, which stops at the first check that fails."""
    told = {"SDK": sdk, "SERVER": server.url, "DOMAIN": DOMAIN, "ORGANIZATION": server.organization}
    for name, application in ("INTEGRATION", server.integration), ("SALES_CHANNEL", server.sales_channel):
        told |= {f"{name}_ID": application.client_id, f"{name}_SECRET": application.client_secret}
    finished = subprocess.run(
        ["node", f"sdk/{script}.mjs"],
        cwd=HERE,
        env=server.environment | told | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout
