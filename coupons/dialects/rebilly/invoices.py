"""What redemptions take off invoices, which whoever calls keeps and describes. Beyond the reference, which does it all
by itself:

    POST /coupons-redemptions/{id}/applications
    {"invoiceId": "in_1", "currency": "EUR", "items": [{"planId": "gold", "quantity": 2, "unitPrice": 9.99}]}

answers what the invoice is discounted by now, this redemption and all that were applied to it before; what its coupons
add to it, for whoever adds that and asks again; and what no longer applies. 422 is told where this redemption cannot be
applied and was not before. `DELETE /coupons-redemptions/{id}/applications/{invoiceId}` takes it from the invoice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.validators import RegexValidator
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from commerce.models import Market, Sku
from commerce.money import MAX_CENTS
from coupons import invoices
from coupons.carts import MOST_LINES
from coupons.dialects.rebilly import redemptions
from coupons.dialects.rebilly.coupons import CONTEXTS, SHIPPING, Document
from coupons.dialects.rebilly.fields import Country, Currency, Money, Number, Text, Whole, major_units
from coupons.dialects.rebilly.frame import ID, LONGEST_ID, checked_id, invalid
from coupons.dialects.rebilly.redemptions import RedemptionsView
from coupons.invoices import Applied, NotApplied, Outcome
from coupons.models import Use
from promotions.carts import Cart, CartLine, CartShipment

# --- What is sent ---------------------------------------------------------------------------------


def name(**options: Any) -> Text:
    return Text(max_length=LONGEST_ID, required=False, allow_null=True, **options)


class Item(serializers.Serializer):
    planId = name()
    productId = name()
    quantity = Whole(1)
    unitPrice = Number()


class Invoice(serializers.Serializer):
    """`planId` is the code of a SKU, where there is one; `marketCode` says of which market the invoice is."""

    invoiceId = Text(max_length=LONGEST_ID, validators=[RegexValidator(ID)])
    currency = Currency()
    items = serializers.ListField(child=Item(), max_length=MOST_LINES)  # type: ignore[assignment]
    shippingAmount = Number(required=False, allow_null=True)
    subscriptionId = name()
    country = Country(required=False, allow_null=True)
    marketCode = name()

    def validate(self, read: dict[str, Any]) -> dict[str, Any]:
        """Amounts as cents."""
        currency = read["currency"]
        problems: list[Document] = []
        for item in read["items"]:
            item["cents"], problem = _cents(item["unitPrice"], currency)
            problems.append({"unitPrice": problem} if problem else {})
        shipping, problem = _cents(read.get("shippingAmount") or 0, currency)
        wrong = {"items": problems if any(problems) else None, "shippingAmount": problem}
        if any(wrong.values()):
            raise serializers.ValidationError({name: details for name, details in wrong.items() if details})
        if shipping + sum(item["quantity"] * item["cents"] for item in read["items"]) > MAX_CENTS:
            raise serializers.ValidationError({"items": "come to more than can be counted"})
        return {**read, "shipping_cents": shipping}


_MONEY = Money()


def _cents(amount: Any, currency_code: str) -> tuple[int, Any]:
    """What is sent as an amount of major units, and what is wrong with it."""
    try:
        return _MONEY.run_validation({"amount": amount, "currency": currency_code})["amount_cents"], None
    except serializers.ValidationError as problem:
        details: Any = problem.detail
        return 0, details["amount"]


# --- What is told ---------------------------------------------------------------------------------

WIRE_CONTEXTS = {kept.value: name for name, kept in CONTEXTS.items()}


def document(invoice: str, currency_code: str, outcome: Outcome) -> Document:
    total = sum(one.cents for one in outcome.applied)
    return {
        "invoiceId": invoice,
        "currency": currency_code,
        "amount": major_units(total, currency_code),
        "discounts": [_discount(one, currency_code) for one in outcome.applied],
        "additions": [{"planId": code, "quantity": units} for code, units in outcome.additions],
        "notApplied": [_not_applied(one) for one in outcome.not_applied],
    }


def _discount(one: Applied, currency_code: str) -> Document:
    promotion = one.use.promotion
    context = "shipping" if promotion.kind == SHIPPING else WIRE_CONTEXTS[promotion.discount_context]
    return {
        **_ids(one.use),
        "amount": major_units(one.cents, currency_code),
        "description": promotion.description or f'Coupon "{redemptions.coupon_id(one.use)}"',
        "context": context,
    }


def _not_applied(one: NotApplied) -> Document:
    return {**_ids(one.use), "reason": one.refusal.reason, "message": one.refusal.sentence}


def _ids(use: Use) -> Document:
    return {"couponId": redemptions.coupon_id(use), "redemptionId": redemptions.public_id(use)}


# --- The operations -------------------------------------------------------------------------------


class Applications(RedemptionsView):
    needs = {"POST": ("update", "redemptions")}

    def post(self, request: Request, id: str, **kwargs: Any) -> HttpResponse:
        body = Invoice(data=self.document)
        body.is_valid(raise_exception=True)
        return self.answered(self.written(lambda: self._apply(id, body.validated_data)), 201)

    def _apply(self, id: str, sent: Mapping[str, Any]) -> Document:
        outcome = invoices.apply(self.found(id).redemption, sent["invoiceId"], self._cart(sent), self.by)
        removed = [one.use for one in outcome.not_applied if one.is_removed]
        self.announce("coupon-applied", [one.use for one in outcome.applied if one.is_new])
        self.announce("coupon-application-removed", removed)
        return document(sent["invoiceId"], sent["currency"], outcome)

    def _cart(self, sent: Mapping[str, Any]) -> Cart:
        shipping = sent["shipping_cents"]
        return Cart(
            tenant=self.tenant,
            currency_code=sent["currency"],
            market=self._market(sent.get("marketCode")),
            country_code=sent.get("country"),
            subscription=sent.get("subscriptionId"),
            lines=tuple(self._lines(sent["items"])),
            shipments=(CartShipment(id=0, cost_amount_cents=shipping),) if shipping else (),
        )

    def _market(self, code: str | None) -> Market | None:
        if code is None:
            return None
        market: Market | None = Market.objects.owned_by(self.tenant).filter(code=code, disabled_at=None).first()
        if market is None:
            raise invalid("marketCode", "must exist")
        return market

    def _lines(self, items: Sequence[Mapping[str, Any]]) -> list[CartLine]:
        codes = {item["planId"] for item in items if item.get("planId")}
        skus = {sku.code: sku for sku in Sku.objects.owned_by(self.tenant).filter(code__in=codes)} if codes else {}
        return [
            CartLine(
                id=place,
                code=item.get("planId") or "",
                product=item.get("productId"),
                quantity=item["quantity"],
                unit_amount_cents=item["cents"],
                sku=skus.get(item.get("planId")),
            )
            for place, item in enumerate(items)
        ]


class Application(RedemptionsView):
    http_method_names = ["delete"]
    needs = {"DELETE": ("update", "redemptions")}

    def delete(self, request: Request, id: str, invoice: str, **kwargs: Any) -> HttpResponse:
        self.written(lambda: self._remove(self.found(id), checked_id(invoice)))
        return self.answered(status=204)

    def _remove(self, use: Use, invoice: str) -> None:
        if invoices.remove(use.redemption, invoice, self.by):
            self.announce("coupon-application-removed", [use])
