"""How long one waits for nothing: `nightshift --help`, and `nightshift train` when nothing has changed.

Target: help under 0.5 s; training again on the same data, as of the same moment, under 6 s.
"""

from __future__ import annotations

import statistics

from harness import TRAIN, finish, home, options, show, small_or_whole, spread, stopped

MOST_HELP_SECONDS, MOST_UNCHANGED_SECONDS = 0.5, 6.0


def main() -> None:
    """Train once, then measure."""
    given = options(__doc__, runs=5)
    with home(**small_or_whole(quick=given.quick, scale=1)) as place:
        place.forget()
        first = place.nightshift(*TRAIN)
        # One of each for the file system's cache, except where a single run is all that was asked for.
        warm_up = 0 if given.quick else 1
        helped = [place.nightshift("--help") for _ in range(given.runs + warm_up)][warm_up:]
        again = [place.nightshift(*TRAIN) for _ in range(given.runs + warm_up)][warm_up:]
    if not first.result["new"] or any(cost.result["new"] for cost in again):
        raise SystemExit("training twice on the same data made two versions: this measured something else")
    help_seconds = statistics.median(cost.wall for cost in helped)
    seconds = statistics.median(cost.wall for cost in again)
    show("seconds: median (least to greatest)")
    show(f"  nightshift --help           {spread([cost.wall for cost in helped])}")
    show(f"  nightshift train, unchanged {spread([cost.wall for cost in again])}")
    show(f"  nightshift train, the first {first.wall:8.2f}")
    met = help_seconds < MOST_HELP_SECONDS and seconds < MOST_UNCHANGED_SECONDS
    finish(
        "startup", quick=given.quick, seconds=seconds, help_seconds=help_seconds, first_seconds=first.wall,
        ratio=seconds / first.wall, peak_mb=max(cost.peak_mb for cost in again), runs=given.runs,
        met=None if given.quick else met,
    )  # fmt: skip


if __name__ == "__main__":
    stopped(main)
