"""Late labels joined to the prediction log: what is measured, what is expected, what is said without labels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from nightshift.findings import Signal
from nightshift.lake.tables import Lake, Replacement
from nightshift.performance import observed
from nightshift.performance.observed import observe
from nightshift.performance.prediction_log import Look
from nightshift.performance.reference import Reference
from nightshift.performance.review import Review, review
from nightshift.performance.timeline import timeline
from nightshift.records import Window
from nightshift.spec.project import Kind, Project
from tests.synthetic import AS_OF, World, days, rows_of, snapshot, whole

CLASSES = ("low", "mid", "top")


class Logged:
    """A project whose rows are in the lake, with predictions that need no model."""

    def __init__(self, folder: Path, kind: Kind = "binary", *, per_day: int = 30, **changes: Any) -> None:
        self.world = World(folder, kind=kind)
        self.frame = rows_of(kind, per_day=per_day)
        declared = {"evaluate": {"slices": ["city"]}, **changes}
        self.world.write(self.frame)
        self.project: Project = self.world.declare(**declared)
        snapshot(self.world, self.project)
        self.lake = Lake.of(self.project.name, self.world.settings)

    def relabel(self, frame: pd.DataFrame) -> None:
        """Ingest other rows."""
        self.world.write(frame)
        snapshot(self.world, self.project)

    def predict(self, window: Window, version: int = 1, noise: float = 0.0) -> pd.DataFrame:
        """Put predictions that follow the row's signal, give or take `noise`, into the log."""
        time = self.frame["seen_at"]
        rows = self.frame[(time >= window.start) & (time < window.end)]
        rng = np.random.default_rng(version)
        signal = rows["x"] + 0.3 * rows["n"] + rng.normal(0, noise + 1e-9, len(rows)) - 1.4
        made = {"id": rows["id"], "seen_at": rows["seen_at"], **self._scores(signal.to_numpy())}
        made |= {"model_version": np.full(len(rows), version, dtype=np.int32)}
        table = pa.Table.from_pandas(pd.DataFrame(made), preserve_index=False)
        change = Replacement(window, "seen_at", f"{version} {noise}", {"model_version": version})
        self.lake.replace("predictions", table.to_reader(), change)
        return pd.DataFrame(made).merge(self.frame[["id", "y", "city"]], on="id")

    def _scores(self, signal: np.ndarray) -> dict[str, Any]:
        chance = 1 / (1 + np.exp(-2 * signal))
        match self.world.kind:
            case "binary":
                return {"prediction": (chance >= 0.5).astype(np.int32), "score": chance}
            case "regression":
                return {"prediction": signal}
            case "multiclass":
                chances = np.stack([1 - chance, chance * (1 - chance) + 0.1, chance**2], axis=1)
                chances /= chances.sum(axis=1, keepdims=True)
                best = np.array(CLASSES)[chances.argmax(axis=1)]
                return {"prediction": best} | {
                    f"score_{name}": chances[:, at] for at, name in enumerate(CLASSES)
                }

    def reference(self, frame: pd.DataFrame) -> Reference:
        """What these predictions say of their version."""
        columns = pa.Table.from_pandas(frame[["city"]], preserve_index=False)
        truth, scores = self.arrays(frame)
        return Reference.fit(self.project.label.kind, truth, scores, columns, ["city"])

    def arrays(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        match self.world.kind:
            case "binary":
                return frame["y"].to_numpy(float), frame["score"].to_numpy()
            case "regression":
                return frame["y"].to_numpy(float), frame["prediction"].to_numpy()
            case "multiclass":
                codes = frame["y"].map({name: at for at, name in enumerate(CLASSES)}).to_numpy(float)
                return codes, frame[[f"score_{name}" for name in CLASSES]].to_numpy()

    def review(self, window: Window, references: dict[int, Reference] | None = None, **look: Any) -> Review:
        asked = Look(window, look.pop("as_of", AS_OF), **look)
        return review(self.project, self.world.settings, asked, references or {})


def test_realised_metrics_are_scikit_learns_on_the_joined_rows(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    frame = logged.predict(days(20, 40), noise=1.0)
    made = logged.review(days(20, 40)).realised
    assert (made.rows, made.labelled, made.coverage) == (600, 600, 1.0)
    assert made.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(frame["y"], frame["score"]))
    assert made.metrics["log_loss"] == pytest.approx(sk.log_loss(frame["y"], frame["score"]))
    assert made.metrics["average_precision"] == pytest.approx(
        sk.average_precision_score(frame["y"], frame["score"])
    )
    assert (made.expected, made.loss, made.loss_interval) == ({}, None, None)


@pytest.mark.parametrize(("kind", "name"), [("multiclass", "log_loss"), ("regression", "rmse")])
def test_other_kinds_are_joined_and_estimated_too(tmp_path: Path, kind: Kind, name: str) -> None:
    logged = Logged(tmp_path, kind)
    before, frame = logged.predict(days(0, 20), noise=0.5), logged.predict(days(20, 40), noise=0.5)
    made = logged.review(days(20, 40), {1: logged.reference(before)})
    truth, scores = logged.arrays(frame)
    wanted = sk.log_loss(truth, scores) if kind == "multiclass" else sk.root_mean_squared_error(truth, scores)
    assert made.realised.metrics[name] == pytest.approx(wanted)
    assert made.estimated.metrics[name] == pytest.approx(wanted, rel=0.1)
    assert made.estimated.method == ("dle" if kind == "regression" else "cbpe")
    assert made.estimated.error == pytest.approx(made.estimated.metrics[name] - wanted)  # type: ignore[operator]
    assert made.estimated.loss_interval is not None
    assert made.estimated.loss_interval[0] < 0 < made.estimated.loss_interval[1]


def test_labels_not_known_yet_are_not_seen(tmp_path: Path) -> None:
    dataset = {"label": {"column": "y", "kind": "binary", "known_after": "3d"}}
    logged = Logged(tmp_path, dataset={"key": ["id"], "event_time": "seen_at", **dataset})
    frame = logged.predict(days(30, 40))
    as_of = whole().start + timedelta(days=38)
    made = logged.review(days(30, 40), as_of=as_of).realised
    known = frame["seen_at"] <= as_of - timedelta(days=3)
    assert (made.rows, made.labelled) == (300, int(known.sum()))
    assert made.metrics["roc_auc"] == pytest.approx(
        sk.roc_auc_score(frame["y"][known], frame["score"][known])
    )
    assert logged.review(days(30, 40), as_of=whole().start).realised.coverage == 0.0


def test_labels_that_come_later_are_seen_at_the_newest_version_and_not_at_the_older(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    late = logged.frame.copy()
    late["y"] = late["y"].astype("Int64")
    late.loc[late["seen_at"] >= days(35, 40).start, "y"] = None
    logged.relabel(late)
    old = logged.lake.version("dataset")
    logged.predict(days(30, 40))
    assert logged.review(days(30, 40)).realised.labelled == 150
    logged.relabel(logged.frame.assign(y=logged.frame["y"].astype("Int64")))
    assert logged.review(days(30, 40)).realised.labelled == 300
    assert logged.review(days(30, 40), dataset_version=old).realised.labelled == 150


def test_a_row_counts_once_by_the_version_that_was_live_last(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    first, second = logged.predict(days(20, 40), 1, noise=0.1), logged.predict(days(30, 40), 2, noise=3.0)
    made = logged.review(days(20, 40)).realised
    wanted = pd.concat([first[first["seen_at"] < days(30, 40).start], second])
    assert made.rows == 600
    assert made.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(wanted["y"], wanted["score"]))
    rolled_back = logged.review(days(20, 40), versions=(2, 1)).realised
    assert rolled_back.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(first["y"], first["score"]))
    assert logged.review(days(20, 40), versions=(2,)).realised.rows == 300
    assert logged.review(days(20, 40), versions=()).realised.rows == 0


def test_expected_is_the_holdouts_weighted_by_rows(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.predict(days(10, 30), 1)
    logged.predict(days(30, 40), 2, noise=2.0)
    references = {1: Reference.of_metrics({"roc_auc": 0.9}), 2: Reference.of_metrics({"roc_auc": 0.6})}
    made = logged.review(days(10, 40), references).realised
    assert made.expected == pytest.approx({"roc_auc": 0.8})
    assert made.loss == pytest.approx(0.8 - (made.metrics["roc_auc"] or 0))
    assert made.loss_interval is not None
    assert made.loss_interval[0] < made.loss < made.loss_interval[1]


def test_a_worse_model_is_a_loss_in_realised_labels_and_not_in_the_estimate(tmp_path: Path) -> None:
    logged = Logged(tmp_path, per_day=120)
    before = logged.predict(days(0, 20), noise=0.3)
    references = {1: logged.reference(before)}
    logged.predict(days(20, 40), noise=0.3)
    turned = logged.frame.copy()
    late = turned["seen_at"] >= days(20, 40).start
    turned.loc[late, "y"] = np.random.default_rng(0).permutation(turned.loc[late, "y"].to_numpy())
    quiet = logged.review(days(20, 40), references)
    logged.relabel(turned)
    loud = logged.review(days(20, 40), references)
    assert quiet.realised.loss_interval is not None
    assert quiet.realised.loss_interval[0] < 0.01
    assert abs(quiet.estimated.error or 1.0) < 0.02
    assert loud.realised.loss_interval is not None
    assert loud.realised.loss_interval[0] > 0.3
    assert loud.estimated.loss == quiet.estimated.loss
    assert (loud.estimated.error or 0.0) > 0.3
    assert "no concept drift" in loud.estimated.assumption
    whole_window = by_family(loud.signals, "realised")[""]
    assert whole_window.p_value is not None
    assert whole_window.p_value < 1e-4
    assert whole_window.value == loud.realised.loss


def by_family(signals: tuple[Signal, ...], family: str) -> dict[str, Signal]:
    """The loss of each segment; calibration has tests of its own."""
    return {one.segment: one for one in signals if one.family == family and one.name != "calibration"}


def test_segments_have_signals_of_their_own(tmp_path: Path) -> None:
    logged = Logged(tmp_path, per_day=120)
    before = logged.predict(days(0, 20), noise=0.3)
    frame = logged.predict(days(20, 40), noise=0.3)
    made = logged.review(days(20, 40), {1: logged.reference(before)})
    for family in ("realised", "estimated"):
        found = by_family(made.signals, family)
        assert {"", "city=Bonn", "city=Köln", "city=Ulm", "city=None"} == set(found)
        assert found["city=None"].value is None
        assert found["city=None"].note.startswith("too few")
        assert not any(one.alarm for one in found.values())
    ulm, other = frame["city"] == "Ulm", before["city"] == "Ulm"
    wanted = sk.roc_auc_score(before["y"][other], before["score"][other]) - sk.roc_auc_score(
        frame["y"][ulm], frame["score"][ulm]
    )
    realised = by_family(made.signals, "realised")["city=Ulm"]
    assert realised.value == pytest.approx(wanted)
    assert (realised.effect_floor, realised.name) == (0.02, "roc_auc")
    estimated = by_family(made.signals, "estimated")["city=Ulm"]
    assert estimated.value == pytest.approx(0.0, abs=0.03)


def test_under_200_labels_it_says_so(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.predict(days(34, 40))
    made = logged.review(days(34, 40), {1: Reference.of_metrics({"roc_auc": 0.9})})
    assert made.realised.loss is not None
    assert made.realised.loss_interval is None
    signal = by_family(made.signals, "realised")[""]
    assert (signal.value, signal.p_value) == (None, None)
    assert signal.note == "too few: 180 labelled rows, 200 are needed"


def test_no_predictions_no_labels_and_one_class_are_defined(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    nothing = logged.review(days(20, 40))
    assert (nothing.realised.rows, nothing.realised.coverage, nothing.realised.metrics) == (0, 0.0, {})
    assert (nothing.estimated.rows, nothing.estimated.loss, nothing.estimated.error) == (0, None, None)
    frame = logged.predict(days(0, 40))
    references = {1: logged.reference(frame)}
    assert logged.review(days(50, 60), references).realised.rows == 0

    unlabelled = logged.frame.assign(y=pd.array([None] * len(logged.frame), dtype="Int64"))
    logged.relabel(unlabelled)
    never = logged.review(days(20, 40), references)
    assert (never.realised.rows, never.realised.labelled, never.realised.loss) == (600, 0, None)
    assert never.realised.expected["roc_auc"] == references[1].whole.metrics["roc_auc"]
    assert never.estimated.metrics["roc_auc"] == pytest.approx(
        sk.roc_auc_score(frame["y"], frame["score"]), abs=0.03
    )
    assert never.estimated.error is None

    logged.relabel(logged.frame.assign(y=pd.array([1] * len(logged.frame), dtype="Int64")))
    one_class = logged.review(days(20, 40), references)
    assert one_class.realised.metrics["roc_auc"] is None
    assert one_class.realised.metrics["accuracy"] is not None
    assert (one_class.realised.loss, one_class.realised.loss_interval) == (None, None)
    assert by_family(one_class.signals, "realised")[""].note.startswith("roc_auc is undefined")


def test_a_version_without_a_calibration_is_measured_and_not_estimated(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    logged.predict(days(20, 40))
    made = logged.review(days(20, 40), {1: Reference.of_metrics({"roc_auc": 0.9})})
    assert made.realised.loss is not None
    assert (made.estimated.metrics, made.estimated.loss) == ({}, None)
    assert made.estimated.assumption.startswith("There is no estimate")


def test_a_large_window_is_measured_on_a_sample_and_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = Logged(tmp_path, per_day=120)
    frame = logged.predict(days(0, 40), noise=0.5)
    monkeypatch.setattr(observed, "MOST_ROWS", 2_000)
    look = Look(days(0, 40), AS_OF)
    seen = observe(logged.project, logged.world.settings, look)
    assert (seen.rows, seen.labelled) == (4_800, 4_800)
    assert 1_700 < len(seen.truth) < 2_300
    made = review(logged.project, logged.world.settings, look, {1: logged.reference(frame)})
    assert made.realised.metrics["roc_auc"] == pytest.approx(
        sk.roc_auc_score(frame["y"], frame["score"]), abs=0.02
    )
    assert made.estimated.rows == 4_800


def test_a_timeline_has_a_point_a_step(tmp_path: Path) -> None:
    logged = Logged(tmp_path)
    first = logged.predict(days(0, 20), 1, noise=0.2)
    second = logged.predict(days(20, 30), 2, noise=2.0)
    references = {1: logged.reference(first), 2: logged.reference(second)}
    points = timeline(
        logged.project, logged.world.settings, Look(days(0, 40), AS_OF), references, timedelta(days=15)
    )
    assert [point.window for point in points] == [days(0, 15), days(15, 30), days(30, 40)]
    assert [point.versions for point in points] == [(1,), (1, 2), ()]
    assert [(point.rows, point.coverage) for point in points] == [(450, 1.0), (450, 1.0), (0, 0.0)]
    part = first[first["seen_at"] < days(0, 15).end]
    assert points[0].realised["roc_auc"] == pytest.approx(sk.roc_auc_score(part["y"], part["score"]))
    assert points[0].estimated["roc_auc"] == pytest.approx(points[0].realised["roc_auc"], abs=0.05)
    assert (points[2].realised, points[2].estimated, points[2].expected) == ({}, {}, {})
