"""How memory grows with the rows: `nightshift train` on the year of flights, and on ten times as many rows.

Target: under 2 GB for ten times the rows. As in pipeline_tax, the year is repeated into the past and the train window
is ten times as long.
"""

from __future__ import annotations

import statistics

from harness import TRAIN, Cost, finish, home, options, show, small_or_whole, stopped

MOST_MB = 2048.0


def main() -> None:
    """Train on both, and compare."""
    given = options(__doc__, runs=1, scale=10)
    costs = {1: _trained(1, given.runs, quick=given.quick)}
    costs[given.scale] = costs.get(given.scale) or _trained(given.scale, given.runs, quick=given.quick)
    show("     rows trained on   seconds   peak MB   steps, s (peak: ru_maxrss of the process)")
    for runs in costs.values():
        steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in runs[-1].steps.items())
        show(f"{_rows(runs[-1]):>20,} {_wall(runs):9.1f} {_peak(runs):9.0f}   {steps}")
    small, large = costs[1], costs[given.scale]
    peak = _peak(large)
    finish(
        "memory", scale=given.scale, quick=given.quick, peak_mb=peak, peak_mb_at_1=_peak(small),
        ratio=peak / _peak(small),
        rows=_rows(large[-1]), rows_ratio=_rows(large[-1]) / _rows(small[-1]), seconds=_wall(large),
        met=None if given.quick else peak < MOST_MB,
    )  # fmt: skip


def _trained(scale: int, runs: int, *, quick: bool) -> list[Cost]:
    costs = []
    with home(**small_or_whole(quick=quick, scale=scale)) as place:
        for _ in range(runs):
            place.forget()
            costs.append(place.nightshift(*TRAIN))
    return costs


def _peak(runs: list[Cost]) -> float:
    return max(cost.peak_mb for cost in runs)


def _wall(runs: list[Cost]) -> float:
    return statistics.median(cost.wall for cost in runs)


def _rows(cost: Cost) -> int:
    """The rows trained on, as the step's closing line says them."""
    line = next(line for line in cost.stderr.splitlines() if line.strip().startswith("train:"))
    return int(line.split(" rows,")[0].split()[-1].replace(",", ""))


if __name__ == "__main__":
    stopped(main)
