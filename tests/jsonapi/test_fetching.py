"""Rows 55 to 106 of the checklist: includes, fieldsets, sorting, paging, filtering, and reading of relationships."""

from typing import Any

import pytest

from commerce.models import Organization
from coupons.models import Coupon
from promotions.models import CouponCodesPromotionRule
from tests import factories
from tests.client import Api, document, identifier, nothing_written, refused


@pytest.fixture
def rule(acme: Organization) -> CouponCodesPromotionRule:
    return factories.coupon_rule(factories.percentage_promotion(acme, name="Summer"))


@pytest.fixture
def coupon(rule: CouponCodesPromotionRule) -> Coupon:
    recipient = factories.recipient(rule.organization, email="ada@example.com")
    return factories.coupon(rule, code="SUMMER-01", coupon_recipient=recipient)


def keys(resources: Any) -> list[tuple[str, str]]:
    return [(resource["type"], resource["id"]) for resource in resources]


def key(row: Any) -> tuple[str, str]:
    return (row.wire_type, row.public_id)


def path(coupon: Coupon) -> str:
    return f"coupons/{coupon.public_id}"


# --- Include -------------------------------------------------------------------------------------


def test_055_060_061_include_brings_exactly_the_resources_asked_for(api: Api, coupon: Coupon):
    body = api.get(f"{path(coupon)}?include=promotion_rule,coupon_recipient").json()
    assert sorted(keys(body["included"])) == sorted([key(coupon.coupon_recipient), key(coupon.promotion_rule)])
    recipient = next(each for each in body["included"] if each["type"] == "coupon_recipients")
    assert recipient == api.data(f"coupon_recipients/{coupon.coupon_recipient.public_id}")


def test_056_every_included_resource_is_reached_by_linkage(api: Api, coupon: Coupon):
    factories.coupon(coupon.promotion_rule)
    body = api.get("coupons?include=promotion_rule.promotion.promotion_rules,events,tags").json()
    linked = {
        (target["type"], target["id"])
        for resource in (*body["data"], *body["included"])
        for relation in resource["relationships"].values()
        if relation.get("data")
        for target in (relation["data"] if isinstance(relation["data"], list) else [relation["data"]])
    }
    assert set(keys(body["included"])) <= linked
    assert len(body["included"]) == 4


def test_057_058_nothing_is_included_twice_and_no_primary_resource_at_all(api: Api, coupon: Coupon):
    second = factories.coupon(coupon.promotion_rule)
    body = api.get("coupons?include=promotion_rule.coupons,promotion_rule.promotion.coupons").json()
    assert keys(body["data"]) == [key(coupon), key(second)]
    assert sorted(keys(body["included"])) == sorted([key(coupon.promotion_rule), key(coupon.promotion_rule.promotion)])


def test_059_a_fieldset_without_the_relationship_includes_nothing_by_it(api: Api, coupon: Coupon):
    body = api.get(f"{path(coupon)}?include=promotion_rule&fields[coupons]=code").json()
    assert "relationships" not in body["data"]
    assert body["included"] == []


def test_062_intermediate_resources_are_included(api: Api, coupon: Coupon):
    body = api.get(f"{path(coupon)}?include=promotion_rule.promotion").json()
    assert keys(body["included"]) == [key(coupon.promotion_rule), key(coupon.promotion_rule.promotion)]


@pytest.mark.parametrize("include", ["tags", ""])
def test_063_064_an_empty_include_is_an_empty_array(api: Api, coupon: Coupon, include: str):
    assert api.get(f"{path(coupon)}?include={include}").json()["included"] == []
    assert api.get(f"coupons?include={include}").json()["included"] == []
    assert "included" not in api.get(path(coupon)).json()


@pytest.mark.parametrize(
    "include", ["nope", "tags,nope", "tags.nope", "promotion_rule.promotion.nope", "tags.", ".tags"]
)
def test_065_066_an_unknown_path_is_400(api: Api, coupon: Coupon, include: str):
    rule = coupon.promotion_rule.public_id
    for asked in (path(coupon), "coupons", f"coupon_codes_promotion_rules/{rule}/coupons"):
        answer = api.get(f"{asked}?include={include}")
        assert refused(answer) == (400, "INVALID_INCLUDE", {"parameter": "include"})


def test_065_event_stores_cannot_be_included(api: Api, coupon: Coupon):
    assert refused(api.get(f"{path(coupon)}?include=event_stores"))[:2] == (400, "INVALID_INCLUDE")


