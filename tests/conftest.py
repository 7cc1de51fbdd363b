from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import connection

from commerce import auth, clock
from commerce.models import Organization
from promotions import loading
from tests import factories
from tests.client import Api
from tests.shopping import Shop


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as it is served: in memory, threads that meet are refused instead of waiting."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        settings["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True, scope="session")
def quick_flush() -> None:
    """TRUNCATE makes a new file of every table and index; the few rows of a test are deleted in less time.

    Permissions stay, which Django would make anew after every flush.
    """
    staying = {"auth_permission", "django_content_type"}

    def deleting(operations: Any, style: Any, tables: Any, **options: Any) -> list[str]:
        return [f"DELETE FROM {operations.quote_name(table)}" for table in {*tables} - staying]

    if connection.vendor == "postgresql":
        type(connection.ops).sql_flush = deleting


@pytest.fixture(autouse=True)
def cheap_hashing(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """No counted requests and nothing known of another test's database."""
    cache.clear()
    auth.snapshot.forget()
    loading.forget()


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.organization(slug="acme", name="Acme")


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the clock, which stands at `factories.NOW`; what is known of the database stays known meanwhile."""

    def to(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    to(factories.NOW)
    monkeypatch.setattr(auth, "REFRESH_SECONDS", 3600.0)
    return to


@pytest.fixture
def unlimited(settings: LazySettings) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, "")


@pytest.fixture
def api(acme: Organization, travel: Callable[[datetime], None], unlimited: None) -> Api:
    """A client of an integration of acme's that may do everything, in test mode, at `factories.NOW`."""
    return Api(factories.application(acme))


@pytest.fixture
def shop(acme: Organization, api: Api) -> Shop:
    """A shop of acme's that sells for euros."""
    return Shop(acme, api)
