"""A training that is cut short at any round goes on in another process's place, and ends with the very same model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from nightshift.errors import DataRefusedError, OutsideError
from nightshift.learners.lightgbm import FILE_NAME, LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Origin
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.trees import (
    CLASSES,
    ENCODER,
    RANDOM,
    ROUNDS,
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


@pytest.mark.parametrize("params", [{}, RANDOM], ids=["plain", "random"])
@pytest.mark.parametrize("kind", CLASSES)
def test_a_resumed_training_ends_with_the_same_bytes(
    kind: Kind, params: dict[str, Any], tmp_path: Path
) -> None:
    declared = recipe(params=params)
    whole = LightGBMLearner().fit(task(kind), declared, Oversight(keeper(MemoryStore())))
    resumed = interrupted(task(kind), declared, [7, 18, 33])
    assert resumed.resumed_from is not None
    assert resumed.resumed_from.progress.done == 32
    assert text_of(resumed, tmp_path / "resumed") == text_of(whole, tmp_path / "whole")
    assert (resumed.rounds, resumed.best_round) == (whole.rounds, whole.best_round)
    assert resumed.history == whole.history


def test_when_checkpoints_are_written_changes_nothing(tmp_path: Path) -> None:
    declared, folders = recipe(params=RANDOM), []
    for place, every in enumerate(("4 rounds", "20 rounds", "auto")):
        fitted = LightGBMLearner().fit(task("binary"), declared, Oversight(keeper(MemoryStore(), every)))
        folders.append(text_of(fitted, tmp_path / str(place)))
    folders.append(text_of(LightGBMLearner().fit(task("binary"), declared, Oversight()), tmp_path / "none"))
    assert len(set(folders)) == 1


def test_early_stopping_goes_on_where_it_was(tmp_path: Path) -> None:
    declared = recipe(early_stopping=6, rounds=200, params={**RANDOM, "learning_rate": 0.4})
    whole = LightGBMLearner().fit(task("binary"), declared, Oversight())
    assert whole.rounds < 200
    assert "stopped early" in whole.ended
    resumed = interrupted(task("binary"), declared, [whole.rounds - 1])
    assert resumed.resumed_from is not None
    assert (resumed.rounds, resumed.best_round) == (whole.rounds, whole.best_round)
    assert text_of(resumed, tmp_path / "resumed") == text_of(whole, tmp_path / "whole")


def test_reseeding_changes_nothing_where_nothing_is_drawn(tmp_path: Path) -> None:
    often, never = (
        LightGBMLearner().fit(task("binary"), recipe(reseed_every=every), Oversight()) for every in (2, 1000)
    )
    assert text_of(often, tmp_path / "often") == text_of(never, tmp_path / "never")


def test_boundaries_are_part_of_the_recipe_where_something_is(tmp_path: Path) -> None:
    often, never = (
        LightGBMLearner().fit(task("binary"), recipe(reseed_every=every, params=RANDOM), Oversight())
        for every in (2, 1000)
    )
    assert text_of(often, tmp_path / "often") != text_of(never, tmp_path / "never")


class Full(MemoryStore):
    """A store without space."""

    def write(self, name: str, content: bytes) -> None:
        raise OutsideError("cannot write: No space left on device", where=name)


def test_a_full_disk_is_told_and_training_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    fitted = LightGBMLearner().fit(task("binary"), recipe(), Oversight(keeper(Full())))
    assert (fitted.rounds, fitted.kept.count) == (ROUNDS, 0)
    assert "No space left" in caplog.text


def test_a_spent_budget_keeps_what_there_is() -> None:
    left = iter([None] * 9)
    fitted = LightGBMLearner().fit(
        task("binary"),
        recipe(),
        Oversight(spent=lambda done: next(left, "the budget of 1 minutes was spent")),
    )
    assert (fitted.rounds, fitted.best_round) == (10, 10)
    assert fitted.ended == f"the budget of 1 minutes was spent at round 10 of {ROUNDS}"


def test_a_training_that_diverges_ends_with_its_best_round() -> None:
    wild = recipe(params={"learning_rate": 60.0, "num_leaves": 31, "min_data_in_leaf": 1})
    fitted = LightGBMLearner().fit(task("regression"), wild, Oversight())
    assert fitted.rounds < ROUNDS
    losses = fitted.history["validate"]["rmse"]
    assert fitted.best_round == int(np.argmin(losses)) + 1
    assert "diverged" in fitted.ended
    assert fitted.notes == (fitted.ended,)


def test_a_loss_that_never_was_a_number_is_refused() -> None:
    wild = recipe(params={"learning_rate": 1e200})
    with pytest.raises(DataRefusedError, match="went wrong in its first round"):
        LightGBMLearner().fit(task("regression"), wild, Oversight())


@pytest.mark.parametrize("boosting", ["dart", "rf", "goss"])
def test_what_cannot_resume_keeps_no_checkpoints(boosting: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    store = MemoryStore()
    params = {"boosting": boosting} if boosting != "goss" else {"data_sample_strategy": "goss"}
    if boosting == "rf":
        params |= {"bagging_fraction": 0.5, "bagging_freq": 1}
    LightGBMLearner().fit(task("binary"), recipe(params=params), Oversight(keeper(store)))
    assert store.contents == {}
    assert caplog.text.count("no checkpoints") == 1


def test_dart_keeps_every_round() -> None:
    declared = recipe(early_stopping=2, params={"boosting": "dart", "learning_rate": 0.9})
    assert LightGBMLearner().fit(task("binary"), declared, Oversight()).best_round == ROUNDS


@pytest.mark.parametrize("params", [{}, RANDOM], ids=["plain", "random"])
def test_trees_go_on_from_another_models(params: dict[str, Any], tmp_path: Path) -> None:
    first = LightGBMLearner().fit(task("binary"), recipe(rounds=10), Oversight())
    text_of(first, tmp_path / "first")
    new = part("binary", SEED + 7)
    begun = replace(
        task("binary"),
        train=new,
        origin=Origin("first", "lightgbm", "binary", CLASSES["binary"], ENCODER, tmp_path / "first"),
    )
    declared = recipe(rounds=12, params=params)
    fitted = LightGBMLearner().fit(begun, declared, Oversight())
    assert (fitted.rounds, fitted.best_round) == (12, 12)
    booster = lgb.Booster(model_str=text_of(fitted, tmp_path / "second"))
    assert booster.num_trees() == 22
    ours = booster.predict(new.features, num_iteration=10)
    np.testing.assert_array_equal(ours, first.model.score(new.features))
    # Cut short, it ends with the same.
    store = MemoryStore()
    kept = keeper(store)
    with pytest.raises(Stopped):
        LightGBMLearner().fit(begun, declared, Oversight(kept, looked=until(7)))
    kept.finish()
    again = LightGBMLearner().fit(begun, declared, Oversight(keeper(store)))
    assert again.resumed_from is not None
    assert text_of(again, tmp_path / "again") == (tmp_path / "second" / FILE_NAME).read_text()


def test_the_same_trees_learn_new_leaves(tmp_path: Path) -> None:
    first = LightGBMLearner().fit(task("binary"), recipe(rounds=10), Oversight())
    text_of(first, tmp_path / "first")
    new = part("binary", SEED + 7)
    origin = Origin("first", "lightgbm", "binary", CLASSES["binary"], ENCODER, tmp_path / "first")
    declared = recipe(rounds=12, mode="refit", params={"refit_decay_rate": 0.4})
    fitted = LightGBMLearner().fit(replace(task("binary"), train=new, origin=origin), declared, Oversight())
    bare = lgb.Booster(model_file=str(tmp_path / "first" / FILE_NAME)).refit(
        new.features, new.label, decay_rate=0.4
    )
    np.testing.assert_allclose(fitted.model.score(new.features), bare.predict(new.features), rtol=1e-12)
    assert lgb.Booster(model_str=text_of(fitted, tmp_path / "second")).num_trees() == 10
