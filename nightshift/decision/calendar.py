"""Which nights a project has: when its cron line fires, which nights were missed, and what each one covers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim

from nightshift.errors import RequestError
from nightshift.findings import Night
from nightshift.records import Window, format_time
from nightshift.spec.night import Night as Schedule
from nightshift.spec.project import Project

_LOOK_BACK = (timedelta(days=2), timedelta(days=40), timedelta(days=370), timedelta(days=9 * 366))


class DoneNights(Protocol):
    """What the calendar asks of a journal."""

    def last_done(self) -> Night | None:
        """The newest night that was done; None before the first."""


@dataclass(frozen=True)
class DueNights:
    """The nights to do now.

    Attributes:
        nights: their moments, UTC, in the order in which they are to be done.
        skipped: how many older ones were missed too, and will not be done.
        note: what to tell of them; empty when there are none.
    """

    nights: tuple[datetime, ...]
    skipped: int = 0
    note: str = ""


def nights(schedule: str, timezone: str, after: datetime, until: datetime) -> list[datetime]:
    """The UTC moments in `(after, until]` at which the cron line fires on the clock of the time zone.

    A time of day that comes twice (a night of 25 hours) counts once, when it comes first. One that does not come at
    all (a night of 23 hours) counts at the moment that the summer-time reading of the clock gives, an hour before the
    clock would have shown it: the earlier of its two readings (PEP 495), and that of Prefect's scheduler. So no night
    is lost and none is doubled.

    >>> two = nights("30 2 * * *", "Europe/Berlin", datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
    >>> [format_time(moment) for moment in two]
    ['2024-03-30T01:30:00Z', '2024-03-31T00:30:00Z']
    """
    return list(dict.fromkeys(_firings(schedule, timezone, after, until)))


def due_nights(project: Project, journal: DoneNights, now: datetime, limit: int | None = None) -> DueNights:
    """The nights since the last one that was done, oldest first; before the first night, the newest only.

    Args:
        limit: how many at most, the newest; by default `night.catch_up`.

    Raises:
        RequestError: the project declares no night.
    """
    schedule = declared_night(project)
    last = journal.last_done()
    if last is None:
        newest = _newest(schedule, now)
        return DueNights(() if newest is None else (newest,))
    missed = nights(schedule.schedule, schedule.timezone, last.as_of, now)
    kept = missed[-(limit or schedule.catch_up) :]
    skipped = missed[: len(missed) - len(kept)]
    if not skipped:
        return DueNights(tuple(kept))
    return DueNights(
        tuple(kept),
        len(skipped),
        f"{len(skipped)} missed nights from {format_time(skipped[0])} to {format_time(skipped[-1])} are skipped: "
        f"at most {len(kept)} are done afterwards (night.catch_up)",
    )


def night_window(project: Project, as_of: datetime, last_done: datetime | None) -> Window:
    """The event times that are new to the night at `as_of`: since the last night that was done.

    Nights that were skipped are covered by the next one. Before the first, it is since the firing before.
    """
    if last_done is not None and last_done < as_of:
        return Window(start=last_done, end=as_of)
    before = None
    if project.night is not None:
        before = _newest(project.night, as_of - timedelta(microseconds=1))
    return Window(start=before or as_of - timedelta(days=1), end=as_of)


def declared_night(project: Project) -> Schedule:
    """The project's `night`.

    Raises:
        RequestError: it declares none.
    """
    if project.night is None:
        raise RequestError(
            f"the project {project.name!r} declares no night",
            where=f"projects/{project.name}/project.yaml",
            remedy='declare one, such as night: {schedule: "0 2 * * *", timezone: Europe/Berlin}, or give --as-of',
        )
    return project.night


def _firings(schedule: str, timezone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    zone = ZoneInfo(timezone)
    # A day to each side, so that no shift of the clock hides a firing at the edges.
    first, last = (_wall(at, zone) for at in (after - timedelta(days=1), until + timedelta(days=1)))
    for wall in CronSim(schedule, first):
        if wall > last:
            return
        moment = _utc(wall, zone)
        if after < moment <= until:
            yield moment


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clock of the zone shows, without the zone."""
    return at.astimezone(zone).replace(tzinfo=None)


def _utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first of the two moments that a time on the clock may stand for."""
    return min(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _newest(schedule: Schedule, now: datetime) -> datetime | None:
    """The last firing at or before `now`; None when there was none for years."""
    for length in _LOOK_BACK:
        found = nights(schedule.schedule, schedule.timezone, now - length, now)
        if found:
            return found[-1]
    return None
