"""One world for all contract tests of a process, which sees each of them undone."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from commerce.models import Application, Organization
from tests import factories
from tests.client import Api
from tests.contract.world import World, world


@pytest.fixture(scope="package")
def made(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Application, World]]:
    """The world of acme's, in a transaction around those of the tests, and rolled back after the last of them."""
    with django_db_blocker.unblock(), transaction.atomic():
        application = factories.application(factories.organization(slug="acme", name="Acme"))
        yield application, world(application.organization, application)
        transaction.set_rollback(True)


@pytest.fixture
def here(made: tuple[Application, World], db: None) -> World:
    return deepcopy(made[1])


@pytest.fixture
def acme(made: tuple[Application, World], db: None) -> Organization:
    return deepcopy(made[0].organization)


@pytest.fixture
def api(made: tuple[Application, World], db: None, travel: Callable[[datetime], None], unlimited: None) -> Api:
    return Api(made[0])
