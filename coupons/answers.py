"""What a cart comes to, as it is told: the attributes of evaluations, and what redemptions keep of theirs."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from commerce import ids
from commerce.money import as_float, formatted
from promotions.carts import Cart, CartLine
from promotions.engine.types import Applied, Evaluation, NotApplied, Promotion, Share

NOT_APPLICABLE: dict[str, Any] = {
    "promotion": None,
    "name": None,
    "reason": "not_applicable",
    "sentence": "The code cannot be used for this order.",
    "missing": None,
    "additions": [],
}
"""What a shopper is told, whatever the reason."""
MOST_REASONS = 250
"""How many promotions are told that did not apply."""


def answer(cart: Cart, evaluation: Evaluation, line_id: Callable[[int], Any] = int) -> dict[str, Any]:
    """The attributes of the document, every reason told. Discounts are negative, as on orders.

    `line_id` is how lines and shipments are called. Of what did not apply, what codes open comes first.
    """
    refused = sorted(evaluation.not_applied, key=lambda one: one.claim is None)[:MOST_REASONS]
    discounts: Counter[int | None] = Counter()
    for share in (share for one in evaluation.applied for share in one.shares):
        discounts[share.line_id] += share.cents
    return {
        "currency_code": cart.currency_code,
        **_amount("subtotal", evaluation.subtotal_amount_cents, cart),
        **_amount("shipping", evaluation.shipping_amount_cents, cart),
        **_amount("discount", -evaluation.discount_amount_cents, cart),
        **_amount("total", evaluation.total_amount_cents, cart),
        "line_items": [_line(line, discounts[line.id]) for line in cart.lines],
        "applied": [_applied(one, cart, line_id) for one in evaluation.applied],
        "not_applied": [_not_applied(one) for one in refused],
    }


def _amount(name: str, amount: int, cart: Cart) -> dict[str, Any]:
    return {
        f"{name}_amount_cents": amount,
        f"{name}_amount_float": as_float(amount, cart.currency_code),
        f"formatted_{name}_amount": formatted(amount, cart.currency_code),
    }


def _line(line: CartLine, discount: int) -> dict[str, Any]:
    total = line.quantity * line.unit_amount_cents + line.options_amount_cents
    return {
        "item_type": line.item_type,
        "code": line.code,
        "quantity": line.quantity,
        "unit_amount_cents": line.unit_amount_cents,
        "options_amount_cents": line.options_amount_cents,
        "total_amount_cents": total,
        "discount_cents": -discount,
    }


def uniform(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as a shopper is told it: of each code that did not apply, that it did not."""
    refused = [one["coupon_code"] for one in document["not_applied"] if one["coupon_code"]]
    return {**document, "not_applied": [{**NOT_APPLICABLE, "coupon_code": code} for code in refused]}


def _applied(one: Applied, cart: Cart, line_id: Callable[[int], Any]) -> dict[str, Any]:
    return {
        "promotion": _identifier(one.promotion),
        "name": one.name,
        "coupon_code": one.claim.code if one.claim else None,
        "total_amount_cents": -one.amount_cents,
        "formatted_total_amount": formatted(-one.amount_cents, cart.currency_code),
        "shares": [_share(share, line_id) for share in one.shares],
        "rule_outcomes": list(one.rule_outcomes),
        "additions": _additions(one),
    }


def _additions(one: Applied | NotApplied) -> list[dict[str, Any]]:
    """What the order gets by the promotion and does not hold yet."""
    return [{"code": code, "quantity": quantity} for code, quantity in one.additions]


def _share(share: Share, line_id: Callable[[int], Any]) -> dict[str, Any]:
    if share.line_id is not None:
        return {"line_item": line_id(share.line_id), "cents": -share.cents}
    return {"shipment": line_id(share.shipment_id or 0), "cents": -share.cents}


def _not_applied(one: NotApplied) -> dict[str, Any]:
    return {
        "promotion": _identifier(one.promotion) if one.promotion else None,
        "name": one.promotion.name if one.promotion else None,
        "coupon_code": one.claim.code if one.claim else None,
        "reason": one.refusal.reason,
        "sentence": one.refusal.sentence,
        "missing": one.refusal.missing,
        "additions": _additions(one),
    }


def _identifier(promotion: Promotion) -> dict[str, str]:
    return {"type": f"{promotion.kind}_promotions", "id": ids.encode(promotion.id)}
