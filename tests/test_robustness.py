"""Nonsense at every route: no 5xx, every refusal a JSON:API document, nothing of another tenant, nothing half written.

    ROBUSTNESS=20 .venv/bin/pytest tests/test_robustness.py

runs twenty times as many examples.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commerce.api import registry
from commerce.jsonapi.filters import PREDICATES
from commerce.jsonapi.resource import Resource
from commerce.models import Application, Event, Mode, Organization, Owned, Version
from tests import factories
from tests.client import MEDIA_TYPE, Api, document, identifier
from tests.contract.contract_table import TABLE
from tests.contract.test_contract import CREATED, INSTEAD, creatable, make_what_samples_name, target_for
from tests.contract.world import world as contract_world

MARKER = "white-whale"
"""Part of all that belongs to others."""


def examples(number: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=number * int(os.environ.get("ROBUSTNESS", "1")),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


# --- The world --------------------------------------------------------------------------------------------------


@dataclass(repr=False)
class World:
    """Acme's rows by type, those of others, and everything as it is stored."""

    client: Client
    token: str
    rows: dict[str, list[Owned]]
    others: dict[str, list[Owned]]
    documents: dict[str, Any]
    """One for every type that can be created; each is accepted as it is."""
    before: dict[str, Any]

    @cached_property
    def paths(self) -> list[str]:
        """Every route, for an id of acme's, of nobody's and of others'."""
        return [
            path
            for resource in registry
            for rows in (self.rows, self.others)
            for public_id in [*ids_of(rows, resource.type)[:1], "AAAAAAAAAA"]
            for path in paths(resource, public_id)
        ]

    @cached_property
    def own_rows(self) -> list[Owned]:
        return [row for rows in self.rows.values() for row in rows]

    @cached_property
    def all_rows(self) -> list[Owned]:
        return [*self.own_rows, *(row for rows in self.others.values() for row in rows)]

    @cached_property
    def members(self) -> st.SearchStrategy[dict[str, Any]]:
        """Attributes, relationships, triggers and members of documents, by their right names."""
        names = {"id", "type", "lid", "meta", "links", "data", "attributes", "relationships", "@context", "errors"}
        for resource in registry:
            names |= {*resource.all_attributes, *resource.writable, *resource.relations, *resource.all_triggers}
        linkages = st.sampled_from([{"data": identifier(row)} for row in self.all_rows])
        return st.dictionaries(st.sampled_from(sorted(names)), values | linkages, min_size=1, max_size=3)

    @cached_property
    def changes(self) -> st.SearchStrategy[Callable[[Any], Any]]:
        """What may be done to a part of a document: taken out, doubled, told as text, replaced, added to."""
        return (
            st.sampled_from([lambda value: MISSING, lambda value: [value, value], json.dumps])
            | (values | st.sampled_from([row.public_id for row in self.all_rows])).map(always)
            | self.members.map(adding)
        )


class Populated(NamedTuple):
    application: Application
    rows: dict[str, list[Owned]]
    others: dict[str, list[Owned]]
    documents: dict[str, Any]


@pytest.fixture(scope="module")
def populated(django_db_setup: None, django_db_blocker: Any) -> Iterator[Populated]:
    """In a transaction around those of the tests, rolled back after the last of them."""
    with django_db_blocker.unblock(), transaction.atomic():
        acme = factories.organization(slug="acme")
        rows = populate(acme, Mode.TEST, "ours")
        others = populate(factories.organization(slug=MARKER, name=MARKER), Mode.TEST, MARKER)
        for name, live in populate(acme, Mode.LIVE, MARKER).items():
            others[name] += live
        make_what_samples_name(acme)
        cart = {"amount_cents": 5000, "currency_code": "EUR", "coupon_code": None}
        documents = {name: complete(name, acme, rows["tags"]) for name in CREATED}
        documents["redemptions"] = document("redemptions", cart)
        yield Populated(factories.application(acme), rows, others, documents)
        transaction.set_rollback(True)


@pytest.fixture
def world(populated: Populated, db: None, travel: Callable[[datetime], None], unlimited: None) -> World:
    application, rows, others, documents = populated
    return World(Client(), Api(application).token or "", rows, others, documents, measured())


