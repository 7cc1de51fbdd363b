"""Public ids: a fixed bijection of the primary key onto ten ASCII letters.

Official clients refuse an order id that is not `[A-Za-z]{10}`, so every resource speaks that form. The id needs no
column and hides nothing: it only keeps neighbouring keys from looking alike; keys that must not be guessed are random.
Sorting and comparing by `id` is sorting and comparing by the key; the letters themselves have no order.
"""

import secrets
import string

from commerce.chance import drawn

LETTERS = string.ascii_uppercase + string.ascii_lowercase
LENGTH = 10
SIZE = len(LETTERS) ** LENGTH
"""How many ids there are; primary keys run from 1 to SIZE - 1."""

_HALF = len(LETTERS) ** (LENGTH // 2)
# Any odd number that 13 does not divide is coprime to 52^10; these two are primes.
_FIRST, _SECOND = 97_815_371_237_339_257, 60_412_974_551_189_633
_FIRST_INVERSE, _SECOND_INVERSE = pow(_FIRST, -1, SIZE), pow(_SECOND, -1, SIZE)
_VALUES = {letter: value for value, letter in enumerate(LETTERS)}
_PAIRS = [first + second for first in LETTERS for second in LETTERS]
_PAIR = len(_PAIRS)


def encode(key: int) -> str:
    """The public id of a primary key. `key` is at least 0 and below SIZE."""
    if not 0 <= key < SIZE:
        raise ValueError(f"no public id for {key}")
    number = _swap_halves(key * _FIRST % SIZE) * _SECOND % SIZE
    number, e = divmod(number, _PAIR)
    number, d = divmod(number, _PAIR)
    number, c = divmod(number, _PAIR)
    a, b = divmod(number, _PAIR)
    return _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e]


def decode(public_id: object) -> int | None:
    """The primary key behind a public id; None for anything that is not one."""
    if not isinstance(public_id, str) or len(public_id) != LENGTH:
        return None
    number = 0
    for letter in public_id:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = number * len(LETTERS) + value
    return _swap_halves(number * _SECOND_INVERSE % SIZE) * _FIRST_INVERSE % SIZE


def random_key() -> int:
    """A key that nobody guesses."""
    return drawn(new_key)


def new_key() -> int:
    """One of SIZE - 1, some 2^57."""
    return 1 + secrets.randbelow(SIZE - 1)


def _swap_halves(number: int) -> int:
    high, low = divmod(number, _HALF)
    return low * _HALF + high
