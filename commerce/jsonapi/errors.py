"""Problems as data, and the error document made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import ValidationError as FieldValidationError
from rest_framework.fields import Field
from rest_framework.settings import api_settings

MOST_PROBLEMS = 20
"""A document that is wrong a thousand times over is not answered with a thousand errors."""

TITLES = {
    "BAD_REQUEST": "Bad request",
    "FILTER_NOT_ALLOWED": "Filter not allowed",
    "FORBIDDEN": "Forbidden",
    "INTERNAL_SERVER_ERROR": "Internal server error",
    "INVALID_FIELD": "Invalid field",
    "INVALID_FILTER_VALUE": "Invalid filter value",
    "INVALID_INCLUDE": "Invalid include",
    "INVALID_PAGE_VALUE": "Invalid page value",
    "INVALID_RESOURCE": "Invalid resource",
    "INVALID_SORT_CRITERIA": "Invalid sort criteria",
    "INVALID_TOKEN": "Invalid token",
    "KEY_NOT_INCLUDED_IN_URL": "Key is not included in URL",
    "LOCKED": "Locked",
    "METHOD_NOT_ALLOWED": "Method not allowed",
    "NOT_ACCEPTABLE": "Not acceptable",
    "PARAM_MISSING": "Missing parameter",
    "PARAM_NOT_ALLOWED": "Param not allowed",
    "PAYLOAD_TOO_LARGE": "Payload too large",
    "PRECONDITION_FAILED": "Precondition failed",
    "RECORD_NOT_FOUND": "Record not found",
    "RECORD_NOT_UNIQUE": "Record not unique",
    "STATEMENT_TIMEOUT": "Query took too long",
    "THROTTLED": "Too many requests",
    "TYPE_MISMATCH": "Type mismatch",
    "UNAUTHORIZED": "Access denied",
    "UNSUPPORTED_MEDIA_TYPE": "Unsupported media type",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors`. `source` is `{"pointer": …}`, `{"parameter": …}` or `{"header": …}`."""

    status: int
    code: str
    detail: str
    title: str = ""
    source: Mapping[str, str] | None = None
    meta: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "title": self.title or TITLES.get(self.code, self.code),
            "detail": self.detail,
            "code": self.code,
            "status": str(self.status),
        }
        if self.source:
            entry["source"] = self.source
        if self.meta:
            entry["meta"] = self.meta
        return entry


