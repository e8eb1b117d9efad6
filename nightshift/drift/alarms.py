"""When a signal is an alarm: it matters, and it survives the correction for many tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

Mask = npt.NDArray[np.bool_]


def benjamini_hochberg(p_values: ArrayLike, level: float, budget: ArrayLike | None = None) -> Mask:
    """Which of many tests are significant while at most `level` of those found are false, on average.

    Ordered p(1) <= ... <= p(k), the tests up to the greatest i with p(i) <= i level / k [Benjamini & Hochberg
    1995, Controlling the false discovery rate]. When nothing has drifted, every finding is false, and the
    chance of any is at most `level`, also where tests depend positively on each other [Benjamini &
    Yekutieli 2001]. With a budget, p / (budget / mean budget) takes the place of p [Genovese, Roeder &
    Wasserman 2006, False discovery control with p-value weighting].

    Args:
        p_values: shape (k,).
        level: above 0 and below 1.
        budget: each test's share of the false alarms allowed, above 0, shape (k,); None: the same for all.

    >>> benjamini_hochberg([0.001, 0.02, 0.03, 0.8], level=0.05).tolist()
    [True, True, True, False]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if budget is not None:
        share = np.asarray(budget, dtype=np.float64)
        p = p * share.mean() / share if share.size else p
    order = np.argsort(p, kind="stable")
    passing = np.flatnonzero(p[order] <= level * np.arange(1, p.size + 1) / max(p.size, 1))
    significant = np.zeros(p.size, dtype=np.bool_)
    if passing.size:
        significant[order[: passing[-1] + 1]] = True
    return significant
