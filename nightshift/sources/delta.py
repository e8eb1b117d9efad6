"""Rows in a Delta table."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from nightshift.errors import DataRefusedError, OutsideError, RequestError
from nightshift.sources.location import locate
from nightshift.spec.project import DeltaSource


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
        """The table's id and version."""
        table = self._table()
        return f"{table.metadata().id}@{table.version()}"

    def open(self) -> ds.Dataset:
        """The table's rows at its version."""
        return self._table().to_pyarrow_dataset()

    def fault(self) -> DataRefusedError | None:
        """Read every file of the table and name the first that cannot be read."""
        for fragment in self.open().get_fragments():
            try:
                for _ in fragment.to_batches():
                    pass
            except (pa.ArrowException, OSError) as error:
                return DataRefusedError(
                    f"a file of the table cannot be read: {error}", where=f"{self.uri}/{fragment.path}",
                    remedy="restore the file, or the table to an older version; nothing was changed",
                )  # fmt: skip
        return None

    def _table(self) -> DeltaTable:
        try:
            return DeltaTable(self.uri, version=self.version)
        except TableNotFoundError as error:
            raise RequestError(
                "there is no Delta table here", where=self.uri, remedy="correct the source's uri"
            ) from error
        except DeltaError as error:
            if self.version is not None and self.version > DeltaTable(self.uri).version():
                raise RequestError(
                    f"the Delta table has no version {self.version}", where=self.uri,
                    remedy="declare a version that exists, or none for the newest",
                ) from error  # fmt: skip
            raise OutsideError(f"the Delta table cannot be opened: {error}", where=self.uri) from error
