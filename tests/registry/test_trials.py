"""A search in MLflow: a run with its plots, and one nested in it for each trial, however often it is logged."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nightshift.settings import Settings
from nightshift.tuning.found import Found, Tried
from registry.tracking import open_client
from registry.trials import STUDY, TRIAL, SearchRuns, log_search


def better(place: int) -> Tried:
    return Tried(
        trial=place, learner="lightgbm", params={"learning_rate": 0.1 / place, "extra_trees": place % 2 == 0},
        state="complete", value=0.6 + place / 100, values=(0.6, 0.6 + place / 50), losses={1: 0.5, 2: 0.4},
    )  # fmt: skip


def found(trials: int = 4) -> Found:
    tried = [
        Tried(trial=0, learner="lightgbm", params={}, state="complete", value=0.6, values=(0.6, 0.6)),
        *(better(place) for place in range(1, trials)),
        Tried(trial=trials, learner="lightgbm", params={"learning_rate": 0.2}, state="pruned", note="worse"),
    ]
    return Found(
        project="shop", study="shop-0123", as_of=datetime(2024, 3, 1, tzinfo=UTC), metric="roc_auc",
        greater_is_better=True, folds=2, tried=tuple(tried), new=trials + 1,
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, fresh_mlflow: Path) -> Settings:
    names: dict[str, Any] = {"MLFLOW_TRACKING_URI": None}
    made = Settings(home=tmp_path / "home", **names)
    made.home_path.mkdir()
    shutil.copy(fresh_mlflow, made.home_path / "mlflow.db")
    return made


def test_a_search_is_one_run_with_its_trials_nested_in_it(settings: Settings) -> None:
    run, plots = log_search(found(), "--- a\n+++ b\n", settings)

    client = open_client(settings)
    parent = client.get_run(run)
    assert parent.data.tags[STUDY] == "shop-0123"
    assert parent.info.status == "FINISHED"
    assert (parent.data.metrics["best_roc_auc"], parent.data.metrics["declared_roc_auc"]) == (0.63, 0.6)
    assert parent.data.tags["best.learning_rate"] == str(0.1 / 3)
    files = {one.path for one in client.list_artifacts(run, "plots")}
    assert files == {"plots/search_history.png", "plots/parallel_coordinates.png"}
    assert all(plot.startswith(b"\x89PNG") for plot in plots)

    children = nested(settings, run)
    assert {child.data.tags[TRIAL] for child in children} == set("01234")
    third = next(child for child in children if child.data.tags[TRIAL] == "3")
    assert third.data.params["learning_rate"] == str(0.1 / 3)
    assert third.data.metrics["roc_auc"] == 0.63
    losses = client.get_metric_history(third.info.run_id, "best_loss_by_tenth")
    assert [(one.step, one.value) for one in losses] == [(1, 0.5), (2, 0.4)]


def test_logging_it_twice_logs_it_once_and_a_search_that_goes_on_adds_its_trials(settings: Settings) -> None:
    first, _ = log_search(found(3), "", settings)
    assert log_search(found(3), "", settings)[0] == first
    assert len(nested(settings, first)) == 4
    assert log_search(found(5), "", settings)[0] == first
    # Trial 3 was given up in the shorter search of this test, and stays as it was logged.
    assert len(nested(settings, first)) == 6
    assert open_client(settings).get_run(first).data.tags["best.trial"] == "4"


def test_trials_are_there_while_the_search_goes_on(settings: Settings) -> None:
    runs, whole = SearchRuns(settings), found(4)
    for count in range(1, 4):
        _, parent = runs.log_trials(whole.model_copy(update={"tried": whole.tried[:count]}))
        assert {child.data.tags[TRIAL] for child in nested(settings, parent)} == {
            str(place) for place in range(count)
        }
        assert open_client(settings).get_run(parent).info.status == "RUNNING"
    assert log_search(whole, "", settings)[0] == parent
    assert len(nested(settings, parent)) == 5


def nested(settings: Settings, parent: str) -> list[Any]:
    client = open_client(settings)
    experiment = client.get_run(parent).info.experiment_id
    return list(client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'"))
