"""The calendar against Prefect's own scheduler, over every change of the clocks that makes nights odd."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from prefect.server.schemas.schedules import CronSchedule
from pydantic import ValidationError

from nightshift.decision.calendar import due_nights, night_window, nights
from nightshift.errors import RequestError
from nightshift.findings import Decision, Night
from nightshift.records import Window
from nightshift.spec.night import Night as Schedule
from nightshift.spec.project import Project

DAY = timedelta(days=1)
CRONS = [
    "0 2 * * *", "30 2 * * *", "15 1 * * *", "45 1 * * *", "59 1 * * *", "0 3 * * *", "0 0 * * *", "20 2 * * 1-5",
    "0 1 * * 0", "0 * * * *", "*/15 * * * *", "0 2 29 2 *", "30 2,14 * * *", "0 2 * * MON#2",
]  # fmt: skip
WEEKS = [
    ("America/New_York", "2024-03-07"), ("America/New_York", "2024-10-31"),
    ("Europe/Berlin", "2024-03-28"), ("Europe/Berlin", "2024-10-24"),
    ("Australia/Lord_Howe", "2024-04-04"), ("Australia/Lord_Howe", "2024-10-03"),
    ("Asia/Kolkata", "2024-02-26"), ("Asia/Kathmandu", "2024-03-07"), ("UTC", "2024-02-26"),
    ("America/St_Johns", "2024-03-07"), ("Pacific/Apia", "2024-02-26"),
]  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def prefect(cron: str, timezone: str, start: datetime, end: datetime, most: int = 1000) -> list[datetime]:
    """What the scheduler would plan in [start, end], as UTC moments in order."""
    found = asyncio.run(CronSchedule(cron=cron, timezone=timezone).get_dates(n=most, start=start, end=end))
    return sorted({datetime.fromtimestamp(moment.timestamp(), UTC) for moment in found})


def is_skipped(moment: datetime, cron: str, timezone: str) -> bool:
    """Whether the moment stands for a time that the clock never showed."""
    shown = moment.astimezone(ZoneInfo(timezone))
    times = Schedule(schedule=cron).times_of_day()
    return shown.time() not in times


@pytest.mark.parametrize(("timezone", "start"), WEEKS)
@pytest.mark.parametrize("cron", CRONS)
def test_a_week_of_nights_is_prefects(cron: str, timezone: str, start: str) -> None:
    begin, end = at(start), at(start) + 7 * DAY
    ours = nights(cron, timezone, begin - timedelta(microseconds=1), end)
    theirs = prefect(cron, timezone, begin, end)
    if sys.version_info >= (3, 13):  # there Prefect reads a time that never came an hour later
        ours = [moment for moment in ours if not is_skipped(moment, cron, timezone)]
        theirs = [moment for moment in theirs if not is_skipped(moment, cron, timezone)]
    assert ours == theirs


@pytest.mark.parametrize(("timezone", "start"), WEEKS[:6])
def test_the_scheduler_that_plans_again_and_again_adds_no_night(timezone: str, start: str) -> None:
    """Prefect plans from the present moment, again and again: here from odd minutes all over the week."""
    begin = at(start) + timedelta(minutes=7)
    starts = [begin + step * timedelta(minutes=47) for step in range(150)]

    async def plan() -> set[datetime]:
        schedule = CronSchedule(cron="30 2 * * *", timezone=timezone)
        planned = [(now, await schedule.get_dates(n=2, start=now)) for now in starts]
        found = [
            (now, datetime.fromtimestamp(one.timestamp(), UTC)) for now, dates in planned for one in dates
        ]
        return {moment for now, moment in found if moment >= now}

    expected = nights("30 2 * * *", timezone, begin, begin + 5 * DAY)
    if sys.version_info < (3, 13):
        assert sorted(moment for moment in asyncio.run(plan()) if moment <= expected[-1]) == expected


@pytest.mark.parametrize("seed", range(30))
def test_any_accepted_cron_line_fires_when_prefect_fires_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    cron = _some_cron(random)
    try:
        schedule = Schedule(schedule=cron).schedule
    except ValidationError:
        pytest.skip(f"{cron} is refused")
    start, end = at("2025-01-01"), at("2025-12-01")
    theirs = prefect(schedule, "UTC", start, end, most=100)
    last = theirs[-1] if len(theirs) == 100 else end
    assert nights(schedule, "UTC", start - timedelta(seconds=1), last) == theirs


def _some_cron(random: np.random.Generator) -> str:
    fields = []
    for low, high in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6)):
        first, last = sorted(random.choice(np.arange(low, high + 1), 2, replace=False).tolist())
        forms = ["*", "*", f"{first}", f"{first}-{last}", f"{first},{last}", f"{first}-{last}/2", "*/4"]
        fields.append(str(random.choice(forms)))
    fields[int(random.choice([2, 4]))] = "*"
    return " ".join(fields)


@pytest.mark.parametrize(
    "timezone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]
)
@pytest.mark.parametrize("cron", ["0 2 * * *", "30 1 * * *", "10 3 * * *", "0 0 * * *"])
def test_a_year_has_a_night_for_every_day(cron: str, timezone: str) -> None:
    found = nights(cron, timezone, at("2023-12-31T15:00:00"), at("2024-12-31T15:00:00"))
    days = [moment.astimezone(ZoneInfo(timezone)).date() for moment in found]
    assert len(found) == 366
    assert len(set(days)) == 366
    lengths = [after - before for before, after in pairwise(found)]
    assert all(timedelta(hours=22) < length < timedelta(hours=26) for length in lengths)


def test_leap_day_has_its_nights() -> None:
    assert nights("0 2 29 2 *", "UTC", at("2020-03-01"), at("2025-01-01")) == [at("2024-02-29T02:00:00")]
    # Prefect 3.8 leaves out the first of March of a leap year here: its night is caught up the day after.
    assert at("2024-03-01T05:05:00") in nights("5 5 */15 * *", "UTC", at("2024-02-20"), at("2024-03-05"))


@pytest.mark.parametrize("cuts", [2, 7, 50])
def test_pieces_of_a_year_make_the_year(cuts: int) -> None:
    random = np.random.default_rng(cuts)
    start, end = at("2024-01-01"), at("2025-01-01")
    inner = sorted(start + timedelta(seconds=int(second)) for second in random.integers(0, 366 * 86400, cuts))
    edges = [start, *inner, end]
    pieces = [nights("30 1 * * *", "America/New_York", a, b) for a, b in pairwise(edges)]
    assert [moment for piece in pieces for moment in piece] == nights(
        "30 1 * * *", "America/New_York", start, end
    )


# What is due


@dataclass
class Done:
    """A journal that knows its newest night."""

    night: Night | None = None

    def last_done(self) -> Night | None:
        return self.night


def done(as_of: datetime) -> Done:
    window, decision = Window(start=as_of - DAY, end=as_of), Decision(action="watch", reasons=("x",))
    return Done(
        Night(project="demo", as_of=as_of, window=window, state="done", decision=decision, finished_at=as_of)
    )


def project(**night: object) -> Project:
    declared = {"schedule": "0 2 * * *", "timezone": "America/New_York"} | night
    return Project.model_validate({
        "name": "demo", "purpose": "p", "owner": "o", "sources": {"rows": {"kind": "files", "uri": "x"}},
        "dataset": {"key": ["id"], "event_time": "at", "label": {"column": "y", "kind": "binary"}},
        "night": declared,
    })  # fmt: skip


NOW = at("2024-03-12T12:00:00")


def test_missed_nights_are_due_in_order() -> None:
    due = due_nights(project(), done(at("2024-03-09T07:00:00")), NOW)
    assert due.nights == (at("2024-03-10T06:00:00"), at("2024-03-11T06:00:00"), at("2024-03-12T06:00:00"))
    assert (due.skipped, due.note) == (0, "")


def test_a_night_that_is_done_is_not_due() -> None:
    assert due_nights(project(), done(at("2024-03-12T06:00:00")), NOW).nights == ()
    assert due_nights(project(), done(at("2024-03-12T06:00:00")), at("2024-03-13T05:59:59")).nights == ()


def test_a_night_begins_on_its_moment() -> None:
    due = due_nights(project(), done(at("2024-03-12T06:00:00")), at("2024-03-13T06:00:00"))
    assert due.nights == (at("2024-03-13T06:00:00"),)


def test_older_nights_than_can_be_caught_up_are_skipped_with_a_note() -> None:
    due = due_nights(project(catch_up=5), done(at("2024-02-01T07:00:00")), NOW)
    assert len(due.nights) == 5
    assert due.nights[-1] == at("2024-03-12T06:00:00")
    assert due.skipped == 40 - 5
    assert due.note.startswith(
        "35 missed nights from 2024-02-02T07:00:00Z to 2024-03-07T07:00:00Z are skipped"
    )
    assert len(due_nights(project(catch_up=5), done(at("2024-02-01T07:00:00")), NOW, limit=2).nights) == 2


@pytest.mark.parametrize("schedule", ["0 2 * * *", "0 2 * * 1", "0 2 1 * *", "0 2 1 1 *", "0 2 29 2 *"])
def test_the_first_night_is_the_newest_one(schedule: str) -> None:
    (first,) = due_nights(project(schedule=schedule), Done(), at("2023-06-01")).nights
    begin = at("2020-01-01" if "29" in schedule else "2022-12-01")
    assert first == prefect(schedule, "America/New_York", begin, at("2023-06-01"))[-1]


def test_a_project_without_a_night_is_told_so() -> None:
    with pytest.raises(RequestError, match="declares no night"):
        due_nights(project().model_copy(update={"night": None}), Done(), NOW)


def test_windows_leave_no_gap_also_over_skipped_nights() -> None:
    one, two = at("2024-03-09T07:00:00"), at("2024-03-12T06:00:00")
    assert night_window(project(), two, one) == Window(start=one, end=two)
    assert night_window(project(), two, None) == Window(start=at("2024-03-11T06:00:00"), end=two)
    assert night_window(project().model_copy(update={"night": None}), two, None) == Window.until(two, DAY)
    assert night_window(project(), one, two).end == one
