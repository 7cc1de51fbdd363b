"""Files of codes: CSV and NDJSON read row by row into values the database takes, and coupons written as CSV.

Nothing here touches the database. A row that cannot be a coupon still comes out, with its problem; a file that cannot
be read any further raises `Unreadable`.
"""

import csv
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from commerce import clock
from commerce.codes import checked_code
from commerce.errors import DomainError
from commerce.models import normalise_email
from commerce.money import MAX_CENTS
from coupons.models import MOST_APPLICATIONS

COLUMNS = (
    "code",
    "promotion_rule_id",
    "expires_at",
    "usage_limit",
    "customer_single_use",
    "applies_to_count",
    "recipient_email",
    "reference",
    "reference_origin",
    "metadata",
)
"""What a file may give for each code; only `code` must be there."""

EXPORTED = (*COLUMNS, "usage_count")
"""What an export writes. A file may carry `usage_count`, but it is not loaded: uses are counted, never told."""

FORMATS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
LONGEST_TEXT = 255
_SHOWN = 100


class Unreadable(DomainError):
    """A file whose rows cannot be told apart, from a place the sentence names."""


class Row(NamedTuple):
    """A code as the database takes it: instants as UTC text, metadata as JSON text, None where nothing was given.

    With a `problem`, only `line` and `code` (as far as it can be shown) are filled.
    """

    line: int
    code: str
    code_norm: str | None = None
    promotion_rule_id: int | None = None
    expires_at: str | None = None
    usage_limit: int | None = None
    customer_single_use: int | None = None
    applies_to_count: int | None = None
    email: str | None = None
    email_norm: str | None = None
    reference: str | None = None
    reference_origin: str | None = None
    metadata: str | None = None
    problem: str | None = None


class Terms(NamedTuple):
    """What rows are judged by: the tenant's coupon rules by public id, the rule of rows without one, code lengths."""

    rules: Mapping[str, int]
    default_rule: int | None
    shortest: int
    longest: int


def file_format(name: str, stream: BufferedReader) -> str:
    """`csv` or `ndjson`, by the ending of the name, else by the first byte that is not white space."""
    known = FORMATS.get(Path(name).suffix.lower())
    if known:
        return known
    return "ndjson" if stream.peek().removeprefix(BOM_UTF8).lstrip().startswith(b"{") else "csv"


def read(stream: BufferedReader, file_format: str, terms: Terms) -> Iterator[Row]:
    """The rows of a file, in its order. Raises Unreadable."""
    return _csv_rows(stream, terms) if file_format == "csv" else _ndjson_rows(stream, terms)


def _csv_rows(stream: BufferedReader, terms: Terms) -> Iterator[Row]:
    # Undecodable bytes come through as surrogates, so that one bad cell costs its row and not the file.
    text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    line = 1
    try:
        judge = _judge(terms, _header(next(reader, [])), repeating=True)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield judge(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"Line {line} is not CSV ({error}); nothing after it can be read.") from None
    finally:
        text.detach()


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    if any("\0" in name or _undecodable(name) for name in names):
        raise Unreadable("The header is not UTF-8.")
    for name in names:
        if name not in EXPORTED:
            raise Unreadable(f"The header has an unknown column {name!r}; known are {', '.join(COLUMNS)}.")
        if names.count(name) > 1:
            raise Unreadable(f"The header has the column {name!r} twice.")
    if "code" not in names:
        raise Unreadable(f"The header has no column 'code'; known are {', '.join(COLUMNS)}.")
    return names


def _ndjson_rows(stream: BufferedReader, terms: Terms) -> Iterator[Row]:
    judge = _judge(terms, EXPORTED, repeating=False)
    for line, raw in enumerate(stream, 1):
        if line == 1:
            raw = raw.removeprefix(BOM_UTF8)
        if raw.isspace():
            continue
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            problem = _undecodable(raw.decode(errors="surrogateescape")) or f"is not JSON ({error})"
            yield Row(line, "", problem=problem)
            continue
        if not isinstance(record, dict):
            yield Row(line, "", problem="is not a JSON object")
        elif unknown := record.keys() - set(EXPORTED):
            problem = f"has an unknown key {_shown(min(unknown))!r}"
            yield Row(line, _shown(record.get("code") or ""), problem=problem)
        else:
            yield judge(line, ["" if (value := record.get(name)) is None else value for name in EXPORTED])


