"""The charts of the admin: how much was redeemed by day, and what each promotion took off."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from commerce import changes
from commerce.models import Organization
from coupons import charts, redeeming
from coupons.models import InvoiceDiscount, Redemption
from coupons.redeeming import Taken
from promotions.models import Promotion
from tests import factories
from tests.factories import NOW
from tests.staff import clerk, superuser

pytestmark = pytest.mark.django_db

PAGE = "/admin/coupons/redemption/charts/"
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def now(travel: Callable[[datetime], None]) -> None:
    """The clock stands at noon."""


def used(*promotions: Promotion, at: datetime = NOW, cents: int = -500, **values: Any) -> Redemption:
    """A redemption that counts, of so much by each promotion."""
    owned = {"organization": promotions[0].organization, "mode": promotions[0].mode}
    state = Redemption.State.RESERVED if values.get("reserved_until") else Redemption.State.COMMITTED
    redemption = Redemption(**{**owned, "state": state, "currency_code": "EUR", **values})
    taken = [Taken(promotion.pk, None, None, cents) for promotion in promotions]
    redeeming.redeem(redemption, taken, changes.By({"command": "tests"}, at))
    return redemption


def shown(owner: Organization, days: int = 30, staff: Client | None = None, **values: Any) -> Any:
    page = (staff or superuser()).get(PAGE, {"organization": owner.pk, "mode": "test", "days": days, **values})
    assert page.status_code == 200
    return page


def days_of(page: Any) -> dict[date, int]:
    return dict(page.context["days"])


# --- What is counted ------------------------------------------------------------------------------


def test_redemptions_are_counted_by_the_day_of_utc(acme: Organization) -> None:
    promotion = factories.percentage_promotion(acme)
    midnight = datetime.combine(TODAY, datetime.min.time(), NOW.tzinfo)
    for at in (NOW, midnight, midnight - timedelta(milliseconds=1), NOW - timedelta(days=29)):
        used(promotion, at=at)

    page = shown(acme)

    assert days_of(page) == {TODAY: 2, TODAY - timedelta(days=1): 1, TODAY - timedelta(days=29): 1}
    assert "4 redemptions in 30 days, by day" in page.content.decode()


@pytest.mark.parametrize(("days", "number"), [(30, 1), (90, 2), (365, 3)])
def test_a_period_ends_today_and_is_whole_days(acme: Organization, days: int, number: int) -> None:
    promotion = factories.percentage_promotion(acme)
    first = datetime.combine(TODAY, datetime.min.time(), NOW.tzinfo)
    for ago in (400, 365, 364, 89, 29):
        used(promotion, at=first - timedelta(days=ago))

    page = shown(acme, days)

    assert page.context["number"] == number
    assert TODAY - timedelta(days=days - 1) in days_of(page)


def test_what_was_given_back_or_is_over_does_not_count(acme: Organization) -> None:
    kept, returned = factories.percentage_promotion(acme), factories.percentage_promotion(acme)
    used(kept)
    redeeming.cancel(used(returned), factories.BY)
    used(returned, reserved_until=NOW)
    used(kept, reserved_until=NOW + timedelta(seconds=1))

    page = shown(acme)

    assert days_of(page) == {TODAY: 2}
    assert charts.by_promotion(charts.counted(kept.tenant, NOW - timedelta(days=1), NOW)) == {
        "EUR": [charts.Given(kept.pk, kept.name, 1000, 2)]
    }


def test_a_redemption_of_two_promotions_is_one(acme: Organization) -> None:
    used(factories.percentage_promotion(acme), factories.percentage_promotion(acme))

    assert days_of(shown(acme)) == {TODAY: 1}


def test_other_tenants_are_not_told_of(acme: Organization) -> None:
    used(factories.percentage_promotion(acme, name="Ours"))
    used(factories.percentage_promotion(acme, mode="live", name="Alive"))
    used(factories.percentage_promotion(factories.organization(), name="Theirs"))
    staff = superuser()

    page = shown(acme, staff=staff)
    told = page.content.decode()
    assert (page.context["number"], "Alive" in told, "Theirs" in told) == (1, False, False)
    live = shown(acme, staff=staff, mode="live")
    assert (live.context["number"], "Ours" in live.content.decode()) == (1, False)


def test_discounts_are_told_of_each_currency_the_largest_first(acme: Organization) -> None:
    small, large = (factories.percentage_promotion(acme, name=name) for name in ("Small <b>", "Large"))
    used(small, large, cents=-1000)
    used(large, cents=-3000)
    used(small, cents=-70, currency_code="JPY")

    page = shown(acme)

    (euro, euros), (yen, yens) = page.context["currencies"]
    assert [euro, yen] == ["EUR", "JPY"]
    assert [(one["amount"], one["percent"]) for one in euros] == [("€40,00", 100.0), ("€10,00", 25.0)]
    assert [(one["amount"], one["percent"]) for one in yens] == [("¥70", 100.0)]
    told = page.content.decode()
    assert f'<a href="/admin/promotions/promotion/{small.pk}/change/">Small &lt;b&gt;</a>' in told
    assert f'<a href="/admin/coupons/redemption/?promotions__id__exact={large.pk}">2</a>' in told


def test_twenty_promotions_of_a_currency_are_told(acme: Organization) -> None:
    for number in range(22):
        used(factories.percentage_promotion(acme, name=f"P{number}"), cents=-100 - number)

    ((_, told),) = shown(acme).context["currencies"]

    assert [one["amount"] for one in told] == [f"€1,{cents:02}" for cents in range(21, 1, -1)]


def test_promotions_that_took_nothing_off_have_no_bar(acme: Organization) -> None:
    used(factories.percentage_promotion(acme), cents=0)

    ((_, (only,)),) = shown(acme).context["currencies"]

    assert (only["amount"], only["percent"]) == ("€0,00", 0)


def test_as_many_queries_however_much_was_redeemed(acme: Organization) -> None:
    staff = superuser()
    taken = []
    for _ in range(2):
        for _ in range(4):
            used(factories.percentage_promotion(acme))
        shown(acme, staff=staff)
        with CaptureQueriesContext(connection) as captured:
            shown(acme, staff=staff)
        taken.append([query["sql"] for query in captured if "coupons_use" in query["sql"]])
        taken[-1].append(str(len(captured)))

    assert len(taken[0]) == 3  # two, and the number of all
    assert (len(taken[0]), taken[0][-1]) == (len(taken[1]), taken[1][-1])


# --- How it is drawn ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "step"),
    [(1, 1), (5, 1), (6, 2), (10, 2), (11, 5), (25, 5), (26, 10), (99, 20), (10**6, 200_000)],
)
def test_lines_are_drawn_at_round_numbers(most: int, step: int) -> None:
    assert charts.step_of(most) == step


def test_bars_are_as_high_as_their_numbers_and_days_without_any_have_none() -> None:
    days = {TODAY + timedelta(days=n): number for n, number in enumerate((2, 0, 4))}

    chart = charts.draw(days)

    first, last = chart.bars
    assert last.height == 2 * first.height == charts.HEIGHT - charts.BOTTOM - charts.TOP
    assert first.y + first.height == last.y + last.height == chart.bottom
    assert last.x + last.width <= charts.WIDTH
    assert [bar.told for bar in chart.bars] == ["2026-06-15: 2", "2026-06-17: 4"]
    assert [mark.told for mark in chart.heights] == ["0", "1", "2", "3", "4"]
    assert [mark.told for mark in chart.dates] == ["Jun 15", "Jun 16", "Jun 17"]


@pytest.mark.parametrize("days", [30, 90, 365])
def test_few_dates_are_written_below(days: int) -> None:
    chart = charts.draw({TODAY - timedelta(days=ago): 1 for ago in reversed(range(days))})

    assert 5 <= len(chart.dates) <= charts.MOST_DATES
    assert len(chart.bars) == days


def test_the_drawing_is_told_to_those_who_do_not_see_it(acme: Organization) -> None:
    used(factories.percentage_promotion(acme))

    page = shown(acme).content.decode()

    assert '<svg class="chart" viewBox="0 0 960 260" role="img" aria-labelledby="by-day-title">' in page
    assert "<title>2026-06-15: 1</title>" in page
    assert re.search(r'<td>2026-06-15</td><td class="amount">1</td>', page)


# --- The page -------------------------------------------------------------------------------------


def test_where_nothing_was_redeemed_the_page_says_so(acme: Organization) -> None:
    page = shown(acme, 90).content.decode()

    assert "Nothing was redeemed in the last 90 days." in page
    assert "<svg class=" not in page


def test_the_page_opens_on_the_first_organization_in_test_mode(acme: Organization) -> None:
    used(factories.percentage_promotion(acme))

    page = superuser().get(PAGE)

    assert (page.context["number"], page.context["period"]) == (1, "30 days")


def test_without_organizations_there_is_nothing_to_show() -> None:
    assert "There is no organization yet." in superuser().get(PAGE).content.decode()


@pytest.mark.parametrize("asked", [{"organization": "0"}, {"mode": "x"}, {"days": "31"}, {"days": "x"}])
def test_what_cannot_be_chosen_is_said(acme: Organization, asked: dict[str, str]) -> None:
    page = shown(acme, **asked)  # type: ignore[arg-type]

    assert "Select a valid choice." in page.content.decode()
    assert "number" not in page.context


def test_the_page_is_for_those_who_may_see_redemptions(acme: Organization) -> None:
    staff = clerk("view_redemption")
    assert PAGE in staff.get("/admin/").content.decode()
    assert PAGE in staff.get("/admin/coupons/redemption/").content.decode()
    assert staff.get(PAGE).status_code == 200


def test_others_are_refused(acme: Organization) -> None:
    staff = clerk("view_coupon")
    assert PAGE not in staff.get("/admin/").content.decode()
    assert staff.get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302


def test_what_was_redeemed_ahead_of_invoices_is_told_in_their_currencies(acme: Organization) -> None:
    made = factories.percentage_promotion(acme)
    ahead = used(made, cents=0, currency_code=None)
    used(made, cents=-500)
    used(made, cents=0, currency_code=None)  # of no invoice yet
    for name, currency, cents in (("in-1", "EUR", -30), ("in-2", "EUR", -50), ("in-3", "USD", -70)):
        discount = {"invoice": name, "currency_code": currency, "discount_cents": cents, "applied_at": NOW}
        InvoiceDiscount.objects.create(redemption=ahead, **discount)

    found = charts.by_promotion(charts.counted(made.tenant, NOW - timedelta(days=1), NOW))

    assert found == {
        "EUR": [charts.Given(made.pk, made.name, 580, 2)],
        "USD": [charts.Given(made.pk, made.name, 70, 1)],
    }
    assert shown(acme).status_code == 200
