"""Redemptions made ahead: a customer is granted a coupon, and what it discounts follows later (`coupons.invoices`).

Such a redemption has one use, of the coupon, and neither an order nor a currency. Every function runs inside
`changes.atomic()`.
"""

from collections.abc import Sequence
from typing import Any

from commerce import changes, customers, ids
from commerce.changes import By
from commerce.codes import normalise_code
from commerce.errors import CodeRefused
from commerce.models import Customer, Tenant
from commerce.models.records import invalid
from commerce.pricing import LimitReached
from coupons import definitions, pricing, redeeming
from coupons.claims import NOT_FOUND
from coupons.models import Coupon, Redemption, Use
from coupons.redeeming import Taken
from promotions import loading, restrictions
from promotions.carts import Cart
from promotions.engine.cart import Cart as EngineCart
from promotions.engine.reasons import Refusal
from promotions.engine.restrictions import Customers, CustomerTags
from promotions.engine.types import Order, Promotion
from promotions.restrictions import Restriction

# --- Granting -------------------------------------------------------------------------------------


def redeem(
    tenant: Tenant,
    code: str,
    customer_reference: str | None,
    restricted: Sequence[Restriction],
    by: By,
) -> Redemption:
    """Grants the coupon with that code to a customer, who is one of ours or kept elsewhere, and counts its use.

    What the order must meet is asked later, of what the customer must be all that is known by now. `restricted` may
    hold OF_INVOICES and `{"type": "discounts_per_redemption", "quantity": 2}`; the limit of the promotion holds
    nevertheless. Raises CodeRefused on `coupon`, `customer` or `restrictions`, and ValidationError on the latter.
    """
    if unknown := {one["type"] for one in restricted} - OF_INVOICES - {OWN_LIMIT}:
        raise invalid("restrictions", f"cannot be of the type {', '.join(sorted(unknown))}")
    own_limits = [one["quantity"] for one in restricted if one["type"] == OWN_LIMIT]
    restrictions.check([one for one in restricted if one["type"] != OWN_LIMIT])
    paid_by = restrictions.compiled(restricted).paid_by
    if paid_by is not None and paid_by <= by.now:
        raise CodeRefused("restrictions", "paid_by_over", "The time to pay by is over.")
    coupon = definitions.with_code(tenant, normalise_code(code))
    if coupon is None:
        raise _refused(NOT_FOUND)
    customer = customers.called(tenant, customer_reference) if customer_reference else None
    if why_not := _refusal(coupon, customer, customer_reference, by):
        raise _refused(why_not)
    promotion = coupon.promotion_rule.promotion
    limits = [limit for limit in (promotion.discounts_per_redemption, *own_limits) if limit is not None]
    redemption = Redemption(
        **tenant._asdict(),
        state=redeeming.COMMITTED,
        customer=customer,
        customer_email=customer.email if customer else None,
        customer_reference=customer_reference or None,
        restrictions=list(restricted),
        discounts_limit=min(limits, default=None),
    )
    try:
        redeeming.redeem(redemption, [Taken(promotion.pk, coupon.pk, coupon.code, 0)], by)
    except LimitReached as reached:
        raise _refused(reached.refusal) from None
    return redemption


OWN_LIMIT = "discounts_per_redemption"
OF_INVOICES = frozenset(
    ("minimum_order_amount", "maximum_order_amount", "paid_by", "orders", "subscriptions", "plans", "products")
)
"""What a redemption may be restricted to: whose it is and what it gives is for the promotion to say."""


def _refusal(coupon: Coupon, customer: Customer | None, customer_reference: str | None, by: By) -> Refusal | None:
    """Asked as if the order were in the promotion's own market and currency."""
    promotion = coupon.promotion_rule.promotion
    cart = Cart(
        tenant=coupon.tenant,
        currency_code=promotion.currency_code or "",
        market=promotion.market,
        customer=customer,
        customer_reference=customer_reference,
        coupon_codes=(coupon.code,),
    )
    found = pricing.available(cart, loading.definitions(coupon.tenant, by.now), by)
    claim = next((one for one in found.claims if one.coupon_id == coupon.pk), None)
    if claim is None or claim.promotion is None:
        return NOT_FOUND
    return claim.refusal or _customer_refusal(claim.promotion, found.order)


def _customer_refusal(promotion: Promotion, order: Order) -> Refusal | None:
    asked = [rule for rule in promotion.rules if isinstance(rule, Customers | CustomerTags)]
    return next((why_not for rule in asked if (why_not := rule.refusal(EngineCart(order)))), None)


OF_CUSTOMERS = frozenset(
    ("customer_unknown", "already_used_by_customer", "customer_not_eligible", "recipient_unknown", "recipient_mismatch")
)
"""Reasons that another customer might not meet."""


def _refused(why: Any) -> CodeRefused:
    return CodeRefused("customer" if why.reason in OF_CUSTOMERS else "coupon", why.reason, why.sentence)


# --- Giving back ----------------------------------------------------------------------------------


def cancel_use(use: Use, by: By) -> bool:
    """Gives back one use of a coupon, and its redemption where no other coupon is left in it; False when it was before.

    What it took off an order or an invoice stays taken off. Raises Forbidden where that is of a balance and off
    invoices: it must be removed from those first.
    """
    redemption = Redemption.objects.select_for_update(no_key=True).get(pk=use.redemption_id)
    counted = {one.pk: one for one in redemption.uses.filter(is_counted=True, coupon__isnull=False)}
    given_back = counted.pop(use.pk, None)
    if given_back is None:
        return False
    if not counted and redemption.state != redeeming.RELEASED:
        redeeming.cancel(redemption, by)
        return True
    Use.objects.filter(pk=use.pk).update(is_counted=False)
    changes.touch(redemption, "update", {"coupon_id": [ids.encode(given_back.coupon_id or 0), None]}, by)
    redeeming.count(redemption, (), [given_back], by=by)
    return True
