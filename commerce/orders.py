"""Orders: lines priced, discounts and totals worked out, placed exactly once, cancelled, edited.

Every function runs in a transaction that holds the lock of the order, and writes through `changes`. Locks are taken in
this order: the order, its lines and shipments, the customer, gift cards, and last what is counted and many orders use.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, Value

from commerce import changes, customers, gift_cards, ids, people, permissions, pricing, shipments
from commerce.changes import By
from commerce.errors import CodeRefused, Locked, Refused
from commerce.jsonapi.prepared import Instances, Parameter, Statement
from commerce.models import (
    Address,
    Bundle,
    Customer,
    CustomerAddress,
    GiftCard,
    LineItem,
    Order,
    OrderNumber,
    ResourceError,
    Shipment,
    Sku,
)
from commerce.models.orders import MOST_UNITS
from commerce.money import MAX_CENTS
from commerce.prices import bundle_price, unit_prices
from commerce.pricing import LimitReached, Quote

# --- Writing orders -------------------------------------------------------------------------------


def create(order: Order, by: By) -> None:
    _check_payment_method(order)
    order.number = order.number or str(OrderNumber.objects.create().pk)
    changes.create(order, by)
    _refresh_unless_manual(order, by)
    take_steps(order, by)


def update(order: Order, by: By) -> None:
    """Saves the order, prices what changed anew unless it is refreshed by hand, and then does what triggers asked for.

    Whoever only places it was told a total before, which `place` compares: it is not priced anew in between.
    """
    order.clean()  # what follows from a market and a customer that were set alone
    check_content_may_change(order)
    _check_payment_method(order)
    is_priced_anew = bool(_changed(order, CONTENT)) or place not in order.steps
    if order.market_id != order.stored("market_id"):
        _price_in_market(order, by)
    if changes.save(order, by) and order.is_editable and is_priced_anew:
        _refresh_unless_manual(order, by)
    take_steps(order, by)


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
    if not is_offered or not _is_in_currency(method, order):
        problem = ValidationError("is not available for the order", code="invalid")
        raise ValidationError({"payment_method": problem})


def set_number(order: Order, number: str | None, by: By) -> None:
    """A number of the organization's own. Digits alone are those the server gives."""
    if not number or number == order.number:
        return
    if number.isdigit():
        raise ValidationError({"number": ValidationError("must not be digits alone", code="invalid")})
    if order.stored("number") and not order.organization.setting(f"orders_number_editable_{order.mode}"):
        raise ValidationError({"number": ValidationError("cannot be changed", code="invalid")})
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
        problem = ValidationError("cannot be set for this customer by an order", code="invalid")
        raise ValidationError({"customer_password": problem})
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
        raise ValidationError({f"_{name}_clone_id": ValidationError("must exist", code="invalid")})
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
        raise _not_now(trigger, "needs a customer and the address")
    if isinstance(by.reach, permissions.Shopper) and by.reach.customer_id != order.customer_id:
        raise _not_now(trigger, "is only possible for the customer")
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
    order.steps = (*order.steps, lambda kept, by: _note(kept, attribute, *refusal, by))


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


# --- Lines ----------------------------------------------------------------------------------------


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
    _content_changed(line.order, by)


def update_line(line: LineItem, by: By) -> None:
    _check_editable(line.order)
    _check_not_computed(line)
    _check_units(line)
    _name(line)
    if any(getattr(line, name) != line.stored(name) for name in ("item_id", "quantity", "has_given_price")):
        _price([line], line.order)
    changes.save(line, by)
    _content_changed(line.order, by)


def delete_line(line: LineItem, by: By) -> None:
    _check_editable(line.order)
    _check_not_computed(line)
    card = line.own_item
    if isinstance(card, GiftCard) and card.status != GiftCard.Status.DRAFT:
        raise Locked("The gift card was bought.")
    changes.delete(line, by)
    _content_changed(line.order, by)


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
        raise ValidationError({f"{name}_code": ValidationError("must exist", code="invalid")})
    line.stand_for(item)


def set_adds_units(line: LineItem, value: bool, by: By) -> None:
    line.adds_units = value


def set_external_price(line: LineItem, value: bool, by: By) -> None:
    """A price of an external source is given with the line: none is asked for here."""
    if value and not line.has_given_price:
        problem = ValidationError("needs unit_amount_cents: no external source is asked", code="invalid")
        raise ValidationError({"_external_price": problem})


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
        problem = ValidationError(f"cannot be edited: it is {order.status}", code="invalid")
        raise ValidationError({"order": problem})


