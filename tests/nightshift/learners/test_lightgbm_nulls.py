"""A null where training knew none: the mean over both sides of a split, against a walk through LightGBM's own dump."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from nightshift.learners.lightgbm_model import LightGBMModel
from nightshift.learners.lightgbm_nulls import UnlearntNulls
from nightshift.learners.lightgbm_trees import forest_of

ROWS = 800
NAMES = ["a", "gap", "city", "street"]
Matrix = npt.NDArray[np.float32]

FORESTS: dict[str, dict[str, Any]] = {
    "regression": {"objective": "regression"},
    "binary": {"objective": "binary"},
    "multiclass": {"objective": "multiclass", "num_class": 3},
    "one against the rest": {"objective": "multiclassova", "num_class": 3},
    "poisson": {"objective": "poisson"},
    "squares": {"objective": "regression", "reg_sqrt": True},
    "dart": {"objective": "binary", "boosting": "dart"},
    "random forest": {
        "objective": "multiclass",
        "num_class": 3,
        "boosting": "rf",
        "bagging_freq": 1,
        "bagging_fraction": 0.5,
    },
    "linear": {"objective": "regression", "linear_tree": True},
}


def matrix(seed: int = 0) -> Matrix:
    """A number, a number with nulls, a category of few values and one of many."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(ROWS, 4)).astype(np.float32)
    made[::7, 1] = np.nan
    made[:, 2], made[:, 3] = random.integers(0, 6, ROWS), random.integers(0, 40, ROWS)
    return made


def table(rows: Matrix) -> pa.Table:
    return pa.table([pa.array(column, from_pandas=True) for column in rows.T], names=NAMES)


def trained(params: dict[str, Any], *, rounds: int = 8, begin: lgb.Booster | None = None) -> lgb.Booster:
    rows = matrix()
    signal = rows[:, 0] + 2 * (rows[:, 2] == 3) + 0.1 * rows[:, 3] + np.nan_to_num(rows[:, 1])
    label = signal.astype(np.float64)
    match params["objective"]:
        case "binary":
            label = (signal > signal.mean()).astype(np.float64)
        case "multiclass" | "multiclassova":
            label = np.digitize(signal, np.quantile(signal, [0.3, 0.7])).astype(np.float64)
        case "poisson":
            label = np.exp(label / 3)
    dataset = lgb.Dataset(rows, label, categorical_feature=[2, 3], feature_name=NAMES)
    params = {"verbosity": -1, "num_leaves": 12, "min_data_in_leaf": 5, "seed": 1, "num_threads": 1, **params}
    made = lgb.train(params, dataset, rounds, init_model=begin)
    return lgb.Booster(model_str=made.model_to_string())


def walked(node: dict[str, Any], row: npt.NDArray[np.float64], missing: set[int]) -> float:
    """A tree's value for a row: where a column is missing and the split knew no null, the mean of both sides."""
    if "split_feature" not in node:
        return _of_leaf(node, row)
    sides = node["left_child"], node["right_child"]
    value = row[node["split_feature"]]
    if node["split_feature"] in missing and node["missing_type"] == "None":
        counts = [side.get("internal_count", side.get("leaf_count")) for side in sides]
        return sum(
            count * walked(side, row, missing) for count, side in zip(counts, sides, strict=True)
        ) / sum(counts)
    if node["decision_type"] == "==":
        is_left = not np.isnan(value) and str(int(value)) in node["threshold"].split("||")
    elif np.isnan(value):
        is_left = node["default_left"]
    else:
        is_left = value <= node["threshold"]
    return walked(sides[not is_left], row, missing)


def _of_leaf(leaf: dict[str, Any], row: npt.NDArray[np.float64]) -> float:
    if "leaf_const" not in leaf:
        return float(leaf["leaf_value"])
    columns = [row[place] for place in leaf["leaf_features"]]
    if np.isnan(columns).any():
        return float(leaf["leaf_value"])
    return float(leaf["leaf_const"] + np.dot(columns, leaf["leaf_coeff"]))


