"""The admin's charts: redemptions by day, and what each promotion took off.

What counts is what is used up: uses that were not given back, of reservations that are not over. Days are UTC's.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from commerce import clock
from commerce.admin import link, list_of, page_of
from commerce.models import Mode, Organization, Tenant
from commerce.money import formatted
from coupons.models import Redemption, Use
from promotions.models import Promotion

PERIODS = {30: "30 days", 90: "90 days", 365: "365 days"}
MOST_PROMOTIONS = 20
"""Promotions told of each currency, those that took off the most."""
SLACK = timedelta(hours=1)
"""By how much a key may be out of the order of time: how long a request can last."""


class ChartsForm(forms.Form):
    organization = forms.ModelChoiceField(Organization.objects.order_by("slug"), empty_label=None)
    mode = forms.ChoiceField(choices=Mode.choices)
    days = forms.TypedChoiceField(choices=list(PERIODS.items()), coerce=int, label="Period")


# --- What is counted ------------------------------------------------------------------------------


def counted(tenant: Tenant, since: datetime, now: datetime) -> QuerySet[Use]:
    """Uses since then. The index by tenant is read from the newest back to there, however much there was before."""
    redemptions = Redemption.objects.owned_by(tenant)
    before = redemptions.filter(created_at__lt=since - SLACK).order_by("-pk").values_list("pk", flat=True).first()
    return Use.objects.filter(
        Q(redemption__reserved_until__isnull=True) | Q(redemption__reserved_until__gt=now),
        is_counted=True,
        redemption__in=redemptions.filter(pk__gt=before or 0, created_at__gte=since),
    )


def by_day(uses: QuerySet[Use], days: list[date]) -> dict[date, int]:
    """Day -> redemptions, 0 for those without any."""
    day = TruncDate("redemption__created_at", tzinfo=UTC)
    found = uses.values(day=day).annotate(number=Count("redemption", distinct=True)).order_by()
    return dict.fromkeys(days, 0) | dict(found.values_list("day", "number"))


class Given(NamedTuple):
    """What a promotion took off orders and invoices of one currency, in cents, by how many redemptions."""

    promotion_id: int
    name: str
    cents: int
    redemptions: int


def by_promotion(uses: QuerySet[Use]) -> dict[str, list[Given]]:
    """Currency -> the promotions that took off the most."""
    invoices = "redemption__invoice_discounts"  # of those made ahead of them, each in a currency of its own
    rows = (
        uses.values("promotion_id", "promotion__name")
        .annotate(
            currency=Coalesce("redemption__currency_code", f"{invoices}__currency_code"),
            cents=-Sum(Coalesce(f"{invoices}__discount_cents", "discount_cents")),
            number=Count("pk", distinct=True),
        )
        .exclude(currency=None)
        .order_by("currency", "-cents", "promotion_id")
        .values_list("currency", "promotion_id", "promotion__name", "cents", "number")
    )
    return {
        currency: [Given(*row[1:]) for row in found][:MOST_PROMOTIONS]
        for currency, found in groupby(rows, key=lambda row: row[0])
    }


# --- How it is drawn ------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 260, 48, 24, 12
"""Of the drawing and of its margins."""
GAP = 0.2
"""The part of a day's width that is left free."""
MOST_DATES = 7
"""Dates written under the bars."""


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    told: str


class Mark(NamedTuple):
    """A number at its height, or a date at its place."""

    at: float
    told: str


class Chart(NamedTuple):
    bars: list[Bar]
    heights: list[Mark]
    dates: list[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = HEIGHT - BOTTOM


def draw(numbers: Mapping[date, int]) -> Chart:
    step = step_of(max(numbers.values()))
    top = step * -(-max(numbers.values()) // step)
    slot, scale = (WIDTH - LEFT) / len(numbers), (HEIGHT - BOTTOM - TOP) / top
    base = HEIGHT - BOTTOM
    every = -(-len(numbers) // MOST_DATES)
    bars = [
        Bar(
            x=round(LEFT + slot * (place + GAP / 2), 2),
            y=round(base - number * scale, 2),
            width=round(slot * (1 - GAP), 2),
            height=round(number * scale, 2),
            told=f"{day}: {number:,}",
        )
        for place, (day, number) in enumerate(numbers.items())
        if number
    ]
    heights = [Mark(round(base - number * scale, 2), f"{number:,}") for number in range(0, top + 1, step)]
    dates = [
        Mark(round(LEFT + slot * (place + 0.5), 2), f"{day:%b} {day.day}")
        for place, day in enumerate(numbers)
        if place % every == every // 2
    ]
    return Chart(bars, heights, dates)


def step_of(most: int) -> int:
    """The distance of the lines of a chart up to `most`: 1, 2 or 5 times a power of ten, for at most five of them."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * 5 >= most:
                return factor * power
        power *= 10


def shares(found: list[Given], currency_code: str) -> Iterator[dict[str, Any]]:
    """Rows of the table of one currency, each with the length of its bar in percent."""
    most = max(one.cents for one in found)
    for one in found:
        yield {
            "promotion": link(page_of(Promotion(pk=one.promotion_id)), one.name),
            "amount": formatted(one.cents, currency_code),
            "percent": round(100 * max(one.cents, 0) / most, 1) if most > 0 else 0,
            "redemptions": link(list_of(Redemption, promotions__id__exact=one.promotion_id), f"{one.redemptions:,}"),
        }


# --- The page -------------------------------------------------------------------------------------


def redemption_charts(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("coupons.view_redemption"):  # type: ignore[union-attr]
        raise PermissionDenied
    usual: dict[str, Any] = {
        "organization": Organization.objects.order_by("slug").first(),
        "mode": Mode.TEST,
        "days": 30,
    }
    asked = request.GET if "organization" in request.GET else None
    form = ChartsForm(asked, initial=usual)
    chosen = form.cleaned_data if form.is_valid() else {} if asked else usual
    context = {**admin.site.each_context(request), "title": "Redemptions over time", "form": form}
    if chosen.get("organization"):
        context |= _told(Tenant(chosen["organization"].pk, chosen["mode"]), chosen["days"])
    return TemplateResponse(request, "admin/redemption_charts.html", context)


def _told(tenant: Tenant, length: int) -> dict[str, Any]:
    now = clock.now()
    days = [now.date() - timedelta(days=ago) for ago in reversed(range(length))]
    uses = counted(tenant, datetime.combine(days[0], datetime.min.time(), UTC), now)
    numbers = by_day(uses, days)
    if not any(numbers.values()):
        return {"period": PERIODS[length], "number": 0}
    return {
        "period": PERIODS[length],
        "number": sum(numbers.values()),
        "chart": draw(numbers),
        "days": [(day, number) for day, number in reversed(numbers.items()) if number],
        "currencies": [(code, list(shares(found, code))) for code, found in by_promotion(uses).items()],
    }