def _check_not_computed(line: LineItem) -> None:
    was_payment = line.item_type == LineItem.ItemType.GIFT_CARDS and (line.stored("unit_amount_cents") or 0) < 0
    if line.item_type not in LineItem.GIVEN or was_payment:
        raise ValidationError({"item_type": ValidationError("is worked out by the server", code="invalid")})


def _check_units(line: LineItem) -> None:
    """A gift card is bought once, as a draft."""
    most = 1 if line.gift_card else MOST_UNITS
    if line.quantity > most:
        raise ValidationError({"quantity": ValidationError(f"must be at most {most}", code="invalid")})
    if line.gift_card is None or line.item_id == line.stored("item_id"):
        return
    if line.gift_card.status != GiftCard.Status.DRAFT:
        raise ValidationError({"item": ValidationError("must be a draft", code="invalid")})
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
    is_sold_so = bool(skus) and _is_in_currency(order.market.price_list, order)
    prices = unit_prices(order.market.price_list, skus) if is_sold_so else {}
    for line in lines:
        if line.has_given_price:
            continue
        if line.sku_id:
            _set_price(line, prices.get(line.sku_id), "sku_code")
        elif line.bundle:
            is_sold = line.bundle.market_id in (None, order.market_id) and _is_in_currency(line.bundle, order)
            _set_price(line, bundle_price(line.bundle) if is_sold else None, "bundle_code")
        elif (item := line.gift_card or line.adjustment) and not _is_in_currency(item, order):
            raise ValidationError({"item": ValidationError(f"must be in {order.currency_code}", code="invalid")})
        elif line.gift_card:
            line.unit_amount_cents = line.gift_card.balance_cents
        elif line.adjustment:
            line.unit_amount_cents = line.adjustment.amount_cents
        else:
            problem = ValidationError("can't be blank where there is no item", code="blank")
            raise ValidationError({"unit_amount_cents": problem})


def _set_price(line: LineItem, price: Any, attribute: str) -> None:
    if price is None:
        raise ValidationError({attribute: ValidationError("has no price in the market of the order", code="invalid")})
    line.unit_amount_cents, line.compare_at_amount_cents = price


def _is_in_currency(item: Any, order: Order) -> bool:
    return bool(item.currency_code == order.currency_code)


def _price_in_market(order: Order, by: By) -> None:
    try:
        refresh_prices(order, by)
    except ValidationError:
        problem = ValidationError("does not sell what is in the order", code="invalid")
        raise ValidationError({"market": problem}) from None


def refresh_prices(order: Order, by: By) -> None:
    """Asks the price list of the market anew for every line whose price was not given."""
    lines = [line for line in _lines(order) if line.is_given]
    _price(lines, order)
    for line in lines:
        line.clean()
    changes.save_computed(lines, ("unit_amount_cents", "compare_at_amount_cents", "total_amount_cents"), by)


# --- Totals ---------------------------------------------------------------------------------------


def _content_changed(order: Order, by: By) -> None:
    """After a part of the order was written, whose lock is held."""
    _refresh_unless_manual(order, by)


def _refresh_unless_manual(order: Order, by: By) -> None:
    if order.autorefresh:
        refresh(order, by)


def refresh(order: Order, by: By) -> Quote:
    """Works out shipping, discounts, the gift card's part and the totals, and stores them with the lines they make."""
    lines = _lines(order)
    sold = [line for line in lines if line.is_sold]
    if order.status == Order.Status.DRAFT and sold:
        order.status = Order.Status.PENDING
    subtotal = sum(line.total_amount_cents for line in sold)
    sent = shipments.rebuild(order, sold, subtotal, by)
    quote = pricing.rules().price(order, sold, sent, by)
    _share(sold, quote)
    changes.save_computed(sold, ("discount_cents", "discount_breakdown", "in_shipment"), by)
    kept = [line for line in lines if line.is_given]
    computed = [*_shipping_lines(sent), *_payment_lines(order), *_promotion_lines(quote)]
    _total(order, [*kept, *computed])
    computed += _gift_card_lines(order, by)
    _replace(order, [line for line in lines if not line.is_given], computed, by)
    order.refreshed_at = by.now
    _offer(order, {"available_free_skus": quote.free_skus, "available_free_bundles": quote.free_bundles})
    if [field.name for field in changes.changed_fields(order)] == ["refreshed_at"]:
        changes.save_computed([order], ("refreshed_at",), by)
    else:
        changes.save(order, by)
    return quote


