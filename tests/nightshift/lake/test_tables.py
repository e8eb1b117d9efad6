"""The lake against a pandas model of it: windows are replaced whole, in one commit, and old versions stay."""

from __future__ import annotations

import multiprocessing
import tempfile
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.errors import RequestError, TransientError
from nightshift.lake.tables import Lake, Replacement
from tests.synthetic import START, days

SCHEMA = pa.schema([("at", pa.timestamp("us", "UTC")), ("value", pa.int64()), ("model_version", pa.int32())])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(str(tmp_path), "demo")


def rows(first: int, last: int, value: int, model: int = 1) -> pa.RecordBatchReader:
    """Two rows a day."""
    at = [START + timedelta(days=first, hours=12 * half) for half in range(2 * (last - first))]
    columns = {"at": at, "value": [value] * len(at), "model_version": [model] * len(at)}
    return pa.table(columns, schema=SCHEMA).to_reader()


def put(lake: Lake, first: int, last: int, value: int, model: int | None = None, mark: str = "") -> int:
    where: dict[str, str | int] = {} if model is None else {"model_version": model}
    change = Replacement(days(first, last), "at", mark or f"{first} {last} {value} {model}", where)
    return lake.replace("t", rows(first, last, value, model or 1), change)


def content(lake: Lake, version: int | None = None) -> list[tuple[object, ...]]:
    at = lake.version("t") if version is None else version
    assert at is not None
    frame = lake.read("t", at).to_table().to_pandas().sort_values(["at", "model_version"])
    return list(frame[["at", "value", "model_version"]].itertuples(index=False, name=None))


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 8), st.integers(1, 4), st.integers(0, 3), st.sampled_from([1, 2])),
        min_size=1, max_size=6,
    )
)  # fmt: skip
@settings(derandomize=True, database=None, deadline=None, max_examples=12)
def test_any_run_of_replacements_is_what_pandas_makes_of_it(changes: list[tuple[int, int, int, int]]) -> None:
    model = pd.DataFrame({"at": [], "value": [], "model_version": []})
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder, "demo")
        history = []
        for first, length, value, version in changes:
            last = first + length
            window = days(first, last)
            new = rows(first, last, value, version).read_all().to_pandas()
            if len(model):
                replaced = (model["at"] >= window.start) & (model["at"] < window.end)
                model = pd.concat([model[~(replaced & (model["model_version"] == version))], new])
            else:
                model = new
            number = put(lake, first, last, value, version)
            model = model.sort_values(["at", "model_version"])
            wanted = list(model[["at", "value", "model_version"]].itertuples(index=False, name=None))
            assert content(lake) == wanted
            history.append((number, wanted))
        for number, wanted in history:
            assert content(lake, number) == wanted


def test_the_same_rows_again_are_no_new_version(lake: Lake) -> None:
    assert put(lake, 0, 2, 7) == 0
    assert put(lake, 0, 2, 7) == 0
    assert put(lake, 2, 4, 8) == 1
    assert put(lake, 0, 2, 7) == 1, "the window still holds them, though another was written since"
    assert put(lake, 0, 2, 9) == 2
    assert put(lake, 0, 2, 7) == 3, "they were replaced meanwhile"


def test_an_overlapping_window_written_since_is_noticed(lake: Lake) -> None:
    put(lake, 0, 4, 1)
    put(lake, 3, 5, 2)
    put(lake, 0, 4, 1)
    assert {row[1] for row in content(lake)[:8]} == {1}


def test_one_replacement_is_one_commit_and_touches_no_other_window(lake: Lake) -> None:
    put(lake, 0, 6, 1)
    before = content(lake)
    assert put(lake, 2, 4, 5) == 1
    after = content(lake)
    assert after[:4] == before[:4]
    assert after[8:] == before[8:]
    assert [row[1] for row in after[4:8]] == [5] * 4
    assert content(lake, 0) == before


def test_another_models_rows_of_the_window_stay(lake: Lake) -> None:
    put(lake, 0, 2, 1, model=1)
    put(lake, 0, 2, 2, model=2)
    put(lake, 0, 2, 3, model=2)
    assert [(value, model) for _, value, model in content(lake)] == [(1, 1), (3, 2)] * 4


def test_the_log_keeps_every_version(lake: Lake) -> None:
    put(lake, 0, 1, 1)
    configuration = DeltaTable(lake.uri("t")).metadata().configuration
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def test_what_is_not_there_is_a_wrong_request(lake: Lake) -> None:
    assert lake.version("t") is None
    with pytest.raises(RequestError, match="no version 0"):
        lake.read("t", 0)
    put(lake, 0, 1, 1)
    with pytest.raises(RequestError, match="no version 7"):
        lake.read("t", 7)


def write_often(root: str, first: int, count: int) -> None:
    lake = Lake(root, "demo")
    for day in range(first, first + count):
        while True:
            try:
                put(lake, day, day + 1, day)
                break
            except TransientError:
                continue


def test_two_writers_at_once_lose_nothing(lake: Lake) -> None:
    put(lake, 0, 1, 0)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(lake.root, first, 8)) for first in (1, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    found = sorted(value for _, value, _ in content(lake))
    assert found == sorted([*([0] * 2), *(day for day in range(1, 9) for _ in "ab"),
                            *(day for day in range(20, 28) for _ in "ab")])  # fmt: skip
    assert lake.version("t") == 16
