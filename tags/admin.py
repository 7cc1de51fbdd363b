"""Tags, and the tags of what carries any on their pages."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from commerce import changes
from commerce.admin import (
    REFUSALS,
    OwnedAdmin,
    TenantFilter,
    add_refusal,
    by,
    chosen,
    form_page,
    link,
    missing,
    page_of,
)
from commerce.api import registry
from commerce.catalog_admin import BundleAdmin, SkuAdmin, SkuOptionAdmin
from commerce.customers_admin import AddressAdmin, CustomerAdmin, ShippingMethodAdmin
from commerce.gift_cards_admin import GiftCardAdmin
from commerce.jsonapi.writing import REPLACE
from commerce.orders_admin import LineItemAdmin, LineItemOptionAdmin, OrderAdmin, ShipmentAdmin
from coupons.admin import CouponAdmin
from promotions.admin import PromotionAdmin
from tags.models import Tag
from tags.tagging import change_tags


class NamesForm(forms.Form):
    names = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Names of tags of the same organization and mode, separated by commas.",
    )


@admin.register(Tag)
class TagAdmin(OwnedAdmin):
    list_display = ("name", "tenant", "created_at")
    list_filter = (TenantFilter,)
    search_fields = ("name__startswith",)
    fields = ("name",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.tag_view)
        return [path("of/<str:type>/<int:key>/", view, name="tags_tag_of"), *super().get_urls()]

    def tag_view(self, request: HttpRequest, type: str, key: int) -> HttpResponse:
        """Replaces the tags of one row."""
        resource = registry.get(type)
        if resource is None or "tags" not in resource.relations:
            raise Http404
        if not request.user.has_perm(_permission_to_change(resource.model)):
            raise PermissionDenied
        row = resource.model.objects.select_related("organization").filter(pk=key).first()
        if row is None:
            return missing(request, resource.model)
        form = NamesForm(request.POST or None, initial={"names": ", ".join(_names(row))})
        if request.method == "POST" and form.is_valid() and _retag(row, form, by(request)):
            self.message_user(request, f"Tags of {row} saved.", messages.SUCCESS)
            return redirect(page_of(row))
        return form_page(self, request, form, f"Tags of {row}", row, "Save")


def _retag(row: Any, form: NamesForm, who: changes.By) -> bool:
    try:
        with changes.atomic():
            chosen(type(row).objects.filter(pk=row.pk))
            change_tags(row, _named(row, form.cleaned_data["names"]), REPLACE, who)
    except REFUSALS as refusal:
        add_refusal(form, refusal)
    return not form.errors


def _named(row: Any, names: str) -> list[Tag]:
    """Unlike the API's triggers this refuses a name that is no tag: whoever types it can see that."""
    wanted = {name.strip() for name in names.split(",")} - {""}
    known = Tag.objects.owned_by(row.tenant).filter(name__in=wanted)
    tags = list(known.select_for_update(no_key=True).order_by("pk"))
    if missing := wanted - {tag.name for tag in tags}:
        raise ValidationError({"names": f"There is no tag {', '.join(sorted(missing))}."})
    return tags


def _names(row: Any) -> list[str]:
    return list(row.tags.order_by("name").values_list("name", flat=True))


def _permission_to_change(model: Any) -> str:
    return f"{model._meta.app_label}.change_{model._meta.model_name}"


@admin.display(description="Tags")
def tags_of(row: Any) -> SafeString:
    change = link(reverse("admin:tags_tag_of", args=[row.wire_type, row.pk]), "change")
    return format_html("{} ({})", ", ".join(_names(row)) or "none", change)


TAGGED: tuple[type[OwnedAdmin], ...] = (
    CouponAdmin,
    PromotionAdmin,
    SkuAdmin,
    SkuOptionAdmin,
    BundleAdmin,
    CustomerAdmin,
    AddressAdmin,
    ShippingMethodAdmin,
    OrderAdmin,
    LineItemAdmin,
    LineItemOptionAdmin,
    ShipmentAdmin,
    GiftCardAdmin,
)
for pages in TAGGED:
    pages.panels = (*pages.panels, tags_of)
