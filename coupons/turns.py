"""Requests about something that has no row to lock take turns by its name."""

from django.db import connection

from commerce.models import Tenant


def take_turns(tenant: Tenant, name: str) -> None:
    """Whoever comes with the same name waits until this transaction ends. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            whose = f"{tenant.organization_id} {tenant.mode} {name}"
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [whose])
