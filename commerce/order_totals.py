"""What orders come to: shipping, discounts, the gift card's part, and the lines that tell of them.

Every function runs in a transaction that holds the lock of the order.
"""

from collections.abc import Iterable, Mapping, Set
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, Value

from commerce import changes, gift_cards, ids, pricing, shipments
from commerce.changes import By
from commerce.jsonapi.prepared import Instances, Parameter, Statement
from commerce.models import GiftCard, LineItem, Order, Shipment
from commerce.money import MAX_CENTS
from commerce.pricing import Quote


def is_in_currency(item: Any, order: Order) -> bool:
    return bool(item.currency_code == order.currency_code)


def refresh_unless_manual(order: Order, by: By) -> None:
    if order.autorefresh:
        refresh(order, by)


def refresh_if_editable(order: Order, by: By) -> None:
    """What was placed stays as it was."""
    if order.is_editable:
        refresh(order, by)


def refresh(order: Order, by: By) -> Quote:
    """Works out shipping, discounts, the gift card's part and the totals, and stores them with the lines they make."""
    lines = all_lines(order)
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
    return [line for line in all_lines(order) if line.is_sold]


def all_lines(order: Order) -> list[LineItem]:
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
        can_pay = card.is_usable(by.now) and is_in_currency(card, order)
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
        changes.delete_computed(LineItem.objects.filter(pk__in=[line.pk for line in known.values()]))
    changes.save_computed(staying, _TOLD, by)
    changes.create_computed(new, by)
