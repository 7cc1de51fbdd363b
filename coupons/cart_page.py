"""The admin's "Try a cart": what POST /api/evaluations answers, for staff to read."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from commerce.admin import by
from commerce.jsonapi.errors import ApiError
from commerce.jsonapi.parser import ResourceDocument
from commerce.models import Mode, Organization, Tenant
from commerce.money import MAX_CENTS
from coupons import pricing
from coupons.answers import answer
from coupons.carts import CartReader

MOST_DIGITS = len(str(MAX_CENTS))
NAMED = ("market_code", "currency_code", "customer_email", "customer_reference", "country_code")


class CartForm(forms.Form):
    organization = forms.ModelChoiceField(Organization.objects.order_by("slug"), empty_label=None)
    mode = forms.ChoiceField(choices=Mode.choices)
    market_code = forms.CharField(required=False, help_text="Says currency and prices.")
    currency_code = forms.CharField(required=False, max_length=3, help_text="Needed without a market.")
    customer_email = forms.CharField(required=False)
    customer_reference = forms.CharField(required=False, help_text="What the customer is called elsewhere.")
    country_code = forms.CharField(required=False, max_length=2, help_text="Where the order goes, such as IT.")
    line_items = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 5, "cols": 60}),
        help_text="A line each: the code of a SKU, how many, and the cents of one where the market has no price. "
        "SHIRT 2 1999",
    )
    shipping = forms.IntegerField(required=False, min_value=0, help_text="Cents.")
    coupon_codes = forms.CharField(required=False, help_text="Separated by spaces or commas.")

    def clean_line_items(self) -> list[dict[str, Any]]:
        return [self._line(text) for text in self.cleaned_data["line_items"].splitlines() if text.strip()]

    def _line(self, text: str) -> dict[str, Any]:
        code, *numbers = text.split()
        if len(numbers) > 2 or not all(number.isdecimal() and len(number) <= MOST_DIGITS for number in numbers):
            raise ValidationError(f"{text.strip()}: write a code, how many and the cents of one")
        amounts = [int(number) for number in numbers]
        named = {"sku_code": code} if len(amounts) < 2 else {"code": code, "unit_amount_cents": amounts[1]}
        return {**named, "quantity": amounts[0] if amounts else 1}

    def attributes(self) -> dict[str, Any]:
        """The cart as the API takes it."""
        given = self.cleaned_data
        shipping = given["shipping"]
        named = {name: given[name] for name in NAMED if given[name]}
        return {
            **named,
            "line_items": given["line_items"],
            "shipments": [] if shipping is None else [{"cost_amount_cents": shipping}],
            "coupon_codes": given["coupon_codes"].replace(",", " ").split(),
        }


def try_a_cart(request: HttpRequest) -> HttpResponse:
    """Nothing is stored; services behind external promotions are asked."""
    if not request.user.has_perm("promotions.view_promotion"):  # type: ignore[union-attr]
        raise PermissionDenied
    form = CartForm(request.POST or None, initial={"line_items": "", "currency_code": "EUR"})
    evaluated = _evaluated(request, form) if form.is_valid() else None
    context = {**admin.site.each_context(request), "title": "Try a cart", "form": form, "evaluation": evaluated}
    return TemplateResponse(request, "admin/try_a_cart.html", context)


def _evaluated(request: HttpRequest, form: CartForm) -> dict[str, Any] | None:
    """The attributes of the answer; None where the form now says what is wrong with the cart."""
    organization = form.cleaned_data["organization"]
    tenant = Tenant(organization.pk, form.cleaned_data["mode"])
    try:
        cart = CartReader(ResourceDocument("evaluations", None, form.attributes()), tenant).read()
    except ApiError as refusal:
        for problem in refusal.problems:
            form.add_error(None, problem.detail)
        return None
    return answer(cart, pricing.evaluate(cart, organization, by(request), explain=True))
