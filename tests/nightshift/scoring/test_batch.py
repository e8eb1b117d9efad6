"""A scored window: its predictions are the scorer's, its counts add up, and doing it twice does it once."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake
from nightshift.learners.train import MODEL, train
from nightshift.performance.observed import observe
from nightshift.performance.prediction_log import Look
from nightshift.records import Arm, Scored, Window
from nightshift.scoring.batch import predict
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind, Project
from nightshift.trained import ModelVersion
from tests.synthetic import AS_OF, SQL, World, days, rows_of, snapshot, whole

KINDS: tuple[Kind, ...] = get_args(Kind)
every_kind = pytest.mark.parametrize("kind", KINDS)


class Trained:
    """A project with a trained model, not registered anywhere."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.world = World(folder, kind=kind)
        self.frame = rows_of(kind)
        self.world.write(self.frame)
        self.project: Project = self.world.declare(quality={"rules": ["x > -100"]})
        made = snapshot(self.world, self.project)
        self.candidate = train(self.project, made, "mark", self.world.settings)
        self.scorer = Scorer.load(Path(self.candidate.path) / MODEL)

    def version(self, number: int = 1) -> ModelVersion:
        return ModelVersion(
            project=self.project.name, version=number, run_id=f"run {number}", as_of=AS_OF,
            created_at=datetime(2024, 3, 1, tzinfo=UTC), window=days(0, 40), data_table="", data_version=0,
            data_digest="", spec_hash="", commit="", seed=0, model_sha256=self.candidate.model_sha256,
            metrics={}, baseline={}, promoted=True, reasons=(),
        )  # fmt: skip

    def predict(self, window: Window, number: int = 1) -> Scored:
        made = snapshot(self.world, self.project, window)
        return predict(self.project, made, self.version(number), self.scorer, self.world.settings)

    def table(self) -> pd.DataFrame:
        lake = Lake.of(self.project.name, self.world.settings)
        version = lake.version("predictions")
        assert version is not None
        return lake.read("predictions", version).to_table().to_pandas().sort_values("id")


@pytest.fixture(params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path: Path) -> Trained:
    """A trained project of each kind."""
    return Trained(tmp_path, request.param)


def test_predictions_are_the_scorers(trained: Trained) -> None:
    scored = trained.predict(days(34, 40))
    rows = trained.frame[trained.frame["seen_at"] >= days(34, 40).start]
    wanted = trained.scorer.score(pa.Table.from_pandas(rows)).values
    table = trained.table()
    assert table["id"].tolist() == rows["id"].tolist()
    assert (table["seen_at"] == rows["seen_at"].to_numpy()).all()
    match trained.world.kind:
        case "binary":
            assert table["score"].tolist() == wanted.tolist()
            assert table["prediction"].tolist() == (wanted >= 0.5).astype(int).tolist()
        case "multiclass":
            names = ["low", "mid", "top"]
            assert np.array_equal(table[[f"score_{name}" for name in names]].to_numpy(), wanted)
            assert table["prediction"].tolist() == [names[place] for place in wanted.argmax(axis=1)]
        case "regression":
            assert table["prediction"].tolist() == wanted.tolist()
    assert set(table["model_version"]) == {1}
    assert set(table["run_id"]) == {"run 1"}
    assert (scored.rows_in, scored.rows_scored, scored.rows_quarantined) == (180, 180, 0)


def test_realised_metrics_are_scikit_learns_on_the_joined_table(trained: Trained) -> None:
    scored = trained.predict(days(34, 40))
    joined = trained.table().merge(trained.frame[["id", "y"]], on="id")
    assert scored.realised_rows == len(joined)
    match trained.world.kind:
        case "binary":
            wanted = {
                "roc_auc": sk.roc_auc_score(joined["y"], joined["score"]),
                "log_loss": sk.log_loss(joined["y"], joined["score"]),
                "average_precision": sk.average_precision_score(joined["y"], joined["score"]),
            }
        case "multiclass":
            names = ["low", "mid", "top"]
            probabilities = joined[[f"score_{name}" for name in names]].to_numpy()
            wanted = {
                "log_loss": sk.log_loss(joined["y"], probabilities, labels=names),
                "accuracy": sk.accuracy_score(joined["y"], joined["prediction"]),
            }
        case _:
            wanted = {
                "rmse": sk.root_mean_squared_error(joined["y"], joined["prediction"]),
                "mae": sk.mean_absolute_error(joined["y"], joined["prediction"]),
                "r2": sk.r2_score(joined["y"], joined["prediction"]),
            }
    for name, value in wanted.items():
        assert scored.realised[name] == pytest.approx(value, rel=1e-9), name


