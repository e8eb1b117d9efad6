"""One training for torch_loop.py, in a process of its own: by the learner, or by a minimal loop."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional

from nightshift.checkpoints.keeper import Keeper
from nightshift.dataset.encoder import Encoder, Feature
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Part, Task
from nightshift.learners.torch.device import device_of, precision_of
from nightshift.learners.torch.learner import TorchLearner
from nightshift.learners.torch.model import Description
from nightshift.learners.torch.objective import Objective
from nightshift.learners.torch.rows import Rows
from nightshift.learners.torch.statistics import learn_inputs
from nightshift.spec.learner import Torch
from nightshift.store.local import LocalStore

NUMBERS, CATEGORIES, SIZE = 16, 4, 40
WORDS = tuple(str(value) for value in range(SIZE))
ENCODER = Encoder(
    (
        *(Feature(f"n{place}", "number", "double") for place in range(NUMBERS)),
        *(Feature(f"c{place}", "category", "string", WORDS) for place in range(CATEGORIES)),
    )
)


def write(folder: Path, rows: int) -> None:
    """Rows in stretches, as the training step writes them."""
    random = np.random.default_rng(1)
    columns = {f"n{place}": random.normal(size=rows).astype(np.float32) for place in range(NUMBERS)}
    columns |= {f"c{place}": random.integers(0, SIZE, rows).astype(np.float32) for place in range(CATEGORIES)}
    signal = columns["n0"] + 0.5 * columns["n1"] * columns["n2"] + (columns["c0"] > 30)
    columns["label"] = (signal + random.normal(size=rows) > 0.5).astype(np.float64)
    table = pa.table(columns)
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)


def read(folder: Path) -> Part:
    """The rows, mapped."""
    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    return Part(table.select(ENCODER.names), table["label"].to_numpy(), None)


def learner(folder: Path, recipe: Torch) -> float:
    """Seconds of the whole of it: statistics, network, epochs, checkpoints, importance."""
    keeper = Keeper(LocalStore(folder / "store"), "bench", "mark", "torch", recipe.checkpoint)
    task = Task("binary", ("0", "1"), ENCODER, read(folder), None)
    started = time.perf_counter()
    TorchLearner().fit(task, recipe, Oversight(keeper))
    return time.perf_counter() - started


def loop(folder: Path, recipe: Torch) -> float:
    """Seconds of the epochs alone: what is in memory is there before they begin."""
    part, device = read(folder), device_of(recipe)
    inputs = learn_inputs(ENCODER, Rows(part.features))
    whole = Description("mlp", recipe.params, "", inputs, Objective("binary", 1)).build().to(device)
    with torch.no_grad():
        columns = torch.from_numpy(Rows(part.features).gather(np.arange(len(part.label)))).to(device)
        numbers, codes = whole.prepare(columns)
    label = torch.from_numpy(part.label.astype(np.float32)).to(device)
    network = whole.network
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, fused=True)
    is_half = precision_of(recipe, device) is torch.bfloat16
    _settle(device)
    started = time.perf_counter()
    for _ in range(recipe.epochs):
        for chosen in torch.randperm(len(label), device=device).split(recipe.batch_size):
            with torch.autocast(device.type, torch.bfloat16, enabled=is_half):
                outputs = network(numbers[chosen], codes[chosen])
            loss = functional.binary_cross_entropy_with_logits(outputs.float().squeeze(1), label[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    _settle(device)
    return time.perf_counter() - started


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """What is told: `write`, `devices`, or who trains on what."""
    what, folder, rows, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if what == "write":
        write(folder, rows)
        print(json.dumps({}))
        return
    if what == "devices":
        print(json.dumps({"devices": ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]}))
        return
    who, device = what.split("-")
    recipe = Torch.model_validate(
        {"kind": "torch", "epochs": epochs, "device": device, "early_stopping": None}
    )
    seconds = {"learner": learner, "loop": loop}[who](folder, recipe)
    print(json.dumps({"rows_per_second": rows * epochs / seconds, "seconds": seconds}))


if __name__ == "__main__":
    main()
