"""The promotions of a tenant that need no code, kept so that an order meets only those that could be for it."""

from bisect import bisect_right
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from promotions.engine.conditions import OrderAmount, SkuList
from promotions.engine.reasons import Refusal
from promotions.engine.types import NotApplied, Order, Promotion

OUTSIDE_LIMIT = Refusal("outside_concurrent_limit")


def standing(promotion: Promotion, order: Order, now: datetime, exhausted: Collection[int] = ()) -> Refusal | None:
    """Why a promotion is not open to the order at all: by its life, its market, its currency. None if it is."""
    if promotion.disabled_at is not None:
        return Refusal("promotion_disabled")
    if promotion.expires_at <= now:
        return Refusal("promotion_expired")
    if promotion.starts_at > now:
        return Refusal("promotion_pending")
    if promotion.id in exhausted:
        return Refusal("promotion_usage_reached")
    if promotion.market_id not in (None, order.market_id):
        return Refusal("market_mismatch")
    if promotion.currency_code not in (None, order.currency_code):
        return Refusal("currency_mismatch")
    return None


class Book:
    """Promotions in the order they apply, indexed for each market and currency that orders come from."""

    def __init__(self, promotions: Iterable[Promotion]) -> None:
        self.promotions = sorted(promotions, key=lambda promotion: promotion.rank)
        self._moments = sorted({at for one in self.promotions for at in (one.starts_at, one.expires_at)})
        self._shelves: dict[tuple[int | None, str], tuple[int, Shelf]] = {}

    def candidates(
        self, order: Order, now: datetime, limit: int | None, exhausted: Collection[int], *, every: bool = False
    ) -> list[Promotion]:
        """Those of the considered promotions that could take something off the order, in the order they apply.

        With `every` those too of which the index knows that they cannot.
        """
        shelf = self._shelf(order, now)
        end = _end(shelf, limit, exhausted)
        places = range(end) if every else sorted(place for place in _places(shelf, order) if place < end)
        return [promotion for place in places if (promotion := shelf.promotions[place]).id not in exhausted]

    def absent(
        self, order: Order, now: datetime, exhausted: Collection[int], candidates: Iterable[Promotion]
    ) -> list[NotApplied]:
        """Why each promotion that is not among `every` candidate is not."""
        present = {promotion.id for promotion in candidates}
        return [
            NotApplied(standing(promotion, order, now, exhausted) or OUTSIDE_LIMIT, promotion)
            for promotion in self.promotions
            if promotion.id not in present
        ]

    def _shelf(self, order: Order, now: datetime) -> "Shelf":
        """The promotions open to orders like this one; made anew when one of them starts or ends."""
        scope = (order.market_id, order.currency_code)
        period = bisect_right(self._moments, now)
        kept = self._shelves.get(scope)
        if kept is None or kept[0] != period:
            standing_now = [one for one in self.promotions if standing(one, order, now) is None]
            kept = self._shelves[scope] = period, Shelf.of(standing_now)
        return kept[1]


class Shelf(NamedTuple):
    """Promotions of one scope and moment. Places are positions in `promotions`."""

    promotions: list[Promotion]
    place_of: dict[int, int]
    by_list: dict[int, list[int]]
    """SKU list -> places of the promotions that need one of its items."""
    thresholds: list[int]
    """Order amounts, ascending, that the promotions at `places` need; 0 where any amount will do."""
    places: list[int]

    @classmethod
    def of(cls, promotions: list[Promotion]) -> "Shelf":
        by_list: dict[int, list[int]] = {}
        others: list[tuple[int, int]] = []
        for place, promotion in enumerate(promotions):
            sku_list = _needed_list(promotion)
            if sku_list is None:
                others.append((_threshold(promotion), place))
            else:
                by_list.setdefault(sku_list, []).append(place)
        others.sort()
        return cls(
            promotions,
            {promotion.id: place for place, promotion in enumerate(promotions)},
            by_list,
            [threshold for threshold, _ in others],
            [place for _, place in others],
        )


def _needed_list(promotion: Promotion) -> int | None:
    if promotion.sku_list_id is not None:
        return promotion.sku_list_id
    return next((rule.sku_list_id for rule in promotion.rules if isinstance(rule, SkuList)), None)


def _threshold(promotion: Promotion) -> int:
    amounts = [rule.order_amount_cents or 0 for rule in promotion.rules if isinstance(rule, OrderAmount)]
    return max(amounts, default=0)


def _places(shelf: Shelf, order: Order) -> set[int]:
    subtotal = sum(line.quantity * line.unit_amount_cents + line.options_amount_cents for line in order.lines)
    places = set(shelf.places[: bisect_right(shelf.thresholds, subtotal)])
    for sku_list in {key for line in order.lines for key in line.lists}:
        places.update(shelf.by_list.get(sku_list, ()))
    return places


def _end(shelf: Shelf, limit: int | None, exhausted: Collection[int]) -> int:
    """The place where the considered promotions end: used up ones take none of the places that `limit` gives."""
    if limit is None:
        return len(shelf.promotions)
    end = limit
    for place in sorted(shelf.place_of[key] for key in exhausted if key in shelf.place_of):
        end += place < end
    return min(end, len(shelf.promotions))
