"""What is known of a tenant's promotions: kept while nothing changed, read anew else, in a fixed number of queries."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import changes
from commerce.models import Customer, Market, Organization, PricingRevision, Sku, SkuList, SkuListItem, Tenant
from coupons import bulk
from coupons.codes import Pattern
from coupons.models import Coupon
from coupons.pricing import evaluate
from promotions import loading
from promotions.carts import Cart, CartLine
from promotions.models import FlexPromotion, PercentageDiscountPromotion, Promotion, PromotionRule
from tags.tagging import ADD, change_tags
from tests import factories
from tests.client import Api, identifier, path_of
from tests.factories import BY, NOW
from tests.staff import act, submit, superuser


def revision(acme: Organization, mode: str = "test") -> int:
    found = PricingRevision.objects.filter(organization=acme, mode=mode)
    return found.values_list("revision", flat=True).first() or 0


# --- What raises it -------------------------------------------------------------------------------


class Shop:
    """10 % off one line of 10.000 cents whose SKU is in a list, which the order must hold too."""

    def __init__(self, acme: Organization, api: Api) -> None:
        self.acme, self.api = acme, api
        self.sku, self.other = factories.sku(acme, code="A-1"), factories.sku(acme, code="B-1")
        self.sku_list = factories.sku_list(acme, self.sku)
        self.by_pattern = factories.sku_list(acme, manual=False, sku_code_regex="^A")
        self.promotion = factories.percentage_promotion(acme, sku_list=self.sku_list)
        self.rule = factories.sku_list_rule(self.promotion, sku_list=self.by_pattern)

    @property
    def item(self) -> SkuListItem:
        return SkuListItem.objects.get(sku_list=self.sku_list, sku=self.sku)

    def discount(self) -> int:
        lines = (
            CartLine(id=0, code=self.sku.code, sku=self.sku, quantity=1, unit_amount_cents=10_000),
            CartLine(id=1, code=self.other.code, sku=self.other, quantity=1, unit_amount_cents=1000),
        )
        cart = Cart(tenant=Tenant(self.acme.pk, "test"), currency_code="EUR", lines=lines)
        return -sum(one.amount_cents for one in evaluate(cart, self.acme, BY).applied)

    def update(self, row: Any, attributes: Any = None, **relationships: Any) -> None:
        answer = self.api.update(row, attributes, **relationships)
        assert answer.status_code == 200, answer.content

    def destroy(self, row: Any) -> None:
        assert self.api.destroy(row).status_code == 204

    def create(self, name: str, attributes: Any = None, **relationships: Any) -> None:
        answer = self.api.create(name, attributes, **relationships)
        assert answer.status_code == 201, answer.content


WINDOW = {"name": "Another", "starts_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}
PAGES = "/admin/promotions/percentagediscountpromotion/"

WRITES: dict[str, tuple[Callable[[Shop], Any], int]] = {
    # what is written -> (how, what is taken off then)
    "a promotion's attribute": (lambda shop: shop.update(shop.promotion, {"percentage": 20}), -2000),
    "a promotion's list": (lambda shop: shop.update(shop.promotion, {"sku_list": None}), -1100),
    "a promotion switched off": (lambda shop: shop.update(shop.promotion, {"_disable": True}), 0),
    "a promotion made": (
        lambda shop: shop.create("percentage_discount_promotions", {**WINDOW, "percentage": 50, "exclusive": True}),
        -5500,
    ),
    "a promotion deleted": (lambda shop: shop.destroy(shop.promotion), 0),
    "a rule's attribute": (lambda shop: shop.update(shop.rule, {"min_quantity": 2}), 0),
    "a rule made": (
        lambda shop: shop.create(
            "order_amount_promotion_rules", {"order_amount_cents": 20_000}, promotion=shop.promotion
        ),
        0,
    ),
    "a coupon rule made": (lambda shop: shop.create("coupon_codes_promotion_rules", promotion=shop.promotion), 0),
    "a rule deleted": (lambda shop: (shop.update(shop.rule, {"min_quantity": 9}), shop.destroy(shop.rule)), -1000),
    "a rule's relationship": (
        lambda shop: shop.api.patch(
            f"{path_of(shop.rule)}/relationships/sku_list",
            {"data": identifier(factories.sku_list(shop.acme))},
        ),
        0,
    ),
    "a list's pattern": (lambda shop: shop.update(shop.by_pattern, {"sku_code_regex": "^C"}), 0),
    "an item added": (
        lambda shop: shop.create("sku_list_items", {"sku_code": "B-1"}, sku_list=shop.sku_list),
        -1100,
    ),
    "an item's quantity": (
        lambda shop: (
            shop.update(shop.rule, sku_list=shop.sku_list),
            shop.update(shop.item, {"quantity": 2}),
        ),
        0,
    ),
    "an item deleted": (lambda shop: shop.destroy(shop.item), 0),
    "a page of the admin": (
        lambda shop: submit(superuser(), f"{PAGES}{shop.promotion.pk}/change/", percentage="20"),
        -2000,
    ),
    "an action of the admin": (lambda shop: act(superuser(), PAGES, "disable", shop.promotion), 0),
    "a deletion in the admin": (
        lambda shop: submit(superuser(), f"{PAGES}{shop.promotion.pk}/delete/", post="yes"),
        0,
    ),
}


@pytest.mark.parametrize("written", WRITES)
def test_a_write_that_matters_is_seen_by_the_next_evaluation(api: Api, acme: Organization, written: str):
    shop = Shop(acme, api)
    write, expected = WRITES[written]
    before = revision(acme)
    assert shop.discount() == -1000
    write(shop)
    assert revision(acme) > before
    assert shop.discount() == expected


def test_deleting_a_list_tells_of_its_items_too(api: Api, acme: Organization):
    shop = Shop(acme, api)
    shop.update(shop.promotion, {"sku_list": None})
    before = revision(acme)
    shop.destroy(shop.sku_list)
    assert revision(acme) == before + 1
    assert shop.discount() == -1100


def test_rules_of_a_flex_promotion_are_compiled_anew(api: Api, acme: Organization):
    shop = Shop(acme, api)
    shop.destroy(shop.promotion)
    row = factories.flex_promotion(acme)
    assert shop.discount() == -1100
    shop.update(FlexPromotion.objects.get(), {"rules": factories.flex_rules(0.5)})
    assert shop.discount() == -5500
    shop.destroy(row)
    assert shop.discount() == 0


def test_one_transaction_raises_it_once_and_one_that_fails_never(acme: Organization):
    row = factories.percentage_promotion(acme)
    before = revision(acme)
    with changes.atomic():
        for priority in (1, 2, 3):
            row.priority = priority
            changes.save(row, BY)
        assert revision(acme) == before
    assert revision(acme) == before + 1
    row.expires_at = row.starts_at
    with pytest.raises(ValidationError), changes.atomic():
        changes.save(row, BY)
    assert revision(acme) == before + 1
    row.expires_at = row.stored("expires_at")
    row.priority = 4
    with changes.atomic(), changes.atomic():
        changes.save(row, BY)
    assert revision(acme) == before + 2


@pytest.mark.django_db(transaction=True)
def test_who_writes_one_promotion_keeps_nobody_from_writing_another(acme: Organization):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    first, second = (factories.percentage_promotion(acme) for _ in range(2))
    before = revision(acme)

    def rename(row: Promotion) -> None:
        with changes.atomic():
            row.name = "Renamed"
            changes.save(row, BY)
        connection.close()

    with changes.atomic(), ThreadPoolExecutor(1) as pool:
        first.name = "Renamed"
        changes.save(first, BY)
        pool.submit(rename, second).result(10)
        assert Promotion.objects.select_for_update().get(pk=second.pk).name == "Renamed"
        assert revision(acme) == before + 1
    assert revision(acme) == before + 2


def test_tenants_do_not_disturb_each_other(acme: Organization):
    factories.percentage_promotion(acme)
    before = revision(acme)
    factories.percentage_promotion(acme, mode="live")
    factories.percentage_promotion(factories.organization())
    assert (revision(acme), revision(acme, "live")) == (before, 1)


# --- What does not --------------------------------------------------------------------------------


def imported(shop: Shop) -> None:
    """Codes by the thousand, as a file or the generator brings them."""
    spec = bulk.Spec(count=50, pattern=Pattern(length=8))
    bulk.generate(shop.coupon_rule, spec, BY)


UNREMARKABLE: dict[str, Callable[[Any], Any]] = {
    "codes generated": imported,
    "a coupon made": lambda shop: shop.create("coupons", {"code": "SUMMER-2026"}, promotion_rule=shop.coupon_rule),
    "a coupon changed": lambda shop: shop.update(shop.coupon, {"usage_limit": 7}),
    "a coupon used": lambda shop: changes.count(Coupon, shop.coupon.pk, usage_count=1),
    "a promotion used": lambda shop: changes.count(Promotion, shop.promotion.pk, total_usage_count=1),
    "a promotion tagged": lambda shop: change_tags(shop.promotion, [factories.tag(shop.acme)], ADD, BY),
    "a recipient": lambda shop: factories.recipient(shop.acme),
    "a customer": lambda shop: factories.customer(shop.acme),
    "a SKU": lambda shop: shop.update(shop.sku, {"name": "Renamed"}),
    "a market": lambda shop: factories.market(shop.acme),
}


@pytest.mark.parametrize("written", UNREMARKABLE)
def test_what_changes_no_promotion_leaves_what_is_known(api: Api, acme: Organization, written: str):
    shop: Any = Shop(acme, api)
    shop.coupon_rule = factories.coupon_rule(factories.percentage_promotion(acme))
    shop.coupon = factories.coupon(shop.coupon_rule)
    known, before = loading.definitions(shop.promotion.tenant, NOW), revision(acme)
    UNREMARKABLE[written](shop)
    assert revision(acme) == before
    assert loading.definitions(shop.promotion.tenant, NOW) is known


def test_how_often_a_promotion_was_used_is_read_each_time(api: Api, acme: Organization):
    shop = Shop(acme, api)
    shop.update(shop.promotion, {"total_usage_limit": 1})
    assert shop.discount() == -1000
    changes.count(Promotion, shop.promotion.pk, total_usage_count=1)
    assert shop.discount() == 0
    changes.count(Promotion, shop.promotion.pk, total_usage_count=-1)
    assert shop.discount() == -1000


# --- Queries --------------------------------------------------------------------------------------


class Stall:
    """A market in which everything a cart may hold is sold, and promotions of every kind but external ones."""

    def __init__(self, acme: Organization) -> None:
        self.acme = acme
        self.market: Market = factories.market(acme)
        self.customer: Customer = factories.customer(acme)
        self.skus: list[Sku] = []
        self.sku_list: SkuList = factories.sku_list(acme)
        self.by_pattern: SkuList = factories.sku_list(acme, manual=False, sku_code_regex="^SKU")

    def stock(self, number: int) -> None:
        for _ in range(number):
            self.skus.append(factories.sku(self.acme))
            factories.sku_list_item(self.sku_list, self.skus[-1])
        change_tags(self.skus[-1], [factories.tag(self.acme)], ADD, BY)

    def promote(self, number: int) -> None:
        for priority in range(number):
            row = factories.percentage_promotion(self.acme, sku_list=self.sku_list, priority=priority)
            factories.sku_list_rule(row, sku_list=self.sku_list, all_skus=True)
            other = factories.buy_x_pay_y_promotion(self.acme, sku_list=self.by_pattern, total_usage_limit=10**6)
            factories.custom_rule(other)

    def codes(self, number: int) -> tuple[str, ...]:
        made = []
        for _ in range(number):
            row = factories.fixed_amount_promotion(self.acme, fixed_amount_cents=1, total_usage_limit=10**6)
            factories.sku_list_rule(row, sku_list=self.sku_list, all_skus=True)
            made.append(factories.coupon(factories.coupon_rule(row)).code)
        return tuple(made)

    def cart(self, codes: tuple[str, ...] = ()) -> Cart:
        lines = tuple(
            CartLine(id=place, code=sku.code, sku=sku, quantity=1, unit_amount_cents=1000)
            for place, sku in enumerate(self.skus)
        )
        return Cart(
            tenant=Tenant(self.acme.pk, "test"),
            currency_code="EUR",
            market=self.market,
            customer=self.customer,
            lines=lines,
            coupon_codes=codes,
        )


def asked(act: Callable[[], Any]) -> list[str]:
    """The tables that are read first, one a query."""
    with CaptureQueriesContext(connection) as captured:
        act()
    tables = [re.search(r' FROM "(?:commerce|promotions|coupons|tags)_(\w+)"', each["sql"]) for each in captured]
    assert all(tables), captured.captured_queries
    return [found.group(1) for found in tables if found]


REVISION = ["pricingrevision"]
DEFINITIONS = [*REVISION, "promotion", "promotionrule", "skulistitem"]
ORDER = ["skulistitem"]
TAGS = ["sku", "customer"]


@pytest.mark.django_db
def test_definitions_take_one_query_when_known_and_four_when_not(acme: Organization):
    stall = Stall(acme)
    tenant = stall.cart().tenant
    for number in (1, 99):
        stall.promote(number)
        assert asked(lambda: loading.definitions(tenant, NOW)) == DEFINITIONS
        assert asked(lambda: loading.definitions(tenant, NOW)) == REVISION
    loading.forget()
    assert asked(lambda: loading.definitions(tenant, NOW)) == DEFINITIONS


@pytest.mark.django_db
def test_a_cart_takes_as_many_queries_whatever_it_holds_and_whatever_is_promoted(acme: Organization):
    acme.settings = {"promotions_max_concurrent_count": None}
    acme.save()
    stall = Stall(acme)

    def evaluated(cart: Cart) -> list[str]:
        return asked(lambda: evaluate(cart, acme, BY))

    codes: tuple[str, ...] = ()
    for lines, promotions, more in ((1, 1, 1), (49, 99, 9)):
        stall.stock(lines)
        stall.promote(promotions)
        codes += stall.codes(more)
        # Those with a usage limit are asked whether it is reached.
        loading.forget()
        assert evaluated(stall.cart()) == [*DEFINITIONS, *ORDER, "promotion"]
        assert evaluated(stall.cart()) == [*REVISION, *ORDER, "promotion"]
        # Coupons with their promotions' usage; then the promotions they open, their rules and the sizes of lists, once.
        opened = ["promotion", "promotionrule", "skulistitem"]
        assert evaluated(stall.cart(codes)) == [*REVISION, "coupon", *opened, *ORDER, "promotion"]
        assert evaluated(stall.cart(codes)) == [*REVISION, "coupon", *ORDER, "promotion"]


@pytest.mark.django_db
@pytest.mark.parametrize("filters", [{"customer_tags_id_in": "{}"}, {"line_items_sku_tags_id_not_in": "{}"}])
def test_tags_are_asked_for_where_a_promotion_looks_at_them(acme: Organization, filters: dict[str, str]):
    stall = Stall(acme)
    told = {name: value.format(factories.tag(acme).public_id) for name, value in filters.items()}
    for lines in (1, 49):
        stall.stock(lines)
        evaluate(stall.cart(), acme, BY)
        assert asked(lambda: evaluate(stall.cart(), acme, BY)) == [*REVISION, *ORDER]
    promotion = factories.percentage_promotion(acme)
    factories.custom_rule(promotion, filters={"currency_code_eq": "EUR"})
    evaluate(stall.cart(), acme, BY)
    assert asked(lambda: evaluate(stall.cart(), acme, BY)) == [*REVISION, *ORDER]
    factories.custom_rule(factories.percentage_promotion(acme), filters=told)
    evaluate(stall.cart(), acme, BY)
    assert asked(lambda: evaluate(stall.cart(), acme, BY)) == [*REVISION, *ORDER, *TAGS]


@pytest.mark.django_db
def test_tags_are_asked_for_where_a_code_opens_a_promotion_that_looks_at_them(acme: Organization):
    stall = Stall(acme)
    stall.stock(1)
    promotion = factories.percentage_promotion(acme)
    factories.custom_rule(promotion, filters={"tags_id_in": factories.tag(acme).public_id})
    code = factories.coupon(factories.coupon_rule(promotion)).code
    evaluate(stall.cart(), acme, BY)
    assert asked(lambda: evaluate(stall.cart(), acme, BY)) == [*REVISION, *ORDER]
    assert asked(lambda: evaluate(stall.cart((code,)), acme, BY))[-2:] == TAGS


@pytest.mark.django_db
def test_a_cart_without_a_customer_or_a_sku_asks_for_neither(acme: Organization):
    tenant = Tenant(acme.pk, "test")
    factories.percentage_promotion(acme)
    loading.definitions(tenant, NOW)
    lines = (CartLine(id=0, code="elsewhere", quantity=1, unit_amount_cents=1000),)
    for cart in (Cart(tenant=tenant, currency_code="EUR"), Cart(tenant=tenant, currency_code="EUR", lines=lines)):
        assert asked(lambda cart=cart: evaluate(cart, acme, BY)) == REVISION


@pytest.mark.django_db
def test_flex_rules_read_three_queries_more_of_the_order(acme: Organization):
    stall = Stall(acme)
    factories.flex_promotion(acme)
    for lines in (1, 49):
        stall.stock(lines)
        cart = stall.cart()
        evaluate(cart, acme, BY)
        assert asked(lambda cart=cart: evaluate(cart, acme, BY)) == [*REVISION, *ORDER, "skulist", "sku", "customer"]


@pytest.mark.django_db
def test_rules_are_kept_for_each_tenant_and_no_more_than_so_many(acme: Organization, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loading, "MOST_OPENED", 3)
    rows = [factories.percentage_promotion(acme) for _ in range(5)]
    known = loading.definitions(rows[0].tenant, NOW)
    strange = factories.percentage_promotion(acme, mode="live")
    for keys in ([rows[0].pk, rows[1].pk], [row.pk for row in rows], [rows[4].pk, strange.pk]):
        assert sorted(known.opened(keys)) == sorted(set(keys) - {strange.pk})
    assert PercentageDiscountPromotion.objects.count() == 6
    assert PromotionRule.objects.count() == 0
