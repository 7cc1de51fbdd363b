"""`redemptions`, beyond the contract: codes used by orders that are kept elsewhere, validated, computed and counted by
one `POST`; and what placing an order of ours used.

    {"data": {"type": "redemptions", "attributes": {
        "coupon_code": "SUMMER-26", "reference": "their order", "customer_email": "...", "customer_reference": "...",
        "line_items": [{"sku_code": "SHIRT", "quantity": 2}],   or   "amount_cents": 5000, "currency_code": "EUR"
        "_reserve": true, "time_to_live": 900
    }}}

The cart is that of an evaluation. What is reserved counts until `_commit`, `_cancel` or the end of its time. With an
`Idempotency-Key` the same request has the same answer, and uses nothing twice.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from rest_framework import fields, serializers
from rest_framework.request import Request

from commerce.api import ApiView, Resource, registry
from commerce.changes import By
from commerce.errors import DomainError
from commerce.jsonapi import parser
from commerce.jsonapi.errors import ApiError, Problem, error, invalid
from commerce.jsonapi.parser import is_storable
from commerce.jsonapi.plan import plan_for
from commerce.jsonapi.renderer import response
from commerce.jsonapi.resource import NOW, Derived, Rel
from commerce.jsonapi.views import READ_ONE, refusal
from commerce.pricing import LimitReached
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS
from commerce.resources.amounts import money, told
from commerce.resources.triggers import asking
from coupons import answers, idempotency, pricing, redeeming
from coupons.carts import ATTRIBUTES, CartReader, CartSerializer, cents, number, text
from coupons.idempotency import Answer
from coupons.models import Redemption, redemption_status
from coupons.resources import PROMOTION_TYPES
from promotions.carts import Cart
from promotions.engine.types import Evaluation

# --- The form -------------------------------------------------------------------------------------

LONGEST_RESERVATION = 24 * 3600


class RedemptionSerializer(CartSerializer):
    """A cart, or an amount in place of its lines, and what is done with it."""

    amount_cents = cents(required=False)
    reference_origin = text(required=False, allow_null=True)
    _reserve = fields.BooleanField(default=False)
    time_to_live = number(1, LONGEST_RESERVATION, default=900)

    def validate(self, cart: Any) -> Any:
        if not is_storable(cart["metadata"]):
            raise serializers.ValidationError({"metadata": "must be an object that can be stored"}, code="invalid")
        if "amount_cents" in cart:
            if cart["line_items"]:
                raise serializers.ValidationError({"amount_cents": "stands in place of line_items"}, code="invalid")
            cart["line_items"] = [_whole(cart["amount_cents"])]
        return super().validate(cart)


def _whole(amount: int) -> dict[str, Any]:
    """One line of an order of which nothing is known but what it comes to."""
    return {
        "code": "order",
        "quantity": 1,
        "unit_amount_cents": amount,
        "options_amount_cents": 0,
        "metadata": {},
    }


# --- The endpoint ---------------------------------------------------------------------------------


class RedemptionView(ApiView):
    def create(self, request: Request) -> HttpResponse:
        self.authorize("create", self.resource)
        query = self.query(request, self.resource, READ_ONE)
        document = parser.resource_document(self.body(request))
        self.check_type(document)
        if document.id is not None:
            raise error(403, "FORBIDDEN", "Ids are given by the server.", pointer="/data/id")
        plan = plan_for(self.resource, query)

        def told(row: Redemption) -> HttpResponse:
            return self.single(request, plan, self.row(plan, row.pk), query, status=201)

        def redeemed() -> Answer:
            """Stored even where it is refused, but then nothing else is."""
            try:
                with transaction.atomic(savepoint=bool(key)):
                    answer = self.redeem(document, told, includes=query.include is not None)
            except (ApiError, DomainError, ValidationError) as cause:
                answer = refusal(self.problem_of(cause))
            return Answer(answer.status_code, answer.content)

        key = request.META.get("HTTP_IDEMPOTENCY_KEY", "").strip()
        asked = f"{self.query_string}\n".encode() + request._request.body
        status, body = self.transacted(lambda: idempotency.once(self.tenant, key, asked, self.now, redeemed))
        place = {"Location": orjson.loads(body)["data"]["links"]["self"]} if status == 201 else {}
        return response(body, status, place)

    def redeem(
        self, document: parser.ResourceDocument, told: Callable[[Redemption], HttpResponse], *, includes: bool
    ) -> HttpResponse:
        """The answer is made before the uses are counted: whoever wants the same code waits for nothing but that.

        One that includes others is made afterwards, for it tells their counts too.
        """
        reader = CartReader(document, self.reach, self.caller.market_ids, RedemptionSerializer)
        cart = reader.read()
        evaluation = pricing.evaluate(cart, self.organization, self.by)
        if problems := list(_unused(cart, evaluation, reader.given)):
            raise ApiError(problems)
        redemption = new_redemption(cart, reader.given, self.now)
        redemption.evaluation = answers.answer(cart, evaluation)
        taken = pricing.taken(map(pricing.discount, evaluation.applied))
        redeeming.store(redemption, taken, self.by)
        answer = None if includes else told(redemption)
        try:
            redeeming.count(redemption, taken, by=self.by)
        except LimitReached as reached:
            raise ApiError([_limit_problem(reached, reader.given)]) from None
        return answer or told(redemption)


def new_redemption(cart: Cart, given: Any, now: datetime) -> Redemption:
    redemption = Redemption(
        organization_id=cart.tenant.organization_id,
        mode=cart.tenant.mode,
        state=redeeming.COMMITTED,
        reference=given.get("reference"),
        reference_origin=given.get("reference_origin"),
        metadata=given["metadata"],
        customer=cart.customer,
        customer_email=cart.customer_email,
        customer_reference=cart.customer_reference,
        currency_code=cart.currency_code,
    )
    if given["_reserve"]:
        redemption.reserve(given["time_to_live"], now)
    return redemption


def _unused(cart: Cart, evaluation: Evaluation, given: Any) -> Iterator[Problem]:
    """Every code must take something off, or all that was asked for is refused."""
    for code, why in pricing.unused(cart, evaluation):
        told = {"reason": why.reason, "missing": why.missing, "value": code}
        yield invalid(_pointer(code, given), "coupon_code", why.sentence, "invalid", **told)
    if not cart.coupon_codes and not evaluation.applied:
        yield invalid("/data", "", "No promotion applies to the order.", "invalid", reason="not_applicable")


def _pointer(code: str, given: Any) -> str:
    codes = given["coupon_codes"]
    return f"{ATTRIBUTES}/coupon_codes/{codes.index(code)}" if code in codes else f"{ATTRIBUTES}/coupon_code"


def _limit_problem(reached: LimitReached, given: Any) -> Problem:
    reason, sentence = reached.refusal
    code = reached.coupon_code
    if code is None:
        return invalid("/data", "", sentence, "invalid", reason=reason)
    return invalid(_pointer(code, given), "coupon_code", sentence, "invalid", reason=reason, value=code)


# --- The resource ---------------------------------------------------------------------------------


def with_status(rows: Any, value: str, now: datetime) -> Any:
    if value not in (*Redemption.State, "expired"):
        raise ValidationError("is not one of reserved, committed, released and expired")
    return rows.with_status(value, now)


@registry.register
class Redemptions(Resource):
    type = "redemptions"
    model = Redemption
    view_base = RedemptionView
    actions = ("list", "retrieve", "create", "update")
    attributes = (
        *("status", "customer_email", "customer_reference", "currency_code", *money("discount")),
        *("evaluation", "restrictions", "discounts_limit", "discounts_count"),
        *("reserved_until", "committed_at", "released_at"),
    )
    read_only = (
        *("customer_email", "customer_reference", "currency_code", "discount_cents", "evaluation"),
        *("restrictions", "discounts_limit", "discounts_count"),
        *("reserved_until", "committed_at", "released_at", "order", "customer"),
    )
    columns = {
        "status": Derived(redemption_status, "state", "reserved_until", NOW),
        **told("discount", "discount_cents", "currency_code"),
    }
    sortable = (
        *("customer_email", "currency_code", "discount_cents"),
        *("discounts_limit", "discounts_count", "reserved_until", "committed_at", "released_at"),
    )
    filterable = sortable
    """Not by `customer_reference`, which is the reference of the related customer there."""
    scopes = {"with_status": with_status}
    triggers = {
        "_commit": asking(redeeming.commit, sets="state"),
        "_cancel": asking(redeeming.cancel, sets="state"),
    }
    relationships = (
        "order",
        "customer",
        Rel("promotions", target="promotions", inverse="redemptions"),
        Rel("coupons", target="coupons", inverse="redemptions"),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )

    def update(self, row: Redemption, by: By) -> None:
        redeeming.update(row, by)


registry.extend(("orders", "customers"), Rel("redemptions"))
registry.extend(("coupons",), Rel("redemptions", target="redemptions", inverse="coupons"))
registry.extend(
    ("promotions", *PROMOTION_TYPES),
    Rel("redemptions", target="redemptions", inverse="promotions"),
)
