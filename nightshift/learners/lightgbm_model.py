"""A trained booster: scores rows, and is kept as text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from nightshift.errors import DataRefusedError
from nightshift.learners.lightgbm_linear import has_linear_leaves, without_infinities
from nightshift.learners.lightgbm_nulls import UnlearntNulls
from nightshift.learners.model import Floats

logger = logging.getLogger(__name__)

FILE_NAME = "model.txt"


class LightGBMModel:
    """A booster read from text; scores float32 Arrow columns."""

    def __init__(self, booster: lgb.Booster, names: list[str] | None = None) -> None:
        self.booster = booster
        self._names = names
        self._is_linear = has_linear_leaves(booster.params)
        self._nulls = UnlearntNulls(booster)

    def score(self, features: pa.Table) -> Floats:
        """Probabilities (n,) or (n, classes), or values (n,)."""
        if features.num_rows == 0:
            classes = self.booster.num_model_per_iteration()
            return np.empty((0, classes) if classes > 1 else 0)
        if self._is_linear:
            features = without_infinities(features)
        found = np.asarray(self.booster.predict(features), dtype=np.float64)
        for rows, averaged in self._nulls.groups(features):
            found[rows] = averaged.predict(features.take(pa.array(rows)))
        return found

    def unlearnt_nulls(self, features: pa.Table) -> Mapping[str, int]:
        """How many values are null in columns that had no null in training; see `UnlearntNulls`."""
        return self._nulls.count(features)

    def importance(self) -> Mapping[str, float]:
        """Total gain by feature."""
        names = self._names or self.booster.feature_name()
        gains = self.booster.feature_importance(importance_type="gain")
        return dict(zip(names, (float(gain) for gain in gains), strict=True))

    def save(self, folder: Path) -> None:
        """Write `model.txt`."""
        self.booster.save_model(str(folder / FILE_NAME))


def load_model(folder: Path) -> LightGBMModel:
    """The model that `LightGBMModel.save` wrote.

    Raises:
        DataRefusedError: the file cannot be read.
    """
    have_it_logged()
    try:
        return LightGBMModel(lgb.Booster(model_file=str(folder / FILE_NAME)))
    except lgb.basic.LightGBMError as error:
        raise DataRefusedError(
            f"the model file cannot be read: {error}", where=str(folder / FILE_NAME), remedy="train again"
        ) from error


def have_it_logged() -> None:
    """What LightGBM says goes where all is said: by itself it prints, in between what `--json` prints."""
    lgb.register_logger(logger)