def _offer(order: Order, free: Mapping[str, Set[int]]) -> None:
    """Sets what the order could have for free, which for most is nothing as before: both are asked for at once."""
    offered: dict[str, set[int]] = {}
    for key, name in _offered(connection.vendor).run({"order": order.pk}):
        offered.setdefault(name, set()).add(key)
    for name, keys in free.items():
        if keys != offered.get(name, set()):
            getattr(order, name).set(keys)


@lru_cache
def _offered(vendor: str) -> Statement:
    skus = Order.available_free_skus.through.objects.values_list("sku", Value("available_free_skus"))
    bundles = Order.available_free_bundles.through.objects.values_list("bundle", Value("available_free_bundles"))
    of_order = Q(order=Parameter("order"))
    return Statement(skus.filter(of_order).union(bundles.filter(of_order), all=True))


def sold_lines(order: Order) -> list[LineItem]:
    """What the customer put into the order."""
    return [line for line in _lines(order) if line.is_sold]


def _lines(order: Order) -> list[LineItem]:
    lines: list[LineItem] = _lines_of(connection.vendor).load({"order": order.pk})
    for line in lines:
        line.order = order
    return lines


@lru_cache
def _lines_of(vendor: str) -> Instances:
    lines = LineItem.objects.filter(order=Parameter("order")).select_related("sku", "bundle", "gift_card", "adjustment")
    return Instances(lines.order_by("created_at", "pk"))


def _share(lines: Iterable[LineItem], quote: Quote) -> None:
    """Tells every line what each promotion took off it."""
    breakdowns: dict[int, dict[str, Any]] = {}
    for discount in quote.discounts:
        told = ids.encode(discount.item_id)
        for share in discount.shares:
            if share.line_id is not None:
                breakdowns.setdefault(share.line_id, {})[told] = {
                    "name": discount.name,
                    "cents": -share.cents,
                    "weight": _weight(share.cents, discount.amount_cents),
                    "coupon_code": discount.coupon_code,
                }
    for line in lines:
        line.discount_breakdown = breakdowns.get(line.pk, {})
        line.discount_cents = sum(each["cents"] for each in line.discount_breakdown.values())


def _weight(cents: int, total: int) -> float:
    """A line's part of a discount to three decimals, as clients show it; nothing is computed with it."""
    return round(cents / total, 3) if total else 0.0


class Computed(NamedTuple):
    """A line that follows from the rest of the order: what it stands for, and what it comes to."""

    item_type: str
    item_id: int
    name: str
    total_amount_cents: int
    coupon_code: str | None = None
    rule_outcomes: tuple[Any, ...] = ()

    def new_line(self, order: Order) -> LineItem:
        line = LineItem(organization_id=order.organization_id, mode=order.mode, order=order, quantity=1)
        line.item_type, line.item_id = self.item_type, self.item_id
        if column := LineItem.ITEMS.get(self.item_type):
            setattr(line, f"{column}_id", self.item_id)
        self.tell(line)
        return line

    def tell(self, line: LineItem) -> None:
        """Sets all that may differ from one refresh to the next."""
        line.name, line.coupon_code, line.rule_outcomes = self.name[:255], self.coupon_code, list(self.rule_outcomes)
        line.unit_amount_cents = line.total_amount_cents = self.total_amount_cents


_TOLD = ("name", "unit_amount_cents", "total_amount_cents", "coupon_code", "rule_outcomes")


def _shipping_lines(sent: Iterable[Shipment]) -> list[Computed]:
    return [
        Computed(LineItem.ItemType.SHIPMENTS, shipment.pk, shipment.shipping_method.name, cost)
        for shipment in sent
        if shipment.shipping_method and (cost := shipment.cost_amount_cents) is not None
    ]


def _payment_lines(order: Order) -> list[Computed]:
    method = order.payment_method
    if method is None:
        return []
    return [Computed(LineItem.ItemType.PAYMENT_METHODS, method.pk, method.name, method.price_amount_cents)]


def _promotion_lines(quote: Quote) -> list[Computed]:
    return [
        Computed(one.item_type, one.item_id, one.name, -one.amount_cents, one.coupon_code, one.rule_outcomes)
        for one in quote.discounts
    ]


