"""`POST /api/rules/check`: flex rules tried before they are saved, as the rule builder of the dashboard does.

Plain JSON both ways: `{"rules": [...], "payload": [{"order": {...}}, ...]}` in, and out, for each payload in its place,
`{"data": [{"match": true, "rules": [outcome, ...]}]}`. An empty payload checks the rules and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from commerce.api import ApiView, registry
from commerce.jsonapi import parser
from commerce.jsonapi.errors import ApiError, error, invalid
from commerce.jsonapi.renderer import dump, response
from promotions import flex_rules
from promotions.engine import flex

MOST_PAYLOADS = 25
MOST_MEMBERS = 2500
"""Line items and shipments of all orders together."""


class RuleCheckView(ApiView):
    resource = registry["flex_promotions"]

    def check(self, request: Request) -> HttpResponse:
        self.authorize("read", self.resource)
        self.query(request, None, frozenset())
        body = parser.load(request._request.body)
        if not isinstance(body, Mapping):
            raise error(400, "BAD_REQUEST", "The body must be an object of rules and payload.", pointer="")
        try:
            program = flex_rules.program({"rules": body.get("rules")}, self.organization)
        except flex.BadRules as bad:
            raise ApiError([_problem(path, message) for path, message in bad.errors]) from None
        outcomes = [self._outcome(program, place, payload) for place, payload in enumerate(_payloads(body))]
        return response(dump({"data": outcomes}))

    def _outcome(self, program: flex.Program, place: int, payload: Any) -> dict[str, Any]:
        try:
            rules = program.outcomes(_order(payload), self.now)
        except OverflowError as problem:
            raise ApiError([invalid(f"/payload/{place}", f"payload.{place}", str(problem), "invalid")]) from None
        return told(rules)


def told(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What rules found in an order."""
    return {"match": any(rule["match"] for rule in rules), "rules": list(rules)}


def _problem(path: str, message: str) -> Any:
    return invalid("/" + path.replace(".", "/"), path, message, "invalid")


def _payloads(body: Mapping[str, Any]) -> list[Any]:
    payloads = body.get("payload") or []
    if not isinstance(payloads, list) or len(payloads) > MOST_PAYLOADS:
        raise error(400, "BAD_REQUEST", f"payload must be a list of up to {MOST_PAYLOADS} orders.", pointer="/payload")
    if sum(map(_members, payloads)) > MOST_MEMBERS:
        detail = f"The orders may hold up to {MOST_MEMBERS} line items and shipments together."
        raise error(400, "BAD_REQUEST", detail, pointer="/payload")
    return payloads


def _members(payload: Any) -> int:
    order = _order(payload)
    held = [order.get(name) for name in ("line_items", "shipments")] if isinstance(order, Mapping) else []
    return sum(len(members) for members in held if isinstance(members, list))


def _order(payload: Any) -> Any:
    return payload["order"] if isinstance(payload, Mapping) and "order" in payload else payload


@csrf_exempt
def check(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse = RuleCheckView.as_view({"post": "check"})(request)
    return answer
