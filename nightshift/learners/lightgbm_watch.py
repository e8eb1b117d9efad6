"""What a LightGBM training has seen round by round, and when that ends it."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb

from nightshift.errors import DataRefusedError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import ALL_ROUNDS, History
from nightshift.spec.learner import LightGBM


@dataclass(eq=False)
class Watch:
    """Metrics so far, the best round, and how long ago that was: all of it goes into a checkpoint.

    The first metric of `validate` decides, as LightGBM's own early stopping has it with `first_metric_only`.

    Attributes:
        first: rounds of the model that training began with, which are none of the recipe's.
        rounds: how many were trained.
        best_round: of the least loss; 0 while nothing is watched.
        astray: how many rounds in a row the loss lay far above its best.
        order: among LightGBM's callbacks: before the boundaries, since it may end the training.
    """

    recipe: LightGBM
    oversight: Oversight
    first: int = 0
    history: History = field(default_factory=dict)
    rounds: int = 0
    best_round: int = 0
    best_loss: float = math.inf
    astray: int = 0
    ended: str = ALL_ROUNDS
    has_diverged: bool = False
    spent_at: float | None = None
    order: int = 20

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON-ready, and exact."""
        names = ("history", "rounds", "best_round", "best_loss", "astray")
        # A copy: it is written while training goes on, and the metrics with it.
        return deepcopy({name: getattr(self, name) for name in names})

    def restore(self, state: dict[str, Any]) -> None:
        """Be as it was when `state` was taken.

        Raises:
            ValueError: it holds something else than `state` gives.
        """
        if state.keys() != self.state().keys():
            raise ValueError(f"it holds {', '.join(sorted(state))}")
        for name, value in state.items():
            setattr(self, name, value)

    @property
    def kept(self) -> int:
        """How many rounds the model keeps: those up to the best one where something stopped it, else all."""
        stopped = self.recipe.early_stopping is not None or self.has_diverged
        return self.best_round if stopped and self.best_round else self.rounds

    def __call__(self, env: lgb.callback.CallbackEnv) -> None:
        """Look at a round that was trained; ends the training when there is reason to."""
        self.rounds = env.iteration + 1 - self.first
        loss = self._look(env.evaluation_result_list or [])
        if loss is not None:
            self.oversight.looked(self.rounds, loss)
        reason = self._reason(loss) or self._spent()
        if reason is not None:
            self.ended = reason
            raise lgb.callback.EarlyStopException(self.rounds - 1, [])

    def _look(self, results: list[Any]) -> float | None:
        """Write the metrics of a round down; the loss that decides, less is better."""
        decides = None
        for part, name, value, greater_is_better, *_ in results:
            self.history.setdefault(part, {}).setdefault(name, []).append(float(value))
            if decides is None and part == "validate":
                decides = -float(value) if greater_is_better else float(value)
        return decides

    def _reason(self, loss: float | None) -> str | None:
        if loss is None:
            return None
        if not math.isfinite(loss):
            return self._diverged("the validation loss is no number")
        if loss < self.best_loss:
            self.best_loss, self.best_round, self.astray = loss, self.rounds, 0
            return None
        divergence = self.recipe.divergence
        self.astray = self.astray + 1 if divergence.is_far(loss, self.best_loss) else 0
        if self.astray >= divergence.patience:
            return self._diverged(
                f"the validation loss {loss:.6g} is far above its best, {self.best_loss:.6g}"
            )
        patience = self.recipe.early_stopping
        if patience is not None and self.rounds - self.best_round >= patience:
            return f"stopped early: the validation loss has not improved for {patience} rounds"
        return None

    def _diverged(self, why: str) -> str:
        if not self.best_round:
            raise DataRefusedError(
                f"training went wrong in its first round: {why}", where="learner",
                remedy="look at the label and its weights for values that are no numbers, or lower learning_rate",
            )  # fmt: skip
        self.has_diverged = True
        return f"diverged: {why}; the model is that of round {self.best_round}"

    def _spent(self) -> str | None:
        spent = self.oversight.spent(self.rounds)
        if spent is None:
            return None
        self.spent_at = float(self.rounds)
        return f"{spent} at round {self.rounds} of {self.recipe.rounds}"
