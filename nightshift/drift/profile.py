"""The mergeable summary of each column of some rows: what drift is measured against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Role = Literal["feature", "score", "label"]


@dataclass(frozen=True)
class NumericColumn:
    """Values in buckets whose edges were laid on the reference, at its quantiles.

    Attributes:
        edges: (bins + 1,) ascending, without repeats, two at least. The reference's least and greatest values are its
            ends; where the greatest has a bin of its own, the next larger number is the last edge. A reference
            without numbers has `[0, 1]`. Within segments: some of the column's edges, among them both ends.
        counts: (bins + 2,): below the first edge, each bin `[edge, next edge)` (the last one closed), above the last.
        sums: (bins + 2,): the sum of the finite values in each bucket, so that means within buckets are known. Read
            back from text they are rounded to 7 digits.
        nulls: how many are null or NaN.
        infinite: how many are infinite; they are in the outer buckets and in no sum or moment.
        mean, m2: moments of the finite values: their mean (NaN when there are none), and the sum of squared differences
            from it.
        minimum, maximum: of the finite values; NaN when there are none.
    """

    name: str
    role: Role
    edges: Floats
    counts: Counts
    sums: Floats
    nulls: int
    infinite: int
    mean: float
    m2: float
    minimum: float
    maximum: float

    @property
    def finite(self) -> int:
        """How many values are finite numbers."""
        return int(self.counts.sum()) - self.infinite

    @property
    def variance(self) -> float:
        """The finite values' mean squared difference from their mean, `m2 / n`; NaN when there are none."""
        return self.m2 / self.finite if self.finite else float("nan")


@dataclass(frozen=True)
class CategoryColumn:
    """How often each of the reference's commonest values occurs, with all others in two more buckets.

    Attributes:
        values: the reference's top K, commonest first, ties by name. Within segments the first 10 of them.
        counts: (K + 2,): each of `values`; other values the reference had; values it had not. A new value is taken
            for another that it had in the share of cases that `marks.false_positive_rate(known)` says.
        nulls: how many are null.
        known: marks of the reference's other values, to tell them from new ones (see `drift.marks`); empty within
            segments, whose values are told apart by the column's own.
    """

    name: str
    role: Role
    values: tuple[str, ...]
    counts: Counts
    nulls: int
    known: bytes


Column = NumericColumn | CategoryColumn


@dataclass(frozen=True)
class Profile:
    """The summary of some rows, and of each segment of them.

    Attributes:
        rows: how many.
        columns: features by name, then scores and labels; `role` tells which is which.
        segments: `origin=JFK` -> the same for those rows, with coarser bins.
    """

    rows: int
    columns: Mapping[str, Column]
    segments: Mapping[str, Profile]
