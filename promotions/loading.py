"""From rows to what the engine takes, in a fixed number of queries: however many lines, promotions or codes there are.

What a tenant's promotions say is kept per process as of one pricing revision, which every write to them raises; how
often they were used is read anew each time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from django.db import connection
from django.db.models import Exists, F, OuterRef

from commerce import patterns
from commerce.jsonapi.prepared import Parameter, Statement
from commerce.models import Customer, PricingRevision, Sku, SkuListItem, Tenant
from commerce.models import Order as StoredOrder
from commerce.permissions import ANY_TENANT
from promotions import custom_filters, flex_rules
from promotions.carts import Cart, CartLine
from promotions.engine import benefits, conditions
from promotions.engine.book import Book
from promotions.engine.types import Benefit, Listed, Order, Rule
from promotions.engine.types import Customer as EngineCustomer
from promotions.engine.types import Line as EngineLine
from promotions.engine.types import Promotion as EnginePromotion
from promotions.engine.types import Shipment as EngineShipment
from promotions.models import (
    BuyXPayYPromotion,
    CouponCodesPromotionRule,
    CustomPromotionRule,
    ExternalPromotion,
    FixedAmountPromotion,
    FixedPricePromotion,
    FlexPromotion,
    FreeGiftPromotion,
    FreeShippingPromotion,
    OrderAmountPromotionRule,
    PercentageDiscountPromotion,
    Promotion,
    PromotionRule,
    SkuListPromotionRule,
)

# --- One promotion --------------------------------------------------------------------------------

BENEFITS: Mapping[str, Callable[[Promotion], Benefit]] = {
    PercentageDiscountPromotion.KIND: lambda row: benefits.PercentageDiscount(Fraction(row.percentage) / 100),
    FixedAmountPromotion.KIND: lambda row: benefits.FixedAmount(row.fixed_amount_cents),
    FixedPricePromotion.KIND: lambda row: benefits.FixedPrice(row.fixed_amount_cents),
    FreeGiftPromotion.KIND: lambda row: benefits.FreeGift(row.max_quantity),
    BuyXPayYPromotion.KIND: lambda row: benefits.BuyXPayY(row.x, row.y, row.cheapest_free),
    FreeShippingPromotion.KIND: lambda row: benefits.FreeShipping(),
    ExternalPromotion.KIND: lambda row: benefits.External(),
    FlexPromotion.KIND: lambda row: flex_rules.stored_program(row.rules),
}

RULES: Mapping[str, Callable[[PromotionRule, Mapping[int, int]], Rule]] = {
    OrderAmountPromotionRule.KIND: lambda row, sizes: conditions.OrderAmount(row.order_amount_cents, row.use_subtotal),
    SkuListPromotionRule.KIND: lambda row, sizes: conditions.SkuList(
        cast("int", row.sku_list_id), row.all_skus, row.min_quantity, sizes.get(cast("int", row.sku_list_id), 0)
    ),
    CustomPromotionRule.KIND: lambda row, sizes: custom_filters.compiled(row.filters),
}
"""A coupon rule is no condition here: the coupon that opens it is a claim."""


def _value(row: Promotion, rules: Iterable[PromotionRule], sizes: Mapping[int, int]) -> EnginePromotion:
    return EnginePromotion(
        id=row.pk,
        kind=row.kind,
        name=row.name,
        benefit=BENEFITS[row.kind](row),
        starts_at=row.starts_at,
        expires_at=row.expires_at,
        disabled_at=row.disabled_at,
        exclusive=row.exclusive,
        priority=row.priority,
        currency_code=row.currency_code,
        market_id=row.market_id,
        sku_list_id=row.sku_list_id,
        total_usage_limit=row.total_usage_limit,
        rules=tuple(RULES[rule.kind](rule, sizes) for rule in rules if rule.kind in RULES),
    )


def _reads_tags(promotion: EnginePromotion) -> bool:
    custom = (rule for rule in promotion.rules if isinstance(rule, conditions.Custom))
    return any(wanted.attribute in conditions.TAGS for rule in custom for wanted in rule.filters)


# --- What a tenant's promotions say ---------------------------------------------------------------


class Definitions:
    """The promotions of a tenant as of one pricing revision: those without a code, and of the others those asked for.

    `patterns` holds the SKU lists of any of them that are told by a pattern, `reads_tags` whether any looks at tags.
    """

    def __init__(self, tenant: Tenant, revision: int, now: datetime) -> None:
        self.tenant = tenant
        self.revision = revision
        self.patterns: dict[int, str] = {}
        self.reads_tags = False
        self._opened: dict[int, EnginePromotion] = {}
        coupon_rules = CouponCodesPromotionRule.objects.filter(promotion_id=OuterRef("pk"))
        running = Promotion.objects.owned_by(tenant).enabled().filter(expires_at__gt=now)
        self.book = Book(self._values(running.exclude(Exists(coupon_rules))))
        self.limited = [one.id for one in self.book.promotions if one.total_usage_limit is not None]
        self.read_facts = any(one.kind in READING_FACTS for one in self.book.promotions)

    def opened(self, keys: Collection[int]) -> dict[int, EnginePromotion]:
        """The promotions of these keys, which coupons open."""
        known = {key: promotion for key in keys if (promotion := self._opened.get(key))}
        missing = [key for key in keys if key not in known]
        if missing:
            rows = Promotion.objects.owned_by(self.tenant).filter(pk__in=missing)
            known |= {promotion.id: promotion for promotion in self._values(rows)}
            if len(self._opened) + len(missing) > MOST_OPENED:
                self._opened.clear()
            self._opened.update(known)
        return known

    def exhausted(self) -> set[int]:
        """Keys of the promotions in the book that were used as often as they may be."""
        if not self.limited:
            return set()
        used_up = Promotion.objects.filter(pk__in=self.limited, total_usage_count__gte=F("total_usage_limit"))
        return set(used_up.values_list("pk", flat=True))

    def _values(self, rows: Any) -> list[EnginePromotion]:
        promotions = list(rows.select_related("sku_list"))
        of_these = PromotionRule.objects.filter(promotion_id__in=[row.pk for row in promotions])
        rules = list(of_these.select_related("sku_list").order_by("kind"))
        rules_of: dict[int, list[PromotionRule]] = {}
        for rule in rules:
            rules_of.setdefault(rule.promotion_id, []).append(rule)
        for row in (*promotions, *rules):
            if row.sku_list and not row.sku_list.manual:
                self.patterns[row.sku_list_id] = row.sku_list.sku_code_regex
        sizes = _sizes([rule.sku_list_id for rule in rules if rule.all_skus])
        values = [_value(row, rules_of.get(row.pk, ()), sizes) for row in promotions]
        self.reads_tags = self.reads_tags or any(map(_reads_tags, values))
        return values


READING_FACTS = (FlexPromotion.KIND, ExternalPromotion.KIND)
"""Kinds that need the order as a document."""
MOST_OPENED = 4096
"""How many promotions behind codes are kept for a tenant."""
MOST_TENANTS = 256


def _sizes(sku_lists: Collection[int]) -> dict[int, int]:
    if not sku_lists:
        return {}
    return Counter(SkuListItem.objects.filter(sku_list_id__in=sku_lists).values_list("sku_list_id", flat=True))


_kept: dict[Tenant, Definitions] = {}


def definitions(tenant: Tenant, now: datetime) -> Definitions:
    """What the tenant's promotions say now; one query while nothing changed."""
    found = _revision(connection.vendor).run(tenant._asdict())
    revision = found[0][0] if found else 0
    known = _kept.get(tenant)
    if known is None or known.revision != revision:
        if len(_kept) >= MOST_TENANTS:
            _kept.clear()
        known = _kept[tenant] = Definitions(tenant, revision, now)
    return known


