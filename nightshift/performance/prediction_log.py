"""The SQL that joins late labels to the prediction log: one row a prediction, by the version that was live last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from nightshift.engine import quote, quote_all, quote_text
from nightshift.performance.segments import is_number
from nightshift.records import Window
from nightshift.spec.project import Project

_SLOTS = 1 << 30


@dataclass(frozen=True)
class Look:
    """What to look at in the prediction log, from when.

    Attributes:
        as_of: labels that would not have been known by then are not seen.
        versions: the model versions that count, in the order they went live; None for all, the highest last.
        dataset_version: of the lake's dataset table; None for the newest.
        columns: of the dataset, to be read beside `evaluate.slices` (see `Reference.columns`).
    """

    window: Window
    as_of: datetime
    versions: tuple[int, ...] | None = None
    dataset_version: int | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictionLog:
    """Queries over the registered tables `log` (predictions) and `dataset`.

    Attributes:
        log, dataset: their schemas.
        share: read this share of the predictions, chosen by a hash of the key.
    """

    project: Project
    look: Look
    log: pa.Schema
    dataset: pa.Schema
    share: float = 1.0

    @property
    def scores(self) -> list[str]:
        """The log's columns that hold scores."""
        match self.project.label.kind:
            case "binary":
                return ["score"]
            case "regression":
                return ["prediction"]
            case "multiclass":
                roles = {*self.project.dataset.key, self.project.dataset.event_time}
                return [name for name in self.log.names if name.startswith("score_") and name not in roles]

    @property
    def classes(self) -> list[str]:
        """The classes of a multiclass label, in the order of their scores."""
        return [name.removeprefix("score_") for name in self.scores]

    @property
    def texts(self) -> list[str]:
        """Columns of the dataset that are looked at value by value."""
        return [name for name in self._columns() if not self._is_band(name)]

    @property
    def numbers(self) -> list[str]:
        """Columns of the dataset that are looked at in bands."""
        return [name for name in self._columns() if self._is_band(name)]

    @property
    def count(self) -> str:
        """How many predictions there are."""
        return f"SELECT count(*) FROM {self._chosen()}"

    @property
    def count_labelled(self) -> str:
        """How many of them have a label by now."""
        return f"SELECT count({self._label()}) FROM {self._joined()}"

    @property
    def rows(self) -> str:
        """Label, version, `score N`, `text NAME` and `number NAME` of each prediction, in order (event time, key)."""
        dataset = self.project.dataset
        selected = [f"{self._label()} AS label", "p.model_version"]
        selected += _as("score", "p.{}::DOUBLE", self.scores, range(len(self.scores)))
        selected += _as("text", "d.{}", self.texts, self.texts)
        selected += _as("number", "d.{}::DOUBLE", self.numbers, self.numbers)
        order = ", ".join(f"p.{quote(name)}" for name in (dataset.event_time, *dataset.key))
        return f"SELECT {', '.join(selected)} FROM {self._joined()} ORDER BY {order}"

    def _columns(self) -> list[str]:
        wanted = dict.fromkeys([*self.project.evaluate.slices, *self.look.columns])
        return [name for name in wanted if name in self.dataset.names]

    def _is_band(self, name: str) -> bool:
        return name not in self.project.evaluate.slices and is_number(self.dataset.field(name).type)

    def _chosen(self) -> str:
        """The window's predictions, of each row that of the version that was live last."""
        keys, time = quote_all(self.project.dataset.key), quote(self.project.dataset.event_time)
        versions, rank = self.look.versions, "model_version"
        parts = [self._within(time), f"{quote(self.scores[0])} IS NOT NULL"] if self.scores else ["false"]
        if versions is not None:
            listed = ", ".join(str(int(version)) for version in versions)
            rank = f"list_position([{listed}]::INT[], model_version)"
            parts.append(f"model_version IN ({listed or 'NULL'})")
        if self.share < 1:
            parts.append(f"hash({keys}) % {_SLOTS} < {int(self.share * _SLOTS)}")
        columns = ", ".join([keys, time, *(quote(name) for name in self.scores), "model_version"])
        return (
            f"(SELECT {columns} FROM log WHERE {' AND '.join(parts)} "
            f"QUALIFY row_number() OVER (PARTITION BY {keys}, {time} ORDER BY {rank} DESC) = 1)"
        )

    def _joined(self) -> str:
        """Predictions as `p` with their rows of the dataset as `d`, if these are still there."""
        dataset = self.project.dataset
        same = [f"p.{quote(name)} = d.{quote(name)}" for name in (*dataset.key, dataset.event_time)]
        within = self._within(f"d.{quote(dataset.event_time)}")
        return f"{self._chosen()} AS p LEFT JOIN dataset AS d ON {' AND '.join(same)} AND {within}"

    def _within(self, time: str) -> str:
        start, end = (quote_text(end.isoformat()) for end in (self.look.window.start, self.look.window.end))
        return f"{time} >= TIMESTAMPTZ {start} AND {time} < TIMESTAMPTZ {end}"

    def _label(self) -> str:
        """The label as the metrics want it, null where it was not known yet at as-of."""
        label = self.project.label
        if label.column not in self.dataset.names:
            return "NULL::DOUBLE"
        value = f"d.{quote(label.column)}"
        if pa.types.is_floating(self.dataset.field(label.column).type):
            value = f"CASE WHEN NOT isnan({value}) THEN {value} END"  # NaN is not known either
        cast = f"CAST({value} AS {'VARCHAR' if label.kind == 'multiclass' else 'DOUBLE'})"
        if label.known_after is None:
            return cast
        limit = quote_text((self.look.as_of - label.known_after).isoformat())
        return f"CASE WHEN d.{quote(self.project.dataset.event_time)} <= TIMESTAMPTZ {limit} THEN {cast} END"


def _as(role: str, form: str, columns: list[str], names: Iterable[object]) -> list[str]:
    """Columns in a form, named by their role: no name of a dataset can clash with another."""
    pairs = zip(columns, names, strict=True)
    return [f"{form.format(quote(column))} AS {quote(f'{role} {name}')}" for column, name in pairs]
