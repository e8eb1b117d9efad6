"""What the benchmarks share: a home of their own with its server, commands measured from outside, and the last line.

Every benchmark runs real commands as processes of their own. A process's peak memory is `ru_maxrss` from wait4: the
most physical memory it ever held, mapped files included. A child begins with its parent's, so nothing heavy is
imported here: data are written, and databases made, by processes of their own too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "flights-delay"
TRAIN = ("train", PROJECT, "--as-of", "2013-09-01", "--json")
PREDICT = ("predict", PROJECT, "--start", "2013-09-01", "--end", "2013-10-01", "--json")

RECIPE: dict[str, Any] = {
    "split": {"train": "180d", "validate": "14d", "holdout": "14d"},
    "learner": {
        "kind": "lightgbm",
        "rounds": 500,
        "early_stopping": 30,
        "params": {"num_leaves": 31, "learning_rate": 0.03, "min_data_in_leaf": 300, "feature_fraction": 0.7},
    },
    "refit": False,
}

_STEP = re.compile(r"^\s*(\w+): .* in ([0-9.]+) s$", re.MULTILINE)
# What a run makes, and finds again if it is left. The server's own files are none of these.
_OUTCOMES = ("scratch", "results", "store", "mlartifacts", "mlflow.db", "mlflow.db-wal", "mlflow.db-shm")
_READY = """
from deployments.stack import ensure_prefect
from nightshift.settings import Settings
from registry.tracking import prepare
prepare(Settings())
ensure_prefect(Settings())
"""


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds on the clock and on the processors, and its peak memory."""

    wall: float
    cpu: float
    peak_mb: float
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object it printed last."""
        last: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return last

    @property
    def steps(self) -> dict[str, float]:
        """Seconds by step, as the steps themselves logged them."""
        return {name: float(seconds) for name, seconds in _STEP.findall(self.stderr)}


@dataclass(frozen=True)
class Home:
    """A NIGHTSHIFT_HOME in a temporary folder, with a running server, the flights, and nothing trained.

    Attributes:
        projects: a copy of the project, with the benchmarks' own recipe.
    """

    path: Path
    projects: Path

    @property
    def data(self) -> Path:
        """The folder with flights/ and weather.parquet."""
        return self.path / "data"

    @property
    def environment(self) -> dict[str, str]:
        """The caller's environment without what would lead to another home, server or registry."""
        inherited = os.environ  # noqa: TID251 (handed on to a child, not read)
        foreign = ("NIGHTSHIFT_", "PREFECT_", "MLFLOW_", "PYTHONPATH")
        kept = {name: value for name, value in inherited.items() if not name.startswith(foreign)}
        return kept | {
            "NIGHTSHIFT_HOME": str(self.path),
            "NIGHTSHIFT_PROJECTS": str(self.projects),
            # The commands set this for themselves. A bare script gets it too, or the waiting of LightGBM's
            # threads would be measured in place of the pipeline.
            "GOMP_SPINCOUNT": "1000",
        }

    def python(self, *arguments: str) -> Cost:
        """Run Python from the repository root."""
        return measured([sys.executable, *arguments], self.environment)

    def nightshift(self, *arguments: str) -> Cost:
        """Run the `nightshift` program."""
        return measured([str(Path(sys.executable).with_name("nightshift")), *arguments], self.environment)

    def forget(self) -> None:
        """Be as if nothing had ever run here, but for the server and the data: no step finds what it made before."""
        for name in _OUTCOMES:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        (self.path / "mlartifacts").mkdir()
        shutil.copyfile(self.path / "virgin.db", self.path / "mlflow.db")

    def server_mb(self) -> float:
        """What the local Prefect server holds now, which stays up between commands."""
        recorded = json.loads(self.nightshift("status", "--json").stdout)["services"]["prefect"]["pid"]
        server = psutil.Process(recorded)
        family = [server, *server.children(recursive=True)]
        return sum(process.memory_info().rss for process in family) / 1e6


def measured(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end and measure it.

    Raises:
        SystemExit: it failed; what it said is shown.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=err)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read(), err.read())
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{cost.stdout}{cost.stderr}")
    return cost


@contextmanager
def home(*, years: int = 1, train: str | None = None, rounds: int | None = None) -> Iterator[Home]:
    """A home that is gone afterwards, its server too, also after Ctrl-C.

    Args:
        years: how often the year of flights is there; 10 gives 10 times the rows.
        train: another split.train than the recipe's, such as `1800d`.
        rounds: another learner.rounds.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        path = Path(folder)
        made = Home(path, _projects(path, train, rounds))
        made.python("-m", "benchmarks.years", str(made.data), str(years))
        try:
            _say("starting a local Prefect server ...")
            made.python("-c", _READY)
            shutil.copyfile(path / "mlflow.db", path / "virgin.db")
            yield made
        finally:
            made.nightshift("down")


def _projects(path: Path, train: str | None, rounds: int | None) -> Path:
    """A copy of the project with the benchmarks' own recipe: its figures stay comparable when the project is tuned."""
    copy = path / "projects"
    shutil.copytree(ROOT / "projects" / PROJECT, copy / PROJECT)
    file = copy / PROJECT / "project.yaml"
    declared = yaml.safe_load(file.read_text()) | RECIPE
    declared["split"] = RECIPE["split"] | {"train": train or RECIPE["split"]["train"]}
    declared["learner"] = RECIPE["learner"] | {"rounds": rounds or RECIPE["learner"]["rounds"]}
    file.write_text(yaml.safe_dump(declared, sort_keys=False))
    return copy


def options(description: str | None, *, runs: int, scale: int | None = None) -> Namespace:
    """`--quick`, `--runs` and, where a benchmark has it, `--scale`."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="one small run: does it work at all?")
    parser.add_argument("--runs", type=int, default=runs, help=f"how often each is run (default {runs})")
    if scale is not None:
        parser.add_argument("--scale", type=int, choices=(1, 10), default=scale, help="times the year's rows")
    given = parser.parse_args()
    if given.quick:
        given.runs = 1
    return given


def small_or_whole(*, quick: bool, scale: int) -> dict[str, Any]:
    """What `home` is to make: the year, or `scale` of them with a train window that many times as long."""
    if quick:
        return {"years": 2 if scale > 1 else 1, "train": "360d" if scale > 1 else "60d", "rounds": 60}
    return {"years": scale, "train": f"{180 * scale}d"} if scale > 1 else {}


def spread(values: Sequence[float]) -> str:
    """Median, least and greatest, for a person."""
    return f"{statistics.median(values):8.2f}   ({min(values):.2f} to {max(values):.2f})"


def show(text: str) -> None:
    """A line for a person."""
    print(text, flush=True)


def finish(benchmark: str, **figures: object) -> None:
    """The last line: one JSON object. A missed target is told, and is no failure of the script."""
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()
    }
    print(json.dumps({"benchmark": benchmark, **rounded}), flush=True)


def stopped(main: Any) -> None:
    """Run a benchmark's main; Ctrl-C ends it without a traceback."""
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
