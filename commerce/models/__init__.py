from commerce.models.access import ApiKey, Application, IssuedGrant, IssuedToken, Role
from commerce.models.activity import Event, PricingRevision, Version
from commerce.models.catalog import Bundle, ShippingCategory, Sku, SkuList, SkuListItem, SkuOption
from commerce.models.customers import Address, Customer, CustomerAddress, CustomerGroup, normalise_email
from commerce.models.fulfilment import ShippingMethod, ShippingZone, StockLocation
from commerce.models.gift_cards import GiftCard, GiftCardRecipient, LedgerEntry
from commerce.models.kinds import KindManager, OfKind
from commerce.models.markets import Market, Merchant
from commerce.models.orders import Adjustment, LineItem, LineItemOption, Order, OrderNumber, ResourceError
from commerce.models.organizations import Organization
from commerce.models.owned import Mode, Owned, OwnedQuerySet, Tenant
from commerce.models.payments import ManualGateway, PaymentMethod
from commerce.models.prices import (
    PRICE_TIER_KINDS,
    Price,
    PriceFrequencyTier,
    PriceList,
    PriceTier,
    PriceVolumeTier,
)
from commerce.models.shipments import Shipment

__all__ = [
    "PRICE_TIER_KINDS",
    "Address",
    "Adjustment",
    "ApiKey",
    "Application",
    "Bundle",
    "Customer",
    "CustomerAddress",
    "CustomerGroup",
    "Event",
    "GiftCard",
    "GiftCardRecipient",
    "IssuedGrant",
    "IssuedToken",
    "KindManager",
    "LedgerEntry",
    "LineItem",
    "LineItemOption",
    "ManualGateway",
    "Market",
    "Merchant",
    "Mode",
    "OfKind",
    "Order",
    "OrderNumber",
    "Organization",
    "Owned",
    "OwnedQuerySet",
    "PaymentMethod",
    "Price",
    "PriceFrequencyTier",
    "PriceList",
    "PriceTier",
    "PriceVolumeTier",
    "PricingRevision",
    "ResourceError",
    "Role",
    "Shipment",
    "ShippingCategory",
    "ShippingMethod",
    "ShippingZone",
    "Sku",
    "SkuList",
    "SkuListItem",
    "SkuOption",
    "StockLocation",
    "Tenant",
    "Version",
    "normalise_email",
]
