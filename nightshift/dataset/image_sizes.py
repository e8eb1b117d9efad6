"""How many bytes an image has: what can be summarised of a column of images without looking at them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.engine import quote


def size_of(name: str) -> str:
    """The column as the number of its bytes, as SQL."""
    return f"octet_length({quote(name)}) AS {quote(name)}"


def sizes(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """What `size_of` says, of a column that was read."""
    return pc.binary_length(column)
