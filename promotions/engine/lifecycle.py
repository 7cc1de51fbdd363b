"""Where a promotion stands in its life, and in which order promotions apply. Plain values in, plain values out."""

from datetime import UTC, datetime

DISABLED, EXPIRED, PENDING, ACTIVE, INACTIVE = STATUSES = ("disabled", "expired", "pending", "active", "inactive")

TYPE_RANK = {
    "free_gift": 1,
    "fixed_price": 2,
    "buy_x_pay_y": 3,
    "percentage_discount": 4,
    "fixed_amount": 5,
    "flex": 6,
    "external": 7,
    "free_shipping": 8,
}
"""First what is free or re-priced, then relative discounts, then absolute amounts, then shipping."""

_PRIORITY_BITS, _RANK_BITS, _START_BITS = 16, 4, 32
MAX_PRIORITY = (1 << _PRIORITY_BITS) - 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def status(
    now: datetime,
    disabled_at: datetime | None,
    starts_at: datetime,
    expires_at: datetime,
    total_usage_limit: int | None,
    total_usage_count: int,
) -> str:
    """One of STATUSES. The window is half-open: `starts_at <= now < expires_at`."""
    if disabled_at is not None:
        return DISABLED
    if expires_at <= now:
        return EXPIRED
    if starts_at > now:
        return PENDING
    if usage_reached(total_usage_limit, total_usage_count):
        return INACTIVE
    return ACTIVE


def is_active(
    now: datetime,
    disabled_at: datetime | None,
    starts_at: datetime,
    expires_at: datetime,
    total_usage_limit: int | None,
    total_usage_count: int,
) -> bool:
    return status(now, disabled_at, starts_at, expires_at, total_usage_limit, total_usage_count) == ACTIVE


def usage_reached(total_usage_limit: int | None, total_usage_count: int) -> bool:
    """A limit of 0 is reached from the start."""
    return total_usage_limit is not None and total_usage_count >= total_usage_limit


def weight(exclusive: bool, priority: int | None, kind: str, starts_at: datetime) -> int:
    """An integer below 2^53 that sorts promotions as they apply, highest first; equal weights apply in order of id.

    Exclusive ones come first, then the lower priority number (none is last), then the type, then the earlier start.
    """
    last_priority = (1 << _PRIORITY_BITS) - 1
    seconds = (starts_at - _EPOCH).days * 86400 + (starts_at - _EPOCH).seconds
    start = min(max(seconds, 0), (1 << _START_BITS) - 1)
    number = int(exclusive)
    number = number << _PRIORITY_BITS | (last_priority - (last_priority if priority is None else priority))
    number = number << _RANK_BITS | ((1 << _RANK_BITS) - 1 - TYPE_RANK[kind])
    return number << _START_BITS | ((1 << _START_BITS) - 1 - start)
