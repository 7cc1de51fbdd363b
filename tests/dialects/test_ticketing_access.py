from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings

from commerce import auth
from commerce.auth import Owner, Session
from commerce.models import Organization, Role
from commerce.models.access import ACTIONS
from coupons.dialects.ticketing import guids
from tests import factories
from tests.client import Api, nothing_written
from tests.dialects.ticketing_client import UNKNOWN, Ticketing

COMPANY = "94d1c567-0dfa-8379-856d-f292570a1db6"

# --- Tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x.y.z", "Basic eDp5", "Bearer \xff"])
def test_without_a_valid_token_it_is_401(acme: Organization, header: str | None):
    headers = {"authorization": header} if header is not None else {}
    answer = Ticketing(Api(None)).get("/coupon", **headers)
    assert answer.status == 401
    assert answer.body == {
        "error": "unauthorized",
        "error_description": "The key or token is missing or not valid.",
        "error_context": {},
    }
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["{own}", "{own}, {other}", "{other},{own},", "{own},{unknown}", "{upper}", "", " , "]
)
def test_the_company_may_be_named(tickets: Ticketing, acme: Organization, header: str):
    own, other = guids.encode("company", acme.pk), guids.encode("company", acme.pk + 1)
    told = header.format(own=own, other=other, upper=own.upper(), unknown=UNKNOWN)
    assert tickets.get("/coupon", company=told).status == 200


@pytest.mark.parametrize("header", ["{other}", "x", "{own}, x", "x,{own}", "{own} {own}", "{coupon}"])
def test_another_company_is_403(tickets: Ticketing, acme: Organization, header: str):
    own, other = guids.encode("company", acme.pk), guids.encode("company", acme.pk + 1)
    told = header.format(own=own, other=other, coupon=guids.encode("coupon", acme.pk))
    answer = tickets.get("/coupon", company=told)
    assert (answer.status, answer.body["error"], answer.context) == (403, "forbidden", {})


def test_too_many_requests_are_429(acme: Organization, travel: Callable[..., None], settings: LazySettings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"read": "4/60"}
    tickets = Ticketing(Api(factories.application(acme)))
    answers = [tickets.get("/coupon") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[-1].body["error"], answers[-1].headers["Retry-After"]) == ("too_many_requests", "60")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/coupon", "GET, HEAD, POST"),
        ("DELETE", "/coupon", "GET, HEAD, POST"),
        ("OPTIONS", "/coupon", "GET, HEAD, POST"),
        ("POST", "/coupon/1", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS", "/coupon/1", "GET, HEAD, PUT, DELETE"),
        ("POST", "/coupon/code/x", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS", "/coupon/x/products/y", "POST, DELETE"),
        ("GET", "/coupon/redemption/x/release", "POST"),
        ("PUT", "/product", "GET, HEAD"),
        ("GET", "/coupon/x/restore", "PUT, PATCH"),
    ],
)
def test_other_methods_are_405(tickets: Ticketing, method: str, path: str, allowed: str):
    answer = tickets.ask(method, path, {})
    assert (answer.status, answer.body["error"], answer.headers["Allow"]) == (405, "method_not_allowed", allowed)
    assert answer.context == {}


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/coupon/x/y", "/coupon/x/y/z", "/3.0.0/coupon/x/codes/x", "/3.0.0/", "/3.0.0/x", "/3.0.0/3.0.0/coupon"]
)
def test_paths_that_lead_nowhere_are_404(tickets: Ticketing, method: str, path: str):
    answer = tickets.ask(method, path)
    assert (answer.status, answer.body["error"], answer.context) == (404, "not_found", {})


