"""The lake's `audit`: every move of a model into production, one row a move, added to and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError
from nightshift.lake.tables import Lake
from nightshift.records import Record

AUDIT = "audit"

_MOMENT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("at", _MOMENT),
        ("project", pa.string()),
        ("action", pa.string()),
        ("version", pa.int32()),
        ("from_version", pa.int32()),
        ("by", pa.string()),
        ("reason", pa.string()),
        ("as_of", _MOMENT),
        ("run_id", pa.string()),
    ]
)
# What was done has to be found for ever: no clean-up of the log.
_CONFIGURATION: dict[str, str | None] = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
_ATTEMPTS = 20


class AuditEntry(Record):
    """One move of a model into production.

    Attributes:
        id: the same for the same move, however often it is written.
        at: the real clock's time when the move began, UTC.
        version, from_version: the new champion and the one before; None where there was none.
        by: `train` or `nightly`, the flow whose gate let the version pass; or the person who promoted it.
        reason: the gate's, or the person's.
        as_of, run_id: of the version's training, and its run in MLflow.
    """

    id: str
    at: datetime
    project: str
    action: Literal["promote"] = "promote"
    version: int
    from_version: int | None
    by: str
    reason: str
    as_of: datetime
    run_id: str


@dataclass(frozen=True)
class Audit:
    """The audit of one project."""

    lake: Lake

    @property
    def uri(self) -> str:
        """Where the table lies."""
        return self.lake.uri(AUDIT)

    def append(self, entry: AuditEntry) -> None:
        """Write a move down, exactly once: an entry that is there is not written again.

        Raises:
            OutsideError: the store cannot be written.
        """
        row = pa.Table.from_pylist([entry.model_dump()], schema=_SCHEMA)
        once = CommitProperties(app_transactions=[Transaction(_application(entry.id), 1)])
        with disk_faults(self.uri):
            try:
                for _ in range(_ATTEMPTS):
                    # Whether it is there is asked of the very handle that writes: another process makes it a conflict.
                    handle = self._opened()
                    if handle.transaction_version(_application(entry.id)) is not None:
                        return
                    try:
                        write_deltalake(
                            handle, row, mode="append", schema_mode="merge", commit_properties=once
                        )
                    except CommitFailedError:
                        continue
                    return
            except DeltaError as error:
                raise OutsideError(f"the audit cannot be written: {error}", where=self.uri) from error
        raise OutsideError(
            "the audit could not be written, because other processes kept writing it", where=self.uri,
            remedy="run the same command again",
        )  # fmt: skip

    def has(self, entry_id: str) -> bool:
        """Whether the move is written down."""
        return self._is_there() and self._opened().transaction_version(_application(entry_id)) is not None

    def entries(self) -> list[AuditEntry]:
        """Every move, the oldest first."""
        if not self._is_there():
            return []
        rows: list[dict[str, Any]] = self._opened().to_pyarrow_table().to_pylist()
        fields = AuditEntry.model_fields
        found = [AuditEntry(**{name: row[name] for name in fields if name in row}) for row in rows]
        return sorted(found, key=lambda one: one.at)

    def _is_there(self) -> bool:
        return Path(self.uri, "_delta_log").is_dir()

    def _opened(self) -> DeltaTable:
        if self._is_there():
            return DeltaTable(self.uri)
        Path(self.uri).parent.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(self.uri, _SCHEMA, mode="ignore", configuration=_CONFIGURATION)


def _application(entry_id: str) -> str:
    return f"nightshift.audit {entry_id}"
