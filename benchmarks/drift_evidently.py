"""The same drift by Evidently, in an environment of its own: `python drift_evidently.py FOLDER`.

Both files are read and compared, as Evidently keeps nothing of a reference. It gives Wasserstein over the reference's
standard deviation, and Jensen-Shannon to base e; both are brought to what Nightshift gives. The clock starts after the
imports.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset


def main(folder: Path) -> None:
    """Measure, and say how long it took."""
    started = time.perf_counter()
    reference = pd.read_parquet(folder / "reference.parquet")
    window = pd.read_parquet(folder / "window.parquet")
    definition = DataDefinition(
        numerical_columns=[name for name in reference if name.startswith("number")],
        categorical_columns=[name for name in reference if name.startswith("category")],
    )
    report = Report([DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon")])
    sides = [Dataset.from_pandas(frame, definition) for frame in (window, reference)]
    found = report.run(*sides).dict()["metrics"]
    seconds = time.perf_counter() - started
    values = {}
    for row in found:
        column = re.search(r"ValueDrift\(column=(\w+)", row["metric_name"])
        if column:
            name = column[1]
            is_number = name.startswith("number")
            unit = max(reference[name].std(ddof=0), 0.001) if is_number else 1 / math.sqrt(math.log(2))
            values[name] = float(row["value"]) * unit
    print(json.dumps({"seconds": seconds, "values": values}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