def test_a_body_that_is_too_large_is_413(tickets: Ticketing, settings: LazySettings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = tickets.post("/coupon", {"name": "n" * 200})
    assert (answer.status, answer.body["error"]) == (413, "payload_too_large")


# --- Permissions ----------------------------------------------------------------------------------

CODE, COUPON, PRODUCT, REDEMPTION = "{code}", "{coupon}", "{product}", "{redemption}"
A_COUPON = {"name": "N", "type": "cheque", "amount": 1}
AN_ORDER = {"order": "o2", "codes": ["CHEQUE-1"], "items": [{"code": "a", "price": 1}]}
NEEDED: list[tuple[str, str, Any, list[tuple[str, str]]]] = [
    # method, path, body, and the permissions that it takes
    ("GET", "/coupon", None, [("promotions", "read")]),
    ("GET", "/coupon/1", None, [("promotions", "read")]),
    ("POST", "/coupon", A_COUPON, [("fixed_amount_promotions", "create"), ("coupon_codes_promotion_rules", "create")]),
    ("GET", f"/coupon/{COUPON}", None, [("fixed_amount_promotions", "read")]),
    ("PUT", f"/coupon/{COUPON}", {"name": "M"}, [("fixed_amount_promotions", "update")]),
    ("GET", f"/coupon/{COUPON}/codes", None, [("coupons", "read")]),
    ("GET", f"/coupon/{COUPON}/codes/export", None, [("coupons", "read")]),
    ("PUT", f"/coupon/{COUPON}/codes", {"codes": [{"code": "ABCD"}]}, [("coupons", "create")]),
    ("POST", f"/coupon/{COUPON}/codes", {"count": 1}, [("coupons", "create")]),
    ("DELETE", f"/coupon/{COUPON}/codes", {"codes": [{"code": "ABCD"}]}, [("coupons", "destroy")]),
    ("GET", f"/coupon/code/{CODE}", None, [("coupons", "read")]),
    ("PUT", f"/coupon/code/{CODE}", {"usage_count": 9}, [("coupons", "update")]),
    ("POST", "/coupon/redemption", AN_ORDER, [("redemptions", "create")]),
    ("GET", f"/coupon/redemption/{REDEMPTION}", None, [("redemptions", "read")]),
    ("POST", f"/coupon/redemption/{REDEMPTION}/release", None, [("redemptions", "update")]),
    ("GET", "/product", None, [("skus", "read")]),
    ("GET", f"/coupon/{COUPON}/products", None, [("skus", "read")]),
    (
        "POST",
        f"/coupon/{COUPON}/products/{PRODUCT}",
        None,
        [("fixed_amount_promotions", "update"), ("sku_list_items", "create")],
    ),
    (
        "DELETE",
        f"/coupon/{COUPON}/products/{PRODUCT}",
        None,
        [("fixed_amount_promotions", "update"), ("sku_list_items", "destroy")],
    ),
    ("DELETE", f"/coupon/code/{CODE}", None, [("coupons", "destroy")]),
    ("DELETE", f"/coupon/{COUPON}", None, [("fixed_amount_promotions", "destroy")]),
    ("PATCH", f"/coupon/{COUPON}/restore", None, [("fixed_amount_promotions", "update")]),
]
"""In an order in which all of it can be done."""


@pytest.fixture
def named(tickets: Ticketing, acme: Organization) -> dict[str, str]:
    """A coupon with two codes, one of them used, and a product."""
    coupon = tickets.coupon()
    tickets.codes(coupon, "CHEQUE-1")
    return {
        "coupon": coupon,
        "code": tickets.codes(coupon, "CHEQUE-2")[0]["guid"],
        "product": guids.encode("product", factories.sku(acme).pk),
        "redemption": tickets.redeem("o1", "CHEQUE-1", 100).body["guid"],
    }


def limited(acme: Organization) -> Ticketing:
    role = Role.objects.create(organization=acme, name="Role", permissions={})
    return Ticketing(Api(factories.application(acme, role=role)))


def permit(permissions: dict[str, list[str]]) -> None:
    Role.objects.update(permissions=permissions)
    auth.snapshot.forget()


def test_a_role_does_what_it_permits(acme: Organization, named: dict[str, str]):
    tickets = limited(acme)
    for method, path, body, needed in NEEDED:
        permit({name: [action for each, action in needed if each == name] for name, _ in needed})
        answer = tickets.ask(method, path.format(**named), body)
        assert answer.status in (200, 204), (method, path, answer)


def test_a_role_does_not_what_it_leaves_out(acme: Organization, named: dict[str, str]):
    tickets = limited(acme)
    everything = {name: list(ACTIONS) for *_, needed in NEEDED for name, _ in needed}
    for method, path, body, needed in NEEDED:
        for name, action in needed:
            permit(everything | {name: [each for each in ACTIONS if each != action]})
            with nothing_written():
                answer = tickets.ask(method, path.format(**named), body)
            assert (answer.status, answer.body["error"]) == (403, "forbidden"), (method, path, name, action)


@pytest.mark.parametrize("who", ["guest", "customer"])
def test_shoppers_do_nothing(acme: Organization, named: dict[str, str], who: str):
    owner = Owner("Customer", factories.customer(acme).pk) if who == "customer" else None
    shopper = Ticketing(Api(factories.application(acme, "sales_channel"), Session(owner)))
    for method, path, body, _ in NEEDED:
        with nothing_written():
            assert shopper.ask(method, path.format(**named), body).status == 403


@pytest.mark.parametrize("whose", ["another organization's", "the other mode's"])
def test_what_belongs_to_another_tenant_is_not_there(acme: Organization, named: dict[str, str], whose: str):
    other = factories.application(acme, mode="live") if whose == "the other mode's" else None
    stranger = Ticketing(Api(other or factories.application(factories.organization())))
    for method, path, body, _ in NEEDED:
        if "{" in path:
            with nothing_written():
                assert stranger.ask(method, path.format(**named), body).status == 404, (method, path)
    assert stranger.done("GET", "/coupon") == stranger.done("GET", "/product") == []
    assert stranger.post("/coupon/redemption", AN_ORDER).status == 406


def test_a_product_of_another_tenant_is_not_attached(tickets: Ticketing, named: dict[str, str]):
    theirs = guids.encode("product", factories.sku(factories.organization()).pk)
    assert tickets.post(f"/coupon/{named['coupon']}/products/{theirs}").status == 404
    answer = tickets.post("/coupon/redemption", AN_ORDER | {"items": [{"product": theirs, "price": 1}]})
    assert (answer.status, list(answer.context)) == (406, ["items.0.product"])
    assert tickets.get(f"/coupon/{UNKNOWN}").status == 404
