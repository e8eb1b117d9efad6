"""Every declared signal is found by its name, and does what its row says."""

from __future__ import annotations

import numpy as np
import pytest

from nightshift.drift.signals.declaration import Shape
from nightshift.drift.signals.registry import measure, measure_names, measures_for
from nightshift.errors import RequestError
from tests.nightshift.drift.columns import category_pair, numeric_pair


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="no signal 'wasserstien'") as caught:
        measure("wasserstien")
    assert "wasserstein" in caught.value.remedy
    assert set(caught.value.valid) == set(measure_names())


@pytest.mark.parametrize("name", measure_names())
def test_every_signal_serves_its_kinds_and_is_documented(name: str) -> None:
    row = measure(name)
    assert row.effect_floor > 0
    assert set(row.default_for) <= set(row.kinds)
    documented = row.measure.__doc__ if isinstance(row, Shape) else row.hits.__doc__
    assert documented
    pairs = {
        "numeric": numeric_pair(np.arange(500.0), np.arange(250.0, 750.0)),
        "category": category_pair(["a", "b", "c"] * 200, ["a", "d", ""] * 200),
    }
    for kind in row.kinds:
        assert row in measures_for(kind, (name,))
        assert np.isfinite(row(*pairs[kind]))


@pytest.mark.parametrize("name", [row for row in measure_names() if isinstance(measure(row), Shape)])
def test_the_power_makes_a_signal_grow_with_the_square_of_a_small_shift(name: str) -> None:
    row = measure(name)
    assert isinstance(row, Shape)
    even = np.linspace(-1, 1, 40_001)
    small, double = (row(*numeric_pair(even, even + 0.1 * times * (1 - even**2), 64)) for times in (1, 2))
    assert (double / small) ** row.power == pytest.approx(4, rel=0.5)
