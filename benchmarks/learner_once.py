"""One training on memory-mapped rows in a process of its own: what learner_tax and checkpoint_cost measure.

`python -m benchmarks.learner_once write FOLDER ROWS` writes `rows.arrow`, 20 float32 columns and a label.
`… bare FOLDER ROUNDS` trains with LightGBM alone, `… learner FOLDER ROUNDS EVERY` through the learner with checkpoints,
and `… cut FOLDER ROUNDS EVERY AT` does so and ends, as a kill would, after round AT. Each ends with a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()
PARAMS = {"objective": "binary", "num_leaves": 31, "feature_fraction": 0.8, "verbosity": -1, "seed": 0,
          "deterministic": True, "force_row_wise": True, "metric": "binary_logloss"}  # fmt: skip
COLUMNS, LABEL = 20, "label"
RESEED_EVERY = 5


def write(folder: Path, rows: int) -> None:
    """Rows that trees can learn from, in batches."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(1)
    names = [f"x{place}" for place in range(COLUMNS)]
    schema = pa.schema([*((name, pa.float32()) for name in names), (LABEL, pa.float64())])
    with pa.OSFile(str(folder / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            columns = {name: random.standard_normal(count, dtype=np.float32) for name in names}
            signal = columns["x0"] + columns["x1"] * columns["x2"] + np.sin(3 * columns["x3"])
            label = (signal + random.standard_normal(count) > 0).astype(np.float64)
            writer.write_table(pa.table({**columns, LABEL: label}, schema=schema))


def mapped(folder: Path) -> tuple[object, object]:
    """The features and the label, mapped and not copied."""
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(str(folder / "rows.arrow"))).read_all()
    return table.drop_columns([LABEL]), table[LABEL].to_numpy()


def bare(folder: Path, rounds: int) -> None:
    """LightGBM alone."""
    import lightgbm as lgb

    features, label = mapped(folder)
    booster = lgb.train(PARAMS, lgb.Dataset(features, label, params=PARAMS), rounds)
    booster.save_model(folder / "bare.txt")
    print(json.dumps({"seconds": time.perf_counter() - STARTED}))


def learner(folder: Path, rounds: int, every: str, cut: int | None = None) -> None:
    """Through the learner, with its checkpoints in `folder`."""
    from nightshift.checkpoints.keeper import Keeper
    from nightshift.dataset.encoder import Encoder, Feature
    from nightshift.learners.lightgbm import LightGBMLearner
    from nightshift.learners.oversight import Oversight
    from nightshift.learners.protocol import Part, Task
    from nightshift.spec.learner import LightGBM
    from nightshift.spec.training import CheckpointPolicy
    from nightshift.store.local import LocalStore

    features, label = mapped(folder)
    encoder = Encoder(tuple(Feature(f"x{place}", "number", "float") for place in range(COLUMNS)))
    recipe = LightGBM.model_validate(
        {"kind": "lightgbm", "rounds": rounds, "early_stopping": None, "reseed_every": RESEED_EVERY,
         "params": {"num_leaves": PARAMS["num_leaves"], "feature_fraction": PARAMS["feature_fraction"]}}
    )  # fmt: skip
    keeper = Keeper(LocalStore(folder / "store"), "demo", "mark", "lightgbm", CheckpointPolicy(every=every))
    looks: list[float] = []

    def spent(done: float) -> str | None:
        looks.append(time.perf_counter() - STARTED)
        if cut is not None and len(looks) == cut:
            keeper.finish()  # what is measured is going on, not the race between a kill and a write
            os._exit(0)
        return None

    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    task = Task("binary", ("0", "1"), encoder, Part(features, label, None), None, scratch=scratch)
    fitted = LightGBMLearner().fit(task, recipe, Oversight(keeper, spent))
    fitted.model.save(folder)
    resumed = fitted.resumed_from
    told = {
        "seconds": time.perf_counter() - STARTED, "checkpoints": fitted.kept.count,
        "checkpoint_seconds": fitted.kept.seconds, "first_round_seconds": looks[0],
        "resumed_at": None if resumed is None else resumed.progress.done,
    }  # fmt: skip
    print(json.dumps(told))


def main(command: str, folder: str, number: str, *rest: str) -> None:
    """One of the four."""
    place, count = Path(folder), int(number)
    match command:
        case "write":
            write(place, count)
        case "bare":
            bare(place, count)
        case "learner":
            learner(place, count, rest[0])
        case "cut":
            learner(place, count, rest[0], int(rest[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
