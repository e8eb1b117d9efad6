"""Profiles as text: small, whole again when read back, and refused when they are not whole."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from nightshift.drift.build import profile
from nightshift.drift.codec import from_json, to_json
from nightshift.drift.layout import lay_out, layout_of
from nightshift.drift.merge import merge
from nightshift.drift.profile import Profile, Role
from nightshift.errors import DataRefusedError, RequestError
from tests.nightshift.drift.samples import ROLES, assert_same, empty, table


@pytest.fixture(scope="module")
def made() -> Profile:
    return profile(table(1).to_batches(), lay_out(table(0).to_batches(), ROLES, ["city", "flag"]))


def test_what_is_read_back_is_what_was_written(made: Profile) -> None:
    text = to_json(made)
    back = from_json(text, "profile.json")
    assert_same(made, back, sums=1e-6)
    assert from_json(text.encode()).rows == made.rows
    assert to_json(back) == text


def test_moments_edges_and_extremes_are_exact(made: Profile) -> None:
    back = from_json(to_json(made))
    for mine, other in zip(made.columns.values(), back.columns.values(), strict=True):
        for name in ("mean", "m2", "minimum", "maximum"):
            assert getattr(mine, name, 0) == getattr(other, name, 0)


def test_a_window_profiled_with_what_was_stored_merges_with_it(made: Profile) -> None:
    back = from_json(to_json(made))
    window = profile(table(2).to_batches(), layout_of(back))
    assert merge(back, window).rows == made.rows + table(2).num_rows


@pytest.mark.parametrize("scale", [1e-35, 1e200])
def test_sums_too_large_or_small_for_four_bytes_keep_their_digits(scale: float) -> None:
    batch = pa.record_batch({"x": scale * np.arange(1.0, 500.0)})
    made = profile([batch], lay_out([batch], {"x": "feature"}))
    assert_same(made, from_json(to_json(made)), sums=1e-6)


def test_a_profile_of_no_rows_and_of_no_columns() -> None:
    layout = lay_out(table(0).to_batches(), ROLES, ["city"])
    for made in (profile([empty(table(0))], layout), Profile(0, {}, {})):
        assert_same(made, from_json(to_json(made)))


def test_fifty_columns_with_twenty_segments_are_under_200_kb() -> None:
    random = np.random.default_rng(0)
    rows = 40_000
    columns: dict[str, object] = {f"number_{n:02}": random.normal(n, 1 + n, rows) for n in range(40)}
    for n in range(9):
        columns[f"category_{n}"] = [f"a longer value {v}" for v in random.zipf(1.3, rows) % (20 * 3**n)]
    columns["category_9"] = [f"customer {v}" for v in random.integers(0, 100_000, rows)]
    columns |= {f"by_{n}": [f"part {v}" for v in random.integers(0, 10, rows)] for n in range(2)}
    batches = pa.table(columns).to_batches()
    roles: dict[str, Role] = {name: "feature" for name in columns if not name.startswith("by")}
    made = profile(batches, lay_out(batches, roles, ["by_0", "by_1"]))
    assert (len(made.columns), len(made.segments)) == (50, 20)
    # As many rows as one year of a large table: large counts take more characters.
    for _ in range(11):
        made = merge(made, made)
    assert made.rows > 80_000_000
    assert len(to_json(made).encode()) < 200_000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_torn_text_is_refused(made: Profile, share: float) -> None:
    text = to_json(made)
    with pytest.raises(DataRefusedError, match="no whole JSON") as raised:
        from_json(text[: int(len(text) * share)], "runs/1/profile.json")
    assert raised.value.where == "runs/1/profile.json"
    assert raised.value.remedy


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"format": "other"}', '"nightshift profile"'])
def test_foreign_json_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="no profile"):
        from_json(text)


def test_another_version_is_refused(made: Profile) -> None:
    with pytest.raises(RequestError, match="of version 99") as raised:
        from_json(json.dumps(json.loads(to_json(made)) | {"version": 99}))
    assert raised.value.valid == ("1",)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("counts", ""), ("counts", "zz"), ("counts", "ä"), ("counts", None), ("rows", "many"),
        ("columns", [{}]), ("columns", [{"name": "x", "role": "king", "values": [], "known": ""}]),
        ("columns", [{"name": "x", "role": "label", "edges": "abc"}]), ("columns", None),
        ("segments", {"a": 1}), ("segments", None),
    ],
)  # fmt: skip
def test_damaged_parts_are_refused(made: Profile, key: str, value: object) -> None:
    with pytest.raises(DataRefusedError, match="damaged"):
        from_json(json.dumps(json.loads(to_json(made)) | {key: value}))
