"""A model as MLflow keeps it is loaded by MLflow's own loader, whichever learner made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pyarrow as pa
import pytest

from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from registry.mlmodel import save_mlmodel
from registry.pyfunc import _load_pyfunc
from tests.synthetic import World, rows_of, snapshot

LEARNERS: dict[str, dict[str, Any]] = {
    "lightgbm": {"rounds": 3, "params": {"num_threads": 1}},
    "torch": {"epochs": 1, "params": {"layers": [4]}},
}
ALL_NEED = {"mlflow", "pandas", "pyarrow", "numpy"}
NEEDS = {
    "lightgbm": {"lightgbm"},
    "torch": {"torch", "safetensors", "tabm", "rtdl-num-embeddings", "pydantic"},
}


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
@pytest.mark.parametrize("learner", LEARNERS)
def test_pyfunc_scores_as_the_scorer_does(tmp_path: Path, learner: str, kind: Any) -> None:
    world, frame = World(tmp_path, kind=kind), rows_of(kind)
    world.write(frame)
    project = world.declare(learner={"kind": learner, **LEARNERS[learner]})
    model = Path(train(project, snapshot(world, project), "mark", world.settings).path) / MODEL
    save_mlmodel(model, tmp_path / "kept", {})
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "kept"))
    wanted = Scorer.load(model).score(pa.Table.from_pandas(frame)).values
    np.testing.assert_array_equal(loaded.predict(frame), wanted)
    # Versions without packed code name this loader.
    np.testing.assert_array_equal(_load_pyfunc(str(model)).predict(frame), wanted)
    pinned = (tmp_path / "kept" / "requirements.txt").read_text().split()
    assert {line.split("==")[0] for line in pinned} == NEEDS[learner] | ALL_NEED
    assert not any("+" in line for line in pinned)
