import time

import pytest
from django.db import connection


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server that could go away")
def test_a_kept_connection_is_usable_until_the_server_ends_it():
    kept = connection.copy()
    kept.connect()
    try:
        with kept.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert kept.is_usable()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [kept.connection.info.backend_pid])
        assert _soon_unusable(kept)
    finally:
        kept.close()


def _soon_unusable(kept: object) -> bool:
    for _ in range(100):
        if not kept.is_usable():
            return True
        time.sleep(0.02)
    return False
