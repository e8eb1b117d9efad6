"""The flights-delay model in one plain script, as a person would write it: what the pipeline's time is held against.

No Prefect, no MLflow, nothing of Nightshift. The SQL, the split and LightGBM's parameters are read from the project's
own files, so that both do the same work for as long as both exist.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import lightgbm as lgb
import pandas as pd
import yaml

KEY, TIME, LABEL = "flight_id", "departs_at", "late"
AS_OF = datetime(2013, 9, 1, tzinfo=UTC)
MONTH = (AS_OF, datetime(2013, 10, 1, tzinfo=UTC))


def main() -> None:
    """Train, evaluate on the holdout, score September 2013, and write the predictions to one Parquet file."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("project", type=Path, help="the folder with project.yaml and dataset.sql")
    options.add_argument("data", type=Path, help="the folder with flights/ and weather.parquet")
    options.add_argument("predictions", type=Path, help="the Parquet file to write")
    given = options.parse_args()

    declared = yaml.safe_load((given.project / "project.yaml").read_text())
    sql = (given.project / declared["dataset"]["sql"]).read_text()
    days = {name: timedelta(days=int(length[:-1])) for name, length in declared["split"].items()}
    holdout_start = AS_OF - days["holdout"]
    validate_start = holdout_start - days["validate"]
    train_start = validate_start - days["train"]
    seconds = {}

    started = time.perf_counter()
    rows = read(given.data, sql, train_start, AS_OF)
    # A label is known a day after departure; rows without one teach nothing.
    rows = rows[rows[LABEL].notna() & (rows[TIME] <= AS_OF - timedelta(days=1))]
    train = rows[rows[TIME] < validate_start]
    validate = rows[(rows[TIME] >= validate_start) & (rows[TIME] < holdout_start)]
    holdout = rows[rows[TIME] >= holdout_start]
    seconds["read"] = time.perf_counter() - started

    started = time.perf_counter()
    features = [name for name in rows.columns if name not in (KEY, TIME, LABEL)]
    text = [name for name in features if not pd.api.types.is_numeric_dtype(rows[name])]
    categories = {name: sorted(train[name].dropna().unique()) for name in text}

    def prepared(part: pd.DataFrame, seen: pd.DataFrame | None = None) -> pd.DataFrame:
        # What is not among the values that a model has seen is null to it.
        values = categories if seen is None else {name: sorted(seen[name].dropna().unique()) for name in text}
        known = {name: part[name].where(part[name].isin(values[name])) for name in text}
        columns = {name: pd.Categorical(known[name], values[name]) for name in text}
        numbers = part[[name for name in features if name not in text]].astype("float32")
        return numbers.assign(**columns)[features]

    learner = declared["learner"]
    params = {"objective": "binary", "metric": "binary_logloss", "verbosity": -1, **learner["params"]}
    params |= {"seed": learner.get("seed", 0), "deterministic": True, "force_row_wise": True}
    train_set = lgb.Dataset(prepared(train), train[LABEL])
    booster = lgb.train(
        params,
        train_set,
        num_boost_round=learner["rounds"],
        # Like the pipeline, which keeps the curves of both.
        valid_sets=[lgb.Dataset(prepared(validate), validate[LABEL], reference=train_set), train_set],
        valid_names=["validate", "train"],
        callbacks=stopping(learner["early_stopping"]),
    )
    rounds = booster.best_iteration or learner["rounds"]
    seconds["train"] = time.perf_counter() - started

    started = time.perf_counter()
    area = roc_auc(holdout[LABEL], booster.predict(prepared(holdout)))
    seconds["evaluate"] = time.perf_counter() - started

    started = time.perf_counter()
    live, seen = booster, train
    if declared.get("refit"):
        live, seen = lgb.train(params, lgb.Dataset(prepared(rows, rows), rows[LABEL]), rounds), rows
        seconds["refit"] = time.perf_counter() - started

    started = time.perf_counter()
    month = read(given.data, sql, *MONTH)
    scores = live.predict(prepared(month, seen))
    month[[KEY, TIME]].assign(prediction=(scores >= 0.5).astype("int32"), score=scores).to_parquet(
        given.predictions
    )
    seconds["predict"] = time.perf_counter() - started
    result = {
        "roc_auc": area, "rounds": rounds, "train_rows": len(train), "scored_rows": len(month),
        "seconds": seconds,
    }  # fmt: skip
    print(json.dumps(result))


def stopping(patience: int | None) -> list[object]:
    """Early stopping, if the project wants it."""
    return [] if patience is None else [lgb.early_stopping(patience, first_metric_only=True, verbose=False)]


def read(data: Path, sql: str, start: datetime, end: datetime) -> pd.DataFrame:
    """The rows of `[start, end)`, ordered by event time and key."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW flights AS SELECT * FROM read_parquet('{data}/flights/*.parquet')")
        connection.execute(f"CREATE VIEW weather AS SELECT * FROM read_parquet('{data}/weather.parquet')")
        query = f"SELECT * FROM ({sql}) WHERE {TIME} >= $start AND {TIME} < $end ORDER BY {TIME}, {KEY}"
        return connection.sql(query, params={"start": start, "end": end}).df()


def roc_auc(truth: pd.Series, scores: object) -> float:
    """Area under the ROC curve, by ranks (Mann-Whitney)."""
    ranks = pd.Series(scores, index=truth.index).rank()
    positives = int(truth.sum())
    negatives = len(truth) - positives
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


if __name__ == "__main__":
    main()
