"""Layouts: bins of equal mass, values alone where they are many, marks that know what the reference had."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from nightshift.drift.build import profile
from nightshift.drift.layout import CategoryLayout, Layout, NumericLayout, lay_out, layout_of, quantile_edges
from nightshift.drift.marks import digest, false_positive_rate, fold, holds, mark, wanted_bits
from nightshift.drift.profile import CategoryColumn, NumericColumn
from nightshift.drift.tally import SAMPLE_ROWS, Sample, Tally
from nightshift.errors import DataRefusedError, RequestError
from tests.nightshift.drift.samples import ROLES, cuts, empty, table


def of(values: object) -> tuple[NumericLayout | CategoryLayout, NumericColumn | CategoryColumn]:
    """The layout and the profile of one column."""
    batch = pa.record_batch({"x": values if isinstance(values, pa.Array) else pa.array(values)})
    layout = lay_out([batch], {"x": "feature"})
    return layout.columns[0], profile([batch], layout).columns["x"]


def assert_same_layout(first: Layout, second: Layout) -> None:
    assert first.segments == second.segments
    for mine, other in zip(first.columns, second.columns, strict=True):
        if isinstance(mine, NumericLayout):
            assert isinstance(other, NumericLayout)
            np.testing.assert_array_equal(mine.edges, other.edges)
            np.testing.assert_array_equal(mine.kept, other.kept)
        else:
            assert mine == other


def test_bins_hold_as_many_rows_each() -> None:
    _, column = of(np.random.default_rng(0).lognormal(size=40_000))
    assert column.counts.size == 66
    np.testing.assert_allclose(column.counts[1:-1], 40_000 / 64, rtol=0.01)


def test_bins_of_more_rows_than_are_drawn_hold_nearly_as_many_each_and_nothing_lies_outside() -> None:
    values = np.random.default_rng(0).lognormal(size=400_000)
    _, column = of(values)
    np.testing.assert_allclose(column.counts[1:-1], values.size / 64, rtol=5 * np.sqrt(64 / SAMPLE_ROWS))
    assert column.counts[0] == column.counts[-1] == 0


def test_values_that_are_many_are_alone_in_their_bin() -> None:
    random = np.random.default_rng(0)
    values = np.where(random.random(10_000) < 0.3, 0.0, random.normal(size=10_000))
    values = np.where(random.random(10_000) < 0.2, values.max() + 1, values)
    layout, column = of(values)
    assert isinstance(layout, NumericLayout)
    for value in (0.0, values.max()):
        at = np.searchsorted(layout.edges, value)
        assert layout.edges[at] == value
        assert column.counts[at + 1] == (values == value).sum()


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [0.0], [-3e38], [3.4e38], [5e-324]])
def test_a_constant_has_one_bin(values: list[float]) -> None:
    _, column = of(values)
    assert column.counts.tolist() == [0, len(values), 0]


@pytest.mark.parametrize("values", [[None, None], pa.nulls(3), [float("nan")], [float("inf"), -float("inf")]])
def test_a_column_without_numbers_has_edges_all_the_same(values: object) -> None:
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.float64())
    layout, column = of(array)
    assert isinstance(layout, NumericLayout)
    assert layout.edges.tolist() == [0.0, 1.0]
    assert column.counts.sum() + column.nulls == len(array)


def test_a_category_without_values_has_no_values() -> None:
    layout, column = of(pa.array([None, None], pa.string()))
    assert isinstance(layout, CategoryLayout)
    assert (layout.values, layout.known, column.counts.tolist(), column.nulls) == ((), b"", [0, 0], 2)


def test_few_different_values_have_a_bucket_each() -> None:
    values = np.random.default_rng(0).integers(0, 60, 5000)
    _, column = of(values)
    assert column.counts[1:-1].tolist() == np.bincount(values).tolist()


def test_commonest_values_come_first_and_ties_by_name() -> None:
    layout, column = of(["b"] * 3 + ["c"] * 2 + ["a"] * 2 + [f"x{n:02}" for n in range(60)])
    assert isinstance(layout, CategoryLayout)
    assert layout.values[:4] == ("b", "a", "c", "x00")
    assert len(layout.values) == 50
    assert column.counts[-2:].tolist() == [13, 0]


def test_columns_stand_in_the_order_of_their_roles() -> None:
    names = [column.name for column in lay_out(table(0).to_batches(), ROLES).columns]
    assert names == [*sorted(name for name in ROLES if ROLES[name] == "feature"), "score", "late"]


def test_the_draw_does_not_depend_on_the_cut_into_batches() -> None:
    rows = table(0, rows=150_000).select(["wide", "city", "gaps"])
    roles = {name: ROLES[name] for name in rows.column_names}
    layouts = [lay_out(cuts(rows, pieces, pieces), roles, ["city"], seed=3) for pieces in (2, 13)]
    assert_same_layout(*layouts)
    again = lay_out(rows.to_batches(), roles, ["city"], seed=4)
    assert again.columns[2].edges.tolist() != layouts[0].columns[2].edges.tolist()  # type: ignore[union-attr]


def test_each_row_is_as_likely_drawn_as_any_other() -> None:
    drawn = np.zeros(1000)
    for seed in range(400):
        sample = Sample(seed, size=100)
        for start in range(0, 1000, 50):
            values = np.arange(start, start + 50, dtype=float)
            sample.put("x", values, sample.draw(50))
            sample.prune()
        kept = sample.values("x").astype(int)
        assert np.unique(kept).size == kept.size == 100
        drawn[kept] += 1
    # Binomial(400, 0.1): mean 40, deviation 6.
    assert abs(drawn[:500].mean() - 40) < 5 * 6 / np.sqrt(500)
    assert drawn.max() < 40 + 6 * 6


def test_a_profile_leads_back_to_its_layout() -> None:
    rows = table(0)
    for segments in ([], ["city", "flag"]):
        layout = lay_out(rows.to_batches(), ROLES, segments)
        back = layout_of(profile(rows.to_batches(), layout))
        if segments:
            assert_same_layout(layout, back)
        else:
            assert [column.name for column in back.columns] == [column.name for column in layout.columns]


def test_segments_are_the_twenty_commonest_values() -> None:
    values = np.concatenate([np.repeat(np.arange(30), np.arange(30, 0, -1)), [5] * 100])
    batch = pa.record_batch({"x": values, "by": [f"g={value}" for value in values]})
    made = profile([batch], lay_out([batch], {"x": "feature"}, ["by"]))
    assert list(made.segments) == [f"by=g={n}" for n in (5, *(n for n in range(20) if n != 5))]
    assert made.segments["by=g=5"].rows == 125
    assert layout_of(made).segments["by"][0] == "g=5"


def test_what_cannot_be_laid_out_is_refused() -> None:
    with pytest.raises(DataRefusedError, match="no rows"):
        lay_out([], ROLES)
    with pytest.raises(DataRefusedError, match="no rows"):
        lay_out([empty(table(0))], ROLES)
    with pytest.raises(RequestError, match="no column 'nope'"):
        lay_out(table(0).to_batches(), {"nope": "feature"})
    with pytest.raises(RequestError, match="no column 'nope'"):
        lay_out(table(0).to_batches(), ROLES, ["nope"])
    with pytest.raises(RequestError, match="has a '='"):
        lay_out([pa.record_batch({"a=b": ["x"]})], {"a=b": "feature"}, ["a=b"])
    with pytest.raises(RequestError, match="no profile"):
        lay_out([pa.record_batch({"x": [[1, 2]]})], {"x": "feature"})


@pytest.mark.parametrize("count", [1, 30, 1000, 5000])
def test_marks_know_every_value_and_few_others(count: int) -> None:
    values = [f"value {number}" for number in range(count)]
    known = mark(map(digest, values), wanted_bits(count))
    assert holds(known, values).all()
    strangers = holds(known, (f"stranger {number}" for number in range(20_000))).mean()
    assert false_positive_rate(known) < 1e-3
    assert strangers < 2e-3


def test_the_stated_rate_of_false_answers_is_the_seen_one() -> None:
    values = [f"value {number}" for number in range(3000)]
    for known in (mark(map(digest, values), 13), fold([mark(map(digest, values), 17, hashes=1)], 13)):
        assert holds(known, values).all()
        seen = holds(known, (f"stranger {number}" for number in range(20_000))).mean()
        assert abs(seen - false_positive_rate(known)) < 5 * np.sqrt(0.25 / 20_000) + 0.02


def test_digests_are_the_same_in_every_process() -> None:
    assert digest("JFK") == 195223386312801468


def test_a_hundred_thousand_categories_fit_and_new_ones_are_seen() -> None:
    reference = pa.record_batch({"x": [f"customer {number}" for number in range(100_000)]})
    layout = lay_out([reference], {"x": "feature"})
    column = layout.columns[0]
    assert isinstance(column, CategoryLayout)
    assert len(column.known) <= 20_000
    made = profile([reference], layout).columns["x"]
    assert made.counts[-1] == 0
    window = pa.record_batch({"x": [f"stranger {number}" for number in range(50_000)]})
    seen = profile([window], layout).columns["x"].counts[-1] / 50_000
    assert seen == pytest.approx(1 - false_positive_rate(column.known), abs=0.02)
    assert seen > 0.3


def test_marks_of_many_columns_share_what_there_is() -> None:
    random = np.random.default_rng(0)
    batch = pa.record_batch({
        "a": [str(n) for n in range(20_000)], "b": [str(n) for n in range(20_000)],
        "c": [str(n) for n in random.integers(0, 300, 20_000)],
    })  # fmt: skip
    columns = lay_out([batch], dict.fromkeys("abc", "feature")).columns
    known = [column.known for column in columns if isinstance(column, CategoryLayout)]
    assert sum(map(len, known)) <= 20_003
    assert false_positive_rate(known[2]) < 1e-3


def test_too_many_values_lose_the_rarest_but_not_their_marks() -> None:
    tally = Tally(limit=1000)
    common = [f"common {number}" for number in range(20)]
    for start in range(0, 5000, 100):
        values = [*common, *(f"rare {number}" for number in range(start, start + 100))]
        tally.add(np.repeat(np.arange(len(values)), [5] * 20 + [1] * 100), values)
    assert tally.different <= 1000
    top = tally.commonest(20)
    assert sorted(top) == sorted(common)
    assert holds(tally.marks(top, tally.wanted_bits(20)), [f"rare {number}" for number in range(5000)]).all()


def test_edges_ascend_without_repeats() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        values = np.round(random.normal(size=random.integers(1, 3000)), int(random.integers(0, 4)))
        edges = quantile_edges(values, values.min() - random.integers(0, 2), values.max(), 64)
        assert all(low < high for low, high in pairwise(edges))
        assert edges[0] <= values.min()
        assert values.max() in edges[-2:]
