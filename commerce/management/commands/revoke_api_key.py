from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from commerce import auth, changes, clock
from commerce.models import ApiKey, Mode


class Command(BaseCommand):
    help = "Ends an API key at once, named by its last four characters."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ending")
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--mode", required=True, choices=Mode.values)
        parser.add_argument("--application", default="API keys", metavar="NAME")

    def handle(self, *args: Any, ending: str, organization: str, mode: str, application: str, **options: Any) -> None:
        keys = ApiKey.objects.filter(
            application__organization__slug=organization,
            application__mode=mode,
            application__name=application,
            revoked_at=None,
        )
        found = keys.filter(ending=ending).select_related("application").order_by("-pk").first()
        if found is None:
            known = ", ".join(keys.order_by("pk").values_list("ending", flat=True)) or "none"
            raise CommandError(f"{application} of {organization} has no key ending so in {mode} mode. Keys: {known}.")
        with changes.atomic():
            auth.revoke_api_key(found, changes.By({"command": "revoke_api_key"}, clock.now()))
        self.stdout.write(f"The key of {application} ending in {ending} is revoked.")