def complete(name: str, owner: Organization, tags: list[Owned]) -> dict[str, Any]:
    """A document of all that the contract lets be created, and what it needs."""
    facts = TABLE[name].relationships
    needed = {relation: target_for(name, relation, owner) for relation in facts if "!" in facts[relation].flags}
    instead = {INSTEAD[relation] for relation in facts if relation in INSTEAD}
    attributes = {each: value for each, value in creatable(name).items() if each not in instead}
    body: dict[str, Any] = document(name, attributes, **needed, **({"tags": tags} if "tags" in facts else {}))
    return body


def populate(owner: Organization, mode: str, mark: str) -> dict[str, list[Owned]]:
    promotions = [
        factories.percentage_promotion(owner, mode=mode, name=mark, reference=mark, metadata={"of": mark})
        for _ in range(4)
    ]
    fixed = factories.fixed_amount_promotion(owner, mode=mode, name=mark)
    coupon_rule = factories.coupon_rule(promotions[0], reference=mark)
    amount_rule = factories.order_amount_rule(fixed, reference=mark)
    recipient = factories.recipient(owner, mode=mode, email=f"{mark}@example.com", first_name=mark)
    tags = [factories.tag(owner, mode=mode, name=f"{mark}-{number}") for number in range(2)]
    coupons = [
        factories.coupon(coupon_rule, code=f"{mark}-code-{number}", coupon_recipient=recipient, reference=mark)
        for number in range(3)
    ]
    for coupon in coupons:
        coupon.tags.add(*tags)
    return catalog(owner, mode, mark) | {
        "percentage_discount_promotions": promotions,
        "fixed_amount_promotions": [fixed],
        "promotions": [*promotions, fixed],
        "coupon_codes_promotion_rules": [coupon_rule],
        "order_amount_promotion_rules": [amount_rule],
        "promotion_rules": [coupon_rule, amount_rule],
        "coupon_recipients": [recipient],
        "tags": tags,
        "coupons": coupons,
        "events": list(Event.objects.owned_by(coupon_rule.tenant).order_by("pk")[:2]),
        "versions": list(Version.objects.owned_by(coupon_rule.tenant).order_by("pk")[:2]),
        "event_stores": list(Version.objects.owned_by(coupon_rule.tenant).order_by("pk")[:2]),
    }


def catalog(owner: Organization, mode: str, mark: str) -> dict[str, list[Owned]]:
    """A row of every other type of the contract, `mark` in its name."""
    whole = contract_world(owner, factories.application(owner, mode=mode), mode).rows
    rows = {name: row for name, row in whole.items() if name in CREATED}
    for row in rows.values():
        named = {"name", "reference"} & {field.name for field in row._meta.fields}
        type(row).objects.filter(pk=row.pk).update(**dict.fromkeys(named, mark))
    return {name: [row] for name, row in rows.items()}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written within is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- Sending and judging ------------------------------------------------------------------------------------------


def send(
    world: World, method: str, path: str, query: str = "", body: bytes = b"", headers: dict[str, str] | None = None
) -> HttpResponse:
    """`path` and `query` are sent as they are; a header of value None is left out."""
    sent = {"Authorization": f"Bearer {world.token}", "Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
    sent |= headers or {}
    meta = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in sent.items()}
    meta["CONTENT_TYPE"] = meta.pop("HTTP_CONTENT_TYPE")
    return world.client.generic(method, path, body, meta["CONTENT_TYPE"], QUERY_STRING=query, **meta)


def tried(world: World, method: str, path: str, **request: Any) -> HttpResponse:
    """The answer, when it is one that may be given."""
    with undone():
        answer = send(world, method, path, **request)
        judge(world, method, answer)
    return answer


def judge(world: World, method: str, answer: HttpResponse) -> None:
    assert answer.status_code < 500, answer.content
    assert MARKER.encode() not in answer.content.lower()
    assert MARKER not in str(answer.headers).lower()
    assert of_others(measured()) == of_others(world.before)
    if answer.status_code < 400:
        assert answer.status_code in (200, 201, 204, 304)
        if answer.content:
            assert "data" in json.loads(answer.content)
    else:
        judge_refusal(method, answer)
    if answer.status_code >= 400 or method not in ("POST", "PATCH", "DELETE"):
        assert measured() == world.before


def judge_refusal(method: str, answer: HttpResponse) -> None:
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    if method == "HEAD":
        return
    problems = json.loads(answer.content)["errors"]
    assert 1 <= len(problems) <= 20
    for problem in problems:
        assert {"title", "detail", "code", "status"} <= problem.keys() <= {*ERROR_MEMBERS}
        assert all(isinstance(problem[name], str) for name in ("title", "detail", "code", "status"))


