"""The drift policy and the night in project.yaml: defaults, what is read, and what is refused with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.server.schemas.schedules import CronSchedule
from pydantic import ValidationError

from nightshift.errors import RequestError
from nightshift.spec.drift import Drift, Freeze, QuietHours
from nightshift.spec.load import read_project
from nightshift.spec.night import Night
from nightshift.spec.project import Project

ROOT = Path(__file__).parents[3]
DAY = timedelta(days=1)

PROJECT: dict[str, Any] = {
    "name": "demo",
    "purpose": "p",
    "owner": "o",
    "sources": {"rows": {"kind": "files", "uri": "x"}},
    "dataset": {"key": ["id"], "event_time": "at", "label": {"column": "y", "kind": "binary"}},
}


def read(folder: Path, text: str) -> Project:
    """Read a project.yaml whose `drift` and `night` are written as YAML."""
    path = folder / "demo" / "project.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(PROJECT) + text, encoding="utf-8")
    (path.parent / "dataset.sql").write_text("select 1", encoding="utf-8")
    return read_project(path)


def test_all_that_can_be_said_is_read(tmp_path: Path) -> None:
    project = read(tmp_path, """
drift:
  window: 14d
  reference: weekday
  segments: [origin]
  signals: {psi: {floor: 0.2}, ks: {enabled: false}}
  false_discovery: 0.05
  min_weight: 0
  feature_drift: watch
  trips: {windows: 3, of: 5, worse: 2}
  performance: {margin: 0.01, unit: metric, estimated: watch}
  max_age: null
  min_labels: 50
  cooldown: 12h
  per_week: 1
  quiet_hours: {from: 08:00, to: 18:00}
  freeze: [{from: 2013-12-20, to: 2014-01-05}, {from: 2015-01-01}]
