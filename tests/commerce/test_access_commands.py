import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command

from commerce import auth, ids, keys
from commerce.models import Application, Event, Organization, Role, Version
from tests import factories


def run(command: str, *args: Any, **options: Any) -> str:
    output = StringIO()
    call_command(command, *args, stdout=output, **options)
    return output.getvalue()


def credentials(*args: str, **options: Any) -> dict[str, str]:
    return dict(line.split(": ") for line in run("create_application", *args, **options).splitlines())


def claims(**options: Any) -> dict[str, Any]:
    return jwt.decode(run("issue_token", **options).strip(), options={"verify_signature": False})


# --- create_organization --------------------------------------------------------------------------


def test_an_organization_is_created(db: None):
    output = run("create_organization", "acme", name="Acme Inc.")
    organization = Organization.objects.get()
    assert (organization.slug, organization.name) == ("acme", "Acme Inc.")
    assert output == f"acme {ids.encode(organization.pk)}\n"


@pytest.mark.parametrize(
    "slug",
    ["", "Acme", "a_b", "a-", "a b", "é", "127", "a" * 64, "auth", "core", "provisioning", "localhost", "a\n"],
)
def test_a_slug_that_cannot_be_a_host_label_is_refused(db: None, slug: str):
    with pytest.raises(CommandError, match="slug: "):
        run("create_organization", slug)
    assert not Organization.objects.exists()


def test_a_taken_slug_is_refused(acme: Organization):
    with pytest.raises(CommandError, match=r"slug: .*already exists"):
        run("create_organization", "acme")


# --- create_application ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["integration", "sales_channel", "webapp"])
@pytest.mark.parametrize("mode", ["test", "live"])
def test_an_application_is_created_and_its_credentials_printed(acme: Organization, kind: str, mode: str):
    printed = credentials("Main", organization="acme", kind=kind, mode=mode)
    application = Application.objects.get()
    assert (application.name, application.kind, application.mode) == ("Main", kind, mode)
    assert application.organization == acme
    assert application.is_public is (kind == "sales_channel")
    assert printed["client_id"] == application.client_id
    assert printed["client_secret"] != application.client_secret


def test_the_addresses_of_a_webapp_are_kept(acme: Organization):
    uris = ["https://a.example.com/", "https://b.example.com/?x=1"]
    credentials("Main", organization="acme", kind="webapp", redirect_uri=uris)
    assert Application.objects.get().redirect_uris.split() == uris
    with pytest.raises(CommandError, match="redirect_uris"):
        credentials("Other", organization="acme", kind="webapp", redirect_uri=["http://a.example.com/"])


def test_printed_credentials_open_the_token_endpoint(acme: Organization, client: Any):
    body = {"grant_type": "client_credentials"} | credentials("Main", organization="acme", kind="integration")
    assert client.post("/oauth/token", body).status_code == 200


def test_the_creation_is_told_without_the_secret(acme: Organization):
    credentials("Main", organization="acme", kind="integration")
    version = Version.objects.get()
    assert (version.event, version.resource_type, version.who) == (
        "create",
        "applications",
        {"command": "create_application"},
    )
    assert "client_secret" not in version.changes
    assert Event.objects.get().name == "applications.create"


def test_a_role_file_makes_and_updates_the_role(acme: Organization, tmp_path: Path):
    file = tmp_path / "role.json"
    file.write_text(json.dumps({"name": "Editors", "permissions": {"coupons": ["read"]}}))
    credentials("One", organization="acme", kind="integration", role=file)
    file.write_text(json.dumps({"name": "Editors", "permissions": {"coupons": ["read", "create"]}}))
    credentials("Two", organization="acme", kind="webapp", role=file)
    role = Role.objects.get()
    assert (role.organization, role.permissions) == (acme, {"coupons": ["read", "create"]})
    assert {application.role for application in Application.objects.all()} == {role}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "holds no role"),
        ("[]", "name and permissions"),
        ('{"name": "x"}', "name and permissions"),
        ('{"name": "", "permissions": {}}', "name: "),
        ('{"name": ["x"], "permissions": {}}', "name must be text"),
        ('{"name": "x", "permissions": []}', "permissions: This field cannot be blank"),
        ('{"name": "x", "permissions": "all"}', "permissions: must be an object"),
        ('{"name": "x", "permissions": {"coupons": ["fly"]}}', "permissions: coupons must list"),
        ('{"name": "x", "permissions": {"coupons": "read"}}', "permissions: coupons must list"),
    ],
)
def test_a_role_file_that_is_wrong_is_named_and_creates_nothing(
    acme: Organization, tmp_path: Path, content: str, message: str
):
    file = tmp_path / "role.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=message):
        credentials("Main", organization="acme", kind="integration", role=file)
    assert not Application.objects.exists()
    assert not Role.objects.exists()