ERROR_MEMBERS = ("title", "detail", "code", "status", "source", "meta")


def measured() -> dict[str, Any]:
    """How many rows each table holds and the sum of their revisions, for acme's test mode and for all others apart."""
    owned = [model for model in apps.get_models() if issubclass(model, Owned) and not model._meta.proxy]
    linked = [link.remote_field.through for model in owned for link in model._meta.local_many_to_many]
    acme = "organization_id = (SELECT id FROM commerce_organization WHERE slug = 'acme') AND mode = 'test'"
    counts = [
        f"SELECT '{model._meta.db_table} {name}', COUNT(*), SUM(revision) FROM {model._meta.db_table} WHERE {which}"
        for model in owned
        for name, which in {OURS: acme, THEIRS: f"NOT ({acme})"}.items()
    ]
    counts += [f"SELECT '{link._meta.db_table} {OURS}', COUNT(*), 0 FROM {link._meta.db_table}" for link in linked]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(counts))
        return {name: (rows, revisions) for name, rows, revisions in cursor}


def of_others(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: count for name, count in counts.items() if name.endswith(THEIRS)}


OURS, THEIRS = "ours", "theirs"


# --- Routes -------------------------------------------------------------------------------------------------------

METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE")
TYPES = [resource.type for resource in registry]


def paths(resource: Resource, public_id: str) -> list[str]:
    """Every shape of route a resource has."""
    base = f"/api/{resource.path}"
    member = base if resource.singleton else f"{base}/{public_id}"
    related = [f"{member}/{name}" for name in [*resource.relations, "nothing"]]
    relationships = [f"{member}/relationships/{name}" for name in [*resource.relations, "nothing"]]
    return list(dict.fromkeys([base, member, *related, *relationships]))


def ids_of(rows: dict[str, list[Owned]], type_name: str) -> list[str]:
    resource = registry[type_name]
    return [
        resource.encode_id(*[getattr(row, column) for column in resource.id_columns]) for row in rows.get(type_name, [])
    ]


NONSENSE = [
    b"",
    b"null",
    b'{"data":null}',
    b'{"data":[]}',
    b'{"data":[null]}',
    b'{"data":["x",{"type":1,"id":null}]}',
    b'{"data":{"type":"tags","id":"x","attributes":[],"relationships":7}}',
    b"\xff\xfe{",
]


@pytest.mark.parametrize("type_name", TYPES)
def test_nonsense_at_every_route(world: World, type_name: str):
    resource = registry[type_name]
    own = (ids_of(world.rows, type_name) or ["AAAAAAAAAA"])[0]

    for number, path in enumerate(paths(resource, own)):
        for method in METHODS:
            # Everything at the resource itself; at each of its many relationships something else.
            for body in NONSENSE if number < 2 else NONSENSE[number % len(NONSENSE) :][:1]:
                tried(world, method, path, body=body)


@pytest.mark.parametrize("type_name", TYPES)
def test_a_resource_of_others_is_nowhere(world: World, type_name: str):
    resource = registry[type_name]
    body = json.dumps({"data": {"type": type_name, "id": "x", "attributes": {}}}).encode()

    ids = ids_of(world.others, type_name)
    for public_id in {*ids[:1], *ids[-1:]}:
        for path in paths(resource, public_id)[1:]:
            for method in METHODS[:6]:
                assert tried(world, method, path, body=body).status_code in (400, 403, 404, 405, 409), (method, path)


def test_the_documents_are_accepted_as_they_are(world: World):
    documents = world.documents

    assert set(documents) == {resource.type for resource in registry if "create" in resource.actions}
    for type_name, body in documents.items():
        answer = tried(world, "POST", f"/api/{type_name}", body=json.dumps(body).encode())
        assert answer.status_code == 201, (type_name, answer.content)


