"""What float32, which models see numbers as, cannot hold: one rule, wherever a number becomes one.

A finite number beyond its range is like an infinite one: the greatest there is, or the least. A number closer to 0 than
any float32 is 0. `quality.beyond_float32: quarantine` refuses the row of such a feature instead; labels and weights,
which a sum is made of, are refused always.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

BEYOND = float(2**128 - 2**103)
"""The least number that float32 rounds to infinity: half a step above the greatest that it has."""


def fits(column: str) -> str:
    """Whether a number is within the range, as SQL; what is infinite, NaN or null by itself is no matter of range."""
    return f"(NOT isfinite({column}::DOUBLE) OR abs({column}::DOUBLE) < {BEYOND!r})"


def count_beyond(column: pa.Array | pa.ChunkedArray, rounded: pa.Array | pa.ChunkedArray) -> int:
    """How many finite values of a column became infinite where it was `rounded` to float32."""
    if not pa.types.is_float64(column.type):
        return 0
    infinite = pc.sum(pc.is_inf(rounded)).as_py() or 0
    return infinite - (pc.sum(pc.is_inf(column)).as_py() or 0) if infinite else 0
