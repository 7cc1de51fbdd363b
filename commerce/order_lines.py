"""What is put into orders: lines by what they stand for, and their prices.

Every function runs in a transaction that holds the lock of the order.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from commerce import changes, order_totals
from commerce.changes import By
from commerce.errors import Locked
from commerce.models import Bundle, GiftCard, LineItem, Order, Sku
from commerce.models.orders import MOST_UNITS
from commerce.models.records import invalid
from commerce.prices import bundle_price, unit_prices


def add_line(line: LineItem, by: By) -> None:
    """Adds a line, or its units to the one that has the same item already if `adds_units` says so."""
    _check_editable(line.order)
    _check_not_computed(line)
    same = _same_line(line) if line.adds_units else None
    if same:
        same.quantity += line.quantity
        line.pk = same.pk
        line = same
    _check_units(line)
    _name(line)
    _price([line], line.order)
    if same:
        changes.save(line, by)
    else:
        changes.create(line, by)
    order_totals.refresh_unless_manual(line.order, by)


def update_line(line: LineItem, by: By) -> None:
    _check_editable(line.order)
    _check_not_computed(line)
    _check_units(line)
    _name(line)
    if any(getattr(line, name) != line.stored(name) for name in ("item_id", "quantity", "has_given_price")):
        _price([line], line.order)
    changes.save(line, by)
    order_totals.refresh_unless_manual(line.order, by)


def delete_line(line: LineItem, by: By) -> None:
    _check_editable(line.order)
    _check_not_computed(line)
    card = line.own_item
    if isinstance(card, GiftCard) and card.status != GiftCard.Status.DRAFT:
        raise Locked("The gift card was bought.")
    changes.delete(line, by)
    order_totals.refresh_unless_manual(line.order, by)


def set_sku_code(line: LineItem, code: str | None, by: By) -> None:
    _set_coded(line, "sku", Sku, code)


def set_bundle_code(line: LineItem, code: str | None, by: By) -> None:
    _set_coded(line, "bundle", Bundle, code)


def _set_coded(line: LineItem, name: str, model: type[Sku] | type[Bundle], code: str | None) -> None:
    if not code or code == getattr(line, f"{name}_code"):
        return
    if line.item_id is not None and line.item_type != model.wire_type:
        problem = ValidationError(f"cannot be given: the line is of {line.item_type}", code="invalid")
        raise ValidationError({f"{name}_code": problem})
    rows: Any = model.objects.owned_by(line.order.tenant).filter(code=code)
    if model is Bundle:
        rows = rows.sold_in(line.order.market, line.order.currency_code)
    item = rows.last()
    if item is None:
        raise invalid(f"{name}_code", "must exist")
    line.stand_for(item)


def set_adds_units(line: LineItem, value: bool, by: By) -> None:
    line.adds_units = value


def set_external_price(line: LineItem, value: bool, by: By) -> None:
    """A price of an external source is given with the line: none is asked for here."""
    if value and not line.has_given_price:
        raise invalid("_external_price", "needs unit_amount_cents: no external source is asked")


def set_unit_amount(line: LineItem, cents: int | None, by: By) -> None:
    """A price of the integration's own; none leaves it to the price list again."""
    line.has_given_price = cents is not None
    line.unit_amount_cents = cents or 0


def _same_line(line: LineItem) -> LineItem | None:
    same = LineItem.objects.owned_by(line.order.tenant).filter(
        order=line.order_id, item_type=line.item_type, item_id=line.item_id, item_id__isnull=False
    )
    return same.filter(total_amount_cents__gte=0).order_by("created_at", "pk").first()


def _check_editable(order: Order) -> None:
    if not order.is_editable:
        raise invalid("order", f"cannot be edited: it is {order.status}")


def _check_not_computed(line: LineItem) -> None:
    was_payment = line.item_type == LineItem.ItemType.GIFT_CARDS and (line.stored("unit_amount_cents") or 0) < 0
    if line.item_type not in LineItem.GIVEN or was_payment:
        raise invalid("item_type", "is worked out by the server")


def _check_units(line: LineItem) -> None:
    """A gift card is bought once, as a draft."""
    most = 1 if line.gift_card else MOST_UNITS
    if line.quantity > most:
        raise invalid("quantity", f"must be at most {most}")
    if line.gift_card is None or line.item_id == line.stored("item_id"):
        return
    if line.gift_card.status != GiftCard.Status.DRAFT:
        raise invalid("item", "must be a draft")
    if line.order.line_items.filter(gift_card=line.gift_card).exclude(pk=line.pk).exists():
        raise ValidationError({"item": ValidationError("is in the order already", code="taken")})


def _name(line: LineItem) -> None:
    """What is not given is as the item has it; one that is replaced takes its name and image along."""
    item = line.own_item
    if line.stored("item_id") not in (None, line.item_id):
        line.name = line.name if line.name != line.stored("name") else ""
        line.image_url = line.image_url if line.image_url != line.stored("image_url") else None
    if item is not None:
        line.name = line.name or str(getattr(item, "name", None) or "Gift card")
        line.image_url = line.image_url or getattr(item, "image_url", None)


def _price(lines: Sequence[LineItem], order: Order) -> None:
    """Sets the prices of lines that were not given one; an item without any is refused by the name of its code."""
    skus = {line.sku_id: line.quantity for line in lines if line.sku_id and not line.has_given_price}
    is_sold_so = bool(skus) and order_totals.is_in_currency(order.market.price_list, order)
    prices = unit_prices(order.market.price_list, skus) if is_sold_so else {}
    for line in lines:
        if line.has_given_price:
            continue
        if line.sku_id:
            _set_price(line, prices.get(line.sku_id), "sku_code")
        elif line.bundle:
            is_sold = line.bundle.market_id in (None, order.market_id) and order_totals.is_in_currency(
                line.bundle, order
            )
            _set_price(line, bundle_price(line.bundle) if is_sold else None, "bundle_code")
        elif (item := line.gift_card or line.adjustment) and not order_totals.is_in_currency(item, order):
            raise invalid("item", f"must be in {order.currency_code}")
        elif line.gift_card:
            line.unit_amount_cents = line.gift_card.balance_cents
        elif line.adjustment:
            line.unit_amount_cents = line.adjustment.amount_cents
        else:
            problem = ValidationError("can't be blank where there is no item", code="blank")
            raise ValidationError({"unit_amount_cents": problem})


def _set_price(line: LineItem, price: Any, attribute: str) -> None:
    if price is None:
        raise invalid(attribute, "has no price in the market of the order")
    line.unit_amount_cents, line.compare_at_amount_cents = price


def price_in_market(order: Order, by: By) -> None:
    try:
        refresh_prices(order, by)
    except ValidationError:
        problem = ValidationError("does not sell what is in the order", code="invalid")
        raise ValidationError({"market": problem}) from None


def refresh_prices(order: Order, by: By) -> None:
    """Asks the price list of the market anew for every line whose price was not given."""
    lines = [line for line in order_totals.all_lines(order) if line.is_given]
    _price(lines, order)
    for line in lines:
        line.clean()
    changes.save_computed(lines, ("unit_amount_cents", "compare_at_amount_cents", "total_amount_cents"), by)


def refresh_prices_and_totals(order: Order, by: By) -> None:
    """Asks the price list anew, and works out what follows."""
    if order.is_editable:
        refresh_prices(order, by)
        order_totals.refresh(order, by)
