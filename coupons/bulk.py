"""Many codes at once: loaded, generated and exported, the same way on both databases.

Rows go into a temporary table first, where SQL finds what must be refused, and from there into the coupons in the order
of the unique index: inserting sorted costs half of inserting at random. One version and one event on the rule stand for
the whole batch, and every code names it.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import orjson
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Length

from commerce import changes, clock, ids
from commerce.changes import By
from commerce.codes import code_lengths, normalise_code
from commerce.errors import DomainError
from commerce.models import Organization, Tenant
from commerce.money import MAX_CENTS
from coupons import only_codes
from coupons.code_files import EXPORTED, Row, Terms, as_csv, as_utc
from coupons.codes import Pattern
from coupons.models import MOST_APPLICATIONS, Coupon
from promotions.models import CouponCodesPromotionRule, Promotion

log = logging.getLogger("tessera.coupons")

_CHUNK = 1000
_SMALL_CACHE = -16_000


@dataclass(frozen=True)
class Batch:
    """What was written: so many codes that name the batch, and recipients that were not there before."""

    name: str
    count: int
    recipients: int


class Refusal(NamedTuple):
    line: int
    code: str
    problem: str


def terms(organization: Organization, mode: str, default_rule: CouponCodesPromotionRule | None = None) -> Terms:
    """What the rows of a file are judged by, for one tenant."""
    rules = CouponCodesPromotionRule.objects.owned_by(Tenant(organization.pk, mode)).values_list("pk", flat=True)
    return Terms(
        {ids.encode(key): key for key in rules},
        default_rule.pk if default_rule else None,
        *code_lengths(organization, "coupons"),
    )


@contextmanager
def staging(tenant: Tenant, *, only_code: bool = False) -> Iterator["Staging"]:
    """A transaction with an empty staging table, which goes away with it.

    With `only_code` all rows go by their code alone; without it those of the rules whose coupons do already. No row may
    have the code of a coupon that goes by it alone.
    """
    with _small_cache(), changes.atomic():
        _execute(_CREATE)
        yield Staging(tenant, only_code=only_code)
        _execute("DROP TABLE coupon_rows")


@contextmanager
def _small_cache() -> Iterator[None]:
    """Rows in order need no large cache, and SQLite would fill one for the rows, for sorting and for the indexes."""
    if connection.vendor != "sqlite":
        yield
        return
    ((size,),) = _rows("PRAGMA cache_size")
    _execute(f"PRAGMA cache_size = {_SMALL_CACHE}")
    try:
        yield
    finally:
        _execute(f"PRAGMA cache_size = {size}")


class Staging:
    """Rows on their way into the coupons of a tenant: `add` them, `refuse_duplicates`, then `insert`."""

    def __init__(self, tenant: Tenant, *, only_code: bool = False) -> None:
        self.tenant = tenant
        self.only_code = only_code
        self.rules: list[CouponCodesPromotionRule] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Streams rows in, whatever their number."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY coupon_rows ({_COLUMNS}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
                _analyze()
                return
            rows = iter(rows)
            # Plain tuples are bound faster than named ones.
            while chunk := [tuple(row) for row in islice(rows, _CHUNK)]:
                cursor.executemany(f"INSERT INTO coupon_rows ({_COLUMNS}) VALUES ({_PLACES})", chunk)  # noqa: S608

    def refuse_duplicates(self) -> None:
        """Refuses rows whose code an earlier row or the database has. Locks the rules, so that they stay."""
        keys = [key for (key,) in _rows("SELECT DISTINCT promotion_rule_id FROM coupon_rows WHERE problem IS NULL")]
        rules = CouponCodesPromotionRule.objects.owned_by(self.tenant).filter(pk__in=keys).order_by("pk")
        rules = rules.annotate(first_only_code=only_codes.OF_RULE)
        self.rules = list(rules.select_for_update(no_key=True))
        if len(self.rules) < len(keys):
            raise DomainError("A promotion rule was deleted at the same time; nothing was written.")
        if only := [rule for rule in self.rules if self.only_code or rule.first_only_code]:  # type: ignore[attr-defined]
            for rule in only:
                _execute(_MARK_ONLY, [rule.pk])
            _analyze()
            _execute(_REFUSE_ONLY_REPEATED)
            _execute(_REFUSE_ONLY_TAKEN, self.tenant._asdict())
        if len(only) < len(self.rules):
            _execute(_REFUSE_TAKEN_BY_ONLY, self.tenant._asdict())
        _execute(_REFUSE_REPEATED)
        _execute(_REFUSE_TAKEN)

    def drop_refused(self) -> None:
        _execute("DELETE FROM coupon_rows WHERE problem IS NOT NULL")

    def counts(self) -> tuple[int, int]:
        """How many rows are good, and how many are refused."""
        ((total, refused),) = _rows("SELECT count(*), count(problem) FROM coupon_rows")
        return total - refused, refused

    def refusals(self) -> Iterator[Refusal]:
        """The refused rows by line."""
        with connection.chunked_cursor() as cursor:
            cursor.execute("SELECT line, code, problem FROM coupon_rows WHERE problem IS NOT NULL ORDER BY line")
            while rows := cursor.fetchmany(_CHUNK):
                yield from map(Refusal._make, rows)

    def insert(self, by: By) -> Batch:
        """Writes the good rows and records the batch on each of their rules."""
        batch = "".join(secrets.choice(ids.LETTERS) for _ in range(ids.LENGTH))
        values = {**self.tenant._asdict(), "now": connection.ops.adapt_datetimefield_value(by.now), "batch": batch}
        recipients = _execute(_INSERT_RECIPIENTS, values)
        _keep_recipients(values)
        count = _execute(_INSERT_COUPONS, values)
        counts = dict(_rows("SELECT promotion_rule_id, count(*) FROM coupon_rows WHERE problem IS NULL GROUP BY 1"))
        told = {"coupon_recipients": [0, recipients]} if recipients else {}
        # Promotions in the order of their keys, like every writer of several counters.
        rules = [rule for rule in self.rules if rule.pk in counts]
        for rule in sorted(rules, key=lambda rule: rule.promotion_id):
            total = _counted(rule, counts[rule.pk])
            changes.record_batch(rule, batch, {"coupons_count": [total - counts[rule.pk], total], **told}, by)
        return Batch(batch, count, recipients)


def _analyze() -> None:
    """Tells PostgreSQL what it staged, by which it plans what follows."""
    if connection.vendor == "postgresql":
        _execute("ANALYZE coupon_rows")


def _keep_recipients(values: dict[str, Any]) -> None:
    """Locks the recipients of the rows, so that they stay; SQLite has no other writer meanwhile."""
    if connection.vendor != "postgresql":
        return
    ((kept, named),) = _rows(_KEEP_RECIPIENTS, values)
    if kept < named:
        raise DomainError("A coupon recipient was deleted at the same time; nothing was written.")


def _counted(rule: CouponCodesPromotionRule, count: int) -> int:
    changes.count(Promotion, rule.promotion_id, coupons_count=count)
    promotion = Promotion.objects.owned_by(rule.tenant).filter(pk=rule.promotion_id)
    return promotion.values_list("coupons_count", flat=True).get()


@dataclass(frozen=True)
class Spec:
    """Codes to generate: how many, how they look and what each may do.

    With `only_code` no coupon of the tenant has the same code, whatever its rule. `lengths` are how short and how long
    a code may be, by default what the organization's settings say. With `tries`, each code that is taken is drawn anew
    so many times and then left out.
    """

    count: int
    pattern: Pattern = field(default_factory=Pattern)
    usage_limit: int | None = None
    expires_at: datetime | None = None
    customer_single_use: bool = False
    applies_to_count: int | None = None
    only_code: bool = False
    lengths: tuple[int, int] | None = None
    tries: int | None = None


def generate(
    rule: CouponCodesPromotionRule, spec: Spec, by: By, over: Callable[[Iterator[str]], Iterator[str]] = iter
) -> Batch:
    """Writes exactly `spec.count` new codes, or what could be had of them with so many `tries`, which is logged.

    Raises ValidationError by field where they cannot be had. `over` sees every code that is drawn pass by, to tell the
    progress.
    """
    only_code = spec.only_code or only_codes.go_alone(rule)
    _check(rule, spec, only_code=only_code)
    drawn = zip(range(1, MAX_CENTS), over(spec.pattern.draw()), strict=False)
    blank = Row(
        line=0,
        code="",
        promotion_rule_id=rule.pk,
        expires_at=as_utc(spec.expires_at) if spec.expires_at else None,
        usage_limit=spec.usage_limit,
        customer_single_use=int(spec.customer_single_use),
        applies_to_count=spec.applies_to_count,
    )
    missing = spec.count
    with staging(rule.tenant, only_code=only_code) as rows:
        for _ in repeat(None) if spec.tries is None else range(1 + spec.tries):
            rows.add(_filled(blank, drawn, missing))
            rows.refuse_duplicates()
            rows.drop_refused()
            missing = spec.count - rows.counts()[0]
            if not missing:
                break
        batch = rows.insert(by)
    if missing:
        made = {"wanted": spec.count, "made": batch.count}
        log.warning("%d of %d codes of rule %s were made", batch.count, spec.count, rule.public_id, extra=made)
    return batch


def _filled(blank: Row, drawn: Iterator[tuple[int, str]], count: int) -> Iterator[Row]:
    rest = blank[3:]
    return (Row._make((line, code, normalise_code(code), *rest)) for line, code in islice(drawn, count))


def _check(rule: CouponCodesPromotionRule, spec: Spec, *, only_code: bool) -> None:
    spec.pattern.check(*(spec.lengths or code_lengths(rule.organization, "coupons")))
    if spec.count < 1:
        raise ValidationError({"count": "must be at least 1"})
    if spec.usage_limit is not None and not 0 <= spec.usage_limit <= MAX_CENTS:
        raise ValidationError({"usage_limit": f"must be from 0 to {MAX_CENTS}"})
    if spec.applies_to_count is not None and not 1 <= spec.applies_to_count <= MOST_APPLICATIONS:
        raise ValidationError({"applies_to_count": f"must be from 1 to {MOST_APPLICATIONS}"})
    room = spec.pattern.space // 2 - spec.count
    if spec.tries is None and (room < 0 or room < _alike(rule, spec, room, only_code=only_code)):
        raise ValidationError({"count": "would use more than half of the possible codes; make them longer"})


def _alike(rule: CouponCodesPromotionRule, spec: Spec, room: int, *, only_code: bool) -> int:
    """How many codes that new ones must differ from the pattern could have drawn, at most; counted where it matters."""
    promotions, coupons = Promotion.objects.owned_by(rule.tenant), Coupon.objects.owned_by(rule.tenant)
    if not only_code:
        coupons = coupons.filter(Q(promotion_rule=rule) | Q(only_code__isnull=False))
    known: int = promotions.aggregate(known=Sum("coupons_count", default=0))["known"]
    if known <= room:
        return known
    prefix, suffix = normalise_code(spec.pattern.prefix), normalise_code(spec.pattern.suffix)
    coupons = coupons.filter(code_norm__startswith=prefix, code_norm__endswith=suffix)
    coupons = coupons.annotate(length=Length("code_norm"))
    return coupons.filter(length=len(prefix) + spec.pattern.length + len(suffix)).count()


def export_rows(coupons: QuerySet[Coupon], columns: Sequence[str] = EXPORTED) -> Iterator[str]:
    """CSV, a line at a time, that `import_coupons` reads back. Streams: the coupons are never all in memory."""
    writers = [_EXPORTS[column] for column in columns]
    values = coupons.values_list(*(attribute for attribute, _ in writers)).iterator(chunk_size=_CHUNK)
    converters = [convert for _, convert in writers]
    rows = ([convert(value) for convert, value in zip(converters, row, strict=True)] for row in values)
    return as_csv(chain([columns], rows))


def _plain(value: Any) -> Any:
    return value


def _instant(value: datetime | None) -> str | None:
    return clock.wire(value) if value else None


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _json(value: dict[str, Any]) -> str | None:
    return orjson.dumps(value).decode() if value else None


_EXPORTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "code": ("code", _plain),
    "promotion_rule_id": ("promotion_rule_id", lru_cache(1024)(ids.encode)),
    "expires_at": ("expires_at", _instant),
    "usage_limit": ("usage_limit", _plain),
    "customer_single_use": ("customer_single_use", _flag),
    "applies_to_count": ("applies_to_count", _plain),
    "recipient_email": ("coupon_recipient__email", _plain),
    "reference": ("reference", _plain),
    "reference_origin": ("reference_origin", _plain),
    "metadata": ("metadata", _json),
    "usage_count": ("usage_count", _plain),
}


def _execute(sql: str, values: Any = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


def _rows(sql: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


_COLUMNS = ", ".join(Row._fields)
_PLACES = ", ".join(["%s"] * len(Row._fields))

# Types and collations are those of the tables the rows are for; a refused code may be longer than a coupon's.
_CREATE = """
    CREATE TEMPORARY TABLE coupon_rows AS
    SELECT coupon.id AS line, CAST(coupon.code AS text) AS code, coupon.code_norm, coupon.promotion_rule_id,
           coupon.expires_at, coupon.usage_limit, coupon.customer_single_use, coupon.applies_to_count,
           recipient.email, recipient.email_norm, coupon.reference, coupon.reference_origin, coupon.metadata,
           CAST('' AS text) AS problem, coupon.code_norm AS only_code
    FROM coupons_coupon AS coupon, coupons_couponrecipient AS recipient
    WHERE 1 = 0
