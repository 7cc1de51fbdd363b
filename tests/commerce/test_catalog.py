"""What is special about SKUs, their lists, bundles, prices and markets; what all types share is in tests/contract."""

from typing import Any

import pytest
from django.conf import LazySettings

from commerce import changes
from commerce.models import Bundle, Event, Organization, Price, PriceTier, Sku, SkuList, SkuListItem, Version
from commerce.money import MAX_CENTS
from tests import factories
from tests.client import Api, document, identifier, nothing_written, path_of, problem, refused, statements
from tests.factories import BY

INVALID = (422, "VALIDATION_ERROR")


def at(attribute: str) -> dict[str, str]:
    return {"pointer": f"/data/attributes/{attribute}"}


def towards(relationship: str) -> dict[str, str]:
    return {"pointer": f"/data/relationships/{relationship}"}


def attributes(api: Api, row: Any) -> dict[str, Any]:
    return api.data(path_of(row))["attributes"]


def skus(acme: Organization, *codes: str) -> list[Sku]:
    return [factories.sku(acme, code=code) for code in codes]


# --- Codes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [factories.sku, factories.market, factories.price_list, factories.shipping_category])
def test_a_code_is_taken_within_its_tenant_only(api: Api, acme: Organization, make: Any) -> None:
    row, second = make(acme, code="ONE"), make(acme, code="TWO")
    make(acme, code="ONE", mode="live")
    make(factories.organization(), code="ONE")

    with nothing_written():
        answer = api.update(second, {"code": row.code})

    assert refused(answer) == (*INVALID, at("code"))
    assert problem(answer)["meta"]["error"] == "taken"


def test_a_bundle_code_is_taken_within_its_market_and_among_those_without_one(api: Api, acme: Organization) -> None:
    market, sku_list = factories.market(acme), factories.sku_list(acme)
    factories.bundle(sku_list, code="SET", market=market)
    factories.bundle(sku_list, code="SET", market=factories.market(acme))
    factories.bundle(sku_list, code="SET")
    values = {"code": "SET", "name": "Set", "price_amount_cents": 1}

    for more, relations in [({}, {"market": market}), ({"currency_code": "EUR"}, {})]:
        with nothing_written():
            answer = api.create("bundles", values | more, sku_list=sku_list, **relations)
        assert refused(answer) == (*INVALID, at("code"))


def test_a_sku_has_one_price_in_a_list(api: Api, acme: Organization) -> None:
    sku, prices = factories.sku(acme), factories.price_list(acme)
    factories.price(sku, prices)

    with nothing_written():
        answer = api.create("prices", {"amount_cents": 5}, sku=sku, price_list=prices)

    assert refused(answer) == (*INVALID, towards("sku"))


# --- SKUs -----------------------------------------------------------------------------------------


def test_weights_are_exact(api: Api, acme: Organization) -> None:
    sku = factories.sku(acme)
    for sent, shown in [(0.1, 0.1), ("0.3", 0.3), (300, 300), (123456.123456, 123456.123456), (None, None)]:
        assert api.update(sku, {"weight": sent}).status_code == 200
        assert attributes(api, sku)["weight"] == shown
    told = Version.objects.filter(resource_type="skus", event="update").order_by("pk")
    assert [version.changes["weight"] for version in told] == [
        [None, "0.1"],
        ["0.1", "0.3"],
        ["0.3", 300],
        [300, "123456.123456"],
        ["123456.123456", None],
    ]


@pytest.mark.parametrize("weight", [-1, 10**9 + 1, 0.0000001, "heavy", True, "NaN", "Infinity", "1e999999", {}, []])
def test_a_weight_that_cannot_be_is_refused(api: Api, acme: Organization, weight: Any) -> None:
    sku = factories.sku(acme)
    with nothing_written():
        answer = api.update(sku, {"weight": weight})
    assert refused(answer) == (*INVALID, at("weight"))


