"""Watches what a training takes, and says when its budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable

from nightshift.cost.meter import Meter
from nightshift.spec.training import Budget

SECONDS_BETWEEN_LOOKS = 0.25


class Watch:
    """Asked at every round or step; looks at the process a few times a second and no more."""

    def __init__(self, budget: Budget, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._meter = meter
        self._clock = clock
        self._next = clock()
        self._said: str | None = None

    def spent(self) -> str | None:
        """What of the budget is spent, in words that go before `at round 120 of 500`; None while there is some left."""
        if self._said is None and self._clock() >= self._next:
            self._next = self._clock() + SECONDS_BETWEEN_LOOKS
            self._said = self._find()
        return self._said

    def _find(self) -> str | None:
        now, minutes, memory = self._meter.look(), self._budget.minutes, self._budget.memory
        if minutes is not None and self._meter.minutes >= minutes:
            return f"the budget of {minutes:g} minutes was spent"
        if memory is not None and now.own_mb >= memory / 1e6:
            return f"the budget of {memory / 1e6:,.0f} MB of memory was spent"
        return None
