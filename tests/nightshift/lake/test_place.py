"""A store in a folder of any name: its tables are written, read, cleaned and found complete."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text

from nightshift.cleaning.clean import clean
from nightshift.lake.place import lay_out
from nightshift.lake.tables import Lake, Replacement
from nightshift.lake.vacuum import tables_of
from nightshift.records import Window
from nightshift.settings import Settings, sqlite_url

JANUARY = Window(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 1, tzinfo=UTC))
ODD = [
    " ", "é", "#", "%", "?", "[", "]", "[a]", "'", '"', "&", ";", ":", "@", "*", "~", "$HOME", "{x}", "\\", "|", "^",
    "`", "=", "+", "%20", "%41", "日本", " end ", "my höme #1 100% ?[a]'\"x",
]  # fmt: skip


def put(lake: Lake, value: int) -> int:
    """Replace January's row; the version that holds it."""
    rows = pa.table({"at": pa.array([JANUARY.start], pa.timestamp("us", tz="UTC")), "value": [value]})
    return lake.replace("dataset", rows.to_reader(), Replacement(JANUARY, "at", digest=str(value)))


@pytest.mark.parametrize("odd", ODD)
def test_tables_are_written_read_and_cleaned(tmp_path: Path, odd: str) -> None:
    settings = Settings(home=tmp_path / f"a{odd}b" / "home")
    lake = Lake.of("sales", settings)
    versions = [put(lake, value) for value in range(3)]
    assert versions == [0, 1, 2]
    assert put(lake, 2) == 2
    assert tables_of(lake) == ["dataset"]
    assert all(lake.missing("dataset", version) == [] for version in versions)
    clean("sales", frozenset({0}), timedelta(0), settings, dry_run=False)
    assert [len(lake.missing("dataset", version)) for version in versions] == [0, 1, 0]
    values = [lake.read("dataset", version).to_table()["value"].to_pylist() for version in (0, 2)]
    assert values == [[0], [2]]


def test_tables_that_lie_elsewhere_do_so_beside_and_are_linked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "some" / "home [a]"
    settings = Settings(home=folder)
    with caplog.at_level(logging.WARNING):
        put(Lake.of("sales", settings), 1)
        put(Lake.of("sales", settings), 2)
    assert caplog.text.count("move and back up both together") == 1
    assert sorted(path.name.rpartition(".")[2] for path in folder.parent.iterdir()) == [
        "home [a]", "nightshift-lake",
    ]  # fmt: skip
    shutil.move(tmp_path / "some", tmp_path / "another")
    moved = Lake.of("sales", Settings(home=tmp_path / "another" / "home [a]"))
    assert moved.read("dataset", 1).to_table()["value"].to_pylist() == [2]


def test_an_ordinary_store_is_left_as_it_is(tmp_path: Path) -> None:
    lay_out(tmp_path / "a store #1 (100%)")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("odd", ODD)
def test_sqlite_opens_the_file_that_is_meant(tmp_path: Path, odd: str) -> None:
    file = tmp_path / f"a{odd}b" / "some.db"
    file.parent.mkdir()
    engine = create_engine(sqlite_url(file))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE made (x INTEGER)"))
    engine.dispose()
    assert [path.name for path in file.parent.iterdir()] == ["some.db"]
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("made",)]
