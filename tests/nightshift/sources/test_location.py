"""A path is what it says, whatever characters it has: wildcards are those that no file or folder is named with."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from nightshift.errors import RequestError
from nightshift.settings import Settings
from nightshift.sources.delta import Delta
from nightshift.sources.location import locate
from nightshift.spec.project import DeltaSource

ODD = [
    " ", "é", "#", "%", "?", "[", "]", "[a]", "'", '"', "&", ";", ":", "@", "*", "~", "$HOME", "{x}", "\\", "|", "^",
    "`", "<", ">", "=", "+", ",", "!", "(", "%20", "%41", "%zz", "100%", "a=b", "日本", " end ", "-x",
]  # fmt: skip
NASTY = "my höme #1 100% ?[a]'\"x"


def write(path: Path, value: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": [value]}), path)


@pytest.mark.parametrize("odd", ODD)
def test_folders_and_files_of_any_name_are_found_by_path_glob_and_uri(tmp_path: Path, odd: str) -> None:
    folder = tmp_path / f"a{odd}b" / odd
    write(folder / f"x{odd}.parquet")
    write(folder / "below" / "y.parquet")
    write(tmp_path / "ab" / "b" / "other.parquet")  # what a wildcard would find
    both = sorted(str(path) for path in folder.rglob("*.parquet"))
    for uri in (
        str(folder),
        f"{folder}/",
        folder.as_uri(),
        f"{folder}/**/*.parquet",
        folder.as_uri() + "/**/*.parquet",
    ):
        assert [info.path for info in locate(uri).files()] == both, uri
    assert [info.path for info in locate(f"{folder}/*.parquet").files()] == [f"{folder}/x{odd}.parquet"]
    file = folder / f"x{odd}.parquet"
    for uri in (str(file), file.as_uri(), file.as_uri().replace("file:///", "file://localhost/")):
        assert [info.path for info in locate(uri).files()] == [str(file)], uri
        assert not locate(uri).is_glob


def test_wildcards_are_wildcards_where_nothing_has_that_name(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1"):
        write(tmp_path / name / "rows.parquet")
    found = [Path(info.path).parent.name for info in locate(f"{tmp_path}/[a]?/*.parquet").files()]
    assert found == ["a1", "a2"]
    location = locate(f"{tmp_path}/[a]?/*.parquet")
    assert (location.base, location.pattern) == (str(tmp_path), ("[a]?", "*.parquet"))
    assert location.path == f"{tmp_path}/[a]?/*.parquet"
    (tmp_path / "[a]?").mkdir()
    with pytest.raises(RequestError, match="no file matches"):
        locate(f"{tmp_path}/[a]?/*.parquet").files()
    with pytest.raises(RequestError, match="no such file, or the folder is empty"):
        locate(f"{tmp_path}/[a]?").files()


def test_a_relative_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "data:2024" / "rows.parquet")
    assert len(locate("data:2024/rows.parquet").files()) == 1
    assert locate("file:/x/y%20z").path == "/x/y z"
    assert locate("FILE:///x").path == "/x"


@pytest.mark.parametrize("uri", ["s3://bucket/x", "http://host/x", "az://x", "file://host/x"])
def test_other_machines_are_refused(uri: str) -> None:
    with pytest.raises(RequestError, match=r"is not supported|names no other machine"):
        locate(uri)


@pytest.mark.parametrize("mark", ["\0", "\n", "\r", "\u2028"])
def test_line_breaks_and_nul_are_refused(mark: str, tmp_path: Path) -> None:
    for uri in (
        f"/data/a{mark}b",
        f"file:///data/a%{ord(mark):02X}b" if ord(mark) < 128 else f"file:///a{mark}",
    ):
        with pytest.raises(RequestError, match="no line breaks and no NUL"):
            locate(uri)
    for name in ("home", "projects", "store", "data"):
        with pytest.raises(RequestError, match="no line breaks") as raised:
            Settings(**{name: f"{tmp_path}/a{mark}b"})
        assert raised.value.where == f"NIGHTSHIFT_{name.upper()}"


@pytest.mark.parametrize("odd", [*ODD, NASTY])
def test_a_delta_table_of_any_name_is_read(tmp_path: Path, odd: str) -> None:
    plain = tmp_path / "plain"
    rows = pa.table({"x": [1, 2], "part": ["a b%", "c"]})
    write_deltalake(str(plain), rows, partition_by=["part"])
    write_deltalake(str(plain), rows, mode="append")
    table = tmp_path / f"a{odd}b" / "table"
    table.parent.mkdir()
    plain.rename(table)
    for uri in (str(table), table.as_uri()):
        source = Delta.declared(DeltaSource(kind="delta", uri=uri), uri)
        assert source.open().to_table().num_rows == 4
        assert source.fault() is None
        assert source.fingerprint().split("@")[1].startswith("1:")
    old = Delta.declared(DeltaSource(kind="delta", uri=str(table), version=0), str(table))
    assert old.open().to_table().num_rows == 2
