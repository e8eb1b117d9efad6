"""Small trainings of trees: a few hundred rows, few leaves, forty rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.checkpoints.keeper import Keeper
from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.lightgbm import FILE_NAME, LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Part, Task
from nightshift.spec.learner import LightGBM
from nightshift.spec.project import Kind
from nightshift.spec.training import CheckpointPolicy
from nightshift.store.memory import MemoryStore
from nightshift.store.protocol import Store

SEED, ROWS, ROUNDS = 20240617, 600, 40
RANDOM: dict[str, Any] = {
    "bagging_fraction": 0.6, "bagging_freq": 2, "feature_fraction": 0.5, "extra_trees": True,
}  # fmt: skip
CLASSES: dict[Kind, tuple[str, ...]] = {
    "binary": ("0", "1"),
    "multiclass": ("a", "b", "c"),
    "regression": ("",),
}
ENCODER = Encoder(
    (
        *(Feature(name, "number", "float") for name in "abc"),
        Feature("city", "category", "string", ("x", "y", "z")),
    )
)


class Stopped(Exception):
    """Stands for a killed process."""


def part(kind: Kind, seed: int) -> Part:
    """Rows with numbers, nulls, a category, and a label that they explain."""
    random = np.random.default_rng(seed)
    numbers = {name: random.normal(size=ROWS).astype(np.float32) for name in "abc"}
    numbers["b"][::7] = np.nan
    city = random.integers(0, 3, ROWS).astype(np.float32)
    signal = numbers["a"] + (city == 1) + 0.4 * random.normal(size=ROWS)
    label = {
        "binary": (signal > 0.3).astype(float),
        "multiclass": np.digitize(signal, [-0.3, 0.8]).astype(float),
        "regression": signal.astype(float),
    }[kind]
    return Part(pa.table({**numbers, "city": city}), label, None)


def task(kind: Kind, scratch: Path | None = None) -> Task:
    """A task of two small parts."""
    return Task(kind, CLASSES[kind], ENCODER, part(kind, SEED), part(kind, SEED + 1), scratch=scratch)


def recipe(**changes: Any) -> LightGBM:
    """A short training on one thread."""
    params = {"num_leaves": 7, "num_threads": 1, "min_data_in_leaf": 5, **changes.pop("params", {})}
    declared = {
        "kind": "lightgbm",
        "rounds": ROUNDS,
        "early_stopping": None,
        "reseed_every": 4,
        "params": params,
    }
    return LightGBM.model_validate({**declared, **changes})


def keeper(store: Store, every: str = "4 rounds") -> Keeper:
    """The checkpoints of one training in `store`."""
    return Keeper(store, "demo", "mark", "lightgbm", CheckpointPolicy(every=every))


def until(last: int) -> Callable[[float, float], None]:
    """Who is told of every round, and ends the training at `last`."""

    def looked(done: float, loss: float) -> None:
        if done == last:
            raise Stopped

    return looked


def text_of(fitted: Fitted, folder: Path) -> str:
    """The model's file, saved into a new folder."""
    folder.mkdir()
    fitted.model.save(folder)
    return (folder / FILE_NAME).read_text()


def interrupted(given: Task, declared: LightGBM, moments: list[int]) -> Fitted:
    """Fit, cut short at each of `moments`, and at last to the end."""
    store = MemoryStore()
    for moment in moments:
        kept = keeper(store)
        with pytest.raises(Stopped):
            LightGBMLearner().fit(given, declared, Oversight(kept, looked=until(moment)))
        kept.finish()
    return LightGBMLearner().fit(given, declared, Oversight(keeper(store)))
