"""What project.yaml may say of a search for better parameters; everything has a default."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from nightshift.errors import did_you_mean
from nightshift.spec.declaration import REFUSED, Declaration, Number, is_recorded, refused
from nightshift.spec.learner import LightGBM, Torch
from nightshift.spec.ranges import Choice, Range, ranges_of

LearnerName = Literal["lightgbm", "mlp", "tabm"]


class Narrowed(Declaration):
    """The values that a search tries of one parameter: from low to high, or some of a list."""

    # Whether they are finite is asked together with all else that the learner asks of them.
    model_config = ConfigDict(allow_inf_nan=True)

    low: Number | None = None
    high: Number | None = None
    log: bool | None = None
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if self.choices and (self.low is not None or self.high is not None or self.log is not None):
            raise ValueError("a range has low and high, or choices, and not both")
        return self

    def of(self, row: Range) -> Range:
        """The row with what is given here in the place of its own.

        Raises:
            ValueError: nothing lies between its ends.
        """
        if self.choices:
            return Range(row.name, choices=self.choices, is_param=row.is_param, along=row.along)
        if row.choices:
            if self.low is not None or self.high is not None:
                raise ValueError(
                    f"{row.name} has choices ({', '.join(map(str, row.choices))}), no low and high"
                )
            return row
        assert row.low is not None
        assert row.high is not None
        low = row.low if self.low is None else self.low
        high = row.high if self.high is None else self.high
        log = row.log if self.log is None else self.log
        if low > high:
            raise ValueError(f"{row.name}: low ({low:g}) is greater than high ({high:g})")
        if log and low <= 0:
            raise ValueError(f"{row.name}: low ({low:g}) must be greater than 0 on a logarithmic scale")
        if isinstance(row.low, int) and (low % 1 or high % 1):
            raise ValueError(f"{row.name} is a whole number, and so are its low and high")
        if isinstance(row.low, int):
            low, high = int(low), int(high)
        return Range(row.name, low, high, log, is_param=row.is_param, along=row.along)


class Tune(Declaration):
    """A search over learners and their parameters.

    Attributes:
        learners: by default the project's own alone.
        folds: how many pairs of windows each trial is measured on: training rows, and the validation rows after them.
            The newest pair is the project's own split; each one before it ends a validation window earlier.
        seed: of the search; the same seed tries the same values.
        ranges: by learner and parameter; null leaves a parameter as it is declared.
    """

    learners: tuple[LearnerName, ...] = ()
    folds: int = Field(default=3, ge=1, le=20)
    seed: int = Field(default=0, ge=0)
    ranges: dict[LearnerName, dict[str, Narrowed | None]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ranges_are_of_known_parameters(self, info: ValidationInfo) -> Self:
        for learner, changes in self.ranges.items():
            rows = ranges_of(learner)
            for name, narrowed in changes.items():
                if name not in rows:
                    hint = did_you_mean(name, rows)
                    raise ValueError(
                        f"a search knows no parameter {name!r} of {learner}; "
                        + (f"{hint} " if hint else "")
                        + f"It knows {', '.join(rows)}"
                    )
                if narrowed is not None:
                    found = narrowed.of(rows[name])
                    if not is_recorded(info):
                        _check_values(learner, found)
        return self

    def space(self, learner: str, *, stops_early: bool) -> tuple[Range, ...]:
        """What is searched of a learner.

        Args:
            learner: its name, or that of a user's own network.
            stops_early: the recipe finds its own length.
        """
        changes = {str(name): change for name, change in self.ranges.items()}.get(learner, {})
        found = []
        for name, row in ranges_of(learner).items():
            if name in changes:
                narrowed = changes[name]
                if narrowed is not None:
                    found.append(narrowed.of(row))
            elif row.habit == "searched" or (row.habit == "unstopped" and not stops_early):
                found.append(row)
        return tuple(found)


def _check_values(learner: LearnerName, row: Range) -> None:
    """Refuse values that the learner would refuse if they were declared.

    Raises:
        PydanticCustomError: one of them; it says which, and what to write.
    """
    kind: type[LightGBM | Torch] = LightGBM if learner == "lightgbm" else Torch
    begun = {"kind": "lightgbm"} if learner == "lightgbm" else {"kind": "torch", "network": learner}
    for value in row.choices or (row.low, row.high):
        declared = {"params": {row.name: value}} if row.is_param else {row.name: value}
        try:
            kind.model_validate({**begun, **declared})
        except ValidationError as error:
            raise _of_range(learner, row, value, error) from error


def _of_range(learner: str, row: Range, value: object, error: ValidationError) -> PydanticCustomError:
    fault = error.errors()[0]
    said: dict[str, Any] = fault["ctx"] if fault["type"] == REFUSED else {"what": fault["msg"]}
    return refused(
        f"the range holds {value!r}, which {learner} refuses: {said['what']}",
        key=f"ranges.{learner}.{row.name}", valid=said.get("valid", ()),
        remedy=said.get("remedy") or "correct the range",
    )  # fmt: skip
