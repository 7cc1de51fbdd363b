"""Staff at the admin in a real browser."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import Shop

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium"),
]

# Nothing but the server under test is spoken to.
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PASSWORD = "a long secret"


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(15_000)
        yield page
        browser.close()


def test_staff_make_a_promotion_and_its_codes_and_find_one(server: Shop, page: Page, tmp_path: Path) -> None:
    create_staff(server)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)

    log_in(page, server)
    page.get_by_role("link", name="Percentage discount promotions", exact=True).click()
    page.get_by_role("link", name="Add percentage discount promotion").click()
    create_promotion(page)
    add_coupon_rule(page)
    generate(page)
    told = page.locator(".messagelist .success")
    expect(told).to_contain_text("50 codes were generated as batch")
    expect(page.locator(".paginator")).to_contain_text("50 coupons")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download them as CSV").click()
    download.value.save_as(tmp_path / "codes.csv")
    codes = [row["code"] for row in csv.DictReader((tmp_path / "codes.csv").open())]
    assert len(codes) == 50
    assert all(code.startswith("SUN-") and len(code) == 12 for code in codes)

    find(page, codes[7])
    disable(page)

    assert problems == []


def create_staff(server: Shop) -> None:
    create = f"from django.contrib.auth.models import User; User.objects.create_superuser('ada', password='{PASSWORD}')"
    server.manage("shell", "--verbosity", "0", "-c", create)


def log_in(page: Page, server: Shop) -> None:
    page.goto(f"{server.url}/admin")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Administration")).to_be_visible()


def create_promotion(page: Page) -> None:
    """First without a percentage, to see the complaint."""
    expect(page.get_by_label("Organization").locator("option:checked")).to_have_text("acme")
    page.locator("#id_name").fill("Summer sale")
    page.locator("#id_starts_at_0").fill("2026-01-01")
    page.locator("#id_starts_at_1").fill("00:00:00")
    page.locator("#id_expires_at_0").fill("2099-01-01")
    page.locator("#id_expires_at_1").fill("00:00:00")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".field-percentage .errorlist")).to_have_text("This field is required.")
    page.get_by_label("Percentage").fill("15")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist .success")).to_contain_text("was added successfully")
    expect(page.locator(".field-status .readonly")).to_have_text("active")


def add_coupon_rule(page: Page) -> None:
    page.get_by_role("link", name="Add coupon codes rule").click()
    expect(page.locator(".select2-selection__rendered")).to_have_text("Summer sale")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("link", name="0 coupons")).to_be_visible()


def generate(page: Page) -> None:
    page.get_by_role("link", name="Generate codes").click()
    page.get_by_label("Count").fill("50")
    page.get_by_label("Prefix").fill("SUN-")
    page.get_by_label("Length").fill("2")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(".field-length .errorlist")).to_contain_text("is too short")
    page.get_by_label("Length").fill("8")
    page.get_by_label("Usage limit").fill("1")
    page.get_by_role("button", name="Generate").click()


def find(page: Page, code: str) -> None:
    """By its code in lower case, among all coupons, to its page and the history of its rule."""
    page.get_by_role("navigation", name="Breadcrumbs").get_by_role("link", name="Coupons").first.click()
    page.get_by_role("link", name="Coupons", exact=True).last.click()
    page.locator("#searchbar").fill(code.lower())
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("link", name=code, exact=True).click()
    expect(page.locator("#id_code")).to_have_value(code)
    expect(page.locator(".field-uses .readonly")).to_have_text("0 of 1")
    page.get_by_role("link", name="told by its rule").click()
    expect(page.locator("#change-history tbody tr").first).to_contain_text("coupons_count 0 → 50")
    expect(page.locator("#change-history tbody tr").first).to_contain_text("ada")


def disable(page: Page) -> None:
    page.get_by_role("link", name="Percentage discount promotions", exact=True).click()
    page.get_by_role("checkbox", name="Summer sale").check()
    page.get_by_label("Action:").select_option("Disable")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator(".messagelist .success")).to_have_text("1 disabled.")
    expect(page.locator("td.field-status")).to_have_text("disabled")
