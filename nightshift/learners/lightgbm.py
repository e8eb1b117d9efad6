"""Gradient-boosted trees by LightGBM: deterministic, from memory-mapped columns, kept as text."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightgbm as lgb

from nightshift.checkpoints.checkpoint import Checkpoint
from nightshift.checkpoints.keeper import NOTHING_KEPT, Keeper
from nightshift.errors import RequestError
from nightshift.learners.lightgbm_binned import BinnedRows
from nightshift.learners.lightgbm_boundaries import (
    Boundaries,
    can_resume,
    checkpoint_of,
    seeds_of,
    stops_early,
    without_traces,
)
from nightshift.learners.lightgbm_linear import has_linear_leaves, task_without_infinities
from nightshift.learners.lightgbm_lists import check_lists
from nightshift.learners.lightgbm_metric import with_metric
from nightshift.learners.lightgbm_model import FILE_NAME, LightGBMModel, have_it_logged, load_model
from nightshift.learners.lightgbm_origin import origin_booster, with_new_leaves
from nightshift.learners.lightgbm_scores import KeptScores
from nightshift.learners.lightgbm_watch import Watch
from nightshift.learners.numbers import check_numbers
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted, Task
from nightshift.spec.learner import LightGBM

logger = logging.getLogger(__name__)

_OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class LightGBMLearner:
    """Trains and loads boosters."""

    def fit(self, task: Task, recipe: LightGBM, oversight: Oversight) -> Fitted:
        """Train up to `recipe.rounds` trees a class; keep those up to the best validation loss, or all unwatched.

        A training that was cut short goes on from its newest checkpoint, and ends with the very same model.
        """
        check_numbers(task)
        have_it_logged()
        params = _params(task, recipe)
        check_lists(recipe.params, task)
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
        resumed, begun = _resumed(keeper, watch)
        try:
            booster = _trained(task, recipe, params, watch, keeper, begun)
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
        return load_model(folder)


def _resumed(keeper: Keeper | None, watch: Watch) -> tuple[Checkpoint | None, lgb.Booster | None]:
    """The checkpoint that training goes on from, and its trees; `watch` then knows what it knew there."""
    checkpoint = None if keeper is None else keeper.newest()
    if checkpoint is None:
        return None, None
    try:
        begun = lgb.Booster(model_str=checkpoint.files[FILE_NAME].decode())
        watch.restore(dict(checkpoint.state))
    except (lgb.basic.LightGBMError, KeyError, ValueError) as error:
        logger.warning(
            "checkpoint: %s holds no trees, and training begins anew: %s", checkpoint.progress, error
        )
        return None, None
    logger.info("train: resumed at %s", checkpoint.progress)
    return checkpoint, begun


def _trained(
    task: Task,
    recipe: LightGBM,
    params: dict[str, Any],
    watch: Watch,
    keeper: Keeper | None,
    resumed: lgb.Booster | None,
) -> lgb.Booster:
    """Train, from the trees of `resumed` on if there are any."""
    begun, done = None, 0
    if task.origin is not None:
        begun = origin_booster(task, task.origin)
        watch.first = begun.current_iteration()
        if recipe.mode == "refit":
            return with_new_leaves(task, task.origin, params)
    if resumed is not None:
        begun, done = resumed, watch.rounds
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
