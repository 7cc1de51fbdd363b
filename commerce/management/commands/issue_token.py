from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from commerce import auth, clock
from commerce.models import Application, Mode, Organization, Tenant


class Command(BaseCommand):
    help = "Prints a bearer token of an application, alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--application", metavar="NAME", help="By default the only one, or the oldest integration.")
        parser.add_argument("--mode", default=Mode.TEST, choices=Mode.values)

    def handle(self, *args: Any, organization: str, application: str | None, mode: str, **options: Any) -> None:
        owner = Organization.objects.filter(slug=organization).first()
        if owner is None:
            raise CommandError(f"There is no organization {organization}.")
        applications = list(Application.objects.owned_by(Tenant(owner.pk, mode)).order_by("pk"))
        chosen = named(applications, application) if application else default(applications)
        if chosen is None:
            wanted = f"application {application}" if application else "single application and no integration"
            known = ", ".join(each.name for each in applications) or "none"
            raise CommandError(f"{organization} has no {wanted} in {mode} mode. Applications: {known}.")
        issued = auth.issue(chosen, chosen.scopes, clock.now(), is_public=chosen.is_public)
        self.stdout.write(auth.bearer(issued))


def named(applications: list[Application], name: str) -> Application | None:
    return next((application for application in applications if application.name == name), None)


def default(applications: list[Application]) -> Application | None:
    if len(applications) == 1:
        return applications[0]
    return next((each for each in applications if each.kind == Application.Kind.INTEGRATION), None)
