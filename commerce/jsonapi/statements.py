"""A search may take so long and no longer.

PostgreSQL keeps the time itself, told once a connection by the settings; SQLite is interrupted from here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection

_STEPS_BETWEEN_LOOKS = 20_000
_OUT_OF_TIME = ("57014", "SQLITE_INTERRUPT")
"""What PostgreSQL and SQLite call it, whatever language they speak."""


@contextmanager
def limited_time() -> Iterator[None]:
    """Statements within end in an OperationalError once STATEMENT_TIMEOUT seconds have passed."""
    if connection.vendor != "sqlite" or not settings.STATEMENT_TIMEOUT:
        yield
        return
    connection.ensure_connection()
    deadline = time.monotonic() + settings.STATEMENT_TIMEOUT
    connection.connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)


def out_of_time(error: OperationalError) -> bool:
    told = error.__cause__
    return (getattr(told, "sqlstate", None) or getattr(told, "sqlite_errorname", None)) in _OUT_OF_TIME
