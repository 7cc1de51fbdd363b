"""A list: how many rows there are, and those of a page. Two statements, compiled once for all that differ in values."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models import CharField, F, Q

from commerce.jsonapi import filters
from commerce.jsonapi.plan import Plan, related_rows
from commerce.jsonapi.prepared import Parameter, Row, Statement, like, without_values
from commerce.jsonapi.query import Query
from commerce.jsonapi.resource import Rel, Resource
from commerce.jsonapi.statements import limited_time

_PAGE = (Parameter("size"), Parameter("offset"))


class Within(NamedTuple):
    """The parent whose related rows are listed, and how they are related."""

    resource: Resource
    relation: Rel
    key: int


class Found(NamedTuple):
    """`records` counts every row that matches, not only those of the page."""

    records: int
    rows: list[Row]


def search(
    plan: Plan,
    query: Query,
    tenant: Any,
    now: datetime,
    authorize: Callable[[Resource], None],
    within: Within | None = None,
) -> Found:
    """The rows a query asks for. `authorize` raises for a type whose attributes the caller may not search."""
    resource, conditions = plan.resource, query.conditions
    where = filters.where(resource, conditions, tenant, authorize)
    values = {**tenant._asdict(), "parent": within and within.key}
    general = None if not resource.scopes.keys().isdisjoint(conditions) else without_values(where, values)
    if general is None:
        rows = filters.scoped(_rows(resource, tenant, within).filter(where), resource, conditions, now)
        count, page = _statements(plan, rows, query.sort)
    else:
        parent = within._replace(key=0) if within else None
        count, page = _compiled(connection.vendor, plan, like(tenant), parent, general, query.sort)
    values |= {"size": query.page.size, "offset": query.page.offset}
    with limited_time():
        records = count.run(values)
        return Found(records[0][0] if records else 0, page.run(values))


@lru_cache(maxsize=1024)
def _compiled(
    vendor: str, plan: Plan, tenant: Any, within: Within | None, where: Q, sort: tuple[str, ...]
) -> tuple[Statement, Statement]:
    return _statements(plan, _rows(plan.resource, tenant, within).filter(where), sort)


def _rows(resource: Resource, tenant: Any, within: Within | None) -> models.QuerySet:
    if within is None:
        return resource.rows(tenant)
    return related_rows(within.resource, within.relation, "exact", Parameter("parent"), tenant)


def _statements(plan: Plan, rows: models.QuerySet, sort: tuple[str, ...]) -> tuple[Statement, Statement]:
    count = Statement(rows.order_by().values_list("pk"), "SELECT COUNT(*) FROM ({}) AS found")
    page = plan.statement(_sorted(rows, plan.resource, sort), "{} LIMIT %s OFFSET %s", _PAGE)
    return count, page


def _sorted(rows: models.QuerySet, resource: Resource, criteria: tuple[str, ...]) -> models.QuerySet:
    """Rows in the order asked for, then by key: a total order, the same on both databases."""
    if not criteria:
        return rows.order_by(*resource.ordering)
    order = []
    for criterion in criteria:
        *relations, attribute = criterion.removeprefix("-").split(".")
        owner, path = resource, ""
        for name in relations:
            relation = owner.relations[name]
            owner, path = owner.target(relation), f"{path}{relation.field}__"
        column = "pk" if attribute == "id" else _sort_column(owner, attribute)
        path += column
        field = owner.field_of(column)
        expression = F(f"{path}__bytewise" if isinstance(field, CharField) else path)
        nullable = bool(relations) or field.null
        if criterion.startswith("-"):
            order.append(expression.desc(nulls_first=True if nullable else None))
        else:
            order.append(expression.asc(nulls_last=True if nullable else None))
    return rows.order_by(*order, "pk")


def _sort_column(resource: Resource, attribute: str) -> str:
    """The column its filter searches, which is the one that has an index."""
    searched = resource.filterset_class.base_filters.get(attribute)
    return searched.field_name if searched else resource.sources[attribute].paths[0]
