"""The admin: staff see every tenant, and write through the same door as everybody else.

Apps above add to pages below by `panels` and `actions`. Lists are made for tables of millions: no complete count, no
drop-down of owned rows, newest first.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlencode

import oauth2_provider.admin  # noqa: F401  (registers what is taken off below)
import orjson
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR
from django.contrib.admin.widgets import AdminTextareaWidget
from django.contrib.auth import get_permission_codename
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from oauth2_provider.models import AccessToken, Grant, IDToken, RefreshToken

from commerce import auth, changes, clock, ids
from commerce.api import registry
from commerce.errors import DomainError
from commerce.models import ApiKey, Application, Event, Mode, Organization, Owned, Role, Tenant, Version
from commerce.models.activity import Activity

MOST_AT_ONCE = 1000
"""Rows that one action may write."""

admin.site.site_header = admin.site.site_title = "Tessera"
admin.site.index_title = "Administration"
admin.site.site_url = None
# The protocol's library registers its own tables; tokens here are ours, and applications are registered below.
admin.site.unregister([Application, AccessToken, Grant, IDToken, RefreshToken])


def by(request: HttpRequest) -> changes.By:
    """The staff user, as versions tell who made a change."""
    user: Any = request.user
    return changes.By({"user": {"id": ids.encode(user.pk), "name": user.get_username()}}, clock.now())


def told(who: dict[str, Any]) -> str:
    """Whoever made a change, for reading: `ada`, `integration kXbQzPqRsT` or `command import_coupons`."""
    if user := who.get("user"):
        return user["name"]
    if application := who.get("application"):
        return f"{application['kind']} {application['id']}"
    return " ".join(f"{kind} {name}" for kind, name in who.items())


def page_of(row: models.Model, page: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}", args=[row.pk])


def list_of(model: type[models.Model], page: str = "changelist", **filters: Any) -> str:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")
    return f"{url}?{urlencode(filters)}" if filters else url


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def tenant_choice(row: Owned) -> str:
    """The tenant of the row, as lists are filtered by it."""
    return f"{row.organization_id}-{row.mode}"


def table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], *, amounts: Collection[str] = (), empty: str = "None."
) -> SafeString:
    """Rows of cells under headings. `amounts` are the headings of figures, which stand at the right."""
    kinds = ["amount" if heading in amounts else "text" for heading in headings]
    placed = [list(zip(row, kinds, strict=True)) for row in rows]
    context = {"headings": list(zip(headings, kinds, strict=True)), "rows": placed, "empty": empty}
    return render_to_string("admin/table.html", context)


# --- Refusals -------------------------------------------------------------------------------------

Refusal = ValidationError | DomainError
REFUSALS = (ValidationError, DomainError)


def sentences(refusal: Refusal) -> str:
    return refusal.detail if isinstance(refusal, DomainError) else " ".join(refusal.messages)


def refused(row: models.Model, refusal: Refusal) -> ValidationError:
    """The same of one row among others: `#1001: approve is not possible: the order is draft`."""
    if isinstance(refusal, DomainError):
        return ValidationError(f"{row}: {refusal.detail}")
    found: dict[str, list[ValidationError]] = refusal.update_error_dict({})
    named = {name: "" if name == NON_FIELD_ERRORS else f"{name.removeprefix('_')} " for name in found}
    problems = [f"{named[name]}{text}" for name, errors in found.items() for error in errors for text in error.messages]
    return ValidationError(f"{row}: {', '.join(problems)}")


def add_refusal(form: forms.BaseForm, refusal: Refusal) -> None:
    """Puts what the domain refuses where it belongs on the form."""
    if isinstance(refusal, DomainError):
        form.add_error(None, refusal.detail)
        return
    found: dict[str, list[ValidationError]] = refusal.update_error_dict({})
    for name, errors in found.items():
        if name in form.fields:
            form.add_error(name, errors)
        else:
            prefix = "" if name == NON_FIELD_ERRORS else f"{name} "
            form.add_error(None, [f"{prefix}{text}" for error in errors for text in error.messages])


# --- Forms ----------------------------------------------------------------------------------------


class ObjectField(forms.JSONField):
    """A JSON object that both databases can hold; nothing is an empty one."""

    holds: ClassVar[type] = dict
    told: ClassVar[str] = "object"

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return self.holds()
        try:
            parsed = orjson.loads(value) if isinstance(value, str) else value
            if not isinstance(parsed, self.holds) or b"\\u0000" in orjson.dumps(parsed):
                raise ValueError
        except (ValueError, TypeError):
            raise ValidationError(f"Enter a JSON {self.told}, without null characters.", code="invalid") from None
        return parsed

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed, shown again as it was."""
        return None if data is None else InvalidJSONInput(data)


