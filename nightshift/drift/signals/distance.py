"""Signals that compare how numbers lie on their axis, in the fine buckets."""

from __future__ import annotations

import numpy as np

from nightshift.drift.profile import Floats
from nightshift.drift.signals.declaration import Shape, declared_in, shape
from nightshift.drift.signals.pairs import Pairs
from nightshift.drift.signals.places import Places


@shape(kinds=("numeric",), effect_floor=0.075, power=2, default_for=("numeric",), budget=1.5)
def wasserstein(pairs: Pairs) -> Floats:
    """How far values moved on average, in interquartile ranges of the reference.

    W1 = integral |F - G| dx / IQR, F and G the distribution functions [Vallender 1974, Calculation of the
    Wasserstein distance between probability distributions on the line]. Of each bucket [a, b) the integral
    of F - G is known exactly from counts and sums: (b - a) (F(a) - G(a)) plus the difference of the means of
    (b - x) over the bucket. The sum of their absolute values is W1 itself where F - G does not change its
    sign within a bucket, and otherwise a little less. Values beyond Tukey's outer fences count as if they
    lay there. Floor: 0.075 of an interquartile range is a tenth of a normal column's standard deviation.

    >>> ends, means = ([[0.0, 1.0]], [[1.0, 2.0]]), [[0.5, 1.5]]
    >>> places = Places(*map(np.array, (*ends, [2.0], [[0.1, 0.1]], means, means)))
    >>> wasserstein.measure(Pairs(np.array([[50.0, 50.0]]), np.array([[25.0, 75.0]]), np.array([[1]]), places))
    array([0.125])
    """
    places = pairs.places
    if places is None:
        raise TypeError("wasserstein measures numbers, and was given categories")
    p, q = pairs.shares
    change = q - p
    before = np.cumsum(change, axis=-1) - change
    inside = q * (places.upper - places.window_means) - p * (places.upper - places.reference_means)
    areas = (places.upper - places.lower) * before + inside
    distance: Floats = np.sum(np.abs(areas), axis=-1) / places.spread
    return distance


@shape(kinds=("numeric",), effect_floor=0.1, power=2)
def kolmogorov_smirnov(pairs: Pairs) -> Floats:
    """The greatest difference of the distribution functions, at the buckets' edges: max |F - G|.

    [Smirnov 1948, Table for estimating the goodness of fit of empirical distributions]. Between two edges it
    may be greater by at most the share of a bucket.

    >>> kolmogorov_smirnov.measure(Pairs.counted([40, 30, 30], [10, 30, 60])).round(2).tolist()
    [0.3]
    """
    p, q = pairs.shares
    greatest: Floats = np.max(np.abs(np.cumsum(q - p, axis=-1)), axis=-1)
    return greatest


MEASURES = declared_in(globals())

__all__ = ["MEASURES", "Places", "kolmogorov_smirnov", "wasserstein"]
__test__ = {row.name: row.measure for row in MEASURES if isinstance(row, Shape)}
