"""Where the buckets of each column lie: laid once on the reference, used for every window measured against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from nightshift.drift.blocks import Block, as_block
from nightshift.drift.profile import CategoryColumn, Floats, NumericColumn, Profile, Role
from nightshift.drift.tally import Sample, Tally
from nightshift.drift.values import Codes, kind_of, numbers, texts
from nightshift.errors import DataRefusedError, RequestError

BINS = 64
"""Quantile bins of a column over all rows."""
SEGMENT_BINS = 8
"""Bins of a column within a segment; their edges are among the column's own."""
VALUES = 50
"""The commonest values of a category that have a bucket each."""
SEGMENT_VALUES = 10
"""The same within a segment."""
SEGMENTS = 20
"""The commonest values of a segment column that are a segment each."""
MARK_BITS = 160_000
"""What the marks of all columns' other values may take together."""


@dataclass(frozen=True)
class NumericLayout:
    """Edges of a column's bins.

    Attributes:
        edges: (bins + 1,) ascending, see `NumericColumn`.
        kept: which of `edges` bound the bins within segments; the first and the last are among them.
    """

    name: str
    role: Role
    edges: Floats
    kept: Codes


@dataclass(frozen=True)
class CategoryLayout:
    """Values of a column that have a bucket each.

    Attributes:
        values: the reference's commonest, see `CategoryColumn`.
        kept: how many of `values`, from the first, have a bucket within segments.
        known: marks of the reference's other values.
    """

    name: str
    role: Role
    values: tuple[str, ...]
    kept: int
    known: bytes


ColumnLayout = NumericLayout | CategoryLayout


@dataclass(frozen=True)
class Layout:
    """The buckets of every column, and the segments.

    Attributes:
        columns: features by name, then scores and labels.
        segments: segment column -> its values that are a segment each, commonest first.
    """

    columns: tuple[ColumnLayout, ...]
    segments: Mapping[str, tuple[str, ...]]

    @property
    def segment_names(self) -> list[str]:
        """`origin=JFK`, column by column, commonest first."""
        return [f"{column}={value}" for column, values in self.segments.items() for value in values]


def lay_out(
    reference: Iterable[Block | pa.RecordBatch],
    roles: Mapping[str, Role],
    segments: Iterable[str] = (),
    *,
    seed: int = 0,
) -> Layout:
    """Lay buckets on the reference in one pass, in memory that does not grow with its rows.

    Quantiles are those of 65,536 rows drawn without replacement: 1/64 of the rows is met to about 3 % of it. The least
    and the greatest value are exact. A value that fills more than one bin, and each value of a column with up to 64
    different ones, has a bin of its own. The commonest values are exact up to 200,000 different ones a column.

    Args:
        reference: its rows: record batches, or `parquet_blocks(paths)`.
        roles: what each column is for; columns without a role are left out.
        segments: columns whose 20 commonest values are a segment each.
        seed: of the draw. The same rows and seed give the same layout, however the rows are cut into blocks.

    Raises:
        DataRefusedError: the reference has no rows.
        RequestError: a column is not in the reference, has no profile, or its name cannot mark a segment.
    """
    drafts = _Drafts(roles, _checked(segments), Sample(seed))
    for rows in reference:
        drafts.add(as_block(rows))
    if drafts.rows == 0:
        raise DataRefusedError(
            "the reference has no rows: there is nothing to measure drift against",
            remedy="take a longer window",
        )
    return drafts.layout()


def layout_of(profile: Profile) -> Layout:
    """The layout that a profile was made with: all that is needed to profile a window like it."""
    segments: dict[str, list[str]] = {}
    for name in profile.segments:
        column, _, value = name.partition("=")
        segments.setdefault(column, []).append(value)
    some = next(iter(profile.segments.values()), None)
    columns: list[ColumnLayout] = []
    for name, column_ in profile.columns.items():
        within = some.columns[name] if some else column_
        if isinstance(column_, NumericColumn) and isinstance(within, NumericColumn):
            kept = np.searchsorted(column_.edges, within.edges)
            columns.append(NumericLayout(name, column_.role, column_.edges, kept))
        elif isinstance(column_, CategoryColumn) and isinstance(within, CategoryColumn):
            kept_values = len(within.values)
            columns.append(CategoryLayout(name, column_.role, column_.values, kept_values, column_.known))
    return Layout(tuple(columns), {column: tuple(values) for column, values in segments.items()})


