"""The states of a training that are kept: the best one in memory, and checkpoints through the keeper."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import safetensors
import torch
from torch import Tensor

from nightshift.checkpoints.checkpoint import Checkpoint, Progress
from nightshift.learners.torch.given import Given
from nightshift.learners.torch.standing import Standing
from nightshift.learners.torch.state import (
    FILE,
    capture,
    capture_random,
    fits,
    packed,
    restore,
    restore_random,
    unpacked,
)

logger = logging.getLogger(__name__)


class Keeping:
    """Takes states of a network and its optimizer, and puts them back."""

    def __init__(self, given: Given, optimizer: torch.optim.Optimizer) -> None:
        self._given = given
        self._network = given.whole.network
        self._optimizer = optimizer
        self._best = capture(self._network, optimizer)
        self._best_packed: Checkpoint | None = None

    def hold_best(self) -> None:
        """Remember the state as it is now as the best one."""
        self._best, self._best_packed = capture(self._network, self._optimizer), None

    def go_back(self) -> None:
        """Go back to the best state; where there was no best yet, to the first weights."""
        restore(self._network, self._optimizer, self._best)

    def go_on(self) -> tuple[Standing, Checkpoint] | None:
        """Take up the newest checkpoint that can be used; None when there is none, and nothing has changed."""
        keeper, given = self._given.oversight.keeper, self._given
        checkpoint = keeper.newest() if keeper is not None else None
        if keeper is None or checkpoint is None:
            return None
        best = keeper.best_of(checkpoint)
        try:
            held = unpacked(checkpoint.files[FILE], given.device)
            best_held = {} if best is None else unpacked(best.files[FILE], given.device)
            standing = Standing(**checkpoint.state)
        except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
            logger.warning(
                "checkpoint: %s holds no state of a network, and training begins anew: %s",
                checkpoint.progress, error,
            )  # fmt: skip
            return None
        if not fits(self._network, held) or not fits(self._network, best_held):
            logger.warning(
                "checkpoint: %s is of another network, and training begins anew", checkpoint.progress
            )
            return None
        self._best = best_held
        restore(self._network, self._optimizer, held)
        restore_random(given.device, given.group, held)
        logger.info("train: goes on at %s", checkpoint.progress)
        return standing, checkpoint

    def keep_if_due(self, standing: Standing) -> None:
        """Keep a checkpoint when one is due, by the first process of the group."""
        keeper, given = self._given.oversight.keeper, self._given
        done = standing.epoch + standing.step / given.batches.steps
        if given.group.decide(lambda: "yes" if keeper and keeper.is_due(done) else None) is None:
            return
        random = capture_random(given.device, given.group)
        if keeper is not None and given.group.rank == 0:
            keeper.keep(lambda: self._checkpoint(standing, done, random), self._best_checkpoint(standing))

    def state(self, standing: Standing, *, is_best: bool) -> Checkpoint:
        """The best state, or the one that the network is in now, without what only a training in its middle needs."""
        held = self._best if is_best else capture(self._network, self._optimizer)
        done = float(standing.best_epoch if is_best else standing.epoch)
        return self._packed(standing, done, _known(standing.best_loss), held)

    def _checkpoint(self, standing: Standing, done: float, random: Mapping[str, Tensor]) -> Checkpoint:
        held = {**capture(self._network, self._optimizer), **random}
        losses = standing.history["validate"]
        return self._packed(
            standing, done, losses[-1] if losses else None, held, best=float(standing.best_epoch)
        )

    def _best_checkpoint(self, standing: Standing) -> Checkpoint:
        """The best state as a checkpoint, made once for each best state."""
        if self._best_packed is None:
            loss = _known(standing.best_loss)
            self._best_packed = self._packed(standing, float(standing.best_epoch), loss, self._best)
        return self._best_packed

    def _packed(
        self, standing: Standing, done: float, loss: float | None, held: Mapping[str, Tensor],
        best: float | None = None,
    ) -> Checkpoint:  # fmt: skip
        keeper, recipe = self._given.oversight.keeper, self._given.recipe
        progress = Progress(done, recipe.epochs, recipe.unit)
        run = keeper.run if keeper is not None else ""
        return Checkpoint(run, recipe.kind, progress, loss, standing.as_dict(), {FILE: packed(held)}, best)


def _known(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None
