"""The five operations on coupons."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework.request import Request

from commerce.codes import normalise_code
from commerce.errors import Forbidden
from coupons import definitions, redefining
from coupons.dialects.entry import Problem
from coupons.dialects.rebilly import coupons, ulids
from coupons.dialects.rebilly.frame import LONGEST_ID, RebillyView, checked_id
from coupons.models import Coupon
from promotions.models import PROMOTION_KINDS


class CouponsView(RebillyView):
    wire_names = {
        "code": "id",
        "starts_at": "issuedTime",
        "expires_at": "expiredTime",
        "percentage": "discount.value",
        "fixed_amount_cents": "discount.amount",
        "currency_code": "discount.currency",
    }

    def found(self, id: str) -> Coupon | None:
        return definitions.with_code(self.tenant, normalise_code(id)) if "\0" not in id else None

    def visible(self, id: str) -> Coupon:
        """Raises Http404 for those that the dialect has no words for, too."""
        coupon = self.found(id)
        if coupon is None or coupon.promotion_rule.promotion.kind not in coupons.KINDS:
            raise Http404
        return coupon

    def told(self, coupon: Coupon) -> dict[str, Any]:
        """As it is stored. Raises Http404 where it is so no longer."""
        row = get_object_or_404(coupons.visible(self.tenant, self.now), pk=coupon.pk)
        return coupons.documents([row], self.link)[0]

    def announced(self, before: dict[str, Any] | None, coupon: Coupon, *names: str) -> dict[str, Any]:
        """As it is stored, once the events tell of it."""
        document = self.told(coupon)
        coupons.announce((*names, *coupons.turns(before, document)), coupon, document, self.by)
        return document

    def create(self, id: str, sent: dict[str, Any]) -> dict[str, Any]:
        promotion = PROMOTION_KINDS[sent["discount"]["kind"]](**self.tenant._asdict())
        self.permit("create", promotion.wire_type)
        coupon = Coupon(code=id, **self.tenant._asdict())
        coupon.code_lengths = (1, LONGEST_ID)
        coupons.define(coupon, promotion, sent)
        coupon.promotion_rule = definitions.define(promotion, self.by)
        definitions.create_only_coupon(coupon, self.by)
        return self.announced(None, coupon)


class Coupons(CouponsView):
    needs = {"GET": ("list", "coupons"), "POST": ("create", "coupons")}

    def get(self, request: Request, **kwargs: Any) -> HttpResponse:
        return self.listed(coupons.collection(self.tenant, self.now), lambda rows: coupons.documents(rows, self.link))

    def post(self, request: Request, **kwargs: Any) -> HttpResponse:
        sent = coupons.read(self.document)
        document = self.written(lambda: self.create(f"cpn_{ulids.new(self.now)}", sent))
        return self.created(document, self.link("coupons", document["id"]))


class OneCoupon(CouponsView):
    needs = {"GET": ("retrieve", "coupons"), "PUT": ("update", "coupons")}

    def get(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        return self.answered(self.told(self.visible(id)))

    def put(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        sent = coupons.read(self.document)
        try:
            is_new, document = self.written(lambda: self._put(id, sent))
        except ModelValidationError as refused:
            if "code" not in refused.message_dict:
                raise
            # Somebody else created it meanwhile.
            is_new, document = self.written(lambda: self._put(id, sent))
        if is_new:
            return self.created(document, self.link("coupons", document["id"]))
        return self.answered(document)

    def _put(self, id: str, sent: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        coupon = self.found(id)
        if coupon is None:
            self.permit("create", "coupons")
            return True, self.create(checked_id(id), sent)
        return False, self._redefine(redefining.locked(coupon), sent)

    def _redefine(self, coupon: Coupon, sent: dict[str, Any]) -> dict[str, Any]:
        promotion = coupon.promotion_rule.promotion
        self.permit("update", promotion.wire_type)
        if not coupons.is_expressible(coupon):
            raise Forbidden("There is more to this coupon than can be said here.")
        before = self.told(coupon)
        coupons.define(coupon, promotion, sent)
        if not redefining.redefine(coupon, self.by):
            return before
        return self.announced(before, coupon, "coupon-modified")


class Expiration(CouponsView):
    needs = {"POST": ("update", "coupons")}

    def post(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        at = coupons.read_expiration(self.document) or self.now
        document = self.written(lambda: self._expire(redefining.locked(self.visible(id)), at))
        return self.created(document, self.link("coupons", document["id"]))

    def _expire(self, coupon: Coupon, at: datetime) -> dict[str, Any]:
        before = self.told(coupon)
        if not redefining.expire(coupon, at, self.by):
            return before
        return self.announced(before, coupon, "coupon-expiration-modified")

    def told_besides(self, problem: Problem) -> dict[str, Any]:
        """What older errors tell, of which this operation still is."""
        return {"error": problem.detail} if problem.status == 409 else {}