class ArrayField(ObjectField):
    """The same of a JSON array."""

    holds = list
    told = "array"


class Form(forms.ModelForm):
    """Writes only what was edited on it, so that it never undoes what somebody else changed meanwhile."""

    refusal: ClassVar[Refusal | None] = None
    """Why the domain refused this very request, when it is shown again for that."""

    def _post_clean(self) -> None:
        if self.errors:
            return
        if not self.instance._state.adding:
            self.cleaned_data = {name: self.cleaned_data[name] for name in self.changed_data}
        self.prepare()
        super()._post_clean()  # type: ignore[misc]
        if self.refusal:
            add_refusal(self, self.refusal)

    def _update_errors(self, errors: ValidationError) -> None:
        add_refusal(self, errors)

    def prepare(self) -> None:
        """Gives a new row what its own rules need and no field holds."""


class OwnedForm(Form):
    tenant_from: ClassVar[str] = ""

    def prepare(self) -> None:
        row = self.instance
        if row._state.adding and self.tenant_from:
            parent = self.cleaned_data[self.tenant_from]
            row.organization, row.mode = parent.organization, parent.mode

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors:
            return
        for name, related in list(self.cleaned_data.items()):
            if isinstance(related, models.Model) and self._is_strange(related):
                self.add_error(name, "belongs to another organization or mode.")

    def _is_strange(self, related: Any) -> bool:
        tenant: Tenant = self.instance.tenant
        its = (getattr(related, "organization_id", tenant.organization_id), getattr(related, "mode", tenant.mode))
        return its != tenant


# --- Lists ----------------------------------------------------------------------------------------


class AtLeast(int):
    """A count that was stopped, shown as `10,000+`."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class BoundedPaginator(Paginator):
    """Counts so far and no further, whatever the size of the table; what lies beyond is found by searching."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        found = rows.order_by()[: self.MOST + 1].count()
        return found if found <= self.MOST else AtLeast(self.MOST)


class TenantFilter(admin.SimpleListFilter):
    """Organization and mode in one choice, as the indexes have them."""

    title = "organization and mode"
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        organizations = Organization.objects.order_by("slug").values_list("pk", "slug")
        return [(f"{key}-{mode}", f"{slug} {mode}") for key, slug in organizations for mode in Mode.values]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        key, _, mode = (self.value() or "").partition("-")
        return queryset.owned_by(Tenant(int(key), mode)) if key.isascii() and key.isdigit() else queryset


class OneTenantFilter(TenantFilter):
    """Always one unless something is searched: where keys tell no order, the index by time is that of a tenant."""

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.usual = None if request.GET.get(SEARCH_VAR) else self._first(model)

    def _first(self, model: Any) -> str | None:
        rows = model.objects.order_by("organization_id", "mode", "id").values_list("organization_id", "mode")
        first = rows.first()
        return f"{first[0]}-{first[1]}" if first else None

    def value(self) -> str | None:
        return super().value() or self.usual

    def choices(self, changelist: Any) -> Iterator[Any]:
        every, *choices = super().choices(changelist)
        yield from choices if self.usual else [every, *choices]


class ResourceTypeFilter(admin.SimpleListFilter):
    title = "type of resource"
    parameter_name = "resource_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(resource.type, resource.type) for resource in registry if _is_told_of(resource)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(resource_type=self.value()) if self.value() else queryset


def _is_told_of(resource: Any) -> bool:
    return issubclass(resource.model, Owned) and not issubclass(resource.model, Activity) and not resource.variants


# --- Pages ----------------------------------------------------------------------------------------


