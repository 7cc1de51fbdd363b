from commerce.resources import (
    activity,
    catalog,
    customers,
    fulfilment,
    markets,
    order_parts,
    organizations,
    payments,
    prices,
)

__all__ = [
    "activity",
    "catalog",
    "customers",
    "fulfilment",
    "markets",
    "order_parts",
    "organizations",
    "payments",
    "prices",
]
