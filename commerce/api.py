"""Where the protocol meets the project: tenancy, permissions, rate limits, and every write through `changes`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from math import isfinite
from typing import Any, ClassVar

import orjson
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import fields
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework_json_api.serializers import ModelSerializer

from commerce import auth, changes, clock, ids, money, permissions, rate_limits
from commerce.errors import AccessDenied, CodeRefused, Forbidden, InvalidToken, Locked, NotUnique
from commerce.jsonapi import lookups  # noqa: F401  (registers the look-ups of the filters)
from commerce.jsonapi import resource as declared
from commerce.jsonapi.errors import ApiError, error, invalid
from commerce.jsonapi.parser import ResourceDocument, is_storable, pointer_to
from commerce.jsonapi.plan import Context, Plan
from commerce.jsonapi.prepared import Row
from commerce.jsonapi.query import Fieldsets
from commerce.jsonapi.views import Done, ResourceView, unknown_url
from commerce.jsonapi.writing import Write
from commerce.models import Organization, Tenant, amounts
from commerce.permissions import Reach
from commerce.repeating import repeated

registry = declared.Registry()


# --- Attributes on the wire -----------------------------------------------------------------------


class TimestampField(fields.DateTimeField):
    """An instant in ISO 8601, kept in whole milliseconds as everywhere on the wire."""

    default_error_messages = {"invalid": "is not a timestamp", "date": "is not a timestamp"}

    def to_internal_value(self, value: Any) -> Any:
        try:
            return clock.to_milliseconds(super().to_internal_value(value))
        except OverflowError:
            self.fail("overflow")


class BooleanField(fields.BooleanField):
    default_error_messages = {"invalid": "is not a boolean"}


class ObjectField(fields.JSONField):
    """A JSON object that the database can hold."""

    default_error_messages = {"invalid": "must be an object that can be stored"}

    def to_internal_value(self, data: Any) -> Any:
        if not is_storable(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class IntegerField(fields.IntegerField):
    default_error_messages = {"not_a_number": "is not a number"}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool):
            self.fail("not_a_number")
        try:
            return super().to_internal_value(data)
        except ValidationError:
            self.fail("not_a_number")


class FloatField(fields.FloatField):
    default_error_messages = {"invalid": "is not a number"}

    def to_internal_value(self, data: Any) -> Any:
        number = super().to_internal_value("" if isinstance(data, bool) else data)
        if not isfinite(number):
            self.fail("invalid")
        return number


class ExactField(fields.DecimalField):
    places: ClassVar[int]
    default_error_messages = {
        "invalid": "is not a number",
        "max_decimal_places": "has more than {max_decimal_places} decimals",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=None, decimal_places=self.places, **options)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value("" if isinstance(data, bool) else data)

    def quantize(self, value: Any) -> Any:
        return value


class WeightField(ExactField):
    places = amounts.WeightField.places


class PercentageField(ExactField):
    places = money.PercentageField.places


class Serializer(ModelSerializer):
    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **ModelSerializer.serializer_field_mapping,
        models.BooleanField: BooleanField,
        models.DateTimeField: TimestampField,
        models.JSONField: ObjectField,
        models.IntegerField: IntegerField,
        models.BigIntegerField: IntegerField,
        models.FloatField: FloatField,
        amounts.WeightField: WeightField,
        money.PercentageField: PercentageField,
    }


# --- Resources ------------------------------------------------------------------------------------


class Resource(declared.Resource):
    """A resource of owned rows, with the attributes that every resource of the contract has."""

    common_attributes = ("created_at", "updated_at", "reference", "reference_origin", "metadata")
    serializer_base = Serializer

    def __init_subclass__(cls) -> None:
        cls.read_only = (*cls.read_only, "created_at", "updated_at")
        cls.sortable = (*cls.sortable, "created_at", "updated_at", "reference", "reference_origin")
        cls.filterable = (*cls.filterable, "created_at", "updated_at", "reference", "reference_origin", "metadata")

    def rows(self, tenant: Reach) -> models.QuerySet:
        owned = self.model.objects.owned_by(tenant)  # type: ignore[attr-defined]
        return permissions.within(tenant, self.type, owned).alias(**self.annotations)

    def create(self, row: Any, by: changes.By) -> None:
        changes.create(row, by)

    def update(self, row: Any, by: changes.By) -> None:
        changes.save(row, by)

    def destroy(self, row: Any, by: changes.By) -> None:
        changes.delete(row, by)


class ApiView(ResourceView):
    resource: ClassVar[declared.Resource]
    caller: auth.Caller
    tenant: Tenant
    allowance: rate_limits.Allowance | None = None

    def enter(self, request: Request) -> None:
        self.now = clock.now()
        bucket = "read" if request.method in ("GET", "HEAD", "OPTIONS") else "write"
        try:
            self.caller = auth.authenticate(request._request, self.now)
        except InvalidToken:
            self.allowance = _of_address(request._request, bucket, self.now)
            self.check_allowance()
            raise
        self.tenant, self.reach = self.caller.tenant, self.caller.reach
        self.prohibited = permissions.prohibited(self.reach, self.resource.type)
        self.shown = _shown_to_shoppers() if self.caller.is_shopper else {}
        request._request.application_id = self.caller.application_id  # type: ignore[attr-defined]
        self.allowance = rate_limits.take(bucket, str(self.caller.application_id), self.tenant.mode, self.now)
        self.check_allowance()
        self.by = changes.By(self.caller.who, self.now, self.reach)

    def check_allowance(self) -> None:
        if self.allowance and self.allowance.retry_after:
            raise error(429, "THROTTLED", "Too many requests; retry later.")

    def authorize(self, action: str, resource: declared.Resource) -> None:
        if not self.permits(action, resource):
            raise AccessDenied

    def permits(self, action: str, resource: declared.Resource) -> bool:
        return self.caller.permits(action, resource.type)

    def domain_error(self, cause: Exception) -> ApiError | None:
        if isinstance(cause, InvalidToken):
            return _unauthorized("INVALID_TOKEN", "The access token you provided is invalid.")
        if isinstance(cause, AccessDenied):
            return _unauthorized(
                "UNAUTHORIZED", "You are not authorized to perform this action on the requested resource."
            )
        if isinstance(cause, Locked):
            return error(423, "LOCKED", cause.detail)
        if isinstance(cause, Forbidden):
            return error(403, "FORBIDDEN", cause.detail, pointer="/data")
        if isinstance(cause, NotUnique):
            return error(409, "RECORD_NOT_UNIQUE", cause.detail)
        if isinstance(cause, CodeRefused):
            return self.code_refused(cause)
        return None

    # --- Codes that can be guessed ----------------------------------------------------------------

    def check_codes(self, attributes: Mapping[str, Any], names: Iterable[str]) -> None:
        """Refuses a shopper that sends a code in one of the attributes named, once its guesses are used up."""
        if self.caller.is_shopper and any(str(attributes.get(name) or "").strip() for name in names):
            self.check_guesses()

    def check_guesses(self) -> None:
        guesses = rate_limits.left("codes", self.guesser, self.tenant.mode, self.now)
        if guesses.retry_after:
            self.allowance = guesses
        self.check_allowance()

    def count_guess(self) -> None:
        """Of a code that does not work, whatever the reason, for that is what a guess is to a shopper."""
        rate_limits.take("codes", self.guesser, self.tenant.mode, self.now)

    @property
    def guesser(self) -> str:
        return f"{self.caller.number}:{self.request.META.get('REMOTE_ADDR')}"

    def code_refused(self, cause: CodeRefused) -> ApiError:
        """Why, for whoever may know; a shopper is told no more than that it does not work, and has guessed."""
        pointer, name = pointer_to("attributes", cause.attribute), cause.attribute
        if not self.caller.is_shopper:
            return ApiError([invalid(pointer, name, cause.detail, "invalid", reason=cause.reason)])
        self.count_guess()
        return ApiError([invalid(pointer, name, "is invalid", "invalid")])

    # --- Rows -------------------------------------------------------------------------------------

    def context(self, request: Request) -> Context:
        return Context(self.base_url, self.reach, self.now, _meta(self.tenant))

    def transaction(self) -> Any:
        return changes.atomic()

    def transacted(self, work: Callable[[], Done]) -> Done:
        return repeated(partial(super().transacted, work))

    @property
    def organization(self) -> Organization:
        """Whose resources these are, with its settings."""
        return auth.snapshot.known.organizations[self.tenant.organization_id]

    def new_row(self) -> Any:
        whose = permissions.creator(self.reach, self.resource.type)
        return self.resource.model(organization=self.organization, mode=self.tenant.mode, **whose)

    def write(self, document: ResourceDocument, *, creating: bool) -> Write:
        ignored = permissions.ignored(self.reach, self.resource.type)
        heeded = {name: value for name, value in document.attributes.items() if name not in ignored}
        return super().write(replace(document, attributes=heeded), creating=creating)

    def locked(self, public_id: str) -> Any:
        row = super().locked(public_id)
        if not permissions.may_change(self.reach, self.resource.type, row):
            raise AccessDenied
        return row

    def created(self, plan: Plan, row: Any) -> Row:
        answered = plan.one(row.pk, self.tenant if permissions.may_lose(self.reach, self.resource.type) else self.reach)
        if answered is None:
            raise AccessDenied
        return answered

    def singleton_key(self) -> int:
        return self.resource.singleton_key(self.caller)  # type: ignore[attr-defined, no-any-return]

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        return _told(answer, self.allowance) if self.allowance else answer


declared.Resource.view_base = ApiView


@lru_cache
def _shown_to_shoppers() -> Fieldsets:
    """Of types that they do not see whole, what they see."""
    return {
        name: frozenset({*registry[name].all_attributes, *registry[name].relations}) - untold
        for name, untold in permissions.UNTOLD.items()
        if name in registry
    }


# --- Routes ---------------------------------------------------------------------------------------

_SHAPES: dict[str, dict[str, tuple[str, str]]] = {
    # shape -> method -> (view method, the declared action that allows it)
    "collection": {"get": ("list", "list"), "post": ("create", "create")},
    "member": {"get": ("retrieve", "retrieve"), "patch": ("update", "update"), "delete": ("destroy", "destroy")},
    "related": {"get": ("related", "retrieve")},
    "relationship": {
        "get": ("relationship", "retrieve"),
        "patch": ("change_relationship", "update"),
        "post": ("change_relationship", "update"),
        "delete": ("change_relationship", "update"),
    },
}


@csrf_exempt
def route(request: HttpRequest, path: str) -> HttpResponse:
    """Everything below /api/, by the registry; a slash at the end makes no difference."""
    first, *rest = path.removesuffix("/").split("/")
    resource = registry.by_path.get(first)
    if resource is None:
        return _unknown(request)
    known = {} if resource.singleton or not rest else {"id": rest.pop(0)}
    if not rest:
        shape = "member" if known or resource.singleton else "collection"
        view = _view(resource, shape)
        return view(request, **known)
    if len(rest) == 2 and rest[0] == "relationships":
        return _view(resource, "relationship")(request, **known, name=rest[1])
    if len(rest) == 1:
        return _view(resource, "related")(request, **known, name=rest[0])
    return _unknown(request)


@lru_cache(maxsize=1024)
def _view(resource: declared.Resource, shape: str) -> Callable[..., HttpResponse]:
    methods = {method: name for method, (name, action) in _SHAPES[shape].items() if action in resource.actions}
    view: Callable[..., HttpResponse] = resource.view_class.as_view(methods)
    return view


def _unknown(request: HttpRequest) -> HttpResponse:
    return _told(unknown_url(request), _of_address(request, "read", clock.now()))


def _of_address(request: HttpRequest, bucket: str, now: datetime) -> rate_limits.Allowance:
    """What whoever shows no token has left."""
    return rate_limits.take(bucket, f"address:{request.META.get('REMOTE_ADDR')}", None, now)


def _told(answer: HttpResponse, allowance: rate_limits.Allowance) -> HttpResponse:
    for name, value in allowance.headers.items():
        answer.headers[name] = value
    return answer


def _unauthorized(code: str, detail: str) -> ApiError:
    return error(401, code, detail, {"WWW-Authenticate": "Bearer"})


@lru_cache(maxsize=1024)
def _meta(tenant: Tenant) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps({"mode": tenant.mode, "organization_id": ids.encode(tenant.organization_id)}))
