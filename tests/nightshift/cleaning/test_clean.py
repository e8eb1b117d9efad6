"""What is removed of a project, and what is not: rows that a model needs, files that are young, runs under way."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from nightshift.cleaning.clean import Cleaned, clean, known_projects
from nightshift.errors import TransientError
from nightshift.lake.tables import Lake, Replacement
from nightshift.locks import only_one
from nightshift.records import Window
from nightshift.settings import Settings

NONE, DAY = timedelta(0), timedelta(days=1)
JANUARY = Window(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 1, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def put(lake: Lake, table: str, value: int) -> int:
    """Replace January's row; the version that holds it."""
    rows = pa.table({"at": pa.array([JANUARY.start], pa.timestamp("us", tz="UTC")), "value": [value]})
    change = Replacement(JANUARY, "at", digest=str(value))
    return lake.replace(table, rows.to_reader(), change)


def value_at(lake: Lake, table: str, version: int | None = None) -> list[int]:
    found: list[int] = DeltaTable(lake.uri(table), version=version).to_pyarrow_table()["value"].to_pylist()
    return found


def write(path: Path, *, days_old: float, size: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = (datetime.now(UTC) - timedelta(days=days_old)).timestamp()
    os.utime(path, (then, then))
    return path


def removed(cleaned: Cleaned, what: str) -> tuple[int, int]:
    return cleaned.freed[what].files, cleaned.freed[what].bytes


def test_rows_stay_readable_that_models_were_made_of(settings: Settings) -> None:
    lake = Lake.of("sales", settings)
    versions = [put(lake, "dataset", value) for value in range(30)]
    killed = write(Path(lake.uri("dataset"), "part-left-by-a-killed-writer.parquet"), days_old=0)
    before = sum(file.stat().st_size for file in Path(lake.uri("dataset")).glob("*.parquet"))

    looked = clean("sales", frozenset({versions[3], versions[7]}), NONE, settings, dry_run=True)
    assert sum(file.stat().st_size for file in Path(lake.uri("dataset")).glob("*.parquet")) == before
    cleaned = clean("sales", frozenset({versions[3], versions[7]}), NONE, settings)

    after = sum(file.stat().st_size for file in Path(lake.uri("dataset")).glob("*.parquet"))
    assert removed(cleaned, "dataset") == removed(looked, "dataset") == (28, before - after)
    assert not killed.exists()
    assert [value_at(lake, "dataset", versions[place]) for place in (3, 7)] == [[3], [7]]
    assert value_at(lake, "dataset") == [29]
    assert lake.missing("dataset", versions[3]) == []
    (gone,) = lake.missing("dataset", versions[4])
    assert not Path(gone).exists()
    # Housekeeping is no reason to write the same rows again.
    newest = DeltaTable(lake.uri("dataset")).version()
    assert put(lake, "dataset", 29) == newest


def test_of_other_tables_only_what_they_hold_now_is_kept(settings: Settings) -> None:
    lake = Lake.of("sales", settings)
    for value in range(3):
        put(lake, "predictions", value)
    assert removed(clean("sales", frozenset({0}), NONE, settings), "predictions")[0] == 2
    assert value_at(lake, "predictions") == [2]


def test_what_was_replaced_lately_stays(settings: Settings) -> None:
    lake = Lake.of("sales", settings)
    versions = [put(lake, "dataset", value) for value in range(3)]
    assert clean("sales", frozenset({2}), timedelta(minutes=1), settings).total.files == 0
    assert value_at(lake, "dataset", versions[0]) == [0]


def test_without_registered_versions_the_dataset_is_left_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake.of("sales", settings)
    versions = [put(lake, "dataset", value) for value in range(3)]
    cleaned = clean("sales", frozenset(), NONE, settings)
    assert (cleaned.kept_versions, "dataset" in cleaned.freed) == (None, False)
    assert "no version of sales is registered" in caplog.text
    assert value_at(lake, "dataset", versions[0]) == [0]


def test_trainings_given_up_and_old_working_files_go(settings: Settings) -> None:
    store, scratch = Path(settings.store_uri), settings.scratch_path / "sales"
    given_up = [
        write(store / f"checkpoints/sales/aaaa/at-{n}.checkpoint", days_old=3 + n, size=10) for n in range(2)
    ]
    going_on = [
        write(store / "checkpoints/sales/bbbb/at-1.checkpoint", days_old=9),
        write(store / "checkpoints/sales/bbbb/at-2.checkpoint", days_old=0.1),
    ]
    old = [
        write(scratch / "staged/old.arrow", days_old=2, size=7),
        write(scratch / "candidates/old/model/model.txt", days_old=2, size=5),
        write(scratch / "encoded/.old.beef.1@host.partial", days_old=2, size=3),
    ]
    young = [
        write(scratch / "staged/young.arrow", days_old=0.5),
        write(scratch / "candidates/young/model/model.txt", days_old=0.5),
        write(scratch / "champion.json", days_old=90),
    ]

    cleaned = clean("sales", frozenset(), DAY, settings)

    assert (removed(cleaned, "checkpoints"), removed(cleaned, "scratch")) == ((2, 20), (3, 15))
    assert not any(path.exists() for path in (*given_up, *old))
    assert all(path.exists() for path in (*going_on, *young))
    assert not (scratch / "candidates" / "old").exists()


@pytest.mark.parametrize("activity", ["train", "tune", "reproduce"])
def test_nothing_is_removed_under_a_run(activity: str, settings: Settings) -> None:
    file = write(settings.scratch_path / "sales" / "encoded" / "rows.arrow", days_old=9)
    with only_one(activity, "sales", settings), pytest.raises(TransientError, match=f"another {activity}"):
        clean("sales", frozenset(), DAY, settings)
    assert file.exists()


def test_every_project_that_left_anything_is_known(settings: Settings) -> None:
    put(Lake.of("in-the-lake", settings), "dataset", 1)
    write(settings.scratch_path / "in-scratch" / "staged" / "rows.arrow", days_old=0)
    write(settings.scratch_path / "spill" / "duckdb.tmp", days_old=0)
    write(Path(settings.store_uri) / "checkpoints" / "unfinished" / "aaaa" / "at-1.checkpoint", days_old=0)
    assert known_projects(settings) == ["in-scratch", "in-the-lake", "unfinished"]
