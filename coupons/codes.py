"""How new codes look, and how they are drawn."""

import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from commerce.codes import BadCode, checked_code

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 symbols of which no two look alike: without 0 and O, 1 and I."""

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Pattern:
    """How generated codes look: `length` random symbols of `alphabet` between `prefix` and `suffix`."""

    length: int = 12
    prefix: str = ""
    suffix: str = ""
    alphabet: str = ALPHABET

    @property
    def space(self) -> int:
        """How many different codes there are."""
        return len(self.alphabet) ** self.length

    def check(self, shortest: int, longest: int) -> None:
        """Raises ValidationError, by field, unless every code differs from every other and is within the limits."""
        if self.length < 1:
            raise ValidationError({"length": "must be at least 1"})
        if not self.alphabet or not set(self.alphabet) <= _SYMBOLS:
            raise ValidationError({"alphabet": "must be printable ASCII symbols without a space"})
        if len(set(self.alphabet.upper())) < len(self.alphabet):
            raise ValidationError({"alphabet": "has a symbol twice; upper and lower case are the same"})
        for affix in ("prefix", "suffix"):
            if "\0" in getattr(self, affix):
                raise ValidationError({affix: "can't contain a NUL character"})
        try:
            checked_code(self.prefix + self.alphabet[0] * self.length + self.suffix, shortest, longest)
        except BadCode as error:
            raise ValidationError({"length": f"with prefix and suffix {error}"}) from None

    def draw(self) -> Iterator[str]:
        """Codes without end, each equally likely, from the system's secure source. One may come twice."""
        size = len(self.alphabet)
        # Bytes beyond the last whole multiple of the alphabet are dropped: they would favour its first symbols.
        beyond = bytes(range(256 - 256 % size, 256))
        symbol_of = bytes(ord(self.alphabet[byte % size]) for byte in range(256))
        while True:
            symbols = secrets.token_bytes(_BLOCK).translate(symbol_of, beyond).decode("ascii")
            for start in range(0, len(symbols) - self.length + 1, self.length):
                yield self.prefix + symbols[start : start + self.length] + self.suffix


_SYMBOLS = frozenset(string.digits + string.ascii_letters + string.punctuation)
