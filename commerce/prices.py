"""What SKUs cost in a price list, volume tiers included."""

from collections.abc import Mapping
from typing import NamedTuple

from commerce.models import Bundle, Price, PriceList, PriceVolumeTier


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
    prices = Price.objects.owned_by(price_list.tenant).filter(price_list=price_list, sku_id__in=quantities)
    found = {price.pk: price for price in prices}
    units = {key: UnitPrice(price.amount_cents, price.compare_at_amount_cents) for key, price in found.items()}
    tiers = PriceVolumeTier.objects.owned_by(price_list.tenant).filter(price_id__in=found)
    for tier in sorted(tiers, key=lambda tier: (tier.up_to is not None, -(tier.up_to or 0), -tier.pk)):
        price = found[tier.price_id]
        if tier.up_to is None or quantities[price.sku_id] <= tier.up_to:
            units[price.pk] = UnitPrice(tier.price_amount_cents, price.compare_at_amount_cents)
    return {found[key].sku_id: unit for key, unit in units.items()}