def test_what_is_referred_to_is_locked_and_says_by_what(api: Api, acme: Organization) -> None:
    (sku,) = skus(acme, "ONE")
    factories.sku_list(acme, sku)
    factories.price(sku, factories.price_list(acme))

    with nothing_written():
        answer = api.destroy(sku)

    assert refused(answer) == (423, "LOCKED", None)
    assert problem(answer)["detail"] == "The SKU is referred to by SKU list items, prices."


def test_what_is_only_of_its_parent_goes_with_it_and_is_told(api: Api, acme: Organization) -> None:
    price = factories.price(factories.sku(acme), factories.price_list(acme))
    factories.price_volume_tier(price)
    factories.price_frequency_tier(price)
    sku_list = factories.sku_list(acme, *skus(acme, "ONE", "TWO"))

    assert api.destroy(price).status_code == 204
    assert api.destroy(sku_list).status_code == 204

    assert (Price.objects.count(), PriceTier.objects.count()) == (0, 0)
    assert (SkuList.objects.count(), SkuListItem.objects.count()) == (0, 0)
    destroyed = Event.objects.filter(name__endswith=".destroy").order_by("pk").values_list("name", flat=True)
    assert list(destroyed) == [
        "price_volume_tiers.destroy",
        "price_frequency_tiers.destroy",
        "prices.destroy",
        "sku_list_items.destroy",
        "sku_list_items.destroy",
        "sku_lists.destroy",
    ]


def test_a_list_in_a_bundle_is_locked_with_its_items(api: Api, acme: Organization) -> None:
    sku_list = factories.sku_list(acme, *skus(acme, "ONE"))
    factories.bundle(sku_list)
    with nothing_written():
        answer = api.destroy(sku_list)
    assert refused(answer) == (423, "LOCKED", None)


# --- SKU lists ------------------------------------------------------------------------------------


def test_the_slug_follows_the_name(api: Api, acme: Organization) -> None:
    answer = api.create("sku_lists", {"name": "Übergrößen & more!"})
    assert answer.json()["data"]["attributes"]["slug"] == "ubergroen-more"
    row = SkuList.objects.get()
    api.update(row, {"name": "Second Name"})
    assert attributes(api, row)["slug"] == "second-name"


@pytest.mark.parametrize(
    ("values", "attribute", "error"),
    [
        ({"sku_code_regex": "^A"}, "sku_code_regex", "invalid"),
        ({"manual": True, "sku_code_regex": "^A"}, "sku_code_regex", "invalid"),
        ({"manual": False}, "sku_code_regex", "blank"),
        ({"manual": False, "sku_code_regex": ""}, "sku_code_regex", "blank"),
        ({"manual": False, "sku_code_regex": "(A"}, "sku_code_regex", "invalid"),
        ({"manual": False, "sku_code_regex": r"(A)\1"}, "sku_code_regex", "invalid"),
        ({"manual": False, "sku_code_regex": "(?=A)"}, "sku_code_regex", "invalid"),
        ({"manual": False, "sku_code_regex": "((A{1000}){1000}){1000}"}, "sku_code_regex", "invalid"),
        ({"manual": False, "sku_code_regex": "A" * 5001}, "sku_code_regex", "too_long"),
    ],
)
def test_a_list_that_cannot_work_is_refused(
    api: Api, acme: Organization, values: dict[str, Any], attribute: str, error: str
) -> None:
    with nothing_written():
        answer = api.create("sku_lists", {"name": "List", **values})
    assert refused(answer) == (*INVALID, at(attribute))
    assert problem(answer)["meta"]["error"] == error


def test_a_pattern_may_be_as_long_as_the_organization_says(api: Api, acme: Organization) -> None:
    acme.settings = {"api_max_regex_length": 10}
    acme.save()
    for pattern, status in [("A" * 10, 201), ("A" * 11, 422)]:
        answer = api.create("sku_lists", {"name": "List", "manual": False, "sku_code_regex": pattern})
        assert answer.status_code == status, answer.content
    zone = factories.shipping_zone(acme)
    assert refused(api.update(zone, {"zip_code_regex": "1" * 11})) == (*INVALID, at("zip_code_regex"))


