"""The dataset's query: dataset.sql bound to its sources, checked against the declaration, typed and ordered."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from nightshift.engine import batch_rows, quote, quote_all
from nightshift.errors import RequestError, did_you_mean
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.sources.registry import located, sources_of
from nightshift.spec.project import Project

# What DuckDB's types become in the lake. Anything that is not here has no place in a table of features.
_CASTS = {
    "HUGEINT": "DOUBLE",
    "UHUGEINT": "DOUBLE",
    "DECIMAL": "DOUBLE",
    "UTINYINT": "SMALLINT",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "BIGINT",
    "ENUM": "VARCHAR",
    "UUID": "VARCHAR",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIMESTAMP_S": "TIMESTAMPTZ",
    "TIMESTAMP_MS": "TIMESTAMPTZ",
    "TIMESTAMP_NS": "TIMESTAMPTZ",
    "NULL": "VARCHAR",
}
_KEPT = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "BLOB",
    "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ",
}  # fmt: skip


class DatasetQuery:
    """dataset.sql of one project over its open sources, on one DuckDB connection."""

    def __init__(self, project: Project, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
        self.project = project
        self.connection = connection
        self.sql = project.sql_text.strip().rstrip(";")
        self.sources = sources_of(project, settings)
        for name, source in self.sources.items():
            try:
                connection.register(name, source.open())
            except RequestError as error:
                raise located(error, project, name) from error

    def columns(self, window: Window) -> dict[str, str]:
        """The columns dataset.sql gives and their DuckDB types.

        Raises:
            RequestError: the SQL is broken; DuckDB's message names the line.
        """
        try:
            self._require_one_query()
            bound = self.connection.sql(self.sql, params=self._parameters(self.sql, window))
            return dict(zip(bound.columns, (str(kind) for kind in bound.types), strict=True))
        except duckdb.Error as error:
            raise RequestError(
                f"DuckDB refuses the SQL: {error}", where=self._where,
                valid=sorted(self.sources), remedy="correct the SQL; the valid names above are its sources",
            ) from error  # fmt: skip

    def rows(self, window: Window) -> pa.RecordBatchReader:
        """The window's rows, streamed in the order (event time, key).

        Raises:
            RequestError: the SQL is broken or lacks a declared column.
        """
        columns = self.columns(window)
        self._require(columns)
        dataset = self.project.dataset
        event_time = f"CAST({quote(dataset.event_time)} AS TIMESTAMPTZ)"
        query = (
            f"SELECT {', '.join(self._typed(name, kind) for name, kind in columns.items())}\n"
            f"FROM (\n{self.sql}\n)\n"
            f"WHERE {event_time} >= $start AND {event_time} < $end\n"
            f"ORDER BY {event_time}, {quote_all(dataset.key)}"
        )
        found = self.connection.sql(query, params=self._parameters(query, window))
        return found.to_arrow_reader(batch_rows(found))

    def extent(self) -> tuple[datetime, datetime] | None:
        """First and last event time of all that the SQL can give."""
        event_time = quote(self.project.dataset.event_time)
        wide = Window(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
        query = f"SELECT min({event_time}), max({event_time}) FROM (\n{self.sql}\n)"
        first, last = self.connection.sql(query, params=self._parameters(query, wide)).fetchall()[0]
        return None if first is None else (first, last)

    def _require_one_query(self) -> None:
        kinds = [one.type.name for one in self.connection.extract_statements(self.sql)]
        if kinds not in (["SELECT"], ["MULTI"]):  # MULTI is how DuckDB takes a PIVOT
            raise RequestError(
                f"the SQL must be one query, and is: {', '.join(kinds) or 'empty'}", where=self._where,
                remedy="write one SELECT that gives the dataset's rows, with WITH for what goes before",
            )  # fmt: skip

    @property
    def _where(self) -> str:
        return f"project {self.project.name}: {self.project.dataset.sql}"

    def _parameters(self, sql: str, window: Window) -> dict[str, datetime]:
        values = {"start": window.start, "end": window.end}
        return {name: value for name, value in values.items() if re.search(rf"\${name}\b", sql)}

    def _typed(self, name: str, kind: str) -> str:
        base = re.sub(r"\(.*\)$", "", kind, flags=re.DOTALL).strip('"')
        if name == self.project.dataset.event_time:
            return f"CAST({quote(name)} AS TIMESTAMPTZ) AS {quote(name)}"
        if base in _KEPT and not kind.endswith("[]"):
            return quote(name)
        cast = _CASTS.get(base) if not kind.endswith("]") else None
        if cast is None:
            raise RequestError(
                f"the column {name!r} has the type {kind}, which no lake column can have", where=self._where,
                valid=["numbers", "text", "booleans", "dates", "timestamps"],
                remedy=f"cast or unnest {name!r} in the SQL",
            )  # fmt: skip
        return f"CAST({quote(name)} AS {cast}) AS {quote(name)}"

    def _require(self, columns: dict[str, str]) -> None:
        """Every column that project.yaml speaks of is one that the SQL gives."""
        dataset = self.project.dataset
        wanted = {
            "dataset.key": dataset.key,
            "dataset.event_time": (dataset.event_time,),
            "dataset.label.column": (dataset.label.column,),
            "dataset.exclude": dataset.exclude,
            "dataset.weight": (dataset.weight,) if dataset.weight else (),
            "dataset.units": tuple(dataset.units),
            "evaluate.slices": self.project.evaluate.slices,
        }
        for role, names in wanted.items():
            for name in names:
                if name not in columns:
                    raise RequestError(
                        f"{role} names the column {name!r}, which {dataset.sql} does not give",
                        where=f"project {self.project.name}: {role}",
                        valid=list(columns),
                        remedy=did_you_mean(name, columns) or f"add the column to {dataset.sql}",
                    )
        kind = columns[dataset.event_time]
        if not kind.startswith(("TIMESTAMP", "DATE")):
            raise RequestError(
                f"dataset.event_time {dataset.event_time!r} has the type {kind}, not a time",
                where=self._where,
                remedy="cast it to TIMESTAMPTZ in the SQL",
            )
