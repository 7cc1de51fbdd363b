"""Reading JSON that anybody may have written: every error is kept, with the path where it is."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final

from promotions.engine.flex.matchers import exact


class BadRules(Exception):
    """Rules that are none. `errors` are pairs: a path such as `rules.0.conditions.1.value` and what is wrong there."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path} {message}" for path, message in errors))
        self.errors = errors


class _Invalid:
    """Stands for what could not be read."""


INVALID: Final = _Invalid()

Parser = Callable[[Any, str], Any]
"""`parser(value, path)` is what the value means, or INVALID with an error noted."""


class Reader:
    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []

    def wrong(self, path: str, message: str) -> Any:
        self.errors.append((path, message))
        return INVALID

    # --- Values -----------------------------------------------------------------------------------

    def anything(self, value: Any, path: str) -> Any:
        return value

    def string(self, value: Any, path: str) -> Any:
        return value if isinstance(value, str) and value.strip() else self.wrong(path, "must be a string with text")

    def boolean(self, value: Any, path: str) -> Any:
        return value if isinstance(value, bool) else self.wrong(path, "must be true or false")

    def integer(self, value: Any, path: str) -> Any:
        return value if is_integer(value) else self.wrong(path, "must be an integer")

    def positive(self, value: Any, path: str) -> Any:
        return value if is_integer(value) and value > 0 else self.wrong(path, "must be an integer of at least 1")

    def cents(self, value: Any, path: str) -> Any:
        return (
            value if is_integer(value) and value >= 0 else self.wrong(path, "must be cents, an integer of at least 0")
        )

    def part(self, value: Any, path: str) -> Any:
        """A decimal from 0 to 1, as a number or written out."""
        found = exact(_decimal(value) if isinstance(value, str) else value)
        if found is None or not 0 <= found <= 1:
            return self.wrong(path, "must be a decimal from 0 to 1")
        return Fraction(found)

    def one_of(self, options: Collection[str]) -> Parser:
        def parser(value: Any, path: str) -> Any:
            known = isinstance(value, str) and value in options
            return value if known else self.wrong(path, f"must be one of {', '.join(options)}")

        return parser

    # --- Structures -------------------------------------------------------------------------------

    def each(self, parser: Parser, *, at_least: int = 0) -> Parser:
        def of_list(value: Any, path: str) -> Any:
            if not isinstance(value, list) or len(value) < at_least:
                return self.wrong(path, "must be an array" + " that holds something" * bool(at_least))
            parsed = [parser(one, f"{path}.{place}") for place, one in enumerate(value)]
            return INVALID if INVALID in parsed else tuple(parsed)

        return of_list

    def record(self, value: Any, path: str, parsers: Mapping[str, Parser], required: Collection[str]) -> Any:
        """What the keys of an object mean, by key; INVALID where one is unknown, missing or wrong."""
        if not isinstance(value, dict):
            return self.wrong(path, "must be an object")
        unknown = [key for key in value if key not in parsers]
        missing = [key for key in required if key not in value]
        for key in unknown:
            self.wrong(f"{path}.{key}" if path else key, f"is not known here, only {', '.join(parsers)}")
        for key in missing:
            self.wrong(f"{path}.{key}" if path else key, "is required")
        parsed = {
            key: parser(value[key], f"{path}.{key}" if path else key) for key, parser in parsers.items() if key in value
        }
        return INVALID if unknown or missing or INVALID in parsed.values() else parsed


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
