"""The counts of one column while a pass goes on: for all rows, and for each segment."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nightshift.drift.blocks import Block
from nightshift.drift.buckets import Bucketer, Buckets
from nightshift.drift.cut import Chunk, Part
from nightshift.drift.layout import CategoryLayout, ColumnLayout, NumericLayout
from nightshift.drift.marks import holds
from nightshift.drift.moments import Moments
from nightshift.drift.profile import CategoryColumn, Column, Counts, Floats, NumericColumn
from nightshift.drift.values import Codes, numbers, texts

_MOST_REMEMBERED = 200_000


class Count(Protocol):
    """What a pass gathers of one column."""

    def add(self, block: Block, chunks: list[Chunk]) -> None:
        """Count the column's values in a block."""
        ...

    def column(self, group: int) -> Column:
        """What was counted: of all rows (group 0), or of a segment."""
        ...


def count_of(layout: ColumnLayout, groups: int) -> Count:
    """An empty count of a column for so many groups, all rows being one of them."""
    if isinstance(layout, NumericLayout):
        return NumericCount(layout, groups)
    return CategoryCount(layout, groups)


class NumericCount:
    """Counts, sums and moments of a column of numbers; the last bucket holds nulls and NaN."""

    def __init__(self, layout: NumericLayout, groups: int) -> None:
        self.layout = layout
        self.bucketer = Bucketer(layout.edges)
        self.width = self.bucketer.null + 1
        self.counts = np.zeros((groups, self.width), dtype=np.int64)
        self.sums = np.zeros((groups, self.width))
        self.infinite = np.zeros(groups, dtype=np.int64)
        self.moments = Moments(groups, self.bucketer.middle)

    def add(self, block: Block, chunks: list[Chunk]) -> None:
        """Count the column's values in a block."""
        found = block.column(self.layout.name)
        values = np.full(block.rows, np.nan) if found is None else numbers(found, self.layout.name)
        if np.isinf(values).any():
            values = self._set_apart(values, chunks)
        # What is too large to be squared or added up counts as infinite in the moments and sums, and is no fault.
        with np.errstate(over="ignore", invalid="ignore"):
            for chunk in chunks:
                self._add(values[chunk.start : chunk.stop], chunk)

    def column(self, group: int) -> NumericColumn:
        """What was counted: in the layout's own bins for all rows, in fewer for a segment."""
        edges, last = self.layout.edges, self.bucketer.bins
        counts, sums = self.counts[group, :-1], self.sums[group, :-1]
        if group:
            kept = self.layout.kept
            firsts = np.concatenate(([0], kept[:-1] + 1, [last + 1]))
            edges = edges[kept]
            counts, sums = np.add.reduceat(counts, firsts), np.add.reduceat(sums, firsts)
        return NumericColumn(
            name=self.layout.name,
            role=self.layout.role,
            edges=edges,
            counts=counts,
            sums=sums,
            nulls=int(self.counts[group, -1]),
            infinite=int(self.infinite[group]),
            mean=float(self.moments.mean[group]),
            m2=float(self.moments.m2[group]),
            minimum=float(self.moments.minimum[group]),
            maximum=float(self.moments.maximum[group]),
        )

    def _add(self, values: Floats, chunk: Chunk) -> None:
        found, away = self.bucketer.find(values)
        counts = np.bincount(found, minlength=self.width)
        self.counts[0] += counts
        self.sums[0, :-1] += np.bincount(found, weights=values, minlength=self.width)[:-1]
        if counts[-1]:
            away[found == self.bucketer.null] = 0.0
        self.moments.add(counts[:-1].sum(), values, away)
        for part in chunk.parts:
            self._add_part(part, values, found, away)

    def _add_part(self, part: Part, values: Floats, found: Buckets, away: Floats) -> None:
        shape = (len(part.groups) + 1, self.width)
        cells = part.codes * self.width + found
        size = shape[0] * shape[1]
        counts = np.bincount(cells, minlength=size).reshape(shape)[:-1]
        sums = np.bincount(cells, weights=values, minlength=size).reshape(shape)[:-1]
        groups = slice(part.groups.start, part.groups.stop)
        self.counts[groups] += counts
        self.sums[groups, :-1] += sums[:, :-1]
        self.moments.add_parts(part, counts[:, :-1].sum(axis=1), values, away)

    def _set_apart(self, values: Floats, chunks: list[Chunk]) -> Floats:
        """Count infinite values in the outer buckets, and give the others, with NaN in their place.

        NaN is counted as null later on, so that much is taken off beforehand.
        """
        for chunk in chunks:
            some = values[chunk.start : chunk.stop]
            for sign, bucket in ((-np.inf, 0), (np.inf, self.bucketer.bins + 1)):
                is_it = some == sign
                self._move(slice(0, 1), np.array([is_it.sum()]), bucket)
                for part in chunk.parts:
                    size = len(part.groups)
                    counts = np.bincount(part.codes[is_it], minlength=size + 1)[:size]
                    self._move(slice(part.groups.start, part.groups.stop), counts, bucket)
        return np.where(np.isinf(values), np.nan, values)

    def _move(self, groups: slice, counts: Counts, bucket: int) -> None:
        self.counts[groups, bucket] += counts
        self.counts[groups, -1] -= counts
        self.infinite[groups] += counts


class CategoryCount:
    """Counts of a column of categories; the last three buckets hold other, new and null values."""

    def __init__(self, layout: CategoryLayout, groups: int) -> None:
        self.layout = layout
        self.other = len(layout.values)
        self.width = self.other + 3
        self.counts = np.zeros((groups, self.width), dtype=np.int64)
        self._own = {value: number for number, value in enumerate(layout.values)}
        self._bucket = dict(self._own)

    def add(self, block: Block, chunks: list[Chunk]) -> None:
        """Count the column's values in a block."""
        column = block.column(self.layout.name)
        if column is None:
            found = np.full(block.rows, self.width - 1, dtype=np.intp)
        else:
            codes, values = texts(column)
            found = self._buckets(values)[codes]
        for chunk in chunks:
            some = found[chunk.start : chunk.stop]
            self.counts[0] += np.bincount(some, minlength=self.width)
            for part in chunk.parts:
                shape = (len(part.groups) + 1, self.width)
                cells = np.bincount(part.codes * self.width + some, minlength=shape[0] * shape[1])
                self.counts[part.groups.start : part.groups.stop] += cells.reshape(shape)[:-1]

    def column(self, group: int) -> CategoryColumn:
        """What was counted: for each of the layout's values, or for fewer of them in a segment."""
        kept = self.layout.kept if group else self.other
        counts = self.counts[group]
        return CategoryColumn(
            name=self.layout.name,
            role=self.layout.role,
            values=self.layout.values[:kept],
            counts=np.concatenate(
                (counts[:kept], [counts[kept : self.other + 1].sum(), counts[self.other + 1]])
            ),
            nulls=int(counts[-1]),
            known=b"" if group else self.layout.known,
        )

    def _buckets(self, values: list[str | None]) -> Codes:
        """The bucket of each of a block's values, and last the one for null."""
        strangers = [value for value in values if value is not None and value not in self._bucket]
        if strangers:
            if len(self._bucket) > _MOST_REMEMBERED:
                self._bucket = dict(self._own)
                strangers = [value for value in values if value is not None and value not in self._bucket]
            new = ~holds(self.layout.known, strangers)
            self._bucket.update(zip(strangers, (self.other + new).tolist(), strict=True))
        null = self.width - 1
        found = [null if value is None else self._bucket[value] for value in values]
        return np.array([*found, null], dtype=np.intp)
