"""Metrics of regression predictions."""

from __future__ import annotations

import numpy as np

from nightshift.metrics.declaration import declare, declared_in
from nightshift.metrics.sample import Floats, Sample


@declare(kinds=("regression",), greater_is_better=False, needs="values", default_for=("regression",))
def rmse(sample: Sample) -> float:
    """Root mean squared error, sqrt(mean((y - p)^2)), in the label's unit.

    [Hyndman & Koehler 2006, Int. J. Forecasting 22:679-688].

    >>> rmse([1.0, 3.0], [2.0, 2.0])
    1.0
    """
    return float(np.sqrt(sample.mean(np.square(sample.truth - sample.score))))


@declare(kinds=("regression",), greater_is_better=False, needs="values")
def mae(sample: Sample) -> float:
    """Mean absolute error, mean(|y - p|), in the label's unit.

    [Hyndman & Koehler 2006, Int. J. Forecasting 22:679-688].

    >>> mae([1.0, 3.0], [2.0, 5.0])
    1.5
    """
    return sample.mean(np.abs(sample.truth - sample.score))


@declare(kinds=("regression",), greater_is_better=False, needs="values")
def mape(sample: Sample) -> float:
    """Mean absolute percentage error as a fraction, mean(|y - p| / |y|).

    [Hyndman & Koehler 2006, Int. J. Forecasting 22:679-688]. Rows whose label is 0 have no percentage and are
    left out; NaN when no other row is there.

    >>> mape([2.0, 4.0, 0.0], [1.0, 5.0, 1.0])
    0.375
    """
    defined = sample.truth != 0
    if not defined.any():
        return float("nan")
    ratio = np.abs((sample.truth[defined] - sample.score[defined]) / sample.truth[defined])
    if sample.weight is None:
        return float(np.mean(ratio))
    weight = sample.weight[defined]
    return float(np.sum(ratio * weight) / np.sum(weight))


@declare(kinds=("regression",), greater_is_better=False, needs="values")
def median_absolute_error(sample: Sample) -> float:
    """Median of |y - p|: the error that half of the weight stays below [Huber 1981, Robust Statistics].

    Weighted: the value at which the cumulated weight passes one half; the mean of two when it meets it.

    >>> median_absolute_error([1.0, 2.0, 3.0, 4.0], [1.0, 2.5, 4.0, 104.0])
    0.75
    """
    errors = np.abs(sample.truth - sample.score)
    return float(np.median(errors)) if sample.weight is None else _weighted_median(errors, sample.weight)


@declare(kinds=("regression",), greater_is_better=True, needs="values")
def r2(sample: Sample) -> float:
    """Coefficient of determination, 1 - sum((y - p)^2) / sum((y - mean(y))^2).

    [Wright 1921, J. Agricultural Research 20:557-585]. 1 is perfect, 0 as good as the mean, below 0 worse.
    NaN when all labels are the same.

    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """
    # Told from the labels themselves: the squares of their distances from a rounded mean need not be zero.
    if np.ptp(sample.truth) == 0:
        return float("nan")
    spread = sample.mean(np.square(sample.truth - sample.mean(sample.truth)))
    if spread == 0:
        return float("nan")
    return 1 - sample.mean(np.square(sample.truth - sample.score)) / spread


def _weighted_median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    half = reached[-1] / 2
    # A hair of room: sums of weights such as 0.1 meet their half only but for rounding.
    lower = values[order[np.searchsorted(reached, half * (1 - 1e-12))]]
    upper = values[order[np.searchsorted(reached, half * (1 + 1e-12))]]
    return float((lower + upper) / 2)


METRICS = declared_in(globals())
__test__ = {row.name: row.measure for row in METRICS}
