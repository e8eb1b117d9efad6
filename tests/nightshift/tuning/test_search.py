"""A search keeps its budget, goes on where it was cut short, and draws the same trials from the same seed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightshift.errors import DataRefusedError, RequestError
from nightshift.settings import Settings
from nightshift.spec.learner import LightGBM
from nightshift.spec.ranges import ranges_of
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.found import Tried
from nightshift.tuning.pruning import Watch
from nightshift.tuning.search import Measured, Plan, search
from nightshift.tuning.space import AnyRecipe, Arm, Space

ROOT = Path(__file__).parents[3]
DECLARED = LightGBM(kind="lightgbm", params={"learning_rate": 0.3})
ROWS = ranges_of("lightgbm")
SPACE = Space(DECLARED, (Arm("lightgbm", DECLARED, (ROWS["learning_rate"], ROWS["num_leaves"])),))


def settings(folder: Path) -> Settings:
    return Settings(home=folder / "home", projects=folder / "projects")


def plan(budget: str, *, seed: int = 0, study: str = "demo") -> Plan:
    return Plan(study, SPACE, seed, greater_is_better=False, budget=SearchBudget.read(budget))


def loss_of(recipe: AnyRecipe) -> float:
    """Least at a learning rate of 0.05 and 31 leaves."""
    rate, leaves = float(recipe.params["learning_rate"]), float(recipe.params.get("num_leaves", 31))
    return abs(math.log(rate / 0.05)) + 0.1 * abs(math.log(leaves / 31))


def measured(recipe: AnyRecipe, watch: Watch) -> Measured:
    loss = loss_of(recipe)
    for tenth in range(1, 11):
        watch.look(0, tenth / 10, loss * (2 - tenth / 10))
    return Measured((loss,), (10,))


def unwatched(recipe: AnyRecipe, watch: Watch) -> Measured:
    return Measured((loss_of(recipe),), (10,))


def tried(found: tuple[Tried, ...]) -> list[tuple[object, ...]]:
    return [(one.trial, one.state, one.params, one.value) for one in found]


def test_the_declared_recipe_comes_first_and_the_budget_of_trials_is_kept(tmp_path: Path) -> None:
    found, new = search(plan("6"), unwatched, settings(tmp_path))

    assert [one.trial for one in found] == list(range(6))
    assert new == 6
    assert found[0].params == {}
    assert found[0].value == pytest.approx(loss_of(DECLARED))
    assert all(set(one.params) == {"learning_rate", "num_leaves"} for one in found[1:])


def test_a_finished_search_is_not_run_again_and_a_greater_budget_goes_on(tmp_path: Path) -> None:
    first, _ = search(plan("3"), unwatched, settings(tmp_path))
    again, none = search(plan("3"), unwatched, settings(tmp_path))
    more, new = search(plan("5"), unwatched, settings(tmp_path))

    assert (again, none) == (first, 0)
    assert (more[:3], new) == (first, 2)


def test_a_budget_of_time_counts_the_time_of_all_processes(tmp_path: Path) -> None:
    now = [0.0]

    def slow(recipe: AnyRecipe, watch: Watch) -> Measured:
        now[0] += 40
        return unwatched(recipe, watch)

    found, _ = search(plan("2m"), slow, settings(tmp_path), lambda: now[0])
    assert len(found) == 3
    assert sum(one.seconds for one in found) == 120
    assert search(plan("2m"), slow, settings(tmp_path), lambda: now[0])[1] == 0
    assert search(plan("3m"), slow, settings(tmp_path), lambda: now[0])[1] == 2


def test_a_trial_under_way_ends_when_the_time_is_up(tmp_path: Path) -> None:
    now = [0.0]

    def slow(recipe: AnyRecipe, watch: Watch) -> Measured:
        for tenth in range(1, 11):
            now[0] += 8
            watch.look(0, tenth / 10, 0.5)
        return unwatched(recipe, watch)

    found, _ = search(plan("2m"), slow, settings(tmp_path), lambda: now[0])
    assert [one.state for one in found] == ["complete", "pruned"]
    assert found[1].note == "the time of the search was up"
    assert sum(one.seconds for one in found) == pytest.approx(120, abs=8)


def test_the_same_seed_tries_the_same_and_another_one_does_not(tmp_path: Path) -> None:
    one, _ = search(plan("6"), measured, settings(tmp_path / "a"))
    same, _ = search(plan("6"), measured, settings(tmp_path / "b"))
    other, _ = search(plan("6", seed=1), measured, settings(tmp_path / "c"))

    assert tried(one) == tried(same)
    assert tried(one)[1:] != tried(other)[1:]


@pytest.mark.parametrize("last", [1, 4])
def test_an_interrupted_search_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path, last: int) -> None:
    whole, _ = search(plan("7"), measured, settings(tmp_path / "whole"))
    calls = 0

    def stopped(recipe: AnyRecipe, watch: Watch) -> Measured:
        nonlocal calls
        calls += 1
        if calls == last:
            raise KeyboardInterrupt
        return measured(recipe, watch)

    with pytest.raises(KeyboardInterrupt):
        search(plan("7"), stopped, settings(tmp_path / "cut"))
    resumed, new = search(plan("7"), measured, settings(tmp_path / "cut"))

    assert tried(resumed) == tried(whole)
    assert new == 7 - (last - 1)


def test_what_is_worse_than_most_is_given_up_early_and_the_declared_recipe_never(tmp_path: Path) -> None:
    looks: list[int] = []

    def counted(recipe: AnyRecipe, watch: Watch) -> Measured:
        looks.append(0)
        loss = loss_of(recipe)
        for tenth in range(1, 11):
            looks[-1] += 1
            watch.look(0, tenth / 10, loss)
        return Measured((loss,), (10,))

    found, _ = search(plan("25"), counted, settings(tmp_path))
    pruned = [one for one in found if one.state == "pruned"]

    assert pruned
    assert found[0].state == "complete"
    assert all(looks[one.trial] == 1 for one in pruned)
    assert all("worse than most trials on fold 1" in one.note for one in pruned)
    best = min(one.value for one in found if one.value is not None)
    assert best < 0.5 * loss_of(DECLARED)


def test_a_recipe_that_the_learner_refuses_is_noted_and_the_search_goes_on(tmp_path: Path) -> None:
    def picky(recipe: AnyRecipe, watch: Watch) -> Measured:
        if recipe.params.get("num_leaves", 0) > 40:
            raise RequestError("too many leaves")
        return unwatched(recipe, watch)

    found, _ = search(plan("8"), picky, settings(tmp_path))
    refused = [one for one in found if one.state == "refused"]
    assert refused
    assert all((one.note, one.value) == ("too many leaves", None) for one in refused)


@pytest.mark.parametrize("fault", [RequestError("no such objective"), DataRefusedError("no rows")])
def test_a_declared_recipe_that_cannot_be_measured_is_an_error(tmp_path: Path, fault: Exception) -> None:
    def broken(recipe: AnyRecipe, watch: Watch) -> Measured:
        raise fault

    with pytest.raises(type(fault)):
        search(plan("3"), broken, settings(tmp_path))


def test_a_metric_that_is_undefined_is_never_the_best(tmp_path: Path) -> None:
    def undefined(value: float) -> Callable[[AnyRecipe, Watch], Measured]:
        return lambda recipe, watch: Measured((value if recipe is not DECLARED else 1.0,), (1,))

    found, _ = search(plan("3"), undefined(math.nan), settings(tmp_path))
    assert [one.state for one in found] == ["complete", "refused", "refused"]


@pytest.mark.parametrize("text", ["0", "-3", "ten", "10 bananas", ""])
def test_a_budget_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        SearchBudget.read(text)
    assert refused.value.valid == ("20", "10m", "2h")


def test_a_database_that_cannot_be_is_told(tmp_path: Path) -> None:
    wrong = Settings(home=tmp_path, tuning_storage="no-such-database://somewhere")
    with pytest.raises(RequestError, match="cannot be kept") as refused:
        search(plan("2"), unwatched, wrong)
    assert "NIGHTSHIFT_TUNING_STORAGE" in refused.value.remedy


KILLED = """
import os, signal, sys
from pathlib import Path
from nightshift.tuning.search import search
from tests.nightshift.tuning.test_search import measured, plan, settings

calls = 0
def killed(recipe, watch):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return measured(recipe, watch)

search(plan("7"), killed, settings(Path(sys.argv[1])))
"""


@pytest.mark.chaos
def test_a_search_whose_process_is_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, _ = search(plan("7"), measured, settings(tmp_path / "whole"))
    for call in ("3", "2"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path / "cut"), call], cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL
    resumed, new = search(plan("7"), measured, settings(tmp_path / "cut"))

    assert tried(resumed) == tried(whole)
    assert new == 4
