"""The row a signal is declared by, and the decorators that make it of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nightshift.drift.profile import CategoryColumn, Column, Floats, NumericColumn
from nightshift.drift.signals.pairs import Pairs

ColumnKind = Literal["numeric", "category"]


@dataclass(frozen=True)
class Shape:
    """A signal of how values are distributed; call it as `signal(reference column, window column)`.

    Attributes:
        name: what options and project.yaml call it.
        kinds: the kinds of column it serves.
        effect_floor: the least value that matters.
        measure: the formula, for many columns at once: (..., columns) values.
        power: the value raised to this grows with the square of a small shift, and so falls like 1 / rows.
        default_for: the kinds it is looked at for unless options name others.
        budget: its share of the false alarms allowed, against 1 for other signals.
    """

    name: str
    kinds: tuple[ColumnKind, ...]
    effect_floor: float
    measure: Callable[[Pairs], Floats]
    power: int
    default_for: tuple[ColumnKind, ...] = ()
    budget: float = 1.0

    def __call__(self, reference: Column, window: Column) -> float:
        """The value for one column; NaN when either side holds no values."""
        pairs = Pairs.of([(reference, window)])
        return float(self.measure(pairs)[0]) if pairs.filled[0] else float("nan")


@dataclass(frozen=True)
class Rate:
    """A signal of how many rows have some property; call it as `signal(reference column, window column)`.

    Attributes:
        hits: how many rows of a column have the property.
        is_one_sided: only a rise is a finding.
        name, kinds, effect_floor, default_for, budget: as in `Shape`.
    """

    name: str
    kinds: tuple[ColumnKind, ...]
    effect_floor: float
    hits: Callable[[Column], int]
    is_one_sided: bool
    default_for: tuple[ColumnKind, ...] = ()
    budget: float = 1.0

    def __call__(self, reference: Column, window: Column) -> float:
        """The share in the window less the share in the reference; its size where both ways are findings."""
        rows, expected = rows_of(window), rows_of(reference)
        if not rows or not expected:
            return float("nan")
        shift = self.hits(window) / rows - self.hits(reference) / expected
        return shift if self.is_one_sided else abs(shift)


Measure = Shape | Rate


def shape(
    *,
    kinds: tuple[ColumnKind, ...],
    effect_floor: float,
    power: int,
    default_for: tuple[ColumnKind, ...] = (),
    budget: float = 1.0,
) -> Callable[[Callable[[Pairs], Floats]], Shape]:
    """Make a function on pairs a signal that is named like it and callable on two columns."""

    def row(measure: Callable[[Pairs], Floats]) -> Shape:
        return Shape(_name(measure), kinds, effect_floor, measure, power, default_for, budget)

    return row


def rate(
    *,
    kinds: tuple[ColumnKind, ...],
    effect_floor: float,
    is_one_sided: bool,
    default_for: tuple[ColumnKind, ...] = (),
) -> Callable[[Callable[[Column], int]], Rate]:
    """Make a function that counts rows of a column a signal that is named like it."""

    def row(hits: Callable[[Column], int]) -> Rate:
        return Rate(_name(hits), kinds, effect_floor, hits, is_one_sided, default_for)

    return row


def declared_in(module: Mapping[str, object]) -> tuple[Measure, ...]:
    """The signals among a module's names, in the order of the file."""
    return tuple(row for row in module.values() if isinstance(row, (Shape, Rate)))


def kind_of(column: Column) -> ColumnKind:
    """Which kind of column it is."""
    return "numeric" if isinstance(column, NumericColumn) else "category"


def values_of(column: Column) -> int:
    """How many rows of the column hold a value."""
    return int(np.sum(column.counts))


def rows_of(column: Column) -> int:
    """How many rows the column has, those without a value too."""
    return values_of(column) + column.nulls


def new_values_of(column: Column) -> int:
    """How many rows hold a category that the reference had not; none for numbers."""
    return int(column.counts[-1]) if isinstance(column, CategoryColumn) else 0


def _name(function: object) -> str:
    name: str = getattr(function, "__name__", "")
    return name
