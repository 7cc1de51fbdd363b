"""Money is integer minor units; the currency says how many digits they are. Percentages are exact."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.text import capfirst

ZERO_DIGITS = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
THREE_DIGITS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
FOUR_DIGITS = frozenset("CLF UYW".split())
TWO_DIGITS = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST YER ZAR ZMW ZWG".split()
)
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "CNY": "¥", "INR": "₹", "KRW": "₩", "BRL": "R$"}
COMMA_CURRENCIES = frozenset("EUR BRL DKK NOK SEK PLN CZK HUF RON TRY ARS CLP COP IDR VND".split())
CURRENCIES = ZERO_DIGITS | TWO_DIGITS | THREE_DIGITS | FOUR_DIGITS

MAX_CENTS = 2**53 - 1
"""The largest amount every JSON client reads exactly."""


def exponent(currency_code: str) -> int:
    """Digits after the point of a currency, by ISO 4217."""
    if currency_code in ZERO_DIGITS:
        return 0
    if currency_code in THREE_DIGITS:
        return 3
    if currency_code in FOUR_DIGITS:
        return 4
    return 2


def as_float(cents: int | None, currency_code: str | None) -> float | None:
    """The amount in major units, for the `*_float` attributes of the wire only; nothing is computed with it."""
    if cents is None:
        return None
    return cents / 10 ** exponent(currency_code or "")


def formatted(cents: int | None, currency_code: str | None) -> str | None:
    """The amount as people of the currency's area write it: `€1.234,50`, `$1,234.50`, `¥1,234`."""
    if cents is None:
        return None
    code = currency_code or ""
    digits = exponent(code)
    whole, part = divmod(abs(cents), 10**digits)
    text = f"{whole:,}" + (f".{part:0{digits}}" if digits else "")
    if code in COMMA_CURRENCIES:
        text = text.translate({ord(","): ".", ord("."): ","})
    symbol = SYMBOLS.get(code, f"{code} " if code else "")
    return f"{'-' if cents < 0 else ''}{symbol}{text}"


def validate_currency_code(value: str) -> None:
    if value not in CURRENCIES:
        raise ValidationError("is not a currency of ISO 4217", code="inclusion")


class CurrencyCodeField(models.CharField):
    """An ISO 4217 code, upper case."""

    def __init__(self, **options: Any) -> None:
        options["max_length"] = 3
        super().__init__(**options)
        self.validators = [*self.validators, validate_currency_code]

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        del options["max_length"]
        return name, path, args, options


class ExactField(models.Field):
    """An exact number with so many decimals: a Decimal such as 10 or 12.5 in Python, an integer in the table."""

    places: ClassVar[int]

    def get_internal_type(self) -> str:
        return "IntegerField"

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 10**self.places

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        try:
            return Decimal(str(value))
        except ArithmeticError:
            raise ValidationError("is not a number", code="not_a_number") from None

    def get_prep_value(self, value: Any) -> int | None:
        number = self.to_python(value)
        if number is None:
            return None
        units = number * 10**self.places
        if units != units.to_integral_value():
            raise ValidationError(f"has more than {self.places} decimals", code="invalid")
        return int(units)

    def formfield(self, *args: Any, **options: Any) -> Any:
        return forms.DecimalField(
            max_digits=self.places + 3,
            decimal_places=self.places,
            required=not self.blank,
            validators=self.validators,
            label=capfirst(self.verbose_name),
            help_text=self.help_text,
        )


class PercentageField(ExactField):
    """A percentage, exact to integer millionths."""

    places = 4
