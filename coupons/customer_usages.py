"""How often each customer used what has a limit per customer: coupons for a single use, and promotions that say so.

Customers go by up to three keys (`CustomerUsage`), and a limit that any of them has reached holds.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Max

from commerce import changes
from commerce.models import Owned
from coupons.models import Coupon, CustomerUsage, Redemption, Use
from promotions.models import Promotion

# --- Who ------------------------------------------------------------------------------------------


class Person(NamedTuple):
    """Whose uses are counted: a customer of ours, an e-mail address, how somebody is called elsewhere."""

    customer_id: int | None = None
    email_norm: str | None = None
    customer_reference: str | None = None

    @property
    def keys(self) -> list[str]:
        """What the uses are counted by, sorted."""
        return [f"{prefix}:{value}" for prefix, value in zip(KEYS.values(), self, strict=True) if value]


KEYS = {"customer_id": "c", "email_norm": "e", "customer_reference": "r"}
"""Column of a redemption -> what keys of customer usages that are made of it begin with."""


def used_by(whose: Person, coupons: Collection[int]) -> set[int]:
    """Which of these coupons the customer has used, by any of the keys."""
    return set(_usages(whose, "coupon", coupons))


def uses_by(whose: Person, promotions: Collection[int], held: Collection[int]) -> dict[int, int]:
    """How often the customer used these promotions; the order that is asked about holds one use of those `held`."""
    return {key: used - (key in held) for key, used in _usages(whose, "promotion", promotions).items()}


def _usages(whose: Person, of: str, keys: Collection[int]) -> dict[int, int]:
    if not keys or not any(whose):
        return {}
    used = CustomerUsage.objects.filter(**{f"{of}__in": keys}, customer_key__in=whose.keys, usage_count__gt=0)
    return dict(used.values(of).annotate(most=Max("usage_count")).order_by().values_list(of, "most"))


# --- Counting -------------------------------------------------------------------------------------


def count(of: str, key: int, whose: Person, difference: int, limit: int) -> bool:
    """Counts for each key of the customer; False where one of them has used it as often as `limit` says."""
    for customer_key in whose.keys:
        if difference < 0:
            counted = CustomerUsage.objects.filter(**{of: key}, customer_key=customer_key, usage_count__gt=0)
            counted.update(usage_count=F("usage_count") + difference)
        elif limit < 1 or not _counted_below(of, key, customer_key, limit):
            return False
    return True


def _counted_below(of: str, key: int, customer_key: str, limit: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTING[of], [key, customer_key, limit])
        return bool(cursor.rowcount)


_COUNTING = {
    of: f"INSERT INTO {CustomerUsage._meta.db_table} AS kept ({of}_id, customer_key, usage_count) VALUES (%s, %s, 1) "  # noqa: S608
    f"ON CONFLICT ({of}_id, customer_key) DO UPDATE SET usage_count = kept.usage_count + 1 WHERE kept.usage_count < %s"
    for of in ("coupon", "promotion")
}


def recount(of: str, keys: Sequence[int]) -> None:
    """Sets how often each customer used these coupons or promotions, whose locks are held, to what the uses tell."""
    changes.take_time()
    CustomerUsage.objects.filter(**{f"{of}__in": keys}).delete()
    chosen = f"limited.id IN ({', '.join(['%s'] * len(keys))})"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {CustomerUsage._meta.db_table} ({of}_id, customer_key, usage_count) "  # noqa: S608
            f"SELECT limited_id, customer_key, usage_count FROM ({told_by_uses(of, chosen)}) AS used",
            [*keys] * len(KEYS),
        )


LIMITED: dict[str, tuple[type[Owned], str]] = {
    "coupon": (Coupon, "limited.customer_single_use"),
    "promotion": (Promotion, "limited.customer_usage_limit IS NOT NULL"),
}
"""What has limits per customer, and which of it."""


def told_by_uses(of: str, chosen: str) -> str:
    """SQL of what customer usages count, `limited_id, customer_key, usage_count`: by every key of a customer.

    `chosen` is a condition on `limited`; its parameters are needed once for each of KEYS.
    """
    return " UNION ALL ".join(_used_by(of, *key, chosen) for key in KEYS.items())


def _used_by(of: str, column: str, prefix: str, chosen: str) -> str:
    model, is_limited = LIMITED[of]
    return (
        f"SELECT limited.id AS limited_id, '{prefix}:' || redemption.{column} AS customer_key, "  # noqa: S608
        f"count(*) AS usage_count FROM {model._meta.db_table} AS limited "
        f"JOIN {Use._meta.db_table} AS one ON one.{of}_id = limited.id AND one.is_counted "
        f"JOIN {Redemption._meta.db_table} AS redemption ON redemption.id = one.redemption_id "
        f"WHERE {is_limited} AND redemption.{column} IS NOT NULL AND {chosen} "
        f"GROUP BY limited.id, redemption.{column}"
    )
