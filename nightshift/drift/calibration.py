"""How far a signal strays without drift: the reference is resampled at the window's own size.

Two steps, since nearly every test of a night needs no more than the first:

1. *Screening* draws shares of all columns at once from the normal limit of the multinomial distribution, and
   gets p-values from the mean and variance of the signal over those draws.
2. *Resampling* draws both sides of one column from the reference's shares, exactly and often, and gets the
   p-value from the rank of the signal; beyond the draws its tail is carried on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nightshift.drift.profile import Floats
from nightshift.drift.signals.declaration import Shape
from nightshift.drift.signals.pairs import Pairs

SCREENING_DRAWS = 128
_TAIL_SHARE = 0.05
_LEAST_RANK = 10
_FEW_WINDOWS = 150


@dataclass(frozen=True, eq=False)
class Null:
    """The statistic (a signal's value raised to its power) without drift: mean and variance, (columns,).

    Attributes:
        excess: the mean that clean windows have beyond what chance gives them: days differ. It is taken to
            come from one direction of change, the case with the widest spread: excess * chi2(1).
    """

    mean: Floats
    variance: Floats
    excess: Floats


def screening_draws(pairs: Pairs, seed: int) -> Pairs:
    """Windows like the reference, for all columns at once: (draws, columns, buckets).

    Shares q = p + sqrt(1/n + 1/m) (sqrt(p) z - p sum sqrt(p) z) with z standard normal have the mean and the
    covariances of the difference of two multinomial samples of n and m rows [Pearson 1900]. The same z serve
    every column.
    """
    rng = np.random.default_rng(seed)
    p = pairs.shares[0]
    n, m = pairs.window.sum(-1, keepdims=True), pairs.reference.sum(-1, keepdims=True)
    width = np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    root = np.sqrt(p)
    z = rng.standard_normal((SCREENING_DRAWS, 1, p.shape[-1]))
    across = (z[:, 0, :] @ root.T)[..., None]
    q = np.maximum(p + width * (root * z - p * across), 0.0)
    q /= q.sum(-1, keepdims=True)
    # The reference's own sampling error is in the window's already.
    both = n * m / (n + m)
    means = _drawn_means(pairs, q * both, rng)
    kept = None if means is None or pairs.places is None else (pairs.places.reference_means, means)
    return pairs.redrawn(pairs.reference, q * n, kept)


def resampling_draws(pairs: Pairs, draws: int, rng: np.random.Generator) -> Pairs:
    """Both sides of one column drawn from the reference's shares at their own sizes: (draws, 1, buckets)."""
    p = pairs.shares[0][0]
    sides = [
        rng.multinomial(round(float(counts.sum())), p, size=(draws, 1)).astype(np.float64)
        for counts in (pairs.reference, pairs.window)
    ]
    first, second = (_drawn_means(pairs, counts, rng) for counts in sides)
    return pairs.redrawn(sides[0], sides[1], None if first is None or second is None else (first, second))


def statistic(measure: Shape, pairs: Pairs) -> Floats:
    """The signal's value raised to its power: what p-values are made of."""
    return measure.measure(pairs) ** measure.power


def moments(measure: Shape, draws: Pairs) -> tuple[Floats, Floats]:
    """Mean and variance of the statistic over screening draws, (columns,) each."""
    drawn = statistic(measure, draws)
    return drawn.mean(axis=0), drawn.var(axis=0)


def screened_p(observed: Floats, null: Null) -> Floats:
    """The chance of a statistic at least as great without drift, (columns,), by its mean and variance.

    As a gamma variable of that mean and variance, whose cube root is nearly normal [Wilson & Hilferty 1931,
    The distribution of chi-square].

    >>> one = np.ones(1)
    >>> screened_p(16.919 * one, Null(9 * one, 18 * one, 0 * one)).round(3).tolist()  # chi2(9), 5 %
    [0.05]
    """
    mean = null.mean + null.excess
    variance = null.variance + 2 * null.excess**2
    is_constant = (mean <= 0) | (variance <= 0)
    ninth = np.where(is_constant, 1.0, variance / 9) / np.where(is_constant, 1.0, mean) ** 2
    z = (np.cbrt(observed / np.where(is_constant, 1.0, mean)) - 1 + ninth) / np.sqrt(ninth)
    # A statistic that never strays: anything else than its one value is drift.
    return np.where(is_constant, (observed <= mean).astype(np.float64), normal_tail(z))


def resampled_p(observed: float, drawn: Floats, excess: float, rng: np.random.Generator) -> float:
    """The chance of a statistic at least as great without drift, by its rank among draws.

    (1 + draws as great) / (1 + draws) [Davison & Hinkley 1997, Bootstrap Methods and their Application,
    ch. 4]. Where fewer than ten draws are as great, the tail is that of the highest 5 %, carried on
    exponentially, as sums of squares of normal variables go on, with their mean excess (made greater by two
    standard errors, to err on the side of silence) [Pickands 1975, Statistical inference using extreme order
    statistics, with shape 0].

    >>> drawn = np.random.default_rng(0).exponential(size=4000)
    >>> 5e-7 < resampled_p(math.log(1e6), drawn, 0.0, np.random.default_rng(0)) < 1e-5
    True
    """
    if excess > 0:
        drawn = drawn + excess * np.square(rng.standard_normal(drawn.shape))
    as_great = int(np.sum(drawn >= observed))
    edge = float(np.quantile(drawn, 1 - _TAIL_SHARE))
    beyond = drawn[drawn > edge] - edge
    if as_great >= _LEAST_RANK or beyond.size == 0:
        return (1 + as_great) / (1 + drawn.size)
    scale = float(beyond.mean()) * (1 + 2 / math.sqrt(beyond.size))
    tail = beyond.size / drawn.size * math.exp(-(observed - edge) / scale)
    return min(tail, (1 + _LEAST_RANK) / (1 + drawn.size))


def normal_tail(z: Floats) -> Floats:
    """The chance that a standard normal variable is greater than z.

    >>> normal_tail(np.array([0.0, 1.96])).round(3).tolist()
    [0.5, 0.025]
    """
    return np.array([math.erfc(one) for one in (z / math.sqrt(2)).ravel().tolist()]).reshape(z.shape) / 2


def design_effect(ratios: Floats) -> Floats:
    """How many times as far as chance clean windows stray: (windows, columns) ratios to (columns,), 1 or more.

    The mean over the windows that have a ratio (NaN where one has none) of statistic / mean of the statistic
    at that window's size [Kish 1965, Survey Sampling, ch. 5]. Few windows tell little of how far they stray:
    what lies above 1 is taken 1 + 150 / windows^2 times. At a chance of 1 in 10,000 that makes of a normal
    variable about a Student's t of as many degrees of freedom, from six windows on. All NaN stays NaN.

    >>> design_effect(np.array([[3.0, 0.5]] * 10)).tolist()
    [6.0, 1.0]
    """
    known = np.isfinite(ratios)
    windows = known.sum(axis=0)
    mean = np.where(known, ratios, 0.0).sum(axis=0) / np.maximum(windows, 1)
    effect = 1 + np.maximum(mean - 1, 0.0) * (1 + _FEW_WINDOWS / np.maximum(windows, 1) ** 2)
    return np.where(windows > 0, effect, np.nan)


def _drawn_means(pairs: Pairs, counts: Floats, rng: np.random.Generator) -> Floats | None:
    """Means within buckets of that many values drawn from the reference; None for categories."""
    places = pairs.places
    if places is None:
        return None
    # The draws of one column's buckets serve all columns, as the shares' do.
    z = rng.standard_normal((*counts.shape[:-2], 1, counts.shape[-1]))
    drawn = places.reference_means + np.sqrt(places.variances / np.maximum(counts, 1.0)) * z
    return np.clip(drawn, places.lower, places.upper)
