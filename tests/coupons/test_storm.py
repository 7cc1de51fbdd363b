"""Many clients at once against a real server of several processes: what is used is counted exactly once.

Rows are counted in the database, for a counter may look right where they do not. `STORM=full pytest -s` makes the storm
large and prints its figures: 64 clients, 3,000 tries of a code for 500 uses, 20 processes killed.
"""

import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event, local
from typing import Any, NamedTuple

import httpx
import pytest

from tests.client import MEDIA_TYPE, document
from tests.server import Server, database, running

FULL = os.environ.get("STORM") == "full"
PATIENCE = 120

logging.getLogger("httpx").setLevel("WARNING")
pytestmark = pytest.mark.xdist_group("storm")


class Size(NamedTuple):
    clients: int
    limit: int
    tries: int
    pairs: int
    carts: int
    opposed: int


SIZE = Size(64, 500, 3000, 200, 200, 500) if FULL else Size(64, 20, 100, 8, 10, 40)
Answer = tuple[int, Any]


class Client:
    """An integration of the server's organization, from as many threads as one likes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.numbers = count(1)
        self.kept = local()
        application = server.application("Storm", "integration", "acme")
        grant = {"grant_type": "client_credentials", **application._asdict(), "scope": "market:all"}
        token = httpx.post(f"{server.url}/oauth/token", json=grant).json()["access_token"]
        self.headers = {"Authorization": f"Bearer {token}", "Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send(method, f"/api/{path}", body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Also to a dialect, which does not mind what it is sent as."""
        connection = self.kept.__dict__.setdefault("connection", httpx.Client(timeout=PATIENCE))
        url = f"{self.server.url}{path}"
        answer = connection.request(method, url, json=body, headers={**self.headers, **headers})
        return answer.status_code, answer.json()

    def create(self, resource_type: str, attributes: Any, **relationships: Any) -> dict[str, str]:
        """The identifier of what was made."""
        status, answer = self.ask("POST", resource_type, document(resource_type, attributes, **relationships))
        assert status == 201, answer
        return {name: answer["data"][name] for name in ("type", "id")}

    def update(self, row: dict[str, str], **attributes: Any) -> Answer:
        path = f"{row['type']}/{row['id']}"
        return self.ask("PATCH", path, document(row["type"], attributes, row["id"]))

    def redeem(self, *codes: str, key: str = "", **attributes: Any) -> Answer:
        cart = {"coupon_codes": codes, "amount_cents": 10_000, "currency_code": "EUR", **attributes}
        headers = {"Idempotency-Key": key} if key else {}
        return self.ask("POST", "redemptions", document("redemptions", cart), **headers)

    # --- What there is to be had ------------------------------------------------------------------

    def promotion(self, **values: Any) -> dict[str, str]:
        window = {"starts_at": "2020-01-01T00:00:00Z", "expires_at": "2099-01-01T00:00:00Z"}
        attributes = {"name": "Storm", "percentage": 10, **window, **values}
        return self.create("percentage_discount_promotions", attributes)

    def coupon(self, usage_limit: int | None = None, **promotion: Any) -> str:
        """The code of a new coupon of a new promotion."""
        rule = self.create("coupon_codes_promotion_rules", {}, promotion=self.promotion(**promotion))
        code = f"STORM-{next(self.numbers):06}"
        self.create("coupons", {"code": code, "usage_limit": usage_limit}, promotion_rule=rule)
        return code

    def market(self, currency_code: str) -> tuple[dict[str, str], str]:
        """A market, and the code of a SKU that costs 10 there."""
        address = {"first_name": "Ada", "last_name": "Lovelace", "line_1": "Piazza Grande 1", "city": "Modena"}
        address |= {"zip_code": "41121", "state_code": "MO", "country_code": "IT", "phone": "+39 059 1234"}
        merchant = self.create("merchants", {"name": "Acme"}, address=self.create("addresses", address))
        prices = self.create("price_lists", {"name": currency_code, "currency_code": currency_code})
        market = self.create("markets", {"name": currency_code}, merchant=merchant, price_list=prices)
        category = self.create("shipping_categories", {"name": currency_code})
        code = f"SKU-{currency_code}"
        sku = self.create("skus", {"code": code, "name": code}, shipping_category=category)
        self.create("prices", {"amount_cents": 1000}, sku=sku, price_list=prices)
        return market, code

    def order(self, market: dict[str, str], sku_code: str, email: str, **attributes: Any) -> dict[str, str]:
        order = self.create("orders", {"customer_email": email, **attributes}, market=market)
        self.create("line_items", {"sku_code": sku_code, "quantity": 2}, order=order)
        return order


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two processes of four threads, and who replaces one of them that ends."""
    folder = tmp_path_factory.mktemp("storm")
    options = ("--workers", "2", "--respawn-failed-workers", "--respawn-interval", "0.5", "--pid-file")
    mounts = {"REBILLY_MOUNT": "/", "TICKETING_MOUNT": "/"}
    with database() as environment, running(folder, *options, str(folder / "pid"), **environment, **mounts) as bare:
        bare.manage("create_organization", "acme")
        yield bare


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server)


@pytest.fixture(autouse=True)
def reconciled(server: Server) -> Iterator[None]:
    """Whatever the storm was, rows and counters are equal afterwards."""
    yield
    assert server.manage("reconcile") == "There are no differences.\n"


def at_once(asks: Sequence[Callable[[], Any]], clients: int = SIZE.clients) -> list[Any]:
    """What each returns, so many of them at a time."""
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        answers = [each.result(PATIENCE) for each in [pool.submit(ask) for ask in asks]]
    if FULL:
        seconds = time.monotonic() - started
        told = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2]
        print(f"\n{told}: {len(asks)} requests in {seconds:.1f} s, {len(asks) / seconds:.0f} a second")
    return answers


def statuses(answers: Sequence[Answer]) -> Counter[int]:
    return Counter(status for status, _ in answers)


def reasons(answers: Sequence[Answer]) -> set[str]:
    """Of those refused."""
    return {one["meta"]["reason"] for status, body in answers if status == 422 for one in body["errors"]}


def uses(server: Server, code: str) -> int:
    """Rows, whatever any counter says."""
    query = "SELECT count(*) FROM coupons_use AS one JOIN coupons_coupon AS coupon ON coupon.id = one.coupon_id"
    ((found,),) = server.rows(f"{query} WHERE one.is_counted AND coupon.code = '{code}'")
    return found


# --- Redemptions ----------------------------------------------------------------------------------


def test_a_code_is_used_exactly_as_often_as_it_may_be(server: Server, client: Client):
    code = client.coupon(usage_limit=SIZE.limit)
    answers = at_once([partial(client.redeem, code, reference=str(number)) for number in range(SIZE.tries)])
    assert statuses(answers) == {201: SIZE.limit, 422: SIZE.tries - SIZE.limit}
    assert reasons(answers) == {"coupon_usage_reached"}
    assert uses(server, code) == SIZE.limit
    references = {body["data"]["attributes"]["reference"] for status, body in answers if status == 201}
    kept = "SELECT redemption.reference FROM coupons_use AS one JOIN coupons_redemption AS redemption"
    kept += " ON redemption.id = one.redemption_id JOIN coupons_coupon AS coupon ON coupon.id = one.coupon_id"
    assert {reference for (reference,) in server.rows(f"{kept} WHERE coupon.code = '{code}'")} == references


def test_the_same_request_sent_many_times_at_once_is_done_once(server: Server, client: Client):
    code = client.coupon()
    keys = [f"{code}-{number % 5}" for number in range(SIZE.clients)]
    answers = at_once([partial(client.redeem, code, key=key) for key in keys])
    assert statuses(answers) == {201: SIZE.clients}
    assert len({body["data"]["id"] for _, body in answers}) == 5
    assert uses(server, code) == 5


def test_codes_in_any_order_never_stand_in_each_other_s_way(server: Server, client: Client):
    """Two of them in opposite order, and more; a promotion without any code is counted by all."""
    client.promotion(currency_code="CHF", total_usage_limit=10**6)
    codes = [client.coupon(currency_code="CHF") for _ in range(4)]
    chance = random.Random(1)
    orders = [chance.choice([codes[:2], codes[1::-1], chance.sample(codes, 4)]) for _ in range(SIZE.opposed)]
    answers = at_once([partial(client.redeem, *order, currency_code="CHF") for order in orders])
    assert statuses(answers) == {201: SIZE.opposed}
    assert [uses(server, code) for code in codes] == [sum(code in order for order in orders) for code in codes]


# --- Dialects -------------------------------------------------------------------------------------


def test_a_coupon_of_the_rebilly_dialect_keeps_its_limits_whichever_api_it_is_redeemed_by(
    server: Server, client: Client
):
    """Of few customers each may have three, and all of them together the limit."""
    code = f"REB-{next(client.numbers)}"
    restrictions = [{"type": "redemptions-per-customer", "quantity": 3}]
    restrictions.append({"type": "total-redemptions", "quantity": SIZE.limit})
    coupon = {"discount": {"type": "percent", "value": 12.5}, "issuedTime": "2020-01-01T00:00:00Z"}
    status, body = client.send("PUT", f"/coupons/{code}", {**coupon, "restrictions": restrictions})
    assert status == 201, body
    customers = [f"customer-{number % (SIZE.limit // 2)}" for number in range(SIZE.tries)]
    asks = [
        partial(client.send, "POST", "/coupons-redemptions", {"couponId": code.lower(), "customerId": customer})
        if number % 3
        else partial(client.redeem, code, customer_reference=customer)
        for number, customer in enumerate(customers)
    ]
    answers = at_once(asks)
    assert statuses(answers) == {201: SIZE.limit, 422: SIZE.tries - SIZE.limit}
    assert uses(server, code) == SIZE.limit
    query = "SELECT redemption.customer_reference FROM coupons_use AS one JOIN coupons_redemption AS redemption"
    query += " ON redemption.id = one.redemption_id JOIN coupons_coupon AS coupon ON coupon.id = one.coupon_id"
    had = Counter(customer for (customer,) in server.rows(f"{query} WHERE coupon.code = '{code}'"))
    assert max(had.values()) <= 3


def test_a_cheque_is_spent_to_the_last_cent_and_no_further(server: Server, client: Client):
    """By orders of the ticketing dialect and by redemptions of the JSON:API, 700 each, the last one what is left."""
    worth = 700 * SIZE.limit + 300
    coupon = {"name": "Cheque", "type": "cheque", "amount": worth, "currency": "PLN"}
    status, cheque = client.send("POST", "/coupon", coupon)
    assert status == 200, cheque
    code = f"CHEQUE-{next(client.numbers)}"
    assert client.send("PUT", f"/coupon/{cheque['guid']}/codes", {"codes": [{"code": code}]})[0] == 200
    item = {"code": "TICKET", "quantity": 1, "price": 700}
    asks = [
        partial(
            client.send,
            "POST",
            "/3.0.0/coupon/redemption",
            {"order": f"order {number}", "codes": [code], "items": [item], "currency": "PLN"},
        )
        if number % 2
        else partial(client.redeem, code, amount_cents=700, currency_code="PLN")
        for number in range(SIZE.tries)
    ]
    answers = at_once(asks)
    made = [body for status, body in answers if status in (200, 201)]
    assert set(statuses(answers)) == {200, 201, 406, 422}
    assert len(made) == uses(server, code) == SIZE.limit + 1
    ((used,),) = server.rows(f"SELECT used_amount_cents FROM coupons_coupon WHERE code = '{code}'")
    entries = "SELECT sum(amount_cents), min(balance_cents) FROM commerce_ledgerentry WHERE resource_type = 'coupons'"
    assert (used, server.rows(entries)) == (worth, [(-worth, 0)])


# --- Orders ---------------------------------------------------------------------------------------


def test_an_order_that_is_placed_twenty_times_at_once_counts_once(server: Server, client: Client):
    code = client.coupon(usage_limit=1, currency_code="SEK")
    order = client.order(*client.market("SEK"), "ada@example.com", coupon_code=code)
    answers = at_once([partial(client.update, order, _place=True)] * 20)
    assert statuses(answers) == {200: 20}
    assert {body["data"]["attributes"]["total_amount_cents"] for _, body in answers} == {1800}
    assert uses(server, code) == 1
    assert server.rows("SELECT total_orders_count FROM commerce_customer WHERE email = 'ada@example.com'") == [(1,)]


def test_placing_meets_cancelling(server: Server, client: Client):
    """There are half as many uses as orders; what is cancelled gives its use back, whichever came first."""
    code = client.coupon(usage_limit=SIZE.pairs // 2, currency_code="NOK")
    market = client.market("NOK")
    make = [partial(client.order, *market, "grace@example.com", coupon_code=code) for _ in range(SIZE.pairs)]
    orders = at_once(make, 8)
    asks = [partial(client.update, order, **{trigger: True}) for order in orders for trigger in ("_place", "_cancel")]
    random.Random(2).shuffle(asks)
    answers = at_once(asks)
    assert set(statuses(answers)) <= {200, 422}
    ended = [client.ask("GET", f"orders/{order['id']}")[1]["data"]["attributes"]["status"] for order in orders]
    assert ended == ["cancelled"] * SIZE.pairs
    assert uses(server, code) == 0
    assert server.rows("SELECT total_orders_count FROM commerce_customer WHERE email = 'grace@example.com'") == [(0,)]


def test_orders_with_several_promotions_never_stand_in_each_other_s_way(server: Server, client: Client):
    for percentage in (1, 2, 3):
        client.promotion(currency_code="DKK", percentage=percentage, total_usage_limit=10**6)
    codes = [client.coupon(currency_code="DKK") for _ in range(2)]
    market = client.market("DKK")
    make = [
        partial(client.order, *market, f"{number % 7}@example.com", coupon_code=codes[number % 2])
        for number in range(SIZE.carts)
    ]
    orders = at_once(make, 8)
    answers = at_once([partial(client.update, order, _place=True) for order in orders])
    assert statuses(answers) == {200: SIZE.carts}
    assert [uses(server, code) for code in codes] == [SIZE.carts // 2] * 2
    counted = "SELECT total_usage_count FROM promotions_promotion WHERE currency_code = 'DKK' AND coupons_count = 0"
    assert server.rows(counted) == [(SIZE.carts,)] * 3


# --- What ends in the middle ----------------------------------------------------------------------


def test_a_process_that_is_killed_in_the_middle_leaves_rows_and_counters_equal(server: Server, client: Client):
    """Who got no answer asks again with the same key, and is answered once."""
    limit, tries = SIZE.limit // 2, SIZE.tries // 2
    code = client.coupon(usage_limit=limit)
    lost: list[str] = []
    done = Event()

    def persistent(key: str) -> Answer:
        for _ in range(PATIENCE):
            try:
                return client.redeem(code, key=key)
            except httpx.TransportError:
                lost.append(key)
                time.sleep(0.5)
        raise TimeoutError(key)

    def kill() -> int:
        """The older process again and again: granian takes one that ends twice in a row for hopeless, and gives up."""
        killed = 0
        while not done.wait(0.4) and killed < (20 if FULL else 2):
            if uses(server, code) > 0 and len(workers := processes(server)) == 2:
                os.kill(workers[0], signal.SIGKILL)
                killed += 1
        return killed

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill)
        answers = at_once([partial(persistent, f"{code}-{number}") for number in range(tries)])
        done.set()
        killed = killing.result(PATIENCE)
    if FULL:
        print(f"\n{killed} processes killed, {len(lost)} requests without an answer")
    assert killed > 0
    assert statuses(answers) == {201: limit, 422: tries - limit}
    assert len({body["data"]["id"] for status, body in answers if status == 201}) == limit
    assert uses(server, code) == limit


def processes(server: Server) -> list[int]:
    """Those that serve, the oldest first."""
    pid = (Path(server.environment["DATA_DIR"]).parent / "pid").read_text().strip()
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
