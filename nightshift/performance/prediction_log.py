"""The SQL that joins late labels to the prediction log: one row a prediction, by the version that was live last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from nightshift.dataset.classes import number_text
from nightshift.engine import quote, quote_all, quote_text
from nightshift.performance.segments import is_number
from nightshift.records import Window
from nightshift.scoring.columns import PredictionColumns
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
        learnt_until: by version, the time up to which it has learnt from rows: the labels of these are not seen.
    """

    window: Window
    as_of: datetime
    versions: tuple[int, ...] | None = None
    dataset_version: int | None = None
    columns: tuple[str, ...] = ()
    learnt_until: Mapping[int, datetime] = field(default_factory=dict)


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
    def names(self) -> PredictionColumns:
        """What the log's columns are called."""
        return PredictionColumns.of(self.project, self.log)

    @property
    def is_readable(self) -> bool:
        """Whether the log has scores of this kind of label, by versions that can be told apart."""
        needed = {*self.names.identity, self.names.model_version, *self.scores}
        return bool(self.scores) and needed <= set(self.log.names)

    @property
    def scores(self) -> list[str]:
        """The log's columns that hold scores; of several classes, in the order of the classes' names."""
        match self.project.label.kind:
            case "binary":
                return [self.names.score]
            case "regression":
                return [self.names.prediction]
            case "multiclass":
                return [name for columns in self._by_class().values() for name in columns]

    @property
    def classes(self) -> list[str]:
        """The classes of a multiclass label that any version knows, in the order of their scores."""
        return list(self._by_class())

    def _by_class(self) -> dict[str, list[str]]:
        """The score columns of each class, sorted by its name as models sort their classes.

        Of a number there may be several: versions of old call the class 1 of a float `1.0`.
        """
        columns = self.names.classes(self.log)
        label = self.project.label.column
        is_text = label not in self.dataset.names or pa.types.is_string(self.dataset.field(label).type)
        found: dict[str, list[str]] = {}
        for name in sorted(columns):
            found.setdefault(name if is_text else number_text(name), []).append(columns[name])
        return dict(sorted(found.items()))

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
        dataset, version = self.project.dataset, quote(self.names.model_version)
        selected = [f"{self._label()} AS label", f"p.{version} AS model_version"]
        selected += [
            f"{score}::DOUBLE AS {quote(f'score {place}')}" for place, score in enumerate(self._scored())
        ]
        selected += _as("text", "d.{}", self.texts, self.texts)
        selected += _as("number", "d.{}::DOUBLE", self.numbers, self.numbers)
        order = ", ".join(f"p.{quote(name)}" for name in dict.fromkeys((dataset.event_time, *dataset.key)))
        return f"SELECT {', '.join(selected)} FROM {self._joined()} ORDER BY {order}"

    def _scored(self) -> list[str]:
        """One SQL expression a score: where a class has several columns, the one that the row's version filled."""
        if self.project.label.kind != "multiclass":
            return [f"p.{quote(name)}" for name in self.scores]
        together = [[f"p.{quote(name)}" for name in columns] for columns in self._by_class().values()]
        return [f"coalesce({', '.join(columns)})" for columns in together]

    def _columns(self) -> list[str]:
        wanted = dict.fromkeys([*self.project.evaluate.slices, *self.look.columns])
        return [name for name in wanted if name in self.dataset.names]

    def _is_band(self, name: str) -> bool:
        return name not in self.project.evaluate.slices and is_number(self.dataset.field(name).type)

    def _chosen(self) -> str:
        """The window's predictions, of each row that of the version that was live last."""
        keys, time = quote_all(self.project.dataset.key), quote(self.project.dataset.event_time)
        identity, version = quote_all(self.names.identity), quote(self.names.model_version)
        versions, rank = self.look.versions, version
        # A version has no score of a class that only later ones know.
        is_scored = f"coalesce({quote_all(self.scores)}) IS NOT NULL" if self.scores else "false"
        parts = [self._within(time), is_scored]
        if versions is not None:
            listed = ", ".join(str(int(one)) for one in versions)
            rank = f"list_position([{listed}]::INT[], {version})"
            parts.append(f"{version} IN ({listed or 'NULL'})")
        if self.share < 1:
            parts.append(f"hash({keys}) % {_SLOTS} < {int(self.share * _SLOTS)}")
        columns = ", ".join([identity, *(quote(name) for name in self.scores), version])
        return (
            f"(SELECT {columns} FROM log WHERE {' AND '.join(parts)} "
            f"QUALIFY row_number() OVER (PARTITION BY {identity} ORDER BY {rank} DESC) = 1)"
        )

    def _joined(self) -> str:
        """Predictions as `p` with their rows of the dataset as `d`, if these are still there."""
        same = [f"p.{quote(name)} = d.{quote(name)}" for name in self.names.identity]
        within = self._within(f"d.{quote(self.project.dataset.event_time)}")
        return f"{self._chosen()} AS p LEFT JOIN dataset AS d ON {' AND '.join(same)} AND {within}"

    def _within(self, time: str) -> str:
        start, end = (quote_text(end.isoformat()) for end in (self.look.window.start, self.look.window.end))
        return f"{time} >= TIMESTAMPTZ {start} AND {time} < TIMESTAMPTZ {end}"

    def _label(self) -> str:
        """The label, null where it was not known yet at as-of, or where the version has learnt from it."""
        label = self.project.label
        if label.column not in self.dataset.names:
            return "NULL::DOUBLE"
        column = f"d.{quote(label.column)}"
        if label.kind != "multiclass":
            column = f"nullif(CAST({column} AS DOUBLE), 'NaN'::DOUBLE)"
        time, parts = f"d.{quote(self.project.dataset.event_time)}", []
        if label.known_after is not None:
            limit = quote_text((self.look.as_of - label.known_after).isoformat())
            parts.append(f"{time} <= TIMESTAMPTZ {limit}")
        for version, until in self.look.learnt_until.items():
            is_new = f"{time} >= TIMESTAMPTZ {quote_text(until.isoformat())}"
            parts.append(f"(p.{quote(self.names.model_version)} != {int(version)} OR {is_new})")
        return f"CASE WHEN {' AND '.join(parts)} THEN {column} END" if parts else column


def _as(role: str, form: str, columns: list[str], names: Iterable[object]) -> list[str]:
    """Columns in a form, named by their role: no name of a dataset can clash with another."""
    pairs = zip(columns, names, strict=True)
    return [f"{form.format(quote(column))} AS {quote(f'{role} {name}')}" for column, name in pairs]
