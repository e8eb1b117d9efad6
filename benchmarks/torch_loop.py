"""A network trained by the learner against the same network in a minimal loop on tensors already in memory.

The loop is what a person writes by hand: one tensor of prepared rows, `randperm`, forward, loss, backward, AdamW; no
checks, no schedule, no checkpoints, no look at anything. The learner reads memory-mapped columns and does all of that,
but for the look at validation rows, which the loop has none of. Both have the same network, batch size and optimizer,
each run is a process of its own, and they take turns.

    .venv/bin/python benchmarks/torch_loop.py [--quick] [--runs N]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from harness import ROOT, finish, measured, options, show, stopped

AIM = 0.9


def main() -> None:
    """Print rows a second of both, on the processor and on a GPU if there is one, and their ratio."""
    given = options(__doc__, runs=3)
    rows, epochs = (60_000, 1) if given.quick else (1_000_000, 2)
    figures: dict[str, object] = {"rows": rows, "epochs": epochs, "batch_size": 1024}
    with tempfile.TemporaryDirectory() as folder:
        _once("write", folder, rows, epochs)
        for device in _once("devices", folder, rows, epochs)["devices"]:
            found: dict[str, list[float]] = {"loop": [], "learner": []}
            for _ in range(given.runs):
                for what, values in found.items():
                    values.append(float(_once(f"{what}-{device}", folder, rows, epochs)["rows_per_second"]))
            loop, learner = (statistics.median(values) for values in found.values())
            ratio = learner / loop
            show(
                f"{device}: loop {loop:,.0f} rows/s, learner {learner:,.0f} rows/s: {ratio:.2f} of it (aim {AIM})"
            )
            figures |= {f"{device}_loop": loop, f"{device}_learner": learner, f"{device}_ratio": ratio}
    ratios = [value for name, value in figures.items() if name.endswith("_ratio")]
    finish("torch_loop", **figures, met=all(isinstance(one, float) and one >= AIM for one in ratios))


def _once(what: str, folder: str, rows: int, epochs: int) -> dict[str, list[str]]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("torch_once.py")),
        what,
        folder,
        str(rows),
        str(epochs),
    ]
    cost = measured(command, {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "GOMP_SPINCOUNT": "1000"})
    return dict(json.loads(cost.stdout.splitlines()[-1]))


if __name__ == "__main__":
    stopped(main)
