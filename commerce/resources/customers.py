from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db.models import Case, Value, When
from django.db.models import CharField as TextColumn
from rest_framework.fields import CharField, EmailField

from commerce import auth, changes, customers
from commerce.api import Resource, registry
from commerce.jsonapi.attribute_filters import NormalisedFilter
from commerce.jsonapi.resource import Derived, Rel, Trigger
from commerce.models import Address, Customer, CustomerAddress, CustomerGroup, normalise_email
from commerce.resources.activity import EVENT_STORES, EVENTS, VERSIONS

# --- Addresses ------------------------------------------------------------------------------------

_PERSON = ("business", "first_name", "last_name", "company")
_PLACE = ("line_1", "line_2", "city", "zip_code", "state_code", "country_code", "phone")


def full_name(business: bool, first_name: str | None, last_name: str | None, company: str | None) -> str:
    return (company or "") if business else " ".join(filter(None, (first_name, last_name)))


def full_address(
    line_1: str,
    line_2: str | None,
    city: str,
    zip_code: str | None,
    state_code: str | None,
    country_code: str,
    phone: str | None,
) -> str:
    """`Piazza Grande 1, 41121 Modena MO (IT) +39 059 1234`"""
    street = " ".join(filter(None, (line_1, line_2)))
    place = " ".join(filter(None, (zip_code, city, state_code, f"({country_code})", phone)))
    return f"{street}, {place}"


def whole_name(*values: Any) -> str:
    person, place = values[: len(_PERSON)], values[len(_PERSON) :]
    return f"{full_name(*person)}, {full_address(*place)}"


def is_localized(lat: float | None, lng: float | None) -> bool:
    return lat is not None and lng is not None


@registry.register
class Addresses(Resource):
    type = "addresses"
    model = Address
    ordering = ("created_at", "pk")
    attributes = (
        *_PERSON,
        "full_name",
        *_PLACE,
        "full_address",
        "name",
        "email",
        "notes",
        "lat",
        "lng",
        "is_localized",
        "is_geocoded",
        "provider_name",
        "map_url",
        "static_map_url",
        "billing_info",
    )
    read_only = ("is_geocoded", "provider_name", "map_url", "static_map_url")
    columns = {
        "full_name": Derived(full_name, *_PERSON),
        "full_address": Derived(full_address, *_PLACE),
        "name": Derived(whole_name, *_PERSON, *_PLACE),
        "is_localized": Derived(is_localized, "lat", "lng"),
    }
    filterable = (*_PERSON, *_PLACE, "email", "notes", "lat", "lng", "billing_info")
    sortable = ("city", "state_code", "country_code")
    relationships = (EVENTS, VERSIONS, EVENT_STORES)
    absent_one = ("geocoder",)


# --- Customers ------------------------------------------------------------------------------------


@registry.register
class CustomerGroups(Resource):
    type = "customer_groups"
    model = CustomerGroup
    attributes = ("name", "code")
    filterable = sortable = ("name", "code")
    relationships = (
        Rel("customers", filterable=False),
        Rel("markets", filterable=False),
        VERSIONS,
        EVENT_STORES,
    )
    absent_many = ("attachments",)


class PasswordField(CharField):
    """Hashed as soon as it is read: that takes as long as it should, and no transaction waits for it."""

    def run_validation(self, data: Any = None) -> str:
        return make_password(super().run_validation(data))


SHORTEST_PASSWORD, LONGEST_PASSWORD = 6, 128
PASSWORD = PasswordField(
    min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD, required=False, write_only=True, trim_whitespace=False
)


def set_password_hash(customer: Customer, password_hash: str, by: changes.By) -> None:
    customer.password_hash = password_hash


def has_password(password_hash: str | None) -> bool:
    return password_hash is not None


def request_anonymization(customer: Customer, value: Any, by: changes.By) -> None:
    customer.request_anonymization(by.now)


def cancel_anonymization(customer: Customer, value: Any, by: changes.By) -> None:
    customer.cancel_anonymization()