"""

_REFUSE_REPEATED = """
    UPDATE coupon_rows
    SET problem = 'code is the same as on line ' || repeated.first
    FROM (
        SELECT promotion_rule_id, code_norm, min(line) AS first
        FROM coupon_rows
        WHERE problem IS NULL
        GROUP BY promotion_rule_id, code_norm
        HAVING count(*) > 1
    ) AS repeated
    WHERE coupon_rows.promotion_rule_id = repeated.promotion_rule_id
      AND coupon_rows.code_norm = repeated.code_norm AND coupon_rows.line > repeated.first
"""

_REFUSE_TAKEN = """
    UPDATE coupon_rows
    SET problem = 'code has already been taken'
    WHERE problem IS NULL AND EXISTS (
        SELECT 1 FROM coupons_coupon AS coupon
        WHERE coupon.promotion_rule_id = coupon_rows.promotion_rule_id AND coupon.code_norm = coupon_rows.code_norm
    )
"""

_MARK_ONLY = "UPDATE coupon_rows SET only_code = code_norm WHERE promotion_rule_id = %s AND problem IS NULL"

# Rows whose codes go by themselves are refused for whatever has the code, in any rule, and whatever has theirs is.
_REFUSE_ONLY_REPEATED = """
    UPDATE coupon_rows
    SET problem = 'code is the same as on line ' || repeated.first
    FROM (
        SELECT code_norm, min(line) AS first
        FROM coupon_rows
        WHERE problem IS NULL
        GROUP BY code_norm
        HAVING count(*) > 1 AND count(only_code) > 0
    ) AS repeated
    WHERE coupon_rows.code_norm = repeated.code_norm AND coupon_rows.line > repeated.first AND problem IS NULL
