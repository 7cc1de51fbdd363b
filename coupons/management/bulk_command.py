"""What the commands over many codes share: whose codes they are, and how far the work is."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.management import BaseCommand, CommandError, CommandParser
from django.core.management.base import OutputWrapper

from commerce import ids
from commerce.errors import DomainError
from commerce.models import Mode, Organization, Tenant
from promotions.models import CouponCodesPromotionRule

T = TypeVar("T")


class BulkCommand(BaseCommand):
    """A command on the codes of one tenant, named by `--organization` and `--mode`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument("--mode", choices=Mode.values, default=Mode.TEST.value, help="test unless given")

    def organization(self, slug: str) -> Organization:
        try:
            return Organization.objects.get(slug=slug)
        except Organization.DoesNotExist:
            raise CommandError(f"There is no organization {slug!r}.") from None

    def rule(self, public_id: str, tenant: Tenant) -> CouponCodesPromotionRule:
        rules = CouponCodesPromotionRule.objects.owned_by(tenant).select_related("promotion", "organization")
        rule = rules.filter(pk=ids.decode(public_id)).first()
        if rule is None:
            raise CommandError(f"--rule: {public_id!r} is not a coupon rule of this organization and mode.")
        return rule

    def progress(self, size: int | None, position: Any = None) -> "Progress":
        return Progress(self.stderr, size, position)


@contextmanager
def failures_told() -> Iterator[None]:
    """Ends a command with a sentence. Every one of them works in a transaction or on a draft of its file."""
    try:
        yield
    except DomainError as error:
        raise CommandError(f"{error.detail} Nothing was written.") from error
    except OSError as error:
        raise CommandError(f"{error.filename or 'output'}: {error.strerror}.") from error
    except KeyboardInterrupt:
        raise CommandError("Interrupted. Nothing is half done.", returncode=130) from None


class Progress:
    """Tells rows, rate and time left: a bar that redraws itself on a terminal, a line now and then elsewhere.

    `position` says how far the work is on its way to `size`; without it the rows themselves are counted.
    """

    EVERY = 2000
    SECONDS_ON_TERMINAL, SECONDS_ELSEWHERE = 0.2, 10.0
    WIDTH = 24

    def __init__(self, stream: OutputWrapper, size: int | None = None, position: Any = None) -> None:
        self.stream = stream
        self.size = size
        self.position = position
        self.on_terminal = stream.isatty()
        self.pause = self.SECONDS_ON_TERMINAL if self.on_terminal else self.SECONDS_ELSEWHERE
        self.started = self.told = time.monotonic()
        self.rows = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def over(self, rows: Iterable[T]) -> Iterator[T]:
        """The same rows, counted."""
        for row in rows:
            self.rows += 1
            if self.rows % self.EVERY == 0:
                self._tell_now_and_then()
            yield row

    def stage(self, what: str) -> None:
        """Says what is done next, for as long as nothing can be counted."""
        self._write(f"{self.rows:,} rows read; {what}")

    def done(self) -> None:
        if self.on_terminal:
            self._write("")

    def _tell_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self.told >= self.pause:
            self.told = now
            self._write(self._line())

    def _line(self) -> str:
        seconds = self.seconds
        line = f"{self.rows:,} rows, {self.rows / seconds:,.0f} a second"
        if not self.size:
            return line
        share = min(1.0, (self.position() if self.position else self.rows) / self.size)
        left = seconds / share - seconds if share else 0
        bar = f"[{'#' * int(share * self.WIDTH):{self.WIDTH}}] " if self.on_terminal else ""
        return f"{bar}{share:4.0%} {line}, {int(left // 60)}:{int(left % 60):02} left"

    def _write(self, line: str) -> None:
        self.stream.write(f"\r\x1b[K{line}" if self.on_terminal else line, ending="" if self.on_terminal else "\n")
        self.stream.flush()
