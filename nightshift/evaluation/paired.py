"""How much better one model is than another on the same rows, and how much of that is noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightshift.metrics.declaration import Metric
from nightshift.metrics.sample import Floats, Sample
from nightshift.spec.project import Kind

BLOCKS = 20
T95 = 1.729132811521367
"""Student's t with BLOCKS - 1 degrees of freedom: what 95 % of draws stay below."""


@dataclass(frozen=True)
class Answers:
    """Labels and scores of the rows of one model; multiclass codes are that model's own."""

    truth: Floats
    scores: Floats


@dataclass(frozen=True)
class Paired:
    """Two models measured on the same rows.

    Attributes:
        ours, theirs: the metric of each; NaN where it is undefined.
        gain: how much better ours is, whatever the metric's direction.
        noise: a loss that chance exceeds once in 20 comparisons of equals; NaN when there are too few rows to say.
        rows: how many there are.
    """

    ours: float
    theirs: float
    gain: float
    noise: float
    rows: int


def paired_gain(metric: Metric, kind: Kind, ours: Answers, theirs: Answers) -> Paired:
    """The gain of `ours` over `theirs`, and its noise by a jackknife over stretches of time.

    The rows, in order of event time, are cut into `BLOCKS` stretches of equal length. With d(-j) the gain on all rows
    but the j-th stretch's, g stretches and m the mean of all d(-j):

        variance = (g - 1) / g * sum of (d(-j) - m)²,  noise = T95 * sqrt(variance)

    It holds for any smooth metric, also one that is no mean over rows, such as ROC AUC. Both models are measured on
    the same rows, so what makes rows hard for both cancels out. Stretches, and not single rows, are left out because
    neighbouring rows are alike (one storm delays a day's flights): the noise of single rows would be too small.

    Sources: J. Shao and C. F. J. Wu (1989), "A general theory for jackknife variance estimation", Annals of
    Statistics 17; H. R. Künsch (1989), "The jackknife and the bootstrap for general stationary observations", ibid.

    >>> from nightshift.metrics.registry import metric
    >>> truth = np.zeros(40)
    >>> near, far = np.full(40, 1.0), np.where(np.arange(40) < 20, 1.5, 2.5)
    >>> found = paired_gain(metric("mae"), "regression", Answers(truth, near), Answers(truth, far))
    >>> found.gain, round(found.noise / T95, 4)  # a mean: the deviation of 20 stretches' gains over the root of 20
    (1.0, 0.1147)
    """

    def gain(kept: npt.NDArray[np.bool_] | slice) -> tuple[float, float, float]:
        mine = metric.of(Sample.of(kind, ours.truth[kept], ours.scores[kept]))
        other = metric.of(Sample.of(kind, theirs.truth[kept], theirs.scores[kept]))
        return mine, other, metric.gain(mine, over=other)

    rows = len(ours.truth)
    mine, other, whole = gain(slice(None))
    noise = _noise(lambda kept: gain(kept)[2], rows) if rows >= 2 * BLOCKS else float("nan")
    return Paired(mine, other, whole, noise, rows)


def _noise(gain: Callable[[npt.NDArray[np.bool_]], float], rows: int) -> float:
    stretch = np.arange(rows) * BLOCKS // rows
    without = np.array([gain(stretch != left_out) for left_out in range(BLOCKS)])
    return float(T95 * np.sqrt((BLOCKS - 1) * without.var()))
