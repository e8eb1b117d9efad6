"""From the label's type to what is measured: every labelled row counts, whatever type its class is of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.evaluation.evaluate import evaluate
from nightshift.lake.tables import Lake
from nightshift.learners.train import MODEL, train
from nightshift.records import Scored
from nightshift.scoring.batch import predict
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Project
from nightshift.trained import Candidate, Evaluation, ModelVersion
from tests.synthetic import AS_OF, World, days, rows_of, snapshot

PLACES = {"low": 0, "mid": 1, "top": 2}
# Of each type of label: its three values, from the place of a class.
TYPES: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "whole floats": (pa.float64(), float),
    "floats": (pa.float64(), lambda place: 0.5 + place / 2),
    "narrow floats": (pa.float32(), lambda place: place / 10),
    "integers": (pa.int64(), int),
    "decimals": (pa.decimal128(6, 2), lambda place: f"{place / 4:.2f}"),
    "numbers of 20 digits": (pa.decimal128(20), lambda place: f"1234567890123456789{place}"),
    "texts of numbers": (pa.string(), lambda place: f"{place}.0"),
    "texts that hardly differ": (pa.string(), lambda place: ("yes", "Yes", " yes")[place]),
    "a dictionary": (pa.dictionary(pa.int8(), pa.string()), lambda place: "abc"[place]),
    "dates": (pa.date32(), lambda place: datetime(2024, 1, 1 + place, tzinfo=UTC).date()),
}


class Labelled:
    """A multiclass project with labels of one type, its model, and what came of it."""

    def __init__(self, folder: Path, kind: pa.DataType, value: Callable[[int], Any], **changes: Any) -> None:
        self.world = World(folder, kind="multiclass")
        self.frame = rows_of("multiclass")
        self.places = self.frame["y"].map(PLACES).to_numpy()
        labels = pa.array([value(place) for place in self.places.tolist()])
        self.table = pa.Table.from_pandas(self.frame, preserve_index=False)
        self.table = self.table.set_column(self.table.schema.names.index("y"), "y", labels.cast(kind))
        self.write()
        self.project: Project = self.world.declare(**changes)

    def write(self) -> None:
        self.world.source.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.table, self.world.source)

    def train(self) -> tuple[Candidate, Evaluation, Scorer]:
        made = snapshot(self.world, self.project)
        candidate = train(self.project, made, "mark", self.world.settings)
        evaluation = evaluate(self.project, candidate, made, self.world.settings)
        return candidate, evaluation, Scorer.load(Path(candidate.path) / MODEL)

    def predict(self, candidate: Candidate, scorer: Scorer, first: int = 34) -> Scored:
        version = ModelVersion(
            project=self.project.name, version=1, run_id="run", as_of=AS_OF, created_at=AS_OF,
            window=days(0, 40), data_table="", data_version=0, data_digest="", spec_hash="", commit="",
            seed=0, model_sha256=candidate.model_sha256, metrics={}, baseline={}, promoted=True, reasons=(),
            learnt_until=candidate.learnt_until,
        )  # fmt: skip
        made = snapshot(self.world, self.project, days(first, 40))
        return predict(self.project, made, version, scorer, self.world.settings)

    def predictions(self) -> pd.DataFrame:
        lake = Lake.of(self.project.name, self.world.settings)
        version = lake.version("predictions")
        assert version is not None
        return lake.read("predictions", version).to_table().to_pandas().merge(self.frame, on="id")


@pytest.mark.parametrize(("kind", "value"), TYPES.values(), ids=TYPES.keys())
def test_all_rows_of_all_classes_are_measured(
    tmp_path: Path, kind: pa.DataType, value: Callable[[int], Any]
) -> None:
    labelled = Labelled(tmp_path, kind, value)
    candidate, evaluation, scorer = labelled.train()
    assert candidate.rows == {"train": 840, "validate": 180}
    assert len(scorer.manifest.classes) == 3
    holdout = labelled.table.slice(1020)
    chances = scorer.score(holdout).values
    # The order of the classes' names need not be that of their values.
    order = sorted(range(3), key=lambda place: scorer.manifest.classes.index(_name(kind, value(place))))
    truth = np.array([order.index(place) for place in labelled.places[1020:]])
    accuracy = float((chances.argmax(axis=1) == truth).mean())
    assert accuracy > 0.6
    assert evaluation.metrics["holdout"]["accuracy"] == pytest.approx(accuracy)


def _name(kind: pa.DataType, value: Any) -> str:
    match value:
        case float() if value == int(value):
            return str(int(value))
        case str() if pa.types.is_decimal(kind) and kind.scale:
            return value.rstrip("0").rstrip(".")
        case _:
            return str(value)


@pytest.mark.parametrize("name", ["whole floats", "narrow floats"])
def test_predictions_of_numbers_are_measured_row_by_row(tmp_path: Path, name: str) -> None:
    labelled = Labelled(tmp_path, *TYPES[name])
    candidate, evaluation, scorer = labelled.train()
    scored = labelled.predict(candidate, scorer)
    assert (scored.realised_rows, scored.realised_learnt) == (180, 0)
    assert scored.realised["accuracy"] == pytest.approx(evaluation.metrics["holdout"]["accuracy"])
    rows = labelled.predictions()
    truth = dict(zip(labelled.table["id"].to_pylist(), labelled.table["y"].to_pylist(), strict=True))
    # Through float32: 0.1 of a column of these is 0.10000000149011612.
    told, true = rows["prediction"].astype(np.float32), rows["id"].map(truth).astype(np.float32)
    assert (told == true).mean() == pytest.approx(scored.realised["accuracy"])


def test_rows_of_a_class_that_came_later_are_mistakes(tmp_path: Path) -> None:
    labelled = Labelled(tmp_path, pa.string(), lambda place: "abc"[place], evaluate={"slices": ["city"]})
    rows = labelled.table.to_pandas()
    rows.loc[(rows["seen_at"] >= days(30, 40).start) & (rows.index % 3 == 0), "y"] = "new"
    rows.loc[rows["seen_at"] < days(5, 40).start, "y"] = "gone"
    labelled.table = pa.Table.from_pandas(rows, preserve_index=False)
    labelled.frame = rows
    labelled.write()
    candidate, evaluation, scorer = labelled.train()
    assert scorer.manifest.classes == ("a", "b", "c", "gone")
    scored = labelled.predict(candidate, scorer)
    assert scored.realised_rows == 180
    table = labelled.predictions()
    is_right = table["prediction"] == table["y"]
    assert scored.realised["accuracy"] == pytest.approx(is_right.mean())
    assert evaluation.metrics["holdout"]["accuracy"] == pytest.approx(is_right.mean())
    assert evaluation.metrics["validate"]["accuracy"] < 0.8
    for city, found in evaluation.slices["city"].items():
        mine = table["city"].isna() if city == "None" else table["city"] == city
        assert found["rows"] == mine.sum(), "no row of a slice is left out"


def test_rows_that_the_model_has_learnt_from_are_counted_and_not_measured(tmp_path: Path) -> None:
    labelled = Labelled(tmp_path, pa.int64(), int)
    candidate, evaluation, scorer = labelled.train()
    scored = labelled.predict(candidate, scorer, first=20)
    assert (scored.rows_scored, scored.realised_rows, scored.realised_learnt) == (600, 180, 420)
    assert scored.realised["accuracy"] == pytest.approx(evaluation.metrics["holdout"]["accuracy"])


def test_a_weight_is_found_by_any_name_of_a_number(tmp_path: Path) -> None:
    labelled = Labelled(tmp_path, pa.float64(), float, learner={"class_weights": {"0.0": 3.0, "1": 1.0}})
    weighted = labelled.train()[0]
    plain = Labelled(tmp_path / "plain", pa.float64(), float).train()[0]
    assert weighted.model_sha256 != plain.model_sha256


def test_a_binary_label_of_any_type_gives_one_model(tmp_path: Path) -> None:
    found = []
    for number, value in enumerate((int, bool, lambda place: f"{place}.0")):
        world = World(tmp_path / str(number))
        frame = rows_of()
        frame["y"] = [value(place) for place in frame["y"].tolist()]
        world.write(frame)
        project = world.declare()
        made = snapshot(world, project)
        candidate = train(project, made, "mark", world.settings)
        evaluation = evaluate(project, candidate, made, world.settings)
        found.append((candidate.model_sha256, evaluation.metrics))
    assert found[0] == found[1] == found[2]
