"""A running server on data of its own, for the tests that need a real one."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
DOMAIN = "tessera.test"
DIALECTS = {"REBILLY_MOUNT": "/", "TICKETING_MOUNT": "/"}
NOT_INHERITED = ("DATABASE_URL", "EMBEDDED", "DJANGO_SETTINGS_MODULE")
UNLIMITED = {f"RATE_LIMIT_{bucket}": "" for bucket in ("OAUTH", "READ", "WRITE", "PASSWORDS")}


class Credentials(NamedTuple):
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Server:
    """`url` has no slash at the end. Tokens are issued for `DOMAIN`; a proxy on this machine is believed."""

    url: str
    environment: dict[str, str] = field(repr=False)

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """What a management command prints."""
        told = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What its database holds, past the server."""
        url = self.environment.get("DATABASE_URL")
        file = Path(self.environment["DATA_DIR"]) / "tessera.sqlite3"
        with closing(psycopg.connect(url) if url else sqlite3.connect(file)) as database:
            return database.execute(query).fetchall()

    def application(self, name: str, kind: str, organization: str, *options: str) -> Credentials:
        """A new application in test mode."""
        told = self.manage("create_application", name, "--kind", kind, "--organization", organization, *options)
        return Credentials(**dict(line.split(": ") for line in told.splitlines()))


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """The environment of a server whose data is where that of the tests is: on their PostgreSQL, or in its folder."""
    given = os.environ.get("DATABASE_URL")
    if not given:
        yield {}
        return
    name = f"server_{uuid4().hex}"
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield {"DATABASE_URL": urlsplit(given)._replace(path=f"/{name}").geturl(), "EMBEDDED": "1"}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running(folder: Path, *options: str, **environment: str) -> Iterator[Server]:
    """A server of all dialects in `folder`, migrated and empty, without rate limits unless `environment` sets them.

    It is on SQLite unless `environment` says otherwise, see `database`; `options` are granian's.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    told = {"DATA_DIR": str(folder / "data"), "ISSUER": f"https://auth.{DOMAIN}", "TRUSTED_PROXIES": "127.0.0.1"}
    server = Server(f"http://127.0.0.1:{port}", inherited | told | DIALECTS | UNLIMITED | environment)
    server.manage("migrate", "--verbosity", "0")
    granian = [
        str(Path(sys.executable).parent / "granian"),
        "--interface",
        "wsgi",
        "--no-ws",
        "--blocking-threads",
        "4",
    ]
    command = [*granian, *options, "--port", str(port), "config.wsgi:application"]
    with serving(command, server.url, server.environment, folder / "output"):
        yield server


@contextmanager
def serving(command: list[str], url: str, environment: dict[str, str], output: Path) -> Iterator[None]:
    """`command` as a process whose output goes to a file, from when it is ready at `url`."""
    with output.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for(f"{url}/readyz", process, output)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    for _ in range(900):
        assert process.poll() is None, output.read_text()
        try:
            urlopen(url, timeout=1).close()
        except (URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(output.read_text())
