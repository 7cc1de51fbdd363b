"""A client of the ticketing dialect, as its public clients send requests."""

import json
from typing import Any, NamedTuple

from tests.client import Api

UNKNOWN = "00000000-0000-8000-8000-000000000000"
"""A GUID of nothing."""


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any

    @property
    def context(self) -> dict[str, list[str]]:
        """What is wrong, of a refusal, whose form must be that of all."""
        assert set(self.body) == {"error", "error_description", "error_context"}, self.body
        return self.body["error_context"]


class Ticketing:
    def __init__(self, api: Api) -> None:
        self.api = api

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body` is a document, or bytes to be sent as they are."""
        meta = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        if self.api.token:
            meta = {"HTTP_AUTHORIZATION": f"Bearer {self.api.token}", **meta}
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self.api.client.generic(method, path, sent, "application/json", **meta)
        content = b"".join(answer) if answer.streaming else answer.content  # type: ignore[attr-defined]
        is_json = answer.headers.get("Content-Type") == "application/json"
        return Answer(answer.status_code, json.loads(content) if is_json else content.decode(), answer.headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.ask("PUT", path, body)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.ask("POST", path, body)

    def delete(self, path: str, body: Any = None) -> Answer:
        return self.ask("DELETE", path, body)

    # --- Shorthands -----------------------------------------------------------------------------------------------

    def done(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer, which must be 200."""
        answer = self.ask(method, path, body)
        assert answer.status == 200, answer
        return answer.body

    def coupon(self, of_type: str = "cheque", amount: float = 5000, **values: Any) -> str:
        """The GUID of a new coupon."""
        return self.done("POST", "/coupon", {"name": "Fifty", "type": of_type, "amount": amount, **values})["guid"]

    def codes(self, coupon: str, *codes: str, **values: Any) -> list[Any]:
        """New codes of a coupon, as they are told."""
        return self.done("PUT", f"/coupon/{coupon}/codes", {"codes": [{"code": code} for code in codes], **values})

    def code(self, guid: str) -> Any:
        return self.done("GET", f"/coupon/code/{guid}")

    def redeem(self, order: str, code: str, *prices: int, **values: Any) -> Answer:
        """One unit for each of the prices, in cents."""
        items = [{"code": f"item-{place}", "price": price} for place, price in enumerate(prices)]
        return self.post("/coupon/redemption", {"order": order, "codes": [code], "items": items, **values})
