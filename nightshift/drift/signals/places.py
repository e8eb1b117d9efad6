"""Where the buckets of numeric columns lie, and the values within them, safe from single absurd values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nightshift.drift.profile import Floats, NumericColumn

Mask = npt.NDArray[np.bool_]

FENCE = 3.0
"""Values further than this many spreads outside the quartiles count as if they lay there: Tukey's outer
fences [Tukey 1977, Exploratory Data Analysis, ch. 2], so that one absurd value is one row and no more."""

# A standard deviation of so many spreads comes of a few values far out, which the outermost bins hold.
_SUSPICIOUS = 2.0
# The range of the middle 90 % of a normal column, in interquartile ranges.
_MIDDLE_90 = 2.4387
_SMALLEST = 1e-290


@dataclass(frozen=True, eq=False)
class Places:
    """Where the buckets of numeric columns lie, within the fences.

    Attributes:
        lower, upper: the buckets' ends, (columns, buckets).
        spread: the reference's interquartile range, (columns,); see `_spread` for columns that have none.
        variances: of the reference's values within each bucket, (columns, buckets).
        reference_means, window_means: the mean within each bucket, (..., columns, buckets).
    """

    lower: Floats
    upper: Floats
    spread: Floats
    variances: Floats
    reference_means: Floats
    window_means: Floats

    @classmethod
    def of(cls, reference: Sequence[NumericColumn], window: Sequence[NumericColumn]) -> Places:
        """Of columns that have equally many buckets, laid on the reference."""
        edges = np.array([column.edges for column in reference])
        quartiles, spread = _spread(edges, reference)
        low, high = quartiles[:, :1] - FENCE * spread[:, None], quartiles[:, 1:] + FENCE * spread[:, None]
        outer = np.minimum(low, edges[:, :1]), np.maximum(high, edges[:, -1:])
        ends = np.clip(np.concatenate([outer[0], edges, outer[1]], axis=1), low, high)
        lower, upper = ends[:, :-1], ends[:, 1:]
        sides = [_Side.of(columns, spread, (low, high)) for columns in (reference, window)]
        inner = _inner_part(lower, upper, spread)
        first, second = _believed(sides[0], sides[1], inner), _believed(sides[1], sides[0], inner)
        first, second = np.clip(first, lower, upper), np.clip(second, lower, upper)
        variances = _variances(reference, np.concatenate([outer[0], edges, outer[1]], axis=1), first)
        return cls(lower, upper, spread, variances, first, second)


@dataclass(frozen=True, eq=False)
class _Side:
    """Means within buckets (columns, buckets), which buckets hold values, and which an absurd value may rule."""

    means: Floats
    holds: Mask
    absurd: Mask

    @classmethod
    def of(cls, columns: Sequence[NumericColumn], spread: Floats, fences: tuple[Floats, Floats]) -> _Side:
        counts = np.array([column.counts for column in columns], dtype=np.float64)
        means = np.array([_sums(column) for column in columns]) / np.maximum(counts, 1.0)
        deviation = np.array([_deviation(column) for column in columns])
        absurd = (means < fences[0]) | (means > fences[1])
        absurd[:, [1, -2]] |= (deviation > _SUSPICIOUS * spread)[:, None]
        return cls(means, counts > 0, absurd)


def _believed(own: _Side, other: _Side, inner: Floats) -> Floats:
    """The mean within each bucket of one side.

    In a bucket that both have, a mean that an absurd value may have made says nothing of the other rows: the
    other side's mean then stands for both, and where neither can be believed the bucket's inner part.
    """
    instead = np.where(other.absurd, inner, other.means)
    return np.where(own.holds & other.holds & own.absurd, instead, np.where(own.holds, own.means, inner))


def _inner_part(lower: Floats, upper: Floats, spread: Floats) -> Floats:
    """The middle of each bucket, or half a spread from its end towards the column's centre if that is nearer."""
    middle, half = (lower + upper) / 2, spread[:, None] / 2
    is_low = np.arange(lower.shape[1]) < lower.shape[1] / 2
    return np.where(is_low, np.maximum(middle, upper - half), np.minimum(middle, lower + half))


def _variances(reference: Sequence[NumericColumn], ends: Floats, means: Floats) -> Floats:
    """Variance of the values within each bucket, (columns, buckets).

    Values of mean m in [a, b] have a variance of at most (b - m) (m - a) [Bhatia & Davis 2000, A better bound
    on the variance]; a third of it is that of values spread evenly. The outermost bins are long and no such
    spread is to be had in them: they share what the column's variance leaves, as far as their bounds allow.
    """
    bound = np.maximum((ends[:, 1:] - means) * (means - ends[:, :-1]), 0.0)
    variances: Floats = bound / 3
    shares = shares_of(np.array([column.counts for column in reference], dtype=np.float64))
    centre = np.sum(shares * means, axis=1, keepdims=True)
    known = np.sum(shares * np.square(means - centre), axis=1) + np.sum((shares * variances)[:, 2:-2], axis=1)
    left = np.maximum(np.array([_deviation(column) for column in reference]) ** 2 - known, 0.0)
    outermost = (shares * bound)[:, [1, -2]]
    part = np.minimum(left / np.maximum(outermost.sum(axis=1), _SMALLEST), 1.0)[:, None]
    variances[:, [1, -2]] = bound[:, [1, -2]] * part
    return variances


def _sums(column: NumericColumn) -> Floats:
    """Sums by bucket, infinite in the outer ones of a column with infinite values."""
    if column.infinite == 0:
        return column.sums
    sums = column.sums.copy()
    sums[[0, -1]] = -np.inf, np.inf
    return sums


def _deviation(column: NumericColumn) -> float:
    values = int(np.sum(column.counts)) - column.infinite
    return float(np.sqrt(column.m2 / values)) if values > 0 else 0.0


def _spread(edges: Floats, reference: Sequence[NumericColumn]) -> tuple[Floats, Floats]:
    """Quartiles (columns, 2) and spread (columns,) of binned columns.

    The spread is the interquartile range; where more than half of the values are the same, the range of the
    middle 90 % as a normal column's quartiles would have it; failing that, the standard deviation; for a
    constant, its own size, or 1 for zero.
    """
    levels = (0.05, 0.25, 0.75, 0.95)
    below = np.cumsum(shares_of(np.array([column.counts for column in reference], dtype=np.float64)), axis=-1)
    found = np.array(
        [np.interp(levels, share, ends) for share, ends in zip(below[:, :-1], edges, strict=True)]
    )
    size = np.abs(found).max(axis=1)
    # A bin that holds one value is as wide as the step to the next number: that is no spread.
    step = np.maximum(size * 1e-12, _SMALLEST)
    spread = np.where(size > _SMALLEST, size, 1.0)
    deviation = np.array([_deviation(column) for column in reference])
    for given in (deviation, (found[:, 3] - found[:, 0]) / _MIDDLE_90, found[:, 2] - found[:, 1]):
        spread = np.where(given > step, given, spread)
    return found[:, 1:3], spread


def shares_of(counts: Floats) -> Floats:
    """Counts over their sum along the last axis; zeros where there are none.

    >>> shares_of(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    shares: Floats = counts / np.maximum(counts.sum(-1, keepdims=True), 1e-300)
    return shares
