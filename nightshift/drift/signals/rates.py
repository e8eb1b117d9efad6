"""Signals of how many rows have some property: no value, or a category never seen before."""

from __future__ import annotations

import math

import numpy as np

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

    Judged by `rise_by_chance`, either way.
    """
    return column.nulls


@rate(kinds=("category",), effect_floor=0.01, is_one_sided=True, default_for=("category",))
def new_categories(column: Column) -> int:
    """Share of rows whose category the reference never had, q - p with p = 0; judged by `rise_by_chance`."""
    return new_values_of(column)


def shares_differ(hits: int, rows: int, hits_before: int, rows_before: int) -> float:
    """How many standard errors a share rose (below zero: fell), steady also for shares near 0 and 1.

    z = 2 (asin sqrt(a) - asin sqrt(b)) / sqrt(1/n + 1/m), a and b the shares of (hits + 3/8) in (rows + 3/4)
    [Anscombe 1948, The transformation of Poisson, binomial and negative-binomial data].

    >>> round(shares_differ(hits=30, rows=1000, hits_before=100, rows_before=10_000), 2)
    4.51
    """
    return 2 * (_angle(hits, rows) - _angle(hits_before, rows_before)) / math.sqrt(1 / rows + 1 / rows_before)


def rise_by_chance(hits: float, rows: float, hits_before: float, rows_before: float) -> float:
    """The chance of at least so many of all hits among the window's rows, if hits fall on any row alike.

    P(X >= x), X hypergeometric: the one-sided exact test [Fisher 1935, The logic of inductive inference].
    Numbers need not be whole: those of clustered rows are divided by a design effect. For a fall, change the
    sides.

    >>> round(rise_by_chance(hits=3, rows=4, hits_before=1, rows_before=4), 4)
    0.2429
    """
    total = hits + hits_before
    if hits <= 0:
        return 1.0
    # Twenty standard deviations and more; later terms are nothing.
    most = min(total, rows, hits + 10 * math.sqrt(min(rows, rows_before)) + 100)
    k = np.arange(hits, most - 0.5)
    steps = np.log((total - k) * (rows - k)) - np.log((k + 1) * np.maximum(rows_before - total + k + 1, 1e-9))
    terms = np.cumsum(np.append(_log_hypergeometric(hits, rows, total, rows + rows_before), steps))
    greatest = float(terms.max())
    return min(1.0, math.exp(min(greatest + math.log(float(np.exp(terms - greatest).sum())), 0.0)))


def _log_hypergeometric(hits: float, rows: float, total: float, all_rows: float) -> float:
    return _log_choose(total, hits) + _log_choose(all_rows - total, rows - hits) - _log_choose(all_rows, rows)


def _log_choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _angle(hits: int, rows: int) -> float:
    return math.asin(math.sqrt((hits + 0.375) / (rows + 0.75)))


MEASURES = declared_in(globals())
