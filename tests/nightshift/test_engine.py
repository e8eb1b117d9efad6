"""DuckDB is locked: SQL of a project reaches nothing that is not declared, and the error says what to declare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from nightshift.dataset.stage import fingerprint_of, stage
from nightshift.engine import engine
from nightshift.errors import NightshiftError, RequestError
from nightshift.quality.validate import validate
from nightshift.spec.project import Project
from tests.synthetic import AS_OF, World, rows_of, staged, whole

# {folder} holds a file of each kind, all of them readable.
READS = [
    "select * from '{folder}/secret.csv'",
    "select * from '{folder}/secret.parquet'",
    "select * from read_csv('{folder}/secret.csv')",
    "select * from read_csv_auto(['{folder}/secret.csv'])",
    "select * from read_text('{folder}/secret.csv')",
    "select * from read_blob('{folder}/*')",
    "select * from read_json('{folder}/secret.json')",
    "select * from read_parquet('{folder}/secret.parquet')",
    "select * from parquet_metadata('{folder}/secret.parquet')",
    "select * from glob('{folder}/*')",
    "select * from rows, read_text('{folder}/secret.csv')",
    "with x as materialized (select * from read_text('{folder}/secret.csv')) select * from x",
    "select *, (select content from read_text('{folder}/secret.csv')) as z from rows",
    "select * from query('select * from read_text(''{folder}/secret.csv'')')",
    "select * from query_table('{folder}/secret.csv')",
    "from json_execute_serialized_sql(json_serialize_sql('select * from read_text(''{folder}/secret.csv'')'))",
    "select * from read_csv('https://example.com/rows.csv')",
    "select * from 's3://bucket/rows.parquet'",
    "select * from sqlite_scan('{folder}/secret.db', 't')",
    "select * from delta_scan('{folder}')",
    "select *, st_point(1, 2) as z from rows",
]
# DuckDB binds these, and finds out when they are run.
READS_LATER = [
    "select count(*) > 0 from sniff_csv('{folder}/secret.csv')",
    "select count(*) > 0 from duckdb_secrets()",
    "select count(*) > 0 from duckdb_extensions()",
]
STATEMENTS = [
    "copy (select 1) to '{folder}/written.csv'",
    "copy rows to '{folder}/written.parquet' (format parquet)",
    "attach '{folder}/written.db' as other",
    "attach ':memory:' as other",
    "export database '{folder}/written'",
    "import database '{folder}'",
    "install httpfs",
    "load httpfs",
    "load '{folder}/secret.so'",
    "update extensions",
    "set memory_limit = '64GB'",
    "set global memory_limit = '64GB'",
    "set variable x = 1",
    "reset memory_limit",
    "pragma memory_limit = '64GB'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "create secret s (type s3)",
    "create table other as select 1",
    "create macro f() as 1",
    "drop view staged",
    "delete from rows",
    "call pragma_version()",
    "use memory",
    "checkpoint",
    "select 1; copy (select 1) to '{folder}/written.csv'; select 1",
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project, and beside it files that it does not declare."""
    made = World(tmp_path)
    rows = rows_of(days=20)
    made.write(rows)
    folder = tmp_path / "undeclared"
    folder.mkdir()
    pq.write_table(pq.read_table(made.source).select(["id", "x"]), folder / "secret.parquet")
    pyarrow.csv.write_csv(pq.read_table(folder / "secret.parquet"), folder / "secret.csv")
    (folder / "secret.json").write_text('{"a": 1}\n')
    return made


def by_sql(world: World, sql: str) -> None:
    project = world.declare(sql=sql)
    stage(project, whole(), fingerprint_of(project, whole(), world.settings), world.settings)


def by_rule(world: World, rule: str) -> None:
    project: Project = world.declare(quality={"rules": [rule]})
    validate(project, staged(world, project), AS_OF, world.settings)


def refused(attempt: Callable[[World, str], None], world: World, sql: str) -> NightshiftError:
    folder = world.folder / "undeclared"
    before = sorted(folder.iterdir())
    with pytest.raises(RequestError) as raised:
        attempt(world, sql.format(folder=folder))
    assert sorted(folder.iterdir()) == before
    return raised.value


@pytest.mark.parametrize(
    "sql", [*READS, *STATEMENTS, *(f"select *, ({sql}) as z from rows" for sql in READS_LATER)]
)
def test_the_sql_of_a_dataset_reaches_nothing_but_its_sources(sql: str, world: World) -> None:
    error = refused(by_sql, world, sql)
    assert "project.yaml" in error.remedy
    assert "kind: files" in error.remedy
    assert error.where == "project demo: dataset.sql"


@pytest.mark.parametrize(
    "rule",
    [
        *(f"exists ({sql})" for sql in READS),
        *(f"({sql})" for sql in READS_LATER),
        *STATEMENTS,
    ],
)
def test_a_rule_reaches_nothing_but_the_rows(rule: str, world: World) -> None:
    error = refused(by_rule, world, rule)
    assert "project.yaml" in error.remedy or "from rows" in rule
    assert error.where == "project demo: quality.rules"


@pytest.mark.parametrize(
    "rule",
    [
        "x > 0) or (true",
        "true) as ok from staged; drop view staged; select (true",
        "x > 0 from staged",
        "x > 0; select true",
        "x > 0, n > 0",
        "x > 0 /*",
        "",
        " -- nothing",
    ],
)
def test_a_rule_is_one_condition_whatever_stands_around_it(rule: str, world: World) -> None:
    assert refused(by_rule, world, rule).remedy.startswith("write a condition")


def test_a_rule_may_end_in_a_comment(world: World) -> None:
    by_rule(world, "x > -100 -- whatever it is")


def test_what_is_no_amount_of_memory_is_told(world: World) -> None:
    wrong = world.settings.model_copy(update={"memory_limit": "lots'; install httpfs; --"})
    with pytest.raises(RequestError, match="no amount of memory"), engine(wrong):
        pass
