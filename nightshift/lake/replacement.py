"""The rows of a window that are to be replaced, and how a commit tells that it has done so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.engine import quote, quote_text
from nightshift.lake.log import TIME
from nightshift.records import Window


@dataclass(frozen=True)
class Replacement:
    """The rows of a window that are to be replaced, and the marks that the commit carries.

    Attributes:
        window: on `time_column`, half-open.
        digest: a mark of the new rows; a window that already holds them is left alone.
        where: further equalities that the replaced rows satisfy, such as the model version.
        notes: what else the commit says of itself, by name.
    """

    window: Window
    time_column: str
    digest: str
    where: Mapping[str, str | int] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def predicate(self) -> str:
        """The rows replaced, as SQL over the table."""
        column = quote(self.time_column)
        parts = [
            f"{column} >= '{self.window.start.isoformat()}'",
            f"{column} < '{self.window.end.isoformat()}'",
        ]
        for name, value in self.where.items():
            literal = str(value) if isinstance(value, int) else quote_text(value)
            parts.append(f"{quote(name)} = {literal}")
        return " AND ".join(parts)

    def others(self, table: pa.Schema) -> pc.Expression:
        """The rows of a table with these columns that stay, null event times included."""
        if not {self.time_column, *self.where} <= set(table.names):
            return pc.scalar(True)
        kind = table.field(self.time_column).type
        if not pa.types.is_timestamp(kind):
            return pc.scalar(True)
        start, end = (
            pa.scalar(end, pa.timestamp("us", "UTC")).cast(kind)
            for end in (self.window.start, self.window.end)
        )
        replaced = (pc.field(self.time_column) >= start) & (pc.field(self.time_column) < end)
        for name, value in self.where.items():
            replaced &= pc.field(name) == value
        return ~pc.coalesce(replaced, pc.scalar(False))

    @property
    def marks(self) -> dict[str, str]:
        """What the commit says of itself."""
        return {
            "nightshift.start": self.window.start.isoformat(),
            "nightshift.end": self.window.end.isoformat(),
            "nightshift.where": json.dumps(dict(self.where), sort_keys=True),
            "nightshift.digest": self.digest,
            TIME: self.time_column,
            **self._notes,
        }

    @property
    def _notes(self) -> dict[str, str]:
        return {f"nightshift.{name}": value for name, value in self.notes.items()}

    def made(self, marks: Mapping[str, object]) -> bool:
        """Whether the commit with these marks is the one that put these rows there."""
        return all(
            marks.get(name, value if name == TIME else None) == value for name, value in self.marks.items()
        )

    def is_apart_from(self, marks: Mapping[str, object]) -> bool:
        """Whether the commit with these marks surely touched none of the rows that this one replaces."""
        if "nightshift.start" not in marks or marks.get(TIME, self.time_column) != self.time_column:
            return False
        start, end = (datetime.fromisoformat(str(marks[f"nightshift.{name}"])) for name in ("start", "end"))
        other = json.loads(str(marks["nightshift.where"]))
        return end <= self.window.start or self.window.end <= start or other != dict(self.where)
