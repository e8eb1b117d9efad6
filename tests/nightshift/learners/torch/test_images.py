"""Networks that look at images: trained, resumed and carried over like any other."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import safetensors.torch
import torch

from nightshift.dataset.encoder import Encoder, Feature
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.registry import learner
from nightshift.learners.torch import batches as batches_module
from nightshift.learners.torch.model import TorchModel
from nightshift.learners.torch.rows import NO_IMAGE, Rows
from nightshift.store.memory import MemoryStore
from tests.nightshift.learners.torch import small
from tests.nightshift.learners.torch.pictures import (
    ENCODER,
    SIZE,
    origin_of,
    part_of,
    picture,
    recipe_of,
    task_of,
)
from tests.nightshift.learners.torch.small import always_due, files_of, fit

OLD, NEW = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
RANDOM = np.random.default_rng(0)
PHASES = [{"train": "head", "epochs": 1}, {"unfreeze": "last:1", "epochs": 1, "rate": "0.5x"},
          {"unfreeze": "all", "epochs": 1, "rate": "0.1x"}]  # fmt: skip
FROM = {"from_model": {"project": "first", "version": 1}}


def seconds(rows: int = 96) -> Task:
    """A small task: ten rows a class to watch."""
    return task_of(OLD, part_of(OLD, each=rows // 5), part_of(OLD, slice(100, None), each=10))


def test_a_network_learns_digits_and_what_it_knows_carries_over(tmp_path: Path) -> None:
    rows = slice(0, 120)
    pretrained = fit(task_of(OLD, part_of(OLD, rows), None), recipe_of(epochs=6, early_stopping=None))
    origin = origin_of(pretrained, tmp_path / "first", OLD)
    few, test = part_of(NEW, each=20), part_of(NEW, slice(60, None))
    phases = [{"train": "head", "epochs": 5}, {"unfreeze": "all", "epochs": 5, "rate": "0.3x"}]
    scratch = recipe_of(epochs=10, early_stopping=None)
    found = {
        "transfer": fit(task_of(NEW, few, None, origin), scratch.model_copy(
            update={"from_model": FROM["from_model"], "phases": recipe_of(epochs=10, phases=phases, **FROM).phases})),
        "scratch": fit(task_of(NEW, few, None), scratch),
    }  # fmt: skip
    right = {
        name: (one.model.score(test.features).argmax(axis=1) == test.label).mean()
        for name, one in found.items()
    }
    assert right["transfer"] > 0.8
    assert right["transfer"] > right["scratch"] + 0.05
    assert "1 of 1 columns taken over" in " ".join(found["transfer"].notes)


def test_a_saved_network_scores_as_it_did(tmp_path: Path) -> None:
    fitted = fit(seconds(), recipe_of(epochs=1))
    files_of(fitted, tmp_path / "model")
    features = part_of(OLD, each=7).features
    loaded = learner("torch").load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score(features), fitted.model.score(features))
    alone = np.concatenate([loaded.score(features.slice(place, 1)) for place in range(features.num_rows)])
    np.testing.assert_allclose(alone, loaded.score(features), atol=1e-6)


def test_cut_short_in_the_middle_it_ends_with_the_same_bytes(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    asked = iter(range(1, 100))

    def spent() -> str | None:
        if next(asked) == 4:
            raise Killed
        return None

    task, recipe, store = seconds(), recipe_of(batch_size=5), MemoryStore()
    kept = always_due(store)
    with pytest.raises(Killed):
        fit(task, recipe, Oversight(kept, spent=spent))
    kept.finish()
    again = fit(task, recipe, Oversight(always_due(store)))
    assert again.resumed_from is not None
    assert again.resumed_from.progress.done % 1
    assert files_of(again, tmp_path / "again") == files_of(fit(task, recipe), tmp_path / "whole")
