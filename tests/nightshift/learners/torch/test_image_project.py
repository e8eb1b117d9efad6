"""A project with a column of images, from its source to its predictions and its night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.errors import DataRefusedError
from nightshift.evaluation.evaluate import evaluate
from nightshift.evaluation.reference import MONITORING
from nightshift.lake.tables import Lake
from nightshift.learners.refit import refit
from nightshift.learners.train import MODEL, train
from nightshift.monitoring.monitor import monitor
from nightshift.monitoring.nights import Opening
from nightshift.monitoring.standing import Standing
from nightshift.monitoring.windows import NightWindows
from nightshift.quality.validate import validate
from nightshift.scoring.batch import predict
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Project
from nightshift.trained import Candidate, ModelVersion
from registry.mlmodel import save_mlmodel
from tests.nightshift.learners.torch.pictures import digits
from tests.synthetic import AS_OF, START, World, days, snapshot, staged

RECIPE = {
    "kind": "torch", "network": "image", "epochs": 3, "batch_size": 64, "rate": 0.01,
    "images": {"size": 16, "channels": 1}, "params": {"widths": [8, 16]},
}  # fmt: skip
TRAINED = START + timedelta(days=33)


def rows() -> pd.DataFrame:
    """2,400 digits below five, every fortieth without an image, and a number and a text beside them."""
    files, target = digits()
    chosen = np.resize(np.flatnonzero(target < 5), 2400)
    random = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "id": np.arange(2400),
            "seen_at": pd.date_range(START, periods=2400, freq="24min").as_unit("us"),
            "photo": [None if place % 40 == 3 else files[one] for place, one in enumerate(chosen)],
            "x": random.normal(size=2400),
            "city": random.choice(["Bonn", "Ulm"], 2400),
            "y": target[chosen].astype(str),
        }
    )


def declared(folder: Path, frame: pd.DataFrame) -> tuple[World, Project]:
    world = World(folder, kind="multiclass")
    world.write(frame)
    return world, world.declare(
        dataset={"key": ["id"], "event_time": "seen_at", "label": {"column": "y", "kind": "multiclass"}, "exclude": []},
        split={"train": "20d", "validate": "4d", "holdout": "4d"}, evaluate={"slices": ["city"]}, learner=RECIPE,
        quality={"rules": ["x > -8"]},
        drift={"window": "6d", "signals": {"domain_classifier": {"enabled": True}}},
    )  # fmt: skip


def version_of(candidate: Candidate) -> ModelVersion:
    return ModelVersion(
        project="demo", version=1, run_id="run", created_at=AS_OF, as_of=TRAINED, window=days(1, 33),
        data_table="dataset", data_version=0, data_digest="", spec_hash="", commit="", seed=0,
        model_sha256=candidate.model_sha256, metrics={"holdout": {}}, baseline={}, promoted=True, reasons=(),
        learnt_until=TRAINED,
    )  # fmt: skip


def test_from_the_source_to_a_night(tmp_path: Path) -> None:
    frame = rows()
    frame.loc[5, "x"] = -9.0
    world, project = declared(tmp_path, frame)
    taken, report = validate(project, staged(world, project, days(1, 33)), TRAINED, world.settings)
    (photo,) = (one for one in report.columns if one.name == "photo")
    assert photo.type == "BLOB"
    assert 0.02 < photo.null_share < 0.03
    assert int(photo.minimum) <= int(photo.maximum) < 300

    candidate = train(project, taken, "mark", world.settings)
    evaluation = evaluate(project, candidate, taken, world.settings)
    assert evaluation.metrics["holdout"]["accuracy"] > 0.8  # type: ignore[operator]
    assert candidate.features == ("photo", "x", "city")
    again = refit(project, candidate, taken, world.settings)
    assert again.rows > candidate.rows["train"]

    scorer = Scorer.load(Path(candidate.path) / MODEL)
    save_mlmodel(Path(candidate.path) / MODEL, tmp_path / "kept", {})
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "kept"))
    wanted = scorer.score(pa.Table.from_pandas(frame)).values
    np.testing.assert_array_equal(loaded.predict(frame), wanted)
    assert "pillow==" in (tmp_path / "kept" / "requirements.txt").read_text()

    everything = snapshot(world, project)
    scored = predict(project, everything, version_of(candidate), scorer, world.settings)
    assert (scored.rows_scored, scored.rows_quarantined) == (2399, 1)
    quarantine = Lake.of(project.name, world.settings).read("quarantine", 0).to_table()
    assert '"id":5' in quarantine["row"].to_pylist()[0]

    folder = Path(candidate.path)
    standing = Standing.load(version_of(candidate), folder / MODEL, folder / MONITORING)
    windows = NightWindows.of(project, AS_OF, AS_OF - timedelta(days=1))
    night = monitor(
        project, everything, Opening(windows=windows, nights=(), began_at=datetime.now(UTC)), standing, world.settings
    )  # fmt: skip
    measured = {(signal.column, signal.name) for signal in night.signals if signal.value is not None}
    assert {("photo", "wasserstein"), ("photo", "missing_rate"), ("", "domain_classifier")} <= measured


def test_bytes_that_are_no_image_name_their_row(tmp_path: Path) -> None:
    frame = rows()
    frame.loc[1500, "photo"] = b"no image"
    world, project = declared(tmp_path, frame)
    with pytest.raises(DataRefusedError, match="no image") as raised:
        train(project, snapshot(world, project), "mark", world.settings)
    assert raised.value.where == "column 'photo', id 1500"
