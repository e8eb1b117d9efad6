"""The lake: Delta tables under the store, a window of which is replaced in one commit or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from nightshift.atomic import disk_faults
from nightshift.errors import DataRefusedError, OutsideError, RequestError, TransientError
from nightshift.lake.evolve import cast_rows, evolved
from nightshift.lake.log import COLUMNS, Commit, commits
from nightshift.lake.place import lay_out
from nightshift.lake.replacement import Replacement
from nightshift.lake.stream import streamed
from nightshift.records import Window
from nightshift.settings import Settings
from nightshift.sources.delta_rows import delta_rows
from nightshift.sources.location import locate

__all__ = ["Lake", "Replacement"]

logger = logging.getLogger(__name__)

# Log clean-up would make old versions unloadable, and a model version must lead back to its rows for ever.
_CONFIGURATION: Mapping[str, str | None] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}
_LOOK_BACK = 50
# A table's statistics have no microseconds.
_CUT_OFF = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Lake:
    """The Delta tables of one project under the store."""

    root: str
    project: str

    @classmethod
    def of(cls, project: str, settings: Settings) -> Lake:
        """The lake of `project` under NIGHTSHIFT_STORE."""
        root = locate(settings.store_uri).path
        lay_out(Path(root))
        return cls(root=root, project=project)

    def uri(self, table: str) -> str:
        """Where `table` lies."""
        return f"{self.root}/lake/{self.project}/{table}"

    def version(self, table: str) -> int | None:
        """The newest version of `table`, or None when there is no such table yet."""
        handle = self._open(table)
        return None if handle is None else handle.version()

    def schema(self, table: str) -> pa.Schema | None:
        """The columns that `table` has now, or None when there is no such table yet."""
        handle = self._open(table)
        return None if handle is None else pa.schema(handle.schema().to_arrow())

    def read(self, table: str, version: int) -> ds.Dataset:
        """The rows of `table` as they were at `version`, unread.

        Raises:
            RequestError: no such table or version.
        """
        return delta_rows(self._at(table, version))

    def columns(self, table: str, version: int, window: Window, time_column: str) -> list[str]:
        """The columns that the rows of a window were written with; what the table has beside is null in them.

        Raises:
            RequestError: no such table or version.
        """
        names = list(pa.schema(self._at(table, version).schema().to_arrow()).names)
        found: set[str] = set()
        bare = [window]
        for commit in commits(self.uri(table), version):
            written = commit.window(time_column)
            if not bare or (written is None and not commit.is_housekeeping):
                break
            if written is not None and any(one.shared(written) for one in bare):
                # Before commits said it, a table had the columns of the rows that were written last.
                found |= set(commit.columns or self.read(table, commit.version).schema.names)
                bare = [rest for one in bare for rest in one.without(written)]
        return [name for name in names if name in found] or names

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
        uri = self.uri(table)
        return [str(Path(uri, file["path"])) for file in _missing(self._at(table, version), uri)]

    def replace(self, table: str, rows: pa.RecordBatchReader, change: Replacement) -> int:
        """Put `rows` in the place of the window's rows, in one commit; returns the version that holds them.

        Nothing is committed when the window's newest commit put the same rows there. Columns that are new are added,
        and types widened where no value changes by it; whatever else has changed is refused.

        Raises:
            DataRefusedError: the rows do not fit the rows that stay; the error names the column and both types.
            TransientError: another writer changed the same rows at the same time.
            OutsideError: the store cannot be written.
        """
        handle = self._open(table)
        uri = self.uri(table)
        if handle is not None and self._mend(table, handle, change):
            logger.info("lake: %s already holds these rows at version %d", table, handle.version())
            return handle.version()
        with _write_faults(uri):
            return self._write(handle, uri, rows, change)

    def rebuild(self, table: str, rows: pa.RecordBatchReader, notes: Mapping[str, str]) -> int:
        """Make all of `table` anew, in one commit: for one that is made of other tables alone. Older versions stay.

        Args:
            notes: what the commit says of itself, by name.

        Raises:
            TransientError: another writer changed the table at the same time.
            OutsideError: the store cannot be written.
        """
        handle, uri = self._open(table), self.uri(table)
        marks = {f"nightshift.{name}": value for name, value in notes.items()}
        properties = CommitProperties(custom_metadata=marks)
        with _write_faults(uri):
            if handle is None:
                return self._create(uri, rows, properties)
            with streamed(iter(rows), rows.schema) as reader:
                write_deltalake(
                    handle, reader, mode="overwrite", schema_mode="overwrite", predicate="true",
                    commit_properties=properties,
                )  # fmt: skip
            return handle.version()

    def holds(self, table: str, version: int, change: Replacement) -> bool:
        """Whether `table` at `version` holds the rows of `change`, and all their files are there."""
        newest = self.version(table)
        if newest is None or version > newest or not self._holds(table, version, change):
            return False
        gone = _missing(self._at(table, version), self.uri(table))
        return not any(_may_hold(file, change) for file in gone)

    def has_held(self, table: str, change: Replacement) -> bool:
        """Whether `change` is among what was done to `table` up to now, and the window's files are there.

        What a later commit of Nightshift has put in the place of its rows is right to be there. What another tool has
        done since, such as deleting rows or restoring a version, nobody knows: then the answer is no.
        """
        newest = self.version(table)
        if newest is None or not self._was_made(table, newest, change):
            return False
        gone = _missing(self._at(table, newest), self.uri(table))
        return not any(_may_hold(file, change) for file in gone)

    def _was_made(self, table: str, newest: int, change: Replacement) -> bool:
        for commit in commits(self.uri(table), newest):
            if change.made(commit.info):
                return True
            if not (commit.is_own or commit.is_housekeeping):
                return False
        return False

    def commits(self, table: str) -> Iterator[Commit]:
        """The commits of `table`, newest first; none of a table that is not there."""
        newest = self.version(table)
        return iter(()) if newest is None else commits(self.uri(table), newest)

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
        """Write the rows in the table's types: into the window, or with the whole table where a type is widened."""
        properties = CommitProperties(custom_metadata=change.marks | {COLUMNS: json.dumps(rows.schema.names)})
        if handle is None:
            return self._create(uri, rows, properties)
        known = pa.schema(handle.schema().to_arrow())
        kept = change.others(known)
        found = evolved(known, rows.schema, lambda name: _is_unused(handle, name, kept), uri)
        batches = cast_rows(rows, found.schema, uri)
        if found.widened:
            logger.info("lake: %s is written again, with wider %s", uri, ", ".join(found.widened))
            stay = cast_rows(delta_rows(handle).to_batches(filter=kept), found.schema, uri)
            with streamed(chain(stay, batches), found.schema) as reader:
                # The predicate makes it a conflict when another process has written since.
                write_deltalake(
                    handle, reader, mode="overwrite", schema_mode="overwrite", predicate="true",
                    commit_properties=properties,
                )  # fmt: skip
            return handle.version()
        merged: Literal["merge"] | None = "merge" if found.added else None
        with streamed(batches, found.schema) as reader:
            if change.time_column in known.names:
                write_deltalake(
                    handle, reader, mode="overwrite", schema_mode=merged, predicate=change.predicate,
                    commit_properties=properties,
                )  # fmt: skip
            else:  # no row of the table lies in a window of a column that it has not: there is nothing to replace
                write_deltalake(
                    handle, reader, mode="append", schema_mode=merged, commit_properties=properties
                )
        return handle.version()

    def _create(self, uri: str, rows: pa.RecordBatchReader, properties: CommitProperties) -> int:
        """Make the table; where another process made it meanwhile, its rows stay."""
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
        found = evolved(pa.schema([]), rows.schema, lambda _: True, uri)
        with streamed(cast_rows(rows, found.schema, uri), found.schema) as reader:
            write_deltalake(
                uri, reader, mode="error", configuration=_CONFIGURATION, commit_properties=properties
            )
        return 0

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

    def _mend(self, table: str, handle: DeltaTable, change: Replacement) -> bool:
        """Whether the window holds these rows already; files of it that are gone are struck from the table first."""
        gone = _missing(handle, self.uri(table))
        if any(_may_hold(file, change) for file in gone):
            logger.warning(
                "lake: %d files of %s are gone, such as %s: what they held of other windows is to be written again",
                len(gone), table, gone[0]["path"],
            )  # fmt: skip
            with _write_faults(self.uri(table)):
                handle.repair()
            return False
        return self._holds(table, handle.version(), change)

    def _holds(self, table: str, version: int, change: Replacement) -> bool:
        """Whether the newest commit up to `version` that touched these rows is the one that put `change` there."""
        for commit in islice(commits(self.uri(table), version), _LOOK_BACK):
            if commit.is_housekeeping:
                continue
            if change.made(commit.info):
                return True
            if not change.is_apart_from(commit.info):
                return False
        return False


