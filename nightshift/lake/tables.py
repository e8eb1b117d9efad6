"""The lake: Delta tables under the store, a window of which is replaced in one commit or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from nightshift.atomic import disk_faults
from nightshift.engine import quote, quote_text
from nightshift.errors import DataRefusedError, OutsideError, RequestError, TransientError
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.sources.location import locate

logger = logging.getLogger(__name__)

# Log clean-up would make old versions unloadable, and a model version must lead back to its rows for ever.
_CONFIGURATION: Mapping[str, str | None] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
_LOOK_BACK = 50
# Commits after which the table has the rows that it had before.
_HOUSEKEEPING = ("VACUUM START", "VACUUM END", "OPTIMIZE")


@dataclass(frozen=True)
class Replacement:
    """The rows of a window that are to be replaced, and the marks that the commit carries.

    Attributes:
        window: on `time_column`, half-open.
        digest: a mark of the new rows; a window that already holds them is left alone.
        where: further equalities that the replaced rows satisfy, such as the model version.
        keeps_rows: a table whose columns changed keeps its rows, with nulls in the new ones, instead of starting anew.
    """

    window: Window
    time_column: str
    digest: str
    where: Mapping[str, str | int] = field(default_factory=dict)
    keeps_rows: bool = False

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

    @property
    def marks(self) -> dict[str, str]:
        """What the commit says of itself."""
        return {
            "nightshift.start": self.window.start.isoformat(),
            "nightshift.end": self.window.end.isoformat(),
            "nightshift.where": json.dumps(dict(self.where), sort_keys=True),
            "nightshift.digest": self.digest,
        }

    def is_apart_from(self, marks: Mapping[str, object]) -> bool:
        """Whether the commit with these marks surely touched none of the rows that this one replaces."""
        if "nightshift.start" not in marks:
            return False
        start, end = (datetime.fromisoformat(str(marks[f"nightshift.{name}"])) for name in ("start", "end"))
        other = json.loads(str(marks["nightshift.where"]))
        return end <= self.window.start or self.window.end <= start or other != dict(self.where)


@dataclass(frozen=True)
class Lake:
    """The Delta tables of one project under the store."""

    root: str
    project: str

    @classmethod
    def of(cls, project: str, settings: Settings) -> Lake:
        """The lake of `project` under NIGHTSHIFT_STORE."""
        return cls(root=locate(settings.store_uri).path, project=project)

    def uri(self, table: str) -> str:
        """Where `table` lies."""
        return f"{self.root}/lake/{self.project}/{table}"

    def version(self, table: str) -> int | None:
        """The newest version of `table`, or None when there is no such table yet."""
        handle = self._open(table)
        return None if handle is None else handle.version()

    def read(self, table: str, version: int) -> ds.Dataset:
        """The rows of `table` as they were at `version`, unread.

        Raises:
            RequestError: no such table or version.
        """
        return self._at(table, version).to_pyarrow_dataset()

    def _at(self, table: str, version: int) -> DeltaTable:
        handle = self._open(table, version)
        if handle is None:
            raise RequestError(
                f"there is no version {version} of the table {table!r}", where=self.uri(table),
                remedy=f"make it with `nightshift ingest {self.project}`",
            )  # fmt: skip
        return handle

    def missing(self, table: str, version: int) -> list[str]:
        """The files that `table` consisted of at `version`, and that are gone.

        Raises:
            RequestError: no such table or version.
        """
        return [file for file in self._at(table, version).file_uris() if not Path(file).is_file()]

    def replace(self, table: str, rows: pa.RecordBatchReader, change: Replacement) -> int:
        """Put `rows` in the place of the window's rows, in one commit; returns the version that holds them.

        Nothing is committed when the window's newest commit put the same rows there.

        Raises:
            DataRefusedError: a row is not of the table's types.
            TransientError: another writer changed the same rows at the same time.
            OutsideError: the store cannot be written.
        """
        handle = self._open(table)
        if handle is not None and self._holds(handle, change):
            logger.info("lake: %s already holds these rows at version %d", table, handle.version())
            return handle.version()
        uri = self.uri(table)
        with _write_faults(uri):
            return self._write(handle, uri, rows, change)

    def compact(self, table: str, files: int) -> None:
        """Merge the files of `table` when it has more than `files`, in one commit; its rows stay the same.

        A table that gets a few rows a night would else take longer to open every night.

        Raises:
            TransientError: another writer changed the table at the same time.
            OutsideError: the store cannot be written.
        """
        handle = self._open(table)
        if handle is None or len(handle.file_uris()) <= files:
            return
        with _write_faults(self.uri(table)):
            handle.optimize.compact()
            handle.create_checkpoint()

    def _write(
        self, handle: DeltaTable | None, uri: str, rows: pa.RecordBatchReader, change: Replacement
    ) -> int:
        properties = CommitProperties(custom_metadata=change.marks)
        if handle is None:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            write_deltalake(
                uri, rows, mode="overwrite", configuration=_CONFIGURATION, commit_properties=properties
            )
            return DeltaTable(uri).version()
        has_new_columns = _columns(pa.schema(handle.schema().to_arrow())) != _columns(rows.schema)
        if has_new_columns and change.keeps_rows:
            write_deltalake(
                handle, rows, mode="overwrite", schema_mode="merge", predicate=change.predicate,
                commit_properties=properties,
            )  # fmt: skip
        elif has_new_columns:
            logger.warning(
                "lake: the columns of %s changed; it starts anew, older versions stay readable", uri
            )
            write_deltalake(
                handle, rows, mode="overwrite", schema_mode="overwrite", commit_properties=properties
            )
        else:
            write_deltalake(
                handle, rows, mode="overwrite", predicate=change.predicate, commit_properties=properties
            )
        return handle.version()

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        uri = self.uri(table)
        if not Path(uri, "_delta_log").is_dir():
            return None
        try:
            return DeltaTable(uri, version=version)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            if version is not None and version > (self.version(table) or 0):
                return None
            raise OutsideError(f"the table cannot be opened: {error}", where=uri) from error

    def _holds(self, handle: DeltaTable, change: Replacement) -> bool:
        """Whether the newest commit that touched these rows is the one that put `change` there."""
        for commit in handle.history(_LOOK_BACK):
            if commit.get("operation") in _HOUSEKEEPING:
                continue
            if change.marks.items() <= commit.items():
                return True
            if not change.is_apart_from(commit):
                return False
        return False


@contextmanager
def _write_faults(uri: str) -> Iterator[None]:
    """Tell a failed write in our words."""
    with disk_faults(uri):
        try:
            yield
        except CommitFailedError as error:
            raise TransientError(
                f"another process changed the same rows: {error}", where=uri, remedy="run it again"
            ) from error
        except DeltaError as error:
            raise _outside(error, uri) from error
        except pa.ArrowException as error:
            raise DataRefusedError(f"the rows do not fit the table: {error}", where=uri) from error


def _columns(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _outside(error: DeltaError, uri: str) -> OutsideError:
    text = str(error)
    if "No space left" in text:
        remedy = "free some space, then run the same command again; nothing was changed"
    elif "Permission denied" in text or "Read-only" in text:
        remedy = "use a store that can be written: set NIGHTSHIFT_STORE or NIGHTSHIFT_HOME"
    else:
        remedy = "look at the store, then run the same command again; nothing was changed"
    return OutsideError(f"the table cannot be written: {text}", where=uri, remedy=remedy)
