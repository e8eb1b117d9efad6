"""Every row that comes in is predicted, quarantined or counted as outside, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightshift.dataset.stage import NO_EVENT_TIME
from nightshift.quality.narrow import narrowed
from nightshift.records import Scored, Snapshot, Window
from nightshift.scoring.batch import predict
from nightshift.scoring.outside import BEFORE_FIRST_NIGHT, LATE, with_outside
from tests.nightshift.scoring.test_batch import Trained
from tests.synthetic import World, days, rows_of, snapshot, staged

WITH_BOUNDS = "select * from rows where seen_at >= $start and seen_at < $end"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A trained model, for all tests here."""
    return Trained(tmp_path_factory.mktemp("trained"), "binary")


class Nights:
    """Nights of a project, each of which looks at a week and predicts what is new."""

    def __init__(self, folder: Path, trained: Trained, sql: str = "select * from rows") -> None:
        self.world, self.trained = World(folder), trained
        self.world.write(rows_of())
        self.project = self.world.declare(sql, quality={"rules": ["x > -100"]})

    def write(self, frame: pd.DataFrame) -> None:
        self.world.write(frame)

    def night(self, day: int, length: int = 1) -> Scored:
        whole = snapshot(self.world, self.project, days(max(day - 7, 0), day))
        new = narrowed(self.project, whole, days(day - length, day), self.world.settings)
        new = with_outside(self.project, whole, new, self.world.settings)
        return self._predict(new)

    def window(self, window: Window) -> Scored:
        return self._predict(snapshot(self.world, self.project, window))

    def _predict(self, made: Snapshot) -> Scored:
        scored = predict(self.project, made, self.trained.version(), self.trained.scorer, self.world.settings)
        counted = (scored.rows_scored, scored.rows_quarantined, *scored.rows_outside.values())
        assert scored.rows_in == sum(counted)
        return scored


@pytest.fixture
def nights(tmp_path: Path, trained: Trained) -> Nights:
    return Nights(tmp_path, trained)


def hostile() -> pd.DataFrame:
    """Rows with all that may be wrong with keys, times and values, some with several faults."""
    frame = rows_of()
    frame["id"] = frame["id"].astype("Int64")
    frame.loc[[40, 41, 1050, 1060, 1061], "seen_at"] = pd.NaT
    frame.loc[[41, 1070, 1071, 1072], "id"] = None
    frame.loc[[1060, 1072, 1080, 1081], "x"] = -500.0
    frame.loc[[1081, 1090], "y"] = 7
    return frame


def test_the_sum_is_right_over_rows_with_every_fault(nights: Nights) -> None:
    nights.write(hostile())
    scored = nights.window(days(34, 40))
    assert scored.rows_outside == {NO_EVENT_TIME: 5}
    assert (scored.rows_in, scored.rows_scored, scored.rows_quarantined) == (182, 171, 6)


@pytest.mark.parametrize("seed", range(4))
def test_the_sum_is_right_whatever_is_wrong_where(nights: Nights, seed: int) -> None:
    rng, frame = np.random.default_rng(seed), rows_of()
    frame["id"] = frame["id"].astype("Int64")
    timeless, keyless, bad = (rng.random(len(frame)) < share for share in (0.1, 0.1, 0.2))
    within = (frame["seen_at"] >= days(20, 40).start).to_numpy()
    frame["seen_at"] = frame["seen_at"].mask(timeless)
    frame["id"] = frame["id"].mask(keyless)
    frame.loc[bad, "x"] = -500.0
    nights.write(frame)
    scored = nights.window(days(20, 40))
    assert scored.rows_outside == {NO_EVENT_TIME: timeless.sum()}
    assert scored.rows_quarantined == (within & ~timeless & (keyless | bad)).sum()
    assert scored.rows_in == (within | timeless).sum()


def test_rows_that_the_sql_itself_drops_for_want_of_a_time_are_counted(
    tmp_path: Path, trained: Trained
) -> None:
    nights = Nights(tmp_path, trained, WITH_BOUNDS)
    nights.write(hostile())
    assert nights.window(days(34, 40)).rows_outside == {NO_EVENT_TIME: 5}


def test_an_infinite_time_is_no_time(tmp_path: Path, trained: Trained) -> None:
    sql = """
        select * replace (
            (case id when 3 then 'infinity' when 4 then '-infinity' else seen_at::varchar end)::timestamptz as seen_at
        ) from rows
    """
    nights = Nights(tmp_path, trained, sql)
    one = staged(nights.world, nights.project, days(0, 40))
    assert (one.rows, one.outside) == (1198, {NO_EVENT_TIME: 2})


def test_rows_before_the_first_night_are_counted_once(nights: Nights) -> None:
    nights.write(hostile())
    first = nights.night(20)
    assert first.rows_outside == {NO_EVENT_TIME: 5, BEFORE_FIRST_NIGHT: 19 * 30 - 2}
    assert nights.night(21).rows_outside == {NO_EVENT_TIME: 5}


def test_rows_that_come_late_are_counted_until_they_are_predicted(nights: Nights) -> None:
    frame = rows_of()
    late = frame["id"].isin([30 * 19 + 3, 30 * 19 + 4])
    nights.write(frame[~late])
    nights.night(20)
    assert nights.night(21).rows_outside == {}
    nights.write(frame)
    assert nights.night(22).rows_outside == {LATE: 2}
    assert nights.night(23).rows_outside == {LATE: 2}
    nights.window(days(19, 20))
    assert nights.night(24).rows_outside == {}


def test_a_night_without_faults_has_nothing_outside(nights: Nights) -> None:
    nights.window(days(0, 20))
    scored = nights.night(21)
    assert (scored.rows_outside, scored.rows_in, scored.rows_scored) == ({}, 30, 30)
