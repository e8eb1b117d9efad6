"""What every kind of source can do."""

from __future__ import annotations

from typing import Protocol

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
