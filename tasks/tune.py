"""Step: from accepted rows to the parameters that would be better than those declared."""

from __future__ import annotations

import base64
import logging

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from nightshift.errors import OutsideError
from nightshift.records import Record, Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.tuning.budget import SearchBudget
from nightshift.tuning.found import Found
from nightshift.tuning.tune import tune as tune_project
from nightshift.tuning.winner import accept, change_of, keep
from registry.trials import SearchRuns, log_search
from tasks.policy import step

logger = logging.getLogger("nightshift.tune")


class Tuned(Record):
    """A search, and what became of its best trial.

    Attributes:
        diff: of project.yaml; empty when nothing is better than what is declared.
        diff_path: where it is kept.
        applied: it was written into project.yaml.
        run_id: the search's run in MLflow.
    """

    found: Found
    diff: str
    diff_path: str
    applied: bool
    run_id: str


@task(name="tune", **step())
def tune(project: Project, snapshot: Snapshot, budget: SearchBudget) -> Found:
    """Try parameters on windows before the holdout, going on with what was tried before."""
    settings = Settings()
    runs = SearchRuns(settings)

    def heard(found: Found) -> None:
        try:
            runs.log_trials(found)
        except (
            OutsideError
        ) as error:  # no reason to give a search up: at its end they are logged all the same
            logger.warning("tune: the trial is not in MLflow yet: %s", error.what)

    return tune_project(project, snapshot, budget, settings, heard=heard)


@task(name="show", **step())
def show(project: Project, found: Found, accepted: bool) -> Tuned:
    """Log the search, keep its diff, and write it into project.yaml if that was asked for."""
    settings = Settings()
    change = change_of(project, found, settings)
    path = keep(change, found, settings)
    run_id, plots = log_search(found, change.diff, settings)
    _publish(found, change.diff, plots)
    return Tuned(
        found=found,
        diff=change.diff,
        diff_path=str(path),
        applied=accept(change) if accepted else False,
        run_id=run_id,
    )


def _publish(found: Found, diff: str, plots: tuple[bytes, ...]) -> None:
    key = found.project.replace("_", "-")
    create_table_artifact(
        key=f"{key}-trials",
        description=f"{len(found.tried)} trials by mean {found.metric} over {found.folds} folds; 0 is as declared",
        table=[
            {
                "trial": one.trial,
                "learner": one.learner,
                found.metric: f"{one.value:.5f}",
                "parameters": ", ".join(f"{name}: {value}" for name, value in one.params.items()),
            }
            for one in found.ranked()
        ],
    )
    images = "\n\n".join(f"![plot](data:image/png;base64,{base64.b64encode(one).decode()})" for one in plots)
    said = f"```diff\n{diff}```" if diff else "Nothing that was tried is better than what is declared."
    create_markdown_artifact(
        key=f"{key}-search",
        description="The search, and its diff of project.yaml",
        markdown=f"{said}\n\n{images}",
    )