@dataclass
class _Drafts:
    """What is known of the reference's columns so far."""

    roles: Mapping[str, Role]
    segmented: tuple[str, ...]
    sample: Sample
    rows: int = 0
    numeric: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        drawn = self.sample.draw(block.rows)
        # One column at a time is asked for: a block may be a row group of millions of rows.
        for name in dict.fromkeys([*self.roles, *self.segmented]):
            column = _present(block, name)
            if not self.rows:
                self._begin(name, column)
            if name in self.numeric:
                self.sample.put(name, numbers(column, name), drawn)
            if name in self.tallies:
                self.tallies[name].add(*texts(column))
        self.sample.prune()
        self.rows += block.rows

    def _begin(self, name: str, column: pa.Array) -> None:
        if name in self.roles and kind_of(column, name) == "number":
            self.numeric.add(name)
        if name not in self.numeric or name in self.segmented:
            self.tallies.setdefault(name, Tally())

    def layout(self) -> Layout:
        order: dict[Role, int] = {"feature": 0, "score": 1, "label": 2}
        names = sorted(self.roles, key=lambda name: (order[self.roles[name]], name))
        bits = self._shared_bits()
        columns = [
            self._numeric(name) if name in self.numeric else self._category(name, bits[name])
            for name in names
        ]
        return Layout(
            tuple(columns), {name: self.tallies[name].commonest(SEGMENTS) for name in self.segmented}
        )

    def _numeric(self, name: str) -> NumericLayout:
        values = self.sample.values(name)
        edges = quantile_edges(values, *self.sample.ends(name), BINS)
        last = edges.size - 1
        kept = np.array([0, last])
        if values.size:
            inner = np.quantile(values, np.linspace(0, 1, SEGMENT_BINS + 1)[1:-1], method="inverted_cdf")
            kept = np.unique(np.append(kept, np.searchsorted(edges, inner).clip(0, last)))
        return NumericLayout(name, self.roles[name], edges, kept)

    def _category(self, name: str, bits: int) -> CategoryLayout:
        tally = self.tallies[name]
        values = tally.commonest(VALUES)
        known = tally.marks(values, bits) if bits else b""
        return CategoryLayout(name, self.roles[name], values, min(len(values), SEGMENT_VALUES), known)

    def _shared_bits(self) -> dict[str, int]:
        """The power of two of bits for each category's marks; the largest give way until all fit."""
        bits = {
            name: tally.wanted_bits(apart=VALUES)
            for name, tally in self.tallies.items()
            if name in self.roles and name not in self.numeric
        }
        while sum(1 << power for power in bits.values()) > MARK_BITS:
            bits[max(bits, key=lambda name: bits[name])] -= 1
        return bits


def quantile_edges(values: Floats, low: float, high: float, bins: int) -> Floats:
    """Edges of about `bins` bins with as many of the values in each, from `low` to `high`, shape (bins + 1,).

    Args:
        values: a sample of the finite values, shape (n,).
        low, high: the least and the greatest of all of them.

    Returns:
        Ascending edges without repeats, two at least. `[0, 1]` when there are no values.

    >>> quantile_edges(np.arange(1000.0), 0.0, 999.0, 4)
    array([  0., 249., 499., 749., 999.])
    >>> quantile_edges(np.array([3.0, 3.0]), 3.0, 3.0, 4).size
    2
    """
    if values.size == 0:
        return np.array([0.0, 1.0])
    different = np.unique(values)
    if different.size <= bins:
        starts, alone = different, np.array([high])
    else:
        quantiles = np.quantile(values, np.linspace(0, 1, bins + 1), method="inverted_cdf")
        starts, times = np.unique(quantiles, return_counts=True)
        # The sample's own ends give way to those of all values.
        starts, alone = starts[1:-1], starts[times > 1]
    # A value that is alone in its bin: the bin ends at the next larger number there is.
    with np.errstate(over="ignore"):
        ends = np.nextafter(alone, np.inf)
    edges = np.unique(np.concatenate(([low, high], starts, alone, ends)))
    edges = edges[np.isfinite(edges)]
    return edges if edges.size > 1 else np.array([np.nextafter(low, -np.inf), low])


def _present(block: Block, name: str) -> pa.Array:
    column = block.column(name)
    if column is None:
        raise RequestError(
            f"the reference has no column {name!r}",
            remedy="name columns that dataset.sql makes",
        )
    return column


def _checked(segments: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(segments))
    for name in names:
        if "=" in name:
            raise RequestError(
                f"the column {name!r} cannot mark segments: its name has a '='",
                remedy="give it another name in dataset.sql",
            )
    return names
