"""Reference and window of many columns side by side, as arrays: what a signal's formula works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nightshift.drift.profile import CategoryColumn, Column, Floats, NumericColumn

Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

GROUPS = 10
"""Numbers are compared in this many groups of equal share in the reference by signals that sum over groups."""
LEAST_EXPECTED = 5.0
"""A category stands alone when this many rows of it are expected [Cochran 1954, Biometrics 10:417-451]."""
FENCE = 3.0
"""Values further than this many spreads outside the quartiles count as if they lay there: Tukey's outer
fences [Tukey 1977, Exploratory Data Analysis, ch. 2], so that one absurd value is one row and no more."""

# A standard deviation of so many spreads comes of a few values far out, which the outermost bins hold.
_SUSPICIOUS = 2.0
_SMALLEST = 1e-290


@dataclass(frozen=True, eq=False)
class Places:
    """Where the buckets of numeric columns lie, within the fences.

    Attributes:
        lower, upper: the buckets' ends, (columns, buckets).
        spread: the reference's interquartile range, (columns,); see `_spread` for columns that have none.
        reference_means, window_means: the mean within each bucket, (..., columns, buckets).
    """

    lower: Floats
    upper: Floats
    spread: Floats
    reference_means: Floats
    window_means: Floats


@dataclass(frozen=True, eq=False)
class Pairs:
    """Counts of columns that have equally many buckets; leading axes, where there are any, are resamples.

    Attributes:
        reference, window: (..., columns, buckets).
        cuts: (columns, groups): the last bucket of each group; a group may be empty.
        places: where the buckets lie; None for categories.
    """

    reference: Floats
    window: Floats
    cuts: Codes
    places: Places | None = None

    @classmethod
    def of(cls, columns: Sequence[tuple[Column, Column]]) -> Pairs:
        """Put (reference, window) columns side by side; all of one kind, with equally many buckets.

        New categories count among the other ones here: a signal of their own tells of them.
        """
        first = columns[0][0]
        if isinstance(first, NumericColumn):
            return _numeric([pair for pair in columns if _are_numeric(pair)])
        reference = np.array([_known(pair[0]) for pair in columns], dtype=np.float64)
        window = np.array([_known(pair[1]) for pair in columns], dtype=np.float64)
        return cls(reference, window, _category_cuts(reference, window))

    @classmethod
    def counted(cls, reference: Sequence[float], window: Sequence[float]) -> Pairs:
        """One column of which only counts are known, each bucket a group of its own."""
        counts = np.array([reference], dtype=np.float64), np.array([window], dtype=np.float64)
        return cls(*counts, np.arange(len(reference))[None])

    @cached_property
    def filled(self) -> Mask:
        """Which columns hold values on both sides."""
        filled: Mask = (self.reference.sum(-1) > 0) & (self.window.sum(-1) > 0)
        return filled

    @cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """The share of each bucket in the reference and in the window."""
        return _shares(self.reference), _shares(self.window)

    @cached_property
    def group_shares(self) -> tuple[Floats, Floats]:
        """The share of each group in the reference and in the window, (..., columns, groups)."""
        return _shares(self._grouped(self.reference)), _shares(self._grouped(self.window))

    @cached_property
    def filled_group_shares(self) -> tuple[Floats, Floats]:
        """The same, where a group that is empty on one side counts as half a row there."""
        reference, window = self._grouped(self.reference), self._grouped(self.window)
        either = (reference > 0) | (window > 0)
        first, second = (np.where(either, np.maximum(each, 0.5), 0.0) for each in (reference, window))
        return _shares(first), _shares(second)

    def only(self, index: int) -> Pairs:
        """One of the columns."""
        chosen = slice(index, index + 1)
        places = self.places
        if places is not None:
            places = Places(
                places.lower[chosen],
                places.upper[chosen],
                places.spread[chosen],
                places.reference_means[..., chosen, :],
                places.window_means[..., chosen, :],
            )
        return Pairs(self.reference[..., chosen, :], self.window[..., chosen, :], self.cuts[chosen], places)

    def redrawn(self, reference: Floats, window: Floats, means: tuple[Floats, Floats] | None) -> Pairs:
        """The same columns with other counts, and for numbers other means within the buckets."""
        if self.places is None or means is None:
            return Pairs(reference, window, self.cuts)
        places = replace(self.places, reference_means=means[0], window_means=means[1])
        return Pairs(reference, window, self.cuts, places)

    def _grouped(self, counts: Floats) -> Floats:
        below = np.cumsum(counts, axis=-1)[..., np.arange(len(self.cuts))[:, None], self.cuts]
        grouped: Floats = np.diff(below, axis=-1, prepend=0.0)
        return grouped


def _are_numeric(pair: tuple[Column, Column]) -> bool:
    return all(isinstance(column, NumericColumn) for column in pair)


def _known(column: Column) -> Floats:
    counts = column.counts.astype(np.float64)
    if isinstance(column, CategoryColumn):
        return np.append(counts[:-2], counts[-2] + counts[-1])
    return counts


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / np.maximum(counts.sum(-1, keepdims=True), 1e-300)
    return shares


def _category_cuts(reference: Floats, window: Floats) -> Codes:
    """Each common value alone, commonest first, and all the rest in one group that is common enough too."""
    rows = np.minimum(reference.sum(-1), window.sum(-1))[:, None]
    expected = _shares(reference) * rows
    buckets = reference.shape[1]
    # Values stand commonest first, except that the last bucket holds all the others.
    alone = np.sum(expected[:, :-1] >= LEAST_EXPECTED, axis=1)
    rest = expected.sum(-1) - np.where(np.arange(buckets) < alone[:, None], expected, 0.0).sum(-1)
    alone = np.where(rest < LEAST_EXPECTED, np.maximum(alone - 1, 0), alone)
    cuts: Codes = np.where(np.arange(buckets) < alone[:, None], np.arange(buckets), buckets - 1)
    return cuts


def _numeric_cuts(reference: Floats) -> Codes:
    """Ten groups of about equal share in the reference, as far as its buckets allow."""
    below = np.cumsum(_shares(reference), axis=-1)
    goals = np.arange(1, GROUPS) / GROUPS
    # The bucket whose end lies nearest to each tenth.
    cuts = np.argmin(np.abs(below[:, None, :] - goals[None, :, None]), axis=-1)
    last = np.full((len(reference), 1), reference.shape[1] - 1)
    return np.concatenate([cuts, last], axis=1)


def _numeric(columns: Sequence[tuple[Column, Column]]) -> Pairs:
    sides = [[pair[side] for pair in columns] for side in (0, 1)]
    counts = [np.array([column.counts for column in side], dtype=np.float64) for side in sides]
    edges = np.array([column.edges for column in sides[0] if isinstance(column, NumericColumn)])
    sums = [np.array([_sums(column) for column in side]) for side in sides]
    deviations = np.array([[_deviation(column) for column in side] for side in sides])
    below = np.cumsum(_shares(counts[0]), axis=-1)
    quartiles, spread = _spread(edges, below, deviations[0])
    low, high = (quartiles[:, 0] - FENCE * spread)[:, None], (quartiles[:, 1] + FENCE * spread)[:, None]
    ends = np.concatenate([np.minimum(low, edges[:, :1]), edges, np.maximum(high, edges[:, -1:])], axis=1)
    ends = np.clip(ends, low, high)
    lower, upper = ends[:, :-1], ends[:, 1:]
    outermost = np.zeros(counts[0].shape, dtype=np.bool_)
    outermost[:, [1, -2]] = True
    suspect = [outermost & (deviation > _SUSPICIOUS * spread)[:, None] for deviation in deviations]
    means = _means(counts, sums, suspect, (low, high), (lower, upper))
    return Pairs(
        counts[0], counts[1], _numeric_cuts(counts[0]), Places(lower, upper, spread, means[0], means[1])
    )


def _means(
    counts: list[Floats],
    sums: list[Floats],
    suspect: list[Mask],
    fences: tuple[Floats, Floats],
    ends: tuple[Floats, Floats],
) -> tuple[Floats, Floats]:
    """The mean within each bucket of either side.

    In a bucket that both have, a mean that an absurd value may have made says nothing of the other rows: the
    other side's mean then stands for both, or the reference's where neither can be believed.
    """
    middle = (ends[0] + ends[1]) / 2
    means = [
        np.where(count > 0, total / np.maximum(count, 1.0), middle)
        for count, total in zip(counts, sums, strict=True)
    ]
    absurd = [
        doubt | (mean < fences[0]) | (mean > fences[1]) for doubt, mean in zip(suspect, means, strict=True)
    ]
    shared = (counts[0] > 0) & (counts[1] > 0)
    first = np.where(shared & absurd[0] & ~absurd[1], means[1], means[0])
    second = np.where(shared & absurd[1], first, means[1])
    return np.clip(first, *ends), np.clip(second, *ends)


def _sums(column: Column) -> Floats:
    """Sums by bucket, infinite in the outer ones of a column with infinite values."""
    if not isinstance(column, NumericColumn) or column.infinite == 0:
        return column.sums if isinstance(column, NumericColumn) else np.zeros(len(column.counts))
    sums = column.sums.copy()
    sums[[0, -1]] = -np.inf, np.inf
    return sums


def _deviation(column: Column) -> float:
    values = int(np.sum(column.counts))
    return float(np.sqrt(column.m2 / values)) if isinstance(column, NumericColumn) and values else 0.0


def _spread(edges: Floats, below: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    """Quartiles (columns, 2) and spread (columns,) of binned reference columns.

    The spread is the interquartile range; where more than half of the values are the same, the range of the
    middle 90 % as a normal column's quartiles would have it; failing that, the standard deviation; for a
    constant, its own size, or 1 for zero.
    """
    levels = (0.05, 0.25, 0.75, 0.95)
    found = np.array(
        [np.interp(levels, share, ends) for share, ends in zip(below[:, :-1], edges, strict=True)]
    )
    size = np.abs(found).max(axis=1)
    # A bin that holds one value is as wide as the step to the next number: that is no spread.
    step = np.maximum(size * 1e-12, _SMALLEST)
    spread = np.where(size > _SMALLEST, size, 1.0)
    wide, middle = (found[:, 3] - found[:, 0]) / 2.4387, found[:, 2] - found[:, 1]
    for given in (deviation, wide, middle):
        spread = np.where(given > step, given, spread)
    return found[:, 1:3], spread
