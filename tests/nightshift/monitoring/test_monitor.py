"""A night's look at its rows: each planted change is told by its own signal, and nothing is told of none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightshift.errors import RequestError
from nightshift.evaluation.evaluate import evaluate
from nightshift.evaluation.reference import MONITORING
from nightshift.findings import Decision, Night
from nightshift.learners.train import MODEL, train
from nightshift.monitoring.monitor import Monitored, monitor
from nightshift.monitoring.nights import Opening
from nightshift.monitoring.standing import Standing
from nightshift.monitoring.windows import NightWindows
from nightshift.records import Window
from nightshift.trained import Candidate, ModelVersion
from tests.synthetic import AS_OF, START, World, days, rows_of, snapshot

SPLIT = {"train": "20d", "validate": "4d", "holdout": "4d"}
TRAINED = START + timedelta(days=33)
NEWEST = days(34, 40)


def version_of(candidate: Candidate) -> ModelVersion:
    return ModelVersion(
        project="demo", version=1, run_id="run", created_at=AS_OF, as_of=TRAINED, window=days(1, 33),
        data_table="dataset", data_version=0, data_digest="", spec_hash="", commit="", seed=0,
        model_sha256=candidate.model_sha256, metrics={"holdout": {}}, baseline={}, promoted=True, reasons=(),
        learnt_until=TRAINED,
    )  # fmt: skip


def looked(
    folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame] | None = None, nights: tuple[Night, ...] = (),
    **drift: object,
) -> Monitored:  # fmt: skip
    """Train on the first 33 days, change the newest six, and look at them."""
    world, frame = World(folder), rows_of(per_day=100)
    project = world.declare(split=SPLIT, evaluate={"slices": ["city"]}, drift={"window": "6d", **drift})
    world.write(frame)
    candidate = train(project, snapshot(world, project, days(1, 33), TRAINED), "mark", world.settings)
    evaluate(project, candidate, snapshot(world, project, days(1, 33), TRAINED), world.settings)
    place = Path(candidate.path)
    standing = Standing.load(version_of(candidate), place / MODEL, place / MONITORING)
    if change is not None:
        newest = frame["seen_at"] >= NEWEST.start
        world.write(pd.concat([frame[~newest], change(frame[newest].copy())]))
    rows = snapshot(world, project)
    windows = NightWindows.of(project, AS_OF, AS_OF - timedelta(days=1))
    opening = Opening(windows=windows, nights=nights, began_at=datetime.now(UTC))
    return monitor(project, rows, opening, standing, world.settings)


def moved(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(x=rows["x"] + 1.5)


def with_nulls(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(gap=np.where(np.arange(len(rows)) % 2, np.nan, rows["gap"]))


def with_a_new_city(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(city=np.where(np.arange(len(rows)) % 4 == 0, "Jena", rows["city"]))


def thinned(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[::3]


def repeated(rows: pd.DataFrame) -> pd.DataFrame:
    inputs = ["x", "gap", "n", "city"]
    place = np.arange(len(rows))
    return rows.assign(**{name: rows[name].to_numpy()[place - place % 5] for name in inputs})


def test_no_change_no_alarm(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert len(found.signals) > 30
    assert [signal for signal in found.signals if signal.alarm] == []
    assert {signal.segment for signal in found.signals} == {"", "city=Bonn", "city=Köln", "city=Ulm"}
    assert found.window is not None
    assert found.window.rows == 600
    assert found.champion == 1
    # Labels of the 7 days since the model was trained, each known at once.
    assert found.new_labels == 700


@pytest.mark.parametrize(
    ("change", "column", "measure"),
    [
        (moved, "x", "psi"),
        (with_nulls, "gap", "missing_rate"),
        (with_a_new_city, "city", "new_categories"),
        (thinned, "", "volume"),
        (repeated, "", "duplicates"),
    ],
)
def test_each_change_is_told_by_its_own_signal(
    change: Callable[[pd.DataFrame], pd.DataFrame], column: str, measure: str, tmp_path: Path
) -> None:
    alarms = {(signal.column, signal.name) for signal in looked(tmp_path, change).signals if signal.alarm}
    assert (column, measure) in alarms
    # The columns that nobody touched stay silent; of repeated rows there are fewer than are counted.
    touched = {"x", "gap", "n", "city"} if change is repeated else {column}
    assert {name for name, _ in alarms} <= touched | {"score", "y", ""}


def test_a_signal_can_be_switched_off_and_another_on(tmp_path: Path) -> None:
    policy = {"psi": {"enabled": False}, "volume": {"enabled": False}, "domain_classifier": {"enabled": True}}
    found = looked(tmp_path, moved, signals=policy)
    names = {signal.name for signal in found.signals}
    assert not names & {"psi", "volume"}
    assert ("domain_classifier", True) in {(signal.name, signal.alarm) for signal in found.signals}


def test_a_floor_is_the_policys(tmp_path: Path) -> None:
    found = looked(tmp_path, moved, signals={"psi": {"floor": 50.0}})
    assert {signal.effect_floor for signal in found.signals if signal.name == "psi"} == {50.0}
    assert not any(signal.alarm for signal in found.signals if signal.name == "psi")


def test_a_signal_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no signal 'pse'") as refused:
        looked(tmp_path, signals={"pse": {"floor": 0.2}})
    assert "psi" in refused.value.remedy


@pytest.mark.parametrize(("reference", "rows"), [("training", 2000), ("weekday", 2400), ("last_good", 300)])
def test_what_the_window_is_compared_with_is_the_policys(reference: str, rows: int, tmp_path: Path) -> None:
    good = Night(
        project="demo", as_of=days(0, 30).end, window=Window(start=days(27, 30).start, end=days(0, 30).end),
        state="done", decision=Decision(action="watch", reasons=()), finished_at=AS_OF,
    )  # fmt: skip
    found = looked(tmp_path, nights=(good,), reference=reference)
    assert found.reference is not None
    assert found.reference.rows == rows


def test_a_champion_that_cannot_score_is_looked_at_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of(per_day=40))
    watched = {"window": "6d", "signals": {"domain_classifier": {"enabled": True}}}
    project = world.declare(split=SPLIT, drift=watched)
    before = snapshot(world, project, days(1, 33), TRAINED)
    candidate = train(project, before, "mark", world.settings)
    evaluate(project, candidate, before, world.settings)
    place = Path(candidate.path)
    standing = Standing.load(version_of(candidate), place / MODEL, place / MONITORING)
    narrow = world.declare("select * exclude (gap) from rows", split=SPLIT, drift=watched)
    opening = Opening(
        windows=NightWindows.of(narrow, AS_OF, AS_OF - timedelta(days=1)),
        nights=(),
        began_at=datetime.now(UTC),
    )
    found = monitor(narrow, snapshot(world, narrow), opening, standing, world.settings)
    assert found.lacking == ("gap",)
    missing = next(one for one in found.signals if one.column == "gap" and one.name == "missing_rate")
    assert missing.value is not None
