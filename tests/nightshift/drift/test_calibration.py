"""P-values without drift: uniform, and right in the tail, against scipy and plain simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nightshift.drift.calibration import (
    Null,
    design_effect,
    moments,
    normal_tail,
    resampled_p,
    resampling_draws,
    screened_p,
    screening_draws,
    statistic,
)
from nightshift.drift.profile import Column
from nightshift.drift.signals.declaration import Shape
from nightshift.drift.signals.pairs import Pairs
from nightshift.drift.signals.registry import measure, measure_names, measures_for
from tests.nightshift.drift.columns import edges_on, numeric

SHAPES = [row for row in measures_for("numeric", measure_names("numeric")) if isinstance(row, Shape)]


def pairs_without_drift(columns: int, rows: int, before: int) -> Pairs:
    """Fresh samples of one distribution on both sides of every column."""
    random = np.random.default_rng(columns + rows)
    made: list[tuple[Column, Column]] = []
    for _ in range(columns):
        reference = random.gamma(2.0, size=before)
        edges = edges_on(reference)
        made.append((numeric(reference, edges), numeric(random.gamma(2.0, size=rows), edges)))
    return Pairs.of(made)


@pytest.mark.parametrize("row", SHAPES, ids=lambda row: row.name)
@pytest.mark.parametrize(("rows", "before"), [(200, 5000), (1000, 1000)])
def test_screened_p_values_are_uniform_enough(row: Shape, rows: int, before: int) -> None:
    pairs = pairs_without_drift(200, rows, before)
    mean, variance = moments(row, screening_draws(pairs, seed=0))
    p = screened_p(statistic(row, pairs), Null(mean, variance, np.zeros(200)))
    # Screening may be wrong by a factor in the tail; what it passes on is resampled.
    assert stats.kstest(p, "uniform").statistic < 0.2
    assert np.mean(p < 0.05) < 0.1


@pytest.mark.parametrize("row", SHAPES, ids=lambda row: row.name)
def test_resampled_p_values_are_uniform(row: Shape) -> None:
    random = np.random.default_rng(0)
    p = []
    for seed in range(80):
        values = np.random.default_rng(seed).normal(size=1300)
        edges = edges_on(values[:1000])
        pairs = Pairs.of([(numeric(values[:1000], edges), numeric(values[1000:], edges))])
        drawn = statistic(row, resampling_draws(pairs, 300, random))[:, 0]
        p.append(resampled_p(float(statistic(row, pairs)[0]), drawn, 0.0, random))
    assert stats.kstest(p, "uniform").pvalue > 0.001


@pytest.mark.parametrize("degrees", [2, 9])
def test_the_tail_beyond_the_draws_is_right_or_cautious(degrees: int) -> None:
    law = stats.chi2(degrees)
    for seed in range(5):
        drawn = law.rvs(4000, random_state=seed)
        for p in (1e-3, 1e-5, 1e-7):
            found = resampled_p(float(law.isf(p)), drawn, 0.0, np.random.default_rng(0))
            assert p / 4 < found < p * 30 * (1 if p > 1e-6 else 10)


def test_within_the_draws_p_is_the_rank() -> None:
    drawn = np.arange(1.0, 1000.0)
    assert resampled_p(500.0, drawn, 0.0, np.random.default_rng(0)) == pytest.approx(501 / 1000)


def test_clean_windows_that_stray_make_the_same_value_likelier() -> None:
    null = Null(np.array([9.0]), np.array([18.0]), np.array([0.0]))
    apart = Null(np.array([9.0]), np.array([18.0]), np.array([18.0]))
    seen = np.array([40.0])
    assert screened_p(seen, null)[0] < 1e-4
    assert screened_p(seen, apart)[0] > 0.05
    random = np.random.default_rng(0)
    drawn = stats.chi2(9).rvs(4000, random_state=0)
    assert resampled_p(40.0, drawn, 0.0, random) < 1e-4
    # The sum's exact chance: chi2(9) + 18 chi2(1).
    sums = stats.chi2(9).rvs(200_000, random_state=1) + 18 * stats.chi2(1).rvs(200_000, random_state=2)
    assert resampled_p(40.0, drawn, 18.0, random) == pytest.approx(np.mean(sums >= 40), rel=0.2)


def test_a_statistic_that_never_strays_makes_any_other_value_drift() -> None:
    never = Null(np.zeros(2), np.zeros(2), np.zeros(2))
    assert screened_p(np.array([0.0, 0.1]), never).tolist() == [1.0, 0.0]


def test_normal_tail_is_scipys() -> None:
    z = np.linspace(-5, 30, 71)
    np.testing.assert_allclose(normal_tail(z), stats.norm.sf(z), rtol=1e-9)


def test_design_effects_leave_out_what_is_not_known() -> None:
    ratios = np.array([[4.0, np.nan, np.nan], [2.0, 3.0, np.nan]])
    found = design_effect(ratios)
    assert found[:2].tolist() == [1 + 2 * 38.5, 1 + 2 * 151]
    assert math.isnan(found[2])


@pytest.mark.parametrize("windows", [6, 8, 12, 20, 40])
def test_few_clean_windows_are_trusted_as_little_as_students_t_says(windows: int) -> None:
    widened = float(design_effect(np.full((windows, 1), 2.0))[0]) - 1
    wanted = (stats.t.isf(5e-5, windows) / stats.norm.isf(5e-5)) ** 2
    assert widened == pytest.approx(wanted, rel=0.15)


def test_psi_is_screened_as_its_chi_square_limit_says() -> None:
    row = measure("psi")
    assert isinstance(row, Shape)
    pairs = pairs_without_drift(50, 2000, 20_000)
    mean, variance = moments(row, screening_draws(pairs, seed=1))
    size = 1 / 2000 + 1 / 20_000
    assert np.mean(mean) / size == pytest.approx(9, rel=0.15)
    assert np.mean(variance) / size**2 == pytest.approx(18, rel=0.35)
