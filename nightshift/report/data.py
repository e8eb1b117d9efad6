"""What a report of a project's nights is made of: records read from the lake and the registry, and nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from nightshift.drift.profile import Column, Profile
from nightshift.findings import Estimated, Night, Realised, Signal
from nightshift.report.words import drifted
from nightshift.trained import ModelVersion

if TYPE_CHECKING:
    from nightshift.performance.timeline import Period

MOST_PICTURES = 6


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

    @property
    def pictured(self) -> dict[str, tuple[Column, Column]]:
        """The drifted columns that both profiles know, as (reference, window): those worth a picture, six at most."""
        if self.reference is None or self.window is None:
            return {}
        before, now = _by_name(self.reference), _by_name(self.window)
        names = [
            name
            for name in drifted(self.signals)
            if name in before and name in now and type(before[name]) is type(now[name])
        ]
        return {name: (before[name], now[name]) for name in names[:MOST_PICTURES]}


def _by_name(profile: Profile) -> dict[str, Column]:
    return {one.name: one for one in profile.columns.values()}