@lru_cache
def _revision(vendor: str) -> Statement:
    return Statement(PricingRevision.objects.filter(**ANY_TENANT._asdict()).values_list("revision"))


def forget() -> None:
    """Of a database that was replaced, as tests do, revisions say nothing."""
    _kept.clear()


# --- One order ------------------------------------------------------------------------------------


def order_of(cart: Cart, known: Definitions) -> Order:
    """The cart as the engine takes it: one query for its SKU lists, and where a promotion looks at tags three more."""
    listings = _listings(cart, known)
    tags = _tags(Sku, [line.sku.pk for line in cart.lines if line.sku and known.reads_tags])
    return Order(
        currency_code=cart.currency_code,
        market_id=cart.market.pk if cart.market else None,
        lines=tuple(_line(line, listings[line.id], tags) for line in cart.lines),
        shipments=tuple(
            EngineShipment(id=one.id, amount_cents=one.cost_amount_cents, lines=one.lines) for one in cart.shipments
        ),
        customer=_customer(cart, known),
        status=cart.order.status if cart.order else "pending",
        tags=_tags_of(cart.order, known) if cart.order else frozenset(),
    )


def _line(line: CartLine, lists: Mapping[int, Listed], tags: Mapping[int, frozenset[int]]) -> EngineLine:
    return EngineLine(
        id=line.id,
        code=line.code,
        item_type=line.item_type,
        discountable=line.discountable,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        options_amount_cents=line.options_amount_cents,
        lists=lists,
        tags=tags.get(line.sku.pk, frozenset()) if line.sku else frozenset(),
    )


