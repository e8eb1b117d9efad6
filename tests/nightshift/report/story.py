"""Half a year of nights of a made-up project, as the records say them: no drift, then drift, then retrains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from nightshift.drift.profile import CategoryColumn, Column, NumericColumn, Profile
from nightshift.findings import Decision, Estimated, Night, Realised, Signal
from nightshift.records import Window
from nightshift.report.data import ReportData
from nightshift.trained import ModelVersion

if TYPE_CHECKING:
    from nightshift.performance.timeline import Period

PROJECT = "flights-delay"
BEGIN = datetime(2013, 6, 1, tzinfo=UTC)
STEP = timedelta(days=7)


def numeric(name: str, reference: np.ndarray, values: np.ndarray, nulls: int = 0) -> NumericColumn:
    """The profile of `values` in buckets laid on `reference`, counted by numpy."""
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 21)))
    places = np.searchsorted(edges, values, side="right")
    places[values == edges[-1]] = edges.size - 1
    counts = np.bincount(places, minlength=edges.size + 1)
    sums = np.bincount(places, weights=values, minlength=edges.size + 1)
    return NumericColumn(
        name=name, role="feature", edges=edges, counts=counts, sums=sums, nulls=nulls, infinite=0,
        mean=float(values.mean()), m2=float(((values - values.mean()) ** 2).sum()),
        minimum=float(values.min()), maximum=float(values.max()),
    )  # fmt: skip


def category(
    name: str, counts: dict[str, int], others: int = 0, new: int = 0, nulls: int = 0
) -> CategoryColumn:
    """The profile of a column of categories."""
    return CategoryColumn(
        name, "feature", tuple(counts), np.array([*counts.values(), others, new]), nulls, b""
    )


def profile_of(columns: Sequence[Column], rows: int) -> Profile:
    """A profile of these columns, without segments."""
    return Profile(rows=rows, columns={one.name: one for one in columns}, segments={})


def profiles() -> tuple[Profile, Profile]:
    """A reference and a window in which the temperature rose, the distance grew a tail and a carrier came."""
    random = np.random.default_rng(3)
    warm, warmer = random.normal(52, 16, 20_000), random.normal(73, 9, 3_000)
    far, farther = random.lognormal(6.5, 0.7, 20_000), random.lognormal(6.6, 0.9, 3_000)
    return (
        profile_of(
            [
                numeric("temp", warm, warm),
                numeric("distance", far, far, nulls=20),
                category("carrier", {"UA": 6000, "B6": 5000, "EV": 5000, "DL": 4000}),
            ],
            20_000,
        ),
        profile_of(
            [
                numeric("temp", warm, warmer),
                numeric("distance", far, farther, nulls=120),
                category("carrier", {"UA": 800, "B6": 900, "EV": 300, "DL": 700}, new=300),
            ],
            3_000,
        ),
    )


def signal(
    name: str, column: str, value: float | None, floor: float, p: float | None, **changes: Any
) -> Signal:
    """One signal of a feature; an alarm if it says so."""
    values: dict[str, Any] = {"family": "feature", "alarm": False, "weight": 0.01, **changes}
    return Signal(name=name, column=column, value=value, effect_floor=floor, p_value=p, **values)


def signals() -> tuple[Signal, ...]:
    """Tonight's signals: four alarms, one that has too few rows, and many that say nothing."""
    random = np.random.default_rng(5)
    few = {"segment": "origin=LGA", "note": "too few rows: 132 of the 200 needed"}
    return (
        signal("psi", "temp", 0.61, 0.1, 1e-12, alarm=True, weight=0.21),
        signal("wasserstein_iqr", "temp", 0.98, 0.2, 1e-9, alarm=True, weight=0.21),
        signal("new_category", "carrier", 0.1, 0.01, 1e-6, alarm=True, weight=0.09),
        signal("missing_rate", "distance", 0.039, 0.02, 0.0004, alarm=True, weight=0.15),
        signal("psi", "temp", None, 0.1, None, weight=0.21, **few),
        signal("psi", "score", 0.04, 0.1, 0.08, family="prediction"),
        signal("volume", "", -0.06, 0.5, 0.4, family="volume"),
        *(
            signal(
                "psi",
                f"weather_{place:02d}",
                float(random.uniform(0, 0.09)),
                0.1,
                float(random.uniform(0.01, 1)),
            )
            for place in range(30)
        ),
    )


def night(place: int, action: Any = "watch", reasons: tuple[str, ...] = (), **changes: Any) -> Night:
    """The night `place` weeks after the beginning."""
    as_of = BEGIN + place * STEP
    values: dict[str, Any] = {
        "project": PROJECT, "as_of": as_of, "window": Window.until(as_of, STEP), "state": "done",
        "decision": Decision(action=action, reasons=reasons, causes=changes.pop("causes", ())),
        "champion": 1, "seconds": 4.2, "finished_at": as_of + timedelta(hours=2, seconds=5),
    }  # fmt: skip
    return Night(**{**values, **changes})


