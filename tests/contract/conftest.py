"""Worlds for all contract tests of a process, which see each of them undone."""

from collections.abc import Callable, Iterator
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from django.db import transaction

from commerce.models import Application, Organization
from tests import factories
from tests.client import Api
from tests.contract.world import World, world


class Made(NamedTuple):
    """An application, and the world of its tenant."""

    application: Application
    world: World


@pytest.fixture(scope="package")
def worlds(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Made]]:
    """Acme's world and those of others, in a transaction around those of the tests, rolled back after the last."""
    with django_db_blocker.unblock(), transaction.atomic():
        acme = factories.organization(slug="acme", name="Acme")
        tenants = {
            "own": (acme, "test"),
            "other organization": (factories.organization(slug="umbrella"), "test"),
            "other mode": (acme, "live"),
        }
        yield {whose: made(*tenant) for whose, tenant in tenants.items()}
        transaction.set_rollback(True)


def made(owner: Organization, mode: str) -> Made:
    application = factories.application(owner, mode=mode)
    return Made(application, world(owner, application, mode))


def copied(of: World) -> World:
    return World({name: copy(row) for name, row in of.rows.items()})


@pytest.fixture
def here(worlds: dict[str, Made], db: None) -> World:
    return copied(worlds["own"].world)


@pytest.fixture
def acme(worlds: dict[str, Made], db: None) -> Organization:
    return copy(worlds["own"].application.organization)


@pytest.fixture
def api(worlds: dict[str, Made], db: None, travel: Callable[[datetime], None], unlimited: None) -> Api:
    return Api(worlds["own"].application)
