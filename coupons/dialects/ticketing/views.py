"""What every request of the ticketing dialect passes: the company it is for, permissions, answers and errors."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

from commerce.errors import AccessDenied
from coupons.dialects.entry import DialectView, Fields, Problem
from coupons.dialects.ticketing import guids

ERRORS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "validation_failed",
    409: "conflict",
    413: "payload_too_large",
    429: "too_many_requests",
}
NAMES = {
    "": "body",
    "starts_at": "start_date",
    "expires_at": "end_date",
    "percentage": "amount",
    "fixed_amount_cents": "amount",
    "currency_code": "currency",
    "usage_limit": "usage_count",
}
"""What our columns are called here."""
CHUNK = 1000


class TicketingView(DialectView):
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    invalid_status = 406

    @property
    def company_id(self) -> str:
        return guids.encode("company", self.tenant.organization_id)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        companies = [guid.strip().lower() for guid in request.META.get("HTTP_COMPANY", "").split(",") if guid.strip()]
        if companies and not (all(map(guids.is_guid, companies)) and self.company_id in companies):
            raise Problem(403, "The token is for no company that was named.")

    def permit(self, action: str, *resource_types: str) -> None:
        """Raises AccessDenied unless the caller may do that to all of these types of the API."""
        if not all(self.caller.permits(action, resource_type) for resource_type in resource_types):
            raise AccessDenied

    def found(self, rows: Any, kind: str, guid: str, *, lock: bool = False) -> Any:
        """The row of the tenant that the GUID names, of a manager's or a query set's. Raises Http404."""
        rows = rows.owned_by(self.tenant).filter(pk=guids.decode(kind, guid))
        row = (rows.select_for_update(no_key=True, of=("self",)) if lock else rows).first()
        if row is None:
            raise Http404
        return row

    # --- Refusing ---------------------------------------------------------------------------------

    def problem_of(self, cause: Exception) -> Problem:
        problem = super().problem_of(cause)
        if isinstance(cause, ValidationError) and "taken" in _keys(cause):
            return Problem(409, "There is one already.", problem.fields)
        return problem

    def refused(self, problem: Problem) -> HttpResponse:
        headers = dict(self.allowance.headers) if self.allowance and problem.status == 429 else {}
        if problem.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if problem.status == 405:
            headers["Allow"] = ", ".join(self.allowed_methods)
        document = {
            "error": ERRORS.get(problem.status, "server_error"),
            "error_description": str(problem),
            "error_context": _context(problem.fields),
        }
        return answer(document, problem.status, headers)


class Unknown(TicketingView):
    """Paths that lead nowhere."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404


def _keys(cause: ValidationError) -> set[str | None]:
    errors = chain(*cause.error_dict.values()) if hasattr(cause, "error_dict") else cause.error_list
    return {error.code for error in errors}


def _context(fields: Fields) -> dict[str, list[str]]:
    context: dict[str, list[str]] = {}
    for name, problem in fields:
        context.setdefault(NAMES.get(name, name), []).append(problem.replace("starts_at", NAMES["starts_at"]))
    return context


# --- Answering ------------------------------------------------------------------------------------


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(orjson.dumps(document), status=status, content_type="application/json", headers=headers)


def nothing() -> HttpResponse:
    return HttpResponse(status=204)


def streamed(rows: QuerySet, told: Callable[[Any], Any]) -> HttpResponseBase:
    """An array of what `told` makes of each row. However many they are, they are never all in memory."""
    chunks = chunked(map(told, rows.iterator(CHUNK)))
    first = next(chunks, [])
    if len(first) < CHUNK:
        return answer(first)
    return StreamingHttpResponse(_array(chain([first], chunks)), content_type="application/json")


def _array(chunks: Iterable[Any]) -> Iterator[bytes]:
    opening = b"["
    for chunk in chunks:
        yield opening + orjson.dumps(chunk)[1:-1]
        opening = b","
    yield b"]"


def chunked(items: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(items, CHUNK)):
        yield chunk


def moment(when: datetime | None) -> str | None:
    """ISO 8601 with an offset."""
    return when.isoformat() if when else None


def whole_or_exact(number: Any) -> int | float:
    return int(number) if number == int(number) else float(number)


def columns(form: Any, names: dict[str, str]) -> Sequence[tuple[str, Any]]:
    """Column and value of what was sent, by the names of the form."""
    return [(column, form[name]) for name, column in names.items() if name in form]
