"""What orders tell of gifts that they could have."""

import pytest

from commerce.models import Organization
from tests import factories
from tests.client import Api
from tests.factories import flex_rules
from tests.shopping import Shop


@pytest.fixture
def shop(acme: Organization, api: Api) -> Shop:
    return Shop(acme, api)


def free(api: Api, order: object, name: str = "available_free_skus") -> list[str]:
    return sorted(one["attributes"]["code"] for one in api.data(f"orders/{order.public_id}/{name}"))  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_gifts_of_a_list_are_told_until_the_order_holds_them(shop: Shop) -> None:
    cap, mug = shop.sku(500, code="CAP"), shop.sku(700, code="MUG")
    gifts = factories.sku_list(shop.owner, cap, mug)
    promotion = factories.free_gift_promotion(shop.owner, sku_list=gifts, max_quantity=2)
    factories.order_amount_rule(promotion, order_amount_cents=3000)
    order = shop.order(2000)
    assert free(shop.staff, order) == []
    shop.add(order, shop.sku(1000))
    assert free(shop.staff, order) == ["CAP", "MUG"]
    shop.add(order, cap)
    assert free(shop.staff, order) == ["MUG"]
    shop.add(order, mug)
    assert free(shop.staff, order) == []
    order.refresh_from_db()
    assert (order.subtotal_amount_cents, order.discount_amount_cents) == (4200, -1200)


@pytest.mark.django_db
def test_no_more_gifts_are_told_than_may_be_had(shop: Shop) -> None:
    cap, mug = shop.sku(500, code="CAP"), shop.sku(700, code="MUG")
    factories.free_gift_promotion(shop.owner, sku_list=factories.sku_list(shop.owner, cap, mug), max_quantity=1)
    order = shop.order(2000)
    assert free(shop.staff, order) == ["CAP", "MUG"]
    shop.add(order, mug)
    assert free(shop.staff, order) == []


@pytest.mark.django_db
def test_gifts_of_flex_rules_are_told_by_sku_and_by_list(shop: Shop) -> None:
    cap, mug = shop.sku(500, code="CAP"), shop.sku(700, code="MUG")
    mugs = factories.sku_list(shop.owner, mug)
    named = {"order.line_items.sku.id": [cap.public_id], "order.line_items.sku.sku_lists.id": [mugs.public_id]}
    gift = {"type": "free_gift", "identifiers": named, "quantity": 1}
    factories.flex_promotion(shop.owner, rules=flex_rules(actions=[gift]))
    order = shop.order(2000)
    assert free(shop.staff, order) == ["CAP", "MUG"]
    shop.add(order, cap)
    assert free(shop.staff, order) == []


@pytest.mark.django_db
def test_a_bundle_that_a_list_makes_is_a_gift_too(shop: Shop) -> None:
    cap = shop.sku(500, code="CAP")
    gifts = factories.sku_list(shop.owner, cap)
    factories.bundle(gifts, market=shop.market, code="SET", price_amount_cents=900)
    factories.free_gift_promotion(shop.owner, sku_list=gifts, max_quantity=1)
    order = shop.order(2000)
    assert free(shop.staff, order, "available_free_bundles") == ["SET"]