@pytest.mark.parametrize("missing", [{0}, {2}, {0, 3}, {0, 1, 2, 3}], ids=str)
@pytest.mark.parametrize("forest", FORESTS)
def test_the_score_is_the_mean_over_what_the_column_may_be(forest: str, missing: set[int]) -> None:
    booster = trained(FORESTS[forest])
    rows = matrix(1)[:60]
    rows[:40, sorted(missing)] = np.nan
    nulls = UnlearntNulls(booster)
    known = forest_of(booster.model_to_string()).without_nulls
    assert 1 not in known, "the column with nulls in training is LightGBM's own affair"
    assert nulls.count(table(rows)) == {NAMES[place]: 40 for place in sorted(missing & known)}
    places = booster.num_model_per_iteration()
    trees = booster.dump_model()["tree_info"]
    wanted = np.zeros((40, places))
    for row in range(40):
        for number, tree in enumerate(trees):
            wanted[row, number % places] += walked(
                tree["tree_structure"], rows[row].astype(float), missing & known
            )
    if not missing & known:
        assert list(nulls.groups(table(rows))) == []
        return
    ((found, averaged),) = nulls.groups(table(rows))
    assert found.tolist() == list(range(40))
    raw = averaged.predict(table(rows).slice(0, 40), raw_score=True).reshape(40, places)
    if forest == "random forest":  # its raw score is a sum that `predict` divides by the rounds
        raw = raw / (averaged.num_trees() / len(trees))
    np.testing.assert_allclose(raw, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("forest", FORESTS)
def test_rows_without_such_nulls_are_scored_as_ever_bit_for_bit(forest: str) -> None:
    booster = trained(FORESTS[forest])
    rows = matrix(1)[:60]
    plain = booster.predict(table(rows))
    assert not UnlearntNulls(booster).count(table(rows)), "nulls where training had some are no news"
    rows[::3, 0] = np.nan
    scores = LightGBMModel(booster).score(table(rows))
    others = np.setdiff1d(np.arange(60), np.arange(0, 60, 3))
    np.testing.assert_array_equal(scores[others], plain[others])
    assert np.isfinite(scores).all()
    # Written anew with nothing left out, the trees are the same.
    again = lgb.Booster(model_str=forest_of(booster.model_to_string()).averaged(frozenset()))
    np.testing.assert_array_equal(again.predict(table(rows)), booster.predict(table(rows)))


def test_a_null_and_nan_are_the_same_and_no_zero() -> None:
    booster = trained(FORESTS["regression"])
    model = LightGBMModel(booster)
    rows = matrix(1)[:50]
    rows[:, 0] = np.nan
    as_nan = table(rows).set_column(0, "a", pa.array(rows[:, 0]))
    assert as_nan["a"].null_count == 0
    np.testing.assert_array_equal(model.score(as_nan), model.score(table(rows)))
    rows[:, 0] = 0.0
    assert np.abs(model.score(as_nan) - model.score(table(rows))).max() > 0.1


def test_columns_missing_in_different_rows_are_told_apart() -> None:
    booster = trained(FORESTS["binary"])
    model = LightGBMModel(booster)
    rows = matrix(1)[:30]
    rows[:10, 0], rows[5:20, 3] = np.nan, np.nan
    together = model.score(table(rows))
    alone = np.concatenate([model.score(table(rows[place : place + 1])) for place in range(30)])
    np.testing.assert_array_equal(together, alone)


def test_who_declares_that_a_null_is_no_missing_value_has_it_so() -> None:
    booster = trained({**FORESTS["regression"], "use_missing": False})
    rows = matrix(1)[:20]
    rows[:, 0] = np.nan
    assert UnlearntNulls(booster).count(table(rows)) == {}
    np.testing.assert_array_equal(LightGBMModel(booster).score(table(rows)), booster.predict(table(rows)))


def test_trees_that_go_on_from_others_are_looked_at_split_by_split() -> None:
    first = trained(FORESTS["regression"], rounds=3)
    booster = trained({**FORESTS["regression"], "learning_rate": 0.2}, rounds=3, begin=first)
    rows = matrix(1)[:20]
    rows[:, 0] = np.nan
    wanted = [
        sum(
            walked(tree["tree_structure"], row.astype(float), {0})
            for tree in booster.dump_model()["tree_info"]
        )
        for row in rows
    ]
    np.testing.assert_allclose(LightGBMModel(booster).score(table(rows)), wanted, rtol=1e-9)


def test_a_forest_of_bare_leaves_asks_nothing() -> None:
    rows = matrix()
    label = np.full(ROWS, 3.0)
    made = lgb.train({"verbosity": -1, "objective": "regression"}, lgb.Dataset(rows, label), 2)
    rows[:, 0] = np.nan
    assert LightGBMModel(made).score(table(rows[:5])).tolist() == [3.0] * 5
    assert UnlearntNulls(made).count(table(rows[:5])) == {}
