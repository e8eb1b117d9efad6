"""The same drift by NannyML, in an environment of its own: `python drift_nannyml.py FOLDER`.

Only what comes after fitting the reference is on the clock: reading the window, and calculating Wasserstein and
Jensen-Shannon (base 2) for it as one chunk.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import nannyml
import pandas as pd


def main(folder: Path) -> None:
    """Measure, and say how long it took."""
    warnings.simplefilter("ignore")  # one chunk is too few for it to set thresholds, which are not asked for
    reference = pd.read_parquet(folder / "reference.parquet")
    columns = list(reference)
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=columns, chunk_size=len(reference),
        continuous_methods=["wasserstein"], categorical_methods=["jensen_shannon"],
    )  # fmt: skip
    calculator.fit(reference)
    started = time.perf_counter()
    found = calculator.calculate(pd.read_parquet(folder / "window.parquet"))
    row = found.filter(period="analysis").to_df().iloc[-1]
    seconds = time.perf_counter() - started
    methods = {name: "wasserstein" if name.startswith("number") else "jensen_shannon" for name in columns}
    values = {name: float(row[(name, method, "value")]) for name, method in methods.items()}
    print(json.dumps({"seconds": seconds, "values": values}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
