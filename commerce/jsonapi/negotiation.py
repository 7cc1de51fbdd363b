"""Content negotiation of JSON:API 1.1: `ext` and `profile` are the only media type parameters there are."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from commerce.jsonapi.errors import error

MEDIA_TYPE = "application/vnd.api+json"
EXTENSIONS: frozenset[str] = frozenset()
"""URIs of the extensions served; every other one is refused."""

_ANY = frozenset({"*/*", "application/*"})
_PARAMETER = re.compile(r"""\s*;\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)""")


class MediaType(NamedTuple):
    name: str
    parameters: dict[str, str]

    @property
    def is_acceptable(self) -> bool:
        """Whether an Accept instance can be satisfied; `q` is a weight and no parameter of the media type."""
        if self.parameters.get("q", "1").strip("0.") == "" and self.parameters.get("q"):
            return False
        if self.name in _ANY:
            return True
        return self.name == MEDIA_TYPE and self.is_understood

    @property
    def is_understood(self) -> bool:
        if set(self.parameters) - {"ext", "profile", "q"}:
            return False
        return set(self.parameters.get("ext", "").split()) <= EXTENSIONS


def check_accept(header: str) -> None:
    """406 when Accept is there and no instance of it can be satisfied."""
    if not header.strip() or header in (MEDIA_TYPE, "*/*"):
        return
    if not any(media_type.is_acceptable for media_type in parse(header)):
        raise error(406, "NOT_ACCEPTABLE", f"Only {MEDIA_TYPE} is served.", header="Accept")


def check_content_type(header: str) -> None:
    """415 unless a body is declared as plain JSON:API. Unknown profiles are ignored, as the specification asks."""
    if header == MEDIA_TYPE:
        return
    media_type = next(parse(header), MediaType("", {}))
    if media_type.name != MEDIA_TYPE or "q" in media_type.parameters or not media_type.is_understood:
        raise error(415, "UNSUPPORTED_MEDIA_TYPE", f"A body must be sent as {MEDIA_TYPE}.", header="Content-Type")


def parse(header: str) -> Iterator[MediaType]:
    """The media types of an Accept or Content-Type header, with unquoted parameters."""
    position = 0
    while position < len(header):
        name = re.split("[;,]", header[position:], maxsplit=1)[0]
        position += len(name)
        parameters = {}
        while parameter := _PARAMETER.match(header, position):
            parameters[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", parameter[2].strip('"'))
            position = parameter.end()
        rest = header.find(",", position)
        stray = header[position : rest if rest >= 0 else len(header)].strip()
        if stray:
            parameters[stray] = ""
        yield MediaType(name.strip().lower(), parameters)
        position = rest + 1 if rest >= 0 else len(header)
