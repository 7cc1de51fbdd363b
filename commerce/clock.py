"""The one reading of the system clock.

Everything else takes the time as an argument. The wire carries milliseconds, so an instant is cut to them when it is
read: what is stored is what a client sees, and an equality filter on a timestamp finds the row.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, UTC, in whole milliseconds."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def wire(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`, the form every timestamp has on the wire. `moment` must be in UTC."""
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"
