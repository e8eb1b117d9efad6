"""The noise of a paired difference, against DeLong's formula, the deviation of means, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nightshift.evaluation.paired import Answers, paired_gain
from nightshift.metrics.registry import metric

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


T975 = stats.t.ppf(0.975, 19)


def two_models(rows: int, seed: int, better: float = 0.0) -> Arrays:
    """Labels, and the chances that two models with errors of their own give them."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=rows)
    truth = (random.random(rows) < 1 / (1 + np.exp(-signal))).astype(float)
    ours, theirs = (
        1 / (1 + np.exp(-(signal + random.normal(0, size, rows)))) for size in (0.6 - better, 0.6)
    )
    return truth, ours, theirs


def delong(truth: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The standard error of a difference of two ROC AUCs on the same rows: DeLong, DeLong, Clarke-Pearson (1988)."""
    parts = []
    for scores in (ours, theirs):
        hits, misses = scores[truth == 1], scores[truth == 0]
        parts.append(((hits[:, None] > misses).mean(axis=1), (hits[:, None] > misses).mean(axis=0)))
    over_hits, over_misses = parts[0][0] - parts[1][0], parts[0][1] - parts[1][1]
    return float(np.sqrt(over_hits.var(ddof=1) / over_hits.size + over_misses.var(ddof=1) / over_misses.size))


def test_of_independent_rows_it_is_delongs() -> None:
    found, wanted = [], []
    for seed in range(12):
        truth, ours, theirs = two_models(1500, seed)
        paired = paired_gain(metric("roc_auc"), "binary", Answers(truth, ours), Answers(truth, theirs))
        found.append(paired.noise / T975)
        wanted.append(delong(truth, ours, theirs))
    # One estimate from 20 stretches is off by a sixth; their mean by a twentieth.
    assert np.mean(found) == pytest.approx(np.mean(wanted), rel=0.12)


def test_of_a_mean_it_is_the_deviation_of_the_stretches_means() -> None:
    truth, ours, theirs = two_models(4000, 1)
    paired = paired_gain(metric("brier"), "binary", Answers(truth, ours), Answers(truth, theirs))
    gains = np.square(theirs - truth) - np.square(ours - truth)
    means = gains.reshape(20, 200).mean(axis=1)
    assert paired.gain == pytest.approx(gains.mean())
    assert paired.noise == pytest.approx(T975 * means.std(ddof=1) / np.sqrt(20))


def test_of_equals_one_in_forty_is_called_worse() -> None:
    worse = 0
    for seed in range(400):
        truth, ours, theirs = two_models(400, seed)
        paired = paired_gain(metric("brier"), "binary", Answers(truth, ours), Answers(truth, theirs))
        worse += paired.gain < -paired.noise
    low, high = stats.binom.interval(0.999, 400, 0.025)
    assert low <= worse <= high


def test_rows_that_share_their_fate_make_more_noise() -> None:
    random = np.random.default_rng(3)
    truth = np.zeros(2000)
    alike = np.repeat(
        random.normal(size=40), 50
    )  # what both models' errors differ by, the same for 50 rows in a row
    mixed = random.permutation(alike)
    noises = [
        paired_gain(
            metric("mae"), "regression", Answers(truth, 5 + moved), Answers(truth, np.full(2000, 5.0))
        ).noise
        for moved in (alike, mixed)
    ]
    assert noises[0] > 3 * noises[1]


def test_a_better_model_gains_in_either_direction() -> None:
    truth, ours, theirs = two_models(4000, 2, better=0.5)
    for name in ("log_loss", "roc_auc"):
        paired = paired_gain(metric(name), "binary", Answers(truth, ours), Answers(truth, theirs))
        assert paired.gain == pytest.approx(abs(paired.ours - paired.theirs))
        assert paired.gain > paired.noise > 0


def test_too_few_rows_or_one_class_have_no_noise() -> None:
    truth, ours, theirs = two_models(199, 1)
    assert np.isnan(
        paired_gain(metric("brier"), "binary", Answers(truth, ours), Answers(truth, theirs)).noise
    )
    ones = np.ones(400)
    answers = Answers(ones, np.linspace(0.1, 0.9, 400))
    paired = paired_gain(metric("roc_auc"), "binary", answers, answers)
    assert np.isnan([paired.ours, paired.gain, paired.noise]).all()