"""

_REFUSE_ONLY_TAKEN = """
    UPDATE coupon_rows
    SET problem = 'code has already been taken'
    WHERE problem IS NULL AND only_code IS NOT NULL AND EXISTS (
        SELECT 1 FROM coupons_coupon AS coupon
        WHERE coupon.organization_id = %(organization_id)s AND coupon.mode = %(mode)s
          AND coupon.code_norm = coupon_rows.code_norm
    )
"""

_REFUSE_TAKEN_BY_ONLY = """
    UPDATE coupon_rows
    SET problem = 'code has already been taken'
    WHERE problem IS NULL AND EXISTS (
        SELECT 1 FROM coupons_coupon AS coupon
        WHERE coupon.organization_id = %(organization_id)s AND coupon.mode = %(mode)s
          AND coupon.only_code = coupon_rows.code_norm
    )
"""

# A recipient is written as its first row has it.
_INSERT_RECIPIENTS = """
    INSERT INTO coupons_couponrecipient
        (organization_id, mode, email, email_norm, metadata, revision, created_at, updated_at)
    SELECT %(organization_id)s, %(mode)s, email, email_norm, '{}', 1, %(now)s, %(now)s
    FROM (
        SELECT email, email_norm, row_number() OVER (PARTITION BY email_norm ORDER BY line) AS place
        FROM coupon_rows
        WHERE problem IS NULL AND email_norm IS NOT NULL
    ) AS given
    WHERE place = 1 AND NOT EXISTS (
        SELECT 1 FROM coupons_couponrecipient AS known
        WHERE known.organization_id = %(organization_id)s AND known.mode = %(mode)s
          AND known.email_norm = given.email_norm
    )
