"""Calibration finds the chances behind scores, and the loss model the losses behind predictions."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from nightshift.performance.calibration import Calibration
from nightshift.performance.loss_model import LossModel
from nightshift.performance.segments import Bands, SliceColumn, segments_of
from nightshift.performance.uncertainty import BLOCKS, left_out


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def drawn(rows: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that are too sure of themselves, the chances behind them, and labels drawn from these."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1.2, 3.0, rows)
    chances = logistic(0.6 * np.log(scores) - 0.8 * np.log1p(-scores) + 0.3)
    return (rng.random(rows) < chances).astype(float), scores, chances


def test_it_is_the_logistic_regression_on_both_logs() -> None:
    truth, scores, _ = drawn()
    features = np.stack([np.log(scores), -np.log1p(-scores)], axis=1)
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(features, truth).predict_proba(features)
    assert Calibration.fit(truth, scores).apply(scores, {}) == pytest.approx(theirs[:, 1], abs=2e-3)


def test_it_finds_the_chances_that_labels_were_drawn_from() -> None:
    truth, scores, chances = drawn()
    assert np.abs(Calibration.fit(truth, scores).apply(scores, {}) - chances).mean() < 0.01


def test_values_of_a_column_move_the_curve_and_unknown_ones_do_not() -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.05, 0.95, 20_000)
    is_wet = rng.random(scores.size) < 0.3
    truth = (rng.random(scores.size) < logistic(np.log(scores / (1 - scores)) + is_wet)).astype(float)
    weather = SliceColumn.of(pa.array(np.where(is_wet, "wet", "dry")))
    fitted = Calibration.fit(truth, scores, {"weather": weather})
    shown = {value: SliceColumn.of(pa.array([value])) for value in ("wet", "dry", "snow")}
    half = np.array([0.5])
    wet, dry, snow = (float(fitted.apply(half, {"weather": one})[0]) for one in shown.values())
    assert wet == pytest.approx(logistic(np.array(1.0)), abs=0.02)
    assert dry == pytest.approx(0.5, abs=0.02)
    assert dry < snow < wet


def test_the_step_without_a_block_is_the_fit_without_it() -> None:
    truth, scores, _ = drawn(4_000)
    spread = Calibration.fit_spread(truth, scores)
    assert len(spread) == BLOCKS + 1
    for block in (0, 7, 19):
        rows = left_out(truth.size, block)
        again = Calibration.fit(truth[rows], scores[rows])
        assert spread[block + 1].weights == pytest.approx(again.weights, abs=2e-3)


def test_several_classes_sum_to_one_and_come_near_the_truth() -> None:
    rng = np.random.default_rng(2)
    chances = rng.dirichlet([2.0, 1.0, 3.0], 20_000)
    truth = (rng.random(len(chances))[:, None] > chances.cumsum(axis=1)).sum(axis=1).astype(float)
    scores = chances**0.6 / (chances**0.6).sum(axis=1, keepdims=True)
    found = Calibration.fit(truth, scores).apply(scores, {})
    assert found.sum(axis=1) == pytest.approx(np.ones(len(scores)))
    assert np.abs(found - chances).mean() < 0.02
    assert np.abs(scores - chances).mean() > 0.05


@pytest.mark.parametrize(
    ("truth", "scores"),
    [
        (np.zeros(300), np.linspace(0.1, 0.9, 300)),
        (np.ones(300), np.full(300, 0.3)),
        (np.tile([0.0, 1.0, 0.0], 100), np.full(300, 0.5)),
        (np.array([1.0]), np.array([0.0])),
        (np.empty(0), np.empty(0)),
        (np.repeat([0.0, 1.0], 150), np.repeat([0.0, 1.0], 150)),
    ],
    ids=["one class", "one class, constant", "constant", "one row", "no rows", "perfect"],
)
def test_poor_references_give_chances_all_the_same(truth: np.ndarray, scores: np.ndarray) -> None:
    for fitted in Calibration.fit_spread(truth, scores):
        chances = fitted.apply(np.array([0.0, 0.5, 1.0]), {})
        assert np.isfinite(chances).all()
        assert ((chances > 0) & (chances < 1)).all()
    if len(set(scores)) == 1 and truth.size > 1 and 0 < truth.mean() < 1:
        assert Calibration.fit(truth, scores).apply(scores[:1], {})[0] == pytest.approx(
            truth.mean(), abs=0.01
        )


def test_a_calibration_survives_json() -> None:
    truth, scores, _ = drawn(2_000)
    column = {"a": SliceColumn.of(pa.array(np.where(scores > 0.2, "x", "y")))}
    fitted = Calibration.fit(truth, scores, column)
    again = Calibration.of_json(json.loads(json.dumps(fitted.as_json())))
    assert np.array_equal(again.apply(scores, column), fitted.apply(scores, column))


def test_the_loss_model_finds_losses_by_prediction_and_by_segment() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(1, 5, 40_000)
    is_far = rng.random(scores.size) < 0.25
    sigma = 0.4 * scores * np.where(is_far, 2.0, 1.0)
    truth = 10 + scores + sigma * rng.normal(size=scores.size)
    slices = {"route": SliceColumn.of(pa.array(np.where(is_far, "far", "near")))}
    losses = LossModel.fit(truth - 10, scores, slices).apply(scores, slices)
    # Of a normal error: E|e| = sigma sqrt(2 / pi), E e^2 = sigma^2.
    for part in (is_far, ~is_far, scores > 4, scores < 2):
        assert losses[part, 0].mean() == pytest.approx(sigma[part].mean() * np.sqrt(2 / np.pi), rel=0.05)
        assert losses[part, 1].mean() == pytest.approx(np.square(sigma[part]).mean(), rel=0.07)


def test_losses_on_the_reference_itself_sum_to_those_seen() -> None:
    rng = np.random.default_rng(4)
    truth, scores = rng.normal(size=3_000), rng.normal(size=3_000)
    losses = LossModel.fit(truth, scores).apply(scores, {})
    assert losses[:, 0].mean() == pytest.approx(np.abs(truth - scores).mean(), rel=0.01)
    assert losses[:, 2].mean() == pytest.approx((np.abs(truth - scores) / np.abs(truth)).mean(), rel=0.01)


@pytest.mark.parametrize("truth", [np.zeros(500), np.full(500, 2.0), np.array([1.0])])
def test_constant_labels_and_predictions_have_a_loss(truth: np.ndarray) -> None:
    model = LossModel.fit(truth, np.full(truth.size, 2.0))
    absolute, squared, share = model.apply(np.array([2.0, 1e9]), {}).T
    wanted = abs(truth[0] - 2.0)
    assert absolute == pytest.approx(np.full(2, wanted))
    assert squared == pytest.approx(np.full(2, wanted**2))
    assert np.isnan(share).all() if truth[0] == 0 else share == pytest.approx(np.full(2, wanted / truth[0]))
    again = LossModel.of_json(json.loads(json.dumps(model.as_json())))
    assert np.array_equal(again.apply(np.zeros(1), {}), model.apply(np.zeros(1), {}), equal_nan=True)


def test_bands_are_fifths_of_the_reference_with_null_apart() -> None:
    values = np.append(np.arange(100, dtype=np.float32), np.nan)
    band = Bands.of({"x": values}).apply({"x": values})["x"]
    assert band.names == ("None", "0", "1", "2", "3", "4")
    assert np.bincount(band.codes).tolist() == [1, 20, 20, 20, 20, 20]
    outside = Bands.of({"x": values}).apply({"x": np.array([-1e9, np.inf], dtype=np.float32)})["x"]
    assert [outside.names[code] for code in outside.codes] == ["0", "4"]


def test_a_value_that_is_most_of_the_reference_is_a_band_of_its_own() -> None:
    rain = np.where(np.arange(1_000) % 20 == 0, 0.3, 0.0).astype(np.float32)
    shown = np.array([0.0, 0.01, 0.3, -1.0, np.nan], dtype=np.float32)
    band = Bands.of({"rain": rain}).apply({"rain": shown})["rain"]
    dry, drizzle, wet, below, null = (band.names[code] for code in band.codes)
    assert drizzle == wet
    assert len({dry, wet, below, null}) == 4
    nothing = Bands.of({"x": np.full(9, np.nan, dtype=np.float32)})
    assert set(nothing.apply({"x": rain})["x"].codes) == {1}


def test_segments_are_the_commonest_values_null_too() -> None:
    column = SliceColumn.of(pa.chunked_array([["b", None, "a"], ["b", "b", "a"]]))
    found = {name: places.tolist() for name, places in segments_of({"c": column}, ["c", "gone"])}
    assert found == {"c=b": [0, 3, 4], "c=a": [2, 5], "c=None": [1]}
    assert SliceColumn.of(pa.array([1, 2, None])).names == ("1", "2", "None")
    assert list(segments_of({"c": SliceColumn.of(pa.chunked_array([], pa.string()))}, ["c"])) == []
