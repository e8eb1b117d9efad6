"""Predictions of a window with the labels that are known by now, as arrays."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.engine import engine
from nightshift.lake.tables import Lake
from nightshift.metrics.sample import Floats
from nightshift.performance.prediction_log import Look, PredictionLog
from nightshift.performance.segments import Codes, Numbers, SliceColumn, Slices, as_text, taken
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.spec.project import Project

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

logger = logging.getLogger(__name__)

MOST_ROWS = 2_000_000
"""A window with more predictions is measured on about this many, chosen by a hash of the key; counts stay exact."""

_BATCH_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Observed:
    """Predictions of a window in the order of event time, each by the version that was live last.

    Attributes:
        rows, labelled: how many predictions there are, and how many of them have a label by now.
        truth: labels as the metrics want them, shape (n,); NaN where not known, or of a class the model has not.
        scores: shape (n,), or (n, K) for several classes.
        versions: the model version behind each, shape (n,).
        slices: columns looked at value by value, those of `evaluate.slices` among them.
        numbers: columns looked at in bands, null as NaN.
        segments: the columns of `evaluate.slices`.
    """

    kind: Kind
    window: Window
    rows: int
    labelled: int
    truth: Floats
    scores: Floats
    versions: npt.NDArray[np.int64]
    slices: Slices = field(default_factory=dict)
    numbers: Numbers = field(default_factory=dict)
    segments: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many of the rows are here, n: all of them, or the sample that a large window is measured on."""
        return len(self.truth)

    @property
    def known(self) -> Codes:
        """Places of the rows that can be measured."""
        return np.flatnonzero(~np.isnan(self.truth))

    def take(self, places: Codes) -> Observed:
        """Some of the rows; `rows` and `labelled` are then counts of these alone."""
        truth = self.truth[places]
        return replace(
            self,
            rows=len(places),
            labelled=int(np.count_nonzero(~np.isnan(truth))),
            truth=truth,
            scores=self.scores[places],
            versions=self.versions[places],
            slices=taken(self.slices, places),
            numbers={name: values[places] for name, values in self.numbers.items()},
        )


def observe(project: Project, settings: Settings, look: Look) -> Observed:
    """Read the window's predictions, one a row of the dataset, with the labels known as of `look.as_of`.

    A prediction and its row are matched by key and event time. A prediction whose row is no longer in the dataset
    counts as one without a label. Only the columns needed are read, in batches; the join spills to disk.

    Raises:
        RequestError: there is no such version of the dataset.
        OutsideError: the lake cannot be read.
    """
    lake = Lake.of(project.name, settings)
    predictions, dataset = lake.version("predictions"), look.dataset_version
    dataset = lake.version("dataset") if dataset is None else dataset
    if predictions is None or dataset is None:
        return _nothing(project, look.window)
    with engine(settings) as connection:
        log, rows = lake.read("predictions", predictions), lake.read("dataset", dataset)
        connection.register("log", log)
        connection.register("dataset", rows)
        queries = PredictionLog(project, look, log.schema, rows.schema)
        total = _count(connection, queries.count)
        if total == 0:
            return _nothing(project, look.window)
        if total <= MOST_ROWS:
            return _read(connection, queries, total)
        logger.info("performance: %s predictions, measured on %s of them", f"{total:,}", f"{MOST_ROWS:,}")
        sample = replace(queries, share=MOST_ROWS / total)
        seen = _read(connection, sample, _count(connection, sample.count))
        return replace(seen, rows=total, labelled=_count(connection, queries.count_labelled))


def _nothing(project: Project, window: Window) -> Observed:
    scores = np.empty((0, 2)) if project.label.kind == "multiclass" else np.empty(0)
    return Observed(project.label.kind, window, 0, 0, np.empty(0), scores, np.empty(0, dtype=np.int64))


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.sql(query).fetchall()[0][0])


def _read(connection: duckdb.DuckDBPyConnection, queries: PredictionLog, rows: int) -> Observed:
    """Fill arrays of the right length from batches."""
    kind = queries.project.label.kind
    truth, versions = np.empty(rows), np.empty(rows, dtype=np.int64)
    scores = np.empty((rows, len(queries.scores)))
    numbers = {name: np.empty(rows, dtype=np.float32) for name in queries.numbers}
    texts: dict[str, list[pa.Array]] = {name: [] for name in queries.texts}
    classes = pa.array(queries.classes, pa.string()) if kind == "multiclass" else None
    labelled = done = 0
    for batch in connection.sql(queries.rows).to_arrow_reader(_BATCH_ROWS):
        place = slice(done, done + batch.num_rows)
        labelled += batch.num_rows - batch["label"].null_count
        truth[place] = _codes(batch["label"], classes)
        versions[place] = _array(batch["model_version"])
        for column in range(scores.shape[1]):
            scores[place, column] = _array(batch[f"score {column}"])
        for name, values in numbers.items():
            # As a model sees them: what is beyond float32 is infinite.
            values[place] = _array(batch[f"number {name}"].cast(pa.float32(), safe=False))
        for name, parts in texts.items():
            parts.append(as_text(batch[f"text {name}"]).dictionary_encode())
        done += batch.num_rows
    if labelled > np.count_nonzero(~np.isnan(truth)):
        logger.warning("performance: rows of a class that the model never saw are left out of the metrics")
    return Observed(
        kind=kind,
        window=queries.look.window,
        rows=rows,
        labelled=labelled,
        truth=truth,
        scores=scores if kind == "multiclass" else scores[:, 0],
        versions=versions,
        slices={
            name: SliceColumn.of(pa.chunked_array(parts).unify_dictionaries())
            for name, parts in texts.items()
        },
        numbers=numbers,
        segments=tuple(name for name in queries.project.evaluate.slices if name in texts),
    )


def _codes(labels: pa.Array, classes: pa.Array | None) -> Floats:
    return _array(labels if classes is None else pc.index_in(labels, value_set=classes).cast(pa.float64()))


def _array(values: pa.Array) -> Floats:
    return np.asarray(values.to_numpy(zero_copy_only=False))
