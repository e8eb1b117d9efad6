"""Random rows for profiles, with every kind of value that a column may hold, and profiles compared."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from nightshift.drift.profile import CategoryColumn, NumericColumn, Profile, Role

ROLES: Mapping[str, Role] = {
    "wide": "feature", "whole": "feature", "gaps": "feature", "constant": "feature", "far": "feature",
    "city": "feature", "flag": "feature", "many": "feature", "score": "score", "late": "label",
}  # fmt: skip


def table(seed: int, rows: int = 3000) -> pa.Table:
    """Rows of every role, with nulls, NaN, infinities, a skew, atoms and many categories."""
    random = np.random.default_rng(seed)
    gaps = random.gamma(2.0, 5.0, rows)
    gaps[random.random(rows) < 0.3] = 0.0
    gaps[random.random(rows) < 0.05] = np.nan
    gaps[random.random(rows) < 0.01] = np.inf
    gaps[random.random(rows) < 0.01] = -np.inf
    city = np.array(["JFK", "LGA", "EWR", "BOS", "köln", None], dtype=object)
    return pa.table({
        "wide": random.lognormal(0.0, 2.0, rows),
        "whole": pa.array(random.integers(0, 24, rows), pa.int32(), mask=random.random(rows) < 0.1),
        "gaps": pa.array(gaps, mask=random.random(rows) < 0.1),
        "constant": np.full(rows, 7.5),
        "far": 1e7 + random.normal(0.0, 1.0, rows),
        "city": pa.array(random.choice(city, rows, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]).tolist()),
        "flag": random.random(rows) < 0.2,
        "many": pa.array([f"v{number}" for number in random.zipf(1.3, rows) % 500]),
        "score": random.random(rows),
        "late": pa.array(random.integers(0, 2, rows), pa.int8()),
    })  # fmt: skip


def cuts(rows: pa.Table, seed: int, pieces: int) -> list[pa.RecordBatch]:
    """The rows in batches of random lengths, some of them empty."""
    at = np.sort(np.random.default_rng(seed).integers(0, rows.num_rows + 1, pieces - 1)).tolist()
    ends = [0, *at, rows.num_rows]
    parts = (rows.slice(start, stop - start) for start, stop in pairwise(ends))
    return [part.combine_chunks().to_batches()[0] if part.num_rows else empty(rows) for part in parts]


def empty(rows: pa.Table) -> pa.RecordBatch:
    """A batch of the same columns without a row."""
    return pa.RecordBatch.from_pydict({f.name: pa.array([], f.type) for f in rows.schema})


def frame(rows: pa.Table) -> pd.DataFrame:
    """The rows in pandas, where tests work answers out another way."""
    made: pd.DataFrame = rows.to_pandas()
    return made


def assert_same(first: Profile, second: Profile, *, sums: float = 1e-9) -> None:
    """Counts, edges and names are equal, moments to 1e-9 of their size, sums to `sums` of theirs."""
    assert first.rows == second.rows
    assert list(first.columns) == list(second.columns)
    assert list(first.segments) == list(second.segments)
    for name, column in first.columns.items():
        other = second.columns[name]
        assert (column.name, column.role, column.nulls) == (other.name, other.role, other.nulls)
        np.testing.assert_array_equal(column.counts, other.counts, err_msg=name)
        if isinstance(column, CategoryColumn):
            assert isinstance(other, CategoryColumn)
            assert (column.values, column.known) == (other.values, other.known)
            continue
        assert isinstance(other, NumericColumn)
        assert column.infinite == other.infinite
        np.testing.assert_array_equal(column.edges, other.edges, err_msg=name)
        np.testing.assert_allclose(column.sums, other.sums, rtol=sums, atol=1e-9, err_msg=name)
        spread = np.sqrt(column.variance) if np.isfinite(column.variance) else 0.0
        np.testing.assert_allclose(column.mean, other.mean, rtol=1e-9, atol=1e-9 * spread, err_msg=name)
        np.testing.assert_allclose(column.m2, other.m2, rtol=1e-9, err_msg=name)
        np.testing.assert_array_equal([column.minimum, column.maximum], [other.minimum, other.maximum])
    for segment in first.segments:
        assert_same(first.segments[segment], second.segments[segment], sums=sums)
