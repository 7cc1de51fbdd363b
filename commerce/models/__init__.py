from commerce.models.access import Application, IssuedGrant, IssuedToken, Role
from commerce.models.activity import Event, PricingRevision, Version
from commerce.models.catalog import Bundle, ShippingCategory, Sku, SkuList, SkuListItem
from commerce.models.customers import Address, Customer, CustomerAddress, CustomerGroup, normalise_email
from commerce.models.fulfilment import ShippingMethod, ShippingZone, StockLocation
from commerce.models.kinds import KindManager, OfKind
from commerce.models.markets import Market, Merchant
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

__all__ = [
    "PRICE_TIER_KINDS",
    "Address",
    "Application",
    "Bundle",
    "Customer",
    "CustomerAddress",
    "CustomerGroup",
    "Event",
    "IssuedGrant",
    "IssuedToken",
    "KindManager",
    "ManualGateway",
    "Market",
    "Merchant",
    "Mode",
    "OfKind",
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
    "Role",
    "ShippingCategory",
    "ShippingMethod",
    "ShippingZone",
    "Sku",
    "SkuList",
    "SkuListItem",
    "StockLocation",
    "Tenant",
    "Version",
    "normalise_email",
]
