"""What project.yaml may say of a search: ranges of known parameters, with something between their ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nightshift.errors import RequestError
from nightshift.tuning.space import space_of
from tests.synthetic import World


def names(world: World, **changes: Any) -> dict[str, list[str]]:
    return {arm.name: [row.name for row in arm.ranges] for arm in space_of(world.declare(**changes)).arms}


def test_it_works_with_nothing_declared(tmp_path: Path) -> None:
    assert names(World(tmp_path)) == {
        "lightgbm": ["learning_rate", "num_leaves", "min_data_in_leaf", "feature_fraction", "lambda_l2"]
    }


def test_rounds_are_searched_where_nothing_stops_early(tmp_path: Path) -> None:
    assert "rounds" in names(World(tmp_path), learner={"early_stopping": None})["lightgbm"]


def test_ranges_are_narrowed_added_and_left_out(tmp_path: Path) -> None:
    ranges = {
        "num_leaves": {"low": 8, "high": 16}, "max_depth": {"choices": [4, 6]}, "lambda_l2": None,
        "feature_fraction": None, "min_data_in_leaf": None,
    }  # fmt: skip
    arm = space_of(World(tmp_path).declare(tune={"ranges": {"lightgbm": ranges}})).arms[0]
    found = {row.name: (row.low, row.high, row.choices) for row in arm.ranges}
    assert found == {
        "learning_rate": (0.01, 0.3, ()), "num_leaves": (8, 16, ()), "max_depth": (None, None, (4, 6)),
    }  # fmt: skip


def test_several_learners_are_searched_over_with_what_they_share(tmp_path: Path) -> None:
    project = World(tmp_path).declare(
        tune={"learners": ["lightgbm", "mlp", "tabm"]}, learner={"half_life": "30d", "seed": 5}
    )
    arms = space_of(project).arms
    assert [arm.name for arm in arms] == ["lightgbm", "mlp", "tabm"]
    assert {(arm.recipe.half_life, arm.recipe.seed) for arm in arms} == {(project.learner.half_life, 5)}
    values = {"rate": 0.01, "weight_decay": 0.1, "dropout": 0.2}
    made = arms[2].with_values(values)
    assert (made.kind, made.length, made.params) == ("torch", 30, {"dropout": 0.2})


def test_everything_left_out_is_nothing_to_search_for(tmp_path: Path) -> None:
    nothing = dict.fromkeys(names(World(tmp_path))["lightgbm"])
    with pytest.raises(RequestError, match="nothing to search for"):
        names(World(tmp_path), tune={"ranges": {"lightgbm": nothing}})


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"ranges": {"lightgbm": {"num_leafs": {"low": 2}}}}, "did you mean 'num_leaves'?"),
        ({"ranges": {"mlp": {"num_leaves": {"low": 2}}}}, "knows no parameter 'num_leaves' of mlp"),
        (
            {"ranges": {"lightgbm": {"num_leaves": {"low": 20, "high": 10}}}},
            "low (20) is greater than high (10)",
        ),
        ({"ranges": {"lightgbm": {"num_leaves": {"low": 300}}}}, "low (300) is greater than high (255)"),
        ({"ranges": {"lightgbm": {"num_leaves": {"low": 2.5}}}}, "whole number"),
        ({"ranges": {"lightgbm": {"learning_rate": {"low": 0}}}}, "greater than 0"),
        ({"ranges": {"lightgbm": {"extra_trees": {"low": 0}}}}, "has choices"),
        ({"ranges": {"lightgbm": {"num_leaves": {"low": 2, "choices": [3]}}}}, "and not both"),
        ({"ranges": {"lightgbm": {"num_leaves": {"lo": 2}}}}, "unknown key 'lo'"),
        ({"ranges": {"lightgbm": {"num_leaves": {"low": 1}}}}, "the range holds 1, which lightgbm refuses"),
        ({"ranges": {"lightgbm": {"num_leaves": {"choices": [7, "15"]}}}}, "the range holds '15'"),
        ({"ranges": {"lightgbm": {"feature_fraction": {"high": 1.5}}}}, "is greater than 0 and at most 1"),
        ({"ranges": {"lightgbm": {"learning_rate": {"high": math.inf}}}}, "finite"),
        ({"ranges": {"lightgbm": {"learning_rate": {"low": "0.001"}}}}, "write the number, without quotes"),
        ({"ranges": {"lightgbm": {"learning_rate": {"choices": [math.nan]}}}}, "finite"),
        ({"ranges": {"lightgbm": {"extra_trees": {"choices": [1, 0]}}}}, "the range holds 1"),
        ({"ranges": {"lightgbm": {"rounds": {"low": 0, "log": False}}}}, "the range holds 0"),
        ({"ranges": {"mlp": {"dropout": {"high": 1.0}}}}, "the range holds 1.0, which mlp refuses"),
        ({"ranges": {"mlp": {"batch_size": {"choices": [0]}}}}, "the range holds 0"),
        ({"fold": 2}, "unknown key 'fold'"),
        ({"learners": ["catboost"]}, "unknown value 'catboost'"),
        ({"folds": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, tune: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as refused:
        World(tmp_path).declare(tune=tune)
    assert said in str(refused.value)
