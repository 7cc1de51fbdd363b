"""From a checked document to a changed row: attributes through the serializer, targets through their own tenant."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import connection
from rest_framework.exceptions import ValidationError as FieldValidationError
from rest_framework.fields import Field, SkipField, empty

from commerce.jsonapi.errors import ApiError, Problem, error, field_problems, invalid, model_problems
from commerce.jsonapi.parser import Identifier, Linkage, ResourceDocument, pointer_to
from commerce.jsonapi.prepared import Instances, Parameter, like
from commerce.jsonapi.resource import Rel, Resource, Trigger

ADD, REMOVE, REPLACE = "add", "remove", "replace"

_ON = frozenset({True, "true", "1", "t"})
_OFF = frozenset({False, None, "", "false", "0", "f"})


class Write:
    """One POST or PATCH of a resource: gathers every problem, then writes all or nothing.

    Attributes are read when it is made, which may take its time and asks no database. `write` belongs into a
    transaction: targets are read, the row is written and its to-many members are set in it.
    """

    def __init__(
        self,
        resource: Resource,
        document: ResourceDocument,
        tenant: Any,
        by: Any,
        *,
        creating: bool,
        prohibited: frozenset[str] = frozenset(),
    ) -> None:
        self.resource = resource
        self.tenant = tenant
        self.by = by
        self.creating = creating
        self.problems: list[Problem] = []
        self.attributes = self._without(prohibited, "attributes", document.attributes)
        self.linkages = self._without(prohibited, "relationships", document.relationships)
        self._take_null_relationships()
        self.fired = self._fired_triggers()
        self.values = dict(self._valid_attributes())

    def write(self, row: Any) -> None:
        values = self.values
        for name in values.keys() - self.resource.setters.keys():
            setattr(row, name, values[name])
        members = self._apply_relationships(row)
        self._check_model(row)
        if self.problems:
            raise ApiError(self.problems)
        for name, value in self.fired.items():
            self.resource.all_triggers[name].act(row, value, self.by)
        for name, set_value in self.resource.setters.items():
            if name in values:
                set_value(row, values[name], self.by)
        store = self.resource.create if self.creating else self.resource.update
        store(row, self.by)
        for name, targets in members.items():
            self.resource.relations[name].change(row, targets, REPLACE, self.by)

    # --- Gathering --------------------------------------------------------------------------------

    def _without(self, prohibited: frozenset[str], member: str, given: Mapping[str, Any]) -> dict[str, Any]:
        self.problems += [not_allowed(member, name) for name in given if name in prohibited]
        return {name: value for name, value in given.items() if name not in prohibited}

    def _take_null_relationships(self) -> None:
        """Some clients clear a to-one relationship by a null attribute of its name."""
        for name in [name for name, value in self.attributes.items() if value is None]:
            relation = self.resource.relations.get(name)
            if relation and not relation.many:
                del self.attributes[name]
                self.linkages.setdefault(name, None)

    def _valid_attributes(self) -> Iterable[tuple[str, Any]]:
        untimely = self.resource.update_only if self.creating else self.resource.create_only
        fields = {name: field for name, field in writable_fields(self.resource).items() if name not in untimely}
        for name in self.attributes:
            if name not in fields and name not in self.resource.all_triggers:
                self.problems.append(not_allowed("attributes", name))
        for name, field in fields.items():
            value = self.attributes.get(name, empty)
            if value is empty and not (self.creating and field.required):
                continue
            if value is None and not field.allow_null and not field.required and name in self.resource.sources:
                value = _default(self.resource, name)
            try:
                yield name, field.run_validation(value)
            except SkipField:
                continue
            except FieldValidationError as cause:
                pointer = pointer_to("attributes", name)
                self.problems += field_problems(pointer, name, self.attributes.get(name), cause, field)
            except (OverflowError, ArithmeticError, ValueError):
                self.problems.append(invalid(pointer_to("attributes", name), name, "is invalid", "invalid"))

    def _fired_triggers(self) -> dict[str, Any]:
        action = "create" if self.creating else "update"
        fired = {}
        for name, trigger in self.resource.all_triggers.items():
            if name not in self.attributes:
                continue
            value = self.attributes[name]
            if action not in trigger.on:
                self.problems.append(not_allowed("attributes", name))
            elif self._fires(name, trigger, value):
                fired[name] = value
        for name in fired:
            aim = self.resource.all_triggers[name].sets
            if aim and any(other != name and self.resource.all_triggers[other].sets == aim for other in fired):
                message = "contradicts another trigger of the request"
                self.problems.append(invalid(pointer_to("attributes", name), name, message, "invalid"))
        return fired

    def _fires(self, name: str, trigger: Trigger, value: Any) -> bool:
        hashable = value if isinstance(value, str | bool | int | None) else ()
        if hashable in _OFF:
            return False
        if trigger.takes_text and isinstance(value, str):
            return True
        if not trigger.takes_text and (hashable in _ON):
            return True
        message = "must be a comma-separated list" if trigger.takes_text else "must be true or false"
        self.problems.append(invalid(pointer_to("attributes", name), name, message, "invalid"))
        return False

    def _apply_relationships(self, row: Any) -> dict[str, list[Any]]:
        """Sets the foreign keys of `row`; what is stored on the other side is returned, to be set after it.

        Targets are locked in the order of the declaration, whatever that of the document, so that writers meet in one.
        """
        relations = self.resource.relations
        self.problems += [not_allowed("relationships", name) for name in self.linkages if name not in relations]
        members: dict[str, list[Any]] = {}
        for name, relation in relations.items():
            given = name in self.linkages
            known = relation.named_by in self.attributes or getattr(row, relation.key_column, None) is not None
            if given and not self.creating and name in self.resource.create_only:
                self.problems.append(_not_settable(relation))
            elif relation.required and (self.linkages[name] is None if given else self.creating and not known):
                self.problems.append(invalid(pointer_to("relationships", name), name, "must exist", "blank"))
            elif given:
                self._apply(relation, self.linkages[name], row, members)
        return members

    def _apply(self, relation: Rel, linkage: Linkage, row: Any, members: dict[str, list[Any]]) -> None:
        if relation.absent and not linkage:
            return
        if problem := _misfit(relation, linkage):
            self.problems.append(problem)
            return
        pointer = pointer_to("relationships", relation.name, "data")
        targets, problems = targets_of(relation, linkage, self.resource, self.tenant, pointer)
        self.problems += problems
        if relation.inverse:
            members[relation.name] = targets
        elif not problems:
            _set(row, relation, targets)

    def _check_model(self, row: Any) -> None:
        """The model's own rules too, so that one answer names everything that is wrong."""
        try:
            row.clean()
        except ModelValidationError as cause:
            told = {(problem.source or {}).get("pointer", "").removesuffix("/data") for problem in self.problems}
            found = model_problems(cause, pointers(self.resource))
            self.problems += [problem for problem in found if (problem.source or {}).get("pointer") not in told]


