"""The journal of nights: one row a night whatever happens, and tables that other tools can read."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from nightshift.decision.journal import DECISIONS, MONITORING, Journal
from nightshift.errors import TransientError
from nightshift.findings import Decision, Night, Signal
from nightshift.locks import only_one
from nightshift.records import Window
from nightshift.settings import Settings

FIRST = datetime(2024, 2, 27, 7, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal.of("demo", Settings(home=tmp_path, store=""))


def night(days: float = 0, **changes: Any) -> Night:
    as_of = FIRST + days * DAY
    values: dict[str, Any] = {
        "project": "demo",
        "as_of": as_of,
        "window": Window(start=as_of - 7 * DAY, end=as_of),
        "state": "done",
        "decision": Decision(
            action="retrain",
            reasons=('Retrain: it\'s "warm" — 30 °C.', "Watched: wind."),
            causes=("drift:temp",),
            numbers={"age": 3.25, "loss": None},
        ),
        "champion": 3,
        "run_id": "run",
        "seconds": 1.5,
        "finished_at": as_of + timedelta(seconds=90, microseconds=123),
    }
    return Night(**(values | changes))


def signals(count: int, seed: int = 0) -> tuple[Signal, ...]:
    random = np.random.default_rng(seed)
    found = []
    for place in range(count):
        few = place % 3 == 0
        numbers = {"value": None if few else random.random(), "p_value": None if few else random.random()}
        more = {"alarm": bool(place % 2), "weight": random.random(), "note": "too few" if few else ""}
        column = {"column": f"c{place}", "segment": "origin=JFK", "effect_floor": 0.1}
        found.append(Signal.model_validate({"name": "psi", "family": "feature"} | column | numbers | more))
    return tuple(found)


def commits(journal: Journal, table: str = DECISIONS) -> int:
    version = journal.lake.version(table)
    return -1 if version is None else version


def test_before_the_first_night_there_is_nothing(journal: Journal) -> None:
    assert journal.nights() == ()
    assert journal.last_done() is None
    assert journal.find(FIRST) is None
    assert journal.signals(FIRST) == ()


def test_a_night_comes_back_as_it_was_written(journal: Journal) -> None:
    first = night(champion=None, decision=Decision(action="watch", reasons=()))
    for one in (first, night(1), night(2, trained=4, promoted=True)):
        assert journal.record(one) == one
        assert journal.find(one.as_of) == one
    assert journal.nights() == (night(2, trained=4, promoted=True), night(1), first)


def test_a_night_that_is_done_is_recorded_once(journal: Journal) -> None:
    journal.record(night())
    before = commits(journal)
    assert journal.record(night(seconds=99.0)) == night()
    assert journal.record(night(state="failed", error="no")) == night()
    assert commits(journal) == before
    assert journal.nights() == (night(),)


def test_a_night_is_one_commit(journal: Journal) -> None:
    journal.record(night())
    before = commits(journal)
    journal.record(night(1))
    assert commits(journal) == before + 1


def test_a_failed_night_gives_way_to_the_same_night_done(journal: Journal) -> None:
    journal.record(night())
    journal.record(night(1, state="failed", error="the disk is full; free some space"))
    assert journal.last_done() == night()
    assert [one.state for one in journal.nights()] == ["failed", "done"]
    journal.record(night(1))
    assert journal.nights() == (night(1), night())
    assert journal.last_done() == night(1)


def test_nights_are_newest_first_in_whatever_order_they_were_written(journal: Journal) -> None:
    for days in (3, 0, 2, 1):
        journal.record(night(days))
    assert [one.as_of for one in journal.nights()] == [FIRST + days * DAY for days in (3, 2, 1, 0)]
    assert journal.nights(before=FIRST + 2 * DAY, limit=1) == (night(1),)
    assert journal.nights(limit=0) == ()


def test_a_moment_is_the_same_night_in_every_zone(journal: Journal) -> None:
    journal.record(night())
    elsewhere = FIRST.astimezone(ZoneInfo("Asia/Kolkata"))
    assert journal.find(elsewhere) == night()
    assert journal.record(night(as_of=elsewhere)) == night()


def test_projects_keep_their_nights_apart(journal: Journal) -> None:
    journal.record(night())
    assert Journal.of("other", journal.settings).nights() == ()


def test_a_year_of_nights_stays_quick_to_open(journal: Journal) -> None:
    for days in range(40):
        journal.record(night(days))
    assert journal.nights() == tuple(night(days) for days in reversed(range(40)))
    assert len(DeltaTable(journal.lake.uri(DECISIONS)).file_uris()) <= 33


def test_signals_are_replaced_by_night_and_keep_their_order(journal: Journal) -> None:
    for days in (0, 1):
        one = night(days)
        journal.record_signals(one.as_of, one.window, 3, signals(50, seed=days))
    assert journal.signals(FIRST) == signals(50, seed=0)
    journal.record_signals(FIRST, night().window, None, signals(7, seed=9))
    assert journal.signals(FIRST) == signals(7, seed=9)
    assert journal.signals(FIRST + DAY) == signals(50, seed=1)
    before = commits(journal, MONITORING)
    journal.record_signals(FIRST, night().window, None, signals(7, seed=9))
    assert commits(journal, MONITORING) <= before + 1


def test_a_night_without_signals(journal: Journal) -> None:
    journal.record_signals(FIRST, night().window, None, ())
    assert journal.signals(FIRST) == ()
    journal.record_signals(FIRST, night().window, 1, signals(2))
    journal.record_signals(FIRST, night().window, 1, ())
    assert journal.signals(FIRST) == ()


def test_the_tables_answer_sql(journal: Journal) -> None:
    journal.record(night())
    journal.record(night(1))
    journal.record_signals(FIRST, night().window, 3, signals(9))
    decisions = DeltaTable(journal.lake.uri(DECISIONS)).to_pyarrow_dataset()  # noqa: F841 - DuckDB finds it by name
    monitoring = DeltaTable(journal.lake.uri(MONITORING)).to_pyarrow_dataset()  # noqa: F841
    with duckdb.connect() as connection:
        found = connection.sql(
            "select count(*), any_value(reasons[2]), any_value(cast(numbers::json->>'age' as double)) "
            "from decisions where list_contains(causes, 'drift:temp') and as_of >= timestamptz '2024-02-28'"
        ).fetchall()
        alarms = connection.sql(
            'select count(*) from monitoring where alarm and "column" is not null'
        ).fetchall()
    assert found == [(1, "Watched: wind.", 3.25)]
    assert alarms == [(4,)]
    frame = DeltaTable(journal.lake.uri(DECISIONS)).to_pandas()
    assert json.loads(frame["numbers"][0]) == {"age": 3.25, "loss": None}
    assert str(frame["as_of"].dt.tz) == "UTC"


def test_a_journal_of_an_older_release_keeps_its_nights(journal: Journal) -> None:
    """Its table lacks a column: the row has the field's default, and the next night adds the column."""
    journal.record(night())
    uri = journal.lake.uri(DECISIONS)
    older = DeltaTable(uri).to_pyarrow_table().drop_columns(["promoted", "seconds"])
    write_deltalake(uri, pa.table(older), mode="overwrite", schema_mode="overwrite")
    without = night(seconds=0.0)
    assert journal.nights() == (without,)
    journal.record(night(1))
    assert journal.nights() == (night(1), without)


