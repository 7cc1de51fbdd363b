"""Coupons of the ticketing dialect: promotions that are opened by codes, in the four types that it knows."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request

from commerce.models import PriceList, Tenant
from commerce.money import validate_currency_code
from coupons import currencies, definitions, upkeep
from coupons.dialects.ticketing import guids
from coupons.dialects.ticketing.fields import Choice, Form, Moment, Percentage, Text, Whole, is_number
from coupons.dialects.ticketing.views import TicketingView, answer, columns, moment, nothing, streamed, whole_or_exact
from promotions.models import (
    ALWAYS,
    LONGEST_TEXT,
    NEVER,
    CouponCodesPromotionRule,
    FixedAmountPromotion,
    FixedPricePromotion,
    PercentageDiscountPromotion,
    Promotion,
)

CHEQUE, FIXED_DISCOUNT, PERCENTAGE_DISCOUNT, NEW_PRICE = TYPES = (
    "cheque",
    "fixed-discount",
    "percentage-discount",
    "new-price",
)
KINDS: Mapping[str, tuple[type[Promotion], Mapping[str, bool]]] = {
    CHEQUE: (FixedAmountPromotion, {"declining_balance": True}),
    FIXED_DISCOUNT: (FixedAmountPromotion, {}),
    PERCENTAGE_DISCOUNT: (PercentageDiscountPromotion, {}),
    NEW_PRICE: (FixedPricePromotion, {"whole_order": True}),
}
"""Type -> the promotion that it is, and how it is made."""
ENABLED, DISABLED = "enabled", "disabled"
RULES = "coupon_codes_promotion_rules"


def known() -> Any:
    """The promotions that are coupons here, whichever API made them."""
    kinds = {model.KIND for model, _ in KINDS.values()}
    return Promotion.objects.filter(kind__in=kinds, promotion_rules__kind=CouponCodesPromotionRule.KIND)


def type_of(promotion: Promotion) -> str:
    if promotion.kind == FixedAmountPromotion.KIND:
        return CHEQUE if promotion.declining_balance else FIXED_DISCOUNT
    return PERCENTAGE_DISCOUNT if promotion.kind == PercentageDiscountPromotion.KIND else NEW_PRICE


def currency_of(tenant: Tenant) -> str:
    """That of all price lists, where they have one; the dialect knows none, and an organization may have many."""
    found = PriceList.objects.owned_by(tenant).order_by().values_list("currency_code", flat=True).distinct()[:2]
    return found[0] if len(found) == 1 else settings.TICKETING_CURRENCY


def told(promotion: Promotion, company_id: str) -> dict[str, Any]:
    is_percentage = promotion.kind == PercentageDiscountPromotion.KIND
    return {
        "guid": guids.encode("coupon", promotion.pk),
        "company_id": company_id,
        "name": promotion.name,
        "description": promotion.description,
        "note": promotion.note,
        "type": type_of(promotion),
        "status": DISABLED if promotion.disabled_at else ENABLED,
        "start_date": moment(promotion.starts_at if promotion.starts_at > ALWAYS else None),
        "end_date": moment(promotion.expires_at if promotion.expires_at < NEVER else None),
        "amount": whole_or_exact(promotion.percentage) if is_percentage else promotion.fixed_amount_cents,
        "currency": promotion.currency_code,
        "created_at": moment(promotion.created_at),
        "updated_at": moment(promotion.updated_at),
        "deleted_at": moment(promotion.archived_at),
    }


# --- The form -------------------------------------------------------------------------------------


class Amount(serializers.Field):
    """Cents, or a percentage, as the type has it."""

    def to_internal_value(self, data: Any) -> Any:
        form: Any = self.parent
        told_type = type_of(form.instance) if form.instance else form.initial_data.get("type")
        if told_type == PERCENTAGE_DISCOUNT:
            return Percentage().run_validation(data)
        if told_type in TYPES or not is_number(data):
            return Whole(0).run_validation(data)
        return data


class CouponForm(Form):
    """A new coupon, or with an instance what is changed of one."""

    name = Text(max_length=255)
    description = Text(max_length=LONGEST_TEXT, required=False, allow_null=True, allow_blank=True)
    note = Text(max_length=LONGEST_TEXT, required=False, allow_null=True, allow_blank=True)
    type = Choice(*TYPES)
    start_date = Moment(required=False, allow_null=True)
    end_date = Moment(required=False, allow_null=True)
    status = Choice(ENABLED, DISABLED, required=False)
    amount = Amount()
    currency = Text(required=False, validators=[validate_currency_code])

    def validate_type(self, given: str) -> str:
        if self.instance and given != type_of(self.instance):
            raise serializers.ValidationError("cannot be changed")
        return given


_COLUMNS = {"name": "name", "description": "description", "note": "note"}


def change(promotion: Promotion, form: Any, by: Any) -> None:
    """Sets what the form holds."""
    is_percentage = promotion.kind == PercentageDiscountPromotion.KIND
    names = _COLUMNS | {"amount": "percentage" if is_percentage else "fixed_amount_cents"}
    if form.get("currency") and not is_percentage:
        names["currency"] = "currency_code"
    for column, value in columns(form, names):
        setattr(promotion, column, value)
    if "start_date" in form:
        promotion.starts_at = form["start_date"] or ALWAYS
    if "end_date" in form:
        promotion.expires_at = form["end_date"] or NEVER
    if form.get("status") == DISABLED:
        promotion.disable(by.now)
    elif "status" in form:
        promotion.enable()


# --- The views ------------------------------------------------------------------------------------


class CouponView(TicketingView):
    def coupon(self, guid: str, *, lock: bool = False, changing: bool = False) -> Promotion:
        """Raises Http404, and Forbidden where one that is in the archive is to be changed."""
        promotion: Promotion = self.found(known(), "coupon", guid, lock=lock)
        if changing:
            promotion.check_not_archived()
        return promotion

    def coupon_told(self, promotion: Promotion) -> HttpResponse:
        return answer(told(promotion, self.company_id))


class Coupons(CouponView):
    def get(self, request: Request) -> HttpResponseBase:
        return self.listed("normal")

    def listed(self, which: str) -> HttpResponseBase:
        self.permit("list", "promotions")
        rows = known().owned_by(self.tenant).filter(**LISTS[which]).order_by("pk")
        return streamed(rows, partial(told, company_id=self.company_id))

    def post(self, request: Request) -> HttpResponse:
        self.permit("create", RULES)
        form = CouponForm(data=self.document)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        model, made = KINDS[given["type"]]
        self.permit("create", f"{model.KIND}_promotions")
        promotion = model(**self.tenant._asdict(), starts_at=ALWAYS, expires_at=NEVER, **made)
        if model is not PercentageDiscountPromotion:
            promotion.currency_code = currency_of(self.tenant)
        change(promotion, given, self.by)
        self.written(lambda: definitions.define(promotion, self.by))
        return self.coupon_told(promotion)


LISTS: Mapping[str, Mapping[str, bool]] = {
    "normal": {"archived_at__isnull": True},
    "0": {"archived_at__isnull": True},
    "1": {},
    "2": {"archived_at__isnull": False},
}
"""Which of the coupons are listed, by what is told in the path."""


class Coupon(Coupons):
    """One coupon by its GUID; or a list, where the path tells which instead."""

    http_method_names = ["get", "head", "put", "delete"]

    def get(self, request: Request, coupon: str) -> HttpResponseBase:  # type: ignore[override]
        if coupon in LISTS:
            return self.listed(coupon)
        promotion = self.coupon(coupon)
        self.permit("retrieve", promotion.wire_type)
        return self.coupon_told(promotion)

    def put(self, request: Request, coupon: str) -> HttpResponse:
        return self.written(lambda: self._changed(coupon))

    def _changed(self, guid: str) -> HttpResponse:
        promotion = self.coupon(guid, lock=True, changing=True)
        self.permit("update", promotion.wire_type)
        form = CouponForm(promotion, data=self.document, partial=True)
        form.is_valid(raise_exception=True)
        change(promotion, form.validated_data, self.by)
        currencies.check_kept(promotion)
        upkeep.update_promotion(promotion, self.by)
        return self.coupon_told(promotion)

    def delete(self, request: Request, coupon: str) -> HttpResponse:
        self.written(lambda: self._archive(coupon))
        return nothing()

    def _archive(self, guid: str) -> None:
        promotion = self.coupon(guid, lock=True)
        self.permit("destroy", promotion.wire_type)
        promotion.archive(self.now)
        upkeep.update_promotion(promotion, self.by)


class Restored(CouponView):
    def put(self, request: Request, coupon: str) -> HttpResponse:
        return self.written(lambda: self._restored(coupon))

    patch = put

    def _restored(self, guid: str) -> HttpResponse:
        promotion = self.coupon(guid, lock=True)
        self.permit("update", promotion.wire_type)
        promotion.restore()
        upkeep.update_promotion(promotion, self.by)
        return self.coupon_told(promotion)
