"""How regression predictions miss: predicted against actual, and the distribution of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.metrics.sample import Floats, Sample

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_CELLS = 48
_TAIL = 0.005


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals (actual - predicted) in the label's unit.

    Attributes:
        edges: of the cells, the same for both axes, shape (49,); empty when there is nothing to show.
        counts: weight of the rows by actual (down) and predicted (across), shape (48, 48).
        outside: share of the weight beyond the edges, which span all but the outermost 0.5 % of each side.
        residual_edges, residual_counts: histogram of the residuals, likewise trimmed, shapes (49,), (48,).
        levels, quantiles: quantiles of the residuals.
        mean: mean residual; above 0 the model predicts too low.
    """

    edges: Floats
    counts: Floats
    outside: float
    residual_edges: Floats
    residual_counts: Floats
    levels: Floats
    quantiles: Floats
    mean: float


def even_edges(low: float, high: float, bins: int) -> Floats:
    """Edges of bins of equal width from low to high, shape (bins + 1,); wider when both are the same.

    >>> even_edges(0.0, 1.0, 2).tolist(), even_edges(3.0, 3.0, 1).tolist()
    ([0.0, 0.5, 1.0], [2.5, 3.5])
    """
    # So near each other that edges between them would coincide: centre a width that can be seen.
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-290):
        margin = max(0.5, abs(low) * 1e-6)
        low, high = low - margin, high + margin
    return np.linspace(low, high, bins + 1)


def residual_summary(sample: Sample) -> Residuals:
    """Summarise a regression sample, trimming tails so that one outlier does not empty the picture.

    >>> made = residual_summary(Sample.of("regression", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]))
    >>> made.counts.sum(), made.mean, made.quantiles[3]
    (np.float64(3.0), 1.0, np.float64(1.0))
    """
    levels = np.array(LEVELS)
    if not (sample.is_measurable and _is_drawable(sample)):
        nothing = np.empty(0)
        return Residuals(
            nothing,
            np.empty((0, 0)),
            float("nan"),
            nothing,
            nothing,
            levels,
            np.full(7, np.nan),
            float("nan"),
        )
    residual = sample.truth - sample.score
    tails = np.array([_TAIL, 1 - _TAIL])
    ends = np.concatenate([_quantiles(part, sample.weight, tails) for part in (sample.truth, sample.score)])
    edges = even_edges(float(ends.min()), float(ends.max()), _CELLS)
    quantiles = _quantiles(residual, sample.weight, np.append(levels, tails))
    residual_edges = even_edges(float(quantiles[-2]), float(quantiles[-1]), _CELLS)
    counts, outside = _cells(sample, edges)
    residual_counts, _ = np.histogram(residual, residual_edges, weights=sample.weight)
    return Residuals(
        edges,
        counts,
        outside,
        residual_edges,
        residual_counts.astype(np.float64),
        levels,
        quantiles[: levels.size],
        sample.mean(residual),
    )


def _is_drawable(sample: Sample) -> bool:
    """No value is so near the largest float64 that a distance between two would be infinite."""
    limit = float(np.finfo(np.float64).max) / 8
    return all(bool(np.abs(part).max() < limit) for part in (sample.truth, sample.score))


def _quantiles(values: Floats, weight: Floats | None, levels: Floats) -> Floats:
    return np.asarray(np.quantile(values, levels, method="inverted_cdf", weights=weight), dtype=np.float64)


def _cells(sample: Sample, edges: Floats) -> tuple[Floats, float]:
    """Weight per cell of (actual, predicted), and the share of the weight that lies beyond the edges."""
    # Counted by hand: numpy's histogram2d takes ten times as long on millions of rows.
    scale = _CELLS / (edges[-1] - edges[0])
    inside = np.ones(sample.truth.size, dtype=bool)
    cell = np.zeros(sample.truth.size, dtype=np.intp)
    for values in (sample.truth, sample.score):
        within = (values >= edges[0]) & (values <= edges[-1])
        inside &= within
        place = np.where(within, (values - edges[0]) * scale, 0.0).astype(np.intp)
        cell = cell * _CELLS + np.minimum(place, _CELLS - 1)
    weight = None if sample.weight is None else sample.weight[inside]
    counts = np.bincount(cell[inside], weights=weight, minlength=_CELLS**2).astype(np.float64)
    return counts.reshape(_CELLS, _CELLS), max(0.0, 1 - float(counts.sum()) / sample.total)
