"""Customers, addresses, shipping and payment methods in the admin."""

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from commerce.models import (
    Address,
    Customer,
    CustomerAddress,
    Event,
    Organization,
    PaymentMethod,
    ShippingMethod,
    Version,
)
from tests import factories
from tests.staff import act, errors, last_version, submit, superuser

pytestmark = pytest.mark.django_db

CUSTOMERS = "/admin/commerce/customer/"
PASSWORD = "correct horse"


def names() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("name", flat=True))


def found(staff: Any, url: str, **query: str) -> list[str]:
    return [str(row) for row in staff.get(url, query).context["cl"].result_list]


# --- Passwords ------------------------------------------------------------------------------------


def test_staff_give_a_customer_a_password_which_no_page_and_no_version_tells(acme: Organization) -> None:
    staff = superuser()
    submit(staff, f"{CUSTOMERS}add/", email="ada@example.com", password=PASSWORD)
    ada = Customer.objects.get()
    assert ada.has_password(PASSWORD)
    assert names() == ["customers.create", "customers.create_password"]

    page = staff.get(f"{CUSTOMERS}{ada.pk}/change/").content.decode()
    pages = [page, staff.get(f"{CUSTOMERS}{ada.pk}/history/").content.decode(), staff.get(CUSTOMERS).content.decode()]
    told = [*pages, *(str(version.changes) for version in Version.objects.all())]
    assert [text for text in told if PASSWORD in text or str(ada.password_hash) in text] == []

    submit(staff, f"{CUSTOMERS}{ada.pk}/change/", password=f"{PASSWORD}!")
    ada.refresh_from_db()
    assert ada.has_password(f"{PASSWORD}!")
    assert names()[2:] == ["customers.update", "customers.create_password"]


def test_a_password_left_empty_stays_as_it_is(acme: Organization) -> None:
    ada = factories.customer(acme, password_hash=make_password(PASSWORD))
    submit(superuser(), f"{CUSTOMERS}{ada.pk}/change/", tax_exemption_code="T1")
    ada.refresh_from_db()
    assert (ada.has_password(PASSWORD), ada.tax_exemption_code) == (True, "T1")
    assert last_version()[3] == {"tax_exemption_code": [None, "T1"]}
    submit(superuser("bob"), f"{CUSTOMERS}{ada.pk}/change/")
    assert Version.objects.count() == 2


def test_a_password_that_is_too_short_is_refused_and_not_shown_again(acme: Organization) -> None:
    page = submit(superuser(), f"{CUSTOMERS}add/", email="ada@example.com", password="12#45")
    assert list(errors(page)) == ["password"]
    assert "12#45" not in page.content.decode()
    assert not Customer.objects.exists()


# --- Customers ------------------------------------------------------------------------------------


def test_a_taken_email_is_said_on_the_form(acme: Organization) -> None:
    factories.customer(acme, email="ADA@example.com")
    page = submit(superuser(), f"{CUSTOMERS}add/", email="ada@example.com")
    assert errors(page) == {"email": ["has already been taken"]}


@pytest.mark.parametrize("typed", ["Ada@", "ada@example.com", " ADA"])
def test_customers_are_found_by_how_their_email_begins(acme: Organization, typed: str) -> None:
    factories.customer(acme, email="ada@example.com")
    factories.customer(acme, email="bob@ada.example")
    assert found(superuser(), CUSTOMERS, q=typed) == ["ada@example.com"]


def test_customers_are_filtered_by_tenant_and_status(acme: Organization) -> None:
    staff = superuser()
    for mode in ("test", "live"):
        factories.customer(acme, mode=mode, email=f"{mode}@example.com")
    factories.customer(factories.organization(), email="stranger@example.com")
    Customer.objects.filter(email="live@example.com").update(status="repeat")
    assert found(staff, CUSTOMERS, tenant=f"{acme.pk}-test") == ["test@example.com"]
    assert found(staff, CUSTOMERS, status__exact="repeat") == ["live@example.com"]


