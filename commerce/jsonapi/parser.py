"""From the bytes of a request to a checked document. Shape errors are 400 with the pointer of what is wrong."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from commerce.jsonapi.errors import ApiError, Problem, error

MEMBER_NAME = re.compile(r"[A-Za-z0-9\x80-\U0010ffff](?:[A-Za-z0-9_\- \x80-\U0010ffff]*[A-Za-z0-9\x80-\U0010ffff])?")


class Identifier(NamedTuple):
    type: str
    id: str


Linkage = Identifier | None | list[Identifier]


@dataclass(frozen=True, slots=True)
class ResourceDocument:
    """A resource object as it was sent. `relationships` holds the linkage of each relationship named."""

    type: str
    id: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    relationships: dict[str, Linkage] = field(default_factory=dict)


def load(body: bytes) -> Any:
    """JSON as orjson reads it: UTF-8, finite numbers, no lone surrogates, at most 1024 levels."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as cause:
        raise error(400, "BAD_REQUEST", f"The body is not valid JSON: {cause}.") from None


def is_storable(value: Any) -> bool:
    """Whether every database and every answer can hold this JSON: no null characters, at most 254 levels."""
    try:
        return b"\\u0000" not in orjson.dumps(value)
    except TypeError:
        return False


def resource_document(document: Any) -> ResourceDocument:
    """The primary resource object of a request. Undefined members are ignored, here and in every object within."""
    data = _primary_data(document)
    if not isinstance(data, dict):
        raise _shape("must be a resource object", "/data")
    if not isinstance(data.get("type"), str):
        raise _shape("type must be given as a string", "/data/type" if "type" in data else "/data")
    if "id" in data and not isinstance(data["id"], str):
        raise _shape("id must be a string", "/data/id")
    attributes = _object(data, "attributes")
    relationships = _object(data, "relationships")
    return ResourceDocument(
        data["type"],
        data.get("id"),
        {name: value for name, value in attributes.items() if not name.startswith("@")},
        {name: _relationship(name, value) for name, value in relationships.items() if not name.startswith("@")},
    )


def linkage_document(document: Any, *, many: bool) -> Linkage:
    """The primary data of a relationship endpoint."""
    linkage = _linkage(_primary_data(document), "/data")
    if many != isinstance(linkage, list):
        raise _shape("must be an array of identifiers" if many else "must be an identifier or null", "/data")
    return linkage


def pointer_to(*names: str) -> str:
    """A JSON pointer (RFC 6901) below /data."""
    return "/data" + "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def _primary_data(document: Any) -> Any:
    if not isinstance(document, dict):
        raise _shape("The document must be an object", "")
    if "data" not in document:
        raise ApiError([Problem(400, "PARAM_MISSING", "The document needs a data member.", source={"pointer": ""})])
    return document["data"]


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _shape(f"{name} must be an object", f"/data/{name}")
    return value


def _relationship(name: str, value: Any) -> Linkage:
    pointer = pointer_to("relationships", name)
    if not isinstance(value, dict) or "data" not in value:
        raise _shape(f"{name} must be an object with data", pointer)
    return _linkage(value["data"], f"{pointer}/data")


def _linkage(data: Any, pointer: str) -> Linkage:
    if data is None:
        return None
    if isinstance(data, list):
        return [_identifier(member, f"{pointer}/{index}") for index, member in enumerate(data)]
    return _identifier(data, pointer)


def _identifier(data: Any, pointer: str) -> Identifier:
    if not isinstance(data, dict) or not isinstance(data.get("type"), str) or not isinstance(data.get("id"), str):
        raise _shape("must be a resource identifier with type and id strings", pointer)
    return Identifier(data["type"], data["id"])


def _shape(detail: str, pointer: str) -> ApiError:
    return error(400, "BAD_REQUEST", detail, pointer=pointer)
