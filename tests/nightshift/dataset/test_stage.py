"""What dataset.sql's rows become on local disk: their order, window and types, and memory that stays bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.errors import DataRefusedError, RequestError
from nightshift.records import Staged
from tests.synthetic import START, World, days, rows_of, staged, whole


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A binary project with its rows in place."""
    made = World(tmp_path)
    made.write(rows_of())
    return made


def read(one: Staged) -> pa.Table:
    return pa.ipc.open_file(one.path).read_all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_come_in_the_order_of_event_time_and_key(world: World, seed: int) -> None:
    frame = rows_of()
    frame["seen_at"] = frame["seen_at"].dt.floor("6h")  # so that the key decides among many
    world.write(frame.sample(frac=1, random_state=seed))
    table = read(staged(world, world.declare())).to_pandas()
    expected = frame.sort_values(["seen_at", "id"])["id"]
    assert table["id"].tolist() == expected.tolist()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for place, seed in enumerate((1, 2)):
        world = World(tmp_path / str(place))
        world.write(rows_of().sample(frac=1, random_state=seed))
        contents.append(Path(staged(world, world.declare()).path).read_bytes())
    assert contents[0] == contents[1]


def test_the_window_is_half_open_with_or_without_parameters(world: World) -> None:
    frame = rows_of()
    window = days(3, 5)
    expected = frame[(frame["seen_at"] >= window.start) & (frame["seen_at"] < window.end)]["id"].tolist()
    for sql in ("select * from rows", "select * from rows where seen_at >= $start and seen_at < $end;"):
        assert read(staged(world, world.declare(sql), window))["id"].to_pylist() == expected
    assert frame["seen_at"].min() == START, "a row lies exactly on a window's start"
    assert read(staged(world, world.declare(), days(0, 1)))["id"].to_pylist()[0] == 0


def test_types_the_lake_cannot_hold_are_cast(world: World) -> None:
    sql = """
        select id, seen_at::timestamp as seen_at, y, n::hugeint as huge, x::decimal(18, 3) as exact,
            n::utinyint as small, n::ubigint as large,
            (case when n > 4 then 'hi' else 'lo' end)::enum('lo', 'hi') as step,
            uuid() as unique_id, null as nothing, n > 4 as flag, x::float as single,
            seen_at::date as day, weight
        from rows
    """
    found = {field.name: str(field.type) for field in read(staged(world, world.declare(sql))).schema}
    assert found == {
        "id": "int64", "seen_at": "timestamp[us, tz=UTC]", "y": "int64", "huge": "double", "exact": "double",
        "small": "int16", "large": "int64", "step": "string", "unique_id": "string", "nothing": "string",
        "flag": "bool", "single": "float", "day": "date32[day]", "weight": "double",
    }  # fmt: skip


def test_a_naive_time_is_utc(world: World) -> None:
    frame = rows_of()
    world.write(frame.assign(seen_at=frame["seen_at"].dt.tz_localize(None)))
    table = read(staged(world, world.declare(), days(1, 2))).to_pandas()
    assert table["seen_at"].min() == pd.Timestamp("2024-01-02", tz="UTC")