def test_the_same_window_again_writes_nothing_and_tells_the_same(trained: Trained) -> None:
    first, second = trained.predict(days(34, 40)), trained.predict(days(34, 40))
    assert second.model_copy(update={"seconds": 0.0, "cost": None}) == first.model_copy(
        update={"seconds": 0.0, "cost": None}
    )
    assert len(trained.table()) == 180


def test_two_versions_predictions_stand_side_by_side(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.predict(days(34, 40), 1)
    trained.predict(days(36, 38), 2)
    assert trained.table().groupby("model_version").size().to_dict() == {1: 180, 2: 60}


def test_every_row_is_scored_or_quarantined_and_new_categories_are_counted(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    frame = trained.frame
    late = frame.index[frame["seen_at"] >= days(34, 40).start]
    frame.loc[late[:7], "x"] = -500.0
    frame.loc[late[10:15], "city"] = "Zug"
    frame["y"] = frame["y"].astype("Int64")
    frame.loc[late[20:], "y"] = None
    trained.world.write(frame)
    scored = trained.predict(days(34, 40))
    assert (scored.rows_in, scored.rows_scored, scored.rows_quarantined) == (180, 173, 7)
    assert scored.unseen_categories == {"city": 5}
    assert scored.realised_rows == 13
    assert set(trained.table()["id"]) == set(late[7:])


def test_labels_not_known_yet_are_not_realised(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.project = trained.world.declare(
        dataset={"label": {"column": "y", "kind": "binary", "known_after": "2d"}}
    )
    scored = trained.predict(days(34, 40))
    known = trained.frame["seen_at"].between(days(34, 40).start, AS_OF - timedelta(days=2))
    assert scored.realised_rows == known.sum()


def test_rows_without_a_trained_column_are_refused(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.project = trained.world.declare("select * exclude (gap) from rows")
    with pytest.raises(DataRefusedError, match="lack the column 'gap'"):
        trained.predict(days(34, 40))


@every_kind
def test_no_rows_give_no_scores(tmp_path: Path, kind: Kind) -> None:
    trained = Trained(tmp_path, kind)
    none = trained.scorer.score(pa.Table.from_pandas(trained.frame.head(0))).values
    assert none.shape == ((0, 3) if kind == "multiclass" else (0,))


class Keyed(Trained):
    """A project of another kind of key, trained."""

    def __init__(self, folder: Path, name: str, values: pa.Array, kind: Kind = "binary") -> None:
        self.world = World(folder, kind=kind)
        rows = pa.Table.from_pandas(rows_of(kind), preserve_index=False).drop_columns(["id"])
        self.keys = values.to_pylist()
        self.world.source.parent.mkdir(parents=True)
        pq.write_table(rows.append_column(name, values), self.world.source)
        self.project = self.world.declare(dataset={"key": [name]})
        made = snapshot(self.world, self.project)
        self.candidate = train(self.project, made, "mark", self.world.settings)
        self.scorer = Scorer.load(Path(self.candidate.path) / MODEL)

    def read(self) -> pa.Table:
        lake = Lake.of(self.project.name, self.world.settings)
        version = lake.version("predictions")
        assert version is not None
        return lake.read("predictions", version).to_table()


SIZE = 1200
UTC_MOMENT = pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("run_id", pa.array([f"job-{place}" for place in range(SIZE)])),
        ("Score", pa.array(range(SIZE), pa.int32())),
        ("prediction", pa.array([f"{place:06d}" for place in range(SIZE)])),
        ("model_version", pa.array([f"{place}".encode() for place in range(SIZE)], pa.binary())),
        ("arm", pa.array([date(2020, 1, 1) + timedelta(days=place) for place in range(SIZE)])),
        ("twenty digits", pa.array([f"{10**19 + place}" for place in range(SIZE)])),
        ("moment", pa.array([AS_OF + timedelta(microseconds=place) for place in range(SIZE)], UTC_MOMENT)),
        ("größe", pa.array([f"{place}/ß'\"%" for place in range(SIZE)])),
    ],
)  # fmt: skip
def test_keys_of_any_name_and_type_come_out_as_they_went_in(
    tmp_path: Path, name: str, values: pa.Array
) -> None:
    keyed = Keyed(tmp_path, name, values)
    scored = keyed.predict(days(34, 40))
    assert keyed.read()[name].sort().to_pylist() == sorted(keyed.keys[1020:])
    look = Look(days(34, 40), AS_OF)
    seen = observe(keyed.project, keyed.world.settings, look)
    assert (scored.rows_scored, seen.rows, seen.labelled) == (180, 180, 180)
    assert keyed.predict(days(34, 40), 2).table_version == 1


def test_the_event_time_may_be_part_of_the_key(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")
    trained.world.write(rows_of().assign(id=lambda frame: frame["id"] % 30))
    trained.project = trained.world.declare(dataset={"key": ["id", "seen_at"]})
    trained.predict(days(34, 40))
    assert len(trained.table()) == 180
    assert observe(trained.project, trained.world.settings, Look(days(34, 40), AS_OF)).labelled == 180


def test_classes_that_differ_by_case_alone_are_predicted_apart(tmp_path: Path) -> None:
    world = World(tmp_path, kind="multiclass")
    named = {"low": "yes", "mid": "Yes", "top": "no"}
    rows = rows_of("multiclass")
    rows["y"] = rows["y"].map(named)
    world.write(rows)
    trained = object.__new__(Trained)
    trained.world, trained.frame, trained.project = world, rows, world.declare()
    trained.candidate = train(trained.project, snapshot(world, trained.project), "mark", world.settings)
    trained.scorer = Scorer.load(Path(trained.candidate.path) / MODEL)
    scored = trained.predict(days(34, 40))
    table = trained.table()
    joined = table.merge(rows[["id", "y"]], on="id")
    assert set(joined["prediction"]) == set(named.values())
    assert scored.realised["accuracy"] == sk.accuracy_score(joined["y"], joined["prediction"]) > 0.6
    seen = observe(trained.project, world.settings, Look(days(34, 40), AS_OF))
    assert np.array_equal(np.sort(seen.scores, axis=1), np.sort(trained.scorer.score(
        pa.Table.from_pandas(rows[rows["seen_at"] >= days(34, 40).start])).values, axis=1))  # fmt: skip


def test_a_version_with_more_classes_keeps_the_rows_of_the_one_before(tmp_path: Path) -> None:
    few = Trained(tmp_path, "multiclass")
    few.predict(days(0, 20), 1)
    frame = few.frame.copy()
    frame.loc[frame["id"] % 7 == 0, "y"] = "extra"
    few.world.write(frame)
    made = snapshot(few.world, few.project)
    many = object.__new__(Trained)
    many.__dict__ = {**few.__dict__, "candidate": train(few.project, made, "other", few.world.settings)}
    many.scorer = Scorer.load(Path(many.candidate.path) / MODEL)
    many.predict(days(30, 40), 2)
    few.predict(days(0, 20), 1)
    table = few.table()
    assert table.groupby("model_version").size().to_dict() == {1: 600, 2: 300}
    assert table.loc[table["model_version"] == 1, "score_extra"].isna().all()
    for version, window, rows in ((1, days(0, 20), 600), (2, days(30, 40), 300)):
        seen = observe(few.project, few.world.settings, Look(window, AS_OF, (version,)))
        assert (seen.scores.shape, seen.scores[:, 0].any()) == ((rows, 4), version == 2)
        assert seen.scores.sum(axis=1) == pytest.approx(1)
    assert observe(few.project, few.world.settings, Look(whole(), AS_OF)).scores.shape == (900, 4)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("binary", "multiclass"),
        ("multiclass", "binary"),
        ("regression", "binary"),
        ("binary", "regression"),
    ],
)
def test_a_label_of_another_kind_keeps_the_rows_of_before(tmp_path: Path, was: Kind, now: Kind) -> None:
    before = Trained(tmp_path, was)
    before.predict(days(0, 20), 1)
    after = Trained(tmp_path / "other", now)
    after.world = World(tmp_path, kind=now)
    after.project = after.world.declare(
        "select * replace (y::varchar as y) from rows" if now == "multiclass" else SQL
    )
    lake = Lake.of(before.project.name, before.world.settings)
    shutil.rmtree(lake.uri("dataset"))
    Path(lake.uri("contract.json")).unlink()
    after.world.write(after.frame)
    after.predict(days(20, 40), 2)
    table = before.table()
    assert table.groupby("model_version").size().to_dict() == {1: 600, 2: 600}
    assert observe(after.project, after.world.settings, Look(days(20, 40), AS_OF)).labelled == 600


def test_a_version_that_is_asked_for_is_no_champion(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "binary")

    def predict_as(number: int, arm: Arm, window: Window) -> None:
        made = snapshot(trained.world, trained.project, window)
        predict(trained.project, made, trained.version(number), trained.scorer, trained.world.settings, arm)

    predict_as(1, "champion", days(34, 40))
    predict_as(2, "version", days(34, 40))
    predict_as(1, "version", days(33, 36))
    table = trained.table()
    by_arm = table.groupby(["model_version", "arm"]).size().to_dict()
    assert by_arm == {(1, "champion"): 180, (1, "version"): 30, (2, "version"): 180}
    predict_as(2, "champion", days(34, 40))
    assert set(trained.table().query("model_version == 2")["arm"]) == {"champion"}
