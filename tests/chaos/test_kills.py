"""Kill a run at any moment: the lake and the registry are as before or complete, and the next run carries on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from deltalake import DeltaTable

from registry.versions import SETTLED
from tests.conftest import MakeProject, RunCli, SmallProject, cli_command, cli_environment
from tests.e2e.conftest import kept_state

SEED = 20240301
KILLS = 20
AS_OF = ("--as-of", "2024-03-01")
# One commit each, so that a table has these rows or, before, none.
INGEST = ("ingest", "--start", "2024-01-21", "--end", "2024-03-01", *AS_OF)
TRAIN = ("train", *AS_OF)
ROWS = 20_000


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody killed leaves, and how long it took."""

    rows: dict[str, int]
    champion: dict[str, Any]
    seconds: float


def command_of(project: SmallProject, words: tuple[str, ...]) -> tuple[str, ...]:
    return (words[0], project.name, *words[1:])


def table_rows(home: Path) -> dict[str, int]:
    """How many rows each table of the lake has now; a table cannot be opened unless it is whole."""
    logs = (home / "store" / "lake").glob("*/*/_delta_log")
    return {
        log.parent.name: DeltaTable(log.parent).to_pyarrow_table().num_rows
        for log in logs
        if any(log.glob("*.json"))
    }


def start(words: tuple[str, ...], home: Path, prefect_api: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        cli_command(*words),
        cwd=home.parent,
        env=cli_environment(prefect_api),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_at(process: subprocess.Popen[str], sign: signal.Signals) -> int:
    """Send the signal, wait for the end, and see that no child outlives it."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(sign)
    _, told = process.communicate(timeout=120)
    assert "Traceback" not in told, told
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
    return process.returncode


def assert_before_or_complete(home: Path, before: dict[str, int], complete: Undisturbed) -> None:
    for table, rows in table_rows(home).items():
        assert rows in (before.get(table), complete.rows[table]), table
    state = kept_state(home)
    versions = state["model_versions"]
    assert isinstance(versions, list)
    assert len(versions) <= 1
    # A champion is only ever a version that is there, with all that leads back from it.
    aliases = state["aliases"]
    assert aliases in ([], [(name, "champion", number) for name, number, _ in versions])


def assert_carries_on(
    project: SmallProject, home: Path, run_cli: RunCli, words: tuple[str, ...], complete: Undisturbed
) -> None:
    began = time.time()
    again = run_cli(*command_of(project, words))
    assert again.code == 0, again
    assert "Traceback" not in again.stderr
    assert table_rows(home) == complete.rows
    stale = [path for path in home.rglob("*.partial") if path.stat().st_mtime < began]
    assert stale == []
    if words is TRAIN:
        assert again.json["model_sha256"] == complete.champion["model_sha256"]
        state = kept_state(home)
        assert Counter(name for name, *_ in state["model_versions"]) == {project.name: 1}  # type: ignore[attr-defined]
        assert state["aliases"] == [(project.name, "champion", 1)]
        settled = {value for *_, key, value in state["tags"] if key == SETTLED}  # type: ignore[attr-defined]
        assert settled == {"true"}


def undisturbed(
    project: SmallProject, home: Path, run_cli: RunCli, words: tuple[str, ...], place: Path
) -> Undisturbed:
    """Run once in a home of its own, with the same projects and data."""
    other = place / "undisturbed"
    other.mkdir()
    (other / "mlflow.db").write_bytes((home / "mlflow.db").read_bytes())
    started = time.monotonic()
    done = run_cli(*command_of(project, words), env={"NIGHTSHIFT_HOME": str(other)})
    assert done.code == 0, done
    return Undisturbed(table_rows(other), done.json if words is TRAIN else {}, time.monotonic() - started)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_killed_in_training_is_carried_on(
    sign: signal.Signals, make_project: MakeProject, home: Path, run_cli: RunCli, prefect_api: str, tmp_path: Path
) -> None:  # fmt: skip
    project = make_project(rows=4_000, learner={"rounds": 150, "early_stopping": None})
    complete = undisturbed(project, home, run_cli, TRAIN, tmp_path)
    process = start(command_of(project, TRAIN), home, prefect_api)
    candidates = home / "scratch" / project.name / "candidates"
    while not any(candidates.glob(".*.partial")):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.005)
    code = kill_at(process, sign)
    # A signal that comes while a library swallows every error is told again later: the run may be done by then.
    assert code in ((143, 0) if sign is signal.SIGTERM else (-signal.SIGKILL,))
    assert_before_or_complete(home, {}, complete)
    assert_carries_on(project, home, run_cli, TRAIN, complete)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("words", [INGEST, TRAIN], ids=["ingest", "train"])
def test_a_run_killed_at_any_moment_is_carried_on(
    words: tuple[str, ...], make_project: MakeProject, home: Path, run_cli: RunCli, prefect_api: str, tmp_path: Path
) -> None:  # fmt: skip
    project = make_project(rows=ROWS, learner={"rounds": 60, "early_stopping": None})
    complete = undisturbed(project, home, run_cli, words, tmp_path)
    fresh = (home / "mlflow.db").read_bytes()
    random = np.random.default_rng(SEED)
    for turn, share in enumerate(random.uniform(0.02, 1.0, size=KILLS // 2)):
        sign = signal.SIGTERM if turn % 2 else signal.SIGKILL
        process = start(command_of(project, words), home, prefect_api)
        time.sleep(float(share) * complete.seconds)
        kill_at(process, sign)
        assert_before_or_complete(home, {}, complete)
        assert_carries_on(project, home, run_cli, words, complete)
        _begin_anew(home, fresh)


def _begin_anew(home: Path, fresh: bytes) -> None:
    """Empty the home, but for a fresh MLflow database."""
    shutil.rmtree(home)
    home.mkdir()
    (home / "mlflow.db").write_bytes(fresh)
