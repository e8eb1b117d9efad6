"""The version that a training begins with: looked up by alias or number, once, and known by its number from then on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from nightshift.errors import RequestError
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.artifact import read_manifest
from nightshift.learners.train import train
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from nightshift.spec.training import FromVersion
from nightshift.trained import ModelVersion, OriginModel
from registry.origin import find_origin, origin_again
from registry.register import register
from registry.submission import Submission
from registry.versions import Versions
from tests.synthetic import AS_OF, World, rows_of, snapshot

LATER = AS_OF + timedelta(days=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, fresh_mlflow: Path) -> World:
    """A project with two versions, the first of which is as of two days earlier."""
    made = World(tmp_path_factory.mktemp("origin"))
    made.settings.home.mkdir()
    shutil.copy(fresh_mlflow, made.settings.home / "mlflow.db")
    made.write(rows_of())
    for days in (2, 0):
        registered(made, begins_with(made.declare(), None), days)
    return made


def begins_with(project: Project, wanted: FromVersion | str | None) -> Project:
    learner = project.learner.model_copy(update={"from_model": wanted})
    return project.model_copy(update={"learner": learner})


def registered(
    world: World, project: Project, days_ago: int, origin: OriginModel | None = None
) -> ModelVersion:
    as_of = AS_OF - timedelta(days=days_ago)
    made = snapshot(world, project, as_of=as_of)
    mark = digest(project.spec_hash, as_of, *([origin.sha256] if origin else []))
    candidate = train(project, made, mark, world.settings, origin)
    evaluation = evaluate(project, candidate, made, world.settings)
    return register(Submission(project, made, candidate, evaluation), world.settings).version


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_version_is_found_by_alias_or_number_and_recorded_by_number(world: World) -> None:
    project = begins_with(world.declare(), FromVersion(project=world.name, version="1"))
    found = find_origin(project, LATER, world.settings)
    assert found is not None
    assert (found.project, found.version) == (world.name, 1)
    assert read_manifest(Path(found.path)).model_sha256 == found.sha256
    champion = Versions.of(world.name, world.settings).champion()
    assert champion is not None
    by_alias = find_origin(begins_with(project, FromVersion(project=world.name)), LATER, world.settings)
    assert by_alias is not None
    assert by_alias.version == champion.version
    moved = found.model_copy(update={"path": "/nowhere"})
    assert origin_again(moved, world.settings) == found

    made = registered(world, project, 0, found)
    recorded = Versions.of(world.name, world.settings).chosen(str(made.version))
    assert recorded.origin == found
    run = Versions.of(world.name, world.settings).client.get_run(made.run_id)
    assert run.data.tags["origin"] == "demo version 1"


def test_the_same_trees_with_new_leaves_are_a_version_too(world: World) -> None:
    project = begins_with(world.declare(), FromVersion(project=world.name, version="1"))
    learner = project.learner.model_copy(update={"mode": "refit"})
    found = find_origin(project, LATER, world.settings)
    made = registered(world, project.model_copy(update={"learner": learner}), 0, found)
    assert made.origin == found
    assert made.model_sha256 != Versions.of(world.name, world.settings).chosen("1").model_sha256
    assert made.metrics["holdout"]["roc_auc"] is not None


def test_none_is_looked_up_when_none_is_named(world: World) -> None:
    assert find_origin(world.declare(), AS_OF, Settings(home=Path("/nowhere"))) is None


def test_a_project_without_a_champion_begins_with_nothing(world: World) -> None:
    other = World(world.folder, name="other")
    own = begins_with(other.declare(), FromVersion(project="other"))
    assert find_origin(own, AS_OF, world.settings) is None
    with pytest.raises(RequestError, match="no version 1"):
        find_origin(begins_with(own, FromVersion(project="other", version="1")), AS_OF, world.settings)


@pytest.mark.parametrize(
    ("wanted", "said", "remedy"),
    [
        (FromVersion(project="demi"), "no model of a project 'demi'", "did you mean 'demo'"),
        (FromVersion(project="demo", version="99"), "has no version 99", "nightshift models demo"),
        (FromVersion(project="demo", version="champoin"), "has no champoin", "nightshift train demo"),
        ("weights.safetensors", "begins with a registered version", "from_model"),
    ],
)
def test_what_is_not_there_is_told(world: World, wanted: FromVersion | str, said: str, remedy: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        find_origin(begins_with(world.declare(), wanted), LATER, world.settings)
    assert remedy in caught.value.remedy


def test_a_model_of_another_task_is_refused(world: World) -> None:
    other = World(world.folder, name="other", kind="regression")
    with pytest.raises(RequestError, match="tells a binary label"):
        find_origin(begins_with(other.declare(), FromVersion(project="demo")), LATER, world.settings)


def test_a_model_that_knows_the_holdout_is_refused(world: World) -> None:
    earlier = AS_OF - timedelta(days=4)
    project = begins_with(world.declare(), FromVersion(project=world.name, version="1"))
    with pytest.raises(RequestError, match="has learnt from rows until"):
        find_origin(project, earlier, world.settings)
