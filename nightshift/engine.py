"""DuckDB connections as Nightshift uses them: UTC, bounded memory, spilling to scratch, no files but the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from nightshift.errors import RequestError
from nightshift.settings import Settings

DECLARE_SOURCE = (
    "SQL reads its sources and nothing else: declare the file or table in project.yaml, as "
    "`sources: {NAME: {kind: files, uri: ...}}`, and select from NAME"
)
# What DuckDB says when SQL reaches for a file, a database, an extension or a setting, for all of which it is locked.
_LOCKED = (
    "disabled by configuration", "disabled through configuration", "configuration has been locked",
    "required extension", "but it exists in the", "Secret Storage",
)  # fmt: skip
_LONGEST = 1500
_PATH = re.compile(r"Table with name \S*[/\\.]\S* does not exist")


@contextmanager
def engine(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to the scratch folder and reaches nothing that is not registered with it."""
    spill = settings.scratch_path / "spill"
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        _limit_memory(connection, settings.memory_limit)
        connection.execute(f"SET temp_directory = {quote_text(str(spill))}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def _limit_memory(connection: duckdb.DuckDBPyConnection, limit: str) -> None:
    try:
        if limit.strip().startswith("-"):
            raise duckdb.InvalidInputException("it is below zero")
        connection.execute(f"SET memory_limit = {quote_text(limit)}")
    except duckdb.Error as error:
        raise RequestError(
            f"{limit!r} is no amount of memory", where="NIGHTSHIFT_MEMORY_LIMIT", valid=["512MB", "1GB", "16GiB"],
            remedy="set it to a number with a unit",
        ) from error  # fmt: skip


def statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """What kinds of statements `sql` has, such as SELECT or COPY.

    Raises:
        duckdb.Error: it is no SQL.
    """
    try:
        return [one.type.name for one in connection.extract_statements(sql)]
    except ValueError:  # DuckDB's Python module has no name for some of the kinds that DuckDB knows
        return ["a statement of another kind"]


def refused_sql(
    error: duckdb.Error, what: str, *, where: str, remedy: str, valid: Iterable[str] = ()
) -> RequestError:
    """The error for SQL that DuckDB refuses; where it reached for something outside, with what to declare instead.

    Args:
        what: the SQL concerned, as in "DuckDB refuses `what`".
        remedy: what helps against any other mistake.
    """
    text = str(error)
    text = text if len(text) < _LONGEST else f"{text[:_LONGEST]} ..."
    if not reaches_out(error):
        return RequestError(f"DuckDB refuses {what}: {text}", where=where, valid=valid, remedy=remedy)
    return RequestError(
        f"DuckDB refuses {what}, which reaches for what is not declared: {text}", where=where, valid=valid,
        remedy=DECLARE_SOURCE,
    )  # fmt: skip


def reaches_out(error: Exception) -> bool:
    """Whether DuckDB refused because SQL reached for a file, a database, an extension or a setting."""
    text = str(error)
    return isinstance(error, duckdb.Error) and (
        any(sign in text for sign in _LOCKED) or _PATH.search(text) is not None
    )


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
