"""Rows and duplicates of a window as a whole."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nightshift.drift.signals.volume import _normal_of_student, duplicates, volume
from nightshift.errors import RequestError


def test_windows_of_the_usual_size_raise_no_alarm() -> None:
    random = np.random.default_rng(0)
    days = np.round(random.normal(10_000, 1500, size=(2000, 9))).astype(int)
    alarms = sum(volume(int(day[0]), day[1:].tolist()).alarm for day in days)
    assert alarms <= 2000 * 0.003


@pytest.mark.parametrize("rows", [0, 3_000, 25_000])
def test_lost_and_doubled_rows_are_found(rows: int) -> None:
    found = volume(rows, [9_500, 10_400, 10_000, 9_800, 10_200, 9_900])
    assert found.alarm
    assert found.value == pytest.approx(abs(rows / 9966.67 - 1), abs=1e-4)
    assert "expected" in found.note


def test_one_clean_window_is_enough_to_notice_a_loss() -> None:
    assert volume(1_000, [10_000]).alarm
    assert not volume(9_000, [10_000]).alarm


def test_few_expected_rows_say_nothing() -> None:
    found = volume(0, [150, 160])
    assert (found.value, found.p_value, found.alarm) == (None, None, False)
    assert "too few" in found.note


def test_without_a_clean_window_there_is_nothing_to_compare() -> None:
    with pytest.raises(RequestError, match="no clean window"):
        volume(10, [])


@pytest.mark.parametrize("degrees", [3, 7, 30])
def test_students_t_becomes_as_unlikely_a_normal_deviate(degrees: int) -> None:
    for t in (1.0, 3.0, 6.0):
        assert stats.norm.sf(_normal_of_student(t, degrees)) == pytest.approx(
            stats.t(degrees).sf(t), rel=0.15
        )


def test_more_duplicates_alarm_and_fewer_do_not() -> None:
    assert duplicates(100, 1000, repeated_before=100, rows_before=10_000).alarm
    assert not duplicates(0, 1000, repeated_before=1000, rows_before=10_000).alarm
    few = duplicates(100, 150, repeated_before=0, rows_before=10_000)
    assert (few.value, few.alarm) == (None, False)
