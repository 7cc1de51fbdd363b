"""Orders as clients write them: whose they are, where they go, and their codes.

Every function runs in a transaction that holds the lock of the order. Lines are written in `order_lines`, worked out in
`order_totals`, and what becomes of the order is told in `placing`.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from commerce import changes, gift_cards, ids, order_lines, order_totals, people, permissions, placing, pricing
from commerce.changes import By
from commerce.errors import CodeRefused, Locked
from commerce.models import Address, Customer, CustomerAddress, Order, OrderNumber
from commerce.models.records import invalid

# --- Writing orders -------------------------------------------------------------------------------


def create(order: Order, by: By) -> None:
    _check_payment_method(order)
    order.number = order.number or str(OrderNumber.objects.create().pk)
    changes.create(order, by)
    order_totals.refresh_unless_manual(order, by)
    order.take_steps(by)


def update(order: Order, by: By) -> None:
    """Saves the order, prices what changed anew unless it is refreshed by hand, and then does what triggers asked for.

    Whoever only places it was told a total before, which `place` compares: it is not priced anew in between.
    """
    order.clean()  # what follows from a market and a customer that were set alone
    check_content_may_change(order)
    _check_payment_method(order)
    is_priced_anew = bool(_changed(order, CONTENT)) or placing.place not in order.steps
    if order.market_id != order.stored("market_id"):
        order_lines.price_in_market(order, by)
    if changes.save(order, by) and order.is_editable and is_priced_anew:
        order_totals.refresh_unless_manual(order, by)
    order.take_steps(by)


def delete(order: Order, by: By) -> None:
    if order.placed_at is not None:
        raise Locked("The order has been placed.")
    changes.delete(order, by)


CONTENT = {
    "market_id": "market",
    "customer_id": "customer",
    "customer_email": "customer_email",
    "coupon_code": "coupon_code",
    "gift_card_code": "gift_card_code",
    "shipping_address_id": "shipping_address",
    "billing_address_id": "billing_address",
    "payment_method_id": "payment_method",
    "guest": "guest",
}
"""What decides what an order comes to and whose it is: column -> its name on the wire."""
WHOSE = {column: CONTENT[column] for column in ("market_id", "customer_id", "customer_email", "guest")}
"""What stays as it was placed also while the order is edited."""


def check_content_may_change(order: Order) -> None:
    if order.is_editable and not order.was_placed:
        return
    if changed := _changed(order, WHOSE if order.is_editable else CONTENT):
        problem = ValidationError(f"cannot be changed: the order is {order.status}", code="invalid")
        raise ValidationError(dict.fromkeys(changed, problem))


def _changed(order: Order, columns: Mapping[str, str]) -> list[str]:
    return [name for column, name in columns.items() if getattr(order, column) != order.stored(column)]


def _check_payment_method(order: Order) -> None:
    method = order.payment_method
    if method is None or not _changed(order, {"payment_method_id": "payment_method", "market_id": "market"}):
        return
    is_offered = method.disabled_at is None and method.market_id in (None, order.market_id)
    if not is_offered or not order_totals.is_in_currency(method, order):
        raise invalid("payment_method", "is not available for the order")


def set_number(order: Order, number: str | None, by: By) -> None:
    """A number of the organization's own. Digits alone are those the server gives."""
    if not number or number == order.number:
        return
    if number.isdigit():
        raise invalid("number", "must not be digits alone")
    if order.stored("number") and not order.organization.setting(f"orders_number_editable_{order.mode}"):
        raise invalid("number", "cannot be changed")
    order.number = number


def set_customer_email(order: Order, email: str | None, by: By) -> None:
    """The customer with that address, made when there is none."""
    order.customer_email = email or None
    customer = people.find_or_create(Customer, order, email, by) if email else None
    if customer != order.customer:
        order.made_customer = customer is not None and customer.created_at == by.now
    order.customer = customer


def set_customer_password(order: Order, password_hash: str, by: By) -> None:
    """Signs up a customer that this order made known; nobody becomes one that was known before."""
    customer = order.customer
    if customer is None or customer.password_hash or not order.made_customer:
        raise invalid("customer_password", "cannot be set for this customer by an order")
    customer.password_hash = password_hash
    changes.save(customer, by)
    changes.announce(customer, "create_password", by)


