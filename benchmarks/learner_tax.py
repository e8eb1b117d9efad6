"""What training through the learner costs: checkpoints included, against bare LightGBM on the same mapped rows.

3 million rows of 20 columns, 50 rounds, as processes of their own in turn. Target: at most 1.05 times the seconds and
1.1 times the memory.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from harness import Cost, finish, measured, options, show, spread, stopped

TARGETS = {"ratio": 1.05, "memory_ratio": 1.1}
ROWS, ROUNDS = 3_000_000, 50


def main() -> None:
    """Measure both in turn, and end with one line of JSON."""
    given = options(__doc__, runs=3)
    rows, rounds = (20_000, 10) if given.quick else (ROWS, ROUNDS)
    bare: list[Cost] = []
    ours: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as name:
        folder = Path(name)
        once("write", name, str(rows))
        for _ in range(given.runs):
            bare.append(once("bare", name, str(rounds)))
            for left in ("store", "scratch"):
                shutil.rmtree(folder / left, ignore_errors=True)
            ours.append(once("learner", name, str(rounds), "auto"))
            show(f"bare {bare[-1].wall:.2f} s, learner {ours[-1].wall:.2f} s")
    ratio = statistics.median(one.wall for one in ours) / statistics.median(one.wall for one in bare)
    memory = statistics.median(one.peak_mb for one in ours) / statistics.median(one.peak_mb for one in bare)
    show(
        "\nseconds: median (least to greatest); peak memory is ru_maxrss of the process, mapped rows included"
    )
    show(f"  bare LightGBM   {spread([one.wall for one in bare])}   {bare[-1].peak_mb:.0f} MB")
    show(f"  the learner     {spread([one.wall for one in ours])}   {ours[-1].peak_mb:.0f} MB")
    last = ours[-1].result
    show(f"  {last['checkpoints']} checkpoints, {last['checkpoint_seconds']:.3f} s")
    met = ratio <= TARGETS["ratio"] and memory <= TARGETS["memory_ratio"]
    finish(
        "learner_tax", quick=given.quick, rows=rows, rounds=rounds, ratio=ratio, memory_ratio=memory,
        peak_mb=max(one.peak_mb for one in ours), checkpoints=last["checkpoints"],
        checkpoint_seconds=last["checkpoint_seconds"], runs=given.runs, met=None if given.quick else met,
    )  # fmt: skip


def once(*words: str) -> Cost:
    """One training in a process of its own, with LightGBM's threads as the commands have them."""
    inherited = os.environ  # noqa: TID251 (handed on to a child, not read)
    return measured(
        [sys.executable, "-m", "benchmarks.learner_once", *words], {**inherited, "GOMP_SPINCOUNT": "1000"}
    )


if __name__ == "__main__":
    stopped(main)
