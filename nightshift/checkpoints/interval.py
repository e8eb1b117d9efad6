"""When the next checkpoint is due."""

from __future__ import annotations

import math

from nightshift.spec.training import Every

MEAN_TIME_BETWEEN_FAILURES = 24 * 3600.0
"""Seconds. Of one machine that is also used for other things; the interval changes with its square root only."""

MOST_SHARE = 0.02
"""Of all time, that writing checkpoints may take."""

FIRST_LOOK = 5.0
"""Seconds until the first one of `auto`: only then is it known what one costs."""


def best_interval(cost: float) -> float:
    """Seconds between two checkpoints that cost `cost` seconds each.

    The interval with the least expected loss is sqrt(2 C M), C the cost of one and M the mean time between failures
    (J. W. Young, A first order approximation to the optimum checkpoint interval, Commun. ACM 17, 1974; J. T. Daly,
    Future Gener. Comput. Syst. 22, 2006, with terms that matter only where C is not small against M). It is
    stretched where that would take more than `MOST_SHARE` of the time.

    >>> round(best_interval(0.05))
    93
    >>> round(best_interval(100.0))
    5000
    """
    return max(math.sqrt(2 * cost * MEAN_TIME_BETWEEN_FAILURES), cost / MOST_SHARE)


def seconds_between(every: Every, cost: float | None) -> float:
    """Seconds from one checkpoint to the next, where the clock decides.

    Args:
        cost: of one checkpoint, in seconds; None before the first.
    """
    if every.unit == "seconds":
        return float(every.count)
    return FIRST_LOOK if cost is None else best_interval(cost)
