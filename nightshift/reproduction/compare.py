"""Whether a model that was made again is the recorded one: byte for byte, and if not, how far apart they are."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np

from nightshift.evaluation.measure import Measured, measure
from nightshift.learners.artifact import read_manifest
from nightshift.learners.refit import REFIT
from nightshift.learners.train import MODEL
from nightshift.records import Record
from nightshift.reproduction.recorded import Difference, Recorded
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.trained import Candidate

logger = logging.getLogger(__name__)


class Reproduction(Record):
    """What became of making a version again.

    Attributes:
        identical: every file has the same bytes: of both models, where a refitted one is live beside the evaluated one.
        max_score_difference: the largest one between two scores of one row, over the labelled rows of the holdout; None
            where the models tell other classes apart, so that their scores cannot be compared.
        rows: how many rows were scored for that: none when the bytes are the same.
        differences: what was otherwise when the version was made, and then in what the models and their metrics differ.
        path: the folder of the model made again, which is kept when it is another one; else empty.
    """

    project: str
    version: int
    identical: bool
    max_score_difference: float | None = 0.0
    rows: int = 0
    differences: tuple[Difference, ...] = ()
    path: str = ""


def compare(recorded: Recorded, again: Candidate, settings: Settings) -> Reproduction:
    """Compare the files of the models, and where they differ their scores and metrics on the holdout.

    The folder of `again` is removed when it holds the same models once more.

    Raises:
        DataRefusedError: a file of the recorded model is not the one that was saved.
    """
    folder = Path(again.path)
    pairs = {"the model": (recorded.evaluated, folder / MODEL)}
    if recorded.version.is_refitted:
        pairs["the refitted model"] = (recorded.live, folder / REFIT / MODEL)
    found = Reproduction(
        project=recorded.project.name,
        version=recorded.version.version,
        identical=True,
        differences=recorded.differences,
    )
    for what, (then, now) in pairs.items():
        if read_manifest(then).files != read_manifest(now).files:
            found = _with_difference(found, recorded, what, (then, now), settings)
    if found.identical:
        logger.info("reproduce: version %d was made again, byte for byte", found.version)
        shutil.rmtree(folder)
        return found
    return found.model_copy(update={"path": str(folder)})


def _with_difference(
    found: Reproduction, recorded: Recorded, what: str, folders: tuple[Path, Path], settings: Settings
) -> Reproduction:
    scorers = [Scorer.load(folder) for folder in folders]
    then, now = (_measured(recorded, scorer, settings) for scorer in scorers)
    shas = [scorer.manifest.model_sha256[:16] for scorer in scorers]
    told = [Difference(what=f"{what} (SHA-256)", then=shas[0], now=shas[1])]
    was, is_now = then.metrics(recorded.project), now.metrics(recorded.project)
    told += [
        Difference(what=f"{name} of {what}", then=str(value), now=str(is_now.get(name)))
        for name, value in was.items()
        if value != is_now.get(name)
    ]
    apart = None
    if then.scores.shape == now.scores.shape and found.max_score_difference is not None:
        apart = max(found.max_score_difference, float(np.abs(then.scores - now.scores).max()))
    return found.model_copy(
        update={
            "identical": False,
            "max_score_difference": apart,
            "rows": len(then.truth),
            "differences": (*found.differences, *told),
        }
    )


def _measured(recorded: Recorded, scorer: Scorer, settings: Settings) -> Measured:
    snapshot = recorded.snapshot
    holdout = recorded.project.split_before(snapshot.as_of).holdout
    return measure(recorded.project, scorer, snapshot, holdout, settings)
