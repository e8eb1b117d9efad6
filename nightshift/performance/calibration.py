"""From a model's scores to chances: how often rows scored like this one turned out to be of each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nightshift.performance.segments import Slices
from nightshift.performance.uncertainty import BLOCKS, block_of, thinned

Floats = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]
Tables = Mapping[str, Mapping[str, float]]

# ln s, -ln(1 - s) and 1: with these weights a chance is the score itself.
_IDENTITY = np.array([1.0, 1.0, 0.0])
# How firmly weights are held where they start, as 1 / variance: the curve hardly, so that it goes where the rows are,
# and what is added for a value of a column at 0, give or take 0.2, so that a value of few rows adds next to nothing.
_HOLD = np.array([1.0, 1.0, 0.01])
_HOLD_VALUE = 25.0
_TINY = 1e-7
_MOST_STEPS = 50


@dataclass(frozen=True, eq=False)
class Calibration:
    """Beta calibration: one curve a class, moved up or down by what else is known of a row.

    logit(chance) = a ln(s) - b ln(1 - s) + c [Kull, Silva Filho & Flach 2017, "Beta calibration: a well-founded and
    easily implemented improvement on logistic calibration for binary classifiers", AISTATS, 623-631]. It holds the
    identity (a = b = 1, c = 0), Platt's curve (a = b), and a change of the base rate (c). Several classes: each
    against the rest, then made to sum to 1 [Zadrozny & Elkan 2002, "Transforming classifier scores into accurate
    multiclass probability estimates", KDD, 694-699].

    A binary label's curve is also moved by the values of given columns, + d(value) for each. A model that is right on
    average says too much of some rows and too little of others; when the window has more of either, a curve of the
    score alone is off although nothing has changed but the mix. The weights are held at 0 like a ridge regression's
    [Hoerl & Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12:55-67].

    Rows of a class that the model does not know are of none of its classes: their share is held to stay what it was,
    and is left out of the sum.

    Attributes:
        weights: a, b and c a class, shape (K, 3); (1, 3) for a binary label.
        tables: column -> value -> d. A value that is not there has 0.
        unknown: the share of the rows that are of a class that the model does not know.
    """

    weights: Floats
    tables: Tables = field(default_factory=dict)
    unknown: float = 0.0

    @classmethod
    def fit(cls, truth: Floats, scores: Floats, slices: Slices | None = None) -> Calibration:
        """The curves of greatest likelihood, held loosely at the identity.

        Args:
            truth: class codes, shape (n,); any n, also of one class only. Of classes without a score, K and up.
            scores: chances as the model gives them, shape (n,) for a binary label, else (n, K).
            slices: columns whose values move a binary label's curve.

        >>> scores = np.repeat([0.2, 0.6], 1000)
        >>> truth = np.concatenate([np.arange(1000) < 100, np.arange(1000) < 700]).astype(float)
        >>> Calibration.fit(truth, scores).apply(np.array([0.2, 0.6]), {}).round(2).tolist()
        [0.1, 0.7]
        """
        return cls.fit_spread(truth, scores, slices, blocks=0)[0]

    @classmethod
    def fit_spread(
        cls, truth: Floats, scores: Floats, slices: Slices | None = None, blocks: int = BLOCKS
    ) -> tuple[Calibration, ...]:
        """`fit` of all rows, then of the rows without each block of neighbours, by one Newton step from the first."""
        chosen = thinned(len(truth))
        truth, scores = truth[chosen], scores[chosen]
        if scores.ndim == 1:
            columns = _values(slices or {})
            codes = {name: column.codes[chosen] for name, column in (slices or {}).items()}
            parts = [_curve(scores)] + [(codes[name] == code)[:, None] for name, code, _ in columns]
            fitted = _fitted(np.concatenate(parts, axis=1).astype(np.float64), truth == 1, blocks)
            return tuple(cls(one[None, :3], _tables(columns, one[3:])) for one in fitted)
        by_class = [
            _fitted(_curve(scores[:, code]), truth == code, blocks) for code in range(scores.shape[1])
        ]
        shares = _shares_unknown(truth >= scores.shape[1], blocks)
        return tuple(cls(np.array(one), unknown=share) for *one, share in zip(*by_class, shares, strict=True))

    def apply(self, scores: Floats, slices: Slices) -> Floats:
        """The chances behind scores: of class 1, shape (n,), or of each class, shape (n, K).

        Those of several classes sum to 1, less the share of rows of unknown classes.
        """
        if scores.ndim == 1:
            logit = _curve(scores) @ self.weights[0]
            for name, table in self.tables.items():
                if name in slices:
                    added = np.array([table.get(value, 0.0) for value in slices[name].names])
                    logit = logit + added[slices[name].codes]
            return _logistic(logit)
        columns = [_logistic(_curve(scores[:, code]) @ curve) for code, curve in enumerate(self.weights)]
        chances = np.stack(columns, axis=1)
        known = (1 - self.unknown) / chances.sum(axis=1, keepdims=True)
        return np.asarray(chances * known, dtype=np.float64)

    def as_json(self) -> dict[str, Any]:
        """The weights in JSON's types."""
        return {
            "weights": self.weights.tolist(),
            "tables": {name: dict(one) for name, one in self.tables.items()},
            **({"unknown": self.unknown} if self.unknown else {}),
        }

    @classmethod
    def of_json(cls, read: Mapping[str, Any]) -> Calibration:
        """What `as_json` gave."""
        return cls(np.array(read["weights"], dtype=np.float64), read["tables"], read.get("unknown", 0.0))


def _shares_unknown(is_unknown: Hits, blocks: int) -> list[float]:
    """The share of rows of unknown classes: of all rows, then without each block of neighbours."""
    if not is_unknown.size:
        return [0.0] * (blocks + 1)
    kept = [np.delete(is_unknown, block_of(is_unknown.size, block)) for block in range(blocks)]
    return [float(np.mean(one)) if one.size else 0.0 for one in (is_unknown, *kept)]


def _values(slices: Slices) -> list[tuple[str, int, str]]:
    """The commonest values of each column, as column, code and name."""
    return [
        (name, column.names.index(value), value)
        for name, column in slices.items()
        for value, _ in column.commonest()
    ]


def _tables(columns: list[tuple[str, int, str]], weights: Floats) -> Tables:
    tables: dict[str, dict[str, float]] = {}
    for (name, _, value), weight in zip(columns, weights, strict=True):
        tables.setdefault(name, {})[value] = float(weight)
    return tables


def _curve(scores: Floats) -> Floats:
    kept = np.clip(scores, _TINY, 1 - _TINY)
    return np.stack([np.log(kept), -np.log1p(-kept), np.ones(kept.size)], axis=1)


def _logistic(logit: Floats) -> Floats:
    # Kept off 0 and 1: a curve never is as sure as that.
    return np.clip(1 / (1 + np.exp(-np.clip(logit, -30, 30))), _TINY, 1 - _TINY)


def _fitted(features: Floats, is_hit: Hits, blocks: int) -> list[Floats]:
    """Weights of greatest penalised likelihood by Newton's steps, then one step from them without each block."""
    values = features.shape[1] - _IDENTITY.size
    start = np.concatenate([_IDENTITY, np.zeros(values)])
    hold = np.concatenate([_HOLD, np.full(values, _HOLD_VALUE)])
    weights = start
    for _ in range(_MOST_STEPS if is_hit.size else 0):
        step = np.linalg.solve(*_slope(features, is_hit, weights, hold * (weights - start), hold))
        cost = _cost(features, is_hit, weights, start, hold)
        # Halved until it does not lose: far from the answer a whole step can be too long.
        while _cost(features, is_hit, weights - step, start, hold) > cost and np.abs(step).max() > 1e-6:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() < 1e-5:
            break
    curve, slope = _slope(features, is_hit, weights, hold * (weights - start), hold)
    found = [weights]
    for block in range(blocks):
        rows = block_of(is_hit.size, block)
        its_curve, its_slope = _slope(features[rows], is_hit[rows], weights, 0 * hold, 0 * hold)
        found.append(weights - np.linalg.solve(curve - its_curve, slope - its_slope))
    return found


def _slope(
    features: Floats, is_hit: Hits, weights: Floats, pull: Floats, hold: Floats
) -> tuple[Floats, Floats]:
    """Second and first derivatives of the cost, in the order that `solve` takes them."""
    chance = _logistic(features @ weights)
    curve = (features * (chance * (1 - chance))[:, None]).T @ features + np.diag(hold)
    return curve, features.T @ (chance - is_hit) + pull


def _cost(features: Floats, is_hit: Hits, weights: Floats, start: Floats, hold: Floats) -> float:
    logit = features @ weights
    held = float(np.sum(hold * np.square(weights - start)))
    return float(np.sum(np.logaddexp(0.0, np.where(is_hit, -logit, logit)))) + 0.5 * held
