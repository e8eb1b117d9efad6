"""The classifier that tells window from reference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from nightshift.drift.signals.classifier import _areas, _probit, domain_classifier


def test_areas_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((500, 4)) < 0.3).astype(float)
    scores = random.normal(size=(500, 4)) + labels
    wanted = [roc_auc_score(labels[:, index], scores[:, index]) for index in range(4)]
    np.testing.assert_allclose(_areas(scores, labels), wanted)


def test_normal_deviates_are_scipys() -> None:
    shares = np.linspace(0.001, 0.999, 201)
    np.testing.assert_allclose(_probit(shares), stats.norm.ppf(shares), atol=6e-4)


def test_rows_of_the_same_source_raise_few_alarms() -> None:
    random = np.random.default_rng(1)
    found = [
        domain_classifier(random.normal(size=(250, 2)), random.normal(size=(250, 2)), seed=seed)
        for seed in range(30)
    ]
    assert sum(each.alarm for each in found) <= 2
    assert stats.kstest([each.p_value for each in found], "uniform").pvalue > 0.01


def test_codes_with_many_ties_raise_no_alarm() -> None:
    random = np.random.default_rng(2)
    found = [
        domain_classifier(random.integers(0, 2, (400, 2)).astype(float), random.integers(0, 2, (400, 2)).astype(float))
        for _ in range(10)
    ]  # fmt: skip
    assert sum(each.alarm for each in found) <= 1


@pytest.mark.parametrize("kind", ["correlation", "moved", "nulls"])
def test_drift_is_found(kind: str) -> None:
    random = np.random.default_rng(3)
    before, after = random.normal(size=(600, 4)), random.normal(size=(600, 4))
    if kind == "correlation":
        after[:, 1] = 0.6 * after[:, 0] + 0.8 * after[:, 1]
    elif kind == "moved":
        after[:, 2] += 0.5
    else:
        after[random.random(600) < 0.2, 3] = np.nan
    found = domain_classifier(before, after)
    assert found.alarm
    assert found.value is not None
    assert found.value > 0.55


def test_few_rows_say_nothing() -> None:
    found = domain_classifier(np.zeros((199, 2)), np.zeros((500, 2)))
    assert (found.value, found.alarm) == (None, False)
