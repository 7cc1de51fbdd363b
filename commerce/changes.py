"""The one write door: a row, its version and its event, in one transaction.

API, admin, dialects, jobs and commands write owned rows through `create`, `save` and `delete`, or through the twins for
many rows at once (`record_batch`, `delete_all`), for counters (`count`, `reset`; balances: `commerce.ledger`) and for
what follows from other rows (`create_computed`, `save_computed`, `delete_computed`). Outside of it rows are only read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, QuerySet

from commerce import clock, ids
from commerce.errors import Locked, NotUnique
from commerce.models import Event, Owned, PricingRevision, Tenant, Version
from commerce.models.activity import Activity


class By(NamedTuple):
    """Who changes something, and when.

    `who` is what versions tell: `{"application": {id, kind, public}}`, `{"user": {id, name}}` or `{"command": name}`.
    """

    who: dict[str, Any]
    now: datetime
    reach: Any = None
    """The part of a tenant they reach, as `permissions.Reach`; None for all of it."""


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction that says a violated constraint in words: ValidationError `taken` on the attribute it is about.

    The question which constraint it was is asked after the rollback, so a write that succeeds never pays for it.
    """
    try:
        with transaction.atomic(), _raising_pricing_revisions():
            yield
    except IntegrityError as error:
        row = getattr(error, "row", None)
        if row is not None:
            _explain(row)
        raise NotUnique from error


def create(row: Owned, by: By) -> None:
    """Inserts `row`. Raises ValidationError where the model's own rules are broken."""
    row.created_at = row.updated_at = by.now
    row.clean()
    with _naming(row), transaction.atomic(savepoint=False):
        _insert(row)
        changes = {name: [None, value] for name, value in _told(row).items() if value is not None}
        record(row, "create", changes, by)
        _note_priced(row)
    _remember(row)


def save(row: Owned, by: By) -> bool:
    """Writes what differs from the stored row and tells it; False when nothing does.

    `row` must have been read from the database whole. Raises NotUnique where it is gone.
    """
    changed = changed_fields(row)
    if not changed:
        return False
    row.clean()
    changed = changed_fields(row)
    row.updated_at = by.now
    changes = {
        name: [_jsonable(field, row.stored(field.attname)), _jsonable(field, getattr(row, field.attname))]
        for field in changed
        if (name := field.attname) and field.name not in row.unversioned
    }
    with _naming(row), transaction.atomic(savepoint=False):
        if not _update(row, changed):
            raise NotUnique("The resource was deleted by another request at the same time.")
        row.revision += 1
        record(row, "update", changes, by)
        _note_priced(row)
    _remember(row)
    return True


def delete(row: Owned, by: By) -> None:
    """Deletes `row`, its parts and the links to it. Raises Locked where anything else refers to it still."""
    changes = {name: [value, None] for name, value in _told(row).items() if value is not None}
    with _naming(row), transaction.atomic(savepoint=False):
        for name in row.parts:
            for part in getattr(row, name).select_for_update().order_by("pk"):
                delete(part, by)
        _check_unreferred(row)
        record(row, "destroy", changes, by)
        row.delete()
        _note_priced(row)


def _check_unreferred(row: Owned) -> None:
    """Asked before Django does, which would load whatever refers to the row to say so."""
    referring = [
        str(link.related_model._meta.verbose_name_plural)
        for link in _protecting_links(type(row))
        if link.related_model._base_manager.filter(**{link.field.attname: row.pk}).exists()
    ]
    if referring:
        raise Locked(f"The {row._meta.verbose_name} is referred to by {', '.join(sorted(referring))}.")


@lru_cache
def _protecting_links(model: type[Owned]) -> list[Any]:
    links: list[Any] = [field for field in model._meta.get_fields(include_hidden=True) if field.one_to_many]
    return [link for link in links if link.on_delete is models.PROTECT]


def delete_all(rows: QuerySet) -> int:
    """Deletes many rows and the links to them without loading any; the caller records it once, on their parent.

    However long it takes: the transaction is no longer bound to the time that a search may take.
    """
    with transaction.atomic(savepoint=False):
        take_time()
        return delete_computed(rows)


def take_time() -> None:
    """The rest of the transaction is not bound to the time that a search may take."""
    if connection.vendor == "postgresql":
        connection.cursor().execute("SET LOCAL statement_timeout = 0")


def delete_computed(rows: QuerySet) -> int:
    """The twin of `delete` for a few rows that follow from others: they and the links to them go, nothing recorded."""
    for link in rows.model._meta.concrete_model._meta.get_fields(include_hidden=True):
        if link.one_to_many and link.related_model._meta.auto_created:
            links = link.related_model._base_manager.filter(**{f"{link.field.name}__in": rows.values("pk")})
            links._raw_delete(links.db)
    return rows.order_by()._raw_delete(rows.db)