def test_a_customer_is_deleted_with_its_address_book(acme: Organization) -> None:
    ada = factories.customer(acme, email="ada@example.com")
    factories.customer_address(ada)
    page = superuser().get(f"{CUSTOMERS}{ada.pk}/delete/")
    assert "ada@example.com with its address book of 1" in page.content.decode()
    submit(superuser("bob"), f"{CUSTOMERS}{ada.pk}/delete/", post="yes")
    assert (Customer.objects.count(), CustomerAddress.objects.count(), Address.objects.count()) == (0, 0, 1)
    assert names()[-2:] == ["customer_addresses.destroy", "customers.destroy"]


# --- Addresses ------------------------------------------------------------------------------------


def test_an_address_says_what_it_lacks(acme: Organization) -> None:
    url = "/admin/commerce/address/add/"
    page = submit(superuser(), url, line_1="Piazza Grande 1", city="Modena", country_code="IT", lat="91")
    assert sorted(errors(page)) == ["first_name", "last_name", "lat", "phone", "zip_code"]


def test_an_address_book_is_of_one_tenant(acme: Organization) -> None:
    ada, address = factories.customer(acme), factories.address(acme, mode="live")
    url = "/admin/commerce/customeraddress/add/"
    page = submit(superuser(), url, customer=ada.pk, address=address.pk)
    assert errors(page) == {"address": ["belongs to another organization or mode."]}
    submit(superuser("bob"), url, customer=ada.pk, address=factories.address(acme).pk)
    assert CustomerAddress.objects.get().tenant == ada.tenant


# --- Shipping and payment -------------------------------------------------------------------------


def test_a_shipping_method_is_created_changed_and_disabled(acme: Organization) -> None:
    staff, url = superuser(), "/admin/commerce/shippingmethod/"
    submit(staff, f"{url}add/", name="Standard", price_amount_cents="700", currency_code="EUR")
    method = ShippingMethod.objects.get()
    assert (method.name, method.price_amount_cents, method.organization, method.mode) == ("Standard", 700, acme, "test")
    page = submit(staff, f"{url}{method.pk}/change/", min_weight="2", max_weight="1")
    assert sorted(errors(page)) == ["max_weight", "unit_of_weight"]
    act(staff, url, "disable", method)
    method.refresh_from_db()
    assert method.disabled_at is not None
    act(staff, url, "enable", method)
    method.refresh_from_db()
    assert method.disabled_at is None
    assert "€7,00" in staff.get(url).content.decode()


def test_a_payment_method_belongs_to_the_tenant_of_its_gateway(acme: Organization) -> None:
    gateway = factories.manual_gateway(acme, mode="live")
    url = "/admin/commerce/paymentmethod/add/"
    values = {"payment_source_type": "wire_transfers", "price_amount_cents": "0", "currency_code": "EUR"}
    submit(superuser(), url, payment_gateway=gateway.pk, **values)
    method = PaymentMethod.objects.get()
    assert (method.name, method.tenant) == ("Wire Transfer", gateway.tenant)


def test_a_zone_says_which_pattern_cannot_be_used(acme: Organization) -> None:
    page = submit(superuser(), "/admin/commerce/shippingzone/add/", name="Zone", zip_code_regex="(")
    assert errors(page) == {"zip_code_regex": ["is not a regular expression that can be used"]}


# --- Tags -----------------------------------------------------------------------------------------


def test_customers_addresses_and_shipping_methods_are_tagged_on_their_pages(acme: Organization) -> None:
    staff = superuser()
    factories.tag(acme, name="vip")
    for row in (factories.customer(acme), factories.address(acme), factories.shipping_method(acme)):
        page = f"/admin/commerce/{row._meta.model_name}/{row.pk}/change/"
        assert f"/admin/tags/tag/of/{row.wire_type}/{row.pk}/" in staff.get(page).content.decode()
        submit(staff, f"/admin/tags/tag/of/{row.wire_type}/{row.pk}/", names="vip")
        assert [tag.name for tag in row.tags.all()] == ["vip"]


def test_what_carries_no_tags_has_no_page_for_them(acme: Organization) -> None:
    group = factories.customer_group(acme)
    assert superuser().get(f"/admin/tags/tag/of/customer_groups/{group.pk}/").status_code == 404
