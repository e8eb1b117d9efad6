"""What every kind of source keeps to, each checked against pandas' own reading of the same files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable, write_deltalake

from nightshift.errors import DataRefusedError, RequestError
from nightshift.settings import Settings
from nightshift.sources.protocol import Source
from nightshift.sources.registry import fingerprints, open_source
from nightshift.spec import project as declarations
from nightshift.spec.project import Project


def some_rows(first: int, count: int) -> pd.DataFrame:
    number = np.arange(first, first + count)
    return pd.DataFrame(
        {
            "id": number,
            "x": number / 4,
            "city": np.where(number % 3 == 0, "Köln", "Bonn"),
            "at": pd.Timestamp("2024-01-01", tz="UTC").as_unit("us") + pd.to_timedelta(number, unit="h"),
        }
    )


def as_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def as_jsonl(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")


def as_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


ONE, TWO = some_rows(0, 40), some_rows(40, 25)
BOTH = pd.concat([ONE, TWO])


@dataclass(frozen=True)
class Case:
    """A kind of source laid out in a folder: how it is declared, made, changed, and what pandas reads."""

    name: str
    uri: str
    make: Callable[[Path], None]
    change: Callable[[Path], None]
    read: Callable[[Path], pd.DataFrame]
    kind: str = "files"
    options: tuple[tuple[str, object], ...] = ()

    def open(self, folder: Path) -> Source:
        declared = {"kind": self.kind, "uri": str(folder / self.uri), **dict(self.options)}
        return open_source("rows", project_of(declared), Settings())


def project_of(source: dict[str, object]) -> Project:
    return Project.model_validate(
        {
            "name": "demo",
            "purpose": "p",
            "owner": "o",
            "sources": {"rows": source},
            "dataset": {"key": ["id"], "event_time": "at", "label": {"column": "y", "kind": "binary"}},
        }
    )


def two_files(write: Callable[[pd.DataFrame, Path], None], ending: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / "data" / "deep").mkdir(parents=True)
        write(ONE, folder / "data" / f"a{ending}")
        write(TWO, folder / "data" / "deep" / f"b{ending}")
        (folder / "data" / "_marker").write_text("left out")
        (folder / "data" / ".hidden").write_text("left out")

    return make


def hive(folder: Path) -> None:
    for city, rows in BOTH.groupby("city"):
        (folder / "data" / f"town={city}").mkdir(parents=True)
        as_parquet(rows, folder / "data" / f"town={city}" / "a.parquet")


def read_hive(folder: Path) -> pd.DataFrame:
    parts = [
        pd.read_parquet(path, partitioning=None).assign(town=path.parent.name.removeprefix("town="))
        for path in (folder / "data").rglob("*.parquet")
    ]
    return pd.concat(parts)


def delta(folder: Path) -> None:
    write_deltalake(folder / "data", ONE)
    write_deltalake(folder / "data", TWO, mode="append")


def delta_files(folder: Path, count: int) -> pd.DataFrame:
    """The rows of the first `count` commits, straight from the Parquet files."""
    handle = DeltaTable(folder / "data")
    files = [Path(folder / "data" / path) for path in handle.get_add_actions().column("path").to_pylist()]
    found = [pd.read_parquet(path) for path in files]
    return pd.concat(sorted(found, key=lambda frame: frame["id"].min())[:count])


def append_row(path: str, write: Callable[[pd.DataFrame, Path], None]) -> Callable[[Path], None]:
    return lambda folder: write(some_rows(0, 41), folder / path)


def read_each(pattern: str, read: Callable[[Path], pd.DataFrame]) -> Callable[[Path], pd.DataFrame]:
    return lambda folder: pd.concat([read(path) for path in sorted(folder.glob(pattern))])


def read_jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True)


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


CASES = [
    Case("parquet file", "data/a.parquet", two_files(as_parquet, ".parquet"),
         append_row("data/a.parquet", as_parquet), read_each("data/a.parquet", pd.read_parquet)),
    Case("parquet folder", "data", two_files(as_parquet, ".parquet"),
         append_row("data/deep/c.parquet", as_parquet), read_each("data/**/*.parquet", pd.read_parquet)),
    Case("parquet glob", "data/*.parquet", two_files(as_parquet, ".parquet"),
         append_row("data/c.parquet", as_parquet), read_each("data/*.parquet", pd.read_parquet)),
    Case("deep glob", "data/**/*.parquet", two_files(as_parquet, ".parquet"),
         append_row("data/deep/b.parquet", as_parquet), read_each("data/**/*.parquet", pd.read_parquet)),
    Case("hive", "data", hive, append_row("data/town=Bonn/b.parquet", as_parquet), read_hive),
    Case("hive glob", "data/town=*/*.parquet", hive,
         append_row("data/town=Bonn/b.parquet", as_parquet), read_hive),
    Case("csv", "data", two_files(as_csv, ".csv"), append_row("data/a.csv", as_csv),
         read_each("data/**/*.csv", read_csv)),
    Case("csv gz", "data/a.csv.gz", two_files(as_csv, ".csv.gz"), append_row("data/a.csv.gz", as_csv),
         read_each("data/a.csv.gz", read_csv)),
    Case("declared csv", "data/a.txt", two_files(as_csv, ".txt"), append_row("data/a.txt", as_csv),
         read_each("data/a.txt", read_csv), options=(("format", "csv"),)),
    Case("jsonl", "data/*.jsonl", two_files(as_jsonl, ".jsonl"), append_row("data/a.jsonl", as_jsonl),
         read_each("data/*.jsonl", read_jsonl)),
    Case("delta", "data", delta,
         lambda folder: write_deltalake(folder / "data", some_rows(99, 3), mode="append"),
         lambda folder: delta_files(folder, 2), kind="delta"),
    Case("delta version", "data", delta, shutil.rmtree,
         lambda folder: delta_files(folder, 1), kind="delta", options=(("version", 0),)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is made of text files lies."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path_factory.mktemp("home")))


every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in order of id, times as times, whatever a format keeps them as."""
    frame = frame.assign(at=pd.to_datetime(frame["at"], utc=True).dt.as_unit("us"))
    text = [name for name in ("city", "town") if name in frame]
    frame[text] = frame[text].astype(object)
    return frame.sort_values("id").reset_index(drop=True)[sorted(frame.columns)]


