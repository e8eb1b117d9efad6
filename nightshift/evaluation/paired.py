"""How much better one model is than another on the same rows, and how much of that is noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.metrics.declaration import Metric
from nightshift.metrics.sample import Floats, Sample
from nightshift.performance.uncertainty import (
    LEAST_ROWS,
    Places,
    interval,
    left_out_values,
    standard_error,
    thinned,
)
from nightshift.spec.project import Kind


@dataclass(frozen=True)
class Answers:
    """Labels and scores of the rows of one model; multiclass codes are that model's own, from K up of other classes."""

    truth: Floats
    scores: Floats


@dataclass(frozen=True)
class Paired:
    """Two models measured on the same rows.

    Attributes:
        ours, theirs: the metric of each; NaN where it is undefined.
        gain: how much better ours is, whatever the metric's direction.
        noise: half the width of the gain's 95 % interval: a loss beyond it befalls one in 40 equals by chance; NaN
            when there are too few rows to say.
        rows: how many there are.
    """

    ours: float
    theirs: float
    gain: float
    noise: float
    rows: int


def paired_gain(metric: Metric, kind: Kind, ours: Answers, theirs: Answers) -> Paired:
    """The gain of `ours` over `theirs`, and its noise by a jackknife over stretches of time.

    The rows, in order of event time, are cut into 20 stretches of equal length; the gain is measured again without each
    of them. With d(-j) the gain without the j-th, g stretches and m the mean of all d(-j):

        variance = (g - 1) / g * sum of (d(-j) - m)²,  noise = T975 * sqrt(variance)

    T975 is Student's quantile at g - 1 degrees of freedom. It holds for any smooth metric, also one that is no mean
    over rows, such as ROC AUC. Both models are measured on the same rows, so what makes rows hard for both cancels out.
    Stretches, and not single rows, are left out because neighbouring rows are alike (one storm delays a day's flights):
    the noise of single rows would be too small.

    Sources: J. Shao and C. F. J. Wu (1989), "A general theory for jackknife variance estimation", Annals of
    Statistics 17; H. R. Künsch (1989), "The jackknife and the bootstrap for general stationary observations", ibid.

    >>> from nightshift.metrics.registry import metric
    >>> truth = np.zeros(200)
    >>> near, far = np.full(200, 1.0), np.where(np.arange(200) < 100, 1.5, 2.5)
    >>> found = paired_gain(metric("mae"), "regression", Answers(truth, near), Answers(truth, far))
    >>> found.gain, round(found.noise, 4)  # of a mean: 2.093 times the deviation of 20 stretches over the root of 20
    (1.0, 0.2401)
    """

    def gain(kept: Places) -> tuple[float, float, float]:
        mine = metric.of(Sample.of(kind, ours.truth[kept], ours.scores[kept]))
        other = metric.of(Sample.of(kind, theirs.truth[kept], theirs.scores[kept]))
        return mine, other, metric.gain(mine, over=other)

    rows = len(ours.truth)
    mine, other, whole = gain(np.arange(rows))
    if rows < LEAST_ROWS:
        return Paired(mine, other, whole, float("nan"), rows)
    some = thinned(rows)
    without = left_out_values(some.size, lambda kept: gain(some[kept])[2])
    ends = interval(0.0, standard_error(without))
    return Paired(mine, other, whole, float("nan") if ends is None else ends[1], rows)