class Admin(admin.ModelAdmin):
    """Whatever the domain refuses becomes a message; nothing of the refused request stays."""

    form: Any = Form
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering: ClassVar[Any] = ("-pk",)
    formfield_overrides: ClassVar[Any] = {
        models.JSONField: {"form_class": ObjectField, "widget": AdminTextareaWidget(attrs={"rows": 4})},
        models.URLField: {"assume_scheme": "https"},
    }

    fixed: ClassVar[tuple[str, ...]] = ()
    """Fields that are chosen once, for a new row."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), *(self.fixed if obj else ()))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "refusal", None)
        for field in form.base_fields.values():
            field.show_hidden_initial = change
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        organizations = Organization.objects.values_list("pk", flat=True)[:2]
        only = {"organization": organizations[0]} if len(organizations) == 1 else {}
        return {"mode": Mode.TEST, **only, **super().get_changeform_initial_data(request)}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Locked where it is going to be written."""
        row = super().get_object(request, object_id, from_field)
        if row is None or request.method != "POST":
            return row
        return self.get_queryset(request).select_for_update(of=("self",)).filter(pk=row.pk).first()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            with changes.atomic():
                return super().changeform_view(request, *args, **kwargs)
        except REFUSALS as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
        return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        with self._telling(request):
            return super().delete_view(request, object_id, extra_context)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", object_id)

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        with self._telling(request):
            return super().response_action(request, queryset)
        return None

    @contextmanager
    def _telling(self, request: HttpRequest) -> Iterator[None]:
        try:
            with changes.atomic():
                yield
        except REFUSALS as refusal:
            self.message_user(request, sentences(refusal), messages.ERROR)


class OwnedAdmin(Admin):
    """Owned rows: written by their resource, with their tenant chosen once and their versions as history."""

    form = OwnedForm
    list_select_related = ()
    object_history_template = "admin/versions.html"

    tenant_from: ClassVar[str] = ""
    """The field whose row a new one takes its tenant from; without it the tenant is chosen."""
    related: ClassVar[tuple[str, ...]] = ("organization",)
    """What lists show of other tables, read a table at a time: joins lead planners away from the index of the rows."""
    panels: ClassVar[tuple[str | Callable[[Any], object], ...]] = ()
    """What a row's page shows besides its fields: attributes, or `panel(row)`."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related(*self.related)

    @cached_property
    def resource(self) -> Any:
        return registry.for_model(self.model)

    @admin.display(description="Tenant")
    def tenant(self, row: Owned) -> str:
        return f"{row.organization} {row.mode}"

    def field_names(self, row: Any) -> Sequence[Any]:
        """Those of a row, or of a new one if it is None."""
        return self.fields or ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        chosen = () if self.tenant_from and not obj else ("organization", "mode")
        common = ("reference", "reference_origin", "metadata")
        return [
            *([(None, {"fields": self.panels})] if obj and self.panels else []),
            (None, {"fields": (*chosen, *self.field_names(obj))}),
            ("Reference and metadata", {"fields": common, "classes": ["collapse"]}),
            *([("Record", {"fields": _RECORD, "classes": ["collapse"]})] if obj else []),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        kept = ("organization", "mode", *self.panels, *_RECORD) if obj else ()
        return (*super().get_readonly_fields(request, obj), *kept)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.tenant_from = self.tenant_from
        for name in form.base_fields.keys() & set(self.resource.required):
            form.base_fields[name].required = True
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        _lock_related(obj, form.cleaned_data)
        write = self.resource.update if change else self.resource.create
        write(obj, by(request))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.resource.destroy(obj, by(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for row in chosen(queryset):
            try:
                self.resource.destroy(row, by(request))
            except DomainError as refusal:
                raise type(refusal)(f"{row}: {refusal.detail}") from refusal

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The rows themselves. What goes with them or stands in their way, their resource decides."""
        rows = at_most(objs)
        told = [link(page_of(row), self.farewell(row)) for row in rows]
        return told, {str(self.opts.verbose_name_plural): len(rows)}, set(), []

    def farewell(self, row: Any) -> str:
        """What is about to be deleted."""
        return str(row)

    def fire(self, trigger: str, request: HttpRequest, queryset: QuerySet) -> int:
        """A trigger of the resource, as its clients fire it, on the chosen rows; how many they were."""
        rows, who = chosen(queryset), by(request)
        for row in rows:
            self.resource.all_triggers[trigger].act(row, True, who)
            self.resource.update(row, who)
        return len(rows)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = super(Admin, self).get_object(request, unquote(object_id))
        if row is None:
            return missing(request, self.model)
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        versions = Version.objects.filter(resource_type=row.wire_type, resource_id=row.pk).order_by("-pk")
        page = self.get_paginator(request, versions, 50).get_page(request.GET.get(PAGE_VAR, 1))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Versions of {row}",
            "versions": [(version, told(version.who)) for version in page],
            "page": page,
            "module_name": str(self.opts.verbose_name_plural).capitalize(),
            "object": row,
            "opts": self.opts,
        }
        return TemplateResponse(request, self.object_history_template, context)


