"""Metrics of binary and multiclass predictions."""

from __future__ import annotations

import numpy as np

from nightshift.metrics.declaration import declare, declared_in
from nightshift.metrics.sample import Floats, Ranking, Sample, rank

# Probabilities are kept this far from 0 and 1, so that one certain mistake costs 36 nats and not infinity.
_EPSILON = float(np.finfo(np.float64).eps)


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="scores", default_for=("binary",))
def roc_auc(sample: Sample) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties half.

    AUC = (sum over pairs of [s+ > s-] + [s+ = s-] / 2) / (P N), exact with ties [Hanley & McNeil 1982,
    Radiology 143:29-36]. Multiclass: the mean over classes, each against the rest, of those classes that
    have rows on both sides; a class that the model does not know is ranked by nothing, and has 0.5. NaN when no class
    has.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    if sample.kind == "binary":
        return area_under(sample.ranking)
    areas = [
        area_under(rank(sample.truth == code, np.ascontiguousarray(sample.score[:, code]), sample.weight))
        for code in range(sample.classes)
    ]
    # A class without a score ties everywhere, unless all rows are of it: then there is nothing to rank.
    areas += [float("nan") if (sample.truth == code).all() else 0.5 for code in sample.unknown]
    return _mean_of_defined(np.array(areas))


@declare(kinds=("binary",), greater_is_better=True, needs="scores")
def average_precision(sample: Sample) -> float:
    """Mean precision over the positives, as recall rises: AP = sum_k (R_k - R_(k-1)) P_k.

    One step a distinct score, not interpolated [Buckley & Voorhees 2000, SIGIR, 33-40]. NaN without
    positives.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return average_precision_of(sample.ranking)


@declare(
    kinds=("binary", "multiclass"),
    greater_is_better=False,
    needs="probabilities",
    default_for=("multiclass",),
)
def log_loss(sample: Sample) -> float:
    """Mean negative log-likelihood, -mean(log p(true class)), in nats [Good 1952, JRSS B 14:107-114].

    Probabilities are clipped to [2.2e-16, 1 - 2.2e-16]; that of a class that the model does not know is 0, so that each
    of its rows costs 36 nats.

    >>> round(log_loss([1, 0], [0.9, 0.2]), 4)
    0.1643
    """
    probability = np.clip(_probability_of_truth(sample), _EPSILON, 1 - _EPSILON)
    return -sample.mean(np.log(probability))


@declare(kinds=("binary", "multiclass"), greater_is_better=False, needs="probabilities")
def brier(sample: Sample) -> float:
    """Mean squared error of the probabilities [Brier 1950, Monthly Weather Review 78:1-3].

    Binary: mean((p - y)^2), from 0 to 1. Multiclass: mean(sum_k (p_k - [y = k])^2), from 0 to 2,
    over all classes, where one that the model does not know has p = 0.

    >>> round(brier([1, 0], [0.9, 0.2]), 4)
    0.025
    """
    if sample.kind == "binary":
        return sample.mean(np.square(sample.score - sample.truth))
    # Expanded, so that no second (n, K) table of ones and zeros is built:
    # sum_k (p_k - [y = k])^2 = sum_k p_k^2 - p_y^2 + (1 - p_y)^2.
    of_truth = _probability_of_truth(sample)
    others = np.einsum("ij,ij->i", sample.score, sample.score) - np.square(of_truth)
    return sample.mean(np.maximum(others, 0.0) + np.square(1 - of_truth))


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="labels")
def accuracy(sample: Sample) -> float:
    """Share of rows predicted right; binary rows count as positive from a score of 0.5 on.

    A row of a class that the model does not know is predicted wrong, whatever is predicted.

    >>> accuracy([1, 0, 1], [0.9, 0.2, 0.3])
    0.6666666666666666
    >>> accuracy([0, 1, 2], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    0.6666666666666666
    """
    return float(np.sum(sample.per_class[0])) / sample.total


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="labels")
def f1(sample: Sample) -> float:
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).

    [van Rijsbergen 1979, Information Retrieval, ch. 7]. Multiclass: the mean over classes that occur as label
    or as prediction, where one that the model does not know has 0. Binary: NaN when no row is, or is predicted,
    positive.

    >>> f1([1, 0, 1], [0.9, 0.2, 0.3])
    0.6666666666666666
    """
    right, predicted, actual = sample.per_class
    return _of_positive_or_macro(sample, 2 * right, predicted + actual)


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="labels")
def precision(sample: Sample) -> float:
    """Share of the rows predicted positive that are: TP / (TP + FP).

    Binary: NaN when nothing is predicted positive. Multiclass: the mean over classes that occur as label or
    as prediction, where one that is never predicted counts 0, lest forgetting a rare class pay.

    >>> precision([1, 0, 1], [0.9, 0.6, 0.3])
    0.5
    """
    right, predicted, _ = sample.per_class
    return _of_positive_or_macro(sample, right, predicted)


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="labels")
def recall(sample: Sample) -> float:
    """Share of the positive rows that are predicted positive: TP / (TP + FN).

    Binary: NaN without positives. Multiclass: the mean over classes that occur as label or as prediction,
    where one that has no rows counts 0; `balanced_accuracy` leaves such a class out. Of a class that the model does not
    know, nothing is found: it counts 0 in both.

    >>> recall([1, 0, 1, 1], [0.9, 0.6, 0.3, 0.2])
    0.3333333333333333
    """
    right, _, actual = sample.per_class
    return _of_positive_or_macro(sample, right, actual)


