"""A candidate's metrics are those of scikit-learn on the window's rows, overall, of the baseline, and by slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from nightshift.errors import RequestError
from nightshift.evaluation.evaluate import deciding_metric, evaluate
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from tests.synthetic import World, days, rows_of, snapshot


def test_metrics_baseline_and_slices(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    world.write(frame)
    project = world.declare(evaluate={"metric": "log_loss", "slices": ["city"]})
    made = snapshot(world, project)
    candidate = train(project, made, "mark", world.settings)
    evaluation = evaluate(project, candidate, made, world.settings)
    assert (evaluation.metric, evaluation.greater_is_better) == ("log_loss", False)

    scorer = Scorer.load(Path(candidate.path) / MODEL)
    scores = pd.Series(scorer.score(pa.Table.from_pandas(frame)).values)
    for part, window in (("validate", days(28, 34)), ("holdout", days(34, 40))):
        rows = (frame["seen_at"] >= window.start) & (frame["seen_at"] < window.end)
        wanted = sk.log_loss(frame["y"][rows], scores[rows])
        assert evaluation.metrics[part]["log_loss"] == pytest.approx(wanted, rel=1e-9)

    holdout = frame[frame["seen_at"] >= days(34, 40).start]
    prior = frame["y"][frame["seen_at"] < days(0, 28).end].mean()
    wanted = sk.log_loss(holdout["y"], np.full(len(holdout), prior))
    assert evaluation.baseline["log_loss"] == pytest.approx(wanted, rel=1e-9)
    for city, rows in holdout.groupby(holdout["city"].fillna("None")):
        found = evaluation.slices["city"][str(city)]
        assert found["rows"] == len(rows)
        wanted = sk.log_loss(rows["y"], scores[rows.index], labels=[0, 1])
        assert found["log_loss"] == pytest.approx(wanted, rel=1e-9)
    with np.load(evaluation.path, allow_pickle=False) as kept:
        assert kept["truth"].tolist() == holdout["y"].tolist()
        assert kept["scores"].tolist() == scores[holdout.index].tolist()


def test_a_metric_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        deciding_metric(World(tmp_path).declare(evaluate={"metric": "rmse"}))
    assert "evaluate.metric" in caught.value.where
