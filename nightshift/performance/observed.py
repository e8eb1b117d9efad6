"""The prediction log of a window with the labels that are known by now: late labels joined to predictions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.engine import engine, quote, quote_all, quote_text
from nightshift.lake.tables import Lake
from nightshift.metrics.sample import Floats
from nightshift.performance.segments import Codes, SliceColumn, Slices, taken
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.spec.project import Project

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

logger = logging.getLogger(__name__)

MOST_ROWS = 2_000_000
"""A window with more predictions is measured on this many of them, chosen by a hash of the key; counts stay exact."""

_BATCH_ROWS = 65_536
_SLOTS = 1 << 30


@dataclass(frozen=True, eq=False)
class Observed:
    """Predictions of a window in the order of event time, each by the version that was live last.

    Attributes:
        rows, labelled: how many predictions there are, and how many of them have a label by now.
        truth: labels as the metrics want them, shape (n,); NaN where not known, or of a class the model has not.
        scores: shape (n,), or (n, K) for several classes.
        versions: the model version behind each, shape (n,).
        slices: the columns of `evaluate.slices`.
    """

    kind: Kind
    window: Window
    rows: int
    labelled: int
    truth: Floats
    scores: Floats
    versions: npt.NDArray[np.int64]
    slices: Slices = field(default_factory=dict)

    @property
    def known(self) -> Codes:
        """Places of the rows that can be measured."""
        return np.flatnonzero(~np.isnan(self.truth))

    def take(self, places: Codes) -> Observed:
        """Some of the rows; as long as none were left unread, counts are of these rows alone."""
        truth = self.truth[places]
        return Observed(
            self.kind,
            self.window,
            len(places),
            int(np.count_nonzero(~np.isnan(truth))),
            truth,
            self.scores[places],
            self.versions[places],
            taken(self.slices, places),
        )


@dataclass(frozen=True)
class Look:
    """What to look at in the prediction log, from when.

    Attributes:
        as_of: labels that would not have been known by then are not seen.
        versions: the model versions that count, in the order they went live; None for all, the highest last.
        dataset_version: of the lake's dataset table; None for the newest.
    """

    window: Window
    as_of: datetime
    versions: tuple[int, ...] | None = None
    dataset_version: int | None = None


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
        return _Join(project, look, connection, tuple(log.schema.names), tuple(rows.schema.names)).read()


def _nothing(project: Project, window: Window) -> Observed:
    return Observed(project.label.kind, window, 0, 0, np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class _Join:
    """The join of one window, as SQL over the registered tables `log` and `dataset`."""

    project: Project
    look: Look
    connection: duckdb.DuckDBPyConnection
    log_columns: Sequence[str]
    dataset_columns: Sequence[str]

    def read(self) -> Observed:
        """Count first, so that arrays are made once, at their size."""
        predictions = self._count(f"SELECT count(*) FROM {self._chosen()}")
        if predictions == 0:
            return _nothing(self.project, self.look.window)
        if predictions <= MOST_ROWS:
            return self._read(predictions, None, self._chosen())
        logger.info(
            "performance: %s predictions, measured on %s of them", f"{predictions:,}", f"{MOST_ROWS:,}"
        )
        labelled = self._count(f"SELECT count(label) FROM ({self._joined(self._chosen(), [])})")
        share = int(MOST_ROWS / predictions * _SLOTS)
        sample = f"(SELECT * FROM {self._chosen()} WHERE hash({self._keys()}) % {_SLOTS} < {share})"
        size = self._count(f"SELECT count(*) FROM {sample}")
        return self._read(predictions, labelled, sample, size)

    def _read(self, predictions: int, labelled: int | None, source: str, size: int | None = None) -> Observed:
        size = predictions if size is None else size
        slices = [name for name in self.project.evaluate.slices if name in self.dataset_columns]
        scores = self._scores()
        truth, versions = np.empty(size), np.empty(size, dtype=np.int64)
        values = np.empty((size, len(scores)))
        texts: dict[str, list[pa.Array]] = {name: [] for name in slices}
        known = done = 0
        query = (
            f"SELECT * FROM ({self._joined(source, slices)}) ORDER BY {quote('event time')}, {self._order()}"
        )
        for batch in self.connection.sql(query).to_arrow_reader(_BATCH_ROWS):
            place = slice(done, done + batch.num_rows)
            known += batch.num_rows - batch["label"].null_count
            truth[place] = self._codes(batch["label"])
            versions[place] = batch["model_version"].to_numpy(zero_copy_only=False)
            for column in range(len(scores)):
                values[place, column] = batch[f"score {column}"].to_numpy(zero_copy_only=False)
            for name in slices:
                texts[name].append(pc.fill_null(batch[f"slice {name}"], "None").dictionary_encode())
            done += batch.num_rows
        if known > np.count_nonzero(~np.isnan(truth)):
            logger.warning(
                "performance: rows of classes that the model never saw are left out of the metrics"
            )
        columns = {
            name: SliceColumn.of(pa.chunked_array(parts).unify_dictionaries())
            for name, parts in texts.items()
        }
        return Observed(
            self.project.label.kind,
            self.look.window,
            predictions,
            known if labelled is None else labelled,
            truth,
            values if self.project.label.kind == "multiclass" else values[:, 0],
            versions,
            columns,
        )

    def _chosen(self) -> str:
        """The window's predictions, of each row that of the version that was live last."""
        time = quote(self.project.dataset.event_time)
        window, versions = self.look.window, self.look.versions
        parts = [
            f"{time} >= TIMESTAMPTZ {quote_text(window.start.isoformat())}",
            f"{time} < TIMESTAMPTZ {quote_text(window.end.isoformat())}",
            f"{quote(self._scores()[0])} IS NOT NULL",
        ]
        rank = "model_version"
        if versions is not None:
            listed = ", ".join(str(int(version)) for version in versions)
            rank = f"list_position([{listed}]::INT[], model_version)"
            parts.append(f"model_version IN ({listed or 'NULL'})")
        columns = quote_all([*self.project.dataset.key, self.project.dataset.event_time, *self._scores()])
        return (
            f"(SELECT {columns}, model_version FROM log WHERE {' AND '.join(parts)} "
            f"QUALIFY row_number() OVER (PARTITION BY {self._keys()}, {time} ORDER BY {rank} DESC) = 1)"
        )

    def _joined(self, source: str, slices: Iterable[str]) -> str:
        """Predictions of `source` with label and slices; the label is null where it was not known yet."""
        project, window = self.project, self.look.window
        time = quote(project.dataset.event_time)
        identity = [*project.dataset.key, project.dataset.event_time]
        selected = [f"p.{time} AS {quote('event time')}", f"{self._label()} AS label", "p.model_version"]
        selected += [f"p.{quote(name)} AS {quote(f'key {name}')}" for name in project.dataset.key]
        selected += [
            f"p.{quote(name)}::DOUBLE AS {quote(f'score {n}')}" for n, name in enumerate(self._scores())
        ]
        selected += [f"CAST(d.{quote(name)} AS VARCHAR) AS {quote(f'slice {name}')}" for name in slices]
        return (
            f"SELECT {', '.join(selected)} FROM {source} AS p LEFT JOIN dataset AS d "
            f"ON {' AND '.join(f'p.{quote(name)} = d.{quote(name)}' for name in identity)} "
            f"AND d.{time} >= TIMESTAMPTZ {quote_text(window.start.isoformat())} "
            f"AND d.{time} < TIMESTAMPTZ {quote_text(window.end.isoformat())}"
        )

    def _label(self) -> str:
        label = self.project.label
        column = f"d.{quote(label.column)}" if label.column in self.dataset_columns else "NULL"
        cast = f"CAST({column} AS {'VARCHAR' if label.kind == 'multiclass' else 'DOUBLE'})"
        if label.known_after is None:
            return cast
        limit = quote_text((self.look.as_of - label.known_after).isoformat())
        return f"CASE WHEN d.{quote(self.project.dataset.event_time)} <= TIMESTAMPTZ {limit} THEN {cast} END"

    def _codes(self, labels: pa.Array) -> Floats:
        if self.project.label.kind == "multiclass":
            classes = pa.array([name.removeprefix("score_") for name in self._scores()], pa.string())
            labels = pc.index_in(labels, value_set=classes).cast(pa.float64())
        return np.asarray(labels.to_numpy(zero_copy_only=False), dtype=np.float64)

    def _scores(self) -> list[str]:
        match self.project.label.kind:
            case "binary":
                return ["score"]
            case "regression":
                return ["prediction"]
            case "multiclass":
                roles = {*self.project.dataset.key, self.project.dataset.event_time}
                return [name for name in self.log_columns if name.startswith("score_") and name not in roles]

    def _keys(self) -> str:
        return quote_all(self.project.dataset.key)

    def _order(self) -> str:
        return quote_all([f"key {name}" for name in self.project.dataset.key])

    def _count(self, query: str) -> int:
        return int(self.connection.sql(query).fetchall()[0][0])
