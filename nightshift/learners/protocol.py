"""What every kind of learner can do, and what it is given and gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nightshift.spec.project import Kind, LightGBM

Floats = npt.NDArray[np.float64]
History = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Part:
    """Encoded rows of one window, mapped from disk: float32 features, the label, and a weight a row if any."""

    features: pa.Table
    label: Floats
    weight: Floats | None


@dataclass(frozen=True)
class Task:
    """What is to be learnt from what; without `validate`, for as many rounds as the recipe says."""

    kind: Kind
    classes: tuple[str, ...]
    categories: tuple[int, ...]
    train: Part
    validate: Part | None


class Model(Protocol):
    """A trained model: scores encoded rows, and is kept in files that hold no code."""

    def score(self, features: pa.Table) -> Floats:
        """Scores of float32 columns: (n,) probabilities or values, (n, classes) for multiclass."""
        ...

    def importance(self) -> Mapping[str, float]:
        """How much each feature contributed, in the learner's own unit."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""
        ...


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came to be.

    Attributes:
        history: metric by round, for the parts `train` and `validate`; empty when there was nothing to watch.
        rounds: how many were trained.
        best_round: how many the model keeps.
    """

    model: Model
    history: History
    rounds: int
    best_round: int


class Learner(Protocol):
    """Trains models of one kind and loads them again."""

    def fit(self, task: Task, recipe: LightGBM) -> Fitted:
        """Train on `task.train`, stopping early by `task.validate` when it is there."""
        ...

    def load(self, folder: Path) -> Model:
        """The model that `Model.save` wrote into `folder`."""
        ...
