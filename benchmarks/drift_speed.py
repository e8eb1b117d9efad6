"""How fast a window's drift is measured: a million rows of 50 columns in Parquet against a stored profile.

Target: under 1.0 s and 500 MB on two cores, whatever the rows; at least 100 times as fast as Evidently and 20 times as
fast as NannyML, with the same values. All of them get the same files and two cores. Wasserstein distances of numbers
agree within 3 % or 0.003; Jensen-Shannon distances of categories within 0.001. Nightshift's come from 64 bins and the
means within them. Its own signal counts values beyond Tukey's outer fences as if they lay there, which the others do
not: what is compared is computed from the same profile without fences, off the clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from harness import Cost, finish, measured, show, spread, stopped

MOST_SECONDS, MOST_MB = 1.0, 500.0
LEAST = {"evidently": 100.0, "nannyml": 20.0}
# One list after the other: NannyML needs statsmodels and does not say so, and asked for both at once pip tries dozens
# of versions of what they share.
NEEDS = {
    "evidently": (["evidently==0.7.23", "pandas<3.1", "pyarrow"],),
    "nannyml": (["nannyml==0.13.1", "pyarrow"], ["statsmodels"]),
}
FILE_ROWS = 1_000_000


def main() -> None:
    """Measure Nightshift, then the others on the same files."""
    given = _options()
    rows = min(given.rows, FILE_ROWS)
    times = given.rows // rows
    _keep_to_two_cores()
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as name:
        folder = Path(name)
        _python("-m", "benchmarks.drift_rows", name, str(rows))
        runs = [_ours(folder, "profile", times) for _ in range(given.runs)]
        cut = [_ours(folder, "segmented", times) for _ in range(given.runs if times == 1 else 1)]
        # The others hold all rows in memory: of more than one file they are not asked.
        peers = {} if given.no_peers or times > 1 else {peer: _peer(peer, folder) for peer in NEEDS}
    _tell(runs, cut, peers)
    seconds, peak = _median(runs), max(cost.peak_mb for cost in runs)
    apart = {peer: _disagreeing(runs[-1].result, cost.result) for peer, cost in peers.items()}
    ratios = {peer: cost.result["seconds"] / seconds for peer, cost in peers.items()}
    met = peak < MOST_MB and (seconds < MOST_SECONDS or times > 1) and not any(apart.values())
    met = met and all(ratio >= LEAST[peer] for peer, ratio in ratios.items())
    finish(
        "drift_speed", quick=given.quick, rows=rows * times, seconds=seconds, peak_mb=peak,
        process_seconds=statistics.median(cost.wall for cost in runs),
        cpu_seconds=statistics.median(cost.cpu for cost in runs),
        segmented_seconds=_median(cut), segmented_peak_mb=max(cost.peak_mb for cost in cut),
        alarms_seconds=statistics.median(cost.result["alarms"] for cost in runs),
        vs_evidently=ratios.get("evidently"), vs_nannyml=ratios.get("nannyml"),
        disagreeing=apart, runs=given.runs, met=None if given.quick else met,
    )  # fmt: skip


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 rows, once: does it work at all?")
    parser.add_argument("--no-peers", action="store_true", help="leave out Evidently and NannyML")
    parser.add_argument(
        "--rows", type=int, default=FILE_ROWS, help="beyond a million: the same file again and again"
    )
    parser.add_argument("--runs", type=int, default=5, help="how often Nightshift is run (default 5)")
    given = parser.parse_args()
    if given.quick:
        given.rows, given.runs = min(given.rows, 20_000), 1
    return given


def _ours(folder: Path, profile: str, times: int) -> Cost:
    window = str(folder / "window.parquet")
    return _python("-m", "benchmarks.drift_once", str(folder / f"{profile}.json"), window, str(times))


def _peer(name: str, folder: Path) -> Cost:
    """Run the other tool in a virtual environment of its own, made once and kept in the temporary folder."""
    place = Path(tempfile.gettempdir(), f"nightshift-benchmark-{name}")
    python = place / "bin" / "python"
    if not (place / "made").exists():
        show(f"making an environment for {name} in {place} ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        for packages in NEEDS[name]:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (place / "made").touch()
    return measured([str(python), f"benchmarks/drift_{name}.py", str(folder)], _environment())


def _python(*arguments: str) -> Cost:
    return measured([sys.executable, *arguments], _environment())


def _environment() -> dict[str, str]:
    """The caller's environment, without the reports that the other tools would send home."""
    return os.environ | {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}  # noqa: TID251 (for a child)


def _keep_to_two_cores() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def _median(runs: list[Cost]) -> float:
    return statistics.median(cost.result["seconds"] for cost in runs)


def _disagreeing(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The columns whose values differ by more than the tolerance; the generated numbers deviate by about 1."""
    apart = []
    for name, value in theirs["values"].items():
        allowed = max(0.03 * abs(value), 0.003) if name.startswith("number") else 0.001
        if abs(ours["values"][name] - value) > allowed:
            apart.append(f"{name}: {ours['values'][name]:.5f}, not {value:.5f}")
    return apart


def _tell(runs: list[Cost], cut: list[Cost], peers: dict[str, Cost]) -> None:
    show("seconds: median (least to greatest); peak MB: ru_maxrss of the process")
    for title, costs in (("nightshift", runs), ("with 20 segments", cut)):
        peak = max(cost.peak_mb for cost in costs)
        inside = spread([cost.result["seconds"] for cost in costs])
        whole = statistics.median(cost.wall for cost in costs)
        show(f"  {title:18}{inside}   {peak:6.0f} MB; the whole process {whole:.2f} s")
    parts = runs[-1].result
    steps = ", ".join(f"{name} {parts[name]:.3f}" for name in ("read", "profile", "signals"))
    show(f"  steps of the last run: {steps}; and alarms with p-values {parts['alarms']:.3f}")
    for name, cost in peers.items():
        show(f"  {name:18}{cost.result['seconds']:8.2f}   {'':16}{cost.peak_mb:6.0f} MB")
    for name, cost in peers.items():
        apart = _disagreeing(parts, cost.result)
        show(
            f"  {name}: {len(cost.result['values']) - len(apart)} of {len(cost.result['values'])} values agree"
        )
        for line in apart:
            show(f"    {line}")


if __name__ == "__main__":
    stopped(main)
