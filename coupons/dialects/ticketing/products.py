"""Product types of the ticketing dialect, which are SKUs, and those that are attached to a coupon."""

from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpResponse, HttpResponseBase
from rest_framework.request import Request

from commerce.models import Price, Sku, SkuListItem, Tenant
from coupons.dialects.ticketing import guids
from coupons.dialects.ticketing.coupons import CouponView, currency_of
from coupons.dialects.ticketing.fields import Form, Whole
from coupons.dialects.ticketing.views import TicketingView, answer, nothing, streamed
from promotions import products
from promotions.models import Promotion

MOST_UNITS = 2**31 - 1
SKUS, ITEMS = "skus", "sku_list_items"

_SKU = ("pk", "code", "name", "description", "price")
_ITEM = ("sku_id", "sku__code", "sku__name", "sku__description", "price", "max_per_coupon", "price_amount_cents")


class Attachment(Form):
    """How often an order gets the coupon's price of the product, 0 without limit; the price, where it is another."""

    max_per_coupon = Whole(0, MOST_UNITS, default=0)
    price = Whole(0, required=False)


def told(row: Any) -> dict[str, Any]:
    """Of the columns of a SKU, or of an item of a list, which tells how it is attached too."""
    key, code, name, description, price, *pivot = row
    document = {
        "guid": guids.encode("product", key),
        "event_id": None,
        "code": code,
        "name": name,
        "description": description,
        "vat_percentage": None,
        "price": price,
        "pricing_method": "own",
        "class": None,
        "origin_type": "product",
        "status": "auto",
        "skip_late_personalization": False,
        "extra_data": None,
    }
    if pivot:
        max_per_coupon, own_price = pivot
        document["pivot"] = {"max_per_coupon": max_per_coupon, "price": own_price, "forced": False}
    return document


def priced(rows: QuerySet, tenant: Tenant, sku: str) -> QuerySet:
    """With what each costs in the currency of the dialect, by the oldest price list that has it."""
    prices = Price.objects.filter(price_list__currency_code=currency_of(tenant), sku=OuterRef(sku))
    return rows.annotate(price=Subquery(prices.order_by("price_list").values("amount_cents")[:1]))


class Products(TicketingView):
    def get(self, request: Request) -> HttpResponseBase:
        self.permit("list", SKUS)
        rows = Sku.objects.owned_by(self.tenant).order_by("pk")
        return streamed(priced(rows, self.tenant, "pk").values_list(*_SKU), told)


class AttachedProducts(CouponView):
    def get(self, request: Request, coupon: str) -> HttpResponse:
        """The latest one first."""
        self.permit("list", SKUS)
        return answer([told(row) for row in self.attached(self.coupon(coupon))])

    def attached(self, promotion: Promotion) -> Any:
        rows = SkuListItem.objects.owned_by(self.tenant).filter(sku_list=promotion.sku_list_id)
        return priced(rows, self.tenant, "sku").order_by(F("position").asc(), "pk").values_list(*_ITEM)


class AttachedProduct(AttachedProducts):
    http_method_names = ["post", "delete"]

    def post(self, request: Request, coupon: str, product: str) -> HttpResponse:
        return self.written(lambda: self._attach(coupon, product))

    def _attach(self, coupon: str, product: str) -> HttpResponse:
        promotion, sku = self._both(coupon, product, "create")
        form = Attachment(data=self.document)
        form.is_valid(raise_exception=True)
        price, most = form.validated_data.get("price"), form.validated_data["max_per_coupon"]
        products.attach(promotion, sku, self.by, max_per_coupon=most, price_amount_cents=price)
        return answer(told(self.attached(promotion).get(sku=sku)))

    def delete(self, request: Request, coupon: str, product: str) -> HttpResponse:
        self.written(lambda: self._detach(coupon, product))
        return nothing()

    def _detach(self, coupon: str, product: str) -> None:
        if not products.detach(*self._both(coupon, product, "destroy"), self.by):
            raise Http404

    def _both(self, coupon: str, product: str, action: str) -> tuple[Promotion, Sku]:
        promotion = self.coupon(coupon, lock=True, changing=True)
        self.permit("update", promotion.wire_type)
        self.permit(action, ITEMS)
        return promotion, self.found(Sku.objects, "product", product)
