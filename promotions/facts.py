"""A cart as the document that flex rules and external promotions read, under the names of the API.

Its shape is told by `promotions.engine.flex.catalogue`; what a cart has not is left out, and so is null to the rules.
"""

from collections.abc import Collection, Mapping
from typing import Any

from commerce import ids
from commerce.models import Customer, Market, Owned, Sku, SkuList
from promotions.carts import Cart, CartLine
from promotions.engine.types import Order

_STAMPS = ("reference", "reference_origin", "metadata", "created_at", "updated_at")
_CODED = ("code", "name")
_SKU = (*_CODED, "description", "image_url", "unit_of_weight", "hs_tariff_number", "do_not_ship", "do_not_track")
_CUSTOMER = ("email", "status", "shopper_reference", "profile_id", "tax_exemption_code", "total_orders_count")


def facts(cart: Cart, order: Order) -> dict[str, Any]:
    """The document of a cart whose SKU lists `order` knows; three queries, if the price list and group are loaded."""
    sku_lists = SkuList.objects.owned_by(cart.tenant).in_bulk({key for line in order.lines for key in line.lists})
    tags = _tags(Sku, [line.sku.pk for line in cart.lines if line.sku])
    listed = {line.id: [_listed(sku_lists[key]) for key in line.lists if key in sku_lists] for line in order.lines}
    return {
        "currency_code": cart.currency_code,
        "customer_email": cart.customer_email or (cart.customer and cart.customer.email),
        "coupon_code": cart.coupon_codes[0] if cart.coupon_codes else None,
        "status": order.status,
        "guest": cart.customer is None,
        "metadata": dict(cart.metadata),
        "market": _market(cart.market),
        "customer": _customer(cart.customer),
        "line_items": [_line(line, listed[line.id], tags) for line in cart.lines],
        "shipments": [{"id": one.id, "cost_amount_cents": one.cost_amount_cents} for one in cart.shipments],
    }


def _line(line: CartLine, listed: list[dict[str, Any]], tags: Mapping[int, list[dict[str, Any]]]) -> dict[str, Any]:
    is_bundle = line.item_type == "bundles"
    return {
        "id": line.id,
        "item_type": line.item_type,
        "sku_code": None if is_bundle else line.code,
        "bundle_code": line.code if is_bundle else None,
        "quantity": line.quantity,
        "unit_amount_cents": line.unit_amount_cents,
        "compare_at_amount_cents": line.compare_at_amount_cents,
        "options_amount_cents": line.options_amount_cents,
        "metadata": dict(line.metadata),
        "sku": _sku(line, listed, tags),
        "bundle": _row(line.bundle, *_CODED, "description", "currency_code") if line.bundle else None,
    }


def _sku(line: CartLine, listed: list[dict[str, Any]], tags: Mapping[int, list[dict[str, Any]]]) -> Any:
    if line.sku is None:
        return {"code": line.code, "sku_lists": listed} if line.item_type == "skus" else None
    return _row(line.sku, *_SKU) | {"tags": tags.get(line.sku.pk, []), "sku_lists": listed}


def _market(market: Market | None) -> Any:
    if market is None:
        return None
    price_list = _row(market.price_list, *_CODED, "currency_code", "tax_included")
    return _row(market, *_CODED) | {"number": market.pk, "price_list": price_list}


def _customer(customer: Customer | None) -> Any:
    if customer is None:
        return None
    group = customer.customer_group
    return _row(customer, *_CUSTOMER) | {
        "tags": _tags(Customer, [customer.pk]).get(customer.pk, []),
        "customer_group": _row(group, *_CODED) if group else None,
    }


def _listed(sku_list: SkuList) -> dict[str, Any]:
    return _row(sku_list, "name", "slug", "description", "manual")


def _row(row: Owned, *names: str) -> dict[str, Any]:
    return {"id": row.public_id} | {name: getattr(row, name) for name in (*names, *_STAMPS)}


def _tags(model: Any, keys: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    tags: dict[int, list[dict[str, Any]]] = {}
    rows = model.objects.filter(pk__in=keys, tags__isnull=False).order_by("tags")
    for key, tag, name in rows.values_list("pk", "tags", "tags__name") if keys else ():
        tags.setdefault(key, []).append({"id": ids.encode(tag), "name": name})
    return tags
