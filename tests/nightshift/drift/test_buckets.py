"""Buckets: the table gives what binary search gives, for every edge and the numbers next to it."""

from __future__ import annotations

import numpy as np
import pytest

from nightshift.drift.buckets import Bucketer
from nightshift.drift.layout import quantile_edges


@pytest.mark.parametrize("shape", ["normal", "lognormal", "whole", "two places", "tiny", "far", "denormal"])
@pytest.mark.parametrize("bins", [1, 3, 64])
def test_every_value_is_where_binary_search_puts_it(shape: str, bins: int) -> None:
    random = np.random.default_rng(bins)
    normal = random.normal(size=20_000)
    values = {
        "normal": normal,
        "lognormal": np.exp(3 * normal),
        "whole": np.round(10 * normal),
        "two places": normal + np.where(normal > 0, 1e9, 0.0),
        "tiny": 1e-200 * normal,
        "far": 1e12 + normal,
        "denormal": 1e-310 * normal,
    }[shape]
    edges = quantile_edges(values, values.min(), values.max(), bins)
    asked = np.concatenate([
        values, edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf),
        [np.nan, 0.0, -0.0, 1.7e308, -1.7e308, 5e-324], 1e3 * random.normal(size=1000),
    ])  # fmt: skip
    bucketer = Bucketer(edges)
    found, away = bucketer.find(asked)
    expected = np.searchsorted(edges, asked, side="right")
    expected[asked == edges[-1]] = edges.size - 1
    expected[np.isnan(asked)] = edges.size + 1
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(away, asked - bucketer.middle)
