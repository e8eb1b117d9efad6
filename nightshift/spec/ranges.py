"""What a search may turn of each learner, and how far: one row a parameter. A new parameter is a new row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Choice = bool | int | float | str
Habit = Literal["searched", "unstopped", "on request"]


@dataclass(frozen=True)
class Range:
    """One parameter and the values that a search tries.

    Attributes:
        name: as project.yaml writes it.
        low, high: both included; whole numbers when both are whole.
        log: drawn evenly on a logarithmic scale.
        choices: instead of low and high.
        is_param: it stands under `learner.params`; else it is a key of `learner` itself.
        habit: `searched` unless the project leaves it out, `unstopped` only of a recipe without early stopping, or
            `on request` of the project.
        along: what has to be set beside it, unless the declaration sets it.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Choice, ...] = ()
    is_param: bool = True
    habit: Habit = "searched"
    along: tuple[tuple[str, Choice], ...] = ()


_LIGHTGBM = (
    Range("learning_rate", 0.01, 0.3, log=True),
    Range("num_leaves", 7, 255, log=True),
    Range("min_data_in_leaf", 10, 500, log=True),
    Range("feature_fraction", 0.4, 1.0),
    Range("lambda_l2", 1e-3, 10.0, log=True),
    # With early stopping the rounds are found by it.
    Range("rounds", 20, 1000, log=True, is_param=False, habit="unstopped"),
    # LightGBM draws no bags unless it is told how often.
    Range("bagging_fraction", 0.5, 1.0, habit="on request", along=(("bagging_freq", 1),)),
    Range("lambda_l1", 1e-3, 10.0, log=True, habit="on request"),
    Range("max_depth", 3, 12, habit="on request"),
    Range("min_gain_to_split", 1e-3, 1.0, log=True, habit="on request"),
    Range("path_smooth", 1e-2, 100.0, log=True, habit="on request"),
    Range("extra_trees", choices=(False, True), habit="on request"),
    Range("max_bin", 63, 511, habit="on request"),
)
_TORCH = (
    Range("rate", 1e-4, 1e-2, log=True, is_param=False),
    Range("weight_decay", 1e-4, 1e-1, log=True, is_param=False),
    Range("epochs", 3, 50, log=True, is_param=False, habit="unstopped"),
    Range("batch_size", choices=(256, 512, 1024, 2048), is_param=False, habit="on request"),
)
_ROWS: dict[str, tuple[Range, ...]] = {
    "lightgbm": _LIGHTGBM,
    "mlp": (*_TORCH, Range("dropout", 0.0, 0.5)),
    "tabm": (
        *_TORCH,
        Range("dropout", 0.0, 0.5),
        Range("width", 64, 512, log=True, habit="on request"),
        Range("blocks", 1, 4, habit="on request"),
    ),
}


def learner_names() -> tuple[str, ...]:
    """The learners whose ranges are known."""
    return tuple(_ROWS)


def ranges_of(learner: str) -> dict[str, Range]:
    """The rows of a learner by name; of a user's own network those that every network shares."""
    return {row.name: row for row in _ROWS.get(learner, _TORCH)}
