"""The moment a run pretends is now, and the window it looks at when it is told only a part of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from nightshift.errors import RequestError
from nightshift.records import Window

_EARLIEST, _LATEST = 1900, 2200


def moment(as_of: datetime | None, now: datetime | None = None) -> datetime:
    """As-of in UTC; by default the last full hour before `now`, so that runs within an hour look at the same rows."""
    if as_of is None:
        return in_utc(now or datetime.now(UTC)).replace(minute=0, second=0, microsecond=0)
    return in_utc(as_of)


def window_between(start: datetime | None, end: datetime | None, as_of: datetime | None = None) -> Window:
    """The window `[start, end)`; by default the day before `end`, which by default is as-of.

    Raises:
        RequestError: the start is not before the end.
    """
    last = moment(end if end is not None else as_of)
    first = moment(start) if start is not None else last - timedelta(days=1)
    if first >= last:
        raise RequestError(
            f"the window's start {first:%Y-%m-%d %H:%M} is not before its end {last:%Y-%m-%d %H:%M}",
            remedy="give --start and --end in time order; the end itself is not part of the window",
        )
    return Window(start=first, end=last)


def in_utc(time: datetime) -> datetime:
    """The moment in UTC; what is no moment of any data is refused, since there are no windows before or after it."""
    try:
        found = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except OverflowError:
        found = None
    if found is None or not _EARLIEST <= found.year < _LATEST:
        raise RequestError(
            f"{time.isoformat()} lies outside the years {_EARLIEST} to {_LATEST}", where="as-of, start or end",
            remedy="give a moment such as 2013-09-01T02:00",
        )  # fmt: skip
    # A plain one: Prefect's own kind of moment loses its zone in comparisons.
    return datetime.combine(found.date(), found.time(), UTC)
