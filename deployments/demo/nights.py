"""The demo's second act: half a year of nights, seeing only what was known then, and the same unmanaged beside it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from deployments.screen import Screen, StepProgress
from nightshift.errors import OutsideError
from nightshift.settings import Settings

if TYPE_CHECKING:
    from nightshift.monitoring.nights import NightRun
    from nightshift.replay.unmanaged import Replay

PROJECT = "flights-delay"
ZONE = ZoneInfo("America/New_York")
"""Whose clock the nights are on: a week is a week there, also when the clock is changed."""

BEGIN, END = datetime(2013, 6, 1, tzinfo=ZONE), datetime(2013, 12, 31, tzinfo=ZONE)
STEP = timedelta(days=7)


@dataclass
class Nights:
    """The nights that were done, and where the unmanaged scores are.

    Attributes:
        seconds: how long all nights took, and how long the trainings of one that is retrained at every step.
    """

    replay: Replay
    unmanaged: Path
    runs: list[NightRun] = field(default_factory=list)
    seconds: float = 0.0
    always_seconds: float = 0.0


def replayed() -> Replay:
    """A night a week from June to the end of the year."""
    from nightshift.replay.unmanaged import Replay

    moments = [BEGIN]
    while moments[-1] + STEP < END:
        moments.append(moments[-1] + STEP)
    return Replay([moment.astimezone(UTC) for moment in moments], END.astimezone(UTC))


def play(screen: Screen, steps: StepProgress, settings: Settings) -> Nights:
    """Do every night in order; the unmanaged models are trained beside, in a process and a home of their own."""
    from flows.nightly import nightly

    replay = replayed()
    played = Nights(replay, settings.scratch_path / PROJECT / "unmanaged.arrow")
    started = time.perf_counter()
    with _beside(played, settings) as beside:
        with steps.quietly("nights", len(replay.moments) + 1) as move:
            for moment in (*replay.moments, replay.end):
                (run,) = nightly(project=PROJECT, as_of=moment)
                played.runs.append(run)
                screen.say(told(run))
                move()
        played.seconds = time.perf_counter() - started
        with steps.quietly("the same, retrained at every step", len(replay.moments)) as move:
            for line in beside:
                played.always_seconds = float(line.split()[1])
                move()
    return played


def told(run: NightRun) -> str:
    """A night in one line of a screen."""
    night = run.night
    reason = shorten(night.decision.reasons[0].split(": ", 1)[-1], 55, placeholder=" ...")
    if run.trained is None:
        return (
            f"[dim]  {night.as_of.astimezone(ZONE):%Y-%m-%d}  {night.decision.action:<9} {escape(reason)}[/]"
        )
    what = "retrained" if night.promoted else "refused"
    return f"  {night.as_of.astimezone(ZONE):%Y-%m-%d}  [bold]{what:<9}[/] {escape(reason)}"


@contextmanager
def _beside(played: Nights, settings: Settings) -> Iterator[Iterator[str]]:
    """The unmanaged half of the replay, running; its lines can be read. It is ended with the block."""
    replay = played.replay
    home = settings.scratch_path / PROJECT / "unmanaged"
    moments = [moment.isoformat() for moment in (replay.end, *replay.moments)]
    words = [
        sys.executable, "-m", "deployments.demo.unmanaged", PROJECT, str(home), str(played.unmanaged), *moments,
    ]  # fmt: skip
    # What it says goes to a file: a pipe that nobody reads would hold it up.
    log = home.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors, subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
    ) as process:  # fmt: skip
        try:
            yield _lines(process, log)
        finally:
            process.terminate()


def _lines(process: subprocess.Popen[str], log: Path) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout
    if process.wait() != 0:
        raise OutsideError(
            f"the models that nobody manages could not be trained: {log.read_text().strip().splitlines()[-1]}",
            where=str(log),
            remedy="run the demo again",
        )
