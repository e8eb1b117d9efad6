"""A table whose columns change keeps every row, or refuses the new ones before anything is written."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from nightshift.errors import DataRefusedError, NightshiftError, TransientError
from nightshift.lake.tables import Lake, Replacement
from tests.synthetic import START, days

AT = pa.timestamp("us", "UTC")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(str(tmp_path), "demo")


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def put(lake: Lake, number: int, time: str = "at", **columns: Any) -> int:
    """Replace one day's rows; columns are Arrow arrays."""
    size = len(next(iter(columns.values())))
    rows = pa.table({time: pa.array([day(number)] * size, AT), **columns})
    return lake.replace("t", rows.to_reader(), change_of(number, time, **columns))


def change_of(number: int, time: str = "at", **columns: Any) -> Replacement:
    shown = {name: values.to_pylist() for name, values in columns.items()}
    return Replacement(days(number, number + 1), time, f"{number} {shown}")


def values(lake: Lake, column: str, version: int | None = None) -> list[Any]:
    at = lake.version("t") if version is None else version
    assert at is not None
    table = lake.read("t", at).to_table().sort_by("at")
    return table[column].to_pylist() if column in table.column_names else []


def type_of(lake: Lake, column: str) -> str:
    version = lake.version("t")
    assert version is not None
    return str(lake.read("t", version).schema.field(column).type)


def test_new_columns_are_added_and_those_that_are_gone_are_null(lake: Lake) -> None:
    put(lake, 0, a=pa.array([1]), b=pa.array(["x"]))
    put(lake, 1, a=pa.array([2]), c=pa.array([0.5]))
    put(lake, 0, a=pa.array([3]))
    assert (values(lake, "a"), values(lake, "b"), values(lake, "c")) == ([3, 2], [None, None], [None, 0.5])
    assert values(lake, "b", 0) == ["x"]


@pytest.mark.parametrize(
    ("was", "now", "kept"),
    [
        (pa.array([7], pa.int32()), pa.array([2**40]), "int64"),
        (pa.array([7], pa.int64()), pa.array([8], pa.int32()), "int64"),
        (pa.array([7], pa.uint8()), pa.array([8], pa.uint32()), "int64"),
        (pa.array([0.1], pa.float32()), pa.array([0.1]), "double"),
        (pa.array([7], pa.int64()), pa.array([0.5]), "double"),
        (pa.array([0.5]), pa.array([7], pa.int64()), "double"),
        (pa.array([7], pa.int8()), pa.array([0.5], pa.float32()), "float"),
        (pa.array([None], pa.string()), pa.array([7]), "int64"),
        (pa.array(["x"]), pa.array([None], pa.null()), "string"),
        (pa.array([None], pa.null()), pa.array([b"x"]), "binary"),
        (pa.array(["x"]), pa.array(["y"], pa.large_string()), "string"),
        (pa.array(["x"]).dictionary_encode(), pa.array(["y"], pa.string_view()), "string"),
        (pa.array([b"x" * 16], pa.binary(16)), pa.array([b"y"]), "binary"),
        (pa.array([Decimal("1.5")], pa.decimal128(5, 2)), pa.array([Decimal("12345678.1")]), "decimal128(10, 2)"),
        (pa.array([7], pa.int64()), pa.array([Decimal("1.25")], pa.decimal128(3, 2)), "decimal128(21, 2)"),
        (pa.array([day(3)], AT), pa.array([day(4)], pa.timestamp("ms", "Europe/Berlin")), "timestamp[us, tz=UTC]"),
    ],
)  # fmt: skip
def test_a_type_is_widened_without_loss_and_old_versions_stay(
    lake: Lake, was: pa.Array, now: pa.Array, kept: str
) -> None:
    put(lake, 0, a=was)
    put(lake, 1, a=now)
    assert type_of(lake, "a") == kept
    assert values(lake, "a") == [was[0].as_py(), now[0].as_py()]
    assert values(lake, "a", 0) == [was[0].as_py()]
    assert DeltaTable(lake.uri("t")).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"
    assert put(lake, 0, a=was) == 1, "the table still knows what it holds"


