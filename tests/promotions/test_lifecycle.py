"""Where promotions stand and in which order they apply, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotions.engine import lifecycle
from promotions.engine.lifecycle import MAX_PRIORITY, TYPE_RANK, is_active, status, usage_reached, weight

START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
INSTANT = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (START - INSTANT, "pending"),
        (START, "active"),
        (START + INSTANT, "active"),
        (END - INSTANT, "active"),
        (END, "expired"),
        (END + INSTANT, "expired"),
    ],
)
def test_the_window_includes_its_start_and_not_its_end(now: datetime, expected: str):
    assert status(now, None, START, END, None, 0) == expected


@pytest.mark.parametrize(
    ("now", "disabled_at", "limit", "count", "expected"),
    [
        (START, START, None, 0, "disabled"),
        (END, START, 1, 1, "disabled"),
        (START - INSTANT, END, None, 0, "disabled"),
        (END, None, 1, 1, "expired"),
        (START - INSTANT, None, 0, 0, "pending"),
        (START, None, 0, 0, "inactive"),
        (START, None, 1, 0, "active"),
        (START, None, 1, 1, "inactive"),
        (START, None, 1, 2, "inactive"),
        (START, None, None, 10**12, "active"),
    ],
)
def test_disabled_comes_before_expired_before_pending_before_used_up(
    now: datetime, disabled_at: datetime | None, limit: int | None, count: int, expected: str
):
    assert status(now, disabled_at, START, END, limit, count) == expected
    assert is_active(now, disabled_at, START, END, limit, count) == (expected == "active")


@pytest.mark.parametrize(("limit", "count", "reached"), [(None, 5, False), (0, 0, True), (5, 4, False), (5, 5, True)])
def test_a_limit_is_reached_by_its_last_use(limit: int | None, count: int, reached: bool):
    assert usage_reached(limit, count) is reached


def test_the_statuses_are_those_of_the_contract():
    assert lifecycle.STATUSES == ("disabled", "expired", "pending", "active", "inactive")


def applied_first(exclusive: bool, priority: int | None, kind: str, starts_at: datetime) -> tuple[object, ...]:
    """The order of application, in words: smaller applies first."""
    return (not exclusive, priority is None, priority or 0, TYPE_RANK[kind], starts_at)


promotions = st.tuples(
    st.booleans(),
    st.none() | st.integers(0, MAX_PRIORITY),
    st.sampled_from(sorted(TYPE_RANK)),
    st.integers(0, 2**32 - 1).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
Facts = tuple[bool, int | None, str, datetime]


@given(promotions, promotions)
def test_the_heavier_applies_first(one: Facts, other: Facts):
    first, second = applied_first(*one), applied_first(*other)
    assert (weight(*one) > weight(*other)) == (first < second)
    assert (weight(*one) == weight(*other)) == (first == second)


def test_every_weight_is_an_integer_that_json_clients_read_exactly():
    ends = [datetime(1900, 1, 1, tzinfo=UTC), START, datetime(9999, 12, 31, tzinfo=UTC)]
    for promotion in product((False, True), (None, 0, MAX_PRIORITY), TYPE_RANK, ends):
        assert 0 <= weight(*promotion) < 2**53


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((True, None, "free_shipping", END), (False, 0, "free_gift", START)),
        ((False, 0, "free_shipping", END), (False, 1, "free_gift", START)),
        ((False, MAX_PRIORITY, "free_shipping", END), (False, None, "free_gift", START)),
        ((False, 1, "percentage_discount", END), (False, 1, "fixed_amount", START)),
        ((False, 1, "fixed_amount", START), (False, 1, "fixed_amount", START + timedelta(seconds=1))),
    ],
)
def test_exclusivity_then_priority_then_type_then_start_decide(first: Facts, second: Facts):
    assert weight(*first) > weight(*second)
