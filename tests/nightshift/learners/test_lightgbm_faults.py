"""What can be wrong with rows and recipes of trees, and what is said of it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.lightgbm import LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Part, Task
from nightshift.spec.learner import LightGBM
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.trees import (
    CLASSES,
    RANDOM,
    ROUNDS,
    ROWS,
    SEED,
    interrupted,
    keeper,
    recipe,
    task,
    text_of,
)

every_kind = pytest.mark.parametrize("kind", CLASSES)


def fit(given: Task, declared: LightGBM | None = None, oversight: Oversight | None = None) -> Fitted:
    return LightGBMLearner().fit(given, declared or recipe(), oversight or Oversight())


def with_column(part: Part, **columns: Any) -> Part:
    features = part.features
    for name, values in columns.items():
        place = features.column_names.index(name)
        features = features.set_column(place, name, pa.array(values, pa.float32()))
    return replace(part, features=features)


def first(part: Part, rows: int) -> Part:
    return Part(part.features.slice(0, rows), part.label[:rows], None)


def test_infinity_is_the_greatest_number_and_not_a_missing_one(tmp_path: Path) -> None:
    random = np.random.default_rng(SEED)
    values = random.normal(size=ROWS).astype(np.float32)
    values[:100], values[100:200], values[200:300] = np.inf, -np.inf, np.nan
    given = task("binary")
    # Where the value is missing, the label is what it was.
    label = np.where(np.isnan(values), given.train.label, np.isposinf(values).astype(float))
    train = replace(with_column(given.train, a=values), label=label)
    fitted = fit(replace(given, train=train, validate=None), recipe(params={"min_data_in_leaf": 1}))
    text_of(fitted, tmp_path / "model")
    scores = LightGBMLearner().load(tmp_path / "model").score(train.features)
    assert scores[:100].min() > 0.9
    assert scores[100:200].max() < 0.1
    assert 0.2 < scores[200:300].mean() < 0.8


def test_linear_leaves_take_infinity_for_missing(tmp_path: Path) -> None:
    values = np.random.default_rng(SEED).normal(size=ROWS).astype(np.float32)
    values[::5], values[1::7] = np.inf, -np.inf
    given = task("regression")
    assert given.validate is not None
    wild = replace(
        given, train=with_column(given.train, a=values), validate=with_column(given.validate, a=values)
    )
    fitted = fit(wild, recipe(params={"linear_tree": True}))
    assert fitted.ended == "all rounds"
    text_of(fitted, tmp_path / "model")
    loaded = LightGBMLearner().load(tmp_path / "model")
    missing = np.where(np.isinf(values), np.nan, values)
    scores = loaded.score(wild.train.features)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, loaded.score(with_column(given.train, a=missing).features))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["train", "validate"])
@every_kind
def test_a_label_that_is_no_number_is_refused(kind: Kind, where: str, value: float) -> None:
    given = task(kind)
    part: Part = getattr(given, where)
    label = part.label.copy()
    label[3] = value
    parts: dict[str, Any] = {where: replace(part, label=label)}
    with pytest.raises(DataRefusedError, match=f"1 of {ROWS} rows of {where} have a label that is no number"):
        fit(replace(given, **parts))


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "1 of 600 .* is no number"), (np.inf, "1 of 600 .* is no number"), (-1.0, "1 of 600 .* below 0")],
)  # fmt: skip
def test_a_weight_that_weighs_nothing_known_is_refused(value: float, said: str) -> None:
    given = task("binary")
    weight = np.ones(ROWS)
    weight[3] = value
    with pytest.raises(DataRefusedError, match=said):
        fit(replace(given, train=replace(given.train, weight=weight)))


def test_weights_that_are_all_nothing_are_refused() -> None:
    given = task("binary")
    with pytest.raises(DataRefusedError, match="weights of all rows of train are 0"):
        fit(replace(given, train=replace(given.train, weight=np.zeros(ROWS))))


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_constant_column_is_of_no_importance(value: float) -> None:
    given = task("binary")
    fitted = fit(replace(given, train=with_column(given.train, a=np.full(ROWS, value))))
    importance = fitted.model.importance()
    assert importance["a"] == 0
    assert importance["city"] > 0


def test_columns_that_are_all_constant_leave_the_prior() -> None:
    given = task("binary")
    ones = {name: np.ones(ROWS) for name in given.train.features.column_names}
    fitted = fit(replace(given, train=with_column(given.train, **ones)))
    np.testing.assert_allclose(fitted.model.score(given.train.features), given.train.label.mean())


@every_kind
def test_one_row_can_be_learnt_from(kind: Kind) -> None:
    given = task(kind)
    scores = fit(replace(given, train=first(given.train, 1))).model.score(given.train.features)
    assert len(scores) == ROWS
    assert np.isfinite(scores).all()
    assert (scores == scores[0]).all()


@every_kind
def test_one_row_can_be_watched(kind: Kind) -> None:
    given = task(kind)
    assert given.validate is not None
    fitted = fit(replace(given, validate=first(given.validate, 1)), recipe(early_stopping=3))
    (losses,) = fitted.history["validate"].values()
    assert np.isfinite(losses).all()
    assert fitted.best_round == int(np.argmin(losses)) + 1


@pytest.mark.parametrize(
    ("kind", "params", "loss"),
    [
        ("binary", {}, "binary_logloss"),
        ("binary", {"metric": "auc"}, "binary_logloss"),
        ("binary", {"metrics": "average_precision,binary_error"}, "binary_logloss"),
        ("multiclass", {"metric": "auc_mu"}, "multi_logloss"),
    ],
)
def test_one_class_in_validation_is_watched_by_a_loss(
    kind: Kind, params: dict[str, Any], loss: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = task(kind)
    assert given.validate is not None
    of_one_class = given.validate.label == 1
    rows = Part(
        given.validate.features.filter(pa.array(of_one_class)), given.validate.label[of_one_class], None
    )
    fitted = fit(replace(given, validate=rows), recipe(early_stopping=3, params=params))
    losses = fitted.history["validate"][loss]
    assert fitted.best_round == int(np.argmin(losses)) + 1 > 1
    assert ("one class alone" in caplog.text) == bool(params)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"monotone_constraints": [1, 0]}, "has 2 numbers, and there are 4 features"),
        ({"mc": "1,0,0,0,1"}, "has 5 numbers, and there are 4 features"),
        ({"monotone_constraints": [0, 0, 0, 1]}, "binds 'city', which is a category"),
        ({"feature_contri": [1.0]}, "has 1 numbers"),
        ({"max_bin_by_feature": [9] * 5}, "has 5 numbers"),
        ({"cegb_penalty_feature_lazy": [0.1]}, "has 1 numbers"),
        ({"cegb_penalty_feature_coupled": [0.1]}, "has 1 numbers"),
        ({"interaction_constraints": [[0, 4]]}, "names the place 4"),
        ({"interaction_constraints": "[0],[1,9]"}, "names the place 9"),
        ({"auc_mu_weights": [1.0]}, "classes squared"),
    ],
)
def test_lists_that_do_not_fit_the_features_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        fit(task("multiclass"), recipe(params=params))
    assert next(iter(params)) in raised.value.where
    assert "count the features" in raised.value.remedy


def test_lists_that_fit_the_features_are_taken() -> None:
    lists = {
        "monotone_constraints": [1, 0, -1, 0], "interaction_constraints": [[0, 1], [2, 3]], "metric": ["auc", "rmse"],
        "max_bin_by_feature": [31, 31, 31, 31], "feature_contri": [1.0, 0.5, 1.0, 1.0],
    }  # fmt: skip
    fitted = fit(task("binary"), recipe(params=lists))
    assert list(fitted.history["validate"]) == ["auc", "rmse"]


@pytest.mark.parametrize("name", ["metric", "metrics"])
def test_a_metric_of_the_recipes_chooses_the_rounds(name: str) -> None:
    fitted = fit(task("binary"), recipe(early_stopping=3, params={name: "auc"}))
    assert list(fitted.history["validate"]) == ["auc"]
    assert fitted.best_round == int(np.argmax(fitted.history["validate"]["auc"])) + 1


def test_a_hundred_thousand_categories(tmp_path: Path) -> None:
    known, rows = 100_000, 200_000
    random = np.random.default_rng(SEED)
    codes = random.integers(0, known, rows)
    number = random.normal(size=rows)
    label = (number + random.normal(size=known)[codes] > 0).astype(float)
    encoder = Encoder(
        (Feature("id", "category", "string", tuple(map(str, range(known)))), Feature("x", "number", "double"))
    )
    table = pa.table({"id": codes.astype(str), "x": number})
    began = time.monotonic()
    encoded = encoder.encode(table)
    assert encoded.unseen == {}
    given = Part(encoded.rows, label, None)
    fitted = fit(Task("binary", ("0", "1"), encoder, given, None))
    assert len(text_of(fitted, tmp_path / "model")) < 5_000_000
    loaded = LightGBMLearner().load(tmp_path / "model")
    new = encoder.encode(pa.table({"id": ["never seen", None], "x": [0.0, 0.0]}))
    assert new.unseen == {"id": 1}
    assert np.isfinite(loaded.score(new.rows)).all()
    np.testing.assert_array_equal(loaded.score(given.features), fitted.model.score(given.features))
    assert time.monotonic() - began < 60


LINEAR = {"linear_tree": True}


@pytest.mark.parametrize("params", [LINEAR, {**LINEAR, **RANDOM}], ids=["plain", "random"])
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_linear_leaves_go_on_with_the_same_bytes(kind: Kind, params: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    declared = recipe(params=params)
    resumed = interrupted(task(kind, tmp_path / "scratch"), declared, [7, 18])
    assert resumed.resumed_from is not None
    assert text_of(resumed, tmp_path / "resumed") == text_of(fit(task(kind), declared), tmp_path / "whole")


FOREST = {"bagging_fraction": 0.5, "bagging_freq": 1}


@pytest.mark.parametrize(
    "params",
    [
        {"boosting": "dart"},
        {"boosting": "rf", **FOREST},
        {"boosting_type": "random_forest", **FOREST},
        {"boosting": "goss"},
        {"data_sample_strategy": "goss"},
        {"use_quantized_grad": True},
        {"cegb_penalty_split": 0.001},
    ],
    ids=str,
)
def test_what_cannot_go_on_begins_afresh_and_says_so(
    params: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    declared = recipe(params=params)
    again = interrupted(task("binary"), declared, [18])
    assert again.resumed_from is None
    assert caplog.text.count("no checkpoints: with these learner.params") == 2
    assert text_of(again, tmp_path / "again") == text_of(fit(task("binary"), declared), tmp_path / "whole")


@pytest.mark.parametrize(("early_stopping", "kept"), [(None, 25), (30, 1)])
def test_a_spent_budget_keeps_all_rounds_unless_the_best_was_asked_for(
    early_stopping: int | None, kept: int
) -> None:
    """Of a training that gets worse from its second round on."""
    given = task("binary")
    assert given.validate is not None
    worse = replace(given, validate=replace(given.validate, label=1 - given.validate.label))
    left = iter([None] * 24)
    oversight = Oversight(
        keeper(MemoryStore()), spent=lambda done: next(left, "the budget of 1 minutes was spent")
    )
    declared = recipe(early_stopping=early_stopping, divergence={"factor": 100.0})
    fitted = fit(worse, declared, oversight)
    assert (fitted.rounds, fitted.best_round) == (25, kept)
    assert fitted.ended == f"the budget of 1 minutes was spent at round 25 of {ROUNDS}"
