"""A refit is what bare LightGBM makes of every row whose label is known, in as many rounds as were evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nightshift.learners.refit import Refitted, known_window, refit
from nightshift.learners.train import MODEL, train
from nightshift.scoring.scorer import Scorer
from nightshift.spec.project import Kind
from nightshift.trained import Candidate
from tests.synthetic import AS_OF, CITIES, START, World, days, rows_of, snapshot

FEATURES = ["x", "gap", "n", "city"]
LATE = {"dataset": {"label": {"column": "y", "kind": "binary", "known_after": "2d"}}}


def refitted(world: World, **changes: Any) -> tuple[Candidate, Refitted]:
    project = world.declare(refit=True, **changes)
    made = snapshot(world, project)
    candidate = train(project, made, "mark", world.settings)
    return candidate, refit(project, candidate, made, world.settings)


def bare(frame: pd.DataFrame, known: pd.Series, rounds: int, cities: list[str]) -> np.ndarray:
    """Scores of all rows by LightGBM itself, trained on the known ones."""
    codes = pd.Categorical(frame["city"], categories=cities).codes.astype("float32")
    columns = frame[FEATURES].assign(city=np.where(codes < 0, np.nan, codes)).astype("float32")
    params = {
        "objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1, "seed": 0,
        "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    data = lgb.Dataset(columns[known], frame["y"][known], categorical_feature=["city"], params=params)
    return np.asarray(lgb.train(params, data, rounds).predict(columns))


def scores(folder: Path, frame: pd.DataFrame) -> np.ndarray:
    return Scorer.load(folder).score(pa.Table.from_pandas(frame)).values


def test_it_learns_from_every_known_row_for_the_rounds_that_were_evaluated(tmp_path: Path) -> None:
    world, frame = World(tmp_path), rows_of()
    # A city that opens in the last week: only the refit can know it.
    frame.loc[frame["seen_at"] >= days(36, 40).start, "city"] = "Würzburg"
    world.write(frame)
    candidate, made = refitted(world, **LATE)
    known = frame["seen_at"] < days(0, 38).end
    assert (made.rounds, made.rows, made.learnt_until) == (candidate.best_round, known.sum(), days(0, 38).end)
    cities = sorted([*CITIES, "Würzburg"])
    wanted = bare(frame, known, candidate.best_round, cities)
    np.testing.assert_allclose(scores(made.folder, frame), wanted, rtol=1e-12)
    assert Scorer.load(made.folder).encoder.features[3].vocabulary == tuple(cities)


def test_the_evaluated_model_stays_as_it_was(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare(refit=True)
    made = snapshot(world, project)
    candidate = train(project, made, "mark", world.settings)
    before = {path.name: path.read_bytes() for path in (Path(candidate.path) / MODEL).iterdir()}
    folder = refit(project, candidate, made, world.settings).folder
    assert {path.name: path.read_bytes() for path in (Path(candidate.path) / MODEL).iterdir()} == before
    assert (folder / "model.txt").read_bytes() != before["model.txt"]
    assert candidate.learnt_until == days(0, 34).end


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_two_refits_in_two_homes_give_the_same_bytes(tmp_path: Path, kind: Kind) -> None:
    files = []
    for place in ("a", "b"):
        world = World(tmp_path / place, kind=kind)
        world.write(rows_of(kind))
        candidate, made = refitted(world)
        files.append({path.name: path.read_bytes() for path in made.folder.iterdir()})
        assert refit_again(world, candidate) == made.model_sha256
    assert files[0] == files[1]


def refit_again(world: World, candidate: Candidate) -> str:
    project = world.declare(refit=True)
    return refit(project, candidate, snapshot(world, project), world.settings).model_sha256


@pytest.mark.parametrize(("known_after", "last"), [(None, 40), ("3d", 37)])
def test_the_known_window_ends_where_labels_do(tmp_path: Path, known_after: str | None, last: int) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare(dataset={"label": {"column": "y", "kind": "binary", "known_after": known_after}})
    window = known_window(project, snapshot(world, project, as_of=AS_OF))
    assert (window.start, window.end) == (START, days(0, last).end)
