"""Rows on their way into a table: what goes wrong with them comes out as it went in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from nightshift.errors import NightshiftError


@contextmanager
def streamed(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatchReader]:
    """The batches as a reader that may be handed to the writer of a table.

    An error of ours among them would come out of Arrow's C stream as a text without its kind: the block raises it
    again as it was.
    """
    raised: list[NightshiftError] = []

    def guarded() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except NightshiftError as error:
            raised.append(error)
            raise

    try:
        yield pa.RecordBatchReader.from_batches(schema, guarded())
    finally:
        if raised:
            raise raised[0]
