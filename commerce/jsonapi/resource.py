"""A resource is declared, like a row of the public reference table; everything else is worked out from it once.

    @registry.register
    class Coupons(Resource):
        type = "coupons"
        model = Coupon
        attributes = ("code", "usage_limit", "usage_count")
        read_only = ("usage_count",)
        filterable = sortable = ("code", "usage_limit", "usage_count")
        relationships = ("promotion_rule", Rel("versions", inverse="resource_id", target="versions"))

Types, nullability and validators come from the model and are never repeated.
"""

import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django_filters import Filter, FilterSet
from rest_framework.fields import Field
from rest_framework_json_api.serializers import ModelSerializer

from commerce import ids
from commerce.jsonapi.attribute_filters import filter_for

NOW = "now"
"""In place of a column of Derived: the time of the request."""


@dataclass(frozen=True, slots=True)
class Derived:
    """An attribute computed from columns, given as paths of the ORM: `function(*values)`."""

    function: Callable[..., Any]
    columns: tuple[str, ...]

    def __init__(self, function: Callable[..., Any], *columns: str) -> None:
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "columns", columns)


def read_only(row: Any, targets: list[Any], how: str, by: Any) -> None:
    """The `change` of a relationship whose members are not set from this side."""
    raise TypeError("read-only relationship")


def keep_no_more(row: Any, target: Any) -> None:
    """The `assign` of a relationship of which the row keeps nothing but type and key."""


@dataclass(frozen=True, slots=True)
class Rel:
    """A relationship. Declared by its bare name where the model says it all: a foreign key or its other side.

    `Rel("resource", field="order")` is a foreign key under another name. `Rel("item", type_column="item_type")` is
    polymorphic, to one row of any registered type, named by the columns `item_type` and `item_id`: nothing is filtered,
    sorted or included by a path that leads on from it, and it is written if `accepts` names types.
    """

    name: str
    field: str = ""
    """The model's own field when it is not called `name`; `{field}_id` is the column of the target's key."""
    type_column: str = ""
    """The column that tells the type of the target, of a polymorphic relationship."""
    accepts: tuple[str, ...] = ()
    """The types that a polymorphic relationship may be set to."""
    assign: Callable[[Any, Any], None] = keep_no_more
    """What else the row keeps of the target of a polymorphic relationship: `assign(row, target)`, or None for target,
    once type and key are set and before anything is stored."""
    inverse: str = ""
    """A path on the target's model that leads to the parent's key; empty for a foreign key of the model's own."""
    target: str = ""
    """Type of the target; found by the model the field points to when empty."""
    many: bool = True
    change: Callable[[Any, list[Any], str, Any], None] = read_only
    """How the members of an inverse relationship are added, removed or replaced: `change(row, targets, how, by)`."""
    writable: bool = False
    required: bool = False
    filterable: bool = True
    sortable: bool = False
    includable: bool = True
    named_by: str = ""
    """An attribute that may be given instead, with a setter that sets the relationship."""
    typed: bool = False
    """The target names its parent by `resource_type` beside `inverse`."""
    absent: bool = False
    """It leads to a type that does not exist here, and so to nothing, by whatever path."""

    @property
    def key_column(self) -> str:
        """Where a to-one relationship of the model's own keeps the key of its target."""
        return f"{self.field}_id"

    @property
    def empty(self) -> list[Any] | None:
        """Its linkage when it leads to nothing."""
        return [] if self.many else None


@dataclass(frozen=True, slots=True)
class Trigger:
    """A write-only attribute that makes something happen: `act(row, value, by)`, before the row is saved.

    Two triggers of one request that set the same attribute contradict each other.
    """

    act: Callable[[Any, Any, Any], None]
    on: tuple[str, ...] = ("create", "update")
    sets: str = ""
    takes_text: bool = False


class Source(NamedTuple):
    """Where an attribute is read: one path, or several and the function of their values."""

    paths: tuple[str, ...]
    function: Callable[..., Any] | None = None


