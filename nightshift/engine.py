"""DuckDB connections as Nightshift uses them: UTC, bounded memory, spilling to scratch, no files but the sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from nightshift.settings import Settings


@contextmanager
def engine(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to the scratch folder and reaches nothing that is not registered with it."""
    spill = settings.scratch_path / "spill"
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = '{settings.memory_limit}'")
        connection.execute(f"SET temp_directory = {quote_text(str(spill))}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def batch_rows(relation: duckdb.DuckDBPyRelation) -> int:
    """How many rows of it are read at once: fewer where there are bytes, each of which may be a whole image."""
    return 4_096 if "BLOB" in map(str, relation.types) else 65_536


def quote(column: str) -> str:
    """A column's name as an SQL identifier.

    >>> quote("dep hour")
    '"dep hour"'
    """
    return '"' + column.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_all(columns: list[str] | tuple[str, ...]) -> str:
    """Names as a comma-separated SQL list."""
    return ", ".join(quote(column) for column in columns)
