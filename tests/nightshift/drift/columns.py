"""Columns made of arrays with plain numpy, to compare without a profile builder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nightshift.drift.profile import CategoryColumn, Column, NumericColumn, Profile, Role

Values = NDArray[np.float64]
BINS = 50


def edges_on(reference: Values, bins: int = BINS) -> Values:
    """Quantiles of the reference, without repeats."""
    edges = np.unique(np.quantile(reference[np.isfinite(reference)], np.linspace(0, 1, bins + 1)))
    return edges if edges.size > 1 else np.array([edges[0], np.nextafter(edges[0], np.inf)])


def numeric(
    values: Values, edges: Values, name: str = "x", nulls: int = 0, role: Role = "feature"
) -> NumericColumn:
    """A column of those values in those buckets; NaN counts as null."""
    held = values[~np.isnan(values)]
    places = np.searchsorted(edges, held, side="right")
    places[held == edges[-1]] = len(edges) - 1
    finite = held[np.isfinite(held)]
    counts = np.bincount(places, minlength=len(edges) + 1)
    sums = np.bincount(places, weights=np.where(np.isfinite(held), held, 0.0), minlength=len(edges) + 1)
    mean = float(finite.mean()) if finite.size else float("nan")
    return NumericColumn(
        name=name,
        role=role,
        edges=edges,
        counts=counts.astype(np.int64),
        sums=sums,
        nulls=nulls + values.size - held.size,
        infinite=held.size - finite.size,
        mean=mean,
        m2=float(np.square(finite - mean).sum()) if finite.size else 0.0,
        minimum=float(finite.min()) if finite.size else float("nan"),
        maximum=float(finite.max()) if finite.size else float("nan"),
    )


def numeric_pair(reference: Values, window: Values, bins: int = BINS) -> tuple[NumericColumn, NumericColumn]:
    """Both in buckets laid on the reference."""
    edges = edges_on(reference, bins)
    return numeric(reference, edges), numeric(window, edges)


def category_pair(
    reference: Sequence[str], window: Sequence[str], top: int = 20, name: str = "c", role: Role = "feature"
) -> tuple[CategoryColumn, CategoryColumn]:
    """Both by the reference's commonest values; an empty string is null."""
    seen = Counter(value for value in reference if value)
    values = tuple(sorted(seen, key=lambda value: (-seen[value], value))[:top])

    def column(given: Sequence[str]) -> CategoryColumn:
        found = Counter(given)
        nulls = found.pop("", 0)
        counts = [found.get(value, 0) for value in values]
        new = sum(count for value, count in found.items() if value not in seen)
        other = sum(found.values()) - sum(counts) - new
        return CategoryColumn(name, role, values, np.array([*counts, other, new]), nulls, b"")

    return column(reference), column(window)


def profile(*columns: Column, segments: dict[str, Profile] | None = None) -> Profile:
    """A profile of columns that were made one by one."""
    rows = max((int(column.counts.sum()) + column.nulls for column in columns), default=0)
    return Profile(rows, {column.name: column for column in columns}, segments or {})


def numeric_profiles(reference: Values, window: Values, bins: int = BINS) -> tuple[Profile, Profile]:
    """Profiles of tables (rows, columns) of numbers, named x0, x1, ..."""
    sides: tuple[list[Column], list[Column]] = ([], [])
    for index in range(reference.shape[1]):
        edges = edges_on(reference[:, index], bins)
        for side, table in zip(sides, (reference, window), strict=True):
            side.append(numeric(table[:, index], edges, f"x{index}"))
    return profile(*sides[0]), profile(*sides[1])