@pytest.mark.parametrize(
    ("was", "now", "named"),
    [
        (pa.array([7]), pa.array(["x"]), ("int64", "string")),
        (pa.array(["x"]), pa.array([0.5]), ("string", "double")),
        (pa.array([True]), pa.array([7]), ("bool", "int64")),
        (pa.array([date(2024, 1, 1)]), pa.array([day(0)], AT), ("date32[day]", "timestamp[us, tz=UTC]")),
        (pa.array([2**53 + 1]), pa.array([0.5]), ("int64", "double")),
        (pa.array([0.5]), pa.array([2**53 + 1]), ("double", "int64")),
        (pa.array([b"x"]), pa.array(["x"]), ("binary", "string")),
        (
            pa.array([Decimal("1.5")], pa.decimal128(38, 10)),
            pa.array([Decimal(1)], pa.decimal128(38, 0)),
            ("decimal128(38, 10)", "decimal128(38, 0)"),
        ),
    ],
)
def test_what_would_lose_a_value_is_refused_before_anything_is_written(
    lake: Lake, was: pa.Array, now: pa.Array, named: tuple[str, str]
) -> None:
    put(lake, 0, a=was)
    with pytest.raises(DataRefusedError) as caught:
        put(lake, 1, a=now)
    assert all(one in caught.value.what for one in ("'a'", *named))
    assert "'a'" in caught.value.remedy
    assert lake.version("t") == 0
    assert values(lake, "a") == [was[0].as_py()]


def test_a_type_is_free_once_no_row_that_stays_needs_it(lake: Lake) -> None:
    put(lake, 0, a=pa.array([7]))
    put(lake, 0, a=pa.array(["x"]))
    assert (values(lake, "a"), values(lake, "a", 0)) == (["x"], [7])


def test_names_that_differ_by_case_alone_are_refused(lake: Lake) -> None:
    put(lake, 0, Amount=pa.array([7]))
    with pytest.raises(DataRefusedError, match="'amount' differs from the column 'Amount'"):
        put(lake, 1, amount=pa.array([8]))
    with pytest.raises(DataRefusedError, match="by case alone"):
        put(lake, 1, Amount=pa.array([8]), b=pa.array([1]), B=pa.array([1]))
    assert values(lake, "Amount") == [7]


def test_another_time_column_keeps_the_rows_of_the_one_before(lake: Lake) -> None:
    put(lake, 0, a=pa.array([1]))
    put(lake, 0, time="then", a=pa.array([2]))
    put(lake, 1, time="then", a=pa.array([3]))
    put(lake, 0, time="then", a=pa.array([4]))
    put(lake, 0, a=pa.array([5]))
    table = lake.read("t", lake.version("t") or 0).to_table()
    assert sorted(table["a"].to_pylist()) == [3, 4, 5]


def test_rows_without_an_event_time_stay_when_the_table_is_written_again(lake: Lake) -> None:
    put(lake, 0, a=pa.array([1], pa.int32()))
    put(lake, 0, time="then", a=pa.array([2], pa.int32()))
    put(lake, 0, a=pa.array([2**40]))
    table = lake.read("t", lake.version("t") or 0).to_table()
    assert sorted(table["a"].to_pylist()) == [2, 2**40]


