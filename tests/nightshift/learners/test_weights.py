"""Rows weighed by age and by group give what bare LightGBM gives with the same weights, computed by pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.refit import fit_known
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from nightshift.trained import Candidate
from tests.synthetic import AS_OF, CITIES, World, rows_of, snapshot

FEATURES = ["x", "gap", "n", "city"]
END = pd.Timestamp(AS_OF) - pd.Timedelta(days=12)
START = END - pd.Timedelta(days=28)
PARAMS = {
    "objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1, "seed": 0, "deterministic": True,
    "force_row_wise": True,
}  # fmt: skip


def made(world: World, **learner: Any) -> Candidate:
    project = world.declare(learner=learner)
    return train(project, snapshot(world, project), "mark", world.settings)


def encoded(frame: pd.DataFrame) -> pd.DataFrame:
    codes = pd.Categorical(frame["city"], categories=sorted(CITIES)).codes.astype("float32")
    return frame[FEATURES].assign(city=np.where(codes < 0, np.nan, codes)).astype("float32")


def dataset(frame: pd.DataFrame, weight: Any, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    return lgb.Dataset(
        encoded(frame), frame["y"], weight=weight, categorical_feature=["city"], params=PARAMS,
        reference=reference,
    )  # fmt: skip


def bare(frame: pd.DataFrame, weight: pd.Series) -> lgb.Booster:
    """LightGBM itself: train rows weighed, and stopped early by validate rows that are not."""
    taught = (frame["seen_at"] >= START) & (frame["seen_at"] < END)
    watched = (frame["seen_at"] >= END) & (frame["seen_at"] < END + pd.Timedelta(days=6))
    data = dataset(frame[taught], weight[taught])
    return lgb.train(
        PARAMS, data, 12, valid_sets=[dataset(frame[watched], None, data)],
        callbacks=[lgb.early_stopping(4, verbose=False)],
    )  # fmt: skip


def ages(frame: pd.DataFrame, end: pd.Timestamp, half_life: str) -> pd.Series:
    return 0.5 ** ((end - frame["seen_at"]) / pd.Timedelta(half_life))


def uniform(frame: pd.DataFrame, column: str) -> pd.Series:
    group = frame[column].fillna("(none)")
    known = group[(frame["seen_at"] >= START) & (frame["seen_at"] < END)]
    return group.map(len(known) / (known.nunique() * known.value_counts()))


def scores(folder: Path, frame: pd.DataFrame) -> np.ndarray:
    return Scorer.load(folder).score(pa.Table.from_pandas(frame)).values


@pytest.mark.parametrize(
    "learner",
    [
        {"half_life": "5d"},
        {"reweight": {"by": "city"}},
        {"reweight": {"by": "city", "to": {"Ulm": 3.0, "Bonn": 0.5}}},
        {"reweight": {"by": "n", "to": {"7": 2.0}}, "half_life": "2w"},
    ],
    ids=str,
)
def test_it_is_the_effect_of_bare_lightgbms_weights(tmp_path: Path, learner: dict[str, Any]) -> None:
    world, frame = World(tmp_path), rows_of()
    world.write(frame)
    weight = pd.Series(1.0, frame.index)
    if "half_life" in learner:
        weight *= ages(frame, END, {"5d": "5D", "2w": "14D"}[learner["half_life"]])
    match learner.get("reweight"):
        case {"by": column, "to": factors}:
            weight *= frame[column].astype(str).map(factors).fillna(1.0)
        case {"by": column}:
            weight *= uniform(frame, column)
    candidate, wanted = made(world, **learner), bare(frame, weight)
    assert candidate.best_round == wanted.best_iteration
    theirs = np.asarray(wanted.predict(encoded(frame)))
    np.testing.assert_allclose(scores(Path(candidate.path) / MODEL, frame), theirs, rtol=1e-9)
    assert not np.allclose(theirs, np.asarray(bare(frame, weight * 0 + 1).predict(encoded(frame))))


def test_all_factors_are_multiplied(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    world.write(frame)
    project = world.declare(
        dataset={"weight": "weight", "exclude": []},
        learner={"half_life": "5d", "reweight": {"by": "city"}, "class_weights": {"1": 2.0}, "early_stopping": None},
    )  # fmt: skip
    candidate = train(project, snapshot(world, project), "mark", world.settings)
    of_the_loss = frame["weight"] * frame["y"].map({0: 1.0, 1: 2.0})
    taught = (frame["seen_at"] >= START) & (frame["seen_at"] < END)
    weight = of_the_loss * ages(frame, END, "5D") * uniform(frame, "city")
    wanted = lgb.train(PARAMS, dataset(frame[taught], weight[taught]), 12).predict(encoded(frame))
    np.testing.assert_allclose(scores(Path(candidate.path) / MODEL, frame), np.asarray(wanted), rtol=1e-9)


def test_a_refit_counts_the_age_from_the_end_of_what_it_learns_from(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    world.write(frame)
    project = world.declare(learner={"half_life": "5d"})
    refitted = fit_known(project, snapshot(world, project), 6, tmp_path / "refit", world.settings)
    data = dataset(frame, ages(frame, pd.Timestamp(AS_OF), "5D"))
    wanted = np.asarray(lgb.train(PARAMS, data, 6).predict(encoded(frame)))
    np.testing.assert_allclose(scores(refitted.folder, frame), wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("reweight", "said", "remedy"),
    [
        ({"by": "citty"}, "no column 'citty'", "did you mean 'city'"),
        ({"by": "city", "to": {"Bon": 2.0}}, "has city = 'Bon'", "did you mean 'Bonn'"),
    ],
)
def test_what_is_not_there_cannot_weigh(tmp_path: Path, reweight: Any, said: str, remedy: str) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    with pytest.raises(RequestError, match=said) as caught:
        made(world, reweight=reweight)
    assert remedy in caught.value.remedy


def test_without_labels_there_are_no_groups_to_weigh(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    world.write(frame.assign(y=pd.array([None] * len(frame), "Int64")))
    with pytest.raises(DataRefusedError, match="are null"):
        made(world, reweight={"by": "city"})
