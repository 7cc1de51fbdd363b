"""Nonsense at every route of the dialects: no 5xx, every refusal in the dialect's form, nothing half written.

    ROBUSTNESS=20 .venv/bin/pytest tests/dialects/test_nonsense.py

runs twenty times as many examples.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver
from hypothesis import given
from hypothesis import strategies as st

from commerce.models import Mode
from coupons.dialects.rebilly import urls as rebilly
from coupons.dialects.ticketing import urls as ticketing
from tests import factories
from tests.client import Api
from tests.test_robustness import (
    MARKER,
    MISSING,
    NONSENSE,
    always,
    changed,
    examples,
    measured,
    of_others,
    places,
    texts,
    undone,
    values,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
REBILLY_BODIES: list[Any] = [
    {
        "discount": {"type": "percent", "value": 12.5, "context": "items-and-shipping"},
        "issuedTime": "2026-01-01T00:00:00Z",
        "expiredTime": "2027-01-01T00:00:00Z",
        "description": "An eighth",
        "restrictions": [
            {"type": "discounts-per-redemption", "quantity": 2},
            {"type": "maximum-order-amount", "amount": 900.5, "currency": "EUR"},
            {"type": "minimum-order-amount", "amount": 1, "currency": "EUR"},
            {"type": "paid-by-time", "time": "2026-12-31T00:00:00Z"},
            {"type": "redemptions-per-customer", "quantity": 2},
            {
                "type": "restrict-to-bxgy",
                "buy": [{"planId": "a", "quantity": 1}],
                "get": [{"planId": "b", "quantity": 1}],
            },
            {"type": "restrict-to-countries", "countries": ["IT"]},
            {"type": "restrict-to-customer-tags", "tags": ["vip"], "requireAllTags": True},
            {"type": "restrict-to-customers", "customerIds": ["ada"]},
            {"type": "restrict-to-exclusive-application"},
            {"type": "restrict-to-invoices", "invoiceIds": ["in_1"]},
            {"type": "restrict-to-plans", "planIds": ["a"], "minimumQuantity": 1},
            {"type": "restrict-to-products", "productIds": ["p"], "minimumQuantity": 1},
            {"type": "restrict-to-subscriptions", "subscriptionIds": ["s"]},
            {"type": "total-redemptions", "quantity": 5},
        ],
    },
    {"discount": {"type": "fixed", "amount": 9.99, "currency": "EUR"}, "issuedTime": "2026-01-01T00:00:00Z"},
    {"expiredTime": "2027-01-01T00:00:00Z"},
    {
        "couponId": "OURS-CODE",
        "customerId": "ada",
        "additionalRestrictions": [{"type": "discounts-per-redemption", "quantity": 1}],
    },
    {
        "invoiceId": "in_1",
        "currency": "EUR",
        "items": [{"planId": "a", "productId": "p", "quantity": 2, "unitPrice": 9.99}],
        "shippingAmount": 5,
        "subscriptionId": "s",
        "country": "IT",
    },
]
TICKETING_BODIES: list[Any] = [
    {
        "name": "Fifty",
        "description": "Fifty euros",
        "note": "ours",
        "type": "cheque",
        "start_date": "2025-01-05T19:00:00+01:00",
        "end_date": None,
        "status": "enabled",
        "amount": 5000,
    },
    {"name": "An eighth", "type": "percentage-discount", "amount": 12.5},
    {"codes": [{"code": "NEW-1", "applies_to_count": 1, "usage_count": 5}, {"code": "NEW-2"}], "applies_to_count": 1},
    {"count": 3, "length": 10, "prefix": "T-", "applies_to_count": 1, "usage_count": 2},
    {"max_per_coupon": 2, "price": 1500},
    {"code": "NEW-3", "applies_to_count": 1, "usage_count": 5},
    {
        "order": "order 1",
        "codes": ["OURS-CODE"],
        "items": [{"code": "SHIRT", "quantity": 2, "price": 1999}],
        "currency": "EUR",
        "customer_email": "ada@example.com",
    },
]
QUERIES = [
    "filter=status:issued",
    "filter=discount.amount:1..2;id:!a,b",
    "sort=-issuedTime,id&limit=2&offset=1",
    "q=code",
    "limit=1001",
    "filter=createdTime:2026-01-01..",
    "filter=@list",
]


PARAMETERS = ["filter", "sort", "q", "limit", "offset"]


class Dialect(NamedTuple):
    patterns: list[URLPattern | URLResolver]
    bodies: list[Any]
    members: frozenset[str]
    """Those that every refusal has."""


DIALECTS = {
    "rebilly": Dialect(rebilly.urlpatterns, REBILLY_BODIES, frozenset({"type", "title", "status", "detail"})),
    "ticketing": Dialect(
        ticketing.urlpatterns, TICKETING_BODIES, frozenset({"error", "error_description", "error_context"})
    ),
}


def routes(dialect: str) -> list[str]:
    """Every route with `{}` in place of what is named in it."""
    return [re.sub(r"<[^>]+>", "{}", str(one.pattern)) for one in DIALECTS[dialect].patterns]


@dataclass(repr=False)
class World:
    client: Client
    token: str
    names: list[str]
    """Ids that are told in answers of either dialect, codes and the slug."""
    before: dict[str, Any]

    def send(self, method: str, path: str, body: bytes = b"", query: str = "") -> HttpResponse:
        sent = {"HTTP_AUTHORIZATION": f"Bearer {self.token}", "QUERY_STRING": query}
        return self.client.generic(method, path, body, "application/json", **sent)

    def tried(self, dialect: str, method: str, path: str, body: bytes = b"", query: str = "") -> HttpResponse:
        """The answer, when it is one that may be given."""
        with undone():
            answer = self.send(method, path, body, query)
            self.judge(dialect, method, answer)
        return answer

    def judge(self, dialect: str, method: str, answer: HttpResponse) -> None:
        told = content(answer)
        assert answer.status_code < 500, told
        assert MARKER.encode() not in told.lower()
        assert MARKER not in str(answer.headers).lower()
        assert of_others(measured()) == of_others(self.before)
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"].startswith("application/json")
            if method != "HEAD":
                assert DIALECTS[dialect].members <= json.loads(told).keys()
        if answer.status_code >= 400 or method not in ("POST", "PUT", "PATCH", "DELETE"):
            assert measured() == self.before


class Populated(NamedTuple):
    api: Api
    names: list[str]


@pytest.fixture(scope="module")
def populated(django_db_setup: None, django_db_blocker: Any) -> Iterator[Populated]:
    """In a transaction around those of the tests, rolled back after the last of them."""
    with django_db_blocker.unblock(), transaction.atomic():
        acme = factories.organization(slug="acme")
        populate(factories.organization(slug=MARKER, name=MARKER), Mode.TEST, MARKER)
        populate(acme, Mode.LIVE, MARKER)
        populate(acme, Mode.TEST, "ours")
        api = Api(factories.application(acme))
        yield Populated(api, [*known(api), "acme", "OURS-CODE", "nobody", MARKER])
        transaction.set_rollback(True)


def populate(owner: Any, mode: str, mark: str) -> None:
    listed = factories.sku_list(owner, factories.sku(owner, mode=mode, code=f"{mark}-sku"), mode=mode, name=mark)
    cheque = factories.fixed_amount_promotion(owner, mode=mode, name=mark, declining_balance=True, sku_list=listed)
    factories.coupon(factories.coupon_rule(cheque), code=f"{mark}-cheque", applies_to_count=2)
    coupon = factories.coupon(
        factories.coupon_rule(factories.percentage_promotion(owner, mode=mode, name=mark, description=mark)),
        code=f"{mark}-code",
    )
    used = (coupon.promotion_rule.promotion, coupon)
    factories.redemption(owner, used, mode=mode, reference=mark, customer_reference=mark)


def known(api: Api) -> Iterator[str]:
    """The ids of what both dialects list."""
    client, sent = Client(), {"HTTP_AUTHORIZATION": f"Bearer {api.token}"}
    for path in ("/coupons", "/coupons-redemptions", "/coupon", "/product"):
        for row in json.loads(content(client.get(path, **sent))):
            yield row.get("id") or row["guid"]
            if path == "/coupon":
                codes = client.get(f"{path}/{row['guid']}/codes", **sent)
                yield from (code["guid"] for code in json.loads(content(codes)))


def content(answer: Any) -> bytes:
    return b"".join(answer) if answer.streaming else answer.content


@pytest.fixture
def world(populated: Populated, db: None, travel: Callable[[datetime], None], unlimited: None) -> World:
    return World(Client(), populated.api.token or "", populated.names, measured())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nonsense_at_every_route(world: World, dialect: str) -> None:
    for number, route in enumerate(route for route in routes(dialect) if not route.endswith("/")):
        for name in world.names if "{}" in route else [""]:
            path = "/" + route.replace("{}", quote(name), 1).replace("{}", quote(name))
            for method in METHODS:
                # Everything where nothing or nobody is named; at each of the others something else.
                for body in NONSENSE if name in ("", "nobody") else NONSENSE[number % len(NONSENSE) :][:1]:
                    world.tried(dialect, method, path, body)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
@examples(300)
def test_bodies_with_parts_that_are_wrong(world: World, dialect: str, data: st.DataObject) -> None:
    draw = data.draw
    route = draw(st.sampled_from(routes(dialect)))
    names = st.sampled_from(world.names) | texts.filter(lambda text: text.isprintable() and "/" not in text)
    path = "/" + re.sub(r"\{\}", lambda _: quote(draw(names).encode("utf-8", "replace")) or "x", route)
    body = draw(st.sampled_from(DIALECTS[dialect].bodies))
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.sampled_from(places(body)))
        change = draw(
            st.sampled_from([lambda value: MISSING, lambda value: [value, value], json.dumps])
            | (values | st.sampled_from(world.names)).map(always)
        )
        if where:
            body = changed(body, where, change)
    sent = json.dumps(body, default=str).encode("utf-8", "surrogatepass")
    world.tried(dialect, draw(st.sampled_from(METHODS[:6])), path, sent, draw(st.sampled_from(["", *QUERIES])))


@given(
    query=st.lists(st.sampled_from(["filter", "sort", "q", "limit", "offset"]), min_size=1, max_size=3), data=st.data()
)
@examples(150)
def test_queries_of_collections(world: World, query: list[str], data: st.DataObject) -> None:
    pieces = ["status", "id", "discount.amount", "issuedTime", "couponId", ":", "!", "..", ",", ";", "@", "-", "1", "x"]
    parts = st.lists(st.sampled_from(pieces) | texts, max_size=6).map("".join)
    sent = "&".join(f"{name}={quote(data.draw(parts).encode('utf-8', 'replace'))}" for name in query)
    for path in ("/coupons", "/coupons-redemptions/"):
        world.tried("rebilly", "GET", path, query=sent)
