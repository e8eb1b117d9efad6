"""What checkpoints cost, and what they save: their share of the time, and how soon a killed training is at work again.

3 million rows of 20 columns. A training with a checkpoint every 5 rounds is cut short after round 203, when asking all
trees would take long, and started again. Target: the first new round is done in under 5 s, interpreter and imports
included, and no more than one interval of work is lost. What `auto` would write in this time is measured beside it: at
most 2 % of the time.
"""

from __future__ import annotations

import statistics
import tempfile

from harness import finish, options, show, stopped
from learner_tax import ROWS, once

TARGETS = {"seconds": 5.0, "share": 0.02}
ROUNDS, CUT, EVERY = 210, 203, 5


def main() -> None:
    """Cut trainings short and go on with them, and end with one line of JSON."""
    given = options(__doc__, runs=3)
    rows = 20_000 if given.quick else ROWS
    restarts, lost, shares, peaks = [], [], [], []
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as name:
            once("write", name, str(rows))
            once("cut", name, str(ROUNDS), f"{EVERY} rounds", str(CUT))
            again = once("learner", name, str(ROUNDS), f"{EVERY} rounds")
        with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as name:
            once("write", name, str(rows))
            auto = once("learner", name, str(ROUNDS), "auto")
        restarts.append(again.result["first_round_seconds"])
        lost.append(CUT - again.result["resumed_at"])
        shares.append(auto.result["checkpoint_seconds"] / auto.wall)
        peaks.append(again.peak_mb)
        show(f"resumed at round {again.result['resumed_at']:g}, first new round after {restarts[-1]:.2f} s")
    seconds, share = statistics.median(restarts), statistics.median(shares)
    show(f"first new round after {seconds:.2f} s; at most {max(lost):g} of {EVERY} rounds lost")
    show(f"`auto`: {share:.2%} of the time went into checkpoints")
    met = seconds <= TARGETS["seconds"] and share <= TARGETS["share"] and max(lost) <= EVERY
    finish(
        "checkpoint_cost", quick=given.quick, rows=rows, seconds=seconds, share=share, rounds_lost=max(lost),
        peak_mb=max(peaks), runs=given.runs, met=None if given.quick else met,
    )  # fmt: skip


if __name__ == "__main__":
    stopped(main)