def test_every_declared_kind_is_checked_here() -> None:
    union = get_args(declarations.Source)[0]
    kinds = {get_args(member.model_fields["kind"].annotation)[0] for member in get_args(union)}
    assert kinds == {case.kind for case in CASES}


@every_case
def test_the_rows_are_those_that_pandas_reads(case: Case, tmp_path: Path) -> None:
    case.make(tmp_path)
    source = case.open(tmp_path)
    ours = source.open().to_table().to_pandas()
    pd.testing.assert_frame_equal(comparable(ours), comparable(case.read(tmp_path)), check_dtype=False)
    assert source.fault() is None


@every_case
def test_every_column_comes_from_somewhere(case: Case, tmp_path: Path) -> None:
    case.make(tmp_path)
    source = case.open(tmp_path)
    schema = source.open().schema
    for place, types in source.types():
        assert str(tmp_path) in place
        assert types
        assert all(types[name] == schema.field(name).type for name in types)


@every_case
def test_the_fingerprint_stays_until_the_rows_change(case: Case, tmp_path: Path) -> None:
    case.make(tmp_path)
    before = case.open(tmp_path).fingerprint()
    assert case.open(tmp_path).fingerprint() == before
    if case.name == "delta version":
        write_deltalake(tmp_path / "data", TWO, mode="append")
        assert case.open(tmp_path).fingerprint() == before, "a fixed version does not change"
        return
    case.change(tmp_path)
    assert case.open(tmp_path).fingerprint() != before


@every_case
def test_what_is_not_there_is_a_wrong_request(case: Case, tmp_path: Path) -> None:
    for read in (lambda source: source.fingerprint(), lambda source: source.open()):
        with pytest.raises(RequestError) as caught:
            read(case.open(tmp_path))
        assert str(tmp_path) in caught.value.where


@pytest.mark.parametrize(
    # Any text is CSV of some sort; a short line is tried below.
    "case",
    [case for case in CASES if case.name not in ("csv", "declared csv")],
    ids=lambda case: case.name,
)
def test_a_broken_file_is_named(case: Case, tmp_path: Path) -> None:
    case.make(tmp_path)
    source = case.open(tmp_path)
    (first, _), *_ = source.types()
    broken = (
        Path(first) if case.kind == "files" else Path(first, sorted(getattr(source.open(), "files", []))[0])
    )
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    fault = case.open(tmp_path).fault()
    assert isinstance(fault, DataRefusedError)
    assert broken.name in fault.where


