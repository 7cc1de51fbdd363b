"""`POST /api/evaluations`, beyond the contract: what a cart would come to, and why what did not apply did not.

A dry run: nothing is stored, reserved or counted. Staff and integrations are told every reason; a shopper is told
of each of its codes whether it works and no more, since whoever can ask why can guess codes.
"""

import hashlib

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from commerce.api import ApiView, Resource, registry
from commerce.jsonapi import parser
from coupons import answers, pricing
from coupons.carts import CartReader
from promotions.engine.types import Evaluation


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
        precise = not self.caller.is_shopper
        cart = CartReader(document, self.caller.reach, self.caller.market_ids).read()
        evaluation = pricing.evaluate(cart, self.organization, self.by, explain=precise)
        self.count_guesses(evaluation)
        told = answers.answer(cart, evaluation)
        data = {
            "id": hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20],
            "type": self.resource.type,
            "attributes": told if precise else answers.uniform(told),
            "meta": self.context(request).meta,
        }
        return self.answer(request, {"data": data}, None)

    def count_guesses(self, evaluation: Evaluation) -> None:
        for one in evaluation.not_applied:
            if one.claim:
                self.count_guess()


@csrf_exempt
def evaluations(request: HttpRequest) -> HttpResponse:
    answered: HttpResponse = EvaluationView.as_view({"post": "create"})(request)
    return answered
