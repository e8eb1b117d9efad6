"""Files of one source whose types differ, and types that few others read: read, or refused by column and file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightshift.errors import DataRefusedError
from nightshift.settings import Settings
from nightshift.sources.registry import open_source
from tests.contracts.test_sources import project_of
from tests.synthetic import World, days, rows_of, staged

NOON = datetime(2026, 1, 1, 12, 0, 0, 250, UTC)
NAIVE = NOON.replace(tzinfo=None)
DAY = date(2026, 1, 1)


def written(folder: Path, *columns: pa.Array) -> pa.Table:
    """The column `x` of as many files, read as one source."""
    for place, values in enumerate(columns):
        pq.write_table(pa.table({"x": values}), folder / f"{place}.parquet")
    return (
        open_source("rows", project_of({"kind": "files", "uri": str(folder)}), Settings()).open().to_table()
    )


SAME = {
    "null and numbers": (pa.nulls(1), pa.array([7]), [None, 7], "int64"),
    "null and text": (pa.array(["a"]), pa.nulls(1), ["a", None], "string"),
    "int32 and int64": (pa.array([1], pa.int32()), pa.array([2**40]), [1, 2**40], "int64"),
    "int8 and uint16": (pa.array([-1], pa.int8()), pa.array([60_000], pa.uint16()), [-1, 60_000], "int32"),
    "int and double": (pa.array([1]), pa.array([0.5]), [1.0, 0.5], "double"),
    "float and double": (pa.array([0.5], pa.float32()), pa.array([0.1]), [0.5, 0.1], "double"),
    "half and double": (pa.array(np.array([1.5], np.float16)), pa.array([0.1]), [1.5, 0.1], "double"),
    "dictionary and text": (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), ["a", "b"], "string"),
    "dictionaries": (pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.dictionary(pa.int8(), pa.string())),
                     ["a", "b"], "string"),
    "large text and views": (pa.array(["a"], pa.large_string()), pa.array(["b"], pa.string_view()), ["a", "b"],
                             "string"),
    "bytes": (pa.array([b"a"], pa.large_binary()), pa.array([b"b"], pa.binary(1)), [b"a", b"b"], "binary"),
    "scales": (pa.array([Decimal("1.5")], pa.decimal128(5, 1)), pa.array([Decimal("1.25")], pa.decimal128(9, 2)),
               [Decimal("1.5"), Decimal("1.25")], "decimal128(9, 2)"),
    "wide decimals": (pa.array([Decimal("1.5")], pa.decimal256(50, 2)),
                      pa.array([Decimal("1.25")], pa.decimal128(9, 2)),
                      [Decimal("1.5"), Decimal("1.25")], "decimal128(38, 2)"),
    "units": (pa.array([NAIVE.replace(microsecond=0)], pa.timestamp("s")), pa.array([NAIVE], pa.timestamp("ns")),
              [NAIVE.replace(microsecond=0), NAIVE], "timestamp[us]"),
    "zones": (pa.array([NOON], pa.timestamp("ms", "Europe/Berlin")), pa.array([NOON], pa.timestamp("us", "Asia/Tokyo")),
              [NOON.replace(microsecond=0), NOON], "timestamp[us, tz=UTC]"),
    "with and without a zone": (pa.array([NAIVE], pa.timestamp("ns")), pa.array([NOON], pa.timestamp("us", "UTC")),
                                [NOON, NOON], "timestamp[us, tz=UTC]"),
    "days and times": (pa.array([DAY]), pa.array([NAIVE], pa.timestamp("us")),
                       [NAIVE.replace(hour=0, microsecond=0), NAIVE], "timestamp[us]"),
    "days": (pa.array([DAY]), pa.array([DAY], pa.date64()), [DAY, DAY], "date32[day]"),
    "times of day": (pa.array([time(1)], pa.time32("ms")), pa.array([time(2)], pa.time64("us")), [time(1), time(2)],
                     "time64[us]"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "values", "kind"), SAME.values(), ids=SAME)
@pytest.mark.parametrize("turned", [False, True])
def test_types_of_the_same_values_are_one_column(
    tmp_path: Path, one: pa.Array, other: pa.Array, values: list[object], kind: str, turned: bool
) -> None:
    read = written(tmp_path, *((other, one) if turned else (one, other)))
    assert str(read.schema.field("x").type) == kind
    assert read["x"].to_pylist() == (values[::-1] if turned else values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1]), pa.array(["a"])),
        (pa.array([True]), pa.array([1])),
        (pa.array([DAY]), pa.array([1.5])),
        (pa.array([NOON]), pa.array(["2026-01-01"])),
        (pa.array([[1]], pa.list_(pa.field("element", pa.int64()))), pa.array([1])),
        (pa.array([b"a"]), pa.array([1])),
    ],
)
def test_a_true_change_names_both_types_and_both_files(
    tmp_path: Path, one: pa.Array, other: pa.Array
) -> None:
    with pytest.raises(DataRefusedError) as caught:
        written(tmp_path, pa.nulls(1, one.type).cast(one.type), one, other)
    said = str(caught.value)
    assert all(word in said for word in ("'x'", str(one.type), str(other.type), "0.parquet", "2.parquet"))


def test_names_that_differ_by_case_between_files_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"X": [2]}), tmp_path / "b.parquet")
    with pytest.raises(DataRefusedError, match="'X' is 'x' in") as caught:
        open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings()).open()
    assert caught.value.where.endswith("b.parquet")


@pytest.mark.parametrize("unit", ["int96", "s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_of_every_unit_are_compared_with_the_window(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(frame)
    table = pq.read_table(world.source)
    kind = pa.timestamp("ns" if unit == "int96" else unit, zone)
    seen = table["seen_at"].cast(pa.timestamp("s", zone), safe=False).cast(kind)
    table = table.set_column(table.schema.get_field_index("seen_at"), "seen_at", seen)
    pq.write_table(table, world.source, use_deprecated_int96_timestamps=unit == "int96")
    made = staged(
        world, world.declare("select * from rows where seen_at >= $start and seen_at < $end"), days(3, 5)
    )
    expected = (
        frame["seen_at"].dt.floor("s").between(str(days(3, 5).start), str(days(3, 5).end), inclusive="left")
    )
    assert made.rows == expected.sum()


def test_times_with_and_without_a_zone_cannot_be_compared_and_the_file_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    frame = rows_of()
    world.write(frame)
    table = pq.read_table(world.source)
    naive = table["seen_at"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    place = table.schema.get_field_index("seen_at")
    other = world.source.with_name("later.parquet")
    pq.write_table(table.set_column(place, "seen_at", naive), other)
    sources = {"rows": {"kind": "files", "uri": str(world.source.parent / "*.parquet")}}
    project = world.declare("select * from rows where seen_at >= $start and seen_at < $end", sources=sources)

    with pytest.raises(DataRefusedError, match=r"'seen_at' is .* with and without a zone") as caught:
        staged(world, project, days(3, 5))
    assert caught.value.where.endswith(".parquet")
    assert "in every file, or in none" in caught.value.remedy


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_days_are_compared_with_the_window(tmp_path: Path, kind: pa.DataType) -> None:
    world = World(tmp_path)
    frame = rows_of()
    frame["seen_at"] = frame["seen_at"].dt.floor("D").dt.tz_localize(None)
    world.write(frame)
    table = pq.read_table(world.source)
    place = table.schema.get_field_index("seen_at")
    pq.write_table(table.set_column(place, "seen_at", table["seen_at"].cast(kind)), world.source)
    sql = "select * from rows where seen_at >= $start and seen_at < $end"
    assert staged(world, world.declare(sql), days(3, 5)).rows == 60
    with pytest.raises(DataRefusedError, match="has no rows"):
        staged(world, world.declare(sql), days(300, 301))


def test_times_far_from_today_stay_what_they_are(tmp_path: Path) -> None:
    far = [NAIVE.replace(year=1), NAIVE.replace(year=9999)]
    pq.write_table(
        pa.table({"x": pa.array(far, pa.timestamp("us"))}), tmp_path / "a.parquet",
        use_deprecated_int96_timestamps=True,
    )  # fmt: skip
    source = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings())
    assert source.open().to_table()["x"].to_pylist() == far


@pytest.mark.parametrize(
    ("values", "as_sql", "said"),
    [
        (pa.array([1, 2, 3], pa.timestamp("ns")), "z", "'z'.*hold"),
        (pa.array([1, 2, 3], pa.timestamp("ns", "UTC")), "z", "'z'.*hold"),
        (pa.array([Decimal(10) ** 45, None, None], pa.decimal256(50, 2)), "z", "'z'.*hold"),
        (pa.array([2**63, 1, 2], pa.uint64()), "z", "'z' has the value 9223372036854775808"),
        (pa.array([[1.5], None, None], pa.list_(pa.float16())), "1 as z", "'z'.*DuckDB does not read"),
    ],
)
def test_values_that_no_column_holds_are_refused_by_its_name(
    tmp_path: Path, values: pa.Array, as_sql: str, said: str
) -> None:
    world = World(tmp_path)
    world.write(rows_of().head(3))
    table = pq.read_table(world.source)
    pq.write_table(table.append_column("z", values), world.source)
    with pytest.raises(DataRefusedError, match=said):
        staged(world, world.declare(f"select id, seen_at, y, weight, {as_sql} from rows"))


KEYS = {
    "decimals": ([Decimal("123456789012345678.25")], pa.decimal128(20, 2), "decimal128(38, 2)"),
    "wide decimals": ([Decimal(10) ** 30 + 1], pa.decimal256(40, 0), "decimal128(38, 0)"),
    "uint64": ([2**64 - 1], pa.uint64(), "decimal128(20, 0)"),
    "int64": ([2**63 - 1], pa.int64(), "int64"),
    "text": (["00012"], pa.string(), "string"),
    "bytes": ([b"\x00\xff"], pa.binary(2), "binary"),
}


@pytest.mark.parametrize(("first", "kind", "kept"), KEYS.values(), ids=KEYS)
def test_keys_keep_every_digit(tmp_path: Path, first: list[object], kind: pa.DataType, kept: str) -> None:
    world = World(tmp_path)
    world.write(rows_of().head(1))
    table = pq.read_table(world.source)
    pq.write_table(table.set_column(0, "id", pa.array(first, kind)), world.source)
    read = pa.ipc.open_file(staged(world, world.declare()).path).read_all()
    assert str(read.schema.field("id").type) == kept
    assert read["id"].to_pylist() == first


@pytest.mark.parametrize(
    ("sql", "kept"),
    [("(2::hugeint) ** 100", "decimal128(38, 0)"), ("md5_number('a')", "string"), ("uuid()", "string")],
)
def test_keys_that_the_sql_makes_keep_every_digit(tmp_path: Path, sql: str, kept: str) -> None:
    world = World(tmp_path)
    world.write(rows_of().head(1))
    sql = sql.replace("(2::hugeint) ** 100", "'1267650600228229401496703205376'::hugeint")
    project = world.declare(f"select * replace ({sql} as id) from rows")
    read = pa.ipc.open_file(staged(world, project).path).read_all()
    assert str(read.schema.field("id").type) == kept
    if "hugeint" in sql:
        assert read["id"].to_pylist() == [Decimal(2**100)]
