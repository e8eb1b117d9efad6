"""The value that a metric is expected to have when labels are known only by their chances, or losses by their mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nightshift.metrics.declaration import Metric
from nightshift.metrics.registry import finite, metrics_for
from nightshift.metrics.sample import Floats, Sample
from nightshift.records import Metrics

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

# Chances of K classes for n rows are n K rows of K scores: no more numbers than these are held at a time.
_MOST_NUMBERS = 25_000_000
# Sums of float64 miss 1 by less.
_LEAST_REST = 1e-9
_OF_LOSS = {"mae": 0, "rmse": 1, "mape": 2}


def expected_metrics(kind: Kind, scores: Floats, outlook: Floats) -> Metrics:
    """Every metric of the kind, as it is expected to be; None where it cannot be estimated.

    Args:
        scores: binary chances of class 1 or predicted values, shape (n,); multiclass chances, shape (n, K).
        outlook: what is thought of each row: binary the calibrated chance of class 1, shape (n,); multiclass
            calibrated chances, (n, K), that sum to 1 less the share of unknown classes; regression the expected
            absolute, squared and percentage loss, (n, 3).
    """
    if len(scores) == 0:
        return {}
    if kind == "regression":
        return finite({row.name: _of_losses(row.name, outlook) for row in metrics_for(kind)})
    sample = weighted(kind, scores, outlook)
    return finite({row.name: row.of(sample) for row in metrics_for(kind)})


def expected_metric(metric: Metric, kind: Kind, scores: Floats, outlook: Floats) -> float:
    """One metric as it is expected to be; NaN where it cannot be estimated. Shapes as in `expected_metrics`."""
    if len(scores) == 0:
        return float("nan")
    if kind == "regression":
        return _of_losses(metric.name, outlook)
    return metric.of(weighted(kind, scores, outlook))


def weighted(kind: Kind, scores: Floats, chances: Floats) -> Sample:
    """Each row once for each class, weighing as much as the chance that it is of that class.

    Confidence-based performance estimation: a sum over rows, such as true positives, becomes its expectation, and
    a metric that is a ratio of such sums the ratio of their expectations, which many rows make the same
    [Guillory et al. 2021, "Predicting with confidence on unseen distributions", ICCV, 1134-1144; Białek et al.
    2024, "Estimating model performance under covariate shift without labels", arXiv:2401.08348].

    >>> sample = weighted("binary", np.array([0.9, 0.2]), np.array([0.8, 0.1]))
    >>> sample.truth.tolist(), sample.weight.tolist()
    ([1, 1, 0, 0], [0.8, 0.1, 0.19999999999999996, 0.9])
    """
    if kind == "binary":
        truth = np.repeat([1, 0], scores.size)
        return Sample.of(kind, truth, np.tile(scores, 2), np.concatenate([chances, 1 - chances]))
    classes = scores.shape[1]
    most = max(1, _MOST_NUMBERS // classes**2)
    if len(scores) > most:
        chosen = (np.arange(most) * len(scores)) // most
        scores, chances = scores[chosen], chances[chosen]
    # What chances lack of 1 is that of a class that the model does not know.
    rest = np.maximum(1 - chances.sum(axis=1), 0.0)
    if rest.max(initial=0.0) > _LEAST_REST:
        chances = np.column_stack([chances, rest])
    width = chances.shape[1]
    truth = np.repeat(np.arange(width), len(scores))
    return Sample.of(kind, truth, np.tile(scores, (width, 1)), chances.T.ravel())


def _of_losses(name: str, losses: Floats) -> float:
    """Direct loss estimation knows means of losses; a median or a share of variance cannot be had from them."""
    if name not in _OF_LOSS:
        return float("nan")
    values = losses[:, _OF_LOSS[name]]
    mean = float(np.mean(values)) if not np.isnan(values).any() else float("nan")
    return math.sqrt(mean) if name == "rmse" else mean
