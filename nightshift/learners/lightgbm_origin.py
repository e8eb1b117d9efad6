"""Trees that begin with another model's: more of them on new data, or the same ones with new leaves."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb

from nightshift.dataset.classes import same_classes
from nightshift.errors import RequestError
from nightshift.learners.lightgbm_model import FILE_NAME
from nightshift.learners.protocol import Origin, Task


def origin_booster(task: Task, origin: Origin) -> lgb.Booster:
    """The trees of `origin`, if the task's labels mean the same to them.

    Raises:
        RequestError: the classes differ.
    """
    if task.kind == "multiclass" and not same_classes(task.classes, origin.classes):
        raise RequestError(
            f"trees go on with the classes that they have, and those of the label differ from those of {origin.name}",
            where="learner.from_model", valid=origin.classes,
            remedy="choose a window with the same classes, or leave from_model out",
        )  # fmt: skip
    return lgb.Booster(model_file=str(origin.folder / FILE_NAME))


def with_new_leaves(task: Task, origin: Origin, params: dict[str, Any]) -> lgb.Booster:
    """The trees of `origin`, each leaf's value moved to what the new rows say.

    A leaf becomes `refit_decay_rate` (by default 0.9) of its old value and the rest of the new one.
    """
    booster = origin_booster(task, origin)
    decay = float(params.get("refit_decay_rate", 0.9))
    return booster.refit(task.train.features, task.train.label, decay_rate=decay, weight=task.train.weight)
