"""Rows in a Delta table of somebody else's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.table import MAX_SUPPORTED_READER_VERSION, SUPPORTED_READER_FEATURES

from nightshift.errors import DataRefusedError, RequestError
from nightshift.sources.addressable import readable_path
from nightshift.sources.delta_rows import delta_rows
from nightshift.sources.location import locate
from nightshift.spec.project import DeltaSource

_TAKE_AWAY = (
    "write the table without it (Delta's `ALTER TABLE ... DROP FEATURE`), or export it as Parquet files"
)


@dataclass(frozen=True)
class Delta:
    """A Delta table, at its newest version or at a fixed one."""

    uri: str
    version: int | None

    @classmethod
    def declared(cls, spec: DeltaSource, uri: str) -> Delta:
        """The source that `spec` declares, with `uri` already expanded."""
        return cls(uri=locate(uri).path, version=spec.version)

    def fingerprint(self) -> str:
        """The table's id, version and commit: a table taken back and written again has the first two in common."""
        table = self._table()
        commit = self._log / f"{table.version():020}.json"
        # Old commits are cleaned away once a checkpoint holds what they said.
        digest = hashlib.sha256(commit.read_bytes()).hexdigest() if commit.is_file() else ""
        return f"{table.metadata().id}@{table.version()}:{digest}"

    def open(self) -> ds.Dataset:
        """The table's rows at its version."""
        try:
            return delta_rows(self._table())
        except (DeltaError, pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def fault(self) -> DataRefusedError | None:
        """Read every file of the table and name the first that cannot be read."""
        for fragment in self.open().get_fragments():
            try:
                for _ in fragment.to_batches():
                    pass
            except (pa.ArrowException, OSError) as error:
                return DataRefusedError(
                    f"a file of the table cannot be read: {_first_line(error)}", where=f"{self.uri}/{fragment.path}",
                    remedy="restore the file, or the table to an older version; nothing was changed",
                )  # fmt: skip
        return None

    def types(self) -> Iterator[tuple[str, dict[str, pa.DataType]]]:
        """The table, and the types of its columns."""
        yield self.uri, {column.name: column.type for column in self.open().schema}

    def has_types(self) -> bool:
        """Whether the types stand where the rows come from: yes."""
        return True

    @property
    def _log(self) -> Path:
        return Path(self.uri, "_delta_log")

    def _table(self) -> DeltaTable:
        """The table at its version, with nothing in it that would be read wrongly.

        Raises:
            RequestError: there is no such table or version.
            DataRefusedError: the log is broken, or asks for what cannot be read here.
        """
        if not self._log.is_dir():
            raise RequestError(
                "there is no Delta table here", where=self.uri, remedy="correct the source's uri"
            )
        # delta-rs looks for each of the commits up to the one asked for, and of a wild number without end.
        newest = max((int(path.name[:20]) for path in self._log.glob("[0-9]" * 20 + ".*")), default=0)
        if self.version is not None and self.version > newest:
            raise RequestError(
                f"the Delta table has no version {self.version}", where=self.uri,
                remedy=f"declare a version up to {newest}, or none for the newest",
            )  # fmt: skip
        try:
            table = DeltaTable(readable_path(Path(self.uri)), version=self.version)
        except (DeltaError, OSError) as error:
            raise self._not_opened(error) from error
        self._require_readable(table)
        return table

    def _not_opened(self, error: Exception) -> RequestError | DataRefusedError:
        """What it means that the table cannot be opened at its version."""
        if self.version is not None:
            newest = Delta(self.uri, None)._table().version()  # or the error of the table as a whole
            return RequestError(
                f"the Delta table has no version {self.version}: {_first_line(error)}", where=self.uri,
                remedy=f"declare a version up to {newest} whose files are still there, or none for the newest",
            )  # fmt: skip
        if isinstance(error, TableNotFoundError):
            return RequestError(
                "there is no Delta table here: its log is empty", where=self.uri,
                remedy="correct the source's uri, or write the table",
            )  # fmt: skip
        return self._unreadable(error)

    def _require_readable(self, table: DeltaTable) -> None:
        protocol = table.protocol()
        unknown = set(protocol.reader_features or ()) - SUPPORTED_READER_FEATURES
        # Before features had names the second reader version stood for this one; read without it, columns are null.
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            unknown.add("columnMapping")
        if unknown:
            raise DataRefusedError(
                f"the Delta table needs what cannot be read here: {', '.join(sorted(unknown))}", where=self.uri,
                valid=sorted(SUPPORTED_READER_FEATURES), remedy=_TAKE_AWAY,
            )  # fmt: skip
        if protocol.min_reader_version > MAX_SUPPORTED_READER_VERSION:
            raise DataRefusedError(
                f"the Delta table needs reader version {protocol.min_reader_version}", where=self.uri,
                valid=[f"up to {MAX_SUPPORTED_READER_VERSION}"], remedy=_TAKE_AWAY,
            )  # fmt: skip
        empty = [path for path in self._log.glob("*.json") if path.stat().st_size == 0]
        if empty:
            raise DataRefusedError(
                "a commit of the Delta table is an empty file", where=str(min(empty)),
                remedy="restore the file, or the table to the version before it",
            )  # fmt: skip

    def _unreadable(self, error: Exception) -> DataRefusedError:
        said = _first_line(error)
        unsupported = "nsupported" in said or "not supported" in said or "required" in said
        return DataRefusedError(
            f"the Delta table cannot be opened: {said}", where=self.uri,
            remedy=_TAKE_AWAY if unsupported else "restore the table's log (_delta_log), or write the table anew",
        )  # fmt: skip


def _first_line(error: Exception) -> str:
    """What an error says, without the colours and the trace that come from another language's library."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return plain.splitlines()[0].strip() if plain.strip() else type(error).__name__
