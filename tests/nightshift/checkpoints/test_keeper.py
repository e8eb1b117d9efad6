"""Which checkpoints are kept and used, and when one is due."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from nightshift.checkpoints.checkpoint import Checkpoint, Progress
from nightshift.checkpoints.interval import MEAN_TIME_BETWEEN_FAILURES, best_interval
from nightshift.checkpoints.keeper import Keeper
from nightshift.errors import OutsideError
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.memory import MemoryStore


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def at(done: float, *, run: str = "mark", best: float | None = None) -> Checkpoint:
    return Checkpoint(run, "lightgbm", Progress(done, 100, "round"), 0.5, {}, {"model.txt": b"x"}, best)


def keeper(store: MemoryStore, every: str = "10 rounds", keep: int = 3, clock: Clock | None = None) -> Keeper:
    return Keeper(
        store, "demo", "mark", "lightgbm", CheckpointPolicy(every=every, keep=keep), clock or Clock()
    )


def kept(store: MemoryStore, *moments: float, keep: int = 3) -> None:
    ours = keeper(store, keep=keep)
    for done in moments:
        ours.keep(lambda done=done: at(done))  # type: ignore[misc]
    assert ours.finish().count == len(moments)


def test_the_newest_few_are_kept_and_the_newest_is_used() -> None:
    store = MemoryStore()
    kept(store, 10, 20, 30, 40, keep=2)
    assert len(store.contents) == 2
    found = keeper(store).newest()
    assert found is not None
    assert found.progress.done == 40


def test_what_cannot_be_used_is_told_and_the_one_before_is_used(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    kept(store, 10, 20, 30)
    names = sorted(store.contents)
    store.contents[names[-1]] = store.contents[names[-1]][:-7]
    store.contents[names[-2]] = at(20, run="another").to_bytes()
    found = keeper(store).newest()
    assert found is not None
    assert found.progress.done == 10
    assert "torn" in caplog.text
    assert "another training's" in caplog.text


def test_one_whose_best_state_is_lost_is_not_used() -> None:
    store = MemoryStore()
    ours = keeper(store)
    ours.keep(lambda: at(10, best=5), best=at(5))
    ours.keep(lambda: at(20, best=15), best=at(15))
    ours.finish()
    found = keeper(store).newest()
    assert found is not None
    best = keeper(store).best_of(found)
    assert best is not None
    assert best.progress.done == 15
    (lost,) = (name for name in store.contents if "best-0000015" in name)
    store.remove(lost)
    before = keeper(store).newest()
    assert before is not None
    assert before.progress.done == 10


def test_trainings_do_not_see_each_others() -> None:
    store = MemoryStore()
    kept(store, 10)
    other = Keeper(store, "demo", "other", "lightgbm", CheckpointPolicy())
    assert other.newest() is None
    other.forget()
    assert len(store.contents) == 1
    keeper(store).forget()
    assert store.contents == {}


def test_rounds_and_epochs_are_counted() -> None:
    ours = keeper(MemoryStore(), "10 rounds")
    due = []
    for done in range(1, 45):
        if ours.is_due(done):
            due.append(done)
            ours.keep(lambda done=done: at(done))  # type: ignore[misc]
    assert due == [10, 20, 30, 40]


def test_the_clock_decides_on_seconds() -> None:
    clock = Clock()
    ours = keeper(MemoryStore(), "30s", clock=clock)
    due = []
    for second in range(1, 100):
        clock.now = second
        if ours.is_due(second):
            due.append(second)
            ours.keep(lambda second=second: at(second))  # type: ignore[misc]
            ours._settle()
    assert due == [30, 60, 90]


def test_auto_measures_what_one_costs() -> None:
    clock, due = Clock(), []

    class Slow(MemoryStore):
        def write(self, name: str, content: bytes) -> None:
            clock.now += 2.0
            super().write(name, content)

    ours = keeper(Slow(), "auto", clock=clock)
    for _ in range(2500):
        clock.now += 1
        if ours.is_due(clock.now):
            due.append(clock.now)
            ours.keep(lambda: at(clock.now))
            ours._settle()
    assert due[0] == 5
    gaps = [second - first for first, second in pairwise(due)]
    assert gaps
    assert all(gap == pytest.approx(best_interval(2.0), abs=3.5) for gap in gaps)


@pytest.mark.parametrize("cost", [1e-3, 0.05, 1.0, 30.0])
def test_the_interval_loses_least_where_two_percent_allow_it(cost: float) -> None:
    """Against a search over the expected loss: half an interval a failure, and the cost of every checkpoint."""
    seconds = [1.02**power for power in range(1, 700)]
    losses = [cost / one + one / (2 * MEAN_TIME_BETWEEN_FAILURES) for one in seconds]
    best = seconds[losses.index(min(losses))]
    found = best_interval(cost)
    assert cost / found <= 0.02 + 1e-12
    if math.sqrt(2 * cost * MEAN_TIME_BETWEEN_FAILURES) > cost / 0.02:
        assert found == pytest.approx(best, rel=0.03)


def test_a_store_that_fails_is_told_and_the_last_good_one_stays(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    kept(store, 10)

    class Failing(MemoryStore):
        def write(self, name: str, content: bytes) -> None:
            raise OutsideError("cannot write: No space left on device", where=name)

    broken = Keeper(Failing(store.contents), "demo", "mark", "lightgbm", CheckpointPolicy())
    broken.keep(lambda: at(20))
    assert broken.finish().count == 0
    assert "training goes on" in caplog.text
    found = keeper(store).newest()
    assert found is not None
    assert found.progress.done == 10


def test_a_checkpoint_carries_what_was_spent_so_far() -> None:
    store = MemoryStore()
    kept(store, 10)
    found = keeper(store).newest()
    assert found is not None
    assert found.cost["wall_s"] >= 0
    assert replace(found, cost={}) == at(10)
