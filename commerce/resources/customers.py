from datetime import datetime
from typing import Any

from commerce.api import Resource, registry
from commerce.jsonapi.attribute_filters import NormalisedFilter
from commerce.jsonapi.resource import Derived, Rel
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


def has_password(password_hash: str | None) -> bool:
    return password_hash is not None


def anonymization_info(requested_at: datetime | None) -> dict[str, str] | None:
    return {"status": "requested", "requested_at": requested_at.strftime("%F %T UTC")} if requested_at else None


def anonymization_status(requested_at: datetime | None) -> str | None:
    return "requested" if requested_at else None


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
        "anonymization_status": Derived(anonymization_status, "anonymization_requested_at"),
    }
    filterable = sortable = ("email", "status", "total_orders_count")
    filters = {"email": NormalisedFilter("email_norm", normalise_email)}
    relationships = (
        Rel("customer_group", sortable=True),
        "customer_addresses",
        "sku_lists",
        EVENTS,
        EVENT_STORES,
    )


_ADDRESS = tuple(f"address__{name}" for name in (*_PERSON, *_PLACE))


@registry.register
class CustomerAddresses(Resource):
    type = "customer_addresses"
    model = CustomerAddress
    attributes = ("name", "customer_email")
    read_only = ("customer_email",)
    columns = {"name": Derived(whole_name, *_ADDRESS), "customer_email": "customer__email"}
    relationships = (
        Rel("customer", sortable=True),
        Rel("address", sortable=True),
        EVENTS,
        VERSIONS,
        EVENT_STORES,
    )
