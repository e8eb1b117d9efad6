"""What a report of a project's nights is made of: records read from the lake and the registry, and nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nightshift.drift.profile import Profile
from nightshift.findings import Estimated, Night, Realised, Signal
from nightshift.records import ModelVersion, Record, Window


class Period(Record):
    """One stretch of the performance timeline.

    Attributes:
        window: the predictions' event times.
        version: the version that made most of them; None when nobody knows.
        rows: how many predictions there are.
        coverage: the share of them whose label is known, 0 to 1.
        realised: the deciding metric on the rows with a label; None when there are too few.
        estimated: the same without labels; None when it was not estimated.
        expected: what the version's holdout promised.
    """

    window: Window
    version: int | None
    rows: int
    coverage: float
    realised: float | None
    estimated: float | None = None
    expected: float | None = None

    @property
    def middle(self) -> datetime:
        """The moment half-way, where a plot puts its point."""
        return self.window.start + (self.window.end - self.window.start) / 2


@dataclass(frozen=True)
class ReportData:
    """Everything that a page about a project's nights shows.

    Attributes:
        project: its name.
        metric: the metric that decides.
        nights: oldest first; the last one is tonight. A night that runs again stands once.
        signals: tonight's.
        realised, estimated: tonight's, where there are labels or scores to say something of.
        timeline: oldest first.
        versions: newest first.
        reference, window: what tonight's rows were compared with, and tonight's rows.
        written_at: the real clock's time, UTC.
    """

    project: str
    metric: str
    nights: tuple[Night, ...]
    written_at: datetime
    purpose: str = ""
    owner: str = ""
    signals: tuple[Signal, ...] = ()
    realised: Realised | None = None
    estimated: Estimated | None = None
    timeline: tuple[Period, ...] = ()
    versions: tuple[ModelVersion, ...] = ()
    reference: Profile | None = None
    window: Profile | None = None

    @property
    def tonight(self) -> Night | None:
        """The newest night, or None before the first."""
        return self.nights[-1] if self.nights else None
