"""When the nights of a project begin: a cron line on the clock of a time zone."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from nightshift.errors import did_you_mean
from nightshift.spec.declaration import Declaration

_FIELDS = 5
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - cron lines are read on a wall clock


class Night(Declaration):
    """When the nightly run starts.

    Attributes:
        schedule: a cron line of five fields: minute, hour, day of the month, month, day of the week.
        timezone: whose clock it is read on, such as `America/New_York`.
        catch_up: how many missed nights are done afterwards; older ones are skipped.
    """

    schedule: str
    timezone: str = "UTC"
    catch_up: int = Field(default=14, ge=1, le=400)

    @field_validator("schedule")
    @classmethod
    def _is_a_cron_line(cls, schedule: str) -> str:
        fields = schedule.split()
        if len(fields) != _FIELDS:
            raise ValueError(
                f"a schedule has five fields (minute, hour, day, month, weekday), not {len(fields)}; "
                'every night at two is "0 2 * * *"'
            )
        # Cron programs differ on these, so the night would begin at one moment here and at another in Prefect.
        if fields[2] != "*" and fields[4] != "*":
            raise ValueError(
                "a day of the month together with a day of the week is read in two ways; leave one of them *"
            )
        if "L" in fields[4].upper() or "W" in fields[2].upper():
            raise ValueError("L among the weekdays, and W, are read in two ways; list the days instead")
        if any(re.search(r"(?<![\d-])\d+/", part) for part in fields):
            raise ValueError(
                "a step after a single number is read in two ways; write a range, such as 5-59/15"
            )
        try:
            next(CronSim(schedule, _SOME_DAY))
        except CronSimError as error:
            raise ValueError(
                f'{schedule!r} is no cron line: {str(error).lower()}; every night at two is "0 2 * * *"'
            ) from error
        except StopIteration as error:
            raise ValueError(f"{schedule!r} names a day that never comes") from error
        return schedule

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            known = available_timezones()
            meant = did_you_mean(timezone, known) or "write it as Europe/Berlin or UTC"
            raise ValueError(f"there is no time zone {timezone!r}; {meant}") from error
        return timezone

    def times_of_day(self) -> tuple[time, ...]:
        """The times of day at which a night can begin, in order.

        >>> Night(schedule="30 2,14 * * 1-5").times_of_day()
        (datetime.time(2, 30), datetime.time(14, 30))
        """
        minute, hour, *_ = self.schedule.split()
        firings = CronSim(f"{minute} {hour} * * *", _SOME_DAY - timedelta(seconds=1))
        return tuple(at.time() for at in takewhile(lambda at: at < _SOME_DAY + timedelta(days=1), firings))
