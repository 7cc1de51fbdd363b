from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from commerce.models import Organization
from commerce.money import (
    CURRENCIES,
    FOUR_DIGITS,
    MAX_CENTS,
    THREE_DIGITS,
    TWO_DIGITS,
    ZERO_DIGITS,
    as_float,
    exponent,
    formatted,
    validate_currency_code,
)
from promotions.models import Promotion
from tests import factories


@pytest.mark.parametrize(
    ("code", "digits"),
    [("EUR", 2), ("USD", 2), ("JPY", 0), ("ISK", 0), ("BHD", 3), ("KWD", 3), ("CLF", 4), ("HUF", 2), ("", 2)],
)
def test_a_currency_has_the_digits_of_iso_4217(code: str, digits: int):
    assert exponent(code) == digits


def test_every_currency_is_listed_once_by_three_capitals():
    groups = [ZERO_DIGITS, TWO_DIGITS, THREE_DIGITS, FOUR_DIGITS]
    assert sum(map(len, groups)) == len(CURRENCIES)
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize(
    ("cents", "code", "as_number", "text"),
    [
        (0, "EUR", 0.0, "€0,00"),
        (5, "EUR", 0.05, "€0,05"),
        (1000, "EUR", 10.0, "€10,00"),
        (123_456_789, "EUR", 1_234_567.89, "€1.234.567,89"),
        (-1050, "EUR", -10.5, "-€10,50"),
        (123_456, "USD", 1234.56, "$1,234.56"),
        (99, "GBP", 0.99, "£0.99"),
        (1234, "JPY", 1234.0, "¥1,234"),
        (1500, "BHD", 1.5, "BHD 1.500"),
        (12_345, "CLF", 1.2345, "CLF 1.2345"),
        (1000, None, 10.0, "10.00"),
        (None, "EUR", None, None),
    ],
)
def test_amounts_are_shown_as_numbers_and_as_text(
    cents: int | None, code: str | None, as_number: float | None, text: str | None
):
    assert as_float(cents, code) == as_number
    assert formatted(cents, code) == text


@given(st.integers(-MAX_CENTS, MAX_CENTS), st.sampled_from(sorted(CURRENCIES)))
def test_the_digits_of_a_formatted_amount_are_the_amount(cents: int, code: str):
    text = formatted(cents, code)
    assert text is not None
    digits = "".join(letter for letter in text if letter.isdigit())
    assert int(digits) == abs(cents)
    assert text.startswith("-") == (cents < 0)


@pytest.mark.parametrize("code", ["eur", "XXX", "EU", "EURO", "", "é€$"])
def test_what_is_no_currency_is_refused(code: str):
    with pytest.raises(ValidationError) as refused:
        validate_currency_code(code)
    assert refused.value.code == "inclusion"


@pytest.mark.parametrize(
    ("percentage", "stored"), [("10", 100_000), ("12.5", 125_000), ("0.0001", 1), ("100", 1_000_000)]
)
def test_a_percentage_is_kept_exactly(acme: Organization, percentage: str, stored: int):
    factories.percentage_promotion(acme, percentage=Decimal(percentage))
    assert Promotion.objects.get().percentage == Decimal(percentage)
    assert Promotion.objects.filter(percentage=Decimal(percentage)).exists()
    assert Promotion._meta.get_field("percentage").get_prep_value(percentage) == stored


def test_a_percentage_of_more_than_four_decimals_is_refused(acme: Organization):
    with pytest.raises(ValidationError, match="has more than 4 decimals"):
        factories.percentage_promotion(acme, percentage=Decimal("0.00001"))
