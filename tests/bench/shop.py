"""One tenant with a token and any number of coupons, loaded by the product's import and, for comparison, by psql."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from commerce import auth, clock
from commerce.organizations import create_organization
from coupons.codes import Pattern
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule
from tags.models import Tag
from tests import factories
from tests.bench import floors

SAMPLE = 1000
"""Coupons that requests ask for; these have a recipient and two tags each."""


class Load(NamedTuple):
    """Seconds of the product's import and of `\\copy`, and the most memory the import held, in MiB."""

    seconds: float
    copy_seconds: float
    peak: float


@dataclass(frozen=True)
class Shop:
    token: str
    rule: CouponCodesPromotionRule
    sample: list[Coupon]
    load: Load


def open_shop(coupons: int, folder: Path) -> Shop:
    call_command("migrate", verbosity=0)
    now = clock.now()
    owner = create_organization("acme", "Acme", now)
    application = factories.application(owner)
    token = auth.bearer(auth.issue(application, application.scopes, now, is_public=False))
    rule = factories.coupon_rule(factories.percentage_promotion(owner))
    load = _load(rule, coupons, folder)
    sample = list(Coupon.objects.order_by("pk")[:SAMPLE])
    _dress(sample, rule)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return Shop(token, rule, sample, load)


def _load(rule: CouponCodesPromotionRule, coupons: int, folder: Path) -> Load:
    codes = list(dict.fromkeys(islice(Pattern().draw(), coupons)))
    wanted, ready = folder / "coupons.csv", folder / "rows.csv"
    with wanted.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("code", "usage_limit", "expires_at"))
        writer.writerows((code, 1, "2030-01-01T00:00:00Z") for code in codes)
    row = {
        "organization_id": rule.organization_id,
        "mode": rule.mode,
        "promotion_rule_id": rule.pk,
        "usage_limit": 1,
        "usage_count": 0,
        "customer_single_use": False,
        "expires_at": "2030-01-01T00:00:00Z",
        "metadata": "{}",
        "batch": "abcdefghij",
        "revision": 1,
        "created_at": clock.now(),
        "updated_at": clock.now(),
    }
    with ready.open("w", newline="") as file:
        csv.writer(file).writerows((code, code, *row.values()) for code in codes)
    del codes
    copy_seconds = floors.copy(Coupon._meta.db_table, ("code", "code_norm", *row), ready)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {Coupon._meta.db_table} CASCADE")
    seconds, peak = _import(rule, wanted)
    return Load(seconds, copy_seconds, peak)


def _import(rule: CouponCodesPromotionRule, file: Path) -> tuple[float, float]:
    """Seconds and MiB of `import_coupons`, as an operator runs it."""
    arguments = [str(file), "--organization", rule.organization.slug, "--rule", rule.public_id]
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, settings.BASE_DIR / "manage.py", "import_coupons", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    told = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"import_coupons failed: {told}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def _dress(sample: list[Coupon], rule: CouponCodesPromotionRule) -> None:
    owner = rule.organization
    recipients = cycle([factories.recipient(owner) for _ in range(100)])
    tags = cycle([factories.tag(owner) for _ in range(10)])
    for coupon, recipient in zip(sample, recipients, strict=False):
        coupon.coupon_recipient = recipient
    Coupon.objects.bulk_update(sample, ["coupon_recipient"])
    held = Tag.coupons.through
    held.objects.bulk_create(held(coupon=coupon, tag=next(tags)) for coupon in sample for _ in range(2))
