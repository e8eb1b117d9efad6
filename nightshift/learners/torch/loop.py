"""The training of a network: epochs of steps, looks at the validation rows, and boundaries at which it can be left."""

from __future__ import annotations

import logging
import math
import time

import torch
from torch import Tensor

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.learners.torch.batches import Batch
from nightshift.learners.torch.device import be_deterministic_when_compiled, compiles, precision_of
from nightshift.learners.torch.given import Given
from nightshift.learners.torch.keeping import Keeping
from nightshift.learners.torch.rates import share_at
from nightshift.learners.torch.standing import Standing, Verdict
from nightshift.learners.torch.state import optimizer_of

logger = logging.getLogger(__name__)

BOUNDARY = 16
"""Steps from one boundary to the next: there the loss is looked at, the budget, and whether a checkpoint is due."""


class Training:
    """One training, from its first step or from a checkpoint to its end.

    Everything that shapes the model is in its tensors, in torch's generators and in `standing`; a checkpoint holds
    all three. The clock only decides at which boundaries one is written.
    """

    def __init__(self, given: Given) -> None:
        self._given = given
        self._whole = given.whole
        self.standing = Standing()
        recipe = given.recipe
        self._optimizer = optimizer_of(
            self._whole.network.named_parameters(), recipe.rate, recipe.weight_decay
        )
        network = given.group.wrap(self._whole.network)
        if compiles(recipe, given.device, given.batches.steps * recipe.epochs):
            be_deterministic_when_compiled()
            network = torch.compile(network)  # type: ignore[assignment]
        self._network = network
        self._keeping = Keeping(given, self._optimizer)
        self._precision = precision_of(recipe, given.device)
        self._gpu_seconds = 0.0
        self.resumed_from: Checkpoint | None = None

    def run(self) -> None:
        """Train to the end; afterwards the network has the weights to keep."""
        found = self._keeping.go_on()
        if found is not None:
            self.standing, self.resumed_from = found
        while not self.standing.ended and self.standing.epoch < self._given.recipe.epochs:
            self._epoch()
        if self.keeps_best:
            self._keeping.go_back()

    @property
    def keeps_best(self) -> bool:
        """Whether the best state is kept, and not the last."""
        chosen = self._given.watch is not None and self._given.recipe.early_stopping is not None
        return chosen or self.standing.went_back

    def state(self) -> Checkpoint:
        """The state that the model is of, from which training can go on."""
        return self._keeping.state(self.standing, is_best=self.keeps_best)

    def _epoch(self) -> None:
        given, standing = self._given, self.standing
        standing.went_back = False
        if standing.step == 0 and standing.epoch == given.plan.stretch(standing.epoch).first:
            standing.begin_stretch()
        given.plan.enter(self._whole.network, standing.epoch)
        started = time.perf_counter()
        sum_here = _zero(given.device)
        goes_on = True
        for batch in given.batches.of(standing.epoch, standing.step):
            sum_here += self._step(batch)
            standing.step += 1
            standing.rows += batch.rows
            if standing.step % BOUNDARY == 0 and standing.step < given.batches.steps:
                goes_on = self._at_boundary(sum_here)
                sum_here = _zero(given.device)
                if not goes_on:
                    break
        if goes_on:
            standing.loss_sum += float(given.group.total(sum_here))
        self._gpu_seconds += time.perf_counter() - started
        self._close_epoch()

    def _step(self, batch: Batch) -> Tensor:
        """Learn from one batch; the sum of its losses."""
        given = self._given
        self._set_rate()
        with torch.autocast(given.device.type, torch.bfloat16, enabled=self._precision is torch.bfloat16):
            outputs = self._network(batch.numbers, batch.codes, *batch.images)
        losses = given.objective.losses(outputs, batch.target)
        if batch.weight is not None:
            losses = losses * batch.weight
        total = losses.sum()
        self._optimizer.zero_grad(set_to_none=True)
        # Gradients are averaged over the processes: each one's share counts as often as there are processes.
        (total * (given.group.ranks / batch.rows)).backward()  # type: ignore[no-untyped-call]
        if given.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self._whole.network.parameters(), given.recipe.clip)
        self._optimizer.step()
        return total.detach().double()

    def _set_rate(self) -> None:
        given, standing = self._given, self.standing
        stretch = given.plan.stretch(standing.epoch)
        steps = given.batches.steps
        step = (standing.epoch - stretch.first) * steps + standing.step
        share = share_at(step, stretch.epochs * steps, given.recipe.warm_up)
        rate = given.recipe.rate * stretch.share * share * standing.slowed
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _at_boundary(self, sum_here: Tensor) -> bool:
        """Look at the loss and at the budget, and keep a checkpoint if one is due; whether the epoch goes on."""
        standing = self.standing
        standing.loss_sum += float(self._given.group.total(sum_here))
        if not math.isfinite(standing.loss_sum):
            return False
        standing.ended = self._spent()
        if standing.ended:
            return False
        self._keeping.keep_if_due(standing)
        return True

    def _spent(self) -> str:
        """What of the budget is spent, if so; an epoch cut short by it counts as far as it got."""
        given, standing = self._given, self.standing
        done = standing.epoch + standing.step / max(given.batches.steps, 1)
        said = given.group.decide(lambda: given.oversight.spent(done)) or ""
        standing.spent_at = done if said else None
        return said

    def _close_epoch(self) -> None:
        """Look at the validation rows, and decide how it goes on."""
        given, standing = self._given, self.standing
        mean = standing.loss_sum / max(standing.rows, 1)
        standing.epoch += 1
        standing.begin_epoch()
        trained = given.objective.trained(mean) if math.isfinite(mean) else math.nan
        loss = trained
        if given.watch is not None:
            loss = given.watch.loss(self._whole, given.group) if math.isfinite(mean) else math.nan
            standing.history["train"].append(trained)
            standing.history["validate"].append(loss)
        self._judge(loss)
        logger.debug(
            "train: epoch %d of %d", standing.epoch, given.recipe.epochs,
            extra={"step": "train", "done": standing.epoch, "total": given.recipe.epochs},
        )  # fmt: skip
        if given.watch is not None and math.isfinite(loss) and given.group.rank == 0:
            given.oversight.looked(float(standing.epoch), loss)
        self._tell_gpu()
        standing.ended = standing.ended or self._spent()
        if not standing.ended:
            self._keeping.keep_if_due(standing)

    def _judge(self, loss: float) -> None:
        """Keep the state if it is the best, go back to the best if training has gone wrong."""
        given, standing = self._given, self.standing
        if given.watch is None and math.isfinite(loss):
            # Nothing says which state is best: the last one that is sound.
            standing.best_epoch, verdict = standing.epoch, Verdict.BEST
        else:
            verdict = standing.look(loss, given.recipe, may_stop=given.plan.is_last(standing.epoch - 1))
        if verdict is Verdict.BEST:
            self._keeping.hold_best()
        if verdict is Verdict.WRONG:
            why = (
                "the validation loss was far above its best"
                if math.isfinite(loss)
                else "the loss was no number"
            )
            if standing.recover(why, given.recipe):
                logger.warning("train: %s", standing.notes[-1])
            self._keeping.go_back()

    def _tell_gpu(self) -> None:
        device = self._given.device
        if device.type == "cuda":
            peak_mb = torch.cuda.max_memory_allocated(device) / 1e6
            self._given.oversight.took_gpu(self._gpu_seconds, peak_mb)


def _zero(device: torch.device) -> Tensor:
    return torch.zeros((), dtype=torch.float64, device=device)
