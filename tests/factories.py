"""Rows for tests, the one place that makes them. Every function takes what matters to the test and invents the rest."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from commerce import changes, gift_cards
from commerce.models import (
    Address,
    Adjustment,
    Application,
    Bundle,
    Customer,
    CustomerAddress,
    CustomerGroup,
    GiftCard,
    GiftCardRecipient,
    LineItem,
    LineItemOption,
    ManualGateway,
    Market,
    Merchant,
    Mode,
    Order,
    Organization,
    PaymentMethod,
    Price,
    PriceFrequencyTier,
    PriceList,
    PriceVolumeTier,
    ResourceError,
    Shipment,
    ShippingCategory,
    ShippingMethod,
    ShippingZone,
    Sku,
    SkuList,
    SkuListItem,
    SkuOption,
    StockLocation,
)
from coupons.models import Coupon, CouponRecipient, Redemption, Use
from promotions.models import (
    BuyXPayYPromotion,
    CouponCodesPromotionRule,
    CustomPromotionRule,
    ExternalPromotion,
    FixedAmountPromotion,
    FixedPricePromotion,
    FlexPromotion,
    FreeGiftPromotion,
    FreeShippingPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
    PromotionRule,
    SkuListPromotionRule,
)
from tags.models import Tag

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
BY = changes.By({"command": "tests"}, NOW)

_numbers = count(1)


def organization(**values: Any) -> Organization:
    number = next(_numbers)
    values = {"slug": f"org-{number}", "name": f"Organization {number}", **values}
    return Organization.objects.create(created_at=NOW, updated_at=NOW, **values)


def application(owner: Organization, kind: str = Application.Kind.INTEGRATION, **values: Any) -> Application:
    values = {"mode": Mode.TEST, "name": f"App {next(_numbers)}", "client_secret": "a-secret", **values}
    return _created(
        Application(
            organization=owner,
            kind=kind,
            client_type=Application.CLIENT_PUBLIC if kind == "sales_channel" else Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            **values,
        )
    )


def percentage_promotion(owner: Organization, **values: Any) -> PercentageDiscountPromotion:
    return _created(PercentageDiscountPromotion(**_promotion(owner, percentage=10) | values))


def fixed_amount_promotion(owner: Organization, **values: Any) -> FixedAmountPromotion:
    return _created(FixedAmountPromotion(**_promotion(owner, fixed_amount_cents=1000, currency_code="EUR") | values))


def fixed_price_promotion(owner: Organization, **values: Any) -> FixedPricePromotion:
    values = {"fixed_amount_cents": 500, "currency_code": "EUR", **values}
    return _created(FixedPricePromotion(**_of_listed(owner, values)))


def free_shipping_promotion(owner: Organization, **values: Any) -> FreeShippingPromotion:
    return _created(FreeShippingPromotion(**_promotion(owner, **values)))


def free_gift_promotion(owner: Organization, **values: Any) -> FreeGiftPromotion:
    return _created(FreeGiftPromotion(**_of_listed(owner, values)))


def buy_x_pay_y_promotion(owner: Organization, **values: Any) -> BuyXPayYPromotion:
    return _created(BuyXPayYPromotion(**_of_listed(owner, {"x": 3, "y": 2, **values})))


def external_promotion(owner: Organization, **values: Any) -> ExternalPromotion:
    values = {"promotion_url": "https://promo.example/discount", **values}
    return _created(ExternalPromotion(**_promotion(owner, **values)))


def flex_promotion(owner: Organization, **values: Any) -> FlexPromotion:
    """Takes ten percent off every order unless `rules` say otherwise."""
    return _created(FlexPromotion(**_promotion(owner, **{"rules": flex_rules(), **values})))


def flex_rules(value: float = 0.1, **changed: Any) -> dict[str, Any]:
    """One rule without a condition, which takes a share off the order."""
    action = {"type": "percentage", "selector": "order", "value": value}
    return {"rules": [{"name": "A share off", "conditions": [], "actions": [action], **changed}]}


PROMOTIONS: dict[str, Callable[..., Any]] = {
    "percentage_discount": percentage_promotion,
    "fixed_amount": fixed_amount_promotion,
    "fixed_price": fixed_price_promotion,
    "free_shipping": free_shipping_promotion,
    "free_gift": free_gift_promotion,
    "buy_x_pay_y": buy_x_pay_y_promotion,
    "external": external_promotion,
    "flex": flex_promotion,
}
"""Kind -> the factory of its promotions."""


def coupon_rule(promotion: Promotion, **values: Any) -> CouponCodesPromotionRule:
    return _created(CouponCodesPromotionRule(promotion=promotion, **_tenant_of(promotion), **values))


def order_amount_rule(promotion: Promotion, **values: Any) -> OrderAmountPromotionRule:
    values = {"order_amount_cents": 10_000, **values}
    return _created(OrderAmountPromotionRule(promotion=promotion, **_tenant_of(promotion), **values))


def sku_list_rule(promotion: Promotion, **values: Any) -> SkuListPromotionRule:
    owned = _tenant_of(promotion)
    if "sku_list" not in values:
        values["sku_list"] = sku_list(promotion.organization, mode=promotion.mode)
    return _created(SkuListPromotionRule(promotion=promotion, **owned, **values))


def custom_rule(promotion: Promotion, **values: Any) -> CustomPromotionRule:
    values = {"filters": {"currency_code_eq": "EUR"}, **values}
    return _created(CustomPromotionRule(promotion=promotion, **_tenant_of(promotion), **values))


RULES: dict[str, Callable[..., PromotionRule]] = {
    "coupon_codes": coupon_rule,
    "order_amount": order_amount_rule,
    "sku_list": sku_list_rule,
    "custom": custom_rule,
}
"""Kind -> the factory of its rules."""


def coupon(rule: CouponCodesPromotionRule, **values: Any) -> Coupon:
    values = {"code": f"CODE-{next(_numbers):06}", **values}
    row = _created(Coupon(promotion_rule=rule, **_tenant_of(rule), **values))
    changes.count(Promotion, rule.promotion_id, coupons_count=1)
    return row


def recipient(owner: Organization, **values: Any) -> CouponRecipient:
    values = {"mode": Mode.TEST, "email": f"person{next(_numbers)}@example.com", **values}
    return _created(CouponRecipient(organization=owner, **values))


def tag(owner: Organization, **values: Any) -> Tag:
    values = {"mode": Mode.TEST, "name": f"tag_{next(_numbers)}", **values}
    return _created(Tag(organization=owner, **values))


# --- Catalog and customers ------------------------------------------------------------------------


def address(owner: Organization, **values: Any) -> Address:
    values = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "line_1": "Piazza Grande 1",
        "city": "Modena",
        "zip_code": "41121",
        "country_code": "IT",
        "phone": "+39 059 1234",
        **values,
    }
    return _created(Address(**_owned(owner, values)))


def merchant(owner: Organization, **values: Any) -> Merchant:
    values = _owned(owner, {"name": _named("Merchant"), **values})
    values.setdefault("address", address(owner, mode=values["mode"]))
    return _created(Merchant(**values))


def price_list(owner: Organization, **values: Any) -> PriceList:
    return _created(PriceList(**_owned(owner, {"name": _named("Price list"), "currency_code": "EUR", **values})))


def market(owner: Organization, **values: Any) -> Market:
    values = _owned(owner, {"name": _named("Market"), **values})
    values.setdefault("merchant", merchant(owner, mode=values["mode"]))
    values.setdefault("price_list", price_list(owner, mode=values["mode"]))
    return _created(Market(**values))


def shipping_category(owner: Organization, **values: Any) -> ShippingCategory:
    return _created(ShippingCategory(**_owned(owner, {"name": _named("Shipping category"), **values})))


def sku(owner: Organization, **values: Any) -> Sku:
    values = _owned(owner, {"code": f"SKU-{next(_numbers):06}", "name": _named("Sku"), **values})
    values.setdefault("shipping_category", shipping_category(owner, mode=values["mode"]))
    return _created(Sku(**values))


def sku_option(owner: Organization, **values: Any) -> SkuOption:
    return _created(SkuOption(**_owned(owner, _priced("Sku option", 300, {"delay_hours": 36, **values}))))


def price(of: Sku, prices: PriceList, **values: Any) -> Price:
    values = {"amount_cents": 1000, **values}
    return _created(Price(sku=of, price_list=prices, **_tenant_of(of), **values))


def price_volume_tier(of: Price, **values: Any) -> PriceVolumeTier:
    return _created(PriceVolumeTier(price=of, **_tenant_of(of), **_tier(values)))


def price_frequency_tier(of: Price, **values: Any) -> PriceFrequencyTier:
    return _created(PriceFrequencyTier(price=of, **_tenant_of(of), **_tier(values)))


def sku_list(owner: Organization, *skus: Sku, **values: Any) -> SkuList:
    """A manual list of one unit of each of `skus`; another one with `manual=False` and a pattern."""
    row = _created(SkuList(**_owned(owner, {"name": _named("Sku list"), **values})))
    for listed in skus:
        sku_list_item(row, listed)
    return row


def sku_list_item(within: SkuList, listed: Sku, **values: Any) -> SkuListItem:
    return _created(SkuListItem(sku_list=within, sku=listed, **_tenant_of(within), **values))


def bundle(of: SkuList, **values: Any) -> Bundle:
    number = next(_numbers)
    values = {"code": f"BUNDLE-{number}", "name": f"Bundle {number}", "price_amount_cents": 5000, **values}
    if not values.get("market"):
        values.setdefault("currency_code", "EUR")
    return _created(Bundle(sku_list=of, **_tenant_of(of), **values))


def customer_group(owner: Organization, **values: Any) -> CustomerGroup:
    return _created(CustomerGroup(**_owned(owner, {"name": _named("Customer group"), **values})))


def customer(owner: Organization, **values: Any) -> Customer:
    return _created(Customer(**_owned(owner, {"email": f"customer{next(_numbers)}@example.com", **values})))


def customer_address(of: Customer, **values: Any) -> CustomerAddress:
    if "address" not in values:
        values["address"] = address(of.organization, mode=of.mode)
    return _created(CustomerAddress(customer=of, **_tenant_of(of), **values))


def shipping_zone(owner: Organization, **values: Any) -> ShippingZone:
    return _created(ShippingZone(**_owned(owner, {"name": _named("Shipping zone"), **values})))


def stock_location(owner: Organization, **values: Any) -> StockLocation:
    values = _owned(owner, {"name": _named("Stock location"), **values})
    values.setdefault("address", address(owner, mode=values["mode"]))
    return _created(StockLocation(**values))


def shipping_method(owner: Organization, **values: Any) -> ShippingMethod:
    return _created(ShippingMethod(**_owned(owner, _priced("Shipping method", 700, values))))


def manual_gateway(owner: Organization, **values: Any) -> ManualGateway:
    return _created(ManualGateway(**_owned(owner, {"name": _named("Manual gateway"), **values})))


def payment_method(owner: Organization, **values: Any) -> PaymentMethod:
    values = {"payment_source_type": PaymentMethod.SourceType.WIRE_TRANSFER, **values}
    values = _owned(owner, _priced("Payment method", 0, values))
    values.setdefault("payment_gateway", manual_gateway(owner, mode=values["mode"]))
    return _created(PaymentMethod(**values))


# --- Orders ---------------------------------------------------------------------------------------


def adjustment(owner: Organization, **values: Any) -> Adjustment:
    values = {"name": _named("Adjustment"), "currency_code": "EUR", "amount_cents": -500, **values}
    return _created(Adjustment(**_owned(owner, values)))


def line_item(of: Order, item: Any = None, **values: Any) -> LineItem:
    """One unit for 1000 of what `item` is, a SKU if not said."""
    line = LineItem(order=of, **_tenant_of(of), **{"quantity": 1, "unit_amount_cents": 1000, **values})
    line.stand_for(item or sku(of.organization, mode=of.mode))
    return _created(line)


def line_item_option(of: LineItem, **values: Any) -> LineItemOption:
    values = {"quantity": 1, "options": {"text": "Ada"}, **values}
    if "sku_option" not in values:
        values["sku_option"] = sku_option(of.organization, mode=of.mode)
    return _created(LineItemOption(line_item=of, **_tenant_of(of), **values))


def shipment(of: Order, **values: Any) -> Shipment:
    return _created(Shipment(order=of, **_tenant_of(of), **values))


def redemption(owner: Organization, *used: tuple[Promotion, Coupon | None], **values: Any) -> Redemption:
    """One that was given back, as nothing is counted by it."""
    values = {"currency_code": "EUR", "discount_cents": -500, "state": Redemption.State.RELEASED, **values}
    row = _created(Redemption(**_owned(owner, values)))
    uses = [
        Use(redemption=row, promotion=promotion, coupon=by, discount_cents=-500, is_counted=False)
        for promotion, by in used
    ]
    Use.objects.bulk_create(uses)
    return row


def resource_error(of: Order, **values: Any) -> ResourceError:
    values = {"name": "coupon_code", "code": "expired", "message": "The coupon has expired.", **values}
    return _created(ResourceError(order=of, **_tenant_of(of), **values))


def gift_card_recipient(owner: Organization, **values: Any) -> GiftCardRecipient:
    return _created(GiftCardRecipient(**_owned(owner, {"email": f"person{next(_numbers)}@example.com", **values})))


def gift_card(owner: Organization, **values: Any) -> GiftCard:
    """One that can pay 100.00 EUR unless `values` say otherwise."""
    currency = {} if values.get("market") else {"currency_code": "EUR"}
    card = GiftCard(**_owned(owner, {"status": GiftCard.Status.ACTIVE, "balance_cents": 10_000, **currency, **values}))
    gift_cards.create(card, BY)
    return card


def order(owner: Organization, **values: Any) -> Order:
    """A draft without lines."""
    values = _owned(owner, {"number": f"N{next(_numbers)}", "currency_code": "EUR", **values})
    values.setdefault("market", market(owner, mode=values["mode"]))
    return _created(Order(**values))


def _named(of: str) -> str:
    return f"{of} {next(_numbers)}"


def _owned(owner: Organization, values: dict[str, Any]) -> dict[str, Any]:
    return {"organization": owner, "mode": Mode.TEST, **values}


def _tier(values: dict[str, Any]) -> dict[str, Any]:
    return {"name": _named("Tier"), "up_to": next(_numbers), "price_amount_cents": 900, **values}


def _priced(of: str, cents: int, values: dict[str, Any]) -> dict[str, Any]:
    currency = {} if values.get("market") else {"currency_code": "EUR"}
    return {"name": _named(of), "price_amount_cents": cents, **currency, **values}


def _promotion(owner: Organization, **values: Any) -> dict[str, Any]:
    return {
        "organization": owner,
        "mode": Mode.TEST,
        "name": f"Promotion {next(_numbers)}",
        "starts_at": NOW - timedelta(days=1),
        "expires_at": NOW + timedelta(days=3650),
        **values,
    }


def _of_listed(owner: Organization, values: dict[str, Any]) -> dict[str, Any]:
    values = _promotion(owner, **values)
    if "sku_list" not in values:
        values["sku_list"] = sku_list(owner, mode=values["mode"])
    return values


def _tenant_of(row: Any) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "mode": row.mode}


def _created(row: Any) -> Any:
    changes.create(row, BY)
    return row
