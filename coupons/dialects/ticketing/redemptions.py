"""What orders use of codes, ours in the ticketing dialect: applied to an order, looked at and released."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework import fields, serializers
from rest_framework.request import Request

from commerce.models import Customer, Sku, normalise_email
from commerce.models.orders import MOST_UNITS
from commerce.money import MAX_CENTS, validate_currency_code
from coupons import orders_elsewhere, redeeming
from coupons.carts import MOST_CODES, MOST_LINES
from coupons.dialects.entry import Problem
from coupons.dialects.ticketing import guids
from coupons.dialects.ticketing.coupons import currency_of
from coupons.dialects.ticketing.fields import Form, Text, Whole
from coupons.dialects.ticketing.views import TicketingView, answer, moment
from coupons.models import Redemption, Use, balance
from promotions.carts import Cart, CartLine

REDEMPTIONS = "redemptions"
ORIGIN = "ticketing"
"""What the orders are told by, which have their names from it."""
LONGEST_NAME = 255

# --- The form -------------------------------------------------------------------------------------


class ItemForm(Form):
    """One of `product`, a GUID, and `code`; `price` is that of a unit."""

    product = Text(required=False)
    code = Text(max_length=LONGEST_NAME, required=False)
    quantity = Whole(1, MOST_UNITS, default=1)
    price = Whole(0)

    def validate(self, item: Any) -> Any:
        if ("product" in item) == ("code" in item):
            raise serializers.ValidationError({"product": "or code must be given, and only one of them"})
        return item


class OrderForm(Form):
    order = Text(max_length=LONGEST_NAME)
    codes = serializers.ListField(child=Text(max_length=LONGEST_NAME), min_length=1, max_length=MOST_CODES)
    items = serializers.ListField(child=ItemForm(), min_length=1, max_length=MOST_LINES)
    customer_email = fields.EmailField(required=False, max_length=LONGEST_NAME)
    currency = Text(required=False, validators=[validate_currency_code])

    def validate(self, order: Any) -> Any:
        if sum(item["quantity"] * item["price"] for item in order["items"]) > MAX_CENTS:
            raise serializers.ValidationError({"items": f"come to more than {MAX_CENTS} cents"})
        return order


# --- The views ------------------------------------------------------------------------------------


class RedemptionView(TicketingView):
    def redemption_told(self, redemption: Redemption) -> HttpResponse:
        uses = Use.objects.filter(redemption=redemption, coupon__isnull=False).order_by("pk")
        lines = redemption.evaluation.get("line_items", [])
        skus = Sku.objects.owned_by(self.tenant).filter(code__in={line["code"] for line in lines})
        products = dict(skus.values_list("code", "pk"))
        return answer(
            {
                "guid": guids.encode("redemption", redemption.pk),
                "company_id": self.company_id,
                "order": redemption.reference,
                "currency": redemption.currency_code,
                "discount": -redemption.discount_cents,
                "codes": [_code(use) for use in uses.select_related("coupon", "promotion")],
                "items": [_item(line, products.get(line["code"])) for line in lines],
                "created_at": moment(redemption.created_at),
                "released_at": moment(redemption.released_at),
            }
        )


def _code(use: Use) -> dict[str, Any]:
    """`used_amount` is what it took off the order, `remaining` what is left of a cheque now."""
    coupon, promotion = use.coupon, use.promotion
    assert coupon is not None  # noqa: S101  (only those with one are asked for)
    return {
        "guid": guids.encode("code", coupon.pk),
        "coupon_guid": guids.encode("coupon", promotion.pk),
        "code": coupon.code,
        "used_amount": -use.discount_cents,
        "remaining": balance(coupon.used_amount_cents, promotion.declining_balance, promotion.fixed_amount_cents),
    }


def _item(line: Mapping[str, Any], sku: int | None) -> dict[str, Any]:
    return {
        "product": guids.encode("product", sku) if sku else None,
        "code": line["code"],
        "quantity": line["quantity"],
        "price": line["unit_amount_cents"],
        "discount": -line["discount_cents"],
    }


class Redemptions(RedemptionView):
    def post(self, request: Request) -> HttpResponse:
        """The same order sent twice is answered twice and uses nothing twice."""
        self.permit("create", REDEMPTIONS)
        form = OrderForm(data=self.document)
        form.is_valid(raise_exception=True)
        return self.written(lambda: self._redeemed(form.validated_data))

    def _redeemed(self, given: Any) -> HttpResponse:
        cart = Cart(
            tenant=self.tenant,
            currency_code=given.get("currency") or currency_of(self.tenant),
            customer=self._customer(given.get("customer_email")),
            customer_email=given.get("customer_email"),
            reference=given["order"],
            lines=tuple(self._lines(given["items"])),
            coupon_codes=tuple(given["codes"]),
        )
        try:
            redemption = orders_elsewhere.redeem(cart, ORIGIN, self.organization, self.by)
        except orders_elsewhere.CodesRefused as refused:
            raise Problem(self.invalid_status, refused.detail, list(_refused(refused, given["codes"]))) from None
        return self.redemption_told(redemption)

    def _customer(self, email: str | None) -> Customer | None:
        if not email:
            return None
        found: Customer | None = (
            Customer.objects.owned_by(self.tenant).filter(email_norm=normalise_email(email)).order_by("pk").first()
        )
        return found

    def _lines(self, items: Any) -> Iterator[CartLine]:
        rows = Sku.objects.owned_by(self.tenant)
        keys = {
            place: guids.decode("product", item["product"]) for place, item in enumerate(items) if "product" in item
        }
        by_key = rows.in_bulk([key for key in keys.values() if key])
        by_code = {sku.code: sku for sku in rows.filter(code__in={item["code"] for item in items if "code" in item})}
        missing = [(f"items.{place}.product", "must exist") for place, key in keys.items() if key not in by_key]
        if missing:
            raise Problem(self.invalid_status, "There are no such products.", missing)
        for place, item in enumerate(items):
            sku = by_key[keys[place]] if place in keys else by_code.get(item["code"])
            code = sku.code if sku else item["code"]
            yield CartLine(id=place, code=code, quantity=item["quantity"], unit_amount_cents=item["price"], sku=sku)


def _refused(refused: orders_elsewhere.CodesRefused, codes: list[str]) -> Iterator[tuple[str, str]]:
    for code, problem in refused.problems.items():
        yield (f"codes.{codes.index(code)}" if code in codes else "codes"), problem


class OneRedemption(RedemptionView):
    def get(self, request: Request, redemption: str) -> HttpResponse:
        self.permit("retrieve", REDEMPTIONS)
        return self.redemption_told(self.found(Redemption.objects, "redemption", redemption))


class Release(RedemptionView):
    def post(self, request: Request, redemption: str) -> HttpResponse:
        """Gives back what the order used; once is enough."""
        self.permit("update", REDEMPTIONS)
        return self.written(lambda: self._released(redemption))

    def _released(self, guid: str) -> HttpResponse:
        redemption = self.found(Redemption.objects, "redemption", guid, lock=True)
        redeeming.cancel(redemption, self.by)
        return self.redemption_told(redemption)
