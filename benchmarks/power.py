"""How surely drift of three kinds is found, at 1 % false alarms: 1,000 rows against a reference of 1,000.

Reference: standard normal. Windows: a *mixture* where one row in ten comes from N(2.2, 1); *skew*, a skew-normal
distribution (shape 7) with the reference's mean and standard deviation; *tail only*, Student's t with 10 degrees of
freedom. With these the textbook statistics (scipy's Wasserstein distance and KS, PSI on the reference's deciles) give
about the published figures, which are shown beside them. The textbook ones are called drift above the 99 % point of
their own values without drift; Nightshift's signals by their own p-value; *combined* is an alarm as `compare` raises
it, floors included.

Target, on each row: the best of Nightshift's signals finds at least what the best textbook one does on the same
windows, and what the best published one does, within twice the error of the simulation; the combined alarm at most 5
points less; and without drift neither raises more than 1 %, within the same error.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from harness import finish, options, show, stopped
from scipy import stats

from nightshift.drift.build import profile
from nightshift.drift.compare import compare
from nightshift.drift.layout import lay_out
from nightshift.drift.signals.declaration import Shape
from nightshift.drift.signals.registry import measure_names, measures_for
from nightshift.drift.trials import Comparison, resampled, shape_trials

Values = npt.NDArray[np.float64]

ROWS = 1000
LEVEL = 0.01
WINDOWS_A_RUN = 100
MOST_LOST = 0.05
PUBLISHED = {
    "mixture": {"wasserstein": 0.995, "psi": 0.862, "kolmogorov_smirnov": 0.830},
    "skew": {"wasserstein": 1.0, "psi": 1.0, "kolmogorov_smirnov": 0.887},
    "tail only": {"wasserstein": 0.157, "psi": 0.035, "kolmogorov_smirnov": 0.023},
}
TEXTBOOK = tuple(PUBLISHED["mixture"])
MEASURES = tuple(row for row in measures_for("numeric", measure_names("numeric")) if isinstance(row, Shape))
OURS = (*(row.name for row in MEASURES), "combined")
KINDS = (*reversed(PUBLISHED), "none")


def main() -> None:
    """Simulate, and end with one line of JSON."""
    given = options(__doc__, runs=20)
    windows = 5 if given.quick else WINDOWS_A_RUN
    rates: dict[str, dict[str, float]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        without = np.concatenate(list(pool.map(_textbook_without_drift, range(2 if given.quick else 20))))
        limits = np.quantile(without, 1 - LEVEL, axis=0)
        for kind in KINDS:
            found = list(pool.map(_look, [(kind, windows, seed) for seed in range(given.runs)]))
            plain = np.concatenate([each[0] for each in found]) > limits
            ours = np.concatenate([each[1] for each in found])
            textbook = zip(TEXTBOOK, plain.mean(0), strict=True)
            rates[kind] = {
                **{f"textbook {name}": float(share) for name, share in textbook},
                **{name: float(share) for name, share in zip(OURS, ours.mean(0), strict=True)},
            }
            _show(kind, rates[kind])
    error = 2 * (0.25 / (windows * given.runs)) ** 0.5
    finish(
        "power", quick=given.quick, windows=windows * given.runs, level=LEVEL, rates=rates,
        best={kind: _best(rates[kind], OURS[:-1]) for kind in PUBLISHED},
        best_textbook={kind: _best(rates[kind], [f"textbook {name}" for name in TEXTBOOK]) for kind in PUBLISHED},
        combined={kind: rates[kind]["combined"] for kind in PUBLISHED},
        false_alarms={name: rates["none"][name] for name in OURS},
        met=None if given.quick else all(_is_met(kind, rates, error) for kind in PUBLISHED),
    )  # fmt: skip


def _best(rates: dict[str, float], names: tuple[str, ...] | list[str]) -> float:
    return max(rates[name] for name in names)


def _is_met(kind: str, rates: dict[str, dict[str, float]], error: float) -> bool:
    row = rates[kind]
    best, plain = _best(row, OURS[:-1]), _best(row, [f"textbook {name}" for name in TEXTBOOK])
    false_error = 2 * (LEVEL * error**2) ** 0.5
    return (
        best >= plain - error / 2
        and best >= max(PUBLISHED[kind].values()) - error
        and row["combined"] >= best - MOST_LOST
        and all(rates["none"][name] <= LEVEL + false_error for name in OURS)
    )


def _show(kind: str, row: dict[str, float]) -> None:
    show(f"{kind}:")
    for name in TEXTBOOK:
        published = f", published {PUBLISHED[kind][name]:6.1%}" if kind in PUBLISHED else ""
        show(f"  textbook {name:<20} {row[f'textbook {name}']:6.1%}{published}")
    for name in OURS:
        show(f"  {name:<29} {row[name]:6.1%}")


def _look(job: tuple[str, int, int]) -> tuple[Values, npt.NDArray[np.bool_]]:
    """The textbook statistics (windows, 3), and whether each of Nightshift's signals sees drift (windows, 7)."""
    kind, windows, seed = job
    rng = np.random.default_rng([KINDS.index(kind), seed])
    plain, ours = [], []
    for _ in range(windows):
        reference, window = rng.standard_normal(ROWS), _drawn(kind, rng)
        plain.append(_textbook(reference, window))
        ours.append(_ours(reference, window, seed))
    return np.array(plain), np.array(ours)


def _textbook_without_drift(seed: int) -> Values:
    rng = np.random.default_rng([99, seed])
    return np.array([_textbook(rng.standard_normal(ROWS), rng.standard_normal(ROWS)) for _ in range(500)])


def _drawn(kind: str, rng: np.random.Generator) -> Values:
    match kind:
        case "mixture":
            return rng.standard_normal(ROWS) + np.where(rng.random(ROWS) < 0.1, 2.2, 0.0)
        case "skew":
            skewed = stats.skewnorm(7)
            return np.asarray((skewed.rvs(ROWS, random_state=rng) - skewed.mean()) / skewed.std())
        case "tail only":
            return rng.standard_t(10, ROWS)
        case _:
            return rng.standard_normal(ROWS)


def _textbook(reference: Values, window: Values) -> tuple[float, float, float]:
    deciles = np.quantile(reference, np.linspace(0, 1, 11))[1:-1]
    p, q = (np.bincount(np.searchsorted(deciles, side), minlength=10) / ROWS for side in (reference, window))
    q = np.maximum(q, 0.5 / ROWS)
    psi = float(np.sum((q - p) * np.log(q / p)))
    distance = stats.wasserstein_distance(reference, window) / stats.iqr(reference)
    return float(distance), psi, float(stats.ks_2samp(reference, window, method="asymp").statistic)


def _ours(reference: Values, window: Values, seed: int) -> list[bool]:
    rows = [pa.RecordBatch.from_pydict({"x": side}) for side in (reference, window)]
    layout = lay_out(rows[:1], {"x": "feature"})
    before, after = (profile([side], layout, threads=1) for side in rows)
    comparison = Comparison("x", "", before.columns["x"], after.columns["x"])
    found = {each.measure.name: each.p_value for each in
             resampled(list(shape_trials([(comparison, MEASURES)], seed)), seed)}  # fmt: skip
    combined = any(signal.alarm for signal in compare(before, after))
    return [*((found[row.name] or 0.0) <= LEVEL for row in MEASURES), combined]


if __name__ == "__main__":
    stopped(main)
