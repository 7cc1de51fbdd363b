"""What takes something off an order, as far as orders know of it.

Discounts come from an app above, which `settings.ORDER_PRICING` names: a module with the functions of `Pricing`.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from django.conf import settings

from commerce.changes import By
from commerce.models import LineItem, Order, Shipment


class Share(NamedTuple):
    """Positive cents off one line or one shipment of the order."""

    cents: int
    line_id: int | None
    shipment_id: int | None


class Discount(NamedTuple):
    """What one promotion takes off: `amount_cents`, positive, is the sum of its shares."""

    item_type: str
    item_id: int
    name: str
    amount_cents: int
    shares: tuple[Share, ...]
    coupon_code: str | None = None
    coupon_id: int | None = None
    rule_outcomes: tuple[Any, ...] = ()


class Refusal(NamedTuple):
    """Why a code or a promotion cannot be used: a word for programs and a sentence for people."""

    reason: str
    sentence: str


class Quote(NamedTuple):
    """What the order is discounted by. `refused` is why its coupon code cannot be used any more, if it cannot."""

    discounts: tuple[Discount, ...] = ()
    refused: Refusal | None = None
    free_skus: frozenset[int] = frozenset()
    free_bundles: frozenset[int] = frozenset()


class LimitReached(Exception):
    """Somebody else had the last use in the meantime. `coupon_code` is that of the coupon it was the limit of."""

    def __init__(self, refusal: Refusal, coupon_code: str | None) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal
        self.coupon_code = coupon_code


class Pricing(Protocol):
    """Every function runs in a transaction that holds the lock of the order."""

    def check_code(self, order: Order, code: str, by: By) -> Refusal | None:
        """Why the order may not take the coupon code; whether it then takes anything off is told by `price`."""

    def price(self, order: Order, lines: Sequence[LineItem], shipments: Sequence[Shipment], by: By) -> Quote:
        """What is taken off the lines that are sold and the shipments; keeps why for whoever asks."""

    def commit(self, order: Order, quote: Quote, by: By) -> None:
        """Counts what the order uses, once however often it is called. Raises LimitReached."""

    def release(self, order: Order, by: By) -> None:
        """Gives back what the order used, as far as its promotions allow."""


def rules() -> Pricing:
    return cast("Pricing", import_module(settings.ORDER_PRICING))
