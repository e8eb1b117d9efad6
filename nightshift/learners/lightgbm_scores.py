"""What the trees so far say of the rows they learn from, kept at checkpoints.

A training goes on from these scores. Without them every row is put through every tree again, which takes a quarter
of the time that training had taken, or more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from nightshift.atomic import Behind
from nightshift.errors import OutsideError
from nightshift.learners.model import Floats

logger = logging.getLogger(__name__)

# The newest checkpoint may turn out to be torn: then the one before it is gone on from.
_KEPT = 2
_OBJECTIVE = ("objective", "num_class")


class ScoredRows(lgb.Dataset):
    """A dataset whose rows have been scored already by the model that training goes on from."""

    scores: Floats | None = None

    def _set_init_score_by_predictor(self, predictor: Any, data: Any, used_indices: Any) -> lgb.Dataset:
        """What LightGBM does with a model to go on from: here its answers are known."""
        if predictor is None or self.scores is None:
            return super()._set_init_score_by_predictor(predictor, data, used_indices)
        return self.set_init_score(self.scores)


class KeptScores:
    """Files of scores in a folder, one a checkpoint, of the newest few."""

    def __init__(self, folder: Path | None, params: dict[str, Any]) -> None:
        self._folder = folder
        self._objective: dict[str, Any] = {name: params[name] for name in _OBJECTIVE if name in params}
        self._outputs = int(params.get("num_class", 1))
        self._fault = ""
        self._behind = Behind()

    def of(self, done: int, rows: int) -> Floats | None:
        """The scores after `done` rounds, of multiclass those of the first class first; None where there are none."""
        if self._folder is None or not _path(self._folder, done).is_file():
            return None
        found: Floats = np.fromfile(_path(self._folder, done), dtype=np.float64)
        return found if len(found) == rows * self._outputs else None

    def keep(self, booster: lgb.Booster, done: int) -> None:
        """Write the scores after `done` rounds.

        Without room for them training goes on all the same, and whoever goes on from there scores the rows again.
        """
        if self._folder is None:
            return
        path = _path(self._folder, done)
        with self._told_once():
            self._behind.settle()
            self._prune(self._folder)
            self._behind.write(path, lambda temporary: self._write(booster, temporary))

    def finish(self) -> None:
        """Wait until what was written is on disk."""
        with self._told_once():
            self._behind.finish()
        if self._folder is not None:
            self._prune(self._folder)

    def _write(self, booster: lgb.Booster, path: Path) -> None:
        """LightGBM tells raw scores to whoever brings an objective of their own, and so for a moment we say we do.

        Nothing else comes of it: the objective is made anew from the same parameters and labels.
        """

        def metric(scores: Floats, _: lgb.Dataset) -> tuple[str, float, bool]:
            path.write_bytes(
                scores.ravel(order="F").data
            )  # as LightGBM has them: a copy would take as much memory
            return "raw", 0.0, False

        booster.reset_parameter({"objective": "custom"})
        try:
            booster.eval_train(metric)
        finally:
            booster.reset_parameter(self._objective)

    @contextmanager
    def _told_once(self) -> Iterator[None]:
        """A fault is told when it begins, and not again while it lasts."""
        try:
            yield
        except OutsideError as error:
            if error.what != self._fault:
                logger.warning("train: the rows' scores could not be kept: %s (%s)", error.what, error.where)
            self._fault = error.what

    def _prune(self, folder: Path) -> None:
        for old in sorted(folder.glob("scores-*.f64"))[:-_KEPT]:
            old.unlink(missing_ok=True)


def _path(folder: Path, done: int) -> Path:
    return folder / f"scores-{done:06d}.lightgbm-{lgb.__version__}.f64"
