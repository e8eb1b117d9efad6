"""Every way to ask for the wrong thing: one clear error, the right exit code, and nothing changed."""

from __future__ import annotations

# ruff: noqa: E501 - the table of cases has one a line
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from nightshift.locks import only_one
from nightshift.settings import Settings
from tests.conftest import Done, RunCli, SmallProject, small_rows
from tests.e2e.conftest import kept_state

NAME = "small-binary"
TRAIN = ("train", NAME, "--as-of", "2024-03-01")
INGEST = ("ingest", NAME, "--as-of", "2024-03-01")
WIDE = ("ingest", NAME, "--start", "2024-01-21", "--end", "2024-03-01", "--as-of", "2024-03-01")
PREDICT = ("predict", NAME, "--as-of", "2024-03-01")
VALIDATE = ("validate", NAME, "--as-of", "2024-03-01")
CLOSED = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Case:
    """What is asked for, the exit code it must end with, and words that its error must have."""

    command: tuple[str, ...]
    code: int
    says: tuple[str, ...]
    break_it: Callable[[SmallProject], None] = lambda project: None
    env: dict[str, str] = field(default_factory=dict)
    keeps_rows: bool = False  # the rows themselves are good, and are ingested: only the model is refused


def declaring(**changes: object) -> Callable[[SmallProject], None]:
    return lambda project: project.declare(**changes)


def with_sql(text: str) -> Callable[[SmallProject], None]:
    return lambda project: project.write_sql(text)


def with_column(name: str, values: Callable[[pa.Table], object]) -> Callable[[SmallProject], None]:
    """Replace one column of the source's rows."""

    def change(project: SmallProject) -> None:
        rows = project.rows()
        project.write_rows(rows.set_column(rows.schema.get_field_index(name), name, values(rows)))

    return change


def with_text(file: str, content: bytes) -> Callable[[SmallProject], None]:
    return lambda project: _ignore((project.folder / file).write_bytes(content))


def with_the_first_rows_twice(project: SmallProject) -> None:
    rows = project.rows()
    project.write_rows(pa.concat_tables([rows, rows.slice(rows.num_rows - 3)]))


def with_an_empty_folder(project: SmallProject) -> None:
    (project.data / "rows.parquet").unlink()
    project.declare(sources={"events": {"uri": str(project.data)}})


def with_a_truncated_file(project: SmallProject) -> None:
    file = project.data / "second.parquet"
    pq.write_table(small_rows("binary", 200, seed=8), file)
    file.write_bytes(file.read_bytes()[:-200])


def with_a_flipped_byte(project: SmallProject) -> None:
    file = project.data / "second.parquet"
    rows = small_rows("binary", 200, seed=8)
    pq.write_table(rows, file, write_page_checksum=True, use_dictionary=False, compression="none")
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)


def with_no_parquet_in_it(project: SmallProject) -> None:
    (project.data / "second.parquet").write_text("these are no rows\n" * 20)


def _csv(project: SmallProject, rows: int, name: str, seed: int = 7) -> Path:
    (project.data / "rows.parquet").unlink(missing_ok=True)
    project.declare(sources={"events": {"uri": f"${{NIGHTSHIFT_DATA}}/{NAME}/*.csv"}})
    file = project.data / name
    table = small_rows("binary", rows, seed)
    pyarrow.csv.write_csv(table, file)
    return file


def with_a_csv_that_changes_half_way(project: SmallProject) -> None:
    file = _csv(project, 40_000, "long.csv")  # longer than the block that types are guessed from
    lines = file.read_text().splitlines()
    for place in range(30_000, len(lines)):
        cells = lines[place].split(",")
        lines[place] = ",".join([*cells[:2], "n/k", *cells[3:]])
    file.write_text("\n".join(lines) + "\n")


def with_a_csv_that_differs_from_the_first(project: SmallProject) -> None:
    _csv(project, 400, "a.csv")
    file = _csv(project, 400, "b.csv", seed=8)
    lines = file.read_text().splitlines()
    cut = [",".join([*line.split(",")[:2], "n/k", *line.split(",")[3:]]) for line in lines[1:]]
    file.write_text("\n".join([lines[0], *cut]) + "\n")


