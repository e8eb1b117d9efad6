"""What every kind of learner keeps to, and that ours gives what bare LightGBM gives on the same columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.registry import learner as learner_of
from nightshift.learners.train import MODEL, TRAINING, train
from nightshift.scoring.scorer import Scorer
from nightshift.spec.learner import Learner
from nightshift.spec.project import Kind
from nightshift.trained import Candidate
from tests.synthetic import AS_OF, CITIES, World, rows_of, snapshot

KINDS: tuple[Kind, ...] = get_args(Kind)
LEARNERS: tuple[str, ...] = tuple(
    get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Learner)[0])
)
# A short training of each kind, of which twelve rounds or epochs are the most.
RECIPES: dict[str, dict[str, Any]] = {
    "lightgbm": {"rounds": 12, "early_stopping": 4, "params": {"num_leaves": 7, "num_threads": 1}},
    "torch": {"epochs": 12, "early_stopping": 4, "batch_size": 128, "rate": 0.01, "plateau": None,
              "params": {"layers": [8]}},
}  # fmt: skip
CLASSES = ["low", "mid", "top"]
FEATURES = ["x", "gap", "n", "city"]
METRICS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "rmse"}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_learner = pytest.mark.parametrize("learner", LEARNERS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Two test processes whose threads wait for each other take minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit(world: World, mark: str = "mark", **changes: Any) -> Candidate:
    project = world.declare(**changes)
    return train(project, snapshot(world, project), mark, world.settings)


def made(folder: Path, kind: Kind) -> World:
    world = World(folder, kind=kind)
    world.write(rows_of(kind))
    return world


def encoded(frame: pd.DataFrame) -> pd.DataFrame:
    """The features as the encoder should make them, by pandas."""
    codes = pd.Categorical(frame["city"], categories=sorted(CITIES)).codes.astype("float32")
    columns = frame[FEATURES].assign(city=np.where(codes < 0, np.nan, codes))
    return columns.astype("float32")


def labels(frame: pd.DataFrame) -> np.ndarray:
    return (
        frame["y"].map(CLASSES.index).to_numpy()
        if frame["y"].dtype.kind not in "if"
        else frame["y"].to_numpy()
    )


def bare(frame: pd.DataFrame, kind: Kind, rounds: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Scores of all rows by LightGBM itself, trained on the train window alone for `rounds` rounds."""
    split = pd.Timestamp(AS_OF) - pd.Timedelta(days=12)
    chosen = ((frame["seen_at"] >= split - pd.Timedelta(days=28)) & (frame["seen_at"] < split)).to_numpy()
    params: dict[str, Any] = {
        "objective": kind, "num_leaves": 7, "num_threads": 1, "verbosity": -1, "seed": 0,
        "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    if kind == "multiclass":
        params["num_class"] = 3
    columns, label = encoded(frame), labels(frame)
    data = lgb.Dataset(
        columns[chosen], label[chosen], weight=None if weight is None else weight[chosen],
        categorical_feature=["city"], params=params,
    )  # fmt: skip
    return np.asarray(lgb.train(params, data, rounds).predict(columns))


def ours(candidate: Candidate, frame: pd.DataFrame) -> np.ndarray:
    return Scorer.load(Path(candidate.path) / MODEL).score(pa.Table.from_pandas(frame)).values


@every_learner
@every_kind
def test_two_fits_in_two_homes_give_the_same_bytes(tmp_path: Path, kind: Kind, learner: str) -> None:
    folders = []
    for place in ("a", "b"):
        candidate = fit(made(tmp_path / place, kind), learner={"kind": learner, **RECIPES[learner]})
        folders.append(Path(candidate.path) / MODEL)
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@every_learner
@every_kind
def test_a_saved_model_scores_as_before(tmp_path: Path, kind: Kind, learner: str) -> None:
    frame = rows_of(kind)
    candidate = fit(made(tmp_path, kind), learner={"kind": learner, **RECIPES[learner]})
    scorer = Scorer.load(Path(candidate.path) / MODEL)
    again = tmp_path / "again"
    again.mkdir()
    scorer.model.save(again)
    scores = ours(candidate, frame)
    assert scores.shape == ((len(frame), 3) if kind == "multiclass" else (len(frame),))
    assert np.isfinite(scores).all()
    assert set(scorer.model.importance()) == set(FEATURES)
    if kind != "regression":
        assert ((scores >= 0) & (scores <= 1)).all()
    if kind == "multiclass":
        np.testing.assert_allclose(scores.sum(axis=1), 1)
    for path in again.iterdir():
        assert path.read_bytes() == (Path(candidate.path) / MODEL / path.name).read_bytes()


@every_learner
def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path, learner: str) -> None:
    candidate = fit(made(tmp_path, "binary"), learner={"kind": learner, **RECIPES[learner]})
    folder = Path(candidate.path) / MODEL
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept + b" ")
        with pytest.raises(DataRefusedError, match="not the one that was saved"):
            Scorer.load(folder)
        (folder / name).write_bytes(kept)
    Scorer.load(folder)


@every_kind
def test_scores_equal_those_of_bare_lightgbm(tmp_path: Path, kind: Kind) -> None:
    frame = rows_of(kind)
    candidate = fit(made(tmp_path, kind))
    np.testing.assert_allclose(ours(candidate, frame), bare(frame, kind, candidate.best_round), rtol=1e-12)


