"""From a model's scores to chances: how often rows scored like this one turned out to be of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# ln s, -ln(1 - s) and 1: with these weights a chance is the score itself.
_IDENTITY = np.array([1.0, 1.0, 0.0])
# How firmly the fit is held where it starts, in rows of evidence: next to nothing for a whole reference. A
# segment is held at the whole's slopes, because it has few rows, and may move its level more freely.
_HOLD = np.array([1.0, 1.0, 0.01])
_HOLD_SEGMENT = np.array([25.0, 25.0, 4.0])
_TINY = 1e-7
_MOST_STEPS = 50


@dataclass(frozen=True, eq=False)
class Calibration:
    """Beta calibration, one curve a class.

    logit(chance) = a ln(s) - b ln(1 - s) + c [Kull, Silva Filho & Flach 2017, "Beta calibration: a well-founded and
    easily implemented improvement on logistic calibration for binary classifiers", AISTATS, 623-631]. It holds the
    identity (a = b = 1, c = 0), Platt's curve (a = b), and a change of the base rate (c). Several classes: each
    against the rest, then made to sum to 1 [Zadrozny & Elkan 2002, "Transforming classifier scores into accurate
    multiclass probability estimates", KDD, 694-699].

    Attributes:
        weights: a, b and c a class, shape (K, 3); (1, 3) for a binary label.
    """

    weights: Floats

    @classmethod
    def fit(cls, truth: Floats, scores: Floats, start: Calibration | None = None) -> Calibration:
        """The curve of greatest likelihood, held loosely at the identity, or at `start` for a segment of its rows.

        Args:
            truth: class codes, shape (n,); any n, also of one class only.
            scores: chances as the model gives them, shape (n,) for a binary label, else (n, K).

        >>> scores = np.repeat([0.2, 0.6], 1000)
        >>> truth = np.concatenate([np.arange(1000) < 100, np.arange(1000) < 700]).astype(float)
        >>> Calibration.fit(truth, scores).apply(np.array([0.2, 0.6])).round(2).tolist()
        [0.1, 0.7]
        """
        hold = _HOLD if start is None else _HOLD_SEGMENT
        if scores.ndim == 1:
            first = _IDENTITY if start is None else start.weights[0]
            return cls(_fitted(_features(scores), truth == 1, first, hold)[None, :])
        weights = [
            _fitted(
                _features(scores[:, code]),
                truth == code,
                _IDENTITY if start is None else start.weights[code],
                hold,
            )
            for code in range(scores.shape[1])
        ]
        return cls(np.array(weights))

    def apply(self, scores: Floats) -> Floats:
        """The chances behind scores: of class 1, shape (n,), or of each class, shape (n, K) with rows of sum 1."""
        if scores.ndim == 1:
            return _logistic(_features(scores) @ self.weights[0])
        columns = [_logistic(_features(scores[:, code]) @ curve) for code, curve in enumerate(self.weights)]
        chances = np.stack(columns, axis=1)
        return np.asarray(chances / chances.sum(axis=1, keepdims=True), dtype=np.float64)

    def as_json(self) -> list[list[float]]:
        """The weights, as JSON has numbers."""
        return [[float(weight) for weight in curve] for curve in self.weights]

    @classmethod
    def of_json(cls, read: Sequence[Sequence[float]]) -> Calibration:
        """What `as_json` gave."""
        return cls(np.array(read, dtype=np.float64))


def _features(scores: Floats) -> Floats:
    kept = np.clip(scores, _TINY, 1 - _TINY)
    return np.stack([np.log(kept), -np.log1p(-kept), np.ones(kept.size)], axis=1)


def _logistic(logit: Floats) -> Floats:
    # Kept off 0 and 1: a curve never is as sure as that.
    return np.clip(1 / (1 + np.exp(-np.clip(logit, -30, 30))), _TINY, 1 - _TINY)


def _fitted(features: Floats, is_hit: npt.NDArray[np.bool_], start: Floats, hold: Floats) -> Floats:
    """Newton's steps to the greatest penalised likelihood, each halved until it does not lose."""
    weights = start.copy()
    if is_hit.size == 0:
        return weights
    cost = _cost(features, is_hit, weights, start, hold)
    for _ in range(_MOST_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(features @ weights, -30, 30)))
        slope = features.T @ (chance - is_hit) + hold * (weights - start)
        curve = (features * (chance * (1 - chance))[:, None]).T @ features + np.diag(hold)
        step = np.linalg.solve(curve, slope)
        moved = weights - step
        while (new := _cost(features, is_hit, moved, start, hold)) > cost and np.abs(step).max() > 1e-9:
            step = step / 2
            moved = weights - step
        if new >= cost or cost - new < 1e-9 * is_hit.size:
            return moved if new < cost else weights
        weights, cost = moved, new
    return weights


def _cost(
    features: Floats, is_hit: npt.NDArray[np.bool_], weights: Floats, start: Floats, hold: Floats
) -> float:
    logit = features @ weights
    held = float(np.sum(hold * np.square(weights - start)))
    return float(np.sum(np.logaddexp(0.0, np.where(is_hit, -logit, logit)))) + 0.5 * held
