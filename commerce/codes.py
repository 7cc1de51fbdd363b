"""Codes that customers type: the form they are compared in, and what one may look like."""

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError

LONGEST_CODE = 64
"""The columns; an organization's own limits are narrower and hold when a code is given."""


def normalise_code(code: str) -> str:
    """The form codes are compared in: NFKC, no white space, upper case."""
    if not code.isascii():
        code = unicodedata.normalize("NFKC", code)
    return "".join(code.split()).upper()


class BadCode(ValueError):
    """What is wrong with a code: the sentence and the key of the wire, and the limit it is about."""

    def __init__(self, sentence: str, key: str, **limit: int) -> None:
        super().__init__(sentence)
        self.key = key
        self.limit = limit


def checked_code(code: str, shortest: int, longest: int) -> str:
    """The normalised form of a code within the limits. Raises BadCode."""
    code_norm = normalise_code(code)
    if not code_norm:
        raise BadCode("can't be blank", "blank")
    if len(code) < shortest:
        raise BadCode(f"is too short (minimum is {shortest} characters)", "too_short", count=shortest)
    if len(code) > longest or len(code_norm) > longest:
        raise BadCode(f"is too long (maximum is {longest} characters)", "too_long", count=longest)
    return code_norm


def code_lengths(organization: Any, kind: str) -> tuple[int, int]:
    """How short and how long the organization's settings let codes of that kind be."""
    longest = organization.setting(f"{kind}_max_code_length")
    return organization.setting(f"{kind}_min_code_length"), min(longest, LONGEST_CODE)


def clean_code(row: Any, shortest: int, longest: int) -> None:
    """Sets `code_norm` of a row with a `code`. Raises ValidationError on `code`."""
    try:
        row.code_norm = checked_code(row.code, shortest, longest)
    except BadCode as bad:
        raise ValidationError({"code": ValidationError(str(bad), bad.key, bad.limit)}) from None
