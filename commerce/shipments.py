"""Shipments of orders: which there are, how they can be sent and what that costs.

Every function runs in a transaction that holds the lock of the order.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from commerce import changes
from commerce.changes import By
from commerce.jsonapi.prepared import Instances, Parameter
from commerce.models import LineItem, Order, Shipment, ShippingMethod, SkuListItem
from commerce.models.records import invalid


def rebuild(order: Order, lines: Sequence[LineItem], subtotal_cents: int, by: By) -> list[Shipment]:
    """One shipment for each shipping category of the sold lines, none before the order has a shipping address.

    Those there are keep their shipping method as long as it fits; those of no category are somebody's own and stay.
    Sets `in_shipment` of the lines, which whoever asks stores, and what each shipment costs. However many lines, it
    takes as many queries.
    """
    category_of = _categories(order, lines) if order.shipping_address_id else {}
    shipments = _kept(order, set(category_of.values()), by)
    of_category = {one.shipping_category_id: one for one in reversed(shipments)}
    for category_id in sorted(set(category_of.values()) - of_category.keys()):
        of_category[category_id] = _added(order, category_id, by)
        shipments.append(of_category[category_id])
    for line in lines:
        line.in_shipment = of_category[category_of[line.pk]] if line.pk in category_of else None
    for shipment in shipments:
        _follow(order, shipment, subtotal_cents)
    changes.save_computed(shipments, ("cost_amount_cents", "shipping_address", "shipping_method"), by)
    if shipments:
        _offer_methods(order, shipments)
    return shipments


def _offer_methods(order: Order, shipments: Sequence[Shipment]) -> None:
    """Stores which methods each shipment can be sent by: two queries, and two more where that changed."""
    methods = ShippingMethod.objects.owned_by(order.tenant).filter(disabled_at=None, currency_code=order.currency_code)
    offered = methods.filter(Q(market=None) | Q(market=order.market_id)).select_related("shipping_zone")
    wanted = {
        (shipment.pk, method.pk)
        for method in offered
        for shipment in shipments
        if fits(method, order, shipment.shipping_category_id)
    }
    links = Shipment.available_shipping_methods.through.objects
    kept = links.filter(shipment__in=shipments).values_list("shipment_id", "shippingmethod_id", "pk")
    held = {(shipment, method): key for shipment, method, key in kept}
    if gone := [key for pair, key in held.items() if pair not in wanted]:
        links.filter(pk__in=gone).delete()
    if new := wanted - held.keys():
        links.bulk_create([links.model(shipment_id=shipment, shippingmethod_id=method) for shipment, method in new])


def _categories(order: Order, lines: Sequence[LineItem]) -> dict[int, int]:
    """Line -> the shipping category it is sent with, of what is sent at all; a bundle goes with its first SKU."""
    lists = {line.bundle.sku_list_id for line in lines if line.bundle}
    of_list: dict[int, int] = {}
    if lists:
        sent = SkuListItem.objects.owned_by(order.tenant).filter(sku_list__in=lists, sku__do_not_ship=False)
        of_list = dict(sent.order_by("-position", "-pk").values_list("sku_list_id", "sku__shipping_category_id"))
    found = {line.pk: of_list.get(line.bundle.sku_list_id) for line in lines if line.bundle}
    found |= {line.pk: line.sku.shipping_category_id for line in lines if line.sku and not line.sku.do_not_ship}
    return {key: category_id for key, category_id in found.items() if category_id is not None}


def _kept(order: Order, categories: set[int], by: By) -> list[Shipment]:
    """The order's shipments without those of a category that no line has any more, as far as none is on its way."""
    kept = []
    for shipment in _not_cancelled(connection.vendor).load({"order": order.pk}):
        shipment.order = order
        if shipment.is_under_way or shipment.shipping_category_id in {None, *categories}:
            kept.append(shipment)
        else:
            changes.delete(shipment, by)
    return kept


@lru_cache
def _not_cancelled(vendor: str) -> Instances:
    shipments = Shipment.objects.filter(order=Parameter("order")).exclude(status=Shipment.Status.CANCELLED)
    return Instances(shipments.select_related("shipping_method__shipping_zone").order_by("created_at", "number"))


def _added(order: Order, category_id: int, by: By) -> Shipment:
    shipment = Shipment(
        organization_id=order.organization_id, mode=order.mode, order=order, shipping_category_id=category_id
    )
    shipment.shipping_method = _usual_method(order, category_id)
    changes.create(shipment, by)
    return shipment


def _usual_method(order: Order, category_id: int | None) -> ShippingMethod | None:
    usual = order.market.default_shipping_method
    return usual if usual and fits(usual, order, category_id) else None


def _follow(order: Order, shipment: Shipment, subtotal_cents: int) -> None:
    method = shipment.shipping_method
    if method and not fits(method, order, shipment.shipping_category_id):
        method = shipment.shipping_method = _usual_method(order, shipment.shipping_category_id)
    shipment.cost_amount_cents = cost(method, subtotal_cents) if method else None
    if shipment.shipping_category_id:
        shipment.shipping_address = order.shipping_address


def cost(method: ShippingMethod, subtotal_cents: int) -> int:
    """What one shipment costs. Every scheme costs its price, and nothing from `free_over_amount_cents` on.

    That is compared with the subtotal whatever `use_subtotal` says: shipping is known before what is taken off it is.
    """
    free_over = method.free_over_amount_cents
    return 0 if free_over is not None and subtotal_cents >= free_over else method.price_amount_cents


def fits(method: ShippingMethod, order: Order, category_id: int | None) -> bool:
    """Whether the order's units of a shipping category can be sent by the method to its shipping address."""
    zone = method.shipping_zone
    return (
        method.disabled_at is None
        and method.market_id in (None, order.market_id)
        and method.currency_code == order.currency_code
        and method.shipping_category_id in (None, category_id)
        and (zone is None or (order.shipping_address is not None and zone.reaches(order.shipping_address)))
    )


def check_method(shipment: Shipment) -> None:
    """Raises ValidationError where its method is none for it."""
    method = shipment.shipping_method
    if method and not fits(method, shipment.order, shipment.shipping_category_id):
        raise invalid("shipping_method", "is not available for the shipment")


def begin(order: Order, by: By) -> None:
    """Moves on the shipments of an approved order that nobody has moved yet."""
    _move("upcoming", order, order.shipments.filter(status=Shipment.Status.DRAFT), by)


def stop(order: Order, by: By) -> None:
    """Nothing of a cancelled order is sent any more."""
    _move("cancel", order, order.shipments.exclude(status=Shipment.Status.CANCELLED), by)


def _move(step: str, order: Order, shipments: QuerySet, by: By) -> None:
    for shipment in shipments.order_by("number"):
        shipment.order = order
        take_step(step, shipment, True, by)
        changes.save(shipment, by)


def take_step(step: str, shipment: Shipment, value: Any, by: By) -> None:
    """Moves the shipment on, and tells it as an event of that name. Raises ValidationError out of turn."""
    shipment.take_step(step, by.now)
    changes.announce(shipment, step, by)
