"""The predicate grammar of `filter[q]`, parsed purely and compiled against the filter set of a resource.

    filter[q][code_eq]=SUMMER
    filter[q][name_or_reference_cont]=sum
    filter[q][promotion_rule_promotion_id_in]=aBc…,dEf…

A key is attributes joined by `_or_` or `_and_`, each behind a path of relationships, and a predicate. Whatever is not
known is refused by name, because a condition that is silently dropped widens a deletion to everything.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, NamedTuple

import django_filters
from django import forms
from django.db import models
from django.db.models import Q

from commerce.jsonapi.errors import ApiError, error

if TYPE_CHECKING:
    from commerce.jsonapi.resource import Rel, Resource

MOST_CONDITIONS = 50
MOST_VALUES = 1000
DEEPEST_PATH = 5


# --- Predicates -----------------------------------------------------------------------------------


class Predicate(NamedTuple):
    """`lookup` of the ORM, over one value, a list, a flag or none of them; `negated` says its contrary."""

    lookup: str
    takes: str = "value"
    negated: bool = False
    or_null: bool = False


_SIMPLE = {
    "eq": Predicate("exact"),
    "lt": Predicate("lt"),
    "lteq": Predicate("lte"),
    "gt": Predicate("gt"),
    "gteq": Predicate("gte"),
    "matches": Predicate("matches"),
    "start": Predicate("start"),
    "end": Predicate("end"),
    "cont": Predicate("cont"),
    "i_cont": Predicate("cont"),
    "not_eq": Predicate("exact", negated=True),
    "does_not_match": Predicate("matches", negated=True),
    "not_start": Predicate("start", negated=True),
    "not_end": Predicate("end", negated=True),
    "not_cont": Predicate("cont", negated=True),
    "not_i_cont": Predicate("cont", negated=True),
}

PREDICATES: dict[str, Predicate] = {
    **_SIMPLE,
    **{
        f"{name}_{each}": predicate._replace(takes=each)
        for name, predicate in _SIMPLE.items()
        for each in ("any", "all")
    },
    "eq_or_null": Predicate("exact", or_null=True),
    "not_eq_or_null": Predicate("exact", negated=True, or_null=True),
    "in": Predicate("in", "list"),
    "in_or_null": Predicate("in", "list", or_null=True),
    "not_in": Predicate("in", "list", negated=True),
    "not_in_or_null": Predicate("in", "list", negated=True, or_null=True),
    "present": Predicate("present", "flag"),
    "blank": Predicate("present", "flag", negated=True),
    "not_null": Predicate("not_null", "flag"),
    "null": Predicate("not_null", "flag", negated=True),
    "true": Predicate("is_true", "flag"),
    "false": Predicate("is_true", "flag", negated=True),
    "jcont": Predicate("json_contains", "json"),
}

_TEXT_LOOKUPS = frozenset({"matches", "start", "end", "cont"})
_COMPARISONS = frozenset({"lt", "lte", "gt", "gte"})


# --- Parsing --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one attribute: names of relationships, then the attribute."""

    relations: tuple[str, ...]
    attribute: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One `filter[q]` key: `paths` joined by `joiner`, judged by `predicate`."""

    key: str
    paths: tuple[Path, ...]
    joiner: str
    predicate: Predicate


class Vocabulary(NamedTuple):
    """What a key may speak of: attributes of a type, and where its relationships lead."""

    attributes: frozenset[str]
    relations: Mapping[str, Callable[[], "Vocabulary"]]


def parse_key(key: str, words: Vocabulary) -> Condition | None:
    """The condition a key stands for; None when no reading of it is known. The longest predicate wins."""
    for name in _predicates_of(key):
        subject = key[: -len(name) - 1]
        for joiner in ("_or_", "_and_"):
            if joiner in subject:
                break
        parts = subject.split(joiner)
        paths = [parse_path(part, words) for part in parts]
        whole = parse_path(subject, words)
        if whole:
            return Condition(key, (whole,), "_or_", PREDICATES[name])
        if all(paths):
            return Condition(key, tuple(path for path in paths if path), joiner, PREDICATES[name])
    return None


def parse_path(subject: str, words: Vocabulary, depth: int = 0) -> Path | None:
    if subject in words.attributes:
        return Path((), subject)
    if depth == DEEPEST_PATH:
        return None
    for name in sorted(words.relations, key=len, reverse=True):
        if subject.startswith(f"{name}_"):
            rest = parse_path(subject[len(name) + 1 :], words.relations[name](), depth + 1)
            if rest:
                return Path((name, *rest.relations), rest.attribute)
    return None


def _predicates_of(key: str) -> Iterator[str]:
    parts = key.split("_")
    for start in range(1, len(parts)):
        name = "_".join(parts[start:])
        if name in PREDICATES:
            yield name


# --- Filters of django-filter, by the type of the column ------------------------------------------


class TextField(forms.CharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "strip": False, "empty_value": ""})

    def clean(self, value: Any) -> str:
        if "\x00" in value:
            raise forms.ValidationError("holds a null character")
        return str(value)


class TextFilter(django_filters.CharFilter):
    field_class = TextField


class IntegerFilter(django_filters.NumberFilter):
    field_class = forms.IntegerField


class FlagField(forms.Field):
    Invalid = forms.ValidationError

    def clean(self, value: Any) -> bool:
        if value in ("true", "1", "t"):
            return True
        if value in ("false", "0", "f"):
            return False
        raise forms.ValidationError("is not a boolean")


class FlagFilter(django_filters.Filter):
    field_class = FlagField


class InstantField(forms.Field):
    def clean(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError("is not a timestamp") from None


class InstantFilter(django_filters.Filter):
    field_class = InstantField


class JsonFilter(django_filters.Filter):
    field_class = TextField


class NormalisedFilter(TextFilter):
    """Text compared in a normal form that a column of its own holds; prefix search then walks its index."""

    def __init__(self, field_name: str, normalise: Callable[[str], str]) -> None:
        super().__init__(field_name=field_name)
        self.normalise = normalise


class NamedFilter(TextFilter):
    """Text of which the wire has other names than the column; an unknown name is no row's."""

    def __init__(self, field_name: str, names: Mapping[str, str]) -> None:
        super().__init__(field_name=field_name)
        self.normalise = lambda name: names.get(name, "")