class Resource:
    """What a type is on the wire. Subclasses are declarations; the registry holds one instance of each."""

    type: ClassVar[str]
    model: ClassVar[Any]
    path: str = ""
    """Under /api; the type when empty."""
    singleton: ClassVar[bool] = False
    actions: ClassVar[tuple[str, ...]] = ("list", "retrieve", "create", "update", "destroy")

    attributes: ClassVar[tuple[str, ...]] = ()
    common_attributes: ClassVar[tuple[str, ...]] = ()
    """Those every resource of the project carries, after its own."""
    read_only: ClassVar[tuple[str, ...]] = ()
    """Attributes, and relationships by a foreign key, that are told and never given."""
    required: ClassVar[tuple[str, ...]] = ()
    """Attributes that this type needs though its table, shared with others, does not."""
    create_only: ClassVar[tuple[str, ...]] = ()
    """Attributes and relationships that are given at creation and stay."""
    update_only: ClassVar[tuple[str, ...]] = ()
    """Attributes that are given later, if at all."""
    columns: ClassVar[Mapping[str, str | Derived]] = {}
    """Where an attribute is read, when not in the column of its name."""
    annotations: ClassVar[Mapping[str, Any]] = {}
    """What the database works out for each row: name -> expression, with its output field. Named like a column."""
    filterable: ClassVar[tuple[str, ...]] = ()
    sortable: ClassVar[tuple[str, ...]] = ()
    filters: ClassVar[Mapping[str, Filter]] = {}
    """The filter of an attribute, when its column does not say it all."""
    scopes: ClassVar[Mapping[str, Callable[[Any, str, Any], Any]]] = {}
    """Named conditions, used like predicates: `scope(rows, value, now) -> rows`; ValidationError refuses the value."""
    relationships: ClassVar[tuple[str | Rel, ...]] = ()
    absent_one: ClassVar[tuple[str, ...]] = ()
    """To-one relationships of the contract to types that do not exist here: shown, included and cleared, never set."""
    absent_many: ClassVar[tuple[str, ...]] = ()
    """The same, to-many."""
    triggers: ClassVar[Mapping[str, Trigger]] = {}
    setters: ClassVar[Mapping[str, Callable[[Any, Any, Any], None]]] = {}
    """Writable attributes that are no column: `set(row, value, by)`, after the other attributes.

    One that is not among `attributes` is never read.
    """
    serializer_fields: ClassVar[Mapping[str, Field]] = {}
    serializer_base: ClassVar[builtins.type[ModelSerializer]] = ModelSerializer
    view_base: ClassVar[Any] = None

    variants: ClassVar[Mapping[str, str]] = {}
    """Of a type that stands for several: value of `variant_column` -> concrete type."""
    variant_column: ClassVar[str] = "kind"
    id_columns: ClassVar[tuple[str, ...]] = ("pk",)
    ordering: ClassVar[tuple[str, ...]] = ("pk",)
    """The order of rows, in a list or among the members of a relationship, when no `sort` is asked: columns that put
    any two rows in order, `("created_at", "pk")` where keys are random."""
    guard: ClassVar[str] = ""
    """The ORM path to a parent every row has, such as `order` or `line_item__order`: its row is locked before one of
    this type is locked to be written, so that all writers of the parts of one parent take their locks in one order.
    Where a row is created the parent is locked as a target: declare the relationship to it first."""
    read_along: ClassVar[tuple[str, ...]] = ()
    """ORM paths to what a write needs besides the row, which nobody changes as long as the parent is locked."""

    def __init__(self, registry: "Registry") -> None:
        self.registry = registry
        self.path = self.path or self.type
        self.added_relationships: list[Rel] = []
        self.added_triggers: dict[str, Trigger] = {}

    # --- What the project decides: whose rows there are, and how they are written -----------------

    def rows(self, tenant: Any) -> models.QuerySet:
        """Every row that `tenant`, a named tuple, may reach, with `annotations` as aliases.

        The values of `tenant` may stand for those of any tenant.
        """
        raise NotImplementedError

    def create(self, row: Any, by: Any) -> None:
        raise NotImplementedError

    def update(self, row: Any, by: Any) -> None:
        raise NotImplementedError

    def destroy(self, row: Any, by: Any) -> None:
        raise NotImplementedError

    # --- Ids --------------------------------------------------------------------------------------

    def encode_id(self, key: Any, *columns: Any) -> str:
        return ids.encode(key)

    def decode_id(self, public_id: str) -> int | None:
        return ids.decode(public_id)

    # --- Worked out once --------------------------------------------------------------------------

    @cached_property
    def all_attributes(self) -> tuple[str, ...]:
        return (*self.attributes, *(name for name in self.common_attributes if name not in self.attributes))

    @cached_property
    def sources(self) -> dict[str, Source]:
        return {name: self._source(name) for name in self.all_attributes}

    @cached_property
    def relations(self) -> dict[str, Rel]:
        declared = [self._completed(entry) for entry in (*self.relationships, *self.added_relationships)]
        absent = [Rel(name, absent=True, many=name in self.absent_many, filterable=False) for name in self.absent]
        return {relation.name: relation for relation in (*declared, *absent)}

    @property
    def absent(self) -> tuple[str, ...]:
        return (*self.absent_one, *self.absent_many)

    @cached_property
    def all_triggers(self) -> dict[str, Trigger]:
        return {**self.triggers, **self.added_triggers}

    @cached_property
    def writable(self) -> tuple[str, ...]:
        columns = (name for name in self.all_attributes if not (name in self.read_only or self._is_computed(name)))
        return tuple(dict.fromkeys((*columns, *self.setters)))

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The concrete types of this resource's rows."""
        return tuple(self.variants.values()) or (self.type,)

    @cached_property
    def serializer_class(self) -> builtins.type[ModelSerializer]:
        names = [name for name in self.writable if name not in self.setters]
        needed = {name: {"required": True, "allow_null": False} for name in self.required}
        options = {"model": self.model, "fields": names, "extra_kwargs": needed, "resource_name": self.type}
        meta = type("Meta", (), options)
        return type(f"{type(self).__name__}Serializer", (self.serializer_base,), {"Meta": meta})

    @cached_property
    def filterset_class(self) -> builtins.type[FilterSet]:
        return type(f"{type(self).__name__}FilterSet", (FilterSet,), self._filters())

    @cached_property
    def view_class(self) -> Any:
        return type(f"{type(self).__name__}View", (self.view_base,), {"resource": self})

    def target(self, relation: Rel) -> "Resource":
        return self.registry[relation.target]

    def to(self, relation: Rel, type_name: str) -> Rel:
        """A polymorphic relationship as one to a single type; as it is where nobody registered the type."""
        return replace(relation, target=type_name, type_column="") if type_name in self.registry else relation

    def accepted(self, relation: Rel) -> dict[str, "Resource"]:
        """The types that may be written as targets, each with the resource that finds it."""
        if relation.type_column:
            return {name: self.registry[name] for name in relation.accepts if name in self.registry}
        target = self.target(relation)
        return dict.fromkeys((target.type, *target.types), target)

    def field_of(self, path: str) -> models.Field:
        """The model field at the end of an ORM path."""
        model: Any = self.model
        *steps, last = path.split("__")
        for step in steps:
            model = model._meta.get_field(step).related_model
        if not steps and last in self.annotations:
            annotated: models.Field = self.annotations[last].output_field
            return annotated
        field: models.Field = model._meta.pk if last == "pk" else model._meta.get_field(last)
        return field

    def _is_computed(self, name: str) -> bool:
        return name in self.annotations or self.sources[name].function is not None

    def _source(self, name: str) -> Source:
        column = self.columns.get(name, name)
        if isinstance(column, Derived):
            return Source(column.columns, column.function)
        return Source((column,))

    def _filters(self) -> dict[str, Filter]:
        built = {name: filter_for(self.field_of(self.sources[name].paths[0])) for name in self.filterable}
        for name, made in built.items():
            made.field_name = self.sources[name].paths[0]
        return {**built, **self.filters}

    def _completed(self, entry: str | Rel) -> Rel:
        relation = Rel(entry) if isinstance(entry, str) else entry
        relation = replace(relation, field=relation.field or relation.name, writable=relation.change is not read_only)
        if relation.inverse and relation.target:
            return relation
        if relation.type_column:
            writable = bool(relation.accepts)
            return replace(relation, many=False, writable=writable, filterable=False, sortable=False)
        field: Any = self.model._meta.get_field(relation.field)
        target = relation.target or self.registry.for_model(field.related_model).type
        if field.concrete:
            writable = relation.name not in self.read_only
            required = writable and (relation.required or not field.null)
            return replace(relation, target=target, many=False, writable=writable, required=required)
        return replace(relation, target=target, inverse=relation.inverse or field.field.name)


