"""How often who may call: fixed windows counted in Django's cache."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from commerce.models import Mode


class Window(NamedTuple):
    """`limit` requests in `interval` seconds, counted from multiples of the interval."""

    limit: int
    interval: int


UNLIMITED = Window(1_000_000, 60)
"""What is told where no limit is set."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the tightest window. `retry_after` is 0, or how many seconds a refused caller has to wait."""

    limit: int
    interval: int
    remaining: int
    retry_after: int = 0

    @property
    def headers(self) -> dict[str, str]:
        headers = {
            "X-Ratelimit-Limit": str(self.limit),
            "X-Ratelimit-Interval": str(self.interval),
            "X-Ratelimit-Remaining": str(self.remaining),
        }
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return headers


def take(bucket: str, key: str, mode: str | None, now: datetime) -> Allowance:
    """Counts one request of `key` against the windows of `settings.RATE_LIMITS[bucket]`, halved in test mode.

    A refused request is not counted against the windows that are longer than the one that refused it.
    """
    return _allowance(bucket, key, mode, now, _count, 0)


def left(bucket: str, key: str, mode: str | None, now: datetime) -> Allowance:
    """What `take` would still allow, without counting: refused as soon as a window is full."""
    return _allowance(bucket, key, mode, now, _counted, 1)


def _allowance(
    bucket: str, key: str, mode: str | None, now: datetime, used_of: Callable[[str, int], int], to_come: int
) -> Allowance:
    """`used_of` tells how often a window was used, which `to_come` more uses must not exceed."""
    seconds = int(now.timestamp())
    tightest = Allowance(UNLIMITED.limit, UNLIMITED.interval, UNLIMITED.limit)
    for limit, interval in _windows(bucket, settings.RATE_LIMITS[bucket], mode == Mode.TEST):
        number, elapsed = divmod(seconds, interval)
        used = used_of(f"rate:{bucket}:{key}:{interval}:{number}", interval)
        if used + to_come > limit:
            return Allowance(limit, interval, 0, interval - elapsed)
        if limit - used < tightest.remaining:
            tightest = Allowance(limit, interval, limit - used)
    return tightest


def _counted(key: str, interval: int) -> int:
    counted: int = cache.get(key, 0)
    return counted


def _count(key: str, interval: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:
        return 1 if cache.add(key, 1, interval) else _count(key, interval)


@lru_cache
def _windows(bucket: str, text: str, halved: bool) -> tuple[Window, ...]:
    """`50/10 200/60` as windows, the shortest first."""
    try:
        pairs = [[int(number) for number in window.split("/")] for window in text.split()]
        windows = [Window(max(limit // 2, 1) if halved else limit, interval) for limit, interval in pairs]
    except ValueError as error:
        raise ImproperlyConfigured(f"RATE_LIMITS: {bucket} must be like 50/10 200/60, not {text!r}") from error
    if any(min(window) < 1 for window in windows):
        raise ImproperlyConfigured(f"RATE_LIMITS: {bucket} must hold numbers above zero, not {text!r}")
    return tuple(sorted(windows, key=lambda window: window.interval))
