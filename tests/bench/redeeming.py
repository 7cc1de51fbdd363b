"""Codes redeemed over HTTP, beside pgbench that sends the very statements of a redemption and computes nothing."""

import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson
from django.db import connection
from django.test.utils import CaptureQueriesContext

from commerce import ids
from commerce.models import Organization
from coupons.models import Coupon, Redemption, Use
from tests import factories
from tests.bench.floors import BINARIES
from tests.bench.measuring import MEDIA_TYPE, Endpoint, Reached, load

CODES = 1000
"""Codes that clients take by chance."""
LIMIT = 200
"""Uses of the code whose limit is tried."""
KEYS = {Coupon: 7_000_000_000, Redemption: 8_000_000_000}
"""Where keys start, so that no other number in a statement is like one of them."""
SECONDS = 4
MANY, HOT, LIMITED = "MANY-CODES-:number", "ONE-HOT-CODE", "FEW-USES-LEFT"
"""`:number` is one of 1 to CODES, another in every request."""


class Redeemed(NamedTuple):
    """Redemptions a second: in as many transactions of pgbench, and over HTTP."""

    transactions: float
    requests: float


class Tried(NamedTuple):
    tries: int
    redemptions: int


def create_codes(owner: Organization) -> None:
    """Codes that may be used without end, and one that may be used LIMIT times, each kind behind its own promotion."""
    with connection.cursor() as cursor:
        for model, start in KEYS.items():
            cursor.execute(f"ALTER TABLE {model._meta.db_table} ALTER COLUMN id RESTART WITH {start + 1}")
    many, hot, limited = (factories.coupon_rule(factories.percentage_promotion(owner)) for _ in range(3))
    for number in range(1, CODES + 1):
        factories.coupon(many, code=MANY.replace(":number", str(number)))
    factories.coupon(hot, code=HOT)
    factories.coupon(limited, code=LIMITED, usage_limit=LIMIT)


def redemptions(token: str, code: str) -> Endpoint:
    bodies = (_body(code).replace(b":number", str(number % CODES + 1).encode()) for number in count())
    return Endpoint((("/api/redemptions", body) for body in bodies), token, "POST")


def _body(code: str) -> bytes:
    attributes = {
        "coupon_code": code,
        "reference": "order :number",
        "customer_email": "buyer:number@example.com",
        "amount_cents": 5000,
        "currency_code": "EUR",
    }
    return orjson.dumps({"data": {"type": "redemptions", "attributes": attributes}})


def redeemed(url: str, token: str, code: str, clients: int, folder: Path) -> Redeemed:
    """The median of rounds in which both take turns."""
    script = _script(token, code, folder)
    rounds = [(_pgbench(script, clients), _answered(url, token, code, clients, folder)) for _ in range(3)]
    return Redeemed(*(statistics.median(reached) for reached in zip(*rounds, strict=True)))


def _answered(url: str, token: str, code: str, clients: int, folder: Path) -> float:
    reached = _requests(url, token, code, clients, folder)
    assert not reached.refused, f"{reached.refused} redemptions of {code} were refused"
    return reached.a_second


def tried(url: str, token: str, clients: int, folder: Path) -> Tried:
    """How often a code with a limit was asked for, until it was refused, and how often it was redeemed."""
    tries = refused = 0
    while not refused:
        reached = _requests(url, token, LIMITED, clients, folder)
        tries, refused = tries + reached.requests, reached.refused
    return Tried(tries, Use.objects.filter(coupon__code=LIMITED, is_counted=True).count())


def _requests(url: str, token: str, code: str, clients: int, folder: Path) -> Reached:
    script = folder / f"{_file_name(code)}.lua"
    script.write_text(_LUA.format(body=_body(code).decode(), media_type=MEDIA_TYPE, codes=CODES))
    return load(f"{url}/api/redemptions", token, clients, SECONDS, script)


_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "{media_type}"
function request()
    local body = string.gsub([[{body}]], ":number", math.random(1, {codes}))
    return wrk.format(nil, nil, nil, body)
end
"""


@contextmanager
def durable() -> Iterator[None]:
    """A server that was told to forget keeps what it commits: waiting for the disk is what a hot row is slow by."""
    settings = ("fsync", "synchronous_commit", "full_page_writes")
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        if cursor.fetchone() == ("on",):
            yield
            return
        _configure(cursor, [f"ALTER SYSTEM RESET {setting}" for setting in settings])
        yield
        _configure(cursor, [f"ALTER SYSTEM SET {setting} = off" for setting in settings])


def _configure(cursor: object, statements: Sequence[str]) -> None:
    for statement in (*statements, "SELECT pg_reload_conf()"):
        cursor.execute(statement)  # type: ignore[attr-defined]


# --- pgbench ------------------------------------------------------------------------------------------------------


def _script(token: str, code: str, folder: Path) -> Path:
    """What one redemption sends, for pgbench: what differs from one request to the next is a variable."""
    endpoint = redemptions(token, code)
    endpoint.exchange()
    with CaptureQueriesContext(connection) as captured:
        answer = orjson.loads(endpoint.exchange())
    redemption = Redemption.objects.get(pk=ids.decode(answer["data"]["id"]))
    (use,) = redemption.uses.all()
    number = str(redemption.reference).removeprefix("order ")
    variables = {
        rf"\b{redemption.pk}\b": ":redemption_id",
        rf"\b{use.coupon_id}\b": ":coupon_id" if code == MANY else str(use.coupon_id),
        rf"(?<=order ){number}\b|(?<=buyer){number}\b|(?<=MANY-CODES-){number}\b": ":number",
    }
    lines = [rf"\set number random(1, {CODES})", rf"\set coupon_id {KEYS[Coupon]} + :number"]
    for query in captured:
        statement = query["sql"]
        for value, variable in variables.items():
            statement = re.sub(value, variable, statement)
        returned = r"\gset redemption_" if statement.startswith(f"INSERT INTO {Redemption._meta.db_table} ") else ";"
        lines.append(f"{statement} {returned}")
    script = folder / f"{_file_name(code)}.sql"
    script.write_text("\n".join(lines))
    return script


def _file_name(code: str) -> str:
    return code.partition(":")[0].lower()


def _pgbench(script: Path, clients: int) -> float:
    """Transactions a second."""
    options = ["--no-vacuum", "--protocol=simple", f"--client={clients}", f"--time={SECONDS}", f"--file={script}"]
    told = subprocess.run(
        [BINARIES / "pgbench", *options, os.environ["DATABASE_URL"]], capture_output=True, text=True, check=False
    )
    reached = re.search(r"tps = ([\d.]+)", told.stdout)
    assert reached, told.stderr
    assert "number of failed transactions: 0 " in told.stdout, told.stdout
    return float(reached[1])
