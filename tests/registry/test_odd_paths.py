"""A home, projects and data below a folder whose name has every odd character at once: all of a model's life works."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from nightshift.cleaning.clean import clean
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.train import train
from nightshift.reproduction.compare import compare
from nightshift.reproduction.reproduce import train_again
from nightshift.scoring.batch import predict
from nightshift.spec.project import digest
from nightshift.tuning.study import found_study, storage_faults
from registry.recorded import recorded
from registry.register import register
from registry.served import served
from registry.submission import Submission
from registry.versions import Versions
from tests.conftest import ROOT, RunCli, declare_project
from tests.synthetic import AS_OF, World, days, rows_of, snapshot

NASTY = "my höme #1 100% ?[a]'\"x"


def test_a_version_is_made_served_made_again_and_kept_by_gc(
    tmp_path: Path, fresh_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    world = World(tmp_path / NASTY)
    settings = world.settings
    settings.home.mkdir(parents=True)
    shutil.copy(fresh_mlflow, settings.home / "mlflow.db")
    world.write(rows_of(per_day=10))
    project = world.declare(learner={"rounds": 12, "early_stopping": None})
    taken = snapshot(world, project)
    candidate = train(project, taken, digest(project.spec_hash, AS_OF), settings)
    evaluation = evaluate(project, candidate, taken, settings)
    made = register(Submission(project, taken, candidate, evaluation), settings).version
    versions = Versions.of(world.name, settings)
    assert Path(served(world.name, None, settings).folder).is_relative_to(settings.home)
    rows = snapshot(world, project, days(30, 40))
    assert predict(project, rows, made, versions.scorer(made), settings).rows_scored == 100
    clean(world.name, versions.listed().data_versions, timedelta(0), settings, dry_run=False)
    then = recorded(world.name, "1", settings)
    assert compare(then, train_again(then, settings), settings).identical
    with storage_faults(settings):
        found_study("a search", greater_is_better=True, settings=settings)
    assert list((tmp_path / "cwd").iterdir()) == [], "nothing is made where the command was run"
    others = [path.name for path in tmp_path.iterdir() if path.name not in (NASTY, "cwd")]
    assert len(others) == 1
    assert others[0].endswith(".nightshift-lake")


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_the_commands_work_below_such_a_folder(tmp_path: Path, home: Path, run_cli: RunCli) -> None:
    place = tmp_path / NASTY
    shutil.copytree(home, place / "home")
    declare_project(place / "projects", place / "data", "binary", 300, name="odd")
    env = {
        "NIGHTSHIFT_HOME": str(place / "home"), "NIGHTSHIFT_PROJECTS": str(place / "projects"),
        "NIGHTSHIFT_DATA": str(place / "data"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    for words in (
        ("train", "odd", "--as-of", "2024-03-01"), ("predict", "odd", "--as-of", "2024-03-01", "--start", "2024-02-28"),
        ("gc", "--older-than", "1m"), ("reproduce", "odd", "1"),
    ):  # fmt: skip
        done = run_cli(*words, env=env)
        assert done.code == 0, (words, done.stderr)
    assert done.json["identical"]