def test_a_list_with_items_stays_manual_and_one_with_a_pattern_takes_none(api: Api, acme: Organization) -> None:
    (sku,) = skus(acme, "ONE")
    manual = factories.sku_list(acme, sku)
    pattern = factories.sku_list(acme, manual=False, sku_code_regex="^O")
    with nothing_written():
        turned = api.update(manual, {"manual": False, "sku_code_regex": "^A"})
        added = api.create("sku_list_items", {}, sku_list=pattern, sku=sku)
    assert refused(turned) == (*INVALID, at("manual"))
    assert refused(added) == (*INVALID, towards("sku_list"))
    assert api.update(pattern, {"manual": True, "sku_code_regex": None}).status_code == 200


def test_an_item_stands_behind_the_last_one_unless_told_where(api: Api, acme: Organization) -> None:
    sku_list, rows = factories.sku_list(acme), skus(acme, "A", "B", "C", "D")
    given: list[dict[str, Any]] = [{}, {"position": 7}, {}, {"position": 2}]
    shown = [
        api.create("sku_list_items", values, sku_list=sku_list, sku=sku).json()["data"]["attributes"]["position"]
        for values, sku in zip(given, rows, strict=True)
    ]
    assert shown == [1, 7, 8, 2]


def test_behind_the_last_position_there_is_no_other(api: Api, acme: Organization) -> None:
    sku_list = factories.sku_list(acme)
    shown = [
        api.create("sku_list_items", values, sku_list=sku_list, sku=factories.sku(acme)).json()["data"]["attributes"]
        for values in ({"position": 2**31 - 1}, {})
    ]
    assert [item["position"] for item in shown] == [2**31 - 1, 2**31 - 1]


def test_a_sku_is_once_in_a_list_and_at_least_one_unit(api: Api, acme: Organization) -> None:
    (sku,) = skus(acme, "ONE")
    sku_list = factories.sku_list(acme, sku)
    with nothing_written():
        twice = api.create("sku_list_items", {}, sku_list=sku_list, sku=sku)
        none = api.create("sku_list_items", {"quantity": 0}, sku_list=sku_list, sku=sku)
    assert refused(twice) == (*INVALID, towards("sku"))
    assert refused(none) == (*INVALID, at("quantity"))


@pytest.mark.parametrize("resource_type", ["sku_list_items", "prices"])
def test_a_sku_may_be_given_by_its_code(api: Api, acme: Organization, resource_type: str) -> None:
    first, second = skus(acme, "ONE", "TWO")
    factories.sku(factories.organization(), code="THEIRS")
    factories.sku(acme, code="LIVE", mode="live")
    parent = {"sku_list": factories.sku_list(acme)}
    values: dict[str, Any] = {}
    if resource_type == "prices":
        parent, values = {"price_list": factories.price_list(acme)}, {"amount_cents": 100}

    created = api.create(resource_type, {**values, "sku_code": "ONE"}, **parent)
    assert created.status_code == 201, created.content
    data = created.json()["data"]
    path = f"{resource_type}/{data['id']}"
    assert data["attributes"]["sku_code"] == "ONE"
    assert api.data(f"{path}/relationships/sku") == identifier(first)

    assert api.patch(path, document(resource_type, {"sku_code": "TWO"}, data["id"])).status_code == 200
    assert api.data(f"{path}/relationships/sku") == identifier(second)
    for code in ("THREE", "THEIRS", "LIVE", "two", "", None, 5):
        with nothing_written():
            answer = api.patch(path, document(resource_type, {"sku_code": code}, data["id"]))
        assert refused(answer) == (*INVALID, at("sku_code")), code
    with nothing_written():
        assert refused(api.create(resource_type, values, **parent)) == (*INVALID, towards("sku"))


