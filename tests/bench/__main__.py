"""`python -m tests.bench`: how fast the product is, beside what cannot be beaten and what one would write without it.

BENCH_COUPONS (a million) says how many coupons there are. DATABASE_URL names a PostgreSQL to use, in a database of the
bench's own; otherwise one is started from a wheel.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg

from tests.postgres import throwaway_server

DATABASE = "tessera_bench"


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database, dropped in the end."""
    given = os.environ.get("DATABASE_URL")
    with (
        nullcontext(given) if given else throwaway_server() as server,
        psycopg.connect(server, autocommit=True) as connection,
    ):
        connection.execute(f"CREATE DATABASE {DATABASE}")
        try:
            yield urlsplit(server)._replace(path=f"/{DATABASE}").geturl()
        finally:
            connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    coupons = int(os.environ.get("BENCH_COUPONS", "1000000"))
    with database() as url, tempfile.TemporaryDirectory(prefix="tessera-bench-") as folder:
        os.environ |= {
            "DATABASE_URL": url,
            "DATA_DIR": folder,
            "EMBEDDED": "1",
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
        }
        django.setup()
        from tests.bench import table  # everything it imports needs the settings

        table.print_all(coupons, Path(folder))


if __name__ == "__main__":
    main()
