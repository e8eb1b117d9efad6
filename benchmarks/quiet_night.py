"""What a night costs on which nothing is to be done.

Three kinds: a new night on which the decision is to look on; a night that was done before; and, for comparison, the
first night, which trains. Each is `nightshift nightly` as a process of its own, on the real flights. Target: under 8 s.
"""

from __future__ import annotations

import statistics
from datetime import date, timedelta

from harness import PROJECT, finish, home, options, show, small_or_whole, spread, stopped

MOST_SECONDS = 8.0
FIRST = date(2013, 9, 1)


def main() -> None:
    """Let the first night train, then measure the nights after it, and each of them once more."""
    given = options(__doc__, runs=5)
    with home(**small_or_whole(quick=given.quick, scale=1)) as place:
        place.forget()
        first = place.nightshift("nightly", PROJECT, "--as-of", FIRST.isoformat(), "--json")
        quiet, again = [], []
        for days in range(1, given.runs + 1):
            night = ("nightly", PROJECT, "--as-of", (FIRST + timedelta(days=days)).isoformat(), "--json")
            quiet.append(place.nightshift(*night))
            again.append(place.nightshift(*night))
    watched = [one for one in quiet if one.result["decision"] == "watch"]
    if first.result["trained"] != 1 or not watched or any(one.result["new"] for one in again):
        raise SystemExit("these were not the nights to be measured: the decisions differ")
    seconds = statistics.median(one.wall for one in watched)
    show("seconds: median (least to greatest)")
    show(f"  a night that looks on   {spread([one.wall for one in watched])}")
    show(f"  a night done before     {spread([one.wall for one in again])}")
    show(f"  the first, which trains {first.wall:8.2f}")
    steps = {step: f"{took:.2f}" for step, took in watched[-1].steps.items()}
    show(
        f"  where it goes: {', '.join(f'{step} {took}' for step, took in steps.items())}; the rest is start-up"
    )
    finish(
        "quiet_night", quick=given.quick, seconds=seconds, ratio=seconds / first.wall,
        done_before_seconds=statistics.median(one.wall for one in again), first_seconds=first.wall,
        peak_mb=max(one.peak_mb for one in watched), runs=len(watched),
        met=None if given.quick else seconds < MOST_SECONDS,
    )  # fmt: skip


if __name__ == "__main__":
    stopped(main)
