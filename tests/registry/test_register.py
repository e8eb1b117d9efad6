"""A version in MLflow: what it records, how it is loaded, and how the aliases move."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pytest

from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.train import train
from nightshift.records import ModelVersion
from nightshift.spec.project import Kind
from registry import register as registering
from registry.register import Registration, Submission, register
from registry.versions import Versions
from tests.synthetic import World, rows_of, snapshot


@pytest.fixture
def world(tmp_path: Path, fresh_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project whose home has a registry with nothing in it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = World(tmp_path)
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of())
    return made


def submission(world: World, *, rounds: int = 12, seed: int = 0) -> Submission:
    project = world.declare(learner={"rounds": rounds, "seed": seed, "early_stopping": None})
    made = snapshot(world, project)
    candidate = train(project, made, project.spec_hash, world.settings)
    return Submission(project, made, candidate, evaluate(project, candidate, made, world.settings))


def registered(world: World, *, rounds: int = 12, seed: int = 0) -> ModelVersion:
    return register(submission(world, rounds=rounds, seed=seed), world.settings).version


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
    types = {column.name: column.type.name for column in loaded.metadata.signature.inputs}
    assert types == {"x": "double", "gap": "double", "n": "long", "city": "string"}
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
    registering._create(given, decision, versions, world.settings)
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
