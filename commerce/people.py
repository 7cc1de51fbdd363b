"""Whoever is known by an e-mail address: customers, and those that coupons and gift cards are meant for."""

from typing import Any, TypeVar

from commerce import changes
from commerce.models import Organization, Owned, normalise_email

Person = TypeVar("Person", bound=Owned)


def find_or_create(model: type[Person], row: Owned, email: str, by: changes.By) -> Person:
    """The person of `row`'s tenant with that address, made when there is none; locked against being deleted meanwhile.

    In a transaction. `model` has an `email` and the form it is compared in, `email_norm`.
    """
    people: Any = model.objects.owned_by(row.tenant).filter(email_norm=normalise_email(email))
    known = people.select_for_update(no_key=True).order_by("pk")
    if person := known.first():
        return person  # type: ignore[no-any-return]
    # Whoever makes one takes turns, so that requests that meet make the same.
    Organization.objects.select_for_update(no_key=True).get(pk=row.organization_id)
    person = known.first() or model(organization_id=row.organization_id, mode=row.mode, email=email)
    if person.pk is None:
        changes.create(person, by)
    return person  # type: ignore[no-any-return]
