"""Shares compared group by group: against scipy, the formulas written out, and the published false alarms of PSI."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from nightshift.drift.signals.divergence import chi_square, jensen_shannon, l_infinity, psi
from nightshift.drift.signals.pairs import Pairs
from tests.nightshift.drift.columns import category_pair, numeric_pair

PUBLISHED_FALSE_ALARMS = {50: 0.982, 100: 0.851, 200: 0.370, 500: 0.003}


def plain_psi(reference: np.ndarray, window: np.ndarray) -> float:
    """The textbook statistic: ten bins at the reference's deciles, an empty one taken as half a row."""
    deciles = np.quantile(reference, np.linspace(0.1, 0.9, 9))
    p, q = (
        np.maximum(np.bincount(np.searchsorted(deciles, side), minlength=10), 0.5) / side.size
        for side in (reference, window)
    )
    return sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))


def counts(seed: int, groups: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(1, 400, groups), random.integers(1, 400, groups)


@pytest.mark.parametrize("seed", range(5))
def test_jensen_shannon_is_scipys_distance_in_base_2(seed: int) -> None:
    first, second = counts(seed)
    found = jensen_shannon.measure(Pairs.counted(first.tolist(), second.tolist()))[0]
    assert found == pytest.approx(jensenshannon(first, second, base=2), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_chi_square_is_cramers_v_of_a_table_with_equal_totals(seed: int) -> None:
    first, second = counts(seed)
    table = np.array([first / first.sum(), second / second.sum()]) * 10_000
    wanted = math.sqrt(stats.chi2_contingency(table, correction=False).statistic / table.sum())
    assert chi_square.measure(Pairs.counted(first.tolist(), second.tolist()))[0] == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(5))
def test_psi_is_the_sum_of_both_relative_entropies(seed: int) -> None:
    first, second = counts(seed)
    wanted = stats.entropy(first, second) + stats.entropy(second, first)
    assert psi.measure(Pairs.counted(first.tolist(), second.tolist()))[0] == pytest.approx(wanted)


def test_nothing_in_common_is_as_far_as_can_be() -> None:
    apart = Pairs.counted([10, 0], [0, 10])
    assert jensen_shannon.measure(apart)[0] == pytest.approx(1.0)
    assert chi_square.measure(apart)[0] == pytest.approx(1.0)
    assert l_infinity.measure(apart)[0] == 1.0
    assert math.isfinite(psi.measure(apart)[0])


@pytest.mark.parametrize("signal", [psi, jensen_shannon, chi_square, l_infinity])
def test_a_window_like_its_reference_has_value_zero(signal: object) -> None:
    values = np.random.default_rng(0).normal(size=2000)
    assert callable(signal)
    assert signal(*numeric_pair(values, values)) == pytest.approx(0.0, abs=1e-7)
    words = ["a"] * 500 + ["b"] * 300
    assert signal(*category_pair(words, words)) == pytest.approx(0.0, abs=1e-7)


def test_numbers_are_compared_in_tenths_of_the_reference() -> None:
    random = np.random.default_rng(1)
    reference, window = random.normal(size=5000), random.normal(0.4, 1.2, size=3000)
    # Of 50 bins, each tenth holds five: the very deciles of the textbook.
    assert psi(*numeric_pair(reference, window)) == pytest.approx(plain_psi(reference, window), rel=0.01)


def test_rare_categories_are_taken_together() -> None:
    common = ["a"] * 600 + ["b"] * 400
    rare = [f"rare{number}" for number in range(15)]
    reference, window = category_pair(common * 10 + rare, [*common, rare[0]])
    assert psi(reference, window) < 0.001


@pytest.mark.parametrize(("rows", "published"), PUBLISHED_FALSE_ALARMS.items())
def test_plain_psi_cries_wolf_as_often_as_published(rows: int, published: float) -> None:
    random = np.random.default_rng(rows)
    alarms = sum(plain_psi(random.normal(size=rows), random.normal(size=rows)) > 0.1 for _ in range(2000))
    assert alarms / 2000 == pytest.approx(published, abs=0.035)


@pytest.mark.parametrize(("n", "m"), [(500, 500), (1000, 10_000)])
def test_without_drift_psi_follows_the_chi_square_distribution(n: int, m: int) -> None:
    """PSI / (1/n + 1/m) is about chi-square with one degree of freedom less than groups."""
    random = np.random.default_rng(n)
    shares = np.full(10, 0.1)
    drawn = Pairs(
        random.multinomial(m, shares, size=4000).astype(float),
        random.multinomial(n, shares, size=4000).astype(float),
        np.tile(np.arange(10), (4000, 1)),
    )
    scaled = psi.measure(drawn) / (1 / n + 1 / m)
    assert stats.kstest(scaled, stats.chi2(9).cdf).statistic < 0.03
    assert np.quantile(scaled, 0.99) == pytest.approx(stats.chi2(9).ppf(0.99), rel=0.06)
