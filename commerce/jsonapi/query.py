"""The query string of a request, checked as a whole: what is not known is refused, on every method and endpoint."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from commerce.jsonapi.errors import ApiError, error
from commerce.jsonapi.pagination import FIRST_PAGE, Page, page_of
from commerce.jsonapi.parser import MEMBER_NAME

if TYPE_CHECKING:
    from commerce.jsonapi.resource import Resource

DEEPEST_INCLUDE = 5
MOST_INCLUDES = 50

_PARAMETER = re.compile(r"(include|sort|fields|page|filter)(?:\[([^\[\]]*)\])?(?:\[([^\[\]]*)\])?")

IncludeTree = Mapping[str, "IncludeTree"]
Fieldsets = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Query:
    """`include` is None when the parameter was not given, and an empty tree when it was but named nothing."""

    include: IncludeTree | None = None
    fields: Fieldsets = field(default_factory=dict)
    sort: tuple[str, ...] = ()
    page: Page = FIRST_PAGE
    conditions: Mapping[str, str] = field(default_factory=dict)
    key: Any = ""
    """What a plan depends on, hashable."""

    def showing(self, shown: Fieldsets) -> "Query":
        """The same, of the types in `shown` no more than their fields in it."""
        narrowed = {name: self.fields.get(name, names) & names for name, names in shown.items()}
        return replace(self, fields={**self.fields, **narrowed}, key=(self.key, frozenset(shown.items())))


NOTHING = Query()


def parse_query(raw: str, resource: "Resource | None", *, allowed: frozenset[str]) -> Query:
    """The parameters of `raw`. `allowed` are the families the endpoint supports, `resource` what it answers with.

    Where that is nothing, of no type that is known, any include and any order is as good as none.
    """
    if not raw:
        return NOTHING
    given = _parameters(raw, allowed)
    include = fields = None
    if "include" in given:
        include = _include_tree(given["include"], resource) if resource else {}
    fields = {type_name: _fieldset(type_name, names, resource) for type_name, names in given.get("fields", {}).items()}
    return Query(
        include,
        {_plural(type_name, resource): names for type_name, names in fields.items()},
        _sort(given["sort"], resource) if resource and "sort" in given else (),
        page_of(given.get("page", {})),
        given.get("filter", {}),
        (given.get("include"), tuple(sorted((name, tuple(sorted(names))) for name, names in fields.items()))),
    )


def page_url(path: str, raw: str) -> str:
    """The same URL for any page: its `{number}` and `{size}` are to be filled in. Brackets are encoded."""
    kept = [
        (name, value)
        for name, value in parse_qsl(raw, keep_blank_values=True)
        if name not in ("page[number]", "page[size]")
    ]
    query = "".join(f"{quote(name, safe='')}={quote(value, safe=',')}&" for name, value in kept)
    return f"{path}?{query}page%5Bnumber%5D={{number}}&page%5Bsize%5D={{size}}"


def _parameters(raw: str, allowed: frozenset[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in _pairs(raw):
        match = _PARAMETER.fullmatch(name)
        if match is None or match[1] not in allowed or not _well_formed(match):
            raise error(400, "PARAM_NOT_ALLOWED", f"{name} is not allowed here.", parameter=name)
        family, first, second = match.groups()
        if "\x00" in value:
            raise error(400, "BAD_REQUEST", f"{name} holds a null character.", parameter=name)
        if family in ("include", "sort"):
            given[family] = value
        elif family == "filter" and second in given.get("filter", ()):
            raise error(400, "PARAM_NOT_ALLOWED", f"{name} is given twice.", parameter=name)
        else:
            given.setdefault(family, {})[second if family == "filter" else first] = value
    return given


def _pairs(raw: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=200)
    except UnicodeDecodeError:
        raise error(400, "BAD_REQUEST", "The query string is not UTF-8.", parameter="") from None
    except ValueError:
        raise error(400, "BAD_REQUEST", "The query string has too many parameters.", parameter="") from None
    return [(name, value) for name, value in pairs if name]


def _well_formed(match: re.Match[str]) -> bool:
    family, first, second = match.groups()
    if family in ("include", "sort"):
        return first is None
    if family == "filter":
        return first == "q" and bool(second)
    if second is not None:
        return False
    if family == "page":
        return first in ("number", "size")
    return first is not None and MEMBER_NAME.fullmatch(first) is not None


def _include_tree(value: str, resource: "Resource") -> IncludeTree:
    tree: dict[str, Any] = {}
    paths = [path for path in value.split(",") if path]
    if len(paths) > MOST_INCLUDES:
        raise _bad_include(f"more than {MOST_INCLUDES} paths")
    for path in paths:
        names = path.split(".")
        if len(names) > DEEPEST_INCLUDE:
            raise _bad_include(path)
        branch: dict[str, Any] = tree
        owner: Resource | None = resource
        for name in names:
            relation = owner.relations.get(name) if owner else None
            if owner is None or relation is None or not relation.includable:
                raise _bad_include(path)
            branch = branch.setdefault(name, {})
            if relation.absent:
                break
            owner = None if relation.type_column else owner.target(relation)
    return tree


def _fieldset(type_name: str, value: str, resource: "Resource | None") -> frozenset[str]:
    names = frozenset(name for name in value.split(",") if name)
    known = resource and resource.registry.get(_plural(type_name, resource))
    if known:
        fields = {"id", "type", *known.all_attributes, *known.relations}
        fields.update(*(known.registry[name].all_attributes for name in known.variants.values()))
        for name in sorted(names - fields):
            raise error(
                400, "INVALID_FIELD", f"{name} is not a field of {type_name}.", parameter=f"fields[{type_name}]"
            )
    return names


def _plural(type_name: str, resource: "Resource | None") -> str:
    """Clients also write the singular (`fields[coupon]`); types we do not serve are let through."""
    if resource and type_name not in resource.registry and f"{type_name}s" in resource.registry:
        return f"{type_name}s"
    return type_name


def _sort(value: str, resource: "Resource") -> tuple[str, ...]:
    """Criteria as given, each known to be sortable: an attribute, or one behind a to-one relationship."""
    criteria = tuple(criterion for criterion in value.split(",") if criterion)
    if len(criteria) > 20:
        raise error(400, "INVALID_SORT_CRITERIA", "Too many sort criteria.", parameter="sort")
    for criterion in criteria:
        *relations, attribute = criterion.removeprefix("-").split(".")
        owner: Resource | None = resource
        for name in relations:
            relation = owner.relations.get(name) if owner else None
            owner = owner.target(relation) if owner and relation and relation.sortable else None
        if owner is None or (attribute != "id" and attribute not in owner.sortable):
            raise error(
                400,
                "INVALID_SORT_CRITERIA",
                f"{criterion} is not a sort criterion of {resource.type}.",
                parameter="sort",
            )
    return criteria


def _bad_include(path: str) -> ApiError:
    return error(400, "INVALID_INCLUDE", f"{path} cannot be included.", parameter="include")
