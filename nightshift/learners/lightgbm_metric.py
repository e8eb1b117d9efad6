"""By which metric the rounds of a LightGBM training are chosen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nightshift.learners.protocol import Part, Task
from nightshift.spec.project import Kind

logger = logging.getLogger(__name__)

# Early stopping watches the loss that is minimised: it is smooth, and keeps probabilities calibrated.
# `params: {metric: auc}` watches another.
_LOSSES: dict[Kind, str] = {
    "binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "rmse",
}  # fmt: skip
_NAMES = ("metric", "metrics", "metric_types")
# They compare rows of different classes: of one class they say nothing, though LightGBM gives 1 for some.
_RANKINGS = {"auc", "auc_mu", "average_precision"}


def with_metric(params: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The parameters with the metrics to watch: those that they name, or the loss. The first one decides."""
    loss = _LOSSES[task.kind]
    given = next((params[name] for name in _NAMES if name in params), loss)
    declared = given if isinstance(given, str) else ",".join(given)
    first = declared.split(",")[0].strip()
    if first in _RANKINGS and task.validate is not None and _is_of_one_class(task.validate):
        logger.warning(
            "train: the validate window has one class alone, of which %s says nothing: rounds are chosen by %s",
            first, loss,
        )  # fmt: skip
        declared = f"{loss},{declared}"
    others = {name: value for name, value in params.items() if name not in _NAMES}
    return {"metric": declared, **others}


def _is_of_one_class(part: Part) -> bool:
    return bool((part.label == part.label[0]).all())
