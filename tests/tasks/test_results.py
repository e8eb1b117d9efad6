"""What steps keep is read back as a record of ours or not at all, whatever the file says of itself."""

from __future__ import annotations

import base64
import json
import lzma
import math
import pickle
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect._internal.result_records import ResultRecord, ResultRecordMetadata
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultStore

from nightshift.records import RuleCount, Snapshot, Window
from nightshift.trained import Evaluation
from tasks.policy import cached_step
from tasks.results import TYPE, RecordSerializer, UnreadableResultError
from tests.bombs import Bomb
from tests.conftest import MakeProject, RunCli

WINDOW = Window(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 2, 1, tzinfo=UTC))
SNAPSHOT = Snapshot(
    project="demo", table="/somewhere", version=3, window=WINDOW, as_of=WINDOW.end, rows=5, rows_in=7, quarantined=2,
    refused_by=(RuleCount(rule="x > 0", rows=2),),
)  # fmt: skip
EVALUATION = Evaluation(
    project="demo", metric="roc_auc", greater_is_better=True, path="", seconds=0.1, slices={},
    metrics={"holdout": {"roc_auc": math.nan, "rows": None}}, baseline={"roc_auc": 0.1 + 0.2},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _steps_are_declared() -> None:
    cached_step("some", "tasks")


@pytest.fixture
def bomb(tmp_path: Path) -> Bomb:
    return Bomb(tmp_path / "it went off")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    folder = LocalFileSystem(basepath=str(tmp_path / "results"))
    return ResultStore(result_storage=folder, serializer=RecordSerializer())


def plant(store: ResultStore, serializer: Any, result: Any, **more: Any) -> None:
    described = {"storage_key": "key", "prefect_version": "3.8.8", "expiration": None, **more}
    if serializer is not None:
        described["serializer"] = serializer
    assert isinstance(store.result_storage, LocalFileSystem)
    store.result_storage.write_path("key", json.dumps({"metadata": described, "result": result}).encode())


def in_base64(content: bytes) -> str:
    return base64.encodebytes(content).decode()


@pytest.mark.parametrize("record", [SNAPSHOT, EVALUATION], ids=["snapshot", "evaluation"])
def test_records_come_back_as_they_were(store: ResultStore, record: Any) -> None:
    store.write(record, key="key")
    assert store.exists("key")
    fresh = ResultStore(result_storage=store.result_storage, serializer=RecordSerializer())
    found = fresh.read("key").result
    assert type(found) is type(record)
    assert repr(found.model_dump(mode="json")) == repr(record.model_dump(mode="json"))


def test_a_bomb_goes_off_when_it_is_loaded(bomb: Bomb) -> None:
    pickle.loads(bomb.pickle())  # noqa: S301 (this is what must not happen elsewhere)
    assert bomb.has_gone_off


PICKLE = {"type": "pickle", "picklelib": "cloudpickle", "picklelib_version": None}


def forged(bomb: Bomb) -> dict[str, tuple[Any, Any]]:
    """Of each way to have code run: what a file says it is written by, and what it holds."""
    touch = {"touch": 1, str(bomb.trace): 2}
    pickled, cloudpickled = in_base64(bomb.pickle()), in_base64(bomb.cloudpickle())
    packed = in_base64(lzma.compress(base64.encodebytes(bomb.pickle())))
    good = RecordSerializer().dumps(SNAPSHOT).decode()
    return {
        "pickle": (PICKLE, pickled),
        "cloudpickle": (PICKLE, cloudpickled),
        "pickle by its own module": ({"type": "pickle", "picklelib": "pickle"}, pickled),
        "no serializer, which means pickle": (None, pickled),
        "a library that is imported": ({"type": "pickle", "picklelib": "bomb_on_import"}, pickled),
        "compressed by a library that is imported": (
            {"type": "compressed", "serializer": "json", "compressionlib": "bomb_on_import"}, good),
        "compressed/pickle": ({"type": "compressed/pickle"}, packed),
        "compressed": ({"type": "compressed", "serializer": PICKLE}, packed),
        "json that names a class": (
            {"type": "json"}, json.dumps({"__class__": "subprocess.Popen", "data": ["touch", str(bomb.trace)]})),
        "json that names a module": ({"type": "json"}, json.dumps({"__class__": "bomb_on_import.x", "data": 1})),
        "json that names an error": ({"type": "json"}, json.dumps({"__exc_type__": "bomb_on_import.x", "message": ""})),
        "json by a decoder": ({"type": "json", "object_decoder": "subprocess.Popen"}, json.dumps(touch)),
        "json by a library": ({"type": "json", "jsonlib": "bomb_on_import"}, good),
        "ours, with a decoder": ({"type": TYPE, "object_decoder": "subprocess.Popen"}, json.dumps(touch)),
        "ours, around a pickle": ({"type": TYPE}, pickled),
        "ours, around a class of others": (
            {"type": TYPE}, json.dumps({"record": "subprocess.Popen", "data": ["touch", str(bomb.trace)]})),
        "ours, around json with a class": (
            {"type": TYPE}, json.dumps({"__class__": "subprocess.Popen", "data": touch})),
        "ours, around no object": ({"type": TYPE}, "[1]"),
        "ours, around half a record": ({"type": TYPE}, good.replace('"rows": 5', '"rows": "many"')),
        "ours, too deep": ({"type": TYPE}, "[" * 100_000),
        "unknown": ({"type": "anything"}, good),
        "a list": ([1], good),
    }  # fmt: skip


@pytest.mark.parametrize("name", forged(Bomb(Path())))
def test_nothing_else_is_read_and_nothing_is_run(
    name: str, store: ResultStore, bomb: Bomb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bomb_on_import.py").write_text(f"open({str(bomb.trace)!r}, 'w')\n")
    serializer, result = forged(bomb)[name]
    plant(store, serializer, result)
    assert not store.exists("key")
    assert "a kept result is not read" in caplog.text
    with pytest.raises(UnreadableResultError):
        store.read("key")
    metadata = json.dumps({"storage_key": "key", "serializer": serializer}).encode()
    with pytest.raises(UnreadableResultError):
        ResultRecord.deserialize_from_result_and_metadata(result.encode(), metadata)
    assert not bomb.has_gone_off
    # What is not read is replaced.
    store.write(SNAPSHOT, key="key")
    assert store.exists("key")


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04.", b"[]", b"null", b"{", b'{"metadata": 3}', b"[" * 100_000]
)
def test_what_is_no_result_is_none(store: ResultStore, content: bytes) -> None:
    assert isinstance(store.result_storage, LocalFileSystem)
    store.result_storage.write_path("key", content)
    assert not store.exists("key")
    with pytest.raises(UnreadableResultError):
        store.read("key")


async def _hydrated(metadata: ResultRecordMetadata) -> Any:
    return await ResultStore._from_metadata(metadata)


def test_a_state_that_names_a_file_and_pickle_reads_none(
    store: ResultStore, bomb: Bomb, tmp_path: Path
) -> None:
    import asyncio

    plant(store, PICKLE, in_base64(bomb.pickle()))
    metadata = ResultRecordMetadata.model_validate(
        {"storage_key": str(tmp_path / "results" / "key"), "serializer": PICKLE}
    )
    with pytest.raises(UnreadableResultError):
        asyncio.run(_hydrated(metadata))
    assert not bomb.has_gone_off


def test_errors_are_kept_as_words_and_never_read(store: ResultStore) -> None:
    store.write(ValueError("no"), key="key")
    assert not store.exists("key")


@pytest.mark.timeout(120)
def test_the_command_runs_a_step_again_whose_result_was_forged(
    make_project: MakeProject, run_cli: RunCli, home: Path, bomb: Bomb
) -> None:
    project = make_project("binary", rows=200)
    asked = ("ingest", project.name, "--start", "2024-02-01", "--end", "2024-03-01")
    first = run_cli(*asked)
    assert first.code == 0, first.stderr
    kept = [path for path in (home / "results").rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        described = {"metadata": {"storage_key": path.name, "serializer": PICKLE}}
        path.write_text(json.dumps({**described, "result": in_base64(bomb.cloudpickle())}))
    again = run_cli(*asked)
    assert again.code == 0, again.stderr
    assert not bomb.has_gone_off
    assert again.json.keys() == first.json.keys()
    assert all(json.loads(path.read_text())["metadata"]["serializer"] == {"type": TYPE} for path in kept)
