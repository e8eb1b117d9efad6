"""Whether the predictions of a window were too high or too low on the whole: calibration in the large.

A model whose world has moved to a higher or lower level is wrong in both cases, while its loss may even fall: where
fewer flights are late than it thinks, log-loss is lower than expected, and a new model lowers it further.
"""

from __future__ import annotations

import numpy as np

from nightshift.findings import Signal
from nightshift.performance.observed import Observed
from nightshift.performance.realised import parts_of
from nightshift.performance.uncertainty import LEAST_ROWS, Floats, left_out_values, p_value, standard_error

NAME = "calibration"

_FLOORS = {"binary": 0.03, "multiclass": 0.03, "regression": 0.05}


def bias_signal(seen: Observed, segment: str = "", floor: float | None = None) -> Signal:
    """The gap between what was predicted and what came, on average over the rows whose label is known.

    Calibration in the large [Cox 1958, "Two further applications of a model for binary regression", Biometrika 45].
    Binary: |mean score - share of ones|. Multiclass: the largest such gap of any class, its p-value times the number of
    classes; a row of a class that the model does not know is of none of its classes. Regression: |mean prediction -
    mean label| in standard deviations of the label. Two-sided; the standard error is that of blocks of neighbours in
    time (see `uncertainty`).

    Args:
        floor: the least gap that matters; by default 0.03, or 0.05 standard deviations.

    Returns:
        A signal of the family `realised`, its alarm off; without a value under 200 labels.
    """
    floor = _FLOORS[seen.kind] if floor is None else floor
    known = seen.take(seen.known)
    if known.size < LEAST_ROWS:
        return _signal(segment, floor, None, None, f"too few labels: {known.size} of at least {LEAST_ROWS}")
    gaps = _gaps(known)
    found = [_tested(gaps[:, place]) for place in range(gaps.shape[1])]
    value, chance = max(found)
    note = f"predictions are {'too high' if value[1] > 0 else 'too low'}"
    return _signal(segment, floor, value[0], min(1.0, chance * len(found)), note)


def bias_signals(seen: Observed, floor: float | None = None) -> tuple[Signal, ...]:
    """The gap of all rows and of each segment."""
    return tuple(bias_signal(part, segment, floor) for segment, part in parts_of(seen))


def _gaps(known: Observed) -> Floats:
    """How far each row's prediction is from its label, shape (n, 1) or (n, classes)."""
    if known.kind == "multiclass":
        hits = known.truth[:, None] == np.arange(known.scores.shape[1])
        return np.asarray(known.scores - hits, dtype=np.float64)
    gaps = known.scores - known.truth
    if known.kind == "regression":
        spread = float(np.std(known.truth))
        gaps = gaps / (spread if spread > 0 else 1.0)
    return np.asarray(gaps[:, None], dtype=np.float64)


def _tested(gaps: Floats) -> tuple[tuple[float, float], float]:
    """The mean gap's size and sign, and how likely one of this size is by chance."""
    mean = float(np.mean(gaps))
    error = standard_error(left_out_values(gaps.size, lambda places: float(np.mean(gaps[places]))))
    one_sided = p_value(abs(mean), error)
    return (abs(mean), np.sign(mean)), 1.0 if one_sided is None else min(1.0, 2 * one_sided)


def _signal(segment: str, floor: float, value: float | None, chance: float | None, note: str) -> Signal:
    return Signal(
        name=NAME, family="realised", segment=segment, value=value,
        effect_floor=floor, p_value=chance, alarm=False, note=note,
    )  # fmt: skip
