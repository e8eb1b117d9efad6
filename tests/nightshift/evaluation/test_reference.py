"""What is kept for monitoring describes the train window's rows, and scores of rows that nothing was learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.dataset.rows import SnapshotRows
from nightshift.drift.codec import from_json
from nightshift.drift.layout import layout_of
from nightshift.drift.profile import CategoryColumn, NumericColumn, Profile
from nightshift.engine import engine
from nightshift.evaluation.evaluate import evaluate
from nightshift.evaluation.reference import MONITORING, PROFILE, profiled_rows
from nightshift.learners.train import MODEL, train
from nightshift.performance.reference import PERFORMANCE, Reference
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind
from nightshift.trained import Evaluation
from tests.synthetic import World, days, rows_of, snapshot

LATE = {"column": "y", "kind": "binary", "known_after": "2d"}


def made(world: World, frame: pd.DataFrame, **changes: object) -> tuple[Path, Evaluation]:
    world.write(frame)
    project = world.declare(**changes)
    rows = snapshot(world, project)
    candidate = train(project, rows, "mark", world.settings)
    return Path(candidate.path), evaluate(project, candidate, rows, world.settings)


def kept(folder: Path) -> Profile:
    return from_json((folder / MONITORING / PROFILE).read_text(encoding="utf-8"))


def test_features_and_labels_of_the_train_window_and_scores_of_the_holdout(tmp_path: Path) -> None:
    frame = rows_of()
    folder, _ = made(World(tmp_path), frame, dataset={"label": LATE}, evaluate={"slices": ["city"]})
    profile = kept(folder)
    learnt = frame[frame["seen_at"] < days(0, 28).end]
    assert profile.rows == len(learnt)
    assert {name: column.role for name, column in profile.columns.items()} == {
        **dict.fromkeys(["x", "gap", "n", "city"], "feature"), "y": "label", "score": "score",
    }  # fmt: skip
    gap, city, label = (profile.columns[name] for name in ("gap", "city", "y"))
    assert isinstance(gap, NumericColumn)
    assert gap.nulls == learnt["gap"].isna().sum()
    assert gap.mean == pytest.approx(learnt["gap"].mean())
    assert isinstance(city, CategoryColumn)
    assert dict(zip(city.values, city.counts, strict=False)) == learnt["city"].value_counts().to_dict()
    assert isinstance(label, NumericColumn)
    assert label.mean == pytest.approx(learnt["y"].mean())

    # Scores of every row of the holdout, also of the two days whose labels are not known yet.
    holdout = frame[frame["seen_at"] >= days(34, 40).start]
    scores = Scorer.load(folder / MODEL).score(pa.Table.from_pandas(holdout)).values
    column = profile.columns["score"]
    assert isinstance(column, NumericColumn)
    assert column.counts.sum() == len(holdout)
    assert [column.mean, column.minimum, column.maximum] == pytest.approx(
        [scores.mean(), scores.min(), scores.max()]
    )
    for name, segment in profile.segments.items():
        inside = (holdout["city"] == name.removeprefix("city=")).to_numpy()
        assert segment.columns["score"].counts.sum() == inside.sum()
        assert segment.rows == (learnt["city"] == name.removeprefix("city=")).sum()
    assert len(profile.segments) == 3
    assert {column.name for column in layout_of(profile).columns} == set(profile.columns)


def test_what_the_holdout_said_is_kept_with_its_metrics(tmp_path: Path) -> None:
    folder, evaluation = made(World(tmp_path), rows_of())
    reference = Reference.load(folder / MONITORING / PERFORMANCE)
    assert reference.whole.rows == 180
    assert reference.whole.metrics["roc_auc"] == pytest.approx(evaluation.metrics["holdout"]["roc_auc"])
    assert set(reference.columns) == {"x", "gap", "n", "city"}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("multiclass", {"prediction", "score_low", "score_mid", "score_top"}),
        ("regression", {"prediction"}),
    ],
)
def test_the_scores_are_called_as_in_the_lake(tmp_path: Path, kind: Kind, names: set[str]) -> None:
    folder, _ = made(World(tmp_path, kind=kind), rows_of(kind))
    columns = kept(folder).columns
    assert {name for name, column in columns.items() if column.role == "score"} == names


def test_a_feature_called_like_the_score_keeps_its_name(tmp_path: Path) -> None:
    sql = "select id, seen_at, x as score, n, y, weight from rows"
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare(sql)
    rows = snapshot(world, project)
    candidate = train(project, rows, "mark", world.settings)
    evaluate(project, candidate, rows, world.settings)
    columns = kept(Path(candidate.path)).columns
    assert (columns["score"].role, columns["model's score"].role) == ("feature", "score")


def test_a_windows_rows_have_what_the_profile_has(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    folder, _ = made(world, frame, dataset={"label": LATE}, evaluate={"slices": ["city"]})
    project = world.declare(dataset={"label": LATE}, evaluate={"slices": ["city"]})
    scorer = Scorer.load(folder / MODEL)
    with engine(world.settings) as connection:
        rows = SnapshotRows(project, snapshot(world, project), world.settings, connection)
        table = pa.Table.from_batches(profiled_rows(rows, scorer, days(36, 40)))
    wanted = frame[frame["seen_at"] >= days(36, 40).start]
    assert table["x"].to_pylist() == wanted["x"].tolist()
    assert table["y"].null_count == (wanted["seen_at"] > days(0, 38).end).sum()
    assert np.array_equal(table["score"], scorer.score(pa.Table.from_pandas(wanted)).values)
