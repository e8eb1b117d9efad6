"""What every kind of store keeps to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightshift.errors import OutsideError
from nightshift.store.local import LocalStore
from nightshift.store.memory import MemoryStore
from nightshift.store.protocol import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore()


def test_what_is_written_is_read(store: Store) -> None:
    store.write("a/b/one", b"\x00\xff")
    store.write("a/b/one", b"new")
    assert store.read("a/b/one") == b"new"


def test_it_is_known_when_something_was_written(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)  # file systems have coarser clocks
    store.write("a/1", b"x")
    assert before < store.about("a/1").written_at <= datetime.now(UTC)
    assert store.about("a/1").bytes == 1
    with pytest.raises(KeyError):
        store.about("a/2")


def test_names_are_sorted_and_of_one_folder(store: Store) -> None:
    for name in ("a/2", "a/1", "a/deep/3", "ab/4"):
        store.write(name, b"x")
    assert store.names("a") == ["a/1", "a/2", "a/deep/3"]
    assert store.names("nothing") == []


def test_what_is_not_there_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.read("a/none")


def test_removing_twice_is_removing_once(store: Store) -> None:
    store.write("a/1", b"x")
    store.remove("a/1")
    store.remove("a/1")
    assert store.names("a") == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(OutsideError, match="cannot write"):
        LocalStore(tmp_path / "store").write("a/1", b"x")


def test_what_a_killed_writer_left_is_no_name(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.write("a/1", b"x")
    (tmp_path / "a" / ".2.beef0000.1@host.partial").write_bytes(b"torn")
    assert store.names("a") == ["a/1"]
