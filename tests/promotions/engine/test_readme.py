"""promotions/engine/README.md is true: each row of each of its tables is run."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import pytest

from promotions.engine import allocation, lifecycle
from promotions.engine.book import Book
from promotions.engine.calculate import calculate
from promotions.engine.cart import Cart, LinePart, prices
from promotions.engine.reasons import SENTENCES
from promotions.engine.types import Given
from tests.promotions.engine.notation import NOW, case, restriction, shopper, told

README = Path(allocation.__file__).with_name("README.md")


class Table(NamedTuple):
    line: int
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables() -> list[Table]:
    found: list[Table] = []
    previous = ""
    for number, line in enumerate(README.read_text().splitlines(), start=1):
        if line.startswith("|") and not previous.startswith("|"):
            found.append(Table(number, _cells(line), []))
        elif line.startswith("|") and not line.startswith("|--"):
            found[-1].rows.append(_cells(line))
        previous = line
    return found


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))


# --- What each kind of table claims ---------------------------------------------------------------


def carts(cart: str, promotions: str, taken_off: str, to_pay: str, limit: str = "") -> None:
    given = case(cart, promotions)
    evaluation = calculate(
        given.order,
        Book(given.promotions),
        NOW,
        outcomes=given.outcomes,
        limit=int(limit) if limit else None,
        explain=True,
    )
    assert told(given.order, given.promotions, evaluation) == taken_off
    assert evaluation.total_amount_cents == int(to_pay)


def additions(cart: str, promotions: str, taken_off: str, to_add: str, to_pay: str) -> None:
    carts(cart, promotions, taken_off, to_pay)
    given = case(cart, promotions)
    evaluation = calculate(given.order, Book(given.promotions), NOW)
    added = [item for one in (*evaluation.applied, *evaluation.not_applied) for item in one.additions]
    assert ", ".join(f"{code} {units}" for code, units in added) == to_add


def restricted(who: str, told: str, verdict: str) -> None:
    refusal = restriction(told).refusal(Cart(shopper(who)))
    assert (refusal.reason if refusal else "applies") == verdict


def limits(cart: str, promotions: str, limit: str, taken_off: str, to_pay: str) -> None:
    carts(cart, promotions, taken_off, to_pay, limit)


def moments(now: str, verdict: str) -> None:
    given = case("A 1 x 1000", "10 % off")
    evaluation = calculate(
        given.order, Book(given.promotions), datetime.fromisoformat(now).replace(tzinfo=UTC), explain=True
    )
    assert [*("applies" for _ in evaluation.applied), *(one.refusal.reason for one in evaluation.not_applied)] == [
        verdict
    ]


def judged(cart: str, promotions: str, expected: str) -> None:
    given = case(cart, promotions)
    candidates = Book(given.promotions).candidates(given.order, NOW, None, ())
    assert ", ".join(str(promotion.id) for promotion in sorted(candidates, key=lambda one: one.id)) == expected


def ranks(rank: str, kind: str) -> None:
    assert lifecycle.TYPE_RANK[kind] == int(rank)


def runs(cart: str, promotions: str, expected: str) -> None:
    given = case(cart, promotions)
    parts = Cart(given.order)
    for promotion in sorted(given.promotions, key=lambda one: one.rank):
        promotion.benefit.apply(parts, promotion, Given(NOW, {}))
    assert "; ".join(f"{part.line.code}: {_runs(part)}" for part in parts.lines) == expected


def _runs(part: LinePart) -> str:
    return ", ".join(
        f"{run.quantity} free"
        if run.is_free
        else ", ".join(f"{units} at {price}" for price, units in prices(run).items())
        for run in part.runs
    )


def rounded(exact: str, whole: str) -> None:
    assert allocation.half_up(*Fraction(exact).as_integer_ratio()) == int(whole)


def shares(total: str, weights: str, exact: str, expected: str) -> None:
    left = [int(weight) for weight in weights.split(", ")]
    assert ", ".join(f"{int(total) * weight / sum(left):.2f}" for weight in left) == exact
    assert ", ".join(map(str, allocation.spread(int(total), left))) == expected


def reasons(reason: str, sentence: str) -> None:
    assert SENTENCES[reason] == sentence


CLAIMS: dict[tuple[str, ...], Callable[..., None]] = {
    ("Cart", "Promotions", "Taken off", "To pay"): carts,
    ("Cart", "Promotions", "Taken off", "To add", "To pay"): additions,
    ("Order", "Restriction", "Verdict"): restricted,
    ("Cart", "Promotions", "Limit", "Taken off", "To pay"): limits,
    ("Now", "Verdict"): moments,
    ("Cart", "Promotions", "Judged"): judged,
    ("Rank", "Type"): ranks,
    ("Cart", "Promotions", "Runs"): runs,
    ("Exact", "Rounded"): rounded,
    ("Total", "Left of the lines", "Exact shares", "Shares"): shares,
    ("Reason", "Sentence"): reasons,
}

ROWS = [
    pytest.param(table.header, row, id=f"line {table.line} {row[0]}: {row[1]}")
    for table in tables()
    for row in table.rows
]


@pytest.mark.parametrize(("header", "row"), ROWS)
def test_a_row_is_true(header: tuple[str, ...], row: tuple[str, ...]) -> None:
    CLAIMS[header](*row)


def test_every_table_is_read_and_every_reading_has_a_table() -> None:
    assert {table.header for table in tables()} == set(CLAIMS)
    assert all(table.rows for table in tables())


def test_types_and_reasons_are_all_there() -> None:
    column = {table.header: [row[0] for row in table.rows] for table in tables()}
    assert column["Reason", "Sentence"] == list(SENTENCES)
    assert len(column["Rank", "Type"]) == len(lifecycle.TYPE_RANK)


def test_every_type_is_worked_in_a_cart() -> None:
    worked = {
        promotion.kind
        for table in tables()
        if table.header[:2] == ("Cart", "Promotions")
        for row in table.rows
        for promotion in case(row[0], row[1]).promotions
    }
    assert worked == set(lifecycle.TYPE_RANK) - {"flex"}


def test_files_it_names_exist() -> None:
    named = re.findall(r"`([\w/]+\.py)`", README.read_text())
    assert named
    for name in named:
        assert (Path(__file__).parent / Path(name).name).exists(), name