"""

_KEEP_RECIPIENTS = """
    WITH named AS (SELECT DISTINCT email_norm FROM coupon_rows WHERE problem IS NULL AND email_norm IS NOT NULL),
    kept AS (
        SELECT recipient.email_norm FROM coupons_couponrecipient AS recipient
        WHERE recipient.organization_id = %(organization_id)s AND recipient.mode = %(mode)s
          AND recipient.email_norm IN (SELECT email_norm FROM named)
        FOR KEY SHARE OF recipient
    )
    SELECT (SELECT count(DISTINCT email_norm) FROM kept), (SELECT count(*) FROM named)
"""

_INSERT_COUPONS = """
    INSERT INTO coupons_coupon
        (organization_id, mode, promotion_rule_id, code, code_norm, expires_at, usage_limit, usage_count,
         used_amount_cents, customer_single_use, applies_to_count, only_code, coupon_recipient_id,
         reference, reference_origin, metadata, batch, revision, created_at, updated_at)
    SELECT %(organization_id)s, %(mode)s, promotion_rule_id, code, code_norm, expires_at, usage_limit,
           0, 0, coalesce(customer_single_use, false), applies_to_count, only_code, recipient_id,
           reference, reference_origin, coalesce(metadata, '{}'), %(batch)s, 1, %(now)s, %(now)s
    FROM (
        SELECT coupon_rows.*, known.id AS recipient_id
        FROM coupon_rows
        LEFT JOIN (
            SELECT email_norm, min(id) AS id
            FROM coupons_couponrecipient
            WHERE organization_id = %(organization_id)s AND mode = %(mode)s
              AND email_norm IN (SELECT email_norm FROM coupon_rows)
            GROUP BY email_norm
        ) AS known ON known.email_norm = coupon_rows.email_norm
        WHERE problem IS NULL
        ORDER BY promotion_rule_id, code_norm
    ) AS sorted
"""
