"""Expected metrics are the mean over drawn labels; standard errors are those of other methods."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics as sk

from nightshift.errors import DataRefusedError
from nightshift.metrics.registry import evaluate_all, metric
from nightshift.metrics.sample import Sample
from nightshift.performance.estimated import estimated_of
from nightshift.performance.expectation import expected_metric, expected_metrics
from nightshift.performance.observed import Observed
from nightshift.performance.realised import realised_of
from nightshift.performance.reference import Reference
from nightshift.performance.segments import SliceColumn
from nightshift.performance.uncertainty import interval, left_out_values, p_value, standard_error, thinned
from tests.synthetic import whole

AREA = metric("roc_auc")


def world(rows: int, seed: int, shift: float = 0.0, drift: float = 0.0) -> Observed:
    """Rows whose label depends on two features; the model knows one, and is too sure of itself."""
    rng = np.random.default_rng(seed)
    known, other = rng.normal(shift, 1.0, rows), rng.normal(0.0, 1.0, rows)
    chance = 1 / (1 + np.exp(-((1 - drift) * known + 0.5 * other - 0.5)))
    scores = 1 / (1 + np.exp(-1.6 * known))
    truth = (rng.random(rows) < chance).astype(float)
    return Observed("binary", whole(), rows, rows, truth, scores, np.ones(rows, dtype=np.int64))


def reference(seen: Observed) -> dict[int, Reference]:
    return {1: Reference.fit(seen.kind, seen.truth, seen.scores)}


def test_expected_binary_metrics_are_the_mean_of_scikit_learns_over_drawn_labels() -> None:
    rng = np.random.default_rng(0)
    scores = np.round(rng.beta(1, 2, 4_000), 2)
    chances = np.clip(scores**1.3, 0.01, 0.99)
    found = expected_metrics("binary", scores, chances)
    draws = [(rng.random(scores.size) < chances).astype(int) for _ in range(60)]
    kept = np.clip(scores, 1e-15, 1 - 1e-15)
    theirs = {
        "roc_auc": [sk.roc_auc_score(one, scores) for one in draws],
        "average_precision": [sk.average_precision_score(one, scores) for one in draws],
        "log_loss": [sk.log_loss(one, kept) for one in draws],
        "brier": [sk.brier_score_loss(one, scores) for one in draws],
        "accuracy": [sk.accuracy_score(one, scores >= 0.5) for one in draws],
        "f1": [sk.f1_score(one, scores >= 0.5) for one in draws],
    }
    for name, values in theirs.items():
        error = np.std(values) / math.sqrt(len(values))
        assert found[name] == pytest.approx(np.mean(values), abs=4 * error + 1e-4), name


def test_expected_multiclass_metrics_are_the_mean_over_drawn_labels() -> None:
    rng = np.random.default_rng(1)
    scores = rng.dirichlet([1.0, 2.0, 1.5], 3_000)
    chances = scores**0.7 / (scores**0.7).sum(axis=1, keepdims=True)
    found = expected_metrics("multiclass", scores, chances)
    draws = [(rng.random(len(scores))[:, None] > chances.cumsum(axis=1)).sum(axis=1) for _ in range(60)]
    theirs = {
        "roc_auc": [sk.roc_auc_score(one, scores, multi_class="ovr") for one in draws],
        "log_loss": [sk.log_loss(one, scores) for one in draws],
        "accuracy": [sk.accuracy_score(one, scores.argmax(axis=1)) for one in draws],
        "f1": [sk.f1_score(one, scores.argmax(axis=1), average="macro") for one in draws],
    }
    for name, values in theirs.items():
        error = np.std(values) / math.sqrt(len(values))
        assert found[name] == pytest.approx(np.mean(values), abs=4 * error + 1e-4), name


def test_losses_become_mae_rmse_and_mape_and_what_they_do_not_say_is_none() -> None:
    found = expected_metrics("regression", np.zeros(2), np.array([[1.0, 4.0, 0.5], [2.0, 5.0, 0.1]]))
    assert found == pytest.approx(
        {"rmse": math.sqrt(4.5), "mae": 1.5, "mape": 0.3, "median_absolute_error": None, "r2": None}
    )
    assert expected_metrics("binary", np.empty(0), np.empty(0)) == {}
    assert math.isnan(expected_metric(AREA, "binary", np.empty(0), np.empty(0)))


def test_the_jackknife_on_independent_rows_is_delongs_error() -> None:
    errors, wanted = [], []
    for seed in range(20):
        seen = world(2_000, seed)
        values = left_out_values(
            2_000, lambda rows, seen=seen: AREA.of(Sample.of("binary", seen.truth[rows], seen.scores[rows]))
        )
        errors.append(standard_error(values))
        wanted.append(delong(seen.truth, seen.scores))
    assert np.mean(errors) == pytest.approx(np.mean(wanted), rel=0.1)


def delong(truth: np.ndarray, scores: np.ndarray) -> float:
    """DeLong's standard error, by the placement of each row among those of the other class."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    parts = wins.mean(axis=1).var(ddof=1) / positive.size + wins.mean(axis=0).var(ddof=1) / negative.size
    return math.sqrt(parts)


