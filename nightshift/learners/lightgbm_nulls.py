"""Trees asked for a value that no training row lacked: LightGBM itself would take a null in such a column for 0.

A split on that column then tells nothing, so both its sides count, each by its share of the training rows: the row's
score is the mean over the values that the column may have had, given what the trees know of the other columns. This is
the path-dependent expectation of Lundberg et al., From local explanations to global understanding with explainable AI
for trees, Nature Machine Intelligence 2, 2020 (algorithm 1).

The expectation of a tree is a sum of smaller trees without these splits. They are given to LightGBM as a model of its
own, once for each set of columns, so that all else is as with any other row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.learners.lightgbm_trees import Forest, forest_of

_MOST_KEPT = 16
Rows = npt.NDArray[np.intp]


class UnlearntNulls:
    """The columns of a booster in which training knew no null, and what it answers where one is null all the same."""

    def __init__(self, booster: lgb.Booster) -> None:
        self._booster = booster
        self._averaged: dict[tuple[int, ...], lgb.Booster] = {}

    def count(self, features: pa.Table) -> Mapping[str, int]:
        """How many rows lack a value that no training row lacked, by column."""
        return {
            features.column_names[place]: int(missing.sum())
            for place, missing in self._found(features).items()
        }

    def groups(self, features: pa.Table) -> Iterator[tuple[Rows, lgb.Booster]]:
        """The rows with such nulls, and the booster that is to be asked instead, for each set of columns."""
        found = self._found(features)
        if not found:
            return
        places = list(found)
        missing = np.column_stack(list(found.values()))
        some = np.flatnonzero(missing.any(axis=1))
        sets, of_row = np.unique(missing[some], axis=0, return_inverse=True)
        for number, is_in in enumerate(sets):
            columns = tuple(place for place, one in zip(places, is_in, strict=True) if one)
            yield some[of_row.ravel() == number], self._without(columns)

    @cached_property
    def _forest(self) -> Forest:
        return forest_of(self._booster.model_to_string())

    def _found(self, features: pa.Table) -> dict[int, npt.NDArray[np.bool_]]:
        """Which rows have such a null, by the place of its column; nothing is read of the trees while none is null."""
        lacking = [place for place, column in enumerate(features.columns) if _lacks_some(column)]
        if not lacking:
            return {}
        return {
            place: np.asarray(pc.is_null(features.column(place), nan_is_null=True))
            for place in lacking
            if place in self._forest.without_nulls
        }

    def _without(self, columns: Sequence[int]) -> lgb.Booster:
        """The trees averaged over these columns."""
        kept = self._averaged.pop(tuple(columns), None)
        if kept is None:
            kept = lgb.Booster(model_str=self._forest.averaged(frozenset(columns)))
        self._averaged[tuple(columns)] = kept
        if len(self._averaged) > _MOST_KEPT:
            del self._averaged[next(iter(self._averaged))]
        return kept


def _lacks_some(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count or pc.any(pc.is_nan(column)).as_py())
