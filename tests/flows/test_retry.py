"""A training that was killed goes on: tried again long after, on the rows of its own moment; and on another machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeProject, RunCli, auth_header, cli_command, cli_environment
from tests.flows.test_story import ask

LEARNER = {
    "rounds": 1000,
    "early_stopping": None,
    "checkpoint": {"every": "50 rounds"},
}
DUE = "2024-03-01T00:30:00Z"


def post(api: str, place: str, **body: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{api}/{place}", json.dumps(body).encode(), {"Content-Type": "application/json", **auth_header()}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


def due_run(api: str, project: str) -> str:
    """A run of the flow `train` that was due at `DUE`, as a schedule would have made it; returns its id."""
    flow = post(api, "flows/", name="train")
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": DUE}}
    run = post(api, "flow_runs/", flow_id=flow["id"], parameters={"project": project}, state=scheduled)
    return str(run["id"])


def begin(run: str, home: Path, api: str) -> subprocess.Popen[bytes]:
    """Do the run in a process of its own, as a worker does."""
    told = {"PREFECT__FLOW_RUN_ID": run, "PREFECT__FLOW_ENTRYPOINT": "flows.train:train"}
    return subprocess.Popen(
        [sys.executable, "-m", "prefect.engine"],
        cwd=home.parent, env=cli_environment(api, told), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def set_state(api: str, run: str, kind: str, name: str) -> None:
    post(api, f"flow_runs/{run}/set_state", state={"type": kind, "name": name}, force=True)


def wait_for_checkpoint(process: subprocess.Popen[bytes], store: Path) -> None:
    until = time.monotonic() + 60
    while not any((store / "checkpoints").rglob("at-*.checkpoint")):
        assert process.poll() is None, "the run ended before it had written a checkpoint"
        assert time.monotonic() < until
        time.sleep(0.01)


def killed_in_training(project: str, home: Path, api: str, **environment: str) -> None:
    """Train by the command line, and kill it once there is a checkpoint."""
    process = subprocess.Popen(
        cli_command("train", project, "--as-of", "2024-03-01"),
        cwd=home.parent, env=cli_environment(api, environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_checkpoint(process, Path(environment["NIGHTSHIFT_STORE"]))
    process.kill()
    process.wait()


@pytest.mark.timeout(180)
def test_a_new_run_goes_on_with_the_training_of_one_that_crashed(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str, home: Path
) -> None:
    project = make_project("binary", 8_000, name="again", learner=LEARNER)
    process = begin(due_run(prefect_api, project.name), home, prefect_api)
    wait_for_checkpoint(process, home / "store")
    process.kill()
    process.wait()

    # Its own hour would be years later, and there are no such rows.
    done = run_cli("train", project.name)
    assert done.code == 0, done.stderr
    assert done.json["as_of"] == "2024-03-01T00:00:00+00:00"
    assert done.json["resumed_from"] is not None
    assert "going on as of 2024-03-01, where a training was cut short" in done.stderr
    # It is done now: another one begins at its own hour.
    later = run_cli("train", project.name)
    assert (later.code, "has no rows" in later.json["error"]) == (3, True), later


@pytest.mark.timeout(180)
def test_a_training_goes_on_on_another_machine_with_the_same_store(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str, home: Path, fresh_mlflow: Path
) -> None:
    project = make_project("binary", 8_000, name="moved", learner=LEARNER)
    store = {"NIGHTSHIFT_STORE": str(home.parent / "store")}
    killed_in_training(project.name, home, prefect_api, **store)

    # All that is the first machine's own stays behind: working files, kept results, its registry.
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(fresh_mlflow, elsewhere / "mlflow.db")
    moved = run_cli(
        "train", project.name, "--as-of", "2024-03-01", env={**store, "NIGHTSHIFT_HOME": str(elsewhere)}
    )
    assert moved.code == 0, moved.stderr
    assert moved.json["resumed_from"] is not None

    whole = run_cli("train", project.name, "--as-of", "2024-03-01", "--fresh", env=store)
    assert whole.json["resumed_from"] is None
    assert whole.json["model_sha256"] == moved.json["model_sha256"]


@pytest.mark.timeout(180)
def test_a_crashed_run_that_is_tried_again_goes_on(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str, home: Path
) -> None:
    project = make_project("binary", 8_000, name="crashed", learner=LEARNER)
    run = due_run(prefect_api, project.name)
    process = begin(run, home, prefect_api)
    wait_for_checkpoint(process, home / "store")
    process.kill()
    process.wait()
    set_state(prefect_api, run, "CRASHED", "Crashed")

    set_state(prefect_api, run, "SCHEDULED", "AwaitingRetry")
    assert begin(run, home, prefect_api).wait() == 0

    (version,) = run_cli("models", project.name).json["versions"]
    assert version["as_of"] == "2024-03-01T00:00:00+00:00"
    assert version["resumed_from"] is not None
    assert int(version["resumed_from"]["progress"].split()[1]) >= 50
    (found,) = ask(prefect_api, "flow_runs", flow_runs={"id": {"any_": [run]}})
    assert (found["name"], found["state"]["name"]) == ("train crashed [2024-01-23, 2024-03-01)", "Completed")
    assert found["run_count"] == 2
    tasks = ask(prefect_api, "task_runs", task_runs={"flow_run_id": {"any_": [run]}})
    of_step = {
        step: {one["state"]["name"] for one in tasks if one["name"].startswith(step)}
        for step in ("ingest", "validate", "register")
    }
    assert of_step == {
        "ingest": {"Completed", "Cached"},
        "validate": {"Completed", "Cached"},
        "register": {"Completed"},
    }