def _gift_card_lines(order: Order, by: By) -> list[Computed]:
    """The part of the total that the gift card pays: all of it, or as much as the card holds."""
    card = order.gift_card
    held = 0
    if card is not None:
        card = order.gift_card = GiftCard.objects.owned_by(order.tenant).filter(pk=card.pk).first()
    if card is not None:
        used = gift_cards.used_by(order, card) if order.status == Order.Status.EDITING else 0
        can_pay = card.is_usable(by.now) and _is_in_currency(card, order)
        held = used + (card.balance_cents if can_pay else 0)
    order.gift_card_amount_cents = -min(held, order.total_amount_cents)
    order.total_amount_cents += order.gift_card_amount_cents
    if card is None or not order.gift_card_amount_cents:
        return []
    return [Computed(LineItem.ItemType.GIFT_CARDS, card.pk, "Gift card", order.gift_card_amount_cents)]


_AMOUNTS = (
    "subtotal_amount_cents",
    "shipping_amount_cents",
    "payment_method_amount_cents",
    "discount_amount_cents",
    "adjustment_amount_cents",
)
_SUMMED: Mapping[str, str] = {
    LineItem.ItemType.SKUS: "subtotal_amount_cents",
    LineItem.ItemType.BUNDLES: "subtotal_amount_cents",
    LineItem.ItemType.GIFT_CARDS: "subtotal_amount_cents",
    LineItem.ItemType.SHIPMENTS: "shipping_amount_cents",
    LineItem.ItemType.PAYMENT_METHODS: "payment_method_amount_cents",
    LineItem.ItemType.ADJUSTMENTS: "adjustment_amount_cents",
}
"""Which amount of the order the lines of a type add up to; those of promotions make the discount."""


def _total(order: Order, lines: Iterable[LineItem | Computed]) -> None:
    """The sums of the lines, without the gift card. An adjustment takes off no more than there is."""
    amounts = dict.fromkeys(_AMOUNTS, 0)
    for line in lines:
        amounts[_SUMMED.get(line.item_type, "discount_amount_cents")] += line.total_amount_cents
    amounts["adjustment_amount_cents"] -= min(0, sum(amounts.values()))
    for name, amount in amounts.items():
        setattr(order, name, amount)
    order.total_amount_cents = sum(amounts.values())
    if order.total_amount_cents > MAX_CENTS:
        raise ValidationError(f"The order comes to more than {MAX_CENTS} cents.", code="invalid")


def _replace(order: Order, former: Iterable[LineItem], computed: Iterable[Computed], by: By) -> None:
    """Stores computed lines; one that stands for the same as before keeps its id."""
    known = {(line.item_type, line.item_id): line for line in former}
    staying, new = [], []
    for one in computed:
        same = known.pop((one.item_type, one.item_id), None)
        if same is None:
            new.append(one.new_line(order))
        else:
            one.tell(same)
            staying.append(same)
    if known:
        changes.delete_all(LineItem.objects.filter(pk__in=[line.pk for line in known.values()]))
    changes.save_computed(staying, _TOLD, by)
    changes.create_computed(new, by)


# --- What happens to orders -----------------------------------------------------------------------

Step = Callable[[Order, By], Any]


def take_steps(order: Order, by: By) -> None:
    """What triggers asked for, once all else of the request is written."""
    steps, order.steps = order.steps, ()
    for step in steps:
        step(order, by)


def place(order: Order, by: By) -> None:
    """Places the order, once however often it is asked: uses counted, the gift card debited, what was sold confirmed.

    Raises Refused where the order would cost more than its last refresh told, or a limit was reached in the meantime.
    """
    if order.was_placed:
        return
    _check_status(order, "_place", Order.Status.DRAFT, Order.Status.PENDING, Order.Status.PLACING)
    told = order.total_amount_cents if order.autorefresh else None
    quote = refresh(order, by)
    _check_placeable(order)
    if quote.refused:
        raise _refused(order, "coupon_code", *quote.refused, by)
    if told is not None and order.total_amount_cents > told:
        raise _refused(order, "", "total_changed", f"The order comes to {order.total_amount_cents} cents now.", by)
    order.mark_placed(by.now)
    changes.save(order, by)
    changes.announce(order, "place", by)
    changes.delete_all(ResourceError.objects.filter(order=order))
    if order.customer:
        customers.count_order(order.customer, 1, by)
    _debit_gift_card(order, by)
    for card in _bought_cards(order):
        _purchase(card, by)
    _commit(order, quote, by)


