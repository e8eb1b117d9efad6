"""Which of the champion's models is compared, and on which rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from nightshift.evaluation.compare import Rival, compare, fair_rival
from nightshift.learners.train import MODEL, train
from nightshift.records import Snapshot
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Project
from nightshift.trained import Candidate, ModelVersion, Refit
from tests.synthetic import AS_OF, START, World, days, rows_of, snapshot, whole

HOLDOUT = days(34, 40).start


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def refit_until(number: int, *, goes_live: bool = True) -> Refit:
    return Refit(
        model_sha256="", learnt_until=day(number), rows=1, rounds=1, goes_live=goes_live, reasons=(), numbers={},
        seconds=0.0,
    )  # fmt: skip


def champion(evaluated: int | None, refit: Refit | None) -> ModelVersion:
    live = refit.learnt_until if refit and refit.goes_live else None if evaluated is None else day(evaluated)
    return ModelVersion(
        project="demo", version=3, run_id="", created_at=AS_OF, as_of=day(36), window=whole(), data_table="",
        data_version=0, data_digest="", spec_hash="", commit="", seed=0, model_sha256="", metrics={}, baseline={},
        promoted=True, reasons=(), learnt_until=live, evaluated_until=None if evaluated is None else day(evaluated),
        refit=refit,
    )  # fmt: skip


def candidate(refit: Refit | None = None) -> Candidate:
    return Candidate(
        project="demo", path="", model_sha256="", spec_hash="", seed=0, rounds=1, best_round=1, rows={},
        unlabelled=0, features=(), seconds=0.0, refit=refit,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "evaluated", "theirs", "wanted"),
    [
        # Neither is refitted: the one model there is.
        (None, 30, None, Rival(False, day(30))),
        # A refit of either side that did not go live is none.
        (refit_until(40, goes_live=False), 30, refit_until(36, goes_live=False), Rival(False, day(30))),
        # Both are refitted: twin against twin, even where the live champion has seen nothing of the holdout.
        (refit_until(40), 20, refit_until(26), Rival(True, day(20))),
        (refit_until(40), 30, refit_until(36), Rival(True, day(30))),
        # Only the champion is: its live model, unless it has learnt from the holdout.
        (None, 20, refit_until(34), Rival(False, day(34))),
        (None, 30, refit_until(36), Rival(True, day(30))),
        # A record of old: by the split as it is declared now, six days of holdout before its as-of.
        (refit_until(40), None, None, Rival(False, day(30))),
    ],
)
def test_the_rival(
    tmp_path: Path, ours: Refit | None, evaluated: int | None, theirs: Refit | None, wanted: Rival
) -> None:
    project = World(tmp_path).declare()
    assert fair_rival(project, candidate(ours), champion(evaluated, theirs), HOLDOUT) == wanted


def two_models(tmp_path: Path) -> tuple[World, Project, Snapshot, Scorer, Scorer]:
    world = World(tmp_path)
    world.write(rows_of(per_day=60))
    project = world.declare(evaluate={"metric": "log_loss"})
    made = snapshot(world, project)
    worse = world.declare(evaluate={"metric": "log_loss"}, learner={"rounds": 2})
    scorers = (
        Scorer.load(Path(train(one, made, one.spec_hash, world.settings).path) / MODEL)
        for one in (project, worse)
    )
    return world, project, made, *scorers


@pytest.mark.parametrize(("learnt", "first"), [(30, 34), (34, 34), (36, 36)])
def test_only_rows_that_the_rival_has_not_learnt_from_count(tmp_path: Path, learnt: int, first: int) -> None:
    world, project, made, ours, theirs = two_models(tmp_path)
    found = compare(project, ours, theirs, Rival(False, day(learnt)), made, world.settings)
    frame = rows_of(per_day=60)
    rows = frame[frame["seen_at"] >= day(first)]
    losses = [sk.log_loss(rows["y"], one.score(pa.Table.from_pandas(rows)).values) for one in (ours, theirs)]
    assert (found.paired.rows, found.is_unseen) == (len(rows), True)
    assert [found.paired.ours, found.paired.theirs] == pytest.approx(losses)
    assert found.paired.gain == pytest.approx(losses[1] - losses[0])
    assert found.paired.gain > found.paired.noise


def test_a_rival_that_has_learnt_from_all_of_them_is_measured_and_told(tmp_path: Path) -> None:
    world, project, made, ours, theirs = two_models(tmp_path)
    found = compare(project, ours, theirs, Rival(False, day(50)), made, world.settings)
    assert (found.paired.rows, found.is_unseen) == (360, False)


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "f1", "balanced_accuracy", "roc_auc"])
def test_both_are_measured_on_all_rows_whatever_classes_they_know(tmp_path: Path, metric: str) -> None:
    world = World(tmp_path, kind="multiclass")
    frame = rows_of("multiclass")
    frame.loc[(frame.index % 3 == 0) & (frame["seen_at"] >= day(20)), "y"] = "new"
    frame.loc[(frame.index % 10 == 1) & (frame["seen_at"] >= HOLDOUT), "y"] = "newest"
    frame.loc[(frame.index % 5 == 2) & (frame["seen_at"] < day(8)), "y"] = "gone"
    world.write(frame)
    project = world.declare(evaluate={"metric": metric})
    made = snapshot(world, project)
    early = snapshot(world, project, days(0, 20), as_of=day(20))
    short = world.declare(split={"train": "10d", "validate": "4d", "holdout": "4d"})
    theirs = train(short, early, "then", world.settings)
    late = world.declare(split={"train": "20d", "validate": "6d", "holdout": "6d"})
    ours = train(late, made, "now", world.settings)
    scorers = [Scorer.load(Path(one.path) / MODEL) for one in (ours, theirs)]
    assert [one.manifest.classes for one in scorers] == [
        ("low", "mid", "new", "top"),
        ("gone", "low", "mid", "top"),
    ]
    found = compare(project, *scorers, Rival(False, day(20)), made, world.settings)
    rows = frame[frame["seen_at"] >= HOLDOUT]
    assert found.paired.rows == len(rows) == 180
    wanted = [on_the_union(scorer, rows, metric) for scorer in scorers]
    assert [found.paired.ours, found.paired.theirs] == pytest.approx(wanted)
    if metric in ("log_loss", "balanced_accuracy"):
        assert found.paired.gain > 0, "it knows a class that a third of the rows are of"


def on_the_union(scorer: Scorer, rows: pd.DataFrame, metric: str) -> float:
    """The metric as scikit-learn has it, on all classes that there are."""
    labels = sorted({*scorer.manifest.classes, *rows["y"]})
    told = pd.DataFrame(
        scorer.score(pa.Table.from_pandas(rows)).values, columns=list(scorer.manifest.classes)
    )
    chances = told.reindex(columns=labels, fill_value=0.0).to_numpy()
    predicted, present = np.array(labels)[chances.argmax(axis=1)], sorted(set(rows["y"]))
    match metric:
        case "log_loss":
            return float(sk.log_loss(rows["y"], chances, labels=labels))
        case "accuracy":
            return float(sk.accuracy_score(rows["y"], predicted))
        case "balanced_accuracy":
            return float(sk.recall_score(rows["y"], predicted, labels=present, average="macro"))
        case "roc_auc":
            areas = [sk.roc_auc_score(rows["y"] == name, chances[:, labels.index(name)]) for name in present]
            return float(np.mean(areas))
        case _:
            return float(sk.f1_score(rows["y"], predicted, average="macro", zero_division=0))
