"""What SKUs cost in a price list, volume tiers included."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection

from commerce.jsonapi.prepared import Instances, Parameter
from commerce.models import Bundle, Price, PriceList, PriceVolumeTier
from commerce.permissions import ANY_TENANT


class UnitPrice(NamedTuple):
    amount_cents: int
    compare_at_amount_cents: int | None


def bundle_price(bundle: Bundle) -> UnitPrice | None:
    """What a bundle costs, if it has a price of its own."""
    if bundle.price_amount_cents is None:
        return None
    return UnitPrice(bundle.price_amount_cents, bundle.compare_at_amount_cents)


def unit_prices(price_list: PriceList, quantities: Mapping[int, int]) -> dict[int, UnitPrice]:
    """SKU -> its price for so many units, two queries for any number of SKUs; none for a SKU without one.

    The price is that of the tier with the lowest `up_to` that the quantity does not exceed, or the price's own.
    """
    asked: dict[str, Any] = {**price_list.tenant._asdict(), "price_list": price_list.pk, "skus": list(quantities)}
    found: dict[int, Price] = {price.pk: price for price in _prices(connection.vendor).load(asked)}
    units = {key: UnitPrice(price.amount_cents, price.compare_at_amount_cents) for key, price in found.items()}
    tiers = _tiers(connection.vendor).load({**asked, "prices": list(found)}) if found else []
    for tier in sorted(tiers, key=lambda tier: (tier.up_to is not None, -(tier.up_to or 0), -tier.pk)):
        price = found[tier.price_id]
        if tier.up_to is None or quantities[price.sku_id] <= tier.up_to:
            units[price.pk] = UnitPrice(tier.price_amount_cents, price.compare_at_amount_cents)
    return {found[key].sku_id: unit for key, unit in units.items()}


@lru_cache
def _prices(vendor: str) -> Instances:
    prices = Price.objects.owned_by(ANY_TENANT).filter(price_list=Parameter("price_list"))
    return Instances(prices.filter(sku__among=Parameter("skus")))


@lru_cache
def _tiers(vendor: str) -> Instances:
    return Instances(PriceVolumeTier.objects.owned_by(ANY_TENANT).filter(price__among=Parameter("prices")))