_FILTERS: tuple[tuple[type[models.Field], type[django_filters.Filter]], ...] = (
    (models.BooleanField, FlagFilter),
    (models.DateTimeField, InstantFilter),
    (models.IntegerField, IntegerFilter),
    (models.JSONField, JsonFilter),
    (models.CharField, TextFilter),
    (models.TextField, TextFilter),
)


def filter_for(field: models.Field) -> django_filters.Filter:
    for field_type, filter_type in _FILTERS:
        if isinstance(field, field_type):
            return filter_type()
    return django_filters.NumberFilter()


# --- Compiling ------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def vocabulary(resource: "Resource") -> Vocabulary:
    return Vocabulary(
        frozenset({"id", *resource.filterset_class.base_filters}),
        {
            relation.name: lambda target=resource.target(relation): vocabulary(target)  # type: ignore[misc]
            for relation in resource.relations.values()
            if relation.filterable
        },
    )


def apply(
    rows: models.QuerySet, resource: "Resource", conditions: Mapping[str, str], tenant: Any, now: datetime
) -> models.QuerySet:
    """`rows` narrowed by every condition of `filter[q]`, or a 400 that names the one that cannot be."""
    if len(conditions) > MOST_CONDITIONS:
        raise error(400, "FILTER_NOT_ALLOWED", f"More than {MOST_CONDITIONS} conditions.", parameter="filter[q]")
    for key, value in conditions.items():
        if key in resource.scopes:
            rows = _scoped(rows, resource, key, value, now)
            continue
        condition = parse_key(key, vocabulary(resource))
        if condition is None:
            raise _not_allowed(key)
        try:
            rows = rows.filter(_compiled(condition, value, resource, tenant))
        except forms.ValidationError as cause:
            raise _bad_value(key, str(cause.messages[0])) from None
    return rows


