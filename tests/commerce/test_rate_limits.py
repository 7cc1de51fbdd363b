from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from commerce import rate_limits

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def limits(settings: LazySettings) -> None:
    settings.RATE_LIMITS = {"write": "3/10 5/60", "read": ""}


def taken(times: int, now: datetime, mode: str | None = "live", key: str = "7") -> rate_limits.Allowance:
    return [rate_limits.take("write", key, mode, now) for _ in range(times)][-1]


def test_each_request_leaves_one_less_in_the_tightest_window():
    assert taken(1, NOON) == rate_limits.Allowance(limit=3, interval=10, remaining=2)
    assert taken(1, NOON) == rate_limits.Allowance(limit=3, interval=10, remaining=1)
    assert taken(1, NOON) == rate_limits.Allowance(limit=3, interval=10, remaining=0)


def test_a_request_over_the_limit_is_told_when_the_window_ends():
    assert taken(4, NOON + timedelta(seconds=4)) == rate_limits.Allowance(3, 10, remaining=0, retry_after=6)


def test_headers_tell_the_window_and_refusals_when_to_retry():
    assert taken(1, NOON).headers == {
        "X-Ratelimit-Limit": "3",
        "X-Ratelimit-Interval": "10",
        "X-Ratelimit-Remaining": "2",
    }
    assert taken(3, NOON).headers == {
        "X-Ratelimit-Limit": "3",
        "X-Ratelimit-Interval": "10",
        "X-Ratelimit-Remaining": "0",
        "Retry-After": "10",
    }


def test_a_new_window_starts_afresh_but_the_longer_one_goes_on():
    taken(3, NOON)
    assert taken(1, NOON + timedelta(seconds=10)) == rate_limits.Allowance(5, 60, remaining=1)
    assert taken(2, NOON + timedelta(seconds=10)) == rate_limits.Allowance(5, 60, remaining=0, retry_after=50)
    assert taken(1, NOON + timedelta(seconds=60)) == rate_limits.Allowance(3, 10, remaining=2)


def test_what_the_short_window_refuses_is_not_counted_in_the_long_one():
    taken(40, NOON)
    assert taken(2, NOON + timedelta(seconds=10)).retry_after == 0


def test_test_mode_gets_half_and_at_least_one(settings: LazySettings):
    assert taken(1, NOON, mode="test") == rate_limits.Allowance(1, 10, remaining=0)
    assert taken(1, NOON, mode="test").retry_after == 10


def test_keys_and_buckets_are_counted_apart(settings: LazySettings):
    settings.RATE_LIMITS = {"write": "1/10", "oauth": "1/10"}
    assert rate_limits.take("write", "a", None, NOON).retry_after == 0
    assert rate_limits.take("write", "b", None, NOON).retry_after == 0
    assert rate_limits.take("oauth", "a", None, NOON).retry_after == 0
    assert rate_limits.take("write", "a", None, NOON).retry_after == 10


def test_an_empty_limit_lets_everything_pass_and_still_tells_headers():
    allowances = {rate_limits.take("read", "7", "live", NOON) for _ in range(100)}
    assert allowances == {rate_limits.Allowance(1_000_000, 60, remaining=1_000_000)}
    assert rate_limits.take("read", "7", "live", NOON).headers["X-Ratelimit-Remaining"] == "1000000"


def test_threads_that_meet_are_all_counted(settings: LazySettings):
    settings.RATE_LIMITS = {"write": "100/10"}
    with ThreadPoolExecutor(8) as threads:
        allowances = list(threads.map(lambda _: rate_limits.take("write", "7", None, NOON), range(200)))
    assert sum(allowance.retry_after == 0 for allowance in allowances) == 100


@pytest.mark.parametrize("text", ["fifty", "50", "50/", "0/10", "50/0", "-1/10", "50/10/1"])
def test_a_limit_that_cannot_be_read_is_named(settings: LazySettings, text: str):
    settings.RATE_LIMITS = {"write": text}
    with pytest.raises(ImproperlyConfigured, match="RATE_LIMITS: write"):
        rate_limits.take("write", "7", None, NOON)
