"""Amounts as the contract tells them, each by three attributes."""

from commerce.jsonapi.resource import Derived
from commerce.money import as_float, formatted


def money(name: str) -> tuple[str, str, str]:
    """The three attributes that an amount is told by: `price_amount_cents`, `_float` and `formatted_price_amount`."""
    return f"{name}_cents", f"{name}_float", f"formatted_{name}"


def told(name: str, source: str, currency_code: str) -> dict[str, Derived]:
    """The columns of the two attributes that follow from the cents in `source`."""
    _, as_number, as_text = money(name)
    return {
        as_number: Derived(as_float, source, currency_code),
        as_text: Derived(formatted, source, currency_code),
    }
