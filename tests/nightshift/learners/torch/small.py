"""Small trainings of networks: a few hundred rows, narrow layers, few epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nightshift.checkpoints.keeper import Keeper
from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Part, Task
from nightshift.learners.torch.learner import TorchLearner
from nightshift.spec.declaration import RECORDED
from nightshift.spec.learner import Torch
from nightshift.spec.project import Kind
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.protocol import Store

CLASSES: dict[Kind, tuple[str, ...]] = {
    "binary": ("0", "1"),
    "multiclass": ("a", "b", "c"),
    "regression": ("",),
}
ENCODER = Encoder(
    (
        Feature("a", "number", "double"),
        Feature("gap", "number", "double"),
        Feature("city", "category", "string", ("x", "y", "z")),
    )
)
PARAMS: dict[str, dict[str, Any]] = {
    "mlp": {"layers": [8], "dropout": 0.2},
    "tabm": {"networks": 3, "width": 8, "dropout": 0.2, "bins": 4},
}


def part(kind: Kind, rows: int = 200, seed: int = 1) -> Part:
    """Rows with a number, one with nulls, a category with nulls, and a label that they explain."""
    random = np.random.default_rng(seed)
    a, gap = random.normal(size=rows), random.normal(size=rows)
    city = random.integers(0, 3, rows)
    signal = a + (city == 1) + 0.4 * random.normal(size=rows)
    label = {
        "binary": (signal > 0.3).astype(float),
        "multiclass": np.digitize(signal, [-0.3, 0.8]).astype(float),
        "regression": 40 + 5 * signal,
    }[kind]
    features = pa.table(
        {
            "a": pa.array(a, pa.float32()),
            "gap": pa.array(gap, pa.float32(), mask=random.random(rows) < 0.1),
            "city": pa.array(city, pa.float32(), mask=random.random(rows) < 0.1),
        }
    )
    return Part(features, label, None)


def task_of(kind: Kind = "binary", *, watched: bool = True) -> Task:
    """A task of small parts."""
    return Task(kind, CLASSES[kind], ENCODER, part(kind), part(kind, 80, 2) if watched else None)


def recipe_of(network: str = "mlp", **changes: Any) -> Torch:
    """A short training: 25 steps an epoch, so that one boundary lies in the middle of each."""
    given = {
        "network": network,
        "epochs": 3,
        "batch_size": 8,
        "rate": 0.01,
        "params": PARAMS.get(network, {}),
    }
    # Read as a record, so that a network can be tried that could not be declared.
    return Torch.model_validate({"kind": "torch", **given, **changes}, context=RECORDED)


def fit(task: Task, recipe: Torch, oversight: Oversight | None = None) -> Fitted:
    """Train."""
    return TorchLearner().fit(task, recipe, oversight or Oversight())


def files_of(fitted: Fitted, folder: Path) -> dict[str, bytes]:
    """The model's files."""
    folder.mkdir(parents=True)
    fitted.model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class AlwaysDue(Keeper):
    """A keeper for which a checkpoint is due whenever it is asked, however busy the machine is."""

    def is_due(self, done: float) -> bool:
        """Wait for what is being written: a keeper with something else to do would say no until then."""
        self._settle()
        return True


def always_due(store: Store, run: str = "mark") -> Keeper:
    """A keeper of a training of networks that keeps a state at every boundary."""
    return AlwaysDue(store, "demo", run, "torch", CheckpointPolicy())
