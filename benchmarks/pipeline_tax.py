"""What the house costs: `nightshift train` and `predict` against one bare script that does the same computing.

Both run as processes of their own, in turn, after one warm-up each. The pipeline finds a running server, an MLflow
database that was made, and nothing else: every step runs. Target: at most 4 s and 1.6 times the bare script on the
year of flights, at most 1.15 times on ten of them, there within 2 GB.

With `--scale 10` the year is there ten times, the copies shifted into the past, and the train window is ten times as
long. The holdout's flights then have copies in the train window: its ROC AUC says that both scripts agree, not how
good the model is.
"""

from __future__ import annotations

import statistics

from harness import (
    PREDICT,
    PROJECT,
    TRAIN,
    Cost,
    Home,
    finish,
    home,
    options,
    show,
    small_or_whole,
    spread,
    stopped,
)

TARGETS = {1: {"ratio": 1.6, "seconds": 4.0}, 10: {"ratio": 1.15, "peak_mb": 2048.0}}
MAX_AUC_DIFFERENCE = 0.01
_BARE_IMPORTS = "import argparse, duckdb, lightgbm, pandas, yaml"
_WITHOUT_SKLEARN = "import sys; sys.modules['sklearn'] = None; "
_COMMAND_IMPORTS = """
import gc, os; gc.set_threshold(1_000_000, 20, 100)
import deployments.cli, deployments.commands
from deployments.connect import connected
from nightshift.settings import Settings
with connected(Settings(), print):
    {imports}
os._exit(0)
"""


def main() -> None:
    """Measure, show where the difference goes, and end with one line of JSON."""
    given = options(__doc__, runs=5, scale=1)
    with home(**small_or_whole(quick=given.quick, scale=given.scale)) as place:
        bare, pipeline = [], []
        for run in range(given.runs + (0 if given.quick else 1)):
            costs = _bare(place), _pipeline(place)
            if run == 0 and not given.quick:
                show(
                    f"warm-up: bare {costs[0].wall:.2f} s, pipeline {sum(one.wall for one in costs[1]):.2f} s"
                )
                continue
            bare.append(costs[0])
            pipeline.append(costs[1])
            show(
                f"run {len(bare)}: bare {bare[-1].wall:.2f} s, pipeline {sum(one.wall for one in pipeline[-1]):.2f} s"
            )
        imports = _imports(place, 1 if given.quick else 3)
        server_mb = place.server_mb()
    _report(bare, pipeline, imports, server_mb, quick=given.quick, scale=given.scale)


def _bare(place: Home) -> Cost:
    predictions = place.path / "bare.parquet"
    project = place.projects / PROJECT
    return place.python("benchmarks/bare_flights_delay.py", str(project), str(place.data), str(predictions))


def _pipeline(place: Home) -> tuple[Cost, Cost]:
    place.forget()
    return place.nightshift(*TRAIN), place.nightshift(*PREDICT)


def _imports(place: Home, runs: int) -> dict[str, float]:
    """Seconds of processes that do nothing but import what each command imports, connected to the server."""
    train = "import lightgbm, flows.train, registry.register"
    predict = "import lightgbm, flows.predict"
    programs = {
        "bare": _BARE_IMPORTS,
        "bare, scikit-learn hidden": _WITHOUT_SKLEARN + _BARE_IMPORTS,
        "train": _COMMAND_IMPORTS.format(imports=train),
        "predict": _COMMAND_IMPORTS.format(imports=predict),
    }
    return {
        name: statistics.median(place.python("-c", program).wall for _ in range(runs))
        for name, program in programs.items()
    }