class Registry:
    """The one list of resources: routes, tests, permissions and documents are made from it."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}

    def register(self, declaration: type[Resource]) -> type[Resource]:
        if declaration.type in self._resources:
            raise ImproperlyConfigured(f"{declaration.type} is registered twice")
        self._resources[declaration.type] = declaration(self)
        return declaration

    def extend(
        self,
        types: tuple[str, ...],
        *relationships: Rel,
        triggers: Mapping[str, Trigger] | None = None,
        **writers: Callable[[Any, Any], None],
    ) -> None:
        """Adds to types below, which know nothing of whoever adds: relationships, triggers, and how rows are written.

        `writers` replace the `create`, `update` or `destroy` of a resource: `writer(row, by)`.
        """
        for name in types:
            self[name].added_relationships.extend(relationships)
            self[name].added_triggers.update(triggers or {})
            for action, writer in writers.items():
                setattr(self[name], action, writer)

    def __getitem__(self, type_name: str) -> Resource:
        return self._resources[type_name]

    def __contains__(self, type_name: str) -> bool:
        return type_name in self._resources

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def get(self, type_name: str) -> Resource | None:
        return self._resources.get(type_name)

    def for_model(self, model: type[models.Model]) -> Resource:
        """The first resource declared of a model."""
        return next(resource for resource in self if resource.model is model)

    @cached_property
    def by_path(self) -> dict[str, Resource]:
        return {resource.path: resource for resource in self}
