from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from commerce import clock, ids
from commerce.organizations import create_organization


class Command(BaseCommand):
    help = "Creates an organization, which has both modes, test and live."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The first label of its host name, such as acme.")
        parser.add_argument("--name", help="The slug by default.")

    def handle(self, *args: Any, slug: str, name: str | None, **options: Any) -> None:
        try:
            organization = create_organization(slug, name or slug, clock.now())
        except ValidationError as error:
            raise CommandError(sentences(error)) from error
        self.stdout.write(f"{organization.slug} {ids.encode(organization.pk)}")


def sentences(error: ValidationError) -> str:
    """Every message of `error` with the attribute it is about."""
    return " ".join(f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items())
