"""`page[number]` and `page[size]`: ten to a page unless asked otherwise, twenty-five at most."""

from collections.abc import Mapping
from typing import NamedTuple

from commerce.jsonapi.errors import error

DEFAULT_SIZE = 10
LARGEST_SIZE = 25
LAST_NUMBER = 10**9


class Page(NamedTuple):
    number: int = 1
    size: int = DEFAULT_SIZE

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.size


FIRST_PAGE = Page()


def page_of(given: Mapping[str, str]) -> Page:
    """The page asked for; 400 for what is no positive integer, or more than a page may hold."""
    return Page(
        _positive("number", given.get("number", "1"), LAST_NUMBER),
        _positive("size", given.get("size", str(DEFAULT_SIZE)), LARGEST_SIZE),
    )


def page_count(records: int, page: Page) -> int:
    return -(-records // page.size)


def _positive(name: str, text: str, largest: int) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if not 1 <= number <= largest:
        raise error(
            400,
            "INVALID_PAGE_VALUE",
            f"page[{name}] must be an integer from 1 to {largest}.",
            parameter=f"page[{name}]",
        )
    return number
