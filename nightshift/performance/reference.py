"""What a version's holdout said of it: metrics with their uncertainty, and what is needed to estimate them later."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nightshift.errors import DataRefusedError
from nightshift.metrics.registry import evaluate_all, finite
from nightshift.metrics.sample import Floats
from nightshift.performance.calibration import Calibration
from nightshift.performance.loss_model import LossModel
from nightshift.performance.segments import (
    Bands,
    Numbers,
    SliceColumn,
    Slices,
    numbers_of,
    segments_of,
    taken,
)
from nightshift.performance.uncertainty import BLOCKS, LEAST_ROWS, left_out, standard_error, thinned
from nightshift.records import Metrics

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

PERFORMANCE = "performance.json"
_FORMAT = 1
_DIGITS = 7

Estimator = Calibration | LossModel


@dataclass(frozen=True, eq=False)
class Part:
    """What is known of some of the holdout's rows.

    Attributes:
        metrics: every metric of the label's kind; None where it is undefined.
        spread: the same without each block of neighbouring rows in turn; empty when nobody worked it out.
    """

    rows: int
    metrics: Metrics
    spread: tuple[Metrics, ...] = ()

    @classmethod
    def fit(cls, kind: Kind, truth: Floats, scores: Floats) -> Part:
        """Measure some rows, arrays in the order of event time."""
        whole = finite(evaluate_all(kind, truth, scores))
        if len(truth) < LEAST_ROWS:
            return cls(len(truth), whole)
        chosen = thinned(len(truth))
        blocks = [chosen[left_out(chosen.size, block)] for block in range(BLOCKS)]
        spread = tuple(finite(evaluate_all(kind, truth[rows], scores[rows])) for rows in blocks)
        return cls(len(truth), whole, spread)

    def error(self, metric: str) -> float:
        """The standard error of a metric; 0 when nobody worked it out, NaN when it is undefined without a block."""
        if not self.spread:
            return 0.0
        values = [one.get(metric) for one in self.spread]
        return standard_error(np.array([math.nan if value is None else value for value in values]))


@dataclass(frozen=True, eq=False)
class Reference:
    """What a version's holdout said of it as a whole, and of each segment of 200 rows or more.

    It is kept as `performance.json` beside the model: about 100 KB, whatever the number of rows.

    Attributes:
        whole: all rows.
        segments: `origin=JFK` -> those rows.
        bands: the bands of the numbers that the estimators look at.
        estimator: from scores to chances or expected losses; None when there is none.
        spread_estimators: the same without each block of neighbouring rows in turn.
        columns: what must be read with a prediction for the estimator to know all it can.
    """

    whole: Part
    segments: Mapping[str, Part] = field(default_factory=dict)
    bands: Bands = field(default_factory=lambda: Bands({}))
    estimator: Estimator | None = None
    spread_estimators: tuple[Estimator, ...] = ()
    columns: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        kind: Kind,
        truth: Floats,
        scores: Floats,
        columns: pa.Table | None = None,
        segments: Sequence[str] = (),
    ) -> Reference:
        """Measure and calibrate on a holdout.

        Args:
            truth: labels as the metrics want them, shape (n,), in the order of event time.
            scores: the model's scores of these rows, shape (n,) or (n, K).
            columns: `segments` and features for these rows, n long. The dozen most important features do; the
                estimate then holds when the mix of their values changes, not only when that of the scores does.
            segments: the columns of `evaluate.slices`, looked at value by value.
        """
        table = pa.table({}) if columns is None else columns
        numbers = numbers_of(table.drop_columns([name for name in segments if name in table.column_names]))
        bands = Bands.of(numbers)
        slices = {name: SliceColumn.of(table[name]) for name in table.column_names if name not in numbers}
        known = {**slices, **bands.apply(numbers)}
        estimators = _fit_spread(kind, truth, scores, known) if len(truth) else (None,)
        return cls(
            Part.fit(kind, truth, scores),
            {
                name: Part.fit(kind, truth[rows], scores[rows])
                for name, rows in segments_of(slices, segments)
                if rows.size >= LEAST_ROWS
            },
            bands,
            estimators[0],
            tuple(one for one in estimators[1:] if one is not None),
            tuple(table.column_names),
        )

    def estimates(self, scores: Floats, slices: Slices, numbers: Numbers, block: int | None = None) -> Floats:
        """What the estimator makes of predictions: see `expectation.expected_metrics` for its shape.

        Args:
            block: take the estimator that was fitted without this block of the holdout.
        """
        estimator = self.estimator if block is None else self.spread_estimators[block]
        if estimator is None:
            raise ValueError("this reference has no estimator")
        return estimator.apply(scores, {**slices, **self.bands.apply(numbers)})

    @classmethod
    def of_metrics(cls, metrics: Metrics) -> Reference:
        """A version of which only the holdout's metrics are known: they are held to be exact, nothing is estimated."""
        return cls(Part(0, metrics))

    def save(self, path: Path) -> None:
        """Write the reference as JSON."""
        path.write_text(json.dumps(self.as_json(), separators=(",", ":")), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Reference:
        """What `save` wrote.

        Raises:
            DataRefusedError: the file is missing or is none of these.
        """
        try:
            return cls.of_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataRefusedError(
                f"the version's performance reference cannot be read: {error}", where=str(path),
                remedy="train again, or restore the file",
            ) from error  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The reference in JSON's types."""
        return {
            "format": _FORMAT,
            "whole": _part_json(self.whole),
            "segments": {name: _part_json(part) for name, part in self.segments.items()},
            "bands": {name: edges.tolist() for name, edges in self.bands.edges.items()},
            "estimator": _estimator_json(self.estimator),
            "spread_estimators": [_estimator_json(one) for one in self.spread_estimators],
            "columns": list(self.columns),
        }

    @classmethod
    def of_json(cls, read: Mapping[str, Any]) -> Reference:
        """What `as_json` gave."""
        if read["format"] != _FORMAT:
            raise ValueError(f"format {read['format']} is not {_FORMAT}")
        spread = (_estimator_of(one) for one in read["spread_estimators"])
        return cls(
            _part_of(read["whole"]),
            {name: _part_of(one) for name, one in read["segments"].items()},
            Bands({name: np.array(edges, dtype=np.float32) for name, edges in read["bands"].items()}),
            _estimator_of(read["estimator"]),
            tuple(one for one in spread if one is not None),
            tuple(read["columns"]),
        )


def _fit_spread(kind: Kind, truth: Floats, scores: Floats, slices: Slices) -> tuple[Estimator, ...]:
    """The estimator of all rows, then of the rows without each block."""
    if kind != "regression":
        return Calibration.fit_spread(truth, scores, slices)
    chosen = thinned(len(truth))
    blocks = [chosen[left_out(chosen.size, block)] for block in range(BLOCKS)]
    return (
        LossModel.fit(truth, scores, slices),
        *(LossModel.fit(truth[rows], scores[rows], taken(slices, rows)) for rows in blocks if rows.size),
    )


def _part_json(part: Part) -> dict[str, Any]:
    """A part, its metrics as columns: the names are not repeated for each block."""
    names = list(part.metrics)
    return {
        "rows": part.rows,
        "metrics": _rounded(part.metrics),
        "spread": {name: [_rounded(one[name]) for one in part.spread] for name in names if part.spread},
    }


def _part_of(read: Mapping[str, Any]) -> Part:
    columns: Mapping[str, list[float | None]] = read["spread"]
    rows = zip(*columns.values(), strict=True)
    return Part(
        int(read["rows"]), dict(read["metrics"]), tuple(dict(zip(columns, row, strict=True)) for row in rows)
    )


_KINDS: Mapping[str, tuple[type[Estimator], Callable[[Any], Estimator]]] = {
    "beta": (Calibration, Calibration.of_json),
    "loss": (LossModel, LossModel.of_json),
}


def _estimator_json(estimator: Estimator | None) -> dict[str, Any] | None:
    if estimator is None:
        return None
    name = next(name for name, (kind, _) in _KINDS.items() if isinstance(estimator, kind))
    return {name: _rounded(estimator.as_json())}


def _estimator_of(read: Mapping[str, Any] | None) -> Estimator | None:
    if read is None:
        return None
    ((name, values),) = read.items()
    return _KINDS[name][1](values)


def _rounded(value: Any) -> Any:
    """Numbers with no more digits than they are worth."""
    match value:
        case float():
            return float(f"{value:.{_DIGITS}g}")
        case list():
            return [_rounded(one) for one in value]
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case _:
            return value
