"""Transactions that are done again, and what is left of those that are refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.urls import path

from commerce import changes, ids, repeating
from commerce.api import registry
from commerce.errors import Locked, NotUnique, Refused
from commerce.models import Customer, Organization
from commerce.models.customers import new_customer_reference
from commerce.repeating import MOST_REPEATS, Deferred
from tests import factories
from tests.client import Api, path_of, refused


def waiting(*questions: str) -> Callable[[], list[str]]:
    """What has to ask these, one after the other, inside a transaction."""

    def work() -> list[str]:
        with changes.atomic():
            return [answer(question) for question in questions]

    return work


def answer(question: str) -> str:
    told: str | None = repeating.answered(question)
    if told is None:
        raise Deferred({question: lambda: f"{question}!"})
    return told


@pytest.mark.usefixtures("acme")
def test_every_question_is_answered_outside_and_told_inside():
    assert repeating.repeated(waiting("who", "where")) == ["who!", "where!"]
    assert repeating.answered("who") is None


@pytest.mark.usefixtures("acme")
def test_there_is_an_end_to_repeating():
    assert len(repeating.repeated(waiting(*map(str, range(MOST_REPEATS))))) == MOST_REPEATS
    with pytest.raises(NotUnique, match="nothing was written"):
        repeating.repeated(waiting(*map(str, range(MOST_REPEATS + 1))))


@pytest.mark.usefixtures("acme")
def test_what_is_left_to_chance_comes_out_the_same():
    drawn: list[list[Any]] = []

    def work() -> None:
        drawn.append([ids.random_key(), new_customer_reference(), ids.random_key()])
        waiting("who")()
        drawn[-1].append(ids.random_key())

    repeating.repeated(work)

    first, second = drawn
    assert first == second[:3]
    assert len({*second, ids.random_key(), new_customer_reference()}) == 6


def test_a_refusal_leaves_something_behind(acme: Organization):
    def refuse() -> None:
        with transaction.atomic():
            factories.customer(acme, email="gone@example.com")
            raise Refused(Locked("is refused"), lambda: told(acme))

    with pytest.raises(Locked, match="is refused"):
        repeating.repeated(refuse)
    assert [customer.email for customer in Customer.objects.all()] == ["told@example.com"]


def told(acme: Organization) -> None:
    factories.customer(acme, email="told@example.com")


# --- Over the API ---------------------------------------------------------------------------------


class Asking(type(registry["customers"])):  # type: ignore[misc]
    """Customers whose writing asks another server first, and refuses those that it calls refused."""

    def create(self, row: Customer, by: changes.By) -> None:
        row.metadata = {"told": answer("who")}
        changes.create(row, by)

    def update(self, row: Customer, by: changes.By) -> None:
        row.metadata = {"told": answer("who")}
        changes.save(row, by)
        if row.reference == "refused":
            raise Refused(Locked("is refused"), lambda: told(row.organization))

    def destroy(self, row: Customer, by: changes.By) -> None:
        changes.delete(row, by)
        answer("who")


_asking = Asking(registry).view_class
_RELATIONSHIP = {"patch": "change_relationship"}
urlpatterns = [
    path("api/customers", _asking.as_view({"post": "create"})),
    path("api/customers/<id>", _asking.as_view({"patch": "update", "delete": "destroy"})),
    path("api/customers/<id>/relationships/<name>", _asking.as_view(_RELATIONSHIP)),
]


@pytest.mark.urls(__name__)
def test_all_that_the_api_writes_is_repeated_with_the_answers(api: Api):
    created = api.create("customers", {"email": "ada@example.com"})
    assert (created.status_code, created.json()["data"]["attributes"]["metadata"]) == (201, {"told": "who!"})

    ada = Customer.objects.get()
    Customer.objects.update(metadata={})
    updated = api.update(ada, {"reference": "x"})
    assert (updated.status_code, updated.json()["data"]["attributes"]["metadata"]) == (200, {"told": "who!"})

    Customer.objects.update(metadata={})
    assert api.patch(f"{path_of(ada)}/relationships/customer_group", {"data": None}).status_code == 204
    assert Customer.objects.get().metadata == {"told": "who!"}

    assert api.destroy(ada).status_code == 204
    assert not Customer.objects.exists()


@pytest.mark.urls(__name__)
def test_what_the_api_refuses_leaves_something_behind(api: Api, acme: Organization):
    ada = factories.customer(acme, email="ada@example.com")
    answered = api.update(ada, {"reference": "refused"})
    assert refused(answered)[:2] == (423, "LOCKED")
    assert sorted(Customer.objects.values_list("email", "reference")) == [
        ("ada@example.com", None),
        ("told@example.com", None),
    ]
