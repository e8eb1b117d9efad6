"""A version in MLflow: what it records, how it is loaded, and how the aliases move."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from nightshift.evaluation.agreement import check_refit
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.refit import refit as train_on_all
from nightshift.learners.train import train
from nightshift.spec.project import Kind, digest
from nightshift.trained import ModelVersion
from registry import register as registering
from registry.register import Registration, Submission, register
from registry.versions import RECORD, Versions
from tests.synthetic import AS_OF, World, days, rows_of, snapshot


@pytest.fixture
def world(tmp_path: Path, fresh_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project whose home has a registry with nothing in it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = World(tmp_path)
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of())
    return made


def submission(world: World, *, rounds: int = 12, as_of: datetime = AS_OF, refit: bool = False) -> Submission:
    project = world.declare(learner={"rounds": rounds, "early_stopping": None}, refit=refit)
    made = snapshot(world, project, as_of=as_of)
    candidate = train(project, made, digest(project.spec_hash, as_of), world.settings)
    evaluation = evaluate(project, candidate, made, world.settings)
    if refit:
        done = train_on_all(project, candidate, made, world.settings)
        checked = check_refit(project, candidate, done, made, world.settings)
        candidate = candidate.model_copy(update={"refit": checked})
    return Submission(project, made, candidate, evaluation)


def registered(
    world: World, *, rounds: int = 12, as_of: datetime = AS_OF, refit: bool = False
) -> ModelVersion:
    return register(submission(world, rounds=rounds, as_of=as_of, refit=refit), world.settings).version


def held(world: World) -> dict[str, int]:
    every = Versions.of(world.name, world.settings).all()
    return {alias: one.version for one in every for alias in one.aliases}


def test_a_run_records_all_that_leads_back(world: World) -> None:
    given = submission(world)
    made = register(given, world.settings).version
    run = Versions.of(world.name, world.settings).client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["rounds"] == "12"
    assert run.data.params["num_leaves"] == "7"
    holdout = given.evaluation.metrics["holdout"]["roc_auc"]
    assert run.data.metrics["holdout_roc_auc"] == pytest.approx(holdout)
    assert run.data.metrics["baseline_roc_auc"] == 0.5
    tags = run.data.tags
    assert tags["data_version"] == "0", "MLflow drops version 0 from a dataset's JSON"
    assert tags["data_table"] == given.snapshot.table
    assert tags["spec_hash"] == given.project.spec_hash
    assert tags["model_sha256"] == given.candidate.model_sha256
    assert tags["owner"] == "tests"
    data = run.inputs.dataset_inputs[0].dataset
    assert data.source_type == "delta_table"
    assert json.loads(data.source) == {"path": given.snapshot.table, "delta_table_version": 0}
    assert json.loads(data.profile) == {"num_rows": 1200}

    folder = world.settings.artifacts_path / world.name / made.run_id / "artifacts"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"project.json", "dataset.sql", "environment.json", "evaluation.json", "model/MLmodel"} <= files
    assert {"model/data/model/model.txt", "model/data/model/encoder.json"} <= files
    assert {"monitoring/profile.json", "monitoring/performance.json"} <= files
    assert not [name for name in files if name.startswith("evaluated/")], (
        "the live model is the evaluated one"
    )
    assert len([name for name in files if name.startswith("plots/")]) >= 4
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert json.loads((folder / "project.json").read_text())["name"] == world.name
    assert (folder / "dataset.sql").read_text() == given.project.sql_text
    assert "lightgbm" in json.loads((folder / "environment.json").read_text())


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_mlflow_loads_the_champion_without_pickle_and_scores_alike(
    world: World, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    world = World(world.folder, kind=kind)
    frame = rows_of(kind)
    world.write(frame)
    made = registered(world)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.settings.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{world.name}@champion")
    wanted = Versions.of(world.name, world.settings).scorer(made).score(pa.Table.from_pandas(frame)).values
    assert np.array_equal(loaded.predict(frame), wanted)
    types = {"x": "double", "gap": "double", "n": "int64", "city": "string"}
    assert loaded.metadata.metadata["columns"] == types
    assert loaded.metadata.get_input_schema() is None, "MLflow would refuse what pandas calls otherwise"
    outputs = loaded.metadata.signature.outputs
    assert len(outputs.inputs) == (3 if kind == "multiclass" else 1)


def test_the_first_is_champion_and_a_better_one_takes_its_place(world: World) -> None:
    first = registered(world, rounds=1)
    assert first.promoted
    assert held(world) == {"champion": 1}
    second = registered(world, rounds=30)
    assert second.promoted
    assert second.aliases == ("champion",)
    assert held(world) == {"champion": 2, "previous": 1}


def test_a_worse_one_is_kept_and_not_promoted(world: World) -> None:
    registered(world, rounds=30)
    worse = registered(world, rounds=1)
    assert not worse.promoted
    assert worse.reasons[0].startswith("worse")
    assert held(world) == {"champion": 1}
    assert [one.version for one in Versions.of(world.name, world.settings).all()] == [2, 1]


def test_every_version_is_seen_however_many_there_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(world, rounds=12)
    registered(world, rounds=3)
    monkeypatch.setattr("registry.versions._PAGE", 1)
    versions = Versions.of(world.name, world.settings)
    assert [one.version for one in versions.all()] == [2, 1]
    assert versions.listed().data_versions == {one.data_version for one in versions.all()}


def test_registering_twice_does_it_once(world: World) -> None:
    given = submission(world)
    first, second = register(given, world.settings), register(given, world.settings)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.version == second.version
    assert len(Versions.of(world.name, world.settings).all()) == 1


def test_a_move_of_aliases_that_was_cut_short_is_finished(world: World) -> None:
    registered(world, rounds=1)
    given = submission(world, rounds=30)
    versions = Versions.of(world.name, world.settings)
    # What a kill right after the version was made leaves: a promoted version that holds no alias.
    decision = registering._compare(given, versions, world.settings)
    registering._create(given, decision, "train", versions, world.settings)
    assert held(world) == {"champion": 1}
    done: Registration = register(given, world.settings)
    assert not done.is_new
    assert held(world) == {"champion": 2, "previous": 1}
    assert registering.register(given, world.settings).version.version == 2
    assert held(world) == {"champion": 2, "previous": 1}


def test_the_mark_tells_candidates_apart(world: World) -> None:
    one = submission(world)
    assert replace(one).mark == one.mark
    moved = one.candidate.model_copy(update={"model_sha256": "other"})
    assert replace(one, candidate=moved).mark != one.mark


def test_a_version_costs_what_training_and_refitting_took(world: World) -> None:
    made = submission(world, refit=True)
    version = register(made, world.settings).version
    trained, refitted = made.candidate.cost, made.candidate.refit.cost  # type: ignore[union-attr]
    assert version.cost is not None
    assert trained is not None
    assert refitted is not None
    assert version.cost.cpu_s == trained.cpu_s + refitted.cpu_s
    assert version.cost.rows == trained.rows + refitted.rows
    assert version.cost.peak_mb == max(trained.peak_mb, refitted.peak_mb)


def test_a_refit_goes_live_with_the_evaluated_model_beside_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = submission(world, refit=True)
    made = register(given, world.settings).version
    refit = given.candidate.refit
    assert refit is not None
    assert made.is_refitted
    assert (made.model_sha256, made.evaluated_sha256) == (refit.model_sha256, given.candidate.model_sha256)
    assert (made.learnt_until, made.evaluated_until) == (days(0, 40).end, days(0, 34).end)
    assert "is live" in made.reasons[1]
    versions = Versions.of(world.name, world.settings)
    live, evaluated = versions.scorer(made), versions.evaluated_scorer(made)
    assert live.manifest.model_sha256 == refit.model_sha256
    assert evaluated.manifest.model_sha256 == given.candidate.model_sha256
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.settings.tracking_uri)
    frame = rows_of()
    loaded = mlflow.pyfunc.load_model(f"models:/{world.name}@champion")
    assert np.array_equal(loaded.predict(frame), live.score(pa.Table.from_pandas(frame)).values)
    run = versions.client.get_run(made.run_id)
    assert run.data.metrics["refit_rows"] == 1200
    assert (run.data.tags["refitted"], run.data.tags["learnt_until"]) == ("true", days(0, 40).end.isoformat())


def test_a_refit_that_disagrees_is_told_and_the_evaluated_model_is_live(world: World) -> None:
    given = submission(world, refit=True)
    assert given.candidate.refit is not None
    refused = given.candidate.refit.model_copy(update={"goes_live": False, "reasons": ("it is not alike",)})
    moved = replace(given, candidate=given.candidate.model_copy(update={"refit": refused}))
    made = register(moved, world.settings).version
    assert not made.is_refitted
    assert made.model_sha256 == given.candidate.model_sha256
    assert made.learnt_until == made.evaluated_until == days(0, 34).end
    assert made.reasons[1:] == ("it is not alike",)
    versions = Versions.of(world.name, world.settings)
    assert versions.evaluated_folder(made) == versions.folder(made)


def test_files_of_a_local_run_are_read_where_they_are(world: World) -> None:
    made = registered(world, refit=True)
    versions = Versions.of(world.name, world.settings)
    run = world.settings.artifacts_path / world.name / made.run_id / "artifacts"
    assert versions.folder(made) == run / "model/data/model"
    assert versions.evaluated_folder(made) == run / "evaluated"
    assert versions.monitoring_files(made) == run / "monitoring"
    assert versions.is_monitored(made)


def test_refits_are_compared_by_their_evaluated_twins(world: World) -> None:
    early = AS_OF - timedelta(days=2)
    champion = registered(world, as_of=early, refit=True)
    made = registered(world, refit=True)
    assert "of the evaluated model of the champion, version 1" in made.reasons[0]
    versions = Versions.of(world.name, world.settings)
    frame = rows_of()
    holdout = frame[frame["seen_at"] >= days(34, 40).start]
    twin = versions.evaluated_scorer(champion).score(pa.Table.from_pandas(holdout)).values
    assert f"against {roc_auc_score(holdout['y'], twin):.5f}" in made.reasons[0]
    assert versions.folder(champion) != versions.evaluated_folder(champion)


def test_registering_a_refit_twice_does_it_once_also_without_its_scratch_files(world: World) -> None:
    given = submission(world, refit=True)
    shutil.rmtree(given.candidate.path)
    first, second = register(given, world.settings), register(given, world.settings)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.version == second.version
    scorer = Versions.of(world.name, world.settings).scorer(first.version)
    assert scorer.manifest.model_sha256 == given.candidate.live_sha256


def test_a_record_of_old_still_loads(world: World) -> None:
    made = registered(world, rounds=1)
    new = {"learnt_until", "evaluated_until", "evaluated_sha256", "refit"}
    read = ModelVersion.model_validate_json(made.model_dump_json(exclude=new))
    assert (read.learnt_until, read.refit, read.is_refitted) == (None, None, False)
    client = Versions.of(world.name, world.settings).client
    client.set_model_version_tag(world.name, "1", RECORD, read.model_dump_json(exclude=new))
    assert registered(world, rounds=30).reasons[0].startswith("better")
