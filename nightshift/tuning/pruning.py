"""When a trial is given up: its learner's own looks at the validation rows are worse than those of most before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

MARKS = 10
"""How many looks at one fold are compared; trainings of different lengths are compared at the same share of them."""

LEAST_PEERS = 4
"""Nobody is given up before so many trials of the same learner have passed the same mark."""

Losses = dict[int, float]


class PrunedError(Exception):
    """Raised through a learner's look to end a trial that leads nowhere. It never leaves the search."""


@dataclass(frozen=True)
class Peer:
    """An earlier trial of the same learner: its losses by mark, and whether it went through all folds."""

    losses: Losses
    is_complete: bool

    def at(self, mark: int) -> float | None:
        """Its best loss up to a mark: infinite when it was given up before; None when it never looked so early.

        Without those that were given up, every mark would be passed by the better half of those that passed the one
        before, and in the end by nobody.
        """
        if mark in self.losses:
            return self.losses[mark]
        if not self.is_complete:
            return math.inf
        first = (mark - 1) // MARKS * MARKS  # a training that stops early stays at what it had
        before = [each for each in self.losses if first < each < mark]
        return self.losses[max(before)] if before else None


class Watch:
    """Hears of one trial's looks, and ends it when it is worse than the median of the trials before it.

    Losses are compared, which are minimised whatever the deciding metric, and only among trials of one learner at the
    same mark of the same fold. After Golovin et al., Google Vizier, KDD 2017, section 3.2.2: the median stopping rule.

    Args:
        earlier: the trials before it that are of the same learner.
        tell: told of every mark that is passed, and of the best loss up to it.
        is_late: whether the time of the whole search is up.
    """

    def __init__(
        self,
        earlier: Sequence[Peer] = (),
        tell: Callable[[int, float], None] = lambda mark, loss: None,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        self._earlier, self._tell, self._is_late = earlier, tell, is_late
        self._best: Losses = {}
        self.losses: Losses = {}

    def look(self, fold: int, share: float, loss: float) -> None:
        """Hear of a loss on a fold, after this share of the longest training there could be.

        Raises:
            PrunedError: the trial is given up.
        """
        if self._is_late():
            raise PrunedError("the time of the search was up")
        best = self._best[fold] = min(self._best.get(fold, math.inf), loss)
        passed = int(MARKS * share + 1e-9)
        mark = fold * MARKS + passed
        if passed == 0 or mark in self.losses or not math.isfinite(best):
            return
        self.losses[mark] = best
        self._tell(mark, best)
        if is_worse(mark, best, self._earlier):
            raise PrunedError(f"worse than most trials on fold {fold + 1}, at {passed * 100 // MARKS} %")


def is_worse(mark: int, best: float, earlier: Sequence[Peer]) -> bool:
    """Whether the best loss up to a mark is worse than the median of the earlier trials' at that mark.

    >>> is_worse(1, 0.9, [Peer({1: loss}, is_complete=True) for loss in (0.5, 0.6, 0.7, 0.8)])
    True
    """
    peers = [loss for peer in earlier if (loss := peer.at(mark)) is not None]
    return len(peers) >= LEAST_PEERS and best > median(peers)