@pytest.mark.parametrize("depth", [200, 300, 900, 2000])
def test_metadata_is_nested_so_deep_and_no_deeper(world: World, depth: int):
    metadata = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"data":{"type":"tags","attributes":{"name":"new","metadata":' + metadata + b"}}}"

    assert tried(world, "POST", "/api/tags", body=body).status_code == {200: 201, 2000: 400}.get(depth, 422)


# --- What is sent ---------------------------------------------------------------------------------------------------

STRANGE_TEXT = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\U0010ffff",
    "é",
    "e\u0301",
    "\u202e",
    "İ",
    "%",
    "\\",
    "'; DROP TABLE coupons_coupon; --",
    "{{7*7}}",
    "null",
    "true",
    "0",
    "-1",
    "NaN",
    "Infinity",
    "1e400",
    "9" * 400,
    "2026-02-30",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "2026-06-15T12:00:00.123456789Z",
    "2026-W01",
    "x" * 256,
    "x" * 70_000,
    "a@b",
    "new@example.com",
    "../../etc/passwd",
    "type",
    "id",
    "tags",
    "coupons",
    "AAAAAAAAAA",
    ",",
    "a,b,c",
]
NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63, -(2**63) - 1, 10**30, 10**400, 0.1, -0.0, 1e308, 5e-324]
DEEP = [json.loads("[" * depth + "]" * depth) for depth in (3, 60, 300)]

texts = st.sampled_from(STRANGE_TEXT) | st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | texts | st.sampled_from(DEEP),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within a document, itself included."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if len(where) == 8:
        return [where]
    return [where, *(place for name, each in inner for place in places(each, (*where, name)))]


def changed(value: Any, where: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    """The document with the value at that place changed; one that becomes MISSING is taken out."""
    if not where:
        return change(value)
    copy = value.copy()
    copy[where[0]] = changed(copy[where[0]], where[1:], change)
    if copy[where[0]] is MISSING:
        del copy[where[0]]
    return copy


MISSING = object()


@st.composite
def mutated(draw: st.DrawFn, body: Any, world: World) -> Any:
    """A document with some of its parts dropped, wrapped, told as text, replaced or added to."""
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.sampled_from(places(body)))
        body = changed(body, where, draw(world.changes))
        body = {} if body is MISSING else body
    return body


def always(new: Any) -> Callable[[Any], Any]:
    return lambda value: new


def adding(more: dict[str, Any]) -> Callable[[Any], Any]:
    return lambda value: {**value, **more} if isinstance(value, dict) else more


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


broken = st.sampled_from(
    [
        b"",
        b"{",
        b'{"data":{"type":"coupons","attributes":{"code":"A","code":"B"}}}',
        b'\xef\xbb\xbf{"data":null}',
        '{"data":null}'.encode("utf-16"),
        b'{"data":{"type":"tags","attributes":{"name":"\xff"}}}',
        b'{"data":{"type":"tags","attributes":{"name":"a\x00"}}}',
        b'{"data":{"type":"tags","attributes":{"name":NaN}}}',
        b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"data":' * 1100 + b"1" + b"}" * 1100,
        b"1" * 10_000,
        b'{"data":null}garbage',
        b"data=null",
        b"--x\r\nContent-Disposition: form-data; name=data\r\n\r\n1\r\n--x--",
    ]
) | st.binary(max_size=40)


# --- Documents ------------------------------------------------------------------------------------------------------


@examples(240)
@given(data=st.data())
def test_created_from_mutated_documents(world: World, data: st.DataObject):
    type_name, body = data.draw(st.sampled_from(sorted(world.documents.items(), key=str)))

    tried(world, "POST", f"/api/{type_name}", body=encoded(data.draw(mutated(body, world))))


@examples(240)
@given(data=st.data())
def test_updated_from_mutated_documents(world: World, data: st.DataObject):
    row = data.draw(st.sampled_from(world.own_rows))
    body = {"data": {"type": row.wire_type, "id": row.public_id, "attributes": {}, "relationships": {}}}
    for member in ("attributes", "relationships"):
        body["data"][member] |= data.draw(st.just({}) | world.members)

    tried(world, "PATCH", f"/api/{row.wire_type}/{row.public_id}", body=encoded(data.draw(mutated(body, world))))


@examples(160)
@given(data=st.data())
def test_relationships_written_with_any_linkage(world: World, data: st.DataObject):
    row = data.draw(st.sampled_from(world.own_rows))
    name = data.draw(st.sampled_from([*registry[row.wire_type].relations, "nothing"]))
    one = st.sampled_from([identifier(each) for each in world.all_rows])
    body = {"data": data.draw(one | st.lists(one, max_size=3) | st.none())}

    path = f"/api/{row.wire_type}/{row.public_id}/relationships/{name}"
    tried(world, data.draw(st.sampled_from(METHODS)), path, body=encoded(data.draw(mutated(body, world))))