def test_a_table_that_is_written_again_conflicts_with_another_writer(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(lake, 0, a=pa.array([1], pa.int32()))
    stale, here = DeltaTable(lake.uri("t")), Lake(lake.root, lake.project)
    put(lake, 1, a=pa.array([2], pa.int32()))
    monkeypatch.setattr(Lake, "_open", lambda self, table, version=None: stale)
    with pytest.raises(TransientError, match="another process"):
        put(here, 2, a=pa.array([0.5]))
    monkeypatch.undo()
    assert values(lake, "a") == [1, 2]


def test_a_table_made_meanwhile_is_not_written_over(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake, 0, a=pa.array([1]))
    monkeypatch.setattr(Lake, "_open", lambda self, table, version=None: None)
    with pytest.raises(TransientError, match="at the same time"):
        put(lake, 1, a=pa.array([2]))
    monkeypatch.undo()
    assert values(lake, "a") == [1]


def test_an_error_among_the_rows_comes_out_as_it_is(lake: Lake) -> None:
    def broken() -> Any:
        yield pa.record_batch({"at": pa.array([day(0)], AT)})
        raise DataRefusedError("no image", remedy="mend it")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("at", AT)]), broken())
    with pytest.raises(NightshiftError) as caught:
        lake.replace("t", reader, Replacement(days(0, 1), "at", "x"))
    assert (type(caught.value), caught.value.remedy) == (DataRefusedError, "mend it")
    assert lake.version("t") is None


def test_a_file_that_is_gone_is_written_again(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    first = put(lake, 0, a=pa.array([1]))
    change = change_of(0, a=pa.array([1]))
    second = put(lake, 1, a=pa.array([2]))
    assert lake.holds("t", first, change)
    assert lake.holds("t", second, change)
    (gone,) = (Path(file) for file in DeltaTable(lake.uri("t"), version=0).file_uris())
    gone.unlink()
    assert not lake.holds("t", first, change)
    assert lake.missing("t", second) == [str(gone)]
    put(lake, 1, a=pa.array([3]))
    put(lake, 0, a=pa.array([1]))
    assert values(lake, "a") == [1, 3]
    assert "1 files of t are gone" in caplog.text


def test_a_table_of_an_older_backup_does_not_hold_what_came_after(lake: Lake) -> None:
    first = Replacement(days(0, 1), "at", "first")
    second = Replacement(days(1, 2), "at", "second")
    rows = {0: pa.table({"at": pa.array([day(0)], AT)}), 1: pa.table({"at": pa.array([day(1)], AT)})}
    lake.replace("t", rows[0].to_reader(), first)
    version = lake.replace("t", rows[1].to_reader(), second)
    Path(lake.uri("t"), "_delta_log", f"{version:020d}.json").unlink()
    assert lake.version("t") == 0
    assert not lake.holds("t", version, second)
    other = Replacement(days(1, 2), "at", "other")
    assert lake.replace("t", rows[1].to_reader(), other) == version
    assert not lake.holds("t", version, second), "a version of this number, and other rows"
    assert lake.holds("t", version, first)


def test_a_column_that_came_later_is_null_in_every_filter(lake: Lake) -> None:
    put(lake, 0, a=pa.array([1, 2]))
    put(lake, 1, a=pa.array([None], pa.int64()), b=pa.array(["x"]))
    rows = lake.read("t", 1)
    with duckdb.connect() as connection:
        connection.register("rows", rows)

        def found(condition: str) -> list[Any]:
            return [row[0] for row in connection.sql(f"SELECT b FROM rows WHERE {condition}").fetchall()]

        assert found("b IS NOT NULL") == found("b >= 'a'") == found("a IS NULL") == ["x"]
        assert found("b IS NULL") == found("a IS NOT NULL") == found("a > 0") == [None, None]
    assert rows.count_rows(filter=pc.field("b").is_valid()) == 1


def test_a_moment_within_a_millisecond_is_found(lake: Lake) -> None:
    moment = START + timedelta(microseconds=456)
    rows = pa.table({"at": pa.array([moment], AT)})
    lake.replace("t", rows.to_reader(), Replacement(days(0, 1), "at", "x"))
    after = pa.scalar(START + timedelta(microseconds=400), AT)
    assert lake.read("t", 0).count_rows(filter=pc.field("at") > after) == 1
    assert lake.read("t", 0).count_rows(filter=pc.field("at") <= after) == 0
