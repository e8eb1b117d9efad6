"""Step: from an evaluated candidate to a version in the registry."""

from __future__ import annotations

from prefect import task
from prefect.runtime import flow_run

from nightshift.records import Snapshot
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, Evaluation, ModelVersion
from registry.submission import Submission
from tasks.policy import step
from tasks.publish import publish_plots


@task(name="register", **step())
def register(
    project: Project, candidate: Candidate, evaluation: Evaluation, snapshot: Snapshot
) -> tuple[ModelVersion, bool]:
    """Make a version of the candidate and promote it if it earned it; registers the same candidate once."""
    from registry.register import register as register_version  # MLflow takes a second to import

    submission = Submission(project, snapshot, candidate, evaluation)
    registration = register_version(submission, Settings(), by=flow_run.get_flow_name() or "train")
    publish_plots(project, registration.plots)
    return registration.version, registration.is_new
