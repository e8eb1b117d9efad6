"""Read a snapshot's rows back, in order, seeing only the labels that were known as of its moment."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import pyarrow as pa

from nightshift.engine import batch_rows, quote, quote_all, quote_text
from nightshift.lake.tables import Lake
from nightshift.records import Snapshot, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project


class SnapshotRows:
    """The rows of one snapshot, registered as `snapshot` on one DuckDB connection."""

    def __init__(
        self, project: Project, snapshot: Snapshot, settings: Settings, connection: duckdb.DuckDBPyConnection
    ) -> None:
        self.project = project
        self.snapshot = snapshot
        self.connection = connection
        lake = Lake.of(project.name, settings)
        table = lake.read("dataset", snapshot.version)
        # A column that the SQL no longer gives is null in the table, and none of the rows'.
        names = lake.columns("dataset", snapshot.version, snapshot.window, project.dataset.event_time)
        self.schema: pa.Schema = pa.schema([table.schema.field(name) for name in names])
        connection.register("lake_rows", table)
        label = project.label.column
        columns = [self._label() if name == label else quote(name) for name in names]
        connection.execute(f"CREATE VIEW snapshot AS SELECT {', '.join(columns)} FROM lake_rows")

    @property
    def features(self) -> list[str]:
        """The columns that the model sees."""
        return self.project.feature_columns(self.schema.names)

    def read(self, window: Window, columns: Iterable[str], *, labelled: bool = False) -> pa.RecordBatchReader:
        """`columns` (names or SQL expressions) of the window's rows, in the order (event time, key).

        Args:
            labelled: leave out the rows whose label is null or was not known yet.
        """
        dataset = self.project.dataset
        query = (
            f"SELECT {', '.join(columns)} FROM snapshot WHERE {self.condition(window, labelled=labelled)} "
            f"ORDER BY {quote(dataset.event_time)}, {quote_all(dataset.key)}"
        )
        found = self.connection.sql(query)
        return found.to_arrow_reader(batch_rows(found))

    def aggregate(
        self, window: Window, expressions: Iterable[str], *, labelled: bool = False
    ) -> tuple[object, ...]:
        """One row of aggregates over the window's rows."""
        query = (
            f"SELECT {', '.join(expressions)} FROM snapshot WHERE {self.condition(window, labelled=labelled)}"
        )
        return tuple(self.connection.sql(query).fetchall()[0])

    def condition(self, window: Window, *, labelled: bool) -> str:
        """The rows of `window`, as SQL."""
        event_time = quote(self.project.dataset.event_time)
        parts = [
            f"{event_time} >= TIMESTAMPTZ {quote_text(window.start.isoformat())}",
            f"{event_time} < TIMESTAMPTZ {quote_text(window.end.isoformat())}",
        ]
        if labelled:
            parts.append(f"{quote(self.project.label.column)} IS NOT NULL")
        return " AND ".join(parts)

    def _label(self) -> str:
        """The label, null where it was not known yet at as-of; NaN is not known either."""
        name = self.project.label.column
        label, value = quote(name), quote(name)
        if name in self.schema.names and pa.types.is_floating(self.schema.field(name).type):
            value = f"CASE WHEN NOT isnan({label}) THEN {label} END"
        known_after = self.project.label.known_after
        if known_after is None:
            return f"{value} AS {label}"
        limit = quote_text((self.snapshot.as_of - known_after).isoformat())
        event_time = quote(self.project.dataset.event_time)
        return f"CASE WHEN {event_time} <= TIMESTAMPTZ {limit} THEN {value} END AS {label}"