def _report(
    bare: list[Cost],
    pipeline: list[tuple[Cost, Cost]],
    imports: dict[str, float],
    server_mb: float,
    *,
    quick: bool,
    scale: int,
) -> None:
    ours = [train.wall + predict.wall for train, predict in pipeline]
    theirs = [one.wall for one in bare]
    seconds = statistics.median(ours) - statistics.median(theirs)
    ratio = statistics.median(ours) / statistics.median(theirs)
    lean = statistics.median(theirs) - imports["bare"] + imports["bare, scikit-learn hidden"]
    peak = max(cost.peak_mb for pair in pipeline for cost in pair)
    bare_peak = max(cost.peak_mb for cost in bare)
    show("\nseconds: median (least to greatest)")
    show(f"  bare script         {spread(theirs)}")
    show(f"  train + predict     {spread(ours)}")
    show(f"    train             {spread([train.wall for train, _ in pipeline])}")
    show(f"    predict           {spread([predict.wall for _, predict in pipeline])}")
    show(f"  ratio {ratio:.2f}, difference {seconds:.2f} s")
    lean_ratio = statistics.median(ours) / lean
    show(f"  against the bare script without scikit-learn, which LightGBM imports: {lean_ratio:.2f}")
    _report_parts(bare, pipeline, imports)
    show("\npeak memory, MB (ru_maxrss of the process)")
    train_peak, predict_peak = (max(pair[place].peak_mb for pair in pipeline) for place in (0, 1))
    beside = f"the server beside them holds {server_mb:.0f}"
    show(f"  bare {bare_peak:.0f}, train {train_peak:.0f}, predict {predict_peak:.0f}; {beside}")
    our_area, their_area = _areas(bare[-1], pipeline[-1][0])
    agree = abs(our_area - their_area) <= MAX_AUC_DIFFERENCE
    verdict = "they agree" if agree else "THEY DIFFER"
    show(f"\nholdout ROC AUC: bare {their_area:.4f}, pipeline {our_area:.4f}: {verdict}")
    scored = bare[-1].result["scored_rows"], pipeline[-1][1].result["rows_scored"]
    show(f"rows scored: bare {scored[0]:,}, pipeline {scored[1]:,}")
    measured = {"ratio": ratio, "seconds": seconds, "peak_mb": peak}
    met = agree and all(measured[name] <= most for name, most in TARGETS[scale].items())
    finish(
        "pipeline_tax", scale=scale, quick=quick, **measured, ratio_without_scikit_learn=lean_ratio,
        bare_seconds=statistics.median(theirs), pipeline_seconds=statistics.median(ours), bare_peak_mb=bare_peak,
        roc_auc=our_area, bare_roc_auc=their_area, runs=len(bare), met=None if quick else met,
    )  # fmt: skip


def _report_parts(bare: list[Cost], pipeline: list[tuple[Cost, Cost]], imports: dict[str, float]) -> None:
    """Where the time goes: imports, measured apart; steps, as logged; and what is neither."""
    show("\nwhere it goes, median seconds")
    parts = {"bare": [(cost, cost.result["seconds"]) for cost in bare]}
    for place, command in enumerate(("train", "predict")):
        parts[command] = [(pair[place], pair[place].steps) for pair in pipeline]
    for name, runs in parts.items():
        steps = {step: statistics.median(found[step] for _, found in runs) for step in runs[-1][1]}
        rest = statistics.median(cost.wall - sum(found.values()) for cost, found in runs)
        listed = ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items())
        show(f"  {name:<8} {listed}; the rest {rest:.2f}, of which imports {imports[name]:.2f}")
    show(
        f"  of the bare script's imports scikit-learn is {imports['bare'] - imports['bare, scikit-learn hidden']:.2f}"
    )
    cpu = (
        statistics.median(cost.cpu for cost in bare),
        statistics.median(sum(c.cpu for c in pair) for pair in pipeline),
    )
    show(f"  processor seconds: bare {cpu[0]:.2f}, pipeline {cpu[1]:.2f}")


def _areas(bare: Cost, train: Cost) -> tuple[float, float]:
    return train.result["metrics"]["holdout"]["roc_auc"], bare.result["roc_auc"]


if __name__ == "__main__":
    stopped(main)