def _scoped(rows: models.QuerySet, resource: "Resource", key: str, value: str, now: datetime) -> models.QuerySet:
    try:
        narrowed: models.QuerySet = resource.scopes[key](rows, value, now)
    except ValueError as cause:
        raise _bad_value(key, str(cause)) from None
    return narrowed


def _compiled(condition: Condition, value: str, resource: "Resource", tenant: Any) -> Q:
    joined = or_ if condition.joiner == "_or_" else and_
    return reduce(joined, (_along(path, condition.predicate, value, resource, tenant) for path in condition.paths))


def _along(path: Path, predicate: Predicate, value: str, resource: "Resource", tenant: Any) -> Q:
    """The condition at the end of a path. Each relationship is a subquery over its target's own tenant."""
    if not path.relations:
        return _leaf(resource, path.attribute, predicate, value)
    relation = resource.relations[path.relations[0]]
    rest = Path(path.relations[1:], path.attribute)
    target = resource.target(relation)
    if not relation.inverse:
        if not rest.relations and rest.attribute == "id":
            return _leaf(target, "id", predicate, value, column=f"{relation.name}_id")
        matching = target.rows(tenant).filter(_along(rest, predicate, value, target, tenant))
        return Q(**{f"{relation.name}_id__in": matching.order_by().values("pk")})
    if predicate.takes == "flag" and rest == Path((), "id"):
        some = Q(pk__in=_parents(resource, relation, Q(), tenant))
        return some if FlagField().clean(value) != predicate.negated else ~some
    if predicate.negated and predicate.takes != "flag":
        # "None of them": the contrary of "one of them", which a plain join would not say.
        return ~_along(path, _contrary(predicate), value, resource, tenant)
    return Q(pk__in=_parents(resource, relation, _along(rest, predicate, value, target, tenant), tenant))


def _contrary(predicate: Predicate) -> Predicate:
    each = {"any": "all", "all": "any"}.get(predicate.takes, predicate.takes)
    return predicate._replace(negated=False, or_null=False, takes=each)


def _parents(resource: "Resource", relation: "Rel", condition: Q, tenant: Any) -> models.QuerySet:
    targets = resource.target(relation).rows(tenant).filter(condition)
    if relation.typed:
        targets = targets.filter(resource_type__in=resource.types)
    return targets.filter(**{f"{relation.inverse}__isnull": False}).order_by().values(relation.inverse)


def _leaf(resource: "Resource", attribute: str, predicate: Predicate, value: str, column: str = "") -> Q:
    if attribute == "id":
        filter_: django_filters.Filter = IdFilter(column or "pk", resource.decode_id)
    else:
        filter_ = resource.filterset_class.base_filters[attribute]
    name = filter_.field_name
    if predicate.takes == "flag":
        return _flagged(filter_, name, predicate, value)
    if predicate.takes == "json":
        if not isinstance(filter_, JsonFilter):
            raise forms.ValidationError("is no object")
        return Q(**{f"{name}__json_contains": _json_object(value)})
    if isinstance(filter_, JsonFilter):
        raise forms.ValidationError("an object is searched with _jcont, _present, _blank, _null or _not_null")
    condition = _valued(filter_, predicate, value)
    if predicate.negated:
        condition = ~condition & Q(**{f"{name}__isnull": False})
    return condition | Q(**{f"{name}__isnull": True}) if predicate.or_null else condition


def _valued(filter_: django_filters.Filter, predicate: Predicate, value: str) -> Q:
    if predicate.takes == "value":
        return _compared(filter_, predicate.lookup, value)
    values = value.split(",")
    if len(values) > MOST_VALUES:
        raise forms.ValidationError(f"has more than {MOST_VALUES} values")
    if predicate.takes == "list":
        return Q(**{f"{filter_.field_name}__in": [_cleaned(filter_, each) for each in values]})
    # The contrary of "not any of" is "any of": `negated` is applied to the whole, so the two change places.
    joined = or_ if (predicate.takes == "any") != predicate.negated else and_
    return reduce(joined, (_compared(filter_, predicate.lookup, each) for each in values))


