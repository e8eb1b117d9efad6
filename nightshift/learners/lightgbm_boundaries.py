"""Boundaries at which a LightGBM training can be cut short and go on with the very same trees.

A booster's random draws go on from round to round in a state that no file holds. So at fixed rounds, which are part of
the recipe, every draw begins anew with seeds of that round; a training that goes on there begins with the same seeds.
Which of the boundaries get a checkpoint is for the clock to choose, and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb

from nightshift.checkpoints.checkpoint import Checkpoint, Progress
from nightshift.checkpoints.keeper import Keeper
from nightshift.learners.lightgbm_binned import BinnedRows
from nightshift.learners.lightgbm_model import FILE_NAME
from nightshift.learners.lightgbm_scores import KeptScores
from nightshift.learners.lightgbm_watch import Watch
from nightshift.spec.learner import LightGBM

_SEEDS = {"bagging_seed": 3, "feature_fraction_seed": 5, "extra_seed": 7}
_FREQUENCIES = ("bagging_freq", "subsample_freq")
# Whatever has one of these draws numbers, or may; a share of 1 and `false` do not.
_SHARES = {
    "bagging_fraction", "sub_row", "subsample", "bagging", "pos_bagging_fraction", "neg_bagging_fraction",
    "pos_sub_row", "pos_subsample", "pos_bagging", "neg_sub_row", "neg_subsample", "neg_bagging",
    "feature_fraction", "sub_feature", "colsample_bytree",
    "feature_fraction_bynode", "sub_feature_bynode", "colsample_bynode",
}  # fmt: skip
_SWITCHES = {"extra_trees", "extra_tree"}
# Boosters whose state is more than their trees, or whose draws no seed restores.
_BOOSTINGS = ("boosting", "boosting_type", "boost", "data_sample_strategy")
_UNRESUMABLE = {"dart", "rf", "random_forest", "goss"}
_NUMBERED = re.compile(
    r"^\[(num_iterations|bagging_seed|feature_fraction_seed|extra_seed|bagging_freq|input_model): .*\]\n",
    re.MULTILINE,
)


def can_resume(params: dict[str, Any]) -> bool:
    """Whether LightGBM can go on from text with these parameters.

    It cannot with dart, rf and goss, with quantized gradients, and where features that were used once cost less.
    """
    boosting = {str(params.get(name, "")) for name in _BOOSTINGS}
    remembers = params.get("use_quantized_grad", False) or any(name.startswith("cegb_") for name in params)
    return not boosting & _UNRESUMABLE and not remembers


def stops_early(params: dict[str, Any]) -> bool:
    """Whether the trees up to a round are the model of that round: dart changes them afterwards."""
    return "dart" not in {str(params.get(name, "")) for name in _BOOSTINGS}


def is_random(params: dict[str, Any]) -> bool:
    """Whether anything is drawn at all; else every round is a boundary, and reseeding has nothing to do."""
    return any(params.get(name, 1) != 1 for name in _SHARES) or any(
        params.get(name, False) for name in _SWITCHES
    )


def seeds_of(recipe: LightGBM, boundary: int) -> dict[str, int]:
    """The seeds with which the draws begin anew after `boundary` rounds; at the start they are LightGBM's own."""
    if boundary == 0 or not is_random(recipe.params):
        return {}
    return {
        name: (recipe.seed * 1_000_003 + boundary * 101 + place) % (2**31 - 1)
        for name, place in _SEEDS.items()
    }


@dataclass(eq=False)
class Boundaries:
    """Called after each round: reseeds where the recipe says so, and keeps a checkpoint where one is due.

    Attributes:
        order: among LightGBM's callbacks: after the watch.
    """

    recipe: LightGBM
    watch: Watch
    keeper: Keeper | None
    rows: BinnedRows
    scores: KeptScores
    order: int = 21

    def __call__(self, env: lgb.callback.CallbackEnv) -> None:
        """Reseed and keep, if this round is a boundary and not the last."""
        done = env.iteration + 1 - self.watch.first
        if done >= self.recipe.rounds or not self._is_boundary(done):
            return
        booster = env.model
        assert isinstance(booster, lgb.Booster)  # the other kind is cross-validation's
        keeper = self.keeper
        if keeper is not None and keeper.is_due(done):
            keeper.keep(lambda: self._taken(keeper, booster, done))
            self.rows.keep(booster.train_set)
        # Last of all, so that nothing that taking a checkpoint does to the draws stays.
        seeds = seeds_of(self.recipe, done)
        if seeds:
            reseed(booster, self.recipe.params, seeds)

    def _taken(self, keeper: Keeper, booster: lgb.Booster, done: int) -> Checkpoint:
        self.scores.keep(booster, done)
        text = booster.model_to_string(num_iteration=-1)
        return checkpoint_of(keeper.run, self.recipe, self.watch, done, text)

    def _is_boundary(self, done: int) -> bool:
        return not is_random(self.recipe.params) or done % self.recipe.reseed_every == 0


def checkpoint_of(run: str, recipe: LightGBM, watch: Watch, done: int, text: str) -> Checkpoint:
    """The state from which training goes on behind the `done` rounds of the model's text."""
    return Checkpoint(
        run=run,
        learner=recipe.kind,
        progress=Progress(done, recipe.rounds, "round"),
        loss=watch.best_loss if watch.best_round else None,
        state=watch.state(),
        files={FILE_NAME: text.encode()},
    )


def reseed(booster: lgb.Booster, params: dict[str, Any], seeds: dict[str, int]) -> None:
    """Have every draw begin anew: LightGBM reads the seed of bagging only when a parameter of bagging changes."""
    frequency = next((int(params[name]) for name in _FREQUENCIES if name in params), 0)
    booster.reset_parameter({"bagging_freq": frequency + 1})
    booster.reset_parameter({"bagging_freq": frequency, **seeds})


def without_traces(text: str) -> str:
    """A model's text without the parameters that only tell in how many pieces, and to which round, it was trained."""
    return _NUMBERED.sub("", text)
