from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from commerce import auth, changes, clock
from commerce.models import Application, Mode


class Command(BaseCommand):
    help = "Creates an API key of an integration, made if need be, and prints the key alone, the only time it shows."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--mode", required=True, choices=Mode.values)
        parser.add_argument("--application", default="API keys", metavar="NAME")

    def handle(self, *args: Any, organization: str, mode: str, application: str, **options: Any) -> None:
        rows = Application.objects.filter(organization__slug=organization, mode=mode, name=application)
        by = changes.By({"command": "create_api_key"}, clock.now())
        with changes.atomic():
            if not rows.exists():
                made = {"organization": organization, "kind": Application.Kind.INTEGRATION, "mode": mode}
                call_command("create_application", application, **made, stdout=StringIO())
            found = rows.get()
            if found.is_public:
                raise CommandError(f"{application} is a sales channel, which cannot keep a key secret.")
            key = auth.create_api_key(found, by)
        self.stdout.write(key)
