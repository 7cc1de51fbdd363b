"""A client of the Rebilly-style dialect, and what coupons look like there."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from commerce import auth
from commerce.models import Application
from tests import factories

ROOT = "/organizations/acme"
HOST = "http://testserver"
PERCENT = {"type": "percent", "value": 12.5, "context": "items"}
FIXED = {"type": "fixed", "amount": 5.5, "currency": "EUR", "context": "items"}
ISSUED = "2026-06-01T00:00:00Z"


class Rebilly:
    """Requests with the key of an application, below the organization acme unless a path says otherwise."""

    client = Client()

    def __init__(self, application: Application | None) -> None:
        self.key = auth.create_api_key(application, factories.BY) if application else None

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("PUT", path, body, **headers)

    def request(self, method: str, path: str, body: Any = None, root: str = ROOT, **headers: str) -> HttpResponse:
        """`body` is a document, or bytes to be sent as they are."""
        sent = {"reb_apikey": self.key, "content_type": "application/json"} if self.key else {}
        content_type = (sent | headers).pop("content_type", "")
        meta = {f"HTTP_{name.upper()}": value for name, value in (sent | headers).items() if name != "content_type"}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, f"{root}{path}", data, content_type, **meta)

    # --- Shorthands -------------------------------------------------------------------------------

    def coupon(self, code: str, **values: Any) -> dict[str, Any]:
        """A new one with that id, an eighth off unless said otherwise."""
        return created(self.put(f"/coupons/{code}", {"discount": PERCENT, "issuedTime": ISSUED, **values}))

    def listed(self, query: str = "") -> list[str]:
        """The ids of a list that must be answered."""
        answer = self.get(f"/coupons?{query}")
        assert answer.status_code == 200, answer.content
        return [document["id"] for document in answer.json()]


def created(answer: HttpResponse) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    document: dict[str, Any] = answer.json()
    return document


def invalid_fields(answer: HttpResponse, status: int = 422) -> list[tuple[str, str]]:
    """What an answer refuses, with its form."""
    document = answer.json()
    assert (answer.status_code, document["status"], document["type"]) == (status, status, "about:blank"), document
    return [(each["field"], each["message"]) for each in document["invalidFields"]]
