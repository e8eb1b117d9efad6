"""dataset.sql as DuckDB itself reads it: one query, taken out of what ends it, with the parameters it really uses."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from nightshift.engine import DECLARE_SOURCE, statements
from nightshift.errors import RequestError

PARAMETERS = ("start", "end")

# MULTI is how DuckDB takes a PIVOT.
_QUERIES = ("SELECT", "MULTI")


@dataclass(frozen=True)
class Statement:
    """One query that can stand in brackets, and the names of its parameters (not those in comments and texts)."""

    text: str
    parameters: frozenset[str]


def read_statement(sql: str, connection: duckdb.DuckDBPyConnection, where: str) -> Statement:
    """The one query of `sql`.

    Raises:
        RequestError: it is no query, more than one, or has a parameter that nobody gives.
        duckdb.Error: DuckDB cannot parse it.
    """
    sql = sql.removeprefix("\ufeff")
    kinds = statements(connection, sql)
    if len(kinds) != 1 or kinds[0] not in _QUERIES:
        raise RequestError(
            f"the SQL must be one query, and is: {', '.join(kinds) or 'empty'}", where=where,
            remedy=f"write one SELECT of the dataset's rows, with WITH for what goes before. {DECLARE_SOURCE}",
        )  # fmt: skip
    parameters = frozenset(connection.extract_statements(sql)[0].named_parameters)
    unknown = sorted(parameters - set(PARAMETERS))
    if unknown:
        raise RequestError(
            f"the SQL has the parameter ${unknown[0]}, which nobody gives", where=where,
            valid=[f"${name}" for name in PARAMETERS], remedy="use the window's bounds, or write the value",
        )  # fmt: skip
    return Statement(_without_end(sql), parameters)


def _without_end(sql: str) -> str:
    """`sql` up to the semicolons and comments that follow its last word.

    >>> _without_end("select ';' as x; -- done; ;")
    "select ';' as x"
    """
    text = sql.encode()
    end = len(text)
    for place, kind in reversed(duckdb.tokenize(sql)):  # places are counted in bytes
        if kind == duckdb.token_type.comment or text[place : place + 1] == b";":
            end = place
        else:
            break
    return text[:end].decode().rstrip()