def _misfit(relation: Rel, linkage: Linkage) -> Problem | None:
    """Why a relationship cannot be set to such a linkage, whatever it names."""
    if not relation.writable:
        return _not_settable(relation)
    if relation.many != isinstance(linkage, list):
        wanted = "an array" if relation.many else "one identifier or null"
        detail = f"{relation.name} takes {wanted}."
        source = {"pointer": pointer_to("relationships", relation.name, "data")}
        return Problem(400, "BAD_REQUEST", detail, source=source)
    return None


def _not_settable(relation: Rel) -> Problem:
    source = {"pointer": pointer_to("relationships", relation.name)}
    return Problem(403, "FORBIDDEN", f"{relation.name} cannot be set.", source=source)


def targets_of(
    relation: Rel, linkage: Linkage, resource: Resource, tenant: Any, pointer: str
) -> tuple[list[Any], list[Problem]]:
    """The rows a linkage names, in one query, locked against being deleted meanwhile; and what could not be found."""
    identifiers: list[Identifier] = linkage if isinstance(linkage, list) else [linkage] if linkage else []
    many = isinstance(linkage, list)
    accepted = resource.accepted(relation)
    target = None
    problems = []
    keys: dict[int, tuple[str, str]] = {}
    for index, identifier in enumerate(identifiers):
        where = f"{pointer}/{index}" if many else pointer
        if identifier.type not in accepted:
            detail = f"{relation.name} takes {' or '.join(sorted(accepted))}, not {identifier.type[:64]}."
            problems.append(Problem(409, "TYPE_MISMATCH", detail, source={"pointer": f"{where}/type"}))
            continue
        target = accepted[identifier.type]
        key = target.decode_id(identifier.id)
        keys[-1 - index if key is None else key] = (identifier.type, where)
    found = {row.pk: row for row in locked(target, list(keys), tenant)} if target else {}
    for key, (type_name, where) in keys.items():
        row = found.get(key)
        if row is None or type_name not in (accepted[type_name].type, row.wire_type):
            detail = f"{relation.name} names a resource that was not found."
            problems.append(Problem(404, "RECORD_NOT_FOUND", detail, source={"pointer": where}))
    return [found[key] for key in keys if key in found], problems


