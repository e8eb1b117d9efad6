"""A snapshot's rows: no label that was not known yet is seen, whatever the lake holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nightshift.dataset.rows import SnapshotRows
from nightshift.engine import engine
from nightshift.records import Snapshot
from nightshift.spec.project import Project
from tests.synthetic import AS_OF, START, World, days, rows_of, snapshot, whole


def read(world: World, project: Project, made: Snapshot, *, labelled: bool = False) -> pa.Table:
    with engine(world.settings) as connection:
        rows = SnapshotRows(project, made, world.settings, connection)
        return rows.read(whole(), ["id", "seen_at", "y"], labelled=labelled).read_all()


@pytest.mark.parametrize("known_after", ["6h", "1d", "9d"])
def test_a_label_known_after_as_of_is_not_seen(tmp_path: Path, known_after: str) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(frame)
    project = world.declare(dataset={"label": {"column": "y", "kind": "binary", "known_after": known_after}})
    as_of = START + timedelta(days=20)
    made = snapshot(world, project, as_of=as_of)
    length = {"6h": timedelta(hours=6), "1d": timedelta(days=1), "9d": timedelta(days=9)}[known_after]
    expected = frame["y"].where(frame["seen_at"] + length <= as_of)
    got = read(world, project, made).to_pandas()["y"]
    assert got.isna().tolist() == expected.isna().tolist()
    assert got.dropna().tolist() == expected.dropna().tolist()
    assert read(world, project, made, labelled=True).num_rows == expected.notna().sum()


def test_without_known_after_every_label_is_seen(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare()
    made = snapshot(world, project, as_of=START + timedelta(days=2))
    assert read(world, project, made)["y"].null_count == 0


def test_a_snapshot_gives_the_same_rows_after_the_table_moved_on(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare()
    first = snapshot(world, project)
    before = read(world, project, first)
    frame = rows_of(seed=5)
    world.write(frame)
    second = snapshot(world, project)
    assert second.version == first.version + 1
    assert read(world, project, first).equals(before)
    assert read(world, project, second)["y"].to_pylist() == frame["y"].tolist()


def test_features_are_the_columns_without_another_role(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write(rows_of())
    project = world.declare(dataset={"weight": "weight", "exclude": ["gap"]})
    made = snapshot(world, project)
    with engine(world.settings) as connection:
        rows = SnapshotRows(project, made, world.settings, connection)
        assert rows.features == ["x", "n", "city"]
        assert rows.aggregate(days(0, 2), ["count(*)"]) == (60,)
    assert made.as_of == AS_OF
