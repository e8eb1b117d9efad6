"""The metrics against scikit-learn, which computes them in another way, and against their own definitions."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from nightshift.errors import RequestError
from nightshift.metrics.registry import (
    Metric,
    default_metric,
    evaluate_all,
    evaluate_sample,
    metric,
    metric_names,
    metrics_for,
)
from nightshift.metrics.sample import Sample
from nightshift.spec.project import Kind

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=40)

KINDS: tuple[Kind, ...] = get_args(Kind)
ALL = [(kind, row) for kind in KINDS for row in metrics_for(kind)]
every_metric = pytest.mark.parametrize(("kind", "row"), ALL, ids=[f"{kind}-{row.name}" for kind, row in ALL])

EXTREME = [0.0, 5e-324, 1e-300, 1e-16, 0.1, 0.3, np.nextafter(0.5, 0), 0.5, 0.7, 1 - 2**-53, 1.0]
probabilities = st.one_of(st.sampled_from(EXTREME), st.floats(0, 1))
weights = st.one_of(st.integers(0, 3).map(float), st.floats(0.01, 100))


@st.composite
def binary_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    size = draw(st.integers(1, 30))
    labels = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    scores = draw(st.lists(probabilities, min_size=size, max_size=size))
    return np.array(labels), np.array(scores), _weights(draw, size)


@st.composite
def multiclass_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    size, classes = draw(st.integers(1, 25)), draw(st.integers(2, 5))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=size, max_size=size))
    # Small whole numbers, so that probabilities tie within rows and between them.
    shares = draw(st.lists(st.integers(0, 3), min_size=size * classes, max_size=size * classes))
    raw = np.array(shares, dtype=float).reshape(size, classes) + 0.25
    return np.array(labels), raw / raw.sum(axis=1, keepdims=True), _weights(draw, size)


@st.composite
def regression_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    size = draw(st.integers(1, 30))
    numbers = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
    target = draw(st.lists(numbers, min_size=size, max_size=size))
    predicted = draw(st.lists(numbers, min_size=size, max_size=size))
    return np.array(target), np.array(predicted), _weights(draw, size)


def _weights(draw: st.DrawFn, size: int) -> np.ndarray | None:
    if not draw(st.booleans()):
        return None
    return np.array(draw(st.lists(weights, min_size=size, max_size=size)))


def measured(kind: Kind, *rows: Any) -> dict[str, float]:
    """All metrics, any warning being an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate_all(kind, *rows)


def reference(function: Callable[..., Any], *rows: Any, **options: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*rows, **options))


def without_weightless(rows: tuple[np.ndarray, np.ndarray, np.ndarray | None]) -> tuple[Any, Any, Any]:
    labels, scores, weight = rows
    if weight is None:
        return rows
    return labels[weight > 0], scores[weight > 0], weight[weight > 0]


def assert_same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


@repeatable
@given(binary_rows())
def test_binary_metrics_agree_with_scikit_learn(rows: Any) -> None:
    labels, scores, weight = without_weightless(rows)
    if labels.size == 0:
        assert all(np.isnan(value) for value in measured("binary", *rows).values())
        return
    told = (scores >= 0.5).astype(int)
    of = {"sample_weight": weight}
    undefined = {"zero_division": np.nan, **of}
    has_both = 0 < labels.sum() < labels.size
    expected = {
        "roc_auc": reference(sk.roc_auc_score, labels, scores, **of) if has_both else np.nan,
        "average_precision": reference(sk.average_precision_score, labels, scores, **of)
        if labels.any()
        else np.nan,
        "log_loss": reference(sk.log_loss, labels, scores, labels=[0, 1], **of),
        "brier": reference(sk.brier_score_loss, labels, scores, labels=[0, 1], pos_label=1, **of),
        "accuracy": reference(sk.accuracy_score, labels, told, **of),
        "f1": reference(sk.f1_score, labels, told, **undefined),
        "precision": reference(sk.precision_score, labels, told, **undefined),
        "recall": reference(sk.recall_score, labels, told, **undefined),
        "balanced_accuracy": reference(sk.balanced_accuracy_score, labels, told, **of),
    }
    assert_same(measured("binary", *rows), expected)


@repeatable
@given(multiclass_rows())
def test_multiclass_metrics_agree_with_scikit_learn(rows: Any) -> None:
    labels, scores, weight = without_weightless(rows)
    if labels.size == 0:
        assert all(np.isnan(value) for value in measured("multiclass", *rows).values())
        return
    told, codes = scores.argmax(axis=1), range(scores.shape[1])
    of = {"sample_weight": weight}
    macro = {"average": "macro", "zero_division": 0, **of}
    areas = [
        reference(sk.roc_auc_score, labels == code, scores[:, code], **of)
        for code in codes
        if 0 < np.sum(labels == code) < labels.size
    ]
    expected = {
        "roc_auc": float(np.mean(areas)) if areas else np.nan,
        "log_loss": reference(sk.log_loss, labels, scores, labels=list(codes), **of),
        "brier": reference(
            sk.brier_score_loss, labels, scores, labels=list(codes), scale_by_half=False, **of
        ),
        "accuracy": reference(sk.accuracy_score, labels, told, **of),
        "f1": reference(sk.f1_score, labels, told, **macro),
        "precision": reference(sk.precision_score, labels, told, **macro),
        "recall": reference(sk.recall_score, labels, told, **macro),
        "balanced_accuracy": reference(sk.balanced_accuracy_score, labels, told, **of),
    }
    found = measured("multiclass", *rows)
    assert_same(found, expected)


