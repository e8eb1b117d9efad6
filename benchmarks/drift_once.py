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

from nightshift.drift.blocks import parquet_blocks
from nightshift.drift.build import profile
from nightshift.drift.codec import from_json
from nightshift.drift.compare import compare
from nightshift.drift.layout import layout_of
from nightshift.drift.profile import Column, NumericColumn
from nightshift.drift.signals.pairs import Pairs
from nightshift.drift.signals.registry import measure


def main(stored: Path, window: Path, times: int) -> None:
    """Measure, and say how long each step took."""
    started = time.perf_counter()
    reference = from_json(stored.read_text(encoding="utf-8"), str(stored))
    read = time.perf_counter()
    made = profile(parquet_blocks([window] * times), layout_of(reference))
    profiled = time.perf_counter()
    values = {name: _value(column, made.columns[name]) for name, column in reference.columns.items()}
    measured = time.perf_counter()
    signals = compare(reference, made)
    compared = time.perf_counter()
    print(json.dumps({
        "seconds": measured - started, "read": read - started, "profile": profiled - read,
        "signals": measured - profiled, "alarms": compared - measured, "signals_with_alarms": len(signals),
        "rows": made.rows, "values": values,
    }))  # fmt: skip


def _value(reference: Column, window: Column) -> float:
    """Jensen-Shannon distance (base 2) of a category; Wasserstein distance, in the column's own unit, of numbers."""
    if not isinstance(reference, NumericColumn):
        return measure("jensen_shannon")(reference, window)
    places = Pairs.of([(reference, window)]).places
    assert places is not None
    return measure("wasserstein")(reference, window) * float(places.spread[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