def _compared(filter_: django_filters.Filter, lookup: str, value: str) -> Q:
    name = filter_.field_name
    if lookup in _TEXT_LOOKUPS:
        if not isinstance(filter_, TextFilter):
            raise forms.ValidationError("is searched like text but is none")
        return _like(filter_, lookup, _cleaned(filter_, value))
    if lookup in _COMPARISONS and isinstance(filter_, IdFilter) and filter_.decode(value) is None:
        # Letting `id_gt` of a mistyped id mean "every row" would make a clean-up delete them all.
        raise forms.ValidationError("is not an id")
    return Q(**{f"{name}__{lookup}": _cleaned(filter_, value)})


def _like(filter_: TextFilter, lookup: str, value: str) -> Q:
    if lookup == "start" and isinstance(filter_, NormalisedFilter):
        return _prefixed(filter_.field_name, value)
    escaped = value if lookup == "matches" else value.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    pattern = {"start": f"{escaped}%", "end": f"%{escaped}", "cont": f"%{escaped}%"}.get(lookup, escaped)
    if lookup == "matches" and len(pattern) - len(pattern.rstrip("\\")) & 1:
        raise forms.ValidationError("ends with a lone backslash")
    return Q(**{f"{filter_.field_name}__ilike": pattern})


def _prefixed(name: str, prefix: str) -> Q:
    """Prefix search as a range, which any ordinary index answers on every database."""
    if not prefix:
        return Q(**{f"{name}__isnull": False})
    last = ord(prefix[-1]) + 1
    after = prefix[:-1] + chr(0xE000 if last == 0xD800 else min(last, 0x10FFFF))
    return Q(**{f"{name}__gte": prefix, f"{name}__lt": after})


def _flagged(filter_: django_filters.Filter, name: str, predicate: Predicate, value: str) -> Q:
    wanted = FlagField().clean(value) != predicate.negated
    if predicate.lookup == "is_true":
        if not isinstance(filter_, FlagFilter):
            raise forms.ValidationError("is not a boolean")
        return Q(**{name: wanted})
    empty = Q(**{f"{name}__isnull": True})
    if predicate.lookup == "present" and isinstance(filter_, TextFilter):
        empty |= Q(**{name: ""})
    if predicate.lookup == "present" and isinstance(filter_, JsonFilter):
        empty |= Q(**{name: {}})
    return ~empty if wanted else empty


def _cleaned(filter_: django_filters.Filter, value: str) -> Any:
    cleaned = filter_.field.clean(value)
    if cleaned is None:
        raise forms.ValidationError("is blank")
    normalise = getattr(filter_, "normalise", None)
    return normalise(cleaned) if normalise else cleaned


class IdFilter(django_filters.Filter):
    """Public ids, compared as the keys behind them. What is no id is no row's."""

    field_class = TextField

    def __init__(self, field_name: str, decode: Callable[[str], int | None]) -> None:
        super().__init__(field_name=field_name)
        self.decode = decode

    def normalise(self, public_id: str) -> int:
        key = self.decode(public_id)
        return -1 if key is None else key


def _json_object(value: str) -> dict[str, Any]:
    try:
        wanted = json.loads(value)
    except (ValueError, RecursionError):
        raise forms.ValidationError("is not valid JSON") from None
    if not isinstance(wanted, dict) or "\\u0000" in value:
        raise forms.ValidationError("is not a JSON object")
    return wanted


def _not_allowed(key: str) -> ApiError:
    return error(
        400,
        "FILTER_NOT_ALLOWED",
        f"{key} is not an attribute and predicate of this type.",
        parameter=f"filter[q][{key}]",
    )


def _bad_value(key: str, reason: str) -> ApiError:
    return error(400, "INVALID_FILTER_VALUE", f"{key} - {reason}", parameter=f"filter[q][{key}]")
