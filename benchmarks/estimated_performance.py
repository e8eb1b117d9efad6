"""How near the estimated metrics come to the realised ones, on a year of real flights whose labels are known.

A model is trained as of 1 June 2013 as the project flights-delay declares it, and the flights from June to December
are scored: AUC and log-loss as they are estimated without a label, beside what they turned out to be.

- Covariate shift without concept drift, made of real rows: half of June to September, chosen at random, is the
  reference, and the rest is drawn anew so that late hours, one airport or rain are several times as common. What
  leads to the label is the same in both, so the estimate has to be right. Target: within 0.01 of the realised AUC.
- Months without concept drift: one half of each month, chosen at random, is the reference of the other half. The
  error is the mean over several such halvings, because in one of them the realised AUC of 14,000 flights is itself
  0.006 off by chance. Target: the same.
- The months as they came, against the holdout in May, and against the month before, whose labels are known by then.
  Here the meaning of a score changes, which no estimate without labels can see: the error is shown as it is.
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from bare_flights_delay import KEY, LABEL, TIME, read
from harness import PROJECT, ROOT, finish, show, stopped

from deployments.flights import write_flights
from nightshift.metrics.registry import metric
from nightshift.performance.estimated import estimated_metrics, estimated_of
from nightshift.performance.observed import Observed
from nightshift.performance.realised import measured, realised_of
from nightshift.performance.reference import Reference
from nightshift.performance.segments import SliceColumn, columns_to_keep, numbers_of
from nightshift.records import Window

AS_OF = datetime(2013, 6, 1, tzinfo=UTC)
LAST = datetime(2014, 1, 1, tzinfo=UTC)
SLICES = ("origin", "carrier")
METRICS = ("roc_auc", "log_loss")
WITHIN = 0.01

Errors = dict[str, float]


class Model:
    """The declared model, trained on what was known as of 1 June, and its holdout."""

    def __init__(self, data: Path, rounds: int | None) -> None:
        declared = yaml.safe_load((ROOT / "projects" / PROJECT / "project.yaml").read_text())
        self.sql = (ROOT / "projects" / PROJECT / declared["dataset"]["sql"]).read_text()
        self.data = data
        days = {name: timedelta(days=int(length[:-1])) for name, length in declared["split"].items()}
        holdout = AS_OF - days["holdout"]
        validate = holdout - days["validate"]
        rows = self.rows(validate - days["train"], AS_OF - timedelta(days=1))
        train, check = rows[rows[TIME] < validate], rows[(rows[TIME] >= validate) & (rows[TIME] < holdout)]
        self.holdout = rows[rows[TIME] >= holdout]
        self.features = [name for name in rows.columns if name not in (KEY, TIME, LABEL)]
        text = [name for name in self.features if not pd.api.types.is_numeric_dtype(rows[name])]
        self.categories = {name: sorted(train[name].dropna().unique()) for name in text}
        learner = declared["learner"]
        train_set = lgb.Dataset(self.prepared(train), train[LABEL])
        self.booster = lgb.train(
            {"objective": "binary", "verbosity": -1, "seed": 0, "deterministic": True, **learner["params"]},
            train_set,
            num_boost_round=rounds or learner["rounds"],
            valid_sets=[lgb.Dataset(self.prepared(check), check[LABEL], reference=train_set)],
            callbacks=[lgb.early_stopping(learner["early_stopping"], verbose=False)],
        )

    def rows(self, start: datetime, end: datetime) -> pd.DataFrame:
        """Labelled rows of `[start, end)`, in the order of event time."""
        rows = read(self.data, self.sql, start, end)
        return rows[rows[LABEL].notna()].reset_index(drop=True)

    def prepared(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Features as LightGBM takes them."""
        made = rows[self.features].copy()
        for name, values in self.categories.items():
            made[name] = pd.Categorical(made[name].where(made[name].isin(values)), values)
        return made.astype({name: "float32" for name in self.features if name not in self.categories})

    def scores(self, rows: pd.DataFrame) -> np.ndarray:
        """The chance of being late, a row."""
        return np.asarray(self.booster.predict(self.prepared(rows)))

    def columns(self, rows: pd.DataFrame) -> pa.Table:
        """The slices, and the most important features."""
        gains = dict(zip(self.booster.feature_name(), self.booster.feature_importance("gain"), strict=True))
        return columns_to_keep(pa.Table.from_pandas(rows, preserve_index=False), SLICES, gains)

    def reference(self, rows: pd.DataFrame) -> Reference:
        """What `rows` say of the model."""
        truth = rows[LABEL].to_numpy(np.float64)
        return Reference.fit("binary", truth, self.scores(rows), self.columns(rows), SLICES)

    def observed(self, rows: pd.DataFrame) -> Observed:
        """`rows` as if they had been scored, and their labels had come."""
        table = self.columns(rows)
        numbers = numbers_of(table)
        texts = [name for name in table.column_names if name not in numbers]
        return Observed(
            "binary", Window(start=AS_OF, end=LAST), len(rows), len(rows), rows[LABEL].to_numpy(np.float64),
            self.scores(rows), np.ones(len(rows), dtype=np.int64),
            {name: SliceColumn.of(table[name]) for name in texts}, numbers, SLICES,
        )  # fmt: skip


