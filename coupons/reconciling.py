"""Counters, balances and sums against the rows that they follow from, which are the truth.

Each kind is compared by one statement, which sees rows and counters of the same instant: a shop at work shows no
difference that is not there. Mending locks what it mends and compares anew, so the shop may be at work then too.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from commerce import changes, customers, ids
from commerce.changes import By
from commerce.models import Customer, GiftCard, LedgerEntry, LineItem, Order, Organization, Owned
from coupons import customer_usages, idempotency, redeeming
from coupons.models import Coupon, CustomerUsage, InvoiceDiscount, Redemption, Use
from promotions.models import Promotion

CHUNK = 500


class Difference(NamedTuple):
    """A number that a row tells, and what it should be by the rows it follows from."""

    what: str
    whose: str
    told: int
    counted: int


class Upkeep(NamedTuple):
    """What was done besides: reservations given back that were over, and answers forgotten."""

    released: int
    forgotten: int


def differences(organization: Organization | None) -> Iterator[Difference]:
    """Whatever differs, of one organization in both its modes or of all; one statement a kind."""
    for check in CHECKS:
        for key, told, counted in check.differing(organization).iterator(CHUNK):
            yield Difference(check.what, ids.encode(key), told, counted)
    for of in customer_usages.LIMITED:
        for key, customer_key, told, counted in _customer_usages(of, organization):
            yield Difference(f"customer_usages of {of}s", f"{ids.encode(key)} {customer_key}", told, counted)


def mend(organization: Organization | None, by: By) -> None:
    """Sets every counter and balance to what the rows make, a few at a time, under their locks."""
    for check in CHECKS:
        keys = check.differing(organization).filter(check.mendable).values_list("pk", flat=True)
        for chunk in _chunks(keys):
            check.mend(chunk, by)
    for of, (model, _) in customer_usages.LIMITED.items():
        usages = sorted({key for key, *_ in _customer_usages(of, organization)})
        for start in range(0, len(usages), CHUNK):
            with changes.atomic():
                customer_usages.recount(of, _locked(model, usages[start : start + CHUNK]))


def tidy(organization: Organization | None, by: By) -> Upkeep:
    """Gives back reservations that are over, and forgets answers to keys that mean nothing any more."""
    overdue = _of(Redemption.objects.overdue(by.now), organization)
    released = 0
    for chunk in _chunks(overdue.values_list("pk", flat=True)):
        redeeming.release_if_overdue(chunk, by)
        released += len(chunk)
    return Upkeep(released, idempotency.forget(organization, by.now))


# --- Numbers of a row -----------------------------------------------------------------------------


class Check(NamedTuple):
    """`name` of `model` must be what `counted` finds; `mendable` are those of the rows that can simply be set."""

    what: str
    model: type[Owned]
    name: str
    counted: Any
    mendable: Q = Q()
    only: Q = Q()
    """The rows that it holds for."""

    def differing(self, organization: Organization | None) -> QuerySet:
        """Rows of key, what is told and what is counted."""
        rows = self.model._base_manager.filter(self.only).annotate(counted=self.counted)
        differing = _of(rows.exclude((self.name, F("counted"))), organization)
        return differing.order_by("pk").values_list("pk", self.name, "counted")

    def mend(self, keys: Sequence[int], by: By) -> None:
        with changes.atomic():
            _locked(self.model, keys)
            for key, told, counted in self.differing(None).filter(self.mendable, pk__in=keys):
                self._add(key, counted - told, by)

    def _add(self, key: int, difference: int, by: By) -> None:
        if self.model is Customer:
            customers.count_order(Customer.objects.get(pk=key), difference, by)
        else:
            changes.count(self.model, key, **{self.name: difference})


def _sum(rows: QuerySet, whose: str, of: Any = None) -> Any:
    """What the rows that refer to one by `whose` come to, or how many they are."""
    those = rows.filter((whose, OuterRef("pk"))).order_by().values(whose)
    return Coalesce(Subquery(those.annotate(found=of or Count("pk")).values("found")), 0)


def _entries(model: type[Owned]) -> QuerySet:
    """What changed their balances."""
    return LedgerEntry.objects.filter(resource_type=model.wire_type)


_COUNTED = Use.objects.filter(is_counted=True)
_PLACED = Order.objects.filter(placed_at__isnull=False).exclude(status=Order.Status.CANCELLED)
_PROMOTION_LINES = LineItem.objects.filter(item_type__in=[each for each in LineItem.ItemType if "promotion" in each])
_REDEMPTIONS = Redemption.objects.filter(order=OuterRef("pk"))
_LIVE = _REDEMPTIONS.filter(state__in=[Redemption.State.RESERVED, Redemption.State.COMMITTED])
_NO_REDEMPTION = Case(When(Exists(_REDEMPTIONS), then=F("discount_amount_cents")), default=Value(0))
"""An order whose redemption was cancelled by hand stays discounted."""
_NOTHING = Q(pk__in=())

CHECKS = (
    Check("coupons.usage_count", Coupon, "usage_count", _sum(_COUNTED, "coupon")),
    Check(
        "coupons.used_amount_cents",
        Coupon,
        "used_amount_cents",
        _sum(_COUNTED, "coupon", -Sum("discount_cents")),
    ),
    Check("promotions.total_usage_count", Promotion, "total_usage_count", _sum(_COUNTED, "promotion")),
    Check(
        "promotions.coupons_count", Promotion, "coupons_count", _sum(Coupon.objects.all(), "promotion_rule__promotion")
    ),
    Check("customers.total_orders_count", Customer, "total_orders_count", _sum(_PLACED, "customer")),
    Check(
        "gift_cards.balance_cents",
        GiftCard,
        "balance_cents",
        _sum(_entries(GiftCard), "resource_id", Sum("amount_cents")),
        mendable=Q(counted__gte=0),
    ),
    Check(
        "redemptions.discount_cents",
        Redemption,
        "discount_cents",
        _sum(Use.objects.all(), "redemption", Sum("discount_cents")),
    ),
    Check(
        "redemptions.discounts_count",
        Redemption,
        "discounts_count",
        _sum(InvoiceDiscount.objects.all(), "redemption"),
    ),
    Check(
        "redemptions.discount_cents by invoices",
        Redemption,
        "discount_cents",
        _sum(InvoiceDiscount.objects.all(), "redemption", Sum("discount_cents")),
        mendable=_NOTHING,
        only=Q(order=None, currency_code=None),
    ),
    Check(
        "coupons.used_amount_cents by ledger_entries",
        Coupon,
        "used_amount_cents",
        _sum(_entries(Coupon), "resource_id", -Sum("amount_cents")),
        mendable=_NOTHING,
        only=Q(promotion_rule__promotion__declining_balance=True),
    ),
    # What an order comes to was told to whoever placed it: no number of it is set to another.
    Check(
        "orders.discount_amount_cents by line_items",
        Order,
        "discount_amount_cents",
        _sum(_PROMOTION_LINES, "order", Sum("total_amount_cents")),
        mendable=_NOTHING,
    ),
    Check(
        "orders.discount_amount_cents by redemptions",
        Order,
        "discount_amount_cents",
        Coalesce(Subquery(_LIVE.values("discount_cents")[:1]), _NO_REDEMPTION),
        mendable=_NOTHING,
        only=Q(status__in=[Order.Status.PLACED, Order.Status.APPROVED]),
    ),
)


# --- Customer usages ------------------------------------------------------------------------------


def _customer_usages(of: str, organization: Organization | None) -> Iterator[tuple[int, str, int, int]]:
    """Coupon or promotion, customer key, what is told and what is counted, where that differs or a row is missing."""
    model, is_limited = customer_usages.LIMITED[of]
    chosen, values = ("limited.organization_id = %s", [organization.pk]) if organization else ("1 = 1", [])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT limited_id, customer_key, sum(told), sum(counted) FROM ("  # noqa: S608
            f"SELECT kept.{of}_id AS limited_id, kept.customer_key, kept.usage_count AS told, 0 AS counted "
            f"FROM {CustomerUsage._meta.db_table} AS kept "
            f"JOIN {model._meta.db_table} AS limited ON limited.id = kept.{of}_id "
            f"WHERE {is_limited} AND {chosen} UNION ALL "
            "SELECT limited_id, customer_key, 0, usage_count "
            f"FROM ({customer_usages.told_by_uses(of, chosen)}) AS used"
            ") AS compared GROUP BY limited_id, customer_key HAVING sum(told) <> sum(counted) ORDER BY 1, 2",
            values * (1 + len(customer_usages.KEYS)),
        )
        for key, customer_key, told, counted in cursor.fetchall():
            yield key, customer_key, int(told), int(counted)


# --- Rows -----------------------------------------------------------------------------------------


def _of(rows: QuerySet, organization: Organization | None) -> QuerySet:
    return rows.filter(organization=organization) if organization else rows


def _locked(model: type[Owned], keys: Sequence[int]) -> list[int]:
    rows = model._base_manager.filter(pk__in=keys).order_by("pk").select_for_update(no_key=True)
    return list(rows.values_list("pk", flat=True))


def _chunks(keys: QuerySet) -> Iterator[list[int]]:
    """All of them are known before the first is changed."""
    found = iter(list(keys))
    while chunk := list(islice(found, CHUNK)):
        yield chunk
