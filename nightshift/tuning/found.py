"""What a search has tried so far, and what came of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nightshift.records import Record
from nightshift.spec.ranges import Choice

State = Literal["complete", "pruned", "refused"]


class Tried(Record):
    """One trial.

    Attributes:
        trial: its place in the search, from 0: the recipe as it is declared.
        params: what was tried, by the names of project.yaml; empty of the declared recipe.
        value: the mean of the deciding metric over the folds; None when it was not measured on all of them.
        values: the metric of each fold, the newest first.
        lengths: the rounds or epochs that were kept, by fold.
        losses: the best validation loss by mark: a tenth of a fold's longest training.
        seconds: on the clock.
        note: why it was pruned or refused.
    """

    trial: int
    learner: str
    params: dict[str, Choice]
    state: State
    value: float | None = None
    values: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()
    losses: dict[int, float] = Field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""


class Found(Record):
    """A search: what it was about, and its trials in order.

    Attributes:
        study: its name: project, data, search space and as-of in short.
        new: how many trials this run added.
    """

    project: str
    study: str
    as_of: datetime
    metric: str
    greater_is_better: bool
    folds: int
    tried: tuple[Tried, ...]
    new: int = 0

    @property
    def declared(self) -> Tried:
        """The declared recipe's own trial."""
        return self.tried[0]

    @property
    def best(self) -> Tried:
        """The best trial of all; of equals the earliest, so that nothing changes for nothing."""
        return self.ranked()[0]

    def ranked(self) -> list[Tried]:
        """The trials that were measured on all folds, the best first."""
        sign = -1.0 if self.greater_is_better else 1.0
        measured = [(sign * one.value, one.trial, one) for one in self.tried if one.value is not None]
        return [one for _, _, one in sorted(measured, key=lambda each: each[:2])]

    def count(self, state: State) -> int:
        """How many trials ended so."""
        return sum(one.state == state for one in self.tried)
