"""How a night begins and what it comes to: the records that its steps pass on."""

from __future__ import annotations

from datetime import datetime

from nightshift.findings import Decision, Estimated, Night, Realised, Signal
from nightshift.monitoring.windows import NightWindows
from nightshift.records import Record, Scored
from nightshift.trained import ModelVersion


class Opening(Record):
    """A night before its first step.

    Attributes:
        nights: earlier ones, newest first.
        began_at: the real clock's time, UTC.
        moment: the real one, when the night may be a missed one that is done later; None in a replay.
        done: this night, when it was done before.
    """

    windows: NightWindows
    nights: tuple[Night, ...]
    began_at: datetime
    moment: datetime | None = None
    done: Night | None = None

    @property
    def before(self) -> Night | None:
        """The night before, however it went."""
        return self.nights[0] if self.nights else None


class NightRun(Record):
    """What a night came to.

    Attributes:
        is_new: false when the night had been done before, and nothing was done now.
        signals, alarms: how many were looked at, and how many alarm.
        scored: where the night's predictions went; None when there were no rows to score.
        trained: the version of a night that retrained.
    """

    night: Night
    is_new: bool = True
    signals: int = 0
    alarms: int = 0
    realised: Realised | None = None
    estimated: Estimated | None = None
    scored: Scored | None = None
    trained: ModelVersion | None = None


class MonitorRun(Record):
    """What a look at a project's newest rows and predictions found, and what a night would decide on it.

    Attributes:
        champion: the version that was looked at; None before the first.
        signals: all of them, alarms first.
    """

    project: str
    windows: NightWindows
    champion: int | None
    signals: tuple[Signal, ...]
    realised: Realised | None
    estimated: Estimated | None
    decision: Decision