SCOPES = [
    ("[sku_code_eq]=SHIRT-RED", {"items", "pattern"}),
    ("[sku_code_eq]=shirt-red", set()),
    ("[sku_code_eq]=SHIRT-BLUE", {"pattern"}),
    ("[sku_code_eq]=SHIRT-GREEN", set()),
    ("[sku_code_in]=CAP,SHIRT-BLUE", {"pattern", "caps"}),
    ("[sku_code_start]=shirt", {"items", "pattern"}),
    ("[sku_code_end]=cap", {"caps"}),
    ("[sku_code_matches]=%25-r_d", {"items", "pattern"}),
    ("[sku_code_matches]=%25", {"items", "pattern", "caps"}),
    ("[sku_code_start]=%25", set()),
]


@pytest.mark.parametrize(("scope", "found"), SCOPES)
def test_lists_are_found_by_the_codes_of_their_skus(api: Api, acme: Organization, scope: str, found: set[str]) -> None:
    red, _, cap = skus(acme, "SHIRT-RED", "SHIRT-BLUE", "CAP")
    factories.sku_list(acme, red, name="items")
    factories.sku_list(acme, name="pattern", manual=False, sku_code_regex="SHIRT")
    factories.sku_list(acme, cap, name="caps")
    factories.sku_list(acme, name="none")
    factories.sku_list(acme, name="nothing", manual=False, sku_code_regex="^$")
    stranger = factories.organization()
    factories.sku(stranger, code="SHIRT-GREEN")
    factories.sku_list(stranger, name="theirs", manual=False, sku_code_regex="SHIRT")

    rows = api.data(f"sku_lists?filter[q]{scope}")

    assert {row["attributes"]["name"] for row in rows} == found


def test_a_scope_is_narrowed_by_the_other_conditions(api: Api, acme: Organization) -> None:
    (red,) = skus(acme, "RED")
    factories.sku_list(acme, red, name="one")
    factories.sku_list(acme, name="two", manual=False, sku_code_regex="R")
    rows = api.data("sku_lists?filter[q][sku_code_eq]=RED&filter[q][manual_false]=true")
    assert [row["attributes"]["name"] for row in rows] == ["two"]


def test_codes_are_matched_for_so_long_and_no_longer(api: Api, acme: Organization, settings: LazySettings) -> None:
    skus(acme, "RED")
    factories.sku_list(acme, manual=False, sku_code_regex="^B")
    settings.STATEMENT_TIMEOUT = 1e-9
    answer = api.get("sku_lists?filter[q][sku_code_matches]=%25")
    assert refused(answer) == (400, "INVALID_FILTER_VALUE", {"parameter": "filter[q][sku_code_matches]"})


def test_the_skus_of_a_list_are_those_of_its_items(api: Api, acme: Organization) -> None:
    red, blue, _ = skus(acme, "RED", "BLUE", "GREEN")
    sku_list = factories.sku_list(acme, red, blue)
    assert api.ids(f"{path_of(sku_list)}/skus") == [red.public_id, blue.public_id]
    assert api.ids(f"{path_of(red)}/sku_lists") == [sku_list.public_id]
    assert api.ids(f"skus?filter[q][sku_lists_id_eq]={sku_list.public_id}&sort=code") == [blue.public_id, red.public_id]


# --- Bundles --------------------------------------------------------------------------------------


def priced_bundle(acme: Organization, **values: Any) -> Bundle:
    """Two units at 10.00 and one at 2.50, in a market."""
    shirt, cap = skus(acme, "SHIRT", "CAP")
    market = factories.market(acme)
    factories.price(shirt, market.price_list, amount_cents=1000)
    factories.price(cap, market.price_list, amount_cents=250, compare_at_amount_cents=900)
    factories.price(cap, factories.price_list(acme), amount_cents=1)
    sku_list = factories.sku_list(acme, cap)
    factories.sku_list_item(sku_list, shirt, quantity=2)
    return factories.bundle(sku_list, market=market, **values)


