"""A network's training that is killed again and again, often in mid-checkpoint, ends with the same bytes."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch._dynamo  # what every optimizer imports when it is first used: here, once for all children

from nightshift.checkpoints.keeper import Keeper
from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.torch.learner import TorchLearner
from nightshift.spec.learner import Torch
from nightshift.spec.training import CheckpointPolicy
from tests.chaos.forked import SlowStore, end_with, kill, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

SEED, ROWS = 20240912, 3_000
KILLS, MOST_A_TRAINING = 100, 5
# A hundred steps an epoch: six boundaries lie in the middle of each.
RECIPE = Torch.model_validate(
    {
        "kind": "torch", "network": "mlp", "epochs": 5, "batch_size": 30, "rate": 0.003,
        "params": {"layers": [64, 64], "dropout": 0.3, "norm": "batch", "numbers": "piecewise"},
    }
)  # fmt: skip
ENCODER = Encoder(
    (
        *(Feature(f"x{number}", "number", "float") for number in range(6)),
        Feature("city", "category", "string", ("a", "b", "c", "d")),
    )
)


def part(seed: int) -> Part:
    random = np.random.default_rng(seed)
    columns = {f"x{place}": random.normal(size=ROWS).astype(np.float32) for place in range(6)}
    columns["city"] = random.integers(0, 4, ROWS).astype(np.float32)
    label = columns["x0"] + columns["x1"] * columns["x2"] + columns["city"] + random.normal(size=ROWS) > 1.5
    return Part(pa.table(columns), label.astype(float), None)


def train(place: Path) -> None:
    """Train in this process, from where it was cut short; the model's folder appears when it is done."""
    torch.set_num_threads(1)
    task = Task("binary", ("0", "1"), ENCODER, part(SEED), part(SEED + 1))
    # By this clock a checkpoint is due whenever none is being written.
    keeper = Keeper(
        SlowStore(place / "store"), "demo", "mark", "torch", CheckpointPolicy(every="1s"),
        clock=lambda: 1000 * time.monotonic(),
    )  # fmt: skip
    fitted = TorchLearner().fit(task, RECIPE, Oversight(keeper))
    end_with(fitted, place)


def content(place: Path) -> dict[str, bytes]:
    folder = place / "model"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "resumed"}


def test_a_hundred_kills_change_no_byte_of_the_network(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    started(train, whole).join()
    seconds = time.monotonic() - began
    wanted = content(whole)
    assert set(wanted) == {"network.safetensors", "network.json"}
    random = np.random.default_rng(SEED)
    killed = writing = resumed = trainings = 0
    while killed < KILLS:
        place = tmp_path / str(trainings)
        trainings += 1
        for turn in range(MOST_A_TRAINING):
            process = started(train, place)
            moment = float(random.uniform(0.0, 0.7 * seconds))
            in_write = kill(process, place, moment, in_write=(trainings + turn) % 3 != 0)
            if process.exitcode != -signal.SIGKILL:
                break
            killed, writing = killed + 1, writing + in_write
        if process.exitcode != 0:
            process = started(train, place)
            process.join()
        assert process.exitcode == 0
        assert content(place) == wanted
        resumed += (place / "model" / "resumed").read_text() == "True"
    assert writing >= KILLS // 2, f"{writing} of {killed} kills came in a write"
    assert resumed >= trainings // 2, f"{resumed} of {trainings} trainings went on from a checkpoint"
