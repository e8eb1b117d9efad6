"""Kill the worker, a run or the server at any moment of twenty nights: each night is done once, and nothing leaks."""

from __future__ import annotations

import logging
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from deployments.stack import down, process, record, status
from deployments.stack.servers import MLFLOW, PREFECT
from deployments.stack.worker import WORKER
from nightshift.settings import Settings
from registry.versions import Versions
from tests.conftest import cli_command, declare_project
from tests.deployments.test_deploy import Place, until, write_prefect_yaml

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

logger = logging.getLogger(__name__)

SEED = 20240210
NAME = "nights"
FIRST = datetime(2024, 2, 10, tzinfo=UTC)
ROWS, ROWS_A_NIGHT = 8_000, 200
TRIES = 4
RUN_VARIABLE = "PREFECT__FLOW_RUN_ID"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Nights:
    """The nights of one project, on a stack that gets killed."""

    place: Place
    commands: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.place.project.name

    def by_deployment(self, as_of: datetime) -> Callable[[], bool]:
        """Start the night as the worker's; tells whether its run has ended."""
        run = self.place.start("nightly", project=self.name, as_of=as_of.isoformat())

        def has_ended() -> bool:
            try:
                return self.place.run(run)["state"]["type"] in ENDED
            except TimeoutError:  # just after a kill the server may take longer than this for an answer
                return False

        return has_ended

    def by_command(self, as_of: datetime) -> Callable[[], bool]:
        """Start the night as a person would; tells whether the command has ended."""
        command = subprocess.Popen(
            cli_command("nightly", self.name, "--as-of", as_of.isoformat()),
            cwd=self.place.folder, env=self.place.environment, text=True,
            stdout=subprocess.DEVNULL, stderr=(self.place.folder / "commands.log").open("a"),
        )  # fmt: skip
        self.commands.append(command)
        return lambda: command.poll() is not None

    def rows(self, table: str) -> pa.Table:
        return DeltaTable(
            self.place.settings.home_path / "store" / "lake" / self.name / table
        ).to_pyarrow_table()

    def is_done(self, as_of: datetime) -> bool:
        if not (
            self.place.settings.home_path / "store" / "lake" / self.name / "decisions" / "_delta_log"
        ).is_dir():
            return False
        return any(
            row["as_of"] == as_of and row["state"] == "done" for row in self.rows("decisions").to_pylist()
        )

    def is_running(self) -> bool:
        return any(run["state"]["type"] == "RUNNING" for run in self.place.unfinished())

    def shortest(self) -> float:
        """Seconds that the shortest night so far took."""
        return float(pc.min(self.rows("decisions")["seconds"]).as_py())

    def finish(self, as_of: datetime, has_ended: Callable[[], bool]) -> int:
        """Wait, and ask for the night again until it is done; returns how often that took."""
        for times in range(1, TRIES + 1):
            until(has_ended, 300)
            if self.is_done(as_of):
                return times
            has_ended = self.by_deployment(as_of)
        raise AssertionError(f"the night of {as_of} was not done in {TRIES} tries")


def belonging_to(home: Path, *, only_runs: bool = False) -> list[psutil.Process]:
    """Every process with this home, but for zombies; or only those that a flow runs in."""
    found = []
    for one in psutil.process_iter():
        try:
            environment = one.environ()
            is_run = RUN_VARIABLE in environment or "nightly" in one.cmdline()
            is_ours = environment.get("NIGHTSHIFT_HOME") == str(home) and one.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):  # gone meanwhile, or somebody else's
            continue
        if is_ours and (is_run or not only_runs):
            found.append(one)
    return found


def kill(processes: list[psutil.Process]) -> None:
    for one in processes:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def worker_alone(settings: Settings) -> list[psutil.Process]:
    """The worker's own process, without the runs that it started."""
    known = record.read(settings.home_path)[WORKER.name]
    found = known.pid and process.find(known.pid, known.created, WORKER.mark(settings))
    return [found] if found else []


VICTIMS: dict[str, Callable[[Settings], list[psutil.Process]]] = {
    "run": lambda settings: belonging_to(settings.home_path, only_runs=True),
    "worker": worker_alone,
    "server": lambda settings: process.family({PREFECT.mark(settings)}),
    # As when the machine stops.
    "everything": lambda settings: (
        process.family({each.mark(settings) for each in (PREFECT, MLFLOW, WORKER)})
        + belonging_to(settings.home_path, only_runs=True)
    ),
}


