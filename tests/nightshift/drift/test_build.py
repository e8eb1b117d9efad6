"""What a profile counts: the same as pandas does row by row, whatever the rows hold and however they are cut."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.drift.blocks import parquet_blocks
from nightshift.drift.build import profile
from nightshift.drift.layout import Layout, lay_out
from nightshift.drift.profile import CategoryColumn, NumericColumn, Profile
from nightshift.errors import OutsideError, RequestError
from tests.nightshift.drift.samples import ROLES, assert_same, cuts, empty, frame, table

NUMERIC = ("wide", "whole", "gaps", "constant", "far", "score", "late")


@pytest.fixture(scope="module")
def layout() -> Layout:
    return lay_out(table(0).to_batches(), ROLES, ["city", "whole"])


@pytest.fixture(scope="module")
def window() -> pa.Table:
    return table(1, rows=70_000)


@pytest.fixture(scope="module")
def made(layout: Layout, window: pa.Table) -> Profile:
    return profile(cuts(window, 5, 4), layout)


def numeric(profile: Profile, name: str) -> NumericColumn:
    column = profile.columns[name]
    assert isinstance(column, NumericColumn)
    return column


def category(profile: Profile, name: str) -> CategoryColumn:
    column = profile.columns[name]
    assert isinstance(column, CategoryColumn)
    return column


def assert_counts(column: NumericColumn, values: pd.Series[float]) -> None:
    """The column summarises `values`, as pandas and numpy see them."""
    known = values.dropna().to_numpy(dtype=float)
    finite = known[np.isfinite(known)]
    inside = np.histogram(known, column.edges)[0]
    below, above = (known < column.edges[0]).sum(), (known > column.edges[-1]).sum()
    assert column.counts.tolist() == [below, *inside, above]
    assert column.nulls == values.isna().sum()
    assert column.infinite == np.isinf(known).sum()
    assert column.finite == finite.size
    sums = np.histogram(finite, column.edges, weights=finite)[0]
    np.testing.assert_allclose(column.sums[1:-1], sums, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(column.sums[0], finite[finite < column.edges[0]].sum(), rtol=1e-9)
    np.testing.assert_allclose(column.sums[-1], finite[finite > column.edges[-1]].sum(), rtol=1e-9)
    if not finite.size:
        assert np.isnan([column.mean, column.minimum, column.maximum]).all()
        assert column.m2 == 0
        return
    np.testing.assert_allclose(column.mean, finite.mean(), rtol=1e-9)
    np.testing.assert_allclose(column.variance, finite.var(), rtol=1e-9)
    assert (column.minimum, column.maximum) == (finite.min(), finite.max())


@pytest.mark.parametrize("name", NUMERIC)
def test_numbers_are_counted_as_numpy_counts_them(made: Profile, window: pa.Table, name: str) -> None:
    assert_counts(numeric(made, name), frame(window)[name])


@pytest.mark.parametrize("name", NUMERIC)
def test_each_segment_is_the_profile_of_its_rows(made: Profile, window: pa.Table, name: str) -> None:
    rows = frame(window)
    for segment, within in made.segments.items():
        column, _, value = segment.partition("=")
        chosen = rows[rows[column] == (int(value) if column == "whole" else value)]
        assert within.rows == len(chosen)
        assert_counts(numeric(within, name), chosen[name])
        assert set(numeric(within, name).edges) <= set(numeric(made, name).edges)


@pytest.mark.parametrize("name", ["city", "flag", "many"])
def test_categories_are_counted_as_pandas_counts_them(made: Profile, window: pa.Table, name: str) -> None:
    reference = (
        frame(table(0))[name].dropna().astype(str).str.replace("True", "true").replace("False", "false")
    )
    rows = frame(window)
    texts = rows[name].map({True: "true", False: "false"}) if name == "flag" else rows[name]
    for segment, within in {"": made, **made.segments}.items():
        by, _, value = segment.partition("=")
        chosen = texts[rows[by] == (int(value) if by == "whole" else value)] if by else texts
        column = category(within, name)
        known = chosen.dropna()
        new = ~known.isin(set(reference))
        assert column.counts[:-2].tolist() == [(known == own).sum() for own in column.values]
        assert column.counts[-1] == new.sum()
        assert column.counts.sum() + column.nulls == within.rows == len(chosen)


def test_the_cut_into_batches_and_the_threads_change_nothing(
    layout: Layout, window: pa.Table, made: Profile
) -> None:
    for seed, pieces, threads in ((1, 1, 1), (2, 9, 2), (3, 60, 3)):
        assert_same(made, profile(cuts(window, seed, pieces), layout, threads=threads))


def test_row_groups_of_files_give_what_batches_give(
    tmp_path: Path, layout: Layout, window: pa.Table, made: Profile
) -> None:
    pq.write_table(window.slice(0, 50_000), tmp_path / "a.parquet", row_group_size=7_000)
    pq.write_table(window.slice(50_000), tmp_path / "b.parquet")
    assert_same(made, profile(parquet_blocks([tmp_path / "a.parquet", tmp_path / "b.parquet"]), layout))


def test_a_file_that_is_no_parquet_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(OutsideError, match="cannot be read as Parquet"):
        list(parquet_blocks([tmp_path / "text.parquet"]))
    with pytest.raises(RequestError, match="no such file"):
        list(parquet_blocks([tmp_path / "none.parquet"]))


def test_no_rows_give_zeros(layout: Layout) -> None:
    for batches in ([], [empty(table(0))]):
        made = profile(batches, layout)
        assert made.rows == 0
        assert all(column.counts.sum() == column.nulls == 0 for column in made.columns.values())
        assert all(segment.rows == 0 for segment in made.segments.values())


def test_a_column_that_is_missing_is_null_in_all_rows(layout: Layout, window: pa.Table) -> None:
    made = profile(window.drop_columns(["wide", "many", "city"]).to_batches(), layout)
    for name in ("wide", "many", "city"):
        assert made.columns[name].nulls == window.num_rows
        assert made.columns[name].counts.sum() == 0
    assert all(segment.rows == 0 for name, segment in made.segments.items() if name.startswith("city"))
    assert made.segments["whole=4"].rows > 0


def test_columns_that_the_layout_has_not_change_nothing(
    layout: Layout, window: pa.Table, made: Profile
) -> None:
    more = window.append_column("more", pa.array([[1]] * window.num_rows))
    assert_same(made, profile(more.to_batches(), layout))


def test_a_column_of_another_type_is_read_as_the_reference_had_it(layout: Layout) -> None:
    rows = pa.table({
        "wide": ["1.5", "no number", None, "inf"],
        "whole": [True, False, True, None],
        "city": [1, 2, None, 2],
        "score": pa.nulls(4),
        "many": pa.nulls(4),
    })  # fmt: skip
    made = profile(rows.to_batches(), layout)
    wide = numeric(made, "wide")
    assert (wide.nulls, wide.infinite, wide.mean) == (2, 1, 1.5)
    assert (numeric(made, "whole").maximum, numeric(made, "whole").nulls) == (1.0, 1)
    assert category(made, "city").counts[-1] == 3
    assert made.columns["score"].nulls == made.columns["many"].nulls == 4


NOON = datetime(2013, 9, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([2**62 + 1, None, -5], pa.int64()), [float(2**62), None, -5.0]),
        (pa.array([2**64 - 1], pa.uint64()), [float(2**64)]),
        (pa.array([Decimal("1.25"), None], pa.decimal128(30, 2)), [1.25, None]),
        (pa.array([1.5, None], pa.float32()), [1.5, None]),
        (pa.array(np.array([1.5, 2], np.float16)), [1.5, 2.0]),
        (pa.array([NOON, None], pa.timestamp("us", "UTC")), [NOON.timestamp(), None]),
        (pa.array([NOON], pa.timestamp("s")), [NOON.timestamp()]),
        (pa.array([NOON], pa.timestamp("ns", "America/New_York")), [NOON.timestamp()]),
        (pa.array([date(1970, 1, 3), None], pa.date32()), [2 * 86400.0, None]),
        (pa.array([date(1970, 1, 3)], pa.date64()), [2 * 86400.0]),
        (pa.array([timedelta(minutes=2)], pa.duration("ms")), [120.0]),
        (pa.array([61], pa.time32("s")), [61.0]),
        (pa.array([61_000_000], pa.time64("us")), [61.0]),
        (pa.nulls(2), [None, None]),
        (pa.array([1, 2, 1, None]).dictionary_encode(), [1.0, 2.0, 1.0, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type_of_number_is_summarised_as_its_value(
    values: pa.Array, expected: list[float | None]
) -> None:
    batch = pa.record_batch({"x": values})
    made = numeric(profile([batch], lay_out([batch], {"x": "feature"})), "x")
    known = [value for value in expected if value is not None]
    assert made.nulls == len(expected) - len(known)
    if known:
        assert (made.minimum, made.maximum) == (min(known), max(known))
        np.testing.assert_allclose(made.mean, np.mean(known))
        assert made.counts[0] == made.counts[-1] == 0


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "b", None, "a"]),
        pa.array(["a", "b", None, "a"], pa.large_string()),
        pa.array(["a", "b", None, "a"], pa.string_view()),
        pa.array(["a", "b", None, "a"]).dictionary_encode(),
        pa.array(["a", "b", None, "a"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3]), pa.array(["a", "b", None, "a"])),
        pa.array([b"a", b"b", None, b"a"]),
        pa.array([b"a", b"b", None, b"a"], pa.binary(1)),
    ],
    ids=lambda values: str(values.type),
)
def test_every_type_of_text_is_the_same_category(values: pa.Array) -> None:
    batch = pa.record_batch({"x": values})
    made = category(profile([batch], lay_out([batch], {"x": "feature"})), "x")
    assert made.values == ("a", "b")
    assert (made.counts.tolist(), made.nulls) == ([2, 1, 0, 0], 1)


def test_bytes_that_are_no_text_are_told_apart() -> None:
    batch = pa.record_batch({"x": pa.array([b"\xff\x00", b"\xff\x01", b"\xff\x00"])})
    assert category(profile([batch], lay_out([batch], {"x": "feature"})), "x").values == ("ff00", "ff01")


@pytest.mark.parametrize("value", [1e39, -1e300, 1.7976931348623157e308])
def test_numbers_beyond_float32_are_counted_as_infinite_ones(value: float) -> None:
    values = np.random.default_rng(0).normal(size=5000)
    told = []
    for far in (value, np.copysign(np.inf, value)):
        values[:3] = far
        batch = pa.record_batch({"x": values})
        told.append(numeric(profile([batch], lay_out([batch], {"x": "feature"})), "x"))
    assert (told[0].infinite, told[0].nulls) == (3, 0)
    assert told[0].counts.tolist() == told[1].counts.tolist()
    assert (told[0].mean, told[0].maximum) == (told[1].mean, told[1].maximum)


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e30, 1e38])
def test_very_large_and_very_small_numbers_are_counted(scale: float) -> None:
    values = np.random.default_rng(0).normal(size=5000) / 6 * scale
    batch = pa.record_batch({"x": values})
    made = numeric(profile([batch], lay_out([batch], {"x": "feature"})), "x")
    assert made.counts.sum() == 5000
    assert made.counts[1:-1].max() < 3 * 5000 / 64
    assert (made.minimum, made.maximum) == (values.min(), values.max())
