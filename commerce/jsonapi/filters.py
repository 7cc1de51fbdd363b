"""The predicate grammar of `filter[q]`, parsed purely and compiled against the filter set of a resource.

    filter[q][code_eq]=SUMMER
    filter[q][name_or_reference_cont]=sum
    filter[q][promotion_rule_promotion_id_in]=aBc…,dEf…

A key is attributes joined by `_or_` or `_and_`, each behind a path of relationships, and a predicate. Whatever is not
known is refused by name, because a condition that is silently dropped widens a deletion to everything.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial, reduce
from operator import and_, or_
from typing import Any, NamedTuple

from django import forms
from django.db import models
from django.db.models import Q

from commerce.jsonapi.attribute_filters import OF_EVERY_ATTRIBUTE, ORDERED, AttributeFilter, IdFilter, as_flag
from commerce.jsonapi.errors import ApiError, error
from commerce.jsonapi.resource import Rel, Resource

LONGEST_KEY = 512
DEEPEST_PATH = 5
MOST_COMPARISONS = 200
"""Of one request; every value of `_any` and `_all` is one, for every attribute. SQLite takes no deeper expression."""
MOST_VALUES = 1000
"""In the lists of one request."""


# --- Predicates ---------------------------------------------------------------------------------------------------


class Predicate(NamedTuple):
    """A question to the values of an attribute. `negated` asks for the contrary; null answers neither.

    `takes` says what is sent: a `value`, a `list`, `any` or `all` of several values, or a `flag`, whose false asks for
    the contrary.
    """

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
    "true": Predicate("true", "flag"),
    "false": Predicate("true", "flag", negated=True),
    "jcont": Predicate("json_contains"),
}

_NULL = Predicate("not_null", negated=True)


# --- Parsing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one attribute: names of relationships, then the attribute."""

    relations: tuple[str, ...]
    attribute: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One `filter[q]` key: `paths` joined by `joiner`, judged by `predicate`."""

    paths: tuple[Path, ...]
    joiner: str
    predicate: Predicate


class Vocabulary(NamedTuple):
    """What a key may speak of: attributes of a type, and where its relationships lead."""

    attributes: frozenset[str]
    relations: Mapping[str, Callable[[], "Vocabulary"]]


def parse_key(key: str, words: Vocabulary) -> Condition | None:
    """The condition a key stands for; None when no reading of it is known. The longest predicate wins."""
    if len(key) > LONGEST_KEY:
        return None
    for name in _predicates_of(key):
        subject = key.removesuffix(f"_{name}")
        joiner = "_or_" if "_or_" in subject else "_and_"
        paths = [parse_path(part, words) for part in subject.split(joiner)]
        known = tuple(path for path in paths if path)
        if len(known) == len(paths):
            return Condition(known, joiner, PREDICATES[name])
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


# --- Compiling ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def vocabulary(resource: Resource) -> Vocabulary:
    return Vocabulary(
        frozenset({"id", *resource.filterset_class.base_filters}),
        {
            relation.name: partial(vocabulary, resource.target(relation))
            for relation in resource.relations.values()
            if relation.filterable
        },
    )


def where(resource: Resource, conditions: Mapping[str, str], tenant: Any, authorize: Callable[[Resource], None]) -> Q:
    """What every condition of `filter[q]` asks, scopes aside, or a 400 that names the one that cannot be.

    `authorize` raises for a type whose attributes the caller may not read, on whatever path they are reached.
    """
    parsed = {key: _parsed(key, resource) for key in conditions if key not in resource.scopes}
    _check_size(parsed, conditions)
    search = _Search(resource, tenant, authorize)
    asked = Q()
    for key, condition in parsed.items():
        try:
            asked &= search.where(condition, conditions[key])
        except forms.ValidationError as cause:
            raise _bad_value(key, cause.messages[0]) from None
    return asked


def scoped(rows: models.QuerySet, resource: Resource, conditions: Mapping[str, str], now: datetime) -> models.QuerySet:
    """`rows` narrowed by the scopes among the conditions, or a 400 that names the one that cannot be."""
    for key in conditions:
        if key in resource.scopes:
            try:
                rows = resource.scopes[key](rows, conditions[key], now)
            except forms.ValidationError as cause:
                raise _bad_value(key, cause.messages[0]) from None
    return rows


def _parsed(key: str, resource: Resource) -> Condition:
    condition = parse_key(key, vocabulary(resource))
    if condition is None:
        raise _not_allowed(key, f"is not an attribute and predicate of {resource.type}")
    for path in condition.paths:
        _, filter_ = _resolved(path, resource)
        lookup = condition.predicate.lookup
        if not filter_.answers(lookup):
            raise _not_allowed(key, f"asks what {path.attribute} does not answer")
    return condition


def _check_size(parsed: Mapping[str, Condition], conditions: Mapping[str, str]) -> None:
    comparisons = values = 0
    for key, condition in parsed.items():
        given = conditions[key].count(",") + 1
        comparisons += len(condition.paths) * (given if condition.predicate.takes in ("any", "all") else 1)
        values += given if condition.predicate.takes == "list" else 0
    if comparisons > MOST_COMPARISONS or values > MOST_VALUES:
        detail = f"More than {MOST_COMPARISONS} comparisons, or {MOST_VALUES} values in lists."
        raise error(400, "FILTER_NOT_ALLOWED", detail, parameter="filter[q]")


class _Test(NamedTuple):
    """A predicate with its value, put to the attribute at the end of a path."""

    holds: Q
    fails: Q
    """The contrary among rows of the attribute's own type; only a negated test asks for it."""
    negated: bool
    is_about_null: bool
    """Then a relationship without a target answers as null does."""


