"""Gradient-boosted trees by LightGBM: deterministic, from memory-mapped columns, kept as text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.checkpoints.keeper import NOTHING_KEPT, Keeper
from nightshift.errors import DataRefusedError, RequestError
from nightshift.learners.lightgbm_binned import BinnedRows
from nightshift.learners.lightgbm_boundaries import (
    FILE_NAME,
    Boundaries,
    can_resume,
    checkpoint_of,
    seeds_of,
    stops_early,
    without_traces,
)
from nightshift.learners.lightgbm_linear import (
    has_linear_leaves,
    task_without_infinities,
    without_infinities,
)
from nightshift.learners.lightgbm_metric import with_metric
from nightshift.learners.lightgbm_origin import origin_booster, with_new_leaves
from nightshift.learners.lightgbm_scores import KeptScores
from nightshift.learners.lightgbm_watch import Watch
from nightshift.learners.numbers import check_numbers
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Floats, Task
from nightshift.spec.learner import LightGBM

logger = logging.getLogger(__name__)

_OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class LightGBMModel:
    """A booster read from text; scores float32 Arrow columns."""

    def __init__(self, booster: lgb.Booster, names: list[str] | None = None) -> None:
        self.booster = booster
        self._names = names
        self._is_linear = has_linear_leaves(booster.params)

    def score(self, features: pa.Table) -> Floats:
        """Probabilities (n,) or (n, classes), or values (n,)."""
        if features.num_rows == 0:
            classes = self.booster.num_model_per_iteration()
            return np.empty((0, classes) if classes > 1 else 0)
        if self._is_linear:
            features = without_infinities(features)
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
        """Train up to `recipe.rounds` trees a class; keep those up to the best validation loss, or all unwatched.

        A training that was cut short goes on from its newest checkpoint, and ends with the very same model.
        """
        check_numbers(task)
        _have_it_logged()
        params = _params(task, recipe)
        if has_linear_leaves(params):
            task = task_without_infinities(task)
        if not stops_early(params):
            recipe = recipe.model_copy(update={"early_stopping": None})
        keeper = oversight.keeper if can_resume(params) else None
        if keeper is None and oversight.keeper is not None:
            logger.info(
                "train: no checkpoints: with these learner.params a training cannot go on where it was"
            )
        watch = Watch(recipe, oversight)
        resumed = None if keeper is None else keeper.newest()
        try:
            booster = _trained(task, recipe, params, watch, keeper, resumed)
        except lgb.basic.LightGBMError as error:
            raise RequestError(
                f"LightGBM refuses: {error}", where="learner.params", remedy="correct learner.params"
            ) from error
        best = watch.kept
        # Only the kept trees go into the model: through text, so that what is scored now is what will be loaded.
        text = without_traces(booster.model_to_string(num_iteration=watch.first + best))
        model = LightGBMModel(lgb.Booster(model_str=text), task.train.features.column_names)
        return Fitted(
            model, watch.history, watch.rounds, best,
            ended=watch.ended,
            spent_at=watch.spent_at,
            notes=(watch.ended,) if watch.has_diverged else (),
            resumed_from=resumed,
            kept=NOTHING_KEPT if oversight.keeper is None else oversight.keeper.finish(),
            state=None if oversight.keeper is None
            else checkpoint_of(oversight.keeper.run, recipe, watch, best, text),
        )  # fmt: skip

    def load(self, folder: Path) -> LightGBMModel:
        """The booster of `model.txt`."""
        _have_it_logged()
        try:
            return LightGBMModel(lgb.Booster(model_file=str(folder / FILE_NAME)))
        except lgb.basic.LightGBMError as error:
            raise DataRefusedError(
                f"the model file cannot be read: {error}", where=str(folder / FILE_NAME), remedy="train again"
            ) from error


def _have_it_logged() -> None:
    """What LightGBM says goes where all is said: by itself it prints, in between what `--json` prints."""
    lgb.register_logger(logger)


def _trained(
    task: Task,
    recipe: LightGBM,
    params: dict[str, Any],
    watch: Watch,
    keeper: Keeper | None,
    resumed: Checkpoint | None,
) -> lgb.Booster:
    """Train, from where `resumed` is if there is one."""
    begun, done = None, 0
    if task.origin is not None:
        begun = origin_booster(task, task.origin)
        watch.first = begun.current_iteration()
        if recipe.mode == "refit":
            return with_new_leaves(task, task.origin, params)
    if resumed is not None:
        watch.restore(dict(resumed.state))
        begun = lgb.Booster(model_str=resumed.files[FILE_NAME].decode())
        done = watch.rounds
        logger.info("train: resumed at %s", resumed.progress)
    params = {**params, **seeds_of(recipe, done)}
    rows, scores = BinnedRows(task, params), KeptScores(task.scratch, params)
    train = rows.train(scores.of(done, len(task.train.label)) if done else None)
    validate = rows.validate(train)
    watched = {} if validate is None else {"validate": validate, "train": train}
    try:
        return lgb.train(
            params,
            train,
            num_boost_round=recipe.rounds - done,
            init_model=begun,
            valid_sets=list(watched.values()),
            valid_names=list(watched),
            callbacks=[_progress(recipe.rounds), watch, Boundaries(recipe, watch, keeper, rows, scores)],
        )
    finally:
        rows.finish()
        scores.finish()


def _params(task: Task, recipe: LightGBM) -> dict[str, Any]:
    if "objective" in recipe.params and task.kind != "regression":
        raise RequestError(
            f"learner.params.objective cannot be changed for a {task.kind} label",
            where="learner.params.objective",
            remedy="leave it out: dataset.label.kind decides",
        )
    params: dict[str, Any] = {
        "objective": _OBJECTIVES[task.kind],
        "verbosity": -1,
        **with_metric(recipe.params, task),
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
    }
    if task.kind == "multiclass":
        params["num_class"] = len(task.classes)
    return params


def _progress(rounds: int) -> Any:
    def report(env: lgb.callback.CallbackEnv) -> None:
        done = env.iteration + 1
        logger.debug(
            "train: round %d of %d", done, rounds, extra={"step": "train", "done": done, "total": rounds}
        )

    return report
