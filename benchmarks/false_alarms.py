"""How often a night without drift raises an alarm: 50 columns, windows of 200 to 100,000 rows.

Forty numbers (normal, skewed, heavy-tailed, with many zeros, rounded; some with nulls) and ten categories are drawn
from the same distributions as their reference, profiled and compared with the signals and floors that are on by
default. Every night is a new window, every hundred nights have a new reference. Target: an alarm in at most 1 night of
100, at each size.

Two more lines say what happens outside of textbooks: nights with segments, and nights whose days differ, where the
windows before tell how much.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from harness import finish, options, show, stopped

from nightshift.drift.build import profile
from nightshift.drift.compare import Options, compare
from nightshift.drift.layout import lay_out
from nightshift.drift.profile import Profile, Role

COLUMNS, NUMBERS = 50, 40
REFERENCE_ROWS = 20_000
NIGHTS_A_REFERENCE = 100
SIZES = (200, 500, 1000, 5000, 20_000, 100_000)
MOST_SHARE = 0.01
SPREAD_OF_DAYS = 0.15
CLEAN_WINDOWS = 8


@dataclass(frozen=True)
class Plan:
    """Some nights against one reference.

    Attributes:
        rows: of a window.
        segments: how many the rows fall into.
        days_differ: each window's numbers are moved, each by its own normal amount.
    """

    rows: int
    nights: int
    seed: int
    segments: int = 0
    days_differ: bool = False


def main() -> None:
    """Simulate, and end with one line of JSON."""
    given = options(__doc__, runs=10)
    nights = 5 if given.quick else NIGHTS_A_REFERENCE
    shares: dict[int, float] = {}
    show(f"alarms without drift, {COLUMNS} columns, {given.runs * nights} nights a line")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for rows in SIZES[:2] if given.quick else SIZES:
            plans = [Plan(rows, nights, seed) for seed in range(given.runs)]
            shares[rows] = _show(f"{rows:>7,} rows", list(pool.map(_night_alarms, plans)), nights)
        segmented = [Plan(20_000, max(nights // 4, 2), seed, segments=10) for seed in range(given.runs)]
        in_segments = _show(
            " 20,000 rows in 10 segments", list(pool.map(_night_alarms, segmented)), segmented[0].nights
        )
        uneven = [Plan(1000, nights, seed, days_differ=True) for seed in range(given.runs)]
        days = _show("  1,000 rows, days differ", list(pool.map(_night_alarms, uneven)), nights)
    finish(
        "false_alarms", quick=given.quick, nights=given.runs * nights, columns=COLUMNS,
        shares={str(rows): round(share, 4) for rows, share in shares.items()}, worst=max(shares.values()),
        with_segments=in_segments, days_differ=days, target=MOST_SHARE,
        met=None if given.quick else max(shares.values()) <= MOST_SHARE,
    )  # fmt: skip


def _show(what: str, found: list[tuple[int, float]], nights: int) -> float:
    alarms, total = sum(count for count, _ in found), nights * len(found)
    share = alarms / total
    margin = 1.96 * (share * (1 - share) / total) ** 0.5
    seconds = sum(each for _, each in found) / total
    show(
        f"  {what:<28} {alarms:4d} of {total}: {share:.2%} (+- {margin:.2%}), {seconds * 1000:.0f} ms to compare"
    )
    return share


def _night_alarms(plan: Plan) -> tuple[int, float]:
    """In how many nights there was an alarm, and the seconds spent comparing."""
    rng = np.random.default_rng([plan.seed, plan.rows, plan.segments])
    roles: dict[str, Role] = {f"c{column:02d}": "feature" for column in range(COLUMNS)}
    before = _rows(plan, REFERENCE_ROWS, rng)
    layout = lay_out([before], roles, ["segment"] if plan.segments else [], seed=plan.seed)
    reference = profile([before], layout, threads=1)
    windows: Iterator[Profile] = (
        profile([_rows(plan, plan.rows, rng)], layout, threads=1) for _ in range(plan.nights)
    )
    history = [profile([_rows(plan, plan.rows, rng)], layout, threads=1) for _ in range(CLEAN_WINDOWS)]
    nights, seconds = 0, 0.0
    for night, window in enumerate(windows):
        started = time.perf_counter()
        signals = compare(reference, window, Options(seed=night), history if plan.days_differ else ())
        seconds += time.perf_counter() - started
        nights += any(signal.alarm for signal in signals)
    return nights, seconds


def _rows(plan: Plan, rows: int, rng: np.random.Generator) -> pa.RecordBatch:
    moved = rng.normal(0, SPREAD_OF_DAYS, COLUMNS) if plan.days_differ else np.zeros(COLUMNS)
    drawn = {
        f"c{column:02d}": _numbers(column, rows, moved[column], rng)
        if column < NUMBERS
        else _words(column, rows, rng)
        for column in range(COLUMNS)
    }
    if plan.segments:
        drawn["segment"] = pa.array(rng.integers(0, plan.segments, rows)).cast(pa.string())
    return pa.RecordBatch.from_pydict(drawn)


def _numbers(column: int, rows: int, moved: float, rng: np.random.Generator) -> pa.Array:
    match column % 5:
        case 0:
            values = rng.standard_normal(rows) + moved
        case 1:
            values = np.exp(rng.standard_normal(rows) + moved)
        case 2:
            values = rng.standard_t(3, rows) + moved
        case 3:
            values = np.where(rng.random(rows) < 0.6, 0.0, rng.standard_exponential(rows) * np.exp(moved))
        case _:
            values = np.round(3 * (rng.standard_normal(rows) + moved))
    nulls = rng.random(rows) < 0.05 if column % 4 == 0 else None
    return pa.array(values, mask=nulls)


def _words(column: int, rows: int, rng: np.random.Generator) -> pa.Array:
    """Categories whose k-th commonest value has a share that falls like 1 / k."""
    kinds = 3 + 8 * (column - NUMBERS)
    shares = 1 / np.arange(1, kinds + 1)
    codes = rng.choice(kinds, size=rows, p=shares / shares.sum())
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), [f"v{kind}" for kind in range(kinds)]).cast(
        pa.string()
    )


if __name__ == "__main__":
    stopped(main)
