from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from commerce import clock
from commerce.changes import By
from commerce.models import Organization
from coupons import reconciling
from coupons.dialects.rebilly import due


class Command(BaseCommand):
    help = """Compares every counter, balance and sum with the rows it follows from, and tells what differs.

The status is 1 when anything does. It may be run while the shop is at work."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one; all of them unless given")
        parser.add_argument(
            "--fix",
            action="store_true",
            help="set counters and balances to what the rows make, give back reservations that are over, forget "
            "answers kept for Idempotency-Keys for more than a day, and record what time and other APIs did to coupons "
            "of the Rebilly-style API",
        )

    def handle(self, *, organization: str | None, fix: bool, **options: Any) -> None:
        whose = _organization(organization) if organization else None
        by = By({"command": "reconcile"}, clock.now())
        if fix:
            done = reconciling.tidy(whose, by)
            self.stdout.write(f"Gave back {done.released:,} reservations, forgot {done.forgotten:,} answers.")
            if recorded := due.record(whose, by):
                self.stdout.write(f"Recorded {recorded:,} events of coupons that nobody had told of.")
        found = self._told(whose)
        if found and fix:
            reconciling.mend(whose, by)
            self.stdout.write("After mending:")
            found = self._told(whose)
        if found:
            raise CommandError(f"{found:,} {'difference' if found == 1 else 'differences'}.")
        self.stdout.write("There are no differences.")

    def _told(self, whose: Organization | None) -> int:
        """Tells every difference, and how many there are."""
        found = 0
        for one in reconciling.differences(whose):
            self.stdout.write(f"{one.what} of {one.whose}: {one.told:,}, but the rows make {one.counted:,}")
            found += 1
        return found


def _organization(slug: str) -> Organization:
    try:
        return Organization.objects.get(slug=slug)
    except Organization.DoesNotExist:
        raise CommandError(f"There is no organization {slug!r}.") from None
