"""What a bundle costs by what is in it."""

from django.core.exceptions import ValidationError

from commerce.models import Bundle, Price
from commerce.money import MAX_CENTS


def sum_of_prices(bundle: Bundle) -> int:
    """What its SKUs cost one by one in its market's price list, in cents.

    Raises ValidationError where one has no price, and where they come to more than MAX_CENTS.
    """
    if bundle.market is None:
        raise ValidationError({"market": ValidationError("must exist", code="blank")})
    quantities = dict(bundle.sku_list.sku_list_items.values_list("sku_id", "quantity"))
    prices = Price.objects.owned_by(bundle.tenant).filter(
        price_list=bundle.market.price_list_id, sku__in=quantities.keys()
    )
    amounts = dict(prices.values_list("sku_id", "amount_cents"))
    if not quantities or amounts.keys() != quantities.keys():
        message = "must hold SKUs, each with a price in the market's price list"
        raise ValidationError({"sku_list": ValidationError(message, code="invalid")})
    total = sum(amounts[key] * quantity for key, quantity in quantities.items())
    if total > MAX_CENTS:
        raise ValidationError({"sku_list": ValidationError(f"comes to more than {MAX_CENTS} cents", code="invalid")})
    return total


def check_priced(bundle: Bundle) -> None:
    """Once the triggers have fired: a bundle has a price, given or computed."""
    if bundle.price_amount_cents is None:
        raise ValidationError({"price_amount_cents": ValidationError("can't be blank", code="blank")})