def anonymization_info(requested_at: datetime | None) -> dict[str, str] | None:
    """`{"status": "requested", "requested_at": "2026-03-15 11:39:21 UTC"}`; versions tell who requested it."""
    if requested_at is None:
        return None
    return {"status": "requested", "requested_at": f"{requested_at:%Y-%m-%d %H:%M:%S} UTC"}


@registry.register
class Customers(Resource):
    type = "customers"
    model = Customer
    attributes = (
        "email",
        "status",
        "has_password",
        "total_orders_count",
        "shopper_reference",
        "profile_id",
        "tax_exemption_code",
        "anonymization_info",
        "anonymization_status",
    )
    read_only = ("status", "total_orders_count")
    columns = {
        "has_password": Derived(has_password, "password_hash"),
        "anonymization_info": Derived(anonymization_info, "anonymization_requested_at"),
    }
    annotations = {
        "anonymization_status": Case(
            When(anonymization_requested_at__isnull=False, then=Value("requested")), output_field=TextColumn(null=True)
        )
    }
    filterable = sortable = ("email", "status", "total_orders_count", "anonymization_status")
    filters = {"email": NormalisedFilter("email_norm", normalise_email)}
    setters = {"password": set_password_hash}
    serializer_fields = {"password": PASSWORD}
    triggers = {
        "_request_anonymization": Trigger(request_anonymization, on=("update",), sets="anonymization_requested_at"),
        "_cancel_anonymization": Trigger(cancel_anonymization, on=("update",), sets="anonymization_requested_at"),
    }
    relationships = (
        Rel("customer_group", sortable=True),
        "customer_addresses",
        "sku_lists",
        Rel("orders", filterable=False),
        EVENTS,
        EVENT_STORES,
    )
    absent_many = (
        *("customer_payment_sources", "customer_subscriptions", "order_subscriptions"),
        *("returns", "attachments"),
    )

    def create(self, row: Customer, by: changes.By) -> None:
        super().create(row, by)
        if row.password_hash:
            changes.announce(row, "create_password", by)

    def update(self, row: Customer, by: changes.By) -> None:
        """A new password ends what was begun with the old one."""
        has_new_password = row.password_hash != row.stored("password_hash")
        has_new_metadata = row.metadata != row.stored("metadata")
        super().update(row, by)
        if has_new_metadata:
            changes.announce(row, "metadata_update", by)
        if has_new_password:
            changes.announce(row, "create_password", by)
            auth.end(auth.Owner(auth.CUSTOMER, row.pk), by.now)

    def destroy(self, row: Customer, by: changes.By) -> None:
        owner = auth.Owner(auth.CUSTOMER, row.pk)
        super().destroy(row, by)
        auth.end(owner, by.now)


# --- Address books --------------------------------------------------------------------------------


def set_customer(row: CustomerAddress, email: str, by: changes.By) -> None:
    """The customer with that e-mail address, locked against being deleted meanwhile."""
    known = Customer.objects.owned_by(row.tenant).filter(email_norm=normalise_email(email))
    customer = known.select_for_update(no_key=True).first()
    if customer is None:
        raise ValidationError({"customer_email": ValidationError("is not that of a customer", code="invalid")})
    if row.customer_id not in (None, customer.pk):
        raise ValidationError({"customer_email": ValidationError("is not that of the customer given", code="invalid")})
    row.customer = customer


_ADDRESS = tuple(f"address__{name}" for name in (*_PERSON, *_PLACE))


@registry.register
class CustomerAddresses(Resource):
    type = "customer_addresses"
    model = CustomerAddress
    attributes = ("name", "customer_email")
    create_only = ("customer_email",)
    setters = {"customer_email": set_customer}
    serializer_fields = {"customer_email": EmailField(max_length=255, required=False)}
    columns = {"name": Derived(whole_name, *_ADDRESS), "customer_email": "customer__email"}
    relationships = (
        Rel("customer", sortable=True, named_by="customer_email"),
        Rel("address", sortable=True),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )

    def create(self, row: CustomerAddress, by: changes.By) -> None:
        customers.check_address(row, by)
        super().create(row, by)

    def update(self, row: CustomerAddress, by: changes.By) -> None:
        customers.check_address(row, by)
        super().update(row, by)
