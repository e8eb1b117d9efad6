"""Predictions of versions that know other classes than there are, and rows that a version has learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from nightshift.lake.tables import Lake, Replacement
from nightshift.metrics.registry import evaluate_all, metric
from nightshift.performance.bias import bias_signal
from nightshift.performance.calibration import Calibration
from nightshift.performance.estimated import estimated_metrics, estimated_signals
from nightshift.performance.observed import Observed, observe
from nightshift.performance.prediction_log import Look
from nightshift.performance.realised import realised_of
from nightshift.performance.reference import Reference
from tests.synthetic import AS_OF, World, days, rows_of, snapshot, whole

OLD, NEW = ("high", "low", "mid"), ("low", "mid", "top")


class TwoVersions:
    """Rows of four classes, predicted by a version that knows three of them and by one that knows another three."""

    def __init__(self, folder: Path, names: dict[str, object] | None = None) -> None:
        self.world = World(folder, kind="multiclass")
        self.frame = rows_of("multiclass")
        self.frame.loc[self.frame.index % 7 == 0, "y"] = "odd"
        self.frame.loc[self.frame.index % 7 == 1, "y"] = "high"
        if names:
            self.frame["y"] = self.frame["y"].map(names)
        self.world.write(self.frame)
        self.project = self.world.declare()
        snapshot(self.world, self.project)

    def log(self, columns: dict[int, tuple[str, ...]]) -> pd.DataFrame:
        """Version 1 predicts the first half and version 2 the second, with scores under `score_` and these names."""
        random, rows = np.random.default_rng(5), len(self.frame)
        parts = []
        for version, names in columns.items():
            half = self.frame.iloc[:600] if version == 1 else self.frame.iloc[600:]
            raw = random.gamma(1.0, size=(len(half), len(names)))
            told = pd.DataFrame(
                raw / raw.sum(axis=1, keepdims=True), columns=[f"score_{one}" for one in names]
            )
            told.insert(0, "prediction", np.array(names)[raw.argmax(axis=1)])
            told.insert(0, "seen_at", half["seen_at"].to_numpy())
            told.insert(0, "id", half["id"].to_numpy())
            told["model_version"] = np.int32(version)
            parts.append(told)
        table = pd.concat(parts, ignore_index=True)
        assert len(table) == rows
        reader = pa.Table.from_pandas(table, preserve_index=False).to_reader()
        lake = Lake.of(self.project.name, self.world.settings)
        lake.replace("predictions", reader, Replacement(whole(), "seen_at", "all"))
        return table.merge(self.frame[["id", "y"]], on="id")

    def observe(self, **look: object) -> Observed:
        return observe(self.project, self.world.settings, Look(whole(), AS_OF, **look))  # type: ignore[arg-type]


def test_every_labelled_row_is_measured_on_the_union_of_classes(tmp_path: Path) -> None:
    both = TwoVersions(tmp_path)
    table = both.log({1: OLD, 2: NEW})
    seen = both.observe()
    assert (seen.rows, seen.labelled, seen.scores.shape) == (1200, 1200, (1200, 4))
    found = realised_of(seen, {}, metric("log_loss")).metrics
    labels = ["high", "low", "mid", "odd", "top"]
    chances = table.reindex(columns=[f"score_{name}" for name in labels]).fillna(0.0).to_numpy()
    assert found["accuracy"] == pytest.approx((table["prediction"] == table["y"]).mean())
    assert found["log_loss"] == pytest.approx(sk.log_loss(table["y"], chances, labels=labels))
    assert found["f1"] == pytest.approx(
        sk.f1_score(table["y"], table["prediction"], average="macro", zero_division=0)
    )


def test_each_version_is_measured_with_the_classes_that_it_knows(tmp_path: Path) -> None:
    both = TwoVersions(tmp_path)
    table = both.log({1: OLD, 2: NEW})
    for version, names in ((1, OLD), (2, NEW)):
        seen = both.observe(versions=(version,))
        mine = table[table["model_version"] == version]
        assert seen.rows == seen.labelled == len(mine) == 600
        accuracy = realised_of(seen, {}, metric("accuracy")).metrics["accuracy"]
        assert accuracy == pytest.approx((mine["prediction"] == mine["y"]).mean())
        assert int(seen.own[version].sum()) == len(names)


def test_estimates_are_made_by_each_versions_own_classes(tmp_path: Path) -> None:
    both = TwoVersions(tmp_path)
    table = both.log({1: OLD, 2: NEW})
    references = {}
    for version, names in ((1, OLD), (2, NEW)):
        mine = table[table["model_version"] == version]
        scores = mine[[f"score_{name}" for name in names]].to_numpy()
        codes = mine["y"].map({name: place for place, name in enumerate(names)}).fillna(3).to_numpy(float)
        made = Reference.fit("multiclass", codes, scores)
        assert made.estimator is not None
        assert Reference.of_json(made.as_json()).estimates(scores, {}, {}) == pytest.approx(
            made.estimates(scores, {}, {}), abs=1e-5
        )
        references[version] = made
    seen = both.observe()
    estimated = estimated_metrics(seen, references)
    assert estimated["accuracy"] == pytest.approx((table["prediction"] == table["y"]).mean(), abs=0.03)
    assert all(one.p_value is not None for one in estimated_signals(seen, references, metric("log_loss")))


def test_a_number_is_one_class_though_versions_write_it_in_two_ways(tmp_path: Path) -> None:
    names = {"low": 1.0, "mid": 2.0, "top": 0.5, "odd": 3.0, "high": 10.0}
    both = TwoVersions(tmp_path, names)
    table = both.log({1: ("0.5", "1.0", "10.0", "2.0", "3.0"), 2: ("0.5", "1", "10", "2", "3")})
    seen = both.observe()
    assert (seen.labelled, seen.scores.shape) == (1200, (1200, 5))
    assert seen.truth.max() == 4, "all classes are known"
    accuracy = realised_of(seen, {}, metric("accuracy")).metrics["accuracy"]
    assert accuracy == pytest.approx((table["prediction"].astype(float) == table["y"]).mean())


def test_labels_that_a_version_has_learnt_from_are_not_seen(tmp_path: Path) -> None:
    both = TwoVersions(tmp_path)
    table = both.log({1: OLD, 2: NEW})
    seen = both.observe(learnt_until={1: days(5, 40).start, 2: days(30, 40).start})
    is_new = ~((table["model_version"] == 1) & (table["seen_at"] < days(5, 40).start))
    is_new &= ~((table["model_version"] == 2) & (table["seen_at"] < days(30, 40).start))
    assert (seen.rows, seen.labelled) == (1200, is_new.sum())
    accuracy = realised_of(seen, {}, metric("accuracy")).metrics["accuracy"]
    assert accuracy == pytest.approx((table["prediction"] == table["y"])[is_new].mean())


def test_calibration_leaves_room_for_classes_that_the_model_does_not_know() -> None:
    random = np.random.default_rng(8)
    scores = random.dirichlet([2, 2, 2], 4000)
    truth = np.array([random.choice(3, p=row) for row in scores]).astype(float)
    truth[random.random(4000) < 0.3] = 3
    made = Calibration.fit(truth, scores)
    assert made.apply(scores, {}).sum(axis=1) == pytest.approx(np.mean(truth < 3))
    assert Calibration.of_json(made.as_json()).unknown == made.unknown
    known = Calibration.fit(np.minimum(truth, 2), scores)
    assert known.unknown == 0
    assert known.apply(scores, {}).sum(axis=1) == pytest.approx(1)
    assert "unknown" not in known.as_json(), "what was written before reads alike"


def test_predictions_that_leave_a_class_out_are_too_high_for_the_others() -> None:
    random = np.random.default_rng(9)
    scores = random.dirichlet([4, 4], 2000)
    truth = np.where(random.random(2000) < 0.4, 2, (random.random(2000) < scores[:, 1]).astype(int))
    seen = Observed(
        "multiclass", whole(), 2000, 2000, truth.astype(float), scores, np.ones(2000, dtype=np.int64)
    )
    signal = bias_signal(seen)
    assert signal.value == pytest.approx(0.2, abs=0.05)
    assert signal.note == "predictions are too high"
    assert evaluate_all("multiclass", truth, scores)["accuracy"] < 0.6
