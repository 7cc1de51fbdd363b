from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management import CommandParser

from commerce.models import Tenant
from coupons import bulk, code_files
from coupons.management.bulk_command import BulkCommand, failures_told
from coupons.models import Coupon


class Command(BulkCommand):
    help = f"""Writes coupons as CSV that import_coupons reads back: {", ".join(code_files.EXPORTED)}.

Values are exact. A spreadsheet may take a code that begins with =, +, - or @ for a formula."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rule", metavar="ID", help="the coupons of one coupon rule")
        parser.add_argument("--columns", type=_columns, default=code_files.EXPORTED, metavar="NAME,NAME")
        parser.add_argument("--output", default="-", metavar="FILE", help="standard output unless given")

    def handle(self, *, organization: str, mode: str, rule: str | None, output: str, **options: Any) -> None:
        tenant = Tenant(self.organization(organization).pk, mode)
        coupons = Coupon.objects.owned_by(tenant).order_by("pk")
        if rule:
            coupons = coupons.filter(promotion_rule=self.rule(rule, tenant))
        lines = bulk.export_rows(coupons, options["columns"])
        if output == "-":
            self.stdout._out.writelines(lines)  # type: ignore[attr-defined]
            return
        progress = self.progress(coupons.count())
        with failures_told(), code_files.written(Path(output)) as file:
            file.write(next(lines))
            file.writelines(progress.over(lines))
        progress.done()
        self.stdout.write(f"Exported {progress.rows:,} coupons in {progress.seconds:.1f} s.")


def _columns(text: str) -> list[str]:
    columns = text.split(",")
    for column in columns:
        if column not in code_files.EXPORTED:
            raise ArgumentTypeError(f"unknown column {column!r}; known are {', '.join(code_files.EXPORTED)}")
    return columns