def locked(resource: Resource, keys: list[int], tenant: Any, *, whole: bool = False) -> list[Any]:
    """The rows of these keys, nobody else writing them until the transaction ends; `whole` against references too.

    Where they are guarded they are parts of the parents they had when these were locked.
    """
    values: dict[str, Any] = {**tenant._asdict(), "keys": keys}
    if resource.guard:
        parents = _guarding(connection.vendor, resource, like(tenant)).load(values)
        values["parents"] = [parent.pk for parent in parents]
    return _locking(connection.vendor, resource, like(tenant), whole).load(values)


@lru_cache(maxsize=256)
def _guarding(vendor: str, resource: Resource, tenant: Any) -> Instances:
    parent: Any = resource.field_of(resource.guard).related_model
    rows = resource.rows(tenant).filter(pk__among=Parameter("keys"))
    parents = parent._base_manager.filter(pk__in=rows.values(resource.guard)).order_by("pk").only("pk")
    return Instances(parents.select_for_update(no_key=True, of=("self",)))


@lru_cache(maxsize=256)
def _locking(vendor: str, resource: Resource, tenant: Any, whole: bool) -> Instances:
    rows = resource.rows(tenant).filter(pk__among=Parameter("keys")).order_by("pk")
    if resource.guard:
        rows = rows.filter((f"{resource.guard}__among", Parameter("parents"))).select_related(*resource.read_along)
    return Instances(rows.select_for_update(no_key=not whole, of=("self",)))


def set_linkage(resource: Resource, row: Any, relation: Rel, linkage: Linkage, how: str, tenant: Any, by: Any) -> None:
    """A write to a relationship endpoint, within a transaction."""
    if relation.absent and not linkage:
        return
    if not relation.writable or relation.name in resource.create_only:
        raise error(403, "FORBIDDEN", f"{relation.name} cannot be changed here.", pointer="/data")
    if relation.required and linkage is None:
        raise ApiError([invalid("/data", relation.name, "must exist", "blank")])
    targets, problems = targets_of(relation, linkage, resource, tenant, "/data")
    if problems and how == REMOVE:
        problems = [problem for problem in problems if problem.status != 404]
    if problems:
        raise ApiError(problems)
    if relation.inverse:
        relation.change(row, targets, how, by)
    else:
        _set(row, relation, targets)
        resource.update(row, by)


def _set(row: Any, relation: Rel, targets: list[Any]) -> None:
    """Sets a to-one relationship of the row's own. What leads nowhere keeps the type it had."""
    target = targets[0] if targets else None
    if not relation.type_column:
        setattr(row, relation.field, target)
        return
    if target:
        setattr(row, relation.type_column, target.wire_type)
    setattr(row, relation.key_column, target and target.pk)
    relation.assign(row, target)


@lru_cache(maxsize=256)
def writable_fields(resource: Resource) -> dict[str, Field]:
    """The serializer's fields, bound once: what they keep does not depend on a request."""
    serializer = resource.serializer_class()
    fields = {name: field for name, field in serializer.fields.items() if not field.read_only}
    for name, declared in resource.serializer_fields.items():
        fields[name] = deepcopy(declared)  # bound once only, and the first requests may come together
        fields[name].bind(name, serializer)
    return fields


@lru_cache(maxsize=256)
def pointers(resource: Resource) -> dict[str, str]:
    """Where the fields a model may complain of stand in a document."""
    names = (*resource.all_attributes, *resource.writable, *resource.all_triggers)
    return {
        NON_FIELD_ERRORS: "/data",
        **{name: pointer_to("attributes", name) for name in names},
        **{name: pointer_to("relationships", name) for name in resource.relations},
    }


def _default(resource: Resource, name: str) -> Any:
    """What null stands for in a column that always holds something."""
    return resource.field_of(resource.sources[name].paths[0]).get_default()


def not_allowed(member: str, name: str) -> Problem:
    shown = name if len(name) <= 255 else f"{name[:255]}…"
    return Problem(400, "PARAM_NOT_ALLOWED", f"{shown} is not allowed.", source={"pointer": pointer_to(member, name)})
