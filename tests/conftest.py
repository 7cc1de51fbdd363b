import pytest
from django.conf import LazySettings
from django.core.cache import cache

from commerce import auth
from commerce.models import Organization
from tests import factories


@pytest.fixture(autouse=True)
def cheap_hashing(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_process() -> None:
    """No counted requests and nothing known of another test's database."""
    cache.clear()
    auth.snapshot.forget()


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.organization(slug="acme", name="Acme")
