"""Make a version again, long after: later rows, another declaration, no scratch; and models that come out otherwise."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from nightshift.cleaning.clean import clean
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from registry.mlmodel import MODEL_DATA
from registry.run import MODEL_ARTIFACT
from registry.versions import Versions
from tests.conftest import MakeProject, RunCli, SmallProject, small_rows
from tests.flows.test_story import ask, last_run

AS_OF = ("--as-of", "2024-03-01")


def run_folder(home: Path, project: str, run_id: str) -> Path:
    """The artifacts of a version's run."""
    return home / "mlartifacts" / project / run_id / "artifacts"


def change(path: Path, **values: Any) -> None:
    """Replace values of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def live_another_life(project: SmallProject, run_cli: RunCli) -> None:
    """Other rows in the same window, another recipe, and another version."""
    project.write_rows(small_rows("binary", 800, seed=8))
    project.declare(learner={"rounds": 3, "seed": 5}, refit=False)
    assert run_cli("train", project.name, *AS_OF).json["version"] == 2


@pytest.mark.timeout(300)
def test_a_version_is_made_again_after_everything_has_changed(
    make_project: MakeProject, run_cli: RunCli, prefect_api: str, home: Path
) -> None:
    bagging = {"bagging_fraction": 0.7, "bagging_freq": 1}
    project = make_project("binary", name="again", refit=True, learner={"params": bagging})
    first = run_cli("train", project.name, *AS_OF).json
    assert first["refit"]["goes_live"]
    unchanged = run_cli("reproduce", project.name, "champion")
    assert (unchanged.code, unchanged.json["identical"]) == (0, True), unchanged

    live_another_life(project, run_cli)
    cleaned = run_cli("gc", project.name, "--older-than", "1h")
    assert (cleaned.code, cleaned.json["projects"]["again"]["kept_versions"]) == (0, 2), cleaned
    needed = Versions.of(project.name, Settings()).listed().data_versions
    assert clean(project.name, needed, timedelta(0), Settings()).freed["scratch"].files > 0
    found = run_cli("reproduce", project.name, "1")
    assert found.code == 0, found.stderr
    assert found.json.items() >= {"version": 1, "identical": True, "max_score_difference": 0.0}.items()
    told = {one["what"]: one for one in found.json["differences"]}
    assert told["project.yaml and its SQL (SHA-256)"]["then"] == first["spec_hash"][:16]
    assert "project.yaml" in found.stderr
    assert last_run(prefect_api, "reproduce again 1")["state"]["name"] == "Completed"
    assert "again-reproduction" in {
        one["key"] for one in ask(prefect_api, "artifacts", artifacts={"key": {"like_": "again-"}})
    }
    # Nothing was registered, and what was made is gone.
    assert len(run_cli("models", project.name).json["versions"]) == 2
    assert list((home / "scratch" / project.name / "candidates").iterdir()) == []

    shutil.rmtree(project.folder)
    undeclared = run_cli("reproduce", project.name, "1")
    assert (undeclared.code, undeclared.json["identical"]) == (0, True), undeclared.stderr
    assert "not declared" in {one["now"] for one in undeclared.json["differences"]}


@pytest.mark.timeout(300)
def test_another_model_has_exit_code_3_and_tells_how_far_apart_they_are(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = make_project("binary", name="other")
    version = run_cli("train", project.name, *AS_OF).json
    kept = run_folder(home, project.name, version["run_id"])
    declared = json.loads((kept / "project.json").read_text())
    change(kept / "project.json", learner={**declared["learner"], "rounds": 4})
    change(kept / "environment.json", lightgbm="4.0.0")

    found = run_cli("reproduce", project.name, "1")

    assert (found.code, found.json["identical"]) == (3, False), found
    told = {one["what"]: one for one in found.json["differences"]}
    assert told["lightgbm"]["then"] == "4.0.0"
    assert told["the model (SHA-256)"]["then"] == version["model_sha256"][:16]
    metric = told["roc_auc of the model"]
    assert float(metric["then"]) == version["metrics"]["holdout"]["roc_auc"] != float(metric["now"])

    rows = pq.read_table(project.data / "rows.parquet")
    holdout = rows.slice(800 * 35 // 40)  # the last 5 of 40 days
    then = Scorer.load(kept / MODEL_ARTIFACT / MODEL_DATA).score(holdout).values
    now = Scorer.load(Path(found.json["path"]) / "model").score(holdout).values
    assert found.json["rows"] == holdout.num_rows
    assert found.json["max_score_difference"] == np.abs(then - now).max() > 0


@pytest.mark.timeout(200)
def test_a_training_that_its_budget_ended_is_ended_at_the_same_round(
    make_project: MakeProject, run_cli: RunCli
) -> None:
    # The process is larger than that: the first look, a quarter of a second after the beginning, ends the training.
    project = make_project(
        "binary", 8_000, name="costly",
        learner={"rounds": 5000, "early_stopping": None, "budget": {"memory": "50MB"}},
    )  # fmt: skip
    version = run_cli("train", project.name, *AS_OF).json
    assert "the budget of 50 MB of memory was spent at round" in version["ended"]
    found = run_cli("reproduce", project.name, "1")
    assert (found.code, found.json["identical"]) == (0, True), found


@pytest.mark.timeout(200)
def test_what_began_with_a_version_begins_with_it_again_though_another_is_champion(
    make_project: MakeProject, run_cli: RunCli, home: Path
) -> None:
    project = make_project("binary", name="heir")
    run_cli("train", project.name, "--as-of", "2024-02-20")
    project.declare(learner={"rounds": 5, "from_model": {"project": project.name}})
    second = run_cli("train", project.name, *AS_OF).json
    assert (second["version"], second["origin"]["version"]) == (2, 1)
    project.declare(learner={"from_model": None})
    run_cli("train", project.name, *AS_OF)
    shutil.rmtree(home / "scratch")

    found = run_cli("reproduce", project.name, "2")
    assert (found.code, found.json["identical"]) == (0, True), found


@pytest.mark.timeout(200)
def test_what_cannot_be_made_again_is_told(make_project: MakeProject, run_cli: RunCli, home: Path) -> None:
    project = make_project("binary", name="lost")
    unknown = run_cli("reproduce", project.name, "champion")
    assert (unknown.code, "has no champion yet" in unknown.json["error"]) == (2, True)
    version = run_cli("train", project.name, *AS_OF).json
    unknown = run_cli("reproduce", project.name, "7")
    assert (unknown.code, unknown.json["valid"]) == (2, ["1"])

    declared = run_folder(home, project.name, version["run_id"]) / "project.json"
    text = declared.read_text()
    declared.unlink()
    unsaid = run_cli("reproduce", project.name, "1")
    assert (unsaid.code, "has no project.json" in unsaid.json["error"]) == (3, True), unsaid
    declared.write_text(text)

    (file,) = DeltaTable(home / "store" / "lake" / project.name / "dataset").file_uris()
    Path(file).unlink()
    gone = run_cli("reproduce", project.name, "1")
    assert (gone.code, Path(file).name in gone.json["error"]) == (4, True), gone
    assert "gc" in gone.json["remedy"]
