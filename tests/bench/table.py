"""The rows of the table, each beside its floor and its targets."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, cycle
from pathlib import Path
from typing import NamedTuple

import orjson

from coupons.codes import Pattern
from coupons.models import Coupon
from tests.bench.evaluating import evaluators
from tests.bench.measuring import Endpoint, cpu, requests_a_second, server, statements
from tests.bench.redeeming import HOT, LIMIT, MANY, durable, redeemed, redemptions, tried
from tests.bench.shop import Catalog, Load, Shop, open_shop

INCLUDES = "promotion_rule,coupon_recipient,tags"
MOST_MEMORY = 150
"""MiB an import may hold."""


class Target(NamedTuple):
    reached: float
    stretch: float


ROW, CONSTANT = Target(0.60, 0.75), Target(0.25, 0.40)
BY_CODE, LIST, CREATE = Target(7, 10), Target(15, 26), Target(4, 8)
EVALUATE, MANY_CODES = Target(40, 100), Target(0.90, 1.0)
IMPORT = Target(0.85, 1.0)
REDEEM_MANY, REDEEM_HOT = Target(0.25, 0.35), Target(0.80, 0.95)


@dataclass(frozen=True)
class Line:
    """What was measured. In `ratio` more is better for us."""

    name: str
    floor: str
    ours: str
    ratio: float
    target: Target

    def __str__(self) -> str:
        reached = (
            "stretch" if self.ratio >= self.target.stretch else "yes" if self.ratio >= self.target.reached else "NO"
        )
        numbers = f"{self.ratio:>8.2f} {self.target.reached:>8.2f} {self.target.stretch:>8.2f}"
        return f"{self.name:<62} {self.floor:>12} {self.ours:>12} {numbers}  {reached}"


HEADER = f"{'':<62} {'floor':>12} {'ours':>12} {'ratio':>8} {'target':>8} {'stretch':>8}  reached"


def print_all(coupons: int, folder: Path) -> None:
    shop = open_shop(coupons, folder)
    print(f"{coupons:,} coupons on PostgreSQL, with a bearer token\n\n{HEADER}")
    for line in chain([import_line(shop.load)], cpu_lines(shop), http_lines(shop, folder)):
        print(line, flush=True)
    print(f"\nThe import held {shop.load.peak:.0f} MiB at most; {MOST_MEMORY} are allowed.\n")
    for name, number in statement_counts(shop).items():
        print(f"{name:<62} {number:>3} statements")
    print()
    for name, endpoint in alone(shop).items():
        (seconds,) = cpu([endpoint])
        print(f"{name:<62} {seconds * 1e6:>7,.0f} us of CPU")


# --- CPU time -----------------------------------------------------------------------------------------------------


def cpu_lines(shop: Shop) -> Iterator[Line]:
    row, constant, one = cpu([_row(shop), _constant(), _one(shop)])
    yield _cpu_line("GET one coupon: one query by key", row, one, ROW)
    yield _cpu_line("GET one coupon: a constant answer", constant, one, CONSTANT)
    stock, by_code = cpu([_stock_by_code(shop), _by_code(shop)])
    yield _cpu_line("GET by code, rule and tags included: stock view set", stock, by_code, BY_CODE)
    stock, listed = cpu([_stock_list(), _list(shop)])
    yield _cpu_line("GET 25 coupons, three includes: stock view set", stock, listed, LIST)
    stock, created = cpu([_stock_create(shop), _create(shop)])
    yield _cpu_line("POST one coupon: stock view set, row only", stock, created, CREATE)
    straightforward, engine = cpu(evaluators())
    yield _cpu_line("Evaluate 20 lines, 1,000 promotions: straightforward", straightforward, engine, EVALUATE)
    few, many = cpu([_evaluation(shop, shop.few), _evaluation(shop, shop.sample[: len(shop.few)])])
    yield _cpu_line(f"POST an evaluation with a code: one of {len(shop.few)} codes", few, many, MANY_CODES)


def _cpu_line(name: str, floor: float, ours: float, target: Target) -> Line:
    return Line(f"{name}, CPU", f"{floor * 1e6:,.0f} us", f"{ours * 1e6:,.0f} us", floor / ours, target)


def _gets(*paths: str, token: str = "") -> Endpoint:
    return Endpoint(((path, b"") for path in cycle(paths)), token)


def _row(shop: Shop) -> Endpoint:
    return _gets(*(f"/floor/row/{coupon.pk}" for coupon in shop.sample))


def _constant() -> Endpoint:
    return _gets("/floor/constant")


def _one(shop: Shop) -> Endpoint:
    return _gets(*(f"/api/coupons/{coupon.public_id}" for coupon in shop.sample), token=shop.token)


def _by_code(shop: Shop) -> Endpoint:
    query = "/api/coupons?filter[q][code_eq]={}&include=promotion_rule,tags"
    return _gets(*(query.format(coupon.code) for coupon in shop.sample), token=shop.token)


def _stock_by_code(shop: Shop) -> Endpoint:
    query = "/stock/coupons?filter[code_norm]={}&include=promotion_rule,tags"
    return _gets(*(query.format(coupon.code) for coupon in shop.sample))


def _list(shop: Shop) -> Endpoint:
    return _gets(f"/api/coupons?page[size]=25&include={INCLUDES}", token=shop.token)


def _stock_list() -> Endpoint:
    return _gets(f"/stock/coupons?page[size]=25&include={INCLUDES}")


def _create(shop: Shop) -> Endpoint:
    rule = {"type": "coupon_codes_promotion_rules", "id": shop.rule.public_id}
    return Endpoint((("/api/coupons", _document(code, rule)) for code in Pattern().draw()), shop.token, "POST")


def _stock_create(shop: Shop) -> Endpoint:
    rule = {"type": "CouponCodesPromotionRule", "id": str(shop.rule.pk)}
    return Endpoint((("/stock/coupons", _document(code, rule, "Coupon")) for code in Pattern().draw()), method="POST")


def _evaluation(shop: Shop, coupons: Sequence[Coupon]) -> Endpoint:
    return Endpoint((("/api/evaluations", _cart(coupon)) for coupon in cycle(coupons)), shop.token, "POST")


def _catalog_evaluation(catalog: Catalog) -> Endpoint:
    lines = [{"sku_code": code, "quantity": 2} for code in catalog.sku_codes]
    attributes = {"market_code": catalog.market_code, "line_items": lines}
    body = orjson.dumps({"data": {"type": "evaluations", "attributes": attributes}})
    return Endpoint(cycle([("/api/evaluations", body)]), catalog.token, "POST")


def _line_change(catalog: Catalog) -> Endpoint:
    """Sets the quantity of one line, to 2 and 3 in turns: as many promotions apply."""
    line = catalog.order.line_items.order_by("created_at", "pk")[0].public_id
    changed = ({"type": "line_items", "id": line, "attributes": {"quantity": 2 + number % 2}} for number in count())
    bodies = (orjson.dumps({"data": data}) for data in changed)
    return Endpoint(((f"/api/line_items/{line}", body) for body in bodies), catalog.token, "PATCH")


def _refresh(catalog: Catalog) -> Endpoint:
    order = catalog.order.public_id
    body = orjson.dumps({"data": {"type": "orders", "id": order, "attributes": {"_refresh": True}}})
    return Endpoint(cycle([(f"/api/orders/{order}", body)]), catalog.token, "PATCH")


def _cart(coupon: Coupon) -> bytes:
    lines = [{"code": f"SKU{place}", "quantity": 2, "unit_amount_cents": 1000 + place} for place in range(20)]
    attributes = {
        "currency_code": "EUR",
        "customer_email": coupon.coupon_recipient.email,
        "coupon_code": coupon.code,
        "line_items": lines,
    }
    return orjson.dumps({"data": {"type": "evaluations", "attributes": attributes}})


def _document(code: str, rule: dict[str, str], type_name: str = "coupons") -> bytes:
    attributes = {"code": code, "usage_limit": 1, "reference": "bench"}
    data = {"type": type_name, "attributes": attributes, "relationships": {"promotion_rule": {"data": rule}}}
    return orjson.dumps({"data": data})


# --- Requests a second --------------------------------------------------------------------------------------------


def http_lines(shop: Shop, folder: Path) -> Iterator[Line]:
    if shutil.which("wrk") is None:
        print("Requests a second are not measured: there is no wrk (Debian: apt-get install wrk).")
        return
    coupon = shop.sample[0]
    paths = [f"/floor/row/{coupon.pk}", "/floor/constant", f"/api/coupons/{coupon.public_id}"]
    with server() as url:
        row, constant, one = requests_a_second(url, paths, shop.token)
    yield _http_line("GET one coupon: one query by key", row, one, ROW)
    yield _http_line("GET one coupon: a constant answer", constant, one, CONSTANT)
    with durable(), server(os.cpu_count() or 1) as url:
        many = redeemed(url, shop.token, MANY, 16, folder)
        yield _http_line("Redeem many codes, 16 clients: pgbench", *many, REDEEM_MANY)
        hot = redeemed(url, shop.token, HOT, 64, folder)
        yield _http_line("Redeem one code, 64 clients: pgbench", *hot, REDEEM_HOT)
        asked = tried(url, shop.token, 64, folder)
    print(f"  64 clients tried {asked.tries} times to redeem a code of {LIMIT} uses: {asked.redemptions} redemptions")


def _http_line(name: str, floor: float, ours: float, target: Target) -> Line:
    return Line(f"{name}, HTTP", f"{floor:,.0f} /s", f"{ours:,.0f} /s", ours / floor, target)


# --- The rest -----------------------------------------------------------------------------------------------------


def import_line(load: Load) -> Line:
    ratio = load.copy_seconds / load.seconds
    return Line(
        "Import of all coupons: psql \\copy", f"{load.copy_seconds:.1f} s", f"{load.seconds:.1f} s", ratio, IMPORT
    )


def statement_counts(shop: Shop) -> dict[str, int]:
    return {
        "GET one coupon": statements(_one(shop)),
        "GET 25 coupons": statements(_gets("/api/coupons?page[size]=25", token=shop.token)),
        "GET 25 coupons, three includes": statements(_list(shop)),
        "POST one coupon": statements(_create(shop)),
        **{name: statements(endpoint) for name, endpoint in alone(shop).items()},
    }


def alone(shop: Shop) -> dict[str, Endpoint]:
    """What there is no floor for."""
    endpoints = {"POST a redemption of a code": redemptions(shop.token, MANY)}
    for size, catalog in (("20 SKUs, 100 promotions", shop.catalog), ("2 SKUs, 10 promotions", shop.small_catalog)):
        endpoints[f"POST an evaluation: {size}"] = _catalog_evaluation(catalog)
        endpoints[f"PATCH the quantity of a line: {size}"] = _line_change(catalog)
        endpoints[f"PATCH an order, _refresh: {size}"] = _refresh(catalog)
    return endpoints
