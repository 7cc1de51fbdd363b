"""What every table of a resource has, and what its validators say."""

from django.core.exceptions import ValidationError
from django.db import models


def validate_object(value: object) -> None:
    if not isinstance(value, dict):
        raise ValidationError("must be an object")


def too_long(most: int, of: str = "characters") -> ValidationError:
    return ValidationError(f"is too long (maximum is {most} {of})", "too_long", {"count": most})


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
