"""What clients write of an order besides its lines: shipments, and the options of lines. The order is priced anew.

Every function runs in a transaction and takes the lock of the order, unless it is held already.
"""

from commerce import changes, order_totals, shipments
from commerce.changes import By
from commerce.errors import Locked
from commerce.models import LineItem, LineItemOption, Order, Shipment
from commerce.models.records import invalid
from commerce.patterns import matches

# --- Shipments ------------------------------------------------------------------------------------


def create_shipment(shipment: Shipment, by: By) -> None:
    """A shipment of one's own. The next refresh of the order keeps it if it has no category, or one that is needed."""
    _check_editable(shipment.order, "order")
    shipments.check_method(shipment)
    changes.create(shipment, by)


def save_shipment(shipment: Shipment, by: By) -> None:
    if shipment.shipping_address_id != shipment.stored("shipping_address_id"):
        _check_editable(shipment.order, "shipping_address")
    if shipment.shipping_method_id == shipment.stored("shipping_method_id"):
        changes.save(shipment, by)
        return
    _check_editable(shipment.order, "shipping_method")
    shipments.check_method(shipment)
    changes.save(shipment, by)
    order_totals.refresh_unless_manual(shipment.order, by)


def delete_shipment(shipment: Shipment, by: By) -> None:
    """Deletes it; one that the lines of the order need comes back with the next refresh."""
    if not shipment.order.is_editable:
        raise Locked("The order cannot be edited.")
    changes.delete(shipment, by)
    order_totals.refresh_unless_manual(shipment.order, by)


# --- Options of lines -----------------------------------------------------------------------------


def set_unit_amount(option: LineItemOption, cents: int | None, by: By) -> None:
    """A price of the integration's own; none takes that of the SKU option."""
    option.has_given_price = cents is not None
    option.unit_amount_cents = (option.sku_option.price_amount_cents or 0) if cents is None else cents


def create_option(option: LineItemOption, by: By) -> None:
    line = option.line_item
    line.order = Order.objects.owned_by(line.tenant).select_for_update(no_key=True).get(pk=line.order_id)
    if not line.is_sold:
        raise invalid("line_item", "must stand for something that is sold")
    _check_option(option)
    changes.create(option, by)
    _sum_options(line, by)


def save_option(option: LineItemOption, by: By) -> None:
    _check_option(option)
    changes.save(option, by)
    _sum_options(option.line_item, by)


def delete_option(option: LineItemOption, by: By) -> None:
    _check_editable(option.line_item.order, "line_item")
    changes.delete(option, by)
    _sum_options(option.line_item, by)


def _check_option(option: LineItemOption) -> None:
    """Raises ValidationError where the order cannot be edited, or its line not have the SKU option."""
    line, chosen = option.line_item, option.sku_option
    order = line.order
    _check_editable(order, "line_item")
    if option.sku_option_id == option.stored("sku_option_id"):
        return
    sold_there = chosen.market_id in (None, order.market_id) and chosen.currency_code == order.currency_code
    if not sold_there or not matches(chosen.sku_code_regex or "", line.sku_code or ""):
        raise invalid("sku_option", "is not available for the line item")


def _sum_options(line: LineItem, by: By) -> None:
    line.options_amount_cents = sum(option.total_amount_cents for option in line.line_item_options.all())
    changes.save(line, by)
    order_totals.refresh_unless_manual(line.order, by)


# --- Both -----------------------------------------------------------------------------------------


def _check_editable(order: Order, name: str) -> None:
    """`name` is what leads to the order, for the error to point at."""
    if not order.is_editable:
        raise invalid(name, "belongs to an order that cannot be edited")
