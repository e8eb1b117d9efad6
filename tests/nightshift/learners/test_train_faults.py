"""Rows with which something is wrong, on their way from the source to a model: refused, set aside, or learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from nightshift.evaluation.evaluate import evaluate
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from nightshift.trained import Candidate, Evaluation
from tests.synthetic import AS_OF, World, rows_of, snapshot

RECIPES: dict[str, dict[str, Any]] = {
    "lightgbm": {},
    "torch": {"kind": "torch", "epochs": 2, "batch_size": 128, "params": {"layers": [8]}},
}
every_learner = pytest.mark.parametrize("learner", RECIPES)
BEGIN_OF_VALIDATE = pd.Timestamp(AS_OF) - pd.Timedelta(days=12)
BEGIN_OF_HOLDOUT = pd.Timestamp(AS_OF) - pd.Timedelta(days=6)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def trained(world: World, frame: pd.DataFrame, learner: str, **changes: Any) -> tuple[Candidate, Evaluation]:
    world.write(frame)
    project = world.declare(**{"learner": RECIPES[learner], **changes})
    rows = snapshot(world, project)
    candidate = train(project, rows, "mark", world.settings)
    return candidate, evaluate(project, candidate, rows, world.settings)


def scores(candidate: Candidate, frame: pd.DataFrame) -> np.ndarray:
    return Scorer.load(Path(candidate.path) / MODEL).score(pa.Table.from_pandas(frame)).values


def in_validate(frame: pd.DataFrame) -> pd.Series:
    return (frame["seen_at"] >= BEGIN_OF_VALIDATE) & (frame["seen_at"] < BEGIN_OF_HOLDOUT)


@every_learner
def test_infinite_and_missing_values_of_a_column_are_learnt_from(tmp_path: Path, learner: str) -> None:
    frame = rows_of()
    frame.loc[frame["id"] % 5 == 0, "x"] = np.inf
    frame.loc[frame["id"] % 5 == 1, "x"] = -np.inf
    frame.loc[frame["id"] % 5 == 2, "x"] = np.nan
    frame.loc[frame["id"] % 5 == 3, "x"] = 1e300  # more than a float32 can hold
    candidate, evaluation = trained(World(tmp_path), frame, learner)
    assert candidate.rows["train"] == (frame["seen_at"] < BEGIN_OF_VALIDATE).sum()
    assert np.isfinite(scores(candidate, frame)).all()
    assert np.isfinite(evaluation.metrics["holdout"]["roc_auc"] or np.nan)


@every_learner
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_labels_that_are_no_numbers_are_set_aside(tmp_path: Path, learner: str, value: float) -> None:
    frame = rows_of("regression")
    wrong = frame["id"] % 100 == 0
    world = World(tmp_path, kind="regression")
    world.write(frame.assign(y=frame["y"].mask(wrong, value)))
    project = world.declare(learner=RECIPES[learner])
    rows = snapshot(world, project)
    candidate = train(project, rows, "mark", world.settings)
    in_train = frame["seen_at"] < BEGIN_OF_VALIDATE
    assert candidate.rows["train"] == (in_train & ~wrong).sum()
    if not np.isnan(value):  # a NaN of pandas is a null in Parquet: a label that is not known
        assert rows.quarantined == wrong.sum()
        assert [count.rule for count in rows.refused_by] == ["y is a finite number"]


@every_learner
def test_one_row_and_one_class_in_the_validate_window(tmp_path: Path, learner: str) -> None:
    frame = rows_of()
    of_validate = frame.index[in_validate(frame)]
    frame = frame.drop(of_validate[1:])
    candidate, evaluation = trained(World(tmp_path), frame, learner)
    assert candidate.rows["validate"] == 1
    assert np.isfinite(scores(candidate, frame)).all()
    assert evaluation.metrics["validate"]["roc_auc"] is None
    assert evaluation.metrics["holdout"]["roc_auc"] is not None


@pytest.mark.parametrize("kind", ["binary", "regression"])
@every_learner
def test_one_row_to_learn_from_is_told(tmp_path: Path, learner: str, kind: Any) -> None:
    frame = rows_of(kind)
    frame = frame.drop(frame.index[frame["seen_at"] < BEGIN_OF_VALIDATE][1:])
    with pytest.raises(DataRefusedError, match="all 1 labels are") as raised:
        trained(World(tmp_path, kind=kind), frame, learner)
    assert raised.value.remedy


@every_learner
def test_a_constant_column_is_of_no_importance(tmp_path: Path, learner: str) -> None:
    frame = rows_of().assign(x=1.0)
    candidate, _ = trained(World(tmp_path), frame, learner)
    assert Scorer.load(Path(candidate.path) / MODEL).model.importance()["x"] == 0