def _missing(handle: DeltaTable, uri: str) -> list[dict[str, Any]]:
    """What the log says of the files that the table consists of and that are gone."""
    files: list[dict[str, Any]] = pa.table(handle.get_add_actions(flatten=True)).to_pylist()
    return [file for file in files if not Path(uri, file["path"]).is_file()]


def _may_hold(file: dict[str, Any], change: Replacement) -> bool:
    """Whether a file may hold rows of the window, as far as the log tells."""
    least, most = (file.get(f"{end}.{change.time_column}") for end in ("min", "max"))
    return (
        least is None
        or most is None
        or (least < change.window.end and most + _CUT_OFF >= change.window.start)
    )


def _is_unused(handle: DeltaTable, column: str, kept: pc.Expression) -> bool:
    """Whether a column holds nothing but nulls in the rows that stay."""
    rows = delta_rows(handle).scanner(columns=[column], filter=kept & pc.field(column).is_valid())
    return int(rows.count_rows()) == 0


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
            if "already exists" in str(error):
                raise TransientError(
                    "another process made the table at the same time", where=uri, remedy="run it again"
                ) from error
            raise _outside(error, uri) from error
        except pa.ArrowException as error:
            raise DataRefusedError(f"the rows do not fit the table: {error}", where=uri) from error


def _outside(error: DeltaError, uri: str) -> OutsideError:
    text = str(error)
    if "No space left" in text:
        remedy = "free some space, then run the same command again; nothing was changed"
    elif "Permission denied" in text or "Read-only" in text:
        remedy = "use a store that can be written: set NIGHTSHIFT_STORE or NIGHTSHIFT_HOME"
    else:
        remedy = "look at the store, then run the same command again; nothing was changed"
    return OutsideError(f"the table cannot be written: {text}", where=uri, remedy=remedy)
