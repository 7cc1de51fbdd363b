"""How a resource is read for one fieldset and one include tree: compiled once, then only executed.

A plan knows the columns to select, the converter of each, and the text of the links; reading is one query for the
primary rows and one for each included path, whatever their number.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection, models
from django.db.models import F

from commerce import clock
from commerce.jsonapi.errors import error
from commerce.jsonapi.prepared import Parameter, Row, Statement, like
from commerce.jsonapi.query import Fieldsets, IncludeTree, Query
from commerce.jsonapi.resource import NOW, Rel, Resource

MOST_INCLUDED = 10_000
"""Rows one included path may bring; beyond it the related list is there to be paged."""

Path = tuple[Resource, Rel]
"""A resource and one of its relationships."""
_HERE = "\x00"
"""Stands for a resource's own URL in the text of its links."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rows of one answer are written for: `tenant` is what who asks reaches, `meta` that of every object."""

    base_url: str
    tenant: Any
    now: datetime
    meta: orjson.Fragment


class Plan:
    """`via` is the inverse relationship that leads here, if one does, with the resource of the parents."""

    def __init__(self, resource: Resource, fields: Fieldsets, include: IncludeTree, via: Path | None = None) -> None:
        self.resource, self.via = resource, via
        self.variants = {
            kind: Plan(resource.registry[name], _inherited(fields, name, resource.type), include)
            for kind, name in resource.variants.items()
        }
        shown = fields.get(resource.type)
        self.attributes = [name for name in resource.all_attributes if shown is None or name in shown]
        self.relations = [
            relation for relation in resource.relations.values() if shown is None or relation.name in shown
        ]
        self.includes = {
            relation.name: Plan(
                resource.target(relation),
                fields,
                include[relation.name],
                (resource, relation) if relation.inverse else None,
            )
            for relation in self.relations
            if relation.name in include and relation.target
        }
        self.polymorphic = {
            relation.name: ByType(resource, fields)
            for relation in self.relations
            if relation.name in include and relation.type_column
        }
        self.absent = {
            relation.name: relation.empty for relation in self.relations if relation.name in include and relation.absent
        }
        trailing = via[1].inverse if via else ""
        self.paths = self._paths(trailing)
        self.index = {path: position for position, path in enumerate(self.paths)}
        self.trailing = self.index[trailing] if trailing else -1
        self._compile_writers()
        self._statements: dict[tuple[str, str, type], Statement] = {}

    # --- Compiling --------------------------------------------------------------------------------

    def _paths(self, trailing: str) -> list[str]:
        """Every column any variant needs, each once; the key is first."""
        needed = dict.fromkeys(("pk", *self.resource.id_columns, "revision"))
        if self.variants:
            needed[self.resource.variant_column] = None
        for plan in (self, *self.variants.values()):
            for name in plan.attributes:
                needed.update(dict.fromkeys(plan.resource.sources[name].paths))
            followed = [plan.resource.relations[name] for name in (*plan.includes, *plan.polymorphic)]
            for relation in followed:
                needed |= {} if relation.inverse else {relation.key_column: None}
                needed |= {relation.type_column: None} if relation.type_column else {}
        needed.pop(NOW, None)
        if trailing:
            needed[trailing] = None
        return list(needed)

    def _compile_writers(self) -> None:
        computed = {
            path
            for plan in (self, *self.variants.values())
            for name in plan.attributes
            if plan.resource.sources[name].function
            for path in plan.resource.sources[name].paths
        }
        self.loads = {path for path in computed if path != NOW and self._is_json(path)}
        for plan in self.variants.values():
            plan.index, plan.loads = self.index, self.loads
            plan._write_with(self.index)
        self._write_with(self.index)

    def _write_with(self, index: dict[str, int]) -> None:
        self.plain: list[tuple[str, int, Callable[[Any], Any] | None]] = []
        self.computed: list[tuple[str, Callable[..., Any], list[int]]] = []
        for name in self.attributes:
            source = self.resource.sources[name]
            if source.function:
                self.computed.append(
                    (name, source.function, [-1 if path == NOW else index[path] for path in source.paths])
                )
            else:
                path = source.paths[0]
                self.plain.append((name, index[path], self._converter(path)))
        self.order = {name: position for position, name in enumerate(self.attributes)} if self.computed else {}
        self.id_positions = [index[path] for path in self.resource.id_columns]
        self.kind = index.get(self.resource.variant_column, -1) if self.variants else -1
        names = [relation.name for relation in self.relations]
        self.links = {
            name: f'"links":{{"self":"{_HERE}/relationships/{name}","related":"{_HERE}/{name}"}}' for name in names
        }
        self.bare_links = "{" + ",".join(f'"{name}":{{{links}}}' for name, links in self.links.items()) + "}"
        self.url = f"/api/{self.resource.path}"

    def _is_json(self, path: str) -> bool:
        return isinstance(self.resource.field_of(path), models.JSONField)

    def _converter(self, path: str) -> Callable[[Any], Any] | None:
        field = self.resource.field_of(path)
        if isinstance(field, models.DateTimeField):
            return clock.wire
        if isinstance(field, models.JSONField) and path not in self.loads:
            return orjson.Fragment
        return None

    # --- Reading ----------------------------------------------------------------------------------

    def one(self, key: int, tenant: Any) -> Row | None:
        """The row of this key; of a path, the first row of this parent."""
        return next(iter(self._run("exact", key, tenant)), None)

    def among(self, keys: Iterable[int], tenant: Any) -> list[Row]:
        """The rows of these keys; of a path, the rows of these parents."""
        return self._run("among", list(keys), tenant)

    def _run(self, lookup: str, sought: Any, tenant: Any) -> list[Row]:
        kind = (lookup, connection.vendor, type(tenant))
        statement = self._statements.get(kind)
        if statement is None:
            statement = self._statements[kind] = self.statement(self._sought(lookup, like(tenant)))
        return statement.run({**tenant._asdict(), "sought": sought})

    def _sought(self, lookup: str, tenant: Any) -> models.QuerySet:
        if self.via:
            return related_rows(*self.via, lookup, Parameter("sought"), tenant).order_by(*self.resource.ordering)[
                : MOST_INCLUDED + 1
            ]
        return self.resource.rows(tenant).filter((f"pk__{lookup}", Parameter("sought")))

    def statement(self, rows: models.QuerySet, shape: str = "{}", more: Sequence[Parameter] = ()) -> Statement:
        """What reads the columns of the plan from `rows`."""
        annotated = {path: F(path) for path in self.paths if path in self.resource.annotations}
        columns = rows.annotate(**annotated).values_list(*self.paths)
        return Statement(columns, shape, more, [self.index[path] for path in self.loads])

    # --- Writing ----------------------------------------------------------------------------------

    def of(self, row: Row) -> "Plan":
        """The plan of the row's own type."""
        return self.variants[row[self.kind]] if self.variants else self

    def public_id(self, row: Row) -> str:
        return self.resource.encode_id(*[row[position] for position in self.id_positions])

    def identifier(self, row: Row) -> dict[str, str]:
        return {"type": self.of(row).resource.type, "id": self.public_id(row)}

    def resource_object(self, row: Row, linkage: dict[str, Any], context: Context) -> dict[str, Any]:
        plan = self.of(row)
        public_id = self.public_id(row)
        url = context.base_url + plan.url + ("" if plan.resource.singleton else f"/{public_id}")
        written: dict[str, Any] = {"id": public_id, "type": plan.resource.type, "links": {"self": url}}
        attributes = plan.written_attributes(row, context.now)
        if attributes:
            written["attributes"] = attributes
        if plan.links:
            text = plan.linked(linkage) if linkage else plan.bare_links
            written["relationships"] = orjson.Fragment(text.replace(_HERE, url))
        written["meta"] = context.meta
        return written

    def written_attributes(self, row: Row, now: datetime) -> dict[str, Any]:
        written = {}
        for name, position, convert in self.plain:
            value = row[position]
            written[name] = value if convert is None or value is None else convert(value)
        if not self.computed:
            return written
        for name, function, positions in self.computed:
            value = function(*[now if position < 0 else row[position] for position in positions])
            written[name] = clock.wire(value) if isinstance(value, datetime) else value
        return {name: written[name] for name in self.order}

    def linked(self, linkage: dict[str, Any]) -> str:
        parts = []
        for name, links in self.links.items():
            data = f'"data":{orjson.dumps(linkage[name]).decode()},' if name in linkage else ""
            parts.append(f'"{name}":{{{data}{links}}}')
        return "{" + ",".join(parts) + "}"