@repeatable
@given(regression_rows())
def test_regression_metrics_agree_with_scikit_learn(rows: Any) -> None:
    target, predicted, weight = without_weightless(rows)
    if target.size == 0:
        assert all(np.isnan(value) for value in measured("regression", *rows).values())
        return
    of = {"sample_weight": weight}
    some = target != 0
    of_some = {"sample_weight": None if weight is None else weight[some]}
    expected = {
        "rmse": reference(sk.root_mean_squared_error, target, predicted, **of),
        "mae": reference(sk.mean_absolute_error, target, predicted, **of),
        "mape": reference(sk.mean_absolute_percentage_error, target[some], predicted[some], **of_some)
        if some.any()
        else np.nan,
        "median_absolute_error": _median_by_definition(np.abs(target - predicted), weight),
        "r2": reference(sk.r2_score, target, predicted, **of) if np.ptp(target) > 0 else np.nan,
    }
    assert_same(measured("regression", *rows), expected)


def _median_by_definition(values: np.ndarray, weight: np.ndarray | None) -> float:
    """The middle of all values that have at most half of the weight on either side."""
    mass = np.ones(values.size) if weight is None else weight
    half = mass.sum() / 2 * (1 + 1e-12)
    middle = [
        value for value in values if mass[values < value].sum() <= half and mass[values > value].sum() <= half
    ]
    return (min(middle) + max(middle)) / 2


@repeatable
@given(binary_rows())
def test_roc_auc_is_the_share_of_pairs_in_order_exactly(rows: Any) -> None:
    labels, scores, _ = rows
    positive, negative = scores[labels == 1], scores[labels == 0]
    pairs = positive.size * negative.size
    won = np.sum(positive[:, None] > negative[None, :]) + np.sum(positive[:, None] == negative[None, :]) / 2
    expected = won / pairs if pairs else np.nan
    assert metric("roc_auc")(labels, scores) == pytest.approx(expected, abs=0, rel=0, nan_ok=True)


def _rows(kind: Kind, seed: int, size: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    if kind == "regression":
        target = random.normal(10, 3, size)
        return target, target + random.normal(size=size).round(1)
    if kind == "multiclass":
        labels = random.integers(0, 4, size)
        raw = random.integers(1, 6, (size, 4)) + 4.0 * np.eye(4)[labels]
        return labels, raw / raw.sum(axis=1, keepdims=True)
    labels = random.integers(0, 2, size)
    return labels, np.clip(random.normal(0.35 + 0.3 * labels, 0.2), 0, 1).round(2)


@every_metric
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_whole_weight_counts_as_that_many_rows(kind: Kind, row: Metric, seed: int) -> None:
    labels, scores = _rows(kind, seed)
    times = np.random.default_rng(seed + 100).integers(0, 4, labels.size)
    repeated = row(np.repeat(labels, times), np.repeat(scores, times, axis=0))
    assert row(labels, scores, times) == pytest.approx(repeated, rel=1e-12)


@every_metric
def test_neither_order_nor_scale_of_weights_matters(kind: Kind, row: Metric) -> None:
    labels, scores = _rows(kind, 4)
    weight = np.random.default_rng(5).uniform(0.1, 3, labels.size)
    order = np.random.default_rng(6).permutation(labels.size)
    value = row(labels, scores, weight)
    assert row(labels[order], scores[order], 1000 * weight[order]) == pytest.approx(value, rel=1e-9)


@every_metric
def test_equal_weights_change_nothing(kind: Kind, row: Metric) -> None:
    labels, scores = _rows(kind, 7)
    assert row(labels, scores, np.full(labels.size, 0.3)) == pytest.approx(row(labels, scores), rel=1e-9)


@pytest.mark.parametrize("size", [2, 10, 11, 100])
def test_equal_weights_give_the_plain_median(size: int) -> None:
    target, predicted = np.arange(size, dtype=float) ** 2, np.zeros(size)
    assert metric("median_absolute_error")(target, predicted, np.full(size, 0.1)) == np.median(target)


@every_metric
def test_the_direction_is_right(kind: Kind, row: Metric) -> None:
    labels, scores = _rows(kind, 8)
    perfect = np.eye(4)[labels] if kind == "multiclass" else labels.astype(float)
    assert row.gain(row(labels, perfect), over=row(labels, scores)) > 0
    assert row.gain(row(labels, scores), over=row(labels, perfect)) < 0


@every_metric
def test_nothing_to_measure_is_nan_without_a_warning(kind: Kind, row: Metric) -> None:
    labels, scores = _rows(kind, 9)
    holed = scores.copy()
    holed[3] = np.nan
    endless = scores.copy()
    endless[3] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(row(labels[:0], scores[:0]))
        assert np.isnan(row(labels, scores, np.zeros(labels.size)))
        assert np.isnan(row(labels, holed))
        assert np.isnan(row(labels, endless))
        assert np.isnan(row(labels, scores, np.full(labels.size, np.nan)))


@every_metric
def test_every_metric_shows_an_example(kind: Kind, row: Metric) -> None:
    assert ">>>" in (row.measure.__doc__ or "")
    assert row.measure.__name__ == row.name


@every_metric
def test_the_shared_way_and_the_lone_way_give_the_same(kind: Kind, row: Metric) -> None:
    labels, scores = _rows(kind, 10)
    sample = Sample.of(kind, labels, scores)
    assert evaluate_sample(sample)[row.name] == row(labels, scores)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_no_roc_auc(labels: list[int]) -> None:
    found = measured("binary", labels, [0.2, 0.4, 0.9])
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"]) == (labels == [0, 0, 0])
    assert np.isfinite(found["log_loss"])


def test_scores_that_all_tie_are_worth_a_coin() -> None:
    found = measured("binary", [0, 1, 1, 0, 1], np.full(5, 0.3))
    assert found["roc_auc"] == 0.5
    assert found["average_precision"] == 0.6


def test_a_class_absent_from_the_rows_is_left_out_of_multiclass_roc_auc() -> None:
    labels = [0, 0, 1, 1]
    scores = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.4, 0.5, 0.1], [0.2, 0.7, 0.1]])
    expected = np.mean([sk.roc_auc_score(np.equal(labels, code), scores[:, code]) for code in (0, 1)])
    assert metric("roc_auc")(labels, scores) == pytest.approx(expected)


