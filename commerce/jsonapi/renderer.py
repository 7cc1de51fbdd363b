"""Documents as bytes, and the responses they travel in."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import orjson
from django.http import HttpResponse

from commerce.jsonapi.negotiation import MEDIA_TYPE

JSON_API = orjson.Fragment(b'{"version":"1.1"}')


def dump(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"jsonapi": JSON_API, **document}, default=_number)


def response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    answer = HttpResponse(body, status=status, content_type=MEDIA_TYPE)
    answer.headers["Vary"] = "Accept"
    for name, value in (headers or {}).items():
        answer.headers[name] = value
    return answer


def strong_etag(revision: int, body: bytes) -> str:
    """`"{revision}-{hash}"`: the revision is what If-Match compares, the hash what makes it strong."""
    return f'"{revision}-{blake2b(body, digest_size=8).hexdigest()}"'


def weak_etag(body: bytes) -> str:
    return f'W/"{blake2b(body, digest_size=8).hexdigest()}"'


def _number(value: Any) -> int | float:
    """Exact decimals as JSON numbers: 10, 12.5."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