@declare(kinds=("binary", "multiclass"), greater_is_better=True, needs="labels")
def balanced_accuracy(sample: Sample) -> float:
    """Mean recall of the classes that have rows [Brodersen et al. 2010, ICPR, 3121-3124].

    >>> balanced_accuracy([1, 0, 0, 0], [0.9, 0.6, 0.3, 0.2])
    0.8333333333333333
    """
    right, _, actual = sample.per_class
    return _mean_of_defined(_divide(right, actual))


def area_under(ranking: Ranking) -> float:
    """Area under the ROC curve of a ranking, by trapezoids, which is exact; NaN when a class has no rows."""
    if ranking.positives == 0 or ranking.negatives == 0:
        return float("nan")
    width = np.diff(ranking.false_positives, prepend=0.0)
    before = np.concatenate(([0.0], ranking.true_positives[:-1]))
    doubled = float(np.sum(width * (before + ranking.true_positives)))
    return doubled / 2 / (ranking.positives * ranking.negatives)


def average_precision_of(ranking: Ranking) -> float:
    """Average precision of a ranking; NaN without positives."""
    if ranking.positives == 0:
        return float("nan")
    precisions = ranking.true_positives / (ranking.true_positives + ranking.false_positives)
    return float(np.sum(np.diff(ranking.true_positives, prepend=0.0) * precisions)) / ranking.positives


def _probability_of_truth(sample: Sample) -> Floats:
    if sample.kind == "binary":
        return np.where(sample.truth == 1, sample.score, 1 - sample.score)
    known = np.minimum(sample.truth, sample.classes - 1)
    of_truth = np.take_along_axis(sample.score, known[:, None], axis=1)[:, 0]
    return np.where(sample.truth < sample.classes, of_truth, 0.0)


def _of_positive_or_macro(sample: Sample, part: Floats, whole: Floats) -> float:
    shares = _divide(part, whole)
    if sample.kind == "binary":
        return float(shares[1])
    _, predicted, actual = sample.per_class
    return float(np.mean(np.nan_to_num(shares[(predicted + actual) > 0])))


def _divide(part: Floats, whole: Floats) -> Floats:
    """Part / whole, NaN where the whole is nothing."""
    share = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _mean_of_defined(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(np.mean(defined)) if defined.size else float("nan")


METRICS = declared_in(globals())
__test__ = {row.name: row.measure for row in METRICS}
