"""What may be asked of an attribute, by the type of its column: the filters that a resource's filter set is made of."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import django_filters
import orjson
from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import Q

from commerce.jsonapi.parser import is_storable

LONGEST_TEXT = 1000
"""Before it is normalised, which can make it eighteen times as long; SQLite takes patterns of 50,000 bytes."""

OF_EVERY_ATTRIBUTE = frozenset({"not_null", "present"})
_EQUAL = frozenset({"exact", "in"})
ORDERED = frozenset({"lt", "lte", "gt", "gte"})
_SEARCHED = frozenset({"matches", "start", "end", "cont"})


class TextField(forms.CharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "strip": False, "required": False, "max_length": LONGEST_TEXT})


class IntegerField(forms.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "required": True, "min_value": -(2**63), "max_value": 2**63 - 1})


class FloatField(forms.FloatField):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "required": True})


class FlagField(forms.Field):
    def clean(self, value: Any) -> bool:
        return as_flag(value)


class InstantField(forms.Field):
    def clean(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError("is not a timestamp") from None


class ObjectField(forms.Field):
    def clean(self, value: Any) -> dict[str, Any]:
        try:
            wanted = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise forms.ValidationError("is not valid JSON") from None
        if not isinstance(wanted, dict) or not is_storable(wanted):
            raise forms.ValidationError("is not a JSON object that could be stored")
        return wanted


class AttributeFilter(django_filters.Filter):
    """How one attribute is compared. Of every attribute may be asked whether it is null or blank, of some more."""

    lookups: ClassVar[frozenset[str]]
    blank: ClassVar[Any] = None
    """What counts as blank, besides null."""

    def answers(self, lookup: str) -> bool:
        return lookup in self.lookups or lookup in OF_EVERY_ATTRIBUTE

    def condition(self, lookup: str, text: str) -> Q:
        """Where `lookup` holds for what `text` says. Raises ValidationError."""
        if lookup == "in":
            return self.column("in", [self.clean(value) for value in text.split(",")])
        return self.column(lookup, self.clean(text))

    def clean(self, text: str) -> Any:
        return self.field.clean(text)

    def has_value(self, *, not_blank: bool = False) -> Q:
        filled = self.column("isnull", False)
        return filled & ~self.column("exact", self.blank) if not_blank and self.blank is not None else filled

    def column(self, lookup: str, value: Any) -> Q:
        return Q((f"{self.field_name}__{lookup}", value))

    def knows(self, text: str) -> bool:
        """Whether a row may have what `text` says."""
        return True


class TextFilter(AttributeFilter):
    field_class = TextField
    lookups = _EQUAL | ORDERED | _SEARCHED
    blank: ClassVar[Any] = ""
    like = "ilike"

    def condition(self, lookup: str, text: str) -> Q:
        if lookup in ORDERED:
            return self.column(f"bytewise__{lookup}", self.clean(text))
        if lookup in _SEARCHED:
            return self.column(self.like, _pattern(lookup, self.clean(text)))
        return super().condition(lookup, text)


class IntegerFilter(AttributeFilter):
    field_class = IntegerField
    lookups = _EQUAL | ORDERED


class FloatFilter(AttributeFilter):
    field_class = FloatField
    lookups = _EQUAL | ORDERED


class InstantFilter(AttributeFilter):
    field_class = InstantField
    lookups = _EQUAL | ORDERED


class FlagFilter(AttributeFilter):
    field_class = FlagField
    lookups = _EQUAL | {"true"}

    def condition(self, lookup: str, text: str) -> Q:
        return self.column("exact", True) if lookup == "true" else super().condition(lookup, text)


class ObjectFilter(AttributeFilter):
    field_class = ObjectField
    lookups = frozenset({"json_contains"})
    blank = {}


class AnyTextFilter(TextFilter):
    """Text looked for in several columns at once, of which the first is never null."""

    lookups = _EQUAL | _SEARCHED
    blank = None

    def __init__(self, *columns: str) -> None:
        super().__init__()
        self.columns = columns

    def column(self, lookup: str, value: Any) -> Q:
        return reduce(or_, (Q((f"{name}__{lookup}", value)) for name in self.columns))


class NormalisedFilter(TextFilter):
    """Text compared in a normal form that a column of its own holds; prefix search walks the index of that column."""

    like = "like"

    def __init__(self, field_name: str, normalise: Callable[[str], str]) -> None:
        super().__init__(field_name=field_name)
        self.normalise = normalise

    def clean(self, text: str) -> str:
        return self.normalise(super().clean(text))

    def condition(self, lookup: str, text: str) -> Q:
        return self._starting(self.clean(text)) if lookup == "start" else super().condition(lookup, text)

    def _starting(self, prefix: str) -> Q:
        """From the prefix on, and before the first text that sorts after all that begin with it."""
        condition = self.column("bytewise__gte", prefix)
        stem = prefix.rstrip("\U0010ffff")
        if not stem:
            return condition
        next_letter = "\ue000" if stem[-1] == "\ud7ff" else chr(ord(stem[-1]) + 1)
        return condition & self.column("bytewise__lt", stem[:-1] + next_letter)


class NamedFilter(AttributeFilter):
    """Values that have other names on the wire than in the column. No row has what an unknown name stands for."""

    field_class = TextField
    lookups = _EQUAL

    def __init__(self, field_name: str, stored: Callable[[str], Any]) -> None:
        super().__init__(field_name=field_name)
        self.stored = stored

    def condition(self, lookup: str, text: str) -> Q:
        if lookup in ORDERED:
            return self.column(lookup, self.stored(text))
        names = text.split(",") if lookup == "in" else [text]
        values = [self.stored(name) for name in names]
        return self.column("in", [value for value in values if value is not None])

    def knows(self, text: str) -> bool:
        return all(self.stored(name) is not None for name in text.split(","))


class IdFilter(NamedFilter):
    """Public ids, in the order of the keys behind them."""

    lookups = _EQUAL | ORDERED


_FILTERS: tuple[tuple[type[models.Field], type[AttributeFilter]], ...] = (
    (models.BooleanField, FlagFilter),
    (models.DateTimeField, InstantFilter),
    (models.IntegerField, IntegerFilter),
    (models.FloatField, FloatFilter),
    (models.JSONField, ObjectFilter),
    (models.CharField, TextFilter),
    (models.TextField, TextFilter),
)


def filter_for(field: models.Field) -> AttributeFilter:
    stored = field.output_field if isinstance(field, models.GeneratedField) else field
    for field_type, filter_type in _FILTERS:
        if isinstance(stored, field_type):
            return filter_type()
    raise ImproperlyConfigured(f"{field} needs a filter of its own")


def as_flag(text: str) -> bool:
    """Raises ValidationError."""
    if text in ("true", "1", "t"):
        return True
    if text in ("false", "0", "f"):
        return False
    raise forms.ValidationError("is not a boolean")


def _pattern(lookup: str, text: str) -> str:
    if lookup == "matches":
        if len(text) - len(text.rstrip("\\")) & 1:
            raise forms.ValidationError("ends with a lone backslash")
        return text
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return ("" if lookup == "start" else "%") + escaped + ("" if lookup == "end" else "%")
