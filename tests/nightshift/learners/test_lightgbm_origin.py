"""Trees that go on from another model's are what bare LightGBM makes of the same trees and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.checkpoints.keeper import Keeper
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.artifact import load_model, read_manifest
from nightshift.learners.lightgbm import LightGBMLearner
from nightshift.learners.origin import begun_encoder, open_origin
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.refit import fit_known
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.memory import MemoryStore
from nightshift.trained import Candidate, OriginModel
from tests.synthetic import AS_OF, CITIES, World, rows_of, snapshot

FEATURES = ["x", "gap", "n", "city"]
VOCABULARY = [*CITIES, "Aachen"]  # a new city goes behind the old ones, whatever its place in the alphabet
END = pd.Timestamp(AS_OF) - pd.Timedelta(days=12)
START = END - pd.Timedelta(days=28)
PARAMS = {
    "num_leaves": 7,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
}
every_kind = pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])


def new_rows(kind: Kind) -> pd.DataFrame:
    """Other rows than those of the origin, a city among them that it has never seen."""
    frame = rows_of(kind, seed=2)
    frame.loc[frame["id"] % 7 == 0, "city"] = "Aachen"
    return frame


def made(
    folder: Path, frame: pd.DataFrame, kind: Kind, origin: OriginModel | None = None, **learner: Any
) -> Candidate:
    world = World(folder, kind=kind)
    world.write(frame)
    project = world.declare(learner={"early_stopping": None, **learner})
    return train(project, snapshot(world, project), "mark", world.settings, origin)


def origin_of(candidate: Candidate) -> OriginModel:
    return OriginModel(
        project="first", version=3, path=f"{candidate.path}/{MODEL}", sha256=candidate.model_sha256
    )


@pytest.fixture
def first(tmp_path: Path, kind: Kind) -> OriginModel:
    return origin_of(made(tmp_path / "first", rows_of(kind), kind))


def encoded(frame: pd.DataFrame) -> pd.DataFrame:
    codes = pd.Categorical(frame["city"], categories=VOCABULARY).codes.astype("float32")
    return frame[FEATURES].assign(city=np.where(codes < 0, np.nan, codes)).astype("float32")


def label_of(frame: pd.DataFrame) -> pd.Series:
    return frame["y"] if frame["y"].dtype.kind in "if" else frame["y"].map({"low": 0, "mid": 1, "top": 2})


def scores(candidate: Candidate, frame: pd.DataFrame) -> np.ndarray:
    return Scorer.load(Path(candidate.path) / MODEL).score(pa.Table.from_pandas(frame)).values


@every_kind
def test_trees_are_added_to_those_of_the_origin(tmp_path: Path, kind: Kind, first: OriginModel) -> None:
    frame = new_rows(kind)
    candidate = made(tmp_path / "next", frame, kind, first)
    taught = (frame["seen_at"] >= START) & (frame["seen_at"] < END)
    params = {**PARAMS, "objective": kind, **({"num_class": 3} if kind == "multiclass" else {})}
    data = lgb.Dataset(
        encoded(frame[taught]), label_of(frame[taught]), categorical_feature=["city"], params=params
    )
    before = lgb.Booster(model_file=f"{first.path}/model.txt")
    wanted = lgb.train(params, data, 12, init_model=before)
    np.testing.assert_allclose(
        scores(candidate, frame), np.asarray(wanted.predict(encoded(frame))), rtol=1e-9
    )
    assert wanted.current_iteration() == 24
    assert (candidate.rounds, candidate.best_round, candidate.origin) == (12, 12, first)


@every_kind
def test_leaves_are_learnt_anew_and_no_tree_is_added(tmp_path: Path, kind: Kind, first: OriginModel) -> None:
    frame = new_rows(kind)
    params = {"num_leaves": 7, "num_threads": 1, "refit_decay_rate": 0.5}
    candidate = made(tmp_path / "next", frame, kind, first, mode="refit", params=params)
    taught = (frame["seen_at"] >= START) & (frame["seen_at"] < END)
    before = lgb.Booster(model_file=f"{first.path}/model.txt")
    wanted = before.refit(encoded(frame[taught]), label_of(frame[taught]), decay_rate=0.5)
    ours = scores(candidate, frame)
    np.testing.assert_allclose(ours, np.asarray(wanted.predict(encoded(frame))), rtol=1e-9)
    assert not np.allclose(ours, np.asarray(before.predict(encoded(frame))))
    assert load_model(Path(candidate.path) / MODEL)[2].booster.num_trees() == before.num_trees()


@pytest.mark.parametrize("kind", ["binary"])
@pytest.mark.parametrize("mode", ["fine_tune", "refit"])
def test_a_refit_begins_with_the_same_model(
    tmp_path: Path, first: OriginModel, mode: str, kind: Kind
) -> None:
    frame = new_rows(kind)
    world = World(tmp_path / "next")
    world.write(frame)
    project = world.declare(learner={"early_stopping": None, "mode": mode})
    done = fit_known(project, snapshot(world, project), 5, tmp_path / "refit", world.settings, first)
    booster = lgb.Booster(model_file=str(done.folder / "model.txt"))
    assert booster.num_trees() == 12 + (5 if mode == "fine_tune" else 0)


@pytest.mark.parametrize("kind", ["binary"])
def test_one_that_was_cut_short_goes_on_to_the_same_bytes(
    tmp_path: Path, first: OriginModel, kind: Kind
) -> None:
    world, frame = World(tmp_path / "next"), new_rows(kind)
    params = {"num_leaves": 7, "num_threads": 1, "bagging_freq": 1, "bagging_fraction": 0.7}
    project = world.declare(
        learner={"early_stopping": None, "rounds": 20, "reseed_every": 5, "params": params}
    )
    origin = open_origin(project, first)
    assert origin.encoder is not None
    features = pa.Table.from_pandas(encoded(frame), preserve_index=False)
    part = Part(features, label_of(frame).to_numpy(dtype=np.float64), None)
    task = Task(kind, ("0", "1"), origin.encoder, part, part, origin)

    class Cut(Exception):
        pass

    def fit(store: MemoryStore, last: float) -> lgb.Booster:
        def looked(done: float, loss: float) -> None:
            if done >= last:
                raise Cut

        keeper = Keeper(store, "next", "run", "lightgbm", CheckpointPolicy(every="5 rounds"))
        fitted = LightGBMLearner().fit(task, project.learner, Oversight(keeper, looked=looked))
        assert (fitted.resumed_from is None) == (store is whole)
        return fitted.model.booster

    whole, cut = MemoryStore(), MemoryStore()
    wanted = fit(whole, 99).model_to_string()
    with pytest.raises(Cut):
        fit(cut, 13)
    assert fit(cut, 99).model_to_string() == wanted


@pytest.mark.parametrize("kind", ["binary"])
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select * exclude (gap) from rows", "gap differ"),
        ("select *, x * 2 as twice from rows", "twice differ"),
        ("select * replace (cast(n as varchar) as n) from rows", "n differ"),
    ],
)
def test_other_columns_are_refused(
    tmp_path: Path, first: OriginModel, sql: str, said: str, kind: Kind
) -> None:
    world = World(tmp_path / "next")
    world.write(rows_of())
    project = world.declare(sql)
    with pytest.raises(RequestError, match=said):
        train(project, snapshot(world, project), "mark", world.settings, first)


@pytest.mark.parametrize("kind", ["multiclass"])
def test_other_classes_are_refused(tmp_path: Path, first: OriginModel, kind: Kind) -> None:
    frame = rows_of(kind)
    with pytest.raises(RequestError, match="the classes that they have"):
        made(tmp_path / "next", frame.assign(y=frame["y"].replace("mid", "low")), kind, first)


@pytest.mark.parametrize("kind", ["binary"])
def test_another_kind_of_label_or_a_changed_file_is_refused(
    tmp_path: Path, first: OriginModel, kind: Kind
) -> None:
    with pytest.raises(RequestError, match="first version 3 tells a binary label, and 'y' is regression"):
        made(tmp_path / "next", rows_of("regression"), "regression", first)
    with pytest.raises(DataRefusedError, match="not those that training began with"):
        made(tmp_path / "other", rows_of(), kind, first.model_copy(update={"sha256": "0" * 64}))


@pytest.mark.parametrize("kind", ["binary"])
def test_old_categories_keep_their_codes(tmp_path: Path, first: OriginModel, kind: Kind) -> None:
    world = World(tmp_path / "next")
    world.write(new_rows(kind))
    origin = open_origin(world.declare(), first)
    candidate = made(tmp_path / "next", new_rows(kind), kind, first)
    encoder = load_model(Path(candidate.path) / MODEL)[1]
    assert encoder.features[3].vocabulary == tuple(VOCABULARY)
    assert begun_encoder(encoder, origin) == encoder
    assert read_manifest(Path(first.path)).model_sha256 == first.sha256
