"""A search may take so long and no longer.

PostgreSQL keeps the time itself, told once a connection by the settings; SQLite is interrupted from here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import OperationalError, connection

_STEPS_BETWEEN_LOOKS = 20_000

# What PostgreSQL and SQLite call it, whatever language they speak.
_OUT_OF_TIME = ("57014", "SQLITE_INTERRUPT")
_IN_THE_WAY = ("40P01", "55P03", "SQLITE_BUSY")


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
    return _name(error) in _OUT_OF_TIME


def in_the_way(error: OperationalError) -> bool:
    """A deadlock was resolved against us, or whoever held the lock did not finish in time."""
    return _name(error) in _IN_THE_WAY


def _name(error: OperationalError) -> str | None:
    told = error.__cause__
    return getattr(told, "sqlstate", None) or getattr(told, "sqlite_errorname", None)
