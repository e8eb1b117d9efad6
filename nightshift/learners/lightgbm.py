"""Gradient-boosted trees by LightGBM: deterministic, from memory-mapped columns, kept as text."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Floats, History, Part, Task
from nightshift.spec.learner import LightGBM

logger = logging.getLogger(__name__)

FILE_NAME = "model.txt"
_OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}
# Early stopping watches the loss that is minimised: it is smooth, and keeps probabilities calibrated.
# `params: {metric: auc}` watches another.
_METRICS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "rmse"}


class LightGBMModel:
    """A booster read from text; scores float32 Arrow columns."""

    def __init__(self, booster: lgb.Booster, names: list[str] | None = None) -> None:
        self.booster = booster
        self._names = names

    def score(self, features: pa.Table) -> Floats:
        """Probabilities (n,) or (n, classes), or values (n,)."""
        if features.num_rows == 0:
            classes = self.booster.num_model_per_iteration()
            return np.empty((0, classes) if classes > 1 else 0)
        return np.asarray(self.booster.predict(features), dtype=np.float64)

    def importance(self) -> Mapping[str, float]:
        """Total gain by feature."""
        names = self._names or self.booster.feature_name()
        gains = self.booster.feature_importance(importance_type="gain")
        return dict(zip(names, (float(gain) for gain in gains), strict=True))

    def save(self, folder: Path) -> None:
        """Write `model.txt`."""
        self.booster.save_model(str(folder / FILE_NAME))


class LightGBMLearner:
    """Trains and loads boosters."""

    def fit(self, task: Task, recipe: LightGBM, oversight: Oversight) -> Fitted:
        """Train up to `recipe.rounds` trees a class; keep those up to the best validation loss, or all unwatched."""
        history: History = {}
        params = _params(task, recipe)
        names = _safe_names(task.train.features.column_names)
        try:
            train = _dataset(task.train, names, task.encoder.categories, params)
            watched: dict[str, lgb.Dataset] = {}
            callbacks = [_progress(recipe.rounds)]
            if task.validate is not None:
                validate = _dataset(task.validate, names, task.encoder.categories, params, reference=train)
                watched = {"validate": validate, "train": train}
                callbacks += _watching(history, recipe.early_stopping)
            booster = lgb.train(
                params,
                train,
                num_boost_round=recipe.rounds,
                valid_sets=list(watched.values()),
                valid_names=list(watched),
                callbacks=callbacks,
            )
        except lgb.basic.LightGBMError as error:
            raise RequestError(
                f"LightGBM refuses: {error}", where="learner.params", remedy="correct learner.params"
            ) from error
        rounds = len(next(iter(history["train"].values()))) if watched else recipe.rounds
        best = booster.best_iteration if booster.best_iteration > 0 else rounds
        # Only the kept trees go into the model: through text, so that what is scored now is what will be loaded.
        kept = lgb.Booster(model_str=booster.model_to_string(num_iteration=best))
        return Fitted(LightGBMModel(kept, task.train.features.column_names), history, rounds, best)

    def load(self, folder: Path) -> LightGBMModel:
        """The booster of `model.txt`."""
        try:
            return LightGBMModel(lgb.Booster(model_file=str(folder / FILE_NAME)))
        except lgb.basic.LightGBMError as error:
            raise DataRefusedError(
                f"the model file cannot be read: {error}", where=str(folder / FILE_NAME), remedy="train again"
            ) from error


def _watching(history: History, patience: int | None) -> list[Any]:
    """Keep the losses of each round, and stop when that of `validate` has not improved for `patience` rounds."""
    callbacks = [lgb.record_evaluation(history)]
    if patience is not None:
        callbacks.append(lgb.early_stopping(patience, first_metric_only=True, verbose=False))
    return callbacks


def _params(task: Task, recipe: LightGBM) -> dict[str, Any]:
    if "objective" in recipe.params and task.kind != "regression":
        raise RequestError(
            f"learner.params.objective cannot be changed for a {task.kind} label",
            where="learner.params.objective",
            remedy="leave it out: dataset.label.kind decides",
        )
    params: dict[str, Any] = {
        "metric": _METRICS[task.kind],
        "objective": _OBJECTIVES[task.kind],
        "verbosity": -1,
        **recipe.params,
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
    }
    if task.kind == "multiclass":
        params["num_class"] = len(task.classes)
    return params


def _dataset(
    part: Part,
    names: list[str],
    categories: list[int],
    params: dict[str, Any],
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    return lgb.Dataset(
        part.features,
        label=part.label,
        weight=part.weight,
        reference=reference,
        feature_name=names,
        categorical_feature=categories,
        params=params,
    )


def _safe_names(names: list[str]) -> list[str]:
    """Names that LightGBM's text format can hold: it takes no JSON punctuation and no doubles."""
    safe = [re.sub(r"[^0-9A-Za-z_]", "_", name) for name in names]
    return [f"{name}_{place}" if safe.count(name) > 1 else name for place, name in enumerate(safe)]


def _progress(rounds: int) -> Any:
    def report(env: lgb.callback.CallbackEnv) -> None:
        done = env.iteration + 1
        logger.debug(
            "train: round %d of %d", done, rounds, extra={"step": "train", "done": done, "total": rounds}
        )

    return report