def record(row: Owned, event: str, changes: dict[str, Any], by: By) -> None:
    """Appends the version and the event `{type}.{event}` of something that was done to `row`.

    Versions know three events; whatever is neither `create` nor `destroy` is an `update` to them.
    """
    told_as = event if event in ("create", "destroy") else "update"
    append(Version, row, by, event=told_as, changes=changes, who=by.who)
    announce(row, event, by)


def announce(row: Owned, event: str, by: By) -> None:
    """Appends the event alone, of what a version tells already or may not tell."""
    append(Event, row, by, name=f"{row.wire_type}.{event}")


def append(model: type[Activity], row: Owned, by: By, **values: Any) -> None:
    """Appends what happened to `row`: a version, an event, an entry of its ledger. Nothing else tells of it."""
    _insert(model(**values, **_about(row, by)))


def _about(row: Owned, by: By) -> dict[str, Any]:
    return {
        "organization_id": row.organization_id,
        "mode": row.mode,
        "resource_type": row.wire_type,
        "resource_id": row.pk,
        "created_at": by.now,
        "updated_at": by.now,
    }


def touch(row: Owned, event: str, changes: dict[str, Any], by: By) -> None:
    """Tells of a change to what hangs on `row`, such as its tags; its revision and `updated_at` follow."""
    type(row)._base_manager.filter(pk=row.pk).update(updated_at=by.now, revision=F("revision") + 1)
    record(row, event, changes, by)


def record_batch(parent: Owned, batch: str, counts: dict[str, list[int]], by: By) -> None:
    """The bulk twin of `record`: one version and one event, on the parent, for any number of rows named by `batch`."""
    touch(parent, "update", {**counts, "batch": [None, batch]}, by)


def create_computed(rows: Sequence[Owned], by: By) -> None:
    """The twin of `create` for rows that follow from others, which tell of them: one statement, nothing recorded."""
    for row in rows:
        row.created_at = row.updated_at = by.now
    if rows:
        type(rows[0])._base_manager.bulk_create(rows)
    for row in rows:
        _remember(row)


def save_computed(rows: Sequence[Owned], names: Sequence[str], by: By) -> None:
    """The twin of `save` for columns that follow from others: one statement for those that differ, nothing recorded."""
    fields: list[Any] = [rows[0]._meta.get_field(name) for name in names] if rows else []
    changed = [row for row in rows if any(row.stored(each.attname) != getattr(row, each.attname) for each in fields)]
    if not changed:
        return
    values: list[Any] = [connection.ops.adapt_datetimefield_value(by.now)]
    for row in changed:
        values += [row.pk, *(each.get_db_prep_save(getattr(row, each.attname), connection) for each in fields)]
        row.updated_at = by.now
        row.revision += 1
    with connection.cursor() as cursor:
        cursor.execute(_computing(connection.vendor, type(rows[0]), tuple(fields), len(changed)), values)
    for row in changed:
        _remember(row)


def count(model: type[Owned], key: int, **deltas: int) -> None:
    """The counter twin of `save`: adds to counters of a row and raises its revision, without a version."""
    with connection.cursor() as cursor:
        cursor.execute(_counting(model, tuple(deltas)), [*deltas.values(), key])


def reset(model: type[Owned], key: int, *counters: str) -> None:
    """Sets counters of a row to zero and raises its revision, without a version; nothing where they are zero."""
    zero = dict.fromkeys(counters, 0)
    model._base_manager.filter(pk=key).exclude(**zero).update(**zero, revision=F("revision") + 1)


def changed_fields(row: Owned) -> list[models.Field]:
    """The stored fields whose value differs from what the database holds."""
    return [
        field
        for field in row._meta.concrete_fields
        if not field.generated
        and field.name not in BOOKKEEPING
        and row.stored(field.attname) != getattr(row, field.attname)
    ]


BOOKKEEPING = frozenset({"id", "created_at", "updated_at", "revision"})


def _told(row: Owned) -> dict[str, Any]:
    return {
        field.attname: _jsonable(field, getattr(row, field.attname))
        for field in row._meta.concrete_fields
        if field.name not in row.unversioned
    }


def _jsonable(field: models.Field, value: Any) -> Any:
    if value is None:
        return None
    if field.is_relation:
        return ids.encode(value)
    if isinstance(value, datetime):
        return clock.wire(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value)
    return value


