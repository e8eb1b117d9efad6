"""How large a regression's error is where it predicts this value, in this segment: direct loss estimation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nightshift.performance.segments import SliceColumn, Slices

Floats = npt.NDArray[np.float64]

LOSSES = ("absolute", "squared", "percentage")
"""|y - p|, (y - p)^2 and |y - p| / |y|: the losses whose means are mae, rmse squared, and mape."""

_BINS = 20
_LEAST_PER_BIN = 50
# A bin or a segment is moved off the whole's mean as by this many rows that have it.
_HOLD = 20.0
_ROUNDS = 10


@dataclass(frozen=True, eq=False)
class LossModel:
    """The expected loss of a prediction: a mean by bin of the predicted value, times a factor a segment.

    Direct loss estimation: a model of the loss, learnt where labels are known, stands in for it where they are not.
    The model is the multiplicative one of ratemaking, fitted by minimum bias [Bailey & Simon 1960, "Two studies in
    automobile insurance ratemaking", ASTIN Bulletin 1:192-217], which is also the quasi-Poisson likelihood's answer.

    Attributes:
        edges: inner edges between the bins of the prediction, ascending, shape (bins - 1,).
        means: expected loss by bin, shape (3, bins), one row a loss of `LOSSES`.
        factors: column -> value -> factor for each loss, shape (3,). A value that is not there has 1.
    """

    edges: Floats
    means: Floats
    factors: Mapping[str, Mapping[str, Floats]]

    @classmethod
    def fit(cls, truth: Floats, scores: Floats, slices: Slices | None = None) -> LossModel:
        """Learn from labelled rows, arrays of shape (n,), at least one row.

        >>> truth, scores = np.tile([1.0, -1.0], 100), np.zeros(200)
        >>> LossModel.fit(truth, scores).apply(np.zeros(1), {}).tolist()
        [[1.0, 1.0, 1.0]]
        """
        wanted = max(1, min(_BINS, scores.size // _LEAST_PER_BIN))
        edges = np.unique(np.quantile(scores, np.arange(1, wanted) / wanted)) if wanted > 1 else np.empty(0)
        columns = {"": SliceColumn(_bins(edges, scores), ("",) * (edges.size + 1)), **(slices or {})}
        fitted = np.array([_minimum_bias(loss, list(columns.values())) for loss in _losses(truth, scores)])
        tables = np.split(fitted, np.cumsum([len(column.names) for column in columns.values()])[:-1], axis=1)
        factors = {
            name: dict(zip(column.names, table.T, strict=True))
            for (name, column), table in zip(columns.items(), tables, strict=True)
            if name
        }
        return cls(edges, tables[0], factors)

    def apply(self, scores: Floats, slices: Slices) -> Floats:
        """The expected losses of predictions, shape (n, 3); beyond the reference's range those of its ends."""
        expected = self.means.T[_bins(self.edges, scores)]
        for column, factors in self.factors.items():
            if column in slices:
                names, codes = slices[column].names, slices[column].codes
                table = np.array([factors.get(name, np.ones(len(LOSSES))) for name in names])
                expected = expected * table.reshape(-1, len(LOSSES))[codes]
        return np.asarray(expected, dtype=np.float64)

    def as_json(self) -> dict[str, Any]:
        """The model in JSON's types; NaN as null."""
        return {
            "edges": self.edges.tolist(),
            "means": [[_number(value) for value in row] for row in self.means],
            "factors": {
                column: {name: [_number(value) for value in row] for name, row in factors.items()}
                for column, factors in self.factors.items()
            },
        }

    @classmethod
    def of_json(cls, read: Mapping[str, Any]) -> LossModel:
        """What `as_json` gave."""
        return cls(
            np.array(read["edges"], dtype=np.float64),
            np.array(read["means"], dtype=np.float64),
            {
                column: {name: np.array(row, dtype=np.float64) for name, row in factors.items()}
                for column, factors in read["factors"].items()
            },
        )


def _bins(edges: Floats, scores: Floats) -> npt.NDArray[np.intp]:
    return np.searchsorted(edges, scores, side="right")


def _losses(truth: Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """The losses of each row, each of shape (n,); no percentage where the label is 0."""
    error = np.abs(truth - scores)
    share = np.divide(error, np.abs(truth), out=np.full(error.shape, np.nan), where=truth != 0)
    return error, np.square(error), share


def _minimum_bias(loss: Floats, columns: list[SliceColumn]) -> Floats:
    """Means by code of the first column and factors by code of the others, one after the other, shape (codes,).

    Each in turn is made such that expected losses sum to the losses seen, until all agree.
    """
    known = ~np.isnan(loss)
    sizes = [len(column.names) for column in columns]
    if not known.any():
        return np.full(sum(sizes), np.nan)
    seen, codes = loss[known], [column.codes[known] for column in columns]
    whole = float(np.mean(seen))
    fitted = [np.full(size, whole if place == 0 else 1.0) for place, size in enumerate(sizes)]
    for _ in range(_ROUNDS if len(columns) > 1 else 1):
        for place, size in enumerate(sizes):
            others = np.ones(seen.size)
            for other in range(len(columns)):
                if other != place:
                    others *= fitted[other][codes[other]]
            observed = np.bincount(codes[place], weights=seen, minlength=size) + _HOLD * whole
            level = 1.0 if place == 0 else whole
            expected = np.bincount(codes[place], weights=others, minlength=size) + _HOLD * level
            fitted[place] = np.divide(observed, expected, out=np.ones(size), where=expected > 0)
    if whole == 0:
        fitted[0] = np.zeros(sizes[0])
    return np.concatenate(fitted)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
