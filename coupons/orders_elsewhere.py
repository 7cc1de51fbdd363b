"""Orders that are kept elsewhere and told as a whole: each uses what it uses once, however often it is told.

An order is known by its reference, within what tells of it (`origin`). What is merely reserved for it, or was redeemed
ahead of any order, does not count as the order's. Every function runs inside `changes.atomic()`.
"""

from collections.abc import Mapping

from commerce.changes import By
from commerce.codes import normalise_code
from commerce.errors import DomainError, Forbidden
from commerce.models import Organization
from commerce.pricing import LimitReached
from coupons import answers, pricing, redeeming
from coupons.models import Redemption
from coupons.turns import take_turns
from promotions.carts import Cart


class CodesRefused(DomainError):
    """Codes that take nothing off, as they are spelt, each with why."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("Codes cannot be used; nothing was.")
        self.problems = problems


def redeem(cart: Cart, origin: str, organization: Organization, by: By) -> Redemption:
    """What the order that the cart describes used up: now, or when it was told first.

    Raises CodesRefused, and Forbidden where the order was told otherwise before and not given back since.
    """
    take_turns(cart.tenant, f"order {origin} {cart.reference}")
    if known := _redeemed(cart, origin):
        if not _is_same(cart, known):
            raise Forbidden("The order was redeemed with other contents; release that first.")
        return known
    evaluation = pricing.evaluate(cart, organization, by)
    if refused := {code: why.sentence for code, why in pricing.unused(cart, evaluation)}:
        raise CodesRefused(refused)
    redemption = Redemption(
        **cart.tenant._asdict(),
        state=redeeming.COMMITTED,
        reference=cart.reference,
        reference_origin=origin,
        customer=cart.customer,
        customer_email=cart.customer_email,
        currency_code=cart.currency_code,
        evaluation=answers.answer(cart, evaluation),
    )
    try:
        redeeming.redeem(redemption, pricing.taken(map(pricing.discount, evaluation.applied)), by)
    except LimitReached as reached:
        raise CodesRefused({reached.coupon_code or "": reached.refusal.sentence}) from None
    return redemption


def _redeemed(cart: Cart, origin: str) -> Redemption | None:
    rows = Redemption.objects.owned_by(cart.tenant).filter(reference=cart.reference, reference_origin=origin)
    whole = rows.filter(order=None, state=redeeming.COMMITTED, currency_code__isnull=False)
    found: Redemption | None = whole.order_by("committed_at", "pk").first()
    return found


def _is_same(cart: Cart, redemption: Redemption) -> bool:
    told = [(line.code, line.quantity, line.unit_amount_cents) for line in cart.lines]
    lines = redemption.evaluation["line_items"]
    known = [(line["code"], line["quantity"], line["unit_amount_cents"]) for line in lines]
    used = {one["coupon_code"] for one in redemption.evaluation["applied"] if one["coupon_code"]}
    codes = set(map(normalise_code, cart.coupon_codes))
    is_paid_alike = cart.currency_code == redemption.currency_code
    return is_paid_alike and told == known and codes == set(map(normalise_code, used))
