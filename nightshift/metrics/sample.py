"""Labels, scores and weights of one set of rows, and what several metrics need of them, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

THRESHOLD = 0.5
"""A binary row is predicted positive from this score on."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Rows ordered by falling score, one entry a distinct score, so that ties count as one step.

    Attributes:
        threshold: the distinct scores, falling, shape (m,).
        true_positives: weight of the positive rows scored at or above each threshold, shape (m,).
        false_positives: weight of the negative rows scored at or above each threshold, shape (m,).
    """

    threshold: Floats
    true_positives: Floats
    false_positives: Floats

    @property
    def positives(self) -> float:
        """Weight of all positive rows."""
        return float(self.true_positives[-1])

    @property
    def negatives(self) -> float:
        """Weight of all negative rows."""
        return float(self.false_positives[-1])


@dataclass(frozen=True, eq=False)
class Sample:
    """One set of rows to measure; build it with `Sample.of`, measure it with any number of metrics.

    Rows may be of classes that the scores have no column for, because the model never saw them: their codes are K, the
    number of columns, and up. Metrics are those of all classes together, where such a class has a probability of 0
    everywhere: each of its rows is a mistake.

    Attributes:
        kind: binary, multiclass or regression.
        truth: class codes (binary: 0 and 1) as integers, or regression targets as float64; shape (n,).
        score: probability of class 1, or predicted value, shape (n,); multiclass: probabilities (n, K).
        weight: positive weights, shape (n,), or None when all rows weigh the same.
        is_measurable: there is a row, and no label, score or weight is NaN or infinite.
    """

    kind: Kind
    truth: NDArray[Any]
    score: Floats
    weight: Floats | None
    is_measurable: bool

    @classmethod
    def of(cls, kind: Kind, y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> Sample:
        """Check shapes and label codes, and bring all arrays to float64 or integer codes.

        Rows of weight zero are dropped: they count exactly as rows that are not there.

        Raises:
            ValueError: shapes do not fit, a weight is negative, or a label is no code of a class.
        """
        truth, score = np.asarray(y_true), np.asarray(y_score, dtype=np.float64)
        if score.ndim != (2 if kind == "multiclass" else 1) or truth.shape != score.shape[:1]:
            raise ValueError(f"{kind} scores of shape {score.shape} do not fit labels of shape {truth.shape}")
        weights = None if weight is None else np.asarray(weight, dtype=np.float64)
        if weights is not None:
            if weights.shape != truth.shape:
                raise ValueError(f"weights of shape {weights.shape} do not fit labels of shape {truth.shape}")
            if np.any(weights < 0):
                raise ValueError("a weight is negative")
            if not np.all(weights):
                kept = weights != 0
                truth, score, weights = truth[kept], score[kept], weights[kept]
        if truth.dtype.kind not in "biu":
            truth = truth.astype(np.float64, copy=False)
        measurable = truth.size > 0 and all(
            bool(np.isfinite(part).all()) for part in (truth, score, weights) if part is not None
        )
        if kind == "regression":
            truth = truth.astype(np.float64, copy=False)
        elif measurable:
            truth = _codes(truth, 2 if kind == "binary" else None)
        return cls(kind, truth, score, weights, measurable)

    @property
    def classes(self) -> int:
        """How many classes the scores tell apart, K."""
        return self.score.shape[1] if self.score.ndim == 2 else 2

    @cached_property
    def unknown(self) -> Codes:
        """The codes of the classes that the scores have no column for, each once."""
        found: Codes = np.unique(self.truth[self.truth >= self.classes])
        return found

    @cached_property
    def per_class(self) -> tuple[Floats, Floats, Floats]:
        """Weight of the rows of each class that are predicted right, predicted at all, and true; unknown ones too."""
        width = max(self.classes, int(self.truth.max()) + 1)

        def summed(codes: Codes, weight: Floats | None) -> Floats:
            return np.bincount(codes, weights=weight, minlength=width).astype(np.float64)

        is_right = self.truth == self.predicted
        right = summed(self.truth[is_right], None if self.weight is None else self.weight[is_right])
        return right, summed(self.predicted, self.weight), summed(self.truth, self.weight)

    @cached_property
    def total(self) -> float:
        """Sum of the weights; the number of rows when there are none."""
        return float(self.truth.size if self.weight is None else np.sum(self.weight))

    def mean(self, values: NDArray[Any]) -> float:
        """Weighted mean of one value a row."""
        if self.weight is None:
            return float(np.mean(values))
        return float(np.sum(values * self.weight)) / self.total

    @cached_property
    def predicted(self) -> Codes:
        """The class each row is predicted to be: the likeliest (on ties the lower); binary: 1 from 0.5 on."""
        if self.kind == "binary":
            return (self.score >= THRESHOLD).astype(np.intp)
        likeliest: Codes = np.argmax(self.score, axis=1)
        return likeliest

    @cached_property
    def confusion(self) -> Floats:
        """Weight of the rows of each class (down) predicted as each class (across), shape (K, K).

        Where rows are of unknown classes, one more row and column hold them all together, shape (K + 1, K + 1).
        """
        size = self.classes + (self.unknown.size > 0)
        cells = np.minimum(self.truth, self.classes) * size + self.predicted
        counts = np.bincount(cells, weights=self.weight, minlength=size**2)
        return counts.reshape(size, size).astype(np.float64)

    @cached_property
    def ranking(self) -> Ranking:
        """The rows of a binary sample in order of score."""
        return rank(self.truth, self.score, self.weight)


def rank(is_positive: NDArray[Any], score: Floats, weight: Floats | None = None) -> Ranking:
    """Order rows by falling score and accumulate both classes; O(n log n), at least one row.

    >>> rank(np.array([1, 0, 1]), np.array([0.9, 0.4, 0.4])).true_positives.tolist()
    [1.0, 2.0]
    """
    order = np.argsort(score)[::-1]
    falling, hit = score[order], is_positive[order]
    last_of_tie = np.append(np.flatnonzero(falling[1:] != falling[:-1]), score.size - 1)
    if weight is None:
        true_positives = np.cumsum(hit, dtype=np.float64)[last_of_tie]
        false_positives = last_of_tie + 1.0 - true_positives
    else:
        # Summed apart: a difference of the two sums could fall below zero by rounding.
        ordered = weight[order]
        true_positives = np.cumsum(np.where(hit, ordered, 0.0))[last_of_tie]
        false_positives = np.cumsum(np.where(hit, 0.0, ordered))[last_of_tie]
    return Ranking(falling[last_of_tie], true_positives, false_positives)


def _codes(labels: NDArray[Any], classes: int | None) -> Codes:
    codes = labels.astype(np.intp)
    if np.any(codes != labels) or codes.min() < 0 or (classes is not None and codes.max() >= classes):
        raise ValueError(
            f"labels must be whole codes from 0 {'up' if classes is None else f'to {classes - 1}'}"
        )
    return codes
