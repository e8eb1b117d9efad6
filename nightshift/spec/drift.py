"""The drift policy: what a night looks at, what counts as a cause, and what holds a retrain back."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from nightshift.spec.declaration import Column, Declaration
from nightshift.spec.durations import Duration, format_duration

Answer = Literal["retrain", "watch"]

_DAY_MINUTES = 24 * 60


def parse_clock(value: object) -> time:
    """The time of day that `08:00` names; a time is returned as it is.

    YAML reads an unquoted 18:00 as a number in base 60, and so as the minutes since midnight.

    Raises:
        ValueError: no time of day.

    >>> parse_clock("08:30"), parse_clock(1080)
    (datetime.time(8, 30), datetime.time(18, 0))
    """
    match value:
        case time():
            return value
        case bool():
            pass
        case int() if 0 <= value < _DAY_MINUTES:
            return time(*divmod(value, 60))
        case str():
            try:
                return datetime.strptime(value.strip(), "%H:%M").time()  # noqa: DTZ007 - a time of day has no zone
            except ValueError:
                pass
    raise ValueError(f'{value!r} is no time of day; write it as "08:00"')


Clock = Annotated[
    time, BeforeValidator(parse_clock), PlainSerializer(lambda at: f"{at:%H:%M}", return_type=str)
]


def _parse_day(value: object) -> object:
    """A day as it is written. A number would be read as seconds since 1970."""
    if isinstance(value, bool | int | float):
        raise ValueError(f"{value!r} is no day; write it as 2024-12-20")
    return value


Day = Annotated[date, BeforeValidator(_parse_day)]


class Trips(Declaration):
    """How often a column must alarm before it is a cause to retrain.

    Attributes:
        windows: in at least so many
        of: of the newest so many windows, this night's among them.
        worse: a cause that a retrain answered, and that never went away, trips again when its effect is this many
            times what it was then.
    """

    windows: int = Field(default=2, ge=1)
    of: int = Field(default=3, ge=1, le=60)
    worse: float = Field(default=1.25, gt=1)

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.windows > self.of:
            raise ValueError(
                f"trips.windows is {self.windows} and trips.of is {self.of}: so many of so few can never trip"
            )
        return self


class Performance(Declaration):
    """How much worse than expected the model may be.

    Attributes:
        margin: the loss that is borne, as a share of the expected value of the deciding metric (`unit: share`),
            or in the metric's own unit (`unit: metric`).
        realised, estimated: what a loss beyond the margin leads to.
    """

    margin: float = Field(default=0.02, ge=0)
    unit: Literal["share", "metric"] = "share"
    realised: Answer = "retrain"
    estimated: Answer = "retrain"

    def borne(self, expected: float) -> float:
        """The loss that is borne, in the metric's unit.

        >>> Performance(margin=0.05).borne(0.5)
        0.025
        """
        return self.margin * abs(expected) if self.unit == "share" else self.margin


class QuietHours(Declaration):
    """Hours of each day, `[from, to)` on the clock of night.timezone, in which nothing is trained.

    Where `to` is before `from`, they go over midnight.
    """

    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")

    @model_validator(mode="after")
    def _are_hours(self) -> Self:
        if self.start == self.end:
            raise ValueError(
                f"quiet_hours go from {self.start:%H:%M} to {self.end:%H:%M}: "
                "leave them out for none, or say freeze: true for all day"
            )
        return self

    def covers(self, at: time) -> bool:
        """Whether the time of day is within them."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


class Freeze(Declaration):
    """Days, both ends among them, on which nothing is trained; without an end they go on."""

    start: Day | None = Field(default=None, alias="from")
    end: Day | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"the freeze goes from {self.start} to {self.end}, which is earlier")
        return self

    def covers(self, day: date) -> bool:
        """Whether the day is one of them."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)

    def __str__(self) -> str:
        ends = [f"{word} {day}" for word, day in (("from", self.start), ("to", self.end)) if day]
        return " ".join(ends) or "until further notice"


class SignalPolicy(Declaration):
    """Changes to one signal: whether it is looked at, and the least effect that matters."""

    enabled: bool = True
    floor: float | None = Field(default=None, ge=0)


class Drift(Declaration):
    """Changes to the drift policy that is on by default: docs/drift-policy.md says what each number does."""

    window: Duration = Field(default="7d", validate_default=True)
    reference: Literal["training", "last_good", "weekday"] = "training"
    segments: tuple[Column, ...] | None = None
    signals: dict[Column, SignalPolicy] = Field(default_factory=dict)
    false_discovery: float = Field(default=0.01, gt=0, le=0.5)
    min_weight: float = Field(default=0.01, ge=0, lt=1)
    feature_drift: Answer = "retrain"
    trips: Trips = Trips()
    performance: Performance = Performance()
    max_age: Duration | None = Field(default="30d", validate_default=True)
    min_labels: int = Field(default=200, ge=0)
    cooldown: Duration = Field(default="3d", validate_default=True)
    per_week: int = Field(default=2, ge=0)
    quiet_hours: QuietHours | None = None
    freeze: tuple[Freeze, ...] = ()

    @field_validator("freeze", mode="before")
    @classmethod
    def _spans(cls, freeze: Any) -> Any:
        """`true` is a freeze without an end, `false` none."""
        if isinstance(freeze, bool):
            return [{}] if freeze else []
        return freeze

    @field_validator("per_week")
    @classmethod
    def _leaves_some(cls, per_week: int) -> int:
        if per_week == 0:
            raise ValueError("per_week: 0 would never retrain; say freeze: true if that is meant")
        return per_week

    @model_validator(mode="after")
    def _numbers_agree(self) -> Self:
        if self.max_age is not None and self.cooldown > self.max_age:
            raise ValueError(
                f"cooldown is {format_duration(self.cooldown)} and max_age {format_duration(self.max_age)}: "
                "the model would be too old before it may be trained again"
            )
        answers = (self.feature_drift, self.performance.realised, self.performance.estimated)
        if self.max_age is None and "retrain" not in answers:
            raise ValueError(
                "nothing could ever lead to a retrain: feature_drift and performance only watch, and there is "
                "no max_age; say freeze: true if that is meant"
            )
        return self
