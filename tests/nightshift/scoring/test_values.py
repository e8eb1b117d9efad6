"""Values that training never saw, in windows that are scored: nulls where it knew none, numbers beyond float32."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from nightshift.learners.train import MODEL, train
from nightshift.performance.observed import observe
from nightshift.performance.prediction_log import Look
from nightshift.scoring.scorer import Scorer
from tests.nightshift.scoring.test_batch import KINDS, Trained
from tests.synthetic import AS_OF, World, days, rows_of, snapshot

LATE = days(34, 40)
TORCH = {"kind": "torch", "epochs": 2, "params": {"layers": [8]}}


def late(frame: pd.DataFrame) -> pd.Index[Any]:
    return frame.index[frame["seen_at"] >= LATE.start]


@pytest.mark.parametrize("kind", KINDS)
def test_a_null_in_the_column_that_tells_is_scored_as_unknown(kind: Any, tmp_path: Path) -> None:
    trained = Trained(tmp_path, kind)
    frame = trained.frame
    some = late(frame)[:60]
    known = trained.scorer.score(pa.Table.from_pandas(frame.loc[some])).values
    frame.loc[some, "x"] = np.nan
    trained.world.write(frame)
    scored = trained.predict(LATE)
    assert scored.unlearnt_nulls == {"x": 60}, "the column gap had nulls in training, and is no news"
    assert scored.rows_scored == 180
    table = trained.table().set_index("id").loc[frame.loc[some, "id"]]
    match kind:
        case "binary":
            found = table["score"].to_numpy()
        case "multiclass":
            found = table[["score_low", "score_mid", "score_top"]].to_numpy()
            assert np.allclose(found.sum(axis=1), 1)
        case _:
            found = table["prediction"].to_numpy()
    assert np.abs(found.mean(axis=0) - known.mean(axis=0)).max() < 0.15 * max(1.0, float(known.std()))
    assert found.std() < known.std(), "less is known of these rows, and they are told apart less"


@pytest.mark.parametrize("column", ["x", "n"])
def test_the_warning_names_the_column(column: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = Trained(tmp_path, "binary")
    frame = trained.frame.astype({column: float})
    frame.loc[late(frame)[:7], column] = None
    rows = pa.Table.from_pandas(frame[frame["seen_at"] >= LATE.start])
    assert trained.scorer.score(rows).nulls == {column: 7}
    if column == "x":  # what becomes of a column of whole numbers is for its contract to say
        trained.world.write(frame)
        with caplog.at_level(logging.WARNING):
            trained.predict(LATE)
        assert "nulls in columns that had none in training: {'x': 7}" in caplog.text


def test_a_null_category_is_no_category_where_training_had_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["city"] = frame["city"].fillna("Ulm")
    world.write(frame)
    project = world.declare()
    candidate = train(project, snapshot(world, project), "mark", world.settings)
    scorer = Scorer.load(Path(candidate.path) / MODEL)
    rows = frame.tail(50).assign(city=None)
    found = scorer.score(pa.Table.from_pandas(rows))
    assert found.nulls == {"city": 50}
    each = [
        scorer.score(pa.Table.from_pandas(rows.assign(city=city))).values for city in ("Bonn", "Köln", "Ulm")
    ]
    assert (found.values >= np.min(each, axis=0) - 1e-12).all()
    assert (found.values <= np.max(each, axis=0) + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_to_a_network_such_a_null_is_the_median(kind: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    world, frame = World(tmp_path, kind=kind), rows_of(kind)
    world.write(frame)
    project = world.declare(learner=TORCH)
    candidate = train(project, snapshot(world, project), "mark", world.settings)
    scorer = Scorer.load(Path(candidate.path) / MODEL)
    learnt = frame[frame["seen_at"] < days(0, 28).end]
    rows = frame.tail(40)
    found = scorer.score(pa.Table.from_pandas(rows.assign(x=np.nan)))
    assert found.nulls == {"x": 40}
    wanted = scorer.score(pa.Table.from_pandas(rows.assign(x=learnt["x"].median())))
    np.testing.assert_allclose(found.values, wanted.values, atol=0.02 * max(1.0, float(frame["x"].std())))


@pytest.mark.parametrize("value", [1e39, -1e39, 1.7976931348623157e308])
def test_a_number_beyond_float32_is_as_an_infinite_one(value: float, tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.project = trained.world.declare(quality={"rules": []}, evaluate={"slices": ["city"]})
    frame = trained.frame
    some = late(frame)[3:5]
    frame.loc[some, "x"] = value
    trained.world.write(frame)
    scored = trained.predict(LATE)
    assert (scored.rows_scored, scored.rows_quarantined) == (180, 0)
    assert scored.beyond_float32 == {"x": 2}
    infinite = frame.loc[some].assign(x=np.copysign(np.inf, value))
    wanted = trained.scorer.score(pa.Table.from_pandas(infinite))
    assert wanted.beyond == {}
    table = trained.table().set_index("id").loc[frame.loc[some, "id"]]
    assert table["score"].tolist() == wanted.values.tolist()
    # What late labels are joined to reads the same number.
    seen = observe(trained.project, trained.world.settings, Look(LATE, AS_OF, columns=("x",)))
    assert np.isinf(seen.numbers["x"]).sum() == 2


def test_or_its_row_is_quarantined_where_that_is_declared(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.project = trained.world.declare(quality={"rules": [], "beyond_float32": "quarantine"})
    frame = trained.frame
    frame.loc[late(frame)[:4], "x"] = [1e39, -1e39, np.inf, np.nan]
    trained.world.write(frame)
    scored = trained.predict(LATE)
    assert (scored.rows_scored, scored.rows_quarantined) == (178, 2)
    made = snapshot(trained.world, trained.project, LATE)
    assert [(one.rule, one.rows) for one in made.refused_by] == [("x fits a float32", 2)]


def test_training_on_such_numbers_is_training_on_infinite_ones(tmp_path: Path) -> None:
    models = []
    for name, value in (("far", 1e39), ("infinite", np.inf)):
        world, frame = World(tmp_path / name), rows_of()
        frame.loc[frame.index[100:110], "x"] = value
        world.write(frame)
        project = world.declare()
        models.append(train(project, snapshot(world, project), "mark", world.settings).model_sha256)
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("column", "rule"), [("y", "y is a finite number"), ("weight", "weight is a weight")]
)
def test_a_label_or_weight_beyond_float32_is_quarantined(column: str, rule: str, tmp_path: Path) -> None:
    world, frame = World(tmp_path, kind="regression"), rows_of("regression")
    frame.loc[frame.index[:3], column] = 1e39
    world.write(frame)
    project = world.declare(dataset={"weight": "weight", "exclude": []})
    made = snapshot(world, project)
    assert [(one.rule, one.rows) for one in made.refused_by] == [(rule, 3)]


def as_floats(kind: Any) -> pd.DataFrame:
    frame = rows_of(kind)
    if kind == "multiclass":
        frame["y"] = frame["y"].map({"low": 0.0, "mid": 1.0, "top": 2.0})
    return frame.astype({"y": float})


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_that_is_nan_is_not_known_yet(kind: Any, tmp_path: Path) -> None:
    told = []
    for name in ("nan", "null"):
        world, frame = World(tmp_path / name, kind=kind), as_floats(kind)
        unknown = np.zeros(len(frame), dtype=bool)
        unknown[::9] = True
        column = pa.array(frame["y"].to_numpy().copy(), mask=unknown if name == "null" else None)
        if name == "nan":
            column = pa.array(np.where(unknown, np.nan, frame["y"]))
            assert column.null_count == 0
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        world.source.parent.mkdir(parents=True)
        pa.parquet.write_table(rows.set_column(rows.column_names.index("y"), "y", column), world.source)
        project = world.declare()
        made = snapshot(world, project)
        assert made.quarantined == 0
        candidate = train(project, made, "mark", world.settings)
        told.append((candidate.model_sha256, candidate.rows))
    assert told[0] == told[1]


@pytest.mark.parametrize("kind", KINDS)
def test_and_in_the_windows_that_are_scored_too(kind: Any, tmp_path: Path) -> None:
    world, frame = World(tmp_path, kind=kind), as_floats(kind)
    frame.loc[late(frame)[:100], "y"] = np.nan
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    label = pa.array(frame["y"].to_numpy())
    world.source.parent.mkdir(parents=True)
    pa.parquet.write_table(rows.set_column(rows.column_names.index("y"), "y", label), world.source)
    trained = Trained.__new__(Trained)
    trained.world, trained.frame, trained.project = world, frame, world.declare()
    made = snapshot(world, trained.project, days(0, 34), LATE.start)
    trained.candidate = train(trained.project, made, "mark", world.settings)
    trained.scorer = Scorer.load(Path(trained.candidate.path) / MODEL)
    scored = trained.predict(LATE)
    assert (scored.rows_scored, scored.rows_quarantined, scored.realised_rows) == (180, 0, 80)
    seen = observe(trained.project, world.settings, Look(LATE, AS_OF))
    assert (seen.rows, seen.labelled) == (180, 80)


@pytest.mark.parametrize("kind", KINDS)
def test_an_infinite_label_is_no_label(kind: Any, tmp_path: Path) -> None:
    world, frame = World(tmp_path, kind=kind), as_floats(kind)
    frame.loc[frame.index[:2], "y"] = [np.inf, -np.inf]
    world.write(frame)
    made = snapshot(world, world.declare())
    assert made.quarantined == 2


def test_a_window_without_a_single_label_is_refused(tmp_path: Path) -> None:
    world, frame = World(tmp_path), as_floats("binary")
    frame["y"] = np.nan
    world.write(frame)
    project = world.declare()
    with pytest.raises(DataRefusedError, match="null or were not known"):
        train(project, snapshot(world, project), "mark", world.settings)
