"""Labels and weights are numbers, whatever learns from them: what the quality rules refuse, no learner takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nightshift.dataset.float32 import BEYOND
from nightshift.errors import DataRefusedError
from nightshift.learners.protocol import Part, Task


def check_numbers(task: Task) -> None:
    """Look at every label and weight of a task.

    Raises:
        DataRefusedError: one is no finite number, a weight is below 0, or all weights are 0.
    """
    for name, part in (("train", task.train), ("validate", task.validate)):
        if part is not None:
            _check(name, part)


def _check(name: str, part: Part) -> None:
    _refuse(name, "label that is no number, or beyond float32", "label", ~(np.abs(part.label) < BEYOND))
    if part.weight is None:
        return
    _refuse(name, "weight that is no number, or beyond float32", "weight", ~(np.abs(part.weight) < BEYOND))
    _refuse(name, "weight below 0", "weight", part.weight < 0)
    if not part.weight.any():
        raise DataRefusedError(
            f"the weights of all rows of {name} are 0", where="weight", remedy="look at dataset.weight"
        )


def _refuse(name: str, what: str, where: str, wrong: npt.NDArray[np.bool_]) -> None:
    count = int(wrong.sum())
    if count:
        raise DataRefusedError(
            f"{count:,} of {len(wrong):,} rows of {name} have a {what}", where=where,
            remedy="leave these rows out in the SQL, or add a quality rule",
        )  # fmt: skip
