"""How far a measure of a window may be off by chance, when rows near each other in time are alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

BLOCKS = 20
MOST_ROWS = 50_000
"""A standard error is worked out on no more rows than these; with fewer it is larger, and so on the safe side."""

LEAST_ROWS = 200
"""Under this many rows nothing is said about chance."""

_T975 = 2.093024054408263  # Student's quantile of 0.975 at 19 degrees of freedom


def thinned(rows: int, most: int = MOST_ROWS) -> Places:
    """Places of at most `most` rows, evenly spaced, in order.

    >>> thinned(7, 3).tolist()
    [0, 2, 4]
    """
    return np.arange(rows) if rows <= most else (np.arange(most) * rows) // most


def block_of(rows: int, block: int) -> slice:
    """One of the 20 blocks of neighbours that rows in the order of time are parted into.

    >>> block_of(40, 19)
    slice(38, 40, None)
    """
    return slice((rows * block) // BLOCKS, (rows * (block + 1)) // BLOCKS)


def left_out(rows: int, block: int) -> Places:
    """Places of all rows but those of one block.

    >>> left_out(20, 0).tolist() == list(range(1, 20))
    True
    """
    return np.delete(np.arange(rows), block_of(rows, block))


def left_out_values(rows: int, measure: Callable[[Places], float]) -> Floats:
    """`measure` of the rows without each block in turn, shape (20,)."""
    return np.array([measure(left_out(rows, block)) for block in range(BLOCKS)])


def standard_error(values: Floats) -> float:
    """The standard error of a measure whose values without each block of rows are `values`.

    Delete-a-block jackknife: SE^2 = (B - 1) / B * sum_b (v_b - mean(v))^2 [Künsch 1989, "The jackknife and the
    bootstrap for general stationary observations", Annals of Statistics 17:1217-1241]. Blocks are stretches of
    neighbours in time, so that rows which share their weather or their holiday do not count as independent;
    on independent rows it agrees with the usual standard error. Deleting a block rather than a row also makes
    it right for quantiles [Shao & Wu 1989, "A general theory for jackknife variance estimation", Annals of
    Statistics 17:1176-1197]. NaN when one of the values is.

    Of a mean it is the standard error of the block means:

    >>> means = np.arange(20.0)
    >>> without = (means.sum() - means) / 19
    >>> round(standard_error(without), 9) == round(float(means.std(ddof=1)) / 20**0.5, 9)
    True
    """
    spread = float(np.sum(np.square(values - np.mean(values))))
    return math.sqrt((values.size - 1) / values.size * spread)


def interval(value: float, error: float) -> tuple[float, float] | None:
    """The 95 % interval of a value with this standard error, by Student's t at 19 degrees; None where undefined.

    >>> [round(end, 2) for end in interval(1.0, 0.1)]
    [0.79, 1.21]
    """
    if not math.isfinite(value) or not math.isfinite(error):
        return None
    return value - _T975 * error, value + _T975 * error


def p_value(effect: float, error: float) -> float | None:
    """The chance of an effect at least this large when there is none; one-sided, None where undefined.

    Student's t at 19 degrees of freedom, by the normal deviate z = (8 d + 1) / (8 d + 3) sqrt(d ln(1 + t^2 / d))
    [Wallace 1959, "Bounds on normal approximations to Student's and the chi-square distributions", Annals of
    Mathematical Statistics 30:1121-1130]; off by less than 0.1 % of the deviate here.

    >>> round(p_value(2.093, 1.0), 4), p_value(-1.0, 0.0), p_value(1.0, 0.0)
    (0.025, 1.0, 0.0)
    """
    if not math.isfinite(effect) or not math.isfinite(error):
        return None
    if error == 0:
        return 0.0 if effect > 0 else 1.0
    degrees = BLOCKS - 1
    ratio = effect / error
    size = math.sqrt(degrees * math.log1p(ratio * ratio / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return 0.5 * math.erfc(math.copysign(size, ratio) / math.sqrt(2))
