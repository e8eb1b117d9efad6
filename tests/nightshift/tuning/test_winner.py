"""The change of project.yaml touches the learner's lines alone, and reads back as what was tried."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from nightshift.settings import Settings
from nightshift.spec.load import read_project
from nightshift.spec.ranges import Choice
from nightshift.tuning.found import Found, Tried
from nightshift.tuning.winner import change_of

HEAD = """\
# What it is for.
name: shop
purpose: "To be  tested."   # twice
owner: tests
sources:
  rows: {kind: files, uri: "${NIGHTSHIFT_DATA}/rows.parquet"}
dataset:
  key:
  - id
  event_time: seen_at
  label: {column: y, kind: binary}
"""
BLOCK = """\
learner:
  kind: lightgbm
  # Fixed.
  rounds: 50
  early_stopping: null
  half_life: 60d
  params: {num_leaves: 31, learning_rate: 0.1, feature_fraction: 0.7}
"""
TAIL = """\
# At night.
night: {schedule: "0 2 * * *"}
"""


def changed(folder: Path, text: str, params: dict[str, Choice], learner: str = "lightgbm") -> tuple[str, str]:
    path = folder / "projects" / "shop" / "project.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (path.parent / "dataset.sql").write_text("select * from rows")
    found = Found(
        project="shop", study="shop-0", as_of=datetime(2024, 3, 1, tzinfo=UTC), metric="roc_auc",
        greater_is_better=True, folds=1,
        tried=(
            Tried(trial=0, learner="lightgbm", params={}, state="complete", value=0.6),
            Tried(trial=1, learner=learner, params=params, state="complete", value=0.7 if params else 0.6),
        ),
    )  # fmt: skip
    change = change_of(
        read_project(path), found, Settings(home=folder / "home", projects=folder / "projects")
    )
    path.write_text(change.text)
    read_project(path)
    return change.text, change.diff


def test_only_what_was_tried_changes(tmp_path: Path) -> None:
    text, diff = changed(
        tmp_path, HEAD + BLOCK + TAIL, {"num_leaves": 63, "lambda_l2": 1.2e-05, "rounds": 120}
    )

    assert text.startswith(HEAD)
    assert text.endswith(TAIL)
    learner = yaml.safe_load(text)["learner"]
    assert learner["params"] == {
        "num_leaves": 63, "learning_rate": 0.1, "feature_fraction": 0.7, "lambda_l2": 1.2e-05,
    }  # fmt: skip
    assert (learner["rounds"], learner["early_stopping"], learner["half_life"]) == (120, None, "60d")
    removed = [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert removed == [
        "-  rounds: 50",
        "-  params: {num_leaves: 31, learning_rate: 0.1, feature_fraction: 0.7}",
    ]
    assert "--- a/shop/project.yaml" in diff


def test_a_learner_that_is_not_declared_is_added(tmp_path: Path) -> None:
    text, _ = changed(tmp_path, HEAD + TAIL.rstrip("\n"), {"num_leaves": 63})
    assert text.startswith(HEAD + TAIL)
    assert yaml.safe_load(text)["learner"] == {"kind": "lightgbm", "params": {"num_leaves": 63}}


def test_what_has_to_stand_beside_a_parameter_is_written_too(tmp_path: Path) -> None:
    text, _ = changed(tmp_path, HEAD + BLOCK, {"bagging_fraction": 0.8})
    params = yaml.safe_load(text)["learner"]["params"]
    assert (params["bagging_fraction"], params["bagging_freq"]) == (0.8, 1)


def test_another_learner_takes_the_place_and_what_all_share_stays(tmp_path: Path) -> None:
    text, _ = changed(tmp_path, HEAD + BLOCK + TAIL, {"rate": 0.002, "dropout": 0.1}, learner="mlp")
    assert text.endswith(TAIL)
    assert yaml.safe_load(text)["learner"] == {
        "kind": "torch", "network": "mlp", "half_life": "60d", "rate": 0.002, "params": {"dropout": 0.1},
    }  # fmt: skip


@pytest.mark.parametrize("block", [BLOCK, ""])
def test_nothing_changes_when_nothing_is_better(tmp_path: Path, block: str) -> None:
    assert changed(tmp_path, HEAD + block, {}) == (HEAD + block, "")