@pytest.mark.parametrize(
    "column", ["[n]", "{'a': n}", "map([n], [x])", "seen_at::time", "[[n]]", "interval 1 day"]
)
def test_types_that_are_no_column_are_refused(world: World, column: str) -> None:
    project = world.declare(f"select id, seen_at, y, weight, {column} as odd from rows")
    with pytest.raises(RequestError, match="'odd' has the type") as caught:
        staged(world, project)
    assert "dataset.sql" in caught.value.where


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": ["ident"]}, "dataset.key names the column 'ident'"),
        ({"event_time": "att"}, "dataset.event_time names the column 'att'"),
        ({"event_time": "x"}, "has the type DOUBLE, not a time"),
        ({"label": {"column": "late", "kind": "binary"}}, "dataset.label.column names the column 'late'"),
        ({"exclude": ["wieght"]}, "dataset.exclude names the column 'wieght'"),
        ({"units": {"speed": "mph"}}, "dataset.units names the column 'speed'"),
    ],
)
def test_a_declared_column_that_is_not_there_is_refused(
    world: World, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        staged(world, world.declare(dataset=changes))


def test_broken_sql_is_refused_with_the_names_of_the_sources(world: World) -> None:
    with pytest.raises(RequestError, match="DuckDB refuses the SQL") as caught:
        staged(world, world.declare("select * from rws"))
    assert caught.value.valid == ("rows",)


@pytest.mark.parametrize("sql", ["select * from '{}'", "select * from read_parquet('{}')"])
def test_the_sql_reads_nothing_but_its_sources(world: World, sql: str) -> None:
    with pytest.raises(RequestError, match="refuses"):
        staged(world, world.declare(sql.format(world.source)))


def test_a_value_the_sql_fails_on_is_refused_data(world: World) -> None:
    with pytest.raises(DataRefusedError, match="fails on a value"):
        staged(world, world.declare("select * replace (city::int as city) from rows"))


def test_an_empty_window_is_refused_and_says_what_there_is(world: World) -> None:
    with pytest.raises(DataRefusedError, match="has no rows") as caught:
        staged(world, world.declare(), days(100, 101))
    assert "2024-01-01" in caught.value.remedy


def test_the_fingerprint_covers_source_sql_declaration_and_window(world: World) -> None:
    def mark(sql: str = "select * from rows", **changes: object) -> str:
        return fingerprint_of(world.declare(sql, **changes), whole(), world.settings)

    first = mark()
    assert mark() == first
    assert mark("select * from rows where true") != first
    assert mark(dataset={"exclude": []}) != first
    assert mark(learner={"rounds": 99}) == first, "rows do not depend on the learner"
    assert fingerprint_of(world.declare(), days(0, 1), world.settings) != first
    world.write(rows_of(seed=9))
    assert mark() != first


@pytest.mark.parametrize(
    "value", ["timestamptz 'infinity'", "timestamp '-infinity'", "date 'infinity'", "date '-infinity'",
              "timestamp '0044-03-15 (BC)'", "date '10000-01-01'"],
)  # fmt: skip
def test_days_and_times_that_no_calendar_has_are_refused_by_column(world: World, value: str) -> None:
    project = world.declare(f"select *, case when n > 4 then {value} end as until from rows")
    with pytest.raises(DataRefusedError, match="'until' has a day or a time") as caught:
        staged(world, project)
    assert "isfinite" in caught.value.remedy


def test_the_first_and_the_last_day_of_the_calendar_are_kept(world: World) -> None:
    sql = "select *, timestamptz '0001-01-01' as since, timestamptz '9999-12-31 23:59:59.999999' as until from rows"
    assert staged(world, world.declare(sql)).rows == 1200


def test_columns_that_sql_cannot_tell_apart_are_refused(world: World) -> None:
    with pytest.raises(RequestError, match="'x' and 'X'"):
        staged(world, world.declare('select *, n as "X" from rows'))


def test_of_a_joins_two_keys_the_first_is_taken(world: World) -> None:
    sql = "select a.*, b.* exclude (x) from rows a join (select id, 5 as five, 0 as x from rows) b on a.id = b.id"
    table = read(staged(world, world.declare(sql)))
    assert table.schema.names.count("id") == 1
    assert set(table["five"].to_pylist()) == {5}


def test_a_join_larger_than_memory_spills_to_disk(tmp_path: Path) -> None:
    size = 1_000_000
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "id": np.arange(size),
            "seen_at": pd.Timestamp(START) + pd.to_timedelta(rng.integers(0, 86_400, size), unit="s"),
            **{f"x{place}": rng.normal(size=size) for place in range(8)},
            "y": rng.integers(0, 2, size),
        }
    )
    world = World(tmp_path)
    world.write(frame)
    tight = world.settings.model_copy(update={"memory_limit": "50MB"})
    project = world.declare(dataset={"exclude": []})
    one = stage(project, days(0, 1), "tight", tight)
    assert one.rows == size
    ids = ds.dataset(one.path, format="ipc").to_table(columns=["id"])["id"].to_numpy()
    assert np.array_equal(ids, frame.sort_values(["seen_at", "id"])["id"].to_numpy())


def test_only_the_newest_staged_files_are_kept(world: World) -> None:
    project = world.declare()
    made = [staged(world, project, days(place, place + 1)) for place in range(6)]
    kept = {path.name for path in Path(made[0].path).parent.iterdir()}
    assert kept == {Path(one.path).name for one in made[-4:]}


def test_an_as_of_in_another_zone_is_the_same_moment() -> None:
    from nightshift.windows import moment, window_between

    east = datetime.fromisoformat("2024-01-02T02:00:00+02:00")
    assert moment(east) == datetime(2024, 1, 2, tzinfo=UTC)
    assert window_between(None, east).start == datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(RequestError, match="not before its end"):
        window_between(east, east - timedelta(hours=1))
