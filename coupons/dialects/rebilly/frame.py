"""What every request of the Rebilly-style dialect passes: keys, organizations, pages, headers and errors.

Times are told as RFC 3339 in UTC, amounts as numbers of major units, errors as RFC 9457 has them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

import orjson
from django.db.models import F, QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views import View
from rest_framework.request import Request

from commerce import auth, ids
from commerce.errors import AccessDenied
from commerce.jsonapi.statements import limited_time
from coupons.dialects.entry import DialectView, Problem
from coupons.dialects.rebilly import filters

MOST_ROWS = 1000
"""Both of `limit` and of `offset`."""
DEFAULT_LIMIT = 100
LONGEST_ID = 50
LONGEST_QUESTION = 4000
ID = r"\A(?!\.{1,2}\Z)[@~\-.A-Za-z0-9_]+\Z"
"""Of what goes into paths, where `.` and `..` are none."""


class Listed(NamedTuple):
    """A collection: its rows, by what they are filtered and sorted, and the columns that `q` searches."""

    rows: QuerySet
    fields: Mapping[str, filters.Field]
    sortable: Mapping[str, str]
    """Name -> column; columns that may be null come last, descending or not."""
    searched: Sequence[str]


class RebillyView(DialectView):
    """A view below `/organizations/{organization}/` and, where the header `Organization-Id` may name one, without."""

    http_method_names = ["get", "head", "post", "put"]
    invalid_status = 422
    wire_names: ClassVar[Mapping[str, str]] = {}
    """Attribute of a model -> what it is called here."""

    # --- Entering ---------------------------------------------------------------------------------

    def authenticate(self, request: Request) -> auth.Caller:
        key = request.META.get("HTTP_REB_APIKEY")
        if key:
            return auth.of_api_key(key, self.now)
        return super().authenticate(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        named = kwargs.get("organization", request.META.get("HTTP_ORGANIZATION_ID"))
        if named and named not in (self.organization.slug, ids.encode(self.organization.pk)):
            raise AccessDenied("This organization is not that of the key or token.")

    def permit(self, action: str, resource_type: str) -> None:
        """Raises AccessDenied unless the caller may do `action` to what the API calls `resource_type`."""
        if not self.caller.permits(action, resource_type):
            raise AccessDenied

    # --- Reading ----------------------------------------------------------------------------------

    def listed(self, listed: Listed, documents: Callable[[list[Any]], list[dict[str, Any]]]) -> HttpResponse:
        """A page of it, as `limit`, `offset`, `sort`, `q` and `filter` ask for."""
        limit, offset = self._number("limit", DEFAULT_LIMIT), self._number("offset", 0)
        rows = listed.rows.filter(filters.condition(self._asked("filter"), listed.fields))
        if text := self._asked("q").strip():
            rows = rows.filter(filters.containing(text, listed.searched))
        ordered = rows.order_by(*_order(self._asked("sort"), listed.sortable), "pk")
        with limited_time():
            total = rows.count()
            found = list(ordered[offset : offset + limit])
        headers = {"Pagination-Total": total, "Pagination-Limit": limit, "Pagination-Offset": offset}
        return self.answered(documents(found), headers=headers)

    def _number(self, name: str, default: int) -> int:
        text = self._asked(name)
        if not text:
            return default
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) > MOST_ROWS:
            raise malformed(name, f"must be a whole number from 0 to {MOST_ROWS}")
        return int(text)

    def _asked(self, name: str) -> str:
        text: str = self.request._request.GET.get(name, "")
        if "\0" in text or len(text) > LONGEST_QUESTION:
            raise malformed(name, f"must be at most {LONGEST_QUESTION} characters, none of them NUL")
        return text

    # --- Answering --------------------------------------------------------------------------------

    def answered(self, document: Any = None, status: int = 200, headers: Mapping[str, Any] | None = None) -> Any:
        """`document` as JSON, or no body where there is none."""
        body = b"" if document is None else orjson.dumps(document)
        answer = HttpResponse(body, status=status, content_type="application/json", headers=dict(headers or {}))
        for name, value in self._rate_headers().items():
            answer[name] = value
        return answer

    def created(self, document: Any, location: str) -> HttpResponse:
        return self.answered(document, 201, {"Location": location})

    def link(self, collection: str, public_id: str) -> str:
        """Where a member of the collection, such as `coupons`, is: one absolute URI, whichever path led there."""
        return f"{self._root}/{collection}/{quote(public_id, safe='@~')}"

    @cached_property
    def _root(self) -> str:
        path = reverse("rebilly-coupons", kwargs={"organization": self.organization.slug})
        return self.request._request.build_absolute_uri(path).removesuffix("/coupons")

    def _rate_headers(self) -> dict[str, int]:
        """Both generations of them; of reads only where they are refused."""
        allowance = self.allowance
        if allowance is None or not (allowance.retry_after or self.request.method in ("POST", "PUT")):
            return {}
        second = int(self.now.timestamp())
        headers = {
            "X-RateLimit-Limit": allowance.limit,
            "X-RateLimit-Remaining": allowance.remaining,
            "Rate-Limit-Limit": allowance.limit,
            "Rate-Limit-Remaining": allowance.remaining,
            "Rate-Limit-Reset": second - second % allowance.interval + allowance.interval,
        }
        if allowance.retry_after:
            headers["Retry-After"] = allowance.retry_after
            headers["X-RateLimit-Retry-After"] = second + allowance.retry_after
        return headers

    # --- Refusing ---------------------------------------------------------------------------------

    def refused(self, problem: Problem) -> HttpResponse:
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(problem.status).phrase,
            "status": problem.status,
            "detail": problem.detail,
        }
        if problem.status in (400, 422):
            document["invalidFields"] = [
                {"field": self.wire_names.get(name, name), "message": message} for name, message in problem.fields
            ]
        headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
        return self.answered(document | self.told_besides(problem), problem.status, headers)

    def told_besides(self, problem: Problem) -> dict[str, Any]:
        """More members of the error."""
        return {}


class Nowhere(RebillyView):
    """What is below an organization and no path of the dialect."""

    http_method_names = [*View.http_method_names]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404


def checked_id(text: str) -> str:
    """An id that may be chosen or given here. Raises Http404."""
    if len(text) > LONGEST_ID or not re.match(ID, text):
        raise Http404
    return text


def malformed(name: str, message: str) -> Problem:
    """A query parameter that cannot be understood."""
    return Problem(400, f"{name} {message}.", [(name, message)])


def invalid(name: str, message: str) -> Problem:
    """A member of the body, its place with dots, that cannot be taken."""
    return Problem(422, f"{name} {message}.", [(name, message)])


def wire(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _order(sort: str, sortable: Mapping[str, str]) -> list[Any]:
    order: dict[str, Any] = {}
    for criterion in (each.strip() for each in sort.split(",") if each.strip()):
        name = criterion.removeprefix("-")
        if name not in sortable:
            raise malformed("sort", f"{name} is not one of {', '.join(sortable)}")
        column = F(sortable[name])
        order.setdefault(name, column.desc(nulls_last=True) if name != criterion else column.asc(nulls_last=True))
    return [*order.values()]
