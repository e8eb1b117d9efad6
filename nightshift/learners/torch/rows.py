"""Rows picked from columns that lie on disk, float32 or images: no row by row, and no copy of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Places = npt.NDArray[np.integer]
Columns = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

NO_IMAGE = 128
"""Every pixel of an image that is missing: in the middle, as the median stands for a number that is."""


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


@dataclass(frozen=True)
class _Images:
    """Consecutive rows of a column of images as they lie in memory: (rows, bytes)."""

    pixels: Pixels
    missing: npt.NDArray[np.bool_] | None

    def take(self, places: Places) -> Pixels:
        taken = self.pixels[places]
        if self.missing is not None:
            taken[self.missing[places]] = NO_IMAGE
        return taken


class Rows:
    """The columns of a table, by the places of rows: float32, where a null is NaN, and images, apart from these.

    Attributes:
        width: the float32 columns.
        row_bytes: what a row takes, images included.
    """

    def __init__(self, table: pa.Table) -> None:
        batches = [batch for batch in table.to_batches() if batch.num_rows]
        is_image = [pa.types.is_fixed_size_binary(column.type) for column in table.schema]
        self._stretches = [
            [_stretch(column) for column, apart in zip(batch.columns, is_image, strict=True) if not apart]
            for batch in batches
        ]
        self._images = [
            [_images(column) for column, apart in zip(batch.columns, is_image, strict=True) if apart]
            for batch in batches
        ]
        self._ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
        self._image_bytes = [
            column.type.byte_width for column, apart in zip(table.schema, is_image, strict=True) if apart
        ]
        self.count: int = table.num_rows
        self.width: int = table.num_columns - sum(is_image)
        self.row_bytes: int = 4 * self.width + sum(self._image_bytes)

    def gather(self, places: Places) -> Columns:
        """The rows at these ascending places, a row of the result a column: (columns, rows)."""
        found = np.empty((self.width, len(places)), dtype=np.float32)
        for number, local, here in self._located(places):
            for column, stretch in enumerate(self._stretches[number]):
                found[column, here] = stretch.take(local)
        return found

    def images(self, places: Places) -> list[Pixels]:
        """The images at these ascending places, of each column of images (rows, bytes)."""
        found = [np.empty((len(places), width), dtype=np.uint8) for width in self._image_bytes]
        for number, local, here in self._located(places):
            for column, images in enumerate(self._images[number]):
                found[column][here] = images.take(local)
        return found

    def column(self, column: int, places: Places) -> Columns:
        """One column at these ascending places: (rows,)."""
        found = np.empty(len(places), dtype=np.float32)
        for number, local, here in self._located(places):
            found[here] = self._stretches[number][column].take(local)
        return found

    def _located(self, places: Places) -> Iterator[tuple[int, Places, slice]]:
        """For each stretch of rows: its number, the places within it, and where they belong in the result."""
        cuts = np.searchsorted(places, self._ends)
        begin, start = 0, 0
        for number, cut in enumerate(cuts):
            if cut > begin:
                yield number, places[begin:cut] - start, slice(begin, int(cut))
            begin, start = int(cut), int(self._ends[number])


def _stretch(column: pa.Array) -> _Stretch:
    validity, values = column.buffers()
    whole = np.frombuffer(values, dtype=np.float32)
    bits = np.frombuffer(validity, dtype=np.uint8) if column.null_count else None
    return _Stretch(whole[column.offset : column.offset + len(column)], bits, column.offset)


def _images(column: pa.FixedSizeBinaryArray) -> _Images:
    width = column.type.byte_width
    _, values = column.buffers()
    whole = np.frombuffer(values, dtype=np.uint8).reshape(-1, width)
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return _Images(whole[column.offset : column.offset + len(column)], missing)
