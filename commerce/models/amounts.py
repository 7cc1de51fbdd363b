"""Columns for cents and for units, in the range that every JSON client reads exactly."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from commerce.money import MAX_CENTS


def cents_field(**options: Any) -> models.BigIntegerField:
    """An amount in minor units, none negative; optional unless said otherwise."""
    return _optional(MinValueValidator(0), **options)


def quantity_field(**options: Any) -> models.BigIntegerField:
    """A number of units, at least one; optional unless said otherwise."""
    return _optional(MinValueValidator(1), **options)


def _optional(least: MinValueValidator, **options: Any) -> models.BigIntegerField:
    options = {"null": True, "blank": True, **options}
    return models.BigIntegerField(validators=[least, MaxValueValidator(MAX_CENTS)], **options)
