"""A cart as the document that flex rules and external promotions read, under the names of the API.

Its shape is told by `promotions.engine.flex.catalogue`; what a cart has not is left out, and so is null to the rules.
"""

from collections.abc import Collection, Mapping
from typing import Any

from commerce import ids
from commerce.models import Address, Customer, LineItemOption, Market, Order, Owned, Sku, SkuList
from promotions.carts import Cart, CartLine, CartShipment
from promotions.engine.types import Order as EngineOrder

Facts = dict[str, Any]
FactsOf = Mapping[int, list[Facts]]
"""Key of a row -> what belongs to it."""
_STAMPS = ("reference", "reference_origin", "metadata", "created_at")
_CODED = ("code", "name")
_SKU = (*_CODED, "description", "image_url", "unit_of_weight", "hs_tariff_number", "do_not_ship", "do_not_track")
_ORDER = (
    *("number", "affiliate_code", "status", "payment_status", "fulfillment_status", "customer_email", "customer_type"),
    *("language_code", "currency_code", "country_code", "shipping_country_code_lock", "coupon_code", "gift_card_code"),
    *("tax_included", "freight_taxable", "payment_method_taxable", "adjustment_taxable", "gift_card_taxable"),
    *("placed_at", "expires_at"),
)
_OPTION = ("name", "quantity", "unit_amount_cents", "total_amount_cents")
_ADDRESS = (
    *("business", "first_name", "last_name", "company", "line_1", "line_2", "city", "zip_code", "state_code"),
    *("country_code", "phone", "email", "notes", "billing_info"),
)
_CUSTOMER = ("email", "status", "shopper_reference", "profile_id", "tax_exemption_code", "total_orders_count")


def facts(cart: Cart, order: EngineOrder) -> Facts:
    """The document of a cart whose SKU lists `order` knows; three queries, if the price list and group are loaded.

    Of an order of ours two more, and one for each of its addresses. When rows were last updated is left out of it, so
    that nothing but a change of what it says makes another document.
    """
    sku_lists = SkuList.objects.owned_by(cart.tenant).in_bulk({key for line in order.lines for key in line.lists})
    tags = _tags(Sku, [line.sku.pk for line in cart.lines if line.sku])
    listed = {line.id: [_listed(sku_lists[key]) for key in line.lists if key in sku_lists] for line in order.lines}
    options = _options(cart)
    return {
        "currency_code": cart.currency_code,
        "customer_email": cart.customer_email or (cart.customer and cart.customer.email),
        "coupon_code": cart.coupon_codes[0] if cart.coupon_codes else None,
        "status": order.status,
        "guest": cart.customer is None,
        "metadata": dict(cart.metadata),
        "market": _market(cart.market),
        "customer": _customer(cart.customer),
        "line_items": [_line(line, listed[line.id], tags, options) for line in cart.lines],
        "shipments": [{"id": one.id, "cost_amount_cents": one.cost_amount_cents} for one in cart.shipments],
        **(_stored(cart, cart.order) if cart.order else {}),
    }


def _stored(cart: Cart, order: Order) -> Facts:
    """What is known besides of an order of ours."""
    tags = _tags(Order, [order.pk])
    return _row(order, *_ORDER) | {
        "guest": order.guest,
        "tags": tags.get(order.pk, []),
        "shipping_address": _address(order.shipping_address),
        "billing_address": _address(order.billing_address),
        "payment_method": _method(order.payment_method, "payment_source_type"),
        "shipments": [_shipment(one, order) for one in cart.shipments],
    }


def _options(cart: Cart) -> dict[int, list[Facts]]:
    """Line -> its options."""
    if cart.order is None:
        return {}
    lines = [line.id for line in cart.lines]
    rows = LineItemOption.objects.owned_by(cart.tenant).filter(line_item__in=lines).order_by("created_at", "pk")
    options: dict[int, list[Facts]] = {}
    for option in rows:
        options.setdefault(option.line_item_id, []).append(_row(option, *_OPTION))
    return options


def _shipment(cart_shipment: CartShipment, order: Order) -> Facts:
    shipment = cart_shipment.shipment
    if shipment is None:
        return {"id": cart_shipment.id, "cost_amount_cents": cart_shipment.cost_amount_cents}
    return _row(shipment, "number", "status") | {
        "id": cart_shipment.id,
        "currency_code": order.currency_code,
        "cost_amount_cents": cart_shipment.cost_amount_cents,
        "shipping_method": _method(shipment.shipping_method, "scheme", "free_over_amount_cents"),
        "shipping_address": _address(shipment.shipping_address),
    }


def _method(method: Any, *names: str) -> Any:
    return _row(method, "name", "currency_code", "price_amount_cents", *names) if method else None


def _address(address: Address | None) -> Any:
    return _row(address, *_ADDRESS) if address else None


def _line(line: CartLine, listed: list[Facts], tags: FactsOf, options: FactsOf) -> Facts:
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
        "line_item_options": options.get(line.id, []),
        "bundle": _row(line.bundle, *_CODED, "description", "currency_code") if line.bundle else None,
    }


def _sku(line: CartLine, listed: list[Facts], tags: FactsOf) -> Any:
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


def _listed(sku_list: SkuList) -> Facts:
    return _row(sku_list, "name", "slug", "description", "manual")


def _row(row: Owned, *names: str) -> Facts:
    return {"id": row.public_id} | {name: getattr(row, name) for name in (*names, *_STAMPS)}


def _tags(model: Any, keys: Collection[int]) -> dict[int, list[Facts]]:
    tags: dict[int, list[Facts]] = {}
    rows = model.objects.filter(pk__in=keys, tags__isnull=False).order_by("tags")
    for key, tag, name in rows.values_list("pk", "tags", "tags__name") if keys else ():
        tags.setdefault(key, []).append({"id": ids.encode(tag), "name": name})
    return tags
