"""What the figures of an evaluation show, reduced to a few hundred numbers each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nightshift.metrics.classification import area_under, average_precision_of
from nightshift.metrics.residuals import Residuals, even_edges, residual_summary
from nightshift.metrics.sample import Floats, Ranking, Sample

if TYPE_CHECKING:
    from nightshift.spec.project import Kind

MOST_POINTS = 500
UNKNOWN = "unknown to the model"
_Z95 = 1.959963984540054  # the normal quantile of 0.975


@dataclass(frozen=True, eq=False)
class RocCurve:
    """False against true positive rate, (0, 0) to (1, 1); arrays of at most 500, empty when undefined."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    threshold: Floats
    area: float


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Precision by rising recall, from recall 0; arrays of at most 500, empty when undefined.

    `precision[i]` holds on (recall[i-1], recall[i]]; `base_rate` is what a score that knows nothing has.
    """

    recall: Floats
    precision: Floats
    threshold: Floats
    average_precision: float
    base_rate: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted probability against observed rate in bins of equal count, with a histogram of the scores.

    Attributes:
        mean_score, observed, low, high: per bin; low and high are the Wilson 95 % interval of observed.
        count: rows per bin.
        error: expected calibration error, the mean over rows of their bin's |mean_score - observed|.
        histogram, histogram_edges: weight of the rows by score, in 40 bins of equal width; the outermost
            0.5 % of the rows on either side count in the first and the last bin.
    """

    mean_score: Floats
    observed: Floats
    low: Floats
    high: Floats
    count: NDArray[np.intp]
    error: float
    histogram: Floats
    histogram_edges: Floats


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Weight of the rows of each class (down) that were predicted as each class (across)."""

    classes: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True, eq=False)
class Curves:
    """All that can be drawn of one evaluation; what the kind of label does not have is None."""

    kind: Kind
    rows: int
    roc: RocCurve | None = None
    precision_recall: PrecisionRecallCurve | None = None
    calibration: Calibration | None = None
    confusion: ConfusionMatrix | None = None
    residuals: Residuals | None = None


def curves_of(sample: Sample, classes: Sequence[str] | None = None) -> Curves:
    """Everything there is to draw of a sample; `classes` names the codes of a multiclass label."""
    rows = sample.truth.size
    if not sample.is_measurable:
        return Curves(sample.kind, rows)
    if sample.kind == "regression":
        return Curves(sample.kind, rows, residuals=residual_summary(sample))
    if sample.kind == "multiclass":
        matrix = confusion_matrix(sample, classes)
        return Curves(sample.kind, rows, calibration=calibration(sample), confusion=matrix)
    return Curves(
        sample.kind,
        rows,
        roc=roc_curve(sample),
        precision_recall=precision_recall_curve(sample),
        calibration=calibration(sample),
    )


def roc_curve(sample: Sample) -> RocCurve:
    """The ROC curve of a binary sample [Fawcett 2006, Pattern Recognition Letters 27:861-874].

    >>> curve = roc_curve(Sample.of("binary", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
    >>> curve.true_positive_rate.tolist(), curve.area
    ([0.0, 0.5, 0.5, 1.0, 1.0], 0.75)
    """
    ranking = _ranking(sample)
    if ranking is None or ranking.positives == 0 or ranking.negatives == 0:
        return RocCurve(np.empty(0), np.empty(0), np.empty(0), float("nan"))
    across = np.concatenate(([0.0], ranking.false_positives / ranking.negatives))
    up = np.concatenate(([0.0], ranking.true_positives / ranking.positives))
    # The corner (0, 0) is a threshold above every score.
    threshold = np.concatenate(([np.inf], ranking.threshold))
    kept = _thinned(across, up)
    return RocCurve(across[kept], up[kept], threshold[kept], area_under(ranking))


def precision_recall_curve(sample: Sample) -> PrecisionRecallCurve:
    """The precision-recall curve of a binary sample [Davis & Goadrich 2006, ICML, 233-240].

    It starts at recall 0 with the precision of the highest score, and not at an invented precision of 1.

    >>> curve = precision_recall_curve(Sample.of("binary", [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
    >>> curve.recall.tolist(), curve.precision.round(2).tolist()
    ([0.0, 0.5, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.67, 0.5])
    """
    ranking = _ranking(sample)
    if ranking is None or ranking.positives == 0:
        return PrecisionRecallCurve(np.empty(0), np.empty(0), np.empty(0), float("nan"), float("nan"))
    predicted = ranking.true_positives + ranking.false_positives
    precision = ranking.true_positives / predicted
    recall = ranking.true_positives / ranking.positives
    recall, precision = np.concatenate(([0.0], recall)), np.concatenate((precision[:1], precision))
    threshold = np.concatenate((ranking.threshold[:1], ranking.threshold))
    kept = _thinned(recall, precision)
    return PrecisionRecallCurve(
        recall[kept],
        precision[kept],
        threshold[kept],
        average_precision_of(ranking),
        ranking.positives / float(predicted[-1]),
    )


def calibration(sample: Sample, bins: int = 10) -> Calibration:
    """How often a predicted probability came true [Naeini et al. 2015, AAAI, 2901-2907].

    Bins hold equally many rows; rows of one score are never parted, so many ties make fewer bins. Multiclass:
    the probability of the likeliest class, and how often it is right [Guo et al. 2017, ICML, 1321-1330].

    >>> made = calibration(Sample.of("binary", [0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9]), bins=2)
    >>> made.observed.tolist(), made.count.tolist(), round(made.error, 2)
    ([0.5, 1.0], [2, 2], 0.2)
    """
    if not sample.is_measurable:
        nothing, no_rows = np.empty(0), np.empty(0, dtype=np.intp)
        return Calibration(nothing, nothing, nothing, nothing, no_rows, float("nan"), nothing, nothing)
    score, came_true = sample.score, sample.truth
    if sample.kind == "multiclass":
        score = np.take_along_axis(score, sample.predicted[:, None], axis=1)[:, 0]
        came_true = sample.predicted == sample.truth
    # Scaled, because the squares of very small weights would vanish.
    weight = np.ones(score.size) if sample.weight is None else sample.weight / sample.weight.max()
    inner = np.quantile(score, np.arange(1, bins) / bins, method="inverted_cdf")
    _, place = np.unique(np.searchsorted(np.unique(inner), score), return_inverse=True)
    mass = np.bincount(place, weight)
    mean_score = np.bincount(place, weight * score) / mass
    observed = np.clip(np.bincount(place, weight * came_true) / mass, 0.0, 1.0)
    low, high = wilson_interval(observed, mass**2 / np.bincount(place, weight**2))
    error = float(np.sum(mass * np.abs(mean_score - observed)) / np.sum(mass))
    # Trimmed, because the few highest scores of a rare class would squeeze all others into one bar.
    least, most = np.quantile(score, [0.005, 0.995], method="inverted_cdf")
    edges = even_edges(float(least), float(most), 40)
    histogram, _ = np.histogram(np.clip(score, least, most), edges, weights=sample.weight)
    return Calibration(
        mean_score, observed, low, high, np.bincount(place), error, histogram.astype(np.float64), edges
    )


def wilson_interval(rate: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """95 % interval of a share observed on so many rows [Wilson 1927, JASA 22:209-212].

    (r + z^2/2n -+ z sqrt(r (1 - r) / n + z^2/4n^2)) / (1 + z^2/n), z = 1.96. For weighted rows, n is the
    effective number (sum w)^2 / sum w^2 [Kish 1965, Survey Sampling].

    >>> low, high = wilson_interval(np.array([0.0, 0.5]), np.array([10.0, 100.0]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.404], [0.278, 0.596])
    """
    pull = _Z95**2 / rows
    centre = (rate + pull / 2) / (1 + pull)
    half = _Z95 * np.sqrt(rate * (1 - rate) / rows + pull / (4 * rows)) / (1 + pull)
    return np.clip(centre - half, 0.0, rate), np.clip(centre + half, rate, 1.0)


def confusion_matrix(sample: Sample, classes: Sequence[str] | None = None, most: int = 20) -> ConfusionMatrix:
    """Which class was taken for which; beyond `most` classes the rarest are shown as one, `other`.

    Rows of classes that the model does not know are one row, the last.

    >>> scores = [[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]]
    >>> confusion_matrix(Sample.of("multiclass", [0, 1, 1], scores), ["no", "yes"]).counts.tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    size = sample.classes
    names = tuple(classes) if classes is not None else tuple(str(code) for code in range(size))
    if len(names) != size:
        raise ValueError(f"{len(names)} names do not fit {size} classes")
    counts = sample.confusion if sample.is_measurable else np.zeros((size, size))
    if len(counts) > size:
        size, names = len(counts), (*names, UNKNOWN)
    if size <= most:
        return ConfusionMatrix(names, counts)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: most - 1])
    place = np.full(size, most - 1)
    place[shown] = np.arange(most - 1)
    merged = np.zeros((most, most))
    np.add.at(merged, (place[:, None], place[None, :]), counts)
    return ConfusionMatrix((*(names[code] for code in shown), f"other ({size - most + 1})"), merged)


def _ranking(sample: Sample) -> Ranking | None:
    return sample.ranking if sample.is_measurable else None


def _thinned(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Which points of a line to keep, so that no dropped one is further from a kept one than a hair.

    Points are picked at equal steps along the line, its length taken as |dx| + |dy|: flat stretches and noise
    get points alike, and a dropped point is at most one step (length / 498) from the next kept one.
    """
    if x.size <= MOST_POINTS:
        return np.arange(x.size)
    walked = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    steps = np.linspace(0.0, walked[-1], MOST_POINTS - 1)
    return np.unique(np.append(np.minimum(np.searchsorted(walked, steps), x.size - 1), x.size - 1))
