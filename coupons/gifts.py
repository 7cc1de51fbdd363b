"""What an order could have for free: gifts of promotions whose rules hold, whether or not they are in it yet."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from commerce import ids
from commerce.models import Bundle, SkuListItem
from promotions.carts import Cart
from promotions.engine import cart as engine
from promotions.engine import flex
from promotions.engine.benefits import FreeGift
from promotions.engine.types import Evaluation, Order


class Gifts(NamedTuple):
    """Keys of SKUs and of bundles."""

    skus: frozenset[int] = frozenset()
    bundles: frozenset[int] = frozenset()


class Giving(NamedTuple):
    """What one gift may be chosen from, up to `quantity` units in all."""

    quantity: int
    sku_lists: frozenset[int]
    skus: frozenset[int] = frozenset()
    bundles: frozenset[int] = frozenset()
    is_listed: bool = False
    """Whether there are as many units of each item as its list says."""


def available(cart: Cart, order: Order, evaluation: Evaluation, now: datetime) -> Gifts:
    """Those that the cart does not hold as often as they are given; two queries where a list gives them, else none.

    `evaluation` must explain what did not apply.
    """
    giving = list(_giving(order, evaluation, now))
    sku_lists = {key for gift in giving for key in gift.sku_lists}
    items = _items(cart, sku_lists) if sku_lists else {}
    held = Counter[int]()
    for line in cart.lines:
        if line.sku:
            held[line.sku.pk] += line.quantity
    skus = {key for gift in giving for key in _lacking(gift, items, held)}
    bundles = {key for gift in giving for key in gift.bundles}
    if sku_lists:
        sold = Bundle.objects.owned_by(cart.tenant).sold_in(cart.market, cart.currency_code)
        bundles |= set(sold.filter(sku_list__in=sku_lists).values_list("pk", flat=True))
    return Gifts(frozenset(skus), frozenset(bundles - {line.bundle.pk for line in cart.lines if line.bundle}))


def _giving(order: Order, evaluation: Evaluation, now: datetime) -> Iterator[Giving]:
    """The gifts of promotions that apply, or would if the order held them."""
    absent = [one.promotion for one in evaluation.not_applied if one.refusal.reason in _ABSENT and one.promotion]
    for promotion in (*(one.promotion for one in evaluation.applied), *absent):
        benefit = promotion.benefit
        if isinstance(benefit, FreeGift):
            yield Giving(benefit.max_quantity, frozenset({promotion.sku_list_id or 0}), is_listed=True)
        elif isinstance(benefit, flex.Program):
            for gift in benefit.gifts(engine.Cart(order), now):
                named = {path.text: frozenset(map(_key, identifiers)) for path, identifiers in gift.identifiers}
                lists, skus, bundles = (named.get(selector, frozenset()) for selector in _SELECTORS)
                yield Giving(gift.quantity, lists, skus, bundles)


_ABSENT = ("no_matching_items", "no_effect")
_SELECTORS = ("order.line_items.sku.sku_lists.id", "order.line_items.sku.id", "order.line_items.bundle.id")


def _key(public_id: str) -> int:
    return ids.decode(public_id) or 0


def _items(cart: Cart, sku_lists: Collection[int]) -> dict[int, dict[int, int]]:
    """SKU list -> its SKUs in their order, with how many units of each the list means."""
    rows = SkuListItem.objects.owned_by(cart.tenant).filter(sku_list__in=sku_lists).order_by("position", "pk")
    items: dict[int, dict[int, int]] = {}
    for sku_list, sku, quantity in rows.values_list("sku_list_id", "sku_id", "quantity"):
        items.setdefault(sku_list, {})[sku] = quantity
    return items


def _lacking(gift: Giving, items: Mapping[int, Mapping[int, int]], held: Mapping[int, int]) -> set[int]:
    """The SKUs of which more could be had."""
    listed = {sku: units for key in gift.sku_lists for sku, units in items.get(key, {}).items()}
    units_of = listed if gift.is_listed else dict.fromkeys((*gift.skus, *listed), gift.quantity)
    had = sum(min(units, held.get(sku, 0)) for sku, units in units_of.items())
    return {sku for sku, units in units_of.items() if held.get(sku, 0) < units} if had < gift.quantity else set()
