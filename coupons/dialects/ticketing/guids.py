"""GUIDs of the ticketing dialect: a fixed bijection of what a row is, and its key, onto UUIDs of version 8.

As with public ids, a GUID needs no column, and anything that is not one of the kind asked for is told from one.
"""

import re
from typing import TypeGuard
from uuid import UUID

from commerce import ids

KINDS = ("company", "coupon", "code", "product", "redemption")

_KEY_BITS, _BITS = 58, 122
_MASK = (1 << _BITS) - 1
_HALF = _BITS // 2
_HALF_MASK = (1 << _HALF) - 1
_FIRST, _SECOND = 0x2F0B5A9C61D3E874B92C5D8A7E1F4D7, 0x1D8E4C7A93B50F62C8D1A6E5B3F7029
_FIRST_INVERSE, _SECOND_INVERSE = pow(_FIRST, -1, 1 << _BITS), pow(_SECOND, -1, 1 << _BITS)
_TAGS = {kind: 0xC0DE_5A1E_7E55_E2A0 + number for number, kind in enumerate(KINDS)}
"""The upper 64 bits before they are scrambled: a stranger's UUID does not have them by chance."""
_SHAPE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def encode(kind: str, key: int) -> str:
    """The GUID of a row of one of KINDS."""
    if not 0 <= key < ids.SIZE:
        raise ValueError(f"no GUID for {key}")
    number = _swap_halves((_TAGS[kind] << _KEY_BITS | key) * _FIRST & _MASK) * _SECOND & _MASK
    high, middle, low = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
    return str(UUID(int=high << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | low))


def decode(kind: str, guid: object) -> int | None:
    """The key behind a GUID; None for anything that is not one of that kind."""
    if not is_guid(guid):
        return None
    bits = UUID(guid).int
    if bits >> 76 & 0xF != 0x8 or bits >> 62 & 0b11 != 0b10:
        return None
    number = bits >> 80 << 74 | (bits >> 64 & 0xFFF) << 62 | bits & (1 << 62) - 1
    number = _swap_halves(number * _SECOND_INVERSE & _MASK) * _FIRST_INVERSE & _MASK
    tag, key = number >> _KEY_BITS, number & (1 << _KEY_BITS) - 1
    return key if tag == _TAGS[kind] and key < ids.SIZE else None


def is_guid(text: object) -> TypeGuard[str]:
    """Whether it has the shape of one, whatever it names."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def _swap_halves(number: int) -> int:
    return (number & _HALF_MASK) << _HALF | number >> _HALF