def _judge(terms: Terms, names: Sequence[str], *, repeating: bool) -> Callable[[int, list[Any]], Row]:
    """What turns the cells under `names` into a row, prepared once for the file: it runs a million times.

    With `repeating`, cells are text, of which some columns hold few different ones.
    """

    def code(raw: Any) -> str:
        return checked_code(_text(raw), terms.shortest, terms.longest)

    def rule(raw: Any) -> int:
        key = terms.rules.get(raw.strip()) if isinstance(raw, str) else None
        if key is None:
            raise ValueError(f"{_shown(raw)!r} is not a coupon rule of this organization and mode")
        return key

    readers = {**_READERS, "code": code, "promotion_rule_id": rule}
    if repeating:
        readers |= {name: lru_cache(1024)(readers[name]) for name in _REPEATING}
    plan = [(name, _SLOTS[name], readers[name]) for name in names]
    as_typed = [(Row._fields.index(_AS_TYPED[name]), place) for place, name in enumerate(names) if name in _AS_TYPED]
    code_place = names.index("code")
    blank: list[Any] = [None] * len(Row._fields)
    blank[_RULE] = terms.default_rule

    def judge(line: int, cells: list[Any]) -> Row:
        if len(cells) != len(plan):
            if len(cells) > len(plan):
                return Row(line, _shown(cells[code_place]), problem=f"has {len(cells)} cells under {len(plan)} columns")
            cells = cells + [""] * (len(plan) - len(cells))
        values = blank[:]
        values[0] = line
        try:
            for (_, slot, reader), cell in zip(plan, cells, strict=True):
                if cell != "":
                    values[slot] = reader(cell)
        except ValueError:
            return refused(line, cells)
        if values[_CODE_NORM] is None or values[_RULE] is None:
            return refused(line, cells)
        for slot, place in as_typed:
            values[slot] = cells[place] or None
        return Row._make(values)

    def refused(line: int, cells: list[Any]) -> Row:
        problems = []
        for (name, _, reader), cell in zip(plan, cells, strict=True):
            try:
                if cell != "":
                    reader(cell)
                elif name == "code" or (name == "promotion_rule_id" and not terms.default_rule):
                    raise ValueError("can't be blank")
            except ValueError as error:
                problems.append(f"{name} {error}")
        if "promotion_rule_id" not in names and not terms.default_rule:
            problems.append("promotion_rule_id can't be blank")
        return Row(line, _shown(cells[code_place]), problem="; ".join(problems))

    return judge


def _shown(raw: Any) -> str:
    """As much of a refused value as a file, a terminal and either database can hold."""
    return str(raw)[:_SHOWN].encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("must be a string")
    if "\0" in raw:
        raise ValueError("can't contain a NUL character")
    if not raw.isascii() and (problem := _undecodable(raw)):
        raise ValueError(problem)
    return raw


def _undecodable(text: str) -> str | None:
    """What is wrong with a text decoded with `surrogateescape`, if a byte of it was not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) & 0xFF
        return f"has the byte 0x{byte:02X} at character {error.start + 1}, which is not UTF-8"
    return None


def _short_text(raw: Any) -> str:
    text = _text(raw)
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"is too long (maximum is {LONGEST_TEXT} characters)")
    return text


def _email_norm(raw: Any) -> str:
    email = _short_text(raw)
    try:
        validate_email(email)
    except ValidationError:
        raise ValueError("is not an e-mail address") from None
    return normalise_email(email)[:LONGEST_TEXT]


def _instant(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ValueError("is not an ISO 8601 instant")
    try:
        return as_utc(instant(raw.strip()))
    except (ValueError, OverflowError):
        raise ValueError("is not an ISO 8601 instant") from None


def instant(text: str) -> datetime:
    """An ISO 8601 instant; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_utc(moment: datetime) -> str:
    """The instant as both databases read it."""
    return str(clock.to_milliseconds(moment.astimezone(UTC)).replace(tzinfo=None))


def _limit(raw: Any) -> int:
    return _number(raw, 0, MAX_CENTS)


def _applications(raw: Any) -> int:
    return _number(raw, 1, MOST_APPLICATIONS)


def _number(raw: Any, least: int, most: int) -> int:
    if isinstance(raw, str) and raw.isascii() and raw.strip().removeprefix("-").isdigit() and len(raw) < _SHOWN:
        raw = int(raw)
    if type(raw) is not int:
        raise ValueError("is not a whole number")
    if raw < least:
        raise ValueError(f"must be greater than or equal to {least}")
    if raw > most:
        raise ValueError(f"must be less than or equal to {most}")
    return raw


_FLAGS = {"true": 1, "1": 1, "false": 0, "0": 0}


def _flag(raw: Any) -> int:
    value = _FLAGS.get(str(raw).strip().lower())
    if value is None:
        raise ValueError("must be true, false, 1 or 0")
    return value


def _metadata(raw: Any) -> str:
    try:
        value = orjson.loads(raw) if isinstance(raw, str) else raw
        text = orjson.dumps(value).decode()
    except (ValueError, TypeError):
        raise ValueError("is not a JSON object") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    if "\\u0000" in text.replace("\\\\", ""):
        raise ValueError("can't contain a NUL character")
    return text


def _ignored(raw: Any) -> None:
    return None


_READERS: dict[str, Callable[[Any], Any]] = {
    "expires_at": _instant,
    "usage_limit": _limit,
    "customer_single_use": _flag,
    "applies_to_count": _applications,
    "recipient_email": _email_norm,
    "reference": _short_text,
    "reference_origin": _short_text,
    "metadata": _metadata,
    "usage_count": _ignored,
}
_REPEATING = (
    *("promotion_rule_id", "expires_at", "usage_limit", "customer_single_use", "applies_to_count"),
    "reference_origin",
)
# Where a value goes; `usage_count` is read as None, which is what `problem` is in a good row.
_FIELDS = {"code": "code_norm", "recipient_email": "email_norm", "usage_count": "problem"}
_SLOTS = {name: Row._fields.index(_FIELDS.get(name, name)) for name in EXPORTED}
_AS_TYPED = {"code": "code", "recipient_email": "email"}
_RULE, _CODE_NORM = _SLOTS["promotion_rule_id"], _SLOTS["code"]


def as_csv(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Rows as CSV, a line each. Values are written as they are: a code that begins with `=` stays what it is."""
    writer = csv.writer(_Echo())
    return map(writer.writerow, rows)


class _Echo:
    def write(self, line: str) -> str:
        return line


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A text file that appears under its name only when it is complete."""
    draft = path.with_name(f"{path.name}.partial")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
