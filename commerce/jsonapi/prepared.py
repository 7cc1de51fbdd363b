"""Statements that the ORM compiles once, to be run for any values: compiling takes it far longer than running.

A value that is not known when a statement is compiled is a `Parameter`; whoever runs the statement gives it by name.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Expression, Field, ForeignObject, JSONField, Lookup, Q
from django.db.models.expressions import Col
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]

Row = Sequence[Any]

_COMPARISONS = frozenset({"exact", "lt", "lte", "gt", "gte", "like", "ilike"})


class Parameter(Expression):
    """Stands in a condition for the value of its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def like(tenant: Any) -> Any:
    """A tenant, which is a named tuple, with parameters for its values."""
    return type(tenant)(*map(Parameter, tenant._fields))


@Field.register_lookup
@ForeignObject.register_lookup
class Among(Lookup):
    """`in` with all its values in one parameter, so that the statement is the same for any number of them."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        among = "{} IN (SELECT value FROM json_each({}))" if connection.vendor == "sqlite" else "{} = ANY({})"
        return among.format(left, right), [*left_params, *map(_adapted, right_params)]


class Statement:
    """The compiled form of a query set of columns.

    `shape` is put around its SQL and may add parameters, `more`; JSON in the columns at `loads` comes as objects.
    """

    def __init__(
        self, rows: models.QuerySet, shape: str = "{}", more: Sequence[Parameter] = (), loads: Sequence[int] = ()
    ) -> None:
        compiler = rows.query.get_compiler(connection=connection)
        try:
            sql, params = compiler.as_sql()
        except EmptyResultSet:
            sql, params = "", ()
        self.compiler = compiler
        self.sql = sql and shape.format(sql)
        self.params = (*params, *more)
        self.loads = loads
        converters = compiler.get_converters([column[0] for column in compiler.select or ()])
        self.converters = [
            (position, functions, expression)
            for position, (functions, expression) in sorted(converters.items())
            if not (isinstance(expression, Col) and isinstance(expression.output_field, JSONField))
        ]

    def run(self, values: Mapping[str, Any]) -> list[Row]:
        """The rows, with JSON as the text it is stored in but at `loads`."""
        if not self.sql:
            return []
        params = [values[param.name] if isinstance(param, Parameter) else param for param in self.params]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [_adapted(param) for param in params])
            rows: list[Row] = cursor.fetchall()
        return [self._converted(row) for row in rows] if self.converters or self.loads else rows

    def _converted(self, row: Row) -> Row:
        values = list(row)
        for position, functions, expression in self.converters:
            for function in functions:
                values[position] = function(values[position], expression, connection)
        for position in self.loads:
            if isinstance(values[position], str):
                values[position] = json.loads(values[position])
        return values


class Instances(Statement):
    """The compiled form of a query set of whole rows, with the rows that it selects as related to them."""

    def __init__(self, rows: models.QuerySet) -> None:
        super().__init__(rows)
        columns: Any = [column[0] for column in self.compiler.select]
        told: Any = self.compiler.klass_info
        self.loads = [index for index, column in enumerate(columns) if isinstance(column.output_field, JSONField)]
        self.model = rows.model
        self.names = [columns[index].target.attname for index in told["select_fields"]]
        self.related = get_related_populators(told, self.compiler.select, connection.alias)

    def load(self, values: Mapping[str, Any]) -> list[Any]:
        return [self._instance(row) for row in self.run(values)]

    def _instance(self, row: Row) -> Any:
        instance = self.model.from_db(connection.alias, self.names, row[: len(self.names)])
        for related in self.related:
            related.populate(row, instance)
        return instance


def without_values(condition: Q, values: dict[str, Any]) -> Q | None:
    """The condition with parameters for its values, which are put into `values`.

    None when its SQL depends on the values themselves. Two conditions that are equal then have the same SQL.
    """
    children: list[Any] = []
    for child in condition.children:
        general: Any = without_values(child, values) if isinstance(child, Q) else _without_value(child, values)
        if general is None:
            return None
        children.append(general)
    return Q(*children, _connector=condition.connector, _negated=condition.negated)


def _without_value(compared: Any, values: dict[str, Any]) -> tuple[str, Any] | None:
    name, value = compared
    path, _, lookup = name.rpartition("__")
    if isinstance(value, bool):
        return name, value
    if lookup == "in" and isinstance(value, list):
        name = f"{path}__among"
    elif lookup not in _COMPARISONS or not isinstance(value, str | int | datetime):
        return None
    parameter = Parameter(f"value {len(values)}")
    values[parameter.name] = value
    return name, parameter


def _adapted(value: Any) -> Any:
    """As the database's driver takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, list) and connection.vendor == "sqlite":
        return json.dumps([_adapted(each) for each in value])
    return value