night: {schedule: "20 2 * * 1-5", timezone: Asia/Kolkata, catch_up: 3}
""")  # fmt: skip
    drift = project.drift
    assert (drift.window, drift.max_age, drift.cooldown) == (14 * DAY, None, DAY / 2)
    assert drift.segments == ("origin",)
    assert drift.signals["psi"].floor == 0.2
    assert not drift.signals["ks"].enabled
    assert (drift.trips.windows, drift.trips.of, drift.trips.worse) == (3, 5, 2)
    assert drift.performance.borne(0.7) == 0.01
    assert drift.quiet_hours is not None
    assert (drift.quiet_hours.start, drift.quiet_hours.end) == (time(8), time(18))
    assert [span.start for span in drift.freeze] == [date(2013, 12, 20), date(2015, 1, 1)]
    assert project.night == Night(schedule="20 2 * * 1-5", timezone="Asia/Kolkata", catch_up=3)


def test_what_is_read_survives_being_written() -> None:
    drift = Drift.model_validate(
        {"freeze": True, "quiet_hours": {"from": "22:30", "to": 360}, "max_age": None}
    )
    assert Drift.model_validate(drift.model_dump(mode="json", by_alias=True)) == drift


def test_the_policy_is_part_of_the_declarations_hash() -> None:
    plain = Project.model_validate(PROJECT)
    assert Project.model_validate(PROJECT | {"drift": {}}).spec_hash == plain.spec_hash
    assert Project.model_validate(PROJECT | {"drift": {"per_week": 3}}).spec_hash != plain.spec_hash


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("projects/*/project.yaml")), ids=lambda path: path.parent.name
)
def test_the_projects_of_this_repository_have_a_policy_and_a_night(path: Path) -> None:
    project = read_project(path)
    assert project.drift.trips.windows <= project.drift.trips.of
    # The network is trained when somebody asks: its nights would slow the demo down.
    assert (project.night is None) == (project.name == "flights-delay-nn")


REFUSED: Mapping[str, tuple[str, str]] = {
    "more windows than there are": ("drift: {trips: {windows: 4}}", "so many of so few can never trip"),
    "cooldown": ("drift: {cooldown: 40d}", "cooldown is 40d and max_age 30d"),
    "no budget": ("drift: {per_week: 0}", "say freeze: true"),
    "empty quiet hours": ('drift: {quiet_hours: {from: "08:00", to: "08:00"}}', "leave them out for none"),
    "no time of day": ('drift: {quiet_hours: {from: "25:00", to: "08:00"}}', "is no time of day"),
    "no time of day at all": ("drift: {quiet_hours: {from: true, to: 1}}", "is no time of day"),
    "half of the quiet hours": ('drift: {quiet_hours: {from: "08:00"}}', "the key 'to' is missing"),
    "every night is quiet": (
        'drift: {quiet_hours: {from: "01:00", to: "03:00"}}\nnight: {schedule: "0 2 * * *"}', "none could ever retrain"
    ),
    "a freeze backwards": ("drift: {freeze: [{from: 2014-01-05, to: 2013-12-20}]}", "which is earlier"),
    "nothing could retrain": (
        "drift: {feature_drift: watch, max_age: null, performance: {realised: watch, estimated: watch}}",
        "nothing could ever lead to a retrain",
    ),
    "an answer that is none": ("drift: {feature_drift: retrian}", "did you mean 'retrain'?"),
    "a key misspelt": ("drift: {cooldwn: 3d}", "did you mean 'cooldown'?"),
    "a key misspelt further in": ("drift: {trips: {window: 2}}", "did you mean 'windows'?"),
    "a freeze misspelt": ("drift: {freeze: [{fron: 2013-01-01}]}", "did you mean 'from'?"),
    "a signal's key misspelt": ("drift: {signals: {psi: {flor: 1}}}", "did you mean 'floor'?"),
    "a margin below nought": ("drift: {performance: {margin: -0.1}}", "greater than or equal to 0"),
    "a share above one": ("drift: {min_weight: 2}", "less than 1"),
    "a cron line too short": ('night: {schedule: "0 2 * *"}', "five fields"),
    "a cron word": ('night: {schedule: "@daily"}', "five fields"),
    "an hour too late": ('night: {schedule: "0 25 * * *"}', "bad hour"),
    "a day that never comes": ('night: {schedule: "0 2 30 2 *"}', "no cron line"),
    "a zone misspelt": ('night: {schedule: "0 2 * * *", timezone: Europe/Belin}', "did you mean 'Europe/Berlin'?"),
    "no zone": ('night: {schedule: "0 2 * * *", timezone: ../../etc/passwd}', "there is no time zone"),
    "an empty zone": ('night: {schedule: "0 2 * * *", timezone: ""}', "there is no time zone"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    text, reason = REFUSED[name]
    with pytest.raises(RequestError) as refused:
        read(tmp_path, text + "\n")
    assert reason in str(refused.value)
    assert refused.value.exit_code == 2
    assert "project.yaml: " in refused.value.where


@pytest.mark.parametrize(
    "schedule", ["0 2 1 * 1", "0 2 */2 * mon", "0 2 * * 5L", "0 2 LW * *", "5/15 * * * *"]
)
def test_what_cron_programs_read_differently_is_refused(schedule: str) -> None:
    with pytest.raises(ValidationError, match="two ways"):
        Night(schedule=schedule)


@pytest.mark.parametrize(
    "schedule", ["0 2 * * *", "*/15 1-3 * * 1-5", "0 2 L * *", "0 2 29 2 *", "0 2 * JAN,jul SUN#1"]
)
def test_what_is_accepted_prefect_accepts_too(schedule: str) -> None:
    assert CronSchedule(cron=Night(schedule=schedule).schedule, timezone="UTC")


def test_quiet_hours_may_cover_some_of_the_nights(tmp_path: Path) -> None:
    text = 'drift: {quiet_hours: {from: "01:00", to: "03:00"}}\nnight: {schedule: "0 2,14 * * *"}\n'
    assert read(tmp_path, text).drift.quiet_hours


@pytest.mark.parametrize(
    ("start", "end"), [("08:00", "18:00"), ("22:00", "06:00"), ("00:00", "00:01"), ("23:59", "00:00")]
)
def test_quiet_hours_cover_what_walking_the_clock_from_their_start_covers(start: str, end: str) -> None:
    quiet = QuietHours.model_validate({"from": start, "to": end})
    walked, at = set(), datetime.combine(date(2024, 1, 1), quiet.start)
    while at.time() != quiet.end:
        walked.add(at.time())
        at += timedelta(minutes=1)
    minutes = [time(*divmod(minute, 60)) for minute in range(24 * 60)]
    assert {minute for minute in minutes if quiet.covers(minute)} == walked


@pytest.mark.parametrize(("freeze", "days"), [
    (True, {1, 2, 3, 4, 5}), (False, set()), ([], set()), ([{"from": "2024-01-02", "to": "2024-01-03"}], {2, 3}),
    ([{"to": "2024-01-02"}], {1, 2}), ([{"from": "2024-01-05"}, {"to": "2024-01-01"}], {1, 5}),
])  # fmt: skip
def test_a_freeze_covers_both_of_its_ends(freeze: object, days: set[int]) -> None:
    spans = Drift.model_validate({"freeze": freeze}).freeze
    assert {day for day in range(1, 6) if any(span.covers(date(2024, 1, day)) for span in spans)} == days


def test_a_freeze_tells_when() -> None:
    assert str(Freeze()) == "until further notice"
    assert str(Freeze.model_validate({"from": "2024-01-05"})) == "from 2024-01-05"


def test_times_of_day_of_a_schedule() -> None:
    assert Night(schedule="0 2 * * 1").times_of_day() == (time(2),)
    assert len(Night(schedule="* * * * *").times_of_day()) == 24 * 60
    assert Night(schedule="0 0 * * *").times_of_day() == (time(0),)