@pytest.mark.parametrize("name", ["promotion_rule", "tags"])
def test_067_a_relationship_endpoint_refuses_include(api: Api, coupon: Coupon, name: str):
    answer = api.get(f"{path(coupon)}/relationships/{name}?include={name}")
    assert refused(answer) == (400, "PARAM_NOT_ALLOWED", {"parameter": "include"})


def test_068_related_resources_honour_include(api: Api, coupon: Coupon):
    many = api.get(f"coupon_codes_promotion_rules/{coupon.promotion_rule.public_id}/coupons?include=coupon_recipient")
    assert keys(many.json()["included"]) == [key(coupon.coupon_recipient)]
    one = api.get(f"{path(coupon)}/promotion_rule?include=promotion")
    assert keys(one.json()["included"]) == [key(coupon.promotion_rule.promotion)]


def test_069_post_and_patch_honour_include(api: Api, coupon: Coupon):
    created = api.create(
        "coupons", {"code": "SUMMER-02"}, "?include=promotion_rule", promotion_rule=coupon.promotion_rule
    )
    updated = api.update(coupon, {"usage_limit": 3}, "?include=promotion_rule")
    assert keys(created.json()["included"]) == keys(updated.json()["included"]) == [key(coupon.promotion_rule)]


# --- Fields --------------------------------------------------------------------------------------


def test_070_only_the_fields_asked_for_are_shown(api: Api, coupon: Coupon):
    for resource in (api.data(f"{path(coupon)}?fields[coupons]=code"), *api.data("coupons?fields[coupons]=code")):
        assert resource["attributes"] == {"code": "SUMMER-01"}
        assert "relationships" not in resource


def test_071_relationships_are_fields(api: Api, coupon: Coupon):
    resource = api.data(f"{path(coupon)}?fields[coupons]=code,tags")
    assert resource["attributes"] == {"code": "SUMMER-01"}
    assert set(resource["relationships"]) == {"tags"}


def test_072_an_empty_fieldset_shows_neither_attributes_nor_relationships(api: Api, coupon: Coupon):
    resource = api.data(f"{path(coupon)}?fields[coupons]=")
    assert set(resource) == {"id", "type", "links", "meta"}


def test_073_a_fieldset_holds_for_included_resources_of_its_type_only(api: Api, coupon: Coupon):
    query = "?include=promotion_rule.promotion&fields[percentage_discount_promotions]=name"
    body = api.get(path(coupon) + query).json()
    rule, promotion = body["included"]
    assert promotion["attributes"] == {"name": "Summer"}
    assert "relationships" not in promotion
    assert rule["relationships"]
    assert len(body["data"]["attributes"]) == 14


def test_073_a_fieldset_of_the_umbrella_holds_for_its_types(api: Api, coupon: Coupon):
    promotion = api.data("promotions?fields[promotions]=name,percentage")[0]
    assert promotion["attributes"] == {"name": "Summer", "percentage": 10}


def test_074_post_and_patch_honour_fieldsets(api: Api, coupon: Coupon):
    created = api.create(
        "coupons", {"code": "SUMMER-02"}, "?fields[coupons]=code", promotion_rule=coupon.promotion_rule
    )
    updated = api.update(coupon, {"usage_limit": 3}, "?fields[coupons]=usage_limit")
    assert created.json()["data"]["attributes"] == {"code": "SUMMER-02"}
    assert updated.json()["data"]["attributes"] == {"usage_limit": 3}


@pytest.mark.parametrize("fields", ["nope", "code,nope", "promotion", "Code"])
def test_075_an_unknown_field_is_400(api: Api, fields: str):
    answer = api.get(f"coupons?fields[coupons]={fields}")
    assert refused(answer) == (400, "INVALID_FIELD", {"parameter": "fields[coupons]"})


@pytest.mark.parametrize(
    "query", ["fields[coupon]=code", "fields[coupons]=id,type,code", "fields[addresses]=city&fields[coupons]=code"]
)
def test_075_id_type_singulars_and_absent_types_are_tolerated(api: Api, coupon: Coupon, query: str):
    assert api.data(f"{path(coupon)}?{query}")["attributes"] == {"code": "SUMMER-01"}


# --- Sort ----------------------------------------------------------------------------------------


def codes(api: Api, query: str) -> list[str]:
    return [each["attributes"]["code"] for each in api.data(f"coupons?{query}")]


def test_076_sorting_goes_up_and_down(api: Api, rule: CouponCodesPromotionRule):
    for code in ("CODE-BBB", "CODE-CCC", "CODE-AAA"):
        factories.coupon(rule, code=code)
    assert codes(api, "sort=code") == ["CODE-AAA", "CODE-BBB", "CODE-CCC"]
    assert codes(api, "sort=-code") == ["CODE-CCC", "CODE-BBB", "CODE-AAA"]


