"""Reading conditions: fields of the catalogue, matchers that fit them, values that fit both."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from promotions.engine.flex.catalogue import ANY, BOOLEAN, DATETIME, INTEGER, NUMBERS, STRING, Path, path_of
from promotions.engine.flex.match import Aggregation, Condition, Conditions
from promotions.engine.flex.matchers import (
    AGGREGATION_MATCHERS,
    ARRAY_TESTS,
    MANY,
    MATCHERS,
    NOTHING,
    ONE,
    OPERATORS,
    PAIR,
    PATTERN,
    SETS,
    WANTED,
    Matcher,
)
from promotions.engine.flex.reading import INVALID, Parser, Reader, is_integer
from promotions.engine.flex.values import DateRange, Several, Unreadable, Written, dynamic, is_dynamic

CompilePattern = Callable[[str], Callable[[str], bool]]
"""`compile_pattern(pattern)` tells whether a text holds the pattern. Raises ValueError for what is no pattern."""

MAX_DEPTH = 10
"""How deep conditions nest."""


class Wanted(NamedTuple):
    """What a condition asks of its value: to fit a matcher, the type it compares as and the collection of its field."""

    name: str
    matcher: Matcher
    kind: str
    collection: str


class ConditionReader(Reader):
    """`paths` are the attributes that were read."""

    def __init__(self, max_regex: int, compile_pattern: CompilePattern) -> None:
        super().__init__()
        self.max_regex = max_regex
        self.compile_pattern = compile_pattern
        self.paths: set[str] = set()

    def conditions_in(self, groups: set[str], depth: int = 1) -> Parser:
        """Reads a condition, and adds the names of its groups."""

        def condition(value: Any, path: str) -> Any:
            if depth > MAX_DEPTH:
                return self.wrong(path, f"is nested more than {MAX_DEPTH} deep")
            return self._condition(value, path, groups, depth)

        return condition

    def _condition(self, value: Any, path: str, groups: set[str], depth: int) -> Any:
        found = self.record(
            value,
            path,
            {
                "field": self.path,
                "matcher": self.one_of(MATCHERS),
                "value": self.anything,
                "scope": self.one_of(("any", "all")),
                "group": self.string,
                "aggregations": self.each(self.anything),
                "nested": lambda one, at: self._nested(one, at, groups, depth),
            },
            ("field", "matcher"),
        )
        if isinstance(value, dict) and isinstance(value.get("group"), str):
            groups.add(value["group"])
        if found is INVALID:
            return INVALID
        field: Path = found["field"]
        inside = self.each(lambda one, at: self.aggregation(one, at, field.text))
        aggregations = inside(list(found.get("aggregations", ())), f"{path}.aggregations")
        compared = self._compared(field, found, path)
        if INVALID in (aggregations, compared):
            return INVALID
        return Condition(
            field,
            found["matcher"],
            MATCHERS[found["matcher"]],
            compared[0],
            compared[1],
            scope=found.get("scope", "any"),
            group=found.get("group"),
            aggregations=aggregations,
            nested=found.get("nested"),
        )

    def _nested(self, value: Any, path: str, groups: set[str], depth: int) -> Any:
        found = self.record(
            value,
            path,
            {
                "conditions_logic": self.one_of(("and", "or")),
                "conditions": self.each(self.conditions_in(groups, depth + 1)),
            },
            ("conditions",),
        )
        return INVALID if found is INVALID else Conditions(found.get("conditions_logic", "and"), found["conditions"])

    def aggregation(self, value: Any, path: str, scope: str) -> Any:
        """One that looks at attributes of what `scope`, the field or selector it belongs to, passes through."""
        found = self.record(
            value,
            path,
            {
                "field": self.path,
                "operator": self.one_of(OPERATORS),
                "matcher": self.one_of(AGGREGATION_MATCHERS),
                "value": self.integer,
            },
            ("field", "operator", "matcher", "value"),
        )
        if found is INVALID:
            return INVALID
        field: Path = found["field"]
        operator = OPERATORS[found["operator"]]
        if not f"{scope}.".startswith(f"{field.resource}."):
            return self.wrong(f"{path}.field", f"must be an attribute of what {scope} passes through")
        if operator.numeric and field.type not in (*NUMBERS, ANY):
            return self.wrong(f"{path}.operator", f"needs numbers, and the field is {field.type}")
        return Aggregation(field, operator, MATCHERS[found["matcher"]], found["value"])

    def path(self, value: Any, path: str) -> Any:
        found = path_of(value) if isinstance(value, str) else None
        if found is None:
            return self.wrong(path, "is no known field of the order")
        self.paths.add(found.text)
        return found

    # --- What conditions compare with -------------------------------------------------------------

    def _compared(self, field: Path, found: Mapping[str, Any], path: str) -> Any:
        """The type as which the field is compared and the value it is compared with."""
        matcher = MATCHERS[found["matcher"]]
        if matcher.shape == NOTHING:
            return (
                self.wrong(f"{path}.value", "is nothing that this matcher takes")
                if "value" in found
                else (field.type, None)
            )
        if "value" not in found:
            return self.wrong(f"{path}.value", "is required")
        raw, path_of_value = found["value"], f"{path}.value"
        if matcher.shape == SETS and not (field.is_list or field.type == ANY):
            return self.wrong(f"{path}.matcher", "compares arrays, and the field is none")
        kind = field.type if field.type != ANY else self._kind(raw, matcher, field)
        if matcher.shape != SETS and kind != ANY and kind not in matcher.types:
            return self.wrong(f"{path}.matcher", f"does not compare values of type {kind}")
        value = self._shaped(raw, path_of_value, Wanted(found["matcher"], matcher, kind, field.collection))
        return INVALID if value is INVALID else (kind, value)

    def _kind(self, raw: Any, matcher: Matcher, field: Path) -> str:
        """The type of a field nobody declared: that of what it is compared with."""
        first = raw[0] if isinstance(raw, list) and raw else raw
        if is_dynamic(first) and matcher.shape != PATTERN:
            return self._dynamic_kind(first, matcher, field)
        if isinstance(first, bool):
            return BOOLEAN
        if isinstance(first, str):
            return STRING if STRING in matcher.types else DATETIME
        return INTEGER

    def _dynamic_kind(self, text: str, matcher: Matcher, field: Path) -> str:
        try:
            kind = dynamic(text, field.collection, ANY).type or ANY
        except Unreadable:
            return matcher.types[0]
        takes_anything = {STRING, *NUMBERS} <= set(matcher.types)
        return kind if kind != ANY or takes_anything else matcher.types[0]

    def _shaped(self, raw: Any, path: str, wanted: Wanted) -> Any:
        shapes: Mapping[str, Callable[[Any, str, Wanted], Any]] = {
            ONE: self._one,
            PAIR: self._pair,
            MANY: self._many,
            PATTERN: self._pattern,
            SETS: self._sets,
        }
        return shapes[wanted.matcher.shape](raw, path, wanted)

    def _one(self, raw: Any, path: str, wanted: Wanted) -> Any:
        if is_dynamic(raw):
            found = self._dynamic(raw, path, wanted)
            if isinstance(found, DateRange):
                return self.wrong(path, "is a range: only gteq_lteq compares with one")
            return found
        value = WANTED[wanted.kind](raw)
        if value is None:
            return self.wrong(path, f"must be {EXPECTED[wanted.kind]}")
        if wanted.name == "multiple" and value <= 0:
            return self.wrong(path, "must be more than 0")
        return Written(value)

    def _dynamic(self, text: str, path: str, wanted: Wanted) -> Any:
        try:
            found = dynamic(text, wanted.collection, wanted.kind)
        except Unreadable as why:
            return self.wrong(path, str(why))
        if not _fits(found.type, wanted.kind):
            return self.wrong(path, f"is of type {found.type}, and the field of type {wanted.kind}")
        self.paths.update(_paths_in(found))
        return found

    def _pair(self, raw: Any, path: str, wanted: Wanted) -> Any:
        if is_dynamic(raw):
            found = self._dynamic(raw, path, wanted)
            if found is INVALID or (isinstance(found, DateRange) and wanted.name == "gteq_lteq"):
                return found
            return self.wrong(path, "must be an array of two, or a range for gteq_lteq")
        if not isinstance(raw, list) or len(raw) != 2:
            return self.wrong(path, "must be an array of two")
        ends = [self._one(one, f"{path}.{place}", wanted) for place, one in enumerate(raw)]
        if INVALID in ends:
            return INVALID
        if all(isinstance(end, Written) for end in ends) and ends[1].value < ends[0].value:
            return self.wrong(path, "must not end before it starts")
        return Several(tuple(ends))

    def _many(self, raw: Any, path: str, wanted: Wanted) -> Any:
        found = self.each(lambda one, at: self._one(one, at, wanted), at_least=1)(raw, path)
        return INVALID if found is INVALID else Several(found)

    def _pattern(self, raw: Any, path: str, wanted: Wanted) -> Any:
        if not isinstance(raw, str):
            return self.wrong(path, "must be a regular expression")
        if len(raw) > self.max_regex:
            return self.wrong(path, f"is longer than {self.max_regex} characters")
        try:
            return Written(self.compile_pattern(raw))
        except ValueError:
            return self.wrong(path, "is no regular expression that can be used")

    def _sets(self, raw: Any, path: str, wanted: Wanted) -> Any:
        ones = self.each(self._set_member, at_least=1)
        found = self.record(raw, path, dict.fromkeys(ARRAY_TESTS, ones), ())
        if found == {}:
            return self.wrong(path, f"must hold one of {', '.join(ARRAY_TESTS)}")
        return INVALID if found is INVALID else Written(found)

    def _set_member(self, raw: Any, path: str) -> Any:
        return raw if isinstance(raw, str) or is_integer(raw) else self.wrong(path, "must be a string or an integer")


EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(NUMBERS, "a number"),
    DATETIME: "an ISO 8601 date or time",
    STRING: "a string",
    BOOLEAN: "true or false",
    ANY: "a string, a number, true or false",
}


def _fits(found: str | None, wanted: str) -> bool:
    return ANY in (found, wanted) or found == wanted or (found in NUMBERS and wanted in NUMBERS)


def _paths_in(value: Any) -> Iterator[str]:
    """The attributes that a dynamic value looks at."""
    for name in ("path", "moment", "start"):
        inner = getattr(value, name, None)
        if isinstance(inner, Path):
            yield inner.text
        elif inner is not None:
            yield from _paths_in(inner)
