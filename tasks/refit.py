"""Step: from an evaluated candidate to the model that goes live."""

from __future__ import annotations

from prefect import task

from nightshift.evaluation.agreement import check_refit
from nightshift.learners.refit import refit as train_on_all
from nightshift.learners.train import restore_trained
from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate
from tasks.origin import with_origin
from tasks.policy import cached_step


@task(
    name="refit", **cached_step("refit", "nightshift.learners", "nightshift.dataset", "nightshift.evaluation")
)
def refit(project: Project, candidate: Candidate, snapshot: Snapshot, mark: str) -> Candidate:
    """Train the candidate's recipe on every known row, if the project asks for it, and check it before it goes live."""
    if not project.refit:
        return candidate
    settings = Settings()
    candidate = with_origin(candidate, settings)
    restore_trained(project, candidate, snapshot, settings)
    refitted = train_on_all(project, candidate, snapshot, settings)
    return candidate.model_copy(
        update={"refit": check_refit(project, candidate, refitted, snapshot, settings)}
    )
