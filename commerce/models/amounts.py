"""Columns for cents, for units, in the range that every JSON client reads exactly, and for weights."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from commerce.money import MAX_CENTS, ExactField


def cents_field(**options: Any) -> models.BigIntegerField:
    """An amount in minor units, none negative; optional unless said otherwise."""
    return _optional(MinValueValidator(0), **options)


def quantity_field(**options: Any) -> models.BigIntegerField:
    """A number of units, at least one; optional unless said otherwise."""
    return _optional(MinValueValidator(1), **options)


def _optional(least: MinValueValidator, **options: Any) -> models.BigIntegerField:
    options = {"null": True, "blank": True, **options}
    return models.BigIntegerField(validators=[least, MaxValueValidator(MAX_CENTS)], **options)


class UnitOfWeight(models.TextChoices):
    GRAM = "gr"
    OUNCE = "oz"
    POUND = "lb"


def unit_of_weight_field() -> models.CharField:
    return models.CharField(max_length=2, choices=UnitOfWeight, null=True, blank=True)


class WeightField(ExactField):
    """A weight in the unit of its row, exact to the millionth; optional."""

    places = 6
    MOST = 10**9

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "null": True, "blank": True})
        self.validators = [*self.validators, MinValueValidator(0), MaxValueValidator(self.MOST)]

    def get_internal_type(self) -> str:
        return "BigIntegerField"


def inherit_currency(row: Any) -> None:
    """What has a market has its currency, and says no other; what has none needs one of its own."""
    if row.market is None:
        if not row.currency_code:
            raise ValidationError({"currency_code": ValidationError("can't be blank", code="blank")})
        return
    inherited = row.market.price_list.currency_code
    if row.currency_code not in (None, "", inherited, row.stored("currency_code")):
        raise ValidationError({"currency_code": ValidationError("is not the currency of the market", code="invalid")})
    row.currency_code = inherited
