"""Step: from the declaration to the model that training begins with."""

from __future__ import annotations

from datetime import datetime

from prefect import task

from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, OriginModel
from tasks.policy import step


@task(name="origin", **step())
def find_origin(project: Project, as_of: datetime) -> OriginModel | None:
    """Look up the model that the project's training begins with, if it names one."""
    if project.learner.from_model is None:
        return None
    from registry.origin import find_origin as look_up  # MLflow takes a second to import

    return look_up(project, as_of, Settings())


def with_origin(candidate: Candidate, settings: Settings) -> Candidate:
    """The candidate, with the files of the model that its training began with at hand, should it be made again."""
    if candidate.origin is None:
        return candidate
    from registry.origin import with_origin as find_files

    return find_files(candidate, settings)
