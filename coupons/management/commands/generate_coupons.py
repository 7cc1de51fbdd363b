from argparse import ArgumentTypeError
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError, CommandParser

from commerce import clock
from commerce.changes import By
from commerce.models import Tenant
from coupons import bulk, code_files
from coupons.codes import ALPHABET, Pattern
from coupons.management.bulk_command import BulkCommand, Progress, failures_told
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule


class Command(BulkCommand):
    help = "Generates new codes for a coupon rule from a secure random source, exactly as many as asked or none."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--rule", required=True, metavar="ID")
        parser.add_argument("--count", required=True, type=int)
        parser.add_argument("--length", type=int, default=12, help="random symbols in each code, 12 unless given")
        parser.add_argument("--prefix", default="")
        parser.add_argument("--suffix", default="")
        parser.add_argument("--alphabet", default=ALPHABET, help=f"{ALPHABET} unless given")
        parser.add_argument("--usage-limit", type=int, help="uses of each code; none is unlimited")
        parser.add_argument("--expires-at", type=_instant, metavar="INSTANT", help="ISO 8601; UTC without an offset")
        parser.add_argument("--customer-single-use", action="store_true", help="each customer may use a code once")
        parser.add_argument(
            "--applies-to-count", type=int, metavar="UNITS", help="units of listed SKUs that one use discounts"
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="write the codes to a CSV file too")

    def handle(self, *, organization: str, mode: str, **options: Any) -> None:
        rule = self.rule(options["rule"], Tenant(self.organization(organization).pk, mode))
        spec = bulk.Spec(
            count=options["count"],
            pattern=Pattern(options["length"], options["prefix"], options["suffix"], options["alphabet"]),
            usage_limit=options["usage_limit"],
            expires_at=options["expires_at"],
            customer_single_use=options["customer_single_use"],
            applies_to_count=options["applies_to_count"],
        )
        progress = self.progress(spec.count)
        # The file is opened first: codes that cannot be written down are not generated.
        output = code_files.written(options["output"]) if options["output"] else nullcontext()
        with failures_told(), output as file:
            batch = _generate(rule, spec, progress)
            progress.done()
            self.stdout.write(f"Generated {batch.count:,} codes as batch {batch.name} in {progress.seconds:.1f} s.")
            if file:
                codes = Coupon.objects.owned_by(rule.tenant).filter(batch=batch.name, promotion_rule=rule)
                file.writelines(bulk.export_rows(codes, ["code"]))


def _generate(rule: CouponCodesPromotionRule, spec: bulk.Spec, progress: Progress) -> bulk.Batch:
    try:
        return bulk.generate(rule, spec, By({"command": "generate_coupons"}, clock.now()), progress.over)
    except ValidationError as error:
        problems = (f"--{name.replace('_', '-')} {text[0]}" for name, text in error.message_dict.items())
        raise CommandError(f"{'; '.join(problems)}. Nothing was written.") from error


def _instant(text: str) -> datetime:
    try:
        return code_files.instant(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an ISO 8601 instant") from None
