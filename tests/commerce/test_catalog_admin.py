"""The catalog as staff see and change it."""

import re

import pytest

from commerce.models import Bundle, Market, Organization, Price, PriceTier, Sku, SkuList, SkuListItem
from tests import factories
from tests.staff import act, errors, last_version, messages, submit, superuser

pytestmark = pytest.mark.django_db

AT = "/admin/commerce"


def test_a_price_takes_its_tenant_from_its_list(acme: Organization) -> None:
    staff = superuser("ada")
    sku, prices = factories.sku(acme, mode="live"), factories.price_list(acme, mode="live")

    submit(staff, f"{AT}/price/add/", price_list=prices.pk, sku=sku.pk, amount_cents=1999)

    price = Price.objects.get()
    assert (price.tenant, price.amount_cents) == (prices.tenant, 1999)
    assert last_version()[:3] == ("ada", "create", "prices")
    assert "€19,99" in staff.get(f"{AT}/price/", {"q": sku.code}).content.decode()


def test_a_sku_of_another_tenant_has_no_price_in_a_list(acme: Organization) -> None:
    prices, theirs = factories.price_list(acme), factories.sku(factories.organization())

    page = submit(superuser(), f"{AT}/price/add/", price_list=prices.pk, sku=theirs.pk, amount_cents=1)

    assert errors(page) == {"sku": ["belongs to another organization or mode."]}


def test_an_item_goes_to_the_end_of_its_list(acme: Organization) -> None:
    sku_list = factories.sku_list(acme, factories.sku(acme))

    submit(superuser(), f"{AT}/skulistitem/add/", sku_list=sku_list.pk, sku=factories.sku(acme).pk, quantity=3)

    item = SkuListItem.objects.latest("pk")
    assert (item.position, item.quantity) == (2, 3)


def test_an_item_may_have_a_price_and_a_limit_of_its_own(acme: Organization) -> None:
    sku_list = factories.sku_list(acme, factories.sku(acme))
    item, staff = SkuListItem.objects.get(), superuser("ada")
    page = f"{AT}/skulistitem/{item.pk}/change/"

    submit(staff, page, max_per_coupon=2, price_amount_cents=1250)

    assert last_version()[3] == {"max_per_coupon": [0, 2], "price_amount_cents": [None, 1250]}
    listed = staff.get(f"{AT}/skulistitem/", {"sku_list__id__exact": sku_list.pk}).content.decode()
    assert re.findall(r'<td class="field-(?:max_per_coupon|price)[^>]*>([^<]*)<', listed) == ["2", "12.50"]
    assert "max_per_coupon" in errors(submit(staff, page, max_per_coupon=-1))
    assert "price_amount_cents" in errors(submit(staff, page, price_amount_cents=-1))


def test_a_pattern_that_is_none_is_told_at_its_field(acme: Organization) -> None:
    page = submit(superuser(), f"{AT}/skulist/add/", name="Bad", manual="", sku_code_regex="(A")

    assert errors(page) == {"sku_code_regex": ["is not a regular expression that can be used"]}


def test_a_tier_opens_on_the_page_of_its_type(acme: Organization) -> None:
    staff = superuser()
    tier = factories.price_frequency_tier(factories.price(factories.sku(acme), factories.price_list(acme)))

    answer = staff.get(f"{AT}/pricetier/{tier.pk}/change/")

    assert answer.headers["location"] == f"{AT}/pricefrequencytier/{tier.pk}/change/"
    submit(staff, answer.headers["location"], price_amount_cents=1)
    assert PriceTier.objects.get().price_amount_cents == 1


def test_what_is_referred_to_is_not_deleted_and_a_list_goes_with_its_items(acme: Organization) -> None:
    staff, sku = superuser(), factories.sku(acme)
    sku_list = factories.sku_list(acme, sku)

    refused = staff.post(f"{AT}/sku/{sku.pk}/delete/", {"post": "yes"})
    assert messages(refused) == ["The SKU is referred to by SKU list items."]
    assert Sku.objects.exists()

    assert "with its 1 items" in staff.get(f"{AT}/skulist/{sku_list.pk}/delete/").content.decode()
    staff.post(f"{AT}/skulist/{sku_list.pk}/delete/", {"post": "yes"})
    assert (SkuList.objects.count(), SkuListItem.objects.count()) == (0, 0)


def test_markets_are_disabled_and_enabled_from_their_list(acme: Organization) -> None:
    staff, market = superuser(), factories.market(acme)

    act(staff, f"{AT}/market/", "disable", market)
    assert Market.objects.get().disabled_at
    answer = act(staff, f"{AT}/market/", "enable", market)
    assert messages(answer) == ["1 disabled.", "1 enabled."]
    assert Market.objects.get().disabled_at is None


def test_the_price_of_bundles_is_computed_from_their_list(acme: Organization) -> None:
    staff, sku, market = superuser(), factories.sku(acme), factories.market(acme)
    bundle = factories.bundle(factories.sku_list(acme, sku), market=market)

    refused = act(staff, f"{AT}/bundle/", "compute_price", bundle)
    assert messages(refused) == ["must hold SKUs, each with a price in the market's price list"]

    factories.price(sku, market.price_list, amount_cents=770)
    answer = act(staff, f"{AT}/bundle/", "compute_price", bundle)
    assert messages(answer)[1:] == ["1 computed."]
    assert Bundle.objects.get().price_amount_cents == 770
