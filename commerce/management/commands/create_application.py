import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from oauth2_provider.generators import generate_client_secret

from commerce import changes, clock
from commerce.management.commands.create_organization import sentences
from commerce.models import Application, Mode, Organization, Role


class Command(BaseCommand):
    help = "Creates an application of an organization in one mode and prints its credentials, the only time they show."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--kind", required=True, choices=Application.Kind.values)
        parser.add_argument("--mode", default=Mode.TEST, choices=Mode.values)
        parser.add_argument(
            "--redirect-uri", action="append", default=[], metavar="URI", help="of a webapp; repeatable"
        )
        parser.add_argument("--role", type=Path, metavar="FILE", help='{"name": ..., "permissions": {type: [actions]}}')

    def handle(self, *args: Any, name: str, organization: str, kind: str, mode: str, **options: Any) -> None:
        owner = Organization.objects.filter(slug=organization).first()
        if owner is None:
            raise CommandError(f"There is no organization {organization}.")
        secret = generate_client_secret()
        application = Application(
            organization=owner,
            name=name,
            kind=kind,
            mode=mode,
            client_secret=secret,
            redirect_uris=" ".join(options["redirect_uri"]),
            client_type=Application.CLIENT_PUBLIC if kind == "sales_channel" else Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        )
        try:
            with changes.atomic():
                application.role = options["role"] and kept_role(owner, options["role"])
                application.full_clean(exclude=["created_at", "updated_at"], validate_constraints=False)
                changes.create(application, changes.By({"command": "create_application"}, clock.now()))
        except ValidationError as error:
            raise CommandError(sentences(error)) from error
        self.stdout.write(f"client_id: {application.client_id}")
        self.stdout.write(f"client_secret: {secret}")


def kept_role(owner: Organization, file: Path) -> Role:
    """The role that `file` describes, made or brought up to date."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} holds no role: {error}") from error
    if not isinstance(content, dict) or set(content) != {"name", "permissions"}:
        raise CommandError(f"{file} holds no role: it must be an object with name and permissions.")
    if not isinstance(content["name"], str):
        raise CommandError(f"{file} holds no role: name must be text.")
    role = Role.objects.filter(organization=owner, name=content["name"]).first() or Role(organization=owner)
    role.name, role.permissions = content["name"], content["permissions"]
    role.full_clean()
    role.save()
    return role
