import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

from django.core.management import CommandError, CommandParser

from commerce import clock
from commerce.changes import By
from commerce.models import Tenant
from coupons import bulk, code_files
from coupons.management.bulk_command import BulkCommand, Progress, failures_told


class Command(BulkCommand):
    help = f"""Loads coupons from CSV or NDJSON, all of them or none.

Columns or keys: {", ".join(code_files.COLUMNS)}.
code is required. An empty cell is an absent value, metadata is a JSON object, an instant without an offset is UTC.
usage_count may be there, as an export has it, and is not loaded.

Refused rows are written to FILE.rejected.csv with their line and the reason."""

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a file, or - for standard input")
        super().add_arguments(parser)
        parser.add_argument("--rule", metavar="ID", help="the coupon rule of rows that name none")
        parser.add_argument("--rejects", type=Path, metavar="PATH", help="where refused rows go")
        parser.add_argument("--skip-invalid", action="store_true", help="keep the good rows when some are refused")
        parser.add_argument("--dry-run", action="store_true", help="check every row and write none")

    def handle(self, *, file: str, organization: str, mode: str, rule: str | None, **options: Any) -> None:
        owner = self.organization(organization)
        tenant = Tenant(owner.pk, mode)
        terms = bulk.terms(owner, mode, self.rule(rule, tenant) if rule else None)
        rejects = options["rejects"] or Path("rejected.csv" if file == "-" else f"{file}.rejected.csv")
        if file != "-" and rejects.resolve() == Path(file).resolve():
            raise CommandError("--rejects is the file itself.")
        with failures_told(), _opened(file) as stream:
            # A pipe has no size, and nobody knows its end.
            progress = self.progress(Path(file).stat().st_size if file != "-" else None, stream.tell)
            rows = code_files.read(stream, code_files.file_format(file, stream), terms)
            self._load(progress.over(rows), progress, tenant, rejects, options)

    def _load(
        self,
        rows: Iterator[code_files.Row],
        progress: Progress,
        tenant: Tenant,
        rejects: Path,
        options: dict[str, Any],
    ) -> None:
        batch = None
        with bulk.staging(tenant) as staged:
            staged.add(rows)
            progress.stage("looking for duplicates")
            staged.refuse_duplicates()
            good, refused = staged.counts()
            _write_refusals(rejects, staged.refusals() if refused else None)
            if good and not options["dry_run"] and (options["skip_invalid"] or not refused):
                progress.stage(f"writing {good:,} codes")
                batch = staged.insert(By({"command": "import_coupons"}, clock.now()))
        progress.done()
        refusals = f"{refused:,} of {good + refused:,} rows were refused, see {rejects}." if refused else ""
        if refused and not options["skip_invalid"]:
            raise CommandError(f"{refusals} Nothing was written.")
        if batch:
            new = f" and {batch.recipients:,} new recipients" if batch.recipients else ""
            self.stdout.write(f"Imported {batch.count:,} codes{new} as batch {batch.name} in {progress.seconds:.1f} s.")
        else:
            self.stdout.write(f"{good:,} codes could be imported. Nothing was written.")
        if refusals:
            self.stdout.write(refusals)


def _opened(name: str) -> AbstractContextManager[BufferedReader]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")  # type: ignore[arg-type]


def _write_refusals(path: Path, refusals: Iterator[bulk.Refusal] | None) -> None:
    """A file is there exactly when rows were refused; one of an earlier run would mislead."""
    if refusals is None:
        path.unlink(missing_ok=True)
        return
    with code_files.written(path) as file:
        file.writelines(code_files.as_csv(chain([("line", "code", "reason")], refusals)))