def clone_address_of(name: str, order: Order, public_id: str | None, by: By) -> None:
    """Sets `name`, shipping_address or billing_address, to a copy of an address that whoever asks may read."""
    if not public_id:
        return
    reached = permissions.within(by.reach or order.tenant, "addresses", Address.objects.owned_by(order.tenant))
    address = reached.filter(pk=ids.decode(public_id) or 0).first()
    if address is None:
        raise invalid(f"_{name}_clone_id", "must exist")
    setattr(order, name, _clone(address, by))


def copy_address(name: str, other: str, order: Order, value: Any, by: By) -> None:
    """Sets the address of that name to a copy of the order's other one."""
    address = getattr(order, other)
    if address is None:
        raise ValidationError({other: ValidationError("can't be blank", code="blank")})
    setattr(order, name, _clone(address, by))


def _clone(address: Address, by: By) -> Address:
    clone = Address(**_content(address), **permissions.creator(by.reach or address.tenant, "addresses"))
    changes.create(clone, by)
    return clone


def _content(address: Address) -> dict[str, Any]:
    kept = ("id", "created_at", "updated_at", "revision", "created_by_id", "of_guest")
    values = {each.attname: getattr(address, each.attname) for each in Address._meta.concrete_fields}
    return {column: value for column, value in values.items() if column not in kept}


def save_address_to_book(name: str, order: Order, by: By) -> None:
    """Puts a copy of the address of that name into the customer's address book, unless it holds one."""
    trigger, address = f"_save_{name}_to_customer_address_book", getattr(order, name)
    if address is None or order.customer is None:
        raise invalid(trigger, "needs a customer and the address")
    if isinstance(by.reach, permissions.Shopper) and by.reach.customer_id != order.customer_id:
        raise invalid(trigger, "is only possible for the customer")
    same = {f"address__{column}": value for column, value in _content(address).items()}
    if not order.customer.customer_addresses.filter(**same).exists():
        own = {"organization_id": order.organization_id, "mode": order.mode}
        changes.create(CustomerAddress(customer=order.customer, address=_clone(address, by), **own), by)


# --- Codes ----------------------------------------------------------------------------------------


def set_coupon_code(order: Order, code: str | None, by: By, attribute: str = "coupon_code") -> None:
    """Nothing removes the code; one that cannot be used is refused and leaves the one before."""
    if not code or not code.strip():
        order.coupon_code = None
        return
    refusal = pricing.rules().check_code(order, code, by)
    if refusal is None:
        order.coupon_code = code
    elif order.organization.setting("orders_invalid_coupon_errors"):
        raise CodeRefused(attribute, *refusal)
    else:
        _pass_over(order, attribute, refusal)


def set_gift_card_code(order: Order, code: str | None, by: By, attribute: str = "gift_card_code") -> None:
    if not code or not code.strip():
        order.gift_card_code = order.gift_card = None
        return
    card = gift_cards.find(order, code)
    if card and card.is_usable(by.now) and card.currency_code == order.currency_code:
        order.gift_card, order.gift_card_code = card, card.code
    elif order.organization.setting("orders_invalid_gift_card_errors"):
        raise CodeRefused(attribute, *NO_GIFT_CARD)
    else:
        _pass_over(order, attribute, NO_GIFT_CARD)


def _pass_over(order: Order, attribute: str, refusal: pricing.Refusal) -> None:
    order.refused_codes += 1
    order.ask_for(lambda kept, by: placing.note(kept, attribute, *refusal, by))


NO_GIFT_CARD = pricing.Refusal("gift_card_invalid", "No gift card with this code can pay for the order.")


def set_gift_card_or_coupon_code(order: Order, code: str | None, by: By) -> None:
    """A gift card if one has the code, else a coupon; nothing removes both."""
    attribute = "gift_card_or_coupon_code"
    if not code or not code.strip():
        order.coupon_code = order.gift_card_code = order.gift_card = None
    elif gift_cards.find(order, code):
        set_gift_card_code(order, code, by, attribute)
    else:
        set_coupon_code(order, code, by, attribute)
