"""Merging: the profiles of two parts of some rows make the profile of all of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from nightshift.drift.build import profile
from nightshift.drift.layout import lay_out
from nightshift.drift.merge import merge
from nightshift.drift.profile import Role
from nightshift.errors import RequestError
from tests.nightshift.drift.samples import ROLES, assert_same, cuts, table


@pytest.mark.parametrize("seed", range(12))
def test_two_parts_make_the_whole_wherever_the_cut_is(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = table(seed, rows=int(random.integers(1, 4000)))
    rows = table(seed + 1000, rows=int(random.integers(2, 5000)))
    layout = lay_out(cuts(reference, seed, 3), ROLES, ["city", "flag"][: int(random.integers(0, 3))])
    whole = profile(rows.to_batches(), layout)
    for at in (0, 1, int(random.integers(0, rows.num_rows)), rows.num_rows):
        first = profile(rows.slice(0, at).to_batches(), layout)
        second = profile(rows.slice(at).to_batches(), layout)
        assert_same(whole, merge(first, second))
        assert_same(whole, merge(second, first))


def test_many_parts_make_the_whole_in_any_order() -> None:
    rows = table(3, rows=4000)
    layout = lay_out(rows.to_batches(), ROLES, ["city"])
    parts = [profile([batch], layout) for batch in cuts(rows, 4, 30)]
    np.random.default_rng(5).shuffle(np.array(parts, dtype=object))
    merged = parts[0]
    for part in parts[1:]:
        merged = merge(merged, part)
    assert_same(profile(rows.to_batches(), layout), merged)


def test_profiles_of_other_layouts_are_refused() -> None:
    rows = table(7)
    mine = profile(rows.to_batches(), lay_out(rows.to_batches(), ROLES, ["city"]))
    shifted = rows.set_column(rows.schema.get_field_index("far"), "far", pc.add(rows["far"], 1.0))
    renamed = rows.set_column(rows.schema.get_field_index("many"), "many", rows["city"])
    as_text = rows.set_column(rows.schema.get_field_index("late"), "late", rows["late"].cast(pa.string()))
    fewer: dict[str, Role] = {"wide": "feature"}
    for reference, roles, segments, what in (
        (rows, fewer, ["city"], "columns"),
        (rows, ROLES, ["flag"], "segments"),
        (shifted, ROLES, ["city"], "bins of 'far'"),
        (renamed, ROLES, ["city"], "values of 'many'"),
        (as_text, ROLES, ["city"], "kinds of 'late'"),
    ):
        other = profile(rows.to_batches(), lay_out(reference.to_batches(), roles, segments))
        with pytest.raises(RequestError, match=f"the {what} differ"):
            merge(mine, other)