def main() -> None:
    """Train, then hold estimated against realised."""
    given = _options()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        data = given.data or Path(folder)
        write_flights(data)
        model = Model(data, 40 if given.quick else None)
        shifted = _shifted(model, quick=given.quick)
        months = _months(model, quick=given.quick)
    worst_shifted = max(abs(one["roc_auc"]) for one in shifted.values())
    halves = [month["half"]["roc_auc"] for month in months.values()]
    worst_half = max(abs(error) for error in halves)
    finish(
        "estimated_performance", quick=given.quick, seconds=time.perf_counter() - started,
        shifted_worst_auc_error=worst_shifted, months_without_drift_worst_auc_error=worst_half,
        shifted={name: _rounded(one) for name, one in shifted.items()}, months=months,
        met=None if given.quick else worst_shifted < WITHIN and worst_half < WITHIN,
    )  # fmt: skip


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer trees and months: does it work at all?")
    parser.add_argument("--data", type=Path, help="where the flights are, or are to be written")
    return parser.parse_args()


def _shifted(model: Model, *, quick: bool) -> dict[str, Errors]:
    """Draws from one half of some months, held against the other half: other rows, the same world."""
    show("Covariate shift without concept drift; estimate less realised value")
    show("                                   rows   realised AUC    error   realised log-loss    error")
    rng = np.random.default_rng(0)
    rows = model.rows(AS_OF, datetime(2013, 7 if quick else 10, 1, tzinfo=UTC))
    is_reference = rng.random(len(rows)) < 0.5
    reference, rest = model.reference(rows[is_reference]), rows[~is_reference]
    tilts = {
        "none": np.ones(len(rest)),
        "departures from 17 h on, 5 times": np.where(rest["dep_hour"] >= 17, 5.0, 1.0),
        "departures before 9 h, 5 times": np.where(rest["dep_hour"] < 9, 5.0, 1.0),
        "Newark, 5 times": np.where(rest["origin"] == "EWR", 5.0, 1.0),
        "wind over 15 mph, 5 times": np.where(rest["wind_speed"] > 15, 5.0, 1.0),
        "rain, 8 times": np.where(rest["precip"] > 0, 8.0, 1.0),
    }
    found = {}
    for name, weight in tilts.items():
        drawn = np.sort(rng.choice(len(rest), len(rest), p=weight / weight.sum()))
        seen = model.observed(rest.iloc[drawn])
        found[name] = _errors(seen, reference)
        realised = measured(seen)
        auc, loss = (f"{realised[one]:.4f}{found[name][one]:+9.4f}" for one in METRICS)
        show(f"  {name:33}{seen.rows:>7,}   {auc:>18}   {loss:>24}")
    return found


def _months(model: Model, *, quick: bool) -> dict[str, dict[str, Any]]:
    """Each month, against its own other half, the holdout, and the month before."""
    show("")
    show("The months; estimate less realised value of AUC and log-loss, by what the reference is")
    show(" " * 35 + "   half the month      holdout in May      month before         loss of AUC, 95 %")
    show("  month        rows     AUC log-loss" + "      AUC  log-loss" * 3)
    holdout = model.reference(model.holdout)
    before, found, start = holdout, {}, AS_OF
    while start < (datetime(2013, 8, 1, tzinfo=UTC) if quick else LAST):
        end = (start + timedelta(days=32)).replace(day=1)
        rows = model.rows(start, end)
        seen = model.observed(rows)
        realised = realised_of(seen, {1: holdout}, metric("roc_auc"))
        estimated = estimated_of(seen, {1: holdout}, metric("roc_auc"))
        errors = {
            "half": _halved(model, rows, times=1 if quick else 6),
            "holdout": _errors(seen, holdout),
            "month_before": _errors(seen, before),
        }
        shown = "".join(f"{one['roc_auc']:+11.4f}{one['log_loss']:+9.4f}" for one in errors.values())
        show(
            f"  {start:%B}".ljust(12) + f"{seen.rows:>7,}{realised.metrics['roc_auc']:8.4f}"
            f"{realised.metrics['log_loss']:9.4f}{shown}   "
            f"{_interval(realised.loss_interval)} realised, {_interval(estimated.loss_interval)} estimated"
        )
        found[f"{start:%Y-%m}"] = {
            "realised": {one: round(realised.metrics[one], 4) for one in METRICS},
            **{name: _rounded(some) for name, some in errors.items()},
        }
        before, start = model.reference(rows), end
    return found


def _halved(model: Model, rows: pd.DataFrame, times: int) -> Errors:
    """The mean error when one half of the rows, chosen at random, is the reference of the other."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(times):
        chosen = rng.random(len(rows)) < 0.5
        errors.append(_errors(model.observed(rows[~chosen]), model.reference(rows[chosen])))
    return {one: float(np.mean([error[one] for error in errors])) for one in METRICS}


def _errors(seen: Observed, reference: Reference) -> Errors:
    realised, estimated = measured(seen), estimated_metrics(seen, {1: reference})
    return {one: estimated[one] - realised[one] for one in METRICS}


def _rounded(errors: Errors) -> Errors:
    return {name: round(error, 4) for name, error in errors.items()}


def _interval(ends: tuple[float, float] | None) -> str:
    return "undefined" if ends is None else f"({ends[0]:+.3f}, {ends[1]:+.3f})"


if __name__ == "__main__":
    stopped(main)
