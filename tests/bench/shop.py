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
from commerce.models import Order
from commerce.organizations import create_organization
from coupons.codes import Pattern
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule
from tags.models import Tag
from tests import factories
from tests.bench import floors, redeeming

EXPIRES_AT = "2030-01-01T00:00:00Z"
SAMPLE = 1000
"""Coupons that requests ask for; these have a recipient and two tags each."""
FEW = 10
"""Coupons of another promotion, of the same kind."""


class Load(NamedTuple):
    """Seconds of the product's import and of `\\copy`, and the most memory the import held, in MiB."""

    seconds: float
    copy_seconds: float
    peak: float


@dataclass(frozen=True)
class Catalog:
    """Another organization's: a market with priced SKUs, an order of them, promotions that are all considered."""

    token: str
    market_code: str
    sku_codes: list[str]
    order: Order


@dataclass(frozen=True)
class Shop:
    token: str
    rule: CouponCodesPromotionRule
    sample: list[Coupon]
    few: list[Coupon]
    load: Load
    catalog: Catalog
    small_catalog: Catalog


def open_shop(coupons: int, folder: Path) -> Shop:
    call_command("migrate", verbosity=0)
    now = clock.now()
    owner = create_organization("acme", "Acme", now)
    application = factories.application(owner)
    token = auth.bearer(auth.issue(application, application.scopes, now, is_public=False))
    rule = factories.coupon_rule(factories.percentage_promotion(owner))
    load = _load(rule, coupons, folder)
    sample = list(Coupon.objects.order_by("pk")[:SAMPLE])
    few_rule = factories.coupon_rule(factories.percentage_promotion(owner))
    few = [factories.coupon(few_rule, code=f"FEW-CODES-{number}") for number in range(FEW)]
    _dress([*sample, *few], rule)
    redeeming.create_codes(owner)
    catalogs = _open_catalog("catalog", 20, 100), _open_catalog("corner", 2, 10)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return Shop(token, rule, sample, few, load, *catalogs)


def _open_catalog(slug: str, lines: int, promotions: int) -> Catalog:
    """So many SKUs; of the promotions three in five are for one SKU list each, the others ask for a large order."""
    owner = create_organization(slug, slug.title(), clock.now())
    owner.settings = {"promotions_max_concurrent_count": None}
    owner.save()
    prices = factories.price_list(owner)
    market = factories.market(owner, price_list=prices, code="EU")
    skus = [factories.sku(owner) for _ in range(lines)]
    for sku in skus:
        factories.price(sku, prices, amount_cents=1999)
    for number in range(promotions * 3 // 5):
        listed = factories.sku_list(owner, *skus[number : number + 1])
        factories.percentage_promotion(owner, market=market, sku_list=listed, priority=number)
    for number in range(promotions * 2 // 5):
        amounts = {"order_amount_cents": 10_000 * (number + 1), "use_subtotal": True}
        factories.order_amount_rule(factories.percentage_promotion(owner), **amounts)
    order = factories.order(owner, market=market)
    for sku in skus:
        factories.line_item(order, sku)
    application = factories.application(owner)
    token = auth.bearer(auth.issue(application, application.scopes, clock.now(), is_public=False))
    return Catalog(token, "EU", [sku.code for sku in skus], order)


def _load(rule: CouponCodesPromotionRule, coupons: int, folder: Path) -> Load:
    """The same codes in the same order, once as finished rows for psql and once as the file an operator has."""
    columns = {
        "organization_id": rule.organization_id,
        "mode": rule.mode,
        "promotion_rule_id": rule.pk,
        "usage_limit": 1,
        "usage_count": 0,
        "customer_single_use": False,
        "expires_at": EXPIRES_AT,
        "metadata": "{}",
        "batch": "abcdefghij",
        "revision": 1,
        "created_at": clock.now(),
        "updated_at": clock.now(),
    }
    wanted, ready = folder / "coupons.csv", folder / "rows.csv"
    with wanted.open("w", newline="") as file, ready.open("w", newline="") as row_file:
        writer, row_writer = csv.writer(file), csv.writer(row_file)
        writer.writerow(("code", "usage_limit", "expires_at"))
        for code in islice(Pattern().draw(), coupons):
            writer.writerow((code, 1, EXPIRES_AT))
            row_writer.writerow((code, code, *columns.values()))
    copy_seconds = floors.copy(Coupon._meta.db_table, ("code", "code_norm", *columns), ready)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {Coupon._meta.db_table} CASCADE")
    seconds, peak = _import(rule, wanted)
    return Load(seconds, copy_seconds, peak)


def _import(rule: CouponCodesPromotionRule, file: Path) -> tuple[float, float]:
    """Seconds and MiB of `import_coupons`, as an operator runs it."""
    command = ["import_coupons", file, "--organization", rule.organization.slug, "--rule", rule.public_id]
    log = file.with_suffix(".log")
    started, peak = time.monotonic(), 0.0
    with log.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, settings.BASE_DIR / "manage.py", *command],
            env={**os.environ, "SERVING": "0"},
            stdout=told,
            stderr=told,
        )
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"import_coupons failed:\n{log.read_text()}")
    return time.monotonic() - started, peak


def _memory(pid: int) -> float:
    """MiB a process held at most, or 0 where Linux does not tell; what `wait4` reports may be its parent's."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _dress(sample: list[Coupon], rule: CouponCodesPromotionRule) -> None:
    owner = rule.organization
    recipients = cycle([factories.recipient(owner) for _ in range(100)])
    tags = cycle([factories.tag(owner) for _ in range(10)])
    for coupon, recipient in zip(sample, recipients, strict=False):
        coupon.coupon_recipient = recipient
    Coupon.objects.bulk_update(sample, ["coupon_recipient"])
    held = Tag.coupons.through
    held.objects.bulk_create(held(coupon=coupon, tag=next(tags)) for coupon in sample for _ in range(2))