def test_two_writers_at_once_are_told_apart(journal: Journal) -> None:
    with (
        only_one("journal", "demo", journal.settings),
        pytest.raises(TransientError, match="another journal"),
    ):
        journal.record(night())


def _write(home: Path, days: list[int]) -> None:
    journal = Journal.of("demo", Settings(home=home, store=""))
    for day in days:
        while True:
            try:
                journal.record(night(day))
                break
            except TransientError:
                continue


def test_processes_that_write_the_same_nights_write_each_once(journal: Journal) -> None:
    context = multiprocessing.get_context("spawn")
    home = journal.settings.home_path
    writers = [context.Process(target=_write, args=(home, list(range(4))[::step])) for step in (1, -1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert journal.nights() == tuple(night(day) for day in reversed(range(4)))
    assert commits(journal) == 3


def test_a_night_whose_version_waits_is_read_back_also_from_a_table_of_before(journal: Journal) -> None:
    first = journal.record(night(0))
    uri = journal.lake.uri(DECISIONS)
    old = DeltaTable(uri).to_pyarrow_table().drop_columns(["waits"])
    write_deltalake(uri, old, mode="overwrite", schema_mode="overwrite")
    assert journal.find(first.as_of) == first
    waiting = journal.record(night(1, trained=4, waits=True))
    assert journal.nights() == (waiting, first)


def test_what_became_of_the_nights_rows_is_read_back(journal: Journal) -> None:
    counts = {"rows_in": 10, "rows_scored": 6, "rows_quarantined": 1, "rows_outside": {"late": 3}}
    one = night(1, **counts)
    journal.record(one)
    found = journal.find(one.as_of)
    assert found is not None
    assert {name: getattr(found, name) for name in counts} == counts