@examples(70)
@given(data=st.data(), body=broken, method=st.sampled_from(METHODS))
def test_bodies_that_are_no_documents(world: World, data: st.DataObject, body: bytes, method: str):
    tried(world, method, data.draw(any_path(world)), body=body)


# --- Paths and queries ------------------------------------------------------------------------------------------------


def any_path(world: World) -> st.SearchStrategy[str]:
    return st.sampled_from(world.paths) | segments.map(lambda parts: "/api/" + "/".join(map(escaped, parts)))


segments = st.lists(
    st.sampled_from([*STRANGE_TEXT[:-3], *TYPES, "relationships", "api"]) | st.text(max_size=8), min_size=1, max_size=6
)


def escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def parameters() -> st.SearchStrategy[str]:
    """A query string of right and wrong names, each with a right or wrong value."""
    attributes = sorted({name for resource in registry for name in resource.all_attributes} | {"id", "type"})
    relations = sorted({name for resource in registry for name in resource.relations})
    steps = st.lists(st.sampled_from(relations), max_size=3)
    keys = st.builds(
        lambda path, names, joiner, predicate: joiner.join("_".join([*path, name]) for name in names) + "_" + predicate,
        steps,
        st.lists(st.sampled_from(attributes), min_size=1, max_size=3),
        st.sampled_from(["_or_", "_and_"]),
        st.sampled_from(sorted(PREDICATES)),
    )
    filters = (keys | texts | st.sampled_from(["active", "expired", "with_status"])).map("filter[q][{}]".format)
    fieldsets = (st.sampled_from(TYPES) | texts).map("fields[{}]".format)
    pages = (st.sampled_from(["number", "size", "after"]) | texts).map("page[{}]".format)
    others = st.sampled_from(["include", "sort", "filter", "filter[q]", "page", "fields", "q", "sort[x]", "page[]]"])
    paths = st.lists(st.sampled_from([*relations, *attributes]), min_size=1, max_size=4).map(".".join)
    lists = st.lists(paths | texts, max_size=3).map(",".join)
    flags = st.sampled_from(["true", "1", "0", "2026-01-01T00:00:00Z", "active", "{}", '{"a":1}', "-id", "-code"])
    pairs = st.tuples(filters | fieldsets | pages | others | texts, flags | lists | texts)
    return st.lists(pairs, max_size=4).map(joined) | st.sampled_from(STRANGE_QUERIES)


def joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{escaped(name)}={escaped(value[:5000])}" for name, value in pairs)


STRANGE_QUERIES = [
    "&",
    "=",
    "%",
    "%00",
    "%ff=%fe",
    "include=%00",
    "filter[q][code_eq]=%00",
    "filter[q][code_eq]=%ff",
    "filter%5Bq%5D%5Bcode_eq%5D=a+b",
    "filter[q][code_eq]=1&filter[q][code_eq]=2",
    "filter[q][id_in][]=1",
    "include=" + "a," * 5000,
    "include=" + "promotion_rule.promotion." * 50,
    "sort=" + "code," * 30,
    "filter[q][" + "promotion_rule_promotion_" * 40 + "id_eq]=1",
    "filter[q][" + "id_or_" * 3000 + "id_eq]=1",
    "filter[q][code_matches]=" + "%25_" * 2000,
    "filter[q][metadata_jcont]=" + "[" * 5000,
    "filter[q][metadata_jcont]=" + '{"a":' * 900 + "1" + "}" * 900,
    "filter[q][id_in]=" + "1," * 5000,
    "filter[q][tags_name_not_eq_any]=" + "a," * 199,
    "page[number]=999999999&page[size]=25",
    "page[number]=9999999999999999999999&page[size]=-0",
    "&".join(f"filter[q][code_eq{number}]=1" for number in range(300)),
]


@examples(450)
@given(data=st.data(), query=parameters())
def test_any_query_at_any_route(world: World, data: st.DataObject, query: str):
    method = data.draw(st.sampled_from(("GET", "GET", "GET", *METHODS)))

    tried(world, method, data.draw(any_path(world)), query=query)


@pytest.mark.parametrize("query", STRANGE_QUERIES)
def test_strange_queries(world: World, query: str):
    tried(world, "GET", "/api/coupons", query=query)


# --- Headers ----------------------------------------------------------------------------------------------------------

