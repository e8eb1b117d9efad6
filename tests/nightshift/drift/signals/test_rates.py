"""Shares of rows: against the exact distributions of counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nightshift.drift.signals.rates import missing_rate, new_categories, rise_by_chance, shares_differ
from tests.nightshift.drift.columns import category_pair, numeric_pair


def test_missing_rate_is_the_change_of_the_share_of_nulls_either_way() -> None:
    before, after = np.arange(1000.0), np.arange(1000.0)
    before[:100], after[:30] = np.nan, np.nan
    assert missing_rate(*numeric_pair(before, after)) == pytest.approx(0.07)
    assert missing_rate(*numeric_pair(after, before)) == pytest.approx(0.07)


def test_new_categories_are_those_that_the_reference_never_had() -> None:
    words = [f"v{number % 40}" for number in range(4000)]
    pair = category_pair(words, ["v0"] * 50 + ["v39"] * 45 + ["new"] * 5, top=20)
    assert new_categories(*pair) == pytest.approx(0.05)


@pytest.mark.parametrize("hits", [0, 1, 4, 30, 200])
@pytest.mark.parametrize("before", [(0, 5000), (40, 5000), (900, 1000), (100_000, 1_000_000)])
def test_a_rise_is_as_likely_as_the_hypergeometric_distribution_says(
    hits: int, before: tuple[int, int]
) -> None:
    exact = stats.hypergeom(200 + before[1], hits + before[0], 200).sf(hits - 1)
    assert rise_by_chance(hits, 200, *before) == pytest.approx(exact, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.97])
@pytest.mark.parametrize(("rows", "before"), [(200, 10_000), (1000, 1000), (50_000, 100_000)])
def test_shares_of_one_source_differ_by_a_standard_error_or_less(
    share: float, rows: int, before: int
) -> None:
    random = np.random.default_rng(int(share * 1000) + rows)
    pairs = zip(random.binomial(rows, share, 2000), random.binomial(before, share, 2000), strict=True)
    z = [shares_differ(int(hits), rows, int(hits_before), before) for hits, hits_before in pairs]
    assert np.mean(np.square(z)) <= 1.15
