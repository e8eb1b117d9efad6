"""Means, sums of squared differences and extremes of many groups of rows, gathered chunk by chunk."""

from __future__ import annotations

import numpy as np

from nightshift.drift.cut import Part
from nightshift.drift.profile import Counts, Floats

# From here on n * mean^2 hides so much of the sum of squares that it is computed again from the mean itself.
_TOO_FAR = 1e4


class Moments:
    """Moments of a column, group by group; group 0 is all rows.

    Of values less `middle`, which keeps the digits of columns far from 0. Within a chunk with d = values less `middle`:
    mean = sum(d) / n, m2 = sum(d^2) - sum(d)^2 / n. Chunks are combined as in T. Chan, G. Golub and R. LeVeque,
    "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Attributes:
        n, m2, minimum, maximum: (groups,); the last two are NaN where there are no values.
    """

    def __init__(self, groups: int, middle: float) -> None:
        self.middle = middle
        self.n = np.zeros(groups, dtype=np.int64)
        self._offset = np.zeros(groups)
        self.m2 = np.zeros(groups)
        self.minimum = np.full(groups, np.nan)
        self.maximum = np.full(groups, np.nan)

    @property
    def mean(self) -> Floats:
        """(groups,); NaN where there are no values."""
        return np.where(self.n > 0, self.middle + self._offset, np.nan)

    def add(self, n: int, values: Floats, away: Floats) -> None:
        """Add `n` numbers to group 0.

        Args:
            values: (rows,), NaN for what is no number.
            away: their distances from `middle`, 0 for what is no number.
        """
        if n == 0:
            return
        total = away.sum()
        m2 = np.einsum("i,i->", away, away) - total * total / n
        if total * total / n > _TOO_FAR * m2:
            m2 = np.nansum((values - (self.middle + total / n)) ** 2)
        self._combine(np.array([0]), np.array([n]), np.array([total]), np.array([m2]))
        self.minimum[0] = np.fmin(self.minimum[0], np.fmin.reduce(values))
        self.maximum[0] = np.fmax(self.maximum[0], np.fmax.reduce(values))

    def add_parts(self, part: Part, n: Counts, values: Floats, away: Floats) -> None:
        """Add numbers to the groups of one segment column.

        Args:
            n: (segments,): how many numbers each of the column's segments has in this chunk.
            values, away: as in `add`, of all rows of the chunk.
        """
        if not part.present.size:
            return
        present, n = part.present, n[part.present - part.groups.start]
        ordered, distance = values.take(part.order), away.take(part.order)
        self.minimum[present] = np.fmin(self.minimum[present], np.fmin.reduceat(ordered, part.starts))
        self.maximum[present] = np.fmax(self.maximum[present], np.fmax.reduceat(ordered, part.starts))
        total = np.add.reduceat(distance, part.starts)
        squares = np.add.reduceat(distance * distance, part.starts)
        shift = total * total / np.maximum(n, 1)
        m2 = squares - shift
        if np.any(shift > _TOO_FAR * m2):
            lengths = np.diff(np.append(part.starts, part.order.size))
            means = self.middle + total / np.maximum(n, 1)
            apart = ordered - np.repeat(means, lengths)
            m2 = np.add.reduceat(np.where(np.isnan(apart), 0.0, apart * apart), part.starts)
        some = n > 0
        self._combine(present[some], n[some], total[some], m2[some])

    def _combine(self, groups: Counts, n: Counts, total: Floats, m2: Floats) -> None:
        before, both = self.n[groups], self.n[groups] + n
        step = total / n - self._offset[groups]
        self._offset[groups] += step * (n / both)
        # Squares too large for a float64 leave infinity less infinity.
        m2 = np.where(np.isnan(m2), np.inf, np.maximum(m2, 0.0))
        self.m2[groups] += m2 + step * step * (before * (n / both))
        self.n[groups] = both
