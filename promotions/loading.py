"""From rows to what the engine takes, in a fixed number of queries: however many lines, promotions or codes there are.

What a tenant's promotions say is kept per process as of one pricing revision, which every write to them raises; how
often they were used is read anew each time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from django.db import connection
from django.db.models import Exists, F, OuterRef

from commerce import ids, patterns
from commerce.jsonapi.prepared import Parameter, Statement
from commerce.models import Customer, PricingRevision, Sku, SkuListItem, Tenant
from commerce.models import Order as StoredOrder
from commerce.permissions import ANY_TENANT
from promotions import custom_filters, flex_rules, restrictions
from promotions.carts import Cart, CartLine
from promotions.engine import benefits, conditions
from promotions.engine.book import Book
from promotions.engine.restrictions import Countries, CustomerTags, CustomerUsage
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
    PercentageDiscountPromotion.KIND: lambda row: benefits.PercentageDiscount(
        Fraction(row.percentage) / 100, row.discount_context
    ),
    FixedAmountPromotion.KIND: lambda row: AMOUNTS[row.declining_balance](row.fixed_amount_cents, row.discount_context),
    FixedPricePromotion.KIND: lambda row: benefits.FixedPrice(row.fixed_amount_cents, row.whole_order),
    FreeGiftPromotion.KIND: lambda row: benefits.FreeGift(row.max_quantity),
    BuyXPayYPromotion.KIND: lambda row: benefits.BuyXPayY(row.x, row.y, row.cheapest_free),
    FreeShippingPromotion.KIND: lambda row: benefits.FreeShipping(),
    ExternalPromotion.KIND: lambda row: benefits.External(),
    FlexPromotion.KIND: lambda row: flex_rules.stored_program(row.rules),
}

AMOUNTS: Mapping[bool, Callable[[int, str], Benefit]] = {False: benefits.FixedAmount, True: benefits.Balance}

RULES: Mapping[str, Callable[[PromotionRule, Mapping[int, int]], Rule]] = {
    OrderAmountPromotionRule.KIND: lambda row, sizes: conditions.OrderAmount(row.order_amount_cents, row.use_subtotal),
    SkuListPromotionRule.KIND: lambda row, sizes: conditions.SkuList(
        cast("int", row.sku_list_id), row.all_skus, row.min_quantity, sizes.get(cast("int", row.sku_list_id), 0)
    ),
    CustomPromotionRule.KIND: lambda row, sizes: custom_filters.compiled(row.filters),
}
"""A coupon rule is no condition here: the coupon that opens it is a claim."""


def _value(row: Promotion, rules: Iterable[PromotionRule], sizes: Mapping[int, int]) -> EnginePromotion:
    restricted = restrictions.compiled(row.restrictions)
    return EnginePromotion(
        id=row.pk,
        kind=row.kind,
        name=row.name,
        benefit=BENEFITS[row.kind](row),
        starts_at=row.starts_at,
        expires_at=min(row.expires_at, restricted.paid_by or row.expires_at),
        disabled_at=row.disabled_at,
        exclusive=row.exclusive,
        exclusive_by_size=row.exclusive_by_size,
        priority=row.priority,
        currency_code=row.currency_code,
        market_id=row.market_id,
        sku_list_id=row.sku_list_id,
        total_usage_limit=row.total_usage_limit,
        rules=(
            *(RULES[rule.kind](rule, sizes) for rule in rules if rule.kind in RULES),
            *_customer_usage(row),
            *restricted.rules,
        ),
        selections=restricted.selections,
    )


def _customer_usage(row: Promotion) -> Iterator[Rule]:
    if row.customer_usage_limit is not None:
        yield CustomerUsage(row.pk, row.customer_usage_limit)


def _reads_tags(promotion: EnginePromotion) -> bool:
    if _has(CustomerTags, promotion):
        return True
    custom = (rule for rule in promotion.rules if isinstance(rule, conditions.Custom))
    return any(wanted.attribute in conditions.TAGS for rule in custom for wanted in rule.filters)


def customer_usages(promotions: Iterable[EnginePromotion]) -> Iterator[CustomerUsage]:
    """Their limits per customer."""
    return (rule for one in promotions for rule in one.rules if isinstance(rule, CustomerUsage))


def _has(rule: type, promotion: EnginePromotion) -> bool:
    return any(isinstance(one, rule) for one in promotion.rules)


# --- What a tenant's promotions say ---------------------------------------------------------------


class Definitions:
    """The promotions of a tenant as of one pricing revision: those without a code, and of the others those asked for.

    `patterns` holds the SKU lists of any of them that are told by a pattern, `reads_tags` whether any looks at tags,
    `reads_countries` whether any looks at where the customer is. `customer_usages` are the limits per customer of those
    without a code.
    """

    def __init__(self, tenant: Tenant, revision: int, now: datetime) -> None:
        self.tenant = tenant
        self.revision = revision
        self.patterns: dict[int, str] = {}
        self.reads_tags = self.reads_countries = False
        self._opened: dict[int, EnginePromotion] = {}
        coupon_rules = CouponCodesPromotionRule.objects.filter(promotion_id=OuterRef("pk"))
        running = Promotion.objects.owned_by(tenant).enabled().filter(expires_at__gt=now)
        self.book = Book(self._values(running.exclude(Exists(coupon_rules))))
        self.limited = [one.id for one in self.book.promotions if one.total_usage_limit is not None]
        self.customer_usages = tuple(customer_usages(self.book.promotions))
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
        self.reads_countries = self.reads_countries or any(_has(Countries, one) for one in values)
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
        tags=frozenset(_tags_of(cart.order, known)) if cart.order else frozenset(),
        names=_names_of(cart),
        subscription=cart.subscription,
    )


def _names_of(cart: Cart) -> frozenset[str]:
    own = (ids.encode(cart.order.pk), cart.order.number) if cart.order else ()  # its reference is the shopper's to say
    return frozenset(name for name in (cart.reference, *own) if name)


def _line(line: CartLine, lists: Mapping[int, Listed], tags: Mapping[int, Mapping[int, str]]) -> EngineLine:
    return EngineLine(
        id=line.id,
        code=line.code,
        item_type=line.item_type,
        product=line.product or (line.sku.reference if line.sku else None),
        discountable=line.discountable,
        quantity=line.quantity,
        unit_amount_cents=line.unit_amount_cents,
        options_amount_cents=line.options_amount_cents,
        lists=lists,
        tags=frozenset(tags.get(line.sku.pk, ())) if line.sku else frozenset(),
    )


def _customer(cart: Cart, known: Definitions) -> EngineCustomer:
    customer = cart.customer
    tags = _tags_of(customer, known) if customer else {}
    own = (ids.encode(customer.pk), customer.reference, customer.shopper_reference) if customer else ()
    return EngineCustomer(
        id=customer.pk if customer else None,
        email=cart.email_norm,
        status=customer.status if customer else None,
        tags=frozenset(tags),
        tag_names=frozenset(tags.values()),
        names=frozenset(name for name in (cart.customer_reference, *own) if name),
        country_code=_country(cart) if known.reads_countries else None,
    )


def _country(cart: Cart) -> str | None:
    """Where the customer is: said, or by the address that the order is billed or else shipped to."""
    order = cart.order
    addresses = (order.billing_address, order.shipping_address) if order else ()
    found = cart.country_code or next((address.country_code for address in addresses if address), None)
    return found or (order.country_code if order else None)


def _listings(cart: Cart, known: Definitions) -> dict[int, dict[int, Listed]]:
    """Line -> the SKU lists that hold its item. A bundle is in the list it is made of."""
    items: dict[int, dict[int, Listed]] = {}
    skus = [line.sku.pk for line in cart.lines if line.sku]
    rows = _listed(connection.vendor).run({**cart.tenant._asdict(), "skus": skus}) if skus else ()
    for sku, sku_list, *listed in rows:
        items.setdefault(sku, {})[sku_list] = Listed(*listed)
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
    return Statement(rows.values_list("sku_id", "sku_list_id", *Listed._fields))


@lru_cache(65_536)
def _matches(pattern: str, code: str) -> bool:
    return patterns.matches(pattern, code)


def _tags_of(row: Customer | StoredOrder, known: Definitions) -> Mapping[int, str]:
    return _tags(type(row), [row.pk]).get(row.pk, {}) if known.reads_tags else {}


def _tags(model: Any, keys: Collection[int]) -> dict[int, dict[int, str]]:
    """Row -> its tags by key and name. The relation is the tags' own: nothing here imports them."""
    tags: dict[int, dict[int, str]] = {}
    for key, tag, name in _tagged(connection.vendor, model).run({"keys": list(keys)}) if keys else ():
        tags.setdefault(key, {})[tag] = name
    return tags


@lru_cache
def _tagged(vendor: str, model: Any) -> Statement:
    rows = model.objects.filter(pk__among=Parameter("keys"), tags__isnull=False)
    return Statement(rows.values_list("pk", "tags", "tags__name"))
