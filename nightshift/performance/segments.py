"""The columns that performance is looked at by, value by value or band by band, as codes and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.intp]
Numbers = Mapping[str, npt.NDArray[np.float32]]

MOST_VALUES = 20
"""No more than these many of a column's commonest values are looked at one by one, as in an evaluation."""

MOST_FEATURES = 12
"""No more features than these are looked at by the estimators."""

_FIFTHS = (0.2, 0.4, 0.6, 0.8)
_HEAP = 0.1


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
            column = as_text(column).dictionary_encode()
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


def as_text(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Values as text, null as `None`: the one way, so that a holdout's segments and a window's have the same names."""
    return pc.fill_null(values.cast(pa.string()), "None")


Slices = Mapping[str, SliceColumn]


@dataclass(frozen=True, eq=False)
class Bands:
    """Numbers as columns of a few values: fifths of the reference, single values that are a tenth of it, and null.

    Attributes:
        edges: column -> inner edges between its bands, ascending, at most 8; a number on an edge is above it.
    """

    edges: Mapping[str, npt.NDArray[np.float32]]

    @classmethod
    def of(cls, numbers: Numbers) -> Bands:
        """Lay the edges at the fifths of each column's finite values.

        >>> Bands.of({"x": np.arange(11, dtype=np.float32)}).edges["x"].tolist()
        [2.0, 4.0, 6.0, 8.0]
        """
        edges = {}
        for name, values in numbers.items():
            finite = values[np.isfinite(values)]
            fifths = np.quantile(finite, _FIFTHS, method="higher") if finite.size else np.empty(0, np.float32)
            # No rain, most hours: that is a band of its own, or the rare hours with rain would be in none.
            heaped = [value for value in np.unique(fifths) if np.mean(finite == value) >= _HEAP]
            above = np.nextafter(np.array(heaped, np.float32), np.float32(np.inf))
            edges[name] = np.unique(np.concatenate([fifths, above])).astype(np.float32)
        return cls(edges)

    def apply(self, numbers: Numbers) -> dict[str, SliceColumn]:
        """The band of each number: `0` for the lowest fifth, `None` for null and NaN."""
        made = {}
        for name, edges in self.edges.items():
            if name in numbers:
                values = numbers[name]
                codes = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)
                made[name] = SliceColumn(codes, ("None", *(str(band) for band in range(edges.size + 1))))
        return made


def is_number(kind: pa.DataType) -> bool:
    """Whether a column is looked at in bands rather than value by value."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def numbers_of(table: pa.Table) -> dict[str, npt.NDArray[np.float32]]:
    """The columns of a table that are numbers, null as NaN."""
    columns = {field.name: table[field.name] for field in table.schema if is_number(field.type)}
    return {
        name: np.asarray(column.cast(pa.float64()).cast(pa.float32(), safe=False).to_numpy())
        for name, column in columns.items()
    }


def columns_to_keep(table: pa.Table, slices: Sequence[str], importance: Mapping[str, float]) -> pa.Table:
    """The columns of a holdout that a reference is worth fitting on: slices, and the dozen most important features.

    >>> table = pa.table({"origin": ["JFK"], "temp": [1.0], "id": [7]})
    >>> columns_to_keep(table, ["origin"], {"temp": 3.0}).column_names
    ['origin', 'temp']
    """
    best = sorted(importance, key=lambda name: (-importance[name], name))[:MOST_FEATURES]
    return table.select([name for name in dict.fromkeys([*slices, *best]) if name in table.column_names])


def segments_of(slices: Slices, columns: Iterable[str]) -> Iterator[tuple[str, Codes]]:
    """`origin=JFK` and the places of its rows, for the commonest values of each of `columns`."""
    for column in columns:
        if column in slices:
            for name, places in slices[column].commonest():
                yield f"{column}={name}", places


def taken(slices: Slices, places: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> dict[str, SliceColumn]:
    """The same columns for some rows."""
    return {name: column.take(places) for name, column in slices.items()}