class ByType(dict[str, Plan]):
    """The plans of whatever a polymorphic relationship leads to, by type, each made when first asked for."""

    def __init__(self, resource: Resource, fields: Fieldsets) -> None:
        self.registry, self.fields = resource.registry, fields

    def __missing__(self, type_name: str) -> Plan:
        plan = self[type_name] = Plan(self.registry[type_name], self.fields, {})
        return plan


@dataclass(slots=True)
class Node:
    """A row on its way into a document, with the linkage that the include tree asks for."""

    plan: Plan
    row: Row
    linkage: dict[str, Any]


class Compound:
    """The primary rows of an answer and all they include, each resource once.

    `permits` tells whether the caller may retrieve what a polymorphic relationship leads to.
    """

    def __init__(self, plan: Plan, rows: Sequence[Row], context: Context, permits: Callable[[Resource], bool]) -> None:
        self.context, self.permits = context, permits
        self.nodes: dict[tuple[str, Any], Node] = {}
        entries = self._entries(plan, rows)
        self.primary = [node for _, node in entries]
        self.primary_keys = set(self.nodes)
        self._include(plan, entries)

    def data(self) -> list[dict[str, Any]]:
        return [self._object(node) for node in self.primary]

    def included(self) -> list[dict[str, Any]]:
        return [self._object(node) for key, node in self.nodes.items() if key not in self.primary_keys]

    def _object(self, node: Node) -> dict[str, Any]:
        return node.plan.resource_object(node.row, node.linkage, self.context)

    def _entries(self, plan: Plan, rows: Sequence[Row]) -> "list[Entry]":
        """Each row as its plan read it, with the one node of its resource, which another path may have made."""
        return [(row, self.nodes.setdefault((plan.of(row).resource.type, row[0]), Node(plan, row, {}))) for row in rows]

    def _include(self, plan: Plan, entries: "list[Entry]") -> None:
        for name, child in plan.includes.items():
            relation = plan.resource.relations[name]
            if relation.inverse:
                rows = self._inverse(plan, relation, child, entries)
            else:
                rows = self._forward(plan, relation, child, entries)
            found = self._entries(child, rows)
            if found and (child.includes or child.polymorphic or child.absent):
                self._include(child, found)
        for name, plans in plan.polymorphic.items():
            self._include_by_type(plan, plan.resource.relations[name], plans, entries)
        if plan.absent:
            for _, node in entries:
                node.linkage |= plan.absent

    def _include_by_type(self, plan: Plan, relation: Rel, plans: ByType, entries: "list[Entry]") -> None:
        """One query for each type that is there. What may not be retrieved is left out, as if it were not there."""
        position = plan.index[relation.type_column]
        by_type: dict[str, list[Entry]] = {}
        for row, node in entries:
            node.linkage[relation.name] = None
            by_type.setdefault(row[position], []).append((row, node))
        for type_name, of_type in by_type.items():
            if type_name in plans.registry and self.permits(plans.registry[type_name]):
                child = plans[type_name]
                self._entries(child, self._forward(plan, relation, child, of_type))

    def _forward(self, plan: Plan, relation: Rel, child: Plan, entries: "list[Entry]") -> list[Row]:
        position = plan.index[relation.key_column]
        keys = {row[position] for row, _ in entries} - {None}
        rows = child.among(keys, self.context.tenant) if keys else []
        by_key = {row[0]: row for row in rows}
        for row, node in entries:
            target = by_key.get(row[position])
            node.linkage[relation.name] = child.identifier(target) if target else None
        return rows

    def _inverse(self, plan: Plan, relation: Rel, child: Plan, entries: "list[Entry]") -> list[Row]:
        rows = self._children(relation, child, [row[0] for row, _ in entries])
        by_parent: dict[Any, list[Any]] = {}
        for row in rows:
            by_parent.setdefault(row[child.trailing], []).append(child.identifier(row))
        for row, node in entries:
            members = by_parent.get(row[0], [])
            node.linkage[relation.name] = members if relation.many else next(iter(members), None)
        return rows

    def _children(self, relation: Rel, child: Plan, parents: list[Any]) -> list[Row]:
        found = child.among(parents, self.context.tenant) if parents else []
        if len(found) > MOST_INCLUDED:
            raise error(
                400,
                "INVALID_INCLUDE",
                f"{relation.name} holds more than {MOST_INCLUDED} resources; list them by their related link.",
                parameter="include",
            )
        return found


