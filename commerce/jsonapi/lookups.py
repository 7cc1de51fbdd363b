"""Two conditions the ORM does not have alike on both databases."""

import json
import re
from functools import lru_cache
from typing import Any

from django.db.models import CharField, JSONField, Lookup, TextField


@CharField.register_lookup
@TextField.register_lookup
class ILike(Lookup):
    """SQL's LIKE without regard to case: % and _ are wild unless behind a backslash."""

    lookup_name = "ilike"
    prepare_rhs = True

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} ILIKE {right}", [*left_params, *right_params]

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        if all(str(pattern).isascii() for pattern in right_params):
            return f"{left} LIKE {right} ESCAPE '\\'", [*left_params, *right_params]
        connection.ensure_connection()
        connection.connection.create_function("ilike", 2, _ilike, deterministic=True)
        return f"ilike({left}, {right})", [*left_params, *right_params]


@JSONField.register_lookup
class JsonContains(Lookup):
    """PostgreSQL's `@>`: the object on the left holds everything the one on the right does."""

    lookup_name = "json_contains"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        left, left_params = self.process_lhs(compiler, connection)
        return f"{left} @> %s::jsonb", [*left_params, self._wanted()]

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        left, left_params = self.process_lhs(compiler, connection)
        connection.ensure_connection()
        connection.connection.create_function("json_contains", 2, _json_contains, deterministic=True)
        return f"json_contains({left}, %s)", [*left_params, self._wanted()]

    def get_prep_lookup(self) -> Any:
        return self.rhs

    def _wanted(self) -> str:
        return json.dumps(self.rhs)


@lru_cache(maxsize=64)
def _pattern(like: str) -> re.Pattern[str]:
    pieces = re.findall(r"\\.|[%_]|[^\\%_]+", like, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile(
        "".join(wild.get(piece) or re.escape(piece[1:] if piece[0] == "\\" else piece) for piece in pieces),
        re.IGNORECASE | re.DOTALL,
    )


def _ilike(value: str | None, like: str) -> bool | None:
    return None if value is None else _pattern(like).fullmatch(value) is not None


def _json_contains(held: str | None, wanted: str) -> bool | None:
    return None if held is None else _contains(json.loads(held), json.loads(wanted))


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
