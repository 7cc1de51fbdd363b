"""What a cart or an order would come to, or came to, and why what did not apply did not; beyond the contract.

`POST /api/evaluations` is a dry run of a cart, or of an order and codes to try: nothing is stored, reserved or counted.
`GET /api/orders/{id}/evaluation` tells what the last refresh of the order found. Staff and integrations are told every
reason; a shopper is told of each of its codes whether it works and no more, since whoever can ask why can guess codes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from commerce import clock, permissions
from commerce.api import ApiView, Resource, registry
from commerce.jsonapi import parser
from commerce.jsonapi.errors import ApiError, invalid, not_found
from commerce.jsonapi.parser import pointer_to
from commerce.jsonapi.renderer import dump, response
from commerce.models import Order
from coupons import answers, pricing
from coupons.carts import CartReader, codes_of
from coupons.models import OrderEvaluation
from promotions import rule_checks
from promotions.carts import Cart
from promotions.engine.types import Evaluation
from promotions.models import FlexPromotion


class Evaluations(Resource):
    """Not in the registry, for it has no rows: it names the type and its permission."""

    type = "evaluations"
    actions = ("create",)


class EvaluationView(ApiView):
    resource = Evaluations(registry)

    def create(self, request: Request) -> HttpResponse:
        self.authorize("create", self.resource)
        self.query(request, None, frozenset())
        body = self.body(request)
        document = parser.resource_document(body)
        self.check_type(document)
        self.check_guesses()
        cart = self.cart(document)
        evaluation = pricing.evaluate(cart, self.organization, self.by, explain=not self.caller.is_shopper)
        self.count_guesses(evaluation)
        told = answers.answer(cart, evaluation, pricing.told_id(cart))
        number = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20]
        return self.told(request, number, told)

    def cart(self, document: parser.ResourceDocument) -> Cart:
        """That of the document, or of the order it names, with the codes to be tried in place of the order's own."""
        linkage = document.relationships.get("order")
        if not isinstance(linkage, parser.Identifier):
            return CartReader(document, self.reach, self.caller.market_ids).read()
        order = self.order(linkage.id)
        if order is None or linkage.type != "orders":
            raise ApiError([invalid(pointer_to("relationships", "order"), "order", "must exist", "invalid")])
        codes = codes_of(document)
        cart = pricing.whole_cart(order)
        return cart if codes is None else replace(cart, coupon_codes=codes)

    def of_order(self, request: Request, id: str) -> HttpResponse:
        self.authorize("retrieve", registry["orders"])
        self.query(request, None, frozenset())
        kept = OrderEvaluation.objects.filter(order=self.order(id) or 0).first()
        if kept is None:
            raise not_found()
        return self.told(request, id, {**kept.document, "evaluated_at": clock.wire(kept.evaluated_at)})

    def check_rules(self, request: Request, id: str, order_id: str) -> HttpResponse:
        """What the rules of a flex promotion find in an order: as `POST /api/rules/check` answers for one payload."""
        for resource in (registry["flex_promotions"], registry["orders"]):
            self.authorize("retrieve", resource)
        self.query(request, None, frozenset())
        flex = FlexPromotion.objects.owned_by(self.tenant).filter(pk=self.resource.decode_id(id) or 0).first()
        order = self.order(order_id)
        if flex is None or order is None:
            raise not_found()
        found = pricing.rule_outcomes(flex, order, self.by)
        return response(dump({"data": [rule_checks.told(found)]}))

    def order(self, public_id: str) -> Order | None:
        reached = permissions.within(self.reach, "orders", Order.objects.owned_by(self.tenant))
        order: Order | None = reached.filter(pk=registry["orders"].decode_id(public_id) or 0).first()
        return order

    def told(self, request: Request, id: str, attributes: Mapping[str, Any]) -> HttpResponse:
        told = answers.uniform(attributes) if self.caller.is_shopper else attributes
        meta = self.context(request).meta
        return self.answer(
            request, {"data": {"id": id, "type": self.resource.type, "attributes": told, "meta": meta}}, None
        )

    def count_guesses(self, evaluation: Evaluation) -> None:
        for one in evaluation.not_applied:
            if one.claim:
                self.count_guess()


@csrf_exempt
def evaluations(request: HttpRequest) -> HttpResponse:
    answered: HttpResponse = EvaluationView.as_view({"post": "create"})(request)
    return answered


@csrf_exempt
def flex_check(request: HttpRequest, id: str, order_id: str) -> HttpResponse:
    answered: HttpResponse = EvaluationView.as_view({"get": "check_rules"})(request, id=id, order_id=order_id)
    return answered


@csrf_exempt
def order_evaluation(request: HttpRequest, id: str) -> HttpResponse:
    answered: HttpResponse = EvaluationView.as_view({"get": "of_order"})(request, id=id)
    return answered
