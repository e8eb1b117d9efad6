"""Two profiles of different rows as the profile of all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nightshift.drift.profile import CategoryColumn, Column, NumericColumn, Profile
from nightshift.errors import RequestError


def merge(first: Profile, second: Profile) -> Profile:
    """The profile of the rows of both, which must have been counted into the same layout.

    Counts add up exactly, sums and moments but for rounding. Moments are combined as in T. Chan, G. Golub and
    R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979: with
    d = mean2 - mean1, mean = mean1 + d n2 / n and m2 = m2_1 + m2_2 + d^2 n1 n2 / n.

    Raises:
        RequestError: the profiles have other columns, buckets or segments.
    """
    _same(set(first.columns), set(second.columns), "columns")
    _same(set(first.segments), set(second.segments), "segments")
    return Profile(
        rows=first.rows + second.rows,
        columns={name: _merged(column, second.columns[name]) for name, column in first.columns.items()},
        segments={name: merge(segment, second.segments[name]) for name, segment in first.segments.items()},
    )


def _merged(first: Column, second: Column) -> Column:
    if isinstance(first, NumericColumn) and isinstance(second, NumericColumn):
        _same(tuple(first.edges), tuple(second.edges), f"bins of {first.name!r}")
        return _numbers(first, second)
    if isinstance(first, CategoryColumn) and isinstance(second, CategoryColumn):
        _same((first.values, first.known), (second.values, second.known), f"values of {first.name!r}")
        return replace(first, counts=first.counts + second.counts, nulls=first.nulls + second.nulls)
    raise _other(f"kinds of {first.name!r}")


def _numbers(first: NumericColumn, second: NumericColumn) -> NumericColumn:
    n1, n2 = first.finite, second.finite
    step = (second.mean - first.mean) if n1 and n2 else 0.0
    return replace(
        first,
        counts=first.counts + second.counts,
        sums=first.sums + second.sums,
        nulls=first.nulls + second.nulls,
        infinite=first.infinite + second.infinite,
        mean=first.mean + step * (n2 / (n1 + n2)) if n1 else second.mean,
        m2=first.m2 + second.m2 + (step * step * n1 * (n2 / (n1 + n2)) if n1 and n2 else 0.0),
        minimum=float(np.fmin(first.minimum, second.minimum)),
        maximum=float(np.fmax(first.maximum, second.maximum)),
    )


def _same(first: object, second: object, what: str) -> None:
    if first != second:
        raise _other(what)


def _other(what: str) -> RequestError:
    return RequestError(
        f"the profiles cannot be merged: the {what} differ",
        remedy="profile both parts with one layout: `layout_of` the reference's profile",
    )
