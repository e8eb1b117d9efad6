"""Write what drift_speed measures: a reference and a window of 40 numbers and 10 categories, and stored profiles.

`python -m benchmarks.drift_rows FOLDER ROWS` writes `reference.parquet`, `window.parquet` (the same columns, some of
them shifted), `profile.json` (of the reference) and `segmented.json` (the same with 20 segments).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshift.drift.blocks import parquet_blocks
from nightshift.drift.build import profile
from nightshift.drift.codec import to_json
from nightshift.drift.layout import lay_out

NUMBERS = [f"number_{index:02}" for index in range(40)]
CATEGORIES = [f"category_{index}" for index in range(10)]
SEGMENTS = CATEGORIES[:2]
_SIZES = (10, 10, 5, 20, 40, 5, 20, 40, 10, 20)


def main(folder: Path, rows: int) -> None:
    """Write both files and both profiles."""
    for name, seed, drift in (("reference", 0, 0.0), ("window", 1, 1.0)):
        pq.write_table(_rows(rows, seed, drift), folder / f"{name}.parquet")
    reference = folder / "reference.parquet"
    roles = dict.fromkeys([*NUMBERS, *CATEGORIES], "feature")
    for name, segments in (("profile", []), ("segmented", SEGMENTS)):
        layout = lay_out(parquet_blocks([reference]), roles, segments)
        text = to_json(profile(parquet_blocks([reference]), layout))
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


def _rows(rows: int, seed: int, drift: float) -> pa.Table:
    random = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for index, name in enumerate(NUMBERS):
        shift = drift * 0.05 * (index % 7)
        columns[name] = (
            shift + random.standard_normal(rows) if index % 4 == 0
            else (1 + shift) * random.standard_exponential(rows) if index % 4 == 1
            else (1 + shift) * random.standard_gamma(2.0, rows) if index % 4 == 2
            else shift + random.random(rows)
        )  # fmt: skip
    for index, name in enumerate(CATEGORIES):
        weights = 1.0 / np.arange(1, _SIZES[index] + 1) ** (1.0 + drift * 0.05 * index)
        values = pa.array([f"{name} value {number}" for number in range(_SIZES[index])])
        drawn = random.choice(_SIZES[index], rows, p=weights / weights.sum())
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(drawn, pa.int32()), values).cast(pa.string())
    return pa.table(columns)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
