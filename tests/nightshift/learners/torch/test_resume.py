"""A training that is cut short, in the middle of an epoch or between two, ends with the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Task
from nightshift.spec.learner import Torch
from nightshift.spec.project import Kind
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.torch.small import always_due, files_of, fit, recipe_of, task_of

KINDS: tuple[Kind, ...] = get_args(Kind)


class Killed(Exception):
    """Stands for a kill."""


class KilledAt:
    """A budget that kills at the so-manieth time that it is asked."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __call__(self, done: float) -> str | None:
        self.left -= 1
        if self.left == 0:
            raise Killed
        return None


def cut(task: Task, recipe: Torch, store: MemoryStore, moment: int) -> None:
    keeper = always_due(store)
    with pytest.raises(Killed):
        fit(task, recipe, Oversight(keeper, spent=KilledAt(moment)))
    keeper.finish()


def assert_same(one: Fitted, other: Fitted, folder: Path) -> None:
    assert files_of(one, folder / "one") == files_of(other, folder / "other")
    assert (one.history, one.rounds, one.best_round, one.ended, one.notes) == (
        other.history, other.rounds, other.best_round, other.ended, other.notes,
    )  # fmt: skip
    assert one.state is not None
    assert other.state is not None
    assert one.state.files == other.state.files


@pytest.mark.parametrize("network", ["mlp", "tabm"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_cuts_change_nothing(kind: Kind, network: str, tmp_path: Path) -> None:
    task, recipe, store = task_of(kind), recipe_of(network), MemoryStore()
    whole = fit(task, recipe)
    cut(task, recipe, store, 3)
    cut(task, recipe, store, 2)
    again = fit(task, recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    assert again.resumed_from.progress.done > 1
    assert_same(whole, again, tmp_path)


@pytest.mark.parametrize("moment", [2, 3, 4, 5, 6])
def test_any_boundary_will_do(moment: int, tmp_path: Path) -> None:
    params = {"layers": [8], "norm": "batch", "numbers": "piecewise", "bins": 3}
    task, recipe, store = task_of(), recipe_of(params=params, early_stopping=None), MemoryStore()
    cut(task, recipe, store, moment)
    again = fit(task, recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    # Asked in the middle of an epoch and at its end; what was kept last is one moment older.
    assert again.resumed_from.progress.done == pytest.approx((moment - 2) // 2 + (0.64, 1.0)[moment % 2])
    assert_same(fit(task, recipe), again, tmp_path)


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task, recipe, store = task_of(), recipe_of(), MemoryStore()
    cut(task, recipe, store, 5)
    newest = [name for name in store.names("checkpoints") if "/at-" in name][-1]
    store.write(newest, store.read(newest)[:-40])
    again = fit(task, recipe, Oversight(always_due(store)))
    assert "is not used" in caplog.text
    assert_same(fit(task, recipe), again, tmp_path)


def test_a_checkpoint_of_another_network_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task, store = task_of(), MemoryStore()
    cut(task, recipe_of(params={"layers": [5]}), store, 4)
    again = fit(task, recipe_of(), Oversight(always_due(store)))
    assert "begins anew" in caplog.text
    assert again.resumed_from is None
    assert_same(fit(task, recipe_of()), again, tmp_path)


def test_recoveries_are_gone_on_with_too(tmp_path: Path) -> None:
    task = task_of()
    recipe = recipe_of(
        rate=30.0, clip=None, warm_up=0, epochs=5, early_stopping=None, plateau=None,
        divergence={"factor": 1.01, "patience": 1},
    )  # fmt: skip
    whole, store = fit(task, recipe), MemoryStore()
    assert whole.notes
    cut(task, recipe, store, 6)
    assert_same(whole, fit(task, recipe, Oversight(always_due(store))), tmp_path)


def test_a_full_disk_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from nightshift.errors import OutsideError

    class Full(MemoryStore):
        def write(self, name: str, content: bytes) -> None:
            raise OutsideError("cannot write: No space left on device", where=name)

    kept = fit(task_of(), recipe_of(), Oversight(always_due(Full())))
    assert "No space left" in caplog.text
    assert kept.kept.count == 0
    assert_same(fit(task_of(), recipe_of()), kept, tmp_path)


def test_torch_is_left_as_it_was() -> None:
    torch.manual_seed(7)
    before = (torch.get_rng_state(), torch.are_deterministic_algorithms_enabled(), torch.get_num_threads())
    fit(task_of(), recipe_of(epochs=1))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads())


def test_the_state_to_go_on_from_is_the_kept_models() -> None:
    fitted = fit(task_of(), recipe_of())
    assert isinstance(fitted.state, Checkpoint)
    assert fitted.state.progress.done == fitted.best_round
    kept: dict[str, Any] = dict(replace(fitted.state).files)
    assert set(kept) == {"state.safetensors"}
