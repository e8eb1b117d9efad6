"""One pass over rows that counts them into a layout's buckets: their profile, overall and for each segment."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from nightshift.drift.blocks import Block, as_block
from nightshift.drift.count import Count, count_of
from nightshift.drift.cut import cut
from nightshift.drift.layout import Layout
from nightshift.drift.profile import Column, Profile


def profile(rows: Iterable[Block | pa.RecordBatch], layout: Layout, *, threads: int | None = None) -> Profile:
    """Count rows into the buckets of a layout, column by column on several threads.

    Memory holds one block at a time, of `parquet_blocks` one column a thread. A column of the layout that the rows have
    not is null in all of them; columns that the layout has not are left alone. No rows at all give a profile of zeros.

    Args:
        rows: record batches, or `parquet_blocks(paths)`.
        layout: from `lay_out`, or from `layout_of` a stored profile.
        threads: default as many as Arrow uses.
    """
    names = layout.segment_names
    counts = [count_of(column, 1 + len(names)) for column in layout.columns]
    seen = np.zeros(1 + len(names), dtype=np.int64)
    with ThreadPoolExecutor(threads or pa.cpu_count()) as pool:
        for block in map(as_block, rows):
            chunks = cut(block, layout)
            # All of a block's columns are done before the next one begins: no count is added to by two threads.
            for _ in pool.map(lambda count: count.add(block, chunks), counts):  # noqa: B023
                pass
            seen[0] += block.rows
            for part in (part for chunk in chunks for part in chunk.parts):
                seen[part.present] += np.diff(np.append(part.starts, part.order.size))
    return Profile(
        rows=int(seen[0]),
        columns=_columns(counts, 0),
        segments={
            name: Profile(rows=int(seen[group]), columns=_columns(counts, group), segments={})
            for group, name in enumerate(names, start=1)
        },
    )


def _columns(counts: list[Count], group: int) -> dict[str, Column]:
    return {column.name: column for column in (count.column(group) for count in counts)}
