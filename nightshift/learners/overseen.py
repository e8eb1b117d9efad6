"""One training under oversight: its checkpoints in the store, what it takes, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass

from nightshift.checkpoints.keeper import Keeper
from nightshift.cost.meter import Meter
from nightshift.cost.watch import Watch
from nightshift.learners.oversight import Oversight
from nightshift.learners.protocol import Fitted
from nightshift.records import Cost
from nightshift.settings import Settings
from nightshift.spec.project import Project
from nightshift.store.open import open_store


@dataclass(frozen=True)
class Overseen:
    """What a learner is given to ask while it trains, and what is read off afterwards."""

    keeper: Keeper
    meter: Meter
    oversight: Oversight

    @classmethod
    def of(cls, project: Project, mark: str, settings: Settings, spent_at: float | None = None) -> Overseen:
        """For the training with this mark, from now on.

        Args:
            spent_at: end it after so many rounds or epochs instead of by its budget, which was spent there once.

        Raises:
            RequestError: the store is of a kind that is not supported.
        """
        recipe, meter = project.learner, Meter()
        keeper = Keeper(open_store(settings), project.name, mark, recipe.kind, recipe.checkpoint, meter=meter)
        watch = Watch(recipe.budget, meter)

        def spent(done: float) -> str | None:
            if spent_at is None:
                return watch.spent()
            return "the budget was spent" if done >= spent_at else None

        return cls(keeper, meter, Oversight(keeper, spent, took_gpu=meter.took_gpu))

    def cost(self, fitted: Fitted, rows: int) -> Cost:
        """What the training took, over all processes that worked on it; `rows` are learnt from in every round."""
        return self.meter.so_far(checkpoint_s=fitted.kept.seconds, rows=rows * fitted.rounds)
