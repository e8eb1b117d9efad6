"""Networks by torch: trained from mapped columns, resumed bit by bit, kept as safetensors and JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nightshift.checkpoints.keeper import NOTHING_KEPT
from nightshift.errors import RequestError
from nightshift.learners.numbers import check_numbers
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import ALL_EPOCHS, Fitted, Part, Task
from nightshift.learners.torch.batches import Batches
from nightshift.learners.torch.device import device_of, seed_all, set_up
from nightshift.learners.torch.given import Given
from nightshift.learners.torch.group import Alone, Group
from nightshift.learners.torch.importance import importance_of
from nightshift.learners.torch.loop import Training
from nightshift.learners.torch.model import Description, TorchModel, Whole, load_model
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.phases import Phases
from nightshift.learners.torch.plan import Everything, Plan
from nightshift.learners.torch.rows import Rows
from nightshift.learners.torch.statistics import learn_inputs
from nightshift.learners.torch.together import fit_together
from nightshift.learners.torch.transfer import Transfer
from nightshift.learners.torch.watch import Watch
from nightshift.spec.learner import Torch


class TorchLearner:
    """Trains and loads networks."""

    def fit(self, task: Task, recipe: Torch, oversight: Oversight) -> Fitted:
        """Train up to `recipe.epochs` epochs; with early stopping keep the one of the least validation loss.

        Raises:
            RequestError: the network cannot be built, gives outputs of another shape, or never learnt anything.
            DataRefusedError: a label or a weight is no number.
        """
        if recipe.processes > 1:
            return fit_together(task, recipe, oversight)
        return fit_in(Alone(), task, recipe, oversight)

    def load(self, folder: Path) -> TorchModel:
        """The network of `network.safetensors` and `network.json`."""
        return load_model(folder)


def fit_in(group: Group, task: Task, recipe: Torch, oversight: Oversight) -> Fitted:
    """Train as one process of a group; see `TorchLearner.fit`."""
    check_numbers(task)
    device = device_of(recipe, group.rank)
    with set_up(device, recipe.seed, deterministic=recipe.deterministic):
        objective = Objective.of(task.kind, len(task.classes), task.train.label)
        inputs = learn_inputs(task.encoder, Rows(task.train.features))
        transfer = None if task.origin is None else Transfer.of(task.origin, recipe, task, inputs)
        if transfer is not None:
            inputs, objective = transfer.inputs, transfer.objective or objective
        described = Description(recipe.network, recipe.params, recipe.network_text, inputs, objective)
        whole = described.build()
        plan: Plan = Everything(recipe.epochs)
        notes: tuple[str, ...] = ()
        if transfer is not None:
            notes = transfer.take_over(whole.network)
            plan = Phases(recipe.transfer_phases)
            recipe = recipe.model_copy(update={"epochs": min(recipe.epochs, plan.epochs)})
        check_outputs(whole, described, task.train)
        # What is drawn from now on is dropped rows of each process's own.
        seed_all(device, recipe.seed * 1_000_003 + group.rank + 1)
        whole = whole.to(device)
        batches = Batches(
            task.train,
            objective,
            whole.prepare,
            recipe.batch_size,
            recipe.seed,
            device,
            group.rank,
            group.ranks,
        )
        watch = (
            None if task.validate is None else Watch(task.validate, objective, device, inputs.rows_at_once)
        )
        training = Training(
            Given(
                whole,
                objective,
                batches,
                watch,
                recipe,
                plan,
                device,
                group,
                oversight,
            )
        )
        training.run()
        fitted = _fitted(training, described, whole, task, oversight)
        return replace(fitted, notes=(*notes, *fitted.notes))


def _fitted(
    training: Training, described: Description, whole: Whole, task: Task, oversight: Oversight
) -> Fitted:
    standing = training.standing
    if standing.best_epoch == 0:
        raise RequestError(
            "the loss was no number from the first epoch on", where="learner.rate",
            remedy="lower learner.rate, or look at the columns and the label",
        )  # fmt: skip
    spread = importance_of(whole, described.objective, described.inputs, task.train)
    # In the order of the columns, as every learner tells it.
    spread = {name: spread[name] for name in task.encoder.names}
    model = TorchModel(replace(described, spread=spread), whole)
    metric = described.objective.metric
    watched = {part: {metric: losses} for part, losses in standing.history.items()}
    return Fitted(
        model,
        watched if task.validate is not None else {},
        rounds=standing.epoch,
        best_round=standing.best_epoch if training.keeps_best else standing.epoch,
        ended=standing.ended or ALL_EPOCHS,
        spent_at=standing.spent_at,
        notes=tuple(standing.notes),
        resumed_from=training.resumed_from,
        kept=oversight.keeper.finish() if oversight.keeper is not None else NOTHING_KEPT,
        state=training.state(),
    )


def check_outputs(whole: Whole, described: Description, part: Part) -> None:
    """Run a few rows through the network before any training.

    Raises:
        RequestError: it cannot be run, or its outputs have another shape than they should.
    """
    rows = Rows(part.features)
    places = np.arange(min(rows.count, 3))
    count, outputs = len(places), described.objective.outputs
    whole.eval()
    try:
        with torch.no_grad():
            found = tuple(whole.of_rows(rows, places).shape)
    except Exception as error:
        raise RequestError(
            f"the network {described.name} cannot be run on {count} rows: {type(error).__name__}: {error}",
            where="learner.network",
            remedy="it is called with numbers (rows, width), codes (rows, categories), and the images of each column",
        ) from error  # fmt: skip
    if found not in ((count, outputs), (count, *found[1:2], outputs)):
        raise RequestError(
            f"the network {described.name} gives outputs of shape {found} for {count} rows", where="learner.network",
            valid=[f"({count}, {outputs})", f"({count}, networks, {outputs})"],
            remedy=f"end it with a layer of {outputs} outputs",
        )  # fmt: skip
