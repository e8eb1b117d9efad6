"""Score a window's labelled rows with any model of the project."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from nightshift.dataset.classes import Vocabulary, label_codes, listed
from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine, quote
from nightshift.errors import DataRefusedError
from nightshift.metrics.registry import evaluate_all, finite
from nightshift.metrics.sample import Floats
from nightshift.records import Metrics, Snapshot, Window
from nightshift.scoring.scorer import Scorer
from nightshift.settings import Settings
from nightshift.spec.project import Project

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """Labels and scores of a window's labelled rows, in order, with the features and the columns to slice by.

    Attributes:
        truth: codes of classes, those of classes that the model does not know beyond its own; or numbers.
        unknown: the classes that the model does not know, in the order of their codes.
    """

    truth: Floats
    scores: Floats
    rows: pa.Table
    unknown: tuple[str, ...] = ()

    def metrics(self, project: Project) -> Metrics:
        """Every metric of the label's kind; None where it is undefined."""
        return finite(evaluate_all(project.label.kind, self.truth, self.scores))


def labelled_rows(
    project: Project, columns: Iterable[str], snapshot: Snapshot, window: Window, settings: Settings
) -> pa.Table:
    """Those of `columns` that the dataset has, and the label, of a window's labelled rows in order of event time.

    Raises:
        DataRefusedError: the window has no labelled rows.
    """
    wanted = dict.fromkeys([*columns, project.label.column])
    with engine(settings) as connection:
        rows = SnapshotRows(project, snapshot, settings, connection)
        known = [name for name in wanted if name in rows.schema.names]
        table = rows.read(window, [quote(name) for name in known], labelled=True).read_all()
    if table.num_rows == 0:
        raise _nothing_to_measure(project, window)
    return table


def measure(
    project: Project, scorer: Scorer, snapshot: Snapshot, window: Window, settings: Settings
) -> Measured:
    """Score a window's labelled rows with any model of the project.

    Raises:
        DataRefusedError: the window has no labelled rows.
    """
    slices = list(project.evaluate.slices)
    table = labelled_rows(project, [*scorer.encoder.names, *slices], snapshot, window, settings)
    known = Vocabulary.of(scorer.manifest.kind, scorer.manifest.classes)
    truth = label_codes(known, table[project.label.column])
    if np.isnan(truth).any():  # NaN, where null is meant
        table, truth = table.filter(pa.array(~np.isnan(truth))), truth[~np.isnan(truth)]
    if len(truth) == 0:
        raise _nothing_to_measure(project, window)
    unknown = () if known is None else known.unknown
    if known is not None and unknown:
        logger.warning(
            "evaluate: %d rows are of classes that the model never saw, and count as its mistakes: %s",
            np.count_nonzero(truth >= len(known.classes)), listed(unknown),
        )  # fmt: skip
    return Measured(truth, scorer.score(table).values, table, unknown)


def _nothing_to_measure(project: Project, window: Window) -> DataRefusedError:
    return DataRefusedError(
        f"the window {window} has no labelled rows to measure the model on",
        where=f"project {project.name}: split",
        remedy="choose another as-of, or longer windows",
    )
