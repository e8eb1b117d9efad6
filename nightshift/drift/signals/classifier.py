"""Whether a classifier can tell the window's rows from the reference's: drift that no single column shows."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nightshift.drift.profile import Floats
from nightshift.findings import Signal

FEWEST_ROWS = 200
MOST_ROWS = 2000
PERMUTATIONS = 200
_FOLDS = 5
_RIDGE = 0.02
_MOST_COLUMNS_IN_PAIRS = 25


def domain_classifier(
    reference: Floats, window: Floats, *, seed: int = 0, effect_floor: float = 0.55, level: float = 0.01
) -> Signal:
    """Area under the ROC curve of a classifier of window against reference rows; 0.5 when they are alike.

    [Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests; Rabanser et al. 2019, Failing loudly].
    The classifier is a ridge regression [Hoerl & Kennard 1970] on normal scores of the ranks, on their
    squares, and on their products two by two, scored out of fold; it sees changed correlations. The null
    comes from permuting which side a row is of [Fisher 1935, The Design of Experiments]: p is the chance of
    an area at least as great, by its rank among the permutations or, beyond them, by their mean and standard
    deviation as of a normal variable. Columns are codes or numbers, NaN for null. Not run unless asked for:
    it needs rows, where every other signal needs a profile, and about a second for 20 columns.

    Args:
        reference, window: samples of rows, (rows, columns) of one width; of more than 2,000 a side, 2,000
            are drawn.

    >>> rng = np.random.default_rng(0)
    >>> before = rng.normal(size=(500, 2))
    >>> after = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=500)
    >>> domain_classifier(before, after).alarm, domain_classifier(before, rng.normal(size=(500, 2))).alarm
    (True, False)
    """
    few = min(len(reference), len(window))
    if few < FEWEST_ROWS:
        return Signal(name="domain_classifier", family="multivariate", value=None, effect_floor=effect_floor,
                      p_value=None, alarm=False, note=f"too few rows: {few} of at least {FEWEST_ROWS}")  # fmt: skip
    rng = np.random.default_rng(seed)
    sides = [side[np.sort(rng.permutation(len(side))[:MOST_ROWS])] for side in (reference, window)]
    # Equal scores are ranked as the rows stand: in an order that knows nothing of sides.
    order = rng.permutation(sum(len(side) for side in sides))
    is_window = np.repeat([0.0, 1.0], [len(side) for side in sides])[order]
    terms = _terms(np.concatenate(sides)[order])
    labels = np.column_stack([is_window, *(rng.permutation(is_window) for _ in range(PERMUTATIONS))])
    areas = _areas(_scores_out_of_fold(terms, labels, rng), labels)
    value, drawn = float(areas[0]), areas[1:]
    p_value = (1 + int(np.sum(drawn >= value))) / (1 + len(drawn))
    if p_value <= 1 / len(drawn):
        z = (value - float(drawn.mean())) / max(float(drawn.std(ddof=1)), 1e-12)
        p_value = min(p_value, math.erfc(z / math.sqrt(2)) / 2)
    alarm = value > effect_floor and p_value <= level
    return Signal(name="domain_classifier", family="multivariate", value=value, effect_floor=effect_floor,
                  p_value=p_value, alarm=alarm)  # fmt: skip


def _terms(rows: Floats) -> Floats:
    """Normal scores of each column's ranks, their squares and products, and which values are null; standardised."""
    scores, nulls = _normal_scores(rows)
    parts = [scores, np.square(scores), nulls]
    if rows.shape[1] <= _MOST_COLUMNS_IN_PAIRS:
        parts += [scores[:, [i]] * scores[:, [j]] for i, j in combinations(range(rows.shape[1]), 2)]
    terms = np.concatenate(parts, axis=1)
    terms = terms - terms.mean(axis=0)
    deviation = terms.std(axis=0)
    kept: Floats = terms[:, deviation > 1e-9] / deviation[deviation > 1e-9]
    return kept


def _normal_scores(rows: Floats) -> tuple[Floats, Floats]:
    """Ranks of each column (ties: their middle) as normal deviates; nulls lie in the middle."""
    scores, nulls = np.zeros_like(rows, dtype=np.float64), np.isnan(rows)
    for index in range(rows.shape[1]):
        held = ~nulls[:, index]
        _, code, count = np.unique(rows[held, index], return_inverse=True, return_counts=True)
        middle = (np.cumsum(count) - count / 2) / max(held.sum(), 1)
        scores[held, index] = _probit(middle)[code]
    return scores, nulls.astype(np.float64)


def _probit(share: Floats) -> Floats:
    """The normal deviate of a share, within 0.0005 [Hastings 1955, Approximations for Digital Computers]."""
    t = np.sqrt(-2 * np.log(np.minimum(share, 1 - share)))
    tail = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (
        1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    )
    deviate: Floats = np.sign(share - 0.5) * tail
    return deviate


def _scores_out_of_fold(terms: Floats, labels: Floats, rng: np.random.Generator) -> Floats:
    """Scores of every row by a ridge regression on the other folds, for every labelling at once."""
    centred = labels - labels.mean(axis=0)
    fold = rng.permutation(len(terms)) % _FOLDS
    square, product = terms.T @ terms, terms.T @ centred
    ridge = _RIDGE * len(terms) * np.eye(terms.shape[1])
    scores = np.empty_like(labels)
    for part in range(_FOLDS):
        held: npt.NDArray[np.bool_] = fold == part
        out = terms[held]
        weights = np.linalg.solve(square - out.T @ out + ridge, product - out.T @ centred[held])
        scores[held] = out @ weights
    return scores


def _areas(scores: Floats, labels: Floats) -> Floats:
    """Area under the ROC curve of each column of scores, by ranks [Mann & Whitney 1947]; ties as they stand."""
    ranks = np.empty_like(scores)
    np.put_along_axis(ranks, np.argsort(scores, axis=0), np.arange(1.0, len(scores) + 1)[:, None], axis=0)
    positives = labels.sum(axis=0)
    areas: Floats = (np.sum(ranks * labels, axis=0) - positives * (positives + 1) / 2) / (
        positives * (len(labels) - positives)
    )
    return areas
