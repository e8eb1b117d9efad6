"""Search for better parameters of a project's learner: one call for all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from nightshift.errors import RequestError
from nightshift.evaluation.evaluate import deciding_metric
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.folds import measured_on_folds
from nightshift.tuning.found import Found, Tried
from nightshift.tuning.search import Plan, search
from nightshift.tuning.space import space_of
from nightshift.windows import moment


def _unheard(found: Found) -> None:
    return None


def tune(
    project: Project,
    snapshot: Snapshot,
    budget: SearchBudget,
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    heard: Callable[[Found], None] = _unheard,
) -> Found:
    """Try recipes on windows before the holdout until the budget is spent, going on with what was tried before.

    Args:
        heard: told of the search so far whenever a trial has ended.

    Raises:
        RequestError: there is nothing to search for, or the declaration does not allow it.
        DataRefusedError: a window has nothing to learn from or to be measured on.
    """
    plan = plan_of(project, snapshot, budget)
    deciding = deciding_metric(project)

    def found(tried: tuple[Tried, ...], new: int = 0) -> Found:
        return Found(
            project=project.name,
            study=plan.study,
            as_of=snapshot.as_of,
            metric=deciding.name,
            greater_is_better=deciding.greater_is_better,
            folds=project.tune.folds,
            tried=tried,
            new=new,
        )

    with measured_on_folds(project, snapshot, deciding, settings) as measure:
        return found(*search(plan, measure, settings, clock, lambda tried: heard(found(tried))))


def plan_of(project: Project, snapshot: Snapshot, budget: SearchBudget) -> Plan:
    """The search: named by the project, its rows, all that it may try, and as-of, so that it is found again."""
    if project.learner.from_model is not None:
        raise RequestError(
            "a search cannot begin with another model: it may have learnt from the rows that trials are measured on",
            where=f"project {project.name}: learner.from_model",
            remedy="leave it out for the search, and put it back before training",
        )
    space, deciding = space_of(project), deciding_metric(project)
    mark = digest(
        snapshot.digest,
        snapshot.as_of.isoformat(),
        space.digest,
        project.tune.seed,
        project.tune.folds,
        project.split.model_dump(mode="json"),
        project.dataset.model_dump(mode="json"),
        deciding.name,
    )
    return Plan(
        study=f"{project.name}-{mark[:12]}",
        space=space,
        seed=project.tune.seed,
        greater_is_better=deciding.greater_is_better,
        budget=budget,
    )


def midnight(as_of: datetime | None, now: datetime) -> datetime:
    """As-of in UTC; by default the last midnight: a search that is called again within the day goes on."""
    return moment(as_of, now) if as_of is not None else moment(None, now).replace(hour=0)
