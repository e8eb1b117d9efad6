"""Train a version's model again, from what the version recorded."""

from __future__ import annotations

import logging

from nightshift.errors import OutsideError
from nightshift.lake.tables import Lake
from nightshift.learners.refit import refit
from nightshift.learners.train import train
from nightshift.reproduction.recorded import Recorded
from nightshift.settings import Settings
from nightshift.spec.project import digest
from nightshift.trained import Candidate

logger = logging.getLogger(__name__)


def train_again(recorded: Recorded, settings: Settings) -> Candidate:
    """Train, and refit if the version's live model is a refitted one, on the rows that the version was made of.

    Nothing that earlier trainings left is used, but for what an attempt at this very thing that was cut short has left.

    Raises:
        RequestError: the dataset's table has no such version any more.
        OutsideError: files of that version are gone.
        DataRefusedError: the model that training began with is not the one that it was.
    """
    for difference in recorded.differences:
        logger.warning("reproduce: %s", difference)
    project, version, snapshot = recorded.project, recorded.version, recorded.snapshot
    _refuse_missing_files(recorded, settings)
    mark = digest("reproduce", version.run_id, *map(str, recorded.differences))
    candidate = train(project, snapshot, mark, settings, recorded.origin, spent_at=version.spent_at)
    if version.is_refitted:
        refit(project, candidate, snapshot, settings)
    return candidate


def _refuse_missing_files(recorded: Recorded, settings: Settings) -> None:
    lake, version = Lake.of(recorded.project.name, settings), recorded.version.data_version
    missing = lake.missing("dataset", version)
    if missing:
        raise OutsideError(
            f"{len(missing)} files of version {version} of the dataset are gone, {missing[0]} among them",
            where=lake.uri("dataset"),
            remedy="restore them from a backup; `nightshift gc` never takes files away that a model version needs",
        )
