"""One drift measurement as a process of its own: a stored profile against Parquet rows.

`python -m benchmarks.drift_once PROFILE WINDOW [TIMES]` reads the profile, profiles the window (the same file TIMES
times over, as that many more rows), and measures Wasserstein and Jensen-Shannon of every column. The last line is
JSON: seconds of each step, after the imports; the values; and what the alarms cost beside them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from nightshift.drift.blocks import parquet_blocks
from nightshift.drift.build import profile
from nightshift.drift.codec import from_json
from nightshift.drift.compare import compare
from nightshift.drift.layout import layout_of
from nightshift.drift.profile import Column, NumericColumn
from nightshift.drift.signals.registry import measure


def main(stored: Path, window: Path, times: int) -> None:
    """Measure, and say how long each step took."""
    started = time.perf_counter()
    reference = from_json(stored.read_text(encoding="utf-8"), str(stored))
    read = time.perf_counter()
    made = profile(parquet_blocks([window] * times), layout_of(reference))
    profiled = time.perf_counter()
    for name, column in reference.columns.items():
        measure("wasserstein" if isinstance(column, NumericColumn) else "jensen_shannon")(
            column, made.columns[name]
        )
    measured = time.perf_counter()
    signals = compare(reference, made)
    compared = time.perf_counter()
    values = {name: _value(column, made.columns[name]) for name, column in reference.columns.items()}
    print(json.dumps({
        "seconds": measured - started, "read": read - started, "profile": profiled - read,
        "signals": measured - profiled, "alarms": compared - measured, "signals_with_alarms": len(signals),
        "rows": made.rows, "values": values,
    }))  # fmt: skip


def _value(reference: Column, window: Column) -> float:
    """What the other tools give: Jensen-Shannon distance (base 2) of a category, Wasserstein distance of numbers."""
    if isinstance(reference, NumericColumn) and isinstance(window, NumericColumn):
        return _wasserstein(reference, window)
    return measure("jensen_shannon")(reference, window)


def _wasserstein(reference: NumericColumn, window: NumericColumn) -> float:
    """The integral of |F - G|, bucket by bucket as the signal has it, in the column's own unit and without fences."""
    low, high = min(reference.minimum, window.minimum), max(reference.maximum, window.maximum)
    upper = np.append(reference.edges, max(high, reference.edges[-1]))
    lower = np.insert(reference.edges, 0, min(low, reference.edges[0]))
    shares = [column.counts / column.counts.sum() for column in (reference, window)]
    change = shares[1] - shares[0]
    # A bucket's share times the distance of its mean from its upper end is what F gains within it.
    gains = [(column.counts * upper - column.sums) / column.counts.sum() for column in (reference, window)]
    areas = (upper - lower) * (np.cumsum(change) - change) + gains[1] - gains[0]
    return float(np.abs(areas).sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
