"""Predictions of a window with the labels that are known by now, as arrays."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.dataset.classes import Vocabulary, label_codes, listed
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
        truth: labels as the metrics want them, shape (n,); NaN where not known. Of classes that no version knows, codes
            from K up.
        scores: shape (n,), or (n, K) for several classes; 0 of a class that the row's version does not know.
        versions: the model version behind each, shape (n,).
        slices: columns looked at value by value, those of `evaluate.slices` among them.
        numbers: columns looked at in bands, null as NaN.
        segments: the columns of `evaluate.slices`.
        own: by version, which of the K classes it knows, shape (K,); all of them where it is not there.
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
    own: Mapping[int, npt.NDArray[np.bool_]] = field(default_factory=dict)

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
        total = _count(connection, queries.count) if queries.is_readable else 0
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
    vocabulary = Vocabulary.of(kind, queries.classes)
    width = len(queries.classes) if kind == "multiclass" else 1
    truth, versions = np.empty(rows), np.empty(rows, dtype=np.int64)
    scores = np.empty((rows, width))
    numbers = {name: np.empty(rows, dtype=np.float32) for name in queries.numbers}
    texts: dict[str, list[pa.Array]] = {name: [] for name in queries.texts}
    labelled = done = 0
    for batch in connection.sql(queries.rows).to_arrow_reader(_BATCH_ROWS):
        place = slice(done, done + batch.num_rows)
        truth[place] = label_codes(vocabulary, batch["label"])
        labelled += int(np.count_nonzero(~np.isnan(truth[place])))
        versions[place] = _array(batch["model_version"])
        for column in range(scores.shape[1]):
            scores[place, column] = _array(batch[f"score {column}"])
        for name, values in numbers.items():
            # As a model sees them: what is beyond float32 is infinite.
            values[place] = _array(batch[f"number {name}"].cast(pa.float32(), safe=False))
        for name, parts in texts.items():
            parts.append(as_text(batch[f"text {name}"]).dictionary_encode())
        done += batch.num_rows
    if vocabulary is not None and vocabulary.unknown:
        unknown = listed(vocabulary.unknown)
        logger.warning("performance: rows of classes that no version has seen count as mistakes: %s", unknown)
    own = _known_classes(scores, versions) if kind == "multiclass" else {}
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
        own=own,
    )


def _known_classes(scores: Floats, versions: npt.NDArray[np.int64]) -> dict[int, npt.NDArray[np.bool_]]:
    """Which classes each version knows: those that it has a score of. Of the others the score becomes 0."""
    own = {}
    for version in np.unique(versions):
        rows = versions == version
        known = ~np.isnan(scores[rows]).all(axis=0)
        scores[np.ix_(rows, ~known)] = 0.0
        own[int(version)] = known
    return own


def _array(values: pa.Array) -> Floats:
    return np.asarray(values.to_numpy(zero_copy_only=False))