def test_a_csv_with_a_short_line_is_refused(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "csv")
    case.make(tmp_path)
    with (tmp_path / "data" / "a.csv").open("a") as file:
        file.write("1,2\n")
    fault = case.open(tmp_path).fault()
    assert fault is not None
    assert fault.where.endswith("a.csv")


def test_the_same_size_with_another_time_of_change_is_a_change(tmp_path: Path) -> None:
    case = CASES[0]
    case.make(tmp_path)
    before = case.open(tmp_path).fingerprint()
    path = tmp_path / "data" / "a.parquet"
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
    assert case.open(tmp_path).fingerprint() != before


@pytest.mark.parametrize("how", ["written in place", "put in its place"])
def test_other_bytes_of_the_same_size_with_the_time_set_back_are_a_change(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,x\n1,2\n")
    source = open_source("rows", project_of({"kind": "files", "uri": str(path)}), Settings())
    before, was = source.fingerprint(), path.stat()
    place = path if how == "written in place" else tmp_path / "b.tmp"
    place.write_text("id,x\n1,3\n")
    os.utime(place, ns=(was.st_atime_ns, was.st_mtime_ns))
    place.rename(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert source.fingerprint() != before


@pytest.mark.parametrize(("write", "ending"), [(as_parquet, "parquet"), (as_csv, "csv"), (as_jsonl, "jsonl")])
@pytest.mark.parametrize("first", ["whole", "broken"])
def test_a_column_whole_in_one_file_and_broken_in_another_is_widened(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], None], ending: str, first: str
) -> None:
    whole, broken = pd.DataFrame({"x": [1, 2, 3]}), pd.DataFrame({"x": [0.5, 1.5]})
    write(whole if first == "whole" else broken, tmp_path / f"a.{ending}")
    write(broken if first == "whole" else whole, tmp_path / f"b.{ending}")
    source = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings())
    table = source.open().to_table()
    assert str(table.schema.field("x").type) == "double"
    assert sorted(table["x"].to_pylist()) == [0.5, 1.0, 1.5, 2.0, 3.0]


def test_a_column_that_only_a_later_file_has_is_null_before(tmp_path: Path) -> None:
    as_parquet(pd.DataFrame({"x": [1]}), tmp_path / "a.parquet")
    as_parquet(pd.DataFrame({"x": [2], "z": ["new"]}), tmp_path / "b.parquet")
    source = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings())
    assert source.open().to_table().to_pydict() == {"x": [1, 2], "z": [None, "new"]}


def test_types_that_no_type_holds_are_refused(tmp_path: Path) -> None:
    as_parquet(pd.DataFrame({"x": [1]}), tmp_path / "a.parquet")
    as_parquet(pd.DataFrame({"x": [pd.Timestamp("2024-01-01")]}), tmp_path / "b.parquet")
    source = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings())
    with pytest.raises(DataRefusedError, match="does not fit those before it") as caught:
        source.open()
    assert caught.value.where.endswith("b.parquet")


def test_mixed_formats_and_unknown_endings_are_refused(tmp_path: Path) -> None:
    as_parquet(ONE, tmp_path / "a.parquet")
    as_csv(TWO, tmp_path / "b.csv")
    source = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path)}), Settings())
    with pytest.raises(RequestError, match="mixes formats"):
        source.open()
    (tmp_path / "notes.txt").write_text("hello")
    one = open_source("rows", project_of({"kind": "files", "uri": str(tmp_path / "notes.txt")}), Settings())
    with pytest.raises(RequestError, match="ending"):
        one.open()


def test_a_variable_is_read_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_parquet(ONE, tmp_path / "a.parquet")
    project = project_of({"kind": "files", "uri": "${ROWS_FOLDER}/a.parquet"})
    monkeypatch.delenv("ROWS_FOLDER", raising=False)
    with pytest.raises(RequestError, match="ROWS_FOLDER is not set") as caught:
        fingerprints(project, Settings())
    assert "sources.rows" in caught.value.where
    monkeypatch.setenv("ROWS_FOLDER", str(tmp_path))
    assert set(fingerprints(project, Settings())) == {"rows"}


def test_a_missing_source_is_told_by_name(tmp_path: Path) -> None:
    project = project_of({"kind": "files", "uri": str(tmp_path / "none" / "*.parquet")})
    with pytest.raises(RequestError) as caught:
        fingerprints(project, Settings())
    assert "sources.rows" in caught.value.where


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(RequestError, match="ftp:// is not supported"):
        open_source("rows", project_of({"kind": "files", "uri": "ftp://host/rows"}), Settings())