class FoundByPrefix(OwnedAdmin):
    """Searched by how a normalised column begins, which its index with the tenant answers."""

    column: ClassVar[str]
    normalise: ClassVar[Any]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        prefix = type(self).normalise(search_term)
        if not prefix:
            return queryset, False
        reach = {f"{self.column}__bytewise__gte": prefix, f"{self.column}__bytewise__lt": f"{prefix}\U0010ffff"}
        return queryset.filter(**every_tenant(), **reach), False


def resource_link(row: Activity) -> str:
    """To what something happened to."""
    text = f"{row.resource_type}/{ids.encode(row.resource_id)}"
    known = registry.get(row.resource_type)
    return link(page_of(known.model(pk=row.resource_id)), text) if known else text


def every_tenant() -> dict[str, Any]:
    """The condition that lets an index by tenant be used where no tenant is chosen."""
    return {"organization_id__in": list(Organization.objects.values_list("pk", flat=True)), "mode__in": Mode}


class FoundExactly(OwnedAdmin):
    """Searched by what the whole term may be, each answered by an index of its own."""

    finders: ClassVar[tuple[Callable[[str], QuerySet], ...]] = ()
    """`finder(term)`: the keys of the rows it finds."""

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        first, *others = [finder(term).order_by() for finder in self.finders]
        return queryset.filter(pk__in=first.union(*others)), False


class DisablingAdmin(OwnedAdmin):
    actions: Any = ("disable", "enable")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.message_user(request, f"{self.fire('_disable', request, queryset)} disabled.", messages.SUCCESS)

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.message_user(request, f"{self.fire('_enable', request, queryset)} enabled.", messages.SUCCESS)


class DetailedAdmin(OwnedAdmin):
    """Rows whose page tells more than their fields, and does to one row what the list does to those chosen."""

    change_form_template = "admin/detailed.html"
    sections: ClassVar[tuple[Callable[[Any], SafeString], ...]] = ()
    """What a page shows below the fields, under the heading that is the function's description: `section(row)`."""

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether actions may be taken, also on rows that nobody edits."""
        return request.user.has_perm(f"{self.opts.app_label}.{get_permission_codename('change', self.opts)}")  # type: ignore[union-attr]

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            actions: Any = self.get_actions(request).values()
            offered = [(name, told) for _, name, told in actions if name != "delete_selected"]
            shown = [(section.short_description, section(obj)) for section in self.sections]  # type: ignore[attr-defined]
            unnamed = [name for name, _ in self.get_fieldsets(request, obj) if name is None]
            context |= {"offered": offered, "sections": shown, "shown_after": len(unnamed)}
            context["acting_at"] = list_of(self.model, tenant=tenant_choice(obj))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def act(self, request: HttpRequest, queryset: QuerySet, step: Callable[[Any, changes.By], Any], told: str) -> None:
        """Does it to every chosen row, or to none where one refuses."""
        rows, who = chosen(queryset), by(request)
        for row in rows:
            try:
                step(row, who)
            except REFUSALS as refusal:
                raise refused(row, refusal) from refusal
        self.message_user(request, f"{len(rows)} {told}.", messages.SUCCESS)

    def confirmation(self, request: HttpRequest, queryset: QuerySet, title: str, warning: str) -> HttpResponse | None:
        """The page that asks whether the action is meant; None once it was."""
        if "confirmed" in request.POST:
            return None
        asked_on = request.POST.get("asked_on", "")
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "warning": warning,
            "opts": self.opts,
            "rows": [(row.pk, link(page_of(row), self.farewell(row))) for row in at_most(queryset)],
            "action": request.POST["action"],
            "asked_on": asked_on,
            "back_url": page_of(self.model(pk=asked_on)) if asked_on else request.get_full_path(),
        }
        return TemplateResponse(request, "admin/confirmation.html", context)

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """Back to the page it was asked on, if that is a row's."""
        answer = super().response_action(request, queryset)
        asked_on = request.POST.get("asked_on")
        if asked_on and (answer is None or answer.status_code == 302):
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", asked_on)
        return answer