def test_077_several_criteria_apply_in_order(api: Api, rule: CouponCodesPromotionRule):
    for code, limit in (("CODE-AAA", 1), ("CODE-BBB", 2), ("CODE-CCC", 1)):
        factories.coupon(rule, code=code, usage_limit=limit)
    assert codes(api, "sort=usage_limit,-code") == ["CODE-CCC", "CODE-AAA", "CODE-BBB"]
    assert codes(api, "sort=-usage_limit,code") == ["CODE-BBB", "CODE-AAA", "CODE-CCC"]


def test_077_a_to_one_relationship_can_be_sorted_through(api: Api, rule: CouponCodesPromotionRule):
    for code, email in (("CODE-AAA", "b@example.com"), ("CODE-BBB", "a@example.com"), ("CODE-CCC", "c@example.com")):
        factories.coupon(rule, code=code, coupon_recipient=factories.recipient(rule.organization, email=email))
    assert codes(api, "sort=coupon_recipient.email") == ["CODE-BBB", "CODE-AAA", "CODE-CCC"]


def test_077_nothing_sorts_last_upwards_and_first_downwards(api: Api, rule: CouponCodesPromotionRule):
    for code, limit in (("CODE-AAA", None), ("CODE-BBB", 2), ("CODE-CCC", 1)):
        factories.coupon(rule, code=code, usage_limit=limit)
    assert codes(api, "sort=usage_limit") == ["CODE-CCC", "CODE-BBB", "CODE-AAA"]
    assert codes(api, "sort=-usage_limit") == ["CODE-AAA", "CODE-BBB", "CODE-CCC"]


@pytest.mark.parametrize(
    "sort", ["nope", "code,nope", "metadata", "promotion_rule.id", "code;drop", "--code", "tags.name"]
)
def test_078_an_unsupported_criterion_is_400(api: Api, sort: str):
    assert refused(api.get(f"coupons?sort={sort}")) == (400, "INVALID_SORT_CRITERIA", {"parameter": "sort"})


# --- Page ----------------------------------------------------------------------------------------


@pytest.fixture
def many(rule: CouponCodesPromotionRule) -> list[Coupon]:
    """Twenty-three coupons, all alike but for their codes."""
    return [factories.coupon(rule, code=f"CODE-{number:04}", usage_limit=7) for number in range(23)]


def page(url: str, number: int, size: int) -> str:
    return f"http://testserver/api/{url}page%5Bnumber%5D={number}&page%5Bsize%5D={size}"


def test_079_080_links_of_a_page_name_the_others_and_leave_out_what_there_is_not(api: Api, many: list[Coupon]):
    ends = {"first": page("coupons?", 1, 10), "last": page("coupons?", 3, 10)}
    for number, neighbours in ((1, {"next": 2}), (2, {"prev": 1, "next": 3}), (3, {"prev": 2})):
        expected = {name: page("coupons?", to, 10) for name, to in {"self": number, **neighbours}.items()}
        assert api.get(f"coupons?page[number]={number}&page[size]=10").json()["links"] == {**ends, **expected}


@pytest.mark.parametrize("query", ["", "sort=usage_limit&", "sort=-customer_single_use&"])
def test_081_following_next_visits_every_resource_once(api: Api, many: list[Coupon], query: str):
    url, seen = f"coupons?{query}page[size]=4", []
    while url:
        body = api.get(url).json()
        seen += [each["id"] for each in body["data"]]
        url = body["links"].get("next")
    assert sorted(seen) == sorted(row.public_id for row in many)


def test_082_prev_leads_back_and_pages_share_nothing(api: Api, many: list[Coupon]):
    first = api.get("coupons?page[size]=10").json()
    second = api.get(first["links"]["next"]).json()
    assert not set(keys(first["data"])) & set(keys(second["data"]))
    assert api.get(second["links"]["prev"]).json()["data"] == first["data"]


def test_083_links_keep_the_other_parameters(api: Api, many: list[Coupon]):
    query = "filter[q][code_start]=CODE-00&sort=-code&fields[coupons]=code&include=promotion_rule"
    links = api.get(f"coupons?{query}&page[size]=5").json()["links"]
    kept = "filter%5Bq%5D%5Bcode_start%5D=CODE-00&sort=-code&fields%5Bcoupons%5D=code&include=promotion_rule&"
    assert links["next"] == page(f"coupons?{kept}", 2, 5)
    assert api.data(links["next"])[0]["attributes"]["code"] == "CODE-0017"


