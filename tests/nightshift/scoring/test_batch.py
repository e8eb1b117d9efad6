"""A scored window: its predictions are the scorer's, its counts add up, and doing it twice does it once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from nightshift.errors import DataRefusedError
from nightshift.lake.tables import Lake
from nightshift.learners.train import MODEL, train
from nightshift.records import Scored, Window
from nightshift.scoring.batch import predict
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind, Project
from nightshift.trained import ModelVersion
from tests.synthetic import AS_OF, World, days, rows_of, snapshot

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
