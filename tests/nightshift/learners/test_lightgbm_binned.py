"""Rows that an earlier process has binned give the very trees that binning them again gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nightshift.learners.lightgbm import LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Origin, Task
from nightshift.spec.learner import LightGBM
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.trees import (
    CLASSES,
    ENCODER,
    RANDOM,
    ROWS,
    SEED,
    Stopped,
    interrupted,
    keeper,
    part,
    recipe,
    task,
    text_of,
    until,
)


def weighed(kind: Kind) -> Task:
    given = task(kind)
    return replace(
        given, train=replace(given.train, weight=np.random.default_rng(SEED).uniform(0.5, 2.0, ROWS))
    )


def whole(given: Task, declared: LightGBM) -> Fitted:
    return LightGBMLearner().fit(given, declared, Oversight())


def bins(scratch: Path) -> Path:
    """The only file of bins there."""
    (path,) = scratch.glob("*.bin")
    return path


@pytest.mark.parametrize("params", [{}, RANDOM], ids=["plain", "random"])
@pytest.mark.parametrize("kind", CLASSES)
def test_kept_bins_give_the_same_bytes(
    kind: Kind, params: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    given, declared = weighed(kind), recipe(params=params)
    resumed = interrupted(replace(given, scratch=scratch), declared, [7, 18, 33])
    assert resumed.resumed_from is not None
    assert bins(scratch).stat().st_size > ROWS
    again = whole(replace(given, scratch=scratch), declared)  # from the bins, and from the first round
    wanted = text_of(whole(given, declared), tmp_path / "whole")
    assert text_of(resumed, tmp_path / "resumed") == wanted
    assert text_of(again, tmp_path / "again") == wanted
    assert caplog.text == ""


def test_a_short_training_keeps_none(tmp_path: Path) -> None:
    LightGBMLearner().fit(task("binary", tmp_path), recipe(), Oversight(keeper(MemoryStore(), "auto")))
    assert list(tmp_path.iterdir()) == []


def test_trees_that_go_on_from_another_models_do_so_in_kept_bins(tmp_path: Path) -> None:
    first = whole(task("binary"), recipe(rounds=10))
    text_of(first, tmp_path / "first")
    origin = Origin("first", "lightgbm", "binary", CLASSES["binary"], ENCODER, tmp_path / "first")
    given = replace(weighed("binary"), train=part("binary", SEED + 7), origin=origin)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    declared = recipe(rounds=16, params=RANDOM)
    resumed = interrupted(replace(given, scratch=scratch), declared, [11])
    assert bins(scratch).is_file()
    assert text_of(resumed, tmp_path / "resumed") == text_of(whole(given, declared), tmp_path / "whole")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_torn_file_is_told_and_made_anew(
    share: float, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    scratch, store = tmp_path / "scratch", MemoryStore()
    scratch.mkdir()
    kept = keeper(store)
    with pytest.raises(Stopped):
        LightGBMLearner().fit(task("binary", scratch), recipe(), Oversight(kept, looked=until(11)))
    kept.finish()
    good = bins(scratch).read_bytes()
    bins(scratch).write_bytes(good[: int(len(good) * share)])
    resumed = LightGBMLearner().fit(task("binary", scratch), recipe(), Oversight(keeper(store)))
    assert caplog.text.count("is not used") == 1
    assert text_of(resumed, tmp_path / "resumed") == text_of(
        whole(task("binary"), recipe()), tmp_path / "whole"
    )
    assert bins(scratch).read_bytes() == good
    assert capfd.readouterr().out == ""
