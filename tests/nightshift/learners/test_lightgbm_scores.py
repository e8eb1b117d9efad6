"""Scores kept at a checkpoint are those that the trees give, and training goes on from them to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.learners.lightgbm import FILE_NAME, LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Task
from nightshift.spec.learner import LightGBM
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.trees import RANDOM, ROWS, Stopped, keeper, recipe, task, text_of, until

OBJECTIVES: list[tuple[Kind, dict[str, Any]]] = [
    ("binary", {}),
    ("binary", {"is_unbalance": True, **RANDOM}),
    ("multiclass", {}),
    ("multiclass", RANDOM),
    ("regression", RANDOM),
    ("regression", {"objective": "l1", **RANDOM}),
    ("regression", {"objective": "huber", "alpha": 0.7}),
    ("regression", {"objective": "quantile", "alpha": 0.2}),
    ("regression", {"linear_tree": True}),
    ("binary", {"metric": "auc", **RANDOM}),
]


def cut(given: Task, declared: LightGBM, store: MemoryStore) -> None:
    """Train up to the 18th round; checkpoints lie at every fourth."""
    kept = keeper(store)
    with pytest.raises(Stopped):
        LightGBMLearner().fit(given, declared, Oversight(kept, looked=until(18)))
    kept.finish()


def gone_on(given: Task, declared: LightGBM, store: MemoryStore) -> Fitted:
    fitted = LightGBMLearner().fit(given, declared, Oversight(keeper(store)))
    assert fitted.resumed_from is not None
    return fitted


def newest(scratch: Path) -> Path:
    return sorted(scratch.glob("scores-*"))[-1]


@pytest.mark.parametrize(("kind", "params"), OBJECTIVES)
def test_they_are_what_the_trees_say_and_change_no_byte(
    kind: Kind, params: dict[str, Any], tmp_path: Path
) -> None:
    scratch, store = tmp_path / "scratch", MemoryStore()
    scratch.mkdir()
    given, declared = task(kind), recipe(params=params)
    cut(replace(given, scratch=scratch), declared, store)

    checkpoint = Checkpoint.from_bytes(store.read(store.names("checkpoints")[-1]))
    booster = lgb.Booster(model_str=checkpoint.files[FILE_NAME].decode())
    told = np.asarray(booster.predict(given.train.features, raw_score=True))
    assert np.array_equal(np.fromfile(newest(scratch)), told.ravel(order="F"))

    resumed = gone_on(replace(given, scratch=scratch), declared, store)
    whole = LightGBMLearner().fit(given, declared, Oversight())
    assert text_of(resumed, tmp_path / "resumed") == text_of(whole, tmp_path / "whole")
    assert resumed.history == whole.history


def test_they_are_what_training_goes_on_from(tmp_path: Path) -> None:
    scratch, store = tmp_path / "scratch", MemoryStore()
    scratch.mkdir()
    given = task("binary", scratch)
    cut(given, recipe(), store)
    (-np.fromfile(newest(scratch))).tofile(newest(scratch))
    resumed = gone_on(given, recipe(), store)
    whole = LightGBMLearner().fit(task("binary"), recipe(), Oversight())
    assert text_of(resumed, tmp_path / "resumed") != text_of(whole, tmp_path / "whole")


@pytest.mark.parametrize("length", [0, 7, 8 * (ROWS - 1), None])
def test_without_whole_ones_the_rows_are_scored_again(length: int | None, tmp_path: Path) -> None:
    scratch, store = tmp_path / "scratch", MemoryStore()
    scratch.mkdir()
    given = task("binary", scratch)
    cut(given, recipe(), store)
    if length is None:
        newest(scratch).unlink()
    else:
        newest(scratch).write_bytes(newest(scratch).read_bytes()[:length])
    resumed = gone_on(given, recipe(), store)
    whole = LightGBMLearner().fit(task("binary"), recipe(), Oversight())
    assert text_of(resumed, tmp_path / "resumed") == text_of(whole, tmp_path / "whole")


def test_those_of_the_newest_two_checkpoints_are_kept(tmp_path: Path) -> None:
    cut(task("binary", tmp_path), recipe(), MemoryStore())
    kept = sorted(path.name.partition(".")[0] for path in tmp_path.glob("scores-*"))
    assert kept == ["scores-000012", "scores-000016"]
