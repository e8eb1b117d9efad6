"""The flows on a real local Prefect server: what the API says of their runs, and the JSON that commands print."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.conftest import MakeProject, RunCli, auth_header, cli_environment, small_rows

VERSION_KEYS = {"version", "metrics", "data_version", "as_of", "commit", "model_sha256", "run_id", "reasons"}
UNCHANGED = ("ingest", "validate", "train", "evaluate")


def ask(api: str, place: str, **body: Any) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{api}/{place}/filter",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **auth_header()},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def last_run(api: str, name: str) -> dict[str, Any]:
    """The newest flow run whose name starts so."""
    return ask(api, "flow_runs", sort="START_TIME_DESC", limit=1, flow_runs={"name": {"like_": name}})[0]


def states(api: str, run: dict[str, Any]) -> dict[str, str]:
    tasks = ask(api, "task_runs", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    return {one["name"].rsplit("-", 1)[0]: one["state"]["name"] for one in tasks}


@pytest.mark.timeout(300)
def test_train_twice_predict_and_train_on_other_rows(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str
) -> None:
    project = make_project("binary", name="story")
    as_of = ("--as-of", "2024-03-01")

    first = run_cli("train", project.name, *as_of)
    assert first.code == 0, first.stderr
    assert first.json.keys() >= VERSION_KEYS | {"project", "promoted"}
    assert (first.json["version"], first.json["promoted"]) == (1, True)
    assert 0.5 < first.json["metrics"]["holdout"]["roc_auc"] <= 1
    run = last_run(prefect_api, "train story")
    assert run["name"] == "train story [2024-01-23, 2024-03-01)"
    assert run["state"]["name"] == "Completed"
    assert set(states(prefect_api, run).values()) == {"Completed"}

    second = run_cli("train", project.name, *as_of)
    assert second.code == 0, second.stderr
    assert (second.json["version"], second.json["run_id"]) == (1, first.json["run_id"])
    again = last_run(prefect_api, "train story")
    assert again["id"] != run["id"]
    found = states(prefect_api, again)
    assert {name: found[name] for name in UNCHANGED} == dict.fromkeys(UNCHANGED, "Cached")

    scored = run_cli("predict", project.name, *as_of, "--start", "2024-02-28")
    assert scored.code == 0, scored.stderr
    assert scored.json.keys() >= {"rows_in", "rows_scored", "rows_quarantined", "model_version"}
    assert scored.json["rows_in"] == scored.json["rows_scored"] == 40
    assert scored.json["model_version"] == 1
    assert scored.json["cost"]["rows"] == 40
    assert scored.json["cost"]["peak_mb"] > 20
    assert Path(scored.json["table"]).is_dir()
    assert scored.json["table_version"] == 0
    assert last_run(prefect_api, "predict story")["name"] == "predict story [2024-02-28, 2024-03-01)"

    # What a kept answer speaks of is gone: it is made again, and no more than that.
    for table in ("predictions", "dataset"):
        shutil.rmtree(Path(scored.json["table"]).parent / table)
    again = run_cli("predict", project.name, *as_of, "--start", "2024-02-28")
    assert again.json["rows_scored"] == DeltaTable(again.json["table"]).to_pyarrow_table().num_rows == 40
    found = states(prefect_api, last_run(prefect_api, "predict story"))
    assert (found["ingest"], found["validate"], found["score"]) == ("Cached", "Completed", "Completed")

    project.write_rows(small_rows("binary", 800, seed=8))
    third = run_cli("train", project.name, *as_of)
    assert third.code == 0, third.stderr
    assert third.json["version"] == 2
    assert third.json["model_sha256"] != first.json["model_sha256"]
    found = states(prefect_api, last_run(prefect_api, "train story"))
    assert {found[name] for name in UNCHANGED} == {"Completed"}

    models = run_cli("models", project.name)
    assert models.code == 0, models.stderr
    assert models.json.keys() >= {"project", "champion", "versions"}
    assert [one["version"] for one in models.json["versions"]] == [2, 1]
    assert all(one.keys() >= VERSION_KEYS for one in [models.json["champion"], *models.json["versions"]])

    artifacts = {one["key"] for one in ask(prefect_api, "artifacts", artifacts={"key": {"like_": "story-"}})}
    assert {
        f"story-{name}" for name in ("validation", "metrics", "slices", "plots", "predictions")
    } <= artifacts


RETRIES = """
import json, sys
from prefect import flow, task
from nightshift.errors import DataRefusedError, RequestError, TransientError
from tasks.policy import step

calls = {"TransientError": 0, "RequestError": 0, "DataRefusedError": 0, "ValueError": 0}
at_once = {**step(), "retry_delay_seconds": 0, "retry_jitter_factor": None}

@task(**at_once)
def fail_twice():
    calls["TransientError"] += 1
    if calls["TransientError"] < 3:
        raise TransientError("the storage did not answer")
    return "done"

@task(**at_once)
def fail(kind):
    calls[kind.__name__] += 1
    raise kind("for good")

@flow
def tiny():
    states = [fail(kind, return_state=True) for kind in (RequestError, DataRefusedError, ValueError)]
    assert all(state.is_failed() for state in states)
    return fail_twice()

assert tiny() == "done"
print(json.dumps(calls))
"""


def test_only_errors_that_may_pass_are_tried_again(home: Path, prefect_api: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RETRIES], cwd=home,
        env=cli_environment(prefect_api, {"PREFECT_HOME": str(home / "prefect")}),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    calls = json.loads(done.stdout.strip().splitlines()[-1])
    assert calls == {"TransientError": 3, "RequestError": 1, "DataRefusedError": 1, "ValueError": 1}