def test_084_page_parameters_choose_the_page(api: Api, many: list[Coupon]):
    assert api.ids("coupons?page[number]=2&page[size]=5") == [row.public_id for row in many[5:10]]
    assert api.ids("coupons?page[number]=9&page[size]=5") == []


@pytest.mark.parametrize("name", ["number", "size"])
@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "", "1e3", "٣", "99999999999999999999"])
def test_085_a_page_that_is_no_positive_integer_is_400(api: Api, name: str, value: str):
    answer = api.get(f"coupons?page[{name}]={value}")
    assert refused(answer) == (400, "INVALID_PAGE_VALUE", {"parameter": f"page[{name}]"})


@pytest.mark.parametrize("name", ["page[offset]", "page[x]", "page[]", "page"])
def test_086_an_unknown_page_parameter_is_400(api: Api, name: str):
    assert refused(api.get(f"coupons?{name}=1")) == (400, "PARAM_NOT_ALLOWED", {"parameter": name})


def test_087_meta_counts_records_and_pages(api: Api, many: list[Coupon]):
    assert api.get("coupons?page[size]=10").json()["meta"] == {"record_count": 23, "page_count": 3}
    assert api.get("tags").json()["meta"] == {"record_count": 0, "page_count": 0}


def test_088_ten_to_a_page_and_twenty_five_at_most(api: Api, many: list[Coupon]):
    assert len(api.data("coupons")) == 10
    assert len(api.data("coupons?page[size]=25")) == 23
    assert refused(api.get("coupons?page[size]=26")) == (400, "INVALID_PAGE_VALUE", {"parameter": "page[size]"})


# --- Filter --------------------------------------------------------------------------------------


def test_089_filter_narrows_a_collection(api: Api, many: list[Coupon]):
    body = api.get("coupons?filter[q][code_eq]=CODE-0007").json()
    assert keys(body["data"]) == [key(many[7])]
    assert body["meta"] == {"record_count": 1, "page_count": 1}


@pytest.mark.parametrize("name", ["filter[nope]", "filter[]", "filter", "filter[code]", "filter[q]", "filter[q][]"])
def test_090_an_unknown_member_of_the_filter_family_is_400(api: Api, name: str):
    assert refused(api.get(f"coupons?{name}=x")) == (400, "PARAM_NOT_ALLOWED", {"parameter": name})


@pytest.mark.parametrize(
    "name",
    ["nope_eq", "code_nope", "code", "code_eq_nope", "recipient_email_eq", "code_or_nope_eq", "versions_id_eq", "_eq"],
)
def test_091_an_unknown_attribute_or_predicate_is_400_and_names_it(api: Api, coupon: Coupon, name: str):
    answer = api.get(f"coupons?filter[q][{name}]=x")
    assert refused(answer) == (400, "FILTER_NOT_ALLOWED", {"parameter": f"filter[q][{name}]"})
    assert name in answer.json()["errors"][0]["detail"]


def test_092_conditions_are_joined_by_and(api: Api, rule: CouponCodesPromotionRule):
    for code, limit in (("CODE-AAA", 1), ("CODE-BBB", 2), ("CODE-CCC", 1)):
        factories.coupon(rule, code=code, usage_limit=limit)
    query = "filter[q][usage_limit_eq]=1&filter[q][code_not_eq]=CODE-AAA"
    assert codes(api, query) == ["CODE-CCC"]


# --- Resources -----------------------------------------------------------------------------------


def test_093_every_related_link_answers(api: Api, coupon: Coupon):
    for relation in api.data(path(coupon))["relationships"].values():
        assert api.get(relation["links"]["related"]).status_code == 200


def test_094_every_relationship_link_answers_with_linkage(api: Api, coupon: Coupon):
    for relation in api.data(path(coupon))["relationships"].values():
        assert "data" in api.get(relation["links"]["self"]).json()


def test_095_an_empty_collection_is_an_empty_array(api: Api):
    assert api.data("coupons") == []


def test_096_an_empty_to_one_is_null(api: Api, rule: CouponCodesPromotionRule):
    assert api.data(f"coupons/{factories.coupon(rule).public_id}/coupon_recipient") is None
    assert api.data(f"promotions/{rule.promotion.public_id}/order_amount_promotion_rule") is None


@pytest.mark.parametrize("public_id", ["ABCDEFGHIJ", "1", "x" * 500, "é", "%00", "..", "A BCDEFGHI", "-"])
def test_097_098_a_missing_resource_and_everything_below_it_is_404(api: Api, public_id: str):
    for below in ("", "/promotion_rule", "/tags", "/relationships/promotion_rule", "/relationships/tags"):
        assert api.get(f"coupons/{public_id}{below}").status_code == 404