@every_kind
def test_sample_weights_have_lightgbms_effect(tmp_path: Path, kind: Kind) -> None:
    frame = rows_of(kind)
    candidate = fit(made(tmp_path, kind), dataset={"weight": "weight", "exclude": []})
    wanted = bare(frame, kind, candidate.best_round, frame["weight"].to_numpy())
    np.testing.assert_allclose(ours(candidate, frame), wanted, rtol=1e-12)
    assert not np.allclose(wanted, bare(frame, kind, candidate.best_round))


@pytest.mark.parametrize("weights", ["balanced", {"0": 3.0}])
def test_class_weights_of_a_binary_label(tmp_path: Path, weights: Any) -> None:
    world, frame = World(tmp_path), rows_of()
    frame["y"] = (frame["x"] > 0.8).astype(int)
    world.write(frame)
    candidate = fit(world, learner={"kind": "lightgbm", "rounds": 12, "early_stopping": 4, "class_weights": weights,
                                    "params": {"num_leaves": 7, "num_threads": 1}})  # fmt: skip
    known = frame["y"][frame["seen_at"] < pd.Timestamp(AS_OF) - pd.Timedelta(days=12)]
    share = {0: 3.0, 1: 1.0} if weights != "balanced" else {
        one: len(known) / (2 * (known == one).sum()) for one in (0, 1)}  # fmt: skip
    wanted = bare(frame, "binary", candidate.best_round, frame["y"].map(share).to_numpy())
    np.testing.assert_allclose(ours(candidate, frame), wanted, rtol=1e-12)


def test_balanced_classes_times_sample_weights(tmp_path: Path) -> None:
    frame = rows_of("multiclass")
    candidate = fit(
        made(tmp_path, "multiclass"),
        dataset={"weight": "weight", "exclude": []},
        learner={"class_weights": "balanced"},
    )
    known = frame["y"][frame["seen_at"] < pd.Timestamp(AS_OF) - pd.Timedelta(days=12)]
    factor = {one: len(known) / (3 * (known == one).sum()) for one in CLASSES}
    weight = (frame["y"].map(factor) * frame["weight"]).to_numpy()
    wanted = bare(frame, "multiclass", candidate.best_round, weight)
    np.testing.assert_allclose(ours(candidate, frame), wanted, rtol=1e-12)


@every_kind
def test_early_stopping_keeps_the_best_round_of_the_history(tmp_path: Path, kind: Kind) -> None:
    params = {"num_leaves": 31, "learning_rate": 0.5, "num_threads": 1, "min_data_in_leaf": 2}
    candidate = fit(made(tmp_path, kind), learner={"rounds": 60, "early_stopping": 5, "params": params})
    history = json.loads((Path(candidate.path) / TRAINING).read_text())["history"]
    losses = history["validate"][METRICS[kind]]
    assert candidate.best_round == int(np.argmin(losses)) + 1
    assert candidate.rounds == len(losses) == candidate.best_round + 5
    booster = lgb.Booster(model_file=str(Path(candidate.path) / MODEL / "model.txt"))
    assert booster.num_trees() == candidate.best_round * (3 if kind == "multiclass" else 1)


def test_without_early_stopping_every_round_is_kept(tmp_path: Path) -> None:
    candidate = fit(made(tmp_path, "binary"), learner={"early_stopping": None})
    assert (candidate.rounds, candidate.best_round) == (12, 12)


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = rows_of()
    hidden = frame["id"] % 4 == 0
    world = World(tmp_path)
    world.write(frame.assign(y=frame["y"].astype("Int64").mask(hidden)))
    candidate = fit(world)
    in_train = frame["seen_at"] < pd.Timestamp(AS_OF) - pd.Timedelta(days=12)
    assert candidate.rows["train"] == (in_train & ~hidden).sum()
    assert candidate.unlabelled == (in_train & hidden).sum()


@every_learner
@every_kind
def test_with_nothing_to_watch_every_round_of_the_recipe_is_trained(
    tmp_path: Path, kind: Kind, learner: str
) -> None:
    random = np.random.default_rng(4)
    columns = pa.table({name: random.normal(size=300).astype(np.float32) for name in ("a", "b")})
    label = random.integers(0, 3 if kind == "multiclass" else 2, 300).astype(np.float64)
    part = Part(columns, label, None)
    recipe = (
        World(tmp_path, kind=kind)
        .declare(learner={"kind": learner, **RECIPES[learner], "early_stopping": None})
        .learner
    )
    encoder = Encoder(tuple(Feature(name, "number", "float") for name in ("a", "b")))
    classes = ("a", "b", "c") if kind == "multiclass" else ("0", "1")
    alone, watched = (
        learner_of(learner).fit(Task(kind, classes, encoder, part, validate), recipe, Oversight())
        for validate in (None, part)
    )
    assert (alone.rounds, alone.best_round, alone.history) == (12, 12, {})
    np.testing.assert_array_equal(alone.model.score(columns), watched.model.score(columns))


@pytest.mark.parametrize(("label", "said"), [(None, "are null"), (1, "nothing to tell apart")])
def test_a_label_that_says_nothing_is_refused(tmp_path: Path, label: int | None, said: str) -> None:
    world = World(tmp_path)
    world.write(rows_of().assign(y=pd.array([label] * len(rows_of()), "Int64")))
    with pytest.raises(DataRefusedError, match=said):
        fit(world)


@pytest.mark.parametrize(
    ("learner", "said"),
    [
        ({"params": {"num_leaves": -4}}, "num_leaves is at least 2"),
        ({"params": {"objective": "rmse"}}, "objective cannot be changed"),
        ({"class_weights": {"7": 2.0}}, "no class '7'"),
    ],
)
def test_a_wrong_recipe_is_a_wrong_request(tmp_path: Path, learner: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        fit(made(tmp_path, "binary"), learner=learner)