def test_the_prices_of_a_bundle_are_computed_from_its_skus(api: Api, acme: Organization) -> None:
    bundle = priced_bundle(acme, price_amount_cents=1)
    answer = api.update(bundle, {"_compute_price_amount": True, "_compute_compare_at_amount": True})
    shown = answer.json()["data"]["attributes"]
    assert (shown["price_amount_cents"], shown["compare_at_amount_cents"]) == (2250, 2250)
    assert (shown["price_amount_float"], shown["formatted_price_amount"]) == (22.5, "€22,50")


def test_a_bundle_is_created_with_a_price_given_or_computed(api: Api, acme: Organization) -> None:
    bundle = priced_bundle(acme)
    values = {"code": "NEW", "name": "New"}
    relations = {"sku_list": bundle.sku_list, "market": bundle.market}
    with nothing_written():
        answer = api.create("bundles", values, **relations)
    assert refused(answer) == (*INVALID, at("price_amount_cents"))
    answer = api.create("bundles", {**values, "_compute_price_amount": True}, **relations)
    assert answer.json()["data"]["attributes"]["price_amount_cents"] == 2250
    assert answer.json()["data"]["attributes"]["currency_code"] == "EUR"
    with nothing_written():
        answer = api.update(bundle, {"price_amount_cents": None})
    assert refused(answer) == (*INVALID, at("price_amount_cents"))


def test_a_price_that_cannot_be_computed_is_refused(api: Api, acme: Organization) -> None:
    bundle = priced_bundle(acme)
    homeless = factories.bundle(bundle.sku_list)
    factories.sku_list_item(bundle.sku_list, factories.sku(acme))
    empty = factories.bundle(factories.sku_list(acme), market=bundle.market)
    for row, relationship in [(homeless, "market"), (bundle, "sku_list"), (empty, "sku_list")]:
        with nothing_written():
            answer = api.update(row, {"_compute_price_amount": True})
        assert refused(answer) == (*INVALID, towards(relationship))


def test_a_price_beyond_all_amounts_is_not_computed(api: Api, acme: Organization) -> None:
    market = factories.market(acme)
    shirt = factories.sku(acme)
    factories.price(shirt, market.price_list, amount_cents=MAX_CENTS)
    sku_list = factories.sku_list(acme)
    factories.sku_list_item(sku_list, shirt, quantity=2**31 - 1)
    bundle = factories.bundle(sku_list, market=market)
    for trigger in ("_compute_price_amount", "_compute_compare_at_amount"):
        with nothing_written():
            answer = api.update(bundle, {trigger: True})
        assert refused(answer) == (*INVALID, towards("sku_list"))


def test_a_bundle_has_the_currency_of_its_market(api: Api, acme: Organization) -> None:
    bundle = priced_bundle(acme)
    with nothing_written():
        answer = api.update(bundle, {"currency_code": "USD"})
    assert refused(answer) == (*INVALID, at("currency_code"))
    prices = bundle.market.price_list
    assert api.update(prices, {"currency_code": "USD"}).status_code == 200
    assert api.update(bundle, {"name": "Still to be changed"}).status_code == 200
    assert attributes(api, bundle)["currency_code"] == "USD"


def test_a_bundle_ships_and_is_tracked_as_its_skus_are(api: Api, acme: Organization) -> None:
    sku_list = factories.sku_list(acme, factories.sku(acme, do_not_ship=True, do_not_track=True))
    bundle = factories.bundle(sku_list)

    def shown() -> tuple[bool, bool, int]:
        found = attributes(api, bundle)
        return found["do_not_ship"], found["do_not_track"], found["skus_count"]

    assert shown() == (True, True, 1)
    factories.sku_list_item(sku_list, factories.sku(acme, do_not_track=True), quantity=5)
    assert shown() == (False, True, 2)
    assert api.ids("bundles?filter[q][do_not_ship_true]=true") == []
    assert api.ids("bundles?filter[q][do_not_ship_eq]=false&filter[q][do_not_track_true]=1") == [bundle.public_id]


