"""What every request to a dialect passes: who calls, how often, what they may do, one transaction, errors.

A dialect translates and decides nothing: its views say what they need, read what was sent and write what is answered.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from commerce import auth, changes, clock, rate_limits
from commerce.errors import AccessDenied, DomainError, Forbidden, InvalidToken, Locked, NotUnique
from commerce.jsonapi.parser import is_storable
from commerce.jsonapi.statements import in_the_way, out_of_time
from commerce.models import Organization, Tenant
from commerce.pricing import LimitReached
from commerce.repeating import repeated

log = logging.getLogger("tessera.api")

Done = TypeVar("Done")
Fields = list[tuple[str, str]]
"""Names, nested ones with dots, each with what is wrong with it; "" is all that was sent."""


class Problem(Exception):
    """A refusal before a dialect puts it into its words."""

    def __init__(self, status: int, detail: str, fields: Fields | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.fields = status, detail, fields or []


class DialectView(APIView):
    needs: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Method -> the action of the API, and the resource type, that the caller must be permitted."""
    invalid_status: ClassVar[int]
    """Of what was sent and cannot be taken."""

    caller: auth.Caller
    tenant: Tenant
    allowance: rate_limits.Allowance | None = None

    # --- What a dialect decides -------------------------------------------------------------------

    def authenticate(self, request: Request) -> auth.Caller:
        """Raises InvalidToken."""
        return auth.authenticate(request._request, self.now)

    def refused(self, problem: Problem) -> HttpResponse:
        raise NotImplementedError

    # --- Entering ---------------------------------------------------------------------------------

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = clock.now()
        bucket = "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"
        try:
            self.caller = self.authenticate(request)
        except InvalidToken:
            self._take(bucket, f"address:{request.META.get('REMOTE_ADDR')}", None)
            raise
        self.tenant = self.caller.tenant
        request._request.application_id = self.caller.application_id  # type: ignore[attr-defined]
        self._take(bucket, str(self.caller.application_id), self.tenant.mode)
        self.by = changes.By(self.caller.who, self.now, self.caller.reach)
        needed = self.needs.get("GET" if request.method == "HEAD" else request.method or "")
        if self.caller.is_shopper or (needed and not self.caller.permits(*needed)):
            raise AccessDenied

    def _take(self, bucket: str, key: str, mode: str | None) -> None:
        self.allowance = rate_limits.take(bucket, key, mode, self.now)
        if self.allowance.retry_after:
            raise Problem(429, "Too many requests; retry later.")

    @property
    def organization(self) -> Organization:
        return auth.snapshot.known.organizations[self.tenant.organization_id]

    @cached_property
    def document(self) -> dict[str, Any]:
        """The JSON object that was sent, numbers with a point as exact decimals; empty where nothing was."""
        body = self.request._request.body
        try:
            document = json.loads(body, parse_float=Decimal, parse_constant=_no_number) if body.strip() else {}
        except (ValueError, ArithmeticError, RecursionError):
            raise Problem(400, "The body is not valid JSON.") from None
        if not isinstance(document, dict):
            raise Problem(400, "The body must be an object.")
        if not is_storable(json.loads(body, parse_float=str) if body.strip() else {}):
            raise Problem(self.invalid_status, "The body holds what cannot be stored.", [("", "cannot be stored")])
        return document

    def written(self, work: Callable[[], Done]) -> Done:
        """What `work` returns, done in one transaction. It may be done again from its beginning."""
        return repeated(partial(_transacted, work))

    # --- Refusing ---------------------------------------------------------------------------------

    def handle_exception(self, cause: Exception) -> HttpResponse:  # type: ignore[override]
        return self.refused(self.problem_of(cause))

    def problem_of(self, cause: Exception) -> Problem:
        if isinstance(cause, Problem):
            return cause
        if isinstance(cause, ValidationError | ModelValidationError):
            return Problem(self.invalid_status, "What was sent is not valid.", list(_fields(cause)))
        if isinstance(cause, OperationalError) and not (in_the_way(cause) or out_of_time(cause)):
            log.error("unexpected error", exc_info=cause)
            return Problem(500, "Something went wrong on our side.")
        for kind, status, detail in _KNOWN:
            if isinstance(cause, kind):
                return Problem(status or self.invalid_status, getattr(cause, "detail", "") or detail)
        log.error("unexpected error", exc_info=cause)
        return Problem(500, "Something went wrong on our side.")


_KNOWN: tuple[tuple[type[Exception], int, str], ...] = (
    (InvalidToken, 401, "The key or token is missing or not valid."),
    (AccessDenied, 403, "The key or token does not permit this."),
    (Http404, 404, "There is nothing here."),
    (MethodNotAllowed, 405, "This method is not allowed here."),
    (LimitReached, 0, "The limit was reached."),
    (NotUnique, 409, "The same was changed by another request at the same time."),
    (Locked, 409, "It is in use."),
    (Forbidden, 409, "It cannot be changed so."),
    (DomainError, 0, "It is refused."),
    (OperationalError, 409, "Another request was writing the same; nothing was written."),
    (RequestDataTooBig, 413, "The body is larger than this server accepts."),
    (SuspiciousOperation, 400, "The request is malformed."),
    (DataError, 400, "A value is outside what can be stored."),
)
"""Exception -> status, 0 for that of what is not valid, and what is told where it does not tell itself."""


def _transacted(work: Callable[[], Done]) -> Done:
    with changes.atomic():
        return work()


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _fields(cause: ValidationError | ModelValidationError) -> Iterator[tuple[str, str]]:
    if isinstance(cause, ValidationError):
        yield from _nested("", cause.detail)
        return
    by_field = cause.error_dict if hasattr(cause, "error_dict") else {NON_FIELD_ERRORS: cause.error_list}
    for name, errors in by_field.items():
        for error in errors:
            yield ("" if name == NON_FIELD_ERRORS else name), str(error.messages[0])


def _nested(name: str, details: Any) -> Iterator[tuple[str, str]]:
    if isinstance(details, Mapping):
        for key, below in details.items():
            inner = name if key == api_settings.NON_FIELD_ERRORS_KEY else f"{name}.{key}".removeprefix(".")
            yield from _nested(inner, below)
    elif isinstance(details, list):
        for place, below in enumerate(details):
            yield from _nested(f"{name}.{place}" if isinstance(below, Mapping | list) else name, below)
    else:
        yield name, str(details)
