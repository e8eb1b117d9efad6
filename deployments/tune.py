"""`nightshift tune`: search, show the best trials, and the change of project.yaml that would make the best one live."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from deployments.connect import connected
from deployments.screen import Screen
from nightshift.settings import Settings
from nightshift.spec.load import load_project
from nightshift.tuning.budget import SearchBudget

if TYPE_CHECKING:
    from tasks.tune import Tuned

_SHOWN = 10


def tune_project(screen: Screen, project: str, budget: str, as_of: datetime | None, *, accept: bool) -> None:
    """Search until the budget is spent, and show what was found."""
    settings = Settings()
    load_project(project, settings.projects)
    SearchBudget.read(budget)
    with screen.steps() as steps, connected(settings, steps.waiting):
        from flows.tune import tune

        tuned = tune(project=project, budget=budget, as_of=as_of, accept=accept)
    show_tuned(screen, tuned)
    screen.result(tune_report(tuned))


def show_tuned(screen: Screen, tuned: Tuned) -> None:
    """The best trials, and the diff to accept."""
    found = tuned.found
    ranked = found.ranked()
    shown = ranked[:_SHOWN] if found.declared in ranked[:_SHOWN] else [*ranked[: _SHOWN - 1], found.declared]
    screen.table(
        f"{found.project}: {len(found.tried)} trials, {found.count('pruned')} given up early, {found.new} of them new",
        [">trial", "learner", f">{found.metric}", "parameters"],
        [
            (
                one.trial,
                one.learner,
                one.value,
                ", ".join(f"{name} {value}" for name, value in one.params.items()) or "as declared",
            )
            for one in shown
        ],
    )
    if not tuned.diff:
        screen.say("Nothing that was tried is better than what is declared.")
        return
    gain = abs((found.best.value or 0.0) - (found.declared.value or 0.0))
    screen.say(
        f"Trial {found.best.trial} is better than what is declared by {gain:.4f} {found.metric}, "
        f"on average over {found.folds} folds before the holdout."
    )
    for line in tuned.diff.splitlines():
        screen.out.print(line, markup=False, soft_wrap=True)
    if tuned.applied:
        screen.say(f"Written into project.yaml. Train it: nightshift train {found.project}")
    else:
        screen.say(f"Kept in {tuned.diff_path}. To write it into project.yaml, run this again with --accept.")


def tune_report(tuned: Tuned) -> dict[str, Any]:
    """What a search found."""
    found, best = tuned.found, tuned.found.best
    return {
        "project": found.project,
        "study": found.study,
        "as_of": found.as_of.isoformat(),
        "metric": found.metric,
        "trials": len(found.tried),
        "new": found.new,
        "pruned": found.count("pruned"),
        "refused": found.count("refused"),
        "best": {
            "trial": best.trial,
            "value": best.value,
            "values": list(best.values),
            "params": best.params,
            "learner": best.learner,
        },
        "declared": {"value": found.declared.value, "values": list(found.declared.values)},
        "diff": tuned.diff,
        "applied": tuned.applied,
        "run_id": tuned.run_id,
    }
