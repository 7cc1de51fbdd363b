"""Codes of coupons in the ticketing dialect: listed, added, generated, exported, changed and deleted."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from commerce.codes import normalise_code
from coupons import bulk, definitions, upkeep
from coupons.code_files import Row, as_csv
from coupons.codes import Pattern
from coupons.dialects.entry import Problem
from coupons.dialects.ticketing import guids
from coupons.dialects.ticketing.coupons import CouponView, known
from coupons.dialects.ticketing.fields import LONGEST_CODE, SHORTEST_CODE, Code, Form, Text, Whole
from coupons.dialects.ticketing.views import CHUNK, answer, chunked, columns, moment, nothing, streamed
from coupons.models import MOST_APPLICATIONS, balance
from coupons.models import Coupon as Stored
from promotions.models import CouponCodesPromotionRule, Promotion

MOST_GENERATED = 100_000
TRIES = 10
"""How often a code that is taken is drawn anew before it is left out."""
COUPONS = "coupons"

# --- What is told ---------------------------------------------------------------------------------

COLUMNS = ("pk", "code", "applies_to_count", "usage_limit", "usage_count", "used_amount_cents", "expires_at")


class Telling:
    """The codes of one coupon as they are told."""

    def __init__(self, promotion: Promotion, company_id: str) -> None:
        self.promotion = promotion
        self.common = {"company_id": company_id, "coupon_guid": guids.encode("coupon", promotion.pk)}

    def row(self, coupon: Stored) -> dict[str, Any]:
        return self.values([getattr(coupon, name) for name in COLUMNS])

    def values(self, values: Any) -> dict[str, Any]:
        key, code, applies_to_count, usage_limit, usage_count, used_amount, expires_at = values
        return {
            "guid": guids.encode("code", key),
            **self.common,
            "code": code,
            "applies_to_count": applies_to_count,
            "usage_count": usage_limit,
            "used_count": usage_count,
            "used_amount": used_amount,
            "remaining": balance(used_amount, self.promotion.declining_balance, self.promotion.fixed_amount_cents),
            "expires_at": moment(expires_at),
        }


# --- The forms ------------------------------------------------------------------------------------


class Limits(Form):
    """What a code may do."""

    applies_to_count = Whole(1, MOST_APPLICATIONS, required=False)
    usage_count = Whole(0, required=False)


class OneCode(Limits):
    code = Code()


class NewCodes(Limits):
    codes = serializers.ListField(child=OneCode(), allow_empty=False)


class GivenCode(Form):
    code = Text(default="", allow_blank=True)


class GivenCodes(Form):
    codes = serializers.ListField(child=GivenCode(), allow_empty=False)


class Generation(Limits):
    """`length` random symbols after the prefix."""

    count = Whole(1, MOST_GENERATED)
    length = Whole(1, LONGEST_CODE, default=12)
    prefix = Text(max_length=LONGEST_CODE, default="", allow_blank=True, trim_whitespace=False)

    def validate(self, given: Any) -> Any:
        if len(normalise_code(given["prefix"])) + given["length"] < SHORTEST_CODE:
            problem = f"with prefix is too short (minimum is {SHORTEST_CODE} characters without white space)"
            raise serializers.ValidationError({"length": problem})
        return given


NAMES = {"code": "code", "applies_to_count": "applies_to_count", "usage_count": "usage_limit"}


def defaults() -> dict[str, Any]:
    return {"applies_to_count": 1, "usage_count": settings.TICKETING_USAGE_COUNT}


# --- The views ------------------------------------------------------------------------------------


class CodesView(CouponView):
    def rule(self, promotion: Promotion) -> CouponCodesPromotionRule:
        rules = CouponCodesPromotionRule.objects.owned_by(self.tenant)
        rule: CouponCodesPromotionRule = rules.get(promotion=promotion)
        return rule

    def rows(self, promotion: Promotion) -> Any:
        return Stored.objects.owned_by(self.tenant).filter(promotion_rule=self.rule(promotion)).order_by("pk")

    def telling(self, promotion: Promotion) -> Telling:
        return Telling(promotion, self.company_id)

    def form(self, form: Any) -> Any:
        form.is_valid(raise_exception=True)
        return form.validated_data


class Codes(CodesView):
    def get(self, request: Request, coupon: str) -> HttpResponseBase:
        self.permit("list", COUPONS)
        promotion = self.coupon(coupon)
        return streamed(self.rows(promotion).values_list(*COLUMNS), self.telling(promotion).values)

    def put(self, request: Request, coupon: str) -> HttpResponse:
        self.permit("create", COUPONS)
        promotion = self.coupon(coupon, changing=True)
        given = self.form(NewCodes(data=self.document))
        common = defaults() | {name: given[name] for name in Limits().fields if name in given}
        codes = [common | one for one in given["codes"]]
        try:
            batch = definitions.create_only_coupons(self.tenant, _rows(codes, self.rule(promotion).pk), self.by)
        except definitions.CodesTaken as taken:
            fields = [(f"codes.{place}.code", "has already been taken") for place in taken.lines]
            raise Problem(409, taken.detail, fields) from None
        made = {row[1]: row for row in self.rows(promotion).filter(batch=batch).values_list(*COLUMNS)}
        telling = self.telling(promotion)
        return answer([telling.values(made[one["code"]]) for one in codes])

    def post(self, request: Request, coupon: str) -> HttpResponse:
        self.permit("create", COUPONS)
        promotion = self.coupon(coupon, changing=True)
        given = defaults() | self.form(Generation(data=self.document))
        spec = bulk.Spec(
            count=given["count"],
            pattern=Pattern(given["length"], given["prefix"]),
            usage_limit=given["usage_count"],
            applies_to_count=given["applies_to_count"],
            only_code=True,
            lengths=(SHORTEST_CODE, LONGEST_CODE),
            tries=TRIES,
        )
        bulk.generate(self.rule(promotion), spec, self.by)
        return nothing()

    def delete(self, request: Request, coupon: str) -> HttpResponse:
        """Those that the body names, all or none; a coupon that loses its last code is disabled."""
        self.permit("destroy", COUPONS)
        self.written(lambda: self._delete(coupon))
        return nothing()

    def _delete(self, guid: str) -> None:
        promotion = self.coupon(guid, changing=True)
        given = self.form(GivenCodes(data=self.document))
        norms = [normalise_code(one["code"]) for one in given["codes"]]
        rows = self.rows(promotion).filter(code_norm__among=sorted(set(norms)))
        found = set(rows.values_list("code_norm", flat=True))
        missing = [(f"codes.{place}.code", "must exist") for place, norm in enumerate(norms) if norm not in found]
        if missing:
            raise Problem(self.invalid_status, "There are no such codes.", missing)
        upkeep.delete_coupons(self.rule(promotion), rows, self.by)


def _rows(codes: Any, rule: int) -> Iterator[Row]:
    """The place of a code is its line."""
    for place, one in enumerate(codes):
        yield Row(
            line=place,
            code=one["code"],
            code_norm=normalise_code(one["code"]),
            promotion_rule_id=rule,
            usage_limit=one["usage_count"],
            applies_to_count=one["applies_to_count"],
        )


class Export(CodesView):
    def get(self, request: Request, coupon: str) -> HttpResponseBase:
        """CSV, streamed, with the members that codes have as its columns."""
        self.permit("list", COUPONS)
        promotion = self.coupon(coupon)
        telling = self.telling(promotion)
        chunks = chunked(as_csv(_table(telling, self.rows(promotion).values_list(*COLUMNS).iterator(CHUNK))))
        first = next(chunks)
        disposition = {"Content-Disposition": f'attachment; filename="{telling.common["coupon_guid"]}.csv"'}
        text = map("".join, chain([first], chunks))
        return StreamingHttpResponse(text, content_type="text/csv; charset=utf-8", headers=disposition)


EXPORTED = ("guid", "code", "applies_to_count", "usage_count", "used_count", "used_amount", "remaining", "expires_at")


def _table(telling: Telling, rows: Any) -> Iterator[Any]:
    yield EXPORTED
    for row in rows:
        told = telling.values(row)
        yield [told[name] for name in EXPORTED]


class OneCodeView(CodesView):
    def get(self, request: Request, code: str) -> HttpResponse:
        self.permit("retrieve", COUPONS)
        return self._told(self._code(code))

    def put(self, request: Request, code: str) -> HttpResponse:
        self.permit("update", COUPONS)
        return self.written(lambda: self._changed(code))

    def _changed(self, guid: str) -> HttpResponse:
        coupon = self._code(guid, changing=True)
        given = self.form(OneCode(data=self.document, partial=True))
        for column, value in columns(given, NAMES):
            setattr(coupon, column, value)
        coupon.code_lengths = (SHORTEST_CODE, LONGEST_CODE)
        upkeep.update_coupon(coupon, self.by)
        return self._told(coupon)

    def delete(self, request: Request, code: str) -> HttpResponse:
        self.permit("destroy", COUPONS)
        self.written(lambda: upkeep.delete_coupon(self._code(code, changing=True), self.by))
        return nothing()

    def _code(self, guid: str, *, changing: bool = False) -> Stored:
        rows = Stored.objects.filter(promotion_rule__promotion__in=known().owned_by(self.tenant))
        rows = rows.select_related("promotion_rule__promotion")
        coupon: Stored = self.found(rows, "code", guid, lock=changing)
        if changing:
            coupon.promotion_rule.promotion.check_not_archived()
        return coupon

    def _told(self, coupon: Stored) -> HttpResponse:
        return answer(self.telling(coupon.promotion_rule.promotion).row(coupon))