class ReadOnlyAdmin(OwnedAdmin):
    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """No resource has to be asked what it requires; some rows have none."""
        return super(OwnedAdmin, self).get_form(request, obj, change=change, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PartAdmin(ReadOnlyAdmin):
    """Rows that are reached from what they are part of; no table of contents lists them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False


_RECORD = ("public_id", "created_at", "updated_at", "revision")


def at_most(rows: Any) -> list[Any]:
    """The rows. Raises ValidationError where they are too many to be dealt with one by one."""
    found = list(rows[: MOST_AT_ONCE + 1])
    if len(found) > MOST_AT_ONCE:
        raise ValidationError(f"Select at most {MOST_AT_ONCE:,} at once.")
    return found


def chosen(queryset: QuerySet) -> list[Any]:
    """The rows an action is about, locked. What a list is filtered by may make it DISTINCT, which cannot be locked."""
    rows = queryset.model._default_manager.filter(pk__in=queryset.order_by().values("pk"))
    return at_most(rows.order_by("pk").select_for_update(of=("self",)))


def _lock_related(row: Owned, values: dict[str, Any]) -> None:
    """Keeps what `row` is made to refer to from being deleted or moved meanwhile."""
    for name, related in values.items():
        if isinstance(related, Owned):
            locked = type(related)._base_manager.filter(pk=related.pk).select_for_update(no_key=True).first()
            if locked is None:
                raise ValidationError({name: "was deleted meanwhile."})
            setattr(row, name, locked)


def missing(request: HttpRequest, model: type[models.Model]) -> HttpResponse:
    messages.warning(request, f"This {model._meta.verbose_name} does not exist; perhaps it was deleted.")
    return redirect("admin:index")


def form_page(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    form: Any,
    title: str,
    back_to: models.Model,
    submit: str,
) -> HttpResponse:
    """A page of one form that belongs to a row, in the looks of the admin."""
    sections = [(None, {"fields": list(form.fields)})]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": back_to._meta,
        "back_to": back_to,
        "back_url": page_of(back_to),
        "adminform": AdminForm(form, sections, {}),
        "media": model_admin.media + form.media,
        "submit": submit,
    }
    return TemplateResponse(request, "admin/form_page.html", context)


# --- Organizations and access ---------------------------------------------------------------------


@admin.register(Organization)
class OrganizationAdmin(Admin):
    """Organizations belong to no tenant, so they have no versions; they are never deleted here."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")
    ordering = ("slug",)
    fixed = ("slug",)
    fieldsets = (
        (None, {"fields": ("slug", "name", "support_phone", "support_email")}),
        ("Looks", {"fields": ("logo_url", "favicon_url", "primary_color", "gtm_id", "gtm_id_test")}),
        ("Settings", {"fields": ("settings", "config")}),
        ("Reference and metadata", {"fields": ("reference", "reference_origin", "metadata"), "classes": ["collapse"]}),
    )

    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:
        obj.updated_at = clock.now()
        if change:
            obj.revision += 1
        else:
            obj.created_at = obj.updated_at
        obj.save()
        auth.snapshot.forget()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ApplicationForm(OwnedForm):
    def prepare(self) -> None:
        super().prepare()
        if self.instance._state.adding:
            public = self.cleaned_data["kind"] == Application.Kind.SALES_CHANNEL
            self.instance.client_type = Application.CLIENT_PUBLIC if public else Application.CLIENT_CONFIDENTIAL
            self.instance.authorization_grant_type = Application.GRANT_CLIENT_CREDENTIALS


class RoleField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj} ({obj.organization})"


