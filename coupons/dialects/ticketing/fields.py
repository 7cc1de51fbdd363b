"""Members of what is sent, each with what it takes: nothing is taken for what it is not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rest_framework import fields, serializers
from rest_framework.exceptions import ValidationError

from commerce import clock
from commerce.codes import BadCode, checked_code
from commerce.money import MAX_CENTS

SHORTEST_CODE, LONGEST_CODE = 4, 64
PERCENTAGE_STEP = Decimal("0.0001")


class Form(serializers.Serializer):
    """What is null was not given, but for members that must be and those that take null."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if value is not None or self._takes_null(name)}
        return super().to_internal_value(data)

    def _takes_null(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and (field.required or field.allow_null)


class Text(fields.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Code(fields.Field):
    """Kept as it is given, but for white space around it."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValidationError("Not a valid string.")
        code = data.strip()
        try:
            matched = checked_code(code, SHORTEST_CODE, LONGEST_CODE)
        except BadCode as bad:
            raise ValidationError(str(bad)) from None
        if len(matched) < SHORTEST_CODE:
            raise ValidationError(f"is too short (minimum is {SHORTEST_CODE} characters without white space)")
        return code


class Choice(fields.Field):
    default_error_messages = {"invalid": "must be one of {words}"}

    def __init__(self, *words: str, **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.words:
            self.fail("invalid", words=", ".join(self.words))
        return data


class Whole(fields.Field):
    """A whole number, `4000` or `4000.0`."""

    default_error_messages = {"invalid": "must be a whole number from {least} to {most}"}

    def __init__(self, least: int, most: int = MAX_CENTS, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most

    def to_internal_value(self, data: Any) -> int:
        if not is_number(data) or not self.least <= data <= self.most or data != int(data):
            self.fail("invalid", least=self.least, most=self.most)
        return int(data)


class Moment(fields.Field):
    """ISO 8601; UTC where it has no offset."""

    default_error_messages = {"invalid": "must be a date and time such as 2026-01-31T12:00:00+01:00"}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            found = datetime.fromisoformat(data)
            return clock.to_milliseconds(found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC))
        except (ValueError, TypeError, OverflowError):
            self.fail("invalid")


class Percentage(fields.Field):
    """From 0 to 100, with up to four decimals."""

    default_error_messages = {"invalid": "must be a number from 0 to 100, with up to four decimals"}

    def to_internal_value(self, data: Any) -> Decimal:
        if not is_number(data) or not 0 <= data <= 100 or Decimal(data).quantize(PERCENTAGE_STEP) != data:
            self.fail("invalid")
        return Decimal(data)


def is_number(data: Any) -> bool:
    return isinstance(data, int | Decimal) and not isinstance(data, bool)