def test_rows_that_share_their_day_make_the_error_larger() -> None:
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(size=40), 50) + 0.1 * rng.normal(size=2_000)
    by_block = standard_error(left_out_values(2_000, lambda rows: float(values[rows].mean())))
    assert by_block > 4 * values.std() / math.sqrt(2_000)
    assert by_block == pytest.approx(1 / math.sqrt(40), rel=0.4)


def test_chance_is_students() -> None:
    for effect in (-3.0, -1.0, 0.0, 0.5, 2.0, 4.0, 7.0):
        assert p_value(effect, 1.0) == pytest.approx(stats.t.sf(effect, 19), rel=0.05)
    assert interval(0.0, 1.0) == pytest.approx(stats.t.interval(0.95, 19))
    assert interval(float("nan"), 1.0) is None
    assert p_value(1.0, float("nan")) is None
    assert thinned(10, 20).tolist() == list(range(10))


def test_without_drift_the_interval_of_the_loss_holds_zero_as_often_as_it_says() -> None:
    losses, errors, inside = [], [], []
    for seed in range(120):
        before, now = world(1_500, 2 * seed + 5_000), world(1_500, 2 * seed + 5_001)
        made = realised_of(now, reference(before), AREA)
        assert made.loss is not None
        assert made.loss_interval is not None
        low, high = made.loss_interval
        losses.append(made.loss)
        errors.append((high - low) / 2 / stats.t.ppf(0.975, 19))
        inside.append(low <= 0 <= high)
    assert np.std(losses) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.2)
    assert 0.9 <= np.mean(inside) < 1.0


def test_the_estimate_is_right_under_covariate_shift_and_its_interval_holds_the_truth() -> None:
    inside, errors = [], []
    for seed in range(40):
        before, now = world(6_000, 2 * seed), world(6_000, 2 * seed + 1, shift=0.7)
        made = estimated_of(now, reference(before), AREA)
        assert made.error is not None
        errors.append(made.error)
        assert made.loss is not None
        assert made.loss_interval is not None
        gap = made.loss_interval[1] - made.loss
        truth = TRUE_BEFORE - TRUE_SHIFTED
        inside.append(abs(made.loss - truth) < gap + 2 * STILL_UNKNOWN)
    assert abs(np.mean(errors)) < 0.005
    assert np.max(np.abs(errors)) < 0.04  # the realised value of 6,000 rows is off by 0.008 itself
    assert np.mean(inside) > 0.9


def area_of(seen: Observed) -> float:
    return float(sk.roc_auc_score(seen.truth, seen.scores))


# What 200,000 labelled rows of each world say is the truth to be estimated.
TRUE_BEFORE, TRUE_SHIFTED = area_of(world(200_000, 1000)), area_of(world(200_000, 1001, shift=0.7))
STILL_UNKNOWN = 0.002


def test_concept_drift_is_not_seen_by_the_estimate_and_told_by_its_error() -> None:
    before, now = world(20_000, 0), world(20_000, 1, drift=1.0)
    made, realised = (
        estimated_of(now, reference(before), AREA),
        realised_of(now, reference(before), AREA),
    )
    assert made.loss == pytest.approx(0.0, abs=0.01)
    assert made.error == pytest.approx((made.metrics["roc_auc"] or 0) - area_of(now))
    assert made.error > 0.15
    assert realised.loss_interval is not None
    assert realised.loss_interval[0] > 0.15


