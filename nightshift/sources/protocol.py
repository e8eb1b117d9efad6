"""What every kind of source can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
import pyarrow.dataset as ds

from nightshift.errors import DataRefusedError


class Source(Protocol):
    """Rows somewhere, readable in batches and with a mark that changes when they do."""

    def fingerprint(self) -> str:
        """A short text that stays the same as long as the rows do; reads no rows."""
        ...

    def open(self) -> ds.Dataset:
        """The rows, unread.

        Raises:
            RequestError: there is nothing at the declared place.
            DataRefusedError: what is there cannot be read as rows.
        """
        ...

    def fault(self) -> DataRefusedError | None:
        """Read everything and name the first file that cannot be read; None when all can."""
        ...

    def types(self) -> Iterator[tuple[str, dict[str, pa.DataType]]]:
        """Each file or table, and the types that its columns have there: says where a column's type comes from."""
        ...

    def has_types(self) -> bool:
        """Whether the types stand where the rows come from; those of text files are found in the values of a day."""
        ...
