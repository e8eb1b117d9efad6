"""What passes between steps: frozen records of a few hundred bytes that say where things are, never the things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Metrics = dict[str, float | None]
Arm = Literal["champion", "challenger", "version"]
"""Whose answer a prediction is: the champion's, the challenger's, or that of a version somebody asked for by name."""


class Record(BaseModel):
    """A frozen, strict-keyed value that survives a trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Window(Record):
    """A half-open stretch `[start, end)` of event time, UTC."""

    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a window's ends need a time zone")
        if self.start >= self.end:
            raise ValueError(f"the window's start {self.start} is not before its end {self.end}")
        return self

    @classmethod
    def until(cls, end: datetime, length: timedelta) -> Window:
        """The window of `length` that stops just before `end`."""
        return cls(start=end - length, end=end)

    @property
    def length(self) -> timedelta:
        """From its start to its end."""
        return self.end - self.start

    def shared(self, other: Window) -> Window | None:
        """What both cover, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Window(start=start, end=end) if start < end else None

    def without(self, other: Window) -> list[Window]:
        """The parts of this window that another does not cover."""
        if self.shared(other) is None:
            return [self]
        ends = ((self.start, other.start), (other.end, self.end))
        return [Window(start=start, end=end) for start, end in ends if start < end]

    def __str__(self) -> str:
        return f"[{format_time(self.start)}, {format_time(self.end)})"


class Split(Record):
    """Three windows in time order, each ending where the next one starts."""

    train: Window
    validate_: Window
    holdout: Window

    @property
    def whole(self) -> Window:
        """From the first training row to as-of."""
        return Window(start=self.train.start, end=self.holdout.end)


class Cost(Record):
    """What a piece of work took, over all the processes that did it.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: seconds of all processors together.
        peak_mb: the most physical memory of a process meanwhile, in MB (10^6 bytes).
        checkpoint_s: seconds that writing checkpoints took, beside training or holding it up.
        gpu_s: seconds of a GPU at work; 0 without one.
        gpu_peak_mb: the most memory of a GPU that was taken.
        read_mb, written_mb: what went through the process's file handles, in MB.
        rows: rows learnt from, once for each round or epoch; or scored, or looked at.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    checkpoint_s: float = 0.0
    gpu_s: float = 0.0
    gpu_peak_mb: float = 0.0
    read_mb: float = 0.0
    written_mb: float = 0.0
    rows: int = 0

    def followed_by(self, later: Cost) -> Cost:
        """Both together: sums, and of peaks the higher one."""
        mine, theirs = self.model_dump(), later.model_dump()
        return Cost.model_validate(
            {
                name: max(mine[name], theirs[name]) if "peak" in name else mine[name] + theirs[name]
                for name in mine
            }
        )


Outside = dict[str, int]
"""How many rows belong to no window that is predicted, by reason: see `nightshift.scoring.outside`."""


class Staged(Record):
    """Rows that dataset.sql made of the sources, on local disk, not yet looked at by quality.

    Attributes:
        outside: rows that came with them and lie in no window at all.
    """

    project: str
    window: Window
    fingerprint: str
    path: str
    rows: int
    outside: Outside = Field(default_factory=dict)
    seconds: float
    cost: Cost | None = None


class RuleCount(Record):
    """How many rows one rule refused."""

    rule: str
    rows: int


class Snapshot(Record):
    """Accepted rows: (table, version, window, as-of) gives the same rows for ever.

    Attributes:
        rows_in: `rows`, `quarantined` and those `outside` together.
        cost: of running the SQL and of looking at the rows; None in records of old.
    """

    project: str
    table: str
    version: int
    window: Window
    as_of: datetime
    rows: int
    rows_in: int
    quarantined: int
    outside: Outside = Field(default_factory=dict)
    refused_by: tuple[RuleCount, ...] = ()
    quarantine_table: str = ""
    digest: str = ""
    seconds: float = 0.0
    cost: Cost | None = None


class Scored(Record):
    """What one prediction run put into the lake.

    Attributes:
        arm: whose answers they are; the champion's are published.
        rows_in: `rows_scored`, `rows_quarantined` and `rows_outside` together.
        latest_table, latest_version: of `latest_predictions`, brought up to these.
        digest: of what they were made of; their commit has it too.
        unseen_categories: how many values of a category the model had never seen, by column.
        beyond_float32: how many finite numbers of a column are beyond float32, and so are as infinite ones.
        unlearnt_nulls: how many values of a column are missing though no training row lacked one.
        realised: metrics of the rows whose label is known by now and that the version has not learnt from.
        realised_rows: how many they are.
        realised_learnt: rows whose label is known, but to the version too: it has learnt from rows of their time.
    """

    project: str
    window: Window
    model_version: int
    run_id: str
    arm: Arm = "champion"
    rows_in: int
    rows_scored: int
    rows_quarantined: int
    rows_outside: Outside = Field(default_factory=dict)
    unseen_categories: dict[str, int]
    beyond_float32: dict[str, int] = Field(default_factory=dict)
    unlearnt_nulls: dict[str, int] = Field(default_factory=dict)
    table: str
    table_version: int
    latest_table: str = ""
    latest_version: int | None = None
    digest: str = ""
    realised: Metrics
    realised_rows: int
    realised_learnt: int = 0
    seconds: float
    cost: Cost | None = None


def format_time(moment: datetime) -> str:
    """A UTC moment without the parts that say nothing.

    >>> format_time(datetime(2013, 9, 1, tzinfo=UTC))
    '2013-09-01'
    """
    moment = moment.astimezone(UTC)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return moment.strftime("%Y-%m-%d")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