def test_a_changed_mix_of_rows_is_seen_through_the_columns() -> None:
    def mixed(rows: int, seed: int, share: float) -> tuple[Observed, pa.Table]:
        rng = np.random.default_rng(seed)
        is_wet = rng.random(rows) < share
        known = rng.normal(size=rows)
        truth = (rng.random(rows) < 1 / (1 + np.exp(-known - 3.0 * is_wet + 0.5))).astype(float)
        seen = Observed(
            "binary", whole(), rows, rows, truth, 1 / (1 + np.exp(-known)), np.ones(rows, dtype=np.int64),
            {"weather": SliceColumn.of(pa.array(np.where(is_wet, "wet", "dry")))},
            {"rain": is_wet.astype(np.float32)}, ("weather",),
        )  # fmt: skip
        return seen, pa.table({"weather": np.where(is_wet, "wet", "dry"), "rain": is_wet.astype(np.float32)})

    before, columns = mixed(20_000, 0, 0.2)
    now, _ = mixed(20_000, 1, 0.8)
    loss = metric("log_loss")
    blind = estimated_of(now, {1: Reference.fit("binary", before.truth, before.scores)}, loss)
    for table, segments in ((columns, ["weather"]), (columns.select(["rain"]), [])):
        known = Reference.fit("binary", before.truth, before.scores, table, segments)
        assert abs(estimated_of(now, {1: known}, loss).error or 1.0) < 0.02
    assert abs(blind.error or 0.0) > 0.05


def test_a_reference_survives_its_file_and_is_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    seen = world(5_000, 0)
    columns = {f"x{at}": rng.normal(size=5_000) for at in range(12)}
    carrier = rng.choice(list("ABCDEFGHIJKLMNOP"), 5_000)
    table = pa.table({**columns, "carrier": carrier})
    made = Reference.fit("binary", seen.truth, seen.scores, table, ["carrier"])
    path = tmp_path / "performance.json"
    made.save(path)
    assert path.stat().st_size < 120_000
    again = Reference.load(path)
    numbers = {name: values.astype(np.float32) for name, values in columns.items()}
    slices = {"carrier": SliceColumn.of(table["carrier"])}
    for block in (None, 0, 19):
        assert again.estimates(seen.scores, slices, numbers, block) == pytest.approx(
            made.estimates(seen.scores, slices, numbers, block), abs=1e-6
        )
    assert again.whole.error("roc_auc") == pytest.approx(made.whole.error("roc_auc"), rel=1e-3)
    assert again.whole.metrics == pytest.approx(evaluate_all("binary", seen.truth, seen.scores), rel=1e-6)
    assert set(again.segments) == {f"carrier={name}" for name in "ABCDEFGHIJKLMNOP"}
    assert again.columns == tuple(table.column_names)


def test_a_regressions_reference_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(size=2_000)
    table = pa.table({"x": rng.normal(size=2_000), "shop": rng.choice(["a", "b"], 2_000)})
    made = Reference.fit("regression", np.zeros(2_000), scores, table, ["shop"])
    made.save(tmp_path / "it.json")
    assert json.loads((tmp_path / "it.json").read_text())["whole"]["metrics"]["mape"] is None
    again = Reference.load(tmp_path / "it.json")
    slices = {"shop": SliceColumn.of(table["shop"])}
    numbers = {"x": np.zeros(2_000, dtype=np.float32)}
    assert again.estimates(scores, slices, numbers) == pytest.approx(
        made.estimates(scores, slices, numbers), rel=1e-5, nan_ok=True
    )


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', "[]"])
def test_a_file_that_is_no_reference_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "performance.json"
    path.write_text(text)
    with pytest.raises(DataRefusedError, match="cannot be read"):
        Reference.load(path)
    with pytest.raises(DataRefusedError, match="cannot be read"):
        Reference.load(tmp_path / "gone.json")


@pytest.mark.parametrize("rows", [0, 1, 19, 150])
def test_a_reference_of_few_rows_measures_what_it_can(rows: int) -> None:
    seen = world(rows, 0)
    made = Reference.fit("binary", seen.truth, seen.scores)
    assert made.whole.rows == rows
    assert made.whole.spread == ()
    again = Reference.of_json(json.loads(json.dumps(made.as_json())))
    found = estimated_of(world(500, 1), {1: again}, AREA)
    assert found.loss_interval is None
    assert (found.metrics == {}) == (rows == 0)
