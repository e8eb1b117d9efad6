"""Where a training stands, beside its weights, and what a look at the validation rows means for it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from nightshift.spec.learner import Torch


class Verdict(Enum):
    """What follows from a look: it is the best state so far, training goes on, or it has gone wrong."""

    BEST = "best"
    ON = "on"
    WRONG = "wrong"


@dataclass
class Standing:
    """What a training knows of itself, JSON-ready: with weights, moments and random states it is all there is.

    Attributes:
        epoch, step: epochs done, and steps done of the next.
        loss_sum: of the losses of the epoch's rows so far, times their weights; in float64.
        rows: seen in the epoch so far.
        best_loss, best_epoch: of the best state: of the first weights before any look.
        unimproved, on_plateau, far_off: looks in a row without a better loss: since the best, since the rate was
            lowered last, and far above the best.
        slowed: what all rates are multiplied by.
        went_back: the weights are those of the best state, because those of the last epoch had gone wrong.
        ended: why training ended, in words; empty while it goes on.
        spent_at: the epochs done when the budget was spent.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    rows: int = 0
    history: dict[str, list[float]] = field(default_factory=lambda: {"train": [], "validate": []})
    best_loss: float = math.inf
    best_epoch: int = 0
    unimproved: int = 0
    on_plateau: int = 0
    far_off: int = 0
    slowed: float = 1.0
    went_back: bool = False
    recoveries: int = 0
    notes: list[str] = field(default_factory=list)
    ended: str = ""
    spent_at: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The standing as a JSON-ready mapping."""
        return asdict(self)

    def begin_epoch(self) -> None:
        """Count the next epoch from its first step on."""
        self.step, self.loss_sum, self.rows = 0, 0.0, 0

    def begin_stretch(self) -> None:
        """Be patient anew: other layers learn from here on."""
        self.unimproved = self.on_plateau = 0

    def look(self, loss: float, recipe: Torch, *, may_stop: bool = True) -> Verdict:
        """What the validation loss of the epoch just done means; the rate is lowered on a plateau."""
        if not math.isfinite(loss):
            return Verdict.WRONG
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.unimproved = self.on_plateau = self.far_off = 0
            return Verdict.BEST
        self.unimproved += 1
        self.on_plateau += 1
        self.far_off = self.far_off + 1 if recipe.divergence.is_far(loss, self.best_loss) else 0
        if self.far_off >= recipe.divergence.patience:
            return Verdict.WRONG
        plateau = recipe.plateau
        if plateau is not None and self.on_plateau > plateau.patience:
            self.slowed = max(
                self.slowed * plateau.factor, min(self.slowed, plateau.least_rate / recipe.rate)
            )
            self.on_plateau = 0
        if may_stop and recipe.early_stopping is not None and self.unimproved >= recipe.early_stopping:
            self.ended = (
                f"stopped early: the validation loss has not improved for {recipe.early_stopping} epochs"
            )
        return Verdict.ON

    def recover(self, why: str, recipe: Torch) -> bool:
        """Note that the best state is gone back to; whether training may go on from there, more slowly."""
        self.far_off = self.unimproved = self.on_plateau = 0
        self.went_back = True
        policy = recipe.divergence
        if self.recoveries >= policy.max_recoveries:
            self.ended = f"diverged: {why} in epoch {self.epoch}, after {self.recoveries} recoveries"
            return False
        self.recoveries += 1
        self.slowed *= policy.slow_down
        self.notes.append(
            f"{why} in epoch {self.epoch}: back to the state of epoch {self.best_epoch}, "
            f"with the rate times {policy.slow_down:g}"
        )
        return True
