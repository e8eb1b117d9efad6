"""What every kind of learner can do, and what it is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.checkpoints.keeper import NOTHING_KEPT, Kept
from nightshift.dataset.encoder import Encoder
from nightshift.learners.model import Floats, Model
from nightshift.learners.oversight import Oversight
from nightshift.spec.project import Kind

History = dict[str, dict[str, list[float]]]
ALL_ROUNDS, ALL_EPOCHS = "all rounds", "all epochs"


@dataclass(frozen=True)
class Part:
    """Encoded rows of one window, mapped from disk: float32 features, the label, and a weight a row if any."""

    features: pa.Table
    label: Floats
    weight: Floats | None


@dataclass(frozen=True)
class Origin:
    """A trained model that training begins with.

    Attributes:
        name: what it is, for people: `flights-delay-nn version 3`, or a path.
        encoder: None of a bare safetensors file, whose columns are matched by the names of its tensors alone.
        folder: with the model's files.
    """

    name: str
    learner: str
    kind: Kind
    classes: tuple[str, ...]
    encoder: Encoder | None
    folder: Path


@dataclass(frozen=True)
class Task:
    """What is to be learnt from what; without `validate`, for as many rounds as the recipe says.

    Attributes:
        encoder: how the columns of `train` and `validate` were made, with the vocabulary of each category.
        origin: the model to begin with, if the recipe names one.
        scratch: a folder that stays until this training has ended, whatever processes it takes: what is made of the
            rows may be kept there. None for none.
    """

    kind: Kind
    classes: tuple[str, ...]
    encoder: Encoder
    train: Part
    validate: Part | None
    origin: Origin | None = None
    scratch: Path | None = None


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came to be.

    Attributes:
        history: metric by round, for the parts `train` and `validate`; empty when there was nothing to watch.
        rounds: how many rounds (of a network: epochs) were trained.
        best_round: how many the model keeps.
        ended: why training ended, in words: all rounds, stopped early, the budget, or divergence.
        notes: what a person should know of it: recoveries, what was taken over from another model.
        resumed_from: the checkpoint that this process went on from, if any.
        kept: what was written of checkpoints.
        state: all that is needed to go on training from the model, beside the model itself.
        spent_at: the rounds or epochs done when the budget was spent; None where something else ended training.
    """

    model: Model
    history: History
    rounds: int
    best_round: int
    ended: str = ALL_ROUNDS
    notes: tuple[str, ...] = ()
    resumed_from: Checkpoint | None = None
    kept: Kept = NOTHING_KEPT
    state: Checkpoint | None = None
    spent_at: float | None = None


class Learner(Protocol):
    """Trains models of one kind and loads them again."""

    def fit(self, task: Task, recipe: Any, oversight: Oversight) -> Fitted:
        """Train on `task.train`, stopping early by `task.validate` when it is there.

        Args:
            recipe: the declaration of this kind of learner.
            oversight: where it writes down how far it is, and what it may cost.
        """
        ...

    def load(self, folder: Path) -> Model:
        """The model that `Model.save` wrote into `folder`."""
        ...
