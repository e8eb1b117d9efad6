"""Rows as LightGBM bins them: once a training, for the bins are kept beside the encoded rows.

Of what a training that was cut short has to do before its first new round, binning was a third.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import lightgbm as lgb

from nightshift.atomic import Behind
from nightshift.errors import OutsideError
from nightshift.learners.lightgbm_scores import ScoredRows
from nightshift.learners.model import Floats
from nightshift.learners.protocol import Part, Task

logger = logging.getLogger(__name__)

# Another version of LightGBM may write another format.
_FILE = f"train.lightgbm-{lgb.__version__}.bin"


class BinnedRows:
    """The windows of a task as datasets of LightGBM's.

    The bins of the train window are written once, when the training has turned out to be a long one.
    """

    def __init__(self, task: Task, params: dict[str, Any]) -> None:
        self._task = task
        self._params = params
        self._names = safe_names(task.train.features.column_names)
        self._path = None if task.scratch is None else task.scratch / _FILE
        self._asked = 0
        self._behind = Behind()

    def train(self, scores: Floats | None = None) -> lgb.Dataset:
        """The train window: from its bins where an earlier process left them, else to be binned.

        Args:
            scores: what the model that training goes on from says of its rows, where that is known.
        """
        rows = self._kept() or self._dataset(self._task.train)
        rows.scores = scores
        return rows

    def validate(self, train: lgb.Dataset) -> lgb.Dataset | None:
        """The validate window in the bins of `train`, if there is one."""
        part = self._task.validate
        return None if part is None else self._dataset(part, train)

    def keep(self, train: lgb.Dataset) -> None:
        """Write the bins, unless they lie there, the second time that this is asked: most trainings have ended by then.

        Without room for them training goes on, and whoever goes on from it bins the rows again.
        """
        self._asked += 1
        if self._asked != 2 or self._path is None or self._path.exists():
            return
        try:
            self._behind.write(self._path, lambda temporary: _save(train, temporary))
        except OutsideError as error:
            _tell(error)

    def finish(self) -> None:
        """Wait until what was written is on disk."""
        try:
            self._behind.finish()
        except OutsideError as error:
            _tell(error)

    def _kept(self) -> ScoredRows | None:
        if self._path is None or not self._path.is_file():
            return None
        # LightGBM looks at every length in the file, and refuses one that is torn.
        try:
            kept = ScoredRows(
                self._path,
                feature_name=self._names,
                categorical_feature=self._task.encoder.categories,
                params=self._params,
            )
            kept.construct()
        except lgb.basic.LightGBMError as error:
            logger.warning("train: %s is not used: %s", self._path.name, error)
            self._path.unlink()
            return None
        # What a model to go on from is asked for: bins are no values.
        kept.data = self._task.train.features
        return kept

    def _dataset(self, part: Part, reference: lgb.Dataset | None = None) -> ScoredRows:
        return ScoredRows(
            part.features,
            label=part.label,
            weight=part.weight,
            reference=reference,
            feature_name=self._names,
            categorical_feature=self._task.encoder.categories,
            params=self._params,
        )


def safe_names(names: list[str]) -> list[str]:
    """Names that LightGBM's text format can hold: it takes no JSON punctuation and no doubles."""
    safe = [re.sub(r"[^0-9A-Za-z_]", "_", name) for name in names]
    return [f"{name}_{place}" if safe.count(name) > 1 else name for place, name in enumerate(safe)]


def _save(rows: lgb.Dataset, path: Path) -> None:
    # Not by another thread, for in any other LightGBM has its own mind of what to print.
    try:
        rows.save_binary(path)
    except lgb.basic.LightGBMError as error:
        raise OutsideError(str(error), where=str(path)) from error


def _tell(error: OutsideError) -> None:
    logger.warning("train: the binned rows could not be kept: %s (%s)", error.what, error.where)
