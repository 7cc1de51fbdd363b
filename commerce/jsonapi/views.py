"""One view set for every resource: reads by plan, writes by document, errors by one hand."""

import logging
from typing import Any, ClassVar

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, OperationalError, connection, models
from django.db.models import F
from django.db.models.functions import Collate
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from commerce.jsonapi import filters, parser, writing
from commerce.jsonapi.errors import ApiError, error, model_problems, not_found
from commerce.jsonapi.negotiation import check_accept, check_content_type
from commerce.jsonapi.pagination import page_count
from commerce.jsonapi.plan import Compound, Context, Plan, Row, plan_for, related_rows
from commerce.jsonapi.query import IncludeTree, Query, parse_query, url_with_page
from commerce.jsonapi.renderer import dump, response, strong_etag, weak_etag
from commerce.jsonapi.resource import Rel, Resource
from commerce.jsonapi.statements import limited_time

log = logging.getLogger("tessera.api")

READ_ONE = frozenset({"include", "fields"})
READ_MANY = frozenset({"include", "fields", "sort", "page", "filter"})
LINKAGE = frozenset({"page"})


class ResourceView(ViewSetMixin, APIView):
    """The actions of one resource. The project's subclass says who asks, what they may do and who wrote."""

    resource: ClassVar[Resource]

    # --- What the project decides -----------------------------------------------------------------

    tenant: Any
    now: Any
    by: Any

    def enter(self, request: Request) -> None:
        """Identifies the caller and sets `tenant`, `now` and `by`; raises ApiError to turn it away."""
        raise NotImplementedError

    def authorize(self, action: str, resource: Resource) -> None:
        """Raises ApiError unless the caller may do `action` (create, read, update, destroy) to `resource`."""
        raise NotImplementedError

    def domain_error(self, cause: Exception) -> ApiError | None:
        """The error document of an exception the project knows."""
        raise NotImplementedError

    def context(self, request: Request) -> Context:
        raise NotImplementedError

    def transaction(self) -> Any:
        raise NotImplementedError

    def new_row(self) -> Any:
        raise NotImplementedError

    def singleton_key(self) -> int:
        raise NotImplementedError

    # --- Resources --------------------------------------------------------------------------------

    def list(self, request: Request) -> HttpResponse:
        self.authorize("read", self.resource)
        query = self.query(request, self.resource, READ_MANY)
        return self.collection(request, self.resource, self.resource.rows(self.tenant), query)

    def retrieve(self, request: Request, id: str | None = None) -> HttpResponse:
        self.authorize("read", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        key = self.singleton_key() if id is None else self.key(id)
        return self.single(request, plan_for(self.resource, query), key, query, public_id=id)

    def create(self, request: Request) -> HttpResponse:
        self.authorize("create", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        document = parser.resource_document(self.body(request))
        self.check_type(document)
        if document.id is not None:
            raise error(403, "FORBIDDEN", "Ids are given by the server.", pointer="/data/id")
        with self.transaction():
            row = self.new_row()
            writing.Write(self.resource, document, self.tenant, self.by).create(row)
        return self.single(request, plan_for(self.resource, query), row.pk, query, status=201)

    def update(self, request: Request, id: str) -> HttpResponse:
        self.authorize("update", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        document = parser.resource_document(self.body(request))
        if document.id is None:
            raise error(400, "PARAM_MISSING", "id must be given.", pointer="/data")
        with self.transaction():
            row = self.locked(id)
            self.check_type(document)
            if document.id != id:
                raise error(
                    409,
                    "KEY_NOT_INCLUDED_IN_URL",
                    "The URL does not include the id of the document.",
                    pointer="/data/id",
                )
            self.check_match(request, row)
            writing.Write(self.resource, document, self.tenant, self.by).update(row)
        return self.single(request, plan_for(self.resource, query), row.pk, query)

    def destroy(self, request: Request, id: str) -> HttpResponse:
        self.authorize("destroy", self.resource)
        self.query(request, None, frozenset())
        with self.transaction():
            row = self.locked(id)
            self.check_match(request, row)
            self.resource.destroy(row, self.by)
        return response(b"", 204)

    # --- Related resources and relationships ------------------------------------------------------

    def related(self, request: Request, id: str, name: str) -> HttpResponse:
        relation = self.relation(name)
        target = self.resource.target(relation)
        self.authorize("read", self.resource)
        self.authorize("read", target)
        query = self.query(request, target, READ_MANY if relation.many else READ_ONE)
        parent = self.parent(id, relation)
        if relation.many:
            rows = related_rows(self.resource, relation, [parent[0]], self.tenant)
            return self.collection(request, target, rows, query)
        key = self.related_key(parent, relation)
        if key is None:
            return self.answer(request, self.with_included({"data": None}, query, []), None)
        return self.single(request, plan_for(target, query), key, query)

    def relationship(self, request: Request, id: str, name: str) -> HttpResponse:
        relation = self.relation(name)
        self.authorize("read", self.resource)
        query = self.query(request, None, LINKAGE if relation.many else frozenset())
        parent = self.parent(id, relation)
        return self.linkage(request, relation, parent, query)

    def change_relationship(self, request: Request, id: str, name: str) -> HttpResponse:
        relation = self.relation(name)
        self.authorize("update", self.resource)
        self.query(request, None, frozenset())
        how = {"PATCH": writing.REPLACE, "POST": writing.ADD, "DELETE": writing.REMOVE}[str(request.method)]
        if how != writing.REPLACE and not relation.many:
            raise error(403, "FORBIDDEN", f"{relation.name} is one resource: replace it by PATCH.")
        linkage = parser.linkage_document(self.body(request), many=relation.many)
        with self.transaction():
            row = self.locked(id)
            self.check_match(request, row)
            writing.set_linkage(self.resource, row, relation, linkage, how, self.tenant, self.by)
        return response(b"", 204)

    # --- Parts of a request -----------------------------------------------------------------------

    def query(self, request: Request, answers_with: Resource | None, allowed: frozenset[str]) -> Query:
        query = parse_query(request.META.get("QUERY_STRING", ""), answers_with, allowed=allowed)
        if query.include and answers_with:
            self.authorize_included(query.include, answers_with)
        return query

    def authorize_included(self, include: IncludeTree, resource: Resource) -> None:
        for name, branch in include.items():
            target = resource.target(resource.relations[name])
            self.authorize("read", target)
            self.authorize_included(branch, target)

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

    def locked(self, public_id: str) -> Any:
        """The row to be written, nobody else writing it until the transaction ends."""
        row = self.resource.rows(self.tenant).select_for_update(of=("self",)).filter(pk=self.key(public_id)).first()
        if row is None:
            raise not_found()
        return row

    def relation(self, name: str) -> Rel:
        relation = self.resource.relations.get(name)
        if relation is None:
            raise not_found()
        return relation

    def parent(self, public_id: str | None, relation: Rel) -> Row:
        """The parent's key, with the foreign key of a forward relationship."""
        columns = ["pk"] if relation.inverse else ["pk", f"{relation.name}_id"]
        key = self.singleton_key() if public_id is None else self.key(public_id)
        row: Row | None = self.resource.rows(self.tenant).filter(pk=key).values_list(*columns).first()
        if row is None:
            raise not_found()
        return row

    def related_key(self, parent: Row, relation: Rel) -> int | None:
        if not relation.inverse:
            key: int | None = parent[1]
            return key
        return related_rows(self.resource, relation, [parent[0]], self.tenant).values_list("pk", flat=True).first()

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

    def single(
        self, request: Request, plan: Plan, key: int, query: Query, status: int = 200, public_id: str | None = None
    ) -> HttpResponse:
        row = plan.one(key, self.tenant)
        if row is None or (public_id is not None and plan.public_id(row) != public_id):
            raise not_found()
        compound = Compound(plan, [row], self.context(request))
        data = compound.data()[0]
        document = self.with_included({"data": data}, query, compound.included())
        links = {"Location": data["links"]["self"]} if status == 201 else {}
        if status == 201 or request.method != "GET":
            document["links"] = data["links"]
        return self.answer(request, document, row[plan.index["revision"]], status, links)

    def collection(self, request: Request, resource: Resource, rows: models.QuerySet, query: Query) -> HttpResponse:
        plan = plan_for(resource, query)
        rows = filters.apply(rows, resource, query.conditions, self.tenant, self.now)
        with limited_time():
            records = rows.count()
            page = query.page
            wanted = _sorted(rows, resource, query.sort)[page.offset : page.offset + page.size]
            found = plan.many(wanted)
        compound = Compound(plan, found, self.context(request))
        document = {
            "meta": {"record_count": records, "page_count": page_count(records, page)},
            "data": compound.data(),
            "links": self.page_links(request, query, records),
        }
        return self.answer(request, self.with_included(document, query, compound.included()), None)

    def linkage(self, request: Request, relation: Rel, parent: Row, query: Query) -> HttpResponse:
        target = self.resource.target(relation)
        plan = plan_for(target, Query(fields={name: frozenset() for name in (target.type, *target.types)}, key=_BARE))
        if not relation.many:
            key = self.related_key(parent, relation)
            row = plan.one(key, self.tenant) if key is not None else None
            document: dict[str, Any] = {"data": plan.identifier(row) if row else None}
            document["links"] = self.relationship_links(request)
            return self.answer(request, document, None)
        rows = related_rows(self.resource, relation, [parent[0]], self.tenant)
        with limited_time():
            records, page = rows.count(), query.page
            found = plan.many(rows.order_by("pk")[page.offset : page.offset + page.size])
        document = {
            "meta": {"record_count": records, "page_count": page_count(records, page)},
            "data": [plan.identifier(row) for row in found],
            "links": {**self.relationship_links(request), **self.page_links(request, query, records)},
        }
        return self.answer(request, document, None)

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
            document["links"] = {"self": self.own_url(request)}
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

    def own_url(self, request: Request) -> str:
        return self.base_url(request) + request._request.get_full_path()

    def base_url(self, request: Request) -> str:
        return f"{request._request.scheme}://{request._request.get_host()}"

    def relationship_links(self, request: Request) -> dict[str, str]:
        own = self.base_url(request) + request._request.path.rstrip("/")
        return {"self": own, "related": own.replace("/relationships/", "/")}

    def page_links(self, request: Request, query: Query, records: int) -> dict[str, str]:
        number, size = query.page
        last = max(page_count(records, query.page), 1)
        numbers = {"first": 1, "prev": number - 1, "next": number + 1, "last": last}
        path = self.base_url(request) + request._request.path
        raw = request.META.get("QUERY_STRING", "")
        links = {
            name: url_with_page(path, raw, to, size)
            for name, to in numbers.items()
            if (name != "prev" or number > 1) and (name != "next" or number < last)
        }
        return {"self": self.own_url(request), **links}

    # --- DRF's hooks ------------------------------------------------------------------------------

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.enter(request)
        check_accept(request.META.get("HTTP_ACCEPT", ""))

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise MethodNotAllowed(str(request.method))

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return response(b"", 204, {"Allow": ", ".join(self.allowed_methods)})

    def handle_exception(self, exc: Exception) -> Any:
        problem = self.problem_of(exc)
        return response(problem.body(), problem.status, problem.headers)

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
            return error(400, "BAD_REQUEST", "The request is malformed.")
        if isinstance(cause, OperationalError) and _is_timeout(cause):
            return error(400, "STATEMENT_TIMEOUT", "The search took too long; narrow it.", parameter="filter[q]")
        if isinstance(cause, OperationalError) and _is_contention(cause):
            return error(
                409, "RECORD_NOT_UNIQUE", "Another request was writing the same resources; nothing was written."
            )
        if isinstance(cause, DataError):
            return error(400, "BAD_REQUEST", "A value is outside what can be stored.")
        known = self.domain_error(cause)
        if known is None:
            log.error("unexpected error", exc_info=cause)
            known = error(500, "INTERNAL_SERVER_ERROR", "Something went wrong on our side.")
        return known


_BARE = "linkage"


def _sorted(rows: models.QuerySet, resource: Resource, criteria: tuple[str, ...]) -> models.QuerySet:
    """Rows in the order asked for, then by key: a total order, the same on both databases."""
    order = []
    for criterion in criteria:
        *relations, attribute = criterion.removeprefix("-").split(".")
        owner = resource
        for name in relations:
            owner = owner.target(owner.relations[name])
        column = "pk" if attribute == "id" else _sort_column(owner, attribute)
        path = "__".join((*relations, column))
        field = owner.field_of(column)
        text = isinstance(field, models.CharField) and connection.vendor == "postgresql"
        expression: Any = Collate(F(path), "C") if text else F(path)
        nullable = bool(relations) or field.null
        if criterion.startswith("-"):
            order.append(expression.desc(nulls_first=True if nullable else None))
        else:
            order.append(expression.asc(nulls_last=True if nullable else None))
    return rows.order_by(*order, "pk")


def _sort_column(resource: Resource, attribute: str) -> str:
    """The column its filter searches, which is the one that has an index."""
    searched = resource.filterset_class.base_filters.get(attribute)
    return searched.field_name if searched else resource.sources[attribute].paths[0]


def _matches(header: str, etag: str) -> bool:
    if not header:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


def _is_timeout(cause: OperationalError) -> bool:
    return "statement timeout" in str(cause) or "interrupted" in str(cause)


def _is_contention(cause: OperationalError) -> bool:
    """PostgreSQL resolved a deadlock against us, or SQLite's writer did not finish in time."""
    return "deadlock detected" in str(cause) or "database is locked" in str(cause)


def unknown_url(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    problem = not_found()
    return response(problem.body(), problem.status)


def server_error(request: HttpRequest) -> HttpResponse:
    problem = error(500, "INTERNAL_SERVER_ERROR", "Something went wrong on our side.")
    return response(problem.body(), problem.status)