latin = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
HEADERS = {
    "Accept": [
        MEDIA_TYPE,
        "*/*",
        f"{MEDIA_TYPE};q=0",
        f'{MEDIA_TYPE};ext="x',
        ";",
        ",",
        "text/html",
        "a/b;q=é",
        "=" * 99,
    ],
    "Content-Type": [
        MEDIA_TYPE,
        "",
        "application/json",
        f"{MEDIA_TYPE};charset=utf-8",
        "multipart/form-data",
        "é",
        ";",
    ],
    "If-Match": ["*", "", '"1-x"', 'W/"1-x"', '"', ",", '"1-' + "x" * 9999, "é", '"-"'],
    "If-None-Match": ["*", "", '"1-x"', 'W/"1"', ",", "é"],
    "Authorization": ["", "Bearer", "Bearer ", "Bearer x.y.z", "Basic eDp5", "bearer é", "Bearer " + "x" * 9999],
    "Host": ["x", "a b", "é.test", "[::1]", "[::1", "a:b", "a:99999", "..", "", "localhost:80", "x" * 300],
    "X-Forwarded-Host": ["evil.test", "a b"],
    "X-Forwarded-Proto": ["https", "é"],
    "X-Request-Id": ["x", "é", "a" * 99],
    "X-HTTP-Method-Override": ["DELETE"],
    "Origin": ["https://app.test", "null", "é"],
    "Accept-Encoding": ["gzip", "é"],
    "Accept-Language": ["de", "é", "*"],
    "Range": ["bytes=0-1"],
    "Cookie": ["sessionid=x", "é", ";;="],
    "Expect": ["100-continue"],
}


@st.composite
def headers(draw: st.DrawFn) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=3, unique=True))
    return {name: draw(st.sampled_from(HEADERS[name]) | latin) for name in names}


@examples(240)
@given(data=st.data(), sent=headers(), method=st.sampled_from(METHODS))
def test_any_headers_at_any_route(world: World, data: st.DataObject, sent: dict[str, str], method: str):
    body = data.draw(st.sampled_from([b"", *map(encoded, world.documents.values())]))

    tried(world, method, data.draw(any_path(world)), body=body, headers=sent)


@examples(70)
@given(data=st.data(), change=st.sampled_from(["cut", "swap", "none", "grow"]))
def test_a_token_that_was_tampered_with_is_refused(world: World, data: st.DataObject, change: str):
    header, claims, signature = world.token.split(".")
    at = data.draw(st.integers(0, len(claims) - 1))
    token = {
        "cut": world.token[: data.draw(st.integers(0, len(world.token) - 1))],
        "swap": ".".join([header, claims[:at] + ("A" if claims[at] != "A" else "B") + claims[at + 1 :], signature]),
        "none": ".".join(["eyJhbGciOiJub25lIn0", claims, ""]),
        "grow": world.token + data.draw(st.sampled_from([".", "x", "é", "=", ".x"])),
    }[change]

    answer = tried(world, "GET", "/api/coupons", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "INVALID_TOKEN")


# --- OAuth ------------------------------------------------------------------------------------------------------------

OAUTH = ["/oauth/token", "/oauth/token/", "/oauth/revoke", "/oauth/tokeninfo", "/.well-known/jwks.json"]
GRANTS = ["client_credentials", "password", "authorization_code", "refresh_token", ""]
FORMS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]


@st.composite
def grants(draw: st.DrawFn) -> Any:
    names = ["grant_type", "client_id", "client_secret", "scope", "token", "token_type_hint", "username", "slug"]
    right = {"grant_type": draw(st.sampled_from(GRANTS)), "client_id": "x", "client_secret": "a-secret"}
    return {**right, **draw(st.dictionaries(st.sampled_from(names), values, max_size=4))}


@examples(160)
@given(data=st.data(), path=st.sampled_from(OAUTH), method=st.sampled_from(METHODS), kind=st.sampled_from(FORMS))
def test_anything_at_the_token_endpoints(world: World, data: st.DataObject, path: str, method: str, kind: str):
    form = st.dictionaries(st.sampled_from(["grant_type", "client_id", "token", "scope"]), texts)
    body = data.draw(broken | grants().map(encoded) | form.map(lambda pairs: joined(list(pairs.items())).encode()))
    sent = {**data.draw(headers()), "Content-Type": kind}
    with undone():
        answer = send(world, method, path, query=data.draw(parameters()), body=body, headers=sent)

        assert answer.status_code < 500, answer.content
        assert MARKER.encode() not in answer.content.lower()
        assert measured() == world.before