def _purchase(card: GiftCard, by: By) -> None:
    if card.status != GiftCard.Status.DRAFT:
        problem = ValidationError("hold a gift card that was bought already", code="invalid")
        raise ValidationError({"line_items": problem})
    gift_cards.purchase(card, by)


def _check_placeable(order: Order) -> None:
    if not order.customer_email:
        raise ValidationError({"customer_email": ValidationError("can't be blank", code="blank")})
    if not sold_lines(order):
        raise ValidationError({"line_items": ValidationError("can't be blank", code="blank")})


def _debit_gift_card(order: Order, by: By) -> None:
    try:
        gift_cards.settle(order, -order.gift_card_amount_cents, by)
    except gift_cards.Insufficient as error:
        raise _refused(order, "gift_card_code", "gift_card_insufficient", str(error), by) from None


def _bought_cards(order: Order) -> Iterable[GiftCard]:
    bought = order.line_items.filter(item_type=LineItem.ItemType.GIFT_CARDS, total_amount_cents__gte=0)
    return GiftCard.objects.owned_by(order.tenant).filter(pk__in=bought.values("gift_card")).order_by("pk")


def _commit(order: Order, quote: Quote, by: By) -> None:
    try:
        pricing.rules().commit(order, quote, by)
    except LimitReached as reached:
        raise _refused(order, "coupon_code" if reached.coupon_code else "", *reached.refusal, by) from None


def cancel(order: Order, by: By) -> None:
    """Gives back what placing took: uses, unless the order was approved, and what the gift card paid."""
    if order.status == Order.Status.CANCELLED:
        return
    _check_status(
        order,
        "_cancel",
        *(Order.Status.DRAFT, Order.Status.PENDING, Order.Status.PLACING),
        *(Order.Status.PLACED, Order.Status.EDITING, Order.Status.APPROVED),
    )
    was_placed, was_approved = order.was_placed, order.status == Order.Status.APPROVED
    _check_not_on_its_way(order, was_approved, by)
    order.mark_cancelled(by.now)
    changes.save(order, by)
    changes.announce(order, "cancel", by)
    if not was_placed:
        return
    if order.customer:
        customers.count_order(order.customer, -1, by)
    gift_cards.settle(order, 0, by)
    for card in _bought_cards(order):
        gift_cards.withdraw(card, by)
    shipments.stop(order, by)
    if not was_approved:
        pricing.rules().release(order, by)


def _check_not_on_its_way(order: Order, was_approved: bool, by: By) -> None:
    """What was sent is not taken back by a word, and what was approved not by a shopper."""
    sent = order.shipments.filter(status__in=(Shipment.Status.SHIPPED, Shipment.Status.DELIVERED))
    if order.fulfillment_status == Order.FulfillmentStatus.FULFILLED or sent.exists():
        raise _not_now("_cancel", "is not possible: the order is on its way")
    if was_approved and isinstance(by.reach, permissions.Shopper):
        raise _not_now("_cancel", "is not possible: the order is approved")


def approve(order: Order, by: By) -> None:
    """Approves a placed order: what it sends can be prepared, and the gift cards that it bought are usable."""
    if order.status == Order.Status.APPROVED:
        return
    _check_status(order, "_approve", Order.Status.PLACED)
    order.status, order.approved_at = Order.Status.APPROVED, by.now
    changes.save(order, by)
    changes.announce(order, "approve", by)
    shipments.begin(order, by)
    for card in _bought_cards(order):
        if card.status == GiftCard.Status.INACTIVE:
            gift_cards.activate(card, by)


def capture(order: Order, by: By) -> None:
    """Records that the order was paid."""
    _check_status(order, "_capture", Order.Status.PLACED, Order.Status.APPROVED)
    _pay(order, "_capture", (Order.PaymentStatus.UNPAID, Order.PaymentStatus.AUTHORIZED), Order.PaymentStatus.PAID, by)


def approve_and_capture(order: Order, by: By) -> None:
    """Nothing is captured of what is free."""
    approve(order, by)
    if order.payment_status != Order.PaymentStatus.FREE:
        capture(order, by)


def refund(order: Order, by: By) -> None:
    """Records that the payment was given back; uses stay counted."""
    _pay(order, "_refund", (Order.PaymentStatus.PAID,), Order.PaymentStatus.REFUNDED, by)


