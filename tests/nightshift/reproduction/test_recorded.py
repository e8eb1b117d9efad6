"""What a version recorded is read as it was declared, also where it could not be declared today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nightshift.errors import DataRefusedError
from nightshift.reproduction.recorded import declaration_of
from tests.synthetic import World


@pytest.mark.parametrize(
    "learner",
    [
        {"kind": "lightgbm", "params": {"num_leafs": 4, "n_estimators": 9, "learning_rate": "0.1"}},
        {"kind": "lightgbm", "params": {"forcedsplits_filename": "splits.json", "extra_trees": 1}},
        {"kind": "lightgbm", "class_weights": {"1": 0.0}, "rounds": "12", "seed": 2**31},
        {"kind": "torch", "params": {"dropout": "0.2"}, "rate": "1e-3"},
        {"kind": "torch", "network": "package.somebody.removed:build"},
    ],
    ids=str,
)
def test_a_recipe_of_old_rules_is_read(tmp_path: Path, learner: dict[str, Any]) -> None:
    recorded = World(tmp_path).declare().model_dump(mode="json", by_alias=True) | {"learner": learner}
    found = declaration_of(recorded, "select 1", where="here").learner
    assert found.params == learner.get("params", {})


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    recorded = World(tmp_path).declare().model_dump(mode="json", by_alias=True) | {
        "learner": {"kind": "none"}
    }
    with pytest.raises(DataRefusedError, match="not understood"):
        declaration_of(recorded, "select 1", where="here")
