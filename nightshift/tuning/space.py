"""What a search may try: each learner's recipe to begin with, and the ranges around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nightshift.errors import RequestError
from nightshift.spec.learner import LightGBM, Recipe, Torch
from nightshift.spec.project import Project, digest
from nightshift.spec.ranges import Choice, Range

if TYPE_CHECKING:
    from optuna import Trial

LEARNER = "learner"
_DIGITS = 4

AnyRecipe = LightGBM | Torch


@dataclass(frozen=True)
class Arm:
    """One learner of a search: the recipe that parameters are put into, and the range of each."""

    name: str
    recipe: AnyRecipe
    ranges: tuple[Range, ...]

    def with_values(self, values: Mapping[str, Choice]) -> AnyRecipe:
        """The recipe with these parameters.

        Raises:
            RequestError: together they are none.
        """
        declared = self.recipe.model_dump(by_alias=True)
        for row in self.ranges:
            part = declared["params"] if row.is_param else declared
            part[row.name] = values[row.name]
            for name, value in row.along:
                part.setdefault(name, value)
        try:
            return type(self.recipe).model_validate(declared)
        except ValidationError as error:
            raise RequestError(
                f"these parameters make no {self.name}: {error.errors()[0]['msg']}",
                where="tune.ranges", remedy="narrow the range of one of them",
            ) from error  # fmt: skip


@dataclass(frozen=True)
class Space:
    """All the learners of a search, and the recipe as it is declared."""

    declared: AnyRecipe
    arms: tuple[Arm, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all that is tried."""
        return digest(
            self.declared.model_dump(mode="json"),
            [(arm.name, arm.recipe.model_dump(mode="json"), list(map(str, arm.ranges))) for arm in self.arms],
        )

    def suggest(self, trial: Trial) -> tuple[Arm, dict[str, Choice]]:
        """A learner, and a value of each of its parameters, as project.yaml would write them."""
        names = [arm.name for arm in self.arms]
        name = trial.suggest_categorical(LEARNER, names) if len(names) > 1 else names[0]
        arm = next(arm for arm in self.arms if arm.name == name)
        return arm, {row.name: _suggest(trial, f"{arm.name}.{row.name}", row) for row in arm.ranges}


def space_of(project: Project) -> Space:
    """What the project's `tune` asks for.

    Raises:
        RequestError: there is nothing to search for.
    """
    declared, own = project.learner, learner_name(project.learner)
    arms = []
    for name in dict.fromkeys(project.tune.learners or (own,)):
        recipe = declared if name == own else _another(name, declared)
        ranges = project.tune.space(name, stops_early=recipe.early_stopping is not None)
        arms.append(Arm(name, recipe, ranges))
    if len(arms) == 1 and not arms[0].ranges:
        raise RequestError(
            f"every parameter of {arms[0].name} is left out, and there is nothing to search for",
            where=f"project {project.name}: tune.ranges", remedy="name a parameter with its range",
        )  # fmt: skip
    return Space(declared, tuple(arms))


def learner_name(recipe: AnyRecipe) -> str:
    """What `tune.learners` calls the learner of a recipe.

    >>> learner_name(Torch(kind="torch", network="tabm"))
    'tabm'
    """
    return recipe.network if isinstance(recipe, Torch) else recipe.kind


def _another(name: str, declared: AnyRecipe) -> AnyRecipe:
    """The recipe of a learner that is not the declared one: what all learners share, and defaults beside it."""
    if isinstance(declared, Torch) and name != "lightgbm":
        return declared.model_copy(update={"network": name, "network_text": "", "params": {}})
    shared = {key: getattr(declared, key) for key in Recipe.model_fields}
    return (
        LightGBM(kind="lightgbm", **shared)
        if name == "lightgbm"
        else Torch(kind="torch", network=name, **shared)
    )


def _suggest(trial: Trial, name: str, row: Range) -> Any:
    if row.choices:
        return trial.suggest_categorical(name, row.choices)
    assert row.low is not None
    assert row.high is not None
    if isinstance(row.low, int) and isinstance(row.high, int):
        return trial.suggest_int(name, row.low, row.high, log=row.log)
    # What is tried is what a person will read in project.yaml: no more digits than matter.
    drawn = trial.suggest_float(name, row.low, row.high, log=row.log)
    return float(f"{drawn:.{_DIGITS}g}")