def with_a_ragged_csv(project: SmallProject) -> None:
    file = _csv(project, 400, "ragged.csv")
    file.write_text(file.read_text() + "1,2,3\n")


def with_a_second_project(project: SmallProject) -> None:
    other = project.folder.with_name("fresh")
    shutil.copytree(project.folder, other)
    SmallProject("fresh", project.kind, other, project.data).declare(name="fresh")


def with_a_tampered_model(project: SmallProject) -> None:
    (model,) = (project.folder.parents[1] / "home").glob("mlartifacts/**/data/model/model.txt")
    model.write_text(model.read_text().replace("leaf_value=", "leaf_value=9", 1))


def with_a_missing_model(project: SmallProject) -> None:
    (model,) = (project.folder.parents[1] / "home").glob("mlartifacts/**/data/model/model.txt")
    model.unlink()


def _ignore(_: object) -> None:
    pass


SELECT = "select id, sold_at, x, z, shop, late\nfrom events\n"

CASES = {
    # The declaration.
    "unknown key": Case(TRAIN, 2, ("'lerner'", "did you mean 'learner'", "project.yaml"), declaring(lerner={})),
    "unknown nested key": Case(TRAIN, 2, ("'round'", "did you mean 'rounds'"), declaring(learner={"round": 3})),
    "unknown learner": Case(TRAIN, 2, ("'lightgmb'", "did you mean 'lightgbm'"), declaring(learner={"kind": "lightgmb"})),
    "unknown source kind": Case(TRAIN, 2, ("'file'", "did you mean 'files'"), declaring(sources={"events": {"kind": "file"}})),
    "unknown label kind": Case(TRAIN, 2, ("'binari'", "did you mean 'binary'"), declaring(dataset={"label": {"kind": "binari"}})),
    "unknown metric": Case(TRAIN, 2, ("roc_acu", "did you mean 'roc_auc'"), declaring(evaluate={"metric": "roc_acu"})),
    "no duration": Case(TRAIN, 2, ("'28 days'", "28 days"), declaring(split={"train": "28 days"})),
    "another name than its folder's": Case(TRAIN, 2, ("'other'", NAME), declaring(name="other")),
    "a key in two roles": Case(TRAIN, 2, ("'id'", "more than one role"), declaring(dataset={"weight": "id"})),
    "broken YAML": Case(TRAIN, 2, ("no YAML", "line 1"), with_text("project.yaml", b"name: [unclosed\n")),
    "empty YAML": Case(TRAIN, 2, ("declares nothing",), with_text("project.yaml", b"")),
    "YAML that is not UTF-8": Case(TRAIN, 2, ("UTF-8", "project.yaml"), with_text("project.yaml", b"name: caf\xe9\n")),
    "SQL that is not UTF-8": Case(TRAIN, 2, ("UTF-8", "dataset.sql"), with_text("dataset.sql", b"select '\xe9'\n")),
    "a SQL file that is not there": Case(TRAIN, 2, ("'other.sql'",), declaring(dataset={"sql": "other.sql"})),
    "a SQL file outside": Case(TRAIN, 2, ("outside the project",), declaring(dataset={"sql": "../../x.sql"})),
    "a name with ../": Case(("train", f"../{NAME}"), 2, ("no project name",)),
    "an unknown project": Case(("train", "small-binari"), 2, (f"did you mean '{NAME}'",)),
    "no folder of projects": Case(TRAIN, 2, ("NIGHTSHIFT_PROJECTS",), env={"NIGHTSHIFT_PROJECTS": "/nowhere/at/all"}),
    "an unset variable": Case(INGEST, 2, ("SHOP_BUCKET", "export SHOP_BUCKET"), declaring(sources={"events": {"uri": "${SHOP_BUCKET}/x.parquet"}})),
    "a parameter LightGBM cannot read": Case(TRAIN, 2, ("learner.params",), declaring(learner={"params": {"num_leaves": "many"}}), keeps_rows=True),
    # The SQL.
    "broken SQL": Case(INGEST, 2, ("LINE 2", "dataset.sql"), with_sql("select id, sold_at,\n  x,, z\nfrom events")),
    "an unknown table": Case(INGEST, 2, ("event_s", "events"), with_sql("select * from event_s")),
    "an unknown parameter": Case(INGEST, 2, ("begin", "dataset.sql"), with_sql(f"{SELECT}where sold_at >= $begin")),
    "two statements": Case(INGEST, 2, ("dataset.sql",), with_sql(f"{SELECT}; {SELECT}")),
    "SQL that selects nothing": Case(INGEST, 2, ("dataset.sql",), with_sql("create table t as select 1")),
    "empty SQL": Case(INGEST, 2, ("dataset.sql",), with_sql("-- later\n")),
    "SQL that reads a file": Case(INGEST, 2, ("dataset.sql",), with_sql("select * from '/etc/passwd'")),
    "a column the SQL does not give": Case(INGEST, 2, ("'lat'", "did you mean 'late'"), declaring(dataset={"label": {"column": "lat"}})),
    "an event time that is no time": Case(INGEST, 2, ("not a time",), with_sql("select * replace (x as sold_at) from events")),
    "a column of lists": Case(INGEST, 2, ("'z'", "unnest"), with_sql("select * replace ([z] as z) from events")),
    "SQL that fails on a value": Case(INGEST, 3, ("east", "try_cast"), with_sql("select * replace (shop::int as z) from events where shop = 'east'")),
    # The request.
    "an as-of that is no moment": Case((*TRAIN[:2], "--as-of", "yesterday"), 2, ("'yesterday'", "2013-09-01")),
    "a start after the end": Case((*INGEST, "--start", "2024-03-02", "--end", "2024-03-01"), 2, ("not before its end",)),
    "a start at the end": Case((*PREDICT, "--start", "2024-03-01", "--end", "2024-03-01"), 2, ("not before its end",)),
    "an unknown version": Case((*PREDICT, "--version", "99"), 2, ("no version 99", "nightshift models")),
    "an unknown alias": Case((*PREDICT, "--version", "champoin"), 2, ("champoin",)),
    "no champion": Case(("predict", "fresh", "--as-of", "2024-03-01"), 2, ("no champion", "nightshift train fresh"), with_a_second_project),
    "an unknown option": Case((*TRAIN, "--as-off", "x"), 2, ("--as-off", "--help")),
    "no project": Case(("train",), 2, ("project", "--help")),
    "an unknown command": Case(("trian", NAME), 2, ("trian", "--help")),
    # The sources.
    "a file that is not there": Case(INGEST, 2, ("sources.events", "nothing.parquet"), declaring(sources={"events": {"uri": "${NIGHTSHIFT_DATA}/nothing.parquet"}})),
    "a glob without files": Case(INGEST, 2, ("no file matches",), declaring(sources={"events": {"uri": "${NIGHTSHIFT_DATA}/*.nothing"}})),
    "an empty folder": Case(INGEST, 2, ("folder is empty",), with_an_empty_folder),
    "an unknown scheme": Case(INGEST, 2, ("ftp://",), declaring(sources={"events": {"uri": "ftp://shop/rows.parquet"}})),
    "a folder that is no Delta table": Case(INGEST, 2, ("no Delta table",), declaring(sources={"events": {"kind": "delta", "uri": "${NIGHTSHIFT_DATA}"}})),
    "a truncated file": Case(WIDE, 3, ("second.parquet", "cannot be read"), with_a_truncated_file),
    "a flipped byte": Case(WIDE, 3, ("second.parquet", "cannot be read"), with_a_flipped_byte),
    "a file that is no Parquet": Case(WIDE, 3, ("second.parquet", "cannot be read"), with_no_parquet_in_it),
    "a CSV whose types change half-way": Case(WIDE, 3, ("long.csv", "'x' changed its type"), with_a_csv_that_changes_half_way),
    "a CSV that differs from the first": Case(WIDE, 3, ("b.csv", "'x' changed its type"), with_a_csv_that_differs_from_the_first),
    "a CSV with a short line": Case(WIDE, 3, ("ragged.csv",), with_a_ragged_csv),
    # The rows.
    "no rows in the window": Case(("ingest", NAME, "--start", "2025-01-01", "--end", "2025-01-02"), 3, ("has no rows", "2024-")),
    "an as-of before any data": Case(("train", NAME, "--as-of", "2000-01-01"), 3, ("has no rows", "2024-")),
    "duplicate keys": Case(WIDE, 3, ("3 keys", "dataset.key"), with_the_first_rows_twice),
    "labels all null": Case(TRAIN, 3, ("null", "late"), with_column("late", lambda rows: pa.nulls(rows.num_rows, pa.int32())), keeps_rows=True),
    "labels of one class": Case(TRAIN, 3, ("nothing to tell apart",), with_column("late", lambda rows: pa.array([1] * rows.num_rows, pa.int32())), keeps_rows=True),
    "labels that are words": Case(WIDE, 3, ("late",), with_column("late", lambda rows: pc.if_else(pc.equal(rows["late"], 1), "yes", "no"))),
    "event times all null": Case(INGEST, 3, ("no rows",), with_column("sold_at", lambda rows: pa.nulls(rows.num_rows, pa.timestamp("us", "UTC")))),
    "a column that changed its type": Case(WIDE, 3, ("'z'", "changed its type"), with_column("z", lambda rows: rows["z"].cast(pa.string()))),
    "stale rows": Case(("ingest", NAME, "--start", "2024-02-01", "--end", "2024-03-09"), 3, ("quality.freshness",), declaring(quality={"freshness": "2d"})),
    "more than half refused": Case(WIDE, 3, ("x > 1", "quality.max_refused"), declaring(quality={"rules": ["x > 1"]})),
    "a broken rule": Case(WIDE, 2, ("'x >'", "quality.rules"), declaring(quality={"rules": ["x >"]})),
    "a rule that is no condition": Case(VALIDATE, 2, ("'x + 1'", "quality.rules"), declaring(quality={"rules": ["x + 1"]})),
    "a rule over an unknown column": Case(VALIDATE, 2, ("weight", "quality.rules"), declaring(quality={"rules": ["weight > 0"]})),
    "a rule that fails on a value": Case(VALIDATE, 3, ("east", "quality.rules"), declaring(quality={"rules": ["shop::int > 0 or shop = 'west'"]})),
    # The model and what lies outside.
    "a tampered model": Case(PREDICT, 3, ("model.txt", "not the one that was saved"), with_a_tampered_model, keeps_rows=True),
    "a missing model file": Case(PREDICT, 3, ("model.txt", "not the one that was saved"), with_a_missing_model, keeps_rows=True),
    "a store below a file": Case(WIDE, 4, ("NIGHTSHIFT_STORE",), env={"NIGHTSHIFT_STORE": "/etc/hostname/store"}),
    "a home below a file": Case(WIDE, 4, ("NIGHTSHIFT_HOME",), env={"NIGHTSHIFT_HOME": "/etc/hostname/home"}),
    "Prefect unreachable": Case(INGEST, 4, ("Prefect", "nightshift up"), env={"PREFECT_API_URL": f"{CLOSED}/api"}),
    "MLflow unreachable": Case(PREDICT, 4, ("MLflow", CLOSED), env={"MLFLOW_TRACKING_URI": CLOSED}),
}  # fmt: skip


