"""Try recipes until the budget is spent: the declared one first, then those that the trials so far speak for."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nightshift.errors import DataRefusedError, RequestError
from nightshift.settings import Settings
from nightshift.spec.ranges import Choice
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.found import Tried
from nightshift.tuning.pruning import Peer, PrunedError, Watch
from nightshift.tuning.space import AnyRecipe, Space, learner_name
from nightshift.tuning.study import end, found_study, sampler, storage_faults

if TYPE_CHECKING:
    from optuna import Study, Trial

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """The deciding metric on each fold, the newest first, and how many rounds or epochs were kept."""

    values: tuple[float, ...]
    lengths: tuple[int, ...]


class Measure(Protocol):
    """Trains a recipe on every fold and measures it on the rows after it."""

    def __call__(self, recipe: AnyRecipe, watch: Watch) -> Measured:
        """Measure the recipe; `watch` may raise at any look, which ends the trial."""
        ...


@dataclass(frozen=True)
class Plan:
    """A search: its name, what it may try, how it draws, which direction is better, and how long it goes on."""

    study: str
    space: Space
    seed: int
    greater_is_better: bool
    budget: SearchBudget


def _unheard(tried: tuple[Tried, ...]) -> None:
    return None


def search(
    plan: Plan,
    measure: Measure,
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    heard: Callable[[tuple[Tried, ...]], None] = _unheard,
) -> tuple[tuple[Tried, ...], int]:
    """Go on with a search, or begin it: all its trials, and how many of them are new.

    Args:
        heard: told of all trials so far whenever one has ended.

    Raises:
        DataRefusedError: the declared recipe cannot be measured.
        TransientError: the database of searches failed.
    """
    with storage_faults(settings):
        study, tried = found_study(plan.study, greater_is_better=plan.greater_is_better, settings=settings)
        known = len(tried)
        while not tried or plan.budget.left(len(tried), sum(one.seconds for one in tried)):
            tried.append(_try_one(study, plan, tried, measure, clock))
            _tell(plan, tried[-1])
            heard(tuple(tried))
    return tuple(tried), len(tried) - known


def _try_one(
    study: Study, plan: Plan, tried: list[Tried], measure: Measure, clock: Callable[[], float]
) -> Tried:
    study.sampler = sampler(plan.seed, len(tried))
    trial, started = study.ask(), clock()
    values: dict[str, Choice] = {}
    if tried:
        arm, values = plan.space.suggest(trial)
        learner = arm.name
    else:
        learner = learner_name(plan.space.declared)
    spent = sum(one.seconds for one in tried)

    def is_late() -> bool:
        return plan.budget.seconds is not None and not plan.budget.left(0, spent + clock() - started)

    # The declared recipe is what all others are held against: it is always measured to its end.
    watch = (
        _watch(trial, plan, [one for one in tried if one.learner == learner], is_late) if tried else Watch()
    )
    ended = Tried(trial=len(tried), learner=learner, params=values, state="pruned")
    try:
        recipe = arm.with_values(values) if tried else plan.space.declared
        measured = measure(recipe, watch)
        ended = ended.model_copy(update=_outcome(measured))
    except PrunedError as error:
        ended = ended.model_copy(update={"note": str(error)})
    except (RequestError, DataRefusedError) as error:
        if not tried:
            raise
        ended = ended.model_copy(update={"state": "refused", "note": error.what})
    if not tried and ended.value is None:
        raise DataRefusedError(
            "the deciding metric is undefined for the declared recipe on a validation window",
            where="tune.folds", remedy="choose another as-of, fewer folds, or a longer split.validate",
        )  # fmt: skip
    ended = ended.model_copy(update={"losses": watch.losses, "seconds": clock() - started})
    end(study, trial, ended)
    return ended


def _watch(trial: Trial, plan: Plan, peers: list[Tried], is_late: Callable[[], bool]) -> Watch:
    # Optuna ranks what was pruned by its last report, in the direction of the metric.
    sign = -1.0 if plan.greater_is_better else 1.0
    before = [Peer(one.losses, one.state == "complete") for one in peers if one.state != "refused"]
    return Watch(before, lambda mark, loss: trial.report(sign * loss, mark), is_late)


def _outcome(measured: Measured) -> dict[str, object]:
    value = sum(measured.values) / len(measured.values)
    if not math.isfinite(value):
        return {"state": "refused", "note": "the deciding metric is undefined on a validation window"}
    return {"state": "complete", "value": value, "values": measured.values, "lengths": measured.lengths}


def _tell(plan: Plan, tried: Tried) -> None:
    said = f"{tried.value:.5f}" if tried.value is not None else f"{tried.state}: {tried.note}"
    logger.info("tune: trial %d, %s: %s, in %.1f s", tried.trial, tried.learner, said, tried.seconds)
    total = plan.budget.trials
    logger.debug(
        "tune: trial %d", tried.trial, extra={"step": "tune", "done": tried.trial + 1, "total": total}
    )