Entry = tuple[Row, Node]


def plan_for(resource: Resource, query: Query, via: Path | None = None) -> Plan:
    """The plan of a resource for what a query asks to see, compiled on first use."""
    return _cached_plan(resource, _Shape(query), via)


class _Shape:
    """The part of a query that a plan depends on, as a key of the cache."""

    __slots__ = ("key", "query")

    def __init__(self, query: Query) -> None:
        self.query, self.key = query, query.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=1024)
def _cached_plan(resource: Resource, shape: _Shape, via: Path | None) -> Plan:
    return Plan(resource, shape.query.fields, shape.query.include or {}, via)


def related_rows(resource: Resource, relation: Rel, lookup: str, parents: Any, tenant: Any) -> models.QuerySet:
    """The rows at the other side of an inverse relationship; `lookup` compares their parents' keys with `parents`."""
    rows = resource.target(relation).rows(tenant).filter((f"{relation.inverse}__{lookup}", parents))
    return rows.filter(resource_type__in=resource.types) if relation.typed else rows


def _inherited(fields: Fieldsets, name: str, umbrella: str) -> Fieldsets:
    """A concrete type takes the fieldset of its umbrella when it has none of its own."""
    return {**fields, name: fields[umbrella]} if umbrella in fields and name not in fields else fields
