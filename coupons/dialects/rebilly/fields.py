"""Members of what is sent, of exactly the types that JSON knows: text with digits is no number."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from rest_framework import serializers

from commerce.money import CURRENCIES, MAX_CENTS, exponent
from coupons.dialects.rebilly.filters import instant
from coupons.dialects.rebilly.frame import wire
from promotions import restrictions

LONGEST_LIST = 1000
LONGEST_NAME = 255


class Exact(serializers.Field):
    """A field that tells a value as it is kept."""

    def to_representation(self, value: Any) -> Any:
        return value


class Text(serializers.CharField):
    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Texts(serializers.ListField):
    def __init__(self, longest: int = LONGEST_NAME, **options: Any) -> None:
        super().__init__(child=Text(max_length=longest), min_length=1, max_length=LONGEST_LIST, **options)


class Country(Text):
    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            raise serializers.ValidationError("must be two upper-case letters")
        return code


class Currency(Text):
    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if code not in CURRENCIES:
            raise serializers.ValidationError("must be a currency of ISO 4217")
        return code


class Flag(Exact):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("must be true or false")
        return data


class Instant(serializers.Field):
    """RFC 3339, in UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            return instant(data)
        except TypeError:
            raise serializers.ValidationError("must be text") from None
        except ValueError as problem:
            raise serializers.ValidationError(str(problem)) from None

    def to_representation(self, value: datetime) -> str | None:
        return wire(value)


class InstantText(Instant):
    """One that is kept as text."""

    def to_internal_value(self, data: Any) -> Any:
        return wire(super().to_internal_value(data))

    def to_representation(self, value: Any) -> str | None:
        return wire(restrictions.instant(value))


class Number(Exact):
    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            raise serializers.ValidationError("must be a number")
        return Decimal(data)


class Whole(Number):
    """From `least`. 2.0 is one too."""

    def __init__(self, least: int, **options: Any) -> None:
        super().__init__(**options)
        self.least = least

    def to_internal_value(self, data: Any) -> Any:
        number = super().to_internal_value(data)
        if not self.least <= number <= MAX_CENTS or number != number.to_integral_value():
            raise serializers.ValidationError(f"must be a whole number from {self.least} to {MAX_CENTS}")
        return int(number)


class Percentage(Number):
    def to_internal_value(self, data: Any) -> Decimal:
        number = super().to_internal_value(data)
        if not Decimal("0.01") <= number <= 100:
            raise serializers.ValidationError("must be from 0.01 to 100")
        return _with_decimals(number, 4)

    def to_representation(self, value: Decimal) -> int | float:
        return _json(value)


class Money(serializers.Serializer):
    """An amount of major units and its currency, which are kept as `amount_cents` and `currency_code`."""

    least_cents: ClassVar[int] = 0

    amount = Number()
    currency = Currency(source="currency_code")

    def validate(self, read: dict[str, Any]) -> dict[str, Any]:
        try:
            cents = _cents(read.pop("amount"), read["currency_code"], self.least_cents)
        except serializers.ValidationError as problem:
            raise serializers.ValidationError({"amount": problem.detail}) from None
        return {"amount_cents": cents, **read}

    def to_representation(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        return super().to_representation({**kept, "amount": major_units(kept["amount_cents"], kept["currency_code"])})


def major_units(cents: int, currency_code: str) -> int | float:
    return _json(Decimal(cents).scaleb(-exponent(currency_code)))


def _cents(amount: Decimal, currency_code: str, least: int) -> int:
    places = exponent(currency_code)
    lowest, highest = (Decimal(bound).scaleb(-places) for bound in (least, MAX_CENTS))
    if not lowest <= amount <= highest:
        raise serializers.ValidationError(f"must be from {lowest} to {highest}")
    return int(_with_decimals(amount, places).scaleb(places))


def _with_decimals(number: Decimal, places: int) -> Decimal:
    """The number, which is within some bounds. Raises ValidationError where it has more decimals."""
    rounded = number.quantize(Decimal(1).scaleb(-places))
    if rounded != number:
        raise serializers.ValidationError(f"must not have more than {places} decimals" if places else "must be whole")
    return rounded


def _json(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