def test_what_is_worked_out_for_bundles_costs_no_statement(api: Api, acme: Organization) -> None:
    factories.bundle(factories.sku_list(acme, factories.sku(acme)))
    assert statements(api, "bundles?page[size]=25") == 2
    assert statements(api, "bundles?filter[q][do_not_ship_true]=true&include=skus") <= 3


def test_a_bundle_is_of_a_manual_list_that_is_not_too_long(api: Api, acme: Organization) -> None:
    acme.settings = {"bundles_max_items_count": 2}
    acme.save()
    values = {"code": "SET", "name": "Set", "price_amount_cents": 1, "currency_code": "EUR"}
    rows = skus(acme, "A", "B", "C")
    long, short = factories.sku_list(acme, *rows), factories.sku_list(acme, *rows[:2])
    pattern = factories.sku_list(acme, manual=False, sku_code_regex="A")
    for sku_list in (long, pattern):
        with nothing_written():
            answer = api.create("bundles", values, sku_list=sku_list)
        assert refused(answer) == (*INVALID, towards("sku_list"))
    assert api.create("bundles", values, sku_list=short).status_code == 201
    with nothing_written():
        answer = api.create("sku_list_items", {}, sku_list=short, sku=rows[2])
    assert refused(answer) == (*INVALID, towards("sku_list"))


# --- Prices ---------------------------------------------------------------------------------------


def test_prices_are_shown_in_the_currency_of_their_list(api: Api, acme: Organization) -> None:
    price = factories.price(factories.sku(acme), factories.price_list(acme, currency_code="BHD"), amount_cents=1234567)
    tier = factories.price_volume_tier(price, price_amount_cents=999)
    shown = attributes(api, price)
    assert (shown["currency_code"], shown["amount_float"], shown["formatted_amount"]) == (
        "BHD",
        1234.567,
        "BHD 1,234.567",
    )
    assert (shown["original_amount_cents"], shown["formatted_original_amount"]) == (1234567, "BHD 1,234.567")
    assert (shown["compare_at_amount_float"], shown["formatted_compare_at_amount"]) == (None, None)
    assert attributes(api, tier)["formatted_price_amount"] == "BHD 0.999"


def test_tiers_answer_under_their_umbrella_as_the_type_they_are(api: Api, acme: Organization) -> None:
    price = factories.price(factories.sku(acme), factories.price_list(acme))
    volume, frequency = factories.price_volume_tier(price, up_to=5), factories.price_frequency_tier(price, up_to=7)
    assert [(row["type"], row["attributes"]["up_to"]) for row in api.data("price_tiers?sort=up_to")] == [
        ("price_volume_tiers", 5),
        ("price_frequency_tiers", 7),
    ]
    for name in ("price_frequency_tiers", "PriceFrequencyTier"):
        assert api.ids(f"price_tiers?filter[q][type_eq]={name}") == [frequency.public_id]
    assert api.ids(f"{path_of(price)}/price_tiers") == [volume.public_id, frequency.public_id]
    assert api.ids(f"{path_of(price)}/price_volume_tiers") == [volume.public_id]
    assert api.ids(f"{path_of(price)}/price_frequency_tiers") == [frequency.public_id]
    assert api.get(f"price_volume_tiers/{frequency.public_id}").status_code == 404


@pytest.mark.parametrize("up_to", [0, -1, 1.5, "many", True])
def test_a_tier_reaches_at_least_one(api: Api, acme: Organization, up_to: Any) -> None:
    tier = factories.price_volume_tier(factories.price(factories.sku(acme), factories.price_list(acme)))
    with nothing_written():
        answer = api.update(tier, {"up_to": up_to})
    assert refused(answer) == (*INVALID, at("up_to"))


