"""Our list of LightGBM's parameters is the library's own, and what it refuses is refused when it is declared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from nightshift.spec.declaration import RECORDED
from nightshift.spec.learner import LightGBM
from nightshift.spec.lightgbm_params import BY_ANY_NAME, CLASS_METRICS, METRICS, PARAMS, Param
from nightshift.spec.lightgbm_values import LabelKind, check_of_label

SETTABLE = [row for row in PARAMS.values() if not row.owner]
NUMBERS = [row for row in SETTABLE if row.kind in ("int", "float")]
# Stricter than the library, and why.
OURS = {
    "num_threads": "it ends the process when it is given too many",
    "num_grad_quant_bins": "they are counted in 8 bits",
    "saved_feature_importance_type": "there are two",
}


def declare(**params: Any) -> LightGBM:
    return LightGBM.model_validate({"kind": "lightgbm", "params": params})


def refusal(**params: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as raised:
        declare(**params)
    return raised.value.errors()[0]["ctx"]


@pytest.fixture(scope="module")
def library_takes() -> Callable[..., bool]:
    rows = np.random.default_rng(0).random((40, 2))
    label = (rows[:, 0] > 0.5).astype(float)

    def takes(**params: Any) -> bool:
        try:
            lgb.Booster({"objective": "binary", "verbosity": -1, **params}, lgb.Dataset(rows, label))
        except (lgb.basic.LightGBMError, TypeError):
            return False
        return True

    return takes


def test_the_list_is_the_librarys_with_every_alias() -> None:
    known = lgb.basic._ConfigAliases._get_all_param_aliases()
    assert {row.name: {row.name, *row.aliases} for row in PARAMS.values()} == {
        name: set(names) for name, names in known.items()
    }
    assert len(BY_ANY_NAME) == sum(map(len, known.values()))


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_ends_are_the_librarys(row: Param, library_takes: Callable[..., bool]) -> None:
    step = 1 if row.kind == "int" else 1e-6
    inside = [end for end in (row.least, row.most) if end is not None]
    inside += [row.above + step] if row.above is not None else []
    inside += [row.below - step] if row.below is not None else []
    outside = [end for end in (row.above, row.below) if end is not None]
    outside += [row.least - step] if row.least is not None else []
    outside += [row.most + step] if row.most is not None else []
    if row.name == "num_threads":  # too many of them would end this process
        inside, outside = [1], []
    whole = int if row.kind == "int" else float
    for value in map(whole, inside or [1]):
        declare(**{row.name: value})
        assert library_takes(**{row.name: value}), value
    for value in map(whole, outside):
        assert refusal(**{row.name: value})["key"] == f"params.{row.name}"
        assert row.name in OURS or not library_takes(**{row.name: value}), value
    assert not library_takes(**{row.name: "text"})


@pytest.mark.parametrize("row", [row for row in SETTABLE if row.kind == "bool"], ids=lambda row: row.name)
def test_switches_are_the_librarys(row: Param, library_takes: Callable[..., bool]) -> None:
    assert library_takes(**{row.name: True})
    assert not library_takes(**{row.name: "perhaps"})
    declare(**{row.name: True})
    for value in (1, 0, "true", None, 1.0):
        assert refusal(**{row.name: value})["key"] == f"params.{row.name}"


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, math.nan, "0.5", "1", "", True, None, [1], {}, 10**400]
)
def test_what_is_no_number_is_refused(row: Param, value: Any) -> None:
    assert refusal(**{row.name: value})["key"] == f"params.{row.name}"


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_metrics_are_the_librarys(kind: LabelKind) -> None:
    # Of a regression from 0.5 to 1: some metrics want numbers above 0, and some shares.
    rows, label = np.random.default_rng(0).random((40, 2)), np.arange(40) % 2
    label = (label + 1) / 2 if kind == "regression" else label
    params = {"objective": kind, "verbosity": -1, "num_class": 2 if kind == "multiclass" else 1}
    for metric in (*METRICS, *CLASS_METRICS):
        try:
            check_of_label({"metric": metric}, kind)
        except PydanticCustomError:
            continue
        booster = lgb.Booster({**params, "metric": metric}, lgb.Dataset(rows, label))
        booster.update()
        assert booster.eval_train(), metric
    with pytest.raises(PydanticCustomError, match="says nothing of a"):
        check_of_label({"metrics": ["rmse", "multi_error"]}, kind)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        *((alias, "learner.rounds") for alias in (
            "num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds",
            "num_boost_round", "n_estimators", "max_iter")),
        *((alias, "learner.early_stopping") for alias in (
            "early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")),
        *((alias, "learner.seed") for alias in ("seed", "random_seed", "random_state")),
        *((alias, "dataset.label") for alias in ("num_class", "num_classes", "label_column", "label")),
        ("weight", "dataset.weight"), ("ignore_column", "dataset.exclude"), ("input_model", "learner.from_model"),
    ],
)  # fmt: skip
def test_names_of_what_is_declared_elsewhere_say_where(name: str, owner: str) -> None:
    told = refusal(**{name: 1})
    assert f"params.{name}" in told["what"]
    assert (told["key"], told["remedy"]) == (f"params.{name}", f"write {owner}")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("num_leafs", "'num_leaves'"), ("learning_rat", "'learning_rate'"), ("Num_Leaves", "'num_leaves'"),
        ("n_estimator", "'learner.rounds'"), ("early_stoping_rounds", "'learner.early_stopping'"),
        ("rounds", "learner.rounds"), ("class_weight", "learner.class_weights"),
        ("lamda_l1", "'lambda_l1'"), ("bagging_fracton", "'bagging_fraction'"),
    ],
)  # fmt: skip
def test_misspelt_names_bring_the_nearest(given: str, meant: str) -> None:
    assert meant in refusal(**{given: 4})["remedy"]


@pytest.mark.parametrize(
    "row", [row for row in PARAMS.values() if " " in row.owner], ids=lambda row: row.name
)
def test_what_nightshift_does_itself_is_refused_by_every_name(row: Param) -> None:
    for name in (row.name, *row.aliases):
        assert row.owner in refusal(**{name: "/etc/passwd"})["what"]


@pytest.mark.parametrize(
    "params",
    [
        {"eta": 0.1, "learning_rate": 0.2},
        {"loss": "huber"},
        {"boosting": "drat"},
        {"boosting": "gbdt num_threads=3"},
        {"metric": "auc input_model=/etc/passwd"},
        {"metric": "auc, binary_logloss"},
        {"metric": []},
        {"metric": "None"},
        {"metric": "ndcg"},
        {"monotone_constraints": []},
        {"monotone_constraints": [1, 2]},
        {"monotone_constraints": [1, 0.5]},
        {"monotone_constraints": "1,0 input_model=x"},
        {"monotone_constraints": 1},
        {"interaction_constraints": [0, 1]},
        {"interaction_constraints": [[0], []]},
        {"interaction_constraints": [["x"]]},
        {"interaction_constraints": "[0] input_model=x"},
        {"feature_contri": [1.0, math.inf]},
        {"max_bin_by_feature": [255, 1]},
        {"boosting": "rf"},
        {"boosting": "goss", "top_rate": 0.8, "other_rate": 0.4},
        {"data_sample_strategy": "goss", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"is_unbalance": True, "scale_pos_weight": 3.0},
        {"objective": "quantile", "alpha": 1.5},
        {"objective": "l1", "linear_tree": True},
        {"device": "gpu"},
        {"tree_learner": "data"},
        {"num_threads": 200_000},
    ],
    ids=str,
)
def test_values_that_end_a_training_are_refused_before(params: dict[str, Any]) -> None:
    assert refusal(**params)["key"].split(".")[1] in params


@pytest.mark.parametrize(
    "params",
    [
        {"monotone_constraints": [1, 0]},
        {"mc": "1,-1"},
        {"interaction_constraints": [[0, 1], [1]]},
        {"interaction_constraints": "[0,1],[1]"},
        {"feature_contri": [1.0, 0.5]},
        {"max_bin_by_feature": [16, 8]},
        {"metric": ["auc", "binary_logloss"]},
        {"metric": "auc,binary_logloss"},
        {"cegb_penalty_feature_coupled": [0.1, 0.2]},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"boosting": "goss", "top_rate": 0.5, "other_rate": 0.5},
        {"num_threads": -1, "verbose": -1, "device": "cpu", "tree_learner": "serial"},
    ],
    ids=str,
)
def test_values_that_the_library_takes_are_taken(
    params: dict[str, Any], library_takes: Callable[..., bool]
) -> None:
    assert declare(**params).params == params
    assert library_takes(**params)


def test_what_was_once_trained_is_read_as_it_was_declared() -> None:
    params = {"num_leafs": 4, "n_estimators": 3, "learning_rate": "0.1", "extra_trees": 1}
    found = LightGBM.model_validate({"kind": "lightgbm", "params": params}, context=RECORDED)
    assert found.params == params
