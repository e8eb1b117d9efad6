"""The dataset's query: dataset.sql bound to its sources, checked against the declaration, typed and ordered."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from nightshift.dataset.statement import PARAMETERS, Statement, read_statement
from nightshift.dataset.types import VALID, is_wide, lake_type
from nightshift.engine import batch_rows, quote, quote_all, refused_sql
from nightshift.errors import DataRefusedError, NightshiftError, RequestError, did_you_mean
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.sources.registry import located, sources_of
from nightshift.spec.project import Project


class DatasetQuery:
    """dataset.sql of one project over its open sources, on one DuckDB connection."""

    def __init__(self, project: Project, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
        self.project = project
        self.connection = connection
        self.sources = sources_of(project, settings)
        for name, source in self.sources.items():
            try:
                register(name, source.open(), connection)
            except NightshiftError as error:
                raise located(error, project, name) from error
        self.statement = self._read()

    def columns(self, window: Window) -> dict[str, str]:
        """The columns dataset.sql gives and their DuckDB types.

        Raises:
            RequestError: the SQL is broken; DuckDB's message names the line.
        """
        try:
            bound = self._bound(self.statement.text, window)
        except duckdb.Error as error:
            raise self._refused_by_duckdb(error) from error
        self._refuse_names_alike(bound.columns)
        # Of columns with one name the first counts: a join often gives its key twice.
        found = reversed(list(zip(bound.columns, (str(kind) for kind in bound.types), strict=True)))
        types = dict(found)
        return {name: types[name] for name in bound.columns}

    def rows(self, window: Window) -> pa.RecordBatchReader:
        """The window's rows, streamed in the order (event time, key); and those without an event time, null there.

        A time that is infinite is none.

        Raises:
            RequestError: the SQL is broken or lacks a declared column.
        """
        columns = self.columns(window)
        self._require(columns)
        dataset = self.project.dataset
        event_time = f"CAST({quote(dataset.event_time)} AS TIMESTAMPTZ)"
        query = (
            f"SELECT {', '.join(self._typed(name, kind) for name, kind in columns.items())}\n"
            f"FROM (\n{self.statement.text}\n)\n"
            f"WHERE ({event_time} >= $start AND {event_time} < $end) OR {event_time} IS NULL "
            f"OR NOT isfinite({event_time})\n"
            f"ORDER BY {event_time}, {quote_all(dataset.key)}"
        )
        found = self.connection.sql(query, params=_bounds(window))
        return found.to_arrow_reader(batch_rows(found))

    def count(self, window: Window) -> int:
        """How many rows the SQL gives of a window."""
        event_time = f"CAST({quote(self.project.dataset.event_time)} AS TIMESTAMPTZ)"
        query = (
            f"SELECT count(*) FROM (\n{self.statement.text}\n) "
            f"WHERE {event_time} >= $start AND {event_time} < $end"
        )
        return int(self.connection.sql(query, params=_bounds(window)).fetchall()[0][0])

    def count_dropped(self) -> int:
        """How many rows of the source with the event time have none, where the SQL itself compares it with the window.

        Such rows never come out of the SQL. Where several sources have a column of this name, nobody can tell whose it
        is.
        """
        name = self.project.dataset.event_time
        having = [
            source
            for source in self.sources
            if name in self.connection.sql(f"SELECT * FROM {quote(source)} LIMIT 0").columns
        ]
        if not self.statement.parameters or len(having) != 1:
            return 0
        query = f"SELECT count(*) FROM {quote(having[0])} WHERE {quote(name)} IS NULL"
        return int(self.connection.sql(query).fetchall()[0][0])

    def extent(self) -> tuple[str, str] | None:
        """First and last event time of all that the SQL can give."""
        event_time = f"CAST({quote(self.project.dataset.event_time)} AS TIMESTAMPTZ)"
        wide = Window(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(2200, 1, 1, tzinfo=UTC))
        query = (
            f"SELECT min({event_time})::VARCHAR, max({event_time})::VARCHAR FROM (\n{self.statement.text}\n)"
        )
        first, last = self._bound(query, wide).fetchall()[0]
        return None if first is None else (first, last)

    def misfit(self, window: Window) -> DataRefusedError | None:
        """The column with a value that its type in the lake does not hold, if there is one."""
        casts = {
            name: cast for name, kind in self.columns(window).items() if (cast := self._cast(name, kind))
        }
        if not casts:
            return None
        broken = (
            f"min({quote(name)}) FILTER (WHERE TRY_CAST({quote(name)} AS {cast}) IS NULL)::VARCHAR"
            for name, cast in casts.items()
        )
        query = f"SELECT {', '.join(broken)} FROM (\n{self.statement.text}\n)"
        try:
            found = self._bound(query, window).fetchall()[0]
        except duckdb.Error:
            return None  # the SQL itself fails on a value, and not the cast of what it gives
        for (name, cast), value in zip(casts.items(), found, strict=True):
            if value is not None:
                return DataRefusedError(
                    f"the column {name!r} has the value {value}, which its type in the lake, {cast}, does not hold",
                    where=self.where, remedy=f"cast {name!r} to DOUBLE or VARCHAR in the SQL, or leave the row out",
                )  # fmt: skip
        return None

    def _refuse_names_alike(self, names: list[str]) -> None:
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise RequestError(
                    f"the SQL gives the columns {other!r} and {name!r}, which SQL itself cannot tell apart",
                    where=self.where, remedy="give one of them another name, or leave it out",
                )  # fmt: skip

    def _read(self) -> Statement:
        try:
            return read_statement(self.project.sql_text, self.connection, self.where)
        except duckdb.Error as error:
            raise self._refused_by_duckdb(error) from error

    def _bound(self, sql: str, window: Window) -> duckdb.DuckDBPyRelation:
        bounds = _bounds(window)
        return self.connection.sql(sql, params={name: bounds[name] for name in self.statement.parameters})

    def _refused_by_duckdb(self, error: duckdb.Error) -> RequestError:
        return refused_sql(
            error, "the SQL", where=self.where, valid=sorted(self.sources),
            remedy="correct the SQL; the valid names above are its sources",
        )  # fmt: skip

    @property
    def where(self) -> str:
        """The project and its SQL, for an error."""
        return f"project {self.project.name}: {self.project.dataset.sql}"

    def _cast(self, name: str, kind: str) -> str | None:
        """The type that the column is cast to, or None where it stays as it is."""
        if name == self.project.dataset.event_time:
            return "TIMESTAMPTZ"
        label = self.project.label
        if name == label.column and label.kind == "multiclass" and is_wide(kind):
            return "VARCHAR"  # as doubles, classes that differ in their last digits would be one
        cast = lake_type(kind, is_key=name in self.project.dataset.key)
        if cast is None:
            raise RequestError(
                f"the column {name!r} has the type {kind}, which no lake column can have", where=self.where,
                valid=VALID, remedy=f"cast or unnest {name!r} in the SQL",
            )  # fmt: skip
        return None if cast == kind else cast

    def _typed(self, name: str, kind: str) -> str:
        cast = self._cast(name, kind)
        if name == self.project.dataset.event_time:
            time = f"CAST({quote(name)} AS TIMESTAMPTZ)"
            return f"CASE WHEN isfinite({time}) THEN {time} END AS {quote(name)}"
        return quote(name) if cast is None else f"CAST({quote(name)} AS {cast}) AS {quote(name)}"

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
                where=self.where,
                remedy="cast it to TIMESTAMPTZ in the SQL",
            )


def _bounds(window: Window) -> dict[str, datetime]:
    return dict(zip(PARAMETERS, (window.start, window.end), strict=True))


def register(name: str, rows: ds.Dataset, connection: duckdb.DuckDBPyConnection) -> None:
    """Make `rows` the table `name` of the connection.

    Raises:
        DataRefusedError: a column is of a type that DuckDB does not know.
    """
    try:
        connection.register(name, rows)
    except duckdb.Error as error:
        for column in rows.schema:
            with duckdb.connect() as trial:
                try:
                    trial.register("one", pa.schema([column]).empty_table())
                except duckdb.Error as unknown:
                    raise DataRefusedError(
                        f"the column {column.name!r} is a {column.type}, which DuckDB does not read",
                        remedy="write it as another type, or leave it out of the files",
                    ) from unknown
        raise DataRefusedError(
            f"DuckDB does not read the rows: {error}", remedy="write the files anew, with columns to read"
        ) from error