@pytest.mark.parametrize("up_to", [5, None])
def test_two_tiers_of_a_kind_do_not_reach_equally_far(api: Api, acme: Organization, up_to: int | None) -> None:
    price = factories.price(factories.sku(acme), factories.price_list(acme))
    factories.price_volume_tier(price, up_to=up_to)
    values = {"name": "Again", "up_to": up_to, "price_amount_cents": 1}
    with nothing_written():
        answer = api.create("price_volume_tiers", values, price=price)
    assert refused(answer) == (*INVALID, at("up_to"))
    assert api.create("price_frequency_tiers", values, price=price).status_code == 201


def test_no_tier_is_left_without_a_price(api: Api, acme: Organization) -> None:
    first, second = (factories.price(factories.sku(acme), factories.price_list(acme)) for _ in range(2))
    tier = factories.price_volume_tier(first)
    path = f"{path_of(first)}/relationships/price_tiers"
    with nothing_written():
        assert refused(api.patch(path, {"data": []}))[:2] == (403, "FORBIDDEN")
        assert refused(api.delete(path, {"data": [identifier(tier)]}))[:2] == (403, "FORBIDDEN")
    moved = api.post(f"{path_of(second)}/relationships/price_tiers", {"data": [identifier(tier)]})
    assert moved.status_code == 204
    assert api.ids(f"{path_of(second)}/price_tiers") == [tier.public_id]
    assert api.ids(f"{path_of(first)}/price_tiers") == []


@pytest.mark.parametrize("amount", [-1, 2**53, 1.5, "much", None])
def test_an_amount_is_a_number_of_cents(api: Api, acme: Organization, amount: Any) -> None:
    price = factories.price(factories.sku(acme), factories.price_list(acme))
    with nothing_written():
        answer = api.update(price, {"amount_cents": amount})
    assert refused(answer) == (*INVALID, at("amount_cents"))


# --- Markets --------------------------------------------------------------------------------------


def test_a_market_is_private_if_it_is_of_a_customer_group(api: Api, acme: Organization) -> None:
    market = factories.market(acme)
    assert (attributes(api, market)["private"], attributes(api, market)["number"]) == (False, market.pk)
    assert api.update(market, customer_group=factories.customer_group(acme)).status_code == 200
    assert attributes(api, market)["private"] is True


def test_the_secret_of_a_market_is_made_here_and_never_told(api: Api, acme: Organization) -> None:
    market = factories.market(acme)
    first = attributes(api, market)["shared_secret"]
    assert len(first) == 32
    assert int(first, 16)
    assert api.update(market, {"_regenerate_shared_secret": True}).status_code == 200
    second = attributes(api, market)["shared_secret"]
    assert (len(second), second == first) == (32, False)
    told = str([version.changes for version in Version.objects.all()])
    assert first not in told
    assert second not in told


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "http://example.com/", "https://u:p@example.com/", "not a url", "https://"]
)
@pytest.mark.parametrize("attribute", ["external_prices_url", "external_order_validation_url"])
def test_a_url_that_could_never_be_called_is_refused(api: Api, acme: Organization, attribute: str, url: str) -> None:
    market = factories.market(acme)
    with nothing_written():
        answer = api.update(market, {attribute: url})
    assert refused(answer) == (*INVALID, at(attribute))


@pytest.mark.parametrize("includes", [{}, "x", [1], [["a"]], [None]])
def test_external_includes_are_names(api: Api, acme: Organization, includes: Any) -> None:
    market = factories.market(acme)
    with nothing_written():
        answer = api.update(market, {"external_includes": includes})
    assert refused(answer) == (*INVALID, at("external_includes"))


def test_a_default_of_a_market_is_locked(api: Api, acme: Organization) -> None:
    market, payment = factories.market(acme), factories.payment_method(acme)
    market.default_payment_method = payment
    changes.save(market, BY)
    assert refused(api.destroy(payment)) == (423, "LOCKED", None)
    assert api.update(market, default_payment_method=None).status_code == 200
    assert api.destroy(payment).status_code == 204
