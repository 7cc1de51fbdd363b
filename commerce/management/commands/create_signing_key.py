from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from commerce import keys


class Command(BaseCommand):
    help = "Writes a new RSA key, readable by its owner only, for SIGNING_KEY_FILES."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if file.exists():
            raise CommandError(f"{file} exists and is left as it is.")
        try:
            keys.kept_signing_key(file)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{file} holds a new signing key. Put it first in SIGNING_KEY_FILES to sign with it.")
