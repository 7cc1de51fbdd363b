"""`POST /api/evaluations`, beyond the contract: what a cart would come to, and why what did not apply did not.

A dry run: nothing is stored, reserved or counted. Staff and integrations are told every reason; a shopper is told
of each of its codes whether it works and no more, since whoever can ask why can guess codes.
"""

import hashlib
from collections import Counter
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from commerce import ids, rate_limits
from commerce.api import ApiView, Resource, registry
from commerce.jsonapi import parser
from commerce.money import as_float, formatted
from coupons import pricing
from coupons.carts import CartReader
from promotions.carts import Cart, CartLine
from promotions.engine.types import Applied, Evaluation, NotApplied, Promotion, Share

# --- The answer -----------------------------------------------------------------------------------

NOT_APPLICABLE = {
    "reason": "not_applicable",
    "sentence": "The code cannot be used for this order.",
    "missing": None,
}
"""What a shopper is told, whatever the reason."""


def answer(cart: Cart, evaluation: Evaluation, *, precise: bool) -> dict[str, Any]:
    """The attributes of the document. Discounts are negative, as on orders; without `precise` no reason is told."""
    refused = evaluation.not_applied if precise else [one for one in evaluation.not_applied if one.claim]
    discounts: Counter[int | None] = Counter()
    for share in (share for one in evaluation.applied for share in one.shares):
        discounts[share.line_id] += share.cents
    return {
        "currency_code": cart.currency_code,
        **_amount("subtotal", evaluation.subtotal_amount_cents, cart),
        **_amount("shipping", evaluation.shipping_amount_cents, cart),
        **_amount("discount", -evaluation.discount_amount_cents, cart),
        **_amount("total", evaluation.total_amount_cents, cart),
        "line_items": [_line(line, discounts[line.id]) for line in cart.lines],
        "applied": [_applied(one, cart) for one in evaluation.applied],
        "not_applied": [_not_applied(one, precise) for one in refused],
    }


def _amount(name: str, amount: int, cart: Cart) -> dict[str, Any]:
    return {
        f"{name}_amount_cents": amount,
        f"{name}_amount_float": as_float(amount, cart.currency_code),
        f"formatted_{name}_amount": formatted(amount, cart.currency_code),
    }


def _line(line: CartLine, discount: int) -> dict[str, Any]:
    total = line.quantity * line.unit_amount_cents + line.options_amount_cents
    return {
        "item_type": line.item_type,
        "code": line.code,
        "quantity": line.quantity,
        "unit_amount_cents": line.unit_amount_cents,
        "options_amount_cents": line.options_amount_cents,
        "total_amount_cents": total,
        "discount_cents": -discount,
    }


def _applied(one: Applied, cart: Cart) -> dict[str, Any]:
    return {
        "promotion": _identifier(one.promotion),
        "name": one.name,
        "coupon_code": one.claim.code if one.claim else None,
        "total_amount_cents": -one.amount_cents,
        "formatted_total_amount": formatted(-one.amount_cents, cart.currency_code),
        "shares": [_share(share) for share in one.shares],
        "rule_outcomes": list(one.rule_outcomes),
    }


def _share(share: Share) -> dict[str, Any]:
    place = {"shipment": share.shipment_id} if share.line_id is None else {"line_item": share.line_id}
    return {**place, "cents": -share.cents}


def _not_applied(one: NotApplied, precise: bool) -> dict[str, Any]:
    coupon_code = one.claim.code if one.claim else None
    if not precise:
        return {"promotion": None, "name": None, "coupon_code": coupon_code, **NOT_APPLICABLE}
    return {
        "promotion": _identifier(one.promotion) if one.promotion else None,
        "name": one.promotion.name if one.promotion else None,
        "coupon_code": coupon_code,
        "reason": one.refusal.reason,
        "sentence": one.refusal.sentence,
        "missing": one.refusal.missing,
    }


def _identifier(promotion: Promotion) -> dict[str, str]:
    return {"type": f"{promotion.kind}_promotions", "id": ids.encode(promotion.id)}


# --- The endpoint ---------------------------------------------------------------------------------


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
        data = {
            "id": hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:20],
            "type": self.resource.type,
            "attributes": answer(cart, evaluation, precise=precise),
            "meta": self.context(request).meta,
        }
        return self.answer(request, {"data": data}, None)

    @property
    def guesser(self) -> str:
        return f"{self.caller.number}:{self.request.META.get('REMOTE_ADDR')}"

    def check_guesses(self) -> None:
        guesses = rate_limits.left("codes", self.guesser, self.tenant.mode, self.now)
        if guesses.retry_after:
            self.allowance = guesses
        self.check_allowance()

    def count_guesses(self, evaluation: Evaluation) -> None:
        """Codes that do not work, whatever the reason, for that is what a guess is to a shopper."""
        for one in evaluation.not_applied:
            if one.claim:
                rate_limits.take("codes", self.guesser, self.tenant.mode, self.now)


@csrf_exempt
def evaluations(request: HttpRequest) -> HttpResponse:
    answered: HttpResponse = EvaluationView.as_view({"post": "create"})(request)
    return answered
