"""The journal of nights: the lake's `decisions`, one row a night, and `monitoring`, one row a signal of a night."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.findings import Decision, Night, Signal
from nightshift.lake.tables import Lake, Replacement
from nightshift.locks import only_one
from nightshift.records import Record, Window
from nightshift.settings import Settings
from nightshift.spec.project import Project, digest

logger = logging.getLogger(__name__)

DECISIONS, MONITORING = "decisions", "monitoring"

_FILES = 32

_MOMENT = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.field("element", pa.string()))
_KEY = [("project", pa.string()), ("as_of", _MOMENT), ("window_start", _MOMENT), ("window_end", _MOMENT)]
_NIGHTS = pa.schema(
    [
        *_KEY,
        ("state", pa.string()),
        ("action", pa.string()),
        ("reasons", _TEXTS),
        ("causes", _TEXTS),
        ("numbers", pa.string()),
        ("champion", pa.int32()),
        ("trained", pa.int32()),
        ("promoted", pa.bool_()),
        ("rows_in", pa.int64()),
        ("rows_scored", pa.int64()),
        ("rows_quarantined", pa.int64()),
        ("rows_outside", pa.string()),
        ("waits", pa.bool_()),
        ("error", pa.string()),
        ("run_id", pa.string()),
        ("seconds", pa.float64()),
        ("finished_at", _MOMENT),
    ]
)
_SIGNALS = pa.schema(
    [
        *_KEY,
        ("champion", pa.int32()),
        ("place", pa.int32()),
        ("name", pa.string()),
        ("family", pa.string()),
        ("column", pa.string()),
        ("segment", pa.string()),
        ("value", pa.float64()),
        ("effect_floor", pa.float64()),
        ("p_value", pa.float64()),
        ("alarm", pa.bool_()),
        ("weight", pa.float64()),
        ("note", pa.string()),
    ]
)


@dataclass(frozen=True)
class Journal:
    """The nights of one project, as the lake holds them."""

    project: str
    lake: Lake
    settings: Settings

    @classmethod
    def of(cls, project: Project | str, settings: Settings) -> Journal:
        """The journal of `project` under NIGHTSHIFT_STORE; nothing is read yet."""
        name = project if isinstance(project, str) else project.name
        return cls(name, Lake.of(name, settings), settings)

    def record(self, night: Night) -> Night:
        """Write the night's row, in one commit, and return the night that the journal now holds.

        There is one row a night. A night that is done stays as it was written first; one that failed gives way.

        Raises:
            TransientError: another process writes to this journal at the moment.
            OutsideError: the store cannot be written.
        """
        with only_one("journal", self.project, self.settings):
            known = self.find(night.as_of)
            if known is not None and known.state == "done":
                logger.info("journal: the night of %s is recorded already", night.as_of.isoformat())
                return known
            row = _row_of(night)
            change = self._replacement(night.as_of, digest(row))
            self.lake.replace(DECISIONS, pa.Table.from_pylist([row], schema=_NIGHTS).to_reader(), change)
            self.lake.compact(DECISIONS, _FILES)
        return night

    def record_signals(
        self, as_of: datetime, window: Window, champion: int | None, signals: Iterable[Signal]
    ) -> None:
        """Write what was measured on the night at `as_of`, in the place of what stood there.

        Raises:
            TransientError: another process writes to this journal at the moment.
            OutsideError: the store cannot be written.
        """
        night = {
            "project": self.project, "as_of": as_of, "window_start": window.start, "window_end": window.end,
            "champion": champion,
        }  # fmt: skip
        rows = [night | {"place": place} | signal.model_dump() for place, signal in enumerate(signals)]
        with only_one("journal", self.project, self.settings):
            change = self._replacement(as_of, digest(rows))
            self.lake.replace(MONITORING, pa.Table.from_pylist(rows, schema=_SIGNALS).to_reader(), change)
            self.lake.compact(MONITORING, _FILES)

    def nights(self, before: datetime | None = None, limit: int | None = None) -> tuple[Night, ...]:
        """The nights earlier than `before`, newest first, at most `limit` of them; failed ones too."""
        rows = self._read(DECISIONS, None if before is None else pc.field("as_of") < _at(before))
        rows.sort(key=lambda row: row["as_of"], reverse=True)
        return tuple(_night_of(row) for row in rows[:limit])

    def last_done(self) -> Night | None:
        """The newest night that was done; None before the first."""
        rows = self._read(DECISIONS, pc.field("state") == "done")
        return _night_of(max(rows, key=lambda row: row["as_of"])) if rows else None

    def find(self, as_of: datetime) -> Night | None:
        """The night at `as_of`, done or failed; None when there is none."""
        rows = self._read(DECISIONS, pc.field("as_of") == _at(as_of))
        return _night_of(rows[0]) if rows else None

    def signals(self, as_of: datetime) -> tuple[Signal, ...]:
        """What was measured on the night at `as_of`, in the order in which it was written."""
        rows = self._read(MONITORING, pc.field("as_of") == _at(as_of))
        rows.sort(key=lambda row: row["place"])
        return tuple(Signal(**_known(Signal, row)) for row in rows)

    def _read(self, table: str, wanted: pc.Expression | None) -> list[dict[str, Any]]:
        version = self.lake.version(table)
        if version is None:
            return []
        rows: list[dict[str, Any]] = self.lake.read(table, version).to_table(filter=wanted).to_pylist()
        return rows

    def _replacement(self, as_of: datetime, mark: str) -> Replacement:
        """Of the one moment `as_of`."""
        moment = as_of.astimezone(UTC)
        window = Window(start=moment, end=moment + timedelta(microseconds=1))
        return Replacement(window, "as_of", mark)


def _row_of(night: Night) -> dict[str, Any]:
    decision = night.decision
    return {
        "project": night.project,
        "as_of": night.as_of,
        "window_start": night.window.start,
        "window_end": night.window.end,
        "state": night.state,
        "action": decision.action,
        "reasons": list(decision.reasons),
        "causes": list(decision.causes),
        "numbers": json.dumps(decision.numbers, sort_keys=True, allow_nan=False),
        "champion": night.champion,
        "trained": night.trained,
        "promoted": night.promoted,
        "rows_in": night.rows_in,
        "rows_scored": night.rows_scored,
        "rows_quarantined": night.rows_quarantined,
        "rows_outside": json.dumps(night.rows_outside, sort_keys=True) if night.rows_outside else None,
        "waits": night.waits,
        "error": night.error,
        "run_id": night.run_id,
        "seconds": night.seconds,
        "finished_at": night.finished_at,
    }


def _night_of(row: dict[str, Any]) -> Night:
    decision = Decision(
        action=row["action"],
        reasons=tuple(row["reasons"]),
        causes=tuple(row["causes"]),
        numbers=json.loads(row["numbers"]),
    )
    outside = row.get("rows_outside")
    return Night(
        **_known(Night, {**row, "rows_outside": None if outside is None else json.loads(outside)}),
        window=Window(start=row["window_start"], end=row["window_end"]),
        decision=decision,
    )


def _known(record: type[Record], row: dict[str, Any]) -> dict[str, Any]:
    """The row's values that the record has a field for; a column that is newer than the row leaves its default."""
    fields = record.model_fields.items()
    return {
        name: row[name]
        for name, field in fields
        if name in row and (row[name] is not None or field.is_required())
    }


def _at(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), _MOMENT)
