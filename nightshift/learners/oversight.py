"""What a training is overseen by: where it writes down how far it is, what it may cost, and who may end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nightshift.checkpoints.keeper import Keeper


def _unlimited(done: float) -> str | None:
    return None


def _goes_on(done: float, loss: float) -> None:
    return None


def _untold(seconds: float, peak_mb: float) -> None:
    return None


@dataclass(frozen=True)
class Oversight:
    """What a learner asks while it trains; without anything, it trains to its end and keeps nothing.

    Attributes:
        keeper: where checkpoints are kept, and found again; None for none.
        spent: asked at every boundary, with the rounds or epochs done by then: in words what of the budget is spent, or
            None while training may go on.
        looked: told of every validation: rounds or epochs done, and the loss. It may raise, which ends the training.
        took_gpu: told, by a learner that uses one and as often as it likes, of the seconds of a GPU at work in this
            process so far, and of the most of its memory that was taken, in MB.
    """

    keeper: Keeper | None = None
    spent: Callable[[float], str | None] = _unlimited
    looked: Callable[[float, float], None] = _goes_on
    took_gpu: Callable[[float, float], None] = _untold
