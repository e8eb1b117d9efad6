"""Reference and window of many columns side by side, as arrays: what a signal's formula works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nightshift.drift.profile import CategoryColumn, Column, Floats, NumericColumn
from nightshift.drift.signals.places import Places, shares_of

Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

GROUPS = 10
"""Numbers are compared in this many groups of equal share in the reference by signals that sum over groups."""
LEAST_EXPECTED = 5.0
"""A category stands alone when this many rows of it are expected [Cochran 1954, Biometrics 10:417-451]."""


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
        numeric = [
            (r, w) for r, w in columns if isinstance(r, NumericColumn) and isinstance(w, NumericColumn)
        ]
        if numeric:
            return _numeric(numeric)
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
        return shares_of(self.reference), shares_of(self.window)

    @cached_property
    def group_shares(self) -> tuple[Floats, Floats]:
        """The share of each group in the reference and in the window, (..., columns, groups)."""
        return shares_of(self._grouped(self.reference)), shares_of(self._grouped(self.window))

    @cached_property
    def filled_group_shares(self) -> tuple[Floats, Floats]:
        """The same, where a group that is empty on one side counts as half a row there."""
        reference, window = self._grouped(self.reference), self._grouped(self.window)
        either = (reference > 0) | (window > 0)
        first, second = (np.where(either, np.maximum(each, 0.5), 0.0) for each in (reference, window))
        return shares_of(first), shares_of(second)

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


def _known(column: Column) -> Floats:
    counts = column.counts.astype(np.float64)
    if isinstance(column, CategoryColumn):
        return np.append(counts[:-2], counts[-2] + counts[-1])
    return counts


def _category_cuts(reference: Floats, window: Floats) -> Codes:
    """Each common value alone, commonest first, and all the rest in one group that is common enough too."""
    rows = np.minimum(reference.sum(-1), window.sum(-1))[:, None]
    expected = shares_of(reference) * rows
    buckets = reference.shape[1]
    # Values stand commonest first, except that the last bucket holds all the others.
    alone = np.sum(expected[:, :-1] >= LEAST_EXPECTED, axis=1)
    rest = expected.sum(-1) - np.where(np.arange(buckets) < alone[:, None], expected, 0.0).sum(-1)
    alone = np.where(rest < LEAST_EXPECTED, np.maximum(alone - 1, 0), alone)
    cuts: Codes = np.where(np.arange(buckets) < alone[:, None], np.arange(buckets), buckets - 1)
    return cuts


def _numeric_cuts(reference: Floats) -> Codes:
    """Ten groups of about equal share in the reference, as far as its buckets allow."""
    below = np.cumsum(shares_of(reference), axis=-1)
    goals = np.arange(1, GROUPS) / GROUPS
    # The bucket whose end lies nearest to each tenth.
    cuts = np.argmin(np.abs(below[:, None, :] - goals[None, :, None]), axis=-1)
    last = np.full((len(reference), 1), reference.shape[1] - 1)
    return np.concatenate([cuts, last], axis=1)


def _numeric(columns: Sequence[tuple[NumericColumn, NumericColumn]]) -> Pairs:
    reference, window = ([pair[side] for pair in columns] for side in (0, 1))
    counts = [np.array([column.counts for column in side], dtype=np.float64) for side in (reference, window)]
    return Pairs(counts[0], counts[1], _numeric_cuts(counts[0]), Places.of(reference, window))