def nights() -> tuple[Night, ...]:
    """Thirty nights: quiet ones, watched ones, a failed one, one on hold, two promoted retrains and one refused."""
    every = [night(place) for place in range(30)]
    missing = "the source 'weather' cannot be read: restore it, then run: nightshift nightly flights-delay"
    watched = ("Watched: temp drifted (PSI 0.14); in 1 of the newest 3 windows, and it takes 2.",)
    drifted = ("Retrain: temp drifted (PSI 0.31); in 2 of the newest 3 windows.",)
    lost = ("Retrain: the realised roc_auc is worse than expected by 0.021; 0.01 is borne.",)
    every[5] = night(5, causes=("drift:temp",), reasons=watched)
    every[6] = night(6, "retrain", drifted, trained=2, promoted=True, seconds=41.0)
    every[11] = night(11, champion=2, state="failed", error=missing, seconds=0.8)
    every[13] = night(
        13, "hold", ("Hold: the data cannot be trusted: 41 % of dep_hour is missing.",), champion=2
    )
    every[17] = night(17, "retrain", lost, champion=2, trained=3, seconds=38.0)
    for place in range(18, 29):
        every[place] = night(place, champion=2)
    every[29] = night(
        29, "retrain",
        ("Retrain: temp drifted (PSI 0.61, 21 % of the champion's importance); in 2 of the newest 3 windows.",
         "The estimated roc_auc is worse than expected by 0.019; 0.02 is borne."),
        champion=2, causes=("drift:temp",), trained=4, promoted=True, seconds=39.5,
    )  # fmt: skip
    return tuple(every)


def timeline() -> tuple[Period, ...]:
    """Thirty weeks; two without labels yet."""
    from nightshift.performance.timeline import Period

    random = np.random.default_rng(11)
    version, found = 1, []
    for place, one in enumerate(nights()):
        level = 0.715 - 0.002 * min(place, 6) + (0.012 if place > 6 else 0) - 0.0006 * max(place - 7, 0)
        estimated = level + random.normal(0, 0.002)
        realised = level + random.normal(0, 0.004)
        rows = int(random.integers(5800, 6800))
        known = 1.0 if place < 26 else max(0.0, 0.9 - 0.45 * (place - 26))
        found.append(
            Period(
                window=one.window,
                metric="roc_auc",
                versions=(version,),
                rows=rows,
                labelled=int(rows * known),
                realised={"roc_auc": realised} if place < 28 and place != 11 else {},
                estimated={"roc_auc": estimated} if place != 11 else {},
                expected={"roc_auc": 0.712 if version == 1 else 0.718},
            )
        )
        version = one.trained if one.promoted and one.trained else version
    return tuple(found)


def version(number: int, **changes: Any) -> ModelVersion:
    """A registered version."""
    as_of = BEGIN + number * 6 * STEP
    worse = "roc_auc 0.716 is not better than the champion's 0.718 on the same rows"
    better = "roc_auc is better than the champion's on the same rows"
    values: dict[str, Any] = {
        "project": PROJECT, "version": number, "run_id": f"run{number}", "created_at": as_of, "as_of": as_of,
        "window": Window.until(as_of, timedelta(days=208)), "data_table": "dataset", "data_version": number * 3,
        "data_digest": "d", "spec_hash": "s", "commit": "0123456789abcdef", "seed": 0, "model_sha256": "m",
        "metrics": {"holdout": {"roc_auc": 0.71 + 0.002 * number}}, "baseline": {"roc_auc": 0.5},
        "promoted": number != 3,
        "reasons": (worse,) if number == 3 else (better,),
    }  # fmt: skip
    return ModelVersion(**{**values, **changes})


def story(**changes: Any) -> ReportData:
    """The whole report."""
    reference, window = profiles()
    every = nights()
    tonight = every[-1].window
    values: dict[str, Any] = {
        "project": PROJECT, "metric": "roc_auc", "nights": every, "written_at": every[-1].finished_at,
        "purpose": "Tell ground crews, hours ahead, which departures will land more than 15 minutes late.",
        "owner": "ground-ops", "signals": signals(), "timeline": timeline(),
        "realised": Realised(
            window=Window.until(tonight.start, STEP), metric="roc_auc", metrics={"roc_auc": 0.703},
            expected={"roc_auc": 0.718}, rows=6321, labelled=5689, loss=0.015, loss_interval=(0.004, 0.026),
        ),
        "estimated": Estimated(
            window=tonight, metric="roc_auc", method="cbpe", metrics={"roc_auc": 0.699}, expected={"roc_auc": 0.718},
            rows=6104, loss=0.019, loss_interval=(0.011, 0.027), error=-0.004,
            assumption="scores stay calibrated: holds under a shift of the features, not of what they mean",
        ),
        "versions": (
            version(4, aliases=("champion",)), version(3), version(2, aliases=("previous",)), version(1),
        ),
        "reference": reference, "window": window,
    }  # fmt: skip
    return ReportData(**{**values, **changes})
