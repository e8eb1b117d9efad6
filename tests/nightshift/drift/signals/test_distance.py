"""Distances on the number line, against scipy on the raw values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nightshift.drift.signals.distance import kolmogorov_smirnov, wasserstein
from nightshift.drift.signals.divergence import jensen_shannon
from tests.nightshift.drift.columns import category_pair, numeric_pair

SHIFTS = {
    "moved": lambda random: random.normal(0.5, 1, 4000),
    "wider": lambda random: random.normal(0, 1.5, 4000),
    "skewed": lambda random: stats.skewnorm(5).rvs(4000, random_state=random),
    "narrow": lambda random: random.normal(0.2, 0.3, 4000),
}


@pytest.mark.parametrize("bins", [64, 8])
@pytest.mark.parametrize("kind", SHIFTS)
def test_wasserstein_from_bins_is_scipys_on_the_values(kind: str, bins: int) -> None:
    random = np.random.default_rng(3)
    reference, window = random.normal(size=6000), SHIFTS[kind](random)
    wanted = stats.wasserstein_distance(reference, window) / stats.iqr(reference)
    # Eight bins hide where within a bin the functions cross.
    assert wasserstein(*numeric_pair(reference, window, bins)) == pytest.approx(
        wanted, rel=0.02 if bins == 64 else 0.1, abs=0.005
    )


@pytest.mark.parametrize("bins", [64, 8])
def test_one_absurd_value_neither_makes_nor_hides_drift(bins: int) -> None:
    random = np.random.default_rng(4)
    reference, same, moved = (
        random.normal(size=10_000),
        random.normal(size=10_000),
        random.normal(1, 1, 10_000),
    )
    absurd = [side.copy() for side in (reference, same, moved)]
    for side in absurd:
        side[0] = 1e6
    quiet = wasserstein(*numeric_pair(reference, same, bins))
    assert wasserstein(*numeric_pair(reference, absurd[1], bins)) == pytest.approx(quiet, abs=0.01)
    assert wasserstein(*numeric_pair(absurd[0], same, bins)) == pytest.approx(quiet, abs=0.01)
    assert wasserstein(*numeric_pair(absurd[0], absurd[1], bins)) == pytest.approx(quiet, abs=0.01)
    clear = 1 / stats.iqr(reference)
    for before in (reference, absurd[0]):
        for after in (moved, absurd[2]):
            columns = numeric_pair(before, after, bins)
            assert wasserstein(*columns) == pytest.approx(clear, rel=0.25)
            assert jensen_shannon(*columns) > 0.3


def test_infinite_values_count_as_far_out_and_are_few() -> None:
    random = np.random.default_rng(5)
    reference, window = random.normal(size=1000), random.normal(size=1000)
    reference[:3], window[:20] = np.inf, -np.inf
    value = wasserstein(*numeric_pair(reference, window))
    assert 0.02 < value < 0.15


@pytest.mark.parametrize("constant", [0.0, 7.5, 1e9])
def test_a_constant_column_has_no_distance_to_itself_and_some_to_others(constant: float) -> None:
    reference = np.full(500, constant)
    assert wasserstein(*numeric_pair(reference, reference)) == 0.0
    assert wasserstein(*numeric_pair(reference, reference + max(constant, 1.0))) == pytest.approx(1.0)


@pytest.mark.parametrize("bins", [64, 8])
def test_ks_is_scipys_to_within_a_bin(bins: int) -> None:
    random = np.random.default_rng(6)
    reference, window = random.normal(size=3000), random.normal(0.3, 1, 2000)
    wanted = stats.ks_2samp(reference, window).statistic
    assert wanted - 1 / bins <= kolmogorov_smirnov(*numeric_pair(reference, window, bins)) <= wanted + 1e-12


def test_wasserstein_refuses_categories() -> None:
    with pytest.raises(TypeError, match="numbers"):
        wasserstein(*category_pair(["a", "b"], ["a", "b"]))


def test_a_column_without_values_has_no_distance() -> None:
    reference, _ = numeric_pair(np.arange(100.0), np.arange(100.0))
    _, empty = numeric_pair(np.arange(100.0), np.full(10, np.nan))
    assert np.isnan(wasserstein(reference, empty))
