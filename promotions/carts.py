"""A cart to be priced: rows of the catalog, quantities and amounts, wherever it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commerce.models import Bundle, Customer, Market, Order, Shipment, Sku, Tenant, normalise_email


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """`id` is unique within the cart. `code` is that of the SKU or bundle, or of something that is sold elsewhere."""

    id: int
    code: str
    quantity: int
    unit_amount_cents: int
    options_amount_cents: int = 0
    compare_at_amount_cents: int | None = None
    item_type: str = "skus"
    product: str | None = None
    """What it is a plan or variant of, where it is sold elsewhere; a SKU tells it by its reference."""
    discountable: bool = True
    sku: Sku | None = None
    bundle: Bundle | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CartShipment:
    """Holds the lines of these ids, or all of them when None."""

    id: int
    cost_amount_cents: int
    lines: frozenset[int] | None = None
    shipment: Shipment | None = None
    """That of the order, where the cart is one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    tenant: Tenant
    currency_code: str
    market: Market | None = None
    customer: Customer | None = None
    customer_email: str | None = None
    customer_reference: str | None = None
    """What the customer is called elsewhere."""
    country_code: str | None = None
    reference: str | None = None
    """What the order or invoice is called elsewhere."""
    subscription: str | None = None
    lines: tuple[CartLine, ...] = ()
    shipments: tuple[CartShipment, ...] = ()
    coupon_codes: tuple[str, ...] = ()
    order: Order | None = None
    """The order that it is the content of, where it is one of ours."""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def email_norm(self) -> str | None:
        """The address that coupons are meant for: the one given, or that of the customer."""
        if self.customer_email:
            return normalise_email(self.customer_email)
        return self.customer.email_norm if self.customer else None
