"""A JSON:API client for the tests, and what they ask of the database about it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from commerce import auth, clock
from commerce.auth import NOBODYS, Session
from commerce.models import Application, Owned

MEDIA_TYPE = "application/vnd.api+json"
HOST = "http://testserver"


class Api:
    """Requests as official clients send them. Headers are given in lower case with underscores; None leaves one out.

    `body` is a document, or bytes to be sent as they are. A path is one below /api/, or a whole link.
    """

    client = Client()
    """One for all, because starting the middleware takes longer than a request."""

    def __init__(self, application: Application | None, session: Session = NOBODYS) -> None:
        self.application = application
        self.token = token_of(application, session) if application else None

    def get(self, path: str, **headers: str | None) -> HttpResponse:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str | None) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str | None) -> HttpResponse:
        return self.request("PATCH", path, body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str | None) -> HttpResponse:
        return self.request("DELETE", path, body, **headers)

    def request(self, method: str, path: str, body: Any = None, **headers: str | None) -> HttpResponse:
        sent: dict[str, str | None] = {"accept": MEDIA_TYPE, "content_type": MEDIA_TYPE}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        sent |= headers
        content_type = sent.pop("content_type")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        meta = {f"HTTP_{name.upper()}": value for name, value in sent.items() if value is not None}
        if content_type is not None:
            meta["CONTENT_TYPE"] = content_type
        url = path.removeprefix(HOST) if path.startswith(HOST) else f"/api/{path.removeprefix('/')}"
        return self.client.generic(method, url, data, content_type or "", **meta)

    # --- Shorthands ---------------------------------------------------------------------------------------------------

    def data(self, path: str, **headers: str | None) -> Any:
        """The primary data of a GET that must succeed."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.content
        return answer.json()["data"]

    def ids(self, path: str) -> list[str]:
        return [resource["id"] for resource in self.data(path)]

    def create(self, resource_type: str, attributes: Any = None, query: str = "", **relationships: Any) -> HttpResponse:
        return self.post(resource_type + query, document(resource_type, attributes, **relationships))

    def update(
        self, row: Owned, attributes: Any = None, query: str = "", headers: Any = None, **relationships: Any
    ) -> HttpResponse:
        body = document(row.wire_type, attributes, row.public_id, **relationships)
        return self.patch(path_of(row) + query, body, **(headers or {}))

    def destroy(self, row: Owned, **headers: str | None) -> HttpResponse:
        return self.delete(path_of(row), **headers)


def token_of(application: Application, session: Session = NOBODYS) -> str:
    scope = application.scopes if session.markets is None else "market:code:some"
    return auth.bearer(auth.issue(application, scope, clock.now(), is_public=application.is_public, session=session))


def path_of(row: Owned) -> str:
    return f"{row.wire_type}/{row.public_id}"


def identifier(row: Owned) -> dict[str, str]:
    return {"type": row.wire_type, "id": row.public_id}


def linkage(target: Any) -> Any:
    """Rows, or one, or None, as identifiers; whatever else is sent as it is."""
    if isinstance(target, list):
        return [linkage(row) for row in target]
    return identifier(target) if isinstance(target, Owned) else target


def document(resource_type: str, attributes: Any = None, public_id: str | None = None, **relationships: Any) -> Any:
    data: dict[str, Any] = {"type": resource_type, "attributes": attributes or {}}
    if public_id is not None:
        data["id"] = public_id
    data["relationships"] = {name: {"data": linkage(target)} for name, target in relationships.items()}
    return {"data": data}


def problem(answer: HttpResponse) -> dict[str, Any]:
    """The only error of an answer, whose status must be the answer's."""
    (only,) = answer.json()["errors"]
    assert only["status"] == str(answer.status_code)
    return only


def refused(answer: HttpResponse) -> tuple[int, str, Any]:
    """Status, code and source of the only error."""
    only = problem(answer)
    return answer.status_code, only["code"], only.get("source")


def stored() -> dict[str, list[Any]]:
    """Every owned row there is, whole, and everything that links two of them."""
    with connection.cursor() as cursor:
        return {table: rows_of(table, cursor) for table in tables()}


def rows_of(table: str, cursor: Any) -> list[Any]:
    cursor.execute(f'SELECT * FROM "{table}" ORDER BY id')
    return cursor.fetchall()


@cache
def tables() -> list[str]:
    models = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    return [model._meta.db_table for model in models if issubclass(model, Owned) or model._meta.auto_created]


@contextmanager
def nothing_written() -> Iterator[None]:
    before = stored()
    yield
    assert stored() == before


def statements(api: Api, path: str) -> int:
    """How many statements a GET takes that has been asked before."""
    api.get(path)
    with CaptureQueriesContext(connection) as captured:
        answer = api.get(path)
    assert answer.status_code == 200, answer.content
    return len(captured)
