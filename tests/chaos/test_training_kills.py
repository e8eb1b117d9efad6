"""A LightGBM training that is killed again and again, often in the middle of a checkpoint, ends with the same bytes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nightshift.checkpoints.keeper import Keeper
from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.lightgbm import LightGBMLearner
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.spec.learner import LightGBM
from nightshift.spec.training import CheckpointPolicy
from tests.chaos.forked import SlowStore, end_with, kill, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

SEED, ROWS, ROUNDS = 20240911, 8_000, 100
TRAININGS, KILLS = 20, 5
RECIPE = LightGBM.model_validate(
    {
        "kind": "lightgbm", "rounds": ROUNDS, "early_stopping": None, "reseed_every": 4,
        "params": {"num_leaves": 31, "num_threads": 1, "bagging_fraction": 0.7, "bagging_freq": 2,
                   "feature_fraction": 0.6, "extra_trees": True},
    }
)  # fmt: skip


def part(seed: int) -> Part:
    random = np.random.default_rng(seed)
    columns = {f"x{place}": random.normal(size=ROWS).astype(np.float32) for place in range(8)}
    label = (columns["x0"] + columns["x1"] * columns["x2"] + random.normal(size=ROWS) > 0).astype(float)
    return Part(pa.table(columns), label, None)


def train(place: Path) -> None:
    """Train in this process, from where it was cut short; the model's folder appears when it is done."""
    encoder = Encoder(tuple(Feature(f"x{number}", "number", "float") for number in range(8)))
    scratch = place / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    task = Task("binary", ("0", "1"), encoder, part(SEED), part(SEED + 1), scratch=scratch)
    keeper = Keeper(
        SlowStore(place / "store"), "demo", "mark", "lightgbm", CheckpointPolicy(every="4 rounds")
    )
    fitted = LightGBMLearner().fit(task, RECIPE, Oversight(keeper))
    end_with(fitted, place)


def test_a_hundred_kills_change_no_byte_of_the_model(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    started(train, whole).join()
    seconds = time.monotonic() - began
    wanted = (whole / "model" / "model.txt").read_bytes()
    random = np.random.default_rng(SEED)
    killed = writing = resumed = 0
    for number in range(TRAININGS):
        place = tmp_path / str(number)
        for turn in range(KILLS):
            process = started(train, place)
            moment = float(random.uniform(0.0, seconds / KILLS))
            writing += kill(process, place, moment, in_write=turn % 3 != number % 3)
            killed += process.exitcode == -signal.SIGKILL
        process = started(train, place)
        process.join()
        assert process.exitcode == 0
        assert (place / "model" / "model.txt").read_bytes() == wanted
        resumed += (place / "model" / "resumed").read_text() == "True"
    assert killed == TRAININGS * KILLS
    assert writing >= killed // 2, f"{writing} of {killed} kills came in a write"
    assert resumed >= TRAININGS // 2
