"""Delta tables of somebody else's: what cannot be read is one clear error, at every place that opens the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from nightshift.errors import DataRefusedError, NightshiftError, RequestError
from nightshift.sources.delta import Delta


def made(folder: Path) -> Path:
    path = folder / "table"
    write_deltalake(path, pa.table({"a": [1, 2]}))
    write_deltalake(path, pa.table({"a": [3]}), mode="append")
    return path


def commit(table: Path, version: int = 0) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


def rewrite(table: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the actions of the first commit."""
    actions = [json.loads(line) for line in commit(table).read_text().splitlines()]
    for action in actions:
        change(action)
    commit(table).write_text("\n".join(map(json.dumps, actions)))


def with_feature(name: str) -> Callable[[Path], None]:
    protocol = {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": [name],
        "writerFeatures": [name],
    }

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = protocol

    return lambda table: rewrite(table, change)


def with_reader(version: int) -> Callable[[Path], None]:
    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": version, "minWriterVersion": 8}

    return lambda table: rewrite(table, change)


def with_renamed_column(table: Path) -> None:
    """As writers did before features had names: read without knowing of it, the column is all null."""
    fields = [{"name": "renamed", "type": "long", "nullable": True,
               "metadata": {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "a"}}]  # fmt: skip

    def change(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in action:
            action["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
            action["metaData"]["schemaString"] = json.dumps({"type": "struct", "fields": fields})

    rewrite(table, change)


def with_broken_checkpoint(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    next((table / "_delta_log").glob("*.checkpoint.parquet")).write_bytes(b"PAR1")


def without_checkpoint(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    next((table / "_delta_log").glob("*.checkpoint.parquet")).unlink()


def without_log(table: Path) -> None:
    for file in (table / "_delta_log").iterdir():
        file.unlink()


FEATURES = [
    "deletionVectors", "columnMapping", "v2Checkpoint", "typeWidening", "vacuumProtocolCheck", "somethingNew",
]  # fmt: skip
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    **{name: (with_feature(name), name) for name in FEATURES},
    "catalogManaged": (with_feature("catalogManaged"), "catalog"),
    "a newer reader": (with_reader(4), "reader version"),
    "a renamed column": (with_renamed_column, "columnMapping"),
    "a commit cut short": (lambda table: commit(table, 1).write_text('{"add": '), "opened"),
    "a commit of other bytes": (lambda table: commit(table, 1).write_bytes(b"\xff\0"), "opened"),
    "an empty commit": (lambda table: commit(table, 1).write_text(""), "empty"),
    "a commit gone": (lambda table: commit(table, 1).rename(commit(table, 2)), "opened"),
    "the first commit gone": (lambda table: commit(table).unlink(), "opened"),
    "a broken checkpoint": (with_broken_checkpoint, "opened"),
    "a checkpoint gone": (without_checkpoint, "opened"),
}


@pytest.mark.parametrize(("break_it", "said"), BROKEN.values(), ids=BROKEN)
def test_a_table_that_cannot_be_read_is_refused_wherever_it_is_opened(
    tmp_path: Path, break_it: Callable[[Path], Any], said: str
) -> None:
    table = made(tmp_path)
    break_it(table)
    source = Delta(uri=str(table), version=None)
    for opening in (source.fingerprint, source.open, source.fault):
        with pytest.raises(DataRefusedError, match=said) as caught:
            opening()
        assert str(table) in caught.value.where
        assert caught.value.remedy
        assert "\x1b" not in caught.value.what


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (without_log, "no Delta table here"),
        (lambda table: table.rename(table.with_name("away")), "no Delta table"),
    ],
)
def test_where_there_is_no_table_the_uri_is_wrong(
    tmp_path: Path, break_it: Callable[[Path], Any], said: str
) -> None:
    table = made(tmp_path)
    break_it(table)
    with pytest.raises(RequestError, match=said):
        Delta(uri=str(table), version=None).fingerprint()


def test_features_that_are_known_are_read(tmp_path: Path) -> None:
    table = made(tmp_path)
    with_feature("timestampNtz")(table)
    assert Delta(uri=str(table), version=None).open().count_rows() == 3


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"PAR1")])
def test_a_file_of_rows_that_is_gone_or_broken_is_named(
    tmp_path: Path, damage: Callable[[Path], Any]
) -> None:
    table = made(tmp_path)
    file = next(table.glob("*.parquet"))
    damage(file)
    fault = Delta(uri=str(table), version=None).fault()
    assert isinstance(fault, DataRefusedError)
    assert file.name in fault.where


def test_a_version_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    table = made(tmp_path)
    for version, there in ((0, 2), (1, 3)):
        assert Delta(uri=str(table), version=version).open().count_rows() == there
    with pytest.raises(RequestError, match="no version 7") as caught:
        Delta(uri=str(table), version=7).open()
    assert "up to 1" in caught.value.remedy
    DeltaTable(table).create_checkpoint()
    commit(table).unlink()
    with pytest.raises(NightshiftError, match="version 0"):
        Delta(uri=str(table), version=0).open()


def test_a_version_before_a_feature_that_nobody_reads_is_read(tmp_path: Path) -> None:
    table = made(tmp_path)
    commit(table, 1).write_text('{"add": ')
    assert Delta(uri=str(table), version=0).open().count_rows() == 2
    with pytest.raises(DataRefusedError, match="cannot be opened"):
        Delta(uri=str(table), version=1).open()
    for wild in (9, 2**62):  # without a commit being looked for that is not there
        with pytest.raises(RequestError, match="no version"):
            Delta(uri=str(table), version=wild).open()


def test_a_table_taken_back_and_written_again_has_other_rows(tmp_path: Path) -> None:
    table = made(tmp_path)
    source = Delta(uri=str(table), version=None)
    before = source.fingerprint()
    commit(table, 1).unlink()
    assert source.fingerprint() != before
    write_deltalake(table, pa.table({"a": [4]}), mode="append")
    assert DeltaTable(table).version() == 1
    assert source.fingerprint() != before