def test_a_missing_role_file_is_named(acme: Organization, tmp_path: Path):
    with pytest.raises(CommandError, match=r"none\.json"):
        credentials("Main", organization="acme", kind="integration", role=tmp_path / "none.json")


def test_a_name_is_taken_once_in_each_mode(acme: Organization):
    credentials("Main", organization="acme", kind="integration")
    credentials("Main", organization="acme", kind="integration", mode="live")
    with pytest.raises(CommandError, match="name: has already been taken"):
        credentials("Main", organization="acme", kind="integration")


@pytest.mark.parametrize("command", ["create_application", "issue_token"])
def test_an_unknown_organization_is_named(db: None, command: str):
    options = {"kind": "integration"} if command == "create_application" else {}
    with pytest.raises(CommandError, match="no organization nobody"):
        run(command, *(["Main"] if options else []), organization="nobody", **options)


def test_an_empty_name_is_refused(acme: Organization):
    with pytest.raises(CommandError, match="name: "):
        credentials("", organization="acme", kind="integration")


# --- issue_token ----------------------------------------------------------------------------------


def test_the_token_is_printed_alone(acme: Organization):
    application = factories.application(acme)
    output = run("issue_token", organization="acme")
    assert output == auth.bearer(application.issued_tokens.get()) + "\n"
    assert run("issue_token", organization="acme") == output


def test_the_only_application_is_picked_or_else_the_first_integration(acme: Organization):
    channel = factories.application(acme, "sales_channel")
    factories.application(acme, mode="live")
    assert claims(organization="acme")["application"]["id"] == channel.public_id
    first = factories.application(acme)
    factories.application(acme)
    assert claims(organization="acme")["application"]["id"] == first.public_id


def test_an_application_is_picked_by_name_and_mode(acme: Organization):
    factories.application(acme, name="Main")
    live = factories.application(acme, name="Main", mode="live")
    said = claims(organization="acme", application="Main", mode="live")
    assert (said["application"]["id"], said["test"]) == (live.public_id, False)


def test_a_sales_channels_token_is_public(acme: Organization):
    factories.application(acme, "sales_channel", name="Shop")
    assert claims(organization="acme", application="Shop")["application"]["public"] is True


def test_an_unknown_application_is_named_beside_those_there_are(acme: Organization):
    factories.application(acme, name="Main")
    with pytest.raises(CommandError, match=r"acme has no application Other in test mode\. Applications: Main\."):
        run("issue_token", organization="acme", application="Other")
    with pytest.raises(CommandError, match=r"in live mode\. Applications: none\."):
        run("issue_token", organization="acme", mode="live")


# --- create_signing_key ---------------------------------------------------------------------------


def test_a_signing_key_is_written_for_its_owner_alone(tmp_path: Path):
    file = tmp_path / "keys" / "new.pem"
    run("create_signing_key", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(keys.Keyring([file]).public()) == 1


def test_an_existing_file_is_left_as_it_is(tmp_path: Path):
    file = tmp_path / "key.pem"
    file.write_text("precious")
    with pytest.raises(CommandError, match="exists"):
        run("create_signing_key", file)
    assert file.read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"key\.pem cannot be written"):
        run("create_signing_key", tmp_path / "file" / "key.pem")
