"""How near the estimated metrics come to the realised ones, on a year of real flights whose labels are known.

A model is trained as of 1 June 2013 as the project flights-delay declares it, its holdout makes the reference, and
each month from June on is scored: AUC and log-loss as they are estimated without a label, beside what they turned out
to be. Two figures that are not the same:

- Covariate shift without concept drift, made of real rows: a month is parted at random into a reference and a rest,
  and the rest is drawn anew so that late hours, one airport or strong winds are several times as common. What
  leads to the label is the same in both, so the estimate has to be right. Target: within 0.01 of the realised AUC.
- The months as they came. Where scores still mean what they meant on the holdout, the same target holds; where
  they do not, that is concept drift, which no estimate without labels can see, and the error is shown as it is.
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from bare_flights_delay import KEY, LABEL, TIME, read
from harness import PROJECT, ROOT, finish, show, stopped

from deployments.flights import write_flights
from nightshift.findings import Estimated, Realised
from nightshift.metrics.registry import metric
from nightshift.performance.estimated import estimated_of
from nightshift.performance.observed import Observed
from nightshift.performance.realised import realised_of
from nightshift.performance.reference import Reference
from nightshift.performance.segments import slices_of
from nightshift.records import Window

AS_OF = datetime(2013, 6, 1, tzinfo=UTC)
LAST = datetime(2014, 1, 1, tzinfo=UTC)
SLICES = ["origin", "carrier"]
METRICS = ("roc_auc", "log_loss")
WITHIN = 0.01
# A month still means what the holdout meant when chance and outcome differ by less than this on average.
CALIBRATED = 0.02
_HEADS = "rows      AUC: realised  estimated   error   log-loss: realised  estimated   error"


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

    def reference(self, rows: pd.DataFrame) -> Reference:
        """What `rows` say of the model."""
        truth = rows[LABEL].to_numpy(np.float64)
        return Reference.fit("binary", truth, self.scores(rows), pa.Table.from_pandas(rows[SLICES]))

    def observed(self, rows: pd.DataFrame, window: Window) -> Observed:
        """`rows` as if they had been scored, and their labels had come."""
        return Observed(
            "binary", window, len(rows), len(rows), rows[LABEL].to_numpy(np.float64), self.scores(rows),
            np.ones(len(rows), dtype=np.int64), slices_of(pa.Table.from_pandas(rows[SLICES])),
        )  # fmt: skip


def main() -> None:
    """Train, then hold estimated against realised."""
    given = _options()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        data = given.data or Path(folder)
        write_flights(data)
        model = Model(data, 40 if given.quick else None)
        shifted = [_errors(*one) for one in _shifted(model, quick=given.quick)]
        months = [_compare(*one) for one in _months(model, quick=given.quick)]
    calibrated = [row["error"]["roc_auc"] for row in months if row["miscalibration"] < CALIBRATED]
    worst = max(abs(row["roc_auc"]) for row in shifted)
    of_months = max((abs(error) for error in calibrated), default=None)
    finish(
        "estimated_performance", quick=given.quick, seconds=time.perf_counter() - started,
        shifted_worst_auc_error=worst, calibrated_months=len(calibrated),
        calibrated_months_worst_auc_error=of_months, months=months,
        met=None if given.quick else worst < WITHIN and (of_months is None or of_months < WITHIN),
    )  # fmt: skip


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer trees and months: does it work at all?")
    parser.add_argument("--data", type=Path, help="where the flights are, or are to be written")
    return parser.parse_args()


def _shifted(model: Model, *, quick: bool) -> Iterator[tuple[str, Realised, Estimated]]:
    """Draws from one half of some months, held against the other half: other rows, the same world."""
    show(
        "Covariate shift without concept drift: half of June to September is the reference, the rest is redrawn"
    )
    show(
        "                                rows      AUC: realised  estimated   error   log-loss: realised  estimated   error"
    )
    rng = np.random.default_rng(0)
    rows = model.rows(AS_OF, datetime(2013, 7 if quick else 10, 1, tzinfo=UTC))
    is_reference = rng.random(len(rows)) < 0.5
    reference, rest = model.reference(rows[is_reference]), rows[~is_reference]
    tilts = {
        "none": np.ones(len(rest)),
        "departures after 17 h, 5 times": np.where(rest["dep_hour"] >= 17, 5.0, 1.0),
        "departures before 9 h, 5 times": np.where(rest["dep_hour"] < 9, 5.0, 1.0),
        "Newark, 5 times": np.where(rest["origin"] == "EWR", 5.0, 1.0),
        "wind over 15 mph, 5 times": np.where(rest["wind_speed"] > 15, 5.0, 1.0),
        "rain, 8 times": np.where(rest["precip"] > 0, 8.0, 1.0),
    }
    window = Window(start=AS_OF, end=LAST)
    for name, weight in tilts.items():
        drawn = rng.choice(len(rest), len(rest), p=weight / weight.sum())
        seen = model.observed(rest.iloc[np.sort(drawn)], window)
        yield name, *_both(seen, reference)


def _months(model: Model, *, quick: bool) -> Iterator[tuple[Window, Observed, Reference]]:
    """Each month as it came, against the holdout."""
    show("")
    show("The months as they came; the reference is the holdout, 18 to 31 May")
    show(
        "             rows      AUC: realised  estimated   error   log-loss: realised  estimated   error   miscalibration"
    )
    reference = model.reference(model.holdout)
    start = AS_OF
    while start < (datetime(2013, 8, 1, tzinfo=UTC) if quick else LAST):
        end = (start + timedelta(days=32)).replace(day=1)
        window = Window(start=start, end=end)
        yield window, model.observed(model.rows(start, end), window), reference
        start = end


def _both(seen: Observed, reference: Reference) -> tuple[Realised, Estimated]:
    deciding = metric("roc_auc")
    return realised_of(seen, {1: reference}, deciding), estimated_of(seen, {1: reference}, deciding)


def _errors(name: str, realised: Realised, estimated: Estimated) -> dict[str, float]:
    errors = {one: estimated.metrics[one] - realised.metrics[one] for one in METRICS}
    show(f"  {name:30}{realised.rows:>7,}{_shown(realised, estimated)}")
    return errors


def _compare(window: Window, seen: Observed, reference: Reference) -> dict[str, object]:
    realised, estimated = _both(seen, reference)
    chances = reference.estimator.apply(seen.scores)
    order = np.array_split(np.argsort(chances), 20)
    apart = [abs(chances[places].mean() - seen.truth[places].mean()) * places.size for places in order]
    miscalibration = float(np.sum(apart) / len(chances))
    show(
        f"  {window.start:%B %Y}".ljust(18) + f"{realised.rows:>7,}{_shown(realised, estimated)}"
        f"{miscalibration:13.4f}{'' if miscalibration < CALIBRATED else '   concept drift'}"
    )
    return {
        "month": f"{window.start:%Y-%m}",
        "realised": {one: round(realised.metrics[one], 4) for one in METRICS},
        "estimated": {one: round(estimated.metrics[one], 4) for one in METRICS},
        "error": {one: round(estimated.metrics[one] - realised.metrics[one], 4) for one in METRICS},
        "loss_interval": {
            "realised": [round(end, 4) for end in realised.loss_interval],
            "estimated": [round(end, 4) for end in estimated.loss_interval],
        },
        "miscalibration": round(miscalibration, 4),
    }


def _shown(realised: Realised, estimated: Estimated) -> str:
    parts = []
    for name, width in (("roc_auc", 19), ("log_loss", 20)):
        known, thought = realised.metrics[name], estimated.metrics[name]
        parts.append(f"{known:{width}.4f}{thought:11.4f}{thought - known:+9.4f}")
    return "".join(parts)


if __name__ == "__main__":
    stopped(main)
