"""ULIDs: 48 bits of milliseconds and 80 more, as 26 symbols of Crockford's alphabet."""

import secrets
from datetime import datetime

from commerce.chance import drawn

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_VALUES = {symbol: value for value, symbol in enumerate(SYMBOLS)}
_BITS = 80


def new(now: datetime) -> str:
    """One that nobody guesses, of this moment."""
    return encode(int(now.timestamp() * 1000), drawn(_random))


def encode(milliseconds: int, rest: int) -> str:
    number = milliseconds << _BITS | rest
    return "".join(SYMBOLS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))


def decode(text: str) -> tuple[int, int] | None:
    """The milliseconds and the rest; None of anything that `encode` does not make."""
    if len(text) != LENGTH or not set(text) <= _VALUES.keys():
        return None
    number = 0
    for symbol in text:
        number = number << 5 | _VALUES[symbol]
    return (number >> _BITS, number & (1 << _BITS) - 1) if number < 1 << 128 else None


def _random() -> int:
    return secrets.randbits(_BITS)