def test_097_a_404_says_so_as_clients_expect(api: Api):
    assert api.get("coupons/ABCDEFGHIJ").json()["errors"] == [
        {
            "title": "Record not found",
            "detail": "The requested resource was not found. Please double-check the resource id.",
            "code": "RECORD_NOT_FOUND",
            "status": "404",
        }
    ]


@pytest.mark.parametrize(
    "url", ["nope", "coupons/x/y/z/w", "coupons/x/relationships/tags/y", "/api/", "/api", "/nowhere"]
)
def test_099_an_unknown_url_is_a_json_api_404(api: Api, url: str):
    answer = api.get("http://testserver" + url if url.startswith("/") else url)
    assert refused(answer) == (404, "RECORD_NOT_FOUND", None)


@pytest.mark.parametrize("below", ["", "?include=promotion_rule", "/promotion_rule", "/relationships/tags", "/missing"])
def test_100_head_is_get_without_its_body(api: Api, coupon: Coupon, below: str):
    get, head = api.get(path(coupon) + below), api.request("HEAD", path(coupon) + below)
    assert head.content == b""
    assert head.status_code == get.status_code
    differing = {"x-request-id", "Content-Length"}
    told = {name: value for name, value in head.headers.items() if name not in differing}
    assert told == {name: value for name, value in get.headers.items() if name not in differing}
    assert head.headers["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("method", "url", "allow"),
    [
        ("DELETE", "coupons", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "coupons/ABCDEFGHIJ", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("POST", "coupons/ABCDEFGHIJ", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("POST", "promotions", "GET, HEAD, OPTIONS"),
        ("POST", "coupons/ABCDEFGHIJ/tags", "GET, HEAD, OPTIONS"),
        ("PUT", "coupons/ABCDEFGHIJ/relationships/tags", "DELETE, GET, HEAD, OPTIONS, PATCH, POST"),
        ("DELETE", "organization", "GET, HEAD, OPTIONS"),
    ],
)
def test_101_an_unsupported_method_is_405_and_names_the_others(api: Api, method: str, url: str, allow: str):
    with nothing_written():
        answer = api.request(method, url, document("coupons", {"code": "SUMMER-01"}))
    assert refused(answer) == (405, "METHOD_NOT_ALLOWED", None)
    assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == allow


def test_102_a_relationship_is_its_exact_linkage(api: Api, coupon: Coupon):
    tags = [factories.tag(coupon.organization) for _ in range(3)]
    api.update(coupon, tags=tags[:2])
    assert api.data(f"{path(coupon)}/relationships/tags") == [identifier(tag) for tag in tags[:2]]
    assert api.data(f"{path(coupon)}/relationships/coupon_recipient") == identifier(coupon.coupon_recipient)
    rule = coupon.promotion_rule
    assert api.data(f"{rule.wire_type}/{rule.public_id}/relationships/promotion") == identifier(rule.promotion)


def test_103_an_empty_relationship_is_null_or_an_empty_array(api: Api, rule: CouponCodesPromotionRule):
    coupon = factories.coupon(rule)
    assert api.data(f"{path(coupon)}/relationships/tags") == []
    assert api.data(f"{path(coupon)}/relationships/coupon_recipient") is None


def test_104_a_to_many_relationship_links_to_itself_and_its_resources(api: Api, coupon: Coupon):
    links = api.get(f"{path(coupon)}/relationships/tags").json()["links"]
    assert links["self"] == f"http://testserver/api/{path(coupon)}/relationships/tags"
    assert links["related"] == f"http://testserver/api/{path(coupon)}/tags"


@pytest.mark.parametrize("below", ["relationships/nope", "nope", "relationships/code", "code", "relationships"])
def test_105_an_unknown_relationship_is_404(api: Api, coupon: Coupon, below: str):
    assert refused(api.get(f"{path(coupon)}/{below}")) == (404, "RECORD_NOT_FOUND", None)


def test_106_a_to_many_relationship_is_paged(api: Api, many: list[Coupon]):
    url = f"coupon_codes_promotion_rules/{many[0].promotion_rule.public_id}/relationships/coupons"
    body = api.get(f"{url}?page[number]=2&page[size]=10").json()
    assert body["data"] == [identifier(row) for row in many[10:20]]
    assert body["meta"] == {"record_count": 23, "page_count": 3}
    assert body["links"]["next"] == page(f"{url}?", 3, 10)
    assert api.get(body["links"]["next"]).json()["data"] == [identifier(row) for row in many[20:]]
