"""The columns that performance is looked at by, value by value, as codes and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.intp]

MOST_VALUES = 20
"""No more than these many of a column's commonest values are looked at one by one, as in an evaluation."""


@dataclass(frozen=True, eq=False)
class SliceColumn:
    """One column's values.

    Attributes:
        codes: the place of each row's value in `names`, shape (n,).
        names: the values as text, null as `None`.
    """

    codes: Codes
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: pa.ChunkedArray | pa.Array) -> SliceColumn:
        """The values of an Arrow column of any type that can be shown as text."""
        column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
        if not pa.types.is_dictionary(column.type):
            column = pc.fill_null(column.cast(pa.string()), "None").dictionary_encode()
        whole = column.combine_chunks()
        if isinstance(whole, pa.ChunkedArray):  # pyarrow gives this for a column without chunks
            return cls(np.empty(0, dtype=np.intp), ())
        codes = np.asarray(whole.indices.to_numpy(zero_copy_only=False), dtype=np.intp)
        return cls(codes, tuple(whole.dictionary.to_pylist()))

    def take(self, places: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> SliceColumn:
        """The values of some rows."""
        return SliceColumn(self.codes[places], self.names)

    def commonest(self) -> list[tuple[str, Codes]]:
        """The commonest values, each with the places of its rows in order; ties by name."""
        counts = np.bincount(self.codes, minlength=len(self.names))
        order = sorted((code for code in range(counts.size) if counts[code]), key=lambda code: (
            -counts[code], self.names[code]))[:MOST_VALUES]  # fmt: skip
        return [(self.names[code], np.flatnonzero(self.codes == code)) for code in order]


Slices = Mapping[str, SliceColumn]


def slices_of(table: pa.Table) -> dict[str, SliceColumn]:
    """The columns of a table to slice by, by name."""
    return {name: SliceColumn.of(table[name]) for name in table.column_names}


def segments_of(slices: Slices) -> Iterator[tuple[str, Codes]]:
    """`origin=JFK` and the places of its rows, for the commonest values of each column."""
    for column, values in slices.items():
        for name, places in values.commonest():
            yield f"{column}={name}", places


def taken(slices: Slices, places: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> dict[str, SliceColumn]:
    """The same columns for some rows."""
    return {name: column.take(places) for name, column in slices.items()}