class _Search:
    def __init__(self, resource: Resource, tenant: Any, authorize: Callable[[Resource], None]) -> None:
        self.resource, self.tenant, self.authorize = resource, tenant, authorize

    def where(self, condition: Condition, text: str) -> Q:
        predicate = condition.predicate
        values = text.split(",") if predicate.takes in ("any", "all") else [text]
        each = and_ if predicate.takes == "all" else or_
        joined = and_ if condition.joiner == "_and_" else or_
        return reduce(
            joined,
            (reduce(each, (self._asked(path, predicate, value) for value in values)) for path in condition.paths),
        )

    def _asked(self, path: Path, predicate: Predicate, text: str) -> Q:
        relations, filter_ = _resolved(path, self.resource)
        asked = self._along(relations, _test(filter_, predicate, text), self.resource)
        return asked | self._along(relations, _test(filter_, _NULL, ""), self.resource) if predicate.or_null else asked

    def _along(self, relations: "tuple[Rel, ...]", test: _Test, resource: Resource) -> Q:
        """The test at the end of a path. Each relationship is a subquery over its target's own tenant."""
        if not relations:
            return test.fails if test.negated else test.holds
        relation = relations[0]
        if test.negated and (relation.inverse or test.is_about_null):
            # "None of them": the contrary of "one of them", which a plain join would not say.
            return ~self._along(relations, test._replace(negated=False), resource)
        target = resource.target(relation)
        self.authorize(target)
        found = target.rows(self.tenant).filter(self._along(relations[1:], test, target))
        if not relation.inverse:
            return Q((f"{relation.key_column}__in", found.order_by().values("pk")))
        if relation.typed:
            found = found.filter(resource_type__in=resource.types)
        return Q(pk__in=found.filter((f"{relation.inverse}__isnull", False)).order_by().values(relation.inverse))


def _resolved(path: Path, resource: Resource) -> tuple[tuple[Rel, ...], AttributeFilter]:
    """The relationships of a path and the filter at its end. The id behind a foreign key is the foreign key."""
    relations = []
    for name in path.relations:
        relations.append(resource.relations[name])
        resource = resource.target(relations[-1])
    if path.attribute != "id":
        return tuple(relations), resource.filterset_class.base_filters[path.attribute]
    if relations and not relations[-1].inverse:
        return tuple(relations[:-1]), IdFilter(relations[-1].key_column, resource.decode_id)
    return tuple(relations), IdFilter("pk", resource.decode_id)


def _test(filter_: AttributeFilter, predicate: Predicate, text: str) -> _Test:
    lookup, negated = predicate.lookup, predicate.negated
    if predicate.takes == "flag":
        negated = negated != (not as_flag(text))
    if lookup in OF_EVERY_ATTRIBUTE:
        filled = filter_.has_value(not_blank=lookup == "present")
        return _Test(filled, ~filled, negated, True)
    if (negated or lookup in ORDERED) and not filter_.knows(text):
        # The contrary of nothing is everything, and so is what comes after nothing.
        raise forms.ValidationError("names nothing that is known")
    holds = filter_.condition(lookup, text)
    fails = ~holds & filter_.has_value() if negated else Q()
    return _Test(holds, fails, negated, False)


def _not_allowed(key: str, reason: str) -> ApiError:
    shown = key if len(key) <= 64 else f"{key[:64]}…"
    return error(400, "FILTER_NOT_ALLOWED", f"{shown} {reason}.", parameter=f"filter[q][{key}]")


def _bad_value(key: str, reason: str) -> ApiError:
    return error(400, "INVALID_FILTER_VALUE", f"{key} - {reason}", parameter=f"filter[q][{key}]")
