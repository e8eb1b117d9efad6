"""The curves against scikit-learn and numpy, and that thinning leaves the picture as it was."""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import calibration as sk_calibration
from sklearn import metrics as sk

from nightshift.metrics.curves import (
    MOST_POINTS,
    calibration,
    confusion_matrix,
    curves_of,
    precision_recall_curve,
    roc_curve,
    wilson_interval,
)
from nightshift.metrics.residuals import LEVELS, residual_summary
from nightshift.metrics.sample import Sample
from nightshift.spec.project import Kind

repeatable = settings(derandomize=True, database=None, deadline=None, max_examples=40)

EXTREME = [0.0, 5e-324, 1e-300, 0.1, 0.3, np.nextafter(0.5, 0), 0.5, 1 - 2**-53, 1.0]
scored_rows = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.sampled_from(EXTREME), st.floats(0, 1)),
        st.one_of(st.integers(0, 3).map(float), st.floats(1e-3, 1e3)),
    ),
    max_size=40,
)


def strict(kind: Kind, *rows: Any) -> Any:
    """All curves, any warning being an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return curves_of(Sample.of(kind, *rows))


@repeatable
@given(scored_rows, st.booleans())
def test_curves_agree_with_scikit_learn(rows: list[tuple[int, float, float]], is_weighted: bool) -> None:
    labels, scores, weight = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 3
    )
    made = strict("binary", labels, scores, weight if is_weighted else None)
    kept = weight > 0 if is_weighted else np.ones(labels.size, dtype=bool)
    labels, scores, weight = labels[kept], scores[kept], weight[kept] if is_weighted else None
    if labels.size == 0:
        assert made.roc is None
        return
    if 0 < labels.sum() < labels.size:
        across, up, at = sk.roc_curve(labels, scores, sample_weight=weight, drop_intermediate=False)
        np.testing.assert_allclose(made.roc.false_positive_rate, across, atol=1e-12)
        np.testing.assert_allclose(made.roc.true_positive_rate, up, atol=1e-12)
        np.testing.assert_array_equal(made.roc.threshold, at)
        assert made.roc.area == pytest.approx(sk.auc(across, up))
    else:
        assert made.roc.true_positive_rate.size == 0
        assert np.isnan(made.roc.area)
    if labels.any():
        precision, recall, at = sk.precision_recall_curve(labels, scores, sample_weight=weight)
        np.testing.assert_allclose(made.precision_recall.precision[1:], precision[-2::-1], atol=1e-12)
        np.testing.assert_allclose(made.precision_recall.recall[1:], recall[-2::-1], atol=1e-12)
        np.testing.assert_array_equal(made.precision_recall.threshold[1:], at[::-1])
        assert made.precision_recall.base_rate == pytest.approx(np.average(labels, weights=weight))


def _many(positives: float, seed: int, size: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = (random.random(size) < positives).astype(int)
    return labels, 1 / (1 + np.exp(-random.normal(2 * labels - 1, 1)))


@pytest.mark.parametrize(("positives", "seed"), [(0.5, 1), (0.02, 2), (0.0002, 3), (0.9998, 4)])
def test_thinning_leaves_the_picture_as_it_was(positives: float, seed: int) -> None:
    labels, scores = _many(positives, seed)
    sample = Sample.of("binary", labels, scores)
    roc, both = roc_curve(sample), precision_recall_curve(sample)
    across, up, _ = sk.roc_curve(labels, scores, drop_intermediate=False)
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    for thin, full in (
        ((roc.false_positive_rate, roc.true_positive_rate), (across, up)),
        ((both.recall, both.precision), (recall[:-1], precision[:-1])),
    ):
        assert thin[0].size <= MOST_POINTS
        some = np.linspace(0, full[0].size - 1, 4000).astype(int)
        distance = np.abs(thin[0][:, None] - full[0][some]) + np.abs(thin[1][:, None] - full[1][some])
        length = np.sum(np.abs(np.diff(full[0])) + np.abs(np.diff(full[1])))
        assert distance.min(axis=0).max() <= length / (MOST_POINTS - 2) + 1e-12
    assert np.trapezoid(roc.true_positive_rate, roc.false_positive_rate) == pytest.approx(roc.area, abs=2e-3)
    assert roc.area == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)


def test_both_ends_of_a_thinned_curve_are_kept() -> None:
    labels, scores = _many(0.3, 5)
    roc = roc_curve(Sample.of("binary", labels, scores))
    assert (roc.false_positive_rate[0], roc.true_positive_rate[0]) == (0, 0)
    assert (roc.false_positive_rate[-1], roc.true_positive_rate[-1]) == (1, 1)
    assert np.all(np.diff(roc.threshold) < 0)


def test_calibration_agrees_with_scikit_learn() -> None:
    labels, scores = _many(0.3, 6, size=1000)
    made = calibration(Sample.of("binary", labels, scores))
    observed, predicted = sk_calibration.calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(made.observed, observed)
    np.testing.assert_allclose(made.mean_score, predicted)
    assert made.count.tolist() == [100] * 10
    assert made.error == pytest.approx(np.mean(np.abs(observed - predicted)))
    ends = np.sort(scores)[[4, 994]]
    np.testing.assert_array_equal(made.histogram, np.histogram(np.clip(scores, *ends), bins=40)[0])


def test_wilson_agrees_with_scipy() -> None:
    for hits, rows in [(0, 1), (1, 1), (0, 50), (3, 10), (250, 1000), (1000, 1000)]:
        low, high = wilson_interval(np.array([hits / rows]), np.array([float(rows)]))
        expected = binomtest(hits, rows).proportion_ci(method="wilson")
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


@repeatable
@given(scored_rows.filter(bool), st.booleans())
def test_calibration_bins_are_sound(rows: list[tuple[int, float, float]], is_weighted: bool) -> None:
    labels, scores, weight = (np.array(column) for column in zip(*rows, strict=True))
    made = strict("binary", labels, scores, weight if is_weighted else None).calibration
    if made is None:
        assert is_weighted
        assert not weight.any()
        return
    assert made.count.sum() == (np.count_nonzero(weight) if is_weighted else labels.size)
    assert np.all(made.count > 0)
    assert np.all(np.diff(made.mean_score) >= 0)
    assert np.all((made.low >= 0) & (made.low <= made.observed))
    assert np.all((made.observed <= made.high) & (made.high <= 1))
    assert made.histogram.sum() == pytest.approx(weight.sum() if is_weighted else labels.size)


def test_rows_of_one_score_share_a_bin() -> None:
    made = calibration(Sample.of("binary", [0, 1] * 50, np.repeat([0.2, 0.8], 50)))
    assert made.mean_score.tolist() == pytest.approx([0.2, 0.8])
    assert made.count.tolist() == [50, 50]
    assert calibration(Sample.of("binary", [0, 1] * 50, np.full(100, 0.4))).count.tolist() == [100]


def test_uneven_weights_widen_the_interval() -> None:
    labels, scores = _many(0.5, 7, size=200)
    even = calibration(Sample.of("binary", labels, scores), bins=1)
    weight = np.where(np.arange(200) % 10 == 0, 10.0, 0.1)
    uneven = calibration(Sample.of("binary", labels, scores, weight), bins=1)
    assert uneven.high[0] - uneven.low[0] > 2 * (even.high[0] - even.low[0])


def test_multiclass_calibration_asks_whether_the_likeliest_class_was_right() -> None:
    scores = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.1, 0.7], [0.6, 0.3, 0.1]]
    made = calibration(Sample.of("multiclass", [0, 1, 0, 1], scores), bins=1)
    assert made.observed.tolist() == [0.5]
    assert made.mean_score.tolist() == pytest.approx([0.65])


def test_confusion_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(8)
    labels, scores = random.integers(0, 4, 300), random.random((300, 5))
    weight = random.integers(0, 4, 300)
    made = confusion_matrix(Sample.of("multiclass", labels, scores, weight), list("abcde"))
    told = scores.argmax(axis=1)
    expected = sk.confusion_matrix(labels, told, labels=range(5), sample_weight=weight)
    np.testing.assert_allclose(made.counts, expected)
    assert made.classes == ("a", "b", "c", "d", "e")


def test_rare_classes_are_shown_as_one() -> None:
    random = np.random.default_rng(9)
    labels = np.minimum(random.geometric(0.08, 5000) - 1, 39)
    sample = Sample.of("multiclass", labels, random.random((5000, 40)))
    made = confusion_matrix(sample)
    assert made.classes[-1] == "other (21)"
    assert len(made.classes) == 20
    assert made.counts.sum() == 5000
    frequent = [int(name) for name in made.classes[:-1]]
    assert frequent == sorted(np.argsort(-np.bincount(labels, minlength=40), kind="stable")[:19])
    assert made.counts[0, :-1].tolist() == sample.confusion[frequent[0], frequent].tolist()


def test_names_must_fit_the_classes() -> None:
    with pytest.raises(ValueError, match="2 names do not fit 3 classes"):
        confusion_matrix(Sample.of("multiclass", [0], [[0.2, 0.3, 0.5]]), ["a", "b"])


@pytest.mark.parametrize("is_weighted", [False, True])
def test_residuals_agree_with_numpy(is_weighted: bool) -> None:
    random = np.random.default_rng(10)
    target = random.normal(5, 2, 4000)
    predicted = target + random.normal(0.5, 1, 4000)
    weight = random.integers(1, 4, 4000) if is_weighted else None
    made = residual_summary(Sample.of("regression", target, predicted, weight))
    expected, *_ = np.histogram2d(target, predicted, [made.edges, made.edges], weights=weight)
    np.testing.assert_allclose(made.counts, expected, atol=1e-9)
    mass = np.ones(4000) if weight is None else weight
    assert made.outside == pytest.approx(1 - expected.sum() / mass.sum())
    assert 0 < made.outside < 0.03
    residual = np.repeat(target - predicted, 1 if weight is None else weight)
    np.testing.assert_allclose(made.quantiles, np.quantile(residual, LEVELS, method="inverted_cdf"))
    assert made.mean == pytest.approx(residual.mean())


def test_one_outlier_does_not_empty_the_picture() -> None:
    random = np.random.default_rng(11)
    target = random.normal(size=3000)
    predicted = target.copy()
    predicted[0] = 1e12
    made = residual_summary(Sample.of("regression", target, predicted))
    assert np.ptp(made.edges) < 10
    assert np.count_nonzero(made.counts) > 20


numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=False))


@repeatable
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_any_finite_residuals_can_be_summarised(rows: list[tuple[float, float]]) -> None:
    target, predicted = (np.array(column) for column in zip(*rows, strict=True))
    made = strict("regression", target, predicted).residuals
    assert np.all(np.diff(made.edges) > 0)
    assert made.counts.sum() <= target.size


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("rows", ["none", "one", "holed"])
def test_few_rows_and_holes_give_something(kind: Kind, rows: str) -> None:
    size = 0 if rows == "none" else 1
    labels, scores = np.zeros(size), np.full(size, np.nan if rows == "holed" else 0.4)
    if kind == "multiclass":
        scores = np.column_stack((scores, 1 - scores))
    made = strict(kind, labels, scores)
    shown = [getattr(made, name) for name in ("roc", "calibration", "confusion", "residuals")]
    assert any(part is not None for part in shown) == (rows == "one")
    assert made.rows == labels.size
    sample = Sample.of(kind, labels, scores)
    if kind == "binary":
        assert is_dataclass(roc_curve(sample))
        assert is_dataclass(precision_recall_curve(sample))
    if kind == "regression":
        assert is_dataclass(residual_summary(sample))
    else:
        assert is_dataclass(calibration(sample))


def test_what_is_kept_is_small() -> None:
    labels, scores = _many(0.4, 12)
    made = curves_of(Sample.of("binary", labels, scores))
    for part in (made.roc, made.precision_recall, made.calibration):
        for field in fields(part):  # type: ignore[arg-type]
            assert np.size(getattr(part, field.name)) <= MOST_POINTS
