"""Codes: the form they are compared in, and how new ones are drawn."""

import unicodedata


def normalise_code(code: str) -> str:
    """The form codes are compared in: NFKC, no white space, upper case."""
    return "".join(unicodedata.normalize("NFKC", code).split()).upper()
