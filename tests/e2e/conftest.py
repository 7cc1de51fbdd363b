"""A live server with an organization and its applications, and the official clients from npm."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import Credentials, Server, running

HERE = Path(__file__).parent
SLUG = "acme"


@dataclass(frozen=True)
class Shop(Server):
    """A server that serves one organization."""

    organization: str
    integration: Credentials
    sales_channel: Credentials


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Without rate limits, with both dialects, and free to call services on this machine."""
    told = {"OUTGOING_ALLOWED_HOSTS": "127.0.0.1", "REBILLY_MOUNT": "/", "TICKETING_MOUNT": "/"}
    with running(tmp_path_factory.mktemp("server"), **told) as bare:
        yield shop(bare)


def shop(bare: Server, slug: str = SLUG) -> Shop:
    bare.manage("create_organization", slug, "--name", "Acme")
    applications = [bare.application(f"E2E {kind}", kind, slug) for kind in ("integration", "sales_channel")]
    return Shop(bare.url, bare.environment, slug, *applications)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of package-lock.json, installed when they are not."""
    installed = HERE / "node_modules/.package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        told = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
    return installed.parent
