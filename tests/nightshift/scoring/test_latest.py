"""What was published, one row a key: against a plain model of it, after crashes, losses and backups."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.lake.tables import Lake, Replacement
from nightshift.records import Arm, Window
from nightshift.scoring.latest import LATEST, is_published, publish
from tests.synthetic import START, World

ROOT = Path(__file__).parents[3]
SCHEMA = pa.schema(
    [
        ("id", pa.int64()), ("seen_at", pa.timestamp("us", "UTC")), ("prediction", pa.int32()), ("score", pa.float64()),
        ("model_version", pa.int32()), ("run_id", pa.string()), ("dataset_version", pa.int64()), ("arm", pa.string()),
    ]
)  # fmt: skip


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


@dataclass
class Log:
    """Runs of `predict` without a model, and what ought to be published after them."""

    folder: Path
    key: tuple[str, ...] = ("id",)
    runs: list[tuple[int, int, int, Arm, dict[int, int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.folder)
        self.project = self.world.declare(dataset={"key": list(self.key)})
        self.lake = Lake.of(self.project.name, self.world.settings)

    def predict(
        self, first: int, last: int, version: int, rows: dict[int, int], arm: Arm = "champion"
    ) -> None:
        """Replace the predictions of a version in the hours [first, last); `rows` are hours by key."""
        self.runs.append((first, last, version, arm, rows))
        name = f"run {len(self.runs)}"
        columns: dict[str, Any] = {
            "id": list(rows), "seen_at": [at(hour) for hour in rows.values()], "prediction": [1] * len(rows),
            "score": [len(self.runs) / 100] * len(rows), "model_version": [version] * len(rows),
            "run_id": [name] * len(rows), "dataset_version": [0] * len(rows), "arm": [arm] * len(rows),
        }  # fmt: skip
        change = Replacement(
            Window(start=at(first), end=at(last)), "seen_at", name, {"model_version": version}, {"arm": arm}
        )
        self.lake.replace("predictions", pa.table(columns, schema=SCHEMA).to_reader(), change)

    def wanted(self) -> dict[int, tuple[int, int, str]]:
        """By key: hour, version and run of what was published."""
        there: dict[tuple[int, int, int], str] = {}  # by key, hour and version
        covers: dict[int, tuple[int, int]] = {}  # by hour: the champion's newest run, and its version
        for place, (first, last, version, arm, rows) in enumerate(self.runs, 1):
            there = {
                one: run for one, run in there.items() if not (first <= one[1] < last and one[2] == version)
            }
            there |= {(key, hour, version): f"run {place}" for key, hour in rows.items()}
            if arm == "champion":
                covers |= dict.fromkeys(range(first, last), (place, version))
        found: dict[int, tuple[int, int, int, str]] = {}
        for (key, hour, version), run in there.items():
            place, published = covers.get(hour, (0, 0))
            if published == version:
                found[key] = max(found.get(key, (0, 0, 0, "")), (place, hour, version, run))
        return {key: one[1:] for key, one in found.items()}

    def published(self) -> dict[int, tuple[int, int, str]]:
        assert publish(self.project, self.world.settings) == self.lake.version(LATEST)
        assert is_published(self.project, self.world.settings)
        rows = self.table().to_pylist()
        assert len({row["id"] for row in rows}) == len(rows)
        return {
            row["id"]: ((row["seen_at"] - START) // timedelta(hours=1), row["model_version"], row["run_id"])
            for row in rows
        }

    def table(self) -> pa.Table:
        return self.lake.read(LATEST, self.lake.version(LATEST) or 0).to_table()

    def commits(self) -> int:
        return (self.lake.version(LATEST) or 0) + 1


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


RUN = st.tuples(
    st.integers(0, 5), st.integers(1, 4), st.integers(1, 3),
    st.sampled_from(["champion", "champion", "champion", "version", "challenger"]),
    st.dictionaries(st.integers(1, 5), st.integers(0, 3), max_size=4), st.booleans(),
)  # fmt: skip


@given(runs=st.lists(RUN, min_size=1, max_size=6))
@settings(derandomize=True, database=None, deadline=None, max_examples=20)
def test_any_runs_publish_what_a_plain_model_says(
    tmp_path_factory: pytest.TempPathFactory, runs: list[Any]
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    for first, length, version, arm, rows, crashes in runs:
        inside = {key: first + offset % length for key, offset in rows.items()}
        log.predict(first, first + length, version, inside, arm)
        if not crashes:
            assert log.published() == log.wanted()
    kept = log.published()
    shutil.rmtree(log.lake.uri(LATEST))
    assert log.published() == kept == log.wanted(), "made anew, it is the same"


def test_a_shadow_is_never_published(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.predict(0, 4, 2, {1: 0, 2: 1, 3: 2}, "challenger")
    log.predict(0, 4, 3, {1: 0, 2: 1, 3: 2}, "version")
    assert log.published() == {1: (0, 1, "run 1"), 2: (1, 1, "run 1")}
    assert "arm" not in log.table().column_names


def test_what_a_crashed_run_left_is_brought_in_by_the_next_one_in_one_commit(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0})
    log.published()
    log.predict(4, 8, 1, {2: 5})
    log.predict(8, 12, 2, {3: 9})
    assert not is_published(log.project, log.world.settings)
    assert log.published() == {1: (0, 1, "run 1"), 2: (5, 1, "run 2"), 3: (9, 2, "run 3")}
    assert log.commits() == 2
    log.published()
    assert log.commits() == 2, "there is nothing to do"


def test_a_window_is_brought_in_without_the_rest_being_read_anew(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 3})
    log.published()
    log.predict(4, 8, 1, {3: 5, 4: 6})
    log.published()
    handle = DeltaTable(log.lake.uri(LATEST))
    assert len(handle.file_uris()) == 2, "the first window's file was left alone"


def test_rows_that_vanished_from_a_window_leave(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.predict(0, 4, 2, {1: 0, 2: 1})
    log.published()
    log.predict(0, 4, 2, {1: 0})
    assert log.published() == {1: (0, 2, "run 3")}


def test_a_key_that_moves_to_another_time_is_there_once(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.published()
    log.predict(8, 12, 1, {1: 9})
    assert log.published() == {1: (9, 1, "run 2"), 2: (1, 1, "run 1")}
    log.predict(8, 12, 1, {})
    assert log.published() == {1: (0, 1, "run 1"), 2: (1, 1, "run 1")}


def test_with_the_event_time_in_the_key_there_is_a_row_for_each_time(tmp_path: Path) -> None:
    log = Log(tmp_path, ("id", "seen_at"))
    log.predict(0, 4, 1, {1: 0})
    log.predict(4, 8, 1, {1: 5})
    publish(log.project, log.world.settings)
    assert log.table().num_rows == 2


@pytest.mark.parametrize("lost", ["the table", "a file", "its log", "the predictions' last commit"])
def test_it_is_made_anew_of_the_predictions(log: Log, lost: str) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.published()
    log.predict(4, 8, 1, {3: 5})
    log.published()
    folder = Path(log.lake.uri(LATEST))
    match lost:
        case "the table":
            shutil.rmtree(folder)
        case "a file":
            next(folder.glob("*.parquet")).unlink()
        case "its log":
            shutil.rmtree(folder / "_delta_log")
        case _:  # another `predictions` than the one that was published
            Path(log.lake.uri("predictions"), "_delta_log", f"{1:020d}.json").unlink()
            log.runs.pop()
            assert log.published() == log.wanted() == {1: (0, 1, "run 1"), 2: (1, 1, "run 1")}
            log.predict(4, 8, 2, {4: 6})
    assert not is_published(log.project, log.world.settings)
    assert log.published() == log.wanted()


def test_housekeeping_of_the_predictions_is_no_change(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0})
    log.predict(4, 8, 1, {2: 5})
    log.published()
    DeltaTable(log.lake.uri("predictions")).optimize.compact()
    assert is_published(log.project, log.world.settings)
    log.predict(8, 12, 1, {3: 9})
    assert log.published() == log.wanted()
    assert log.commits() == 2


def test_predictions_of_old_say_nothing_of_arms_and_are_the_champions(log: Log) -> None:
    rows = pa.table({"id": [1], "seen_at": [at(0)], "prediction": [1], "score": [0.5], "model_version": [1]})
    old = rows.cast(pa.schema([SCHEMA.field(name) for name in rows.column_names]))
    change = Replacement(Window(start=at(0), end=at(4)), "seen_at", "old", {"model_version": 1})
    log.lake.replace("predictions", old.to_reader(), change)
    log.predict(4, 8, 1, {2: 5})
    log.predict(0, 4, 2, {1: 0}, "version")
    assert log.published() == {1: (0, 1, None), 2: (5, 1, "run 1")}


def test_another_key_makes_another_table(log: Log) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.published()
    log.project = log.world.declare(dataset={"key": ["line"]})
    rows = pa.table(
        {"line": ["a"], "seen_at": [at(5)], "prediction": [1], "score": [0.5], "model_version": [1]}
    )
    others = [SCHEMA.field(name) for name in rows.column_names[1:]]
    typed = rows.cast(pa.schema([pa.field("line", pa.string()), *others]))
    change = Replacement(Window(start=at(4), end=at(8)), "seen_at", "new", {"model_version": 1})
    log.lake.replace("predictions", typed.to_reader(), change)
    publish(log.project, log.world.settings)
    assert log.table()["line"].to_pylist() == ["a"]
    assert log.lake.read(LATEST, 0).count_rows() == 2, "older versions stay"


def test_the_lines_of_the_guide_read_it(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.predict(0, 4, 1, {1: 0, 2: 1})
    log.predict(0, 4, 2, {1: 0, 2: 1})
    log.published()
    store = Path(log.lake.root)
    guide = (ROOT / "docs" / "predictions.md").read_text(encoding="utf-8")
    blocks = [block.split("```", 1)[0] for block in guide.split("```python\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        made: dict[str, Any] = {}
        exec(block.replace(".nightshift/store", str(store)).replace("churn", log.project.name), made)  # noqa: S102
        assert sorted(made["latest"]["id"].tolist()) == [1, 2]