def _customer(cart: Cart, known: Definitions) -> EngineCustomer:
    customer = cart.customer
    if customer is None:
        return EngineCustomer(email=cart.email_norm)
    tags = _tags_of(customer, known)
    return EngineCustomer(id=customer.pk, email=cart.email_norm, status=customer.status, tags=tags)


def _listings(cart: Cart, known: Definitions) -> dict[int, dict[int, Listed]]:
    """Line -> the SKU lists that hold its item. A bundle is in the list it is made of."""
    items: dict[int, dict[int, Listed]] = {}
    skus = [line.sku.pk for line in cart.lines if line.sku]
    rows = _listed(connection.vendor).run({**cart.tenant._asdict(), "skus": skus}) if skus else ()
    for sku, sku_list, position, quantity in rows:
        items.setdefault(sku, {})[sku_list] = Listed(position, quantity)
    listings = {}
    for line in cart.lines:
        listings[line.id] = dict(items.get(line.sku.pk, {})) if line.sku else {}
        if line.bundle:
            listings[line.id][line.bundle.sku_list_id] = Listed()
        elif line.item_type == "skus":
            listings[line.id].update(
                (sku_list, Listed()) for sku_list, pattern in known.patterns.items() if _matches(pattern, line.code)
            )
    return listings


@lru_cache
def _listed(vendor: str) -> Statement:
    rows = SkuListItem.objects.owned_by(ANY_TENANT).filter(sku__among=Parameter("skus"))
    return Statement(rows.values_list("sku_id", "sku_list_id", "position", "quantity"))


@lru_cache(65_536)
def _matches(pattern: str, code: str) -> bool:
    return patterns.matches(pattern, code)


def _tags_of(row: Customer | StoredOrder, known: Definitions) -> frozenset[int]:
    return _tags(type(row), [row.pk]).get(row.pk, frozenset()) if known.reads_tags else frozenset()


def _tags(model: Any, keys: Collection[int]) -> dict[int, frozenset[int]]:
    """Row -> the keys of its tags. The relation is the tags' own: nothing here imports them."""
    tags: dict[int, set[int]] = {}
    for key, tag in _tagged(connection.vendor, model).run({"keys": list(keys)}) if keys else ():
        tags.setdefault(key, set()).add(tag)
    return {key: frozenset(found) for key, found in tags.items()}


@lru_cache
def _tagged(vendor: str, model: Any) -> Statement:
    rows = model.objects.filter(pk__among=Parameter("keys"), tags__isnull=False)
    return Statement(rows.values_list("pk", "tags"))
