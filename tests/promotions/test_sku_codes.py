"""Promotions found by the codes of SKUs they discount or need, and the SKUs they name."""

from typing import Any

import pytest

from commerce.models import Organization, SkuList
from promotions.models import Promotion
from tests import factories
from tests.client import Api, path_of, refused

SCOPES = ["sku_code_eq", "sku_code_matches", "sku_code_start", "sku_code_end", "sku_code_in"]


class Shelf:
    """COAT-RED is in a manual list and COAT-BLUE too; HAT-RED matches a pattern; BAG-1 is in neither."""

    def __init__(self, acme: Organization, **owned: Any) -> None:
        coats = [factories.sku(acme, code=code, **owned) for code in ("COAT-RED", "COAT-BLUE")]
        for code in ("HAT-RED", "BAG-1"):
            factories.sku(acme, code=code, **owned)
        self.acme, self.owned = acme, owned
        self.coats: SkuList = factories.sku_list(acme, *coats, **owned)
        self.hats: SkuList = factories.sku_list(acme, manual=False, sku_code_regex="^HAT-", **owned)

    def promotions(self) -> dict[str, Promotion]:
        """What each is named after is where it has its list: its own or its rule's, and whether by items or pattern."""
        own_items = factories.free_gift_promotion(self.acme, sku_list=self.coats, **self.owned)
        own_pattern = factories.fixed_price_promotion(self.acme, sku_list=self.hats, **self.owned)
        rule_items = factories.percentage_promotion(self.acme, **self.owned)
        factories.sku_list_rule(rule_items, sku_list=self.coats)
        rule_pattern = factories.percentage_promotion(self.acme, **self.owned)
        factories.sku_list_rule(rule_pattern, sku_list=self.hats)
        both = factories.percentage_promotion(self.acme, sku_list=self.coats, **self.owned)
        factories.sku_list_rule(both, sku_list=self.hats)
        factories.free_shipping_promotion(self.acme, **self.owned)
        factories.flex_promotion(self.acme, **self.owned)
        return {
            "own items": own_items,
            "own pattern": own_pattern,
            "rule items": rule_items,
            "rule pattern": rule_pattern,
            "both": both,
        }


COATS, HATS = {"own items", "rule items", "both"}, {"own pattern", "rule pattern", "both"}
ASKED = [
    ("sku_code_eq", "COAT-RED", COATS),
    ("sku_code_eq", "HAT-RED", HATS),
    ("sku_code_eq", "BAG-1", set()),
    ("sku_code_eq", "COAT", set()),
    ("sku_code_eq", "HAT-GREEN", set()),  # matches the pattern, but there is no such SKU
    ("sku_code_eq", "", set()),
    ("sku_code_in", "COAT-BLUE,BAG-1", COATS),
    ("sku_code_in", "COAT-BLUE,HAT-RED", COATS | HATS),
    ("sku_code_start", "COAT", COATS),
    ("sku_code_start", "HAT-", HATS),
    ("sku_code_end", "-RED", COATS | HATS),
    ("sku_code_end", "BLUE", COATS),
    ("sku_code_matches", "%AT-R%", COATS | HATS),
    ("sku_code_matches", "B%", set()),
    ("sku_code_matches", "COAT", set()),
]


@pytest.mark.parametrize(("scope", "value", "expected"), ASKED)
def test_promotions_are_found_by_the_codes_they_discount_or_need(
    api: Api, acme: Organization, scope: str, value: str, expected: set[str]
):
    made = Shelf(acme).promotions()
    Shelf(acme, mode="live").promotions()
    query = f"filter[q][{scope}]={value.replace('%', '%25')}"
    wanted = {made[name].public_id for name in expected}
    found = api.ids(f"promotions?{query}")
    assert set(found) == wanted
    assert len(found) == len(wanted)
    for kind in ("percentage_discount", "free_gift", "fixed_price"):
        of_kind = {made[name].public_id for name in expected if made[name].kind == kind}
        assert set(api.ids(f"{kind}_promotions?{query}")) == of_kind


@pytest.mark.parametrize("kind", [kind for kind in factories.PROMOTIONS if kind != "flex"])
@pytest.mark.parametrize("scope", SCOPES)
def test_every_kind_is_found_by_its_own_list(api: Api, acme: Organization, kind: str, scope: str):
    shelf = Shelf(acme)
    row = factories.PROMOTIONS[kind](acme, sku_list=shelf.coats)
    value = {"sku_code_start": "COAT", "sku_code_end": "BLUE"}.get(scope, "COAT-RED")
    assert api.ids(f"{kind}_promotions?filter[q][{scope}]={value}") == [row.public_id]
    assert api.ids(f"{kind}_promotions?filter[q][{scope}]=BAG-9") == []


def test_codes_narrow_with_what_else_is_asked(api: Api, acme: Organization):
    made = Shelf(acme).promotions()
    api.update(made["both"], {"_disable": True})
    codes = "filter[q][sku_code_eq]=COAT-RED"
    assert api.ids(f"promotions?{codes}&filter[q][with_status]=disabled") == [made["both"].public_id]
    assert api.ids(f"promotions?{codes}&filter[q][type_eq]=free_gift_promotions") == [made["own items"].public_id]
    both = f"promotions?{codes}&filter[q][sku_code_start]=HAT&sort=id"
    assert api.ids(both) == [made["both"].public_id]


@pytest.mark.parametrize("value", ["COAT%5C", "%00"])
def test_a_code_that_is_no_text_or_pattern_is_400(api: Api, acme: Organization, value: str):
    Shelf(acme).promotions()
    answer = api.get(f"promotions?filter[q][sku_code_matches]={value}")
    assert refused(answer)[0] == 400


def test_flex_promotions_and_rules_have_no_such_scopes(api: Api):
    for scope in SCOPES:
        for name in ("flex_promotions", "promotion_rules", "sku_list_promotion_rules"):
            assert refused(api.get(f"{name}?filter[q][{scope}]=A"))[:2] == (400, "FILTER_NOT_ALLOWED")


# --- SKUs -----------------------------------------------------------------------------------------


def test_the_skus_of_a_promotion_and_a_rule_are_those_of_their_manual_list(api: Api, acme: Organization):
    shelf = Shelf(acme)
    made = shelf.promotions()
    codes = {
        name: [each["attributes"]["code"] for each in api.data(f"{path_of(row)}/skus?sort=code")]
        for name, row in made.items()
    }
    assert codes == {
        "own items": ["COAT-BLUE", "COAT-RED"],
        "own pattern": [],
        "rule items": [],
        "rule pattern": [],
        "both": ["COAT-BLUE", "COAT-RED"],
    }
    rules = {name: api.data(f"{path_of(made[name])}/sku_list_promotion_rule") for name in ("rule items", "both")}
    for name, expected in (("rule items", 2), ("both", 0)):
        assert len(api.data(f"sku_list_promotion_rules/{rules[name]['id']}/skus")) == expected