def _pay(order: Order, trigger: str, former: tuple[str, ...], new: str, by: By) -> None:
    if order.payment_status == new:
        return
    if order.payment_status not in former:
        raise _not_now(trigger, f"is not possible: the payment is {order.payment_status}")
    order.payment_status, order.payment_updated_at = new, by.now
    changes.save(order, by)
    changes.announce(order, trigger.removeprefix("_"), by)


def fulfill(order: Order, by: By) -> None:
    if order.fulfillment_status == Order.FulfillmentStatus.FULFILLED:
        return
    _check_status(order, "_fulfill", Order.Status.APPROVED)
    order.fulfillment_status, order.fulfillment_updated_at = Order.FulfillmentStatus.FULFILLED, by.now
    changes.save(order, by)
    changes.announce(order, "fulfill", by)


def to_pending(order: Order, by: By) -> None:
    if order.status == Order.Status.PENDING:
        return
    _check_status(order, "_pending", Order.Status.DRAFT, Order.Status.PLACING)
    order.status = Order.Status.PENDING
    changes.save(order, by)


def archive(order: Order, by: By) -> None:
    order.archived_at = order.archived_at or by.now
    changes.save(order, by)


def unarchive(order: Order, by: By) -> None:
    order.archived_at = None
    changes.save(order, by)


def refresh_prices_and_totals(order: Order, by: By) -> None:
    """Asks the price list anew, and works out what follows."""
    if order.is_editable:
        refresh_prices(order, by)
        refresh(order, by)


def refresh_if_editable(order: Order, by: By) -> None:
    """What was placed stays as it was."""
    if order.is_editable:
        refresh(order, by)


def nothing(row: Any, *_: Any) -> None:
    """What a trigger asks for that is so already."""


def start_editing(order: Order, by: By) -> None:
    if order.status == Order.Status.EDITING:
        return
    _check_status(order, "_start_editing", Order.Status.PLACED)
    order.status = Order.Status.EDITING
    changes.save(order, by)
    changes.announce(order, "start_editing", by)


def stop_editing(order: Order, by: By) -> None:
    """Back to placed, at no more than was placed: uses that came or went in the meantime are counted or given back."""
    if order.status == Order.Status.PLACED:
        return
    _check_status(order, "_stop_editing", Order.Status.EDITING)
    quote = refresh(order, by)
    _check_placeable(order)
    if quote.refused:
        raise _refused(order, "coupon_code", *quote.refused, by)
    if order.total_amount_cents > (order.place_total_amount_cents or 0):
        raise _not_now("_stop_editing", f"is not possible: the total exceeds {order.place_total_amount_cents} cents")
    order.status = Order.Status.PLACED
    changes.save(order, by)
    changes.announce(order, "stop_editing", by)
    _debit_gift_card(order, by)
    for card in _bought_cards(order):
        if card.status == GiftCard.Status.DRAFT:
            gift_cards.purchase(card, by)
    _commit(order, quote, by)


def _check_status(order: Order, trigger: str, *possible: str) -> None:
    if order.status not in possible:
        raise _not_now(trigger, f"is not possible: the order is {order.status}")


def _not_now(trigger: str, message: str) -> ValidationError:
    return ValidationError({trigger: ValidationError(message, code="invalid")})


# --- Errors that stay -----------------------------------------------------------------------------


def _refused(order: Order, attribute: str, reason: str, sentence: str, by: By) -> Refused:
    """Ends the request; why is kept with the order, of which nothing else changes."""
    key, tenant = order.pk, order.tenant

    def note() -> None:
        kept = Order.objects.owned_by(tenant).select_for_update(no_key=True).filter(pk=key).first()
        if kept:
            _note(kept, attribute or "base", reason, sentence, by)

    if attribute:
        return Refused(CodeRefused(attribute, reason, sentence), note)
    return Refused(ValidationError(sentence.replace("%", "%%"), "invalid", {"reason": reason}), note)


def _note(order: Order, name: str, reason: str, sentence: str, by: By) -> None:
    """Why, for whoever may know: a shopper reads what it caused, and is told of a code that it does not work."""
    if isinstance(by.reach, permissions.Shopper):
        reason, sentence = "invalid", "is invalid"
    changes.delete_all(ResourceError.objects.filter(order=order))
    told = ResourceError(organization_id=order.organization_id, mode=order.mode, order=order, name=name)
    told.code, told.message = reason, sentence
    changes.create(told, by)
