"""What tables of resources have in common, and what their validators say."""

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from commerce import ids


def validate_object(value: object) -> None:
    if not isinstance(value, dict):
        raise ValidationError("must be an object")


def validate_strings(value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError("must be a list of strings")


def too_long(most: int, of: str = "characters") -> ValidationError:
    return ValidationError(f"is too long (maximum is {most} {of})", "too_long", {"count": most})


def invalid(name: str, message: str) -> ValidationError:
    """What is wrong with the attribute, relationship or trigger of that name."""
    return ValidationError({name: ValidationError(message, code="invalid")})


def check_each(row: models.Model, names: Iterable[str], check: Callable[[Any], None]) -> dict[str, ValidationError]:
    """What `check` has against the named fields, of those that hold something."""
    errors = {}
    for name in names:
        try:
            if value := getattr(row, name):
                check(value)
        except ValidationError as error:
            errors[name] = error
    return errors


def new_shared_secret() -> str:
    """32 hexadecimal digits."""
    return secrets.token_hex(16)


class Record(models.Model):
    """A row with what every resource of the contract carries: timestamps, a reference, metadata and a revision."""

    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    reference = models.CharField(max_length=255, null=True, blank=True)
    reference_origin = models.CharField(max_length=255, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, validators=[validate_object])
    revision = models.PositiveIntegerField(default=1, editable=False)
    """Raised by every write, also by counters. ETags are made of it."""

    class Meta:
        abstract = True


class Unguessable(models.Model):
    """A row whose id opens it to whoever was told: shoppers without a customer have nothing else to show.

    Keys are random over all there are, so rows of these tables are told in order of their creation.
    """

    id = models.BigIntegerField(primary_key=True, default=ids.random_key, editable=False)

    class Meta:
        abstract = True


class Stepwise:
    """A row that triggers move on once the rest of their request is written."""

    steps: tuple[Callable[[Any, Any], Any], ...] = ()
    """What they ask for: `step(row, by)`."""

    def ask_for(self, step: Callable[[Any, Any], Any]) -> None:
        self.steps = (*self.steps, step)

    def take_steps(self, by: Any) -> None:
        steps, self.steps = self.steps, ()
        for step in steps:
            step(self, by)


class Disabling(models.Model):
    """What can be taken out of use and put back."""

    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def disable(self, now: datetime) -> None:
        """Keeps the first instant when disabled twice."""
        self.disabled_at = self.disabled_at or now

    def enable(self) -> None:
        self.disabled_at = None


class HasSharedSecret(models.Model):
    """What signs the calls to its owner's server. No version tells the secret."""

    shared_secret = models.CharField(max_length=32, default=new_shared_secret, editable=False)

    class Meta:
        abstract = True

    def regenerate_shared_secret(self) -> None:
        self.shared_secret = new_shared_secret()
