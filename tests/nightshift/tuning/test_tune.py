"""A search trains real models on windows before the holdout, and what it finds is what training then gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from nightshift.errors import RequestError
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.train import train
from nightshift.spec.project import Project
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.folds import folds_of
from nightshift.tuning.found import Found
from nightshift.tuning.tune import tune
from nightshift.tuning.winner import accept, change_of, keep
from tests.synthetic import DAYS, World, days, rows_of, snapshot

TUNE = {"folds": 2, "ranges": {"lightgbm": {"min_data_in_leaf": {"low": 2, "high": 40}}}}
BUDGET = SearchBudget(trials=5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(tmp_path_factory.mktemp("tuned"))
    made.write(rows_of())
    return made


@pytest.fixture(scope="module")
def project(world: World) -> Project:
    # So that nearly everything is better.
    params = {"num_leaves": 2, "num_threads": 1, "learning_rate": 0.01}
    return world.declare(tune=TUNE, learner={"params": params})


@pytest.fixture(scope="module")
def found(world: World, project: Project) -> Found:
    return tune(project, snapshot(world, project), BUDGET, world.settings)


def test_folds_end_a_validation_window_apart_and_before_the_holdout(world: World, project: Project) -> None:
    newest, older = folds_of(project, snapshot(world, project))
    split = project.split_before(snapshot(world, project).as_of)

    assert (newest.train, newest.validate) == (split.train, split.validate_)
    assert newest.validate.end == split.holdout.start
    assert (older.train, older.validate) == (days(0, 22), days(22, 28))


def test_the_best_trial_is_never_worse_than_what_is_declared(found: Found) -> None:
    assert len(found.tried) == 5
    assert found.declared.value is not None
    assert found.best.value is not None
    assert found.best.value > found.declared.value
    assert len(found.declared.values) == 2
    assert found.declared.value == pytest.approx(sum(found.declared.values) / 2)


def test_nothing_is_left_in_scratch(world: World, project: Project, found: Found) -> None:
    assert not (world.settings.scratch_path / project.name / "tune").exists()


def test_the_winner_is_written_into_project_yaml_and_training_gives_its_value(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    params = {"num_leaves": 2, "num_threads": 1, "learning_rate": 0.01}
    project = world.declare(tune=TUNE, learner={"params": params})
    path = world.settings.projects / project.name / "project.yaml"
    path.write_text("# Mine.\n" + path.read_text().replace("  rounds: 12", "  rounds: 12  # a dozen"))
    rows = snapshot(world, project)
    found = tune(project, rows, BUDGET, world.settings)

    change = change_of(project, found, world.settings)
    assert f"+    learning_rate: {found.best.params['learning_rate']}" in change.diff
    assert keep(change, found, world.settings).read_text() == change.diff
    assert accept(change)

    text = path.read_text()
    assert text.startswith("# Mine.\n")
    assert "rounds: 12  # a dozen" in text
    assert yaml.safe_load(text)["learner"]["params"].items() >= found.best.params.items()
    accepted = world_project(world)
    candidate = train(accepted, rows, "1" * 64, world.settings)
    value = evaluate(accepted, candidate, rows, world.settings).metrics["validate"][found.metric]
    assert value == found.best.values[0]


def world_project(world: World) -> Project:
    from nightshift.spec.load import load_project

    return load_project(world.name, world.settings.projects)


def test_labels_of_the_holdout_change_nothing(tmp_path: Path, found: Found) -> None:
    world = World(tmp_path)
    rows = rows_of()
    in_holdout = np.arange(len(rows)) >= len(rows) * (DAYS - 6) // DAYS
    rows.loc[in_holdout, "y"] = 1 - rows.loc[in_holdout, "y"]
    world.write(rows)
    params = {"num_leaves": 2, "num_threads": 1, "learning_rate": 0.01}
    project = world.declare(tune=TUNE, learner={"params": params})
    other = tune(project, snapshot(world, project), BUDGET, world.settings)

    assert other.study != found.study
    assert [(one.params, one.values) for one in other.tried] == [
        (one.params, one.values) for one in found.tried
    ]


def test_a_search_is_found_again_and_another_declaration_is_another_search(
    world: World, project: Project, found: Found
) -> None:
    again = tune(project, snapshot(world, project), BUDGET, world.settings)
    assert again == found.model_copy(update={"new": 0})

    narrowed = world.declare(tune={**TUNE, "seed": 1}, learner={"params": dict(project.learner.params)})
    assert narrowed.spec_hash == project.spec_hash
    other = tune(narrowed, snapshot(world, narrowed), SearchBudget(trials=1), world.settings)
    assert other.study != found.study


def test_trials_are_given_up_by_the_learners_own_looks(world: World, project: Project) -> None:
    wide = project.model_copy(
        update={"tune": project.tune.model_copy(update={"folds": 1, "ranges": {}, "seed": 3})}
    )
    found = tune(wide, snapshot(world, wide), SearchBudget(trials=14), world.settings)
    assert found.count("pruned") > 0
    assert all(one.losses for one in found.tried[1:])


def test_more_folds_than_the_training_window_bears_are_refused(world: World, project: Project) -> None:
    many = project.model_copy(update={"tune": project.tune.model_copy(update={"folds": 4})})
    with pytest.raises(RequestError, match="less than half"):
        tune(many, snapshot(world, many), BUDGET, world.settings)


def test_a_search_does_not_begin_with_another_model(world: World, project: Project) -> None:
    begun = project.model_copy(
        update={"learner": project.learner.model_copy(update={"from_model": "x.safetensors"})}
    )
    with pytest.raises(RequestError, match="begin with another model"):
        tune(begun, snapshot(world, begun), BUDGET, world.settings)


def test_networks_are_searched_beside_trees(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    world = World(tmp_path)
    world.write(rows_of(per_day=10))
    ranges = {"mlp": {"epochs": {"low": 1, "high": 3}}}
    project = world.declare(
        tune={"learners": ["mlp", "lightgbm"], "folds": 1, "ranges": ranges, "seed": 1}, learner={"seed": 3}
    )
    found = tune(project, snapshot(world, project), SearchBudget(trials=6), world.settings)

    assert {one.learner for one in found.tried} == {"lightgbm", "mlp"}
    networks = [one for one in found.tried if one.learner == "mlp"]
    assert all(set(one.params) == {"rate", "weight_decay", "epochs", "dropout"} for one in networks)
    assert any(one.value is not None for one in networks)