def test_numbers_too_large_to_square_give_infinity_without_a_warning() -> None:
    found = measured("regression", [1e300, -1e300], [-1e300, 1e300])
    assert found["rmse"] == np.inf
    assert found["mae"] == 2e300
    assert found["mape"] == 2.0


def test_labels_equal_but_for_rounding_have_no_r2() -> None:
    assert np.isnan(metric("r2")(np.full(7, 0.1), np.full(7, 0.2)))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float32])
def test_labels_of_any_type_are_codes(dtype: type) -> None:
    labels, scores = _rows("binary", 11)
    expected = evaluate_all("binary", labels, scores)
    assert evaluate_all("binary", labels.astype(dtype), scores) == expected


@pytest.mark.parametrize(
    ("kind", "labels", "scores", "weight", "message"),
    [
        ("binary", [0, 1], [0.1], None, "do not fit"),
        ("binary", [0, 1], [[0.1, 0.9], [0.2, 0.8]], None, "do not fit"),
        ("multiclass", [0, 1], [0.1, 0.2], None, "do not fit"),
        ("binary", [0, 2], [0.1, 0.2], None, "from 0 to 1"),
        ("binary", [0, 0.5], [0.1, 0.2], None, "from 0 to 1"),
        ("multiclass", [0, -1], [[0.1, 0.9], [0.2, 0.8]], None, "from 0 up"),
        ("multiclass", [0, 2.5], [[0.1, 0.9], [0.2, 0.8]], None, "from 0 up"),
        ("regression", [0, 2], [0.1, 0.2], [1.0], "do not fit"),
        ("regression", [0, 2], [0.1, 0.2], [1.0, -1.0], "negative"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: Kind, labels: Any, scores: Any, weight: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_all(kind, labels, scores, weight)


def test_a_metric_refuses_scores_of_a_kind_it_does_not_serve() -> None:
    with pytest.raises(ValueError, match="binary labels"):
        metric("average_precision")([0, 1], [[0.1, 0.9], [0.2, 0.8]])


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError) as refusal:
        metric("roc_acu", where="projects/x/project.yaml: evaluate.metric")
    assert refusal.value.valid == metric_names()
    assert refusal.value.remedy == "did you mean 'roc_auc'?"
    assert refusal.value.where.endswith("evaluate.metric")


def test_a_metric_of_another_kind_is_refused_with_those_that_serve() -> None:
    with pytest.raises(RequestError, match="'rmse' does not measure binary labels") as refusal:
        metric("rmse", "binary")
    assert refusal.value.valid == metric_names("binary")


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(RequestError) as refusal:
        metrics_for("binery")  # type: ignore[arg-type]
    assert set(refusal.value.valid) == set(KINDS)
    assert refusal.value.remedy == "did you mean 'binary'?"


def test_every_kind_has_one_default() -> None:
    defaults = {kind: [row.name for row in metrics_for(kind) if kind in row.default_for] for kind in KINDS}
    assert defaults == {"binary": ["roc_auc"], "multiclass": ["log_loss"], "regression": ["rmse"]}
    assert [default_metric(kind).name for kind in KINDS] == ["roc_auc", "log_loss", "rmse"]


def test_start_up_loads_no_statistics_library() -> None:
    code = (
        "import sys, nightshift.metrics.registry, nightshift.metrics.curves;"
        "print([name for name in ('sklearn', 'scipy', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