@admin.display(description="API keys")
def api_keys_of(application: Application) -> SafeString:
    rows = (
        (
            format_html("<code>…{}</code>", key.ending),
            moment(key.created_at),
            moment(key.revoked_at) or link(page_of(key, "revoke"), "Revoke"),
        )
        for key in application.api_keys.order_by("-pk")
    )
    made = "None." if application.is_public else "None; manage.py create_api_key makes one."
    return table(("Ending", "Created (UTC)", "Revoked (UTC)"), rows, empty=made)


@admin.register(Application)
class ApplicationAdmin(DetailedAdmin):
    """The secret is made here, shown once, and kept as a hash."""

    form = ApplicationForm
    list_display = ("name", "client_id", "kind", "role", "tenant", "created_at")
    list_filter = (TenantFilter, "kind")
    related = ("organization", "role")
    search_fields = ("name", "client_id__startswith")
    fields = ("name", "kind", "role", "scopes", "redirect_uris", "token_lifetime")
    fixed = ("kind",)
    panels = ("client_id",)
    sections = (api_keys_of,)
    view_on_site = False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("revoke/<int:key_id>/", view, name="commerce_apikey_revoke"), *super().get_urls()]

    def revoke_view(self, request: HttpRequest, key_id: int) -> HttpResponse:
        """Asks whether it is meant, and then ends the key at once."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        with changes.atomic():
            key = ApiKey.objects.select_for_update().filter(pk=key_id, revoked_at=None).first()
            if key is None:
                return missing(request, ApiKey)
            if request.method != "POST":
                title = f"Revoke the API key of {key.application} that ends in {key.ending}"
                return form_page(self, request, forms.Form(), title, key.application, "Revoke")
            auth.revoke_api_key(key, by(request))
        self.message_user(request, f"The API key that ends in {key.ending} is revoked.", messages.SUCCESS)
        return redirect(page_of(key.application))

    def save_model(self, request: HttpRequest, obj: Application, form: Any, change: bool) -> None:
        secret = obj.client_secret
        super().save_model(request, obj, form, change)
        if not change:
            text = "The client id is {}, the client secret {}. The secret is not shown again."
            shown = [format_html("<code>{}</code>", value) for value in (obj.client_id, secret)]
            self.message_user(request, format_html(text, *shown), messages.WARNING)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "role":
            roles = Role.objects.select_related("organization").order_by("organization__slug", "name")
            told = "Without a role everything is allowed."
            kwargs |= {"form_class": RoleField, "queryset": roles, "help_text": told}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(Role)
class RoleAdmin(Admin):
    """A role belongs to an organization in both its modes, so it has no versions."""

    list_display = ("name", "organization")
    list_select_related = ("organization",)
    list_filter = ("organization",)
    search_fields = ("name",)
    fields = ("organization", "name", "permissions")
    fixed = ("organization",)


# --- What happened --------------------------------------------------------------------------------


class ActivityAdmin(ReadOnlyAdmin):
    """Rows are found by the public id of what they are about, alone or after its type: `coupons/kXbQzPqRsT`."""

    list_filter = (TenantFilter, ResourceTypeFilter)
    search_fields = ("resource_id",)
    search_help_text = "The public id of a resource."
    sortable_by = ()

    @admin.display(description="Resource")
    def resource_link(self, row: Any) -> str:
        return resource_link(row)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        if not search_term.strip():
            return queryset, False
        named, _, public_id = search_term.strip().rpartition("/")
        types: Iterable[str] = [named] if named else [resource.type for resource in registry]
        return queryset.filter(resource_type__in=types, resource_id=ids.decode(public_id) or 0), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.fields})]


@admin.register(Version)
class VersionAdmin(ActivityAdmin):
    list_display = ("created_at", "event", "resource_link", "who_told", "tenant")
    fields = ("created_at", "organization", "mode", "resource_link", "event", "who_told", "changes")

    @admin.display(description="Who")
    def who_told(self, row: Version) -> str:
        return told(row.who)


@admin.register(Event)
class EventAdmin(ActivityAdmin):
    list_display = ("created_at", "name", "resource_link", "tenant")
    fields = ("created_at", "organization", "mode", "resource_link", "name")
