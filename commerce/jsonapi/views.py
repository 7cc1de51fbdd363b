"""One view set for every resource: reads by plan, writes by document, errors by one hand."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from commerce.jsonapi import parser, writing
from commerce.jsonapi.errors import ApiError, error, model_problems, not_found
from commerce.jsonapi.negotiation import check_accept, check_content_type
from commerce.jsonapi.pagination import page_count
from commerce.jsonapi.plan import Compound, Context, Plan, plan_for
from commerce.jsonapi.prepared import Row
from commerce.jsonapi.query import Fieldsets, IncludeTree, Query, page_url, parse_query
from commerce.jsonapi.renderer import dump, response, strong_etag, weak_etag
from commerce.jsonapi.resource import Rel, Resource
from commerce.jsonapi.searching import Within, search
from commerce.jsonapi.statements import in_the_way, out_of_time

log = logging.getLogger("tessera.api")

Done = TypeVar("Done")

READ_ONE = frozenset({"include", "fields"})
READ_MANY = frozenset({"include", "fields", "sort", "page", "filter"})
LINKAGE = frozenset({"page"})


class ResourceView(ViewSetMixin, APIView):
    """The actions of one resource. The project's subclass says who asks, what they may do and who wrote."""

    resource: ClassVar[Resource]

    # --- What the project decides -----------------------------------------------------------------

    reach: Any
    """What `Resource.rows` tells the rows by that the caller may meet: a tenant, or part of one. A named tuple."""
    now: Any
    by: Any
    prohibited: frozenset[str] = frozenset()
    """Attributes and relationships of the resource that the caller may not pass."""
    shown: Fieldsets = {}
    """Of types that the caller does not see whole, what it sees: type -> attributes and relationships."""

    def enter(self, request: Request) -> None:
        """Identifies the caller and sets what is above; raises ApiError to turn it away."""
        raise NotImplementedError

    def authorize(self, action: str, resource: Resource) -> None:
        """Raises ApiError unless the caller may do `action` to `resource`.

        That is list, retrieve, create, update or destroy, or related: to see those that belong to something it sees.
        """
        raise NotImplementedError

    def permits(self, action: str, resource: Resource) -> bool:
        """Whether `authorize` lets the caller."""
        raise NotImplementedError

    def created(self, plan: Plan, row: Any) -> Row:
        """What was just created, as it is answered. Raises ApiError where it was not the caller's to create."""
        return self.row(plan, row.pk)

    def domain_error(self, cause: Exception) -> ApiError | None:
        """The error document of an exception the project knows."""
        raise NotImplementedError

    def context(self, request: Request) -> Context:
        raise NotImplementedError

    def transaction(self) -> Any:
        raise NotImplementedError

    def transacted(self, work: Callable[[], Done]) -> Done:
        """What `work` returns, done in one transaction. `work` may be done again from its beginning."""
        with self.transaction():
            return work()

    def new_row(self) -> Any:
        raise NotImplementedError

    def singleton_key(self) -> int:
        raise NotImplementedError

    # --- Resources --------------------------------------------------------------------------------

    def list(self, request: Request) -> HttpResponse:
        self.authorize("list", self.resource)
        query = self.query(request, self.resource, READ_MANY)
        return self.collection(request, self.resource, query)

    def retrieve(self, request: Request, id: str | None = None) -> HttpResponse:
        self.authorize("retrieve", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        key = self.singleton_key() if id is None else self.key(id)
        plan = plan_for(self.resource, query)
        row = self.row(plan, key)
        if id is not None and plan.public_id(row) != id:
            raise not_found()
        return self.single(request, plan, row, query)

    def create(self, request: Request) -> HttpResponse:
        self.authorize("create", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        document = parser.resource_document(self.body(request))
        self.check_type(document)
        if document.id is not None:
            raise error(403, "FORBIDDEN", "Ids are given by the server.", pointer="/data/id")
        plan = plan_for(self.resource, query)
        new = self.write(document, creating=True)

        def work() -> Row:
            row = self.new_row()
            new.write(row)
            return self.created(plan, row)

        return self.single(request, plan, self.transacted(work), query, status=201)

    def update(self, request: Request, id: str) -> HttpResponse:
        self.authorize("update", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        document = parser.resource_document(self.body(request))
        if document.id is None:
            raise error(400, "PARAM_MISSING", "id must be given.", pointer="/data")
        plan = plan_for(self.resource, query)
        changed = self.write(document, creating=False)

        def work() -> Row:
            row = self.locked(id)
            self.check_type(document)
            if document.id != id:
                detail = "The URL does not include the id of the document."
                raise error(409, "KEY_NOT_INCLUDED_IN_URL", detail, pointer="/data/id")
            self.check_match(request, row)
            changed.write(row)
            return self.row(plan, row.pk)

        return self.single(request, plan, self.transacted(work), query)

    def destroy(self, request: Request, id: str) -> HttpResponse:
        self.authorize("destroy", self.resource)
        self.query(request, None, frozenset())

        def work() -> None:
            row = self.locked(id)
            self.check_match(request, row)
            self.resource.destroy(row, self.by)

        self.transacted(work)
        return response(b"", 204)

    # --- Related resources and relationships ------------------------------------------------------

    def related(self, request: Request, name: str, id: str | None = None) -> HttpResponse:
        relation, parent = self.followed(name, id)
        allowed = READ_MANY if relation.many else READ_ONE
        if not relation.target:
            return self.nothing(request, relation, self.query(request, None, allowed))
        target = self.resource.target(relation)
        self.authorize_related(relation, self.resource)
        query = self.query(request, target, allowed)
        if relation.many:
            return self.collection(request, target, query, Within(self.resource, relation, parent[0]))
        plan, row = self.related_one(parent, relation, query)
        if row is None:
            return self.nothing(request, relation, query)
        return self.single(request, plan, row, query)

    def relationship(self, request: Request, name: str, id: str | None = None) -> HttpResponse:
        relation, parent = self.followed(name, id)
        if relation.target:
            self.authorize_related(relation, self.resource)
        query = self.query(request, None, LINKAGE if relation.many else frozenset())
        return self.linkage(request, relation, parent, query)

    def change_relationship(self, request: Request, id: str, name: str) -> HttpResponse:
        relation = self.relation(name)
        self.authorize("update", self.resource)
        self.query(request, None, frozenset())
        how = {"PATCH": writing.REPLACE, "POST": writing.ADD, "DELETE": writing.REMOVE}[str(request.method)]
        if how != writing.REPLACE and not relation.many:
            raise error(403, "FORBIDDEN", f"{relation.name} is one resource: replace it by PATCH.")
        if name in self.prohibited:
            raise ApiError([writing.not_allowed("relationships", name)])
        linkage = parser.linkage_document(self.body(request), many=relation.many)

        def work() -> None:
            row = self.locked(id)
            self.check_match(request, row)
            writing.set_linkage(self.resource, row, relation, linkage, how, self.reach, self.by)

        self.transacted(work)
        return response(b"", 204)

    # --- Parts of a request -----------------------------------------------------------------------

    def query(self, request: Request, answers_with: Resource | None, allowed: frozenset[str]) -> Query:
        query = parse_query(self.query_string, answers_with, allowed=allowed)
        if answers_with:
            self.authorize_included(query.include or {}, answers_with)
            self.authorize_sorted(query.sort, answers_with)
        return query.showing(self.shown) if self.shown else query

    def authorize_included(self, include: IncludeTree, resource: Resource) -> None:
        for name, branch in include.items():
            relation = resource.relations[name]
            if relation.target:
                self.authorize_related(relation, resource)
                self.authorize_included(branch, resource.target(relation))

    def authorize_related(self, relation: Rel, resource: Resource) -> None:
        target = resource.target(relation)
        if relation.many or not self.permits("retrieve", target):
            self.authorize("related", target)

    def authorize_sorted(self, criteria: tuple[str, ...], resource: Resource) -> None:
        for criterion in criteria:
            owner = resource
            for name in criterion.removeprefix("-").split(".")[:-1]:
                owner = owner.target(owner.relations[name])
                self.authorize("list", owner)  # an order tells of every row

    def write(self, document: parser.ResourceDocument, *, creating: bool) -> writing.Write:
        return writing.Write(
            self.resource, document, self.reach, self.by, creating=creating, prohibited=self.prohibited
        )

    def body(self, request: Request) -> Any:
        content = request._request.body
        if content:
            check_content_type(request.META.get("CONTENT_TYPE", ""))
        return parser.load(content)

    def key(self, public_id: str) -> int:
        key = self.resource.decode_id(public_id)
        if key is None:
            raise not_found()
        return key

    def row(self, plan: Plan, key: int) -> Row:
        row = plan.one(key, self.reach)
        if row is None:
            raise not_found()
        return row

    def locked(self, public_id: str) -> Any:
        """The row to be written, nobody else writing it until the transaction ends."""
        rows = writing.locked(self.resource, [self.key(public_id)], self.reach, whole=True)
        if not rows:
            raise not_found()
        return rows[0]

    def relation(self, name: str) -> Rel:
        relation = self.resource.relations.get(name)
        if relation is None:
            raise not_found()
        return relation

    def followed(self, name: str, public_id: str | None) -> tuple[Rel, Row]:
        """A relationship the caller follows, and of its parent the key and last the key that leads to the target.

        That is the parent's own, or the foreign key. A polymorphic relationship comes as one to the type it leads to.
        """
        relation = self.relation(name)
        self.authorize("retrieve", self.resource)
        columns = [] if relation.inverse or relation.absent else [relation.type_column, relation.key_column]
        key = self.singleton_key() if public_id is None else self.key(public_id)
        rows = self.resource.rows(self.reach).filter(pk=key)
        row: Row | None = rows.values_list("pk", *filter(None, columns)).first()
        if row is None:
            raise not_found()
        return self.resource.to(relation, row[1]) if relation.type_column else relation, row

    def related_one(self, parent: Row, relation: Rel, query: Query) -> tuple[Plan, Row | None]:
        """What a to-one relationship of a parent leads to: a plan and the row it read."""
        plan = plan_for(self.resource.target(relation), query, (self.resource, relation) if relation.inverse else None)
        key = parent[-1]
        return plan, plan.one(key, self.reach) if key is not None else None

    def check_type(self, document: parser.ResourceDocument) -> None:
        if document.type != self.resource.type:
            detail = f"{document.type[:64]} is not a valid resource here."
            raise error(409, "INVALID_RESOURCE", detail, pointer="/data/type")

    def check_match(self, request: Request, row: Any) -> None:
        """412 unless If-Match names the revision the row has. Weak tags never match."""
        header = request.META.get("HTTP_IF_MATCH", "").strip()
        if not header or header == "*":
            return
        tags = [tag.strip() for tag in header.split(",")]
        if not any(tag.startswith(f'"{row.revision}-') for tag in tags):
            detail = "The resource has changed since it was read."
            raise error(412, "PRECONDITION_FAILED", detail, header="If-Match")

    # --- Answers ----------------------------------------------------------------------------------

    def single(self, request: Request, plan: Plan, row: Row, query: Query, status: int = 200) -> HttpResponse:
        compound = self.compound(request, plan, [row])
        data = compound.data()[0]
        document = self.with_included({"data": data}, query, compound.included())
        links = {"Location": data["links"]["self"]} if status == 201 else {}
        if request.method in ("POST", "PATCH"):
            document["links"] = data["links"]
        return self.answer(request, document, row[plan.index["revision"]], status, links)

    def collection(
        self, request: Request, resource: Resource, query: Query, within: Within | None = None
    ) -> HttpResponse:
        plan = plan_for(resource, query)
        records, found = search(plan, query, self.reach, self.now, partial(self.authorize, "list"), within)
        compound = self.compound(request, plan, found)
        document = self.page(query, records, compound.data())
        return self.answer(request, self.with_included(document, query, compound.included()), None)

    def linkage(self, request: Request, relation: Rel, parent: Row, query: Query) -> HttpResponse:
        document = self.identified(relation, parent, query) if relation.target else self.empty(relation, query)
        document["links"] = {**self.relationship_links(), **document.get("links", {})}
        return self.answer(request, document, None)

    def identified(self, relation: Rel, parent: Row, query: Query) -> dict[str, Any]:
        """The identifiers of what a relationship leads to."""
        target = self.resource.target(relation)
        bare = Query(fields={name: frozenset() for name in (target.type, *target.types)}, page=query.page, key=_BARE)
        if not relation.many:
            plan, row = self.related_one(parent, relation, bare)
            return {"data": plan.identifier(row) if row else None}
        plan, within = plan_for(target, bare), Within(self.resource, relation, parent[0])
        records, found = search(plan, bare, self.reach, self.now, partial(self.authorize, "list"), within)
        return self.page(query, records, [plan.identifier(row) for row in found])

    def nothing(self, request: Request, relation: Rel, query: Query) -> HttpResponse:
        """What a relationship answers that leads nowhere."""
        return self.answer(request, self.with_included(self.empty(relation, query), query, []), None)

    def empty(self, relation: Rel, query: Query) -> dict[str, Any]:
        return self.page(query, 0, []) if relation.many else {"data": None}

    def page(self, query: Query, records: int, data: Sequence[Any]) -> dict[str, Any]:
        """The part of a document that every list has."""
        return {
            "meta": {"record_count": records, "page_count": page_count(records, query.page)},
            "data": data,
            "links": self.page_links(query, records),
        }

    def compound(self, request: Request, plan: Plan, rows: Sequence[Row]) -> Compound:
        return Compound(plan, rows, self.context(request), partial(self.permits, "retrieve"))

    def answer(
        self,
        request: Request,
        document: dict[str, Any],
        revision: int | None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> HttpResponse:
        """The response of a document, with its ETag; 304 when the client holds the same bytes."""
        if "links" not in document:
            document["links"] = {"self": self.own_url}
        body = dump(document)
        etag = weak_etag(body) if revision is None else strong_etag(revision, body)
        headers = {"ETag": etag, "Cache-Control": "max-age=0, private, must-revalidate", **(headers or {})}
        if request.method in ("GET", "HEAD") and _matches(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
            return response(b"", 304, headers)
        return response(body, status, headers)

    def with_included(self, document: dict[str, Any], query: Query, included: "Any") -> dict[str, Any]:
        if query.include is not None:
            document["included"] = included
        return document

    @cached_property
    def base_url(self) -> str:
        request = self.request._request
        return f"{request.scheme}://{request.get_host()}"

    @cached_property
    def path_url(self) -> str:
        return self.base_url + self.request._request.path.rstrip("/")

    @cached_property
    def query_string(self) -> str:
        """With its bytes beyond ASCII encoded, as clients should have sent them; WSGI shows them as Latin-1."""
        return quote(self.request.META.get("QUERY_STRING", ""), safe=_QUERY_LETTERS, encoding="latin-1")

    @property
    def own_url(self) -> str:
        return self.path_url + (f"?{self.query_string}" if self.query_string else "")

    def relationship_links(self) -> dict[str, str]:
        return {"self": self.path_url, "related": self.path_url.replace("/relationships/", "/")}

    def page_links(self, query: Query, records: int) -> dict[str, str]:
        number, size = query.page
        last = max(page_count(records, query.page), 1)
        numbers = {"first": 1, "prev": number - 1, "next": number + 1, "last": last}
        url = page_url(self.path_url, self.query_string)
        links = {
            name: url.format(number=to, size=size)
            for name, to in numbers.items()
            if (name != "prev" or number > 1) and (name != "next" or number < last)
        }
        return {"self": self.own_url, **links}

    # --- DRF's hooks ------------------------------------------------------------------------------

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.enter(request)
        check_accept(request.META.get("HTTP_ACCEPT", ""))

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise MethodNotAllowed(str(request.method))

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return response(b"", 204, {"Allow": ", ".join(self.allowed_methods)})

    def handle_exception(self, exc: Exception) -> Any:
        return refusal(self.problem_of(exc))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer: HttpResponse = response
        if request.method == "HEAD":
            answer.headers["Content-Length"] = str(len(answer.content))
            answer.content = b""
        return answer

    def problem_of(self, cause: Exception) -> ApiError:
        """Every exception as an error document. What nobody expected is logged and answered 500 without detail."""
        if isinstance(cause, ApiError):
            return cause
        if isinstance(cause, ModelValidationError):
            return ApiError(model_problems(cause, writing.pointers(self.resource)))
        if isinstance(cause, MethodNotAllowed):
            allow = {"Allow": ", ".join(self.allowed_methods)}
            return error(405, "METHOD_NOT_ALLOWED", f"{self.request.method} is not allowed here.", allow)
        if isinstance(cause, Http404):
            return not_found()
        if isinstance(cause, RequestDataTooBig):
            return error(413, "PAYLOAD_TOO_LARGE", "The body is larger than this server accepts.")
        if isinstance(cause, SuspiciousOperation):
            return malformed()
        if isinstance(cause, OperationalError) and out_of_time(cause) and self.request.method in ("GET", "HEAD"):
            return error(400, "STATEMENT_TIMEOUT", "The search took too long; narrow it.", parameter="filter[q]")
        if isinstance(cause, OperationalError) and (in_the_way(cause) or out_of_time(cause)):
            return error(
                409, "RECORD_NOT_UNIQUE", "Another request was writing the same resources; nothing was written."
            )
        if isinstance(cause, DataError):
            return error(400, "BAD_REQUEST", "A value is outside what can be stored.")
        known = self.domain_error(cause)
        if known is None:
            log.error("unexpected error", exc_info=cause)
            known = unexpected()
        return known


_BARE = "linkage"
_QUERY_LETTERS = "!$%&'()*+,-./:;=?@_~"
"""What a query string may hold as it is (RFC 3986)."""


def _matches(header: str, etag: str) -> bool:
    if not header:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


def malformed() -> ApiError:
    return error(400, "BAD_REQUEST", "The request is malformed.")


def unexpected() -> ApiError:
    return error(500, "INTERNAL_SERVER_ERROR", "Something went wrong on our side.")


def refusal(problem: ApiError) -> HttpResponse:
    return response(problem.body(), problem.status, problem.headers)


# --- Django's handlers, for requests that reach no view of ours -----------------------------------


def unknown_url(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return refusal(not_found())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What is refused before any view is reached, such as a host that cannot be one."""
    return refusal(malformed())


def server_error(request: HttpRequest) -> HttpResponse:
    return refusal(unexpected())
