"""Trees with linear models in their leaves: to them an infinite value is missing, or a score would be no number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from nightshift.learners.protocol import Part, Task

_NAMES = ("linear_tree", "linear_trees")


def has_linear_leaves(params: Mapping[str, Any]) -> bool:
    """Whether these are the parameters of such trees."""
    return any(str(params.get(name, False)).lower() in ("true", "1") for name in _NAMES)


def without_infinities(features: pa.Table) -> pa.Table:
    """The same rows, infinite values missing; columns that have none are not copied."""
    for place, name in enumerate(features.column_names):
        is_infinite = pc.is_inf(features[name])
        if pc.any(is_infinite).as_py():
            column = pc.if_else(is_infinite, pa.scalar(None, features[name].type), features[name])
            features = features.set_column(place, name, column)
    return features


def task_without_infinities(task: Task) -> Task:
    """The same task on the same rows, infinite values missing."""
    return replace(
        task, train=_finite(task.train), validate=None if task.validate is None else _finite(task.validate)
    )


def _finite(part: Part) -> Part:
    return replace(part, features=without_infinities(part.features))
