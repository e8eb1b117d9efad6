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
from typing import TYPE_CHECKING

from deployments.screen import Screen
from nightshift.errors import OutsideError
from nightshift.records import format_time
from nightshift.settings import Settings

if TYPE_CHECKING:
    from nightshift.monitoring.nights import NightRun
    from nightshift.replay.unmanaged import Replay

PROJECT = "flights-delay"
BEGIN, END = datetime(2013, 6, 1, tzinfo=UTC), datetime(2013, 12, 31, tzinfo=UTC)
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
    return Replay(moments, END)


def play(screen: Screen, settings: Settings) -> Nights:
    """Do every night in order; the unmanaged models are trained beside, in a process and a home of their own."""
    from flows.nightly import nightly

    replay = replayed()
    played = Nights(replay, settings.scratch_path / PROJECT / "unmanaged.arrow")
    started = time.perf_counter()
    with _beside(played, settings) as beside:
        for moment in (*replay.moments, replay.end):
            (run,) = nightly(project=PROJECT, as_of=moment)
            played.runs.append(run)
            screen.say(told(run))
        played.seconds = time.perf_counter() - started
        for line in beside:
            screen.say(f"[dim]  retrained at every step: {line.split()[0]} of {len(replay.moments)}[/]")
            played.always_seconds = float(line.split()[1])
    return played


def told(run: NightRun) -> str:
    """A night in one line."""
    night = run.night
    what: str = night.decision.action
    if run.trained is not None:
        what = f"[bold]{'retrained' if night.promoted else 'retrained, refused'}[/]"
    why = night.decision.reasons[0] if night.decision.reasons else ""
    return f"{format_time(night.as_of)}  {what}: {why}"


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