def remember(row: Owned, attname: str) -> None:
    """Takes the value that `row` has for the stored one, of a column that a counter twin wrote."""
    row._stored[attname] = getattr(row, attname)


def _remember(row: Owned) -> None:
    row._stored = {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.generated
    }


@contextmanager
def _naming(row: Owned) -> Iterator[None]:
    """Leaves on an IntegrityError the row that met it, for `atomic` to explain."""
    try:
        yield
    except IntegrityError as error:
        error.row = row  # type: ignore[attr-defined]
        raise


def _explain(row: Owned) -> None:
    constraint: Any
    model: Any = row._meta.concrete_model  # a proxy has no constraints of its own
    for constraint in model._meta.constraints:
        try:
            constraint.validate(model, row)
        except ValidationError as cause:
            attribute = row.taken.get(constraint.name, NON_FIELD_ERRORS)
            is_unique = isinstance(constraint, models.UniqueConstraint)
            error = ValidationError("has already been taken", code="taken") if is_unique else cause
            raise ValidationError({attribute: error}) from None


# --- What orders are discounted by ----------------------------------------------------------------

_noted: ContextVar[set[Tenant] | None] = ContextVar("noted", default=None)
"""Tenants whose pricing revision the transaction is going to raise."""


def _note_priced(row: Owned) -> None:
    tenants = _noted.get()
    if not row.is_priced:
        return
    if tenants is None:
        _raise_pricing_revision(row.tenant)
    else:
        tenants.add(row.tenant)


@contextmanager
def _raising_pricing_revisions() -> Iterator[None]:
    """Raises them last, once a transaction: all writers of a tenant meet there, and none locks anything after it."""
    if _noted.get() is not None:
        yield
        return
    tenants: set[Tenant] = set()
    token = _noted.set(tenants)
    try:
        yield
        for tenant in sorted(tenants):
            _raise_pricing_revision(tenant)
    finally:
        _noted.reset(token)


def _raise_pricing_revision(tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_RAISING, tenant)


_RAISING = (
    f"INSERT INTO {PricingRevision._meta.db_table} AS kept (organization_id, mode, revision) VALUES (%s, %s, 1) "  # noqa: S608
    "ON CONFLICT (organization_id, mode) DO UPDATE SET revision = kept.revision + 1"
)


# --- Statements that follow every write, so their SQL is written once -----------------------------


def _insert(row: Owned) -> None:
    sql, fields = _insertion(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


def _update(row: Owned, changed: Sequence[models.Field]) -> bool:
    """Whether the row is still there."""
    given = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in changed]
    updated_at = connection.ops.adapt_datetimefield_value(row.updated_at)
    with connection.cursor() as cursor:
        cursor.execute(_updating(type(row), tuple(changed)), [*given, updated_at, row.pk])
        return bool(cursor.rowcount)


@lru_cache(maxsize=1024)
def _updating(model: type[Owned], changed: tuple[models.Field, ...]) -> str:
    written = "".join(f"{field.column} = %s, " for field in changed)
    return f"UPDATE {model._meta.db_table} SET {written}updated_at = %s, revision = revision + 1 WHERE id = %s"  # noqa: S608


@lru_cache
def _insertion(model: type[Owned]) -> tuple[str, list[models.Field]]:
    fields = [field for field in model._meta.concrete_fields if not field.generated and not _is_given(field)]
    columns, places = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({places}) RETURNING id", fields  # noqa: S608


def _is_given(field: models.Field) -> bool:
    """Whether the database gives the value."""
    return isinstance(field, models.AutoField)


@lru_cache
def _counting(model: type[Owned], names: tuple[str, ...]) -> str:
    added = ", ".join(f"{name} = {name} + %s" for name in names)
    return f"UPDATE {model._meta.db_table} SET {added}, revision = revision + 1 WHERE id = %s"  # noqa: S608


@lru_cache
def _computing(vendor: str, model: type[Owned], fields: tuple[models.Field, ...], rows: int) -> str:
    """`VALUES` names its columns column1, column2 ... in both databases; one of them wants their types too."""
    typed = "CAST(given.column{} AS {})" if vendor == "postgresql" else "given.column{}"
    written = [
        f"{field.column} = {typed.format(place, field.db_type(connection))}" for place, field in enumerate(fields, 2)
    ]
    places = f"({', '.join(['%s'] * (len(fields) + 1))})"
    return (
        f"UPDATE {model._meta.db_table} AS kept SET {', '.join(written)}, "  # noqa: S608
        f"updated_at = %s, revision = kept.revision + 1 "
        f"FROM (VALUES {', '.join([places] * rows)}) AS given WHERE kept.id = given.column1"
    )
