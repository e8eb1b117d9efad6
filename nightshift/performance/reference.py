"""What a version's holdout said of it: metrics with their uncertainty, and what is needed to estimate them later."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
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
from nightshift.performance.segments import Slices, segments_of, slices_of, taken
from nightshift.performance.uncertainty import BLOCKS, LEAST_ROWS, left_out, standard_error, thinned
from nightshift.records import Metrics

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

PERFORMANCE = "performance.json"
_FORMAT = 1
_DIGITS = 8

Estimator = Calibration | LossModel


@dataclass(frozen=True, eq=False)
class Part:
    """What is known of some of the holdout's rows.

    Attributes:
        metrics: every metric of the label's kind; None where it is undefined.
        spread: the same without each block of neighbouring rows in turn; empty when nobody worked it out.
        estimator: from scores to chances or expected losses; None when there is none.
        spread_estimators: the same without each block; empty for a segment.
    """

    rows: int
    metrics: Metrics
    spread: tuple[Metrics, ...] = ()
    estimator: Estimator | None = None
    spread_estimators: tuple[Estimator, ...] = ()

    def error(self, metric: str) -> float:
        """The standard error of a metric; 0 when nobody worked it out, NaN when it is undefined without a block."""
        if not self.spread:
            return 0.0
        values = [one.get(metric) for one in self.spread]
        return standard_error(np.array([math.nan if value is None else value for value in values]))


@dataclass(frozen=True, eq=False)
class Reference(Part):
    """What a version's holdout said of it as a whole, and of each segment of 200 rows or more.

    It is kept as `performance.json` beside the model: under 100 KB, whatever the number of rows.

    Attributes:
        segments: `origin=JFK` -> the same for those rows.
    """

    segments: Mapping[str, Part] = field(default_factory=dict)

    @classmethod
    def fit(cls, kind: Kind, truth: Floats, scores: Floats, slices: pa.Table | None = None) -> Reference:
        """Measure and calibrate on a holdout.

        Args:
            truth: labels as the metrics want them, shape (n,), in the order of event time.
            scores: the model's scores of these rows, shape (n,) or (n, K).
            slices: the columns of `evaluate.slices` for these rows, or None.
        """
        columns = {} if slices is None else slices_of(slices)
        whole = _fit(kind, truth, scores, columns)
        chosen = thinned(len(truth))
        blocks = [chosen[left_out(chosen.size, block)] for block in range(BLOCKS)]
        made = (_fit(kind, truth[rows], scores[rows], taken(columns, rows)) for rows in blocks)
        spread_estimators = tuple(one for one in made if one is not None)
        segments = {}
        for name, rows in segments_of(columns):
            if rows.size >= LEAST_ROWS:
                own = _fit_segment(whole, truth[rows], scores[rows])
                segments[name] = Part(rows.size, *_measured(kind, truth[rows], scores[rows]), own)
        metrics, spread = _measured(kind, truth, scores)
        return cls(len(truth), metrics, spread, whole, spread_estimators, segments)

    @classmethod
    def of_metrics(cls, metrics: Metrics, rows: int = 0) -> Reference:
        """A version of which only the holdout's metrics are known: they are held to be exact, nothing is estimated."""
        return cls(rows, metrics)

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
        segments = {name: _part_json(part) for name, part in self.segments.items()}
        return {"format": _FORMAT, **_part_json(self), "segments": segments}

    @classmethod
    def of_json(cls, read: Mapping[str, Any]) -> Reference:
        """What `as_json` gave."""
        if read["format"] != _FORMAT:
            raise ValueError(f"format {read['format']} is not {_FORMAT}")
        segments = {name: Part(**_part_of(one)) for name, one in read["segments"].items()}
        return cls(**_part_of(read), segments=segments)


def _fit(kind: Kind, truth: Floats, scores: Floats, slices: Slices) -> Estimator | None:
    if len(truth) == 0:
        return None
    if kind == "regression":
        return LossModel.fit(truth, scores, slices)
    return Calibration.fit(truth, scores)


def _fit_segment(whole: Estimator | None, truth: Floats, scores: Floats) -> Estimator | None:
    # The loss model has a factor for each segment already.
    return Calibration.fit(truth, scores, whole) if isinstance(whole, Calibration) else whole


def _measured(kind: Kind, truth: Floats, scores: Floats) -> tuple[Metrics, tuple[Metrics, ...]]:
    """Every metric, of all rows and without each block of them."""
    whole = finite(evaluate_all(kind, truth, scores))
    if len(truth) < LEAST_ROWS:
        return whole, ()
    chosen = thinned(len(truth))
    blocks = [chosen[left_out(chosen.size, block)] for block in range(BLOCKS)]
    return whole, tuple(finite(evaluate_all(kind, truth[rows], scores[rows])) for rows in blocks)


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "rows": part.rows,
        "metrics": part.metrics,
        "spread": part.spread,
        "estimator": _estimator_json(part.estimator),
        "spread_estimators": [_estimator_json(one) for one in part.spread_estimators],
    }


def _part_of(read: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows": int(read["rows"]),
        "metrics": dict(read["metrics"]),
        "spread": tuple(dict(one) for one in read["spread"]),
        "estimator": _estimator_of(read["estimator"]),
        "spread_estimators": tuple(_estimator_of(one) for one in read["spread_estimators"]),
    }


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
