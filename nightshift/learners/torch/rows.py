"""Rows picked from float32 columns that lie on disk: no row by row, and no copy of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Places = npt.NDArray[np.integer]
Columns = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Stretch:
    """Consecutive rows of one column as they lie in memory; where `bits` are given, a 0 says that the value is null."""

    values: Columns
    bits: npt.NDArray[np.uint8] | None
    offset: int

    def take(self, places: Places) -> Columns:
        taken = self.values[places]
        if self.bits is not None:
            at = places + self.offset
            is_there = (self.bits[at >> 3] >> (at & 7).astype(np.uint8)) & 1
            taken[is_there == 0] = np.nan
        return taken


class Rows:
    """The float32 columns of a table, by the places of rows; a null is NaN."""

    def __init__(self, table: pa.Table) -> None:
        batches = [batch for batch in table.to_batches() if batch.num_rows]
        self._stretches = [[_stretch(column) for column in batch.columns] for batch in batches]
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        self.count: int = table.num_rows
        self.width: int = table.num_columns

    def gather(self, places: Places) -> Columns:
        """The rows at these ascending places, a row of the result a column: (columns, rows)."""
        found = np.empty((self.width, len(places)), dtype=np.float32)
        for stretches, local, here in self._located(places):
            for column, stretch in enumerate(stretches):
                found[column, here] = stretch.take(local)
        return found

    def column(self, column: int, places: Places) -> Columns:
        """One column at these ascending places: (rows,)."""
        found = np.empty(len(places), dtype=np.float32)
        for stretches, local, here in self._located(places):
            found[here] = stretches[column].take(local)
        return found

    def _located(self, places: Places) -> Iterator[tuple[list[_Stretch], Places, slice]]:
        """For each stretch of rows: its columns, the places within it, and where they belong in the result."""
        cuts = np.searchsorted(places, self._ends)
        begin, start = 0, 0
        for number, cut in enumerate(cuts):
            if cut > begin:
                yield self._stretches[number], places[begin:cut] - start, slice(begin, int(cut))
            begin, start = int(cut), int(self._ends[number])


def _stretch(column: pa.Array) -> _Stretch:
    validity, values = column.buffers()
    whole = np.frombuffer(values, dtype=np.float32)
    bits = np.frombuffer(validity, dtype=np.uint8) if column.null_count else None
    return _Stretch(whole[column.offset : column.offset + len(column)], bits, column.offset)
