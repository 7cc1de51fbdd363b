import pytest
from django.conf import LazySettings

from commerce.models import Organization
from tests import factories


@pytest.fixture(autouse=True)
def cheap_hashing(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.organization(slug="acme", name="Acme")
