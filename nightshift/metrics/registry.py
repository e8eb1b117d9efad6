"""The metrics there are: found by name and by kind of label, and measured together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from nightshift.errors import RequestError, did_you_mean
from nightshift.metrics import classification, regression
from nightshift.metrics.declaration import Metric
from nightshift.metrics.sample import Sample

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

__all__ = [
    "Metric",
    "default_metric",
    "evaluate_all",
    "evaluate_sample",
    "finite",
    "metric",
    "metric_names",
    "metrics_for",
]

_METRICS = {row.name: row for row in (*classification.METRICS, *regression.METRICS)}


def metric_names(kind: Kind | None = None) -> tuple[str, ...]:
    """The names that project.yaml may give, of one kind of label or of all.

    >>> metric_names("regression")
    ('rmse', 'mae', 'mape', 'median_absolute_error', 'r2')
    """
    return tuple(row.name for row in (_METRICS.values() if kind is None else metrics_for(kind)))


def metrics_for(kind: Kind) -> tuple[Metric, ...]:
    """Every metric that serves this kind of label, the defaults first in their file.

    Raises:
        RequestError: no metric serves such a kind.
    """
    serving = tuple(row for row in _METRICS.values() if kind in row.kinds)
    if not serving:
        valid = list(dict.fromkeys(served for row in _METRICS.values() for served in row.kinds))
        raise RequestError(f"no metric serves {kind!r}", valid=valid, remedy=did_you_mean(kind, valid))
    return serving


def metric(name: str, kind: Kind | None = None, *, where: str = "") -> Metric:
    """The metric of that name; with `kind`, only if it serves that kind of label.

    >>> metric("log_loss").greater_is_better
    False

    Raises:
        RequestError: there is none; the valid names and the nearest one are in it.
    """
    valid = metric_names(kind)
    if name in valid:
        return _METRICS[name]
    fault = f"{name!r} does not measure {kind} labels" if name in _METRICS else f"there is no metric {name!r}"
    remedy = did_you_mean(name, valid) or "name one of the valid metrics"
    raise RequestError(fault, where=where, valid=valid, remedy=remedy)


def default_metric(kind: Kind) -> Metric:
    """The metric that judges this kind of label when project.yaml names none.

    >>> default_metric("binary").name
    'roc_auc'
    """
    return next(row for row in metrics_for(kind) if kind in row.default_for)


def evaluate_all(
    kind: Kind, y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None
) -> dict[str, float]:
    """Every metric of the kind, by name; the rows are ordered and counted once for all of them.

    Args:
        kind: binary, multiclass or regression.
        y_true: binary 0 and 1, multiclass codes 0..K-1, regression targets; shape (n,).
        y_score: binary probability of 1, shape (n,); multiclass probabilities, shape (n, K); regression
            predictions, shape (n,).
        weight: weights from zero up, shape (n,), or None.

    Returns:
        One number a metric: NaN where it is undefined on these rows, and all NaN when there are no rows or
        any of them holds a NaN or an infinity.

    >>> evaluate_all("regression", [1.0, 3.0], [2.0, 2.0])["rmse"]
    1.0
    """
    return evaluate_sample(Sample.of(kind, y_true, y_score, weight))


def evaluate_sample(sample: Sample) -> dict[str, float]:
    """Every metric of the sample's kind, by name: `evaluate_all` for one who goes on to draw its curves."""
    return {row.name: row.of(sample) for row in metrics_for(sample.kind)}


def finite(metrics: dict[str, float]) -> dict[str, float | None]:
    """The same metrics for JSON, where NaN has no place: None says that a metric is undefined.

    >>> finite({"roc_auc": float("nan"), "brier": 0.25})
    {'roc_auc': None, 'brier': 0.25}
    """
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
