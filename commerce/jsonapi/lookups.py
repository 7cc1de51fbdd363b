"""What the ORM does not compare alike on both databases: bytes of text, patterns whatever their case, JSON in JSON."""

import json
from functools import lru_cache
from typing import Any

from django.db.backends.signals import connection_created
from django.db.models import CharField, JSONField, Lookup, TextField, Transform
from django.dispatch import receiver


@CharField.register_lookup
@TextField.register_lookup
class Bytewise(Transform):
    """Text in the order of its bytes, which is that of its code points; SQLite knows no other."""

    lookup_name = "bytewise"
    template = "%(expressions)s"

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        return self.as_sql(compiler, connection, template='%(expressions)s COLLATE "C"')


@CharField.register_lookup
@TextField.register_lookup
class Like(Lookup):
    """SQL's LIKE: % and _ are wild unless behind a backslash. SQLite takes `a` for `A`."""

    lookup_name = "like"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} LIKE {right} ESCAPE '\\'", [*left_params, *right_params]


@CharField.register_lookup
@TextField.register_lookup
class ILike(Like):
    """LIKE in upper case on both sides, by the rules of Unicode whatever the database's own locale is."""

    lookup_name = "ilike"

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> Any:
        sql, params = super().process_lhs(compiler, connection, lhs)
        return _upper(sql, connection), params

    def process_rhs(self, compiler: Any, connection: Any) -> Any:
        sql, params = super().process_rhs(compiler, connection)
        return _upper(sql, connection), params


@JSONField.register_lookup
class JsonContains(Lookup):
    """PostgreSQL's `@>`: the object on the left holds everything the one on the right does."""

    lookup_name = "json_contains"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} @> %s::jsonb", [*params, json.dumps(self.rhs)]

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        left, params = self.process_lhs(compiler, connection)
        return f"json_contains({left}, %s)", [*params, json.dumps(self.rhs)]


def _upper(sql: str, connection: Any) -> str:
    if connection.vendor == "postgresql":
        return f'UPPER({sql} COLLATE "{_unicode_collation(connection.pg_version)}")'
    return f"unicode_upper({sql})"


def _unicode_collation(pg_version: int) -> str:
    """The best that every build of that version has: full case mapping, simple mapping (`ß` stays), or that of ICU."""
    if pg_version >= 180_000:
        return "pg_unicode_fast"
    return "pg_c_utf8" if pg_version >= 170_000 else "und-x-icu"


@receiver(connection_created)
def _define_functions(connection: Any, **_: Any) -> None:
    """Before anything runs: a statement that one thread compiled is run by others, on connections of their own."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("unicode_upper", 1, _unicode_upper, deterministic=True)
        connection.connection.create_function("json_contains", 2, _json_contains, deterministic=True)


def _unicode_upper(text: str | None) -> str | None:
    return None if text is None else text.upper()


def _json_contains(held: str | None, wanted: str) -> bool | None:
    return None if held is None else _contains(json.loads(held), _loaded(wanted))


_loaded = lru_cache(maxsize=64)(json.loads)


def _contains(held: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(held, dict) and all(
            name in held and _contains(held[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(held, list) and all(any(_contains(item, value) for item in held) for value in wanted)
    if isinstance(held, bool) or isinstance(wanted, bool):
        return held is wanted
    return bool(held == wanted)
