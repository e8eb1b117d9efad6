"""Signals of a window as a whole: how many rows it has, and how many of them it has more than once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nightshift.drift.signals.rates import rise_by_chance
from nightshift.errors import RequestError
from nightshift.findings import Signal

FEWEST_ROWS = 200
# These are no part of the correction over all columns: each may err in one night of a thousand.
_LEVEL = 0.001
_VARIATION, _THOUGHTS = 0.15, 8


def volume(rows: int, clean: Sequence[int], *, segment: str = "", effect_floor: float = 0.3) -> Signal:
    """How many rows a window has against what such windows have: value |rows / expected - 1|.

    z = 2 (sqrt(x + 3/8) - sqrt(e + 3/8)) / sqrt(d (1 + 1/k)), which is normal for Poisson counts and d = 1
    [Anscombe 1948, The transformation of Poisson, binomial and negative-binomial data]. Rows come in
    clusters: d = variance / mean of the clean windows, their variance pooled with what is thought before any
    is seen, which weighs as much as eight of them: a Poisson count whose mean varies by 15 %. So z has k + 7
    degrees of freedom [Wallace 1959, Bounds on normal approximations to Student's].

    Args:
        rows: of the window.
        clean: rows of comparable clean windows, the same weekday for one; all of the window's length.
        effect_floor: the least relative change that matters.

    Returns:
        A signal without a value when fewer than 200 rows are expected. A window of few rows where many are
        expected is what this looks for, and does alarm.

    >>> lost = volume(2_000, clean=[9_800, 10_100, 10_050, 9_900, 10_000])
    >>> round(lost.value, 3), lost.alarm
    (0.799, True)

    Raises:
        RequestError: there are no clean windows.
    """
    if not clean:
        raise RequestError("there is no clean window to compare the number of rows with",
                           remedy="give the rows of at least one comparable window")  # fmt: skip
    expected = float(np.mean(clean))
    if expected < FEWEST_ROWS:
        note = f"too few rows expected: {expected:.0f} of at least {FEWEST_ROWS}"
        return Signal(name="volume", family="volume", segment=segment, value=None,
                      effect_floor=effect_floor, p_value=None, alarm=False, note=note)  # fmt: skip
    windows = len(clean)
    squares = float(np.square(np.asarray(clean, dtype=np.float64) - expected).sum())
    thought = expected + (_VARIATION * expected) ** 2
    degrees = _THOUGHTS + windows - 1
    dispersion = (_THOUGHTS * thought + squares) / degrees / expected
    z = (
        2
        * (math.sqrt(rows + 0.375) - math.sqrt(expected + 0.375))
        / math.sqrt(dispersion * (1 + 1 / windows))
    )
    z = _normal_of_student(z, degrees)
    value, p_value = abs(rows / expected - 1), math.erfc(abs(z) / math.sqrt(2))
    alarm = value > effect_floor and p_value <= _LEVEL
    note = f"{rows:,} rows where {expected:,.0f} were expected"
    return Signal(name="volume", family="volume", segment=segment, value=value,
                  effect_floor=effect_floor, p_value=p_value, alarm=alarm, note=note)  # fmt: skip


def duplicates(
    repeated: int, rows: int, repeated_before: int, rows_before: int, *, effect_floor: float = 0.02
) -> Signal:
    """Rise of the share of rows that repeat another one's key or inputs: value q - p.

    Judged by `rise_by_chance`: fewer duplicates are no fault.

    Args:
        repeated: rows of the window that an earlier one of the window equals.
        repeated_before, rows_before: the same of the reference. A longer stretch holds more repetitions:
            compare with a window of about the same length.

    >>> duplicates(80, 1000, repeated_before=10, rows_before=1000).alarm
    True
    """
    few = min(rows, rows_before)
    if few < FEWEST_ROWS:
        return Signal(name="duplicates", family="volume", value=None, effect_floor=effect_floor, p_value=None,
                      alarm=False, note=f"too few rows: {few} of at least {FEWEST_ROWS}")  # fmt: skip
    value = repeated / rows - repeated_before / rows_before
    p_value = rise_by_chance(repeated, rows, repeated_before, rows_before)
    alarm = value > effect_floor and p_value <= _LEVEL
    return Signal(name="duplicates", family="volume", value=value, effect_floor=effect_floor,
                  p_value=p_value, alarm=alarm)  # fmt: skip


def _normal_of_student(t: float, degrees: int) -> float:
    """The normal deviate that is as unlikely as Student's t, nearly [Wallace 1959]."""
    size = math.sqrt(degrees * math.log1p(t * t / degrees)) * (8 * degrees + 1) / (8 * degrees + 3)
    return math.copysign(size, t)
