"""Step: from accepted rows and a model version to predictions in the lake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from prefect import task

from nightshift.monitoring.windows import NightWindows
from nightshift.quality.narrow import narrowed
from nightshift.records import Arm, Scored, Snapshot
from nightshift.scoring.batch import predict
from nightshift.scoring.published import CHAMPION
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from registry.served import Served, served
from registry.served import standing as registry_standing
from tasks.policy import cached_step, step
from tasks.publish import publish_scored


@task(name="champion", **step())
def champion(project: Project, version: str | None) -> Served:
    """The model version to score with: the champion, unless another is asked for."""
    return served(project.name, version, Settings())


@task(name="champion", **step())
def standing(project: Project, night: datetime | None = None) -> Served | None:
    """The champion, or None before the first.

    Args:
        night: the moment of a night that begins now. A champion that it has made itself, before it was cut short,
            stands aside for the one before: so the night is done again as it was begun.
    """
    settings = Settings()
    found = registry_standing(project.name, settings)
    if found is None or night is None or found.version.as_of != night:
        return found
    from registry.versions import PREVIOUS, Versions  # imports MLflow

    before = Versions.of(project.name, settings).by_alias(PREVIOUS)
    return None if before is None else served(project.name, str(before.version), settings)


@task(name="score", **cached_step("score", "nightshift.scoring", "nightshift.lake", "nightshift.dataset"))
def score(project: Project, snapshot: Snapshot, model: Served, mark: str, arm: Arm = CHAMPION) -> Scored:
    """Score the window's rows and replace its predictions of this version, in one commit."""
    scored = predict(project, snapshot, model.version, Scorer.load(Path(model.folder)), Settings(), arm)
    publish_scored(project, scored)
    return scored


def score_night(
    project: Project, snapshot: Snapshot, windows: NightWindows, model: Served | None
) -> Scored | None:
    """Score the rows that are new to a night; None when there is nothing to score, or nothing to score with."""
    new = narrowed(project, snapshot, windows.predicted, Settings())
    if model is None or new.rows == 0:
        return None
    mark = digest(new.digest, new.version, model.version.run_id, model.version.model_sha256, windows.as_of)
    return score(project, new, model, mark=mark)
