"""What project.yaml may say of a search for better parameters; everything has a default."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nightshift.errors import did_you_mean
from nightshift.spec.declaration import Declaration
from nightshift.spec.ranges import Choice, Range, ranges_of

LearnerName = Literal["lightgbm", "mlp", "tabm"]


class Narrowed(Declaration):
    """The values that a search tries of one parameter: from low to high, or some of a list."""

    low: float | None = None
    high: float | None = None
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
    def _ranges_are_of_known_parameters(self) -> Self:
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
                    narrowed.of(rows[name])
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
