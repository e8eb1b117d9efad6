"""The correction for many tests, against scipy and the definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nightshift.drift.alarms import benjamini_hochberg


@pytest.mark.parametrize("seed", range(10))
def test_significant_is_what_scipy_adjusts_to_the_level_or_less(seed: int) -> None:
    random = np.random.default_rng(seed)
    p = np.concatenate([random.random(60), random.random(15) ** 6])
    adjusted = stats.false_discovery_control(p)
    np.testing.assert_array_equal(benjamini_hochberg(p, 0.05), adjusted <= 0.05)


def test_a_budget_changes_who_passes_and_equal_ones_nothing() -> None:
    p = [0.02, 0.02, 0.9]
    assert not benjamini_hochberg(p, 0.025).any()
    assert benjamini_hochberg(p, 0.025, [2.6, 0.2, 0.2]).tolist() == [True, False, False]
    many = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_array_equal(
        benjamini_hochberg(many, 0.1), benjamini_hochberg(many, 0.1, np.full(50, 3.0))
    )


def test_without_drift_any_finding_is_as_seldom_as_the_level() -> None:
    random = np.random.default_rng(1)
    found = [benjamini_hochberg(random.random(40), 0.05, random.random(40) + 0.5).any() for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.012)


def test_no_tests_give_no_findings() -> None:
    assert benjamini_hochberg([], 0.01).tolist() == []
    assert benjamini_hochberg([], 0.01, []).tolist() == []