# Each of these costs seconds, and is next of kin to one that is not in this list.
SLOW = {
    "unknown nested key", "unknown source kind", "unknown label kind", "empty YAML", "no folder of projects",
    "a key in two roles", "another name than its folder's", "a SQL file that is not there", "an unknown table",
    "an unknown parameter", "empty SQL", "SQL that selects nothing", "an event time that is no time",
    "a column of lists", "a start at the end", "an unknown alias", "a glob without files", "an unknown scheme",
    "a folder that is no Delta table", "a flipped byte", "a file that is no Parquet", "a CSV with a short line",
    "labels that are words", "event times all null", "a rule that is no condition", "a missing model file",
    "a rule over an unknown column", "a home below a file", "a parameter LightGBM cannot read",
    "a CSV that differs from the first", "an unknown version", "stale rows", "MLflow unreachable",
}  # fmt: skip


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, case in CASES.items()
    ],
)
def test_a_bad_request_is_one_clear_error_and_changes_nothing(
    case: Case, trained: SmallProject, home: Path, run_cli: RunCli
) -> None:
    case.break_it(trained)
    before = kept_state(home)
    started = time.monotonic()
    done = run_cli(*case.command, env=case.env)
    assert_one_clear_error(done, case.code, case.says)
    assert time.monotonic() - started < 60
    after = kept_state(home)
    if case.keeps_rows:
        before, after = (
            {name: one for name, one in state.items() if "/dataset/" not in name} for state in (before, after)
        )
    assert after == before


