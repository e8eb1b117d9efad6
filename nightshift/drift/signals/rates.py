"""Signals of how many rows have some property: no value, or a category never seen before."""

from __future__ import annotations

import math

from nightshift.drift.profile import Column
from nightshift.drift.signals.declaration import declared_in, new_values_of, rate


@rate(
    kinds=("numeric", "category"),
    effect_floor=0.02,
    is_one_sided=False,
    default_for=("numeric", "category"),
)
def missing_rate(column: Column) -> int:
    """Change of the share of rows without a value, |q - p|; nulls and NaN.

    Judged by `shares_differ`.
    """
    return column.nulls


@rate(kinds=("category",), effect_floor=0.01, is_one_sided=True, default_for=("category",))
def new_categories(column: Column) -> int:
    """Share of rows whose category the reference never had, q - p with p = 0; judged by `shares_differ`."""
    return new_values_of(column)


def shares_differ(hits: int, rows: int, hits_before: int, rows_before: int) -> float:
    """How many standard errors a share rose (below zero: fell), steady also for shares near 0 and 1.

    z = 2 (asin sqrt(a) - asin sqrt(b)) / sqrt(1/n + 1/m), a and b the shares of (hits + 3/8) in (rows + 3/4)
    [Anscombe 1948, The transformation of Poisson, binomial and negative-binomial data]. Where few hits are
    expected it errs on the side of silence.

    >>> round(shares_differ(hits=30, rows=1000, hits_before=100, rows_before=10_000), 2)
    4.51
    """
    return 2 * (_angle(hits, rows) - _angle(hits_before, rows_before)) / math.sqrt(1 / rows + 1 / rows_before)


def _angle(hits: int, rows: int) -> float:
    return math.asin(math.sqrt((hits + 0.375) / (rows + 0.75)))


MEASURES = declared_in(globals())
