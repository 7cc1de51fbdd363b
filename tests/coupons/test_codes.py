import re
import unicodedata
from itertools import islice

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from commerce.codes import checked_code, normalise_code
from coupons.codes import ALPHABET, Pattern


@pytest.mark.parametrize(
    ("typed", "norm"),
    [
        ("summer-2026", "SUMMER-2026"),
        (" sum mer\t20\n26 ", "SUMMER2026"),
        ("ＳＵＭＭＥＲ", "SUMMER"),
        ("straße", "STRASSE"),
        ("non\u00a0breaking\u2003space", "NONBREAKINGSPACE"),
        ("cafe\u0301", "CAFÉ"),
        (" \t\n", ""),
    ],
)
def test_codes_are_compared_without_case_space_and_width(typed: str, norm: str):
    assert normalise_code(typed) == norm


@given(st.text())
def test_the_short_way_for_ascii_gives_what_the_long_way_gives(code: str):
    assert normalise_code(code) == "".join(unicodedata.normalize("NFKC", code).split()).upper()


def test_a_code_within_the_limits_is_normalised():
    assert checked_code("ab cdefg", 8, 10) == "ABCDEFG"
    assert checked_code("abcdefghij", 8, 10) == "ABCDEFGHIJ"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("", "can't be blank"),
        (" " * 9, "can't be blank"),
        ("abcdefg", "is too short (minimum is 8 characters)"),
        ("abcdefghijk", "is too long (maximum is 10 characters)"),
        ("ßßßßßßßß", "is too long (maximum is 10 characters)"),
    ],
)
def test_a_code_outside_the_limits_is_refused(code: str, problem: str):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        checked_code(code, 8, 10)


def test_no_two_default_symbols_look_alike():
    assert len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("01OI")
    assert normalise_code(ALPHABET) == ALPHABET


def test_drawn_codes_have_the_pattern():
    codes = list(islice(Pattern(length=5, prefix="VIP-", suffix="-X", alphabet="ABC").draw(), 1000))
    assert {len(code) for code in codes} == {11}
    assert {(code[:4], code[9:]) for code in codes} == {("VIP-", "-X")}
    assert set("".join(code[4:9] for code in codes)) == {"A", "B", "C"}


def test_every_symbol_is_drawn_equally_often():
    # 10 does not divide 256: taking the remainder of every byte would give 0 to 5 four per cent more.
    symbols = "".join(islice(Pattern(length=10, alphabet="0123456789").draw(), 100_000))
    shares = [symbols.count(symbol) / len(symbols) for symbol in "0123456789"]
    assert all(0.0985 < share < 0.1015 for share in shares)


def test_drawn_codes_do_not_repeat_in_a_large_space():
    codes = list(islice(Pattern().draw(), 100_000))
    assert len(set(codes)) == 100_000


def test_the_space_is_counted():
    assert Pattern(length=3, alphabet="AB").space == 8
    assert Pattern().space == 2**60


@pytest.mark.parametrize(
    ("pattern", "field", "problem"),
    [
        (Pattern(length=0), "length", "must be at least 1"),
        (Pattern(alphabet=""), "alphabet", "must be printable ASCII symbols without a space"),
        (Pattern(alphabet="AB C"), "alphabet", "must be printable ASCII symbols without a space"),
        (Pattern(alphabet="ABÇ"), "alphabet", "must be printable ASCII symbols without a space"),
        (Pattern(alphabet="ABa"), "alphabet", "has a symbol twice; upper and lower case are the same"),
        (Pattern(prefix="A\0"), "prefix", "can't contain a NUL character"),
        (Pattern(suffix="\0"), "suffix", "can't contain a NUL character"),
        (Pattern(length=7), "length", "with prefix and suffix is too short (minimum is 8 characters)"),
        (Pattern(length=38, prefix="ABC"), "length", "with prefix and suffix is too long (maximum is 40 characters)"),
    ],
)
def test_a_pattern_that_gives_no_proper_codes_is_refused(pattern: Pattern, field: str, problem: str):
    with pytest.raises(ValidationError) as refusal:
        pattern.check(8, 40)
    assert refusal.value.message_dict == {field: [problem]}


def test_a_proper_pattern_is_accepted():
    Pattern(length=4, prefix="2026", alphabet="abcXYZ09!").check(8, 40)
