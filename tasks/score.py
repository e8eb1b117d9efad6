"""Step: from accepted rows and a model version to predictions in the lake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import task

from nightshift.monitoring.nights import Opening
from nightshift.monitoring.windows import NightWindows
from nightshift.quality.narrow import narrowed
from nightshift.records import Arm, Scored, Snapshot
from nightshift.scoring.batch import is_kept, predict
from nightshift.scoring.outside import with_outside
from nightshift.scoring.published import CHAMPION
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest
from registry.served import Served, served
from registry.served import standing as registry_standing
from tasks.policy import cached_step, step
from tasks.publish import publish_scored


@task(name="champion", **step())
def champion(project: Project, version: str | None, as_of: datetime | None = None) -> Served:
    """The version to score with: the champion, or that of `as_of` where one is given, unless another is asked for."""
    return served(project.name, version, Settings(), as_of)


@task(name="champion", **step())
def standing(project: Project, as_of: datetime | None = None) -> Served | None:
    """The champion, or that of `as_of` where one is given; None before the first."""
    return registry_standing(project.name, Settings(), as_of)


@task(name="champion", **step())
def standing_before(project: Project, opening: Opening) -> Served | None:
    """The champion that a night begins with: the newest promoted version of an earlier moment.

    A version that the night has made itself, before it was cut short, stands aside for the one before: so the night is
    done again as it was begun. A night that was missed, and is done later, has the champion where no version is older,
    or where a person has said that it be champion: the one before may not be able to score.
    """
    settings, as_of, is_missed = Settings(), opening.windows.as_of, opening.moment is not None
    today = registry_standing(project.name, settings)
    if today is None:
        return None
    is_of_this_night = today.version.as_of == as_of
    if today.version.waits and (is_of_this_night or is_missed):
        return today
    found = registry_standing(project.name, settings, as_of, before=True)
    return today if found is None and is_missed and not is_of_this_night else found


def _is_there(scored: Scored, arguments: dict[str, Any]) -> bool:
    return is_kept(arguments["project"], scored, Settings())


@task(
    name="score",
    **cached_step("score", "nightshift.scoring", "nightshift.lake", "nightshift.dataset", is_there=_is_there),
)
def score(project: Project, snapshot: Snapshot, model: Served, mark: str, arm: Arm = CHAMPION) -> Scored:
    """Score the window's rows and replace its predictions of this version, in one commit."""
    scorer = Scorer.load(Path(model.folder), model.version.model_sha256)
    scored = predict(project, snapshot, model.version, scorer, Settings(), arm)
    publish_scored(project, scored)
    return scored


def score_night(
    project: Project, snapshot: Snapshot, windows: NightWindows, model: Served | None
) -> Scored | None:
    """Score the rows that are new to a night; None when there is nothing to score, or nothing to score with."""
    new = narrowed(project, snapshot, windows.predicted, Settings())
    if model is None or new.rows == 0:
        return None
    new = with_outside(project, snapshot, new, Settings())
    mark = digest(new.digest, new.version, model.version.run_id, model.version.model_sha256, windows.as_of)
    return score(project, new, model, mark=mark)