def assert_one_clear_error(done: Done, code: int, says: tuple[str, ...]) -> None:
    assert done.code == code, done
    assert len(done.stdout.splitlines()) == 1
    told = done.json
    assert told["error"]
    assert told["remedy"]
    assert told["exit_code"] == code
    text = " ".join([told["error"], told.get("where", ""), *told.get("valid", []), told["remedy"]])
    assert [word for word in says if word not in text] == [], told
    for noise in ("Traceback", "leaked"):
        assert noise not in done.stdout + done.stderr


def test_a_second_train_is_told_who_is_at_it(trained: SmallProject, home: Path, run_cli: RunCli) -> None:
    before = kept_state(home)
    with only_one("train", NAME, Settings()):
        holder = (home / "locks" / f"{NAME}.train.holder").read_text()
        done = run_cli(*TRAIN)
    assert_one_clear_error(done, 4, (holder, "wait until it ends"))
    assert holder.startswith("process ")
    assert kept_state(home) == before


def namespace() -> tuple[str, ...]:
    """Words that start a command where it may mount: as root at once, else as root of a user namespace."""
    for words in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        probe = [*words, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt"]
        if shutil.which(words[0]) and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return words
    raise AssertionError("this system lets no test mount a file system, not even in a namespace of its own")


def mounted(script: str, folder: Path) -> tuple[str, ...]:
    """Words that start a command after `script` has mounted something over `folder`, for that command alone."""
    return (*namespace(), "sh", "-e", "-c", f'{script}; exec "$@"', "sh", str(folder))


READ_ONLY = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift'
# What was in the folder stays there; then the rest of the disk is filled but for some blocks.
FULL = (
    'mkdir "$1.was"; cp -a "$1/." "$1.was/"; mount -t tmpfs -o size=16m tmpfs "$1"; cp -a "$1.was/." "$1/"; '
    'head -c 64m /dev/zero > "$1/filler" 2>/dev/null || true; shift'
)


@pytest.mark.parametrize(
    ("script", "place", "says"),
    [
        (READ_ONLY, "store", ("NIGHTSHIFT_STORE",)),
        (READ_ONLY, ".", ("NIGHTSHIFT_HOME",)),
        (FULL, "store", ("free some space", "No space left")),
        (FULL, "scratch", ("free some space", "No space left")),
    ],
    ids=["read-only store", "read-only home", "full store", "full scratch"],
)
def test_a_disk_that_cannot_be_written_is_told(
    script: str, place: str, says: tuple[str, ...], trained: SmallProject, home: Path, run_cli: RunCli
) -> None:
    folder = home / place
    folder.mkdir(exist_ok=True)
    before = kept_state(home)
    assert_one_clear_error(run_cli(*WIDE, within=mounted(script, folder)), 4, says)
    assert kept_state(home) == before
    assert run_cli(*WIDE).code == 0  # and works when the disk does
