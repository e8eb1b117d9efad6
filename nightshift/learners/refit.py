"""Train the evaluated recipe once more on every row known at as-of, so that the live model knows the newest ones."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nightshift.atomic import replacing
from nightshift.cost.meter import Meter
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.learners.artifact import save_model
from nightshift.learners.origin import begun_encoder, open_origin
from nightshift.learners.oversight import Oversight
from nightshift.learners.parts import learn_encoder, read_part, write_part
from nightshift.learners.protocol import Origin, Task
from nightshift.learners.registry import learner
from nightshift.learners.target import look_at_label
from nightshift.learners.train import MODEL
from nightshift.records import Cost, Snapshot, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.trained import Candidate, OriginModel

logger = logging.getLogger(__name__)

REFIT = "refit"


@dataclass(frozen=True)
class Refitted:
    """A refitted model's folder, and what it learnt from."""

    folder: Path
    model_sha256: str
    learnt_until: datetime
    rows: int
    rounds: int
    cost: Cost

    @property
    def seconds(self) -> float:
        """On the clock."""
        return self.cost.wall_s


def known_window(project: Project, snapshot: Snapshot) -> Window:
    """From the first training row up to the last moment whose labels are known at as-of."""
    whole = project.split_before(snapshot.as_of).whole
    known_after = project.label.known_after
    end = whole.end if known_after is None else min(whole.end, snapshot.as_of - known_after)
    return Window(start=whole.start, end=end)


def refit(project: Project, candidate: Candidate, snapshot: Snapshot, settings: Settings) -> Refitted:
    """Train a candidate's recipe on all known rows for as many rounds as the evaluated model keeps.

    Nothing is held out, so nothing can stop the training early: the evaluated run has fixed the rounds. They are not
    raised with the number of rows: trees of the same size on more rows are steadier, not more.

    Returns:
        What was trained, in the folder `refit` beside the evaluated model.

    Raises:
        DataRefusedError: the label cannot be learnt from.
        RequestError: the learner refuses its parameters.
    """
    folder = Path(candidate.path) / REFIT
    return fit_known(project, snapshot, candidate.best_round, folder, settings, candidate.origin)


def fit_known(
    project: Project,
    snapshot: Snapshot,
    rounds: int,
    folder: Path,
    settings: Settings,
    origin: OriginModel | None = None,
) -> Refitted:
    """Train on every known row for a number of rounds, into a folder that is not there yet, or is replaced.

    Raises:
        DataRefusedError: the label cannot be learnt from.
        RequestError: the learner refuses its parameters.
    """
    meter = Meter()
    window = known_window(project, snapshot)
    with replacing(folder) as temporary, engine(settings) as connection:
        temporary.mkdir(parents=True)
        rows = SnapshotRows(project, snapshot, settings, connection)
        begins = None if origin is None else open_origin(project, origin)
        count, sha256 = _fit(rows, window, rounds, temporary, begins)
    cost = meter.so_far(rows=count * rounds)
    logger.info("refit: %d rounds on %s rows of %s, in %.1f s", rounds, f"{count:,}", window, cost.wall_s)
    return Refitted(folder / MODEL, sha256, window.end, count, rounds, cost)


def _fit(
    rows: SnapshotRows, window: Window, rounds: int, folder: Path, origin: Origin | None
) -> tuple[int, str]:
    project = rows.project
    target = look_at_label(rows, window)
    encoder = begun_encoder(learn_encoder(rows, window), origin)
    path = folder / "known.arrow"
    write_part(rows, window, encoder, target, path)
    part = read_part(path, encoder)
    task = Task(
        kind=project.label.kind,
        classes=target.classes,
        encoder=encoder,
        train=part,
        validate=None,
        origin=origin,
    )
    fitted = learner(project.learner.kind).fit(task, project.learner.of_length(rounds), Oversight())
    manifest = save_model(
        folder / MODEL, project.learner.kind, project.label.kind, target.classes, encoder, fitted.model
    )
    path.unlink()
    return len(part.label), manifest.model_sha256
