import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from commerce import auth, changes
from commerce.errors import InvalidToken
from commerce.models import ApiKey, Application, Organization, Role, Tenant, Version
from tests import factories
from tests.factories import BY, NOW


def key_of(application: Application) -> str:
    return auth.create_api_key(application, BY)


def is_accepted(key: str) -> bool:
    try:
        auth.of_api_key(key, NOW)
    except InvalidToken:
        return False
    return True


def run(command: str, *arguments: str, **options: Any) -> str:
    printed = StringIO()
    call_command(command, *arguments, **{"organization": "acme", "mode": "test", **options}, stdout=printed)
    return printed.getvalue().removesuffix("\n")


# --- Who calls ------------------------------------------------------------------------------------


def test_a_key_proves_its_application(acme: Organization):
    application = factories.application(acme, mode="live")
    caller = auth.of_api_key(key_of(application), NOW)
    tenant = Tenant(acme.pk, "live")
    assert (caller.tenant, caller.reach, caller.kind, caller.application_id) == (
        tenant,
        tenant,
        "integration",
        application.pk,
    )
    assert (caller.market_ids, caller.owner, caller.is_shopper) == (None, None, False)
    assert caller.who == {"application": {"id": application.public_id, "kind": "integration", "public": False}}
    assert caller.permits("create", "coupons")


def test_it_permits_what_the_role_of_its_application_does(acme: Organization):
    role = Role.objects.create(organization=acme, name="Readers", permissions={"coupons": ["read"]})
    caller = auth.of_api_key(key_of(factories.application(acme, role=role)), NOW)
    assert caller.role == "Readers"
    assert caller.permits("retrieve", "coupons")
    assert not caller.permits("create", "coupons")


def test_a_key_made_after_the_snapshot_is_as_good(acme: Organization, travel: Callable[[datetime], None]):
    auth.snapshot.current(NOW)
    caller = auth.of_api_key(key_of(factories.application(factories.organization())), NOW)
    assert caller.tenant.organization_id in auth.snapshot.known.organizations


def test_a_key_costs_one_query(acme: Organization, django_assert_num_queries: DjangoAssertNumQueries, travel: Any):
    key = key_of(factories.application(acme))
    later = NOW + timedelta(seconds=2)
    auth.snapshot.current(later)
    with django_assert_num_queries(1):
        auth.of_api_key(key, later)


def test_a_revoked_key_is_over_at_once_and_the_others_stay(acme: Organization):
    application = factories.application(acme)
    first, second = key_of(application), key_of(application)
    auth.revoke_api_key(ApiKey.objects.get(ending=first[-4:]), BY)
    assert (is_accepted(first), is_accepted(second)) == (False, True)


def test_a_key_goes_with_its_application(acme: Organization):
    application = factories.application(acme)
    key = key_of(application)
    changes.delete(application, BY)
    assert not is_accepted(key)
    assert not ApiKey.objects.exists()


def test_what_is_no_key_is_refused(acme: Organization):
    key = key_of(factories.application(acme))
    for other in ("", "sk_test_", key[:-1], key + "A", key.swapcase(), f" {key}", ApiKey.objects.get().digest, "é\0"):
        assert not is_accepted(other)


def test_a_key_of_a_sales_channel_reaches_no_further_than_a_shopper(acme: Organization):
    assert auth.of_api_key(key_of(factories.application(acme, "sales_channel")), NOW).is_shopper


# --- Commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_key_is_printed_alone_and_only_its_hash_is_kept(acme: Organization, mode: str):
    key = run("create_api_key", mode=mode)
    assert re.fullmatch(rf"sk_{mode}_[\w-]{{43}}", key)
    row = ApiKey.objects.values("digest", "ending", "revoked_at").get()
    assert row == {"digest": sha256(key.encode()).hexdigest(), "ending": key[-4:], "revoked_at": None}
    assert auth.of_api_key(key, NOW).tenant == Tenant(acme.pk, mode)


def test_keys_are_those_of_one_integration_made_with_the_first(acme: Organization):
    first, second = run("create_api_key"), run("create_api_key")
    application = Application.objects.get()
    assert (application.name, application.kind, application.client_type) == ("API keys", "integration", "confidential")
    assert [auth.of_api_key(key, NOW).application_id for key in (first, second)] == [application.pk] * 2
    assert first != second


def test_keys_of_an_application_that_is_named(acme: Organization):
    application = factories.application(acme, name="Billing")
    assert auth.of_api_key(run("create_api_key", application="Billing"), NOW).application_id == application.pk


def test_a_sales_channel_gets_no_key(acme: Organization):
    factories.application(acme, "sales_channel", name="Shop")
    with pytest.raises(CommandError, match="Shop is a sales channel"):
        run("create_api_key", application="Shop")
    assert not ApiKey.objects.exists()


def test_an_unknown_organization_is_named(db: None):
    with pytest.raises(CommandError, match="no organization nobody"):
        run("create_api_key", organization="nobody")


def test_a_key_is_revoked_by_its_ending(acme: Organization):
    key = run("create_api_key")
    assert run("revoke_api_key", key[-4:]) == f"The key of API keys ending in {key[-4:]} is revoked."
    assert not is_accepted(key)


def test_a_key_that_is_not_there_is_named_beside_those_there_are(acme: Organization):
    with pytest.raises(CommandError, match=r"no key ending so in test mode\. Keys: none\."):
        run("revoke_api_key", "abcd")
    ending = run("create_api_key")[-4:]
    with pytest.raises(CommandError, match=rf"Keys: {ending}\."):
        run("revoke_api_key", "?" * 4)


def test_versions_tell_of_keys_and_nothing_tells_a_key(acme: Organization, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    key = run("create_api_key")
    is_accepted(key)
    run("revoke_api_key", key[-4:])
    told = Version.objects.order_by("pk").values_list("resource_type", "event", "who")
    assert list(told) == [
        ("applications", "create", {"command": "create_application"}),
        ("applications", "update", {"command": "create_api_key"}),
        ("applications", "update", {"command": "revoke_api_key"}),
    ]
    changed = [version.changes for version in Version.objects.order_by("pk")][1:]
    assert changed == [{"api_key": [None, f"...{key[-4:]}"]}, {"api_key": [f"...{key[-4:]}", None]}]
    assert key not in caplog.text + str(list(Version.objects.values()))