@dataclass(frozen=True)
class Attack:
    """Who is killed in a night, and when: at any moment after it was asked for, or after it has begun."""

    victim: str
    once_begun: bool
    on_command: bool = False


PLAN = [
    *(Attack(victim, once_begun) for victim in VICTIMS for once_begun in (True, False) for _ in range(2)),
    *(Attack(victim, once_begun=True, on_command=True) for victim in VICTIMS),
]
NIGHTS = len(PLAN)
"""After the first, which nobody disturbs."""


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    names: dict[str, Any] = {"PREFECT_API_URL": None, "MLFLOW_TRACKING_URI": None}
    settings = Settings(home=tmp_path / "home", **names)
    project = declare_project(
        tmp_path / "projects", tmp_path / "data", "binary", ROWS, name=NAME,
        split={"train": "14d", "validate": "3d", "holdout": "3d"},
        # So that some of the nights train.
        drift={"max_age": "4d", "cooldown": "1d", "per_week": 7, "min_labels": 1},
    )  # fmt: skip
    write_prefect_yaml(tmp_path)
    place = Place(tmp_path, settings, project)
    try:
        place.up()
        yield Nights(place)
    finally:
        down(settings)
        kill(belonging_to(settings.home_path))


def test_nights_killed_at_any_moment_are_each_done_once(nights: Nights) -> None:
    place, settings = nights.place, nights.place.settings
    place.deploy()
    asked = time.monotonic()
    has_ended = nights.by_deployment(FIRST)
    until(lambda: nights.is_running() or has_ended(), 120)
    to_begin = time.monotonic() - asked
    assert nights.finish(FIRST, has_ended) == 1

    random, again = np.random.default_rng(SEED), 0
    for number, place_in_plan in enumerate(random.permutation(len(PLAN)), start=1):
        attack, as_of = PLAN[place_in_plan], FIRST + timedelta(days=number)
        has_ended = nights.by_command(as_of) if attack.on_command else nights.by_deployment(as_of)
        longest = nights.shortest()
        if attack.once_begun:
            until(lambda ended=has_ended: nights.is_running() or ended(), 120)  # type: ignore[misc]
        else:
            longest += to_begin
        time.sleep(float(random.uniform(0.0, longest)))
        kill(VICTIMS[attack.victim](settings))
        place.up()
        times = nights.finish(as_of, has_ended)
        again += times - 1
        logger.info("%s: %s, asked for %d times", f"{as_of:%Y-%m-%d}", attack, times)
    assert again >= NIGHTS // 10  # or hardly a kill came in time

    assert_all_settled(nights)
    assert_each_night_once(nights)
    down(settings)
    assert place.processes() == []
    assert belonging_to(settings.home_path) == []


def assert_all_settled(nights: Nights) -> None:
    """No run is under way, by the server's account or by the machine's, and no slot is held."""
    place = nights.place
    assert all(service.healthy for service in status(place.settings))
    until(lambda: place.unfinished() == [], 180)
    limits = place.ask("POST", "v2/concurrency_limits/filter", {})
    assert [limit["name"] for limit in limits if limit["active_slots"]] == []
    # A process ends some moments after the run that it tells of.
    until(lambda: belonging_to(place.settings.home_path, only_runs=True) == [], 60)


def assert_each_night_once(nights: Nights) -> None:
    decisions = nights.rows("decisions").to_pylist()
    wanted = [FIRST + timedelta(days=number) for number in range(NIGHTS + 1)]
    assert sorted(row["as_of"] for row in decisions) == wanted
    assert {row["state"] for row in decisions} == {"done"}

    signals = nights.rows("monitoring").to_pylist()
    assert max(Counter((row["as_of"], row["place"]) for row in signals).values()) == 1

    predictions = nights.rows("predictions").to_pylist()
    assert max(Counter((row["id"], row["model_version"]) for row in predictions).values()) == 1
    ids = {
        row["id"] for row in nights.place.project.rows().to_pylist()
        if FIRST - timedelta(days=1) <= row["sold_at"] < wanted[-1]
    }  # fmt: skip
    assert len(ids) == ROWS_A_NIGHT * (NIGHTS + 1)
    assert {row["id"] for row in predictions} == ids

    trained = {version.as_of: version.version for version in Versions.of(NAME, nights.place.settings).all()}
    assert len(trained) > NIGHTS // 5  # or no night trained, and nothing was killed in training
    assert {row["as_of"]: row["trained"] for row in decisions if row["trained"]} == trained
