"""The pairs of windows that trials are measured on: encoded once, mapped by every trial, and gone with the search."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightshift.atomic import disk_faults
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.parts import learn_encoder, read_windows, write_windows
from nightshift.learners.protocol import Task
from nightshift.learners.registry import learner
from nightshift.learners.target import look_at_label
from nightshift.metrics.registry import Metric
from nightshift.records import Snapshot, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.tuning.pruning import Watch
from nightshift.tuning.search import Measured
from nightshift.tuning.space import AnyRecipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """Rows to learn from, and the rows right after them to be measured on; neither reaches into the holdout."""

    train: Window
    validate: Window


def folds_of(project: Project, snapshot: Snapshot) -> tuple[Fold, ...]:
    """The newest fold first: the project's own split; each one before it ends a validation window earlier.

    All begin with the first training row that the project declares, so that a search reads the rows of a training.

    Raises:
        RequestError: the training window is too short for so many.
    """
    split = project.split_before(snapshot.as_of)
    back = [place * split.validate_.length for place in range(project.tune.folds)]
    if back[-1] * 2 > split.train.length:
        raise RequestError(
            f"{project.tune.folds} folds would leave the oldest less than half of the training window",
            where=f"project {project.name}: tune.folds",
            remedy="declare fewer folds, or a longer split.train",
        )
    return tuple(
        Fold(
            Window(start=split.train.start, end=split.train.end - by),
            Window(start=split.validate_.start - by, end=split.validate_.end - by),
        )
        for by in back
    )


@contextmanager
def measured_on_folds(
    project: Project, snapshot: Snapshot, deciding: Metric, settings: Settings
) -> Iterator[FoldsMeasure]:
    """Encode every fold, and give what measures recipes on them.

    Raises:
        DataRefusedError: a fold has nothing to learn from, or nothing to be measured on.
    """
    folder = settings.scratch_path / project.name / "tune"
    with disk_faults(folder):
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        folder.mkdir(parents=True)
        try:
            with engine(settings) as connection:
                rows = SnapshotRows(project, snapshot, settings, connection)
                folds = folds_of(project, snapshot)
                tasks = [
                    _encode(rows, fold, folder / str(place), place, len(folds))
                    for place, fold in enumerate(folds)
                ]
            yield FoldsMeasure(tuple(tasks), deciding)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class FoldsMeasure:
    """Trains a recipe on every fold and measures it on the rows after it: a `nightshift.tuning.search.Measure`."""

    tasks: tuple[Task, ...]
    deciding: Metric

    def __call__(self, recipe: AnyRecipe, watch: Watch) -> Measured:
        """The deciding metric on each fold."""
        values, lengths = [], []
        for place, task in enumerate(self.tasks):

            def looked(done: float, loss: float, place: int = place) -> None:
                watch.look(place, done / recipe.length, loss)

            fitted = learner(recipe.kind).fit(task, recipe, Oversight(looked=looked))
            assert task.validate is not None
            scores = fitted.model.score(task.validate.features)
            values.append(self.deciding(task.validate.label, scores))
            lengths.append(fitted.best_round)
        return Measured(tuple(values), tuple(lengths))


def _encode(rows: SnapshotRows, fold: Fold, folder: Path, place: int, of: int) -> Task:
    project = rows.project
    folder.mkdir()
    target, encoder = look_at_label(rows, fold.train), learn_encoder(rows, fold.train)
    write_windows(rows, fold.train, fold.validate, encoder, target, folder)
    train, validate = read_windows(folder, encoder)
    if len(validate.label) == 0:
        raise DataRefusedError(
            f"the validation window {fold.validate} has no labelled rows",
            where=f"project {project.name}: tune.folds",
            remedy="choose another as-of, fewer folds, or a longer split.validate",
        )
    logger.debug("tune: fold %d", place, extra={"step": "encode", "done": place + 1, "total": of})
    return Task(project.label.kind, target.classes, encoder, train, validate)
