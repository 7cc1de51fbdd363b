import re
from io import StringIO

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.management import call_command

from commerce import ids
from commerce.models import ApiKey, Application, Event, Mode, Organization, Tenant, Version
from coupons.dialects.ticketing import guids
from promotions.models import CouponCodesPromotionRule, Promotion

pytestmark = pytest.mark.django_db


def seed(*arguments: str) -> str:
    told = StringIO()
    call_command("seed_demo", *arguments, stdout=told)
    return told.getvalue()


def test_it_makes_what_a_newcomer_needs() -> None:
    told = seed("--port", "9000")

    acme = Organization.objects.get()
    tenant = Tenant(acme.pk, Mode.TEST)
    rule = CouponCodesPromotionRule.objects.owned_by(tenant).get()
    promotion = rule.promotion
    assert acme.slug == "acme"
    kinds = Application.objects.owned_by(tenant).values_list("kind", flat=True)
    assert sorted(kinds) == ["integration", "sales_channel"]
    assert (promotion.kind, promotion.percentage, rule.promotion_id) == ("percentage_discount", 10, promotion.pk)
    assert "curl -i http://127.0.0.1:9000/api/coupons" in told
    assert f'"id": "{ids.encode(rule.pk)}"' in told
    assert "curl -s http://127.0.0.1:9000/api/evaluations" in told


def test_it_tells_of_the_dialects_where_they_are_served(settings: LazySettings) -> None:
    settings.REBILLY_MOUNT, settings.TICKETING_MOUNT = "/", "/tickets"
    told = seed()

    company = guids.encode("company", Organization.objects.get().pk)
    assert "curl -i http://127.0.0.1:8000/organizations/acme/coupons" in told
    assert "curl -s http://127.0.0.1:8000/tickets/coupon " in told
    assert f"-H 'Company: {company}'" in told
    assert not ApiKey.objects.exists()


def test_it_tells_nothing_of_a_dialect_that_is_off(settings: LazySettings) -> None:
    settings.REBILLY_MOUNT = settings.TICKETING_MOUNT = ""
    told = seed()

    assert "REB-APIKEY" not in told
    assert "Company:" not in told


def test_its_staff_user_can_log_in_with_the_password_it_prints() -> None:
    told = seed()

    password = re.search(r"Its password, shown only this once: (\S+)", told).group(1)
    staff = User.objects.get()
    assert (staff.username, staff.is_staff, staff.is_superuser) == ("admin", True, True)
    assert len(password) == 16
    assert staff.check_password(password)


def test_run_again_it_changes_nothing_and_prints_no_password() -> None:
    first = seed()
    tables = (Organization, Application, Promotion, CouponCodesPromotionRule, User, Version, Event)
    before = [list(table.objects.order_by("pk").values()) for table in tables]

    second = seed()

    assert [list(table.objects.order_by("pk").values()) for table in tables] == before
    assert second == re.sub(r"Its password.*\n", "", first)


def test_it_leaves_the_staff_of_a_database_alone() -> None:
    User.objects.create_superuser("root", password="theirs")

    told = seed()

    assert User.objects.get().username == "root"
    assert "/admin/ for root." in told
    assert "password, shown" not in told


def test_its_writes_are_told_in_versions() -> None:
    seed()

    who = Version.objects.values_list("resource_type", "event", "who")
    assert sorted(who, key=str) == [
        ("addresses", "create", {"command": "seed_demo"}),
        ("applications", "create", {"command": "create_application"}),
        ("applications", "create", {"command": "create_application"}),
        ("coupon_codes_promotion_rules", "create", {"command": "seed_demo"}),
        ("coupons", "create", {"command": "seed_demo"}),
        ("free_shipping_promotions", "create", {"command": "seed_demo"}),
        ("markets", "create", {"command": "seed_demo"}),
        ("merchants", "create", {"command": "seed_demo"}),
        ("order_amount_promotion_rules", "create", {"command": "seed_demo"}),
        ("percentage_discount_promotions", "create", {"command": "seed_demo"}),
        ("price_lists", "create", {"command": "seed_demo"}),
        ("prices", "create", {"command": "seed_demo"}),
        ("shipping_categories", "create", {"command": "seed_demo"}),
        ("skus", "create", {"command": "seed_demo"}),
    ]