@dataclass
class ApiError(Exception):
    """Ends a request with the document of its problems."""

    problems: list[Problem]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The one status of all problems, or 400 for a mixture."""
        statuses = {problem.status for problem in self.problems}
        return statuses.pop() if len(statuses) == 1 else 400

    def body(self) -> bytes:
        return orjson.dumps(
            {
                "jsonapi": {"version": "1.1"},
                "errors": [problem.as_json() for problem in self.problems[:MOST_PROBLEMS]],
            },
            default=str,
        )


def error(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **source: str) -> ApiError:
    """The error with a single problem; `source` as pointer=, parameter= or header=."""
    return ApiError([Problem(status, code, detail, source=source or None)], headers or {})


def not_found(**source: str) -> ApiError:
    return error(
        404,
        "RECORD_NOT_FOUND",
        "The requested resource was not found. Please double-check the resource id.",
        None,
        **source,
    )


# --- Validation: what a field or a model says, in the words and keys of the wire ------------------

_SAID: dict[str, tuple[str, str]] = {
    # code of Django or DRF -> (key of the wire, message)
    "required": ("blank", "can't be blank"),
    "null": ("blank", "can't be blank"),
    "blank": ("blank", "can't be blank"),
    "not_a_number": ("not_a_number", "is not a number"),
    "max_length": ("too_long", "is too long (maximum is {count} characters)"),
    "min_length": ("too_short", "is too short (minimum is {count} characters)"),
    "max_value": ("less_than_or_equal_to", "must be less than or equal to {count}"),
    "min_value": ("greater_than_or_equal_to", "must be greater than or equal to {count}"),
    "max_string_length": ("invalid", "is invalid"),
    "overflow": ("invalid", "is out of range"),
    "null_characters_not_allowed": ("invalid", "can't contain null characters"),
    "invalid_choice": ("inclusion", "is not included in the list"),
    "unique": ("taken", "has already been taken"),
}


def invalid(pointer: str, name: str, message: str, key: str, **meta: Any) -> Problem:
    """A 422 about one attribute or relationship, or about the whole (`name` empty)."""
    return Problem(
        422,
        "VALIDATION_ERROR",
        f"{name} - {message}" if name else message,
        title=message,
        source={"pointer": pointer},
        meta={"error": key, **meta},
    )


def field_problems(pointer: str, name: str, value: Any, cause: FieldValidationError, said_by: Field) -> list[Problem]:
    """The problems of one attribute as its serializer field refused it; what is only written is not told back."""
    shown = None if said_by.write_only else _short(value)
    problems = []
    for detail in _flat(cause.detail):
        key, message = _SAID.get(detail.code, (detail.code, str(detail)))
        limit = {"count": _limit(detail.code, said_by)} if "{count}" in message else {}
        problems.append(invalid(pointer, name, message.format(**limit), key, value=shown, **limit))
    return problems


def nested_problems(pointer: str, details: Any, name: str = "") -> list[Problem]:
    """The problems of a document within an attribute, as a serializer refused it: each with a pointer of its own."""
    if isinstance(details, dict):
        within = [_member(pointer, key, name, below) for key, below in details.items()]
    elif isinstance(details, list) and any(isinstance(below, dict | list) for below in details):
        within = [_member(pointer, place, name, below) for place, below in enumerate(details)]
    else:
        return [_nested_problem(pointer, name, detail) for detail in _flat(details)]
    return [problem for pointer, below, name in within for problem in nested_problems(pointer, below, name)]


def _member(pointer: str, key: str | int, name: str, details: Any) -> tuple[str, Any, str]:
    """Where a member is, what is said of it and how it is called: those of a list by its name."""
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return pointer, details, name
    return f"{pointer}/{key}", details, name if isinstance(key, int) else key


def _nested_problem(pointer: str, name: str, detail: Any) -> Problem:
    key, message = _SAID.get(detail.code, (detail.code, str(detail)))
    return invalid(pointer, name, str(detail) if "{count}" in message else message, key)


def model_problems(cause: ModelValidationError, pointer_of: Mapping[str, str]) -> list[Problem]:
    """The problems a model's `clean` or constraint names. `pointer_of` tells where each field is on the wire."""
    by_field = cause.error_dict if hasattr(cause, "error_dict") else {NON_FIELD_ERRORS: cause.error_list}
    problems = []
    for name, causes in by_field.items():
        pointer = pointer_of.get(name, "/data")
        for single in causes:
            key, message = _SAID.get(single.code or "invalid", (single.code or "invalid", ""))
            text = message or str(single.messages[0])
            problems.append(invalid(pointer, "" if pointer == "/data" else name, text, key, **(single.params or {})))
    return problems


def _flat(detail: Any) -> Iterable[Any]:
    if isinstance(detail, dict):
        detail = detail.values()
    elif not isinstance(detail, list):
        return [detail]
    return [leaf for part in detail for leaf in _flat(part)]


def _limit(code: str, said_by: Field) -> Any:
    """The limit of the validator that says `code`."""
    checks: list[Any] = [check for check in said_by.validators if getattr(check, "code", None) == code]
    limit = checks[0].limit_value
    limit = limit() if callable(limit) else limit
    return float(limit) if isinstance(limit, Decimal) else limit


def _short(value: Any) -> Any:
    """What was sent, for `meta.value`; not echoed when it is long."""
    if isinstance(value, str):
        return value if len(value) <= 255 else None
    return value if isinstance(value, int | float | bool) else None
