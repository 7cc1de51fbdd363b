"""What an order could have for free: gifts of promotions whose rules hold, whether or not they are in it yet."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from commerce import ids
from commerce.models import Bundle, SkuListItem
from promotions.carts import Cart
from promotions.engine import cart as engine
from promotions.engine import flex
from promotions.engine.benefits import FreeGift
from promotions.engine.types import Benefit, Evaluation, Order


class Gifts(NamedTuple):
    """Keys of SKUs and of bundles."""

    skus: frozenset[int] = frozenset()
    bundles: frozenset[int] = frozenset()


Named = tuple[str, int, int]
"""By what a gift is named, the key, and how many units of it there are."""
SKU, BUNDLE, SKU_LIST = "order.line_items.sku.id", "order.line_items.bundle.id", "order.line_items.sku.sku_lists.id"


def available(cart: Cart, order: Order, evaluation: Evaluation, now: datetime) -> Gifts:
    """Those that the cart does not hold as often as they are given; two queries where there is a gift at all.

    `evaluation` must explain what did not apply.
    """
    named = list(_named(order, evaluation, now))
    if not named:
        return Gifts()
    skus = Counter[int]()
    for line in cart.lines:
        if line.sku:
            skus[line.sku.pk] += line.quantity
    bundles = {line.bundle.pk for line in cart.lines if line.bundle}
    lists = {key: quantity for by, key, quantity in named if by == SKU_LIST}
    free_skus = {key for by, key, quantity in named if by == SKU and skus[key] < quantity}
    free_bundles = {key for by, key, _ in named if by == BUNDLE}
    if lists:
        free_skus |= _of_lists(cart, lists, skus)
        sold = Bundle.objects.owned_by(cart.tenant).sold_in(cart.market, cart.currency_code)
        free_bundles |= set(sold.filter(sku_list__in=lists).values_list("pk", flat=True))
    return Gifts(frozenset(free_skus), frozenset(free_bundles - bundles))


def _named(order: Order, evaluation: Evaluation, now: datetime) -> Iterator[Named]:
    for promotion, benefit in _giving(evaluation):
        if isinstance(benefit, FreeGift):
            yield SKU_LIST, promotion, benefit.max_quantity
        elif isinstance(benefit, flex.Program):
            for gift in benefit.gifts(engine.Cart(order), now):
                for path, identifiers in gift.identifiers:
                    for identifier in identifiers:
                        yield path.text, ids.decode(identifier) or 0, gift.quantity


def _giving(evaluation: Evaluation) -> Iterator[tuple[int, Benefit]]:
    """The benefits of promotions that apply, or would if the order held what they give; with the key of their list."""
    lacking = [one.promotion for one in evaluation.not_applied if one.refusal.reason in _LACKING and one.promotion]
    for promotion in (*(one.promotion for one in evaluation.applied), *lacking):
        yield promotion.sku_list_id or 0, promotion.benefit


_LACKING = ("no_matching_items", "no_effect")


def _of_lists(cart: Cart, lists: Mapping[int, int], held: Mapping[int, int]) -> set[int]:
    """The SKUs of lists, given in the order of their items up to the number of each list, that are still to be had."""
    items = SkuListItem.objects.owned_by(cart.tenant).filter(sku_list__in=lists).order_by("sku_list", "position", "pk")
    left = dict(lists)
    lacking: dict[int, set[int]] = {}
    for sku_list, sku, quantity in items.values_list("sku_list_id", "sku_id", "quantity"):
        left[sku_list] -= min(quantity, held.get(sku, 0), left[sku_list])
        if held.get(sku, 0) < quantity:
            lacking.setdefault(sku_list, set()).add(sku)
    return set().union(*(skus for sku_list, skus in lacking.items() if left[sku_list]))
