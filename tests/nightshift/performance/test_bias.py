"""Calibration in the large: told when predictions are too high or too low on the whole, and not otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from nightshift.performance.bias import bias_signal
from nightshift.performance.observed import Observed
from nightshift.performance.uncertainty import Floats
from nightshift.records import Window
from nightshift.spec.project import Kind

WEEK = Window(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 8, tzinfo=UTC))


def seen(kind: Kind, truth: Floats, scores: Floats) -> Observed:
    rows = len(truth)
    return Observed(kind, WEEK, rows, rows, truth, scores, np.ones(rows, dtype=np.int64))


@pytest.mark.parametrize("shift", [-0.08, 0.08])
def test_a_level_that_moved_is_told_in_both_directions(shift: float) -> None:
    random = np.random.default_rng(3)
    chance = random.uniform(0.1, 0.6, 6000)
    truth = (random.uniform(size=6000) < chance).astype(np.float64)
    signal = bias_signal(seen("binary", truth, chance + shift))
    assert signal.value == pytest.approx(abs(np.mean(chance + shift - truth)))
    assert signal.p_value is not None
    assert signal.p_value < 1e-6
    assert signal.note == f"predictions are {'too high' if shift > 0 else 'too low'}"


def test_calibrated_predictions_are_seldom_doubted() -> None:
    random = np.random.default_rng(5)
    chances = []
    for _ in range(400):
        chance = random.uniform(0.1, 0.6, 800)
        truth = (random.uniform(size=800) < chance).astype(np.float64)
        chances.append(bias_signal(seen("binary", truth, chance)).p_value or 0.0)
    # Of uniform p-values 5 % are under 0.05; three standard errors are 3.3 points.
    assert abs(np.mean(np.array(chances) < 0.05) - 0.05) < 0.033


def test_days_that_share_their_weather_count_as_few() -> None:
    random = np.random.default_rng(7)
    day = np.repeat(random.normal(0, 0.15, 7), 900)
    truth = (random.uniform(size=6300) < 0.3 + np.clip(day, -0.3, 0.6)).astype(np.float64)
    scores = np.full(6300, float(np.mean(truth)) + 0.03)
    naive = 0.03 / np.sqrt(truth.var() / truth.size)
    signal = bias_signal(seen("binary", truth, scores))
    assert naive > 4
    assert signal.p_value is not None
    assert signal.p_value > 0.01


def test_the_worst_class_speaks_for_all() -> None:
    truth = np.tile([0.0, 1.0, 2.0], 400)
    scores = np.tile([0.6, 0.2, 0.2], (1200, 1))
    signal = bias_signal(seen("multiclass", truth, scores))
    assert signal.value == pytest.approx(0.6 - 1 / 3)


def test_a_regression_is_told_in_deviations_of_its_label() -> None:
    random = np.random.default_rng(9)
    truth = random.normal(100, 20, 4000)
    signal = bias_signal(seen("regression", truth, truth + 10))
    assert signal.value == pytest.approx(10 / truth.std())


def test_few_labels_say_nothing() -> None:
    truth = np.full(600, np.nan)
    truth[:150] = 1.0
    signal = bias_signal(seen("binary", truth, np.zeros(600)))
    assert (signal.value, signal.p_value, signal.alarm) == (None, None, False)
    assert "150" in signal.note
