"""Which segments the rows of a block belong to, worked out once for all columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.drift.blocks import Block
from nightshift.drift.layout import Layout
from nightshift.drift.values import Codes, texts

CHUNK_ROWS = 32_768
"""Rows counted at a time: what is computed of them stays in a processor's cache."""


@dataclass(frozen=True)
class Part:
    """The segments of one segment column in one chunk of rows.

    Attributes:
        groups: where this column's segments stand among all groups, of which group 0 is all rows.
        codes: (n,): the segment of each row, counted from 0 within `groups`; `len(groups)` for none.
        order: (m,): the rows that are in a segment, segment by segment.
        starts: (present,): where each segment begins in `order`.
        present: (present,): the groups of those segments.
    """

    groups: range
    codes: Codes
    order: Codes
    starts: Codes
    present: Codes


@dataclass(frozen=True)
class Chunk:
    """Some rows of a block, and how each segment column parts them."""

    start: int
    stop: int
    parts: tuple[Part, ...]


def cut(block: Block, layout: Layout) -> list[Chunk]:
    """Cut a block into chunks. A block without a segment column has no row in that column's segments."""
    codes: list[tuple[range, Codes]] = []
    first = 1
    for column, values in layout.segments.items():
        codes.append((range(first, first + len(values)), _codes(block, column, values)))
        first += len(values)
    chunks = []
    for start in range(0, block.rows, CHUNK_ROWS):
        stop = min(start + CHUNK_ROWS, block.rows)
        chunks.append(Chunk(start, stop, tuple(_part(groups, c[start:stop]) for groups, c in codes)))
    return chunks


def _codes(block: Block, column: str, values: tuple[str, ...]) -> Codes:
    found = block.column(column)
    if found is None:
        return np.full(block.rows, len(values), dtype=np.intp)
    numbers = {value: number for number, value in enumerate(values)}
    coded, seen = texts(found)
    # The last one is what code -1, null, leads to.
    table = [
        *(len(values) if value is None else numbers.get(value, len(values)) for value in seen),
        len(values),
    ]
    return np.array(table, dtype=np.intp)[coded]


def _part(groups: range, codes: Codes) -> Part:
    # Sorting small integers takes a third of the time.
    order = np.argsort(codes.astype(np.int16), kind="stable")
    counts = np.bincount(codes, minlength=len(groups) + 1)[: len(groups)]
    present = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[present]
    return Part(groups, codes, order[: counts.sum()], starts, present + groups.start)
