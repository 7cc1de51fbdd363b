"""Codes that are refused: who is told why, and who has guessed enough."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.urls import path

from commerce import changes
from commerce.api import ApiView, registry
from commerce.auth import Owner, Session
from commerce.errors import CodeRefused, Refused
from commerce.models import Customer, Organization
from tests import factories
from tests.client import Api, nothing_written, problem, refused


class CodedView(ApiView):
    def write(self, document: Any, *, creating: bool) -> Any:
        self.check_codes(document.attributes, ("tax_exemption_code",))
        return super().write(document, creating=creating)


class Coded(type(registry["customers"])):  # type: ignore[misc]
    """Customers whose tax exemption code is a code that never works."""

    view_base = CodedView

    def update(self, row: Customer, by: changes.By) -> None:
        if row.tax_exemption_code:
            cause = CodeRefused("tax_exemption_code", "coupon_expired", "The coupon has expired.")
            raise Refused(cause, lambda: None) if row.tax_exemption_code == "LEAVES A TRACE" else cause
        changes.save(row, by)


urlpatterns = [path("api/customers/<id>", Coded(registry).view_class.as_view({"patch": "update"}))]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def ada(acme: Organization) -> Customer:
    return factories.customer(acme, email="ada@example.com")


@pytest.fixture
def shopper(api: Api, acme: Organization, ada: Customer, settings: LazySettings) -> Api:
    """Ada, who may guess twice a minute."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "codes": "4/60"}  # halved in test mode
    return Api(factories.application(acme, "sales_channel"), Session(Owner("Customer", ada.pk)))


def sent(api: Api, ada: Customer, code: Any) -> HttpResponse:
    with nothing_written():
        return api.update(ada, {"tax_exemption_code": code})


@pytest.mark.parametrize("code", ["SUMMER", "LEAVES A TRACE"])
def test_an_integration_is_told_why(api: Api, ada: Customer, code: str):
    answer = sent(api, ada, code)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/tax_exemption_code"})
    told = problem(answer)
    assert told["title"] == "The coupon has expired."
    assert told["detail"] == "tax_exemption_code - The coupon has expired."
    assert told["meta"] == {"error": "invalid", "reason": "coupon_expired"}


@pytest.mark.parametrize("code", ["SUMMER", "LEAVES A TRACE"])
def test_a_shopper_is_told_no_reason(shopper: Api, ada: Customer, code: str):
    answer = sent(shopper, ada, code)
    assert refused(answer) == (422, "VALIDATION_ERROR", {"pointer": "/data/attributes/tax_exemption_code"})
    assert (problem(answer)["detail"], problem(answer)["meta"]) == (
        "tax_exemption_code - is invalid",
        {"error": "invalid"},
    )


def test_a_shopper_guesses_so_often_and_no_more(shopper: Api, ada: Customer):
    assert [sent(shopper, ada, code).status_code for code in "ABC"] == [422, 422, 429]
    answer = sent(shopper, ada, "D")
    assert answer.headers["X-Ratelimit-Limit"] == "2"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("attributes", [{}, {"tax_exemption_code": None}, {"tax_exemption_code": ""}])
def test_who_sends_no_code_guesses_nothing(shopper: Api, ada: Customer, attributes: Any):
    for each in "AB":
        sent(shopper, ada, each)
    assert shopper.update(ada, attributes).status_code == 200


def test_an_integration_does_not_guess(shopper: Api, api: Api, ada: Customer):
    assert [sent(api, ada, code).status_code for code in "ABCDE"] == [422] * 5
    assert sent(shopper, ada, "A").status_code == 422
