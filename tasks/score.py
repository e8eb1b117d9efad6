"""Step: from accepted rows and a model version to predictions in the lake."""

from __future__ import annotations

from prefect import task

from nightshift.records import ModelVersion, Scored, Snapshot
from nightshift.scoring.batch import predict
from nightshift.settings import Settings
from nightshift.spec.project import Project
from tasks.policy import cached_step, step
from tasks.publish import publish_scored


@task(name="champion", **step())
def champion(project: Project, version: str | None) -> ModelVersion:
    """The model version to score with: the champion, unless another is asked for."""
    from registry.versions import Versions

    return Versions.of(project.name, Settings()).chosen(version)


@task(name="score", **cached_step("score", "nightshift.scoring", "nightshift.lake", "nightshift.dataset"))
def score(project: Project, snapshot: Snapshot, version: ModelVersion, mark: str) -> Scored:
    """Score the window's rows and replace its predictions of this version, in one commit."""
    from registry.versions import Versions

    settings = Settings()
    scorer = Versions.of(project.name, settings).scorer(version)
    scored = predict(project, snapshot, version, scorer, settings)
    publish_scored(project, scored)
    return scored
