from commerce.resources import (
    activity,
    catalog,
    customers,
    fulfilment,
    gift_cards,
    markets,
    order_parts,
    orders,
    organizations,
    payments,
    prices,
)

__all__ = [
    "activity",
    "catalog",
    "customers",
    "fulfilment",
    "gift_cards",
    "markets",
    "order_parts",
    "orders",
    "organizations",
    "payments",
    "prices",
]
